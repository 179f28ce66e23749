"""The places of an answer's values, against a search that tries every run of a text."""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
import random
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from structgen.asking.grounding.evidence import Evidence, evidence_of
from structgen.asking.grounding.places import Stated
from structgen.asking.grounding.readings import Reading
from structgen.asking.grounding.stated_text import StatedText
from structgen.base.errors import SchemaError


def stated(texts: Mapping[str, str] | str, *readings: Reading) -> StatedText:
    """Return texts, in the first of which exactly these readings are."""
    found = StatedText({"text": texts} if isinstance(texts, str) else texts)
    found.readings = tuple((next(iter(found.texts)), one) for one in readings)
    return found


def read(text: str, words: str, kind: Any, value: Any, *, is_part: bool = False) -> Reading:
    """Return a reading at the first place of some words."""
    start = text.index(words)
    return Reading(kind, value, start, start + len(words), is_part)


def places(found: Evidence, at: int = 0) -> list[tuple[str, int, int]]:
    return [(one.text, one.start, one.end) for one in found[at].places]


def every_run(text: str, value: str) -> list[tuple[str, int, int]]:
    """Return the runs of a text that are a value, tried one by one."""

    def is_inside(at: int) -> bool:
        sides = text[at - 1 : at + 1]
        return 0 < at < len(text) and all(one.isalnum() and one not in "東京はไ" for one in sides)

    def belongs(at: int, step: int) -> bool:
        def touches(direction: int) -> bool:
            place = at
            while 0 <= place < len(text) and not text[place].isalnum() and not text[place].isspace():
                place += direction
            return 0 <= place < len(text) and text[place].isalnum()

        return touches(step) or not touches(-step)

    cuts = [at for at in range(len(text) + 1) if not is_inside(at)]
    return [
        ("text", start, end)
        for start in cuts
        for end in cuts
        if start < end and not text[start].isspace() and not text[end - 1].isspace()
        if belongs(start, 1) and belongs(end - 1, -1) and any(map(str.isalnum, text[start:end]))
        if text[start:end].split() == value.split() and " ".join(text[start:end].split()) != ""
    ]


def test_a_string_stands_at_every_run_that_a_search_by_hand_finds() -> None:
    source = random.Random(93)
    for _ in range(300):
        text = "".join(source.choices("ab b\n \0-é_ß,東京はไ", k=source.randrange(1, 25)))
        start = source.randrange(len(text))
        value = " ".join(text[start : start + source.randrange(1, 8)].split()) + source.choice(("", "a"))
        assert places(evidence_of([value], stated(text))) == every_run(text, value), (text, value)


def test_the_words_of_a_place_are_those_of_the_text_there() -> None:
    source = random.Random(94)
    for _ in range(100):
        texts = {name: "".join(source.choices("a1 2.\n-,A", k=30)) for name in "xy"}
        values = ["".join(source.choices("a1 2.-,A", k=source.randrange(1, 5))) for _ in range(5)]
        for one in evidence_of([*values, 1, 2], StatedText(texts)):
            for place in one.places:
                assert place.words == texts[place.text][place.start : place.end] != ""


def test_white_space_is_folded_on_both_sides() -> None:
    text = "Harbour\n  Books"
    assert places(evidence_of([" Harbour\tBooks "], stated(text))) == [("text", 0, 15)]


def test_a_number_stands_where_one_of_its_value_is_read() -> None:
    text = "1,204.50 or 1204.5, not 204.50"
    known = stated(
        text,
        read(text, "1,204.50", "number", Decimal("1204.50")),
        read(text, "1204.5", "number", Decimal("1204.5")),
        read(text, "204.50", "number", Decimal("204.50")),
    )
    assert places(evidence_of([Decimal("1.2045e3")], known)) == [("text", 0, 8), ("text", 12, 18)]


def test_a_part_of_something_else_counts_where_no_whole_number_is() -> None:
    text = "9 October, 9 boxes, 10 May"
    part = read(text, "9", "number", Decimal(9), is_part=True)
    whole = Reading("number", Decimal(9), 11, 12)
    ten = read(text, "10", "number", Decimal(10), is_part=True)
    found = evidence_of([9, 10], stated(text, part, whole, ten))
    assert [places(found, at) for at in (0, 1)] == [[("text", 11, 12)], [("text", 20, 22)]]


def test_a_date_stands_where_it_is_read_and_where_it_is_written() -> None:
    text = "due 9 October 2026 (2026-10-09)"
    known = stated(text, read(text, "9 October 2026", "date", dt.date(2026, 10, 9)))
    assert places(evidence_of(["2026-10-09"], known)) == [("text", 4, 18), ("text", 20, 30)]
    assert places(evidence_of(["2026-10-09T00:00:00Z"], known)) == [("text", 4, 18)]
    assert places(evidence_of(["2026-10-09T01:00:00Z"], known)) == []


def test_a_duration_stands_in_each_of_its_spellings_and_is_no_other_reading_of_itself() -> None:
    text = "within two weeks"
    known = stated(text, read(text, "two weeks", "duration", dt.timedelta(days=14)))
    for spelling in ("P14D", "P2W"):
        found = evidence_of([spelling], known)
        assert places(found) == [("text", 7, 16)] and found[0].others == ()


def test_what_else_is_read_at_a_place_is_told() -> None:
    text = "1.204 points"
    known = stated(
        text,
        read(text, "1.204", "number", Decimal("1204")),
        read(text, "1.204", "number", Decimal("1.204")),
        read(text, "204", "number", Decimal("204")),
        read(text, "1.204", "time", dt.time(1, 2, 4)),
    )
    found = evidence_of([1204, Decimal("1.204"), 204], known)
    assert [one.others for one in found] == [("1.204",), ("1204",), ()]


@pytest.mark.parametrize(
    ("text", "value", "words"),
    [
        ("IBAN de12 5001-0517.", "DE1250010517", "de12 5001-0517"),
        ("IBAN de12 5001-0517.", "E1250010517", None),
        ("IBAN de12 5001-0517.", "DE125001051", None),
        ("(0171) 55-12", "0171 5512", "0171) 55-12"),
        ("a harbour", "An Harbour", None),
        ("6140 dollars", "61.40", None),
        ("6140 dollars", "$61.40", None),
    ],
)
def test_other_letters_and_marks_count_in_codes_alone(text: str, value: str, words: str | None) -> None:
    (found,) = evidence_of([value], stated(text))
    assert [one.words for one in found.places] == ([] if words is None else [words])


def test_a_code_that_stands_as_it_is_is_not_looked_for_in_other_letters() -> None:
    assert places(evidence_of(["A-1"], stated("a1 A-1 A1"))) == [("text", 3, 6)]


def test_values_come_in_the_order_of_the_answer_without_booleans_and_null() -> None:
    answer = {"b": [True, "x", {"~/": 1}], "a": None, "": Decimal("0.5"), "z": "x"}
    found = evidence_of(answer, stated("x"))
    assert [(one.path, one.value) for one in found] == [
        ("/b/1", "x"),
        ("/b/2/~0~1", 1),
        ("/", Decimal("0.5")),
        ("/z", "x"),
    ]
    assert [(one.path, one.value) for one in evidence_of("x", stated("x"))] == [("", "x")]


def test_places_come_in_the_order_of_the_texts() -> None:
    found = evidence_of(["x"], StatedText({"b": "x x", "a": "x"}))
    assert places(found) == [("b", 0, 1), ("b", 2, 3), ("a", 0, 1)]


def test_a_number_or_an_empty_string_that_nobody_wrote_has_no_place() -> None:
    assert [one.places for one in evidence_of([7, "", " "], stated("a b 8 "))] == [(), (), ()]


def test_of_a_value_with_many_places_the_first_thousand_are_listed_and_it_says_so() -> None:
    (found,) = evidence_of(["a"], stated("a " * 1_001))
    assert len(found.places) == 1_000 and found.has_more and found.places[-1].start == 1_998
    (found,) = evidence_of(["a"], stated("a " * 1_000))
    assert len(found.places) == 1_000 and not found.has_more


def test_many_values_share_a_hundred_thousand_places() -> None:
    values = evidence_of(["a"] * 1_000, stated("a " * 500))
    assert {len(one.places) for one in values} == {100} and all(one.has_more for one in values)


def test_a_document_that_is_no_json_is_refused() -> None:
    with pytest.raises(SchemaError, match="date"):
        evidence_of([dt.date(2026, 10, 9)], stated("x"))  # type: ignore[list-item]


def test_a_slice_and_a_copy_of_evidence_have_its_values() -> None:
    found = evidence_of(["x", "y"], stated("x"))
    assert len(found) == 2 and found[1:] == (found[1],) and isinstance(found[0], Stated)


def test_json_and_csv_say_the_same_as_the_values() -> None:
    text = '=1+1, "x"\r\ny'
    known = stated(text, read(text, "1", "number", Decimal(1)), read(text, "1", "number", Decimal("1.0")))
    found = evidence_of({"a,b": 'x"\ny', "n": 1, "none": "z"}, known)
    table = [*csv.DictReader(io.StringIO(found.to_csv(), newline=""))]
    assert table == [*csv.DictReader(io.StringIO(found.to_csv(formulas=True), newline=""))]
    rows = json.loads(found.to_json())
    assert [row["value"] for row in rows] == ['x"\ny', 1, "z"]
    lines = []
    for one, row in zip(found, rows, strict=True):
        assert row["path"] == one.path and row["has_more"] is False and tuple(row["others"]) == one.others
        assert [tuple(place.values()) for place in row["places"]] == [
            (place.text, place.start, place.end, place.words, place.match) for place in one.places
        ]
        lines += [
            (one.path, place["text"], str(place["start"]), str(place["end"]), place["words"])
            for place in row["places"]
        ] or [(one.path, "", "", "", "")]
    assert [tuple(row[name] for name in ("path", "text", "start", "end", "words")) for row in table] == lines


def test_no_cell_of_the_table_is_a_formula_unless_it_is_asked_for(tmp_path: Path) -> None:
    found = evidence_of({"=k": "=1+1", "n": -5}, stated("=1+1"))
    (first, last) = csv.DictReader(io.StringIO(found.to_csv(), newline=""))
    assert (first["value"], first["words"], last["value"]) == ("'=1+1", "'=1+1", "-5")
    found.write(tmp_path / "e.csv")
    found.write(tmp_path / "f.csv", formulas=True)
    for name, table in (("e.csv", found.to_csv()), ("f.csv", found.to_csv(formulas=True))):
        assert (tmp_path / name).read_bytes().decode() == table
    assert found.to_csv(formulas=True) == found.to_csv().replace("'", "")
