"""How characters are spelled, and the cheapest one of a range."""

from __future__ import annotations

import functools
import json

JSON, PLAIN, ASCII = range(3)
"""Spellings, which say how many bytes a character takes: in JSON text, in UTF-8 alone, and in JSON text in
ASCII alone."""


@functools.cache
def _order_of_ascii(spelling: int, missing: frozenset[int]) -> tuple[tuple[int, bytes], ...]:
    """Return the spelling of each ASCII character in a string: how many bytes, and which (RFC 8259,
    section 7), by an escape where a byte of it is `missing`. PLAIN: a byte each; those that JSON writes as
    themselves come first, so that a completion has no control character where another is as short."""
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
    """Return the bytes of the cheapest code point of a range in a spelling, with the point; None where
    all are surrogates. `missing`: bytes for the want of which escapes are written.

    Compare these: fewer bytes come first, then smaller ones. O(1) past ASCII.
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
"""The first characters with each first byte of UTF-8."""
