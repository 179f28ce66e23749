"""Finds numbers in words, for example "twenty-one".

The library text2num reads them. This module decides which words are numbers at all: "one" often is not.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal

from structgen.asking.grounding.languages import LANGUAGES
from structgen.asking.grounding.reading import PART, Reading

_WORD = re.compile(r"(?<![^\W\d_])[^\W\d_](?:[^\W\d_]|[\u0300-\u036f]){,99}(?![^\W\d_])")
_EVERYDAY = frozenset("once dos due sei sept cent cents onze elf mil quart null millions".split())
"""Numbers of one language that are everyday words of another."""
_MORE = {
    "1": "a an ein eine einen einem einer un une una uno um uma een één",
    "2": "couple pair paar paire coppia paio par",
    "0.5": "half halb halbe halben halbes demi demie medio media mezzo mezza meio meia halve",
    "0.25": "quarter quart cuarto quarto",
    "1.5": "anderthalb eineinhalb anderhalf anderhalve",
    "2.5": "zweieinhalb",
    "3.5": "dreieinhalb",
    "12": "dozen dutzend douzaine docena dozzina dúzia dozijn",
}
"""Words that text2num does not read, or takes for numbers where they are articles."""
_VAGUE = (1, 2, Decimal("0.5"), Decimal("0.25"))
"""Of these, those that are everyday words."""
_NO_NUMBERS = frozenset("o os non none".split())
"""Words that text2num takes for 0 and 9: an article, and those that deny."""
_VALUES = {word: Decimal(value) for value, words in _MORE.items() for word in words.split()}
_CENTURIES = frozenset(map(str, range(11, 21)))
_NO_COUNT = frozenset("no the this that each every any some which another".split())
"""Before `one`, these make a pronoun of it."""


@dataclass(slots=True)
class _Word:
    """A word as text2num asks for it."""

    spelling: str
    start: int
    end: int
    is_apart: bool

    def text(self) -> str:
        return self.spelling

    def nt_separated(self, _: object) -> bool:
        return self.is_apart

    def not_a_number_part(self) -> bool:
        return False


def number_words_of(text: str, marks: bytearray, counts: Mapping[str, int]) -> Iterator[Reading]:
    """Yield the numbers that words of a folded text state, in any of seven languages.

    Each longest run of number words is one number, or several where they make no single one. Parts are
    ordinals, articles ("un", "a"), "couple", "half", "one" behind a word that makes a pronoun of it, and
    number words that another language has as everyday words ("once", "due", "dos"), unless the text has as
    many of their own language's frequent words as of any other's. A word of over 100 letters is none.
    Cost: linear.
    """
    from text_to_num import find_numbers  # optional: `readings_of` has asked for it

    words: list[_Word] = []
    for match in _WORD.finditer(text):
        gap = text[words[-1].end : match.start()] if words else ""
        spelling = unicodedata.normalize("NFC", match[0].lower())
        is_apart = gap not in (" ", "-", "\n", "\xa0")
        words.append(_Word(spelling, *match.span(), is_apart))
    most = max(counts[language] for language in LANGUAGES)
    numbers = [
        (number.start, -number.end, language, number)
        for language in LANGUAGES
        for number in find_numbers(words, language, 0)
    ]
    ordinals = {(number.start, number.end) for *_, number in numbers if number.is_ordinal}
    run_start = run_end = 0
    years = {row[0]: row for row in numbers if row[2] == "en" and re.fullmatch("[1-9][0-9]", row[3].text)}
    year_ends: set[int] = set()
    for first, last, language, number in sorted(numbers, key=lambda row: row[:3]):
        if -last < run_end or (-last == run_end and first > run_start):
            continue  # inside a longer number of another language
        run_start = first
        run_end = -last
        word = words[first]
        is_part = (number.start, number.end) in ordinals
        # a word of a date or an address is no number of its own
        if marks[word.start] == PART:
            continue
        if run_end == first + 1:
            if word.spelling in _VALUES or word.spelling in _NO_NUMBERS:
                continue
            is_theirs = 0 < counts[language] == most
            is_part |= word.spelling in _EVERYDAY and not is_theirs
            is_part |= word.spelling == "one" and first > 0 and words[first - 1].spelling in _NO_COUNT
        value = re.sub(r"[^\d.]", "", number.text.replace(",", ".")).rstrip(".")
        end = words[run_end - 1].end
        # "nineteen ninety-nine" is a year
        tens = years.get(run_end)
        if language == "en" and tens is not None and value in _CENTURIES and text[end : end + 1] == " ":
            year_end = words[-tens[1] - 1].end
            year = Decimal(100 * int(value) + int(tens[3].text))
            yield Reading("number", year, word.start, year_end)
            is_part = True
            year_ends.add(year_end)
        is_part |= end in year_ends
        yield Reading("number", Decimal(value), word.start, end, is_part)
    for word in words:
        if word.spelling in _VALUES and marks[word.start] != PART:
            word_value = _VALUES[word.spelling]
            yield Reading("number", word_value, word.start, word.end, word_value in _VAGUE)
