"""Speculative sampling (Leviathan et al. 2023, arXiv:2211.17192; Chen et al. 2023, arXiv:2302.01318).

Definition: a draft x of the law q is accepted with the probability min(1, p(x) / q(x)); else the token comes
from what p has above q, scaled to 1. It is accepted with the probability sum of min(p, q), the most that any
verifier of one draft can reach. Nothing differs here but that p and q are laws under the mask.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Law = npt.NDArray[np.float64]


def acceptance(p: Law, q: Law, k: int = 1) -> float:
    """Return how likely the draft is accepted."""
    return float(np.minimum(p, q).sum())


def draw(p: Law, q: Law, k: int, random: np.random.Generator) -> tuple[int, bool]:
    """Return a token of the law p, and whether it was the draft."""
    draft = int(random.choice(len(q), p=q))
    if random.random() * q[draft] < p[draft]:
        return draft, True
    left = np.maximum(p - q, 0.0)
    return int(random.choice(len(p), p=left / left.sum())), False
