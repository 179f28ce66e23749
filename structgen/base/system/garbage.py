"""Pauses Python's garbage collection while many lasting objects are made, and gives freed memory back."""

from __future__ import annotations

import ctypes
import gc
from collections.abc import Callable
from weakref import finalize

from structgen.base.system.public_calls import Part


def pause_collection() -> Part:
    """Pause garbage collection as long as the result exists. Return a context.

    The objects that are made meanwhile are kept, so a collection would only search them, and all others of
    the process, in vain. For 128 tools that takes 60 ms every second time, and making them takes 10 ms.
    """
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
