"""A run: every case through every engine, each engine in a process of its own, with a limit on its time."""

from __future__ import annotations

import multiprocessing
import queue
import signal
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack
from dataclasses import replace
from itertools import chain, islice
from multiprocessing.connection import Connection
from pathlib import Path
from time import perf_counter, perf_counter_ns
from typing import Any, Final

from structgen.errors import OptionError, StructgenError
from structgen.maskbench import worker
from structgen.maskbench.engines import EngineConfig
from structgen.maskbench.measurements import NOT_MEASURED, CaseResult, Failure, Verdict, WorkerPhase
from structgen.maskbench.readers import Case
from structgen.maskbench.replay import HEAD

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
        self._process: Any = None
        self._pipe: Connection | None = None
        self._shared: Any = None
        self.version = ""
        self.first_use = 0.0
        """Seconds in which the worker loaded its engine, before the first schema."""

    def start(self) -> None:
        """Start the worker unless it runs. Raises `EngineError`, with the reason, where it cannot run."""
        if self._process is not None:
            return
        context = multiprocessing.get_context("spawn")
        self._shared = context.RawArray("q", HEAD + _SAMPLES)
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(
            target=worker.main, args=(self._config, theirs, self._shared, str(self._log)), daemon=True
        )
        self._process.start()
        theirs.close()
        message = self._receive(_START_SECONDS)
        if message is None or message[0] != "ready":
            reason = message[1] if message else self._last_words()
            self.kill()
            kind = self._config.name.partition(":")[0]
            cure = "structgen warmup" if kind == "structgen" else f"pip install {kind}"
            raise EngineError(reason, where=self._config.name, cure=f"See whether it is there: {cure}")
        self.version, self.first_use = message[1:]

    def run(self, case: Case) -> CaseResult:
        """Return what came of one case. A worker that hangs is killed, a death is noted; neither raises."""
        result = CaseResult(case.name, case.split, self._config.name)
        if case.problem:
            result.reason = case.problem
            result.failures.append(self._failure(case, "refused to compile", detail=case.problem))
            return result
        self.start()
        assert self._pipe is not None
        self._pipe.send(case)
        while True:
            try:
                message = self._next()
            except TimeoutError:
                self._cut_short(case, result, Verdict.TIMED_OUT, f"no answer within {self._timeout:g} s")
                return result
            if message is None:
                self._cut_short(case, result, Verdict.CRASHED, self._last_words())
                return result
            if message[0] == "done":
                return result
            self._note(case, result, message)

    def close(self) -> None:
        """End the worker in order, so that what it wants to write at its exit is written."""
        if self._process is None:
            return
        assert self._pipe is not None
        try:
            self._pipe.send(None)
        except OSError:
            # It is gone already.
            self.kill()
            return
        self._process.join(60)
        self.kill()

    def kill(self) -> None:
        """End the worker at once."""
        if self._process is not None:
            self._process.kill()
            self._process.join()
            self._process.close()
            self._process = None
        if self._pipe is not None:
            self._pipe.close()
            self._pipe = None

    def _receive(self, seconds: float) -> tuple[Any, ...] | None:
        """Return the next message, or None when the worker has died. Raises TimeoutError."""
        assert self._pipe is not None
        try:
            if not self._pipe.poll(seconds):
                raise TimeoutError
            message: tuple[Any, ...] = self._pipe.recv()
        except (EOFError, ConnectionError):
            return None
        return message

    def _next(self) -> tuple[Any, ...] | None:
        """Return the next message about a case, or None when the worker has died.

        Raises TimeoutError when the compilation or the instance under way has taken longer than the limit.
        The limit counts from the moment at which the worker began it, which a busy machine may put off.
        """
        asked = perf_counter_ns()
        limit = self._timeout
        while True:
            try:
                return self._receive(limit)
            except TimeoutError:
                now, begun = perf_counter_ns(), self._shared[3]
                ends = begun + self._timeout * 1e9 if begun else asked + (self._timeout + _LATE_SECONDS) * 1e9
                if now >= ends:
                    raise
                # While nothing is begun it is looked at often: what begins now has the whole limit.
                limit = (ends - now) / 1e9 if begun else min(self._timeout, 0.1)

    def _note(self, case: Case, result: CaseResult, message: tuple[Any, ...]) -> None:
        match message:
            case ("compiled", compile_ns, first_ns):
                result.compiled, result.compile_ns, result.first_ns = True, compile_ns, first_ns
            case ("times", times):
                result.pairs.frombytes(times)
            case ("refused", reason, text, _, by_policy):
                if by_policy:
                    result.failures.append(self._failure(case, Verdict.POLICY.value, detail=text))
                else:
                    result.reason = reason
                    result.failures.append(self._failure(case, "refused to compile", detail=text))
            case ("crashed", text):
                result.failures.append(self._failure(case, Verdict.CRASHED.value, detail=text))
            case ("instance", index, verdict, byte, expected, detail):
                result.verdicts.append(verdict)
                if verdict is not Verdict.RIGHT:
                    result.failures.append(self._failure(case, verdict.value, index, byte, expected, detail))

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
        }
        detail = f"{why} ({doing.get(WorkerPhase(phase), 'between calls')}, {waited / 1e9:.3f} s)"
        if result.compiled:
            index = len(result.verdicts)
            result.verdicts.append(verdict)
            result.skipped = max(0, len(case.instances) - index - 1)
            result.failures.append(self._failure(case, verdict.value, index, detail=detail))
        else:
            result.skipped = len(case.instances)
            result.failures.append(self._failure(case, verdict.value, detail=detail))
        self.kill()

    def _failure(
        self,
        case: Case,
        kind: str,
        index: int | None = None,
        byte: int | None = None,
        expected: str = "",
        detail: str = "",
    ) -> Failure:
        return Failure(case.name, self._config.name, kind, index, byte, expected, detail[:2000])

    def _last_words(self) -> str:
        """Return how a worker died: its signal or status, and the end of what it wrote to stderr."""
        self._process.join(10)
        code = self._process.exitcode
        how = f"exit status {code}"
        if code is not None and code < 0:
            how = f"killed by {signal.Signals(-code).name}"
        try:
            said = self._log.read_text(errors="replace").strip().splitlines()
        except OSError:
            said = []
        return f"{how}: {said[-1][:300]}" if said else how


class BenchRun:
    """Engines over a set of cases. A context: leaving it ends every process and removes its folders."""

    def __init__(self, configs: Sequence[EngineConfig], *, timeout: float, jobs: int = 1) -> None:
        self._configs, self._timeout, self.jobs = list(configs), timeout, jobs
        self._stack = ExitStack()
        self.versions: dict[str, str] = {}
        self.unavailable: dict[str, str] = {}
        self.first_use: dict[str, float] = {}
        """Seconds before the clock started, by engine: its code and tables loaded, its masks known."""
        self._fill: Callable[[EngineProcess], None] = _leave
        self._idle: dict[str, EngineProcess] = {}

    def __enter__(self) -> BenchRun:
        self._folder = Path(
            self._stack.enter_context(tempfile.TemporaryDirectory(prefix="structgen-maskbench-"))
        )
        self._configs = [self._with_store(config) for config in self._configs]
        return self

    def __exit__(self, *exc: object) -> None:
        self._stack.close()

    def _with_store(self, config: EngineConfig) -> EngineConfig:
        """Return the config. Where its variant says how its process begins, it has a new cache folder."""
        if config.variant not in VARIANTS or config.cache:
            return config
        cache = self._folder / f"cache-{config.variant}"
        cache.mkdir()
        return replace(config, cache=str(cache))

    def prepare(self, same: Callable[[], Iterable[Case]], tick: Callable[[], None]) -> None:
        """Start each engine once, so that what it builds once is built. One of `same-process` runs the cases
        once before they count: a process that is started again, since one died, does not."""

        def fill(process: EngineProcess) -> None:
            for case in same():
                process.run(case)
                tick()

        self._fill = fill
        ready = []
        for config in self._configs:
            # A cold run begins with an empty folder, so the trial is made in another one.
            trial = replace(config, cache=f"{config.cache}-trial") if config.variant == "cold" else config
            process = EngineProcess(trial, self._timeout, self._folder)
            try:
                process.start()
            except EngineError as error:
                self.unavailable[config.name] = error.what
                continue
            self.versions[config.name] = process.version
            self.first_use[config.name] = process.first_use
            ready.append(config)
            if trial is not config:
                process.close()
                continue
            self._stack.callback(process.close)
            self._idle[config.name] = process
            if config.variant == "same-process":
                begun = perf_counter()
                fill(process)
                self.first_use[config.name] += perf_counter() - begun
        self._configs = ready

    def results(self, cases: Iterable[Case]) -> Iterator[tuple[Case, list[CaseResult]]]:
        """Yield each case with its results: one engine after another on one case, then the next case.

        With several jobs, several cases at a time, in the order in which they are done; their times then
        disturb each other.
        """
        lanes = [self._lane() for _ in range(self.jobs)]
        free: queue.SimpleQueue[list[EngineProcess]] = queue.SimpleQueue()
        for lane in lanes:
            free.put(lane)

        def work(case: Case) -> tuple[Case, list[CaseResult]]:
            lane = free.get()
            try:
                return case, [process.run(case) for process in lane]
            finally:
                free.put(lane)

        source, running = iter(cases), set[Future[tuple[Case, list[CaseResult]]]]()
        with ThreadPoolExecutor(self.jobs) as pool:
            try:
                while running := running | {
                    pool.submit(work, case) for case in islice(source, self.jobs - len(running))
                }:
                    done, running = wait(running, return_when=FIRST_COMPLETED)
                    yield from (one.result() for one in done)
            except BaseException:  # nobody waits for the answers
                for process in chain.from_iterable(lanes):
                    process.kill()
                raise
        # for the next call
        self._idle = {config.name: process for config, process in zip(self._configs, lanes[0], strict=True)}

    def _lane(self) -> list[EngineProcess]:
        lane = []
        for config in self._configs:
            process = self._idle.pop(config.name, None)
            if process is None:
                process = EngineProcess(config, self._timeout, self._folder)
                self._stack.callback(process.close)
                if config.variant == "same-process":
                    self._fill(process)
            lane.append(process)
        return lane


def _leave(_process: EngineProcess) -> None:
    """Nothing is to be filled yet."""
