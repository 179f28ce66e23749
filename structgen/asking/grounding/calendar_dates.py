"""Dates: a day, a month and a year, in figures or with the name of the month."""

from __future__ import annotations

import datetime as dt
import re
import unicodedata
from collections.abc import Iterable, Iterator
from functools import cache
from itertools import product
from typing import Final

from structgen.asking.grounding.reading import PART, YEAR, Reading, mark_span

LANGUAGES: Final = ("en", "de", "fr", "es", "it", "pt", "nl")
_DAY = r"(?:\d{1,2}(?!\d)(?:\.|(?:st|nd|rd|th|er|ème|e|ste|de|ª|º|°|o)\b)?)"
_DAYS = (
    rf"(?P<days>{_DAY}(?:\s?(?:[-\u2013\u2014/&]|to|and|or|bis|und|oder|et|ou|au|y|al|a|ed?|en|of|tot|até|à|ao)"
    rf"\s?{_DAY}){{0,6}})"
)
_MONTH = r"(?P<month>[^\W\d_]{3,10})"
_YEAR = (
    r"(?:(?:\.?\s?[,/-]?\s?|\s(?:of|del?|di|do)\s)(?P<year>\d{4}(?!\w)|'\d\d(?!\w)"
    r"|(?<=[/-])\d\d(?!\w)|\d\d(?=\s*(?:[.,;:)]|$))(?![.,:]\d)))?"
)
_BY_NAME = (
    re.compile(
        rf"(?<!\w)(?<!\d[.,:]){_DAYS}[\s./-]{{0,2}}(?:(?:of|del?|di|do)\s)?{_MONTH}(?!\w){_YEAR}", re.I
    ),
    re.compile(rf"(?<!\w){_MONTH}\.?[\s/-]{{0,2}}(?:the\s)?{_DAYS}{_YEAR}", re.I),
)
_IN_FIGURES = re.compile(
    r"(?<![\w:/-])(?<!\d[.,])(?:(?P<year>\d{4})(?P<mark>[./-])(?P<first>\d{1,2})(?P=mark)(?P<second>\d{1,2})"
    r"(?=T\d|\b(?![./-]\d))"
    r"|(?P<day>\d{1,2})(?P<sign>\.\s?|[/-])(?P<next>\d{1,2})(?P=sign)(?P<last>\d{4}|\d\d)(?!\w|[./-]\d)"
    r"|(?P<compact>(?:19|20)\d{6})(?=T\d|\b(?![./-]\d)))"
)
_WITHOUT_YEAR = re.compile(r"(?<![\w:/-])(?<!\d[.,])(\d{1,2})(?:/(\d{1,2})(?![\w/-])|\.\s?(\d{1,2})\.(?!\d))")
_STATED_YEAR = re.compile(r"(?<![\w.,/-])(?:1[5-9]|2[01])\d\d(?![\w])|(?<=[./-])(?:19|20)\d\d(?!\w)")
_MOST_YEARS = 8
_SELDOM = {"out", "set", "ago", "may", "mar"}
"""Names of months that are everyday words: without a year they need a capital."""


def dates_of(text: str, marks: bytearray) -> Iterator[Reading]:
    """Yield the dates of a folded text, and mark their characters, those of the year as a year's.

    Where a text leaves open which figure is the day, or the century, each is a date. A day of a month
    without a year is one in each of the years that the text states, the first eight. 30 February is none.
    Cost: linear.
    """
    years = list(dict.fromkeys(match[0] for match in _STATED_YEAR.finditer(text)))[:_MOST_YEARS]
    for pattern in _BY_NAME:
        for match in pattern.finditer(text):
            month = months().get(match["month"].lower())
            if month is None or (match["month"] in _SELDOM and not match["year"]):
                continue
            days = re.findall(r"\d+", match["days"])
            yield from _dates(match, _centuries(match["year"]) if match["year"] else years, [month], days)
            _mark(match, marks, "year")
    for match in _IN_FIGURES.finditer(text):
        if match["compact"]:
            figures = match["compact"]
            yield from _dates(match, [figures[:4]], [figures[4:6]], [figures[6:]])
            continue
        if match["year"]:
            yield from _dates(match, [match["year"]], [match["first"]], [match["second"]])
        else:
            yield from _in_any_order(match, _centuries(match["last"]), match["day"], match["next"])
        _mark(match, marks, "year" if match["year"] else "last")
    for match in _WITHOUT_YEAR.finditer(text):
        if marks[match.start()] != PART:
            yield from _in_any_order(match, years, match[1], match[2] or match[3])


@cache
def months() -> dict[str, int]:
    """Return the number of each month by its names in seven languages: in small letters, with and without
    accents."""
    from babel import Locale  # optional: `readings_of` has asked for it

    names = {
        name.rstrip(".").lower(): number
        for language in LANGUAGES
        for context in ("format", "stand-alone")
        for width in ("wide", "abbreviated")
        for number, name in Locale(language).months[context][width].items()
    }
    names |= {"sept": 9, "mrz": 3, "maerz": 3, "jänner": 1, "setiembre": 9}
    plain = {re.sub(r"[^a-z]", "", unicodedata.normalize("NFD", name)): names[name] for name in names}
    return plain | names


def _centuries(year: str) -> list[str]:
    """Return the years that a year of two or four figures means."""
    figures = year.lstrip("'")
    return [figures] if len(figures) == 4 else ["20" + figures, "19" + figures]


def _in_any_order(match: re.Match[str], years: list[str], first: str, second: str) -> Iterator[Reading]:
    yield from _dates(match, years, [second], [first])
    if "." not in match[0]:  # with full stops, the day is first in every language
        yield from _dates(match, years, [first], [second])


def _dates(
    match: re.Match[str], years: list[str], month: Iterable[str | int], days: Iterable[str]
) -> Iterator[Reading]:
    for parts in product(years, month, days):
        try:
            yield Reading("date", dt.date(*map(int, parts)), *match.span())
        except ValueError:  # no day of the calendar
            continue


def _mark(match: re.Match[str], marks: bytearray, year: str) -> None:
    """Mark the characters of a date: figures of its day and its month are no numbers of their own."""
    mark_span(marks, *match.span())
    if len(match[year] or "") == 4:
        mark_span(marks, *match.span(year), YEAR)
