"""Bounds where the schema has none: what max_string, max_items and any_value cut, and what they never do."""

from __future__ import annotations

import json
import random
from typing import Any

import jsonschema_rs
import pytest
from for_each import for_each
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from network_walker import SlowStrings, Walker, Wanderer, network_of
from schema_strategies import schema as random_schema
from schema_strategies import value as random_value

import structgen as sg
from structgen.schema.meaning.simple_patterns import is_bounded
from structgen.tokens.tokenizer import byte_tokenizer

chances = st.integers(0, 2**40).map(random.Random)
seeded = settings(
    deadline=None,
    max_examples=100,
    suppress_health_check=list(HealthCheck),
    phases=(Phase.reuse, Phase.generate),
)
FREE = [0, "x", None, True]
FLAT: list[Any] = [[], [1], {}, {"a": 1}]
DEEP: list[Any] = [[[]], {"a": [1]}, [{"a": 1}]]


@for_each(
    ("caps", "schema", "inside", "outside"),
    [
        # max_string
        ({"max_string": 3}, {"type": "string"}, ["", "abc", "äöü"], ["abcd"]),
        ({"max_string": 3}, True, ["abc", ["abc"], {"a": "abc"}], ["abcd", ["abcd"], {"a": "abcd"}]),
        ({"max_string": 3}, {"maxLength": 5}, ["abcde"], ["abcdef"]),
        ({"max_string": 3}, {"type": "string", "minLength": 5}, ["abcde"], ["abcd", "abcdef"]),
        ({"max_string": 3}, {"enum": ["abcdef"]}, ["abcdef"], ["abc"]),
        ({"max_string": 3}, {"type": "string", "pattern": "^[a-z]{5}$"}, ["abcde"], ["abcd"]),
        ({"max_string": 3}, {"type": "string", "pattern": "^(a|bcdef)$"}, ["a", "bcdef"], ["b"]),
        ({"max_string": 3}, {"type": "string", "pattern": "^a"}, ["abc"], ["abcd", "b"]),
        ({"max_string": 3}, {"type": "string", "pattern": "^abcde"}, ["abcde"], ["abcdef"]),
        ({"max_string": 3}, {"type": "string", "format": "date"}, ["2024-02-29"], ["2024-02-30"]),
        ({"max_string": 3}, {"type": "string", "not": {"maxLength": 4}}, ["abcde"], ["abcdef", "abcd"]),
        ({"max_string": 3}, {"type": "string", "not": {"minLength": 7}}, ["abcdef"], ["abcdefg"]),
        ({"max_string": 0}, {"type": "string", "not": {"const": ""}}, ["a"], ["", "ab"]),
        (
            {"max_string": 3},
            {"anyOf": [{"type": "string", "pattern": "^a"}, {"type": "string", "maxLength": 5}]},
            ["abcde", "bcdef"],
            ["abcdef"],
        ),
        ({"max_string": 3}, {"allOf": [{"type": "string"}, {"maxLength": 5}]}, ["abcde"], ["abcdef"]),
        ({"max_string": 3}, {"type": "object"}, [{"key": "abc"}], [{"a": "abcd"}, {"keys": "a"}]),
        (
            {"max_string": 3},
            {"properties": {"named": {}}, "required": ["owed"]},
            [{"named": 1, "owed": 2, "a": 3}],
            [{"owed": 1, "free": 2}],
        ),
        (
            {"max_string": 3},
            {"type": "object", "patternProperties": {"^abcde": {}}},
            [{"abcde": 1}, {"abc": 1}],
            [{"abcdef": 1}],
        ),
        (
            {"max_string": 3},
            {"type": "object", "propertyNames": {"maxLength": 5}},
            [{"abcde": 1}],
            [{"abcdef": 1}],
        ),
        # max_items
        ({"max_items": 2}, {"type": "array"}, [[], [1, 2]], [[1, 2, 3]]),
        ({"max_items": 2}, True, [[1, 2], [[1, 2]]], [[1, 2, 3], [[1, 2, 3]]]),
        ({"max_items": 2}, {"type": "array", "maxItems": 4}, [[1, 2, 3, 4]], [[1, 2, 3, 4, 5]]),
        ({"max_items": 2}, {"type": "array", "minItems": 3}, [[1, 2, 3]], [[1, 2], [1, 2, 3, 4]]),
        ({"max_items": 2}, {"const": [1, 2, 3]}, [[1, 2, 3]], [[1, 2]]),
        ({"max_items": 1}, {"prefixItems": [{}, {}, {}]}, [[1, 2, 3]], [[1, 2, 3, 4]]),
        (
            {"max_items": 1},
            {"type": "array", "contains": {"const": 5}, "minContains": 2},
            [[5, 5]],
            [[5], [5, 5, 5]],
        ),
        (
            {"max_items": 0},
            {"type": "array", "not": {"items": {"type": "null"}}},
            [[1]],
            [[], [None], [1, 1]],
        ),
        (
            {"max_items": 2},
            {"anyOf": [{"items": {"const": 1}}, {"maxItems": 3}]},
            [[1, 2, 3]],
            [[1, 1, 1, 1]],
        ),
        ({"max_items": 0}, {"type": "array", "not": {"uniqueItems": True}}, [[1, 1]], [[], [1], [1, 1, 1]]),
        # any_value
        ({"any_value": "scalar"}, True, FREE, [*FLAT, *DEEP]),
        ({"any_value": 0}, {}, FREE, FLAT),
        ({"any_value": 1}, True, [*FREE, *FLAT], DEEP),
        ({"any_value": 2}, True, [*FREE, *FLAT, *DEEP], [[[[]]]]),
        ({"any_value": "scalar"}, {"type": ["object", "array"]}, FLAT, [*DEEP, 0]),
        ({"any_value": "scalar"}, {"properties": {"a": {}}}, [{"a": 1}, {"b": 1}], [{"a": []}, {"b": {}}]),
        ({"any_value": "scalar"}, {"properties": {"a": {"type": "array"}}}, [{"a": [1]}], [{"a": [[]]}]),
        ({"any_value": "scalar"}, {"not": {"const": 0}}, ["x", 1], [0, []]),
        ({"any_value": "scalar"}, {"not": {"type": "null"}}, [0, [], [1]], [None, [[]]]),
        ({"any_value": "scalar"}, {"const": {"a": [[1]]}}, [{"a": [[1]]}], [{"a": 1}]),
        (
            {"any_value": "scalar"},
            {"type": "array", "contains": {"type": "array", "minItems": 1}},
            [[[1]], [0, [1]]],
            [[[[1]]], [0], [[]]],
        ),
    ],
)
@for_each("order", ["any", "declared"])
def test_what_a_cap_cuts(
    caps: dict[str, Any], schema: Any, inside: list[Any], outside: list[Any], order: str
) -> None:
    walker = Walker(network_of(schema, **caps, property_order=order))
    assert [value for value in inside if not walker.accepts(value)] == []
    assert [value for value in outside if walker.accepts(value)] == []


def within(value: Any, string: int, items: int) -> bool:
    """Return whether no string and no array is longer."""
    if isinstance(value, str):
        return len(value) <= string
    if isinstance(value, list):
        return len(value) <= items and all(within(item, string, items) for item in value)
    if isinstance(value, dict):
        keys = all(len(key) <= string for key in value)
        return keys and all(within(item, string, items) for item in value.values())
    return True


def depth(value: Any) -> int:
    if isinstance(value, (list, dict)):
        parts = value if isinstance(value, list) else list(value.values())
        return 1 + max(map(depth, parts), default=0)
    return 0


@seeded
@given(chances)
def test_caps_keep_what_is_within_them_and_let_nothing_invalid_in(chance: random.Random) -> None:
    schema = random_schema(chance)
    caps = {
        "max_string": chance.randint(0, 2),
        "max_items": chance.randint(0, 2),
        "any_value": chance.randint(0, 2),
    }
    try:
        network = network_of(schema, strings=SlowStrings(), property_order="any", **caps)
    except sg.errors.UnsatisfiableSchema as error:
        assert not isinstance(error, sg.errors.UnsatisfiableUnderPolicy), "a cap has emptied the language"
        return
    walker = Walker(network)
    validator = jsonschema_rs.validator_for(schema)
    for _ in range(20):
        value = random_value(chance, 2)
        accepted = walker.accepts(value)
        valid = validator.is_valid(value)
        assert valid or not accepted, (schema, caps, value)
        if within(value, caps["max_string"], caps["max_items"]) and depth(value) <= caps["any_value"]:
            assert accepted or not valid, (schema, caps, value)


@seeded
@given(chances)
def test_documents_under_caps_are_valid_and_never_stuck(chance: random.Random) -> None:
    schema = random_schema(chance)
    try:
        network = network_of(schema, strings=SlowStrings(), max_string=1, max_items=1, any_value="scalar")
    except sg.errors.UnsatisfiableSchema:
        return
    validator = jsonschema_rs.validator_for(schema)
    for _ in range(5):
        text = Wanderer(network, chance).document()
        assert validator.is_valid(json.loads(text)), (schema, text)


def test_a_document_is_bounded_as_text() -> None:
    schema = {"type": "array", "items": {"type": "string"}}
    grammar = sg.json_schema(schema, max_string=2, max_items=2, whitespace="compact")
    compiled = sg.compile(grammar, byte_tokenizer())

    def accepts(text: str) -> bool:
        state = compiled.step_bytes(compiled.start, text.encode())
        return state is not None and compiled.accepts_end(state)

    assert accepts('["ab","\\u00e4b"]')
    assert not accepts('["abc"]')
    assert not accepts('["a","b","c"]')


def test_what_is_asked_for_is_not_cut() -> None:
    schema = {"type": "array", "items": {"type": "string"}, "minItems": 2, "contains": {"const": "abc"}}
    assert network_of(schema, max_string=0, max_items=0).finish_place(0) == {0: b'["","abc"]'}


def test_a_cap_that_empties_a_language_is_named() -> None:
    schema = {"type": "array", "items": {"type": "string"}, "uniqueItems": True, "minItems": 2}
    with pytest.raises(sg.errors.UnsatisfiableUnderPolicy) as caught:
        sg.compile(sg.json_schema(schema, max_string=0, max_items=0), byte_tokenizer())
    assert caught.value.policies == ("max_string",)
    assert sg.compile(sg.json_schema(schema, max_string=1, max_items=0), byte_tokenizer())


def test_the_policy_that_empties_a_language_is_named_alone() -> None:
    with pytest.raises(sg.errors.UnsatisfiableUnderPolicy) as caught:
        sg.compile(sg.json_schema({"const": "\ud800"}, max_string=0, max_items=0), byte_tokenizer())
    assert caught.value.policies == ("escapes",)


@pytest.mark.parametrize(
    "options",
    [
        {"max_string": -1},
        {"max_string": True},
        {"max_items": 1.0},
        {"any_value": "object"},
        {"any_value": -1},
        {"any_value": 101},
        {"any_value": False},
    ],
)
def test_bad_caps_are_named(options: dict[str, Any]) -> None:
    with pytest.raises(sg.errors.OptionError) as caught:
        sg.json_schema(True, **options)
    assert caught.value.where == next(iter(options))


def test_caps_are_part_of_the_grammar() -> None:
    plain = sg.json_schema(True)
    capped = sg.json_schema(True, max_items=3, any_value="scalar")
    assert plain != capped
    assert capped == sg.json_schema(True, max_items=3, any_value=0)
    assert capped.report.to_json()["policies"]["max_items"] == 3


@for_each(
    ("source", "bounded"),
    [
        ("^a$", True),
        ("^[a-z]{2,5}$", True),
        ("^(?:a|b)$", True),
        ("^a$|^b$", True),
        (r"^\*\+$", True),
        ("^[*+]$", True),
        ("^a|b$", False),
        ("a$", False),
        ("^a", False),
        ("^a+$", False),
        ("^a*$", False),
        ("^a{2,}$", False),
        (r"^a\$", False),
        ("", False),
    ],
)
def test_patterns_that_bound_their_strings(source: str, bounded: bool) -> None:
    assert is_bounded(source) is bounded


def test_keys_end_where_none_is_left() -> None:
    grammar = sg.json_schema({"type": "object"}, max_string=0, any_value="scalar", whitespace="compact")
    compiled = sg.compile(grammar, byte_tokenizer(), store=False)
    state = compiled.step_bytes(compiled.start, b'{"":1')
    assert state is not None
    assert compiled.step_bytes(state, b",") is None
    assert compiled.step_bytes(compiled.start, b'{"a') is None
    assert compiled.completion(compiled.start) == b"{}"


def test_walks_under_caps_end() -> None:
    schema = {"type": "object", "properties": {"a": {}, "long": {"type": "array"}}, "required": ["long"]}
    grammar = sg.json_schema(schema, max_string=1, max_items=1, any_value=1, whitespace="compact")
    compiled = sg.compile(grammar, byte_tokenizer(), store=False)
    mask = sg.allocate_mask(1, compiled.vocab_size)
    for seed in range(20):
        chance, matcher = random.Random(seed), sg.Matcher(compiled)
        text = bytearray()
        for _ in range(60):
            matcher.fill_mask(mask)
            allowed = [token for token in mask.allowed().tolist() if token not in compiled.end_tokens]
            alive = [
                byte for byte in range(256) if compiled.step_bytes(matcher.state, bytes((byte,))) is not None
            ]
            assert allowed == alive
            if not allowed:
                break
            token = chance.choice([token for token in allowed if token in b'{}[],:"a10'] or allowed)
            matcher.advance(token)
            text.append(token)
        value = json.loads(bytes(text) + compiled.completion(matcher.state))
        assert jsonschema_rs.validator_for(schema).is_valid(value)
