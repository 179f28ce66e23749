"""Decoded text as bytes: UTF-8, and three bytes for a lone surrogate, which UTF-8 cannot write.

Python strings may hold lone surrogates, and so may JSON texts, as escapes. Here one is the three bytes that
UTF-8 would have for it, with a first byte that occurs in no UTF-8: what a text writes raw is never one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

LONE_BYTE: Final = 0xF8
"""The first byte of a lone surrogate."""
LONE_COLUMN: Final = 256
"""The column of string automata for this byte: the columns of bytes are for what texts write raw."""
OTHERS_COLUMN, SPACES_COLUMN, TOTAL_COLUMN, WIDTH = range(257, 261)
"""Columns of states between two characters: the state to which all characters outside ASCII lead, white
space apart; that to which all white space there leads; the state itself, if every text can be completed from
it. How many columns there are."""

_UTF8_FORM: Final = re.compile(b"\xed(?=[\xa0-\xbf])")
_LONE: Final = re.compile(b"\xf8(..)", re.DOTALL)


def encode_text(text: str) -> bytes:
    """Return a decoded text as bytes."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        # Behind 0xED these bytes are a surrogate, and no other character (RFC 3629, section 4).
        return _UTF8_FORM.sub(b"\xf8", text.encode("utf-8", "surrogatepass"))


def decode_text(data: bytes) -> str:
    """Return the text of such bytes."""
    return data.replace(b"\xf8", b"\xed").decode("utf-8", "surrogatepass")


def count_characters(data: bytes) -> int:
    """Return how many characters begin in such bytes."""
    # All bytes but 10xxxxxx begin a character (RFC 3629, section 3); that of a lone surrogate is 0xF8.
    return sum(byte & 0xC0 != 0x80 for byte in data)


def in_order(words: Iterable[str]) -> list[str]:
    """Return texts in the order of their bytes."""
    word_list = list(words)
    try:
        word_list.sort(key=str.encode)
    except UnicodeEncodeError:
        word_list.sort(key=encode_text)
    return word_list


def columns_of(data: bytes) -> list[int]:
    """Return the columns of a string automaton that such bytes take."""
    return [LONE_COLUMN if byte == LONE_BYTE else byte for byte in data]


def escape_surrogates(data: bytes) -> bytes:
    """Return such bytes, which may begin inside a character, with lone surrogates as escapes of JSON."""
    return _LONE.sub(lambda match: b"\\u%04x" % ord(decode_text(match[0])), data)
