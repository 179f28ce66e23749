"""The memory of a compiled Lark grammar: its states, places, records, and what was read of a place.

A *reading* is a place, a state of the lexer and a column. A state of the machine is a set of readings, of
which at most one is right for each whole text; each is exact by itself, so the state's mask is the union of
theirs.
"""

from __future__ import annotations

from typing import Annotated, Final

from structgen.base.native.typed_blocks import Block, Bytes, Int32s, Int64s, Table
from structgen.grammars.lark_grammars.lexer.lexer_tables import LexerContext
from structgen.machines.machine_core.growing_tables import TablePlan, TableSizes
from structgen.machines.machine_core.layout import NodeRow, Registers
from structgen.machines.machine_core.lexeme_layout import RECORD_TABLES

# --- states and places --------------------------------------------------------------------------------------


class LarkState(Registers):
    """A state: its first reading, and the state of the others. The mode is READING or FINISHED."""

    place: int
    """A row of `places`."""
    lexeme: int
    """The state of the lexer."""
    column: int
    """The column after the last line break, where the lexeme may be the indenter's newline; below 0 before
    it."""
    others: int
    """The state of the other readings, -1: none."""
    spare: Annotated[Int64s, 3]


MOST_READINGS: Final = 64
"""The most readings of one text."""


class LarkNode(NodeRow):
    """The row of a state, with its mask."""

    registers: LarkState


class Cell(Block):
    """The top of a stack of parser states, or of widths. Equal stacks have the same number; a stack has a
    larger number than what lies below its top."""

    top: int
    """A state of the parser; in a stack of widths, -1 - a width."""
    below: int
    """The stack below, -1: none."""


class LarkPlace(Block):
    """The parser between two lexemes."""

    stack: int
    widths: int
    """A stack of the widths of open blocks."""
    brackets: int
    """How many are open."""
    spare: int


class LarkStep(Block):
    """What a lexeme does to a place."""

    place: int
    terminal: int
    column: int
    """Of the indenter's newline; else 0."""
    after: int
    """The place after it; REFUSED."""
    low: int
    """The lowest cell of the stack that was read."""


class Proof(Block):
    """Whether some text goes on where a lexeme of a class of endings is read at a place."""

    place: int
    end_class: int
    column: int
    """Of a newline, where it matters; else -1."""
    answer: int
    """UNPROVED, else 0 or 1."""


UNPROVED: Final = -1
NOTHING_READ: Final = 1 << 40
"""In place of the lowest cell that was read."""

# --- what was read of a place -------------------------------------------------------------------------------


class Unit(Block):
    """A piece of work, by what it is given besides a place; and how deep it has read places."""

    trie: int
    lexeme: int
    column: int
    depths: int
    """How many."""
    depth: Annotated[Int64s, 8]
    """Each: how many topmost cells."""


MOST_DEPTHS: Final = 8
WHOLE_MASK: Final = -1
"""In place of the number of a trie in `Unit.trie`: the whole mask."""


class LarkResult(Block):
    """What a unit has found for all places that agree in what it read."""

    unit: int
    depth: int
    read_hash: int
    """A hash of what was read."""
    outcome: int


# --- tables -------------------------------------------------------------------------------------------------


class LarkContext(LexerContext):
    """The block of a compiled Lark grammar."""

    nodes: Table[LarkNode]
    cells: Table[Cell]
    places: Table[LarkPlace]
    steps_known: Table[LarkStep]
    proofs: Table[Proof]
    units: Table[Unit]
    results: Table[LarkResult]
    # the parser
    actions: Int32s
    terminal_count: int
    gotos: Int32s
    nonterminal_count: int
    sizes: Int32s
    origins: Int32s
    context_of: Int32s
    is_ignored: Bytes
    brackets: Bytes
    """For each terminal: 1 opens a bracket, 2 closes one."""
    end_state: int
    indent: int
    dedent: int
    """-1: no indenter."""
    # liveness
    class_at: Int32s
    class_count: int
    class_letters: Int32s
    letter_terminal: Int32s
    letter_boundary: Int32s
    letter_kind: Int32s
    certain: Bytes
    boundaries: int
    low: int
    """The lowest cell of a stack that was read since it was last reset."""
    # scratch
    walks: Int64s
    """Readings, at spots: WALK_WORDS for each."""


# How many words of a row tell it from others.
CELL_KEY: Final = 2
PLACE_KEY: Final = 3
STEP_KEY: Final = 3
PROOF_KEY: Final = 3
UNIT_KEY: Final = 3
RESULT_KEY: Final = 3
READING_WORDS: Final = 3
WALK_WORDS: Final = 1 + READING_WORDS * MOST_READINGS
"""Of each spot: how many readings, and these."""
NODE_KEY: Final = 8
"""Words of a state's registers."""

LARK_TABLES = TablePlan(
    LarkContext,
    {
        "nodes": TableSizes(256, 1024, NODE_KEY),
        "edges": TableSizes(8),
        "lists": TableSizes(1 << 12),
        "cells": TableSizes(512, 2048, CELL_KEY),
        "places": TableSizes(256, 1024, PLACE_KEY),
        "steps_known": TableSizes(512, 2048, STEP_KEY),
        "proofs": TableSizes(512, 2048, PROOF_KEY),
        "units": TableSizes(128, 512, UNIT_KEY),
        "results": TableSizes(256, 1024, RESULT_KEY),
        **RECORD_TABLES,
    },
    {"low": NOTHING_READ, "base_row": -1, "ways": 1},
)
