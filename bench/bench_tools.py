"""What does a tool call cost beside its schema alone: the first document of each of many new tools?

    python bench/bench_tools.py MASKBENCH_FOLDER [--tokenizer llama3] [--count 236] [--seed 0] [--rounds 2]

*As a tool*: free text in which calls of one tool may stand, `<call=NAME>`, a document of the tool's schema,
`</call>`. structgen and xgrammar read it as a structural tag (`triggered_tags`), llguidance as rules with
`%json`, whose free text has no `<`. *The schema alone*: the same documents by themselves. The schemas are
drawn from a folder of MaskBench's files, each with its first valid instance that both engines take.

Each engine and each of the two ways has a process of its own, which compiles one grammar after another, as a
server does. The clock runs from the grammar's source to the last token of the document: letting go of the
grammar before, reading, compiling, a mask and a commit for each token. `cold`: the process starts with the
vocabulary alone; `same-process`: it has done the same work once before, of which nothing counts. The
processor time is that of the whole process for the documents, with its threads.

The rows *by turns* hold on a busy machine too: each schema alone and as a tool one after the other, in one
process that has done all of them before, by the processor time of its thread. The rows *first mask* are of
1, 8, 32 and 128 tools in one grammar, each set of tools new. Prints a table and writes
bench/results/tools-DATE.csv. Times are milliseconds, masks microseconds.
"""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache, partial
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter_ns, process_time, thread_time_ns
from typing import Any, TypeAlias

import numpy as np
import peers
import vocabularies
from records import arguments, load, show, versions, write

import structgen as sg
from structgen.asking.processes.worker_process import WorkerProcess
from structgen.doors.maskbench.engines import EngineRefusal, Session
from structgen.doors.maskbench.ours import session_of

BEFORE, AFTER = "Let me look that up in the files that I have. ", " That is all."
ENGINES = "structgen:cold", "structgen:same-process", "llguidance"
SETS, DRAWN = (1, 8, 32, 128), 8
Tools: TypeAlias = "list[tuple[str, str]]"
"""Names, and schemas as texts."""
Compile: TypeAlias = Callable[[Tools, str], Callable[[], Session]]
"""Of tools and a way, `alone` or `tool`: how a document begins under the compiled grammar."""
Case: TypeAlias = tuple[str, Tools, list[int]]
"""A way, the tools, and the tokens of a document; without any, the first mask is filled."""


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
    form = {"type": "triggered_tags", "triggers": ["<call="], "tags": calls}
    return {"type": "structural_tag", "format": form}


def ours(tokenizer: sg.Tokenizer) -> Compile:
    """Return how structgen compiles."""
    mask = sg.allocate_mask(1, tokenizer.vocab_size)

    def compiled(tools: Tools, way: str) -> Callable[[], Session]:
        try:
            grammar = sg.json_schema(tools[0][1]) if way == "alone" else sg.structural_tag(tag(tools))
            return partial(session_of, sg.compile(grammar, tokenizer), mask, tokenizer.eos_token_ids)
        except sg.StructgenError as error:
            raise EngineRefusal("refused", str(error)) from error

    return compiled


def llguidance(tokenizer: sg.Tokenizer) -> Compile:
    """Return how llguidance compiles."""
    engine = peers.llguidance(tokenizer, read="lark")

    def compiled(tools: Tools, way: str) -> Callable[[], Session]:
        if way == "alone":
            return engine.compile(f"start: %json {tools[0][1]}\n")
        calls = " | ".join(f'"<call={name}>" tool{at} "</call>"' for at, (name, _) in enumerate(tools))
        rules = "".join(f"tool{at}: %json {schema}\n" for at, (_, schema) in enumerate(tools))
        return engine.compile(f"start: FREE (call FREE)*\nFREE: /[^<]*/\ncall: {calls}\n{rules}")

    return compiled


def xgrammar(tokenizer: sg.Tokenizer) -> Compile:
    """Return how xgrammar compiles tools."""

    def read(compiler: Any, tools: Any) -> Any:
        return compiler.compile_structural_tag(tag(tools))

    engine: Any = peers.xgrammar(tokenizer, read)
    return lambda tools, _: engine.compile(tools)


MAKERS = {"structgen": ours, "llguidance": llguidance, "xgrammar": xgrammar}


def documents(engine: Compile, cases: Iterable[Case], clock: Callable[[], int]) -> list[Any]:
    """Return for each case the nanoseconds from its source to its last token, and those of its masks and
    commits; None where the grammar is refused; the position where a token is."""
    found: list[Any] = []
    sessions: dict[str, Session] = {}
    for way, tools, tokens in cases:
        begun = clock()
        sessions.pop(way, None)  # the clock runs while the way's grammar before is let go of
        try:
            session = sessions[way] = engine(tools, way)()
            there = clock()
            if not tokens:
                session.fill()
        except EngineRefusal:
            found.append(None)
            continue
        for at, token in enumerate(tokens):
            session.fill()
            if not session.allows_token(token) or session.commit(token) is False:
                found.append(at)
                break
        else:
            ended = clock()
            found.append((ended - begun, ended - there))
        del session
    return found


@cache
def engine_of(name: str, tokenizer: str) -> Compile:
    """Return an engine of this process, which has compiled a grammar."""
    vocabulary = vocabularies.load(tokenizer)
    if name == "structgen":
        sg.preload("json", tokenizer=vocabulary)
    engine = MAKERS[name](vocabulary)
    engine([("none", '{"type":"object","properties":{"q":{"const":0}}}')], "tool")().fill()
    return engine


def work(name: str, tokenizer: str, cases: list[Case], by_turns: bool) -> tuple[list[Any], float]:
    """Return what an engine took, and the seconds of this process."""
    engine, begun = engine_of(name, tokenizer), process_time()
    found = documents(engine, cases, thread_time_ns if by_turns else perf_counter_ns)
    return found, process_time() - begun


def measured(
    config: str, cases: list[Case], tokenizer: str, by_turns: bool = False
) -> tuple[list[Any], float]:
    """Return what `work` does for an engine (`structgen:same-process`...) in a process of its own."""
    name, _, state = config.partition(":")
    with TemporaryDirectory(prefix="structgen-tools-") as folder:
        os.environ["STRUCTGEN_CACHE"] = folder
        process = WorkerProcess(partial(work, name, tokenizer), name, "", is_fresh=True)
        for some in (cases if state == "same-process" else [], cases):
            found, seconds = process.call_function((some, by_turns), 1e6, "for its times", "")
        process.end()
    return found, seconds


def drawn(folder: Path, seed: int, tokenizer: sg.Tokenizer) -> Iterator[tuple[str, str, str]]:
    """Yield schemas that structgen and llguidance take: a tool's name, the schema, a document."""
    paths = sorted(folder.glob("*.json"))
    random.Random(seed).shuffle(paths)
    engines, number = [ours(tokenizer), llguidance(tokenizer)], 0
    for path in paths:
        held = json.loads(path.read_text("utf-8"))
        valid = [one["data"] for one in held["tests"] if one["valid"]]
        if not valid:
            continue
        schema, text = json.dumps(held["schema"]), json.dumps(valid[0], ensure_ascii=False)
        case = "alone", [("", schema)], list(tokenizer.encode(text.encode()))
        if all(isinstance(documents(one, [case], perf_counter_ns)[0], tuple) for one in engines):
            yield f"tool_{number}", schema, text
        number += 1


def row_of(
    config: str, what: str, size: int, found: Sequence[Any], tokens: int, cpu: float | None
) -> tuple[object, ...]:
    """Return a row of the results. `tokens`: of all documents; `cpu`: the seconds of the processor."""
    times = [one for one in found if isinstance(one, tuple)]
    figures = dict.fromkeys(("p50", "p90", "p99", "mean", "mask_us", "cpu_ms"), "-")
    if times:
        whole = 1e-6 * np.array([one for one, _ in times])
        for name, one in zip(figures, (*np.percentile(whole, (50, 90, 99)), whole.mean()), strict=False):
            figures[name] = f"{one:.4g}"
        if tokens:
            figures["mask_us"] = f"{1e-3 * sum(one for _, one in times) / tokens:.4g}"
        if cpu is not None:
            figures["cpu_ms"] = f"{1e3 * cpu / len(found):.4g}"
    stopped = sum(isinstance(one, int) for one in found)
    return config, what, size, *figures.values(), found.count(None), stopped


def main() -> None:
    """Run it."""
    parser = arguments(__doc__)
    parser.add_argument("maskbench", type=Path)
    parser.add_argument("--tokenizer", default="llama3")
    parser.add_argument("--count", type=int, default=236)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--rounds", type=int, default=2)
    options = parser.parse_args()
    tokenizer, before = vocabularies.load(options.tokenizer), load()
    texts = list(islice(drawn(options.maskbench, options.seed, tokenizer), options.count))

    def cases(way: str, before: str = "", after: str = "") -> list[Case]:
        filled = ((name, schema, before.format(name) + text + after) for name, schema, text in texts)
        return [
            (way, [(name, schema)], list(tokenizer.encode(text.encode()))) for name, schema, text in filled
        ]

    of_way = {"alone": cases("alone"), "tool": cases("tool", BEFORE + "<call={}>", "</call>" + AFTER)}
    tokens = {way: options.rounds * sum(len(one[-1]) for one in some) for way, some in of_way.items()}
    gathered: dict[tuple[str, str], tuple[list[Any], list[float]]] = {}
    for _ in range(options.rounds):
        for config in ENGINES:
            for way, some in of_way.items():
                found, spent = measured(config, some, options.tokenizer)
                times, seconds = gathered.setdefault((config, way), ([], []))
                times.extend(found)
                seconds.append(spent)
    rows = [
        row_of(config, way, 1, times, tokens[way], sum(seconds))
        for (config, way), (times, seconds) in gathered.items()
    ]
    turns = [one for pair in zip(*of_way.values(), strict=True) for one in pair]
    found = []
    for _ in range(options.rounds):
        found += measured(ENGINES[1], turns, options.tokenizer, by_turns=True)[0]
    for at, way in enumerate(of_way):
        rows.append(row_of(ENGINES[1], f"{way}, by turns", 1, found[at::2], tokens[way], None))
    chooser = random.Random(options.seed)
    for size in (one for one in SETS if one <= len(texts)):
        sets = [("tool", [one[:2] for one in chooser.sample(texts, size)], []) for _ in range(DRAWN)]
        for config in (*ENGINES, "xgrammar"):
            found, spent = measured(config, sets, options.tokenizer)
            rows.append(row_of(config, "first mask", size, found, 0, spent))
    names = ("engine", "way", "tools", "p50", "p90", "p99", "mean", "mask_us", "cpu_ms", "refused", "stopped")
    show(names, rows)
    about = {"tokenizer": options.tokenizer, "seed": options.seed, "load": f"{before} {load()}"}
    about["versions"] = versions("llguidance", "xgrammar")
    print(write(options.results, "tools", about, names, rows))


if __name__ == "__main__":
    main()
