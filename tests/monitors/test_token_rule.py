"""Which tokens are allowed under suggestions: against a plain reading of the rule over the vocabulary."""

from __future__ import annotations

import random

import pytest
from for_each import for_each
from monitor_examples import ANY, END_ID, PIECES, TOKENS, Blanks, Dots, PlainRule, allowed, walk

import structgen as sg
from structgen.monitors.monitored_text import MonitoredText

pytestmark = pytest.mark.usefixtures("monitors_here")


@for_each("seed", range(12))
def test_masks_are_those_of_the_plain_rule(seed: int) -> None:
    rng = random.Random(seed)
    plain = sg.compile(ANY, TOKENS)
    monitor = Dots(seed)
    matcher, free, rule = (
        sg.Matcher(MonitoredText(plain, [monitor])),
        sg.Matcher(plain),
        PlainRule(monitor, "."),
    )
    narrower = 0
    for _ in range(60):
        grammar = allowed(free)
        expected = {token for token in grammar if rule.allows([*PIECES, b"<end>"][token])}
        found = allowed(matcher)
        assert found == (expected or grammar), rule.text
        narrower += len(found) < len(grammar)
        choices = sorted(found - {END_ID})
        token = rng.choice(choices or sorted(grammar - {END_ID}))
        for one in (matcher, free):
            one.advance(token)
        rule.take(PIECES[token])
    assert narrower > 5


@pytest.mark.parametrize("seed", range(6))
def test_two_monitors_narrow_each_other_and_the_second_yields(seed: int) -> None:
    rng = random.Random(seed)
    plain = sg.compile(ANY, TOKENS)
    dots, blanks = Dots(seed, 1.0), Blanks(seed, 1.0)
    matcher = sg.Matcher(MonitoredText(plain, [dots, blanks]))
    free, rules = sg.Matcher(plain), (PlainRule(dots, "."), PlainRule(blanks, " "))
    both = 0
    for _ in range(60):
        expected = allowed(free)
        both += sum(rule.left is not None for rule in rules) == 2
        for rule in rules:
            expected = {one for one in expected if rule.allows([*PIECES, b"<end>"][one])} or expected
        assert allowed(matcher) == expected
        token = rng.choice(sorted(expected - {END_ID}) or [0])
        for one in (matcher, free):
            one.advance(token)
        for rule in rules:
            rule.take(PIECES[token])


def test_a_suggestion_that_the_grammar_refuses_is_no_suggestion() -> None:
    class Two(Dots):
        def suggest(self, text: str) -> list[str]:
            return ["ab", "cc"]

    monitor = Two()
    compiled = MonitoredText(sg.compile(sg.regex(r"a\.(ab|ac)*"), TOKENS), [monitor])
    matcher = sg.Matcher(compiled)
    walk(matcher, [PIECES.index(b"a."), PIECES.index(b"a")])
    assert allowed(matcher) == {PIECES.index(b"b"), PIECES.index(b"bc")} & allowed(matcher)
    assert PIECES.index(b"c") not in allowed(matcher)


def test_a_grammar_of_suggestions_ends_where_it_says() -> None:
    class Calls(Dots):
        def suggest(self, text: str) -> sg.Grammar:
            return sg.regex(r"(ab|b)\(")

    monitor = Calls()
    compiled = sg.compile(ANY, TOKENS)
    matcher = sg.Matcher(MonitoredText(compiled, [monitor]))
    matcher.advance(PIECES.index(b"."))
    told = {PIECES[one] for one in allowed(matcher)}
    assert told == {b"a", b"b", b"ab", b"ab("}
    matcher.advance(PIECES.index(b"ab("))
    assert {PIECES[one] for one in allowed(matcher) - {END_ID}} >= {b"a", b"c", b"("}


def test_a_character_beyond_ascii_ends_a_suggestion_if_it_is_no_letter() -> None:
    class One(Dots):
        def suggest(self, text: str) -> list[str]:
            return ["a"]

    monitor = One()
    matcher = sg.Matcher(MonitoredText(sg.compile(ANY, TOKENS), [monitor]))
    walk(matcher, [PIECES.index(b"."), PIECES.index(b"a")])
    told = {PIECES[one] for one in allowed(matcher) - {END_ID}}
    assert "→".encode() in told
    assert not told & {"é".encode(), b"\xc3", b"\xe2\x86", b"b"}


def test_the_text_may_end_behind_a_whole_suggestion_alone() -> None:
    class One(Dots):
        def suggest(self, text: str) -> list[str]:
            return ["ab"]

    monitor = One()
    matcher = sg.Matcher(MonitoredText(sg.compile(ANY, TOKENS), [monitor]))
    matcher.advance(PIECES.index(b"."))
    for piece, may_end in ((b"a", False), (b"b", True)):
        assert END_ID not in allowed(matcher)
        matcher.advance(PIECES.index(piece))
        assert (END_ID in allowed(matcher)) == may_end
