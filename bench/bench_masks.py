"""How fast are masks, commits and compilation, beside the other engines, in one run?

    python bench/bench_masks.py [PATH] [--tokenizer llama3] [--sample 300] [--seed 0] [--engines a,b]

PATH is a folder or tar of MaskBench files; without it the environment's STRUCTGEN_MASKBENCH, and without that
nothing is measured. Our own engine is measured in two states: `cold` (a new process, whose schemas share the
masks of strings and numbers over the run), `same-process` (one that has run the same schemas once). One
schema is compiled and replayed by one engine after another, each in a process of its own; then comes the next
schema.
What a schema costs in a process that compiles one after another, all threads included: `bench_tools.py`.
Speed is measured under the default policies; coverage is judged under the widest (bench_coverage.py).
Prints tables and writes bench/results/masks-POLICY-DATE.csv, a row for each engine, scope and measure.
"""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterator
from pathlib import Path

from records import arguments, load, revision, write
from rich.console import Console

import structgen
from structgen.errors import StructgenError
from structgen.maskbench.readers import select
from structgen.maskbench.run_report import Tally, Timing, show, tables
from structgen.maskbench.runner import BenchRun, engine_config
from structgen.maskbench.vocabularies import ready

ENGINES = "structgen:cold,structgen:same-process,llguidance,xgrammar,glrmask"
COUNTS = (
    "schemas",
    "passing",
    "refused",
    "valid_refused",
    "policy",
    "invalid_accepted",
    "crashed",
    "timed_out",
)
FIGURES = ("count", "avg", "p25", "p50", "p75", "p90", "p95", "p99", "p99_9", "max")


def rows(tally: Tally, versions: dict[str, str], unavailable: dict[str, str]) -> Iterator[list[object]]:
    """Yield a row for each engine, scope and measure: counts of schemas, and times in microseconds."""
    common = tally.common()
    blank = [""] * (len(FIGURES) - 1)
    for engine in tally.engines():
        version = versions[engine]
        for name in COUNTS:
            yield [engine, version, "own", name, tally.counts(engine)[name], *blank]
        yield [engine, version, "common", "schemas", len(common), *blank]
        for scope, names in (("own", None), ("common", common)):
            for measure, found in tally.timings(engine, names).items():
                yield [engine, version, scope, measure, *microseconds(found)]
    for engine, reason in unavailable.items():
        yield [engine, "", "", f"not run: {reason}", 0, *blank]


def microseconds(found: Timing) -> list[float]:
    """Return the figures of times: how many, and microseconds."""
    return [found["count"], *(round(found[figure] / 1000, 3) for figure in FIGURES[1:])]


def main() -> int:
    parser = arguments(__doc__)
    parser.add_argument("path", nargs="?", type=Path, help="MaskBench; default STRUCTGEN_MASKBENCH")
    parser.add_argument("--engines", default=ENGINES)
    parser.add_argument("--tokenizer", default="llama3", help="llama3, qwen, or a path")
    parser.add_argument("--sample", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--timeout", type=float, default=60.0, help="seconds a compilation, and an instance")
    parser.add_argument("--policy", choices=("default", "widest"), default="default")
    options = parser.parse_args()
    path = options.path or Path(os.environ.get("STRUCTGEN_MASKBENCH", ""))
    if path == Path():
        print("Nothing measured: give the path of MaskBench, or set STRUCTGEN_MASKBENCH to it.")
        return 0
    policies = dict(structgen.WIDEST) if options.policy == "widest" else {}
    before = load()
    try:
        selection = select([path], sample=options.sample, seed=options.seed)
        vocabulary = ready(options.tokenizer)
        configs = [engine_config(name, vocabulary, policies) for name in options.engines.split(",")]
    except StructgenError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 2
    tally, done = Tally(), 0

    def tick() -> None:
        nonlocal done
        done += 1
        if done % 30 == 0:
            print(f"{done} schemas", file=sys.stderr, flush=True)

    with BenchRun(configs, timeout=options.timeout) as run:
        run.prepare(selection.cases, tick)
        for _, results in run.results(selection.cases()):
            tally.add(results)
            tick()
        versions, unavailable = run.versions, run.unavailable
    commit = revision()
    for name in versions:
        if commit and name.startswith("structgen"):
            versions[name] += f" {commit}"
    about = {
        "load": f"{before} -> {load()}",
        "python": platform.python_version(),
        "tokenizer": Path(options.tokenizer).name,
        "policy": options.policy,
        "sample": options.sample,
        "seed": options.seed,
        "timeout_s": options.timeout,
    }
    names = ("engine", "version", "scope", "measure", *FIGURES)
    found = rows(tally, versions, unavailable)
    target = write(options.results, f"masks-{options.policy}", about, names, found)
    show(Console(), tables(tally, unavailable))
    print(f"load {about['load']}; {target}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
