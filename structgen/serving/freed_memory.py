"""Memory that the allocator holds although nobody needs it.

glibc keeps freed blocks for later ones. A server whose requests bring ever new grammars frees their tables in
another order than it made them, so that the holes between them add up (0.1 MiB a grammar was measured).
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable
from typing import Final

ANSWERS: Final = 64
"""Answers between two returns of memory: one takes some tens of milliseconds of another thread."""


class FreedMemory:
    """Returns freed memory to the system after each `ANSWERS` answers; does nothing without glibc."""

    def __init__(self, trim: Callable[[], object] | None = None) -> None:
        self._trim = _glibc_trim() if trim is None else trim
        self._answers = 0

    def answered(self) -> None:
        """Count an answer. Called by the event loop alone; the work is done by a thread."""
        self._answers += 1
        if self._trim is not None and self._answers % ANSWERS == 0:
            threading.Thread(target=self._trim, name="structgen-freed-memory", daemon=True).start()


def _glibc_trim() -> Callable[[], object] | None:
    """Return the function of the C library, called without the interpreter's lock."""
    try:
        trim = ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):
        return None
    return lambda: trim(0)
