"""The tables of one compiled grammar: allocated small, grown by doubling, read by compiled code through one
address.

A table is known by the number of its first word in the machine's context (`word_of(Context, "nodes")`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from struct import pack_into
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from structgen.base.errors import LimitError
from structgen.base.limits import Limits
from structgen.base.native.addresses import address_of as address_of
from structgen.base.native.addresses import retire_memory
from structgen.base.native.lazy_memory import GROWTH, with_collection
from structgen.base.native.lazy_memory import room as lazy_room
from structgen.base.native.typed_blocks import (
    ByteTable,
    Int32Table,
    TableHeader,
    WordTable,
    fields_of,
    word_of,
    words_of,
)
from structgen.machines.machine_core.interning import rehash_rows
from structgen.machines.machine_core.layout import MOST_QUESTIONS, QUESTION_ROOM, Core

ADDRESS, COUNT, CAPACITY, STRIDE, HASH, MASK = range(6)
"""The words of a table's header (`typed_blocks.TableHeader`)."""
NODES, EDGES, LISTS = (word_of(Core, name) for name in ("nodes", "edges", "lists"))
DEEPEST = 4096
"""Bytes of the longest token, hence blocks of registers that a walk needs."""


class TableSizes(NamedTuple):
    """How large a table is at first."""

    rows: int
    slots: int = 0
    """Hash slots, a power of two; 0: it does not intern."""
    key: int = 0
    """How many leading words of a row are its identity."""
    nothing: bool = False
    """Row 0 stands for "nothing" (the text before its first byte, the set without members). That row is
    zeros, which may be the key of a row as well: the text of one NUL byte is (0, 0). So no hash slot ever
    leads to it."""


def _table_bytes(words: int, rows: int) -> int:
    """Return the bytes of a table's rows, a multiple of eight."""
    size = 4 * rows if words == 0 else (rows if words < 0 else 8 * words * rows)
    return (size + 7) & ~7


class TablePlan:
    """The tables that a kind of machine has, and its block as a new grammar begins with it."""

    def __init__(
        self, context: type[Core], tables: Mapping[str, TableSizes], words: Mapping[str, int] | None = None
    ) -> None:
        """`tables` by the names of the context's fields; `words`: what other words of it are at first."""
        fields = fields_of(context)
        self.sizes = {fields[name].word: sizes for name, sizes in tables.items()}
        self.words = {fields[name].word: _row_words(fields[name].type) for name in tables}
        """Words (int64) of each table's rows; 0: it is a list of int32; -1: of bytes."""
        self.packing = {
            table: ("q", 8 * size) if size > 0 else ("i", 4) if size == 0 else ("B", 1)
            for table, size in self.words.items()
        }
        """How `struct` writes the items of each table, and the bytes of a row."""
        self.starts: dict[int, int] = {}
        """Where each table's rows lie in the first block of memory."""
        at, self.template = 0, np.zeros(words_of(context), np.int64)
        hashes: dict[int, int] = {}
        interning = [table for table, sizes in self.sizes.items() if sizes.slots]
        for table in interning:
            hashes[table] = at
            at += 4 * self.sizes[table].slots
        self.hashes = at
        """Bytes of all hash slots, which lie first."""
        for table in (*interning, *(table for table in self.sizes if table not in hashes)):
            sizes, size = self.sizes[table], self.words[table]
            self.starts[table] = at
            self.template[table : table + 6] = (
                at,
                int(sizes.nothing),
                sizes.rows,
                max(size, 1),
                hashes.get(table, 0),
                sizes.slots - 1,
            )
            at += _table_bytes(size, sizes.rows)
        self.total = at
        """Bytes of all tables at first."""
        self.needs = slice(at, at + 8 * (1 + 4 * MOST_QUESTIONS))
        """Where the questions lie in the block; the registers and the rows being interned follow."""
        rows = words_of(fields["work"].type.kind)
        self.scratch = 8 * (8 * (DEEPEST + 2) + rows)
        questions, work, scratch = (fields[name].word for name in ("questions", "work", "scratch"))
        self.template[[questions, work, scratch]] = (
            self.needs.start,
            self.needs.stop,
            self.needs.stop + 8 * rows,
        )
        for name, value in {"finished_state": -1, **(words or {})}.items():
            self.template[fields[name].word] = value
        self.addresses = np.array(
            [*self.starts, *(table + HASH for table in interning), questions, work, scratch]
        )
        """Words of the context that hold addresses in the block: in the template, offsets in it."""
        self.cleared_arrays = (
            self.needs,
            *(
                slice(self.starts[table], self.starts[table] + 8 * self.words[table])
                for table, sizes in self.sizes.items()
                if sizes.nothing
            ),
        )
        """Parts of the block that are zeros at first: the questions, and the first row of some tables."""
        self.interning = np.array(interning) + COUNT


def _row_words(kind: Any) -> int:
    if issubclass(kind.kind, Int32Table):
        return 0
    if issubclass(kind.kind, ByteTable):
        return -1
    assert issubclass(kind.kind, TableHeader)
    return 1 if issubclass(kind.kind, WordTable) else words_of(kind.element)


_SHARED = frozenset((NODES, LISTS))
"""Tables that masks are copied from without a lock: a reader may still hold the address of one that was
outgrown."""

_BYTES = np.arange(256, dtype=np.uint8)
BYTE_AT: Final = tuple(address_of(_BYTES) + byte for byte in range(256))
"""Where each byte lies by itself, for calls that read texts."""


class GrowingTables:
    """The context block and its tables. Not thread-safe: whoever appends holds the grammar's lock."""

    def __init__(self, limits: Limits, plan: TablePlan, is_shared: bool = False) -> None:
        """`is_shared`: other threads read all tables while one of them grows."""
        self._limits, self._plan = limits, plan
        self._shared_tables = frozenset(plan.sizes) if is_shared else _SHARED
        # one block for the tables, the questions, and the registers of a walk and rows being interned
        self._block: npt.NDArray[np.uint8] = with_collection(
            np.empty, plan.needs.stop + plan.scratch, np.uint8
        )
        block = self._block
        block[: plan.hashes] = 255
        for part in plan.cleared_arrays:
            block[part] = 0
        self.context: npt.NDArray[np.int64] = plan.template.copy()
        self.context[plan.addresses] += address_of(block)
        self._words = self.context.data  # a look at a single word costs half as much
        self.address = address_of(self.context)
        self.needs: npt.NDArray[np.int64] = block[plan.needs].view(np.int64)
        self._outgrown: list[npt.NDArray[Any]] = []
        self._hashes: dict[int, npt.NDArray[np.int32]] = {}
        """The slots of interning tables that have grown."""
        self._views: dict[int, npt.NDArray[Any]] = {}
        """The tables as arrays, made when they are asked for."""

    @staticmethod
    def _view_of(raw: npt.NDArray[np.uint8], words: int, count: int) -> npt.NDArray[Any]:
        """Return the rows that lie at the beginning of a block."""
        if words > 0:
            return np.ndarray((count, words), np.int64, raw)
        return np.ndarray(count, np.uint8 if words else np.int32, raw)

    def rows(self, table: int) -> npt.NDArray[Any]:
        """Return the table's rows, those not in use included."""
        view = self._views.get(table)
        if view is None:
            words, count = self._plan.words[table], self._plan.sizes[table].rows
            view = self._views[table] = self._view_of(self._block[self._plan.starts[table] :], words, count)
        return view

    def questions(self) -> list[list[int]]:
        """Make the room that compiled code has asked for; return the other questions that it has noted, and
        forget all. Raises LimitError."""
        count = int(self.needs[0])
        question_rows: list[list[int]] = self.needs[1 : 1 + 4 * count].reshape(-1, 4).tolist()
        self.needs[0] = 0
        for kind, table, rows, _ in question_rows:
            if kind == QUESTION_ROOM:
                self.make_room(table, rows)
        return [question for question in question_rows if question[0] != QUESTION_ROOM]

    def count(self, table: int) -> int:
        """Return how many rows are in use."""
        return int(self._words[table + COUNT])

    def make_room(self, table: int, extra: int) -> None:
        """Make room for `extra` more rows. Raises LimitError past limits.parser_states."""
        sizes = self._plan.sizes[table]
        slots = sizes.slots
        count, capacity = self.count(table), int(self.context[table + CAPACITY])
        full = slots and 2 * (count + extra) > int(self.context[table + MASK])
        if count + extra <= capacity and not full:
            return
        if slots and count + extra > self._limits.parser_states:
            raise LimitError(
                f"More than {self._limits.parser_states:,} parser states are needed.", limit="parser_states"
            )
        words = self._plan.words[table]
        growth = GROWTH if table == LISTS else 2
        while capacity < count + extra:
            capacity *= growth
        if slots:
            capacity = max(capacity, 2 * count)
        # lists of masks grow to tens of megabytes: copied seldom, into room that only costs as it is used
        size = _table_bytes(words, capacity)
        raw = lazy_room(size) if table == LISTS else with_collection(np.empty, size, np.uint8)
        rows = self._view_of(raw, words, capacity)
        old = self.rows(table)
        rows[:count] = old[:count]
        outgrown: list[npt.NDArray[Any]] = []
        (self._outgrown if table in self._shared_tables else outgrown).append(old)
        places, values = [table + ADDRESS, table + CAPACITY], [address_of(raw), capacity]
        known_hashes = self._hashes
        if slots:
            size = 1
            while size < 4 * capacity:
                size *= 2
            hashes = np.full(size, -1, np.int32)
            places += [table + HASH, table + MASK]
            values += [address_of(hashes), size - 1]
            ahead = self.context.copy()
            ahead[places] = values
            rehash_rows(address_of(ahead) + 8 * table, sizes.key, int(sizes.nothing))
            outgrown.append(self.slots(table))
            known_hashes = known_hashes | {table: hashes}
        # one statement: an exception must find Python and compiled code at the same rows
        self._views[table], self._hashes, self.context[places] = rows, known_hashes, values
        retire_memory(*outgrown)

    def append(self, table: int, row: Any) -> int:
        """Append one row to a table that does not intern; returns its index."""
        return self.extend(table, row, 1)

    def extend(self, table: int, items: Any, size: int) -> int:
        """Append many items, an array or a tuple of the words of all; returns the index of the first."""
        at: int = self._words[table + COUNT]
        if at + size > self._words[table + CAPACITY]:
            self.make_room(table, size)
        if isinstance(items, tuple):
            self.write_words(table, at, items)
        else:
            self.rows(table)[at : at + size] = items
        self._words[table + COUNT] = at + size
        return at

    def write_words(self, table: int, row: int, words: Sequence[int]) -> None:
        """Write the first words of a row, or of rows. For a few it takes a third of what numpy takes."""
        rows: Any = self.rows(table)
        code, size = self._plan.packing[table]
        pack_into(f"{len(words)}{code}", rows, size * row, *words)

    def load_tables(self, arrays: Mapping[int, npt.NDArray[Any]]) -> None:
        """Have arrays take the place of all that some tables hold, in one statement: an exception finds all
        tables as they were, or as they will be. An array is the table from then on, and nobody else may write
        to it; but a table that is read without a lock keeps its memory. The rows of an interning table are
        hashed again: 10 ns each."""
        ahead, views, hashes = self.context.copy(), self._views.copy(), self._hashes.copy()
        over, next_needs = self.needs[:0], self.needs[:0]
        for table, rows in arrays.items():
            count, sizes = len(rows), self._plan.sizes[table]
            own = ahead[table : table + STRIDE].copy()
            if count:
                ahead[table : table + STRIDE] = address_of(rows), count, count
            if sizes.slots:
                size = int(ahead[table + MASK]) + 1
                while 2 * count > size:
                    size *= 4
                hashes[table] = np.full(size, -1, np.int32)
                ahead[table + HASH : table + 6] = address_of(hashes[table]), size - 1
            ahead[table + COUNT] = own[COUNT] = count
            if sizes.slots:
                rehash_rows(address_of(ahead) + 8 * table, sizes.key, int(sizes.nothing))
            if table in self._shared_tables:
                over, next_needs = self.rows(table)[:count], rows
                ahead[table : table + STRIDE] = own
            elif count:
                views[table] = rows
        outgrown = [self.rows(table) for table in views if views[table] is not self._views.get(table)]
        over[...], self._views, self._hashes, self.context[:] = next_needs, views, hashes, ahead
        retire_memory(*outgrown)

    def slots(self, table: int) -> npt.NDArray[np.int32]:
        """Return the slots of an interning table: the numbers of its rows by their hashes, -1 where there is
        none."""
        slots = self._hashes.get(table)
        if slots is None:
            base = table
            start = int(self.context[base + HASH]) - address_of(self._block)
            slots = self._block[start : start + 4 * (int(self.context[base + MASK]) + 1)].view(np.int32)
        return slots

    @property
    def most_interned(self) -> int:
        """Rows of the longest table that interns: what `Limits.parser_states` bounds."""
        return int(self.context[self._plan.interning].max())

    def nbytes(self) -> int:
        """Return the bytes of all tables, outgrown ones included."""
        low = address_of(self._block)
        views = dict(self._views)
        if LISTS in views:
            views[LISTS] = views[LISTS][: self.count(LISTS)]
        arrays = [*self._outgrown, *views.values(), *self._hashes.values()]
        own = {address_of(array): int(array.nbytes) for array in arrays}
        others = [size for at, size in own.items() if not low <= at < low + self._plan.total]
        return self._plan.total + self._plan.scratch + sum(others)


def tokens_of_list(tables: GrowingTables, at: int) -> npt.NDArray[np.int32]:
    """Return the tokens of a list (`Node.token_list`); some may stand twice."""
    lists = tables.rows(LISTS)
    return lists[at + 1 : at + 1 + int(lists[at])]
