"""How fast are masks, commits and compilation beside the other engines; and is every schema judged right?

    python bench/bench_masks.py [PATH] [--engine a,b] [--tokenizer llama3] [--sample 300] [--seed 0,1]
                                [--rows 64,512] [--rounds 1] [--clock processor]
    python bench/bench_masks.py [PATH] --coverage [--jobs 2] [--timeout 30]

PATH is a folder of MaskBench files; without it the environment's STRUCTGEN_MASKBENCH, and without that
nothing is measured. This is `structgen maskbench`, whose rows are written to
bench/results/masks-default-DATE.csv, or coverage-DATE.csv. Speed is measured under the default policies, our
own engine in two states: `cold` (a new process and an empty cache folder; schemas share the masks of strings
and numbers over the run), `same-process` (one that has run the same schemas once). One schema is compiled and
replayed by one engine after another, each in a process of its own; then comes the next schema. Coverage is
judged under the widest policies, of all schemas. What a schema costs in a process that compiles one after
another, all threads included: `bench_tools.py`.

Engines are judged by mask and token together (`mask + commit`): an engine may do the same work in either
call. With several seeds each has a run of its own, and rows that name it in `options`. Of `--rounds`, each
with new processes, the least of each call counts. `--clock processor` times calls by the processor time of
all threads. Both are for a busy machine. `--rows` are the sizes of batches whose rows are all new
(`new_rows.py`); "" leaves them out.
"""

from __future__ import annotations

import os
import platform
import sys
from array import array
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from time import process_time_ns
from typing import Any

import new_rows
from records import arguments, load, show, versions, write
from vocabularies import load as tokenizer_of

import structgen as sg
from structgen.doors.maskbench.engines import EngineConfig, EngineRefusal, MaskEngine, Session, Start
from structgen.doors.maskbench.measurements import CaseResult, StepResult
from structgen.doors.maskbench.ours import structgen
from structgen.doors.maskbench.readers import select_cases
from structgen.doors.maskbench.replay import replay_tokens
from structgen.doors.maskbench.run_report import COUNTS, format_microseconds, report_of, times_by_measure
from structgen.doors.maskbench.runner import BenchRun

PEERS = ("llguidance", "xgrammar", "xgrammar_dynamic", "glrmask", "outlines_core", "maskforge")
"""Adapters in peers.py. The first part of each name is that of its package."""
COLUMNS = ("engine", "split", "scope", "measure", "figure", "value")
SLOWEST = 20
"""Schemas that are named with their times."""
BATCHES = {
    "structgen:cold": "structgen",
    "llguidance": "llguidance",
    "xgrammar": "xgrammar",
    "xgrammar_dynamic": "xgrammar lazy",
}
"""Engines with calls for batches, and what new_rows.py calls them."""
HEAD = ("engine", "mean", "p50", "p99", "p99.9", "max", "mask max")
"""Of the table that is printed: microseconds of a mask and its token, and of the slowest mask."""
Batches = dict[tuple[str, int], dict[str, float]]
"""Of an engine and a number of new rows: the figures of its steps, in microseconds."""


def same_process(tokenizer: sg.Tokenizer, path: Path, sample: int, seed: int) -> MaskEngine:
    """Return our engine in a process that has run the schemas once."""
    engine = structgen(tokenizer)
    for _, read in select_cases([path], sample=sample, seed=seed):
        case = read()
        with suppress(EngineRefusal, sg.StructgenError):
            start = engine.compile(case.schema)
            for instance in case.instances:
                replay_tokens(start(), tokenizer.encode(instance.text), array("q"))
    return engine


def time_by_processor(tokenizer: sg.Tokenizer, adapter: str, options: dict[str, Any]) -> MaskEngine:
    """Return the engine of an adapter, whose masks and commits are timed by the processor's clock."""
    module, _, name = adapter.partition(":")
    engine: MaskEngine = getattr(import_module(module), name)(tokenizer, **options)

    def compile(schema: str) -> Start:
        start = engine.compile(schema)

        def start_session() -> Session:
            session = start()
            session.clock = process_time_ns
            return session

        return start_session

    return replace(engine, compile=compile)


def configs(options: Any, path: Path, seed: int) -> Iterator[EngineConfig]:
    """Yield the engines that are asked for."""
    given = options.tokenizer
    tokenizer = f"vocabularies:{given}" if given in ("llama3", "qwen") else given
    policies = dict(sg.WIDEST) if options.coverage else {}
    drawn = {"path": path, "sample": options.sample, "seed": seed}
    for name in options.engine.split(","):
        if name == "structgen:same-process":
            config = EngineConfig(name, "bench_masks:same_process", tokenizer, drawn)
        elif name.startswith("structgen"):
            config = EngineConfig(name, "structgen.doors.maskbench.ours:structgen", tokenizer, policies)
        else:
            config = EngineConfig(name, f"peers:{name}", tokenizer)
        if options.clock == "processor":
            timed = {"adapter": config.adapter, "options": dict(config.options)}
            config = replace(config, adapter="bench_masks:time_by_processor", options=timed)
        yield config


def fold_rounds(rounds: Sequence[CaseResult]) -> CaseResult:
    """Return the result of a schema in several rounds: that of the first, and of each call and each sum of
    processor time the least of those rounds that made the same calls."""
    first, *others = rounds
    steps = list[StepResult]()
    for at, step in enumerate(first.steps):
        same = [one.steps[at] for one in others if at < len(one.steps)]
        same = [one for one in same if len(one.times) == len(step.times) and one.kind == step.kind]
        ns = array("q", map(min, *(one.times for one in (step, *same)))) if same else step.times
        steps.append(replace(step, times=ns, cpu=min(one.cpu for one in (step, *same))))
    return replace(first, steps=steps)


def use_processor_time(case: CaseResult) -> CaseResult:
    """Return a result whose compilation is timed by the processor's clock, as its masks are."""
    steps = [
        replace(step, times=array("q", [step.cpu])) if step.cpu >= 0 and len(step.times) == 1 else step
        for step in case.steps[:1]
    ]
    return replace(case, steps=[*steps, *case.steps[1:]])


def rows(results: Sequence[CaseResult], batches: Batches) -> Iterator[tuple[object, ...]]:
    """Yield counts of schemas, and times in ns. The scope is `own` (all that the engine compiled) or `common`
    (the schemas that every engine compiled). The slowest schemas are rows whose figure is a name. Steps of
    new rows are by the processor's clock."""
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
        for measure in ("first mask", "mask + commit", "mask", "commit"):
            mine = ((case, times_by_measure(case)[measure]) for case in results if case.engine == engine)
            of = [(int(ns.max()), case.name) for case, ns in mine if len(ns)]
            for ns, name in sorted(of, reverse=True)[:SLOWEST]:
                yield engine, "all", "own", f"slowest {measure}", name, ns
    for (engine, count), of in batches.items():
        for name, us in of.items():
            yield engine, "all", "common", f"step of {count} new rows", name, round(1000 * us)


def tabulate(results: Sequence[CaseResult], batches: Batches) -> Iterator[list[str]]:
    """Yield a row of each engine over the schemas that all compiled, in microseconds: `HEAD`."""
    counts = sorted({count for _, count in batches})
    yield [*HEAD, *(f"worst step of {count} new rows" for count in counts)]
    for engine, found in report_of(results)["engines"].items():
        both, masks = found["ns_common"].get("mask + commit"), found["ns_common"].get("mask")
        ns = [both[name] for name in ("avg", "p50", "p99", "p99_9", "max")] if both else [None] * 5
        ns += [masks["max"] if masks else None]
        ns += [
            1000 * batches[engine, count]["worst"] if (engine, count) in batches else None for count in counts
        ]
        yield [engine, *("-" if one is None else format_microseconds(one) for one in ns)]


def replay_sample(options: Any, path: Path, seed: int) -> list[CaseResult]:
    """Return the results of a sample, of all rounds together."""
    cases = [read() for _, read in select_cases([path], sample=options.sample, seed=seed)]
    by_round: dict[tuple[str, str], list[CaseResult]] = {}
    for _ in range(options.rounds):
        with new_rows.empty_cache():
            run = BenchRun([*configs(options, path, seed)], timeout=options.timeout, jobs=options.jobs)
            for results in run.results_of_cases(cases):
                for one in results:
                    by_round.setdefault((one.name, one.engine), []).append(one)
    found = map(fold_rounds, by_round.values())
    return [*(map(use_processor_time, found) if options.clock == "processor" else found)]


def measure_new_rows(options: Any, path: Path, seed: int) -> Batches:
    """Return the figures of batches of new rows, of the engines that have calls for them."""
    counts = [int(one) for one in options.rows.split(",") if one]
    engines = {BATCHES[name]: name for name in options.engine.split(",") if name in BATCHES}
    if not (counts and engines):
        return {}
    texts = new_rows.draw_texts(path, tokenizer_of(options.tokenizer), seed)
    some = new_rows.find_common_texts(texts, max(counts), [*engines], options.tokenizer, options.timeout)
    found = new_rows.measure_batches(some, counts, [*engines], options.tokenizer, options.rounds)
    return {(engines[name], count): of for name, count, of in found}


def main() -> int:
    parser = arguments(__doc__)
    parser.add_argument("path", nargs="?", type=Path, help="MaskBench; default STRUCTGEN_MASKBENCH")
    parser.add_argument("--coverage", action="store_true", help="how many schemas are judged right")
    parser.add_argument("--seed", default="0", help="or several: 0,1")
    parser.add_argument("--rounds", type=int, default=1, help="of each call the least counts")
    parser.add_argument("--clock", choices=("wall", "processor"), default="wall", help="of masks and commits")
    parser.add_argument("--rows", default="64,512", help="of batches of new rows; none: ''")
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
    question = "coverage" if options.coverage else "masks-default"
    tokenizer_of(options.tokenizer)  # fetched once, and not by each process
    for turn, seed in enumerate(map(int, options.seed.split(","))):
        before, found = load(), replay_sample(options, path, seed)
        batches = {} if options.coverage else measure_new_rows(options, path, seed)
        told = {name: getattr(options, name) for name in (*usual, "rounds", "clock", "rows")}
        about = {
            "load": f"{before} -> {load()}",
            "python": platform.python_version(),
            "versions": versions(*(peer for peer in there if not peer.endswith("_dynamic"))),
            "options": " ".join(f"--{name} {value}" for name, value in {**told, "seed": seed}.items()),
        }
        head, *lines = tabulate(found, batches)
        show(head, lines, f"Seed {seed}: microseconds, of the schemas that all engines compiled")
        print(write(options.results, question, about, COLUMNS, rows(found, batches), more=turn > 0))
    return 0


if __name__ == "__main__":
    sys.exit(main())
