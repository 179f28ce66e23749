from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from long_waits import without_waits
from typer.testing import CliRunner

from structgen.doors.cli import app
from structgen.doors.maskbench.readers import Case

FILE = json.dumps(
    {"schema": {"enum": ["ab"]}, "tests": [{"data": "ab", "valid": True}, {"data": "b", "valid": False}]}
)


@pytest.fixture
def called(tmp_path):
    """Return what runs the command over one file with the fake engines of the given names."""
    (tmp_path / "Easy---a.json").write_text(FILE)

    def call(named, *options):
        arguments = ["maskbench", str(tmp_path), "--engine", f"fake_engines:{named}", *options]
        return CliRunner().invoke(app(), arguments)

    return call


@pytest.mark.parametrize(
    ("engine", "column", "status", "timeout"),
    [
        ("Listed", "passing", 0, "600"),
        ("RefusesEverything", "valid_refused", 1, "600"),
        ("HangsCompiling", "timed_out", 1, "0.05"),
    ],
)
def test_the_column_and_the_exit_status_of_a_fault(called, engine, column, status, timeout):
    done = called(engine, "--json", "--timeout", timeout)
    counts = json.loads(done.stdout)["engines"][engine]["all"]
    assert (counts[column], done.exit_code) == (1, status)


def test_a_limit_has_a_row_of_its_own(called):
    table = called("Limited").stdout
    assert re.search(r"stopped by a limit of the engine +1\n", table)
    assert re.search(r"^crashed +0$", table, re.MULTILINE)


def test_failures_are_written_as_json_lines(called, tmp_path):
    called("RefusesEverything", "--failures", str(tmp_path / "out.txt"))
    (line,) = (tmp_path / "out.txt").read_text().splitlines()
    found = json.loads(line)
    assert (found["schema"], found["instance"], found["byte"]) == ("Easy---a.json", 0, 0)
    assert found["expected"] == "one of the listed texts"


def test_a_short_run_without_a_terminal_tells_no_progress(called):
    assert without_waits(called("Listed").stderr) == ""


@pytest.mark.parametrize(
    "options",
    [
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
    assert "No module named 'missing'" in done.output.replace("\n", " ")


def test_a_run_says_what_it_takes_to_make_it_again(called):
    found = json.loads(called("Listed", "--json", "--seed", "7", "--tokenizer", "bytes").stdout)
    assert found["versions"].keys() == {"Listed"} and found["seed"] == 7 and found["policy"] == "widest"
    assert found["policies"]["property_order"] == "any"
    assert found["vocabulary"]["tokens"] == 257 and len(found["vocabulary"]["digest"]) == 40
    assert datetime.fromisoformat(found["date"]).utcoffset() == timedelta(0)
    shown = called("Listed", "--tokenizer", "bytes").stdout
    cited = shown.partition("To cite this run:\n")[2]
    said = found["data_digest"], found["vocabulary"]["digest"], found["machine"], "Policy: widest"
    assert [one for one in said if one not in cited] == []


def test_the_digest_of_the_data_follows_each_case_and_not_their_order(tmp_path):
    def digest(*files):
        given = ["maskbench", *map(str, files), "--json", "--engine", "fake_engines:Listed"]
        return json.loads(CliRunner().invoke(app(), given).stdout)["data_digest"]

    for name in "ab":
        (tmp_path / f"{name}.json").write_text(FILE)
    a, b = tmp_path / "a.json", tmp_path / "b.json"
    assert digest(a, b) == digest(b, a) != digest(a)


def test_the_digest_of_a_case_follows_all_of_it():
    a = Case("a", "x", '{"type": "integer"}', ("1",))
    changed = [replace(a, schema="true"), replace(a, instances=("2",)), replace(a, name="c")]
    assert len({one.digest for one in (a, *changed)}) == 4
