"""Guidance: the law that a prompt changes, changed more (Sanchez et al., "Stay on topic with Classifier-Free
Guidance", 2023).

A second row reads another prompt before the same text. Log-probabilities are (1 - scale) times those behind
the other prompt, plus scale times those behind the prompt.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Final

import numpy as np

from structgen.base.errors import fields_named
from structgen.base.language.checks import NumberCheck
from structgen.decoding.engine.strategies.strategy import GivenPrompt, Mixture, Scores, given_prompt

_DEEPEST: Final = 1e5
"""Nats. A token that a model never writes stays finite in differences."""


@fields_named('sg.strategies.Guidance(without="", scale=1.5)')
@dataclass(frozen=True, slots=True)
class Guidance(Mixture):
    """Strengthens the difference that the prompt makes beside the prompt `without`."""

    name: ClassVar[str] = "guidance"
    other: ClassVar[str] = "without"
    without: Annotated[GivenPrompt, given_prompt] = ""
    """The other prompt: the prompt without a part of it, or "" (for token ids: at least one). It is read as
    the prompt is, with outline and chat template."""
    scale: Annotated[float, NumberCheck(0.0, 100.0, "a number from 0 to 100")] = 1.5
    """1 is the prompt's own law, 0 the other's; the paper's best is 2."""

    @property
    def is_neutral(self) -> bool:
        """Whether the law is that of the prompt alone: the other prompt then changes nothing."""
        return self.scale == 1.0

    def mixed(self, own: Scores, other: Scores) -> Scores | None:
        """Return (1 - scale) other + scale own."""
        # Logits do: normalising would add one number to all of them. Both are bounded first, because minus
        # infinity less minus infinity is no number.
        own_part = self.scale * _bound_scores(own)
        other_part = (1.0 - self.scale) * _bound_scores(other)
        return other_part + own_part


def _bound_scores(scores: Scores) -> Scores:
    """Return scores that are finite: none is more than 100,000 nats below the greatest."""
    return np.asarray(np.maximum(scores, scores.max() - _DEEPEST))
