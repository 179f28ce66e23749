"""Schedulers that propose whole fillings (bench/methods): what each chooses, against its definition; and the
law of their draws when the logits do not depend on the canvas, against enumeration.

`law_of` computes the law of what a scheduler writes, exactly: all draws of a step, and all its later steps,
are listed. Its marginals come from lists of fillings, not from the lattice.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from enumerated import fillings_of, random_automaton
from for_each import for_each
from methods.blocks import Blocks
from methods.entropy_bound import EntropyBound
from methods.fast_dllm import Factor, Threshold
from methods.first_hitting import FirstHitting
from methods.free_dave import FreeDave
from methods.left_window import LeftWindow
from methods.low_confidence import LowConfidence
from methods.prophet import Prophet
from methods.whole_filling import SchedulerView, WholeFilling
from scheduler_views import chosen, view
from test_schedulers import Fixed, far, one_by_one, product
from toy_models import Toy, byte_tokenizer, filled

from structgen.decoding.infilling.canvas import Canvas
from structgen.decoding.infilling.denoising import DenoisingStep

Filling = tuple[int, ...]
Law = dict[Filling, float]


@dataclass
class Nth:
    """Random numbers of which the whole ones are said."""

    number: int

    def integers(self, most: int) -> int:
        return self.number % most


def normalised(weights: Law) -> Law:
    total = math.fsum(weights.values())
    return {filling: weight / total for filling, weight in weights.items()}


def law_of(scheduler: WholeFilling, joint: Law, done: frozenset[int] = frozenset(), step: int = 0) -> Law:
    """Return the law of the fillings that a scheduler's steps write, each step a draw of the joint law given
    the slots that are done."""
    slots = len(next(iter(joint)))
    masked = [slot for slot in range(slots) if slot not in done]
    if not masked or len(joint) == 1:
        return joint
    marginals = [Counter[int]() for _ in masked]
    for filling, weight in joint.items():
        for at, slot in enumerate(masked):
            marginals[at][filling[slot]] += weight
    entropies = np.array([-sum(p * math.log(p) for p in law.values() if p > 0) for law in marginals])
    ranked = sorted((math.log(one) for one in joint.values()), reverse=True)
    parts: dict[tuple[frozenset[int], Filling], float] = Counter()
    for filling, weight in joint.items():
        for number in range(len(masked)):  # FirstHitting's slot; the others draw nothing of their own
            view = SchedulerView(
                step,
                slots,
                np.array(masked),
                np.array([marginals[at][filling[slot]] for at, slot in enumerate(masked)]),
                np.zeros(slots, np.int32),
                lambda: entropies,
                lambda: ranked[0] - ranked[1],
                lambda at: np.ones(1),
                Nth(number),  # type: ignore[arg-type]
            )
            chosen = np.flatnonzero(scheduler.choose(view))
            now = done | {masked[at] for at in (chosen if len(chosen) else [int(np.argmax(view.confidence))])}
            kept = tuple(token if slot in now else -9 for slot, token in enumerate(filling))
            parts[now, kept] += weight / len(masked)
    found: dict[Filling, float] = Counter()
    for (now, kept), weight in parts.items():
        left = {one: p for one, p in joint.items() if all(one[slot] == kept[slot] for slot in now)}
        for filling, chance in law_of(scheduler, normalised(left), now, step + 1).items():
            found[filling] += weight * chance
    return dict(found)


def variation(one: Law, other: Law) -> float:
    return 0.5 * math.fsum(abs(one.get(f, 0.0) - other.get(f, 0.0)) for f in {*one, *other})


def joint_of(seed: int) -> Law:
    """Return the joint law of four slots in a random language, given validity; some slots may stay empty."""
    chance = np.random.default_rng(seed)
    while True:
        automaton = random_automaton(chance, 4, 4)
        logits = chance.standard_normal((4, 4)) * 1.5
        may = [False, False, True, True]
        found = fillings_of(automaton, [-1] * 4, logits, may, [False] * 3 + [True], 2, 3)
        weights = {filling: math.exp(one) for filling, one in found.items()}
        if len(weights) > 5:
            return normalised(weights)


EXACT = [
    FirstHitting(),
    EntropyBound(0.6),
    EntropyBound(0.0),
    Prophet(EntropyBound(0.6), (0.3, 0.2, 0.1)),
    Blocks(FirstHitting(), 2),
]
OTHERS = [LowConfidence(), LowConfidence(2), Threshold(0.6), Factor(), Prophet(), Blocks(LowConfidence(), 2)]


@for_each("seed", range(3))
@for_each("scheduler", EXACT)
def test_a_choice_that_the_draw_has_no_part_in_leaves_the_joint_law(
    scheduler: WholeFilling, seed: int
) -> None:
    joint = joint_of(seed)
    assert variation(law_of(scheduler, joint), joint) < 1e-12


@pytest.mark.parametrize("scheduler", OTHERS, ids=repr)
def test_a_choice_by_the_drawn_tokens_changes_the_law(scheduler: WholeFilling) -> None:
    assert max(variation(law_of(scheduler, joint), joint) for joint in map(joint_of, range(3))) > 0.01


@pytest.mark.parametrize("p", [0.5001, 0.7, 0.9])
@pytest.mark.parametrize("slots", [2, 3, 4])
def test_surest_first_favours_the_likely_tokens_of_independent_slots(slots: int, p: float) -> None:
    law = (p, 1 - p)
    joint = {one: math.prod(law[token] for token in one) for one in itertools.product((0, 1), repeat=slots)}
    found = law_of(LowConfidence(), joint)
    # Of k masked slots a likely token is committed unless all k draws are unlikely.
    every = math.prod(1 - (1 - p) ** k for k in range(1, slots + 1))
    assert found[(0,) * slots] == pytest.approx(every, abs=1e-12)
    if (slots, p) == (4, 0.5001):
        assert variation(found, joint) == pytest.approx(0.47, abs=0.001)


def test_low_confidence_takes_the_surest_and_the_left_one_of_equals() -> None:
    assert chosen(LowConfidence(2), view([0.5, 0.9, 0.5, 0.4])) == [0, 1]


def test_a_left_window_takes_the_surest_of_its_window() -> None:
    # the step has filled a slot before these
    seen = view([0.1, 0.5, 0.3, 0.6, 0.9, 0.8])
    assert chosen(LeftWindow(3), seen) == [1, 3]
    assert chosen(LeftWindow(2, window=6), seen) == [4]


def test_a_left_window_begins_with_the_models_own_choice_for_the_first_slot() -> None:
    class Told(Toy):
        def forward(self, ids: np.ndarray) -> np.ndarray:
            # Slot 0: "a" a little before "b"; slot 1: "d", which only "b" allows, before all others.
            logits = np.zeros((len(ids), self.vocab_size), np.float32)
            logits[:, ord("a")], logits[:, ord("b")], logits[:, ord("d")] = 2.0, 1.5, 9.0
            return logits

    first = [
        filled("{a: /ac|bd/, 2}", Told(byte_tokenizer()), length="exact", scheduler=one).text
        for one in (LeftWindow(2), LowConfidence())
    ]
    assert first == ["ac", "bd"]


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


def test_by_first_hitting_a_language_has_the_joint_law() -> None:
    texts = ["abc", "acb", "baa", "bab", "bac", "bba", "bbb", "caa"]
    template, options = "{a: /abc|acb|ba[abc]|bb[ab]|caa/, 3}", {"length": "exact", "temperature": 1.0}
    how: dict[str, Any] = options | {"scheduler": FirstHitting()}
    counted = Counter(filled(template, Fixed(byte_tokenizer()), seed=seed, **how).text for seed in range(250))
    found = {text: count / 250 for text, count in counted.items()}
    assert far(found, product(texts)) < 0.08 < 0.1 < far(found, one_by_one(texts))


class Settled(Toy):
    """Logits that depend on the canvas's first masked slots only a little."""

    def forward(self, ids: np.ndarray) -> np.ndarray:
        base = np.random.default_rng(len(ids)).standard_normal((len(ids), self.vocab_size))
        return (4.0 * base + 0.1 * super().forward(ids)).astype(np.float32)


@pytest.mark.parametrize("temperature", [0.0, 1.0])
@pytest.mark.parametrize("rate", [1, 3])
def test_free_dave_gives_the_static_schedules_canvas_in_fewer_passes(rate: int, temperature: float) -> None:
    options: dict[str, Any] = {"slots": 24, "temperature": temperature, "length": "exact"}
    static = filled("{a: /[a-z ]*/}", Settled(byte_tokenizer()), scheduler=LowConfidence(rate), **options)
    both = FreeDave(Settled(byte_tokenizer()), LowConfidence(rate))
    drafted = filled("{a: /[a-z ]*/}", both, scheduler=both, **options)
    assert [one.canvas for one in drafted.steps] == [one.canvas for one in static.steps]
    assert both.passes < static.usage.steps and not drafted.usage.scheduler
    # The same object fills another canvas.
    again = filled("{a: /[a-z ]*/}", both, scheduler=both, **options)
    assert [one.canvas for one in again.steps] == [one.canvas for one in static.steps]
