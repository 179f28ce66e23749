"""Arguments that stand raw: every keyword about a string is enforced, or refused by name."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from for_each import for_each
from test_call_formats import takes

import structgen as sg
from structgen.asking.tool_calls.call_writing import write_calls
from structgen.asking.tool_calls.format_rows import FORMATS
from structgen.tokens.tokenizer import byte_tokenizer


def qwen(value: str, *, frame: str = "\n") -> str:
    argument = f"<parameter=a>{frame}{value}{frame}</parameter>"
    return f"<tool_call>\n<function=f>\n{argument}\n</function>\n</tool_call>"


def tool(schema: Any, **more: Any) -> list[Any]:
    parameters = {"type": "object", "properties": {"a": schema}, "required": ["a"], **more}
    return [{"name": "f", "inputSchema": parameters}]


@for_each(
    ("schema", "good", "bad"),
    [
        ({"type": "string"}, ["", "x", 'a "b" <c> \\n', "5", "\nx\n"], ["</parameter>", "x</parameter>y"]),
        ({"type": "string", "maxLength": 3}, ["", "abc", "äöü"], ["abcd"]),
        ({"type": "string", "minLength": 2}, ["ab"], ["a", ""]),
        ({"type": "string", "pattern": "^[a-c]+$"}, ["abc"], ["", "abd", "ab "]),
        ({"type": "string", "enum": ["x y", "z"]}, ["x y", "z"], ["x", " z", "z "]),
        ({"const": "z"}, ["z"], ["", "y"]),
        ({"type": "string", "format": "date"}, ["2026-02-28"], ["2026-02-30", "today"]),
        ({"type": "string", "not": {"pattern": "x"}}, ["abc"], ["axb"]),
        ({"anyOf": [{"const": "a"}, {"type": "string", "minLength": 4}]}, ["a", "long"], ["b"]),
        (
            {"oneOf": [{"type": "string", "maxLength": 2}, {"type": "string", "minLength": 2}]},
            ["a", "abc"],
            ["ab"],
        ),
        ({"$ref": "#/$defs/short"}, ["ab"], ["abc"]),
        ({"type": "integer", "minimum": 3}, ["3", "12"], ["2", "x", "3.5", '"3"']),
        ({"type": ["integer", "null"]}, ["null", "7"], ["nil", "true"]),
        ({"type": "boolean"}, ["true"], ["True", "1"]),
        ({"type": "array", "items": {"type": "string"}}, ['["a", "</parameter>"]'], ["[1]", "a"]),
        ({"type": ["string", "integer"]}, ["5", "x"], []),
        (
            {"type": ["string", "object"], "properties": {"x": {"type": "integer"}}},
            ['{"x": 1}', "t"],
            ['{"x": "1"}'],
        ),
    ],
)
def test_values_as_they_stand(schema: Any, good: list[str], bad: list[str]) -> None:
    tools = tool(schema, **{"$defs": {"short": {"type": "string", "maxLength": 2}}})
    grammar = sg.tools(tools, format="qwen_3_coder", tool_choice="required")
    for text in good:
        assert takes(grammar, qwen(text)), text
        (call,) = sg.parse_calls(qwen(text), "qwen_3_coder", tools=tools).calls
        call.value()  # raises where what was read is none of the schema's
    assert [text for text in bad if takes(grammar, qwen(text))] == []


@for_each("text", ["x", "", "\n", "\nx", "x\n", "\n\n", "\n\nx\n"])
@for_each("schema", [{"maxLength": 1}, {"pattern": "^x?$"}, {"minLength": 1}, {"pattern": "^\n"}])
def test_a_string_is_taken_exactly_if_what_is_read_is_allowed(text: str, schema: dict[str, Any]) -> None:
    """One line break on each side is the format's: the string that is read decides."""
    tools = tool({"type": "string", **schema})
    (call,) = sg.parse_calls(qwen(text, frame=""), "qwen_3_coder", tools=tools).calls
    try:
        call.value()
    except sg.errors.ValidatorError:
        allowed = False
    else:
        allowed = True
    assert takes(sg.tools(tools, format="qwen_3_coder"), qwen(text, frame="")) is allowed


def test_a_union_is_read_by_the_schema() -> None:
    tools = tool({"type": ["string", "integer"]})
    read = [
        sg.parse_calls(qwen(text), "qwen_3_coder", tools=tools).calls[0].arguments["a"]
        for text in ("5", "5.5", "x")
    ]
    assert read == [5, "5.5", "x"]
    assert sg.parse_calls(qwen("5.5"), "qwen_3_coder").calls[0].arguments == {"a": 5.5}


@pytest.mark.parametrize(
    ("format", "written", "between"),
    [
        ("qwen_3_coder", ("<parameter=a>\n{}\n</parameter>", "<parameter=b>\n{}\n</parameter>"), "\n"),
        ("gemma", ("a:{}", "b:{}"), ","),
    ],
    ids=["tagged", "bracketed"],
)
def test_arguments_in_any_order_are_read_back(format: str, written: tuple[str, str], between: str) -> None:
    numbers = {"type": "object", "properties": {key: {"type": "integer"} for key in "ab"}}
    tools: list[Any] = [{"name": "f", "inputSchema": {**numbers, "required": ["a"]}}]
    around = {
        "qwen_3_coder": ("<tool_call>\n<function=f>\n", "\n</function>\n</tool_call>"),
        "gemma": ("<|tool_call>call:f{", "}<tool_call|>"),
    }[format]
    a, b = written[0].format(1), written[1].format(2)
    grammar = sg.tools(tools, format=format, property_order="any")
    for members, read in (([a], {"a": 1}), ([a, b], {"a": 1, "b": 2}), ([b, a], {"b": 2, "a": 1})):
        text = between.join(members).join(around)
        assert takes(grammar, text)
        assert sg.parse_calls(text, format, tools=tools).calls[0].arguments == read
    for members in ([b], [a, a], [a, b, a], [b, b, a]):
        assert not takes(grammar, between.join(members).join(around))
    assert not takes(sg.tools(tools, format=format), between.join([b, a]).join(around))


@pytest.mark.parametrize(
    ("format", "schema", "more", "where", "keyword"),
    [
        (
            "qwen_3_coder",
            {},
            {"additionalProperties": {"type": "string"}},
            "#/additionalProperties",
            "additionalProperties",
        ),
        ("qwen_3_coder", {"const": "x\n</parameter>"}, {}, "#/properties/a", "const"),
        ("kimi_k3", {"const": ["<|sep|>"]}, {}, "#/properties/a", "const"),
        ("cohere", {}, {"patternProperties": {"^a": {}}}, "#/patternProperties", "patternProperties"),
        ("gemma", {"properties": {"a b": {}}}, {}, "#/properties/a", "properties"),
    ],
)
def test_what_a_format_cannot_hold_is_refused_by_name(
    format: str, schema: Any, more: dict[str, Any], where: str, keyword: str
) -> None:
    with pytest.raises(sg.errors.UnsupportedError) as caught:
        sg.tools([sg.Tool("f", "", {**tool(schema)[0]["inputSchema"], **more})], format=format)
    assert where in caught.value.where
    assert caught.value.cure


def test_an_argument_that_can_only_hold_the_closing_tag_is_left_out_or_refused() -> None:
    ending = tool({"enum": ["a</parameter>b", "</parameter>"]})
    with pytest.raises(sg.errors.UnsupportedError, match="the tool f: #/properties/a"):
        sg.tools(ending, format="qwen_3_coder", tool_choice="required")
    other = [*tool({"type": "string"}), {**ending[0], "name": "g"}]
    with pytest.warns(sg.errors.ToolWarning, match="the tool g: #/properties/a"):
        sg.tools(other, format="qwen_3_coder")
    optional = sg.Tool("f", "", {**ending[0]["inputSchema"], "required": []})
    none = "<tool_call>\n<function=f>\n</function>\n</tool_call>"
    assert takes(sg.tools([optional], format="qwen_3_coder"), none)
    sg.tools(ending, format="hermes")  # JSON has escapes


PERSON = {
    "type": "object",
    "properties": {"kind": {"const": "a"}, "n": {"type": "integer"}},
    "required": ["kind"],
}
GROUP = {
    "type": "object",
    "properties": {"kind": {"const": "b"}, "s": {"type": ["string", "null"]}},
    "required": ["kind"],
}
LINK = {
    "type": "object",
    "properties": {"v": {"type": "integer"}, "next": {"$ref": "#/$defs/link"}},
    "required": ["v"],
}
OPEN = {
    "a dict of strings": (
        {"type": "object", "additionalProperties": {"type": "string"}},
        {"x": "1", "y": ""},
        {"x": 1},
    ),
    "any object": ({"type": "object"}, {"x": [None, {"y": "z"}]}, [1]),
    "any value": ({}, {"x": [True, "t"]}, ...),
    "a union of objects": ({"anyOf": [PERSON, GROUP]}, {"kind": "b", "s": None}, {"kind": "c"}),
    "a list of a union": (
        {"type": "array", "items": {"anyOf": [PERSON, GROUP]}},
        [{"kind": "a", "n": 1}],
        [{"kind": 1}],
    ),
    "a recursive object": ({"$ref": "#/$defs/link"}, {"v": 1, "next": {"v": 2}}, {"v": "1"}),
    "an object or null": ({"anyOf": [PERSON, {"type": "null"}]}, None, 5),
    "distinct strings": (
        {"type": "array", "items": {"type": "string"}, "uniqueItems": True},
        ["x", "y"],
        ["x", "x"],
    ),
}


OPEN_FORMATS = ["cohere", "minimax_m3", "gemma", "function_gemma", "qwen_3_coder", "hermes"]


@for_each(
    ("format", "name"), [(one, name) for at, one in enumerate(OPEN_FORMATS) for name in [*OPEN][at % 2 :: 2]]
)
def test_open_arguments_are_written_completed_held_to_their_schema_and_read_back(
    format: str, name: str
) -> None:
    schema, good, bad = OPEN[name]
    tools = tool(schema, **{"$defs": {"link": LINK}})
    grammar = sg.tools(tools, format=format, tool_choice="required")
    compiled = sg.compile(grammar, byte_tokenizer(), store=False)
    whole = compiled.completion(compiled.start)
    for cut in (len(whole) // 2, len(whole) - 12, len(whole)):
        state = compiled.step_bytes(compiled.start, whole[:cut])
        assert state is not None
        text = (whole[:cut] + compiled.completion(state)).decode()
        (call,) = sg.parse_calls(text, format, tools=tools).calls
        call.value()  # raises where it is none of the schema's
    text = written_as(format, good)
    assert takes(grammar, text), text
    assert bad is ... or not takes(grammar, written_as(format, bad))
    assert sg.parse_calls(text, format, tools=tools).calls[0].arguments == {"a": good}


def written_as(format: str, value: Any) -> str:
    """Return a call with one argument; what the format writes in JSON as JSON."""
    row = FORMATS[format]
    if format in ("cohere", "minimax_m3") and value is not None:
        row = replace(
            row, item="", types={**row.types, "object": "json", "array": "json"} if row.types else {}
        )
    return write_calls([sg.Call("f", {"a": value}, "call_0")], row)
