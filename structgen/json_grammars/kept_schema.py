"""A compiled grammar that another process finds ready: its tables are kept in a file, and read from it.

Only grammars that were compiled without an error have a file, so that what it takes to read the schema into a
network is left out as well, until something is met that was not met before (structgen.json_machine.meaning).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from pathlib import Path
from typing import ClassVar, Final

import numpy as np
import numpy.typing as npt

from structgen.automata.strings.string_pool import WIDTH
from structgen.errors import StructgenError
from structgen.json_machine.kept import table_snapshot as snapshots
from structgen.json_machine.kept.snapshot_checks import checked
from structgen.json_machine.meaning import Meaning
from structgen.json_machine.records.recorder import Identity
from structgen.json_machine.tables import json_blocks as L
from structgen.limits import Limits
from structgen.machine_core.growing_tables import GrowingTables
from structgen.native.array_file import ArrayFile, DamagedArrays
from structgen.native.cache_entries import entry_key
from structgen.schema.schema_source import SchemaSource
from structgen.store.grammar_files import GrammarFiles, WrittenGrammar
from structgen.store.mask_store import VocabularyStore
from structgen.store.terminal_records import Record
from structgen.tokens.tokenizer import Tokenizer

KIND: Final = "schema-2"
_MOST: Final = 1 << 26
"""Bytes of the tables of a grammar above which it is not kept."""


@lru_cache(16)
def _written(limits: Limits) -> str:
    return repr(limits)  # 20 us


def identity_of(grammar: SchemaSource, tokenizer: Tokenizer, limits: Limits) -> str:
    """Return the key of a compiled grammar. Cost: some 10 us, 1 us for each KB of schema."""
    return entry_key(KIND, tokenizer.fingerprint, _written(limits), grammar.spelling)


class KeptGrammar:
    """A compiled grammar as it was read."""

    __slots__ = ("_dropped", "_encoded", "_files", "_key", "_meaning", "snapshot")

    def __init__(self, files: GrammarFiles, key: str, found: ArrayFile) -> None:
        """Raises DamagedSnapshot, LookupError."""
        self._files, self._key = files, key
        self.snapshot = checked(
            snapshots.snapshot_of_arrays(found.arrays, found.numbers), files.bounds.tokens
        )
        self._encoded = found.later["meaning"]
        if not self._encoded.is_whole:
            raise snapshots.DamagedSnapshot
        self._meaning: snapshots.SnapshotMeaning | None = None
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
        except (snapshots.DamagedSnapshot, LookupError):
            files.drop(key, "is damaged or was not made by this version of structgen")
            return None

    @property
    def meaning(self) -> snapshots.SnapshotMeaning:
        """What it takes to go on; read when it is asked for. Raises StructgenError where it cannot be read:
        the entry is gone then."""
        if self._meaning is None:
            try:
                self._meaning = snapshots.decode_meaning(self._encoded.array)
            except (snapshots.DamagedSnapshot, DamagedArrays) as error:
                raise self.disagrees(error) from error
        return self._meaning

    def disagrees(self, why: Exception) -> StructgenError:
        """Delete the entry, once, and return the error that says so: who compiles it again writes another."""
        if self._dropped is None:
            self._dropped = self._files.drop(self._key, "does not fit the schema")
        return StructgenError(
            f"What was kept of this grammar is not what it says now: {why}",
            where=str(self._dropped),
            cure="Compile it again: the file is gone. Please report this.",
        )


class SchemaKeeper:
    """What one compiled grammar has of masks and terminals that can be kept, and how it is written.

    It does not hold the grammar: it is asked once that is gone. `pending` are the states whose masks were
    kept, but whose dense rows were not read yet; `terminals` are the keys of terminals in the mask store.
    """

    __slots__ = (
        "__weakref__",
        "_before",
        "_kept",
        "_key",
        "_lock",
        "_masks",
        "_meaning",
        "_tables",
        "_terminals",
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
    ) -> None:
        if files is not None:
            self.files = files
        self._key, self._lock, self._masks, self._tables = key, lock, masks, tables
        self._kept = kept
        self._meaning: Meaning | None = None
        self._terminals: dict[Identity, bytes] | None = {} if kept is None else None
        self.pending: dict[int, tuple[bytes, int]] = {}
        self.records: Mapping[int, Record] = {}
        """Those of the grammar's terminals: the tables hold addresses of their arrays."""
        if kept is not None:
            self.pending = snapshots.put(kept.snapshot, tables, masks.row_number)
        self._before = (0, 0, 0) if kept is None else self._extent()

    def means(self, meaning: Meaning) -> None:
        """Take the meaning, which is made after the tables."""
        self._meaning = meaning

    def terminal(self, identity: Identity, make: Callable[[], bytes | None]) -> bytes | None:
        """Return the key of a terminal in the mask store; `make` works it out where it was not met before,
        and returns None where it has none."""
        terminals = self._known_terminals()
        key = terminals.get(identity)
        if key is None:
            key = make()
            if key is not None:
                terminals[identity] = key
        return key

    def recall(self, index: int) -> bool:
        """Return whether the mask of a state was kept and is known now: its dense row is read."""
        found = self.pending.pop(index, None)
        if found is None:
            return False
        name, at = found
        number = self._masks.row_number(name)
        if number is None:
            row = self.files.row(name)
            number = (
                None if row is None or len(row) != self._masks.rows.shape[1] else self._masks.intern_row(row)
            )
            if number is None:
                return False
            self._masks.name_row(number, name)
        node = self._tables.rows(L.T_NODE)[index]
        node[L.N_ROW] = number
        node[L.N_LIST] = at  # last: readers take no lock
        return True

    def _extent(self) -> tuple[int, int, int]:
        """Return how much is known: states, their masks, what the network said."""
        tables = self._tables
        return tables.count(L.T_NODE), tables.count(L.T_LIST), tables.count(L.T_EDGE)

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
        """Return what is to be written, None where nothing was met since the last time, it cannot be kept, or
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
        if snapshots.size(self._tables) > _MOST:
            return None
        try:
            said = meaning.meaning()
        except StructgenError:  # the file is damaged, and gone; the thread that writes has nobody to tell
            return None
        if said is None:
            return None
        time.sleep(0)  # here and below: other threads wait for one step at most
        snapshot, numbers, terminals = snapshots.take(
            self._tables,
            meaning.strings,
            said.string_starts,
            meaning.numbers,
            self._masks.row_name,
            self.pending,
            self._known_terminals(),
        )
        starts = {name: numbers.get(state, -1) for name, state in said.number_starts.items()}
        said = said._replace(number_starts=starts, terminals=terminals)
        time.sleep(0)
        arrays, numbers_of = snapshots.arrays_of_snapshot(snapshot)
        arrays["meaning"] = np.frombuffer(snapshots.encode_meaning(said), np.uint8)
        return WrittenGrammar(
            self._key,
            KIND,
            arrays,
            numbers_of,
            ["meaning"],
            compressed=True,
            rows=snapshot.rows,
            row=partial(_row, self._masks, self.files),
        )

    def _known_terminals(self) -> dict[Identity, bytes]:
        if self._terminals is None:
            assert self._kept is not None
            self._terminals = dict(self._kept.meaning.terminals)
        return self._terminals


def _row(masks: VocabularyStore, files: GrammarFiles, name: bytes) -> npt.NDArray[np.int32] | None:
    """Return the dense row of a digest, None where it is neither in memory nor in a file."""
    number = masks.row_number(name)
    return files.row(name) if number is None else np.array(masks.rows[number])
