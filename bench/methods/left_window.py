"""From left to right, several slots in a step: the first one, and the surest of a window behind it.

A slot's constrained probability is conditioned on the rest being valid, if the rest is drawn slot by slot.
While most of the canvas is masked, this depends more on the rest than on the slot. So the first slot is
filled by the model's own probabilities among the tokens that leave a valid filling, as in constrained
autoregressive decoding. A sliding window replaces LLaDA's blocks (Nie et al., 2025), which do not fit a
document's fields.

Its law of draws is not the joint law: the slots behind the first are chosen by the drawn tokens' confidence.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from methods.whole_filling import Bools, SchedulerView, view_of, write
from structgen.decoding.infilling.schedulers import CanvasStep, ConfidentPrefix


@dataclass(frozen=True)
class LeftWindow:
    """The first masked slot; given its token, the most confident `tokens_per_step` - 1 of the `window` - 1
    slots after it. Default window: twice `tokens_per_step`, less one. A canvas of L masked slots takes at
    most ceil(L / tokens_per_step) steps; with one token a step this is `left-to-right`."""

    tokens_per_step: int = 1
    window: int | None = None

    def choose(self, view: SchedulerView) -> Bools:
        """Return the surest slots of the window behind the first slot."""
        window = (self.window or 2 * self.tokens_per_step - 1) - 1
        chosen = np.zeros(len(view.confidence), np.bool_)
        near = view.part(np.arange(len(chosen)) < window)
        chosen[:window] = near.most(near.confidence, self.tokens_per_step - 1)
        return chosen

    def fill(self, step: CanvasStep) -> None:
        """Fill the first slot, and then those that are chosen of the filling that is proposed behind it."""
        ConfidentPrefix(math.inf).fill(step)
        if self.tokens_per_step > 1 and step.masked():
            view = view_of(step)
            write(step, view, self.choose(view))
