"""What tokens do inside a lexeme that may have ended before, while what follows that end is read on beside.

A comment is a line's end if the line ends, and else stands behind it.

Such a lexeme has an old slot, and its record is one of two states, its own and that of the lexeme that has
been read on. It has no tries: tokens at which one of the two ends are followed on the real stack.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numba
import numpy as np
import numpy.typing as npt

from structgen.json_machine.tables.layout import *
from structgen.lark_grammars.compiled.continuation_proofs import endings_of
from structgen.lark_grammars.compiled.lexeme_records import move_of
from structgen.lark_grammars.compiled.record_harvest import shifted
from structgen.lark_grammars.compiled.registers import *
from structgen.native.jit import entry, jit
from structgen.native.raw_memory import address_of, load64, store64

if TYPE_CHECKING:
    from structgen.store.mask_store import VocabularyStore
    from structgen.tokens.vocabulary import Vocabulary

NOTED_WORDS = 5
"""A note: -1, endings, slot; or a crossing, as in PAIR_ROW."""
GONE = -1
"""As the slot's state: there is no slot but new ones."""


_MANY = 512
"""Tokens of a group that is a dense row."""


@jit
def beside(c, slot, byte):
    """Return the state of what a slot has read on with a byte more, GONE where that is an error; below that,
    ASKED, or MISS where its lexeme ends or is not alone."""
    if slot == GONE:
        return numba.int64(GONE)
    move = move_of(c, slot, byte)
    kind = move & KIND_BITS
    if move < 0:
        return numba.int64(ASKED)
    if kind == MV_DEAD or kind == MV_OLD:
        return numba.int64(GONE)
    return (move >> TO_SHIFT) & TO_BITS if kind == MV_ON else numba.int64(MISS)


@entry("int64(int64, int64, int64, int64)")
def harvest_pair(c, lexeme, slot, noted):
    """Note what the tokens of the vocabulary do in a lexeme state whose old slot has read on to another one.
    Returns how many notes there are, or ASKED. Cost: some 5 ns a node of the trie."""
    k, trie, stack = load64(c, C_LARK), load64(c, C_TRIE), load64(c, C_SCRATCH)
    store64(stack, 8, lexeme)
    store64(stack, 9, 0)
    store64(stack, 10, slot)
    node, count, root, asked = 0, 0, numba.int64(0), False
    while node < load64(c, C_TRIE_COUNT):
        word = load64(trie, node)
        byte, depth, skip = word & 0xFF, (word >> 8) & 0xFFF, (word >> 40) & 0xFFFFFF
        here = stack + 64 * depth
        if depth == 1:
            root = byte
        state, shift, other = load64(here, 0), load64(here, 1), load64(here, 2)
        move = move_of(c, state, byte)
        kind = move & KIND_BITS
        after, beyond = (move >> TO_SHIFT) & TO_BITS, numba.int64(GONE)
        crosses = move >= 0 and kind != MV_ON and kind != MV_KEEP_OLD
        if move >= 0 and kind == MV_KEEP_OLD:
            beyond = beside(c, other, byte)
            crosses = beyond == MISS
            if beyond == GONE:
                after = move >> ELSE_SHIFT
                if after == ELSE_NONE:
                    crosses, kind = True, numba.int64(MV_DEAD)
        if move < 0 or beyond == ASKED:
            asked = True
        elif crosses:
            ends = kind == MV_BEFORE or kind == MV_OLD
            if kind != MV_DEAD and not (ends and depth == 1) and not (kind == MV_OLD and other == GONE):
                store64(noted, 0, node)
                store64(noted, 1, state)
                store64(noted, 2, shift)
                store64(noted, 3, other)
                store64(noted, 4, root)
                noted += 8 * NOTED_WORDS
                count += 1
        else:
            store64(here, 8, after)
            store64(here, 9, shifted(k, shift, byte))
            store64(here, 10, beyond)
            slots = (word >> 20) & 0xFFFFF
            if slots != 0:
                at = endings_of(c, after)
                asked = asked or at < 0
                store64(noted, 0, -1)
                store64(noted, 1, at)
                store64(noted, 2, slots - 1)
                noted += 8 * NOTED_WORDS
                count += 1
            node += 1
            continue
        node = skip
    return ASKED if asked else count


class PairedLexemes:
    """The records of lexemes with an old slot, of one grammar and vocabulary."""

    def __init__(
        self, vocabulary: Vocabulary, masks: VocabularyStore, first_bytes: npt.NDArray[np.uint8]
    ) -> None:
        self._vocabulary, self._masks, self._first_bytes = vocabulary, masks, first_bytes
        self.table: npt.NDArray[np.int64] = np.zeros(1 + 2 * MOST_PAIRS, np.int64)
        """As K_PAIRS."""
        self._made: list[npt.NDArray[Any]] = []

    def room(self) -> npt.NDArray[np.int64]:
        """Return an array for the notes of one pair."""
        return np.empty(NOTED_WORDS * len(self._vocabulary.nodes), np.int64)

    def put(self, lexeme: int, slot: int, noted: npt.NDArray[np.int64]) -> None:
        """Enter the record of a pair. Cost: some milliseconds where most tokens stay inside."""
        notes = noted.reshape(-1, NOTED_WORDS)
        inside = notes[:, 0] < 0
        groups, crossings = self._groups(notes, inside), notes[~inside].astype(np.int32)
        record = np.zeros(R_WORDS, np.int64)
        record[R_GROUP_COUNT], record[R_GROUPS] = len(groups), address_of(groups)
        record[R_CROSSING_COUNT], record[R_CROSSINGS] = len(crossings), address_of(crossings)
        self._made += [groups, crossings, record]
        self.table[2 + 2 * self._number(lexeme, slot)] = address_of(record)

    def reopen(self, lexeme: int, slot: int) -> None:
        """Have a pair asked for again."""
        self.table[2 + 2 * self._number(lexeme, slot)] = 0

    def ask_again(self) -> None:
        """Have all pairs asked for again that were asked for and not answered."""
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
        """Return the tokens that stay inside, by endings, as records have them."""
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
