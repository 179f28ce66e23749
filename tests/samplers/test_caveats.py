"""What restricts draws is said in the same sentences by each of five ways; figures of uncertainty agree."""

from __future__ import annotations

import dataclasses
import html
import math
import re
import warnings

import numpy as np
import pytest
from exact import Bigram, tokenizer
from typer.testing import CliRunner

import structgen as sg
from structgen.cli import app
from structgen.errors import DrawsWarning
from structgen.samplers import sample as module
from structgen.samplers.estimates import CUT_SHORT
from structgen.samplers.report import report
from structgen.samplers.report_page import page_of

TOKENIZER = tokenizer()


def draw(n=12, method="importance", **options):
    options = {"tokenizer": TOKENIZER, "name": "bigram", "max_tokens": 5} | options
    return sg.sample(Bigram(1, (b"a", b"b", b"ab")), [], sg.regex("[ab]{1,4}"), n, method=method, **options)


@pytest.fixture(scope="module")
def plain():
    return draw()


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


@pytest.mark.parametrize("is_biased", [False, True])
@pytest.mark.parametrize(("asked", "stopped"), [(12, "n"), (12, "budget"), *((20, end) for end in ENDS)])
def test_each_way_says_the_same_sentences(plain, tmp_path, monkeypatch, asked, stopped, is_biased):
    """Fewer draws, a limit that cut the run, another law: each is said where it holds, and only there."""
    found = as_run(plain, asked, stopped, is_biased)
    said = found.caveats
    whole = " ".join(said)
    assert ("12 of 20 draws" in whole) == (asked == 20)
    assert ("favours short texts" in whole) == (stopped in CUT_SHORT)
    assert ("another law" in whole) == is_biased
    assert ("by the budget of model rows" in whole) == (stopped == "budget")
    assert ("as the particles that are missing died" in whole) == (stopped == "n" and asked == 20)
    assert not (asked == 20 and "as many draws as were asked for" in whole)

    monkeypatch.setattr(module, "drawn_for", lambda *arguments: found)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        draw()
    assert [str(one.message) for one in caught if one.category is DrawsWarning] == [whole] * bool(said)

    found.to_jsonl(tmp_path / "draws.jsonl")
    table = CliRunner().invoke(app(), ["sample-report", str(tmp_path / "draws.jsonl")]).stdout
    numbers = report(found).to_dict()["caveats"]
    page = html.unescape(page_of(report(found)))
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
    with pytest.warns(DrawsWarning, match=r"^prompt\[1\]: The run gave 0 of 3 draws"):
        sg.sample(Bigram(1, (b"a", b"b")), [[97], [98]], sg.regex("[ab]{2,4}"), 3, **options)


@pytest.mark.parametrize("method", ["cars", "importance", "smc", "masked"])
@pytest.mark.parametrize("n", [12, 100])
def test_the_page_and_the_table_have_an_interval_where_the_draws_have_one(method, n, tmp_path):
    """Of log Z, and of a mean."""
    found = draw(n, method)
    found.to_jsonl(tmp_path / "draws.jsonl")
    again = sg.Samples.from_jsonl(tmp_path / "draws.jsonl")
    numbers, page = report(again).to_dict(), page_of(report(again))
    table = sentence(CliRunner().invoke(app(), ["sample-report", str(tmp_path / "draws.jsonl")]).stdout)
    (bar,) = re.findall(r"aria-label=\"What is known of Z\">.*?<div class=ticks>", page, re.DOTALL)
    has_interval = found.log_z_interval is not None
    assert ('class="line"' in bar or "class=line" in bar) == has_interval
    assert ("log Z" in table and "no interval" in table.split("Z, proven")[0]) == (
        not has_interval and not math.isnan(found.log_z)
    )
    if not math.isnan(found.log_z):
        assert ([one is not None for one in numbers["log_z"]]) == [True, has_interval, has_interval]
        assert ("no interval: " in page.split("Weights</h2>")[0]) == (not has_interval)
    (length,) = [one for one in report(again).fields if one.field == "length of the text"]
    mean, error = again.expectation(len)
    assert length.mean.value == pytest.approx(mean)
    assert (length.mean.low is None) == (error is None)
    if error is not None:
        assert length.mean.high == pytest.approx(mean + 1.96 * error)


def test_a_text_is_said_to_be_there_once_only_where_it_is():
    listed = page_of(report(draw(1000, "beams")))
    found = page_of(report(draw(9, "beams")))
    drawn = page_of(report(draw(40, "importance")))
    assert "Each valid text is there once" in listed
    assert "Each text that was found is there once" in found
    assert "is there once" not in drawn
    met = draw(9, "beams")
    biased = dataclasses.replace(met, is_biased=True, log_weights=np.arange(float(len(met))))
    assert "is there once" not in page_of(report(biased))
