"""Encodes decoded text as bytes: UTF-8, and three bytes for each lone surrogate.

A *lone surrogate* is half of a UTF-16 pair without the other half. Python strings and JSON texts (as
`\\ud800`) may contain one, but UTF-8 cannot write it. In these *decoded bytes* it is written as UTF-8 would
write it, but with the first byte 0xF8, which never occurs in UTF-8: U+D800 -> F8 A0 80.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

LONE_BYTE: Final = 0xF8
"""The first byte of a lone surrogate."""
LONE_COLUMN: Final = 256
"""The column of string automata for LONE_BYTE. The columns 0 to 255 are for the bytes of UTF-8 itself."""
OTHERS_COLUMN, SPACES_COLUMN, TOTAL_COLUMN, WIDTH = range(257, 261)
"""Further columns of string automata, filled for states between two characters. OTHERS: the state after any
character outside ASCII that is not white space. SPACES: the state after any white space outside ASCII. TOTAL:
the state itself, if every text can be completed from it. WIDTH: the number of columns."""

_UTF8_FORM: Final = re.compile(b"\xed(?=[\xa0-\xbf])")
_LONE: Final = re.compile(b"\xf8(..)", re.DOTALL)


def encode_text(text: str) -> bytes:
    """Return the decoded bytes of a text."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        # After 0xED a byte from 0xA0 to 0xBF can only belong to a surrogate (RFC 3629, section 4).
        return _UTF8_FORM.sub(b"\xf8", text.encode("utf-8", "surrogatepass"))


def decode_text(data: bytes) -> str:
    """Return the text of decoded bytes."""
    return data.replace(b"\xf8", b"\xed").decode("utf-8", "surrogatepass")


def count_characters(data: bytes) -> int:
    """Return how many characters begin in decoded bytes."""
    # All bytes but 10xxxxxx begin a character (RFC 3629, section 3), and so does 0xF8.
    return sum(byte & 0xC0 != 0x80 for byte in data)


def in_order(words: Iterable[str]) -> list[str]:
    """Return texts sorted by their decoded bytes."""
    word_list = list(words)
    try:
        word_list.sort(key=str.encode)
    except UnicodeEncodeError:
        word_list.sort(key=encode_text)
    return word_list


def columns_of(data: bytes) -> list[int]:
    """Return the columns of a string automaton for decoded bytes."""
    return [LONE_COLUMN if byte == LONE_BYTE else byte for byte in data]


def escape_surrogates(data: bytes) -> bytes:
    """Return decoded bytes with lone surrogates as escapes of JSON. They may begin inside a character."""
    return _LONE.sub(lambda match: b"\\u%04x" % ord(decode_text(match[0])), data)
