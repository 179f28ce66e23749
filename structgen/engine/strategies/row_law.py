"""The strategies of one text while it is written: the engine asks them for the scores of each choice."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from structgen.core.matcher import Matcher
from structgen.engine.strategies.second_rows import SecondRow
from structgen.engine.strategies.strategy import Ids, Mixture, Narrowing, NarrowingState, Scores, Strategy
from structgen.tokens.token_mask import tokens_of

Penalised: TypeAlias = Callable[[npt.NDArray[Any]], Scores]
"""Applies a row's penalties to logits."""


@dataclass(slots=True)
class RowLaw:
    """The law of one text. It holds what follows from its tokens, and is made anew for a restart."""

    mixture: Mixture | None
    seconds: list[SecondRow]
    """The further rows of the mixture."""
    narrowing: NarrowingState | None
    was_free: bool = False
    """Whether the last choice was among two or more tokens."""

    def adjusted(
        self,
        raw: npt.NDArray[np.float32],
        words: npt.NDArray[np.int32] | None,
        temperature: float,
        penalised: Penalised | None,
    ) -> Scores | None:
        """Return the scores [V] that are drawn from under the same mask (None: all tokens), at the same
        temperature; None for the logits themselves. Order: mixture, penalties, narrowing."""
        ids = np.arange(len(raw)) if words is None else tokens_of(words)
        ids = ids[: np.searchsorted(ids, len(raw))]  # words may have room for more tokens
        self.was_free = len(ids) > 1
        scores: Scores | None = None
        if self.mixture is not None and self.seconds and self.was_free:
            others = [_like(row.logits, raw, ids) for row in self.seconds]
            found = self.mixture.mixed(raw[ids].astype(np.float64), others)
            scores = None if found is None else _spread(found, ids, len(raw))
        if penalised is not None:
            scores = penalised(raw if scores is None else scores)
        if self.narrowing is not None and self.was_free:
            own = (raw if scores is None else scores)[ids].astype(np.float64)
            kept = self.narrowing.kept(ids, own, temperature, len(raw))
            if kept is not None:
                scores = _spread(kept, ids, len(raw))
        return scores

    def noted(self, token: int) -> tuple[float, ...]:
        """Return the numbers that go into `Step.state` for a chosen token."""
        return self.narrowing.noted(token) if self.narrowing is not None and self.was_free else ()

    def follow(self, token: int, state: tuple[float, ...], matcher: Matcher | None) -> None:
        """Take a decided token, which the matcher has taken."""
        if self.narrowing is not None:
            self.narrowing.follow(token, state, matcher)


def told(strategies: Sequence[Strategy], states: Sequence[tuple[float, ...]]) -> str:
    """Return what a user should know of a text, from the states of its steps."""
    noted = [state for state in states if state]
    return "; ".join(filter(None, (one.told(noted) for one in strategies if isinstance(one, Narrowing))))


def _like(logits: Any, raw: npt.NDArray[np.float32], ids: Ids) -> Scores:
    """Return the logits of a further row for some tokens. A token that its model does not have counts as the
    row's own model has it."""
    other: npt.NDArray[np.float32] = logits.float().cpu().numpy()
    found = raw[ids].astype(np.float64)
    is_there = ids < len(other)
    found[is_there] = other[ids[is_there]]
    return found


def _spread(scores: Scores, ids: Ids, size: int) -> Scores:
    found = np.full(size, -np.inf)
    found[ids] = scores
    return found
