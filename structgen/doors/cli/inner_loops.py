"""Every inner loop compiled ahead: `structgen warmup`, `make test` before its workers begin, and a release.

`compile_all` compiles for this machine's processor. `write_library` compiles for a level of processors, and
links the library that a wheel has (`structgen.base.native.machine_code`).
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from structgen.base.errors import StructgenError

PACKAGE = Path(__file__).resolve().parent.parent.parent
ENGINE = "structgen.decoding.engine."
_ENTRIES = re.compile(r"^from structgen\.base\.native\.jit import .*\bentry\b", re.MULTILINE)
_CALL = "import sys; from structgen.doors.cli import inner_loops; inner_loops.{}(*sys.argv[1:])"
_OLD_SYMBOLS = """
module asm ".symver old_{name},{name}@GLIBC_2.2.5"
declare double @old_{name}(double)
define hidden double @{name}(double %x) {{
  %value = call double @old_{name}(double %x)
  ret double %value
}}
"""
"""Since glibc 2.29 exp and log have a second version, which a linker prefers."""


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
    return names if find_spec("torch") else [name for name in names if not name.startswith(ENGINE)]


def compile_all(jobs: int = 2) -> None:
    """Have the machine code of all modules kept, compiled by up to `jobs` processes where there is no
    library: 31 s of one processor after an installation, 0.2 s from then on. Raises StructgenError where
    numba is missing."""
    names = modules_to_compile()

    def elsewhere(number: int) -> None:
        subprocess.run([sys.executable, "-c", _CALL.format("load_all"), *names[number::jobs]], check=False)

    with ThreadPoolExecutor(max(jobs - 1, 1)) as threads:
        others = [threads.submit(elsewhere, number) for number in range(1, jobs)]
        load_all(*names[::jobs])
    assert all(other.done() for other in others)
    load_all(*names)


def load_all(*names: str) -> None:
    """Import some modules, and have the machine code of their entry points in memory."""
    from structgen.base.native.jit import load  # start-up: numpy

    for name in names:
        import_module(name)
        load(name)


def write_library(folder: Path) -> Path:
    """Write the library of all modules for processors of `machine_code.LEVEL`; return its path.

    Another process compiles, as numba does so for one processor in a process; in one order, so that two calls
    for the same sources write the same bytes. A compiler for C links. Raises OSError where the folder cannot
    be written, and StructgenError where there is no compiler, or with the last lines that another process
    wrote, where it failed.
    """
    from structgen.base.native.machine_code import LEVEL, WIDE, library_name  # start-up: numpy

    compiler = next(filter(None, map(shutil.which, (os.environ.get("CC") or "cc", "gcc", "clang"))), None)
    if compiler is None:
        cure = "Install gcc, or remove --target: object files need no linker."
        raise StructgenError(
            "A compiler for C (cc, gcc, clang) is needed to link the library, and none is found.", cure=cure
        )
    names = modules_with_entries()
    with tempfile.TemporaryDirectory(prefix="structgen-") as objects:
        writing = sys.executable, "-c", _CALL.format("write_objects"), objects
        _run(LEVEL, *writing, "", *names)
        if engine := [name for name in names if name.startswith(ENGINE)]:
            _run(WIDE, *writing, f"{WIDE}.", *engine)
        library = Path(objects, "library")
        files = sorted(map(str, Path(objects).glob("*.o")))
        linking = "-shared -nostdlib -Wl,-s,--build-id=none,-z,noexecstack".split()
        _run(LEVEL, compiler, *linking, "-o", str(library), *files, "-lm", "-lc")
        held = library.read_bytes()
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / library_name(held)
    path.write_bytes(held)
    return path


def write_objects(folder: str, prefix: str, *names: str) -> None:
    """Write the object files of some modules: in the process that `write_library` starts."""
    from structgen.base.native.compiling import assemble, object_of  # optional: numba

    for name in names:
        import_module(name)
    for name in names:
        Path(folder, f"{prefix}{name}.o").write_bytes(object_of(name, prefix, is_for_library=True))
    if sys.platform == "linux" and not prefix:
        old = "".join(_OLD_SYMBOLS.format(name=name) for name in ("exp", "log"))
        Path(folder, "old_symbols.o").write_bytes(assemble(old))


def _run(level: str, *words: str) -> None:
    """Run another process that compiles for a level. Raises StructgenError."""
    environment = {**os.environ, "NUMBA_CPU_NAME": level, "NUMBA_CPU_FEATURES": "", "STRUCTGEN_CHECKED": ""}
    environment["PYTHONPATH"] = os.pathsep.join(sys.path)
    environment["PYTHONHASHSEED"] = "0"  # the order of sets is in the code
    done = subprocess.run(words, env=environment, capture_output=True, text=True)
    if done.returncode != 0:
        said = "\n".join((done.stdout + done.stderr).splitlines()[-5:])
        raise StructgenError(f"{words[0]} could not make the library:\n{said}")
