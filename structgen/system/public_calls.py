"""Which public call is under way in this thread, so that what it may cost is bounded as a whole.

A mask or a token may ask string automata thousands of questions. Each automaton counts its work and begins to
count anew when another call has begun since; a question outside of any call counts by itself.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final


class _Call(threading.local):
    """The call of a thread; used as a context. A call inside another is a part of it."""

    def __init__(self) -> None:
        self._depth = 0
        self._number = 0

    def __enter__(self) -> None:
        if not self._depth:
            self._number = next(_NUMBERS)
        self._depth += 1

    def __exit__(self, *_raised: object) -> None:
        self._depth -= 1

    @contextmanager
    def apart(self) -> Iterator[None]:
        """Have work that earlier calls did once, and that is done again, count for none."""
        depth, number = self._depth, self._number
        self._depth = 0
        try:
            yield
        finally:
            self._depth, self._number = depth, number

    def number(self) -> int:
        """Return the number of the call that is under way: no two calls have the same. Outside of calls each
        answer is a new number."""
        return self._number if self._depth else next(_NUMBERS)


_NUMBERS = itertools.count(1)
THIS_CALL: Final = _Call()
