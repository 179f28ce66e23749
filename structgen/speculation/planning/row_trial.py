"""`RowTrial`: whether drafts can pay with a model at all, found once by timing its passes."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter
from typing import Final

GUESSES: Final = 4
"""The guesses of the pass that is timed."""
TOKENS: Final = 2.0
"""The tokens that such a pass brings: chains of five guesses bring 2.3 in replayed answers of MaskBench."""
DRAFTING: Final = 3e-4
"""Seconds that a draft takes outside the model: drafters, and masks of guesses."""
LEAST_ROUNDS: Final = 2
"""The first round loads code."""
MOST_ROUNDS: Final = 6
ENOUGH_SECONDS: Final = 0.05
"""Passes that have taken so long are long enough for a stable time."""
APART: Final = 4
"""Passes of the engine from one round to the next, so that another process does not disturb all of them."""


class RowTrial:
    """Times passes of one text, with one row and with 1 + GUESSES rows, in a few rounds.

    Drafts can pay if a pass that checks four guesses, drafting included, takes less time than plain passes
    for the tokens that it brings. They cannot where one more row costs about as much as a pass, nor where a
    pass is as short as the asking of drafters. The least time of each size counts: other processes only add
    to it. Cost: 2 to 6 rounds; more than 2 only where they take less than 0.05 s or speak against drafts.
    """

    __slots__ = ("_clock", "_one", "_overhead", "_passes", "_rounds", "_several", "_spent", "pays")

    def __init__(self, overhead: float = 1.5e-4, clock: Callable[[], float] = perf_counter) -> None:
        """`overhead`: seconds of a pass outside the model, in the loop. `clock` returns seconds."""
        self.pays: bool | None = None
        """Whether drafts can pay; None: not known yet."""
        self._overhead, self._clock = overhead, clock
        self._one = self._several = float("inf")
        self._passes = self._rounds = 0
        self._spent = 0.0

    def measure(self, run: Callable[[int], object]) -> None:
        """Go on with the trial; called in each pass of the engine until `pays` is known. `run(rows)` runs a
        pass of one text with so many rows, and returns when it is done."""
        self._passes += 1
        if self._passes % APART:
            return
        begun = self._clock()
        run(1)
        between = self._clock()
        run(1 + GUESSES)
        ended = self._clock()
        self._one, self._several = min(self._one, between - begun), min(self._several, ended - between)
        self._rounds, self._spent = self._rounds + 1, self._spent + ended - begun
        gains = self._several + self._overhead + DRAFTING < TOKENS * (self._one + self._overhead)
        if self._rounds >= MOST_ROUNDS:
            self.pays = gains
        elif gains and self._rounds >= LEAST_ROUNDS and self._spent > ENOUGH_SECONDS:
            self.pays = True
