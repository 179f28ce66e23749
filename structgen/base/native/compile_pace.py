"""How fast this machine compiles, measured while it compiles, and how long the rest takes.

What comes in: the weights of modules, then word of each function and each module that some process has
compiled. What goes out: the seconds that are left. No constant promises anything: a quiet workstation and a
busy laptop differ by thirty times.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

_FUNCTION = 0.035
"""The weight of a function, where a module's is the processor seconds that it takes."""
_FIRST = 0.1
"""The part of all work after which the pace is taken as measured."""

LISTENERS: list[Callable[[], object]] = []
"""Called after each function that is compiled in this process, by the thread that compiles."""


class Pace:
    """What some processes have compiled, of modules with weights. Threads may tell it of different modules.
    Seconds are those of `clock`: other work on the machine counts."""

    def __init__(
        self,
        weights: Mapping[str, float],
        processes: int,
        watch: Callable[[Pace], None] = lambda pace: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`weights`: processor seconds of each module on some machine. `processes`: how many compile. `watch`
        is called with this after each function and module, in any thread."""
        self._weights, self._processes, self._watch, self._clock = dict(weights), processes, watch, clock
        self._ahead = dict.fromkeys(weights, 0.0)
        """What is compiled of each module, by weight."""
        self._begun: float | None = None
        self._spent = 0.0
        self._at_work = 1
        """The most modules that were under way at once."""

    @property
    def modules(self) -> tuple[int, int]:
        """How many modules are done, and how many there are."""
        return sum(self._ahead[name] == all_ for name, all_ in self._weights.items()), len(self._weights)

    def function(self, module: str) -> None:
        """Take note of a function that was compiled for a module. All of them are at most nine tenths of it:
        machine code is made at the end."""
        self._at(module, min(self._ahead[module] + _FUNCTION, 0.9 * self._weights[module]))

    def done(self, module: str) -> None:
        """Take note of a module that is compiled."""
        self._at(module, self._weights[module])

    def _at(self, module: str, weight: float) -> None:
        if self._begun is None:  # the first function: numba has been made ready
            self._begun = self._clock()
        self._spent = self._clock() - self._begun
        self._ahead[module] = weight
        under_way = sum(0.0 < ahead < self._weights[name] for name, ahead in self._ahead.items())
        self._at_work = max(self._at_work, min(under_way, self._processes))
        self._watch(self)

    @property
    def left(self) -> float | None:
        """The seconds until all is compiled; None before a tenth is."""
        ahead, total = sum(self._ahead.values()), sum(self._weights.values())
        if ahead < _FIRST * total or not self._spent:
            return None
        longest = max(weight - self._ahead[name] for name, weight in self._weights.items())
        return max((total - ahead) / self._processes, longest) * self._at_work * self._spent / ahead
