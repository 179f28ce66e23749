"""What a mask store keeps of one terminal state."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from structgen.tokens.trie import TrieArrays


@dataclass(frozen=True, slots=True, eq=False)
class Crossing:
    """What tokens leave over that close a terminal with one outcome (a set of indices, the terminal's
    own)."""

    outcome: frozenset[int]
    trie: TrieArrays
    exact: npt.NDArray[np.int32]
    """Tokens that leave nothing over."""
    words: tuple[int, ...] = field(init=False)
    """The crossing for compiled code, its outcome apart: addresses and lengths (asked once:
    it costs 0.7 us each)."""

    def __post_init__(self) -> None:
        trie = self.trie
        words = (
            _address(trie.nodes),
            len(trie.nodes),
            _address(trie.slot_start),
            _address(trie.slot_ids),
            _address(self.exact),
            len(self.exact),
        )
        object.__setattr__(self, "words", words)


@dataclass(frozen=True, slots=True, eq=False)
class Record:
    """The mask of one terminal state: `row` is a dense row of the store or -1, `tokens` are the others
    inside."""

    row: int
    tokens: npt.NDArray[np.int32]
    crossings: tuple[Crossing, ...]
    words: tuple[int, ...] = field(init=False)
    """The mask inside for compiled code: the row, the address of the tokens, how many they are."""
    block: npt.NDArray[np.int64] = field(init=False)
    """[crossings, 7]: the crossings for compiled code, outcomes 0."""

    def __post_init__(self) -> None:
        rows = [(0, *crossing.words) for crossing in self.crossings]
        object.__setattr__(self, "block", np.array(rows, np.int64).reshape(len(rows), 7))
        object.__setattr__(self, "words", (self.row, _address(self.tokens), len(self.tokens)))


def _address(array: npt.NDArray[Any]) -> int:
    return int(array.__array_interface__["data"][0])
