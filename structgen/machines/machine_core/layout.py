"""The memory that every compiled machine has: one block for each compiled grammar, and the tables of it.

A *state* is eight words, its *registers*: all that a machine knows of the text so far. Equal registers are
one row of the table `nodes`, so a state is known by the number of its row. A *mask* is one bit for each
token: may it come next? An *edge* is an answer that compiled code has found and keeps. A *question* is
something that compiled code cannot know: it notes the question, Python answers, and the call is made again. A
*walk* or a *scan* goes through the trie of the vocabulary's tokens. A *spot* is a place in working memory
where a state is kept during a walk.

Compiled code gets the address of the block; in all compiled functions `c` is this block. Tables grow by
doubling. The old memory of a table stays allocated as long as its grammar, so that a reader without the lock
sees old, valid memory.
"""

from __future__ import annotations

from typing import Annotated

from structgen.base.native.typed_blocks import At, Block, BlockRows, Bytes, Int32s, Int32Table, Int64s, Table

# --- what a step answers ------------------------------------------------------------------------------------
NO, YES, ASK, OUT, OUT_BEFORE, VAGUE = 0, 1, 2, 3, 4, 5
"""What a step over one byte answers. NO: no document goes on so. YES: the byte was taken. ASK: a question for
the grammar was noted. VAGUE: this walk cannot decide; the token is to be tried by itself. OUT, OUT_BEFORE: a
terminal that is read by itself (without the document around it) ended with this byte, or before it."""

# --- what an entry point answers ----------------------------------------------------------------------------
ASKED, MISS, LARGE, ENDED, REFUSED = -3, -4, -5, -6, -1
"""What an entry point answers in place of a result, all below 0. ASKED: questions were noted. MISS: the mask
is not known yet. LARGE: the list of the mask's tokens would be as long as a row of bits. ENDED: an end token
was taken. REFUSED: the bytes are not allowed."""

READING, FINISHED = 0, 15
"""Modes of a state that every machine has. FINISHED: an end token was taken. READING: none was taken, in
machines that tell no other modes apart."""
REGISTERS = 8
"""The words of a state."""
QUESTION_ROOM = 6
"""The kind of a question that asks for room in a table. Its first word is the number of the table, the second
how many rows are needed."""
MOST_QUESTIONS = 64
"""The most questions that are noted between two answers. The repeated call notes the others."""
ROOM_WORDS = 3 * 4096
"""The words of the working memory of a walk: at most three for each of the 4,096 bytes of the longest
token."""
BELOW = 1 << 14
"""The most slots that a part of a composed grammar finds below a node of the trie at once."""


class Registers(Block):
    """The registers of a state: eight words. Each machine names the seven after the first."""

    mode: int
    """What is being read: a number of the machine's own, or FINISHED."""


class NodeRow(Block):
    """The row of a state, with its memoised mask."""

    registers: Annotated[Registers, REGISTERS]
    dense_row: int
    """The number of a row of the mask store whose tokens the mask has; -1: none."""
    token_list: int
    """The place in `lists` of the other tokens of the mask; -1: the mask is not known yet. The list is the
    count of its tokens, and the tokens. Below -1: the mask is that of the state -2 - token_list of another
    grammar, whose block is at the address `dense_row`."""


class Edge(Block):
    """An answer that compiled code finds again, by a key of three words; for example, the state `target` that
    follows the state `first` after a token."""

    first: int
    second: int
    third: int
    target: int


class Question(Block):
    """Something that Python is to answer. Its kind says what the three words mean."""

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

    A *slot* is the set of tokens with the same bytes; most slots have one token. A *node* of the trie is one
    word. It has, from bit 0: the byte (8 bits), the depth (12 bits), the number of the slot and 1 (20 bits;
    0: no token ends here), and the node after the subtree (24 bits). Nodes lie depth first.
    """

    trie: Int64s
    trie_count: int
    first: Int32s
    """int32[257]: the child of the root for each byte; below 0: no token begins with it."""
    signatures: Int64s
    """uint64[n, 2]: for each node, the classes of characters in its subtree, as bits."""
    subtree_chars: Int32s
    """int32[n]: for each node, the most characters of a token below it."""
    slot_start: Int32s
    """int32[slots + 1]: the place in `slot_ids` where the tokens of each slot begin."""
    slot_ids: Int32s
    """The tokens of all slots, slot by slot."""
    slot: Int32s
    """For each token its slot; -1: the token has no text."""
    token_offset: Int64s
    """For each token, the place in `token_data` where its bytes begin."""
    token_data: Bytes
    size: int
    """The number of token ids."""
    mask_words: int
    """The 32-bit words of a mask."""
    longest: int
    """The number of characters of the longest token."""


class ByteSteps(Block):
    """The entry points by which a kind of grammar reads texts, as codes (`jit.code_of`).

    Each docstring below names the arguments of a call; the address of the grammar's block comes before them.
    A call answers below 0 where it has no result: REFUSED, ASKED, or a code of the machine's own. A text is
    read at *spots* of the machine's working memory. They are numbered 0, 1, ..., one for each depth of a
    trie.
    """

    begin: int
    """(state, spot): write a state to a spot. A code of 0: Python alone reads texts."""
    step: int
    """(spot, other, byte): write the state after a byte to another spot."""
    ends: int
    """(spot): answer 1 or more if the text may end in the state at a spot, else 0. Machines may use numbers
    above 1 for different ends."""
    target: int
    """(spot): answer the number of the state at a spot."""
    take: int
    """(state, token): answer the state after a token that is not an end token; UNKNOWN: Python must find it.
    A code of 0: the token is read byte by byte."""
    each: int
    """(state, token): answer as `take`, where many tokens of one state are asked for. It reads byte by byte,
    so that tokens share the states of their common beginnings. A code of 0: `take` is called."""


class Core(Block):
    """The block of a compiled grammar, as far as every machine has it. A machine's own block adds fields."""

    nodes: Table[NodeRow]
    edges: Table[Edge]
    lists: Int32Table
    questions: At[Questions]
    scratch: BlockRows[Registers]
    """The registers of a walk at each depth of the trie."""
    work: At[Block]
    """Scratch memory for rows that are about to be interned, and for spare registers."""
    byte_steps: ByteSteps
    finished_state: int
    """The number of the state after an end token; -1: it is not made yet."""
    ends: Int32s
    """The end tokens."""
    end_count: int
    dense_rows: Int32s
    """The rows of the mask store, one after the other."""
    buffer: Int32s
    """The tokens that a walk has collected. It has room for the whole vocabulary twice."""
    buffer_count: int
    deferred_tokens: Int32s
    """The tokens that a walk could not decide (VAGUE); they are tried by themselves."""
    deferred_count: int
    room: Int64s
    """The working memory of a walk, ROOM_WORDS words."""
    marks: Int32s
    """A bitmap of tokens, all 0 between two uses."""
    is_marked: int
    """1: some tokens are marked in `marks`."""
    vocabulary: VocabularyWords
