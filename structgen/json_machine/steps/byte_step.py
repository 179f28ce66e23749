"""One byte of JSON text: the compiled transition of the machine (RFC 8259 text, the network's meaning,
the policies).

The text of JSON is a deterministic pushdown language, so a state is one set of registers (layout.py) over a
shared, hash-consed stack. Everything the schema means has been asked of the network and lies in tables; what
is not there yet is noted as a question (layout.Q_*), and the step answers ASK.
"""

from __future__ import annotations

import numba

from structgen.json_machine.steps.decoded_text import alive, character, feed
from structgen.json_machine.steps.escapes import (
    escape_alive,
    escape_step,
    escapes_of,
    settle_lone,
    with_escape,
)
from structgen.json_machine.steps.excepted_words import listed_outcome
from structgen.json_machine.steps.item_values import begin_item, close_item, follow_item, item_values
from structgen.json_machine.steps.unused_keys import all_names, more
from structgen.json_machine.steps.white_space import brackets, space_allows, space_step
from structgen.json_machine.tables.layout import *
from structgen.json_machine.tables.residues import after, extra_place, known_residue, value_place
from structgen.json_machine.tables.table_rows import copy, intern, need, row_of, settle
from structgen.json_machine.tables.text_lists import (
    ended,
    pack,
    place_low,
    place_position,
    set_insert,
    word_at,
)
from structgen.native.jit import jit
from structgen.native.raw_memory import load32, load64, store64


@jit
def close_value(c, d, outcome):
    """Leave a finished value: the registers become the state of what holds it."""
    frame = load64(d, FRAME)
    if frame == SENTINEL:
        store64(d, LEX, outcome)
        return OUT
    if frame == NO_FRAME:
        settle(d, M_END, outcome, 0, NO_FRAME)
        return YES
    row = row_of(c, T_FRAME, 5, frame)
    key = load64(row, F_KEY)
    if key == -1 and load64(row_of(c, T_RES, R_STRIDE, load64(row, F_RES)), R_VALUES) != 0:
        return close_item(c, d, row, outcome)
    residue = after(c, load64(row, F_RES), key, outcome)
    if residue < 0:
        return ASK
    settle(d, M_ITEM if key == -1 else M_MEMBER, residue, load64(row, F_EXTRAS), load64(row, F_PARENT))
    return known_residue(c, residue)


@jit
def number_step(c, state, byte):
    """Return the numeral's next state, -1 (none), or -2 when the row must be asked."""
    column = numba.int64(15)
    if byte >= 48 and byte <= 57:
        column = byte - 48
    elif byte == 45:
        column = 10
    elif byte == 43:
        column = 11
    elif byte == 46:
        column = 12
    elif byte == 101:
        column = 13
    elif byte == 69:
        column = 14
    if column == 15:
        return -1
    target = load32(load64(c, C_NUMBERS), state * 16 + column)
    if target == -2:
        need(c, Q_NUMBER, state, 0, 0)
    return target


@jit
def push_frame(c, d, level, opens):
    """Return the frame under a value that begins at a structural state with `level` open brackets (-1: the
    root's), or -2 when something must be asked; `opens`: the value is an object or an array."""
    mode = load64(d, MODE)
    if mode == M_DOC:
        return numba.int64(NO_FRAME)
    if level >= load64(c, C_DEPTH_LIMIT) and opens:
        need(c, Q_DEPTH, level, 0, 0)
        return numba.int64(-2)
    t = load64(c, C_TEMPORARY)
    store64(t, F_RES, load64(d, RES))
    store64(t, F_EXTRAS, load64(d, EXTRAS if item_values(c, d) == 0 else TEXT))
    store64(t, F_KEY, load64(d, LEX) if mode == M_VALUE else -1)
    store64(t, F_PARENT, load64(d, FRAME))
    store64(t, F_DEPTH, level)
    frame = intern(c, T_FRAME, 5, t)
    return frame if frame >= 0 else numba.int64(-2)


@jit
def begin_value(c, d, byte):
    """Take the first byte of a value at a structural state."""
    place = value_place(c, d)
    if place < 0:
        return NO
    row = row_of(c, T_PLACE, 8, place)
    if load64(row, P_STATUS) == 0:
        need(c, Q_PLACE, place, 0, 0)
        return ASK
    level = brackets(c, d)
    opens = byte == 123 or byte == 91
    if not space_allows(c, d, level + 1 if opens else level, False):
        return NO
    digit = (byte >= 48 and byte <= 57) or byte == 45
    what = numba.int64(-1)
    if byte == 34:
        what = load64(row, P_STRING)
    elif digit:
        what = load64(row, P_NUMBER)
        if what >= 0:
            what = number_step(c, what, byte)
            if what == -2:
                return ASK
    elif byte == 123:
        what = load64(row, P_OBJECT)
    elif byte == 91:
        what = load64(row, P_ARRAY)
    elif byte == 116:
        what = load64(row, P_TRUE)
    elif byte == 102:
        what = load64(row, P_FALSE)
    elif byte == 110:
        what = load64(row, P_NULL)
    if what < 0:
        return NO
    frame = push_frame(c, d, level, opens)
    if frame == -2:
        return ASK
    values = item_values(c, d)
    if values != 0:
        begin_item(c, d, values)
    if byte == 123:
        settle(d, M_OBJECT, what, 0, frame)
        return known_residue(c, what)
    if byte == 91:
        settle(d, M_ARRAY, what, 0, frame)
        return known_residue(c, what)
    if byte == 34:
        spec = row_of(c, T_STRING, S_STRIDE, what)
        if load64(spec, S_KIND) == 0:
            settle(d, M_STRING, what, 0, frame)
            store64(d, LEX, load64(spec, S_START))
            if load64(spec, S_WORDS) >= 0:
                words = load64(row_of(c, T_LEX, 2, load64(spec, S_WORDS)), 1)
                store64(d, SEEN, pack(0, words, 0))
        else:
            settle(d, M_WORDS, what, 0, frame)
            store64(d, AT, pack(0, load64(row_of(c, T_LEX, 2, load64(spec, S_START)), 1), 0))
        return YES
    if digit:
        settle(d, M_NUMBER, 0, 0, frame)
        store64(d, LEX, what)
        return YES
    settle(d, M_LITERAL, what, 0, frame)
    store64(d, LEX, ((0 if byte == 116 else (1 if byte == 102 else 2)) << 4) | 1)
    return YES


@jit
def literal_byte(which, position):
    """Return a byte of true, false or null; 0 past its end."""
    if which == 0:
        return load_packed(0x65757274, position)
    if which == 1:
        return load_packed(0x65736C6166, position)
    return load_packed(0x6C6C756E, position)


@jit
def load_packed(text, position):
    return (text >> (8 * position)) & 255


@jit
def begin_key(c, d):
    """Take the quote that opens a key."""
    residue, extras = load64(d, RES), load64(d, EXTRAS)
    row = row_of(c, T_RES, R_STRIDE, residue)
    settle(d, M_KEY, residue, extras, load64(d, FRAME))
    extra = load64(row, R_EXTRA)
    store64(d, LEX, extra if extra >= 0 else NO_STATE)
    if extra >= 0:
        store64(d, SEEN, extras & (BLUR - 1))
    store64(d, AT, all_names(c, residue))
    return YES


@jit
def close_string(c, d):
    """Take the quote that closes a string, a word or a key."""
    mode = load64(d, MODE)
    if mode == M_STRING:
        outcome = load32(load64(c, C_STRINGS_OUT), load64(d, LEX) & STATE_BITS)
        spec = row_of(c, T_STRING, S_STRIDE, load64(d, RES))
        if outcome < 0 or load64(d, AT) < load64(spec, S_LEAST):
            return NO
        if load64(d, SEEN) > 0:
            listed = listed_outcome(c, spec, load64(d, SEEN))
            if listed == -1:
                return NO
            if listed >= 0:
                outcome = listed
        return close_value(c, d, outcome)
    place = load64(d, AT)
    if mode == M_WORDS:
        spec = row_of(c, T_STRING, S_STRIDE, load64(d, RES))
        word = ended(c, load64(spec, S_START), place)
        if word < 0:
            return NO
        return close_value(c, d, load32(load64(c, 6 * T_OUTCOME + ADDRESS), load64(spec, S_OUTCOMES) + word))
    residue, extras = load64(d, RES), load64(d, EXTRAS)
    row = row_of(c, T_RES, R_STRIDE, residue)
    if place >= 0:
        word = ended(c, load64(row, R_LEX), place)
        if word >= 0:
            if load32(load64(c, 6 * T_CHILD + ADDRESS), load64(row, R_CHILD) + word) < 0:
                return NO
            settle(d, M_COLON, residue, extras, load64(d, FRAME))
            store64(d, LEX, word)
            return YES
    state = load64(d, LEX) & STATE_BITS
    if state == NO_STATE:
        return NO
    group = load32(load64(c, C_STRINGS_OUT), state)
    if group < 0:
        return NO
    if load64(d, FRAME) == SENTINEL:
        store64(d, LEX, group)
        return OUT
    seen = load64(d, SEEN)
    if seen > 0 and load64(row_of(c, T_SET, 4, seen), 1) == 1:
        return NO
    value = extra_place(c, residue, group)
    if value < 0:
        return NO if value == -1 else ASK
    if load64(c, C_PRECISE) != 0:
        extras = set_insert(c, extras, load64(d, TEXT) & LOG)
        if extras < 0:
            return ASK
    elif extras & BLUR:
        store64(c, C_BLURRED, 1)
    else:
        extras |= BLUR
    settle(d, M_COLON, residue, extras, load64(d, FRAME))
    store64(d, LEX, -2 - group)
    return YES


@jit
def text_step(c, d, byte):
    """Take one byte inside a string, a word or a key."""
    escape = (load64(d, LEX) >> ESCAPE_SHIFT) & 15
    if escape == 6:
        if byte == 92:
            lex = load64(d, LEX)
            with_escape(d, 7, 0, (lex >> 48) & 0x3FF)
            return escape_alive(c, d)
        if escapes_of(c, d) != ESCAPES_ANY:
            return NO
        code = settle_lone(c, d)
        if code != YES:
            return code
    elif escape != 0:
        return escape_step(c, d, byte)
    if byte == 34:
        return close_string(c, d)
    if byte == 92:
        code = character(c, d)
        if code != YES:
            return code
        with_escape(d, 1, 0, 0)
        return escape_alive(c, d)
    if byte < 32 or (byte >= 127 and escapes_of(c, d) == ESCAPES_ASCII):
        return NO
    if byte & 0xC0 != 0x80:
        code = character(c, d)
        if code != YES:
            return code
    elif byte >= 0xA0 and load64(d, MODE) != M_STRING:
        # a listed lone surrogate can only be written as an escape
        place = load64(d, AT)
        if place >= 0 and place_position(place) > 0:
            if load64(d, MODE) == M_KEY:
                words = load64(row_of(c, T_RES, R_STRIDE, load64(d, RES)), R_LEX)
            else:
                words = load64(row_of(c, T_STRING, S_STRIDE, load64(d, RES)), S_START)
            if word_at(c, words, place_low(place), place_position(place) - 1) == 0xED:
                store64(d, AT, -1)
                code = alive(c, d)
                if code != YES:
                    return code
    return feed(c, d, byte)


@jit
def close_container(c, d, array):
    residue = load64(d, RES)
    outcome = load64(row_of(c, T_RES, R_STRIDE, residue), R_CLOSE)
    if outcome < 0 or not space_allows(c, d, brackets(c, d) - 1, True):
        return NO
    return close_value(c, d, outcome)


@jit
def structure_step(c, d, byte):
    """Take one byte between the tokens of JSON."""
    mode = load64(d, MODE)
    if byte == 32 or byte == 10 or byte == 9 or byte == 13:
        return NO if mode == M_FINISHED else space_step(c, d, byte)
    if mode == M_VALUE or mode == M_DOC or mode == M_NEXT:
        return begin_value(c, d, byte)
    residue = load64(d, RES)
    if mode == M_MEMBER:
        if byte == 125:
            return close_container(c, d, False)
        if byte == 44 and space_allows(c, d, brackets(c, d), False):
            another = more(c, d)
            if another == YES:
                settle(d, M_KEYS, residue, load64(d, EXTRAS), load64(d, FRAME))
            return another
        return NO
    if mode == M_ITEM:
        if byte == 93:
            return close_container(c, d, True)
        if byte == 44 and space_allows(c, d, brackets(c, d), False):
            another = more(c, d)
            if another == YES:
                settle(d, M_NEXT, residue, 0, load64(d, FRAME))
            return another
        return NO
    if mode == M_COLON:
        if byte == 58 and space_allows(c, d, brackets(c, d), False):
            store64(d, MODE, M_VALUE)
            store64(d, AT, 0)
            return YES
        return NO
    if mode == M_KEYS or mode == M_OBJECT:
        if byte == 34 and space_allows(c, d, brackets(c, d), False):
            another = more(c, d)
            return begin_key(c, d) if another == YES else another
        if byte == 125 and mode == M_OBJECT:
            return close_container(c, d, False)
        return NO
    if mode == M_ARRAY:
        if byte == 93:
            return close_container(c, d, True)
        return begin_value(c, d, byte)
    return NO


@jit
def step(c, s, d, byte):
    """Return NO, YES, ASK, OUT, OUT_BEFORE or VAGUE; at YES the registers at `d` are those at `s` after one
    more byte."""
    copy(s, d)
    code = plain_step(c, d, byte)
    if code == YES and load64(d, TEXT) & CAPTURE != 0:
        return follow_item(c, s, d, byte)
    return code


@jit
def plain_step(c, d, byte):
    """Take one byte; the log of an item is left to the caller, but for the bytes of keys."""
    mode = load64(d, MODE)
    if mode == M_STRING or mode == M_KEY or mode == M_WORDS:
        return text_step(c, d, byte)
    if mode == M_NUMBER:
        state = load64(d, LEX)
        target = number_step(c, state, byte)
        if target >= 0:
            store64(d, LEX, target)
            return YES
        if target == -2:
            return ASK
        outcome = load32(load64(c, C_NUMBERS_OUT), state)
        if outcome < 0:
            return NO
        code = close_value(c, d, outcome)
        if code == OUT:
            return OUT_BEFORE
        if code != YES:
            return code
        return structure_step(c, d, byte)
    if mode == M_LITERAL:
        at = load64(d, LEX)
        which, position = at >> 4, at & 15
        if byte != literal_byte(which, position):
            return NO
        if position + 1 == (5 if which == 1 else 4):
            return close_value(c, d, load64(d, RES))
        store64(d, LEX, at + 1)
        return YES
    return structure_step(c, d, byte)


@jit
def accepting(c, d):
    """Return whether the document may end at these registers."""
    mode = load64(d, MODE)
    if mode == M_END:
        return True
    if mode == M_NUMBER and load64(d, FRAME) == NO_FRAME:
        return load32(load64(c, C_NUMBERS_OUT), load64(d, LEX)) >= 0
    return False
