"""JSON's escapes in strings: whole ones, and their beginnings (RFC 8259, 7)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Literal, TypeAlias

Escapes: TypeAlias = Literal["any", "canonical"]

_SHORT: Final = {
    ord('"'): 0x22, ord("\\"): 0x5C, ord("/"): 0x2F, ord("b"): 8, ord("f"): 12, ord("n"): 10, ord("r"): 13,
    ord("t"): 9,
}  # fmt: skip
_LETTER: Final = {point: letter for letter, point in _SHORT.items() if letter != ord("/")}
HEX: Final = b"0123456789abcdefABCDEF"


class JsonEscapes:
    """The escapes of a policy: "any", every way in which JSON may write a character; "canonical", those that
    json.dumps(ensure_ascii=False) writes."""

    def __init__(self, policy: Escapes) -> None:
        self.policy = policy
        self._any = policy == "any"

    def may_write(self, read: bytes, point: int) -> bool:
        """Return whether the policy allows this spelling of a character."""
        if self._any:
            return True
        if len(read) == 2:
            return point in _LETTER
        return point < 0x20 and point not in _LETTER and read[2:].islower() | read[2:].isdigit()

    def points(self, read: bytes) -> Iterator[tuple[int, int]]:
        """Yield the ranges of characters whose escapes begin with the bytes read."""
        if not self._any:
            points = [*_LETTER] if read == b"\\" else []
            points += [point for point in range(0x20) if point not in _LETTER]
            for point in points:
                written = b"\\" + (bytes((_LETTER[point],)) if point in _LETTER else b"u%04x" % point)
                if written.startswith(read):
                    yield point, point
            return
        if read == b"\\":
            for point in _SHORT.values():
                yield point, point
            read = b"\\u"
        digits = read[2:6]
        if read[1:2] != b"u" or any(digit not in HEX for digit in digits):
            return
        span = 16 ** (4 - len(digits))
        low = (int(digits, 16) if digits else 0) * span
        high = low + span - 1
        if len(read) <= 6:
            for first, last in ((low, min(high, 0xD7FF)), (max(low, 0xE000), high)):
                if first <= last:
                    yield first, last
        first, last = max(low, 0xD800), min(high, 0xDBFF)
        if first > last:
            return
        # a high surrogate, and the beginning of the low one
        more = read[6:]
        if not b"\\u".startswith(more[:2]) or any(digit not in HEX for digit in more[2:]):
            return
        digits = more[2:]
        span = 16 ** (4 - len(digits))
        bottom = (int(digits, 16) if digits else 0) * span
        bottom, top = max(bottom, 0xDC00), min(bottom + span - 1, 0xDFFF)
        if bottom > top:
            return
        if len(read) > 6:
            yield _pair(first, bottom), _pair(first, top)
        else:
            yield _pair(first, 0xDC00), _pair(last, 0xDFFF)

    def read(self, data: bytes) -> tuple[bytes, bytes] | None:
        """Return the text that bytes inside a string stand for, and the beginning of an escape at their end;
        None where they leave the string, or no string continues with them."""
        found, at = bytearray(), 0
        while at < len(data):
            byte = data[at]
            if byte == 0x22 or byte < 0x20:
                return None
            end = at + 1
            if byte == 0x5C:
                point = value(data[at:end])
                while point is None:
                    if not any(True for _ in self.points(data[at:end])):
                        return None
                    if end == len(data):
                        return bytes(found), data[at:]
                    end += 1
                    point = value(data[at:end])
                if not self.may_write(data[at:end], point):
                    return None
                found += chr(point).encode()
            else:
                found.append(byte)
            at = end
        return bytes(found), b""


def value(read: bytes) -> int | None:
    """Return the character that a whole escape stands for, or None."""
    if len(read) == 2 and read[1] != ord("u"):
        return _SHORT.get(read[1])
    if len(read) == 6 and all(digit in HEX for digit in read[2:]):
        point = int(read[2:], 16)
        return None if 0xD800 <= point < 0xE000 else point
    if len(read) == 12 and read[6:8] == b"\\u" and all(digit in HEX for digit in read[8:]):
        high, low = int(read[2:6], 16), int(read[8:], 16)
        return _pair(high, low) if 0xDC00 <= low < 0xE000 else None
    return None


def spellings(point: int, *, short: bool) -> Iterator[bytes]:
    """Yield the escapes of a character: in two characters (`short`) where there is one, in hexadecimal."""
    if short:
        for letter, value in _SHORT.items():
            if value == point:
                yield bytes((0x5C, letter))
    if point < 0x10000:
        yield b"\\u%04x" % point
    else:
        rest = point - 0x10000
        yield b"\\u%04x\\u%04x" % (0xD800 + (rest >> 10), 0xDC00 + (rest & 0x3FF))


def _pair(high: int, low: int) -> int:
    return 0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00)


def written(byte: int) -> bytes:
    """Return a byte of UTF-8 as JSON writes it most briefly in a string."""
    if byte in _LETTER:
        return bytes((0x5C, _LETTER[byte]))
    return b"\\u%04x" % byte if byte < 0x20 else bytes((byte,))
