"""What is said of many keys at once is what is said of each by itself."""

from __future__ import annotations

import random
from typing import Any

import pytest
from schema_strategies import KEYS, schema

import structgen as sg
from structgen.errors import StructgenError
from structgen.json_grammars.plain_network import network_of
from structgen.schema.meaning.shape import AtKey, Without
from structgen.schema.recogniser.objects import ObjectState
from structgen.schema.recogniser.schema_network import SchemaNetwork

FIXED: tuple[Any, ...] = (
    {"required": ["a"], "properties": {"b": {"type": "string"}, "c": False}},
    {"not": {"required": ["a", "b"]}, "properties": {"c": {"type": "null"}}},
    {"dependencies": {"a": ["b"], "b": {"required": ["c"]}}, "properties": {"a": {}, "zz": {"minimum": 1}}},
    {"anyOf": [{"required": ["a"]}, {"required": ["b"]}], "not": {"required": ["c"]}, "required": ["ab"]},
    {"oneOf": [{"required": ["a"]}, {"required": ["b"]}, {"required": ["c"]}]},
    {"anyOf": [{"properties": {"a": {"type": "string"}}}, {"properties": {"a": {"minimum": 2}, "b": False}}]},
    {"allOf": [{"not": {"required": ["a", one]}} for one in "bc"], "properties": {"b": {"not": {}}}},
    {
        "allOf": [{"anyOf": [{"required": ["a"]}, {"required": [one]}]} for one in "bc"],
        "propertyNames": {"maxLength": 1},
    },
)


def about_keys(chance: random.Random) -> dict[str, Any]:
    """Return a random schema about which keys an object has."""

    def some() -> dict[str, Any]:
        return {"required": chance.sample(KEYS, chance.randint(1, 3))}

    kinds: list[dict[str, Any]] = []
    for _ in range(chance.randint(2, 5)):
        keyword = chance.choice(["not", "anyOf", "oneOf", "dependentRequired", "properties"])
        if keyword == "dependentRequired":
            kinds.append({keyword: {chance.choice(KEYS): chance.sample(KEYS, 2)}})
        elif keyword == "properties":
            kinds.append({keyword: {chance.choice(KEYS): chance.choice([False, {"type": "null"}])}})
        else:
            kinds.append({keyword: some() if keyword == "not" else [some() for _ in range(2)]})
    return {"type": "object", "allOf": kinds}


SCHEMAS = (
    *FIXED,
    *(schema(random.Random(seed)) for seed in range(120)),
    *(about_keys(random.Random(seed)) for seed in range(80)),
)


def states(given: Any, **policies: Any) -> tuple[SchemaNetwork, list[ObjectState]]:
    """Return a network, and states of the root's objects as texts of a few members come to them."""
    network = network_of(sg.json_schema(given, **policies).document())
    found: list[ObjectState] = []
    root = network.entry(network.root).object
    todo = [] if root is None else [network._object(root)]
    while todo and len(found) < 40:
        state = todo.pop(0)
        found.append(state)
        for name in network.objects.named(state):
            moves = network.objects.moves(state, name)
            assert moves is not None
            for met in range(len(network.tables.places[moves[0]])):
                after = network.objects.after(state, moves, name, frozenset((met,)))
                if after not in found and after not in todo:
                    todo.append(after)
    return network, found


@pytest.mark.parametrize("policies", [sg.WIDEST, {}], ids=["any order", "declared"])
def test_the_keys_of_a_menu_are_those_that_each_lead_on(policies: dict[str, Any]) -> None:
    compared = 0
    for given in SCHEMAS:
        try:
            network, found = states(given, **policies)
        except StructgenError:
            continue
        for state in found:
            objects, frame = network.objects, state.frame
            asked = {name: objects.moves(state, name) for name in frame.names[state.pos :]}
            offered = {name: moves[0] for name, moves in asked.items() if moves is not None}
            assert objects.named(state) == offered, given
            compared += len(asked)
    assert compared > 500


def test_an_object_that_needs_no_search_is_one_that_a_search_finds() -> None:
    chance, said = random.Random(0), [0, 0]
    for _ in range(40):
        given = {
            "type": "object",
            "not": {"required": ["x", "y"]},
            "properties": {key: chance.choice([{"type": "null"}, {"type": "null"}, False]) for key in KEYS},
            "required": chance.sample(KEYS, chance.randint(0, 1)),
        }
        try:
            network, (state, *_) = states(given, **sg.WIDEST)
        except StructgenError:
            continue  # what must come may not
        frame, ((_, shape, _), *_) = state.frame, state.threads
        for _ in range(30):
            mask = chance.randrange(1 << len(frame.names))
            free = [key for key in frame.names if not mask >> frame.index[key] & 1]
            ways = [*map(Without, free), *(AtKey(key, ()) for key in free)]
            if not ways:
                continue
            debt = tuple(tuple(chance.choices(ways, k=chance.randint(1, 3))) for _ in range(4))
            surely = network.objects._modest(frame, shape, debt, 0, mask)
            rest = network.objects.members.complete(
                frame, shape, debt, 0, mask, 0, True, network.objects._known, False
            )
            assert rest is not None or not surely
            said[surely] += 1
    assert min(said) > 100
