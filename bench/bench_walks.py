"""Does every walk end in a valid document? Random walks over the masks, and what became of each.

    python bench/bench_walks.py PATH... [--sample 300] [--seed 0] [--jobs 2] [--policies widest]
    python bench/bench_walks.py PATH... --progress FILE [--again slow] [--minutes 60]
    python bench/bench_walks.py --random 5000 [--seed 7]

PATH is a folder, tar or file of MaskBench, or the folder of the JSON-Schema-Test-Suite. Each schema that has
a valid instance is walked 20 times: uniformly over the allowed tokens, drawn towards closing, and within a
budget a little above the least. A walk that is not over after some tokens is finished within
`tokens_to_finish()`. An empty mask, or a budget that does not suffice, is a *dead end*; any other error is a
*crash*; a document that jsonschema-rs refuses (formats asserted; the arbiter of tests/oracles decides where
it knows better) is *invalid*. The exit status is 1 where there was one of them. A schema whose walks take too
long is *slow*, and named.

With --random so many schemas are made by the seed (bench/attacks.py): of the rare keywords, of unions that
some keys decide, with lone surrogates and non-ASCII keys, under all escape policies. They are walked three
times and tried with random documents. jsonschema and jsonschema-rs judge: where both accept a document and
the policies let it be spelt so, and the masks do not, it is *lost*. Where the two differ (*disputed*) nothing
is said; a `LimitError` in the middle of a text (*limit*) is counted.

With --progress each schema is a line of that file as soon as it is walked; a second run with the same file
leaves out what is there, but for the verdicts of --again, and the totals are of all lines. The order is drawn
by the seed: what an interrupted run has walked is a fair sample.
"""

from __future__ import annotations

import argparse
import collections
import dataclasses
import functools
import itertools
import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from attacks import DOCUMENT, attack, random_subjects
from records import arguments, version
from records import load as load_averages
from records import write as write_rows
from walks import BAD, DOUBTFUL, KINDS, POLICIES, Outcome, Subject, Vocabulary, attempt, subjects
from workers import answered

import structgen as sg
from structgen.maskbench.vocabularies import load
from structgen.system.worker_process import LateError

USUAL = {"walks": 20, "seconds": 15.0, "timeout": 300.0}
"""Bounds of a schema where none are given; those of a random one are less."""
RANDOM = "random"
COLUMNS = ("kind", "schemas", "walks", "tokens", *BAD, *DOUBTFUL)


class Walks:
    """Walks subjects, in a process of its own."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options

    @functools.cached_property
    def vocabulary(self) -> Vocabulary:
        """The vocabulary; the inner loop is compiled, or read from the cache, before a schema's time runs."""
        found = Vocabulary(load(self.options.tokenizer))
        sg.Matcher(sg.compile(sg.json_schema({}), found.tokenizer)).tokens_to_finish()
        return found

    def __call__(self, subject: Subject) -> Outcome:
        options, vocabulary = self.options, self.vocabulary
        bounds = options.walks, options.tokens, options.seconds, options.seed
        if subject.attacked:
            return attack(subject, vocabulary, *bounds)
        return attempt(subject, vocabulary, options.policies, *bounds)


def run(
    waiting: Iterator[Subject],
    options: argparse.Namespace,
    work: Callable[[argparse.Namespace], Callable[[Subject], Outcome]] = Walks,
) -> Iterator[Outcome]:
    """Yield the outcome of every subject, as they come, until the run's time is over."""
    end = time.monotonic() + 60 * options.minutes
    going = itertools.takewhile(lambda _: time.monotonic() < end, waiting)
    make = functools.partial(work, options)
    for subject, found in answered(make, going, options.jobs, lambda _: float(options.timeout)):
        if isinstance(found, Exception):
            verdict = "slow" if isinstance(found, LateError) else "died"
            faults = [{"kind": "run", "why": str(found)}]
            found = Outcome(subject.name, verdict, faults=faults, seconds=options.timeout)
        yield found


def read_progress(path: Path | None) -> dict[str, Outcome]:
    """Return the outcomes that a file holds by name, the last line of each."""
    if path is None or not path.exists():
        return {}
    lines = path.read_text(encoding="utf-8").splitlines()
    return {outcome.name: outcome for outcome in (Outcome(**json.loads(line)) for line in lines if line)}


def label(outcome: Outcome, why: str) -> str:
    """Return the column of a fault."""
    return why.partition(":")[0] if outcome.walks else outcome.verdict


def show(outcome: Outcome) -> None:
    """Print what is to be looked at."""
    for fault in outcome.faults:
        if label(outcome, fault["why"]) in BAD or outcome.verdict in ("slow", "died"):
            where = fault.get("text", "")[-160:]
            print(f"{outcome.name} [{fault['kind']}] {fault['why'][:400]}\n    ...{where!r}", flush=True)
            if "schema" in fault:
                print(f"    {fault['options']} {fault['schema']}", flush=True)
    if outcome.verdict == "slow":
        print(
            f"{outcome.name} slow: {sum(outcome.walks.values())} walks, {outcome.seconds:.0f} s", flush=True
        )


def source_of(name: str) -> str:
    """Return where a schema is from."""
    if name.startswith(f"{RANDOM}-"):
        return RANDOM
    # Names of the suite are paths below its folder of tests.
    return "suite" if "/" in name and "#" in name else "MaskBench"


def totals(outcomes: Iterable[Outcome]) -> Iterator[tuple[str, str, list[object]]]:
    """Yield the rows of the results: for each source and kind, and for each verdict of a schema."""
    counts: collections.Counter[tuple[str, str, str]] = collections.Counter()
    verdicts: collections.Counter[tuple[str, str]] = collections.Counter()
    for outcome in outcomes:
        source = source_of(outcome.name)
        verdicts[source, outcome.verdict] += 1
        for kind, walks in outcome.walks.items():
            counts[source, kind, "schemas"] += 1
            counts[source, kind, "walks"] += walks
            counts[source, kind, "tokens"] += outcome.tokens.get(kind, 0)
        for fault in outcome.faults:
            counts[source, fault["kind"], label(outcome, fault["why"])] += 1
    for source in sorted({source for source, _ in verdicts}):
        for kind in (*KINDS, DOCUMENT) if source == RANDOM else KINDS:
            yield source, kind, [counts[source, kind, column] for column in COLUMNS[1:]]
        for (where, verdict), schemas in sorted(verdicts.items()):
            if where == source:
                yield source, f"schemas {verdict}", [schemas, *[""] * (len(COLUMNS) - 2)]


def write(outcomes: Iterable[Outcome], options: argparse.Namespace) -> Path:
    """Write the day's results: a row for each kind of walk, and for each verdict."""
    about = {
        "load": load_averages(),
        "version": version(),
        "policies": options.policies,
        "tokenizer": options.tokenizer,
    }
    rows, sample = [], options.sample or options.random or "all"
    for source, kind, figures in totals(outcomes):
        rows.append((source, sample, options.seed, options.tokens, kind, *figures))
        print(f"{source:>10} {kind:<28}", *(f"{figure:>9}" for figure in figures))
    names = ("source", "sample", "seed", "free_tokens", *COLUMNS)
    return write_rows(options.results, "walks", about, names, rows)


def main() -> int:
    parser = arguments(__doc__)
    parser.add_argument("paths", nargs="*", type=Path, help="default: STRUCTGEN_MASKBENCH")
    parser.add_argument("--sample", type=int, help="this many schemas of each path, drawn by the seed")
    parser.add_argument("--random", type=int, default=0, help="this many random schemas")
    parser.add_argument("--only", type=Path, help="a file of names, one a line: no other schemas")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument(
        "--seconds",
        type=float,
        help="of the processor: no walk begins after it; default 15, of random schemas 2",
    )
    parser.add_argument(
        "--timeout", type=float, help="seconds after which a schema is left; default 300, of random ones 60"
    )
    parser.add_argument("--minutes", type=float, default=1e9, help="no schema begins after so long")
    parser.add_argument("--walks", type=int, help="default 20, of random schemas 3")
    parser.add_argument("--tokens", type=int, default=60, help="free tokens of a walk, before it is finished")
    parser.add_argument("--policies", choices=POLICIES, default="widest")
    parser.add_argument("--tokenizer", default="small")
    parser.add_argument(
        "--progress", type=Path, help="a line for each schema; those that it has are left out"
    )
    parser.add_argument("--again", nargs="*", default=[], help="verdicts and faults that are walked again")
    options = parser.parse_args()
    usual = {"walks": 3, "seconds": 2.0, "timeout": 60.0} if options.random else USUAL
    for name, bound in usual.items():
        if getattr(options, name) is None:
            setattr(options, name, bound)
    if not options.paths and not options.random and os.environ.get("STRUCTGEN_MASKBENCH"):
        options.paths = [Path(os.environ["STRUCTGEN_MASKBENCH"])]
    if not options.paths and not options.random:
        print("Nothing walked: give --random, the path of MaskBench or of the suite, or STRUCTGEN_MASKBENCH.")
        return 0
    outcomes = read_progress(options.progress)
    again = set(options.again)
    done = frozenset(
        name
        for name, outcome in outcomes.items()
        if not again & {outcome.verdict, *(label(outcome, fault["why"]) for fault in outcome.faults)}
    )
    only = frozenset(options.only.read_text(encoding="utf-8").split()) if options.only else frozenset()
    waiting = itertools.chain(
        random_subjects(options.seed, options.random, only, done),
        subjects(options.paths, options.seed, options.sample, only, done),
    )
    load(options.tokenizer)
    progress = options.progress.open("a", encoding="utf-8") if options.progress else None
    for outcome in run(waiting, options):
        outcomes[outcome.name] = outcome
        show(outcome)
        if progress is not None:
            print(json.dumps(dataclasses.asdict(outcome)), file=progress, flush=True)
    print(write(outcomes.values(), options))
    bad = (label(outcome, fault["why"]) in BAD for outcome in outcomes.values() for fault in outcome.faults)
    return 1 if any(bad) else 0


if __name__ == "__main__":
    sys.exit(main())
