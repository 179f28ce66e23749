"""The strategies of one text while it is written: the engine asks them for the scores of each choice.

`RequestStrategies` has the values that the texts of a request share. `RowLaw` is the state of one text. For
each token the engine calls `adjust_scores` (the scores that are drawn from), `note_token` (the numbers of the
step), and `follow_token` (the token is decided). A restart calls `follow_token` alone, with the numbers of
the steps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from structgen.decoding.engine.strategies.strategy import (
    Decision,
    Ids,
    Mixture,
    Narrowing,
    NarrowingState,
    Scores,
    SearchStrategy,
)
from structgen.machines.core.matcher import Matcher
from structgen.tokens.token_mask import tokens_of

PenaltyFunction: TypeAlias = Callable[[npt.NDArray[Any]], Scores]
"""Applies a row's penalties to logits."""


@dataclass(slots=True, eq=False)
class SecondRow:
    """The cache and the logits of the model after another prompt and the tokens of the text."""

    prompt: Sequence[int]
    cache: Any = None
    read_count: int = 0
    """How many tokens of the text it has read."""
    logits: Tensor = field(default_factory=lambda: torch.empty(0))
    """The logits [V] after the tokens that it has read."""


@dataclass(slots=True, eq=False)
class RequestStrategies:
    """The values that the texts of one request share."""

    prompt: Sequence[int]
    mixture: Mixture | None = None
    other_prompt: Sequence[int] = ()
    """The tokens of the mixture's other prompt."""
    narrowing: Narrowing | None = None
    search: SearchStrategy | None = None
    search_resources: Any = None
    """The value that `SearchStrategy.begin` returned."""
    edits: tuple[Any, ...] = ()
    """The `Edit`s of `engine.text`, which knows this module: hence Any."""

    def make_law(self) -> RowLaw:
        """Return the law of a text, anew for each restart."""
        narrowing_state = None if self.narrowing is None else self.narrowing.begin(self.prompt)
        second_row = None if self.mixture is None else SecondRow(self.other_prompt)
        return RowLaw(self, narrowing_state, second_row)

    def summarise_states(self, states: Sequence[tuple[float, ...]]) -> str:
        """Return the summaries of the strategies for the user of a text, from the states of its steps."""
        nonempty_states = [state for state in states if state]
        # a mixture has no states
        with_states = (self.narrowing, self.search)
        summaries = [strategy.told(nonempty_states) for strategy in with_states if strategy is not None]
        return "; ".join(filter(None, summaries))


@dataclass(slots=True)
class RowLaw:
    """The law of one text. It holds what follows from its tokens, and is made anew for a restart."""

    strategies: RequestStrategies
    narrowing: NarrowingState | None
    second: SecondRow | None
    """The row of the mixture's other prompt; None where nothing is mixed."""
    decision: tuple[int, Decision] | None = None
    """The last decision of the search, and the number of tokens of the text before it."""
    count: int = 0
    """How many tokens of the text are decided."""
    was_free: bool = False
    """Whether the last choice was among two or more tokens."""

    @property
    def is_due(self) -> bool:
        """Whether a search has to decide the next token."""
        search = self.strategies.search
        if search is None:
            return False
        if self.decision is None:
            return not (search.is_once and self.count)
        count_before, decision = self.decision
        # a decision without tokens is about one token
        return self.count - count_before >= max(len(decision.tokens), 1)

    def adjust_scores(
        self,
        raw: npt.NDArray[np.float32],
        words: npt.NDArray[np.int32] | None,
        temperature: float,
        apply_penalties: PenaltyFunction | None,
    ) -> Scores | None:
        """Return the scores [V] that are drawn from under the same mask, at the same temperature; None for
        the logits themselves. Order: mixture, penalties, narrowing.

        `raw` [V] has the logits, `words` is the mask (None: all tokens); `apply_penalties` is None where the
        row has none. For example, a decided token gets 0 and every other one minus infinity. Cost: some 20 us
        and 10 ns for each allowed token.
        """
        ids = allowed_ids(words, len(raw))
        if self.decision is not None:
            return self._decided_scores(self.decision, raw, ids, apply_penalties)
        # a forced token is no choice: strategies neither change it nor learn from it
        self.was_free = len(ids) > 1
        scores: Scores | None = None
        if self.strategies.mixture is not None and self.second is not None and self.was_free:
            other_scores = self.second.logits.double().cpu().numpy()[ids]
            mixed_scores = self.strategies.mixture.mixed(raw[ids].astype(np.float64), other_scores)
            scores = None if mixed_scores is None else _spread_scores(mixed_scores, ids, len(raw))
        if apply_penalties is not None:
            scores = apply_penalties(raw if scores is None else scores)
        if self.narrowing is not None and self.was_free:
            scores_so_far = raw if scores is None else scores
            allowed_scores = scores_so_far[ids].astype(np.float64)
            narrowed_scores = self.narrowing.kept(ids, allowed_scores, temperature, len(raw))
            if narrowed_scores is not None:
                scores = _spread_scores(narrowed_scores, ids, len(raw))
        return scores

    def _decided_scores(
        self,
        numbered_decision: tuple[int, Decision],
        raw: npt.NDArray[np.float32],
        ids: Ids,
        apply_penalties: PenaltyFunction | None,
    ) -> Scores | None:
        """Return the scores for a decision of a search: its own, or those that leave its next token alone.
        Where it has neither, such as a token that the budget forbids, the plain scores of the row."""
        count_before, decision = numbered_decision
        drawn_from = decision.scores
        if decision.tokens:
            token = decision.tokens[self.count - count_before]
            # another token is taken where the text could not be completed in time
            is_allowed = token in ids
            drawn_from = _spread_scores(np.zeros(1), np.array([token]), len(raw)) if is_allowed else None
        if drawn_from is None and apply_penalties is not None:
            return apply_penalties(raw)
        return drawn_from

    def note_token(self, token: int) -> tuple[float, ...]:
        """Return the numbers that go into `Step.state` for a chosen token."""
        if self.decision is not None:
            count_before, decision = self.decision
            return decision.state if self.count == count_before else ()
        return self.narrowing.noted(token) if self.narrowing is not None and self.was_free else ()

    def follow_token(self, token: int, state: tuple[float, ...], matcher: Matcher | None) -> None:
        """Take a decided token, which the matcher has taken. A token that is not the decided one ends the
        decision."""
        if self.decision is not None:
            count_before, decision = self.decision
            index = self.count - count_before
            # in a restart the decision is there before the tokens that came before it: below 0
            if 0 <= index < len(decision.tokens) and decision.tokens[index] != token:
                self.decision = None
        self.count += 1
        search = self.strategies.search
        # the decision of such a search is used up, and the rest of the text is plain
        if search is not None and search.is_once and self.is_due:
            self.decision = None
        if self.narrowing is not None:
            self.narrowing.follow(token, state, matcher)


def allowed_ids(words: npt.NDArray[np.int32] | None, size: int) -> Ids:
    """Return the tokens below `size` that a mask allows, ascending; None allows all."""
    if words is None:
        return np.arange(size)
    ids = tokens_of(words)
    # the last word may have bits beyond the vocabulary
    return ids[: np.searchsorted(ids, size)]


def _spread_scores(scores: Scores, ids: Ids, size: int) -> Scores:
    """Return an array of `size` numbers: the scores at `ids`, and minus infinity elsewhere."""
    spread = np.full(size, -np.inf)
    spread[ids] = scores
    return spread
