"""Values that people write in seven languages are among the readings of a text, at their places."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest
from for_each import for_each

pytest.importorskip("babel")
pytest.importorskip("text_to_num")

from structgen.asking.grounding.readings import Reading, readings_of

OCTOBER = dt.date(2026, 10, 9)
NOWHERE = "Nothing is said here."


def of_kind(text: str, kind: str, *, parts: bool = False) -> list[Reading]:
    """Return the readings of one kind; numbers without those that are parts."""
    return [one for one in readings_of(text) if one.kind == kind and one.is_part <= parts]


def stated(text: str, kind: str = "number", *, parts: bool = False) -> set[Any]:
    return {one.value for one in of_kind(text, kind, parts=parts)}


def numbers(*values: str) -> set[Decimal]:
    return set(map(Decimal, values))


DATES = """
2026-10-09 | 9 October 2026 | October 9, 2026 | 9th of October, 2026 | Friday, October 9th, 2026 | 9 Oct. 2026
Oct 9 2026 | 9 OCT 2026 | 9-Oct-2026 | 9/10/2026 | 10/09/2026 | 2026/10/09 | 2026.10.09 | 9.10.2026
9-10-2026 | 9. 10. 2026 | 9 Oct '26 | 9. Oktober 2026 | 9. Okt. 2026 | Freitag, den 9. Oktober 2026 | 09.10.26
le 9 octobre 2026 | 9 oct. 2026 | 9 de octubre de 2026 | 9 oct 2026 | 9 de octubre del 2026 | 9 ottobre 2026
9 ott 2026 | 9 de outubro de 2026 | 9 de out. de 2026 | 9 oktober 2026 | 9 okt 2026 | 9 okt. 2026
20 9 October 2026 | 2026-10-09T08:00:00Z | the 9th October 2026 | 9. OKTOBER 2026 | OCTOBER 9, 2026
"""
ARABIC = str.maketrans("0123456789", "".join(chr(0x660 + digit) for digit in range(10)))
FULL_WIDTH = str.maketrans("0123456789./", "".join(chr(0xFEE0 + ord(one)) for one in "0123456789./"))


@for_each("written", [one.strip() for one in DATES.strip().replace("\n", "|").split("|")])
def test_a_date_is_read_in_every_spelling(written: str) -> None:
    assert OCTOBER in stated(f"We meet on {written}, all of us.", "date")


def test_a_date_may_have_other_digits_and_a_line_end() -> None:
    for written in ("9/10/2026".translate(ARABIC), "9/10/2026".translate(FULL_WIDTH), "9\nOctober\n2026"):
        assert OCTOBER in stated(written, "date")
    assert stated("12\u066b5".translate(ARABIC)) == stated("12.5".translate(FULL_WIDTH)) == numbers("12.5")


@for_each(
    ("written", "date"),
    [
        ("1er mars 2026", dt.date(2026, 3, 1)),
        ("premier mars 2026", dt.date(2026, 3, 1)),
        ("ersten März 2026", dt.date(2026, 3, 1)),
        ("primo marzo 2026", dt.date(2026, 3, 1)),
        ("first of March 2026", dt.date(2026, 3, 1)),
        ("2026年3月1日", dt.date(2026, 3, 1)),
        ("neunten Oktober 2026", OCTOBER),
        ("twenty-first of May, 2024", dt.date(2024, 5, 21)),
        ("uno de mayo de 2024", dt.date(2024, 5, 1)),
        ("1º de marzo de 2026", dt.date(2026, 3, 1)),
        ("1° marzo 2026", dt.date(2026, 3, 1)),
        ("3. März 2026", dt.date(2026, 3, 3)),
        ("3. Ma\u0308rz 2026", dt.date(2026, 3, 3)),
        ("3 fevrier 2026", dt.date(2026, 2, 3)),
        ("22 août 1999", dt.date(1999, 8, 22)),
        ("May 5, 2024", dt.date(2024, 5, 5)),
        ("5 mai 2024", dt.date(2024, 5, 5)),
        ("12 sept. 2024", dt.date(2024, 9, 12)),
        ("31 dez. 2024", dt.date(2024, 12, 31)),
        ("3 mrt 2024", dt.date(2024, 3, 3)),
    ],
)
def test_names_of_months_have_their_accents_or_not(written: str, date: dt.date) -> None:
    (reading,) = of_kind(f"({written})", "date")
    assert (reading.value, reading.start, reading.end) == (date, 1, 1 + len(written))


def test_an_open_order_is_two_dates_and_a_closed_one_is_one() -> None:
    assert stated("03/04/2026", "date") == {dt.date(2026, 4, 3), dt.date(2026, 3, 4)}
    assert stated("13/04/2026", "date") == {dt.date(2026, 4, 13)}
    assert stated("3.4.2026", "date") == {dt.date(2026, 4, 3)}


def test_a_year_of_two_figures_is_one_of_two_centuries() -> None:
    assert stated("9.10.26", "date") == {OCTOBER, dt.date(1926, 10, 9)}


@pytest.mark.parametrize(
    "written", ["3-5 May 2026", "3 and 5 May 2026", "3. und 5. Mai 2026", "May 3-5, 2026"]
)
def test_days_that_share_a_month_are_all_read(written: str) -> None:
    assert stated(written, "date") == {dt.date(2026, 5, 3), dt.date(2026, 5, 5)}


@pytest.mark.parametrize(
    "written", ["30 February 2026", "2026-02-30", "31.4.2026", "2026-13-01", "0 May 2026"]
)
def test_a_day_that_no_calendar_has_is_no_date(written: str) -> None:
    assert stated(written, "date") == set()


def test_a_day_without_a_year_is_in_the_years_that_the_text_states() -> None:
    assert stated("From 3 May to 5 May 2026", "date") == {dt.date(2026, 5, 3), dt.date(2026, 5, 5)}
    assert stated("On 3 May; not in 2024 or 2025.", "date") == {dt.date(2024, 5, 3), dt.date(2025, 5, 3)}
    assert stated("On 3 May.", "date") == set()
    years = " ".join(str(year) for year in range(2001, 2020))
    assert len(stated(f"On 3 May, in {years}", "date")) == 8


@pytest.mark.parametrize(
    "text", ["May I have 5 of them in 2024?", "Oct 2026", "find out 10 things of 2024", "in March"]
)
def test_what_lacks_a_day_is_no_date(text: str) -> None:
    assert stated(text, "date") == set()


@for_each(
    ("text", "values"),
    [
        ("1,204.50", ["1204.50"]),
        ("1.204,50", ["1204.50"]),
        ("1 204,50", ["1204.50"]),
        ("1\u00a0204,50", ["1204.50"]),
        ("1\u202f204,50", ["1204.50"]),
        ("1'204.50", ["1204.50"]),
        ("1\u2019204.50", ["1204.50"]),
        ("1.204", ["1.204", "1204"]),
        ("1,204", ["1204", "1.204"]),
        ("1,204,567", ["1204567"]),
        ("12,34,567", ["1234567"]),
        ("12,5", ["12.5"]),
        ("0.204", ["0.204"]),
        (".5", ["0.5"]),
        ("1.5e3", ["1500"]),
        ("-5", ["-5"]),
        ("\u22125 °C", ["-5"]),
        ("-$12.50", ["-12.50"]),
        ("2020-2021", ["2020", "2021"]),
        ("3-5", ["3", "5"]),
        ("$12.50", ["12.50"]),
        ("12 €", ["12"]),
        ("EUR 12", ["12"]),
        ("EUR12", ["12"]),
        ("US$12", ["12"]),
        ("19 %", ["19", "0.19"]),
        ("2,5 Prozent", ["2.5", "0.025"]),
        ("20 per cent", ["20", "0.2"]),
        ("1.2 million", ["1.2", "1200000"]),
        ("10-15 %", ["10", "15", "0.1", "0.15"]),
        ("2 to 3 million", ["2", "3", "2000000", "3000000"]),
        ("3k", ["3", "3000"]),
        ("2,5 Mio.", ["2.5", "2500000"]),
        ("2 Milliarden", ["2", "2000000000"]),
        ("2 billion", ["2", "2000000000", "2000000000000"]),
        ("5 mil millones", ["5", "5000000000"]),
        ("½", ["0.5"]),
        ("2½", ["2.5"]),
        ("2 1/2", ["2.5"]),
        ("1/2", ["0.5"]),
        ("9/10", ["0.9", "9", "10"]),
        ("2 and a half", ["2", "2.5"]),
        ("3rd", ["3"]),
        ("3.", ["3"]),
        ("3ème", ["3"]),
        ("1er", ["1"]),
        ("2º", ["2"]),
        ("12kg", ["12"]),
        ("41-year-old", ["41"]),
        ("3x4 m", ["3", "4"]),
        ("1,2,3", ["1", "2", "3"]),
        ("12 300", ["12300", "12", "300"]),
        ("2019 300", ["2019", "300"]),
        ("2 000 000", ["2000000"]),
        ("2026", ["2026"]),
        ("No. 7", ["7"]),
        ("#7", ["7"]),
        ("top-10", ["10"]),
    ],
)
def test_figures_have_every_reading_that_they_allow(text: str, values: list[str]) -> None:
    assert stated(text) == numbers(*values)
    assert stated(f"There [{text}].") == numbers(*values)
    in_brackets = stated(f"There ({text}).")
    assert numbers(*values) <= in_brackets <= numbers(*values) | {-value for value in numbers(*values)}


@for_each(
    ("text", "values"),
    [
        ("ten days", ["10"]),
        ("a ten-euro note", ["10"]),
        ("twenty-five", ["25"]),
        ("one hundred and four", ["104"]),
        ("two million three hundred thousand", ["2300000"]),
        ("three point five", ["3.5"]),
        ("a dozen eggs", ["12"]),
        ("two, three", ["2", "3"]),
        ("zwei", ["2"]),
        ("vierundzwanzig", ["24"]),
        ("zweitausendsechsundzwanzig", ["2026"]),
        ("zwölf Komma fünf", ["12.5"]),
        ("drei Millionen", ["3000000"]),
        ("quatre-vingt-dix-neuf", ["99"]),
        ("vingt et un", ["21"]),
        ("deux mille vingt-six", ["2026"]),
        ("treinta y cinco", ["35"]),
        ("veintidós", ["22"]),
        ("ventitré", ["23"]),
        ("ventitre\u0301", ["23"]),
        ("cento e quatro", ["104"]),
        ("vinte e cinco", ["25"]),
        ("eenentwintig", ["21"]),
        ("drieëntwintig", ["23"]),
        ("two and a half litres", ["2", "2.5"]),
        ("deux et demi", ["2", "2.5"]),
        ("dos y media", ["2", "2.5"]),
        ("zwanzig Prozent", ["20", "0.2"]),
        ("VIER", ["4"]),
        ("one child", ["1"]),
        ("zweieinhalb", ["2.5"]),
        ("anderhalf", ["1.5"]),
        ("half a million", ["500000", "1000000"]),
        ("one and a half million", ["1", "1.5", "1500000", "500000"]),
        ("minus five", ["-5", "5"]),
        ("moins cinq", ["-5", "5"]),
        ("au moins cinq", ["5"]),
        ("más o menos 3", ["3"]),
    ],
)
def test_words_are_read_in_longest_runs(text: str, values: list[str]) -> None:
    assert stated(text) == numbers(*values)


def test_a_word_that_is_everyday_elsewhere_counts_in_its_own_language() -> None:
    for foreign, own, value in [
        ("once upon the time of the king", "los niños de las once familias y el maestro", 11),
        ("the rent is due to the owner", "il conto di due persone che non pagano è alto", 2),
        ("as casas dos amigos não são do rei", "el hotel y las dos habitaciones del piso", 2),
    ]:
        assert value not in stated(foreign)
        assert value in stated(own)


@pytest.mark.parametrize("text", ["un ami", "ein Haus", "a house", "una casa", "um dia", "een huis"])
def test_an_article_is_one_only_as_a_part(text: str) -> None:
    assert stated(text) == set()
    assert stated(text, parts=True) == {1}


@pytest.mark.parametrize("text", ["no one", "the third", "der dritte", "a couple", "half"])
def test_words_that_seldom_count_are_parts(text: str) -> None:
    assert stated(text) == set()
    assert stated(text, parts=True) != set()


@for_each(
    "text",
    [
        *(
            "LX318",
            "AB-1234",
            "RE-2024-17",
            "2024-0117",
            "Q3",
            "A4",
            "12b3",
            "555-0142",
            "+49 170 1234567",
            "(030) 123456",
            "030 1234567",
        ),
        *("978-3-16-148410-0", "192.168.0.1", "01 23 45 67 89", "123-45-6789", "DE89 3704 0044 0532 0130 00"),
        *(
            "1234 5678 9012 3456",
            "version 1.2.3",
            "v2",
            "a5@b.org",
            "https://x.org/7?q=8",
            "14:30",
            "9.10.26",
        ),
        *("f81d4fae-7dec-11d0-a765-00a0c91e6bf6", "30 February", "9 October"),
    ],
)
def test_figures_of_something_else_are_parts(text: str) -> None:
    assert stated(text) == set()
    assert stated(text, parts=True) != set()


def test_the_figures_of_a_date_are_parts() -> None:
    for text in ("9 October 2026", "2026-10-09", "09/10/2026", "9.10.2026", "October 9, 2026"):
        assert stated(text) == set()
        assert {9, 2026} <= stated(text, parts=True)


@for_each(
    ("text", "times"),
    [
        ("14:30", [(14, 30)]),
        ("14:30:05", [(14, 30, 5)]),
        ("2:30 pm", [(14, 30)]),
        ("2:30 a.m.", [(2, 30)]),
        ("2 pm", [(14,)]),
        ("12 am", [(0,)]),
        ("12 p.m.", [(12,)]),
        ("14h30", [(14, 30)]),
        ("14 h 30", [(14, 30)]),
        ("14 Uhr", [(14,)]),
        ("14.30 Uhr", [(14, 30)]),
        ("15 Uhr 30", [(15, 30)]),
        ("om 14 uur 15", [(14, 15)]),
        ("alle 14.30", [(14, 30)]),
        ("om 14.30 uur", [(14, 30)]),
        ("drei Uhr", [(3,), (15,)]),
        ("three o'clock", [(3,), (15,)]),
        ("2:30", [(2, 30), (14, 30)]),
        ("02:30", [(2, 30)]),
        ("at 9", [(9,), (21,)]),
        ("noon", [(12,)]),
        ("minuit", [(0,)]),
        ("10:00-12:30", [(10,), (22,), (12, 30), (0, 30)]),
        ("25:00", []),
        ("14:75", []),
        ("14.30", []),
    ],
)
def test_times(text: str, times: list[tuple[int, ...]]) -> None:
    assert stated(text, "time") == {dt.time(*one) for one in times}


def test_a_date_with_a_time_beside_it_is_an_instant() -> None:
    text = "It was on 9 October 2026 at 14:30, they say."
    (reading,) = of_kind(text, "datetime")
    assert reading.value == dt.datetime(2026, 10, 9, 14, 30)
    assert text[reading.start : reading.end] == "9 October 2026 at 14:30"
    assert stated("14.30 Uhr am 9.10.2026", "datetime") == {dt.datetime(2026, 10, 9, 14, 30)}
    assert stated("9 October 2026" + " and so on" * 5 + " 14:30", "datetime") == {reading.value}
    assert stated("14:30" + " and so on" * 5 + " 9 October 2026", "datetime") == set()
    assert stated("1 May 2026 16:00, 9 October 2026 14:00", "datetime") == {
        dt.datetime(2026, 5, 1, 16),
        dt.datetime(2026, 10, 9, 14),
        dt.datetime(2026, 10, 9, 16),
    }


@pytest.mark.parametrize("zone", ["Z", "+02:00", "-0330", ""])
def test_a_written_zone_is_kept(zone: str) -> None:
    text = f"2026-10-09T14:30:05.25{zone}"
    assert dt.datetime.fromisoformat(text).isoformat() in {
        one.isoformat() for one in stated(text, "datetime")
    }


@for_each(
    ("text", "value"),
    [
        ("ten days", dt.timedelta(days=10)),
        ("3 Wochen", dt.timedelta(weeks=3)),
        ("1 h 30", dt.timedelta(minutes=90)),
        ("1h30m", dt.timedelta(minutes=90)),
        ("2 hours and 15 minutes", dt.timedelta(minutes=135)),
        ("zwei Stunden und fünf Minuten", dt.timedelta(minutes=125)),
        ("90 min", dt.timedelta(minutes=90)),
        ("1,5 Stunden", dt.timedelta(minutes=90)),
        ("trois jours", dt.timedelta(days=3)),
        ("dos semanas", dt.timedelta(weeks=2)),
        ("cinque giorni", dt.timedelta(days=5)),
        ("duas horas e 10 minutos", dt.timedelta(minutes=130)),
        ("vier weken", dt.timedelta(weeks=4)),
        ("half an hour", dt.timedelta(minutes=30)),
        ("eine Woche", dt.timedelta(weeks=1)),
        ("quart d'heure", dt.timedelta(minutes=15)),
        ("3 months", "P3M"),
        ("zwei Jahre", "P2Y"),
        ("1 an et 6 mois", "P1Y6M"),
    ],
)
def test_durations(text: str, value: object) -> None:
    assert stated(f"It takes {text}.", "duration") == {value}


def test_both_ends_of_a_range_have_its_unit() -> None:
    for text in ("2-3 days", "2 to 3 days", "2 bis 3 Tage", "2 ou 3 jours"):
        assert stated(text, "duration") == {dt.timedelta(days=2), dt.timedelta(days=3)}


def test_units_behind_a_comma_are_one_duration_or_two() -> None:
    days, hours = dt.timedelta(days=2), dt.timedelta(hours=3)
    assert stated("2 days, 3 hours", "duration") == {days, hours, days + hours}


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("jo.doe+x@mail.example.org", "email"),
        ("https://example.org/a?b=1#c", "uri"),
        ("www.example.org", "uri"),
        ("https://example.org/wiki/Rome_(city)", "uri"),
        ("192.168.0.1", "ip"),
        ("2001:db8::ff00:42:8329", "ip"),
        ("f81d4fae-7dec-11d0-a765-00a0c91e6bf6", "uuid"),
    ],
)
def test_addresses_stand_as_they_are(text: str, kind: str) -> None:
    assert [(one.value, one.start, one.end) for one in of_kind(f"See ({text}).", kind)] == [
        (text, 5, 5 + len(text))
    ]


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("{}2026-10-09", "date"),
        ("{}09.10.2026", "date"),
        ("{}9/10/2026", "date"),
        ("{}14:30", "time"),
        ("{}10.0.0.1:80", "ip"),
    ],
)
def test_a_label_may_touch_what_it_names(text: str, kind: str) -> None:
    apart, joined = (stated(text.format(label), kind) for label in ("Due: ", "Due:"))
    assert joined == apart != set()


@pytest.mark.parametrize("text", ["999.1.1.1", "12:30:05", "a@b", "1:2", "::", "f81d4fae-7dec"])
def test_what_only_looks_like_an_address_is_none(text: str) -> None:
    assert not {one.kind for one in readings_of(text)} & {"email", "uri", "ip", "uuid"}


def test_a_text_that_states_nothing_has_no_reading() -> None:
    for text in ("", NOWHERE, "名前は山田です。", "\u202eabc\u200f", "m²"):
        assert readings_of(text) == ()


def test_readings_are_ordered_by_their_places_and_none_comes_twice() -> None:
    found = readings_of("9 October 2026 at 14:30, 1.204 or 19 % in ten days; call 555-0142.")
    assert [(one.start, one.end) for one in found] == sorted((one.start, one.end) for one in found)
    assert len(found) == len(set(found))


def test_the_year_behind_a_day_in_words_is_a_part() -> None:
    assert stated("am neunten Oktober 2026", "date") == {OCTOBER}
    assert stated("am neunten Oktober 2026") == set()
    assert stated("the thirtieth of February 2026", "date") == set()


def test_the_year_of_two_figures_behind_a_day_in_words_is_one_of_two_centuries() -> None:
    assert stated("am neunten Oktober '26", "date") == {OCTOBER, dt.date(1926, 10, 9)}
