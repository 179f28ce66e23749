"""Estimates from weighted draws: the cost of a run, confidence intervals, sums of logarithms."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from structgen.sampling.target import Floats

_NORMAL = 1.96
"""Standard errors on either side of an interval of 95 %."""


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


class Draws(Protocol):
    """Weighted draws of one run, as marginals and files need them: `samples.Samples`."""

    @property
    def method(self) -> str: ...
    @property
    def texts(self) -> list[str]: ...
    @property
    def values(self) -> list[Any]: ...
    @property
    def token_ids(self) -> list[tuple[int, ...]]: ...
    @property
    def logprobs(self) -> Floats: ...
    @property
    def log_weights(self) -> Floats: ...
    @property
    def is_exact(self) -> bool: ...
    @property
    def is_biased(self) -> bool: ...
    @property
    def log_z(self) -> float: ...
    @property
    def log_z_interval(self) -> tuple[float, float]: ...
    @property
    def bracket(self) -> tuple[float, float]: ...
    @property
    def statistics(self) -> Statistics: ...
    @property
    def contributions(self) -> Callable[[Floats], Floats]: ...
    @property
    def masses(self) -> list[tuple[float, ...] | None]: ...
    @property
    def is_json(self) -> bool: ...
    @property
    def about(self) -> Mapping[str, Any]: ...
    @property
    def pieces(self) -> Mapping[int, str]: ...
    @property
    def target(self) -> str: ...
    @property
    def weights(self) -> Floats:
        """The normalised weights, float64 [n]."""
        ...

    @property
    def worth(self) -> float:
        """The number of independent draws with equal standard errors."""
        ...


def quantile(parts: int) -> float:
    """Return the half-width of an interval of 95 % in standard errors, if the error is estimated from so many
    uncorrelated parts: Student's quantile with one fewer degrees of freedom, by the expansion of Cornish and
    Fisher from two degrees on (to 1 %). Infinite for one part."""
    freedom = parts - 1
    if freedom < 3:
        return (math.inf, 12.706, 4.303)[max(freedom, 0)]
    z = 1.959964
    first = (z**3 + z) / 4
    second = (5 * z**5 + 16 * z**3 + 3 * z) / 96
    third = (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384
    return z + first / freedom + second / freedom**2 + third / freedom**3


def interval_of(
    log_z: float, relative_error: float, bracket: tuple[float, float]
) -> tuple[float, tuple[float, float]]:
    """Return log Z and an interval of 95 %, cut to proven bounds on Z, from an estimate of log Z and the
    standard error of Z over Z. Without an estimate (NaN): NaN and the bounds."""
    low, high = log(bracket[0]), log(bracket[1])
    if math.isnan(log_z):
        return math.nan, (low, high)
    if log_z == -math.inf:
        return low, (low, high)  # no attempt gave a text: the error is unknown
    if low == high:
        return low, (low, low)
    off = _NORMAL * relative_error
    begin = max(log_z + log(1 - off), low) if off < 1 else low
    return min(max(log_z, low), high), (begin, min(log_z + log(1 + off), high))


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
