"""What a process may have that runs code or input of somebody else: memory, and no network."""

from __future__ import annotations

import socket
import sys


def confine(memory: int) -> None:
    """Bound the memory of this process to so many bytes more than it has, and take its sockets away.

    Windows bounds no memory. The network is taken away as far as Python's sockets are concerned: this is no
    sandbox for code that means harm.
    """
    try:
        import resource  # optional: not on Windows
    except ImportError:
        pass
    else:
        if sys.platform == "linux":
            with open("/proc/self/statm", encoding="ascii") as file:
                memory += int(file.read().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    socket.socket = _NoSocket  # type: ignore[assignment,misc]


class _NoSocket:
    def __init__(self, *_: object, **__: object) -> None:
        raise OSError("This process has no network.")
