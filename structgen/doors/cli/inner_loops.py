"""Every inner loop compiled ahead: `structgen warmup`, and `make test` before its workers begin.

`compile_all` compiles for this machine's processor. `write_for` compiles for a named level of processors and
writes files that other machines use (`structgen.base.native.shipped_code`).
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from structgen.base.native.compile_pace import Pace
from structgen.base.native.first_use import GROUPS, JOBS

PACKAGE = Path(__file__).resolve().parent.parent.parent
_ENTRIES = re.compile(r"^from structgen\.base\.native\.jit import .*\bentry\b", re.MULTILINE)
_WRITING = "import sys; from structgen.doors.cli.inner_loops import _write; _write(*sys.argv[1:])"


@cache
def modules_with_entries() -> tuple[str, ...]:
    """Return the modules that have entry points, those of one folder together. Cost: every source is read,
    once in a process."""
    modules = []
    for file in sorted(PACKAGE.rglob("*.py")):
        if _ENTRIES.search(file.read_text(encoding="utf-8")):
            modules.append(".".join(("structgen", *file.relative_to(PACKAGE).with_suffix("").parts)))
    return tuple(modules)


def modules_to_compile() -> Sequence[str]:
    """Return the modules that this installation uses: the engine's only where torch is installed."""
    names = modules_with_entries()
    if find_spec("torch") is None:
        return [name for name in names if not name.startswith("structgen.decoding.engine.")]
    return names


def compile_all(
    jobs: int = JOBS,
    done: Callable[[str], None] = lambda name: None,
    watch: Callable[[Pace], None] = lambda pace: None,
) -> None:
    """Compile the modules without machine code in up to `jobs` processes: 38 s of one processor after an
    installation, 0.2 s from then on. `done(name)` is called after each module that had to be compiled, and
    `watch` with the pace, as the work goes on."""
    from structgen.base.native.jit import compile_modules  # start-up: numba

    names = modules_to_compile()
    order = [*(name for group in GROUPS.values() for name in group), *names]  # neighbours share functions
    compile_modules(sorted(names, key=order.index), jobs, done=done, watch=watch)


def write_for(
    level: str,
    folder: Path,
    jobs: int,
    done: Callable[[str], None],
) -> int:
    """Write the machine code of all modules for a level of processors into a folder; return the bytes.

    Another process does it, as numba compiles for one processor in a process. With `jobs` of 1, two calls for
    the same sources write the same bytes: numba numbers functions in the order in which a process compiles
    them. `done(name)` is called after each module. Raises OSError where the folder cannot be written, and
    RuntimeError with the last lines of what the other process said where it failed.
    """
    from structgen.base.native import shipped_code  # start-up: numba

    (folder / level).mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="structgen-") as cache, tempfile.TemporaryFile("w+") as errors:
        words = [sys.executable, "-c", _WRITING, level, str(folder), str(jobs)]
        environment = {**os.environ, **shipped_code.compiling(level), "NUMBA_CACHE_DIR": cache}
        environment["PYTHONHASHSEED"] = "0"  # the order of sets is in the code
        environment["PYTHONPATH"] = os.pathsep.join(sys.path)
        byte_count = 0
        with subprocess.Popen(
            words, env=environment, stdout=subprocess.PIPE, stderr=errors, text=True
        ) as process:
            try:
                assert process.stdout is not None
                for line in process.stdout:
                    name, _, size = line.strip().partition(" ")
                    byte_count += int(size or 0)
                    if not size:
                        done(name)
            except BaseException:
                process.terminate()
                raise
        if process.returncode != 0:
            errors.seek(0)
            raise RuntimeError("\n".join(errors.read().splitlines()[-5:]))
    return byte_count


def _write_level(level: str, folder: str, jobs: str) -> None:
    """Compile all modules, and write the files of a level: in the process that `write_for` starts. Prints the
    name of each module when it is compiled, and again with the size of its file."""
    from structgen.base.native.jit import compile_modules, ship  # start-up: numba
    from structgen.base.native.shipped_code import leave_places_out  # start-up: numba

    leave_places_out()
    names = modules_with_entries()  # the engine's too: torch may come later
    compile_modules(names, int(jobs), done=lambda name: print(name, flush=True))
    for name in names:
        print(name, ship(name, Path(folder), level), flush=True)
