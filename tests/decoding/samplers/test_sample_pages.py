"""The report of draws: its numbers are those of the laws, worked out by enumeration."""

from __future__ import annotations

import dataclasses
import html
import json
import math
import warnings

import numpy as np
import pytest
from exact import ALIVE, TOKENIZER, Bigram, law_of_texts
from pages_in_browsers import BROWSER, is_so
from tasks import texts_of
from typer.testing import CliRunner

import structgen as sg
from structgen.base.system.output_files import write_output
from structgen.decoding.samplers import sample as module
from structgen.decoding.samplers.estimates import CUT_SHORT
from structgen.decoding.samplers.report import Estimate, report
from structgen.decoding.samplers.report_page import _growth_columns, page_of
from structgen.doors.cli import app
from structgen.errors import DrawsWarning

MODEL = Bigram(1, ALIVE)
PROMPT = TOKENIZER.encode(b"a")


def draw(n=2000, method="beams", prompt="a", **options):
    options = {"tokenizer": TOKENIZER, "name": "bigram", "max_tokens": 4} | options
    return sg.sample(MODEL, prompt, sg.regex("[ab]{1,3}"), n, method=method, **options)


def accepts(text):
    return 1 <= len(text) <= 3 and set(text) <= set(b"ab")


def viable(text):
    return len(text) <= 3 and set(text) <= set(b"ab")


LAW = law_of_texts(MODEL, texts_of("[ab]{1,3}"), 4, PROMPT)
Z = sum(LAW.values())


def text_of(tokens):
    return b"".join(TOKENIZER.token_bytes[token] for token in tokens)


def z_at(tokens):
    """The allowed mass behind a prefix, by brute force."""
    row = np.exp(MODEL([*PROMPT, *tokens]))
    text = text_of(tokens)
    mass = row[261:].sum() if accepts(text) else 0.0
    for token, more in enumerate(TOKENIZER.token_bytes[:261]):
        if more is not None and viable(text + more):
            mass += row[token]
    return float(mass)


MASKED = {
    tokens: p / math.prod(z_at(tokens[:depth]) for depth in range(len(tokens) + 1))
    for tokens, p in LAW.items()
}


def test_mass_removed_is_averaged_under_the_target():
    found = report(draw())["removed_by_position"]
    assert found
    for one in found:
        reached = {tokens: p for tokens, p in LAW.items() if len(tokens) >= one["position"]}
        mass = sum(reached.values())
        removed = sum(p * (1 - z_at(tokens[: one["position"]])) for tokens, p in reached.items()) / mass
        assert one["removed"].value == pytest.approx(removed)
        assert one["reached"] == pytest.approx(mass / Z)


def test_the_divergence_of_masking_is_that_of_the_two_laws():
    exact = sum(p / Z * math.log(p / Z / MASKED[tokens]) for tokens, p in LAW.items())
    assert exact > 0.01
    found = report(draw())["divergence_of_masking"]
    assert (found.value, found.low, found.high) == pytest.approx((exact, exact, exact))


@pytest.mark.parametrize("method", ["importance", "cars", "smc"])
def test_the_divergence_is_estimated_from_draws_of_each_method(method):
    exact = sum(p / Z * math.log(p / Z / MASKED[tokens]) for tokens, p in LAW.items())
    found = report(draw(400, method))["divergence_of_masking"]
    assert abs(found.value - exact) < 0.2
    assert (found.low, found.high) == (None, None)  # a text that was not drawn may have any sum


def test_fields_have_their_shares_under_the_target():
    found = report(draw())
    texts, length = (
        next(one for one in found["fields"] if one["field"] == name)
        for name in ("text", "length of the text")
    )
    exact = sum(p * len(text_of(tokens)) for tokens, p in LAW.items()) / Z
    assert length["mean"].value == pytest.approx(exact)
    for one in texts["values"]:
        same = [tokens for tokens in LAW if text_of(tokens).decode() == one["value"]]
        assert one["share"].value == pytest.approx(sum(LAW[tokens] for tokens in same) / Z)
        assert one["masked"] is None


@pytest.mark.parametrize(
    "method", ["beams", "raj", "cars", "importance", "smc", "asap", "rejection", "masked", "none"]
)
def test_a_page_of_any_run(method, tmp_path):
    """One file: nothing in it is loaded from elsewhere, and all numbers are numbers."""
    drawn = draw(5, "rejection", budget=1) if method == "none" else draw(30, method)
    found = report(drawn)
    write_output(tmp_path / "page.html", page_of(drawn, found))
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    for forbidden in ("<script", "src=", "href=", "@import", "url(", "nan", "inf<", "NaN"):
        assert forbidden not in page.replace("inference", ""), forbidden
    assert "http:" not in page and "https:" not in page and "@media (prefers-color-scheme: dark)" in page
    assert ("worth of the run" in page, "draws from bigram" in page) == (drawn.worth is not None, True)
    assert json.loads(json.dumps(found, allow_nan=False))["draws"] == len(drawn)


def test_texts_are_escaped_in_the_page():
    found = draw(30).with_values(str)
    evil = dataclasses.replace(
        found,
        find_ranges=dict,
        texts=["<script>alert(1)</script>\x1b"] * len(found.texts),
        about={"model": "<b>&\"'"},
    )
    page = page_of(evil, report(evil))
    assert "<script" not in page
    assert "<b>&" not in page
    assert "\x1b" not in page


def test_draws_by_masking_stand_beside():
    """Their shares are those of masking's law; a value that only they have is shown too."""
    found = report(draw(2, "rejection"), masked=draw(600, "masked"))
    (texts,) = [field for field in found["fields"] if field["field"] == "text"]
    assert found["masked_draws"] == 600
    assert any(one["draws"] == 0 and one["share"].value == 0.0 for one in texts["values"])
    for one in texts["values"]:
        exact = sum(p for tokens, p in MASKED.items() if text_of(tokens).decode() == one["value"])
        assert abs(one["masked"].value - exact) < 4 * math.sqrt(exact / 600)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"method": "cars"}, "masked: The samples have 3 draws by cars"),
        ({"method": "masked", "prompt": "b"}, "prompt"),
        ({"method": "masked", "temperature": 0.5}, "masked: The temperature of the samples is 0.5"),
        ({"method": "masked", "max_tokens": 3}, "masked: The max_tokens of the samples is 3"),
    ],
)
def test_draws_of_another_target_are_no_comparison(options, said):
    with pytest.raises(sg.errors.OptionError, match=said):
        report(draw(3), masked=draw(3, **options))


def test_the_plots_name_their_axes_and_a_grammar_that_removes_nothing_is_told():
    drawn = draw(50)
    found = report(drawn)
    page = page_of(drawn, found)
    assert ">mass removed</small>" in page and ">token of the text</small>" in page
    assert ">share of the weight</small>" in page and ">draw, the heaviest first</small>" in page
    nothing = {"position": 0, "removed": Estimate(1e-9, 0.0, 1e-6), "reached": 1.0}
    page = page_of(drawn, {**found, "removed_by_position": [nothing]})
    assert "Nowhere: the grammar removes less than 0.05% of the model's mass" in page
    assert ">token of the text</small>" not in page


@pytest.mark.skipif(BROWSER is None, reason="no browser")
@pytest.mark.parametrize(
    "width", [500, *(pytest.param(n, marks=pytest.mark.slow) for n in (900, 1000, 1400))]
)
def test_labels_stay_inside_their_boxes(tmp_path, width):
    """The longest labels that there are: a share above 99.9 %, beside the same under masking."""
    one = Estimate(0.9999, 0.9998, 0.99995)
    drawn = draw()
    found = report(drawn)
    for field in found["fields"]:
        field["values"] = [{**field["values"][0], "share": one, "masked": one}]
    page = tmp_path / "page.html"
    write_output(page, page_of(drawn, found))
    boxes = "[...document.querySelectorAll('.field, .card')]"
    assert is_so(page, f"{boxes}.every(e => e.scrollWidth <= e.clientWidth)", width)


# --- what restricts draws -----------------------------------------------------------------------------------


def short_run(n=12, method="importance", **options):
    options = {"tokenizer": TOKENIZER, "name": "bigram", "max_tokens": 5} | options
    return sg.sample(Bigram(1, (b"a", b"b", b"ab")), [], sg.regex("[ab]{1,4}"), n, method=method, **options)


@pytest.fixture(scope="module")
def plain():
    return short_run()


def as_run(plain, asked, stopped, is_biased):
    """Return draws that say of themselves how their run went."""
    return dataclasses.replace(
        plain,
        is_biased=is_biased,
        about={**plain.about, "n": asked},
        statistics=dataclasses.replace(plain.statistics, stopped=stopped),
    )


def sentence(text):
    """Return a text without line breaks of a table."""
    return " ".join(text.split())


ENDS = ("n", "budget", "seconds", "exhausted", "interrupted", "limit", "fruitless")


@pytest.mark.parametrize(
    ("asked", "stopped", "is_biased"),
    [
        *((12, "n", False), (12, "n", True), (12, "budget", True)),
        *((20, end, at % 2 > 0) for at, end in enumerate(ENDS)),
    ],
)
def test_each_way_says_the_same_sentences(plain, tmp_path, monkeypatch, asked, stopped, is_biased):
    """Fewer draws, a limit that cut the run, another law: each is said where it holds, and only there."""
    found = as_run(plain, asked, stopped, is_biased)
    said = found.caveats
    whole = " ".join(said)
    assert ("12 of 20 draws" in whole) == (asked == 20)
    assert ("favours short texts" in whole) == (stopped in CUT_SHORT)
    assert ("another distribution" in whole) == is_biased
    assert ("by the budget of model rows" in whole) == (stopped == "budget")
    assert ("as the particles that are missing died" in whole) == (stopped == "n" and asked == 20)
    assert not (asked == 20 and "as many draws as were asked for" in whole)

    monkeypatch.setattr(module, "draw_for_prompt", lambda *arguments: found)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        short_run()
    assert [str(one.message) for one in caught if one.category is DrawsWarning] == [whole] * bool(said)

    found.to_jsonl(tmp_path / "draws.jsonl")
    table = CliRunner().invoke(app(), ["sample-report", str(tmp_path / "draws.jsonl")]).stdout
    numbers = report(found)["caveats"]
    page = html.unescape(page_of(found, report(found)))
    assert numbers == said
    assert table.count("caveat ") == len(said)
    for one in said:
        assert one[:-1] in repr(found)
        assert one in sentence(table)
        assert f"<p class=warning>{one}</p>" in page
        assert one in html.unescape(found._repr_html_())
    assert page.count("<p class=warning>") == len(said)


def test_a_warning_names_the_prompt_of_several():
    options = {"tokenizer": TOKENIZER, "name": "bigram", "max_tokens": 5, "method": "cars", "budget": 1}
    with pytest.warns(DrawsWarning, match=r"^prompt\[1\]: The run returned 0 of 3 draws"):
        sg.sample(Bigram(1, (b"a", b"b")), [[97], [98]], sg.regex("[ab]{2,4}"), 3, **options)


@pytest.mark.parametrize("method", ["cars", "importance", "smc", "masked"])
@pytest.mark.parametrize("n", [12, 100])
def test_the_page_and_the_table_have_an_interval_where_the_draws_have_one(method, n, tmp_path):
    """Of log Z, and of a mean."""
    found = short_run(n, method)
    found.to_jsonl(tmp_path / "draws.jsonl")
    again = sg.Samples.from_jsonl(tmp_path / "draws.jsonl")
    numbers = report(again)
    page = page_of(again, numbers)
    table = sentence(CliRunner().invoke(app(), ["sample-report", str(tmp_path / "draws.jsonl")]).stdout)
    has_interval = found.log_z_interval is not None
    assert ("log Z" in table and "no interval" in table.split("Z, proven")[0]) == (
        not has_interval and not math.isnan(found.log_z)
    )
    if not math.isnan(found.log_z):
        assert ([one is not None for one in numbers["log_z"]]) == [True, has_interval, has_interval]
        assert ("no interval: " in page.split("Weights</h2>")[0]) == (not has_interval)
    (length,) = [one for one in numbers["fields"] if one["field"] == "length of the text"]
    mean, interval = again.expectation(len, again.ranges["length of the text"])
    assert found.expectation(len)[1] is None
    assert length["mean"].value == pytest.approx(mean)
    assert (length["mean"].low, length["mean"].high) == (interval or (None, None))


def test_a_text_is_said_to_be_there_once_only_where_it_is():
    for n, method, said in (
        (1000, "beams", "Each valid text is there once"),
        (9, "beams", "Each text that was found is there once"),
        (40, "importance", ""),
    ):
        found = short_run(n, method)
        page = page_of(found, report(found))
        assert said in page and ("is there once" in page) == bool(said)
    met = short_run(9, "beams")
    biased = dataclasses.replace(met, is_biased=True, log_weights=np.arange(float(len(met))))
    assert "is there once" not in page_of(biased, report(biased))


@pytest.mark.parametrize("method", ["raj", "cars", "importance", "auto"])
def test_the_interval_is_drawn_as_draws_come_in(method):
    """Each part of the run has the interval that the run had there, and the last one that of the run."""
    found = draw(14 if method == "raj" else 40, method, max_tokens=3)
    columns = _growth_columns(found)
    assert 3 < len(columns) <= 16 and found.log_z_interval is not None
    last = columns[-1]
    assert (last.share, last.low, last.high) == pytest.approx(
        (math.exp(found.log_z), *np.exp(found.log_z_interval))
    )
    widths = [one.high - one.low for one in columns]
    assert all(0 <= one.low <= one.share or one.low == one.high for one in columns)
    assert widths[-1] < widths[len(widths) // 4]
    page = page_of(found, report(found))
    assert ">Z, with its interval of 95 %</small>" in page and ">attempts so far</small>" in page
    assert f"{len(found.attempts):,} attempts: " in page


def test_a_run_that_stopped_earlier_had_the_interval_that_is_drawn():
    """The draws of a run with a budget are the first ones of the run without."""
    whole = draw(60, "importance", max_tokens=3)
    cut = draw(60, "importance", max_tokens=3, budget=whole.statistics.model_rows - 2)
    part = len(cut.attempts)
    assert 8 < part < len(whole.attempts)
    for mine, other in zip(cut.attempts.weights, whole.attempts.weights, strict=False):
        assert mine == other
    prefix = whole.attempts.first_batches(int(cut.attempts.batches[-1]) + 1)
    assert len(prefix) == part and prefix.worth == cut.attempts.worth


@pytest.mark.parametrize(
    ("n", "method", "said"),
    [
        (40, "smc", "None: the draws are from "),
        (3, "cars", "None: the run is worth 3 exact draws; about 8 are"),
    ],
)
def test_where_no_interval_is_drawn_the_page_says_why(n, method, said):
    found = draw(n, method)
    page = html.unescape(page_of(found, report(found)))
    assert said in page and "attempts so far" not in page
    assert "None: every valid text is known." in page_of(draw(), report(draw()))
