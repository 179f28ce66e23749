"""What a mask store keeps of one terminal state."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from structgen.masks.trie import TrieArrays


@dataclass(frozen=True, slots=True, eq=False)
class Crossing:
    """What tokens leave over that close a terminal with one outcome (a set of indices, the terminal's
    own)."""

    outcome: frozenset[int]
    trie: TrieArrays
    exact: npt.NDArray[np.int32]
    """Tokens that leave nothing over."""
    whole: bool
    """Whether whole tokens are left over too (a numeral ends before the token): they are in no trie of
    ours."""


@dataclass(frozen=True, slots=True, eq=False)
class Record:
    """The mask of one terminal state: `row` is a dense row of the store or -1, `tokens` are the others
    inside."""

    row: int
    tokens: npt.NDArray[np.int32]
    crossings: tuple[Crossing, ...]


class Content(NamedTuple):
    """A record on its way to a file or from one: its row, if it has one, is there as it is."""

    row: npt.NDArray[np.int32] | None
    tokens: npt.NDArray[np.int32]
    crossings: tuple[Crossing, ...]
