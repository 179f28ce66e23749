"""Compiled products of rows with a matrix, defined to the bit by ten lines of numpy:

    def product(rows, matrix):  # float32 [rows, depth] and [columns, depth]
        sums = np.zeros((len(rows), len(matrix)), np.float32)
        for k in range(rows.shape[1]):
            exact = np.multiply.outer(rows[:, k].astype(np.float64), matrix[:, k].astype(np.float64))
            sums = (exact + sums).astype(np.float32)
        return sums

An element is a chain of fused multiply-adds over the depth. So it is the same for a row alone and among
others, by construction. The tests compare with these lines.

The code below makes this fast. A *panel* is 32 columns of the matrix, packed so that all 32 numbers of one
depth are adjacent. A *tile* is the product of up to eight rows with one, two or four panels. It reads its
panels from front to back, once for all of its rows. The sums of a tile stay in registers; numba's own loops
do not keep vectors there, so the LLVM instructions are written by hand (`tile_code`). For example, 3 rows
times 64 columns are one tile of two panels. A *vector* is 16 numbers.

One row waits for the matrix to come from memory; eight rows keep the processor busy. In between, the time
hardly grows if memory delivers without stalls. So each tile prefetches what it reads about 64 depths later or
more (`_AHEAD`), also across pages, where the processor's own prefetching stops.
"""

from __future__ import annotations

from typing import Any

from structgen.base.native.array_types import Array
from structgen.base.native.jit import instructions_in, jit
from structgen.base.native.raw_memory import float32s, int64s

PANEL = 32
"""The number of columns of a panel: two vectors."""
LINE = 64
"""The bytes of a cache line."""
_AHEAD = 8192
"""The bytes between a prefetch and its read, in a tile of one panel; a tile of two panels has half as many.
Measured with 512 to 8192 on matrices in memory: eight rows gain twofold, one row a tenth."""

_instructions = instructions_in("structgen.decoding.engine.forward_pass.tile_code")


@_instructions
def most_rows() -> int:
    """Return the most rows of a tile. Processors without AVX-512 have fewer vector registers for the sums."""
    raise NotImplementedError


@_instructions
def most_rows_of_two() -> int:
    """Return the most rows of a tile of two panels.

    With more rows, two panels would need too many registers. With few rows, one panel would leave the
    processor waiting: each sum waits for the one before it, and eight sums are needed at a time.
    """
    raise NotImplementedError


@_instructions
def most_summed_of_two() -> int:
    """Return the most rows of a tile of two panels that adds to sums (`added_tile`)."""
    raise NotImplementedError


@_instructions
def matrix_tile(rows: int, panels: int, half: Any, operands: Any) -> None:
    """Write the products of `rows` rows with `panels` panels. `half`: the weights are bfloat16. `operands`
    are the nine numbers of `tile_code._Operands`."""
    raise NotImplementedError


@_instructions
def listed_tile(rows: int, panels: int, half: Any, operands: Any) -> None:
    """Write the products of rows with panels whose addresses are in a list. The parameters are those of
    `matrix_tile`."""
    raise NotImplementedError


@_instructions
def added_tile(rows: int, panels: int, half: Any, operands: Any) -> None:
    """Add products of rows with panels to sums. The parameters are those of `matrix_tile`."""
    raise NotImplementedError


@jit
def borrow_floats(array: Array) -> Any:
    """Return a float32 array in the memory of `array`, which must outlive it. Slices of the returned array
    are not reference-counted; in inner loops, counting would cost more than the work."""
    return float32s(array.ctypes.data, array.shape)


@jit
def borrow_words(array: Array) -> Any:
    """Return an int64 array in the memory of `array`, as `borrow_floats` does for float32."""
    return int64s(array.ctypes.data, array.shape)


@jit
def write_products(
    x: int, step: int, rows: int, depth: int, weights: int, columns: int, half: int, out: int
) -> None:
    """Write the products of rows with a matrix of packed columns.

    `x` is the address of the first row, `step` the bytes from row to row, `rows` their number, and `depth`
    the numbers of a row. `weights` is the address of the panels. `out` is the address of the products, which
    have `columns` numbers a row, a multiple of PANEL. `half`: the weights are bfloat16.
    """
    # Sizes in bytes: `deep` of a panel at one depth, `apart` of a whole panel, `wide` of a row of products.
    deep = 4 * (PANEL // 2 if half else PANEL)
    apart = depth * deep
    wide = 4 * columns
    panels = columns // PANEL
    # tiles of nearly equal size: a tile of one row would take as long as one of four
    tiles = (rows + most_rows() - 1) // most_rows()
    together = 2 if rows <= most_rows_of_two() else 1
    panel = 0
    while panel < panels:
        if panel + together > panels:
            together = 1
        panel_weights = weights + panel * apart
        panel_out = out + 4 * PANEL * panel
        later = _AHEAD // together
        row = 0
        for tile in range(tiles):
            stop = rows * (tile + 1) // tiles
            tile_x = x + row * step
            tile_out = panel_out + row * wide
            # in the order of `tile_code._Operands`
            operands = tile_x, step, panel_weights, deep, apart, later, tile_out, wide, depth
            matrix_tile(stop - row, together, half, operands)
            row = stop
        panel += together


@jit
def listed_product(
    x: int, rows: int, depth: int, pages: int, panels: int, apart: int, out: int, wide: int
) -> None:
    """Write the products of up to `most_rows()` adjacent rows with panels that lie in pages.

    `pages` is the address of a list of pages. The panel of a page begins `apart` bytes after the page. `x`,
    `rows`, `depth` and `out` are as in `write_products`; `wide` is the bytes from one row of products to the
    next.
    """
    together = 2 if rows <= most_rows_of_two() else 1
    if rows == 1:
        together = 4  # eight sums at a time are needed: two vectors for each panel of the row
    panel = 0
    while panel < panels:
        if panel + together > panels:
            together = 1
        panel_out = out + 4 * PANEL * panel
        operands = x, 4 * depth, pages + 8 * panel, 4 * PANEL, apart, 0, panel_out, wide, depth
        listed_tile(rows, together, False, operands)
        panel += together


@jit
def add_weighted(
    shares: int, rows: int, step: int, count: int, values: int, later: int, columns: int, out: int
) -> None:
    """Add to each of up to `most_rows()` rows the sum of `count` rows of values, each times its weight.

    A row has `columns` numbers (a multiple of PANEL). `shares`, `values` and `out` are addresses. `step` is
    the bytes from a row of weights to the next, `later` from a value to its prefetch.
    """
    wide = 4 * columns
    together = 2 if rows <= most_summed_of_two() else 1
    column = 0
    while column < columns:
        if column + together * PANEL > columns:
            together = 1
        column_out = out + 4 * column
        column_values = values + 4 * column
        # the shares are the rows, the values the matrix, and the count of values is the depth
        operands = shares, step, column_values, wide, 4 * PANEL, later, column_out, wide, count
        added_tile(rows, together, False, operands)
        column += together * PANEL
