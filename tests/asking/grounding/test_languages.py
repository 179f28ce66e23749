"""What babel writes in 45 languages is read again where the language is known; other prose states no date."""

from __future__ import annotations

import datetime as dt
import random
from decimal import Decimal

import pytest
from for_each import for_each

pytest.importorskip("babel")
pytest.importorskip("text_to_num")

from babel.dates import format_date
from babel.numbers import format_decimal

from structgen.asking.grounding.readings import readings_of

LANGUAGES = (
    "en de fr es it pt nl pl cs sk sl hr sr bg mk ru uk be lt lv et fi sv da nb is hu ro el tr ca gl eu id ms"
    " vi sq af ar fa he hi th ko ja zh"
).split()


def stated(text: str, kind: str, language: str | None = None) -> set[object]:
    return {
        reading.value
        for reading in readings_of(text, language)
        if reading.kind == kind and not reading.is_part
    }


@for_each("language", LANGUAGES)
def test_dates_that_babel_writes_are_read(language: str) -> None:
    chance = random.Random(language)
    for _ in range(60):
        date = dt.date(1970, 1, 1) + dt.timedelta(days=chance.randrange(29_000))
        length = chance.choice(("long", "medium", "short"))
        written = format_date(date, length, language)
        dates = stated(f"({written})", "date", language)
        assert date in dates, written
        if length == "long":
            assert dates == {date}, written


@for_each("language", LANGUAGES)
def test_decimal_numbers_that_babel_writes_are_read(language: str) -> None:
    chance = random.Random(language)
    for _ in range(60):
        number = Decimal(chance.randrange(10 ** chance.randrange(1, 9))).scaleb(-chance.randrange(3))
        written = format_decimal(number, locale=language, decimal_quantization=False)
        assert number in stated(f": {written};", "number", language), written


WORDS = {
    "en": "the set out of no was ago mart led some we met jar and in at is on it are 5 people junior",
    "de": "der die das und nur mal am im bei mit Art jankend es waren etwa Stück Uhr lang Oktave",
    "fr": "le la les un une nos des et dans sur on a plus de marche pas qui avec ou juins",
    "es": "el la los y en no se de mar sin que por con agostos más muy set para hay eneas luna",
    "it": "il la i gli e set di che per non più maggiore otto sono dal al con gente",
    "pt": "o a os as e em no na set out mar agora de que com não mais dos foi por",
    "nl": "de het een en van was meid met voor niet ook nog maar janboel om uit bij aan die wij",
    "pl": "i w na nie się majątek jest do że oraz przez od lipa listek grudka lutym sieć zł dla",
    "cs": "a se na je že ledový ve pro list srpem duby proti únos při jsou ale jako nebo černý do od",
    "hr": "i u na se da za lipa srpski od koji kao stupa tra-va ili list",
    "ro": "și de la cu mai în pe nu este din iuniei mare deci pentru sau că prin aprig",
    "sv": "och är att det marsvin som på majs av för med den till inte junior från ett oktav decennium",
    "da": "og er at det majs som på af for med den til ikke fra et martsvin decimal der",
    "fi": "ja on ei se että hein tai sekä elokuva oli kesäloma myös kun tammipuu lokasuoja joulukuusi",
    "hu": "a az és hogy nem is egy van meg májas már szerint vagy febrilis júnó decis szeptim okto az ön",
    "tr": "ve bir bu için ile de da martı ocaklar kaslar olan ekip araba ağut maya temel çok daha",
    "ru": "и в на не с по что майка мартышка для от до из или это июнька декорация ноябрит",
    "uk": "і в на не з до що листок травенька серце для від за або це груди липа",
    "id": "dan yang di dengan marah untuk dari meja desa agstus pada ini itu tidak adalah junia oleh ke",
    "vi": "và của là có không được cho trong với ngày các này năm một những người để khi",
}
"""Frequent words of twenty languages, and words that begin like a name of a month."""


@for_each("language", WORDS)
@pytest.mark.parametrize("is_known", [False, True])
def test_prose_without_dates_states_none(language: str, is_known: bool) -> None:
    chance = random.Random(language)
    words = WORDS[language].split()
    for _ in range(200):
        # a figure never follows another: "out 29 20" is a date
        pieces: list[str] = []
        for _ in range(12):
            is_figure = chance.random() < 0.3 and not "".join(pieces[-1:]).isdecimal()
            pieces.append(str(chance.randrange(1, 32)) if is_figure else chance.choice(words))
        text = f"{' '.join(pieces)}. In Q7: 2019 {chance.choice(words)}s."
        dates = [
            reading
            for reading in readings_of(text, language if is_known else None)
            if reading.kind in ("date", "month")
        ]
        assert not dates, (text, dates)


def test_the_language_of_the_text_decides_what_a_name_of_a_month_means() -> None:
    november, october = dt.date(2024, 11, 8), dt.date(2024, 10, 8)
    assert stated("Umowa została zawarta w dniu 8 listopada 2024 i nie jest ważna.", "date") == {november}
    assert stated(
        "Ugovor je sklopljen 8. listopada 2024. i vrijedi za sve koji su ga potpisali.", "date"
    ) == {october}
    assert stated("8 listopada 2024", "date") == {november, october}
    assert stated("8 listopada 2024", "date", "hr-HR") == {october}


@pytest.mark.parametrize(
    ("text", "date"),
    [
        ("令和元年4月30日", None),  # the day before the era began
        ("平成35年1月1日", dt.date(2023, 1, 1)),  # written before the era ended
        ("R6.5.3", dt.date(2024, 5, 3)),
        ("明治元年1月1日", None),
        ("2024年13月1日", None),
        ("24年5月3日", None),  # of an era that is not named
        ("二千二十四年十二月二十五日", dt.date(2024, 12, 25)),
        ("3 พฤษภาคม พ.ศ. 2567 และ", dt.date(2024, 5, 3)),
        ("20241332", None),
        ("$20240503", None),
    ],
)
def test_years_of_other_counts(text: str, date: dt.date | None) -> None:
    assert stated(text, "date") == ({date} if date else set())


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("三四个人", None),  # three or four
        ("五六百人", None),
        ("万一のこと", None),
        ("二〇二四", 2024),
        ("十二億三千四百五十六万七千八百九十円", 1234567890),
        ("1兆2000億円", 1_200_000_000_000),
        ("两千零五元", 2005),
    ],
)
def test_numerals_of_chinese_and_japanese(text: str, value: int | None) -> None:
    assert stated(text, "number") == (set() if value is None else {value})


@pytest.mark.parametrize(
    ("text", "times"),
    [
        ("at half past three", {dt.time(3, 30), dt.time(15, 30)}),
        ("a quarter to nine", {dt.time(8, 45), dt.time(20, 45)}),
        ("twenty-five minutes past one", {dt.time(1, 25), dt.time(13, 25)}),
        ("ten minutes to twelve", {dt.time(11, 50), dt.time(23, 50)}),
        ("from ten to three", set()),
    ],
)
def test_spoken_times(text: str, times: set[dt.time]) -> None:
    assert stated(text, "time") == times


def test_a_month_with_its_year_is_read_as_one() -> None:
    for text in ("April 1985", "avril 1985", "kwiecień 1985", "abril de 1985", "1985年4月"):
        assert stated(f"({text})", "month") == {"1985-04"}, text
    for text in ("3 April 1985", "may 1985 people come", "in April", "set 1985 records"):
        assert not stated(text, "month") - {"1985-05"}, text


@for_each(
    ("text", "number"),
    [
        ("Distance 5 km", 5),
        ("Marathon: 42 km", 42),
        ("Akku 500 mA", 500),
        ("Storage 3 bin", 3),
        ("Table 7 nt", 7),
    ],
)
def test_units_of_measure_do_not_multiply(text: str, number: int) -> None:
    assert stated(text, "number") == {Decimal(number)}


def test_a_unit_is_none_in_the_language_whose_number_it_is_too() -> None:
    assert Decimal(5_000_000_000) not in stated("El poble és a 5 km de la ciutat i del riu", "number")
