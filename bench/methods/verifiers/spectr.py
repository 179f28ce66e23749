"""SpecTr's k-sequential selection (Sun et al. 2023, "SpecTr: Fast Speculative Decoding via Optimal
Transport", arXiv:2310.15141).

Definition: k drafts are drawn from q, each by itself. One after another, a draft x is accepted with the
probability min(1, p(x) / (r q(x))); if none is, the token comes from p minus what the drafts have brought.
r, from 1 to k, is the least for which nothing more is brought than p has: with b = sum of min(q, p / r), the
root of 1 - (1 - b)^k = r b. Nothing differs here but that p and q are laws under the mask.
"""

from __future__ import annotations

import numpy as np

from methods.verifiers.single_draft import Law


def factor(p: Law, q: Law, k: int) -> float:
    """Return r, by bisection."""

    def brings_too_much(r: float) -> bool:
        b = np.minimum(q, p / r).sum()
        return bool(1.0 - (1.0 - b) ** k > r * b)

    low, high = 1.0, float(k)
    for _ in range(100):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if brings_too_much(middle) else (low, middle)
    return high


def acceptance(p: Law, q: Law, k: int) -> float:
    """Return how likely one of k drafts is accepted."""
    return float(1.0 - (1.0 - np.minimum(q, p / factor(p, q, k)).sum()) ** k)


def draw(p: Law, q: Law, k: int, random: np.random.Generator) -> tuple[int, bool]:
    """Return a token of the law p, and whether it was a draft."""
    r = factor(p, q, k)
    for _ in range(k):
        draft = int(random.choice(len(q), p=q))
        if random.random() * r * q[draft] < p[draft]:
            return draft, True
    kept = np.minimum(q, p / r)
    b = kept.sum()
    left = np.maximum(p - kept * (1.0 - (1.0 - b) ** k) / max(b, 1e-300), 0.0)
    return int(random.choice(len(p), p=left / left.sum())), False
