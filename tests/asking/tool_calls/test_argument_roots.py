"""Arguments are an object, whatever the root of a tool's schema says."""

from __future__ import annotations

import itertools
import random
import warnings
from dataclasses import replace
from typing import Any

import jsonschema
import pytest
from argument_roots import NEVER, ROOTS
from for_each import for_each
from test_call_formats import takes
from test_custom_tools import reply_of

import structgen as sg
from structgen.asking.tool_calls.format_rows import FORMATS
from structgen.tokens.tokenizer import byte_tokenizer

BYTES = byte_tokenizer()
RAW = [name for name, row in FORMATS.items() if row.member]
VALUES: dict[str, Any] = {"a": "x", "b": 5, "c": True, "d": ["y"]}
PROPERTIES: dict[str, Any] = {
    "a": {"type": "string"},
    "b": {"type": "integer"},
    "c": {"type": "boolean"},
    "d": {"type": "array", "items": {"type": "string"}},
}


def texts(grammar: sg.Grammar, source: random.Random, count: int) -> list[str]:
    """Return the shortest text, and some that a random walk begins and the shortest rest ends."""
    compiled = sg.compile(grammar, BYTES, store=False)
    found = [compiled.completion(compiled.start).decode()]
    mask = sg.allocate_mask(1, BYTES.vocab_size)
    for _ in range(count):
        matcher, begun = sg.Matcher(compiled), bytearray()
        shortest = bytes(compiled.completion(compiled.start))
        for at in range(len(shortest) + 12):
            matcher.fill_mask(mask, 0)
            allowed = [one for one in range(256) if mask.array[0][one >> 5] >> (one & 31) & 1]
            ascii_ones = [one for one in allowed if 32 <= one < 127] or allowed
            if not allowed:
                break
            usual = shortest[at] if at < len(shortest) and bytes(begun) == shortest[:at] else -1
            token = usual if usual in allowed and source.random() < 0.95 else source.choice(ascii_ones)
            matcher.advance(token)
            begun.append(token)
        found.append((bytes(begun) + compiled.completion(matcher.state)).decode())
    return found


def check(format: str, root: Any, choice: str, source: random.Random, count: int) -> bool:
    """Read back what the grammar of a tool writes; return False where the format refuses the tool by name."""
    tool = sg.Tool("look_up", "", root)
    try:
        grammar = sg.tools([tool], format=format, tool_choice=choice)
    except sg.errors.UnsupportedError as error:
        assert "look_up" in str(error) and "#" in error.where and error.cure
        return False
    for text in texts(grammar, source, count):
        reply = sg.parse_calls(text, format, tools=[tool])
        assert choice == "auto" or (reply.calls and reply.complete and not reply.problems), text
        for call in reply.calls:
            assert isinstance(call.arguments, dict), text
            call.value()  # raises where the schema refuses it
    return True


@for_each("format", FORMATS)
def test_what_the_grammar_writes_is_read_back_as_an_object(format: str) -> None:
    """Each root in a format or two, each format with one or two roots, with both choices by turns."""
    source = random.Random(format)
    for at, root in enumerate([*ROOTS.values()][[*FORMATS].index(format) % 24 :: 24]):
        check(format, root, ("required", "auto")[at % 2], source, 1)


@pytest.mark.slow
@pytest.mark.parametrize("format", FORMATS)
def test_what_the_grammar_writes_is_read_back_as_an_object_whole(format: str) -> None:
    source = random.Random(f"{format} whole")
    for root in ROOTS.values():
        for choice in ("auto", "required"):
            check(format, root, choice, source, 6)


def condition(source: random.Random, depth: int = 2) -> dict[str, Any]:
    """Draw what a schema says of the presence of arguments, and of the values of some."""
    some = source.sample([*VALUES], source.randrange(1, 3))
    kinds = [
        lambda: {"required": some},
        lambda: {"dependentRequired": {some[0]: source.sample([*VALUES], 2)}},
        lambda: {"minProperties": source.randrange(4)},
        lambda: {"maxProperties": source.randrange(1, 4)},
        lambda: {"required": ["b"], "properties": {"b": {"minimum": source.choice([5, 6])}}},
        lambda: {"properties": {"a": {"enum": ["x", "z"]}, "c": {"const": source.random() < 0.5}}},
    ]
    if depth:
        inner = lambda: condition(source, depth - 1)  # noqa: E731
        kinds += [
            lambda: {"anyOf": [inner(), inner()]},
            lambda: {"oneOf": [inner(), inner()]},
            lambda: {"not": inner()},
            lambda: {"if": inner(), "then": inner(), "else": inner()},
            lambda: {"allOf": [inner(), inner()]},
            lambda: {"dependentSchemas": {some[0]: inner()}},
        ]
    return source.choice(kinds)()


def held(format: str, source: random.Random) -> bool:
    """Hold a tool with a condition to jsonschema, for every set of arguments; return False where the format
    refuses it by name."""
    schema = {"type": "object", "properties": PROPERTIES, **condition(source)}
    if "properties" in schema and schema["properties"] is not PROPERTIES:
        schema = {"type": "object", "properties": PROPERTIES, "allOf": [condition(source)]}
    taken = {}
    for size in range(len(VALUES) + 1):
        for keys in itertools.combinations(VALUES, size):
            value = {key: VALUES[key] for key in keys}
            taken[keys] = value if jsonschema.Draft202012Validator(schema).is_valid(value) else None
    try:
        grammar = sg.tools([sg.Tool("f", "", schema)], format=format, tool_choice="required")
    except sg.errors.UnsupportedError as error:
        assert "the tool f: #" in str(error)
        return False
    except sg.errors.UnsatisfiableSchema:
        assert not any(value is not None for value in taken.values()), schema
        return True
    for keys, value in taken.items():
        call = sg.Call("f", {key: VALUES[key] for key in keys}, "call_0")
        assert takes(grammar, reply_of([call], FORMATS[format])) is (value is not None), (schema, keys)
    return True


@pytest.mark.parametrize("count", [2, pytest.param(60, marks=pytest.mark.slow)])
@for_each("format", RAW)
def test_conditions_on_all_arguments_are_those_of_the_schema(format: str, count: int) -> None:
    if count > 2 or format in ("mimo", "cohere", "gemma"):
        source = random.Random(f"conditions {format}")
        assert sum(held(format, source) for _ in range(count)) >= count * 2 // 3


@for_each("format", ["qwen_3_coder", "hermes", "gemma"])
def test_a_root_that_can_be_no_object_refuses_its_tool_by_name(format: str) -> None:
    good = sg.Tool("fine", "", {"properties": {"a": {"type": "string"}}})
    for root in NEVER.values():
        with pytest.raises(sg.StructgenError, match="look_up") as caught, warnings.catch_warnings():
            warnings.simplefilter("error", sg.errors.ToolWarning)  # left out, and told
            try:
                tools = [good, {"name": "look_up", "inputSchema": root}]
                sg.compile(sg.tools(tools, format=format), BYTES, store=False)
            except sg.errors.ToolWarning as told:
                raise sg.errors.OptionError(str(told)) from told
        assert "/allOf/0/$ref" not in str(caught.value)


@for_each("format", ["qwen_3_coder", "hermes", "gemma"])
def test_a_schema_as_a_type_is_refused_where_it_stands_but_in_draft_3(format: str) -> None:
    root: dict[str, Any] = {"type": ["object", {"type": "object"}]}
    with pytest.raises(sg.errors.SchemaError, match=r"the tool f: #/type"):
        sg.tools([sg.Tool("f", "", root)], format=format)
    draft_3 = {"$schema": "http://json-schema.org/draft-03/schema#", **root}
    sg.tools([sg.Tool("f", "", draft_3)], format=format)


def test_too_many_sets_of_arguments_are_refused_by_name() -> None:
    names = [f"k{at}" for at in range(24)]
    schema = {"properties": {name: {"type": "integer"} for name in names}, "minProperties": 12}
    with pytest.raises(sg.errors.UnsupportedError, match=r"the tool f: #/minProperties: .* sets") as caught:
        sg.tools([sg.Tool("f", "", schema)], format="qwen_3_coder")
    assert caught.value.keyword == "minProperties"
    sg.tools([sg.Tool("f", "", schema)], format="hermes")


def test_references_to_the_root_mean_the_root() -> None:
    schema = {
        "type": "object",
        "properties": {"n": {"type": "integer"}, "rest": {"type": "array", "items": {"$ref": "#"}}},
        "required": ["n"],
    }
    grammar = sg.tools([sg.Tool("f", "", schema)], format="qwen_3_coder", tool_choice="required")
    for rest, is_taken in (([{"n": 1}], True), ([{"n": 1, "rest": [{"n": 2}]}], True), ([[]], False)):
        text = reply_of([sg.Call("f", {"n": 1, "rest": rest}, "call_0")], FORMATS["qwen_3_coder"])
        assert takes(grammar, text) is is_taken


_PART: dict[str, Any] = {"type": "object", "properties": {"x": {"$ref": "#/$defs/part"}}}
FAULTS: dict[str, Any] = {
    "nowhere": {"$ref": "#/$defs/none"},
    "nowhere inside": {"properties": {"a": {"$ref": "#/$defs/none"}}},
    "a wrong type": {"properties": {"a": {"type": "strin"}}},
    "a wrong keyword": {"$ref": "#/$defs/it", "$defs": {"it": {"type": "object", "required": "a"}}},
    "a wrong pattern": {**_PART, "$defs": {"part": {"type": "string", "pattern": "("}}},
    "no automaton": {"properties": {"a": {"type": "string", "pattern": r"^(a|b)\1$"}}},
    "another document": {"properties": {"a": {"$ref": "http://example.org/s"}}},
    "contradiction": {**_PART, "required": ["x"], "$defs": {"part": {"enum": []}}},
    "contradiction beside": {"properties": {"a": {}}, "minProperties": 2, "additionalProperties": False},
    "of all": {"anyOf": [{"required": ["a"]}], "properties": {"a": {"pattern": "("}}},
}


@for_each("format", ["hermes", "openai-json", "qwen_3_coder", "gemma", "cohere", "kimi_k3", "minimax_m3"])
def test_a_fault_names_the_tool_and_its_place_in_the_schema(format: str) -> None:
    for name, root in FAULTS.items():
        with pytest.raises(sg.StructgenError) as caught:
            sg.compile(sg.tools([sg.Tool("look_up", "", root)], format=format), BYTES, store=False)
        owner, _, place = caught.value.where.partition(": ")
        assert owner == "the tool look_up", (name, str(caught.value))
        found: Any = root
        for part in place.split("/")[1:]:
            found = found[part]  # raises for a place that is not in the schema


# --- uniqueItems, patternProperties, propertyNames ----------------------------------------------------------


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


def check_keyword(format: str, source: random.Random, count: int) -> None:
    schema = tool_schema(source)
    tools = [{"name": "odd", "inputSchema": schema}, PLAIN]
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always", sg.errors.ToolWarning)
        grammar = sg.tools(tools, format=format, tool_choice="required")
    row, told = FORMATS[format], [str(one.message) for one in said if one.category is sg.errors.ToolWarning]
    assert takes(grammar, reply_of([sg.Call("plain", {"n": 3}, "call_0")], row))
    if told:
        assert row.member and not row.quote, "JSON writes everything, and so do Gemma's formats"
        assert len(told) == 1 and "the tool odd: #" in told[0], told
        return
    for _ in range(count):
        value = arguments_of(source, schema)
        texts = spellings(value, format)
        taken = [takes(grammar, text) for text in texts]
        assert any(taken) or faulty(schema, value), (schema, texts)
        for text, is_taken in zip(texts, taken, strict=True):
            if is_taken:  # a number may have been read as the string that it is too
                (call,) = sg.parse_calls(text, format, tools=tools).calls
                assert not faulty(schema, call.arguments), (schema, text)
                assert faulty(schema, value) or call.arguments == value, (schema, text)


@for_each("format", [*FORMATS][::2])
def test_a_call_is_written_exactly_if_the_schema_takes_it(format: str) -> None:
    check_keyword(format, random.Random(f"keywords {format}"), 3)


@pytest.mark.slow
@pytest.mark.parametrize("format", FORMATS)
def test_a_call_is_written_exactly_if_the_schema_takes_it_whole(format: str) -> None:
    source = random.Random(f"many keywords {format}")
    for _ in range(25):
        check_keyword(format, source, 12)


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
    assert any(takes(grammar, text) for text in spellings({"v": good}, format))
    assert not any(takes(grammar, text) for text in spellings({"v": bad}, format))
