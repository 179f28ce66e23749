"""One question to many cases: each in a process that may hang or die, with progress, totals and a status.

A bench is a `Question`: which cases there are, and what came of one of them. `run` does the rest.
"""

from __future__ import annotations

import argparse
import collections
import dataclasses
import itertools
import json
import os
import queue
import resource
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import records

from structgen.asking.processes.worker_process import EndedError, LateError, WorkerProcess
from structgen.decoding.runs.result_files import as_done

PATIENCE = 20
"""So many times its seconds of the processor a case may take by the clock, before it counts as one that
hangs."""
LATE, DIED = "slow", "died"
"""Verdicts on cases without an answer."""


@dataclass
class Outcome:
    """What came of one case."""

    name: str
    verdict: str = "judged"
    rows: dict[str, dict[str, float]] = field(default_factory=dict)
    """Figures that are summed over the cases, by the row of the results: its keys with tabs between them."""
    faults: list[dict[str, Any]] = field(default_factory=list)
    """What somebody may look at: `row`, `label`, `why`, and what else is known."""
    seconds: float = 0.0
    """Of the processor."""

    def count(self, row: str, figure: str, by: float = 1) -> None:
        """Add to a figure of a row."""
        figures = self.rows.setdefault(row, {})
        figures[figure] = figures.get(figure, 0) + by

    def fault(self, row: str, label: str, why: str = "", *, figure: str = "", **known: Any) -> None:
        """Note something, and count it in its row under its label, or in another figure."""
        self.count(row, figure or label)
        self.faults.append({"row": row, "label": label, "why": why[:400], **known})


@dataclass(frozen=True)
class Named:
    """A case that is not sent to a process itself."""

    name: str


class Question:
    """What a bench asks. The object goes to the processes, before `ready` is called there."""

    name: ClassVar[str]
    """The results are NAME-DATE.csv."""
    keys: ClassVar[tuple[str, ...]]
    figures: ClassVar[tuple[str, ...]]
    bad: ClassVar[tuple[str, ...]] = ()
    """Labels of faults with which the status is 1."""
    noted: ClassVar[tuple[str, ...]] = ()
    """Labels of faults that are printed beside these."""
    always: ClassVar[tuple[str, ...]] = ()
    """Rows that are there where nothing is counted."""
    shown: ClassVar[int] = 9
    """The table that is printed sums rows with as many keys in common."""
    told: ClassVar[tuple[str, ...]] = ("seed",)
    """Options that each row of the results has."""
    source: ClassVar[str] = ""
    """The variable of the environment that names the data where no path is given; "" where none is needed."""
    is_fresh: ClassVar[bool] = True
    """Whether processes are new ones of Python, and no forks."""
    each: ClassVar[int] = 0
    """A process ends after so many cases; 0: after the last."""
    memory: ClassVar[int] = 0
    """Bytes that a process may map; 0: any number."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options

    @classmethod
    def add_options(cls, parser: argparse.ArgumentParser) -> None:
        """Add the options of this question, or set other defaults."""

    def cases(self, wanted: Callable[[str], bool]) -> Iterable[Any]:
        """Yield the cases whose names are wanted; each has a `name`."""
        raise NotImplementedError

    def ready(self) -> None:
        """Load in a process what its first case would wait for."""

    def judged(self, case: Any) -> Outcome:
        """Return what came of a case, in a process."""
        raise NotImplementedError

    def seconds(self, case: Any) -> float:
        """Return how long the processor may take for a case."""
        return float(self.options.timeout)

    def unanswered(self, case: Any, verdict: str, why: str) -> Outcome:
        """Return the outcome of a case without an answer, which is `LATE` or `DIED`."""
        outcome = Outcome(case.name, verdict)
        outcome.fault("\t".join([*[""] * (len(self.keys) - 1), f"cases {verdict}"]), verdict, why)
        return outcome

    def left(self, outcomes: Iterable[Outcome]) -> list[str]:
        """Return what is wrong with the whole, a line each."""
        return []

    def about(self) -> dict[str, object]:
        """Return what all rows of the results have in common."""
        return {"version": records.version(), **{name: getattr(self.options, name) for name in self.told}}


class _Worker:
    """Answers in a process."""

    def __init__(self, question: Question) -> None:
        self.question, self.is_ready = question, False

    def __call__(self, case: Any) -> Outcome:
        if not self.is_ready:
            if self.question.memory:
                resource.setrlimit(resource.RLIMIT_AS, (self.question.memory, self.question.memory))
            self.question.ready()
            self.is_ready = True
        since = time.process_time()
        signal.signal(signal.SIGPROF, signal.SIG_DFL)  # compiled code would not see a handler
        signal.setitimer(signal.ITIMER_PROF, self.question.seconds(case))
        outcome = self.question.judged(case)
        signal.setitimer(signal.ITIMER_PROF, 0)
        outcome.seconds = round(time.process_time() - since, 2)
        return outcome


def answers(question: Question, cases: Iterable[Any], jobs: int) -> Iterator[Outcome]:
    """Yield the outcomes of cases as they are done, so many at a time."""
    free: queue.SimpleQueue[tuple[WorkerProcess, int]] = queue.SimpleQueue()
    workers = [WorkerProcess(_Worker(question), "bench", "", is_fresh=question.is_fresh) for _ in range(jobs)]
    for worker in workers:
        free.put((worker, 1))

    def ask(case: Any) -> Outcome:
        own, number = free.get()
        try:
            found: Outcome = own.call_function((case,), PATIENCE * question.seconds(case), "of a case", "")
            return found
        except Exception as error:
            late = isinstance(error, LateError)
            late |= isinstance(error, EndedError) and error.code in (-signal.SIGPROF, -signal.SIGXCPU)
            return question.unanswered(case, LATE if late else DIED, f"{type(error).__name__}: {error}")
        finally:
            if question.each and number % question.each == 0:
                own.end()
            free.put((own, number + 1))

    try:
        yield from as_done(ask, cases, jobs)
    finally:
        for worker in workers:
            worker.end()


def table(question: Question, outcomes: Iterable[Outcome], keys: int = 9) -> list[list[object]]:
    """Return the rows of the results, in order: those with so many keys in common are one."""
    sums: dict[tuple[str, ...], collections.Counter[str]] = {}
    for row in question.always:
        sums.setdefault(tuple(row.split("\t"))[:keys], collections.Counter())
    for outcome in outcomes:
        for row, figures in outcome.rows.items():
            sums.setdefault(tuple(row.split("\t"))[:keys], collections.Counter()).update(figures)
    return [[*key, *(round(sums[key][one], 3) for one in question.figures)] for key in sorted(sums)]


def tell(question: Question, outcome: Outcome) -> None:
    """Print what is to be looked at."""
    for fault in outcome.faults:
        if fault["label"] in (*question.bad, *question.noted, LATE, DIED):
            more = [f"    {name}: {one!r}"[:2000] for name, one in list(fault.items())[3:]]
            row = fault["row"].replace("\t", " ")
            print(f"{outcome.name} [{row}] {fault['label']}: {fault['why']}", *more, sep="\n", flush=True)


def read_progress(path: Path | None) -> dict[str, Outcome]:
    """Return the outcomes that a file holds by name, the last line of each."""
    if path is None or not path.exists():
        return {}
    lines = path.read_text(encoding="utf-8").splitlines()
    return {outcome.name: outcome for outcome in (Outcome(**json.loads(line)) for line in lines if line)}


def options_of(ask: type[Question], described: str | None) -> argparse.Namespace:
    """Return what the command line says."""
    parser = records.arguments(described)
    if ask.source:
        parser.add_argument("paths", nargs="*", type=Path, help=f"default: ${ask.source}")
        parser.add_argument("--only", nargs="*", default=(), help="cases with one of these in their names")
    else:
        parser.add_argument("only", nargs="*", help="cases with one of these in their names")
    parser.add_argument("--sample", type=int, help="so many cases of each source, drawn by the seed")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--timeout", type=float, default=300.0, help="seconds of the processor for a case")
    parser.add_argument("--minutes", type=float, default=1e9, help="no case begins after so long")
    parser.add_argument("--tokenizer", default="small", help="small, llama3, qwen, or a path")
    parser.add_argument("--progress", type=Path, help="a line for each case; those that it has are left out")
    parser.add_argument("--again", nargs="*", default=(), help="verdicts and labels that are judged again")
    ask.add_options(parser)
    return parser.parse_args()


def run(ask: type[Question], described: str | None) -> int:
    """Ask the question that the command line describes, and return the status: 1 where anything is bad, or a
    process died. The rows of some cases alone (`only`) are printed, and not written to bench/results."""
    options = options_of(ask, described)
    if ask.source and not options.paths and os.environ.get(ask.source):
        options.paths = [Path(os.environ[ask.source])]
    if ask.source and not options.paths and not getattr(options, "random", 0):
        print(f"Nothing judged: give a path, or set {ask.source} to it.")
        return 0
    question, before = ask(options), records.load()
    outcomes, again = read_progress(options.progress), set(options.again)
    done = {
        name
        for name, one in outcomes.items()
        if not again & {one.verdict, *(fault["label"] for fault in one.faults)}
    }

    def wanted(name: str) -> bool:
        return name not in done and (not options.only or any(part in name for part in options.only))

    end = time.monotonic() + 60 * options.minutes
    going = itertools.takewhile(lambda _: time.monotonic() < end, question.cases(wanted))
    progress = options.progress.open("a", encoding="utf-8") if options.progress else None
    for outcome in answers(question, going, options.jobs):
        outcomes[outcome.name] = outcome
        tell(question, outcome)
        if progress is not None:
            print(json.dumps(dataclasses.asdict(outcome)), file=progress, flush=True)
    found = list(outcomes.values())
    names = (*question.keys, *question.figures)
    short = (*question.keys[: question.shown], *question.figures)
    records.show(short, table(question, found, question.shown))
    wrong = question.left(found)
    print(*wrong, sep="\n", end="\n" if wrong else "", file=sys.stderr)
    if options.results != records.RESULTS or not options.only:
        about = {"load": f"{before} -> {records.load()}", **question.about()}
        print(records.write(options.results, question.name, about, names, table(question, found)))
    labels = {fault["label"] for one in found for fault in one.faults}
    return 1 if wrong or labels & {*question.bad, DIED} else 0
