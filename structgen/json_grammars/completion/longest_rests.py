"""How long the shortest rest of a string can be, from whichever state of its automaton."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable

import numpy as np
import numpy.typing as npt

_QUOTE, _BACKSLASH, _DELETE = 34, 92, 127
_PLAIN = np.isin(np.arange(256), (*range(32), _QUOTE, _BACKSLASH, _DELETE), invert=True)
"""The bytes that JSON writes as they are."""
_PLAIN_ASCII = _PLAIN & ~np.isin(np.arange(256), range(0xC0, 256))
"""In ASCII: and those inside a character, for it is nowhere that a text breaks off."""


def longest_rest(
    after: npt.NDArray[np.int64],
    met: npt.NDArray[np.int32],
    demands: Iterable[tuple[int, Collection[int]]],
    need: int,
    missing: frozenset[int],
    *,
    ascii: bool,
) -> int | None:
    """Return in how many bytes of JSON each state that can meet a demand has `need` strings that meet it;
    None if there is one that has fewer.

    `after`: [states, columns], the state behind a byte of the decoded string, -1: none; `met`: what a string
    is that ends in a state; `demands`: which demands each of these meets. Only bytes that JSON writes as they
    are count, without those that are missing, so the number is rather too large. Cost: 30 ns for each state
    and byte.
    """
    count = len(after)
    begin, columns = np.nonzero(after >= 0)
    ends = after[begin, columns]
    plain = (_PLAIN_ASCII if ascii else _PLAIN)[np.minimum(columns, 255)] & (columns < 256)
    plain &= ~np.isin(columns, [*missing])
    all_ways = np.bincount(begin[plain] * count + ends[plain])
    steps, leads = np.flatnonzero(all_ways), np.flatnonzero(np.bincount(begin * count + ends))
    ways = all_ways[steps]
    outcomes: dict[int, list[int]] = {}
    for outcome, meets in demands:
        for demand in meets:
            outcomes.setdefault(demand, []).append(outcome)
    most = 0
    for these in outcomes.values():
        accepting = np.isin(met, these)
        reaching = _reaching(*np.divmod(leads, count), accepting)
        size = _needed(*np.divmod(steps, count), ways, accepting, reaching, need)
        if size is None:
            return None
        most = max(most, size)
    return most


def _reaching(
    begin: npt.NDArray[np.int64], end: npt.NDArray[np.int64], accepting: npt.NDArray[np.bool_]
) -> npt.NDArray[np.bool_]:
    """Return from which states edges lead to an accepting one."""
    found, met = accepting.copy(), -1
    while met != (met := int(found.sum())):
        found[begin[found[end]]] = True
    return found


def _needed(
    begin: npt.NDArray[np.int64],
    end: npt.NDArray[np.int64],
    ways: npt.NDArray[np.int64],
    accepting: npt.NDArray[np.bool_],
    reaching: npt.NDArray[np.bool_],
    need: int,
) -> int | None:
    """Return in how many steps there are `need` ways to accepting states from each of some states."""
    last = accepting.astype(np.float64)
    total, size = last.copy(), 0
    while (total[reaching] < need).any():
        if size > len(accepting) + 4 * math.log2(need):
            return None
        last = np.minimum(np.bincount(begin, ways * last[end], len(last)), need)
        total, size = total + last, size + 1
    return size
