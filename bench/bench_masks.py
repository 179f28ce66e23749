"""How fast are masks, commits and compilation beside the other engines; and is every schema judged right?

    python bench/bench_masks.py [PATH] [--engine a,b] [--tokenizer llama3] [--sample 300] [--seed 0]
    python bench/bench_masks.py [PATH] --coverage [--jobs 2] [--timeout 30]

PATH is a folder of MaskBench files; without it the environment's STRUCTGEN_MASKBENCH, and without that
nothing is measured. This is `structgen maskbench`, whose rows are written to
bench/results/masks-default-DATE.csv, or coverage-DATE.csv. Speed is measured under the default policies, our
own engine in two states: `cold` (a new process and an empty cache folder; schemas share the masks of strings
and numbers over the run), `same-process` (one that has run the same schemas once). One schema is compiled and
replayed by one engine after another, each in a process of its own; then comes the next schema. Coverage is
judged under the widest policies, of all schemas. What a schema costs in a process that compiles one after
another, all threads included: `bench_tools.py`.
"""

from __future__ import annotations

import os
import platform
import sys
from array import array
from collections.abc import Iterator, Sequence
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from records import arguments, load, versions, write

import structgen as sg
from structgen.doors.maskbench.engines import EngineConfig, EngineRefusal, MaskEngine
from structgen.doors.maskbench.measurements import CaseResult
from structgen.doors.maskbench.ours import structgen
from structgen.doors.maskbench.readers import select
from structgen.doors.maskbench.replay import replay
from structgen.doors.maskbench.run_report import COUNTS, report_of, times
from structgen.doors.maskbench.runner import BenchRun

PEERS = ("llguidance", "xgrammar", "xgrammar_dynamic", "glrmask", "outlines_core", "maskforge")
"""Adapters in peers.py. The first part of each name is that of its package."""
COLUMNS = ("engine", "split", "scope", "measure", "figure", "value")
SLOWEST = 20
"""Schemas that are named with their times."""


def same_process(tokenizer: sg.Tokenizer, path: Path, sample: int, seed: int) -> MaskEngine:
    """Return our engine in a process that has run the schemas once."""
    engine = structgen(tokenizer)
    for _, read in select([path], sample=sample, seed=seed):
        case = read()
        with suppress(EngineRefusal, sg.StructgenError):
            start = engine.compile(case.schema)
            for instance in case.instances:
                replay(start(), tokenizer.encode(instance.text), array("q"))
    return engine


def configs(options: Any, path: Path) -> Iterator[EngineConfig]:
    """Yield the engines that are asked for."""
    given = options.tokenizer
    tokenizer = f"vocabularies:{given}" if given in ("llama3", "qwen") else given
    policies = dict(sg.WIDEST) if options.coverage else {}
    drawn = {"path": path, "sample": options.sample, "seed": options.seed}
    for name in options.engine.split(","):
        if name == "structgen:same-process":
            yield EngineConfig(name, "bench_masks:same_process", tokenizer, drawn)
        elif name.startswith("structgen"):
            yield EngineConfig(name, "structgen.doors.maskbench.ours:structgen", tokenizer, policies)
        else:
            yield EngineConfig(name, f"peers:{name}", tokenizer)


def rows(results: Sequence[CaseResult]) -> Iterator[tuple[object, ...]]:
    """Yield counts of schemas, and times in ns. The scope is `own` (all that the engine compiled) or `common`
    (the schemas that every engine compiled). The slowest schemas are rows whose figure is a name."""
    for engine, found in report_of(results)["engines"].items():
        for split, counts in (("all", found["all"]), *found["splits"].items()):
            for name in ("schemas", *COUNTS):
                yield engine, split, "own", "schemas", name, counts[name]
            for pair in counts["refused_by_reason"].items():
                yield engine, split, "own", "refused", *pair
        for scope, key in (("own", "ns"), ("common", "ns_common")):
            for measure, figures in found[key].items():
                for name, value in figures.items():
                    yield engine, "all", scope, measure, name, round(value)
        for measure in ("first mask", "mask", "commit"):
            mine = ((case, times(case)[measure]) for case in results if case.engine == engine)
            of = [(int(ns.max()), case.name) for case, ns in mine if len(ns)]
            for ns, name in sorted(of, reverse=True)[:SLOWEST]:
                yield engine, "all", "own", f"slowest {measure}", name, ns


def main() -> int:
    parser = arguments(__doc__)
    parser.add_argument("path", nargs="?", type=Path, help="MaskBench; default STRUCTGEN_MASKBENCH")
    parser.add_argument("--coverage", action="store_true", help="how many schemas are judged right")
    parser.add_argument("--seed", type=int, default=0)
    there = [peer for peer in PEERS if find_spec(peer.removesuffix("_dynamic"))]
    if parser.parse_known_args()[0].coverage:
        usual = {"engine": "structgen", "tokenizer": "small", "timeout": 30.0, "jobs": os.cpu_count() or 1}
    else:
        engines = ",".join(("structgen:cold", "structgen:same-process", *there))
        usual = {"engine": engines, "tokenizer": "llama3", "timeout": 60.0, "jobs": 1, "sample": 300}
    for name, kind in {"engine": str, "tokenizer": str, "sample": int, "jobs": int, "timeout": float}.items():
        parser.add_argument(f"--{name}", type=kind, default=usual.get(name))
    options = parser.parse_args()
    path = options.path or Path(os.environ.get("STRUCTGEN_MASKBENCH", ""))
    if path == Path():
        print("Nothing measured: give the path of MaskBench, or set STRUCTGEN_MASKBENCH to it.")
        return 0
    before, found = load(), list[CaseResult]()
    cases = [read() for _, read in select([path], sample=options.sample, seed=options.seed)]
    with TemporaryDirectory() as folder:
        os.environ["STRUCTGEN_CACHE"] = folder
        run = BenchRun([*configs(options, path)], timeout=options.timeout, jobs=options.jobs)
        for results in run.results(cases):
            found += results
    about = {
        "load": f"{before} -> {load()}",
        "python": platform.python_version(),
        "versions": versions(*(peer for peer in there if not peer.endswith("_dynamic"))),
        "options": " ".join(f"--{name} {getattr(options, name)}" for name in (*usual, "seed")),
    }
    question = "coverage" if options.coverage else "masks-default"
    print(write(options.results, question, about, COLUMNS, rows(found)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
