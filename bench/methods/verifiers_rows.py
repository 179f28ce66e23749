"""The family of verifiers: how likely one of k drafts is accepted, in closed form.

Means over 300 pairs of laws: `random`: 6 tokens, both drawn uniformly from the simplex; `near`: q is p with
noise of 0.5 on its log-probabilities. `best k, compared` is the engine's way with a drafter that proposes
its best k: the token is chosen first, and accepted where it is among them.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final

import numpy as np

from methods.verifiers import optimal_transport, recursive_rejection, single_draft, spectr
from methods.verifiers.single_draft import Law

PAIRS: Final = 300


def best_compared(p: Law, q: Law, k: int) -> float:
    """Return how likely the target's choice is among the drafter's best k."""
    return float(p[np.argsort(-q)[:k]].sum())


VERIFIERS: Final[dict[str, Callable[[Law, Law, int], float]]] = {
    "single draft": single_draft.acceptance,
    "SpecTr, with replacement": spectr.acceptance,
    "recursive rejection, without": recursive_rejection.acceptance,
    "optimal, with replacement": optimal_transport.acceptance,
    "optimal, without": partial(optimal_transport.acceptance, replacing=False),
    "best k, compared": best_compared,
}


def rows() -> list[dict[str, Any]]:
    """Return a row for each kind of laws, k and verifier."""
    found = []
    random = np.random.default_rng(58)
    laws = random.dirichlet(np.ones(6), (2, PAIRS))
    near = laws[0] * np.exp(0.5 * random.standard_normal((PAIRS, 6)))
    kinds = {"random": laws, "near": np.stack([laws[0], near / near.sum(1, keepdims=True)])}
    for kind, (ps, qs) in kinds.items():
        for k in (1, 2, 3):
            for name, of in VERIFIERS.items():
                if name != "single draft" or k == 1:
                    mean = float(np.mean([of(p, q, k) for p, q in zip(ps, qs, strict=True)]))
                    found.append({"laws": kind, "drafts": k, "verifier": name, "acceptance": mean})
    return found
