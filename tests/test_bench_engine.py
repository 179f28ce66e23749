"""`bench_engine.py` measures what it says, with the smallest of models."""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, str]]:
    folder, before = tmp_path_factory.mktemp("results"), torch.get_num_threads()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "path", [str(ROOT / "bench"), *sys.path])
        import bench_engine

        patch.setattr(bench_engine, "peers", lambda: iter(()))
        words = f"--model tiny --batches 1,3 --tokens 6 --repeats 1 --threads 1 --results {folder}"
        patch.setattr(sys, "argv", ["bench_engine.py", *words.split()])
        try:
            assert bench_engine.main() == 0
        finally:
            torch.set_num_threads(before)
    (file,) = folder.iterdir()
    with file.open(encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


def test_each_system_has_its_rates(rows: list[dict[str, str]]) -> None:
    found = {(row["batch"], row["system"], row["text"], row["temperature"]) for row in rows}
    ours = {("structgen", kind, heat) for kind in ("free", "ordinary", "hard") for heat in ("0", "1")}
    theirs = {("transformers", "free", heat) for heat in ("0", "1")}
    assert found == {(batch, *system) for batch in ("1", "3") for system in ours | theirs}


def test_rates_are_tokens_over_seconds_and_compared_with_ours(rows: list[dict[str, str]]) -> None:
    for row in rows:
        seconds = float(row["seconds"])
        assert float(row["tokens_per_second"]) == pytest.approx(int(row["batch"]) * 6 / seconds, rel=1e-3)
        same = ("batch", "text", "temperature")
        (ours,) = (
            float(one["seconds"])
            for one in rows
            if one["system"] == "structgen" and all(one[name] == row[name] for name in same)
        )
        assert float(row["times"]) == pytest.approx(seconds / ours, rel=1e-3)


def test_masks_are_what_a_step_under_a_grammar_takes_longer_than_one_of_free_text(
    rows: list[dict[str, str]],
) -> None:
    steps = {
        (row["batch"], row["text"]): float(row["step_ms"])
        for row in rows
        if row["system"] == "structgen" and row["temperature"] == "1"
    }
    told = {(row["batch"], row["text"]): row["masks_percent"] for row in rows if row["masks_percent"]}
    assert told.keys() == {(batch, kind) for batch in ("1", "3") for kind in ("ordinary", "hard")}
    for (batch, kind), share in told.items():
        over = 100 * (1 - steps[batch, "free"] / steps[batch, kind])
        assert float(share) == pytest.approx(over, rel=1e-2, abs=0.1)
