"""One value that a text states, and the marks that readers leave for each other."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, Literal, TypeAlias

Kind: TypeAlias = Literal["number", "date", "time", "datetime", "duration", "email", "uri", "ip", "uuid"]
PART: Final = 1
"""The mark of a character whose figures are part of something; 0: they are not."""
RANGE = r"(?:\s?(?:[-\u2013]|to|or|bis|oder|à|ou|al?|[oe]|tot|of|até)\s?\d{1,4}(?=[\s%-]))?"
"""Behind the first number of a range whose second has the unit: `2-3 days`, `10 bis 15 %`."""


@dataclass(frozen=True, slots=True)
class Reading:
    """A value that a text states at `text[start:end]`, in characters.

    `value` is a `str` for addresses and UUIDs (as they stand), and for durations of months or years (ISO
    8601, `P3M`). `is_part`: a number that belongs to something else, such as a date or a phone number, or a
    word that is seldom a number; it is used where nothing else is stated.
    """

    kind: Kind
    value: Decimal | dt.date | dt.time | dt.datetime | dt.timedelta | str
    start: int
    end: int
    is_part: bool = False


def mark_span(marks: bytearray, start: int, end: int) -> None:
    """Mark the characters from a start to an end."""
    marks[start:end] = bytes([PART]) * (end - start)
