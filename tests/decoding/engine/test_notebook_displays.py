"""What a notebook shows of results: all of it, escaped, bounded in size, without a script."""

from __future__ import annotations

import dataclasses
import random
from html.parser import HTMLParser
from types import SimpleNamespace
from typing import Any

import pages_in_browsers
import pytest
from small_models import Function, tokenizer

import structgen as sg
from structgen.asking.grounding.evidence import Evidence
from structgen.asking.grounding.places import Stated, StatedPlace
from structgen.decoding.samplers.run_limits import RunProgress, progress_listener
from structgen.doors.typed.outcomes import Outcome

HOSTILE = (*pages_in_browsers.HOSTILE, "</pre></td></table>", "\udfff\x1b[2J", "' srcdoc='", "x" * 30_000)
TOKENIZER = tokenizer()
ENGINE = sg.Engine(Function(TOKENIZER.vocab_size), TOKENIZER)
(RESULT,) = ENGINE.generate(sg.Request("page", sg.regex("[a-c]{6}"), max_tokens=9))
SAMPLES = sg.sample(ENGINE, "page", sg.regex("[ab]{2}"), 4, method="importance", seed=1)
(SCORE,) = sg.score(ENGINE, "page", sg.regex("[ab]{2}"), ["ab"])


def shown_by(kind: str, text: str) -> Any:
    """Return an object of a kind, in which `text` stands in all places that a model or a user may write."""
    if kind == "outcome":
        result = dataclasses.replace(RESULT, text=text, value=text)
        return Outcome(result, 1, None, [text], {text: 0.5, **{f"{n}": 0.001 for n in range(99)}}, text)
    if kind == "failed outcome":
        return Outcome(RESULT, 2, sg.errors.GenerationError(text, cure=text), None)
    if kind == "samples":
        return dataclasses.replace(SAMPLES, texts=[text] * len(SAMPLES.texts))
    if kind == "score":
        return dataclasses.replace(SCORE, text=text)
    if kind == "invalid score":
        return dataclasses.replace(SCORE, text=text, reason=text)
    if kind == "explained schema":
        found = sg.explain(sg.json_schema({"properties": {"a": {"enum": ["</pre>", "<b>&"]}}}))
        return dataclasses.replace(found, smallest=text.encode("utf-8", "replace").decode())
    if kind == "explained grammar":
        return dataclasses.replace(sg.explain(sg.regex("<b>&")), kind=text, unused_rules=(text,) * 12)
    result = dataclasses.replace(RESULT, error=sg.errors.GenerationError(text, cure=text))
    return ENGINE.trace(SimpleNamespace(result=result), text)


class Reader(HTMLParser):
    """The elements and the text of a page; and what a frame in it holds."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags, self.attributes, self.text = set[str](), dict[str, str | None](), ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes.update(attrs)

    def handle_data(self, data: str) -> None:
        self.text += data


KINDS = (
    *("outcome", "failed outcome", "samples", "score", "invalid score"),
    *("explained schema", "explained grammar", "trace"),
)


@pytest.mark.parametrize("kind", KINDS)
def test_hostile_texts_are_shown_as_texts(kind: str) -> None:
    source = random.Random(kind)
    for first in HOSTILE:
        text = "".join((first, *source.sample(HOSTILE[:-1], 3)))
        page = shown_by(kind, text)._repr_html_()
        assert page.encode() and len(page) < 100_000 + 5 * len(text) * (kind == "trace")
        reader = Reader(page)
        if kind == "trace":
            assert reader.tags == {"iframe"} and "sandbox" in reader.attributes
            assert set(reader.attributes) == {"sandbox", "style", "srcdoc"}
            reader = Reader(reader.attributes["srcdoc"] or "")
            assert not reader.tags & {"script", "img", "link", "iframe"}
        else:
            assert reader.tags <= {"table", "tr", "th", "td", "pre"} and not reader.attributes
        assert not any(name.startswith("on") for name in reader.attributes)
        if len(first) < 50 and first.isprintable():
            assert first in reader.text


@pytest.mark.parametrize("text", HOSTILE)
def test_an_outcome_with_evidence_shows_its_page_in_a_frame_of_its_own(text: str) -> None:
    plain = shown_by("outcome", text)
    found = Evidence({text: text}, (Stated("", text, (StatedPlace(text, 0, len(text), text),)),))
    page = dataclasses.replace(plain, evidence=found)._repr_html_()
    assert page.startswith(plain._repr_html_())
    reader = Reader(page.removeprefix(plain._repr_html_()))
    assert reader.tags == {"iframe"} and set(reader.attributes) == {"sandbox", "style", "srcdoc"}
    assert reader.attributes["sandbox"] == "allow-scripts" and reader.attributes["srcdoc"] == found.page()


def test_an_explanation_is_a_text_in_a_notebook_too(monkeypatch: pytest.MonkeyPatch) -> None:
    explained = sg.explain(sg.regex("a"))
    expected = str(explained)
    monkeypatch.setattr("rich.console._is_jupyter", lambda: True)
    assert str(explained) == expected != ""


def test_a_trace_that_is_too_long_for_a_cell_says_how_it_is_written(tmp_path: Any) -> None:
    trace = dataclasses.replace(ENGINE.trace(RESULT), page="x" * (1 << 23))
    assert "write(path) writes it" in trace._repr_html_() and len(trace._repr_html_()) < 200
    trace.write(tmp_path / "page.html")
    assert (tmp_path / "page.html").stat().st_size == 1 << 23


def test_a_trace_of_something_else_is_refused() -> None:
    with pytest.raises(sg.errors.OptionError, match="str is not a result of an engine"):
        ENGINE.trace("a text")


def test_the_progress_of_a_run_is_one_line_of_a_notebooks_cell(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("rich.console._is_jupyter", lambda: True)
    now = RunProgress(accepted=3, wanted=9, model_rows=7, seconds=0.5, bracket=(0.1, 0.5))
    with progress_listener(True) as tell:
        assert tell is not None
        tell(now)
        tell(now)
    out, err = capsys.readouterr()
    assert out == "" and "\n" not in err and "\x1b" not in err
    assert [one.strip() for one in err.split("\r")] == [
        "",
        *["sample: 3 of 9 texts, 7 rows, 14/s, 0.1 <= Z <= 0.5"] * 2,
    ]
