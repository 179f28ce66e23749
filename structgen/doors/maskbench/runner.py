"""A run: every case through every engine, each engine in a process of its own, with a limit on its time."""

from __future__ import annotations

import queue
from array import array
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import KW_ONLY, dataclass, field
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, Final, TypeAlias

from structgen.base.errors import StructgenError
from structgen.base.system.ray_workers import ray_answers
from structgen.base.system.result_files import Answers, as_done, results_of
from structgen.base.system.worker_process import EndedError, LateError, WorkerProcess
from structgen.doors.maskbench.engines import EngineConfig
from structgen.doors.maskbench.measurements import NOT_MEASURED, CaseResult, StepResult, Verdict
from structgen.doors.maskbench.readers import Case, data_digest
from structgen.doors.maskbench.replay import Replay

_START_SECONDS: Final = 600.0
"""An engine may compile its inner loop and read its vocabulary before the first case."""
Task: TypeAlias = tuple[int, Case]


class EngineProcess:
    """One engine's process: started when first needed, and again after it was killed or died."""

    def __init__(self, config: EngineConfig, timeout: float) -> None:
        """`timeout`: seconds, for the compilation and each instance."""
        self._config = config
        self._timeout = timeout
        self._process = WorkerProcess(Replay(config), f"engine {config.name}", "--engine", is_fresh=True)
        self.end = self._process.end

    def start_engine(self) -> str:
        """Start the process unless it runs, and return its engine's version. Raises StructgenError where it
        cannot run."""
        if not self._process.is_running:
            try:
                self._version: str = self._ask_process(_START_SECONDS, "start")
            except Exception as error:
                self.end()
                error_text = str(error).rstrip(".")
                reason = f"{self._config.name} cannot run: {type(error).__name__}: {error_text}."
                cure = f"Install it, or see whether python can import {self._config.adapter}."
                raise StructgenError(reason, where="--engine", cure=cure) from error
        return self._version

    def run_case(self, case: Case) -> CaseResult:
        """Return what came of one case. A process that hangs is ended, a death is noted; neither raises."""
        result = CaseResult(case.name, case.split, self._config.name)
        if case.problem:
            refusal = StepResult(Verdict.REFUSED, reason=case.problem, detail=case.problem)
            result.steps.append(refusal)
            return result
        self.start_engine()
        try:
            result.steps.append(self._ask_process(self._timeout, "compile", case))
            if result.steps[0].kind == Verdict.RIGHT:
                # A bare schema has no instance, and one walk.
                step_count = 1 if case.bare else len(case.instances)
                for index in range(step_count):
                    result.steps.append(self._ask_process(self._timeout, "replay", index))
        except LateError:
            # The call that hangs has a time, which is a lower bound. An instance has pairs of times.
            times = [int(self._timeout * 1e9)]
            if result.steps:
                times.append(NOT_MEASURED)
            detail = f"no answer within {self._timeout:g} s"
            late_step = StepResult(Verdict.TIMED_OUT, array("q", times), detail=detail)
            result.steps.append(late_step)
        except EndedError as death:
            crash = StepResult(Verdict.CRASHED, detail=f"exit code {death.code}")
            result.steps.append(crash)
        return result

    def _ask_process(self, seconds: float, question: str, *arguments: Any) -> Any:
        """Return the answer of a method of `Replay` in the process. Raises LateError after so many seconds,
        and EndedError where the process died."""
        request = (question, *arguments)
        cure = "Give a longer --timeout."
        return self._process.call_function(request, seconds, f"to {question}", cure)


class Engines:
    """Engines in processes, which start when they are first called and end with `end_all`."""

    def __init__(self, configs: Sequence[EngineConfig], timeout: float, jobs: int = 1) -> None:
        self._names = [config.name for config in configs]
        self._processes: list[list[EngineProcess]] = []
        """Of each job, one for each engine."""
        for _ in range(jobs):
            self._processes.append([EngineProcess(config, timeout) for config in configs])

    def end_all(self) -> None:
        """End every process."""
        for process in chain.from_iterable(self._processes):
            process.end()

    def __call__(self, tasks: Iterable[Task]) -> Answers:
        """Yield the versions of the engines; then a line for each task, which is a case and its number: one
        engine after another on one case, then the next case. Raises StructgenError where one cannot run.

        With several jobs, several cases at a time, in the order in which they are done; their times then
        disturb each other.
        """
        # The engines of the first job tell their versions. Those of other jobs start with their first case.
        first_engines = self._processes[0]
        versions = [process.start_engine() for process in first_engines]
        yield dict(zip(self._names, versions, strict=True))
        free: queue.SimpleQueue[list[EngineProcess]] = queue.SimpleQueue()
        for engines in self._processes:
            free.put(engines)

        def run_task(task: Task) -> dict[str, Any]:
            """Run a case through all engines of a job that is free; return the line of its results."""
            engines = free.get()
            number, case = task
            try:
                results = [process.run_case(case).to_plain() for process in engines]
                return {"line": number, "results": results}
            finally:
                free.put(engines)

        yield from as_done(run_task, tasks, len(self._processes))


@dataclass
class BenchRun:
    """Engines over a set of cases."""

    configs: list[EngineConfig]
    _: KW_ONLY
    timeout: float
    """Seconds for a compilation, and for each instance."""
    jobs: int = 1
    """Cases at a time."""
    out: Path | None = None
    """A file that takes a line of results for each case, with which a later run goes on
    (`system.result_files`)."""
    on_ray: bool = False
    workers: int | None = None
    """Of Ray, each with engines of its own; by default as many as it has processors."""
    versions: dict[str, str] = field(default_factory=dict)
    """Of the engines, once there are results."""

    def results_of_cases(self, cases: Iterable[Case]) -> Iterator[list[CaseResult]]:
        """Yield the results of each case, one for each engine: those of an earlier run, then the others as
        they are done. Raises StructgenError where an engine cannot run, and OptionError where `out` is of
        another run."""
        # By its number a task, which is that number and the case.
        tasks = dict(enumerate(enumerate(cases)))
        # The generators are closed where the caller stops early: that ends the engines.
        with ExitStack() as stack:
            if self.out is None:
                lines = self._answer_tasks([*tasks.values()])
                stack.enter_context(closing(lines))
                self.versions = next(lines)
            else:
                recorded_lines = results_of(self.out, tasks, self._answer_tasks, self._run_of)
                stack.enter_context(closing(recorded_lines))
                lines = (line for line, _ in recorded_lines)
            for line in lines:
                yield [CaseResult.of_plain(record) for record in line["results"]]

    def _answer_tasks(self, open_tasks: Sequence[Task]) -> Answers:
        """Yield the versions of the engines, then a line for each task, from processes here or on Ray."""
        if self.on_ray:
            make = partial(Engines, self.configs, self.timeout)
            yield from ray_answers(make, open_tasks, 1, self.workers, report_count=self._set_jobs)
        else:
            engines = Engines(self.configs, self.timeout, self.jobs)
            try:
                yield from engines(open_tasks)
            finally:
                engines.end_all()

    def _set_jobs(self, workers: int) -> None:
        """Note how many cases Ray runs at a time."""
        self.jobs = workers

    def _run_of(self, versions: dict[str, str], tasks: Sequence[Task]) -> dict[str, str]:
        """Return the facts that two runs must share if one goes on with the other's file, by their names."""
        self.versions = versions
        return {
            "version of an engine": repr(versions),
            "timeout, policy or tokenizer": repr((self.timeout, self.configs)),
            "set of schemas": data_digest(case for _, case in tasks),
        }
