"""The records of one compiled grammar, in Python: it makes the records that compiled code asks for.

A *record* lists what each token of a trie does in a state of the lexer (`lexeme_records`): *groups* of tokens
stay inside the lexeme, *leftovers* end it. A group with many tokens is *dense*: a row of bits in the mask
store. A *hook* is an entry point of the grammar's own that compiled code calls.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import count
from typing import Any, Final

import numpy as np

from structgen.base.native.array_types import Array, ByteArray, Int32Array, Int64Array
from structgen.base.native.jit import code_of
from structgen.base.native.raw_memory import address_of
from structgen.base.native.typed_blocks import word_of, words_of
from structgen.machines.machine_core.growing_tables import GrowingTables
from structgen.machines.machine_core.lexeme_layout import (
    FULL,
    RANGE_WORDS,
    Group,
    Hooks,
    LexemeContext,
    LexemeRecord,
)
from structgen.machines.machine_core.lexeme_records import keep_record, make_record, scan_record
from structgen.machines.machine_core.workspace import Workspace
from structgen.machines.store.mask_store import VocabularyStore
from structgen.tokens.vocabulary import Vocabulary

# The tables of records, by the numbers of their first words in the context (`growing_tables`).
RECORDS = word_of(LexemeContext, "records")
GROUPS = word_of(LexemeContext, "groups")
LEFTOVERS = word_of(LexemeContext, "leftovers")
TRIES = word_of(LexemeContext, "tries")
TOKENS = word_of(LexemeContext, "tokens")
RANGES = word_of(LexemeContext, "ranges")
_FILTERS = word_of(LexemeContext, "byte_filters")
_LARGE_TABLES: Final = [
    word_of(LexemeContext, name) for name in ("tokens", "trie_nodes", "filter_rows", "ranges")
]
"""The tables that take nearly all memory of records."""
_FIRST_ROWS: Final = 256
SERIALS: Final = count(1)
"""Numbers of grammars, for `LexemeContext.serial`."""
_HOOKS: Final = word_of(LexemeContext, "hooks")


class GrownArray:
    """An array of rows with room for more; compiled code finds its address in words of the grammar's
    block."""

    def __init__(
        self,
        context: Int64Array,
        words: list[int],
        width: int,
        kind: type[np.generic],
        initial_value: int | None,
        rows: Array | None = None,
    ) -> None:
        """`words`: the words of the context that hold the address. `width`: the numbers of a row. `kind`:
        their type. `initial_value` is in all numbers of new rows; None: they may be anything. `rows`: the
        first rows, instead of new ones.

        For example `GrownArray(context, [moves_word], 256, np.int32, UNKNOWN)` has a row of 256 unknown cells
        for each state.
        """
        self._context = context
        self._words = words
        self._initial_value = initial_value
        self.outgrown: list[Array] = []
        self.count = 0 if rows is None else len(rows)
        """The number of rows that were appended."""
        self.rows: Array = np.empty((0, width), kind)
        self.rows = self._grow_rows(_FIRST_ROWS) if rows is None else rows.reshape(-1, width)
        self.write_addresses(words)

    def write_addresses(self, words: list[int]) -> None:
        """Write the address of the rows to some words of the block."""
        self._words, self._context[words] = words, address_of(self.rows)

    def _grow_rows(self, count: int) -> Array:
        """Return a larger array of `count` rows that begins with the present rows."""
        rows = np.empty((count, self.rows.shape[1]), self.rows.dtype)
        rows[: len(self.rows)] = self.rows
        if self._initial_value is not None:
            rows[len(self.rows) :] = self._initial_value
        return rows

    def reserve(self, count: int, keeps: bool = False) -> None:
        """Make room for `count` rows in all. `keeps`: the old array stays, since a reader may still use
        it."""
        if count <= len(self.rows):
            return
        rows = self._grow_rows(max(2 * len(self.rows), count))
        if keeps:
            self.outgrown += [self.rows]
        # in one statement: Python and compiled code must never read different arrays
        self.rows, self._context[self._words] = rows, address_of(rows)

    def append(self, rows: Sequence[Any]) -> tuple[int, int]:
        """Append some rows; return the number of the first, and of the one after the last."""
        first = self.count
        last = self.count + len(rows)
        self.reserve(last)
        width = self.rows.shape[1]
        self.rows[first:last] = np.array(rows, self.rows.dtype).reshape(-1, width)
        self.count = last
        return first, last


def put_trie(grown: GrowingTables, first: int, last: int, depth: int, *, own: bool = False) -> int:
    """Append a trie that is one range of nodes of the vocabulary's trie; return its number.

    `first`, `last`: the range is the nodes from `first` to before `last`. `depth`: the depth above `first`.
    `own`: the nodes are not the vocabulary's, but the grammar's own, at the beginning of its arrays.
    """
    ranges = grown.extend(RANGES, (first, last, depth), RANGE_WORDS)
    nodes = 0 if own else -1
    has_range = int(last > first)
    # in the order of `lexeme_layout.Trie`
    return grown.append(TRIES, (nodes, last - first, 0, 0, ranges, has_range))


def byte_sets(rows: ByteArray) -> Int64Array:
    """Return rows of flags of bytes ([n, 256]) as rows of bits ([n, 4])."""
    return np.packbits(np.ascontiguousarray(rows), axis=1, bitorder="little").view(np.int64)


class RecordTables:
    """The records of one compiled grammar. The caller holds the grammar's lock."""

    def __init__(self, grown: GrowingTables, vocabulary: Vocabulary, store: VocabularyStore) -> None:
        self._grown = grown
        self._store = store
        grown.context[word_of(LexemeContext, "serial")] = next(SERIALS)
        put_trie(grown, 0, len(vocabulary.nodes), 0)  # trie 0 has the whole tokens
        # Byte filter 0 (`EVERY_BYTE`) has all 256 bits, no row, and no row that is made.
        every_byte = np.array([[-1, -1, -1, -1, 0, -1]], np.int64)
        grown.load_tables({_FILTERS: every_byte})

    def hook(self, **entries: Callable[..., int]) -> None:
        """Enter entry points that compiled code then calls, by the names of `Hooks`."""
        for name, function in entries.items():
            self._grown.context[_HOOKS + word_of(Hooks, name)] = code_of(function)

    @property
    def _scratch(self) -> Workspace:
        """The scratch memory of this thread."""
        space: Workspace = self._store.workspaces.space
        return space

    def make(self, call: Callable[..., int], trie: int, state: int) -> int:
        """Make the record of a trie, by its number, in a state of the lexer; return the record's number.

        `call` makes a compiled call and answers its questions. FULL: there are too many ways to read the
        tokens.
        """
        count = call(scan_record, trie, state)
        if count == FULL:
            return FULL
        return self.add_record(call, trie, state, count)

    def add_record(
        self,
        call: Callable[..., int],
        trie: int,
        state: int,
        count: int,
        row: Int32Array | None = None,
    ) -> int:
        """Make the record of a trie in a state from the last scan; return the record's number.

        `count`: the number of tokens that the scan has found inside the lexeme. `row`: a row of bits whose
        tokens are taken instead of them. `call`: as in `make`.
        """
        record = np.empty(words_of(LexemeRecord), np.int64)
        listed_count = count if row is None else 0
        call(make_record, trie, state, listed_count, address_of(record))
        first = int(record[LexemeRecord.groups])
        last = int(record[LexemeRecord.groups_end])
        groups = self._grown.rows(GROUPS)
        for group in range(first, last):
            # Below -1 the tokens of a group are a row of the scratch memory (`put_group`), which goes to the
            # store now. `row` has the tokens of the only group.
            dense = int(groups[group, Group.dense_row])
            if dense >= -1 and row is None:
                continue
            bits = self._scratch.dense[-2 - dense] if row is None else row
            row_number = self._store.intern_row(bits)
            if row_number is None:  # the store is full: the tokens are listed
                tokens = np.flatnonzero(np.unpackbits(bits.view(np.uint8), bitorder="little"))
                list_start = self._grown.extend(TOKENS, tokens.astype(np.int32), len(tokens))
                groups = self._grown.rows(GROUPS)
                groups[group, Group.first] = list_start
                groups[group, Group.last] = list_start + len(tokens)
            groups[group, Group.dense_row] = -1 if row_number is None else row_number
        return call(keep_record, address_of(record))  # This comes last: masks read what they find.

    def forget_records(self) -> None:
        """Forget all records and hooks: the lexer becomes another one."""
        context = self._grown.context
        context[_HOOKS : _HOOKS + words_of(Hooks)] = 0
        # With a new number, no scan of the old lexer goes on (`Scan.owner`).
        changed_words = [word_of(LexemeContext, "lexeme_end_at"), word_of(LexemeContext, "serial")]
        context[changed_words] = 0, next(SERIALS)
        no_records = np.empty((0, words_of(LexemeRecord)), np.int64)
        self._grown.load_tables({RECORDS: no_records})

    def tokens_found(self, count: int) -> Int32Array:
        """Return a copy of the tokens that the last scan has found, of a language without classes of
        endings."""
        return self._scratch.tokens[:count].copy()

    @property
    def mask(self) -> Int32Array:
        """The mask that was collected last, as a row of bits."""
        return self._scratch.mask.copy()

    @property
    def nbytes(self) -> int:
        """Bytes of the records."""
        return sum(int(self._grown.rows(table).nbytes) for table in _LARGE_TABLES)
