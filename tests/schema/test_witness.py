"""The goal-directed search for a rest of an object, beside the search over all sets of members."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from network_walker import Wanderer
from test_network import chances, open_network

from structgen.schema.reading.json_values import JsonPieces
from structgen.schema.recogniser.members import Members
from structgen.schema.recogniser.object_search import Undecided, Witness


def _undecided(self: Witness, debt: object) -> None:
    raise Undecided


@settings(max_examples=2 * settings().max_examples)
@given(chances, st.sampled_from(["any", "declared"]))
def test_rests_are_those_of_the_search_over_all_sets_of_members(chance: random.Random, order: str) -> None:
    complete, find = Members.complete, Witness.find

    def compared(self: Members, *args: Any) -> JsonPieces | None:
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
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Members, "complete", compared)
        _, network = open_network("any keywords", chance, order)
        if network is not None:
            wanderer = Wanderer(network, chance)
            for _ in range(3):
                wanderer.document()
    assert Witness.find is find
