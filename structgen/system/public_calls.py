"""Which public call is under way in this thread, so that what it may cost is bounded as a whole.

A mask or a token may ask thousands of questions, each of them bounded. The searches that answer them spend
steps, some 20 us each, and all searches of a call together may spend `Limits.oracle_steps` (`spend`). String
automata count their work in compiled code: they begin to count anew when another call has begun since. A
question outside of any call counts by itself.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from typing import Final
from weakref import ref

from structgen.errors import LimitError
from structgen.limits import Limits


class Part:
    """A call that is under way, as a context: it is under way while a frame holds this. So a call is over
    however its frame ended, by an interrupt between two instructions too."""

    __slots__ = ("__weakref__",)

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_raised: object) -> None:
        pass


class _Call(threading.local):
    """The call of a thread."""

    def __init__(self) -> None:
        self._part: Callable[[], Part | None] = _no_call
        self._number = 0
        self.spent = 0
        """The steps of this call so far, or of the last one."""

    def begin(self) -> Part:
        """Return the context of a call; a call inside another is a part of it."""
        part = self._part()
        if part is None:
            part = Part()
            self._part, self._number, self.spent = ref(part), next(_NUMBERS), 0
        return part

    def spend(
        self, steps: int, limits: Limits, what: str, where: Callable[[], str] = lambda: "grammar"
    ) -> None:
        """Count steps of this call, some 20 us each. Outside of calls there is no limit.

        `what` is looked for, at the place that `where` returns. Raises LimitError (oracle_steps) past the
        limit of one call. Cost: 0.1 us."""
        self.spent += steps
        if self.spent > limits.oracle_steps and self._part() is not None:
            raise LimitError(
                f"{what} was not found out within the work of one call, {limits.oracle_steps:,} steps.",
                limit="oracle_steps",
                where=where(),
            )

    def number(self) -> int:
        """Return the number of the call that is under way: no two calls have the same. Outside of calls each
        answer is a new number."""
        return self._number if self._part() is not None else next(_NUMBERS)


_NUMBERS = itertools.count(1)


def _no_call() -> None:
    return None


THIS_CALL: Final = _Call()
