"""The goal-directed search for a rest of an object, beside the search over all sets of members."""

from __future__ import annotations

import random
from typing import Any

import pytest
from schema_documents import beginnings, compiled
from schema_strategies import schema as random_schema

from structgen.errors import UnsatisfiableSchema
from structgen.schema.reading.json_values import JsonPieces
from structgen.schema.recogniser.members import Members
from structgen.schema.recogniser.object_search import Undecided, Witness

SEEDS = [range(40), pytest.param(range(40, 1040), marks=pytest.mark.slow)]


def _undecided(self: Witness, debt: object) -> None:
    raise Undecided


@pytest.mark.parametrize("order", ["any", "declared"])
@pytest.mark.parametrize("seeds", SEEDS)
def test_rests_are_those_of_the_search_over_all_sets_of_members(
    seeds: range, order: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    complete, compared = Members.complete, 0

    def both(self: Members, *args: Any) -> JsonPieces | None:
        nonlocal compared
        found = complete(self, *args)
        ask, written = args[7], args[8]
        if "<locals>" in ask.__qualname__:
            return found  # asked while the answers are still being worked out
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Witness, "find", _undecided)
            slow = complete(self, *args)
        assert (found is None) == (slow is None)
        if written and found is not None and slow is not None:
            assert found.flat() == slow.flat()
            compared += 1
        return found

    monkeypatch.setattr(Members, "complete", both)
    for seed in seeds:
        chance = random.Random(seed)
        schema = random_schema(chance)
        try:
            grammar = compiled(schema, property_order=order)
        except UnsatisfiableSchema:
            continue
        for state, _ in beginnings(grammar, chance, 20):
            grammar.completion(state)
    assert compared > len(seeds)
