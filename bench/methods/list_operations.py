"""List operations: how often are several slots of a step right together, if each is drawn from its exact law?

Kang et al., ParallelBench: Understanding the Trade-offs of Parallel Decoding in Diffusion LLMs, 2025. A model
gets a list and writes what an operation makes of it. Where the operation has one result (copy, sort), its
slots are independent, and all of them may be written at once. Where it is drawn (insert at a random place,
replace a random item, shuffle), slots that are drawn in one step do not know of each other. With exact
marginals the share of right results has a closed form.

What differs here: no model is asked; `ExactMarginals` counts the results that agree with the canvas, so that
what is measured is the parallel step alone. Slots are filled from the left, `rate` in a step. Under a grammar
of the right results a step draws from the joint law, and all are right, whatever the rate.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

import structgen as sg
from methods.whole_filling import Bools, SchedulerView, WholeFilling

OPERATIONS = ("copy", "sort", "insert", "replace", "shuffle")
LETTERS = "abcdefghx"  # the items, and x, which is new
TOKENIZER = sg.Tokenizer.from_bytes(
    [*(one.encode() for one in LETTERS), None, None], eos_token_id=[len(LETTERS)]
)
MASK = len(LETTERS) + 1


def results(operation: str, items: str) -> list[str]:
    """Return what the operation may make of distinct items, all equally likely."""
    if operation == "copy":
        return [items]
    if operation == "sort":
        return ["".join(sorted(items))]
    if operation == "insert":
        return [items[:at] + "x" + items[at:] for at in range(len(items) + 1)]
    if operation == "replace":
        return [items[:at] + "x" + items[at + 1 :] for at in range(len(items))]
    return ["".join(one) for one in itertools.permutations(items)]


def closed_form(operation: str, items: int, rate: int) -> float:
    """Return the share of right results if each slot is drawn from its exact law, `rate` slots a step."""
    if operation in ("copy", "sort"):
        return 1.0
    if operation == "shuffle":
        return math.prod(math.perm(left, n) / left**n for left, n in _steps(items, rate))
    right, alive = 0.0, 1.0  # alive: all slots so far are right, and the new item is not among them
    for left, n in _steps(items + (operation == "insert"), rate):
        for at in range(1, n + 1):  # the slot of this step that gets the new item
            if operation == "replace":
                others = (1.0 - 1.0 / left) ** (n - 1)
            else:  # before it the next items, behind it those that have moved on
                others = math.prod((left - j if j < at else j - 1) / left for j in range(1, n + 1) if j != at)
            right += alive * others / left
        alive *= math.prod((left - (j if operation == "insert" else 1)) / left for j in range(1, n + 1))
    return right


def _steps(slots: int, rate: int) -> Iterator[tuple[int, int]]:
    """Yield for each step how many slots are masked, and how many of them it fills."""
    for left in range(slots, 0, -rate):
        yield left, min(rate, left)


@dataclass(frozen=True)
class FirstSlots(WholeFilling):
    """The first `rate` masked slots."""

    rate: int

    def choose(self, view: SchedulerView) -> Bools:
        """Return them."""
        return np.arange(len(view.positions)) < self.rate


class ExactMarginals:
    """A masked model that knows the results: logits are logarithms of shares of those that agree with the
    canvas; zeros if none does."""

    mask_id, vocab_size = MASK, len(LETTERS) + 2
    shift, block_length, context = False, None, 64

    def __init__(self, wanted: list[str]) -> None:
        self.wanted = np.array([[LETTERS.index(one) for one in text] for text in wanted])

    def forward(self, ids: np.ndarray) -> np.ndarray:
        """Return float32 [L, V] for a canvas, behind which the end token stands."""
        canvas = ids[: self.wanted.shape[1]]
        agrees = self.wanted[((canvas == self.wanted) | (canvas == MASK)).all(axis=1)]
        logits = np.zeros((len(ids), self.vocab_size), np.float32)
        if len(agrees):
            shares = (agrees[:, :, None] == np.arange(self.vocab_size)).mean(axis=0)
            with np.errstate(divide="ignore"):
                logits[: len(canvas)] = np.log(shares)
        return logits


def measured(operation: str, items: str, rate: int, draws: int, *, with_grammar: bool = False) -> float:
    """Return the share of right results among `draws` fillings."""
    wanted = results(operation, items)
    length = len(wanted[0])
    grammar = sg.regex("|".join(wanted) if with_grammar else f"[{LETTERS}]{{{length}}}")
    model, right = ExactMarginals(wanted), 0
    for seed in range(draws):
        found = sg.infill(
            model,
            grammar=grammar,
            slots=length,
            length="exact",
            scheduler=FirstSlots(rate),
            temperature=1.0,
            seed=seed,
            tokenizer=TOKENIZER,
        )
        right += found.text in wanted
    return right / draws
