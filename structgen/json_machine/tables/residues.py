"""What the network said of residues and places, read by compiled code; what it has not said yet is asked."""

from __future__ import annotations

import numba

from structgen.json_machine.tables.layout import *
from structgen.json_machine.tables.table_rows import find, need, row_of
from structgen.native.jit import jit
from structgen.native.raw_memory import load32, load64, store32, store64


@jit
def fill_plain(c, residue, row):
    """Fill the row of a plain object in declared order: the optional members up to the next required one are
    on offer."""
    shape = row_of(c, T_PLAIN, L_STRIDE, load64(row, R_PLAIN))
    count, index = load64(shape, L_COUNT), load64(row, R_INDEX)
    base = 6 * T_CHILD
    used = load64(c, base + COUNT)
    if used + count > load64(c, base + CAPACITY):
        need(c, Q_ROOM, T_CHILD, count, 0)
        return False
    table = load64(c, base + ADDRESS)
    arrays = table + 4 * load64(shape, L_ARRAYS)
    required = load32(arrays, 2 * count + index)
    named = numba.int64(0)
    for i in range(count):
        declared, place = load32(arrays, 2 * i), load32(arrays, 2 * i + 1)
        if declared < index or declared > required:
            place = numba.int64(-1)
        elif place >= 0:
            named = 1
        store32(table, used + i, place)
    store64(c, base + COUNT, used + count)
    store64(row, R_CHILD, used)
    store64(row, R_LEX, load64(shape, L_LEX))
    store64(row, R_NAMED, named)
    store64(row, R_ITEM, -1)
    store64(row, R_CLOSE, load64(shape, L_CLOSE) if required == count else -1)
    store64(row, R_EXTRA, load64(shape, L_EXTRA) if required == count else -1)
    store64(row, R_EXTRA_PLACE, load64(shape, L_EXTRA_PLACE) if required == count else -1)
    store64(row, R_STATUS, 1)
    return True


@jit
def filled(c, residue):
    """Return whether a residue's row is there; if not, ask for it."""
    row = row_of(c, T_RES, R_STRIDE, residue)
    if load64(row, R_STATUS) == 0:
        if load64(row, R_PLAIN) >= 0:
            return fill_plain(c, residue, row)
        need(c, Q_RESIDUE, residue, 0, 0)
        return False
    return True


@jit
def known_residue(c, residue):
    if filled(c, residue):
        return YES
    return ASK


@jit
def holds_brackets(c, place):
    """Return 1 where a value may be an object or an array, 0 where not, -1 when that must be asked."""
    row = row_of(c, T_PLACE, 8, place)
    if load64(row, P_STATUS) == 0:
        need(c, Q_PLACE, place, 0, 0)
        return -1
    if load64(row, P_OBJECT) >= 0 or load64(row, P_ARRAY) >= 0:
        return 1
    return 0


@jit
def edge(c, first, second, third):
    """Return what is known of (residue, key, outcome), or -2."""
    t = load64(c, C_TEMPORARY) + 8 * 8
    store64(t, 0, first)
    store64(t, 1, second)
    store64(t, 2, third)
    found = find(c, T_EDGE, 3, t)
    if found < 0:
        return -2
    return load64(row_of(c, T_EDGE, 4, found), 3)


@jit
def extra_place(c, residue, group):
    """Return the place of the value under an extra key of a class, -1 (not allowed),
    or -2 when that must be asked."""
    row = row_of(c, T_RES, R_STRIDE, residue)
    if load64(row, R_EXTRA_PLACE) >= 0 and group == 0:
        return load64(row, R_EXTRA_PLACE)
    known = edge(c, residue, EXTRA_TAG, group)
    if known == -2:
        need(c, Q_EXTRA, residue, group, 0)
    return known


@jit
def value_place(c, d):
    """Return the place of the value that may begin here, or -1 (none)."""
    mode = load64(d, MODE)
    if mode == M_DOC:
        return load64(c, C_ROOT)
    if mode == M_VALUE:
        key = load64(d, LEX)
        if key >= 0:
            children = load64(row_of(c, T_RES, R_STRIDE, load64(d, RES)), R_CHILD)
            return load32(load64(c, 6 * T_CHILD + ADDRESS), children + key)
        return extra_place(c, load64(d, RES), -2 - key)
    return load64(row_of(c, T_RES, R_STRIDE, load64(d, RES)), R_ITEM)


@jit
def after(c, residue, key, outcome):
    """Return the residue after a value under a key, or -1 when that must be asked."""
    row = row_of(c, T_RES, R_STRIDE, residue)
    plain = load64(row, R_PLAIN)
    if plain >= 0 and outcome == 0:
        shape = row_of(c, T_PLAIN, L_STRIDE, plain)
        if load64(shape, L_ANY) == 0:
            base = load64(shape, L_BASE)
            if key < 0:
                return base + load64(shape, L_COUNT)
            places = load64(c, 6 * T_CHILD + ADDRESS) + 4 * load64(shape, L_ARRAYS)
            return base + load32(places, 2 * key) + 1
        if key < 0:
            return residue
    known = edge(c, residue, key, outcome)
    if known < 0:
        need(c, Q_AFTER, residue, key, outcome)
        return -1
    return known
