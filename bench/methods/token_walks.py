"""How the tokens of one vocabulary go through the bytes of another one's."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from methods.byte_frontier import TokenRanges

Places: TypeAlias = npt.NDArray[np.int64]
_MOST_WALKS: Final = 1024
"""The most walks that are kept: nearly all are of a few tokens."""


@dataclass(frozen=True, slots=True)
class Walks:
    """Tokens of theirs that go on with some bytes of ours. Numbers are places in the order of bytes
    (`TokenRanges`)."""

    rows: Places
    """A number of theirs for each of our tokens that it passes,"""
    passed: Places
    """and that token."""
    ends: Places
    """The numbers of those that end inside longer tokens of ours,"""
    heads: list[bytes]
    """the bytes of ours up to there,"""
    begins: Places
    """and the range of our tokens that are longer."""
    stops: Places


class TokenWalks:
    """The walks of others' tokens in ours."""

    def __init__(self, ours: TokenRanges, others: TokenRanges) -> None:
        self._ours, self._others = ours, others
        self._tokens: defaultdict[bytes, list[int]] = defaultdict(list)
        for data, token in zip(ours.data, ours.tokens.tolist(), strict=True):
            self._tokens[data].append(token)
        self.walks: Callable[[bytes, bytes], Walks] = lru_cache(maxsize=_MOST_WALKS)(self._walked)
        """Returns the walks behind the bytes `head` of ours, of the others' tokens that begin with `rest` and
        are longer, by their bytes behind it."""
        self.order = ours.tokens
        """Our tokens; those that begin with the same bytes are adjacent."""

    def _walked(self, head: bytes, rest: bytes) -> Walks:
        """Cost: a microsecond for each byte of these tokens."""
        passed, ends, heads = [], [], []
        longer = self._others.longer(rest)
        for at in range(longer.start, longer.stop):
            data = head + self._others.data[at][len(rest) :]
            for end in range(len(head) + 1, len(data) + 1):
                passed += [(at, token) for token in self._tokens.get(data[:end], ())]
            below = self._ours.longer(data)
            if below.start < below.stop:
                ends.append((at, below.start, below.stop))
                heads.append(data)
        rows, tokens = np.array(passed, np.int64).reshape(-1, 2).T
        places, begins, stops = np.array(ends, np.int64).reshape(-1, 3).T
        return Walks(rows, tokens, places, heads, begins, stops)
