"""Pieces of masks, known by what was looked at: what is found at a place holds for all that look alike.

What a parser makes of terminals is told by the topmost cells of its stack: it looks at a cell, and goes on by
the state there. What is found is kept as a *piece* below the states that were looked at to find it, and below
the number of brackets and the widths of blocks where these were; another stack with the same states there,
whatever lies deeper, has the same piece. It is looked up as it was found, cell by cell, no deeper than
needed, so that nothing is guessed and nothing has to be proved again. What took a proof, which looks at all
of a stack, or Python, is not kept (PIECE_NEVER).

The rows of a table are a trie: a row's key is the row before it and what was looked at there (of a root: a
key below 0 and another number), and it says what is to be looked at next, or what was found.
"""

from __future__ import annotations

import numba
import numpy as np

from structgen.json_machine.tables.layout import *
from structgen.lark_grammars.compiled.lark_step import first_of, look, look_at, second_of
from structgen.lark_grammars.compiled.registers import *
from structgen.machine_core.raw_rows import row_of
from structgen.native.jit import jit
from structgen.native.lazy_memory import room
from structgen.native.raw_memory import address_of, load32, load64, store32, store64

_MOST, _MOST_POOLED, _SLOTS = 1 << 19, 1 << 21, 1 << 10
_ROW_BITS = 24
"""Bits of a slot that number a row, more than rows have; the others are of its key."""
_NEAR = 8
"""Slots in a cache line."""
_DEEPEST = 256
"""Cells, or widths, of a piece's key."""


class Pieces:
    """A table of pieces; its words are at `address` (PC_USED, ...). Room is taken as it is used."""

    def __init__(self, pooled: bool) -> None:
        """`pooled`: pieces may be lists of tokens."""
        most = _MOST_POOLED if pooled else 0
        held = room(8 * PIECE_WORDS * _MOST + 32 * _MOST + 4 * most)
        self._rows = held[: 8 * PIECE_WORDS * _MOST].view(np.int64).reshape(_MOST, PIECE_WORDS)
        self._slots = held[self._rows.nbytes :][: 32 * _MOST].view(np.int64)
        self._pool = held[self._rows.nbytes + self._slots.nbytes :].view(np.int32)
        self.words = np.zeros(PC_WORDS, np.int64)
        self.address = address_of(self.words)
        self.words[PC_ROWS : PC_POOL + 1] = [address_of(one) for one in (self._rows, self._slots, self._pool)]
        self.words[PC_MOST], self.words[PC_MOST_POOLED] = _MOST, len(self._pool)
        # row 0 is that of what is not kept
        self._rows[0] = 0, 0, PIECE_NEVER
        self.words[PC_USED], self.words[PC_MASK] = 1, _SLOTS - 1

    @property
    def nbytes(self) -> int:
        """Bytes that are used."""
        used, mask, pooled = (int(self.words[at]) for at in (PC_USED, PC_MASK, PC_POOLED))
        return 8 * PIECE_WORDS * used + 8 * (mask + 1) + 4 * pooled


@jit
def row_at(pieces, index):
    return load64(pieces, PC_ROWS) + 8 * PIECE_WORDS * index


@jit
def mixed(first, second):
    mix = (numba.uint64(first) * numba.uint64(0x9E3779B97F4A7C15)) ^ numba.uint64(second)
    return numba.int64((mix * numba.uint64(0xFF51AFD7ED558CCD)) >> numba.uint64(8))


@jit
def clear_slots(pieces, mask):
    slots = load64(pieces, PC_SLOTS)
    for i in range(mask + 1):
        store64(slots, i, 0)
    store64(pieces, PC_MASK, mask)


@jit
def forget_pieces(pieces):
    """Forget all pieces."""
    clear_slots(pieces, _SLOTS - 1)
    store64(pieces, PC_USED, 1)
    store64(pieces, PC_POOLED, 0)
    store64(pieces, PC_TURN, load64(pieces, PC_TURN) + 1)


@jit
def slot_of(mix, index):
    """Return what a slot holds: a row, and bits of its key that tell most others apart."""
    return (mix & ~numba.int64((1 << _ROW_BITS) - 1)) | index


@jit
def near(first, mask):
    """Return where the slots begin in which rows behind a row are looked for first: one cache line, beside
    those of the rows that were added before and after it, as what is looked at at once mostly was."""
    return 2 * first & mask & ~(_NEAR - 1)


@jit
def put_slot(pieces, first, second, index):
    """Enter a row by its key: near the row before it, or where its key says."""
    slots, mask, mix = load64(pieces, PC_SLOTS), load64(pieces, PC_MASK), mixed(first, second)
    at = mix & mask
    if first > 0:
        beside = near(first, mask)
        for i in range(_NEAR):
            if load64(slots, beside + i) == 0:
                store64(slots, beside + i, slot_of(mix, index))
                return
    while load64(slots, at) != 0:
        at = (at + 1) & mask
    store64(slots, at, slot_of(mix, index))


@jit
def spread_slots(pieces):
    """Have twice as many slots."""
    clear_slots(pieces, 2 * load64(pieces, PC_MASK) + 1)
    for index in range(1, load64(pieces, PC_USED)):
        row = row_at(pieces, index)
        put_slot(pieces, load64(row, 0), load64(row, 1), index)


@jit
def is_row(pieces, slot, mix, first, second):
    """Return whether what a slot holds is the row with a key."""
    found = slot & numba.int64((1 << _ROW_BITS) - 1)
    if slot != slot_of(mix, found):
        return False
    row = row_at(pieces, found)
    return load64(row, 0) == first and load64(row, 1) == second


@jit
def step_to(pieces, first, second):
    """Return the row with a key, added if it is new; 0 where there is no room."""
    slots, mask, mix = load64(pieces, PC_SLOTS), load64(pieces, PC_MASK), mixed(first, second)
    rows, full = numba.int64((1 << _ROW_BITS) - 1), first < 0
    if first > 0:
        beside, i = near(first, mask), 0
        while i < _NEAR and load64(slots, beside + i) != 0:
            slot = load64(slots, beside + i)
            if is_row(pieces, slot, mix, first, second):
                return slot & rows
            i += 1
        full = i == _NEAR
    at = mix & mask
    while full:
        slot = load64(slots, at)
        if slot == 0:
            break
        if is_row(pieces, slot, mix, first, second):
            return slot & rows
        at = (at + 1) & mask
    used = load64(pieces, PC_USED)
    if used == load64(pieces, PC_MOST):
        return numba.int64(0)
    row = row_at(pieces, used)
    store64(row, 0, first)
    store64(row, 1, second)
    store64(row, 2, PIECE_UNKNOWN)
    put_slot(pieces, first, second, used)
    store64(pieces, PC_USED, used + 1)
    if 2 * used > mask:
        spread_slots(pieces)
    return used


@jit
def further(c, pieces, at, then, stack, place):
    """Return the row behind one at which a cell, the brackets, or the widths of a place are looked at; 0
    where there is none."""
    row = row_of(c, T_SET, 4, place)
    if then == PIECE_CELL:
        return step_to(pieces, at, first_of(c, stack))
    if then == PIECE_BRACKETS:
        return step_to(pieces, at, load64(row, P_BRACKETS))
    widths = load64(row, P_WIDTHS)
    for _ in range(_DEEPEST):
        if widths < 0 or at == 0:
            return at
        at = step_to(pieces, at, first_of(c, widths))
        widths = second_of(c, widths)
    return numba.int64(0)


@jit
def find_piece(c, pieces, first, second, place):
    """Return the row of a piece with a key (`first` below 0) at a place: the last that is known of what is
    looked at. What is looked at is noted."""
    if 8 * load64(pieces, PC_USED) > 7 * load64(pieces, PC_MOST):
        forget_pieces(pieces)
    stack = load64(row_of(c, T_SET, 4, place), P_STACK)
    at = step_to(pieces, first, second)
    while True:
        then = load64(row_at(pieces, at), 2)
        if then != PIECE_CELL and then != PIECE_BRACKETS and then != PIECE_WIDTHS:
            return at
        at = further(c, pieces, at, then, stack, place)
        if then == PIECE_CELL:
            look(c, stack)
            stack = second_of(c, stack)
        elif then == PIECE_BRACKETS:
            look_at(c, LOOKED_BRACKETS)
        else:
            look_at(c, LOOKED_WIDTHS)


@jit
def put_further(c, pieces, at, then, stack, place):
    """Have something be looked at behind a row. Returns the row behind it, or 0."""
    if at != 0:
        store64(row_at(pieces, at), 2, then)
        at = further(c, pieces, at, then, stack, place)
    return at


@jit
def put_piece(c, pieces, known, first, second, place, leaf):
    """Keep a leaf as a piece, with what was noted as looked at. `known`: its row, as `find_piece` has found
    it, where nothing was known yet."""
    k = load64(c, C_LARK)
    low, looked = load64(k, K_LOW), load64(k, K_LOOKED)
    stack, at = load64(row_of(c, T_SET, 4, place), P_STACK), step_to(pieces, first, second)
    deep = 0
    while at != known:
        then = load64(row_at(pieces, at), 2)
        at = further(c, pieces, at, then, stack, place)
        if then == PIECE_CELL:
            stack = second_of(c, stack)
            deep += 1
        elif then == PIECE_BRACKETS:
            looked &= ~LOOKED_BRACKETS
        else:
            looked &= ~LOOKED_WIDTHS
    cell, more = stack, 0
    while cell >= low and deep + more < _DEEPEST:
        cell = second_of(c, cell)
        more += 1
    if looked & LOOKED_ALL != 0 or deep + more == _DEEPEST:
        store64(row_at(pieces, at), 2, PIECE_NEVER)
        return
    for _ in range(more):
        at = put_further(c, pieces, at, PIECE_CELL, stack, place)
        stack = second_of(c, stack)
    if looked & LOOKED_BRACKETS != 0:
        at = put_further(c, pieces, at, PIECE_BRACKETS, stack, place)
    if looked & LOOKED_WIDTHS != 0:
        at = put_further(c, pieces, at, PIECE_WIDTHS, stack, place)
    if at != 0:
        store64(row_at(pieces, at), 2, leaf)


@jit
def put_tokens(c, pieces, known, first, second, place, begin):
    """Keep the tokens that lie in the buffer from `begin` on as a piece."""
    buffer, held = load64(c, C_BUFFER), load64(pieces, PC_POOLED)
    count = load64(c, C_BUFFER_COUNT) - begin
    if held + count > load64(pieces, PC_MOST_POOLED):
        forget_pieces(pieces)
        return
    pool = load64(pieces, PC_POOL) + 4 * held
    for i in range(count):
        store32(pool, i, load32(buffer, begin + i))
    store64(pieces, PC_POOLED, held + count)
    leaf = PIECE_LEAF + (count << PIECE_COUNT_AT) + (held << PIECE_POOL_AT)
    put_piece(c, pieces, known, first, second, place, leaf)


@jit
def pooled(pieces, leaf):
    """Return where the tokens of a piece lie (int32)."""
    return load64(pieces, PC_POOL) + 4 * (leaf >> PIECE_POOL_AT)


@jit
def size_of(leaf):
    """Return how many tokens a piece has."""
    return (leaf >> PIECE_COUNT_AT) & ((1 << (PIECE_POOL_AT - PIECE_COUNT_AT)) - 1)
