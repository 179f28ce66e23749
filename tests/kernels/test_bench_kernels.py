"""bench/bench_kernels.py: all of its code runs on the CPU, and without a GPU it measures nothing."""

from __future__ import annotations

import csv
import importlib
import sys
from importlib.metadata import version
from pathlib import Path
from types import ModuleType

import pytest

torch = pytest.importorskip("torch", reason="needs torch: pip install 'structgen-toolkit[torch]'")

BENCH = Path(__file__).parents[2] / "bench"


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(BENCH))
    monkeypatch.delitem(sys.modules, "bench_kernels", raising=False)
    torch.set_num_threads(1)
    return importlib.import_module("bench_kernels")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_nothing_is_measured_or_written(
    bench: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert bench.main(["--results", str(tmp_path)]) == 0
    assert capsys.readouterr().out == "not measured: no GPU\n" and not list(tmp_path.iterdir())


def test_each_way_to_mask_and_draw_runs_and_is_right(bench: ModuleType, tmp_path: Path) -> None:
    assert bench.main(["--smoke", "--dtypes", "bfloat16", "--results", str(tmp_path)]) == 0
    (file,) = tmp_path.iterdir()
    with file.open(encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    assert {row["what"] for row in rows} == {"mask", "sample", "step", "tree"}
    assert {row["rows"] for row in rows} == {"1", "8"} and {row["right"] for row in rows} == {"True"}
    assert all(
        row["device"] == "CPU (smoke)" and f"torch {version('torch')}" in row["versions"] for row in rows
    )
    # three shares of allowed tokens for each batch size and way
    ways = [row for row in rows if (row["by"], row["rows"]) == ("apply_mask_", "8")]
    assert [row["allowed"] for row in ways] == ["0.001", "0.5", "0.999"]
    assert all(float(row["us"]) > 0 and float(row["floor_us"]) > 0 for row in ways)


def test_a_wrong_mask_is_seen(bench: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "apply_mask_", lambda logits, mask: logits.fill_(0.0))
    place = bench.Place(torch.device("cpu"), 64, (2,), 1)
    mask = bench.random_mask(place, 2, 0.5)
    found = bench.measure_masking(place, ("float32", 2, 0.5), torch.ones(2, 64), mask, {"same": bench.plain})
    assert {row.by: row.right for row in found} == {
        "apply_mask_": False,
        "apply_store_mask_": True,
        "same": True,
    }


def test_bytes_that_masking_moves_are_whole_sectors(bench: ModuleType) -> None:
    """Of 64 logits of 4 bytes one sector is kept, one forbidden, one forbidden in part, and five are kept."""
    place = bench.Place(torch.device("cpu"), 64, (1,), 1)
    mask = torch.tensor([[-1 & ~0xFF00 & ~0x10000, -1]], dtype=torch.int32)
    assert bench.moved(place, mask, 4) == 2 * 4 + 32 * (1 + 2)
