"""Compiled products of rows with a matrix, defined to the bit by ten lines of numpy:

    def product(rows, matrix):  # float32 [rows, depth] and [columns, depth]
        sums = np.zeros((len(rows), len(matrix)), np.float32)
        for k in range(rows.shape[1]):
            exact = np.multiply.outer(rows[:, k].astype(np.float64), matrix[:, k].astype(np.float64))
            sums = (exact + sums).astype(np.float32)
        return sums

An element is a chain of fused multiply-adds over the depth. So it is the same for a row alone and among
others, by construction. The tests compare with these lines.

What is below makes that fast. The matrix is packed in panels of 32 columns. So a tile of rows reads its part
from front to back, once for up to eight rows. The sums of a tile stay in registers; numba's own loops do not
keep vectors there, so the LLVM instructions are written by hand.

One row waits for the matrix to come from memory; eight rows keep the processor busy. In between, the time
hardly grows if memory delivers without stalls. So each tile prefetches what it reads about 64 depths later or
more (`_AHEAD`), also across pages, where the processor's own prefetching stops.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numba
from llvmlite import binding
from llvmlite import ir as llvm
from numba.core import cgutils, types
from numba.extending import intrinsic

from structgen.base.native.jit import jit
from structgen.decoding.engine.row_loops import Array

PANEL = 32
"""Columns of a panel: two vectors."""
LINE = 64
"""Bytes of a cache line."""
_LANES = PANEL // 2
_WORD, _INT, _FLOAT, _BYTES = (
    llvm.IntType(64),
    llvm.IntType(32),
    llvm.FloatType(),
    llvm.IntType(8).as_pointer(),
)
_BITS, _VECTOR = llvm.VectorType(_INT, _LANES), llvm.VectorType(_FLOAT, _LANES)
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


class _Kind(NamedTuple):
    """What a tile does."""

    half: bool
    """Whether the weights are bfloat16."""
    listed: bool
    """Whether `weights` is a list of the addresses of panels, to each of which `apart` is added. The next
    panels of the list are prefetched. It ends with four zeros."""
    more: bool
    """Whether products are added to `out`."""


class _Operands(NamedTuple):
    """What a tile works on, as LLVM's values: addresses, steps in bytes, and the depth."""

    x: Any
    x_step: Any
    """From row to row."""
    weights: Any
    deep: Any
    """From depth to depth."""
    apart: Any
    """From panel to panel."""
    later: Any
    """From a read to its prefetch."""
    out: Any
    out_step: Any
    """From row to row."""
    depth: Any


def _panels(builder: Any, given: _Operands, panels: int, listed: bool) -> list[tuple[Any, Any]]:
    """Return the address of each panel, and the one of what is to be prefetched beside it."""
    if not listed:
        places = [
            builder.add(given.weights, builder.mul(given.apart, _WORD(panel))) for panel in range(panels)
        ]
        return [(place, builder.add(place, given.later)) for place in places]
    pairs = []
    for panel in range(panels):
        this, following = (
            builder.load(builder.inttoptr(builder.add(given.weights, _WORD(8 * number)), _WORD.as_pointer()))
            for number in (panel, panel + panels)
        )
        ends_here = builder.icmp_signed("==", following, _WORD(0))
        wanted = builder.select(ends_here, this, following)
        pairs.append((builder.add(this, given.apart), builder.add(wanted, given.apart)))
    return pairs


def _intrinsic(builder: Any, name: str, result: Any, arguments: list[Any]) -> Any:
    """Return a function of LLVM."""
    return cgutils.get_or_insert_function(builder.module, llvm.FunctionType(result, arguments), name)


def _prefetch(builder: Any, at: Any, size: int) -> None:
    """Emit the prefetch of some bytes."""
    prefetch = _intrinsic(builder, "llvm.prefetch.p0i8", llvm.VoidType(), [_BYTES, _INT, _INT, _INT])
    for line in range(0, size, LINE):
        pointer = builder.inttoptr(builder.add(at, _WORD(line)), _BYTES)
        # arguments: for reading, into all caches, data
        builder.call(prefetch, [pointer, _INT(0), _INT(3), _INT(1)])


def _columns(builder: Any, at: Any, half: bool) -> tuple[Any, Any]:
    """Return the two vectors of a panel's columns at one depth. For bfloat16, each 32-bit word has a column
    of the first vector in its lower half, and one of the second in its upper half."""
    pointer = builder.inttoptr(at, _BITS.as_pointer())
    if half:
        both, half_word = builder.load(pointer, align=4), llvm.Constant(_BITS, [16] * _LANES)
        low = builder.shl(both, half_word)
        high = builder.shl(builder.lshr(both, half_word), half_word)
    else:
        low = builder.load(pointer, align=4)
        high = builder.load(builder.gep(pointer, [llvm.Constant(_WORD, 1)]), align=4)
    return builder.bitcast(low, _VECTOR), builder.bitcast(high, _VECTOR)


def _in_all_lanes(builder: Any, at: Any) -> Any:
    """Return the vector of one number, which stands at an address."""
    blank = llvm.Constant(_VECTOR, llvm.Undefined)
    number = builder.load(builder.inttoptr(at, _FLOAT.as_pointer()))
    first = builder.insert_element(blank, number, _INT(0))
    return builder.shuffle_vector(first, blank, llvm.Constant(_BITS, None))


def _row(builder: Any, first: Any, step: Any, row: int) -> Any:
    """Return the address of a row."""
    return builder.add(first, builder.mul(step, _WORD(row)))


def _ends(builder: Any, given: _Operands, rows: int, panels: int) -> list[Any]:
    """Return pointers to the vectors of `out`, row by row."""
    firsts = [_row(builder, given.out, given.out_step, row) for row in range(rows)]
    pointers = [builder.inttoptr(first, _VECTOR.as_pointer()) for first in firsts]
    return [builder.gep(pointer, [_WORD(at)]) for pointer in pointers for at in range(2 * panels)]


def _added(builder: Any, kind: _Kind, given: _Operands, rows: int, panels: Any, depth: Any, sums: Any) -> Any:
    """Return the sums with the products of one depth. `panels`: as `_panels` returns them."""
    fused = _intrinsic(builder, f"llvm.fma.v{_LANES}f32", _VECTOR, [_VECTOR] * 3)
    at = builder.mul(depth, given.deep)
    columns: list[Any] = []
    for place, wanted in panels:
        # one row reads keys and values as fast as they come
        if rows > 1 or not (kind.listed or kind.more):
            _prefetch(builder, builder.add(wanted, at), LINE if kind.half else 2 * LINE)
        columns += _columns(builder, builder.add(place, at), kind.half)
    grown: list[Any] = []
    for row in range(rows):
        first = _row(builder, given.x, given.x_step, row)
        number = _in_all_lanes(builder, builder.add(first, builder.mul(depth, _WORD(4))))
        for column in columns:
            grown.append(builder.call(fused, [number, column, sums[len(grown)]]))
    return grown


def _write_tile(builder: Any, rows: int, panels: int, kind: _Kind, given: _Operands) -> None:
    """Emit the loop over the depth that multiplies some rows with some panels."""
    start = builder.block
    loop, after = builder.append_basic_block("depth"), builder.append_basic_block("after")
    places, ends = _panels(builder, given, panels, kind.listed), _ends(builder, given, rows, panels)
    before = [builder.load(end, align=4) if kind.more else llvm.Constant(_VECTOR, None) for end in ends]
    builder.branch(loop)
    builder.position_at_end(loop)
    depth, sums = builder.phi(_WORD), [builder.phi(_VECTOR) for _ in ends]
    grown = _added(builder, kind, given, rows, places, depth, sums)
    next_depth = builder.add(depth, _WORD(1))
    values = [depth, *sums], [_WORD(0), *before], [next_depth, *grown]
    for value, first, following in zip(*values, strict=True):
        value.add_incoming(first, start)
        value.add_incoming(following, loop)
    builder.cbranch(builder.icmp_signed("<", next_depth, given.depth), loop, after)
    builder.position_at_end(after)
    for total, end in zip(grown, ends, strict=True):
        builder.store(total, end, align=4)


def _tiles(
    shapes: Sequence[tuple[int, int]],
    halves: Sequence[bool] = (False,),
    *,
    listed: bool = False,
    more: bool = False,
) -> Any:
    """Return an intrinsic that multiplies rows with panels, for the (rows, panels) of `shapes`; for others it
    does nothing.

    tile(rows, panels, half, operands): as `_Kind` and `_Operands` say. The depth is at least 1.
    """

    @intrinsic  # type: ignore[untyped-decorator]
    def tile(typingctx: Any, rows: Any, panels: Any, half: Any, operands: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            rows, panels, half, operands = args
            given = _Operands(*cgutils.unpack_tuple(builder, operands))
            shape = builder.add(builder.mul(rows, _WORD(8)), panels)
            key = builder.add(builder.mul(shape, _WORD(2)), builder.zext(half, _WORD))
            done = builder.append_basic_block("done")
            chosen = builder.switch(key, done)
            for row_count, panel_count in shapes:
                for is_half in halves:
                    block = builder.append_basic_block("tile")
                    chosen.add_case(_WORD(2 * (8 * row_count + panel_count) + is_half), block)
                    builder.position_at_end(block)
                    kind = _Kind(is_half, listed, more)
                    _write_tile(builder, row_count, panel_count, kind, given)
                    builder.branch(done)
            builder.position_at_end(done)
            return context.get_dummy_value()

        every = types.UniTuple(types.int64, len(_Operands._fields))  # type: ignore[attr-defined]
        return types.void(types.int64, types.int64, types.boolean, every), codegen

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
            operands = x + row * step, step, w, deep, apart, _AHEAD // together, o + row * wide, wide, depth
            _matrix_tile(stop - row, together, half, operands)
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
        operands = x, 4 * depth, pages + 8 * panel, 4 * PANEL, apart, 0, o, wide, depth
        _listed_tile(rows, together, False, operands)
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
        _added_tile(rows, together, False, (shares, step, v, wide, 4 * PANEL, later, o, wide, count))
        column += together * PANEL
