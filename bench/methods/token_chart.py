"""Inside and outside sums over slots for a token pushdown, in one of two semirings (`context_free_fill`).

A call behind a slot opens a *frame*: it has that slot and a state to begin with. From left to right,
inside[k][q, x] is the weight of all ways in which frame x comes from its beginning to state q before slot k,
with nothing open above it. A token may pop a frame; then the frames that called it go on with the remainder,
and may be popped themselves, in a next *stage* of the same slot. The same steps in reverse give the
derivative of the weight of all texts by that of each token class. Cost: slots^3 * (states in which frames
begin)^2 * remainders at most; frames that are not popped cost nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np

from methods.token_pushdown import Plan, TokenPushdown

Array = np.ndarray


@dataclass(frozen=True)
class Ring:
    """A semiring: its numbers, and how compiled loops join them."""

    zero: float
    one: float
    plus: Any
    times: Any


_add = numba.njit(lambda a, b: a + b)
SUM = Ring(0.0, 1.0, _add, numba.njit(lambda a, b: a * b))
MAX = Ring(-math.inf, 0.0, numba.njit(lambda a, b: a if a > b else b), _add)


def inside_outside(t: TokenPushdown, ring: Ring, weights: Array) -> tuple[float, Array]:
    """Return the weight of all texts, and of those with each token, or an empty slot, at each slot.
    `weights`: of each token and of an empty slot [slots, V + 1]."""
    numbers = ring.zero, ring.one, ring.plus, ring.times
    return _inside_outside(t.plan, t.token_class, weights, *numbers)  # type: ignore[no-any-return]


@numba.njit(fastmath={"reassoc", "nnan", "nsz"})  # sums in any order: several numbers at once
def _join(found: Array, some: Array, weight: float, plus: Any, times: Any) -> None:
    """Add some numbers, each times a weight."""
    for a in range(len(some)):
        found[a] = plus(found[a], times(some[a], weight))


@numba.njit(fastmath={"reassoc", "nnan", "nsz"})
def _inside_outside(
    plan: Plan, token_class: Array, weights: Array, zero: float, one: float, plus: Any, times: Any
) -> tuple[float, Array]:
    moves, edges, calls, ways, returns, sizes = plan
    states, kinds, backs, begins, most = sizes
    slots, null = weights.shape[0], weights.shape[1] - 1
    size = 1 + slots * begins  # frame 0 is the text's
    inside = np.full((slots + 1, states + kinds, size), zero)
    popped = np.full((slots, most, kinds, size), zero)
    called = np.full((backs, size, size), zero)  # the frame called, the frame that called it
    callers = np.zeros(size, np.int64)
    frame = np.zeros((slots, begins), np.int64)
    step = np.full((slots, len(moves)), zero)
    share, then = np.full((2, len(ways), size), zero)
    by_move, by_class = np.full(len(moves), zero), np.full(token_class.max() + 2, zero)
    frames, stages = np.ones(slots, np.int64), np.zeros(slots, np.int64)
    tails = np.full(slots + 1, one)  # of leaving all slots empty from each one on
    for k in range(slots - 1, -1, -1):
        tails[k] = times(tails[k + 1], weights[k, null])
    found, total, n = np.full(weights.shape, zero), zero, 1
    inside[0, 0, 0] = one
    for k in range(slots):
        for call, back, begin, number in calls:
            if inside[k, call, :n].max() > zero:
                if not frame[k, number]:
                    frame[k, number], n = n, n + 1
                x = frame[k, number]
                inside[k, begin, x], callers[x] = one, n
                _join(called[back, x], inside[k, call, :n], one, plus, times)
        frames[k] = n
        by_class[:] = zero
        for token in range(null):
            by_class[token_class[token]] = plus(by_class[token_class[token]], weights[k, token])
        for move, column in edges:
            step[k, move] = plus(step[k, move], by_class[column])
        found[k, null] = total  # a slot is empty in texts that end before it
        for m in range(len(moves)):
            state, after = moves[m]
            if step[k, m] > zero:
                _join(inside[k + 1, after], inside[k, state, :n], step[k, m], plus, times)
        while True:
            stage = stages[k]
            popped[k, stage] = inside[k + 1, states:]
            inside[k + 1, states:] = zero
            total = plus(total, times(popped[k, stage, 0, 0], tails[k + 1]))
            share[:], is_left = zero, False
            for way in range(len(ways)):
                back, u = ways[way]
                for x in range(1, n):
                    if popped[k, stage, u, x] > zero:
                        is_left = True
                        _join(share[way], called[back, x, : callers[x]], popped[k, stage, u, x], plus, times)
            if not is_left:
                break
            for way, after in returns:
                _join(inside[k + 1, after], share[way, :n], one, plus, times)
            stages[k] += 1
    outside, goes_on = np.full((states + kinds, size), zero), np.full(called.shape, zero)
    for k in range(slots - 1, -1, -1):
        n, outside[states, 0] = frames[k], tails[k + 1]
        for stage in range(stages[k] - 1, -1, -1):
            then[:] = zero
            for way, after in returns:
                _join(then[way], outside[after, :n], one, plus, times)
            outside[states:], outside[states, 0] = zero, tails[k + 1]
            for way in range(len(ways)):
                back, u = ways[way]
                for x in range(1, n):
                    weight, met = popped[k, stage, u, x], zero
                    if weight > zero:
                        for a in range(callers[x]):
                            met = plus(met, times(called[back, x, a], then[way, a]))
                            goes_on[back, x, a] = plus(goes_on[back, x, a], times(weight, then[way, a]))
                        outside[states + u, x] = plus(outside[states + u, x], met)
        earlier = np.full((states + kinds, size), zero)
        by_move[:], by_class[:] = zero, zero
        for m in range(len(moves)):
            state, after = moves[m]
            if step[k, m] > zero:
                for a in range(n):
                    by_move[m] = plus(by_move[m], times(inside[k, state, a], outside[after, a]))
                    earlier[state, a] = plus(earlier[state, a], times(step[k, m], outside[after, a]))
        for move, column in edges:
            by_class[column] = plus(by_class[column], by_move[move])
        for token in range(null):
            found[k, token] = times(by_class[token_class[token]], weights[k, token])
        for call, back, _, number in calls:
            x = frame[k, number]
            _join(earlier[call], goes_on[back, x, : callers[x]], one, plus, times)
        outside = earlier
    return total, found
