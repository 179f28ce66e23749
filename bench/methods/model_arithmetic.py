"""Laws of a large model and small ones, put together: contrastive decoding and proxy tuning (Li et al.,
"Contrastive Decoding", 2023; Liu et al., "Tuning Language Models by Proxy", 2024; both in one frame: Zhang et
al., "Fast and Slow Generating", 2024).

Each is a search that decides one token: it reads the small models after the text, and returns the scores from
which the engine chooses. The small models read the same tokens as the model, so they need its tokenizer.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import numpy as np

import structgen as sg
from structgen.strategies import Branch, Decision, ModelRows, SearchStrategy, TextPlace

_LEAST: Final = 1e5
"""Nats. A token that a model never writes stays finite in differences."""


class SmallModels:
    """Small models beside the texts of a request; each reads a token once."""

    def __init__(self, engines: Sequence[sg.Engine]) -> None:
        self._engines = engines
        self._rows: dict[tuple[int, ...], list[ModelRows]] = {}
        """By prompt, as thoughts behind it may differ."""

    def scores(self, place: TextPlace) -> list[Any]:
        """Return the logits [V] of each model after a text. Cost: the prompt once, then a pass a token."""
        prompt, tokens, found = tuple(place.prompt), tuple(place.tokens), []
        if prompt not in self._rows:
            self._rows[prompt] = [ModelRows(engine.model, prompt, "") for engine in self._engines]
            place.passes += len(self._engines)  # which the rows leave out
            place.rows += len(self._engines) if tokens else 0
        for rows in self._rows[prompt]:
            passes, count = rows.passes, rows.count + rows.reread
            found += rows.read([tokens])
            place.passes += rows.passes - passes
            place.rows += rows.count + rows.reread - count
        return found


class Arithmetic(SearchStrategy):
    """A strategy that adds and subtracts laws."""

    __slots__ = ()

    @property
    @abstractmethod
    def engines(self) -> tuple[sg.Engine, ...]:
        """The small models; none for a neutral setting."""

    @abstractmethod
    def mixed(self, own: Any, others: Sequence[Any]) -> Any:
        """Return the scores of the allowed tokens, from those of the model and of the small ones."""

    def begin(self, model: Any, tokenizer: sg.Tokenizer) -> SmallModels:
        """Return what reads the small models. Raises OptionError for one with another tokenizer."""
        for engine in self.engines:
            if engine.tokenizer != tokenizer:
                raise sg.errors.OptionError(
                    f"{engine.tokenizer!r} is another tokenizer than the model's.",
                    where=self.name,
                    cure="Give an engine with the tokenizer of the model.",
                )
        return SmallModels(self.engines)

    def plan(self, place: TextPlace, held: SmallModels) -> Generator[Sequence[Branch], list[Any], Decision]:
        """Return the scores of the next token. Cost: a pass of each small model."""
        if not self.engines:
            return Decision()
        branch, own = place.root(), place.logits
        others = held.scores(place)
        yield []  # other texts go on
        ids = branch.allowed
        scores = np.full(len(own), -np.inf)
        scores[ids] = self.mixed(own[ids], [other[ids] for other in others])
        return Decision(scores=branch.scores(scores))


@dataclass(frozen=True, slots=True)
class ContrastiveDecoding(Arithmetic):
    """Less of what a small model would write too: log p - weight log p_small, for the tokens with at least
    `floor` of the likeliest one's probability."""

    name: ClassVar[str] = "contrastive"
    small: sg.Engine
    weight: float = 0.5
    floor: float = 0.1

    @property
    def engines(self) -> tuple[sg.Engine, ...]:
        """The small model."""
        return () if self.weight == 0 else (self.small,)

    def mixed(self, own: Any, others: Sequence[Any]) -> Any:
        """Return own - weight others."""
        return without_unlikely(bounded(own) - self.weight * bounded(others[0]), own, self.floor)


@dataclass(frozen=True, slots=True)
class ProxyTuning(Arithmetic):
    """What tuning changed in a small model, added to the law of the model."""

    name: ClassVar[str] = "proxy"
    tuned: sg.Engine
    """The small model that was tuned."""
    untuned: sg.Engine
    """The same one before it was tuned."""
    weight: float = 1.0
    """How much of the difference is added; 0 changes nothing."""

    @property
    def engines(self) -> tuple[sg.Engine, ...]:
        """The two small models."""
        return () if self.weight == 0 else (self.tuned, self.untuned)

    def mixed(self, own: Any, others: Sequence[Any]) -> Any:
        """Return own + weight (tuned - untuned)."""
        return bounded(own) + self.weight * (bounded(others[0]) - bounded(others[1]))


def bounded(scores: Any) -> Any:
    """Return scores that are finite: none is more than 100,000 nats below the greatest."""
    return np.maximum(scores, scores.max() - _LEAST)


def without_unlikely(scores: Any, own: Any, floor: float) -> Any:
    """Return scores, minus infinity for tokens with less than a share of the likeliest one's probability in
    `own`."""
    with np.errstate(divide="ignore"):
        return np.where(own >= own.max() + np.log(floor), scores, -np.inf)
