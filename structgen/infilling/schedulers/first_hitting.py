"""First-hitting: one slot at a time, each as likely to be the next.

Zheng et al., Masked Diffusion Models are Secretly Time-Agnostic Masked Models, 2024. In a masked diffusion
the masked slots are hit one by one in uniformly random order, so that the sampler needs no time steps. Draws
are made in float64: their paper shows that Gumbel noise in float32 is cut off, which lowers the temperature
unseen. It is meant for a temperature above 0, with which the proposal is an exact draw given validity.

The law of a draw: the joint law given validity, exactly, if the logits do not depend on the canvas.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from structgen.infilling.schedulers.scheduler import Bools, SchedulerView


@dataclass(frozen=True, slots=True)
class FirstHitting:
    """One masked slot, uniformly at random."""

    def choose(self, view: SchedulerView) -> Bools:
        """Return the slot that is hit first."""
        chosen = np.zeros(len(view.positions), np.bool_)
        chosen[int(view.chance.integers(len(chosen)))] = True
        return chosen
