"""`SchedulerView`: a step as a scheduler sees it; `Scheduler`: what a scheduler must have."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class SchedulerView:
    """A step as a scheduler sees it. Arrays have one element for each masked slot, from left to right."""

    step: int
    """Steps before this one."""
    slots: int
    """Slots that were masked when the canvas was new."""
    positions: npt.NDArray[np.int64]
    """Where the slots are in the canvas, the prompt not counted."""
    confidence: Floats
    """The probability of the proposed token at its slot, given that the whole canvas is valid."""
    is_null: Bools
    """Where the proposal leaves the slot empty."""
    read_entropy: Callable[[], Floats]
    read_gap: Callable[[], float]
    chance: np.random.Generator
    """Random numbers of this step, by the request's seed."""
    block_length: int | None = None
    """Slots of a block, for a model that was trained with blocks."""
    led: bool = False
    """Whether this step has filled a slot before the ones here; see `Scheduler`."""

    @cached_property
    def entropy(self) -> Floats:
        """The entropy of each slot's distribution given validity, in nats."""
        return self.read_entropy()

    @cached_property
    def gap(self) -> float:
        """How much the most probable valid filling is ahead of the second, in nats; infinite where there is
        one filling."""
        return self.read_gap()

    def part(self, chosen: Bools) -> SchedulerView:
        """Return the view of some of the slots."""
        return replace(
            self,
            positions=self.positions[chosen],
            confidence=self.confidence[chosen],
            is_null=self.is_null[chosen],
            read_entropy=lambda: self.entropy[chosen],
            read_gap=lambda: self.gap,
        )

    def most(self, values: Floats, count: int) -> Bools:
        """Return the slots with the `count` greatest values, the left ones first among equals."""
        chosen = np.zeros(len(values), np.bool_)
        chosen[np.argsort(-values, kind="stable")[:count]] = True
        return chosen


@runtime_checkable
class Scheduler(Protocol):
    """What chooses the slots of a step. It keeps nothing between steps: all it knows is in the view.

    A scheduler may have an attribute `leads_alone`. Then a step begins with the first masked slot, which is
    filled by the model's probabilities for this slot alone, among the tokens that leave a valid filling: the
    likeliest one, or with a temperature a draw. Where `leads_alone` is true that is the whole step; else the
    rest is proposed given that token.
    """

    def choose(self, view: SchedulerView) -> Bools:
        """Return for each masked slot whether it is committed."""
        ...
