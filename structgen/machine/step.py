"""One byte of JSON text: the compiled transition of the machine (RFC 8259 text, the network's meaning,
the policies).

The text of JSON is a deterministic pushdown language, so a state is one set of registers (layout.py) over a
shared, hash-consed stack. Everything the schema means has been asked of the network and lies in tables; what
is not there yet is noted as a question (layout.Q_*), and the step answers ASK.
"""

from __future__ import annotations

import numba

from structgen.jit import jit
from structgen.machine.layout import *
from structgen.machine.memory import load8, load32, load64, store32, store64

FREE = 0
"""The free string's state at a code point boundary (automata.strings.StringPool.FREE)."""
WIDTH = 258
MIDDLES = 8
"""States below are the free string's: FREE and the middles of its characters."""


# --- tables -------------------------------------------------------------------------------------------------


@jit
def need(c, kind, first, second, third):
    """Note a question, once; past the buffer's end it is asked again by the next walk."""
    buffer = load64(c, C_NEEDS)
    count = load64(buffer, 0)
    for i in range(count):
        at = 1 + 4 * i
        if (
            load64(buffer, at) == kind
            and load64(buffer, at + 1) == first
            and load64(buffer, at + 2) == second
            and load64(buffer, at + 3) == third
        ):
            return
    if count < MOST_QUESTIONS:
        at = 1 + 4 * count
        store64(buffer, at, kind)
        store64(buffer, at + 1, first)
        store64(buffer, at + 2, second)
        store64(buffer, at + 3, third)
        store64(buffer, 0, count + 1)


@jit
def hash_words(row, words):
    """Return a non-negative mix of a row's leading words."""
    h = numba.uint64(0x9E3779B97F4A7C15)
    for i in range(words):
        h = (h ^ numba.uint64(load64(row, i))) * numba.uint64(0xFF51AFD7ED558CCD)
        h = h ^ (h >> numba.uint64(32))
    return numba.int64(h & numba.uint64(0x3FFFFFFFFFFFFFFF))


@jit
def find(c, table, words, row):
    """Return the id of the row with these leading words, or -1."""
    base = 6 * table
    address, stride = load64(c, base + ADDRESS), load64(c, base + STRIDE)
    slots, mask = load64(c, base + HASH), load64(c, base + MASK)
    at = hash_words(row, words) & mask
    while True:
        found = load32(slots, at)
        if found < 0:
            return -1
        other = address + 8 * stride * found
        same = True
        for i in range(words):
            if load64(other, i) != load64(row, i):
                same = False
                break
        if same:
            return found
        at = (at + 1) & mask


@jit
def intern(c, table, words, row):
    """Return the id of the row, added if it is new (the words after the key included),
    or -1 when room must be made."""
    found = find(c, table, words, row)
    if found >= 0:
        return found
    base = 6 * table
    count, mask = load64(c, base + COUNT), load64(c, base + MASK)
    if count >= load64(c, base + CAPACITY) or 2 * count > mask:
        need(c, Q_ROOM, table, 1, 0)
        return -1
    address, stride, slots = load64(c, base + ADDRESS), load64(c, base + STRIDE), load64(c, base + HASH)
    target = address + 8 * stride * count
    for i in range(stride):
        store64(target, i, load64(row, i))
    at = hash_words(row, words) & mask
    while load32(slots, at) >= 0:
        at = (at + 1) & mask
    store32(slots, at, count)
    store64(c, base + COUNT, count + 1)
    return count


@jit
def row_of(c, table, stride, index):
    """Return the address of a row."""
    return load64(c, 6 * table + ADDRESS) + 8 * stride * index


# --- extra keys already written: a hash-consed set of byte strings ------------------------------------------
# Node rows: (0, is a member, first entry, 0); entry rows: (1 + byte, node, next entry, 0). Node and entry 0:
# empty.


@jit
def set_row(c, tag, first, second):
    t = load64(c, C_TEMPORARY) + 8 * 24
    store64(t, 0, tag)
    store64(t, 1, first)
    store64(t, 2, second)
    store64(t, 3, 0)
    return intern(c, T_SET, 4, t)


@jit
def set_step(c, node, byte):
    """Return the node under a byte, or 0 where no member of the set goes on with it."""
    entry = load64(row_of(c, T_SET, 4, node), 2)
    while entry > 0:
        row = row_of(c, T_SET, 4, entry)
        label = load64(row, 0) - 1
        if label == byte:
            return load64(row, 1)
        if label > byte:
            return 0
        entry = load64(row, 2)
    return 0


@jit
def entry_insert(c, entry, byte, node, spare):
    """Return a list of entries with `byte` leading to `node`; `spare` holds up to 256 words."""
    count = 0
    while entry > 0:
        row = row_of(c, T_SET, 4, entry)
        if load64(row, 0) - 1 >= byte:
            break
        store64(spare, count, entry)
        count += 1
        entry = load64(row, 2)
    if entry > 0 and load64(row_of(c, T_SET, 4, entry), 0) - 1 == byte:
        entry = load64(row_of(c, T_SET, 4, entry), 2)
    tail = set_row(c, 1 + byte, node, entry)
    for i in range(count - 1, -1, -1):
        if tail < 0:
            return -1
        row = row_of(c, T_SET, 4, load64(spare, i))
        tail = set_row(c, load64(row, 0), load64(row, 1), tail)
    return tail


@jit
def set_insert(c, root, text):
    """Return the set with the key whose text node is given, or -1 when room must be made. Cost:
    the key's siblings."""
    path = load64(c, C_BYTES)
    length = 0
    at = text
    while at > 0:
        row = row_of(c, T_TEXT, 2, at)
        length += 1
        at = load64(row, 0)
    # path holds, for each level, the byte and the node above it
    at = text
    for i in range(length - 1, -1, -1):
        row = row_of(c, T_TEXT, 2, at)
        store64(path, 2 * i, load64(row, 1))
        at = load64(row, 0)
    node = root
    for i in range(length):
        store64(path, 2 * i + 1, node)
        if node > 0 or i == 0:
            node = set_step(c, node, load64(path, 2 * i))
        else:
            node = 0
    head = numba.int64(0)
    if node > 0:
        head = load64(row_of(c, T_SET, 4, node), 2)
    fresh = set_row(c, 0, 1, head)
    if fresh < 0:
        return -1
    for i in range(length - 1, -1, -1):
        byte, above = load64(path, 2 * i), load64(path, 2 * i + 1)
        member = load64(row_of(c, T_SET, 4, above), 1)
        entry = load64(row_of(c, T_SET, 4, above), 2)
        fresh = entry_insert(c, entry, byte, fresh, path + 16 * length)
        if fresh < 0:
            return -1
        fresh = set_row(c, 0, member, fresh)
        if fresh < 0:
            return -1
    return fresh


# --- sorted word lists --------------------------------------------------------------------------------------
# A place in a list is (low, high, position): the words low..high-1 share their first `position` bytes.


@jit
def word_at(c, words, index, position):
    """Return the byte of a word at a position, or -1 at its end."""
    row = row_of(c, T_LEX, 2, words)
    offsets = load64(c, 6 * T_OFFSET + ADDRESS) + 8 * load64(row, 0)
    start, end = load64(offsets, index), load64(offsets, index + 1)
    if start + position >= end:
        return -1
    return load8(load64(c, 6 * T_BLOB + ADDRESS), start + position)


@jit
def word_size(c, words, index):
    row = row_of(c, T_LEX, 2, words)
    offsets = load64(c, 6 * T_OFFSET + ADDRESS) + 8 * load64(row, 0)
    return load64(offsets, index + 1) - load64(offsets, index)


@jit
def pack(low, high, position):
    return (low << 40) | (high << 16) | position


@jit
def narrow(c, words, place, byte):
    """Return the place after one more byte, or -1 where no word goes on with it. Cost: log of the list."""
    low, high, position = place >> 40, (place >> 16) & 0xFFFFFF, place & 0xFFFF
    first, last = low, high
    while first < last:
        middle = (first + last) >> 1
        if word_at(c, words, middle, position) < byte:
            first = middle + 1
        else:
            last = middle
    if first >= high or word_at(c, words, first, position) != byte:
        return -1
    end, last = first, high
    while end < last:
        middle = (end + last) >> 1
        if word_at(c, words, middle, position) <= byte:
            end = middle + 1
        else:
            last = middle
    return pack(first, end, position + 1)


@jit
def ended(c, words, place):
    """Return the index of the word that ends just here, or -1 (it sorts first among those
    that begin alike)."""
    low, position = place >> 40, place & 0xFFFF
    if word_size(c, words, low) == position:
        return low
    return -1


@jit
def offered(c, residue, place):
    """Return whether some named key at this place in the list may come now."""
    low, high = place >> 40, (place >> 16) & 0xFFFFFF
    children = load64(c, 6 * T_CHILD + ADDRESS) + 4 * load64(row_of(c, T_RES, R_STRIDE, residue), R_CHILD)
    for i in range(low, high):
        if load32(children, i) >= 0:
            return True
    return False


# --- white space --------------------------------------------------------------------------------------------


@jit
def brackets(c, d):
    """Return how many brackets are open at a structural state."""
    mode = load64(d, MODE)
    if mode == M_DOC or mode == M_END:
        return 0
    frame = load64(d, FRAME)
    if frame < 0:
        return 1
    return load64(row_of(c, T_FRAME, 5, frame), F_DEPTH) + 1


@jit
def fill_plain(c, residue, row):
    """Fill the row of a plain object in declared order: the optional members up to the next required one are
    on offer."""
    shape = row_of(c, T_PLAIN, L_STRIDE, load64(row, R_PLAIN))
    count, index = load64(shape, L_COUNT), load64(row, R_INDEX)
    base = 6 * T_CHILD
    used = load64(c, base + COUNT)
    if used + count > load64(c, base + CAPACITY):
        need(c, Q_ROOM, T_CHILD, count, 0)
        return False
    table = load64(c, base + ADDRESS)
    arrays = table + 4 * load64(shape, L_ARRAYS)
    required = load32(arrays, 2 * count + index)
    named = numba.int64(0)
    for i in range(count):
        declared, place = load32(arrays, 2 * i), load32(arrays, 2 * i + 1)
        if declared < index or declared > required:
            place = numba.int64(-1)
        elif place >= 0:
            named = 1
        store32(table, used + i, place)
    store64(c, base + COUNT, used + count)
    store64(row, R_CHILD, used)
    store64(row, R_LEX, load64(shape, L_LEX))
    store64(row, R_NAMED, named)
    store64(row, R_ITEM, -1)
    store64(row, R_CLOSE, load64(shape, L_CLOSE) if required == count else -1)
    store64(row, R_EXTRA, load64(shape, L_EXTRA) if required == count else -1)
    store64(row, R_EXTRA_PLACE, load64(shape, L_EXTRA_PLACE) if required == count else -1)
    store64(row, R_STATUS, 1)
    return True


@jit
def filled(c, residue):
    """Return whether a residue's row is there; if not, ask for it."""
    row = row_of(c, T_RES, R_STRIDE, residue)
    if load64(row, R_STATUS) == 0:
        if load64(row, R_PLAIN) >= 0:
            return fill_plain(c, residue, row)
        need(c, Q_RESIDUE, residue, 0, 0)
        return False
    return True


@jit
def holds_brackets(c, place):
    """Return 1 where a value may be an object or an array, 0 where not, -1 when that must be asked."""
    row = row_of(c, T_PLACE, 8, place)
    if load64(row, P_STATUS) == 0:
        need(c, Q_PLACE, place, 0, 0)
        return -1
    if load64(row, P_OBJECT) >= 0 or load64(row, P_ARRAY) >= 0:
        return 1
    return 0


@jit
def edge(c, first, second, third):
    """Return what is known of (residue, key, outcome), or -2."""
    t = load64(c, C_TEMPORARY) + 8 * 8
    store64(t, 0, first)
    store64(t, 1, second)
    store64(t, 2, third)
    found = find(c, T_EDGE, 3, t)
    if found < 0:
        return -2
    return load64(row_of(c, T_EDGE, 4, found), 3)


@jit
def extra_place(c, residue, group):
    """Return the place of the value under an extra key of a class, -1 (not allowed),
    or -2 when that must be asked."""
    row = row_of(c, T_RES, R_STRIDE, residue)
    if load64(row, R_EXTRA_PLACE) >= 0 and group == 0:
        return load64(row, R_EXTRA_PLACE)
    known = edge(c, residue, EXTRA_TAG, group)
    if known == -2:
        need(c, Q_EXTRA, residue, group, 0)
    return known


@jit
def value_place(c, d):
    """Return the place of the value that may begin here, or -1 (none)."""
    mode = load64(d, MODE)
    if mode == M_DOC:
        return load64(c, C_ROOT)
    if mode == M_VALUE:
        key = load64(d, LEX)
        if key >= 0:
            children = load64(row_of(c, T_RES, R_STRIDE, load64(d, RES)), R_CHILD)
            return load32(load64(c, 6 * T_CHILD + ADDRESS), children + key)
        return extra_place(c, load64(d, RES), -2 - key)
    return load64(row_of(c, T_RES, R_STRIDE, load64(d, RES)), R_ITEM)


@jit
def more(c, residue):
    """Return whether another member or item may come."""
    row = row_of(c, T_RES, R_STRIDE, residue)
    return load64(row, R_NAMED) > 0 or load64(row, R_EXTRA) >= 0 or load64(row, R_ITEM) >= 0


@jit
def deepest(c, d):
    """Return the most brackets open after any token that may follow, -1 when that must be asked."""
    mode, level = load64(d, MODE), brackets(c, d)
    if mode == M_END:
        return 0
    if mode == M_COLON or mode == M_KEYS:
        return level
    if mode == M_DOC or mode == M_VALUE or mode == M_NEXT:
        deeper = holds_brackets(c, value_place(c, d))
        if deeper < 0:
            return -1
        return level + deeper
    if mode == M_ARRAY and load64(row_of(c, T_RES, R_STRIDE, load64(d, RES)), R_ITEM) >= 0:
        deeper = holds_brackets(c, value_place(c, d))
        if deeper < 0:
            return -1
        return level + deeper
    if more(c, load64(d, RES)):
        return level
    return level - 1


@jit
def bounded_space(written, byte):
    """Return what is written after one more byte of bounded white space, or -1 where neither form goes on.

    Bits 0-3: characters, 9 for more than 8; 4-5: 0 nothing yet, 1 a CR, 2 a line break and blanks, 3 anything
    else; from 6 on: the blanks after the line break. How many blanks there may be is the caller's to say.
    """
    count, form, blanks = written & 15, (written >> 4) & 3, written >> 6
    if count < 9:
        count += 1
    if form == 0:
        form = 2 if byte == 10 else (1 if byte == 13 else 3)
    elif form == 1:
        form = 2 if byte == 10 else 3
    elif form == 2:
        if byte == 32 or byte == 9:
            blanks += 1
        else:
            form = 3
    if form == 3:
        blanks = 0
        if count > 8:
            return -1
    return count | (form << 4) | (blanks << 6)


@jit
def space_step(c, d, byte):
    """Take one byte of white space."""
    policy = load64(c, C_SPACE)
    written = load64(d, AT)
    mode = load64(d, MODE)
    if policy == SPACE_ANY:
        return YES
    if policy == SPACE_COMPACT:
        return NO
    if policy == SPACE_ONELINE:
        if byte == 32 and written == 0 and (mode == M_VALUE or mode == M_KEYS or mode == M_NEXT):
            store64(d, AT, 1)
            return YES
        return NO
    if policy == SPACE_BOUNDED:
        written = bounded_space(written, byte)
        if written < 0:
            return NO
        if written & 15 > 8:
            most = deepest(c, d)
            if most < 0:
                return ASK
            if (written >> 6) > 8 * most:
                return NO
        store64(d, AT, written)
        return YES
    # json.dumps(indent=...)
    if mode == M_DOC or mode == M_END or mode == M_COLON:
        return NO
    if mode == M_VALUE:
        if byte == 32 and written == 0:
            store64(d, AT, 1)
            return YES
        return NO
    level = brackets(c, d)
    if mode == M_MEMBER or mode == M_ITEM:
        level -= 1
        if load64(row_of(c, T_RES, R_STRIDE, load64(d, RES)), R_CLOSE) < 0:
            return NO
    elif (mode == M_OBJECT or mode == M_ARRAY) and not more(c, load64(d, RES)):
        return NO
    width = load64(c, C_INDENT_LENGTH)
    if written > width * level:
        return NO
    expected = numba.int64(10)
    if written > 0:
        expected = load8(load64(c, C_INDENT), (written - 1) % width)
    if byte != expected:
        return NO
    store64(d, AT, written + 1)
    return YES


@jit
def space_allows(c, d, after, closes):
    """Return whether the white space written may stand before a token that leaves `after` brackets open."""
    policy = load64(c, C_SPACE)
    written = load64(d, AT)
    mode = load64(d, MODE)
    if policy == SPACE_ANY or policy == SPACE_COMPACT:
        return True
    if policy == SPACE_ONELINE:
        return written == (1 if mode == M_VALUE or mode == M_KEYS or mode == M_NEXT else 0)
    if policy == SPACE_BOUNDED:
        return written & 15 <= 8 or (written >> 6) <= 8 * after
    if mode == M_DOC or mode == M_END or mode == M_COLON:
        return written == 0
    if mode == M_VALUE:
        return written == 1
    level, width = brackets(c, d), load64(c, C_INDENT_LENGTH)
    if mode == M_OBJECT or mode == M_ARRAY:
        return written == (0 if closes else 1 + width * level)
    if mode == M_MEMBER or mode == M_ITEM:
        return written == (1 + width * (level - 1) if closes else 0)
    return written == 1 + width * level


# --- values begin and end -----------------------------------------------------------------------------------


@jit
def settle(d, mode, residue, extras, frame):
    """Put the registers to a structural state with nothing of the next token written."""
    store64(d, MODE, mode)
    store64(d, RES, residue)
    store64(d, EXTRAS, extras)
    store64(d, SEEN, 0)
    store64(d, LEX, 0)
    store64(d, AT, 0)
    store64(d, TEXT, 0)
    store64(d, FRAME, frame)


@jit
def after(c, residue, key, outcome):
    """Return the residue after a value under a key, or -1 when that must be asked."""
    row = row_of(c, T_RES, R_STRIDE, residue)
    plain = load64(row, R_PLAIN)
    if plain >= 0 and outcome == 0:
        shape = row_of(c, T_PLAIN, L_STRIDE, plain)
        if load64(shape, L_ANY) == 0:
            base = load64(shape, L_BASE)
            if key < 0:
                return base + load64(shape, L_COUNT)
            places = load64(c, 6 * T_CHILD + ADDRESS) + 4 * load64(shape, L_ARRAYS)
            return base + load32(places, 2 * key) + 1
        if key < 0:
            return residue
    known = edge(c, residue, key, outcome)
    if known < 0:
        need(c, Q_AFTER, residue, key, outcome)
        return -1
    return known


@jit
def known_residue(c, residue):
    if filled(c, residue):
        return YES
    return ASK


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
    store64(t, F_EXTRAS, load64(d, EXTRAS))
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


# --- strings ------------------------------------------------------------------------------------------------


@jit
def string_step(c, state, column):
    """Return the string automaton's next state, -1 (none), or -2 when the row must be asked."""
    target = load32(load64(c, C_STRINGS), state * WIDTH + column)
    if target == -2:
        need(c, Q_STRING, state, 0, 0)
    return target


@jit
def alive(c, d):
    """Return whether a key or a word can be completed from its registers (escapes apart)."""
    if load64(d, MODE) == M_KEY:
        if load64(d, LEX) & STATE_BITS != NO_STATE:
            return True
        place = load64(d, AT)
        return place >= 0 and offered(c, load64(d, RES), place)
    return load64(d, AT) >= 0


@jit
def follow_text(c, d, byte):
    """Add a byte to the extra key written so far; walks that fill masks leave it out (see BLUR)."""
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
def feed(c, d, byte):
    """Take one byte of the decoded text of a string, a key or a word: YES, NO or ASK.
    LEX keeps its escape bits."""
    mode = load64(d, MODE)
    lex = load64(d, LEX)
    if mode == M_STRING:
        target = string_step(c, lex & STATE_BITS, byte)
        if target < 0:
            return NO if target == -1 else ASK
        if not near_enough(c, d, target):
            return NO
        store64(d, LEX, (lex & ~STATE_BITS) | target)
        return YES
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
    place = load64(d, AT)
    if place >= 0:
        row = row_of(c, T_RES, R_STRIDE, load64(d, RES))
        store64(d, AT, narrow(c, load64(row, R_LEX), place, byte))
    if not alive(c, d):
        return NO
    if load64(d, LEX) & STATE_BITS == NO_STATE:
        store64(d, SEEN, 0)
        store64(d, TEXT, 0)
        return YES
    seen = load64(d, SEEN)
    if seen > 0:
        store64(d, SEEN, set_step(c, seen, byte))
    return follow_text(c, d, byte)


@jit
def feed_listed(c, d, byte, extra):
    """Take one byte in the word list, the set and the text alone."""
    if load64(d, MODE) == M_WORDS:
        return feed(c, d, byte)
    place = load64(d, AT)
    if place >= 0:
        row = row_of(c, T_RES, R_STRIDE, load64(d, RES))
        store64(d, AT, narrow(c, load64(row, R_LEX), place, byte))
    seen = load64(d, SEEN)
    if seen > 0:
        store64(d, SEEN, set_step(c, seen, byte))
    if extra:
        return follow_text(c, d, byte)
    return YES


@jit
def feed_surrogate(c, d, point):
    """Take a lone surrogate: the automata know two columns of them, the lists and sets their three bytes."""
    mode, lex = load64(d, MODE), load64(d, LEX)
    column = 256 if point < 0xDC00 else 257
    if mode == M_STRING:
        target = string_step(c, lex & STATE_BITS, column)
        if target < 0:
            return NO if target == -1 else ASK
        if not near_enough(c, d, target):
            return NO
        store64(d, LEX, (lex & ~STATE_BITS) | target)
        return YES
    target = numba.int64(-1)
    if mode == M_KEY and lex & STATE_BITS != NO_STATE:
        target = string_step(c, lex & STATE_BITS, column)
        if target == -2:
            return ASK
    for i in range(3):
        byte = 0xED if i == 0 else (0x80 | ((point >> 6) & 63) if i == 1 else 0x80 | (point & 63))
        # the automaton is moved once, by hand; meanwhile it must not die on the three bytes
        store64(d, LEX, (load64(d, LEX) & ~STATE_BITS) | (0 if target >= 0 else NO_STATE))
        code = feed_listed(c, d, byte, target >= 0)
        if code != YES:
            return code
    if mode == M_KEY:
        store64(d, LEX, (load64(d, LEX) & ~STATE_BITS) | (NO_STATE if target < 0 else target))
        if not alive(c, d):
            return NO
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


# --- escapes ------------------------------------------------------------------------------------------------
# LEX: automaton state (28 bits), escape state (4), digits read (16), high surrogate (10). Escape states: 0
# none, 1 after the backslash, 2..5 after \\u and 0..3 digits, 6 after a high surrogate, 7 after it and a
# backslash, 8..11 after it and \\u and 0..3 digits.


@jit
def copy(s, d):
    for i in range(8):
        store64(d, i, load64(s, i))


@jit
def with_escape(d, escape, digits, high):
    store64(d, LEX, (load64(d, LEX) & STATE_BITS) | (escape << ESCAPE_SHIFT) | (digits << 32) | (high << 48))


@jit
def escapes_of(c, d):
    return load64(c, C_ESCAPES if load64(d, MODE) == M_STRING else C_KEY_ESCAPES)


@jit
def block_alive(c, d, point, size):
    """Return YES, NO or ASK: may a code point of the aligned block of 64**size around `point` come next?"""
    t = load64(c, C_TEMPORARY) + 8 * 64
    copy(d, t)
    with_escape(t, 0, 0, 0)
    if point < 0x80:
        return feed(c, t, point)
    if point < 0x800:
        code = feed(c, t, 0xC0 | (point >> 6))
        if code != YES or size >= 1:
            return code
    elif point < 0x10000:
        code = feed(c, t, 0xE0 | (point >> 12))
        if code != YES or size >= 2:
            return code
        code = feed(c, t, 0x80 | ((point >> 6) & 63))
        if code != YES or size >= 1:
            return code
    else:
        code = feed(c, t, 0xF0 | (point >> 18))
        if code != YES or size >= 3:
            return code
        code = feed(c, t, 0x80 | ((point >> 12) & 63))
        if code != YES or size >= 2:
            return code
        code = feed(c, t, 0x80 | ((point >> 6) & 63))
        if code != YES or size >= 1:
            return code
    return feed(c, t, 0x80 | (point & 63))


@jit
def range_alive(c, d, low, high):
    """Return YES, NO or ASK: may a code point of low..high (surrogates apart) come next?"""
    answer = numba.int64(NO)
    point = low
    while point <= high:
        if point >= 0xD800 and point < 0xE000:
            point = 0xE000
            continue
        size = numba.int64(0 if point < 0x80 else (1 if point < 0x800 else (2 if point < 0x10000 else 3)))
        while True:
            span = numba.int64(1) << (6 * size)
            last = point | (span - 1)
            if point < 0x10000 and last > 0xFFFF:
                last = 0xFFFF
            whole = last <= high and (
                point & (span - 1) == 0
                or (size == 3 and point == 0x10000)
                or (size == 1 and point == 0x80)
                or (size == 2 and point == 0x800)
            )
            code = block_alive(c, d, point, size)
            if code == YES and not whole and size > 0:
                size -= 1
                continue
            if code == YES:
                return YES
            if code == ASK:
                answer = numba.int64(ASK)
            point = last + 1
            break
    return answer


@jit
def lone_alive(c, d, point):
    """Return YES, NO or ASK: may this lone surrogate come next? The registers after it stay
    in the second spare block."""
    t = load64(c, C_TEMPORARY) + 8 * 72
    copy(d, t)
    with_escape(t, 0, 0, 0)
    return feed_surrogate(c, t, point)


@jit
def units_alive(c, d, low, high):
    """Return YES, NO or ASK: may an escape for a 16-bit unit in low..high come next?"""
    asked = False
    code = range_alive(c, d, low, high)
    if code == YES:
        return YES
    asked = code == ASK
    lone = escapes_of(c, d) == ESCAPES_ANY
    first, last = max(low, 0xD800), min(high, 0xDBFF)
    if first <= last:
        code = range_alive(c, d, 0x10000 + ((first - 0xD800) << 10), 0x10000 + ((last - 0xD800) << 10) + 1023)
        if code == YES:
            return YES
        asked = asked or code == ASK
        if lone:
            code = lone_alive(c, d, first)
            if code == YES:
                return YES
            asked = asked or code == ASK
    first, last = max(low, 0xDC00), min(high, 0xDFFF)
    if lone and first <= last:
        code = lone_alive(c, d, first)
        if code == YES:
            return YES
        asked = asked or code == ASK
    return ASK if asked else NO


@jit
def short_escape(byte):
    """Return the code point of a two-character escape, or -1."""
    if byte == 34 or byte == 92 or byte == 47:
        return byte
    if byte == 98:
        return 8
    if byte == 102:
        return 12
    if byte == 110:
        return 10
    if byte == 114:
        return 13
    if byte == 116:
        return 9
    return -1


@jit
def control_alive(c, d, digits, value):
    """Return YES, NO or ASK: may a control character come that json.dumps writes
    with these first hexadecimal digits?"""
    answer = numba.int64(NO)
    for point in range(32):
        if point == 8 or point == 9 or point == 10 or point == 12 or point == 13:
            continue
        if (point >> (4 * (4 - digits))) != value:
            continue
        code = block_alive(c, d, point, 0)
        if code == YES:
            return YES
        if code == ASK:
            answer = numba.int64(ASK)
    return answer


@jit
def escape_alive(c, d):
    """Return YES, NO or ASK: can the escape that is being written be completed?"""
    lex = load64(d, LEX)
    escape, value, high = (lex >> ESCAPE_SHIFT) & 15, (lex >> 32) & 0xFFFF, (lex >> 48) & 0x3FF
    policy = escapes_of(c, d)
    if policy == ESCAPES_CANONICAL:
        if escape > 1:
            return control_alive(c, d, escape - 2, value)
        answer = control_alive(c, d, 0, 0)
        for byte in (34, 92, 98, 102, 110, 114, 116):
            if answer == YES:
                return YES
            code = block_alive(c, d, short_escape(byte), 0)
            if code != NO:
                answer = code
        return answer
    if escape == 1:
        return units_alive(c, d, 0, 0xFFFF)
    if escape <= 5:
        left = 4 * (6 - escape)
        return units_alive(c, d, value << left, ((value + 1) << left) - 1)
    first, last = numba.int64(0xDC00), numba.int64(0xDFFF)
    low, top = numba.int64(0), numba.int64(0xFFFF)
    if escape >= 8:
        left = 4 * (12 - escape)
        low, top = value << left, ((value + 1) << left) - 1
        first, last = max(first, low), min(last, top)
    asked = False
    if first <= last:
        base = 0x10000 + (high << 10) - 0xDC00
        code = range_alive(c, d, base + first, base + last)
        if code == YES:
            return YES
        asked = code == ASK
    if policy == ESCAPES_ANY:
        code = lone_alive(c, d, 0xD800 + high)
        if code == YES:
            if escape == 6:
                return YES
            spare = load64(c, C_TEMPORARY) + 8 * 80
            copy(load64(c, C_TEMPORARY) + 8 * 72, spare)
            code = character(c, spare)
            if code == YES:
                code = units_alive(c, spare, low, top)
            if code == YES:
                return YES
        asked = asked or code == ASK
    return ASK if asked else NO


@jit
def hexadecimal(byte, lower):
    """Return the value of a hexadecimal digit, or -1."""
    if byte >= 48 and byte <= 57:
        return byte - 48
    if byte >= 97 and byte <= 102:
        return byte - 87
    if byte >= 65 and byte <= 70 and not lower:
        return byte - 55
    return -1


@jit
def merged_digits(c, d, escape, value):
    """Return the digits that matter: in a free string only what tells surrogates apart,
    so that states are few."""
    if load64(d, MODE) != M_STRING or load64(d, LEX) & STATE_BITS != FREE:
        return value
    if escape == 3:
        return value if value == 0xD else 0
    if escape == 4:
        return 0xD8 if value >= 0xD8 and value <= 0xDB else (0xDC if value >= 0xDC and value <= 0xDF else 0)
    if escape == 5:
        return (
            0xD80
            if value >= 0xD80 and value <= 0xDBF
            else (0xDC0 if value >= 0xDC0 and value <= 0xDFF else 0)
        )
    if escape == 9:
        return value if value == 0xD else 0
    if escape == 10:
        return 0xDC if value >= 0xDC and value <= 0xDF else (0xD8 if value >= 0xD8 and value <= 0xDB else 0)
    if escape == 11:
        return (
            0xDC0
            if value >= 0xDC0 and value <= 0xDFF
            else (0xD80 if value >= 0xD80 and value <= 0xDBF else 0)
        )
    return value


@jit
def settle_lone(c, d):
    """Decide that the high surrogate before stood alone."""
    high = (load64(d, LEX) >> 48) & 0x3FF
    with_escape(d, 0, 0, 0)
    return feed_surrogate(c, d, 0xD800 + high)


@jit
def unit(c, d, value):
    """Take a finished four-digit escape."""
    with_escape(d, 0, 0, 0)
    policy = escapes_of(c, d)
    if value >= 0xD800 and value < 0xDC00:
        high = value - 0xD800
        if load64(d, MODE) == M_STRING and load64(d, LEX) & STATE_BITS == FREE:
            high = 0
        with_escape(d, 6, 0, high)
        return escape_alive(c, d)
    if value >= 0xDC00 and value < 0xE000:
        if policy != ESCAPES_ANY:
            return NO
        return feed_surrogate(c, d, value)
    return feed_point(c, d, value)


@jit
def escape_begun(c, d, byte):
    """Take the character after a backslash."""
    if byte == 117:
        with_escape(d, 2, 0, 0)
        return escape_alive(c, d)
    point = short_escape(byte)
    if point < 0 or (point == 47 and escapes_of(c, d) == ESCAPES_CANONICAL):
        return NO
    with_escape(d, 0, 0, 0)
    return feed_point(c, d, point)


@jit
def escape_step(c, d, byte):
    """Take one byte inside an escape (states 1 to 5, 7 to 11)."""
    lex = load64(d, LEX)
    escape, value, high = (lex >> ESCAPE_SHIFT) & 15, (lex >> 32) & 0xFFFF, (lex >> 48) & 0x3FF
    policy = escapes_of(c, d)
    if escape == 1:
        return escape_begun(c, d, byte)
    if escape == 7:
        if byte == 117:
            with_escape(d, 8, 0, high)
            return escape_alive(c, d)
        if policy != ESCAPES_ANY:
            return NO
        code = settle_lone(c, d)
        if code == YES:
            code = character(c, d)
        if code != YES:
            return code
        return escape_begun(c, d, byte)
    digit = hexadecimal(byte, policy == ESCAPES_CANONICAL)
    if digit < 0:
        return NO
    value = (value << 4) | digit
    if escape != 5 and escape != 11:
        escape += 1
        with_escape(d, escape, merged_digits(c, d, escape, value), high)
        return escape_alive(c, d)
    if policy == ESCAPES_CANONICAL:
        if value >= 32 or value == 8 or value == 9 or value == 10 or value == 12 or value == 13:
            return NO
        return unit(c, d, value)
    if escape == 5:
        return unit(c, d, value)
    if value >= 0xDC00 and value < 0xE000:
        with_escape(d, 0, 0, 0)
        return feed_point(c, d, 0x10000 + (high << 10) + (value - 0xDC00))
    if policy != ESCAPES_ANY:
        return NO
    code = settle_lone(c, d)
    if code == YES:
        code = character(c, d)
    if code != YES:
        return code
    return unit(c, d, value)


# --- the step -----------------------------------------------------------------------------------------------


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
    words = load64(row_of(c, T_LEX, 2, load64(row, R_LEX)), 1)
    store64(d, AT, pack(0, words, 0) if words > 0 else -1)
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
        extras = set_insert(c, extras, load64(d, TEXT))
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
    if byte < 32:
        return NO
    if byte & 0xC0 != 0x80:
        code = character(c, d)
        if code != YES:
            return code
    elif byte >= 0xA0 and load64(d, MODE) != M_STRING:
        # a listed lone surrogate can only be written as an escape
        place = load64(d, AT)
        if place >= 0 and place & 0xFFFF > 0:
            if load64(d, MODE) == M_KEY:
                words = load64(row_of(c, T_RES, R_STRIDE, load64(d, RES)), R_LEX)
            else:
                words = load64(row_of(c, T_STRING, S_STRIDE, load64(d, RES)), S_START)
            if word_at(c, words, place >> 40, (place & 0xFFFF) - 1) == 0xED:
                store64(d, AT, -1)
                if not alive(c, d):
                    return NO
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
    if byte == 32 or byte == 10 or byte == 9 or byte == 13:
        return space_step(c, d, byte)
    mode = load64(d, MODE)
    if mode == M_VALUE or mode == M_DOC or mode == M_NEXT:
        return begin_value(c, d, byte)
    residue = load64(d, RES)
    if mode == M_MEMBER:
        if byte == 125:
            return close_container(c, d, False)
        if byte == 44 and more(c, residue) and space_allows(c, d, brackets(c, d), False):
            settle(d, M_KEYS, residue, load64(d, EXTRAS), load64(d, FRAME))
            return YES
        return NO
    if mode == M_ITEM:
        if byte == 93:
            return close_container(c, d, True)
        if byte == 44 and more(c, residue) and space_allows(c, d, brackets(c, d), False):
            settle(d, M_NEXT, residue, 0, load64(d, FRAME))
            return YES
        return NO
    if mode == M_COLON:
        if byte == 58 and space_allows(c, d, brackets(c, d), False):
            store64(d, MODE, M_VALUE)
            store64(d, AT, 0)
            return YES
        return NO
    if mode == M_KEYS or mode == M_OBJECT:
        if byte == 34 and more(c, residue) and space_allows(c, d, brackets(c, d), False):
            return begin_key(c, d)
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
    """Return NO, YES, ASK, OUT or OUT_BEFORE; at YES the registers at `d` are those at `s` after one more
    byte."""
    copy(s, d)
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
