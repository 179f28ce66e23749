"""What does a step of many rows cost on the host: the masks of all rows, then a token of each?

    python bench/bench_batches.py PATH [--rows 1,8,64,256,512] [--steps 64] [--rounds 3] [--tokenizer llama3]

PATH is a folder of MaskBench files (default: the environment's STRUCTGEN_MASKBENCH). A row writes a valid
instance of MaskBench, one token a step, and the same texts are written under each engine. The rows are of as
many *different* schemas, of distinct files, or all of *one* schema, each at another place of its texts.
A step is one call for the masks and one for the tokens: `fill_masks` and `advance_all` of ours,
`BatchGrammarMatcher` of xgrammar, the parallel calls of llguidance's executor. Each engine has the threads
that it takes by itself, and one with `--threads 1`. A text that ends begins again, outside of the clock.
A row is *first* where no text of its schema was written before in this process, *again* where all were.

A row of bench/results/batches-DATE.csv is one engine at one number of rows: the medians over steps and rounds
of wall and processor microseconds of a step, all threads counted, for masks and for tokens, and the 99th
percentile of a step's wall time. Schemas are left out that one of the engines refuses.
"""

from __future__ import annotations

import os
import random
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from peers import LlguidanceVocabulary
from records import arguments, load, show, versions, write
from vocabularies import load as tokenizer_of

import structgen as sg
from structgen.doors.maskbench.readers import select_cases

COLUMNS = (
    *("engine", "schemas", "texts", "rows", "steps", "fill us", "fill cpu us", "advance us"),
    *("advance cpu us", "step us", "step us a row", "p99 step us", "longest step us"),
)
LONGEST = 2_000
"""Characters of a schema, and of a text: the others compile for seconds in some engine."""


@dataclass
class Engine:
    """An engine: what makes a schema's `start`, a cursor from that, and what does a step of some cursors."""

    compile: Callable[[str], Any]
    cursor: Callable[[Any], Any]
    fill: Callable[[list[Any]], object]
    advance: Callable[[list[Any], list[int]], object]
    reads: Callable[[Any, Sequence[int]], bool]
    """Whether a cursor takes all of some tokens."""


def ours(tokenizer: sg.Tokenizer, rows: int, threads: int) -> Engine:
    """Return structgen's calls of a batch."""
    mask = sg.allocate_mask(rows, tokenizer.vocab_size)

    def reads(start: Any, tokens: Sequence[int]) -> bool:
        return sg.Matcher(start).accepts(tokens) == len(tokens)

    return Engine(
        lambda schema: sg.compile(sg.json_schema(schema), tokenizer, store=False),
        sg.Matcher,
        lambda cursors: sg.core.fill_masks(cursors, mask),
        sg.core.advance_all,
        reads,
    )


def singly(tokenizer: sg.Tokenizer, rows: int, threads: int) -> Engine:
    """Return structgen's calls, one for each row."""
    engine, mask = ours(tokenizer, rows, threads), sg.allocate_mask(rows, tokenizer.vocab_size)

    def fill(cursors: list[Any]) -> None:
        for row, cursor in enumerate(cursors):
            cursor.fill_mask(mask, row)

    def advance(cursors: list[Any], tokens: list[int]) -> None:
        for cursor, token in zip(cursors, tokens, strict=True):
            cursor.advance(token)

    engine.fill, engine.advance = fill, advance
    return engine


def xgrammar(tokenizer: sg.Tokenizer, rows: int, threads: int, lazily: bool = False) -> Engine:
    """Return xgrammar's calls of a batch. `lazily`: a schema is compiled as masks ask for it; else before the
    first step, for some 100 ms of processor time each."""
    module: Any = import_module("xgrammar")
    texts = [text or b"" for text in tokenizer.token_bytes]
    ends = list(tokenizer.eos_token_ids)
    info = module.TokenizerInfo(
        texts, module.VocabType.RAW, vocab_size=tokenizer.vocab_size, stop_token_ids=ends
    )
    compiler = module.GrammarCompiler(info, cache_enabled=False, enable_dynamic_compilation=lazily)
    mask = module.allocate_token_bitmask(rows, tokenizer.vocab_size)
    batch = module.BatchGrammarMatcher(max_threads=threads or "auto")

    def reads(start: Any, tokens: Sequence[int]) -> bool:
        matcher = module.GrammarMatcher(start)
        return all(matcher.accept_token(token) for token in tokens)

    return Engine(
        lambda schema: compiler.compile_json_schema(schema, strict_mode=False),
        module.GrammarMatcher,
        lambda cursors: batch.batch_fill_next_token_bitmask(cursors, mask),
        batch.batch_accept_token,
        reads,
    )


def llguidance(tokenizer: sg.Tokenizer, rows: int, threads: int) -> Engine:
    """Return llguidance's parallel calls, with the slices that it offers for JSON."""
    module: Any = import_module("llguidance")
    wrapper = import_module("llguidance._tokenizer").TokenizerWrapper(LlguidanceVocabulary(tokenizer))
    theirs = module.LLTokenizer(
        wrapper,
        n_vocab=tokenizer.vocab_size,
        eos_token=list(tokenizer.eos_token_ids),
        slices=module.LLTokenizer.json_slices(),
    )
    executor = module.LLExecutor(threads or None)
    mask = np.zeros((rows, (tokenizer.vocab_size + 31) // 32), np.int32)

    def cursor(start: Any) -> Any:
        matcher = module.LLMatcher(theirs, start, log_level=0)
        if matcher.is_error():
            raise ValueError(matcher.get_error())
        return matcher

    def fill(cursors: list[Any]) -> None:
        each = [*zip(cursors, range(rows), strict=False)]
        executor.unsafe_compute_mask_ptr(each, mask.ctypes.data, mask.strides[0], rows)

    return Engine(
        module.LLMatcher.grammar_from_json_schema,
        cursor,
        fill,
        lambda cursors, tokens: executor.consume_token_par([*zip(cursors, tokens, strict=True)]),
        lambda start, tokens: cursor(start).consume_tokens(list(tokens)),
    )


ENGINES: dict[str, Callable[[sg.Tokenizer, int, int], Engine]] = {
    "structgen": ours,
    "structgen row by row": singly,
    "xgrammar": xgrammar,
    "xgrammar lazy": partial(xgrammar, lazily=True),
    "llguidance": llguidance,
}
Texts = tuple[str, list[list[int]]]
"""A schema, and the tokens of its valid instances."""


def texts_of(path: Path, tokenizer: sg.Tokenizer, engines: Sequence[Engine]) -> Iterator[Texts]:
    """Yield schemas that all engines compile, in an order drawn once, with the texts that all of them
    take."""
    cases = select_cases([path])
    random.Random(96).shuffle(cases)
    for _, read in cases:
        case = read()
        if len(case.schema) > LONGEST:
            continue
        instances = [one.text for one in case.instances if one.valid and len(one.text) < LONGEST]
        texts = [list(tokenizer.encode(text)) for text in instances]
        try:
            starts = [engine.compile(case.schema) for engine in engines]
            read_by_all = [
                tokens
                for tokens in texts
                if len(tokens) > 8
                and all(engine.reads(start, tokens) for engine, start in zip(engines, starts, strict=True))
            ]
        except Exception:
            continue
        if read_by_all:
            yield case.schema, read_by_all


class Row:
    """A row of a batch: a cursor in a text of its schema."""

    def __init__(self, engine: Engine, start: Any, texts: list[list[int]], place: int) -> None:
        """`place`: tokens of the texts, one behind the other, that are taken before the first step."""
        self.engine, self.start, self.texts = engine, start, texts
        self.text, self.place = 0, place % len(texts[0])
        self.cursor = engine.cursor(start)
        for token in texts[0][: self.place]:
            engine.advance([self.cursor], [token])

    def token(self) -> int:
        """Return the next token of the text."""
        return self.texts[self.text][self.place]

    def taken(self) -> None:
        """Go on behind the token; at the end of the text to the next one."""
        self.place += 1
        if self.place == len(self.texts[self.text]):
            self.text, self.place = (self.text + 1) % len(self.texts), 0
            self.cursor = self.engine.cursor(self.start)


def steps_of(engine: Engine, rows: list[Row], steps: int) -> list[tuple[float, ...]]:
    """Return of each step: wall and processor microseconds of the masks, and of the tokens."""
    found = []
    for _ in range(steps):
        cursors, tokens = [row.cursor for row in rows], [row.token() for row in rows]
        before, spent = time.perf_counter_ns(), time.process_time_ns()
        engine.fill(cursors)
        middle, filled = time.perf_counter_ns(), time.process_time_ns()
        engine.advance(cursors, tokens)
        last, advanced = time.perf_counter_ns(), time.process_time_ns()
        found.append(
            tuple(ns / 1000 for ns in (middle - before, filled - spent, last - middle, advanced - filled))
        )
        for row in rows:
            row.taken()
    return found


def line(found: list[tuple[float, ...]], rows: int) -> tuple[object, ...]:
    """Return the figures of some steps."""
    whole = sorted(one[0] + one[2] for one in found)
    medians = [round(statistics.median(column), 1) for column in zip(*found, strict=True)]
    step = statistics.median(whole)
    most = whole[int(0.99 * (len(whole) - 1))]
    return (
        len(found),
        *medians,
        round(step, 1),
        round(step / rows, 3),
        round(most, 1),
        round(whole[-1], 1),
    )


def measured(
    engine: Engine, texts: Sequence[Texts], count: int, steps: int, rounds: int, *, one: bool
) -> dict[str, list[tuple[float, ...]]]:
    """Return the steps of `count` rows: of texts written first, and again."""
    found: dict[str, list[tuple[float, ...]]] = {"first": [], "again": []}
    for turn in range(rounds):
        some = [texts[turn % len(texts)]] * count if one else [*islice(texts, count)]
        made = {schema: engine.compile(schema) for schema, _ in some}
        for kind in found:
            starts = [
                Row(engine, made[schema], known, at if one else 0) for at, (schema, known) in enumerate(some)
            ]
            found[kind] += steps_of(engine, starts, steps)
    return found


def main() -> int:
    parser = arguments(__doc__)
    parser.add_argument("path", nargs="?", type=Path, default=os.environ.get("STRUCTGEN_MASKBENCH"))
    parser.add_argument("--rows", default="1,8,64,256,512", help="rows of a step")
    parser.add_argument("--steps", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=0, help="of the peers; 0: as many as they take")
    parser.add_argument(
        "--engine", default=",".join(ENGINES), help="some of these; xgrammar compiles for long"
    )
    parser.add_argument("--tokenizer", default="llama3")
    options = parser.parse_args()
    if not options.path:
        print("Nothing measured: give the path of MaskBench, or set STRUCTGEN_MASKBENCH to it.")
        return 0
    counts, before = [int(one) for one in options.rows.split(",")], load()
    tokenizer = tokenizer_of(options.tokenizer)
    names = [name for name in ENGINES if name in options.engine.split(",")]
    engines = {name: ENGINES[name](tokenizer, max(counts), options.threads) for name in names}
    judges = [engines[name] for name in names if not name.startswith(("structgen row", "xgrammar lazy"))]
    judges += [engines[name] for name in names if name == "xgrammar lazy" and "xgrammar" not in names]
    texts = [*islice(texts_of(options.path, tokenizer, judges), max(counts))]
    found = []
    for count in counts:
        for one in (False, True):
            for name, engine in engines.items():
                kinds = measured(
                    engine, texts[: max(count, options.rounds)], count, options.steps, options.rounds, one=one
                )
                for kind, steps in kinds.items():
                    schemas = "one" if one else "different"
                    found.append((name, schemas, kind, count, *line(steps, count)))
                    print(*found[-1], flush=True)
    about = {
        "load": f"{before} -> {load()}",
        "versions": versions("xgrammar", "llguidance"),
        "options": f"--steps {options.steps} --rounds {options.rounds} --threads {options.threads} "
        f"--tokenizer {options.tokenizer}",
    }
    show(COLUMNS, found)
    print(write(options.results, "batches", about, COLUMNS, found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
