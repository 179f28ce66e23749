"""The schema network: what it accepts, what it offers, how it completes."""

from __future__ import annotations

import heapq
import itertools
import json
import random
from collections.abc import Collection, Iterator
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
    return list(network.menu(residue).named)


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


@pytest.mark.parametrize("seed", range(6))
def test_keys_in_any_order_have_the_places_that_their_moves_lead_to(seed: int) -> None:
    chance = random.Random(seed)
    values: list[Any] = [{"type": "string"}, {"type": "integer"}, {"const": 1}, False, {}]
    branches = [
        {"properties": {key: chance.choice(values) for key in "abcd"}, "required": [chance.choice("abcd")]}
        for _ in range(3)
    ]
    try:
        network, residue = begun({"type": "object", "anyOf": branches}, property_order="any")
    except UnsatisfiableSchema:
        pytest.skip("no object meets any of the branches drawn")
    told = 0
    while offered := network.menu(residue).named:
        state = network._object(residue)
        moves = {name: network.objects.moves(state, name) for name in network.names(residue)[0]}
        assert offered == {name: one[0] for name, one in moves.items() if one is not None}
        told += len(offered)
        key = chance.choice(sorted(offered))
        met = chance.choice(sorted(network.finish_place(offered[key])))
        residue = network.after(residue, key, network.outcomes(frozenset((met,))))
    assert told


# Work and memory


def test_keys_in_any_order_are_asked_about_once_for_all_residues() -> None:
    keys = [f"k{index:02}" for index in range(40)]
    network, residue = begun(
        {"type": "object", "properties": {key: {} for key in keys}}, property_order="any"
    )
    asked: list[int] = []
    alive = network.objects.alive

    def counted(demand: int) -> bool:
        asked.append(demand)
        return alive(demand)

    network.objects.alive = counted
    for key in keys:
        assert key in named(network, residue)
        residue = network.after(residue, key, 0)
    assert len(asked) < 4 * len(keys)


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


# The native path


@pytest.mark.parametrize("order", ["declared", "any"])
def test_plain_objects_can_be_gone_through_without_the_network(order: str) -> None:
    schema = {
        "properties": {"a": {}, "b": {"type": "integer"}, "c": False},
        "required": ["b"],
        "additionalProperties": {"type": "null"},
        "type": "object",
    }
    network, residue = begun(schema, property_order=order)
    simple = network.simple(residue)
    assert simple is not None
    assert simple.names == ("a", "b", "c")
    assert simple.places[2] == -1 and simple.extra == network.simple(residue).extra  # type: ignore[union-attr]
    assert simple.required == (False, True, False)
    assert simple.ordered == (3 if order == "declared" else 0)
    for at, key in enumerate(("a", "b")):
        (place, outcome) = network.menu(residue).named[key], 0
        assert place == simple.places[at] and network.simple_after(residue, at) == network.after(
            residue, key, outcome
        )


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
    network, residue = begun(schema, property_order="any")
    assert not any(debt for _, _, debt in network._object(residue).threads)


class Sealed(Collection[str]):
    """Keys that an object holds, at which nobody may look."""

    def __len__(self) -> int:
        raise AssertionError("looked at")

    def __bool__(self) -> bool:
        return True

    def __iter__(self) -> Iterator[str]:
        raise AssertionError("looked at")

    def __contains__(self, key: object) -> bool:
        raise AssertionError("looked at")


OVERLAPPING = {
    "type": "object",
    "oneOf": [
        {
            "properties": {"a": {"type": "string"}},
            "patternProperties": {"^b": {"type": "null"}},
            "required": ["a"],
        },
        {
            "properties": {"b": {"type": "string"}},
            "patternProperties": {"^a": {"type": "null"}},
            "required": ["b"],
        },
    ],
}


def test_the_names_that_an_object_holds_are_looked_at_only_where_its_rest_needs_a_new_one() -> None:
    network, residue = begun(OVERLAPPING)
    assert network.finish(residue, Sealed()) == network.finish(residue)
    network, residue = begun({"type": "object", "minProperties": 2, "dependentRequired": {"a": ["b"]}})
    with pytest.raises(AssertionError, match="looked at"):
        network.finish(residue, Sealed())


def test_a_rest_writes_no_name_that_the_object_holds() -> None:
    network, residue = begun({"type": "object", "minProperties": 2, "dependentRequired": {"a": ["b"]}})
    free = json.loads(b"{" + min(network.finish(residue).values()))
    for held in itertools.combinations([*free, "other"], 2):
        (rest,) = network.finish(residue, held).values()
        assert not set(json.loads(b"{" + rest)) & set(held)


# The goal-directed search for a rest of an object, beside a search through residues


def least_rest(network: SchemaNetwork, residue: int) -> int | None:
    """Return the length of the shortest rest of an object, by steps from residue to residue."""
    frames, state = network.objects.frames, network._object(residue)
    heap = [(1, residue, state.begun, frozenset[str]())]
    seen: set[object] = set()
    while heap:
        size, at, is_begun, used = heapq.heappop(heap)
        if (at, used) in seen:
            continue
        seen.add((at, used))
        menu = network.menu(at)
        if menu.close is not None:
            return size
        offered = [(key, key, place) for key, place in menu.named.items()]
        frame = network._object(at).frame
        for index, (classes, moves) in enumerate(network.objects.extra(network._object(at))):
            fresh = frames.fresh_keys(frame, classes[0], len(used) + 1, used)[:1]
            offered += [(key, frozenset((index,)), moves[0]) for key in fresh]
        for name, key, place in offered:
            for demand, text in network.finish_place(place).items():
                after = network.after(at, key, network.outcomes(frozenset((demand,))))
                more = len(json.dumps(name, ensure_ascii=False).encode()) + 1 + len(text) + is_begun
                now = used if isinstance(key, str) else used | {name}
                heapq.heappush(heap, (size + more, after, True, now))
    return None


@pytest.mark.parametrize("order", ["any", "declared"])
@pytest.mark.parametrize("seeds", SEEDS)
def test_rests_are_as_short_as_those_of_a_search_through_residues(seeds: range, order: str) -> None:
    compared = 0
    for seed in seeds:
        try:
            network = compiled(random_schema(random.Random(seed)), property_order=order).network
        except UnsatisfiableSchema:
            continue
        todo = [network.entry(network.root).object]
        for residue in todo[:6]:
            if residue is not None:
                assert min(map(len, network.finish(residue).values())) == least_rest(network, residue), seed
                compared += 1
                todo += [network.after(residue, key, 0) for key in list(network.menu(residue).named)[:2]]
    assert compared > len(seeds) // 4
