"""`Reading`: one value that a text states. Beside it are the marks and tables that several readers share.

A *reader* finds values of one kind in a text: numbers, dates, durations. Its *reading* of "3 May 2024" is
this date. A *mark* at a character tells other readers that the character already belongs to something.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, Literal, TypeAlias

Kind: TypeAlias = Literal[
    "number", "date", "month", "time", "datetime", "duration", "email", "uri", "ip", "uuid"
]
PART: Final = 1
"""The mark of a character whose figures are part of something else, such as a code; 0: no mark."""
RANGE = r"\s?(?:[-\u2013]|to|or|bis|oder|à|ou|al?|[oe]|tot|of|até)\s?\d{1,4}(?=[\s%-])"
"""A pattern of the text after the first number of a range whose unit follows the second number: `-3` in
`2-3 days`."""

CJK = "\u3005-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff\uff66-\uff9f"
"""The characters, for a class of a pattern, of scripts that write words beside figures without a blank."""

_FACTORS = {
    "0.01": "% percent pourcent porciento porcento percento prozent procent pct",
    "0.001": "‰ promille promil",
    "12": "dozen dutzend douzaines docenas dozzine dúzias dozijn",
    "100": "hundred hundert honderd",
    "1000": "k thousand tsd tausend mille mil mila duizend",
    "100000": "lakh lakhs",
    "1000000": "m mio mln mill million millions millionen millón millones milioni milione milhão milhões "
    "miljoen",
    "10000000": "crore crores",
    "1000000000": "b bn mrd md mia milliard milliards milliarde milliarden miliardo miliardi miljard billion "
    "billions milmillones milmilhões bilhão bilhões",
    "1000000000000": "t tn bio billion billionen billón billones bilioni biljoen trillion trillions trilhão "
    "trilhões",
}
FACTORS_OF = {
    word: [Decimal(factor) for factor, words in _FACTORS.items() if word in words.split()]
    for word in " ".join(_FACTORS.values()).split()
}
"""The factors of words and signs that multiply a number: 1,000,000 for "million". Some words have two."""


@dataclass(frozen=True, slots=True)
class Reading:
    """A value that a text states at `text[start:end]`, in characters.

    `value` is a `str` for addresses and UUIDs (as they stand), for a month of a year (`2024-05`), and for
    durations of months or years (ISO 8601, `P3M`). `is_part`: a number that belongs to something else, such
    as a date or a phone number, or a word that is seldom a number; it is used where nothing else is stated.
    `unsigned_span`: of a negative number whose sign may mean something else, the place at which the text
    states the same number without the sign.
    """

    kind: Kind
    value: Decimal | dt.date | dt.time | dt.datetime | dt.timedelta | str
    start: int
    end: int
    is_part: bool = False
    unsigned_span: tuple[int, int] | None = None


def mark_span(marks: bytearray, start: int, end: int) -> None:
    """Mark the characters from a start to an end."""
    marks[start:end] = bytes([PART]) * (end - start)
