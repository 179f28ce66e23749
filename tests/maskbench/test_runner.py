from __future__ import annotations

import json

import fake_engines
import pytest

from structgen.errors import OptionError
from structgen.maskbench.engines import EngineConfig
from structgen.maskbench.measurements import SchemaOutcome, Verdict
from structgen.maskbench.readers import Case, Instance
from structgen.maskbench.run_report import Tally
from structgen.maskbench.runner import BenchRun, engine_config

SCHEMA = Case(
    "a",
    "s",
    json.dumps({"enum": ["ab", 17]}),
    (Instance(b'"ab"', True), Instance(b'"ac"', False), Instance(b"17", True)),
)
UNKNOWN = Case("b", "s", json.dumps({"enum": [1], "not": {}}), (Instance(b"1", True),))


def results(*factories, cases=(SCHEMA,), timeout=20.0, jobs=1):
    """Return the results of each case, one an engine, and the run."""
    configs = [EngineConfig(factory, f"fake_engines:{factory}") for factory in factories]
    with BenchRun(configs, timeout=timeout, jobs=jobs) as run:
        run.prepare(lambda: (), lambda: None)
        return [found for _, found in run.results(cases)], run


def only(factory, **options):
    ((one,),), _ = results(factory, **options)
    return one


def test_an_exact_engine_passes():
    one = only("Listed")
    assert (one.outcome, one.compiled, one.verdicts) == (SchemaOutcome.PASSING, True, [Verdict.RIGHT] * 3)
    assert len(list(one.commits())) == 4 + 2 + 2


def test_an_engine_that_accepts_everything_accepts_the_invalid_instance():
    one = only("AcceptsEverything")
    assert one.verdicts == [Verdict.RIGHT, Verdict.INVALID_ACCEPTED, Verdict.RIGHT]
    assert [(failure.kind, failure.instance) for failure in one.failures] == [("invalid accepted", 1)]


def test_an_engine_that_refuses_everything_refuses_the_valid_instances():
    one = only("RefusesEverything")
    assert one.verdicts == [Verdict.VALID_REFUSED, Verdict.RIGHT, Verdict.VALID_REFUSED]
    assert [(failure.instance, failure.byte) for failure in one.failures] == [(0, 0), (2, 0)]


def test_a_refused_schema_is_counted_under_its_reason():
    one = only("Listed", cases=[UNKNOWN])
    assert (one.outcome, one.reason, one.first_ns) == (SchemaOutcome.REFUSED, "unsupported: not", None)


def test_a_file_that_could_not_be_read_is_refused_without_an_engine_seeing_it():
    one = only("Dies", cases=[Case("b", "s", "", problem="not JSON at line 1, column 2")])
    assert (one.outcome, one.reason) == (SchemaOutcome.REFUSED, "not JSON at line 1, column 2")


def test_an_engine_that_hangs_in_a_mask_times_out_and_its_time_is_kept():
    one = only("HangsInMask", timeout=1.0)
    assert (one.outcome, one.verdicts, one.skipped) == (SchemaOutcome.TIMED_OUT, [Verdict.TIMED_OUT], 2)
    assert max(one.masks()) >= 0.5e9
    assert len(list(one.commits())) == 2


def test_an_engine_that_hangs_in_a_commit_times_out_and_its_time_is_kept():
    one = only("HangsInCommit", timeout=1.0)
    assert one.outcome is SchemaOutcome.TIMED_OUT
    assert [ns >= 0.5e9 for ns in one.commits()] == [True]


def test_an_engine_that_hangs_while_compiling_times_out_and_its_time_is_kept():
    one = only("HangsCompiling", timeout=1.0)
    assert (one.outcome, one.compiled, one.skipped) == (SchemaOutcome.TIMED_OUT, False, 3)
    assert one.first_ns >= 0.9e9


def test_the_limit_counts_from_the_moment_at_which_the_worker_begins():
    assert only("BeginsLate", timeout=2.0).outcome is SchemaOutcome.PASSING


def test_an_engine_that_dies_is_a_crash_with_its_last_words():
    one = only("Dies")
    assert (one.outcome, one.verdicts) == (SchemaOutcome.CRASHED, [Verdict.CRASHED])
    assert "SIGABRT" in one.failures[0].detail
    assert fake_engines.SECRET in one.failures[0].detail


def test_an_exception_crashes_its_instance_alone():
    one = only("Raises")
    assert one.verdicts == [Verdict.CRASHED] * 3
    assert "RuntimeError: a bug" in one.failures[0].detail


@pytest.mark.parametrize("factory", ["Dies", "HangsInMask"])
def test_after_a_crash_or_a_timeout_the_next_schema_is_served(factory):
    short = Case("c", "s", json.dumps({"enum": [1]}), (Instance(b"1", True),))
    found, _ = results(factory, cases=[SCHEMA, short], timeout=1.5)
    assert found[1][0].outcome is SchemaOutcome.PASSING


def test_a_policy_has_its_own_column():
    tally = Tally()
    tally.add([only("RefusesByPolicy")])
    counts = tally.counts("RefusesByPolicy")
    assert [counts[name] for name in ("policy", "valid_refused", "passing")] == [1, 0, 0]
    assert tally.faults("RefusesByPolicy") == 0


def test_a_schema_unsatisfiable_by_policy_alone_is_in_the_policy_column():
    assert only("UnsatisfiableByPolicy").outcome is SchemaOutcome.POLICY


def test_an_engine_that_is_not_installed_says_why_and_the_others_run():
    found, run = results("Missing", "Listed")
    assert [one.engine for one in found[0]] == ["Listed"]
    assert "No module named 'missing'" in run.unavailable["Missing"]


def test_several_jobs_find_what_one_finds():
    cases = [Case(f"{i}", "s", SCHEMA.schema, SCHEMA.instances) for i in range(6)]
    found, _ = results("Listed", "RefusesEverything", cases=cases, jobs=2)
    assert sorted((one.name, one.engine, one.outcome.value) for pair in found for one in pair) == sorted(
        (case.name, engine, outcome)
        for case in cases
        for engine, outcome in (("Listed", "passing"), ("RefusesEverything", "failing"))
    )


@pytest.mark.parametrize("name", ["outlines", "structgen:hot", "structgen:warm", "llguidance:cold", ""])
def test_an_unknown_engine_is_refused_by_name(name):
    with pytest.raises(OptionError, match="Choose from structgen"):
        engine_config(name, "bytes", {})


def test_policies_are_for_our_own_engine_alone():
    policies = {"whitespace": "any"}
    assert engine_config("structgen:cold", "bytes", policies).policies == policies
    assert engine_config("glrmask", "bytes", policies).policies == {}
