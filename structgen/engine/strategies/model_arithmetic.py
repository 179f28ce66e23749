"""Laws of a large model and small ones, put together: contrastive decoding and proxy tuning (Li et al.,
"Contrastive Decoding", 2023; Liu et al., "Tuning Language Models by Proxy", 2024; both in one frame: Zhang et
al., "Fast and Slow Generating", 2024).

The small models read the same tokens as the model, so they need its tokenizer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

from structgen.engine.strategies.strategy import (
    GivenModel,
    Mixture,
    Scores,
    Second,
    bounded,
    given_model,
    without_unlikely,
)
from structgen.errors import fields_named
from structgen.language.checks import Number


@fields_named('sg.strategies.ContrastiveDecoding(small="structgen/extract-draft")')
@dataclass(frozen=True, slots=True)
class ContrastiveDecoding(Mixture):
    """Less of what a small model would write too: log p - weight log p_small, for the tokens with at least
    `floor` of the likeliest one's probability."""

    name: ClassVar[str] = "contrastive"
    small: Annotated[GivenModel | None, given_model] = None
    """The small model; must be given: a name or a folder, or a pair of a model object and its tokenizer."""
    weight: Annotated[float, Number(0.0, 100.0, "a number from 0 to 100")] = 0.5
    floor: Annotated[float, Number(0.0, 1.0, "a number from 0 to 1")] = 0.1

    @property
    def seconds(self) -> tuple[Second, ...]:
        """The row of the small model."""
        return () if self.weight == 0 else (Second("small", model=self.small),)

    def mixed(self, own: Scores, others: Sequence[Scores]) -> Scores | None:
        """Return own - weight others."""
        return without_unlikely(bounded(own) - self.weight * bounded(others[0]), own, self.floor)


@fields_named('sg.strategies.ProxyTuning(tuned="tuned", untuned="untuned")')
@dataclass(frozen=True, slots=True)
class ProxyTuning(Mixture):
    """What tuning changed in a small model, added to the law of the model."""

    name: ClassVar[str] = "proxy"
    tuned: Annotated[GivenModel | None, given_model] = None
    """The small model that was tuned; must be given, as `ContrastiveDecoding.small`."""
    untuned: Annotated[GivenModel | None, given_model] = None
    """The same one before it was tuned; must be given."""
    weight: Annotated[float, Number(0.0, 100.0, "a number from 0 to 100")] = 1.0
    """How much of the difference is added; 0 changes nothing."""

    @property
    def seconds(self) -> tuple[Second, ...]:
        """The rows of the two small models."""
        if self.weight == 0:
            return ()
        return Second("tuned", model=self.tuned), Second("untuned", model=self.untuned)

    def mixed(self, own: Scores, others: Sequence[Scores]) -> Scores | None:
        """Return own + weight (tuned - untuned)."""
        return bounded(own) + self.weight * (bounded(others[0]) - bounded(others[1]))
