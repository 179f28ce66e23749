"""The decoded text of strings, keys and words, byte by byte."""

from __future__ import annotations

import numba

from structgen.json_machine.steps.excepted_words import follow_list
from structgen.json_machine.steps.item_values import append
from structgen.json_machine.steps.unused_keys import fresh_left
from structgen.json_machine.tables.layout import *
from structgen.json_machine.tables.string_tables import MIDDLES, string_step
from structgen.json_machine.tables.table_rows import intern, row_of
from structgen.json_machine.tables.text_lists import narrow, offered, set_step
from structgen.native.jit import jit
from structgen.native.raw_memory import load32, load64, store64


@jit
def alive(c, d):
    """Return YES, NO or ASK: can a key or a word be completed from its registers (escapes apart)?

    Where no extra key is left that begins so, the automaton's state is dropped (NO_STATE); what the terminal
    of the automaton alone says of this state is then too much, and the walk is told (C_BLURRED).
    """
    place = load64(d, AT)
    if load64(d, MODE) != M_KEY:
        return YES if place >= 0 else NO
    residue, state = load64(d, RES), load64(d, LEX) & STATE_BITS
    if state != NO_STATE:
        left = fresh_left(c, residue, state, place, load64(d, SEEN), load64(d, EXTRAS))
        if left != NO:
            return left
        store64(c, C_BLURRED, 1)
        store64(d, LEX, load64(d, LEX) | NO_STATE)
    return YES if place >= 0 and offered(c, residue, place) else NO


@jit
def follow_text(c, d, byte):
    """Add a byte to the extra key written so far; walks that fill masks leave it out (see BLUR)."""
    if load64(d, TEXT) & CAPTURE != 0:
        return append(c, d, byte)
    if load64(c, C_PRECISE) == 0:
        store64(d, TEXT, 0)
        return YES
    t = load64(c, C_TEMPORARY) + 8 * 16
    store64(t, 0, load64(d, TEXT))
    store64(t, 1, byte)
    text = intern(c, T_TEXT, 2, t)
    if text < 0:
        return ASK
    store64(d, TEXT, text)
    return YES


@jit
def near_enough(c, d, state):
    """Return whether a string of bounded length can still end in time, from a state of its automaton."""
    if state < MIDDLES:
        return True  # the free string: it may end at once
    spec = row_of(c, T_STRING, S_STRIDE, load64(d, RES))
    most = load64(spec, S_MOST)
    return most < 0 or load64(d, AT) + load32(load64(c, 6 * T_DISTANCE + ADDRESS), state) <= most


@jit
def feed_automaton(c, d, column):
    """Take a byte, or a lone surrogate's column, in the automaton of a string: YES, NO or ASK."""
    lex = load64(d, LEX)
    target = string_step(c, lex & STATE_BITS, column)
    if target < 0:
        return NO if target == -1 else ASK
    if not near_enough(c, d, target):
        return NO
    store64(d, LEX, (lex & ~STATE_BITS) | target)
    return YES


@jit
def follow_lists(c, d, byte):
    """Follow a byte of a key in the list of names and in the set of keys written."""
    place, seen = load64(d, AT), load64(d, SEEN)
    if place >= 0:
        row = row_of(c, T_RES, R_STRIDE, load64(d, RES))
        store64(d, AT, narrow(c, load64(row, R_LEX), place, byte))
    if seen > 0:
        store64(d, SEEN, set_step(c, seen, byte))


@jit
def feed(c, d, byte):
    """Take one byte of the decoded text of a string, a key or a word: YES, NO or ASK.
    LEX keeps its escape bits."""
    mode = load64(d, MODE)
    lex = load64(d, LEX)
    if mode == M_STRING:
        code = feed_automaton(c, d, byte)
        return follow_list(c, d, byte) if code == YES else code
    if mode == M_WORDS:
        spec = row_of(c, T_STRING, S_STRIDE, load64(d, RES))
        place = narrow(c, load64(spec, S_START), load64(d, AT), byte)
        if place < 0:
            return NO
        store64(d, AT, place)
        return YES
    state = lex & STATE_BITS
    if state != NO_STATE:
        target = string_step(c, state, byte)
        if target == -2:
            return ASK
        store64(d, LEX, (lex & ~STATE_BITS) | (NO_STATE if target < 0 else target))
    follow_lists(c, d, byte)
    code = alive(c, d)
    if code != YES:
        return code
    if load64(d, LEX) & STATE_BITS == NO_STATE:
        return no_extra(c, d, byte)
    return follow_text(c, d, byte)


@jit
def forget_extra(d):
    """Forget what was kept for the sake of extra keys."""
    store64(d, SEEN, 0)
    if load64(d, TEXT) & CAPTURE == 0:
        store64(d, TEXT, 0)


@jit
def no_extra(c, d, byte):
    """Take a byte after which only a named key can come."""
    forget_extra(d)
    return append(c, d, byte) if load64(d, TEXT) & CAPTURE != 0 else YES


@jit
def feed_listed(c, d, byte, extra):
    """Take one byte in the word list, the set and the text alone."""
    if load64(d, MODE) == M_WORDS:
        return feed(c, d, byte)
    follow_lists(c, d, byte)
    if extra or load64(d, TEXT) & CAPTURE != 0:
        return follow_text(c, d, byte)
    return YES


@jit
def surrogate_byte(point, index):
    """Return one of the three bytes of a lone surrogate in lists and sets."""
    if index == 0:
        return numba.int64(0xED)
    return 0x80 | ((point >> 6) & 63) if index == 1 else 0x80 | (point & 63)


@jit
def feed_surrogate(c, d, point):
    """Take a lone surrogate: the automata know two columns of them, the lists and sets their three bytes."""
    mode, lex = load64(d, MODE), load64(d, LEX)
    column = 256 if point < 0xDC00 else 257
    if mode == M_STRING:
        code = feed_automaton(c, d, column)
        if code != YES:
            return code
        for i in range(3):
            code = follow_list(c, d, surrogate_byte(point, i))
            if code != YES:
                return code
        return YES
    target = numba.int64(-1)
    if mode == M_KEY and lex & STATE_BITS != NO_STATE:
        target = string_step(c, lex & STATE_BITS, column)
        if target == -2:
            return ASK
    for i in range(3):
        byte = surrogate_byte(point, i)
        # the automaton is moved once, by hand; meanwhile it must not die on the three bytes
        store64(d, LEX, (load64(d, LEX) & ~STATE_BITS) | (0 if target >= 0 else NO_STATE))
        code = feed_listed(c, d, byte, target >= 0)
        if code != YES:
            return code
    if mode == M_KEY:
        store64(d, LEX, (load64(d, LEX) & ~STATE_BITS) | (NO_STATE if target < 0 else target))
        code = alive(c, d)
        if code == YES and load64(d, LEX) & STATE_BITS == NO_STATE:
            forget_extra(d)
        return code
    return YES


@jit
def feed_point(c, d, point):
    """Take one code point of the decoded text (a lone surrogate included)."""
    if point < 0x80:
        return feed(c, d, point)
    if point < 0x800:
        code = feed(c, d, 0xC0 | (point >> 6))
        if code != YES:
            return code
        return feed(c, d, 0x80 | (point & 63))
    if point < 0x10000:
        if point >= 0xD800 and point < 0xE000:
            return feed_surrogate(c, d, point)
        code = feed(c, d, 0xE0 | (point >> 12))
        if code != YES:
            return code
        code = feed(c, d, 0x80 | ((point >> 6) & 63))
        if code != YES:
            return code
        return feed(c, d, 0x80 | (point & 63))
    code = feed(c, d, 0xF0 | (point >> 18))
    if code != YES:
        return code
    code = feed(c, d, 0x80 | ((point >> 12) & 63))
    if code != YES:
        return code
    code = feed(c, d, 0x80 | ((point >> 6) & 63))
    if code != YES:
        return code
    return feed(c, d, 0x80 | (point & 63))


@jit
def character(c, d):
    """Count one more character of a string whose length is bounded; NO where it would be too long."""
    if load64(d, MODE) != M_STRING:
        return YES
    spec = row_of(c, T_STRING, S_STRIDE, load64(d, RES))
    most = load64(spec, S_MOST)
    count = load64(d, AT)
    if most >= 0:
        if count >= most:
            return NO
        store64(d, AT, count + 1)
    elif count < load64(spec, S_LEAST):
        store64(d, AT, count + 1)
    return YES
