"""Computes the intervals of 95 % of figures, cut to what the known texts prove.

- A *figure* is a number that is estimated: the mean of a function of a valid text, the *share* of valid texts
  with some property, or Z, the probability that a text of the model is valid.
- The *mass* of texts is the sum of their probabilities P. A *known* text is one whose P was computed.
- A *proven* bound holds for certain; an interval holds in 95 of 100 runs.

Known texts hold the mass K, and at most the mass U is valid. For example, if texts with the answer "yes" hold
0.3, and U = 0.5, the share of "yes" is at least 0.6. So the mean of a function f with values from 0 to 1
is at least (sum of P f over the known texts) / U, and at most that plus (U - K) / U. These bounds hold for
certain, and for each method. Within them the interval comes from `betting`, or from `binomial` for the shares
of a planned number of independent draws.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

import numpy as np

from structgen.decoding.samplers.estimates import log_or_infinity
from structgen.decoding.samplers.intervals.attempts import Attempts
from structgen.decoding.samplers.intervals.betting import FINEST, cells_of, ends_of, judge_hypothesis
from structgen.decoding.samplers.intervals.binomial import interval_of_share
from structgen.decoding.samplers.target import ROUNDING, Bools, Floats

LEAST_WORTH: Final = 4
"""The least number of exact draws that a run must be worth for intervals. Below it only the proven bounds are
given: an interval would exclude next to nothing."""
_LOG_CELL: Final = 1 / math.sqrt(FINEST)
"""The width of a cell of log Z: the standard error of a run that is worth FINEST exact draws."""
_LEAST_Z: Final = math.log(1e-7)
"""The logarithm of a share of Z's proven upper bound. Hypotheses below that share are not tested, so that the
lower end is the proven one."""


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
    """The ends of the intervals of F figures from 0 to 1; 0 and 1 for a figure of which nothing is
    excluded."""

    low: Floats
    high: Floats
    are_proven: Bools
    """Whether the ends are bounds that hold for certain."""


@dataclass(frozen=True, slots=True)
class ProvenMass:
    """The distinct texts among D draws, and the proven bounds on Z."""

    lower: float
    upper: float
    """The upper bound on Z; infinite if nothing bounds Z, because checkers weigh texts or because the draws
    are of another law."""
    probabilities: Floats
    """float64 [D]: P of each draw."""
    is_first: Bools
    """bool [D]: whether no earlier draw is the same text."""

    @property
    def mass(self) -> float:
        """The mass of the distinct texts: the sum of their P."""
        return float(self.probabilities[self.is_first].sum())

    def bounds_of(self, values: Floats, condition: Floats) -> tuple[Floats, Floats]:
        """Return the lower and upper proven bounds of the means of F functions, [F] each, over the texts that
        have a property. `values` and `condition` are as in `Attempts.units_of_means`."""
        if not math.isfinite(self.upper):
            return np.zeros(values.shape[1]), np.ones(values.shape[1])
        # A text counts once, however many draws it has.
        masses = np.where(self.is_first, self.probabilities, 0.0)
        has = masses @ condition
        sums = masses @ (condition * values)
        rest = max(self.upper - self.mass, 0.0)
        whole = np.maximum(has + rest, 1e-300)
        return sums / whole, np.minimum((sums + rest) / whole, 1.0)


def _is_worth_enough(attempts: Attempts) -> bool:
    """Return whether a run is worth enough for intervals. A run may have no attempt, if all its draws are
    repeats of known texts."""
    return len(attempts) > 0 and attempts.worth >= LEAST_WORTH


def ends_of_means(
    attempts: Attempts | None,
    proven: ProvenMass,
    means: Floats,
    values: Floats,
    condition: Floats,
    tail: float,
    are_seen: bool,
) -> Ends:
    """Return the intervals of the means of F functions over the texts that have a property.

    `attempts` is None for a method that has no units. `means`, float64 [F], are the estimates; each is inside
    of its interval. `values` and `condition` are as in `Attempts.units_of_means`. `tail` is the chance of
    missing the truth at each end. `are_seen` says that the functions were chosen by looking at the draws,
    such as the values of a field that occur; then only draws after the first one with the value count. For
    example `ends_of_means(None, proven, means, values, condition)` gives the proven bounds. Cost: 0.1 s of
    CPU for 50 functions and 300 draws.
    """
    bottom, top = proven.bounds_of(values, condition)
    low, high = bottom.copy(), top.copy()
    if attempts is not None and _is_worth_enough(attempts):
        # A share is binomial only if the number of independent draws was planned. It is not in a run that
        # could stop when the result looked good.
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
    """Return the interval of log Z, which contains the estimate `log_z`. Return None if the estimate or the
    lower end is not known, or if nothing bounds Z. Cost: 0.02 s of CPU for 300 draws."""
    lower = max(proven.lower, proven.mass)
    upper = proven.upper
    if math.isnan(log_z) or not math.isfinite(upper):
        return None
    low, high = lower, max(upper, lower)
    if lower < upper and len(attempts):
        # The cells have equal widths in log Z, and end at multiples of it, so that they do not depend on the
        # draws.
        top = math.log(upper)
        bottom = max(log_or_infinity(lower), top + _LEAST_Z)
        first = math.floor(bottom / _LOG_CELL)
        last = math.ceil(top / _LOG_CELL)
        cells = np.exp(_LOG_CELL * np.arange(first, last + 1))
        (low,), (high,) = ends_of(attempts.with_bets.units_of_mass(), cells)
        # Hypotheses below the first cell were not tested, so they are not excluded.
        low = low if low > cells[0] else lower
    low = max(low, lower)
    high = min(high, upper)
    if not low > 0:
        return None
    # Rounding must not exclude the truth, and the interval must contain its estimate.
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
