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
from typing import Any, ClassVar

import numpy as np

from methods.model_arithmetic import bounded, without_unlikely
from structgen.strategies import Mixture


@dataclass(frozen=True, slots=True)
class Contrast(Mixture):
    """Less of what a prompt without examples would have too, where the model is unsure."""

    name: ClassVar[str] = "contrast"
    other: ClassVar[str] = "weak_prompt"
    weak_prompt: str | Sequence[int]
    """The prompt without its examples. It is read as the prompt is."""
    weight: float = 0.5
    """How much of the difference is added; 0 changes nothing. Not from the paper."""
    gate: float = 0.8
    """Contrast where the sum of the squared probabilities of allowed tokens is below it; 0: never."""
    floor: float = 0.1
    """The least probability of a token that stays, as a share of the likeliest one's."""

    @property
    def is_neutral(self) -> bool:
        """Whether nothing is ever added."""
        return self.weight == 0 or self.gate == 0

    def mixed(self, own: Any, other: Any) -> Any:
        """Return the contrasted scores; None where the model is sure."""
        shares = np.exp(own - np.logaddexp.reduce(own))
        if float((shares**2).sum()) >= self.gate:
            return None
        better = bounded(own)
        return without_unlikely(better + self.weight * (better - bounded(other)), own, self.floor)
