"""Attention of one new token of each text, compiled, for keys and values in the memory of the CPU.

Each text's own columns are read, once, and nothing of another's: the same text comes out the same to the bit,
alone and among others, whatever the threads of torch.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numba
import numpy as np

from structgen.engine.drawing import exponentials, highest, total
from structgen.jit import StampedCache, entry, jit


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


@entry(
    "void(float32[:, :, :, :, :, ::1], int64, int64[::1], int64[::1], int64,"
    " float32[:, :, ::1], float32[:, ::1], float32[:, ::1], float32[:, ::1])"
)
def attend_rows(held, layer, rows, lengths, start, qkv, cos, sin, out):
    """Take a column of keys and values for each text of a slab, and write what its queries attend to.

    `held` is a slab [layers, 2, rows, groups, columns, head]. Text i of it is in row `rows[i]` and has had
    `lengths[i]` columns; its queries, keys and values are row `start + i` of `qkv` [texts, heads + 2 groups,
    head], and are turned to their place here by the tables `cos` and `sin` (signed) [places, head]; what is
    attended to goes to the same row of `out`. Cost: reading the columns in use.
    """
    groups, columns, head = held.shape[3], held.shape[4], held.shape[5]
    heads = qkv.shape[1] - 2 * groups
    each, scale = heads // groups, np.float32(1.0 / math.sqrt(head))
    scores, shares = np.empty(columns, np.float32), np.empty(columns, np.float32)
    sums, query = np.empty(head, np.float32), np.empty(head, np.float32)
    for i in range(len(rows)):
        text, count = start + i, lengths[i] + 1
        for group in range(groups):
            keys, values = held[layer, 0, rows[i], group, :count], held[layer, 1, rows[i], group, :count]
            turn(qkv[text, heads + group], cos[count - 1], sin[count - 1], keys[count - 1])
            values[count - 1] = qkv[text, heads + groups + group]
            for one in range(group * each, (group + 1) * each):
                turn(qkv[text, one], cos[count - 1], sin[count - 1], query)
                for d in range(head):
                    query[d] *= scale
                for column in range(count):
                    scores[column] = dot(query, keys, column)
                exponentials(scores, 0, count, highest(scores[:count]), shares)
                whole = np.float32(1.0 / total(shares, count))
                gather(shares[:count], values, sums)
                for d in range(head):
                    out[text, one * head + d] = sums[d] * whole
