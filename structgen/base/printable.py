"""Text from outside, as it may be shown on a terminal.

A key of a schema, a grammar, or a file's name may hold any character: an escape sequence that repaints the
screen, or a mark that turns the order of what follows around. Errors, warnings, and what the command line
prints pass through `printable`. What a command returns as its result (a generated document) does not.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Collection
from typing import Any, Final

_HIDDEN: Final = (
    r"\x00-\x1f\x7f-\x9f"  # control characters
    r"\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # marks that change the direction of writing
    r"\u2028\u2029"  # separators of lines and paragraphs
    r"\ud800-\udfff"  # halves of characters: no encoding has them
)
_FORMAT: Final = (  # the other characters of Unicode's category Cf: most are not seen at all
    r"\xad\u0600-\u0605\u06dd\u070f\u0890\u0891\u08e2\u180e\u200b-\u200d\u2060-\u206f\ufeff\ufff9-\ufffb"
    r"\U000110bd\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    r"\U000e0001\U000e0020-\U000e007f"
)
_IN_JSON: Final = re.compile(f"[{_HIDDEN}]")
_ALL: Final = re.compile(f"[{_HIDDEN}{_FORMAT}]")
_BUT_LINES: Final = re.compile(rf"(?![\n\t])[{_HIDDEN}{_FORMAT}]")
_LONGEST: Final = 400
"""The most characters of one value in a table of HTML; the rest is replaced by an ellipsis."""


def printable(text: str, *, lines: bool = True) -> str:
    """Return a text in which each character that a terminal would obey is written as an escape.

    Control characters are written as `\\x1b`; characters of format (marks of direction, joiners, tags),
    separators, and lone surrogates as `\\u202e`. Line feeds and tabs stay as they are, unless `lines` is
    False. A text that went through once is left as it is. Cost: some 100 ns for a text without such
    characters.
    """
    if text.isprintable():
        return text
    return (_BUT_LINES if lines else _ALL).sub(_escape_character, text)


def short_repr(text: str, max_length: int = 200) -> str:
    """Return a text as `repr` writes it, its middle left out beyond `max_length` characters."""
    half = max_length // 2
    return repr(text if len(text) <= max_length else f"{text[:half]} ... {text[-half:]}")


def in_cell(value: Any, max_characters: int = _LONGEST) -> str:
    """Return the beginning of a value as HTML. It is escaped; control characters and lone surrogates become
    visible."""
    text = str(value)
    return html.escape(printable(text if len(text) <= max_characters else f"{text[:max_characters]} …"))


def _escape_character(match: re.Match[str]) -> str:
    code = ord(match[0])
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def json_text(value: Any) -> str:
    """Return a value as JSON on one line: letters of all languages as they are, with their joiners; what a
    terminal would obey as an escape of JSON."""
    return _IN_JSON.sub(lambda match: f"\\u{ord(match[0]):04x}", json.dumps(value, ensure_ascii=False))


def byte_runs(byte_set: Collection[int]) -> list[list[int]]:
    """Return the runs of bytes that follow each other, by their ends, ascending."""
    runs: list[list[int]] = []
    for byte in sorted(byte_set):
        if runs and runs[-1][1] == byte - 1:
            runs[-1][1] = byte
        else:
            runs.append([byte, byte])
    return runs


def named_bytes(byte_set: Collection[int]) -> str:
    """Return bytes in hexadecimal digits, runs of them by their ends."""
    runs = byte_runs(byte_set)
    return ", ".join(f"0x{low:02x}" + (f" to 0x{high:02x}" if high > low else "") for low, high in runs)
