# ruff: noqa: RUF001 (typography is what is tested)
"""Quotes of servers, and of texts that somebody else's model wrote, get the letters of the text."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Annotated, Any, Literal

import pytest
from for_each import for_each

pytest.importorskip("babel")
pytest.importorskip("text_to_num")
pytest.importorskip("openai")

from asked import asked
from openai_server import serving
from pydantic import BaseModel

import structgen as sg


class Order(BaseModel):
    buyer: str
    kind: Literal["o'brien", "other"] = "other"
    note: Annotated[str, sg.Inferred] = ""


class Quoted(BaseModel):
    buyer: Annotated[str, sg.Quote(words=3)]
    note: str = ""


TEXT = "Mr O’Brien pays “at  once”. Mr Lind pays –5 €."
SAID = json.dumps({"buyer": "Mr O'Brien", "kind": "o'brien", "note": "O'Brien"})
MADE = Order(buyer="Mr O’Brien", kind="o'brien", note="O'Brien")
ORDERS = json.dumps([{"buyer": "mr o'brien"}, {"buyer": "Mr Olsen"}, {"buyer": "Lind"}])


def marks(found: Any) -> dict[str, list[str]]:
    return {value.path: [place.match for place in value.places] for value in found.evidence}


@for_each("reply", [SAID, f"Here it is:\n```json\n{SAID}\n```", f"<think>Who?</think> {SAID}"])
@for_each("how", [{"quotes": True}, {"quotes": True, "grounded": TEXT}])
def test_a_server_s_quote_gets_the_letters_of_the_text_and_nothing_else_does(reply: str, how: Any) -> None:
    with serving(reply) as server:
        found = sg.run.detailed(server.model, TEXT, Order, attempts=1, **how)
    assert found.value == MADE and json.loads(found.text) == MADE.model_dump()
    assert found.result.repairs == {"/buyer": "Mr O'Brien"} and found.result.reply == reply
    assert marks(found)["/buyer"] == ["repaired"]


def test_exact_repairs_nothing() -> None:
    with serving(SAID) as server, pytest.raises(sg.errors.GenerationError):
        sg.run(server.model, TEXT, Order, quotes="exact", attempts=1)
    with serving(SAID) as server, pytest.raises(sg.errors.GenerationError):
        sg.run(server.model, TEXT, Quoted, quotes="exact", attempts=1)
    exact = SAID.replace("Mr O'", "Mr O’")
    with serving(exact) as server:
        found = sg.run.detailed(server.model, TEXT, Order, quotes="exact", attempts=1)
    assert found.value == MADE and found.result.repairs == {} and marks(found)["/buyer"] == ["exact"]
    assert marks(found)["/kind"] == []


@pytest.mark.filterwarnings("ignore::structgen.errors.GroundedWarning")
def test_without_quotes_only_marked_strings_are_quotes() -> None:
    said = '{"buyer": "o\'brien", "note": "o\'brien"}'
    with serving(said) as server:
        assert sg.run(server.model, TEXT, Quoted) == Quoted(buyer="O’Brien", note="o'brien")
        assert sg.run(server.model, TEXT, Order, grounded=TEXT).buyer == "o'brien"


@for_each(
    "buyer",
    ["Mr Olsen", "Mr Lind pays 5 €", "Mr Lind pays -5 €", "MR LIND PAYS -5 €", "mr", "Mr O'Brien pay"],
)
def test_another_word_sign_or_one_of_two_places_is_no_quote(buyer: str) -> None:
    with serving(json.dumps({"buyer": buyer})) as server, pytest.raises(sg.errors.GenerationError):
        sg.run(server.model, TEXT, Order, quotes=True, attempts=1)


@for_each("wrap", [None, False])
def test_a_value_in_a_wrapper_has_its_own_path(wrap: bool | None) -> None:
    for said in ('["Mr O\'Brien", "Lind"]', '{"value": ["Mr O\'Brien", "Lind"]}'):
        if wrap is None or said[0] == "[":
            with serving(said) as server:
                found = sg.run.detailed(server.model, TEXT, list[str], quotes=True, wrap=wrap, attempts=1)
            assert found.value == ["Mr O’Brien", "Lind"] and found.result.repairs == {"/0": "Mr O'Brien"}
            assert marks(found) == {"/0": ["repaired"], "/1": ["exact"]}


def test_the_parts_of_a_stream_and_its_items_have_the_letters_of_the_text() -> None:
    with serving(SAID) as server:
        partials = [*sg.run.stream(server.model, TEXT, Order, quotes=True)]
    buyers = {partial["buyer"] for partial in partials[:-1] if "buyer" in partial}
    assert buyers == {"Mr O’Brien"} and partials[-1].value == MADE
    with serving('{"value": [{"buyer": "Mr O\'Brien"}, {"buyer": "Lind"}]}') as server:
        items = asked(Iterator[Order], model=server.model, quotes=True)(TEXT)
        assert [item.buyer for item in items] == ["Mr O’Brien", "Lind"]


def test_the_text_of_somebody_else_s_model_is_repaired_and_not_refused() -> None:
    found = sg.outcome_of(SAID, Order, grounded=TEXT)
    assert found.value == MADE and marks(found)["/buyer"] == ["repaired"]
    unstated = sg.outcome_of('{"buyer": "Mr Olsen"}', Order, grounded=TEXT)
    assert unstated.value.buyer == "Mr Olsen" and marks(unstated)["/buyer"] == []
    (*_, last) = sg.outcome_of(iter(SAID), Order, grounded=TEXT)
    assert last.value == MADE and last.outcome.result.repairs == {"/buyer": "Mr O'Brien"}


def test_the_text_of_somebody_else_s_model_stays_where_nothing_is_repaired() -> None:
    exact = sg.outcome_of(SAID, Order, grounded=TEXT, quotes="exact")
    assert exact.value.buyer == "Mr O'Brien" and marks(exact)["/buyer"] == []
    free = sg.outcome_of(SAID, Order, grounded=TEXT, quotes=False)
    assert free.value.buyer == "Mr O'Brien" and marks(free)["/buyer"] == ["repaired"]
    marked = sg.outcome_of('{"buyer": "o\'brien", "note": "o\'brien"}', Quoted, grounded=TEXT, quotes=False)
    assert marked.value == Quoted(buyer="O’Brien", note="o'brien")


def test_a_value_that_the_type_refuses_in_the_letters_of_the_text_stays() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string", "maxLength": 7}}}
    found = sg.outcome_of('{"a": "ﬁne aﬀ"}', schema, grounded="a fine aff.")
    assert found.value == {"a": "ﬁne aﬀ"} and found.result.repairs == {}


@for_each("quotes", ["yes", 1, "Exact", []])
def test_a_wrong_value_is_refused_by_name(quotes: Any) -> None:
    for call in (
        lambda: sg.run("structgen/extract", TEXT, Order, quotes=quotes),
        lambda: sg.outcome_of(SAID, Order, grounded=TEXT, quotes=quotes),
        lambda: sg.extract("structgen/extract", TEXT, list[Order], quotes=quotes),
    ):
        with pytest.raises(sg.errors.OptionError, match='"exact"') as caught:
            call()
        assert caught.value.where == "quotes"


def test_quotes_of_a_text_need_the_text() -> None:
    with pytest.raises(sg.errors.OptionError, match="grounded"):
        sg.outcome_of(SAID, Order, quotes="exact")


def test_an_extraction_keeps_the_items_that_are_quotes_and_says_which_were_repaired() -> None:
    text = "Mr O’Brien and Mr Lind pay."
    with serving(ORDERS) as server:
        found = sg.extract(server.model, text, list[Order])
    assert [item.value["buyer"] for item in found] == ["Mr O’Brien", "Lind"]
    assert [item.repaired for item in found] == [["/buyer"], []]
    assert [field.match for item in found for field in item.fields] == ["repaired", "exact"]
    lines = [json.loads(line) for line in found.to_jsonl().splitlines()]
    assert [line.get("repaired") for line in lines] == [["/buyer"], None]
    assert found.to_csv().splitlines()[:2] == [
        "document,buyer,pages,conflicts,error,repaired",
        "document,Mr O’Brien,1,0,,buyer",
    ]
    assert "repaired" in found.page()


def test_an_exact_extraction_repairs_nothing_and_resumes_as_such(tmp_path: Any) -> None:
    text = "Mr O’Brien and Mr Lind pay."
    with serving(ORDERS) as server:
        found = sg.extract(server.model, text, list[Order], quotes="exact", out=tmp_path / "a.csv")
        assert [item.value["buyer"] for item in found] == ["Lind"]
        asked_before = len(server.bodies)
        again = sg.extract(server.model, text, list[Order], quotes="exact", out=tmp_path / "a.csv")
        assert again.to_jsonl() == found.to_jsonl() and len(server.bodies) == asked_before
        assert "repaired" not in found.to_csv()
