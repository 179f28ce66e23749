"""LocalLeap: around slots that are sure, slots that are less sure are committed too.

Kong et al., Accelerating Diffusion LLM Inference via Local Determinism Propagation (LocalLeap), 2025. Slots
with a confidence of at least `anchor` are anchors; they are committed, and with them each slot at most
`radius` positions from an anchor with a confidence of at least `relaxed`. Without an anchor the surest slot
is committed.

What differs here: a confidence is constrained, the probability of the proposed token given that the whole
canvas is valid; and an empty slot at the end of a hole is a slot like others. With radius 0, or with
`relaxed` = `anchor`, it is `Threshold(anchor)`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from methods.whole_filling import Bools, SchedulerView, WholeFilling


@dataclass(frozen=True)
class LocalLeap(WholeFilling):
    """The scheduler, with the constants of the paper."""

    anchor: float = 0.9
    relaxed: float = 0.75
    radius: int = 4

    def choose(self, view: SchedulerView) -> Bools:
        """Return the anchors, and the slots near one that are sure enough."""
        is_anchor = view.confidence >= self.anchor
        distance = np.abs(view.positions[:, None] - view.positions[None, is_anchor])
        is_near = (distance <= self.radius).any(axis=1)
        chosen: Bools = is_anchor | (is_near & (view.confidence >= self.relaxed))
        return chosen
