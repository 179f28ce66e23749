"""Finds dates, times of a day, and instants, for example "3 May 2024, 17:30".

An *instant* is a date with a time of that day.
"""

from __future__ import annotations

import datetime as dt
import re
import unicodedata
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import cache
from itertools import product
from typing import Any, Final

from structgen.asking.grounding.reading import PART, Reading, mark_span

LANGUAGES: Final = ("en", "de", "fr", "es", "it", "pt", "nl")
_DAY = r"\d{1,2}(?!\d)(?:[.°]|(?:st|nd|rd|th|er|ème|e|ste|de|ª|º|o)\b)?"
_DAYS = (
    rf"(?P<day>{_DAY}(?:\s?(?:[-\u2013\u2014/&]|to|and|or|bis|und|oder|et|ou|au|y|al?|ed?|en|of|tot|até|à|ao)"
    rf"\s?{_DAY}){{0,6}}+)"
)
_MONTH = r"(?P<month>[^\W\d_](?:[^\W\d_]|[\u0300-\u036f]){2,11})"
_YEAR = (
    r"(?:\.?(?:\s?[,/-]?\s?|\s(?:of|del?|di|do)\s)(?P<year>\d{4}(?!\w)|'\d\d(?!\w)"
    r"|(?<=[/-])\d\d(?!\w)|\d\d(?=\s*(?:[.,;:)]|$))(?![.,:]\d)))?"
)
_START = r"(?<![\w/-])(?<!\d[.,:])"
_SLASHED = (
    rf"{_START}(?P<%s>\d{{1,2}})(?P<mark>[/-])(?P<%s>\d{{1,2}})(?P=mark)(?P<year>\d{{4}}|\d\d)(?!\w|[./-]\d)"
)
_SHORT = rf"{_START}(?P<%s>\d{{1,2}})/(?P<%s>\d{{1,2}})(?P<year>(?!))?(?![\w/-])"
_DATES = [
    re.compile(pattern, re.I)
    for pattern in (
        rf"(?<!\w)(?<!\d[.,:]){_DAYS}[\s./-]{{0,2}}(?:(?:of|del?|di|do)\s)?{_MONTH}(?!\w){_YEAR}",
        rf"(?<!\w){_MONTH}\.?[\s/-]{{0,2}}(?:the\s)?{_DAYS}{_YEAR}",
        rf"{_START}(?P<year>\d{{4}})(?P<mark>[./-])(?P<month>\d{{1,2}})(?P=mark)(?P<day>\d\d?)(?=T\d|\b(?![./-]\d))",
        rf"{_START}(?P<day>\d{{1,2}})\.\s?(?P<month>\d{{1,2}})\.\s?(?P<year>\d{{4}}|\d\d)(?!\w|[./-]\d)",
        r"(?<!\d)(?P<year>\d{4})年(?P<month>\d{1,2})月(?P<day>\d{1,2})日",
        rf"{_START}(?P<day>\d{{1,2}})\.\s?(?P<month>\d{{1,2}})\.(?P<year>(?!))?(?!\s?\d)",
        *(
            pattern % names
            for pattern in (_SLASHED, _SHORT)
            for names in (("day", "month"), ("month", "day"))
        ),
    )
]
"""The spellings of dates. With full stops the day is first in every language; with slashes, either is."""
_BEHIND_A_DAY = re.compile(rf"\s(?:(?:of|del?|di|do)\s)?{_MONTH}(?!\w){_YEAR}", re.I)
_STATED_YEAR = re.compile(r"(?<![\w,])(?<!\d\.)(?:1[5-9]|2[01])\d\d(?!\w)|(?<=\d[.])(?:19|20)\d\d(?!\w)")
_SELDOM = {"out", "set", "ago", "may", "mar"}
"""The names of months that are also everyday words. Without a year they count only with a capital letter."""
_TIME = re.compile(
    r"(?:(?P<iso>(?<=\dT))|(?P<before>\b(?:at|um|om|ore|alle|às|à|las)\s)|(?<![\w/])(?<!\d[.,:]))"
    r"(?P<hour>[01]?\d|2[0-3])(?:(?P<mark>[:.]|\s?h\s?|\s?(?:uhr|uur)\s)(?P<minute>[0-5]\d)(?!\d)"
    r"(?P<rest>:[0-5]\d(?!\d)(?:[.,]\d{1,9})?)?)?(?![\d%])(?:\s?(?P<sign>[ap]\.?\s?m\b\.?|uhr\b|uur\b|h\b))?"
    r"(?:\s?(?P<zone>Z\b|UTC\b|GMT\b|(?(rest)[+-][01]\d:?[0-5]\d|(?(iso)[+-][01]\d:?[0-5]\d|(?!)))))?",
    re.I,
)
"""`14:30`, `2:30 p.m.`, `at 5`, `14 h 30`, `9 Uhr`, `T14:30:05.25+02:00` behind a date."""
_HOUR_SIGN = re.compile(r"\s?(?:o'clock|[ap]\.?\s?m\b\.?|uhr|uur|h|heures?|horas?|ore)(?!\w)", re.I)
_NAMED_TIME = re.compile(
    r"\b(?:(noon|midday|mittags?|midi|mediodía|mezzogiorno|meio-dia)"
    r"|midnight|mitternacht|minuit|medianoche|mezzanotte|meia-noite|middernacht)\b",
    re.I,
)


def dates_of(text: str, marks: bytearray) -> Iterator[Reading]:
    """Yield the dates of a folded text, and mark their characters as parts.

    Where a text leaves open which figure is the day, or the century, each is a date. A day of a month
    without a year is one in each of the years that the text states, the first eight. 30 February is none.
    Cost: linear.
    """
    different_years = dict.fromkeys(match[0] for match in _STATED_YEAR.finditer(text))
    stated_years = list(different_years)[:8]
    for pattern in _DATES:
        for match in pattern.finditer(text):
            month = _month_of(match)
            name = match["month"]
            year = match["year"]
            # "may" and "set" are mostly not months
            if month is None or (name in _SELDOM and not year):
                continue
            # "9-11 May" states each of its days
            days = re.findall(r"\d+", match["day"])
            yield from _calendar_days(_years_of(year) if year else stated_years, month, days, *match.span())
            if year or not name.isdecimal():
                mark_span(marks, *match.span())


def spoken_dates_of(text: str, numbers: list[Reading]) -> Iterator[Reading]:
    """Yield the dates of a folded text whose day is a word ("am neunten Oktober 2026"), with their year."""
    for number in numbers:
        is_word = not text[number.start].isdecimal()
        match = _BEHIND_A_DAY.match(text, number.end) if is_word else None
        if match is not None and match["year"] and (month := _month_of(match)):
            yield from _calendar_days(
                _years_of(match["year"]), month, [str(number.value)], number.start, match.end()
            )


def _month_of(match: re.Match[str]) -> int | None:
    return _month_numbers().get(match["month"].lower())


def _years_of(figures: str) -> list[str]:
    """Return the years that figures may mean. Two figures mean a year in each of two centuries."""
    figures = figures.lstrip("'")
    return [figures] if len(figures) == 4 else ["20" + figures, "19" + figures]


def _calendar_days(
    years: Iterable[str],
    month: int,
    days: Iterable[str],
    start: int,
    end: int,
) -> Iterator[Reading]:
    """Yield the readings of the days that are in the calendar."""
    for year, day in product(years, days):
        with suppress(ValueError):
            yield Reading("date", dt.date(int(year), month, int(day)), start, end)


@cache
def _month_numbers() -> dict[str, int]:
    """Return the number of each month by its names in seven languages, in small letters, with accents, with
    accents as characters of their own, and without them; and by its figures."""
    from babel import Locale  # optional: `readings_of` has asked for it

    names = {"sept": 9, "mrz": 3, "maerz": 3, "jänner": 1, "setiembre": 9}
    for language, context, width in product(LANGUAGES, ("format", "stand-alone"), ("wide", "abbreviated")):
        for number, name in Locale(language).months[context][width].items():
            nfd_name = unicodedata.normalize("NFD", name.rstrip(".").lower())
            for spelling in (
                unicodedata.normalize("NFC", nfd_name),
                nfd_name,
                re.sub(r"[^a-z]", "", nfd_name),
            ):
                names[spelling] = number
            names[str(number)] = names[f"{number:02}"] = number
    return names


def times_of(text: str, marks: bytearray) -> Iterator[Reading]:
    """Yield the times of a folded text, and mark their characters as parts.

    A time of `2:30` is one of the night and one of the afternoon. Figures with a full stop, or without
    minutes, are a time where a word or a sign says so ("14.30 Uhr", "at 9"). Cost: linear.
    """
    for match in _TIME.finditer(text):
        hour, mark, minute, rest, sign, zone = match.group("hour", "mark", "minute", "rest", "sign", "zone")
        start = match.start("hour")
        end = match.end()
        if marks[start] == PART or not (sign or match["before"] or mark not in (None, ".")):
            continue
        minutes_and_zone = (
            f":{minute or '00'}{(rest or '').replace(',', '.')}{re.sub('(?i)utc|gmt|z', 'Z', zone or '')}"
        )
        for possible_hour in _possible_hours(hour, sign or ""):
            yield Reading("time", dt.time.fromisoformat(f"{possible_hour:02}{minutes_and_zone}"), start, end)
        if mark or sign not in (None, "h"):
            mark_span(marks, start, end)
    for match in _NAMED_TIME.finditer(text):
        yield Reading("time", dt.time(12 if match[1] else 0), *match.span())


def hours_of(text: str, marks: bytearray, numbers: list[Reading]) -> Iterator[Reading]:
    """Yield the times that are numbers followed by a word, in a folded text ("drei Uhr")."""
    for number in numbers:
        match = _HOUR_SIGN.match(text, number.end)
        if match is not None and marks[number.start] != PART:
            for hour in _possible_hours(str(number.value), match[0].strip()):
                yield Reading("time", dt.time(hour), number.start, match.end())


def _possible_hours(figures: str, sign: str) -> list[int]:
    """Return the hours of a day that some figures mean: two for `2`, one for `02`, for `14`, and for `2`
    with a sign that tells the half of the day; none for what is no hour."""
    hour = int(figures) if figures.isdecimal() and len(figures) < 3 else 24
    if sign[:1].lower() in ("a", "p") and hour <= 12:
        return [hour % 12 + 12 * (sign[0] in "pP")]
    is_open = 1 <= hour <= 12 and figures[0] != "0"
    return [hour, (hour + 12) % 24] if is_open else [hour] * (hour < 24)


def instants_of(dates: list[Reading], times: list[Reading]) -> Iterator[Reading]:
    """Yield each time with the last date before it ("9 May ... on the same day at 12:05"), and with one that
    follows within 40 characters, as one reading of both.

    The zone is that of the time, where one is written. Cost: linear in the readings.
    """
    by_start = defaultdict[int, list[Reading]](list)
    for date in dates:
        by_start[date.start].append(date)
    starts = sorted(by_start)
    for time in times:
        index = bisect_left(starts, time.start)
        is_next_near = index < len(starts) and starts[index] <= time.end + 40
        near = starts[max(index - 1, 0) : index + is_next_near]
        for date in (date for start in near for date in by_start[start]):
            day: Any = date.value
            moment: Any = time.value
            start = min(date.start, time.start)
            end = max(date.end, time.end)
            yield Reading("datetime", dt.datetime.combine(day, moment), start, end)
