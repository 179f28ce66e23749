"""Strings of an automaton beside which stands a list of words with outcomes of their own (S_WORDS): what an
item must not be again, or may still equal. So they share the automaton, and its masks, with other strings.

SEEN is the place in the list while the string agrees with a word of it, 0 once it does not.
"""

from __future__ import annotations

import numba

from structgen.json_machine.tables.layout import *
from structgen.json_machine.tables.string_tables import MIDDLES, WIDTH, string_step
from structgen.json_machine.tables.table_rows import need, row_of
from structgen.json_machine.tables.text_lists import ended, narrow
from structgen.native.jit import jit
from structgen.native.raw_memory import load32, load64, store64

_LEVEL = 4  # words of the stack for one byte: state, place, characters, next column


@jit
def listed_outcome(c, spec, place):
    """Return the outcome of the word that ends at a place, -1 where it is excluded, -2 where none ends."""
    word = ended(c, load64(spec, S_WORDS), place)
    if word < 0:
        return numba.int64(-2)
    return numba.int64(load32(load64(c, 6 * T_OUTCOME + ADDRESS), load64(spec, S_OUTCOMES) + word))


@jit
def follow_list(c, d, byte):
    """Take a decoded byte in the list beside a string's automaton: YES, NO where nothing is left that could
    come of the string, or ASK."""
    place = load64(d, SEEN)
    if place <= 0:
        return YES
    spec = row_of(c, T_STRING, S_STRIDE, load64(d, RES))
    place = narrow(c, load64(spec, S_WORDS), place, byte)
    store64(d, SEEN, max(place, 0))
    if place < 0 or load64(spec, S_AMPLE) != 0:
        return YES
    return string_left(c, d)


@jit
def string_left(c, d):
    """Return YES, NO or ASK: does a string go on from these registers that the list does not exclude?

    Cost: what the list holds at the place, times the width of the automaton.
    """
    spec = row_of(c, T_STRING, S_STRIDE, load64(d, RES))
    words, least, most = load64(spec, S_WORDS), load64(spec, S_LEAST), load64(spec, S_MOST)
    distances, outcomes = load64(c, 6 * T_DISTANCE + ADDRESS), load64(c, C_STRINGS_OUT)
    lone = load64(c, C_ESCAPES) == ESCAPES_ANY
    stack, room = load64(c, 6 * T_SPARE + ADDRESS), load64(c, 6 * T_SPARE + CAPACITY)
    store64(stack, 0, load64(d, LEX) & STATE_BITS)
    store64(stack, 1, load64(d, SEEN))
    store64(stack, 2, load64(d, AT))
    store64(stack, 3, -1)
    level, asked = numba.int64(0), False
    while level >= 0:
        top = stack + 8 * _LEVEL * level
        state, place, count, column = load64(top, 0), load64(top, 1), load64(top, 2), load64(top, 3)
        if column < 0:
            column = numba.int64(0)
            if load32(outcomes, state) >= 0 and count >= least and listed_outcome(c, spec, place) != -1:
                return YES
        deeper = False
        while column < (WIDTH if lone else 256):
            byte = column
            column += 1
            then = count + (1 if byte & 0xC0 != 0x80 else 0)
            if most >= 0 and then > most:
                continue
            target = string_step(c, state, byte)
            if target == -2:
                asked = True
                break
            if target < 0:
                continue
            if most >= 0 and target >= MIDDLES and then + load32(distances, target) > most:
                continue
            here = narrow(c, words, place, byte) if byte < 256 else numba.int64(-1)
            if here < 0:
                return YES  # a column of lone surrogates stands for more of them than lists hold
            if _LEVEL * (level + 2) > room:
                need(c, Q_ROOM, T_SPARE, _LEVEL * (level + 2), 0)
                return ASK
            store64(top, 3, column)
            level += 1
            top = stack + 8 * _LEVEL * level
            store64(top, 0, target)
            store64(top, 1, here)
            store64(top, 2, then)
            store64(top, 3, -1)
            deeper = True
            break
        if not deeper:
            level -= 1
    return ASK if asked else NO
