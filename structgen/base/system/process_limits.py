"""Limits of a process that runs code or input of somebody else: memory, processor time, no network."""

from __future__ import annotations

import logging
import signal
import socket
from collections.abc import Callable
from functools import cache, partial
from typing import Final

from structgen.base.system.platforms import BOUNDS_MEMORY

OUT_OF_TIME: Final = -getattr(signal, "SIGPROF", signal.NSIG)
"""The exit code of a process that `bound_processor_time` ended; without the signal that of none."""
_log = logging.getLogger("structgen")


def make_confinement(memory: int) -> Callable[[], None]:
    """Return a function that confines the process in which it is called. The log tells, once, where a
    platform bounds no memory."""
    if not BOUNDS_MEMORY:
        _tell_unbounded()
    return partial(confine_process, memory)


@cache
def _tell_unbounded() -> None:
    _log.info("This platform bounds the memory of no process: a reader or a function may take all.")


def confine_process(memory: int) -> None:
    """Bound the memory of this process to so many bytes more than it has, and take its sockets away.

    Only Linux bounds memory. The network is taken away as far as Python's sockets are concerned: this is no
    sandbox for code that means harm.
    """
    if BOUNDS_MEMORY:
        import resource  # optional: not on Windows

        with open("/proc/self/statm", encoding="ascii") as file:
            # The first number is the pages of addresses that the process has; RLIMIT_AS limits these.
            memory += int(file.read().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    socket.socket = _NoSocket  # type: ignore[assignment,misc]


def bound_processor_time(seconds: float) -> None:
    """End this process when it has used so many more seconds of processor time, whatever it does then. A
    second call replaces the first. Seconds in which it waits, or other processes run, do not count.

    Without the timers of POSIX (Windows) nothing is bounded.
    """
    if hasattr(signal, "SIGPROF"):
        signal.signal(signal.SIGPROF, signal.SIG_DFL)  # a profiler of the parent may have another handler
        signal.setitimer(signal.ITIMER_PROF, seconds)


class _NoSocket:
    def __init__(self, *_: object, **__: object) -> None:
        raise OSError("This process has no network.")
