"""The drafter of a distilled draft model (DistillSpec, FastDraft: `distillation`, which trains it).

Definition: a small model proposes what is likely behind the text; the target verifies.

What differs here: the small model is no transformer but `draft_network`, and what it proposes is a tree,
grown best-first from its law under the grammar's mask. It reads the prompt once, and each token once.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Final

import numpy as np

from methods.draft_network import DraftNetwork, Numbers, allowed_places
from methods.text_drafter import TextDrafter
from structgen.decoding.speculation.drafters.ngrams import grow_tree
from structgen.decoding.speculation.drafts.drafter import REFUSED
from structgen.errors import LimitError
from structgen.speculation import Draft, DraftContext, RequestFacts
from structgen.tokens.token_mask import allocate_mask

BRANCHES: Final = 4
"""The most children of a node."""
LEAST: Final = 0.02
"""The least probability of a child that is proposed."""


class DistilledDraft(TextDrafter):
    """Drafts a tree of what the network finds likely among the tokens that the grammar allows."""

    name = "distilled"

    def __init__(self, network: DraftNetwork) -> None:
        self.network = network
        self.head, self.bias = network.head, network.bias

    def begin(self, facts: RequestFacts) -> None:
        """Note the prompt, which is read for the first draft."""
        super().begin(facts)
        self.mask = allocate_mask(1, facts.tokenizer.vocab_size)
        self.unread = self.text
        self.states: dict[tuple[int, ...], Numbers] = {(): self.network.start()}
        """Of the text, (), and behind the guesses of the last draft."""

    def propose(self, view: DraftContext, most: int) -> Draft:
        """Return the tree. Cost: a step of the network and a mask for each node."""
        self.states = {(): self.state_behind(self.unread)}
        self.unread = []
        return grow_tree(partial(self._after, view), [], view, most, BRANCHES)

    def state_behind(self, path: Sequence[int]) -> Numbers:
        """Return the network's state behind tokens that follow the text."""
        known = next(end for end in range(len(path), -1, -1) if tuple(path[:end]) in self.states)
        return self.network.read(self.states[tuple(path[:known])], path[known:])

    def _after(self, view: DraftContext, path: list[int]) -> list[tuple[int, float]]:
        if path and path[-1] in view.ends:
            return []
        allowed = self.allowed(view, view.start, path)
        state = self.states[tuple(path)] = self.state_behind(path)
        law = self.network.law(state, allowed, self.head, self.bias)
        best = np.argsort(-law, kind="stable")[:BRANCHES]
        return [(int(self.network.tokens[at]), float(law[at])) for at in best if law[at] >= LEAST]

    def allowed(self, view: DraftContext, state: int, path: Sequence[int]) -> np.ndarray:
        """Return which tokens of the network the grammar allows behind a path from a state; none where that
        is unknown."""
        count = len(self.network.tokens)
        if view.matcher is None:
            return np.ones(count, np.bool_)
        for token in path:
            state = view.after(state, token) if state != REFUSED else state
        if state == REFUSED:
            return np.zeros(count, np.bool_)
        try:
            view.matcher.compiled.fill_index(state, self.mask, 0)
        except LimitError:  # a draft does not justify compiling the grammar again
            return np.zeros(count, np.bool_)
        return allowed_places(self.mask.array[0], self.network.tokens)

    def observe(self, taken: Sequence[int], accepted: int) -> None:
        """Take the tokens of the text."""
        self.unread = [*self.unread, *taken]

    def end(self) -> None:
        """Release the states."""
        self.text, self.unread, self.states = [], [], {}
