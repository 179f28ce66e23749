"""Results in a file, which the next run finds: of one process, and of workers on Ray. Those are in this
process here; tests/doors/serving has the real ones."""

from __future__ import annotations

import json
from pathlib import Path

import in_process_workers
import pytest
from typer.testing import CliRunner

from structgen.doors.cli import app
from structgen.doors.maskbench import runner
from structgen.doors.maskbench.engines import EngineConfig
from structgen.doors.maskbench.readers import Case, Instance
from structgen.doors.maskbench.runner import BenchRun, Engines
from structgen.errors import OptionError


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


def _kept(out, cases, *, configs=CONFIGS, timeout=600.0, on_ray=True):
    found = BenchRun(configs, timeout=timeout, out=out, on_ray=on_ray).results_of_cases(cases)
    return {results[0].name: results for results in found}


def _untimed(results):
    clock = {"cpu": None, "pauses": None}
    return {
        name: [
            [{**step, "times": len(step["times"]), **clock} for step in case.to_plain()["steps"]]
            for case in found
        ]
        for name, found in results.items()
    }


def test_results_are_those_of_one_process_and_the_next_run_finds_them(tmp_path, monkeypatch):
    workers = in_process_workers.use(monkeypatch, runner)
    expected = _kept(None, _cases(), on_ray=False)
    assert _untimed(_kept(tmp_path / "alone", _cases(), on_ray=False)) == _untimed(expected)
    found = _kept(tmp_path / "out", _cases())
    assert _untimed(found) == _untimed(expected)
    assert [len(shard) for shard in workers.shards] == [1, 1, 1, 1]
    workers.shards.clear()
    assert _kept(tmp_path / "out", _cases()) == found
    assert not workers.shards


def test_a_run_that_was_cut_does_what_is_missing_and_another_one_is_refused(tmp_path, monkeypatch):
    workers = in_process_workers.use(monkeypatch, runner)
    configs, cases, out = _configs("Listed"), _cases(), tmp_path / "out"
    found = _kept(out, cases, configs=configs)
    first, *lines = out.read_bytes().splitlines(keepends=True)
    out.write_bytes(b"".join(lines) + first[:30])
    workers.shards.clear()
    assert _untimed(_kept(out, cases, configs=configs)) == _untimed(found)
    assert [[case.name for _, case in shard] for shard in workers.shards] == [["case 0"]]
    for other, told in (
        ({"cases": _cases(word="abc")}, "set of schemas"),
        ({"cases": cases[:3]}, "set of schemas"),
        ({"configs": _configs("RefusesEverything")}, "version of an engine"),
        ({"timeout": 21.0}, "timeout, policy or tokenizer"),
    ):
        with pytest.raises(OptionError, match=f"another run, with another {told}"):
            _kept(out, **{"cases": cases, "configs": configs, **other})


def test_the_command_reports_what_one_process_reports(tmp_path, monkeypatch):
    in_process_workers.use(monkeypatch, runner)
    (tmp_path / "in").mkdir()
    for i in range(4):
        text = {"schema": {"enum": ["ab"]}, "tests": [{"data": "ab" if i else "b", "valid": True}]}
        (tmp_path / "in" / f"Easy---{i}.json").write_text(json.dumps(text))

    def call(*options):
        given = ["maskbench", str(tmp_path / "in"), "--engine", "fake_engines:Listed", "--json", *options]
        done = CliRunner().invoke(app(), given)
        return done.exit_code, json.loads(done.stdout)

    status, alone = call()
    ours, shared = call("--ray", "--out", str(tmp_path / "out"), "--workers", "1")
    assert status == ours == 1 and shared["jobs"] == 1
    assert shared["data_digest"] == alone["data_digest"] and shared["versions"] == alone["versions"]
    counts = [one["engines"]["Listed"]["all"] for one in (alone, shared)]
    assert counts[0]["passing"] == counts[1]["passing"] == 3


@pytest.mark.parametrize("wrong", [["--ray"], ["--workers", "2"], ["--ray", "--out", "x", "--jobs", "2"]])
def test_the_command_takes_ray_with_a_file_alone(wrong):
    refused = CliRunner().invoke(app(), ["maskbench", str(Path(__file__)), *wrong])
    assert refused.exit_code == 2 and "--ray takes --out" in refused.stderr.replace("\n", " ")


def test_a_worker_starts_its_engines_once():
    engines = Engines(_configs("TellsItsProcess"), 20.0)
    shards = [list(engines(list(enumerate(_cases(2)))))[1:] for _ in range(2)]
    reasons = {one["steps"][0]["reason"] for lines in shards for line in lines for one in line["results"]}
    assert len(reasons) == 1 and reasons.pop().startswith("process ")
