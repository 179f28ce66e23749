"""Attention of some tokens of a text, compiled, for keys and values in pages (`pages`).

The text's own columns are read, once for up to eight rows, and nothing of another's. In a page keys lie as a
panel of the weights of a product does (`tiles`), so that the scores of its 32 columns are made side by side;
values lie one column after the other.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeAlias

import numba
import numpy as np
import numpy.typing as npt

from structgen.engine.drawing import exponentials, highest, total
from structgen.engine.forward_pass.tiles import MOST_ROWS, PANEL, add_weighted, floats_at, listed_product
from structgen.native.jit import alone, entry, jit
from structgen.native.raw_memory import load64

Array: TypeAlias = npt.NDArray[Any]

TOKEN, PLACE, PAGES, WHERE, BEGIN, PARENTS = range(6)
"""Columns of a row: its token, its place in the text, the address of the list of its text's pages; the number
of its own column of keys and values, which is its place but for a node of a tree; the column of the tree's
first node, and the address of the numbers of its nodes' parents."""


def loose(function: Callable[..., Any]) -> Any:
    """Return a function for compiled code to call, in which sums may be made in another order than written:
    in lanes. The order is compiled in, and so the same in each call and in whatever calls it."""
    return alone(function, fastmath={"reassoc", "contract"})


@jit
def turn(x: Array, cos: Array, sin: Array, out: Array, start: int, step: int) -> None:
    """Write a vector turned to a place (rotary, by halves), from `start` on, every `step` numbers."""
    half = len(x) // 2
    for d in range(half):
        out[start + d * step] = x[d] * cos[d] + x[half + d] * sin[d]
        out[start + (half + d) * step] = x[half + d] * cos[half + d] + x[d] * sin[half + d]


@jit
def take(
    own: Array, heads: int, pages: int, place: int, where: int, layer: int, cos: Array, sin: Array
) -> None:
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
def path_of(row: Array, shared: int, path: Array) -> Any:
    """Write which columns a row attends to behind the first `shared` ones, ascending; return how many.

    They end with the row's own. A row that is no node of a tree has all columns up to its place. `row` has
    the columns above.
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
    """Write what the queries of rows of one text attend to: up to MOST_ROWS rows, that follow each other.

    The columns that all of the rows see are read once for all of them. A row's sums are made over these in
    their order, and then over those of its path in theirs: the order in which they stand in the text that the
    path makes. So they are the same to the bit whatever rows are beside it.

    `rows` has the columns above; `wide` [rows, heads + 2 groups, head] has queries, keys and values, not
    turned yet; `layer` is the address of the layer in a page. Room to work in: `queries` [rows * heads in a
    group, head], `scores` [2, MOST_ROWS or all queries, columns], `paths` [rows, columns]. `out` is
    [rows, heads * head]. Cost: reading the columns once for MOST_ROWS queries of a group.
    """
    count, each = len(rows), heads // groups
    scale, size = np.float32(1.0 / math.sqrt(head)), 4 * PANEL * head
    pages, last = rows[0, PAGES], rows[count - 1, WHERE]
    # a tree's first node is seen by all its nodes, and a row that is no node by all that come after it
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
                turn(wide[i, group * each + one], cos[place], sin[place], query, 0, 1)
                for d in range(head):
                    query[d] *= scale
        keys = layer + group * size
        values = keys + groups * size
        start, every = 0, count * each
        while start < every:
            some = min(MOST_ROWS, every - start)
            own = queries[start : start + some]
            raw, shares = scores[0], scores[1]
            # whole panels are scored; what a row does not see is passed over
            listed_product(own.ctypes.data, some, head, pages, last // PANEL + 1, keys, raw.ctypes.data, step)
            for one in range(some):
                i = (start + one) // each
                seen, row, path = rows[i, PLACE] + 1, raw[one], paths[i]
                for at in range(shared, seen):
                    # a column lies at its place in the path or beyond it: what is overwritten was read
                    row[at] = row[path[at - shared]]
                exponentials(row, 0, seen, highest(row[:seen]), shares[one])
            # the queries are not needed any more: the sums take their room
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
                whole = np.float32(1.0 / total(shares[one], seen))
                first = (group * each + (start + one) % each) * head
                for d in range(head):
                    out[i, first + d] = own[one, d] * whole
            start += some


@entry("void(int64, int64[::1], int64, int64, int64, int64)")
def move_columns(pages: int, path: Array, begin: int, layers: int, groups: int, head: int) -> None:
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
