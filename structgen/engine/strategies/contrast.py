"""Contrast with a weak prompt, where the model is unsure (Wang et al., "USCD: Improving Code Generation of
LLMs by Uncertainty-Aware Selective Contrastive Decoding", 2024).

A second row reads the prompt without its examples. Where the law is uncertain, scores are
log p + weight (log p - log p_lame) for the tokens with at least `floor` of the likeliest one's probability,
and no other token stays. Elsewhere the law is the model's own.

The published gate is a standard deviation over the vocabulary below 0.005, a number that hangs on the size of
the vocabulary. For 32,000 tokens it says that the sum of p squared is below 0.80: a gate for any size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np

from structgen.engine.strategies.strategy import (
    GivenPrompt,
    Mixture,
    Scores,
    Second,
    bounded,
    given_prompt,
    log_softmax,
    without_unlikely,
)
from structgen.errors import OptionError, fields_named
from structgen.language.checks import Number, check_fields


@fields_named('sg.strategies.Contrast(weak_prompt="the prompt without its examples")')
@dataclass(frozen=True, slots=True)
class Contrast(Mixture):
    """Less of what a prompt without examples would have too, where the model is unsure."""

    name: ClassVar[str] = "contrast"
    weak_prompt: Annotated[GivenPrompt, given_prompt] | None = None
    """The prompt without its examples; must be given. It is read as the prompt is."""
    weight: Annotated[float, Number(0.0, 100.0, "a number from 0 to 100")] = 0.5
    """How much of the difference is added; 0 changes nothing. Not from the paper."""
    gate: Annotated[float, Number(0.0, 1.0, "a number from 0 to 1")] = 0.8
    """Contrast where the sum of the squared probabilities of allowed tokens is below it; 0: never."""
    floor: Annotated[float, Number(0.0, 1.0, "a number from 0 to 1")] = 0.1
    """The least probability of a token that stays, as a share of the likeliest one's."""

    def __post_init__(self) -> None:
        if self.weak_prompt is None:
            raise OptionError(
                "There is nothing to contrast with.",
                where="weak_prompt",
                cure='Give weak_prompt="the prompt without its examples".',
            )
        check_fields(self)

    @property
    def seconds(self) -> tuple[Second, ...]:
        """The row of the weak prompt."""
        return () if self.weight == 0 or self.gate == 0 else (Second("weak_prompt", self.weak_prompt),)

    def mixed(self, own: Scores, others: Sequence[Scores]) -> Scores | None:
        """Return the contrasted scores; None where the model is sure."""
        if float(np.exp(2 * log_softmax(own)).sum()) >= self.gate:
            return None
        better = bounded(own)
        return without_unlikely(better + self.weight * (better - bounded(others[0])), own, self.floor)
