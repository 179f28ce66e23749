"""Locks that a fork leaves whole: nobody is inside one while the process is copied.

A child of `os.fork` has one thread. What another thread was changing at that moment would stay half changed
for ever, and the lock around it taken. So a fork waits until it holds every lock made here; parent and child
let go of them.
"""

from __future__ import annotations

import os
import threading
from typing import Any, ClassVar, Protocol
from weakref import WeakSet

GRAMMARS, STORES, QUEUES, CODE = RANKS = range(4)
"""Ranks: a thread that holds a lock may wait for one of a higher rank, never of its own or a lower one."""


class Forked(Protocol):
    """What wants to know that it is in a child now."""

    def after_fork(self) -> None:
        """Forget what belongs to the parent: its threads, and what they are about to do."""


class _Registry:
    locks: ClassVar[tuple[WeakSet[Any], ...]] = tuple(WeakSet() for _ in RANKS)
    told: ClassVar[WeakSet[Any]] = WeakSet()
    forking: ClassVar[Any] = threading.Lock()
    held: ClassVar[list[Any]] = []
    hooked: ClassVar[bool] = False

    @classmethod
    def hook(cls) -> None:
        # Hooks cannot be taken back: one set of them, and only in a process that has a lock of ours.
        if not cls.hooked:
            cls.hooked = True
            if hasattr(os, "register_at_fork"):
                os.register_at_fork(before=cls.take, after_in_parent=cls.release, after_in_child=cls.in_child)

    @classmethod
    def take(cls) -> None:
        cls.forking.acquire()
        for rank in cls.locks:
            for lock in list(rank):
                lock.acquire()
                cls.held.append(lock)

    @classmethod
    def release(cls) -> None:
        while cls.held:
            cls.held.pop().release()
        cls.forking.release()

    @classmethod
    def in_child(cls) -> None:
        cls.release()
        for one in list(cls.told):
            one.after_fork()


def new_lock(rank: int) -> threading.RLock:
    """Return a lock that may be taken again by the thread that holds it, and that every fork waits for."""
    _Registry.hook()
    lock = threading.RLock()
    _Registry.locks[rank].add(lock)
    return lock


def tell(one: Forked) -> None:
    """Have `one.after_fork()` called in every child, as long as somebody holds `one`."""
    _Registry.hook()
    _Registry.told.add(one)
