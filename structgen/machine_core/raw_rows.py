"""Rows of tables by address, for machines whose blocks are not declared yet."""

from __future__ import annotations

import numba

from structgen.machine_core.growing_tables import ADDRESS, CAPACITY, COUNT, HASH, MASK, STRIDE
from structgen.machine_core.interning import ask
from structgen.machine_core.layout import QUESTION_ROOM
from structgen.native.jit import jit
from structgen.native.raw_memory import load32, load64, store32, store64


@jit
def need(c, kind, first, second, third):
    """As `ask`."""
    ask(c, kind, first, second, third)


@jit
def hash_words(row, words):
    """Return a non-negative mix of a row's leading words."""
    h = numba.uint64(0x9E3779B97F4A7C15)
    for i in range(words):
        h = (h ^ numba.uint64(load64(row, i))) * numba.uint64(0xFF51AFD7ED558CCD)
        h = h ^ (h >> numba.uint64(32))
    return numba.int64(h & numba.uint64(0x3FFFFFFFFFFFFFFF))


@jit
def find(c, table, words, row):
    """Return the id of the row with these leading words, or -1."""
    base = table
    address, stride = load64(c, base + ADDRESS), load64(c, base + STRIDE)
    slots, mask = load64(c, base + HASH), load64(c, base + MASK)
    at = hash_words(row, words) & mask
    while True:
        found = load32(slots, at)
        if found < 0:
            return -1
        other = address + 8 * stride * found
        same = True
        for i in range(words):
            if load64(other, i) != load64(row, i):
                same = False
                break
        if same:
            return found
        at = (at + 1) & mask


@jit
def intern(c, table, words, row):
    """Return the id of the row, added if it is new (the words after the key included),
    or -1 when room must be made."""
    found = find(c, table, words, row)
    if found >= 0:
        return found
    base = table
    count, mask = load64(c, base + COUNT), load64(c, base + MASK)
    if count >= load64(c, base + CAPACITY) or 2 * count > mask:
        ask(c, QUESTION_ROOM, table, 1, 0)
        return -1
    address, stride, slots = load64(c, base + ADDRESS), load64(c, base + STRIDE), load64(c, base + HASH)
    target = address + 8 * stride * count
    for i in range(stride):
        store64(target, i, load64(row, i))
    at = hash_words(row, words) & mask
    while load32(slots, at) >= 0:
        at = (at + 1) & mask
    store32(slots, at, count)
    store64(c, base + COUNT, count + 1)
    return count


@jit
def row_of(c, table, stride, index):
    """Return the address of a row."""
    return load64(c, table + ADDRESS) + 8 * stride * index


@jit
def copy(s, d):
    for i in range(8):
        store64(d, i, load64(s, i))
