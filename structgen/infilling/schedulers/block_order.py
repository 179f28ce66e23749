"""Semi-autoregressive blocks: the canvas is filled block by block from the left, each by another scheduler.

Nie et al., Large Language Diffusion Models (LLaDA), 2025; Arriola et al., Block Diffusion, 2025.

The law of a draw is exact where that of the inner scheduler is (see the package).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from structgen.infilling.schedulers.low_confidence import LowConfidence
from structgen.infilling.schedulers.scheduler import Bools, Scheduler, SchedulerView
from structgen.language import checks

_USUAL = 32


@dataclass(frozen=True, slots=True)
class Blocks:
    """Blocks of `length` slots, counted from the canvas's first slot; None: the model's own block length, or
    32."""

    inner: Scheduler = field(default_factory=LowConfidence)
    length: int | None = None

    def __post_init__(self) -> None:
        if self.length is not None:
            checks.whole("length", self.length, 1)

    def choose(self, view: SchedulerView) -> Bools:
        """Return what the other scheduler chooses in the first block with a masked slot."""
        blocks = view.positions // (self.length or view.block_length or _USUAL)
        here = blocks == blocks.min()
        chosen = np.zeros(len(here), np.bool_)
        chosen[here] = self.inner.choose(view.part(here))
        return chosen
