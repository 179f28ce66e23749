"""The entropy bound: as many slots as may be drawn independently within an error.

Ben-Hamu et al., Accelerated Sampling from Masked Diffusion Models via Entropy Bounded Unmasking, 2025. What
differs here: a slot's entropy is that of its law given that the whole canvas is valid.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from methods.whole_filling import Bools, SchedulerView, WholeFilling


@dataclass(frozen=True)
class EntropyBound(WholeFilling):
    """The most slots, least entropy first, whose entropies without the greatest sum to at most `bound` nats:
    this sum bounds the error of drawing the slots independently."""

    bound: float = 0.1

    def choose(self, view: SchedulerView) -> Bools:
        """Return the slots within the bound; one at least."""
        ordered = np.sort(view.entropy)
        within = np.cumsum(ordered) - ordered <= self.bound
        return view.most(-view.entropy, int(np.argmin(within)) if not within.all() else len(within))
