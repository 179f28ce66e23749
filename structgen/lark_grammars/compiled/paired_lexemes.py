"""Records of lexemes that may have ended earlier, while the next lexeme is read in parallel.

For example, these bytes may be a comment, or may begin a newline; both are tracked until the line ends. Such
a lexeme has an old slot. Its record is for a pair of states: its own, and that of the lexeme read on from its
old slot. It has no leftovers: tokens at which one of the two ends are followed on the real stack.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from structgen.lark_grammars.compiled.lark_step import move_of
from structgen.lark_grammars.compiled.lexeme_records import shifted
from structgen.lark_grammars.compiled.live_texts import endings_of
from structgen.lark_grammars.compiled.registers import (
    AS_ROW,
    ELSE_NONE,
    ELSE_SHIFT,
    KIND_BITS,
    MOST_PAIRS,
    MOVE_BEFORE,
    MOVE_DEAD,
    MOVE_KEEP_OLD,
    MOVE_OLD,
    MOVE_ON,
    PAIR_AT,
    TO_BITS,
    TO_SHIFT,
    LarkContext,
    LexemeRecord,
)
from structgen.machine_core.layout import ASKED, MISS
from structgen.native.jit import entry, jit
from structgen.native.raw_memory import address_of
from structgen.native.typed_blocks import Int64s, address_of_block, skip, word_of, words_of
from structgen.store.mask_store import VocabularyStore
from structgen.tokens.trie_nodes import byte_of, depth_of, end_of, slot_of
from structgen.tokens.vocabulary import Vocabulary

NOTED_WORDS = 5
"""A note: -1, endings, slot; or a crossing, as in PAIR_CROSSING_WORDS."""
GONE = -1
"""The slot's state if there is no old slot."""


_MANY = 512
"""Groups of at least so many tokens are dense rows."""


@jit
def beside(c: LarkContext, slot: int, byte: int) -> int:
    """Return the state of the lexeme read on from a slot, after one more byte; GONE if that is an error;
    ASKED; or MISS if its lexeme ends or is ambiguous."""
    if slot == GONE:
        return GONE
    move = move_of(c, slot, byte)
    kind = move & KIND_BITS
    if move < 0:
        return ASKED
    if kind == MOVE_DEAD or kind == MOVE_OLD:
        return GONE
    return (move >> TO_SHIFT) & TO_BITS if kind == MOVE_ON else MISS


@entry("int64(int64, int64, int64, int64)")
def scan_pair(context: int, lexeme: int, slot: int, notes: int) -> int:
    """Note what the tokens of the vocabulary do in a lexeme state paired with the state read on from its old
    slot. Returns the number of notes, or ASKED. Cost: about 5 ns a node of the trie."""
    c = LarkContext(context)
    noted = Int64s(notes)
    k, trie, stack = c.tables, c.vocabulary.trie, Int64s(address_of_block(c.scratch))
    stack[8] = lexeme
    stack[9] = 0
    stack[10] = slot
    node, count, root, asked = 0, 0, 0, False
    while node < c.vocabulary.trie_count:
        word = trie[node]
        byte, depth = byte_of(word), depth_of(word)
        here = skip(stack, 8 * depth)
        if depth == 1:
            root = byte
        state, shift, other = here[0], here[1], here[2]
        move = move_of(c, state, byte)
        kind = move & KIND_BITS
        after, beyond = (move >> TO_SHIFT) & TO_BITS, GONE
        crosses = move >= 0 and kind != MOVE_ON and kind != MOVE_KEEP_OLD
        if move >= 0 and kind == MOVE_KEEP_OLD:
            beyond = beside(c, other, byte)
            crosses = beyond == MISS
            if beyond == GONE:
                after = move >> ELSE_SHIFT
                if after == ELSE_NONE:
                    crosses, kind = True, MOVE_DEAD
        if move < 0 or beyond == ASKED:
            asked = True
        elif crosses:
            ends = kind == MOVE_BEFORE or kind == MOVE_OLD
            if kind != MOVE_DEAD and not (ends and depth == 1) and not (kind == MOVE_OLD and other == GONE):
                noted[0] = node
                noted[1] = state
                noted[2] = shift
                noted[3] = other
                noted[4] = root
                noted = skip(noted, NOTED_WORDS)
                count += 1
        else:
            here[8] = after
            here[9] = shifted(k, shift, byte)
            here[10] = beyond
            slots = slot_of(word)
            if slots != 0:
                at = endings_of(c, after)
                asked = asked or at < 0
                noted[0] = -1
                noted[1] = at
                noted[2] = slots - 1
                noted = skip(noted, NOTED_WORDS)
                count += 1
            node += 1
            continue
        node = end_of(word)
    return ASKED if asked else count


class PairedLexemes:
    """The records of lexemes with an old slot, for one grammar and vocabulary."""

    def __init__(
        self, vocabulary: Vocabulary, masks: VocabularyStore, first_bytes: npt.NDArray[np.uint8]
    ) -> None:
        self._vocabulary, self._masks, self._first_bytes = vocabulary, masks, first_bytes
        self.table: npt.NDArray[np.int64] = np.zeros(1 + 2 * MOST_PAIRS, np.int64)
        """The block `LexemePairs`."""
        self._made: list[npt.NDArray[Any]] = []

    def room(self) -> npt.NDArray[np.int64]:
        """Return an array for the notes of one pair."""
        return np.empty(NOTED_WORDS * len(self._vocabulary.nodes), np.int64)

    def put(self, lexeme: int, slot: int, noted: npt.NDArray[np.int64]) -> None:
        """Store the record of a pair. Cost: some milliseconds if most tokens stay inside."""
        notes = noted.reshape(-1, NOTED_WORDS)
        inside = notes[:, 0] < 0
        groups, crossings = self._groups(notes, inside), notes[~inside].astype(np.int32)
        record = np.zeros(words_of(LexemeRecord), np.int64)
        record[LexemeRecord.group_count] = len(groups)
        record[word_of(LexemeRecord, "groups")] = address_of(groups)
        record[LexemeRecord.crossing_count] = len(crossings)
        record[word_of(LexemeRecord, "crossings")] = address_of(crossings)
        self._made += [groups, crossings, record]
        self.table[2 + 2 * self._number(lexeme, slot)] = address_of(record)

    def reopen(self, lexeme: int, slot: int) -> None:
        """Mark a pair as not asked, so that it is asked again."""
        self.table[2 + 2 * self._number(lexeme, slot)] = 0

    def reopen_all(self) -> None:
        """Mark all pairs without a record as not asked."""
        records = self.table[2::2]
        records[records < 0] = 0

    @property
    def nbytes(self) -> int:
        """Bytes of all records."""
        return sum(array.nbytes for array in self._made)

    def _number(self, lexeme: int, slot: int) -> int:
        keys: list[int] = self.table[1 : 1 + 2 * int(self.table[0]) : 2].tolist()
        return keys.index(lexeme + (slot << PAIR_AT))

    def _groups(self, notes: npt.NDArray[np.int64], inside: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
        """Return the tokens that stay inside, grouped by endings, in the format of records."""
        starts, ids = self._vocabulary.slot_start, self._vocabulary.slot_ids
        rows: list[tuple[int, int, int, int]] = []
        for endings in np.unique(notes[inside, 1]).tolist():
            slots = notes[inside & (notes[:, 1] == endings), 2]
            sizes = starts[slots + 1] - starts[slots]
            at = np.repeat(starts[slots] - (np.cumsum(sizes) - sizes), sizes) + np.arange(int(sizes.sum()))
            tokens = np.ascontiguousarray(ids[at], np.int32)
            counts = np.bincount(self._first_bytes[tokens], minlength=256)
            row = self._masks.intern_row(self._masks.dense_row(tokens)) if len(tokens) > _MANY else None
            if row is not None:
                firsts = (counts > 0).astype(np.uint8)
                self._made.append(firsts)
                rows.append((endings, row, address_of(firsts), AS_ROW))
                continue
            begins = np.zeros(257, np.int32)
            np.cumsum(counts, out=begins[1:])
            tokens = tokens[np.argsort(self._first_bytes[tokens], kind="stable")]
            self._made += [begins, tokens]
            rows.append((endings, address_of(tokens), address_of(begins), len(tokens)))
        return np.array(rows, np.int64).reshape(-1, 4)
