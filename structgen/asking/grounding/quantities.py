"""What a word behind a number makes of it: a share, a multiple, an hour."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from decimal import Decimal

from structgen.asking.grounding.clock_times import HOUR_SIGNS, hours_of
from structgen.asking.grounding.reading import EXACT, PART, Reading, mark_span

_BEHIND = re.compile(
    r"(?P<gap>[\s-]{0,2})(?P<word>[%‰]|(?:per|pour|por)\s(?:cent|ciento|cento)\b|mil\s(?:millones|milhões)\b"
    r"|o'clock\b|[ap]\.?\s?m\b\.?|[^\W\d_]+)",
    re.I,
)
_FACTORS = {
    "0.01": "% percent percentcent pourcent porciento porcento percento prozent procent pct",
    "0.001": "‰ promille promil",
    "12": "dozen dutzend douzaines docenas dozzine dúzias dozijn",
    "100": "hundred hundert honderd",
    "1000": "k thousand tsd tausend mille mil mila duizend",
    "100000": "lakh lakhs",
    "1000000": "m mio mln million millions millionen millón millones milioni milione milhão milhões miljoen "
    "mill",
    "10000000": "crore crores",
    "1000000000": "b bn mrd md milliard milliards milliarde milliarden miliardo miliardi miljard billion "
    "billions milmillones milmilhões bilhão bilhões mia",
    "1000000000000": "t tn bio billion billionen billón billones bilioni biljoen trillion trillions trilhão "
    "trilhões",
}
"""Words and signs by what they multiply with; a word of two rows means both."""
_TIMES = {
    word: [Decimal(factor) for factor, words in _FACTORS.items() if word in words.split()]
    for word in " ".join(_FACTORS.values()).split()
}


def quantities_of(text: str, marks: bytearray, numbers: Iterable[Reading]) -> Iterator[Reading]:
    """Yield numbers of a folded text, and what the word behind each makes of it.

    `19 %` is 19 and 0.19, `1.2 million` is 1.2 and 1200000; the words are marked as parts. A letter alone
    must stand without a blank (`3k`). `2 pm` and `drei Uhr` are times, and their numbers parts. Cost: linear.
    """
    for one in numbers:
        match = _BEHIND.match(text, one.end)
        word = "" if match is None else re.sub(r"[\s.']", "", match["word"].lower())
        is_lone_letter = match is not None and match["gap"] and len(word) == 1 and word.isalpha()
        if match is None or marks[one.start] == PART or (is_lone_letter and word != "h"):
            yield one
            continue
        value, end = one.value, match.end()
        assert isinstance(value, Decimal)
        is_hour = word in HOUR_SIGNS and value == value.to_integral_value() and 0 <= value < 24
        yield replace(one, is_part=one.is_part or (is_hour and word[0] in "apu"))
        if is_hour:
            for hour in hours_of(str(value), word):
                yield Reading("time", dt.time(hour), one.start, end)
        for factor in _TIMES.get(word, ()):
            yield replace(one, value=EXACT.multiply(value, factor), end=end)
            mark_span(marks, match.start("word"), end)
