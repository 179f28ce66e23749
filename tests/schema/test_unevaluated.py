"""`unevaluatedProperties` and `unevaluatedItems`: what evaluates a member, and what does not.

By enumeration: two small worlds in which branches hold or not, and every value of them, beside jsonschema-rs.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import pytest
from schema_documents import judged

A: Any = {"properties": {"a": True}}
B: Any = {"properties": {"b": True}}
A0: Any = {"properties": {"a": {"const": 0}}}
DEFS = {"a": A, "prefix": {"prefixItems": [True]}}
PARTS = (
    *(A, A0, B, {"required": ["a"]}, {"patternProperties": {"a|b": True}}, {"if": A0}, {"not": A0}, False),
    {"additionalProperties": {"const": 0}},
    {"dependentSchemas": {"a": B}},
    {"propertyNames": {"enum": ["a"]}},
    {"unevaluatedProperties": {"const": 0}},
    {"not": {"not": A}},
    {"allOf": [A, {"allOf": [B]}]},
    {"$ref": "#/$defs/a"},
)
LISTS = (
    {"prefixItems": [True]},
    {"prefixItems": [{"const": 0}]},
    {"prefixItems": [True, True]},
    {"contains": {"const": 0}},
    {"contains": {"const": 1}, "minContains": 0},
    {"allOf": [{"contains": {"const": 0}}, {"contains": {"const": 1}}]},
    {"maxItems": 1},
    {"if": {"contains": {"const": 1}}},
    {"items": {"const": 0}},
    {"unevaluatedItems": {"const": 0}},
    {"not": {"not": {"prefixItems": [True]}}},
    {"$ref": "#/$defs/prefix"},
)
OBJECTS = [
    dict(zip(keys, chosen, strict=True))
    for size in range(4)
    for keys in itertools.combinations("abc", size)
    for chosen in itertools.product((0, 1), repeat=size)
]
ARRAYS = [list(items) for size in range(4) for items in itertools.product((0, 1, 2), repeat=size)]
WORLDS = {"unevaluatedProperties": (PARTS, OBJECTS), "unevaluatedItems": (LISTS, ARRAYS)}


def combinations(parts: tuple[Any, ...], keyword: str) -> Iterator[Any]:
    """Yield schemas of two different parts: the keyword judges what they leave over, or is denied."""
    for one, other in itertools.permutations(parts, 2):
        for combined in (
            {"allOf": [one, other]},
            {"anyOf": [one, other]},
            {"oneOf": [other, one]},
            {"if": one, "then": other},
            {"if": one, "else": other},
            {"anyOf": [{"anyOf": [one, {"allOf": [other], keyword: False}]}, other]},
        ):
            yield {**combined, keyword: False, "$defs": DEFS}
            yield {"not": {**combined, keyword: {"const": 1}}, "$defs": DEFS}


def hold(keyword: str, count: int | None) -> None:
    """Hold some of the combinations to the validator, or all of them."""
    parts, values = WORLDS[keyword]
    schemas = list(combinations(parts, keyword))
    for schema in schemas if count is None else random.Random(keyword).sample(schemas, count):
        judge = jsonschema_rs.validator_for(schema)
        assert judged(schema, values) == [judge.is_valid(value) for value in values], schema


@pytest.mark.parametrize("keyword", WORLDS)
def test_two_branches_are_judged_as_the_validator_does(keyword: str) -> None:
    hold(keyword, 100)


@pytest.mark.slow
@pytest.mark.parametrize("keyword", WORLDS)
def test_two_branches_are_judged_as_the_validator_does_whole(keyword: str) -> None:
    hold(keyword, None)


def test_in_2019_09_contains_evaluates_nothing_and_additional_items_the_rest() -> None:
    listed = {"items": [True], "unevaluatedItems": False}
    for schema, value, good in (
        ({"contains": {"const": 0}, "unevaluatedItems": False}, [0], False),
        (listed, [1], True),
        (listed, [1, 1], False),
        ({**listed, "additionalItems": True}, [1, 1], True),
        ({"additionalItems": True, "unevaluatedItems": False}, [1], False),
    ):
        assert judged(schema, [value], draft="2019-09") == [good], (schema, value)


def test_a_recursive_schema_judges_each_level_for_itself() -> None:
    tree = {
        "$defs": {"node": {"properties": {"left": {"$ref": "#"}, "right": {"$ref": "#"}}}},
        "anyOf": [{"$ref": "#/$defs/node"}],
        "unevaluatedProperties": {"type": "null"},
    }
    values = [{"left": {"right": {"x": None}}, "y": None}, {"left": {"right": {"x": 1}}}]
    assert judged(tree, values) == [True, False]
