"""The memory of masks that are made of records: what the tokens of a trie do in a state of a lexer.

A *reading* of a text is a place of a parser, a state of a lexer, and a column where lines have widths. A
*lexeme* is what the lexer reads between two places. A kind of grammar brings the rows of its lexer, and the
addresses of the functions that know its parser (`Hooks`).
"""

from __future__ import annotations

from typing import Annotated, Final

from structgen.base.native.typed_blocks import (
    At,
    Block,
    BlockRows,
    Bytes,
    Int32s,
    Int32Table,
    Int64s,
    Table,
    WordTable,
    words_of,
)
from structgen.machines.machine_core.growing_tables import TableSizes
from structgen.machines.machine_core.layout import Core

UNKNOWN: Final = -2
"""A cell of the lexer that nobody has asked for; smaller numbers: it was asked for."""
CLOSES: Final = 1 << 30
"""A cell from here on: the byte ends the lexeme, as the terminal cell - CLOSES."""
BEFORE_CLOSING, AFTER_END = 1, 2
"""States of `LexemeContext.may_follow`."""
UNASKED: Final = 3
"""In a row of a carry: nobody has asked for it."""
FULL: Final = -8
"""An entry point's answer: tokens may be read in too many ways."""
ASK_ROW, ASK_START, ASK_CARRY, ASK_CLASS, ASK_PROOF, ASK_LASTS, _, ASK_RECORD = range(8)
"""Kinds of questions, besides QUESTION_ROOM; a kind of grammar asks some of them."""

# --- what the tokens of a trie do in a state of the lexer ---------------------------------------------------


class Trie(Block):
    """The bytes that tokens have after the end of a lexeme, as a trie. Trie 0 has the whole tokens."""

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
"""Of a range of nodes: the first, the one after the last, the depth above the first."""


class LexemeRecord(Block):
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
    """Where that begins in `filter_rows`."""


class Group(Block):
    """Tokens that stay inside the lexeme and lead to one class of endings."""

    end_class: int
    shift: int
    """The change of the newline's column (`shift_after`), where columns matter; else 0."""
    dense_row: int
    """A row of the mask store; -1: they are listed."""
    first: int
    last: int
    """Where they stand in `tokens`."""


class Leftover(Block):
    """Tokens that end the lexeme as a terminal, and the trie of their bytes after it."""

    terminal: int
    carry: int
    shift: int
    """The change of the newline's column by the bytes before (`shift_after`). Where nothing depends on
    columns, 1: their first byte ends the lexeme (CLOSES)."""
    trie: int


class MergedTrie(Block):
    """The trie of the nodes where some tokens of a trie end a lexeme."""

    trie: int
    nodes: int
    """A hash of their numbers."""
    count: int
    merged_trie: int


class ByteFilter(Block):
    """Tokens by their first bytes, as 256 bits; or those of a row that are in another set as well."""

    bytes: Annotated[Int64s, 4]
    """Of a row, in the first two: where it begins in `filter_rows`, and the number of the other set."""
    is_row: int
    row: int
    """Where the row of the tokens lies in `filter_rows`; -1: not made."""


EVERY_BYTE: Final = 0
"""The number of the set of all bytes."""
RECORD_KEY, MERGED_KEY, FILTER_KEY = 2, 3, 5
"""How many words of a row tell it from others."""

# --- scratch memory -----------------------------------------------------------------------------------------


class Pending(Block):
    """A reading whose tokens are still to be added to a mask."""

    place: int
    lexeme: int
    column: int
    trie: int
    byte_filter: int
    """A set of tokens; below 0, -1 - its number: the record is that of another state, which goes on as this
    one, so that its lexeme has not ended."""


MOST_PENDING: Final = 1 << 16
"""A power of two."""
PENDING_KEY: Final = 5
SEEN_SLOTS, SEEN_SHIFT = 2 * MOST_PENDING, 16
"""Slots that find a reading which one mask has met: the number of the mask, and that of the reading."""
BOTH_PARTS: Final = 2
"""Bytes after which nothing is owed, and those after which something is (`carry_bytes`)."""


class LexemeCrossing(Block):
    """A node where tokens end a lexeme before its byte."""

    node: int
    """-1 - its number: it has been taken."""
    terminal: int
    carry: int
    shift: int


FOUND_WORDS: Final = 4
"""Of tokens that stay inside a lexeme: their slot, the state after it, the shift, the group."""


class Depth(Block):
    """A node on the path of a scan: the states of the lexer there."""

    lexeme: int
    shift: int
    like_state: int
    """The state that the lexeme's is compared to, -1: none."""


class SafeRow(Block):
    """Which classes of characters (`tokens.trie`) can do no harm in a state of the lexer."""

    row: int
    """1; 0: nothing is known; -1: nobody has asked."""
    low: int
    high: int
    """Safe classes: in any order the lexeme goes on after them."""
    reach: int
    """For how many characters that holds."""


DEPTH_WORDS: Final = words_of(Depth)
"""Words of a `Depth`."""


class Waiting(Block):
    """A subtree that a scan comes back to, once a question is answered."""

    node: int
    base: int
    """The depth above the first node of its range."""
    own: int
    """1: its own tokens wait alone, and the nodes below it do not."""
    parent: Annotated[Depth, DEPTH_WORDS]
    """The row of the node above it."""


MOST_WAITING: Final = 1 << 14
"""Subtrees that one scan leaves for later, at most."""


class Scan(Block):
    """The last scan: where it waits for answers, it goes on."""

    owner: int
    """The serial number of its grammar; 0: there is nothing to go on with."""
    trie: int
    lexeme: int
    token_count: int
    """How many slots, or tokens, stay inside so far."""
    crossing_count: int
    """How many crossings."""
    waiting: int
    """How many subtrees wait; more than MOST_WAITING: there was no room, and it begins anew."""
    is_full: int
    apart: int
    """Nodes so far after which the state and `Depth.like_state` differ."""
    is_compared: int
    """1: the scan compares with another state, and leaves to its record the tokens that both treat alike;
    0."""
    masks: int
    """How many masks were begun."""
    visited_count: int
    """Nodes that were looked at, by all scans."""
    pending: int
    """How many readings the mask has met so far."""


class WorkRow(Block):
    """A row that is about to be interned."""

    words: Annotated[Int64s, 16]


# --- the block of a grammar ---------------------------------------------------------------------------------


class Hooks(Block):
    """The codes of entry points (`jit.code_of`) that know a kind of grammar. The address of the grammar's
    block comes first in each call."""

    miss: int
    """(state, byte): the state after an unknown cell; UNKNOWN or less where it was asked for."""
    read_bytes: int
    """(place, terminal, column): the place after a lexeme, REFUSED, or ASKED."""
    begin_lexeme: int
    """(place, carry): the lexer's state before a lexeme; below 0: none, or ASKED."""
    lives: int
    """(place, class of endings, column): 1 if some text goes on, 0, or ASKED. 0 in place of a code: there are
    no classes, and each state of the lexer goes on."""
    walk: int
    """(address of a `Pending`): add the tokens of a small trie. Answers 0, ASKED or FULL. 0 in place of a
    code: small tries have records too."""
    token_end: int
    """(state): the state after the end of a token (`token_ends`). 0 in place of a code: a token may end in
    each state."""
    safe: int
    """(state): the address of the `SafeRow` of a state; 0: nothing is known. 0 in place of a code: of no
    state."""
    ends: int
    """(state, byte): the terminal as which a lexeme ends before a byte, -1: none. 0 in place of a code:
    `lexeme_ends` has them."""


class LexemeContext(Core):
    """The block of a compiled grammar whose masks are made of records."""

    hooks: Hooks
    work: At[WorkRow]
    records: Table[LexemeRecord]
    merged_tries: Table[MergedTrie]
    byte_filters: Table[ByteFilter]
    groups: Table[Group]
    leftovers: Table[Leftover]
    tries: Table[Trie]
    trie_nodes: WordTable
    trie_slots: Int32Table
    ranges: WordTable
    tokens: Int32Table
    """Tokens of groups and tries; and of walks, each list with -1 after it."""
    filter_rows: Int32Table
    # the lexer
    moves: Int32s
    """[states, width]: the state after a class of bytes, REFUSED, UNKNOWN or less."""
    width: int
    classes: Bytes
    like: Int32s
    """Of each state the state whose record it shares, -1: none, UNKNOWN."""
    token_ends: Int32s
    """Of each state the state after the end of a token, as `moves`; 0: tokens are not counted."""
    lexeme_end_at: Int32s
    """Where the ways of each state to end begin and end in `lexeme_ends`; 0: no lexeme ends."""
    lexeme_ends: Int32s
    """Each: a terminal, and the carry for the next lexeme."""
    carry_moves: Bytes
    """[carries, width]: 0 for bytes that a carry forbids, 1 where nothing is owed after them, 2, UNASKED."""
    carry_bytes: Int64s
    begins: Bytes
    """[terminals, classes]: whether a lexeme after a terminal may begin so."""
    begin_bytes: Int64s
    end_class: Int32s
    may_break: Bytes
    """Of each state: may its lexeme be the indenter's newline?"""
    newline: int
    """The terminal of the indenter's newline; -1: none."""
    tab: int
    keeps_column: int
    """1: the texts after a newline depend on the column that it has so far."""
    serial: int
    """The number of the grammar in this process."""
    closing: int
    """Classes of characters (the low word) with which a lexeme may close (CLOSES); 0: none does."""
    may_follow: Bytes
    """uint8[states, 256]: an automaton of the bytes that may follow the end of a lexeme at most; 0: none may.
    It begins before a byte that ends the lexeme (CLOSES) in BEFORE_CLOSING, else in AFTER_END. 0 in place of
    an address: anything may stand there."""
    most_apart: int
    """Nodes after which a scan may be in another state than the one that it is compared with: past them it
    is given up as FULL. 0: any number."""
    # scratch
    base_row: int
    """The first dense row that the mask contains whole; -1: none."""
    scan: At[Scan]
    depths: BlockRows[Depth]
    tokens_found: Int32s
    crossings: BlockRows[LexemeCrossing]
    waiting: BlockRows[Waiting]
    most_crossings: int
    merging: Int64s
    """The nodes of a trie that is being made; after them tokens and ways."""
    marks_of_classes: Int32s
    pending: BlockRows[Pending]
    work_hashes: Int64s
    mask: Int32s
    alike: Int32s
    """The tokens that the record in the making leaves to another one."""
    dense: Int32s
    """Rows of the dense groups of the record that is being made."""
    dense_count: int


RECORD_TABLES: Final = {
    "records": TableSizes(64, 256, RECORD_KEY),
    "merged_tries": TableSizes(64, 256, MERGED_KEY),
    "byte_filters": TableSizes(64, 256, FILTER_KEY),
    "groups": TableSizes(256),
    "leftovers": TableSizes(256),
    "tries": TableSizes(64),
    "trie_nodes": TableSizes(1 << 12),
    "trie_slots": TableSizes(1 << 12),
    "ranges": TableSizes(256),
    "tokens": TableSizes(1 << 14),
    "filter_rows": TableSizes(64),
}
"""The tables of records, for the plan of a kind of machine."""
SMALL_TRIE: Final = 256
"""Smaller tries are walked on the real stack: a record would be made for few of their tokens."""
LARGE_TRIE: Final = 2048
"""Larger ones are ranges of their parent's nodes, and no copies."""
MOST_COPIED: Final = 8192
"""The same, where most of the nodes cannot stand after the end of a lexeme (`LexemeContext.may_follow`)."""
