"""Grammars that the operators make of others."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import structgen as sg

from ..case import Case

SCHEMA: Any = {
    "type": "object",
    "properties": {"n": {"type": "integer"}, "s": {"enum": ["a", "é"]}},
    "required": ["n"],
    "additionalProperties": False,
}
SUM = 'start: e\n?e: e "+" t | t\n?t: N | "(" e ")"\nN: /[0-9]+/\n%ignore " "\n'


def _schema() -> sg.Grammar:
    return sg.json_schema(SCHEMA)


MADE: dict[str, tuple[Callable[[], Any], tuple[str, ...]]] = {
    "sum": (lambda: "x: " + sg.regex("[a-c]{1,3}") + ";", ("x: ab;", "x: abcd")),
    "either": (
        lambda: sg.regex("ab*") | sg.literal("abc") | sg.choice(["b", "bb"]),
        ("abc", "abb", "bb", "bc"),
    ),
    "repeat": (lambda: sg.regex("a|bc").repeat(2, 4), ("abcabc", "a", "aaaaa")),
    "repeat-open": (lambda: (sg.regex(r"\d") + ",").repeat(1, None), ("1,2,", "1", "")),
    "optional": (lambda: sg.literal("a") + sg.literal("b").optional() + "c", ("abc", "ac", "bc")),
    "and": (lambda: sg.regex("[a-c]{2,5}") & sg.regex(".*b.*c"), ("abc", "cb", "abcabc")),
    "minus": (lambda: sg.regex("[ab]{1,4}") - sg.regex(".*aa.*"), ("abab", "baab")),
    "not": (lambda: ~sg.regex("a*"), ("ab", "aa", "b")),
    "not-and": (lambda: ~sg.regex(".*(if|else).*") & sg.regex("[a-z ]{3,9}"), ("else x", "elze x", "xif")),
    "look-around-sum": (lambda: sg.regex("a(?=b)?") + sg.regex("(?<!a)b|c"), ("ab", "ac")),
    "ebnf-and": (lambda: sg.ebnf('root ::= "(" root ")" | "x"\n') & sg.regex(r"\({2}x\)+"), ("((x))", "(x)")),
    "ebnf-minus": (lambda: sg.ebnf('root ::= "a" root | "b" root | "c"\n') - sg.regex("a.*"), ("bac", "abc")),
    "schema-text": (
        lambda: "Answer: " + sg.sequence(_schema(), "\n"),
        ('Answer: {"n": 1}\n', 'Answer: {"s"'),
    ),
    "schema-either": (
        lambda: sg.either(_schema(), "none", sg.regex(r"\d+")),
        ('{"n":1,"s":"é"}', "none", "12"),
    ),
    "schema-repeat": (lambda: sg.sequence(_schema(), ";").repeat(1, 3), ('{"n":1};{"n":2};', '{"n":1}{')),
    "schema-two": (lambda: sg.sequence(_schema(), _schema()), ('{"n":1}{"n":2}', '{"n":1} {"n":2}')),
    "schema-and": (
        lambda: sg.sequence(_schema()) & sg.regex(r'\{"n":[0-9]{1,2}\}'),
        ('{"n":12}', '{"n": 1}'),
    ),
    "lark-text": (lambda: "```\n" + sg.lark(SUM) + "\n```", ("```\n1 + (2)\n```", "```\n1 +\n```")),
    "lark-either": (lambda: sg.lark(SUM) | sg.literal("(none"), ("(1)", "(none", "(n")),
    "thought": (
        lambda: (
            "Thought: "
            + sg.text(until="\n", max_tokens=8)
            + ("Quote: " + sg.substring_of("The quick fox.") | "Answer: " + sg.sequence(_schema()))
        ),
        ("Thought: foxes\nQuote: quick", 'Thought: x\nAnswer: {"n":1}'),
    ),
    "json-string": (lambda: sg.in_json_string(sg.regex('a"[bé]+\n')), ('"a\\"b\\u00e9\\n"', '"a"')),
    "json-string-schema": (lambda: sg.in_json_string(_schema()), ('"{\\"n\\":1}"', '"{"')),
    "json-string-lark": (lambda: sg.in_json_string(sg.lark(SUM)), ('"1+(2)"', '"1\\u002b2"', '"1+"')),
    "json-string-canonical": (
        lambda: sg.in_json_string(sg.regex(r"[\x1e-\x20é/]{2}"), escapes="canonical"),
        ('"\\u001fé"', '"\\u00e9/"', '"\\u0020/"'),
    ),
    "special-around": (lambda: sg.special(0) + "hi" + sg.special(0), ("hi",)),
}


def cases() -> Iterator[Case]:
    """Return all of them."""
    for name, (make, texts) in MADE.items():
        yield Case(f"composed/{name}", make, texts)
