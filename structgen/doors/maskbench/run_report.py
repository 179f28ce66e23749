"""Makes the report of a run: a plain value, which is shown as JSON or as tables.

A *result* is what one engine did with one schema (`CaseResult`). It is a list of *steps*: the compilation,
then one for each instance. A step has a *verdict*, such as RIGHT or CRASHED. The *outcome* of a result is its
worst verdict. A *measure* is a kind of time, such as `mask` (the time to fill a mask) or `commit` (the time
to take a token). A *position* of a text is a mask and the token after it. A *figure* is a number over all
times of a measure: the mean, a percentile, the maximum.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from structgen.base.json_text.exact_json import JsonObject
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
"""The percentiles of a report by name, in thousandths: p99_9 is the 99.9th percentile."""
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
"""The counts of schemas by name: the verdict that is counted, and the words for it in a table."""
EXCLUSIVE: Final = ("passing", "refused", "limited", "crashed", "timed_out")
"""The counts in which each schema counts for its worst verdict only. In the other counts a schema counts for
each of its verdicts: an engine may refuse a valid instance and accept an invalid one of the same schema."""
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
"""The words for each measure in a table; JSON has the names of the measures. `mask + commit` is the measure
that compares engines, since an engine may do the same work in either call."""
Table: TypeAlias = tuple[str, Sequence[str], Sequence[Sequence[str]]]
"""A title, the heads of columns, and rows."""
Report: TypeAlias = dict[str, Any]
"""A dict of two members. `common_schemas` is the number of schemas that every engine compiled. `engines` has
a dict for each engine: its counts (`all`, and `splits` by split), and figures in ns (`ns` over all schemas
that it compiled, `ns_common` over the common ones)."""


def report_of(results: Sequence[CaseResult]) -> Report:
    """Return the report of the results of a run. Cost: all times are sorted, and take 16 bytes for each
    position and engine."""
    by_engine: dict[str, list[CaseResult]] = {}
    for result in results:
        by_engine.setdefault(result.engine, []).append(result)
    # A compilation that was cut short counts: left out, it would make an engine faster by its slowest schema.
    compiled_names = []
    for cases in by_engine.values():
        compiled_names.append({case.name for case in cases if len(times_by_measure(case)["first mask"])})
    common_names = set.intersection(*compiled_names) if compiled_names else set[str]()
    # A split that is called "all" is left out: in a report this name means the whole set.
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


def count_results(results: Sequence[CaseResult]) -> JsonObject:
    """Return the counts of the results of one engine.

    They are: `schemas`, the number of all; the names of `COUNTS`; `refused_by_reason`, the number of refusals
    for each reason; and `instances`, the number of instances for each verdict.
    """
    # `outcomes` counts the worst verdict of each schema; `occurring` counts each of its verdicts once.
    outcomes = Counter(case.outcome for case in results)
    occurring = Counter[Verdict]()
    for case in results:
        occurring.update({step.kind for step in case.steps})
    counts: JsonObject = {}
    for name, (kind, _) in COUNTS.items():
        counts[name] = outcomes[kind] if name in EXCLUSIVE else occurring[kind]
    # The first step is the compilation, each later one an instance.
    refused = [case for case in results if case.outcome == Verdict.REFUSED]
    reasons = Counter(case.steps[0].reason for case in refused)
    instances = Counter(str(step.kind) for case in results for step in case.steps[1:])
    counts["refused_by_reason"] = dict(reasons.most_common())
    counts["instances"] = dict(instances)
    return {"schemas": len(results), **counts}


def times_by_measure(case: CaseResult) -> JsonObject:
    """Return the times of a schema by measure, as arrays of ns.

    `first mask`: the compilation, up to the first mask. `first mask + commit`: the same and the first token
    of the first text, because an engine may delay work until then. `mask + commit`: the sum for each position
    that has both times. `schema cpu`: the CPU time of the schema with all its texts. `pause`: the time of
    each garbage collection. An array is empty if nothing was measured.
    """
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
    # The first CPU time is that of the compilation, if it has a time at all.
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
    """Return the figures of some times: `count`, `avg`, the percentiles and `max`; {} if there is no time.

    Percentiles are those of the nearest rank, so that each one is a measured time.
    """
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
    """Return the figures by measure over the results of some schemas. Measures without a time are left
    out."""
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
    """Yield the tables of a report: counts, passing schemas by split, reasons of refusals, and times."""
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
    """Return a time in microseconds, with three significant digits or as a whole number: 1234 -> `1.23`."""
    # The limits are half a digit lower: 9.996 is shown as 10.0.
    value = ns / 1000
    if value < 9.995:
        return f"{value:.2f}"
    return f"{value:.1f}" if value < 99.95 else f"{value:,.0f}"
