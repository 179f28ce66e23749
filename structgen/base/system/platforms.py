"""Tells which features this platform has; docs/platforms.md describes the effects of missing ones."""

from __future__ import annotations

import mmap
import os
import sys

from structgen.base.system.garbage import glibc_trim


def _has_module(module: str) -> bool:
    try:
        __import__(module)
    except ImportError:
        return False
    return True


HAS_FORK = sys.platform == "linux" and hasattr(os, "fork")
"""Whether a process can begin as a copy of this one. macOS has forks, but its libraries fail in the copy."""
BOUNDS_MEMORY = sys.platform == "linux" and _has_module("resource")
"""Whether the memory of a process can be limited. macOS accepts such a limit, but does not enforce it."""


def processors() -> int:
    """Return how many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def missing_here() -> list[str]:
    """Return a sentence for each thing that this platform lacks: its name, and what happens without it. [] on
    Linux with glibc. Cost: some 50 us."""
    is_here = {
        (
            "Forks: a checker in a process of its own, and the reader of PDF and HTML, start a new "
            "Python; the checker must be picklable."
        ): HAS_FORK,
        "Limits of memory: the reader of PDF and HTML is limited by its time only.": BOUNDS_MEMORY,
        "Locks of files by fcntl: processes that need the same inner loops compile them separately.": (
            _has_module("fcntl")
        ),
        "Owners of files: files of the cache are read whoever wrote them; protect its folder.": hasattr(
            os, "geteuid"
        ),
        (
            "Replacing an open file: a file of the cache that is being read stays as it was, with a "
            "StoreWarning."
        ): sys.platform != "win32",
        "The processors of a process by sched_getaffinity: those of the machine are counted.": hasattr(
            os, "sched_getaffinity"
        ),
        "Private memory by mmap: tables take their memory at once.": hasattr(mmap, "MAP_ANONYMOUS"),
        "malloc_trim of glibc: a server gives freed memory back late, or not at all.": bool(glibc_trim()),
        "STRUCTGEN_CHECKED: its checks of memory need Linux.": sys.platform == "linux",
    }
    return [sentence for sentence, has in is_here.items() if not has]
