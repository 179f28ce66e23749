"""The harness of benches that judge many cases (bench/judging.py), and two of them at work."""

from __future__ import annotations

import argparse
import csv
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "bench"))

import bench_walks
import judging
import walks
from judging import Outcome, Question


class Kinds(Question):
    """Cases that are named after what they do."""

    name = "kinds"
    keys = ("kind", "what")
    figures = ("cases", "wrong")
    bad = ("wrong",)
    told = ()
    is_fresh = False

    @classmethod
    def add_options(cls, parser: argparse.ArgumentParser) -> None:
        parser.set_defaults(jobs=1, timeout=600)

    def seconds(self, case: Any) -> float:
        return 0.01 if case.name in ("hang", "work") else 600.0

    def cases(self, wanted: Callable[[str], bool]) -> Any:
        return [SimpleNamespace(name=name) for name in ("hang", "work", "die", "go", "fail") if wanted(name)]

    def judged(self, case: Any) -> Outcome:
        outcome = Outcome(case.name)
        if case.name == "hang":
            time.sleep(600)
        if case.name == "die":
            os._exit(3)
        while case.name == "work":
            pass
        outcome.count(f"{case.name}\tall", "cases")
        if case.name == "fail":
            outcome.fault("fail\tall", "wrong", "it is", figure="wrong")
        return outcome


def ran(monkeypatch: pytest.MonkeyPatch, question: type[Question], folder: Path, *words: str) -> int:
    monkeypatch.setattr(sys, "argv", ["x", *words, "--results", str(folder)])
    return judging.run(question, None)


def rows(folder: Path, name: str) -> list[dict[str, str]]:
    (file,) = folder.glob(f"{name}-*.csv")
    with file.open(encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


def test_a_case_that_hangs_goes_on_or_dies_is_told_and_the_next_is_judged(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ran(monkeypatch, Kinds, tmp_path, "hang", "work", "die", "go") == 1
    said = {(row["kind"], row["what"]) for row in rows(tmp_path, "kinds")}
    assert said == {("", "cases slow"), ("", "cases died"), ("go", "all")}
    told = capsys.readouterr().out
    assert all(
        f"{name} [ cases {verdict}]" in told
        for name, verdict in (("hang", "slow"), ("work", "slow"), ("die", "died"))
    )


def test_a_label_that_is_bad_is_the_status_and_what_is_in_the_progress_is_not_judged_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    words = ["--progress", str(tmp_path / "progress")]
    assert ran(monkeypatch, Kinds, tmp_path, "go", *words) == 0
    assert ran(monkeypatch, Kinds, tmp_path, "go", "fail", *words) == 1
    lines = (tmp_path / "progress").read_text().splitlines()
    assert len(lines) == 2
    assert [(row["kind"], row["cases"], row["wrong"]) for row in rows(tmp_path, "kinds")] == [
        ("fail", "1", "1"),
        ("go", "1", "0"),
    ]
    assert ran(monkeypatch, Kinds, tmp_path, "fail", *words, "--again", "wrong") == 1
    assert len((tmp_path / "progress").read_text().splitlines()) == 3


def test_random_schemas_are_walked_and_counted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert ran(monkeypatch, bench_walks.Walks, tmp_path, "--random", "2", "--seed", "5", "--jobs", "1") == 0
    found = rows(tmp_path, "walks")
    assert {row["source"] for row in found} == {"random"}
    walked = {row["kind"]: int(row["walks"]) for row in found}
    assert walked["document"] > 20
    assert walked["uniform"] == walked["closing"] == walked["budget"] == 2
    assert sum(int(row["schemas"]) for row in found if row["kind"].startswith("schemas ")) == 2


def test_a_walk_that_is_stuck_or_fails_is_told() -> None:
    class Fails:
        text, matcher = bytearray(b"1 +"), SimpleNamespace(tokens=[])

        def walk(self, kind: str, tokens: int) -> bytes:
            raise walks.Stuck("no token is allowed", b"1 +") if kind == "uniform" else KeyError(kind)

    outcome, fails = Outcome("one"), cast(walks.Walker, Fails())
    for kind in ("uniform", "closing"):
        assert walks.walked(fails, kind, 3, lambda text: None, outcome, kind) is None
    assert [one["label"] for one in outcome.faults] == [walks.DEAD_END, walks.CRASH]
