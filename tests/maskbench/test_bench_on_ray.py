"""Maskbench on Ray: the results of one process, from shards that the next run finds. Workers
are in this process here; tests/serving has those of Ray."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import in_process_workers
import pytest
from typer.testing import CliRunner

from structgen.cli import app
from structgen.errors import OptionError
from structgen.maskbench import engines, on_ray
from structgen.maskbench.engines import EngineConfig
from structgen.maskbench.on_ray import RayBenchRun, ShardReplay
from structgen.maskbench.readers import Case, Instance
from structgen.maskbench.runner import BenchRun

TIMES = ("first_ns", "pairs")


def _cases(count=4, word="ab"):
    return [
        Case(
            f"case {i}",
            "s",
            json.dumps({"enum": [word]} if i % 3 else {"enum": [word], "not": {}}),
            (Instance(json.dumps(word).encode(), True), Instance(b'"ac"', False)),
        )
        for i in range(count)
    ]


def _configs(*factories):
    return [EngineConfig(factory, f"fake_engines:{factory}") for factory in factories]


CONFIGS = _configs("Listed", "AcceptsEverything")


@pytest.fixture(autouse=True)
def _short_shards(monkeypatch):
    monkeypatch.setattr(on_ray, "SHARD", 3)


def _on_ray(folder, cases, *, configs=CONFIGS, timeout=600.0):
    with RayBenchRun(configs, timeout=timeout, folder=folder) as run:
        run.prepare(lambda: (), lambda: None)
        return {case.name: found for case, found in run.results(cases)}


def _untimed(results):
    return {
        name: [
            {key: value for key, value in dataclasses.asdict(one).items() if key not in TIMES}
            | {"positions": len(one.pairs)}
            for one in found
        ]
        for name, found in results.items()
    }


def test_results_are_those_of_one_process_and_the_next_run_finds_them(tmp_path, monkeypatch):
    workers = in_process_workers.use(monkeypatch, on_ray)
    with BenchRun(CONFIGS, timeout=600.0) as run:
        run.prepare(lambda: (), lambda: None)
        expected = {case.name: found for case, found in run.results(_cases())}
    found = _on_ray(tmp_path / "out", _cases())
    assert _untimed(found) == _untimed(expected)
    assert len(list((tmp_path / "out").iterdir())) == 2
    workers.shards.clear()
    assert _on_ray(tmp_path / "out", _cases()) == found
    assert not workers.shards


def test_a_run_that_was_cut_does_what_is_missing_and_another_one_finds_nothing_of_it(tmp_path, monkeypatch):
    workers = in_process_workers.use(monkeypatch, on_ray)
    configs, cases = _configs("Listed"), _cases()
    found = _on_ray(tmp_path / "out", cases, configs=configs)
    sorted((tmp_path / "out").iterdir())[1].unlink()
    workers.shards.clear()
    assert _untimed(_on_ray(tmp_path / "out", cases, configs=configs)) == _untimed(found)
    assert len(workers.shards) == 1
    for other in ({"cases": _cases(3, "abc")}, {"configs": _configs("RefusesEverything")}, {"timeout": 21.0}):
        workers.shards.clear()
        _on_ray(tmp_path / "out", **{"cases": cases[:3], "configs": configs, **other})
        assert len(workers.shards) == 1


@pytest.mark.parametrize("variant", ["cold", "same-process"])
def test_engines_whose_process_begins_in_a_certain_way_are_refused(tmp_path, variant):
    config = EngineConfig(f"structgen:{variant}", "fake_engines:Listed")
    with pytest.raises(OptionError, match="says how one process begins"):
        RayBenchRun([config], timeout=1.0, folder=tmp_path)


def test_the_command_reports_what_one_process_reports(tmp_path, monkeypatch):
    in_process_workers.use(monkeypatch, on_ray)
    (tmp_path / "in").mkdir()
    for i in range(4):
        text = {"schema": {"enum": ["ab"]}, "tests": [{"data": "ab" if i else "b", "valid": True}]}
        (tmp_path / "in" / f"Easy---{i}.json").write_text(json.dumps(text))
    monkeypatch.setattr(
        engines,
        "engine_config",
        lambda name, tokenizer, policies, *, memory=0: EngineConfig(name, f"fake_engines:{name}", tokenizer),
    )

    def call(*options):
        given = ["maskbench", str(tmp_path / "in"), "--engine", "Listed", "--json", *options]
        done = CliRunner().invoke(app(), given)
        return done.exit_code, json.loads(done.stdout)

    status, alone = call()
    ours, shared = call("--ray", "--out", str(tmp_path / "out"), "--workers", "1")
    assert status == ours == 1 and shared["jobs"] == 1
    assert shared["data_digest"] == alone["data_digest"] and shared["versions"] == alone["versions"]
    counts = [one["engines"]["Listed"]["all"] for one in (alone, shared)]
    assert counts[0]["passing"] == counts[1]["passing"] == 3


@pytest.mark.parametrize(
    "wrong", [["--ray"], ["--out", "x"], ["--workers", "2"], ["--ray", "--out", "x", "--jobs", "2"]]
)
def test_the_command_takes_ray_with_a_folder_alone(wrong):
    refused = CliRunner().invoke(app(), ["maskbench", str(Path(__file__)), *wrong])
    assert refused.exit_code == 2 and "--ray takes --out" in refused.stderr.replace("\n", " ")


def test_a_worker_starts_its_engines_once(tmp_path):
    replay = ShardReplay(_configs("TellsItsProcess"), 20.0)
    shards = [list(replay([(tmp_path, _cases(2))]))[1][1] for _ in range(2)]
    reasons = {one["reason"] for lines in shards for line in lines.splitlines() for one in json.loads(line)}
    assert len(reasons) == 1 and reasons.pop().startswith("process ")
