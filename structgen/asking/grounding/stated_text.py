"""`StatedText`: some named texts, the values that they state, and the JSON text of each such value.

A text *states* a value where its words name it: "twelve" and "12" both state the number 12. A *reading*
(`Reading`) is one stated value with its place in the text. Its *kind* is "number", "date" and so on. A
*spelling* is a JSON text of the value, without quotes: the date of "3 May 2024" is spelled `2024-05-03`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from decimal import Decimal
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any, Final

from structgen.asking.grounding.reading import Kind, Reading

if TYPE_CHECKING:
    from structgen.asking.grounding.typography import RunSearch

KIND_OF_FORMAT: Final[Mapping[str, Kind]] = {
    "date": "date",
    "time": "time",
    "date-time": "datetime",
    "duration": "duration",
    "email": "email",
    "idn-email": "email",
    "uri": "uri",
    "uri-reference": "uri",
    "iri": "uri",
    "ipv4": "ip",
    "ipv6": "ip",
    "uuid": "uuid",
}
"""The kind of the readings that a string of a format may come from, by the name of the format. A string of
another format must be a piece of the text as it stands."""


class StatedText:
    """Texts with names, and the values that they state. Made by `stated_text`."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        self.texts = texts
        self.narrowed_grammars: dict[Any, Any] = {}
        """A store for the schemas that were last narrowed to these texts (`narrowing`)."""

    @cached_property
    def readings(self) -> tuple[tuple[str, Reading], ...]:
        """The readings of all texts, each with the name of its text."""
        # start-up: few answers are grounded
        from structgen.asking.grounding.readings import readings_of

        return tuple((name, reading) for name, text in self.texts.items() for reading in readings_of(text))

    @cached_property
    def run_search(self) -> RunSearch:
        """The search for the runs of the texts."""
        # start-up: few answers are grounded
        from structgen.asking.grounding.typography import RunSearch

        return RunSearch(self.texts)

    def months(self) -> list[str]:
        """Return the months that the texts state, those of dates too: `1985-04`."""
        return [
            spellings_of(reading.value)[0][:7]
            for _, reading in self.readings
            if reading.kind in ("month", "date")
        ]

    def spelled_readings(self, kind: Kind) -> Iterator[tuple[Reading, list[str]]]:
        """Yield the readings of a kind, each with the spellings that its value may have (`spellings_of`).

        Spellings are the content of a JSON string, or a JSON number. For a time without a zone the spelling
        without a zone comes first. Where no text states a date with a time ("datetime"), each date stands for
        the beginning of its day.
        """
        readings = [reading for _, reading in self.readings if reading.kind == kind]
        if kind == "datetime" and not readings:
            readings = [reading for _, reading in self.readings if reading.kind == "date"]
            yield from ((reading, as_instants(reading.value)) for reading in readings)
        else:
            yield from ((reading, spellings_of(reading.value)) for reading in readings)


@lru_cache(maxsize=16)
def stated_text(texts: tuple[tuple[str, str], ...]) -> StatedText:
    """Return the `StatedText` of pairs of a name and a text. The last 16 are kept, with their readings."""
    return StatedText(dict(texts))


def as_instants(date: Any) -> list[str]:
    """Return the spellings of the beginning of a day as a date with a time, without a zone and in UTC."""
    return [f"{date}T00:00:00", f"{date}T00:00:00Z"]


def spellings_of(value: Any) -> list[str]:
    """Return the spellings of the value of a reading, the preferred one first.

    A number is written without an exponent, and dates, times and durations as in ISO 8601. Every other value
    is its own text. For example 14 days -> `["P14D", "P2W"]`.
    """
    match value:
        case Decimal():
            plain = f"{value:f}"
            return [plain.rstrip("0").rstrip(".") if "." in plain else plain]
        case dt.datetime() | dt.time():
            text = value.isoformat().replace("+00:00", "Z")
            return [text] if value.tzinfo is not None else [text, f"{text}Z"]
        case dt.timedelta():
            days = value.days
            numbers = str(dt.timedelta(0, value.seconds)).split(":")
            parts = zip(numbers, "HMS", strict=True)
            clock = "".join(f"{int(count)}{letter}" for count, letter in parts if int(count))
            # ISO 8601 can write whole weeks as days or as weeks.
            weeks = [f"P{days // 7}W"] if days and days % 7 == 0 and not clock else []
            day = f"{days}D" if days or not clock else ""
            return [f"P{day}{f'T{clock}' if clock else ''}", *weeks]
    return [str(value)]
