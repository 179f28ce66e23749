"""`Pace`: whether to go on asking something whose answers may not be worth their price.

Asking costs time, whether or not it helps. The account is kept in tokens of plain decoding: what an answer
saved less what it cost. It starts with a small credit. Once it is used up, the next question waits, each time
twice as long; an answer that pays ends the waiting.

So N passes without a single good answer lose at most the credit, one question, and log2(N) + N / 64 further
questions.
"""

from __future__ import annotations

from typing import Final

LONGEST_WAIT: Final = 64
"""Passes between two questions, at most."""


class Pace:
    """The account of one thing that is asked. `credit` is what it may lose at first, in tokens; `most` is
    what it may have saved up, so that long success buys no long failure."""

    __slots__ = ("_account", "_most", "_next", "_wait")

    def __init__(self, credit: float = 0.5, most: float = 4.0) -> None:
        self._account, self._most = credit, most
        self._next, self._wait = 0, 1

    @property
    def account(self) -> float:
        """Tokens of plain decoding that were saved and may be lost again; below 0 where more were lost."""
        return self._account

    def is_due(self, now: int) -> bool:
        """Return whether to ask in this pass. `now` counts the passes."""
        return now >= self._next

    def hope(self) -> None:
        """Ask again in the next pass: the answer was right, and nothing but its chance had kept it from being
        used."""
        self._next, self._wait = 0, 1

    def asked(self, saved: float, spent: float, now: int) -> None:
        """Take note of what the answer in pass `now` saved and cost, in tokens of plain decoding. One answer
        costs no more than the account may hold: the first ones load code, which happens once."""
        gain = saved - min(spent, self._most)
        self._account = min(self._account + gain, self._most)
        if gain > 0.0:
            self._account, self._wait = max(self._account, 0.0), 1
        elif self._account < 0.0:
            self._next, self._wait = now + 1 + self._wait, min(2 * self._wait, LONGEST_WAIT)
