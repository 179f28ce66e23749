from __future__ import annotations

import csv
import io
import math
import re
from array import array

import pytest
from for_each import for_each
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from structgen.maskbench.measurements import NOT_MEASURED, CaseResult, Failure, Verdict
from structgen.maskbench.peers import group
from structgen.maskbench.run_report import microseconds, report_of, show, tables, times, timing, to_csv

PERMILLES = {"p25": 250, "p50": 500, "p75": 750, "p90": 900, "p95": 950, "p99": 990, "p99_9": 999}


def result(name="a", engine="structgen", split="s", **fields):
    return CaseResult(name, split, engine, **{"compiled": True, "first_ns": 1000, **fields})


def ours(*results):
    return report_of(results)["engines"]["structgen"]


@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=60))
def test_a_percentile_is_the_least_time_that_enough_times_do_not_exceed(measured):
    found = timing(measured)
    for name, permille in PERMILLES.items():
        needed = math.ceil(permille * len(measured) / 1000)
        slow = min(time for time in measured if sum(other <= time for other in measured) >= needed)
        assert found[name] == slow


def test_the_figures_of_a_thousand_times():
    assert timing(range(1, 1001)) == {"count": 1000, "avg": 500.5, "max": 1000, **PERMILLES}
    assert timing([]) == {}


def test_a_position_counts_in_the_sum_only_with_both_its_times():
    found = times(result(pairs=array("q", [NOT_MEASURED, 5, 10, 20, 30, NOT_MEASURED])))
    assert [found[name].tolist() for name in ("mask", "commit", "mask + commit")] == [[10, 30], [5, 20], [30]]


@for_each(
    ("fields", "outcome"),
    [
        ({}, Verdict.RIGHT),
        ({"verdicts": [Verdict.RIGHT]}, Verdict.RIGHT),
        ({"reason": "unsupported: not", "compiled": False}, Verdict.REFUSED),
        ({"verdicts": [Verdict.RIGHT, Verdict.VALID_REFUSED]}, Verdict.VALID_REFUSED),
        ({"verdicts": [Verdict.INVALID_ACCEPTED]}, Verdict.INVALID_ACCEPTED),
        ({"verdicts": [Verdict.DEAD_END]}, Verdict.DEAD_END),
        ({"verdicts": [Verdict.POLICY]}, Verdict.POLICY),
        ({"verdicts": [Verdict.POLICY, Verdict.VALID_REFUSED]}, Verdict.VALID_REFUSED),
        ({"verdicts": [Verdict.VALID_REFUSED, Verdict.TIMED_OUT]}, Verdict.TIMED_OUT),
        ({"verdicts": [Verdict.CRASHED]}, Verdict.CRASHED),
        ({"verdicts": [Verdict.LIMITED, Verdict.RIGHT]}, Verdict.LIMITED),
        ({"verdicts": [Verdict.LIMITED, Verdict.CRASHED]}, Verdict.CRASHED),
        ({"failures": [Failure("a", "e", "crashed")], "compiled": False}, Verdict.CRASHED),
        ({"failures": [Failure("a", "e", "timed out")], "compiled": False}, Verdict.TIMED_OUT),
        ({"failures": [Failure("a", "e", "refused only by a policy")]}, Verdict.POLICY),
    ],
)
def test_a_schema_has_the_worst_outcome_of_its_instances(fields, outcome):
    assert result(**fields).outcome == outcome


def test_a_schema_at_fault_both_ways_is_in_both_columns():
    counts = ours(result(verdicts=[Verdict.VALID_REFUSED, Verdict.INVALID_ACCEPTED]))["all"]
    names = ("valid_refused", "invalid_accepted", "passing", "schemas")
    assert [counts[name] for name in names] == [1, 1, 0, 1]


def test_the_common_times_are_of_the_schemas_that_every_engine_compiled():
    results = []
    for name, theirs in (("a", 7000), ("b", None)):
        results.append(result(name, pairs=array("q", [10, 1])))
        results.append(result(name, "peer", compiled=theirs is not None, first_ns=theirs))
    assert report_of(results)["common_schemas"] == 1
    found = ours(*results)
    assert (found["ns_common"]["mask"]["count"], found["ns"]["mask"]["count"]) == (1, 2)


def test_a_compilation_cut_short_stays_in_the_percentiles():
    cut = result(first_ns=60 * 10**9, compiled=False, failures=[Failure("a", "structgen", "timed out")])
    assert ours(cut, result(engine="peer"))["ns_common"]["first mask"]["max"] == 60 * 10**9


def test_a_split_called_all_is_counted_once():
    found = ours(result(split="all"))
    assert (found["all"]["schemas"], found["splits"]) == (1, {})


def test_the_report_has_counts_reasons_and_times_and_its_csv_one_figure_a_row():
    refused = result("b", reason="unsupported: not", compiled=False, first_ns=None)
    results = [result("a", pairs=array("q", [10, 1]), verdicts=[Verdict.RIGHT]), refused]
    found = ours(*results)
    assert (found["all"]["schemas"], found["all"]["passing"], found["splits"]["s"]["refused"]) == (2, 1, 1)
    assert found["all"]["refused_by_reason"] == {"unsupported: not": 1}
    assert found["ns"]["mask"]["p99_9"] == 10
    rows = {tuple(row[:5]): row[5] for row in csv.reader(io.StringIO(to_csv(report_of(results))))}
    assert rows["structgen", "all", "own", "schemas", "passing"] == "1"
    assert rows["structgen", "all", "common", "mask + commit", "p50"] == "11"


@pytest.mark.parametrize("terminal", [True, False])
def test_the_tables_show_every_column(terminal):
    refused = result("b", split="t", reason="limit: depth", compiled=False, first_ns=None)
    report, out = report_of([result("a", pairs=array("q", [10, 1])), refused]), io.StringIO()
    show(Console(file=out, force_terminal=terminal, width=250), tables(report, {"peer": "not installed"}))
    told = ("refused only by a policy", "invalid accepted", "timed out", "limit: depth", "not installed")
    assert [word for word in told if word not in out.getvalue()] == []
    assert ("\x1b[" in out.getvalue()) is terminal


@pytest.mark.parametrize("terminal", [True, False])
def test_the_tables_fit_eighty_columns_with_four_engines(terminal):
    results = []
    for engine in ("structgen:cold", "llguidance", "xgrammar", "glrmask"):
        results.append(result("a", engine=engine, pairs=array("q", [1234567, 13457])))
        results.append(result("b", engine=engine, split="Github_medium"))
    out = io.StringIO()
    screen = Console(file=out, force_terminal=terminal, width=80, no_color=True)
    show(screen, tables(report_of(results), {}))
    lines = re.sub("\x1b[^m]*m", "", out.getvalue()).splitlines()
    assert max(map(len, lines)) <= 80
    assert any("valid refused: a valid instance rejected" in line for line in lines)
    assert not any("…" in line for line in lines)


@pytest.mark.parametrize(
    ("ns", "text"), [(1234, "1.23"), (12_345, "12.3"), (123_456, "123"), (12_345_678, "12,346")]
)
def test_microseconds_have_three_digits_that_count(ns, text):
    assert microseconds(ns) == text


def test_the_slowest_schemas_are_named_with_their_slowest_mask():
    results = [result("none", first_ns=None, compiled=False)]
    for number in range(30):
        pairs = array("q", [number, 5, 10, 900, NOT_MEASURED, 7])
        results.append(result(f"s{number:02}", first_ns=1000 - number, pairs=pairs))
    found = ours(*results)["slowest_ns"]
    assert {measure: (len(slow), slow[:2]) for measure, slow in found.items()} == {
        "first mask": (20, [("s00", 1000), ("s01", 999)]),
        "mask": (20, [("s29", 29), ("s28", 28)]),
        "commit": (20, [("s00", 900), ("s01", 900)]),
    }
    rows = list(csv.reader(io.StringIO(to_csv(report_of(results)))))
    assert ["structgen", "all", "own", "slowest mask", "s29", "29"] in rows


# --- messages of other engines ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("message", "grouped"),
    [
        ('Unimplemented keys: ["not"]', 'Unimplemented keys: ["not"]'),
        ("Cannot resolve reference '#/definitions/a_1'\nmore", "Cannot resolve reference <name>"),
        ('Unimplemented keys: ["if","then"]', 'Unimplemented keys: ["if","then"]'),
        (
            "error: #/allOf/0/if: no intersection of object/array",
            "error: <pointer> no intersection of object/array",
        ),
        ("too many states: 12345 > 10000", "too many states: <n> > <n>"),
        ("bad pointer /properties/a~1b/items", "bad pointer <pointer>"),
        ("", "no message"),
    ],
)
def test_messages_of_one_cause_are_grouped(message, grouped):
    assert group(message) == grouped
