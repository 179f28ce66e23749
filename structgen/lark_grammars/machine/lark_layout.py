"""The memory of a compiled Lark grammar: its states, places, records, and what was read of a place.

A *reading* is a place, a state of the lexer and a column. A state of the machine is a set of readings, of
which at most one is right for each whole text; each is exact by itself, so the state's mask is the union of
theirs.
"""

from __future__ import annotations

from typing import Annotated, Final

from structgen.machine_core.growing_tables import TablePlan, TableSizes
from structgen.machine_core.layout import Core, NodeRow, Registers
from structgen.native.typed_blocks import (
    At,
    Block,
    Bytes,
    Int32s,
    Int32Table,
    Int64s,
    Table,
    WordTable,
    words_of,
)

# --- states and places --------------------------------------------------------------------------------------


class LarkState(Registers):
    """A state: its first reading, and the state of the others. The mode is READING or FINISHED."""

    place: int
    """A row of `places`."""
    lexeme: int
    """The state of the lexer."""
    column: int
    """The column behind the last line break, where the lexeme may be the indenter's newline; below 0 before
    it."""
    others: int
    """The state of the other readings, -1: none."""
    spare: Annotated[Int64s, 3]


READING: Final = 0
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
    """The place behind it; REFUSED."""
    low: int
    """The lowest cell of the stack that was read."""
    parts: int
    """WIDTHS, BRACKETS: whether they were read too."""


class Proof(Block):
    """Whether some text goes on where a lexeme of a class of endings is read at a place."""

    place: int
    end_class: int
    column: int
    """Of a newline, where it matters; else -1."""
    answer: int
    """UNPROVED, else 0 or 1."""
    low: int
    parts: int


UNPROVED: Final = -1
WIDTHS, BRACKETS = 1, 2
NOTHING_READ: Final = 1 << 40
"""In place of the lowest cell that was read."""

# --- what the tokens of a trie do in a state of the lexer ---------------------------------------------------


class Trie(Block):
    """What tokens have behind the end of a lexeme, as a trie. Trie 0 has the whole tokens."""

    nodes: int
    """Where its nodes begin in `trie_nodes`; -1: they are ranges of the vocabulary's trie."""
    count: int
    """How many nodes it has."""
    slots: int
    """Where the starts of its slots' tokens begin in `trie_slots`."""
    tokens: int
    """Where they begin in `tokens`."""
    ranges: int
    """Where its ranges begin in `ranges`: RANGE_WORDS for each."""
    range_count: int


RANGE_WORDS: Final = 3
"""Of a range of nodes: the first, the one behind the last, the depth above the first."""


class LarkRecord(Block):
    """The tokens of a trie in a state of the lexer."""

    trie: int
    lexeme: int
    groups: int
    groups_end: int
    leftovers: int
    leftovers_end: int
    like: int
    """The state of the lexer whose record has the other tokens, those of a row; -1: none."""
    like_row: int
    """Where that begins in `wanted_rows`."""


class Group(Block):
    """Tokens that stay inside the lexeme and lead to one class of endings."""

    end_class: int
    shift: int
    """What they do to the newline's column (`shift_after`), where that matters; else 0."""
    dense_row: int
    """A row of the mask store; -1: they are listed."""
    first: int
    last: int
    """Where they stand in `tokens`."""


class Leftover(Block):
    """Tokens that end the lexeme as a terminal, and the trie of what they have behind it."""

    terminal: int
    carry: int
    shift: int
    """What the bytes before do to the newline's column (`shift_after`)."""
    trie: int


class Merged(Block):
    """The trie of the nodes where some tokens of a trie end a lexeme."""

    trie: int
    nodes: int
    """A hash of their numbers."""
    count: int
    made: int


class LarkWanted(Block):
    """Tokens by their first bytes, as 256 bits; or those of a row that are in another set as well."""

    bytes: Annotated[Int64s, 4]
    """Of a row, in the first two: where it begins in `wanted_rows`, and the number of the other set."""
    is_row: int
    row: int
    """Where the row of the tokens lies in `wanted_rows`; -1: not made."""


EVERY_BYTE: Final = 0
"""The number of the set of all bytes."""

# --- what was read of a place -------------------------------------------------------------------------------


class Unit(Block):
    """A piece of work, by what it is given besides a place; and the shapes of what it has read of places."""

    what: int
    lexeme: int
    column: int
    shapes: int
    """How many."""
    shape: Annotated[Int64s, 8]
    """Each: four times the topmost cells, plus WIDTHS and BRACKETS."""


MOST_SHAPES: Final = 8
WHOLE_MASK: Final = -1
"""As `Unit.what`: the whole mask; else the number of a trie."""


class LarkResult(Block):
    """What a unit has found for all places that agree in what it read."""

    unit: int
    shape: int
    seen: int
    """A hash of what was read."""
    found: int


# --- tables -------------------------------------------------------------------------------------------------


class WorkRow(Block):
    """A row that is about to be interned."""

    words: Annotated[Int64s, 16]


class LarkContext(Core):
    """The block of a compiled Lark grammar."""

    nodes: Table[LarkNode]
    work: At[WorkRow]
    cells: Table[Cell]
    places: Table[LarkPlace]
    steps_known: Table[LarkStep]
    proofs: Table[Proof]
    records: Table[LarkRecord]
    merged: Table[Merged]
    wanted: Table[LarkWanted]
    units: Table[Unit]
    results: Table[LarkResult]
    groups: Table[Group]
    leftovers: Table[Leftover]
    tries: Table[Trie]
    trie_nodes: WordTable
    trie_slots: Int32Table
    ranges: WordTable
    tokens: Int32Table
    """Tokens of groups and tries; and of walks, each list with -1 behind it."""
    wanted_rows: Int32Table
    # the parser
    actions: Int32s
    terminal_count: int
    gotos: Int32s
    nonterminal_count: int
    sizes: Int32s
    origins: Int32s
    context_of: Int32s
    ignored: Bytes
    brackets: Bytes
    """For each terminal: 1 opens a bracket, 2 closes one."""
    end_state: int
    newline: int
    indent: int
    dedent: int
    """-1: no indenter."""
    tab: int
    keeps_column: int
    """1: what goes on behind a newline depends on the column that it has so far."""
    # the lexer (`lexer_tables`)
    moves: Int32s
    width: int
    contexts: int
    classes: Bytes
    lexeme_end_at: Int32s
    lexeme_ends: Int32s
    last_at: Int32s
    lasts: Int32s
    may_break: Bytes
    end_class: Int32s
    like: Int32s
    starts: Int32s
    carry_moves: Bytes
    carry_bytes: Int64s
    begins: Bytes
    """[terminals, classes]: whether a lexeme behind a terminal may begin so."""
    begin_bytes: Int64s
    # liveness
    class_at: Int32s
    class_letters: Int32s
    letter_terminal: Int32s
    letter_boundary: Int32s
    letter_kind: Int32s
    certain: Bytes
    boundaries: int
    # the vocabulary
    first_byte: Bytes
    by_first: Int32s
    by_first_at: Int32s
    # what was read since it was last reset
    low: int
    parts: int
    base_row: int
    """The first dense row that the mask contains whole; -1: none."""
    is_full: int
    """1: more readings than there may be."""
    # scratch
    depths: Int64s
    """For each depth of a walk a state of the lexer, a shift of the column, the state it is compared to."""
    found: Int32s
    crossings: Int64s
    most_crossings: int
    merging: Int64s
    """The nodes of a trie that is being made; behind them, at MERGING_LINKS and MERGING_PATHS, tokens and
    ways."""
    marks_of_classes: Int32s
    marks_of_states: Int32s
    walks: Int64s
    pending: Int64s
    mask: Int32s
    dense: Int32s
    """Rows of the dense groups of the record that is being made."""
    dense_count: int
    here: Int64s


CELL_KEY, PLACE_KEY, STEP_KEY, PROOF_KEY, RECORD_KEY, MERGED_KEY, WANTED_KEY, UNIT_KEY, RESULT_KEY = (
    2, 3, 3, 3, 2, 3, 5, 3, 3
)  # fmt: skip
"""How many words of a row tell it from others."""
READING_WORDS: Final = 3
PENDING_WORDS: Final = 5
MOST_PENDING: Final = 1 << 16
WALK_WORDS: Final = 1 + READING_WORDS * MOST_READINGS
"""Of each depth of a walk: how many readings, and these."""
SMALL_TRIE: Final = 256
"""Smaller tries are walked on the real stack: a record would be made for few of their tokens."""
LARGE_TRIE: Final = 2048
"""Larger ones are ranges of their parent's nodes, and no copies."""
NODE_WORDS: Final = words_of(LarkNode)
NODE_KEY: Final = 8
"""Words of a state's registers."""

# questions, besides QUESTION_ROOM
ASK_ROW, ASK_START, ASK_CARRY, ASK_CLASS, ASK_PROOF, ASK_LASTS, _, ASK_RECORD = range(8)
FULL: Final = -8
"""An entry point's answer: a text may be read in more ways than MOST_READINGS."""

LARK_TABLES = TablePlan(
    LarkContext,
    {
        "nodes": TableSizes(256, 1024, NODE_KEY),
        "edges": TableSizes(8),
        "lists": TableSizes(1 << 12),
        "terminals": TableSizes(1),
        "cells": TableSizes(512, 2048, CELL_KEY),
        "places": TableSizes(256, 1024, PLACE_KEY),
        "steps_known": TableSizes(512, 2048, STEP_KEY),
        "proofs": TableSizes(512, 2048, PROOF_KEY),
        "records": TableSizes(64, 256, RECORD_KEY),
        "merged": TableSizes(64, 256, MERGED_KEY),
        "wanted": TableSizes(64, 256, WANTED_KEY),
        "units": TableSizes(128, 512, UNIT_KEY),
        "results": TableSizes(256, 1024, RESULT_KEY),
        "groups": TableSizes(256),
        "leftovers": TableSizes(256),
        "tries": TableSizes(64),
        "trie_nodes": TableSizes(1 << 12),
        "trie_slots": TableSizes(1 << 12),
        "ranges": TableSizes(256),
        "tokens": TableSizes(1 << 14),
        "wanted_rows": TableSizes(64),
    },
    {"low": NOTHING_READ, "base_row": -1},
)
