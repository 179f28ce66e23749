"""Draws in a file: what is written is read back, and a damaged file is refused with its line."""

from __future__ import annotations

import dataclasses
import json
import math
from functools import cache

import numpy as np
import pytest
from exact import ALIVE, TOKENIZER, Bigram, law_of_texts
from for_each import for_each
from tasks import texts_of

import structgen as sg
from structgen.decoding.samplers import samples_file
from structgen.decoding.samplers.methods import METHODS
from structgen.decoding.samplers.report import report
from structgen.decoding.samplers.report_page import page_of
from structgen.decoding.samplers.samples import between


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


def test_a_run_without_a_draw_is_written_and_read_without_numbers_that_json_does_not_have(tmp_path):
    found = draw(5, "masked", budget=1)
    assert not found.texts and math.isnan(found.log_z)
    found.to_jsonl(tmp_path / "draws.jsonl")
    assert len(sg.Samples.from_jsonl(tmp_path / "draws.jsonl")) == 0
    line = (tmp_path / "draws.jsonl").read_text().splitlines()[0]
    assert json.loads(line, parse_constant=pytest.fail)["log_z"] == "nan"


@pytest.mark.parametrize("method", ["beams", "cars", "importance", "smc"])
def test_standard_errors_are_read_back(method, tmp_path):
    weighted = method in ("importance", "smc")
    found = draw(96 if weighted else 40, method)  # of 40 draws a file has all parts, of 96 it has 50 batches
    found.to_jsonl(tmp_path / "draws.jsonl")
    again = sg.Samples.from_jsonl(tmp_path / "draws.jsonl")
    same = found.statistics.attempts <= 50
    mean, error = found.expectation(len)
    assert again.expectation(len) == (
        pytest.approx(mean),
        None if error is None else pytest.approx(error, rel=1e-6 if same else 0.6),
    )


@pytest.mark.parametrize("method", METHODS)
def test_contributions_of_several_functions_are_those_of_each(method):
    found = draw(method=method)
    functions = np.random.default_rng(0).normal(size=(len(found), 3))
    together = found.contributions(functions)
    for at in range(3):
        np.testing.assert_allclose(together[:, at], found.contributions(functions[:, at]))


def test_batch_means_estimate_the_same_variance(tmp_path):
    """Over many runs, the mean variance of batches is that of single attempts."""
    ratios = []
    for seed in range(12):
        found = draw(120, "importance", seed=seed)
        found.to_jsonl(tmp_path / "draws.jsonl")
        again = sg.Samples.from_jsonl(tmp_path / "draws.jsonl")
        ratios.append((again.expectation(len)[1] / found.expectation(len)[1]) ** 2)
    error = np.std(ratios, ddof=1) / math.sqrt(len(ratios))
    assert abs(np.mean(ratios) - 1) < 4 * error < 0.3


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
        (1, "[]", "line 1: .*no object"),
        (1, {"format": "structgen samples 9"}, "line 1: .*reads 'structgen samples 1'"),
        (1, {"draws": 13}, "line 14: .*13 draws follow, and 12"),
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
        (5, {"error_parts": {"99": 1.0}}, "line 5: .*'error_parts/99'"),
        (5, {"error_parts": {"x": 1.0}}, "line 5: .*'error_parts'"),
        (5, {"error_parts": {"0": "nan"}}, "line 5: .*'error_parts/0'"),
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

    monkeypatch.setattr(samples_file, "_line", broken)
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
    """All of ten exact draws agree: the exact interval goes down to the 10th root of 0.025."""
    found = draw(10, "rejection", pattern="[ab]")
    (only,) = found.marginals(len)
    assert (only.share, only.low) == pytest.approx((1.0, 0.025**0.1), rel=1e-3)


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


def test_particles_of_one_run_are_worth_less_than_their_weights_say():
    """Sixteen copies of each of eight clouds' draws: 128 draws, of which 8 are independent."""
    found = draw(128, "cars")
    groups = np.arange(128) // 16
    copies = [found.texts[at - at % 16] for at in range(128)]
    clouds = dataclasses.replace(
        found,
        texts=copies,
        values=copies,
        contributions=lambda values: np.bincount(groups, values / 128, 8),
    )
    assert clouds.effective_size == pytest.approx(128)
    assert clouds.worth == pytest.approx(8)


def test_a_language_that_is_exhausted_is_worth_any_number_of_draws():
    found = draw(10_000, "beams")
    assert found.worth == math.inf
    assert "every valid text is known" in repr(found)


def test_no_effective_sample_size_is_told_above_the_number_of_draws():
    found = dataclasses.replace(draw(200))
    for worth, told in ((5e28, "200.0"), (math.inf, "200.0 (every valid text is known)"), (123.45, "123.5")):
        found.__dict__["worth"] = worth
        assert dict(found.facts())["effective sample size"] == told
        assert f"effective sample size {told}" in repr(found)
        assert f"<b>{min(worth, 200):,.0f}</b><span>effective" in page_of(found, report(found))
        assert report(found)["effective_sample_size"] == min(worth, 200)


def test_an_interval_whose_ends_look_alike_is_one_number():
    assert between("1", "1") == "1, to the digits shown" and between("0.9", "1", "from ") == "from 0.9 to 1"
    found = dataclasses.replace(draw(200), bracket=(0.99999, 0.999999))
    assert "Proven of it: 1, to the digits shown.</p>" in page_of(found, report(found))
    assert dict(found.facts())["Z, proven"] == "1, to the digits shown"
    found = dataclasses.replace(found, bracket=(0.5, 0.9))
    assert "Proven of it: from 0.5 to 0.9.</p>" in page_of(found, report(found))


def test_more_texts_than_were_asked_for_are_explained():
    found = draw(200)
    for method, n, is_told in (("beams", 20, True), ("beams", 200, False), ("importance", 20, False)):
        told = dict(dataclasses.replace(found, method=method, about={"n": n}).facts())["draws"]
        assert told.endswith("; beams list each text that they meet, and n is the least") == is_told


def test_the_representation_is_short():
    found = draw(200)
    assert len(repr(found)) < 200
    assert "200 draws by importance, weighted, effective sample size" in repr(found)
    assert "<script" not in found.with_values(str)._repr_html_()
