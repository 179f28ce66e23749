"""`MaskUnion`: the union of masks, of single tokens and of the end tokens."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from structgen.store.mask_store import VocabularyStore


class MaskUnion:
    """A mask that is put together from rows of the store, rows of bits, and lists of tokens."""

    __slots__ = ("_bits", "_lists", "_rows", "_store")

    def __init__(self, store: VocabularyStore) -> None:
        self._store = store
        self._rows: set[int] = set()
        self._bits: list[npt.NDArray[np.int32]] = []
        self._lists: list[npt.NDArray[np.int32]] = []

    def add(self, row: int, tokens: npt.NDArray[np.int32]) -> None:
        """Add a row of the store (-1: none) and tokens."""
        if row >= 0:
            self._rows.add(row)
        self._lists.append(tokens)

    def add_tokens(self, tokens: npt.NDArray[np.int32]) -> None:
        """Add tokens."""
        self._lists.append(tokens)

    def add_bits(self, bits: npt.NDArray[np.int32]) -> None:
        """Add a row of bits."""
        self._bits.append(bits)

    def intern(self, bits: npt.NDArray[np.int32]) -> int | None:
        """Return the number of a row of bits in the store, None where the store is full."""
        return self._store.intern_row(bits)

    def result(
        self, ends: npt.NDArray[np.int32], may_end: bool
    ) -> tuple[int, npt.NDArray[np.int32]] | npt.NDArray[np.int32]:
        """Return the union, with the end tokens exactly where the text may end.

        It is a row of the store (-1: none) and a list of tokens, in which some may stand twice; where the
        list would be longer than a row has words, it is a row of bits.
        """
        tokens = np.concatenate([*self._lists, ends]) if may_end else _without(self._lists, ends)
        if len(self._rows) <= 1 and not self._bits and len(tokens) < self._store.rows.shape[1]:
            row = next(iter(self._rows), -1)
            if row < 0 or may_end or not self._has_any(row, ends):
                return row, tokens
        bits = self._store.dense_row(tokens)
        for number in self._rows:
            bits |= self._store.rows[number]
        for one in self._bits:
            bits |= one
        return bits if may_end else bits & ~self._store.dense_row(ends)

    def _has_any(self, row: int, tokens: npt.NDArray[np.int32]) -> bool:
        """Return whether a row has any of some tokens."""
        words = self._store.rows[row, tokens >> 5]
        return bool((words >> (tokens & 31) & 1).any())


def _without(lists: list[npt.NDArray[np.int32]], ends: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
    """Return the tokens of some lists without the end tokens."""
    tokens = np.concatenate(lists)
    for end in ends.tolist():
        if (tokens == end).any():
            tokens = tokens[tokens != end]
    return tokens
