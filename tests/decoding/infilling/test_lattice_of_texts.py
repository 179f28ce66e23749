"""Lattices of texts: tokens that span terminals, characters that span slots."""

from __future__ import annotations

import itertools
import re
from functools import cache

import pytest
from enumerated import check

import structgen as sg
from structgen.decoding.infilling.automata_of_grammars import language_of
from structgen.decoding.infilling.lattice import OPEN, Lattice, LatticeSlot

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
    slots = 4
    choices = [[fixed[slot]] if slot in fixed else range(len(TEXTS)) for slot in range(slots)]
    weights = {filling: 0.0 for filling in itertools.product(*choices) if fits(pattern, filling)}
    automaton = language_of(pattern, tokenizer(), "pattern").automaton
    check(Lattice(automaton, [LatticeSlot(fixed.get(slot, OPEN)) for slot in range(slots)]), weights)


def test_some_text_has_a_character_in_two_slots_and_a_token_over_two_terminals() -> None:
    split, spanning = TEXTS.index(b"\xc3"), TEXTS.index(b'\xa9"')
    assert fits(PATTERNS[0], (0, split, spanning, TEXTS.index(b": 1")))
