"""Prophet: all slots at once, as soon as the answer is certain.

Li et al., Diffusion Language Models Know the Answer Before Decoding (Prophet), 2025. Their gap is between the
two likeliest tokens of each slot. What differs here: it is between the two most probable valid fillings of
the whole canvas. The thresholds fall with the share of filled slots, as in the authors' release.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from methods.low_confidence import LowConfidence
from methods.whole_filling import Bools, SchedulerView, WholeFilling


@dataclass(frozen=True)
class Prophet(WholeFilling):
    """All slots once the gap reaches the threshold of the present third; before that, another scheduler's
    choice."""

    inner: WholeFilling = field(default_factory=LowConfidence)
    gaps: tuple[float, float, float] = (7.5, 5.0, 2.5)
    """In nats, for the first, the second and the last third of the slots."""

    def choose(self, view: SchedulerView) -> Bools:
        """Return all slots, or what the other scheduler chooses."""
        filled = 1.0 - len(view.positions) / max(view.slots, 1)
        if view.gap >= self.gaps[min(int(3 * filled), 2)]:
            return np.ones(len(view.positions), np.bool_)
        return self.inner.choose(view)
