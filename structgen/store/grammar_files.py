"""The entries of compiled Lark grammars, read and written whole: one for each grammar, of what no vocabulary
changes, and one for each grammar and vocabulary.

The folder is bounded in bytes; what was used least recently goes first. A missing grammar costs time.
"""

from __future__ import annotations

import atexit
import math
import os
import sys
import threading
import time
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, ClassVar, Final, NamedTuple, Protocol, TypeVar
from weakref import WeakSet, finalize

import numpy.typing as npt

from structgen.errors import StoreWarning
from structgen.native.array_file import ArrayFile
from structgen.native.cache_entries import CacheEntries, evict
from structgen.system.cache import warn
from structgen.system.fork_locks import QUEUES, WRITING, new_lock, tell

GRAMMAR_SUFFIX: Final = ".grammar"
"""Of the entries of grammars and vocabularies."""
LEXER_SUFFIX: Final = ".lexer"
"""Of the entries of grammars alone."""
OLD_SUFFIXES: Final = (".masks", ".row")
"""Of files that earlier versions wrote."""
SUFFIXES: Final = (GRAMMAR_SUFFIX, LEXER_SUFFIX, *OLD_SUFFIXES)
"""Of all files of a store."""
_TRIM: Final = 64
"""The folder is measured after each such part of its bound that this process has written."""
_HELD: Final = 8
"""Grammars that were dropped and wait to be written, with their tables; of more the oldest are forgotten."""
_MANY: Final = _HELD // 2
"""Grammars that are written though others are compiled; fewer wait until none is."""
_IDLE: Final = 0.1
"""Seconds without a compilation after which they are written: whoever compiles shares the interpreter with
the thread that writes."""
EXIT_SECONDS: Final = 1.0
"""Seconds that writing may take when the process ends: what is not begun by then is not kept. What was begun
may take a few tenths of a second more, as long as the largest grammar of EXIT_BYTES takes."""
EXIT_BYTES: Final = 1 << 25
"""Bytes of grammars, about, that are written when the process ends."""
_PATIENCE: Final = 5.0
"""Seconds to wait for whoever fills masks, or writes, before a grammar is left as it was kept."""
_FEW: Final = 16
"""One process in so many measures the folder when it has written little."""


_T = TypeVar("_T")


class WrittenGrammar(NamedTuple):
    """What is to be written of a grammar."""

    key: str
    kind: str
    arrays: Mapping[str, npt.NDArray[Any]]
    numbers: Mapping[str, int] = {}


class Keeper(Protocol):
    """What knows how a grammar is kept, after the grammar itself is gone too."""

    files: GrammarFiles

    @property
    def is_new(self) -> bool:
        """Whether something was met that is not written; told without a lock, and at once."""
        ...

    @property
    def size(self) -> int:
        """Bytes that it takes to keep it, about; told without a lock, in some microseconds."""
        ...

    def encode(self, patience: float) -> WrittenGrammar | None:
        """Return what is new since the last time, None where nothing is. Takes the grammar's lock, and waits
        for it as many seconds as `patience` says. Lets other threads have the interpreter between its steps.
        """
        ...


class GrammarFiles:
    """The files of grammars in one folder. Safe for many threads and processes."""

    def __init__(self, path: Path, writer: GrammarWriter, suffix: str) -> None:
        self.path, self.writer = path, writer
        self._grammars = CacheEntries(path, suffix)

    def read(self, kind: str, key: str) -> ArrayFile | None:
        """Return a grammar; None where there is none. See `CacheEntries.read`."""
        return None if self.writer.gave_up else self._grammars.read(kind, key)

    def drop(self, key: str, why: str) -> Path:
        """Delete a grammar, with a StoreWarning; return its path."""
        return self._grammars.drop(key, why)

    def write(self, written: WrittenGrammar) -> int:
        """Write a grammar; return the bytes. Raises OSError where the folder does not take it (a StoreWarning
        has said so)."""
        size = self._grammars.write(written.kind, written.key, written.arrays, written.numbers)
        if not size:
            raise OSError
        return size


class GrammarWriter:
    """Writes the grammars of one store, once they are dropped and when the process ends. It knows whether the
    folder takes what is written (if not, that is said once, and not tried again), and how much it may
    hold."""

    def __init__(self, root: Path, most: int) -> None:
        self._root, self._most = root, most
        self.gave_up = False
        self._since = 0
        self._measured = os.getpid() % _FEW != 0
        self._writing = new_lock(WRITING)

    def watch(self, grammar: object, keeper: Keeper) -> None:
        """Have a grammar written after it was dropped, or when the process ends."""
        if sys.byteorder == "little" and not self.gave_up:
            _Queue.get().watch(grammar, keeper)

    def flush(self) -> None:
        """Write all that is new in this process, now."""
        _Queue.get().flush()

    def write(self, keeper: Keeper, patience: float = _PATIENCE) -> None:
        """Write what is new of a grammar. Waits for its lock `patience` seconds, and for another one (`put`);
        leaves the grammar out then."""
        written = None if self.gave_up else keeper.encode(patience)
        if written is not None:
            self.put(keeper.files, written, patience)

    def put(self, files: GrammarFiles, written: WrittenGrammar, patience: float = _PATIENCE) -> None:
        """Write a file now. A folder that does not take it is given up, with one StoreWarning. Waits for who
        writes already `patience` seconds, and leaves the file out then."""
        if self.gave_up or not self._writing.acquire(timeout=patience):
            return
        try:
            size = files.write(written)
        except (OSError, StoreWarning):
            # said already, or where warnings are errors
            self.gave_up = True
            return
        finally:
            self._writing.release()
        self._wrote(size)

    def _wrote(self, size: int) -> None:
        """Count bytes that were written, and delete the oldest files where the folder holds too much: it is
        looked through, 10 us a file, now and then."""
        self._since += size
        if self._since > self._most // _TRIM or not self._measured:
            self._since, self._measured = 0, True
            evict(self._root, self._most, SUFFIXES)

    def cannot(self, error: Exception) -> None:
        """Give the folder up for an error that nobody expects; a StoreWarning says so."""
        self.gave_up = True
        with suppress(StoreWarning):  # where warnings are errors
            warn(f"cannot keep a grammar ({type(error).__name__}: {error}): its masks stay in memory alone.")


class _Queue:
    """The grammars of this process that are not written yet.

    One that is dropped is put in a queue, with its tables, and nothing else is done there: that may happen
    anywhere, while any lock is held, in the midst of a request. A thread encodes and writes it once no
    grammar has been compiled for a moment, or many wait. The thread is begun by the first compilation after a
    grammar was dropped, and waits for more from then on.
    """

    queues: ClassVar[dict[None, _Queue]] = {}

    @classmethod
    def get(cls) -> _Queue:
        """Return the queue of this process, made when first asked for."""
        found = cls.queues.get(None)
        # of two threads that come here at once, both take what the first has put there
        return found if found is not None else cls.queues.setdefault(None, cls())

    def __init__(self) -> None:
        self._dropped: deque[Keeper] = deque(maxlen=_HELD)
        self._compiled = 0.0
        """When a grammar was compiled last."""
        self._live: WeakSet[Any] = WeakSet()
        self._thread: threading.Thread | None = None
        self._calls: SimpleQueue[None] = SimpleQueue()
        """By which the thread is woken. A finalizer runs in the midst of anything, and `SimpleQueue.put` is
        the one call of this kind that may interrupt itself."""
        self._called = False
        """Whether the thread was woken, and has not found the queue empty since."""
        self._ended = False
        """Whether the process ends, so that the thread takes nothing more."""
        self._registered = 0
        self._lock = new_lock(QUEUES)
        self._busy = threading.Lock()
        """Held by the thread while it writes a grammar that it has taken."""
        tell(self)

    def watch(self, grammar: object, keeper: Keeper) -> None:
        """Have a grammar written after it was dropped, or when the process ends; see to it that those dropped
        before are."""
        with self._lock:
            self._live.add(keeper)
            if self._registered != os.getpid():
                # in each process: a child that a fork made may end without its parent's exit functions
                self._registered = os.getpid()
                atexit.register(self._at_exit)
            finalize(grammar, self._drop, keeper).atexit = False
            self._compiled = time.monotonic()
            if self._thread is None and self._dropped:
                thread = threading.Thread(
                    target=self._run, args=(self._calls,), name="structgen-grammars", daemon=True
                )
                try:
                    thread.start()
                except RuntimeError:
                    return  # the interpreter ends: what is left is written then
                self._thread = thread

    def _drop(self, keeper: Keeper) -> None:
        """Take a grammar that nobody has any more. Cost: some 20 us."""
        if keeper.files.writer.gave_up or not keeper.is_new:
            return
        self._dropped.append(keeper)
        if not self._called or len(self._dropped) == _MANY:
            self._called = True
            self._calls.put(None)

    def _run(self, calls: SimpleQueue[None]) -> None:
        """Write what is dropped; `calls`: of this process, a fork has others."""
        while True:
            if self._ended or not self._dropped:
                self._called = False
                # what was put there before the line above may not have called
                if self._ended or not self._dropped:
                    calls.get()
                continue
            quiet = time.monotonic() - self._compiled
            if quiet < _IDLE and len(self._dropped) < _MANY:
                with suppress(Empty):
                    calls.get(timeout=_IDLE - quiet)
                continue
            while self._write_one():
                time.sleep(0)  # nobody who fills masks waits for all of it

    def _write_one(self) -> bool:
        """Write one of those that were dropped. Returns whether there was one."""
        with self._busy:
            keeper = None if self._ended else _taken(self._dropped)
            if keeper is None:
                return False
            writer = keeper.files.writer
            try:
                writer.write(keeper)
            except Exception as error:  # of whatever kind: who dropped the grammar waits for nothing
                writer.cannot(error)
            return True

    def _at_exit(self) -> None:
        """Write what is new, as far as the bounds of the exit allow."""
        self._ended = True
        self.flush(EXIT_SECONDS, EXIT_BYTES)

    def flush(self, seconds: float = math.inf, most: float = math.inf) -> None:
        """Write all that is new, now; what is not begun after some seconds, or is past `most` bytes together,
        is left out. Returns once what the thread has begun is written too."""
        until = time.monotonic() + seconds

        def write(keeper: Keeper) -> None:
            nonlocal most
            left = until - time.monotonic()
            if left > 0 and keeper.is_new and (size := keeper.size) <= most:
                most -= size
                keeper.files.writer.write(keeper, min(_PATIENCE, left))

        with self._lock:
            live = list(self._live)
        while (dropped := _taken(self._dropped)) is not None:
            write(dropped)
        if self._busy.acquire(timeout=min(max(0.0, until - time.monotonic()), threading.TIMEOUT_MAX)):
            self._busy.release()
        for keeper in live:
            write(keeper)

    def after_fork(self) -> None:
        """The parent writes what it dropped; this process has no writing thread yet."""
        self._dropped.clear()
        self._thread = None
        self._busy = threading.Lock()
        self._calls = SimpleQueue()
        self._called = self._ended = False


def _taken(dropped: deque[_T]) -> _T | None:
    """Return the first of a queue, taken from it; others may take too."""
    try:
        return dropped.popleft()
    except IndexError:
        return None
