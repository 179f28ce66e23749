"""The memory of a compiled Lark grammar: its states, its tables, and the values of their fields.

`LarkContext` is the block of one compiled grammar. `LarkTables` are the tables of its language and
vocabulary, which several compiled grammars may share. A *record* says what the tokens of a trie do in a
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
    WordTable,
    word_of,
    words_of,
)

# --- states and places -------------------------------------------------------------------------------------


class LarkState(Registers):
    """A state of the compiled reader. Equal states are one number. The mode is READING, SLOW or FINISHED."""

    place: int
    """A row of `places`: where the parser stands between two lexemes."""
    lexeme: int
    """Twice the lexer's state, and 1 where the lexeme has a byte."""
    column: int
    """The column behind the indenter's newline; below 0 before its line break."""
    base: int
    """The state read on from the slot of the lexeme that is not new; NO_BASE where there is none."""
    spare: Annotated[Int64s, 3]


NO_BASE: Final = -1
READING, SLOW = 0, 14
"""Modes of a state: SLOW states are configurations of the Python reader, whose number is in `place`."""


class LarkNode(NodeRow):
    """The row of a state, with its mask. A dense row KEPT: the mask lies in a file."""

    registers: LarkState


KEPT: Final = -2


class StackCell(Block):
    """The top of a stack of the parser, or of a stack of widths; equal stacks are one number."""

    top: int
    """A parser state; of widths, -1 - a width."""
    below: int
    """The stack below it, -1: none."""


class LarkPlace(Block):
    """Where the parser stands between two lexemes."""

    stack: int
    widths: int
    """A stack of the widths of open blocks."""
    brackets: int
    """How many brackets are open."""
    spare: int


# An edge (`machine_core.layout.Edge`): a place, a terminal and a column lead to the place after the lexeme
# (below INSPECTED_AT; above it, the part of the stack that was inspected). (state, LIVE_KEY, 0) and (lexeme
# state, YIELDS_KEY, slot's state) lead to LIVE_YES, ...


class LarkWork(Block):
    """Rows that are about to be interned, and spare registers."""

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
    trail: Annotated[Int64s, 40]
    """Places that a proof has passed."""
    pushed: Annotated[Int64s, 8]
    """States that rules without symbols push while a terminal is tried."""


MOST_TRAIL: Final = 40
MOST_PUSHED: Final = 8

# --- what the tokens of a trie do in a lexeme state --------------------------------------------------------


class TokenGroup(Block):
    """Tokens that stay inside a lexeme and lead to states with the same endings."""

    endings: int
    tokens: Int32s
    """Where `count` is AS_ROW: not an address, but the number of a dense row of the mask store."""
    starts: Int32s
    """int32[257]: where the tokens of each first byte begin, 0: anywhere; of a dense row uint8[256]: is there
    a token with this first byte?"""
    count: int


AS_ROW: Final = -1


class LeftoverTrie(Block):
    """A trie of texts that tokens leave over behind a lexeme."""

    nodes: Int64s
    count: int
    starts: Int32s
    """Where the ids of each slot begin."""
    ids: Int32s
    records: Int64s
    """int64[states]: as `LarkTables.records`, of this trie."""
    slot_count: int
    """Slots, and 1."""
    token_count: int
    first_bytes_known: int
    first_bytes: Annotated[Int64s, 4]
    """256 bits: which first bytes its tokens have."""
    spare: int


class Leftover(Block):
    """The tokens that end a terminal in a lexeme state: the texts that they leave over."""

    terminal: int
    shift: int
    """What the bytes before do to the terminal's column."""
    trie: At[LeftoverTrie]
    ended: Int32s
    """The tokens that leave nothing over."""
    ended_count: int


class LexemeRecord(Block):
    """What the tokens of a trie do in a lexeme state."""

    group_count: int
    groups: BlockRows[TokenGroup]
    leftover_count: int
    leftovers: BlockRows[Leftover]
    crossing_count: int
    crossings: Int32s
    """Of each crossing CROSSING_WORDS: a node; the lexeme state before its byte; what the bytes before do to
    the column; the first byte, -1: any. Of a pair of lexemes PAIR_CROSSING_WORDS: node, state, shift, the
    state of the slot (-1: none), first byte."""


CROSSING_WORDS: Final = 4
PAIR_CROSSING_WORDS: Final = 5
GROUP_WORDS: Final = words_of(TokenGroup)
LEFTOVER_WORDS: Final = words_of(Leftover)
RECORD_WORDS: Final = words_of(LexemeRecord)
LARGE_TRIE = 256
"""Nodes of a trie that has records of its own."""


class LexemePair(Block):
    """A lexeme state, and the state of what its old slot has read on."""

    key: int
    """The first, and from PAIR_AT on the second."""
    record: int
    """The address of their record, 0: not made, -1: asked for."""


MOST_PAIRS: Final = 128
PAIR_AT: Final = 32


class LexemePairs(Block):
    """The pairs of a grammar."""

    count: int
    pairs: Annotated[BlockRows[LexemePair], 2 * MOST_PAIRS]


# --- parts of masks ----------------------------------------------------------------------------------------


class Fragment(Block):
    """A row of the trie of fragments: reached from another row by a value that was inspected.

    The root of a fragment has a key below 0 and a number instead.
    """

    parent: int
    value: int
    then: int
    """What to inspect next (FRAGMENT_CELL, ...), or FRAGMENT_LEAF: then, from FRAGMENT_COUNT_AT on, how many
    tokens, from FRAGMENT_POOL_AT on where; of a whole mask, from FRAGMENT_COUNT_AT on, the state that has
    it."""


FRAGMENT_UNKNOWN, FRAGMENT_CELL, FRAGMENT_BRACKETS, FRAGMENT_WIDTHS, FRAGMENT_NEVER, FRAGMENT_LEAF = range(6)
FRAGMENT_KINDS: Final = 15
FRAGMENT_COUNT_AT: Final = 4
FRAGMENT_POOL_AT: Final = 32


class FragmentTable(Block):
    """The fragments of one grammar."""

    rows: BlockRows[Fragment]
    slots: Int64s
    """Hash slots: the number of a row, and bits of its key; 0: free."""
    pool: Int32s
    """Tokens of leaves."""
    mask: int
    """Number of slots less one."""
    used: int
    most: int
    """Rows in use, and how many there is room for."""
    pooled: int
    most_pooled: int
    turn: int
    """How often all were forgotten."""


FEW_NODES: Final = 3
"""Nodes of a subtree that is rather walked than kept as a fragment."""


class Level(Block):
    """A lexeme that tokens of the mask begin in, while it is put together."""

    state: LarkState
    trie: int
    """The address of the trie of what these tokens leave over, 0: the vocabulary's trie."""
    root: int
    """The level in whose state the tokens begin."""
    label: int
    """1 + the terminal that leads here, 0: an old slot does."""
    has_own: int
    """1 where wanted bytes belong to the lexeme itself."""
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
    """The dense rows of the mask that is put together."""

    count: int
    rows: Annotated[BlockRows[CollectedRow], 5 * MOST_ROWS]


class LivenessEntry(Block):
    """Whether a lexeme at a place is live, as one walk has found it."""

    key: int
    """The place, and from LIVENESS_TURN_AT on the number of the walk."""
    answer: int
    """Twice the lexeme, and 1 where it is live."""
    lowest: int
    inspected: int
    """The part of the stack that was inspected, as in `LarkTables`."""


MOST_LIVENESS: Final = 1 << 10
LIVENESS_TURN_AT: Final = 32


class LivenessCache(Block):
    """What one walk has found of places with lexemes."""

    turn: int
    entries: Annotated[BlockRows[LivenessEntry], 4 * MOST_LIVENESS]


class UnitReduction(Block):
    """The top of a stack after all reductions of rules with one symbol before a terminal."""

    key: int
    """1 + the top; from UNIT_STATE_AT on the state below, from twice that on the terminal, or the number of
    all terminals for rules that plans reduce without a terminal."""
    top: int


UNIT_BITS: Final = 13
UNIT_STATE_AT: Final = 20
MOST_UNITS: Final = 1 << UNIT_BITS


# --- the tables of a language and a vocabulary -------------------------------------------------------------


class LarkTables(Block):
    """The tables of lexer, parser and vocabulary that compiled code reads."""

    moves: Int64s
    """[states, class_count]: what a byte does to a lexeme state (MOVE_ON, ...)."""
    classes: Bytes
    """[256]: the class of a byte."""
    class_count: int
    may_be_newline: Bytes
    """[states]: may the lexeme become the indenter's newline?"""
    endings: Int32s
    """[states]: where in `ending_lists` the endings of a lexeme state are, -1: not known. There: how many,
    and the terminals as which it may end before a separator; how many, and all terminals that it may become;
    what the text's end makes of it."""
    ending_lists: Int32s
    actions: Int32s
    """[parser states, terminals]"""
    terminal_count: int
    gotos: Int32s
    nonterminal_count: int
    rule_origins: Int32s
    rule_sizes: Int32s
    contexts: Int32s
    """Of each parser state, the lexer's context."""
    start_states: Int32s
    """Of each context, the lexeme state in which it begins, -1: not known."""
    ignored: Bytes
    """Of each terminal."""
    brackets: Bytes
    """Of each terminal: 1 opens, 2 closes."""
    end_state: int
    newline: int
    """The indenter's terminals, -1: there is no indenter."""
    indent: int
    dedent: int
    tab_size: int
    plans: Int32s
    """Of each parser state, where in `plan_lists` its plan is, -1: not known. There: the rule under way that
    needs the fewest bytes (LAST_RULE: it is the whole text's), how many of its symbols are read, and how many
    terminals it still needs, and which."""
    plan_lists: Int32s
    separability: Bytes
    """[contexts, terminals]: SEPARABLE, ..."""
    separator: int
    """A byte, -1: there is none."""
    records: Int64s
    """[states]: the address of a state's record, 0: not made, -1: asked for."""
    first_bytes: Bytes
    """Of each token."""
    wanted: Bytes
    """[1 + MOST_LEVELS, 256]: of each level, the first bytes of its tokens; in the last row all."""
    levels: BlockRows[Level]
    collected: At[CollectedRows]
    liveness: At[LivenessCache]
    units: BlockRows[UnitReduction]
    certified: Bytes
    """Of each parser state, from which every stack with it on top can be completed: CERTIFIED_SEPARATED,
    ..."""
    has_excluding: int
    """1 where some state is EXCLUDING."""
    pairs: At[LexemePairs]
    lowest: int
    """The part of stacks that was inspected since this was set anew: the least number of a cell (cells above
    it have larger numbers), NOTHING_INSPECTED: none;"""
    inspected: int
    """and INSPECTED_BRACKETS, INSPECTED_WIDTHS, INSPECTED_ALL."""
    fragments: At[FragmentTable]
    keeps_fragments: int


CERTIFIED_SEPARATED, CERTIFIED_BARE, CERTIFIED_LINE, EXCLUDING = 1, 2, 4, 8
"""A text goes on from every stack with the state on top: with the separator; right behind a newline in
brackets; where it is the state behind the indenter's newline. EXCLUDING: this does not hold for stacks with
this state in them."""
NOTHING_INSPECTED: Final = (1 << 28) - 2
INSPECTED_BRACKETS, INSPECTED_WIDTHS, INSPECTED_ALL = 1, 2, 4
LOW_AT: Final = 3
INSPECTED_AT: Final = 32
"""In the target of an edge between places: above the place, INSPECTED_..., and from LOW_AT on 1 + the lowest
cell that was inspected; 0: not known."""


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
    place_flags: WordTable
    """Of each place, two bits each (OPEN, SHUT, ...): see BARE_SHIFT."""
    tables: At[LarkTables]
    reused_masks: At[FragmentTable]
    """Fragments whose leaves are states with masks; a state may have the mask of another that differs only
    where no mask looks."""


CELLS, PLACES, PLACE_FLAGS = (word_of(LarkContext, name) for name in ("cells", "places", "place_flags"))
"""The tables that Lark has beside those of every machine."""
LARK_TABLES: Final = TablePlan(
    LarkContext,
    {
        "nodes": TableSizes(1024, 2048, key=8),
        "edges": TableSizes(512, 1024, key=3),
        "lists": TableSizes(65536),
        "terminals": TableSizes(1),
        "cells": TableSizes(512, 1024, key=2, nothing=True),
        "places": TableSizes(512, 1024, key=4, nothing=True),
        "place_flags": TableSizes(1024),
    },
)


# --- what a byte does to a lexeme state: one word ----------------------------------------------------------
UNKNOWN, PENDING = -1, -2
"""Not asked yet; asked, and not answered yet."""
(MOVE_DEAD, MOVE_ON, MOVE_NOW, MOVE_BEFORE, MOVE_OLD, MOVE_KEEP_NEW, MOVE_KEEP_OLD, MOVE_MANY) = range(8)
"""ON: to another state, with no slot but new ones. NOW: the lexeme is decided, and ends with this byte.
BEFORE: it is decided, and has ended before it. OLD: the text read on from the old slot is real. KEEP_NEW,
KEEP_OLD: to another state, with one slot that is not new, the one that was new before, the old one. MANY: any
other, which the Python reader follows."""
KIND_BITS, TO_SHIFT, TO_BITS, TERMINAL_SHIFT, TERMINAL_BITS, ELSE_SHIFT = 15, 4, (1 << 22) - 1, 26, 4095, 38
ELSE_NONE: Final = TO_BITS
"""In a move: its kind; the state after it; the terminal; the state where the text read on from the slot is an
error, ELSE_NONE where that is an error of the lexeme, too."""

# --- what is known of a place ------------------------------------------------------------------------------
OPEN_UNKNOWN, OPEN, SHUT, OPEN_PENDING = range(4)
OPEN_BITS, BARE_SHIFT, LINE_SHIFT, PLAIN_SHIFT, EXCLUDED_SHIFT, PLAIN_AT = 3, 2, 4, 6, 12, 16
"""Does a text go on from the place with the separator? From BARE_SHIFT on: with a lexeme that may stand right
behind the indenter's newline? From LINE_SHIFT on: with the indenter's newline, of whatever width? The last
two are never SHUT for certain, only not proved. From PLAIN_SHIFT on the same of a plain place, by plans
alone: they hold in all places with its stack, however wide their indentations are. From EXCLUDED_SHIFT on:
has its stack an EXCLUDING state (SHUT)? From PLAIN_AT on: 1 + the plain place of a place, 0: not made yet."""

# --- the endings of a lexeme -------------------------------------------------------------------------------
ENDS_NOT, ENDS_OLD = -1, -2
"""At the text's end: an error; the text read on from the old slot; else the terminal."""
ANY_LINE, SEPARATED, IGNORED, OLD_PARTED, TAILED = -1, -2, -(1 << 30), -(1 << 30) - 1, 1 << 12
"""The indenter's newline, of whatever width. SEPARATED - state: it may be the lexeme that the separator
makes, whose state is this. IGNORED: it may be ignored, and a text like the separator follows. OLD_PARTED: the
separator makes sure of the text read on from its old slot. From TAILED on: where in `ending_lists` there are
how many numbers: a terminal, the context behind it and one that makes sure of it right there, the context
behind that, ...; the separator makes sure of the last."""
SEPARABLE_UNKNOWN, INSEPARABLE, SEPARABLE, SEPARABLE_BARE, SEPARABLE_PENDING = range(5)
"""Does a terminal's shortest lexeme stand between separators in a context? SEPARABLE_BARE: and right behind
the indenter's newline."""
LAST_RULE: Final = 1 << 30
MOST_PROVED: Final = 400
"""Terminals of one proof."""

# --- questions ---------------------------------------------------------------------------------------------
(
    Q_MOVE,
    Q_START,
    Q_ENDINGS,
    Q_OPEN,
    Q_LIVE,
    Q_PLAN,
    Q_SEPARABLE,
    Q_RECORD,
    Q_PAIR,
    Q_YIELDS,
) = range(32, 42)
"""(lexeme state, class of bytes); context; lexeme state; place; state; parser state; (context, terminal);
lexeme state, the address of a trie or 0; (lexeme state, that of the text its old slot has read on), twice:
their record, and whether the lexeme never ends at that slot."""
LIVE_NO, LIVE_YES, LIVE_PENDING, LIVE_UNKNOWN = range(4)
LIVE_KEY, YIELDS_KEY = -2, -3

# --- how a record is made ----------------------------------------------------------------------------------


class Segment(Block):
    """Int64s that a scan has noted, somewhere."""

    address: int
    count: int


class RecordScan(Block):
    """What a scan of a trie in a lexeme state reads and writes, until it is laid out as a record."""

    nodes: Int64s
    count: int
    starts: Int32s
    ids: Int32s
    number: int
    """Of the trie; 0: the vocabulary's."""
    subtrees: Int64s
    """Notes of subtrees: each its key (number of the trie; its root, from bit 22 on; the state behind its
    root), how many words, and these."""
    room: int
    used: int
    may_grow: int
    table: Int32s
    """Hash slots: 1 + where the notes of a subtree are."""
    mask: int
    segments: BlockRows[Segment]
    segment_count: int
    noted: int
    """Int64s in all segments."""
    home: int
    """A state, and which classes of bytes lead back to it, as a signature of the trie."""
    loops: int
    more_loops: int
    scratch: Int64s
    """Seven parts of `part` words: the endings of groups, how many tokens they have; the keys of leftovers,
    where the nodes of each end, and these; two more."""
    part: int
    newline: int
    first_bytes: Bytes
    many: int
    """Tokens of a group that is a dense row."""
    width: int
    """int32 words that a dense row is laid out in, FIRST_WORDS of them its first bytes."""
    group_count: int
    row_count: int
    leftover_count: int
    other_count: int
    """Of groups, of groups that are dense rows, of leftovers, of other crossings."""
    record: Int64s
    """Where the record is laid out, its lists, the bits of dense rows, and which words are addresses."""
    lists: int
    bits: int
    marks: Int32s


SHIFT_AT: Final = 24
"""Where, above a lexeme state, a scan puts what the bytes before do to a column."""
LARGE_SUBTREE: Final = 16
"""Nodes of a subtree whose notes are kept."""
LEFTOVER_KEY_AT: Final = 40
"""Where the terminal is in the key of a leftover; below it what bytes do to its column, from bit 1 on, and 1
where the node's byte belongs to the terminal."""
FIRST_WORDS: Final = 8
FULL: Final = -8
"""Beside ASKED: more room is needed."""
