"""Sets of code points as sorted ranges: their algebra, and the classes and properties that patterns name."""

from __future__ import annotations

import functools
import unicodedata
from collections.abc import Callable, Iterable
from typing import TypeAlias

from structgen.errors import RegexError

Ranges: TypeAlias = tuple[tuple[int, int], ...]
"""Disjoint, sorted, non-touching inclusive ranges of code points (surrogates included)."""

LAST = 0x10FFFF
ANY: Ranges = ((0, LAST),)
DIGIT: Ranges = ((0x30, 0x39),)
WORD: Ranges = ((0x30, 0x39), (0x41, 0x5A), (0x5F, 0x5F), (0x61, 0x7A))
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
    """Return the union of any ranges, in normal form; O(n log n)."""
    merged: list[tuple[int, int]] = []
    for low, high in sorted(ranges):
        if merged and low <= merged[-1][1] + 1:
            if high > merged[-1][1]:
                merged[-1] = (merged[-1][0], high)
        else:
            merged.append((low, high))
    return tuple(merged)


def complement(ranges: Ranges) -> Ranges:
    """Return every other code point, lone surrogates included; O(n)."""
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
DOT = complement(((0x0A, 0x0A), (0x0D, 0x0D), (0x2028, 0x2029)))

_CATEGORIES = {
    "Cased_Letter": ("Lu", "Ll", "Lt"),
    "LC": ("Lu", "Ll", "Lt"),
    "Close_Punctuation": ("Pe",),
    "Connector_Punctuation": ("Pc",),
    "Control": ("Cc",),
    "cntrl": ("Cc",),
    "Currency_Symbol": ("Sc",),
    "Dash_Punctuation": ("Pd",),
    "Decimal_Number": ("Nd",),
    "digit": ("Nd",),
    "Enclosing_Mark": ("Me",),
    "Final_Punctuation": ("Pf",),
    "Format": ("Cf",),
    "Initial_Punctuation": ("Pi",),
    "Letter": ("L",),
    "Letter_Number": ("Nl",),
    "Line_Separator": ("Zl",),
    "Lowercase_Letter": ("Ll",),
    "Mark": ("M",),
    "Combining_Mark": ("M",),
    "Math_Symbol": ("Sm",),
    "Modifier_Letter": ("Lm",),
    "Modifier_Symbol": ("Sk",),
    "Nonspacing_Mark": ("Mn",),
    "Number": ("N",),
    "Open_Punctuation": ("Ps",),
    "Other": ("C",),
    "Other_Letter": ("Lo",),
    "Other_Number": ("No",),
    "Other_Punctuation": ("Po",),
    "Other_Symbol": ("So",),
    "Paragraph_Separator": ("Zp",),
    "Private_Use": ("Co",),
    "Punctuation": ("P",),
    "punct": ("P",),
    "Separator": ("Z",),
    "Space_Separator": ("Zs",),
    "Spacing_Mark": ("Mc",),
    "Surrogate": ("Cs",),
    "Symbol": ("S",),
    "Titlecase_Letter": ("Lt",),
    "Unassigned": ("Cn",),
    "Uppercase_Letter": ("Lu",),
}
_SHORT = (
    "L Lu Ll Lt Lm Lo M Mn Mc Me N Nd Nl No P Pc Pd Ps Pe Pi Pf Po S Sm Sc Sk So Z Zs Zl Zp C Cc Cf Cs Co Cn"
).split()


# Planes 4 to 13 hold no character in any Unicode version, and 15 and 16 are private use throughout.
_SCANNED = (*range(0x40000), *range(0xE0000, 0xE1000))
_PRIVATE = ((0xF0000, 0xFFFFD), (0x100000, 0x10FFFD))


def _where(holds: Callable[[str], bool]) -> Ranges:
    """Return the ranges of the scanned code points for which `holds` is true."""
    found: list[tuple[int, int]] = []
    first = last = -2
    for point in _SCANNED:
        if holds(chr(point)):
            if point != last + 1:
                if first >= 0:
                    found.append((first, last))
                first = point
            last = point
    if first >= 0:
        found.append((first, last))
    return tuple(found)


@functools.lru_cache(maxsize=1)
def _by_category() -> dict[str, Ranges]:
    """Return the ranges of each two-letter General_Category in `unicodedata`; about 20 ms, once."""
    runs: dict[str, list[tuple[int, int]]] = {}
    category = unicodedata.category
    first, kind = 0, category("\0")
    for start, stop in ((0, 0x40000), (0xE0000, 0xE1000)):
        first, kind = start, category(chr(start))
        for point in range(start, stop):
            now = category(chr(point))
            if now != kind:
                runs.setdefault(kind, []).append((first, point - 1))
                first, kind = point, now
        runs.setdefault(kind, []).append((first, stop - 1))
    runs.setdefault("Co", []).extend(_PRIVATE)
    table = {kind: union(ranges) for kind, ranges in runs.items()}
    table["Cn"] = ()
    assigned = union(pair for kind, ranges in table.items() for pair in ranges)
    table["Cn"] = complement(assigned)
    return table


def _category(names: Iterable[str]) -> Ranges:
    table = _by_category()
    return union(
        pair for name in names for kind, ranges in table.items() if kind.startswith(name) for pair in ranges
    )


@functools.lru_cache(maxsize=256)
def unicode_property(expression: str) -> Ranges:
    r"""Return the code points of a `\p{...}` expression (ECMA-262, tables 67 to 70).

    General_Category in every spelling, Any, ASCII, ASCII_Hex_Digit, Assigned, White_Space, Lowercase,
    Uppercase, XID_Start and XID_Continue are exact for the Unicode version of the interpreter's
    `unicodedata`. Scripts and the other binary properties raise `RegexError`: the standard library has no
    data for them.
    """
    name, equals, value = expression.partition("=")
    if equals and name in ("General_Category", "gc"):
        if value in _SHORT:
            return _category((value,))
        if value in _CATEGORIES:
            return _category(_CATEGORIES[value])
    elif not equals:
        if name in _SHORT:
            return _category((name,))
        if name in _CATEGORIES:
            return _category(_CATEGORIES[name])
        if name == "Any":
            return ANY
        if name == "ASCII":
            return ((0, 0x7F),)
        if name in ("ASCII_Hex_Digit", "AHex"):
            return ((0x30, 0x39), (0x41, 0x46), (0x61, 0x66))
        if name == "Assigned":
            return complement(_category(("Cn",)))
        if name in ("White_Space", "space"):
            return union((*SPACE[:-1], (0x85, 0x85)))
        # CPython derives these predicates from DerivedCoreProperties.txt.
        if name in ("Uppercase", "Upper"):
            return _where(str.isupper)
        if name in ("Lowercase", "Lower"):
            return _where(str.islower)
        if name in ("XID_Start", "XIDS"):
            return _where(lambda char: char != "_" and char.isidentifier())
        if name in ("XID_Continue", "XIDC"):
            return _where(lambda char: ("a" + char).isidentifier())
    raise RegexError(
        rf"The Unicode property \p{{{expression}}} is not known here.",
        cure="Use a General_Category such as \\p{L}, or write the characters out as ranges.",
    )
