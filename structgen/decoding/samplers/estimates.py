"""Estimates from weighted draws: the cost of a run, log Z, sums of logarithms."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from structgen.decoding.samplers.target import ROUNDING, Bounds, Floats

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
    """Why the run ended: "n", "budget", "seconds", "until" (an interval is narrow enough), "exhausted" (every
    valid text is known), "interrupted", "limit" (a bound of the grammar's `sg.Limits` was met), or
    "fruitless" (10,000 attempts in a row gave no text, and neither a budget nor a time was given)."""
    checks: int = 0
    """The number of calls of checkers' methods."""
    tree_rows: int = 0
    """Rows that came from the prefix tree instead of the model."""
    reread_positions: int = 0
    """Positions that the model read again because their keys and values had been dropped."""


def is_spent(bracket: Bounds) -> bool:
    """Return whether the proven bounds on Z leave no more mass for texts that are not known than rounding
    errors do."""
    lower, upper = bracket
    return upper - lower <= ROUNDING * upper


def clamp_log_z(log_z: float, bracket: Bounds) -> float:
    """Return log Z cut to proven bounds on Z; NaN without an estimate."""
    if math.isnan(log_z):
        return log_z
    lower, upper = bracket
    return min(max(log_z, log_or_infinity(lower)), log_or_infinity(upper))


def log_z_of_coins(inverses: Floats, accepted_count: int, is_stopped: bool) -> float:
    """Return log Z from attempts that were accepted with probability Z / bound, given 1 / bound of each;
    `is_stopped`: whether the last one ended the run.

    The number of accepted attempts less Z times the sum of 1 / bound is a martingale, whatever the bounds
    learn and wherever the run stops. So the estimate is accepted / sum of 1 / bound.
    """
    if not accepted_count:
        return -math.inf if len(inverses) else math.nan
    total = float(inverses.sum())
    if is_stopped:
        # The run ended at an accepted attempt. So the last one was accepted for certain, and is left out.
        return math.log((accepted_count - 1) / (total - inverses[-1]))
    return math.log(accepted_count / total)


def count_carriers(weights: Floats) -> float:
    """Return how many equal weights vary as much as these: (sum w)^2 / sum w^2 (Kish 1965)."""
    squares = float(weights @ weights)
    return float(weights.sum()) ** 2 / squares if squares > 0 else 0.0


def log_or_infinity(value: float) -> float:
    """Return the logarithm of a number that may be 0."""
    return math.log(value) if value > 0 else -math.inf


def log_sum(logs: Floats) -> float:
    """Return the logarithm of the sum of numbers whose logarithms are given."""
    return float(np.logaddexp.reduce(logs)) if len(logs) else -math.inf


def normalise_weights(log_weights: Floats) -> Floats:
    """Return the weights whose logarithms are given, divided by their sum."""
    if not len(log_weights):
        return np.empty(0)
    # The greatest weight becomes 1 before the sum: no weight overflows, and the sum is not 0.
    weights: Floats = np.exp(log_weights - log_weights.max())
    weights /= weights.sum()
    return weights
