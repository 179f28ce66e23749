from __future__ import annotations

import json
import signal
from concurrent.futures import ThreadPoolExecutor

import pytest

from structgen.doors.maskbench.engines import EngineConfig, engine_configs
from structgen.doors.maskbench.measurements import Verdict
from structgen.doors.maskbench.readers import Case, Instance
from structgen.doors.maskbench.run_report import times_by_measure
from structgen.doors.maskbench.runner import BenchRun
from structgen.errors import OptionError, StructgenError

SCHEMA = Case(
    "a",
    "s",
    json.dumps({"enum": ["ab", 17]}),
    (Instance(b'"ab"', True), Instance(b'"ac"', False), Instance(b"17", True)),
)
UNKNOWN = Case("b", "s", json.dumps({"enum": [1], "not": {}}), (Instance(b"1", True),))


def results(*factories, cases=(SCHEMA,), timeout=600.0, jobs=1):
    """Return the results of each case, one an engine."""
    configs = [EngineConfig(factory, f"fake_engines:{factory}") for factory in factories]
    return list(BenchRun(configs, timeout=timeout, jobs=jobs).results_of_cases(cases))


SHORT = Case("c", "s", json.dumps({"enum": [1]}), (Instance(b"1", True),))
SOUND = ("Listed", "AcceptsEverything", "RefusesEverything")
BROKEN = ("Raises", "Dies", "Limited", "SaysItIsLimited")


@pytest.fixture(scope="module")
def found():
    """The results of each engine for three schemas, by one run."""
    every = results(*SOUND, *BROKEN, cases=[SCHEMA, UNKNOWN, SHORT])
    return {one.engine: [results[at] for results in every] for at, one in enumerate(every[0])}


@pytest.fixture(scope="module")
def hanging():
    """The results of engines that hang for a schema, each in a run of its own; all wait at the same time."""

    def results_of(factory, *cases):
        return [one for (one,) in results(factory, cases=cases, timeout=1.0)]

    cases = {
        "HangsInMask": [SCHEMA, SHORT],
        "HangsInCommit": [SCHEMA],
        "HangsCompiling": [SCHEMA],
        "SlowToLoad": [SHORT],
    }
    with ThreadPoolExecutor() as pool:
        found = {factory: pool.submit(results_of, factory, *given) for factory, given in cases.items()}
    return {factory: one.result() for factory, one in found.items()}


R, A, V, C, L = (
    *(Verdict.RIGHT, Verdict.INVALID_ACCEPTED, Verdict.VALID_REFUSED),
    *(Verdict.CRASHED, Verdict.LIMITED),
)


@pytest.mark.parametrize(
    ("engine", "outcome", "verdicts"),
    [
        ("Listed", R, [R, R, R]),
        ("AcceptsEverything", A, [R, A, R]),
        ("RefusesEverything", V, [V, R, V]),
        ("Raises", C, [C, C, C]),
        ("Dies", C, [C]),
        ("Limited", L, [L, L, L]),
        ("SaysItIsLimited", L, [L, L, L]),
    ],
)
def test_an_engine_is_judged_by_each_instance(found, engine, outcome, verdicts):
    one, _, short = found[engine]
    assert (one.outcome, [step.kind for step in one.steps[1:]]) == (outcome, verdicts)
    assert engine != "Dies" or short.outcome is R  # by another process


def test_what_is_measured_and_told_of_an_engine(found):
    assert len(times_by_measure(found["Listed"][0])["commit"]) == 4 + 2 + 2
    told = {
        name: [(one["kind"], one["instance"], one["byte"]) for one in found[name][0].failure_records()]
        for name in SOUND[1:3]
    }
    assert told["AcceptsEverything"][0][:2] == ("invalid accepted", 1)
    assert [one[1:] for one in told["RefusesEverything"]] == [(0, 0), (2, 0)]
    assert "RuntimeError: a bug" in found["Raises"][0].steps[1].detail
    assert found["Dies"][0].steps[1].detail == f"exit code {-signal.SIGABRT}"


def test_a_refused_schema_is_counted_under_its_reason(found):
    one = found["Listed"][1]
    assert (one.outcome, one.steps[0].reason) == (Verdict.REFUSED, "unsupported: not")
    assert len(one.steps) == 1 and not one.steps[0].times


def test_an_engine_that_is_not_there_ends_the_run_with_the_reason():
    with pytest.raises(StructgenError, match=r"Missing cannot run.*No module named 'missing'.*fake_engines:"):
        results("Listed", "Missing")


def test_a_file_that_could_not_be_read_is_refused_without_an_engine_seeing_it():
    unread = Case("b", "s", "", problem="not JSON at line 1, column 2")
    ((one,),) = results("Dies", cases=[unread])
    assert (one.outcome, one.steps[0].reason) == (Verdict.REFUSED, "not JSON at line 1, column 2")


def test_an_engine_that_hangs_times_out_and_its_time_is_kept(hanging):
    mask, commit, compiling = (
        hanging[name][0] for name in ("HangsInMask", "HangsInCommit", "HangsCompiling")
    )
    assert {one.outcome for one in (mask, commit, compiling)} == {Verdict.TIMED_OUT}
    assert [len(one.steps) for one in (mask, commit, compiling)] == [2, 2, 1]
    assert [times_by_measure(one)["mask"].tolist() for one in (mask, commit)] == [[10**9], [10**9]]
    assert compiling.steps[0].times.tolist() == [10**9]
    assert hanging["HangsInMask"][1].outcome is R  # by another process


def test_the_limit_counts_from_the_moment_at_which_the_worker_begins(hanging):
    assert hanging["SlowToLoad"][0].outcome is R


def test_several_jobs_find_what_one_finds():
    cases = [Case(f"{i}", "s", SCHEMA.schema, SCHEMA.instances) for i in range(6)]
    found = results("Listed", cases=cases, jobs=2)
    told = sorted((one.name, one.engine, one.outcome) for (one,) in found)
    assert told == [(case.name, "Listed", R) for case in cases]


@pytest.mark.parametrize("name", ["llguidance", "structgen:cold-one", ":made", ""])
def test_an_unknown_engine_is_refused_by_name(name):
    with pytest.raises(OptionError, match=r"Write structgen, or module:function.*peers:llguidance"):
        engine_configs(name, "bytes", {})


def test_two_engines_of_one_name_are_refused():
    with pytest.raises(OptionError, match="Two engines have the name made"):
        engine_configs("one:made,other:made", "bytes", {})


def test_policies_are_for_our_own_engine_alone():
    ours, peer = engine_configs("structgen, peers:glrmask,structgen", "bytes", {"whitespace": "any"})
    assert (ours.options, peer.options, peer.name) == ({"whitespace": "any"}, {}, "glrmask")
