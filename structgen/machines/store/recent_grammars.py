"""Compiled grammars that are found again: any that is held, the newest, and the last that came again."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from typing import Final, Generic, Protocol, TypeVar
from weakref import WeakValueDictionary, ref

from structgen.base.system.fork_locks import STORES, new_lock

_MAX_GRAMMARS: Final = 64
"""Grammars that are held because they were asked for twice, and last."""
_REMEMBERED: Final = 4 * _MAX_GRAMMARS
"""Keys that were asked for once and are known when they come again."""
WEIGHED_EVERY: Final = 8
"""Grammars that came again, and documents of one, between two looks at what they hold: some 10 us each."""


class _HasBytes(Protocol):
    @property
    def nbytes(self) -> int: ...


G = TypeVar("G", bound=_HasBytes)


class HeldGrammars(Generic[G]):
    """The compiled grammars that a store holds for one vocabulary. Grammars hold what they share of a store,
    and nothing of that holds these: only whoever has the store itself keeps them."""

    def __init__(self) -> None:
        self.again: OrderedDict[Hashable, G] = OrderedDict()
        """Those that came again; the last that did is the last."""
        self.newest: G | None = None
        self.texts: OrderedDict[Hashable, object] = OrderedDict()
        """Compiled free texts of any grammar, by their content; the most recently used is the last."""


class RecentGrammars(Generic[G]):
    """Compiled grammars by their content. Safe for many threads.

    One that was asked for once is held until the next one is made; one that came again is held among others
    that did. A held grammar has thousands of objects, which garbage collection goes through: where all
    schemas are new, holding 16 of them took 1.3 ms of 6.4 ms a schema, holding one 0.3 ms.
    """

    def __init__(self, max_held: int, held_grammars: HeldGrammars[G]) -> None:
        """`max_held`: bytes, about, of the grammars that are held because they came again; one is held in any
        case. `held_grammars`: where they are held, as long as somebody else keeps that; grammars that are
        held elsewhere are found without it."""
        self._max_held = max_held
        self._by_key: WeakValueDictionary[Hashable, G] = WeakValueDictionary()
        self._grammars_ref = ref(held_grammars)
        self._once: OrderedDict[int, None] = OrderedDict()
        """Hashes of the keys that were asked for."""
        self._put_count = 0
        self._lock = new_lock(STORES)

    @property
    def held_grammars(self) -> HeldGrammars[G]:
        """Where grammars are held; a new place, which goes with its user, where the store is gone."""
        return self._grammars_ref() or HeldGrammars()

    def get(self, key: Hashable) -> G | None:
        """Return the grammar of a key, which is held then; None where nobody holds it any more. Cost: 1 us;
        where it was not held here, that of `put` for a key that comes again."""
        held_grammars = self.held_grammars  # the last reference goes when no lock is held
        freed_grammars: list[object] = []
        with self._lock:
            grammar = self._by_key.get(key)
            if grammar is None:
                return None
            if held_grammars.again.get(key) is grammar:
                held_grammars.again.move_to_end(key)
            else:
                freed_grammars += self._hold(held_grammars.again, key, grammar)
            return grammar

    def put(self, key: Hashable, grammar: G) -> None:
        """Have a grammar found by a key. Cost: 1 us; each eighth call for a key that comes again some 10 us
        for each grammar that is held."""
        held_grammars = self.held_grammars
        # Grammars that are let go are freed with this list, after the lock: freeing one may take other locks.
        freed_grammars: list[object] = [held_grammars.newest]
        with self._lock:
            self._by_key[key] = held_grammars.newest = grammar
            if hash(key) not in self._once:
                self._once[hash(key)] = None
                if len(self._once) > _REMEMBERED:
                    self._once.popitem(last=False)  # the key that was asked for longest ago
                return
            freed_grammars += self._hold(held_grammars.again, key, grammar)

    def _hold(self, again: OrderedDict[Hashable, G], key: Hashable, grammar: G) -> list[object]:
        """Hold a grammar that came again among `again`. Return those that are held no more."""
        freed_grammars: list[object] = []
        again[key] = grammar
        again.move_to_end(key)
        self._put_count += 1
        excess = 0
        sizes = [0] * len(again)
        if self._put_count % WEIGHED_EVERY == 0:
            sizes = [grammar.nbytes for grammar in again.values()]  # they grow as texts are written
            excess = sum(sizes) - self._max_held
        # The first came again longest ago. The last, which comes again now, is held in any case.
        for size in sizes[:-1]:
            if excess <= 0 and len(again) <= _MAX_GRAMMARS:
                break
            excess -= size
            freed_grammars.append(again.popitem(last=False))
        return freed_grammars

    def clear(self) -> None:
        """Hold none any more; those that somebody else holds are found all the same."""
        held_grammars = self.held_grammars
        with self._lock:
            freed_grammars = held_grammars.newest, held_grammars.again
            held_grammars.newest, held_grammars.again = None, OrderedDict()
        del freed_grammars  # they are freed here, when no lock is held

    @property
    def grammars(self) -> list[G]:
        """Those that are held."""
        held_grammars = self.held_grammars
        with self._lock:
            grammars = list(held_grammars.again.values())
            newest = held_grammars.newest
        return grammars if newest is None or newest in grammars else [*grammars, newest]
