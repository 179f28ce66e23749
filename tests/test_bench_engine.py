"""`bench_engine.py` measures what it says, with the smallest of models."""

from __future__ import annotations

import csv
import sys
from pathlib import Path
from typing import Any

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


def _values(rows: list[dict[str, str]], **wanted: str) -> list[float]:
    return [float(row["value"]) for row in rows if all(row[name] == value for name, value in wanted.items())]


def test_each_system_has_its_rates(rows: list[dict[str, str]]) -> None:
    found = {
        (row["batch"], row["system"], row["text"], row["temperature"])
        for row in rows
        if row["measure"] == "tokens/s"
    }
    ours = {("structgen", kind, heat) for kind in ("free", "ordinary", "hard") for heat in ("0.0", "1.0")}
    theirs = {("transformers", "free", heat) for heat in ("0.0", "1.0")}
    assert found == {(batch, *system) for batch in ("1", "3") for system in ours | theirs}


def test_rates_are_tokens_over_seconds(rows: list[dict[str, str]]) -> None:
    for batch in ("1", "3"):
        about: dict[str, Any] = {"batch": batch, "system": "transformers", "temperature": "0.0"}
        (rate,) = _values(rows, **about, measure="tokens/s")
        (seconds,) = _values(rows, **about, measure="seconds")
        assert rate == pytest.approx(int(batch) * 6 / seconds, rel=0.02)


def test_memory_and_differences_of_texts_are_told(rows: list[dict[str, str]]) -> None:
    # 2 layers of keys and values of 64 numbers of 4 bytes a token
    bytes_a_token = 2 * 2 * 64 * 4
    assert all(value % bytes_a_token == 0 for value in _values(rows, batch="1", measure="cache bytes"))
    assert min(_values(rows, measure="result bytes")) > 0
    assert len(_values(rows, measure="texts that part elsewhere")) == 1
    assert _values(rows, measure="texts that part elsewhere") == [0.0]
