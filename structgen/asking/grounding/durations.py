"""Finds durations: numbers followed by units of time, for example "2 hours 30 minutes"."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator
from contextlib import suppress
from decimal import Decimal
from typing import Any

from structgen.asking.grounding.reading import RANGE, Reading

_UNITS: dict[str | int, str] = {
    "Y": "year years yr yrs jahr jahre jahren an ans année années año años anno anni ano anos jaar jaren",
    "M": "month months monat monate monaten mois mes meses mese mesi mês maand maanden mo",
    604_800: "week weeks wk wks w woche wochen semaine semaines semana semanas settimana settimane weken",
    86_400: "day days d tag tage tagen jour jours día días dia dias giorno giorni dag dagen",
    3600: "h hr hrs hour hours stunde stunden std heure heures hora horas ora ore uur uren",
    60: "m min mins mn minute minutes minuten minuto minutos minuti minuut",
    1: "s sec secs second seconds sekunde sekunden sek seconde secondes segundo segundos secondo secondi "
    "seconden",
}
"""Units from the longest on, as ISO 8601 writes them or in seconds, and their words."""
_SIZES = list(_UNITS)
_RANK_OF = {word: rank for rank, words in enumerate(_UNITS.values()) for word in words.split()}
_BEHIND = re.compile(
    rf"(?:{RANGE})?"
    r"[\s-]{0,2}(?P<article>(?:of\s)?an?\s(?=hour|day|week|month|year|minute)|d[e']\s?)?([^\W\d_]{2,}|h)"
    r"|([smdw])(?![^\W\d_])",
    re.I,
)
"""The unit behind a number: `3 hours`, `2-3 days`, `half an hour`, `5m`."""
_JOINT = re.compile(r",?\s(?:(?:and|und|et|y|ed?|en)\s)?|")
_MINUTES = re.compile(r"\s?([0-5]\d)(?![\w:%]|[.,]\d)")


def durations_of(text: str, numbers: list[Reading]) -> Iterator[Reading]:
    """Yield the durations of a folded text, given its numbers.

    Units that follow each other from the longest on are one duration ("2 hours and 15 minutes", "1 h 30");
    behind a comma they may be a list as well. Months and years make a text as ISO 8601 writes it, and none
    with weeks or days. A duration that no `timedelta` holds is none, nor is a broken number of months.
    Cost: linear.
    """
    parts: list[tuple[int, int, int, Any]] = []
    inner: set[int] = set()
    for number in numbers:
        match = _BEHIND.match(text, number.end)
        # the unit is the last group that has a match
        word = match[match.lastindex or 0].lower() if match else ""
        rank = _RANK_OF.get(word)
        if match and rank is not None:
            parts.append((number.start, match.end(), rank, number.value))
            inner.add(match.start("article"))  # half an hour is not an hour; -1 is no place
    parts_by_start = {part[0]: part for part in parts}
    for start, end, rank, value in sorted(parts):
        letters = ""
        seconds = Decimal(0)
        while start not in inner:
            size = _SIZES[rank]
            if isinstance(size, str):
                letters += f"{value:f}{size}"
            else:
                seconds += value * size
            joint = _JOINT.match(text, end)
            further = parts_by_start.get(joint.end()) if joint else None
            # months and years make no sum with weeks or days
            if further is not None and rank < further[2] and (rank < 2) == (further[2] < 2):
                if joint and "," in joint[0]:  # a list, perhaps
                    yield from _build_duration(letters, seconds, start, end)
                else:
                    inner.add(further[0])
                _, end, rank, value = further
                continue
            minutes = _MINUTES.match(text, end)
            if size == 3600 and minutes is not None:
                seconds = seconds + 60 * int(minutes[1])
                end = minutes.end()
            yield from _build_duration(letters, seconds, start, end)
            break


def _build_duration(
    letters: str,
    seconds: Decimal,
    start: int,
    end: int,
) -> Iterator[Reading]:
    with suppress(OverflowError):  # more days than a timedelta has
        if not letters:
            yield Reading("duration", dt.timedelta(microseconds=int(seconds * 1_000_000)), start, end)
        elif "." not in letters:
            yield Reading("duration", "P" + letters, start, end)
