"""Loads and calls at raw addresses, for compiled code that is handed one integer instead of twenty arrays.

A compiled call with twenty array arguments costs 1.9 us, with one integer 0.1 us. Nothing here checks bounds.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir as llvm
from numba.core import types
from numba.extending import intrinsic

from structgen.base.native.addresses import CHECKED
from structgen.base.native.addresses import address_of as address_of


@intrinsic(prefer_literal=False)  # type: ignore[untyped-decorator]
def load64(typingctx: Any, address: Any, index: Any) -> Any:
    """Return the int64 at address[index]."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        base, at = args
        return builder.load(builder.gep(builder.inttoptr(base, llvm.IntType(64).as_pointer()), [at]))

    return types.int64(types.int64, types.int64), codegen


def _call(context: Any, builder: Any, signature: Any, args: Any) -> Any:
    kinds = signature.args[1:]
    kind = context.call_conv.get_function_type(types.int64, kinds)
    function = builder.inttoptr(args[0], kind.as_pointer())
    status, answer = context.call_conv.call_function(builder, function, types.int64, kinds, args[1:])
    if CHECKED:  # nothing else raises
        with builder.if_then(status.is_error, likely=False):
            context.call_conv.return_status_propagate(builder, status)
    return answer


@intrinsic(prefer_literal=False)  # type: ignore[untyped-decorator]
def call2(typingctx: Any, address: Any, a: Any, b: Any) -> Any:
    """Return what the entry point of two integers answers whose code is at an address (`jit.code_of`)."""
    return types.int64(*[types.int64] * 3), _call


@intrinsic(prefer_literal=False)  # type: ignore[untyped-decorator]
def call3(typingctx: Any, address: Any, a: Any, b: Any, c: Any) -> Any:
    """Return what the entry point of three integers at an address answers."""
    return types.int64(*[types.int64] * 4), _call


@intrinsic(prefer_literal=False)  # type: ignore[untyped-decorator]
def call4(typingctx: Any, address: Any, a: Any, b: Any, c: Any, d: Any) -> Any:
    """Return what the entry point of four integers at an address answers."""
    return types.int64(*[types.int64] * 5), _call


@intrinsic(prefer_literal=False)  # type: ignore[untyped-decorator]
def call5(typingctx: Any, address: Any, a: Any, b: Any, c: Any, d: Any, e: Any) -> Any:
    """Return what the entry point of five integers at an address answers."""
    return types.int64(*[types.int64] * 6), _call
