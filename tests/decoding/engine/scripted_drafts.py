"""Drafts of a text that is known, for tests of what verifies them."""

from __future__ import annotations

import random
from collections.abc import Sequence

from small_models import tokenizer

from structgen.decoding.speculation.drafts.draft import NO_DRAFT, Draft, DraftTree
from structgen.decoding.speculation.drafts.drafter import DraftContext, RequestFacts

END = tokenizer().eos_token_ids[0]


class Scripted:
    """Drafts the text that plain decoding writes, as a tree with wrong guesses beside each right one, some of
    which no document has and some of which go past its end."""

    name = "script"

    def __init__(self, tokens: Sequence[int], seed: int = 0, deep: int = 6) -> None:
        self._tokens, self._draw, self._deep = [*tokens, END, END, 7], random.Random(seed), deep
        self._at = 0

    def begin(self, facts: RequestFacts) -> None:
        self._at = 0

    def propose(self, view: DraftContext, most: int) -> Draft:
        tree, node = DraftTree(), -1
        for token in self._tokens[self._at : self._at + self._draw.randrange(self._deep + 1)]:
            if len(tree) + 3 > most:
                break
            wrong = [
                tree.add_node(node, self._draw.randrange(1400), 0.1) for _ in range(self._draw.randrange(3))
            ]
            if wrong:
                tree.add_node(wrong[0], self._draw.randrange(1400), 0.5)
            node = tree.add_node(node, token, 0.8)
        return tree.make_draft() if len(tree) else NO_DRAFT

    def observe(self, taken: Sequence[int], accepted: int) -> None:
        self._at += len(taken)

    def end(self) -> None:
        self._at = 0
