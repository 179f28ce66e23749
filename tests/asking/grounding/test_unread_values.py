"""What looks as if a text stated it, in a form that is not read: dates of other languages, figures beside a
word that is not a unit."""

from __future__ import annotations

import datetime as dt
import random
import re
from decimal import Decimal

import pytest
from babel.dates import format_date
from for_each import for_each

from structgen.asking.grounding.stated_text import StatedText, stated_text
from structgen.asking.grounding.unread_values import MOST_GUESSES, guesses_of, unverified_text

UNREAD = (
    "pl cs sk ru uk be bg mk sr hr sl hu fi et lv lt el tr az kk ar fa he ur hi mr bn ta te kn th vi id ko sv"
    " da nb is ro ca gl cy ga sq sw af ka hy"
).split()
"""Languages whose long dates no reader reads, or not all."""


def guesses(text: str, kind: str) -> list[tuple[object, str]]:
    """Return the guesses of a kind, with their words."""
    found = guesses_of(StatedText({"text": text}))
    return [(one.value, text[one.start : one.end]) for one in found if one.kind == kind]


@for_each("language", UNREAD)
def test_a_date_that_babel_writes_is_read_or_guessed(language: str) -> None:
    draw = random.Random(language)
    for pattern in ("long", "d MMMM y", "d MMM y"):
        for month in draw.sample(range(1, 13), 4):
            day = dt.date(draw.randrange(1950, 2050), month, draw.randrange(1, 29))
            words = format_date(day, pattern, locale=language)
            text = f"(x) {words} (y)"
            is_read = any(
                one.kind == "date" and one.value == day for _, one in StatedText({"t": text}).readings
            )
            assert is_read or day in [value for value, _ in guesses(text, "date")], words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("el día 3 del mes de mayo del año 2024, por la suma", "3 del mes de mayo del año 2024"),
        ("dated 3 Bealtaine 2024, of Dublin", "3 Bealtaine 2024"),
        ("2024 ж. 3 мамыр", "2024 ж. 3 мамыр"),
        ("3 მაისი, 2024 წ.", "3 მაისი, 2024"),
    ],
)
def test_a_date_stands_from_its_first_figure_to_its_last(text: str, words: str) -> None:
    assert (dt.date(2024, 5, 3), words) in guesses(text, "date")


def test_what_is_read_is_not_guessed() -> None:
    for text in ("3 May 2024", "12 hours", "at 12 o'clock", "12 million"):
        assert not [*guesses_of(StatedText({"text": text}))], text


def test_figures_before_a_word_that_is_no_unit_are_a_number_and_a_count_of_any_unit() -> None:
    text = "for 14 fortnights or 3 bags"
    assert guesses(text, "number") == [(14, "14 fortnights"), (3, "3 bags")]
    counts = [value for value, words in guesses(text, "duration") if words == "3 bags"]
    assert {"P3Y", "P3M", dt.timedelta(weeks=3), dt.timedelta(seconds=3)} <= {*counts}
    assert (dt.time(14), "14 fortnights") in guesses(text, "time")


def test_each_figure_of_a_guess_stands_in_the_text() -> None:
    """Of random words, figures and months: days, years and counts are figures of the text."""
    draw = random.Random(5)
    words = "maja мая mars 5월 월 tháng may listopada dni hours км , . - / x".split()
    for _ in range(300):
        text = " ".join(
            draw.choice(words) if draw.random() < 0.5 else str(draw.choice([draw.randrange(40), 2024, 1987]))
            for _ in range(draw.randrange(12))
        )
        figures = {int(one) for one in re.findall(r"\d+", text)}
        for one in guesses_of(StatedText({"text": text})):
            assert 0 <= one.start < one.end <= len(text) and one.is_part
            match one.value:
                case dt.date():
                    assert {one.value.day, one.value.year} <= figures
                case Decimal():
                    assert int(one.value) in figures
                case dt.time():
                    assert one.value.hour in figures


def test_a_guess_is_a_part_and_its_figures_are_parts_too() -> None:
    named = (("text", "3 Bealtaine 2024, for 100 dollars"),)
    numbers = [one for _, one in unverified_text(named).readings if one.kind == "number" and not one.is_part]
    assert [one.value for one in numbers] == [100]
    assert {one for _, one in stated_text(named).readings if one.kind == "time"} == set()


@pytest.mark.parametrize("piece", ["3 мая 2024 и слова ", "5月3", "x", "1", "月", "3 ", "12 bags "])
def test_a_long_text_has_few_guesses_that_an_answer_may_have(piece: str) -> None:
    text = piece * (100_000 // len(piece))
    known = stated_text((("text", text),)).readings
    assert len(unverified_text((("text", text),)).readings) <= len(known) + MOST_GUESSES
