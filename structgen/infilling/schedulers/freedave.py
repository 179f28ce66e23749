"""FreeDave: several steps of another scheduler for one pass of the model, with the same canvas at the end.

Wu and Zhang, Free Draft-and-Verification (FreeDave), 2025. The scheduler's next steps are guessed from known
logits: nested canvases, each with more slots filled. One pass of the model reads them together. Then the
steps are taken with the true logits; as long as a step ends in the guessed canvas, the logits of the next one
are known already. The result is that of the inner scheduler alone, for any scheduler, also with a
temperature: a step's random numbers depend on its number only.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from structgen.infilling.schedulers.low_confidence import LowConfidence
from structgen.infilling.schedulers.scheduler import Bools, Scheduler, SchedulerView
from structgen.language import checks


@dataclass(frozen=True, slots=True)
class FreeDave:
    """Another scheduler; `drafts` of its next canvases are read in the same pass."""

    inner: Scheduler = field(default_factory=LowConfidence)
    drafts: int = 4

    def __post_init__(self) -> None:
        checks.whole("drafts", self.drafts, 1, 64)

    def choose(self, view: SchedulerView) -> Bools:
        """Return what the other scheduler chooses; the denoising loop makes the drafts."""
        return self.inner.choose(view)
