"""Drafts from what the model found likely in other samples of the same request, after the same last tokens.

A *sample* is one of several texts of a request. A *law* is the model's probabilities of the next token. A
*context* is the last 4, 2 or 1 tokens of a text. The drafter remembers the mean law after each context.

The method is STAND (Song et al. 2025, "Accelerated Test-Time Scaling with Model-Free Speculative Sampling")
without its noise. A guess is accepted where the model chooses the same token, so the likeliest guesses are
the best ones. The drafter is used only for requests for several texts.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from structgen.decoding.speculation.drafters.ngrams import grow_tree
from structgen.decoding.speculation.drafts.draft import Draft
from structgen.decoding.speculation.drafts.drafter import DraftContext, RequestFacts, VerifiedDraft

SIZES: Final = (4, 2, 1)
"""The sizes of contexts, in tokens. The longest context that is known decides."""
TOP: Final = 8
"""How many of the likeliest tokens of a law are remembered."""
MOST_CONTEXTS: Final = 1 << 15
"""The most contexts of a request, some 600 bytes each. The oldest is dropped."""


class SeenLaws:
    """The mean law after each context: the model's probabilities of the next token, over all samples."""

    __slots__ = ("_laws",)

    def __init__(self) -> None:
        self._laws: dict[int, tuple[int, dict[int, float]]] = {}
        """How often each context was seen, and its mean law, by the context's hash. Two contexts with the
        same hash do no harm, because a guess may be wrong."""

    def learn_law(self, context: Sequence[int], law: dict[int, float]) -> None:
        """Add a law to the means of a context. `context`: the last tokens, at most `max(SIZES)`; `law`: the
        probability of each likely next token. Cost: 5 us a size."""
        for size in SIZES:
            if size > len(context):
                continue
            key = hash(tuple(context[-size:]))
            # The context is taken out and stored again, so that it becomes the newest.
            count, old_mean = self._laws.pop(key, (0, {}))
            mean: dict[int, float] = {}
            for token in old_mean.keys() | law.keys():
                total = count * old_mean.get(token, 0.0) + law.get(token, 0.0)
                mean[token] = total / (count + 1)
            # The order of a set differs from run to run, so equally likely tokens are ordered by their ids.
            by_id = sorted(mean.items())
            by_chance = sorted(by_id, key=lambda pair: -pair[1])
            self._laws[key] = count + 1, dict(by_chance[:TOP])
        while len(self._laws) > MOST_CONTEXTS:
            del self._laws[next(iter(self._laws))]

    def followers_of(self, context: Sequence[int]) -> list[tuple[int, float]]:
        """Return the tokens after the longest known end of a context, the likeliest first, with their mean
        probabilities."""
        for size in SIZES:
            if size > len(context):
                continue
            key = hash(tuple(context[-size:]))
            if key in self._laws:
                _, mean = self._laws[key]
                return list(mean.items())
        return []


class OtherSamples:
    """Drafts a tree of what the model found likely after the last tokens, in any sample of the request."""

    name = "samples"
    top = TOP
    first_trust = 0.95

    def __init__(self) -> None:
        self._laws = SeenLaws()
        self._end: list[int] = []

    def begin(self, facts: RequestFacts) -> None:
        """Begin with what other samples have seen."""
        # The first sample of the request shares its own object, and later ones take it.
        self._laws = facts.shared.setdefault(self.name, self._laws)
        self._end = list(facts.prompt[-max(SIZES) :])

    def propose(self, view: DraftContext, max_nodes: int) -> Draft:
        """Return the likeliest continuations that the grammar allows. Cost: 10 us a node."""
        return grow_tree(self._laws.followers_of, self._end, view, max_nodes)

    def verified(self, verified_draft: VerifiedDraft) -> None:
        """Learn the laws after the end of the text and after each node. Cost: 30 us a node."""
        token_rows = verified_draft.tokens.tolist()
        chance_rows = verified_draft.chances.tolist()
        # Node -1 is the end of the text, whose row comes first.
        laws = zip(token_rows, chance_rows, strict=True)
        for node, (tokens, chances) in enumerate(laws, -1):
            law = dict(zip(tokens, chances, strict=True))
            # -1 fills the columns for which there are no tokens.
            law.pop(-1, None)
            if law:
                context = [*self._end, *verified_draft.draft.path(node)]
                self._laws.learn_law(context[-max(SIZES) :], law)

    def observe(self, new_tokens: Sequence[int], accepted_count: int) -> None:
        """Take the tokens of the answer."""
        self._end = [*self._end, *new_tokens][-max(SIZES) :]

    def end(self) -> None:
        """Release the laws."""
        self._laws = SeenLaws()
