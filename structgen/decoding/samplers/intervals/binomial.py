"""Computes the exact interval of a share of independent draws, from the binomial law.

A *share* is the probability that a draw has some property. If 3 of 10 draws have it, for example, the
interval of 95 % is about 0.07 to 0.65. A *logit* is log(p / (1 - p)) of a probability p.
"""

from __future__ import annotations

import math

import numpy as np


def beta_quantile(share: float, first: float, second: float) -> float:
    """Return the quantile of the beta distribution below which `share` of its mass lies. `first` and `second`
    are its parameters, above 0. The error is at most 1e-3 of the distance from 0 and from 1."""
    # The density is summed on a grid of 2,001 logits, about 20 standard deviations to each side of the mode.
    spread = 20 * math.sqrt(1 / first + 1 / second)
    logits = math.log(first / second) + np.linspace(-spread, spread, 2001)
    log_densities = first * logits - (first + second) * np.logaddexp(0.0, logits)
    masses = np.exp(log_densities - log_densities.max())
    # The mass below the middle of each grid cell. The last sum and the last half cell are the total mass.
    sums = np.cumsum(masses) - masses / 2
    total = sums[-1] + masses[-1] / 2
    logit = np.interp(share * total, sums, logits)
    return float(1 / (1 + np.exp(-logit)))


def interval_of_share(has: int, size: int, tail: float) -> tuple[float, float]:
    """Return the interval of a share, if `has` of `size` independent draws have the property. The number of
    draws must have been fixed before (Clopper and Pearson 1934). The chance that the true share is beyond an
    end is at most `tail` for each end."""
    # If no draw, or every draw, has the property, one end is certain: the beta law has no parameter 0.
    low = beta_quantile(tail, has, size - has + 1) if has else 0.0
    high = beta_quantile(1 - tail, has + 1, size - has) if has < size else 1.0
    return low, high
