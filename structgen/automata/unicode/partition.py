"""Finds the cheapest character of a range of code points.

The *spelling* of a character is how it is written in a text; there are three kinds, JSON, PLAIN and ASCII. A
character is cheaper than another if its spelling has fewer bytes, or as many but smaller ones. For example,
in JSON the letter `a` costs 1 byte and a line feed, spelled `\\n`, costs 2.
"""

from __future__ import annotations

import functools
import json

JSON, PLAIN, ASCII = range(3)
"""The kinds of spellings: in a JSON text, in UTF-8 without escapes, and in a JSON text of ASCII only."""


@functools.cache
def _order_of_ascii(spelling: int, missing: frozenset[int]) -> tuple[tuple[int, bytes], ...]:
    """Return (number of bytes, spelling) for each ASCII character inside a string (RFC 8259, section 7).

    `missing`: bytes that cannot be written; a character with such a byte is written as an escape. With PLAIN
    each character takes one byte. There the characters that JSON escapes are sorted last, so that a
    completion avoids control characters.
    """
    spellings: list[bytes] = []
    for point in range(0x80):
        literal = json.dumps(chr(point), ensure_ascii=spelling == ASCII)
        spellings.append(literal[1:-1].encode())
    if spelling == PLAIN:
        # 0xFF is above all bytes of ASCII: characters that JSON escapes come last.
        return tuple((1, text if len(text) == 1 else b"\xff" + text) for text in spellings)
    ways: list[tuple[int, bytes]] = []
    for point, text in enumerate(spellings):
        way = text if missing.isdisjoint(text) else b"\\u%04x" % point
        ways.append((len(way), way))
    return tuple(ways)


def cheapest_point(
    low: int,
    high: int,
    spelling: int,
    missing: frozenset[int],
) -> tuple[int, bytes, int] | None:
    """Return (number of bytes, spelling, code point) for the cheapest character of a range.

    The result is None if the range has only surrogates. `low`, `high`: the first and the last code point.
    `missing`: as in `_order_of_ascii`. Results can be compared: the smaller one is cheaper. Cost: O(1) beyond
    ASCII.
    """
    cheapest: tuple[int, bytes, int] | None = None
    if low < 0x80:
        order = _order_of_ascii(spelling, missing)
        points_of_ascii = range(low, min(high, 0x7F) + 1)
        point = min(points_of_ascii, key=order.__getitem__)
        cheapest = (*order[point], point)
        low = 0x80
    elif 0xD800 <= low < 0xE000:
        low = 0xE000
    if low <= high and (cheapest is None or cheapest[0] > 1):
        # UTF-8 ascends with the code points: the first is the cheapest, unless a byte of it is missing.
        later_firsts = [first for first in _FIRSTS if low < first <= high] if missing else []
        for point in (low, *later_firsts):
            text = json.dumps(chr(point))[1:-1].encode() if spelling == ASCII else chr(point).encode()
            if not missing.isdisjoint(text):
                # written as an escape: of six bytes, or of twelve for a pair of surrogates
                escape_length = 6 if point < 0x10000 else 12
                text = chr(point).encode("unicode_escape").rjust(escape_length)
            rest = (len(text), text, point)
            if cheapest is None or rest < cheapest:
                cheapest = rest
    return cheapest


_FIRSTS = (
    *range(0xC0, 0x800, 64),
    *range(0x1000, 0xD000, 0x1000),
    0xE000,
    *range(0x10000, 0x110000, 0x40000),
)
"""The first code points of blocks that have equal first bytes in UTF-8: in another block a missing byte may
not occur."""
