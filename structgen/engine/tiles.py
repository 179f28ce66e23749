"""Products of a few rows with a matrix, compiled: each row is multiplied by itself, in one order.

The matrix lies in panels of 32 columns, so that what a tile of rows needs of it is read from front to back,
and once for all rows. An element of a product is a chain of fused multiplications and additions over the
depth, the same for a row alone and among others: nothing has to be seen by experiment. The sums of a tile
stay in registers, which takes vectors that numba's own loops do not keep there; so they are written out.
"""

from __future__ import annotations

from typing import Any

from llvmlite import binding
from llvmlite import ir as llvm
from numba.core import cgutils, types
from numba.extending import intrinsic

from structgen.jit import jit

PANEL = 32
"""Columns of a panel: two vectors of 16."""
_LANES = 16
_WORD, _FLOAT = llvm.IntType(64), llvm.FloatType()
_BITS, _VECTOR = llvm.VectorType(llvm.IntType(32), _LANES), llvm.VectorType(_FLOAT, _LANES)
_HIGH = 0xFFFF0000


def _constant(bits: int) -> Any:
    return llvm.Constant(_BITS, [bits] * _LANES)


def _columns(builder: Any, at: Any, half: bool) -> tuple[Any, Any]:
    """Return the two vectors of a panel's columns at one depth. Where they are half as wide (bfloat16), a
    word of 32 bits has a column of the first vector below and one of the second above."""
    pointer = builder.inttoptr(at, _BITS.as_pointer())
    if half:
        both = builder.load(pointer, align=4)
        low = builder.shl(both, _constant(16))
        high = builder.and_(both, _constant(_HIGH))
    else:
        low = builder.load(pointer, align=4)
        high = builder.load(builder.gep(pointer, [llvm.Constant(_WORD, 1)]), align=4)
    return builder.bitcast(low, _VECTOR), builder.bitcast(high, _VECTOR)


def _tile(rows: int, panels: int, half: bool, *, listed: bool = False, more: bool = False) -> Any:
    """Return an intrinsic that multiplies so many rows with so many panels.

    tile(x, x_step, weights, deep, apart, out, out_step, depth): addresses; bytes from a row to the next, from
    the columns at one depth to those at the next, from panel to panel; and the depth. `listed`: at `weights`
    lie the addresses of the panels, to each of which `apart` is added. `more`: what is at `out` is added to.
    """

    @intrinsic  # type: ignore[untyped-decorator]
    def tile(
        typingctx: Any,
        x: Any,
        x_step: Any,
        weights: Any,
        deep: Any,
        apart: Any,
        out: Any,
        out_step: Any,
        depth: Any,
    ) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            x, x_step, weights, deep, apart, out, out_step, depth = args
            word = _WORD
            kind = llvm.FunctionType(_VECTOR, [_VECTOR] * 3)
            fused = cgutils.get_or_insert_function(builder.module, kind, f"llvm.fma.v{_LANES}f32")
            start = builder.block
            loop = builder.append_basic_block("depth")
            after = builder.append_basic_block("after")
            starts = [builder.add(x, builder.mul(x_step, word(row))) for row in range(rows)]
            places = []
            for panel in range(panels):
                if listed:
                    entry = builder.add(weights, word(8 * panel))
                    place = builder.load(builder.inttoptr(entry, word.as_pointer()))
                    places.append(builder.add(place, apart))
                else:
                    places.append(builder.add(weights, builder.mul(apart, word(panel))))
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
            for place in places:
                columns += _columns(builder, builder.add(place, at), half)
            grown: list[Any] = []
            blank = llvm.Constant(_VECTOR, llvm.Undefined)
            first = llvm.Constant(llvm.VectorType(llvm.IntType(32), _LANES), [0] * _LANES)
            for row in range(rows):
                pointer = builder.inttoptr(
                    builder.add(starts[row], builder.mul(k, word(4))), _FLOAT.as_pointer()
                )
                one = builder.insert_element(blank, builder.load(pointer), llvm.IntType(32)(0))
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
            return context.get_dummy_value()

        return types.void(*[types.int64] * 8), codegen

    return tile


_FEATURES = binding.get_host_cpu_features()
IS_FUSED = bool(_FEATURES.get("fma")) or "x86" not in binding.get_default_triple()
"""Whether the processor multiplies and adds in one instruction; without it a tile would call a function."""
_ROWS = 8 if _FEATURES.get("avx512f") else 2
"""Rows of a tile: with fewer vector registers than those of AVX-512, fewer sums stay in them."""
_most_half, _most = _tile(_ROWS, 1, True), _tile(_ROWS, 1, False)
_two_half, _two = _tile(2, 1, True), _tile(2, 1, False)
_one_half, _one = _tile(1, 1, True), _tile(1, 1, False)
_four_half, _four = _tile(1, 4, True), _tile(1, 4, False)
_four_listed, _one_listed = _tile(1, 4, False, listed=True), _tile(1, 1, False, listed=True)
_two_more, _one_more = _tile(1, 2, False, more=True), _tile(1, 1, False, more=True)


@intrinsic  # type: ignore[untyped-decorator]
def floats_at(typingctx: Any, address: Any) -> Any:
    """Return an address as a pointer to single-precision numbers, for numba.carray."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.inttoptr(args[0], _FLOAT.as_pointer())

    return types.CPointer(types.float32)(types.int64), codegen  # type: ignore[attr-defined]


@jit
def product(x, step, rows, depth, weights, columns, half, out):
    """Write the products of rows with a matrix of packed columns.

    `x` is the address of the first row, `step` bytes from each to the next; `weights` that of the panels;
    `out` that of the products, `columns` (a multiple of PANEL) a row. `half`: the weights are bfloat16.
    """
    deep = 4 * (PANEL // 2 if half else PANEL)
    apart = depth * deep
    wide = 4 * columns
    panels = columns // PANEL
    panel = 0
    while panel < panels:
        w, o = weights + panel * apart, out + 4 * PANEL * panel
        if rows == 1 and panel + 4 <= panels:
            # one row leaves room in the registers for four panels, and needs them to be busy
            if half:
                _four_half(x, step, w, deep, apart, o, wide, depth)
            else:
                _four(x, step, w, deep, apart, o, wide, depth)
            panel += 4
            continue
        row = 0
        while row + _ROWS <= rows:
            if half:
                _most_half(x + row * step, step, w, deep, apart, o + row * wide, wide, depth)
            else:
                _most(x + row * step, step, w, deep, apart, o + row * wide, wide, depth)
            row += _ROWS
        while row + 2 <= rows:
            if half:
                _two_half(x + row * step, step, w, deep, apart, o + row * wide, wide, depth)
            else:
                _two(x + row * step, step, w, deep, apart, o + row * wide, wide, depth)
            row += 2
        if row < rows:
            if half:
                _one_half(x + row * step, step, w, deep, apart, o + row * wide, wide, depth)
            else:
                _one(x + row * step, step, w, deep, apart, o + row * wide, wide, depth)
        panel += 1


@jit
def listed_product(x, depth, pages, panels, apart, out):
    """Write the products of one row with panels whose addresses, less `apart`, lie at `pages`."""
    panel = 0
    while panel < panels:
        if panel + 4 <= panels:
            _four_listed(x, 0, pages + 8 * panel, 4 * PANEL, apart, out + 4 * PANEL * panel, 0, depth)
            panel += 4
        else:
            _one_listed(x, 0, pages + 8 * panel, 4 * PANEL, apart, out + 4 * PANEL * panel, 0, depth)
            panel += 1


@jit
def add_weighted(shares, count, values, columns, out):
    """Add the sum of `count` rows of `columns` numbers (a multiple of PANEL), each times its share; all are
    given by their addresses."""
    column = 0
    while column < columns:
        w, o = values + 4 * column, out + 4 * column
        if column + 2 * PANEL <= columns:
            _two_more(shares, 0, w, 4 * columns, 4 * PANEL, o, 0, count)
            column += 2 * PANEL
        else:
            _one_more(shares, 0, w, 4 * columns, 0, o, 0, count)
            column += PANEL
