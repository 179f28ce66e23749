"""`make suite` counts what the engine says of each test, and is red where a label and the engine differ."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "bench"))

import bench_suite as bench
import judging
from bench_suite import ACCEPTED, DRAFTS, VERDICTS, texts

from structgen.base.json_text.raw_json import read_as_written


class Here(bench.Suite):
    """The question in forks of this process, which have what a test puts in another's place."""

    is_fresh = False
    memory = 0


def judged(monkeypatch: pytest.MonkeyPatch, folder: Path) -> tuple[int, dict[str, dict[str, int]]]:
    """Return the status, and what was counted of each file."""
    words = [str(folder), "--jobs", "1", "--timeout", "60", "--results", str(folder)]
    monkeypatch.setattr(sys, "argv", ["bench_suite.py", *words])
    status = judging.run(Here, None)
    (file,) = folder.glob("suite-*.csv")
    with file.open(encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    kinds = (*VERDICTS, bench.SKIPPED)
    return status, {row["file"]: {one: int(row[one]) for one in kinds if int(row[one])} for row in rows}


def suite(folder: Path, name: str, schema: Any, *tests: tuple[Any, bool]) -> Path:
    file = folder / "tests" / "draft7" / name
    file.parent.mkdir(parents=True, exist_ok=True)
    cases = [
        {
            "description": "case",
            "schema": schema,
            "tests": [
                {"description": str(index), "data": data, "valid": valid}
                for index, (data, valid) in enumerate(tests)
            ],
        }
    ]
    file.write_text(json.dumps(cases))
    return folder


def test_tests_are_counted_by_what_became_of_them(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    suite(tmp_path, "type.json", {"type": "integer"}, (1, True), ("a", False), (2, False), ([], True))
    suite(tmp_path, "optional/format/date.json", {"format": "date"}, ("2020-02-30", False))
    suite(tmp_path, "format.json", {"format": "date"}, ("2020-02-30", True))
    suite(tmp_path, "not.json", False, (1, False), (2, True))
    suite(tmp_path, "pattern.json", {"pattern": "("}, ("a", True))
    assert judged(monkeypatch, tmp_path) == (
        1,
        {
            "type.json": {"right": 2, "wrongly accepted": 1, "wrongly refused": 1},
            "optional/format/date.json": {"right": 1},
            "format.json": {"right": 1},
            "not.json": {"right": 1, "wrongly refused": 1},
            "pattern.json": {"refused at compile": 1},
        },
    )


def test_an_instance_comes_with_its_keys_in_other_orders_and_its_numerals_as_written() -> None:
    found = texts(read_as_written('{"a": 1.0, "b": [{"c": 1e5, "d": 2}]}'))
    assert found[:2] == ['{"a": 1.0, "b": [{"c": 1e5, "d": 2}]}', '{"b": [{"d": 2, "c": 1e5}], "a": 1.0}']
    assert texts(read_as_written("[1.0]")) == ["[1.0]"]


def test_a_test_on_the_list_is_shown_with_its_reason_and_a_wrong_acceptance_is_none(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    folder = suite(tmp_path, "a.json", {"type": "integer"}, (1, True), ([], True))
    reasons = {("draft7", "a.json", "case", "1"): "lists are too much"}
    monkeypatch.setattr(bench, "listed", lambda: reasons)
    assert judged(monkeypatch, folder) == (0, {"a.json": {"right": 1, "skipped": 1}})
    assert "lists are too much" in capsys.readouterr().out
    suite(folder, "a.json", {"type": "integer"}, (1, True), (1, False))
    assert judged(monkeypatch, folder) == (1, {"a.json": {"right": 1, ACCEPTED: 1}})


@pytest.mark.parametrize(
    ("file", "test", "status"), [("a.json", "0", 1), ("a.json", "renamed", 1), ("b.json", "0", 0)]
)
def test_what_is_listed_of_a_file_and_is_right_or_gone_is_to_be_taken_off(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, file: str, test: str, status: int
) -> None:
    suite(tmp_path, "a.json", {"type": "integer"}, (1, True))
    monkeypatch.setattr(bench, "listed", lambda: {("draft7", file, "case", test): "a reason"})
    assert judged(monkeypatch, tmp_path)[0] == status


def test_optional_tests_alone_are_on_the_list_each_once_and_with_a_reason() -> None:
    skips, entries = bench.listed(), json.loads(bench.SKIPS.read_text(encoding="utf-8"))
    assert len(skips) == sum(len(one["drafts"]) * len(one["tests"]) for one in entries)
    assert {draft for draft, *_ in skips} <= set(DRAFTS)
    assert {file for _, file, *_ in skips if not file.startswith("format/")} == {"float-overflow.json"}
    assert all(len(reason.split()) > 5 for reason in skips.values())
