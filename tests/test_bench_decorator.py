"""bench/bench_decorator.py runs to its end, and writes what it says."""

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
    assert len(found) == 8
