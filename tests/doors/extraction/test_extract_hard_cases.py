"""`sg.extract` where servers fail, types refuse, schemas refer, and files are not what they should be."""

from __future__ import annotations

import asyncio
import json
import sys
import threading
from collections import deque
from pathlib import Path
from typing import Annotated, Any

import pytest
from finding_models import PROMPT, Sale, extracted, finder, sales_in
from pydantic import Field, field_validator

import structgen as sg
from structgen.asking.documents.documents import documents_of
from structgen.base.errors import (
    GenerationError,
    NotStatedError,
    OptionError,
    OutputError,
    ShortenedWarning,
)
from structgen.doors.extraction import extract_calls as extract_module
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


@pytest.mark.parametrize("hint", [tuple[Sale, ...], deque[Sale], Annotated[list[Sale], Field(min_length=1)]])
def test_items_of_all_collections_are_objects_of_their_type(hint: Any) -> None:
    found = extracted(finder()[0], TEXT, hint)
    assert [type(one.made) for one in found] == [Sale, Sale] == [type(one) for one in found.value]


# --- files --------------------------------------------------------------------------------------------------


def test_results_are_not_written_over_a_document(tmp_path: Path) -> None:
    path = tmp_path / "sales.txt"
    path.write_text(TEXT)
    (tmp_path / "link.txt").symlink_to(path)
    for out in (path, tmp_path / "link.txt"):
        with pytest.raises(OptionError, match=r"overwrite the document .*sales\.txt"):
            extracted(finder()[0], [path], out=out)
    assert path.read_text() == TEXT and len([*tmp_path.iterdir()]) == 2


@pytest.mark.parametrize("out", [".", "..", "/", "results", "a\0b"])
def test_what_is_no_path_of_a_file_is_refused_before_a_page_is_asked(
    out: str, tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("results").mkdir()
    engine, model = finder()
    fault = r"out: results: Is a directory" if out == "results" else r"out: .* is not the path of a file"
    with pytest.raises(OptionError, match=fault):
        extracted(engine, TEXT, out=out)
    assert not model.prompts and [one.name for one in tmp_path.iterdir()] == ["results"]


def test_an_asynchronous_call_reads_its_documents_in_its_thread(monkeypatch: Any) -> None:
    readers = []

    def reading(*given: Any) -> Any:
        readers.append(threading.current_thread())
        return documents_of(*given)

    monkeypatch.setattr(extract_module, "documents_of", reading)
    engine, _ = finder()
    said = sg.aextract(engine, TEXT, list[Sale], prompt=PROMPT, outline=False, progress=False)
    assert len(asyncio.run(said)) == 2 and threading.main_thread() not in readers


# --- schemas ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "array", "items": {"$ref": "#/definitions/Sale"}, "definitions": {"Sale": SALE}},
        {"type": "array", "items": {"$ref": "#/components/Sale"}, "components": {"Sale": SALE}},
        {"$ref": "#/$defs/All", "$defs": {"Sale": SALE, "All": {"items": {"$ref": "#/$defs/Sale"}}}},
        {"anyOf": [{"type": "array", "items": {"$ref": "#/$defs/Sale"}}], "$defs": {"Sale": SALE}},
        {
            "type": "array",
            "items": {
                **SALE,
                "properties": {**SALE["properties"], "what": {"$ref": "#/items/properties/who"}},
            },
        },
    ],
)
def test_references_of_a_schema_lead_where_they_led(schema: Any) -> None:
    assert extracted(finder()[0], TEXT, schema).value == sales_in(TEXT)


@pytest.mark.parametrize(
    ("keywords", "told"),
    [
        ({"minItems": 3}, "minItems is 3, but the list has 2"),
        ({"maxItems": 1}, "maxItems is 1, but the list has 2"),
        ({"uniqueItems": True}, ""),
        ({"contains": {"properties": {"count": {"const": 4}}}}, ""),
        ({"contains": {"properties": {"count": {"const": 5}}}}, "minContains is 1, but the list has 0"),
        ({"contains": {"$ref": "#/$defs/Sale"}, "maxContains": 1}, "maxContains is 1, but the list has 2"),
    ],
)
def test_what_a_schema_says_of_all_items_is_checked_at_the_end(keywords: Any, told: str) -> None:
    schema = {"type": "array", "items": SALE, "$defs": {"Sale": SALE}, **keywords}
    found = extracted(finder()[0], TEXT, schema)
    assert [one.value for one in found] == sales_in(TEXT)
    if told:
        with pytest.raises(GenerationError, match=told):
            _ = found.value
    else:
        assert found.value == sales_in(TEXT)


def test_equal_items_of_a_list_without_equal_ones_are_told() -> None:
    found = extracted(finder()[0], f"{TEXT} {TEXT}", {"type": "array", "items": SALE, "uniqueItems": True})
    with pytest.raises(GenerationError, match="uniqueItems is true"):
        _ = found.value


@pytest.mark.parametrize(
    ("said", "missing"),
    [
        ({"who": "Ada Byron", "count": 3, "note": None, "at": {"city": None}}, "/at/city"),
        ({"who": "Ada Byron", "count": 3, "note": None, "at": None}, "/at"),
        ({"who": "Ada Byron", "count": None, "note": None, "at": {"city": "Ada"}}, None),
        ({"who": None, "count": 3, "note": None, "at": {"city": "Ada"}}, "/who"),
    ],
)
def test_a_required_member_that_no_page_states_is_told_of_a_schema_too(
    said: Any, missing: str | None
) -> None:
    name, number = {"type": "string"}, {"type": ["integer", "null"]}
    place = {"type": "object", "properties": {"city": name}, "required": ["city"]}
    schema = {
        "type": "object",
        "properties": {"who": {"$ref": "#/$defs/name"}, "count": number, "note": name, "at": place},
        "required": ["who", "count", "at"],
        "$defs": {"name": name},
    }
    found = extracted(finder(lambda text: said)[0], "Ada Byron came by 3.", schema)
    if missing is None:
        assert found.value == {key: one for key, one in said.items() if key != "note"}
    else:
        with pytest.raises(NotStatedError, match=f"The document does not state {missing}") as caught:
            _ = found.value
        assert caught.value.path == missing and found[0].value["count"] == 3


def test_an_error_of_writing_names_the_file_alone(tmp_path: Path) -> None:
    with pytest.raises(OutputError) as caught:
        extracted(finder()[0], "").write(tmp_path)
    assert str(caught.value) == f"path: {tmp_path}: Is a directory. Name a file in it."
