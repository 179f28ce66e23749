"""Locks that are safe when the process forks: no other thread holds one while the process is copied.

A *fork* copies the process; the copy is the *child*. A *rank* is a class of locks, such as STORES; the
*height* of a lock orders locks of one rank. The *place* of a lock is its position in the order of all locks.

A child of `os.fork` has one thread. What another thread was changing at that moment would stay half changed
for ever, and the lock around it taken. So a fork waits until it holds every lock made here; parent and child
let go of them.

All locks have one order. A thread that holds some waits only for later ones, and a fork takes them all in
that order: so none waits for another that waits for it. Until a fork is over, only who holds a lock makes
another one.
"""

from __future__ import annotations

import os
import threading
import time
from functools import partial
from itertools import count
from operator import methodcaller
from threading import RLock
from types import SimpleNamespace
from typing import Any, ClassVar, Protocol, TypeAlias
from weakref import WeakSet, WeakValueDictionary

GRAMMARS, STORES, QUEUES, CODE = RANKS = range(4)
"""Ranks: a thread that holds a lock may wait for one of a higher rank. Of one rank, those of greater height
come first, and of one height the older ones: a whole before its parts, and before what replaces it."""

_Order: TypeAlias = tuple[int, ...]
"""The place of a lock: (rank, -height, number), where the number is larger for a newer lock."""


class ForkListener(Protocol):
    """An object that is told when it is in a child."""

    def after_fork(self) -> None:
        """Forget what belongs to the parent: its threads, and what they are about to do."""


class _Registry:
    forking: ClassVar[Any] = threading.Lock()
    """The first lock: held while a fork is under way."""
    making: ClassVar[Any] = RLock()
    """The last lock: held while another one is entered."""
    locks: ClassVar[WeakValueDictionary[_Order, Any]] = WeakValueDictionary([((len(RANKS),), making)])
    numbers: ClassVar[count[int]] = count()
    listeners: ClassVar[WeakSet[Any]] = WeakSet()
    here: ClassVar[Any] = threading.local()
    """`releases` of a thread that forks: lets go of what it holds, one by one."""
    has_hooks: ClassVar[bool] = False

    @classmethod
    def install_hooks(cls) -> None:
        """Have each fork of this process take all locks before, and let go of them after it."""
        # Hooks cannot be taken back: one set of them, and only in a process that has a lock of ours.
        if not cls.has_hooks:
            cls.has_hooks = True
            if hasattr(os, "register_at_fork"):
                # no line of Python: a signal that comes in one would leave all locks taken for good
                release = map(list, iter(partial(getattr, cls.here, "releases", ()), None)).__next__
                os.register_at_fork(before=cls.take_locks, after_in_parent=release, after_in_child=release)
                os.register_at_fork(after_in_child=cls.in_child)

    @classmethod
    def in_order(cls) -> list[tuple[_Order, Any]]:
        """Return all locks but the first, with their places, in order."""
        entries = ((reference.key, reference()) for reference in cls.locks.valuerefs())
        return sorted((order, lock) for order, lock in entries if lock is not None)

    @classmethod
    def last_owned(cls) -> _Order:
        """Return the place of the last lock that this thread holds; () where it holds none."""
        first = (-1,) if getattr(cls.here, "releases", ()) else ()
        return max((order for order, lock in cls.in_order() if lock._is_owned()), default=first)

    @classmethod
    def take_locks(cls) -> None:
        """Take all locks. A thread that holds some waits for earlier ones a second in all: who has them may
        wait for it. What the handler of a signal raises meanwhile is raised at the end."""
        outer = getattr(cls.here, "releases", ())
        last = cls.last_owned()
        until = time.monotonic() + 1
        locks_taken = [None, SimpleNamespace(release=partial(setattr, cls.here, "releases", outer))]
        cls.here.releases = map(methodcaller("release"), iter(locks_taken.pop, None))
        try:
            cls._take_missing(locks_taken, last, until)
        except BaseException:
            cls._take_missing(locks_taken, last, until)
            raise

    @classmethod
    def _take_missing(cls, locks_taken: list[Any], last: _Order, until: float) -> None:
        """Take the locks that are not taken yet, in order, and put them into `locks_taken`. `last`, `until`:
        what this thread holds last, and until when it waits for earlier locks."""
        tried_ids = {id(lock) for lock in locks_taken}
        while True:
            # Taken and let go in one call of C, which no signal interrupts: who had begun to make a lock has
            # made it then.
            any(map(methodcaller("release"), filter(methodcaller("acquire"), (cls.making,))))
            locks_in_order = [((-1,), cls.forking), *cls.in_order()]
            missing = [lock for lock in locks_in_order if id(lock[1]) not in tried_ids]
            if not missing:
                return
            for order, lock in missing:
                seconds = -1 if order > last else max(0.0, until - time.monotonic())
                # one call as above, which no signal interrupts: what was taken is in the list
                locks_taken.extend(filter(methodcaller("acquire", True, seconds), (lock,)))
                tried_ids.add(id(lock))
                if lock is cls.forking or len(cls.locks) >= len(locks_in_order):
                    break  # who held this one may have made others

    @classmethod
    def in_child(cls) -> None:
        """Free what could not be waited for, and tell who wants to know."""
        for _, lock in cls.in_order():
            # In the child the threads that held these locks are gone: nobody else would let go of them.
            if not lock._is_owned():
                lock._at_fork_reinit()
        if not getattr(cls.here, "releases", ()):
            cls.forking._at_fork_reinit()
        for listener in list(cls.listeners):
            listener.after_fork()


def new_lock(rank: int, height: int = 0) -> threading.RLock:
    """Return a lock that may be taken again by the thread that holds it, and that every fork waits for.

    `height`: how many locks of this rank its holder may take, one inside the other. Waits for a fork that is
    under way, unless this thread holds a lock. Cost: 3 us.
    """
    _Registry.install_hooks()
    lock = RLock()
    order = (rank, -height, next(_Registry.numbers))
    is_inside: Any = False
    while True:
        with _Registry.making:
            if is_inside or not _Registry.forking.locked():
                _Registry.locks[order] = lock
                return lock
        is_inside = _Registry.last_owned()
        if not is_inside:
            # wait until the fork is over, and look again
            with _Registry.forking:
                pass


def notify_after_fork(listener: ForkListener) -> None:
    """Have `one.after_fork()` called in every child, as long as somebody holds `one`."""
    _Registry.install_hooks()
    _Registry.listeners.add(listener)
