"""Runs every case through every engine, and collects the results.

A *case* is one schema with its instances (`readers.Case`). An *engine* is a library that makes masks for a
schema. A *step* of a case is the compilation of its schema, or the replay of one instance. The *verdict* of a
step says whether the engine was right. A *task* is a case with its number. A *line* is the plain value that a
task results in: `{"line": number, "results": [one for each engine]}`. A *job* is a set of processes, one for
each engine, that works on one case at a time. An engine that exceeds the limit of time is ended.
"""

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

from structgen.asking.processes.worker_process import EndedError, LateError, WorkerProcess
from structgen.base.errors import StructgenError
from structgen.decoding.runs.ray_workers import ray_answers
from structgen.decoding.runs.result_files import Answers, as_done, results_of
from structgen.doors.maskbench.engines import EngineConfig
from structgen.doors.maskbench.measurements import NOT_MEASURED, CaseResult, StepResult, Verdict
from structgen.doors.maskbench.readers import Case, data_digest
from structgen.doors.maskbench.replay import Replay

_START_SECONDS: Final = 600.0
"""The most seconds that the start of an engine takes: it may compile code, and read its vocabulary."""
Task: TypeAlias = tuple[int, Case]
"""The number of a case in the run, and the case."""


class EngineProcess:
    """The process of one engine. It is started when it is first needed, and again after it has ended."""

    def __init__(self, config: EngineConfig, timeout: float) -> None:
        """`timeout`: the most seconds for the compilation, and for each instance."""
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
                cure = f"Install it, or check whether python can import {self._config.adapter}."
                raise StructgenError(reason, where="--engine", cure=cure) from error
        return self._version

    def run_case(self, case: Case) -> CaseResult:
        """Return the results of one case. If the process hangs or dies, the verdict of the last step says so.

        Raises StructgenError if the engine cannot be started.
        """
        result = CaseResult(case.name, case.split, self._config.name)
        if case.problem:
            refusal = StepResult(Verdict.REFUSED, reason=case.problem, detail=case.problem)
            result.steps.append(refusal)
            return result
        self.start_engine()
        try:
            result.steps.append(self._ask_process(self._timeout, "compile", case))
            if result.steps[0].kind == Verdict.RIGHT:
                # A bare schema has no instances; one random walk through its masks replaces them.
                step_count = 1 if case.bare else len(case.instances)
                for index in range(step_count):
                    result.steps.append(self._ask_process(self._timeout, "replay", index))
        except LateError:
            # The time of the call that hangs is a lower bound. An instance has pairs of times (mask, token).
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
        """Return the answer of the method `question` of `Replay`, called in the process with `arguments`.

        Raises LateError after `seconds`, and EndedError if the process died.
        """
        request = (question, *arguments)
        cure = "Increase --timeout."
        return self._process.call_function(request, seconds, f"to {question}", cure)


class Engines:
    """The processes of all engines for each job. They start when first needed; `end_all` ends them."""

    def __init__(self, configs: Sequence[EngineConfig], timeout: float, jobs: int = 1) -> None:
        self._names = [config.name for config in configs]
        self._processes: list[list[EngineProcess]] = []
        """The processes of each job, one for each engine."""
        for _ in range(jobs):
            self._processes.append([EngineProcess(config, timeout) for config in configs])

    def end_all(self) -> None:
        """End every process."""
        for process in chain.from_iterable(self._processes):
            process.end()

    def __call__(self, tasks: Iterable[Task]) -> Answers:
        """Yield the versions of the engines, and then the line of each task.

        The engines work on a case one after another, and then the next case follows. With several jobs,
        several cases run at the same time and disturb each other's times; lines come in the order in which
        the cases are done. Raises StructgenError if an engine cannot run.
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
    """A run of some engines over some cases, with its options."""

    configs: list[EngineConfig]
    _: KW_ONLY
    timeout: float
    """The most seconds for a compilation, and for each instance."""
    jobs: int = 1
    """The number of cases that run at the same time."""
    out: Path | None = None
    """A file that takes a line of results for each case, with which a later run goes on
    (`system.result_files`)."""
    on_ray: bool = False
    """Whether the cases run on a cluster of Ray, not in processes of this machine."""
    workers: int | None = None
    """The number of workers of Ray, each with engines of its own; None: one for each of its processors."""
    versions: dict[str, str] = field(default_factory=dict)
    """The versions of the engines by name; empty until the first results."""

    def results_of_cases(self, cases: Iterable[Case]) -> Iterator[list[CaseResult]]:
        """Yield the results of each case, one for each engine: first those of an earlier run in `out`,
        then the others as they are done.

        Raises StructgenError if an engine cannot run, and OptionError if `out` belongs to another run.
        """
        # number -> task, which is (number, case)
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
