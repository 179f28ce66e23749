"""Fast-dLLM: all slots that are sure enough, by a threshold or by a factor.

Wu et al., Fast-dLLM: Training-free Acceleration of Diffusion LLM by Enabling KV Cache and Parallel Decoding,
2025. What differs here: a confidence is constrained, the probability of the proposed token given that the
whole canvas is valid. Their cache of keys and values belongs to the model, not to the scheduler.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from methods.whole_filling import Bools, SchedulerView, WholeFilling


@dataclass(frozen=True)
class Threshold(WholeFilling):
    """Slots with a confidence of at least `least`."""

    least: float = 0.9

    def choose(self, view: SchedulerView) -> Bools:
        """Return the slots that are sure enough."""
        found: Bools = view.confidence >= self.least
        return found


@dataclass(frozen=True)
class Factor(WholeFilling):
    """The most slots n with (n + 1) (1 - c_n) < `factor`, where c_n is the n-th greatest confidence. Then the
    product of the slots' laws and the joint law have the same mode."""

    factor: float = 1.0

    def choose(self, view: SchedulerView) -> Bools:
        """Return the slots that may be written together."""
        ordered = np.sort(view.confidence)[::-1]
        fits = np.flatnonzero((np.arange(len(ordered)) + 2) * (1.0 - ordered) < self.factor)
        return view.most(view.confidence, int(fits[-1]) + 1 if len(fits) else 1)
