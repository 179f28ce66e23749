"""Garbage collection, held back while much is made that stays; and freed memory, given back."""

from __future__ import annotations

import ctypes
import gc
from collections.abc import Callable
from weakref import finalize

from structgen.base.system.public_calls import Part


def pause_collection() -> Part:
    """Hold garbage collection back: what is made meanwhile stays, and going through it, and through all else
    of the process, costs more than making it (128 tools: 10 ms, and 60 ms every second time)."""
    part = Part()
    if gc.isenabled():
        # However the caller's frame ends, the context goes with it, and collection goes on.
        finalize(part, gc.enable)
        gc.disable()
    return part


def glibc_trim() -> Callable[[], object] | None:
    """Return the function of the C library that gives freed memory back, called without the interpreter's
    lock; None without glibc: other libraries of C have no such call."""
    try:
        trim = ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):
        return None
    return lambda: trim(0)
