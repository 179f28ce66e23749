"""What tokens do inside a lexeme, made into a record's arrays (`lexeme_records`)."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.ma  # numba asks for it at the first call with an array: that would be amid a mask
import numpy.typing as npt

from structgen.lark_grammars.compiled import record_harvest
from structgen.lark_grammars.compiled import registers as K
from structgen.lark_grammars.compiled.subtrie_merging import merged
from structgen.native.raw_memory import address_of
from structgen.store.mask_store import VocabularyStore
from structgen.tokens.vocabulary import Vocabulary

_MANY = 64
_PIECES, _MOST_PIECES = 1 << 12, 1 << 16
"""Words of pieces that there is room for at first, and at most."""
_MOST_SEGMENTS = 1 << 10
_PARTS = 7
"""Parts of the scratch."""
_BEGINNINGS = 256
"""Dense rows by first bytes that are remembered."""


class Trie(NamedTuple):
    """A trie of texts that tokens have, or have left over: its number, addresses, and how many nodes."""

    number: int
    nodes: int
    starts: int
    ids: int
    size: int


class Made(NamedTuple):
    """An array that compiled code reads."""

    array: npt.NDArray[Any]
    addresses: Sequence[int] | npt.NDArray[np.signedinteger] = ()
    """Which of its words (int64) are addresses in arrays that were made; 0 is none."""
    rows: Sequence[int] | npt.NDArray[np.signedinteger] = ()
    """Which of its words are numbers of dense rows."""


class Records(NamedTuple):
    """The records of a book: numbers of dense rows (below 0: of those that lie beside them), and offsets in
    `made`, one after another of all arrays that it has addresses of."""

    records: npt.NDArray[np.int64]
    """[1 + tries, states]: of the vocabulary's trie and each of `tries`, where the record of a state is, and
    1; 0: there is none."""
    tries: npt.NDArray[np.int64]
    made: npt.NDArray[np.int64]
    addresses: npt.NDArray[np.int64]
    """Which words of `made` are offsets in it."""
    rows: npt.NDArray[np.int64]
    """Which are numbers of dense rows."""

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays."""
        return sum(one.nbytes for one in self)

    @property
    def dense(self) -> None:
        """All their dense rows are the mask store's."""

    @classmethod
    def none(cls, states: int) -> Records:
        """Return none of so many states."""
        nothing = np.empty(0, np.int64)
        return cls(np.zeros((1, states), np.int64), nothing, nothing, nothing, nothing)

    def read(self) -> Records:
        """Return the records."""
        return self


class _Left(NamedTuple):
    """What is left over behind some nodes."""

    words: npt.NDArray[np.int64]
    """Of the trie."""
    row: tuple[int, int, int]
    """The address of the words; of the tokens that end there, and how many."""


class _LaidOut(NamedTuple):
    """What `record_harvest.fill` writes."""

    record: npt.NDArray[np.int64]
    lists: npt.NDArray[np.int32]
    bits: npt.NDArray[np.int32]
    """Until the next one is laid out."""
    marks: npt.NDArray[np.int32]
    addresses: int


class Shape:
    """Makes records over one vocabulary; groups of many tokens are dense rows of its store."""

    def __init__(
        self, vocabulary: Vocabulary, masks: VocabularyStore, newline: int, made: list[Made]
    ) -> None:
        """`newline`: the indenter's, -1: there is none. `made` receives all arrays whose addresses are told
        to compiled code, before they are told."""
        self.vocabulary, self._masks, self._made = vocabulary, masks, made
        self._beginnings: dict[tuple[int, ...], npt.NDArray[np.int32]] = {}
        self.first_bytes = vocabulary.first_bytes()
        self._firsts: dict[int, tuple[int, ...]] = {}
        """The first bytes that tokens of dense rows have, 256 bits in four words."""
        nodes, starts, ids = vocabulary.nodes, vocabulary.slot_start, vocabulary.slot_ids
        self._tries = {0: Trie(0, address_of(nodes), address_of(starts), address_of(ids), len(nodes))}
        """The vocabulary's, and those that were left over, by the addresses of their words."""
        self._merged: dict[tuple[int, bytes, int], _Left] = {}
        """What is left over, by what was put together: a trie, its nodes, and whether without their bytes."""
        self._words = np.zeros(K.H_WORDS, np.int64)
        self._address = address_of(self._words)
        self._segments = np.empty(2 * _MOST_SEGMENTS, np.int64)
        self._scratch, self._room = np.empty(1 << 12, np.int64), np.empty(1 << 10, np.int32)
        words = self._words
        words[K.H_SEGMENTS], words[K.H_SCRATCH] = address_of(self._segments), address_of(self._scratch)
        words[K.H_NEWLINE], words[K.H_FIRST_BYTES] = newline, address_of(self.first_bytes)
        words[K.H_MANY] = self._many = max(_MANY, masks.words // 8)
        """Tokens of a group that is a dense row: most such rows are of many states."""
        words[K.H_WIDTH] = K.FIRST_WORDS + masks.words
        self._pieces: npt.NDArray[np.int64] = np.empty(0, np.int64)
        self._table: npt.NDArray[np.int32] = np.empty(0, np.int32)
        self._give_room(_PIECES)

    def beginning(self, firsts: Sequence[int]) -> npt.NDArray[np.int32]:
        """Return the dense row of the tokens with some first bytes, 256 bits in four words. Cost: 0.1 ms, the
        first time."""
        key = tuple(firsts)
        known = self._beginnings.get(key)
        if known is None:
            if len(self._beginnings) >= _BEGINNINGS:
                self._beginnings.clear()
            chosen = np.unpackbits(np.array(firsts, np.int64).view(np.uint8), bitorder="little")
            known = self._beginnings[key] = self.vocabulary.beginning(chosen.astype(np.bool_))
        return known

    def begin_all(self, row: int, firsts: Sequence[int]) -> bool:
        """Return whether all tokens of a dense row are known to have one of some first bytes."""
        return self._firsts.get(row) == tuple(firsts)

    def harvest(self, context: int, lexeme: int, words: int) -> int:
        """Note what the tokens of a trie, 0 or the address of its words, do in a lexeme state. Returns 0, or
        ASKED. Cost: 5 us where the states behind first bytes were met, else some 3 ns a node."""
        trie, held = self._trie(words), self._words
        held[: K.H_NUMBER + 1] = trie.nodes, trie.size, trie.starts, trie.ids, trie.number
        if 8 * int(held[K.H_USED]) > 7 * _MOST_PIECES:
            held[K.H_USED] = 0
            self._give_room(len(self._pieces))
        while True:
            code = int(record_harvest.harvest(context, lexeme, self._address))
            if code != K.FULL:
                return code
            self._give_room(2 * len(self._pieces))

    @property
    def nbytes(self) -> int:
        """Bytes of pieces."""
        return self._pieces.nbytes + self._table.nbytes

    def record(self, words: int) -> tuple[npt.NDArray[np.int64], list[npt.NDArray[np.int64]]]:
        """Return a record of what was noted just now of a trie, and the words of those of its tries that may
        have records of their own. Cost: some 50 us, 1 ns for each token that stays inside, and what is left
        over that was not before."""
        trie, held = self._trie(words), self._words
        part = held[K.H_PART] = int(held[K.H_NOTED]) // 2 + 1
        if _PARTS * part > len(self._scratch):
            scratch = np.empty(2 * _PARTS * part, np.int64)
            self._scratch, held[K.H_SCRATCH] = scratch, address_of(scratch)
        held[K.H_MANY] = self._many
        record, lists, bits, marks, count = self._laid_out()
        interned = [self._masks.intern_row(row) for row in bits[:, K.FIRST_WORDS :]]
        numbers = [number for number in interned if number is not None]
        if len(numbers) < len(interned):
            # the store has no room for some of them
            held[K.H_MANY] = 1 << 40
            record, lists, bits, marks, count = self._laid_out()
            numbers = []
        rows = marks[len(marks) - len(numbers) :]
        record[rows] = numbers
        firsts = np.ascontiguousarray(bits[:, : K.FIRST_WORDS]).view(np.int64).tolist()
        self._firsts.update(zip(numbers, map(tuple, firsts), strict=True))
        left = self._left_over(trie, part)
        record[len(record) - K.TRIE_ROW * len(left) :] = [
            word for terminal, moved, one in left for word in (terminal, moved, *one.row)
        ]
        tries = [one.words for _terminal, _moved, one in left if one.words[K.D_COUNT] >= K.LARGE_TRIE]
        self._made += (Made(lists), Made(record, marks[:count], rows))
        return record, tries

    def _laid_out(self) -> _LaidOut:
        """Lay out a record, but for its tries and the numbers of its rows."""
        held = self._words
        lists = np.zeros(record_harvest.measure(self._address), np.int32)
        groups, rows, left = held[K.H_GROUPS : K.H_LEFT + 1].tolist()
        record = np.empty(K.R_WORDS + 4 * groups + K.TRIE_ROW * left, np.int64)
        width, marked = int(held[K.H_WIDTH]), 3 + 2 * groups + 2 * left + rows
        if rows * width + marked > len(self._room):
            self._room = np.empty(2 * (rows * width + marked), np.int32)
        bits, marks = self._room[: rows * width], self._room[rows * width :][:marked]
        at = address_of(bits)
        held[K.H_RECORD : K.H_MARKS + 1] = address_of(record), address_of(lists), at, at + bits.nbytes
        count = record_harvest.fill(self._address)
        return _LaidOut(record, lists, bits.reshape(rows, width), marks.copy(), count)

    def _trie(self, words: int) -> Trie:
        """Return the trie with the words at an address, 0: the vocabulary's."""
        found = self._tries.get(words)
        if found is None:
            nodes, count, starts, ids = array_at(words, K.D_RECORDS, np.int64).tolist()
            found = self._tries[words] = Trie(len(self._tries), nodes, starts, ids, count)
        return found

    def _give_room(self, room: int) -> None:
        """Have room for that many words of pieces, those that are there among them."""
        held = self._words
        pieces, table, used = np.empty(room, np.int64), np.zeros(room, np.int32), int(held[K.H_USED])
        pieces[:used] = self._pieces[:used]
        words = [K.H_PIECES, K.H_TABLE, K.H_ROOM, K.H_MASK, K.H_MORE]
        values = [address_of(pieces), address_of(table), room, room - 1, int(room < _MOST_PIECES)]
        ahead = held.copy()
        ahead[words] = values
        record_harvest.index(address_of(ahead))
        # in one statement: an exception must find compiled code at arrays that are held
        self._pieces, self._table, held[words] = pieces, table, values

    def _left_over(self, trie: Trie, part: int) -> list[tuple[int, int, _Left]]:
        """Return what is left over behind the nodes that were measured (parts of the scratch have `part`
        words), each with the terminal and what bytes do to its column."""
        count = int(self._words[K.H_LEFT])
        keys, ends, nodes = (self._scratch[at * part :] for at in (2, 3, 4))
        names, begin = [], 0
        for key, end in zip(keys[:count].tolist(), ends[:count].tolist(), strict=True):
            names.append((trie.number, nodes[begin:end].tobytes(), key & 1))
            begin = end
        new = list(dict.fromkeys(name for name in names if name not in self._merged))
        if new:
            wanted = [(np.frombuffer(roots, np.int64), below) for _number, roots, below in new]
            made = merged((trie.nodes, trie.starts, trie.ids), wanted)
            at = address_of(made.words) + 8 * K.D_WORDS * np.arange(len(new))
            marks = K.D_WORDS * np.arange(len(new))[:, None] + (K.D_NODES, K.D_STARTS, K.D_IDS)
            self._made += (Made(made.nodes), Made(made.numbers), Made(made.words, marks.reshape(-1)))
            for name, words, *row in zip(new, made.words, at.tolist(), *made.ended.T.tolist(), strict=True):
                self._merged[name] = _Left(words, tuple(row))
        found = []
        for key, name in zip(keys[:count].tolist(), names, strict=True):
            terminal = (key + (1 << K.KEY_AT - 1)) >> K.KEY_AT
            found.append((terminal, (key - (terminal << K.KEY_AT)) >> 1, self._merged[name]))
        return found


def array_at(address: int, count: int, dtype: Any) -> npt.NDArray[Any]:
    """Return what lies at an address as an array; whoever calls keeps it alive."""
    size = count * np.dtype(dtype).itemsize
    return np.frombuffer((ctypes.c_uint8 * size).from_address(address), dtype)
