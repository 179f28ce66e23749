"""Attention of one token of a text, compiled, for keys and values in the memory of the CPU.

The text's own columns are read, once, and nothing of another's. Keys lie in panels as the weights of a
product do (`tiles`), so that the scores of 32 columns are made side by side; values lie one column after the
other.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numba
import numpy as np

from structgen.engine.drawing import exponentials, highest, total
from structgen.engine.tiles import PANEL, product, weighted
from structgen.jit import StampedCache, jit


def loose(function: Callable[..., Any]) -> Any:
    """Return a function for compiled code to call, in which sums may be made in another order than written:
    in lanes. The order is compiled in, and so the same in each call."""
    dispatcher = numba.njit(nogil=True, error_model="numpy", fastmath={"reassoc", "contract"})(function)
    if dispatcher is not function:  # NUMBA_DISABLE_JIT hands the function back
        dispatcher._cache = StampedCache(function)
    return dispatcher


@jit
def turn(x, cos, sin, out, start, step):
    """Write a vector turned to a place (rotary, by halves), from `start` on, every `step` numbers."""
    half = len(x) // 2
    for d in range(half):
        out[start + d * step] = x[d] * cos[d] + x[half + d] * sin[d]
        out[start + (half + d) * step] = x[half + d] * cos[half + d] + x[d] * sin[half + d]


@jit
def take(own, heads, keys, values, place, cos, sin):
    """Write a row's keys and values, turned to its place, to its column.

    `own` [heads + 2 groups, head] has its queries, keys and values, not turned yet; `keys` [groups, columns *
    head] lie in panels, `values` [groups, columns, head].
    """
    groups, head = keys.shape[0], own.shape[1]
    start = place // PANEL * PANEL * head + place % PANEL
    for group in range(groups):
        turn(own[heads + group], cos[place], sin[place], keys[group], start, PANEL)
        values[group, place] = own[heads + groups + group]


@jit
def attend(own, heads, keys, values, place, cos, sin, queries, scores, out):
    """Write what the queries of one row attend to among the columns of its text up to its place.

    The first four are those of `take`; `queries` [heads, head] and `scores` [heads + 1, columns] are room to
    work in, `out` is [heads * head]. Cost: reading these columns.
    """
    groups, head, count = keys.shape[0], own.shape[1], place + 1
    each, scale = heads // groups, np.float32(1.0 / math.sqrt(head))
    shares, wide = scores[heads], scores.shape[1]
    for one in range(heads):
        turn(own[one], cos[place], sin[place], queries[one], 0, 1)
        for d in range(head):
            queries[one, d] *= scale
    for group in range(groups):
        first = group * each
        product(
            queries[first].ctypes.data, 4 * head, each, head, keys[group].ctypes.data, wide, False,
            scores[first].ctypes.data,
        )  # fmt: skip
        for one in range(first, first + each):
            row = scores[one, :count]
            exponentials(row, 0, count, highest(row), shares)
            whole = np.float32(1.0 / total(shares, count))
            sums = out[one * head : (one + 1) * head]
            weighted(shares.ctypes.data, count, values[group].ctypes.data, head, sums.ctypes.data)
            for d in range(head):
                sums[d] *= whole
