"""A process that may hang, crash or be killed without harm to the run; an engine runs in one."""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from time import perf_counter
from typing import Any

from structgen.maskbench.engines import EngineConfig, Unavailable, create
from structgen.maskbench.replay import Probe, run


class WorkerDied(Exception):
    """A process ended without an answer; the message says how: its signal or status, and what it said last.

    `status` is its exit status, as `multiprocessing` has it.
    """

    def __init__(self, status: int | None, said: str) -> None:
        how = f"exit status {status}"
        if status is not None and status < 0:
            how = f"killed by {signal.Signals(-status).name}"
        super().__init__(f"{how}: {said[:300]}" if said else how)
        self.status = status


class WorkerProcess:
    """A process of its own that runs `target(pipe, *arguments)`, and the pipe to it."""

    def __init__(self, target: Callable[..., None], *arguments: Any, log: Path | None = None) -> None:
        """Start it. `log`: a file for its stderr, whose last line `WorkerDied` repeats."""
        context = multiprocessing.get_context("spawn")
        self._log = log
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_begin, args=(target, theirs, log, arguments), daemon=True)
        self._process.start()
        theirs.close()
        self.pid = self._process.pid

    def send(self, message: Any) -> None:
        """Send a message; to a process that has died nothing is sent."""
        try:
            self._pipe.send(message)
        except OSError:
            return

    def receive(self, seconds: float | None) -> Any:
        """Return the next message. Raises TimeoutError where it does not come in time, and WorkerDied."""
        try:
            if not self._pipe.poll(seconds):
                raise TimeoutError
            return self._pipe.recv()
        except (EOFError, ConnectionError):
            self._process.join(10)
            said = self._log.read_text(errors="replace").strip() if self._log and self._log.exists() else ""
            raise WorkerDied(self._process.exitcode, said.rpartition("\n")[2]) from None

    def close(self, seconds: float = 60.0) -> None:
        """End it in order, by the message None, so that what it wants to write at its exit is written."""
        self.send(None)
        self._process.join(seconds)
        self.kill()

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()
        self._process.join()
        self._pipe.close()


def _begin(target: Callable[..., None], pipe: Connection, log: Path | None, arguments: Any) -> None:
    if log is not None:
        os.dup2(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND), 2)
    target(pipe, *arguments)


def serve(pipe: Connection, config: EngineConfig, shared: Any) -> None:
    """Make an engine and serve cases until None comes: parts of a `CaseResult`, and None behind the last."""
    if config.memory:
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (config.memory, config.memory))
    begun = perf_counter()
    try:
        engine, tokenizer = create(config)
    except Unavailable as reason:
        pipe.send(("unavailable", str(reason)))
        return
    except Exception as error:
        pipe.send(("unavailable", f"{type(error).__name__}: {error}"))
        return
    pipe.send(("ready", engine.version, perf_counter() - begun))
    probe = Probe(memoryview(shared).cast("B").cast("q"), pipe.send)
    # What is loaded now lives as long as the process: no collection need look at it again.
    gc.collect()
    gc.freeze()
    while (case := pipe.recv()) is not None:
        gc.collect()
        run(engine, tokenizer, case, probe, pipe.send)
        pipe.send(None)
