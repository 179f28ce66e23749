"""Sums, best fillings and draws of a lattice (bench/methods/lattice_sums.py), against all fillings listed."""

from __future__ import annotations

import itertools
import math
from collections import Counter

import numpy as np
import pytest
from enumerated import Weights, fillings_of, random_automaton
from for_each import for_each
from methods.lattice_sums import LatticeSums
from test_lattice import PATTERNS, TEXTS, fits, tokenizer

from structgen.decoding.infilling.automata_of_grammars import language_of
from structgen.decoding.infilling.lattice import NULL, OPEN, Lattice, LatticeSlot
from structgen.decoding.infilling.token_automaton import TokenAutomaton, token_automaton
from structgen.machines.core.dfa import Dfa

END, PAD = 5, 6
WIDTH = 7
"""Six tokens of texts at most, and the end and the pad, which the automata refuse."""


def problem(seed: int, spread: float = 2.0) -> tuple[Lattice, Weights]:
    """Return a lattice and its twin: three to five slots, some fixed, some in holes that may stay empty."""
    chance = np.random.default_rng(seed)
    automaton = random_automaton(chance, int(chance.integers(2, 6)), 5)
    automaton = TokenAutomaton(
        **{
            **{name: getattr(automaton, name) for name in automaton.__dataclass_fields__},
            "token_class": np.append(automaton.token_class, [-1, -1]).astype(np.int32),
        }
    )
    count = int(chance.integers(3, 6))
    tokens = [OPEN if chance.random() < 0.75 else int(chance.integers(0, 5)) for _ in range(count)]
    nullable, closes = [False] * count, [False] * count
    if chance.random() < 0.6:
        first = int(chance.integers(0, count))
        last = int(chance.integers(first, count))
        for slot in range(first, last + 1):
            nullable[slot], tokens[slot] = True, OPEN
        closes[last] = True
    logits = (spread * chance.standard_normal((count, WIDTH))).astype(np.float32)
    lattice = Lattice(
        automaton, list(map(LatticeSlot, tokens, nullable, closes)), end_token=END, pad_token=PAD
    )
    for slot in range(count):
        lattice.set_logits(slot, logits[slot])
    return lattice, fillings_of(automaton, tokens, logits, nullable, closes, END, PAD)


def log_z(weights: Weights) -> float:
    top = max(weights.values(), default=-math.inf)
    if top == -math.inf:
        return top
    return top + math.log(math.fsum(math.exp(one - top) for one in weights.values()))


def check(lattice: Lattice, weights: Weights) -> None:
    """Compare all sums of a lattice with those over the list of all fillings."""
    sums, z = LatticeSums(lattice), log_z(weights)
    assert sums.log_z() == pytest.approx(z, rel=1e-9, abs=1e-9)
    ordered = sorted(weights.values(), reverse=True)
    for k in (1, 2, 5):
        found = [(value, tuple(some.tolist())) for value, some in sums.best(k)]
        assert [value for value, _ in found] == pytest.approx(ordered[:k], rel=1e-9, abs=1e-9)
        assert len({some for _, some in found}) == len(found)
        for value, some in found:
            assert weights[some] == pytest.approx(value, rel=1e-9, abs=1e-9)
    if not weights:
        return
    entropies = sums.entropies()
    for row, slot in enumerate(lattice.open_slots.tolist()):
        shares: Counter[int] = Counter()
        for some, weight in weights.items():
            shares[some[slot]] += math.exp(weight - z)
        law = sums.law(row)
        wanted = [shares[one] for one in (*range(len(law) - 1), NULL)]
        assert law == pytest.approx(wanted, rel=1e-9, abs=1e-12)
        for token, chance in shares.items():
            assert sums.probability(row, token) == pytest.approx(chance, rel=1e-9, abs=1e-12)
        entropy = -math.fsum(one * math.log(one) for one in shares.values() if one > 0)
        assert entropies[row] == pytest.approx(entropy, abs=1e-9)
    for uniforms in np.random.default_rng(1).random((5, len(lattice), 3)):
        assert tuple(sums.sample(uniforms).tolist()) in weights


@for_each(("seed", "spread"), [*((seed, 2.0) for seed in range(24)), *((seed, 1000.0) for seed in range(6))])
def test_sums_are_those_over_the_list_of_all_fillings(seed: int, spread: float) -> None:
    """Gaps of a thousand nats neither overflow nor vanish."""
    check(*problem(seed, spread))


def test_after_commits_and_new_logits_sums_are_those_of_what_is_left() -> None:
    commits = 0
    for seed in range(12):
        lattice, weights = problem(seed)
        chance = np.random.default_rng(seed)

        def of(slot: int, some: tuple[int, ...], lattice: Lattice = lattice) -> float:
            """Return the logit that a filling has in a slot."""
            is_first = slot == 0 or some[slot - 1] != NULL or bool(lattice._closes[slot - 1])
            token = some[slot] if some[slot] != NULL else END if is_first else PAD
            return float(lattice.logits[slot][token])

        while lattice.is_feasible and len(lattice.open_slots):
            slot = int(chance.choice(lattice.open_slots))
            left = {some: weight - of(slot, some) for some, weight in weights.items()}
            if chance.random() < 0.3:
                lattice.set_logits(slot, (2.0 * chance.standard_normal(WIDTH)).astype(np.float32))
                weights = {some: weight + of(slot, some) for some, weight in left.items()}
            else:
                token = int(chance.choice(sorted({some[slot] for some in weights})))
                lattice.commit_token(slot, token)
                weights = {some: weight for some, weight in left.items() if some[slot] == token}
                commits += 1
            check(lattice, weights)
    assert commits > 15


@pytest.mark.parametrize("pattern", PATTERNS, ids=("member", "list", "choice"))
def test_sums_of_texts_are_those_over_the_texts_that_fit(pattern: str) -> None:
    width = tokenizer().vocab_size
    logits = (3.0 * np.random.default_rng(len(pattern)).standard_normal((3, width))).astype(np.float32)
    lattice = Lattice(
        language_of(pattern, tokenizer(), "pattern").automaton, [LatticeSlot(), LatticeSlot(8), LatticeSlot()]
    )
    for slot in (0, 2):
        lattice.set_logits(slot, logits[slot])
    fillings = itertools.product(range(len(TEXTS)), [8], range(len(TEXTS)))
    check(
        lattice,
        {
            some: math.fsum(float(logits[at, some[at]]) for at in (0, 2))
            for some in fillings
            if fits(pattern, some)
        },
    )


def test_the_draws_of_an_edge_and_of_its_token_are_independent() -> None:
    # Two tokens lead to a state in which a text may go on, two others to one in which it may not.
    table = np.array([[1, 1, 2, 2], [1, -1, -1, -1], [-1, -1, -1, -1]], np.int32)
    accepting = np.array([False, True, True])
    automaton = token_automaton(Dfa(0, table, np.arange(4, dtype=np.int32), accepting, ()))
    sums = LatticeSums(Lattice(automaton, [LatticeSlot()]))
    draws = [int(sums.sample(one)[0]) for one in np.random.default_rng(0).random((400, 1, 3))]
    assert min(np.bincount(draws, minlength=4)) > 70


@pytest.mark.parametrize("scale", [1.0, 0.5])
def test_draws_follow_the_joint_law(scale: float) -> None:
    draws = 1000
    for seed in [seed for seed in range(40) if 3 <= len(problem(seed)[1]) <= 60][:2]:
        lattice, listed = problem(seed)
        weights = {some: scale * weight for some, weight in listed.items()}
        sums, chance = LatticeSums(lattice, scale), np.random.default_rng(seed)
        uniforms = chance.random((draws, len(lattice), 3))
        counted = Counter(tuple(sums.sample(one).tolist()) for one in uniforms)
        z = log_z(weights)
        assert set(counted) <= set(weights)
        shares = {some: math.exp(weight - z) for some, weight in weights.items()}
        variation = 0.5 * sum(abs(counted[some] / draws - share) for some, share in shares.items())
        # The expected distance of an exact sampler is at most sum sqrt(p (1 - p) / (2 pi n)).
        expected = sum(math.sqrt(one * (1 - one) / (2 * math.pi * draws)) for one in shares.values())
        assert variation < 2.0 * expected + 0.01
