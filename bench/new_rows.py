"""What does the worst step of a batch cost whose rows are all new? `bench_masks.py` writes it beside masks.

A row is a text of a schema of its own. All schemas are compiled before the first step. A step fills the masks
of all rows by the engine's call for batches, then gives each row its next token. Its cost is the processor
time of both calls, all threads counted. The peers' calls run on one thread: more would only add to it. Each
round is a new process; of each step the least of the rounds counts. A text that ends begins again, outside of
the clock, so that each step has all rows.
"""

from __future__ import annotations

import gc
import os
import random
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, TypeAlias

import bench_batches
import numpy as np
import vocabularies

import structgen as sg
from structgen.asking.processes.worker_process import EndedError, LateError, WorkerProcess
from structgen.base.system.cache import ENVIRONMENT_VARIABLE, cache_folder
from structgen.doors.maskbench.readers import select_cases
from structgen.errors import StructgenError
from structgen.grammars.json_grammars.schema_grammar import unwarned_schema

Text: TypeAlias = tuple[str, list[int]]
"""A schema, and the tokens of a valid instance of it."""
Steps: TypeAlias = list[tuple[float, float]]
"""Of each step the processor's microseconds of the masks, and of the tokens."""
SHORTEST, LONGEST = 8, 300
"""Tokens of a text."""
WARM_UP: Final = '{"type": "object", "properties": {"a": {"type": "string"}}}'
"""It begins with a token that every vocabulary has."""
JUDGES: Final = {"xgrammar": "xgrammar lazy"}
"""Engines that compile for long have their texts judged by the same engine, which compiles as it reads."""


def load_structgen(tokenizer: sg.Tokenizer, rows: int, threads: int) -> bench_batches.Engine:
    """Return structgen's calls of a batch, with the masks that a process keeps for all its schemas."""
    sg.preload("json", tokenizer=tokenizer)
    engine = bench_batches.ours(tokenizer, rows, threads)
    return replace(engine, compile=lambda schema: sg.compile(unwarned_schema(schema), tokenizer))


ENGINES: Final = {**bench_batches.ENGINES, "structgen": load_structgen}


@dataclass
class RowWorker:
    """What an engine's process answers: whether the engine takes a text, and the steps of a batch. It may
    hang or die with the engine."""

    name: str
    tokenizer: str
    rows: int
    """Of the largest batch."""
    _engine: bench_batches.Engine | None = field(default=None, init=False)

    def __call__(self, question: str, *given: Any) -> Any:
        return getattr(self, question)(*given)

    def load_engine(self) -> bench_batches.Engine:
        """Return the engine, its vocabulary loaded; what a process does once is done."""
        if self._engine is None:
            tokenizer = vocabularies.load(self.tokenizer)
            engine = ENGINES[self.name](tokenizer, self.rows, 1)
            cursors = [engine.cursor(engine.compile(WARM_UP))]
            engine.fill(cursors)
            engine.advance(cursors, list(tokenizer.encode(b"{"))[:1])
            # what is loaded stays, as in structgen maskbench
            gc.collect()
            gc.freeze()
            self._engine = engine
        return self._engine

    def accepts(self, text: Text) -> bool:
        """Return whether the engine compiles a schema and takes the whole text."""
        schema, tokens = text
        engine = self.load_engine()
        try:
            return engine.reads(engine.compile(schema), tokens)
        except Exception:
            # the errors of the peers have no common root
            return False

    def run_steps(self, texts: Sequence[Text]) -> Steps:
        """Return the steps of a batch with a row for each text, until each has ended once."""
        engine = self.load_engine()
        starts = [engine.compile(schema) for schema, _ in texts]
        rows = [
            bench_batches.Row(engine, start, [tokens], 0)
            for start, (_, tokens) in zip(starts, texts, strict=True)
        ]
        found = bench_batches.steps_of(engine, rows, max(len(tokens) for _, tokens in texts))
        return [(masks, tokens) for _, masks, _, tokens in found]


def draw_texts(path: Path, tokenizer: sg.Tokenizer, seed: int) -> Iterator[Text]:
    """Yield the schemas of a folder of MaskBench in an order drawn by the seed, each with its first valid
    instance of a middling length."""
    cases = select_cases([path])
    random.Random(seed).shuffle(cases)
    for _, read in cases:
        case = read()
        tokens = (list(tokenizer.encode(one.text)) for one in case.instances if one.valid)
        if text := next((one for one in tokens if SHORTEST <= len(one) <= LONGEST), None):
            yield case.schema, text


@contextmanager
def empty_cache() -> Iterator[None]:
    """Let processes that start meanwhile have a cache folder of their own, with nothing in it but published
    vocabularies, which are there already and would be fetched again. (Machine code lies elsewhere.)"""
    vocabularies, before = cache_folder() / "vocabularies", os.environ.get(ENVIRONMENT_VARIABLE, "")
    with TemporaryDirectory() as folder:
        if vocabularies.exists():
            shutil.copytree(vocabularies, Path(folder, vocabularies.name))
        os.environ[ENVIRONMENT_VARIABLE] = folder
        try:
            yield
        finally:
            os.environ[ENVIRONMENT_VARIABLE] = before


def make_worker(name: str, tokenizer: str, rows: int) -> WorkerProcess:
    """Return the process of an engine."""
    return WorkerProcess(RowWorker(name, tokenizer, rows), f"engine {name}", "--engine", is_fresh=True)


def find_common_texts(
    texts: Iterator[Text], count: int, engines: Sequence[str], tokenizer: str, timeout: float
) -> list[Text]:
    """Return `count` texts that all engines take, each within `timeout` seconds; fewer where there are not as
    many."""
    judges = [make_worker(JUDGES.get(name, name), tokenizer, 1) for name in engines]

    def takes(judge: WorkerProcess, text: Text) -> bool:
        try:
            return bool(judge.call_function(("accepts", text), timeout, "whether it takes a text", ""))
        except (LateError, EndedError):
            return False

    for judge in judges:  # to load an engine takes longer than a text may
        judge.call_function(("accepts", (WARM_UP, [])), 600, "whether it starts", "")
    found = list[Text]()
    for text in texts:
        if len(found) == count:
            break
        if all(takes(judge, text) for judge in judges):
            found.append(text)
    for judge in judges:
        judge.end()
    return found


def fold_rounds(rounds: Sequence[Steps]) -> Steps:
    """Return of each step, masks and tokens apart, the least of some rounds of the same batch."""
    every = np.min(np.array(rounds), axis=0)
    return [(float(masks), float(tokens)) for masks, tokens in every]


def summarize_steps(steps: Steps) -> dict[str, float]:
    """Return the figures of a batch: `worst`, `p50` and `sum` of its steps, `worst fill` of their masks."""
    both = sorted(masks + tokens for masks, tokens in steps)
    return {
        "worst": both[-1],
        "p50": both[(len(both) - 1) // 2],
        "sum": sum(both),
        "worst fill": max(masks for masks, _ in steps),
    }


def measure_batches(
    texts: Sequence[Text],
    counts: Sequence[int],
    engines: Sequence[str],
    tokenizer: str,
    rounds: int,
) -> Iterator[tuple[str, int, dict[str, float]]]:
    """Yield the figures of each engine with the first texts as rows: its name, the rows, the figures. A batch
    for which there are too few texts is left out, and said so."""
    for count in counts:
        if count > len(texts):
            print(f"No batch of {count} rows: all engines take {len(texts)} texts.")
            continue
        found: dict[str, list[Steps]] = {name: [] for name in engines}
        for _ in range(rounds):
            for name, of_engine in found.items():
                with empty_cache():
                    process = make_worker(name, tokenizer, count)
                    try:
                        given = "run_steps", list(texts[:count])
                        of_engine.append(process.call_function(given, 36_000, f"for {count} rows", ""))
                    except (EndedError, StructgenError) as error:
                        print(f"{name}, {count} rows: {error}")
                    process.end()
        for name, of_engine in found.items():
            if of_engine:
                yield name, count, summarize_steps(fold_rounds(of_engine))
