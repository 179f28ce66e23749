"""`Pace`: how often to ask something whose answers may not be worth their cost.

Asking costs time, whether or not it helps. An account is kept in tokens of plain decoding: what an answer
saved minus what it cost. It starts with a small credit. When it is used up, the next question waits, each
time twice as long (an exponential backoff); an answer that pays ends the waiting.

So N passes without a single good answer lose at most the credit, one question, and log2(N) + N / 64 further
questions.
"""

from __future__ import annotations

from typing import Final

LONGEST_WAIT: Final = 64
"""The most passes between two questions."""


class Pace:
    """The account of one thing that is asked. `credit` is its initial balance, in tokens; `most` is its
    maximal balance, so that a long success does not pay for a long failure."""

    __slots__ = ("_account", "_most", "_next", "_wait")

    def __init__(self, credit: float = 0.5, most: float = 4.0) -> None:
        self._account, self._most = credit, most
        self._next, self._wait = 0, 1

    @property
    def account(self) -> float:
        """The balance in tokens of plain decoding; below 0 if more were lost than saved."""
        return self._account

    def is_due(self, now: int) -> bool:
        """Return whether to ask in this pass. `now` is the number of the pass."""
        return now >= self._next

    def hope(self) -> None:
        """Ask again in the next pass: the answer was right, and was left out only for its low chance."""
        self._next, self._wait = 0, 1

    def asked(self, saved: float, spent: float, now: int) -> None:
        """Note what the answer in pass `now` saved and cost, in tokens of plain decoding. The cost of one
        answer is capped by the maximal balance: the first ones load code, which happens once."""
        gain = saved - min(spent, self._most)
        self._account = min(self._account + gain, self._most)
        if gain > 0.0:
            self._account, self._wait = max(self._account, 0.0), 1
        elif self._account < 0.0:
            self._next, self._wait = now + 1 + self._wait, min(2 * self._wait, LONGEST_WAIT)
