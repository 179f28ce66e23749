"""The tables of one compiled grammar: allocated small, grown by doubling,
read by compiled code through one address."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from structgen.errors import LimitError
from structgen.json_machine.masks.state_walk import rehash
from structgen.json_machine.tables import layout as L
from structgen.limits import Limits
from structgen.native.lazy_memory import GROWTH
from structgen.native.lazy_memory import room as lazy_room
from structgen.native.raw_memory import address_of as address_of

_ROWS: dict[int, tuple[int, int, int]] = {
    # table: words of a row (0: int32 items, -1: bytes), rows at first, hash slots at first (0: does not
    # intern)
    L.T_NODE: (L.N_STRIDE, 1024, 2048),
    L.T_FRAME: (5, 256, 512),
    L.T_EDGE: (4, 512, 1024),
    L.T_TEXT: (2, 512, 1024),
    L.T_SET: (4, 512, 1024),
    L.T_PLACE: (8, 256, 0),
    L.T_RES: (L.R_STRIDE, 512, 0),
    L.T_CHILD: (0, 8192, 0),
    L.T_LEX: (2, 32, 0),
    L.T_OFFSET: (1, 1024, 0),
    L.T_BLOB: (-1, 16384, 0),
    L.T_STRING: (L.S_STRIDE, 64, 0),
    L.T_OUTCOME: (0, 512, 0),
    L.T_PLAIN: (L.L_STRIDE, 64, 0),
    L.T_LIST: (0, 65536, 0),
    L.T_TERMINAL: (L.X_STRIDE, 128, 256),
    L.T_CROSS: (L.G_STRIDE, 128, 0),
    L.T_SAFE: (6, 32, 0),
    L.T_DISTANCE: (0, 64, 0),
    L.T_SPARE: (1, 4096, 0),
}
WORDS_OF: Final = {table: words for table, (words, _, _) in _ROWS.items()}
"""Words (int64) of a table's rows; 0: it is a list of int32; -1: of bytes."""
_SHARED = frozenset((L.T_NODE, L.T_LIST, L.T_TERMINAL))
"""Tables that masks are copied from without a lock: a reader may still hold the address of one that was
outgrown."""
DEEPEST = 4096
"""Bytes of the longest token, hence blocks of registers that a walk needs."""


def _bytes(words: int, rows: int) -> int:
    """Return the bytes of a table's rows, a multiple of eight."""
    size = 4 * rows if words == 0 else (rows if words < 0 else 8 * words * rows)
    return (size + 7) & ~7


def _plan() -> tuple[list[tuple[int, int, int, int, int, int]], int, int]:
    at = 0
    rows = []
    for table, (words, count, slots) in _ROWS.items():
        if slots:
            rows.append([table, words, count, slots, 0, at])
            at += 4 * slots
    hashes = at
    plain = [
        [table, words, count, slots, 0, 0] for table, (words, count, slots) in _ROWS.items() if not slots
    ]
    rows += plain
    for row in rows:
        row[4] = at
        at += _bytes(row[1], row[2])
    return [(r[0], r[1], r[2], r[3], r[4], r[5]) for r in rows], hashes, at


_PLAN, _HASHES, _TOTAL = _plan()
_PLACES = {row[0]: (row[1], row[2], row[4]) for row in _PLAN}
_TEMPLATE = np.zeros(L.C_WORDS, np.int64)
for _table, _words, _count, _slots, _start, _hash in _PLAN:
    _TEMPLATE[6 * _table : 6 * _table + 6] = (_start, 0, _count, max(_words, 1), _hash, _slots - 1)
_NEEDS = slice(_TOTAL, _TOTAL + 8 * (1 + 4 * L.MOST_QUESTIONS))
"""Where the questions lie in the block; the registers and the rows being interned follow."""
_SCRATCH = 8 * (8 * (DEEPEST + 2) + 128)
_SIZE = _NEEDS.stop + _SCRATCH
_TEMPLATE[L.C_NEEDS], _TEMPLATE[L.C_TEMPORARY] = _NEEDS.start, _NEEDS.stop
_TEMPLATE[L.C_SCRATCH] = _NEEDS.stop + 8 * 128
_TEMPLATE[L.C_PRECISE] = 1
for _table in L.NOTHING_FIRST:
    _TEMPLATE[6 * _table + L.COUNT] = 1
_ADDRESSES = np.array(
    [6 * row[0] for row in _PLAN]
    + [6 * row[0] + L.HASH for row in _PLAN if row[3]]
    + [L.C_NEEDS, L.C_TEMPORARY, L.C_SCRATCH]
)
"""Places of the context that hold addresses in the block: in the template, offsets in it."""
_CLEARED = (
    _NEEDS,
    *(slice(_PLACES[one][2], _PLACES[one][2] + 8 * _PLACES[one][0]) for one in L.NOTHING_FIRST),
)
"""Parts of the block that are zeros at first: the questions, and the first row of some tables."""


def _possible() -> npt.NDArray[np.uint8]:
    """Return, for each mode, the bytes that may come at all, whatever the grammar."""
    space, digits = b" \t\r\n", b"-0123456789"
    value = space + digits + b'"{[tfn'
    after = {
        L.M_DOC: value,
        L.M_END: space,
        L.M_OBJECT: space + b'"}',
        L.M_COLON: space + b":",
        L.M_VALUE: value,
        L.M_MEMBER: space + b",}",
        L.M_KEYS: space + b'"',
        L.M_ARRAY: value + b"]",
        L.M_ITEM: space + b",]",
        L.M_NEXT: value,
        L.M_NUMBER: digits + b"+.eE" + space + b",]}",
        L.M_LITERAL: b"truefalsn",
    }
    table = np.zeros((16, 256), np.uint8)
    for mode, possible in after.items():
        table[mode, list(possible)] = 1
    for mode in (L.M_STRING, L.M_KEY, L.M_WORDS):
        table[mode] = 1
    return table


def _following(possible: npt.NDArray[np.uint8]) -> npt.NDArray[np.int32]:
    """Return, for each mode and byte, -1 where the byte may come, else the next byte that may (256: none)."""
    table = np.full((16, 256), 256, np.int32)
    for mode in range(16):
        later = 256
        for byte in range(255, -1, -1):
            if possible[mode, byte]:
                later = byte
                table[mode, byte] = -1
            else:
                table[mode, byte] = later
    return table


_MAY = _possible()
_NEXT = _following(_MAY)


_BYTES = np.arange(256, dtype=np.uint8)
BYTE_AT: Final = tuple(address_of(_BYTES) + byte for byte in range(256))
"""Where each byte lies by itself, for calls that read texts."""
_MAY_ADDRESS = address_of(_MAY)
_NEXT_ADDRESS = address_of(_NEXT)
_TEMPLATE[L.C_MAY], _TEMPLATE[L.C_NEXT] = _MAY_ADDRESS, _NEXT_ADDRESS


class MachineTables:
    """The context block and its tables. Not thread-safe: whoever appends holds the grammar's lock."""

    __slots__ = ("_block", "_hashes", "_kept", "_limits", "_views", "address", "context", "needs")

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        # one block for the tables, the questions, and the registers of a walk and rows being interned
        self._block = block = np.empty(_SIZE, np.uint8)
        block[:_HASHES] = 255
        for part in _CLEARED:
            block[part] = 0
        self.context: npt.NDArray[np.int64] = _TEMPLATE.copy()
        self.context[_ADDRESSES] += address_of(block)
        self.address = address_of(self.context)
        self.needs: npt.NDArray[np.int64] = block[_NEEDS].view(np.int64)
        self._kept: list[npt.NDArray[Any]] = []
        self._hashes: dict[int, npt.NDArray[np.int32]] = {}
        """The slots of interning tables that have grown."""
        self._views: dict[int, npt.NDArray[Any]] = {}
        """The tables as arrays, made when they are asked for."""

    @staticmethod
    def _view(raw: npt.NDArray[np.uint8], words: int, count: int) -> npt.NDArray[Any]:
        if words < 0:
            return raw[:count]
        if words == 0:
            return raw.view(np.int32)[:count]
        return raw.view(np.int64).reshape(-1, words)[:count]

    def rows(self, table: int) -> npt.NDArray[Any]:
        """Return the table's rows, those not in use included."""
        view = self._views.get(table)
        if view is None:
            words, count, start = _PLACES[table]
            block = self._block[start : start + _bytes(words, count)]
            view = self._views[table] = self._view(block, words, count)
        return view

    def count(self, table: int) -> int:
        """Return how many rows are in use."""
        return int(self.context[6 * table + L.COUNT])

    def room(self, table: int, extra: int) -> None:
        """Make room for `extra` more rows. Raises LimitError past limits.parser_states."""
        words, _, slots = _ROWS[table]
        base = 6 * table
        count, capacity = int(self.context[base + L.COUNT]), int(self.context[base + L.CAPACITY])
        full = slots and 2 * (count + extra) > int(self.context[base + L.MASK])
        if count + extra <= capacity and not full:
            return
        if slots and count + extra > self._limits.parser_states:
            raise LimitError(
                f"More than {self._limits.parser_states:,} parser states are needed.", limit="parser_states"
            )
        growth = GROWTH if table == L.T_LIST else 2
        while capacity < count + extra:
            capacity *= growth
        if slots:
            capacity = max(capacity, 2 * count)
        # lists of masks grow to tens of megabytes: copied seldom, into room that only costs as it is used
        size = _bytes(words, capacity)
        raw = lazy_room(size) if table == L.T_LIST else np.empty(size, np.uint8)
        rows = self._view(raw, words, capacity)
        old = self.rows(table)
        rows[:count] = old[:count]
        if table in _SHARED:
            self._kept.append(old)
        places, values = [base + L.ADDRESS, base + L.CAPACITY], [address_of(raw), capacity]
        if not slots:
            # one statement here and below: an exception must find Python and compiled code at the same rows
            self._views[table], self.context[places] = rows, values
            return
        size = 1
        while size < 4 * capacity:
            size *= 2
        hashes = np.full(size, -1, np.int32)
        places += [base + L.HASH, base + L.MASK]
        values += [address_of(hashes), size - 1]
        ahead = self.context.copy()
        ahead[places] = values
        rehash(address_of(ahead), table, L.KEY_WORDS[table], int(table in L.NOTHING_FIRST))
        self._views[table], self._hashes[table], self.context[places] = rows, hashes, values

    def append(self, table: int, row: Any) -> int:
        """Append one row to a table that does not intern; returns its index."""
        at = int(self.context[6 * table + L.COUNT])
        self.room(table, 1)
        self.rows(table)[at] = row
        self.context[6 * table + L.COUNT] = at + 1
        return at

    def extend(self, table: int, items: Any, size: int) -> int:
        """Append many items; returns the index of the first."""
        at = int(self.context[6 * table + L.COUNT])
        self.room(table, size)
        self.rows(table)[at : at + size] = items
        self.context[6 * table + L.COUNT] = at + size
        return at

    def load(self, table: int, rows: npt.NDArray[Any], hashes: npt.NDArray[np.int32] | None = None) -> None:
        """Have an array take the place of all that a table holds; it is the table from then on, and nobody
        else may write to it, nor to `hashes`, the slots by which its rows are found (`slots`). Without them
        the rows of an interning table are hashed again: 10 ns each."""
        base, count, context = 6 * table, len(rows), self.context
        if count:
            self._views[table] = rows
            context[base + L.ADDRESS] = address_of(rows)
            context[base + L.CAPACITY] = count
        context[base + L.COUNT] = count
        if not _ROWS[table][2]:
            return
        if hashes is not None:
            self._hashes[table] = hashes
            context[base + L.HASH] = address_of(hashes)
            context[base + L.MASK] = len(hashes) - 1
            return
        size = int(context[base + L.MASK]) + 1
        hashes = self._hashes.get(table)
        if 2 * count > size:
            while size < 4 * count:
                size *= 2
            hashes = self._hashes[table] = np.empty(size, np.int32)
            context[base + L.HASH] = address_of(hashes)
            context[base + L.MASK] = size - 1
        else:
            hashes = self.slots(table)
        hashes.fill(-1)
        rehash(self.address, table, L.KEY_WORDS[table], int(table in L.NOTHING_FIRST))

    def slots(self, table: int) -> npt.NDArray[np.int32]:
        """Return the slots of an interning table: the numbers of its rows by their hashes, -1 where there is
        none."""
        found = self._hashes.get(table)
        if found is None:
            base = 6 * table
            start = int(self.context[base + L.HASH]) - address_of(self._block)
            found = self._block[start : start + 4 * (int(self.context[base + L.MASK]) + 1)].view(np.int32)
        return found

    @property
    def used(self) -> int:
        """Bytes of all rows in use, about: those of int32 count twice. Cost: 3 us."""
        columns = self.context[: 6 * L.TABLES].reshape(L.TABLES, 6)
        return 8 * int(columns[:, L.COUNT] @ columns[:, L.STRIDE])

    def nbytes(self) -> int:
        """Return the bytes of all tables, outgrown ones included."""
        low = address_of(self._block)
        views = dict(self._views)
        if L.T_LIST in views:
            views[L.T_LIST] = views[L.T_LIST][: self.count(L.T_LIST)]
        arrays = [*self._kept, *views.values(), *self._hashes.values()]
        own = {address_of(array): int(array.nbytes) for array in arrays}
        others = [size for at, size in own.items() if not low <= at < low + _TOTAL]
        return _TOTAL + _SCRATCH + sum(others)
