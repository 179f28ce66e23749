"""Confidence factor: as many of the most confident slots as their confidence allows.

Wu et al., Fast-dLLM, 2025: with the n surest slots committed together, (n + 1) (1 - c) < f must hold for the
least confidence c among them, under which the product of marginals and the joint law have the same mode.

The law of a draw is not the joint law, even on independent slots: likely tokens are kept and unlikely ones
drawn again (see the package). At temperature 0 nothing is drawn.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from structgen.infilling.schedulers.scheduler import Bools, SchedulerView
from structgen.language import checks


@dataclass(frozen=True, slots=True)
class Factor:
    """The most slots n with (n + 1) (1 - c_n) < `factor`, where c_n is the n-th greatest confidence."""

    factor: float = 1.0

    def __post_init__(self) -> None:
        checks.number("factor", self.factor, 1e-9, 1e9, "a number above 0")

    def choose(self, view: SchedulerView) -> Bools:
        """Return the slots that may be committed together."""
        ordered = np.sort(view.confidence)[::-1]
        fits = np.flatnonzero((np.arange(len(ordered)) + 2) * (1.0 - ordered) < self.factor)
        return view.most(view.confidence, int(fits[-1]) + 1 if len(fits) else 1)
