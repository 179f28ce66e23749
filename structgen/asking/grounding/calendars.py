"""Finds dates, times of a day, and instants, for example "3 May 2024, 17:30".

An *instant* is a date with a time of that day.
"""

from __future__ import annotations

import datetime as dt
import re
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from functools import cache
from itertools import product
from typing import Any, Final

from structgen.asking.grounding.languages import (
    EVERYDAY,
    date_connectors,
    is_year_first,
    leading_languages,
    month_pattern,
    months_of_name,
)
from structgen.asking.grounding.reading import PART, Reading, mark_span

_DAY = r"\d{1,2}(?!\d)(?:[.°]|(?:st|nd|rd|th|er|ème|e|ste|de|ª|º|o)\b)?"
_DAYS = (
    rf"(?P<day>{_DAY}(?:\s?(?:[-\u2013\u2014/&]|to|and|or|bis|und|oder|et|ou|au|y|al?|ed?|en|of|tot|até|à|ao)"
    rf"\s?{_DAY}){{0,6}}+)"
)
_START = r"(?<![\w/-])(?<!\d[.,:])"
_SLASHED = (
    rf"{_START}(?P<%s>\d{{1,2}})(?P<mark>\u200f?[/-])(?P<%s>\d{{1,2}})"
    r"(?P=mark)(?P<year>\d{4}|\d\d)(?!\w|[./-]\d)"
)
_SHORT = rf"{_START}(?P<%s>\d{{1,2}})/(?P<%s>\d{{1,2}})(?P<year>(?!))?(?![\w/-])"
_YEAR_FIRST = re.compile(
    rf"{_START}(?P<year>\d\d)(?P<mark>\.\s?|/)(?P<month>\d{{1,2}})(?P=mark)(?P<day>\d{{1,2}})(?!\w|[./-]\d)"
)
_STATED_YEAR = re.compile(r"(?<![\w,])(?<!\d\.)(?:1[5-9]|2[01])\d\d(?!\w)|(?<=\d[.])(?:19|20)\d\d(?!\w)")
_FIRST_THAI_YEAR: Final = 2400
"""Years from this one on are counted as in Thailand, in a Thai text."""
_THAI_YEARS: Final = 543
"""The years from the beginning of the Thai count to that of the Gregorian calendar."""
_TIME = re.compile(
    r"(?:(?P<iso>(?<=\dT))|(?P<before>\b(?:at|um|om|ore|alle|às|à|las)\s)|(?<![\w/])(?<!\d[.,:]))"
    r"(?P<hour>[01]?\d|2[0-3])(?:(?P<mark>[:.]|\s?h\s?|\s?(?:uhr|uur)\s)(?P<minute>[0-5]\d)(?!\d)"
    r"(?P<rest>:[0-5]\d(?!\d)(?:[.,]\d{1,9})?)?)?(?![\d%])(?:\s?(?P<sign>[ap]\.?\s?m\b\.?|uhr\b|uur\b|h\b))?"
    r"(?:\s?(?P<zone>Z\b|UTC\b|GMT\b|(?(rest)[+-][01]\d:?[0-5]\d|(?(iso)[+-][01]\d:?[0-5]\d|(?!)))))?",
    re.I,
)
"""`14:30`, `2:30 p.m.`, `at 5`, `14 h 30`, `9 Uhr`, `T14:30:05.25+02:00` behind a date."""
_HOUR_SIGN = re.compile(r"\s?(?:o'clock|[ap]\.?\s?m\b\.?|uhr|uur|h|heures?|horas?|ore)(?!\w)", re.I)
_SPOKEN_TIME = re.compile(
    r"\b(half(?=\spast)|quarter|\w+(?:-\w+)?(?=\sminutes))(?:\sminutes)?\s(past|after|to|before)\s", re.I
)
_MINUTES = {"half": "30", "quarter": "15"}
_NAMED_TIME = re.compile(
    r"\b(?:(noon|midday|mittags?|midi|mediodía|mezzogiorno|meio-dia)"
    r"|midnight|mitternacht|minuit|medianoche|mezzanotte|meia-noite|middernacht)\b",
    re.I,
)


@cache
def _date_patterns() -> tuple[list[re.Pattern[str]], re.Pattern[str], re.Pattern[str]]:
    """Return the patterns of dates; of what follows a day in words; and of a month with its year.

    With full stops the day is first in every language; with slashes, either is. Dates that begin with their
    year come first, so that the day in them is not one without a year."""
    month = month_pattern()
    connector = rf"(?:(?:{date_connectors()})\.?\s|d')"
    between = rf"\.?(?:\s?[,/-]?\s?|,?\s(?:in\sthe\syear\s)?{connector})"
    year = (
        rf"(?:[.\u05f3\u0970]?{between}(?P<year>\d{{4}}(?!\w|\.\d)|\d{{4}}(?=[гр]\b)|'\d\d(?!\w)"
        r"|(?<=[/-])\d\d(?!\w)|\d\d(?=\s*(?:[.,;:)]|$))(?![.,:]\d)))?"
    )
    first_year = r"(?<![\w/.,-])(?P<year>\d{4})(?:\(e\)ko)?"
    patterns = (
        rf"{first_year}[\s./-]{{0,3}}{connector}?{month}(?!\w)[.\s/-]{{0,3}}{_DAYS}(?!\w)",
        rf"{first_year}\.?\s{connector}{_DAYS}\s?{month}(?!\w)",
        rf"(?<!\w)(?<!\d[.,:]){_DAYS}[»\"\u201d]?[\s./-]{{0,2}}(?:day\s)?{connector}?{month}(?!\w){year}",
        rf"(?<!\w){month}\.?[\s/-]{{0,2}}(?:the\s)?{_DAYS}{year}",
        rf"{_START}(?P<day>\d\d?)(?P<month>[A-Za-z]{{3}})(?P<year>\d{{4}}|\d\d)(?!\w)",
        rf"{_START}(?<![#$€£¥])(?P<year>(?:19|20)\d\d)(?P<month>0[1-9]|1[0-2])(?P<day>0[1-9]|[12]\d|3[01])"
        r"(?!\w|[.,]\d|-\w)",
        rf"{_START}(?P<year>\d{{4}})(?P<mark>[./-]|\.\s)(?P<month>\d{{1,2}})(?P=mark)(?P<day>\d\d?)"
        r"(?=T\d|\b(?![./-]\d))",
        rf"{_START}(?P<day>\d{{1,2}})\.\s?(?P<month>\d{{1,2}})\.\s?(?P<year>\d{{4}}|\d\d)(?!\w|[./-]\d)",
        rf"{_START}(?P<day>\d{{1,2}})\.\s?(?P<month>\d{{1,2}})\.(?P<year>(?!))?(?!\s?\d)",
        *(
            pattern % names
            for pattern in (_SLASHED, _SHORT)
            for names in (("day", "month"), ("month", "day"))
        ),
    )
    return (
        [re.compile(pattern, re.I) for pattern in patterns],
        re.compile(
            rf"\s(?:day\s)?(?:(?:of|del?|di|do)\s)?{month}(?!\w){year}(?P<words>,?\s(?:in\sthe\syear\s)?)?",
            re.I,
        ),
        re.compile(
            rf"(?<!\w){month}(?!\w)\.?,?\s{connector}?(?P<year>(?:1[5-9]|2[01])\d\d)(?!\w|[.,]\d)", re.I
        ),
    )


def dates_of(text: str, marks: bytearray, counts: Mapping[str, int]) -> Iterator[Reading]:
    """Yield the dates of a folded text, and mark their characters as parts; then the months with a year.

    `counts`: how many function words of each language the text has. Where a text leaves open which figure
    is the day, or the century, each is a date. A day of a month without a year is one in each of the years
    that the text states, the first eight. 30 February is none. Cost: linear.
    """
    different_years = dict.fromkeys(match[0] for match in _STATED_YEAR.finditer(text))
    stated_years = list(different_years)[:8]
    leaders = leading_languages(counts)
    has_year_first = len(leaders) < 3 and all(map(is_year_first, leaders))
    patterns, _, month_and_year = _date_patterns()
    for pattern in ([_YEAR_FIRST] if has_year_first else []) + patterns:
        for match in pattern.finditer(text):
            year = match["year"]
            if (not year and marks[match.start()] == PART) or (
                has_year_first and year and len(year) == 2 and pattern is not _YEAR_FIRST
            ):
                continue
            if year and leaders == {"th"} and int(year.lstrip("'")) >= _FIRST_THAI_YEAR:
                year = str(int(year) - _THAI_YEARS)
            # "9-11 May" states each of its days
            days = re.findall(r"\d+", match["day"])
            months = _months_of(match, counts)
            for month in months:
                yield from _calendar_days(
                    _years_of(year) if year else stated_years, month, days, *match.span()
                )
            is_apart = re.search(r"\D", match[0])
            if months and is_apart and (year or not match["month"].isdecimal()):
                mark_span(marks, *match.span())
    for match in month_and_year.finditer(text):
        if marks[match.start()] != PART and match["month"] not in EVERYDAY:
            for month in _months_of(match, counts):
                yield Reading("month", f"{match['year']}-{month:02}", *match.span())


def spoken_dates_of(text: str, numbers: list[Reading], counts: Mapping[str, int]) -> Iterator[Reading]:
    """Yield the dates of a folded text whose day or year is a word ("am neunten Oktober 2026")."""
    by_start = {number.start: number for number in numbers}
    pattern = _date_patterns()[1]
    for number in numbers:
        match = pattern.match(text, number.end)
        if match is None:
            continue
        is_word = not text[number.start].isdecimal()
        year = match["year"] if is_word else None
        end = match.end("year")
        if match["year"] is None and (spoken_year := by_start.get(match.end())):
            year = str(spoken_year.value)
            end = spoken_year.end
        if year is None or (match["year"] is None and not re.fullmatch(r"(?:1[5-9]|2[01])\d\d", year)):
            continue
        for month in _months_of(match, counts):
            yield from _calendar_days(_years_of(year), month, [str(number.value)], number.start, end)


def _months_of(match: re.Match[str], counts: Mapping[str, int]) -> list[int]:
    """Return the months that the group `month` of a match may mean."""
    name = match["month"]
    if name.isdecimal():
        return [int(name)] if 1 <= int(name) <= 12 else []
    # "20 set 26." has hardly a year
    is_loose = match["year"] and len(match["year"]) == 2 and match.string[match.start("year") - 1].isspace()
    return sorted(months_of_name(name, counts, None if is_loose else match["year"]))


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
    by_start = {number.start: number for number in numbers}
    for match in _SPOKEN_TIME.finditer(text):
        hour_number = by_start.get(match.end())
        minute_number = by_start.get(match.start())
        minutes = _MINUTES.get(match[1].lower()) or str(minute_number and minute_number.value)
        if hour_number is None or not minutes.isdecimal() or int(minutes) > 59:
            continue
        for hour in _possible_hours(str(hour_number.value), ""):
            is_past = match[2].lower() in ("past", "after")
            minute_of_day = 60 * hour + (int(minutes) if is_past else 1440 - int(minutes))
            moment = dt.time(*divmod(minute_of_day % 1440, 60))
            yield Reading("time", moment, match.start(), hour_number.end)


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
