"""The tables of one compiled grammar: allocated small, grown by doubling, read by compiled code through one
address.

The *context* is the grammar's block: an array of int64 words that compiled code gets. A *table* is an array
of equal rows, and six words of the context are its *header* (`typed_blocks.TableHeader`): address, count of
rows, and so on. A table is known by the number of its first header word (`word_of(Context, "nodes")`). An
*interning* table finds equal rows again by *hash slots* (`interning`). A *plan* has the sizes of all tables
of a machine.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from struct import pack_into
from typing import Any, Final, NamedTuple

import numpy as np

from structgen.base.errors import LimitError
from structgen.base.limits import Limits
from structgen.base.native.addresses import address_of as address_of
from structgen.base.native.addresses import retire_memory
from structgen.base.native.array_types import Array, ByteArray, Int32Array, Int64Array
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
"""The six words of a table's header, counted from its first (`typed_blocks.TableHeader`)."""
NODES, EDGES, LISTS = (word_of(Core, name) for name in ("nodes", "edges", "lists"))
DEEPEST = 4096
"""The most bytes of a token, and so the most depths of a walk through the trie of tokens."""


class TableSizes(NamedTuple):
    """The first size of a table. For example, `TableSizes(64, 256, 2)` has room for 64 rows and interns them
    by their first two words."""

    rows: int
    """The number of rows for which there is room."""
    slots: int = 0
    """The number of hash slots, a power of two; 0: the table does not intern."""
    key: int = 0
    """The number of first words of a row that are its key."""
    nothing: bool = False
    """Row 0 stands for "nothing" (the text before its first byte, the set without members). That row is
    zeros, which may be the key of a row as well: the text of one NUL byte is (0, 0). So no hash slot ever
    leads to it."""


def _table_bytes(words: int, rows: int) -> int:
    """Return the bytes of a table's rows, a multiple of eight."""
    if words > 0:
        size = 8 * words * rows
    else:
        size = 4 * rows if words == 0 else rows
    return (size + 7) & ~7


class TablePlan:
    """The tables that a kind of machine has, and its block as a new grammar begins with it."""

    def __init__(
        self, context: type[Core], tables: Mapping[str, TableSizes], words: Mapping[str, int] | None = None
    ) -> None:
        """`context`: the class of the machine's block. `tables`: the first sizes by the names of its fields.
        `words`: the first values of other words of the block; words that are not named are 0."""
        fields = fields_of(context)
        self.sizes = {fields[name].word: sizes for name, sizes in tables.items()}
        self.words = {fields[name].word: _row_words(fields[name].type) for name in tables}
        """The int64 words of a row of each table; 0: the table is a list of int32; -1: a list of bytes."""
        self.packing = {table: _item_format(size) for table, size in self.words.items()}
        """For each table, the format of an item in `struct`, and the bytes of a row."""
        self.starts: dict[int, int] = {}
        """For each table, the offset of its rows in the first block of memory, in bytes."""
        self.template = np.zeros(words_of(context), np.int64)
        """The words of a new grammar's context. In place of an address it has an offset in the block."""
        interning = [table for table, sizes in self.sizes.items() if sizes.slots]
        self.hashes = sum(4 * self.sizes[table].slots for table in interning)
        """The bytes of all hash slots, which come first in the block."""
        self.total = offset = self._place_tables(interning)
        """The bytes of all tables at first, hash slots included."""
        self.question_area = slice(offset, offset + 8 * (1 + 4 * MOST_QUESTIONS))
        """The bytes of the block that hold the questions. Registers, and rows being interned, come after."""
        work_words = words_of(fields["work"].type.kind)
        self.scratch = 8 * (8 * (DEEPEST + 2) + work_words)
        """Bytes of the registers and of the rows being interned."""
        questions = fields["questions"].word
        work = fields["work"].word
        scratch = fields["scratch"].word
        self.template[questions] = self.question_area.start
        self.template[work] = self.question_area.stop
        self.template[scratch] = self.question_area.stop + 8 * work_words
        for name, value in {"finished_state": -1, **(words or {})}.items():
            self.template[fields[name].word] = value
        hash_words = [table + HASH for table in interning]
        self.addresses = np.array([*self.starts, *hash_words, questions, work, scratch])
        """Words of the context that hold addresses in the block: in the template, offsets in it."""
        first_rows = (
            slice(self.starts[table], self.starts[table] + 8 * self.words[table])
            for table, sizes in self.sizes.items()
            if sizes.nothing
        )
        self.cleared_arrays = (self.question_area, *first_rows)
        """Parts of the block that are zeros at first: the questions, and the first row of some tables."""
        self.interning = np.array(interning) + COUNT
        """Words of the context that count the rows of interning tables."""

    def _place_tables(self, interning: list[int]) -> int:
        """Write the headers of all tables into the template; return the bytes of all tables.

        `interning`: the tables that intern, which come first in the block.
        """
        # The hash slots of all tables come first: one assignment sets all of them to -1.
        hash_offset = 0
        hash_offsets: dict[int, int] = {}
        for table in interning:
            hash_offsets[table] = hash_offset
            hash_offset += 4 * self.sizes[table].slots
        offset = hash_offset
        others = [table for table in self.sizes if table not in hash_offsets]
        for table in (*interning, *others):
            sizes = self.sizes[table]
            size = self.words[table]
            self.starts[table] = offset
            # in the order of `TableHeader`
            self.template[table : table + 6] = (
                offset,
                int(sizes.nothing),
                sizes.rows,
                max(size, 1),
                hash_offsets.get(table, 0),
                sizes.slots - 1,
            )
            offset += _table_bytes(size, sizes.rows)
        return offset


def _item_format(words: int) -> tuple[str, int]:
    """Return the format of an item in `struct`, and the bytes of a row; `words`: as in `TablePlan.words`."""
    if words > 0:
        return "q", 8 * words
    return ("i", 4) if words == 0 else ("B", 1)


def _row_words(kind: Any) -> int:
    """Return the words of a table's rows by the type of its field (`TablePlan.words`)."""
    if issubclass(kind.kind, Int32Table):
        return 0
    if issubclass(kind.kind, ByteTable):
        return -1
    assert issubclass(kind.kind, TableHeader)
    return 1 if issubclass(kind.kind, WordTable) else words_of(kind.element)


_SHARED = frozenset((NODES, LISTS))
"""The tables from which masks are copied without a lock. A reader may still use the address of old rows after
the table has grown."""

_BYTES = np.arange(256, dtype=np.uint8)
BYTE_AT: Final = tuple(address_of(_BYTES) + byte for byte in range(256))
"""For each byte an address where it is in memory, for calls that read a text of one byte."""


class GrowingTables:
    """The context block and its tables. Not thread-safe: whoever appends holds the grammar's lock."""

    def __init__(self, limits: Limits, plan: TablePlan, is_shared: bool = False) -> None:
        """`is_shared`: other threads read all tables while one of them grows."""
        self._limits, self._plan = limits, plan
        self._shared_tables = frozenset(plan.sizes) if is_shared else _SHARED
        # One block for the tables, the questions, and the registers of a walk and rows being interned. It is
        # not cleared: rows beyond a table's count are never read.
        self._block: ByteArray = with_collection(np.empty, plan.question_area.stop + plan.scratch, np.uint8)
        block = self._block
        block[: plan.hashes] = 255  # four bytes of it are -1: an empty slot
        for part in plan.cleared_arrays:
            block[part] = 0
        self.context: Int64Array = plan.template.copy()
        self.context[plan.addresses] += address_of(block)
        self._words = self.context.data  # a look at a single word costs half as much
        self.address = address_of(self.context)
        self.question_words: Int64Array = block[plan.question_area].view(np.int64)
        """The number of questions that were noted, and four words for each (`layout.Questions`)."""
        self._outgrown: list[Array] = []
        """The old rows of tables that have grown, which a reader without the lock may still use."""
        self._hashes: dict[int, Int32Array] = {}
        """The hash slots of interning tables that have grown."""
        self._views: dict[int, Array] = {}
        """The rows of tables as arrays, made at the first call of `rows`."""

    @staticmethod
    def _view_of(raw: ByteArray, words: int, count: int) -> Array:
        """Return the rows that lie at the beginning of a block."""
        if words > 0:
            return np.ndarray((count, words), np.int64, raw)
        return np.ndarray(count, np.uint8 if words else np.int32, raw)

    def rows(self, table: int) -> Array:
        """Return the rows of a table as an array, including the room that is not in use."""
        view = self._views.get(table)
        if view is None:
            # The table has not grown yet: its rows lie in the first block.
            words = self._plan.words[table]
            count = self._plan.sizes[table].rows
            start = self._plan.starts[table]
            view = self._views[table] = self._view_of(self._block[start:], words, count)
        return view

    def questions(self) -> list[list[int]]:
        """Make the room that compiled code has asked for; return the other questions that it has noted, and
        forget all. Raises LimitError."""
        count = int(self.question_words[0])
        noted_words = self.question_words[1 : 1 + 4 * count]
        question_rows: list[list[int]] = noted_words.reshape(-1, 4).tolist()
        # They are forgotten before they are answered: after an error, the next call notes them again.
        self.question_words[0] = 0
        for kind, table, rows, _ in question_rows:
            if kind == QUESTION_ROOM:
                self.make_room(table, rows)
        return [question for question in question_rows if question[0] != QUESTION_ROOM]

    def count(self, table: int) -> int:
        """Return the number of rows of a table that are in use."""
        return int(self._words[table + COUNT])

    def make_room(self, table: int, extra: int) -> None:
        """Make room for `extra` more rows. Raises LimitError past limits.parser_states."""
        sizes = self._plan.sizes[table]
        slots = sizes.slots
        count = self.count(table)
        capacity = int(self.context[table + CAPACITY])
        # At most half of the hash slots are in use, so that a search is short and always ends.
        slots_are_full = slots and 2 * (count + extra) > int(self.context[table + MASK])
        if count + extra <= capacity and not slots_are_full:
            return
        if slots and count + extra > self._limits.parser_states:
            raise LimitError(
                f"The grammar needs more than {self._limits.parser_states:,} parser states.",
                limit="parser_states",
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
        outgrown: list[Array] = []
        # Readers without the lock may hold the address of the old rows, which then stay as they are.
        keeper = self._outgrown if table in self._shared_tables else outgrown
        keeper.append(old)
        places = [table + ADDRESS, table + CAPACITY]
        values = [address_of(raw), capacity]
        known_hashes = self._hashes
        if slots:
            size = 1
            while size < 4 * capacity:
                size *= 2
            hashes = np.full(size, -1, np.int32)
            places += [table + HASH, table + MASK]
            values += [address_of(hashes), size - 1]
            # A copy of the context leads compiled code to the new slots before anybody else sees them.
            new_context = self.context.copy()
            new_context[places] = values
            rehash_rows(address_of(new_context) + 8 * table, sizes.key, int(sizes.nothing))
            outgrown.append(self.slots(table))
            known_hashes = known_hashes | {table: hashes}
        # one statement: an exception must find Python and compiled code at the same rows
        self._views[table], self._hashes, self.context[places] = rows, known_hashes, values
        retire_memory(*outgrown)

    def append(self, table: int, row: Any) -> int:
        """Append one row to a table that does not intern; return its number."""
        return self.extend(table, row, 1)

    def extend(self, table: int, items: Any, size: int) -> int:
        """Append `size` rows to a table that does not intern; return the number of the first.

        `items`: an array of the rows, a value for all of them, or a tuple of all their words.
        """
        at: int = self._words[table + COUNT]
        if at + size > self._words[table + CAPACITY]:
            self.make_room(table, size)
        if isinstance(items, tuple):
            self.write_words(table, at, items)
        else:
            self.rows(table)[at : at + size] = items
        # The count comes last: a row is in the table only once it is written.
        self._words[table + COUNT] = at + size
        return at

    def write_words(self, table: int, row: int, words: Sequence[int]) -> None:
        """Write words from the beginning of a row on. Cost: for a few words, a third of numpy's."""
        rows: Any = self.rows(table)
        code, size = self._plan.packing[table]
        pack_into(f"{len(words)}{code}", rows, size * row, *words)

    def load_tables(self, arrays: Mapping[int, Array]) -> None:
        """Replace the whole content of some tables by arrays, each by the number of its table.

        The last statement replaces all: an exception finds all tables as they were, or as they will be. An
        array is the table from then on, and nobody else may write to it. Only a table that is read without a
        lock keeps its memory, and the rows are copied. Cost: 10 ns for each row of an interning table.
        """
        # Copies of all that changes are made first; the last statement puts them in place.
        new_context = self.context.copy()
        views = self._views.copy()
        hashes = self._hashes.copy()
        old_rows = new_rows = self.question_words[:0]
        for table, rows in arrays.items():
            count = len(rows)
            sizes = self._plan.sizes[table]
            header = new_context[table : table + STRIDE].copy()
            if count:
                new_context[table : table + STRIDE] = address_of(rows), count, count
            if sizes.slots:
                size = int(new_context[table + MASK]) + 1
                while 2 * count > size:
                    size *= 4
                hashes[table] = np.full(size, -1, np.int32)
                new_context[table + HASH : table + 6] = address_of(hashes[table]), size - 1
            new_context[table + COUNT] = header[COUNT] = count
            if sizes.slots:
                rehash_rows(address_of(new_context) + 8 * table, sizes.key, int(sizes.nothing))
            if table in self._shared_tables:
                # It keeps its memory, and the rows are copied over those that are there. The old header says
                # where that memory is.
                old_rows = self.rows(table)[:count]
                new_rows = rows
                new_context[table : table + STRIDE] = header
            elif count:
                views[table] = rows
        changed_tables = [table for table in views if views[table] is not self._views.get(table)]
        outgrown = [self.rows(table) for table in changed_tables]
        old_rows[...], self._views, self._hashes, self.context[:] = new_rows, views, hashes, new_context
        retire_memory(*outgrown)

    def slots(self, table: int) -> Int32Array:
        """Return the slots of an interning table: the numbers of its rows by their hashes, -1 where there is
        none."""
        slots = self._hashes.get(table)
        if slots is None:
            # The table has not grown yet: its slots lie in the first block.
            start = int(self.context[table + HASH]) - address_of(self._block)
            size = int(self.context[table + MASK]) + 1
            slots = self._block[start : start + 4 * size].view(np.int32)
        return slots

    @property
    def most_interned(self) -> int:
        """The rows of the longest interning table, which `Limits.parser_states` bounds."""
        return int(self.context[self._plan.interning].max())

    def nbytes(self) -> int:
        """Return the bytes of all tables, including the old rows of tables that have grown."""
        first_block = address_of(self._block)
        block_end = first_block + self._plan.total
        views = dict(self._views)
        if LISTS in views:
            # Room of the lists that is not in use takes no memory (`lazy_memory`).
            views[LISTS] = views[LISTS][: self.count(LISTS)]
        arrays = [*self._outgrown, *views.values(), *self._hashes.values()]
        # by address: an array may be in two of the lists
        size_by_address = {address_of(array): int(array.nbytes) for array in arrays}
        outside = [size for at, size in size_by_address.items() if not first_block <= at < block_end]
        return self._plan.total + self._plan.scratch + sum(outside)


def tokens_of_list(tables: GrowingTables, at: int) -> Int32Array:
    """Return the tokens of a list at a place of `lists` (`NodeRow.token_list`); a token may be in it
    twice."""
    lists = tables.rows(LISTS)
    count = int(lists[at])
    return lists[at + 1 : at + 1 + count]
