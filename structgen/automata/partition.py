"""The code points divided into the classes that a few sets and letters cannot tell apart."""

from __future__ import annotations

import functools
from dataclasses import dataclass

from structgen.automata.charsets import LAST, Ranges
from structgen.errors import RegexError


@dataclass(frozen=True, slots=True)
class Partition:
    """The code points divided into the classes that a spec's atoms cannot tell apart, by smallest member."""

    starts: list[int]
    kinds: list[int]
    members: list[int]
    """For each set given, the bit mask of its classes."""
    first: list[int]
    """The smallest code point of each class that UTF-8 can write, or -1."""


@functools.lru_cache(maxsize=512)
def partition_for(sets: tuple[Ranges, ...], letters: frozenset[int]) -> Partition:
    """Return the coarsest partition in which a set is a union of classes, and a letter is its own class."""
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
    for point in points:
        if 0xD800 < point < 0xE000 and point != 0xDC00:
            raise RegexError(
                f"A set of characters divides the surrogates at U+{point:X}, which no UTF-8 text can hold.",
                cure="Write characters above U+FFFF as themselves, or as \\u{...}.",
            )
    signature = 0
    runs: list[tuple[int, tuple[int, int]]] = []
    for point in points:
        signature ^= toggles[point]
        name = (signature, point if point in letters else -1)
        if not runs or runs[-1][1] != name or point == 0xE000:
            runs.append((point, name))
    classes: dict[tuple[int, int], int] = {}
    first: list[int] = []
    # Surrogates last: a class is numbered by the smallest code point that UTF-8 can write.
    for point, name in sorted(runs, key=lambda run: (0xD800 <= run[0] < 0xE000, run[0])):
        if name not in classes:
            classes[name] = len(first)
            first.append(-1 if 0xD800 <= point < 0xE000 else point)
    members = [0] * len(sets)
    for (mask, _), kind in classes.items():
        for index in range(len(sets)):
            if mask >> index & 1:
                members[index] |= 1 << kind
    return Partition([point for point, _ in runs], [classes[name] for _, name in runs], members, first)


@functools.cache
def _cost_of_ascii() -> tuple[int, ...]:
    """Return what JSON takes to write each ASCII character in a string:
    1, 2 or 6 characters (RFC 8259, section 7)."""
    return tuple(2 if chr(p) in '"\\\b\f\n\r\t' else 6 if p < 0x20 else 1 for p in range(0x80))


def cheapest(partition: Partition) -> list[int]:
    """Return the code point of each class that takes the fewest bytes of JSON text, or -1:
    the smallest of those.

    A class with an ASCII character has one that takes one byte of UTF-8, as `first` does.
    """
    costs = _cost_of_ascii()
    found = list(partition.first)
    ends = [*partition.starts[1:], LAST + 1]
    for low, end, kind in zip(partition.starts, ends, partition.kinds, strict=True):
        if low > 0x7F:
            break
        best = min(range(low, min(end, 0x80)), key=costs.__getitem__)
        if costs[best] < costs[found[kind]]:
            found[kind] = best
    return found


def class_of(partition: Partition, point: int) -> int:
    """Return the class of a code point; O(log n)."""
    low, high = 0, len(partition.starts)
    while high - low > 1:
        mid = (low + high) // 2
        if partition.starts[mid] <= point:
            low = mid
        else:
            high = mid
    return partition.kinds[low]
