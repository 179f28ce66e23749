"""Entropy bound: the slots with the least entropy, as long as their possible dependence is bounded.

Ben-Hamu et al., Accelerated Sampling from Masked Diffusion Models via Entropy Bounded Unmasking, 2025. The
error of drawing slots independently is at most the sum of their entropies without the greatest one.

The law of a draw: the joint law given validity, exactly, if the logits do not depend on the canvas. The
choice does not depend on the drawn tokens.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from structgen.infilling.schedulers.scheduler import Bools, SchedulerView
from structgen.language import checks


@dataclass(frozen=True, slots=True)
class EntropyBound:
    """The most slots, least entropy first, whose entropies without the greatest sum to at most `bound`."""

    bound: float = 0.1
    """In nats."""

    def __post_init__(self) -> None:
        checks.number("bound", self.bound, 0.0, 1e9, "a number of nats, at least 0")

    def choose(self, view: SchedulerView) -> Bools:
        """Return the slots within the bound; one at least."""
        ordered = np.sort(view.entropy)
        within = np.cumsum(ordered) - ordered <= self.bound
        return view.most(-view.entropy, int(np.argmin(within)) if not within.all() else len(within))
