"""Automata against the texts that they hold: products, complements, minimal ones; alphabets."""

from __future__ import annotations

import random

import numpy as np
from for_each import for_each

from structgen.automata.strings.alphabets import (
    ONE,
    Alphabet,
    alphabet_of_letters,
    common_alphabet,
    divide_alphabet,
)
from structgen.automata.strings.automata import (
    Automaton,
    complement,
    intersect_automata,
    minimal_automaton,
    unite_automata,
)


def drawn(seed: int, states: int, width: int) -> Automaton:
    """Return the minimal automaton of a random table."""
    chance = random.Random(seed)
    trans = [[chance.randrange(-1, states) for _ in range(width)] for _ in range(states)]
    accept = [int(chance.random() < 0.3) for _ in range(states)]
    starts = np.array([0, *range(97, 97 + width - 1)], np.int64)
    alphabet = Alphabet(starts, np.arange(width, dtype=np.int32), width)
    return minimal_automaton(alphabet, np.array(trans, np.int32), np.array(accept, np.int32))


def texts(width: int) -> list[str]:
    chars = "\0" + "abcdefgh"[: width - 1]
    found = [""]
    for text in found:
        if len(text) < 5:
            found += [text + char for char in chars]
    return found


@for_each("seed", range(12))
def test_products_and_complements_are_those_of_the_texts(seed: int) -> None:
    one, two = drawn(seed, 6, 3), drawn(seed + 100, 5, 3)
    made = intersect_automata([one, two]), unite_automata([one, two]), complement(one)
    for text in texts(3):
        first, second = bool(one.outcome_of(text)), bool(two.outcome_of(text))
        assert [bool(automaton.outcome_of(text)) for automaton in made] == [
            first and second,
            first or second,
            not first,
        ]


@for_each("seed", range(12))
def test_no_two_states_of_a_minimal_automaton_are_equivalent(seed: int) -> None:
    found = drawn(seed, 12, 3)
    block = found.accept.tolist()
    while True:  # E. F. Moore's refinement
        names = [
            (own, *(block[to] if to >= 0 else -1 for to in row))
            for own, row in zip(block, found.trans.tolist(), strict=True)
        ]
        order = {name: at for at, name in enumerate(sorted(set(names)))}
        finer = [order[name] for name in names]
        if len(set(finer)) == len(set(block)):
            break
        block = finer
    assert len(set(block)) == found.states
    again = minimal_automaton(found.alphabet, found.trans, found.accept)
    assert (again.trans == found.trans).all()
    assert (complement(complement(found)).trans == found.trans).all() or found.is_empty


def test_an_alphabet_tells_apart_what_its_sets_do() -> None:
    sets = ((97, 122),), ((48, 57), (0xE9, 0xE9)), ((110, 0x10FFFF),)
    alphabet, member = divide_alphabet(sets)
    for point in (0, 47, 48, 97, 109, 110, 123, 0xE9, 0xD800, 0x10FFFF):
        kind = int(alphabet.classes_of(np.array([point]))[0])
        assert [bool(row[kind]) for row in member] == [
            any(low <= point <= high for low, high in ranges) for ranges in sets
        ]
    letters, kinds = alphabet_of_letters("ax\U0010ffff")
    finer, columns = common_alphabet([alphabet, letters, ONE])
    for char in "abxyz\0é\U0010ffff":
        point = np.array([ord(char)])
        kind = int(finer.classes_of(point)[0])
        assert columns[:, kind].tolist() == [
            int(one.classes_of(point)[0]) for one in (alphabet, letters, ONE)
        ]
        assert (kinds.get(char, -1) == int(letters.classes_of(point)[0])) == (char in kinds)
