"""Tables of CSV: no cell of text is a formula, numbers stay, and one rule reads each cell back."""

from __future__ import annotations

import csv
import io
import random
import re
from decimal import Decimal
from typing import Any

import pytest
from for_each import for_each

from structgen.base.system.csv_tables import csv_table

READ_BACK = re.compile(r"^'(?='*\s*[=+\-@\t\r\n\0\uff1d\uff0b\uff0d\uff20\ufe66\ufe62\ufe63\ufe6b])")
"""The rule of docs/extract.md."""
SIGNS = "=@\uff1d\uff20\ufe66\ufe6b\t\r\n\0"
PLUS_MINUS = "+-\uff0b\uff0d\ufe62\ufe63"
OPERATORS = f'=@!|&*^"[]{{}}:;<>~#\\{SIGNS}'
SHARES = [pytest.param(400, id="quick"), pytest.param(20_000, id="all", marks=pytest.mark.slow)]
PIECES = [
    *SIGNS,
    *PLUS_MINUS,
    *("'", "'", " ", "\xa0", "\x0b", "7", "12", ".", ",", "(", ")", "/", "|", "!", ":", "%", "e", "A1", "°C"),
    *(" EUR", "kg", "km/h", "cmd", "SUM", "$", "€", '"', ";", "^", "*", "&", "4930123456", "\u2028", "ü"),
]
STAYING = [
    *(
        "-5",
        "+5",
        "-0.50",
        "-1,204.50",
        "-1.204,50",
        "-1 204,50",
        "-1'204.50",
        "-.5",
        "-5e3",
        "+1.5E-7",
        "- 5",
    ),
    *("-5 °C", "-5°C", "-5%", "-5 %", "-5 % p.a.", "-5 km/h", "-5 m²", "-5 W/m²K", "-1,204.50 EUR", "-5€"),
    *("-€5", "-$5.00", "-EUR 5", "+3.5 Mio. EUR", "-5 degrees Celsius", "+5\xa0kg", "\uff0d\uff15", "-5 кг"),
    *("+49 30 1234", "+49 (0)30 1234567", "+1 (555) 123-4567", "+1-555-123-4567", "+1.555.123.4567"),
    *(
        "+49 30/1234567",
        "+4930123456",
        " -5",
        "",
        "x",
        "a=1",
        "a\t=1",
        "'tis",
        "'s-Hertogenbosch",
        "'",
        "5-3",
    ),
]
GUARDED = [
    *(
        "=",
        "=1",
        "@SUM(A1)",
        "\tx",
        "\rx",
        "\nx",
        "\0x",
        "\uff1d1",
        "\uff20x",
        "\uff0bA1",
        "\uff0dA1",
        "\ufe661",
    ),
    *(" =1", "\xa0=1", "\x0b=1", " \t=1", "'=1", "''=1", "'-5", "' =1", "'\t"),
    *(
        "-",
        "+",
        "--5",
        "+-5",
        "- an item",
        "-1+1",
        "+1-1",
        "-2+3+cmd|' /C calc'!A0",
        "-A1",
        "+A1",
        "-EUR5",
        "-$A$1",
    ),
    *(
        "+SUM(A1)",
        "-5 A1",
        "-5*A1",
        "-5/A1",
        "-5%/A1",
        "-5!A1",
        "-5|x",
        "-5&A",
        "-5:A",
        "-5^A",
        "-5(A)",
        "-5;A",
    ),
    *("-5\n=1", "-5=A", '-5"A"', "+1-555-12345-CALL", "+123456789012345678-1", "\t-5", "-5,A", "-5@A"),
]


def written(cell: Any, **how: Any) -> str:
    """Return the text of a cell that the standard reader finds in the second line of a table."""
    _, (name, text) = csv.reader(io.StringIO(csv_table([("a", "b"), ("x", cell)], **how), newline=""))
    assert name == "x"
    return text


def random_cell(source: random.Random) -> str:
    lead = source.choice(
        ["", "", "'", "''", " ", source.choice(SIGNS + PLUS_MINUS), source.choice("+-"), "-"]
    )
    return lead + "".join(source.choices(PIECES, k=source.randrange(5)))


def is_harmless(cell: str) -> bool:
    """Tell whether a spreadsheet has nothing to compute in a cell, by what formulas need: a sign in front,
    and behind `+` or `-` a reference, a call, or an operator beside a number."""
    shown = cell.lstrip()
    lead = cell[: len(cell) - len(shown)]
    if set(lead) & set("\t\r\n") or shown[:1] in [*SIGNS]:
        return False
    if shown[:1] not in [*PLUS_MINUS]:
        return True
    rest = re.sub(r"(?<=\d)[eE][+-]?\d+", "", shown[1:])
    digits = sum(map(str.isdigit, rest))
    if not digits or set(rest) & set(OPERATORS):
        return False
    if not re.search(r"[^\W\d_]|[$%]", rest):
        return 7 <= digits <= 15 or not set(rest) & set(f"{PLUS_MINUS}()/")
    has_reference = re.search(r"[^\W\d_]\d|[^\W\d_]\$[^\W_]|[%\d)]\s*/|\d\s*,\s*[^\W\d_]", rest)
    return has_reference is None and not set(rest) & set(f"{PLUS_MINUS}()")


@pytest.mark.parametrize("count", SHARES)
def test_each_cell_is_read_back_by_the_one_rule(count: int) -> None:
    source = random.Random(108)
    for _ in range(count):
        cell = random_cell(source)
        assert READ_BACK.sub("", written(cell)) == cell, repr(cell)


@pytest.mark.parametrize("count", SHARES)
def test_no_text_that_begins_with_a_sign_is_left_unless_it_has_nothing_to_compute(count: int) -> None:
    source = random.Random(109)
    for _ in range(count):
        cell = random_cell(source)
        text = written(cell)
        assert text == f"'{cell}" or (text == cell and is_harmless(cell)), repr(cell)


@pytest.mark.parametrize("count", SHARES)
def test_numbers_stay_as_numbers_and_as_texts(count: int) -> None:
    source = random.Random(110)
    for _ in range(count):
        digits, shift = source.randrange(10 ** source.randrange(1, 30)), source.randrange(-20, 20)
        number = source.choice([1, -1]) * Decimal(digits).scaleb(shift)
        assert written(number) == written(str(number)) == str(number)
        assert written(f"{number:+,}") == f"{number:+,}"
        assert written(f"{number:.3f} °C") == f"{number:.3f} °C"
    for value in (-7, -0.5, True, Decimal("-1E+400")):
        assert written(value) == str(value)


@for_each("cell", STAYING)
def test_a_number_an_amount_a_phone_number_and_all_other_words_stay(cell: str) -> None:
    assert written(cell) == cell and is_harmless(cell)


@for_each("cell", GUARDED)
def test_what_a_spreadsheet_could_compute_has_an_apostrophe(cell: str) -> None:
    assert written(cell) == f"'{cell}"


def test_names_of_columns_are_cells() -> None:
    assert csv_table([("=a", "b"), (1, -2)]) == "'=a,b\r\n1,-2\r\n"


def test_formulas_stay_where_they_are_asked_for() -> None:
    source = random.Random(111)
    for cell in [*GUARDED, *STAYING, *(random_cell(source) for _ in range(200))]:
        assert written(cell, formulas=True) == cell


def test_a_long_cell_is_looked_at_once() -> None:
    """A pattern that goes back over what it has read would not end here."""
    for cell in ("-" + "1" * 60_000, "+" + "1 " * 60_000, "-5 " + "kg" * 60_000, "-5" + " kg." * 30_000):
        for end in ("|", "1|", " |"):
            assert written(cell + end) == f"'{cell}{end}"
    assert written(" " * 100_000 + "-5") == " " * 100_000 + "-5"
    assert written("'" * 100_000 + "5") == "'" * 100_000 + "5"
