"""What a run amounts to: one report, a plain value, which is shown as JSON or as tables."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from structgen.doors.maskbench.measurements import CaseResult, Verdict

PERMILLES: Final = {"p25": 250, "p50": 500, "p75": 750, "p90": 900, "p95": 950, "p99": 990, "p99_9": 999}
COUNTS: Final = {
    "passing": (Verdict.RIGHT, "passing: all instances judged right"),
    "refused": (Verdict.REFUSED, "refused to compile"),
    "valid_refused": (Verdict.VALID_REFUSED, "valid refused: a valid instance rejected"),
    "invalid_accepted": (Verdict.INVALID_ACCEPTED, "invalid accepted: a wrong one passed"),
    "dead_ends": (Verdict.DEAD_END, "dead ends: no token was allowed"),
    "limited": (Verdict.LIMITED, "stopped by a limit of the engine"),
    "crashed": (Verdict.CRASHED, "crashed"),
    "timed_out": (Verdict.TIMED_OUT, "timed out"),
}
"""The counts of schemas, what each is of, and the words that a table has for them: they are read without a
legend."""
EXCLUSIVE: Final = ("passing", "refused", "limited", "crashed", "timed_out")
"""Counts of the worst that happened to a schema. The others are of all that happened: a schema that refuses a
valid instance may accept an invalid one too, and is then in both."""
MEASURES: Final = {
    "first mask": "first mask",
    "first mask + commit": "first + token",
    "mask + commit": "mask + token",
    "mask": "mask",
    "commit": "take token",
    "first mask cpu": "first mask, CPU",
    "schema cpu": "schema, CPU",
    "pause": "garbage",
}
"""What a table calls the measures; JSON has their names and all percentiles. `mask + commit` judges
an engine, since an engine may do the same work in either call."""
Table: TypeAlias = tuple[str, Sequence[str], Sequence[Sequence[str]]]
"""A title, the heads of columns, and rows."""
Report: TypeAlias = dict[str, Any]
"""`common_schemas`, and `engines`: of each its counts in all and by split, and the times (ns) over all
schemas that it compiled and over those that every engine compiled."""


def report_of(results: Sequence[CaseResult]) -> Report:
    """Return the report of the results of a run. Cost: sorting all times, 16 bytes a position and engine."""
    by_engine: dict[str, list[CaseResult]] = {}
    for result in results:
        by_engine.setdefault(result.engine, []).append(result)
    # A compilation that was cut short counts: left out, it would make an engine faster by its slowest schema.
    compiled_names = [
        {case.name for case in of if len(times_by_measure(case)["first mask"])} for of in by_engine.values()
    ]
    common = set.intersection(*compiled_names) if compiled_names else set[str]()
    splits = sorted({result.split for result in results} - {"all"})
    return {
        "common_schemas": len(common),
        "engines": {
            engine: {
                "all": count_results(of),
                "splits": {
                    split: count_results([case for case in of if case.split == split]) for split in splits
                },
                "ns": _figures_of(of),
                "ns_common": _figures_of([case for case in of if case.name in common]),
            }
            for engine, of in by_engine.items()
        },
    }


def count_results(results: Sequence[CaseResult]) -> dict[str, Any]:
    """Return the counts of an engine's schemas, by the names of `COUNTS`, then refusals by reason, and
    instances by verdict."""
    outcomes = Counter(case.outcome for case in results)
    having = Counter(kind for case in results for kind in {step.kind for step in case.steps})
    counts = {name: (outcomes if name in EXCLUSIVE else having)[kind] for name, (kind, _) in COUNTS.items()}
    reasons = Counter(case.steps[0].reason for case in results if case.outcome == Verdict.REFUSED)
    instances = Counter(str(step.kind) for case in results for step in case.steps[1:])
    breakdowns = {"refused_by_reason": dict(reasons.most_common()), "instances": dict(instances)}
    return {"schemas": len(results), **counts, **breakdowns}


def times_by_measure(case: CaseResult) -> dict[str, Any]:
    """Return the times of a schema by measure, arrays of ns; a sum is of a position with both its times.

    `first mask + commit` is of the first text, whose first token may be what the engine left for later.
    `schema cpu` is of the schema with all its texts; `pause`: of each garbage collection."""
    first, *instances = [step.times for step in case.steps] or [array("q")]
    pairs = np.concatenate([np.array([], np.int64), *instances]).reshape(-1, 2)
    there = pairs >= 0
    has_first_commit = len(first) and len(pairs) and tuple(there[0]) == (False, True)
    cpu = [step.cpu for step in case.steps if step.cpu >= 0]
    return {
        "first mask": np.array(first, np.int64),
        "first mask + commit": np.array([first[0] + pairs[0, 1]] if has_first_commit else [], np.int64),
        "first mask cpu": np.array(cpu[:1] if len(first) else [], np.int64),
        "schema cpu": np.array([sum(cpu)] if len(cpu) > 1 else [], np.int64),
        "pause": np.concatenate([np.array([], np.int64), *(step.pauses for step in case.steps)]),
        "mask": pairs[there[:, 0], 0],
        "commit": pairs[there[:, 1], 1],
        "mask + commit": pairs[there.all(axis=1)].sum(axis=1),
    }


def timing_figures(durations: ArrayLike) -> dict[str, float]:
    """Return the figures of some times: `count`, `avg`, percentiles by nearest rank, so that each is a
    measured time, and `max`; none where there is no time."""
    sorted_times = np.sort(durations)
    if not (count := len(sorted_times)):
        return {}
    rank = {name: max(0, -(-permille * count // 1000) - 1) for name, permille in PERMILLES.items()}
    figures = {name: int(sorted_times[at]) for name, at in rank.items()}
    return {"count": count, "avg": int(sorted_times.sum()) / count, **figures, "max": int(sorted_times[-1])}


def _figures_of(results: Sequence[CaseResult]) -> dict[str, dict[str, float]]:
    case_times = [times_by_measure(case) for case in results]
    figures = {
        measure: timing_figures(np.concatenate([of[measure] for of in case_times]))
        for measure in MEASURES
        if case_times
    }
    return {measure: of for measure, of in figures.items() if of}


def report_tables(report: Report) -> Iterator[Table]:
    """Yield the tables of a report: the counts, reasons of refusals, times."""
    by_engine = report["engines"]
    every = [of["all"] for of in by_engine.values()]
    words = {"schemas": "schemas", **{name: label for name, (_, label) in COUNTS.items()}}
    if not any(of["dead_ends"] for of in every):
        del words["dead_ends"]
    rows = [[label, *(f"{of[name]:,}" for of in every)] for name, label in words.items()]
    yield "Schemas", ("of all schemas", *by_engine), rows
    splits = list(next(iter(by_engine.values()))["splits"])
    if len(splits) > 1:
        by_split = [(at, [of["splits"][at] for of in by_engine.values()]) for at in splits]
        rows = [[at, *(f"{of['passing']:,} of {of['schemas']:,}" for of in every)] for at, every in by_split]
        yield "Passing schemas by split", ("split", *by_engine), rows
    reasons = [(engine, of["all"]["refused_by_reason"]) for engine, of in by_engine.items()]
    refusal_rows = [[engine, reason, f"{count:,}"] for engine, of in reasons for reason, count in of.items()]
    if refusal_rows:
        yield "Refused to compile, by reason", ("engine", "reason", "schemas"), refusal_rows
    if len(by_engine) > 1:
        over = f"the {report['common_schemas']:,} schemas that every engine compiled"
        yield _speed_table({engine: of["ns_common"] for engine, of in by_engine.items()}, over)
    yield _speed_table({engine: of["ns"] for engine, of in by_engine.items()}, "all schemas that compiled")


def _speed_table(timings: Mapping[str, Any], over: str) -> Table:
    rows = [
        [words, engine, f"{figures[measure]['count']:,}"]
        + [format_microseconds(figures[measure][name]) for name in ("avg", "p50", "p99", "p99_9", "max")]
        for measure, words in MEASURES.items()
        for engine, figures in timings.items()
        if measure in figures
    ]
    head = ("measure", "engine", "count", "mean", "median", "99 %", "99.9 %", "max")
    return f"Microseconds a call, over {over}", head, rows


def format_microseconds(ns: float) -> str:
    """Return a time in microseconds with three digits that count, or all before the point."""
    value = ns / 1000
    return f"{value:.2f}" if value < 9.995 else f"{value:.1f}" if value < 99.95 else f"{value:,.0f}"
