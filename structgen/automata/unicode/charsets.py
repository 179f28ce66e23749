"""Sets of code points as sorted ranges, with union and complement, and the classes that patterns name.

A *range* is a pair (first code point, last code point). A set is the tuple of its ranges, ascending, with a
gap between any two: the digits and `a` are `((0x30, 0x39), (0x61, 0x61))`. Equal sets are equal tuples.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

Ranges: TypeAlias = tuple[tuple[int, int], ...]
"""A set of code points: sorted ranges with gaps between them. Both ends of a range are inclusive."""

LAST = 0x10FFFF
"""The largest code point of Unicode."""
SURROGATES = (0xD800, 0xDFFF)
"""The first and the last surrogate. Surrogates are halves of pairs in UTF-16; UTF-8 never has them."""
ANY: Ranges = ((0, LAST),)
DIGIT: Ranges = ((0x30, 0x39),)
WORD: Ranges = (
    (0x30, 0x39),
    (0x41, 0x5A),
    (0x5F, 0x5F),
    (0x61, 0x7A),
)
# ECMA-262 WhiteSpace and LineTerminator: TAB VT FF SP NBSP ZWNBSP USP, LF CR LS PS.
SPACE: Ranges = (
    (0x09, 0x0D),
    (0x20, 0x20),
    (0xA0, 0xA0),
    (0x1680, 0x1680),
    (0x2000, 0x200A),
    (0x2028, 0x2029),
    (0x202F, 0x202F),
    (0x205F, 0x205F),
    (0x3000, 0x3000),
    (0xFEFF, 0xFEFF),
)


def union(ranges: Iterable[tuple[int, int]]) -> Ranges:
    """Return the set of all code points in some ranges, which may overlap in any order. Cost: O(n log n)."""
    disjoint: list[tuple[int, int]] = []
    for low, high in sorted(ranges):
        # Ranges that touch are joined, too, so that equal sets have equal tuples.
        if disjoint and low <= disjoint[-1][1] + 1:
            if high > disjoint[-1][1]:
                disjoint[-1] = (disjoint[-1][0], high)
        else:
            disjoint.append((low, high))
    return tuple(disjoint)


def complement(ranges: Ranges) -> Ranges:
    """Return the set of all code points that are not in a set; surrogates count as well. Cost: O(n)."""
    rest: list[tuple[int, int]] = []
    low = 0
    for first, last in ranges:
        if first > low:
            rest.append((low, first - 1))
        low = last + 1
    if low <= LAST:
        rest.append((low, LAST))
    return tuple(rest)


NOT_DIGIT = complement(DIGIT)
NOT_WORD = complement(WORD)
NOT_SPACE = complement(SPACE)
# `.` without the s flag: all but ECMA-262 LineTerminator.
DOT = complement(
    (
        (0x0A, 0x0A),
        (0x0D, 0x0D),
        (0x2028, 0x2029),
    )
)
