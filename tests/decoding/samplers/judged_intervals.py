"""The figures that a run of `sg.sample` reports of a law, beside the truth: for tests and for the bench.

Nothing here knows how an interval is made. An interval holds if the truth lies in it, but for rounding.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any, Final, NamedTuple

import numpy as np
from random_laws import Law, has_a

import structgen as sg

NORMAL: Final = 1.96
SHARES: Final = 1e-3
"""Shares nearer to 0 or 1 are in no width: there are hardly draws of them."""


class Figure(NamedTuple):
    """A figure of one run."""

    kind: str
    """ "log Z", "share", "mean", "marginal", "quantile", "difference of shares", "difference of means"."""
    value: float
    interval: tuple[float, float] | None
    truth: tuple[float, float]
    """Two ends where the truth is not unique, as a median."""
    size: float
    """The width of the values of the function: the unit of rounding."""
    deviation: float = math.nan
    """That of one exact draw; NaN where it has no meaning, or is too small to compare with."""

    @property
    def holds(self) -> bool:
        """Whether the interval has the truth."""
        assert self.interval is not None
        low, high = self.interval
        least, most = self.truth
        rounding = 1e-9 * self.size + 1e-12 * max(abs(least), abs(most))
        return low <= most + rounding and high >= least - rounding

    @property
    def width(self) -> float:
        """The width of the interval."""
        assert self.interval is not None
        return self.interval[1] - self.interval[0]

    @property
    def error(self) -> float:
        """The estimate less the truth."""
        least, most = self.truth
        return self.value - min(max(self.value, least), most)


def figures(
    found: sg.Samples[str], law: Law, other: tuple[sg.Samples[str], Law] | None = None
) -> Iterator[Figure]:
    """Yield the figures of a run, and their differences from a run of another law."""
    if not math.isnan(found.log_z):
        truth = math.log(law.z)
        yield Figure("log Z", found.log_z, found.log_z_interval, (truth, truth), 1.0)
    if not found.values or found.is_biased:
        return
    for one in law.questions.values():
        value, ends = found.expectation(one.function, range=one.range)
        least = math.sqrt(SHARES * (1 - SHARES)) if one.kind == "share" else 1e-6 * one.size
        deviation = one.deviation if one.deviation > least else math.nan
        yield Figure(one.kind, value, ends, (one.mean, one.mean), one.size, deviation)
    yield from _marginal(found, law)
    value, ends = found.quantile(law.of_text(len), 0.5, range=(0, law.longest))
    yield Figure("quantile", value, ends, law.median, law.longest)
    if other is not None and other[0].values and other[1].is_json == law.is_json:
        yield from _differences(found, law, *other)


def _marginal(found: sg.Samples[str], law: Law) -> Iterator[Figure]:
    """Yield the share of one first letter that was chosen before the draws. The likeliest in the draws would
    be chosen by them."""
    truth, deviation = law.moments(lambda text: text[:1] == law.first)
    for one in found.marginals(law.of_text(lambda text: text[:1]), 40):
        if one.value == law.first:
            if not SHARES < truth < 1 - SHARES:
                deviation = math.nan
            yield Figure("marginal", one.share, one.interval, (truth, truth), 1.0, deviation)


def _differences(found: sg.Samples[str], law: Law, others: sg.Samples[str], other: Law) -> Iterator[Figure]:
    longest = max(law.longest, other.longest)
    for kind, function, bounds in (
        ("difference of shares", has_a, None),
        ("difference of means", len, (0, longest)),
    ):
        value, ends = found.difference(others, law.of_text(function), range=bounds)
        (mean, deviation), (less, more) = law.moments(function), other.moments(function)
        truth, size = mean - less, 2.0 if bounds is None else 2.0 * longest
        both = math.hypot(deviation, more)
        yield Figure(kind, value, ends, (truth, truth), size, both if both > 0.03 else math.nan)


@cache
def band(runs: int, outside: float = 0.001) -> float:
    """Return the share of covered runs below which one of 1,000 cells of exact intervals of 95 % lies."""
    ways = (math.lgamma(runs + 1) - math.lgamma(k + 1) - math.lgamma(runs - k + 1) for k in range(runs + 1))
    logs = [way + k * math.log(0.95) + (runs - k) * math.log(0.05) for k, way in enumerate(ways)]
    return int(np.searchsorted(np.cumsum(np.exp(logs)), outside)) / runs


def at_once(
    law: Law, method: str, n: int, run: int, other: tuple[sg.Samples[str], Law] | None = None
) -> tuple[sg.Samples[str], list[Figure]]:
    """Return a run of n draws, and its figures."""
    found = law.sample(method, n, run)
    return found, list(figures(found, law, other))


def until_narrow(law: Law, method: str, n: int, run: int, other: object = None) -> Any:
    """Return a run that ends once the interval of a share is narrow enough, with n draws at the most."""
    found = law.sample(method, n, run, until=(law.of_text(has_a), 0.3))
    return found, list(figures(found, law))


def joined(law: Law, method: str, n: int, run: int, other: object = None) -> Any:
    """Return two runs of n / 2 draws as one."""
    found, more = (law.sample(method, max(n // 2, 1), 2 * run + part) for part in range(2))
    if found.values and more.values:
        found = found.joined(more)
    return found, list(figures(found, law))


def looked_at(law: Law, method: str, n: int, run: int, other: object = None, looks: int = 5) -> Any:
    """Return a run to which draws are added four times. Of each figure the first interval counts that fails:
    somebody who looks and ends the run where it suits him would report that one."""
    found = law.sample(method, max(n // looks, 1), run)
    worst: dict[tuple[str, int], Figure] = {}
    for look in range(looks):
        if look:
            found = found.add(max(n // looks, 1))
        seen = Counter[str]()
        for one in figures(found, law):
            key = one.kind, seen[one.kind]
            seen[one.kind] += 1
            before = worst.get(key)
            if before is None or before.interval is None or (before.holds and one.interval is not None):
                worst[key] = one
    return found, list(worst.values())


DRAWN: Final[dict[str, Callable[..., tuple[sg.Samples[str], list[Figure]]]]] = {
    "at once": at_once,
    "until": until_narrow,
    "joined": joined,
    "looks": looked_at,
}
"""How a run is made. The claim is the same for all: 95 %."""
