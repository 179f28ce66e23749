"""Keys beside the list of those that are named, and the set of those that were written."""

from __future__ import annotations

import numba

from structgen.json_machine.masks.trie_walk import (
    child_from,
    defer_below,
    emit_token,
    escapable,
    escape_next,
    mark_below,
    open_children,
    places,
    walk_below,
    with_quote,
)
from structgen.json_machine.steps.byte_step import step
from structgen.json_machine.tables.layout import *
from structgen.json_machine.tables.table_rows import copy, row_of
from structgen.json_machine.tables.text_lists import ended, next_held, next_listed
from structgen.native.jit import jit
from structgen.native.raw_memory import load64, store64


@jit
def listed_next(c, s, byte):
    """Return the smallest byte from `byte` on with which a key may agree with one that is named or was
    written, or close, or begin an escape; or 256."""
    if load64(s, LEX) >> ESCAPE_SHIFT != 0:
        return escape_next(c, s, byte)
    found, escapes = numba.int64(256), False
    if load64(s, MODE) == M_STRING:
        words = load64(row_of(c, T_STRING, S_STRIDE, load64(s, RES)), S_WORDS)
        found = next_listed(c, words, load64(s, SEEN), byte)
        return with_quote(byte, found, byte <= 92 and escapable(c, s, words, load64(s, SEEN)))
    if load64(s, AT) >= 0:
        words = load64(row_of(c, T_RES, R_STRIDE, load64(s, RES)), R_LEX)
        found = next_listed(c, words, load64(s, AT), byte)
        escapes = byte <= 92 and escapable(c, s, words, load64(s, AT))
    if load64(s, SEEN) > 0:
        found = min(found, next_held(c, load64(s, SEEN), byte))
        escapes = True
    return with_quote(byte, found, escapes)


@jit
def is_listed(c, s):
    """Return whether a key, as far as it is written, is one that is named or was written."""
    place, seen = load64(s, AT), load64(s, SEEN)
    if load64(s, MODE) == M_STRING:
        words = load64(row_of(c, T_STRING, S_STRIDE, load64(s, RES)), S_WORDS)
        return ended(c, words, seen) >= 0
    if seen > 0 and load64(row_of(c, T_SET, 4, seen), 1) == 1:
        return True
    words = load64(row_of(c, T_RES, R_STRIDE, load64(s, RES)), R_LEX)
    return place >= 0 and ended(c, words, place) >= 0


@jit
def excluded(c, s, byte):
    """Return whether a string's byte that was refused is refused for the sake of the list alone: then what
    the terminal says of the tokens inside is too much."""
    if load64(row_of(c, T_STRING, S_STRIDE, load64(s, RES)), S_AMPLE) != 0:
        return False
    free, after = load64(c, C_TEMPORARY) + 8 * 104, load64(c, C_TEMPORARY) + 8 * 112
    copy(s, free)
    store64(free, SEEN, 0)
    return step(c, free, after, byte) != NO


@jit
def walk_listed(c, d, node, base):
    """Collect the tokens of a key that depend on which keys are named or were written, and mark those that
    close one; of the tokens below a node (the root is the node after the last), which stands for their first
    `base` bytes, before the key's text.

    An extra key may come from here, so what stays inside the key, and closes it under a key that is in no
    list, is the business of the terminal; here only the paths that still agree with a listed key are walked.
    """
    scratch, records, ids = load64(c, C_SCRATCH), load64(c, C_CHILDREN), load64(c, C_SLOT_IDS)
    place = places(c)
    copy(d, scratch + 64 * base)
    asked = False
    depth = base + 1
    open_children(c, node, depth)
    while depth > base:
        at, last = load64(place, depth) >> 32, load64(place, depth) & 0xFFFFFFFF
        s = scratch + 64 * (depth - 1)
        escape = (load64(s, LEX) >> ESCAPE_SHIFT) & 15
        deeper, expected = False, numba.int64(-1)
        while at < last:
            word, more = load64(records, 2 * at), load64(records, 2 * at + 1)
            byte, child = word & 255, more & 0xFFFFFFFF
            if byte != expected:
                expected = listed_next(c, s, byte)
                if expected != byte:
                    at = child_from(c, at + 1, last, expected)
                    continue
            at += 1
            closes = byte == 34 and (escape == 0 or escape == 6)
            if closes and escape == 0 and not is_listed(c, s):
                continue
            code = step(c, s, s + 64, byte)
            if code == ASK:
                asked = True
            if closes:
                mark_below(c, child)
            if code == VAGUE:
                defer_below(c, child)
            if code == NO and not closes and load64(s, MODE) == M_STRING and excluded(c, s, byte):
                store64(c, C_BLURRED, max(load64(c, C_BLURRED), WHOLE_WALK))
            if code != YES:
                continue
            if closes or load64(s + 64, LEX) & STATE_BITS == NO_STATE:
                emit_token(c, ids, word, more >> 32)
                open_children(c, child, depth + 1)
                if walk_below(c, depth + 1):
                    asked = True
                continue
            if load64(s + 64, SEEN) <= 0 and (load64(s, MODE) == M_STRING or load64(s + 64, AT) < 0):
                continue
            store64(place, depth, (at << 32) | last)
            depth += 1
            open_children(c, child, depth)
            deeper = True
            break
        if not deeper:
            depth -= 1
    return asked
