"""`Alike`: states that go on in the same way after most bytes, as places in free text do.

After a byte that leads two states to the same state they take the same tokens. Of a state that differs after
a few bytes alone from one whose mask is known, the tokens are read that begin with these; the others are
those of the mask that is known.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from structgen.tokens.vocabulary import Vocabulary

_HELD = 8
"""States that are compared."""
_WORTH = 1 << 14
"""Nodes of the vocabulary's trie that are worth it not to be read."""


class Alike:
    """The last states whose masks have many tokens, and what they do with each byte."""

    __slots__ = ("_below", "_classes", "_states", "_vocabulary")

    def __init__(self, vocabulary: Vocabulary, classes: bytes) -> None:
        """`classes`: of each byte, in the rows that are compared."""
        self._vocabulary, self._classes = vocabulary, np.frombuffer(classes, np.uint8)
        self._states: dict[int, npt.NDArray[np.int32]] = {}
        self._below: npt.NDArray[np.int64] | None = None

    def note(self, state: int, row: npt.NDArray[np.int32]) -> None:
        """Note a state whose mask has many tokens. `row`: what is after each class of bytes; below 0 nothing
        is."""
        if len(self._states) == _HELD:
            del self._states[next(iter(self._states))]
        self._states[state] = row.copy()

    def nearest(self, row: npt.NDArray[np.int32]) -> tuple[int, npt.NDArray[np.bool_]] | None:
        """Return the state with the most tokens behind bytes after which it is as in a row, and which bytes
        these are ([256]); None where they are too few."""
        if not self._states:
            return None
        found, most = None, _WORTH
        for state, other in self._states.items():
            same = (other == row)[self._classes]
            worth = int(self._nodes()[same & (row >= 0)[self._classes]].sum())
            if worth > most:
                found, most = (state, same), worth
        return found

    def beginning(self, bits: npt.NDArray[np.int32], firsts: npt.NDArray[np.bool_]) -> npt.NDArray[np.int32]:
        """Return those tokens of a row of bits whose first byte is among some ([256]). Cost: 0.1 ms."""
        return bits & self._vocabulary.beginning(firsts)

    def _nodes(self) -> npt.NDArray[np.int64]:
        """Return how many nodes of the trie there are below each first byte."""
        if self._below is None:
            nodes, first = self._vocabulary.nodes, self._vocabulary.first[:256]
            there = np.flatnonzero(first >= 0)
            self._below = np.zeros(256, np.int64)
            self._below[there] = (nodes[first[there]] >> np.uint64(40)).astype(np.int64) - first[there]
        return self._below
