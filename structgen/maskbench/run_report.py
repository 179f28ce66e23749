"""What a run amounts to: counts by split, times by percentile, as tables, lines, JSON or CSV."""

from __future__ import annotations

import csv
import io
import json
import textwrap
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

from structgen.maskbench.measurements import CaseResult, SchemaOutcome, Verdict

if TYPE_CHECKING:
    from rich.console import Console

ALL: Final = "all"
_PERMILLES: Final = (("p25", 250), ("p50", 500), ("p75", 750), ("p90", 900), ("p95", 950), ("p99", 990))
_SLOWEST: Final = 20
"""Schemas that are named with their times."""
_COUNTS: Final = (
    ("schemas", "schemas"),
    ("passing", "passing: all instances judged right"),
    ("refused", "refused to compile"),
    ("valid_refused", "valid refused: a valid instance rejected"),
    ("policy", "refused only by a policy (blanks, order)"),
    ("invalid_accepted", "invalid accepted: a wrong one passed"),
    ("dead_ends", "dead ends: no token was allowed"),
    ("crashed", "crashed"),
    ("timed_out", "timed out"),
)
"""The counts by field, and the words that a table has for them: they are read without a legend."""
_ENGINES_A_TABLE: Final = 3
"""Engines side by side, at most: a table then fits 80 columns."""


@dataclass(frozen=True, slots=True)
class Timing:
    """Times of one kind, in nanoseconds. Percentiles are by nearest rank: each is a measured time."""

    count: int
    avg: float
    p25: int
    p50: int
    p75: int
    p90: int
    p95: int
    p99: int
    p99_9: int
    max: int

    @classmethod
    def of(cls, times: Iterable[int]) -> Timing | None:
        """Return the figures of some times, or None where there is none."""
        ranked = sorted(times)
        if not ranked:
            return None
        figures = {name: percentile(ranked, permille) for name, permille in (*_PERMILLES, ("p99_9", 999))}
        return cls(count=len(ranked), avg=sum(ranked) / len(ranked), max=ranked[-1], **figures)


def percentile(ranked: Sequence[int], permille: int) -> int:
    """Return the least of some sorted times such that `permille`/1000 of them are at or below it."""
    return ranked[max(0, -(-permille * len(ranked) // 1000) - 1)]


@dataclass(slots=True)
class Counts:
    """Schemas of one engine in one split.

    `passing`, `refused`, `crashed`, `timed_out` exclude each other; a schema that refuses a valid instance
    may accept an invalid one too, and is then in both columns.
    """

    schemas: int = 0
    passing: int = 0
    refused: int = 0
    valid_refused: int = 0
    policy: int = 0
    invalid_accepted: int = 0
    dead_ends: int = 0
    crashed: int = 0
    timed_out: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    """Schemas refused to compile, by reason."""
    instances: Counter[str] = field(default_factory=Counter)
    """Instances by verdict, and `skipped`: after one that crashed or timed out."""

    @classmethod
    def of(cls, results: Collection[CaseResult]) -> Counts:
        """Return the counts of some schemas."""
        outcomes = Counter(one.outcome for one in results)
        having = Counter(verdict for one in results for verdict in set(one.verdicts))
        by_policy = (one.outcome is SchemaOutcome.POLICY or Verdict.POLICY in one.verdicts for one in results)
        instances = Counter(verdict.value for one in results for verdict in one.verdicts)
        return cls(
            schemas=len(results),
            passing=outcomes[SchemaOutcome.PASSING],
            refused=outcomes[SchemaOutcome.REFUSED],
            valid_refused=having[Verdict.VALID_REFUSED],
            policy=sum(by_policy),
            invalid_accepted=having[Verdict.INVALID_ACCEPTED],
            dead_ends=having[Verdict.DEAD_END],
            crashed=outcomes[SchemaOutcome.CRASHED],
            timed_out=outcomes[SchemaOutcome.TIMED_OUT],
            reasons=Counter(one.reason for one in results if one.outcome is SchemaOutcome.REFUSED),
            instances=instances + Counter(skipped=sum(one.skipped for one in results)),
        )


class Tally:
    """The results of a run as they come in; their times are plain arrays, 16 bytes a position."""

    def __init__(self) -> None:
        self._results: dict[str, list[CaseResult]] = {}

    def add(self, results: Iterable[CaseResult]) -> None:
        """Take in the results of one case."""
        for result in results:
            self._results.setdefault(result.engine, []).append(result)

    def faults(self, engine: str) -> int:
        """Return how many schemas of an engine neither pass nor are held up by a policy alone."""
        fine = (SchemaOutcome.PASSING, SchemaOutcome.POLICY)
        return sum(one.outcome not in fine for one in self._results.get(engine, ()))

    def engines(self) -> list[str]:
        """Return the engines that have results, in the order of the run."""
        return list(self._results)

    def splits(self) -> list[str]:
        """Return the splits, sorted."""
        return sorted({one.split for results in self._results.values() for one in results} - {ALL})

    def counts(self, engine: str, split: str = ALL) -> Counts:
        """Return the counts of an engine in a split, or in all."""
        results = self._results.get(engine, ())
        return Counts.of([one for one in results if split in (ALL, one.split)])

    def common(self) -> set[str]:
        """Return the names of the schemas that every engine compiled, or was compiling when time was up: to
        leave out a compilation that was cut short would make an engine faster by its slowest schema."""
        sets = [{one.name for one in found if one.first_ns is not None} for found in self._results.values()]
        return set.intersection(*sets) if sets else set()

    def timings(self, engine: str, names: set[str] | None = None) -> dict[str, Timing]:
        """Return an engine's times by measure, over the schemas of these names, or over all."""
        chosen = [one for one in self._results.get(engine, ()) if names is None or one.name in names]
        times: dict[str, Iterable[int]] = {
            "first mask": (one.first_ns for one in chosen if one.first_ns is not None),
            "mask": chain.from_iterable(one.masks() for one in chosen),
            "commit": chain.from_iterable(one.commits() for one in chosen),
            "mask + commit": chain.from_iterable(one.sums() for one in chosen),
        }
        figures = {measure: Timing.of(values) for measure, values in times.items()}
        return {measure: found for measure, found in figures.items() if found is not None}

    def slowest(self, engine: str, count: int) -> dict[str, list[tuple[str, int]]]:
        """Return the schemas of an engine with the greatest times, slowest first: name and ns of the first
        mask, of the slowest mask, and of the token that was slowest to take."""
        results = self._results.get(engine, ())
        found = {
            "first mask": [(one.name, one.first_ns) for one in results],
            "mask": [(one.name, max(one.masks(), default=None)) for one in results],
            "commit": [(one.name, max(one.commits(), default=None)) for one in results],
        }
        return {
            measure: sorted(
                ((name, ns) for name, ns in times if ns is not None), key=lambda pair: (-pair[1], pair[0])
            )[:count]
            for measure, times in found.items()
        }


def to_json(tally: Tally, about: Mapping[str, Any]) -> str:
    """Return one JSON object: `about` the run; per engine its counts and its times in ns."""
    common = tally.common()
    engines = {}
    for engine in tally.engines():
        engines[engine] = {
            "all": _counts_json(tally.counts(engine)),
            "splits": {split: _counts_json(tally.counts(engine, split)) for split in tally.splits()},
            "slowest_ns": tally.slowest(engine, _SLOWEST),
            "ns": {measure: asdict(timing) for measure, timing in tally.timings(engine).items()},
            "ns_common": {
                measure: asdict(timing) for measure, timing in tally.timings(engine, common).items()
            },
        }
    return json.dumps({**about, "common_schemas": len(common), "engines": engines}, indent=2)


def _counts_json(counts: Counts) -> dict[str, Any]:
    return {
        **{name: getattr(counts, name) for name, _ in _COUNTS},
        "refused_by_reason": dict(counts.reasons.most_common()),
        "instances": dict(counts.instances),
    }


def to_csv(tally: Tally) -> str:
    """Return rows of engine, split, scope, measure, figure and value: counts of schemas, and times in ns.

    The scope is `own` (all that the engine compiled) or `common` (the schemas that every engine compiled).
    The slowest schemas are rows whose figure is a name.
    """
    out = io.StringIO()
    rows = csv.writer(out, lineterminator="\n")
    rows.writerow(("engine", "split", "scope", "measure", "figure", "value"))
    common = tally.common()
    for engine in tally.engines():
        for split in (ALL, *tally.splits()):
            counts = tally.counts(engine, split)
            for name, _ in _COUNTS:
                rows.writerow((engine, split, "own", "schemas", name, getattr(counts, name)))
            for reason, count in counts.reasons.most_common():
                rows.writerow((engine, split, "own", "refused", reason, count))
        for scope, names in (("own", None), ("common", common)):
            for measure, timing in tally.timings(engine, names).items():
                for figure, value in asdict(timing).items():
                    rows.writerow((engine, ALL, scope, measure, figure, round(value)))
        for measure, slow in tally.slowest(engine, _SLOWEST).items():
            for name, ns in slow:
                rows.writerow((engine, ALL, "own", f"slowest {measure}", name, ns))
    return out.getvalue()


Table = tuple[str, Sequence[str], Sequence[Sequence[str]]]


def tables(tally: Tally, unavailable: Mapping[str, str]) -> list[Table]:
    """Return the report's tables, each as title, head and rows: the counts, reasons of refusals, times."""
    engines = tally.engines()
    result: list[Table] = []
    groups = [engines[at : at + _ENGINES_A_TABLE] for at in range(0, len(engines), _ENGINES_A_TABLE)]
    for group in groups:
        every = [tally.counts(engine) for engine in group]
        rows = [
            [words, *(f"{getattr(counts, name):,}" for counts in every)]
            for name, words in _COUNTS
            if name != "dead_ends" or any(counts.dead_ends for counts in every)
        ]
        result.append(("Schemas", ("of all schemas", *group), rows))
    for group in groups if len(tally.splits()) > 1 else ():
        rows = []
        for split in tally.splits():
            counted = [tally.counts(engine, split) for engine in group]
            rows.append([split, *(f"{counts.passing:,} of {counts.schemas:,}" for counts in counted)])
        result.append(("Passing schemas by split", ("split", *group), rows))
    refused = [
        [engine, reason, str(count)]
        for engine in engines
        for reason, count in tally.counts(engine).reasons.most_common()
    ]
    if refused:
        result.append(("Refused to compile, by reason", ("engine", "reason", "schemas"), refused))
    if len(engines) > 1:
        common = tally.common()
        title = f"Microseconds a call, over the {len(common):,} schemas that every engine compiled"
        result.append((title, _SPEED_HEAD, _speed(engines, lambda engine: tally.timings(engine, common))))
    own = [engine for engine in engines if engine.startswith("structgen")] or engines
    title = "Microseconds a call, over all schemas that compiled"
    result.append((title, _SPEED_HEAD, _speed(own, tally.timings)))
    if unavailable:
        result.append(("Not run", ("engine", "reason"), [[name, why] for name, why in unavailable.items()]))
    return result


_SPEED_HEAD: Final = ("measure", "engine", "count", "mean", "median", "99 %", "99.9 %", "max")
_MEASURED: Final = {
    "first mask": "first mask",
    "mask": "mask",
    "commit": "take token",
    "mask + commit": "mask + token",
}
"""What a table calls the measures; JSON and CSV have their names and all percentiles."""


def _speed(engines: Iterable[str], timings: Callable[[str], Mapping[str, Timing]]) -> list[list[str]]:
    by_engine = {engine: timings(engine) for engine in engines}
    rows = []
    for measure in _MEASURED:
        for engine, found in by_engine.items():
            if measure in found:
                t = found[measure]
                figures = (t.avg, t.p50, t.p99, t.p99_9, t.max)
                cells = [microseconds(value) for value in figures]
                rows.append([_MEASURED[measure], engine, f"{t.count:,}", *cells])
    return rows


def microseconds(ns: float) -> str:
    """Return a time in microseconds with three digits that count, or all before the point."""
    value = ns / 1000
    return f"{value:.2f}" if value < 9.995 else f"{value:.1f}" if value < 99.95 else f"{value:,.0f}"


def show(console: Console, found: Sequence[Table]) -> None:
    """Print tables of aligned columns, with bold heads on a terminal."""
    from rich.table import Table as RichTable
    from rich.text import Text

    for title, head, rows in found:
        numeric = [
            bool(rows) and all(row[column][:1].isdigit() for row in rows) for column in range(len(head))
        ]
        if console.is_terminal:
            # without rules, so that it fits 80 columns wherever the plain lines do
            table = RichTable(title=title, title_justify="left", box=None, pad_edge=False, padding=(0, 1))
            for name, right in zip(head, numeric, strict=True):
                table.add_column(name, justify="right" if right else "left", overflow="fold")
            for row in rows:
                table.add_row(*(Text(cell) for cell in row))
            console.print(table)
            continue
        widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
        console.out(f"{title}:", highlight=False)
        for row in (head, *rows):
            cells = [
                cell.rjust(width) if right else cell.ljust(width)
                for cell, width, right in zip(row, widths, numeric, strict=True)
            ]
            console.out(f"  {'  '.join(cells)}".rstrip(), highlight=False)
        console.out("")


def first_use_line(seconds: Mapping[str, float]) -> str:
    """Return the line on the time of each engine before its first schema; it fits 80 columns."""
    each = ", ".join(f"{engine} {time:.1f} s" for engine, time in seconds.items())
    return textwrap.fill(f"First use: {each}. The times above leave it out.", 80)
