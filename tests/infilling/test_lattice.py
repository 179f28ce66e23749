"""Masks, sums, best fillings and draws of a lattice, against all fillings listed."""

from __future__ import annotations

import math

import numpy as np
import pytest
from enumerated import Weights, check, fillings_of, log_z, random_automaton
from for_each import for_each

from structgen.core.dfa import Dfa
from structgen.infilling import lattice as lattices
from structgen.infilling.lattice import NULL, OPEN, Lattice
from structgen.infilling.lattice_loops import class_scores
from structgen.infilling.token_automaton import TokenAutomaton, token_automaton

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
    lattice = Lattice(automaton, tokens, nullable=nullable, closes=closes, end_token=END, pad_token=PAD)
    for slot in range(count):
        lattice.set_logits(slot, logits[slot])
    return lattice, fillings_of(automaton, tokens, logits, nullable, closes, END, PAD)


@for_each(("seed", "spread"), [*((seed, 2.0) for seed in range(24)), *((seed, 1000.0) for seed in range(6))])
def test_a_lattice_says_what_the_list_of_all_fillings_says(seed: int, spread: float) -> None:
    """Gaps of a thousand nats neither overflow nor vanish."""
    lattice, weights = problem(seed, spread)
    check(lattice, weights)


def test_after_commits_and_new_logits_a_lattice_says_what_the_list_of_all_fillings_says() -> None:
    commits = 0
    for seed in range(20):
        lattice, weights = problem(seed)
        chance = np.random.default_rng(seed)

        def of(slot: int, some: tuple[int, ...], lattice: Lattice = lattice) -> float:
            """Return the logit that a filling has in a slot."""
            is_first = slot == 0 or some[slot - 1] != NULL or bool(lattice._closes[slot - 1])
            token = some[slot] if some[slot] != NULL else END if is_first else PAD
            return float(lattice._rows[slot][token])

        while lattice.is_feasible and lattice.is_open.any():
            # A pass is run in between, so that another part is there to be brought up to date.
            (lattice.log_z, lattice.marginals, lattice.best)[int(chance.integers(3))]()
            slot = int(chance.choice(np.flatnonzero(lattice.is_open)))
            left = {some: weight - of(slot, some) for some, weight in weights.items()}
            if chance.random() < 0.3:
                lattice.set_logits(slot, (2.0 * chance.standard_normal(WIDTH)).astype(np.float32))
                weights = {some: weight + of(slot, some) for some, weight in left.items()}
            else:
                # Any token of the slot's mask, not only the best: what it excludes may lie anywhere.
                token = int(chance.choice(sorted({some[slot] for some in weights})))
                lattice.commit(slot, token)
                weights = {some: weight for some, weight in left.items() if some[slot] == token}
                commits += 1
            check(lattice, weights)
    assert commits > 30


def test_the_draws_of_an_edge_and_of_its_token_are_independent() -> None:
    # Two tokens lead to a state in which a text may go on, two others to one in which it may not.
    table = np.array([[1, 1, 2, 2], [1, -1, -1, -1], [-1, -1, -1, -1]], np.int32)
    accepting = np.array([False, True, True])
    automaton = token_automaton(Dfa(0, table, np.arange(4, dtype=np.int32), accepting, ()))
    lattice = Lattice(automaton, [OPEN])
    lattice.set_logits(0, np.zeros(4, np.float32))
    draws = [int(lattice.sample(one)[0]) for one in np.random.default_rng(0).random((400, 1, 3))]
    assert min(np.bincount(draws, minlength=4)) > 70


def test_draws_follow_the_joint_law() -> None:
    seeds = [seed for seed in range(40) if 3 <= len(problem(seed)[1]) <= 60][:2]
    draws = 1000
    for seed in seeds:
        lattice, weights = problem(seed)
        chance = np.random.default_rng(seed)
        counted: dict[tuple[int, ...], int] = {}
        for uniforms in chance.random((draws, len(lattice), 3)):
            drawn = tuple(lattice.sample(uniforms).tolist())
            counted[drawn] = counted.get(drawn, 0) + 1
        z = log_z(weights)
        assert set(counted) <= set(weights)
        variation = 0.5 * sum(
            abs(counted.get(some, 0) / draws - math.exp(weight - z)) for some, weight in weights.items()
        )
        # The expected distance of an exact sampler is at most sum sqrt(p (1 - p) / (2 pi n)).
        expected = sum(
            math.sqrt(math.exp(one - z) * (1 - math.exp(one - z)) / (2 * math.pi * draws))
            for one in weights.values()
        )
        assert variation < 2.0 * expected + 0.01


def test_a_step_reduces_only_the_rows_that_are_new(monkeypatch: pytest.MonkeyPatch) -> None:
    reduced: list[float] = []

    def counted(automaton: TokenAutomaton, row: np.ndarray, *more: object) -> np.ndarray:
        reduced.append(float(row[0]))
        return class_scores(automaton, row, *more)

    monkeypatch.setattr(lattices, "class_scores", counted)
    lattice, _ = problem(next(seed for seed in range(40) if len(problem(seed)[1]) > 5))
    lattice.marginals()
    lattice.best(2)
    assert len(reduced) == int(lattice.is_open.sum())
    lattice.set_logits(int(np.flatnonzero(lattice.is_open)[0]), np.full(WIDTH, 0.25, np.float32))
    lattice.log_z()
    assert reduced[-1] == 0.25 and len(reduced) == int(lattice.is_open.sum()) + 1
    slot = int(np.flatnonzero(lattice.is_open)[-1])
    lattice.commit(slot, int(lattice.best()[0][1][slot]))
    lattice.marginals()
    assert len(reduced) == int(lattice.is_open.sum()) + 2


@for_each("seed", range(15))
def test_the_allowed_law_of_a_slot_is_its_own_softmax_over_what_some_filling_holds(seed: int) -> None:
    lattice, weights = problem(seed)
    if not weights:
        return
    for slot in np.flatnonzero(lattice.is_open).tolist():
        row = lattice._rows[slot].astype(np.float64)
        held = {some[slot] for some in weights}
        wanted = {token: math.exp(row[token if token != NULL else END]) for token in held}
        total = sum(wanted.values())
        law, null = lattice.allowed_law(slot)
        assert null == pytest.approx(wanted.get(NULL, 0.0) / total, rel=1e-9)
        for token, chance in enumerate(law.tolist()):
            assert chance == pytest.approx(wanted.get(token, 0.0) / total, rel=1e-9)


def test_a_null_behind_a_null_of_its_hole_has_the_logit_of_the_pad() -> None:
    base = random_automaton(np.random.default_rng(0), 3, 5)
    automaton = TokenAutomaton(
        **{
            **{name: getattr(base, name) for name in base.__dataclass_fields__},
            "accepting": np.ones(base.states, np.bool_),
        }
    )
    row = np.array([0.0, 0.0, 0.0, 0.0, 0.0, 3.0, 5.0], np.float32)
    for closes, logit in (([False, False, True], 5.0), ([False, True, True], 3.0)):
        lattice = Lattice(
            automaton, [OPEN] * 3, nullable=[True] * 3, closes=closes, end_token=END, pad_token=PAD
        )
        for slot in range(3):
            lattice.set_logits(slot, row)
        lattice.commit(1, NULL)
        _, null = lattice.allowed_law(2)
        allowed = int(lattice.token_mask(2).sum())
        assert null == pytest.approx(math.exp(logit) / (math.exp(logit) + allowed), rel=1e-9)
