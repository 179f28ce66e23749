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
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from hashlib import blake2b
from pathlib import Path
from types import FunctionType
from typing import Any

import numba
from numba.core.caching import CompileResultCacheImpl, FunctionCache, IndexDataCacheFile

from structgen.inner import TRIED, Inner, InnerCacheImpl
from structgen.sources import digest_of, imported


@cache
def stamp(file: str) -> str:
    """Return the digest of a module's source file and of all of this package that it imports."""
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
    """Numba's cache of one function, in files whose names hold the stamp of its module."""

    def __init__(self, function: Callable[..., Any], kind: type[Any] = CompileResultCacheImpl) -> None:
        self._impl_class = kind
        super().__init__(function)
        self._cache_file = SignedFiles(
            self.cache_path,
            f"{self._impl.filename_base}-{stamp(function.__code__.co_filename)}",
            self._impl.locator.get_source_stamp(),
        )

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Return the kept code for a signature, or None: numba then compiles it."""
        found = super().load_overload(sig, target_context)
        if found is None:
            announce()
        return found


def alone(function: Callable[..., Any], **options: Any) -> Any:
    """Return a function that is compiled by itself, numba's own way, and kept. `options`: numba.njit's."""
    dispatcher = numba.njit(nogil=True, error_model="numpy", **options)(function)
    if dispatcher is not function:  # NUMBA_DISABLE_JIT hands the function back
        dispatcher._cache = StampedCache(function)
    return dispatcher


def jit(function: Callable[..., Any]) -> Any:
    """Return a function for compiled code to call: lowered when first needed, and kept (`inner`)."""
    if numba.config.DISABLE_JIT or numba.version_info.short > TRIED:
        return alone(function)
    dispatcher = Inner(function)
    dispatcher._cache = StampedCache(function, InnerCacheImpl)
    return dispatcher


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


def entry(signature: str) -> Callable[[Callable[..., Any]], Any]:
    """Return a decorator that compiles an entry point for one signature, or takes it from the cache.

    It does so at once; the interpreter lock is released while the function runs.
    """

    def decorate(function: Callable[..., Any]) -> Any:
        dispatcher = alone(function, no_cfunc_wrapper=True)
        if dispatcher is not function:
            with uncollected():
                dispatcher.compile(signature)
            dispatcher.disable_compile()
        return dispatcher

    return decorate
