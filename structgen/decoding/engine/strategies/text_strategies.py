"""Applies the strategies of one text while it is written: they change the scores that a token is drawn from.

- A *strategy* changes the distribution of the next token. There are three kinds: a *mixture* combines the
  logits after two prompts; a *narrowing* lowers the scores of some tokens; a *search* decides tokens itself.
- A *law* (`RowLaw`) is the distribution of one text's next token, with the state of its strategies.
- A *state* is a tuple of numbers that a strategy notes about a token (`Step.state`).

`RequestStrategies` has the values that the texts of a request share. For each token the engine calls
`adjust_scores` (the scores to draw from), `note_token` (the numbers of the step), and `follow_token` (the
token is decided). A restart calls only `follow_token`, with the numbers of the steps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor

from structgen.base.native.array_types import Array, Float32Array, Int32Array
from structgen.decoding.engine.requests import Sampling
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

PenaltyFunction: TypeAlias = Callable[[Array], Scores]
"""A function that returns logits after a row's penalties."""


@dataclass(slots=True, eq=False)
class SecondRow:
    """The cache and the logits of the model after another prompt and the tokens of the text."""

    prompt: Sequence[int]
    cache: Any = None
    read_count: int = 0
    """The number of the text's tokens that the model has read after the other prompt."""
    logits: Tensor = field(default_factory=lambda: torch.empty(0))
    """The logits [V] after these tokens."""


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
    """The `Edit`s of `engine.text`. That module imports this one, so the type here is Any."""

    def make_law(self) -> RowLaw:
        """Return a new law for a text; each restart of the text gets another one."""
        narrowing_state = None if self.narrowing is None else self.narrowing.begin(self.prompt)
        second_row = None if self.mixture is None else SecondRow(self.other_prompt)
        return RowLaw(self, narrowing_state, second_row)

    def summarise_states(self, states: Sequence[tuple[float, ...]]) -> str:
        """Return the summaries of the strategies for the user of a text, from the states of its steps."""
        nonempty_states = [state for state in states if state]
        # a mixture notes no states
        with_states = (self.narrowing, self.search)
        summaries = [strategy.told(nonempty_states) for strategy in with_states if strategy is not None]
        return "; ".join(filter(None, summaries))


@dataclass(slots=True)
class RowLaw:
    """The distribution of one text's next token. It follows from the text's tokens, and is made anew for a
    restart."""

    strategies: RequestStrategies
    narrowing: NarrowingState | None
    second: SecondRow | None
    """The row of the mixture's other prompt; None: there is no mixture."""
    decision: tuple[int, Decision] | None = None
    """A pair: the number of the text's tokens before the search's last decision, and that decision; None: no
    decision yet."""
    count: int = 0
    """The number of decided tokens of the text."""
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
        # a decision without tokens counts as one token
        return self.count - count_before >= max(len(decision.tokens), 1)

    def adjust_scores(
        self,
        raw: Float32Array,
        words: Int32Array | None,
        sampling: Sampling,
        apply_penalties: PenaltyFunction | None,
    ) -> Scores | None:
        """Return the scores [V] from which the token is drawn, under the same mask and at the
        temperature of `sampling`; None: the logits themselves. The order is: mixture, penalties, narrowing.

        For example, a token that a search decided gets 0, and every other token minus infinity. `raw` [V] has
        the logits, and `words` is the mask (None: all tokens). `apply_penalties` is None if the row has no
        penalties. Cost: about 20 us, and 10 ns for each allowed token.
        """
        ids = allowed_ids(words, len(raw))
        if self.decision is not None:
            return self._decided_scores(self.decision, raw, ids, apply_penalties)
        # A forced token is not a choice: strategies neither change it nor learn from it.
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
            narrowed_scores = self.narrowing.kept(ids, allowed_scores, sampling.temperature, len(raw))
            if narrowed_scores is not None:
                scores = _spread_scores(narrowed_scores, ids, len(raw))
        return scores

    def _decided_scores(
        self,
        numbered_decision: tuple[int, Decision],
        raw: Float32Array,
        ids: Ids,
        apply_penalties: PenaltyFunction | None,
    ) -> Scores | None:
        """Return the scores for a decision of a search: the decision's own scores, or scores that allow only
        its next token. If that token is not allowed, for example by the budget, return the row's plain
        scores."""
        count_before, decision = numbered_decision
        drawn_from = decision.scores
        if decision.tokens:
            token = decision.tokens[self.count - count_before]
            # The mask may forbid the decided token, if the text could not be completed in time after it.
            is_allowed = token in ids
            drawn_from = _spread_scores(np.zeros(1), np.array([token]), len(raw)) if is_allowed else None
        if drawn_from is None and apply_penalties is not None:
            return apply_penalties(raw)
        return drawn_from

    def note_token(self, token: int) -> tuple[float, ...]:
        """Return the numbers for `Step.state` of a chosen token."""
        if self.decision is not None:
            count_before, decision = self.decision
            return decision.state if self.count == count_before else ()
        return self.narrowing.noted(token) if self.narrowing is not None and self.was_free else ()

    def follow_token(self, token: int, state: tuple[float, ...], matcher: Matcher | None) -> None:
        """Note a token of the text, after the matcher has taken it. A token that differs from the search's
        decision ends that decision."""
        if self.decision is not None:
            count_before, decision = self.decision
            index = self.count - count_before
            # In a restart the decision is set before the tokens that precede it: then the index is below 0.
            if 0 <= index < len(decision.tokens) and decision.tokens[index] != token:
                self.decision = None
        self.count += 1
        search = self.strategies.search
        # a search that decides once ends after its decision: the rest of the text is written without it
        if search is not None and search.is_once and self.is_due:
            self.decision = None
        if self.narrowing is not None:
            self.narrowing.follow(token, state, matcher)


def allowed_ids(words: Int32Array | None, size: int) -> Ids:
    """Return the tokens below `size` that a mask allows, in ascending order. The mask None allows all."""
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
