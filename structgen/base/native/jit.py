"""`jit` and `entry`: numba's decorators with a cache that no change of the package can make stale.

Numba keeps compiled code under the name, the line and the time stamp of the file that a function stands in.
But a function holds the code and the constants of other modules too, and numba does not see when those
change: an upgrade, or an edit, could be answered with the old machine. Here the name of the cached file also
holds a digest of the sources that the function's module imports, so that other sources mean another file.

It also holds a digest of the signature. Numba numbers a function's signatures as they come: two processes
that compile it at once for two signatures take the same number, and find the code of either under it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from functools import cache, partial
from hashlib import blake2b
from importlib import import_module
from pathlib import Path
from types import FunctionType
from typing import Any, ParamSpec, TypeVar, cast

import numba
from numba.core.caching import CompileResultCacheImpl, FunctionCache, IndexDataCacheFile
from numba.core.compiler_lock import global_compiler_lock

from structgen.base.native.addresses import CHECKED
from structgen.base.native.compile_pace import Pace
from structgen.base.native.first_use import (
    JOBS,
    REST,
    Told,
    compile_together,
    one_process,
    processors,
    together,
)
from structgen.base.native.inner_functions import (
    TRIED,
    EntriesCacheImpl,
    Entry,
    Inner,
    compiled,
)
from structgen.base.native.shipped_code import fitting, folders, place, tell_unused
from structgen.base.native.shipped_code import load as load_shipped
from structgen.base.native.shipped_code import write as write_shipped
from structgen.base.system.cache import tell_unusable, warn
from structgen.base.system.fork_locks import CODE, new_lock
from structgen.base.system.garbage import uncollected
from structgen.base.system.source_digests import digest_of, imported
from structgen.base.system.waits import told


@cache
def stamp(file: str) -> str:
    """Return the digest of a module's source file and of all of this package that it imports.

    Imports inside functions are left out, and may be: what a compiled function calls, and the constants in
    it, are globals of its module or cells of its closure. The globals come from imports at the left margin,
    and numba's own key of the function covers the cells. (Kept tables have no such bound, and are named by
    the digest of the whole package; under that digest each edit would compile everything anew.)
    """
    return digest_of(imported(Path(file)))


_LOST = "the compiled inner loops are not kept, and each process compiles them again."
_CURE = "Set NUMBA_CACHE_DIR to a folder that can be written."


@cache
def tell_not_kept() -> None:
    """Say by a StoreWarning, once, that there is no folder for compiled code."""
    warn(f"No folder for machine code can be written: {_LOST}", cure=_CURE)


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

    def holds(self, key: Any) -> bool:
        """Return whether a file is kept under a key."""
        return Path(self._data_path(self._data_name(key))).is_file()

    def flush(self) -> None:
        """Keep nothing any longer."""
        for path in Path(self._cache_path).glob(f"{self._name}.*.nbc"):
            path.unlink(missing_ok=True)

    def _data_name(self, key: Any) -> str:
        """Return the name of a key's file: another for each version of numba, and of the source."""
        said = repr((self._version, self._source_stamp, key, *["checked"] * CHECKED))
        return f"{self._name}.{blake2b(said.encode(), digest_size=8).hexdigest()}.nbc"


class StampedCache(FunctionCache):  # type: ignore[misc]
    """Numba's cache of one function, in files whose names hold the stamp of its module.

    It is opened when it is first asked: that looks at folders.
    """

    def __init__(self, function: Callable[..., Any], kind: type[Any] = CompileResultCacheImpl) -> None:
        self._impl_class = kind
        self._py_func = function
        self._opened = False

    @property
    def cache_path(self) -> Any:
        """The folder of the files; None where no folder can be written."""
        self._open()
        return self._cache_path

    def _open(self) -> None:
        if self._opened:
            return
        try:
            super().__init__(self._py_func)
        except RuntimeError:  # numba found no folder for the files
            self._cache_path: Any = None
            self.disable()
        else:
            self._cache_file = SignedFiles(
                self._cache_path,
                f"{self._impl.filename_base}-{stamp(self._py_func.__code__.co_filename)}",
                self._impl.locator.get_source_stamp(),
            )
        self._opened = True

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Return the kept code for a signature, or None: numba then compiles it."""
        self._open()
        return super().load_overload(sig, target_context)

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keep what was compiled for a signature. Where that fails, a StoreWarning says so once."""
        self._open()
        if self._cache_path is None:
            tell_not_kept()
        try:
            super().save_overload(sig, data)
        except OSError as error:
            tell_unusable(self._cache_path, error, f"cannot write {self._cache_path}", _LOST, _CURE)


class EntriesCache(StampedCache):
    """The cache of entry points that share their machine code: one file."""

    def __init__(self, entries: list[Entry]) -> None:
        super().__init__(entries[0].py_func, EntriesCacheImpl)
        self._entries = entries

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Return what was kept, or shipped for processors of a level, or None. Numba's compiler is not made
        ready. `sig`: of no use."""
        self._open()
        with self._guard_against_spurious_io_errors():
            overload = self._load_overload(sig, target_context)
        if overload is None and not CHECKED:
            overload = load_shipped(self._entries, stamp(self._py_func.__code__.co_filename))
        return overload

    def source(self) -> str:
        """Return where the code lies: "kept", "shipped", or "none" where it would be compiled. Nothing is
        loaded, so that a damaged file counts."""
        self._open()
        key = self._index_key(None, self._entries[0].targetctx.codegen())
        if self._cache_path is not None and self._cache_file.holds(key):
            return "kept"
        held, digest = self._entries, stamp(self._py_func.__code__.co_filename)
        paths = (place(folder, level, held, digest) for folder in folders() for level in fitting())
        return "shipped" if not CHECKED and any(path.is_file() for path in paths) else "none"

    def values(self, codegen: Any) -> Any:
        """Return what is kept of the entry points, as values (`inner_functions.as_values`)."""
        self._open()
        return self._cache_file.load(self._index_key(None, codegen))

    def _index_key(self, sig: Any, codegen: Any) -> Any:
        """Return what tells the code from other code. `sig`: of no use."""
        return [
            (
                stamp(entry.py_func.__code__.co_filename),
                entry.py_func.__qualname__,
                FunctionCache._index_key(StampedCache(entry.py_func), entry.signature, codegen),
            )
            for entry in self._entries
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
    """Return a function for compiled code to call, lowered when a process needs it (`inner_functions`)."""
    if numba.config.DISABLE_JIT or numba.version_info.short > TRIED:
        return cast(Callable[P, R], alone(function))
    return cast(Callable[P, R], Inner(function))


def copy_of(function: Callable[..., Any], names: dict[str, Any]) -> Callable[..., Any]:
    """Return a copy of a function of Python's that finds others under `names`."""
    return FunctionType(function.__code__, names, function.__name__)


def copied(*functions: Callable[..., Any]) -> dict[str, Any]:
    """Return the names of a module with copies of some of its functions under theirs, compiled as by `jit`.

    The copies call each other. The functions themselves stay Python's, and run over integers of any size.
    """
    names = dict(functions[0].__globals__)
    names.update({function.__name__: jit(copy_of(function, names)) for function in functions})
    return names


_loading = new_lock(CODE)
"""Numba's lock is its own: a fork while a thread holds it would leave it taken in the child."""


class Entries:
    """The entry points of a module: compiled together, or taken from the cache, when the first is called."""

    def __init__(self) -> None:
        self.all: list[Entry] = []
        self._waiting: list[Entry] = []

    def add(self, function: Callable[..., Any], signature: str) -> Entry:
        """Return one more. One of the same name goes: an exception cut off an import of the module."""
        made, name = Entry(function, signature, self.load), function.__qualname__
        for known in (self.all, self._waiting):
            known[:] = [*(entry for entry in known if entry.py_func.__qualname__ != name), made]
        return made

    def load(self) -> None:
        """Have the code of all there. Where it has to be compiled, the modules that the same kind of grammar
        needs are compiled with it (`first_use`)."""
        if not self._waiting:
            return
        with _loading, global_compiler_lock:
            if self.is_ready():
                return
            module = self._waiting[0].py_func.__module__
            title, names = together(module, _entries)
            if title == REST or module not in _entries or _entries[module] is not self:
                self.compile()
                return
            with one_process(self._cache().cache_path, title, self.is_ready):
                # another process may have made this module and be at the others, which are not needed yet
                if not self.is_ready():
                    compile_modules(names, title=title)

    def is_ready(self) -> bool:
        """Return whether the code of all is there, taken from the cache if need be."""
        if not self._waiting:
            return True
        with _loading, global_compiler_lock:
            results = self._cache().load_overload(None, self._waiting[0].targetctx)
            if results is not None:
                self._put(results, True)
            return results is not None

    def compile(self) -> None:
        """Compile all and keep the code, unless it is there."""
        with _loading, global_compiler_lock:
            if self.is_ready():
                return
            with uncollected():
                results = compiled(self._waiting)
            self._cache().save_overload(None, results)
            self._put(results, False)

    def _cache(self) -> EntriesCache:
        return EntriesCache(self._waiting)

    def _put(self, results: Any, kept: bool) -> None:
        for entry, result in zip(self._waiting, results, strict=True):
            if not entry.overloads:
                entry.put(result, kept)
        self._waiting = []


_entries: defaultdict[str, Entries] = defaultdict(Entries)


def source_of(name: str) -> str:
    """Import a module; return where the code of its entry points lies, as `EntriesCache.source` does. "none"
    too where numba compiles its own way. Cost: some ms, and the import."""
    import_module(name)
    return EntriesCache(_entries[name].all).source() if name in _entries else "none"


def compile_module(name: str) -> None:
    """Import a module, and have the code of its entry points there: compiled in this process if need be."""
    import_module(name)
    if name in _entries:
        _entries[name].compile()


def compile_modules(
    names: Sequence[str],
    jobs: int = JOBS,
    *,
    title: str = "",
    done: Callable[[str], None] = lambda name: None,
    watch: Callable[[Pace], None] = lambda pace: None,
) -> None:
    """Have the code of some modules' entry points there, compiled by up to `jobs` processes if need be.

    `title`: of the lines on stderr that tell a person about the wait; none where it is empty. `done(name)` is
    called after each module that had to be compiled, and `watch` with the pace as that goes on. Costs some
    45 s of one processor for all modules.
    """
    missing = []
    for name in names:
        import_module(name)
        if name in _entries and not _entries[name].is_ready():
            missing.append(name)
    if not missing:
        return
    jobs = min(jobs, processors(), len(missing))
    with uncollected(), told(f"compiling the inner loops of {title}") if title else nullcontext():
        if title:
            watch = Told(title)
            watch.begin(missing, jobs)
        compile_together(missing, compile_module, jobs, done, watch)


def ship(name: str, folder: Path, level: str) -> int:
    """Write the kept code of a module's entry points as a file of a level (`shipped_code`); return its bytes.
    The module has been compiled, for that level and not for this processor. Raises OSError."""
    entries = _entries[name].all
    cache = EntriesCache(entries)
    values = cache.values(entries[0].targetctx.codegen())
    return write_shipped(folder, level, entries, stamp(entries[0].py_func.__code__.co_filename), values)


@cache
def code_of(function: Any) -> int:
    """Return the address of the code of an entry point, which compiled code of other modules may call
    (`raw_memory.call2`); 0 where Python interprets it."""
    if isinstance(function, Entry):
        function._load()
    if not hasattr(function, "overloads"):
        return 0
    if not function.overloads:
        function._compile_for_args()
    (result,) = function.overloads.values()
    return int(result.library.get_pointer_to_function(result.fndesc.llvm_func_name))


def _compile_late(dispatcher: Any, signature: str, *_args: Any, **_kws: Any) -> Any:
    """Return the code of an entry point that numba compiles its own way, when it is first called: the
    functions below it in its module are there then."""
    if not dispatcher.overloads:
        with uncollected():
            dispatcher.compile(signature)
        if dispatcher.stats.cache_misses:
            tell_unused()
        dispatcher.disable_compile()
    (result,) = dispatcher.overloads.values()
    return result.entry_point


def entry(signature: str) -> Callable[[Callable[..., R]], Callable[..., R]]:
    """Return a decorator for an entry point, which Python calls: compiled for one signature.

    That is done when an entry point of its module is called for the first time, for all of them: they are
    made machine code together, what they share once. The interpreter lock is released while one runs.
    """

    def decorate(function: Callable[..., R]) -> Callable[..., R]:
        if numba.config.DISABLE_JIT or numba.version_info.short > TRIED:
            dispatcher = alone(function, no_cfunc_wrapper=True)
            if dispatcher is not function:
                dispatcher._compile_for_args = partial(_compile_late, dispatcher, signature)
            return cast(Callable[..., R], dispatcher)
        inside = "<locals>" in function.__qualname__  # of a function, which may make many
        return cast(
            Callable[..., R],
            (Entries() if inside else _entries[function.__module__]).add(function, signature),
        )

    return decorate
