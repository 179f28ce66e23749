"""What stands in a text, and where.

`readings_of` is a linear scan: its memory and its time are proportional to the length of the text.
"""

from __future__ import annotations

import datetime as dt
import re
import unicodedata
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from typing import Literal, TypeAlias

from structgen.base.system.installation import needing

Kind: TypeAlias = Literal["number", "date", "time", "datetime", "duration", "email", "uri", "ip", "uuid"]


@dataclass(frozen=True, slots=True)
class Reading:
    """A value that a text states at `text[start:end]`, in characters.

    `value` is a `str` for addresses and UUIDs (as they stand), and for durations of months or years (ISO
    8601, `P3M`). `is_part`: a number that belongs to something else, such as a date or a phone number; it is
    used where nothing else is stated.
    """

    kind: Kind
    value: Decimal | dt.date | dt.time | dt.datetime | dt.timedelta | str
    start: int
    end: int
    is_part: bool = False


def readings_of(text: str) -> tuple[Reading, ...]:
    """Return what a text states, by start, then end. Several readings may have one place.

    Raises StructgenError where a package of the extra `grounded` is missing. Cost: linear in the text.
    """
    with needing("A grounded answer", "grounded", where="grounded"):
        months = _month_names()
    text = re.sub(r"(?![0-9])\d", lambda digit: str(unicodedata.decimal(digit[0])), text)
    found = []
    for match in re.finditer(r"(?<![\w-])(\d{4})-(\d\d)-(\d\d)(?![\w-])", text):
        found += _dated(match, *match.groups())
    names = "|".join(sorted(months, key=len, reverse=True))
    by_name = (
        rf"(?<!\w)(\d{{1,2}})(?:st|nd|rd|th|er|\.|º)? (?:of |de )?({names})\.?,? (?:de )?(\d{{4}})(?!\w)"
    )
    for match in re.finditer(by_name, text, re.I):
        found += _dated(match, match[3], months[match[2].lower()], match[1])
    american = rf"(?<!\w)({names})\.? (\d{{1,2}})(?:st|nd|rd|th)?,? (\d{{4}})(?!\w)"
    for match in re.finditer(american, text, re.I):
        found += _dated(match, match[3], months[match[1].lower()], match[2])
    taken = {at for one in found for at in range(one.start, one.end)}
    for match in re.finditer(r"\d++(?:[.,' ]\d++)*+", text):
        found += _numbers(match, match.start() in taken)
    return tuple(sorted(found, key=lambda one: (one.start, one.end)))


def _dated(match: re.Match[str], year: str, month: str | int, day: str) -> list[Reading]:
    try:
        return [Reading("date", dt.date(int(year), int(month), int(day)), *match.span())]
    except ValueError:
        return []


def _numbers(match: re.Match[str], is_part: bool) -> list[Reading]:
    figures, (start, end) = match[0], match.span()
    values = []
    if re.fullmatch(r"\d{1,3}([., '])\d{3}(?:\1\d{3})*(?:(?!\1)[.,]\d+)?", figures):
        mark = re.search(r"\D", figures)
        assert mark is not None
        values.append(figures.replace(mark[0], "").replace(",", "."))
    if re.fullmatch(r"\d+(?:[.,]\d+)?", figures):
        values.append(figures.replace(",", "."))
    if values:
        return [Reading("number", Decimal(value), start, end, is_part) for value in values]
    return [
        Reading("number", Decimal(one[0]), start + one.start(), start + one.end(), is_part)
        for one in re.finditer(r"\d+", figures)
    ]


@cache
def _month_names() -> dict[str, int]:
    """Return the number of each month by its names in seven languages, in small letters."""
    from babel import Locale  # optional: a text is to be read

    return {
        name.rstrip(".").lower(): number
        for language in ("en", "de", "fr", "es", "it", "pt", "nl")
        for context in ("format", "stand-alone")
        for width in ("wide", "abbreviated")
        for number, name in Locale(language).months[context][width].items()
    }
