"""Low-confidence remasking: a fixed number of the most confident slots in each step.

Nie et al., Large Language Diffusion Models (LLaDA), 2025; Chang et al., MaskGIT, 2022. Slots that are not
committed stay masked; this is called "remasking".

The law of a draw is not the joint law, even on independent slots: likely tokens are kept and unlikely ones
drawn again (see the package). At temperature 0 nothing is drawn.
"""

from __future__ import annotations

from dataclasses import dataclass

from structgen.infilling.schedulers.scheduler import Bools, SchedulerView
from structgen.language import checks


@dataclass(frozen=True, slots=True)
class LowConfidence:
    """The static schedule: a canvas of L masked slots takes ceil(L / tokens_per_step) steps at most."""

    tokens_per_step: int = 1

    def __post_init__(self) -> None:
        checks.whole("tokens_per_step", self.tokens_per_step, 1)

    def choose(self, view: SchedulerView) -> Bools:
        """Return the surest slots."""
        return view.most(view.confidence, self.tokens_per_step)
