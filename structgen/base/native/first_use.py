"""The first wait after an installation: which inner loops are compiled together, by how many processes.

What comes in: the names of modules with entry points (`structgen.base.native.jit.entry`). What goes out:
their machine code, kept in files. `jit` calls this module when it finds no kept code for an entry point.

1. `group_of` says which modules the same kind of grammar needs: the loss of one predicts the others.
2. `announce` tells the person who waits: one line on stderr, with the seconds that it usually takes.
3. `compile_together` divides the modules among this process and others. Compiling is numba's Python for the
   most part, and threads would share one interpreter lock.
4. `one_process` has other processes that need the same code wait for it, instead of compiling it too.

Nothing here imports numba, so that another process costs its start alone.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread

from structgen.base.system.waits import PATIENCE, SECONDS, tell, told

JSON, LARK, TEXT = "JSON masks", "Lark masks", "text masks"
AUTOMATA, SHARED, REST = "patterns and numbers", "all grammars", "other grammars"
ENGINE, INFILLING = "the engine", "infilling"
GROUPS: dict[str, dict[str, float]] = {
    JSON: {
        "structgen.machines.json_machine.masks.state_walk": 7.0,
        "structgen.machines.json_machine.masks.mask_filling": 5.0,
        "structgen.machines.machine_core.masks": 0.1,
        "structgen.tokens.trie": 2.5,
        "structgen.machines.json_machine.masks.terminal_lexer": 5.0,
    },
    AUTOMATA: {"structgen.automata.strings.kernels": 6.0},
    LARK: {
        "structgen.grammars.lark_grammars.machine.lark_masks": 9.0,
        "structgen.grammars.lark_grammars.machine.memo": 0.5,
        "structgen.grammars.lark_grammars.compiled.lark_completions": 0.5,
        "structgen.grammars.lark_grammars.machine.steps": 3.0,
        "structgen.grammars.lark_grammars.liveness.saturation": 3.0,
    },
    TEXT: {
        "structgen.grammars.text_grammars.machine.stepping": 2.5,
        "structgen.grammars.text_grammars.machine.part_reading": 1.0,
        "structgen.grammars.text_grammars.machine.text_masks": 3.0,
    },
    ENGINE: {
        "structgen.decoding.engine.choice_loops": 1.5,
        "structgen.decoding.engine.forward_pass.forward": 5.0,
        "structgen.decoding.engine.forward_pass.paged_attention": 0.2,
    },
    INFILLING: {"structgen.decoding.infilling.lattice_loops": 0.8},
    SHARED: {
        "structgen.machines.machine_core.lexeme_records": 3.0,
        "structgen.machines.machine_core.draft_nodes": 0.3,
        "structgen.machines.machine_core.row_batches": 0.3,
        "structgen.machines.machine_core.token_steps": 0.3,
        "structgen.machines.machine_core.interning": 0.1,
        "structgen.machines.machine_core.text_costs": 0.5,
        "structgen.base.native.bit_rows": 0.1,
    },
}
"""Modules that are compiled together, each with the seconds that it takes in one of two processes (a virtual
machine with two processors). This process takes them from the front and the others take them from the back:
neighbours share functions, and a process compiles a function that it has met only once."""

JOBS = 2
"""Processes that compile at a first use: on a laptop of a person who waits, and beside a server's workers."""

_COMPILING = """
import sys
sys.path[:] = {path!r}
from structgen.base.native.jit import compile_module
for name in sys.stdin:
    compile_module(name.strip())
    print(flush=True)
"""


def group_of(module: str) -> tuple[str, Sequence[str]]:
    """Return the title of a module's group, and the modules in it: where no group has it, itself alone."""
    for title, modules in GROUPS.items():
        if module in modules:
            return title, tuple(modules)
    return REST, (module,)


def processors() -> int:
    """Return how many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def announce(title: str, modules: Sequence[str], jobs: int) -> None:
    """Say why the first call takes so long, and what does it ahead, on stderr. A short wait is not worth a
    line."""
    known = {name: seconds for group in GROUPS.values() for name, seconds in group.items()}
    each = [known.get(name, 0.0) for name in modules]
    seconds = max(0.0, *each, sum(each) / jobs)
    if seconds >= SECONDS:
        tell(
            f"compiling the inner loops of {title}, once after an installation: about {seconds:.0f} s, more "
            "on a busy machine (`structgen warmup` does it ahead)"
        )


def compile_together(
    modules: Sequence[str],
    compile_one: Callable[[str], None],
    jobs: int,
    done: Callable[[str], None] = lambda name: None,
) -> None:
    """Compile the entry points of some modules in this process and in `jobs - 1` others.

    `compile_one(name)` compiles a module here, or takes its code from the cache: it is called for each
    module, last for those that other processes compiled, so that an error is raised here. `done(name)` is
    called after each, in any thread. The other processes have ended when this returns or raises.
    """
    waiting = deque(modules)
    elsewhere: list[str] = []
    others: list[subprocess.Popen[str]] = []
    threads = [
        Thread(target=_compile_elsewhere, args=(waiting, elsewhere, others, done, bool(number % 2)))
        for number in range(min(jobs, len(modules)) - 1)
    ]
    for thread in threads:
        thread.start()
    try:
        while waiting:
            with suppress(IndexError):  # another thread took the last one
                name = waiting.popleft()
                compile_one(name)
                done(name)
        for thread in threads:
            thread.join()
    finally:
        waiting.clear()
        for process in others:
            process.kill()
        for thread in threads:
            thread.join()
    for name in elsewhere:
        compile_one(name)


def _compile_elsewhere(
    waiting: deque[str],
    elsewhere: list[str],
    others: list[subprocess.Popen[str]],
    done: Callable[[str], None],
    from_the_front: bool,
) -> None:
    """Have another process compile modules until none waits, or until it ends: this process then does it."""
    if "python" not in Path(sys.executable or "").name.lower():
        return  # a program that has Python inside: it may not understand these arguments
    command = [sys.executable, "-c", _COMPILING.format(path=sys.path)]
    pipe = subprocess.PIPE
    with (
        suppress(IndexError, OSError, ValueError),
        subprocess.Popen(command, text=True, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL) as process,
    ):
        others.append(process)
        assert process.stdin is not None and process.stdout is not None
        while True:
            name = waiting.popleft() if from_the_front else waiting.pop()
            elsewhere.append(name)
            print(name, file=process.stdin, flush=True)
            if process.stdout.readline() == "":
                return
            done(name)


@contextmanager
def one_process(folder: str | None, title: str, ready: Callable[[], bool]) -> Iterator[None]:
    """Hold a lock that no other process of this machine holds for the same folder and title.

    Waits until `ready()`, or until the lock is free, for two minutes at most. Where a folder or a platform
    has no such lock, nothing is waited for: compiling twice costs time, never an answer.
    """
    if folder is None:
        yield
        return
    try:
        import fcntl  # optional: there is none on Windows

        os.makedirs(folder, exist_ok=True)
        handle = os.open(Path(folder, f"{title.replace(' ', '-')}.lock"), os.O_RDWR | os.O_CREAT, 0o600)
    except (ImportError, OSError):
        yield
        return
    try:
        until = time.monotonic() + PATIENCE
        with told(f"another process compiles the inner loops of {title}, and this one waits"):
            while time.monotonic() < until:
                try:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if ready():
                        break
                    time.sleep(0.05)
                except OSError:  # a file system without locks
                    break
        yield
    finally:
        os.close(handle)
