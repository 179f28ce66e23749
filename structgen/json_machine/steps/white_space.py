"""White space between the tokens of JSON, by the policy."""

from __future__ import annotations

import numba

from structgen.json_machine.steps.unused_keys import more
from structgen.json_machine.tables.layout import *
from structgen.json_machine.tables.residues import holds_brackets, value_place
from structgen.json_machine.tables.table_rows import row_of
from structgen.native.jit import jit
from structgen.native.raw_memory import load8, load64, store64


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
    another = more(c, d)
    if another == ASK:
        return -1
    return level if another == YES else level - 1


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
    elif mode == M_OBJECT or mode == M_ARRAY:
        another = more(c, d)
        if another != YES:
            return another
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
