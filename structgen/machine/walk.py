"""Masks and commits: the byte trie of a vocabulary walked through the machine,
and the entry points that Python calls.

Every entry point takes the address of a context (layout.py) and integers. Answers below 0 mean that questions
were noted (`ASKED`): the caller answers them and calls again.
"""

from __future__ import annotations

import numba
import numpy as np

from structgen.jit import entry, jit
from structgen.machine.items import item_values
from structgen.machine.layout import *
from structgen.machine.lists import ended, next_held, next_listed
from structgen.machine.memory import load8, load32, load64, store8, store32, store64
from structgen.machine.residues import extra_place, value_place
from structgen.machine.rows import copy, hash_words, intern, need, row_of, settle
from structgen.machine.runs import cross, emit, walk_space, walk_string
from structgen.machine.space import brackets, deepest, space_allows
from structgen.machine.step import accepting, close_value, literal_byte, push_frame, step
from structgen.machine.strings import FREE
from structgen.masks.trie import MANY_TOKENS

ASKED = -3
MISS = -4
LARGE = -5
ENDED = -6
REFUSED = -1


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
def before_quote(byte, expected):
    """Return the first of a byte expected later, a quote and a backslash that comes after `byte`."""
    after = expected
    if byte < 92 and 92 < after:
        after = 92
    if byte < 34 and 34 < after:
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
        if lex & STATE_BITS != (NO_STATE if mode == M_KEY else 0) or lex >> ESCAPE_SHIFT != 0:
            return -1
        if byte == 34 or byte == 92:
            return -1
        if mode == M_KEY:
            words = load64(row_of(c, T_RES, R_STRIDE, load64(s, RES)), R_LEX)
        else:
            words = load64(row_of(c, T_STRING, S_STRIDE, load64(s, RES)), S_START)
        expected = next_listed(c, words, load64(s, AT), byte)
        return -1 if byte == expected else before_quote(byte, expected)
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


@jit
def walk_terminal(c):
    """Collect the tokens that stay inside the terminal in scratch block 0 (its frame is the sentinel), and
    note, for each subtree in which it closes, (outcome, node, whether the byte belongs to the terminal).
    Returns whether it asked."""
    scratch, trie, last = load64(c, C_SCRATCH), load64(c, C_TRIE), load64(c, C_TRIE_COUNT)
    starts, ids, may = load64(c, C_SLOT_START), load64(c, C_SLOT_IDS), load64(c, C_MAY)
    mode = load64(scratch, MODE)
    if mode == M_STRING or mode == M_KEY:
        return walk_string(c, 0, last, 0)
    asked, whole = False, False
    crossings = numba.int64(0)
    i = numba.int64(0)
    while i < last:
        node = load64(trie, i)
        s = scratch + 64 * (((node >> 8) & 0xFFF) - 1)
        here, byte = i, node & 255
        code = step(c, s, s + 64, byte)
        if code == YES:
            slot = (node >> 20) & 0xFFFFF
            if slot > 0:
                emit(c, ids, load32(starts, slot - 1), load32(starts, slot))
            i += 1
            continue
        i = (node >> 40) & 0xFFFFFF
        if code == OUT:
            crossings = cross(c, crossings, load64(s + 64, LEX), here, 1)
        elif code == ASK:
            asked = True
        elif code == OUT_BEFORE and (
            load8(may, (M_ITEM << 8) | byte) != 0 or load8(may, (M_MEMBER << 8) | byte) != 0
        ):
            # anything that may hold a numeral goes on with white space, a comma or a bracket
            if (node >> 8) & 0xFFF > 1:
                crossings = cross(c, crossings, load64(s + 64, LEX), here, 0)
            elif not whole:
                # the whole token is left over: it is walked on the vocabulary's own trie
                crossings = cross(c, crossings, load64(s + 64, LEX), -1, 0)
                whole = True
    store64(c, C_CROSSED_COUNT, crossings)
    return asked


@jit
def terminal_key(c, d, t):
    """Write a terminal's identity to `t`: the automaton state,
    and what its length bounds still ask of one token."""
    mode = load64(d, MODE)
    store64(t, X_MODE, mode)
    store64(t, X_LEX, load64(d, LEX))
    store64(t, X_LEAST, 0)
    store64(t, X_MOST, -1)
    store64(t, X_POLICY, 0)
    store64(t, X_SPARE, 0)
    if mode == M_STRING:
        spec = row_of(c, T_STRING, S_STRIDE, load64(d, RES))
        longest = load64(c, C_LONGEST)
        store64(t, X_LEAST, min(max(load64(spec, S_LEAST) - load64(d, AT), 0), longest + 1))
        reach = longest + load64(spec, S_FARTHEST)
        if load64(spec, S_MOST) >= 0 and load64(spec, S_MOST) - load64(d, AT) < reach:
            store64(t, X_MOST, load64(spec, S_MOST) - load64(d, AT))


@jit
def known_terminal(c, t):
    """Return the terminal whose identity stands at `t`, -1 when it, or room for it, must be asked."""
    terminal = intern(c, T_TERMINAL, 6, t)
    if terminal < 0:
        return -1
    if load64(row_of(c, T_TERMINAL, X_STRIDE, terminal), X_CROSS) < 0:
        need(c, Q_TERMINAL, terminal, 0, 0)
        return -1
    return terminal


@jit
def find_terminal(c, d):
    """Return the terminal of a state in a string, a key or a numeral; -1 when it must be asked."""
    t = load64(c, C_TEMPORARY) + 8 * 32
    terminal_key(c, d, t)
    for i in range(X_ROW, X_STRIDE):
        store64(t, i, -1)
    return known_terminal(c, t)


@jit
def find_space(c, d):
    """Return the terminal of the white space at a structural state, -1 when something must be asked first."""
    t = load64(c, C_TEMPORARY) + 8 * 32
    for i in range(X_STRIDE):
        store64(t, i, -1)
    store64(t, X_MODE, M_SPACE)
    level, most = numba.int64(1), numba.int64(1)
    if load64(c, C_SPACE) == SPACE_BOUNDED:
        level, most = brackets(c, d), deepest(c, d)
        if most < 0:
            return -1
        # deeper than the longest token's white space, depth makes no difference
        fold = load64(c, C_LONGEST) // 8 + 2
        if level > fold:
            most -= level - fold
            level = fold
    store64(t, X_LEX, level)
    store64(t, X_LEAST, most)
    store64(t, X_MOST, -1)
    store64(t, X_POLICY, load64(c, C_SPACE))
    store64(t, X_SPARE, 0)
    return known_terminal(c, t)


@jit
def walk_group(c, group, unmarked):
    """Collect the tokens of a crossing that live on from scratch block 0,
    where their terminal has been left."""
    exact = load64(group, G_EXACT)
    if unmarked:
        emit_unmarked(c, exact, 0, load64(group, G_EXACTS))
    else:
        emit(c, exact, 0, load64(group, G_EXACTS))
    return walk(
        c,
        load64(group, G_TRIE),
        load64(group, G_COUNT),
        load64(group, G_STARTS),
        load64(group, G_IDS),
        unmarked,
    )


@jit
def emit_row(c, row):
    """Add the tokens of a dense row to the buffer."""
    words = load64(c, C_MASK_WORDS)
    source = load64(c, C_ROWS) + 4 * words * row
    buffer, count = load64(c, C_BUFFER), load64(c, C_BUFFER_COUNT)
    for i in range(words):
        word = load32(source, i) & 0xFFFFFFFF
        while word != 0:
            bit = numba.int64(0)
            while (word >> bit) & 1 == 0:
                bit += 1
            store32(buffer, count, 32 * i + bit)
            count += 1
            word &= word - 1
    store64(c, C_BUFFER_COUNT, count)


@jit
def enter(c, d, group, whole):
    """Put scratch block 0 to the state after a terminal was left with a crossing's outcome: YES, NO, ASK or
    VAGUE. `whole`: nothing of the tokens belongs to the terminal."""
    scratch, outcome = load64(c, C_SCRATCH), load64(group, G_OUTCOME)
    copy(d, scratch)
    if not whole:
        # what the tokens wrote of the terminal is different for each
        store64(scratch, TEXT, load64(d, TEXT) & CAPTURE)
    if load64(d, MODE) != M_KEY:
        return close_value(c, scratch, outcome)
    value = extra_place(c, load64(d, RES), outcome)
    if value < 0:
        return NO if value == -1 else ASK
    settle(scratch, M_COLON, load64(d, RES), load64(d, EXTRAS) | BLUR, load64(d, FRAME))
    store64(scratch, LEX, -2 - outcome)
    return YES


@jit
def resolve(c, d, terminal):
    """Collect the tokens that close the terminal and live on in what holds it; those that are left over
    whole, or marked, are left out, and the marks taken away. Returns whether something was asked."""
    unmarked = load64(c, C_MARKED) > 0
    row = row_of(c, T_TERMINAL, X_STRIDE, terminal)
    first = load64(row, X_CROSS)
    asked = False
    for i in range(first, first + load64(row, X_CROSSES)):
        group = row_of(c, T_CROSS, G_STRIDE, i)
        code = enter(c, d, group, False)
        if code == ASK:
            asked = True
        if code == VAGUE:
            defer_tokens(c, load64(group, G_EXACT), 0, load64(group, G_EXACTS))
            defer(
                c,
                load64(group, G_TRIE),
                0,
                load64(group, G_COUNT),
                load64(group, G_STARTS),
                load64(group, G_IDS),
            )
        if code == YES and walk_group(c, group, unmarked):
            asked = True
    if unmarked:
        unmark(c)
    return asked


@jit
def listed_next(c, s, byte):
    """Return the smallest byte from `byte` on with which a key may agree with one that is named or was
    written, or close, or begin an escape; or 256."""
    if load64(s, LEX) >> ESCAPE_SHIFT != 0:
        return byte
    found = numba.int64(256)
    if load64(s, MODE) == M_STRING:
        words = load64(row_of(c, T_STRING, S_STRIDE, load64(s, RES)), S_WORDS)
        found = next_listed(c, words, load64(s, SEEN), byte)
        return byte if byte == 34 or byte == 92 else before_quote(byte, found)
    if load64(s, AT) >= 0:
        words = load64(row_of(c, T_RES, R_STRIDE, load64(s, RES)), R_LEX)
        found = next_listed(c, words, load64(s, AT), byte)
    if load64(s, SEEN) > 0:
        found = min(found, next_held(c, load64(s, SEEN), byte))
    if byte == 34 or byte == 92:
        return byte
    return before_quote(byte, found)


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


@jit
def find_quoted(c, d):
    """Return the terminal of a string or key that was opened just now, with its quote;
    -1 when it must be asked."""
    t = load64(c, C_TEMPORARY) + 8 * 32
    for i in range(X_STRIDE):
        store64(t, i, -1)
    store64(t, X_MODE, M_QUOTED_STRING if load64(d, MODE) == M_STRING else M_QUOTED_KEY)
    store64(t, X_LEX, load64(d, LEX))
    store64(t, X_LEAST, 0)
    store64(t, X_POLICY, 0)
    store64(t, X_SPARE, 0)
    store64(c, C_QUOTED, load64(d, RES))
    return known_terminal(c, t)


@jit
def walk_quoted(c, node):
    """Collect the tokens that begin with a quote (its root child is `node`) and live from the structural
    state in scratch block 0, which is left as it is. Returns whether something was asked."""
    scratch = load64(c, C_SCRATCH)
    kept, d = load64(c, C_TEMPORARY) + 8 * 88, load64(c, C_TEMPORARY) + 8 * 96
    copy(scratch, kept)
    code = step(c, scratch, d, 34)
    if code == VAGUE:
        defer_below(c, node)
    if code != YES:
        return code == ASK
    mode = load64(d, MODE)
    whole = mode == M_KEY and load64(d, LEX) & STATE_BITS != NO_STATE
    if mode == M_STRING:
        spec = row_of(c, T_STRING, S_STRIDE, load64(d, RES))
        reach = load64(c, C_LONGEST) + load64(spec, S_FARTHEST)
        whole = load64(spec, S_LEAST) == 0 and (load64(spec, S_MOST) < 0 or load64(spec, S_MOST) >= reach)
    if not whole:
        return walk_root(c, 34)
    terminal = find_quoted(c, d)
    if terminal < 0:
        return True
    known = row_of(c, T_TERMINAL, X_STRIDE, terminal)
    emit(c, load64(known, X_LIST), 0, load64(known, X_LISTED))
    if load64(known, X_ROW) >= 0:
        emit_row(c, load64(known, X_ROW))
    listed = load64(d, SEEN) > 0 or (mode == M_KEY and load64(d, AT) >= 0)
    asked = listed and walk_listed(c, d, node, 1)
    if resolve(c, d, terminal):
        asked = True
    copy(kept, scratch)
    return asked


@jit
def walk_digits(c):
    """Collect the tokens that begin with a numeral and live from the structural state in scratch block 0,
    which is left as it is. Returns whether something was asked."""
    scratch = load64(c, C_SCRATCH)
    kept, d = load64(c, C_TEMPORARY) + 8 * 88, load64(c, C_TEMPORARY) + 8 * 96
    place = value_place(c, scratch)
    if place < 0:
        return place == -2
    row = row_of(c, T_PLACE, 8, place)
    if load64(row, P_STATUS) == 0:
        need(c, Q_PLACE, place, 0, 0)
        return True
    start = load64(row, P_NUMBER)
    level = brackets(c, scratch)
    if start < 0 or not space_allows(c, scratch, level, False):
        return False
    frame = push_frame(c, scratch, level, False)
    if frame == -2:
        return True
    copy(scratch, kept)
    store64(d, TEXT, load64(scratch, TEXT) & CAPTURE)
    if item_values(c, scratch) != 0:
        store64(d, TEXT, CAPTURE)
    settle(d, M_NUMBER, 0, 0, frame)
    store64(d, LEX, start)
    terminal = find_terminal(c, d)
    if terminal < 0:
        return True
    known = row_of(c, T_TERMINAL, X_STRIDE, terminal)
    emit(c, load64(known, X_LIST), 0, load64(known, X_LISTED))
    if load64(known, X_ROW) >= 0:
        emit_row(c, load64(known, X_ROW))
    asked = resolve(c, d, terminal)
    copy(kept, scratch)
    return asked


@jit
def walk_structure(c):
    """Collect the tokens that live from the structural state in scratch block 0, nothing of the next token
    written. Returns a dense row to start from (-1: none), or -3 when something was asked.

    White space comes first or not at all: tokens that begin with it are those of the white space terminal;
    the others begin with one of the few bytes that the mode allows.
    """
    scratch, roots = load64(c, C_SCRATCH), load64(c, C_FIRST)
    policy, mode = load64(c, C_SPACE), load64(scratch, MODE)
    asked, dense = False, numba.int64(-1)
    may = load64(c, C_MAY) + (mode << 8)
    if load8(may, 45) != 0 and walk_digits(c):
        asked = True
    for byte in range(9, 126):
        if load8(may, byte) == 0:
            continue
        space = byte == 32 or byte == 9 or byte == 10 or byte == 13
        if space and (policy == SPACE_BOUNDED or policy == SPACE_ANY):
            continue
        node = load32(roots, byte)
        if node < 0 or byte == 45 or (byte >= 48 and byte <= 57):
            continue
        if byte == 34:
            if walk_quoted(c, node):
                asked = True
        elif walk_root(c, byte):
            asked = True
    if policy == SPACE_BOUNDED or policy == SPACE_ANY:
        terminal = find_space(c, scratch)
        if terminal < 0:
            return ASKED
        known = row_of(c, T_TERMINAL, X_STRIDE, terminal)
        dense = load64(known, X_ROW)
        emit(c, load64(known, X_LIST), 0, load64(known, X_LISTED))
        first = load64(known, X_CROSS)
        for i in range(first, first + load64(known, X_CROSSES)):
            if walk_group(c, row_of(c, T_CROSS, G_STRIDE, i), False):
                asked = True
    return ASKED if asked else dense


@jit
def resolve_whole(c, d, terminal):
    """Collect the tokens before which a numeral ends. Returns a dense row to start from (-1: none), or -3
    when something was asked."""
    row = row_of(c, T_TERMINAL, X_STRIDE, terminal)
    first = load64(row, X_CROSS)
    asked, dense = False, numba.int64(-1)
    for i in range(first, first + load64(row, X_CROSSES)):
        group = row_of(c, T_CROSS, G_STRIDE, i)
        if load64(group, G_WHOLE) == 0:
            continue
        code = enter(c, d, group, True)
        if code == ASK:
            asked = True
        if code != YES:
            continue
        found = walk_structure(c)
        if found == ASKED:
            asked = True
        elif dense >= 0 and found >= 0 and found != dense:
            emit_row(c, found)
        elif found >= 0:
            dense = found
    return ASKED if asked else dense


@jit
def walk_all(c, d):
    """Collect every token that lives from a state, by the whole trie."""
    copy(d, load64(c, C_SCRATCH))
    open_children(c, load64(c, C_TRIE_COUNT), 1)
    return walk_below(c, 1)


@jit
def collect(c, d):
    """Collect a state's tokens: returns the dense row to start from (-1:
    none), or -3 when something was asked."""
    mode = load64(d, MODE)
    row = numba.int64(-1)
    asked = False
    if mode == M_STRING or mode == M_NUMBER or (mode == M_KEY and load64(d, LEX) & STATE_BITS != NO_STATE):
        terminal = find_terminal(c, d)
        if terminal < 0:
            return ASKED
        known = row_of(c, T_TERMINAL, X_STRIDE, terminal)
        row = load64(known, X_ROW)
        emit(c, load64(known, X_LIST), 0, load64(known, X_LISTED))
        listed = load64(d, SEEN) > 0 or (mode == M_KEY and load64(d, AT) >= 0)
        if listed and walk_listed(c, d, load64(c, C_TRIE_COUNT), 0):
            asked = True
        if resolve(c, d, terminal):
            asked = True
        follows = resolve_whole(c, d, terminal) if mode == M_NUMBER else numba.int64(-1)
        if follows == ASKED:
            asked = True
        elif row >= 0 and follows >= 0:
            emit_row(c, follows)
        elif follows >= 0:
            row = follows
    elif mode <= M_NEXT and load64(d, AT) == 0:
        copy(d, load64(c, C_SCRATCH))
        return walk_structure(c)
    elif mode != M_FINISHED:
        asked = walk_all(c, d)
    return ASKED if asked else row


@jit
def try_deferred(c, index):
    """Collect those of the deferred tokens that live. Returns whether something was asked."""
    store64(c, C_PRECISE, 1)
    deferred, offsets, data = load64(c, C_DEFERRED), load64(c, C_TOKEN_OFFSET), load64(c, C_TOKEN_DATA)
    asked = False
    for i in range(load64(c, C_DEFERRED_COUNT)):
        token = load32(deferred, i)
        s = row_of(c, T_NODE, N_STRIDE, index)
        code = numba.int64(YES)
        for at in range(load64(offsets, token), load64(offsets, token + 1)):
            d = load64(c, C_SCRATCH) + 64 * (at & 1)
            code = step(c, s, d, load8(data, at))
            if code != YES:
                break
            s = d
        if code == YES:
            emit(c, deferred, i, i + 1)
        asked = asked or code == ASK
    return asked


@jit
def write_mask(c, row, target):
    """Write the memoised mask of a node's row to `target`, if there is one."""
    if target == 0:
        return 0
    words, dense = load64(c, C_MASK_WORDS), load64(row, N_ROW)
    if dense >= 0:
        source = load64(c, C_ROWS) + 4 * words * dense
        for i in range(words):
            store32(target, i, load32(source, i))
    else:
        for i in range(words):
            store32(target, i, 0)
    tokens = load64(c, 6 * T_LIST + ADDRESS) + 4 * load64(row, N_LIST)
    for i in range(load32(tokens, 0)):
        token = load32(tokens, 1 + i)
        store32(target, token >> 5, load32(target, token >> 5) | (1 << (token & 31)))
    return 0


@entry("int64(int64, int64, int64)")
def compute(c, index, target):
    """Work out and memoise a state's mask, and write it to `target` (0: nowhere). Returns 0, or -3 with
    questions noted; -6 after an end token; or -5 where the list of its tokens (in the buffer) would be as
    long as a row: it is then neither memoised nor written."""
    d = row_of(c, T_NODE, N_STRIDE, index)
    if load64(d, N_LIST) >= 0:
        return write_mask(c, d, target)
    if load64(d, MODE) == M_FINISHED:
        return ENDED
    store64(c, C_PRECISE, 0)
    store64(c, C_BLURRED, 0)
    store64(c, C_BUFFER_COUNT, 0)
    store64(c, C_DEFERRED_COUNT, 0)
    row = collect(c, d)
    if load64(c, C_BLURRED) == WHOLE_WALK:
        store64(c, C_BLURRED, 0)
        store64(c, C_BUFFER_COUNT, 0)
        store64(c, C_DEFERRED_COUNT, 0)
        row = ASKED if walk_all(c, d) else -1
    if load64(c, C_BLURRED) != 0:
        # a token that writes two extra keys of one object: only the walk that follows their text can tell
        store64(c, C_PRECISE, 1)
        store64(c, C_BUFFER_COUNT, 0)
        row = ASKED if walk_all(c, d) else -1
    elif load64(c, C_DEFERRED_COUNT) != 0 and try_deferred(c, index):
        row = numba.int64(ASKED)
    store64(c, C_PRECISE, 1)
    if row == ASKED:
        return ASKED
    store64(load64(c, C_NEEDS), 0, 0)  # what a walk asked that was then not needed
    if accepting(c, d):
        emit(c, load64(c, C_ENDS), 0, load64(c, C_END_COUNT))
    base = 6 * T_LIST
    count, used = load64(c, C_BUFFER_COUNT), load64(c, base + COUNT)
    if row < 0 and count >= load64(c, C_MASK_WORDS):
        return LARGE
    if used + count + 1 > load64(c, base + CAPACITY):
        need(c, Q_ROOM, T_LIST, count + 1, 0)
        return ASKED
    lists, buffer = load64(c, base + ADDRESS), load64(c, C_BUFFER)
    store32(lists, used, count)
    for i in range(count):
        store32(lists, used + 1 + i, load32(buffer, i))
    store64(c, base + COUNT, used + 1 + count)
    store64(d, N_ROW, row)
    store64(d, N_LIST, used)
    return write_mask(c, d, target)


@entry("int64(int64, int64, int64)")
def fill(c, index, target):
    """Write a memoised mask to `target` (int32 words). Returns 0, or -4 where the mask is not known yet.
    Takes no lock."""
    row = row_of(c, T_NODE, N_STRIDE, index)
    if load64(row, N_LIST) < 0:
        return MISS
    return write_mask(c, row, target)


@jit
def intern_node(c, d):
    t = load64(c, C_TEMPORARY) + 8 * 40
    copy(d, t)
    store64(t, N_ROW, -1)
    store64(t, N_LIST, -1)
    return intern(c, T_NODE, 8, t)


@jit
def run(c, index, data, count):
    """Take bytes from a state; the registers after them lie in the returned scratch block,
    or the code is returned."""
    s = load64(c, C_SCRATCH)
    copy(row_of(c, T_NODE, N_STRIDE, index), s)
    for i in range(count):
        d = load64(c, C_SCRATCH) + 64 * (1 - (i & 1))
        code = step(c, s, d, load8(data, i))
        if code != YES:
            return REFUSED if code == NO else ASKED
        s = d
    return intern_node(c, s)


@entry("int64(int64, int64, int64, int64)")
def take_bytes(c, index, data, count):
    """Return the state after bytes, -1 when they are refused, -3 with questions noted."""
    store64(c, C_PRECISE, 1)
    code = run(c, index, data, count)
    if code == -1 and load64(load64(c, C_NEEDS), 0) > 0:
        return ASKED
    return code


@entry("int64(int64, int64, int64)")
def take_token(c, index, token):
    """Return the state after a token that is not an end token, -1 when it is refused,
    -3 with questions noted."""
    if load32(load64(c, C_SLOT), token) < 0:
        return REFUSED
    store64(c, C_PRECISE, 1)
    offsets = load64(c, C_TOKEN_OFFSET)
    start, end = load64(offsets, token), load64(offsets, token + 1)
    code = run(c, index, load64(c, C_TOKEN_DATA) + start, end - start)
    if code == -1 and load64(load64(c, C_NEEDS), 0) > 0:
        return ASKED
    return code


@entry("int64(int64, int64)")
def may_end(c, index):
    """Return 1 where the document may end, else 0."""
    return 1 if accepting(c, row_of(c, T_NODE, N_STRIDE, index)) else 0


@entry("int64(int64)")
def start_node(c):
    """Return the state before the first byte, or -3 when room must be made."""
    d = load64(c, C_SCRATCH)
    store64(d, TEXT, 0)
    settle(d, M_DOC, 0, 0, NO_FRAME)
    code = intern_node(c, d)
    return ASKED if code < 0 else code


@entry("int64(int64, int64)")
def finish_node(c, index):
    """Return the state after an end token, -1 where the document may not end,
    or -3 when room must be made."""
    if not accepting(c, row_of(c, T_NODE, N_STRIDE, index)):
        return REFUSED
    d = load64(c, C_SCRATCH)
    store64(d, TEXT, 0)
    settle(d, M_FINISHED, 0, 0, NO_FRAME)
    code = intern_node(c, d)
    return ASKED if code < 0 else code


@entry("int64(int64, int64)")
def terminal_tokens(c, terminal_node):
    """Walk a terminal by itself from a state's registers. Returns 0, or -3 with questions noted; the tokens
    inside lie in the buffer, the crossings in C_CROSSED."""
    scratch = load64(c, C_SCRATCH)
    copy(row_of(c, T_NODE, N_STRIDE, terminal_node), scratch)
    store64(scratch, FRAME, SENTINEL)
    store64(scratch, SEEN, 0)
    store64(scratch, TEXT, 0)
    if load64(scratch, MODE) == M_KEY:
        store64(scratch, AT, -1)
    store64(c, C_PRECISE, 0)
    store64(c, C_BUFFER_COUNT, 0)
    asked = walk_terminal(c)
    store64(c, C_PRECISE, 1)
    return ASKED if asked else 0


@entry("int64(int64, int64, int64)")
def next_bytes(c, index, target):
    """Write 1 at target[b] (uint8) for each byte b that may come next, 2 where that must be asked.
    Returns -3 if any."""
    store64(c, C_PRECISE, 0)
    s = row_of(c, T_NODE, N_STRIDE, index)
    d = load64(c, C_SCRATCH)
    asked = False
    for byte in range(256):
        code = step(c, s, d, byte)
        asked = asked or code == ASK
        store8(target, byte, 1 if code == YES else 0)
    store64(c, C_PRECISE, 1)
    return ASKED if asked else 0


@entry("int64(int64, int64, int64)")
def rehash(c, table, words):
    """Put all rows of an interning table into its (emptied) hash slots."""
    base = 6 * table
    address, stride = load64(c, base + ADDRESS), load64(c, base + STRIDE)
    slots, mask = load64(c, base + HASH), load64(c, base + MASK)
    for i in range(load64(c, base + COUNT)):
        at = hash_words(address + 8 * stride * i, words) & mask
        while load32(slots, at) >= 0:
            at = (at + 1) & mask
        store32(slots, at, i)
    return 0


@entry("int64(int64, int64, int64, int64, int64)")
def put_edge(c, first, second, third, value):
    """Note what follows (residue, key, outcome); there is room. Returns 0."""
    t = load64(c, C_TEMPORARY) + 8 * 8
    store64(t, 0, first)
    store64(t, 1, second)
    store64(t, 2, third)
    store64(t, 3, value)
    intern(c, T_EDGE, 3, t)
    return 0


@jit
def plausible(data, start, end, mode):
    """Return whether what a token leaves over may follow a terminal of a mode at all,
    whatever the grammar."""
    byte = load8(data, start)
    if byte == 32 or byte == 9 or byte == 10 or byte == 13 or byte == 44 or byte == 93 or byte == 125:
        return True
    if byte == 58:
        return mode != M_STRING and mode != M_QUOTED_STRING and mode != M_NUMBER
    if mode != M_SPACE:
        return False
    which = 0 if byte == 116 else (1 if byte == 102 else (2 if byte == 110 else -1))
    if which >= 0:
        for i in range(min(end - start, 5 if which == 1 else 4)):
            if load8(data, start + i) != literal_byte(which, i):
                return False
    return True


@entry("Tuple((uint8[::1], int64[::1], int32[::1], int32[::1]))(int64, int64, int64)")
def leftovers(c, outcome, mode):
    """Return what the tokens leave over that closed the last terminal walked, of a mode, with this outcome:
    the remainders' bytes, their offsets, the token of each; and the tokens that leave nothing."""
    trie, crossed = load64(c, C_TRIE), load64(c, C_CROSSED)
    starts, ids = load64(c, C_SLOT_START), load64(c, C_SLOT_IDS)
    offsets_of, data_of = load64(c, C_TOKEN_OFFSET), load64(c, C_TOKEN_DATA)
    tokens = numba.int64(0)
    size = numba.int64(0)
    data = np.empty(0, np.uint8)
    offsets = np.empty(1, np.int64)
    owners = np.empty(0, np.int32)
    exact = np.empty(0, np.int32)
    for turn in range(2):
        tokens, size, whole = 0, 0, 0
        for i in range(load64(c, C_CROSSED_COUNT)):
            if load64(crossed, 3 * i) != outcome or load64(crossed, 3 * i + 1) < 0:
                continue
            node = load64(trie, load64(crossed, 3 * i + 1))
            taken = ((node >> 8) & 0xFFF) - 1 + load64(crossed, 3 * i + 2)
            for j in range(load64(crossed, 3 * i + 1), (node >> 40) & 0xFFFFFF):
                slot = (load64(trie, j) >> 20) & 0xFFFFF
                if slot == 0:
                    continue
                for k in range(load32(starts, slot - 1), load32(starts, slot)):
                    token = load32(ids, k)
                    start, end = load64(offsets_of, token) + taken, load64(offsets_of, token + 1)
                    if start == end:
                        if turn == 1:
                            exact[whole] = token
                        whole += 1
                        continue
                    if not plausible(data_of, start, end, mode):
                        continue
                    if turn == 1:
                        for at in range(start, end):
                            data[size + at - start] = load8(data_of, at)
                        owners[tokens] = token
                        offsets[tokens + 1] = size + end - start
                    tokens += 1
                    size += end - start
        if turn == 0:
            data = np.empty(size, np.uint8)
            offsets = np.zeros(tokens + 1, np.int64)
            owners = np.empty(tokens, np.int32)
            exact = np.empty(whole, np.int32)
    return data, offsets, owners, exact


@entry("int64(int64, int64, int64, int64)")
def put_node(c, mode, residue, lex):
    """Return the state of a terminal with nothing of it written and no frame below,
    or -3 when room must be made."""
    d = load64(c, C_SCRATCH)
    store64(d, TEXT, 0)
    settle(d, mode, residue, 0, NO_FRAME)
    store64(d, LEX, lex)
    code = intern_node(c, d)
    return ASKED if code < 0 else code


@entry("int32[::1](int64, int32[::1])")
def count_characters(c, tokens):
    """Return, for tokens that begin inside a JSON string, the characters begun before they end or close it.

    An escape is one character, a pair of surrogate escapes too (RFC 8259, section 7).
    """
    offsets, data = load64(c, C_TOKEN_OFFSET), load64(c, C_TOKEN_DATA)
    counts = np.zeros(len(tokens), np.int32)
    for i in range(len(tokens)):
        at, end = load64(offsets, tokens[i]), load64(offsets, tokens[i] + 1)
        count, paired = 0, False
        while at < end:
            byte = load8(data, at)
            if byte == 34:
                break
            if byte != 92:
                if byte & 0xC0 != 0x80:
                    count += 1
                paired = False
                at += 1
                continue
            if not paired:
                count += 1
            paired = False
            if at + 3 < end and load8(data, at + 1) == 117:
                first, second = load8(data, at + 2) | 32, load8(data, at + 3) | 32
                # d8 to db open a pair; what follows can only be its second half
                paired = first == 100 and (second == 56 or second == 57 or second == 97 or second == 98)
                at += 6
            else:
                at += 6 if at + 1 < end and load8(data, at + 1) == 117 else 2
        counts[i] = count
    return counts


@entry("int64(int64, int64)")
def space_tokens(c, terminal):
    """Walk a white space terminal. Returns 0; the tokens inside lie in the buffer,
    the crossings in C_CROSSED."""
    row = row_of(c, T_TERMINAL, X_STRIDE, terminal)
    store64(c, C_BUFFER_COUNT, 0)
    walk_space(c, load64(row, X_LEX), load64(row, X_LEAST))
    return 0


@entry("int64(int64, int64)")
def buffer_row(c, target):
    """Write the tokens in the buffer to a row of bits at `target`. Returns 0."""
    for i in range(load64(c, C_MASK_WORDS)):
        store32(target, i, 0)
    buffer = load64(c, C_BUFFER)
    for i in range(load64(c, C_BUFFER_COUNT)):
        token = load32(buffer, i)
        store32(target, token >> 5, load32(target, token >> 5) | (1 << (token & 31)))
    return 0


@entry("int64(int64, int64)")
def quoted_tokens(c, terminal):
    """Walk a terminal with the quote that opens it. Returns 0, or -3 with questions noted;
    as `terminal_tokens`."""
    scratch, trie = load64(c, C_SCRATCH), load64(c, C_TRIE)
    row = row_of(c, T_TERMINAL, X_STRIDE, terminal)
    node = load32(load64(c, C_FIRST), 34)
    store64(scratch, TEXT, 0)
    settle(
        scratch,
        M_STRING if load64(row, X_MODE) == M_QUOTED_STRING else M_KEY,
        load64(c, C_QUOTED),
        0,
        SENTINEL,
    )
    store64(scratch, LEX, load64(row, X_LEX))
    if load64(row, X_MODE) == M_QUOTED_KEY:
        store64(scratch, AT, -1)
    store64(c, C_PRECISE, 0)
    store64(c, C_BUFFER_COUNT, 0)
    slot = (load64(trie, node) >> 20) & 0xFFFFF
    if slot > 0:
        starts = load64(c, C_SLOT_START)
        emit(c, load64(c, C_SLOT_IDS), load32(starts, slot - 1), load32(starts, slot))
    asked = walk_string(c, node + 1, (load64(trie, node) >> 40) & 0xFFFFFF, 1)
    store64(c, C_PRECISE, 1)
    return ASKED if asked else 0
