from __future__ import annotations

import json
import platform
import re
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from long_waits import without_waits
from typer.testing import CliRunner

from structgen.cli import app
from structgen.maskbench import engines
from structgen.maskbench.citation import case_digest, data_digest
from structgen.maskbench.engines import EngineConfig
from structgen.maskbench.readers import Case

FILE = json.dumps(
    {"schema": {"enum": ["ab"]}, "tests": [{"data": "ab", "valid": True}, {"data": "b", "valid": False}]}
)


@pytest.fixture
def called(tmp_path, monkeypatch):
    """Return what runs the command over one file with the fake engines of the given names."""
    (tmp_path / "Easy---a.json").write_text(FILE)

    def config(name, tokenizer, policies, *, memory=0):
        return EngineConfig(name, f"fake_engines:{name}", tokenizer, policies, memory=memory)

    monkeypatch.setattr(engines, "engine_config", config)

    def call(named, *options):
        arguments = ["maskbench", str(tmp_path), "--engine", named, *options]
        return CliRunner().invoke(app(), arguments)

    return call


@pytest.mark.parametrize(
    ("engine", "column", "status", "timeout"),
    [
        ("Listed", "passing", 0, "600"),
        ("RefusesEverything", "valid_refused", 1, "600"),
        ("RefusesByPolicy", "policy", 0, "600"),
        ("HangsCompiling", "timed_out", 1, "0.05"),
    ],
)
def test_the_column_and_the_exit_status_of_a_fault(called, engine, column, status, timeout):
    done = called(engine, "--json", "--timeout", timeout)
    counts = json.loads(done.stdout)["engines"][engine]["all"]
    assert (counts[column], done.exit_code) == (1, status)


def test_a_limit_has_a_row_of_its_own_in_each_form(called):
    table, rows = called("Limited").stdout, called("Limited", "--csv").stdout
    assert re.search(r"stopped by a limit of the engine +1\n", table)
    assert re.search(r"^ +crashed +0$", table, re.MULTILINE)
    assert [line for line in rows.splitlines() if "limited" in line]


def test_failures_are_written_as_json_lines(called, tmp_path):
    called("RefusesEverything", "--failures", str(tmp_path / "out.txt"))
    (line,) = (tmp_path / "out.txt").read_text().splitlines()
    found = json.loads(line)
    assert (found["schema"], found["instance"], found["byte"]) == ("Easy---a.json", 0, 0)
    assert found["expected"] == "one of the listed texts"


def test_the_time_before_the_first_schema_is_told_apart(called):
    shown = called("SlowToLoad").stdout
    assert re.search(r"^First use: SlowToLoad \d+\.\d s\. The times above leave it out\.$", shown, re.M)


def test_a_short_run_without_a_terminal_tells_no_progress(called):
    assert without_waits(called("Listed").stderr) == ""


@pytest.mark.parametrize(
    "options",
    [
        ("--json", "--csv"),
        ("--jobs", "0"),
        ("--tokenizer", "nowhere"),
        ("--failures", "/nowhere/at/all"),
        ("--nope",),
    ],
)
def test_wrong_usage_is_exit_status_2(called, options):
    assert called("Listed", *options).exit_code == 2


def test_the_only_engine_missing_is_exit_status_2_with_the_reason(called):
    done = called("Missing")
    assert done.exit_code == 2
    assert "No module named 'missing'" in done.output


def test_a_run_says_what_it_takes_to_make_it_again(called):
    found = json.loads(called("Listed", "--json", "--seed", "7", "--tokenizer", "bytes").stdout)
    assert found["versions"].keys() == {"Listed"} and found["seed"] == 7 and found["policy"] == "widest"
    assert found["policies"]["property_order"] == "any"
    assert found["vocabulary"]["tokens"] == 257 and len(found["vocabulary"]["digest"]) == 40
    assert found["machine"].keys() == {"cpu", "cores", "memory_bytes", "system", "python", "numba", "numpy"}
    assert found["machine"]["python"] == platform.python_version()
    assert datetime.fromisoformat(found["date"]).utcoffset() == timedelta(0)
    shown = called("Listed", "--tokenizer", "bytes").stdout
    cited = shown.partition("To cite this run:\n")[2]
    said = found["data_digest"], found["vocabulary"]["digest"], found["machine"]["cpu"], "Policy: widest"
    assert [one for one in said if one not in cited] == []


def test_the_digest_of_the_data_follows_each_case_and_not_their_order():
    def digest(*cases):
        return data_digest(map(case_digest, cases))

    a, b = Case("a", "x", '{"type": "integer"}', ("1",)), Case("b", "x", "true")
    assert digest(a, b) == digest(b, a) != digest(a)
    changed = [replace(a, schema="true"), replace(a, instances=("2",)), replace(a, name="c")]
    assert len({digest(one) for one in (a, *changed)}) == 4


def test_a_process_that_has_run_the_schemas_before_counts_them_once(tmp_path):
    (tmp_path / "Easy---a.json").write_text(FILE)
    arguments = ["maskbench", str(tmp_path), "--engine", "structgen:cold,structgen:same-process", "--json"]
    told = CliRunner().invoke(app(), [*arguments, "--tokenizer", "bytes"])
    found = json.loads(told.stdout)["engines"]
    assert {name: one["all"]["passing"] for name, one in found.items()} == {
        "structgen:cold": 1,
        "structgen:same-process": 1,
    }
