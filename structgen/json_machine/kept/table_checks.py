"""Whether the tables of a compiled grammar that come from a file are such as compiled code can follow.

Every number that leads to a row, a state, a word or a token is looked at once: it must lead to one that is
there, and chains must come to an end. Damage by accident is found by a file's checksum; this finds what was
written wrongly, so that it costs the content of a file, not the process.
"""

from __future__ import annotations

import numba

from structgen.json_machine.tables.json_blocks import *
from structgen.native.jit import entry, jit
from structgen.native.raw_memory import load8, load32, load64, store8

STATES, NUMERALS, TOKENS, ROWS, ROOT, MARKS, WORDS = (
    2 * TABLES,
    2 * TABLES + 1,
    2 * TABLES + 2,
    2 * TABLES + 3,
    2 * TABLES + 4,
    2 * TABLES + 5,
    2 * TABLES + 6,
)
"""Behind the address and the count of each table: states of the string automata and of the numeral automata,
tokens, dense rows, the place of the root, and the address of a byte for each word of T_LIST, one more, and
one for each frame, all 0."""
_MIDDLES = 8
_GROUP = 1 << 20
"""Numbers of classes of extra keys: 0, and from here on (expander.group_number)."""


@jit
def _row(w, table, stride, index):
    return load64(w, 2 * table) + 8 * stride * index


@jit
def _count(w, table):
    return load64(w, 2 * table + 1)


@jit
def _in(value, low, end):
    return value >= low and value < end


@jit
def _words_of(w, words):
    """Return how many words a list has that was found to be valid."""
    return load64(_row(w, T_LEX, 2, words), 1)


@jit
def _is_place(w, words, place):
    """Return whether a place in a list of words is one."""
    low, high = place >> LOW_SHIFT, (place >> HIGH_SHIFT) & HIGH_BITS
    return place >= 0 and low < high and high <= _words_of(w, words)


@jit
def _is_object(w, residue):
    """Return whether a residue is known, with a list of names and a place for each."""
    row = _row(w, T_RES, R_STRIDE, residue)
    if load64(row, R_STATUS) == 0 or not _in(load64(row, R_LEX), 0, _count(w, T_LEX)):
        return False
    return _has_places(w, row) if _may_be_array(row) else True


@jit
def _may_be_array(row):
    """Return whether a known residue's row has what those of arrays have where objects have their names."""
    return load64(row, R_LEX) == 0 and load64(row, R_CHILD) == 0 and load64(row, R_NAMED) == 0


@jit
def _has_places(w, row):
    """Return whether a known residue has a place, or none, for each of its names."""
    child, count = load64(row, R_CHILD), _words_of(w, load64(row, R_LEX))
    if child < 0 or child + count > _count(w, T_CHILD):
        return False
    children = load64(w, 2 * T_CHILD)
    for i in range(child, child + count):
        if not _in(load32(children, i), -1, _count(w, T_PLACE)):
            return False
    return True


@jit
def _is_key(w, residue, key):
    """Return whether a key is one of a valid residue's, or of a class of others."""
    if key < 0:
        return key == -2 or (key <= -2 - _GROUP and key > EXTRA_TAG)
    row = _row(w, T_RES, R_STRIDE, residue)
    if key >= _words_of(w, load64(row, R_LEX)):
        return False
    plain = load64(row, R_PLAIN)
    return plain < 0 or key < load64(_row(w, T_PLAIN, L_STRIDE, plain), L_COUNT)


@jit
def _is_set(w, node):
    """Return whether a number is that of a set, whose rows are valid."""
    return _in(node, 0, _count(w, T_SET)) and load64(_row(w, T_SET, 4, node), 0) == 0


@jit
def _is_text(w, text):
    if text < 0 or text & ~(CAPTURE | UNREAD | LOG) != 0:
        return False
    return text & LOG < max(_count(w, T_TEXT), 1)


@jit
def _words_are_valid(w):
    """Lists of words: offsets that ascend, within the bytes."""
    offsets, size, left = load64(w, 2 * T_OFFSET), _count(w, T_BLOB), 2 * _count(w, T_OFFSET) + 2
    for i in range(_count(w, T_LEX)):
        row = _row(w, T_LEX, 2, i)
        at, many = load64(row, 0), load64(row, 1)
        if at < 0 or many < 0 or many > _count(w, T_OFFSET) or at + many >= _count(w, T_OFFSET):
            return False
        left -= many + 1
        before = numba.int64(0)
        for j in range(many + 1 if left >= 0 else 0):
            here = load64(offsets, at + j)
            if here < before or here > size:
                return False
            before = here
        if left < 0:
            return False
    return True


@jit
def _chains_are_valid(w):
    """Texts, sets and frames: each leads to earlier rows of the right kind."""
    for i in range(_count(w, T_TEXT)):
        row = _row(w, T_TEXT, 2, i)
        if not _in(load64(row, 0), 0, max(i, 1)) or not _in(load64(row, 1), 0, KEY_ENDS + 1):
            return False
    for i in range(_count(w, T_SET)):
        row = _row(w, T_SET, 4, i)
        tag, first, second = load64(row, 0), load64(row, 1), load64(row, 2)
        if not _in(tag, 0, 257) or not _in(second, 0, max(i, 1)):
            return False
        if second > 0:
            label = load64(_row(w, T_SET, 4, second), 0)
            if label <= tag:  # entries follow a node, and in order of their bytes
                return False
        if tag == 0 and not _in(first, 0, 2):
            return False
        if tag > 0 and (not _in(first, 0, i) or load64(_row(w, T_SET, 4, first), 0) != 0):
            return False
    for i in range(_count(w, T_FRAME)):
        row = _row(w, T_FRAME, 5, i)
        residue, extras, key = load64(row, F_RES), load64(row, F_EXTRAS), load64(row, F_KEY)
        if not _in(residue, 0, _count(w, T_RES)) or not _in(load64(row, F_PARENT), -1, i):
            return False
        if not _in(load64(row, F_DEPTH), 0, 1 << 31):
            return False
        known = _row(w, T_RES, R_STRIDE, residue)
        if load64(known, R_STATUS) == 0:
            return False
        blurred = key != -1 and extras & BLUR != 0
        if blurred:
            extras ^= BLUR
        above = load64(row, F_PARENT)
        if blurred or (above >= 0 and load8(load64(w, MARKS), _count(w, T_LIST) + 1 + above) != 0):
            # of a walk that did not follow keys: no state stands above it
            store8(load64(w, MARKS), _count(w, T_LIST) + 1 + i, 1)
        if key == -1:
            valued = load64(known, R_VALUES) != 0
            if (valued and not _is_text(w, extras)) or (not valued and not _is_set(w, extras)):
                return False
        elif not _is_object(w, residue) or not _is_key(w, residue, key) or not _is_set(w, extras):
            return False
    return True


@jit
def _residues_are_valid(w):
    """What the network said: places, residues, plain objects, strings, what follows."""
    places, residues, states = _count(w, T_PLACE), _count(w, T_RES), load64(w, STATES)
    children, many = load64(w, 2 * T_CHILD), _count(w, T_CHILD)
    left = 2 * many
    for i in range(_count(w, T_PLAIN)):
        row = _row(w, T_PLAIN, L_STRIDE, i)
        words, count, base, at = (
            load64(row, L_LEX),
            load64(row, L_COUNT),
            load64(row, L_BASE),
            load64(row, L_ARRAYS),
        )
        if not _in(words, 0, _count(w, T_LEX)) or not _in(count, 0, many) or count != _words_of(w, words):
            return False
        if not _in(base, 0, residues) or base + count >= residues or at < 0 or at + 3 * count + 1 > many:
            return False
        if not _in(load64(row, L_EXTRA_PLACE), -1, places) or not _in(load64(row, L_EXTRA), -1, states):
            return False
        left -= 3 * count + 1
        if left < 0 or load64(row, L_CLOSE) < -1:
            return False
        for j in range(count):
            declared, place = load32(children, at + 2 * j), load32(children, at + 2 * j + 1)
            if not _in(declared, 0, count) or not _in(place, -1, places):
                return False
        for j in range(count + 1):
            if not _in(load32(children, at + 2 * count + j), 0, count + 1):
                return False
    for i in range(residues):
        row = _row(w, T_RES, R_STRIDE, i)
        status, plain = load64(row, R_STATUS), load64(row, R_PLAIN)
        if not _in(status, 0, 4) or not _in(plain, -1, _count(w, T_PLAIN)):
            # a row that nobody has asked for is zeros
            return False
        if plain >= 0:
            shape = _row(w, T_PLAIN, L_STRIDE, plain)
            if not _in(load64(row, R_INDEX), 0, load64(shape, L_COUNT) + 1):
                return False
        if status == 0:
            continue
        if not _in(load64(row, R_EXTRA), -1, states) or not _in(load64(row, R_EXTRA_PLACE), -1, places):
            return False
        if not _in(load64(row, R_ITEM), -1, places) or load64(row, R_CLOSE) < -1:
            return False
        if not _in(load64(row, R_VALUES), 0, 3) or not _in(load64(row, R_PLENTY), 0, 3):
            return False
        if _may_be_array(row):
            continue
        if not _in(load64(row, R_LEX), 0, _count(w, T_LEX)):
            return False
        left -= _words_of(w, load64(row, R_LEX))
        if left < 0 or not _has_places(w, row):
            return False
    return True


@jit
def _may_follow(w, residue):
    """Return whether a residue is one at which an object may stand: not known yet, or that of an object."""
    if residue < 0 or load64(_row(w, T_RES, R_STRIDE, residue), R_STATUS) == 0:
        return True
    return _is_object(w, residue)


@jit
def _others_are_valid(w):
    """Places, strings, and what follows a residue and a value."""
    places, residues, states = _count(w, T_PLACE), _count(w, T_RES), load64(w, STATES)
    for i in range(places):
        row = _row(w, T_PLACE, 8, i)
        if not _in(load64(row, P_STATUS), 0, 2):
            return False
        if load64(row, P_STATUS) == 0:
            continue
        if not _in(load64(row, P_OBJECT), -1, residues) or not _in(load64(row, P_ARRAY), -1, residues):
            return False
        if not _in(load64(row, P_STRING), -1, _count(w, T_STRING)) or not _may_follow(
            w, load64(row, P_OBJECT)
        ):
            return False
        if not _in(load64(row, P_NUMBER), -1, load64(w, NUMERALS)):
            return False
        if load64(row, P_TRUE) < -1 or load64(row, P_FALSE) < -1 or load64(row, P_NULL) < -1:
            return False
    lists, outcomes = _count(w, T_LEX), _count(w, T_OUTCOME)
    for i in range(_count(w, T_STRING)):
        row = _row(w, T_STRING, S_STRIDE, i)
        kind, start, words = load64(row, S_KIND), load64(row, S_START), load64(row, S_WORDS)
        if kind == 0:
            if not _in(start, 0, states) or not _in(words, -1, lists):
                return False
        elif kind == 1 and _in(start, 0, lists):
            words = start
        else:
            return False
        if words >= 0:
            first = load64(row, S_OUTCOMES)
            if not _in(first, 0, outcomes + 1) or first + _words_of(w, words) > outcomes:
                return False
        if not _in(load64(row, S_LEAST), 0, 1 << 40) or not _in(load64(row, S_MOST), -1, 1 << 40):
            return False
        if not _in(load64(row, S_FARTHEST), 0, 1 << 31):
            return False
    for i in range(_count(w, T_EDGE)):
        row = _row(w, T_EDGE, 4, i)
        key, value = load64(row, 1), load64(row, 3)
        if not _in(load64(row, 0), 0, residues):
            return False
        if key == EXTRA_TAG:
            if not _in(value, -1, places):
                return False
        elif not _in(value, -1 if key == UNREAD_TAG else 0, residues):
            return False
        if key <= ITEM_TAG:
            which = load64(row, 2)
            if not _is_text(w, which >> 32) or not _is_text(w, which & LOG):
                return False
        elif key != -1 and key > EXTRA_TAG and not _may_follow(w, value):
            return False
    return _in(load64(w, ROOT), 0, places)


@jit
def _lists_are_valid(w):
    """Lists of tokens, one after another; where each begins is marked."""
    at, size, marks = numba.int64(0), _count(w, T_LIST), load64(w, MARKS)
    lists, tokens = load64(w, 2 * T_LIST), load64(w, TOKENS)
    while at < size:
        if at + 2 > size:
            return False
        count, shared = load32(lists, at), load32(lists, at + 1)
        if count < 0 or shared != 0 or at + 2 + count > size:
            return False
        store8(marks, at, 1)
        for i in range(at + 2, at + 2 + count):
            if not _in(load32(lists, i), 0, tokens):
                return False
        at += 2 + count
    return True


@jit
def _node_is_valid(w, row):
    """The registers of a state, by its mode (see layout)."""
    mode, residue, lex, at = load64(row, MODE), load64(row, RES), load64(row, LEX), load64(row, AT)
    seen, frame = load64(row, SEEN), load64(row, FRAME)
    if not _in(mode, 0, 16) or not _in(frame, -1, _count(w, T_FRAME)) or not _is_text(w, load64(row, TEXT)):
        return False
    if not _is_set(w, load64(row, EXTRAS)) or at < -1 or seen < 0:
        return False
    if frame >= 0 and load8(load64(w, MARKS), _count(w, T_LIST) + 1 + frame) != 0:
        return False
    if mode == M_STRING or mode == M_WORDS:
        if not _in(residue, 0, _count(w, T_STRING)):
            return False
        spec = _row(w, T_STRING, S_STRIDE, residue)
        if (load64(spec, S_KIND) == 0) != (mode == M_STRING):
            return False
        if mode == M_WORDS:
            return lex & STATE_BITS == 0 and _is_place(w, load64(spec, S_START), at)
        if seen > 0 and (load64(spec, S_WORDS) < 0 or not _is_place(w, load64(spec, S_WORDS), seen)):
            return False
        return lex >= 0 and lex & STATE_BITS < load64(w, STATES)
    if mode == M_NUMBER:
        return _in(lex, 0, load64(w, NUMERALS))
    if mode == M_LITERAL:
        return _in(lex >> 4, 0, 3) and _in(lex & 15, 0, 6)
    if mode == M_DOC or mode == M_END or mode == M_FINISHED:
        return True
    if not _in(residue, 0, _count(w, T_RES)):
        return False
    if mode == M_ARRAY or mode == M_ITEM or mode == M_NEXT:
        return load64(_row(w, T_RES, R_STRIDE, residue), R_STATUS) != 0
    if not _is_object(w, residue):
        return False
    if mode == M_COLON or mode == M_VALUE:
        return _is_key(w, residue, lex)
    if mode == M_KEY:
        words = load64(_row(w, T_RES, R_STRIDE, residue), R_LEX)
        if at >= 0 and not _is_place(w, words, at):
            return False
        state = lex & STATE_BITS
        return lex >= 0 and (state == NO_STATE or state < load64(w, STATES)) and _is_set(w, seen)
    return True


@entry("int64(int64)")
def tables_are_valid(w):
    """Return 0 where all that compiled code follows in some tables is valid, else which part is not. `w`: the
    words above."""
    if not _words_are_valid(w):
        return 1
    if not _residues_are_valid(w):
        return 2
    if not _chains_are_valid(w):
        return 3
    if not _others_are_valid(w):
        return 4
    if not _lists_are_valid(w):
        return 5
    lists, marks = _count(w, T_LIST), load64(w, MARKS)
    for i in range(_count(w, T_NODE)):
        row = _row(w, T_NODE, N_STRIDE, i)
        if not _node_is_valid(w, row) or not _in(load64(row, N_ROW), -1, load64(w, ROWS)):
            return 6
        held = load64(row, N_LIST)
        if not _in(held, -1, lists) or (held >= 0 and load8(marks, held) == 0):
            return 7
    return 0
