"""Which texts are patterns of ECMA-262 with the flag u, and what the others mean: Node's RegExp is the
oracle."""

from __future__ import annotations

import random
from typing import Any

import pytest
from for_each import for_each
from node_regexp import found, judged, needs_node
from reading import Walker

import structgen as sg
from structgen.automata.regex.ecma_syntax import only_legacy, parse_ecma
from structgen.base.language.ir import Pattern
from structgen.errors import RegexError

_PARTS = [
    *("a", "b", "-", "]", "}", "{", "{2}", "{1,2}", "{2,1}", "{,2}", "{2", "*", "+", "?", "*?", "|", "."),
    *("^", "$", "(", ")", "(?:", "(?=", "(?!", "(?<=", "(?<!", "(?<n>", "(?<m>", r"(?<\u006e>", "(?<1>"),
    *("[", "[^", "a-b", "[a-b]", r"\d", r"[\d-a]", r"[a-\w]", r"[\--a]", "[]", "[^]", "[b-a]", r"\b", r"\B"),
    *(r"\-", r"\_", r"\"", r"\a", r"\e", r"\/", r"\]", r"\}", r"\@", r"\ ", r"\0", r"\00", r"\01", r"\8"),
    *(r"\x41", r"\x4", r"\u0041", r"\u004", r"\u{41}", r"\u{110000}", r"\u{}", r"\cA", r"\c", r"\c1", r"\k"),
    *(r"\p{L}", r"\p", r"\P{Lu}", r"[\b]", r"[\B]", r"[\c1]", r"[\-]", r"[\_]", r"\n", r"\v", "\\"),
]
_TEXTS = ["", "a", "b", "ab", "ba", "aa", "-", "_", '"', "e", "A", "\x07", "\0", "{", "}", "]", "x", "u", "c"]
_TEXTS += ["\\", "\\c", "a{2}", "{2", "1", "\x01", "8", "\x08", "n", "k", "p", "é", " ", "a-b", "@", "p{L}"]


def fault(source: str, strict: bool) -> str:
    """Return why a pattern is none; "" where it is one."""
    try:
        parse_ecma(source, strict)
    except RegexError as error:
        return error.what
    return ""


def mixed(source: str) -> bool:
    """Return whether a pattern has an escape that means something else without the flag u: it keeps the
    meaning that it has with the flag, whatever stands elsewhere."""
    return r"\u{" in source or r"\p" in source.lower()


def escapes() -> list[str]:
    """Return every escape of one character, in many surroundings."""
    chars = [chr(point) for point in range(0x20, 0x7F)] + ["é", "日", "\n", "\u2028"]
    forms = r"\%s \%s1 a\%sb [\%s] [a\%s] [\%s-z] (?:\%s)* (?<n>a)\%s \%s{2}".split()
    return [form % char for char in chars for form in forms]


def patterns() -> list[str]:
    draw = random.Random(11)
    return ["".join(draw.choices(_PARTS, k=draw.randrange(1, 6))) for _ in range(6000)]


@needs_node
@pytest.mark.parametrize("corpus", [escapes, patterns])
def test_strict_takes_what_node_takes_with_the_flag_u(corpus: Any) -> None:
    sources = corpus()
    unicodes, legacies = (judged([(one, flags, []) for one in sources]) for flags in ("u", ""))
    for source, unicode, legacy in zip(sources, unicodes, legacies, strict=True):
        strict, lenient = fault(source, True), fault(source, False)
        if "back-reference" in strict or "back-reference" in lenient:
            continue  # no automaton reads them, whatever the flags
        assert (strict == "") == (unicode is not None), (source, strict)
        if unicode is None and not mixed(source):
            assert (lenient == "") == (legacy is not None), (source, lenient)


@needs_node
def test_a_pattern_of_a_schema_means_what_node_reads_where_the_flag_u_has_an_error() -> None:
    draw = random.Random(5)
    legacy = [
        one for one in dict.fromkeys([*escapes(), *patterns()]) if not fault(one, False) and only_legacy(one)
    ]
    rows = [(one, _TEXTS) for one in draw.sample([one for one in legacy if not mixed(one)], 250)]
    for (source, texts), (flags, without) in zip(rows, found(rows), strict=True):
        assert flags == "", source
        walker = Walker(Pattern(source))
        assert [walker.accepts(text) for text in texts] == without, source


@for_each("source", [r"\a", r"\e", r"\-", r"\"", r"\_", r"\8", r"\00", "{", "a}", "]", r"[\d-a]", "(?=a)*"])
def test_the_ecma_dialect_refuses_what_the_flag_u_refuses(source: str) -> None:
    with pytest.raises(sg.errors.RegexError, match=r"With the flag u|Nothing to repeat"):
        sg.regex(source, dialect="ecma")
    assert sg.json_schema({"type": "string", "pattern": source})


def test_the_report_says_which_patterns_are_read_without_the_flag_u() -> None:
    schema = {"pattern": r"^a\-b$", "patternProperties": {r"\_": True, "c": True}, "format": "date"}
    said = {one.keyword: one.why for one in sg.json_schema(schema).report.findings}
    assert said["pattern"].startswith(r"no pattern with the flag u: \- is not an escape at character 2")
    assert r"\_ is not an escape" in said["patternProperties"]
    assert not sg.json_schema({"pattern": r"^[a\-b]\/\.$"}).report.findings[0].why
