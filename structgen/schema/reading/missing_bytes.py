"""What of JSON cannot be written where a vocabulary lacks bytes: kinds of values, characters, counts."""

from __future__ import annotations

from typing import Any, Final

from structgen.automata.unicode.charsets import Ranges, union

_KINDS: Final = (
    ("null", (b"null",)),
    ("boolean", (b"true", b"false")),
    ("number", tuple(b"%d" % digit for digit in range(10))),
    ("string", (b'""',)),
    ("array", (b"[]",)),
    ("object", (b"{}",)),
)
"""Kinds of values, each with texts of which one can be written if any of its texts can."""
_SHORT: Final = {34: b'"', 92: b"\\", 47: b"/", 8: b"b", 12: b"f", 10: b"n", 13: b"r", 9: b"t"}
"""Characters with an escape of two, and its second."""
_LEADS: Final = (
    *((byte, (byte & 31) << 6, 6) for byte in range(0xC2, 0xE0)),
    *((byte, (byte & 15) << 12, 12) for byte in range(0xE0, 0xF0)),
    *((byte, (byte & 7) << 18, 18) for byte in range(0xF0, 0xF5)),
)
"""First bytes of characters beyond ASCII: the first point that begins so, and how many bits follow."""


def writes_ascii(escapes: str, missing: frozenset[int]) -> bool:
    """Return whether completions write strings in ASCII alone: the policy asks for it, or leaves the choice
    and bytes beyond ASCII are missing."""
    return escapes == "ascii" or (escapes == "any" and not missing.isdisjoint(range(0x80, 0x100)))


def limits_of(missing: frozenset[int], escapes: str) -> tuple[dict[str, Any], str | None]:
    """Return fields of `Schema` that every value meets whose text has none of some bytes, and a pattern of
    its keys (None: any). `escapes`: the policy.

    It is not all that those bytes rule out: of numerals, of escapes and of the bytes inside a character
    nothing is said.
    """
    fields: dict[str, Any] = {
        "types": frozenset(kind for kind, texts in _KINDS if any(missing.isdisjoint(text) for text in texts))
    }
    if not missing.isdisjoint(b","):
        fields["max_items"] = fields["max_properties"] = 1
    if not missing.isdisjoint(b':"'):
        fields["max_properties"] = 0
    fields["pattern"] = _pattern(missing, escapes in ("canonical", "any"), escapes == "ascii")
    return fields, _pattern(missing, escapes == "any", escapes == "ascii")


def _pattern(missing: frozenset[int], any_way: bool, ascii: bool) -> str | None:
    """Return a pattern of the strings that may be written. `any_way`: each character may be an escape of six;
    `ascii`: those beyond ASCII are."""
    spelled = missing.isdisjoint(b"\\u")
    if any_way and spelled:
        return None
    plain = _plain(missing) if not spelled else (*_plain(missing), (0, 31), (127, 127))
    beyond: Ranges = ((0x80, 0x10FFFF),) if spelled else ()
    found = union((*plain, *(beyond if ascii else _beyond(missing))))
    ranges = "".join(f"\\u{{{low:x}}}-\\u{{{high:x}}}" for low, high in found)
    return f"^[{ranges}]*$"


def _plain(missing: frozenset[int]) -> Ranges:
    """Return the characters of ASCII that strings may hold without escapes of six."""
    plain = {point for point in range(32, 128) if point not in missing and point not in b'"\\'}
    if 92 not in missing:
        plain |= {point for point, second in _SHORT.items() if missing.isdisjoint(second)}
    return union((point, point) for point in plain)


def _beyond(missing: frozenset[int]) -> Ranges:
    """Return the characters beyond ASCII whose first byte is there."""
    found = [(first, first + (1 << bits) - 1) for byte, first, bits in _LEADS if byte not in missing]
    return union((max(low, 0x80), min(high, 0x10FFFF)) for low, high in found)
