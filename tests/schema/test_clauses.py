"""Choices taken as obligations: the same language, and no shapes that multiply."""

from __future__ import annotations

import itertools
import json
import random
from typing import Any

import jsonschema_rs
import pytest
from compiled_texts import takes
from schema_documents import beginnings, compiled, judged
from schema_strategies import Words, subschema

import structgen as sg
from structgen.schema.meaning import evaluated, key_clauses

KEYS = ("a", "b", "c")
VALUES = [
    dict(zip(keys, chosen, strict=True))
    for size in range(4)
    for keys in itertools.combinations(KEYS, size)
    for chosen in itertools.product((0, 1, "x"), repeat=size)
]
WORDS = Words(
    KEYS,
    (0, 1, "x"),
    (True, False, {"type": "integer"}, {"not": {"const": 1}}, {"minimum": 1}),
    (),
    (),
    (
        *("required properties properties minProperties maxProperties dependentRequired").split(),
        *("anyOf oneOf allOf not if dependentSchemas").split(),
    ),
)
"""What clauses can say."""


def hold(seed: int) -> None:
    """Hold a random schema, whose choices are taken as clauses wherever that is possible, to a validator."""
    chance = random.Random(seed)
    schema: dict[str, Any] = {
        "type": "object",
        "allOf": [subschema(chance, 3, WORDS) for _ in range(chance.randint(1, 3))],
    }
    if chance.random() < 0.5:
        schema["unevaluatedProperties"] = chance.choice([False, {"const": 0}, {"type": "integer"}])
    judge = jsonschema_rs.validator_for(schema)
    valid = [value for value in VALUES if judge.is_valid(value)]
    try:
        grammar = compiled(schema, **sg.WIDEST)
    except sg.errors.UnsatisfiableSchema:
        assert not valid, schema
        return
    assert [value for value in VALUES if takes(grammar, json.dumps(value))] == valid, schema
    least = len(grammar.completion(grammar.start))
    assert all(least <= len(json.dumps(value, separators=(",", ":"))) for value in valid), schema
    for state, text in beginnings(grammar, chance, 20):
        assert judge.is_valid(json.loads(text + grammar.completion(state))), (schema, text)


@pytest.mark.parametrize("seeds", [range(24), pytest.param(range(24, 1024), marks=pytest.mark.slow)])
def test_choices_as_clauses_mean_the_same(seeds: range, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_clauses, "_MOST_SHAPES", 1)
    monkeypatch.setattr(evaluated, "_GUARDS_AS_CLAUSES", 1)
    for seed in seeds:
        hold(seed)


def shapes(schema: Any, **policies: Any) -> int:
    """Return how many shapes the root's objects have."""
    network = compiled(schema, **policies).network
    return len(network.shapes.object_shapes(network.tables.places[network.root][0]))


@pytest.mark.parametrize(
    "branch",
    [
        lambda i: {
            "if": {"properties": {f"k{i}": {"const": True}}, "required": [f"k{i}"]},
            "then": {"required": [f"l{i}"]},
        },
        lambda i: {"anyOf": [{"required": [f"k{i}"]}, {"properties": {f"l{i}": {"type": "string"}}}]},
        lambda i: {"oneOf": [{"required": [f"k{i}"]}, {"required": [f"l{i}"]}]},
        lambda i: {
            "anyOf": [{"not": {"required": [f"k{i}"]}}, {"allOf": [{"required": [f"l{i}", f"m{i}"]}]}]
        },
    ],
)
def test_choices_about_different_keys_are_one_shape(branch: Any) -> None:
    assert shapes({"type": "object", "allOf": [branch(i) for i in range(40)]}) == 1


@pytest.mark.parametrize("size", [26, 40])
def test_a_clause_holds_all_branches_of_a_union_within_a_choice(size: int) -> None:
    branches = [{"required": [f"k{i}"]} for i in range(size)]
    tests = [{"if": {"required": [f"t{i}"]}, "then": {"anyOf": branches}} for i in range(5)]
    values = [{"t1": 0, f"k{i}": 0} for i in range(size)]
    assert judged({"type": "object", "allOf": tests}, [*values, {"t1": 0}, {"k1": 0}]) == [
        *([True] * size),
        False,
        True,
    ]


def test_what_many_branches_evaluate_is_one_shape() -> None:
    keys = range(40)
    schema = {
        "type": "object",
        "properties": {f"k{i}": True for i in keys},
        "dependentSchemas": {f"k{i}": {"properties": {f"l{i}": {"type": "integer"}}} for i in keys},
        "allOf": [{"anyOf": [{"properties": {f"m{i}": {"const": 0}}}, True]} for i in keys],
        "unevaluatedProperties": {"type": "null"},
    }
    assert shapes(schema, property_order="any") == 1
    good = [{"k3": 1, "l3": 2}, {"m7": 0}, {"m7": None}, {"l3": None}, {"z": None}, {}]
    bad = [{"l3": 2}, {"m7": 1}, {"k3": 1, "l3": None}, {"z": 0}]
    assert judged(schema, [*good, *bad]) == [True] * len(good) + [False] * len(bad)


def test_a_chain_of_tests_on_one_key_asks_what_its_value_says() -> None:
    names = [f"v{i}" for i in range(12)]
    schema = {
        "type": "object",
        "required": ["type"],
        "properties": {"type": {"enum": names}},
        "allOf": [
            {"if": {"properties": {"type": {"const": name}}}, "then": {"required": [f"of-{name}"]}}
            for name in names
        ],
    }
    values = [{"type": name, f"of-{other}": 0} for name in names for other in names]
    assert judged(schema, values) == [f"of-{value['type']}" in value for value in values]
    assert shapes(schema) <= len(names) + 1
