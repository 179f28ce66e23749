"""The mask store: memory for masks and records that all grammars of a process share.

A *terminal* is a part of a text that one automaton reads, e.g. a string. A *record* lists what each token
does in one state of a terminal's automaton. Some tokens stay *inside* the terminal: they are a *dense row* (a
row of bits, one for each token), or a list where they are few. Others close it: for each outcome of the
terminal, the record has a small trie of the bytes that come after the end. It is walked on the real stack.
This is SynCode's pair of mask stores M0 and M1, made exact.

The key of a record is the content of the automaton's state, and names no grammar. So any grammar that comes
to an equal state finds the record. Records and compiled grammars are in memory alone. A store with a folder
keeps the lexers of Lark grammars there, which do not depend on the vocabulary: a file for each grammar,
written when it is first compiled.
"""

from __future__ import annotations

import os
import threading
import zlib
from copy import copy
from pathlib import Path
from typing import Any, ClassVar, Final, Literal, TypeAlias
from weakref import WeakKeyDictionary, WeakValueDictionary, ref

import numpy as np

from structgen.base.errors import OptionError, OutOfMemoryError, fields_named
from structgen.base.language import checks
from structgen.base.native.addresses import address_of
from structgen.base.native.array_types import Int32Array
from structgen.base.native.bit_rows import add_tokens
from structgen.base.native.cache_entries import CacheEntries
from structgen.base.native.lazy_memory import room
from structgen.base.system.cache import ENVIRONMENT_VARIABLE, cache_folder
from structgen.base.system.fork_locks import STORES, new_lock
from structgen.base.system.source_digests import package_digest
from structgen.base.system.text_files import StrPath
from structgen.machines.store.recent_grammars import HeldGrammars, RecentGrammars
from structgen.tokens.vocabulary import MOST_ON_DISK, Vocabulary

LEXER_SUFFIX: Final = ".lexer"
"""The suffix of the files of a store."""
package_digest()  # It takes some milliseconds, for which no grammar should wait later.


class VocabularyStore:
    """The part of a store that belongs to one vocabulary. Rows are append-only and never move."""

    def __init__(self, vocabulary: Vocabulary, memory: int, held_grammars: HeldGrammars[Any]) -> None:
        """`memory`: the most bytes of the dense rows, and again the most bytes of the shared records.
        `held_grammars`: the object that holds compiled grammars; this part refers to it weakly."""
        words = vocabulary.words
        self.capacity = max(1, memory // (4 * words))
        while True:
            try:
                rows = room(4 * self.capacity * words)
                break
            except OutOfMemoryError:
                # A smaller store keeps fewer masks. It tries an eighth, and not all that there is: the rest
                # of the process needs addresses, too.
                if self.capacity == 1:
                    raise
                self.capacity = max(1, self.capacity // 8)
        self.rows: Int32Array = rows.view(np.int32).reshape(-1, words)
        self.address = address_of(self.rows)
        self.used = 0
        self.records_made = 0
        """The number of records of JSON's terminals that were made by a scan."""
        self.terminals: Any = None
        """The shared records of JSON's terminals (`json_machine.records`); None until a grammar asks."""
        self.workspaces = threading.local()
        """Each thread's scratch arrays for walks of this vocabulary."""
        self.words = words
        """32-bit words of a row."""
        self.recent: RecentGrammars[Any] = RecentGrammars(memory // 8, held_grammars)
        """The compiled JSON grammars that were asked for last, by their content."""
        self.memory = memory
        """The most bytes of the shared records, dense rows not counted."""
        self._by_content: dict[int, list[int]] = {}
        """A checksum of rows -> the numbers of the rows that have it."""
        self.lock = new_lock(STORES)

    def dense_row(self, tokens: Int32Array) -> Int32Array:
        """Return a row of bits (int32 words) that has some tokens."""
        row = np.zeros(self.words, np.int32)
        add_tokens(row, np.ascontiguousarray(tokens, np.int32))
        return row

    def intern_row(self, row: Int32Array) -> int | None:
        """Return the number of an equal row; a new row is copied into the store.

        None: the row is new, and the store is full. Cost: 10 us.
        """
        with self.lock:
            content_hash = zlib.crc32(np.ascontiguousarray(row).data)
            rows_of_hash = self._by_content.setdefault(content_hash, [])
            for number in rows_of_hash:
                if np.array_equal(self.rows[number], row):
                    return number
            number = self.used
            if number == self.capacity:
                return None
            # The row is written before anybody can find its number: masks are read without a lock.
            self.rows[number] = row
            self.used = number + 1
            rows_of_hash.append(number)
            return number

    @property
    def nbytes(self) -> int:
        """Bytes of memory in use: rows and records. At most twice the store's `memory`."""
        records = 0 if self.terminals is None else int(self.terminals.nbytes)
        return self.used * int(self.rows.shape[1]) * 4 + records


@fields_named(
    "sg.MaskStore(path)", {"grammars": "Leave it out: compiled schemas and masks lie in memory alone"}
)
class MaskStore:
    """A mask store: grammars that are compiled with the same store share its records. Safe for many threads.

    `memory` bounds the bytes of the dense rows of each vocabulary, and again the bytes of all else. Past it
    masks are computed, but not kept. An eighth of it is for compiled JSON Schemas: the newest, and the last
    that were asked for again. They are freed with this object. Its rows and records are freed with the last
    grammar that uses them.

    `path`: a folder for the lexers of Lark grammars, which many processes may share. It is made when the
    first file is written. None: lexers stay in memory. A damaged file is deleted with a StoreWarning, and
    made anew. If the folder cannot be written, lexers stay in memory, with one StoreWarning. `disk` bounds
    the bytes of the folder: past it the oldest files are deleted.
    """

    _twin: MaskStore | None = None
    """The same store without the compiled grammars (`of_grammars`); None for a twin itself."""

    def __init__(
        self,
        path: StrPath | None = None,
        *,
        memory: int = 256 * 1024 * 1024,
        disk: int = MOST_ON_DISK,
    ) -> None:
        self.path = None if path is None else Path(path)
        self.memory = checks.check_whole("memory", memory, 0)
        disk = checks.check_whole("disk", disk, 0)
        self._parts: WeakKeyDictionary[Vocabulary, VocabularyStore] = WeakKeyDictionary()
        self._lock = new_lock(STORES)
        self.lexers = None if self.path is None else CacheEntries(self.path, LEXER_SUFFIX, disk)
        """The files of the lexers of Lark grammars, which depend on no vocabulary; None for a store in
        memory."""
        held_grammars: WeakKeyDictionary[Vocabulary, HeldGrammars[Any]] = WeakKeyDictionary()
        self._grammars_ref = ref(held_grammars)
        # The twin has all but the grammars: compiled grammars refer to it, and would else keep themselves.
        twin = copy(self)
        self._twin = twin
        self._own_grammars = held_grammars

    @property
    def of_grammars(self) -> MaskStore:
        """The same store without the grammars that it holds: compiled grammars refer to it. Else grammars and
        store would hold each other, and only the garbage collector would free them."""
        return self._twin or self

    def of(self, vocabulary: Vocabulary) -> VocabularyStore:
        """Return the part of the store for a vocabulary."""
        part = self._parts.get(vocabulary)
        if part is None:
            with self._lock:
                part = self._parts.get(vocabulary)  # another thread may have made it meanwhile
                if part is None:
                    held_grammars = HeldGrammars[Any]()
                    part = self._parts[vocabulary] = VocabularyStore(vocabulary, self.memory, held_grammars)
                    if (own_grammars := self._grammars_ref()) is not None:
                        own_grammars[vocabulary] = held_grammars
        return part

    @property
    def recent(self) -> list[Any]:
        """The compiled JSON grammars that the store holds because they were asked for last."""
        return [grammar for part in list(self._parts.values()) for grammar in part.recent.grammars]

    def let_go(self) -> None:
        """Drop all compiled JSON grammars that this store holds; their masks stay. A grammar that nobody else
        uses is freed."""
        for part in list(self._parts.values()):
            part.recent.clear()

    @property
    def nbytes(self) -> int:
        """Bytes of memory in use, all vocabularies together."""
        return sum(part.nbytes for part in list(self._parts.values()))

    def __repr__(self) -> str:
        return f"<MaskStore {'in memory' if self.path is None else f'in {self.path}'}>"


def default_store() -> MaskStore:
    """Return the process's default store (`store=None`), in `masks` of the cache folder.

    There is one object for each value of STRUCTGEN_CACHE.
    """
    chosen = os.environ.get(ENVIRONMENT_VARIABLE, "")
    store = _Default.stores.get(chosen)
    if store is None:
        # Of two threads that come here at once, both take what the first has put there.
        store = _Default.stores.setdefault(chosen, MaskStore(cache_folder() / "masks"))
    return store


StoreOption: TypeAlias = MaskStore | Literal[False] | None
"""The store with which a grammar is compiled. None: the process's default; False: a store of its own."""


def store_of(store: StoreOption | StrPath) -> StoreOption:
    """Return the store that an option names: for a path, the process's store in that folder.

    It is the same object as long as somebody uses it. A store, None and False are returned as they are.
    Raises OptionError for any other object.
    """
    if store is None or store is False or isinstance(store, MaskStore):
        return store
    if not isinstance(store, str | os.PathLike) or not os.fspath(store):
        raise OptionError(
            f"store={store!r} is not a mask store.",
            where="store",
            cure="Pass a folder, an sg.MaskStore(...), False for none, or None for that of the process.",
        )
    path = os.path.abspath(store)
    with _Folders.lock:
        known_store = _Folders.stores.get(path)
        if known_store is None:
            # The twin: a store that held its grammars would never go, since they hold it.
            known_store = _Folders.stores[path] = MaskStore(path).of_grammars
    return known_store


class _Folders:
    """The stores that were named by their folders, as long as somebody uses them."""

    stores: ClassVar[WeakValueDictionary[str, MaskStore]] = WeakValueDictionary()
    lock: ClassVar[threading.RLock] = new_lock(STORES)


class _Default:
    """The default stores of the process, by the value of STRUCTGEN_CACHE."""

    stores: ClassVar[dict[str, MaskStore]] = {}
