"""Can the schemas that people edit files with be used, and are their own tests judged right?

    python bench/bench_schemastore.py [FOLDER] [--sample 100] [--only azure] [--timeout 20]

FOLDER holds schemas of SchemaStore with their tests: `tests/NAME` says of `schemas/NAME` which other schemas
it refers to (`resources`: from URI to file) and has JSON texts (`text`) with two verdicts, jsonschema-rs's
(`valid`) and SchemaStore's (`suite`). Without FOLDER the environment's STRUCTGEN_SCHEMASTORE, and without
that nothing is measured. A schema that is not there is not fetched: who refers to it is refused.
Each schema is compiled under the widest policies in a worker that is killed after
`--timeout` seconds of a compilation with its first mask, or of one text, and that may not map more than
`--gib`; every text is replayed token by token. llguidance compiles the same schemas to the first mask.
Prints and writes to bench/results/schemastore-DATE.csv how many schemas and texts came to what, the times of
each engine, and each schema of ours that is not right:

over        the compilation, the first mask or a text took longer than the limit, or more memory
wrong       a valid text refused, an invalid one accepted, or an error that is not ours
limit       `LimitError` or `UnsupportedError` behind the first mask, in the middle of a text
refused     by name: when compiled, or in the first mask
disputed    a verdict that jsonschema-rs's is not, but jsonschema's is, or SchemaStore's own
right       the rest

Exit status: 0, or 1 where any is over, wrong or met a limit in the middle of a text.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from records import arguments, load, show, version, write

import structgen as sg
from structgen.maskbench.measurements import CaseResult, Failure, SchemaOutcome, Verdict
from structgen.maskbench.readers import Case, Instance
from structgen.maskbench.run_report import Timing, timing
from structgen.maskbench.runner import BenchRun, engine_config
from structgen.maskbench.vocabularies import ready

OVER, WRONG, LIMIT, REFUSED, DISPUTED, RIGHT = OUTCOMES = (
    *("over", "wrong", "limit", "refused", "disputed", "right"),
)
BAD = (OVER, WRONG, LIMIT)
OURS, PEER = ENGINES = "structgen:cold", "llguidance"
REASONS = 8
"""Reasons for a refusal that are counted, of each engine: the most frequent."""
FIGURES = ("avg", "p50", "p90", "p99", "max")
COLUMNS = ("engine", "version", "measure", "count", *(f"{figure}_ms" for figure in FIGURES), "detail")


@dataclass(frozen=True)
class Entry:
    """One schema with its tests."""

    case: Case
    suite: tuple[bool, ...] = ()
    """What SchemaStore says of each text."""


@dataclass
class Judged:
    """What came of one schema."""

    name: str
    outcome: str
    detail: str = ""
    """The first line of what is to be known."""
    texts: Counter[str] = field(default_factory=Counter)
    """Texts by verdict, those that were not reached among them."""


def read(folder: Path, names: Sequence[str]) -> Iterator[Entry]:
    """Yield the schemas of these names."""
    for name in names:
        about = json.loads((folder / "tests" / name).read_text("utf-8"))
        schemas = folder / "schemas"
        resources = {
            uri: json.loads((schemas / file).read_text("utf-8")) for uri, file in about["resources"].items()
        }
        instances = tuple(Instance(test["text"].encode(), test["valid"]) for test in about["tests"])
        schema = (schemas / name).read_text("utf-8-sig")
        yield Entry(
            Case(name, "schemastore", schema, instances, resources=resources),
            tuple(test["suite"] for test in about["tests"]),
        )


def judged(entry: Entry, result: CaseResult) -> Judged:
    """Return what came of a schema of ours."""
    case = entry.case
    found = Judged(case.name, RIGHT)
    found.texts.update({verdict.value: count for verdict, count in Counter(result.verdicts).items()})
    if not result.compiled:
        found.texts["not reached"] = len(case.instances)
    elif result.skipped:
        found.texts["not reached"] = result.skipped
    told = [(_outcome(entry, failure), failure) for failure in result.failures]
    # The verdict is the worst: what comes first in OUTCOMES.
    for outcome, failure in sorted(told, key=lambda one: OUTCOMES.index(one[0]))[:1]:
        found.outcome, found.detail = outcome, _line(failure)
    if result.outcome is SchemaOutcome.TIMED_OUT:
        found.outcome = OVER
    return found


def _outcome(entry: Entry, failure: Failure) -> str:
    if failure.kind == Verdict.TIMED_OUT.value or failure.detail.startswith("MemoryError"):
        return OVER
    if failure.kind == Verdict.CRASHED.value:
        named = failure.detail.startswith(("LimitError", "UnsupportedError"))
        return (REFUSED if failure.instance is None else LIMIT) if named else WRONG
    if failure.instance is None:
        return REFUSED
    accepted = failure.kind == Verdict.INVALID_ACCEPTED.value
    doubted = (
        entry.suite[failure.instance] == accepted or _other_judge(entry.case, failure.instance) == accepted
    )
    return DISPUTED if doubted else WRONG


def _other_judge(case: Case, instance: int) -> bool | None:
    """Return what `jsonschema`, formats asserted, says of a text; None where it says nothing."""
    import jsonschema
    from referencing import Registry
    from referencing.jsonschema import DRAFT7

    schema: Any = json.loads(case.schema)
    try:
        make = jsonschema.validators.validator_for(schema, default=jsonschema.Draft202012Validator)
        registry: Any = Registry().with_contents(case.resources.items(), default_specification=DRAFT7)
        judge = make(schema, registry=registry, format_checker=make.FORMAT_CHECKER)
        return bool(judge.is_valid(json.loads(case.instances[instance].text)))
    except Exception:
        # It raises errors of many kinds for schemas and patterns that it does not take.
        return None


def _line(failure: Failure) -> str:
    """Return the first line of what is known of a failure."""
    where = "" if failure.instance is None else f"text {failure.instance}"
    where += f" at byte {failure.byte}" if failure.byte is not None else ""
    words = [failure.kind, where, failure.detail or failure.expected]
    return ": ".join(part for part in words if part).splitlines()[0][:300]


def measure(
    options: argparse.Namespace, entries: Iterable[Entry]
) -> tuple[list[Judged], dict[str, list[CaseResult]], dict[str, str]]:
    """Return what came of each schema, the results of each engine, and their versions."""
    found: list[Judged] = []
    results: dict[str, list[CaseResult]] = {}
    versions: dict[str, str] = {}
    known = {entry.case.name: entry for entry in entries}
    for engine in ENGINES:
        memory = int(options.gib * (1 << 30))
        config = engine_config(engine, ready(options.tokenizer), dict(sg.WIDEST), memory=memory)
        ours = engine == OURS
        # Of the peer the first mask is asked alone.
        cases = [
            one.case if ours else Case(one.case.name, "schemastore", one.case.schema)
            for one in known.values()
        ]
        with BenchRun([config], timeout=options.timeout, jobs=options.jobs) as run:
            run.prepare(lambda: (), lambda: None)
            if run.unavailable:
                print(f"{engine} is not measured: {run.unavailable[engine]}", file=sys.stderr)
                continue
            versions.update(run.versions)
            results[engine] = []
            for case, (result,) in run.results(cases):
                results[engine].append(result)
                if ours:
                    found.append(judged(known[case.name], result))
                    if found[-1].outcome not in (RIGHT, DISPUTED):
                        print(f"{case.name}  {found[-1].outcome}  {found[-1].detail}", flush=True)
    return found, results, versions


def times(results: Sequence[CaseResult]) -> Iterator[tuple[str, Timing]]:
    """Yield what was timed of one engine, a value a schema."""
    for measure, values in {
        "compile": [result.compile_ns for result in results if result.compile_ns is not None],
        # A first mask that was cut short counts with the time it had taken.
        "first mask": [result.first_ns for result in results if result.first_ns is not None],
        "longest mask": [max(masks) for result in results if (masks := list(result.masks()))],
    }.items():
        if figures := timing(values):
            yield measure, figures


def rows(
    found: Sequence[Judged], results: dict[str, list[CaseResult]], versions: dict[str, str]
) -> Iterator[list[object]]:
    """Yield the rows of the results: counts, times, and each schema that is not right."""
    outcomes = Counter(one.outcome for one in found)
    counts = {(OURS, "schemas"): len(found)}
    counts |= {(OURS, f"schemas {outcome}"): outcomes[outcome] for outcome in OUTCOMES}
    texts = sum((one.texts for one in found), Counter[str]())
    counts |= {(OURS, f"texts {verdict}"): count for verdict, count in sorted(texts.items())}
    for engine, gathered in results.items():
        if engine != OURS:
            said = Counter(result.outcome.value for result in gathered)
            counts |= {(engine, f"schemas {outcome}"): count for outcome, count in sorted(said.items())}
        refused = Counter(result.reason for result in gathered if result.reason).most_common(REASONS)
        counts |= {(engine, f"refused: {reason}"): count for reason, count in refused}
    blank = [""] * len(FIGURES)
    for (engine, what), count in counts.items():
        yield [engine, versions.get(engine, ""), what, count, *blank, ""]
    compiled = [{one.name for one in gathered if one.compiled} for gathered in results.values()]
    common = set.intersection(*compiled) if compiled else set()
    for engine, gathered in results.items():
        both = [result for result in gathered if result.name in common]
        for scope, of in ("", gathered), (" of what both take", both):
            for measure, found_times in times(of):
                values = [round(found_times[figure] / 1e6, 3) for figure in FIGURES]
                yield [engine, versions[engine], measure + scope, found_times["count"], *values, ""]
    for one in found:
        if one.outcome != RIGHT:
            yield [OURS, versions.get(OURS, ""), f"{one.outcome}: {one.name}", 1, *blank, one.detail]


def main() -> int:
    parser = arguments(__doc__)
    parser.add_argument("folder", nargs="?", type=Path, help="SchemaStore; default STRUCTGEN_SCHEMASTORE")
    parser.add_argument("--sample", type=int, help="this many schemas, drawn by the seed")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", help="schemas with this in their names; no file is written")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--timeout", type=float, default=20.0, help="seconds: a first mask, a text")
    parser.add_argument("--gib", type=float, default=6.0, help="memory that a worker may map")
    parser.add_argument("--tokenizer", default="small")
    options = parser.parse_args()
    folder = options.folder or Path(os.environ.get("STRUCTGEN_SCHEMASTORE", ""))
    if folder == Path():
        print("Nothing measured: give the folder of SchemaStore, or set STRUCTGEN_SCHEMASTORE to it.")
        return 0
    names = sorted(file.name for file in (folder / "tests").glob("*.json") if options.only in file.name)
    if options.sample is not None and options.sample < len(names):
        names = sorted(random.Random(options.seed).sample(names, options.sample))
    before = load()
    found, results, versions = measure(options, read(folder, names))
    versions[OURS] = version()
    rows_found = list(rows(found, results, versions))
    show(COLUMNS, rows_found)
    if not options.only:
        about = {
            "load": f"{before} -> {load()}",
            "python": platform.python_version(),
            "tokenizer": Path(options.tokenizer).name,
            "policy": "widest",
            "sample": options.sample or "all",
            "timeout_s": options.timeout,
        }
        print(write(options.results, "schemastore", about, COLUMNS, rows_found))
    return 1 if any(one.outcome in BAD for one in found) else 0


if __name__ == "__main__":
    sys.exit(main())
