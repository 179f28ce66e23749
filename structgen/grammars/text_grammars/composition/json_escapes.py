"""JSON's escapes in strings: whole ones, and their beginnings (RFC 8259, 7)."""

from __future__ import annotations

from functools import lru_cache
from typing import Final, Literal, TypeAlias

Escapes: TypeAlias = Literal["any", "canonical"]
Points: TypeAlias = "tuple[tuple[int, int], ...]"
"""Ranges of characters: the first and the last of each."""

LETTERS: Final = {0x22: b'"', 0x5C: b"\\", 0x2F: b"/", 8: b"b", 0xC: b"f", 0xA: b"n", 0xD: b"r", 9: b"t"}
"""Character -> what follows the backslash where its escape has two characters."""
HEX: Final = b"0123456789abcdefABCDEF"


def written(byte: int) -> bytes:
    """Return a byte of UTF-8 as JSON writes it most briefly in a string."""
    if byte in LETTERS and byte != 0x2F:
        return b"\\" + LETTERS[byte]
    return b"\\u%04x" % byte if byte < 0x20 else bytes((byte,))


_WRITTEN: Final = {point: written(point) for point in (*LETTERS, *range(0x20)) if point != 0x2F}
"""The characters that must be escaped, as json.dumps(ensure_ascii=False) writes them: the usual first."""


@lru_cache(1 << 14)
def points(escapes: Escapes, read: bytes) -> Points:
    """Return the characters whose escapes begin with some bytes, which begin with a backslash; it is one
    character exactly where the bytes are a whole escape.

    `escapes`: "any", every way in which JSON may write a character; "canonical", those that
    json.dumps(ensure_ascii=False) writes.
    """
    if escapes == "canonical":
        return tuple((point, point) for point, text in _WRITTEN.items() if text.startswith(read))
    found = [(point, point) for point, letter in LETTERS.items() if (b"\\" + letter).startswith(read)]
    low, high = _units(read[:6])
    if len(read) <= 6:
        halves = ((low, min(high, 0xD7FF)), (max(low, 0xE000), high))
        found += [(first, last) for first, last in halves if first <= last]
    first, last = max(low, 0xD800), min(high, 0xDBFF)
    low, high = _units(read[6:])
    low, high = max(low, 0xDC00), min(high, 0xDFFF)
    if first <= last and low <= high:
        found.append((_pair(first, low), _pair(last, high)))
    return tuple(found)


def _units(read: bytes) -> tuple[int, int]:
    """Return the least and the greatest number of four digits whose escape begins with some bytes; where
    there is none, a greater one and a smaller one."""
    digits = read[2:]
    if not b"\\u".startswith(read[:2]) or any(digit not in HEX for digit in digits):
        return 1, 0
    return int((digits + b"0000")[:4], 16), int((digits + b"ffff")[:4], 16)


def _pair(high: int, low: int) -> int:
    return 0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00)


def rest_of_escape(read: bytes, point: int) -> bytes:
    """Return the shortest rest of an escape of a character that begins with some bytes."""
    if read == b"\\" and point in LETTERS:
        return LETTERS[point]
    units = chr(point).encode("utf-16-be").hex().encode()
    return b"".join(b"\\u" + units[at : at + 4] for at in range(0, len(units), 4))[len(read) :]


def unescaped(escapes: Escapes, data: bytes) -> tuple[bytes, bytes] | None:
    """Return the text that bytes inside a string stand for, and the beginning of an escape at their end; None
    where they leave the string, or no string continues with them."""
    found, read = bytearray(), b""
    for byte in data:
        if not read and byte != 0x5C:
            if byte == 0x22 or byte < 0x20:
                return None
            found.append(byte)
            continue
        read += bytes((byte,))
        may_be = points(escapes, read)
        if not may_be:
            return None
        if is_whole(may_be):
            found += chr(may_be[0][0]).encode()
            read = b""
    return bytes(found), read


def is_whole(may_be: Points) -> bool:
    """Return whether the bytes that begin the escapes of some characters (`points`) are a whole escape."""
    return len(may_be) == 1 and may_be[0][0] == may_be[0][1]
