"""Lists of tokens as a file has them: what compiled code merges is what numpy says of each list."""

from __future__ import annotations

import random

import numpy as np
import pytest

from structgen.json_machine.kept.token_list_merging import merged
from structgen.json_machine.tables import json_blocks as L
from structgen.json_machine.tables.json_tables import json_tables
from structgen.limits import Limits
from structgen.machine_core.growing_tables import listed
from structgen.native.raw_memory import address_of

TOKENS = 5000


@pytest.mark.parametrize("seed", range(20))
def test_merged_lists_are_complete_and_equal_ones_are_written_once(seed: int) -> None:
    draw = random.Random(seed)
    tables = json_tables(Limits())
    tables.context[L.C_VOCABULARY] = TOKENS
    held = [
        np.array(sorted(draw.sample(range(TOKENS), draw.choice((0, 1, 30, 900)))), np.int32) for _ in range(4)
    ]
    for tokens in held:
        row = np.zeros(L.X_STRIDE, np.int64)
        row[L.X_LIST], row[L.X_LISTED] = address_of(tokens), len(tokens)
        tables.append(L.T_TERMINAL, row)
    drawn = [[draw.randrange(TOKENS) for _ in range(draw.choice((0, 1, 2, 24, 25, 700)))] for _ in range(20)]
    offsets = []
    for _ in range(60):
        own, shared = list(draw.choice(drawn)), draw.sample(range(4), draw.randrange(3))
        words = np.array([len(own), len(shared), *shared, *own], np.int32)
        offsets.append(tables.extend(L.T_LIST, words, len(words)))
    found, places = merged(tables, offsets)
    seen: dict[bytes, int] = {}
    for at in offsets:
        expected = listed(tables, at)
        place = places[at]
        assert found[place : place + 2].tolist() == [len(expected), 0]
        assert np.array_equal(found[place + 2 : place + 2 + len(expected)], expected)
        assert seen.setdefault(expected.tobytes(), place) == place
    assert len(found) == sum(2 + len(one) // 4 for one in seen)


def test_no_lists_are_an_empty_table() -> None:
    tables = json_tables(Limits())
    assert merged(tables, [])[0].tolist() == [] and merged(tables, [])[1] == {}
