"""What is answered at once of plain arrays is what the general answers say, at random schemas."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from schema_documents import beginnings, compiled
from schema_strategies import schema as random_schema

import structgen as sg
from structgen.base.language.ir import Network
from structgen.errors import LimitError, UnsatisfiableSchema, UnsupportedError
from structgen.schema.recogniser.schema_network import SchemaNetwork

SEEDS = [range(90), pytest.param(range(90, 2_090), marks=pytest.mark.slow)]
POLICIES: list[dict[str, Any]] = [{}, dict(sg.WIDEST), {"numbers": "python"}, {"max_items": 3}]
_MOST = 40
"""Places that are looked at of one schema."""


def plain_schema(chance: random.Random) -> Any:
    """Return a random schema in which types come again, and arrays are mostly plain."""
    if chance.random() < 0.4:
        return random_schema(chance)
    again: list[Any] = [{"type": kind} for kind in ("string", "integer", "number", "boolean")]
    again += [{"not": {"type": "string"}}, {"const": 1}, True]
    again += [{"type": "integer", "minimum": 1}, {"enum": ["x", 1]}, {"type": ["string", "null"]}]
    arrays = ({}, {"minItems": 1}, {"minItems": 2}, {"maxItems": 1}, {"uniqueItems": True})
    names = ["a", "b", "aa", "ab", "ba", "bb"]

    def member() -> Any:
        described = {**leaf, "title": "t"} if isinstance(leaf := chance.choice(again), dict) else leaf
        if chance.random() < 0.6:
            return described
        kind = chance.choice(["items", "items", "items", "contains"])
        return {"type": "array", kind: described, **chance.choice(arrays)}

    members = {name: member() for name in names}
    return {"type": "object", "properties": members, "required": names, "additionalProperties": False}


def grammars(seeds: range) -> Iterator[tuple[random.Random, Any, Callable[[], sg.CompiledGrammar]]]:
    """Yield a chance, a schema that has documents, and what compiles it."""
    for seed in seeds:
        chance = random.Random(seed)
        schema, policies = plain_schema(chance), chance.choice(POLICIES)

        def make(schema: Any = schema, policies: dict[str, Any] = policies) -> sg.CompiledGrammar:
            return compiled(schema, **policies)

        try:
            make()
        except (UnsatisfiableSchema, UnsupportedError, LimitError):
            continue
        yield chance, schema, make


def residues_of_arrays(network: Network) -> list[int]:
    """Return the residues of arrays that are met at some places."""

    def is_single(place: int) -> bool:
        return len(network.tables.places[place]) == 1  # type: ignore[attr-defined]

    visited = set[int]()
    arrays: dict[int, None] = {}
    places, residues, seen = [network.root], list[tuple[int, bool]](), set[int]()
    while (places or residues) and len(visited) < _MOST:
        if places:
            place = places.pop()
            if place in visited:
                continue
            visited.add(place)
            entry = network.entry(place)
            begun = ((entry.object, False), (entry.array, True))
            residues.extend((residue, kind) for residue, kind in begun if residue is not None)
            continue
        residue, is_array = residues.pop()
        if residue in seen:
            continue
        seen.add(residue)
        if is_array:
            arrays[residue] = None
            items = network.items(residue)
            if items.item is not None:
                places.append(items.item)
                if not items.values and is_single(items.item):
                    residues.append((network.after(residue, None, 0), True))
        else:
            menu = network.menu(residue)
            places.extend((*menu.names.values(), *menu.extra_places.values()))
            residues.extend(
                (network.after(residue, key, 0), False) for key in menu.names if is_single(menu.names[key])
            )
    return [*arrays]


@pytest.mark.parametrize("seeds", SEEDS)
def test_a_simple_array_says_what_the_menu_says(seeds: range) -> None:
    found = 0
    for _, schema, make in grammars(seeds):
        network = make().network
        for residue in residues_of_arrays(network):
            simple = network.simple_array(residue)
            if simple is None:
                continue
            found += 1
            menu, after = simple
            assert menu == network.items(residue), schema
            if menu.item is not None:
                assert network.after(residue, None, 0) == network.after(after, None, 0) == after, schema
    assert found > len(seeds) // 4


@pytest.mark.parametrize("seeds", SEEDS)
def test_masks_are_those_of_general_answers(seeds: range, monkeypatch: pytest.MonkeyPatch) -> None:
    for chance, schema, make in grammars(seeds[::3]):
        quick = make()
        quick_walk = [(quick.allowed(state), text) for state, text in beginnings(quick, chance, 150)]
        with monkeypatch.context() as patch:
            patch.setattr(SchemaNetwork, "simple_array", lambda self, residue: None)
            general = make()
            for allowed, text in quick_walk:
                state = general.step_bytes(general.start, text)
                assert state is not None and general.allowed(state) == allowed, (schema, text)
