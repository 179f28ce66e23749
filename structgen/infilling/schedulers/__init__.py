"""Schedulers: which slots of a proposed filling are committed in a step. One file each, with its source.

A step proposes one valid filling of the whole canvas (the best one, or a draw). Any subset of it may be
committed, so a scheduler cannot lead into a dead end whatever it chooses; it decides between speed and how
often the model is asked again. At least one slot is committed in each step: a scheduler that chooses none is
given the most confident one.

`SchedulerView` is what a scheduler sees, `Scheduler` what it must have, `named` what the names mean.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from structgen.errors import OptionError

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


NAMES = (
    "auto",
    "low-confidence",
    "left-to-right",
    "blocks",
    "threshold",
    "factor",
    "entropy-bound",
    "prophet",
    "freedave",
    "first-hitting",
)
"""What `named` knows."""


def named(scheduler: str | Scheduler, *, tokens_per_step: int | None = None) -> Scheduler:
    """Return a scheduler by its name with its usual constants, or the one that is given.

    `tokens_per_step` is for those with a fixed rate: low-confidence, left-to-right, blocks and freedave
    (default 1).
    Raises OptionError for an unknown name.
    """
    rate: dict[str, Any] = {} if tokens_per_step is None else {"tokens_per_step": tokens_per_step}
    if not isinstance(scheduler, str):
        if not isinstance(scheduler, Scheduler):
            raise OptionError(
                f"A scheduler is a name or an object with choose(view), not a {type(scheduler).__name__}.",
                where="scheduler",
                cure=f"Choose one of {', '.join(NAMES)}.",
            )
        found: Scheduler = scheduler
    else:
        found = _by_name(scheduler, rate)
    if rate and scheduler not in ("low-confidence", "left-to-right", "blocks", "freedave"):
        raise OptionError(
            "Only low-confidence, left-to-right, blocks and freedave commit a fixed number of tokens a step.",
            where="tokens_per_step",
            cure="Leave it out, or choose one of them with scheduler=.",
        )
    return found


def _by_name(name: str, rate: dict[str, Any]) -> Scheduler:
    match name:
        case "auto":
            from structgen.infilling.schedulers.auto import Auto

            return Auto()
        case "low-confidence":
            from structgen.infilling.schedulers.low_confidence import LowConfidence

            return LowConfidence(**rate)
        case "left-to-right":
            from structgen.infilling.schedulers.left_to_right import LeftToRight

            return LeftToRight(**rate)
        case "blocks":
            from structgen.infilling.schedulers.blocks import Blocks
            from structgen.infilling.schedulers.low_confidence import LowConfidence

            return Blocks(LowConfidence(**rate))
        case "threshold":
            from structgen.infilling.schedulers.threshold import Threshold

            return Threshold()
        case "factor":
            from structgen.infilling.schedulers.factor import Factor

            return Factor()
        case "entropy-bound":
            from structgen.infilling.schedulers.entropy_bound import EntropyBound

            return EntropyBound()
        case "prophet":
            from structgen.infilling.schedulers.prophet import Prophet

            return Prophet()
        case "freedave":
            from structgen.infilling.schedulers.freedave import FreeDave
            from structgen.infilling.schedulers.low_confidence import LowConfidence

            return FreeDave(LowConfidence(**rate))
        case "first-hitting":
            from structgen.infilling.schedulers.first_hitting import FirstHitting

            return FirstHitting()
        case _:
            raise OptionError(
                f"There is no scheduler {name!r}.",
                where="scheduler",
                cure=f"Choose one of {', '.join(NAMES)}.",
            )
