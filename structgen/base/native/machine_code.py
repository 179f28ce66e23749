"""Find the machine code of entry points: in the library of a wheel, or in object files that numba makes.

An *entry point* is a function that Python calls as compiled code. A *library* is one file with the machine
code of all modules. It is made for processors of a *level*, that is, with certain features (`LEVELS`). Python
loads it and needs nothing else. Its name has a digest of the sources and one of its bytes. A library that
does not fit is not used, and a line on stderr says why.

Where no library fits, numba compiles a module when one of its entry points is first called. The *object file*
of the module is kept. Its name has a digest of the sources that it is made from, of the processor, and of
whether it is `checked`. llvmlite links it in memory, so no linker is needed, and no folder from which the
system loads code.

A library lies in the package's folder `machine_code`, or in the one that STRUCTGEN_MACHINE_CODE names. Object
files are kept in the folder that is named, else in the package if it is a checkout, else in the cache folder.
"""

from __future__ import annotations

import ctypes
import os
import platform
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from functools import cache
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final

from structgen.base.native.addresses import CHECKED
from structgen.base.native.cache_entries import evict_files
from structgen.base.native.noted_functions import ENTRIES, INSTRUCTIONS
from structgen.base.system.cache import (
    cache_folder,
    make_folders,
    open_trusted,
    warn_of_file,
    write_atomically,
)
from structgen.base.system.fork_locks import CODE, new_lock
from structgen.base.system.installation import require_extras
from structgen.base.system.source_digests import digest_below, digest_of, package_digest, with_imports
from structgen.base.system.waits import PATIENCE, announce_wait, write_notice

ENVIRONMENT_VARIABLE: Final = "STRUCTGEN_MACHINE_CODE"
PACKAGE: Final = Path(__file__).resolve().parents[2]
BESIDE_THE_PACKAGE: Final = PACKAGE / "machine_code"
LEVELS: Final = {
    "x86-64-v3": "avx avx2 bmi1 bmi2 f16c fma abm movbe xsave",
    "x86-64-v4": "avx512bw avx512cd avx512dq avx512f avx512vl",
}
"""LLVM's name of a level -> the features that it adds to the level before, as Linux names them (x86-64 psABI,
"Micro-Architecture Levels")."""
LEVEL: Final = "x86-64-v3"
"""The level of a library: AVX2 and BMI2, Intel since 2013 and AMD since 2015."""
WIDE: Final = "x86-64-v4"
"""The level for which a library has the engine's code once more: AVX-512 doubles what the models compute."""
_LARGEST: Final = 1 << 27
"""The most bytes of object files that are kept."""
_LOST: Final = "the inner loops are compiled again."
_INSTEAD: Final = "numba compiles the inner loops instead"


def sources_digest() -> str:
    """Return the digest of all sources from which a library may be made: 16 hexadecimal digits. Cost: 2 ms
    besides `package_digest`, which a process needs anyway."""
    both = package_digest() + digest_below(PACKAGE / "decoding" / "engine")
    return _content_digest(both.encode())


def library_name(library: bytes) -> str:
    """Return the name of the file of a library: `loops-SOURCES-BYTES.so`, with two digests."""
    return f"loops-{sources_digest()}-{_content_digest(library)}.so"


def library_path() -> Path | None:
    """Return the library that fits these sources and this processor, or None, and say why on stderr where
    there is one that does not fit. Cost: 3 ms, and what `package_digest` costs."""
    folders = [BESIDE_THE_PACKAGE]
    if folder_name := os.environ.get(ENVIRONMENT_VARIABLE):
        folders.insert(0, Path(folder_name).expanduser())
    libraries = [path for folder in folders for path in sorted(folder.glob("loops-*.so"))]
    if CHECKED or not libraries:
        return None
    matching = [path for path in libraries if path.name.split("-")[1] == sources_digest()]
    why = ""
    if not matching and __file__.endswith(".py"):  # without sources, the digest of none is theirs
        why = "is for other sources of structgen than the running ones"
    elif not has_level(LEVEL):
        why = f"is for processors of the level {LEVEL}, and this one is older"
    elif "t" in getattr(sys, "abiflags", ""):
        why = "is for a Python with the interpreter lock"
    path = (matching or libraries)[0]
    try:
        if not why and path.name != f"{path.name.rpartition('-')[0]}-{_content_digest(path.read_bytes())}.so":
            why = "is damaged: install structgen again"
    except OSError as error:
        why = f"cannot be read ({error.strerror})"
    if why:
        write_notice(f"the library {path} {why}; {_INSTEAD}")
    return None if why else path


def _content_digest(content: bytes) -> str:
    return blake2b(content, digest_size=8).hexdigest()


@cache
def processor_features() -> frozenset[str]:
    """Return the features of this processor, as Linux names them; no features on other systems."""
    try:
        with open("/proc/cpuinfo", encoding="ascii", errors="replace") as lines:
            flags = next((line for line in lines if line.startswith("flags")), "")
    except OSError:
        flags = ""
    return frozenset(flags.split())


def has_level(level: str) -> bool:
    """Return whether this processor has the features of a level."""
    names = list(LEVELS)
    features_needed = " ".join(LEVELS[name] for name in names[: names.index(level) + 1])
    return processor_features() >= {*features_needed.split()}


def has_fused_sums() -> bool:
    """Return whether compiled code multiplies and adds in one instruction; else it calls a function. Raises
    StructgenError where there is no library, and numba is missing."""
    return library() is not None or platform.machine() not in ("x86_64", "AMD64") or "+fma" in processor()


@cache
def library() -> Any:
    """Return the library, loaded; None where none fits, or where the system does not load it."""
    path = library_path()
    if path is None:
        return None
    try:
        return ctypes.CDLL(str(path))
    except OSError as error:
        write_notice(f"the library {path} cannot be loaded ({error}); {_INSTEAD}")
        return None


def library_address(symbol: str) -> int:
    """Return the address of a symbol in the library, of the best level that this processor has; 0 where
    there is none."""
    handle = library()
    names = (f"{WIDE}.{symbol}", symbol) if handle and has_level(WIDE) else (symbol,)
    functions = (getattr(handle, name, None) for name in names)
    return next((ctypes.cast(code, ctypes.c_void_p).value or 0 for code in functions if code), 0)


# --- object files -------------------------------------------------------------------------------------------

_loading = new_lock(CODE)
"""The lock of a thread that links or compiles. A fork waits for it, because in the child process the locks of
numba and llvmlite would stay taken."""


def object_addresses(unit: str, symbols: Iterable[str]) -> list[int]:
    """Return the addresses of some symbols of a module's machine code, which is in memory from then on: kept
    by an earlier process, or compiled now (0.1 to 6 s of a processor). Raises StructgenError where numba is
    missing."""
    with _loading:
        if not _linker().address(next(iter(ENTRIES[unit]))):
            _linker().add(_object_file(unit))
        return [*map(_linker().address, symbols)]


def source_of(unit: str) -> str:
    """Return where the code of a module that is imported lies: "library", "kept", or "none" where it would be
    compiled. Nothing is loaded, so that a damaged file counts. Raises StructgenError where llvmlite is
    missing."""
    if all(library_address(symbol) for symbol in ENTRIES[unit]):
        return "library"
    return "kept" if _object_path(unit).is_file() else "none"


def _object_path(unit: str) -> Path:
    """Return the path of the object file of a module."""
    return objects_folder() / f"{unit}-{_digest_key(unit)}.o"


def _object_file(unit: str) -> bytes:
    """Return the object file of a module."""
    object_path = None if "<locals>" in unit else _object_path(unit)
    code = object_path and _read_object(object_path)
    if code:
        return code
    with _one_process(object_path.with_name(unit)) if object_path else nullcontext():
        code = object_path and _read_object(object_path)  # another process has made it meanwhile
        if not code:
            tell_compiling()
            with require_extras("A process without the library of machine code", "compile"):
                from structgen.base.native.compiling import object_of  # optional: numba
            code = object_of(unit)
            if object_path is not None:
                write_atomically(object_path, [blake2b(code, digest_size=16).digest(), code])
                evict_files(object_path.parent, _LARGEST, [".o"])
    return code


@cache
def tell_compiling() -> None:
    """Say once what is compiled, for how long, and what does it ahead."""
    write_notice(
        "compiling the inner loops to machine code: 10 to 60 s, once after an installation"
        " (`structgen warmup` does it ahead)"
    )


def objects_folder() -> Path:
    """Return the folder of the object files, which may not exist yet."""
    if folder_name := os.environ.get(ENVIRONMENT_VARIABLE):
        return Path(folder_name).expanduser()
    is_checkout = (PACKAGE.parent / "pyproject.toml").is_file() and os.access(PACKAGE, os.W_OK)
    return BESIDE_THE_PACKAGE if is_checkout else cache_folder() / "machine_code"


def _digest_key(unit: str) -> str:
    """Return a digest of everything that the code of a module depends on."""
    entries = ENTRIES[unit].values()
    files = {*with_imports(PACKAGE / "base" / "native" / "compiling.py")}
    files.update(*(with_imports(Path(entry.function.__code__.co_filename)) for entry in entries))
    for stub, place in INSTRUCTIONS.items():
        if Path(stub.__code__.co_filename) in files:
            files.update(with_imports(PACKAGE.parent.joinpath(*place.split(".")).with_suffix(".py")))
    signatures = [(entry.symbol, entry.signature) for entry in entries]
    ingredients = repr((digest_of(files), signatures, processor(), CHECKED))
    return _content_digest(ingredients.encode())


def processor() -> str:
    """Return the processor for which numba compiles, as LLVM names it and its features."""
    with require_extras("A process without the library of machine code", "compile"):
        import llvmlite.binding as llvm  # optional: not where there is a library
    name, features = os.environ.get("NUMBA_CPU_NAME"), os.environ.get("NUMBA_CPU_FEATURES")
    return f"{name or llvm.get_host_cpu_name()} {features or llvm.get_host_cpu_features().flatten()}"


def _read_object(path: Path) -> bytes:
    """Return the object file that is kept; nothing where there is none, or where it is damaged."""
    file = open_trusted(path, _LOST)
    if file is None:
        return b""
    with file:
        content = file.read_bytes().tobytes()
    if blake2b(content[16:], digest_size=16).digest() == content[:16]:
        return content[16:]
    warn_of_file(f"{path} is damaged: {_LOST}")
    return b""


@contextmanager
def _one_process(path: Path) -> Iterator[None]:
    """Let no other process compile the same module inside the block.

    Where that takes two minutes, or a folder or a platform has no locks, nothing is waited for: to compile
    twice costs time, never an answer.

    The lock is the file `PATH.lock`. Its name has no digest, so that edits of the sources leave no more locks
    than there are modules."""
    with ExitStack() as stack:
        # no `filelock`: its own hooks of forks take locks before ours, and would wait for each other
        with suppress(ImportError, OSError):
            import fcntl  # optional: there is none on Windows

            make_folders(path.parent)
            handle = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT, 0o600)
            stack.callback(os.close, handle)
            until = time.monotonic() + PATIENCE
            with announce_wait("another process compiles the inner loops, and this one waits"):
                while time.monotonic() < until:
                    try:
                        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                        break
                    except BlockingIOError:
                        time.sleep(0.05)
        yield


class _Linker:
    """Object files, linked in this process's memory by llvmlite."""

    def __init__(self) -> None:
        with require_extras("A process without the library of machine code", "compile"):
            import llvmlite.binding as llvm  # optional: not where there is a library
        if CHECKED:
            from structgen.base.native.checked import place_exception  # optional: llvmlite

            place_exception()
        llvm.initialize_native_target()
        llvm.initialize_native_asmprinter()
        machine = llvm.Target.from_default_triple().create_target_machine()
        self._llvm, self._engine = llvm, llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine)

    def add(self, code: bytes) -> None:
        """Link an object file."""
        self._engine.add_object_file(self._llvm.ObjectFileRef.from_data(code))
        self._engine.finalize_object()

    def address(self, symbol: str) -> int:
        """Return the address of a symbol of the files."""
        return int(self._engine.get_function_address(symbol))


_linker = cache(_Linker)
