"""The object that runs in an engine's process. The process may hang, crash or be killed; the run goes on."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter
from typing import Any

from structgen.maskbench.engines import EngineConfig, create
from structgen.maskbench.readers import Case
from structgen.maskbench.replay import Parts, Probe, run


class EngineWorker:
    """Answers for one engine. `start` makes the engine, so that its errors and its memory are those of the
    process that calls it."""

    def __init__(self, config: EngineConfig, shared: Any, log: Path) -> None:
        """`shared`: memory for `Probe`; `log` takes what the engine writes to stderr."""
        self._config, self._shared, self._log = config, shared, log
        self._left: Iterator[Parts] = iter(())

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
        self._engine.prepare()
        self._left = run(self._engine, self._tokenizer, case, self._probe)

    def further(self) -> Parts | None:
        """Return the next part of the case's result; None behind the last."""
        return next(self._left, None)

    def __call__(self, question: str, *given: Any) -> Any:
        """Answer one of the questions above."""
        return getattr(self, question)(*given)
