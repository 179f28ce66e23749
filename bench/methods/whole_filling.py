"""Schedulers that propose one valid filling of the whole canvas, and write some slots of it.

The proposal is the most probable valid filling, or with a temperature an exact draw, by the logits of one
pass (`lattice_sums`). Any subset of it may be written: the rest still fits. So no choice causes a dead end.

Laws of draws. A scheduler that writes all slots in one step has the joint law of the slots, given validity.
Over several steps, on logits that do not depend on the canvas:
- first-hitting and entropy-bound, also inside blocks, prophet and FreeDave: the joint law, for any grammar.
  They choose by the slots' laws or at random; the drawn tokens have no part in the choice.
- low-confidence, threshold, factor, and blocks, prophet and FreeDave around them: another law, even if all
  texts are valid. They keep the tokens that are likely and draw the others again, so likely tokens get too
  much. With four slots of two equally likely tokens low-confidence is 0.47 from the joint law in total
  variation.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from methods.lattice_sums import LatticeSums
from structgen.decoding.infilling.lattice import NULL
from structgen.decoding.infilling.schedulers import CanvasStep

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class SchedulerView:
    """What a step proposes. Arrays have one element for each masked slot, from left to right."""

    step: int
    """The number of steps before this one."""
    slots: int
    """The number of masked slots in the new canvas."""
    positions: npt.NDArray[np.int64]
    """The slots' positions in the canvas, without the prompt."""
    confidence: Floats
    """The probability of the proposed token at its slot, given that the whole canvas is valid."""
    filling: npt.NDArray[np.int32]
    """The proposal: what stands in each slot of the canvas, masked or not, if all of it is written; a token,
    or NULL where a slot stays empty."""
    read_entropy: Callable[[], Floats]
    read_gap: Callable[[], float]
    read_law: Callable[[int], Floats]
    chance: np.random.Generator
    """Random numbers of this step, from the request's seed."""
    block_length: int | None = None
    """The slots of a block, if the model was trained with blocks."""
    state: dict[str, Any] = field(default_factory=dict)
    """The scheduler's own memory of this canvas, empty at step 0."""

    @property
    def tokens(self) -> npt.NDArray[np.int32]:
        """The proposed token of each slot; NULL: it stays empty."""
        return self.filling[self.positions]

    @property
    def is_null(self) -> Bools:
        """For each slot, whether the proposal leaves it empty."""
        is_null: Bools = self.tokens == NULL
        return is_null

    def law(self, at: int) -> Floats:
        """Return the probability of each token [V of the tokenizer] at one of the slots, counted from 0, and
        as last element that of staying empty; given that the whole canvas is valid."""
        return self.read_law(at)

    @cached_property
    def entropy(self) -> Floats:
        """The entropy of each slot's law given validity, in nats."""
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
            read_entropy=lambda: self.entropy[chosen],
            read_gap=lambda: self.gap,
            read_law=lambda at: self.law(int(np.flatnonzero(chosen)[at])),
        )

    def most(self, values: Floats, count: int) -> Bools:
        """Return the slots with the `count` greatest values, the left ones first among equals."""
        chosen = np.zeros(len(values), np.bool_)
        chosen[np.argsort(-values, kind="stable")[:count]] = True
        return chosen


def view_of(step: CanvasStep) -> SchedulerView:
    """Return the view of a step: the proposal of the canvas as it is now."""
    parts, places = step.canvas.parts, step.masked()
    sums = [LatticeSums(one.lattice) for one in parts]
    row = {(part, slot): at for part, one in enumerate(sums) for at, slot in enumerate(one.slots.tolist())}
    if step.temperature:
        chance, scale = step.chance(0), 1.0 / step.temperature
        drawn = [LatticeSums(one.lattice, scale) for one in parts]
        proposal = [
            one.sample(chance.random((len(part.lattice), 3))) for one, part in zip(drawn, parts, strict=True)
        ]
    else:
        proposal = [one.best()[0][1] for one in sums]
    rows = [(sums[one.part], row[one.part, one.slot]) for one in places]
    filling = step.canvas.tokens.copy()
    for one in places:
        filling[one.position] = proposal[one.part][one.slot]

    def entropy() -> Floats:
        each = [one.entropies() for one in sums]
        return np.array([each[one.part][row[one.part, one.slot]] for one in places])

    def gap() -> float:
        found = [one.best(2) for one in sums]
        return min((one[0][0] - one[1][0] for one in found if len(one) > 1), default=math.inf)

    return SchedulerView(
        step.number,
        step.slots,
        np.array([one.position for one in places]),
        np.array(
            [of.probability(at, filling[one.position]) for one, (of, at) in zip(places, rows, strict=True)]
        ),
        filling,
        entropy,
        gap,
        lambda at: rows[at][0].law(rows[at][1]),
        step.chance(1),
        step.block_length,
        step.state,
    )


class WholeFilling:
    """A scheduler by what it chooses of a proposal. If it chooses nothing, the surest slot is written."""

    def choose(self, view: SchedulerView) -> Bools:
        """Return for each masked slot whether it is written."""
        raise NotImplementedError

    def fill(self, step: CanvasStep) -> None:
        """Write the chosen slots of the proposal."""
        view = view_of(step)
        chosen = np.array(self.choose(view), np.bool_)
        if not chosen.any():
            chosen[int(np.argmax(view.confidence))] = True
        write(step, view, chosen)


def write(step: CanvasStep, view: SchedulerView, chosen: Bools) -> None:
    """Write some slots of a step's proposal."""
    for place, token, chance, is_chosen in zip(
        step.masked(), view.tokens.tolist(), view.confidence.tolist(), chosen.tolist(), strict=True
    ):
        if is_chosen:
            step.write(place, token, chance)
