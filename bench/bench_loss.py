"""Is a keyword lost in silence? Each is deleted, one by one, and the language must change.

    python bench/bench_loss.py PATH [--sample 500] [--seed 0] [--jobs 2] [--failures FILE]

PATH is a folder, tar or file of MaskBench; without it the environment's STRUCTGEN_MASKBENCH, and without that
nothing is looked at. For each keyword of each place that a schema's root reaches, the schema is read with it
and without it (widest policies), and a value is looked for that only one of the two takes (bench/loss.py).
Prints how many keywords came to what:

changed      a witness was found, and jsonschema-rs tells the two schemas apart too (or does not read it)
needed       without the keyword it is no schema: a reference would lead nowhere
annotation   nothing changes, and the report says so: it is no constraint
redundant    nothing changes, and the report says so: a constraint that its own place makes idle, or the rest
             of the schema, as a proof of `structgen explain --prove` shows
implied      nothing changes, as the oracle proves, and the report says enforced: so long a proof it skips
local        the language of the keyword's place changes; about the whole document the oracle did not decide
disputed     a witness was found, and the judges see no difference on it
unknown      not decided within the limits, or in time
left         more keywords than --most in one schema: an even choice was taken
silent       nothing changes, and jsonschema-rs sees a difference
untrue       the report says that nothing changes, and something does

Exit status: 0, or 1 where any was silent or untrue.
"""

from __future__ import annotations

import argparse
import collections
import functools
import json
import multiprocessing
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from loss import FAULTS, VERDICTS, Subject, TimeUpError, Verdict, at_most
from records import arguments, version
from records import write as write_rows

import structgen as sg
from structgen.maskbench.readers import Case, select

LEFT = "left"


@dataclass
class Outcome:
    """What became of the keywords of one schema."""

    name: str
    refused: str = ""
    counts: collections.Counter[str] = field(default_factory=collections.Counter)
    told: list[Verdict] = field(default_factory=list)
    """Those that somebody should look at."""


def look(case: Case, most: int, seconds: float) -> Outcome:
    """Return what becomes of the keywords of a schema, of at most so many."""
    outcome = Outcome(case.name)
    try:
        with at_most(10 * seconds):
            values = [json.loads(instance.text) for instance in case.instances]
            subject = Subject(case.schema, values, seconds)
    except (sg.StructgenError, TimeUpError) as error:
        outcome.refused = type(error).__name__
        return outcome
    findings = subject.report.findings
    chosen = findings[:: -(-len(findings) // most)] if findings else ()
    outcome.counts[LEFT] = len(findings) - len(chosen)
    for finding in subject.prove(chosen):
        verdict = subject.verdict(finding)
        outcome.counts[verdict.kind] += 1
        if verdict.kind not in ("changed", "annotation", "redundant"):
            outcome.told.append(verdict)
    return outcome


def outcomes(options: argparse.Namespace) -> Iterator[Outcome]:
    """Yield the outcome of every schema, in no order."""
    cases = list(select([options.path], sample=options.sample, seed=options.seed).cases())
    work = functools.partial(look, most=options.most, seconds=options.seconds)
    if options.jobs == 1:
        yield from map(work, cases)
        return
    with multiprocessing.get_context("spawn").Pool(options.jobs, maxtasksperchild=40) as pool:
        yield from pool.imap_unordered(work, cases)


def main() -> int:
    parser = arguments(__doc__)
    parser.add_argument("path", nargs="?", type=Path, help="MaskBench; default STRUCTGEN_MASKBENCH")
    parser.add_argument("--sample", type=int, default=500, help="this many schemas, drawn by the seed")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--most", type=int, default=400, help="keywords of one schema")
    parser.add_argument("--seconds", type=float, default=2.0, help="for one keyword")
    parser.add_argument("--failures", type=Path, help="write what is not plain here, a JSON object a line")
    options = parser.parse_args()
    if options.path is None and os.environ.get("STRUCTGEN_MASKBENCH"):
        options.path = Path(os.environ["STRUCTGEN_MASKBENCH"])
    if options.path is None:
        print("Nothing looked at: give the path of MaskBench, or set STRUCTGEN_MASKBENCH to it.")
        return 0
    counts: collections.Counter[str] = collections.Counter()
    schemas = 0
    begun = time.monotonic()
    failures = options.failures.open("w", encoding="utf-8") if options.failures else None
    for outcome in outcomes(options):
        schemas += 1
        if outcome.refused:
            counts[f"schemas refused: {outcome.refused}"] += 1
        counts.update(outcome.counts)
        for one in outcome.told:
            line = f"{outcome.name} {one.pointer}/{one.keyword}: {one.kind}"
            if one.kind in FAULTS:
                print(f"{line} {one.why} {one.witness[:200]}", flush=True)
            if failures is not None:
                told = {name: getattr(one, name) for name in ("pointer", "keyword", "kind", "why", "witness")}
                print(json.dumps({"schema": outcome.name, **told}), file=failures, flush=True)
    print(f"{schemas:,} schemas, {time.monotonic() - begun:.0f} s")
    for kind in (*VERDICTS, LEFT, *sorted(counts.keys() - {*VERDICTS, LEFT})):
        print(f"{counts[kind]:>9,}  {kind}")
    write(counts, schemas, options)
    return 1 if any(counts[kind] for kind in FAULTS) else 0


def write(counts: collections.Counter[str], schemas: int, options: argparse.Namespace) -> None:
    """Add one row for each count to the day's results."""
    about = {
        "version": version(),
        "path": options.path.name,
        "schemas": schemas,
        "seed": options.seed,
        "most": options.most,
    }
    rows = [(kind, counts[kind]) for kind in (*VERDICTS, LEFT)]
    write_rows(options.results, "loss", about, ("keywords", "count"), rows, more=True)


if __name__ == "__main__":
    sys.exit(main())
