"""`make bench-masks`: the least of several rounds, the processor's clock, batches of new rows, columns."""

from __future__ import annotations

import csv
import json
import os
import sys
from array import array
from itertools import count
from pathlib import Path
from time import process_time_ns
from typing import Any

import pytest
from for_each import for_each

import structgen as sg
from structgen.doors.maskbench.engines import MaskEngine
from structgen.doors.maskbench.measurements import NOT_MEASURED, CaseResult, StepResult, Verdict

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "bench"), str(ROOT / "tests" / "doors" / "maskbench")]

import bench_batches  # noqa: E402
import bench_masks as bench  # noqa: E402
import fake_engines  # noqa: E402
import new_rows  # noqa: E402

TOKENIZER = sg.Tokenizer.from_bytes([bytes([byte]) for byte in range(256)] + [None], eos_token_id=256)


def result(*steps: StepResult, engine: str = "structgen:cold", name: str = "a") -> CaseResult:
    return CaseResult(name, "s", engine, list(steps))


def step(*ns: int, cpu: int = NOT_MEASURED, kind: Verdict = Verdict.RIGHT) -> StepResult:
    return StepResult(kind, array("q", ns), cpu)


# --- several rounds, and the clock --------------------------------------------------------------------------


def test_of_several_rounds_the_least_of_each_call_counts() -> None:
    first = result(step(9, cpu=8), step(NOT_MEASURED, 4, 5, 6, cpu=20))
    second = result(step(7, cpu=9), step(NOT_MEASURED, 5, 3, 7, cpu=18))
    found = bench.fold_rounds([first, second])
    assert [one.times.tolist() for one in found.steps] == [[7], [NOT_MEASURED, 4, 3, 6]]
    assert [one.cpu for one in found.steps] == [8, 18]


@for_each("other", [step(1), step(1, 1, 1, 1), step(1, 1, kind=Verdict.TIMED_OUT)])
def test_a_round_that_made_other_calls_is_not_mixed_in(other: StepResult) -> None:
    found = bench.fold_rounds([result(step(9), step(5, 6, cpu=3)), result(step(8), other)])
    assert [one.times.tolist() for one in found.steps] == [[8], [5, 6]]
    assert found.steps[1].cpu == 3


def test_with_the_clock_of_the_processor_the_compilation_is_timed_by_it_too() -> None:
    found = bench.use_processor_time(result(step(9, cpu=8), step(5, 6, cpu=7)))
    assert [one.times.tolist() for one in found.steps] == [[8], [5, 6]]
    refused = result(step(kind=Verdict.REFUSED))
    assert bench.use_processor_time(refused) == refused


def test_any_engine_can_be_timed_by_the_clock_of_the_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    def listed(tokenizer: sg.Tokenizer, version: str) -> MaskEngine:
        return MaskEngine(version, fake_engines.Listed(tokenizer).compile)

    monkeypatch.setattr(fake_engines, "listed", listed, raising=False)
    engine = bench.time_by_processor(TOKENIZER, "fake_engines:listed", {"version": "2"})
    session = engine.compile('{"enum": [1]}')()
    session.fill()
    assert (engine.version, session.clock) == ("2", process_time_ns)
    assert session.allows_token(ord("1")) and not session.allows_token(ord("2"))


# --- batches of new rows ------------------------------------------------------------------------------------


class FakeBatch:
    """An engine of batches, which takes texts that do not begin with `x`, and notes its calls."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, Any]] = []

    def engine(self) -> bench_batches.Engine:
        numbers = count()
        return bench_batches.Engine(
            lambda schema: self.calls.append(("compile", schema)) or schema,
            lambda start: (start, next(numbers)),
            lambda cursors: self.calls.append(("fill", [schema for schema, _ in cursors])),
            lambda cursors, tokens: self.calls.append(("advance", tokens)),
            lambda start, tokens: not tokens or tokens[0] != ord("x"),
        )

    def worker(self) -> new_rows.RowWorker:
        worker = new_rows.RowWorker("fake", "bytes", 2)
        worker._engine = self.engine()
        return worker


def test_a_batch_compiles_all_rows_first_and_ends_when_each_text_has_ended() -> None:
    fake = FakeBatch()
    steps = fake.worker()("run_steps", [("A", [1, 2, 3]), ("B", [7, 8])])
    assert fake.calls == [
        ("compile", "A"),
        ("compile", "B"),
        *(
            call
            for tokens in ([1, 7], [2, 8], [3, 7])
            for call in (("fill", ["A", "B"]), ("advance", tokens))
        ),
    ]
    assert len(steps) == 3 and all(masks >= 0 and tokens >= 0 for masks, tokens in steps)


def test_an_engine_says_which_texts_it_takes() -> None:
    worker = FakeBatch().worker()
    assert worker("accepts", ("A", [1])) and not worker("accepts", ("A", [ord("x")]))
    assert worker._engine is not None
    worker._engine.compile = lambda schema: 1 // 0
    assert not worker("accepts", ("A", [1]))


def test_the_worst_step_is_that_of_masks_and_tokens_together() -> None:
    steps = new_rows.fold_rounds([[(9.0, 1.0), (4.0, 8.0), (3.0, 1.0)], [(8.0, 2.0), (5.0, 7.0), (6.0, 0.0)]])
    assert steps == [(8.0, 1.0), (4.0, 7.0), (3.0, 0.0)]
    assert new_rows.summarize_steps(steps) == {"worst": 11.0, "p50": 9.0, "sum": 23.0, "worst fill": 8.0}


def maskbench(folder: Path) -> Path:
    """Write a folder of MaskBench: three schemas with a text of a middling length, one with a short one."""
    for name, text in {"a": "eleven chars", "b": "another one", "c": "a third one", "d": "s"}.items():
        tests = [{"data": text, "valid": True}, {"data": 1, "valid": False}]
        (folder / f"{name}.json").write_text(json.dumps({"schema": {"enum": [text]}, "tests": tests}))
    return folder


def test_rows_are_of_different_schemas_in_an_order_drawn_by_the_seed(tmp_path: Path) -> None:
    orders = [[*new_rows.draw_texts(maskbench(tmp_path), TOKENIZER, seed)] for seed in (0, 0, 1, 2, 3)]
    assert orders[0] == orders[1] and any(order != orders[0] for order in orders)
    assert all(sorted(order) == sorted(orders[0]) for order in orders) and len(orders[0]) == 3
    assert [json.loads(schema)["enum"] for schema, _ in orders[0]] == [
        [json.loads(bytes(tokens))] for _, tokens in orders[0]
    ]


def test_processes_of_a_round_begin_with_an_empty_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "vocabularies").mkdir()
    (tmp_path / "vocabularies" / "v").write_text("words")
    (tmp_path / "masks").mkdir()
    monkeypatch.setenv("STRUCTGEN_CACHE", str(tmp_path))
    with new_rows.empty_cache():
        folder = Path(os.environ["STRUCTGEN_CACHE"])
        assert folder != tmp_path and [one.name for one in folder.iterdir()] == ["vocabularies"]
        assert (folder / "vocabularies" / "v").read_text() == "words"
    assert os.environ["STRUCTGEN_CACHE"] == str(tmp_path) and not folder.exists()


# --- the columns --------------------------------------------------------------------------------------------

STEPS: bench.Batches = {("structgen:cold", 64): {"worst": 12_345.0, "p50": 1.5}}


def results() -> list[CaseResult]:
    ours = result(step(1000), step(NOT_MEASURED, 10, 3000, 4000, 9000, NOT_MEASURED))
    theirs = result(step(1000), step(NOT_MEASURED, 10, 100, 200, 300, NOT_MEASURED), engine="peer")
    return [ours, theirs]


def test_the_table_has_mask_and_token_together_the_slowest_mask_and_the_worst_step() -> None:
    head, ours, theirs = bench.tabulate(results(), STEPS)
    assert head == [*bench.HEAD, "worst step of 64 new rows"]
    assert ours == ["structgen:cold", *["7.00"] * 5, "9.00", "12,345"]
    assert theirs == ["peer", *["0.30"] * 5, "0.30", "-"]


def test_the_rows_have_the_slowest_of_both_and_the_steps_in_nanoseconds() -> None:
    found = [*bench.rows(results(), STEPS)]
    assert ("structgen:cold", "all", "own", "slowest mask + commit", "a", 7000) in found
    assert ("structgen:cold", "all", "common", "mask", "max", 9000) in found
    steps = [row[-2:] for row in found if row[3] == "step of 64 new rows"]
    assert steps == [("worst", 12_345_000), ("p50", 1500)]


@pytest.mark.slow
def test_a_run_of_two_seeds_writes_the_rows_of_both(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "in").mkdir()
    given = ["--engine", "structgen:cold", "--tokenizer", "small", "--sample", "2", "--seed", "0,1"]
    given += ["--rows", "2,9", "--rounds", "2", "--clock", "processor", "--results", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", ["x", str(maskbench(tmp_path / "in")), *given])
    assert bench.main() == 0
    (file,) = tmp_path.glob("masks-default-*.csv")
    with file.open(encoding="utf-8") as lines:
        found = [*csv.DictReader(lines)]
    for seed in "01":
        of_seed = [row for row in found if row["options"].endswith(f"--seed {seed}")]
        passing = [row["value"] for row in of_seed if (row["split"], row["figure"]) == ("all", "passing")]
        assert passing == ["2"]
        assert [row["figure"] for row in of_seed if row["measure"] == "step of 2 new rows"] == [
            *("worst", "p50", "sum", "worst fill")
        ]
    assert "No batch of 9 rows: all engines take 3 texts." in capsys.readouterr().out
