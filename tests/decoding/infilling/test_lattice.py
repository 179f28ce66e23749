"""Masks and laws of slots of a lattice, against all fillings listed."""

from __future__ import annotations

import math

import numpy as np
import pytest
from enumerated import Weights, check, fillings_of, random_automaton
from for_each import for_each

from structgen.decoding.infilling.lattice import NULL, OPEN, Lattice, LatticeSlot
from structgen.decoding.infilling.token_automaton import TokenAutomaton
from structgen.errors import StructgenError

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


@for_each("seed", range(30))
def test_a_lattice_says_what_the_list_of_all_fillings_says(seed: int) -> None:
    check(*problem(seed))


def test_after_commits_a_lattice_says_what_the_list_of_all_fillings_says() -> None:
    commits = 0
    for seed in range(20):
        lattice, weights = problem(seed)
        chance = np.random.default_rng(seed)
        while lattice.is_feasible and len(lattice.open_slots):
            # A mask is asked for in between, so that another part is there to be brought up to date.
            lattice.token_mask(int(chance.choice(lattice.open_slots)))
            slot = int(chance.choice(lattice.open_slots))
            # Any token of the slot's mask, not only the best: what it excludes may lie anywhere.
            token = int(chance.choice(sorted({some[slot] for some in weights})))
            lattice.commit(slot, token)
            weights = {some: weight for some, weight in weights.items() if some[slot] == token}
            commits += 1
            check(lattice, weights)
    assert commits > 30


@for_each("seed", range(15))
def test_the_allowed_law_of_a_slot_is_its_own_softmax_over_what_some_filling_holds(seed: int) -> None:
    lattice, weights = problem(seed)
    if not weights:
        return
    for slot in lattice.open_slots.tolist():
        row = lattice.logits[slot].astype(np.float64)
        held = {some[slot] for some in weights}
        wanted = {token: math.exp(row[token if token != NULL else END]) for token in held}
        total = sum(wanted.values())
        law = lattice.allowed_law(slot)
        assert law[-1] == pytest.approx(wanted.get(NULL, 0.0) / total, rel=1e-9)
        for token, chance in enumerate(law[:-1].tolist()):
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
            automaton, [LatticeSlot(OPEN, True, one) for one in closes], end_token=END, pad_token=PAD
        )
        for slot in range(3):
            lattice.set_logits(slot, row)
        lattice.commit(1, NULL)
        null = lattice.allowed_law(2)[-1]
        allowed = int(lattice.token_mask(2)[:-1].sum())
        assert null == pytest.approx(math.exp(logit) / (math.exp(logit) + allowed), rel=1e-9)


@pytest.mark.parametrize("value", [math.nan, math.inf])
@pytest.mark.parametrize("token", range(WIDTH))
def test_a_logit_that_is_no_number_is_found_whatever_its_token(value: float, token: int) -> None:
    lattice = Lattice(random_automaton(np.random.default_rng(0), 3, 5), [LatticeSlot()])
    row = np.zeros(WIDTH, np.float32)
    row[token] = value
    with pytest.raises(StructgenError, match="as a logit"):
        lattice.set_logits(0, row)


def test_logits_that_exclude_all_tokens_that_fit_are_an_error_that_names_the_slot() -> None:
    lattice, _ = next(one for one in map(problem, range(40)) if one[1] and len(one[0].open_slots))
    slot = int(lattice.open_slots[0])
    lattice.set_logits(slot, np.full(WIDTH, -math.inf, np.float32))
    with pytest.raises(StructgenError, match=f"slot {slot}: No filling is valid"):
        lattice.allowed_law(slot)
