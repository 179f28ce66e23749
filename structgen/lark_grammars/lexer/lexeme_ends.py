"""The compiled ends of lexemes: as which terminals a state's lexeme may end so that a separator makes sure of
it.

Of each terminal the first text is followed that leads to it from the items of the state, as
`contextual_lexer` has texts. Where it leads elsewhere, or a separator behind it is not enough, the terminal
is left to `contextual_lexer`.
"""

from __future__ import annotations

import numba as nb

from structgen.lark_grammars.lexer.lexeme_rows import (
    A_AFTER,
    A_FIRST,
    A_ITEMS,
    A_MAY_BE,
    A_REACH,
    A_SOURCES,
    DEAD,
    DECIDED,
    I_ENDS,
    I_GUARDS,
    I_KIND,
    I_MATCH,
    I_WORDS,
    L_BEGINS,
    L_POOL,
    L_SOURCES,
    L_STATES,
    L_TRACKED,
    MISSING,
    NOTED,
    R_BITS,
    R_HALF,
    R_TERMINALS,
    R_WIDTH,
    S_ITEMS,
    S_TRACKED,
    SLOT,
    slots_of,
    terminal_of,
)
from structgen.native.jit import entry, jit
from structgen.native.raw_memory import load8, load32, load64, store8, store32, store64

(
    E_CLASSES,
    E_SEPARATOR,
    E_NEWLINE,
    E_TABLE,
    E_MASK,
    E_TEXTS,
    E_EXACT,
    E_IGNORED,
    E_NOTED,
    E_NOTES,
    E_MISSING,
    E_ROWS,
    E_BITS,
    E_FOUND,
    E_WORDS,
) = range(15)
"""CLASSES: uint8[256]. SEPARATOR: a byte. NEWLINE: the indenter's, -1: there is none. TABLE: int64[MASK + 1,
2], 1 + a key (an item, and the number of a match), and the text (where it begins in TEXTS, above SIZE_BITS,
and how long it is), or NO_TEXT. EXACT: uint8 of each terminal, is it a string that may take a match's place?
IGNORED: uint8 of each terminal. NOTED: how many texts are asked for, NOTES: int64[MOST_TEXTS], their keys.
MISSING: how many rows are, ROWS: int32[MOST_TEXTS], of which states. BITS: int64[HALF]. FOUND:
int32[F_LISTS + 4 * TERMINALS], what was found."""
SIZE_BITS = 20
NO_TEXT, ASKED_TEXT = -1, -2
MOST_TEXTS = 1024
F_PARTED, F_LEFT, F_ALL, F_FLAGS, F_LAST, F_LISTS = range(6)
"""How many terminals the separator makes sure of, how many are left to `contextual_lexer`, and how many the
lexeme may become; FLAGS; what the text's end makes of it, a terminal or one of LAST_...; then four lists that
each have room for all terminals: all, the sure ones, the bytes that these need, and those that are left."""
HAS_IGNORED, MAY_BE_IGNORED, MAY_BREAK, HAS_OLD = 1, 2, 4, 8
"""Has it a slot of an ignored terminal; may it become one; may it become the indenter's newline? Has it an
old slot?"""
LAST_NOT, LAST_OLD, LAST_UNKNOWN = -1, -2, -3


@jit
def place_of(e, key):
    """Return where in the table the text with a key stands, or may be put."""
    mask = load64(e, E_MASK)
    h = nb.uint64(key) * nb.uint64(0x9E3779B97F4A7C15)
    at = nb.int64((h >> nb.uint64(32)) & nb.uint64(mask))
    table = load64(e, E_TABLE)
    while load64(table, 2 * at) != 0 and load64(table, 2 * at) != key + 1:
        at = (at + 1) & mask
    return table + 16 * at


@entry("void(int64, int64, int64)")
def put_text(e, key, text):
    """Enter a text."""
    place = place_of(e, key)
    store64(place, 0, key + 1)
    store64(place, 1, text)


@jit
def first_text(r, e, items, count, number):
    """Return the shortest text that leads from some items to a match, of those the first; NO_TEXT; or
    ASKED_TEXT, where some are noted."""
    bits, reach, matches = load64(r, R_BITS), load64(r, A_REACH), 2 * load64(r, R_TERMINALS)
    best, asked = nb.int64(NO_TEXT), False
    size = (1 << SIZE_BITS) - 1
    for i in range(count):
        item = load32(items, i)
        if load64(reach, bits * item + (number >> 6)) >> (number & 63) & 1 == 0:
            continue
        key = matches * item + number
        place = place_of(e, key)
        text = load64(place, 1)
        if load64(place, 0) == 0:
            asked = True
            noted = load64(e, E_NOTED)
            if noted < MOST_TEXTS:
                store64(load64(e, E_NOTES), noted, key)
                store64(e, E_NOTED, noted + 1)
        elif text >= 0 and (best < 0 or text & size < best & size):
            best = text
    return nb.int64(ASKED_TEXT) if asked else best


@jit
def move_of(r, classes, state, byte):
    """Return the state after a byte, DEAD, DECIDED, or MISSING - state; and where its first slot comes
    from."""
    cell = load64(r, R_WIDTH) * state
    if load32(load64(r, A_FIRST), cell) < 0:
        return MISSING - state, nb.int64(0)
    cell += load8(classes, byte)
    begins = load64(r, L_SOURCES + L_BEGINS)
    sources = load64(r, L_SOURCES + L_POOL) + 4 * load64(begins, load32(load64(r, A_SOURCES), cell))
    after = load32(load64(r, A_AFTER), cell)
    return after, load32(sources, 0) if after == DECIDED else nb.int64(0)


@jit
def is_sure(r, e, state, terminal, text):
    """Return whether a text, with the separator behind it, makes sure that a lexeme is a terminal's; or
    MISSING - state."""
    classes, begin = load64(e, E_CLASSES), load64(e, E_TEXTS) + (text >> SIZE_BITS)
    size = text & ((1 << SIZE_BITS) - 1)
    for i in range(size):
        after, source = move_of(r, classes, state, load8(begin, i))
        if after == DECIDED:
            return nb.int64(i == size - 1 and source == -1 - terminal)
        if after < 0:
            return nb.int64(0) if after == DEAD else after
        state = after
    if slots_of(r, state, terminal) == 0:
        return nb.int64(0)
    after, source = move_of(r, classes, state, load64(e, E_SEPARATOR))
    if after <= MISSING:
        return after
    sure = after == DECIDED and source >= 0 and terminal_of(r, state, source) == terminal
    return nb.int64(sure)


@jit
def last_of(r, items, count):
    """Return what the text's end makes of a state's items."""
    for i in range(count):
        item = load64(r, A_ITEMS) + 4 * I_WORDS * load32(items, i)
        if load32(item, I_KIND) == SLOT and load32(item, I_GUARDS) == 0:
            return load32(item, I_MATCH) if load32(item, I_MATCH) >= 0 else nb.int64(LAST_OLD)
        if load32(item, I_ENDS) != 0:
            return nb.int64(LAST_UNKNOWN)
    return nb.int64(LAST_NOT)


@jit
def mark_all(r, e, state, items, count):
    """Mark in BITS the terminals that a lexeme may become, or is; return flags of its slots."""
    half, bits, flags = load64(r, R_HALF), load64(e, E_BITS), nb.int64(0)
    for w in range(half):
        store64(bits, w, load64(load64(r, A_MAY_BE), half * state + w))
    for i in range(count):
        item = load64(r, A_ITEMS) + 4 * I_WORDS * load32(items, i)
        terminal = load32(item, I_MATCH)
        if load32(item, I_KIND) != SLOT:
            continue
        if terminal < 0:
            flags |= HAS_OLD
            continue
        w = terminal >> 6
        store64(bits, w, load64(bits, w) | nb.int64(1) << (terminal & 63))
        if load8(load64(e, E_IGNORED), terminal) != 0:
            flags |= HAS_IGNORED
    return flags


@entry("int64(int64, int64, int64)")
def find_ends(r, e, state):
    """Find as what a lexeme may end (FOUND). Returns 0; or NOTED, where texts are asked for, or rows: call it
    again then."""
    t, held = r + 8 * L_STATES, r + 8 * L_TRACKED
    begin = load64(load64(t, L_BEGINS), state)
    count = load64(load64(t, L_BEGINS), state + 1) - begin - S_ITEMS
    head = load64(t, L_POOL) + 4 * begin
    items = head + 4 * S_ITEMS
    tracked = load32(head, S_TRACKED)
    strings = load64(load64(held, L_BEGINS), tracked)
    many = load64(load64(held, L_BEGINS), tracked + 1) - strings
    strings = load64(held, L_POOL) + 4 * strings
    terminals, newline = load64(r, R_TERMINALS), load64(e, E_NEWLINE)
    found = load64(e, E_FOUND)
    every = found + 4 * F_LISTS
    parted, sizes, left = every + 4 * terminals, every + 8 * terminals, every + 12 * terminals
    flags = mark_all(r, e, state, items, count)
    bits, exact = load64(e, E_BITS), load64(e, E_EXACT)
    alls, sure, others, complete = 0, 0, 0, True
    for terminal in range(terminals):
        if load64(bits, terminal >> 6) >> (terminal & 63) & 1 == 0:
            continue
        store32(every, alls, terminal)
        alls += 1
        if load8(load64(e, E_IGNORED), terminal) != 0:
            flags |= MAY_BE_IGNORED
        if terminal == newline:
            flags |= MAY_BREAK
            continue
        text = nb.int64(0)
        if slots_of(r, state, terminal) == 0:
            text = nb.int64(NO_TEXT)
            if load8(exact, terminal) != 0:
                text = first_text(r, e, strings, many, terminals + terminal)
            if text == NO_TEXT:
                text = first_text(r, e, items, count, nb.int64(terminal))
        if text == ASKED_TEXT:
            complete = False
            continue
        code = is_sure(r, e, state, terminal, text) if text >= 0 else nb.int64(0)
        if code < 0:
            complete = False
            missing = load64(e, E_MISSING)
            if missing < MOST_TEXTS:
                store32(load64(e, E_ROWS), missing, MISSING - code)
                store64(e, E_MISSING, missing + 1)
            continue
        if code > 0:
            store32(parted, sure, terminal)
            store32(sizes, sure, text & ((1 << SIZE_BITS) - 1))
            sure += 1
        else:
            store32(left, others, terminal)
            others += 1
    store32(found, F_PARTED, sure)
    store32(found, F_LEFT, others)
    store32(found, F_ALL, alls)
    store32(found, F_FLAGS, flags)
    store32(found, F_LAST, last_of(r, items, count))
    return nb.int64(0) if complete else nb.int64(NOTED)


@entry("void(int64, int64, int64, int64, int64)")
def find_becoming(r, first, count, terminal, found):
    """Write (uint8) of some states in a row whether a lexeme may become a terminal's, or is one."""
    half, may_be = load64(r, R_HALF), load64(r, A_MAY_BE)
    for i in range(count):
        may = load64(may_be, half * (first + i) + (terminal >> 6)) >> (terminal & 63) & 1
        store8(found, i, 1 if may != 0 or slots_of(r, first + i, terminal) != 0 else 0)
