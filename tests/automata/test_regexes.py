"""`format: "regex"`: nothing but patterns, and many of them, judged by Node's RegExp."""

from __future__ import annotations

import random

import pytest
from node_regexp import NODE, judged
from reading import Walker

from structgen.automata.regex.ecma_syntax import parse_ecma
from structgen.base.language.ir import DEAD, Format, Not
from structgen.errors import RegexError

_PIECES = (
    r"( ) (?: (?= (?<! (?! (?<n> (?<name> (?<$a1> [ [^ ] \d \1 \2 \12 \k<n> \k<name> { } {2} {2,} {1,3} "
    r"{30,4} {300,1000} * + ? | ^ $ \b \B . a - z \ \u0061 \u{61} \u{1F600} \uD83D \uDE00 \x4 \x41 \cA "
    r"\c \0 0 1 9 \p{L} \P{Script=Greek} \p{sc=Latin} \p{Foo} \w \- \/ / \} \] é я 日 \t (?i: , < > = \u "
    r"\p {1, {,2} \uD83C\uDF00 -\uD83D\uDE4F \x7F- \u00ff \D A- a-z {0 \k !"
).split(" ")
_ENDS = (
    r"a z \x41 \u00e9 \u{1F600} \uD83D\uDE00 \uD83D - \- \cA \0 \d \t é я ж 日 ~ ] \b \] \u{0} \uDE00 "
    r"\u{FFFF}"
).split(" ")


def _any(draw: random.Random) -> str:
    return "".join(draw.choice(_PIECES) for _ in range(draw.randint(1, 6)))


def _pattern(draw: random.Random, depth: int = 0) -> str:
    kind = draw.random()
    if depth > 4 or kind < 0.25:
        return draw.choice(r"a é . \d \w [a-z] \u0061 \p{L} \0 ^ $ \b [^] [] \/ \1 \2".split(" "))
    if kind < 0.45:
        return _pattern(draw, depth + 1) + _pattern(draw, depth + 1)
    inner = _pattern(draw, depth + 1)
    if kind < 0.6:
        return draw.choice(["(", "(?:", "(?=", "(?<=", "(?!", f"(?<{draw.choice('abcd')}>"]) + inner + ")"
    if kind < 0.75:
        return inner + draw.choice(["*", "+", "?", "{2}", "{1,}", "{1,3}", "*?", "{12,7}"])
    if kind < 0.85:
        return inner + "|" + _pattern(draw, depth + 1)
    low, high = draw.choice(_ENDS), draw.choice(_ENDS)
    parts = (("", "^"), ("", low), ("", f"{low}-{high}"), ("", "-", r"\w-"), ("", "x"))
    return "[" + "".join(draw.choice(part) for part in parts) + "]"


def _texts(seed: int, count: int) -> list[str]:
    draw = random.Random(seed)
    texts = [_any(draw) if draw.random() < 0.5 else _pattern(draw) for _ in range(count)]
    for text in texts[::3]:
        at = draw.randrange(len(text) + 1)
        texts.append(text[:at] + draw.choice(_PIECES) + text[at + draw.randrange(2) :])
    return sorted(set(texts))


def _judged(texts: list[str]) -> list[bool]:
    if NODE is None:
        pytest.skip("node, whose RegExp is the oracle, is not installed")
    return [said is not None for said in judged([(text, "u", []) for text in texts])]


@pytest.fixture(scope="module")
def walker() -> Walker:
    return Walker(Format("regex"))


@pytest.mark.parametrize("seed", range(4))
def test_what_is_accepted_is_a_pattern_and_nothing_denied_is(walker: Walker, seed: int) -> None:
    """Of the patterns more than half are accepted; of the others some are denied."""
    texts, denied = _texts(seed, 500), Walker(Not(Format("regex")))
    counts = {True: [0, 0], False: [0, 0]}
    for text, valid in zip(texts, _judged(texts), strict=True):
        found = (walker if valid else denied).accepts(text)
        assert not (denied if valid else walker).accepts(text), text
        counts[valid][found] += 1
    assert counts[True][1] > counts[True][0] and counts[False][1] > 20, counts


def test_the_counts_of_a_repetition_are_in_order(walker: Walker) -> None:
    numbers = [*map(str, range(13)), "00", "01", "09", "010", "99", "100", "999", ""]
    texts = [f"a{{{least},{most}}}" for least in numbers for most in numbers]
    taken = [text for text in texts if walker.accepts(text)]
    assert all(_judged(taken)) and len(taken) > 100


def test_a_pattern_that_was_begun_is_completed_to_one(walker: Walker) -> None:
    completed = []
    for text in _texts(9, 150):
        for size in range(len(text) + 1):
            state = walker.run(text[:size])
            if state == DEAD:
                break
            completed.append(text[:size] + walker.pool.shortest_rests(state)[0].decode())
    completed += [text.decode() for text in walker.texts(60, seed=3, most=25)]
    assert all(_judged(completed))


def test_a_pattern_that_the_format_takes_is_read_by_the_reader(walker: Walker) -> None:
    for text in walker.texts(60, seed=4, most=25):
        try:
            parse_ecma(text.decode())
        except RegexError as error:  # a pattern of ECMA-262 that no automaton reads
            assert "look-behind" in str(error), text
