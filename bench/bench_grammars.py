"""What do masks under a Lark grammar cost, on real texts, cold, beside llguidance and glrmask?

    python bench/bench_grammars.py [--tokenizer llama3] [--files 8] [--bytes 6000] [--only json,python]
        [--json FOLDER]

Each grammar is taken as its authors wrote it: ours of JSON, arithmetic and SQL (their accepted texts; JSON's,
with `--json`, on files below a folder, too), lark's own python.lark and ours (files of the standard library).
Of all texts those are replayed that lark takes. An engine compiles a grammar anew, with no store; then texts
are replayed token by token: a mask, a commit. "Known" is structgen where another process has compiled the
grammar, and left its lexer in a store; "prepared" where it works out ahead what masks are put together from
(`compiled.prepare()`), which counts as compiling. A mask must allow the token that comes; a text with one
that does not is counted. Peers read the same file where they can; one that refuses it, or does not come to
an end, says so in the table. Each engine has a process of its own; they take turns, text by text.
Prints a table and writes bench/results/grammars-DATE.csv. Times are wall clock, in microseconds.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import vocabularies
from grammar_cases import LARKS, Case, case
from peers import glrmask, llguidance
from records import arguments, load, show, versions, write

import structgen as sg
from structgen.asking.processes.worker_process import EndedError, LateError, WorkerProcess
from structgen.base.system import shipped_files
from structgen.doors.maskbench.engines import EngineRefusal, Session
from structgen.doors.maskbench.ours import session_of

COLUMNS = ("grammar", "engine", "texts", "masks", "load_ms", "compile_ms", "first_mask_us", "mask_avg_us")
COLUMNS += ("mask_p50_us", "mask_p99_us", "mask_p999_us", "commit_avg_us", "refused_texts", "note")
SHORTEST = 500
"""Bytes of a file that is replayed, at least."""
KNOWN, PREPARED = "structgen, known", "structgen, prepared"


# Both read a form of Lark's grammars.
PEERS = {
    "llguidance": partial(llguidance, read="lark"),
    "glrmask AUTO": partial(glrmask, read="lark", strategy="AUTO"),
}


@dataclass
class Times:
    """What an engine took, in seconds; and how many texts it did not allow."""

    load: float = 0.0
    """Of reading the grammar, where that is told apart."""
    compile: float = 0.0
    masks: list[float] = field(default_factory=list)
    commits: list[float] = field(default_factory=list)
    refused: int = 0


class Served:
    """An engine with one grammar. It answers in a worker's process: with all times so far, or with why there
    are none."""

    def __init__(self, name: str, case: Case, tokenizer: str, folder: Path | None) -> None:
        """`folder`: of structgen's store; without it nothing was there before."""
        self.name, self.case, self.vocabulary, self.folder = name, case, tokenizer, folder
        self.times = Times()

    def __call__(self, question: str, *given: Any) -> Times | str:
        try:
            getattr(self, question)(*given)
        except ImportError as error:
            return f"is not here: {error}"
        except (EngineRefusal, sg.StructgenError) as error:
            said = str(error).strip().splitlines()[0]
            return f"stops: {error}" if question == "replay" else f"refuses it: {said}"
        return self.times

    def load(self) -> None:
        """Make the engine."""
        tokenizer = vocabularies.load(self.vocabulary)
        if self.name in PEERS:
            self.engine: Any = PEERS[self.name](tokenizer)
            return
        self.store: Any = False if self.folder is None else sg.MaskStore(path=self.folder)
        self.tokenizer, self.mask = tokenizer, sg.allocate_mask(1, tokenizer.vocab_size)
        # what a process loads once is nobody's cost
        compiled = sg.compile(sg.lark('start: "a"'), tokenizer, store=False)
        session_of(compiled, self.mask, tokenizer.eos_token_ids).fill()

    def compile(self) -> None:
        """Read and compile the grammar."""
        text, begun = self.case.path.read_text("utf-8"), time.perf_counter()
        if self.name in PEERS:
            self.session: Callable[[], Session] = self.engine.compile(text)
            self.times.compile = time.perf_counter() - begun
            return
        grammar = self.case.grammar()
        loaded = time.perf_counter()
        compiled = sg.compile(grammar, self.tokenizer, store=self.store)
        if self.name == PREPARED:
            compiled.prepare()
        self.times.load, self.times.compile = loaded - begun, time.perf_counter() - loaded
        self.session = partial(session_of, compiled, self.mask, self.tokenizer.eos_token_ids)

    def replay(self, tokens: list[int]) -> None:
        """Replay a text: a mask, a commit, until a token is not allowed."""
        session, times = self.session(), self.times
        for token in tokens:
            begun = time.perf_counter()
            session.fill()
            filled = time.perf_counter()
            if not session.allows_token(token):
                times.refused += 1
                return
            taken = time.perf_counter()
            session.commit(token)
            times.commits.append(time.perf_counter() - taken)
            times.masks.append(filled - begun)


class Worker:
    """An engine with one grammar, in a process of its own. `refused` says why there is none."""

    def __init__(
        self, name: str, case: Case, tokenizer: str, seconds: float, folder: Path | None = None
    ) -> None:
        """Start it, and wait until it has compiled the grammar, `seconds` at most; `folder`: of its store."""
        self.times, self._seconds = Times(), seconds
        # what lark built stays here: it does not go through a pipe
        served = Served(name, Case(case.name, case.path, case.arguments), tokenizer, folder)
        self._process = WorkerProcess(served, name, "", is_fresh=True)
        # a vocabulary may take its time
        self.refused = self._asked(3600.0, "load") or self._asked(seconds, "compile")

    def replay(self, tokens: list[int]) -> None:
        """Replay a text; where it takes too long, the engine is ended, and `refused` says so."""
        self.refused = self.refused or self._asked(self._seconds, "replay", tokens)

    def _asked(self, seconds: float, question: str, *given: Any) -> str:
        """Wait for the times; return why there are none."""
        try:
            answer = self._process.call_function((question, *given), seconds, question, "")
        except LateError:
            return f"does not come to an end in {seconds:g} s"
        except EndedError:
            return "dies"
        if isinstance(answer, str):
            return answer
        self.times = answer
        return ""

    def stop(self) -> None:
        """End the process."""
        self._process.end()


def python_texts(files: int, size: int) -> list[str]:
    """Return the beginnings of files of the standard library, whole lines of them."""
    found = []
    for path in sorted(Path(os.__file__).parent.glob("*.py"))[5 :: max(1, 160 // files)][:files]:
        text = path.read_text("utf-8")[:size]
        found.append(text[: text.rindex("\n") + 1])
    return found


def accepted(name: str) -> list[str]:
    """Return the accepted texts of one of our grammars."""
    held = json.loads(shipped_files.grammar_path(name).with_suffix(".texts.json").read_text("utf-8"))
    return [one["text"] if isinstance(one, dict) else one[0] for one in held["accepted"]]


def json_files(folder: Path, files: int, size: int, one: Case) -> list[str]:
    """Return files of JSON that lark takes, drawn from those that are not large."""
    paths = [path for path in sorted(folder.rglob("*.json")) if SHORTEST <= path.stat().st_size <= size]
    random.Random(0).shuffle(paths)
    texts = (path.read_text("utf-8", "replace") for path in paths)
    return list(islice(filter(one.takes, texts), files))


def cases(options: argparse.Namespace) -> Iterator[tuple[Case, list[str]]]:
    """Yield the grammars, each with its texts."""
    begins = tuple(options.only.split(","))
    for name in ("json", "arithmetic", "sql"):
        if name.startswith(begins):
            yield case(name), accepted(name)
        if name == "json" and options.json is not None and name.startswith(begins):
            one = replace(case(name), name="json (files)")
            yield one, json_files(options.json, options.files, options.bytes, one)
    for name in ("python", LARKS):
        if name.startswith(begins):
            yield case(name), python_texts(options.files, options.bytes)


def measure(one: Case, held: list[str], options: argparse.Namespace) -> Iterator[tuple[object, ...]]:
    """Yield a row for each engine on the texts of a grammar."""
    tokenizer = vocabularies.load(options.tokenizer)
    texts = [tokenizer.encode(text.encode()) for text in held]
    workers = {name: Worker(name, one, options.tokenizer, options.seconds) for name in ("structgen", *PEERS)}
    for tokens in texts:
        for worker in workers.values():
            worker.replay(tokens)
    for name, worker in workers.items():
        worker.stop()
        yield row_of(one, name, len(held), worker)
    with TemporaryDirectory() as folder:
        Worker("structgen", one, options.tokenizer, options.seconds, Path(folder)).stop()
        for name, where in ((KNOWN, Path(folder)), (PREPARED, None)):
            worker = Worker(name, one, options.tokenizer, options.seconds, where)
            for tokens in texts:
                worker.replay(tokens)
            worker.stop()
            yield row_of(one, name, len(held), worker)


def row_of(one: Case, name: str, texts: int, worker: Worker) -> tuple[object, ...]:
    """Return what is said of an engine on the texts of a grammar; no figures where there are no times."""
    times, note = worker.times, worker.refused[:120]
    figures: list[Any] = [""] * (len(COLUMNS) - 5)
    if times.masks:
        masks = 1e6 * np.array(times.masks)
        points = (masks[0], masks.mean(), *np.percentile(masks, (50, 99, 99.9)))
        commits = 1e6 * float(np.mean(times.commits))
        figures = [round(float(1e3 * one), 1) for one in (times.load, times.compile)]
        figures += [*(round(float(one), 2) for one in (*points, commits)), times.refused]
    elif times.refused:
        note = note or f"allows the first token of none of {times.refused} texts"
    return one.name, name, texts, len(times.masks), *figures, note


def main() -> None:
    """Run the comparison."""
    parser = arguments(__doc__)
    parser.add_argument("--tokenizer", default="llama3")
    parser.add_argument("--files", type=int, default=8, help="of Python, and of JSON")
    parser.add_argument("--bytes", type=int, default=6000, help="of a file, at most")
    parser.add_argument("--only", default="", help="the grammars whose names begin so, comma-separated")
    parser.add_argument("--seconds", type=float, default=120, help="of a compilation, and of a text")
    parser.add_argument("--json", type=Path, help="a folder with files of JSON")
    options = parser.parse_args()
    before = load()
    rows: list[tuple[object, ...]] = []
    for one, held in cases(options):
        for row in measure(one, held, options):
            rows.append(row)
            print(*row, sep="; ", flush=True)
    show(COLUMNS, rows, "Masks under Lark grammars, cold (microseconds)")
    about = {"load": f"{before} -> {load()}", "tokenizer": options.tokenizer}
    about["versions"] = versions("llguidance", "glrmask", "lark", "numba")
    print(write(options.results, "grammars", about, COLUMNS, rows))


if __name__ == "__main__":
    main()
