"""`unevaluatedProperties` and `unevaluatedItems`: what evaluates a member, and what does not."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest
from for_each import for_each
from network_walker import Walker, network_of
from schema_evaluator import holds

from structgen.errors import UnsatisfiableSchema
from structgen.schema.reading.document import Document
from structgen.schema.reading.json_text import exact

A: Any = {"properties": {"a": True}}
B: Any = {"properties": {"b": True}}
A0: Any = {"properties": {"a": {"const": 0}}}
FALSE = {"unevaluatedProperties": False}


def accepts(schema: Any, value: Any, draft: str = "2020-12") -> bool:
    try:
        network = network_of(schema, draft=draft, property_order="any", numbers="any")
    except UnsatisfiableSchema:
        return False
    return Walker(network).accepts(value)


@for_each(
    ("schema", "valid", "invalid"),
    [
        ({**A, "patternProperties": {"^x": True}}, [{}, {"a": 1, "xy": 1}], [{"b": 1}]),
        ({**A, "additionalProperties": {"type": "null"}}, [{"a": 1, "b": None}], [{"b": 1}]),
        ({"allOf": [A, {"allOf": [B]}]}, [{"a": 1, "b": 1}], [{"a": 1, "c": 1}]),
        ({"$ref": "#/$defs/t", "$defs": {"t": A}}, [{"a": 1}], [{"b": 1}]),
        # Every branch of anyOf that holds evaluates, not only the first.
        ({"anyOf": [A0, B]}, [{"a": 0, "b": 1}, {"b": 1}], [{"a": 1, "b": 1}, {"a": 1}]),
        ({"anyOf": [A0, True]}, [{"a": 0}, {}], [{"a": 1}, {"b": 1}]),
        (
            {"oneOf": [{**A, "required": ["a"]}, {**B, "required": ["b"]}]},
            [{"a": 1}, {"b": 1}],
            [{}, {"a": 1, "b": 1}, {"a": 1, "c": 1}],
        ),
        (
            {"if": {**A0, "required": ["a"]}, "then": B, "else": A},
            [{"a": 0, "b": 1}, {"a": 1}, {}],
            [{"a": 1, "b": 1}, {"b": 1}],
        ),
        # if evaluates where it holds, also without then and else.
        ({"if": A0}, [{"a": 0}, {}], [{"a": 1}, {"b": 1}]),
        ({"anyOf": [{"if": A0}, False]}, [{"a": 0}], [{"a": 1}]),
        ({"dependentSchemas": {"a": B}, **A}, [{"a": 1, "b": 1}, {"a": 1}, {}], [{"b": 1}]),
        # Under not, even twice, nothing is evaluated.
        ({"not": {"not": A}}, [{}], [{"a": 1}]),
        ({"not": {"required": ["b"], **A}}, [{}], [{"a": 1}]),
        # What another unevaluatedProperties has judged is evaluated; cousins do not see each other.
        ({"allOf": [{"unevaluatedProperties": {"type": "null"}}]}, [{"b": None}], [{"b": 1}]),
        ({"anyOf": [{"unevaluatedProperties": True}, A]}, [{"b": 1}], []),
        ({"allOf": [A, FALSE]}, [{}], [{"a": 1}]),
        # Names are no values: an array is not meant.
        ({"propertyNames": {"enum": ["a"]}}, [{}, [1], 3], [{"a": 1}]),
    ],
)
def test_a_key_is_evaluated_where_a_schema_that_holds_names_it(
    schema: Any, valid: list[Any], invalid: list[Any]
) -> None:
    whole = {**schema, **FALSE}
    assert [value for value in valid if not accepts(whole, value)] == []
    assert [value for value in invalid if accepts(whole, value)] == []


@for_each(
    ("schema", "valid", "invalid"),
    [
        ({"prefixItems": [True]}, [[], [1], {}], [[1, 1]]),
        ({"items": True}, [[1, 1]], []),
        (
            {"anyOf": [{"prefixItems": [True, {"const": 0}]}, {"prefixItems": [True]}]},
            [[1], [1, 0]],
            [[1, 1]],
        ),
        # Items that meet contains are evaluated, one by one, wherever they stand.
        ({"contains": {"const": 0}}, [[0], [0, 0]], [[], [0, 1], [1, 0]]),
        ({"prefixItems": [True], "contains": {"const": 0}, "minContains": 0}, [[1, 0], [1]], [[1, 1]]),
        ({"allOf": [{"contains": {"const": 0}}, {"contains": {"const": 1}}]}, [[1, 0, 1]], [[1, 2, 0], [0]]),
        ({"anyOf": [{"contains": {"const": 0}}, True]}, [[], [0]], [[0, 1]]),
        ({"contains": True}, [[1, 2]], [[]]),
        ({"if": {"prefixItems": [{"const": 0}]}}, [[0], []], [[1], [0, 0]]),
        ({"not": {"not": {"prefixItems": [True]}}}, [[]], [[1]]),
        ({"allOf": [{"unevaluatedItems": {"type": "null"}}]}, [[None]], [[1]]),
        ({"allOf": [{"prefixItems": [True]}, {"unevaluatedItems": False}]}, [[]], [[1]]),
    ],
)
def test_an_item_is_evaluated_where_a_schema_that_holds_reaches_it(
    schema: Any, valid: list[Any], invalid: list[Any]
) -> None:
    whole = {**schema, "unevaluatedItems": False}
    assert [value for value in valid if not accepts(whole, value)] == []
    assert [value for value in invalid if accepts(whole, value)] == []


def test_in_2019_09_contains_evaluates_nothing_and_additional_items_the_rest() -> None:
    assert not accepts({"contains": {"const": 0}, "unevaluatedItems": False}, [0], "2019-09")
    listed = {"items": [True], "unevaluatedItems": False}
    assert accepts(listed, [1], "2019-09")
    assert not accepts(listed, [1, 1], "2019-09")
    assert accepts({**listed, "additionalItems": True}, [1, 1], "2019-09")
    assert not accepts({"additionalItems": True, "unevaluatedItems": False}, [1], "2019-09")


@pytest.mark.parametrize(
    ("schema", "valid", "invalid"),
    [
        ({"allOf": [A], **FALSE}, [{"b": 1}, {"a": 1, "c": 1}], [{"a": 1}, 3]),
        (
            {"anyOf": [A0, B], **FALSE},
            [{"a": 1, "b": 1}, {"c": 1}],
            [{"a": 0, "b": 1}, {"a": 0}, {"b": 1}, {}],
        ),
        ({"anyOf": [A, B], "unevaluatedProperties": {"const": 0}}, [{"c": 1}], [{"a": 1, "b": 1, "c": 0}]),
        ({"oneOf": [{"required": ["a"], **A}, B], **FALSE}, [{"a": 1}, {"c": 1}], [{"b": 1}, {}]),
        ({"if": A0, "then": A0, "else": B, **FALSE}, [{"a": 1}, {"a": 1, "b": 1}], [{"a": 0}, {}]),
        ({"dependentSchemas": {"a": B}, **FALSE}, [{"a": 1}, {"b": 1}], [{}]),
        (
            {"prefixItems": [True], "contains": {"const": 0}, "unevaluatedItems": False},
            [[0, 1], []],
            [[1, 0]],
        ),
    ],
)
def test_it_fails_where_some_member_that_nothing_evaluates_does(
    schema: Any, valid: list[Any], invalid: list[Any]
) -> None:
    whole = {"not": schema, "type": ["object", "array", "integer"]}
    assert [value for value in valid if not accepts(whole, value)] == []
    assert [value for value in invalid if accepts(whole, value)] == []


def test_a_recursive_schema_judges_each_level_for_itself() -> None:
    tree = {
        "$defs": {"node": {"properties": {"left": {"$ref": "#"}, "right": {"$ref": "#"}}}},
        "anyOf": [{"$ref": "#/$defs/node"}],
        "unevaluatedProperties": {"type": "null"},
    }
    assert accepts(tree, {"left": {"right": {"x": None}}, "y": None})
    assert not accepts(tree, {"left": {"right": {"x": 1}}})


# By enumeration: two small worlds in which branches hold or not, every value against the plain evaluator.

PARTS = (A, A0, B, {"required": ["a"]}, {"patternProperties": {"a|b": True}}, {"if": A0}, {"not": A0}, False)
LISTS = (
    {"prefixItems": [True]},
    {"prefixItems": [{"const": 0}]},
    {"prefixItems": [True, True]},
    {"contains": {"const": 0}},
    {"contains": {"const": 1}, "minContains": 0},
    {"maxItems": 1},
    {"if": {"contains": {"const": 1}}},
)


def combinations(parts: tuple[Any, ...], keyword: str) -> Iterator[Any]:
    for one, other in itertools.combinations(parts, 2):
        # the order of two alternatives says nothing
        for combined in ({"anyOf": [one, other]}, {"oneOf": [other, one]}):
            yield {**combined, keyword: False}
            yield {"not": {**combined, keyword: {"const": 1}}}
    for one, other in itertools.permutations(parts, 2):
        for combined in (
            {"if": one, "then": other},
            {"if": one, "else": other},
            {"anyOf": [{"anyOf": [one, {"allOf": [other], keyword: False}]}, other]},
        ):
            yield {**combined, keyword: False}
            yield {"not": {**combined, keyword: {"const": 1}}}


@pytest.mark.parametrize(
    ("parts", "keyword", "values"),
    [
        (
            PARTS,
            "unevaluatedProperties",
            [
                dict(zip(keys, chosen, strict=True))
                for size in range(4)
                for keys in itertools.combinations("abc", size)
                for chosen in itertools.product((0, 1), repeat=size)
            ],
        ),
        (
            LISTS,
            "unevaluatedItems",
            [list(items) for size in range(4) for items in itertools.product((0, 1, 2), repeat=size)],
        ),
    ],
)
def test_two_branches_are_judged_as_the_plain_evaluator_does(
    parts: tuple[Any, ...], keyword: str, values: list[Any]
) -> None:
    for schema in combinations(parts, keyword):
        root = Document(exact(schema)).root
        try:
            walker = Walker(network_of(schema, property_order="any"))
        except UnsatisfiableSchema:
            assert not any(holds(root, value) for value in values), schema
            continue
        for value in values:
            assert walker.accepts(value) == holds(root, value), (schema, value)
