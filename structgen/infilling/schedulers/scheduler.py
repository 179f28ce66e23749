"""`SchedulerView`: the input of a scheduler in a step; `Scheduler`: its interface."""

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
    """The input of a scheduler. Arrays have one element for each masked slot, from left to right."""

    step: int
    """The number of steps before this one."""
    slots: int
    """The number of masked slots in the new canvas."""
    positions: npt.NDArray[np.int64]
    """The slots' positions in the canvas, without the prompt."""
    confidence: Floats
    """The probability of the proposed token at its slot, given that the whole canvas is valid."""
    is_null: Bools
    """Whether the proposal leaves the slot empty."""
    read_entropy: Callable[[], Floats]
    read_gap: Callable[[], float]
    chance: np.random.Generator
    """Random numbers of this step, from the request's seed."""
    block_length: int | None = None
    """The slots of a block, if the model was trained with blocks."""
    led: bool = False
    """Whether this step has already filled a slot; see `Scheduler`."""

    @cached_property
    def entropy(self) -> Floats:
        """The entropy of each slot's distribution given validity, in nats."""
        return self.read_entropy()

    @cached_property
    def gap(self) -> float:
        """How far the most probable valid filling is ahead of the second, in nats; infinite if there is only
        one."""
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
    """Chooses the slots of a step. It has no state between steps; its only input is the view.

    Optional attribute `leads_alone`: a step then first fills the first masked slot, by the model's
    probabilities for this slot alone among the tokens that leave a valid filling (the likeliest one, or a
    draw if there is a temperature). If `leads_alone` is true the step ends there; else the rest is proposed
    given that token. Optional attribute `sure`, beside it: the slots after the first are filled in the same
    way, by the logits of the same pass, up to the first whose likeliest token has a lower probability.
    """

    def choose(self, view: SchedulerView) -> Bools:
        """Return for each masked slot whether it is committed."""
        ...
