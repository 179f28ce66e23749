"""`PassCosts`: the time of a forward pass by its number of rows, learnt while the engine runs.

The planner needs the whole curve, also for sizes that were never run. Each size has the median of its last
passes. Between sizes the curve is interpolated. It never falls, because unneeded rows can be added to a pass.

The planner does not run a size that it considers expensive, so nobody would notice if it became cheap. So its
measurement expires. The curve there then follows its neighbours, or the first guess, and the planner may try
the size once. The more often a size was measured, the longer its measurement lasts: a size that stays
expensive is tried every thousand passes or so.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Sequence
from statistics import median_low
from typing import Final

import numpy as np
import numpy.typing as npt

from structgen.errors import OptionError

MOST_ROWS: Final = 512
"""The most rows of a pass in the curve."""
KEPT: Final = 8
"""How many passes of one size are kept."""
LASTS: Final = 64
"""A size that was measured n times is forgotten after 64 n passes of other sizes ..."""
LASTS_AT_MOST: Final = 1024
"""... and after 1,024 at most."""
_UPDATED: Final = 16
"""Passes between two updates of the curve. A size that is new to it does not wait."""
_DEARER: Final = 0.08
"""First guess: the cost of each further row, in passes of one row."""
_FIRST_SECONDS: Final = 1e-3
"""First guess: seconds of a pass of one row."""
_DOUBTED: Final = 2.0
"""A single measurement of a size counts for at most twice the rest of the curve: the pass may have waited for
another process."""


def _bucket_sizes(most: int) -> list[int]:
    """Return the sizes that are measured separately: all up to 16, then eight for each doubling."""
    found, step = list(range(1, 17)), 2
    while found[-1] < most:
        found += [found[-1] + step * i for i in range(1, 9)]
        step *= 2
    return [size for size in found if size < most] + [most]


class _Size:
    """The passes of one size: their latest times, their number, and the number of the last one."""

    __slots__ = ("count", "last", "seconds")

    def __init__(self) -> None:
        self.seconds: deque[float] = deque(maxlen=KEPT)
        self.count = self.last = 0

    @property
    def lasts(self) -> int:
        return min(LASTS * self.count, LASTS_AT_MOST)


class PassCosts:
    """Seconds of a pass for each number of rows. Memory: 8 numbers for each of about 60 sizes.

    `overhead` is the fixed cost of a pass in seconds, for the loop around the model. A draft saves that too.
    """

    def __init__(self, overhead: float = 1.5e-4, most_rows: int = MOST_ROWS) -> None:
        if not 0.0 <= overhead < 60.0 or most_rows < 1:
            raise OptionError(
                f"overhead={overhead}, most_rows={most_rows}.",
                where="PassCosts",
                cure="Give seconds from 0 on, less than a minute, and at least one row.",
            )
        self.overhead = overhead
        self._buckets = _bucket_sizes(most_rows)
        self._sizes: dict[int, _Size] = {}
        self._passes = 0
        self._updated = 0
        self._rows = np.arange(1, most_rows + 1)
        self._guess = _FIRST_SECONDS * (1.0 + _DEARER * (self._rows - 1.0))
        self._curve = self._worked_out()

    @property
    def curve(self) -> npt.NDArray[np.float64]:
        """Seconds of a pass of 1, 2, 3, ... rows, overhead included: finite, above 0, never falling."""
        return self._curve

    def learn(self, rows: int, seconds: float) -> None:
        """Note a pass. Times that are not above 0, and sizes beyond the curve, are ignored. Cost: 1 us, and
        50 us every 16 passes."""
        if not (1 <= rows <= len(self._rows) and 0.0 < seconds < float("inf")):
            return
        self._passes += 1
        bucket = self._buckets[bisect_left(self._buckets, rows)]
        # scale the time from the pass's rows to its bucket's, such as 33 to 36
        scale = 1.0 + _DEARER * (bucket - 1.0)
        seconds *= scale / (1.0 + _DEARER * (rows - 1.0))
        size = self._sizes.get(bucket)
        is_new = size is None or not size.seconds
        if size is None:
            size = self._sizes[bucket] = _Size()
        if is_new and self._is_measured:
            seconds = min(seconds, _DOUBTED * self._said(bucket))
        size.seconds.append(seconds)
        size.count, size.last = size.count + 1, self._passes
        if is_new or self._passes >= self._updated + _UPDATED:
            self._curve = self._worked_out()

    @property
    def _is_measured(self) -> bool:
        return any(size.seconds for size in self._sizes.values())

    def _said(self, rows: int) -> float:
        """Return the curve's value for a size, without the overhead."""
        return float(self._curve[min(rows, len(self._curve)) - 1]) - self.overhead

    def _worked_out(self) -> npt.NDArray[np.float64]:
        self._updated = self._passes
        sizes, ratios, weights = [], [], []
        for bucket in sorted(self._sizes):
            size = self._sizes[bucket]
            if self._passes - size.last > size.lasts:
                size.seconds.clear()
            if size.seconds:
                sizes.append(bucket)
                ratios.append(median_low(size.seconds))
                weights.append(len(size.seconds))
        if not sizes:
            return np.asarray(self._guess + self.overhead, np.float64)
        measured = np.array(rising(ratios, weights)) / np.interp(sizes, self._rows, self._guess)
        found = self._guess * np.interp(self._rows, sizes, measured)
        curve: npt.NDArray[np.float64] = np.maximum.accumulate(found) + self.overhead
        return curve


def rising(values: Sequence[float], weights: Sequence[float]) -> list[float]:
    """Return the nondecreasing sequence nearest to some numbers by weighted squares (isotonic regression by
    pooling adjacent violators; Barlow et al. 1972). Linear time."""
    pools: list[tuple[float, float, int]] = []
    for value, weight in zip(values, weights, strict=True):
        count = 1
        while pools and pools[-1][0] > value:
            before, heavy, many = pools.pop()
            value = (before * heavy + value * weight) / (heavy + weight)
            weight, count = weight + heavy, count + many
        pools.append((value, weight, count))
    return [value for value, _, count in pools for _ in range(count)]
