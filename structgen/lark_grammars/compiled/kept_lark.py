"""The file of a grammar and a vocabulary: the arrays of a compiled grammar as they lie, for another process.
The file of a grammar alone has those that no vocabulary changes; each of the two is whole by itself.

Compiled code reads them at once. The lexer and the letters, which make what is not in them, are read when
somebody first asks for that: their states and all that these name, with the same numbers, as plain values in
Python's `marshal` format. Rows of masks go into the store one by one, when a mask first needs them.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from structgen.lark_grammars.machine import lark_layout as L
from structgen.limits import Limits
from structgen.machine_core.growing_tables import NODES, GrowingTables
from structgen.native.array_file import ArrayFile
from structgen.native.cache_entries import entry_key
from structgen.native.typed_blocks import word_of
from structgen.store.grammar_files import GrammarFiles
from structgen.store.mask_store import VocabularyStore

KIND: Final = "lark-machine-2"
WORDS: Final[tuple[str, ...]] = (
    "terminal_count", "nonterminal_count", "end_state", "newline", "indent", "dedent", "tab",
    "keeps_column", "width", "contexts", "boundaries",
)  # fmt: skip
DENSE_ROW: Final = word_of(L.LarkNode, "dense_row")
TOKEN_LIST: Final = word_of(L.LarkNode, "token_list")
Arrays = dict[str, npt.NDArray[Any]]


def identity_of(digest: str, limits: Limits, vocabulary: str = "") -> str:
    """Return the key of a grammar's file. `digest`: of its tables; `vocabulary`: its fingerprint."""
    return entry_key(KIND, vocabulary, repr(limits), digest)


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
        node[DENSE_ROW], node[TOKEN_LIST] = number, masked[index, 1]
        return True


def read(files: GrammarFiles, key: str) -> KeptParts | None:
    """Return what the file of a grammar holds; None where there is none, with a StoreWarning where it cannot
    serve. Cost: 0.1 ms, and 0.2 ms a megabyte."""
    held = files.read(KIND, key)
    if held is None:
        return None
    try:
        return parts_of(held)
    except LookupError:
        files.drop(key, "is damaged or was not made by this version of structgen")
        return None


def parts_of(held: ArrayFile) -> KeptParts:
    """Return what an array file holds. Raises LookupError where a part is missing."""
    by_kind: dict[str, Arrays] = {"array": {}, "table": {}, "said": {}}
    for name, array in held.arrays.items():
        kind, _, rest = name.partition(":")
        by_kind[kind][rest] = array
    said = by_kind["said"]
    rows = KeptRows(said["dense"], said["crcs"])
    constants = {name: held.numbers[name] for name in WORDS if name in held.numbers}
    return KeptParts(by_kind["array"], constants, by_kind["table"], rows, said, held.numbers)
