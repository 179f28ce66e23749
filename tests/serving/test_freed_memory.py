"""Freed memory goes back to the system once in so many answers."""

from __future__ import annotations

import threading

from structgen.serving.freed_memory import ANSWERS, FreedMemory


def test_memory_is_returned_once_in_so_many_answers() -> None:
    returned = threading.Semaphore(0)
    freed = FreedMemory(returned.release)
    for _ in range(2 * ANSWERS):
        freed.answered()
    assert returned.acquire(timeout=60)
    assert returned.acquire(timeout=60)
    assert not returned.acquire(blocking=False)
