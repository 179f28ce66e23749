"""Prints a line on stderr if a wait takes more than two seconds, on a terminal or not.

Loading a model, compiling inner loops and reading a large grammar may take so long. A level above WARNING of
the log `structgen` switches the lines off: `logging.getLogger("structgen").setLevel("ERROR")`.
"""

from __future__ import annotations

import logging
import sys
import threading
from _thread import start_new_thread
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from structgen.base.printable import printable

SECONDS = 2.0
"""The seconds after which a wait is announced."""
PATIENCE = 120.0
"""The seconds after which another process, which starts or compiles for this one, counts as hanging."""
_log = logging.getLogger("structgen")
_lines = 0
"""The number of lines that this process has written. A wait is not announced if one inside it was."""


def write_notice(line: str) -> None:
    """Write a line to stderr. If stderr is closed, nothing is written and nothing is raised."""
    global _lines
    _lines += 1
    if sys.stderr is not None and _log.isEnabledFor(logging.WARNING):
        with suppress(OSError, ValueError):
            sys.stderr.write(f"structgen: {printable(line, lines=False)}\n")
            sys.stderr.flush()


@contextmanager
def announce_wait(activity: str) -> Iterator[None]:
    """Print a line with `activity` once the block takes two seconds, unless the block itself printed a line.

    Cost: a thread, 0.1 ms. In other threads than the main one, such as a server's, nothing is printed.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    lines_before = _lines
    under_way = threading.Lock()

    def announce_late() -> None:
        if not under_way.acquire(timeout=SECONDS) and _lines == lines_before:
            write_notice(f"{activity} ...")

    # The lock is held while the block runs: who gets it in time knows that the block has ended.
    with under_way:
        # no `Thread`, whose start waits for ever where the new thread finds no memory
        with suppress(RuntimeError):
            start_new_thread(announce_late, ())
        yield
