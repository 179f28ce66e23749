"""The records of one compiled grammar, in Python: scratch memory, and records that compiled code asks for."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from structgen.machine_core.growing_tables import GrowingTables
from structgen.machine_core.lexeme_layout import (
    FULL,
    RANGE_WORDS,
    Group,
    Hooks,
    LexemeContext,
    LexemeRecord,
)
from structgen.machine_core.lexeme_records import make_record, scan_record
from structgen.machine_core.workspace import Workspace
from structgen.native.jit import code_of
from structgen.native.raw_memory import address_of
from structgen.native.typed_blocks import word_of, words_of
from structgen.store.mask_store import VocabularyStore
from structgen.tokens.vocabulary import Vocabulary

RECORDS, GROUPS, LEFTOVERS, TRIES, TOKENS, _RANGES, _WANTED = (
    word_of(LexemeContext, name)
    for name in ("records", "groups", "leftovers", "tries", "tokens", "ranges", "wanted")
)
_SIZED: Final = [word_of(LexemeContext, one) for one in ("tokens", "trie_nodes", "wanted_rows", "ranges")]
_FIRST_ROWS: Final = 256
SERIALS: Final = count(1)
"""Numbers of grammars, for `LexemeContext.serial`."""
_HOOKS: Final = word_of(LexemeContext, "hooks")


class GrownArray:
    """Rows of numbers with room for more; compiled code knows where they lie (`told`)."""

    __slots__ = ("_filled", "_told", "rows")

    def __init__(
        self,
        told: Callable[[int], None],
        width: int,
        kind: type[np.generic],
        filled: int,
        kept: npt.NDArray[Any] | None = None,
    ) -> None:
        """`kept`: its rows, instead of empty ones."""
        self._told, self._filled = told, filled
        first = np.full((_FIRST_ROWS, width), filled, kind) if kept is None else kept
        self.rows: npt.NDArray[Any] = first.reshape(-1, width)
        told(address_of(self.rows))

    def reserve(self, count: int) -> None:
        """Make room for so many rows."""
        have = len(self.rows)
        if count > have:
            rows = np.full((max(2 * have, count), self.rows.shape[1]), self._filled, self.rows.dtype)
            rows[:have] = self.rows
            self.rows = rows
            self._told(address_of(rows))


def put_trie(grown: GrowingTables, first: int, last: int, depth: int) -> int:
    """Append the trie of some nodes of the vocabulary's, those above them at a depth; return its number."""
    ranges = grown.extend(_RANGES, np.array([[first], [last], [depth]]), RANGE_WORDS)
    return grown.append(TRIES, (-1, last - first, 0, 0, ranges, int(last > first)))


class RecordTables:
    """The records of one compiled grammar. Under its lock."""

    def __init__(self, grown: GrowingTables, vocabulary: Vocabulary, store: VocabularyStore) -> None:
        self._grown, self._store = grown, store
        grown.context[word_of(LexemeContext, "serial")] = next(SERIALS)
        put_trie(grown, 0, len(vocabulary.nodes), 0)
        grown.load(_WANTED, np.array([[-1, -1, -1, -1, 0, -1]], np.int64))

    def hook(self, **entries: Callable[..., int]) -> None:
        """Have compiled code call some entry points, by the names of `Hooks`."""
        for name, function in entries.items():
            self._grown.context[_HOOKS + word_of(Hooks, name)] = code_of(function)

    @property
    def _scratch(self) -> Workspace:
        found: Workspace = self._store.workspaces.space
        return found

    def make(self, call: Callable[..., int], trie: int, state: int) -> int:
        """Make the record of a trie in a state of the lexer; return its number. `call` calls compiled code,
        and answers what it asks. FULL where there are too many ways to read the tokens."""
        count = call(scan_record, trie, state)
        return FULL if count == FULL else self.put(call, trie, state, count)

    def put(
        self,
        call: Callable[..., int],
        trie: int,
        state: int,
        count: int,
        row: npt.NDArray[np.int32] | None = None,
    ) -> int:
        """Make the record of a trie in a state, of what was scanned last: `count` tokens inside, or instead
        of them those of a row. Return its number. `call`: as `make` takes it."""
        number = call(make_record, trie, state, 0 if row is not None else count)
        first, last = self._grown.rows(RECORDS)[
            number, [LexemeRecord.groups, LexemeRecord.groups_end]
        ].tolist()
        groups = self._grown.rows(GROUPS)
        for group in range(first, last):
            dense = int(groups[group, Group.dense_row])
            if dense >= -1 and row is None:
                continue
            made = self._scratch.dense[-2 - dense] if row is None else row
            stored = self._store.intern_row(made)
            if stored is None:  # the store is full: the tokens are listed
                tokens = np.flatnonzero(np.unpackbits(made.view(np.uint8), bitorder="little"))
                at = self._grown.extend(TOKENS, tokens.astype(np.int32), len(tokens))
                groups = self._grown.rows(GROUPS)
                groups[group, [Group.first, Group.last]] = at, at + len(tokens)
            groups[group, Group.dense_row] = -1 if stored is None else stored
        return number

    def forget(self) -> None:
        """Forget all records and hooks: the lexer becomes another one."""
        context = self._grown.context
        context[_HOOKS : _HOOKS + words_of(Hooks)] = 0
        context[[word_of(LexemeContext, "lexeme_end_at"), word_of(LexemeContext, "serial")]] = (
            0,
            next(SERIALS),
        )
        self._grown.load(RECORDS, np.empty((0, words_of(LexemeRecord)), np.int64))

    def found(self, count: int) -> npt.NDArray[np.int32]:
        """Return a copy of the tokens that the last scan has found, of a language without classes of
        endings."""
        return self._scratch.tokens[:count].copy()

    @property
    def mask(self) -> npt.NDArray[np.int32]:
        """The mask that was collected last, as a row of bits."""
        return self._scratch.mask.copy()

    @property
    def nbytes(self) -> int:
        """Bytes of the records."""
        return sum(int(self._grown.rows(one).nbytes) for one in _SIZED)
