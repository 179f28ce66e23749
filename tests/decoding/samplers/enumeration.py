"""All random outcomes of a piece of code, with their exact probabilities, in place of a seed.

Code that draws from a `numpy.random.Generator` uses a uniform number U in one of two ways: it compares U with
a threshold, or it looks up where U falls among the cumulative sums of some masses. Either way only the
interval in which U falls matters. `Source` stands in for the generator: its `random()` returns a number that
is not decided yet, and each use that depends on it splits the interval that is left and takes one part. The
code is run again for every way to take parts; the product of the lengths is the probability of a run.

So `outcomes(body)` yields (probability, body(source)) for all runs; the probabilities add up to 1.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import numpy as np

T = TypeVar("T")
_SLIVER = 1e-14


class _Branches:
    """The parts taken at each branch of one run."""

    def __init__(self, script: list[int]) -> None:
        self.script, self.at = script, 0
        self.widths: list[int] = []
        self.probability = 1.0

    def take(self, probabilities: Sequence[float]) -> int:
        """Return which of some outcomes is taken in this run. Those of probability 0 never are."""
        possible = [i for i, one in enumerate(probabilities) if one > 0]
        if len(possible) == 1:
            self.probability *= probabilities[possible[0]]
            return possible[0]
        if self.at == len(self.script):
            self.script.append(0)
        self.widths.append(len(possible))
        chosen = possible[self.script[self.at]]
        self.at += 1
        self.probability *= probabilities[chosen]
        return chosen


class _Interval:
    """One uniform number from [0, 1), of which so far only [low, high) is known."""

    def __init__(self, branches: _Branches) -> None:
        self.low, self.high, self._branches = 0.0, 1.0, branches

    def split(self, thresholds: Sequence[float]) -> float:
        """Narrow the interval to one between neighbouring thresholds, and return a point within it."""
        edges = [self.low]
        for one in sorted(thresholds):
            # Thresholds that differ by rounding are one.
            if edges[-1] + _SLIVER < one < self.high - _SLIVER:
                edges.append(float(one))
        edges.append(self.high)
        whole = self.high - self.low
        at = self._branches.take([(b - a) / whole for a, b in itertools.pairwise(edges)])
        self.low, self.high = edges[at], edges[at + 1]
        return (self.low + self.high) / 2


class Uniform:
    """scale * U + offset for a uniform U that is not decided yet; `offset` may be an array."""

    def __init__(self, interval: _Interval, scale: float = 1.0, offset: Any = 0.0) -> None:
        self._interval, self._scale, self._offset = interval, scale, offset

    def __mul__(self, factor: float) -> Uniform:
        return Uniform(self._interval, self._scale * float(factor), self._offset * factor)

    def __add__(self, more: Any) -> Uniform:
        return Uniform(self._interval, self._scale, self._offset + more)

    def __truediv__(self, divisor: float) -> Uniform:
        return self * (1.0 / float(divisor))

    __rmul__, __radd__ = __mul__, __add__

    def __sub__(self, less: Any) -> Uniform:
        return self + (-less)

    def __rsub__(self, whole: Any) -> Uniform:
        return Uniform(self._interval, -self._scale, whole - self._offset)

    def _decided(self, values: Any) -> Any:
        """Return this number decided as far as comparisons with some values go."""
        offsets = np.atleast_1d(np.asarray(self._offset, np.float64))
        values = np.atleast_1d(np.asarray(values, np.float64))
        if self._scale == 0:
            return self._offset + 0.0
        thresholds = ((values[:, None] - offsets[None, :]) / self._scale).ravel()
        point = self._interval.split([one for one in thresholds.tolist() if math.isfinite(one)])
        return self._scale * point + self._offset

    def __lt__(self, value: float) -> Any:
        return self._decided(value) < value

    def __le__(self, value: float) -> Any:
        return self._decided(value) <= value

    def __gt__(self, value: float) -> Any:
        return self._decided(value) > value

    def __ge__(self, value: float) -> Any:
        return self._decided(value) >= value

    def __array_ufunc__(self, function: Any, method: str, *args: Any, **options: Any) -> Any:
        """Arithmetic with numbers and arrays of numpy, and rounding up."""
        if method == "__call__" and not options:
            if function in _ARITHMETIC:
                return _ARITHMETIC[function](*args)
            if function is np.ceil:
                return np.ceil(self._decided_to_integers())
        raise NotImplementedError(f"{function.__name__} of a number that is not decided")

    def _decided_to_integers(self) -> Any:
        """Return this number decided as far as the integers between which it lies."""
        offsets = np.atleast_1d(np.asarray(self._offset, np.float64))
        ends = np.array([self._scale * end + offsets for end in (self._interval.low, self._interval.high)])
        integers = range(math.floor(ends.min()), math.ceil(ends.max()) + 1)
        return self._decided(np.array(integers))

    def __array_function__(self, function: Any, types: Any, args: Any, options: Any) -> Any:
        if function is not np.searchsorted:
            raise NotImplementedError(f"{function.__name__} of a number that is not decided")
        sums, points, *others = args
        assert points is self
        return np.searchsorted(sums, self._decided(sums), *others, **options)

    def __float__(self) -> float:
        raise NotImplementedError("a uniform number was used otherwise than for a choice")


# Of an operation whose left side is a number of numpy, the reflected method is meant.
_ARITHMETIC: dict[Any, Callable[[Any, Any], Any]] = {
    np.multiply: lambda a, b: a * b if isinstance(a, Uniform) else b * a,
    np.add: lambda a, b: a + b if isinstance(a, Uniform) else b + a,
    np.subtract: lambda a, b: a - b if isinstance(a, Uniform) else b.__rsub__(a),
    np.true_divide: lambda a, b: a / b,
    np.less: lambda a, b: a < b if isinstance(a, Uniform) else b > a,
    np.less_equal: lambda a, b: a <= b if isinstance(a, Uniform) else b >= a,
    np.greater: lambda a, b: a > b if isinstance(a, Uniform) else b < a,
    np.greater_equal: lambda a, b: a >= b if isinstance(a, Uniform) else b <= a,
}


class Source:
    """What stands in for a `numpy.random.Generator`."""

    def __init__(self, branches: _Branches) -> None:
        self._branches = branches

    def random(self, size: None = None) -> Uniform:
        if size is not None:
            raise NotImplementedError("several uniform numbers at once")
        return Uniform(_Interval(self._branches))


def outcomes(body: Callable[[Source], T], most: int = 200_000) -> Iterator[tuple[float, T]]:
    """Yield each possible outcome of `body` with its probability. Raises AssertionError where there are more
    than `most`, or where the probabilities do not add up to 1."""
    script: list[int] = []
    total = 0.0
    for _ in range(most):
        branches = _Branches(script)
        found = body(Source(branches))
        total += branches.probability
        yield branches.probability, found
        script = branches.script[: branches.at]
        while script and script[-1] + 1 == branches.widths[len(script) - 1]:
            script.pop()
        if not script:
            assert abs(total - 1) < 1e-9, total
            return
        script[-1] += 1
    raise AssertionError(f"more than {most} outcomes")
