"""Which law a draw has when the logits do not depend on the canvas: each scheduler against enumeration.

`law_of` computes the law of what a scheduler writes, exactly: all draws of a step, and all its later steps,
are listed. Its marginals come from lists of fillings, not from the lattice.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from dataclasses import dataclass

import numpy as np
import pytest
from enumerated import fillings_of, random_automaton
from for_each import for_each
from toy_models import Toy, byte_tokenizer, filled

from structgen.infilling.schedulers import (
    Blocks,
    ConfidentPrefix,
    EntropyBound,
    Factor,
    FirstHitting,
    FreeDave,
    LeftToRight,
    LowConfidence,
    Prophet,
    Scheduler,
    SchedulerView,
    Threshold,
)

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


def law_of(scheduler: Scheduler, joint: Law, done: frozenset[int] = frozenset(), step: int = 0) -> Law:
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
    FreeDave(EntropyBound(0.6)),
]
OTHERS = [LowConfidence(), LowConfidence(2), Threshold(0.6), Factor(), Prophet(), Blocks(LowConfidence(), 2)]


@for_each("seed", range(3))
@for_each("scheduler", EXACT)
def test_a_choice_that_the_draw_has_no_part_in_leaves_the_joint_law(scheduler: Scheduler, seed: int) -> None:
    joint = joint_of(seed)
    assert variation(law_of(scheduler, joint), joint) < 1e-12


@pytest.mark.parametrize("scheduler", OTHERS, ids=repr)
def test_a_choice_by_the_drawn_tokens_changes_the_law(scheduler: Scheduler) -> None:
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


class Fixed(Toy):
    """Logits for "a", "b", "c" in three slots that do not depend on the canvas."""

    logits = np.random.default_rng(3).standard_normal((3, 3))

    def forward(self, ids: np.ndarray) -> np.ndarray:
        rows = np.full((len(ids), self.vocab_size), -40.0, np.float32)
        rows[1:4, [97, 98, 99]] = self.logits
        return rows


def drawn(scheduler: object, pattern: str, draws: int) -> dict[str, float]:
    """Return the shares of the texts that `sg.infill` draws."""
    template, options = f"{{a: /{pattern}/, 3}}", {"length": "exact", "temperature": 1.0}
    texts = Counter(
        filled(template, Fixed(byte_tokenizer()), scheduler=scheduler, seed=seed, **options).text
        for seed in range(draws)
    )
    return {text: count / draws for text, count in texts.items()}


def product(texts: list[str]) -> dict[str, float]:
    """Return the joint law of texts of three letters."""
    tables = np.exp(Fixed.logits)
    weights = {one: math.prod(tables[at][ord(c) - 97] for at, c in enumerate(one)) for one in texts}
    return {one: weight / sum(weights.values()) for one, weight in weights.items()}


def one_by_one(texts: list[str]) -> dict[str, float]:
    """Return the law in which each letter has its own probability among those that may stand there."""
    found = {}
    tables = np.exp(Fixed.logits)
    for text in texts:
        chance = 1.0
        for at, letter in enumerate(text):
            may = {other[at] for other in texts if other[:at] == text[:at]}
            chance *= tables[at][ord(letter) - 97] / sum(tables[at][ord(one) - 97] for one in may)
        found[text] = chance
    return found


def far(one: dict[str, float], other: dict[str, float]) -> float:
    return 0.5 * sum(abs(one.get(text, 0.0) - other.get(text, 0.0)) for text in {*one, *other})


LEFT = (LeftToRight(), ConfidentPrefix(), ConfidentPrefix(0.4), ConfidentPrefix(0.0))


@pytest.mark.parametrize(
    ("scheduler", "draws"),
    [
        *((one, 250) for one in (LeftToRight(), ConfidentPrefix(0.4), FirstHitting())),
        *(pytest.param(one, 6_000, marks=pytest.mark.slow) for one in (*LEFT, FirstHitting())),
    ],
    ids=repr,
)
def test_from_the_left_a_language_has_the_law_of_masking_and_by_first_hitting_the_joint_one(
    scheduler: object, draws: int
) -> None:
    texts = ["abc", "acb", "baa", "bab", "bac", "bba", "bbb", "caa"]
    found = drawn(scheduler, "abc|acb|ba[abc]|bb[ab]|caa", draws)
    law, other = one_by_one(texts), product(texts)
    if isinstance(scheduler, FirstHitting):
        law, other = other, law
    assert far(found, law) < 0.08 < 0.1 < far(found, other)
    # of a language of independent slots that is the joint law
    texts = ["".join(one) for one in itertools.product("ab", "bc", "abc")]
    assert far(one_by_one(texts), product(texts)) < 1e-12
