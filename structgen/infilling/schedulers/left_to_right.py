"""Left to right: the first masked slot as an autoregressive model would fill it, and the surest of the next.

The constrained probability of a slot's token is conditioned on the rest being valid, where the rest is drawn
slot by slot: as long as most of the canvas is masked, that says more about the rest than about the slot. So
the first slot is filled by the model's own probabilities among the tokens that leave a valid filling, as
constrained autoregressive decoding does. A sliding window takes the place of LLaDA's blocks (Nie et al.,
2025), which a document's fields do not fit.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from structgen.engine import checks
from structgen.infilling.schedulers.scheduler import Bools, SchedulerView


@dataclass(frozen=True, slots=True)
class LeftToRight:
    """The first masked slot, and given its token the surest `tokens_per_step` - 1 of the `window` - 1 slots
    after it. By default the window is twice `tokens_per_step` less one. A canvas of L masked slots takes at
    most ceil(L / tokens_per_step) steps."""

    tokens_per_step: int = 1
    window: int | None = None

    def __post_init__(self) -> None:
        checks.whole("tokens_per_step", self.tokens_per_step, 1)
        if self.window is not None:
            checks.whole("window", self.window, self.tokens_per_step)

    @property
    def leads_alone(self) -> bool:
        """Whether the first masked slot is all of a step."""
        return self.tokens_per_step == 1

    def choose(self, view: SchedulerView) -> Bools:
        """Return the surest slots of the window."""
        window = (self.window or 2 * self.tokens_per_step - 1) - view.led
        chosen = np.zeros(len(view.confidence), np.bool_)
        first = view.part(np.arange(len(chosen)) < window)
        chosen[:window] = first.most(first.confidence, self.tokens_per_step - view.led)
        return chosen
