"""The mask store: what tokens do inside a terminal, for any grammar that meets the same automaton state.

A record is keyed by the vocabulary's fingerprint and the content of the automaton state; no grammar is in the key, so
all grammars, processes and runs share it. A record holds the tokens that stay *inside* the terminal (a dense row, or a
list where they are few) and, for each outcome with which it may close, what tokens leave over: the *crossings*, as a
small byte trie that is walked on the real stack. This is SynCode's pair of mask stores M0 and M1, made exact.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt

from structgen.masks.trie import TrieArrays
from structgen.masks.vocabulary import Vocabulary

DENSE = 1024
"""Tokens inside a terminal from which on they are kept as a dense row."""


@dataclass(frozen=True, slots=True, eq=False)
class Crossing:
    """What tokens leave over that close a terminal with one outcome (a set of indices, the terminal's own)."""

    outcome: frozenset[int]
    trie: TrieArrays
    exact: npt.NDArray[np.int32]
    """Tokens that leave nothing over."""
    whole: bool
    """Whether whole tokens are left over too (a numeral ends before the token): they are in no trie of ours."""


@dataclass(frozen=True, slots=True, eq=False)
class Record:
    """The mask of one terminal state: `row` is a dense row of the store or -1, `tokens` are the others inside."""

    row: int
    tokens: npt.NDArray[np.int32]
    crossings: tuple[Crossing, ...]

    @property
    def nbytes(self) -> int:
        """Bytes of memory, the dense row apart."""
        return int(self.tokens.nbytes) + sum(
            int(c.exact.nbytes) + sum(int(a.nbytes) for a in c.trie) for c in self.crossings
        )


class VocabularyStore:
    """The part of a store that belongs to one vocabulary. Rows are append-only and never move."""

    def __init__(self, vocabulary: Vocabulary, memory: int) -> None:
        words = vocabulary.words
        self.capacity = max(1, memory // (4 * words))
        # Reserved, not touched: the system gives pages as rows are written.
        self.rows: npt.NDArray[np.int32] = np.empty((self.capacity, words), np.int32)
        self.address = int(self.rows.__array_interface__["data"][0])
        self.used = 0
        self._vocab_size = vocabulary.vocab_size
        self._records: dict[bytes, Record] = {}
        self._by_content: dict[bytes, int] = {}
        self._lock = threading.Lock()
        self.lengths: object = None
        """What the compiler keeps for strings of bounded length (made from the vocabulary, never written to disk)."""

    def get(self, key: bytes) -> Record | None:
        """Return the record of a terminal state, or None."""
        return self._records.get(key)

    def put(self, key: bytes, inside: npt.NDArray[np.int32], crossings: tuple[Crossing, ...]) -> Record:
        """Keep and return a record; of two threads that made the same one, both get the first."""
        with self._lock:
            found = self._records.get(key)
            if found is not None:
                return found
            row = -1
            if len(inside) >= DENSE and self.used < self.capacity:
                row = self._add(self._dense(inside))
                inside = np.empty(0, np.int32)
            record = Record(row, inside, crossings)
            self._records[key] = record
            return record

    def _dense(self, tokens: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
        bits = np.zeros(self.rows.shape[1] * 32, np.uint8)
        bits[tokens] = 1
        return np.packbits(bits, bitorder="little").view(np.int32)

    def _add(self, row: npt.NDArray[np.int32]) -> int:
        content = row.tobytes()
        known = self._by_content.get(content)
        if known is not None:
            return known
        at = self.used
        self.rows[at] = row
        self.used = at + 1
        self._by_content[content] = at
        return at

    def intern_row(self, row: npt.NDArray[np.int32]) -> int | None:
        """Return the id of a whole mask as a row of the store, or None when the store is full."""
        with self._lock:
            known = self._by_content.get(row.tobytes())
            if known is None and self.used >= self.capacity:
                return None
            return self._add(row) if known is None else known

    @property
    def nbytes(self) -> int:
        """Bytes of memory in use."""
        return self.used * self.rows.shape[1] * 4 + sum(r.nbytes for r in list(self._records.values()))


class MaskStore:
    """A mask store in memory; grammars that are compiled with the same store share its records.

    `memory` bounds the dense rows, in bytes, of each vocabulary: past it masks are computed, not stored.
    """

    def __init__(self, path: Any = None, *, memory: int = 256 * 1024 * 1024) -> None:
        self._memory = memory
        self._parts: WeakKeyDictionary[Vocabulary, VocabularyStore] = WeakKeyDictionary()
        self._lock = threading.Lock()

    def of(self, vocabulary: Vocabulary) -> VocabularyStore:
        """Return the part of the store for a vocabulary."""
        with self._lock:
            part = self._parts.get(vocabulary)
            if part is None:
                part = self._parts[vocabulary] = VocabularyStore(vocabulary, self._memory)
            return part

    @property
    def nbytes(self) -> int:
        """Bytes of memory in use, all vocabularies together."""
        return sum(part.nbytes for part in list(self._parts.values()))


def default_store() -> MaskStore:
    """Return the store of this process that `store=None` means."""
    return _Default.get()


class _Default:
    _store: MaskStore | None = None
    _lock = threading.Lock()

    @classmethod
    def get(cls) -> MaskStore:
        with cls._lock:
            if cls._store is None:
                cls._store = MaskStore()
            return cls._store
