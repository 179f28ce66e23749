"""What may be called: tools of all shapes, choices, requests, and what is refused."""

from __future__ import annotations

import dataclasses
import datetime
import functools
from typing import Annotated, Any, Literal

import pydantic
import pytest
from for_each import for_each
from test_call_formats import EXAMPLES, TOOLS, takes

import structgen as sg
from structgen.asking.tool_calls.format_rows import FORMATS
from structgen.asking.tool_calls.tool_definitions import read_tools


def book(city: str, nights: int = 1, day: datetime.date | None = None) -> str:
    """Book a room.

    Longer.

    Args:
        city: Where the room is.
        nights: How many nights,
            at most 9.
    """
    raise AssertionError("tools are never called")


class Order(pydantic.BaseModel):
    """An order."""

    item: str
    count: Annotated[int, pydantic.Field(ge=1)] = 1


@dataclasses.dataclass
class Point:
    x: int
    y: int


class Robot:
    def move(self, to: Point, fast: bool = False) -> None:
        """Move."""
        raise AssertionError("tools are never called")

    def __call__(self, word: Literal["go", "stop"]) -> None:
        raise AssertionError("tools are never called")


PARAMETERS = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}


def hermes(name: str, arguments: str) -> str:
    return f'<tool_call>\n{{"name": "{name}", "arguments": {arguments}}}\n</tool_call>'


@for_each(
    ("tool", "name", "good", "bad", "value"),
    [
        (book, "book", '{"city": "Oslo"}', '{"nights": 2}', {"city": "Oslo"}),
        (
            book,
            "book",
            '{"city": "Oslo", "nights": 2, "day": "2026-02-28"}',
            '{"city": "Oslo", "nights": 2, "day": "2026-02-29"}',
            {"city": "Oslo", "nights": 2, "day": datetime.date(2026, 2, 28)},
        ),
        (
            Order,
            "Order",
            '{"item": "tea", "count": 3}',
            '{"item": "tea", "count": 0}',
            Order(item="tea", count=3),
        ),
        (Point, "Point", '{"x": 1, "y": -2}', '{"x": 1}', Point(1, -2)),
        (
            Robot().move,
            "move",
            '{"to": {"x": 1, "y": 2}, "fast": true}',
            '{"to": {"x": 1}}',
            {"to": Point(1, 2), "fast": True},
        ),
        (Robot(), "Robot", '{"word": "go"}', '{"word": "run"}', {"word": "go"}),
        (functools.partial(book, nights=3), "book", '{"city": "Oslo"}', '{"city": 5}', {"city": "Oslo"}),
        (
            {"type": "function", "name": "f", "parameters": PARAMETERS, "strict": True},
            "f",
            '{"a": ""}',
            '{"a": "", "b": 1}',
            {"a": ""},
        ),
        ({"type": "function", "function": {"name": "f"}}, "f", "{}", '{"a": 1}', {}),
        (sg.Tool("f", "", PARAMETERS), "f", '{"a": ""}', "{}", {"a": ""}),
    ],
)
def test_tools_of_all_shapes(tool: Any, name: str, good: str, bad: str, value: Any) -> None:
    grammar = sg.tools([tool], format="hermes")
    assert takes(grammar, hermes(name, good))
    assert not takes(grammar, hermes(name, bad))
    (call,) = sg.parse_calls(hermes(name, good), "hermes", tools=[tool]).calls
    assert call.value() == value
    (wrong,) = sg.parse_calls(hermes(name, bad), "hermes", tools=[tool]).calls
    with pytest.raises(sg.errors.ValidatorError):
        wrong.value()


def test_a_function_s_docstring_describes_it_and_its_arguments() -> None:
    (tool,) = read_tools([book])
    assert tool.description == "Book a room.\n\nLonger."
    assert tool.schema["properties"]["city"]["description"] == "Where the room is."
    assert tool.openai()["function"]["name"] == "book"


# --- choices ------------------------------------------------------------------------------------------------

TWO = [
    {"type": "function", "function": {"name": name, "parameters": {"type": "object", "properties": {}}}}
    for name in ("one", "two")
]
ONE, OTHER = hermes("one", "{}"), hermes("two", "{}")
ALLOWED: dict[str, Any] = {
    "type": "allowed_tools",
    "allowed_tools": {"mode": "auto", "tools": [{"type": "function", "function": {"name": "two"}}]},
}


@for_each(
    ("choice", "parallel", "taken", "refused"),
    [
        ("auto", True, ["", "hi", ONE, f"hi {ONE}{OTHER} ho"], ["<tool_call>", f"{ONE}<tool_call>"]),
        ("auto", False, ["hi", f"hi {ONE}"], [f"{ONE} hi", ONE + OTHER]),
        ("auto", 2, ["hi", f"{ONE} hi", f"a{ONE}b{OTHER}"], [ONE * 3, f"{ONE}{ONE} hi"]),
        (None, True, ["hi", ONE], ["<tool_call>"]),
        (
            "required",
            True,
            [ONE, f"{ONE} {OTHER}"],
            ["", "hi", f"hi {ONE}", f"{ONE} ho", f"{ONE} {OTHER} ho"],
        ),
        ("required", False, [ONE, OTHER], [f"{ONE} ", ONE + OTHER, ""]),
        ("required", 2, [ONE, f"{ONE} {OTHER}"], [ONE * 3, ""]),
        ("none", True, ["", "hi <tool"], [ONE, "<tool_call>"]),
        ("two", True, [OTHER], [ONE, "", OTHER * 2, f"{OTHER} "]),
        ({"type": "function", "function": {"name": "one"}}, True, [ONE], [OTHER]),
        ({"type": "function", "name": "one"}, True, [ONE], [OTHER]),
        (ALLOWED, True, ["hi", OTHER], [ONE]),
        (
            {"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "one"}]},
            True,
            [ONE],
            [OTHER, "hi"],
        ),
    ],
)
def test_choices(choice: Any, parallel: Any, taken: list[str], refused: list[str]) -> None:
    grammar = sg.tools(TWO, format="hermes", tool_choice=choice, parallel=parallel)
    assert [text for text in taken if not takes(grammar, text)] == []
    assert [text for text in refused if takes(grammar, text)] == []


@for_each("format", EXAMPLES)
def test_no_tools_and_none_leave_text(format: str) -> None:
    example = EXAMPLES[format]
    for grammar in (sg.tools([], format=format), sg.tools(TOOLS, format=format, tool_choice="none")):
        assert not takes(grammar, example)
    row = FORMATS[format]
    end = "".join((*row.text[1:2], row.end))
    assert takes(sg.tools([], format=format), ("" if not row.blocks else row.text[0]) + "Hi." + end)


# --- what is refused ----------------------------------------------------------------------------------------


def plain(a, b: int) -> None: ...  # type: ignore[no-untyped-def]
def starred(*args: int) -> None: ...
def keyed(**more: int) -> None: ...
def placed(a: int, /) -> None: ...
def undefined(a: Nowhere) -> None: ...  # type: ignore[name-defined]  # noqa: F821


@for_each(
    ("tools", "options", "where", "said"),
    [
        ([TWO[0], TWO[0]], {}, "tools/1/name", "Two tools have the name 'one'"),
        ([{"name": "a b", "inputSchema": PARAMETERS}], {}, "the tool a b", "cannot write the name 'a b'"),
        ([{"name": "f", "inputSchema": {"type": "array"}}], {}, "tools/0/inputSchema", "an object"),
        ([{"name": "f", "inputSchema": []}], {}, "tools/0/inputSchema", "must be an object"),
        ([{"name": "", "inputSchema": PARAMETERS}], {}, "tools/0/name", "not empty, got ''"),
        ([{"type": "web_search"}], {}, "tools/0/type", "'web_search'"),
        ([{"type": "function", "function": {"name": "f", "schema": {}}}], {}, "tools/0/function", "'schema'"),
        ([plain], {}, "tools/0", "parameter a of plain has no annotation"),
        ([starred], {}, "tools/0", r"\*args of starred"),
        ([keyed], {}, "tools/0", r"\*\*more of keyed"),
        ([placed], {}, "tools/0", "a of placed"),
        ([undefined], {}, "tools/0", "'Nowhere'"),
        ([lambda a: a], {}, "tools/0", "lambda"),
        ([list[int]], {}, "tools/0", "GenericAlias is not a tool"),
        ([5], {}, "tools/0", "int is not a tool"),
        (TWO, {"tool_choice": "three"}, "tool_choice", "No tool has the name 'three'.*one, two"),
        (TWO, {"tool_choice": {"type": "function", "function": {"name": "x"}}}, "tool_choice", "'x'"),
        (TWO, {"tool_choice": {"type": "any"}}, "tool_choice", "any"),
        (TWO, {"tool_choice": 5}, "tool_choice", "5"),
        ([], {"tool_choice": "required"}, "tool_choice", "no tools"),
        (
            TWO,
            {"tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": []}},
            "tool_choice/tools",
            "not empty",
        ),
        (TWO, {"parallel": 0}, "parallel", "0"),
        (TWO, {"thinking": True}, "thinking", "no thoughts"),
        (TWO, {"thinking": "yes", "format": "qwen_3"}, "thinking", "'yes'"),
    ],
)
def test_wrong_tools_and_options(tools: Any, options: dict[str, Any], where: str, said: str) -> None:
    with pytest.raises(sg.StructgenError, match=said) as caught:
        sg.tools(tools, **{"format": "hermes", **options})
    assert caught.value.where.startswith(where)
    assert caught.value.cure or "must be " in caught.value.what
