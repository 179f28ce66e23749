"""The addresses of arrays, which compiled code is handed; and under `checked`, which memory lives."""

from __future__ import annotations

import ctypes
import mmap
import os
import sys
from array import array
from typing import Any, Final
from weakref import ref

import numpy as np
import numpy.typing as npt

from structgen.base.errors import StructgenError

CHECKED: Final = os.environ.get("STRUCTGEN_CHECKED", "0") not in ("", "0")
"""Whether compiled code is checked (`native.checked`)."""
SHADOW: Final = 1 << 44
"""Where the shadow is, and its size: a byte for eight bytes of memory, which says how many of them live."""
FAULT: Final = 2 * SHADOW - mmap.PAGESIZE
"""The address at which compiled code writes the index of a fault. The word before it is the address of a text
that names the place; the word before that is the class of the exception."""
_RESERVED: Final = 0x104000
"""MAP_NORESERVE and MAP_FIXED_NOREPLACE of Linux: at this address or not at all, no memory until it is
written."""

_FIRST: Final = object.__basicsize__
"""Where in an array, as numpy's headers lay it out, the address of its items is."""
_word_at = ctypes.c_ssize_t.from_address
_probe: npt.NDArray[Any] = np.zeros(1, np.uint8)
_IS_LAID_OUT: Final = _word_at(id(_probe) + _FIRST).value == _probe.__array_interface__["data"][0]


def address_of(array: npt.NDArray[Any]) -> int:
    """Return an array's address. Cost: 0.2 us; asking numpy costs 1.2 us."""
    if CHECKED:
        holder = array
        while isinstance(holder.base, np.ndarray):
            holder = holder.base
        _register_array(holder, int(holder.__array_interface__["data"][0]), holder.nbytes)
    if _IS_LAID_OUT:
        return _word_at(id(array) + _FIRST).value
    return int(array.__array_interface__["data"][0])


def address_of_items(items: array[int]) -> int:
    """Return the address of an `array.array`'s items, which holds until it grows."""
    start, count = items.buffer_info()
    if CHECKED:  # it moves as it grows: where it was is never taken for dead
        _set_live(start, count * items.itemsize, True)
    return start


def _shadow() -> None:
    """Reserve the shadow. It takes memory as it is written. Raises StructgenError where this is not Linux."""
    if sys.platform != "linux":
        fault, cure = "The checks of memory need Linux.", "Unset it, or take Linux."
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
"""Where memory starts that lives -> the arrays that hold it, with its bytes."""
_dead_arrays: list[npt.NDArray[Any]] = []


def _set_live(start: int, size: int, live: bool) -> None:
    """Have bytes of memory live, or not."""
    ctypes.memset(SHADOW + (start >> 3), 8 if live else 0, size + 7 >> 3)
    if live and size % 8:
        ctypes.memset(SHADOW + (start + size >> 3), size % 8, 1)


def _register_array(holder: npt.NDArray[Any], start: int, size: int) -> None:
    """Have memory live as long as an array that holds it: the last one, where several do."""
    holders, key = _live.setdefault(start, {}), (id(holder), size)
    if key in holders:
        return

    def forget(_: Any) -> None:
        del holders[key]
        if not holders:
            _set_live(start, size, False)

    holders[key] = ref(holder, forget)
    _set_live(start, size, True)


def retire_memory(*arrays: npt.NDArray[Any]) -> None:
    """Have memory dead that a table has left, and keep it from being given again."""
    for outgrown in arrays if CHECKED else ():
        _set_live(int(outgrown.__array_interface__["data"][0]), outgrown.nbytes, False)
        _dead_arrays.append(outgrown)
