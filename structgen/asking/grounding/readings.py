"""What stands in a text, and where: the door of the room."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import replace

from structgen.asking.grounding.calendar_dates import dates_of
from structgen.asking.grounding.clock_times import instants_of, times_of
from structgen.asking.grounding.durations import durations_of
from structgen.asking.grounding.marked_texts import marked_texts
from structgen.asking.grounding.number_words import number_words_of
from structgen.asking.grounding.numerals import numerals_of
from structgen.asking.grounding.quantities import quantities_of
from structgen.asking.grounding.reading import Kind, Reading
from structgen.base.system.installation import needing

__all__ = ["Kind", "Reading", "readings_of"]
_MARKS = r"\u0300-\u036f"
_CLUSTER = re.compile(f"[^{_MARKS}][{_MARKS}]*|[{_MARKS}]+")
"""A character with its accents, where these are characters of their own."""
_OTHER_DIGIT = re.compile(r"(?![0-9])\d")
_SIGNS = str.maketrans(
    "\u2044\u2212\ufe63\uff0d\u2010\u2011\u2019\u02bc\u066b\u066c\uff0e\uff0c\uff1a\uff0f\uff05\u066a\uff04\u2007\u2009\u202f",
    "/-----''.'.,:/%%$\xa0\xa0\xa0",
)
"""Signs that mean the same as one of ASCII's, and narrow blanks."""


def readings_of(text: str) -> tuple[Reading, ...]:
    """Return what a text states, by start, then end. Several readings may have one place.

    All seven languages are read at once. A numeral of over 1,000 characters and a word of over 100 are no
    numbers of the text. Raises StructgenError where a package of the extra `grounded` is missing. Cost:
    linear in the text, some 20 µs a word.
    """
    with needing("A grounded answer", "grounded", where="grounded"):
        import babel  # optional: names of months and of currencies  # noqa: F401
        import text_to_num  # optional: number words  # noqa: F401
    folded, places = _folded(text)
    marks = bytearray(len(folded))
    dates = list(dates_of(folded, marks))
    addresses = list(marked_texts(folded, marks))
    times = list(times_of(folded, marks))
    counted = list(quantities_of(folded, marks, numerals_of(folded, marks)))
    worded = list(quantities_of(folded, marks, number_words_of(folded, marks)))
    times += [one for one in (*counted, *worded) if one.kind == "time"]
    numbers = [one for one in (*counted, *worded) if one.kind == "number"]
    compound = [*instants_of(dates, times), *durations_of(folded, numbers)]
    found = dict.fromkeys((*dates, *addresses, *times, *numbers, *compound))
    if places is not None:
        return _ordered(replace(one, start=places[one.start], end=places[one.end]) for one in found)
    return _ordered(found)


def _ordered(readings: Iterable[Reading]) -> tuple[Reading, ...]:
    return tuple(sorted(readings, key=lambda one: (one.start, one.end)))


def _folded(text: str) -> tuple[str, list[int] | None]:
    """Return a text with the digits and signs of ASCII and composed accents, and where each of its
    characters stands in the given text; None where all keep their places."""
    places = None
    if not unicodedata.is_normalized("NFC", text):
        clusters = [
            (match.start(), unicodedata.normalize("NFC", match[0])) for match in _CLUSTER.finditer(text)
        ]
        places = [start for start, composed in clusters for _ in composed] + [len(text)]
        text = "".join(composed for _, composed in clusters)
    return _OTHER_DIGIT.sub(lambda digit: str(unicodedata.decimal(digit[0])), text).translate(_SIGNS), places
