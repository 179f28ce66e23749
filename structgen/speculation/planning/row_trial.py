"""`RowTrial`: whether drafts can pay with a model at all, found by measuring its passes."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter, thread_time
from typing import Final

GUESSES: Final = 4
"""The guesses of the pass that is measured."""
TOKENS: Final = 2.0
"""The tokens that such a pass brings: chains of five guesses bring 2.3 in replayed answers of MaskBench."""
DRAFTING: Final = 3e-4
"""Seconds that a draft takes outside the model: drafters, and masks of guesses."""
LEAST_ROUNDS: Final = 2
"""The first round loads code."""
ENOUGH_ROUNDS: Final = 6
"""Rounds after which drafts that do not pay are known not to."""
MOST_ROUNDS: Final = 24
ENOUGH_SECONDS: Final = 0.05
"""Passes that have taken so long are long enough for a stable time."""
APART: Final = 4
"""Passes of the engine from one round to the next, so that another process does not disturb all of them."""
ELSEWHERE: Final = 8.0
"""A pass in which the thread waits for so many times what it computes runs elsewhere, as on a GPU."""
AGAIN: Final = 64
"""Texts after which the trial is made again; then after twice as many, and so on."""


class RowTrial:
    """Measures passes of one text, with one row and with 1 + GUESSES rows, in a few rounds.

    Drafts can pay if a pass that checks four guesses, drafting included, takes less time than plain passes
    for the tokens that it brings. They cannot where one more row costs about as much as a pass, nor where a
    pass is as short as the asking of drafters. Other jobs on the machine are to decide nothing. So seconds
    are those of the processor in this thread; of a model that runs elsewhere those of the clock. The least of
    each size counts, in all trials: jobs that share caches and memory only add to it, mostly to the pass of
    one row. Cost: six rounds that speak against drafts; two for them if passes are long, else 24.
    """

    __slots__ = ("_clocks", "_least", "_overhead", "_passes", "_rounds", "_texts", "_wait", "pays")

    def __init__(
        self,
        overhead: float = 1.5e-4,
        clock: Callable[[], float] = perf_counter,
        processor: Callable[[], float] = thread_time,
    ) -> None:
        """`overhead`: seconds of a pass outside the model, in the loop. `clock` returns seconds, `processor`
        those that this thread has computed."""
        self._overhead, self._clocks = overhead, (clock, processor)
        self._texts, self._wait, self._passes, self._rounds = 0, AGAIN, 0, 0
        self.pays: bool | None = None
        """Whether drafts can pay; None: not known yet."""
        self._least = [[float("inf")] * 2, [float("inf")] * 2]
        """By each clock: the least seconds of a pass of one row, and of one with guesses."""

    def is_off(self) -> bool:
        """Return whether the next text has no drafts, since they cannot pay. From time to time the trial is
        begun again by a text: what it found may have been wrong, or be so no longer."""
        if self.pays is not None:
            self._texts += 1
            if self._texts > self._wait:
                self._texts, self._wait, self._rounds, self.pays = 0, 2 * self._wait, 0, None
        return self.pays is False

    def measure(self, run: Callable[[int], object]) -> None:
        """Go on with the trial; called in each pass of the engine until `pays` is known. `run(rows)` runs a
        pass of one text with so many rows, and returns when it is done."""
        self._passes += 1
        if self._passes % APART:
            return
        read = [[clock() for clock in self._clocks]]
        for rows in (1, 1 + GUESSES):
            run(rows)
            read.append([clock() for clock in self._clocks])
        for least, (begun, between, ended) in zip(self._least, zip(*read, strict=True), strict=True):
            least[:] = min(least[0], between - begun), min(least[1], ended - between)
        of_clock, computed = self._least
        is_elsewhere = sum(of_clock) > ELSEWHERE * sum(computed)
        one, several = of_clock if is_elsewhere else computed
        self._rounds += 1
        gains = several + self._overhead + DRAFTING < TOKENS * (one + self._overhead)
        are_long = self._rounds >= LEAST_ROUNDS and self._rounds * (one + several) > ENOUGH_SECONDS
        if (gains and are_long) or self._rounds >= (MOST_ROUNDS if gains else ENOUGH_ROUNDS):
            self.pays = gains
