"""The protocol of drafters, and its arguments: facts about a request, and a view of the text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from structgen.base.errors import StructgenError
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
    """The caller's own text that is to be edited; empty if there is none."""
    schema: str = ""
    """The grammar's identity (`Grammar.fingerprint`); empty for a free text."""
    tenant: str = ""
    """The owner of the request. Nothing is learnt from one tenant's answers for another."""
    shared: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)
    """What the drafters of all samples of the request share, by a name that a drafter chooses:
    `facts.shared.setdefault(name, made)`. Empty at first; the request alone holds it. At more than 64 MiB
    (containers are followed, other objects count by their `nbytes`) it is emptied."""


@dataclass(frozen=True, slots=True)
class VerifiedDraft:
    """What a pass of the model knew of the draft that it read. Row 0 of the arrays is the end of the text,
    row i + 1 is node i."""

    draft: Draft
    tokens: npt.NDArray[np.int32]
    """[nodes + 1, k]: the likeliest tokens among those that the grammar allows next, likeliest first; -1
    where there are fewer, and where no mask was made for the node."""
    chances: npt.NDArray[np.float32]
    """[nodes + 1, k]: their probabilities among the allowed tokens, at temperature 1, before penalties."""


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
        # The object is frozen. The memo is looked up once for each pass, and asked for each token.
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
    """Guesses the next tokens. An object serves one request; objects that requests share are passed to its
    constructor.

    Order of calls: `begin` once; then `propose` and `observe` for each forward pass; `end` once. Where drafts
    save no time it is not asked; it still observes all tokens. What the grammar refuses is left out of its
    drafts.

    Optional members. `first_trust`: the initial acceptance rate of its guesses, 0.75 by default. `top` (1 to
    64) and `verified(seen: VerifiedDraft)`: it receives the `top` likeliest tokens of each node that was
    read, after the pass and before `observe`; not in passes in which no drafter was asked, nor for the
    prompt. `nbytes`: the bytes that it holds.

    A drafter that raises, returns no `Draft` or one of more than 4,096 nodes, takes more than 5 seconds for
    two calls, holds more than 64 MiB by its own `nbytes`, or is met when more than 64 MiB are shared, is not
    used again for this text.
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
