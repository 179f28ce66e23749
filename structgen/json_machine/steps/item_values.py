"""Items of which the value matters (`ir.ArrayMenu.values`): their text is followed while they are written.

TEXT then holds a log (CAPTURE), a chain of T_TEXT rows: the bytes of the item without the white space between
its tokens; keys decoded, between KEY_BEGINS and KEY_ENDS. The log of an item within an item goes on with that
of the outer one, and the frame under each (F_EXTRAS) holds where its own begins. When the item closes, the
network is asked what follows a value like that.

Walks that fill masks do not follow the text: the log is then empty, and what follows the item is asked of the
network for any value (`Network.after_unread`). What may be written of the item after such a one (UNREAD) is
told where many values go on with it; where not, the step is VAGUE, and the tokens are tried one by one.
"""

from __future__ import annotations

import numba

from structgen.json_machine.steps.unused_keys import fresh_keys
from structgen.json_machine.tables.layout import *
from structgen.json_machine.tables.residues import edge, known_residue
from structgen.json_machine.tables.string_tables import MIDDLES
from structgen.json_machine.tables.table_rows import intern, need, row_of, settle
from structgen.native.jit import jit
from structgen.native.raw_memory import load32, load64, store64


@jit
def item_values(c, d):
    """Return 0 unless a value that begins here is an item whose value matters; 2 where the value of the one
    before it has not been read."""
    mode = load64(d, MODE)
    if mode != M_ARRAY and mode != M_NEXT:
        return numba.int64(0)
    return load64(row_of(c, T_RES, R_STRIDE, load64(d, RES)), R_VALUES)


@jit
def begin_item(c, d, values):
    """Begin the log of an item; its frame has been pushed."""
    text = load64(d, TEXT) | CAPTURE
    if values == 2:
        text |= UNREAD
    store64(d, TEXT, text)


@jit
def append(c, d, label):
    """Add a label to the log: YES, or ASK when room must be made."""
    text = load64(d, TEXT)
    if load64(c, C_PRECISE) == 0:
        store64(d, TEXT, text & (CAPTURE | UNREAD))
        return YES
    t = load64(c, C_TEMPORARY) + 8 * 16
    store64(t, 0, text & LOG)
    store64(t, 1, label)
    row = intern(c, T_TEXT, 2, t)
    if row < 0:
        return ASK
    store64(d, TEXT, (text & CAPTURE) | row)
    return YES


@jit
def many_strings(c, d):
    """Return whether two strings or more go on from the registers of one, as far as that shows quickly."""
    spec = row_of(c, T_STRING, S_STRIDE, load64(d, RES))
    state = load64(d, LEX) & STATE_BITS
    if load64(d, LEX) >> ESCAPE_SHIFT != 0:
        return False
    most = load64(spec, S_MOST)
    if state < MIDDLES:
        return most < 0 or load64(d, AT) < most
    if most >= 0:
        return False
    seen = load64(d, SEEN)
    return fresh_keys(c, load64(spec, S_WORDS), state, seen if seen > 0 else -1, 0, 2) >= 2


@jit
def many_numbers(c, state):
    """Return YES, ASK, or VAGUE, which says nothing: do two numbers or more go on from a numeral of which
    one character is written? Two digits other than 0 that may come next are two values, whatever follows."""
    columns, found = load64(c, C_NUMBERS) + 4 * 16 * state, 0
    for digit in range(1, 10):
        target = load32(columns, digit)
        if target == -2:
            need(c, Q_NUMBER, state, 0, 0)
            return ASK
        if target >= 0:
            found += 1
    return YES if found >= 2 else VAGUE


@jit
def among_literals(c, d):
    """Return whether the registers are in an item of an array whose items may be literals. After such a one
    what is written of the next would be VAGUE: a literal is one value."""
    frame = load64(d, FRAME)
    if frame < 0:
        return False
    row = row_of(c, T_FRAME, 5, frame)
    place = load64(row_of(c, T_RES, R_STRIDE, load64(row, F_RES)), R_ITEM)
    if load64(row, F_KEY) != -1 or place < 0:
        return False
    row = row_of(c, T_PLACE, 8, place)
    return load64(row, P_TRUE) >= 0 or load64(row, P_FALSE) >= 0 or load64(row, P_NULL) >= 0


@jit
def plenty(c, residue):
    """Return YES, NO or ASK: do two values or more go on from a residue, until the value of a key is read? NO
    says nothing."""
    known = load64(row_of(c, T_RES, R_STRIDE, residue), R_PLENTY)
    if known == 0:
        need(c, Q_PLENTY, residue, 0, 0)
        return ASK
    return YES if known == 1 else NO


@jit
def follow_item(c, s, d, byte):
    """Take a byte that was accepted, from the registers at `s` to those at `d`, into the log:
    YES, ASK or VAGUE."""
    mode, before = load64(d, MODE), load64(s, MODE)
    if mode == M_KEY and before == M_KEY:
        return YES
    if mode != M_STRING and mode != M_WORDS and (byte == 32 or byte == 10 or byte == 9 or byte == 13):
        return YES
    if load64(d, TEXT) & UNREAD != 0:
        if mode == M_STRING and many_strings(c, d):
            return YES
        if mode == M_NUMBER and before != M_NUMBER:
            return many_numbers(c, load64(d, LEX))
        if mode == M_OBJECT or mode == M_ARRAY or mode == M_KEY or mode == M_COLON or mode == M_VALUE:
            code = plenty(c, load64(d, RES))
            return VAGUE if code == NO else code
        return VAGUE
    if mode == M_KEY:
        return append(c, d, KEY_BEGINS)
    return append(c, d, KEY_ENDS if before == M_KEY else byte)


@jit
def close_item(c, d, frame, outcome):
    """Leave a finished item whose value matters: YES, ASK or VAGUE. `frame`: the row of that under it."""
    held = load64(frame, F_RES)
    if load64(row_of(c, T_RES, R_STRIDE, held), R_VALUES) == 2:
        return VAGUE
    log, outer = load64(d, TEXT) & LOG, load64(frame, F_EXTRAS)
    if log == 0:
        residue = edge(c, held, UNREAD_TAG, outcome)
        if residue == -1:
            return VAGUE
        if residue < 0:
            need(c, Q_UNREAD, held, outcome, 0)
            return ASK
    else:
        which = (log << 32) | (outer & LOG)
        residue = edge(c, held, ITEM_TAG - outcome, which)
        if residue < 0:
            need(c, Q_ITEM, held, outcome, which)
            return ASK
    settle(d, M_ITEM, residue, 0, load64(frame, F_PARENT))
    store64(d, TEXT, 0 if outer == 0 else CAPTURE | log)
    return known_residue(c, residue)
