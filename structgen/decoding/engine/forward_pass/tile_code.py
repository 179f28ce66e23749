"""The LLVM instructions of the tiles, written by hand: read when `tiles` is compiled, and never else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from llvmlite import binding
from llvmlite import ir as llvm
from numba.core import cgutils, config, types
from numba.extending import intrinsic

from structgen.decoding.engine.forward_pass.tiles import LINE, PANEL

_LANES = PANEL // 2
_WORD, _INT, _FLOAT, _BYTES = (
    llvm.IntType(64),
    llvm.IntType(32),
    llvm.FloatType(),
    llvm.IntType(8).as_pointer(),
)
_BITS, _VECTOR = llvm.VectorType(_INT, _LANES), llvm.VectorType(_FLOAT, _LANES)
_FEATURES = (
    {"avx512f": config.CPU_NAME == "x86-64-v4"} if config.CPU_NAME else binding.get_host_cpu_features()
)
_WIDE = bool(_FEATURES.get("avx512f"))
MOST_ROWS = 8 if _WIDE else 2
TWO, TWO_SUMMED = (3, 4) if _WIDE else (1, 1)


class _Kind(NamedTuple):
    """What a tile does."""

    half: bool
    """Whether the weights are bfloat16."""
    is_list: bool
    """Whether `weights` is a list of the addresses of panels, to each of which `apart` is added. The next
    panels of the list are prefetched. It ends with four zeros."""
    is_adding: bool
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


def _panel_addresses(builder: Any, operands: _Operands, panels: int, is_list: bool) -> list[tuple[Any, Any]]:
    """Return the address of each panel, and the one of what is to be prefetched beside it."""
    if not is_list:
        places = [
            builder.add(operands.weights, builder.mul(operands.apart, _WORD(panel)))
            for panel in range(panels)
        ]
        return [(place, builder.add(place, operands.later)) for place in places]
    pairs = []
    for panel in range(panels):
        this, following = (
            builder.load(
                builder.inttoptr(builder.add(operands.weights, _WORD(8 * number)), _WORD.as_pointer())
            )
            for number in (panel, panel + panels)
        )
        ends_here = builder.icmp_signed("==", following, _WORD(0))
        prefetch_target = builder.select(ends_here, this, following)
        pairs.append((builder.add(this, operands.apart), builder.add(prefetch_target, operands.apart)))
    return pairs


def _llvm_function(builder: Any, name: str, result: Any, arguments: list[Any]) -> Any:
    """Return a function of LLVM."""
    return cgutils.get_or_insert_function(builder.module, llvm.FunctionType(result, arguments), name)


def _emit_prefetch(builder: Any, at: Any, size: int) -> None:
    """Emit the prefetch of some bytes."""
    prefetch = _llvm_function(builder, "llvm.prefetch.p0i8", llvm.VoidType(), [_BYTES, _INT, _INT, _INT])
    for line in range(0, size, LINE):
        pointer = builder.inttoptr(builder.add(at, _WORD(line)), _BYTES)
        # arguments: for reading, into all caches, data
        builder.call(prefetch, [pointer, _INT(0), _INT(3), _INT(1)])


def _load_columns(builder: Any, at: Any, half: bool) -> tuple[Any, Any]:
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


def _row_address(builder: Any, first: Any, step: Any, row: int) -> Any:
    """Return the address of a row."""
    return builder.add(first, builder.mul(step, _WORD(row)))


def _out_pointers(builder: Any, operands: _Operands, rows: int, panels: int) -> list[Any]:
    """Return pointers to the vectors of `out`, row by row."""
    firsts = [_row_address(builder, operands.out, operands.out_step, row) for row in range(rows)]
    pointers = [builder.inttoptr(first, _VECTOR.as_pointer()) for first in firsts]
    return [builder.gep(pointer, [_WORD(at)]) for pointer in pointers for at in range(2 * panels)]


def _add_products(
    builder: Any, kind: _Kind, operands: _Operands, rows: int, panels: Any, depth: Any, sums: Any
) -> Any:
    """Return the sums with the products of one depth. `panels`: as `_panel_addresses` returns them."""
    multiply_add = _llvm_function(builder, f"llvm.fma.v{_LANES}f32", _VECTOR, [_VECTOR] * 3)
    at = builder.mul(depth, operands.deep)
    columns: list[Any] = []
    for place, prefetch_target in panels:
        # one row reads keys and values as fast as they come
        if rows > 1 or not (kind.is_list or kind.is_adding):
            _emit_prefetch(builder, builder.add(prefetch_target, at), LINE if kind.half else 2 * LINE)
        columns += _load_columns(builder, builder.add(place, at), kind.half)
    grown: list[Any] = []
    for row in range(rows):
        first = _row_address(builder, operands.x, operands.x_step, row)
        number = _in_all_lanes(builder, builder.add(first, builder.mul(depth, _WORD(4))))
        for column in columns:
            grown.append(builder.call(multiply_add, [number, column, sums[len(grown)]]))
    return grown


def _write_tile(builder: Any, rows: int, panels: int, kind: _Kind, operands: _Operands) -> None:
    """Emit the loop over the depth that multiplies some rows with some panels."""
    start = builder.block
    loop, after = builder.append_basic_block("depth"), builder.append_basic_block("after")
    places, ends = (
        _panel_addresses(builder, operands, panels, kind.is_list),
        _out_pointers(builder, operands, rows, panels),
    )
    start_values = [
        builder.load(end, align=4) if kind.is_adding else llvm.Constant(_VECTOR, None) for end in ends
    ]
    builder.branch(loop)
    builder.position_at_end(loop)
    depth, sums = builder.phi(_WORD), [builder.phi(_VECTOR) for _ in ends]
    grown = _add_products(builder, kind, operands, rows, places, depth, sums)
    next_depth = builder.add(depth, _WORD(1))
    values = [depth, *sums], [_WORD(0), *start_values], [next_depth, *grown]
    for value, first, following in zip(*values, strict=True):
        value.add_incoming(first, start)
        value.add_incoming(following, loop)
    builder.cbranch(builder.icmp_signed("<", next_depth, operands.depth), loop, after)
    builder.position_at_end(after)
    for total, end in zip(grown, ends, strict=True):
        builder.store(total, end, align=4)


def _make_tiles(
    shapes: Sequence[tuple[int, int]],
    halves: Sequence[bool] = (False,),
    *,
    is_list: bool = False,
    is_adding: bool = False,
) -> Any:
    """Return an intrinsic that multiplies rows with panels, for the (rows, panels) of `shapes`; for others it
    does nothing.

    tile(rows, panels, half, operands): as `_Kind` and `_Operands` say. The depth is at least 1.
    """

    @intrinsic  # type: ignore[untyped-decorator]
    def tile(typingctx: Any, rows: Any, panels: Any, half: Any, operands: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            rows, panels, half, operands = args
            operand_fields = _Operands(*cgutils.unpack_tuple(builder, operands))
            shape = builder.add(builder.mul(rows, _WORD(8)), panels)
            key = builder.add(builder.mul(shape, _WORD(2)), builder.zext(half, _WORD))
            done = builder.append_basic_block("done")
            chosen = builder.switch(key, done)
            for row_count, panel_count in shapes:
                for is_half in halves:
                    block = builder.append_basic_block("tile")
                    chosen.add_case(_WORD(2 * (8 * row_count + panel_count) + is_half), block)
                    builder.position_at_end(block)
                    kind = _Kind(is_half, is_list, is_adding)
                    _write_tile(builder, row_count, panel_count, kind, operand_fields)
                    builder.branch(done)
            builder.position_at_end(done)
            return context.get_dummy_value()

        every = types.UniTuple(types.int64, len(_Operands._fields))  # type: ignore[attr-defined]
        return types.void(types.int64, types.int64, types.boolean, every), codegen

    return tile


def _number(value: int) -> Any:
    """Return an intrinsic that is a number."""

    @intrinsic  # type: ignore[untyped-decorator]
    def number(typingctx: Any) -> Any:
        return types.int64(), lambda context, builder, signature, args: _WORD(value)

    return number


most_rows, most_rows_of_two, most_summed_of_two = map(_number, (MOST_ROWS, TWO, TWO_SUMMED))
_EVERY = range(1, MOST_ROWS + 1)
_ALONE = [(rows, 1) for rows in _EVERY]
matrix_tile = _make_tiles(_ALONE + [(rows, 2) for rows in _EVERY if rows <= TWO], (False, True))
listed_tile = _make_tiles([(1, 4), *_ALONE, *((rows, 2) for rows in _EVERY if rows <= TWO)], is_list=True)
added_tile = _make_tiles(_ALONE + [(rows, 2) for rows in _EVERY if rows <= TWO_SUMMED], is_adding=True)
