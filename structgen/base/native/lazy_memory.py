"""Room in memory that costs only as it is written to."""

from __future__ import annotations

import mmap
import sys
from typing import Final

import numpy as np
import numpy.typing as npt

from structgen.base.errors import OutOfMemoryError

GROWTH: Final = 2 if sys.platform == "win32" else 8
"""By how much a table in such room grows at once."""


def room(size: int) -> npt.NDArray[np.uint8]:
    """Return bytes that take memory as they are written, page by page; 0 until then, but on Windows.

    numpy would ask for pages of 2 MB, and clearing the first of them costs more than most masks. Private:
    after a fork, parent and child go on apart. Raises OutOfMemoryError.
    """
    if sys.platform == "win32" or size == 0:
        return np.zeros(size, np.uint8)
    try:
        held = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    except OSError as error:
        raise OutOfMemoryError(f"The system has no {size:,} bytes for a table: {error.strerror}.") from error
    return np.frombuffer(held, np.uint8)
