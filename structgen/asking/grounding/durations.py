"""Durations: numbers with units of time behind them."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator, Sequence
from decimal import Decimal

from structgen.asking.grounding.reading import EXACT, Reading

_UNITS = {
    "Y": "y yr yrs year years jahr jahre jahren an ans année années año años anno anni ano anos jaar jaren",
    "M": "month months monat monate monaten mois mes meses mese mesi mês maand maanden mo",
    "W": "w wk wks week weeks woche wochen semaine semaines semana semanas settimana settimane weken",
    "D": "d day days tag tage tagen jour jours día días dia dias giorno giorni dag dagen",
    "H": "h hr hrs hour hours stunde stunden std heure heures hora horas ora ore uur uren",
    "m": "m min mins mn minute minutes minuten minuto minutos minuti minuut",
    "s": "s sec secs second seconds sekunde sekunden sek seconde secondes segundo segundos secondo secondi "
    "seconden",
}
"""The units of time from the longest on, and their words."""
_UNIT_OF = {word: unit for unit, words in _UNITS.items() for word in words.split()}
_SECONDS = {"W": 604_800, "D": 86_400, "H": 3600, "m": 60, "s": 1}
_ORDER = "".join(_UNITS)
_BEHIND = re.compile(r"([\s-]{0,2})(an?\s(?=hour|day|week|month|year|minute))?([^\W\d_]+)", re.I)
_JOINT = re.compile(r"(?:,?\s(?:and|und|et|y|ed?|en)\s|,?\s?)")
_MINUTES = re.compile(r"\s?([0-5]\d)(?![\w:%]|[.,]\d)")
_NAMED = re.compile(
    r"\b(?:(mezz'ora)|quarter of an hour|viertelstunde|quart d'heure|cuarto de hora|quarto d'ora|kwartier)\b",
    re.I,
)
_ISO = re.compile(
    r"\bP(?=[\dT])(?:(\d{1,9})Y)?(?:(\d{1,9})M)?(?:(\d{1,9})W)?(?:(\d{1,9})D)?"
    r"(?:T(?=\d)(?:(\d{1,9})H)?(?:(\d{1,9})M)?(?:(\d{1,9})S)?)?\b"
)

Amounts = list[tuple[str, Decimal]]
"""Numbers by their units, from the longest unit on."""


def durations_of(text: str, numbers: Sequence[Reading]) -> Iterator[Reading]:
    """Yield the durations of a folded text, given its numbers.

    Units that follow each other from the longest on are one duration ("2 hours and 15 minutes", "1 h 30").
    With months or years, the value is the text of ISO 8601. A duration that no `timedelta` holds is none, nor
    is a broken number of months. Cost: linear.
    """
    parts: dict[int, list[tuple[int, str, Decimal]]] = {}
    inner: set[int] = set()
    for one in numbers:
        match = _BEHIND.match(text, one.end)
        unit = None if match is None else _UNIT_OF.get(match[3].lower())
        if match is not None and unit and (len(match[3]) > 1 or not match[1] or unit == "H"):
            assert isinstance(one.value, Decimal)
            parts.setdefault(one.start, []).append((match.end(), unit, one.value))
            if match[2]:  # half an hour is not an hour
                inner.add(match.start(2))
    for start in sorted(parts):
        for end, unit, value in parts[start] if start not in inner else ():
            amounts = [(unit, value)]
            while joint := _JOINT.match(text, end):
                following = parts.get(joint.end(), ())
                further = next((one for one in following if _ORDER.index(one[1]) > _ORDER.index(unit)), None)
                if further is None:
                    break
                if "," in joint[0]:  # one duration, or a list of two
                    yield from _duration(amounts, start, end)
                else:
                    inner.add(joint.end())
                end, unit, value = further
                amounts.append((unit, value))
            minutes = _MINUTES.match(text, end) if unit == "H" else None
            if minutes is not None:
                end = minutes.end()
                amounts.append(("m", Decimal(minutes[1])))
            yield from _duration(amounts, start, end)
    for match in _NAMED.finditer(text):
        yield from _duration([("m", Decimal(30 if match[1] else 15))], *match.span())
    for match in _ISO.finditer(text):
        stated = zip(_ORDER, match.groups(), strict=True)
        yield from _duration([(unit, Decimal(number)) for unit, number in stated if number], *match.span())


def _duration(amounts: Amounts, start: int, end: int) -> Iterator[Reading]:
    if all(unit in _SECONDS for unit, _ in amounts):
        seconds = sum(EXACT.multiply(number, Decimal(_SECONDS[unit])) for unit, number in amounts)
        try:
            yield Reading("duration", dt.timedelta(microseconds=int(seconds * 1_000_000)), start, end)
        except OverflowError:  # more days than a timedelta has
            return
    elif text := _iso_text(amounts):
        yield Reading("duration", text, start, end)


def _iso_text(amounts: Amounts) -> str:
    """Return a duration as ISO 8601 writes it; "" where a number is broken. 1.5 years are 18 months."""
    written = ""
    for unit, number in amounts:
        if unit == "Y" and number % 1:
            unit, number = "M", number * 12
        if unit == "W":
            unit, number = "D", number * 7
        if number % 1:
            return ""
        if unit in "Hms" and "T" not in written:
            written += "T"
        written += f"{int(number)}{unit.upper()}"
    return "P" + written
