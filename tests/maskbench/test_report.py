from __future__ import annotations

import csv
import io
import json
import math
import re
from array import array

import pytest
from for_each import for_each
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from structgen.maskbench.measurements import NOT_MEASURED, CaseResult, Failure, SchemaOutcome, Verdict
from structgen.maskbench.peers import group
from structgen.maskbench.run_report import (
    Tally,
    microseconds,
    percentile,
    show,
    tables,
    timing,
    to_csv,
    to_json,
)

TIMES = st.lists(st.integers(0, 10**6), min_size=1, max_size=60)


def result(name="a", engine="structgen", split="s", **fields):
    return CaseResult(name, split, engine, **{"compiled": True, "first_ns": 1000, **fields})


@given(TIMES, st.integers(1, 1000))
def test_a_percentile_is_the_least_time_that_enough_times_do_not_exceed(times, permille):
    needed = math.ceil(permille * len(times) / 1000)
    slow = min(time for time in times if sum(other <= time for other in times) >= needed)
    assert percentile(sorted(times), permille) == slow


def test_the_figures_of_a_thousand_times():
    ranks = {"p25": 250, "p50": 500, "p75": 750, "p90": 900, "p95": 950, "p99": 990, "p99_9": 999}
    assert timing(range(1, 1001)) == {"count": 1000, "avg": 500.5, "max": 1000, **ranks}
    assert timing([]) == {}


def test_a_position_counts_in_the_sum_only_with_both_its_times():
    pairs = array("q", [NOT_MEASURED, 5, 10, 20, 30, NOT_MEASURED])
    one = result(pairs=pairs)
    assert (list(one.masks()), list(one.commits()), list(one.sums())) == ([10, 30], [5, 20], [30])


@for_each(
    ("fields", "outcome"),
    [
        ({}, SchemaOutcome.PASSING),
        ({"verdicts": [Verdict.RIGHT]}, SchemaOutcome.PASSING),
        ({"reason": "unsupported: not", "compiled": False}, SchemaOutcome.REFUSED),
        ({"verdicts": [Verdict.RIGHT, Verdict.VALID_REFUSED]}, SchemaOutcome.FAILING),
        ({"verdicts": [Verdict.INVALID_ACCEPTED]}, SchemaOutcome.FAILING),
        ({"verdicts": [Verdict.DEAD_END]}, SchemaOutcome.FAILING),
        ({"verdicts": [Verdict.POLICY]}, SchemaOutcome.POLICY),
        ({"verdicts": [Verdict.POLICY, Verdict.VALID_REFUSED]}, SchemaOutcome.FAILING),
        ({"verdicts": [Verdict.VALID_REFUSED, Verdict.TIMED_OUT]}, SchemaOutcome.TIMED_OUT),
        ({"verdicts": [Verdict.CRASHED]}, SchemaOutcome.CRASHED),
        ({"verdicts": [Verdict.LIMITED, Verdict.RIGHT]}, SchemaOutcome.LIMITED),
        ({"verdicts": [Verdict.LIMITED, Verdict.CRASHED]}, SchemaOutcome.CRASHED),
        ({"failures": [Failure("a", "e", "crashed")], "compiled": False}, SchemaOutcome.CRASHED),
        ({"failures": [Failure("a", "e", "timed out")], "compiled": False}, SchemaOutcome.TIMED_OUT),
        ({"failures": [Failure("a", "e", "refused only by a policy")]}, SchemaOutcome.POLICY),
    ],
)
def test_a_schema_has_the_worst_outcome_of_its_instances(fields, outcome):
    assert result(**fields).outcome is outcome


def test_a_schema_at_fault_both_ways_is_in_both_columns():
    tally = Tally()
    tally.add([result(verdicts=[Verdict.VALID_REFUSED, Verdict.INVALID_ACCEPTED])])
    counts = tally.counts("structgen")
    assert [counts[name] for name in ("valid_refused", "invalid_accepted", "passing", "schemas")] == [
        1,
        1,
        0,
        1,
    ]


def test_a_policy_alone_is_no_fault():
    tally = Tally()
    tally.add([result(verdicts=[Verdict.POLICY])])
    assert (tally.counts("structgen")["policy"], tally.faults("structgen")) == (1, 0)


def test_the_common_times_are_of_the_schemas_that_every_engine_compiled():
    tally = Tally()
    for name, theirs in (("a", 7000), ("b", None)):
        ours = result(name, pairs=array("q", [10, 1]))
        tally.add([ours, result(name, "peer", compiled=theirs is not None, first_ns=theirs)])
    assert tally.common() == {"a"}
    assert tally.timings("structgen", tally.common())["mask"]["count"] == 1
    assert tally.timings("structgen")["mask"]["count"] == 2


def test_a_compilation_cut_short_stays_in_the_percentiles():
    tally = Tally()
    cut = result(first_ns=60 * 10**9, compiled=False, failures=[Failure("a", "structgen", "timed out")])
    tally.add([cut, result(engine="peer")])
    assert tally.timings("structgen", tally.common())["first mask"]["max"] == 60 * 10**9


def test_a_split_called_all_is_counted_once():
    tally = Tally()
    tally.add([result(split="all")])
    assert tally.counts("structgen")["schemas"] == 1


def test_the_json_report_has_counts_reasons_and_times():
    tally = Tally()
    tally.add([result("a", pairs=array("q", [10, 1]), verdicts=[Verdict.RIGHT])])
    tally.add([result("b", reason="unsupported: not", compiled=False, first_ns=None)])
    found = json.loads(to_json(tally, {"seed": 3}))
    ours = found["engines"]["structgen"]
    assert (found["seed"], found["common_schemas"]) == (3, 1)
    assert (ours["all"]["schemas"], ours["all"]["passing"], ours["splits"]["s"]["refused"]) == (2, 1, 1)
    assert ours["all"]["refused_by_reason"] == {"unsupported: not": 1}
    assert ours["ns"]["mask"]["p99_9"] == 10


def test_the_csv_report_is_rows_of_one_figure():
    tally = Tally()
    tally.add([result(pairs=array("q", [10, 1]))])
    rows = {tuple(row[:5]): row[5] for row in csv.reader(io.StringIO(to_csv(tally)))}
    assert rows["structgen", "all", "own", "schemas", "passing"] == "1"
    assert rows["structgen", "all", "common", "mask + commit", "p50"] == "11"


@pytest.mark.parametrize("terminal", [True, False])
def test_the_tables_show_every_column(terminal):
    tally = Tally()
    tally.add([result("a", pairs=array("q", [10, 1]))])
    tally.add([result("b", split="t", reason="limit: depth", compiled=False, first_ns=None)])
    out = io.StringIO()
    show(Console(file=out, force_terminal=terminal, width=250), tables(tally, {"peer": "not installed"}))
    text = out.getvalue()
    for word in (
        "refused only by a policy",
        "invalid accepted",
        "timed out",
        "limit: depth",
        "not installed",
    ):
        assert word in text
    assert ("\x1b[" in text) is terminal


@pytest.mark.parametrize("terminal", [True, False])
def test_the_tables_fit_eighty_columns_with_four_engines(terminal):
    tally = Tally()
    for engine in ("structgen:cold", "llguidance", "xgrammar", "glrmask"):
        tally.add([result("a", engine=engine, pairs=array("q", [1234567, 13457]))])
        tally.add([result("b", engine=engine, split="Github_medium")])
    out = io.StringIO()
    show(Console(file=out, force_terminal=terminal, width=80, no_color=True), tables(tally, {}))
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
    tally = Tally()
    for number in range(30):
        pairs = array("q", [number, 5, 10, 900, NOT_MEASURED, 7])
        tally.add([result(f"s{number:02}", first_ns=1000 - number, pairs=pairs)])
    tally.add([result("none", first_ns=None, compiled=False)])
    found = tally.slowest("structgen", 3)
    assert found == {
        "first mask": [("s00", 1000), ("s01", 999), ("s02", 998)],
        "mask": [("s29", 29), ("s28", 28), ("s27", 27)],
        "commit": [("s00", 900), ("s01", 900), ("s02", 900)],
    }
    rows = list(csv.reader(io.StringIO(to_csv(tally))))
    assert ["structgen", "all", "own", "slowest mask", "s29", "29"] in rows
    assert sum(row[3] == "slowest first mask" for row in rows) == 20


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
