"""The first wait after an installation: which inner loops are compiled together, by how many processes.

What comes in: the names of modules with entry points (`structgen.base.native.jit.entry`). What goes out:
their machine code, kept in files. `jit` calls this module when it finds no kept code for an entry point.

1. `together` says which modules the same kind of grammar needs: the loss of one predicts the others.
2. `Told` tells the person who waits: a line on stderr, and one more with the seconds that are left, as soon
   as this machine has shown how fast it is (`compile_pace`).
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
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from threading import Thread

from structgen.base.native.compile_pace import LISTENERS, Pace
from structgen.base.system.waits import PATIENCE, SECONDS, tell, told

JSON, LARK, TEXT = "JSON masks", "Lark masks", "text masks"
SHARED, SMALL, REST = "all grammars", "drafts and budgets", "other grammars"
ENGINE, INFILLING = "the engine", "infilling"
KINDS = (JSON, LARK, TEXT)
GROUPS: dict[str, dict[str, float]] = {
    JSON: {
        "structgen.machines.json_machine.masks.state_walk": 3.6,
        "structgen.machines.json_machine.masks.mask_filling": 2.7,
        "structgen.machines.json_machine.masks.terminal_lexer": 1.1,
    },
    LARK: {
        "structgen.grammars.lark_grammars.machine.lark_masks": 6.0,
        "structgen.grammars.lark_grammars.machine.memo": 0.3,
        "structgen.grammars.lark_grammars.compiled.lark_completions": 0.3,
        "structgen.grammars.lark_grammars.machine.steps": 2.0,
        "structgen.grammars.lark_grammars.liveness.saturation": 2.0,
    },
    TEXT: {
        "structgen.grammars.text_grammars.machine.stepping": 1.7,
        "structgen.grammars.text_grammars.machine.part_reading": 0.7,
        "structgen.grammars.text_grammars.machine.text_masks": 2.0,
    },
    ENGINE: {
        "structgen.decoding.engine.choice_loops": 1.0,
        "structgen.decoding.engine.forward_pass.forward": 3.3,
        "structgen.decoding.engine.forward_pass.paged_attention": 0.1,
    },
    INFILLING: {"structgen.decoding.infilling.lattice_loops": 0.5},
    SMALL: {
        "structgen.machines.machine_core.draft_nodes": 0.3,
        "structgen.machines.machine_core.row_batches": 0.1,
        "structgen.machines.machine_core.text_costs": 0.2,
        "structgen.base.native.bit_rows": 0.05,
    },
    SHARED: {
        "structgen.machines.machine_core.masks": 0.1,
        "structgen.machines.machine_core.interning": 0.05,
        "structgen.machines.machine_core.token_steps": 0.3,
        "structgen.tokens.trie": 1.0,
        "structgen.machines.machine_core.lexeme_records": 2.0,
        "structgen.automata.strings.kernels": 2.0,
    },
}
"""Modules that are compiled together, each with the processor seconds that it takes. A kind of grammar needs
its own group and those of SHARED that it imports. This process takes them from the front and the others from
the back: neighbours share functions, and a process compiles a function that it has met only once."""

JOBS = 2
"""Processes that compile at a first use: on a laptop of a person who waits, and beside a server's workers."""

_COMPILING = """
import gc, sys
gc.disable()
sys.path[:] = {path!r}
from structgen.base.native.compile_pace import LISTENERS
from structgen.base.native.jit import compile_module
LISTENERS.append(lambda: print(".", flush=True))
for name in sys.stdin:
    compile_module(name.strip())
    print(flush=True)
"""


def together(module: str, imported: Iterable[str]) -> tuple[str, Sequence[str]]:
    """Return the modules that are compiled with one that is missing, and their title. `imported`: those whose
    entry points this process has. What all grammars need is compiled with the kinds that are imported."""
    here = set(imported)
    title = next((title for title, modules in GROUPS.items() if module in modules), REST)
    if title not in (SHARED, *KINDS):
        return title, tuple(GROUPS.get(title, (module,)))
    kinds = [title] if title in KINDS else [kind for kind in KINDS if here.intersection(GROUPS[kind])]
    names = [name for kind in kinds for name in GROUPS[kind]]
    return " and ".join(kinds) or title, [*names, *(name for name in GROUPS[SHARED] if name in here)]


def processors() -> int:
    """Return how many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def weights(modules: Iterable[str]) -> dict[str, float]:
    """Return the weights of some modules, for a `Pace`."""
    known = {name: seconds for group in GROUPS.values() for name, seconds in group.items()}
    return {name: known.get(name, 0.3) for name in modules}


class Told:
    """Tells the person who waits why and, as soon as that is known, how long yet. A short wait is not worth a
    line."""

    def __init__(self, title: str) -> None:
        self._title, self._told = title, False

    def begin(self, modules: Sequence[str], jobs: int) -> None:
        """Say why the first call takes long, and what does it ahead."""
        each = weights(modules).values()
        if max(0.0, *each, sum(each) / jobs) >= SECONDS:
            tell(
                f"compiling the inner loops of {self._title}, once after an installation (`structgen warmup` "
                "does it ahead)"
            )

    def __call__(self, pace: Pace) -> None:
        """Say how long it takes yet, at this machine's pace."""
        left = None if self._told else pace.left
        if left is not None:
            self._told = True
            if left >= SECONDS:
                tell(f"about {seconds_told(left)} until the inner loops of {self._title} are compiled")


def seconds_told(seconds: float) -> str:
    """Return a time as a person reads it, "9 s" or "4 min": an estimate has no more digits."""
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"


def compile_together(
    modules: Sequence[str],
    compile_one: Callable[[str], None],
    jobs: int,
    done: Callable[[str], None] = lambda name: None,
    watch: Callable[[Pace], None] = lambda pace: None,
) -> None:
    """Compile the entry points of some modules in this process and in `jobs - 1` others.

    `compile_one(name)` compiles a module here, or takes its code from the cache: it is called for each
    module, last for those that other processes compiled, so that an error is raised here. `done(name)` is
    called after each, in any thread, and `watch` with the pace after each function too. The other processes
    have ended when this returns or raises.
    """
    pace = Pace(weights(modules), jobs, watch)
    waiting = deque(modules)
    elsewhere: list[str] = []
    others: list[subprocess.Popen[str]] = []
    threads = [
        Thread(target=_compile_elsewhere, args=(waiting, elsewhere, others, pace, done, bool(number % 2)))
        for number in range(min(jobs, len(modules)) - 1)
    ]
    for thread in threads:
        thread.start()
    try:
        while waiting:
            with suppress(IndexError):  # another thread took the last one
                name = waiting.popleft()
                LISTENERS[:] = [partial(pace.function, name)]
                compile_one(name)
                pace.done(name)
                done(name)
        for thread in threads:
            thread.join()
    finally:
        LISTENERS.clear()
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
    pace: Pace,
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
            while (line := process.stdout.readline()) == ".\n":
                pace.function(name)
            if not line:
                return
            pace.done(name)
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
