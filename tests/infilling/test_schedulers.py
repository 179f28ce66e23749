"""What each scheduler commits, against its definition; the law of what first-hitting writes."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from for_each import for_each
from scheduler_views import chosen, view
from toy_models import Toy, byte_tokenizer, filled

from structgen.infilling.canvas import Canvas
from structgen.infilling.denoising import DenoisingStep
from structgen.infilling.schedulers import (
    Blocks,
    ConfidentPrefix,
    EntropyBound,
    Factor,
    LeftToRight,
    LowConfidence,
    Prophet,
    Threshold,
    named,
)


def test_low_confidence_takes_the_surest_and_the_left_one_of_equals() -> None:
    assert chosen(LowConfidence(2), view([0.5, 0.9, 0.5, 0.4])) == [0, 1]


def test_left_to_right_takes_the_surest_of_its_window() -> None:
    seen = view([0.1, 0.5, 0.3, 0.6, 0.9, 0.8])
    assert chosen(LeftToRight(1), seen) == [0]
    assert chosen(LeftToRight(3), seen) == [1, 3, 4]
    assert chosen(LeftToRight(2, window=6), seen) == [4, 5]
    # The step has filled a slot before these: one fewer, of a window that is one shorter.
    led = replace(seen, led=True)
    assert chosen(LeftToRight(3), led) == [1, 3]
    assert chosen(LeftToRight(1), led) == []


def test_left_to_right_begins_with_the_models_own_choice_for_the_first_slot() -> None:
    first: list[str] = []

    class Told(Toy):
        def forward(self, ids: np.ndarray) -> np.ndarray:
            # Slot 0: "a" a little before "b"; slot 1: "d", which only "b" allows, before all others.
            logits = np.zeros((len(ids), self.vocab_size), np.float32)
            logits[:, ord("a")], logits[:, ord("b")], logits[:, ord("d")] = 2.0, 1.5, 9.0
            return logits

    for scheduler in ("left-to-right", "low-confidence"):
        options = {"length": "exact", "scheduler": scheduler, "tokens_per_step": 1}
        first.append(filled("{a: /ac|bd/, 2}", Told(byte_tokenizer()), **options).text)
    assert first == ["ac", "bd"]


class Sure(Toy):
    """Sure of "z" in the slots behind a prompt of one token, but for two of them."""

    def forward(self, ids: np.ndarray) -> np.ndarray:
        logits = np.zeros((len(ids), self.vocab_size), np.float32)
        logits[1:, ord("z")] = 12.0
        logits[[3, 4], ord("z")] = 5.0  # 0.85 among 26 letters
        return logits


@pytest.mark.parametrize(
    ("sure", "block", "steps"),
    [
        (0.95, None, [[0, 1], [2], [3, 4, 5, 6, 7]]),
        (0.8, None, [[0, 1, 2, 3, 4, 5, 6, 7]]),
        (1.0, None, [[slot] for slot in range(8)]),
        (0.95, 5, [[0, 1], [2], [3, 4], [5, 6, 7]]),
    ],
)
def test_a_confident_prefix_ends_before_a_slot_that_is_not_sure_and_with_its_block(
    sure: float, block: int | None, steps: list[list[int]]
) -> None:
    model = Sure(byte_tokenizer())
    model.block_length = block
    found = filled("{a: /[a-z]{8}/, 8}", model, length="exact", scheduler=ConfidentPrefix(sure))
    assert [[one.position for one in step.committed] for step in found.steps[1:]] == steps
    assert found.usage.passes == len(steps)


def test_the_default_is_the_confident_prefix() -> None:
    assert named("auto") == named("confident-prefix") == ConfidentPrefix()


def test_the_threshold_takes_all_that_reach_it() -> None:
    assert chosen(Threshold(0.5), view([0.5, 0.49, 0.9])) == [0, 2]


@for_each("seed", range(20))
def test_the_factor_takes_the_most_slots_that_its_inequality_allows(seed: int) -> None:
    chance = np.random.default_rng(seed)
    confidence = (1 - chance.random(6) ** 3).tolist()
    ordered = sorted(confidence, reverse=True)
    fits = [n for n in range(1, 7) if (n + 1) * (1 - ordered[n - 1]) < 1.0]
    assert len(chosen(Factor(1.0), view(confidence))) == max(fits, default=1)


@for_each("seed", range(20))
def test_the_entropy_bound_takes_the_most_slots_within_it(seed: int) -> None:
    entropy = (np.random.default_rng(seed).random(7) * 0.2).tolist()
    sets = (
        some
        for size in range(1, 8)
        for some in itertools.combinations(entropy, size)
        if sum(some) - max(some) <= 0.15
    )
    found = chosen(EntropyBound(0.15), view([0.5] * 7, entropy=entropy))
    assert len(found) == max(map(len, sets))
    assert max(entropy[one] for one in found) <= min(
        [*(e for at, e in enumerate(entropy) if at not in found), 9]
    )


@pytest.mark.parametrize(
    ("left", "gap", "is_all"), [(9, 7.4, 0), (9, 7.5, 1), (5, 5.0, 1), (5, 4.9, 0), (2, 2.5, 1)]
)
def test_prophet_takes_all_once_the_gap_reaches_the_threshold_of_its_third(
    left: int, gap: float, is_all: bool
) -> None:
    found = chosen(Prophet(), view([0.5] * left, gap=gap, slots=9))
    assert len(found) == (left if is_all else 1)


def test_blocks_are_filled_from_the_left_one_after_another() -> None:
    order: list[int] = []

    def listen(step: DenoisingStep, canvas: Canvas) -> None:
        order.extend(one.position // 4 for one in step.committed)

    filled("{a: /[a-z]*/, 14}", length="exact", scheduler=Blocks(LowConfidence(2), 4), listen=listen)
    assert order == sorted(order) and set(order) == {0, 1, 2, 3}
