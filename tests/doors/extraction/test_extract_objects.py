"""One object a document; documents of any kind; what a document may be made of."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import random
import re
import sys
from pathlib import Path
from typing import Annotated, Any

import pytest
from finding_models import PROMPT, Sale, document, extracted, finder, sales_in
from pydantic import BaseModel, Field

import structgen as sg
from structgen.base.errors import BudgetError, GenerationError, GroundedWarning, NotStatedError, OptionError

sys.path.insert(0, str(Path(__file__).parents[2]))
from openai_server import serving

FILLER = "The weather was fine and nobody came late. " * 6


class Place(BaseModel):
    city: str
    street: str


class Contract(BaseModel):
    seller: str
    price: int
    signed: dt.date | None
    place: Place
    note: str | None = None
    currency: str = "EUR"


TEXT = (
    f"Seller: Ada Byron.\n\n{FILLER}\n\nPrice: 4500.\n\n{FILLER}\n\nCity: Leeds.\n\n{FILLER}\n\n"
    f"Street: Mill Lane.\n\n{FILLER}\n\nSigned: 2026-05-04.\n"
)


def stated_in(text: str) -> dict[str, Any]:
    """Return what a part of the contract states, null for all else."""

    def value(name: str) -> Any:
        found = re.search(rf"{name}: ([^.]*)\.", text)
        return found and (int(found[1]) if name == "Price" else found[1])

    place = {"city": value("City"), "street": value("Street")}
    return {
        **{name.lower(): value(name) for name in ("Seller", "Price", "Signed")},
        "place": place if any(place.values()) else None,
        "note": None,
        "currency": None,
    }


@pytest.mark.parametrize("page", [50, 90, 2000])
def test_the_fields_of_one_object_may_stand_on_different_pages(page: int) -> None:
    found = extracted(finder(stated_in)[0], TEXT, Contract, page=page, max_tokens=400)
    assert (found.pages > 4) == (page < 100)
    made = found.value
    assert made == Contract(
        seller="Ada Byron",
        price=4500,
        signed=dt.date(2026, 5, 4),
        place=Place(city="Leeds", street="Mill Lane"),
    )
    (item,) = found
    for one in item.fields:
        if one.start is not None:
            assert TEXT[one.start : one.end] == str(one.value)
    assert {one.path for one in item.fields if one.start is not None} == {
        "/seller", "/price", "/signed", "/place/city", "/place/street"
    }  # fmt: skip


def test_a_required_field_that_no_page_states_is_told() -> None:
    text = TEXT.replace("Price: 4500.", "").replace("2026-05-04", "some day")
    found = extracted(finder(stated_in)[0], text, Contract, page=60, max_tokens=400)
    assert found[0].error == "The document does not state /price." and found[0].value["seller"] == "Ada Byron"
    with pytest.raises(NotStatedError, match="/price"):
        _ = found.value


def test_a_document_of_one_value_that_no_page_states_has_none() -> None:
    found = extracted(finder(lambda text: None)[0], "The weather was fine.", int)
    assert found[0].error == "The document does not state a value."
    with pytest.raises(NotStatedError, match="The document does not state a value"):
        _ = found.value


def test_a_type_without_strings_is_told_of_quotes_alone() -> None:
    with pytest.warns(GroundedWarning, match="no string that could be a quote; quotes= has no effect"):
        extracted(finder(lambda text: [5])[0], "The weather was fine.", list[int], grounded=False)


def test_a_field_of_two_values_has_the_likelier_one_and_the_other_is_a_conflict() -> None:
    text = f"Price: 4500.\n\n{FILLER}\n\nPrice: 70.\n"
    found = extracted(finder(stated_in)[0], text, Contract, page=60, max_tokens=400)
    (item,) = found
    (other,) = [one for one in item.conflicts if one.path == "/price"]
    (price,) = [one for one in item.fields if one.path == "/price"]
    assert {price.value, other.value} == {70, 4500} and price.confidence >= other.confidence
    assert text[other.start : other.end] == str(other.value) and other.page != price.page


def test_a_value_that_the_type_refuses_is_an_error_of_its_document_alone() -> None:
    class Even(BaseModel):
        count: Annotated[int, Field(multiple_of=2)]

    texts = {"a": "36 lamps.", "b": "7 seeds."}
    found = extracted(finder(lambda text: {"count": int(re.findall("[0-9]+", text)[0])})[0], texts, Even)
    assert [bool(one.error) for one in found] == [False, True]
    with pytest.raises(GenerationError):
        _ = found.values
    assert found[0].made == Even(count=36)


# --- documents ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["", "  \n ", "Word", "No figure stands here."])
def test_what_states_nothing_has_no_items(text: str) -> None:
    engine, model = finder()
    found = extracted(engine, text)
    assert found.value == [] and found.is_complete and not model.prompts
    with pytest.raises(NotStatedError):
        _ = extracted(engine, text, Contract, max_tokens=400).value


def test_documents_have_names_and_items_of_their_own(tmp_path: Path) -> None:
    draw = random.Random(3)
    texts = {f"{name}.txt": document(draw, 12) for name in "abc"}
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    found = extracted(finder()[0], [tmp_path / name for name in texts], page=60)
    assert {one.document: one for one in found}.keys() <= texts.keys()
    for name, text in texts.items():
        assert [one.value for one in found if one.document == name] == sales_in(text)
        assert [made.model_dump() for made in found.values[name]] == sales_in(text)
    with pytest.raises(OptionError, match="3 documents"):
        _ = found.value


def test_a_text_without_borders_is_cut_all_the_same() -> None:
    text = "x" * 5_000 + " Ada Byron bought 3 lamps. " + "y" * 5_000
    found = extracted(finder()[0], text, page=200)
    assert [one.value for one in found] == sales_in(text) and found.pages > 3


def test_an_answer_that_is_cut_off_is_asked_for_by_halves() -> None:
    text = document(random.Random(4), 60)
    engine, model = finder()
    found = extracted(engine, text, page=1500, overlap=25, max_tokens=120)
    assert len(model.prompts) > found.pages and [one.value for one in found] == sales_in(text)
    assert not found.remarks


@pytest.mark.parametrize("count", [400, pytest.param(10_000, marks=pytest.mark.slow)])
def test_many_items(count: int) -> None:
    text = "".join(f"Ada Byron bought {at} lamps.\n" for at in range(count))

    def answer(body: dict[str, Any]) -> str:
        return json.dumps(sales_in(body["messages"][-1]["content"]))

    with serving(answer) as server:
        found = extracted(server.model, text, page=4000, overlap=100)
    assert [one.value["count"] for one in found] == [*range(count)] and found.pages > count // 500


def test_an_object_that_never_fits_is_told_before_anything_is_lost() -> None:
    class Long(BaseModel):
        words: list[int] = Field(min_length=200)

    for target in (Long, list[Long]):
        engine, model = finder()
        with pytest.raises(BudgetError, match="shortest item has"):
            extracted(engine, "1 lamp", target, max_tokens=50)
        assert not model.prompts


@pytest.mark.parametrize("target", [str, None, sg.regex("[a-z]+")])
def test_a_target_without_a_schema_is_refused(target: Any) -> None:
    with pytest.raises(OptionError, match="target"):
        extracted(finder()[0], "x", target)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"page": 5}, "page"),
        ({"page": 40, "overlap": 20}, "overlap"),
        ({"overlap": -1}, "overlap"),
        ({"merge": "keys"}, "merge"),
        ({"at_once": 0}, "at_once"),
        ({"start_over": True}, "start_over"),
        ({"workers": 2}, "workers"),
        ({"least_confidence": 2}, "least_confidence"),
        ({"max_char_buffer": 1000}, "page="),
        ({"prompt": 7}, "prompt"),
        ({"examples": [(7, [])]}, "examples"),
        ({"examples": [("x", [{"who": 3}])]}, "examples"),
        ({"grounded": "text"}, "grounded"),
        ({"stop": "x"}, "stop"),
    ],
)
def test_wrong_options_are_told_by_name(options: Any, told: str) -> None:
    engine, model = finder()
    with pytest.raises(OptionError, match=told):
        extracted(engine, "Ada Byron bought 3 lamps.", **options)
    assert not model.prompts


def test_items_are_counted_once_where_the_type_says_more_of_all_of_them() -> None:
    text = document(random.Random(5), 30)
    some: Any = Annotated[list[Sale], Field(min_length=2, max_length=3)]
    found = extracted(finder()[0], text, some, page=60, overlap=25)
    assert [one.value for one in found] == sales_in(text)
    with pytest.raises(GenerationError):
        _ = found.value


def test_the_same_is_found_while_an_event_loop_waits() -> None:
    text = document(random.Random(6), 30)
    how = {"prompt": PROMPT, "outline": False, "page": 60, "overlap": 25, "progress": False}

    async def both() -> Any:
        engine = finder()[0]
        return await asyncio.gather(*(sg.aextract(engine, text, list[Sale], **how) for _ in range(2)))

    assert all(
        one.items == extracted(finder()[0], text, page=60, overlap=25).items for one in asyncio.run(both())
    )


def test_a_call_that_is_cancelled_asks_for_nothing_more() -> None:
    text, engine, model = document(random.Random(6), 60), *finder()
    how = {"prompt": PROMPT, "outline": False, "page": 60, "overlap": 25, "at_once": 1}
    seen: list[int] = []

    async def cancelled() -> None:
        loop, begun = asyncio.get_running_loop(), asyncio.Event()

        def told(now: Any) -> None:
            seen.append(now.pages)
            loop.call_soon_threadsafe(begun.set)

        task = asyncio.ensure_future(sg.aextract(engine, text, list[Sale], **how, progress=told))
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancelled())  # it waits for the thread
    assert 0 < len(model.prompts) < 20


def test_a_union_of_types_is_read_as_one_of_them() -> None:
    class Shop(BaseModel):
        shop: str
        rent: int

    def answer(text: str) -> dict[str, Any]:
        return (
            {"shop": "Mill", "rent": 7}
            if "Mill" in text
            else {"who": "Ada Byron", "count": 3, "what": "lamps"}
        )

    text = f"Ada Byron bought 3 lamps.\n\n{FILLER}\n\nThe Mill pays 7."
    found = extracted(finder(answer)[0], text, Shop | Sale, page=60, max_tokens=200)
    assert found.pages > 1 and found.value in (
        Shop(shop="Mill", rent=7),
        Sale(who="Ada Byron", count=3, what="lamps"),
    )


def test_a_tuple_of_several_kinds_is_refused() -> None:
    with pytest.raises(OptionError, match="target"):
        extracted(finder()[0], "x", tuple[str, int])


SALE = {
    "type": "object",
    "properties": {"who": {"type": "string"}, "count": {"type": "integer"}, "what": {"type": "string"}},
    "required": ["who", "count", "what"],
    "additionalProperties": False,
}


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#/$defs/All", "$defs": {"All": {"type": "array", "items": SALE}}},
        {"$ref": "#/$defs/All", "$defs": {"All": {"type": "array", "items": SALE, "minItems": 2}}},
        {"type": ["array"], "items": SALE, "maxItems": 2},
    ],
)
def test_an_array_is_a_list_of_items_however_its_schema_says_so(schema: Any) -> None:
    text = "Ada Byron bought 3 lamps.\n\nBert Reed bought 4 seeds."
    found = extracted(finder()[0], text, schema, page=60)
    assert [one.value for one in found] == sales_in(text) == found.value


@pytest.mark.parametrize(
    ("target", "value"),
    [(Contract, {**stated_in(""), "price": 3}), (Annotated[list[Sale], Field(min_length=2)], [])],
)
def test_an_example_may_say_what_one_page_says(target: Any, value: Any) -> None:
    engine, model = finder(lambda text: value)
    extracted(engine, "It was 3.", target, examples=[("A page.", value)], max_tokens=400)
    assert "A page." in model.prompts[0]
    with pytest.raises(OptionError, match=r"examples\[0\]"):
        extracted(engine, "It was 3.", target, examples=[("A page.", {"seller": 3})])
