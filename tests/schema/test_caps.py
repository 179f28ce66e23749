"""Bounds where the schema has none: what max_string, max_items and any_value cut, and what they never do."""

from __future__ import annotations

import json
import random
from typing import Any

import jsonschema_rs
import pytest
from for_each import for_each
from schema_documents import BYTES, beginnings, compiled, judged
from schema_strategies import schema as random_schema
from schema_strategies import value as random_value

import structgen as sg

SEEDS = [range(40), pytest.param(range(40, 1040), marks=pytest.mark.slow)]
FREE = [0, "x", None, True]
FLAT: list[Any] = [[], [1], {}, {"a": 1}]
DEEP: list[Any] = [[[]], {"a": [1]}, [{"a": 1}]]


@for_each(
    ("caps", "schema", "inside", "outside"),
    [
        # max_string
        ({"max_string": 3}, True, ["abc", ["abc"], {"a": "abc"}], ["abcd", ["abcd"], {"a": "abcd"}]),
        ({"max_string": 3}, {"maxLength": 5}, ["abcde"], ["abcdef"]),
        ({"max_string": 3}, {"enum": ["abcdef"]}, ["abcdef"], ["abc"]),
        ({"max_string": 3}, {"type": "string", "pattern": "^[a-z]{5}$"}, ["abcde"], ["abcd"]),
        ({"max_string": 3}, {"type": "string", "pattern": "^(a|bcdef)$"}, ["a", "bcdef"], ["b"]),
        ({"max_string": 3}, {"type": "string", "pattern": "^abcde"}, ["abcde"], ["abcdef"]),
        ({"max_string": 3}, {"type": "string", "pattern": "^a|b$"}, ["a", "xxb"], ["abcd", "xxxb"]),
        ({"max_string": 3}, {"type": "string", "pattern": r"^\*\+{5}$"}, ["*+++++"], ["*+++"]),
        ({"max_string": 3}, {"type": "string", "format": "hostname"}, ["a.b"], ["a.bc"]),
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
        ({"max_items": 2}, True, [[1, 2], [[1, 2]]], [[1, 2, 3], [[1, 2, 3]]]),
        ({"max_items": 2}, {"type": "array", "maxItems": 4}, [[1, 2, 3, 4]], [[1, 2, 3, 4, 5]]),
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
    values = [*inside, *outside]
    assert judged(schema, values, **caps, property_order=order) == [value in inside for value in values]


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


@pytest.mark.parametrize("seeds", SEEDS)
def test_caps_keep_what_is_within_them_and_let_nothing_invalid_in(seeds: range) -> None:
    for seed in seeds:
        chance = random.Random(seed)
        schema, size = random_schema(chance), [chance.randint(0, 2) for _ in range(3)]
        caps = dict(zip(("max_string", "max_items", "any_value"), size, strict=True))
        validator = jsonschema_rs.validator_for(schema)
        values = [random_value(chance, 2) for _ in range(20)]
        for value, taken in zip(values, judged(schema, values, **caps), strict=True):
            valid = validator.is_valid(value)
            assert valid or not taken, (schema, caps, value)
            if within(value, *size[:2]) and depth(value) <= size[2]:
                assert taken or not valid, (schema, caps, value)


@pytest.mark.parametrize("seeds", SEEDS)
def test_what_is_begun_under_caps_is_completed_to_a_valid_document(seeds: range) -> None:
    for seed in seeds:
        chance = random.Random(seed)
        schema = random_schema(chance)
        try:
            grammar = compiled(schema, max_string=1, max_items=1, any_value="scalar")
        except sg.errors.UnsatisfiableSchema as error:
            assert not isinstance(error, sg.errors.UnsatisfiableUnderPolicy), "a cap has emptied the language"
            continue
        validator = jsonschema_rs.validator_for(schema)
        for state, text in beginnings(grammar, chance, 20):
            whole = text + grammar.completion(state)
            assert validator.is_valid(json.loads(whole)), (schema, whole)


def test_a_cap_that_empties_a_language_is_named() -> None:
    schema = {"type": "array", "items": {"type": "string"}, "uniqueItems": True, "minItems": 2}
    with pytest.raises(sg.errors.UnsatisfiableUnderPolicy) as caught:
        sg.compile(sg.json_schema(schema, max_string=0, max_items=0), BYTES)
    assert caught.value.policies == ("max_string",)
    assert sg.compile(sg.json_schema(schema, max_string=1, max_items=0), BYTES)


def test_the_policy_that_empties_a_language_is_named_alone() -> None:
    with pytest.raises(sg.errors.UnsatisfiableUnderPolicy) as caught:
        sg.compile(sg.json_schema({"const": "\ud800"}, max_string=0, max_items=0), BYTES)
    assert caught.value.policies == ("escapes",)


@pytest.mark.parametrize("options", [{"max_string": True}, {"max_items": 1.0}, {"any_value": "object"}])
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


def test_keys_end_where_none_is_left() -> None:
    grammar = compiled({"type": "object"}, max_string=0, any_value="scalar", whitespace="compact")
    state = grammar.step_bytes(grammar.start, b'{"":1')
    assert state is not None and grammar.step_bytes(state, b",") is None
    assert grammar.step_bytes(grammar.start, b'{"a') is None
