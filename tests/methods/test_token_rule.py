"""Which tokens are allowed under suggestions: against a plain reading of the rule over the vocabulary."""

from __future__ import annotations

import random

from for_each import for_each
from monitor_examples import ANY, END_ID, PIECES, TOKENS, Blanks, Dots, PlainRule, Says, allowed, monitored

import structgen as sg


@for_each("seed", range(8))
@for_each("both", [False, True])
def test_masks_are_those_of_the_plain_rule(seed: int, both: bool) -> None:
    """Of one monitor, and of two, the second of which yields where nothing would be left."""
    rng = random.Random(seed)
    monitors = {".": Dots(seed, 1.0 if both else 0.8), " ": Blanks(seed, 1.0)}
    marks = ". " if both else "."
    matcher, free = monitored(*(monitors[one] for one in marks)), sg.Matcher(sg.compile(ANY, TOKENS))
    rules, narrower = [PlainRule(monitors[one], one) for one in marks], 0
    for _ in range(60):
        grammar = expected = allowed(free)
        for rule in rules:
            expected = {one for one in expected if rule.allows([*PIECES, b"<end>"][one])} or expected
        assert allowed(matcher) == expected, rules[0].text
        narrower += len(expected) < len(grammar)
        token = rng.choice(sorted(expected - {END_ID}) or sorted(grammar - {END_ID}))
        for one in (matcher, free):
            one.advance(token)
        for rule in rules:
            rule.take(PIECES[token])
    assert narrower > 5


def test_a_suggestion_that_the_grammar_refuses_is_no_suggestion() -> None:
    matcher = monitored(Says(["ab", "cc"]), grammar=sg.regex(r"a\.(ab|ac)*"), written=b"a.a")
    assert allowed(matcher) == {PIECES.index(b"b"), PIECES.index(b"bc")} & allowed(matcher)
    assert PIECES.index(b"c") not in allowed(matcher)


def test_a_grammar_of_suggestions_ends_where_it_says() -> None:
    matcher = monitored(Says(sg.regex(r"(ab|b)\(")), written=b".")
    told = {PIECES[one] for one in allowed(matcher)}
    assert told == {b"a", b"b", b"ab", b"ab("}
    matcher.advance(PIECES.index(b"ab("))
    assert {PIECES[one] for one in allowed(matcher) - {END_ID}} >= {b"a", b"c", b"("}
