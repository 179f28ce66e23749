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
from structgen.jit import alone, entry, jit
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
def take(own, heads, pages, place, where, layer, cos, sin):
    """Write a row's keys and values, turned to its place, to its column, which is number `where`.

    `own` [heads + 2 groups, head] has its queries, keys and values, not turned yet; `pages` is the address of
    the list of its text's pages, `layer` that of the layer in a page.
    """
    head = own.shape[1]
    groups = (len(own) - heads) // 2
    column, size = where % PANEL, PANEL * head
    page = load64(pages, where // PANEL) + layer
    keys = numba.carray(floats_at(page), (groups, size))
    values = numba.carray(floats_at(page + 4 * groups * size), (groups, PANEL, head))
    for group in range(groups):
        turn(own[heads + group], cos[place], sin[place], keys[group], column, PANEL)
        values[group, column] = own[heads + groups + group]


@jit
def ancestors(place, where, begin, parents, path):
    """Write the columns of a node's path, from the root of its tree to itself, to `path`; return how many.

    Node j of a tree has the column `begin + j`, and `parents` is the address of the numbers of the nodes'
    parents. A node whose column is its place has all columns before it, and no path: the answer is 0.
    """
    if where == place:
        return 0
    count = place - begin + 1
    node = where - begin
    for at in range(count - 1, -1, -1):
        path[at] = begin + node
        node = load64(parents, node)
    return count


@jit
def attend(own, heads, pages, place, where, path, layer, cos, sin, queries, scores, out):
    """Write what the queries of one row attend to: the first columns of its text, then those of its path.

    Of the text's columns as many come first as the place leaves beside the path. The sums are made in this
    order; so they are those of a text whose columns lie in it side by side. Arguments as `take` has them;
    `queries` [heads, head] and `scores` [2, columns] are room to work in, `out` is [heads * head]. Cost:
    reading these columns.
    """
    head, count = own.shape[1], place + 1
    groups = (len(own) - heads) // 2
    each, scale = heads // groups, np.float32(1.0 / math.sqrt(head))
    size = 4 * PANEL * head
    row, shares = scores[0], scores[1]
    before = count - len(path)
    for one in range(heads):
        turn(own[one], cos[place], sin[place], queries[one], 0, 1)
        for d in range(head):
            queries[one, d] *= scale
        keys = layer + one // each * size
        # whole panels are scored; what stands beyond the row's own column is passed over
        listed_product(queries[one].ctypes.data, head, pages, where // PANEL + 1, keys, row.ctypes.data)
        for at in range(len(path)):
            # a column lies at its place in the path or beyond it: what is overwritten was read before
            row[before + at] = row[path[at]]
        exponentials(row, 0, count, highest(row[:count]), shares)
        whole = np.float32(1.0 / total(shares, count))
        sums = out[one * head : (one + 1) * head]
        sums[:] = np.float32(0.0)
        values = keys + groups * size
        for start in range(0, before, PANEL):
            add_weighted(
                shares.ctypes.data + 4 * start, min(PANEL, before - start),
                load64(pages, start // PANEL) + values, head, sums.ctypes.data,
            )  # fmt: skip
        for at in range(len(path)):
            column = 4 * head * (path[at] % PANEL)
            add_weighted(
                shares.ctypes.data + 4 * (before + at), 1,
                load64(pages, path[at] // PANEL) + values + column, head, sums.ctypes.data,
            )  # fmt: skip
        for d in range(head):
            sums[d] *= whole


@entry("void(int64, int64[::1], int64, int64, int64, int64)")
def move_columns(pages, path, begin, layers, groups, head):
    """Move the columns of a path so that they lie side by side from column `begin` on, in all layers.

    `pages` is the address of the list of the text's pages; the columns of `path` ascend, and none lies before
    the column that it is moved to. Cost: some 8 bytes of memory traffic a number of the columns.
    """
    size = PANEL * head
    for at in range(len(path)):
        old, new = path[at], begin + at
        if old == new:
            continue
        source, target = load64(pages, old // PANEL), load64(pages, new // PANEL)
        old, new = old % PANEL, new % PANEL
        for layer in range(layers):
            here = 8 * layer * groups * size
            taken = numba.carray(floats_at(source + here), (2 * groups, size))
            given = numba.carray(floats_at(target + here), (2 * groups, size))
            for group in range(groups):
                for d in range(head):
                    given[group, d * PANEL + new] = taken[group, d * PANEL + old]
                    given[groups + group, new * head + d] = taken[groups + group, old * head + d]
