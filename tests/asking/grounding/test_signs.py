"""A number with a sign is read as the writer meant it: random amounts, spellings, signs and surroundings,
judged by the value and the place that the text was made with."""

from __future__ import annotations

import random
from decimal import Decimal
from typing import Any

import pytest
from for_each import for_each

pytest.importorskip("babel")
pytest.importorskip("text_to_num")

import structgen as sg
from structgen.asking.grounding.evidence import evidence_of
from structgen.asking.grounding.grounded_grammar import grounded_grammar
from structgen.asking.grounding.readings import Reading, readings_of
from structgen.asking.grounding.stated_text import StatedText
from structgen.machines.core.string_values import grammar_accepts, over_bytes

MANY = [range(300), pytest.param(range(300, 20_300), marks=pytest.mark.slow)]
MARKS = (",.", ".,", "\xa0,", "\u202f,", "\u2019.", "'.")
"""Of a spelling, the sign between thousands and that before the decimals."""
SYMBOLS = ("$", "€", "£", "¥", "\u20b9", "R$", "US$", "\uffe5")
CODES = ("EUR", "USD", "CHF", "JPY", "SEK", "ZAR")
DASHES = "-\u2010\u2011\u2012\u2013\u2014\u2212\ufe63\uff0d\u02d7\u2796"
HYPHENS = "-\u2010\u2011\u2212\ufe63\uff0d\u02d7\u2796"
OPEN_DASHES = "\u2012\u2013\u2014"
"""Those that are no hyphen and no minus."""
TRIANGLES = "\u25b2\u25b3"
WORDS = (
    *("minus", "negative", "Minus", "negativ", "negative", "moins", "négatif", "négative", "ne\u0301gatif"),
    *("menos", "negativo", "negativa", "meno", "negativi", "min", "negatief", "MINUS", "Minus von"),
    *("négatif de", "negativo de", "negativo di", "negatief van"),
)
UNSPACED_WORDS = (
    *("負", "负", "負の", "负的", "负数", "マイナス", "マイナスの", "ﾏｲﾅｽ", "마이너스", "음의", "음수"),
    *("零下", "氷点下", "冰点下", "영하", "負-", "マイナス-"),
)
BELOW_ZERO = (
    *("below zero", "below freezing", "under zero", "unter Null", "unter dem Gefrierpunkt", "sous zéro"),
    *("au-dessous de zéro", "en dessous de ze\u0301ro", "bajo cero", "por debajo de cero", "sotto zero"),
    *("sotto lo zero", "abaixo de zero", "onder nul", "onder het vriespunt", "negativos", "négatif"),
    *("BELOW ZERO", "under 0", "negativi", "in the red", "im Minus", "en rojo", "dans le rouge"),
    *("in negativo", "no vermelho", "in het rood"),
)
DEGREES = (
    *(" ", "-", " °C ", "° ", "°F ", "\u2103 ", " degrees ", " Grad ", " degrés Celsius ", " grados "),
    *(" gradi ", " degrees C ", " deg. F "),
)
FOOTNOTES = (
    *("1", "12", "1,2", "2b", "a", "B", "ii", "iv", "1)", "a)", "*", "†", "‡‡", "\xb9"),
    *("\u2074\u2075", "[1]", "(a)", " 1"),
)
OPENERS = (
    *("'", '"', "\u2018", "\u201c", "\u201a", "\u201e", "\xab", "\xbb", "\u2039", "\u203a", "\u201d"),
    *("\u2019", "{", "<", "`", "|", "*", "**", "_", "\u300c", "\u300e", "\u3010", "\u3008", "\u27e8"),
    *("\uff02", "\xbf", ">", "\"'", "'(", "['", "\u201c(", '="', ":'", '\u2014"', '\u6c17\u6e29"', "-'"),
)
"""What opens a quote, a bracket, or a mark of a page before a word."""
RANGES = ("..", "...", "\u2026", "~", "\uff5e", "\u301c", "\u2192", *DASHES)
"""What stands between the numbers of a range without a blank."""
NUMBER_WORDS = {
    "five": 5,
    "twenty-five": 25,
    "vierundzwanzig": 24,
    "quarante": 40,
    "treinta": 30,
    "venti": 20,
}
SURROUNDINGS = (
    ("", ""),
    ("Net loss ", " in all."),
    ("Ergebnis: ", "; es folgt"),
    ("| ", " |"),
    ("total\t", "\tx"),
    ("a,\n", "\nb"),
    ("[", "]"),
    ("損失 ", " です"),
)


def amount(chance: random.Random) -> Decimal:
    return Decimal(chance.randrange(1, 10 ** chance.randint(1, 9))).scaleb(-2)


def written(value: Decimal, chance: random.Random) -> str:
    thousands, point = chance.choice(MARKS)
    whole, decimals = f"{value:,.2f}".split(".")
    if chance.random() < 0.2:
        thousands = ""
    return whole.replace(",", thousands) + point + decimals


def with_sign(figures: str, chance: random.Random) -> tuple[str, int, int, int]:
    """Return figures with a sign and perhaps a currency; the place of the number with its sign in it, and
    where its figures begin."""
    symbol, code, gap = chance.choice(SYMBOLS), chance.choice(CODES), chance.choice(("", " ", "\xa0"))
    money = chance.choice(("", "", symbol, symbol + gap, code + " "))
    behind = chance.choice(("", "", gap + symbol, " " + code))
    match chance.choice(
        ("brackets", "trailing", "apart", "dash", "triangle", "word", "unspaced", "currency")
    ):
        case "brackets":
            outer = chance.choice(("", "", symbol + gap, code + " "))
            before, end = chance.choice(("()", "\uff08\uff09"))
            before += chance.choice(("", "", " ")) + money
            text = outer + before + figures + behind + end
            note = chance.choice(("", " " + code, chance.choice(FOOTNOTES)))
            return text + note, len(outer), len(text), len(outer + before)
        case "trailing":
            money = chance.choice(("", symbol, code + " "))
            text = money + figures + chance.choice(("", "", gap + symbol, " " + code)) + chance.choice(DASHES)
            return text + chance.choice(("", " " + code)), len(money), len(text), len(money)
        case "apart":
            money = chance.choice(("", symbol, code + " "))
            text = money + figures + chance.choice(("", gap + symbol, " " + code, " Euro", " dollars"))
            text += chance.choice((" ", "  ", "\t", "\xa0", "\u202f")) + chance.choice(DASHES)
            return text + chance.choice(("", " " + code, code, " and")), len(money), len(text), len(money)
        case "dash":
            before = chance.choice(OPEN_DASHES) + money
            before = chance.choice((before, chance.choice(DASHES) + " " + money))
        case "triangle":
            before = chance.choice(TRIANGLES) + gap + money
        case "word":
            before = chance.choice(WORDS) + chance.choice((" ", "\n", chance.choice(DASHES))) + money
        case "unspaced":
            before = chance.choice(UNSPACED_WORDS) + gap + money
        case "currency":
            sign = chance.choice((chance.choice(DASHES), chance.choice(TRIANGLES)))
            return symbol + sign + figures, len(symbol), len(symbol + sign + figures), len(symbol + sign)
    return before + figures + behind, 0, len(before + figures), len(before)


def found(text: str, start: int, end: int) -> list[Any]:
    return [
        one.value for one in readings_of(text) if (one.start, one.end, one.is_part) == (start, end, False)
    ]


@pytest.mark.parametrize("seeds", MANY)
def test_both_values_of_a_sign_are_read_at_their_places_the_negative_first(seeds: range) -> None:
    for seed in seeds:
        chance = random.Random(seed)
        value = amount(chance)
        figures = written(value, chance)
        before, behind = chance.choice(SURROUNDINGS)
        signed, start, end, begin = with_sign(figures, chance)
        text = f"{before}{signed}{behind}"
        start, end, begin = (at + len(before) for at in (start, end, begin))
        assert -value in found(text, start, end), (seed, text)
        assert value in found(text, begin, begin + len(figures)), (seed, text)
        order = [one.value for one in readings_of(text) if abs_of(one) == value]
        assert order[0] == -value and value in order, (seed, text)


def abs_of(reading: Reading) -> Any:
    return abs(reading.value) if isinstance(reading.value, Decimal) else None


@pytest.mark.parametrize("seeds", MANY)
def test_both_values_are_read_of_a_number_below_zero(seeds: range) -> None:
    for seed in seeds:
        chance = random.Random(seed)
        value = amount(chance)
        figures = written(value, chance)
        before, behind = chance.choice(SURROUNDINGS)
        below = chance.choice(DEGREES) + chance.choice(BELOW_ZERO)
        text = f"{before}{figures}{below}{behind}"
        end = len(before) + len(figures)
        assert -value in found(text, len(before), end + len(below)), (seed, text)
        assert value in found(text, len(before), end), (seed, text)


@pytest.mark.parametrize("seeds", MANY)
def test_the_second_number_of_a_range_may_be_negative(seeds: range) -> None:
    for seed in seeds:
        chance = random.Random(seed)
        values = [amount(chance), amount(chance)]
        first, second = (written(value, chance) for value in values)
        unit = chance.choice(("", "", "%", "°", "°C", " °C", "€", " km", " USD", " Euro", "kWh"))
        between, sign, other = chance.choice(RANGES), chance.choice(DASHES), chance.choice(DASHES)
        money = chance.choice(("", "", "$", "€"))
        before, behind = chance.choice(SURROUNDINGS)
        text = f"{before}{other}{first}{unit}{between}{sign}{money}{second}{unit}{behind}"
        start = len(f"{before}{other}{first}{unit}{between}")
        negative = found(text, start, start + len(sign + money + second))
        assert -values[1] in negative, (seed, text)


@pytest.mark.parametrize("seeds", MANY)
def test_a_sign_behind_opening_marks_that_touches_its_figures_is_one_reading(seeds: range) -> None:
    for seed in seeds:
        chance = random.Random(seed)
        value = amount(chance)
        before, behind = chance.choice(SURROUNDINGS)
        text = f"{before}{chance.choice(OPENERS)}{chance.choice(HYPHENS)}{written(value, chance)}{behind}"
        readings = [(one.value, one.is_part) for one in readings_of(text) if abs_of(one) == value]
        assert readings == [(-value, False), (value, True)], (seed, text)


@for_each("text", ["-5", "\u22125", "a -5", "x=-5", "(-5)", "\uff0d5", "€ \u22125", "-5 €", "-$5"])
def test_a_sign_that_touches_its_figures_at_the_beginning_of_a_word_is_one_reading(text: str) -> None:
    assert [(one.value, one.is_part) for one in readings_of(text) if abs_of(one) == 5] == [
        (-5, False),
        (5, True),
    ]


def test_a_word_before_a_number_in_words_makes_it_negative_and_leaves_it() -> None:
    for words, value in NUMBER_WORDS.items():
        for sign in WORDS:
            text = f"It is {sign} {words}."
            assert -value in found(text, 6, len(text) - 1)
            assert value in found(text, 7 + len(sign), len(text) - 1)


@for_each(
    ("text", "value"),
    [
        ("(5 %)", "0.05"),
        ("(5) %", "0.05"),
        ("(1.2 million)", "1200000"),
        ("$(1.2) million", "1200000"),
        ("(5 Mio. €)", "5000000"),
        ("\u25b33 %", "0.03"),
        ("minus two and a half", "2.5"),
        ("- ½", "0.5"),
        ("(3/4)", "0.75"),
        ("(1.5e3)", "1500"),
        ("(\u0661\u0662)", "12"),
        ("\u2013.5", "0.5"),
    ],
)
def test_what_a_word_or_a_sign_behind_makes_of_a_number_is_negative_too(text: str, value: str) -> None:
    stated = {one.value for one in readings_of(text) if not one.is_part}
    assert {Decimal(value), -Decimal(value)} <= stated


NO_SIGNS = """
3-5 | 3~5 | 10-day | 10~20 % | $3~$5 | 3-$5 | (3-5) | (10-15 %) | 2024-05-03 | (2024-05-03) | 2020~2021
14:30-15:30 | (14:30) | (9 October 2026) | 9 October 2026-
(555) 010-9999 | +49 170 1234567- | 978-3-16-148410-0
RE-2024-17 | B-12 | A~5 | COVID-19 | f(5) | 5(2) | x_(5) | 1.2.3- | v2-
au moins 5 | al menos 5 | pelo menos 5
5 min 30 | 5,- € | 5,~ € | (0) | 0- | ~ 0 | (5 | 5) | () 5 () | (5 years) | 10-Euro-Schein | p.-5 | -- 5 | 5--
5 -- 3 | 5 -- | (5)th | (5)1.5 | f(5)a | Fr. 5.~ | 5.- CHF | 5'-3" | "5"-3
5人-10人 | 100億円-200億円 | 5€-10€ | 5 EUR-10 EUR | 5°-3° | au moins-5
5 below average | 5 degrees below normal
A4- | 2024-05- | (DE89 3704 0044 0532 0130 00) | 192.168.0.1- | (192.168.0.1) | 5-6-
"""
"""A tilde stands for a dash."""


@for_each(
    "text", [one.strip() for one in NO_SIGNS.strip().replace("\n", "|").replace("~", "\u2013").split("|")]
)
def test_what_is_no_sign_makes_nothing_negative(text: str) -> None:
    for before, behind in SURROUNDINGS:
        if (before, behind) != ("| ", " |"):
            assert not [one for one in readings_of(f"{before}{text}{behind}") if str(one.value)[0] == "-"], (
                text
            )


@for_each(
    ("text", "words", "plain"),
    [
        ("Net loss (1,204.50) in all", "(1,204.50)", "1,204.50"),
        ("minus 1204.5", "minus 1204.5", "1204.5"),
        ("1,204.50- EUR", "1,204.50-", "1,204.50"),
        ("\u25b2 1,204.50", "\u25b2 1,204.50", "1,204.50"),
    ],
)
def test_the_evidence_of_each_value_tells_the_other_one(text: str, words: str, plain: str) -> None:
    value = Decimal("1204.5")
    negative, positive = evidence_of([-value, value], StatedText({"text": text}))
    assert [place.words for place in negative.places] == [words]
    assert [place.words for place in positive.places] == [plain]
    assert [list(map(Decimal, one.others)) for one in (negative, positive)] == [[value], [-value]]


def test_the_evidence_of_a_sign_without_another_meaning_tells_of_none() -> None:
    (one,) = evidence_of([-5], StatedText({"text": "It is -5 °C."}))
    assert [place.words for place in one.places] == ["-5"] and one.others == ()


def test_a_mask_allows_both_values_and_a_bound_chooses_one() -> None:
    stated = StatedText({"text": "Net loss (1,204.50), of 36 units."})
    for bounds, allowed in [({}, {"-1204.5", "1204.5", "36"}), ({"maximum": -1}, {"-1204.5"})]:
        grammar = grounded_grammar(sg.json_schema({"type": "number", **bounds}), stated)
        compiled = over_bytes(grammar)
        tried = ("-1204.5", "1204.5", "36", "-36", "204.5", "1")
        assert {one for one in tried if grammar_accepts(compiled, one)} == allowed


def test_ten_thousand_numbers_in_brackets_are_read_one_by_one() -> None:
    text = " ".join(f"({number})" for number in range(1, 10_001))
    values = [one.value for one in readings_of(text)]
    assert values == [value for number in range(1, 10_001) for value in (-number, number)]
    assert readings_of("(" * 100_000 + ")" * 100_000) == ()
