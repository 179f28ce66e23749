"""The code points divided into the classes that a few sets and letters cannot tell apart."""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass

from structgen.automata.unicode.charsets import LAST, Ranges

JSON, PLAIN, ASCII = range(3)
"""Spellings, which say how many bytes a character takes: in JSON text, in UTF-8 alone, and in JSON text in
ASCII alone."""


@dataclass(frozen=True, slots=True)
class Partition:
    """The code points divided into the classes that a spec's atoms cannot tell apart.

    Classes are numbered in the order of their spellings; those that cannot be written come last.
    """

    starts: list[int]
    kinds: list[int]
    members: list[int]
    """For each set given, the bit mask of its classes."""
    first: list[int]
    """The smallest code point of each class that can be written, or -1."""
    cheapest: list[int]
    """The code point of each class that is written in the fewest bytes, of these the smallest, or -1."""
    cost: list[int]
    """How many bytes that is, or 0."""


@functools.cache
def _order_of_ascii(spelling: int, missing: frozenset[int]) -> tuple[tuple[int, bytes], ...]:
    """Return what each ASCII character in a string is written as: how many bytes, and which (RFC 8259,
    section 7), by an escape where a byte of it is `missing`. PLAIN: a byte each; those that JSON writes as
    themselves come first."""
    written = [json.dumps(chr(point), ensure_ascii=spelling == ASCII)[1:-1].encode() for point in range(0x80)]
    if spelling == PLAIN:
        return tuple((1, bytes((len(text),)) + text) for text in written)
    ways = [text if missing.isdisjoint(text) else b"\\u%04x" % point for point, text in enumerate(written)]
    return tuple((len(text), text) for text in ways)


def cheapest_point(
    low: int, high: int, spelling: int = JSON, missing: frozenset[int] = frozenset()
) -> tuple[int, bytes, int] | None:
    """Return what the cheapest code point of a range is written as in a spelling, with the point; None where
    all are surrogates. `missing`: bytes for the want of which escapes are written.

    Compare these: fewer bytes come first, then smaller ones. O(1) past ASCII.
    """
    found: tuple[int, bytes, int] | None = None
    if low < 0x80:
        order = _order_of_ascii(spelling, missing)
        point = min(range(low, min(high, 0x7F) + 1), key=order.__getitem__)
        found = (*order[point], point)
        low = 0x80
    elif 0xD800 <= low < 0xE000:
        low = 0xE000
    if low <= high and (found is None or found[0] > 1):
        for point in (low, *(first for first in _FIRSTS if missing and low < first <= high)):
            text = json.dumps(chr(point))[1:-1].encode() if spelling == ASCII else chr(point).encode()
            if not missing.isdisjoint(text):
                text = chr(point).encode("unicode_escape").rjust(6 if point < 0x10000 else 12)
            rest = (len(text), text, point)
            if found is None or rest < found:
                found = rest
    return found


_FIRSTS = (
    *range(0xC0, 0x800, 64),
    *range(0x1000, 0xD000, 0x1000),
    0xE000,
    *range(0x10000, 0x110000, 0x40000),
)
"""The first characters with each first byte of UTF-8."""


@functools.lru_cache(maxsize=512)
def partition_for(
    sets: tuple[Ranges, ...],
    letters: frozenset[int],
    spelling: int = JSON,
    lone: bool = False,
    missing: frozenset[int] = frozenset(),
) -> Partition:
    """Return the coarsest partition in which a set is a union of classes, and a letter is its own class.

    `spelling`: by which a class has its cost. `lone`: lone surrogates can be written, as escapes. `missing`:
    as in `cheapest_point`.
    """
    toggles: dict[int, int] = {0: 0, 0xD800: 0, 0xE000: 0}
    for index, ranges in enumerate(sets):
        bit = 1 << index
        for low, high in ranges:
            toggles[low] = toggles.get(low, 0) ^ bit
            toggles[high + 1] = toggles.get(high + 1, 0) ^ bit
    for letter in letters:
        toggles.setdefault(letter, 0)
        toggles.setdefault(letter + 1, 0)
    toggles.pop(LAST + 1, None)
    points = sorted(toggles)
    signature = 0
    runs: list[tuple[int, tuple[int, int]]] = []
    for point in points:
        signature ^= toggles[point]
        name = (signature, point if point in letters else -1)
        if not runs or runs[-1][1] != name or point == 0xE000:
            runs.append((point, name))
    spelled: dict[tuple[int, int], tuple[int, bytes, int] | None] = {}
    first: dict[tuple[int, int], int] = {}
    ends = [*[point for point, _ in runs[1:]], LAST + 1]
    for (point, name), end in zip(runs, ends, strict=True):
        known = spelled.get(name)
        if known is None or (known[0] > 1 and known[2] < 0x80):  # later ranges are dearer than these
            found = cheapest_point(point, end - 1, spelling, missing)
            if lone and found is None:
                found = 6, b"\\u%04x" % point, point
            spelled[name] = found if known is None or (found is not None and found < known) else known
            if found is not None or point in letters:
                first.setdefault(name, point)
    names = sorted(spelled, key=lambda name: _place(spelled[name]))
    classes = {name: kind for kind, name in enumerate(names)}
    members = [0] * len(sets)
    for (mask, _), kind in classes.items():
        for index in range(len(sets)):
            if mask >> index & 1:
                members[index] |= 1 << kind
    found_all = [spelled[name] for name in names]
    return Partition(
        [point for point, _ in runs],
        [classes[name] for _, name in runs],
        members,
        [first.get(name, -1) for name in names],
        [-1 if found is None else found[2] for found in found_all],
        [0 if found is None else found[0] for found in found_all],
    )


def _place(spelling: tuple[int, bytes, int] | None) -> tuple[bool, bytes]:
    return (True, b"") if spelling is None else (False, spelling[1])
