"""Shares of independent draws: the exact interval of the binomial law."""

from __future__ import annotations

import math

import numpy as np


def beta_quantile(share: float, first: float, second: float) -> float:
    """Return a quantile of the beta distribution, to 1e-3 of the distance from 0 and 1, for parameters above
    0: by its density in the logit."""
    # A grid of logits around the mode, about 20 standard deviations to each side.
    spread = 20 * math.sqrt(1 / first + 1 / second)
    logits = math.log(first / second) + np.linspace(-spread, spread, 2001)
    log_densities = first * logits - (first + second) * np.logaddexp(0.0, logits)
    masses = np.exp(log_densities - log_densities.max())
    # The mass below the middle of each grid cell. The last one and its half cell are the whole.
    sums = np.cumsum(masses) - masses / 2
    total = sums[-1] + masses[-1] / 2
    logit = np.interp(share * total, sums, logits)
    return float(1 / (1 + np.exp(-logit)))


def interval_of_share(has: int, size: int, tail: float) -> tuple[float, float]:
    """Return the interval of a share, where `has` of `size` independent draws count, and the number of draws
    was fixed before (Clopper and Pearson 1934). It misses with the probability `tail` at each end."""
    # With none, or all, of the draws one end is certain: the beta law has no parameter 0.
    low = beta_quantile(tail, has, size - has + 1) if has else 0.0
    high = beta_quantile(1 - tail, has + 1, size - has) if has < size else 1.0
    return low, high
