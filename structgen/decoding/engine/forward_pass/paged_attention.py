"""Compiled attention of the rows of one text, over keys and values that are stored in pages.

- A *row* is one token of one text that the model reads in this call.
- A *column* is the place of one token's keys and values. A *page* has 32 columns (`llama.PagedCache`). For
  example, column 70 is number 6 of page 2.
- A *group* is the heads of queries that share one head of keys and values.
- A *draft tree* is a tree of guessed tokens after the text; a *node* is one of them.
- The *shared* columns are the first ones, which all rows of a call attend to. The *path* of a row is the
  columns after them that this row attends to.

Only the text's own columns are read, once for up to eight rows. In a page, keys are packed like a panel of
weights (`tiles`), so that the scores of its 32 columns are computed side by side. Values are stored column by
column. A page has, for each layer, the keys of all groups, then the values of all groups, in float32.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from structgen.base.native.array_types import Array
from structgen.base.native.jit import entry, jit
from structgen.base.native.raw_memory import float32s, load64
from structgen.decoding.engine.forward_pass.tiles import (
    PANEL,
    add_weighted,
    listed_product,
    most_rows,
)
from structgen.decoding.engine.row_loops import row_maximum, sum_range, write_exponentials

TOKEN, PLACE, PAGES, WHERE, BEGIN, PARENTS = range(6)
"""The indices of the six numbers of a row: its token; its position in the text; the address of its text's
list of pages; the number of its column of keys and values (its position, unless it is a node of a tree); the
column of the tree's first node; and the address of the parents of the tree's nodes (0: no tree)."""


@jit
def rotate_vector(x: Array, cos: Array, sin: Array, out: Array, start: int, step: int) -> None:
    """Write the vector `x` to `out`, rotated to a position (rotary embedding, by halves). `cos` and `sin` are
    the tables of that position. Number d goes to `out[start + d * step]`."""
    half = len(x) // 2
    # the first half of `sin` is negated (`weights`), so both lines are sums
    for d in range(half):
        e = half + d
        out[start + d * step] = x[d] * cos[d] + x[e] * sin[d]
        out[start + e * step] = x[e] * cos[e] + x[d] * sin[e]


@jit
def store_row(
    row_parts: Array, heads: int, pages: int, place: int, where: int, layer: int, tables: Any
) -> None:
    """Write a row's keys and values to column number `where`, the keys rotated to position `place`.

    `row_parts` [heads + 2 groups, head] has its queries, keys and values, not rotated; `pages` is the address
    of the text's list of pages, `layer` the offset of the layer in a page, `tables` as in `attend_rows`.
    """
    cos, sin = tables
    head = row_parts.shape[1]
    groups = (len(row_parts) - heads) // 2
    column = where % PANEL
    size = PANEL * head
    page = load64(pages, where // PANEL) + layer
    keys = float32s(page, (groups, size))
    # the values come after the keys of all groups, four bytes a number
    values = float32s(page + 4 * groups * size, (groups, PANEL, head))
    for group in range(groups):
        key = row_parts[heads + group]
        rotate_vector(key, cos[place], sin[place], keys[group], column, PANEL)
        values[group, column] = row_parts[heads + groups + group]


@jit
def path_of(row: Array, shared_count: int, path: Array) -> Any:
    """Write to `path` the columns that a row attends to after the first `shared_count` ones, ascending.
    Return how many there are.

    The last of them is the row's own column. A row that is not a node of a tree attends to all columns up to
    its position. `row` has the six numbers TOKEN to PARENTS.
    """
    count = row[PLACE] + 1 - shared_count
    if row[WHERE] == row[PLACE]:
        for at in range(count):
            path[at] = shared_count + at
        return count
    # from the row's own node up to the first one, so the path is written from its end
    node = row[WHERE] - row[BEGIN]
    for at in range(count - 1, -1, -1):
        path[at] = row[BEGIN] + node
        node = load64(row[PARENTS], node)
    return count


@jit
def shared_by(rows: Array) -> Any:
    """Return the number of first columns that all of `rows`, rows of one text, attend to.

    In a tree, all nodes attend to the columns up to that of the tree's first node. Without a tree, all rows
    attend to the columns up to that of the first row.
    """
    for row in rows:
        if row[WHERE] != row[PLACE]:
            return row[BEGIN] + 1
    return rows[0, PLACE] + 1


@jit
def take_queries(rows: Array, wide: Array, group: int, tables: Any, queries: Array) -> None:
    """Write to `queries` the queries of a group, row by row, and in a row head by head. They are rotated to
    the positions of their rows and scaled by 1 / sqrt(head). `wide` and `tables` are as in `attend_rows`."""
    cos, sin = tables
    head = wide.shape[2]
    each = len(queries) // len(rows)
    # applied to the queries once, instead of to each score
    scale = np.float32(1.0 / math.sqrt(head))
    for at in range(len(queries)):
        i = at // each
        place = rows[i, PLACE]
        query = wide[i, group * each + at % each]
        rotate_vector(query, cos[place], sin[place], queries[at], 0, 1)
        for d in range(head):
            queries[at, d] *= scale


@jit
def weigh_columns(scores: Array, seen_count: int, shared_count: int, path: Array, shares: Array) -> None:
    """Write to `shares` the weights of the `seen_count` columns that a row attends to, e^(score - greatest
    score). `scores` are those of all columns, and are overwritten. The weights of the first `shared_count`
    columns come first, then those of the columns of `path`."""
    for at in range(shared_count, seen_count):
        # a column's index is at least its place in the path: what is overwritten was read
        scores[at] = scores[path[at - shared_count]]
    write_exponentials(scores, 0, seen_count, row_maximum(scores[:seen_count]), shares)


@jit
def add_path(
    shares: Array, seen_count: int, shared_count: int, path: Array, pages: int, values: int, sums: Array
) -> None:
    """Add to `sums`, those of one row, the values of the columns of its path, each times its weight.

    `shares`, `seen_count`, `shared_count` and `path` are as in `weigh_columns`. `pages` is the address of the
    text's list of pages, `values` the offset in bytes of the group's values in a page.
    """
    head = len(sums)
    at = shared_count
    while at < seen_count:
        column = path[at - shared_count]
        # adjacent columns of one page in one call; their order is that of the path in any case
        stop = at + 1
        while (
            stop < seen_count
            and path[stop - shared_count] == column + stop - at
            and (column + stop - at) % PANEL
        ):
            stop += 1
        here = load64(pages, column // PANEL) + values + 4 * head * (column % PANEL)
        weights = shares.ctypes.data + 4 * at
        add_weighted(weights, 1, 0, stop - at, here, 0, head, sums.ctypes.data)
        at = stop


@jit
def write_mean(sums: Array, weight: Any, out: Array) -> None:
    """Write `sums` to `out`, divided by `weight`, the sum of the weights."""
    inverse = np.float32(1.0 / weight)
    for d in range(len(sums)):
        out[d] = sums[d] * inverse


@jit
def add_shared(shares: Array, count: int, shared_count: int, pages: int, values: int, out: Array) -> None:
    """Add to the first `count` rows of `out` the values of the first `shared_count` columns, each times its
    weight in `shares`. `pages` and `values` are as in `add_path`."""
    page = load64(pages, 0)
    step = 4 * shares.shape[1]
    head = out.shape[1]
    for column in range(0, shared_count, PANEL):
        # the next page is prefetched while this one is added
        following = load64(pages, (column + PANEL) // PANEL) if column + PANEL < shared_count else page
        width = min(PANEL, shared_count - column)
        weights = shares.ctypes.data + 4 * column
        add_weighted(weights, count, step, width, page + values, following - page, head, out.ctypes.data)
        page = following


@jit
def attend_rows(
    rows: Array, wide: Array, heads: int, layer: int, tables: Any, scratch: Any, out: Array
) -> None:
    """Write the attention's output of up to `most_rows()` adjacent rows of one text.

    Columns that all of the rows attend to are read once for all of them. A row's sums run over these columns
    in order, then over the columns of its path in order. That is the order of the tokens in the row's text.
    So the results are the same to the bit whatever other rows there are.

    A row of `rows` has the six numbers TOKEN to PARENTS. `heads` is the number of heads of queries. `wide`
    [rows, heads + 2 groups, head] has queries, keys and values, not rotated. `layer` is the offset of the
    layer in a page, in bytes. `tables` are cosines and sines, of all positions. `scratch` is memory for
    queries [rows * heads in a group, head], for a pair of raw scores and weights, each [`most_rows()` or all
    queries, columns], and for paths [rows, columns]. `out` is [rows, heads * head]. Cost: reading the columns
    once for `most_rows()` queries of a group.
    """
    queries, (raw, shares), paths = scratch
    head = wide.shape[2]
    groups = (wide.shape[1] - heads) // 2
    each = heads // groups
    pages = rows[0, PAGES]
    shared_count = shared_by(rows)
    queries = queries[: len(rows) * each]
    for i in range(len(rows)):
        path_of(rows[i], shared_count, paths[i])
    for group in range(groups):
        take_queries(rows, wide, group, tables, queries)
        keys = layer + 4 * group * PANEL * head
        values = keys + 4 * groups * PANEL * head
        for start in range(0, len(queries), most_rows()):
            part_queries = queries[start : start + most_rows()]
            # whole panels are scored; the scores of unseen columns are ignored
            listed_product(
                part_queries.ctypes.data,
                len(part_queries),
                head,
                pages,
                rows[-1, WHERE] // PANEL + 1,
                keys,
                raw.ctypes.data,
                4 * raw.shape[1],
            )
            for at in range(len(part_queries)):
                i = (start + at) // each
                seen_count = rows[i, PLACE] + 1
                weigh_columns(raw[at], seen_count, shared_count, paths[i], shares[at])
            # the queries are no longer needed: the sums reuse their memory
            part_queries[:] = np.float32(0.0)
            add_shared(shares, len(part_queries), shared_count, pages, values, part_queries)
            for at in range(len(part_queries)):
                i = (start + at) // each
                seen_count = rows[i, PLACE] + 1
                add_path(shares[at], seen_count, shared_count, paths[i], pages, values, part_queries[at])
                first = (group * each + (start + at) % each) * head
                # the weights were not divided by their sum: one division at the end for each number
                write_mean(
                    part_queries[at], sum_range(shares[at], 0, seen_count), out[i, first : first + head]
                )


@entry("void(int64, int64[::1], int64, int64, int64, int64)")
def move_columns(pages: int, path: Array, begin: int, layers: int, groups: int, head: int) -> None:
    """Move the columns of a path so that they are adjacent from column `begin` on, in all layers.

    `pages` is the address of the text's list of pages. `layers` and `groups` are their numbers, `head` is the
    numbers of one head. The columns of `path` ascend, and none is before its destination. Cost: about 8 bytes
    of memory traffic for each number of the columns.
    """
    size = PANEL * head
    # In ascending order: each column moves towards the front, to a place whose own column has moved already.
    for at in range(len(path)):
        old, new = path[at], begin + at
        if old == new:
            continue
        source = load64(pages, old // PANEL)
        target = load64(pages, new // PANEL)
        old, new = old % PANEL, new % PANEL
        for layer in range(layers):
            here = 8 * layer * groups * size
            source_page = float32s(source + here, (2 * groups, size))
            target_page = float32s(target + here, (2 * groups, size))
            for group in range(groups):
                for d in range(head):
                    # keys lie like a panel, a column apart for each number; values column by column
                    target_page[group, d * PANEL + new] = source_page[group, d * PANEL + old]
                    target_page[groups + group, new * head + d] = source_page[groups + group, old * head + d]
