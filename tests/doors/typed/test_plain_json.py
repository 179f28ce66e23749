"""`.json`: the plain value of outcomes, of each step of a stream, and of items."""

from __future__ import annotations

import asyncio
import datetime as dt
import enum
import json
import random
import warnings
from collections.abc import Callable, Iterator
from dataclasses import make_dataclass
from decimal import Decimal
from typing import Any, Literal

import pytest
from asked import asked, awaited, listed
from pydantic import BaseModel, create_model
from pydantic_core import from_json
from told_models import Even, told
from typing_extensions import TypedDict

import structgen as sg
from structgen.doors.extraction.found_items import FoundItem

OSLO = '<tool_call>\n{"name": "get_weather", "arguments": {"city": "Oslo", "days": 2}}\n</tool_call>'


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


SCALARS: list[tuple[Any, Callable[[random.Random], Any]]] = [
    (int, lambda draw: draw.randint(-99, 99)),
    (float, lambda draw: draw.choice([0.5, -2.25, 1e20])),
    (str, lambda draw: draw.choice(["", "a", 'x"y\\', "é😀", "line\nend", "{[,"])),
    (bool, lambda draw: draw.random() < 0.5),
    (type(None), lambda draw: None),
    (dt.date, lambda draw: f"20{draw.randint(10, 29)}-0{draw.randint(1, 9)}-1{draw.randint(0, 9)}"),
    (Decimal, lambda draw: draw.choice([1.5, -3])),
    (Colour, lambda draw: draw.choice(["red", "blue"])),
    (Literal["p", "q"], lambda draw: draw.choice("pq")),
]


def random_type(draw: random.Random, depth: int = 3) -> tuple[Any, Any]:
    """Return a type, and a document of it as plain JSON."""
    kind = draw.randrange(7) if depth else 6
    if kind == 6:
        hint, value = draw.choice(SCALARS)
        return hint, value(draw)
    names = draw.sample(["a", "b", "some_name", "z"], draw.randint(1, 3))
    members = {name: random_type(draw, depth - 1) for name in names}
    hints, document = (
        [hint for hint, _ in members.values()],
        {name: one for name, (_, one) in members.items()},
    )
    if kind == 0:
        fields: dict[str, Any] = {name: (hint, ...) for name, hint in zip(names, hints, strict=True)}
        return create_model("Made", **fields), document
    if kind == 1:
        return make_dataclass("Made", list(zip(names, hints, strict=True))), document
    if kind == 2:
        return TypedDict("Made", dict(zip(names, hints, strict=True))), document  # type: ignore[operator]
    if kind == 3:
        return tuple[tuple(hints)], [*document.values()]  # type: ignore[misc]
    hint, one = random_type(draw, depth - 1)
    return (list[hint], [one] * draw.randint(0, 3)) if kind == 4 else (dict[str, hint], {"k": one, "": one})


def pieces_of(text: str, draw: random.Random) -> Iterator[str]:
    while text:
        size = draw.choice([1, 1, 2, 5, 40])
        yield text[:size]
        text = text[size:]


def is_plain(value: Any) -> bool:
    if type(value) is dict:
        return all(type(key) is str for key in value) and all(map(is_plain, value.values()))
    if type(value) is list:
        return all(map(is_plain, value))
    return type(value) in (str, int, float, bool, type(None))


def has_begun(document: Any, soon: Any) -> bool:
    """Tell whether a value is a beginning of a document: what is missing is at the end, and it is plain."""
    if soon is None:
        return True
    if type(soon) is not type(document):
        return False
    if isinstance(soon, dict):
        keys = [*document][: len(soon)]
        return [*soon] == keys and all(has_begun(document[key], soon[key]) for key in keys)
    if isinstance(soon, list):
        return len(soon) <= len(document) and all(map(has_begun, document, soon))
    return document.startswith(soon) if isinstance(soon, str) else bool(soon == document)


@pytest.mark.parametrize("count", [150, pytest.param(2_000, marks=pytest.mark.slow)])
def test_json_is_the_plain_document_in_every_step(count: int) -> None:
    """The reference of a whole text is `json.loads`, that of a beginning is pydantic's partial reader."""
    draw = random.Random(count)
    for _ in range(count):
        hint, document = random_type(draw)
        if hint in (str, type(None)):  # free text is no document, and None nothing to write
            hint, document = list[hint], [document]  # type: ignore[valid-type]
        text = json.dumps(document, ensure_ascii=draw.random() < 0.5, indent=draw.choice([None, 2]))
        *steps, last = list(sg.outcome_of([*pieces_of(text, draw)], hint))
        seen = [step.json for step in steps]
        for step, value in zip(steps, seen, strict=True):
            assert is_plain(value) and has_begun(document, value)
            if step.text.endswith((" ", "\n", ",", "]", "}")) and step.text.count('"') % 2 == 0:
                with_rest = from_json(step.text.rstrip(" \n,").encode(), allow_partial="trailing-strings")
                assert value == with_rest or '\\"' in step.text
        assert last.json == last.outcome.json == json.loads(text) and is_plain(last.json)
        # in any order, again, and beside the objects
        for at in draw.sample(range(len(steps)), min(4, len(steps))):
            _ = steps[at].value
            assert steps[at].json == seen[at]
        assert sg.outcome_of(text, hint).json == document


def test_json_of_an_engines_answer_has_no_wrapper_and_no_objects() -> None:
    engine, _ = told('{"value": "2026-06-01"}')
    outcome = asked(dt.date, model=engine, wrap=True).detailed("x")
    assert (outcome.json, outcome.value) == ("2026-06-01", dt.date(2026, 6, 1))
    steps = [*asked(dt.date, model=engine, wrap=True).stream("x")]
    assert steps[-1].json == "2026-06-01" and all(has_begun("2026-06-01", step.json) for step in steps)
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}, "additionalProperties": False}
    outcome = sg.run.detailed(told('{"a": 1.0}')[0], "x", schema, policies={"numbers": "any"})
    assert repr(outcome.json) == "{'a': 1}" and outcome.text == '{"a": 1.0}'
    assert asked(str, model=told("free")[0]).detailed("x").json == "free"
    assert sg.run.detailed(told("red")[0], "x", sg.choice(["red", "blue"])).json == "red"
    partials = asyncio.run(listed(awaited(Even, model=told('{"number": 2}')[0]).stream("x")))
    assert [partial.json for partial in partials][-1] == {"number": 2}


def test_json_of_a_call_is_its_message_in_every_step() -> None:
    def get_weather(city: str, days: int = 1) -> None:
        """Tell the weather of a city."""

    options: Any = {"tools": [get_weather], "tool_format": "hermes"}
    for hint in (str | sg.Call, sg.Reply, sg.Call, list[sg.Call]):
        *steps, last = asked(
            hint, model=told(f"Well. {OSLO}" if hint is sg.Reply else OSLO)[0], **options
        ).stream("x")
        assert all(json.dumps(step.json) for step in steps)
        wanted = last.result
        is_list = isinstance(wanted, list)
        assert last.json == ([one.message() for one in wanted] if is_list else wanted.message())
    outcome = asked(Even | sg.Call, model=told('{"number": 2}')[0], **options).detailed("x")
    assert (outcome.json, outcome.value) == ({"number": 2}, Even(number=2))


def test_json_of_a_failed_call_raises_its_error_and_a_partial_has_what_there_is() -> None:
    odd = asked(Even, model=told('{"number": 3}')[0], attempts=1)
    with pytest.raises(sg.errors.GenerationError, match="is odd"):
        _ = odd.detailed("x").json
    *_, last = sg.run.stream(told('{"number": 3}')[0], "x", Even, detailed=True)
    assert last.is_done and last.json == {"number": 3}


@pytest.mark.parametrize("text", ['{"number": 1 "', "nothing", '{"number" 5: 3, "c": 4}'])
def test_json_of_a_text_that_breaks_off_stays(text: str) -> None:
    steps = []
    with pytest.raises(sg.errors.GenerationError):
        for step in sg.outcome_of([*text], Even):
            steps.append(step.json)
    assert steps[-1] in (None, {}, {"number": 1}) if steps else text == "nothing"


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (Decimal("12.50"), 12.5),
        ({"a": [Decimal("0.1"), 3, None, "x"]}, {"a": [0.1, 3, None, "x"]}),
        (2**70, 2**70),
    ],
)
def test_json_of_an_item_has_plain_numbers(value: Any, plain: Any) -> None:
    item = FoundItem("a.txt", value, (), made="an object")
    assert item.json == plain and is_plain(item.json)
    assert (item.value, item.made, item.document) == (value, "an object", "a.txt")


# --- the warning --------------------------------------------------------------------------------------------


def advice(read: Callable[[], object]) -> list[str]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        read()
    return [str(one.message) for one in caught if one.category is sg.errors.AdviceWarning]


class Person(BaseModel):
    name: str


ADA = '{"name": "Ada"}'


def test_reading_the_values_of_all_steps_is_advised_once() -> None:
    (told_once,) = advice(lambda: [(step.value, step.value) for step in sg.outcome_of([*ADA], Person)])
    assert "a Person in the last step, and was a dict before" in told_once and "partial.json" in told_once
    (of_text,) = advice(lambda: [step.value for step in sg.outcome_of([*'"2026-06-01"'], dt.date)])
    assert "a date in the last step, and was a str before" in of_text
    assert len(advice(lambda: [one.value for one in asked(Person, model=told(ADA)[0]).stream("x")])) == 1


def read_last(steps: list[Any]) -> Any:
    return [*steps][-1].value


@pytest.mark.parametrize(
    ("hint", "text", "read"),
    [
        (Person, ADA, lambda steps: [(step.json, step.text, repr(step)) for step in steps]),
        (Person, ADA, read_last),
        (Person, ADA, lambda steps: [step.result if step.is_done else step.value for step in steps]),
        (Person, ADA, lambda steps: [(step.get("name"), "name" in step) for step in steps]),
        (dict[str, str], ADA, lambda steps: [step.value for step in steps]),
        (list[Person], f"[{ADA}]", lambda steps: [step.value for step in steps]),
        (str, "free", lambda steps: [step.value for step in steps]),
        (int, "12", lambda steps: [step.value for step in steps]),
        (Literal["Ada"], '"Ada"', lambda steps: [step.value for step in steps]),
    ],
)
def test_who_meets_one_kind_is_not_advised(hint: Any, text: str, read: Callable[[Any], object]) -> None:
    assert not advice(lambda: read(sg.outcome_of([*text], hint)))


def test_a_stream_with_tools_has_texts_and_calls_in_any_case() -> None:
    def get_weather(city: str, days: int = 1) -> None:
        """Tell the weather of a city."""

    function = asked(str | sg.Call, model=told(f"Well. {OSLO}")[0], tools=[get_weather], tool_format="hermes")
    assert not advice(lambda: [step.value for step in function.stream("x")])
