"""`jit` and `entry`: numba's decorators with a cache that no change of the package can make stale.

Numba keeps compiled code under the name, the line and the time stamp of the file that a function stands in.
But a function holds the code and the constants of other modules too, and numba does not see when those
change: an upgrade, or an edit, could be answered with the old machine. Here the name of the cached file also
holds a digest of the sources that the function's module imports, so that other sources mean another file.

It also holds a digest of the signature. Numba numbers a function's signatures as they come: two processes
that compile it at once for two signatures take the same number, and find the code of either under it.
"""

from __future__ import annotations

import gc
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from hashlib import blake2b
from pathlib import Path
from types import FunctionType
from typing import Any, ParamSpec, TypeVar, cast

import numba
from numba.core.caching import CompileResultCacheImpl, FunctionCache, IndexDataCacheFile
from numba.core.compiler_lock import global_compiler_lock

from structgen.native.inner_functions import TRIED, EntriesCacheImpl, Entry, Inner, InnerCacheImpl, compiled
from structgen.system.fork_locks import CODE, new_lock
from structgen.system.source_digests import digest_of, imported


@cache
def stamp(file: str) -> str:
    """Return the digest of a module's source file and of all of this package that it imports.

    Imports inside functions are left out, and may be: what a compiled function calls, and the constants in
    it, are globals of its module or cells of its closure. The globals come from imports at the left margin,
    and numba's own key of the function covers the cells. (Kept tables have no such bound, and are named by
    the digest of the whole package; under that digest each edit would compile everything anew.)
    """
    return digest_of(imported(Path(file)))


@cache
def announce() -> None:
    """Say once on a terminal why the first call takes so long; a log or a pipe is left alone."""
    if sys.stderr is not None and sys.stderr.isatty():
        sys.stderr.write(
            "structgen: compiling the inner loop, once after an installation: a minute or two "
            "(`structgen warmup` does it ahead)\n"
        )
        sys.stderr.flush()


class SignedFiles(IndexDataCacheFile):  # type: ignore[misc]
    """The files that keep one function, each named by its signature; there is no index."""

    def __init__(self, folder: str, name: str, source_stamp: Any) -> None:
        super().__init__(folder, name, source_stamp)
        self._name = name

    def save(self, key: Any, data: Any) -> None:
        """Keep what was compiled. `key`: the signature, the processor, and digests of the function's code."""
        self._save_data(self._data_name(key), (key, data))

    def load(self, key: Any) -> Any:
        """Return what was kept under a key, or None."""
        try:
            kept, data = self._load_data(self._data_name(key))
        except OSError:
            return None
        return data if kept == key else None

    def flush(self) -> None:
        """Keep nothing any longer."""
        for path in Path(self._cache_path).glob(f"{self._name}.*.nbc"):
            path.unlink(missing_ok=True)

    def _data_name(self, key: Any) -> str:
        """Return the name of a key's file: another for each version of numba, and of the source."""
        said = repr((self._version, self._source_stamp, key))
        return f"{self._name}.{blake2b(said.encode(), digest_size=8).hexdigest()}.nbc"


class StampedCache(FunctionCache):  # type: ignore[misc]
    """Numba's cache of one function, in files whose names hold the stamp of its module.

    It is opened when it is first asked: that looks at folders.
    """

    def __init__(self, function: Callable[..., Any], kind: type[Any] = CompileResultCacheImpl) -> None:
        self._impl_class = kind
        self._py_func = function
        self._cache_file: Any = None

    @property
    def cache_path(self) -> Any:
        """The folder of the files."""
        self._open()
        return self._cache_path

    def _open(self) -> None:
        if self._cache_file is not None:
            return
        super().__init__(self._py_func)
        self._cache_file = SignedFiles(
            self._cache_path,
            f"{self._impl.filename_base}-{stamp(self._py_func.__code__.co_filename)}",
            self._impl.locator.get_source_stamp(),
        )

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Return the kept code for a signature, or None: numba then compiles it."""
        self._open()
        found = super().load_overload(sig, target_context)
        if found is None:
            announce()
        return found


class EntriesCache(StampedCache):
    """The cache of entry points that share their machine code: one file."""

    def __init__(self, entries: list[Entry]) -> None:
        super().__init__(entries[0].py_func, EntriesCacheImpl)
        self._entries = entries

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Return what was kept, or None. Numba's compiler is not made ready. `sig`: of no use."""
        self._open()
        with self._guard_against_spurious_io_errors():
            found = self._load_overload(sig, target_context)
        if found is None:
            announce()
        return found

    def _index_key(self, sig: Any, codegen: Any) -> Any:
        """Return what tells the code from other code. `sig`: of no use."""
        return [
            (
                stamp(one.py_func.__code__.co_filename),
                one.py_func.__qualname__,
                FunctionCache._index_key(StampedCache(one.py_func), one.signature, codegen),
            )
            for one in self._entries
        ]


def alone(function: Callable[..., Any], **options: Any) -> Any:
    """Return a function that is compiled by itself, numba's own way, and kept. `options`: numba.njit's."""
    dispatcher = numba.njit(nogil=True, error_model="numpy", **options)(function)
    if dispatcher is not function:  # NUMBA_DISABLE_JIT hands the function back
        dispatcher._cache = StampedCache(function)
    return dispatcher


P = ParamSpec("P")
R = TypeVar("R")


def jit(function: Callable[P, R]) -> Callable[P, R]:
    """Return a function for compiled code to call: lowered when first needed, and kept
    (`inner_functions`)."""
    if numba.config.DISABLE_JIT or numba.version_info.short > TRIED:
        return cast(Callable[P, R], alone(function))
    dispatcher = Inner(function)
    dispatcher._cache = StampedCache(function, InnerCacheImpl)
    return cast(Callable[P, R], dispatcher)


def copy_of(function: Callable[..., Any], names: dict[str, Any]) -> Callable[..., Any]:
    """Return a copy of a function of Python's that finds others under `names`."""
    return FunctionType(function.__code__, names, function.__name__)


def copied(*functions: Callable[..., Any]) -> dict[str, Any]:
    """Return the names of a module with copies of some of its functions under theirs, compiled as by `jit`.

    The copies call each other. The functions themselves stay Python's, and run over integers of any size.
    """
    names = dict(functions[0].__globals__)
    names.update({one.__name__: jit(copy_of(one, names)) for one in functions})
    return names


@contextmanager
def uncollected() -> Iterator[None]:
    """Hold garbage collection back: what a compilation makes stays, and going through it costs a tenth."""
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


_loading = new_lock(CODE)
"""Numba's lock is its own: a fork while a thread holds it would leave it taken in the child."""


class Entries:
    """The entry points of a module: compiled together, or taken from the cache, when the first is called."""

    def __init__(self) -> None:
        self._waiting: list[Entry] = []

    def add(self, function: Callable[..., Any], signature: str) -> Entry:
        """Return one more."""
        made = Entry(function, signature, self.load)
        self._waiting.append(made)
        return made

    def load(self) -> None:
        """Have the code of all there."""
        if not self._waiting:
            return
        with _loading, global_compiler_lock:
            if not self._waiting:
                return
            cache = EntriesCache(self._waiting)
            context = self._waiting[0].targetctx
            kept = found = cache.load_overload(None, context)
            if found is None:
                with uncollected():
                    found = compiled(self._waiting)
                cache.save_overload(None, found)
            for one, result in zip(self._waiting, found, strict=True):
                one.put(result, kept is not None)
            self._waiting = []


_entries: defaultdict[str, Entries] = defaultdict(Entries)


def load(*modules: str) -> None:
    """Have the code of some modules' entry points there, compiled if need be, before the first is called."""
    for name in modules:
        if name in _entries:
            _entries[name].load()


def entry(signature: str) -> Callable[[Callable[..., R]], Callable[..., R]]:
    """Return a decorator for an entry point, which Python calls: compiled for one signature.

    That is done when an entry point of its module is called for the first time, for all of them: they are
    made machine code together, what they share once. The interpreter lock is released while one runs.
    """

    def decorate(function: Callable[..., R]) -> Callable[..., R]:
        if numba.config.DISABLE_JIT or numba.version_info.short > TRIED:
            dispatcher = alone(function, no_cfunc_wrapper=True)
            if dispatcher is not function:
                with uncollected():
                    dispatcher.compile(signature)
                dispatcher.disable_compile()
            return cast(Callable[..., R], dispatcher)
        inside = "<locals>" in function.__qualname__  # of a function, which may make many
        return cast(
            Callable[..., R],
            (Entries() if inside else _entries[function.__module__]).add(function, signature),
        )

    return decorate
