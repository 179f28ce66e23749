"""Bits of words, and tokens as bits of a row (int32 words), for compiled code."""

from __future__ import annotations

from structgen.base.native.array_types import Int32Array
from structgen.base.native.jit import entry, jit
from structgen.base.native.raw_memory import address_of
from structgen.base.native.raw_memory import trailing_zeros as trailing_zeros
from structgen.base.native.typed_blocks import Int32s


@jit
def set_bits(target: Int32s, tokens: Int32s, count: int) -> None:
    """Set the bits of some tokens (int32) in a row. Cost: 1 ns a token."""
    for i in range(count):
        token = tokens[i]
        target[token >> 5] = target[token >> 5] | (1 << (token & 31))


@entry("int64(int64, int64, int64)")
def _set_bits(target: int, tokens: int, count: int) -> int:
    set_bits(Int32s(target), Int32s(tokens), count)
    return 0


def add_tokens(row: Int32Array, tokens: Int32Array) -> None:
    """Set the bits of some tokens in a row."""
    _set_bits(address_of(row), address_of(tokens), len(tokens))
