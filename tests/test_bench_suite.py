"""`make suite` counts what the engine says of each test, and is red where a label and the engine differ."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

BENCH = Path(__file__).parent.parent / "bench"


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.syspath_prepend(str(BENCH))
    import bench_suite

    yield bench_suite
    for name in ("bench_suite", "records", "suite"):
        sys.modules.pop(name, None)


def judged(
    bench: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], folder: Path
) -> tuple[int, list[dict[str, Any]]]:
    monkeypatch.setattr(sys, "argv", ["bench_suite.py", str(folder), "--drafts", "draft7", "--json"])
    status = bench.main()
    return status, json.loads(capsys.readouterr().out)


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


def test_tests_are_counted_by_what_became_of_them(
    bench: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    suite(tmp_path, "type.json", {"type": "integer"}, (1, True), ("a", False), (2, False), ([], True))
    suite(tmp_path, "optional/format/date.json", {"format": "date"}, ("2020-02-30", False))
    suite(tmp_path, "format.json", {"format": "date"}, ("2020-02-30", True))
    suite(tmp_path, "not.json", False, (1, False), (2, True))
    suite(tmp_path, "pattern.json", {"pattern": "("}, ("a", True))
    status, rows = judged(bench, monkeypatch, capsys, tmp_path)
    found = {
        row["file"]: {key: row[key] for key in row if key in bench.VERDICTS and row[key]} for row in rows
    }
    assert status == 1
    assert found == {
        "type.json": {"right": 2, "wrongly accepted": 1, "wrongly refused": 1},
        "optional/format/date.json": {"right": 1},
        "format.json": {"right": 1},
        "not.json": {"right": 1, "wrongly refused": 1},
        "pattern.json": {"refused at compile": 1},
    }


def test_the_status_is_zero_where_all_is_right(
    bench: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    suite(tmp_path, "type.json", {"type": "integer"}, (1, True), ("a", False))
    assert judged(bench, monkeypatch, capsys, tmp_path)[0] == 0


def test_a_case_that_hangs_or_goes_on_is_given_up_and_the_next_one_judged(
    bench: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import time

    def judge(file: Any, case: Any, remotes: Any, tokenizer: Any) -> Iterator[Any]:
        if case["schema"] == "hang":
            time.sleep(60)
        while case["schema"] == "work":
            pass
        yield bench.Outcome(case["description"], "0", bench.RIGHT)

    file = suite(tmp_path, "a.json", {}, (1, True)) / "tests" / "draft7" / "a.json"
    cases = [
        {"description": kind, "schema": kind, "tests": [{"description": "0"}]}
        for kind in ("hang", "work", "go")
    ]
    file.write_text(json.dumps(cases))
    monkeypatch.setattr(bench, "judge", judge)
    monkeypatch.setattr(bench, "PATIENCE", 15)
    (result,) = bench.run(list(bench.files(tmp_path)), {}, 1, 0.2)
    assert [(outcome.case, outcome.verdict) for outcome in result.outcomes] == [
        ("hang", bench.TIMED_OUT),
        ("work", bench.TIMED_OUT),
        ("go", bench.RIGHT),
    ]


def test_an_instance_comes_with_its_keys_in_other_orders_and_its_numerals_as_written(bench: Any) -> None:
    import suite as cases

    from structgen.core.rawjson import read

    found = cases.texts(read('{"a": 1.0, "b": [{"c": 1e5, "d": 2}]}'))
    assert found[:2] == ['{"a": 1.0, "b": [{"c": 1e5, "d": 2}]}', '{"b": [{"d": 2, "c": 1e5}], "a": 1.0}']
    assert cases.texts(read("[1.0]")) == ["[1.0]"]


def test_a_wrong_acceptance_cannot_be_skipped(bench: Any, tmp_path: Path) -> None:
    (file,) = bench.files(suite(tmp_path, "a.json", {}, (1, True)))
    result = bench.Judged(file)
    skips = {("draft7", "a.json", "case", "0"): "a reason"}
    verdicts = {
        verdict: result.verdict(bench.Outcome("case", "0", verdict), skips) for verdict in bench.VERDICTS
    }
    assert verdicts[bench.ACCEPTED] == bench.ACCEPTED
    assert verdicts["refused at compile"] == bench.SKIPPED


def test_a_test_on_the_list_is_shown_with_its_reason(
    bench: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    folder = suite(tmp_path, "a.json", {"type": "integer"}, (1, True), ([], True))
    monkeypatch.setattr(bench, "listed", lambda: {("draft7", "a.json", "case", "1"): "lists are too much"})
    monkeypatch.setattr(sys, "argv", ["bench_suite.py", str(folder), "--drafts", "draft7"])
    assert bench.main() == 0
    assert "lists are too much" in capsys.readouterr().out


def test_a_test_on_the_list_that_is_right_is_to_be_taken_off(
    bench: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    suite(tmp_path, "a.json", {"type": "integer"}, (1, True))
    monkeypatch.setattr(bench, "listed", lambda: {("draft7", "a.json", "case", "0"): "a reason"})
    assert judged(bench, monkeypatch, capsys, tmp_path)[0] == 1


def test_a_test_on_the_list_that_its_file_does_not_have_is_to_be_taken_off(
    bench: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    suite(tmp_path, "a.json", {"type": "integer"}, (1, True))
    for file, status in (("a.json", 1), ("b.json", 0)):
        skips = {("draft7", file, "case", "renamed"): "a reason"}
        monkeypatch.setattr(bench, "listed", lambda skips=skips: skips)
        assert judged(bench, monkeypatch, capsys, tmp_path)[0] == status


def test_optional_tests_alone_are_on_the_list_each_once_and_with_a_reason(bench: Any) -> None:
    skips, entries = bench.listed(), json.loads(bench.SKIPS.read_text(encoding="utf-8"))
    assert len(skips) == sum(len(one["drafts"]) * len(one["tests"]) for one in entries)
    assert {draft for draft, *_ in skips} <= set(bench.DRAFTS)
    assert {file for _, file, *_ in skips if not file.startswith("format/")} == {"float-overflow.json"}
    assert all(len(reason.split()) > 5 for reason in skips.values())
