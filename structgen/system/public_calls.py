"""Which public call is under way in this thread, so that what it may cost is bounded as a whole.

A mask or a token may ask thousands of questions, each of them bounded. The searches that answer them spend
steps, some 20 us each, and all searches of a call together may spend `Limits.oracle_steps` (`spend`). String
automata count their work in compiled code: they begin to count anew when another call has begun since. A
question outside of any call counts by itself.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from structgen.errors import LimitError
from structgen.limits import Limits


class _Call(threading.local):
    """The call of a thread; used as a context. A call inside another is a part of it."""

    def __init__(self) -> None:
        self._depth = 0
        self._number = 0
        self.spent = 0
        """The steps of this call so far, or of the last one."""

    def __enter__(self) -> None:
        if not self._depth:
            self._number, self.spent = next(_NUMBERS), 0
        self._depth += 1

    def __exit__(self, *_raised: object) -> None:
        self._depth -= 1

    @contextmanager
    def apart(self) -> Iterator[None]:
        """Have work that earlier calls did once, and that is done again, count for none."""
        outer = self._depth, self._number, self.spent
        self._depth = 0
        try:
            yield
        finally:
            self._depth, self._number, self.spent = outer

    def spend(
        self, steps: int, limits: Limits, what: str, where: Callable[[], str] = lambda: "grammar"
    ) -> None:
        """Count steps of this call, some 20 us each. Outside of calls there is no limit.

        `what` is looked for, at the place that `where` returns. Raises LimitError (oracle_steps) past the
        limit of one call. Cost: 0.1 us."""
        self.spent += steps
        if self.spent > limits.oracle_steps and self._depth:
            raise LimitError(
                f"{what} was not found out within the work of one call, {limits.oracle_steps:,} steps.",
                limit="oracle_steps",
                where=where(),
            )

    def number(self) -> int:
        """Return the number of the call that is under way: no two calls have the same. Outside of calls each
        answer is a new number."""
        return self._number if self._depth else next(_NUMBERS)


_NUMBERS = itertools.count(1)
THIS_CALL: Final = _Call()
