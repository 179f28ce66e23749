"""First hitting: one slot in a step, uniformly at random; for a temperature above 0.

Zheng et al., Masked Diffusion Models are Secretly Time-Agnostic Masked Models and Exploit Inaccurate
Categorical Sampling, 2024. In a masked diffusion the masked slots are hit one by one in uniformly random
order, so the sampler needs no time steps. Draws are made in float64: the paper shows that Gumbel noise in
float32 is cut off, which lowers the temperature unseen.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from methods.whole_filling import Bools, SchedulerView, WholeFilling


@dataclass(frozen=True)
class FirstHitting(WholeFilling):
    """The scheduler."""

    def choose(self, view: SchedulerView) -> Bools:
        """Return the slot that is hit first."""
        chosen = np.zeros(len(view.positions), np.bool_)
        chosen[int(view.chance.integers(len(chosen)))] = True
        return chosen
