"""Limits what a process may use that runs code of, or reads input from, somebody else.

The limits are of memory and processor time, and the process has no network. *Processor time* is the time in
which a processor works for the process. To *confine* a process is to limit its memory and its network.
"""

from __future__ import annotations

import logging
import signal
import socket
from collections.abc import Callable
from functools import cache, partial
from typing import Final

from structgen.base.system.platforms import BOUNDS_MEMORY

OUT_OF_TIME: Final = -getattr(signal, "SIGPROF", signal.NSIG)
"""The exit code of a process that `bound_processor_time` ended: minus the number of the signal SIGPROF. On
platforms without this signal it is a number that no process has."""
_log = logging.getLogger("structgen")


def make_confinement(memory: int) -> Callable[[], None]:
    """Return a function that confines the process in which it is called. `memory`: as in `confine_process`.

    If the platform does not limit memory, the log says so once.
    """
    if not BOUNDS_MEMORY:
        _tell_unbounded()
    return partial(confine_process, memory)


@cache
def _tell_unbounded() -> None:
    _log.info("This platform cannot limit the memory of a process: a reader or a function may use all of it.")


def confine_process(memory: int) -> None:
    """Limit the memory of this process, and take its sockets away.

    `memory`: how many bytes it may take in addition to those that it has; only Linux has this limit. Only
    sockets of Python are taken away: this is not a sandbox for malicious code.
    """
    if BOUNDS_MEMORY:
        import resource  # optional: not on Windows

        with open("/proc/self/statm", encoding="ascii") as file:
            # The first number is the pages of addresses that the process has; RLIMIT_AS limits these.
            memory += int(file.read().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    socket.socket = _NoSocket  # type: ignore[assignment,misc]


def bound_processor_time(seconds: float) -> None:
    """End this process after it has used `seconds` more of processor time. A second call replaces the first.

    Time in which the process waits, or other processes run, does not count. Without the timers of POSIX
    (Windows) there is no limit.
    """
    if hasattr(signal, "SIGPROF"):
        signal.signal(signal.SIGPROF, signal.SIG_DFL)  # a profiler of the parent may have another handler
        signal.setitimer(signal.ITIMER_PROF, seconds)


class _NoSocket:
    def __init__(self, *_: object, **__: object) -> None:
        raise OSError("This process has no network.")
