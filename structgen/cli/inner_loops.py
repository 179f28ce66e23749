"""Every inner loop compiled ahead: `structgen warmup`, and `make test` before its workers begin.

An entry point is compiled when its module is imported, or taken from where an earlier process kept it. Two
processes import the modules from the two ends of one list, so that they seldom compile the same function.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent.parent
_ENTRIES = re.compile(r"^from structgen\.native\.jit import .*\bentry\b", re.MULTILINE)
_IMPORTING = """
import sys
sys.path[:] = {path!r}
from structgen.cli.inner_loops import compile_module
for name in sys.stdin:
    compile_module(name.strip())
    print(flush=True)
"""


def modules_with_entries() -> list[str]:
    """Return the modules that compile something when they are imported, those of one folder together."""
    found = []
    for file in sorted(PACKAGE.rglob("*.py")):
        if _ENTRIES.search(file.read_text(encoding="utf-8")):
            found.append(".".join(("structgen", *file.relative_to(PACKAGE).with_suffix("").parts)))
    return found


def compile_all() -> None:
    """Compile what is not kept yet: 3 minutes of CPU after an installation, some seconds from then on.

    The engine's are left out where torch is not installed: nothing runs them.
    """
    names = modules_with_entries()
    if find_spec("torch") is None:
        names = [name for name in names if not name.startswith("structgen.engine.")]
    if (os.cpu_count() or 1) > 1:
        waiting = deque(names)
        with ThreadPoolExecutor(2) as threads:
            threads.map(_import_elsewhere, (waiting.popleft, waiting.pop))
    for name in names:  # what is wrong with one is told here
        compile_module(name)


def compile_module(name: str) -> None:
    """Compile the entry points of one module."""
    from structgen.native.jit import load

    import_module(name)
    load(name)


def _import_elsewhere(take: Callable[[], str]) -> None:
    """Have another process import modules until none is left, or one fails."""
    command = [sys.executable, "-c", _IMPORTING.format(path=sys.path)]
    pipe = subprocess.PIPE
    with (
        suppress(IndexError, OSError),
        subprocess.Popen(command, text=True, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL) as process,
    ):
        assert process.stdin is not None and process.stdout is not None
        done = True
        while done:
            print(take(), file=process.stdin, flush=True)
            done = process.stdout.readline() != ""
