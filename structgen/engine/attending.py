"""Attention of one token of a text, compiled, for keys and values in pages (`pages`).

The text's own columns are read, once, and nothing of another's. In a page keys lie as a panel of the weights
of a product does (`tiles`), so that the scores of its 32 columns are made side by side; values lie one column
after the other.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numba
import numpy as np

from structgen.engine.drawing import exponentials, highest, total
from structgen.engine.tiles import PANEL, add_weighted, floats_at, listed_product
from structgen.jit import alone, jit
from structgen.memory import load64


def loose(function: Callable[..., Any]) -> Any:
    """Return a function for compiled code to call, in which sums may be made in another order than written:
    in lanes. The order is compiled in, and so the same in each call and in whatever calls it."""
    return alone(function, fastmath={"reassoc", "contract"})


@jit
def turn(x, cos, sin, out, start, step):
    """Write a vector turned to a place (rotary, by halves), from `start` on, every `step` numbers."""
    half = len(x) // 2
    for d in range(half):
        out[start + d * step] = x[d] * cos[d] + x[half + d] * sin[d]
        out[start + (half + d) * step] = x[half + d] * cos[half + d] + x[d] * sin[half + d]


@jit
def take(own, heads, pages, place, layer, cos, sin):
    """Write a row's keys and values, turned to its place, to its column.

    `own` [heads + 2 groups, head] has its queries, keys and values, not turned yet; `pages` is the address of
    the list of its text's pages, `layer` that of the layer in a page.
    """
    head = own.shape[1]
    groups = (len(own) - heads) // 2
    column, size = place % PANEL, PANEL * head
    page = load64(pages, place // PANEL) + layer
    keys = numba.carray(floats_at(page), (groups, size))
    values = numba.carray(floats_at(page + 4 * groups * size), (groups, PANEL, head))
    for group in range(groups):
        turn(own[heads + group], cos[place], sin[place], keys[group], column, PANEL)
        values[group, column] = own[heads + groups + group]


@jit
def attend(own, heads, pages, place, layer, cos, sin, queries, scores, out):
    """Write what the queries of one row attend to among the columns of its text up to its place.

    The first five are those of `take`; `queries` [heads, head] and `scores` [2, columns] are room to work in,
    `out` is [heads * head]. Cost: reading these columns.
    """
    head, count = own.shape[1], place + 1
    groups = (len(own) - heads) // 2
    each, scale = heads // groups, np.float32(1.0 / math.sqrt(head))
    size = 4 * PANEL * head
    row, shares = scores[0], scores[1]
    for one in range(heads):
        turn(own[one], cos[place], sin[place], queries[one], 0, 1)
        for d in range(head):
            queries[one, d] *= scale
        keys = layer + one // each * size
        # whole panels are scored; what stands beyond the row's own column is passed over
        listed_product(queries[one].ctypes.data, head, pages, place // PANEL + 1, keys, row.ctypes.data)
        exponentials(row, 0, count, highest(row[:count]), shares)
        whole = np.float32(1.0 / total(shares, count))
        sums = out[one * head : (one + 1) * head]
        sums[:] = np.float32(0.0)
        values = keys + groups * size
        for start in range(0, count, PANEL):
            add_weighted(
                shares.ctypes.data + 4 * start, min(PANEL, count - start),
                load64(pages, start // PANEL) + values, head, sums.ctypes.data,
            )  # fmt: skip
        for d in range(head):
            sums[d] *= whole
