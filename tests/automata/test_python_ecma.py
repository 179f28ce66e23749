"""Python's patterns in ECMA-262's syntax, held to re.fullmatch by a matcher of ECMA-262's trees."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from regex_twin import ends

import structgen as sg
from structgen.automata.regex.ecma_syntax import parse
from structgen.automata.regex.ecma_text import ecma_of_form
from structgen.errors import RegexError


def texts(alphabet: str, most: int) -> Iterator[str]:
    for size in range(most + 1):
        for letters in itertools.product(alphabet, repeat=size):
            yield "".join(letters)


def agree(pattern: str, flags: int = 0, alphabet: str = "ab\n", most: int = 4) -> None:
    tree, compiled = parse(ecma_of_form(pattern, flags)), re.compile(pattern, flags)
    for text in texts(alphabet, most):
        assert (len(text) in ends(tree, text, {0})) == (compiled.fullmatch(text) is not None), text


@pytest.mark.parametrize(
    "pattern",
    [
        r"[ab]+(?<!\bab)",
        r"(?<=\ba)b|a(?<=a\b)\n|b*", r"a\n?(?<=a$)\n?", r"(?<!a$)(?m:(?<=^)a|\nb(?<=^b))*",
        r"(?:\n|a)+(?<=a(?!b)\n)b?", "(?:(?:a{0,2}){0,2}b){0,2}",
    ],
)  # fmt: skip
def test_the_texts_are_those_of_re(pattern: str) -> None:
    agree(pattern, most=5)


_leaf = st.sampled_from(["a", "b", "[ab]", ".", r"\b", "^", "$", "", r"\B", "(?<=a)", "(?<!ab)", r"(?<=\ba)"])


def _grown(children: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    quantifiers = st.sampled_from(["*", "+", "?", "*?", "??", "{2}", "{1,2}", "{0,2}?"])
    plain = st.sampled_from(["a", "[ab]", "ab", "a|b", "ab|a", "b|ab", "|a", "a?|b", "b??", "a|ba"])
    return st.one_of(
        st.tuples(children, children).map("".join),
        st.tuples(children, children).map(lambda two: f"(?:{two[0]}|{two[1]})"),
        st.tuples(plain, quantifiers).map(lambda two: f"(?:{two[0]}){two[1]}"),
        children.map(lambda one: f"(?={one})"),
        children.map(lambda one: f"(?!{one})"),
    )


@pytest.mark.slow
@settings(max_examples=300, deadline=None)
@given(pattern=st.recursive(_leaf, _grown, max_leaves=6))
def test_random_patterns_have_the_texts_of_re(pattern: str) -> None:
    try:
        re.compile(pattern)
    except re.error:
        assume(False)
    agree(pattern, most=4)


@pytest.mark.parametrize(
    ("pattern", "what"), [("(?>a|ab)c", "An atomic group"), ("a*+b", "A possessive quantifier")]
)
def test_the_order_of_trials_is_refused_by_name(pattern: str, what: str) -> None:
    with pytest.raises(RegexError, match=what):
        ecma_of_form(pattern)
    with pytest.raises(RegexError, match=f"terminal A: {what}"):
        sg.lark(f"start: A\nA: /{pattern}/\n")


def test_repeats_of_optional_repeats_are_one() -> None:
    assert ecma_of_form("(a{0,1000}){0,1000}") == "^(?:a{0,1000000})$"
