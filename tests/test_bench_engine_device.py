"""The GPU's rows of `bench_engine.py`: measured with the smallest of models, or said not to be."""

from __future__ import annotations

import csv
import sys
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

ROOT = Path(__file__).parent.parent


def _run(words: str, patch: pytest.MonkeyPatch) -> Any:
    patch.setattr(sys, "path", [str(ROOT / "bench"), *sys.path])
    import bench_engine

    patch.setattr(sys, "argv", ["bench_engine.py", *words.split()])
    before = torch.get_num_threads()
    try:
        assert bench_engine.main() == 0
    finally:
        torch.set_num_threads(before)


def test_the_script_runs_to_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = "--device cpu --only device --shape tiny --rows 3 --tokens 4 --repeats 1 --threads 1"
    _run(f"{words} --results {tmp_path}", monkeypatch)
    (file,) = tmp_path.iterdir()
    with file.open(encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    systems = {(row["system"], row["text"]) for row in rows if row["measure"] == "tokens/s"}
    assert len(systems) == 6 and {text for _, text in systems} == {"free", "ordinary", "hard"}
    assert [float(row["value"]) for row in rows if row["measure"].startswith("texts that differ")] == [0.0]
    said = capsys.readouterr().out
    # a CPU reaches no goal of a GPU
    assert "tried" in said and "reached" not in said and "missed" not in said


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device here")
def test_without_the_device_nothing_is_measured_and_the_reason_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _run(f"--device cuda --results {tmp_path / 'none'}", monkeypatch)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 5 and all(line.startswith("not measured") for line in lines)
    assert all("CUDA" in line for line in lines) and not (tmp_path / "none").exists()


def test_a_device_that_torch_does_not_know_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        _run("--device gpu", monkeypatch)
    assert "--device gpu: Expected one of cpu, cuda" in capsys.readouterr().err
