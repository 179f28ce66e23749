"""Finds numbers and dates in the characters of Chinese, Japanese and Korean.

Examples: 三万五千, 3억 2천만, 令和6年5月3日.

An *era* is the reign of an emperor of Japan, or the Republic of China, from whose first year on years are
counted. A *counter* is the word for what is counted, behind the number: 円, 명.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator
from contextlib import suppress
from decimal import Decimal
from itertools import count
from typing import Final

from structgen.asking.grounding.reading import PART, Reading, mark_span

_DIGIT_OF: Final = {
    letter: value
    for letters in (
        *("〇一二三四五六七八九", "零壹贰叁肆伍陆柒捌玖", "○壱貳參肆伍陸柒捌玖", "零壱弐参四五六七八九"),
        *("영일이삼사오육칠팔구", "공일이삼사오륙칠팔구"),
    )
    for letter, value in zip(letters, count(), strict=False)
} | {"两": 2, "兩": 2}
_UNIT_OF: Final = {
    letter: 10**power
    for power, letters in (
        (1, "十拾십"),
        (2, "百佰백"),
        (3, "千仟천"),
        (4, "万萬만"),
        (8, "億亿억"),
        (12, "兆조"),
    )
    for letter in letters
}
_HAN: Final = "".join(letter for letter in (*_DIGIT_OF, *_UNIT_OF) if letter < "가")
_HANGUL: Final = "".join(letter for letter in (*_DIGIT_OF, *_UNIT_OF) if letter >= "가")
_COUNTERS: Final = "円元圆圓块塊人名位个個件枚台年月日天次回歳岁倍章条條項项款页頁%"
_NUMBER: Final = re.compile(
    rf"(?<![\d.,{_HAN}])(?:(?P<han>(?:\d[\d,]*(?:\.\d+)?(?=[十百千万萬億亿兆])|[{_HAN}])+)"
    r"(?:(?<=[十百千万萬億亿兆])\d+)?"
    rf"|(?P<mixed>(?:\d[\d,]*(?:\.\d+)?[십백천만억조]+\s?)+)"
    rf"|(?<![가-힣])(?P<hangul>[{_HANGUL}]*[십백천만억조][{_HANGUL}]*)(?=\s?(?:원|명|개|년|월|일|퍼센트)))"
)
"""A number: with Chinese characters, Korean ones behind figures, or Korean ones alone before a counter."""
_CHARACTERS: Final = rf"(?:\d{{1,4}}|[{_HAN}]{{1,9}}|[{_HANGUL}]{{1,9}})"
_LONGEST: Final = 40
"""The length of the longest numeral that is read, in characters."""
_ERA_STARTS: Final = {
    "明治": dt.date(1868, 1, 25),
    "大正": dt.date(1912, 7, 30),
    "昭和": dt.date(1926, 12, 25),
    "平成": dt.date(1989, 1, 8),
    "令和": dt.date(2019, 5, 1),
    "民國": dt.date(1912, 1, 1),
    "民国": dt.date(1912, 1, 1),
}
_DATE: Final = re.compile(
    rf"(?<![\d.,])(?P<era>{'|'.join(_ERA_STARTS)})?\s?(?<![{_HAN}])(?P<year>{_CHARACTERS}|元)\s?[年년]\s?"
    rf"(?P<month>{_CHARACTERS}|유|시)\s?[月월](?:\s?(?P<day>{_CHARACTERS})\s?[日일号號])?"
    rf"|(?<![A-Za-z\d])(?P<letter>[MTSHR])(?P<letter_year>\d\d?)\.(?P<letter_month>\d\d?)\.(?P<letter_day>\d\d?)(?![\w.])"
)


def cjk_dates_of(text: str, marks: bytearray) -> Iterator[Reading]:
    """Yield the dates, and the months without a day, of a folded text; mark their characters as parts.

    The year has four figures, or an era before it. A day before the era began is none; the years of an era
    that ended go on, as documents have them that were written before its end. Cost: linear.
    """
    for match in _DATE.finditer(text):
        era, *figures = match.group("era", "year", "month", "day")
        if match["letter"] is not None:
            era = [*_ERA_STARTS]["MTSHR".index(match["letter"])]
            figures = [*match.group("letter_year", "letter_month", "letter_day")]
        start = _ERA_STARTS.get(era)
        irregular = {"元": 1 if era else None, "유": 6, "시": 10}
        year, month, day = (
            None
            if characters is None
            else irregular[characters]
            if characters in irregular
            else _value_of(characters)
            for characters in figures
        )
        if (
            year is None
            or month is None
            or (start is None and not 1000 <= year < 2200)
            or (figures[2] and not day)
        ):
            continue
        with suppress(ValueError, OverflowError):
            date = dt.date(int(year) + (start.year - 1 if start else 0), int(month), int(day or 28))
            if start is None or date >= start:
                value = f"{date:%Y-%m}" if day is None else date
                yield Reading("date" if day else "month", value, *match.span())
                mark_span(marks, *match.span())


def cjk_numbers_of(text: str, marks: bytearray) -> Iterator[Reading]:
    """Yield the numbers of a folded text that Chinese, Japanese and Korean characters state, and mark them.

    One character is a number only before a counter. Digits in a row without a unit are a number from four on,
    or with a zero: 三四 is "three or four". Cost: linear.
    """
    for match in _NUMBER.finditer(text):
        characters = match[0].rstrip()
        value = _value_of(characters) if len(characters) <= _LONGEST else None
        end = match.start() + len(characters)
        if value is None or marks[match.start()] == PART:
            continue
        is_counted = text[end : end + 1] in _COUNTERS and end < len(text)
        is_short = len(characters) == 1 or (len(characters) == 2 and characters[0] in "百千万萬億亿兆")
        if not is_short or is_counted or match["hangul"]:
            is_part = text[match.start() - 1 : match.start()] == "第" or characters == "一"
            yield Reading("number", value, match.start(), end, is_part)
            mark_span(marks, match.start(), end)


def _value_of(characters: str) -> Decimal | None:
    """Return the number that figures and characters spell; None for what spells none."""
    if characters.isdecimal():
        return Decimal(characters)
    if all(letter in _DIGIT_OF for letter in characters):
        is_number = len(characters) in (1, *range(4, 20)) or any(
            _DIGIT_OF[letter] == 0 for letter in characters
        )
        return Decimal("".join(str(_DIGIT_OF[letter]) for letter in characters)) if is_number else None
    total = section = Decimal(0)
    last_unit = last_large = 10**16
    digit: Decimal | None = None
    for piece in re.findall(r"\d[\d,]*(?:\.\d+)?|\S", characters):
        unit = _UNIT_OF.get(piece)
        if unit is None:
            if digit:
                return None  # "five, six hundred"
            digit = Decimal(_DIGIT_OF[piece]) if piece in _DIGIT_OF else Decimal(piece.replace(",", ""))
        elif unit < 10_000:
            if unit >= last_unit:
                return None
            section += (Decimal(1) if digit is None else digit) * unit
            last_unit = unit
            digit = None
        else:
            if unit >= last_large:
                return None
            section += digit or 0
            total += (section or 1) * unit
            last_large, last_unit = unit, 10**16
            section, digit = Decimal(0), None
    return total + section + (digit or 0)
