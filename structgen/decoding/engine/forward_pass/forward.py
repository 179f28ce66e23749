"""Runs the compiled forward pass of a Llama on the CPU, for any rows of any texts in one call.

- A *row* is one token of one text. Its numbers, such as its position, are those of `paged_attention`.
- A *column* is the place of one token's keys and values in the cache of its text.
- *Wide* rows hold queries, keys and values, or gate and up; *narrow* rows hold the inputs of products.
- `sizes` are the model's sizes, and `offsets` the places of the weights; constants below name their indices.

`run_rows` at the end is the entry: it looks up the embeddings and allocates the memory. `run_layers` runs all
layers and writes the logits. `run_layer` runs one layer: norm, attention, norm, gated products.

A row writes its column, and attends to the columns of its text up to its own. So prompts of any lengths and
continued texts can be in one batch. A row's result depends on its own inputs only, added in an order that
neither other rows nor threads change. So a text gets the same bits alone and in any batch, read at once or
token by token.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from structgen.base.native.array_types import Array
from structgen.base.native.jit import entry, jit, loose
from structgen.base.native.raw_memory import float32s
from structgen.decoding.engine.forward_pass.paged_attention import (
    PAGES,
    PLACE,
    TOKEN,
    WHERE,
    attend_rows,
    store_row,
)
from structgen.decoding.engine.forward_pass.tiles import (
    PANEL,
    borrow_floats,
    borrow_words,
    most_rows,
    write_products,
)
from structgen.decoding.engine.row_loops import write_exponentials

BEFORE, QKV, OUT, BETWEEN, GATE_UP, DOWN = range(6)
"""The indices in a row of `offsets`, which has one row for each layer: the norm before attention; queries,
keys and values; attention's output; the norm after attention; gate and up; down. The row after the last layer
has the last norm at BEFORE, and the output head at QKV."""
HEADS, GROUPS, HEAD, WIDTH, INNER, VOCABULARY, HALF = range(7)
"""The indices in `sizes`; HALF is 1 if the weights of products are bfloat16, else 0."""


@loose
def sum_squares(row: Array) -> Any:
    """Return the sum of the squares of a row's numbers."""
    # `loose` lets the compiler add in another order, with vectors; the length of a row decides the order, so
    # the sum of a row does not depend on other rows
    total = np.float32(0.0)
    for value in row:
        total += value * value
    return total


@jit
def normalise_row(row: Array, weight: Array, epsilon: Any, out: Array) -> None:
    """Write to `out` a normalised row (RMSNorm): the row, divided by sqrt(its mean square + `epsilon`), times
    `weight`. All three arrays have the same length."""
    mean_square = sum_squares(row) / np.float32(len(row))
    scale = np.float32(1.0 / math.sqrt(mean_square + epsilon))
    for d in range(len(row)):
        out[d] = row[d] * scale * weight[d]


@jit
def add_rows(x: Array, addends: Array) -> None:
    """Add numbers to the rows of `x`, in place. `addends` has them row after row, in one dimension."""
    width = x.shape[1]
    for i in range(len(x)):
        for d in range(width):
            x[i, d] += addends[i * width + d]


@jit
def apply_gate(wide: Array, count: int, inner: int, part: Array, out: Array) -> None:
    """Write SwiGLU of `count` rows of `wide` to `out`: silu(first half) times second half. A half has `inner`
    numbers. `part` is memory for `inner` numbers."""
    for i in range(count):
        start = 2 * i * inner
        first = wide[start : start + inner]
        second = wide[start + inner : start + 2 * inner]
        row_out = out[i * inner : (i + 1) * inner]
        # `write_exponentials` takes numbers up to 0 only, so it gets -|x|
        for d in range(inner):
            row_out[d] = -abs(first[d])
        write_exponentials(row_out, 0, inner, np.float32(0.0), part)
        for d in range(inner):
            # the sigmoid is 1 / (1 + e^-x); for x below 0 e^x / (1 + e^x), which is the same number
            numerator = np.float32(1.0) if first[d] >= np.float32(0.0) else part[d]
            sigmoid = numerator / (np.float32(1.0) + part[d])
            row_out[d] = first[d] * sigmoid * second[d]


@jit
def attend_all(
    rows: Array, layer: int, wide: Array, sizes: Array, tables: Any, scratch: Any, out: Array
) -> None:
    """Write the keys and values of each row to its column, and the attention's output to `out`.

    `layer` is the layer's number. `wide` has queries, keys and values. `tables` and `scratch` are as in
    `attend_rows`.
    """
    heads, groups, head = sizes[HEADS], sizes[GROUPS], sizes[HEAD]
    # the heads of queries, keys and values in a wide row
    parts = heads + 2 * groups
    # The offset of the layer in a page, in bytes: each earlier layer has keys and values (2 times 4 bytes) of
    # the page's 32 columns.
    begins = layer * 8 * groups * PANEL * head
    start = 0
    row_count = len(rows)
    while start < row_count:
        # adjacent rows of one text go together: they have the same list of pages
        stop = start + 1
        while stop < row_count and stop - start < most_rows() and rows[stop, PAGES] == rows[start, PAGES]:
            stop += 1
        count = stop - start
        text_rows = rows[start:stop]
        text_parts = float32s(wide[start * parts * head :].ctypes.data, (count, parts, head))
        # all columns first: a row attends to those of earlier rows of this call too
        for i in range(count):
            store_row(
                text_parts[i],
                heads,
                text_rows[i, PAGES],
                text_rows[i, PLACE],
                text_rows[i, WHERE],
                begins,
                tables,
            )
        own_out = float32s(out[start * heads * head :].ctypes.data, (count, heads * head))
        attend_rows(text_rows, text_parts, heads, begins, tables, scratch, own_out)
        start = stop


@jit
def run_layer(
    sizes: Array,
    epsilon: Any,
    weights: Array,
    at: Array,
    layer: int,
    tables: Any,
    rows: Array,
    x: Array,
    scratch: Any,
) -> None:
    """Run the rows `x` through layer number `layer`, in place. `at` is the layer's row of `offsets`. `rows`
    has the numbers of the rows, and `scratch` is as in `run_layers`."""
    narrow, wide, part, attention = scratch
    heads, groups, head = sizes[HEADS], sizes[GROUPS], sizes[HEAD]
    width = sizes[WIDTH]
    inner = sizes[INNER]
    half = sizes[HALF] != 0
    count = len(rows)
    # Each product reads narrow rows (`here`) and writes wide ones (`there`). Addresses: times 4 are bytes.
    here = narrow.ctypes.data
    there = wide.ctypes.data
    base = weights.ctypes.data
    norm = weights[at[BEFORE] : at[BEFORE] + width]
    for i in range(count):
        normalise_row(x[i], norm, epsilon, narrow[i * width : (i + 1) * width])
    write_products(
        here, 4 * width, count, width, base + 4 * at[QKV], (heads + 2 * groups) * head, half, there
    )
    attend_all(rows, layer, wide, sizes, tables, attention, narrow)
    write_products(here, 4 * heads * head, count, heads * head, base + 4 * at[OUT], width, half, there)
    add_rows(x, wide)
    norm = weights[at[BETWEEN] : at[BETWEEN] + width]
    for i in range(count):
        normalise_row(x[i], norm, epsilon, narrow[i * width : (i + 1) * width])
    write_products(here, 4 * width, count, width, base + 4 * at[GATE_UP], 2 * inner, half, there)
    apply_gate(wide, count, inner, part, narrow)
    write_products(here, 4 * inner, count, inner, base + 4 * at[DOWN], width, half, there)
    add_rows(x, wide)


@jit
def run_layers(
    sizes: Array,
    epsilon: Any,
    weights: Array,
    offsets: Array,
    tables: Any,
    rows: Array,
    logit_rows: Array,
    x: Array,
    scratch: Any,
    logits: Array,
) -> None:
    """Run rows, whose embeddings are `x`, through all layers, and write the logits. `run_rows` calls it.

    `scratch` is a tuple of memory: narrow rows, wide rows, half of a wide row, and the scratch of
    `attend_rows`. The other parameters are those of `run_rows`; `tables` are `cos` and `sin`. The arrays are
    turned into arrays without reference counts, because the inner loops take slices of them.
    """
    weights = borrow_floats(weights)
    offsets = borrow_words(offsets)
    rows = borrow_words(rows)
    x = borrow_floats(x)
    narrow, wide, part, (queries, scores, paths) = scratch
    # raw scores, and the weights made of them
    halves = borrow_floats(scores[0]), borrow_floats(scores[1])
    own_scratch = (
        borrow_floats(narrow),
        borrow_floats(wide),
        borrow_floats(part),
        (borrow_floats(queries), halves, borrow_words(paths)),
    )
    tables = borrow_floats(tables[0]), borrow_floats(tables[1])
    layers = len(offsets) - 1
    width = sizes[WIDTH]
    for layer in range(layers):
        run_layer(sizes, epsilon, weights, offsets[layer], layer, tables, rows, x, own_scratch)
    # the row of offsets after the last layer: the last norm, and the output head in the place of QKV
    at = offsets[layers]
    norm = weights[at[BEFORE] : at[BEFORE] + width]
    for i in range(len(logit_rows)):
        normalise_row(x[logit_rows[i]], norm, epsilon, own_scratch[0][i * width : (i + 1) * width])
    head = weights.ctypes.data + 4 * at[QKV]
    write_products(
        narrow.ctypes.data,
        4 * width,
        len(logit_rows),
        width,
        head,
        sizes[VOCABULARY],
        sizes[HALF] != 0,
        logits.ctypes.data,
    )


@entry(
    "void(int64[::1], float32, float32[::1], int64[:, ::1], float32[:, ::1], float32[:, ::1],"
    " float32[:, ::1], int64[:, ::1], int64[::1], float32[:, ::1])"
)
def run_rows(
    sizes: Array,
    epsilon: Any,
    weights: Array,
    offsets: Array,
    embedding: Array,
    cos: Array,
    sin: Array,
    rows: Array,
    logit_rows: Array,
    logits: Array,
) -> None:
    """Run rows through the model; write the logits of the rows `logit_rows` to `logits`.

    A row of `rows` has the six numbers of `paged_attention`. `epsilon` is the number that norms add.
    `weights` has all norms and packed matrices, as `llama` packs them; `cos` and `sin` (signed) are the
    rotary tables of all positions. Rows of one text are in order, and those of a tree after their parents,
    because a row attends to columns of earlier rows or calls. Cost: 2 flop for each weight and row. Up to
    eight rows read the weights, and their shared columns, once.
    """
    heads, groups, head = sizes[HEADS], sizes[GROUPS], sizes[HEAD]
    width = sizes[WIDTH]
    inner = sizes[INNER]
    count = len(rows)
    x = np.empty((count, width), np.float32)
    column_count = 0
    for i in range(count):
        column_count = max(column_count, rows[i, WHERE] + 1)
        for d in range(width):
            x[i, d] = embedding[rows[i, TOKEN], d]
    # each row of memory is as wide as its widest use in `run_layer`
    narrow_width = max(width, heads * head, inner)
    wide_width = max((heads + 2 * groups) * head, 2 * inner, width)
    narrow = np.empty(count * narrow_width, np.float32)
    wide = np.empty(count * wide_width, np.float32)
    part = np.empty(inner, np.float32)
    together = min(count, most_rows())
    queries = np.empty((together * (heads // groups), head), np.float32)
    # Half a panel is added to whole panels, so that the rows of scores begin in different sets of the
    # processor's cache.
    score_columns = (column_count // PANEL + 1) * PANEL + PANEL // 2
    scores = np.empty((2, min(len(queries), most_rows()), score_columns), np.float32)
    paths = np.empty((together, column_count), np.int64)
    scratch = narrow, wide, part, (queries, scores, paths)
    run_layers(sizes, epsilon, weights, offsets, (cos, sin), rows, logit_rows, x, scratch, logits)
