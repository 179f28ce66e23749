"""Blocks: semi-autoregressive filling, block by block from the left.

Nie et al., Large Language Diffusion Models (LLaDA), 2025; Arriola et al., Block Diffusion, 2025.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from methods.low_confidence import LowConfidence
from methods.whole_filling import Bools, SchedulerView, WholeFilling

USUAL = 32
"""The slots of a block of a model that says none."""


@dataclass(frozen=True)
class Blocks(WholeFilling):
    """Another scheduler in the first block with a masked slot. Blocks have `length` slots, counted from the
    canvas's first slot; None: the model's own block length, or 32."""

    inner: WholeFilling = field(default_factory=LowConfidence)
    length: int | None = None

    def choose(self, view: SchedulerView) -> Bools:
        """Return what the other scheduler chooses in the block."""
        blocks = view.positions // (self.length or view.block_length or USUAL)
        here = blocks == blocks.min()
        chosen = np.zeros(len(here), np.bool_)
        chosen[here] = self.inner.choose(view.part(here))
        return chosen
