"""Room in memory that costs only as it is written to."""

from __future__ import annotations

import gc
import mmap
import sys
from collections.abc import Callable
from typing import Any, Final

import numpy as np

from structgen.base.errors import OutOfMemoryError
from structgen.base.native.array_types import ByteArray

GROWTH: Final = 2 if sys.platform == "win32" else 8
"""By how much a table in such room grows at once."""


def room(size: int) -> ByteArray:
    """Return bytes that take memory as they are written, page by page; 0 until then, but on Windows.

    numpy would ask for pages of 2 MB, and clearing the first of them costs more than most masks. Private:
    after a fork, parent and child go on apart. Garbage is collected where the system has no memory. Raises
    OutOfMemoryError.
    """
    if sys.platform == "win32" or size == 0:
        return np.zeros(size, np.uint8)
    try:
        pages = with_collection(mmap.mmap, -1, size, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    except OSError as error:
        raise OutOfMemoryError(
            f"The system could not allocate {size:,} bytes for a table: {error.strerror}."
        ) from error
    return np.frombuffer(pages, np.uint8)


def with_collection(allocate: Callable[..., Any], *options: Any) -> Any:
    """Return what `allocate` returns for some options. Where the system has no memory, it is called once more
    after a garbage collection, which may free what nobody reaches. Raises the error of that call."""
    try:
        return allocate(*options)
    except (OSError, MemoryError):
        gc.collect()
    return allocate(*options)
