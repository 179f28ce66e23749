"""Low-confidence remasking: the surest slots of the whole canvas.

Nie et al., Large Language Diffusion Models (LLaDA), 2025; Chang et al., MaskGIT, 2022. What differs here: a
confidence is constrained, the probability of the proposed token given that the whole canvas is valid.
"""

from __future__ import annotations

from dataclasses import dataclass

from methods.whole_filling import Bools, SchedulerView, WholeFilling


@dataclass(frozen=True)
class LowConfidence(WholeFilling):
    """The `tokens_per_step` most confident slots: a canvas of L masked slots takes at most
    ceil(L / tokens_per_step) steps."""

    tokens_per_step: int = 1

    def choose(self, view: SchedulerView) -> Bools:
        """Return the surest slots."""
        return view.most(view.confidence, self.tokens_per_step)
