"""Estimates from weighted draws: the cost of a run, confidence intervals, sums of logarithms."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from structgen.samplers.target import Floats

NORMAL: Final = 1.96
"""Standard errors on either side of an interval of 95 %."""
FEWEST: Final = 64
"""Fewer attempts or particles with unequal weights, fewer texts of beams and fewer exact draws give no
interval. What comes in less than one of so many attempts may carry half of Z, and nothing in the other
weights tells of it; of 20 exact draws, intervals have few ends and cover up to 99.7 %."""

FEWEST_PARTS: Final = 8
"""A mean whose error fewer effective parts carry has no error. With fewer than 7.3, 62 % of the intervals
of a share covered it."""
LEAST_SIZE: Final = 64
"""Draws that are worth fewer independent ones give means without errors: a text that carries much of the mass
may be missing, and the more so, the greater the effective size of weighted draws seems. With sizes of 12 to
64 the intervals of a mean covered it in 30 to 97 % of runs."""
LEAST_CLOUDS: Final = 8
"""Nor do particles of fewer effective clouds: where most clouds weigh nothing, the others agree by chance."""
LEAST_Z: Final = 1e-6
"""Below it `awrs` gives no interval: where checkers refuse nearly everything, rare weights carry most of Z.
Of intervals of 95 %, 23 of 24 held Z = 5e-6, and 23 of 40 held Z = 2e-12."""
CUT_SHORT: Final = frozenset(("budget", "seconds", "limit", "interrupted"))
"""Values of `Statistics.stopped` of runs that dropped unfinished texts."""


@dataclass(frozen=True, slots=True)
class Statistics:
    """The cost of a run, and its outcome."""

    attempts: int
    """Finished walks from the empty prefix, or particles."""
    accepted: int
    """Those that gave a valid text."""
    model_rows: int
    """Rows asked of the model, the prompt's included."""
    seconds: float
    stopped: str
    """Why the run ended: "n", "budget", "seconds", "standard_error", "exhausted" (every valid text is known),
    "interrupted", "limit" (a bound of the grammar's `sg.Limits` was met), or "fruitless" (10,000 attempts in
    a row gave no text, and neither a budget nor a time was given)."""
    checks: int = 0
    """The number of calls of checkers' methods."""
    tree_rows: int = 0
    """Rows that came from the prefix tree instead of the model."""
    reread_positions: int = 0
    """Positions that the model read again because their keys and values had been dropped."""


def is_tiny(log_z: float) -> bool:
    """Return whether Z is below `LEAST_Z`; False for NaN."""
    return log_z < math.log(LEAST_Z)


def quantile(parts: float) -> float:
    """Return the half-width of an interval of 95 % in standard errors, if the error is estimated from so many
    uncorrelated parts: Student's quantile with one fewer degrees of freedom, by the expansion of Cornish and
    Fisher from three degrees on (to 1 %). Infinite for one part."""
    freedom = parts - 1
    if freedom < 3:
        return (math.inf, 12.706, 4.303)[max(int(freedom), 0)]
    z = 1.959964
    first = (z**3 + z) / 4
    second = (5 * z**5 + 16 * z**3 + 3 * z) / 96
    third = (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384
    return z + first / freedom + second / freedom**2 + third / freedom**3


def effective_parts(parts: Floats) -> float:
    """Return how many normal parts of equal variance would know the variance of a sum as well as these
    uncorrelated parts do: 1 + 3 (sum p^2)^2 / sum p^4 (Satterthwaite 1946), at most their number. A few large
    parts know it badly, however many small ones there are."""
    squares = parts * parts
    fourth = float(squares @ squares)
    return min(len(parts), 1 + 3 * float(squares.sum()) ** 2 / fourth) if fourth > 0 else len(parts)


def half_width(parts: Floats, unseen: float = 0.0) -> float | None:
    """Return half of the interval of 95 % of a sum, given its uncorrelated parts, each less its mean; None if
    there is only one part, whose error is unknown. `unseen`: a variance to add."""
    count = len(parts)
    if count < 2:
        return None
    variance = count / (count - 1) * float(parts @ parts)
    return quantile(effective_parts(parts)) * math.sqrt(variance + unseen)


def around(log_z: float, half: float | None) -> tuple[float, float] | None:
    """Return the interval of log Z, given half the width of that of Z over Z. It is symmetric in log Z:
    estimates of Z are positive, and where one is too low so is its error."""
    return None if half is None or not math.isfinite(log_z) else (log_z - half, log_z + half)


def clamped(
    log_z: float, interval: tuple[float, float] | None, bracket: tuple[float, float]
) -> tuple[float, tuple[float, float] | None]:
    """Return log Z and its interval of 95 %, both cut to proven bounds on Z. Without an estimate (NaN): NaN
    and None."""
    low, high = log(bracket[0]), log(bracket[1])

    def cut(value: float) -> float:
        return min(max(value, low), high)

    if math.isnan(log_z):
        return log_z, None
    if low == high:
        return low, (low, low)
    return cut(log_z), None if interval is None else (cut(interval[0]), cut(interval[1]))


def log_z_of_coins(
    inverses: Floats, accepted: int, stopped: bool
) -> tuple[float, tuple[float, float] | None]:
    """Return log Z and its interval from attempts that were accepted with probability Z / bound, given
    1 / bound of each; `stopped`: whether the last one ended the run.

    The number of accepted attempts less Z times the sum of 1 / bound is a martingale with the variance
    sum of Z / bound (1 - Z / bound), whatever the bounds learn and wherever the run stops. So the estimate is
    accepted / sum of 1 / bound, and the interval has each Z whose deviation is within 1.96 standard
    deviations: for equal bounds it is Wilson's (1927). There is none from fewer than `FEWEST` accepted
    ones.
    """
    if not accepted:
        return -math.inf if len(inverses) else math.nan, None
    sums, squares, normal = float(inverses.sum()), float(inverses @ inverses), NORMAL * NORMAL
    estimate = (accepted - 1) / (sums - inverses[-1]) if stopped else accepted / sums
    if accepted < FEWEST:
        return math.log(estimate), None
    middle, scale = sums * (2 * accepted + normal), 2 * (sums * sums + normal * squares)
    off = math.sqrt(max(middle**2 - 2 * scale * accepted**2, 0.0))
    low, high = (middle - off) / scale, (middle + off) / scale
    return math.log(estimate), (math.log(low), math.log(max(high, estimate)))


def interval_of_weights(weights: Floats, log_z: float) -> tuple[float, float] | None:
    """Return the interval of log Z from the weights of independent attempts; None for fewer than `FEWEST`.

    The variance has one more term than the weights show: that of one more attempt of weight 0.
    """
    if len(weights) < FEWEST or log_z == -math.inf:
        return None
    parts = (weights - weights.mean()) / weights.sum()
    return around(log_z, half_width(parts, unseen=1 / len(weights) ** 2))


def interval_of_share(share: float, half: float | None, worth: float) -> tuple[float, float]:
    """Return the interval of 95 % of a share, given half the width of the normal one: Wilson's (1927), which
    stays within 0 and 1, with the number of independent draws that would have the same standard error.
    `worth`: that number where all draws agree or the error is unknown."""
    inside = share * (1 - share)
    # If all draws agree, their variance is 0; the number of draws bounds the share.
    square = NORMAL**2 / worth if inside < 1e-12 or not half else half**2 / inside
    middle = (share + square / 2) / (1 + square)
    half = math.sqrt(max(inside, 0.0) * square + square * square / 4) / (1 + square)
    return middle - half, middle + half


def mean_of(estimates: Floats) -> tuple[float, float]:
    """Return the log of the mean of independent estimates of Z, and the relative standard error of that mean.
    NaN without an estimate; minus infinity if all are 0."""
    if not len(estimates):
        return math.nan, math.inf
    mean = float(estimates.mean())
    if not mean > 0:
        return -math.inf, math.inf
    error = float(estimates.std(ddof=1)) / math.sqrt(len(estimates)) if len(estimates) > 1 else math.inf
    return math.log(mean), error / mean


def log(value: float) -> float:
    """Return the logarithm of a number that may be 0."""
    return math.log(value) if value > 0 else -math.inf


def log_sum(logs: Floats) -> float:
    """Return the logarithm of the sum of numbers whose logarithms are given."""
    return float(np.logaddexp.reduce(logs)) if len(logs) else -math.inf


def normalised(log_weights: Floats) -> Floats:
    """Return the weights whose logarithms are given, divided by their sum."""
    if not len(log_weights):
        return np.empty(0)
    shifted: Floats = np.exp(log_weights - log_weights.max())
    shifted /= shifted.sum()
    return shifted
