"""What looks as if a text stated a value that no reader knows: a date whose month another language names,
figures beside a word that is not a unit. Such a value is a guess: `unverified_text` states it where a text
states nothing else."""

from __future__ import annotations

import datetime as dt
import pickle
import re
import unicodedata
from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from decimal import Decimal
from functools import cache, cached_property, lru_cache
from itertools import accumulate, islice, product
from typing import Any, Final, NamedTuple

from structgen.asking.grounding.calendars import instants_of
from structgen.asking.grounding.reading import PART, Kind, Reading, mark_span
from structgen.asking.grounding.stated_text import StatedText, stated_text

MOST_GUESSES: Final = 2_000
"""Values that a text is guessed to state; more are not offered."""
WINDOW: Final = 40
"""Characters between the name of a month and the figures of its date."""
_MOST_YEARS: Final = 8
"""Years of a text that a day without a year may be in."""
_UNKNOWN: Final = 0
"""The value of numerals whose number is not known."""
_WORD: Final = re.compile(r"[^\W\d_]+")
_WITH_WORD: Final = re.compile(
    r"(?<![\d.,:])(\d{1,5})(?:[.:]([0-5]\d))?(?!\d|[.,:]\d)(?:[\s-]?([^\W\d_]{2,}))?"
)
"""Figures, the minutes behind them, the word behind both."""
_SIGN: Final = re.compile(r"(?<=\d)\s?[./-]\s?(?=\d{1,2}\s?[./-]\s?\d)")
"""The first sign of `2024. 5. 3`."""
_ALL_MONTHS: Final = frozenset(range(1, 13))
_NOT_LATIN: Final = "\u0370"
"""From this character on, scripts have words of one or two characters."""
_UNSPACED: Final = "\u0e00"
"""From this character on, scripts have no blanks between words, or join endings to them."""
_LEAST_STEM: Final = 5
"""A name of so many letters may have an ending: "toukokuu" in "toukokuun"."""


class UnreadValue(NamedTuple):
    """What looks like a value of a kind, at the characters `start` to `end`."""

    kind: Kind
    start: int
    end: int
    values: tuple[Any, ...]
    """The values that it may state, as in `Reading`; () where its figures make none."""


class _Figure(NamedTuple):
    """A whole number of a text."""

    start: int
    end: int
    value: int


class UnverifiedText(StatedText):
    """Texts that state what they are guessed to state, too, as parts: where no reading of the kind fits.
    Made by `unverified_text`."""

    @cached_property
    def readings(self) -> tuple[tuple[str, Reading], ...]:
        made = list[tuple[str, Reading]]()
        for name, text in self.texts.items():
            known = [reading for _, reading in stated_text(((name, text),)).readings]
            found = (
                Reading(unread.kind, value, unread.start, unread.end, is_part=True)
                for unread in unread_values_of(text, known)
                for value in unread.values
            )
            guesses = [*islice(found, MOST_GUESSES)]
            if all(reading.kind != "date" for reading in known):  # a day that is read is an instant already
                dates = [guess for guess in guesses if guess.kind == "date"]
                times = [reading for reading in known if reading.kind == "time"]
                instants = islice(instants_of(dates, times), MOST_GUESSES)
                guesses += [replace(instant, is_part=True) for instant in instants]
            marks = bytearray(len(text))  # of the figures of dates, which are parts then
            for guess in guesses:
                if guess.kind == "date":
                    mark_span(marks, guess.start, guess.end)
            known = [
                replace(reading, is_part=reading.is_part or marks[reading.start] == PART) for reading in known
            ]
            made += [(name, reading) for reading in (*known, *guesses)]
        return tuple(made)


@lru_cache(maxsize=16)
def unverified_text(texts: tuple[tuple[str, str], ...]) -> UnverifiedText:
    """Return the texts of some names, with what they are guessed to state; the last ones are kept."""
    return UnverifiedText(dict(texts))


def unread_values_of(text: str, readings: Sequence[Reading]) -> Iterator[UnreadValue]:
    """Yield what looks like a value in a text, given its readings: dates first, then all else.

    A date: the name of a month, in any language of babel, with the figures of a day or a year near it. Its
    values have their day and year from these figures. A number, a duration, a time: figures before a word,
    where no reading has both; a duration of so many of each unit. Numerals of other scripts are numbers.
    Cost: linear in the text, less than that of reading it; once some 0.3 s for the names of months.
    """
    known = [reading for reading in readings if reading.kind != "datetime"]  # it reaches from date to time
    starts = [reading.start for reading in known]
    reach = [*accumulate((reading.end for reading in known), max, initial=0)]

    def is_read(start: int, end: int) -> bool:
        return reach[bisect_right(starts, start)] >= end

    # each mark becomes a letter, so that all words are runs of letters
    marked = text.translate({ord(char): "a" for char in {*text} if unicodedata.category(char)[0] == "M"})
    numerals = [figure for figure in _numerals_of(text) if not is_read(figure.start, figure.end)]
    figures = sorted([*numerals, *_figures_of(known)])
    years = [*dict.fromkeys(figure.value for figure in figures if figure.value >= 1_000)][:_MOST_YEARS]
    for start, end, months in _months_of(text, marked):
        if is_read(start, end):
            continue
        low, high = (bisect_left(figures, (at,)) for at in (start - WINDOW, end + WINDOW))
        near = [figure for figure in figures[low:high] if figure.end <= start or figure.start >= end]
        if (date := _date(start, end, text[start:end], months, near, years)) is not None:
            yield date
    for start, end, value in numerals:
        yield UnreadValue("number", start, end, (Decimal(value),) if value != _UNKNOWN else ())
    for match in _WITH_WORD.finditer(marked):
        count, minute, place = int(match[1]), match[2], match.span()
        if match.lastindex == 1 or is_read(*place):
            continue
        if minute is None:
            yield UnreadValue("number", *place, (Decimal(count),))
            units = (
                {"weeks": count},
                {"days": count},
                {"hours": count},
                {"minutes": count},
                {"seconds": count},
            )
            lengths = (f"P{count}Y", f"P{count}M", *(dt.timedelta(**unit) for unit in units))
            yield UnreadValue("duration", *place, lengths)
        if count < 24:
            yield UnreadValue("time", *place, (dt.time(count, int(minute or 0)),))


def _date(
    start: int, end: int, word: str, months: frozenset[int], near: Sequence[_Figure], years: Sequence[int]
) -> UnreadValue | None:
    """Return what looks like a date around the name of a month; None where the figures near it are those of
    no day and no year. `years`: those of the text."""
    ordered = sorted(near, key=lambda figure: max(start - figure.end, figure.start - end))
    days = [figure for figure in ordered if 1 <= figure.value <= 31]
    of_year = [figure for figure in ordered if figure.value >= 1_000]
    is_everyday = word.isascii() and word == word.lower() and len(word) < 4  # "may" is seldom a month
    has_both, has_any = days and of_year, days or of_year or any(not figure.value for figure in near)
    if not (has_both if is_everyday else has_any):
        return None
    if months == _ALL_MONTHS:
        months = frozenset(figure.value for figure in days if figure.value <= 12)
    values = list[dt.date]()
    stated = [figure.value for figure in of_year] or years
    for year, month, day in product(stated[:3], sorted(months), days[:3]):
        with suppress(ValueError):  # no day of the calendar
            values.append(dt.date(year, month, day.value))
    around = [*days[:1], *of_year[:1]] or ordered[:1]
    start = min(start, *(figure.start for figure in around))
    return UnreadValue("date", start, max(end, *(figure.end for figure in around)), tuple(values))


def _figures_of(readings: Sequence[Reading]) -> Iterator[_Figure]:
    """Yield the numbers of some readings that may be a day or a year."""
    for reading in readings:
        value = reading.value
        if isinstance(value, Decimal) and 1 <= value < 3_000 and value == int(value):
            yield _Figure(reading.start, reading.end, int(value))


def _numerals_of(text: str) -> Iterator[_Figure]:
    """Yield the runs of numerals that are not decimal digits, such as those of Han. Of several numerals that
    are not all digits (thirteen is a ten and a three) the value is not known."""
    if signs := "".join(char for char in {*text} if char.isnumeric() and not char.isdecimal()):
        for match in re.finditer(f"[{re.escape(signs)}]+", text):
            values = [int(unicodedata.numeric(sign)) for sign in match[0]]
            is_known = len(values) == 1 or max(values) < 10
            yield _Figure(*match.span(), int("".join(map(str, values[:9]))) if is_known else _UNKNOWN)


def _months_of(text: str, marked: str) -> Iterator[tuple[int, int, frozenset[int]]]:
    """Yield where a text names a month, and the numbers of the months that have the name: all of them for a
    word that means month, and for a sign between the figures of a date."""
    yield from ((*sign.span(), _ALL_MONTHS) for sign in _SIGN.finditer(text))
    names, inner = _month_names()
    longest = max(map(len, names))
    for match in _WORD.finditer(marked):
        start, end = match.span()
        if text[start] >= _UNSPACED:
            yield from ((*name.span(), names[name[0]]) for name in inner.finditer(text, start, end))
            continue
        word = unicodedata.normalize("NFC", text[start : min(end, start + longest)].casefold())
        stems = (word[:size] for size in range(len(word), _LEAST_STEM - 1, -1))
        stem = word if word in names else next((stem for stem in stems if stem in names), None)
        if stem is not None:
            yield start, end, names[stem]


@cache
def _month_names() -> tuple[dict[str, frozenset[int]], re.Pattern[str]]:
    """Return the numbers of the months by their names in all languages of babel, in small letters, and the
    pattern of those that may stand inside a run of letters. Of several words the longest one is the name.
    What few languages mean by a name is left out."""
    from babel import localedata  # optional: `readings_of` has asked for it

    numbers = defaultdict[str, Counter[int]](Counter)
    for name in localedata.locale_identifiers():
        if any(len(part) != 4 for part in name.split("_")[1:]):  # a country has few names of its own
            continue
        # babel would keep the whole of each locale, some 150 MB
        with open(localedata.resolve_locale_filename(name), "rb") as file:
            months = pickle.load(file).get("months", {})
        for context, width in product(("format", "stand-alone"), ("wide", "abbreviated")):
            for number, written in _members(_members(months, context), width).items():
                marks = {ord(char): "a" for char in written if unicodedata.category(char)[0] == "M"}
                words = [written[slice(*word.span())] for word in _WORD.finditer(written.translate(marks))]
                longest = max(words, key=len, default="").casefold()
                if len(longest) > 2 or longest >= _NOT_LATIN:
                    numbers[unicodedata.normalize("NFC", longest)][number] += 1
    names = {
        name: frozenset(month for month, count in counts.items() if 4 * count >= max(counts.values()))
        for name, counts in numbers.items()
    }
    inner = sorted((name for name in names if name >= _UNSPACED), key=len, reverse=True)
    return names, re.compile("|".join(inner))


def _members(node: Any, name: str) -> dict[Any, Any]:
    """Return a member of the data of a locale; {} where the data refer to another locale's."""
    member = node.get(name)
    return member if isinstance(member, dict) else {}
