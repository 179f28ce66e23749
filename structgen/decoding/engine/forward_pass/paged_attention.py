"""Compiled attention of rows of one text, over keys and values in pages (`llama.PagedCache`).

Only the text's own columns are read, once for up to eight rows. In a page, keys are packed like a panel of
weights (`tiles`), so that the scores of its 32 columns are computed side by side; values are stored column by
column.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeAlias

import numba
import numpy as np
import numpy.typing as npt

from structgen.base.native.jit import alone, entry, jit
from structgen.base.native.raw_memory import load64
from structgen.decoding.engine.forward_pass.tiles import (
    MOST_ROWS,
    PANEL,
    add_weighted,
    floats_at,
    listed_product,
)
from structgen.decoding.engine.row_loops import exponentials, highest, total

Array: TypeAlias = npt.NDArray[Any]

TOKEN, PLACE, PAGES, WHERE, BEGIN, PARENTS = range(6)
"""Columns of a row: its token; its position in the text; the address of its text's list of pages; the number
of its column of keys and values (its position, unless it is a node of a tree); the column of the tree's first
node; and the address of the parents of the tree's nodes."""


def loose(function: Callable[..., Any]) -> Any:
    """Compile a function whose sums may be reordered, so that they vectorise. The order is fixed at compile
    time, and so the same in each call and for each caller."""
    return alone(function, fastmath={"reassoc", "contract"})


@jit
def rotate(x: Array, cos: Array, sin: Array, out: Array, start: int, step: int) -> None:
    """Write a vector rotated to a position (rotary embedding, by halves), from `start`, with stride
    `step`."""
    half = len(x) // 2
    for d in range(half):
        out[start + d * step] = x[d] * cos[d] + x[half + d] * sin[d]
        out[start + (half + d) * step] = x[half + d] * cos[half + d] + x[d] * sin[half + d]


@jit
def take(
    own: Array, heads: int, pages: int, place: int, where: int, layer: int, cos: Array, sin: Array
) -> None:
    """Write a row's keys and values to column number `where`, the keys rotated to position `place`.

    `own` [heads + 2 groups, head] has its queries, keys and values, not rotated; `pages` is the address of
    the text's list of pages, `layer` the offset of the layer in a page.
    """
    head = own.shape[1]
    groups = (len(own) - heads) // 2
    column, size = where % PANEL, PANEL * head
    page = load64(pages, where // PANEL) + layer
    keys = numba.carray(floats_at(page), (groups, size))
    values = numba.carray(floats_at(page + 4 * groups * size), (groups, PANEL, head))
    for group in range(groups):
        rotate(own[heads + group], cos[place], sin[place], keys[group], column, PANEL)
        values[group, column] = own[heads + groups + group]


@jit
def path_of(row: Array, shared: int, path: Array) -> Any:
    """Write the columns after the first `shared` ones that a row attends to, ascending; return their number.

    The last one is the row's own. A row that is no node of a tree has all columns up to its position. `row`
    has the columns above.
    """
    count = row[PLACE] + 1 - shared
    if row[WHERE] == row[PLACE]:
        for at in range(count):
            path[at] = shared + at
        return count
    node = row[WHERE] - row[BEGIN]
    for at in range(count - 1, -1, -1):
        path[at] = row[BEGIN] + node
        node = load64(row[PARENTS], node)
    return count


@jit
def attend(
    rows: Array,
    wide: Array,
    heads: int,
    groups: int,
    head: int,
    layer: int,
    cos: Array,
    sin: Array,
    queries: Array,
    scores: Array,
    paths: Array,
    out: Array,
) -> None:
    """Write the attention's output of up to MOST_ROWS adjacent rows of one text.

    Columns that all of the rows attend to are read once for all of them. A row's sums run over these in
    order, then over the columns of its path in order, which is the order of the text that the path makes. So
    the results are the same to the bit whatever other rows there are.

    `rows` has the columns above. `wide` [rows, heads + 2 groups, head] has queries, keys and values, not
    rotated. `layer` is the offset of the layer in a page. Scratch memory: `queries` [rows * heads in a group,
    head], `scores` [2, MOST_ROWS or all queries, columns], `paths` [rows, columns]. `out` is [rows, heads *
    head]. Cost: reading the columns once for MOST_ROWS queries of a group.
    """
    count, each = len(rows), heads // groups
    scale, size = np.float32(1.0 / math.sqrt(head)), 4 * PANEL * head
    pages, last = rows[0, PAGES], rows[count - 1, WHERE]
    # all nodes see a tree's first node; all later rows see a row that is no node
    shared = rows[0, PLACE] + 1
    for i in range(count):
        if rows[i, WHERE] != rows[i, PLACE]:
            shared = rows[0, BEGIN] + 1
    for i in range(count):
        path_of(rows[i], shared, paths[i])
    step = 4 * scores.shape[2]
    for group in range(groups):
        for i in range(count):
            place = rows[i, PLACE]
            for one in range(each):
                query = queries[i * each + one]
                rotate(wide[i, group * each + one], cos[place], sin[place], query, 0, 1)
                for d in range(head):
                    query[d] *= scale
        keys = layer + group * size
        values = keys + groups * size
        start, every = 0, count * each
        while start < every:
            some = min(MOST_ROWS, every - start)
            own = queries[start : start + some]
            raw, shares = scores[0], scores[1]
            # whole panels are scored; the scores of unseen columns are ignored
            listed_product(own.ctypes.data, some, head, pages, last // PANEL + 1, keys, raw.ctypes.data, step)
            for one in range(some):
                i = (start + one) // each
                seen, row, path = rows[i, PLACE] + 1, raw[one], paths[i]
                for at in range(shared, seen):
                    # a column's index is at least its place in the path: what is overwritten was read
                    row[at] = row[path[at - shared]]
                exponentials(row, 0, seen, highest(row[:seen]), shares[one])
            # the queries are no longer needed: the sums reuse their memory
            own[:] = np.float32(0.0)
            page = load64(pages, 0)
            for column in range(0, shared, PANEL):
                following = load64(pages, (column + PANEL) // PANEL) if column + PANEL < shared else page
                add_weighted(
                    shares.ctypes.data + 4 * column, some, step, min(PANEL, shared - column), page + values,
                    following - page, head, own.ctypes.data,
                )  # fmt: skip
                page = following
            for one in range(some):
                i = (start + one) // each
                seen, path, at = rows[i, PLACE] + 1, paths[i], shared
                while at < seen:
                    column, stop = path[at - shared], at + 1
                    while (
                        stop < seen
                        and path[stop - shared] == column + stop - at
                        and (column + stop - at) % PANEL
                    ):
                        stop += 1
                    add_weighted(
                        shares[one].ctypes.data + 4 * at, 1, step, stop - at,
                        load64(pages, column // PANEL) + values + 4 * head * (column % PANEL), 0, head,
                        own[one].ctypes.data,
                    )  # fmt: skip
                    at = stop
                whole = np.float32(1.0 / total(shares[one], 0, seen))
                first = (group * each + (start + one) % each) * head
                for d in range(head):
                    out[i, first + d] = own[one, d] * whole
            start += some


@entry("void(int64, int64[::1], int64, int64, int64, int64)")
def move_columns(pages: int, path: Array, begin: int, layers: int, groups: int, head: int) -> None:
    """Move the columns of a path so that they are adjacent from column `begin` on, in all layers.

    `pages` is the address of the text's list of pages. The columns of `path` ascend, and none is before its
    destination. Cost: about 8 bytes of memory traffic for each number of the columns.
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
