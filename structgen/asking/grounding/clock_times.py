"""Times of a day, and the instants that they make with a date beside them."""

from __future__ import annotations

import datetime as dt
import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import Final

from structgen.asking.grounding.reading import PART, Reading, mark_span

HOUR_SIGNS: Final = frozenset("am pm oclock uhr uur h heure heures hora horas ore".split())
"""What stands behind an hour, in small letters and without full stops."""
_TIME = re.compile(
    r"(?:(?P<iso>(?<=\dT))|(?P<before>\b(?:at|um|om|ore|alle|às|à|las)\s)|(?<![\w:/])(?<!\d[.,]))"
    r"(?P<hour>[01]?\d|2[0-3])(?:(?P<mark>[:.]|\s?h\s?)(?P<minute>[0-5]\d)(?!\d)"
    r"(?::(?P<second>[0-5]\d)(?!\d)(?:[.,](?P<part>\d{1,6})\d*)?)?)?(?![\d%])"
    r"(?:\s?(?P<sign>[ap]\.?\s?m\b\.?|uhr\b|uur\b|h\b))?"
    r"(?:\s?(?P<zone>Z\b|UTC\b|GMT\b|(?(second)[+-]\d\d:?\d\d|(?(iso)[+-]\d\d:?\d\d|(?!)))))?",
    re.I,
)
_NAMED = re.compile(
    r"\b(?:(noon|midday|mittags?|midi|mediodía|mezzogiorno|meio-dia|(?:12 uur )?'s middags)"
    r"|(midnight|mitternacht|minuit|medianoche|mezzanotte|meia-noite|middernacht))\b",
    re.I,
)
_NEAR = 40


def times_of(text: str, marks: bytearray) -> Iterator[Reading]:
    """Yield the times of a folded text, and mark their characters as parts.

    A time of `2:30` is one of the night and one of the afternoon. Figures with a full stop, or without
    minutes, are a time where a word or a sign says so ("14.30 Uhr", "at 9"). Cost: linear.
    """
    for match in _TIME.finditer(text):
        sign, mark = (match["sign"] or "").lower(), match["mark"]
        is_clock = bool(sign) or mark not in (None, ".")
        if marks[match.start("hour")] == PART or not (is_clock or match["before"]):
            continue
        zone = _zone(match["zone"] or "")
        part = int((match["part"] or "").ljust(6, "0"))
        rest = int(match["minute"] or 0), int(match["second"] or 0), part
        start, end = match.start("hour"), match.end()
        for hour in hours_of(match["hour"], sign):
            yield Reading("time", dt.time(hour, *rest, tzinfo=zone), start, end)
        if mark or sign != "h":
            mark_span(marks, start, end)
    for match in _NAMED.finditer(text):
        yield Reading("time", dt.time(12 if match[1] else 0), *match.span())


def hours_of(figures: str, sign: str = "") -> list[int]:
    """Return the hours of a day that some figures mean: two for `2`, one for `02`, `14` and `2` with a sign
    that tells the half of the day."""
    hour = int(figures)
    if sign[:1] in ("a", "p") and hour <= 12:
        return [hour % 12 + 12 * (sign[0] == "p")]
    if hour > 23:
        return []
    return [hour, (hour + 12) % 24] if 1 <= hour <= 12 and figures[0] != "0" else [hour]


def instants_of(dates: Sequence[Reading], times: list[Reading]) -> Iterator[Reading]:
    """Yield each date with each time that stands within 40 characters of it, as one reading of both.

    The zone is that of the time, where one is written. Cost: linear in the readings, for as many times as
    fit into 40 characters.
    """
    times = sorted(times, key=lambda one: one.start)
    starts = [one.start for one in times]
    for date in dates:
        for time in times[bisect_left(starts, date.start - 2 * _NEAR) :]:
            if time.start > date.end + _NEAR:
                break
            if time.end + _NEAR >= date.start and isinstance(date.value, dt.date):
                assert isinstance(time.value, dt.time)
                value = dt.datetime.combine(date.value, time.value)
                yield Reading("datetime", value, min(date.start, time.start), max(date.end, time.end))


def _zone(written: str) -> dt.tzinfo | None:
    if not written:
        return None
    minutes = [int(figures) for figures in re.findall(r"\d\d", written)]
    hours, rest = minutes or (0, 0)
    offset = dt.timedelta(hours=hours, minutes=rest)
    return dt.timezone(-offset if written[0] == "-" else offset) if hours < 24 else None
