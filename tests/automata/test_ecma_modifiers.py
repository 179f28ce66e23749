# ruff: noqa: RUF001
"""Modifiers of ECMA-262 (2025), `(?i:...)`, `(?ms-i:...)`: Node's RegExp judges, whose flags hold for a
whole pattern; a pattern with several groups is written out by hand for it."""

from __future__ import annotations

import random
import re
from itertools import product

import pytest
from node_regexp import judged, needs_node
from reading import Walker

import structgen as sg
from structgen.base.language.ir import Pattern

TEXTS = "|a|A|ab|aB|AB|ba|k|K|\u212a|s|S|\u017f|\n|a\nb|A\u2028b|b\rA|_|0|-|é|É|ß|ẞ|σ|ς|Σ|İ|i|I|ı|ǅ|ǆ".split(
    "|"
)
TEXTS += ["a\u017f", "\u212ab"]
PIECES = [
    *("a", "B", "k", "S", "é", "ß", "σ", ".", "^", "$", r"\b", r"\B", r"\w", r"\W", r"\d", r"\D", r"\s"),
    *(
        "[a-c]",
        "[^a-c]",
        "[^A]",
        r"[^\W]",
        r"[\W]",
        "[J-L]",
        "[^k]",
        r"\p{Lu}",
        r"\P{Lu}",
        r"[^\p{Ll}]",
        "[ſ]",
    ),
    *(r"\u004b", r"\x41", "a|b", "(?=a)", "(?<!A)", "[ǅ]", "ı", r"[^\P{Lu}]", "a+", "B*", "(?:a|B)"),
]


def ours(source: str) -> list[bool]:
    walker = Walker(Pattern(source))
    return [walker.accepts(text) for text in TEXTS]


@needs_node
def test_a_modified_group_around_a_pattern_means_what_its_flags_mean() -> None:
    chance = random.Random(3)
    flags = [
        "".join(flag for flag, on in zip("ims", some, strict=True) if on)
        for some in product((0, 1), repeat=3)
    ]
    sources = [*PIECES, *("".join(chance.choices(PIECES, k=chance.choice([2, 3]))) for _ in range(60))]
    rows = [
        (one, chance.choice(flags[1:]) if at >= len(PIECES) else "i", TEXTS) for at, one in enumerate(sources)
    ]
    for (source, some, texts), wanted in zip(
        rows, judged([(a, b + "u", c) for a, b, c in rows]), strict=True
    ):
        assert ours(f"(?{some}:{source})") == wanted, (source, some, texts)


BOTH = {"a": "aA", "B": "bB", "k": "kK\u212a", "s": "sSſ", "é": "éÉ", "σ": "σςΣ"}
_ENDS = r"[\n\r\u2028\u2029]"


def modified(chance: random.Random, flags: frozenset[str], depth: int) -> tuple[str, str]:
    """Return a random pattern with modifiers, and the same pattern without any."""
    kind = chance.random()
    if depth and kind < 0.45:
        added = {flag for flag in "ims" if chance.random() < 0.4}
        removed = {flag for flag in "ims" if flag not in added and chance.random() < 0.4}
        inside = [
            modified(chance, (flags | added) - removed, depth - 1) for _ in range(chance.choice([1, 2]))
        ]
        text = "".join(one for one, _ in inside)
        plain = "".join(one for _, one in inside)
        if not added | removed:
            return f"(?:{text})", f"(?:{plain})"
        minus = "-" + "".join(removed) if removed or chance.random() < 0.3 else ""
        return f"(?{''.join(added)}{minus}:{text})", f"(?:{plain})"
    if depth and kind < 0.55:
        (a, b), (c, d) = (modified(chance, flags, depth - 1) for _ in range(2))
        return f"(?:{a}|{c})", f"(?:{b}|{d})"
    if kind < 0.65:
        return ".", r"[\s\S]" if "s" in flags else "."
    if kind < 0.72:
        return "^", f"(?:^|(?<={_ENDS}))" if "m" in flags else "^"
    if kind < 0.79:
        return "$", f"(?:$|(?={_ENDS}))" if "m" in flags else "$"
    letter = chance.choice(list(BOTH))
    cases = BOTH[letter] if "i" in flags else letter
    return (f"[^{letter}]", f"[^{cases}]") if kind > 0.92 else (letter, f"[{cases}]")


@needs_node
def test_modifiers_hold_in_their_group_alone() -> None:
    chance = random.Random(4)
    pairs = [modified(chance, frozenset(), 3) for _ in range(90)]
    for (source, plain), wanted in zip(
        pairs, judged([(plain, "u", TEXTS) for _, plain in pairs]), strict=True
    ):
        assert ours(source) == wanted, (source, plain)


@pytest.mark.parametrize("source", ["(?i:yes|no)", "a(?i:b)", "(?i:a(?-i:b))", "(?s:.)b", "x(?i:[a-f]{2})?"])
def test_a_modified_pattern_is_read_as_by_python(source: str) -> None:
    texts = ["yes", "YES", "nO", "ab", "aB", "Ab", "\nb", "xAf", "xag", "B"]
    walker = Walker(Pattern(source))
    assert [walker.accepts(text) for text in texts] == [bool(re.search(source, text)) for text in texts]


def test_a_schema_and_a_regular_expression_take_modifiers() -> None:
    tokens = sg.Tokenizer.from_bytes([bytes([value]) for value in range(256)] + [b"<end>"], eos_token_id=256)
    schema = sg.json_schema({"type": "string", "pattern": "^(?i:yes|no)$"})
    for grammar, texts in (
        (schema, ['"yes"', '"YES"', '"nO"']),
        (sg.regex("(?i:yes|no)", dialect="ecma"), ["yes", "YES", "nO"]),
    ):
        compiled = sg.compile(grammar, tokens, store=False)
        for text in texts:
            state = compiled.step_bytes(compiled.start, text.encode())
            assert state is not None and compiled.accepts_end(state), text
        assert compiled.step_bytes(compiled.start, texts[0].replace("s", "t").encode()) is None


@pytest.mark.parametrize(
    "source", ["(?-:a)", "(?ii:a)", "(?i-i:a)", "(?i)a", "(?x:a)", "(?i", "(?-a:b)", "(?im-s"]
)
def test_a_modifier_that_ecma_has_not_is_refused(source: str) -> None:
    with pytest.raises(sg.errors.RegexError):
        sg.regex(source, dialect="ecma")
