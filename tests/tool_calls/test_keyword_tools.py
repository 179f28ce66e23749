"""Tools whose arguments have `uniqueItems`, `patternProperties` or `propertyNames`: in every format a call is
written exactly if the schema takes its arguments, or that tool alone is refused, with its name and place."""

from __future__ import annotations

import random
import warnings
from dataclasses import replace
from typing import Any

import jsonschema
import pytest
from for_each import for_each
from test_custom_tools import is_text, reply_of

import structgen as sg
from structgen.tool_calls.format_rows import FORMATS

WORDS = ["a", "b", "xa", "xé", "x", "5", ""]
KEYS = ["a", "xa", "xb", "y", "q.r", "xé"]
PLAIN = {"name": "plain", "inputSchema": {"type": "object", "properties": {"n": {"type": "integer"}}}}


def keyword_schema(source: random.Random) -> dict[str, Any]:
    """Draw a schema with one of the keywords."""
    inner = source.choice([{"type": "string"}, {"type": ["integer", "null"]}, {"enum": ["a", "xa", 1]}, {}])
    least: dict[str, Any] = source.choice([{}, {"minProperties": 1}, {"maxProperties": 1}])
    return source.choice(
        [
            {"type": "array", "uniqueItems": True, "items": inner},
            {
                "type": "array",
                "uniqueItems": True,
                "items": {"type": "object", "additionalProperties": inner},
            },
            {"type": "object", "patternProperties": {"^x": inner}, "additionalProperties": False, **least},
            {"type": "object", "patternProperties": {"a$": inner}, **least},
            {"type": "object", "propertyNames": {"enum": ["a", "xa", "q.r"]}, **least},
            {"type": "object", "propertyNames": {"maxLength": 1}, "additionalProperties": inner},
        ]
    )


def value_of(source: random.Random, depth: int = 0) -> Any:
    """Draw a value with few different parts."""
    kind = source.randrange(7 if depth < 2 else 4)
    if kind < 4:
        return [source.choice(WORDS), source.choice([0, 1, 2]), None, source.choice(["a", "xa"])][kind]
    count = source.randrange(4)
    if kind == 4:
        return {source.choice(KEYS): value_of(source, depth + 1) for _ in range(count)}
    return [value_of(source, depth + 1) for _ in range(count)]


def tool_schema(source: random.Random) -> dict[str, Any]:
    """Draw the schema of a tool: the keyword stands in an argument, deeper, or is said of all arguments."""
    inner = keyword_schema(source)
    place = source.randrange(4)
    if place == 0 and inner["type"] == "object":
        return inner
    if place == 1:
        inner = {"type": "object", "properties": {"in": inner}, "additionalProperties": False}
    if place == 2:
        inner = {"anyOf": [inner, {"type": "string"}]}
    return {"type": "object", "properties": {"v": inner}, "additionalProperties": False}


def arguments_of(source: random.Random, schema: dict[str, Any]) -> dict[str, Any]:
    """Draw arguments, about half of which the schema takes."""
    for _ in range(20):
        value = value_of(source)
        if "v" in schema.get("properties", {}):
            value = {
                "v": {"in": value} if "in" in str(schema["properties"]["v"].get("properties")) else value
            }
        if isinstance(value, dict) and (source.random() < 0.3 or not faulty(schema, value)):
            return value
    return {}


def faulty(schema: dict[str, Any], value: Any) -> bool:
    return not jsonschema.Draft202012Validator(schema).is_valid(value)


def spellings(value: dict[str, Any], format: str) -> list[str]:
    """Return a call as the format writes it, and with JSON for the objects and arrays inside of it."""
    row = FORMATS[format]
    json_types = {**row.types, **dict.fromkeys(("object", "array"), row.types.get("number", ""))}
    plainer = replace(row, item="", types=json_types) if row.item and not row.quote else row
    call = sg.Call("odd", value, "call_0")
    return [reply_of([call], one) for one in dict.fromkeys((row, plainer))]


def check(format: str, source: random.Random, count: int) -> None:
    schema = tool_schema(source)
    tools = [{"name": "odd", "inputSchema": schema}, PLAIN]
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always", sg.errors.ToolWarning)
        grammar = sg.tools(tools, format=format, tool_choice="required")
    row, told = FORMATS[format], [str(one.message) for one in said if one.category is sg.errors.ToolWarning]
    assert is_text(grammar, reply_of([sg.Call("plain", {"n": 3}, "call_0")], row))
    if told:
        assert row.member and not row.quote, "JSON writes everything, and so do Gemma's formats"
        assert len(told) == 1 and "the tool odd: #" in told[0], told
        return
    for _ in range(count):
        value = arguments_of(source, schema)
        texts = spellings(value, format)
        taken = [is_text(grammar, text) for text in texts]
        assert any(taken) or faulty(schema, value), (schema, texts)
        for text, is_taken in zip(texts, taken, strict=True):
            if is_taken:  # a number may have been read as the string that it is too
                (call,) = sg.parse_calls(text, format, tools=tools).calls
                assert not faulty(schema, call.arguments), (schema, text)
                assert faulty(schema, value) or call.arguments == value, (schema, text)


@for_each("format", [*FORMATS][::2])
def test_a_call_is_written_exactly_if_the_schema_takes_it(format: str) -> None:
    check(format, random.Random(f"keywords {format}"), 3)


@pytest.mark.slow
@pytest.mark.parametrize("format", FORMATS)
def test_a_call_is_written_exactly_if_the_schema_takes_it_whole(format: str) -> None:
    source = random.Random(f"many keywords {format}")
    for _ in range(25):
        check(format, source, 12)


@for_each("format", ["gemma", "function_gemma", "cohere", "minimax_m3"])
@for_each(
    "schema",
    [
        {"type": "array", "items": {"type": "string"}, "uniqueItems": True},
        {"type": "object", "patternProperties": {"^x": {"type": "integer"}}, "additionalProperties": False},
        {"type": "object", "propertyNames": {"maxLength": 2}, "additionalProperties": {"type": "string"}},
    ],
)
def test_distinct_strings_and_keys_by_pattern_are_no_reason_to_refuse_a_tool(
    format: str, schema: Any
) -> None:
    odd = {"name": "odd", "inputSchema": {"type": "object", "properties": {"v": schema}}}
    grammar = sg.tools([odd], format=format, tool_choice="required")
    good, bad = (["a", "b"], ["a", "a"]) if "items" in schema else ({"x": 1}, {"xyz": []})
    if "propertyNames" in schema:
        good = {"x": "y"}
    assert any(is_text(grammar, text) for text in spellings({"v": good}, format))
    assert not any(is_text(grammar, text) for text in spellings({"v": bad}, format))
