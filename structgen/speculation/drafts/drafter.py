"""The protocol of drafters, and its arguments: facts about a request, and a view of the text."""

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
class View:
    """The state of a text when a draft is requested. Read-only for drafters."""

    tokens: Sequence[int]
    """The text's tokens so far, without the prompt."""
    matcher: Matcher | None
    """None for a free text."""
    room: int
    """How many more tokens the text may have, by its budget and by the model's context."""
    ends: frozenset[int]
    """The tokens that end a text."""
    state: int | None = None
    """The number of the state from which to draft; None: the matcher's."""
    _steps: dict[int, int] = field(init=False, repr=False, compare=False)
    """Known transitions of the grammar, from all its documents."""

    def __post_init__(self) -> None:
        steps = {} if self.matcher is None else memo_of(self.matcher.compiled).steps
        object.__setattr__(self, "_steps", steps)

    @property
    def start(self) -> int:
        """The number of the state from which to draft, an argument of `after`."""
        if self.state is not None:
            return self.state
        return _FREE if self.matcher is None else self.matcher.state_index

    def after(self, state: int, token: int) -> int:
        """Return the number of the state after a token, or REFUSED. The matcher does not move. Cost: about 10
        us the first time, then 0.2 us.

        New states count against the limits of the grammar, as those of a document do. At a limit the token is
        refused: a draft does not justify compiling the grammar again.
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
        """Return the view after some more tokens; None if they are refused, end the text, or use up its room.
        The matcher does not move; `state` is the state after them."""
        state = self.start
        for token in path:
            if token in self.ends or state == REFUSED:
                return None
            state = self.after(state, token)
        if state == REFUSED or self.room <= len(path):
            return None
        return View(self.tokens, self.matcher, self.room - len(path), self.ends, state)

    def walked(self, draft: Draft) -> npt.NDArray[np.int64]:
        """Return the number of the state after each node of a draft, or REFUSED: if the grammar refuses it,
        if there is no room for it, or if its parent is refused. Cost: 0.3 us a node with a known
        transition."""
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
    """Guesses the next tokens. An object serves one request; objects that requests share are passed to its
    constructor.

    Order of calls: `begin` once; then `propose` and `observe` for each forward pass; `end` once. A drafter
    that raises, or returns no `Draft`, is not used again for this request. A drafter that saves less time
    than it takes is not asked in every pass; it still observes all tokens.

    Optional attributes. `cuts_itself = True`: its drafts contain nothing that the view refuses, and are not
    checked again. `rank`, a number that `propose` may set: acceptance rates are learnt for each rank apart,
    for example after a short and a long match. `first_trust`, set with `rank`: the initial acceptance rate.

    Optional method `propose_behind(view, path, most)`, for drafters that can continue other drafters'
    guesses: `path` are the guessed tokens, and `view` is the view after them, except for its `tokens`.
    """

    @property
    def name(self) -> str:
        """Its name in usage and traces."""

    def begin(self, facts: Facts) -> None:
        """Receive the facts of the request."""

    def propose(self, view: View, most: int) -> Draft:
        """Return a draft of at most `most` nodes. Chances of siblings are shares: they divide the drafter's
        guess. Its overall acceptance rate is learnt from the model's choices."""

    def observe(self, taken: Sequence[int], accepted: int) -> None:
        """Receive the tokens that the text has taken; the first `accepted` of them were drafted (by any
        drafter)."""

    def end(self) -> None:
        """The text is over."""


def allowed_part(draft: Draft, view: View, most: int | None = None, branches: int = MOST_BRANCHES) -> Draft:
    """Return the nodes of a draft that the grammar allows and for which there is room. Shares of refused
    siblings go to the others; each node keeps its first `branches` children, and of more than `most` nodes
    the likeliest are kept. Cost: 5 us, and 0.4 us a node with a known transition.
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
    """Return the nodes of a draft whose states are not REFUSED: the first `branches` children of each, at
    most `most` in all, the likeliest. A node after a refused one is refused, too. Overwrites `states`."""
    count = len(draft)
    made, chances = np.empty((2, count), np.int32), np.empty(count, np.float32)
    left = allowed_nodes(
        draft.tokens, draft.parents, draft.chances, states, most, branches, made[0], made[1], chances
    )
    return Draft.made(made[0, :left], made[1, :left], chances[:left]) if left else NO_DRAFT
