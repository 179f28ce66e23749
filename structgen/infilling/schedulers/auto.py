"""The default: commit the confident slots, and all slots once the whole canvas is confident; block by block
for a model of blocks."""

from __future__ import annotations

from dataclasses import dataclass, field

from structgen.infilling.schedulers.block_order import Blocks
from structgen.infilling.schedulers.prophet import Prophet
from structgen.infilling.schedulers.scheduler import Bools, Scheduler, SchedulerView
from structgen.infilling.schedulers.threshold import Threshold


@dataclass(frozen=True, slots=True)
class Auto:
    """Prophet around the confidence threshold of 0.9. For a model that was trained with blocks, only inside
    the first unfilled block."""

    whole: Scheduler = field(default_factory=lambda: Prophet(Threshold()))
    blocks: Scheduler = field(default_factory=lambda: Blocks(Threshold()))

    def choose(self, view: SchedulerView) -> Bools:
        """Return what the scheduler for this kind of model chooses."""
        return (self.whole if view.block_length is None else self.blocks).choose(view)
