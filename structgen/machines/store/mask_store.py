"""The mask store: the tokens inside a terminal, for any grammar that meets the same automaton state.

A record is keyed by the content of the automaton state; no grammar is in the key, so all grammars of a
process share it. A record holds the tokens that stay *inside* the terminal (a dense row, or a list where they
are few) and, for each outcome with which it may close, what tokens leave over: the *crossings*, as a small
byte trie that is walked on the real stack. This is SynCode's pair of mask
stores M0 and M1, made exact.

Records and compiled grammars lie in memory alone. A store with a folder keeps what no vocabulary changes of
Lark grammars there, a file for each, written when it is first compiled.
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
import numpy.typing as npt

from structgen.base.errors import OptionError, OutOfMemoryError, fields_named
from structgen.base.language import checks
from structgen.base.native.addresses import address_of
from structgen.base.native.bit_rows import add_tokens
from structgen.base.native.cache_entries import CacheEntries
from structgen.base.native.lazy_memory import room
from structgen.base.system.cache import ENVIRONMENT_VARIABLE, cache_folder
from structgen.base.system.fork_locks import STORES, new_lock
from structgen.base.system.source_digests import package_digest
from structgen.machines.store.recent_grammars import HeldGrammars, RecentGrammars
from structgen.tokens.vocabulary import MOST_ON_DISK, Vocabulary

LEXER_SUFFIX: Final = ".lexer"
"""Of the files of a store."""
package_digest()  # some milliseconds, which no grammar should wait for


class VocabularyStore:
    """The part of a store that belongs to one vocabulary. Rows are append-only and never move."""

    def __init__(self, vocabulary: Vocabulary, memory: int, held_grammars: HeldGrammars[Any]) -> None:
        """`memory`: the most bytes of rows, and again of the records that grammars share. `held_grammars`:
        where it holds grammars; it has only a weak reference to that object."""
        words = vocabulary.words
        self.capacity = max(1, memory // (4 * words))
        while True:
            try:
                rows = room(4 * self.capacity * words)
                break
            except OutOfMemoryError:
                # A smaller store keeps fewer masks. An eighth, and not all that there is: the rest of the
                # process needs addresses, too.
                if self.capacity == 1:
                    raise
                self.capacity = max(1, self.capacity // 8)
        self.rows: npt.NDArray[np.int32] = rows.view(np.int32).reshape(-1, words)
        self.address = address_of(self.rows)
        self.used = 0
        self.records_made = 0
        """Records of JSON's terminals that were worked out by a scan."""
        self.terminals: Any = None
        """Those of them that grammars share (`json_machine.records`), once one has asked."""
        self.workspaces = threading.local()
        """Each thread's scratch arrays for walks of this vocabulary."""
        self.words = words
        """32-bit words of a row."""
        self.recent: RecentGrammars[Any] = RecentGrammars(memory // 8, held_grammars)
        """Compiled JSON grammars, by their content."""
        self.memory = memory
        """The most bytes of the records that grammars share, without the rows."""
        self._by_content: dict[int, list[int]] = {}
        self.lock = new_lock(STORES)

    def dense_row(self, tokens: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
        """Return a row of the tokens' bits (int32 words)."""
        row = np.zeros(self.words, np.int32)
        add_tokens(row, np.ascontiguousarray(tokens, np.int32))
        return row

    def intern_row(self, row: npt.NDArray[np.int32]) -> int | None:
        """Return the number of an equal row, or None where it is new and nothing is free. Cost: 10 us."""
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
    """A mask store; grammars that are compiled with the same store share its records. Safe for many threads.

    `memory` bounds, for each vocabulary, the bytes of the dense rows, and again those of all else: past it
    masks are computed, not kept. An eighth of it holds compiled JSON Schemas: the newest, and the last that
    came again. They go with this object; its rows and records go with the last grammar that has them.

    `path`: a folder for the lexers of Lark grammars, made when first written, which many processes may
    share; each is written when its grammar is first compiled. None: they stay in memory. A damaged file is
    deleted, with a StoreWarning, and what it held made anew; a folder that cannot be written leaves them in
    memory, with one StoreWarning. `disk` bounds the bytes of the folder: past it the oldest files go.
    """

    _twin: MaskStore | None = None

    def __init__(
        self,
        path: str | os.PathLike[str] | None = None,
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
        """The same store as compiled grammars refer to it: it keeps no grammar. A store that held grammars
        which hold it would be freed only when garbage is collected."""
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
        """Let go of the compiled JSON grammars that nobody else holds; of their masks it lets none go."""
        for part in list(self._parts.values()):
            part.recent.clear()

    @property
    def nbytes(self) -> int:
        """Bytes of memory in use, all vocabularies together."""
        return sum(part.nbytes for part in list(self._parts.values()))

    def __repr__(self) -> str:
        return f"<MaskStore {'in memory' if self.path is None else f'in {self.path}'}>"


def default_store() -> MaskStore:
    """Return the store that `store=None` means: `masks` in the cache folder; one object for each folder."""
    chosen = os.environ.get(ENVIRONMENT_VARIABLE, "")
    store = _Default.stores.get(chosen)
    if store is None:
        # Of two threads that come here at once, both take what the first has put there.
        store = _Default.stores.setdefault(chosen, MaskStore(cache_folder() / "masks"))
    return store


StoreOption: TypeAlias = MaskStore | Literal[False] | None
"""The store that a grammar is compiled for. None: the process's default; False: one of its own."""


def store_of(store: StoreOption | str | os.PathLike[str]) -> StoreOption:
    """Return the store of an option: for a path, this process's store in that folder, one object while
    somebody has it; all else as it is. Raises OptionError for an object that is not a store."""
    if store is None or store is False or isinstance(store, MaskStore):
        return store
    if not isinstance(store, str | os.PathLike) or not os.fspath(store):
        raise OptionError(
            f"store={store!r} is no mask store.",
            where="store",
            cure="Pass a folder, a sg.MaskStore(...), False for none, or nothing for the one of the process.",
        )
    path = os.path.abspath(store)
    with _Folders.lock:
        known_store = _Folders.stores.get(path)
        if known_store is None:
            # The twin: a store that held its grammars would never go, since they hold it.
            known_store = _Folders.stores[path] = MaskStore(path).of_grammars
    return known_store


class _Folders:
    """The stores that were named by their folders, as long as somebody has them."""

    stores: ClassVar[WeakValueDictionary[str, MaskStore]] = WeakValueDictionary()
    lock: ClassVar[threading.RLock] = new_lock(STORES)


class _Default:
    """The stores of the process, by the value of STRUCTGEN_CACHE."""

    stores: ClassVar[dict[str, MaskStore]] = {}
