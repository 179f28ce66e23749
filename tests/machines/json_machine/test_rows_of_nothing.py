"""Interning tables find the same rows after they grew, or were loaded, as before: rows of zeros too.

Row 0 of some tables stands for "nothing", and no hash slot may lead to it: the text of one NUL byte has the
same words.
"""

from __future__ import annotations

import pytest

from structgen.base.limits import Limits
from structgen.machines.json_machine.masks import terminal_lexer
from structgen.machines.json_machine.tables import json_blocks as L
from structgen.machines.json_machine.tables.json_tables import JSON_TABLES
from structgen.machines.machine_core.growing_tables import GrowingTables

MANY = 5000
"""Rows beyond the first room of every table."""


def node(tables: GrowingTables, at: int) -> int:
    """Intern a row with a number, which is zeros but for it and a length."""
    tables.make_room(L.T_CELL, terminal_lexer.CELLS * (tables.count(L.T_TERMINAL) + 1))
    return int(terminal_lexer.state_of(tables.address, 0, at, 0, -1, 0))


@pytest.mark.parametrize("count", [0, 1, 3, 100, MANY])
def test_a_row_has_the_same_number_after_growth_and_after_loading(count: int) -> None:
    tables, table = GrowingTables(Limits(), JSON_TABLES), L.T_TERMINAL
    tables.make_room(table, count)
    numbers = [node(tables, at) for at in range(count)]
    assert numbers == [int(JSON_TABLES.sizes[table].nothing) + at for at in range(count)]
    tables.make_room(table, 2 * MANY)
    assert [node(tables, at) for at in range(count)] == numbers
    other = GrowingTables(Limits(), JSON_TABLES)
    other.load_tables({table: tables.rows(table)[: tables.count(table)].copy()})
    assert [node(other, at) for at in range(count)] == numbers
    for at in range(count, count + 40):  # more are made room for
        other.make_room(table, 1)
        assert node(other, at) == int(JSON_TABLES.sizes[table].nothing) + at
