"""Left to right: the first masked slot as an autoregressive model would fill it, then the most confident of
the next.

A slot's constrained probability is conditioned on the rest being valid, if the rest is drawn slot by slot.
While most of the canvas is masked, this depends more on the rest than on the slot. So the first slot is
filled by the model's own probabilities among the tokens that leave a valid filling, as in constrained
autoregressive decoding. A sliding window replaces LLaDA's blocks (Nie et al., 2025), which do not fit a
document's fields.

The law of a draw with one token a step: each slot by its own probabilities among the tokens that leave a
valid filling, given the slots before it. If the logits do not depend on the canvas, this is the joint law
given validity where the tokens that may stand in a slot do not depend on the other slots; else it is the law
of masking. With more tokens a step it is neither: the others are chosen by the drawn tokens' confidence.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from structgen.infilling.schedulers.scheduler import Bools, SchedulerView
from structgen.language import checks


@dataclass(frozen=True, slots=True)
class LeftToRight:
    """The first masked slot; given its token, the most confident `tokens_per_step` - 1 of the `window` - 1
    slots after it. Default window: twice `tokens_per_step`, less one. A canvas of L masked slots takes at
    most ceil(L / tokens_per_step) steps."""

    tokens_per_step: int = 1
    window: int | None = None

    def __post_init__(self) -> None:
        checks.whole("tokens_per_step", self.tokens_per_step, 1)
        if self.window is not None:
            checks.whole("window", self.window, self.tokens_per_step)

    @property
    def leads_alone(self) -> bool:
        """Whether a step fills only the first masked slot."""
        return self.tokens_per_step == 1

    def choose(self, view: SchedulerView) -> Bools:
        """Return the surest slots of the window."""
        window = (self.window or 2 * self.tokens_per_step - 1) - view.led
        chosen = np.zeros(len(view.confidence), np.bool_)
        first = view.part(np.arange(len(chosen)) < window)
        chosen[:window] = first.most(first.confidence, self.tokens_per_step - view.led)
        return chosen
