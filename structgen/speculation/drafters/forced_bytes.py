"""Bytes that the grammar forces: punctuation, required keys, the rest of an enum's value.

Other engines insert such bytes without asking the model. That changes the tokenisation, and so the model's
next tokens. Here they are a draft, which the model confirms.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from structgen.core.compiled import CompiledGrammar
from structgen.speculation.drafters.canonical_tokens import canonical_tokens
from structgen.speculation.drafts.draft import NO_DRAFT, Draft
from structgen.speculation.drafts.drafter import Facts, View
from structgen.speculation.drafts.grammar_memo import GrammarMemo, memo_of
from structgen.tokens.tokenizer import Tokenizer

_MOST_FORCED: Final = 512
"""The most bytes of a draft; a longer one never pays."""


class ForcedBytes:
    """Drafts a chain: the grammar's forced bytes, split as the tokenizer splits them."""

    name = "forced"
    cuts_itself = True
    first_trust = 0.98

    def __init__(self) -> None:
        self._tokenizer: Tokenizer | None = None

    def begin(self, facts: Facts) -> None:
        """Store the tokenizer."""
        self._tokenizer = facts.tokenizer

    def propose(self, view: View, most: int) -> Draft:
        """Return the forced tokens; none in a free text. Cost: 1 us in a state that any document of the
        grammar has met before; else about 10 us, a call of the tokenizer, and 20 us for each new forced
        byte."""
        matcher = view.matcher
        if matcher is None or self._tokenizer is None or most < 1 or view.room < 1:
            return NO_DRAFT
        memo = memo_of(matcher.compiled)
        draft = memo.drafts("forced").get(view.start)
        if draft is None:
            if matcher.is_finished:
                return NO_DRAFT
            data = _forced(memo, matcher.compiled, view.start)
            draft = Draft.chain(canonical_tokens(view, self._tokenizer, data))
            memo.keep_draft("forced", view.start, draft)
        return draft.beginning(min(most, view.room))

    def propose_behind(self, view: View, path: Sequence[int], most: int) -> Draft:
        """Return the forced tokens after a path."""
        return self.propose(view, most)

    def observe(self, taken: Sequence[int], accepted: int) -> None:
        """Do nothing: the state determines the draft."""

    def end(self) -> None:
        """Do nothing: the memo belongs to the compiled grammar."""


def _forced(memo: GrammarMemo, compiled: CompiledGrammar, state: int) -> bytes:
    """Return the bytes that must come next, as `CompiledGrammar.forced` does, from the memo."""
    found = bytearray()
    while len(found) < _MOST_FORCED and not memo.may_end(compiled, state):
        following = memo.next_bytes(compiled, state)
        if len(following) != 1:
            break
        found += following
        state = memo.byte_after(compiled, state, following[0])
    return bytes(found)
