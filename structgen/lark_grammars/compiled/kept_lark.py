"""The file of a grammar and a vocabulary: the arrays of a compiled grammar as they lie, for another process.

Compiled code reads them at once. The lexer and the letters, which make what is not in them, are read when
somebody first asks for that: their states and all that these name, with the same numbers, as plain values in
Python's `marshal` format. Rows of masks go into the store one by one, when a mask first needs them.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from structgen.lark_grammars.machine import lark_layout as L
from structgen.limits import Limits
from structgen.machine_core.growing_tables import LISTS, NODES, GrowingTables
from structgen.machine_core.layout import FINISHED
from structgen.native.array_file import ArrayFile
from structgen.native.cache_entries import entry_key
from structgen.native.typed_blocks import word_of
from structgen.store.grammar_files import GrammarFiles, WrittenGrammar
from structgen.store.mask_store import VocabularyStore, crc_of
from structgen.tokens.tokenizer import Tokenizer

if TYPE_CHECKING:
    from structgen.lark_grammars.compiled.lark_answers import LarkAnswers

KIND: Final = "lark-machine-2"
_MOST: Final = 1 << 26
"""The most bytes of a file; of a larger grammar nothing is kept."""
_MOST_STATES: Final = 1 << 24
"""The most bytes of states and places; with more the states are left out, and the records kept."""
_WORDS: Final[tuple[str, ...]] = (
    "terminal_count", "nonterminal_count", "end_state", "newline", "indent", "dedent", "tab",
    "keeps_column", "width", "contexts", "boundaries",
)  # fmt: skip
_OF_STATES: Final = ("nodes", "lists", "cells", "places", "steps_known", "proofs", "units", "results")
_OF_RECORDS: Final = (
    "records", "merged", "wanted", "groups", "leftovers", "tries", "trie_nodes", "trie_slots", "ranges",
    "wanted_rows", "tokens",
)  # fmt: skip
_MARKS: Final = ("marks_of_states", "marks_of_classes")
_DENSE_ROW: Final = word_of(L.LarkNode, "dense_row")
_TOKEN_LIST: Final = word_of(L.LarkNode, "token_list")
_GROUPS: Final = word_of(L.LarkContext, "groups")
Arrays = dict[str, npt.NDArray[Any]]


def identity_of(digest: str, tokenizer: Tokenizer, limits: Limits) -> str:
    """Return the key of a grammar's file. `digest`: of its tables."""
    return entry_key(KIND, tokenizer.fingerprint, repr(limits), digest)


class KeptRows:
    """The rows of masks in a file."""

    def __init__(self, rows: npt.NDArray[np.int32], crcs: npt.NDArray[np.uint32]) -> None:
        self.rows, self._crcs = rows, crcs
        self._numbers: dict[int, int | None] = {}

    def stored(self, number: int, store: VocabularyStore) -> int | None:
        """Return the number that a row has in the store; None where that is full. Cost: 20 us, once."""
        if number not in self._numbers:
            self._numbers[number] = store.intern_row(self.rows[number], int(self._crcs[number]))
        return self._numbers[number]


class KeptParts(NamedTuple):
    """What a file holds."""

    arrays: Arrays
    words: dict[str, int]
    tables: Arrays
    rows: KeptRows
    said: Arrays
    numbers: dict[str, int]

    @property
    def states(self) -> int:
        """How many states the lexer had."""
        return len(self.arrays["end_class"])

    @property
    def classes(self) -> int:
        """How many classes of endings there were."""
        return len(self.arrays["class_at"])

    def load(self, grown: GrowingTables) -> None:
        """Have the tables begin with the file's."""
        for name, rows in self.tables.items():
            slots = self.said.get(f"slots.{name}")
            grown.load(word_of(L.LarkContext, name), rows, slots)

    def recall(self, index: int, grown: GrowingTables, store: VocabularyStore) -> bool:
        """Write the mask of a state that the file has; return whether it has one."""
        masked = self.said["masked"]
        if index >= len(masked) or masked[index, 1] < 0:
            return False
        number = self.rows.stored(int(masked[index, 0]), store)
        if number is None:
            return False
        node = grown.rows(NODES)[index]
        node[_DENSE_ROW], node[_TOKEN_LIST] = number, masked[index, 1]
        return True


def contents(
    answers: LarkAnswers, grown: GrowingTables, start: int, most: int | None = None
) -> tuple[dict[str, int], Arrays]:
    """Return numbers and copies of arrays: all of a compiled grammar. `start`: its first state; `most`: bytes
    of states and places, with more of which these are left out. The grammar's lock is held."""
    arrays, lexer = answers.kept_arrays()
    tables, slots = Arrays(), Arrays()
    for name in (*_OF_STATES, *_OF_RECORDS):
        table = word_of(L.LarkContext, name)
        tables[name] = grown.rows(table)[: grown.count(table)].copy()
        if L.LARK_TABLES.slots[table]:
            slots[f"slots.{name}"] = grown.slots(table).copy()
    lexeme = int(tables["nodes"][start, L.LarkState.lexeme])
    most = _MOST_STATES if most is None else most
    if sum(int(tables[name].nbytes) for name in _OF_STATES) > most:
        start = -1
        for name in _OF_STATES:
            tables[name] = tables[name][:0]
            slots.pop(f"slots.{name}", None)
    nodes, groups = tables["nodes"], tables["groups"]
    masked = np.full((len(nodes), 2), -1, np.int32)
    has_row = (nodes[:, _DENSE_ROW] >= 0) & (nodes[:, L.LarkState.mode] != FINISHED)
    has_row &= nodes[:, _TOKEN_LIST] >= 0
    rows, numbered = answers.kept_rows(nodes[has_row, _DENSE_ROW], groups[:, L.Group.dense_row])
    masked[has_row, 0] = [numbered[one] for one in nodes[has_row, _DENSE_ROW].tolist()]
    masked[has_row, 1] = nodes[has_row, _TOKEN_LIST]
    nodes[has_row, _DENSE_ROW] = nodes[has_row, _TOKEN_LIST] = -1
    column = groups[:, L.Group.dense_row]
    column[:] = [one if one == -1 else -2 - numbered[one] for one in column.tolist()]
    ends = np.flatnonzero(nodes[:, L.LarkState.mode] == FINISHED)
    numbers = {"start": start, "finished": int(ends[0]) if len(ends) else -1, "lexeme": lexeme}
    numbers |= {name: int(grown.context[word_of(L.LarkContext, name)]) for name in _WORDS}
    said: Arrays = {"lexer": lexer, "masked": masked, "dense": rows, **slots}
    said["crcs"] = np.array([crc_of(row) for row in rows], np.uint32)
    parts = ("array", arrays), ("table", tables), ("said", said)
    return numbers, {f"{kind}:{name}": one for kind, some in parts for name, one in some.items()}


def records_of(answers: LarkAnswers, grown: GrowingTables, start: int) -> KeptParts:
    """Return the lexer and the records of a compiled grammar, for one without its states."""
    numbers, arrays = contents(answers, grown, start, 0)
    return _parts(ArrayFile(numbers, arrays))


def read(files: GrammarFiles, key: str) -> KeptParts | None:
    """Return what the file of a grammar holds; None where there is none, with a StoreWarning where it cannot
    serve. Cost: 0.1 ms, and 0.2 ms a megabyte."""
    held = files.read(KIND, key)
    if held is None:
        return None
    try:
        return _parts(held)
    except LookupError:
        files.drop(key, "is damaged or was not made by this version of structgen")
        return None


def _parts(held: ArrayFile) -> KeptParts:
    by_kind: dict[str, Arrays] = {"array": {}, "table": {}, "said": {}}
    for name, array in held.arrays.items():
        kind, _, rest = name.partition(":")
        by_kind[kind][rest] = array
    said = by_kind["said"]
    rows = KeptRows(said["dense"], said["crcs"])
    constants = {name: held.numbers[name] for name in _WORDS if name in held.numbers}
    return KeptParts(by_kind["array"], constants, by_kind["table"], rows, said, held.numbers)


class LarkKeeper:
    """What is kept of a compiled grammar. It does not know the grammar itself, and is used after that is
    gone."""

    def __init__(
        self,
        files: GrammarFiles,
        key: str,
        lock: threading.RLock,
        answers: LarkAnswers,
        grown: GrowingTables,
        start: int,
    ) -> None:
        """`start`: the first state."""
        self.files, self._key, self._lock, self._answers, self._grown = files, key, lock, answers, grown
        self._start = start
        self._before = self._extent()

    def _extent(self) -> tuple[int, ...]:
        records = self._grown.count(word_of(L.LarkContext, "records"))
        return self._grown.count(LISTS), records, self._answers.sizes["lexer_states"]

    @property
    def is_new(self) -> bool:
        """Whether there is something new to write."""
        return self._extent() != self._before

    @property
    def size(self) -> int:
        """About how many bytes its file takes."""
        return self._grown.nbytes() + self._answers.nbytes

    def encode(self, patience: float) -> WrittenGrammar | None:
        """Return the contents to write; None if nothing is new, if it is too much, or if somebody holds the
        grammar's lock for longer than `patience`, in seconds."""
        if not self.is_new or not self._lock.acquire(timeout=patience):
            return None
        try:
            self._before = self._extent()
            numbers, found = contents(self._answers, self._grown, self._start)
        finally:
            self._lock.release()
        if sum(int(one.nbytes) for one in found.values()) > _MOST:
            return None
        return WrittenGrammar(self._key, KIND, found, numbers)
