"""bench/bench_decorator.py and bench/bench_types.py run to their end, and write what they say."""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("pydantic")

BENCH = Path(__file__).parents[1] / "bench"


@pytest.fixture(autouse=True)
def _found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCH))


def rows(folder: Path) -> list[dict[str, str]]:
    (file,) = folder.glob("*.csv")
    with file.open(encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


@pytest.mark.slow
def test_the_decorator_is_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import bench_decorator

    monkeypatch.setattr(sys, "argv", ["x", "--calls", "1", "--repeats", "1", "--results", str(tmp_path)])
    bench_decorator.main()
    found = {row["measure"]: float(row["value"]) for row in rows(tmp_path)}
    assert found["decorator, a call"] > 0
    assert found["bare types asked for in an object, right"] > found["bare types asked for bare, right"]
    assert len(found) == 12


def test_each_type_is_judged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import bench_types
    from typed_cases import CASES

    few = {name: CASES[name] for name in list(CASES)[:3]}
    monkeypatch.setattr(bench_types, "CASES", few)
    monkeypatch.setattr(sys, "argv", ["x", "--texts", "1", "--results", str(tmp_path)])
    bench_types.main()
    found = rows(tmp_path)
    assert [row["type"] for row in found] == list(few)
    assert all(
        value == "1 valid" for row in found for name, value in row.items() if name.startswith("structgen")
    )
    assert bench_types.verdict(bench_types.TypeAdapter(int), '"x"') == "wrong"
    assert bench_types.verdict(bench_types.TypeAdapter(int), "[") == "no JSON"
