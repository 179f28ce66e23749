"""Bits of words, and tokens as bits of a row (int32 words), for compiled code."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from structgen.base.native.jit import entry, jit
from structgen.base.native.raw_memory import address_of
from structgen.base.native.typed_blocks import Int32s


@intrinsic  # type: ignore[untyped-decorator]
def trailing_zeros(typingctx: Any, word: Any) -> Any:
    """Return how many zeros a 64-bit word ends in; the word is not 0. (Numba has no name for it.)"""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 1))

    return types.uint64(types.uint64), generate


@jit
def set_bits(target: Int32s, tokens: Int32s, count: int) -> None:
    """Set the bits of some tokens (int32) in a row. Cost: 1 ns a token."""
    for i in range(count):
        token = tokens[i]
        target[token >> 5] = target[token >> 5] | (1 << (token & 31))


@entry("int64(int64, int64, int64)")
def _set(target: int, tokens: int, count: int) -> int:
    set_bits(Int32s(target), Int32s(tokens), count)
    return 0


def add_tokens(row: npt.NDArray[np.int32], tokens: npt.NDArray[np.int32]) -> None:
    """Set the bits of some tokens in a row."""
    _set(address_of(row), address_of(tokens), len(tokens))
