"""What a run amounts to: one report, a plain value, which is shown as JSON or as tables."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from structgen.doors.maskbench.measurements import CaseResult, Verdict

PERMILLES: Final = {
    "p25": 250,
    "p50": 500,
    "p75": 750,
    "p90": 900,
    "p95": 950,
    "p99": 990,
    "p99_9": 999,
}
"""The percentiles of a report, in thousandths."""
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
    compiled_names = []
    for cases in by_engine.values():
        compiled_names.append({case.name for case in cases if len(times_by_measure(case)["first mask"])})
    common_names = set.intersection(*compiled_names) if compiled_names else set[str]()
    # "all" stands for the whole in the report already.
    splits = sorted({result.split for result in results} - {"all"})
    engine_reports = {}
    for engine, cases in by_engine.items():
        counts_by_split = {}
        for split in splits:
            split_cases = [case for case in cases if case.split == split]
            counts_by_split[split] = count_results(split_cases)
        common_cases = [case for case in cases if case.name in common_names]
        engine_reports[engine] = {
            "all": count_results(cases),
            "splits": counts_by_split,
            "ns": _figures_of(cases),
            "ns_common": _figures_of(common_cases),
        }
    return {"common_schemas": len(common_names), "engines": engine_reports}


def count_results(results: Sequence[CaseResult]) -> dict[str, Any]:
    """Return the counts of an engine's schemas, by the names of `COUNTS`, then refusals by reason, and
    instances by verdict."""
    # Of each schema the worst verdict, and each verdict that it has at all.
    outcomes = Counter(case.outcome for case in results)
    occurring = Counter[Verdict]()
    for case in results:
        occurring.update({step.kind for step in case.steps})
    counts: dict[str, Any] = {}
    for name, (kind, _) in COUNTS.items():
        counts[name] = outcomes[kind] if name in EXCLUSIVE else occurring[kind]
    # The first step is the compilation, each later one an instance.
    refused = [case for case in results if case.outcome == Verdict.REFUSED]
    reasons = Counter(case.steps[0].reason for case in refused)
    instances = Counter(str(step.kind) for case in results for step in case.steps[1:])
    counts["refused_by_reason"] = dict(reasons.most_common())
    counts["instances"] = dict(instances)
    return {"schemas": len(results), **counts}


def times_by_measure(case: CaseResult) -> dict[str, Any]:
    """Return the times of a schema by measure, arrays of ns; a sum is of a position with both its times.

    `first mask + commit` is of the first text, whose first token may be what the engine left for later.
    `schema cpu` is of the schema with all its texts; `pause`: of each garbage collection."""
    first, *instances = [step.times for step in case.steps] or [array("q")]
    no_times = np.array([], np.int64)
    # A row for each position: the time of its mask, and of its token; NOT_MEASURED is negative.
    pairs = np.concatenate([no_times, *instances]).reshape(-1, 2)
    mask_times, commit_times = pairs.T
    has_mask = mask_times >= 0
    has_commit = commit_times >= 0
    # The first mask is a part of the compilation, so the first position has its token's time alone.
    has_first_commit = len(first) and len(pairs) and not has_mask[0] and has_commit[0]
    first_sums = [first[0] + commit_times[0]] if has_first_commit else []
    pauses = [step.pauses for step in case.steps]
    cpu = [step.cpu for step in case.steps if step.cpu >= 0]
    # The first of them is the compilation's.
    compile_cpu = cpu[:1] if len(first) else []
    schema_cpu = [sum(cpu)] if len(cpu) > 1 else []
    return {
        "first mask": np.array(first, np.int64),
        "first mask + commit": np.array(first_sums, np.int64),
        "first mask cpu": np.array(compile_cpu, np.int64),
        "schema cpu": np.array(schema_cpu, np.int64),
        "pause": np.concatenate([no_times, *pauses]),
        "mask": mask_times[has_mask],
        "commit": commit_times[has_commit],
        "mask + commit": pairs[has_mask & has_commit].sum(axis=1),
    }


def timing_figures(durations: ArrayLike) -> dict[str, float]:
    """Return the figures of some times: `count`, `avg`, percentiles by nearest rank, so that each is a
    measured time, and `max`; none where there is no time."""
    sorted_times = np.sort(durations)
    count = len(sorted_times)
    if not count:
        return {}
    percentiles = {}
    for name, permille in PERMILLES.items():
        rank = -(-permille * count // 1000)  # rounded up; the first has the rank 1
        percentiles[name] = int(sorted_times[max(0, rank - 1)])
    mean = int(sorted_times.sum()) / count
    return {"count": count, "avg": mean, **percentiles, "max": int(sorted_times[-1])}


def _figures_of(results: Sequence[CaseResult]) -> dict[str, dict[str, float]]:
    """Return the figures of each measure over some schemas, without measures that have no time."""
    if not results:
        return {}
    case_times = [times_by_measure(case) for case in results]
    figures_by_measure: dict[str, dict[str, float]] = {}
    for measure in MEASURES:
        durations = np.concatenate([times[measure] for times in case_times])
        if figures := timing_figures(durations):
            figures_by_measure[measure] = figures
    return figures_by_measure


def report_tables(report: Report) -> Iterator[Table]:
    """Yield the tables of a report: the counts, reasons of refusals, times."""
    by_engine = report["engines"]
    engine_reports = by_engine.values()
    words = {"schemas": "schemas", **{name: label for name, (_, label) in COUNTS.items()}}
    # Only bare schemas are walked, and can have dead ends.
    if not any(part["all"]["dead_ends"] for part in engine_reports):
        del words["dead_ends"]
    rows = []
    for name, label in words.items():
        rows.append([label, *(f"{part['all'][name]:,}" for part in engine_reports)])
    yield "Schemas", ("of all schemas", *by_engine), rows
    splits = list(next(iter(engine_reports))["splits"])
    if len(splits) > 1:
        split_rows = []
        for split in splits:
            counts_of_engines = [part["splits"][split] for part in engine_reports]
            cells = [f"{counts['passing']:,} of {counts['schemas']:,}" for counts in counts_of_engines]
            split_rows.append([split, *cells])
        yield "Passing schemas by split", ("split", *by_engine), split_rows
    refusal_rows = []
    for engine, part in by_engine.items():
        for reason, count in part["all"]["refused_by_reason"].items():
            refusal_rows.append([engine, reason, f"{count:,}"])
    if refusal_rows:
        yield "Refused to compile, by reason", ("engine", "reason", "schemas"), refusal_rows
    if len(by_engine) > 1:
        # An engine that refuses the hard schemas is fast over its own: the common ones compare engines.
        scope = f"the {report['common_schemas']:,} schemas that every engine compiled"
        yield _speed_table(by_engine, "ns_common", scope)
    yield _speed_table(by_engine, "ns", "all schemas that compiled")


def _speed_table(by_engine: Mapping[str, Any], member: str, scope: str) -> Table:
    """Return the table of times by measure and engine. `member`: "ns" or "ns_common", the part of the
    engines' reports; `scope`: the schemas that the times are over, in words."""
    rows = []
    shown_names = ("avg", "p50", "p99", "p99_9", "max")
    for measure, words in MEASURES.items():
        for engine, part in by_engine.items():
            figures = part[member].get(measure)
            if figures is None:
                continue
            times = [format_microseconds(figures[name]) for name in shown_names]
            rows.append([words, engine, f"{figures['count']:,}", *times])
    head = ("measure", "engine", "count", "mean", "median", "99 %", "99.9 %", "max")
    return f"Microseconds a call, over {scope}", head, rows


def format_microseconds(ns: float) -> str:
    """Return a time in microseconds with three digits that count, or all before the point."""
    # The limits are half a digit lower: 9.996 is shown as 10.0.
    value = ns / 1000
    if value < 9.995:
        return f"{value:.2f}"
    return f"{value:.1f}" if value < 99.95 else f"{value:,.0f}"
