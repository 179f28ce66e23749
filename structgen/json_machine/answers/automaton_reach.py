"""What a string automaton's states reach, and how far it is from there to an end: compiled for
`accepting_lengths`."""

from __future__ import annotations

import numba
import numpy as np
import numpy.typing as npt

from structgen.automata.programs.determinizer_tables import SAFE_COLUMN
from structgen.automata.strings.nodes import alphabet
from structgen.language.ir import UNKNOWN
from structgen.native.jit import entry

Array32 = npt.NDArray[np.int32]
Array64 = npt.NDArray[np.int64]
FAR = 1 << 20
"""More characters than any state needs that an end is known of."""


@entry("Tuple((int64, int64[::1]))(int32[:, ::1], int32[::1], int64[::1], int64, int64[::1])")
def spread(
    trans: Array32, index: Array32, states: Array64, count: int, frontier: Array64
) -> tuple[int, Array64]:
    """Add to the listed states those that the ones of the frontier lead to. Returns (how many are listed now,
    those of them that must be expanded first); (-1, ...) where the list is full.

    What is filled by columns (automata.arena.SAFE_COLUMN) leads to as many states as texts: it is passed by.
    """
    new, at, turn = 0, count, 0
    unknown = np.empty(len(states), np.int64)
    while turn < len(frontier) or at < count:
        if turn < len(frontier):
            state = frontier[turn]
            turn += 1
        else:
            state = states[at]
            at += 1
        last = numba.int32(-1)
        by_column = trans[state, SAFE_COLUMN] < UNKNOWN
        for column in range(trans.shape[1]):
            if by_column and (alphabet(column) or 0x80 <= column < 0xC0):
                continue
            target = trans[state, column]
            if target == UNKNOWN:
                unknown[new] = state
                new += 1
                break
            if target < 0 or target == last:
                continue
            last = target
            if index[target] < 0:
                if count == len(states):
                    return -1, unknown[:0].copy()
                states[count], index[target] = target, count
                count += 1
    return count, unknown[:new].copy()


@entry("int64[::1](int32[:, ::1], int32[::1], int64[::1], int32[::1])")
def nearest(trans: Array32, outcome: Array32, states: Array64, index: Array32) -> Array64:
    """Return how many characters each of the states still needs; they are all that are reachable."""
    far = np.empty(len(states), np.int64)
    for i in range(len(states)):
        far[i] = 0 if outcome[states[i]] >= 0 else FAR
    changed = True
    while changed:
        # from the back: what is near an end was mostly met late
        changed = False
        for i in range(len(states) - 1, -1, -1):
            least, last = far[i], numba.int32(-1)
            by_column = trans[states[i], SAFE_COLUMN] < UNKNOWN
            for column in range(trans.shape[1]):
                if by_column and (alphabet(column) or 0x80 <= column < 0xC0):
                    continue
                target = trans[states[i], column]
                if target < 0 or (target == last and column != 0x80 and column != 0xC0):
                    continue
                last = target
                least = min(least, far[index[target]] + (0 if column >= 0x80 and column < 0xC0 else 1))
            if least < far[i]:
                far[i] = least
                changed = True
    return far
