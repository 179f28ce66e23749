"""The page of a trace in a browser: it shows the tokens, and nothing in it fails or is fetched."""

from __future__ import annotations

import html
import math
import re
from pathlib import Path

import pytest
from pages_in_browsers import BROWSER, is_so, opened
from small_models import Function, tokenizer

import structgen as sg
from structgen.base.printable import printable

TOKENIZER = tokenizer()
ENGINE = sg.Engine(Function(TOKENIZER.vocab_size), TOKENIZER)
GRAMMAR = sg.json_schema({"type": "array", "items": {"enum": ["<b>", "x & y"]}, "minItems": 2})


def _result(**options: object) -> sg.Result:
    (result,) = ENGINE.generate(
        sg.Request("page", GRAMMAR, sg.Sampling(seed=4), max_tokens=60, **options)  # type: ignore[arg-type]
    )
    return result


def test_the_page_shows_every_token_escaped_and_where_the_model_wanted_to_go() -> None:
    result = _result(logprobs=3)
    page = ENGINE.trace(result, "a <title>").page
    assert page.count("<tr>") == len(result.steps) + 1
    assert "a &lt;title&gt;" in page and "<b>" not in page and "http" not in page
    for step in result.steps:
        assert len(step.likeliest) == 3
        for token, p in (*step.likeliest, *step.likeliest_allowed):
            shown = TOKENIZER.decode([token]).decode("utf-8", "replace").replace("\n", "⏎").replace(" ", "·")
            assert f"{printable(shown)} {math.exp(p):.3f}" in html.unescape(page)


def _guessed() -> sg.Result:
    """Return a result whose first tokens were guessed: by one drafter, by two, by nobody, by one of one's
    own whose name is markup."""
    result = _result()
    for step, names in zip(result.steps, ["forced", "forced,model", "", "<own>"], strict=False):
        step.drafter = names
    result.usage.calls, result.usage.drafted = 4, 9
    result.usage.accepted = {"forced": 2, "model": 1, "<own>": 1}
    result.usage.speculation = "it drafts <chains>"
    return result


def test_each_token_says_who_guessed_it() -> None:
    result = _guessed()
    rows = ENGINE.trace(result).page.partition("guessed by</th>")[2].split("</tr>")[1:-1]
    said = [html.unescape(re.findall(r"<td class=token>(.*?)</td>", row, re.S)[-1]) for row in rows]
    assert said == [step.drafter for step in result.steps]
    assert said[:4] == ["forced", "forced,model", "", "<own>"]


def test_the_page_tells_calls_and_what_was_taken_of_whom() -> None:
    result = _guessed()
    page = ENGINE.trace(result).page
    each = result.usage.tokens / 4
    assert f"4 calls of the model after the prompt ({each:.2f} tokens a call)" in page
    assert html.escape("9 guesses checked, taken: forced 2, model 1, <own> 1; it drafts <chains>") in page
    assert "<own>" not in page


def test_without_guesses_the_page_has_no_part_about_them() -> None:
    result = _result(speculation="off")
    assert "guessed by" not in ENGINE.trace(result).page


@pytest.mark.skipif(BROWSER is None, reason="no chromium on this machine")
def test_a_browser_shows_the_tokens_and_tells_of_no_error(tmp_path: Path) -> None:
    result, page = _guessed(), tmp_path / "trace.html"
    ENGINE.trace(result).write(page)
    done = opened(page)
    assert done.told == []
    box = re.search(r'<div class="text">(.*?)</div>', done.source, re.S)
    assert box is not None
    pieces = [html.unescape(piece) for piece in re.findall(r"<span [^>]*>(.*?)</span>", box[1], re.S)]
    ended = result.steps[-1].token in TOKENIZER.eos_token_ids
    assert "".join(pieces[: len(result.tokens)]) == result.text
    assert len(pieces) == len(result.tokens) + ended
    assert done.source.count("<tr>") == len(result.steps) + 1


@pytest.mark.skipif(BROWSER is None, reason="no browser")
@pytest.mark.parametrize("width", [900, *(pytest.param(n, marks=pytest.mark.slow) for n in (1000, 1400))])
def test_the_table_fits_its_column(tmp_path: Path, width: int) -> None:
    result, page = _result(logprobs=12), tmp_path / "trace.html"
    ENGINE.trace(result).write(page)
    assert is_so(
        page, "[...document.querySelectorAll('.wide')].every(e => e.scrollWidth <= e.clientWidth)", width
    )


def test_the_plot_of_the_removed_mass_has_axes() -> None:
    result = _result()
    page = ENGINE.trace(result).page
    assert max(step.removed for step in result.steps) > 0.01
    for label in ("100 %", "50 %", "0 %", "token 0", f"token {len(result.steps) - 1:,}"):
        assert f"<small class=axis>{label}</small>" in page


def test_the_page_says_so_where_nothing_was_removed() -> None:
    result = _result()
    for step in result.steps:
        step.removed = 0.0
    page = ENGINE.trace(result).page
    assert "The mask removed nothing" in page and "class=chart" not in page
