"""What a run amounts to: counts by split, times by percentile, as tables, lines, JSON or CSV."""

from __future__ import annotations

import csv
import io
import json
import textwrap
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from structgen.maskbench.measurements import CaseResult, SchemaOutcome, Verdict

if TYPE_CHECKING:
    from rich.console import Console

ALL: Final = "all"
_PERMILLES: Final = {"p25": 250, "p50": 500, "p75": 750, "p90": 900, "p95": 950, "p99": 990, "p99_9": 999}
_SLOWEST: Final = 20
"""Schemas that are named with their times."""
COUNTS: Final = {
    "schemas": "schemas",
    "passing": "passing: all instances judged right",
    "refused": "refused to compile",
    "valid_refused": "valid refused: a valid instance rejected",
    "policy": "refused only by a policy (blanks, order)",
    "invalid_accepted": "invalid accepted: a wrong one passed",
    "dead_ends": "dead ends: no token was allowed",
    "limited": "stopped by a limit of the engine",
    "crashed": "crashed",
    "timed_out": "timed out",
}
"""The counts, and the words that a table has for them: they are read without a legend.

`passing`, `refused`, `limited`, `crashed`, `timed_out` exclude each other; a schema that refuses a valid
instance may accept an invalid one too, and is then in both.
"""
_MEASURED: Final = {
    "first mask": "first mask",
    "mask": "mask",
    "commit": "take token",
    "mask + commit": "mask + token",
}
"""What a table calls the measures; JSON and CSV have their names and all percentiles."""
_ENGINES_A_TABLE: Final = 3
"""Engines side by side, at most: a table then fits 80 columns."""
Timing: TypeAlias = dict[str, float]
"""Times of one kind, in nanoseconds: `count`, `avg`, percentiles by nearest rank (each is a measured time),
`max`."""
Table: TypeAlias = "tuple[str, Sequence[str], Sequence[Sequence[str]]]"
"""Title, head, rows."""


def timing(times: Iterable[int]) -> Timing:
    """Return the figures of some times; none where there is no time."""
    ranked = sorted(times)
    if not ranked:
        return {}
    figures = {name: percentile(ranked, permille) for name, permille in _PERMILLES.items()}
    return {"count": len(ranked), "avg": sum(ranked) / len(ranked), **figures, "max": ranked[-1]}


def percentile(ranked: Sequence[int], permille: int) -> int:
    """Return the least of some sorted times such that `permille`/1000 of them are at or below it."""
    return ranked[max(0, -(-permille * len(ranked) // 1000) - 1)]


class Tally:
    """The results of a run as they come in; their times are plain arrays, 16 bytes a position."""

    def __init__(self) -> None:
        self._results: dict[str, list[CaseResult]] = {}

    def add(self, results: Iterable[CaseResult]) -> None:
        """Take in the results of one case."""
        for result in results:
            self._results.setdefault(result.engine, []).append(result)

    def of(self, engine: str, split: str = ALL) -> list[CaseResult]:
        """Return the results of an engine in a split, or all."""
        return [one for one in self._results.get(engine, ()) if split in (ALL, one.split)]

    def faults(self, engine: str) -> int:
        """Return how many schemas of an engine neither pass nor are held up by a policy alone."""
        fine = (SchemaOutcome.PASSING, SchemaOutcome.POLICY)
        return sum(one.outcome not in fine for one in self.of(engine))

    def engines(self) -> list[str]:
        """Return the engines that have results, in the order of the run."""
        return list(self._results)

    def splits(self) -> list[str]:
        """Return the splits, sorted."""
        return sorted({one.split for engine in self._results for one in self.of(engine)} - {ALL})

    def counts(self, engine: str, split: str = ALL) -> dict[str, Any]:
        """Return the schemas of an engine in a split, or in all, by the names of `COUNTS`."""
        results = self.of(engine, split)
        outcomes = Counter(one.outcome for one in results)
        having = Counter(verdict for one in results for verdict in set(one.verdicts))
        by_policy = (one.outcome is SchemaOutcome.POLICY or Verdict.POLICY in one.verdicts for one in results)
        return {
            "schemas": len(results),
            "passing": outcomes[SchemaOutcome.PASSING],
            "refused": outcomes[SchemaOutcome.REFUSED],
            "valid_refused": having[Verdict.VALID_REFUSED],
            "policy": sum(by_policy),
            "invalid_accepted": having[Verdict.INVALID_ACCEPTED],
            "dead_ends": having[Verdict.DEAD_END],
            "limited": outcomes[SchemaOutcome.LIMITED],
            "crashed": outcomes[SchemaOutcome.CRASHED],
            "timed_out": outcomes[SchemaOutcome.TIMED_OUT],
        }

    def reasons(self, engine: str, split: str = ALL) -> dict[str, int]:
        """Return the schemas that are refused to compile by reason, the most frequent first."""
        refused = (one for one in self.of(engine, split) if one.outcome is SchemaOutcome.REFUSED)
        return dict(Counter(one.reason for one in refused).most_common())

    def instances(self, engine: str, split: str = ALL) -> dict[str, int]:
        """Return instances by verdict, and those that were `skipped` after one that crashed or timed out."""
        results = self.of(engine, split)
        skipped = sum(one.skipped for one in results)
        verdicts = Counter(verdict.value for one in results for verdict in one.verdicts)
        return {**verdicts, **({"skipped": skipped} if skipped else {})}

    def common(self) -> set[str]:
        """Return the names of the schemas that every engine compiled, or was compiling when time was up: to
        leave out a compilation that was cut short would make an engine faster by its slowest schema."""
        sets = [{one.name for one in found if one.first_ns is not None} for found in self._results.values()]
        return set.intersection(*sets) if sets else set()

    def timings(self, engine: str, names: set[str] | None = None) -> dict[str, Timing]:
        """Return an engine's times by measure, over the schemas of these names, or over all."""
        chosen = [one for one in self.of(engine) if names is None or one.name in names]
        times: dict[str, Iterable[int]] = {
            "first mask": (one.first_ns for one in chosen if one.first_ns is not None),
            "mask": chain.from_iterable(one.masks() for one in chosen),
            "commit": chain.from_iterable(one.commits() for one in chosen),
            "mask + commit": chain.from_iterable(one.sums() for one in chosen),
        }
        return {measure: found for measure, values in times.items() if (found := timing(values))}

    def slowest(self, engine: str, count: int = _SLOWEST) -> dict[str, list[tuple[str, int]]]:
        """Return the schemas of an engine with the greatest times, slowest first: name and ns of the first
        mask, of the slowest mask, and of the token that was slowest to take."""
        found = {
            "first mask": [(one.name, one.first_ns) for one in self.of(engine)],
            "mask": [(one.name, max(one.masks(), default=None)) for one in self.of(engine)],
            "commit": [(one.name, max(one.commits(), default=None)) for one in self.of(engine)],
        }
        return {
            measure: sorted(
                ((name, ns) for name, ns in times if ns is not None), key=lambda pair: (-pair[1], pair[0])
            )[:count]
            for measure, times in found.items()
        }

    def report(self) -> dict[str, Any]:
        """Return everything by engine: counts of schemas in all and by split, times in ns."""
        common = self.common()

        def counted(engine: str, split: str) -> dict[str, Any]:
            reasons, instances = self.reasons(engine, split), self.instances(engine, split)
            return self.counts(engine, split) | {"refused_by_reason": reasons, "instances": instances}

        return {
            engine: {
                "all": counted(engine, ALL),
                "splits": {split: counted(engine, split) for split in self.splits()},
                "slowest_ns": self.slowest(engine),
                "ns": self.timings(engine),
                "ns_common": self.timings(engine, common),
            }
            for engine in self.engines()
        }


def to_json(tally: Tally, about: Mapping[str, Any]) -> str:
    """Return one JSON object: `about` the run, and the report."""
    return json.dumps({**about, "common_schemas": len(tally.common()), "engines": tally.report()}, indent=2)


def to_csv(tally: Tally) -> str:
    """Return rows of engine, split, scope, measure, figure and value: counts of schemas, and times in ns.

    The scope is `own` (all that the engine compiled) or `common` (the schemas that every engine compiled).
    The slowest schemas are rows whose figure is a name.
    """
    out = io.StringIO()
    rows = csv.writer(out, lineterminator="\n")
    rows.writerow(("engine", "split", "scope", "measure", "figure", "value"))
    for engine, found in tally.report().items():
        for split, counts in ((ALL, found["all"]), *found["splits"].items()):
            rows.writerows((engine, split, "own", "schemas", name, counts[name]) for name in COUNTS)
            refused = counts["refused_by_reason"].items()
            rows.writerows((engine, split, "own", "refused", *pair) for pair in refused)
        for scope, key in (("own", "ns"), ("common", "ns_common")):
            for measure, figures in found[key].items():
                for figure, value in figures.items():
                    rows.writerow((engine, ALL, scope, measure, figure, round(value)))
        for measure, slow in found["slowest_ns"].items():
            rows.writerows((engine, ALL, "own", f"slowest {measure}", *pair) for pair in slow)
    return out.getvalue()


def tables(tally: Tally, unavailable: Mapping[str, str]) -> list[Table]:
    """Return the report's tables: the counts, reasons of refusals, times."""
    engines, splits = tally.engines(), tally.splits()
    groups = [engines[at : at + _ENGINES_A_TABLE] for at in range(0, len(engines), _ENGINES_A_TABLE)]
    result: list[Table] = []
    for group in groups:
        every = [tally.counts(engine) for engine in group]
        shown = (name for name in COUNTS if name != "dead_ends" or any(one[name] for one in every))
        rows = [[COUNTS[name], *(f"{one[name]:,}" for one in every)] for name in shown]
        result.append(("Schemas", ("of all schemas", *group), rows))
    for group in groups if len(splits) > 1 else ():
        rows = []
        for split in splits:
            every = [tally.counts(engine, split) for engine in group]
            rows.append([split, *(f"{one['passing']:,} of {one['schemas']:,}" for one in every)])
        result.append(("Passing schemas by split", ("split", *group), rows))
    refused = [[engine, *map(str, pair)] for engine in engines for pair in tally.reasons(engine).items()]
    if refused:
        result.append(("Refused to compile, by reason", ("engine", "reason", "schemas"), refused))
    head = ("measure", "engine", "count", "mean", "median", "99 %", "99.9 %", "max")
    if len(engines) > 1:
        common = tally.common()
        title = f"Microseconds a call, over the {len(common):,} schemas that every engine compiled"
        result.append((title, head, _speed(engines, lambda engine: tally.timings(engine, common))))
    own = [engine for engine in engines if engine.startswith("structgen")] or engines
    title = "Microseconds a call, over all schemas that compiled"
    result.append((title, head, _speed(own, tally.timings)))
    if unavailable:
        result.append(("Not run", ("engine", "reason"), [[*pair] for pair in unavailable.items()]))
    return result


def _speed(engines: Iterable[str], timings: Callable[[str], Mapping[str, Timing]]) -> list[list[str]]:
    by_engine = {engine: timings(engine) for engine in engines}
    return [
        [words, engine, f"{t['count']:,}"]
        + [microseconds(t[name]) for name in ("avg", "p50", "p99", "p99_9", "max")]
        for measure, words in _MEASURED.items()
        for engine, found in by_engine.items()
        if (t := found.get(measure))
    ]


def microseconds(ns: float) -> str:
    """Return a time in microseconds with three digits that count, or all before the point."""
    value = ns / 1000
    return f"{value:.2f}" if value < 9.995 else f"{value:.1f}" if value < 99.95 else f"{value:,.0f}"


def show(console: Console, found: Sequence[Table]) -> None:
    """Print tables of aligned columns, with bold heads on a terminal."""
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
