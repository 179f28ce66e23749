"""Guesses what a text may state in a form that no reader knows.

A *guess* is a reading that no reader confirms. Examples: a date with its month in another language; a date
with its words in another order; a number beside a word that is not a known unit.
"""

from __future__ import annotations

import datetime as dt
import pickle
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from decimal import Decimal
from functools import cache, cached_property, lru_cache
from itertools import islice, product
from typing import Any, Final

from structgen.asking.grounding.reading import PART, Reading, mark_span
from structgen.asking.grounding.stated_text import StatedText, stated_text

MOST_GUESSES: Final = 2_000
"""Guesses that an answer may have, of one text."""
WINDOW: Final = 30
"""Characters between the name of a month and the figures of its date."""
_WORD: Final = re.compile(r"[^\s\d!-/:-@[-`{-~\u060c\u2010-\u2027\u3000-\u303f\uff00-\uff0f]+")
_BESIDE_A_WORD: Final = re.compile(rf"(?<![\d.,:])(\d{{1,5}})[\s-]?({_WORD.pattern})")
_FIGURES: Final = re.compile(r"(?<!\d)(?:\d{1,2}|\d{4})(?!\d)")
"""A day, or a year."""
_LATIN: Final = "\u0370"
"""Before this character, a name of one or two letters is no month's."""
_UNITS: Final = (604_800, 86_400, 3_600, 60, 1)
"""A week to a second, in seconds."""


class UnverifiedText(StatedText):
    """A text that states what it is guessed to state, too, where nothing that is read fits. Made by
    `unverified_text`."""

    @cached_property
    def readings(self) -> tuple[tuple[str, Reading], ...]:
        verified_text = stated_text((*self.texts.items(),))
        guesses = [*islice(guesses_of(verified_text), MOST_GUESSES)]
        (name,), (text,) = zip(*self.texts.items(), strict=True)
        marks = bytearray(len(text))
        for guess in guesses:
            if guess.kind == "date":  # its figures are no numbers of their own
                mark_span(marks, guess.start, guess.end)
        verified_readings = (
            replace(reading, is_part=reading.is_part or marks[reading.start] == PART)
            for _, reading in verified_text.readings
        )
        return tuple((name, reading) for reading in (*verified_readings, *guesses))


@lru_cache(maxsize=16)
def unverified_text(texts: tuple[tuple[str, str]]) -> UnverifiedText:
    """Return one text and its name, with what it is guessed to state; the last ones are kept."""
    return UnverifiedText(dict(texts))


def guesses_of(verified_text: StatedText) -> Iterator[Reading]:
    """Yield what looks like a value in one text: first the dates, each day, month and year that the name of a
    month and the figures near it may mean; then, for figures before a word that no reading has, the number,
    the time, and the durations of so many of each unit. They are parts: what is read goes before them.

    Cost: linear in the text; once some 0.5 s for the names of months in all languages of babel.
    """
    (text,) = verified_text.texts.values()
    marks = bytearray(len(text))
    names = _month_names()
    for _, reading in verified_text.readings:
        if reading.kind != "datetime":  # it reaches from a date to a time
            mark_span(marks, reading.start, reading.end)
    figures = (figure[0] for figure in _FIGURES.finditer(text))
    years = [*dict.fromkeys(figure for figure in figures if len(figure) == 4)][:8]
    for word in _WORD.finditer(text):
        name = _fold_word(word[0])
        # Hebrew writes "in" as one letter before the name
        months = names.get(name)
        if not months and name >= _LATIN:
            months = names.get(name[1:])
        if months and marks[word.start()] != PART:
            yield from _dates_around(text, *word.span(), months, years)
    for match in _BESIDE_A_WORD.finditer(text):
        if marks[match.start(2)] != PART:
            count = int(match[1])
            lengths = [
                f"P{count}Y",
                f"P{count}M",
                *(dt.timedelta(seconds=count * unit) for unit in _UNITS),
            ]
            values: list[tuple[Any, Any]] = [("number", Decimal(count)), *product(["duration"], lengths)]
            values += [("time", dt.time(count))] if count < 24 else []
            for kind, value in values:
                yield Reading(kind, value, *match.span(), is_part=True)


def _dates_around(
    text: str,
    start: int,
    end: int,
    months: frozenset[int],
    years: list[str],
) -> Iterator[Reading]:
    """Yield the dates around the name of a month, at the characters from their first figure to the last.
    `years`: those of the text, for a day without one."""
    # five characters more: no figure ends where the search does
    matches = _FIGURES.finditer(text, max(0, start - WINDOW), end + WINDOW + 5)
    figures = [figure for figure in matches if figure.start() <= end + WINDOW]
    numbers = {int(figure[0]) for figure in figures if len(figure[0]) < 4}
    own_years = [figure[0] for figure in figures if len(figure[0]) == 4] or years
    if len(months) == 12:  # the word for month, which has its number beside it
        months &= numbers
    places = {start, end}.union(*(figure.span() for figure in figures))
    for year, month, day in product(own_years, sorted(months), sorted(numbers)):
        with suppress(ValueError):  # no day of the calendar
            date = dt.date(int(year), month, day)
            yield Reading("date", date, min(places), max(places), is_part=True)


def _fold_word(word: str) -> str:
    return unicodedata.normalize("NFC", word).lower()


@cache
def _month_names() -> dict[str, frozenset[int]]:
    """Return the numbers of the months by their names in small letters. Of several words the longest one is
    the name; what few languages mean by it is left out."""
    from babel import localedata  # optional: `readings_of` has asked for it

    counts = defaultdict[str, Counter[int]](Counter)
    for locale in localedata.locale_identifiers():
        # babel would keep all data of each locale, some 150 MB
        with open(localedata.resolve_locale_filename(locale), "rb") as file:
            contexts = pickle.load(file).get("months", {})
        widths = product(contexts.values(), ("wide", "abbreviated"))
        pairs = (pair for names, width in widths for pair in names.get(width, {}).items())
        for month, name in pairs:
            longest = max(_WORD.findall(name), key=len, default="")
            if len(longest) > 2 or longest > _LATIN:
                counts[_fold_word(longest)][month] += 1
    return {
        name: frozenset(
            month for month, count in month_counts.items() if 4 * count >= max(month_counts.values())
        )
        for name, month_counts in counts.items()
    }
