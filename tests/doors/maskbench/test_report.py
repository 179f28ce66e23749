from __future__ import annotations

import json
import math
from array import array

import pytest
from for_each import for_each
from hypothesis import given
from hypothesis import strategies as st

from structgen.doors.cli.output import echo, echo_table
from structgen.doors.maskbench.measurements import NOT_MEASURED, CaseResult, StepResult, Verdict
from structgen.doors.maskbench.run_report import (
    format_microseconds,
    report_of,
    report_tables,
    times_by_measure,
    timing_figures,
)

PERMILLES = {"p25": 250, "p50": 500, "p75": 750, "p90": 900, "p95": 950, "p99": 990, "p99_9": 999}


def result(name="a", engine="structgen", split="s", *, kinds=(), pairs=(), **compiled):
    """Return a schema that compiled in 1,000 ns, whose instances fared as they are said to."""
    first = StepResult(**{"times": array("q", [1000]), **compiled})
    instances = [StepResult(kind) for kind in kinds]
    if pairs:
        instances = [StepResult(times=array("q", pairs))]
    return CaseResult(name, split, engine, [first, *instances])


def ours(*results):
    return report_of(results)["engines"]["structgen"]


@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=60))
def test_a_percentile_is_the_least_time_that_enough_times_do_not_exceed(measured):
    found = timing_figures(measured)
    for name, permille in PERMILLES.items():
        needed = math.ceil(permille * len(measured) / 1000)
        slow = min(time for time in measured if sum(other <= time for other in measured) >= needed)
        assert found[name] == slow


def test_the_figures_of_a_thousand_times():
    assert timing_figures(range(1, 1001)) == {"count": 1000, "avg": 500.5, "max": 1000, **PERMILLES}
    assert timing_figures([]) == {}


def test_a_position_counts_in_the_sum_only_with_both_its_times():
    found = times_by_measure(result(pairs=[NOT_MEASURED, 5, 10, 20, 30, NOT_MEASURED]))
    assert [found[name].tolist() for name in ("mask", "commit", "mask + commit")] == [[10, 30], [5, 20], [30]]


def test_the_first_token_is_counted_with_the_first_mask_where_the_text_took_it():
    both = times_by_measure(result(pairs=[NOT_MEASURED, 5, 10, 20]))["first mask + commit"]
    refused = times_by_measure(result(pairs=[NOT_MEASURED, NOT_MEASURED]))["first mask + commit"]
    assert (both.tolist(), refused.tolist()) == ([1005], [])


def test_the_processor_s_time_of_a_schema_is_that_of_all_its_steps():
    found = CaseResult("a", "s", "peer", [StepResult(times=array("q", [9]), cpu=7), StepResult(cpu=5)])
    assert [times_by_measure(found)[name].tolist() for name in ("first mask cpu", "schema cpu")] == [
        [7],
        [12],
    ]
    assert not len(times_by_measure(result(kinds=[Verdict.RIGHT]))["schema cpu"])


@for_each(
    ("fields", "outcome"),
    [
        ({}, Verdict.RIGHT),
        ({"kinds": [Verdict.RIGHT]}, Verdict.RIGHT),
        ({"kind": Verdict.REFUSED}, Verdict.REFUSED),
        ({"kinds": [Verdict.RIGHT, Verdict.VALID_REFUSED]}, Verdict.VALID_REFUSED),
        ({"kinds": [Verdict.INVALID_ACCEPTED]}, Verdict.INVALID_ACCEPTED),
        ({"kinds": [Verdict.DEAD_END]}, Verdict.DEAD_END),
        ({"kinds": [Verdict.VALID_REFUSED, Verdict.TIMED_OUT]}, Verdict.TIMED_OUT),
        ({"kinds": [Verdict.CRASHED]}, Verdict.CRASHED),
        ({"kinds": [Verdict.LIMITED, Verdict.RIGHT]}, Verdict.LIMITED),
        ({"kinds": [Verdict.LIMITED, Verdict.CRASHED]}, Verdict.CRASHED),
        ({"kind": Verdict.CRASHED}, Verdict.CRASHED),
        ({"kind": Verdict.TIMED_OUT}, Verdict.TIMED_OUT),
    ],
)
def test_a_schema_has_the_worst_outcome_of_its_instances(fields, outcome):
    assert result(**fields).outcome == outcome


def test_a_schema_at_fault_both_ways_is_in_both_columns():
    counts = ours(result(kinds=[Verdict.VALID_REFUSED, Verdict.INVALID_ACCEPTED]))["all"]
    names = ("valid_refused", "invalid_accepted", "passing", "schemas")
    assert [counts[name] for name in names] == [1, 1, 0, 1]


def test_the_common_times_are_of_the_schemas_that_every_engine_compiled():
    results = []
    for name, theirs in (("a", [7000]), ("b", [])):
        results.append(result(name, pairs=[10, 1]))
        results.append(result(name, "peer", times=array("q", theirs)))
    assert report_of(results)["common_schemas"] == 1
    found = ours(*results)
    assert (found["ns_common"]["mask"]["count"], found["ns"]["mask"]["count"]) == (1, 2)


def test_a_compilation_cut_short_stays_in_the_percentiles():
    cut = result(times=array("q", [60 * 10**9]), kind=Verdict.TIMED_OUT)
    assert ours(cut, result(engine="peer"))["ns_common"]["first mask"]["max"] == 60 * 10**9


def test_a_split_called_all_is_counted_once():
    found = ours(result(split="all"))
    assert (found["all"]["schemas"], found["splits"]) == (1, {})


REFUSED = {"kind": Verdict.REFUSED, "times": array("q")}


def test_the_report_has_counts_reasons_and_times():
    found = ours(result("a", pairs=[10, 1]), result("b", reason="unsupported: not", **REFUSED))
    assert (found["all"]["schemas"], found["all"]["passing"], found["splits"]["s"]["refused"]) == (2, 1, 1)
    assert found["all"]["refused_by_reason"] == {"unsupported: not": 1}
    assert found["ns"]["mask"]["p99_9"] == 10 and found["ns_common"]["mask + commit"]["p50"] == 11


def printed(report, terminal, width, monkeypatch, capsys):
    """Return what is shown of a report on a screen."""
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("FORCE_COLOR", "1" * terminal)
    for title, head, rows in report_tables(report):
        echo(title)
        echo_table(head, rows)
    return capsys.readouterr().out


def test_mask_and_token_together_stand_before_each_of_them():
    *_, (_, _, rows) = report_tables(report_of([result(pairs=[10, 1])]))
    assert [row[0] for row in rows] == ["first mask", "mask + token", "mask", "take token"]


@pytest.mark.parametrize("terminal", [True, False])
def test_the_tables_show_every_column(terminal, monkeypatch, capsys):
    refused = result("b", split="t", reason="limit: depth [red]", **REFUSED)
    shown = printed(report_of([result("a", pairs=[10, 1]), refused]), terminal, 250, monkeypatch, capsys)
    told = ("Schemas", "by split", "invalid accepted", "timed out", "limit: depth [red]", "take token")
    assert [word for word in told if word not in shown] == []
    assert ("\x1b[" in shown) is terminal


def test_no_line_of_a_table_ends_with_blanks(monkeypatch, capsys):
    shown = printed(report_of([result("a", pairs=[10, 1])]), False, 100, monkeypatch, capsys)
    assert shown.count("\n") > 10 and not [line for line in shown.splitlines() if line != line.rstrip()]


def test_the_tables_fit_eighty_columns_with_four_engines(monkeypatch, capsys):
    results = []
    for engine in ("structgen", "llguidance", "xgrammar", "glrmask"):
        results.append(result("a", engine=engine, pairs=[1234567, 13457]))
        results.append(result("b", engine=engine, split="Github_medium"))
    lines = printed(report_of(results), False, 80, monkeypatch, capsys).splitlines()
    assert max(map(len, lines)) <= 80 and not any("…" in line for line in lines)
    assert any("passing: all instances judged right" in line for line in lines)


@pytest.mark.parametrize(
    ("ns", "text"), [(1234, "1.23"), (12_345, "12.3"), (123_456, "123"), (12_345_678, "12,346")]
)
def test_microseconds_have_three_digits_that_count(ns, text):
    assert format_microseconds(ns) == text


def test_a_result_is_read_back_from_json():
    given = result("a", pairs=[10, NOT_MEASURED], reason="limit: depth")
    assert CaseResult.of_plain(json.loads(json.dumps(given.to_plain()))) == given
