"""bench/bench_methods.py: a table and a file for each family that can be measured."""

from __future__ import annotations

import csv
import sys
from pathlib import Path
from typing import Any

import pytest

import structgen as sg

sys.path.insert(0, str(Path(__file__).parents[1] / "bench"))

import bench_methods
import methods


def missing() -> list[dict[str, Any]]:
    raise sg.StructgenError("There is no model.", cure="Install it.")


def test_rows_of_a_family_may_have_other_columns_and_a_family_that_fails_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    families = {
        "samplers": missing,
        "verifiers": lambda: [{"method": "a", "steps": 1}, {"method": "b", "share": 0.5}],
    }
    monkeypatch.setattr(bench_methods, "families", lambda: families)
    assert bench_methods.main(["--results", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "samplers: not measured: There is no model. Install it." in said
    assert "| method | steps | share |" in said and "| b |  | 0.500 |" in said
    (file,) = tmp_path.iterdir()
    told = list(csv.DictReader(file.read_text(encoding="utf-8").splitlines()))
    assert [(row["method"], row["steps"], row["share"]) for row in told] == [("a", "1", ""), ("b", "", "0.5")]


def test_each_family_is_found() -> None:
    pytest.importorskip("torch")
    pytest.importorskip("numba", reason="some methods are compiled")
    assert [*methods.families()] == list(methods.FAMILIES)
