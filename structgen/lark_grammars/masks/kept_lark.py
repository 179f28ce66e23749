"""The file of a compiled Lark grammar, for another process: moves of lexemes, records, known states, and
their masks.

The lexer and the reader's states are decoded only when something unknown occurs. The file is an entry of
`store.grammar_files`; its key is made of the grammar's tables, the vocabulary, the limits and our own
sources.
"""

from __future__ import annotations

import threading
from functools import lru_cache
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from structgen.lark_grammars.compiled import registers as K
from structgen.lark_grammars.kept.kept_masks import DenseRows, Groups, KeptMasks, grouped, padded
from structgen.lark_grammars.kept.loaded_lark import LoadedLark
from structgen.lark_grammars.kept.state_snapshot import Slots, StateSnapshot, slots_of, take
from structgen.lark_grammars.masks.vocabulary_tables import VocabularyTables
from structgen.lark_grammars.tables.contextual_language import LanguageSource
from structgen.lark_grammars.tables.grammar_tables import GrammarTables, Records
from structgen.limits import Limits
from structgen.machine_core.growing_tables import LISTS, NODES, GrowingTables
from structgen.native.array_file import ArrayFile, Later
from structgen.native.cache_entries import entry_key
from structgen.native.checksums import checksum
from structgen.store.grammar_files import GrammarFiles, WrittenGrammar
from structgen.store.mask_store import VocabularyStore, crc_of
from structgen.tokens.tokenizer import Tokenizer

KIND: Final = "lark-grammar-6"
_MOST: Final = 1 << 26
"""The most bytes of states and their masks that are stored; and the most bytes of the rest, else nothing is
stored."""


def identity_of(grammar: LoadedLark, tokenizer: Tokenizer, limits: Limits) -> str:
    """Return the key of a compiled grammar."""
    return entry_key(KIND, tokenizer.fingerprint, _written(limits), grammar.digest)


@lru_cache(16)
def _written(limits: Limits) -> str:
    return repr(limits)


class KeptRecords:
    """The records in a file: the effect of tokens in lexemes."""

    __slots__ = ("_later", "dense")

    def __init__(self, later: dict[str, Later], dense: DenseRows) -> None:
        self._later = later
        self.dense: DenseRows | None = dense

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays."""
        return sum(one.array.nbytes for one in self._later.values())

    def read(self) -> Records | None:
        """Return the records; None if they are damaged. Call it once: the caller may write to them. Their
        dense rows are those of the file, as numbers below 0. Cost: 0.1 ms a megabyte."""
        held = {}
        for name, later in self._later.items():
            array = later.checked()
            if array is None:
                return None
            held[name] = array
        records = Records(**held)
        records.made[records.rows] = -1 - records.made[records.rows]
        return records


class KeptLark(NamedTuple):
    """The contents of a file. Records and masks are compared with their checksums when they are read."""

    grammar_tables: GrammarTables
    records: KeptRecords
    image: StateSnapshot
    slots: Slots
    lexemes: npt.NDArray[np.uint8]
    groups: Groups
    lists: Later
    dense: DenseRows

    def masks(self, tables: GrowingTables) -> KeptMasks:
        """Return the masks of the states, once the snapshot is in some tables."""
        return KeptMasks(self.groups, self.lists, self.dense, tables)


def read(files: GrammarFiles, key: str, masks: VocabularyStore) -> KeptLark | None:
    """Return the stored contents of a grammar; None if there are none, or with a StoreWarning if an array is
    missing. Cost: 0.3 ms, and 0.1 ms for each MB."""
    held = files.read(KIND, key)
    if held is None:
        return None
    try:
        return _kept(held, masks)
    except (LookupError, TypeError):
        files.drop(key, "is damaged or was not made by this version of structgen")
        return None


def _kept(held: ArrayFile, masks: VocabularyStore) -> KeptLark:
    """Return the contents of a file. Raises LookupError, TypeError."""
    arrays, later = held.arrays, held.later
    grammar_tables = GrammarTables(**{name: arrays[name] for name in GrammarTables._fields})
    states = {name: arrays[f"states.{name}"] for name in StateSnapshot._fields[1:-1]}
    image = StateSnapshot(int(arrays["start"][0]), **states, lists=later["masks.lists"].array)
    dense = DenseRows(later["dense"], arrays["dense.sums"], arrays["dense.crcs"], masks)
    records = KeptRecords({name: later[name] for name in Records._fields}, dense)
    groups = Groups(**{name: arrays[f"masks.{name}"] for name in Groups._fields})
    slots = Slots(**{name: arrays[f"slots.{name}"] for name in Slots._fields})
    return KeptLark(
        grammar_tables, records, image, slots, arrays["lexemes"], groups, later["masks.lists"], dense
    )


class LarkKeeper:
    """The storable parts of a compiled grammar. It does not reference the grammar itself: it is used after
    that is gone."""

    __slots__ = (
        "__weakref__",
        "_before",
        "_kept",
        "_key",
        "_limits",
        "_lock",
        "_masks",
        "_source",
        "_start",
        "_tables",
        "_vocabulary_tables",
        "files",
    )

    def __init__(
        self,
        files: GrammarFiles,
        key: str,
        lock: threading.RLock,
        parts: tuple[VocabularyStore, GrowingTables, VocabularyTables, LanguageSource],
        start: int,
        kept: KeptMasks | None,
        limits: Limits,
    ) -> None:
        self.files, self._key, self._lock, self._start = files, key, lock, start
        self._kept, self._limits = kept, limits
        self._masks, self._tables, self._vocabulary_tables, self._source = parts
        self._before = self._extent()

    def _extent(self) -> tuple[int, ...]:
        """Return the amount of knowledge: masks, lexemes and records."""
        return self._tables.count(LISTS), *self._vocabulary_tables.extent

    @property
    def is_new(self) -> bool:
        """Whether there is something new to write."""
        return self._extent() != self._before

    @property
    def size(self) -> int:
        """About how many bytes its file takes."""
        return (
            4 * self._tables.count(LISTS) + 200 * self._tables.count(NODES) + self._vocabulary_tables.nbytes
        )

    def encode(self, patience: float) -> WrittenGrammar | None:
        """Return the contents to write; None if nothing is new, if it is too much, or if somebody holds the
        grammar's lock for longer than `patience`, in seconds."""
        if not self.is_new or not self._lock.acquire(timeout=patience):
            return None
        try:
            self._before = self._extent()
            if self._kept is not None:
                self._kept.recall_all()
            grammar_tables, records = (
                self._vocabulary_tables.grammar_tables(),
                self._vocabulary_tables.records(),
            )
            if records is None:
                return None
            image = take(self._tables, self._start)
            lexemes = self._source.encode()
        finally:
            self._lock.release()
        if image.nbytes > _MOST:
            image = image.emptied()
        if sum(int(one.nbytes) for one in (*grammar_tables, *records)) + len(lexemes) > _MOST:
            return None
        known = image.nodes[:, K.LarkNode.dense_row] >= 0
        named = records.made[records.rows]
        numbers = np.unique(np.concatenate((named, image.nodes[known, K.LarkNode.dense_row])))
        records.made[records.rows] = np.searchsorted(numbers, named)
        image, groups = grouped(image, {number: at for at, number in enumerate(numbers.tolist())})
        dense = padded(self._masks.rows[numbers])
        states = {f"states.{name}": getattr(image, name) for name in StateSnapshot._fields[1:-1]}
        slots = {f"slots.{name}": one for name, one in slots_of(image, self._limits)._asdict().items()}
        masks = {f"masks.{name}": array for name, array in groups._asdict().items()}
        others = {
            "start": np.array([image.start], np.int64),
            "lexemes": lexemes,
            "dense.sums": np.array([checksum(row) for row in dense], np.int64),
            "dense.crcs": np.array([crc_of(row) for row in self._masks.rows[numbers]], np.uint32),
            "dense": dense,
            "masks.lists": image.lists,
        }
        arrays = {**grammar_tables._asdict(), **states, **slots, **masks, **others, **records._asdict()}
        return WrittenGrammar(self._key, KIND, arrays, later=("dense", "masks.lists", *Records._fields))
