"""What does a tool call cost beside its schema alone: the first document of each of many new tools?

    python bench/bench_tools.py MASKBENCH_FOLDER [--tokenizer llama3] [--count 236] [--seed 0] [--rounds 2]
        [--only turns]

*As a tool*: free text in which calls of one tool may stand, `<call=NAME>`, a document of the tool's schema,
`</call>`. structgen and xgrammar read it as a structural tag (`triggered_tags`), llguidance as rules with
`%json`, whose free text has no `<`. *The schema alone*: the same documents by themselves. The schemas are
drawn from a folder of MaskBench's files, each with its first valid instance that both engines take.

Each engine and each of the two ways has a process of its own, which compiles one grammar after another, as a
server does. The clock runs from the grammar's source to the last token of the document: letting go of the
grammar before, reading, compiling, a mask and a commit for each token. `cold`: the process starts with the
vocabulary alone; `same-process`: it has done the same work once before, of which nothing counts. The
processor time is that of the whole process from the first document on, with threads and exit, less the exit
of a process without documents.

The rows *by turns* hold on a busy machine too: each schema alone and as a tool one after the other, in one
process that has done all of them before, by the processor time of its thread.

The second table has the first mask of 1, 8, 32 and 128 tools in one grammar, each set of tools new.
Prints tables and writes bench/results/tools-DATE.csv. Times are milliseconds, masks microseconds.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter_ns, process_time, thread_time_ns
from typing import Any, TypeAlias

import numpy as np
from grammar_engines import LlguidanceOfLark
from records import arguments, load, show, versions, write
from rich.console import Console
from rich.progress import track

import structgen as sg
from structgen.maskbench import vocabularies
from structgen.maskbench.engines import EngineConfig, EngineRefusal, Session
from structgen.maskbench.peers import XgrammarEngine

BEFORE, AFTER = "Let me look that up in the files that I have. ", " That is all."
WAYS = "alone", "tool"
ENGINES = "structgen:cold", "structgen:same-process", "llguidance"
SETS = 1, 8, 32, 128
Tools: TypeAlias = "list[tuple[str, str]]"
"""Names, and schemas as texts."""
Compile: TypeAlias = Callable[[Tools, str], Callable[[], Session]]
"""Of tools and a way: how a document begins under the compiled grammar."""


def tag(tools: Tools) -> dict[str, Any]:
    """Return free text in which calls of some tools may stand, as a structural tag."""
    calls = [
        {
            "type": "tag",
            "begin": f"<call={name}>",
            "content": {"type": "json_schema", "json_schema": json.loads(schema)},
            "end": "</call>",
        }
        for name, schema in tools
    ]
    return {
        "type": "structural_tag",
        "format": {"type": "triggered_tags", "triggers": ["<call="], "tags": calls},
    }


def ours(tokenizer: sg.Tokenizer) -> Compile:
    mask = sg.allocate_mask(1, tokenizer.vocab_size)
    row = memoryview(mask.array[0])

    def compiled(tools: Tools, way: str) -> Callable[[], Session]:
        try:
            grammar = sg.json_schema(tools[0][1]) if way == "alone" else sg.structural_tag(tag(tools))
            machine = sg.compile(grammar, tokenizer)
        except sg.StructgenError as error:
            raise EngineRefusal("refused", str(error)) from error

        def session() -> Session:
            matcher = sg.Matcher(machine)
            return Session(partial(matcher.fill_mask, mask), matcher.advance, row, ())

        return session

    return compiled


def llguidance(tokenizer: sg.Tokenizer) -> Compile:
    engine = LlguidanceOfLark(EngineConfig("llguidance", ""), tokenizer)

    def compiled(tools: Tools, way: str) -> Callable[[], Session]:
        if way == "alone":
            return engine.compile(f"start: %json {tools[0][1]}\n")
        calls = " | ".join(f'"<call={name}>" tool{at} "</call>"' for at, (name, _) in enumerate(tools))
        rules = "".join(f"tool{at}: %json {schema}\n" for at, (_, schema) in enumerate(tools))
        return engine.compile(f"start: FREE (call FREE)*\nFREE: /[^<]*/\ncall: {calls}\n{rules}")

    return compiled


def xgrammar(tokenizer: sg.Tokenizer) -> Compile:
    engine = XgrammarEngine(EngineConfig("xgrammar", ""), tokenizer)

    def compiled(tools: Tools, way: str) -> Callable[[], Session]:
        if way == "alone":
            return engine.compile(tools[0][1])
        return engine.sessions(partial(engine._compiler.compile_structural_tag, tag(tools)))

    return compiled


MAKERS = {"structgen": ours, "llguidance": llguidance, "xgrammar": xgrammar}


def documents(engine: Compile, cases: list[Any], clock: Callable[[], int] = perf_counter_ns) -> list[Any]:
    """Return for each case the nanoseconds from its source to its last token, and those of its masks and
    commits; None where the grammar is refused; the position where a token is."""
    found: list[Any] = []
    sessions: dict[str, Session] = {}
    for way, name, schema, tokens in cases:
        begun = clock()
        sessions.pop(way, None)  # the clock runs while the way's grammar before is let go of
        try:
            session = sessions[way] = engine([(name, schema)], way)()
        except EngineRefusal:
            found.append(None)
            continue
        there = clock()
        for at, token in enumerate(tokens):
            session.fill()
            if not session.allows(token) or session.commit(token) is False:
                found.append(at)
                break
        else:
            ended = clock()
            found.append((ended - begun, ended - there))
        del session
    return found


def first_masks(engine: Compile, sets: list[Tools]) -> list[Any]:
    """Return for each set of tools the nanoseconds from the tools to the first mask; None where refused."""
    found: list[Any] = []
    session: Session | None = None
    for tools in sets:
        begun = perf_counter_ns()
        session = None
        try:
            session = engine(tools, "tool")()
            session.fill()
        except EngineRefusal:
            found.append(None)
            continue
        found.append(perf_counter_ns() - begun)
    return found


def work(options: argparse.Namespace) -> None:
    """Do a process's work, and print it as one line of JSON."""
    name, way, path = options.worker
    tokenizer = vocabularies.load(options.tokenizer)
    engine = MAKERS[name](tokenizer)
    held = json.loads(Path(path).read_text("utf-8"))
    if name == "structgen":
        sg.preload("json", tokenizer=tokenizer)
    engine([("none", '{"type":"object","properties":{"q":{"const":0}}}')], way)().fill()
    begun = process_time()
    if way == "sets":
        found = first_masks(engine, held)
    else:
        found = documents(engine, held, thread_time_ns if way == "turns" else perf_counter_ns)
    print(json.dumps((found, begun)))


def process(name: str, way: str, cases: list[Any], cache: str, tokenizer: str) -> tuple[list[Any], float]:
    """Return the work of a new process, and its seconds of the processor from the first case on."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "cases.json"
        path.write_text(json.dumps(cases))
        command = [sys.executable, __file__, "", "--tokenizer", tokenizer, "--worker", name, way, str(path)]
        environment = {**os.environ, "STRUCTGEN_CACHE": cache}
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as running:
            assert running.stdout is not None
            line = running.stdout.read()
            _, status, usage = os.wait4(running.pid, 0)
            running.returncode = os.waitstatus_to_exitcode(status)
    if running.returncode:
        raise subprocess.CalledProcessError(running.returncode, command)
    found, begun = json.loads(line)
    return found, usage.ru_utime + usage.ru_stime - begun


def measured(config: str, way: str, cases: list[Any], tokenizer: str) -> tuple[list[Any], float]:
    """Return what `process` does for an engine (`structgen:same-process`...), and
    the seconds of the processor that the cases cost."""
    name, _, state = config.partition(":")
    with TemporaryDirectory(prefix="structgen-tools-") as cache:
        process(name, way, [], cache, tokenizer)  # the vocabulary is kept, as one of a server is
        before = cases if state == "same-process" else []
        without = process(name, way, before, cache, tokenizer)[1]
        found, seconds = process(name, way, [*before, *cases], cache, tokenizer)
    return found[len(before) :], max(0.0, seconds - without)


def schemas(paths: list[Path]) -> Iterator[tuple[str, list[Any]]]:
    """Yield schemas as texts, each with its valid instances."""
    for path in paths:
        held = json.loads(path.read_text("utf-8"))
        valid = [one["data"] for one in held["tests"] if one["valid"]]
        if valid:
            yield json.dumps(held["schema"]), valid


def drawn(folder: Path, count: int, seed: int, tokenizer: sg.Tokenizer) -> Iterable[tuple[str, str, str]]:
    """Yield so many schemas that structgen and llguidance take: a tool's name, the schema, a document."""
    paths = sorted(folder.glob("*.json"))
    random.Random(seed).shuffle(paths)
    engines = [ours(tokenizer), llguidance(tokenizer)]

    def taken() -> Iterable[tuple[str, str, str]]:
        for at, (schema, valid) in enumerate(schemas(paths)):
            text, name = json.dumps(valid[0], ensure_ascii=False), f"tool_{at}"
            if all(
                isinstance(
                    documents(one, [("alone", name, schema, tokenizer.encode(text.encode()))])[0], tuple
                )
                for one in engines
            ):
                yield name, schema, text

    return islice(taken(), count)


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("maskbench", type=Path)
    parser.add_argument("--tokenizer", default="llama3")
    parser.add_argument("--count", type=int, default=236)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--engines", default=",".join(ENGINES))
    parser.add_argument(
        "--only", choices=("documents", "turns", "sets"), help="these rows, behind those that the day has"
    )
    parser.add_argument("--worker", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        work(options)
        return
    tokenizer, before = vocabularies.load(options.tokenizer), load()
    found = track(
        drawn(options.maskbench, options.count, options.seed, tokenizer),
        "drawing",
        total=options.count,
        console=Console(stderr=True),
    )
    texts = list(found)
    cases = {
        "alone": [
            ("alone", name, schema, list(tokenizer.encode(text.encode()))) for name, schema, text in texts
        ],
        "tool": [
            (
                "tool",
                name,
                schema,
                list(tokenizer.encode(f"{BEFORE}<call={name}>{text}</call>{AFTER}".encode())),
            )
            for name, schema, text in texts
        ],
    }
    rows: list[tuple[object, ...]] = []
    if options.only in (None, "documents"):
        rows += document_rows(cases, options)
    if options.only in (None, "turns"):
        rows += turn_rows(cases, options)
    if options.only in (None, "sets"):
        rows += set_rows(texts, options)
    names = ("engine", "way", "tools", "p50", "p90", "p99", "mean", "mask_us", "cpu_ms", "refused", "stopped")
    show(names, rows)
    about = {"tokenizer": options.tokenizer, "seed": options.seed, "load": f"{before} {load()}"}
    about["versions"] = versions("llguidance", "xgrammar")
    print(write(options.results, "tools", about, names, rows, more=options.only is not None))


def document_rows(cases: dict[str, list[Any]], options: argparse.Namespace) -> list[tuple[object, ...]]:
    """Return a row for each engine and way: documents as tools, and schemas alone; the engines take turns."""
    times: dict[tuple[str, str], list[Any]] = {}
    seconds: dict[tuple[str, str], list[float]] = {}
    for _ in range(options.rounds):
        for config in options.engines.split(","):
            for way in WAYS:
                found, spent = measured(config, way, cases[way], options.tokenizer)
                times.setdefault((config, way), []).extend(found)
                seconds.setdefault((config, way), []).append(spent)
    rows = []
    for (config, way), of in times.items():
        cpu = 1e3 * float(np.mean(seconds[config, way])) / len(cases[way])
        rows.append(row_of(config, way, of, cases[way], options.rounds, f"{cpu:.4g}"))
    return rows


def row_of(
    config: str, name: str, times: list[Any], cases: list[Any], rounds: int, cpu: str
) -> tuple[object, ...]:
    """Return the row of some documents, each measured so many times."""
    whole = 1e-6 * np.array([one[0] for one in times if isinstance(one, list)])
    tokens = rounds * sum(len(one[-1]) for one in cases)
    inside = 1e-3 * sum(one[1] for one in times if isinstance(one, list)) / tokens
    figures = (f"{one:.4g}" for one in (*np.percentile(whole, (50, 90, 99)), whole.mean(), inside))
    stopped = sum(isinstance(one, int) for one in times)
    return config, name, 1, *figures, cpu, times.count(None), stopped


def turn_rows(cases: dict[str, list[Any]], options: argparse.Namespace) -> list[tuple[object, ...]]:
    """Return two rows: each schema alone and as a tool by turns, in one process that has done all of
    them before, by the processor time of its thread."""
    turns = [one for pair in zip(cases["alone"], cases["tool"], strict=True) for one in pair]
    found: list[Any] = []
    for _ in range(options.rounds):
        found += measured("structgen:same-process", "turns", turns, options.tokenizer)[0]
    return [
        row_of("structgen:same-process", f"{way}, by turns", found[at::2], cases[way], options.rounds, "-")
        for at, way in enumerate(WAYS)
    ]


def set_rows(texts: list[tuple[str, str, str]], options: argparse.Namespace) -> list[tuple[object, ...]]:
    """Return a row for each engine and number of tools: the first mask of new sets of tools."""
    rows: list[tuple[object, ...]] = []
    chooser = random.Random(options.seed)
    for size in SETS:
        if size > len(texts):
            continue
        sets = [[one[:2] for one in chooser.sample(texts, size)] for _ in range(8)]
        for config in (*options.engines.split(","), "xgrammar"):
            found, spent = measured(config, "sets", sets, options.tokenizer)
            taken = 1e-6 * np.array([one for one in found if one is not None])
            if not len(taken):
                rows.append((config, "first mask", size, *["-"] * 6, len(found), 0))
                continue
            low, high, highest = np.percentile(taken, (50, 90, 99))
            figures = [f"{one:.4g}" for one in (low, high, highest, taken.mean())]
            rows.append(
                (
                    config,
                    "first mask",
                    size,
                    *figures,
                    "-",
                    f"{1e3 * spent / len(sets):.4g}",
                    found.count(None),
                    0,
                )
            )
    return rows


if __name__ == "__main__":
    main()
