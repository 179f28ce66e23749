"""A checksum of mapped arrays, compiled: some 10 GB a second, so that who opens a file hardly notices it."""

from __future__ import annotations

from typing import Any

import numba
import numpy.typing as npt

from structgen.native.jit import entry, jit
from structgen.native.raw_memory import address_of, load64

_PRIME = 0x9E3779B97F4A7C15


@jit
def _mixed(state, word):
    # each step can be undone: one word that changed changes the state for good
    state = (state ^ numba.uint64(word)) * numba.uint64(_PRIME)
    return state ^ (state >> numba.uint64(29))


@entry("int64(int64, int64)")
def checksum_at(address, words):
    """Return the checksum of some words at an address."""
    a, b, c, d = numba.uint64(1), numba.uint64(2), numba.uint64(3), numba.uint64(4)
    whole = words & ~3
    for at in range(0, whole, 4):
        a = _mixed(a, load64(address, at))
        b = _mixed(b, load64(address, at + 1))
        c = _mixed(c, load64(address, at + 2))
        d = _mixed(d, load64(address, at + 3))
    for at in range(whole, words):
        a = _mixed(a, load64(address, at))
    return numba.int64(_mixed(_mixed(_mixed(_mixed(a, b), c), d), words))


def checksum(array: npt.NDArray[Any]) -> int:
    """Return a checksum of a contiguous array of whole words of eight bytes. Cost: 1 us, 0.1 ms a megabyte.

    It tells accidents (a word that changed, a part of zeros), not what somebody meant to look right.
    """
    assert array.flags.c_contiguous
    assert array.nbytes % 8 == 0
    return int(checksum_at(address_of(array), array.nbytes // 8))
