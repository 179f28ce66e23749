"""Compiled grammars that are found again: while anybody holds one, and the last that were asked for."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from typing import Final, Generic, Protocol, TypeVar
from weakref import WeakValueDictionary

from structgen.system.fork_locks import STORES, new_lock

_MOST: Final = 4
"""Grammars that are held because they were asked for last: each has thousands of objects, which garbage
collection goes through. With 16 of them it took 1.3 ms of 6.4 ms a schema, with 4 of them 0.6 ms."""
_WEIGHED_EVERY: Final = 4
"""New grammars between two sums of bytes: each asks all that are held."""


class _Sized(Protocol):
    @property
    def nbytes(self) -> int: ...


G = TypeVar("G", bound=_Sized)


class RecentGrammars(Generic[G]):
    """Compiled grammars by what they say. Safe for many threads."""

    def __init__(self, most: int) -> None:
        """`most`: bytes, about, of the grammars that are held because they were asked for last; one is held
        in any case."""
        self._most = most
        self._known: WeakValueDictionary[Hashable, G] = WeakValueDictionary()
        self._last: OrderedDict[Hashable, G] = OrderedDict()
        self._added = 0
        self._lock = new_lock(STORES)

    def get(self, key: Hashable) -> G | None:
        """Return the grammar of a key, which is then the one that was asked for last; None where nobody
        holds it any more. Cost: 1 us."""
        with self._lock:
            found = self._known.get(key)
            if found is not None:
                self._last[key] = found
                self._last.move_to_end(key)
            return found

    def put(self, key: Hashable, grammar: G) -> None:
        """Have a grammar found by a key. Cost: 1 us; of each fourth call some 10 us for each that is held."""
        dropped = []  # their last reference goes when no lock is held
        with self._lock:
            self._known[key] = self._last[key] = grammar
            self._last.move_to_end(key)
            self._added += 1
            if len(self._last) > _MOST:
                dropped.append(self._last.popitem(last=False))
            if self._added % _WEIGHED_EVERY == 0:
                sizes = [one.nbytes for one in self._last.values()]  # they grow as texts are written
                much = sum(sizes) - self._most
                for size in sizes[:-1]:
                    if much <= 0:
                        break
                    much -= size
                    dropped.append(self._last.popitem(last=False))

    def clear(self) -> None:
        """Hold none any more; those that somebody else holds are found all the same."""
        with self._lock:
            dropped, self._last = self._last, OrderedDict()
        dropped.clear()

    @property
    def grammars(self) -> list[G]:
        """Those that are held because they were asked for last."""
        with self._lock:
            return list(self._last.values())
