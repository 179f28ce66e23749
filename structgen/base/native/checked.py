"""Checks of every load and store of compiled code: `STRUCTGEN_CHECKED=1`, `make checked`.

Off, they are no code. Compiled code reads and writes by addresses, and a wrong one ends in a wrong mask or in
a segmentation fault. With the switch, each load and store asks first whether its address lies in memory that
lives, and each item of a table whether the table has room for it; where not, `DeadMemoryError` names the
field and the index.

*Live* memory is told by shadow bytes, as AddressSanitizer does (Serebryany et al., USENIX ATC 2012): an array
lives from when Python hands its address out (`addresses.address_of`) until it is freed; a table that has
moved is dead at once, and its memory is not given again (`addresses.retire_memory`). The shadow has a fixed
address, since machine code is kept: Linux, with addresses of 47 bits.
"""

from __future__ import annotations

import ctypes
from typing import Any

from llvmlite import ir as llvm

from structgen.base.native.addresses import FAULT, SHADOW

_I64, _I8 = llvm.IntType(64), llvm.IntType(8)


class DeadMemoryError(AssertionError):
    """Compiled code was about to read or write memory that is not its own."""

    def __init__(self, place: str) -> None:
        super().__init__(f"{place}: index {ctypes.c_int64.from_address(FAULT).value}")


def place_exception() -> None:
    """Write the address of DeadMemoryError where compiled code looks for it."""
    ctypes.c_size_t.from_address(FAULT - 16).value = id(DeadMemoryError)


def refuse_unless(context: Any, builder: Any, good: Any, place: str, index: Any) -> None:
    """Have compiled code raise DeadMemoryError where `good` (a bit) is 0."""
    with builder.if_then(builder.not_(good), likely=False):
        builder.store(index, builder.inttoptr(llvm.Constant(_I64, FAULT), _I64.as_pointer()))
        message = context.insert_const_string(builder.module, f"{place}, in {builder.function.name}")
        place_of_text = builder.inttoptr(llvm.Constant(_I64, FAULT - 8), _I64.as_pointer())
        builder.store(builder.ptrtoint(message, _I64), place_of_text)
        context.call_conv.return_user_exc(builder, AssertionError, ())


def refuse_dead(context: Any, builder: Any, cell: Any, bits: int, place: str, index: Any) -> None:
    """Have compiled code raise DeadMemoryError where a cell of memory is not live."""
    address = builder.ptrtoint(cell, _I64)
    eighth = builder.lshr(address, llvm.Constant(_I64, 3))
    inside = builder.icmp_unsigned("<", eighth, llvm.Constant(_I64, SHADOW))
    at = builder.add(builder.and_(eighth, llvm.Constant(_I64, SHADOW - 1)), llvm.Constant(_I64, SHADOW))
    live = builder.zext(builder.load(builder.inttoptr(at, _I8.as_pointer())), _I64)
    last = builder.add(builder.and_(address, llvm.Constant(_I64, 7)), llvm.Constant(_I64, bits // 8))
    good = builder.and_(inside, builder.icmp_unsigned("<=", last, live))
    refuse_unless(context, builder, good, place, index)
