"""Work counted in calls of Python's functions, or in bytes: what grows with a size, told without a clock."""

from __future__ import annotations

import sys
import tracemalloc
from collections.abc import Callable
from types import FrameType


def calls(work: Callable[[], object]) -> int:
    """Return how many Python functions are called while `work` runs."""
    count = 0

    def seen(_frame: FrameType, event: str, _argument: object) -> None:
        nonlocal count
        count += event == "call"

    before = sys.getprofile()
    sys.setprofile(seen)
    try:
        work()
    finally:
        sys.setprofile(before)
    return count


def bytes_made(work: Callable[[], object]) -> int:
    """Return how many bytes the lines of Python that `work` runs take, each while it runs, all together."""
    total, before = 0, 0

    def line(_frame: FrameType, _event: str, _argument: object) -> object:
        nonlocal total, before
        now, most = tracemalloc.get_traced_memory()
        total += most - before
        tracemalloc.reset_peak()
        before = now
        return line

    tracer = sys.gettrace()
    tracemalloc.start()
    sys.settrace(line)
    try:
        work()
    finally:
        sys.settrace(tracer)
        tracemalloc.stop()
    return total
