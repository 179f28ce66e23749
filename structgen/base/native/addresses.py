"""The addresses of arrays, for compiled code; and, where memory is checked, a map of the memory that lives.

- Compiled code gets the *address* of the items of an array, and does not know when the array is freed.
- With STRUCTGEN_CHECKED=1 compiled code asks at each access whether the memory still *lives*: whether an
  array that was handed out holds it.
- The *shadow* is a map at a fixed address: one byte for each eight bytes of memory. It says how many of the
  eight live, counted from the first. For example, an array of 12 bytes at 0x1000 has the shadow bytes 8, 4.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import sys
from array import array
from typing import Any, Final
from weakref import ref

import numpy as np

from structgen.base.errors import StructgenError
from structgen.base.native.array_types import Array

CHECKED: Final = os.environ.get("STRUCTGEN_CHECKED", "0") not in ("", "0")
"""Whether compiled code is checked (`native.checked`)."""
SHADOW: Final = 1 << 44
"""The address at which the shadow begins, and also its size: 16 TB of addresses, for 47 bits of memory."""
FAULT: Final = 2 * SHADOW - mmap.PAGESIZE
"""The address, in the last page of the shadow, at which compiled code writes the index of a fault. The word
before it is the address of a text that names the place; the word before that, of the exception's class."""
_RESERVED: Final = 0x104000
"""Flags of Linux's mmap. MAP_NORESERVE (0x4000): no memory until it is written. MAP_FIXED_NOREPLACE
(0x100000): at this address, or not at all."""

_FIRST: Final = object.__basicsize__
"""The offset in a numpy array object at which the address of its items should be, by numpy's headers."""
_word_at = ctypes.c_ssize_t.from_address
_probe: Array = np.zeros(1, np.uint8)
_IS_LAID_OUT: Final = _word_at(id(_probe) + _FIRST).value == _probe.__array_interface__["data"][0]
"""Whether the address is there indeed; else numpy is asked for it."""


def address_of(array: Array) -> int:
    """Return the address of an array's items. Cost: 0.2 us; asking numpy costs 1.2 us."""
    if CHECKED:
        holder = array
        while isinstance(holder.base, np.ndarray):
            holder = holder.base
        _register_array(holder, int(holder.__array_interface__["data"][0]), holder.nbytes)
    if _IS_LAID_OUT:
        return _word_at(id(array) + _FIRST).value
    return int(array.__array_interface__["data"][0])


def address_of_items(items: array[int]) -> int:
    """Return the address of the items of an `array.array`. It is right until the array grows."""
    start, count = items.buffer_info()
    if CHECKED:  # the items move as it grows: the old memory counts as living for ever
        _set_live(start, count * items.itemsize, True)
    return start


def _shadow() -> None:
    """Reserve the addresses of the shadow. Raises StructgenError on other systems than Linux."""
    if sys.platform != "linux":
        fault, cure = "The checks of memory need Linux.", "Unset it, or run on Linux."
        raise StructgenError(fault, where="STRUCTGEN_CHECKED", cure=cure)
    reserve = ctypes.CDLL(None, use_errno=True).mmap
    reserve.restype = ctypes.c_void_p
    reserve.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_ssize_t]
    flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | _RESERVED
    if reserve(SHADOW, SHADOW, mmap.PROT_READ | mmap.PROT_WRITE, flags, -1, 0) != SHADOW:
        raise MemoryError(
            "No room for the shadow of STRUCTGEN_CHECKED: it needs 16 TB of addresses, and no memory."
        )


if CHECKED:
    _shadow()
_live: dict[int, Any] = {}
"""The address at which living memory begins -> the arrays that hold it, as (id, bytes) -> reference."""
_dead_arrays: list[Array] = []
"""The arrays that tables have outgrown. They are kept, so that their memory is not given to another array."""


def _set_live(start: int, size: int, live: bool) -> None:
    """Write into the shadow whether `size` bytes from the address `start` on live."""
    ctypes.memset(SHADOW + (start >> 3), 8 if live else 0, size + 7 >> 3)
    if live and size % 8:  # of the last eight bytes only some live
        ctypes.memset(SHADOW + (start + size >> 3), size % 8, 1)


def _register_array(holder: Array, start: int, size: int) -> None:
    """Let memory live until the last array that holds it is freed. `holder`: one such array."""
    holders, key = _live.setdefault(start, {}), (id(holder), size)
    if key in holders:
        return

    def forget(_: Any) -> None:
        """Take the array off its memory, which dies with its last array."""
        del holders[key]
        if not holders:
            _set_live(start, size, False)

    holders[key] = ref(holder, forget)
    _set_live(start, size, True)


def retire_memory(*arrays: Array) -> None:
    """Mark the memory of arrays that a table has outgrown as dead. The arrays are kept (`_dead_arrays`)."""
    for outgrown in arrays if CHECKED else ():
        _set_live(int(outgrown.__array_interface__["data"][0]), outgrown.nbytes, False)
        _dead_arrays.append(outgrown)
