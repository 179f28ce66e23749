"""Finds all values that a text states, each with its place: the entry point of this package.

A *reading* is one value that a text states, for example the date in "on 3 May 2024".
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import replace

from structgen.asking.grounding.calendars import dates_of, hours_of, instants_of, spoken_dates_of, times_of
from structgen.asking.grounding.cjk_numerals import cjk_dates_of, cjk_numbers_of
from structgen.asking.grounding.durations import durations_of
from structgen.asking.grounding.languages import (
    count_function_words,
    factors_of_words,
    leading_languages,
)
from structgen.asking.grounding.number_words import number_words_of
from structgen.asking.grounding.numerals import addresses_of, multiples_of, numerals_of
from structgen.asking.grounding.reading import Kind, Reading
from structgen.asking.grounding.signs import find_signs
from structgen.base.system.installation import require_extras

__all__ = ["Kind", "Reading", "readings_of"]
_SIGNS = str.maketrans(
    "\u2044\u2212\u02d7\u2796\ufe63\uff0d\u2010\u2011\u2019\u02bc\u066b\u066c\uff0e\uff0c\uff1a\uff0f\uff05\u066a\uff04"
    "\uff08\uff09\ufe59\ufe5a\u2007\u2009\u202f",
    "/-------''.'.,:/%%$()()\xa0\xa0\xa0",
)
"""Signs that mean the same as one of ASCII's, and narrow blanks."""


def readings_of(text: str, language: str | None = None) -> tuple[Reading, ...]:
    """Return what a text states, by start, then end. Several readings may have one place. A negative number
    whose sign may mean something else comes before the same number without it.

    `language`: the code of the text's language ("pl"), where it is known; else function words tell it, and of
    several languages each meaning is read. A numeral of over 1,000 characters and a word of over 100 are no
    numbers of the text. Raises StructgenError where a package of the extra `grounded` is missing. Cost:
    linear in the text, some 15 µs a word.
    """
    with require_extras("A grounded answer", "grounded", where="grounded"):
        import babel  # optional: names of months  # noqa: F401
        import text_to_num  # optional: number words  # noqa: F401
    # Each sign and digit for one of ASCII's, so that all keep their places.
    plain_text = re.sub(
        r"(?![0-9])\d", lambda digit: str(unicodedata.decimal(digit[0])), text.translate(_SIGNS)
    )
    marks = bytearray(len(plain_text))
    word_counts = count_function_words(plain_text, language)
    dates = [*cjk_dates_of(plain_text, marks), *dates_of(plain_text, marks, word_counts)]
    addresses = list(addresses_of(plain_text, marks))
    times = list(times_of(plain_text, marks))
    signs = find_signs(plain_text)
    numbers = list(cjk_numbers_of(plain_text, marks))
    factors = factors_of_words(leading_languages(word_counts), is_known=any(word_counts.values()))
    numbers += multiples_of(signs, marks, numerals_of(signs, marks), factors)
    numbers += multiples_of(signs, marks, number_words_of(plain_text, marks, word_counts), factors)
    counts = [number for number in numbers if number.unsigned_span is None]
    times += hours_of(plain_text, marks, counts)
    if spoken_dates := list(spoken_dates_of(plain_text, counts, word_counts)):
        dates += spoken_dates
        ends = {date.end for date in spoken_dates}
        numbers = [replace(number, is_part=number.is_part or number.end in ends) for number in numbers]
    compounds = [
        *instants_of([date for date in dates if date.kind == "date"], times),
        *durations_of(plain_text, counts),
    ]
    readings = dict.fromkeys((*dates, *addresses, *times, *numbers, *compounds))
    return tuple(
        sorted(readings, key=lambda reading: (reading.start, reading.unsigned_span is None, reading.end))
    )
