"""Left to right: the surest of the first masked slots, as an autoregressive model would go.

A sliding window in place of LLaDA's blocks (Nie et al., 2025), which a document's fields do not fit.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from structgen.engine import checks
from structgen.infilling.schedulers import Bools, SchedulerView


@dataclass(frozen=True, slots=True)
class LeftToRight:
    """The surest `tokens_per_step` of the first `window` masked slots. By default the window is twice as many
    less one, so that one token a step is the first one. A canvas of L masked slots takes at most
    ceil(L / tokens_per_step) steps."""

    tokens_per_step: int = 1
    window: int | None = None

    def __post_init__(self) -> None:
        checks.whole("tokens_per_step", self.tokens_per_step, 1)
        if self.window is not None:
            checks.whole("window", self.window, self.tokens_per_step)

    def choose(self, view: SchedulerView) -> Bools:
        """Return the surest slots of the window."""
        window = self.window or 2 * self.tokens_per_step - 1
        chosen = np.zeros(len(view.confidence), np.bool_)
        chosen[:window] = view.part(np.arange(len(chosen)) < window).most(
            view.confidence[:window], self.tokens_per_step
        )
        return chosen
