"""The process in which one engine runs: it may hang, crash or be killed without harm to the run."""

from __future__ import annotations

import gc
import os
from multiprocessing.connection import Connection
from time import perf_counter
from typing import Any

from structgen.maskbench.engines import EngineConfig, Unavailable, create
from structgen.maskbench.readers import Case
from structgen.maskbench.replay import Probe, run


def main(config: EngineConfig, pipe: Connection, shared: Any, log: str) -> None:
    """Serve cases from the pipe until None comes. What the engine writes to stderr goes to the file `log`."""
    errors = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(errors, 2)
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
    probe = Probe(memoryview(shared).cast("B").cast("q"), lambda times: pipe.send(("times", times)))
    # What is loaded now lives as long as the process: no collection need look at it again.
    gc.collect()
    gc.freeze()
    while (case := pipe.recv()) is not None:
        assert isinstance(case, Case)
        gc.collect()
        run(engine, tokenizer, case, probe, pipe.send)
        pipe.send(("done",))
