"""Draws in a file: what is written is read back, and a damaged file is refused with its line."""

from __future__ import annotations

import dataclasses
import json
import math
import pickle
from functools import cache

import numpy as np
import pytest
from exact import ALIVE, TOKENIZER, Bigram, law_of_texts
from for_each import for_each
from tasks import texts_of

import structgen as sg
from structgen.decoding.samplers import samples_file
from structgen.decoding.samplers.intervals.attempts import Attempts
from structgen.decoding.samplers.methods import METHODS
from structgen.decoding.samplers.report import report
from structgen.decoding.samplers.report_page import page_of
from structgen.decoding.samplers.samples import interval_words


@cache
def draw(n=30, method="importance", pattern="[ab]{1,4}", **options):
    """Return draws, the same object for the same arguments."""
    options = {"tokenizer": TOKENIZER, "name": "bigram", "max_tokens": 5} | options
    return sg.sample(Bigram(1, ALIVE), "a", sg.regex(pattern), n, method=method, **options)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    path = tmp_path_factory.mktemp("draws") / "draws.jsonl"
    draw(12).to_jsonl(path)
    return path


@pytest.mark.parametrize("method", METHODS)
def test_draws_are_read_back(method, tmp_path):
    found = draw(method=method)
    found.to_jsonl(tmp_path / "draws.jsonl")
    again = sg.Samples.from_jsonl(tmp_path / "draws.jsonl")
    for name in ("method", "texts", "values", "token_ids", "is_exact", "is_biased", "bracket", "statistics"):
        assert getattr(again, name) == getattr(found, name), name
    np.testing.assert_array_equal(again.logprobs, found.logprobs)
    np.testing.assert_array_equal(again.log_weights, found.log_weights)
    np.testing.assert_array_equal([again.log_z, *again.log_z_bounds], [found.log_z, *found.log_z_bounds])
    assert (again.log_z_interval is None) == (found.log_z_interval is None)
    assert again.about["max_tokens"] == 5
    assert again.worth == found.worth
    assert again.target == found.target != ""
    assert "".join(again.pieces[token] for token in again.token_ids[0]) == again.texts[0]


def test_draws_of_a_file_go_to_other_processes(tmp_path):
    draw().to_jsonl(tmp_path / "draws.jsonl")
    read = sg.Samples.from_jsonl(tmp_path / "draws.jsonl")
    sent = pickle.loads(pickle.dumps(read))
    assert (sent.texts, sent.ranges) == (read.texts, read.ranges)
    assert sent.log_z_interval == read.log_z_interval


def test_a_run_without_a_draw_is_written_and_read_without_numbers_that_json_does_not_have(tmp_path):
    found = draw(5, "masked", budget=1)
    assert not found.texts and math.isnan(found.log_z)
    found.to_jsonl(tmp_path / "draws.jsonl")
    assert len(sg.Samples.from_jsonl(tmp_path / "draws.jsonl")) == 0
    line = (tmp_path / "draws.jsonl").read_text().splitlines()[0]
    assert json.loads(line, parse_constant=pytest.fail)["log_z"] == "nan"


@for_each("method", METHODS)
def test_intervals_are_read_back_to_the_bit(method, tmp_path):
    """Of log Z, a mean, a share, a quantile and a field; and what the run is worth."""

    def figures(found):
        first, given = found.texts[0], {"range": (0, 20)}
        means = [found.expectation(len, **given), found.expectation(first.__eq__), found.proven(len, **given)]
        return [
            *means,
            found.quantile(len, **given),
            found.log_z_interval,
            found.worth,
            found.why_no_interval,
        ]

    found = draw(40, method)
    found.to_jsonl(tmp_path / "draws.jsonl")
    again = sg.Samples.from_jsonl(tmp_path / "draws.jsonl")
    assert figures(again) == figures(found)
    assert again.marginals(len) == found.marginals(len)


def test_attempts_are_read_back(tmp_path):
    """Dead ends, known texts and a pilot too."""
    for method in ("raj", "cars", "importance"):
        found = draw(40, method, pattern="[ab]{2,4}", budget=50)
        found.to_jsonl(tmp_path / "draws.jsonl")
        again = sg.Samples.from_jsonl(tmp_path / "draws.jsonl").attempts
        for name in (one.name for one in dataclasses.fields(Attempts)):
            np.testing.assert_array_equal(getattr(again, name), getattr(found.attempts, name))


def numbers_of(written, name, value, at=0):
    """Return the attempts of a file with a number changed."""
    tried = json.loads(written.read_text().splitlines()[0])["attempts"]
    tried[name][at] = value
    return tried


@for_each(
    ("name", "value", "at"),
    [
        ("weights", -0.1, 0),
        ("weights", 1.5, 0),
        ("weights", "nan", 0),
        ("bounds", 0.0, 0),
        ("bounds", 1.1, 0),
        ("known", 0.99, 3),
        ("batches", 10**6, 0),
        ("texts", 12, 0),
        ("texts", -2, 0),
        ("batches", "x", 0),
    ],
)
def test_attempts_that_no_run_has_are_refused(name, value, at, written, tmp_path):
    head, *lines = written.read_text().splitlines()
    head = json.dumps(json.loads(head) | {"attempts": numbers_of(written, name, value, at)})
    (tmp_path / "draws.jsonl").write_text("\n".join([head, *lines]) + "\n")
    with pytest.raises(sg.StructgenError, match="line 1"):
        sg.Samples.from_jsonl(tmp_path / "draws.jsonl")


def test_attempts_of_different_lengths_are_refused(written, tmp_path):
    head, *lines = written.read_text().splitlines()
    said = json.loads(head)
    said["attempts"]["left"].pop()
    (tmp_path / "draws.jsonl").write_text("\n".join([json.dumps(said), *lines]) + "\n")
    with pytest.raises(sg.StructgenError, match="'attempts' is out of range"):
        sg.Samples.from_jsonl(tmp_path / "draws.jsonl")


def test_a_file_of_the_older_form_is_refused_with_the_way(written, tmp_path):
    """It does not say what was tried."""
    head, *lines = written.read_text().splitlines()
    said = json.loads(head) | {"format": "structgen samples 1", "seconds": 1.0}
    del said["attempts"], said["ranges"]
    (tmp_path / "draws.jsonl").write_text("\n".join([json.dumps(said), *lines]) + "\n")
    with pytest.raises(sg.StructgenError, match=r"structgen samples 1.*earlier formats lack") as caught:
        sg.Samples.from_jsonl(tmp_path / "draws.jsonl")
    assert "draw again" in caught.value.cure


def test_json_values_are_read_back(tmp_path):
    options = {"tokenizer": TOKENIZER, "name": "bigram", "max_tokens": 6}
    found = sg.sample(
        Bigram(3, (b'"', b"a", b"b")), "a", sg.json_schema({"enum": ["a", "b", "ab"]}), 8, **options
    )
    found.to_jsonl(tmp_path / "draws.jsonl")
    again = sg.Samples.from_jsonl(tmp_path / "draws.jsonl")
    assert again.values == found.values
    assert set(again.with_values(json.loads).values) <= {"a", "b", "ab"}


@pytest.mark.parametrize("method", METHODS)
def test_masses_are_those_of_the_model(method):
    """z at each prefix, worked out by brute force over the language."""
    found = draw(method=method, pattern="[ab]{2,3}", max_tokens=4)
    model = Bigram(1, ALIVE)
    prompt = TOKENIZER.encode(b"a")

    def z(tokens):
        text = b"".join(TOKENIZER.token_bytes[token] for token in tokens)
        row = np.exp(model([*prompt, *tokens]))
        goes_on = [
            row[token]
            for token, more in enumerate(TOKENIZER.token_bytes[:261])
            if more is not None and set(more) <= set(b"ab") and len(text + more) <= 3
        ]
        return sum(goes_on) + (row[261:].sum() if 2 <= len(text) <= 3 else 0.0)

    assert found.masses
    for tokens, masses in zip(found.token_ids, found.masses, strict=True):
        assert masses == pytest.approx([z(tokens[:depth]) for depth in range(len(tokens) + 1)])


def test_masses_of_texts_that_an_earlier_run_found_come_from_the_tree():
    tree = sg.samplers.PrefixTree()
    draw(1000, "beams", tree=tree)
    again = draw(1000, "beams", tree=tree, seed=1)
    assert again.statistics.model_rows == 0
    assert None not in again.masses


@for_each(
    ("line", "change", "said"),
    [
        (1, "{", "line 1: .*not JSON"),
        (1, "[]", "line 1: .*not an object"),
        (1, {"format": "structgen samples 9"}, "line 1: .*reads 'structgen samples 2'"),
        (1, {"draws": 13}, "line 14: .*13 draws, and 12"),
        (1, {"draws": -1}, "line 1: .*'draws'"),
        (1, {"log_z": "much"}, "line 1: .*'log_z'"),
        (1, {"bracket": [0]}, "line 1: .*'bracket'"),
        (1, {"is_exact": 1}, "line 1: .*'is_exact'"),
        (1, {"statistics": {}}, "line 1: .*'attempts'"),
        (5, "{", "line 5: .*not JSON"),
        (5, {"text": 3}, "line 5: .*'text'"),
        (5, {"token_ids": [-1]}, "line 5: .*'token_ids'"),
        (5, {"log_weight": None}, "line 5: .*'log_weight'"),
        (5, {"log_weight": "-inf"}, "line 5: .*'log_weight'"),
        (5, {"logprob": 10**400}, "line 5: .*'logprob'"),
        (5, {"masses": [0.5]}, "line 5: .*'masses'"),
        (1, {"attempts": {}}, "line 1: .*'weights' is missing"),
        (1, {"attempts": "inf"}, "line 1: .*attempts is not an object"),
        (1, {"ranges": {"age": [0]}}, "line 1: .*'ranges'"),
        (5, {"token_ids": [True]}, "line 5: .*'token_ids'"),
        (1, {"pieces": {"0": 1}}, "line 1: .*'pieces'"),
        (1, {"bracket": [0, "nan"]}, "line 1: .*'bracket'"),
    ],
)
def test_a_damaged_file_is_refused_with_its_line(line, change, said, written, tmp_path):
    lines = written.read_text().splitlines()
    was = lines[line - 1]
    lines[line - 1] = change if isinstance(change, str) else json.dumps(json.loads(was) | change)
    (tmp_path / "draws.jsonl").write_text("\n".join(lines) + "\n")
    with pytest.raises(sg.StructgenError, match=said):
        sg.Samples.from_jsonl(tmp_path / "draws.jsonl")


@pytest.mark.parametrize("size", [0, 40, -30])
def test_a_file_that_was_cut_off_is_refused(size, written, tmp_path):
    (tmp_path / "draws.jsonl").write_bytes(written.read_bytes()[:size])
    with pytest.raises(sg.StructgenError, match=r"draws\.jsonl, line"):
        sg.Samples.from_jsonl(tmp_path / "draws.jsonl")


def test_writing_leaves_the_old_file_where_it_fails(written, tmp_path, monkeypatch):
    path = tmp_path / "draws.jsonl"
    path.write_text("old")

    def broken(value):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(samples_file, "_json_line", broken)
    with pytest.raises(OSError, match="No space"):
        draw(3).to_jsonl(path)
    assert [(one.name, one.read_text()) for one in tmp_path.iterdir()] == [("draws.jsonl", "old")]


def test_marginals_of_a_language_that_is_exhausted_are_exact():
    found = draw(10_000, "beams")
    masses = law_of_texts(Bigram(1, ALIVE), texts_of("[ab]{1,4}"), 5)
    z = sum(masses.values())
    share = sum(
        p
        for tokens, p in masses.items()
        if len(b"".join(map(TOKENIZER.token_bytes.__getitem__, tokens))) == 2
    )
    (two,) = [one for one in found.marginals(len) if one.value == 2]
    assert (two.share, *two.interval) == pytest.approx([share / z] * 3)


def test_marginals_of_equal_draws_have_an_interval():
    """All of ten exact draws agree. The first one names the value: behind it the exact interval of nine goes
    down to the 9th root of 0.025."""
    found = draw(10, "rejection", pattern="[ab]")
    (only,) = found.marginals(len)
    assert (only.share, only.low) == pytest.approx((1.0, 0.025 ** (1 / 9)), rel=1e-3)


def test_what_was_met_is_a_proven_part_of_the_interval():
    """The rarest length has a share of at least its known mass over the upper bound on Z."""
    found = draw(25, "beams")
    lower, upper = found.bracket
    assert lower < upper
    for one in found.marginals(len):
        met = sum(
            math.exp(p) for p, text in zip(found.logprobs, found.texts, strict=True) if len(text) == one.value
        )
        assert met / upper - 1e-12 <= one.low <= one.share <= one.high <= 1 - (lower - met) / upper + 1e-12


def test_paths_lead_into_values():
    found = draw(3).with_values(lambda text: {"a": {"b": [len(text), {"c": text[:1]}]}, "x.y": None})
    assert found.marginals("a.b.length")[0].value == 2
    assert {one.value for one in found.marginals("a.b[].c")} <= {"a", "b"}
    assert found.marginals("nothing")[0].value == "(absent)"


@pytest.mark.parametrize("method", ["rejection", "cars"])
def test_exact_draws_are_worth_their_number(method):
    assert draw(80, method).worth == pytest.approx(80)


def test_a_language_that_is_exhausted_is_worth_any_number_of_draws():
    found = draw(10_000, "beams")
    assert found.worth == math.inf
    assert "all valid texts" in repr(found)


def test_an_interval_whose_ends_look_alike_is_one_number():
    assert (
        interval_words("1", "1") == "1, to the digits shown"
        and interval_words("0.9", "1", "from ") == "from 0.9 to 1"
    )
    found = dataclasses.replace(draw(200), bracket=(0.99999, 0.999999))
    assert "Proven of it: 1, to the digits shown.</p>" in page_of(found, report(found))
    assert dict(found.facts())["Z, proven"] == "1, to the digits shown"
    found = dataclasses.replace(found, bracket=(0.5, 0.9))
    assert "Proven of it: from 0.5 to 0.9.</p>" in page_of(found, report(found))


def test_more_texts_than_were_asked_for_are_explained():
    for method, n, is_told in (("beams", 20, True), ("beams", 200, False), ("importance", 20, False)):
        found = dataclasses.replace(draw(50, method), about={"n": n})
        told = dict(found.facts())["draws"]
        assert told.endswith("; beams list each text that they meet, and n is the least") == is_told


def test_the_representation_is_short():
    found = draw(200)
    assert len(repr(found)) < 200
    assert "200 draws by importance, weighted, worth " in repr(found)
    assert "<script" not in found.with_values(str)._repr_html_()
