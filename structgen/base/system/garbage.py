"""Garbage collection, held back while much is made that stays."""

from __future__ import annotations

import gc
from weakref import finalize

from structgen.base.system.public_calls import Part


def uncollected() -> Part:
    """Hold garbage collection back: what is made meanwhile stays, and going through it, and through all else
    of the process, costs more than making it (128 tools: 10 ms, and 60 ms every second time)."""
    part = Part()
    if gc.isenabled():
        finalize(part, gc.enable)
        gc.disable()
    return part
