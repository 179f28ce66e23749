"""Attention of one token of a text, compiled, for keys and values in the memory of the CPU.

The text's own columns are read, once, and nothing of another's.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numba
import numpy as np

from structgen.engine.drawing import exponentials, highest, total
from structgen.jit import StampedCache, jit


def loose(function: Callable[..., Any]) -> Any:
    """Return a function for compiled code to call, in which sums may be made in another order than written:
    in lanes. The order is compiled in, and so the same in each call."""
    dispatcher = numba.njit(nogil=True, error_model="numpy", fastmath={"reassoc", "contract"})(function)
    if dispatcher is not function:  # NUMBA_DISABLE_JIT hands the function back
        dispatcher._cache = StampedCache(function)
    return dispatcher


@loose
def dot(query, keys, column):
    """Return the sum of the products of a query and one of the keys."""
    found = np.float32(0.0)
    for d in range(len(query)):
        found += query[d] * keys[column, d]
    return found


@loose
def gather(shares, values, sums):
    """Write the sum of values, each times its share, to `sums`."""
    sums[:] = np.float32(0.0)
    count = len(shares)
    whole = count & ~3
    for column in range(0, whole, 4):
        a, b, c, e = shares[column], shares[column + 1], shares[column + 2], shares[column + 3]
        for d in range(len(sums)):
            first = a * values[column, d] + b * values[column + 1, d]
            sums[d] += first + (c * values[column + 2, d] + e * values[column + 3, d])
    for column in range(whole, count):
        for d in range(len(sums)):
            sums[d] += shares[column] * values[column, d]


@jit
def turn(x, cos, sin, out):
    """Write a vector turned to a place (rotary, by halves)."""
    half = len(x) // 2
    for d in range(half):
        out[d] = x[d] * cos[d] + x[half + d] * sin[d]
        out[half + d] = x[half + d] * cos[half + d] + x[d] * sin[half + d]


@jit
def attend(own, heads, keys, values, place, cos, sin, scores, shares, query, out):
    """Write what the queries of one row attend to among the columns of its text up to its place.

    `own` [heads + 2 groups, head] has its queries in front, not turned yet; `keys` and `values` [groups,
    columns, head] have its own column already; `out` is [heads * head]. Cost: reading these columns.
    """
    groups, head = keys.shape[0], keys.shape[2]
    each, scale, count = heads // groups, np.float32(1.0 / math.sqrt(head)), place + 1
    for one in range(heads):
        group = one // each
        turn(own[one], cos[place], sin[place], query)
        for d in range(head):
            query[d] *= scale
        for column in range(count):
            scores[column] = dot(query, keys[group], column)
        exponentials(scores, 0, count, highest(scores[:count]), shares)
        whole = np.float32(1.0 / total(shares, count))
        sums = out[one * head : (one + 1) * head]
        gather(shares[:count], values[group], sums)
        for d in range(head):
            sums[d] *= whole
