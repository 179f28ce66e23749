"""Random grammars with a bound terminal, held to lark's own lexer and parser over all short texts."""

from __future__ import annotations

import random

import grammars_drawn as drawn
import lark
import pytest
from bound_reference import BoundReference
from lark_reference import differences

import structgen as sg
from structgen.lark_grammars.bound.bound_lark import BoundLark
from structgen.limits import Limits

PATTERNS = ("a|b", "ab?", "a+", "a*b", "b|ab", "[ab]c?", "c")


def bound(text: str, pattern: str) -> BoundLark:
    """Return a grammar with J bound to a pattern."""
    return sg.lark(text, bind={"J": sg.regex(pattern)})


def with_bound(seed: int) -> tuple[str, str]:
    """Return a grammar that uses J, and the pattern of J."""
    draw = random.Random(seed)
    lines = drawn.drawn(seed, looks=draw.random() < 0.3).splitlines()
    for at in range(3):
        symbols = lines[at].split(" ")
        symbols.insert(draw.randint(1, len(symbols)), draw.choice(("J", "J?")))
        lines[at] = " ".join(symbols)
    return "\n".join(lines) + "\n%declare J\n", draw.choice(PATTERNS)


@pytest.mark.parametrize("seed", range(9000, 9070))
def test_texts_are_those_of_larks_lexer_and_the_bound_ones(seed: int) -> None:
    text, pattern = with_bound(seed)
    try:
        reference = BoundReference(text, {"J": pattern})
    except lark.exceptions.LarkError:
        pytest.skip("lark refuses it")
    try:
        ours = bound(text, pattern).language(Limits())
        assert differences(reference, ours, "abc", 4) == []  # type: ignore[arg-type]
    except sg.errors.LimitError:
        pytest.skip("a named limit")


def test_a_lexeme_that_may_go_on_owes_the_bound_text_something() -> None:
    text = "start: A J\nA: /ab*(?!c)/\n%declare J\n"
    ours = bound(text, "bc|cb").language(Limits())
    assert differences(BoundReference(text, {"J": "bc|cb"}), ours, "abc", 5) == []  # type: ignore[arg-type]


def test_only_the_bound_text_meets_a_look_ahead() -> None:
    text = "start: A J\nA: /a+(?=bc)/\n%declare J\n"
    ours = bound(text, "bc?a").language(Limits())
    assert differences(BoundReference(text, {"J": "bc?a"}), ours, "abc", 6) == []  # type: ignore[arg-type]


def test_what_may_come_names_the_bound_texts_parts() -> None:
    ours = bound('start: "x" J "y"\n%declare J\n', "a*b").language(Limits())
    config = ours.step(ours.start(), ord("x"))
    assert config is not None
    assert {(one.first, one.sources) for one in ours.expected(config)} == {(b"ab", ("start",))}
    config = ours.step(config, ord("b"))
    assert config is not None
    assert [(one.what, one.sources, one.first) for one in ours.expected(config)] == [
        ('"y"', ("start",), b"y")
    ]
