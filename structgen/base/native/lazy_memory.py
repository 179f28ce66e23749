"""Room in memory that costs only as it is written to."""

from __future__ import annotations

import gc
import mmap
import sys
from collections.abc import Callable
from functools import partial
from typing import Final, TypeVar

import numpy as np
import numpy.typing as npt

from structgen.base.errors import OutOfMemoryError

T = TypeVar("T")
GROWTH: Final = 2 if sys.platform == "win32" else 8
"""By how much a table in such room grows at once."""


def room(size: int) -> npt.NDArray[np.uint8]:
    """Return bytes that take memory as they are written, page by page; 0 until then, but on Windows.

    numpy would ask for pages of 2 MB, and clearing the first of them costs more than most masks. Private:
    after a fork, parent and child go on apart. Garbage is collected where the system has no memory. Raises
    OutOfMemoryError.
    """
    if sys.platform == "win32" or size == 0:
        return np.zeros(size, np.uint8)
    try:
        held = _after_collection(partial(mmap.mmap, -1, size, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS))
    except OSError as error:
        raise OutOfMemoryError(f"The system has no {size:,} bytes for a table: {error.strerror}.") from error
    return np.frombuffer(held, np.uint8)


def block(size: int) -> npt.NDArray[np.uint8]:
    """Return bytes of any value. Garbage is collected where the system has no memory. Raises MemoryError,
    which each public call tells as OutOfMemoryError."""
    return _after_collection(lambda: np.empty(size, np.uint8))


def _after_collection(allocate: Callable[[], T]) -> T:
    """Return what `allocate` returns: at the second try after a garbage collection, which may free what other
    objects hold that nobody reaches. Raises the error of that try."""
    try:
        return allocate()
    except (OSError, MemoryError):
        gc.collect()
    return allocate()
