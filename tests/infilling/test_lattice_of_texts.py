"""Lattices of texts: tokens that span terminals, characters that span slots; and long runs of changes."""

from __future__ import annotations

import itertools
import math
import re
from functools import cache

import numpy as np
import pytest
from enumerated import random_automaton

import structgen as sg
from structgen.infilling.automata_of_grammars import language_of
from structgen.infilling.lattice import NULL, OPEN, Lattice

TEXTS = (
    b'"',
    b"a",
    b'a"',
    b'": ',
    b'":',
    b" ",
    b"1",
    b": 1",
    b"\xc3",
    b"\xa9",
    b'\xa9"',
    b'1, "',
    b"\xa9a",
    b":",
    b",",
)
"""Tokens that end in the midst of a character, or reach from a string into what stands behind it."""
PATTERNS = (
    r'"[aé]{1,3}": ?1?',
    r'("a*é?": 1(, )?)+',
    r'a|é|"[é1 ]*"',
)


@cache
def tokenizer() -> sg.Tokenizer:
    """Return a tokenizer of these, and of all other single bytes, which no pattern takes."""
    rest = [bytes((byte,)) for byte in range(256) if bytes((byte,)) not in TEXTS]
    return sg.Tokenizer.from_bytes([*TEXTS, *rest, b"</s>"], eos_token_id=len(TEXTS) + len(rest))


def fits(pattern: str, filling: tuple[int, ...]) -> bool:
    """Return what Python's re says of the text of some tokens."""
    try:
        return re.fullmatch(pattern, b"".join(TEXTS[one] for one in filling).decode()) is not None
    except UnicodeDecodeError:
        return False


@pytest.mark.parametrize("fixed", [{}, {1: 8}, {0: 0, 3: 3}], ids=("open", "half a character", "ends"))
@pytest.mark.parametrize("pattern", PATTERNS, ids=("member", "list", "choice"))
def test_a_lattice_of_texts_is_the_list_of_texts_that_fit(pattern: str, fixed: dict[int, int]) -> None:
    slots, width = 4, tokenizer().vocab_size
    logits = (3.0 * np.random.default_rng(len(pattern)).standard_normal((slots, width))).astype(np.float32)
    choices = [[fixed[slot]] if slot in fixed else range(len(TEXTS)) for slot in range(slots)]
    free = [slot for slot in range(slots) if slot not in fixed]
    weights = {
        filling: math.fsum(float(logits[slot, filling[slot]]) for slot in free)
        for filling in itertools.product(*choices)
        if fits(pattern, filling)
    }
    automaton = language_of(pattern, tokenizer(), "pattern").automaton
    lattice = Lattice(automaton, [fixed.get(slot, OPEN) for slot in range(slots)])
    for slot in free:
        lattice.set_logits(slot, logits[slot])
    assert lattice.is_feasible == bool(weights)
    for slot in free:
        held = {filling[slot] for filling in weights}
        assert set(np.flatnonzero(lattice.token_mask(slot)).tolist()) == held
    if not weights:
        return
    z = math.log(math.fsum(math.exp(one) for one in weights.values()))
    assert lattice.log_z() == pytest.approx(z, rel=1e-9, abs=1e-9)
    for slot in free:
        chances, _ = lattice.token_marginals(slot, lattice.marginals())
        for token in range(len(TEXTS)):
            share = math.fsum(math.exp(one - z) for some, one in weights.items() if some[slot] == token)
            assert chances[token] == pytest.approx(share, rel=1e-9, abs=1e-12)
    best = lattice.best(3)
    assert [value for value, _ in best] == pytest.approx(sorted(weights.values(), reverse=True)[:3], rel=1e-9)
    for value, filling in best:
        assert weights[tuple(filling.tolist())] == pytest.approx(value, rel=1e-9)
    for uniforms in np.random.default_rng(1).random((20, slots, 3)):
        assert tuple(lattice.sample(uniforms).tolist()) in weights


def test_some_text_has_a_character_in_two_slots_and_a_token_over_two_terminals() -> None:
    split, spanning = TEXTS.index(b"\xc3"), TEXTS.index(b'\xa9"')
    assert fits(PATTERNS[0], (0, split, spanning, TEXTS.index(b": 1")))


def questions(lattice: Lattice) -> dict[str, list[float]]:
    """Return what each kind of pass says, as numbers."""
    if not lattice.is_feasible:
        return {}
    chances, nulls = lattice.marginals()
    best = lattice.best(2)
    uniforms = np.random.default_rng(0).random((len(lattice), 3))
    return {
        "log z": [lattice.log_z()],
        "marginals": [*chances.ravel().tolist(), *nulls.tolist()],
        "entropies": lattice.entropies((chances, nulls)).tolist(),
        "best": [value for value, _ in best],
        "sample": lattice.sample(uniforms).astype(float).tolist(),
    }


@pytest.mark.parametrize("seed", range(8))
def test_after_commits_new_logits_and_questions_a_lattice_says_what_a_new_one_says(seed: int) -> None:
    chance = np.random.default_rng(seed)
    automaton = random_automaton(chance, 6, 8)
    count, width = 12, 9
    nullable, closes = np.zeros(count, np.bool_), np.zeros(count, np.bool_)
    nullable[3:7] = nullable[9:] = closes[[6, 11]] = True
    logits = (3.0 * chance.standard_normal((count, width))).astype(np.float32)

    def fresh(tokens: list[int]) -> Lattice:
        made = Lattice(
            automaton,
            [OPEN if one == NULL else one for one in tokens],
            nullable=nullable & (np.array(tokens) < 0),
            closes=closes,
            end_token=8,
        )
        for slot, token in enumerate(tokens):
            if token == NULL:
                made.commit(slot, NULL)
            made.set_logits(slot, logits[slot].copy())
        return made

    lattice = fresh([OPEN] * count)
    asks = [lattice.log_z, lattice.marginals, lambda: lattice.best(2), lambda: lattice.best(1)]
    commits = 0
    while lattice.is_feasible and lattice.is_open.any():
        # Some passes are run in between, so that each has brought another part up to date.
        asks[int(chance.integers(len(asks)))]()
        slot = int(chance.choice(np.flatnonzero(lattice.is_open)))
        if chance.random() < 0.5:
            logits[slot] = 3.0 * chance.standard_normal(width)
            lattice.set_logits(slot, logits[slot].copy())
        else:
            allowed = np.flatnonzero(lattice.token_mask(slot)).tolist()
            if lattice.null_allowed(slot):
                allowed.append(NULL)
            lattice.commit(slot, int(chance.choice(allowed)))
            commits += 1
        if chance.random() < 0.5:
            found, wanted = questions(lattice), questions(fresh(lattice.tokens.tolist()))
            assert found.keys() == wanted.keys()
            for name in found:
                assert found[name] == pytest.approx(wanted[name], rel=1e-9, abs=1e-9), name
    assert commits == count or not lattice.is_feasible
