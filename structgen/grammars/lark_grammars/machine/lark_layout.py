"""Defines the memory of a compiled Lark grammar: the rows of its tables, field by field.

A *place* is the parser between two lexemes: its stack, the widths of open blocks, and the open brackets. A
*reading* is one way to read the text so far: a place, a state of the lexer, and a column. After `ab` the text
may be inside NAME, or inside a longer keyword: these are two readings. A *state* of the machine is a set of
readings. Each reading is exact by itself, so the mask of a state is the union of the masks of its readings.

A *unit* is a piece of work at a place, such as a mask. It reads only the topmost cells of the stack, and its
result holds for all places that agree in these.
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
    """The place: a row of the table `places`."""
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
    """The number of open brackets."""
    spare: int


class LarkStep(Block):
    """The place after a lexeme, remembered."""

    place: int
    terminal: int
    column: int
    """The column of the indenter's newline; 0 for other lexemes."""
    after: int
    """The place after the lexeme; REFUSED where the parser does not accept it."""
    low: int
    """The lowest cell of the stack that was read."""


class Proof(Block):
    """Whether some text goes on where a lexeme of a class of endings is read at a place."""

    place: int
    end_class: int
    column: int
    """The column of a newline, where it matters; else -1."""
    answer: int
    """1: some text goes on; 0: none does; UNPROVED: not known yet."""


UNPROVED: Final = -1
NOTHING_READ: Final = 1 << 40
"""Stands for the lowest cell that was read, where none was."""

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
"""Stands for the number of a trie in `Unit.trie`: the unit is a whole mask."""


class LarkResult(Block):
    """The result of a unit, which holds for all places that agree in the cells that it read."""

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
"""The words of each spot of a walk: the number of readings, and the readings."""
NODE_KEY: Final = 8
"""The words of a state's registers, which identify it."""

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
