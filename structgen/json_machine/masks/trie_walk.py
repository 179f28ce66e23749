"""A trie walked through the machine: the vocabulary's own, and the small ones of what tokens leave over."""

from __future__ import annotations

import numba

from structgen.json_machine.masks.terminal_runs import emit
from structgen.json_machine.steps.byte_step import step
from structgen.json_machine.steps.escapes import dumped, escapes_of
from structgen.json_machine.tables.layout import *
from structgen.json_machine.tables.string_tables import FREE
from structgen.json_machine.tables.table_rows import copy, row_of
from structgen.json_machine.tables.text_lists import next_listed
from structgen.native.jit import jit
from structgen.native.raw_memory import load8, load32, load64, store32, store64
from structgen.tokens.trie import MANY_TOKENS


@jit
def emit_unmarked(c, ids, first, last):
    """Add the token ids that are not marked in the special bitmap."""
    buffer, count, marks = load64(c, C_BUFFER), load64(c, C_BUFFER_COUNT), load64(c, C_SPECIAL)
    for i in range(first, last):
        token = load32(ids, i)
        if (load32(marks, token >> 5) >> (token & 31)) & 1 == 0:
            store32(buffer, count, token)
            count += 1
    store64(c, C_BUFFER_COUNT, count)


@jit
def mark_below(c, node):
    """Mark the tokens at a node and below it, until `unmark`."""
    marks, count = load64(c, C_SPECIAL), load64(c, C_MARKED)
    marked = marks + 4 * load64(c, C_MASK_WORDS)
    starts, ids = load64(c, C_SLOT_START), load64(c, C_SLOT_IDS)
    before, end = load64(c, C_SLOTS_BEFORE), (load64(load64(c, C_TRIE), node) >> 40) & 0xFFFFFF
    for i in range(load32(starts, load32(before, node)), load32(starts, load32(before, end))):
        token = load32(ids, i)
        word = load32(marks, token >> 5)
        if (word >> (token & 31)) & 1 == 0:
            store32(marks, token >> 5, word | (1 << (token & 31)))
            store32(marked, count, token)
            count += 1
    store64(c, C_MARKED, count)


@jit
def unmark(c):
    """Take all marks away: they are few, and the bitmap is not."""
    marks = load64(c, C_SPECIAL)
    marked = marks + 4 * load64(c, C_MASK_WORDS)
    for i in range(load64(c, C_MARKED)):
        store32(marks, load32(marked, i) >> 5, 0)
    store64(c, C_MARKED, 0)


@jit
def escape_next(c, s, byte):
    """Return the smallest byte from `byte` on that may come inside the escape being written, or 256."""
    escape = (load64(s, LEX) >> ESCAPE_SHIFT) & 15
    if escape == 1:
        if byte <= 34:
            return 34
        if byte <= 47:
            return 47
        if byte <= 92:
            return 92
        if byte <= 98:
            return 98
        if byte <= 102:
            return 102
        if byte <= 110:
            return 110
        if byte <= 114:
            return 114
        return max(byte, 116) if byte <= 117 else 256
    if escape == 6 or escape == 7:
        return byte
    if byte <= 57:
        return max(byte, 48)
    if byte <= 70:
        return max(byte, 65)
    return max(byte, 97) if byte <= 102 else 256


@jit
def escapable(c, s, words, place):
    """Return whether a listed word may go on with a character that is written as an escape."""
    policy = escapes_of(c, s)
    if not dumped(policy):
        return True
    if next_listed(c, words, place, 0) < 32 or next_listed(c, words, place, 34) == 34:
        return True
    if policy == ESCAPES_ASCII and next_listed(c, words, place, 127) < 256:
        return True
    return next_listed(c, words, place, 92) == 92


@jit
def with_quote(byte, expected, escapes):
    """Return the first of a byte expected, a quote, and a backslash if one may come, from `byte` on."""
    after = expected
    if byte <= 92 and 92 < after and escapes:
        after = 92
    if byte <= 34 and 34 < after:
        after = 34
    return after


@jit
def defer_tokens(c, ids, first, last):
    """Note tokens that are to be tried one by one."""
    deferred, count = load64(c, C_DEFERRED), load64(c, C_DEFERRED_COUNT)
    for i in range(first, last):
        store32(deferred, count, load32(ids, i))
        count += 1
    store64(c, C_DEFERRED_COUNT, count)


@jit
def defer(c, trie, first, last, starts, ids):
    """Note the tokens of some nodes of a trie as those that are to be tried one by one."""
    for i in range(first, last):
        slot = (load64(trie, i) >> 20) & 0xFFFFF
        if slot > 0:
            defer_tokens(c, ids, load32(starts, slot - 1), load32(starts, slot))


@jit
def defer_below(c, node):
    """Note the tokens at a node of the vocabulary and below it as those that are to be tried one by one."""
    starts, before = load64(c, C_SLOT_START), load64(c, C_SLOTS_BEFORE)
    end = (load64(load64(c, C_TRIE), node) >> 40) & 0xFFFFFF
    first, last = load32(starts, load32(before, node)), load32(starts, load32(before, end))
    defer_tokens(c, load64(c, C_SLOT_IDS), first, last)


@jit
def following(c, s, byte):
    """Return -1 where a byte may come, as far as mode and word lists tell at a glance, else the next byte
    that may, or 256: most children of most nodes are told apart so, for two loads and a branch."""
    mode = load64(s, MODE)
    if mode == M_STRING:
        return -1
    if mode == M_KEY or mode == M_WORDS:
        lex = load64(s, LEX)
        if lex & STATE_BITS != (NO_STATE if mode == M_KEY else 0):
            return -1
        if lex >> ESCAPE_SHIFT != 0:
            after = escape_next(c, s, byte)
            return -1 if after == byte else after
        if byte == 34:
            return -1
        if mode == M_KEY:
            words = load64(row_of(c, T_RES, R_STRIDE, load64(s, RES)), R_LEX)
        else:
            words = load64(row_of(c, T_STRING, S_STRIDE, load64(s, RES)), S_START)
        place = load64(s, AT)
        escapes = byte <= 92 and escapable(c, s, words, place)
        after = with_quote(byte, next_listed(c, words, place, byte), escapes)
        return -1 if after == byte else after
    return load32(load64(c, C_NEXT), (mode << 8) | byte)


@jit
def unchanged(c, s, byte):
    """Return whether a byte surely leaves the registers as they are: a plain character of a string that may
    be any, or of a key that may be any and agrees with none of the list; most of what follows white space."""
    if byte < 32 or byte > 126 or byte == 34 or byte == 92 or load64(s, LEX) != FREE:
        return False
    if load64(s, TEXT) & CAPTURE != 0:
        return False
    mode = load64(s, MODE)
    if mode == M_STRING:
        spec = row_of(c, T_STRING, S_STRIDE, load64(s, RES))
        return load64(spec, S_MOST) < 0 and load64(s, AT) >= load64(spec, S_LEAST)
    return mode == M_KEY and load64(s, AT) < 0 and load64(s, SEEN) <= 0 and load64(c, C_PRECISE) == 0


@jit
def walk(c, trie, last, starts, ids, unmarked):
    """Collect the tokens of a small trie (what tokens leave over) that live from the registers in scratch
    block 0. Returns whether something had to be asked."""
    scratch = load64(c, C_SCRATCH)
    asked = False
    i = numba.int64(0)
    while i < last:
        node = load64(trie, i)
        s = scratch + 64 * (((node >> 8) & 0xFFF) - 1)
        byte, end = node & 255, (node >> 40) & 0xFFFFFF
        if unchanged(c, s, byte):
            copy(s, s + 64)
            code = numba.int64(YES)
        elif following(c, s, byte) >= 0:
            i = end
            continue
        else:
            code = step(c, s, s + 64, byte)
        if code != YES:
            asked = asked or code == ASK
            if code == VAGUE:
                defer(c, trie, i, end, starts, ids)
            i = end
            continue
        slot = (node >> 20) & 0xFFFFF
        if slot > 0:
            if unmarked:
                emit_unmarked(c, ids, load32(starts, slot - 1), load32(starts, slot))
            else:
                emit(c, ids, load32(starts, slot - 1), load32(starts, slot))
        i += 1
    return asked


@jit
def child_from(c, first, last, byte):
    """Return the first of the children records first..last-1 with this byte or a later one, or `last`."""
    records = load64(c, C_CHILDREN)
    while first < last:
        middle = (first + last) >> 1
        if load8(records, 16 * middle) < byte:
            first = middle + 1
        else:
            last = middle
    return first


@jit
def emit_token(c, ids_of, word, token):
    """Add the tokens that end at a node, given its word and its record's token."""
    if token >= 0:
        count = load64(c, C_BUFFER_COUNT)
        store32(load64(c, C_BUFFER), count, token)
        store64(c, C_BUFFER_COUNT, count + 1)
    elif token == MANY_TOKENS:
        slot, starts = (word >> 20) & 0xFFFFF, load64(c, C_SLOT_START)
        emit(c, ids_of, load32(starts, slot - 1), load32(starts, slot))


@jit
def open_children(c, node, depth):
    """Put the walk's place at a depth before the first child of a node."""
    starts = load64(c, C_CHILD_START)
    store64(places(c), depth, (load32(starts, node) << 32) | load32(starts, node + 1))


@jit
def places(c):
    """Return the address of the walk's places: for each depth, the next record and the one after the last."""
    return load64(c, C_CROSSED) + 8 * (3 * load64(c, C_TRIE_COUNT) + 3 * 4096)


@jit
def walk_below(c, depth):
    """Collect the tokens below the place that was opened at a depth (1: the root's children) that live from
    the registers in the scratch block of that depth less one. Returns whether something had to be asked.

    Children that cannot come are not hopped over one by one (each hop is a cache line):
    the next that may is looked up.
    """
    scratch, records, ids = load64(c, C_SCRATCH), load64(c, C_CHILDREN), load64(c, C_SLOT_IDS)
    place = places(c)
    asked = False
    steps = load64(c, C_STEPS)
    top = depth
    while depth >= top:
        at, last = load64(place, depth) >> 32, load64(place, depth) & 0xFFFFFFFF
        s = scratch + 64 * (depth - 1)
        deeper = False
        while at < last:
            word, more = load64(records, 2 * at), load64(records, 2 * at + 1)
            byte = word & 255
            after = following(c, s, byte)
            if after >= 0:
                at = child_from(c, at + 1, last, after)
                continue
            at += 1
            steps += 1
            code = step(c, s, s + 64, byte)
            if code != YES:
                asked = asked or code == ASK
                if code == VAGUE:
                    defer_below(c, more & 0xFFFFFFFF)
                continue
            emit_token(c, ids, word, more >> 32)
            node = more & 0xFFFFFFFF
            if (word >> 40) & 0xFFFFFF > node + 1:
                store64(place, depth, (at << 32) | last)
                depth += 1
                open_children(c, node, depth)
                deeper = True
                break
        if not deeper:
            depth -= 1
    store64(c, C_STEPS, steps)
    return asked


@jit
def walk_root(c, byte):
    """Collect the tokens that begin with a byte and live from the registers in scratch block 0.
    Returns whether something had to be asked."""
    starts, count = load64(c, C_CHILD_START), load64(c, C_TRIE_COUNT)
    at = child_from(c, load32(starts, count), load32(starts, count + 1), byte)
    store64(places(c), 1, (at << 32) | (at + 1))
    return walk_below(c, 1)
