"""The walks of one vocabulary's tokens along another's, byte by byte."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from structgen.engine.composed_models.byte_frontier import TokenRanges

Places: TypeAlias = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Walks:
    """How the tokens of another vocabulary walk along ours. Numbers of tokens are their places in the order
    of bytes (`TokenRanges`)."""

    rows: Places
    """A number of theirs for each of our tokens that it passes,"""
    passed: Places
    """and that token."""
    ends: Places
    """The numbers of those that end inside longer tokens of ours,"""
    insides: list[bytes]
    """what each of these has written of those tokens,"""
    begins: Places
    """and their numbers."""
    stops: Places


def walks_along(ours: TokenRanges, theirs: TokenRanges, start: bytes, rest: bytes) -> Walks:
    """Return the walks of their tokens that begin with `rest`, by their bytes behind it, along our tokens
    behind `start`. Cost: some microseconds for each step that both take."""
    rows: list[Places] = []
    passed: list[Places] = []
    ends: list[int] = []
    insides: list[bytes] = []
    below: list[tuple[int, int]] = []
    stack = [(start, rest)]
    while stack:
        above, before = stack.pop()
        for own in ours.going_on(above):
            data = before + own[-1:]
            other = theirs.beginning(data)
            if other.start == other.stop:
                continue
            exact, longer = ours.exactly(own), ours.longer(own)
            for token in range(exact.start, exact.stop):
                rows.append(np.arange(other.start, other.stop))
                passed.append(np.full(other.stop - other.start, ours.tokens[token]))
            if longer.stop > longer.start:
                ended = theirs.exactly(data)
                ends += range(ended.start, ended.stop)
                insides += [own] * (ended.stop - ended.start)
                below += [(longer.start, longer.stop)] * (ended.stop - ended.start)
                stack.append((own, data))
    none = np.empty(0, np.int64)
    begins, stops = np.array(below, np.int64).reshape(-1, 2).T
    return Walks(
        np.concatenate([none, *rows]),
        np.concatenate([none, *passed]),
        np.array(ends, np.int64),
        insides,
        begins,
        stops,
    )
