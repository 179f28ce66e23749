"""Families of conditions on strings that multiply, held to the matcher of regex_twin.py; and what keeps their
automata small."""

from __future__ import annotations

import random

import pytest
from for_each import for_each
from reading import Walker
from regex_twin import holds

from structgen.automata.regex.counted_class import without_count
from structgen.base.language.ir import All, Any_, Format, Formula, Length, Not, Pattern, Words


def denied(*patterns: str) -> Formula:
    return Not(Any_((Not(All(tuple(map(Pattern, patterns)))),)))


FAMILIES: dict[str, Formula] = {
    "a gap": Pattern("a.{6}b"),
    "counts within counts": Pattern("^(?:a{1,5}b){1,5}$"),
    "two gaps and a length": All((Pattern("a.{3}b"), Pattern("b.{2}c"), Pattern("^[abc]*$"), Length(0, 12))),
    "letters in any order": All((*map(Pattern, "abcd"), Length(0, 9))),
    "negations that multiply": All(
        (Any_((denied("^[^\n]{7}$", "^a+-?", "b|c"), denied(r"^[\s\S]{6}$", "x.*y", r"\d{2}"))), Length(2, 9))
    ),
    "look-aheads": Pattern(r"^(?=.*\d)(?=.*[a-z])(?!.*x)[a-z\d]{2,6}$"),
    "words and what they begin": All((Not(Words(frozenset(("ab", "abc", "é")))), Pattern("^(?:a|é)"))),
    "equal ends": Pattern("^(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])(?:/(?:ab|cab|b)+)*$"),
    "loops before one another": Pattern("^(?:a+(?:/a*)*)*b?$"),
    "several bytes": Pattern("^[a-cé日\U0001f600]{2}[^é]$"),
    "a denied format beside a length": All((Not(Format("date")), Pattern("^[0-9-]+$"), Length(8, 10))),
}


@for_each("name", FAMILIES)
def test_families_accept_what_the_twin_takes(name: str) -> None:
    """Texts that they complete, and texts that differ from these in a character."""
    formula, chance = FAMILIES[name], random.Random(name)
    walker = Walker(formula)
    texts = [text.decode() for text in walker.texts(30, seed=1, most=15)]
    letters = sorted(set("".join(texts)) | set("ax1-é"))
    for text in texts * 4:
        at = chance.randrange(len(text) + 1)
        texts.append(text[:at] + chance.choice(["", *letters]) + text[at + chance.randrange(2) :])
    for text in texts:
        assert walker.accepts(text) == holds(formula, text), text


@pytest.mark.parametrize("source", ["^[ab]{1,17}$", "^a[bc]{2,16}(?:ca|b[ac])$", "^b{0,18}ab{2}$"])
def test_a_pattern_without_its_count_and_the_length_are_the_pattern(source: str) -> None:
    assert isinstance(without_count(Pattern(source)), All)
    whole, both = Walker(Pattern(source)), Walker(without_count(Pattern(source)))
    pick = random.Random(source)
    for size in range(22):
        for _ in range(40):
            text = "".join(pick.choices("abc", k=size))
            texts = (text, "a" * size, "b" * size, "a" + "b" * size + "ca", "b" * size + "abb")
            assert [whole.accepts(one) for one in texts] == [both.accepts(one) for one in texts]


def test_equal_rests_of_a_pattern_are_one_state() -> None:
    words = [f"{number}x" for number in range(100, 300)]
    walker = Walker(Pattern(f"^(?:{'|'.join(words)})$"))
    rests = {walker.run(word[:3]) for word in words}
    assert len(rests) == 1
