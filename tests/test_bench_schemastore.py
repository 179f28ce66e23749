"""`make schemastore` tells schemas that are right from those that are refused, wrong, disputed or over the
limit."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from structgen.maskbench.measurements import CaseResult, Failure, Verdict
from structgen.maskbench.readers import Case, Instance

BENCH = Path(__file__).parent.parent / "bench"


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.syspath_prepend(str(BENCH))
    import bench_schemastore

    yield bench_schemastore
    for name in ("bench_schemastore", "records"):
        sys.modules.pop(name, None)


def store(
    folder: Path, name: str, schema: Any, tests: list[tuple[Any, bool, bool]], **resources: str
) -> None:
    for part in ("schemas", "tests"):
        (folder / part).mkdir(exist_ok=True)
    texts = [{"text": json.dumps(value), "valid": valid, "suite": suite} for value, valid, suite in tests]
    (folder / "schemas" / name).write_text(json.dumps(schema))
    (folder / "tests" / name).write_text(json.dumps({"resources": resources, "missing": [], "tests": texts}))


def outcome(
    bench: Any, suite: bool, *failures: tuple[str, int | None, str], **fields: Any
) -> tuple[str, str]:
    """Return what is said of a schema of integers with one text, an array, that is said to be invalid."""
    case = Case("one", "schemastore", '{"type": "integer"}', (Instance(b"[]", False),))
    told = [Failure("one", bench.OURS, kind, text, detail=detail) for kind, text, detail in failures]
    result = CaseResult("one", "schemastore", bench.OURS, **{"compiled": True, "failures": told, **fields})
    found = bench.judged(bench.Entry(case, (suite,)), result)
    return found.outcome, found.detail


def test_a_folder_is_measured_schema_by_schema(
    bench: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    store(tmp_path, "far.json", {"$ref": "urn:far"}, [(1, True, True)])
    store(
        tmp_path,
        "near.json",
        {"$ref": "urn:a"},
        [(1, True, True), ("a", False, False)],
        **{"urn:a": "a.json"},
    )
    store(tmp_path, "a.json", {"type": "integer"}, [([], True, False), (2, True, True)])
    store(tmp_path, "b.json", {"type": "integer"}, [([], True, True)])
    monkeypatch.setattr(bench, "ENGINES", (bench.OURS,))
    monkeypatch.setattr(bench, "_other_judge", lambda case, instance: None)
    monkeypatch.setattr(sys, "argv", ["bench_schemastore.py", str(tmp_path), "--results", str(tmp_path)])
    assert bench.main() == 1
    (file,) = tmp_path.glob("schemastore-*.csv")
    with file.open(encoding="utf-8") as rows:
        said = {row["measure"]: int(row["count"]) for row in csv.DictReader(rows)}
    assert {name: count for name, count in said.items() if name.startswith("schemas") and count} == {
        "schemas": 4,
        "schemas wrong": 1,
        "schemas refused": 1,
        "schemas disputed": 1,
        "schemas right": 1,
    }
    assert said["texts right"] == 3
    assert said["texts valid refused"] == 2
    assert said["texts not reached"] == said["refused: unsupported: $ref"] == said["wrong: b.json"] == 1
    assert said["first mask"] == 3
    assert "far.json  refused" in capsys.readouterr().out


def test_what_took_too_long_is_over_whatever_else_happened(bench: Any) -> None:
    late, hangs = ("timed out", 0, "no answer within 20 s"), {"verdicts": [Verdict.TIMED_OUT]}
    assert outcome(bench, False, ("crashed", 0, "ValueError"), late, **hangs)[0] == bench.OVER
    assert outcome(bench, False, ("timed out", None, "no answer"), compiled=False)[0] == bench.OVER
    assert outcome(bench, False, ("crashed", None, "MemoryError: "), compiled=False)[0] == bench.OVER


@pytest.mark.parametrize("limit", ["LimitError: alternatives", "UnsupportedError: pattern"])
def test_a_limit_is_a_refusal_until_the_first_mask_and_told_apart_behind_it(bench: Any, limit: str) -> None:
    assert outcome(bench, False, ("crashed", None, limit), compiled=False)[0] == bench.REFUSED
    assert outcome(bench, False, ("crashed", 0, limit))[0] == bench.LIMIT


def test_an_error_that_is_no_limit_is_wrong_wherever_it_comes(bench: Any) -> None:
    for text in (None, 0):
        assert outcome(bench, False, ("crashed", text, "KeyError: 3\nmore"))[0] == bench.WRONG


@pytest.mark.parametrize(("suite", "verdict"), [(False, "wrong"), (True, "disputed")])
def test_a_verdict_that_no_judge_shares_is_wrong(bench: Any, suite: bool, verdict: str) -> None:
    assert outcome(bench, suite, ("invalid accepted", 0, ""))[0] == verdict


def test_jsonschema_is_the_judge_of_a_text_in_doubt(bench: Any) -> None:
    texts = (Instance(b"[]", True), Instance(b"1", True))
    case = Case("one", "schemastore", '{"$ref": "urn:a"}', texts, resources={"urn:a": {"type": "integer"}})
    assert [bench._other_judge(case, text) for text in (0, 1)] == [False, True]
    unknown = Case("one", "schemastore", '{"$ref": "urn:b"}', texts)
    assert bench._other_judge(unknown, 0) is None
