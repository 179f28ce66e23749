"""The protocol of drafters, and its arguments: facts about a request, and a view of the text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol, runtime_checkable

from structgen.core.matcher import Matcher
from structgen.errors import StructgenError
from structgen.speculation.drafts.draft import Draft
from structgen.speculation.drafts.grammar_memo import GrammarMemo, memo_of
from structgen.tokens.tokenizer import Tokenizer

REFUSED: Final = -1
_FREE, _ENDED = 0, 1


@dataclass(frozen=True, slots=True)
class RequestFacts:
    """Facts about a request before its first token."""

    prompt: Sequence[int]
    tokenizer: Tokenizer
    text: bytes = b""
    """The caller's own text that is to be edited; empty if there is none."""
    schema: str = ""
    """The grammar's identity (`Grammar.fingerprint`); empty for a free text."""
    tenant: str = ""
    """The owner of the request. Nothing is learnt from one tenant's answers for another."""


@dataclass(frozen=True, slots=True)
class DraftContext:
    """The state of a text when a draft is requested. Read-only for drafters."""

    tokens: Sequence[int]
    """The text's tokens so far, without the prompt."""
    matcher: Matcher | None
    """None for a free text."""
    room: int
    """How many more tokens the text may have, by its budget and by the model's context."""
    ends: frozenset[int]
    """The tokens that end a text."""
    _memo: GrammarMemo | None = field(init=False, repr=False, compare=False)
    """What is known of the grammar, from all its documents."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "_memo", None if self.matcher is None else memo_of(self.matcher.compiled))

    @property
    def start(self) -> int:
        """The number of the state from which to draft, an argument of `after`."""
        return _FREE if self.matcher is None else self.matcher.state_index

    def after(self, state: int, token: int) -> int:
        """Return the number of the state after a token, or REFUSED. The matcher does not move. Cost: about 10
        us the first time, then 0.2 us.

        New states count against the limits of the grammar, as those of a document do. At a limit the token is
        refused: a draft does not justify compiling the grammar again.
        """
        if self.matcher is None or self._memo is None:
            if state != _FREE or token < 0:
                return REFUSED
            return _ENDED if token in self.ends else _FREE
        compiled = self.matcher.compiled
        try:
            return self._memo.of((state << 32) + token, lambda: compiled.next_index(state, token))
        except StructgenError:
            return REFUSED


@runtime_checkable
class Drafter(Protocol):
    """Guesses the next tokens. An object serves one request; objects that requests share are passed to its
    constructor.

    Order of calls: `begin` once; then `propose` and `observe` for each forward pass; `end` once. A drafter
    that raises, or returns no `Draft`, is not used again for this request. Where drafts save no time it is
    not asked; it still observes all tokens.

    What the grammar refuses is left out of its drafts. Optional attribute `first_trust`: the initial
    acceptance rate of its guesses, 0.75 by default.
    """

    @property
    def name(self) -> str:
        """Its name in usage and traces."""

    def begin(self, facts: RequestFacts) -> None:
        """Receive the facts of the request."""

    def propose(self, view: DraftContext, most: int) -> Draft:
        """Return a draft; at most the `most` likeliest nodes are of use. A chance is a share of the drafter's
        guess: its acceptance rate is learnt from the model's choices."""

    def observe(self, taken: Sequence[int], accepted: int) -> None:
        """Receive the tokens that the text has taken; the first `accepted` of them were drafted (by any
        drafter)."""

    def end(self) -> None:
        """The text is over."""
