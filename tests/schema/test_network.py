"""The schema network: what it accepts, what it offers, how it completes."""

from __future__ import annotations

import itertools
import json
import random
from typing import Any

import jsonschema_rs
import pytest
from called import calls
from schema_documents import compiled, judged, shortest
from schema_strategies import schema as random_schema
from schema_strategies import value as random_value

import structgen as sg
from structgen.base.limits import Limits
from structgen.errors import LimitError, UnsatisfiableSchema
from structgen.schema.recogniser.schema_network import SchemaNetwork

SEEDS = [range(40), pytest.param(range(40, 1040), marks=pytest.mark.slow)]


def named(network: SchemaNetwork, residue: int) -> list[str]:
    return list(network.menu(residue).names)


def begun(schema: Any, limits: Limits | None = None, **policies: Any) -> tuple[SchemaNetwork, int]:
    """Return a network and the residue of its root's object."""
    network = compiled(schema, limits=limits, **policies).network
    residue = network.entry(network.root).object
    assert residue is not None
    return network, residue


# The language


@pytest.mark.parametrize("seeds", SEEDS)
def test_no_valid_value_is_shorter_than_the_completion(seeds: range) -> None:
    for seed in seeds:
        chance = random.Random(seed)
        schema = random_schema(chance)
        try:
            grammar = compiled(schema, **sg.WIDEST)
        except UnsatisfiableSchema:
            continue
        rest = grammar.completion(grammar.start)
        validator = jsonschema_rs.validator_for(schema)
        assert validator.is_valid(json.loads(rest))
        for value in (random_value(chance, 2) for _ in range(25)):
            if validator.is_valid(value):
                text = json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()
                assert len(rest) <= len(text), (schema, value)


def test_any_order_needs_no_factorial_of_residues() -> None:
    keys = [f"k{index:02}" for index in range(40)]
    schema = {"properties": {key: {} for key in keys}, "required": keys, "type": "object"}
    network, residue = begun(schema, property_order="any")
    shuffled = list(keys)
    random.Random(0).shuffle(shuffled)
    for count, key in enumerate(shuffled):
        assert len(named(network, residue)) == 40 - count
        residue = network.after(residue, key, 0)
    assert network.menu(residue).close == 0
    assert len(network._residues) < 60


# Work and memory


def test_enums_of_many_strings_are_read_in_one_pass() -> None:
    def read(count: int) -> None:
        assert shortest({"enum": [f"word{index}" for index in range(count)]}) == b'"word0"'

    assert calls(lambda: read(40_000)) < 5 * calls(lambda: read(10_000))


def test_alternatives_past_their_limit_are_refused_by_name() -> None:
    pairs = [
        {"anyOf": [{"patternProperties": {f"^a{i}": False}}, {"required": [f"b{i}"]}]} for i in range(12)
    ]
    with pytest.raises(LimitError) as caught:
        begun({"type": "object", "allOf": pairs}, Limits(alternatives=1_000))
    assert caught.value.limit == "alternatives"


def test_the_oracle_stops_at_its_limit_or_flags_the_place() -> None:
    keys = {f"k{i}": {"$ref": f"#/$defs/d{i}"} for i in range(30)}
    defs = {
        f"d{i}": {"type": "array", "minItems": 1, "items": {"enum": ["x"], "maxLength": 1}} for i in range(30)
    }
    schema = {"type": "object", "properties": keys, "required": list(keys), "$defs": defs}
    with pytest.raises(LimitError) as caught:
        begun(schema, Limits(oracle_steps=10))
    assert caught.value.limit == "oracle_steps"
    flagged, _ = begun(schema, Limits(oracle_steps=10, liveness="flag"))
    assert flagged.may_dead_end == ("#",)


def test_many_alternatives_that_overlap_are_completed_at_once() -> None:
    kinds = [
        {
            "properties": {f"k{n}": {"type": "string"}, "type": {"enum": [f"t{n}"]}, f"x{n}": {"minimum": n}},
            "required": [f"k{n}"],
        }
        for n in range(8)
    ]
    assert shortest({"type": "object", "oneOf": kinds}, property_order="any") == b'{"k0":""}'


def test_many_dependencies_on_one_key_do_not_multiply() -> None:
    needs = {f"k{n}": {"properties": {"type": {"enum": [f"t{n % 4}", "any"]}}} for n in range(20)}
    schema = {"type": "object", "dependentSchemas": {**needs, "q": {"required": ["r"]}}}
    good = [{"k1": 0, "type": "t1", "k5": 0}, {"k1": 0, "type": "any", "k2": 0, "q": 1, "r": 1}, {"k1": 0}]
    bad = [{"k1": 0, "type": "t1", "k2": 0}, {"q": 1}]
    assert judged(schema, [*good, *bad]) == [True] * 3 + [False] * 2
    network, residue = begun(schema, property_order="any")
    for key in ("k1", "k2"):
        residue = network.after(residue, key, 0)
    assert network.finish(residue)[0] == b"}"


def test_a_limit_met_at_a_menu_is_met_again_when_it_is_asked_again() -> None:
    """The first question may have been asked ahead of time, and its error dropped."""
    pairs = [
        {"anyOf": [{"required": [f"a{n}"], "patternProperties": {f"^{n}": False}}, {"required": [f"b{n}"]}]}
        for n in range(12)
    ]
    value = {"type": "object", "allOf": pairs, "required": ["c"]}
    schema = {"patternProperties": {"^.+$": value}}
    network, residue = begun(schema, Limits(alternatives=100), property_order="any")
    for _ in range(2):
        with pytest.raises(LimitError):
            network.menu(residue)


def test_a_pattern_tells_a_branch_apart_from_constants() -> None:
    constants = [
        {"properties": {"type": {"enum": [f"K{n}"]}, "x": {"minimum": n}}, "required": ["type"]}
        for n in range(40)
    ]
    other = {"properties": {"type": {"type": "string", "pattern": r"^\+\w+$"}}, "required": ["type"]}
    schema = {"type": "object", "oneOf": [*constants, other]}
    values = [{"type": "K7", "x": 8}, {"type": "K7", "x": 6}, {"type": "+a", "x": 0}]
    assert judged(schema, values, limits=Limits(alternatives=100)) == [True, False, True]


def test_a_rest_writes_no_name_that_the_object_holds() -> None:
    network, residue = begun({"type": "object", "minProperties": 2, "dependentRequired": {"a": ["b"]}})
    free = json.loads(b"{" + min(network.finish(residue).values()))
    for held in itertools.combinations([*free, "other"], 2):
        (rest,) = network.finish(residue, held).values()
        assert not set(json.loads(b"{" + rest)) & set(held)


# Demands


@pytest.mark.parametrize("seeds", [range(60), pytest.param(range(60, 2060), marks=pytest.mark.slow)])
def test_a_plain_schema_has_the_demand_of_its_literal(seeds: range) -> None:
    plain = 0
    for seed in seeds:
        try:
            tables = compiled(random_schema(random.Random(seed))).network.tables
        except UnsatisfiableSchema:
            continue
        for schema in list(tables.schemas.values()):
            plain += not schema.has_combinators
            assert tables.demand_of(schema) == tables.intern_demand((tables.literal_of(schema),)), (
                seed,
                schema,
            )
    assert plain > len(seeds)
