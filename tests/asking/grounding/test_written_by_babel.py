"""What babel writes in eight locales is read again, at its place, from inside a sentence."""

from __future__ import annotations

import datetime as dt
import random
from decimal import Decimal

import pytest
from for_each import for_each

pytest.importorskip("babel")
pytest.importorskip("text_to_num")

from babel.dates import format_date, format_datetime, format_time
from babel.numbers import format_currency, format_decimal, format_percent
from babel.units import format_unit

from structgen.asking.grounding.readings import readings_of

LOCALES = ("en_US", "en_GB", "de", "fr", "es", "it", "pt_BR", "nl")
SENTENCES = (
    ("", ""),
    ("We met ", " and left."),
    ("(", ")"),
    ("Der Vertrag vom ", " gilt."),
    ("Il a dit: ", "; c'est tout."),
    ("7 people came on ", ", 30 stayed."),
)
ONES = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
)
ONES += "seventeen eighteen nineteen"
TENS = "twenty thirty forty fifty sixty seventy eighty ninety"


def is_stated(written: str, kind: str, value: object, chance: random.Random) -> bool:
    """Whether the text is read as the value, with exactly its place, inside a sentence."""
    before, behind = chance.choice(SENTENCES)
    return (kind, value, len(before)) in {
        (one.kind, one.value, one.start) for one in readings_of(before + written + behind)
    }


def a_date(chance: random.Random) -> dt.date:
    return dt.date(1950, 1, 1) + dt.timedelta(days=chance.randrange(36_000))


@for_each("locale", LOCALES)
def test_dates(locale: str) -> None:
    chance = random.Random(locale)
    for _ in range(60):
        date, length = a_date(chance), chance.choice(("short", "medium", "long"))
        assert is_stated(format_date(date, length, locale), "date", date, chance), format_date(
            date, length, locale
        )


@for_each("locale", LOCALES)
def test_dates_with_a_day_of_the_week(locale: str) -> None:
    chance = random.Random(locale)
    for _ in range(20):
        date = a_date(chance)
        written = format_date(date, "full", locale)
        assert date in {one.value for one in readings_of(f"It is {written}, he said.")}, written


@for_each("locale", LOCALES)
def test_numbers(locale: str) -> None:
    chance = random.Random(locale)
    for _ in range(100):
        number = Decimal(chance.randrange(10 ** chance.randrange(1, 9))).scaleb(-chance.randrange(3))
        written = format_decimal(number, locale=locale, decimal_quantization=False)
        assert is_stated(written, "number", number, chance), written
        assert is_stated(f"-{written}", "number", -number, chance), written


@for_each("locale", LOCALES)
def test_money_and_shares(locale: str) -> None:
    chance = random.Random(locale)
    for _ in range(60):
        amount = Decimal(chance.randrange(10**8)).scaleb(-2)
        for currency in ("EUR", "USD", "BRL"):
            written = format_currency(amount, currency, locale=locale)
            assert amount in {one.value for one in readings_of(f"({written})") if not one.is_part}, written
        share = Decimal(chance.randrange(1, 1000)).scaleb(-3)
        written = format_percent(share, locale=locale, decimal_quantization=False)
        assert share in {one.value for one in readings_of(f"({written})") if not one.is_part}, written


@for_each("locale", LOCALES)
def test_times_and_instants(locale: str) -> None:
    chance = random.Random(locale)
    for _ in range(40):
        time = dt.time(chance.randrange(24), chance.randrange(60))
        assert is_stated(format_time(time, "short", locale=locale), "time", time, chance)
        moment = dt.datetime.combine(a_date(chance), time)
        written = format_datetime(moment, "medium", locale=locale)
        assert moment in {one.value for one in readings_of(written) if one.start == 0}, written


@for_each("locale", LOCALES)
def test_durations(locale: str) -> None:
    chance = random.Random(locale)
    for _ in range(20):
        number = chance.randrange(2, 999)
        for unit in ("week", "day", "hour", "minute", "second"):
            written = format_unit(number, f"duration-{unit}", "long", locale=locale)
            assert is_stated(written, "duration", dt.timedelta(**{f"{unit}s": number}), chance), written
        for unit, letter in (("month", "M"), ("year", "Y")):
            written = format_unit(number, f"duration-{unit}", "long", locale=locale)
            assert is_stated(written, "duration", f"P{number}{letter}", chance), written


def english(number: int) -> str:
    """Return a number below a million in words."""
    if number < 20:
        return ONES.split()[number]
    for size, name in ((1000, "thousand"), (100, "hundred")):
        if number >= size:
            rest = f" and {english(number % size)}" if number % size else ""
            return f"{english(number // size)} {name}{rest}".replace(" thousand and ", " thousand ")
    return TENS.split()[number // 10 - 2] + (f"-{english(number % 10)}" if number % 10 else "")


def german(number: int) -> str:
    """Return a number below a million in one word."""
    ones = "null ein zwei drei vier fünf sechs sieben acht neun zehn elf zwölf dreizehn vierzehn fünfzehn "
    ones += "sechzehn siebzehn achtzehn neunzehn"
    if number < 20:
        return ones.split()[number]
    for size, name in ((1000, "tausend"), (100, "hundert")):
        if number >= size:
            return german(number // size) + name + (german(number % size) if number % size else "")
    ten = "zwanzig dreißig vierzig fünfzig sechzig siebzig achtzig neunzig".split()[number // 10 - 2]
    return (f"{german(number % 10)}und" if number % 10 else "") + ten


@pytest.mark.parametrize("write", [english, german])
def test_numbers_in_words(write: object) -> None:
    chance = random.Random(93)
    assert callable(write)
    for _ in range(150):
        number = chance.randrange(2, 10 ** chance.randrange(1, 7) + 2)
        if number % 100 != 1:  # "eins" at the end, in German
            written = write(number)
            assert is_stated(written, "number", number, chance), written
