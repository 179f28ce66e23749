"""`sg.extract` where servers fail, types refuse, schemas refer, and files are not what they should be."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from finding_models import Sale, extracted, finder, sales_in
from pydantic import field_validator

from structgen.base.errors import ShortenedWarning
from structgen.doors.extraction import page_asking

sys.path.insert(0, str(Path(__file__).parents[2]))
from openai_server import serving

TEXT = "Ada Byron bought 3 lamps.\n\nBert Reed bought 4 seeds."
LONG = "\n\n".join(f"Ada Byron bought {count} lamps." for count in range(10, 22))
SALE: dict[str, Any] = {
    "type": "object",
    "properties": {"who": {"type": "string"}, "count": {"type": "integer"}, "what": {"type": "string"}},
    "required": ["who", "count", "what"],
}


def asked_of(body: dict[str, Any]) -> str:
    """Return the text of the page that a request asks about."""
    return str(body["messages"][-1]["content"])


# --- servers that fail --------------------------------------------------------------------------------------


def test_a_page_is_not_halved_where_the_server_fails(monkeypatch: Any) -> None:
    monkeypatch.setattr(page_asking, "PAUSE", 0.0)

    def answer(body: dict[str, Any]) -> Any:
        said = asked_of(body)
        return {"status": 500, "error": "down"} if "21 lamps" in said else json.dumps(sales_in(said))

    with serving(answer) as server, pytest.warns(ShortenedWarning, match="down"):
        found = extracted(server.model, LONG, page=70, overlap=0, at_once=1)
    parts = {asked_of(body) for body in server.bodies if "21 lamps" in asked_of(body)}
    assert len(parts) == 1 == len(found.failed)


def test_a_page_that_is_too_long_for_a_server_is_asked_by_halves() -> None:
    def answer(body: dict[str, Any]) -> Any:
        said = asked_of(body)
        told = {"error": {"message": "This model's maximum context length is 40 tokens."}}
        return {"status": 400, **told} if len(said) > 160 else json.dumps(sales_in(said))

    with serving(answer) as server:
        found = extracted(server.model, LONG, page=120, overlap=12, at_once=1)
        assert [one.value for one in found] == sales_in(LONG) and found.is_complete
        assert len({asked_of(body) for body in server.bodies}) == len(server.bodies)


# --- types that refuse --------------------------------------------------------------------------------------


class SoldByAda(Sale):
    """A sale of hers."""

    @field_validator("who")
    @classmethod
    def _hers(cls, who: str) -> str:
        if not who.startswith("Ada"):
            raise ValueError("is somebody else")
        return who


def test_an_item_that_the_type_refuses_takes_no_other_one_of_its_page_with_it() -> None:
    found = extracted(finder()[0], TEXT, list[SoldByAda])
    assert found.pages == 1 and found.is_complete
    assert [bool(one.error) for one in found] == [False, True] and "somebody else" in found[1].error
    assert [one.who for one in found.value] == ["Ada Byron"]


def test_pages_that_fail_again_leave_the_answers_of_the_run_before(tmp_path: Path) -> None:
    def answer(body: dict[str, Any]) -> Any:
        said = asked_of(body)
        return json.dumps(sales_in(said)) if "10 lamps" in said else {"status": 400, "error": "no"}

    with serving(answer) as server, pytest.warns(ShortenedWarning, match="no"):
        first, again = (
            extracted(server.model, LONG, page=16, overlap=0, at_once=1, out=tmp_path / "sales.jsonl")
            for _ in range(2)
        )
    assert len(first) == 1 and len(first.failed) >= 8
    assert again.items == first.items and again.failed == first.failed
