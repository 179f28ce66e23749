"""Bulk work on Ray: the file of one process, which either way of working goes on with.

Workers are in this process here; tests/doors/serving has those of Ray."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import in_process_workers
import pytest
from small_models import Function, tokenizer, write_llama
from typer.testing import CliRunner

import structgen as sg
from structgen.decoding.engine import bulk_runs
from structgen.decoding.engine.bulk_runs import BulkProgress, engine_answers, run_bulk, run_bulk_on_ray
from structgen.decoding.engine.engine import Engine
from structgen.decoding.engine.requests import Request, Sampling
from structgen.decoding.runs.result_files import run_file
from structgen.doors.cli import app

TOKENIZER = tokenizer()
GRAMMAR = sg.json_schema({"type": "array", "items": {"enum": ["a", "b", "c"]}, "minItems": 1, "maxItems": 3})
COUNT = 23
Workers = in_process_workers.InProcessWorkers
Lines = tuple[list[bytes], bytes]


def _engine() -> Engine:
    return Engine(Function(TOKENIZER.vocab_size), TOKENIZER, max_rows=3)


def _request(text: str) -> Request:
    return Request(text, GRAMMAR, Sampling(seed=len(text)), max_tokens=1 if text == "p13" else 40)


def _other_request(text: str) -> Request:
    return Request(text, GRAMMAR, Sampling(seed=9), max_tokens=40)


def _own_answers(model: str, options: dict[str, Any], request_of: Any) -> Any:
    """Stands for the function that loads a model by its name."""
    return engine_answers(_engine(), request_of)


@pytest.fixture
def workers(monkeypatch: pytest.MonkeyPatch) -> Workers:
    monkeypatch.setattr(bulk_runs, "_own_answers", _own_answers)
    return in_process_workers.use(monkeypatch, bulk_runs)


def _prompts(folder: Path) -> Path:
    path = folder / "p.jsonl"
    lines = [{"prompt": f"p{i}", "id": f"id{i}", "seed": i if i % 3 == 0 else None} for i in range(COUNT)]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


@pytest.fixture
def prompts(tmp_path: Path) -> Path:
    return _prompts(tmp_path)


def _sorted(out: Path) -> list[bytes]:
    """Return the lines of results in the order of the prompts."""
    return sorted(out.read_bytes().splitlines(), key=lambda line: json.loads(line)["line"])


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> Lines:
    """Return the lines of one process, and what it writes of its run."""
    folder = tmp_path_factory.mktemp("one")
    run_bulk(_engine(), _prompts(folder), folder / "one.jsonl", _request)
    return _sorted(folder / "one.jsonl"), run_file(folder / "one.jsonl").read_bytes()


def _run(prompts: Path, out: Path, request_of: Any = _request, **options: Any) -> BulkProgress:
    options = {"shard_size": 5, **options}
    return run_bulk_on_ray("structgen/extract", prompts, out, request_of, **options)


def test_results_are_the_lines_of_one_process_and_the_same_run(
    prompts: Path, workers: Workers, expected: Lines
) -> None:
    out, seen = prompts.with_name("out.jsonl"), list[BulkProgress]()
    last = _run(prompts, out, tell=seen.append)
    assert (_sorted(out), run_file(out).read_bytes()) == expected
    assert [len(shard) for shard in workers.shards] == [5, 5, 5, 5, 3] and not workers.lent
    assert (last.before, last.done, last.total) == (0, COUNT, COUNT) and seen[-1] == last
    assert [now.done for now in seen] == list(range(1, COUNT + 1))


class _Killed(BaseException):
    """Comes in the middle of the work."""


def _dies(after: int) -> Callable[[BulkProgress], None]:
    """Return a listener that ends a run after so many texts."""

    def tell(now: BulkProgress) -> None:
        if now.done == now.before + after:
            raise _Killed

    return tell


@pytest.mark.parametrize(("after", "size"), [(1, 7), (5, 5), (8, 3), (17, 7), (COUNT, 5)])
def test_the_next_run_hands_out_what_is_missing_alone(
    prompts: Path, workers: Workers, expected: Lines, after: int, size: int
) -> None:
    out = prompts.with_name("out.jsonl")
    with pytest.raises(_Killed):
        _run(prompts, out, tell=_dies(after))
    assert not workers.lent
    workers.shards.clear()
    before = {json.loads(line)["line"] for line in out.read_bytes().splitlines()}
    assert _run(prompts, out, shard_size=size).before == len(before) == after
    handed = [prompt.line for shard in workers.shards for prompt in shard]
    assert handed == sorted(set(range(COUNT)) - before)
    assert max(map(len, workers.shards), default=0) <= size
    assert _sorted(out) == expected[0]


def test_one_process_goes_on_with_a_run_on_ray_and_the_other_way_round(
    prompts: Path, workers: Workers, expected: Lines
) -> None:
    out = prompts.with_name("out.jsonl")
    with pytest.raises(_Killed):
        _run(prompts, out, tell=_dies(8))
    with pytest.raises(_Killed):
        run_bulk(_engine(), prompts, out, _request, _dies(8))
    assert _run(prompts, out).before == 16
    assert _sorted(out) == expected[0]


@pytest.mark.usefixtures("workers")
def test_results_of_another_run_are_refused_also_where_none_are_missing(
    tmp_path: Path, prompts: Path
) -> None:
    out = tmp_path / "out.jsonl"
    _run(prompts, out)
    before = out.read_bytes()
    with pytest.raises(sg.errors.OptionError, match="another sampling or seed"):
        _run(prompts, out, _other_request)
    assert out.read_bytes() == before
    assert _run(prompts, out, _other_request, start_over=True, shard_size=4).before == 0
    assert len(_sorted(out)) == COUNT and out.read_bytes() != before


@pytest.mark.usefixtures("workers")
def test_a_folder_takes_no_results(tmp_path: Path, prompts: Path) -> None:
    with pytest.raises(sg.errors.OptionError, match="must be a plain file"):
        _run(prompts, tmp_path)


def test_what_is_wrong_with_a_model_is_said_and_nothing_is_written(
    tmp_path: Path, prompts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_process_workers.use(monkeypatch, bulk_runs)
    with pytest.raises(sg.StructgenError, match="nowhere"):
        run_bulk_on_ray(tmp_path / "nowhere", prompts, tmp_path / "out", _request)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["p.jsonl"]


@pytest.mark.parametrize("name", ["workers", "shard_size"])
def test_numbers_below_one_are_refused(tmp_path: Path, prompts: Path, name: str) -> None:
    with pytest.raises(sg.errors.OptionError, match="must be a whole number, at least 1") as caught:
        _run(prompts, tmp_path / "out", **{name: 0})
    assert caught.value.where == name


@pytest.mark.parametrize(("device", "gpu"), [(None, None), ("cpu", False), ("cuda", True), ("cuda:1", True)])
def test_workers_have_gpus_where_the_device_says_so(
    tmp_path: Path,
    prompts: Path,
    workers: Workers,
    device: str | None,
    gpu: bool | None,
) -> None:
    seen = list[Any]()
    _run(prompts, tmp_path / "out", tell=lambda _: seen.append(dict(workers.lent)), workers=3, device=device)
    assert seen[0] == {"count": 3, "gpu": gpu, "at_once": 2}


def test_without_ray_the_error_says_how_to_install_it(
    tmp_path: Path, prompts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    with pytest.raises(sg.errors.OptionError, match=r"pip install .*\[ray\]"):
        _run(prompts, tmp_path / "out")


def test_the_command_works_on_ray_and_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    in_process_workers.use(monkeypatch, bulk_runs)
    prompts, out = tmp_path / "p.txt", tmp_path / "out"
    prompts.write_text("flags\nmore flags\n")
    model = write_llama(tmp_path / "model")

    def ask(*rest: str) -> Any:
        given = ["--model", str(model), "--schema", '{"type": "boolean"}', "-o", "device=cpu"]
        named = ["--prompts", str(prompts), "--out", str(out), "--ray", "--workers", "1"]
        return CliRunner().invoke(app(), ["bulk", *given, *named, *rest])

    first = ask()
    assert first.exit_code == 0, first.output
    assert "2 of 2 texts" in first.stderr and len(_sorted(out)) == 2
    assert "2 of them before" in ask().stderr
    refused = ask("--max-tokens", "7")
    assert refused.exit_code == 2 and "another max_tokens" in refused.stderr
    assert "Traceback" not in refused.output and len(_sorted(out)) == 2
    assert "of them before" not in ask("--max-tokens", "7", "--start-over").stderr


@pytest.mark.parametrize("wrong", [["--workers", "2"], ["-o", "shard_size=2"], ["-o", "engine=vllm"]])
def test_the_command_takes_ray_for_many_prompts_alone(wrong: list[str]) -> None:
    refused = CliRunner().invoke(app(), ["bulk", "--schema", "{}", "--prompts", "p", "--out", "o", *wrong])
    assert refused.exit_code == 2 and "The option is for workers on Ray. Add --ray" in refused.stderr
