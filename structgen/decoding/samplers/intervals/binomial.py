"""Shares of independent draws: the exact interval of the binomial law."""

from __future__ import annotations

import math

import numpy as np


def beta_quantile(share: float, first: float, second: float) -> float:
    """Return a quantile of the beta distribution, to 1e-3 of the distance from 0 and 1, for parameters above
    0: by its density in the logit."""
    spread = 20 * math.sqrt(1 / first + 1 / second)
    logits = math.log(first / second) + np.linspace(-spread, spread, 2001)
    logs = first * logits - (first + second) * np.logaddexp(0.0, logits)
    masses = np.exp(logs - logs.max())
    sums = np.cumsum(masses) - masses / 2
    return float(1 / (1 + np.exp(-np.interp(share * (sums[-1] + masses[-1] / 2), sums, logits))))


def interval_of_share(has: int, size: int, tail: float) -> tuple[float, float]:
    """Return the interval of a share, where `has` of `size` independent draws count, and the number of draws
    was fixed before (Clopper and Pearson 1934). It misses with the probability `tail` at each end."""
    low = beta_quantile(tail, has, size - has + 1) if has else 0.0
    high = beta_quantile(1 - tail, has + 1, size - has) if has < size else 1.0
    return low, high
