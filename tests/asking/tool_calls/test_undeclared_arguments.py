"""Tools whose schemas ask for arguments that `properties` does not list: declared, or told by name."""

from __future__ import annotations

import itertools
import random
import re
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from for_each import for_each
from jsonschema import Draft202012Validator

import structgen as sg
from structgen.asking.tool_calls.call_writing import write_calls
from structgen.asking.tool_calls.format_rows import FORMATS

TOKENIZER = sg.Tokenizer.from_bytes([*(bytes((byte,)) for byte in range(256)), None], eos_token_id=256)
BY_ITSELF = [name for name, row in FORMATS.items() if row.member]
_WORDS = {"required", "properties", "enum", "const", "type"}
KEYWORDS = {one for one in Draft202012Validator.VALIDATORS if one in _WORDS or not one.islower()}
A = {"a": {"type": "string"}}
SLIPS: list[dict[str, Any]] = [
    {"type": "object", "properties": A, "required": ["a", "zz"]},
    {"properties": A, "required": ["zz"]},
    {"type": "object", "properties": {}, "required": ["zz", "yy"]},
    {"type": "object", "properties": A, "dependentRequired": {"a": ["zz"]}},
    {"type": "object", "properties": A, "dependentRequired": {"zz": ["a"]}, "required": ["zz"]},
    {"type": "object", "properties": A, "required": ["zz"], "minProperties": 2},
]


def compiled(schema: Any, format: str) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tool = sg.Tool("f", "", schema)
        grammar = sg.tools([tool], format=format, tool_choice="required", parallel=False)
        return sg.compile(grammar, TOKENIZER), tool


def arguments_in(text: str, format: str, tool: sg.Tool) -> Any:
    reply = sg.parse_calls(text, format, tools=[tool], thinking=False)
    (call,) = reply.calls
    assert not reply.problems, text
    return call.arguments


def allows(machine: Any, text: str) -> bool:
    state = machine.step_bytes(machine.start, text.encode())
    return state is not None and machine.accepts_end(state)


@for_each("format", FORMATS)
def test_every_format_takes_a_tool_with_a_slip(format: str) -> None:
    for schema in SLIPS:
        machine, tool = compiled(schema, format)
        found = arguments_in(machine.completion(machine.start).decode(), format, tool)
        assert Draft202012Validator(schema).is_valid(dict(found)), (schema, found)
        assert set(found) <= {"a", "zz", "yy"}


def test_more_arguments_than_are_declared_leave_the_object_open() -> None:
    """JSON writes others, and what writes arguments one by one names the keyword."""
    schema = {"type": "object", "properties": A, "required": ["zz"], "minProperties": 3}
    refused = 0
    for format in FORMATS:
        try:
            machine, tool = compiled(schema, format)
        except sg.errors.UnsupportedError as error:
            refused += 1
            assert format in BY_ITSELF and "the tool f: #/minProperties" in str(error)
        else:
            found = arguments_in(machine.completion(machine.start).decode(), format, tool)
            assert Draft202012Validator(schema).is_valid(dict(found))
    assert refused >= 10


def test_a_schema_that_its_author_closed_stays_so() -> None:
    schema = {**SLIPS[0], "additionalProperties": False}
    with pytest.raises(sg.errors.UnsatisfiableSchema, match=r"additionalProperties false and required"):
        compiled(schema, "hermes")
    machine, _ = compiled({**SLIPS[0], "additionalProperties": {"type": "integer"}}, "hermes")
    call = '<tool_call>\n{"name": "f", "arguments": {"a": "x", "zz": %s}}\n</tool_call>'
    assert allows(machine, call % 3) and not allows(machine, call % '"x"')


@for_each(
    "schema",
    [
        {"properties": A, "required": [f"k{at}" for at in range(10_000)]},
        {"properties": A, "dependentRequired": {"a": [f"k{at}" for at in range(10_000)]}},
        {"properties": A, "dependentRequired": {f"k{at}": ["a"] for at in range(10_000)}},
    ],
)
def test_ten_thousand_undeclared_arguments_are_told_at_once(schema: Any) -> None:
    for format in ("hermes", "qwen_3_coder", "gemma"):
        with pytest.raises(
            sg.errors.SchemaError, match=r"the tool f: #: The schema requires 10,000 .*properties.*\."
        ):
            compiled(schema, format)


@for_each(
    "schema",
    [
        {"properties": A, "required": "zz"},
        {"properties": A, "required": [3]},
        {"properties": A, "dependentRequired": ["zz"]},
        {"properties": A, "dependentRequired": {"a": "zz"}},
        {"properties": A, "minProperties": "2"},
        {"properties": [], "required": ["zz"]},
    ],
)
def test_what_is_no_schema_is_told_as_such(schema: Any) -> None:
    with pytest.raises(sg.errors.SchemaError, match=r"required|dependentRequired|minProperties|properties"):
        compiled(schema, "hermes")


def random_schema(source: random.Random) -> dict[str, Any]:
    kinds: list[Any] = [{"type": "string"}, {"type": "integer"}, {}, True, False, {"enum": ["x", 3]}]
    names = source.sample("abc", source.randrange(4))
    keys = [*"abc", "yy", "zz"]
    schema: dict[str, Any] = {"properties": {name: source.choice(kinds) for name in names}}
    if source.random() < 0.7:
        schema["type"] = "object"
    if source.random() < 0.7:
        schema["required"] = source.sample(keys, source.randrange(4))
    if source.random() < 0.4:
        schema["dependentRequired"] = {source.choice(keys): source.sample(keys, source.randrange(3))}
    if source.random() < 0.4:
        schema["minProperties"] = source.choice([0, 1, 2, 3, 4, 2.0])
    if source.random() < 0.2:
        schema["maxProperties"] = source.randrange(1, 4)
    if source.random() < 0.15:
        schema["additionalProperties"] = source.choice([False, True, {"type": "string"}])
    if source.random() < 0.1:
        schema["enum"] = [{"a": "x"}, {"zz": 3}, 5]
    items = list(schema.items())
    source.shuffle(items)
    return dict(items)


def documents(schema: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield small objects, whose keys have the order in which a tool declares them."""
    dependent = schema.get("dependentRequired", {})
    asked = [*schema.get("required", ()), *dependent, *(key for keys in dependent.values() for key in keys)]
    keys = [*dict.fromkeys([*schema["properties"], *asked]), "q"]
    for count in range(4):
        for chosen in itertools.combinations(keys, count):
            for values in itertools.product(("x", 3), repeat=count):
                yield dict(zip(chosen, values, strict=True))


def judge(schema: dict[str, Any], formats: list[str]) -> None:
    """Hold the formats to jsonschema, for the schema as it was sent, and for a closed reading of it."""
    sent, listed = Draft202012Validator(schema), list(documents(schema))
    dependent = schema.get("dependentRequired", {})
    named = [*schema.get("required", ()), *dependent, *(key for keys in dependent.values() for key in keys)]
    declared = {**dict.fromkeys(named, True), **schema["properties"]}
    is_ours = schema.keys().isdisjoint(("additionalProperties", "enum"))
    ours = {**schema, "properties": declared, "additionalProperties": False}
    closed = Draft202012Validator(ours if is_ours else schema)
    allowed = [one for one in listed if closed.is_valid(one)]
    for format in formats:
        try:
            machine, tool = compiled(schema, format)
        except sg.errors.StructgenError as error:
            said = set(re.findall(r"\w+", str(error))) & KEYWORDS
            assert said <= {*schema, "type"}, (schema, format, str(error))
            assert "type" not in said or "type" in schema or "type object" in str(error), str(error)
            is_json = format not in BY_ITSELF
            assert not (is_json and allowed), (schema, format, str(error))
            continue
        found = arguments_in(machine.completion(machine.start).decode(), format, tool)
        assert sent.is_valid(dict(found)), (schema, format, found)
        for one in listed:
            text = write_calls([sg.Call("f", one, "call_0")], format)
            if allows(machine, text):
                read = dict(arguments_in(text, format, tool))  # where strings stand raw, 3 may be one
                assert sent.is_valid(read), (schema, format, read)
            else:
                assert one not in allowed or format in BY_ITSELF, (schema, format, one)


def test_random_slips_are_read_as_they_were_sent() -> None:
    """Law: what compiles writes what jsonschema accepts for the schema as it was sent, and all that a closed
    reading accepts in which the named keys are declared; a refusal names keywords that were sent."""
    source, formats = random.Random(13), list(FORMATS)
    for _ in range(40):
        judge(random_schema(source), ["hermes", source.choice(formats)])


@pytest.mark.slow
@pytest.mark.parametrize("format", FORMATS)
def test_random_slips_in_every_format(format: str) -> None:
    source = random.Random(format)
    for _ in range(60):
        judge(random_schema(source), [format])
