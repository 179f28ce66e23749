"""The memory that every compiled machine has: a block for each compiled grammar, and tables behind it.

Compiled code gets the address of the block; in all compiled functions `c` is this block. Tables grow by
doubling; a table that was outgrown stays allocated as long as its grammar, so that a reader without the lock
sees old, valid memory.
"""

from __future__ import annotations

from typing import Annotated

from structgen.base.native.typed_blocks import At, Block, BlockRows, Bytes, Int32s, Int32Table, Int64s, Table

# --- what a step answers ------------------------------------------------------------------------------------
NO, YES, ASK, OUT, OUT_BEFORE, VAGUE = 0, 1, 2, 3, 4, 5
"""NO: no document follows. ASK: a question for the grammar was noted. VAGUE: this walk cannot tell; the
token is to be tried by itself. OUT, OUT_BEFORE: a terminal that is looked at by itself closed with this byte,
or before it."""

# --- what an entry point answers ----------------------------------------------------------------------------
ASKED, MISS, LARGE, ENDED, REFUSED = -3, -4, -5, -6, -1
"""ASKED: questions were noted. MISS: the mask is not known yet. LARGE: its list would be as long as a row.
ENDED: an end token was taken. REFUSED: the bytes are not allowed."""

READING, FINISHED = 0, 15
"""Modes of a state in every machine: before an end token, where there is one mode; and after it."""
REGISTERS = 8
"""Words of a state."""
QUESTION_ROOM = 6
"""Kind of a question: make room in a table. First the number of the table, then for how many rows."""
MOST_QUESTIONS = 64
"""Questions that are noted between two answers; further ones are asked by the repeated call."""
ROOM_WORDS = 3 * 4096
"""Words of the working memory of a walk: at most three for each of the 4,096 bytes of the longest token."""
BELOW = 1 << 14
"""Slots that a part finds below a node at once, at most."""


class Registers(Block):
    """A state: eight words, of which each machine names its own. Equal states are one number."""

    mode: int


class NodeRow(Block):
    """The row of a state, with its memoised mask."""

    registers: Annotated[Registers, REGISTERS]
    dense_row: int
    """A row of the mask store that the mask contains, -1: none."""
    token_list: int
    """Where in `lists` the rest of the mask is, -1: the mask is not known yet. There: how many tokens, and
    the tokens. Below -1: the mask is that of the state -2 - token_list of another grammar, whose block is at
    the address `dense_row`."""


class Edge(Block):
    """An answer that compiled code finds again: three words of a key, and the target."""

    first: int
    second: int
    third: int
    target: int


class Question(Block):
    """Something that Python is to answer."""

    kind: int
    first: int
    second: int
    third: int


class Questions(Block):
    """The questions noted since the last answers."""

    count: int
    rows: Annotated[BlockRows[Question], 4 * MOST_QUESTIONS]


class VocabularyWords(Block):
    """The tokens as a trie of bytes: the same words for all grammars, in the order of `Vocabulary.pointers`.

    A word of the trie has, from bit 0: the byte, the depth (12 bits), the slot and 1 (20 bits, 0: no token
    ends here), and the node after the subtree (24 bits). A slot is the tokens with the same bytes.
    """

    trie: Int64s
    trie_count: int
    first: Int32s
    """int32[257]: the root's child for each byte."""
    signatures: Int64s
    """uint64[n, 2]: the classes of bytes in each subtree."""
    subtree_chars: Int32s
    """int32[n]: the most characters of a subtree's tokens."""
    slot_start: Int32s
    slot_ids: Int32s
    slot: Int32s
    """Of a token, -1: it never matches text."""
    token_offset: Int64s
    token_data: Bytes
    size: int
    mask_words: int
    longest: int
    """Characters of the longest token."""


class ByteSteps(Block):
    """The codes of entry points (`jit.code_of`) by which a kind of grammar reads texts. The address of the
    grammar's block comes first in each call; below 0 it answers REFUSED, ASKED, or a code of its own.

    A text is read in working memory of that kind, at *spots*: 0, 1, ..., one for each depth of a trie.
    """

    begin: int
    """(state, spot): have a state stand at a spot. 0 in place of a code: Python alone reads texts."""
    step: int
    """(spot, other, byte): have the state after a byte stand at another spot."""
    ends: int
    """(spot): 1 or more if the text may end there, 0."""
    target: int
    """(spot): the state that stands there."""
    take: int
    """(state, token): the state after a token that is not an end token; UNKNOWN where Python must find it. 0
    in place of a code: the token's bytes say it."""
    each: int
    """(state, token): the answer of `take`, where the states of many tokens are asked for: byte by byte, so
    that tokens share the states on their way. 0 in place of a code: as `take`."""


class Core(Block):
    """The block of a compiled grammar, as far as every machine has it: a `Context` begins so."""

    nodes: Table[NodeRow]
    edges: Table[Edge]
    lists: Int32Table
    questions: At[Questions]
    scratch: BlockRows[Registers]
    """Registers of a walk, by depth."""
    work: At[Block]
    """Rows that are about to be interned, and spare registers."""
    byte_steps: ByteSteps
    finished_state: int
    """The state after an end token; -1: not made yet."""
    ends: Int32s
    end_count: int
    dense_rows: Int32s
    """Rows of the mask store."""
    buffer: Int32s
    """Tokens collected by a walk: room for a whole vocabulary twice."""
    buffer_count: int
    deferred_tokens: Int32s
    """Tokens of which a walk could not tell."""
    deferred_count: int
    room: Int64s
    """Working memory of a walk: ROOM_WORDS."""
    marks: Int32s
    """A bitmap of tokens, all 0 between two uses."""
    is_marked: int
    """1: some are marked."""
    vocabulary: VocabularyWords
