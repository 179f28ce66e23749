"""What is read of a long or hostile text stays in proportion to its length."""

from __future__ import annotations

import random
import sys
from decimal import Decimal

import pytest
from for_each import for_each

pytest.importorskip("babel")
pytest.importorskip("text_to_num")

from structgen.asking.grounding.readings import readings_of
from structgen.base.errors import StructgenError

PIECES = (
    *(
        "7",
        "one ",
        "1,",
        "1.",
        "9 ",
        "-",
        "a",
        "123 ",
        "12-",
        "12:",
        "12/",
        "0 ",
        "a.",
        "a@",
        "www.",
        ":",
        "1:2",
    ),
    *("+1 ", "(", "3 and ", "May ", "May 5 ", "5 May 2020 ", "2:30 5/6/20 ", "1 h ", "2 hours, 3 minutes, "),
    *(
        "hundred ",
        " ",
        "\n",
        "1'234",
        "\u0663",
        "e\u0301",
        "\u0301",
        "1/2 ",
        "1e5",
        "AB-1",
        "x://",
        "eins und ",
    ),
    *(
        "quatre-vingt-",
        "50% ",
        "vierundzwanzig",
        "hundert",
        "1 million ",
        "\u202e5 ",
        "half ",
        "$-",
        "(5) ",
        "(5",
        "- 5 ",
        "\u25b2 5 ",
        "5- ",
        "minus 5 ",
        "9.9.99 ",
    ),
)


@for_each("piece", PIECES)
def test_readings_are_in_proportion_to_a_text_of_one_piece(piece: str) -> None:
    short, long = (readings_of(piece * count) for count in (400, 800))
    assert len(long) <= 2.1 * len(short) + 40
    assert all(0 <= one.start < one.end <= 800 * len(piece) for one in long)


def test_any_text_is_read_and_its_readings_lie_in_it() -> None:
    chance = random.Random(93)
    pieces = (
        *PIECES,
        "\0",
        "\ud800",
        "\u0130",
        "am",
        "Z",
        "+25:99",
        "%",
        "million",
        "Uhr",
        "31",
        "00",
        "'",
        "/",
    )
    for _ in range(1500):
        text = "".join(chance.choices(pieces, k=chance.randrange(1, 12)))
        for one in readings_of(text):
            assert 0 <= one.start < one.end <= len(text)
            assert one.is_part <= (one.kind == "number")
            assert not text[one.start : one.end].isspace()


def test_a_numeral_of_400_digits_is_exact_and_one_of_a_million_is_none() -> None:
    digits = "1234567890" * 40
    (reading,) = readings_of(f"It is {digits}.")
    assert reading.value == Decimal(digits) and int(digits) == reading.value
    assert [one.value for one in readings_of(f"{digits} %")] == [int(digits), Decimal(f"{digits}e-2")]
    assert readings_of(f"-{digits}")[0].value == -int(digits)
    assert readings_of("7" * 1_000_000) == ()


def test_a_duration_beyond_all_durations_is_none() -> None:
    assert {one.kind for one in readings_of("9" * 400 + " days")} == {"number"}


def test_a_missing_package_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "text_to_num", None)
    with pytest.raises(StructgenError, match="A grounded answer needs") as caught:
        readings_of("ten")
    assert "pip install" in str(caught.value)
