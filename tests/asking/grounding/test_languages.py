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
    "en": "the set out of no was ago mart led some we met jar and in at is on it are 5 people jun-ior",
    "de": "der die das und nur mal am im bei mit Art jan-kend es waren etwa Stück Uhr lang Okt-ave",
    "fr": "le la les un une nos des et dans sur on a plus de mar-che pas qui avec ou sept dec-i juin-s",
    "es": "el la los y en no se de mar sin que por con ago-sto más muy set para hay eneas luna",
    "it": "il la i gli e set di che per non più mag-gio ora ott-o sono dal al con gen-te",
    "pt": "o a os as e em no na set out mar ago-ra de que com não mais dos foi por",
    "nl": "de het een en van was mei-d met voor niet ook nog maar jan-boel om uit bij aan die wij",
    "pl": "i w na nie się maj-ątek jest do że oraz przez od lip-a lis-tek gru-dka luty-m sie-ć zł dla ale tylko",
    "cs": "a se na je že led-ový ve pro lis-t srp-em dub-y pro-ti úno-s při jsou ale jako nebo čer-ný do od",
    "hr": "i u na se da za lip-a srp-ski od koji kao stu-pa tra-va velj-ača ili pro-sjek lis-t",
    "ro": "și de la cu mai în pe nu este din iun-ie mar-e dec-i pentru sau că prin apr-ig",
    "sv": "och är att det mars-vin som på maj-s av för med den till inte juni-or från ett okt-av dec-ennium",
    "da": "og er at det maj-s som på af for med den til ikke fra et mar-ts-vin dec-imal der sig men om",
    "fi": "ja on ei se että hei-nä tai sekä elo-kuva oli kesä-loma myös kun tammi-puu loka-suoja joulu-kuusi maa",
    "hu": "a az és hogy nem is egy van meg máj már szerint vagy febr-ilis jú-nó dec-i szept okto az ön",
    "tr": "ve bir bu için ile de da mart-ı ocak-lar kas-lar olan eki-p ara-ba ağu may-a tem-el çok daha",
    "ru": "и в на не с по что май-ка март-ышка для от до из или это июн-ь дек-орация ноя-брь все она",
    "uk": "і в на не з до що лист-ок травень-ок сер-це для від за або це груд-и лип-а він була ми",
    "id": "dan yang di dengan mar-ah untuk dari mei-ja des-a ags-tus pada ini itu tidak adalah jun-i oleh ke",
    "vi": "và của là có không tháng được cho trong với ngày các này năm thg một những người để khi",
}
"""Frequent words of twenty languages, and words that begin like a name of a month."""


@for_each("language", WORDS)
@pytest.mark.parametrize("is_known", [False, True])
def test_prose_without_dates_states_none(language: str, is_known: bool) -> None:
    chance = random.Random(language)
    words = [word.replace("-", "") for word in WORDS[language].split()]
    for _ in range(200):
        # the year comes last, so that no figure before a word has a year behind it by chance
        pieces = [
            str(chance.randrange(1, 32)) if chance.random() < 0.2 else chance.choice(words) for _ in range(12)
        ]
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
