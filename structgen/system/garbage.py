"""Garbage collection, held back while much is made that stays."""

from __future__ import annotations

import gc

from structgen.system.public_calls import Part


def uncollected() -> Part:
    """Hold garbage collection back: what is made meanwhile stays, and going through it, and through all else
    of the process, costs more than making it (128 tools: 10 ms, and 60 ms every second time)."""
    if not gc.isenabled():
        return Part()
    held = _Uncollected()
    gc.disable()
    return held


class _Uncollected(Part):
    """Held back while a frame holds this: no code of ours, which an exception could cut off, ends it."""

    __slots__ = ()
    __del__ = gc.enable
