"""A lock between processes: the operating system frees it when its process ends, however that ends."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def exclusive(path: Path) -> Iterator[bool]:
    """Whether this process alone holds the file's lock; it never waits. The system frees it when the process
    ends. A file that another process deleted meanwhile, as its holder may, is not held."""
    try:
        flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0)
        file = open(os.open(path, flags | getattr(os, "O_NONBLOCK", 0), 0o600), "rb")  # noqa: SIM115
    except OSError:
        yield False
        return
    with file:
        try:
            _lock(file.fileno())
            held = os.path.samestat(os.stat(path), os.fstat(file.fileno()))
        except OSError:
            held = False
        yield held


if sys.platform == "win32":

    def _lock(handle: int) -> None:
        import msvcrt

        msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)

else:

    def _lock(handle: int) -> None:
        import fcntl

        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
