"""Bytes that must come whatever the model says: punctuation, required keys, the rest of an enum's value.

Other engines inject such bytes, which changes how the text is split into tokens and so what the model writes
next. Here they are a draft, which the model confirms.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from structgen.compiled import CompiledGrammar
from structgen.speculation.canonical import canonical_tokens
from structgen.speculation.draft import NO_DRAFT, Draft
from structgen.speculation.drafter import Facts, View
from structgen.tokenizer import Tokenizer

MOST_KEPT: Final = 1024
"""States whose forced tokens are remembered."""


class ForcedBytes:
    """Drafts a chain: the grammar's forced bytes, split as the tokenizer splits them."""

    name = "forced"

    def __init__(self) -> None:
        self._tokenizer: Tokenizer | None = None
        self._compiled: CompiledGrammar | None = None
        self._known: dict[int, list[int]] = {}

    def begin(self, facts: Facts) -> None:
        """Learn the tokenizer."""
        self._tokenizer = facts.tokenizer

    def propose(self, view: View, most: int) -> Draft:
        """Return the forced tokens; none in a free text. Cost: 1 us in a state met before, else a call of the
        tokenizer."""
        if view.matcher is None or self._tokenizer is None or view.matcher.is_finished:
            return NO_DRAFT
        if self._compiled is not view.matcher.compiled or len(self._known) >= MOST_KEPT:
            self._compiled, self._known = view.matcher.compiled, {}
        tokens = self._known.get(view.start)
        if tokens is None:
            data = self._compiled.forced(view.start)
            tokens = self._known[view.start] = canonical_tokens(view, self._tokenizer, data)
        return Draft.chain(tokens[: min(most, view.room)])

    def observe(self, taken: Sequence[int], accepted: int) -> None:
        """Learn nothing: the state says it all."""

    def end(self) -> None:
        """Let go of what was remembered."""
        self._compiled, self._known = None, {}
