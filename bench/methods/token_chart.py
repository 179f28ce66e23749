"""Inside and outside sums over slots for a token pushdown, in one of two semirings (`context_free_fill`).

A call behind a slot opens a *frame*: it has that slot and a state to begin with. From left to right,
inside[k][x, q] is the weight of all ways in which frame x comes from its beginning to state q before slot k,
with nothing open above it. A token may pop a frame; then the frames that called it go on with the remainder,
and may be popped themselves. The same steps in reverse give the derivative of the weight of all texts by that
of each token class. Cost: slots^3 * (states in which frames begin)^2 * remainders, as products of matrices.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np

from methods.token_pushdown import TokenPushdown

Array = np.ndarray


@numba.njit
def max_plus(a: Array, b: Array) -> Array:
    """Return the product of two matrices in which sums are maxima and products are sums."""
    found = np.full((a.shape[0], b.shape[1]), -np.inf)
    for i in range(a.shape[0]):
        for k in range(a.shape[1]):
            if a[i, k] > -np.inf:
                for j in range(b.shape[1]):
                    found[i, j] = max(found[i, j], a[i, k] + b[k, j])
    return found


@dataclass(frozen=True)
class Ring:
    """A semiring: its numbers, and how they are joined."""

    zero: float
    one: float
    plus: Any
    times: Any

    def zeros(self, *shape: int) -> Array:
        """Return an array of zeros."""
        return np.full(shape, self.zero)

    def dot(self, a: Array, b: Array) -> Array:
        """Return the product of two matrices."""
        if self is MAX:
            return max_plus(np.ascontiguousarray(a), np.ascontiguousarray(b))  # type: ignore[no-any-return]
        return a @ b  # type: ignore[no-any-return]

    def gather(self, index: Array, values: Array, *shape: int) -> Array:
        """Return an array with each value at its index, those of one index joined."""
        found = self.zeros(math.prod(shape))
        self.plus.at(found, index, values)
        return found.reshape(shape)


SUM = Ring(0.0, 1.0, np.add, np.multiply)
MAX = Ring(-math.inf, 0.0, np.maximum, np.add)


def inside_outside(t: TokenPushdown, ring: Ring, weights: Array, tails: Array) -> tuple[Array, Array]:
    """Return the weights of all texts by their lengths [slots + 1], and the derivative of their sum by the
    weight of each class [slots, classes]. `weights`: of each class [slots, classes]; `tails`: of leaving
    all slots empty from each one on [slots + 1]."""
    slots, s, u = len(weights), t.states, t.remainders
    q, column, is_pop, after = t.edges.T
    to = np.where(is_pop == 1, s, 0) + after  # the states, then the remainders
    at, kind, pops, then = t.returns.T
    backs = np.unique(t.calls[:, 1])  # the states to come back to
    back_of = np.full(s, -1)
    back_of[backs] = np.arange(len(backs))
    known = back_of[at] >= 0
    row = (back_of[at] * u + kind)[known]
    goes_on = ring.gather(
        (row * (s + u) + np.where(pops == 1, s, 0)[known] + then[known]),
        np.full(len(row), ring.one),
        len(backs) * u,
        s + u,
    )
    whole = np.arange(len(backs)) * u  # an empty remainder: the caller goes on from where it comes back to
    goes_on[whole, backs] = ring.one
    most = 1 + slots * len(set(t.calls[:, 2].tolist()))
    called = ring.zeros(len(backs), most, most)
    frames: dict[tuple[int, int], int] = {(0, 0): 0}
    inside, steps, stages = [ring.zeros(1, s)], [], []
    inside[0][0, 0] = ring.one
    lengths, moved = ring.zeros(slots + 1), ring.zeros(slots, t.classes)
    for k in range(slots):
        for call, back, begin in t.calls.tolist():
            now = inside[k][:, call]
            if (now > ring.zero).any():
                x = frames.setdefault((k, begin), len(frames))
                called[back_of[back], : len(now), x] = now
                if x == len(now):
                    new = ring.zeros(1, s)
                    new[0, begin] = ring.one
                    inside[k] = np.concatenate((inside[k], new))
        n = len(inside[k])
        steps.append(ring.gather(q * (s + u) + to, weights[k, column], s, s + u))
        out = ring.dot(inside[k], steps[k])
        states, popped = out[:, :s], out[:, s:]
        stages.append([popped])
        while (popped[1:] > ring.zero).any():
            returned = [ring.dot(one[:n, :n], popped) for one in called]
            out = ring.dot(np.concatenate(returned, axis=1), goes_on)
            states, popped = ring.plus(states, out[:, :s]), out[:, s:]
            stages[k].append(popped)
        lengths[k + 1] = ring.plus.reduce([one[0, 0] for one in stages[k]])
        inside.append(states)
    lengths = ring.times(lengths, tails)
    outside = ring.zeros(len(inside[-1]), s)
    # Of each stage so far, side by side: what was popped, and what is ahead of each state to come back to.
    width = u * sum(len(one) - 1 for one in stages)
    pops_of, shares, filled = ring.zeros(most, width), ring.zeros(len(backs), most, width), 0
    for k in range(slots - 1, -1, -1):
        n = len(inside[k])
        ahead = np.concatenate((outside[:n], ring.zeros(n, u)), axis=1)
        for number, popped in reversed(list(enumerate(stages[k]))):
            before = ring.zeros(n, u)
            if number + 1 < len(stages[k]):
                pops_of[:n, filled : filled + u] = popped
                every = ring.dot(ahead, goes_on.T)
                for r, one in enumerate(called):
                    share = shares[r, :n, filled : filled + u] = every[:, r * u : (r + 1) * u]
                    before = ring.plus(before, ring.dot(one[:n, :n].T, share))
                filled += u
            before[0, 0] = ring.plus(before[0, 0], tails[k + 1])
            ahead[:, s:] = before
        moved[k] = ring.gather(column, ring.dot(inside[k].T, ahead)[q, to], t.classes)
        outside = ring.dot(ahead, steps[k].T)
        for r, back_state in enumerate(backs):
            some = [
                (call, frames[k, begin])
                for call, back, begin in t.calls.tolist()
                if back == back_state and (k, begin) in frames
            ]
            ahead_of = ring.dot(shares[r, :n, :filled], pops_of[[x for _, x in some], :filled].T)
            for (call, _), told in zip(some, ahead_of.T, strict=True):
                outside[:, call] = ring.plus(outside[:, call], told)
    return lengths, moved
