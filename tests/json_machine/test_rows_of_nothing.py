"""Interning tables find the same rows after they grew, or were loaded, as before: rows of zeros too.

Row 0 of some tables stands for "nothing", and no hash slot may lead to it: the text of one NUL byte has the
same words.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
from structgen.lark_grammars.compiled.registers import CELLS, LARK_TABLES, PLACES
from structgen.lark_grammars.lexer.lexeme_items import LexemeItems
from structgen.lark_grammars.lexer.lexemes import LexemeStates

import structgen as sg
from structgen.json_machine.masks import state_walk
from structgen.json_machine.tables import json_blocks as L
from structgen.json_machine.tables.json_tables import JSON_TABLES
from structgen.lark_grammars.compiled import lark_masks
from structgen.lark_grammars.lark_grammar import LarkGrammar
from structgen.limits import Limits
from structgen.machine_core.growing_tables import GrowingTables

MANY = 5000
"""Rows beyond the first room of every table."""


def cell(tables: GrowingTables, at: int) -> int:
    return int(lark_masks.put_cell(tables.address, 0, at))


def place(tables: GrowingTables, at: int) -> int:
    return int(lark_masks.put_place(tables.address, 0, 0, at))


def node(tables: GrowingTables, at: int) -> int:
    return int(state_walk.put_node(tables.address, 0, 0, at))


INTERN: dict[int, Callable[[GrowingTables, int], int]] = {CELLS: cell, PLACES: place, L.T_NODE: node}
PLANS = {CELLS: LARK_TABLES, PLACES: LARK_TABLES, L.T_NODE: JSON_TABLES}
"""Entry points that intern a row which ends with a number, and is zeros but for it."""


@pytest.mark.parametrize("table", INTERN)
@pytest.mark.parametrize("count", [1, 3, 100])
def test_a_row_has_the_same_number_after_growth_and_after_loading(table: int, count: int) -> None:
    tables = GrowingTables(Limits(), PLANS[table])
    numbers = [INTERN[table](tables, at) for at in range(count)]
    assert len(set(numbers)) == count and min(numbers) == int(PLANS[table].sizes[table].nothing)
    tables.room(table, MANY)
    assert [INTERN[table](tables, at) for at in range(count)] == numbers
    other = GrowingTables(Limits(), PLANS[table])
    other.load(table, tables.rows(table)[: tables.count(table)].copy())
    tables.room(table, 1)
    assert [INTERN[table](other, at) for at in range(count)] == numbers


def indexed(slots: npt.NDArray[np.integer]) -> list[int]:
    """Return the rows that the slots of a hash table lead to."""
    return sorted(int(slot) for slot in slots.ravel() if slot >= 0)


@pytest.mark.parametrize("table", [one for one, sizes in JSON_TABLES.sizes.items() if sizes.slots])
def test_growth_and_loading_index_the_rows_that_were_indexed(table: int) -> None:
    """Also of tables that no entry point fills: what is indexed in a new table is what is indexed later."""
    tables, other = GrowingTables(Limits(), JSON_TABLES), GrowingTables(Limits(), JSON_TABLES)
    before = indexed(tables.slots(table))
    tables.room(table, MANY)
    assert indexed(tables.slots(table)) == before == []
    other.load(table, tables.rows(table)[: tables.count(table)].copy())
    assert indexed(other.slots(table)) == before


def test_the_lists_of_lexeme_states_are_indexed_alike_after_growth() -> None:
    items = lark_items()
    for name in ("state", "tracked", "source"):
        before = indexed(items._arrays[f"{name}_index"])
        assert before and before == list(range(len(before))), name  # the empty list is indexed from the start
        items._index(name)
        assert indexed(items._arrays[f"{name}_index"]) == before, name


def lark_items() -> LexemeItems:
    """Return the items of the lexemes of a grammar."""
    grammar = sg.lark("start: (A | B)+\nA: /a+(?=b)/\nB: /b+|c/\n")
    assert isinstance(grammar, LarkGrammar)
    states = LexemeStates(grammar.tables)
    start = states.start(0, states.initial_look_behind())
    for byte in b"abc":
        states.move(start, byte)
    return states.items
