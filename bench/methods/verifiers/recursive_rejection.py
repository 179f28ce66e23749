"""Recursive rejection without replacement (RSD: Jeon et al. 2024, "Recursive Speculative Decoding",
arXiv:2402.14160; SpecInfer's verifier with other drafts: Miao et al. 2024).

Definition: k different drafts are drawn from q without replacement. One after another, a draft x is accepted
with the probability min(1, p(x) / q(x)); after a refusal p is replaced by what it has above q, and x is taken
out of q, both scaled to 1. If none is accepted, the token comes from the last p. Nothing differs here but
that p and q are laws under the mask; where fewer than k tokens are possible, there are fewer drafts.
"""

from __future__ import annotations

import numpy as np

from methods.verifiers.single_draft import Law


def _refused(p: Law, q: Law, draft: int) -> tuple[Law, Law]:
    """Return the laws after the refusal of a draft. q is 0 everywhere if no draft is left."""
    left, rest = np.maximum(p - q, 0.0), q.copy()
    rest[draft] = 0.0
    return left / left.sum(), rest / rest.sum() if rest.sum() > 0.0 else rest


def acceptance(p: Law, q: Law, k: int) -> float:
    """Return how likely one of k drafts is accepted: over all sequences of drafts."""
    if k == 0 or not q.any():
        return 0.0
    found = float(np.minimum(p, q).sum())
    for draft in np.flatnonzero(q > p):
        after = _refused(p, q, int(draft))
        found += float(q[draft] - p[draft]) * acceptance(*after, k - 1)
    return found


def draw(p: Law, q: Law, k: int, random: np.random.Generator) -> tuple[int, bool]:
    """Return a token of the law p, and whether it was a draft."""
    for _ in range(k):
        if not q.any():
            break
        draft = int(random.choice(len(q), p=q))
        if random.random() * q[draft] < p[draft]:
            return draft, True
        p, q = _refused(p, q, draft)
    return int(random.choice(len(p), p=p)), False
