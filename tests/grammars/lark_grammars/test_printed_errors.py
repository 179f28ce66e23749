"""An error of a Lark grammar shows no character that a terminal obeys, or that cannot be seen."""

from __future__ import annotations

import random
import sys
import unicodedata

import pytest

import structgen as sg
from structgen.base.printable import printable

CHARACTERS = [
    chr(code)
    for code in range(sys.maxunicode + 1)
    if unicodedata.category(chr(code)) in ("Cc", "Cf", "Zl", "Zp") and chr(code) not in "\t\n"
]
"""Control characters, characters of format (the marks of direction are among them), separators."""
PLACES = {
    "a text": 'start: "a{}',
    "behind a text": 'start: "a" {}',
    "a name": "start: a{}",
    "a pattern": "start: /a{}(/",
    "a terminal": 'start: A\nA: "x{}"~3..1',
    "an import": '%import x{}.y\nstart: "a"',
    "a directive": "%{} foo\nstart: A",
    "a declaration": "%declare A{}\nstart: A",
    "an undefined rule in a text": 'start: "{}" missing',
}


def escape_of(character: str) -> set[str]:
    code = ord(character)
    return {f"\\x{code:02x}", f"\\u{code:04x}", f"\\U{code:08x}", repr(character)[1:-1]}


def hidden(text: str) -> list[str]:
    return [one for one in text if one in CHARACTERS]


def test_each_character_is_escaped_and_what_is_escaped_stays() -> None:
    for character in CHARACTERS:
        shown = printable(f"a{character}b")
        assert shown[1:-1] in escape_of(character), ascii(character)
        assert printable(shown) == shown


@pytest.mark.parametrize("place", PLACES)
def test_an_error_quotes_the_grammar_with_escapes(place: str) -> None:
    draw = random.Random(place)
    quoted = 0
    for character in [*draw.sample(CHARACTERS, 12), *"\x1b\x00\u202e\u200b\ufeff\U000e0041"]:
        with pytest.raises(sg.StructgenError) as caught:
            sg.lark(PLACES[place].replace("{}", character))
        error = caught.value
        for text in (str(error), error.what, error.cure):
            assert hidden(text) == [], (ascii(character), ascii(text))
        quoted += any(escape in str(error) for escape in escape_of(character))
    assert quoted or place in ("a terminal", "an undefined rule in a text")
