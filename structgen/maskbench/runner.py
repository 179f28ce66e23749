"""A run: every case through every engine, each engine in a process of its own, with a limit on its time."""

from __future__ import annotations

import gc
import multiprocessing
import os
import queue
import signal
import tempfile
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack
from dataclasses import replace
from itertools import chain, islice
from pathlib import Path
from time import perf_counter, perf_counter_ns
from typing import Any, Final, TypeVar

from structgen.errors import StructgenError
from structgen.maskbench.engines import VARIANTS, EngineConfig, Unavailable, create
from structgen.maskbench.measurements import COMMIT, MASK, NOT_MEASURED, PHASES, CaseResult, Failure, Verdict
from structgen.maskbench.readers import Case
from structgen.maskbench.replay import HEAD, CaseReplay, Parts, Probe
from structgen.system.installation import install_command
from structgen.system.worker_process import EndedError, LateError, WorkerProcess

_SAMPLES: Final = 1 << 17
"""Times of an instance that are told of though its process hangs."""
_START_SECONDS: Final = 600.0
"""An engine may compile its inner loop and read its vocabulary before the first case."""
_Task = TypeVar("_Task")
_Done = TypeVar("_Done")


class EngineError(StructgenError):
    """An engine cannot run here."""


class EngineWorker:
    """What runs in an engine's process, and may hang or die with it. Called with the name of one of its
    methods, and what that takes."""

    def __init__(self, config: EngineConfig, shared: Any, log: Path) -> None:
        """`shared`: memory for `Probe`; `log` takes what the engine writes to stderr."""
        self._config, self._shared, self._log = config, shared, log

    def start(self) -> tuple[str, float]:
        """Make the engine; return its version, and the seconds. Raises `Unavailable`, and what it raises."""
        os.dup2(os.open(self._log, os.O_WRONLY | os.O_CREAT | os.O_APPEND), 2)
        if memory := self._config.memory:
            import resource

            resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
        begun = perf_counter()
        self._engine, self._tokenizer = create(self._config)
        self._probe = Probe(memoryview(self._shared).cast("B").cast("q"))
        # What is loaded now lives as long as the process: no collection need look at it again.
        gc.collect()
        gc.freeze()
        return self._engine.version, perf_counter() - begun

    def prepare(self, case: Case) -> None:
        """Make ready for a case, untimed."""
        gc.collect()
        self._left = CaseReplay(self._engine, self._tokenizer, case, self._probe).parts()

    def further(self) -> Parts | None:
        """Return the next part of the case's result; None behind the last."""
        return next(self._left, None)

    def __call__(self, question: str, *given: Any) -> Any:
        return getattr(self, question)(*given)


class EngineProcess:
    """One engine's process: started when first needed, and again after it was killed or died."""

    def __init__(self, config: EngineConfig, timeout: float, folder: Path) -> None:
        """`timeout`: seconds, for the compilation and each instance; `folder` takes its stderr."""
        self._config, self._timeout = config, timeout
        self._log = folder / f"{config.name.replace(':', '-')}-{id(self)}.log"
        self._shared: Any = multiprocessing.get_context("spawn").RawArray("q", HEAD + _SAMPLES)
        worker = EngineWorker(config, self._shared, self._log)
        self._process = WorkerProcess(worker, f"engine {config.name}", "--engine", is_fresh=True)
        self.end = self._process.end
        self.version, self.first_use = "", 0.0
        """Its version, and the seconds in which it loaded its engine, before the first schema."""

    def start(self) -> None:
        """Start the process unless it runs. Raises `EngineError`, with the reason, where it cannot run."""
        if self._process.is_running:
            return
        self._shared[:HEAD] = [0] * HEAD
        try:
            self.version, self.first_use = self._asked(_START_SECONDS, "start")
        except Exception as error:
            self.end()
            reason = str(error) if isinstance(error, Unavailable) else f"{type(error).__name__}: {error}"
            reason = self._last_words(error) if isinstance(error, EndedError) else reason
            engine = self._config.name.partition(":")[0]
            installed = "structgen warmup" if engine == "structgen" else f"python -m {engine}"
            cure = f"See whether it is there: {install_command(engine) or installed}"
            raise EngineError(reason, where=self._config.name, cure=cure) from error

    def run(self, case: Case) -> CaseResult:
        """Return what came of one case. A process that hangs is ended, a death is noted; neither raises."""
        result = CaseResult(case.name, case.split, self._config.name)
        if case.problem:
            failure = Failure(case.name, self._config.name, Verdict.REFUSED, detail=case.problem)
            result.take({"reason": case.problem, "failures": [failure]})
            return result
        self.start()
        try:
            # The limit counts from when the engine is ready, which a busy machine may put off.
            self._asked(_START_SECONDS, "prepare", case)
            while (parts := self._asked(self._timeout, "further")) is not None:
                result.take(parts)
        except LateError:
            self._cut_short(case, result, Verdict.TIMED_OUT, f"no answer within {self._timeout:g} s")
        except EndedError as death:
            self._cut_short(case, result, Verdict.CRASHED, self._last_words(death))
        return result

    def _asked(self, seconds: float, question: str, *given: Any) -> Any:
        return self._process.ask((question, *given), seconds, f"to {question}", "Give a longer --timeout.")

    def _last_words(self, death: EndedError) -> str:
        """Return how the process died: its signal or status, and the end of what it wrote to stderr."""
        killed = death.code is not None and death.code < 0
        how = (
            f"killed by {signal.Signals(-(death.code or 0)).name}" if killed else f"exit status {death.code}"
        )
        said = self._log.read_text(errors="replace").strip() if self._log.exists() else ""
        return f"{how}: {said.splitlines()[-1][:300]}" if said else how

    def _cut_short(self, case: Case, result: CaseResult, verdict: Verdict, why: str) -> None:
        """Note a worker that hangs or died: the times that it had not sent, and the call it was in."""
        phase, begun, used = self._shared[:HEAD]
        waited = perf_counter_ns() - begun
        pairs = array("q", self._shared[HEAD : HEAD + used])
        if verdict is Verdict.TIMED_OUT:
            # the call that hangs has a time, which is a lower bound
            if phase in (MASK, COMMIT):
                pairs.append(waited)
            if not result.compiled:
                result.first_ns = waited
        pairs.extend([NOT_MEASURED] * (len(pairs) % 2))
        index = len(result.verdicts) if result.compiled else None
        detail = f"{why} ({PHASES[phase]}, {waited / 1e9:.3f} s)"
        failure = Failure(case.name, self._config.name, verdict, index, detail=detail[:2000])
        result.take({"pairs": pairs, "failures": [failure], "verdicts": [] if index is None else [verdict]})
        result.skipped = max(0, len(case.instances) - len(result.verdicts))


class BenchRun:
    """Engines over a set of cases. A context: leaving it ends every process and removes its folders."""

    def __init__(self, configs: Sequence[EngineConfig], *, timeout: float, jobs: int = 1) -> None:
        self._configs, self._timeout, self.jobs = list(configs), timeout, jobs
        self._stack = ExitStack()
        self._processes: list[list[EngineProcess]] = []
        """Of each engine that can run, one for each job."""
        self.versions: dict[str, str] = {}
        self.unavailable: dict[str, str] = {}
        self.first_use: dict[str, float] = {}
        """Seconds before the clock started, by engine: its code and tables loaded, its masks known."""

    def __enter__(self) -> BenchRun:
        folder = tempfile.TemporaryDirectory(prefix="structgen-maskbench-")
        self._folder = Path(self._stack.enter_context(folder))
        return self

    def __exit__(self, *exc: object) -> None:
        self._stack.close()

    def prepare(self, same: Callable[[], Iterable[Case]], tick: Callable[[], None]) -> None:
        """Start each engine once, so that what it builds once is built. Those of `same-process` run the cases
        once before they count: a process that is started again, since one died, does not."""
        for config in self._configs:
            if config.variant in VARIANTS:
                # how its process begins is told by its name: with a new cache folder
                config = replace(config, cache=tempfile.mkdtemp(prefix="cache-", dir=self._folder))
            lane = [EngineProcess(config, self._timeout, self._folder) for _ in range(self.jobs)]
            try:
                lane[0].start()
            except EngineError as error:
                self.unavailable[config.name] = error.what
                continue
            begun, self.first_use[config.name] = perf_counter(), lane[0].first_use
            for process in lane:
                self._stack.callback(process.end)
                for case in same() if config.variant == "same-process" else ():
                    process.run(case)
                    if process is lane[0]:
                        tick()
            if config.variant == "same-process":
                self.first_use[config.name] += perf_counter() - begun
            self.versions[config.name] = lane[0].version
            self._processes.append(lane)

    def results(self, cases: Iterable[Case]) -> Iterator[tuple[Case, list[CaseResult]]]:
        """Yield each case with its results: one engine after another on one case, then the next case.

        With several jobs, several cases at a time, in the order in which they are done; their times then
        disturb each other.
        """
        free: queue.SimpleQueue[Sequence[EngineProcess]] = queue.SimpleQueue()
        for job in range(self.jobs):
            free.put([lane[job] for lane in self._processes])

        def work(case: Case) -> tuple[Case, list[CaseResult]]:
            engines = free.get()
            try:
                return case, [process.run(case) for process in engines]
            finally:
                free.put(engines)

        try:
            yield from as_done(work, cases, self.jobs)
        except BaseException:  # nobody waits for the answers
            for process in chain.from_iterable(self._processes):
                process.end()
            raise


def as_done(work: Callable[[_Task], _Done], tasks: Iterable[_Task], jobs: int) -> Iterator[_Done]:
    """Yield what comes of tasks as they are done, so many at a time; a task is taken when one can begin."""
    source, running = iter(tasks), set[Future[_Done]]()
    with ThreadPoolExecutor(jobs) as pool:
        while running := running | {pool.submit(work, task) for task in islice(source, jobs - len(running))}:
            done, running = wait(running, return_when=FIRST_COMPLETED)
            yield from (one.result() for one in done)
