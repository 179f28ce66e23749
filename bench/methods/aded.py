"""ADED (Liu et al. 2024, "Adaptive Draft-Verification for Efficient Large Language Model Decoding",
arXiv:2407.12021).

Definition: a matrix of trigrams stands in for the model: for the last two tokens, how often each token
followed. A draft is found by a tree search that balances what is known to be good and what was rarely tried:
from the root it descends to the child with the highest Q + C * P * sqrt(visits of the parent) / (1 + visits
of the child), adds one node there, and passes its value up. The matrix learns from each verification.

What differs here: the paper fills the matrix from a corpus; here it begins with the prompt, and takes in the
accepted tokens and the model's probabilities at all nodes that were read. A child that the grammar refuses is
never visited. The value of a node is the probability of its path. Samples share the matrix.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

from methods.text_drafter import TextDrafter
from structgen.decoding.speculation.drafts.draft import NO_DRAFT, DraftTree
from structgen.decoding.speculation.drafts.drafter import REFUSED
from structgen.speculation import Draft, DraftContext, RequestFacts, VerifiedDraft

EXPLORATION: Final = 0.3
"""C of the search."""
MOST_PAIRS: Final = 1 << 15
"""The most pairs of tokens of a matrix; the oldest is dropped first. Each takes some 500 bytes."""
KEPT: Final = 16
"""The most successors of a pair."""


class Trigrams:
    """For each pair of tokens, weights of what followed."""

    def __init__(self) -> None:
        self.after: dict[tuple[int, int], dict[int, float]] = {}

    def add(self, pair: tuple[int, int], token: int, weight: float) -> None:
        """Add weight to a successor of a pair."""
        if pair not in self.after and len(self.after) >= MOST_PAIRS:
            del self.after[next(iter(self.after))]
        found = self.after.setdefault(pair, {})
        found[token] = found.get(token, 0.0) + weight
        if len(found) > KEPT:
            del found[min(found, key=found.__getitem__)]

    def law(self, pair: tuple[int, int]) -> list[tuple[int, float]]:
        """Return what may follow a pair, with probabilities; half a weight is left for all else."""
        found = self.after.get(pair, {})
        whole = sum(found.values()) + 0.5
        return [(token, weight / whole) for token, weight in found.items()]


@dataclass(slots=True)
class _Place:
    """A node of the search."""

    node: int
    state: int
    pair: tuple[int, int]
    reach: float
    """The probability of its path."""
    depth: int
    visits: int = 1
    value: float = 0.0
    children: dict[int, _Place] = field(default_factory=dict)
    shares: list[tuple[int, float]] | None = None  # not looked up yet


class Aded(TextDrafter):
    """Drafts what a search over trigrams finds."""

    name, top, first_trust = "aded", 8, 0.9

    def begin(self, facts: RequestFacts) -> None:
        """Learn the prompt, once a request."""
        super().begin(facts)
        self.trigrams: Trigrams = facts.shared.setdefault(self.name, Trigrams())
        if not self.trigrams.after:
            self._learn(self.text)

    def _learn(self, text: Sequence[int]) -> None:
        for (first, second), (_, third) in pairwise(pairwise(text)):
            self.trigrams.add((first, second), third, 1.0)

    @property
    def nbytes(self) -> int:
        """Bytes of the matrix."""
        return 500 * len(self.trigrams.after)

    def propose(self, view: DraftContext, most: int) -> Draft:
        """Return the tree of `most` rounds of the search. Cost: 20 us a round."""
        if len(self.text) < 2:
            return NO_DRAFT
        tree = DraftTree()
        root = _Place(-1, view.start, (self.text[-2], self.text[-1]), 1.0, 0)
        for _ in range(most):
            if not self._round(root, tree, view):
                break
        return tree.make_draft() if len(tree) else NO_DRAFT

    def _round(self, root: _Place, tree: DraftTree, view: DraftContext) -> bool:
        """Add a node, or find that one has nothing behind it. Returns False where the root has nothing."""
        path = [root]
        while True:
            here = path[-1]
            if here.shares is None:
                law = self.trigrams.law(here.pair) if here.depth < view.room else []
                here.shares = [one for one in law if view.after(here.state, one[0]) != REFUSED]
            if not here.shares:
                here.reach = 0.0
                return here is not root
            token, share = max(here.shares, key=lambda one: self._bound(here, *one))
            if token not in here.children:
                break
            path.append(here.children[token])
        state, reach = view.after(here.state, token), here.reach * share
        node = tree.add_node(here.node, token, max(share, 1e-4))
        here.children[token] = _Place(node, state, (here.pair[1], token), reach, here.depth + 1, value=reach)
        for place in path:
            place.visits += 1
            place.value += reach
        return True

    def _bound(self, here: _Place, token: int, share: float) -> float:
        child = here.children.get(token)
        if child is not None and child.reach == 0.0:
            return -math.inf
        visits, value = (
            (0, here.reach * share) if child is None else (child.visits, child.value / child.visits)
        )
        return value + EXPLORATION * share * here.reach * math.sqrt(here.visits) / (1 + visits)

    def verified(self, seen: VerifiedDraft) -> None:
        """Add the model's probabilities at all nodes that were read."""
        rows = zip(seen.tokens.tolist(), seen.chances.tolist(), strict=True)
        for node, (tokens, shares) in enumerate(rows, -1):
            before = [*self.text[-2:], *seen.draft.path(node)][-2:]
            if len(before) == 2:
                for token, share in zip(tokens, shares, strict=True):
                    if token >= 0:
                        self.trigrams.add((before[0], before[1]), token, share)

    def observe(self, taken: Sequence[int], accepted: int) -> None:
        """Learn the tokens of the text."""
        self._learn([*self.text[-2:], *taken])
        super().observe(taken, accepted)
