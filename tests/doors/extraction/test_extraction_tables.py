"""Tables of an extraction: what the readers of csv, json and pandas read back is what was found."""

from __future__ import annotations

import csv
import io
import json
import random
from decimal import Decimal
from typing import Any

import pytest

from structgen.base.errors import LimitError
from structgen.doors.extraction import extraction_tables
from structgen.doors.extraction.extraction_tables import build_table, rows_of, to_csv, to_jsonl
from structgen.doors.extraction.found_items import FoundItem, FoundValue


def item(value: Any, *fields: FoundValue, **told: Any) -> FoundItem:
    return FoundItem("a", value, fields, **told)


def cells(row: dict[str, Any]) -> dict[str, Any]:
    """Return the cells of a row that are the item's own."""
    return {name: one for name, one in row.items() if name not in ("document", "pages", "conflicts", "error")}


def frame_of(items: list[FoundItem]) -> Any:
    pytest.importorskip("pandas")
    return build_table(items)


def random_value(source: random.Random, depth: int = 3) -> Any:
    kind = source.randrange(7 if depth else 5)
    if kind == 5:
        return [random_value(source, depth - 1) for _ in range(source.randrange(3))]
    if kind == 6:
        names = source.sample(["a", "b", "a.b", "/a", "", "document", "pages", "value", "0", "~1", "é"], 3)
        return {name: random_value(source, depth - 1) for name in names}
    return source.choice(
        [1, True, None, "", "a,b\r\n", '"x', "\0", Decimal("1.50"), -(2**70), "=1+1", "\u202e"]
    )


def scalars_of(value: Any) -> list[Any]:
    if isinstance(value, dict):
        value = list(value.values())
    return [one for part in value for one in scalars_of(part)] if isinstance(value, list) else [value]


def test_a_row_is_flat_and_members_of_members_are_named_by_both() -> None:
    value = {"party": {"name": "Hafen GmbH"}, "lines": [{"price": 3}, {"price": 4}], "open": None}
    one = item(
        value, pages=(2, 3), conflicts=(FoundValue("/open", True, None, None, 3, 0.2),), error="no date"
    )
    assert rows_of([one]) == [
        {
            "document": "a",
            "party.name": "Hafen GmbH",
            "lines.0.price": 3,
            "lines.1.price": 4,
            "open": None,
            "pages": (2, 3),
            "conflicts": 1,
            "error": "no date",
        }
    ]


def test_members_of_one_list_stand_beside_each_other_also_where_a_later_item_has_more() -> None:
    items = [item({"n": [1], "total": 1}), item({"n": [1, 2], "total": 3})]
    assert [*cells(rows_of(items)[0])] == ["n.0", "n.1", "total"]
    assert rows_of(items)[0]["n.1"] is None


@pytest.mark.parametrize(
    ("value", "names"),
    [
        ({"a.b": 1, "a": {"b": 2}}, ["/a.b", "/a/b"]),
        ({"document": 1, "pages": 2, "x": 3}, ["/document", "/pages", "x"]),
        ({"/x": 1, "x": 2}, ["/~1x", "x"]),
        (7, ["value"]),
        ({"": 1}, ["value"]),
        ({"": 1, "value": 2}, ["/", "/value"]),
    ],
)
def test_a_name_that_could_be_another_column_is_the_pointer(value: Any, names: list[str]) -> None:
    (row,) = rows_of([item(value)])
    assert [name for name in row if name not in ("document", "pages", "conflicts", "error")] == names
    assert [row[name] for name in names] == scalars_of(value)


def test_no_scalar_is_lost_in_a_row_and_no_two_share_a_column() -> None:
    source = random.Random(94)
    for _ in range(200):
        items = [item(random_value(source)) for _ in range(3)]
        rows = rows_of(items)
        assert len({tuple(row) for row in rows}) == 1
        for one, row in zip(items, rows, strict=True):
            found = [cell for name, cell in row.items() if cell is not None]
            kept = [repr(cell) for cell in found[1:-3]]
            assert sorted(kept) == sorted(repr(value) for value in scalars_of(one.value) if value is not None)


def test_the_standard_reader_of_csv_reads_the_cells_back() -> None:
    source = random.Random(95)
    for _ in range(100):
        items = [item(random_value(source), pages=(1, 4)) for _ in range(3)]
        head, *lines = csv.reader(io.StringIO(to_csv(items, formulas=True), newline=""))
        for row, line in zip(rows_of(items), lines, strict=True):
            assert head == [*row]
            expected = {**row, "pages": "1; 4"}
            assert line == ["" if cell is None else str(cell) for cell in expected.values()]


def test_no_name_of_a_document_or_a_column_and_no_value_or_error_is_a_formula() -> None:
    one = FoundItem("=a.txt", {"=name": "@x", "-p": -5, "t": "-5 °C", "u": "-A1"}, (), error="+b")
    names = "document,'=name,'-p,t,u,pages,conflicts,error\r\n"
    assert to_csv([one]) == f"{names}'=a.txt,'@x,-5,-5 °C,'-A1,,0,'+b\r\n"
    assert to_csv([one], formulas=True) == f"{names}=a.txt,@x,-5,-5 °C,-A1,,0,+b\r\n".replace("'", "")


def test_csv_of_no_items_has_the_names_that_every_table_has() -> None:
    assert to_csv([]) == "document,pages,conflicts,error\r\n"


def test_csv_can_be_written_in_utf_8_whatever_a_value_holds() -> None:
    assert r"x\ud800" in to_csv([item({"n": "x\ud800"})]).encode().decode()


def test_a_line_of_json_has_the_item_its_places_confidences_and_conflicts() -> None:
    one = item(
        {"n": 1, "kind": "sale"},
        FoundValue("/n", 1, 3, 4, 2, 0.75),
        FoundValue("/kind", "sale", None, None, 2, None),
        conflicts=(FoundValue("/n", 2, 9, 10, 3, 0.25), FoundValue("/n", 3, None, None, 4, None)),
        pages=(2, 3),
        error="too few",
    )
    assert json.loads(to_jsonl([one])) == {
        "document": "a",
        "value": {"n": 1, "kind": "sale"},
        "places": {"/n": [3, 4]},
        "confidences": {"/n": 0.75},
        "conflicts": [
            {"path": "/n", "value": 2, "place": [9, 10], "page": 3, "confidence": 0.25},
            {"path": "/n", "value": 3, "place": None, "page": 4, "confidence": None},
        ],
        "pages": [2, 3],
        "error": "too few",
    }


def test_numbers_survive_json_lines_digit_by_digit() -> None:
    numbers = [Decimal("1204.50"), Decimal("0.1000000000000000000001"), 2**80 + 1, Decimal("-1E+400"), -3]
    (line,) = to_jsonl([item(numbers)]).splitlines()
    read = json.loads(line, parse_float=Decimal)["value"]
    assert [repr(one) for one in read] == [repr(one) for one in numbers]


def test_an_item_is_one_line_of_json_whatever_it_holds() -> None:
    source = random.Random(96)
    items = [item(random_value(source)) for _ in range(100)] + [item("\u2028\x85\ud800\r\n")]
    lines = to_jsonl(items).splitlines()
    read = [json.loads(line, parse_float=Decimal)["value"] for line in lines]
    assert repr(read) == repr([one.value for one in items])


def test_a_frame_has_the_rows_and_types_that_know_missing_values() -> None:
    exact = 2**53 + 1  # no double
    items = [item({"n": exact, "is": True, "s": "x"}), item({"n": None, "is": None, "s": None})]
    frame = frame_of(items)
    assert [*frame.columns] == [*rows_of(items)[0]]
    assert {name: str(frame[name].dtype) for name in ("n", "is", "s")} == {
        "n": "Int64",
        "is": "boolean",
        "s": "string",
    }
    assert int(frame["n"][0]) == exact and frame[["n", "is", "s"]].isna().loc[1].all()
    assert frame["pages"][0] == ()


def test_a_frame_keeps_every_digit_and_mixed_values_as_they_are() -> None:
    values = [{"d": Decimal("1.10"), "big": 2**70, "mixed": 1}, {"d": None, "big": -(2**63), "mixed": "one"}]
    frame = frame_of([item(value) for value in values])
    for name in ("d", "big", "mixed"):
        assert [repr(one) for one in frame[name]] == [repr(value[name]) for value in values]


def test_a_frame_of_no_items_has_the_columns_that_every_table_has() -> None:
    frame = frame_of([])
    assert [*frame.columns] == ["document", "pages", "conflicts", "error"] and len(frame) == 0


def test_a_table_of_too_many_cells_is_refused_and_json_lines_still_have_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(extraction_tables, "MOST_CELLS", 1_000)
    items = [item({"n": [*range(100)]}), *(item({"m": 1}) for _ in range(9))]
    with pytest.raises(LimitError, match="1,050 cells"):
        to_csv(items)
    assert len(to_jsonl(items).splitlines()) == 10
