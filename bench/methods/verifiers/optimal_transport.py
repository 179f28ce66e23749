"""The most that any verifier of k drafts can accept (as a transport: Sun et al. 2023, arXiv:2310.15141; in
closed form: Hu et al. 2025, "Towards Optimal Multi-draft Speculative Decoding", arXiv:2502.18779).

Definition: a verifier is a transport from sets of drafts to tokens: it accepts at most 1 + the least of
p(H) - Q(H) over all sets H of tokens, where Q(H) is the probability that all drafts are in H (the largest
flow is the least cut). With replacement Q(H) = q(H)^k, and the least is at one of the sets of tokens with the
lowest p / q; without, all sets are looked at, so the number of tokens must be small. `transport` finds the
verifier itself, as a largest flow. Nothing differs here but that p and q are laws under the mask.
"""

from __future__ import annotations

from collections import deque
from itertools import combinations, product
from typing import Any

import numpy as np

from methods.verifiers.single_draft import Law


def acceptance(p: Law, q: Law, k: int, *, replacing: bool = True) -> float:
    """Return the most that k drafts can be accepted. Cost: linear; without replacement 2^tokens."""
    if replacing:
        order = np.argsort(p / np.maximum(q, 1e-300), kind="stable")
        least = np.cumsum(p[order]) - np.cumsum(q[order]) ** k
        return float(1.0 + min(least.min(), 0.0))
    sets = laws_of_sets(q, k, replacing=False)
    found = 0.0
    for size in range(1, len(p) + 1):
        for own in combinations(range(len(p)), size):
            inside = set(own)
            brought = sum(share for drafts, share in sets.items() if drafts <= inside)
            found = min(found, float(p[list(own)].sum()) - brought)
    return 1.0 + found


def laws_of_sets(q: Law, k: int, *, replacing: bool) -> dict[frozenset[int], float]:
    """Return the probability of each set of drafts."""
    found: dict[frozenset[int], float] = {}
    for drafts in product(np.flatnonzero(q).tolist(), repeat=min(k, int((q > 0).sum()))):
        share, left = 1.0, 1.0
        for at, draft in enumerate(drafts):
            if not replacing and draft in drafts[:at]:
                share = 0.0
                break
            share *= q[draft] / left
            left -= 0.0 if replacing else q[draft]
        if share > 0.0:
            found[frozenset(drafts)] = found.get(frozenset(drafts), 0.0) + share
    return found


def transport(p: Law, q: Law, k: int, *, replacing: bool = True) -> dict[tuple[frozenset[int], int], float]:
    """Return the largest flow from sets of drafts to their tokens, by shortest augmenting paths (Edmonds and
    Karp 1972): the linear program whose value `acceptance` is."""
    supply, demand = laws_of_sets(q, k, replacing=replacing), p.tolist()
    flow = {(own, token): 0.0 for own in supply for token in sorted(own)}
    while True:
        # breadth-first from the sets that have something left, over tokens and back over flow
        came: dict[Any, Any] = {own: None for own, share in supply.items() if share > 0.0}
        waiting, end = deque(came), None
        while waiting and end is None:
            here = waiting.popleft()
            if isinstance(here, frozenset):
                ahead = [token for token in sorted(here) if token not in came]
            else:
                ahead = [
                    own for (own, to), there in flow.items() if to == here and there > 0.0 and own not in came
                ]
            for one in ahead:
                came[one] = here
                waiting.append(one)
            end = here if not isinstance(here, frozenset) and demand[here] > 0.0 else None
        if end is None:
            return flow
        path = [end]
        while came[path[-1]] is not None:
            path.append(came[path[-1]])
        path.reverse()  # set, token, set, token, ...
        back = [(own, token) for token, own in zip(path[1:-1:2], path[2::2], strict=True)]
        most = min([supply[path[0]], demand[end], *(flow[one] for one in back)])
        for edge in zip(path[::2], path[1::2], strict=True):
            flow[edge] += most
        for edge in back:
            flow[edge] -= most
        supply[path[0]] -= most
        demand[end] -= most


class Transport:
    """The verifier of a largest flow, for one p and q."""

    def __init__(self, p: Law, q: Law, k: int, *, replacing: bool = True) -> None:
        self.flow = transport(p, q, k, replacing=replacing)
        self.sets = laws_of_sets(q, k, replacing=replacing)
        brought = np.zeros(len(p))
        for (_, token), share in self.flow.items():
            brought[token] += share
        self.left = np.maximum(p - brought, 0.0)

    def draw(self, random: np.random.Generator) -> tuple[int, bool]:
        """Return a token of the law p, and whether it was a draft."""
        shares = np.array([*self.sets.values()])
        own = [*self.sets][int(random.choice(len(shares), p=shares / shares.sum()))]
        at = random.random() * self.sets[own]
        for token in sorted(own):
            at -= self.flow[own, token]
            if at < 0.0:
                return token, True
        return int(random.choice(len(self.left), p=self.left / self.left.sum())), False
