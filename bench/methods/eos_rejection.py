"""EOSER: the end of the text is believed late; and steps that commit twice as many slots each time.

Yang et al., Taming Masked Diffusion Language Models via Consistency Trajectory Reinforcement Learning with
Fewer Decoding Step, 2025 (EOS early rejection, and an ascending step size). The confidence of the end token
is multiplied by g, which rises linearly from 0.4 at the first step to 1 at the last one; with ascending
steps, which commit 2^i slots in step i, from 0.01.

What differs here: the end of the text is each slot that the proposal leaves empty. Time is the share of slots
that are filled, so that any scheduler may choose by the new confidences. The last ascending step commits the
rest, so that L masked slots take at most max(1, ceil(log2 L)) steps. g = 1 is the other scheduler.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import numpy as np

from methods.low_confidence import LowConfidence
from methods.whole_filling import Bools, SchedulerView, WholeFilling


@dataclass(frozen=True)
class EosRejection(WholeFilling):
    """What another scheduler chooses if empty slots are less sure: their confidences times g, from `least`
    before the first slot is filled to 1 when all are."""

    inner: WholeFilling = field(default_factory=LowConfidence)
    least: float = 0.4

    def choose(self, view: SchedulerView) -> Bools:
        """Return the other scheduler's choice."""
        filled = 1.0 - len(view.positions) / max(view.slots, 1)
        g = self.least + (1.0 - self.least) * filled
        return self.inner.choose(replace(view, confidence=view.confidence * np.where(view.is_null, g, 1.0)))


@dataclass(frozen=True)
class AscendingSteps(WholeFilling):
    """The 2^i surest slots in step i; all in the last step."""

    def choose(self, view: SchedulerView) -> Bools:
        """Return the surest slots."""
        steps = max(1, math.ceil(math.log2(max(view.slots, 1))))
        return view.most(view.confidence, len(view.positions) if view.step >= steps - 1 else 1 << view.step)
