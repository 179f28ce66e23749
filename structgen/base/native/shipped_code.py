"""Machine code that is shipped: written once for a level of processors, used wherever the level fits.

What comes in: the entry points of a module, compiled on one machine (`structgen warmup --target`). What goes
out: the same code on another machine, which then compiles nothing after the installation.

A machine compiles for its own processor, with all that it can do, and names the code by it. Shipped code is
made for a named level (`x86-64-v3`: AVX2 and BMI2, servers since 2013); one file holds the code of a module.
All that must agree is in its path: the level, then the versions of Python, numba and llvmlite
(`made_for`), then a digest of the platform, the sources and the signatures. Where one of them differs, the
file is not found, one line on stderr says which, and the code is compiled as usual.

The files lie in the package's folder `machine_code`, which a wheel for one Python has (scripts/release), or
in the folder that the environment variable STRUCTGEN_MACHINE_CODE names. They are as trusted as the package.
"""

from __future__ import annotations

import os
import pickle
import platform
import sys
from collections.abc import Iterator, Sequence
from functools import cache
from hashlib import blake2b
from pathlib import Path
from typing import Any

import llvmlite
import llvmlite.binding as llvm
import numba
from numba.core.callconv import CPUCallConv
from numba.core.serialize import dumps

from structgen.base.native.inner_functions import Entry, Results, from_values
from structgen.base.system.cache import replacing, tell_unusable, warn
from structgen.base.system.waits import tell

ENVIRONMENT_VARIABLE = "STRUCTGEN_MACHINE_CODE"
BESIDE_THE_PACKAGE = Path(__file__).resolve().parents[2] / "machine_code"

_V2 = "cx16 popcnt sahf sse3 sse4.1 sse4.2 ssse3"
_V3 = _V2 + " avx avx2 bmi bmi2 f16c fma lzcnt movbe xsave"
LEVELS: dict[str, tuple[str, str, str]] = {
    "x86-64-v4": ("x86_64", "x86-64-v4", _V3 + " avx512bw avx512cd avx512dq avx512f avx512vl"),
    "x86-64-v3": ("x86_64", "x86-64-v3", _V3),
    "x86-64-v2": ("x86_64", "x86-64-v2", _V2),
    "armv8": ("aarch64", "generic", ""),
}
"""For each level, the best first: the architecture, LLVM's name of the processor, and LLVM's names of the
features that a processor must have (x86-64 psABI, "Micro-Architecture Levels"; each 64-bit ARM has armv8)."""
GENERIC = {"x86_64": "x86-64-v3", "aarch64": "armv8"}
"""For each architecture the level of the target `generic`."""


def architecture() -> str:
    """Return the architecture of this process: `x86_64`, `aarch64`, or what the platform calls another."""
    name = platform.machine().lower()
    return {"amd64": "x86_64", "arm64": "aarch64"}.get(name, name)


@cache
def fitting() -> tuple[str, ...]:
    """Return the levels that this processor has, the best first."""
    here = architecture()
    try:
        features = {name for name, has in llvm.get_host_cpu_features().items() if has}
    except RuntimeError:  # LLVM does not know the processor
        features = set()
    return tuple(
        level for level, (kind, _, needed) in LEVELS.items() if kind == here and features >= {*needed.split()}
    )


def folders() -> Iterator[Path]:
    """Yield the folders that may hold shipped code."""
    if chosen := os.environ.get(ENVIRONMENT_VARIABLE):
        yield Path(chosen).expanduser()
    yield BESIDE_THE_PACKAGE


def made_for() -> str:
    """Return what decides, beside the processor and the sources, whether code fits, as the name of a folder:
    `cpython-311_numba-0.68.1_llvmlite-0.50.0`."""
    python = f"{sys.implementation.cache_tag}{getattr(sys, 'abiflags', '')}"
    return f"{python}_numba-{numba.__version__}_llvmlite-{llvmlite.__version__}"


def place(folder: Path, level: str, entries: Sequence[Entry], source_stamp: str) -> Path:
    """Return the file for the entry points of a module. `source_stamp`: `jit.stamp` of it."""
    signatures = [(entry.py_func.__qualname__, entry.signature) for entry in entries]
    agreed = repr((level, architecture(), sys.platform, source_stamp, signatures)).encode()
    name = f"{entries[0].py_func.__module__}-{blake2b(agreed, digest_size=10).hexdigest()}.code"
    return folder / level / made_for() / name


def load(entries: Sequence[Entry], source_stamp: str) -> Results | None:
    """Return the code of a module's entry points for the best level that fits, or None.

    A file that is damaged or cannot be read is None too, and a StoreWarning says so. Where there is code, and
    none fits, `tell_unused` says why. None also where NUMBA_CPU_NAME asks for a processor's code by name.
    """
    if numba.config.CPU_NAME is not None:
        return None
    for folder in folders():
        for level in fitting():
            path = place(folder, level, entries, source_stamp)
            try:
                held = path.read_bytes()
            except (FileNotFoundError, NotADirectoryError):
                continue
            except OSError as error:
                tell_unusable(
                    path, error, f"cannot read {path}", _LOST, "Give this user the right to read it."
                )
                return None
            digest, code = held[:16], held[16:]
            if blake2b(code, digest_size=16).digest() != digest:
                warn(f"{path} is damaged: {_LOST}", cure="Install structgen again, or write the file again.")
                return None
            return from_values(entries[0].targetctx, pickle.loads(code))
    tell_unused()
    return None


_LOST = "the inner loops are compiled instead."


@cache
def tell_unused() -> None:
    """Where there is machine code and none of it fits, say why on stderr: one line, once in a process."""
    for folder in folders():
        held = [(path.parent.name, path.name) for path in sorted(folder.glob("*/*_numba-*")) if path.is_dir()]
        if not held:
            continue
        here = made_for()
        levels = [level for level, made in held if made == here]
        if not levels:
            why = f"{_words(held[-1][1])}, and here is {_words(here)}"
        elif not {*levels} & {*fitting()}:
            why = f"processors of the level {levels[0]}, which this one has not"
        else:
            why = "other sources of structgen than those that run"
        tell(f"the machine code in {folder} is for {why}: {_LOST}")
        return


def _words(made: str) -> str:
    return made.replace("_", ", ")


def write(folder: Path, level: str, entries: Sequence[Entry], source_stamp: str, values: Any) -> int:
    """Keep the code of a module's entry points as a file of a level; return its bytes.

    `values`: of `inner_functions.as_values`, made in a process with the environment of `compiling(level)`.
    Raises OSError where the file cannot be written.
    """
    code = dumps(values)
    path = place(folder, level, entries, source_stamp)
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path, 0o644) as file:
        file.write(blake2b(code, digest_size=16).digest() + code)
    return path.stat().st_size


def leave_places_out() -> None:
    """Have exceptions of what this process compiles name no source file: the path is that of the machine that
    compiles, and two machines would write different bytes."""
    plain = CPUCallConv.build_excinfo_struct

    def without_place(self: Any, kind: Any, arguments: Any, place: Any, function: Any) -> Any:
        return plain(self, kind, arguments, None, function)

    CPUCallConv.build_excinfo_struct = without_place


def compiling(level: str) -> dict[str, str]:
    """Return the environment variables of a process that compiles for a level, and not for its processor."""
    return {"NUMBA_CPU_NAME": LEVELS[level][1], "NUMBA_CPU_FEATURES": ""}
