"""Generations of a compiled grammar: who writes documents for weeks does not keep all that they met.

Every state that a document reached stays in its compiled grammar, for the next one that comes by; where keys
are free that is some 200 KB a document. Once they take more than `Limits.grammar_memory`, documents begin in
a grammar compiled anew; those under way end in the old one, which goes with the last of them. A document that
meets a bound which others before it have used up goes on in the new one too (`Matcher`).
"""

from __future__ import annotations

import threading
from typing import Generic, Protocol, Self, TypeVar

_SOME = 16
"""Documents that a generation has at least, and after which it is looked again how much they met."""


class Renewable(Protocol):
    """A compiled grammar."""

    lock: threading.RLock

    @property
    def generation(self) -> Generation[Self]: ...

    @property
    def used(self) -> float:
        """How much of what it may hold it does hold; above 1 it is to be renewed. Cost: some 20 us."""
        ...

    def anew(self) -> Self:
        """Return another, compiled from the same."""
        ...


C = TypeVar("C", bound=Renewable)


class Generation(Generic[C]):
    """What a compiled grammar knows of those after it. It does not hold the grammar itself."""

    __slots__ = ("_base", "_begun", "_successor")

    def __init__(self) -> None:
        self._begun = 0
        self._base = 0.0
        """What the first document took: so much any other may take too."""
        self._successor: C | None = None

    def begin(self, compiled: C) -> C:
        """Return the grammar in which a document begins: this one, or the newest after it."""
        if self._successor is not None:
            # those in between go
            self._successor = newest = self._successor.generation.begin(self._successor)
            return newest
        self._begun += 1
        if self._begun == 2:
            self._base = compiled.used
        elif self._begun % _SOME == 0:
            used = compiled.used
            if used > 1 and used > 2 * self._base:
                return self._renew(compiled)
        return compiled

    def after(self, compiled: C) -> C | None:
        """Return the grammar in which a document goes on that met a bound here; None where no other document
        was here before, so that it would meet the bound there too."""
        if self._successor is not None:
            return self.begin(compiled)
        if self._begun < 2:
            return None
        newest = self._renew(compiled)
        return newest.generation.begin(newest)

    def newest(self, compiled: C) -> C:
        """Return the newest grammar after this one, or this one; no document begins."""
        while (successor := compiled.generation._successor) is not None:
            compiled = successor
        return compiled

    def replace(self, compiled: C) -> C:
        """Return a grammar compiled anew after this one, in which all later documents begin: where work in
        this one was cut in the middle. Cost: that of compiling."""
        return self._renew(compiled)

    def _renew(self, compiled: C) -> C:
        with compiled.lock:
            if self._successor is None:
                self._successor = compiled.anew()
            return self._successor
