"""`format: "regex"`: nothing but patterns, nearly all of them, judged by Node's RegExp."""

from __future__ import annotations

import json
import random
import shutil
import subprocess

import pytest
from reading import Walker

from structgen.language.ir import DEAD, All, Format, Formula, Not, Pattern

_JS = """
const rows = JSON.parse(require("fs").readFileSync(0, "utf8"));
const valid = (s) => { try { new RegExp(s, "u"); return true; } catch (e) { return false; } };
process.stdout.write(JSON.stringify(rows.map(valid)));
"""
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
    if shutil.which("node") is None:
        pytest.skip("node, whose RegExp is the oracle, is not installed")
    done = subprocess.run(
        ["node", "-e", _JS], input=json.dumps(texts), capture_output=True, text=True, check=True
    )
    return list(json.loads(done.stdout))


_REGEX = Format("regex")


class Reader(Walker):
    def __init__(self, formula: Formula = _REGEX) -> None:
        super().__init__(formula)


def _is_cut(text: str) -> bool:
    """Whether what docs/json-schema.md cuts from the format may stand in a text."""
    beyond = any(ord(char) > 0x7F for char in text)
    names = text.count("(?<") - text.count("(?<=") - text.count("(?<!")
    return (beyond and "-" in text) or names > 1 or any(escape in text for escape in (r"\k", r"\1", r"\2"))


@pytest.mark.parametrize("seed", range(4))
def test_what_is_accepted_is_a_pattern_and_nearly_all_patterns_are(seed: int) -> None:
    texts = _texts(seed, 500)
    reader = Reader()
    for text, valid in zip(texts, _judged(texts), strict=True):
        accepted = reader.accepts(text)
        assert accepted <= valid, text
        assert accepted or not valid or _is_cut(text), text


def test_every_prefix_can_be_completed_to_a_pattern() -> None:
    reader = Reader()
    completed = []
    for text in _texts(9, 150):
        for size in range(len(text) + 1):
            state = reader.state(text[:size])
            if state == DEAD:
                break
            completed.append(text[:size] + reader.pool.finish(state)[0].decode())
    assert all(_judged(completed))


@pytest.mark.parametrize(
    "text",
    [
        r"^(?<year>\d{4})-(?<month>\d{2})$",
        r"(?<n>a)\k<n>",
        r"\1(a)",
        r"(a)\2(b)\1",
        r"(?<=a+)b",
        "(" * 24 + ")" * 24,
        "[a-z0-9_-]{1,128}",
        r"[\uD83C\uDF00-\uD83D\uDDFF]",
        "[一-龥]+",
        r"\p{Script_Extensions=Latin}",
        "",
    ],
)
def test_common_patterns_are_accepted(text: str) -> None:
    assert Reader().accepts(text)


@pytest.mark.parametrize(
    "text",
    (
        r"\a ( ) [ a** {1} a{2,1} [z-a] [\d-z] \2(a) \2(a)(b) (?<n>)(?<n>) \k<n> ] \p{L1} \u{110000} (?i)a "
        r"(?P<n>a) \00 \c1 (?=a)* [\uD83D\uDE00-\uD83C\uDF00]"
    ).split(" "),
)
def test_what_is_no_pattern_is_dead_or_open(text: str) -> None:
    assert not Reader().accepts(text)


def test_what_a_pattern_beside_the_format_leaves_open_is_found_within_the_limits() -> None:
    reader = Reader(All((Format("regex"), Pattern("^/.+/$"))))
    for char in map(chr, range(32, 127)):
        state = reader.state(f"/{char}")
        if state != DEAD:
            reader.pool.expand(state)
            assert reader.pool.finish(state)[0].endswith(b"/")
    assert reader.accepts(r"/\//")


def test_the_opposite_of_a_format_that_is_cut_holds_none_of_its_strings() -> None:
    assert not Reader(Not(Format("hostname"))).accepts("xn--ll-0ea")
    assert Reader(Not(Format("hostname"))).accepts("-a")


@pytest.mark.parametrize("seed", range(2))
def test_what_is_no_pattern_is_of_the_opposite_of_the_format(seed: int) -> None:
    """Nothing that Node takes for a pattern is; what it refuses is nearly always."""
    texts = _texts(seed, 500)
    reader, opposite = Reader(), Reader(Not(Format("regex")))
    left_out = 0
    for text, valid in zip(texts, _judged(texts), strict=True):
        assert not (reader.accepts(text) and opposite.accepts(text)), text
        assert not (valid and opposite.accepts(text)), text
        left_out += not valid and not opposite.accepts(text)
    assert left_out < len(texts) / 4


@pytest.mark.parametrize(
    ("text", "opposite"),
    [
        ("(" * 25 + ")" * 25, False),  # cut from the format
        ("(?<é>a)", False),
        (r"(?<n>a)|(?<n>b)", False),
        ("a{1000,2000}", False),
        ("a{1,01}", False),
        ("[\u0431-\u0432]", False),
        (r"\2(a)(b)", False),
        (r"\12", False),
        ("(?i-s:a)", False),
        (r"\p{Script=Qqqq}", False),
        ("(" * 25 + ")" * 26, False),  # nothing is known behind what is cut
        ("(?i)a", True),
        ("(" * 24 + ")" * 25, True),
        ("[\u0431-a]", True),
        (r"[\d-z]", True),
        (r"\1", True),
        (r"\a", True),
    ],
)
def test_what_is_cut_from_the_format_is_not_of_its_opposite(text: str, opposite: bool) -> None:
    assert not Reader().accepts(text)
    assert Reader(Not(Format("regex"))).accepts(text) == opposite
