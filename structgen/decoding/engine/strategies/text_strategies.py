"""The strategies of one text while it is written: the engine asks them for the scores of each choice."""

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
    """What the model has read behind another prompt, and the logits after that."""

    prompt: Sequence[int]
    cache: Any = None
    read_count: int = 0
    """How many tokens of the text it has read."""
    logits: Tensor = field(default_factory=lambda: torch.empty(0))
    """The logits [V] after the tokens that it has read."""


@dataclass(slots=True, eq=False)
class RequestStrategies:
    """What the texts of one request share."""

    prompt: Sequence[int]
    mixture: Mixture | None = None
    other_prompt: Sequence[int] = ()
    """The tokens of the mixture's other prompt."""
    narrowing: Narrowing | None = None
    search: SearchStrategy | None = None
    search_resources: Any = None
    """What the search holds."""
    edits: tuple[Any, ...] = ()
    """The `Edit`s of `engine.text`, which knows this module: hence Any."""

    def begun(self) -> RowLaw:
        """Return the law of a text, anew for each restart."""
        state = None if self.narrowing is None else self.narrowing.begin(self.prompt)
        return RowLaw(self, state, None if self.mixture is None else SecondRow(self.other_prompt))

    def summarise_states(self, states: Sequence[tuple[float, ...]]) -> str:
        """Return what a user should know of a text, from the states of its steps."""
        nonempty_states = [state for state in states if state]
        those = (self.narrowing, self.search)
        return "; ".join(
            filter(None, (strategy.told(nonempty_states) for strategy in those if strategy is not None))
        )


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
        if search is None or self.decision is None:
            return search is not None and not (search.is_once and self.count)
        count_before, decision = self.decision
        return self.count - count_before >= max(len(decision.tokens), 1)

    def adjust_scores(
        self,
        raw: npt.NDArray[np.float32],
        words: npt.NDArray[np.int32] | None,
        temperature: float,
        apply_penalties: PenaltyFunction | None,
    ) -> Scores | None:
        """Return the scores [V] that are drawn from under the same mask (None: all tokens), at the same
        temperature; None for the logits themselves. Order: mixture, penalties, narrowing."""
        ids = allowed_ids(words, len(raw))
        if self.decision is not None:
            count_before, decision = self.decision
            drawn_from = decision.scores
            if decision.tokens:
                token = decision.tokens[self.count - count_before]
                # another token is taken where the text could not be completed in time
                drawn_from = (
                    _spread_scores(np.zeros(1), np.array([token]), len(raw)) if token in ids else None
                )
            return apply_penalties(raw) if drawn_from is None and apply_penalties is not None else drawn_from
        self.was_free = len(ids) > 1
        scores: Scores | None = None
        if self.strategies.mixture is not None and self.second is not None and self.was_free:
            other_scores = self.second.logits.double().cpu().numpy()[ids]
            drawn_from = self.strategies.mixture.mixed(raw[ids].astype(np.float64), other_scores)
            scores = None if drawn_from is None else _spread_scores(drawn_from, ids, len(raw))
        if apply_penalties is not None:
            scores = apply_penalties(raw if scores is None else scores)
        if self.narrowing is not None and self.was_free:
            allowed_scores = (raw if scores is None else scores)[ids].astype(np.float64)
            kept_scores = self.narrowing.kept(ids, allowed_scores, temperature, len(raw))
            if kept_scores is not None:
                scores = _spread_scores(kept_scores, ids, len(raw))
        return scores

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
            at = self.count - count_before
            if 0 <= at < len(decision.tokens) and decision.tokens[at] != token:
                self.decision = None
        self.count += 1
        search = self.strategies.search
        if search is not None and search.is_once and self.is_due:
            self.decision = None
        if self.narrowing is not None:
            self.narrowing.follow(token, state, matcher)


def allowed_ids(words: npt.NDArray[np.int32] | None, size: int) -> Ids:
    """Return the tokens below `size` that a mask allows, ascending; None allows all."""
    if words is None:
        return np.arange(size)
    ids = tokens_of(words)
    return ids[: np.searchsorted(ids, size)]


def _spread_scores(scores: Scores, ids: Ids, size: int) -> Scores:
    spread = np.full(size, -np.inf)
    spread[ids] = scores
    return spread
