"""What a text is compared with while it is written: sets of keys, and sorted lists of words.

A set is hash-consed: equal sets are one number. Node rows: (0, is a member, first entry, 0); entry rows:
(1 + byte, node, next entry, 0). Node and entry 0: empty.

A place in a list is (low, high, position): the words low..high-1 share their first `position` bytes.
"""

from __future__ import annotations

import numba

from structgen.json_machine.tables.layout import *
from structgen.json_machine.tables.table_rows import intern, need, row_of
from structgen.native.jit import jit
from structgen.native.raw_memory import load8, load32, load64, store64


@jit
def set_row(c, tag, first, second):
    t = load64(c, C_TEMPORARY) + 8 * 24
    store64(t, 0, tag)
    store64(t, 1, first)
    store64(t, 2, second)
    store64(t, 3, 0)
    return intern(c, T_SET, 4, t)


@jit
def set_step(c, node, byte):
    """Return the node under a byte, or 0 where no member of the set goes on with it."""
    entry = load64(row_of(c, T_SET, 4, node), 2)
    while entry > 0:
        row = row_of(c, T_SET, 4, entry)
        label = load64(row, 0) - 1
        if label == byte:
            return load64(row, 1)
        if label > byte:
            return 0
        entry = load64(row, 2)
    return 0


@jit
def entry_insert(c, entry, byte, node, spare):
    """Return a list of entries with `byte` leading to `node`; `spare` holds up to 256 words."""
    count = 0
    while entry > 0:
        row = row_of(c, T_SET, 4, entry)
        if load64(row, 0) - 1 >= byte:
            break
        store64(spare, count, entry)
        count += 1
        entry = load64(row, 2)
    if entry > 0 and load64(row_of(c, T_SET, 4, entry), 0) - 1 == byte:
        entry = load64(row_of(c, T_SET, 4, entry), 2)
    tail = set_row(c, 1 + byte, node, entry)
    for i in range(count - 1, -1, -1):
        if tail < 0:
            return -1
        row = row_of(c, T_SET, 4, load64(spare, i))
        tail = set_row(c, load64(row, 0), load64(row, 1), tail)
    return tail


@jit
def set_insert(c, root, text):
    """Return the set with the key whose text node is given, or -1 when room must be made. Cost:
    the key's siblings."""
    length = numba.int64(0)
    at = text
    while at > 0:
        row = row_of(c, T_TEXT, 2, at)
        if load64(row, 1) == KEY_BEGINS:
            break
        length += 1
        at = load64(row, 0)
    if 2 * length + 256 > load64(c, 6 * T_SPARE + CAPACITY):
        need(c, Q_ROOM, T_SPARE, 2 * length + 256, 0)
        return -1
    path = load64(c, 6 * T_SPARE + ADDRESS)
    # path holds, for each level, the byte and the node above it
    at = text
    for i in range(length - 1, -1, -1):
        row = row_of(c, T_TEXT, 2, at)
        store64(path, 2 * i, load64(row, 1))
        at = load64(row, 0)
    node = root
    for i in range(length):
        store64(path, 2 * i + 1, node)
        if node > 0 or i == 0:
            node = set_step(c, node, load64(path, 2 * i))
        else:
            node = 0
    head = numba.int64(0)
    if node > 0:
        head = load64(row_of(c, T_SET, 4, node), 2)
    fresh = set_row(c, 0, 1, head)
    if fresh < 0:
        return -1
    for i in range(length - 1, -1, -1):
        byte, above = load64(path, 2 * i), load64(path, 2 * i + 1)
        member = load64(row_of(c, T_SET, 4, above), 1)
        entry = load64(row_of(c, T_SET, 4, above), 2)
        fresh = entry_insert(c, entry, byte, fresh, path + 16 * length)
        if fresh < 0:
            return -1
        fresh = set_row(c, 0, member, fresh)
        if fresh < 0:
            return -1
    return fresh


@jit
def word_at(c, words, index, position):
    """Return the byte of a word at a position, or -1 at its end."""
    row = row_of(c, T_LEX, 2, words)
    offsets = load64(c, 6 * T_OFFSET + ADDRESS) + 8 * load64(row, 0)
    start, end = load64(offsets, index), load64(offsets, index + 1)
    if start + position >= end:
        return -1
    return load8(load64(c, 6 * T_BLOB + ADDRESS), start + position)


@jit
def word_size(c, words, index):
    row = row_of(c, T_LEX, 2, words)
    offsets = load64(c, 6 * T_OFFSET + ADDRESS) + 8 * load64(row, 0)
    return load64(offsets, index + 1) - load64(offsets, index)


@jit
def pack(low, high, position):
    return (low << LOW_SHIFT) | (high << HIGH_SHIFT) | position


@jit
def place_low(place):
    """Return the index of the first word at a place."""
    return place >> LOW_SHIFT


@jit
def place_high(place):
    """Return the index after the last word at a place."""
    return (place >> HIGH_SHIFT) & HIGH_BITS


@jit
def place_position(place):
    """Return how many bytes of the words have been written."""
    return place & POSITION_BITS


@jit
def first_from(c, words, first, last, position, byte):
    """Return the first of the words first..last-1, which begin alike, that has this byte or a later one at a
    position, or `last`. Cost: log of their number."""
    while first < last:
        middle = (first + last) >> 1
        if word_at(c, words, middle, position) < byte:
            first = middle + 1
        else:
            last = middle
    return first


@jit
def narrow(c, words, place, byte):
    """Return the place after one more byte, or -1 where no word goes on with it. Cost: log of the list."""
    low, high, position = place_low(place), place_high(place), place_position(place)
    if high - low == 1:
        return place + 1 if word_at(c, words, low, position) == byte else numba.int64(-1)
    first = first_from(c, words, low, high, position, byte)
    if first >= high or word_at(c, words, first, position) != byte:
        return -1
    return pack(first, first_from(c, words, first, high, position, byte + 1), position + 1)


@jit
def next_listed(c, words, place, byte):
    """Return the smallest byte from `byte` on with which a word at a place goes on, or 256.
    Cost: log of the list."""
    low, high, position = place_low(place), place_high(place), place_position(place)
    if high - low == 1:
        only = word_at(c, words, low, position)
        return only if only >= byte else 256
    first = first_from(c, words, low, high, position, byte)
    return word_at(c, words, first, position) if first < high else 256


@jit
def next_held(c, node, byte):
    """Return the smallest byte from `byte` on with which a member of a set goes on, or 256."""
    entry = load64(row_of(c, T_SET, 4, node), 2)
    while entry > 0:
        row = row_of(c, T_SET, 4, entry)
        label = load64(row, 0) - 1
        if label >= byte:
            return label
        entry = load64(row, 2)
    return 256


@jit
def ended(c, words, place):
    """Return the index of the word that ends just here, or -1 (it sorts first among those
    that begin alike)."""
    low, position = place_low(place), place_position(place)
    if word_size(c, words, low) == position:
        return low
    return -1


@jit
def offered(c, residue, place):
    """Return whether some named key at this place in the list may come now."""
    low, high = place_low(place), place_high(place)
    children = load64(c, 6 * T_CHILD + ADDRESS) + 4 * load64(row_of(c, T_RES, R_STRIDE, residue), R_CHILD)
    for i in range(low, high):
        if load32(children, i) >= 0:
            return True
    return False
