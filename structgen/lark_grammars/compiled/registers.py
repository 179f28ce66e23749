"""The memory of a compiled Lark grammar: its states, its tables, and the values of their fields.

`LarkContext` is the block of one compiled grammar. `LarkTables` are the tables of its language and
vocabulary, which several compiled grammars may share. A *record* has the effect of each token of a trie in a
lexeme state (`LexemeRecord`); a *fragment* is a part of a mask that many places share (`Fragment`).
"""

from __future__ import annotations

from typing import Annotated, Final

from structgen.machine_core.growing_tables import TablePlan, TableSizes
from structgen.machine_core.layout import Core, Edge, NodeRow, Question, Questions, Registers
from structgen.native.typed_blocks import (
    At,
    Block,
    BlockRows,
    Bytes,
    Int32s,
    Int64s,
    Table,
    word_of,
    words_of,
)

# --- states and places -------------------------------------------------------------------------------------


class LarkState(Registers):
    """A state of the compiled reader. Equal states are one number. The mode is READING, SLOW or FINISHED."""

    place: int
    """A row of `places`: the parser's configuration between two lexemes."""
    lexeme: int
    """Twice the lexer's state, plus 1 if the lexeme has a byte."""
    column: int
    """The column after the indenter's newline; below 0 before its line break."""
    base: int
    """The state read on from the lexeme's old slot; NO_BASE if there is none."""
    spare: Annotated[Int64s, 3]


NO_BASE: Final = -1
READING, SLOW = 0, 14
"""Modes of a state. A SLOW state is a configuration of the Python reader, whose number is in `place`."""


class LarkNode(NodeRow):
    """The row of a state, with its mask. A dense row KEPT: the mask is in a file."""

    registers: LarkState


KEPT: Final = -2


class StackCell(Block):
    """The top cell of a stack of the parser, or of a stack of widths. Equal stacks have the same number."""

    top: int
    """A parser state; in a stack of widths, -1 - a width."""
    below: int
    """The stack below it, -1: none."""


class LarkPlace(Block):
    """The parser's configuration between two lexemes."""

    stack: int
    widths: int
    """A stack of the widths of open blocks."""
    brackets: int
    """How many brackets are open."""
    spare: int


# An edge (`machine_core.layout.Edge`): from a place, by a terminal and a column, to the place after the
# lexeme (below INSPECTED_AT; the bits above hold the inspected part of the stack). Also answers: (state,
# LIVE_KEY, 0), (place, OPEN_KEY, 0) and (lexeme state, YIELDS_KEY or COVERS_KEY, slot's state) lead to
# LIVE_YES, ...


class LarkWork(Block):
    """Rows about to be interned, and scratch registers."""

    free: Annotated[Int64s, 8]
    edge: Edge
    free_too: Annotated[Int64s, 4]
    cell: StackCell
    free_three: Annotated[Int64s, 6]
    place: LarkPlace
    free_four: Annotated[Int64s, 12]
    node: LarkNode
    free_five: Annotated[Int64s, 6]
    before_slot: LarkState
    after_slot: LarkState
    free_six: Annotated[Int64s, 8]
    pushed: Annotated[Int64s, 8]
    """States that empty rules push while a terminal is tried."""


MOST_PUSHED: Final = 8

# --- what the tokens of a trie do in a lexeme state --------------------------------------------------------


class TokenGroup(Block):
    """Tokens that stay inside a lexeme and lead to states with the same endings."""

    endings: int
    tokens: Int32s
    """The tokens; if `count` is AS_ROW, not an address but the number of a dense row of the mask store."""
    starts: Int32s
    """int32[257]: the start of the tokens of each first byte; 0: any first byte. For a dense row uint8[256]:
    whether it has a token with this first byte."""
    count: int


AS_ROW: Final = -1


class LeftoverTrie(Block):
    """A trie of continuations: what tokens have after the end of a lexeme."""

    nodes: Int64s
    count: int
    starts: Int32s
    """The start of the ids of each slot."""
    ids: Int32s
    records: Int64s
    """int64[states]: as `LarkTables.records`, for this trie."""
    slot_count: int
    """The number of slots, plus 1."""
    token_count: int
    first_bytes_known: int
    first_bytes: Annotated[Int64s, 4]
    """256 bits: the first bytes of its tokens."""
    spare: int


class Leftover(Block):
    """The tokens that end a terminal in a lexeme state, with the trie of their continuations."""

    terminal: int
    shift: int
    """The effect of the bytes before the end on the terminal's column."""
    trie: At[LeftoverTrie]
    ended: Int32s
    """The tokens that end exactly with the terminal."""
    ended_count: int


class LexemeRecord(Block):
    """The effect of each token of a trie in a lexeme state."""

    group_count: int
    groups: BlockRows[TokenGroup]
    leftover_count: int
    leftovers: BlockRows[Leftover]
    crossing_count: int
    crossings: Int32s
    """CROSSING_WORDS for each crossing: a node; the lexeme state before its byte; the effect of the bytes
    before on the column; the first byte, -1: any. For a pair of lexemes PAIR_CROSSING_WORDS: node, state,
    shift, the state of the slot (-1: none), first byte."""


CROSSING_WORDS: Final = 4
PAIR_CROSSING_WORDS: Final = 5
GROUP_WORDS: Final = words_of(TokenGroup)
LEFTOVER_WORDS: Final = words_of(Leftover)
RECORD_WORDS: Final = words_of(LexemeRecord)
LARGE_TRIE = 256
"""Tries of at least so many nodes have records of their own."""


class LexemePair(Block):
    """A lexeme state, and the state read on from its old slot."""

    key: int
    """The first state, and from PAIR_AT on the second."""
    record: int
    """The address of their record; 0: not made, -1: asked for."""


MOST_PAIRS: Final = 128
PAIR_AT: Final = 32


class LexemePairs(Block):
    """All pairs of a grammar."""

    count: int
    pairs: Annotated[BlockRows[LexemePair], 2 * MOST_PAIRS]


# --- parts of masks ----------------------------------------------------------------------------------------


class Fragment(Block):
    """A row of the trie of fragments, reached from another row by an inspected value.

    For the root of a fragment: a key below 0 and a number.
    """

    parent: int
    value: int
    then: int
    """What to inspect next (FRAGMENT_CELL, ...), or FRAGMENT_LEAF. A leaf has the number of tokens from
    FRAGMENT_COUNT_AT on and their position from FRAGMENT_POOL_AT on; for a whole mask, from FRAGMENT_COUNT_AT
    on, the state that has it."""


FRAGMENT_UNKNOWN, FRAGMENT_CELL, FRAGMENT_BRACKETS, FRAGMENT_WIDTHS, FRAGMENT_NEVER, FRAGMENT_LEAF = range(6)
FRAGMENT_KINDS: Final = 15
FRAGMENT_COUNT_AT: Final = 4
FRAGMENT_POOL_AT: Final = 32


class FragmentTable(Block):
    """The fragments of one grammar."""

    rows: BlockRows[Fragment]
    slots: Int64s
    """Hash slots: a row number and hash bits of its key; 0: free."""
    pool: Int32s
    """Tokens of leaves."""
    mask: int
    """The number of slots less one."""
    used: int
    most: int
    """The number of rows in use, and the capacity."""
    pooled: int
    most_pooled: int
    turn: int
    """How many times the table was cleared."""


FEW_NODES: Final = 3
"""Subtrees of up to so many nodes are walked rather than cached."""


class Level(Block):
    """A lexeme in which tokens of the mask begin, while the mask is computed."""

    state: LarkState
    trie: int
    """The address of the trie of the tokens' continuations; 0: the vocabulary's trie."""
    root: int
    """The level in whose state the tokens begin."""
    label: int
    """1 + the terminal that leads here; 0: an old slot does."""
    has_own: int
    """1 if wanted bytes belong to the lexeme itself."""
    spare: Annotated[Int64s, 4]


MOST_LEVELS: Final = 96


class CollectedRow(Block):
    """A dense row that is part of the mask."""

    row: int
    first_bytes: Annotated[Int64s, 4]
    """256 bits: the first bytes that its tokens must have."""


MOST_ROWS: Final = 256
COLLECTED_ROW_WORDS: Final = 5


class CollectedRows(Block):
    """The dense rows of the mask that is being computed."""

    count: int
    rows: Annotated[BlockRows[CollectedRow], 5 * MOST_ROWS]


class LivenessEntry(Block):
    """Whether a lexeme at a place is live, cached during one walk."""

    key: int
    """The place, and from LIVENESS_TURN_AT on the number of the walk."""
    answer: int
    """Twice the lexeme, plus 1 if it is live."""
    lowest: int
    inspected: int
    """The part of the stack that was inspected, as in `LarkTables`."""


MOST_LIVENESS: Final = 1 << 10
LIVENESS_TURN_AT: Final = 32


class LivenessCache(Block):
    """The liveness cache of one walk: places with lexemes."""

    turn: int
    entries: Annotated[BlockRows[LivenessEntry], 4 * MOST_LIVENESS]


class UnitReduction(Block):
    """The top of a stack after all unit reductions before a terminal."""

    key: int
    """1 + the top; from UNIT_STATE_AT on the state below; from twice that on the terminal."""
    top: int


UNIT_BITS: Final = 13
UNIT_STATE_AT: Final = 20
MOST_UNITS: Final = 1 << UNIT_BITS


# --- the tables of a language and a vocabulary -------------------------------------------------------------


class LarkTables(Block):
    """The tables of lexer, parser and vocabulary that compiled code reads."""

    moves: Int64s
    """[states, class_count]: the move of a lexeme state by a byte (MOVE_ON, ...)."""
    classes: Bytes
    """[256]: the class of a byte."""
    class_count: int
    may_be_newline: Bytes
    """[states]: whether the lexeme may become the indenter's newline."""
    endings: Int32s
    """[states]: the position in `ending_lists` of a lexeme state's endings, -1: unknown. There: a count and
    the endings; a count and all terminals that it may become; the result at the text's end."""
    ending_lists: Int32s
    actions: Int32s
    """[parser states, terminals]"""
    terminal_count: int
    gotos: Int32s
    nonterminal_count: int
    rule_origins: Int32s
    rule_sizes: Int32s
    contexts: Int32s
    """The lexer's context of each parser state."""
    start_states: Int32s
    """The initial lexeme state of each context, -1: unknown."""
    ignored: Bytes
    """[terminals]"""
    brackets: Bytes
    """[terminals]: 1 opens a bracket, 2 closes one."""
    end_state: int
    newline: int
    """The terminals of the indenter, -1: no indenter."""
    indent: int
    dedent: int
    tab_size: int
    separator: int
    """A byte, -1: none."""
    records: Int64s
    """[states]: the address of a state's record; 0: not made, -1: asked for."""
    first_bytes: Bytes
    """[tokens]"""
    wanted: Bytes
    """[1 + MOST_LEVELS, 256]: the first bytes of each level's tokens; the last row has all."""
    levels: BlockRows[Level]
    collected: At[CollectedRows]
    liveness: At[LivenessCache]
    units: BlockRows[UnitReduction]
    certain: Int64s
    """[parser states, 2]: boundaries (BETWEEN, ... as bits) from which every stack with the state on top
    leads to the text's end; the second one where a bracket is open."""
    pairs: At[LexemePairs]
    lowest: int
    """The deepest inspected cell since the last reset: its number, the least (cells above have larger
    numbers); NOTHING_INSPECTED: none."""
    inspected: int
    """INSPECTED_BRACKETS, INSPECTED_WIDTHS, INSPECTED_ALL since the last reset."""
    fragments: At[FragmentTable]


BETWEEN, BEHIND_BREAK, BEHIND_LINE, FIRST_OWED = range(4)
"""Boundaries of lexemes: nothing is owed; behind the indenter's newline inside brackets; behind that newline,
of any width; from here on with the obligations of a table."""
MOST_BOUNDARIES: Final = 62
"""The most boundaries that are told apart: the bits of a word."""
NOTHING_INSPECTED: Final = (1 << 28) - 2
INSPECTED_BRACKETS, INSPECTED_WIDTHS, INSPECTED_ALL = 1, 2, 4
LOW_AT: Final = 3
INSPECTED_AT: Final = 32
"""In the target of an edge between places: the bits above the place hold INSPECTED_..., and from LOW_AT on 1
+ the deepest inspected cell; 0: unknown."""


MOST_NOTED: Final = 1 << 14


class LarkQuestions(Questions):
    """The questions noted since the last answers."""

    count: int
    asked: Annotated[BlockRows[Question], 4 * MOST_NOTED]


class LarkContext(Core):
    """The block of a compiled Lark grammar."""

    nodes: Table[LarkNode]
    questions: At[LarkQuestions]
    scratch: BlockRows[LarkState]
    work: At[LarkWork]
    cells: Table[StackCell]
    places: Table[LarkPlace]
    tables: At[LarkTables]
    reused_masks: At[FragmentTable]
    """Fragments whose leaves are states with masks. A state may have the mask of another that differs only in
    parts that no mask inspects."""


CELLS, PLACES = (word_of(LarkContext, name) for name in ("cells", "places"))
"""Lark's tables besides those of every machine."""
LARK_TABLES: Final = TablePlan(
    LarkContext,
    {
        "nodes": TableSizes(1024, 2048, key=8),
        "edges": TableSizes(512, 1024, key=3),
        "lists": TableSizes(65536),
        "terminals": TableSizes(1),
        "cells": TableSizes(512, 1024, key=2, nothing=True),
        "places": TableSizes(512, 1024, key=4, nothing=True),
    },
)


# --- what a byte does to a lexeme state: one word ----------------------------------------------------------
UNKNOWN, PENDING = -1, -2
"""Not asked; asked, but not answered."""
(MOVE_DEAD, MOVE_ON, MOVE_NOW, MOVE_BEFORE, MOVE_OLD, MOVE_KEEP_NEW, MOVE_KEEP_OLD, MOVE_MANY) = range(8)
"""ON: to another state, without old slots. NOW: the lexeme is decided, and ends with this byte. BEFORE: it is
decided, and ended before this byte. OLD: the reading from the old slot is the right one. KEEP_NEW, KEEP_OLD:
to another state with one old slot, which was new before, or old already. MANY: any other move, which the
Python reader follows."""
KIND_BITS, TO_SHIFT, TO_BITS, TERMINAL_SHIFT, TERMINAL_BITS, ELSE_SHIFT = 15, 4, (1 << 22) - 1, 26, 4095, 38
ELSE_NONE: Final = TO_BITS
"""A move has: its kind; the state after it; the terminal; the state after it if the reading from the slot is
an error (ELSE_NONE if that is an error of the lexeme, too)."""

# --- the endings of a lexeme -------------------------------------------------------------------------------
ENDS_NOT, ENDS_OLD = -1, -2
"""The result at the text's end: an error; the reading from the old slot; else the terminal."""
ENDING_BITS, OWED_AT = 4095, 12
"""An ending: a terminal, and from OWED_AT on the boundary behind it."""
ANY_LINE, SEPARATED, IGNORED, OLD_PARTED = -1, -2, -(1 << 30), -(1 << 30) - 1
"""Special endings. ANY_LINE: the indenter's newline, of any width. SEPARATED - state: the lexeme may continue
into the state after the separator. IGNORED: it may be ignored, and a text like the separator follows.
OLD_PARTED: the separator decides for the reading from the old slot."""
MOST_TERMINALS: Final = 1 << 12
"""The most terminals of a grammar whose masks compiled code fills: their numbers are parts of words."""
# --- questions ---------------------------------------------------------------------------------------------
(
    Q_MOVE,
    Q_START,
    Q_ENDINGS,
    Q_OPEN,
    Q_LIVE,
    Q_RECORD,
    Q_PAIR,
    Q_YIELDS,
    Q_COVERS,
) = range(32, 41)
"""The arguments of each kind of question: (lexeme state, class of bytes); context; lexeme state; place;
state; (lexeme state, the address of a trie or 0); (lexeme state, the state
read on from its old slot), for their record, for whether the lexeme never ends at that slot, and for whether
it waits for all that the other waits for."""
LIVE_NO, LIVE_YES, LIVE_PENDING, LIVE_UNKNOWN = range(4)
LIVE_KEY, YIELDS_KEY, COVERS_KEY, OPEN_KEY = -2, -3, -4, -5

# --- how a record is made ----------------------------------------------------------------------------------


class Segment(Block):
    """A stretch of int64s that a scan has noted."""

    address: int
    count: int


class RecordScan(Block):
    """Input, output and scratch memory of a scan of a trie in a lexeme state, until its record is written."""

    nodes: Int64s
    count: int
    starts: Int32s
    ids: Int32s
    number: int
    """The number of the trie; 0: the vocabulary's."""
    subtrees: Int64s
    """Notes of subtrees, one after another: a key (the trie's number; the root, from bit 22 on; the state
    after the root), the number of words, and the words."""
    room: int
    used: int
    may_grow: int
    table: Int32s
    """Hash slots: 1 + the position of a subtree's notes."""
    mask: int
    segments: BlockRows[Segment]
    segment_count: int
    noted: int
    """Int64s in all segments."""
    home: int
    """A state, and the classes of bytes that lead back to it, as a signature of the trie."""
    loops: int
    more_loops: int
    scratch: Int64s
    """Seven parts of `part` words: the endings of groups, their numbers of tokens; the keys of leftovers, the
    ends of their nodes, and the nodes; two more."""
    part: int
    newline: int
    first_bytes: Bytes
    many: int
    """Groups of at least so many tokens are dense rows."""
    width: int
    """int32 words of a dense row, the first FIRST_WORDS of which are its first bytes."""
    group_count: int
    row_count: int
    leftover_count: int
    other_count: int
    """The numbers of groups, of groups that are dense rows, of leftovers, and of other crossings."""
    record: Int64s
    """Where to write the record, its lists, the bits of dense rows, and the list of words that are
    addresses."""
    lists: int
    bits: int
    marks: Int32s


SHIFT_AT: Final = 24
"""The bits from here on, above a lexeme state, hold the effect of the bytes before on a column."""
LARGE_SUBTREE: Final = 16
"""Subtrees of at least so many nodes have cached notes."""
LEFTOVER_KEY_AT: Final = 40
"""The terminal's position in the key of a leftover. Below it: the effect on its column, from bit 1 on, and 1
if the node's byte belongs to the terminal."""
FIRST_WORDS: Final = 8
FULL: Final = -8
"""Besides ASKED: more room is needed."""
