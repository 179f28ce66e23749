"""Means, shares and Z, each with its interval of 95 %, cut to what the known texts prove.

Known texts hold the mass K, and no more than U is valid. So the mean of a function f with values from 0 to 1
is at least (sum of P f over the known texts) / U, and at most that plus (U - K) / U. These bounds hold for
certain, and for each method. Within them `betting` has the interval, or `binomial` for the shares of a
planned number of independent draws.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

import numpy as np

from structgen.decoding.samplers.estimates import log_or_infinity
from structgen.decoding.samplers.intervals.attempts import Attempts
from structgen.decoding.samplers.intervals.betting import FINEST, TAIL, cells_of, ends_of, judge_hypothesis
from structgen.decoding.samplers.intervals.binomial import interval_of_share
from structgen.decoding.samplers.target import ROUNDING, Bools, Floats

LEAST_WORTH: Final = 4
"""A run that is worth fewer exact draws has proven bounds alone: intervals would exclude next to nothing."""
_LOG_CELL: Final = 1 / math.sqrt(FINEST)
"""The width of a cell of log Z: the standard error of a run that is worth so many exact draws."""
_LEAST_Z: Final = math.log(1e-7)
"""Hypotheses of Z below this share of its proven bound are not tested: the lower end is the proven one."""


class Interval(NamedTuple):
    """An interval of 95 %: at least 95 of 100 runs hold the true value in it, on every law. It need not be
    symmetric about the estimate."""

    low: float
    high: float

    @property
    def standard_error(self) -> float:
        """Half of the width of the interval, which bounds the error in 95 of 100 runs: no standard
        deviation."""
        return (self.high - self.low) / 2


class Ends(NamedTuple):
    """The ends of intervals of F figures from 0 to 1: 0 and 1 where nothing is excluded."""

    low: Floats
    high: Floats
    are_proven: Bools
    """Whether they are bounds that hold for certain."""


@dataclass(frozen=True, slots=True)
class ProvenMass:
    """The distinct texts among D draws, and the bounds on Z."""

    lower: float
    upper: float
    """Infinite where nothing bounds Z: checkers weigh texts, or the draws are of another law."""
    probabilities: Floats
    """float64 [D]: P of each draw."""
    is_first: Bools
    """bool [D]: whether no earlier draw is the same text."""

    @property
    def mass(self) -> float:
        """The mass of the distinct texts."""
        return float(self.probabilities[self.is_first].sum())

    def bounds_of(self, values: Floats, condition: Floats) -> tuple[Floats, Floats]:
        """Return the proven bounds of the means of F functions with values from 0 to 1 over the texts that
        have a property. `values`, `condition`: see `Attempts.units_of_means`."""
        if not math.isfinite(self.upper):
            return np.zeros(values.shape[1]), np.ones(values.shape[1])
        # A text counts once, whichever number of draws it has.
        masses = np.where(self.is_first, self.probabilities, 0.0)
        has = masses @ condition
        sums = masses @ (condition * values)
        rest = max(self.upper - self.mass, 0.0)
        whole = np.maximum(has + rest, 1e-300)
        return sums / whole, np.minimum((sums + rest) / whole, 1.0)


def _is_worth_enough(attempts: Attempts) -> bool:
    """Return whether a run is worth enough for intervals. It may have no attempt: its draws are all
    repeats."""
    return len(attempts) > 0 and attempts.worth >= LEAST_WORTH


def ends_of_means(
    attempts: Attempts | None,
    proven: ProvenMass,
    means: Floats,
    values: Floats,
    condition: Floats,
    tail: float = TAIL,
    are_seen: bool = False,
) -> Ends:
    """Return the intervals of the means of F functions over the texts that have a property.

    `means`: float64 [F], the estimates, which the intervals hold; `values`, `condition`: see
    `Attempts.units_of_means`; `attempts`: None for a method that has no units; `tail`: the chance of missing
    at each end; `are_seen`: whether the draws have named the functions, as the values of a field that they
    have. What is proved of one is then from the draws behind the first that has it. For example
    `ends_of_means(None, proven, means, values, condition)` gives the proven bounds. Cost: 0.1 s of CPU for 50
    functions and 300 draws.
    """
    bottom, top = proven.bounds_of(values, condition)
    low, high = bottom.copy(), top.copy()
    if attempts is not None and _is_worth_enough(attempts):
        # Only a planned number of independent draws makes a share binomial: a run that stopped where it
        # looked good would not.
        has_two_values = ((values == 0) | (values == 1)).all(axis=0)
        is_share = has_two_values & attempts.are_coins & attempts.is_planned
        for at in np.flatnonzero(is_share):
            has = (values * condition)[:, at]
            counts = condition[:, at]
            start = int(has.argmax()) + 1 if are_seen and has.any() else 0
            has_count = int(has[start:].sum())
            size = int(counts[start:].sum())
            low[at], high[at] = interval_of_share(has_count, size, tail)
        others = np.flatnonzero(~is_share)
        if len(others):
            units = attempts.with_bets.units_of_means(
                values[:, others], condition[:, others], proven.probabilities
            )
            begin = units.find_first_blocks() if are_seen else None
            # The cells are fixed before the run, by its planned number of draws.
            cells = cells_of(float(attempts.left[0]))
            bet_units = replace(units, tail=tail, begin=begin)
            low[others], high[others] = ends_of(bet_units, cells)
    are_proven = (low <= bottom) & (high >= top)
    # Cut to what is proven, and widened to hold the estimate.
    low = np.maximum(low, bottom)
    high = np.minimum(high, top)
    return Ends(np.minimum(low, means), np.maximum(high, means), are_proven)


def interval_of_mass(attempts: Attempts, proven: ProvenMass, log_z: float) -> Interval | None:
    """Return the interval of log Z, which holds the estimate `log_z`; None where its lower end is unknown or
    nothing bounds Z. Cost: 0.02 s of CPU for 300 draws."""
    lower = max(proven.lower, proven.mass)
    upper = proven.upper
    if math.isnan(log_z) or not math.isfinite(upper):
        return None
    low, high = lower, max(upper, lower)
    if lower < upper and len(attempts):
        # Cells of equal width in log Z, at multiples of it: they must not depend on the draws.
        top = math.log(upper)
        bottom = max(log_or_infinity(lower), top + _LEAST_Z)
        first = math.floor(bottom / _LOG_CELL)
        last = math.ceil(top / _LOG_CELL)
        cells = np.exp(_LOG_CELL * np.arange(first, last + 1))
        (low,), (high,) = ends_of(attempts.with_bets.units_of_mass(), cells)
        # Hypotheses below the first cell were not tested, so they stay.
        low = low if low > cells[0] else lower
    low = max(low, lower)
    high = min(high, upper)
    if not low > 0:
        return None
    # Rounding may exclude no truth, and the interval holds its estimate.
    log_low = min(math.log(low), log_z)
    log_high = max(math.log(high) + ROUNDING, log_z)
    return Interval(log_low, log_high)


def refused_shares(
    attempts: Attempts | None, proven: ProvenMass, has: Floats, share: float
) -> tuple[Bools, Bools]:
    """Return for each of F properties whether its share is proved greater than `share`, and whether it is
    proved less, each with a chance of 2.5 % of an error.

    `has`: float64 [D, F], 1 for a draw that has the property, else 0. `share`: a number from 0 to 1, for
    example 0.5 for the median. `attempts`: None for a method without units.
    """
    ones = np.ones_like(has)
    low, high = proven.bounds_of(has, ones)
    is_more = low > share
    is_less = high < share
    if attempts is not None and _is_worth_enough(attempts):
        units = attempts.with_bets.units_of_means(has, ones, proven.probabilities)
        is_bet_more, is_bet_less = judge_hypothesis(units, share)
        is_more = is_more | is_bet_more
        is_less = is_less | is_bet_less
    return is_more, is_less
