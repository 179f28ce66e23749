"""SpecDec++ (Huang et al. 2024, "SpecDec++: Boosting Speculative Decoding via Adaptive Candidate Lengths",
arXiv:2405.19715).

Definition: how long a draft should be is a Markov decision process; the optimal policy stops as soon as the
probability that some drafted token will be refused exceeds a threshold. A trained head predicts for each
drafted token whether it will be accepted.

What differs here: the head is a logistic regression, fitted while texts are written to our own log of guesses
(the logarithm of the node's chance, its depth, whether the grammar forces it, how often the last ones were
right), shared by the samples of a request. It prunes the tree of another drafter in place of ending a chain:
a node stays while the chance that its whole path is accepted is at least the threshold. That is the time of
a row, in passes, times the tokens that a pass brings: `worth_drafting` is this rule for a chain, and the
tests compare it with the best of all lengths, which is the decision process of a toy.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np

from methods.text_drafter import TextDrafter
from structgen.speculation import Draft, DraftContext, RequestFacts

RATE: Final = 0.1
"""Step of the fit; each guess is seen once."""
ROW: Final = 0.02
"""The cost of one more row, in passes."""


def worth_drafting(chances: Sequence[float], row: float) -> int:
    """Return how many guesses of a chain are worth their rows, if each is right with its chance and a row
    costs `row` passes: those that are reached at least as often as a row's time brings tokens elsewhere."""
    tokens = reach = time = 1.0
    for at, chance in enumerate(chances):
        reach *= chance
        if reach < row * tokens / time:
            return at
        tokens, time = tokens + reach, time + row
    return len(chances)


class Head:
    """The logistic regression: its weights, and the mean tokens of a pass."""

    def __init__(self) -> None:
        self.weights = np.array([0.0, 1.0, 0.0, 0.0, 0.0])
        """Of 1, the log-odds of the chance, the depth, forced, and the share of late guesses that were
        right."""
        self.tokens, self.late = 2.0, 0.5

    def features(self, chance: float, depth: int) -> Any:
        """Return the features of a node."""
        odds = math.log(chance / (1.0 - chance)) if chance < 1.0 else 7.0
        return np.array([1.0, min(max(odds, -7.0), 7.0), 0.1 * depth, float(chance > 0.99), self.late])

    def chance(self, features: Any) -> float:
        """Return how likely the node is accepted, if its parent is."""
        return float(1.0 / (1.0 + np.exp(-np.clip(self.weights @ features, -20.0, 20.0))))

    def learn(self, features: Any, *, is_right: bool) -> None:
        """Fit to one guess."""
        self.weights += RATE * (is_right - self.chance(features)) * features
        self.late += 0.05 * (is_right - self.late)


class SpecDecHead(TextDrafter):
    """Drafts what another drafter drafts, as deep as the head says."""

    name = "head"

    def __init__(self, make: Callable[[], Any]) -> None:
        """`make` makes the other drafter."""
        self.inner = make()
        self.first_trust = 0.95

    def begin(self, facts: RequestFacts) -> None:
        """Begin both; the head of other samples of the request goes on."""
        super().begin(facts)
        self.inner.begin(facts)
        self.head: Head = facts.shared.setdefault(self.name, Head())
        self.draft, self.features = Draft.chain([]), list[Any]()

    def propose(self, view: DraftContext, most: int) -> Draft:
        """Return the other drafter's tree, pruned. Cost: 10 us a node beside it."""
        draft = self.inner.propose(view, most)
        least, reach, depth, kept = ROW * self.head.tokens, {-1: 1.0}, {-1: 0}, list[int]()
        features = []
        for node, (parent, chance) in enumerate(
            zip(draft.parents.tolist(), draft.chances.tolist(), strict=True)
        ):
            depth[node] = depth[parent] + 1
            features.append(self.head.features(chance, depth[node]))
            reach[node] = reach[parent] * self.head.chance(features[-1])
            if reach[node] >= least and (parent < 0 or parent in kept):
                kept.append(node)
        self.draft, self.features = draft, features
        return draft.part(kept)

    def observe(self, taken: Sequence[int], accepted: int) -> None:
        """Fit the head to all guesses whose parent the text has reached."""
        super().observe(taken, accepted)
        self.inner.observe(taken, accepted)
        self.head.tokens += 0.1 * (len(taken) - self.head.tokens)
        children, node = self.draft.children(), -1
        for token in taken:
            below = children[node + 1]
            for guess, own in below.items():
                self.head.learn(self.features[own], is_right=guess == token)
            if token not in below:
                break
            node = below[token]
        self.draft = Draft.chain([])
