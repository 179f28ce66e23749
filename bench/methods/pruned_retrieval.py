"""RASD's pruning (Quan et al. 2025, "RASD: Retrieval-Augmented Speculative Decoding", arXiv:2503.03434).

Definition: a retrieved tree (what followed the last tokens elsewhere) is pruned by the draft model: only
those first tokens of it stay that are among the draft model's likeliest; the rest is fused with the draft
model's own tree by longest prefix.

What differs here: fusion is the engine's (`Drafting`). The pruning goes on below the first token: a node
stays while the draft model's masked probability of its path is at least LEAST; one pass of the draft model
reads the whole retrieved tree (`decode_tree`). Retrieval is `KnownTexts`: n-grams of prompt and answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from methods.text_drafter import TextDrafter
from structgen.decoding.speculation.drafters.ngrams import KnownTexts
from structgen.speculation import Draft, DraftContext, RequestFacts
from structgen.tokens.token_mask import allocate_mask

LEAST: Final = 0.02
"""The least probability of a path that stays."""


class PrunedRetrieval(TextDrafter):
    """Drafts what n-grams find, without what a small model finds unlikely."""

    name, first_trust = "pruned", 0.95

    def __init__(self, model: Any) -> None:
        """`model` reads trees, and has the request's tokenizer."""
        self.model, self.known = model, KnownTexts()

    def begin(self, facts: RequestFacts) -> None:
        """Note the prompt; the small model reads it for the first draft."""
        super().begin(facts)
        self.known.begin(facts)
        self.cache: Any = None
        self.read = 0
        self.mask = allocate_mask(1, facts.tokenizer.vocab_size)

    def observe(self, taken: Sequence[int], accepted: int) -> None:
        """Take the tokens of the text."""
        super().observe(taken, accepted)
        self.known.observe(taken, accepted)

    def propose(self, view: DraftContext, most: int) -> Draft:
        """Return the pruned tree. Cost: a pass of the small model over the tree and the new tokens."""
        tree = self.known.propose(view, 2 * most)
        if not len(tree) or not 2 <= len(self.text) < self.model.context - len(tree):
            return tree
        if self.cache is None:
            _, self.cache = self.model.prefill(self.text[:-1])
            self.read = len(self.text) - 1
        new = self.text[self.read :]
        parents = [*range(-1, len(new) - 1), *(tree.parents + len(new)).tolist()]
        logits = self.model.decode_tree([*new, *tree.tokens.tolist()], parents, [len(parents)], [self.cache])
        self.model.keep([range(len(new))], [self.cache])
        self.read = len(self.text)
        return self._pruned(tree, view, logits[len(new) - 1 :].numpy())

    def _pruned(self, tree: Draft, view: DraftContext, logits: Any) -> Draft:
        reach, states, kept = {-1: 1.0}, {-1: view.start}, list[int]()
        for node, (token, parent) in enumerate(zip(tree.tokens.tolist(), tree.parents.tolist(), strict=True)):
            if parent not in reach:
                continue
            share = reach[parent] * self._share(token, states[parent], view, logits[parent + 1])
            if share >= LEAST:
                reach[node], states[node] = share, view.after(states[parent], token)
                kept.append(node)
        return tree.part(kept)

    def _share(self, token: int, state: int, view: DraftContext, logits: Any) -> float:
        """Return the small model's probability of a token among those that the grammar allows."""
        allowed = np.arange(self.mask.vocab_size)
        if view.matcher is not None:
            view.matcher.compiled.fill_index(state, self.mask, 0)
            allowed = self.mask.allowed()
        weights = np.exp(logits[allowed] - logits[allowed].max())
        return float(weights[allowed == token].sum() / weights.sum())
