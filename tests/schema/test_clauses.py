"""Choices taken as obligations: the same language, and no shapes that multiply."""

from __future__ import annotations

import itertools
import json
import random
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from network_walker import SlowStrings, Walker, Wanderer, network_of
from schema_evaluator import holds

from structgen.errors import UnsatisfiableSchema
from structgen.schema.meaning import evaluated, key_clauses
from structgen.schema.reading.document import Document
from structgen.schema.reading.json_text import exact

KEYS = ("a", "b", "c")
VALUES = [
    dict(zip(keys, chosen, strict=True))
    for size in range(4)
    for keys in itertools.combinations(KEYS, size)
    for chosen in itertools.product((0, 1, "x"), repeat=size)
]
LEAVES: tuple[Any, ...] = (
    True,
    False,
    {"const": 0},
    {"type": "integer"},
    {"not": {"const": 1}},
    {"minimum": 1},
)


def plain(chance: random.Random) -> Any:
    """Return a schema that clauses can say."""
    found: dict[str, Any] = {}
    for _ in range(chance.randint(1, 2)):
        match chance.choice(["required", "properties", "properties", "count", "dependentRequired"]):
            case "required":
                found["required"] = chance.sample(KEYS, chance.randint(1, 2))
            case "properties":
                found["properties"] = {
                    key: chance.choice(LEAVES) for key in chance.sample(KEYS, chance.randint(1, 2))
                }
            case "count":
                found[chance.choice(["minProperties", "maxProperties"])] = chance.randint(1, 2)
            case "dependentRequired":
                found["dependentRequired"] = {chance.choice(KEYS): [chance.choice(KEYS)]}
    return found


def combined(chance: random.Random, depth: int) -> Any:
    """Return a combination of such schemas."""
    if not depth or chance.random() < 0.3:
        return plain(chance)

    def inner() -> Any:
        return combined(chance, depth - 1)

    match chance.choice(["anyOf", "oneOf", "allOf", "not", "if", "dependentSchemas"]):
        case "not":
            return {"not": inner()}
        case "if":
            return {
                "if": inner(),
                **{name: inner() for name in chance.sample(["then", "else"], chance.randint(1, 2))},
            }
        case "dependentSchemas":
            return {"dependentSchemas": {key: inner() for key in chance.sample(KEYS, 2)}}
        case keyword:
            return {keyword: [inner() for _ in range(chance.randint(2, 3))]}


@settings(deadline=None, suppress_health_check=list(HealthCheck))
@given(st.integers(0, 2**40).map(random.Random), st.booleans())
def test_choices_as_clauses_mean_the_same(chance: random.Random, rest: bool) -> None:
    schema: dict[str, Any] = {
        "type": "object",
        "allOf": [combined(chance, 2) for _ in range(chance.randint(1, 3))],
    }
    if rest:
        schema["unevaluatedProperties"] = chance.choice([False, {"const": 0}, {"type": "integer"}])
    root = Document(exact(schema)).root
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(key_clauses, "_MOST_SHAPES", 1)
        patch.setattr(evaluated, "_GUARDS_AS_CLAUSES", 1)
        try:
            network = network_of(schema, strings=SlowStrings(), property_order="any")
        except UnsatisfiableSchema:
            assert not any(holds(root, value) for value in VALUES), schema
            return
        walker = Walker(network)
        for value in VALUES:
            assert walker.accepts(value) == holds(root, value), (schema, value)
        shortest = network.finish_place(network.root)[0]
        valid = [json.dumps(value, separators=(",", ":")).encode() for value in VALUES if holds(root, value)]
        assert all((len(shortest), shortest) <= (len(text), text) for text in valid), (schema, shortest)
        wanderer = Wanderer(network, chance)
        for _ in range(3):
            assert holds(root, json.loads(wanderer.document(), parse_float=Decimal)), schema


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
    network = network_of({"type": "object", "allOf": [branch(i) for i in range(40)]})
    demand = network.tables.places[network.root][0]
    assert len(network.shapes.objects(demand)) == 1


def test_what_many_branches_evaluate_is_one_shape() -> None:
    keys = range(40)
    schema = {
        "type": "object",
        "properties": {f"k{i}": True for i in keys},
        "dependentSchemas": {f"k{i}": {"properties": {f"l{i}": {"type": "integer"}}} for i in keys},
        "allOf": [{"anyOf": [{"properties": {f"m{i}": {"const": 0}}}, True]} for i in keys],
        "unevaluatedProperties": {"type": "null"},
    }
    network = network_of(schema, property_order="any")
    assert len(network.shapes.objects(network.tables.places[network.root][0])) == 1
    walker = Walker(network)
    for good in ({"k3": 1, "l3": 2}, {"m7": 0}, {"m7": None}, {"l3": None}, {"z": None}, {}):
        assert walker.accepts(good), good
    for bad in ({"l3": 2}, {"m7": 1}, {"k3": 1, "l3": None}, {"z": 0}):
        assert not walker.accepts(bad), bad


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
    walker = Walker(network_of(schema))
    for name in names:
        assert walker.accepts({"type": name, f"of-{name}": 0})
        assert not walker.accepts({"type": name, "of-other": 0})
    assert not walker.accepts({"type": "v1", "of-v2": 0})
