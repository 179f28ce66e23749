"""What a run amounts to: one report, a plain value, which is shown as JSON, as CSV or as tables."""

from __future__ import annotations

import csv
import io
import textwrap
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from structgen.maskbench.measurements import CaseResult, Verdict

if TYPE_CHECKING:
    from rich.console import Console

ALL: Final = "all"
PERMILLES: Final = {"p25": 250, "p50": 500, "p75": 750, "p90": 900, "p95": 950, "p99": 990, "p99_9": 999}
SLOWEST: Final = 20
"""Schemas that are named with their times."""
COUNTS: Final = {
    "passing": (Verdict.RIGHT, "passing: all instances judged right"),
    "refused": (Verdict.REFUSED, "refused to compile"),
    "valid_refused": (Verdict.VALID_REFUSED, "valid refused: a valid instance rejected"),
    "policy": (Verdict.POLICY, "refused only by a policy (blanks, order)"),
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
    "mask": "mask",
    "commit": "take token",
    "mask + commit": "mask + token",
}
"""What a table calls the measures; JSON and CSV have their names and all percentiles."""
ENGINES_A_TABLE: Final = 3
"""Engines side by side, at most: a table then fits 80 columns."""
Report: TypeAlias = dict[str, Any]
"""`common_schemas`, and `engines`: of each its counts in all and by split, the slowest schemas, and the times
(ns) over all schemas that it compiled and over those that every engine compiled."""
Table: TypeAlias = "tuple[str, Sequence[str], Sequence[Sequence[str]]]"
"""Title, head, rows."""


def report_of(results: Sequence[CaseResult]) -> Report:
    """Return the report of the results of a run. Cost: sorting all times, 16 bytes a position and engine."""
    by_engine: dict[str, list[CaseResult]] = {}
    for one in results:
        by_engine.setdefault(one.engine, []).append(one)
    # A compilation that was cut short counts: left out, it would make an engine faster by its slowest schema.
    compiled = [{one.name for one in of if one.first_ns is not None} for of in by_engine.values()]
    common = set.intersection(*compiled) if compiled else set[str]()
    splits = sorted({one.split for one in results} - {ALL})
    return {
        "common_schemas": len(common),
        "engines": {
            engine: {
                "all": counted(of),
                "splits": {split: counted([one for one in of if one.split == split]) for split in splits},
                "slowest_ns": _slowest(of),
                "ns": _figures(of),
                "ns_common": _figures([one for one in of if one.name in common]),
            }
            for engine, of in by_engine.items()
        },
    }


def counted(results: Sequence[CaseResult]) -> dict[str, Any]:
    """Return the counts of an engine's schemas, by the names of `COUNTS`, then refusals by reason, and
    instances by verdict."""
    outcomes = Counter(one.outcome for one in results)
    having = Counter(kind for one in results for kind in one.kinds)
    counts = {name: (outcomes if name in EXCLUSIVE else having)[kind] for name, (kind, _) in COUNTS.items()}
    reasons = Counter(one.reason for one in results if one.outcome is Verdict.REFUSED)
    instances = Counter(str(verdict) for one in results for verdict in one.verdicts)
    instances += Counter(skipped=sum(one.skipped for one in results))
    told = {"refused_by_reason": dict(reasons.most_common()), "instances": dict(instances)}
    return {"schemas": len(results), **counts, **told}


def times(one: CaseResult) -> dict[str, Any]:
    """Return the times of a schema by measure, arrays of ns; a sum is of a position with both its times."""
    pairs = np.array(one.pairs, np.int64).reshape(-1, 2)
    there = pairs >= 0
    return {
        "first mask": np.array([] if one.first_ns is None else [one.first_ns], np.int64),
        "mask": pairs[there[:, 0], 0],
        "commit": pairs[there[:, 1], 1],
        "mask + commit": pairs[there.all(axis=1)].sum(axis=1),
    }


def timing(measured: ArrayLike) -> dict[str, float]:
    """Return the figures of some times: `count`, `avg`, percentiles by nearest rank, so that each is a
    measured time, and `max`; none where there is no time."""
    ranked = np.sort(measured)
    if not (count := len(ranked)):
        return {}
    rank = {name: max(0, -(-permille * count // 1000) - 1) for name, permille in PERMILLES.items()}
    figures = {name: int(ranked[at]) for name, at in rank.items()}
    return {"count": count, "avg": int(ranked.sum()) / count, **figures, "max": int(ranked[-1])}


def _figures(results: Sequence[CaseResult]) -> dict[str, dict[str, float]]:
    found = [times(one) for one in results]
    figures = {
        measure: timing(np.concatenate([one[measure] for one in found])) for measure in MEASURES if found
    }
    return {measure: of for measure, of in figures.items() if of}


def _slowest(results: Sequence[CaseResult]) -> dict[str, list[tuple[str, int]]]:
    """Return the schemas with the greatest first masks, masks and commits, slowest first, with the ns."""
    found, measured = {}, [(one.name, times(one)) for one in results]
    for measure in ("first mask", "mask", "commit"):
        most = ((name, of[measure].max(initial=-1)) for name, of in measured)
        ranked = sorted(((name, int(ns)) for name, ns in most if ns >= 0), key=_greatest_first)
        found[measure] = ranked[:SLOWEST]
    return found


def _greatest_first(named: tuple[str, int]) -> tuple[int, str]:
    return -named[1], named[0]


def to_csv(report: Report) -> str:
    """Return rows of engine, split, scope, measure, figure and value: counts of schemas, and times in ns.

    The scope is `own` (all that the engine compiled) or `common` (the schemas that every engine compiled).
    The slowest schemas are rows whose figure is a name.
    """
    out = io.StringIO()
    rows = csv.writer(out, lineterminator="\n")
    rows.writerow(("engine", "split", "scope", "measure", "figure", "value"))
    for engine, found in report["engines"].items():
        rows.writerows((engine, *row) for row in _csv_rows(found))
    return out.getvalue()


def _csv_rows(found: Mapping[str, Any]) -> Iterator[tuple[Any, ...]]:
    for split, counts in ((ALL, found["all"]), *found["splits"].items()):
        yield from ((split, "own", "schemas", name, counts[name]) for name in ("schemas", *COUNTS))
        yield from ((split, "own", "refused", *pair) for pair in counts["refused_by_reason"].items())
    for scope, key in (("own", "ns"), ("common", "ns_common")):
        for measure, figures in found[key].items():
            yield from ((ALL, scope, measure, name, round(value)) for name, value in figures.items())
    for measure, slow in found["slowest_ns"].items():
        yield from ((ALL, "own", f"slowest {measure}", *pair) for pair in slow)


def tables(report: Report, unavailable: Mapping[str, str]) -> Iterator[Table]:
    """Yield the report's tables: the counts, reasons of refusals, times."""
    found, engines = report["engines"], list(report["engines"])
    groups = [engines[at : at + ENGINES_A_TABLE] for at in range(0, len(engines), ENGINES_A_TABLE)]
    for group in groups:
        every = [found[engine]["all"] for engine in group]
        words = {"schemas": "schemas", **{name: told for name, (_, told) in COUNTS.items()}}
        if not any(one["dead_ends"] for one in every):
            del words["dead_ends"]
        rows = [[told, *(f"{one[name]:,}" for one in every)] for name, told in words.items()]
        yield "Schemas", ("of all schemas", *group), rows
    splits = list(found[engines[0]]["splits"]) if engines else []
    for group in groups if len(splits) > 1 else ():
        every = [found[engine]["splits"] for engine in group]
        rows = [
            [at, *(f"{one[at]['passing']:,} of {one[at]['schemas']:,}" for one in every)] for at in splits
        ]
        yield "Passing schemas by split", ("split", *group), rows
    reasons = [(engine, found[engine]["all"]["refused_by_reason"]) for engine in engines]
    refused = [[engine, reason, str(count)] for engine, of in reasons for reason, count in of.items()]
    if refused:
        yield "Refused to compile, by reason", ("engine", "reason", "schemas"), refused
    if len(engines) > 1:
        over = f"the {report['common_schemas']:,} schemas that every engine compiled"
        yield _speed({engine: found[engine]["ns_common"] for engine in engines}, over)
    own = [engine for engine in engines if engine.startswith("structgen")] or engines
    yield _speed({engine: found[engine]["ns"] for engine in own}, "all schemas that compiled")
    if unavailable:
        yield "Not run", ("engine", "reason"), [[*pair] for pair in unavailable.items()]


def _speed(timings: Mapping[str, Any], over: str) -> Table:
    rows = [
        [words, engine, f"{found[measure]['count']:,}"]
        + [microseconds(found[measure][name]) for name in ("avg", "p50", "p99", "p99_9", "max")]
        for measure, words in MEASURES.items()
        for engine, found in timings.items()
        if measure in found
    ]
    head = ("measure", "engine", "count", "mean", "median", "99 %", "99.9 %", "max")
    return f"Microseconds a call, over {over}", head, rows


def microseconds(ns: float) -> str:
    """Return a time in microseconds with three digits that count, or all before the point."""
    value = ns / 1000
    return f"{value:.2f}" if value < 9.995 else f"{value:.1f}" if value < 99.95 else f"{value:,.0f}"


def show(console: Console, found: Iterable[Table]) -> None:
    """Print tables of aligned columns, with bold heads on a terminal. A reason may be wider than a terminal,
    and is not cut."""
    for title, head, rows in found:
        columns = list(zip(head, *rows, strict=True))
        is_number = [len(cells) > 1 and all(cell[:1].isdigit() for cell in cells[1:]) for cells in columns]
        widths = [max(map(len, cells)) for cells in columns]
        console.out(f"{title}:", style="bold", highlight=False)
        for row in (head, *rows):
            cells = [
                cell.rjust(width) if right else cell.ljust(width)
                for cell, width, right in zip(row, widths, is_number, strict=True)
            ]
            style = "bold" if row is head else None
            console.out(f"  {'  '.join(cells)}".rstrip(), style=style, highlight=False)
        console.out("")


def first_use_line(seconds: Mapping[str, float]) -> str:
    """Return the line on the time of each engine before its first schema; it fits 80 columns."""
    each = ", ".join(f"{engine} {time:.1f} s" for engine, time in seconds.items())
    return textwrap.fill(f"First use: {each}. The times above leave it out.", 80)
