"""Confident prefix, the default: from left to right, as many slots in a step as the model is sure of.

The first masked slot is filled as an autoregressive model would fill it: by the model's own probabilities
among the tokens that leave a valid filling. Then comes the next slot in the same way, by the logits of the
same pass, as long as its likeliest token has a probability of `sure` or more. The threshold on confidence is
that of Wu et al., Fast-dLLM, 2025; the order is that of constrained autoregressive decoding (see
`left_to_right`).

The law of a draw. Whether a step goes on depends on the tokens before the slot, never on a draw that may
still be taken back. So on logits that do not depend on the canvas the law is that of `LeftToRight()`, exactly
(see there). With a model, a slot behind the first of its step does not know the tokens that the same step
drew before it; at a temperature of 1 or below each of them differs from the likeliest one with a probability
of at most 1 - `sure`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from structgen.infilling.schedulers.scheduler import Bools, SchedulerView
from structgen.language import checks


@dataclass(frozen=True, slots=True)
class ConfidentPrefix:
    """The first masked slot, and those after it up to the first of which the model is less than `sure`. For a
    model that was trained with blocks a step ends with its block: later blocks were trained behind filled
    ones."""

    sure: float = 0.95
    """At 0.95 as many fields are right as at one token a step (docs/infilling.md); at 0.9 one in 138 less."""

    def __post_init__(self) -> None:
        checks.number("sure", self.sure, 0.0, 1.0, "a probability")

    @property
    def leads_alone(self) -> bool:
        """Whether a step fills only slots by their own probabilities: it does."""
        return True

    def choose(self, view: SchedulerView) -> Bools:
        """Return no slot: the denoising loop fills them, from left to right."""
        return np.zeros(len(view.positions), np.bool_)
