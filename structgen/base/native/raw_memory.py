"""Loads and calls at raw addresses, for compiled code that is handed one integer instead of twenty arrays.

A call with twenty arrays costs 1.3 us, with one integer 70 ns. Nothing here checks bounds.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from structgen.base.native.addresses import address_of as address_of
from structgen.base.native.jit import instructions_in, jit

int64: Any = np.int64
"""What makes an int64 of a number in compiled code."""
uint64: Any = np.uint64
_instructions = instructions_in("structgen.base.native.block_types")


@_instructions
def load64(address: int, index: int) -> int:
    """Return the int64 at address[index]."""
    raise NotImplementedError


@_instructions
def call2(address: int, a: int, b: int) -> int:
    """Return what the entry point of two integers answers whose code is at an address (`jit.code_of`)."""
    raise NotImplementedError


@_instructions
def call3(address: int, a: int, b: int, c: int) -> int:
    """Return what the entry point of three integers at an address answers."""
    raise NotImplementedError


@_instructions
def call4(address: int, a: int, b: int, c: int, d: int) -> int:
    """Return what the entry point of four integers at an address answers."""
    raise NotImplementedError


@_instructions
def call5(address: int, a: int, b: int, c: int, d: int, e: int) -> int:
    """Return what the entry point of five integers at an address answers."""
    raise NotImplementedError


@_instructions
def trailing_zeros(word: Any) -> Any:
    """Return how many zeros a 64-bit word ends in; the word is not 0."""
    raise NotImplementedError


@_instructions
def floats_at(address: int) -> Any:
    """Return an address as one of float32 numbers, for `carray`."""
    raise NotImplementedError


@_instructions
def words_at(address: int) -> Any:
    """Return an address as one of int64 numbers, for `carray`."""
    raise NotImplementedError


@_instructions
def carray(pointer: Any, shape: Any) -> Any:
    """Return an array over memory that is somebody else's: it is not reference-counted."""
    raise NotImplementedError


@jit
def float32s(address: int, shape: Any) -> Any:
    """Return a float32 array over memory that is somebody else's."""
    return carray(floats_at(address), shape)


@jit
def int64s(address: int, shape: Any) -> Any:
    """Return an int64 array over memory that is somebody else's."""
    return carray(words_at(address), shape)
