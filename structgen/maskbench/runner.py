"""A run: every case through every engine, each engine in a process of its own, with a limit on its time."""

from __future__ import annotations

import queue
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack
from itertools import chain, islice
from typing import Any, Final, Self, TypeVar

from structgen.errors import StructgenError
from structgen.maskbench.engines import EngineConfig
from structgen.maskbench.measurements import NOT_MEASURED, CaseResult, StepResult, Verdict
from structgen.maskbench.readers import Case
from structgen.maskbench.replay import Replay
from structgen.system.worker_process import EndedError, LateError, WorkerProcess

_START_SECONDS: Final = 600.0
"""An engine may compile its inner loop and read its vocabulary before the first case."""
_Task = TypeVar("_Task")
_Done = TypeVar("_Done")


class EngineProcess:
    """One engine's process: started when first needed, and again after it was killed or died."""

    def __init__(self, config: EngineConfig, timeout: float) -> None:
        """`timeout`: seconds, for the compilation and each instance."""
        self._config, self._timeout = config, timeout
        self._process = WorkerProcess(Replay(config), f"engine {config.name}", "--engine", is_fresh=True)
        self.end = self._process.end

    def start(self) -> str:
        """Start the process, and return its engine's version. Raises StructgenError where it cannot run."""
        try:
            return str(self._asked(_START_SECONDS, "start"))
        except Exception as error:
            self.end()
            reason = f"{self._config.name} cannot run: {type(error).__name__}: {error}"
            cure = f"Install it, or see whether python can import {self._config.adapter}."
            raise StructgenError(reason, where="--engine", cure=cure) from error

    def run(self, case: Case) -> CaseResult:
        """Return what came of one case. A process that hangs is ended, a death is noted; neither raises."""
        result = CaseResult(case.name, case.split, self._config.name)
        if case.problem:
            result.steps.append(StepResult(Verdict.REFUSED, reason=case.problem, detail=case.problem))
            return result
        if not self._process.is_running:
            self.start()
        try:
            # The limit counts from when the engine is ready, which a busy machine may put off.
            self._asked(_START_SECONDS, "prepare", case)
            result.steps.append(self._asked(self._timeout, "compile"))
            if result.steps[0].kind == Verdict.RIGHT:
                for index in range(1 if case.bare else len(case.instances)):
                    result.steps.append(self._asked(self._timeout, "replay", index))
        except LateError:
            # the call that hangs has a time, which is a lower bound
            times = [int(self._timeout * 1e9), NOT_MEASURED][: 2 if result.steps else 1]
            detail = f"no answer within {self._timeout:g} s"
            result.steps.append(StepResult(Verdict.TIMED_OUT, array("q", times), detail=detail))
        except EndedError as death:
            result.steps.append(StepResult(Verdict.CRASHED, detail=f"exit code {death.code}"))
        return result

    def _asked(self, seconds: float, question: str, *given: Any) -> Any:
        return self._process.ask((question, *given), seconds, f"to {question}", "Give a longer --timeout.")


class BenchRun:
    """Engines over a set of cases. A context: entering it starts each engine once, so that what it builds
    once is built, or raises StructgenError; leaving it ends every process."""

    def __init__(self, configs: Sequence[EngineConfig], *, timeout: float, jobs: int = 1) -> None:
        self._configs, self._timeout, self.jobs = list(configs), timeout, jobs
        self._processes = [[EngineProcess(config, timeout) for config in configs] for _ in range(jobs)]
        """Of each job, one for each engine."""
        self.versions: dict[str, str] = {}

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stack.callback(self.__exit__)
            for config, process in zip(self._configs, self._processes[0], strict=True):
                self.versions[config.name] = process.start()
            stack.pop_all()
        return self

    def __exit__(self, *exc: object) -> None:
        for process in chain.from_iterable(self._processes):
            process.end()

    def results(self, cases: Iterable[Case]) -> Iterator[tuple[Case, list[CaseResult]]]:
        """Yield each case with its results: one engine after another on one case, then the next case.

        With several jobs, several cases at a time, in the order in which they are done; their times then
        disturb each other.
        """
        free: queue.SimpleQueue[list[EngineProcess]] = queue.SimpleQueue()
        for engines in self._processes:
            free.put(engines)

        def work(case: Case) -> tuple[Case, list[CaseResult]]:
            engines = free.get()
            try:
                return case, [process.run(case) for process in engines]
            finally:
                free.put(engines)

        try:
            yield from as_done(work, cases, self.jobs)
        except BaseException:  # nobody waits for the answers
            self.__exit__()
            raise


def as_done(work: Callable[[_Task], _Done], tasks: Iterable[_Task], jobs: int) -> Iterator[_Done]:
    """Yield what comes of tasks as they are done, so many at a time; a task is taken when one can begin."""
    source, running = iter(tasks), set[Future[_Done]]()
    with ThreadPoolExecutor(jobs) as pool:
        while running := running | {pool.submit(work, task) for task in islice(source, jobs - len(running))}:
            done, running = wait(running, return_when=FIRST_COMPLETED)
            yield from (one.result() for one in done)
