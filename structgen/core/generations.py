"""Generations of a compiled grammar, so that a process that writes documents for weeks does not grow.

A compiled grammar keeps every state that a document has reached, for later documents; with free keys some 200
KB a document. Once the states take more than `Limits.grammar_memory`, new documents begin in a grammar that
is compiled anew. Documents under way end in the old one, which is freed with the last of them. A document
that meets a limit that earlier documents have used up continues in the new one too (`Matcher`).
"""

from __future__ import annotations

import threading
from typing import Generic, Protocol, Self, TypeVar

_CHECKED_EVERY = 16
"""A generation checks its size once in so many documents."""


class Renewable(Protocol):
    """A compiled grammar."""

    lock: threading.RLock

    @property
    def generation(self) -> Generation[Self]: ...

    @property
    def used(self) -> float:
        """The share of its limits that is used; above 1 it is to be renewed. Cost: some 20 us."""
        ...

    def anew(self) -> Self:
        """Return another compiled grammar of the same grammar."""
        ...


C = TypeVar("C", bound=Renewable)


class Generation(Generic[C]):
    """The successors of one compiled grammar. It holds no reference to that grammar itself."""

    __slots__ = ("_base", "_begun", "_successor")

    def __init__(self) -> None:
        self._begun = 0
        self._base = 0.0
        """The share that the first document used: any document may use as much."""
        self._successor: C | None = None

    def begin(self, compiled: C) -> C:
        """Return the grammar in which a document begins: this one, or the newest after it."""
        if self._successor is not None:
            # generations in between are freed
            self._successor = newest = self._successor.generation.begin(self._successor)
            return newest
        self._begun += 1
        if self._begun == 2:
            self._base = compiled.used
        elif self._begun % _CHECKED_EVERY == 0:
            used = compiled.used
            if used > 1 and used > 2 * self._base:
                return self._renew(compiled)
        return compiled

    @property
    def is_shared(self) -> bool:
        """Whether several documents began here: the only one would meet a limit elsewhere too."""
        return self._successor is not None or self._begun > 1

    def after(self, compiled: C) -> C:
        """Return the grammar in which a document continues that met a limit here."""
        if self._successor is not None:
            return self.begin(compiled)
        newest = self._renew(compiled)
        return newest.generation.begin(newest)

    def newest(self, compiled: C) -> C:
        """Return the newest grammar after this one, or this one; no document begins."""
        while (successor := compiled.generation._successor) is not None:
            compiled = successor
        return compiled

    def replace(self, compiled: C) -> C:
        """Return a grammar compiled anew, in which all later documents begin, after work in this one was
        interrupted. Cost: that of compiling."""
        return self._renew(compiled)

    def _renew(self, compiled: C) -> C:
        with compiled.lock:
            if self._successor is None:
                self._successor = compiled.anew()
            return self._successor
