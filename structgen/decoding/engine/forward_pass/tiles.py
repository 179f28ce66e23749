"""Compiled products of a few rows with a matrix: each row is multiplied by itself, in a fixed order.

The matrix is packed in panels of 32 columns. So a tile of rows reads its part from front to back, once for up
to eight rows. An element of a product is a chain of fused multiply-adds over the depth, the same for a row
alone and among others, by construction. The sums of a tile stay in registers; numba's own loops do not keep
vectors there, so the LLVM instructions are written by hand.

One row waits for the matrix to come from memory; eight rows keep the processor busy. In between, the time
hardly grows if memory delivers without stalls. So each tile prefetches what it reads about 64 depths later or
more (`_AHEAD`), also across pages, where the processor's own prefetching stops.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numba
import numpy.typing as npt
from llvmlite import binding
from llvmlite import ir as llvm
from numba.core import cgutils, types
from numba.extending import intrinsic

from structgen.base.native.jit import jit

Array: TypeAlias = npt.NDArray[Any]

PANEL = 32
"""Columns of a panel: two vectors of 16."""
_LANES = 16
_WORD, _INT, _FLOAT, _BYTES = (
    llvm.IntType(64),
    llvm.IntType(32),
    llvm.FloatType(),
    llvm.IntType(8).as_pointer(),
)
_BITS, _VECTOR = llvm.VectorType(_INT, _LANES), llvm.VectorType(_FLOAT, _LANES)
_HIGH = 0xFFFF0000
_LINE = 64
"""Bytes of a cache line."""
_AHEAD = 8192
"""Bytes between a prefetch and its read, divided by the panels of a tile. Measured with 512 to 8192 on
matrices in memory: eight rows gain twofold, one row a tenth."""

_FEATURES = binding.get_host_cpu_features()
IS_FUSED = bool(_FEATURES.get("fma")) or "x86" not in binding.get_default_triple()
"""Whether the processor has fused multiply-add; without it a tile would call a function."""
_WIDE = bool(_FEATURES.get("avx512f"))
MOST_ROWS = 8 if _WIDE else 2
"""Rows of a tile. Processors without AVX-512 have fewer vector registers for the sums."""
_TWO, _TWO_SUMMED = (3, 4) if _WIDE else (1, 1)
"""Up to how many rows tiles are two panels wide. Wider tiles need more registers; narrower ones leave the
processor waiting, because each sum waits for its predecessor and eight sums are needed in flight."""


def _constant(bits: int) -> Any:
    return llvm.Constant(_BITS, [bits] * _LANES)


def _columns(builder: Any, at: Any, half: bool) -> tuple[Any, Any]:
    """Return the two vectors of a panel's columns at one depth. For bfloat16, each 32-bit word has a column
    of the first vector in its lower half, and one of the second in its upper half."""
    pointer = builder.inttoptr(at, _BITS.as_pointer())
    if half:
        both = builder.load(pointer, align=4)
        low = builder.shl(both, _constant(16))
        high = builder.and_(both, _constant(_HIGH))
    else:
        low = builder.load(pointer, align=4)
        high = builder.load(builder.gep(pointer, [llvm.Constant(_WORD, 1)]), align=4)
    return builder.bitcast(low, _VECTOR), builder.bitcast(high, _VECTOR)


def _write_tile(
    builder: Any, rows: int, panels: int, half: bool, listed: bool, more: bool, ahead: bool, given: Any
) -> None:
    """Emit the loop that multiplies some rows with some panels. `_tiles` documents `given`."""
    x, x_step, weights, deep, apart, later, out, out_step, depth = given
    word = _WORD
    fused = cgutils.get_or_insert_function(
        builder.module, llvm.FunctionType(_VECTOR, [_VECTOR] * 3), f"llvm.fma.v{_LANES}f32"
    )
    prefetch = cgutils.get_or_insert_function(
        builder.module, llvm.FunctionType(llvm.VoidType(), [_BYTES, _INT, _INT, _INT]), "llvm.prefetch.p0i8"
    )
    start = builder.block
    loop = builder.append_basic_block("depth")
    after = builder.append_basic_block("after")
    starts = [builder.add(x, builder.mul(x_step, word(row))) for row in range(rows)]
    places, wanted = [], []
    for panel in range(panels):
        if listed:
            this, following = (
                builder.load(builder.inttoptr(builder.add(weights, word(8 * number)), word.as_pointer()))
                for number in (panel, panel + panels)
            )
            ends_here = builder.icmp_signed("==", following, word(0))
            places.append(builder.add(this, apart))
            wanted.append(builder.add(builder.select(ends_here, this, following), apart))
        else:
            places.append(builder.add(weights, builder.mul(apart, word(panel))))
            wanted.append(builder.add(places[-1], later))
    ends = []
    for row in range(rows):
        base = builder.add(out, builder.mul(out_step, word(row)))
        pointer = builder.inttoptr(base, _VECTOR.as_pointer())
        ends += [builder.gep(pointer, [word(place)]) for place in range(2 * panels)]
    none = llvm.Constant(_VECTOR, None)
    before = [builder.load(end, align=4) if more else none for end in ends]
    builder.branch(loop)
    builder.position_at_end(loop)
    k = builder.phi(word)
    k.add_incoming(word(0), start)
    sums = [builder.phi(_VECTOR) for _ in range(2 * rows * panels)]
    for one, held in zip(sums, before, strict=True):
        one.add_incoming(held, start)
    at = builder.mul(k, deep)
    columns: list[Any] = []
    for place, next_place in zip(places, wanted, strict=True):
        for line in range(0, (_LINE if half else 2 * _LINE) if ahead else 0, _LINE):
            pointer = builder.inttoptr(builder.add(builder.add(next_place, at), word(line)), _BYTES)
            # arguments: for reading, into all caches, data
            builder.call(prefetch, [pointer, _INT(0), _INT(3), _INT(1)])
        columns += _columns(builder, builder.add(place, at), half)
    grown: list[Any] = []
    blank = llvm.Constant(_VECTOR, llvm.Undefined)
    first = llvm.Constant(_BITS, [0] * _LANES)
    for row in range(rows):
        pointer = builder.inttoptr(builder.add(starts[row], builder.mul(k, word(4))), _FLOAT.as_pointer())
        one = builder.insert_element(blank, builder.load(pointer), _INT(0))
        spread = builder.shuffle_vector(one, blank, first)
        for column in columns:
            total = sums[len(grown)]
            grown.append(builder.call(fused, [spread, column, total]))
    for one, sum_ in zip(sums, grown, strict=True):
        one.add_incoming(sum_, loop)
    following = builder.add(k, word(1))
    k.add_incoming(following, loop)
    builder.cbranch(builder.icmp_signed("<", following, depth), loop, after)
    builder.position_at_end(after)
    for one, end in zip(grown, ends, strict=True):
        builder.store(one, end, align=4)


def _tiles(
    shapes: Sequence[tuple[int, int]],
    halves: Sequence[bool] = (False,),
    *,
    listed: bool = False,
    more: bool = False,
) -> Any:
    """Return an intrinsic that multiplies rows with panels, for the (rows, panels) of `shapes`; for others it
    does nothing.

    tile(rows, panels, half, x, x_step, weights, deep, apart, later, out, out_step, depth). `half`: the
    weights are bfloat16. `x`, `weights`, `out`: addresses. Steps in bytes: `x_step` and `out_step` from row
    to row, `deep` from depth to depth, `apart` from panel to panel, `later` from a read to its prefetch.
    `depth` is at least 1. `listed`: `weights` is a list of the addresses of panels, to each of which `apart`
    is added; the next panels of the list are prefetched; it ends with four zeros. `more`: add to `out`. One
    row prefetches only within a matrix: it reads keys and values as fast as they come.
    """

    @intrinsic  # type: ignore[untyped-decorator]
    def tile(
        typingctx: Any,
        rows: Any,
        panels: Any,
        half: Any,
        x: Any,
        x_step: Any,
        weights: Any,
        deep: Any,
        apart: Any,
        later: Any,
        out: Any,
        out_step: Any,
        depth: Any,
    ) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            rows, panels, half, *given = args
            word = _WORD
            shape = builder.add(builder.mul(rows, word(8)), panels)
            key = builder.add(builder.mul(shape, word(2)), builder.zext(half, word))
            done = builder.append_basic_block("done")
            chosen = builder.switch(key, done)
            for row_count, panel_count in shapes:
                for is_half in halves:
                    block = builder.append_basic_block("tile")
                    chosen.add_case(word(2 * (8 * row_count + panel_count) + is_half), block)
                    builder.position_at_end(block)
                    ahead = row_count > 1 or not (listed or more)
                    _write_tile(builder, row_count, panel_count, is_half, listed, more, ahead, given)
                    builder.branch(done)
            builder.position_at_end(done)
            return context.get_dummy_value()

        return types.void(types.int64, types.int64, types.boolean, *[types.int64] * 9), codegen

    return tile


_EVERY = range(1, MOST_ROWS + 1)
_ALONE = [(rows, 1) for rows in _EVERY]
_matrix_tile = _tiles(_ALONE + [(rows, 2) for rows in _EVERY if rows <= _TWO], (False, True))
_listed_tile = _tiles([(1, 4), *_ALONE, *((rows, 2) for rows in _EVERY if rows <= _TWO)], listed=True)
_added_tile = _tiles(_ALONE + [(rows, 2) for rows in _EVERY if rows <= _TWO_SUMMED], more=True)


def _pointer(kind: Any, held: Any) -> Any:
    """Return an intrinsic that casts an address to a pointer, for numba.carray."""

    @intrinsic  # type: ignore[untyped-decorator]
    def at(typingctx: Any, address: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            return builder.inttoptr(args[0], held.as_pointer())

        return types.CPointer(kind)(types.int64), codegen  # type: ignore[attr-defined]

    return at


floats_at, words_at = _pointer(types.float32, _FLOAT), _pointer(types.int64, _WORD)


@jit
def floats(array: Array) -> Any:
    """Return a float32 array without its owner, who must outlive it. Slices of it are not reference-counted,
    which in inner loops would cost more than the work."""
    return numba.carray(floats_at(array.ctypes.data), array.shape)


@jit
def words(array: Array) -> Any:
    """Return an int64 array without its owner, as `floats` does."""
    return numba.carray(words_at(array.ctypes.data), array.shape)


@jit
def product(
    x: int, step: int, rows: int, depth: int, weights: int, columns: int, half: int, out: int
) -> None:
    """Write the products of rows with a matrix of packed columns.

    `x` is the address of the first row, `step` the bytes from row to row; `weights` is the address of the
    panels; `out` that of the products, `columns` (a multiple of PANEL) a row. `half`: the weights are
    bfloat16.
    """
    deep = 4 * (PANEL // 2 if half else PANEL)
    apart = depth * deep
    wide = 4 * columns
    panels = columns // PANEL
    # tiles of nearly equal size: a tile of one row would take as long as one of four
    tiles = (rows + MOST_ROWS - 1) // MOST_ROWS
    together = 2 if rows <= _TWO else 1
    panel = 0
    while panel < panels:
        if panel + together > panels:
            together = 1
        w, o = weights + panel * apart, out + 4 * PANEL * panel
        row = 0
        for tile in range(tiles):
            stop = rows * (tile + 1) // tiles
            _matrix_tile(
                stop - row, together, half, x + row * step, step, w, deep, apart, _AHEAD // together,
                o + row * wide, wide, depth,
            )  # fmt: skip
            row = stop
        panel += together


@jit
def listed_product(
    x: int, rows: int, depth: int, pages: int, panels: int, apart: int, out: int, wide: int
) -> None:
    """Write the products of up to MOST_ROWS adjacent rows with panels. `pages` is the address of a list of
    the panels' addresses less `apart`; `wide` is the bytes from a row of products to the next."""
    together = 4 if rows == 1 else 2 if rows <= _TWO else 1
    panel = 0
    while panel < panels:
        if panel + together > panels:
            together = 1
        o = out + 4 * PANEL * panel
        _listed_tile(
            rows, together, False, x, 4 * depth, pages + 8 * panel, 4 * PANEL, apart, 0, o, wide, depth
        )
        panel += together


@jit
def add_weighted(
    shares: int, rows: int, step: int, count: int, values: int, later: int, columns: int, out: int
) -> None:
    """Add to each of up to MOST_ROWS rows the sum of `count` rows of values, each times its weight.

    A row has `columns` numbers (a multiple of PANEL). `shares`, `values` and `out` are addresses. `step` is
    the bytes from a row of weights to the next, `later` from a value to its prefetch.
    """
    wide = 4 * columns
    together = 2 if rows <= _TWO_SUMMED else 1
    column = 0
    while column < columns:
        if column + together * PANEL > columns:
            together = 1
        o = out + 4 * column
        v = values + 4 * column
        _added_tile(rows, together, False, shares, step, v, wide, 4 * PANEL, later, o, wide, count)
        column += together * PANEL
