"""Tables take the rows of a file, and grow on."""

from __future__ import annotations

import numpy as np
import pytest

from structgen.json_machine.masks import state_walk
from structgen.json_machine.tables import json_blocks as L
from structgen.json_machine.tables.json_tables import JSON_TABLES
from structgen.limits import Limits
from structgen.machine_core.growing_tables import GrowingTables


@pytest.mark.parametrize("count", [1, 500, 5000])
def test_loaded_rows_are_found_by_hash_and_more_are_made_room_for(count: int) -> None:
    tables = GrowingTables(Limits(), JSON_TABLES)
    rows = np.zeros((count, 4), np.int64)
    rows[:, 0] = range(count)
    rows[:, 3] = np.arange(count) * 7
    tables.load(L.T_EDGE, rows)
    for first in (0, count // 2, count - 1):
        # known already: nothing is added
        state_walk.put_edge(tables.address, first, 0, 0, 99)
        assert tables.count(L.T_EDGE) == count
    for extra in range(40):
        tables.room(L.T_EDGE, 1)
        state_walk.put_edge(tables.address, count + extra, 0, 0, extra)
    assert tables.count(L.T_EDGE) == count + 40
    found = tables.rows(L.T_EDGE)[: count + 40]
    assert found[:count, 3].tolist() == [7 * at for at in range(count)]
    assert found[count:, 3].tolist() == list(range(40))


def test_an_empty_table_that_is_loaded_goes_on() -> None:
    tables = GrowingTables(Limits(), JSON_TABLES)
    tables.load(L.T_EDGE, np.empty((0, 4), np.int64))
    tables.load(L.T_CHILD, np.empty(0, np.int32))
    state_walk.put_edge(tables.address, 1, 2, 3, 4)
    assert tables.rows(L.T_EDGE)[0].tolist() == [1, 2, 3, 4]
    assert tables.extend(L.T_CHILD, [5, 6], 2) == 0 and tables.rows(L.T_CHILD)[:2].tolist() == [5, 6]
