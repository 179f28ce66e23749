"""Numbers in figures, as seven languages write them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from decimal import Context, Decimal
from functools import cache

from structgen.asking.grounding.reading import EXACT, LONGEST, PART, YEAR, Reading, mark_span

_FIGURES = re.compile(
    r"(?P<sign>(?<![^\s(\[=:,;/])-[$€£¥]?)?"
    r"(?P<figures>(?:(?<![\w.,])\.)?\d++(?:[.,']\d++|[ \xa0]\d{3}(?!\d))*+(?:e[+-]?\d{1,3}(?![\w.,]))?)",
    re.I,
)
_GROUPED = re.compile(
    r"((?:[1-9]\d{0,2}(?:(?P<mark>[.,' \xa0])\d{3})(?:(?P=mark)\d{3})*)|[1-9]\d?(?:,\d\d)+,\d{3})"
    r"(?:(?!(?P=mark)|(?<=\d,\d\d\d),)[.,](?P<tail>\d+))?"
)
_PLAIN = re.compile(r"(\d*)[.,]?(\d+)(?:e[+-]?\d+)?", re.I)
_FRACTION = re.compile(
    r"(?<![\w/.,])(?:(\d{1,4})(?:[ -]|(?=[¼-¾⅐-⅞])))?(?:(\d{1,4})/(\d{1,4})|([¼-¾⅐-⅞]))(?![\w/])"
)
_BEFORE = re.compile(r"(?:([^\W\d_]{1,9})|[^\W\d_a-z]\w{0,8}[-/_]|_)$")
_BEHIND = re.compile(r"([^\W\d_]{1,8})\d|[A-Z]{1,8}[-_/]\d")
_NOT_NAMES = frozenset("x \u00d7 n no nr rs kr us a hk nt r chf h hrs hr d min m s w".split())
"""Words that stand beside a number without a blank, and make no identifier of it."""
_ROUGH = Context(prec=16)
"""A fraction has the digits of a float where it has no end."""


def numerals_of(text: str, marks: bytearray) -> Iterator[Reading]:
    """Yield the numbers that figures of a folded text state.

    `1.204` is two numbers, and `1 204` three: the whole, and its parts. The figures of an identifier, of a
    version, and those that are marked are parts. A numeral of over 1,000 characters is cut at its signs, and
    longer figures are no number. Cost: linear.
    """
    for match in _FRACTION.finditer(text):
        whole, above, below, sign = match.groups()
        if below is not None and not int(below):
            continue
        value = (
            Decimal(str(unicodedata.numeric(sign))) if sign else _ROUGH.divide(Decimal(above), Decimal(below))
        )
        yield Reading(
            "number", _ROUGH.add(value, Decimal(whole or 0)), *match.span(), marks[match.start()] == PART
        )
        if sign or int(below) < 10:  # 7/10 and 85/100 are counts as well
            mark_span(marks, *match.span())
    for match in _FIGURES.finditer(text):
        first = match.start("figures")
        is_glued = _is_glued(text, first, match.end())
        for value, start, end, is_part in _values(match["figures"], first, is_glued):
            is_part = marks[start] == PART or (is_part and marks[start] != YEAR)
            is_below = match["sign"] is not None and start == first
            if is_below:
                yield Reading("number", EXACT.minus(value), match.start(), end, is_part)
            yield Reading("number", value, start, end, is_part or is_below)


def _values(figures: str, start: int, is_part: bool) -> Iterator[tuple[Decimal, int, int, bool]]:
    """Yield what a run of figures and signs between them may state: value, start, end, whether it is a
    part."""
    grouped = plain = None
    if len(figures) <= LONGEST:
        grouped, plain = _GROUPED.fullmatch(figures), _PLAIN.fullmatch(figures)
    end = start + len(figures)
    if grouped is not None:
        yield Decimal(re.sub(r"\D", "", grouped[1]) + "." + (grouped["tail"] or "")), start, end, is_part
    if plain is not None:
        yield Decimal(figures.replace(",", ".")), start, end, is_part
    mark = next((mark for mark in "\xa0 ,'." if mark in figures), "")
    if not mark or ((grouped or plain) and mark not in "\xa0 "):
        return
    if grouped is not None:  # 12 300 may be two numbers; 1 204,50 hardly is
        is_part = is_part or mark == "\xa0" or grouped["tail"] is not None
    for piece in re.finditer(f"[^{mark}]+", figures):
        yield from _values(piece[0], start + piece.start(), is_part or mark == ".")


def _is_glued(text: str, start: int, end: int) -> bool:
    """Return whether figures are those of an identifier, by the letters beside them."""
    before = _BEFORE.search(text[max(0, start - 10) : start])
    if before is not None and not _is_apart(before[1] or ""):
        return True
    behind = _BEHIND.match(text, end)
    return behind is not None and not _is_apart(behind[1] or "")


def _is_apart(word: str) -> bool:
    return word in _currencies() or word.lower() in _NOT_NAMES


@cache
def _currencies() -> frozenset[str]:
    from babel import Locale  # optional: `readings_of` has asked for it

    return frozenset(Locale("en").currencies)
