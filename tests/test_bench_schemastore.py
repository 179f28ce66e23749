"""`make schemastore` tells schemas that are right from those that are refused, wrong, disputed or over the
limit."""

from __future__ import annotations

import argparse
import csv
import json
import sys
from pathlib import Path
from typing import Any

import pytest

import structgen as sg

sys.path.insert(0, str(Path(__file__).parents[1] / "bench"))

import bench_schemastore as bench
import judging


class Here(bench.Schemastore):
    """The question in forks of this process, which have what a test puts in another's place."""

    is_fresh = False
    memory = 0  # this process may have mapped any number of bytes


@pytest.fixture(scope="module")
def question() -> bench.Schemastore:
    made = bench.Schemastore(argparse.Namespace(tokenizer="small", timeout=20.0))
    made.ready()
    return made


def store(
    folder: Path, name: str, schema: Any, tests: list[tuple[Any, bool, bool]], **resources: str
) -> None:
    for part in ("schemas", "tests"):
        (folder / part).mkdir(exist_ok=True)
    texts = [{"text": json.dumps(value), "valid": valid, "suite": suite} for value, valid, suite in tests]
    (folder / "schemas" / name).write_text(json.dumps(schema))
    (folder / "tests" / name).write_text(json.dumps({"resources": resources, "missing": [], "tests": texts}))


def test_a_folder_is_measured_schema_by_schema(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    store(tmp_path, "far.json", {"$ref": "urn:far"}, [(1, True, True)])
    near = [(1, True, True), ("a", False, False)]
    store(tmp_path, "near.json", {"$ref": "urn:a"}, near, **{"urn:a": "a.json"})
    store(tmp_path, "a.json", {"type": "integer"}, [([], True, False), (2, True, True)])
    store(tmp_path, "b.json", {"type": "integer"}, [([], True, True)])
    monkeypatch.setattr(bench, "other_judge", lambda case, text: None)
    monkeypatch.setattr(sys, "argv", ["x", str(tmp_path), "--jobs", "1", "--results", str(tmp_path)])
    assert judging.run(Here, None) == 1
    (file,) = tmp_path.glob("schemastore-*.csv")
    with file.open(encoding="utf-8") as lines:
        rows = {row["schema"]: row for row in csv.DictReader(lines)}
    assert {name: row["outcome"] for name, row in rows.items()} == {
        "far.json": "refused",
        "near.json": "right",
        "a.json": "disputed",
        "b.json": "wrong",
    }
    assert (
        rows["far.json"]["detail"].startswith("unsupported: $ref") and rows["far.json"]["not reached"] == "1"
    )
    assert [sum(int(row[kind]) for row in rows.values()) for kind in ("right", "valid refused")] == [3, 2]
    assert "far.json [refused far.json unsupported: $ref" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("error", "early", "late"),
    [
        (MemoryError(), bench.OVER, bench.OVER),
        (sg.errors.LimitError("full", limit="x"), bench.REFUSED, bench.LIMIT),
        (sg.errors.UnsupportedError("no", keyword="pattern"), bench.REFUSED, bench.LIMIT),
        (KeyError("3\nmore"), bench.WRONG, bench.WRONG),
    ],
)
def test_an_error_is_told_by_its_kind_and_place(
    question: bench.Schemastore, monkeypatch: pytest.MonkeyPatch, error: Exception, early: str, late: str
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise error

    case = bench.Entry("one", '{"type": "integer"}', {}, (("[]", True, False), ("1", True, True)))
    with monkeypatch.context() as patch:
        patch.setattr(question, "_is_taken", fails)
        assert question.judged(case).verdict == late
    monkeypatch.setattr(bench.sg, "compile", fails)
    assert question.judged(case).verdict == early


def test_what_takes_too_long_is_over_and_its_texts_are_not_reached(question: bench.Schemastore) -> None:
    case = bench.Entry("one", "{}", {}, (("1", True, True),))
    (row,) = question.unanswered(case, judging.LATE, "too late").rows.values()
    assert row["not reached"] == 1
    assert question.unanswered(case, judging.LATE, "too late").verdict == bench.OVER
    assert question.unanswered(case, judging.DIED, "a fault").verdict == bench.WRONG


def test_jsonschema_is_the_judge_of_a_text_in_doubt() -> None:
    case = bench.Entry("one", '{"$ref": "urn:a"}', {"urn:a": {"type": "integer"}})
    assert [bench.other_judge(case, text) for text in ("[]", "1")] == [False, True]
    assert bench.other_judge(bench.Entry("one", '{"$ref": "urn:b"}', {}), "[]") is None
