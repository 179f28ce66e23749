"""A run: every case through every engine, each engine in a process of its own, with a limit on its time."""

from __future__ import annotations

import multiprocessing
import queue
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack
from dataclasses import replace
from itertools import chain, islice
from pathlib import Path
from time import perf_counter, perf_counter_ns
from typing import Any, Final

from structgen.errors import OptionError, StructgenError
from structgen.maskbench.engines import EngineConfig
from structgen.maskbench.measurements import (
    NOT_MEASURED,
    REFUSED,
    CaseResult,
    Failure,
    Verdict,
    WorkerPhase,
)
from structgen.maskbench.readers import Case
from structgen.maskbench.replay import HEAD
from structgen.maskbench.worker import WorkerDied, WorkerProcess, serve

_SAMPLES: Final = 1 << 14
_START_SECONDS: Final = 600.0
"""An engine may compile its inner loop and read its vocabulary before the first case."""
VARIANTS: Final = ("cold", "same-process")
"""How a process of ours begins: with an empty cache folder, or after it has run the same cases once."""
_LATE_SECONDS: Final = 60.0
"""How late a worker on a busy machine may begin a compilation or an instance, beyond the limit."""


class EngineError(StructgenError):
    """An engine cannot run here."""


def engine_config(name: str, tokenizer: str, policies: dict[str, Any], *, memory: int = 0) -> EngineConfig:
    """Return the config of `structgen`, `structgen:cold`, `llguidance`, `glrmask:fast-compile`...

    Raises `OptionError` for a name that is none of them.
    """
    kind, _, variant = name.partition(":")
    homes = {
        "structgen": ("structgen.maskbench.ours:StructgenEngine", VARIANTS),
        "llguidance": ("structgen.maskbench.peers:LlguidanceEngine", ()),
        "xgrammar": ("structgen.maskbench.peers:XgrammarEngine", ()),
        "glrmask": ("structgen.maskbench.peers:GlrmaskEngine", ("fast-compile",)),
    }
    if kind not in homes or (variant and variant not in homes[kind][1]):
        known = [
            n for kind, (_, variants) in homes.items() for n in (kind, *(f"{kind}:{v}" for v in variants))
        ]
        raise OptionError(f"{name!r} is no engine.", where="engine", cure=f"Choose from {', '.join(known)}.")
    own = policies if kind == "structgen" else {}
    return EngineConfig(name, homes[kind][0], tokenizer, own, variant, memory=memory)


class EngineProcess:
    """One engine's worker: started when first needed, and again after it was killed or died."""

    def __init__(self, config: EngineConfig, timeout: float, folder: Path) -> None:
        """`timeout`: seconds, for the compilation and each instance; `folder` takes its stderr."""
        self._config, self._timeout = config, timeout
        self._log = folder / f"{config.name.replace(':', '-')}-{id(self)}.log"
        self._process: WorkerProcess | None = None
        self._shared: Any = None
        self.version = ""
        self.first_use = 0.0
        """Seconds in which the worker loaded its engine, before the first schema."""

    def start(self) -> WorkerProcess:
        """Return the worker, started unless it runs. Raises `EngineError`, with the reason, where it cannot
        run."""
        if self._process is not None:
            return self._process
        self._shared = multiprocessing.get_context("spawn").RawArray("q", HEAD + _SAMPLES)
        process = self._process = WorkerProcess(serve, self._config, self._shared, log=self._log)
        try:
            kind, *about = process.receive(_START_SECONDS)
        except WorkerDied as death:
            kind, about = "died", [str(death)]
        if kind != "ready":
            self.kill()
            engine = self._config.name.partition(":")[0]
            cure = "structgen warmup" if engine == "structgen" else f"pip install {engine}"
            raise EngineError(about[0], where=self._config.name, cure=f"See whether it is there: {cure}")
        self.version, self.first_use = about
        return process

    def run(self, case: Case) -> CaseResult:
        """Return what came of one case. A worker that hangs is killed, a death is noted; neither raises."""
        result = CaseResult(case.name, case.split, self._config.name)
        if case.problem:
            failure = Failure(case.name, self._config.name, REFUSED, detail=case.problem)
            result.take(reason=case.problem, failures=[failure])
            return result
        process = self.start()
        process.send(case)
        try:
            while (parts := self._next(process)) is not None:
                result.take(**parts)
        except TimeoutError:
            self._cut_short(case, result, Verdict.TIMED_OUT, f"no answer within {self._timeout:g} s")
        except WorkerDied as death:
            self._cut_short(case, result, Verdict.CRASHED, str(death))
        return result

    def close(self) -> None:
        """End the worker in order."""
        if self._process is not None:
            self._process.close()
            self._process = None

    def kill(self) -> None:
        """End the worker at once."""
        if self._process is not None:
            self._process.kill()
            self._process = None

    def _next(self, process: WorkerProcess) -> Any:
        """Return the next message about a case.

        Raises WorkerDied, and TimeoutError when the compilation or the instance under way has taken longer
        than the limit, which counts from the moment at which the worker began it: a busy machine may put it
        off.
        """
        asked = perf_counter_ns()
        limit = self._timeout
        while True:
            try:
                return process.receive(limit)
            except TimeoutError:
                now, begun = perf_counter_ns(), self._shared[3]
                ends = begun + self._timeout * 1e9 if begun else asked + (self._timeout + _LATE_SECONDS) * 1e9
                if now >= ends:
                    raise
                # While nothing is begun it is looked at often: what begins now has the whole limit.
                limit = (ends - now) / 1e9 if begun else min(self._timeout, 0.1)

    def _cut_short(self, case: Case, result: CaseResult, verdict: Verdict, why: str) -> None:
        """Note a worker that hangs or died: the times that it had not sent, and the call it was in."""
        phase, begun, used = self._shared[0], self._shared[1], self._shared[2]
        waited = perf_counter_ns() - begun
        hangs = verdict is Verdict.TIMED_OUT
        result.pairs.extend(self._shared[HEAD : HEAD + used])
        if len(result.pairs) % 2:
            result.pairs.append(waited if hangs and phase == WorkerPhase.COMMIT else NOT_MEASURED)
        elif hangs and phase == WorkerPhase.MASK:
            result.pairs.extend((waited, NOT_MEASURED))
        if hangs and not result.compiled:
            result.first_ns = waited
        doing = {
            WorkerPhase.COMPILE: "compiling",
            WorkerPhase.MASK: "in a mask",
            WorkerPhase.COMMIT: "in a commit",
        }.get(WorkerPhase(phase), "between calls")
        index = len(result.verdicts) if result.compiled else None
        detail = f"{why} ({doing}, {waited / 1e9:.3f} s)"
        failure = Failure(case.name, self._config.name, verdict.value, index, detail=detail[:2000])
        result.take(failures=[failure], verdicts=[] if index is None else [verdict])
        result.skipped = max(0, len(case.instances) - len(result.verdicts))
        self.kill()


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
            if config.variant in VARIANTS and not config.cache:
                # how its process begins is told by its name: with a new cache folder
                config = replace(config, cache=tempfile.mkdtemp(prefix="cache-", dir=self._folder))
            lane = [EngineProcess(config, self._timeout, self._folder) for _ in range(self.jobs)]
            try:
                lane[0].start()
            except EngineError as error:
                self.unavailable[config.name] = error.what
                continue
            begun = perf_counter()
            for process in lane:
                self._stack.callback(process.close)
                for case in same() if config.variant == "same-process" else ():
                    process.run(case)
                    tick()
            before = perf_counter() - begun if config.variant == "same-process" else 0.0
            self.versions[config.name] = lane[0].version
            self.first_use[config.name] = lane[0].first_use + before
            self._processes.append(lane)

    def results(self, cases: Iterable[Case]) -> Iterator[tuple[Case, list[CaseResult]]]:
        """Yield each case with its results: one engine after another on one case, then the next case.

        With several jobs, several cases at a time, in the order in which they are done; their times then
        disturb each other.
        """
        free: queue.SimpleQueue[list[EngineProcess]] = queue.SimpleQueue()
        for job in range(self.jobs):
            free.put([processes[job] for processes in self._processes])

        def work(case: Case) -> tuple[Case, list[CaseResult]]:
            engines = free.get()
            try:
                return case, [process.run(case) for process in engines]
            finally:
                free.put(engines)

        source, running = iter(cases), set[Future[tuple[Case, list[CaseResult]]]]()
        with ThreadPoolExecutor(self.jobs) as pool:
            try:
                while running := running | {
                    pool.submit(work, case) for case in islice(source, self.jobs - len(running))
                }:
                    done, running = wait(running, return_when=FIRST_COMPLETED)
                    yield from (one.result() for one in done)
            except BaseException:  # nobody waits for the answers
                for process in chain.from_iterable(self._processes):
                    process.kill()
                raise
