"""The protocol of drafters, and its arguments: facts about a request, and a view of the text.

A *drafter* guesses the next tokens of one text. Its guesses are a *draft*, a tree of tokens, which the model
checks in one forward pass. A *free text* is one without a grammar.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, runtime_checkable

from structgen.base.errors import StructgenError
from structgen.base.native.array_types import Float32Array, Int32Array
from structgen.decoding.speculation.drafts.draft import Draft
from structgen.decoding.speculation.drafts.grammar_memo import GrammarMemo, memo_of
from structgen.machines.core.matcher import Matcher
from structgen.tokens.tokenizer import Tokenizer

REFUSED: Final = -1
_FREE, _ENDED = 0, 1  # the states of a free text: before and after an end token


@dataclass(frozen=True, slots=True)
class RequestFacts:
    """Facts about a request before its first token."""

    prompt: Sequence[int]
    tokenizer: Tokenizer
    text: bytes = b""
    """The caller's own text, of which the answer is an edited version; empty if there is none."""
    schema: str = ""
    """The grammar's identity (`Grammar.fingerprint`); empty for a free text."""
    tenant: str = ""
    """The owner of the request. Nothing is learnt from one tenant's answers for another."""
    shared: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)
    """The objects that the drafters of all samples of the request share, by a name that a drafter chooses:
    `facts.shared.setdefault(name, made)`. It is empty at first, and lives as long as the request. It is
    emptied when it holds more than 64 MiB (containers are followed, other objects count by their
    `nbytes`)."""


@dataclass(frozen=True, slots=True)
class VerifiedDraft:
    """A draft that a pass of the model has read, with the likeliest tokens after each node. Row 0 of the
    arrays is the end of the text, row i + 1 is node i."""

    draft: Draft
    tokens: Int32Array
    """[nodes + 1, k]: the likeliest tokens among those that the grammar allows next, likeliest first; -1
    where there are fewer, and where no mask was made for the node."""
    chances: Float32Array
    """[nodes + 1, k]: their probabilities among the allowed tokens, at temperature 1, before penalties."""


@dataclass(frozen=True, slots=True)
class DraftContext:
    """The state of a text when a draft is requested. Read-only for drafters."""

    tokens: Sequence[int]
    """The text's tokens so far, without the prompt."""
    matcher: Matcher | None
    """The matcher of the grammar, at the end of the text; None for a free text."""
    room: int
    """How many more tokens the text may have, by its token budget and by the model's context."""
    ends: frozenset[int]
    """The tokens that end a text."""
    _memo: GrammarMemo | None = field(init=False, repr=False, compare=False)
    """The memo of the grammar, which all its documents share; None for a free text."""

    def __post_init__(self) -> None:
        # The memo is looked up once for each pass here, because it is used for each token.
        memo = None if self.matcher is None else memo_of(self.matcher.compiled)
        object.__setattr__(self, "_memo", memo)

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
        compiled_grammar = self.matcher.compiled
        key = (state << 32) + token
        try:
            return self._memo.fact_of(key, lambda: compiled_grammar.next_index(state, token))
        except StructgenError:
            return REFUSED  # a limit of the grammar


@runtime_checkable
class Drafter(Protocol):
    """Guesses the next tokens of one text. Objects that several requests share are passed to its constructor.

    Order of calls: `begin` once; then `propose` and `observe` for each forward pass; `end` once. In passes
    for which drafts save no time, `propose` is not called, but `observe` is. A token that the grammar refuses
    is left out of a draft.

    Optional members. `first_trust`: the initial acceptance rate of its guesses, 0.75 by default. `top` (1 to
    64) and `verified(seen: VerifiedDraft)`: `verified` receives the `top` likeliest tokens after each node
    that was read. It is called after the pass and before `observe`, but not for the prompt, nor after passes
    in which no drafter was called. `nbytes`: the bytes that the drafter holds.

    A drafter is dropped for this text if it raises, does not return a `Draft`, or returns one of more than
    4,096 nodes. It is also dropped if it takes more than 5 seconds for two calls, holds more than 64 MiB by
    its own `nbytes`, or is called when more than 64 MiB are shared.
    """

    @property
    def name(self) -> str:
        """The drafter's name in usage and traces."""

    def begin(self, facts: RequestFacts) -> None:
        """Receive the facts of the request."""

    def propose(self, view: DraftContext, most: int) -> Draft:
        """Return a draft for the text of `view`; at most its `most` likeliest nodes are used. The chances
        need not be calibrated: they are scaled by the acceptance rate, which is learnt from the model's
        choices."""

    def observe(self, taken: Sequence[int], accepted: int) -> None:
        """Receive the tokens that the text has taken. The first `accepted` of them were drafted, by any
        drafter."""

    def end(self) -> None:
        """Release what the drafter holds: the text is over."""
