"""A compiled grammar that another process finds ready: its tables are kept in a file, and read from it.

Only grammars that were compiled without an error have a file, so that what it takes to read the schema into a
network is left out as well, until something is met that was not met before (structgen.json_machine.meaning).
Dense rows and what tokens do in terminals are in the mask store: the file names records there.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import ClassVar, Final

from structgen.automata.strings.string_pool import WIDTH
from structgen.errors import StructgenError
from structgen.json_machine.kept import table_image
from structgen.json_machine.meaning import Meaning
from structgen.json_machine.tables import json_blocks as L
from structgen.limits import Limits
from structgen.machine_core.growing_tables import GrowingTables
from structgen.native.array_file import ArrayFile
from structgen.native.cache_entries import entry_key
from structgen.schema.schema_source import SchemaSource
from structgen.store.grammar_files import GrammarFiles, WrittenGrammar
from structgen.store.mask_store import VocabularyStore
from structgen.store.terminal_records import Record
from structgen.tokens.tokenizer import Tokenizer

KIND: Final = "schema-4"
_MOST_BYTES: Final = 1 << 26
"""Bytes of the tables of a grammar above which it is not kept."""
_LARGE: Final = 1 << 20
"""Bytes of a grammar from which on its file is compressed: that takes as long as all else."""


@lru_cache(16)
def _written(limits: Limits) -> str:
    return repr(limits)  # 20 us


def identity_of(grammar: SchemaSource, tokenizer: Tokenizer, limits: Limits) -> str:
    """Return the key of a compiled grammar. Cost: some 10 us, 1 us for each KB of schema."""
    return entry_key(KIND, tokenizer.fingerprint, _written(limits), grammar.spelling)


class KeptGrammar:
    """A compiled grammar as it was read."""

    __slots__ = ("_dropped", "_files", "_key", "image")

    def __init__(self, files: GrammarFiles, key: str, found: ArrayFile) -> None:
        """Raises LookupError."""
        self._files, self._key = files, key
        self.image = table_image.image_of(found.arrays, found.numbers)
        self._dropped: Path | None = None
        """The entry, once it was found wrong and deleted."""

    @classmethod
    def read(cls, files: GrammarFiles, key: str) -> KeptGrammar | None:
        """Return what is kept of a grammar, or None."""
        found = files.read(KIND, key)
        if found is None:
            return None
        try:
            return cls(files, key, found)
        except LookupError:
            files.drop(key, "is damaged or was not made by this version of structgen")
            return None

    def disagrees(self, why: object) -> StructgenError:
        """Delete the entry, once, and return the error that says so: who compiles it again writes another."""
        if self._dropped is None:
            self._dropped = self._files.drop(self._key, "does not fit the schema")
        return StructgenError(
            f"What was kept of this grammar is not what it says now: {why}",
            where=str(self._dropped),
            cure="Compile it again: the file is gone. Please report this.",
        )


class SchemaKeeper:
    """What one compiled grammar has of masks that can be kept, and how it is written.

    It does not hold the grammar: it is asked once that is gone. `pending` are the states whose masks were
    kept, but whose dense rows were not asked for yet.
    """

    __slots__ = (
        "__weakref__",
        "_before",
        "_key",
        "_lock",
        "_masks",
        "_meaning",
        "_sufficient_budgets",
        "_tables",
        "files",
        "pending",
        "records",
    )

    files: GrammarFiles
    is_large: ClassVar[bool] = False

    def __init__(
        self,
        files: GrammarFiles | None,
        key: str,
        lock: threading.RLock,
        masks: VocabularyStore,
        tables: GrowingTables,
        kept: KeptGrammar | None,
        sufficient_budgets: dict[int, int],
    ) -> None:
        """`sufficient_budgets`: `CompiledGrammar.sufficient_budgets`, which is filled."""
        if files is not None:
            self.files = files
        self._key, self._lock, self._masks, self._tables = key, lock, masks, tables
        self._meaning: Meaning | None = None
        self.pending: dict[int, tuple[bytes, int]] = {}
        self.records: Mapping[int, Record] = {}
        """Those of the grammar's terminals: the tables hold addresses of their arrays."""
        if kept is not None:
            self.pending = table_image.put(kept.image, tables, masks.known_row)
            states, budgets = kept.image.sufficient_budgets.reshape(-1, 2).T.tolist()
            sufficient_budgets.update(zip(states, budgets, strict=True))
        self._sufficient_budgets = sufficient_budgets
        self._before = (0, 0, 0, 0) if kept is None else self._extent()

    def means(self, meaning: Meaning) -> None:
        """Take the meaning, which is made after the tables."""
        self._meaning = meaning

    def recall(self, index: int) -> bool:
        """Return whether the mask of a state was kept and is known now: its dense row is read."""
        found = self.pending.pop(index, None)
        if found is None:
            return False
        key, at = found
        record = self._masks.get(key)
        if record is None or record.row < 0:
            return False
        node = self._tables.rows(L.T_NODE)[index]
        node[L.N_ROW] = record.row
        node[L.N_LIST] = at  # last: readers take no lock
        return True

    def _extent(self) -> tuple[int, int, int, int]:
        """Return how much is known: states, their masks, what the network said, and of budgets."""
        tables = self._tables
        states, lists, edges = (tables.count(one) for one in (L.T_NODE, L.T_LIST, L.T_EDGE))
        return states, lists, edges, len(self._sufficient_budgets)

    @property
    def is_new(self) -> bool:
        """Whether something was met that is not written."""
        return self._extent() != self._before

    @property
    def size(self) -> int:
        """Bytes that it takes to keep it, about. Cost: 4 us."""
        states = 0 if self._meaning is None else self._meaning.strings.count
        return self._tables.used + 2 * WIDTH * states

    def encode(self, patience: float) -> WrittenGrammar | None:
        """Return what is to be written, None where nothing was met since the last time, it is too large, or
        somebody holds the grammar's lock for longer than `patience`, in seconds."""
        if not self._lock.acquire(timeout=patience):
            return None
        try:
            return self._encode()
        finally:
            self._lock.release()

    def _encode(self) -> WrittenGrammar | None:
        meaning = self._meaning
        if not self.is_new or meaning is None:
            return None
        self._before = self._extent()
        if table_image.size(self._tables) > _MOST_BYTES:
            return None
        time.sleep(0)  # other threads wait for one step at most
        image = table_image.take(
            self._tables,
            (meaning.strings, meaning.numbers),
            meaning.flat_sets(),
            self._masks.row_key,
            self.pending,
            meaning.terminal_keys,
            self._sufficient_budgets.copy(),
        )
        arrays, numbers = table_image.arrays_of(image)
        large = sum(array.nbytes for array in arrays.values()) > _LARGE
        return WrittenGrammar(self._key, KIND, arrays, numbers, compressed=large)
