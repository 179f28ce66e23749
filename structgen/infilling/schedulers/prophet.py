"""Prophet: commit all slots at once when the answer has settled.

Li et al., Diffusion Language Models Know the Answer Before Decoding (Prophet), 2025. Their gap is between the
two likeliest tokens of each slot. Here it is between the two most probable valid fillings of the whole
canvas. The thresholds fall with the share of filled slots, as in the authors' release.

The law of a draw is that of the inner scheduler up to the step that commits the rest, which is exact.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from structgen.infilling.schedulers.low_confidence import LowConfidence
from structgen.infilling.schedulers.scheduler import Bools, Scheduler, SchedulerView


@dataclass(frozen=True, slots=True)
class Prophet:
    """All slots once the gap reaches the threshold of the present third; before that, another scheduler's
    choice."""

    inner: Scheduler = field(default_factory=LowConfidence)
    gaps: tuple[float, float, float] = (7.5, 5.0, 2.5)
    """In nats, for the first, the second and the last third of the slots."""

    def choose(self, view: SchedulerView) -> Bools:
        """Return all slots, or what the other scheduler chooses."""
        filled = 1.0 - len(view.positions) / max(view.slots, 1)
        if view.gap >= self.gaps[min(int(3 * filled), 2)]:
            return np.ones(len(view.positions), np.bool_)
        return self.inner.choose(view)
