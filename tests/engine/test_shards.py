"""Bulk work on Ray: shards that are whole, each line once, the texts of one process.

Ray is a fake here; tests/serving has the real one."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

import fake_ray  # noqa: E402
from small_models import Function, tokenizer, write_llama  # noqa: E402
from typer.testing import CliRunner  # noqa: E402

import structgen as sg  # noqa: E402
from structgen.cli import app  # noqa: E402
from structgen.engine.bulk import BulkProgress, run_bulk, run_bulk_on_ray  # noqa: E402
from structgen.engine.bulk import bulk_on_ray as module  # noqa: E402
from structgen.engine.bulk.bulk_on_ray import ShardWriter  # noqa: E402
from structgen.engine.bulk.bulk_runs import run_file  # noqa: E402
from structgen.engine.engine import Engine  # noqa: E402
from structgen.engine.requests import Request, Sampling  # noqa: E402
from structgen.system.ray_workers import RayWorkers  # noqa: E402

TOKENIZER = tokenizer()
GRAMMAR = sg.json_schema({"type": "array", "items": {"enum": ["a", "b", "c"]}, "minItems": 1, "maxItems": 3})
COUNT = 23


def _engine() -> Engine:
    return Engine(Function(TOKENIZER.vocab_size), TOKENIZER, max_rows=3)


def _request(text: str) -> Request:
    return Request(text, GRAMMAR, Sampling(seed=len(text)), max_tokens=1 if text == "p13" else 40)


def _other_request(text: str) -> Request:
    return Request(text, GRAMMAR, Sampling(seed=9), max_tokens=40)


def _writer(model: str, options: dict[str, Any], request_of: Any) -> ShardWriter:
    """Stands for the function that loads a model by its name."""
    return ShardWriter(_engine(), request_of)


@pytest.fixture
def prompts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(module, "_writer", _writer)
    path = tmp_path / "p.jsonl"
    lines = [{"prompt": f"p{i}", "id": f"id{i}", "seed": i if i % 3 == 0 else None} for i in range(COUNT)]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def _expected(prompts: Path, folder: Path) -> list[bytes]:
    """Return the lines of one process, in the order of the prompts."""
    run_bulk(_engine(), prompts, folder / "one.jsonl", _request, start_over=True)
    lines = (folder / "one.jsonl").read_bytes().splitlines(keepends=True)
    return sorted(lines, key=lambda line: json.loads(line)["line"])


def _lines(out: Path) -> list[bytes]:
    files = sorted(path for path in out.iterdir())
    return [line for path in files for line in path.read_bytes().splitlines(keepends=True)]


def _run(prompts: Path, out: Path, request_of: Any = _request, **options: Any) -> BulkProgress:
    options = {"shard_size": 5, **options}
    return run_bulk_on_ray("structgen/extract", prompts, out, request_of, **options)


def test_shards_have_the_lines_of_one_process_and_the_same_run(
    tmp_path: Path, prompts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ray, out, seen = fake_ray.use(monkeypatch), tmp_path / "out", []
    last = _run(prompts, out, tell=seen.append)
    assert _lines(out) == _expected(prompts, tmp_path)
    assert run_file(out).read_bytes() == run_file(tmp_path / "one.jsonl").read_bytes()
    assert sorted(path.name for path in out.iterdir()) == [f"{i:09}.jsonl" for i in range(0, COUNT, 5)]
    assert (last.before, last.done, last.total) == (0, COUNT, COUNT) and seen[-1] == last
    assert [now.done for now in seen] == sorted(now.done for now in seen)
    assert not ray.is_up and not ray.actors
    assert all(one["max_restarts"] == one["max_task_retries"] == -1 for one in ray.options)


def test_a_worker_that_is_killed_begins_anew_and_its_shard_is_there_once(
    tmp_path: Path, prompts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_ray.use(monkeypatch, killed=(1, 3, 4))
    _run(prompts, tmp_path / "out")
    assert _lines(tmp_path / "out") == _expected(prompts, tmp_path)


class _Killed(BaseException):
    """Comes in the middle of the work."""


@pytest.mark.parametrize("after", range(6))
@pytest.mark.parametrize("size", [3, 5, 7])
def test_the_next_run_hands_out_what_is_missing_alone(
    tmp_path: Path, prompts: Path, monkeypatch: pytest.MonkeyPatch, after: int, size: int
) -> None:
    ray, out, done = fake_ray.use(monkeypatch), tmp_path / "out", []

    def tell(_: BulkProgress) -> None:
        done.append(1)
        if len(done) == after:
            raise _Killed

    if after:
        with pytest.raises(_Killed):
            _run(prompts, out, tell=tell)
        assert not ray.is_up and not ray.actors
    ray.calls.clear()
    handed: list[Any] = []
    plain = RayWorkers.answers
    monkeypatch.setattr(
        RayWorkers, "answers", lambda self, shards: (handed.extend(shards), plain(self, list(handed)))[1]
    )
    before = {json.loads(line)["line"] for line in _lines(out)} if after else set()
    assert _run(prompts, out, shard_size=size).before == len(before)
    assert [prompt.line for shard in handed for prompt in shard] == sorted(set(range(COUNT)) - before)
    assert max(map(len, handed), default=0) <= size and ray.calls.count("work") == len(handed)
    assert _lines(out) == _expected(prompts, tmp_path)
    handed.clear()
    assert _run(prompts, out).before == COUNT and not handed


def test_a_full_disk_leaves_no_part_of_a_shard_and_the_next_run_goes_on(
    tmp_path: Path, prompts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_ray.use(monkeypatch)
    out, plain, synced = tmp_path / "out", os.fsync, []

    def full(file: int) -> None:
        synced.append(file)
        if len(synced) == 4:  # the run file, two shards
            raise OSError(errno.ENOSPC, "No space left on device")
        plain(file)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space") as caught:
        _run(prompts, out)
    assert Path(caught.value.filename).parent == out
    assert len(list(out.iterdir())) == 2
    before = len(_lines(out))
    assert _run(prompts, out).before == before > 0
    assert _lines(out) == _expected(prompts, tmp_path)


def test_results_of_another_run_are_refused_and_start_over_deletes_them(
    tmp_path: Path, prompts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_ray.use(monkeypatch)
    out = tmp_path / "out"
    _run(prompts, out)
    before = _lines(out)
    with pytest.raises(sg.errors.OptionError, match="another sampling or seed"):
        _run(prompts, out, _other_request)
    assert _lines(out) == before
    (out / "notes.txt").write_text("mine\n")
    _run(prompts, out, _other_request, start_over=True, shard_size=4)
    assert (out / "notes.txt").read_text() == "mine\n"
    (out / "notes.txt").unlink()
    found = [json.loads(line) for line in _lines(out)]
    assert [line["line"] for line in found] == list(range(COUNT))
    assert {line["error"] for line in found} == {None}


def test_prompts_that_were_added_are_done_in_shards_of_their_own(
    tmp_path: Path, prompts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_ray.use(monkeypatch)
    out = tmp_path / "out"
    _run(prompts, out)
    with prompts.open("a") as file:
        file.write('"more"\n"and more"\n')
    assert _run(prompts, out).before == COUNT
    assert _lines(out) == _expected(prompts, tmp_path)


def test_a_shard_that_was_cut_is_refused(
    tmp_path: Path, prompts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_ray.use(monkeypatch)
    out = tmp_path / "out"
    _run(prompts, out)
    shard = out / "000000005.jsonl"
    shard.write_bytes(shard.read_bytes()[:-9])
    with pytest.raises(sg.errors.OptionError, match=r"000000005\.jsonl.*cut"):
        _run(prompts, out)


def test_a_file_and_a_folder_of_results_are_not_mixed_up(
    tmp_path: Path, prompts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_ray.use(monkeypatch)
    (tmp_path / "out").mkdir()
    with pytest.raises(sg.errors.OptionError, match="a folder has the results of a run on Ray"):
        run_bulk(_engine(), prompts, tmp_path / "out", _request)
    (tmp_path / "one").write_text("")
    with pytest.raises(sg.errors.OptionError, match="a file has the results of one process"):
        _run(prompts, tmp_path / "one")


def test_workers_that_find_no_room_hold_up_nobody(
    tmp_path: Path, prompts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ray = fake_ray.use(monkeypatch, hidden=3)
    _run(prompts, tmp_path / "out", workers=4)
    assert len(ray.options) == 4
    assert _lines(tmp_path / "out") == _expected(prompts, tmp_path)


def test_a_cluster_that_was_there_before_stays_without_our_workers(
    tmp_path: Path, prompts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ray = fake_ray.use(monkeypatch)
    ray.init()
    _run(prompts, tmp_path / "out")
    assert ray.is_up and not ray.actors


def test_workers_of_different_models_are_refused(
    tmp_path: Path, prompts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_ray.use(monkeypatch)
    abouts = iter("ab")
    monkeypatch.setattr(ShardWriter, "about", lambda _: {"model": next(abouts)})
    with pytest.raises(sg.StructgenError, match="same model"):
        _run(prompts, tmp_path / "out")


def test_what_is_wrong_with_a_model_is_said_once_and_nothing_is_written(
    tmp_path: Path, prompts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    ray = fake_ray.use(monkeypatch)
    with pytest.raises(sg.StructgenError, match="nowhere"):
        run_bulk_on_ray(tmp_path / "nowhere", prompts, tmp_path / "out", _request)
    assert not (tmp_path / "out").exists() and not run_file(tmp_path / "out").exists() and not ray.is_up


@pytest.mark.parametrize(
    ("options", "told"),
    [({"workers": 0}, "workers"), ({"shard_size": 0}, "shard_size"), ({"device": "cuda"}, "no GPU")],
)
def test_wrong_options_are_refused(
    tmp_path: Path, prompts: Path, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any], told: str
) -> None:
    ray = fake_ray.use(monkeypatch)
    with pytest.raises(sg.errors.OptionError, match=told):
        _run(prompts, tmp_path / "out", **options)
    assert not ray.is_up


def test_requests_that_cannot_be_sent_are_refused(
    tmp_path: Path, prompts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ray = fake_ray.use(monkeypatch)

    def unsent(_: Any) -> Any:
        raise TypeError("cannot pickle '_thread.lock' object")

    monkeypatch.setattr(ray, "put", unsent)
    with pytest.raises(sg.errors.OptionError, match=r"cannot be sent.*plain values and grammars"):
        _run(prompts, tmp_path / "out")


def test_what_a_worker_cannot_read_is_said(
    tmp_path: Path, prompts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_ray.use(monkeypatch)

    def unread(*_: Any) -> Any:
        raise ModuleNotFoundError("No module named 'mine'")

    monkeypatch.setattr(ShardWriter, "about", unread)
    with pytest.raises(sg.StructgenError, match=r"A worker failed: .*No module named 'mine'"):
        _run(prompts, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_without_ray_the_error_says_how_to_install_it(
    tmp_path: Path, prompts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    with pytest.raises(sg.errors.OptionError, match="pip install ray"):
        _run(prompts, tmp_path / "out")


def test_the_command_works_on_ray_and_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ray = fake_ray.use(monkeypatch)
    monkeypatch.setattr(ray, "put", lambda made: made)
    monkeypatch.setattr(fake_ray, "pickle", __import__("types").SimpleNamespace(loads=_same, dumps=_same))
    prompts, out = tmp_path / "p.txt", tmp_path / "out"
    prompts.write_text("flags\nmore flags\n")
    model = write_llama(tmp_path / "model")

    def ask(*rest: str) -> Any:
        given = ["--model", str(model), "--schema", '{"type": "boolean"}', "-o", "device=cpu"]
        named = ["--prompts", str(prompts), "--out", str(out), "--ray", "--workers", "1"]
        return CliRunner().invoke(app(), ["bulk", *given, *named, *rest])

    first = ask()
    assert first.exit_code == 0, first.output
    assert "2 of 2 texts" in first.stderr and len(_lines(out)) == 2
    assert "2 of them before" in ask().stderr
    refused = ask("--max-tokens", "7")
    assert refused.exit_code == 2 and "another max_tokens" in refused.stderr


def _same(value: Any) -> Any:
    return value


@pytest.mark.parametrize("wrong", [["--workers", "2"], ["-o", "shard_size=2"], ["-o", "engine=vllm"]])
def test_the_command_takes_ray_for_many_prompts_alone(wrong: list[str]) -> None:
    refused = CliRunner().invoke(app(), ["bulk", "--schema", "{}", "--prompts", "p", "--out", "o", *wrong])
    assert refused.exit_code == 2 and "It is for workers on Ray. Add --ray" in refused.stderr
