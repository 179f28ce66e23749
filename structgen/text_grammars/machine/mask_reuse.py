"""`MaskReuse`: most tokens of a mask can be copied from the mask of a similar state.

Two states of free text often go to the same state after most bytes. Behind such a byte both take the same
tokens. The mask of one is then known but for the tokens that begin with another byte.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from structgen.tokens.trie_nodes import fields_of
from structgen.tokens.vocabulary import Vocabulary

_STATES = 8
"""States that are remembered."""
LEAST_NODES = 1 << 14
"""A walk over fewer trie nodes than this costs less than a copy."""


class MaskReuse:
    """The last states with large masks, each with its row of the step table."""

    __slots__ = ("_below", "_classes", "_states", "_vocabulary")

    def __init__(self, vocabulary: Vocabulary, classes: bytes) -> None:
        """`classes`: the class of each byte, the column of a row."""
        self._vocabulary, self._classes = vocabulary, np.frombuffer(classes, np.uint8)
        self._states: dict[int, npt.NDArray[np.int32]] = {}
        self._below: npt.NDArray[np.int64] | None = None

    def remember(self, state: int, row: npt.NDArray[np.int32]) -> None:
        """Remember a state with a large mask. `row`: the state after each class of bytes, below 0 none."""
        if len(self._states) == _STATES:
            del self._states[next(iter(self._states))]
        self._states[state] = row.copy()

    def most_similar(self, row: npt.NDArray[np.int32]) -> tuple[int, npt.NDArray[np.bool_]] | None:
        """Return the state that shares the most trie nodes with a row, and the bytes ([256]) after which both
        go to the same state; None where they share too few nodes."""
        if not self._states:
            return None
        found, most = None, LEAST_NODES
        for state, other in self._states.items():
            same = (other == row)[self._classes]
            shared = int(self._nodes_below()[same & (row >= 0)[self._classes]].sum())
            if shared > most:
                found, most = (state, same), shared
        return found

    def beginning(self, bits: npt.NDArray[np.int32], firsts: npt.NDArray[np.bool_]) -> npt.NDArray[np.int32]:
        """Return the tokens of a row of bits whose first byte is among some ([256]). Cost: 0.1 ms."""
        return bits & self._vocabulary.beginning(firsts)

    def _nodes_below(self) -> npt.NDArray[np.int64]:
        """Return the number of trie nodes below each first byte."""
        if self._below is None:
            nodes, first = self._vocabulary.nodes, self._vocabulary.first[:256]
            there = np.flatnonzero(first >= 0)
            self._below = np.zeros(256, np.int64)
            self._below[there] = fields_of(nodes[first[there]].astype(np.int64)).end - first[there]
        return self._below
