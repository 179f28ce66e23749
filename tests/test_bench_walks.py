"""`make walks WALK="--random N"` counts what became of random schemas."""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).parent.parent / "bench"


def test_random_schemas_are_counted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.syspath_prepend(str(BENCH))
    import bench_walks

    options = ["--random", "2", "--seed", "5", "--jobs", "1", "--results", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", ["bench_walks.py", *options])
    assert bench_walks.main() == 0
    (file,) = tmp_path.glob("walks-*.csv")
    with file.open(encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    assert {row["source"] for row in rows} == {"random"}
    walked = {row["kind"]: int(row["walks"]) for row in rows if row["walks"]}
    assert walked["document"] > 20
    assert walked["uniform"] == walked["closing"] == walked["budget"] == 2
    assert sum(int(row["schemas"]) for row in rows if row["kind"].startswith("schemas ")) == 2
    for name in ("bench_walks", "attacks", "walks", "suite", "records", "violators"):
        sys.modules.pop(name, None)
