"""The characters that the classes of Python's regular expressions match.

A *class* is a set of characters, such as `[a-f]`; a *category* is a class with a letter, such as `\\d`. An
*item* is a part of a class in re's parse tree: `("LITERAL", 97)`, `("RANGE", (97, 102))` or `("CATEGORY",
"CATEGORY_DIGIT")`. *Ranges* are a set of code points, as pairs (first, last): `[a-c]` -> `((97, 99),)`.

This module asks re itself which code points its classes and its case folding match, so the answer is that of
the running Python. The flags I, A and U are re.IGNORECASE, re.ASCII and re.UNICODE. A *form* is a pattern
that has neither A nor U (`python_syntax.parse_form`): its categories contain ASCII characters only. In a form
a letter matches its other case if both letters are in ASCII, or if neither is. For example, `k` does not
match the Kelvin sign U+212A.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable
from importlib import import_module
from typing import Any

import numpy as np

from structgen.automata.unicode.charsets import Ranges, complement, union

_compiler: Any = import_module("re._compiler")
_ASCII: Ranges = ((0, 0x7F),)
_PAST_LETTERS = 0x40000
"""All letters, digits, spaces and characters with case are below this code point."""


@functools.lru_cache(maxsize=4096)
def members_of(op: str, value: Any, flags: int) -> Ranges:
    """Return the code points that a node of re's parse tree matches under `flags` (only I, A and U matter).

    `op`: LITERAL, NOT_LITERAL or IN. `value`: the operand of the node, a code point or the items of a class.
    For example, ("LITERAL", 97) -> ((97, 97),).
    """
    is_negated, items = class_items(op, value)
    if flags & re.IGNORECASE and not flags & (re.ASCII | re.UNICODE):
        # A form: case folding joins ASCII characters with one another, and all others with one another.
        inside = members_of("IN", items, re.ASCII | re.IGNORECASE)
        beyond = tuple(("RANGE", pair) for pair in _subtract_ranges(inside, _ASCII))
        folded_members: Ranges = ()
        if beyond:
            folded_members = members_of("IN", beyond, re.UNICODE | re.IGNORECASE)
        inside = union((*inside, *_subtract_ranges(folded_members, _ASCII)))
        return complement(inside) if is_negated else inside
    ascii_only = not flags & re.UNICODE
    ranges = union(pair for item in items for pair in _ranges_of_item(item, ascii_only))
    plain = complement(ranges) if is_negated else ranges
    if not flags & re.IGNORECASE:
        return plain
    cased_ranges, points = cased_points()
    class_text = "".join(map(in_brackets, items))
    # re itself is asked about the characters that have case; the others match as they are written
    sign = "^" if is_negated else ""
    class_pattern = _compiler.compile(f"[{sign}{class_text}]", flags & (re.ASCII | re.IGNORECASE))
    matched_points = map(ord, class_pattern.findall(points))
    inside = union((point, point) for point in matched_points)
    return union((*_subtract_ranges(plain, cased_ranges), *inside))


def _ranges_of_item(item: Any, ascii_only: bool) -> Iterable[tuple[int, int]]:
    """Return the ranges of one item of a class: a character, a range or a category."""
    kind, value = item
    if kind == "LITERAL":
        return ((value, value),)
    if kind == "RANGE":
        return (value,)
    ranges = category_members(category_letter(value), ascii_only)
    return complement(ranges) if "_NOT_" in value else ranges


def _subtract_ranges(ranges: Ranges, others: Ranges) -> Ranges:
    """Return the code points of `ranges` that are not in `others`."""
    outside = union((*complement(ranges), *others))
    return complement(outside)


@functools.lru_cache(maxsize=8)
def category_members(letter: str, ascii_only: bool) -> Ranges:
    r"""Return the members of `\d`, `\s` or `\w`, as re finds them.

    `letter`: d, s or w. `ascii_only`: whether only ASCII characters are members. Cost: some 5 ms for the
    first call with all of Unicode.
    """
    flags = re.ASCII if ascii_only else re.UNICODE
    size = 0x80 if ascii_only else _PAST_LETTERS
    # In the text of all code points in order, the position of a character is its code point.
    all_points = code_points(0, size)
    runs = re.compile(f"\\{letter}+", flags).finditer(all_points)
    return tuple((run.start(), run.end() - 1) for run in runs)


@functools.lru_cache(maxsize=1)
def cased_points() -> tuple[Ranges, str]:
    """Return the code points that have case, as ranges and as a text.

    A code point has case if lower() or upper() changes it: re folds no others. Cost: some 5 ms for the first
    call.
    """
    points: list[str] = []
    for block in range(0, _PAST_LETTERS, 4096):
        text = code_points(block, block + 4096)
        # Most blocks have no character with case: whole blocks are tested first.
        if text.lower() != text or text.upper() != text:
            points += [char for char in text if char.lower() != char or char.upper() != char]
    ranges = union((ord(char), ord(char)) for char in points)
    return ranges, "".join(points)


def code_points(start: int, end: int) -> str:
    """Return the text of the code points from `start` to `end` - 1, in order."""
    points = np.arange(start, end, dtype="<u4")
    return points.tobytes().decode("utf-32-le", "surrogatepass")


def in_brackets(item: Any) -> str:
    """Return the pattern that re reads, inside brackets, as an item of a class."""
    kind, value = item
    if kind == "LITERAL":
        return f"\\U{value:08x}"
    if kind == "RANGE":
        return f"\\U{value[0]:08x}-\\U{value[1]:08x}"
    letter = category_letter(value)
    return "\\" + (letter.upper() if "_NOT_" in value else letter)


def category_letter(name: str) -> str:
    """Return the letter of a category of re's parse tree, in lower case: `CATEGORY_NOT_DIGIT` -> `d`."""
    kind = name.rpartition("_")[2]  # CATEGORY_NOT_DIGIT -> DIGIT
    return {"DIGIT": "d", "SPACE": "s", "WORD": "w"}[kind]


def class_items(op: str, value: Any) -> tuple[bool, Any]:
    """Return (whether the class is negated, its items) for a node of re's parse tree: LITERAL, NOT_LITERAL or
    IN."""
    if op == "IN":
        is_negated = value[:1] == (("NEGATE", "None"),)
        return is_negated, value[is_negated:]  # without the sign NEGATE, which comes first
    return op == "NOT_LITERAL", (("LITERAL", value),)
