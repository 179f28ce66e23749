"""Confidence threshold: all slots whose proposed token is sure enough.

Wu et al., Fast-dLLM, 2025.

The law of a draw is not the joint law, even on independent slots: likely tokens are kept and unlikely ones
drawn again (see the package). At temperature 0 nothing is drawn.
"""

from __future__ import annotations

from dataclasses import dataclass

from structgen.infilling.schedulers.scheduler import Bools, SchedulerView
from structgen.language import checks


@dataclass(frozen=True, slots=True)
class Threshold:
    """Slots with a constrained probability of at least `least`."""

    least: float = 0.9

    def __post_init__(self) -> None:
        checks.number("least", self.least, 0.0, 1.0, "a number from 0 to 1")

    def choose(self, view: SchedulerView) -> Bools:
        """Return the slots that are sure enough."""
        found: Bools = view.confidence >= self.least
        return found
