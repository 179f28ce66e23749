"""`sg.extract`: the items of a document, however it is cut, asked, stopped and resumed."""

from __future__ import annotations

import json
import random
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from finding_models import Sale, document, extracted, finder, sales_in

from structgen.base.errors import GenerationError, OptionError, ShortenedWarning
from structgen.doors.extraction import page_asking

sys.path.insert(0, str(Path(__file__).parents[2]))
from openai_server import serving


def said(found: Any) -> list[Any]:
    """Return the values and places of items."""
    return [(one.value, [(part.path, part.start, part.end) for part in one.fields]) for one in found]


# --- the law: the cut says nothing --------------------------------------------------------------------------


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, 6))])
def test_a_document_in_pages_has_the_items_of_the_document_as_one_page(seed: int) -> None:
    draw = random.Random(seed)
    text = document(draw, 30)
    engine, _ = finder()
    whole = extracted(engine, text, page=4000, max_tokens=2000)
    assert whole.pages == 1 and [one.value for one in whole] == sales_in(text)
    for _ in range(4):
        page = draw.randrange(52, 150)
        found = extracted(engine, text, page=page, overlap=25)
        assert found.pages > 3 and said(found) == said(whole)
    for one in whole:
        assert [text[part.start : part.end] for part in one.fields] == [
            str(part.value) for part in one.fields
        ]


@pytest.mark.parametrize("at_once", [1, 3, 8])
def test_the_pages_that_are_asked_at_a_time_change_nothing(at_once: int) -> None:
    text = document(random.Random(7), 40)
    found = [extracted(finder()[0], text, page=60, overlap=25, at_once=one) for one in (2, at_once)]
    assert found[0].pages > 5 and found[0].items == found[1].items and found[0].tokens == found[1].tokens


def test_the_order_in_which_pages_end_changes_nothing() -> None:
    text = document(random.Random(8), 40)
    draw = random.Random(1)

    def answer(body: dict[str, Any]) -> str:
        time.sleep(draw.random() / 50)
        return json.dumps(sales_in(body["messages"][-1]["content"]))

    found = []
    for _ in range(2):
        with serving(answer) as server:
            found.append(extracted(server.model, text, page=60, overlap=25))
    assert len(found[0]) > 5 and found[0].items == found[1].items
    assert [one.value for one in found[0]] == sales_in(text)


# --- files: a killed run goes on ----------------------------------------------------------------------------


def rows_of(path: Path) -> list[str]:
    """Return the pages that have an answer in a file."""
    return [
        json.loads(line)["page"] for line in path.with_name(f"{path.name}.pages").read_text().splitlines()
    ]


def test_a_run_that_was_stopped_asks_for_the_other_pages_alone(tmp_path: Path) -> None:
    text, out = document(random.Random(9), 40), tmp_path / "sales.jsonl"
    engine, model = finder()

    def stop(now: Any) -> None:
        if now.pages == 3:
            raise KeyboardInterrupt

    how = {"page": 60, "overlap": 25, "out": out}
    with pytest.warns(ShortenedWarning, match="were not asked"):
        part = extracted(engine, text, **how, progress=stop, at_once=1)
    assert not part.is_complete and part.is_stopped and len(rows_of(out)) == 3
    assert part.asked == part.requests and part.asked + len(part.unasked) == 3
    assert all(one.value in sales_in(text) for one in part)
    asked = len(model.prompts)
    whole = extracted(engine, text, **how)
    assert len(model.prompts) == whole.requests and asked == part.requests
    assert [one.value for one in whole] == sales_in(text) and whole.is_complete
    assert whole.items == extracted(engine, text, page=60, overlap=25).items


def test_half_a_line_of_a_killed_run_is_asked_again(tmp_path: Path) -> None:
    text, out = document(random.Random(10), 30), tmp_path / "sales.jsonl"
    engine, model = finder()
    how = {"page": 60, "overlap": 25, "out": out}
    whole = extracted(engine, text, **how)
    rows = out.with_name("sales.jsonl.pages")
    lines = rows.read_bytes().splitlines(keepends=True)
    rows.write_bytes(b"".join(lines[:2]) + lines[2][:20])
    out.unlink()
    asked = len(model.prompts)
    again = extracted(engine, text, **how)
    kept = sum(json.loads(line)["requests"] for line in lines[:2])
    assert len(model.prompts) - asked == whole.requests - kept and again.items == whole.items
    assert rows.read_bytes() == b"".join(lines) and out.read_text() == whole.to_jsonl()


class Other(Sale):
    """A sale with another name."""

    price: int | None = None


@pytest.mark.parametrize(
    ("name", "change", "told"),
    [
        ("text", {}, "document, or cut of its pages"),
        ("target", {}, "type or schema"),
        ("", {"prompt": "Find the TEXT."}, "prompt"),
        ("", {"page": 70}, "document, or cut of its pages"),
        ("", {"quotes": False}, "option"),
        ("", {"max_tokens": 100}, "option"),
        ("", {"examples": [("x", [])]}, "examples"),
    ],
)
def test_answers_of_another_call_are_refused(name: str, change: Any, told: str, tmp_path: Path) -> None:
    text, out = document(random.Random(11), 12), tmp_path / "sales.jsonl"
    how: dict[str, Any] = {"page": 60, "overlap": 25, "out": out}
    engine, _ = finder()
    first = extracted(engine, text, **how)
    other = f"{text} More." if name == "text" else text
    target: Any = list[Other] if name == "target" else list[Sale]
    with pytest.raises(OptionError, match=told):
        extracted(engine, other.replace("bought", "sold", 1) if name else other, target, **{**how, **change})
    assert extracted(engine, text, **how).items == first.items
    extracted(engine, other, target, **{**how, **change}, start_over=True)


# --- pages that fail ----------------------------------------------------------------------------------------


def test_a_page_that_fails_three_times_is_named_and_the_rest_is_there(monkeypatch: Any) -> None:
    monkeypatch.setattr(page_asking, "PAUSE", 0.0)
    text = document(random.Random(12), 40)
    broken = sales_in(text)[4]["who"]

    def answer(body: dict[str, Any]) -> Any:
        said = body["messages"][-1]["content"]
        return {"status": 500, "error": "down"} if broken in said else json.dumps(sales_in(said))

    with serving(answer) as server, pytest.warns(ShortenedWarning, match="failed"):
        found = extracted(server.model, text, page=60, overlap=25, at_once=2)
    assert found.failed and not found.is_complete and not found.is_stopped
    assert all("down" in one.error and broken in text[one.start : one.end] for one in found.failed)
    lost = [one for failed in found.failed for one in sales_in(text[failed.start : failed.end])]
    values = [one.value for one in found]
    assert len(values) > 3 and all(one in sales_in(text) for one in values)
    assert all(one in values or one in lost for one in sales_in(text))
    assert broken not in [one["who"] for one in values]


def test_where_all_pages_fail_the_error_is_raised(monkeypatch: Any) -> None:
    monkeypatch.setattr(page_asking, "PAUSE", 0.0)
    text = document(random.Random(13), 200)
    with serving({"status": 500, "error": "down"}) as server:
        with pytest.raises(GenerationError, match=r"No piece has an answer.*down"):
            extracted(server.model, text, page=60)
        assert len(server.bodies) < 400


def test_a_failed_page_is_asked_again_by_the_next_call(monkeypatch: Any, tmp_path: Path) -> None:
    monkeypatch.setattr(page_asking, "PAUSE", 0.0)
    text, out = document(random.Random(14), 30), tmp_path / "sales.jsonl"
    fails = iter([True] * 6)

    def answer(body: dict[str, Any]) -> Any:
        said = body["messages"][-1]["content"]
        return (
            json.dumps(sales_in(said)) if "\n" in said[-200:] and not next(fails, False) else {"status": 500}
        )

    with serving(answer) as server:
        how = {"page": 60, "overlap": 25, "out": out}
        with pytest.warns(ShortenedWarning):
            part = extracted(server.model, text, **how, at_once=1)
        whole = extracted(server.model, text, **how)
    assert part.failed and whole.is_complete and [one.value for one in whole] == sales_in(text)


def test_items_that_a_server_invents_are_left_out_and_told(monkeypatch: Any) -> None:
    text = "Ada Byron bought 3 lamps.\n\nBert Reed bought 4 seeds."

    def answer(body: dict[str, Any]) -> str:
        return json.dumps([*sales_in(text), {"who": "Zed Nobody", "count": 99, "what": "cars"}])

    with serving(answer) as server:
        found = extracted(server.model, text)
    assert [one.value for one in found] == sales_in(text) and found.is_complete
    assert "1 of 3 items are not stated there." in found.remarks[0]
