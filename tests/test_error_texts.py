"""The texts of errors and warnings (scripts/error_texts.py): all are found, and their words are plain."""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "scripts"))

import error_texts  # noqa: E402

BANNED = {
    "say what is not allowed": re.compile(r"cannot come"),
    "write `is not a ...`": re.compile(r"\b(is|are) no (?!longer\b|better\b)"),
    "write `is not available`": re.compile(r"cannot be had"),
    "write `next to`, `with` or `in addition to`": re.compile(r"\bbeside\b"),
    "write `after`": re.compile(r"(?<!-)\bbehind\b"),
    "name the limit that is reached": re.compile(r"[Mm]eets? a limit"),
    "write `is not checked`, `is not restricted`": re.compile(r"\bheld to\b"),
    "name what says it": re.compile(r"\btold\b"),
}
"""What to write instead -> the words."""

SOURCE = '''
TABLE = ("the name", "A row of a table says this.")
HINT = "Pass a hint"


def refuse(name: str, fault: str) -> None:
    """No docstring is a message."""
    if name == "not a text":
        raise OptionError(f"{fault} at {name!r}", cure=HINT)


def describe(size: int) -> str:
    return "a small value" if size < 3 else f"one of {size:,} values"


def check(size: int) -> None:
    refuse("k", "an unknown place")
    what = describe(size)
    raise LimitError(what, limit="k")


other = {"not of": "an error"}
'''


def texts_of(source: str) -> list[str]:
    """Return the texts of messages in a source."""
    collected = error_texts.Collector({"one.py": ast.parse(source)}).texts["one.py"]
    return [text for _, text in sorted(collected.items(), key=error_texts.position)]


def test_texts_are_followed_through_names_calls_and_parameters() -> None:
    assert texts_of(SOURCE) == [
        "A row of a table says this.",
        "Pass a hint",
        "{fault} at {name!r}",
        "a small value",
        "one of {size:,} values",
        "an unknown place",
    ]


@pytest.fixture(scope="module")
def texts() -> dict[str, list[str]]:
    return error_texts.error_texts()


def test_the_file_is_up_to_date(texts: dict[str, list[str]]) -> None:
    page = error_texts.as_page(texts)
    assert page == error_texts.FILE.read_text("utf-8"), "run `make errors`, and read the difference"


def test_no_text_has_a_banned_word(texts: dict[str, list[str]]) -> None:
    found = [
        f"{name}: {text!r}: {advice}"
        for name, messages in texts.items()
        for text in messages
        for advice, words in BANNED.items()
        if words.search(text)
    ]
    assert not found


@pytest.mark.parametrize(
    "text",
    [
        "'-' cannot come at byte 3",
        "5 is no token id.",
        "{} cannot be had from a server.",
        "a keyword beside $ref",
        "the text behind the prompt",
        "One meets a limit.",
        "Its end was told.",
        "It is held to no text.",
    ],
)
def test_each_banned_word_is_found(text: str) -> None:
    assert any(words.search(text) for words in BANNED.values())


def test_terms_that_contain_a_banned_word_are_allowed() -> None:
    for text in ("a look-behind in the pattern", "{name} is no longer in the package."):
        assert not any(words.search(text) for words in BANNED.values()), text
