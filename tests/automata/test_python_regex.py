"""Python's patterns as trees and in ECMA-262's syntax, held to re: code points of sets, texts of trees."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator

import pytest
import regex_twin
from for_each import for_each
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import structgen as sg
from structgen.automata.regex import ecma_syntax
from structgen.automata.regex.ecma_text import ecma_of_form
from structgen.automata.regex.python_syntax import parse_python
from structgen.automata.regex.syntax_tree import (
    Alternation,
    CharacterClass,
    Concatenation,
    LookAround,
    Node,
    Repetition,
    TextEnd,
    TextStart,
)
from structgen.errors import RegexError

SETS = [
    "a", "[^a]", r"\d", r"\D", r"\w", r"\W", r"\s", r"\S", "[a-f]", r"[^\W\d]", r"[\s\S]", "k", "K", "s",
    "\u017f", "[^s]", "[K-T]", "[à-ý]", "ß", "ẞ", "\u0131", "İ", "i", "[^i]", "µ", "\u039c", "[Ͱ-ϡ]",
    "[^\x00-\x7f]", "ﬅ", "ǅ", "[\U00010400-\U00010410]", "\U00010428", r"[\W_k]", "[^ -~]",
    "[A-Z\U00010400]", "ᲀ", "[ᾳ]", "1", "[0-9k-l]",
]  # fmt: skip
FLAGS = [0, re.I, re.A, re.I | re.A]


@pytest.mark.parametrize("size", [0x20000, pytest.param(0x110000, marks=pytest.mark.slow)])
def test_a_set_has_the_members_that_re_finds(size: int) -> None:
    every = "".join(map(chr, range(size)))
    for source, flags in itertools.product(SETS, FLAGS):
        node = parse_python(source, flags)
        assert isinstance(node, CharacterClass)
        runs = re.compile(f"{source}+", flags).finditer(every)
        ranges = [(low, min(high, size - 1)) for low, high in node.ranges if low < size]
        assert ranges == [(run.start(), run.end() - 1) for run in runs], (source, flags)


def ends(node: Node, text: str, at: int) -> Iterator[int]:
    """Yield where a node's matches from `at` on end, in the order in which re finds them."""
    match node:
        case CharacterClass(ranges):
            if at < len(text) and any(low <= ord(text[at]) <= high for low, high in ranges):
                yield at + 1
        case Concatenation(parts):
            if not parts:
                yield at
            else:
                for middle in ends(parts[0], text, at):
                    yield from ends(Concatenation(parts[1:]), text, middle)
        case Alternation(parts):
            for part in parts:
                yield from ends(part, text, at)
        case Repetition(of, least, most, greedy):
            yield from repeated(of, least, most, greedy, text, at)
        case TextStart():
            if at == 0:
                yield at
        case TextEnd():
            if at == len(text):
                yield at
        case LookAround(ahead, holds, of):
            starts = [at] if ahead else range(at + 1)
            if any(ahead or end == at for start in starts for end in ends(of, text, start)) == holds:
                yield at


def repeated(of: Node, least: int, most: int | None, greedy: bool, text: str, at: int) -> Iterator[int]:
    if least == 0 and not greedy:
        yield at
    if most is None or most > 0:
        for middle in ends(of, text, at):
            if least > 0 or middle > at:
                fewer = None if most is None else most - 1
                yield from repeated(of, max(0, least - 1), fewer, greedy, text, middle)
            elif greedy:
                yield at
    if least == 0 and greedy:
        yield at


def texts(alphabet: str, most: int) -> Iterator[str]:
    for size in range(most + 1):
        for letters in itertools.product(alphabet, repeat=size):
            yield "".join(letters)


def agree(pattern: str, flags: int = 0, alphabet: str = "ab\n", most: int = 4) -> None:
    node, compiled = parse_python(pattern, flags), re.compile(pattern, flags)
    for text in texts(alphabet, most):
        whole = compiled.fullmatch(text) is not None
        assert (len(text) in ends(node, text, 0)) == whole, text
        first = compiled.match(text)
        assert next(ends(node, text, 0), None) == (None if first is None else first.end()), text


@for_each(
    "pattern",
    [
        "", "a", "a|b", "ab|a|", "(?:a|ab)(?:b|)", "a*?b", "a{1,2}?b*", "(a+)b", "(?P<x>a)b",
        "^a", "a$", "a$\n", r"\Aa\Z",
        "(?m:^a$)", "(?m:^a$)\n^b", r"\ba", r"a\b", r"a\Bb", r"\B", r"\Ba\B", "(?=a)[ab]+", "(?!ab)[ab]*",
        "a(?<=a)b", "[ab]*(?<!b)", "(?<=a)b", "(?s:.)b", ".b", "(?i:A)b", "(?i:A(?-i:b))", "(?!)", "a(?!)|b",
        "(?:|a)*", "(?:b?|a)*b", "(?:|a){1,2}", "(?:a??)*", "(?:|a)*?$", "(?:a|(?=b)|b)*",
        "(?x: a # b\n b)", r"(?a:\w)b", "(?:)*", "(?:a|ab|b)*b$",
    ],
)  # fmt: skip
def test_a_tree_matches_as_re_does(pattern: str) -> None:
    agree(pattern)


@pytest.mark.parametrize("flags", [re.M, re.S, re.I, re.X, re.A, re.M | re.I | re.S])
def test_flags_are_those_of_the_whole_pattern(flags: int) -> None:
    for pattern in (r"^A.b $", r"a$.^b", r"\bA\B."):
        agree(pattern, flags, "aAb \n", 4)


def test_a_flag_within_turns_ascii_off_and_on() -> None:
    assert parse_python(r"(?a:\d)") == parse_python(r"\d", re.A) != parse_python(r"\d")


_leaf = st.sampled_from(["a", "b", "[ab]", ".", "[^a]", r"\b", "^", "$", "", r"\B", "A", "(?i:A)"])


def _grown(children: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    quantifiers = st.sampled_from(["*", "+", "?", "*?", "+?", "??", "{2}", "{1,2}", "{0,2}?"])
    plain = st.sampled_from(["a", "[ab]", "ab", "a|b", "(?:ab|a)", "b|ab", "|a", "a?|b", "b??"])
    return st.one_of(
        st.tuples(children, children).map("".join),
        st.tuples(children, children).map(lambda two: f"(?:{two[0]}|{two[1]})"),
        st.tuples(plain, quantifiers).map(lambda two: f"(?:{two[0]}){two[1]}"),
        children.map(lambda one: f"(?={one})"),
        children.map(lambda one: f"(?!{one})"),
        st.sampled_from(["(?<=a)", "(?<!b)", "(?<=ab)", "(?<=^a)"]),
    )


@settings(max_examples=4 * settings().max_examples, deadline=None)
@given(pattern=st.recursive(_leaf, _grown, max_leaves=6), flags=st.sampled_from([0, re.M, re.S]))
def test_random_patterns_match_as_in_re(pattern: str, flags: int) -> None:
    agree(pattern, flags, "ab\n", 3)


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        (r"(a)\1", "back-reference"),
        (r"(?P<x>a)(?P=x)", "back-reference"),
        (r"(a)?(?(1)b|c)", "condition"),
        ("a(", "missing \\), unterminated subpattern .* column 2|column 2.*missing"),
        ("a**", "multiple repeat"),
        ("(?<=a*)b", "fixed-width"),
        ("[b-a]", "bad character range"),
        ("a{99999999999999999999}", "repetition number is too large"),
        ("(" * 101 + ")" * 101, "deeper than 100"),
        ("(?L:a)", "locale|LOCALE|'L'"),
    ],
)
def test_what_cannot_be_read_is_refused_by_name(pattern: str, said: str) -> None:
    with pytest.raises(RegexError, match=said):
        parse_python(pattern)


def test_a_fault_has_its_line_and_column() -> None:
    with pytest.raises(RegexError) as caught:
        parse_python("a\nb(", where="NAME")
    assert caught.value.where == "NAME, line 2, column 2"


@pytest.mark.parametrize(
    "pattern", ["a(bc|d)+?e", "[a-f]{2,}x?", "^(?=ab|c)a$", "(?<!ab)c|(?:)", "a|b|[d-f]", r"\D[^\d\x41]{0,7}"]
)
def test_both_readers_make_the_same_tree(pattern: str) -> None:
    assert parse_python(pattern.replace("$", r"\Z"), re.A) == ecma_syntax.parse_ecma(pattern)


# --- the same patterns in ECMA-262's syntax ----------------------------------------------------------------


def translation_agrees(pattern: str, most: int) -> None:
    tree, compiled = ecma_syntax.parse_ecma(ecma_of_form(pattern, 0)), re.compile(pattern)
    for text in texts("ab\n", most):
        assert (len(text) in regex_twin.ends(tree, text, {0})) == (compiled.fullmatch(text) is not None), text


@pytest.mark.parametrize(
    "pattern",
    [
        r"[ab]+(?<!\bab)",
        r"(?<=\ba)b|a(?<=a\b)\n|b*", r"a\n?(?<=a$)\n?", r"(?<!a$)(?m:(?<=^)a|\nb(?<=^b))*",
        r"(?:\n|a)+(?<=a(?!b)\n)b?", "(?:(?:a{0,2}){0,2}b){0,2}",
    ],
)  # fmt: skip
def test_the_texts_are_those_of_re(pattern: str) -> None:
    translation_agrees(pattern, 5)


_behind = _leaf.filter(lambda one: "A" not in one) | st.sampled_from(["(?<!ab)", r"(?<=\ba)"])


@pytest.mark.slow
@settings(max_examples=300, deadline=None)
@given(pattern=st.recursive(_behind, _grown, max_leaves=6))
def test_random_patterns_have_the_texts_of_re(pattern: str) -> None:
    try:
        re.compile(pattern)
    except re.error:
        assume(False)
    translation_agrees(pattern, 4)


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
