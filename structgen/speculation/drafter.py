"""What a drafter is: the protocol, and what it is told of a request and of a step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol, runtime_checkable

from structgen.errors import StructgenError
from structgen.matcher import Matcher
from structgen.speculation.draft import NO_DRAFT, Draft, DraftTree
from structgen.tokenizer import Tokenizer

REFUSED: Final = -1
_FREE, _ENDED = 0, 1


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a request before its first token."""

    prompt: Sequence[int]
    tokenizer: Tokenizer
    text: bytes = b""
    """The caller's own text that is to be edited; empty: there is none."""
    schema: str = ""
    """What tells grammars apart (`Grammar.fingerprint`); empty: the text is free."""
    tenant: str = ""
    """Whose request it is: nothing is learnt from one tenant's answers for another."""


@dataclass(frozen=True, slots=True)
class View:
    """Where a text stands when a draft is asked for. A drafter changes none of it."""

    tokens: Sequence[int]
    """The text's tokens so far, without the prompt."""
    matcher: Matcher | None
    """None: the text is free."""
    room: int
    """How many more tokens the text may take: what is left of the budget and of the model's context."""
    ends: frozenset[int]
    """The tokens that end a text."""
    _known: dict[tuple[int, int], int] = field(default_factory=dict, repr=False, compare=False)
    """The states that were asked for: drafters often ask for the same ones."""

    @property
    def start(self) -> int:
        """The number of the present state, for `after`."""
        return _FREE if self.matcher is None else self.matcher.state_index

    def after(self, state: int, token: int) -> int:
        """Return the number of the state after a token, or REFUSED. The matcher does not move. Cost: some
        10 us the first time, then 0.2 us.

        States that are met here count against the limits of the grammar, as those of a document do. Where a
        limit is reached the token is refused: a draft is no reason to compile the grammar anew.
        """
        if self.matcher is None:
            if state != _FREE or token < 0:
                return REFUSED
            return _ENDED if token in self.ends else _FREE
        after = self._known.get((state, token))
        if after is None:
            try:
                after = self.matcher.compiled.next_index(state, token)
            except StructgenError:
                after = REFUSED
            self._known[state, token] = after
        return after


@runtime_checkable
class Drafter(Protocol):
    """Guesses what the model writes next. An object serves one request; what requests share is given to it
    when it is made.

    The calls are: `begin` once; then for each pass of the model `propose` and `observe`; `end` once. A
    drafter that raises, or gives no `Draft`, is not asked again for this request.
    """

    @property
    def name(self) -> str:
        """What usage and traces call it."""

    def begin(self, facts: Facts) -> None:
        """Learn of the request."""

    def propose(self, view: View, most: int) -> Draft:
        """Return a draft of at most `most` nodes. Siblings' chances are shares: they say how the drafter
        divides its guess, and how often it is right at all is learnt from what the model chooses."""

    def observe(self, taken: Sequence[int], accepted: int) -> None:
        """Learn which tokens the text has taken, and how many of them, from the first on, were drafted (by
        any drafter)."""

    def end(self) -> None:
        """Learn that the text is over."""


def allowed_part(draft: Draft, view: View) -> Draft:
    """Return the nodes of a draft that the grammar takes and for which there is room, with what was the share
    of refused siblings given to the others. Cost: 1 us a node and state that was met before.
    """
    if not len(draft) or view.room <= 0:
        return NO_DRAFT
    states: list[int] = []
    depths: list[int] = []
    before: dict[int, float] = {}
    left: dict[int, float] = {}
    rows = list(zip(draft.tokens.tolist(), draft.parents.tolist(), draft.chances.tolist(), strict=True))
    for token, parent, chance in rows:
        above = view.start if parent < 0 else states[parent]
        depth = 1 + (0 if parent < 0 else depths[parent])
        is_open = above != REFUSED and depth <= view.room
        state = view.after(above, token) if is_open else REFUSED
        states.append(state)
        depths.append(depth)
        before[parent] = before.get(parent, 0.0) + chance
        left[parent] = left.get(parent, 0.0) + (chance if state != REFUSED else 0.0)
    if REFUSED not in states:
        return draft
    tree = DraftTree()
    places = {-1: -1}
    for i, (token, parent, chance) in enumerate(rows):
        if states[i] != REFUSED:
            share = chance * before[parent] / left[parent]
            places[i] = tree.add(places[parent], token, share)
    return tree.shared()
