"""STAND (Song et al. 2025, "Accelerated Test-Time Scaling with Model-Free Speculative Sampling",
arXiv:2506.04708): stochastic n-grams, for many samples of one prompt.

Definition: for each context of the last n tokens the k best probabilities of the next token, as the model
gave them; all samples of a prompt feed one table. Children of a node are drawn from them without replacement
(Gumbel-top-k: the k largest of log p + noise). The tree's shape follows the acceptances that its places had.

What differs here: probabilities are those under the grammar's mask; a context that comes again has the mean
of what was seen (the paper's too). A place is the size of the context and the rank of the child; its
acceptance is learnt while texts are written, where the paper fits a tree of 80 nodes beforehand. With a
verifier that chooses and then compares, a child is accepted with its own probability, whatever noise chose
it: so the best k without noise (`noise=0`) are accepted at least as often, and both are rows of the table.
"""

from __future__ import annotations

import math
import random
from typing import Final

from methods.text_drafter import TextDrafter, grown
from structgen.speculation import Draft, DraftContext, RequestFacts, VerifiedDraft

SIZES: Final = (8, 4, 3, 2, 1)
"""Sizes of contexts; the longest that is known decides."""
TOP: Final = 8
MOST_CONTEXTS: Final = 1 << 15
"""The most contexts of a table: the oldest is dropped first. Each takes some 600 bytes."""


class SeenLaws:
    """What a request's samples share: the laws behind contexts, and the acceptances of places."""

    def __init__(self) -> None:
        self.laws: dict[tuple[int, ...], dict[int, float]] = {}
        self.counts: dict[tuple[int, ...], int] = {}
        self.places: dict[tuple[int, int], list[float]] = {}
        """For the size of a context and a rank: how often such a child was chosen, and how often it could
        have been."""

    def learn(self, context: tuple[int, ...], law: dict[int, float]) -> None:
        """Note a law behind a context: the mean of all that were seen there."""
        if context not in self.laws and len(self.laws) >= MOST_CONTEXTS:
            oldest = next(iter(self.laws))
            del self.laws[oldest], self.counts[oldest]
        count = self.counts[context] = self.counts.get(context, 0) + 1
        mean = self.laws.setdefault(context, {})
        for token in mean.keys() | law.keys():
            before = mean.get(token, 0.0)
            mean[token] = before + (law.get(token, 0.0) - before) / count
        if len(mean) > 2 * TOP:
            self.laws[context] = dict(sorted(mean.items(), key=lambda one: -one[1])[:TOP])

    def chance(self, size: int, rank: int, share: float) -> float:
        """Return how likely a child is chosen: its own probability, as far as places of its kind have kept
        what theirs promised."""
        right, promised = self.places.get((size, rank), (2.0, 2.0))
        return min(max(share * right / promised, 1e-4), 0.999)


class Stand(TextDrafter):
    """Drafts what the model found likely behind the same last tokens, in any sample of the prompt."""

    name, top, first_trust = "stand", TOP, 0.95

    def __init__(self, noise: float = 1.0) -> None:
        """`noise`: the scale of the Gumbel noise; 0: the likeliest children."""
        self.noise, self.draws = noise, random.Random(1)

    def begin(self, facts: RequestFacts) -> None:
        """Begin with what other samples have learnt."""
        super().begin(facts)
        self.seen: SeenLaws = facts.shared.setdefault(self.name, SeenLaws())
        self.guessed: dict[tuple[int, ...], list[tuple[int, int, int, float]]] = {}
        """For each path of the last draft its children: token, size of the context, rank, probability."""

    @property
    def nbytes(self) -> int:
        """Bytes of the shared table."""
        return 600 * len(self.seen.laws)

    def propose(self, view: DraftContext, most: int) -> Draft:
        """Return the tree. Cost: 20 us a node."""
        self.guessed = {}

        def after(path: tuple[int, ...]) -> list[tuple[int, float]]:
            before = (*self.text[-max(SIZES) :], *path)
            for size in SIZES:
                law = self.seen.laws.get(before[-size:]) if len(before) >= size else None
                if law:
                    break
            else:
                return []
            drawn = sorted(law.items(), key=lambda one: -self._key(one[1]))[:TOP]
            rows = [(token, size, rank, share) for rank, (token, share) in enumerate(drawn)]
            self.guessed[path] = rows
            return [(token, self.seen.chance(size, rank, share)) for token, size, rank, share in rows]

        return grown(view, most, after)

    def _key(self, share: float) -> float:
        gumbel = -math.log(-math.log(self.draws.uniform(1e-9, 1.0 - 1e-9))) if self.noise else 0.0
        return math.log(max(share, 1e-9)) + self.noise * gumbel

    def verified(self, seen: VerifiedDraft) -> None:
        """Learn the laws behind the end of the text and behind all nodes."""
        for node in range(-1, len(seen.draft)):
            best, shares = seen.tokens[node + 1].tolist(), seen.chances[node + 1].tolist()
            law = {token: share for token, share in zip(best, shares, strict=True) if token >= 0}
            if law:
                before = (*self.text[-max(SIZES) :], *seen.draft.path(node))
                for size in SIZES:
                    if len(before) >= size:
                        self.seen.learn(before[-size:], law)

    def observe(self, taken: list[int], accepted: int) -> None:  # type: ignore[override]
        """Learn which places of the tree were right."""
        for at, token in enumerate(taken):
            for guess, size, rank, share in self.guessed.get(tuple(taken[:at]), ()):
                place = self.seen.places.setdefault((size, rank), [2.0, 2.0])
                place[0], place[1] = place[0] + (guess == token), place[1] + share
        super().observe(taken, accepted)
