"""What a drafter is: the protocol, and what it is told of a request and of a step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from structgen.core.matcher import Matcher
from structgen.errors import StructgenError
from structgen.speculation.drafts.draft import NO_DRAFT, Draft
from structgen.speculation.drafts.flat_trees import allowed_nodes
from structgen.speculation.drafts.grammar_memo import memo_of
from structgen.tokens.tokenizer import Tokenizer

REFUSED: Final = -1
MOST_BRANCHES: Final = 1 << 30
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
    state: int | None = None
    """The number of the state that drafts go on from; None: the matcher's."""
    _steps: dict[int, int] = field(init=False, repr=False, compare=False)
    """Steps of the grammar that were taken before, of all its documents."""

    def __post_init__(self) -> None:
        steps = {} if self.matcher is None else memo_of(self.matcher.compiled).steps
        object.__setattr__(self, "_steps", steps)

    @property
    def start(self) -> int:
        """The number of the state that drafts go on from, for `after`."""
        if self.state is not None:
            return self.state
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
        key = (state << 32) + token
        after = self._steps.get(key)
        if after is None:
            compiled = self.matcher.compiled
            try:
                after = compiled.next_index(state, token)
            except StructgenError:
                return REFUSED
            memo_of(compiled).keep_step(key, after)
        return after

    def behind(self, path: Sequence[int]) -> View | None:
        """Return the view of a text that has taken some more tokens; None where that is refused, the end, or
        where there is no room after it. The matcher does not move: `state` says where the text would be."""
        state = self.start
        for token in path:
            if token in self.ends or state == REFUSED:
                return None
            state = self.after(state, token)
        if state == REFUSED or self.room <= len(path):
            return None
        return View(self.tokens, self.matcher, self.room - len(path), self.ends, state)

    def walked(self, draft: Draft) -> npt.NDArray[np.int64]:
        """Return the number of the state after each node of a draft, or REFUSED: where the grammar does not
        take it, for which there is no room, or whose parent is refused. Cost: 0.3 us a node and step that
        was taken before."""
        states: list[int] = []
        steps, start, room = self._steps, self.start, self.room
        depths: list[int] = []
        is_deep = len(draft) > room
        for token, parent in zip(draft.tokens.tolist(), draft.parents.tolist(), strict=True):
            above = start if parent < 0 else states[parent]
            if is_deep:
                depths.append(1 + (0 if parent < 0 else depths[parent]))
                if depths[-1] > room:
                    above = REFUSED
            if above == REFUSED:
                states.append(REFUSED)
                continue
            after = steps.get((above << 32) + token)
            states.append(self.after(above, token) if after is None else after)
        return np.array(states, np.int64)


@runtime_checkable
class Drafter(Protocol):
    """Guesses what the model writes next. An object serves one request; what requests share is given to it
    when it is made.

    The calls are: `begin` once; then for each pass of the model `propose` and `observe`; `end` once. A
    drafter that raises, or gives no `Draft`, is not asked again for this request. A drafter that does not
    pay for its time is not asked in each pass; it observes all tokens.

    Three attributes may say more. `cuts_itself = True`: its drafts hold nothing that the view refuses, and
    are not walked a second time. `rank`, a number that `propose` may set: drafts of different ranks, as after
    a short and a long match, are trusted apart. `first_trust`, set with it: how likely a guess of that rank
    is, before the request has shown how often it is right.

    One that can guess what comes after guesses of others, too, has a method
    `propose_behind(view, path, most)`: `path` are the guessed tokens, and `view` stands after them, but for
    its `tokens`.
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


def allowed_part(draft: Draft, view: View, most: int | None = None, branches: int = MOST_BRANCHES) -> Draft:
    """Return the nodes of a draft that the grammar takes and for which there is room, with what was the share
    of refused siblings given to the others; the first `branches` children of each node, and of more than
    `most` nodes the likeliest. Cost: 5 us, and 0.4 us a
    node and step of the grammar that was taken before.
    """
    if not len(draft) or view.room <= 0:
        return NO_DRAFT
    states = view.walked(draft)
    count = len(draft)
    bound = count if most is None else max(most, 0)
    if count <= bound and branches == MOST_BRANCHES and states.min() >= 0:
        return draft
    return part_of(draft, states, bound, branches)


def part_of(draft: Draft, states: npt.NDArray[np.int64], most: int, branches: int = MOST_BRANCHES) -> Draft:
    """Return the nodes of a draft whose states are not REFUSED: the first `branches` children of each, and
    at most `most` in all, the likeliest. A node after a refused one is refused, too. `states` is used up."""
    count = len(draft)
    made, chances = np.empty((2, count), np.int32), np.empty(count, np.float32)
    left = allowed_nodes(
        draft.tokens, draft.parents, draft.chances, states, most, branches, made[0], made[1], chances
    )
    return Draft.made(made[0, :left], made[1, :left], chances[:left]) if left else NO_DRAFT
