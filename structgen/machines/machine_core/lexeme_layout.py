"""The memory of masks that are made of records; a record lists what each token does in a state of a lexer.

A *lexeme* is a part of a text that one automaton (the lexer) reads: a string, a number, a name. A *terminal*
is the kind of lexeme, for example NAME. A *place* is a state of the parser between two lexemes. A *reading*
is one way to read a text: a place, a state of the lexer, and a column where indentation counts. A *carry* is
a condition on the bytes after a lexeme; it goes on into the next lexeme. A *class of endings* is a set of
lexer states that can end as the same terminals. A *record* has the tokens of a trie in one lexer state: those
that stay inside the lexeme, in groups, and those that end it, its *leftovers*. A *crossing* is a node of the
trie before whose byte a lexeme ends.

A kind of grammar brings the rows of its lexer, and the functions that know its parser (`Hooks`).
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
"""The value of a cell of the lexer's table (`moves`) that is not known and was not asked for. A smaller
number: it was asked for."""
CLOSES: Final = 1 << 30
"""Cells of this value or more: the byte is the last of the lexeme, whose terminal is cell - CLOSES."""
BEFORE_CLOSING, AFTER_END = 1, 2
"""The first states of the automaton `LexemeContext.may_follow`."""
UNASKED: Final = 3
"""The value of a cell of `LexemeContext.carry_moves` that was not asked for."""
FULL: Final = -8
"""The answer of an entry point that ran out of room: tokens can be read in too many ways."""
ASK_ROW, ASK_START, ASK_CARRY, ASK_CLASS, ASK_PROOF, ASK_LASTS, _, ASK_RECORD = range(8)
"""The kinds of questions besides QUESTION_ROOM, whose number is left out here. A kind of grammar asks
some."""

# --- what the tokens of a trie do in a state of the lexer ---------------------------------------------------


class Trie(Block):
    """A trie of the bytes that tokens have after the end of a lexeme. Trie 0 has the whole tokens.

    For example, the token `":1` ends a string with its first byte; the trie after the string has `:1`.
    """

    nodes: int
    """The place in `trie_nodes` where its nodes begin; -1: its nodes are in the vocabulary's trie."""
    count: int
    """The number of its nodes."""
    slots: int
    """The place in `trie_slots` where its slots begin; each entry says where a slot's tokens begin."""
    tokens: int
    """The place in `tokens` where its tokens begin."""
    ranges: int
    """The place in `ranges` where its ranges of nodes begin, RANGE_WORDS words for each."""
    range_count: int
    """The number of its ranges: the subtrees of which the trie consists."""


RANGE_WORDS: Final = 3
"""The words of a range of nodes: its first node, the node after its last, and the depth above the first."""


class LexemeRecord(Block):
    """A record: what the tokens of a trie do in a state of the lexer."""

    trie: int
    lexeme: int
    """The state of the lexer."""
    groups: int
    groups_end: int
    """Its groups are the rows `groups` to before `groups_end` of the table `groups`."""
    leftovers: int
    leftovers_end: int
    """Its leftovers are the rows `leftovers` to before `leftovers_end` of the table `leftovers`."""
    like: int
    """Another state of the lexer, whose record has the tokens that both states treat alike; -1: none."""
    like_row: int
    """The place in `filter_rows` of the row of bits that lists those tokens."""


class Group(Block):
    """The tokens of a record that stay inside the lexeme and lead to states of one class of endings."""

    end_class: int
    shift: int
    """What the tokens do to the newline's column (`shift_after`), where columns matter; else 0."""
    dense_row: int
    """The number of the row of the mask store that has the tokens; -1: they are listed in `tokens`."""
    first: int
    last: int
    """The list is `tokens[first:last]`."""


class Leftover(Block):
    """The tokens of a record that end the lexeme as one terminal, and the trie of their bytes after it."""

    terminal: int
    carry: int
    shift: int
    """What the bytes before the end do to the newline's column (`shift_after`). Where no column matters, it
    is 1 if the lexeme ends with the first byte of the trie (CLOSES), else 0."""
    trie: int


class MergedTrie(Block):
    """The trie that was made of all nodes where tokens of a trie end a lexeme alike; kept to be found
    again."""

    trie: int
    """The trie whose nodes they are."""
    nodes: int
    """A hash of the numbers of those nodes."""
    count: int
    """The number of those nodes."""
    merged_trie: int
    """The number of the trie that was made."""


class ByteFilter(Block):
    """A set of tokens: those with certain first bytes, or those of a row that are in another set as well."""

    bytes: Annotated[Int64s, 4]
    """The first bytes, as 256 bits. Where `is_row` is 1, the first two words are the place of the row in
    `filter_rows` and the number of the other set."""
    is_row: int
    row: int
    """The place in `filter_rows` of the tokens as a row of bits; -1: it is not made yet."""


EVERY_BYTE: Final = 0
"""The number of the set of all bytes."""
RECORD_KEY, MERGED_KEY, FILTER_KEY = 2, 3, 5
"""The lengths of the keys (the first words) of three interning tables."""

# --- scratch memory -----------------------------------------------------------------------------------------


class Pending(Block):
    """A reading whose tokens are not yet added to the mask that is being made."""

    place: int
    lexeme: int
    column: int
    trie: int
    byte_filter: int
    """The number of a set of tokens (`ByteFilter`). Below 0 it is -1 - the number: the reading is only used
    for the record of a state like it, and its lexeme has not ended."""


MOST_PENDING: Final = 1 << 16
"""The most readings of one mask, a power of two."""
PENDING_KEY: Final = 5
"""The words of a `Pending` that tell it from others."""
SEEN_SLOTS, SEEN_SHIFT = 2 * MOST_PENDING, 16
"""The number of hash slots of the readings that the mask has met, and how a slot is packed: the number of the
mask, shifted by SEEN_SHIFT bits, and the number of the reading."""
BOTH_PARTS: Final = 2
"""The sets of `carry_bytes` of one carry: bytes after which nothing is owed, and bytes after which something
is still owed."""


class LexemeCrossing(Block):
    """A crossing: a node of the trie before whose byte a lexeme ends."""

    node: int
    """The number of the node; -1 - the number once a leftover has taken the crossing."""
    terminal: int
    carry: int
    shift: int


FOUND_WORDS: Final = 4
"""The words of an entry of `tokens_found`: a slot, the lexer state after its tokens, the shift of the column,
and the number of the group."""


class Depth(Block):
    """What a scan knows at one depth of the trie, after the bytes of the node there."""

    lexeme: int
    """The state of the lexer."""
    shift: int
    """What the bytes do to the newline's column (`shift_after`)."""
    like_state: int
    """The state that the other state, with which this one is compared, has come to; -1: none."""


class SafeRow(Block):
    """The classes of characters (`tokens.trie`) that are safe in a state of the lexer: after any of them, in
    any order, the lexeme goes on."""

    row: int
    """1: the row is known; 0: nothing is known to be safe; -1: it was not asked for yet."""
    low: int
    high: int
    """The safe classes, as bits: two words as in `VocabularyWords.signatures`."""
    reach: int
    """The number of characters up to which the classes are safe."""


DEPTH_WORDS: Final = words_of(Depth)
"""The words of a `Depth`."""


class Waiting(Block):
    """A subtree to which a scan comes back once a question is answered."""

    node: int
    base: int
    """The depth above the first node of its range."""
    own: int
    """1: only the tokens at the node itself wait; the nodes below it were scanned."""
    parent: Annotated[Depth, DEPTH_WORDS]
    """What the scan knows at the node above it."""


MOST_WAITING: Final = 1 << 14
"""The most subtrees of one scan that wait."""


class Scan(Block):
    """The progress of the last scan; a scan that waits for answers goes on from here."""

    owner: int
    """The serial number of the scan's grammar; 0: there is nothing to go on with."""
    trie: int
    lexeme: int
    token_count: int
    """The number of slots, or of tokens, that stay inside the lexeme so far."""
    crossing_count: int
    """The number of crossings so far."""
    waiting: int
    """The number of subtrees that wait. More than MOST_WAITING: there was no room, and the scan begins
    anew."""
    is_full: int
    """1: the scratch memory is full, or two states that are compared differ too often."""
    apart: int
    """The number of nodes so far after which the state and `Depth.like_state` differ."""
    is_compared: int
    """1: the scan compares the state with another one, and leaves to that one's record the tokens that both
    treat alike."""
    masks: int
    """The number of masks that were begun."""
    visited_count: int
    """The number of nodes that all scans have visited."""
    pending: int
    """The number of readings that the mask has met so far."""


class WorkRow(Block):
    """Room for a row that is about to be interned."""

    words: Annotated[Int64s, 16]


# --- the block of a grammar ---------------------------------------------------------------------------------


class Hooks(Block):
    """The entry points that know a kind of grammar, as codes (`jit.code_of`).

    Each docstring names the arguments of a call; the address of the grammar's block comes before them. A code
    of 0 means that the machine has no such entry point.
    """

    miss: int
    """(state, byte): answer the lexer's state after a byte whose cell is unknown; UNKNOWN or less: it was
    asked for."""
    read_bytes: int
    """(place, terminal, column): answer the place after a lexeme, REFUSED, or ASKED."""
    begin_lexeme: int
    """(place, carry): answer the lexer's state before a lexeme; below 0: there is none, or ASKED."""
    lives: int
    """(place, class of endings, column): answer 1 if some text goes on, 0 if none does, or ASKED. A code of
    0: there are no classes of endings, and a text goes on from each state of the lexer."""
    walk: int
    """(address of a `Pending`): add the tokens of a small trie to the mask; answer 0, ASKED or FULL. A code
    of 0: small tries have records too."""
    token_end: int
    """(state): answer the state after the end of a token (`token_ends`). A code of 0: a token may end in
    each state, and the state stays as it is."""
    safe: int
    """(state): answer the address of the `SafeRow` of a state; 0: nothing is known. A code of 0: nothing is
    known of any state."""
    ends: int
    """(state, byte): answer the terminal as which a lexeme ends before a byte; -1: it does not end there. A
    code of 0: `lexeme_ends` has the terminals."""


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
    """The tokens of groups and of tries. Machines that walk small tries keep lists here, too, each with -1
    after its last token."""
    filter_rows: Int32Table
    """Sets of tokens as rows of bits (`ByteFilter.row`, `LexemeRecord.like_row`)."""
    # the lexer
    moves: Int32s
    """[states, width]: the state after a class of bytes; REFUSED; CLOSES and a terminal; UNKNOWN or less."""
    width: int
    """The number of classes of bytes."""
    classes: Bytes
    """[256]: the class of each byte."""
    like: Int32s
    """[states]: another state whose record this state shares; -1: none; UNKNOWN: it was not looked for."""
    token_ends: Int32s
    """[states]: the state after the end of a token, with the codes of `moves`. An address of 0: tokens are
    not counted."""
    lexeme_end_at: Int32s
    """[states, 2]: the first and the last of the ways in which a state may end, in `lexeme_ends`. An address
    of 0: no lexeme ends before a byte."""
    lexeme_ends: Int32s
    """[ways, 2]: a terminal, and the carry for the next lexeme."""
    carry_moves: Bytes
    """[carries, width]: 0 for a byte that a carry forbids; 1: nothing is owed after it; 2: the carry goes on;
    UNASKED."""
    carry_bytes: Int64s
    """The same as sets of bytes, BOTH_PARTS sets for each carry."""
    begins: Bytes
    """[terminals, width]: whether the lexeme after a terminal may begin with a class of bytes."""
    begin_bytes: Int64s
    """The same as sets of bytes, one for each terminal."""
    end_class: Int32s
    """[states]: the class of endings; 0: the lexeme never ends; below 0: it is not known."""
    may_break: Bytes
    """[states]: whether the lexeme may be the indenter's newline."""
    newline: int
    """The terminal of the indenter's newline; -1: none."""
    tab: int
    """The columns that a tab takes."""
    keeps_column: int
    """1: the texts after a newline depend on the column that it has so far."""
    serial: int
    """The number of the grammar in this process."""
    closing: int
    """The classes of characters (low word) with which a lexeme may close (CLOSES); 0: none does."""
    may_follow: Bytes
    """uint8[states, 256]: an automaton that has all bytes that can follow the end of a lexeme; 0: none can.
    It begins in BEFORE_CLOSING before a byte that ends the lexeme (CLOSES), else in AFTER_END. An address of
    0: any bytes may follow."""
    most_apart: int
    """The most nodes after which a scan and the state that it is compared with may differ. Past them the scan
    is given up as FULL. 0: any number."""
    # scratch memory
    base_row: int
    """The first dense row that the mask contains whole; -1: none."""
    scan: At[Scan]
    depths: BlockRows[Depth]
    """What the scan knows at each depth of the trie."""
    tokens_found: Int32s
    """What stays inside the lexeme: FOUND_WORDS words for each slot; just tokens where nothing has
    classes."""
    crossings: BlockRows[LexemeCrossing]
    waiting: BlockRows[Waiting]
    most_crossings: int
    """The room of `crossings`, and of the entries of `tokens_found`."""
    merging: Int64s
    """The nodes of a trie that is being made; after them links to tokens, and the path of the walk."""
    marks_of_classes: Int32s
    """[classes of endings]: working memory of `lexeme_records.put_groups`; all 0 between two uses."""
    pending: BlockRows[Pending]
    work_hashes: Int64s
    mask: Int32s
    """The mask that is being made."""
    alike: Int32s
    """A row of bits: the tokens that the record in the making leaves to another state's record."""
    dense: Int32s
    """The rows of bits of the dense groups of the record that is being made."""
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
"""The first sizes of the tables of records, for the plan of a machine."""
SMALL_TRIE: Final = 256
"""Tries with fewer nodes are walked on the real stack: a record would be made for too few tokens."""
LARGE_TRIE: Final = 2048
"""Tries with this many nodes or more are not copied: they are ranges of their parent's nodes."""
MOST_COPIED: Final = 8192
"""The most nodes of a copy where most nodes cannot come after the end of a lexeme
(`LexemeContext.may_follow`)."""
