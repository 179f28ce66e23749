"""Is there a key left? A key that the object holds, or that the schema names, is no extra key any more.

Where the automaton of extra keys goes on in finitely many ways only (`^x[ab]$`), all of them may be held
already. Then nothing may come of the prefix, of the quote before it, or of the comma before that.
"""

from __future__ import annotations

import numba

from structgen.json_machine.tables.layout import *
from structgen.json_machine.tables.string_tables import MIDDLES, WIDTH, string_step
from structgen.json_machine.tables.table_rows import need, row_of
from structgen.json_machine.tables.text_lists import ended, narrow, pack, set_step
from structgen.native.jit import jit
from structgen.native.raw_memory import load32, load64, store64

_LEVEL = 4  # words of the stack for one byte: state, place, set, next column
_DEEP = 48
"""Bytes after which texts are not told apart any more."""


@jit
def fresh_keys(c, words, state, place, seen, wanted):
    """Return how many texts that the automaton accepts from `state` are neither in the word list nor in the
    set, up to `wanted`; or -1 when something must be asked. The answer is a lower bound, and 0 only where
    there is none: what goes on for long outside list and set counts once.

    Cost: what list and set hold under `place` and `seen`, times the width of the automaton.
    """
    stack, room = load64(c, 6 * T_SPARE + ADDRESS), load64(c, 6 * T_SPARE + CAPACITY)
    lone = load64(c, C_KEY_ESCAPES) == ESCAPES_ANY
    found, asked = numba.int64(0), False
    level = numba.int64(0)
    store64(stack, 0, state)
    store64(stack, 1, place)
    store64(stack, 2, seen)
    store64(stack, 3, -1)
    while level >= 0:
        top = stack + 8 * _LEVEL * level
        state, place, seen, column = load64(top, 0), load64(top, 1), load64(top, 2), load64(top, 3)
        if column < 0:
            column = numba.int64(0)
            if (
                load32(load64(c, C_STRINGS_OUT), state) >= 0
                and (place < 0 or ended(c, words, place) < 0)
                and (seen <= 0 or load64(row_of(c, T_SET, 4, seen), 1) == 0)
            ):
                found += 1
        deeper = False
        while column < 256 and found < wanted:
            byte = column
            column += 1
            target = string_step(c, state, byte)
            if target < 0:
                asked = asked or target == -2
                if target == -2:
                    column = numba.int64(256)
                continue
            here = narrow(c, words, place, byte) if place >= 0 else numba.int64(-1)
            held = set_step(c, seen, byte) if seen > 0 else numba.int64(0)
            if here < 0 and held <= 0 and (found + 1 >= wanted or level >= _DEEP):
                found += 1
                continue
            if _LEVEL * (level + 2) > room:
                need(c, Q_ROOM, T_SPARE, _LEVEL * (level + 2), 0)
                return -1
            store64(top, 3, column)
            level += 1
            top = stack + 8 * _LEVEL * level
            store64(top, 0, target)
            store64(top, 1, here)
            store64(top, 2, held)
            store64(top, 3, -1)
            deeper = True
            break
        if deeper:
            continue
        if lone and found < wanted:
            # a column stands for 1,024 lone surrogates: more than are ever held
            for half in range(256, WIDTH):
                target = string_step(c, state, half)
                if target >= 0:
                    found += 1
                elif target == -2:
                    asked = True
        if found >= wanted:
            return wanted
        level -= 1
    return numba.int64(-1) if asked else found


@jit
def fresh_left(c, residue, state, place, seen, extras):
    """Return YES, NO or ASK: is some extra key left that goes on from `state`? `extras`: the set of the
    object, which may be blurred; a walk that cannot tell then says so (C_BLURRED)."""
    blurred = extras & BLUR != 0
    if state < MIDDLES or (place < 0 and seen <= 0 and not blurred):
        return YES
    words = load64(row_of(c, T_RES, R_STRIDE, residue), R_LEX)
    found = fresh_keys(c, words, state, place, seen, 2 if blurred else 1)
    if found < 0:
        return ASK
    if blurred and found < 2:
        store64(c, C_BLURRED, 1)
    return YES if found > 0 else NO


@jit
def all_names(c, residue):
    """Return the place of all names of an object's list, -1 where there are none."""
    words = load64(row_of(c, T_LEX, 2, load64(row_of(c, T_RES, R_STRIDE, residue), R_LEX)), 1)
    return pack(0, words, 0) if words > 0 else numba.int64(-1)


@jit
def more(c, d):
    """Return YES, NO or ASK: may another member or item come?"""
    residue, extras = load64(d, RES), load64(d, EXTRAS)
    row = row_of(c, T_RES, R_STRIDE, residue)
    if load64(row, R_NAMED) > 0 or load64(row, R_ITEM) >= 0:
        return YES
    state = load64(row, R_EXTRA)
    if state < 0:
        return NO
    if state < MIDDLES:
        return YES
    return fresh_left(c, residue, state, all_names(c, residue), extras & (BLUR - 1), extras)
