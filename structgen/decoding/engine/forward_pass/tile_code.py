"""Emits the LLVM instructions of the tiles. It is imported only when `tiles` is compiled.

A *tile* is the product of a few rows with one to four *panels*, each 32 packed columns of a matrix (`tiles`).
The *depth* is the index over which a product sums. An *intrinsic* of numba is a function whose instructions
are written by hand. A *lane* is one of the 16 numbers of a vector.

`_make_tiles` makes an intrinsic of numba: a switch over all (rows, panels) that the registers of a processor
allow, with a block for each. `_write_tile` emits the block: a loop over the depth that multiplies a number of
each row with the columns of the panels, and adds the products to sums in registers. Nothing here computes:
each function emits instructions, by a `builder` of llvmlite, and returns LLVM's values.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from llvmlite import binding
from llvmlite import ir as llvm
from numba.core import cgutils, config, types
from numba.extending import intrinsic

from structgen.decoding.engine.forward_pass.tiles import LINE, PANEL

_LANES = PANEL // 2
_WORD = llvm.IntType(64)
_INT = llvm.IntType(32)
_FLOAT = llvm.FloatType()
_BYTES = llvm.IntType(8).as_pointer()
_BITS = llvm.VectorType(_INT, _LANES)
_VECTOR = llvm.VectorType(_FLOAT, _LANES)
if config.CPU_NAME:  # compiled for another processor than this one, as for a wheel
    _WIDE = config.CPU_NAME == "x86-64-v4"
else:
    _WIDE = bool(binding.get_host_cpu_features().get("avx512f"))
MOST_ROWS = 8 if _WIDE else 2
"""The most rows of a tile. Without AVX-512 a vector of 16 numbers takes two or four registers."""
TWO = 3 if _WIDE else 1
"""The most rows of a tile of two panels."""
TWO_SUMMED = 4 if _WIDE else 1
"""The most rows of a tile of two panels that adds to sums."""


class _Kind(NamedTuple):
    """The kind of a tile."""

    half: bool
    """Whether the weights are bfloat16."""
    is_list: bool
    """Whether `weights` is the address of a list of addresses. A panel begins `apart` bytes after each of
    them. The next panels of the list are prefetched. The list ends with four zeros."""
    is_adding: bool
    """Whether products are added to `out`."""


class _Operands(NamedTuple):
    """The operands of a tile, as LLVM's values: addresses, steps in bytes, and the depth."""

    x: Any
    """The address of the first row."""
    x_step: Any
    """The bytes from row to row."""
    weights: Any
    """The address of the first panel, or of the list of addresses."""
    deep: Any
    """The bytes from depth to depth in a panel."""
    apart: Any
    """The bytes from panel to panel; in a list, from each address to its panel."""
    later: Any
    """The bytes from a read to its prefetch."""
    out: Any
    """The address of the products of the first row."""
    out_step: Any
    """The bytes from row to row of the products."""
    depth: Any
    """The numbers of a row."""


def _panel_addresses(builder: Any, operands: _Operands, panels: int, is_list: bool) -> list[tuple[Any, Any]]:
    """Return, for each of `panels` panels, a pair of its address and the address that is prefetched when it
    is read. `is_list` is as in `_Kind`."""
    pairs = []
    if not is_list:
        for panel in range(panels):
            address = builder.add(operands.weights, builder.mul(operands.apart, _WORD(panel)))
            pairs.append((address, builder.add(address, operands.later)))
        return pairs

    def load_address(number: int) -> Any:
        entry = builder.add(operands.weights, _WORD(8 * number))
        return builder.load(builder.inttoptr(entry, _WORD.as_pointer()))

    for panel in range(panels):
        page = load_address(panel)
        next_page = load_address(panel + panels)
        # At the end of the list the next address is 0: then the panel itself is prefetched, without a branch.
        ends_here = builder.icmp_signed("==", next_page, _WORD(0))
        prefetch_target = builder.select(ends_here, page, next_page)
        address = builder.add(page, operands.apart)
        pairs.append((address, builder.add(prefetch_target, operands.apart)))
    return pairs


def _llvm_function(builder: Any, name: str, result: Any, arguments: list[Any]) -> Any:
    """Return a function of LLVM with types of its `result` and `arguments`, such as `llvm.prefetch.p0i8`. It
    is declared once in a module."""
    return cgutils.get_or_insert_function(builder.module, llvm.FunctionType(result, arguments), name)


def _emit_prefetch(builder: Any, at: Any, size: int) -> None:
    """Emit the prefetch of `size` bytes from the address `at` on."""
    types_of_arguments = [_BYTES, _INT, _INT, _INT]
    prefetch = _llvm_function(builder, "llvm.prefetch.p0i8", llvm.VoidType(), types_of_arguments)
    for line in range(0, size, LINE):
        pointer = builder.inttoptr(builder.add(at, _WORD(line)), _BYTES)
        # arguments: 0 for reading, 3 for all levels of the cache, 1 for data and not instructions
        builder.call(prefetch, [pointer, _INT(0), _INT(3), _INT(1)])


def _load_columns(builder: Any, at: Any, half: bool) -> tuple[Any, Any]:
    """Return the two vectors of a panel's columns at one depth. For bfloat16, each 32-bit word has a column
    of the first vector in its lower half, and one of the second in its upper half."""
    pointer = builder.inttoptr(at, _BITS.as_pointer())
    if half:
        # a bfloat16 is the upper half of a float: it is moved up, and zeros follow
        pairs = builder.load(pointer, align=4)
        half_word = llvm.Constant(_BITS, [16] * _LANES)
        low = builder.shl(pairs, half_word)
        high = builder.shl(builder.lshr(pairs, half_word), half_word)
    else:
        low = builder.load(pointer, align=4)
        following = builder.gep(pointer, [llvm.Constant(_WORD, 1)])
        high = builder.load(following, align=4)
    return builder.bitcast(low, _VECTOR), builder.bitcast(high, _VECTOR)


def _in_all_lanes(builder: Any, at: Any) -> Any:
    """Return a vector that has the number at an address in all lanes."""
    blank = llvm.Constant(_VECTOR, llvm.Undefined)
    number = builder.load(builder.inttoptr(at, _FLOAT.as_pointer()))
    first = builder.insert_element(blank, number, _INT(0))
    return builder.shuffle_vector(first, blank, llvm.Constant(_BITS, None))


def _row_address(builder: Any, first: Any, step: Any, row: int) -> Any:
    """Return the address of row number `row`: that of the first one, and as many steps, in bytes. For
    example, `_row_address(builder, operands.x, operands.x_step, 2)`."""
    return builder.add(first, builder.mul(step, _WORD(row)))


def _out_pointers(builder: Any, operands: _Operands, rows: int, panels: int) -> list[Any]:
    """Return pointers to the vectors of `out`, row by row."""
    firsts = [_row_address(builder, operands.out, operands.out_step, row) for row in range(rows)]
    row_pointers = [builder.inttoptr(first, _VECTOR.as_pointer()) for first in firsts]
    pointers = []
    for row_pointer in row_pointers:
        # a panel is two vectors
        pointers += [builder.gep(row_pointer, [_WORD(number)]) for number in range(2 * panels)]
    return pointers


def _add_products(
    builder: Any, kind: _Kind, operands: _Operands, rows: int, panels: Any, depth: Any, sums: Any
) -> Any:
    """Return the sums after the products of one depth were added. `panels` is as `_panel_addresses` returns
    it. `sums` has the vectors of the first row, then of the second, and so on."""
    multiply_add = _llvm_function(builder, f"llvm.fma.v{_LANES}f32", _VECTOR, [_VECTOR] * 3)
    at = builder.mul(depth, operands.deep)
    columns: list[Any] = []
    for place, prefetch_target in panels:
        # a single row reads keys and values as fast as memory delivers them, without a prefetch
        if rows > 1 or not (kind.is_list or kind.is_adding):
            size = LINE if kind.half else 2 * LINE
            _emit_prefetch(builder, builder.add(prefetch_target, at), size)
        columns += _load_columns(builder, builder.add(place, at), kind.half)
    new_sums: list[Any] = []
    for row in range(rows):
        first = _row_address(builder, operands.x, operands.x_step, row)
        offset = builder.mul(depth, _WORD(4))
        number = _in_all_lanes(builder, builder.add(first, offset))
        for column in columns:
            old_sum = sums[len(new_sums)]
            new_sums.append(builder.call(multiply_add, [number, column, old_sum]))
    return new_sums


def _write_tile(builder: Any, rows: int, panels: int, kind: _Kind, operands: _Operands) -> None:
    """Emit the loop over the depth that multiplies `rows` rows with `panels` panels, as `_Kind` and
    `_Operands` say."""
    start = builder.block
    loop = builder.append_basic_block("depth")
    after = builder.append_basic_block("after")
    addresses = _panel_addresses(builder, operands, panels, kind.is_list)
    outputs = _out_pointers(builder, operands, rows, panels)
    if kind.is_adding:
        start_values = [builder.load(output, align=4) for output in outputs]
    else:
        start_values = [llvm.Constant(_VECTOR, None)] * len(outputs)
    builder.branch(loop)
    builder.position_at_end(loop)
    # A phi is a variable of the loop: its value depends on the block that control comes from.
    depth = builder.phi(_WORD)
    sums = [builder.phi(_VECTOR) for _ in outputs]
    new_sums = _add_products(builder, kind, operands, rows, addresses, depth, sums)
    next_depth = builder.add(depth, _WORD(1))
    values = [depth, *sums], [_WORD(0), *start_values], [next_depth, *new_sums]
    for value, first, following in zip(*values, strict=True):
        value.add_incoming(first, start)
        value.add_incoming(following, loop)
    # tested at the end: the depth is at least 1
    builder.cbranch(builder.icmp_signed("<", next_depth, operands.depth), loop, after)
    builder.position_at_end(after)
    for total, output in zip(new_sums, outputs, strict=True):
        builder.store(total, output, align=4)


def _make_tiles(
    shapes: Sequence[tuple[int, int]],
    halves: Sequence[bool] = (False,),
    *,
    is_list: bool = False,
    is_adding: bool = False,
) -> Any:
    """Return an intrinsic `tile(rows, panels, half, operands)` that multiplies rows with panels.

    It is made for each pair (rows, panels) of `shapes` and each `half` of `halves`; for others it does
    nothing. `is_list` and `is_adding` are as in `_Kind`. The depth must be at least 1.
    """

    @intrinsic  # type: ignore[untyped-decorator]
    def tile(typingctx: Any, rows: Any, panels: Any, half: Any, operands: Any) -> Any:
        """Return the type of the intrinsic, and `codegen`, as numba asks for an intrinsic."""

        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            """Emit the switch and its blocks. `args` are the LLVM values of the parameters of `tile`."""
            rows, panels, half, operands = args
            operand_fields = _Operands(*cgutils.unpack_tuple(builder, operands))
            # One number for each case: 16 * rows + 2 * panels + (1 for bfloat16). For example, 3 rows, 2
            # panels and float32 are 52.
            shape = builder.add(builder.mul(rows, _WORD(8)), panels)
            half_bit = builder.zext(half, _WORD)
            key = builder.add(builder.mul(shape, _WORD(2)), half_bit)
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

        operand_types = types.UniTuple(types.int64, len(_Operands._fields))  # type: ignore[attr-defined]
        return types.void(types.int64, types.int64, types.boolean, operand_types), codegen

    return tile


def _number(value: int) -> Any:
    """Return an intrinsic without parameters that returns the number `value`."""

    @intrinsic  # type: ignore[untyped-decorator]
    def number(typingctx: Any) -> Any:
        return types.int64(), lambda context, builder, signature, args: _WORD(value)

    return number


most_rows = _number(MOST_ROWS)
most_rows_of_two = _number(TWO)
most_summed_of_two = _number(TWO_SUMMED)
_ONE_PANEL = [(rows, 1) for rows in range(1, MOST_ROWS + 1)]
_TWO_PANELS = [(rows, 2) for rows in range(1, TWO + 1)]
_TWO_SUMMED_PANELS = [(rows, 2) for rows in range(1, TWO_SUMMED + 1)]
matrix_tile = _make_tiles(_ONE_PANEL + _TWO_PANELS, (False, True))
listed_tile = _make_tiles([(1, 4), *_ONE_PANEL, *_TWO_PANELS], is_list=True)
added_tile = _make_tiles(_ONE_PANEL + _TWO_SUMMED_PANELS, is_adding=True)
