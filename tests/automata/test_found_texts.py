"""Patterns that search for texts find the strings that `re` finds, by the automata of the
general construction, and their work is linear in their length."""

from __future__ import annotations

import random
import re

import numpy as np
import pytest

import structgen as sg
from structgen.automata.regex.ecma_syntax import parse_ecma
from structgen.automata.strings.automata import Automaton, complement
from structgen.automata.strings.banned_patterns import minimal_texts, pattern_of, texts_of
from structgen.automata.strings.found_texts import automaton_of_found_texts
from structgen.automata.strings.patterns import automaton_of
from structgen.automata.strings.string_pool import StringPool
from structgen.base.language.ir import Not, Pattern, Spec
from structgen.base.limits import DEFAULT, Limits
from structgen.base.system.public_calls import THIS_CALL
from structgen.errors import LimitError
from structgen.tokens.tokenizer import byte_tokenizer

LETTERS = "abAB\n"


def drawn(chance: random.Random) -> str:
    """Draw a pattern of letters, classes, counts and alternatives, perhaps between optional parts."""

    def part(depth: int) -> str:
        kind = chance.random()
        if kind < 0.4 or not depth:
            return "".join(chance.choices("aabAB", k=chance.randint(1, 3)))
        if kind < 0.6:
            return chance.choice(["[ab]", "[aA]", "[^a]", "[a-b]", "[bB]"])
        if kind < 0.75:
            return f"(?:{part(depth - 1)}){{{chance.randint(1, 3)}}}"
        if kind < 0.9:
            return f"(?:{part(depth - 1)}|{part(depth - 1)})"
        return part(depth - 1) + part(depth - 1)

    found = "".join(part(2) for _ in range(chance.randint(1, 2)))
    before = chance.choice(["", "", "", ".*", "[ab]*?", "b?", "^", "^"])
    after = chance.choice(["", "", "$", ".*", "A{0,2}", "b?$"])
    joined = f"{before}{found}{after}"
    return f"(?i:{joined})" if chance.random() < 0.2 else joined


def strings(chance: random.Random, count: int) -> list[str]:
    return ["".join(chance.choices(LETTERS, (4, 4, 2, 2, 1), k=chance.randint(0, 12))) for _ in range(count)]


def same(one: Automaton, other: Automaton) -> bool:
    return np.array_equal(one.trans, other.trans) and np.array_equal(one.accept, other.accept)


def held(seed: int, count: int) -> int:
    """Hold drawn patterns to `re` and to the general construction; return how many have texts."""
    chance, met = random.Random(seed), 0
    for _ in range(count):
        source = drawn(chance)
        tree = parse_ecma(source)
        found = automaton_of_found_texts(tree)
        if found is None:
            continue
        met += 1
        assert same(found, automaton_of(tree)), source
        # the end of the text is \Z in Python, and ECMA-262's dot leaves out three more line terminators
        wanted = re.compile(source.replace("$", r"\Z"))
        others = complement(found)
        for text in strings(chance, 20):
            is_in = wanted.search(text) is not None
            assert bool(found.outcome_of(text)) is is_in, (source, text)
            assert bool(others.outcome_of(text)) is not is_in, (source, text)
    return met


def test_a_search_for_texts_finds_what_re_finds() -> None:
    assert held(7, 250) > 150


@pytest.mark.slow
def test_many_searches_for_texts_find_what_re_finds() -> None:
    assert held(8, 20_000) > 12_000


def test_texts_that_hold_no_other_are_those_of_all_pairs() -> None:
    chance = random.Random(3)
    for _ in range(300):
        texts = ["".join(chance.choices("ab", k=chance.randint(1, 6))) for _ in range(chance.randint(1, 9))]
        wanted = [one for one in sorted({*texts}) if not any(two in one and two != one for two in texts)]
        assert list(minimal_texts(texts)) == wanted


def test_the_texts_of_a_pattern_of_texts_are_read_again_and_no_others() -> None:
    chance = random.Random(4)
    for _ in range(300):
        texts = ["".join(chance.choices("ab|\\.\n(", k=chance.randint(1, 5))) for _ in range(3)]
        assert texts_of(pattern_of(texts)) == texts
    for other in ("a*", "^a", "a||b", "[ab]", "a|", r"a\d", "(a|b)c"):
        assert texts_of(other) is None


def spent(source: str, is_denied: bool) -> int:
    formula = Not(Pattern(source)) if is_denied else Pattern(source)
    with THIS_CALL.begin_call(DEFAULT):
        StringPool(DEFAULT).start(Spec((formula,)), min)
        return THIS_CALL.spent


LINEAR = {
    "one letter": lambda n: "a" * n,
    "two letters": lambda n: "ab" * (n // 2),
    "at the end": lambda n: "ab" * (n // 2) + "$",
    "behind anything": lambda n: ".*" + "aab" * (n // 3),
    "before anything": lambda n: "aab" * (n // 3) + ".*",
    "a class": lambda n: "[ab]" * n,
    "a counted class": lambda n: f"[ab]{{{n}}}",
    "disjoint classes": lambda n: "[ab][0-9]" * (n // 2),
    "any case": lambda n: f"(?i:{'a' * n})",
    "alternatives": lambda n: f"{'a' * n}|{'b' * n}",
    "alternatives of beginnings": lambda n: f"{'a' * n}b|{'a' * (n - 1)}c",
    "one start": lambda n: "^" + "a" * n,
}


@pytest.mark.parametrize("is_denied", [False, True], ids=["asked", "denied"])
@pytest.mark.parametrize("name", LINEAR)
def test_the_steps_of_a_long_text_are_linear_in_its_length(name: str, is_denied: bool) -> None:
    some, twice = (spent(LINEAR[name](n), is_denied) for n in (3_000, 6_000))
    assert twice < 2.1 * some + 100


FEW = Limits(oracle_steps=20_000)
QUADRATIC = ["^.*" + "a" * 9_000, "^.*" + "[ab]" * 9_000 + "$", "a[aA]" * 4_500, "^.*a.{40}$"]


@pytest.mark.parametrize("source", QUADRATIC, ids=["dot", "classes", "overlaps", "counted"])
def test_what_is_not_linear_is_refused_within_the_steps_of_a_call(source: str) -> None:
    with THIS_CALL.begin_call(FEW), pytest.raises(LimitError) as caught:
        StringPool(FEW).start(Spec((Pattern(source),)), min)
    assert caught.value.limit in ("automaton_states", "oracle_steps")
    assert THIS_CALL.spent <= FEW.oracle_steps


def test_a_scanner_of_a_long_text_beside_a_class_spends_steps() -> None:
    grammar = sg.ebnf(f'root ::= [a-z]* "{"ab" * 100}" [a-z]*')
    compiled = sg.compile(grammar, byte_tokenizer(), store=False, limits=Limits(oracle_steps=400))
    with pytest.raises(LimitError) as caught:
        sg.Matcher(compiled).tokens_to_finish()
    assert caught.value.limit == "oracle_steps"
