"""The mask of a state: collected by what the state reads, remembered, and written.

Entry points take the address of a context (layout.py) and integers, and answer below 0 as layout says:
at ASKED the caller answers the questions that were noted, and calls again.
"""

from __future__ import annotations

import numba

from structgen.json_machine.masks.terminal_closing import (
    emit_row,
    enter,
    find_space,
    find_terminal,
    known_terminal,
    resolve,
    walk_group,
)
from structgen.json_machine.masks.terminal_runs import emit
from structgen.json_machine.masks.trie_walk import defer_below, open_children, walk_below, walk_root
from structgen.json_machine.masks.unlisted_keys import walk_listed
from structgen.json_machine.steps.byte_step import accepting, push_frame, step
from structgen.json_machine.steps.item_values import among_literals, item_values
from structgen.json_machine.steps.white_space import brackets, space_allows
from structgen.json_machine.tables.layout import *
from structgen.json_machine.tables.residues import value_place
from structgen.json_machine.tables.table_rows import copy, need, row_of, settle
from structgen.native.bit_rows import set_bits
from structgen.native.jit import entry, jit
from structgen.native.raw_memory import load8, load32, load64, store32, store64

_FEW = 16
"""Tokens that are rather copied than looked up behind a terminal."""


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
def share(c, terminal):
    """Add the tokens that stay inside a terminal, its row apart, to the mask: to the buffer where they are
    few, else the terminal itself, so that no state holds a copy of them. Returns the terminal's row."""
    known = row_of(c, T_TERMINAL, X_STRIDE, terminal)
    listed, shared = load64(known, X_LISTED), load64(c, C_SHARED)
    if listed < _FEW or listed >= load64(c, C_MASK_WORDS) or shared == MOST_SHARED:
        emit(c, load64(known, X_LIST), 0, listed)
        return known
    for i in range(shared):
        if load64(c, C_SHARED + 1 + i) == terminal:
            return known
    store64(c, C_SHARED + 1 + shared, terminal)
    store64(c, C_SHARED, shared + 1)
    return known


@jit
def emit_inside(c, terminal):
    """Add the tokens that stay inside a terminal to the mask."""
    known = share(c, terminal)
    if load64(known, X_ROW) >= 0:
        emit_row(c, load64(known, X_ROW))


@jit
def emit_shared(c):
    """Add the tokens inside the shared terminals to the buffer."""
    for i in range(load64(c, C_SHARED)):
        known = row_of(c, T_TERMINAL, X_STRIDE, load64(c, C_SHARED + 1 + i))
        emit(c, load64(known, X_LIST), 0, load64(known, X_LISTED))
    store64(c, C_SHARED, 0)


@jit
def forget(c):
    """Forget what was collected."""
    store64(c, C_BLURRED, 0)
    store64(c, C_BUFFER_COUNT, 0)
    store64(c, C_DEFERRED_COUNT, 0)
    store64(c, C_SHARED, 0)


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
    emit_inside(c, terminal)
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
    emit_inside(c, terminal)
    asked = resolve(c, d, terminal)
    copy(kept, scratch)
    return asked


@jit
def walk_structure(c):
    """Collect the tokens that live from the structural state in scratch block 0, at most white space written
    of what follows. Returns a dense row to start from (-1: none), or -3 when something was asked.

    Tokens that begin with white space are those of the white space terminal; the others begin with one of the
    few bytes that the mode allows.
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
        known = share(c, terminal)
        dense = load64(known, X_ROW)
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
    literals = among_literals(c, d)
    for i in range(first, first + load64(row, X_CROSSES)):
        group = row_of(c, T_CROSS, G_STRIDE, i)
        if load64(group, G_WHOLE) == 0:
            continue
        # Where its value makes no difference an item is not read: each digit on the way would be a residue.
        code = VAGUE if literals else enter(c, d, group, False)
        if code == VAGUE:
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
        row = load64(share(c, terminal), X_ROW)
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
    elif mode <= M_NEXT:
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
    shared = load32(tokens, 1)
    for i in range(shared):
        known = row_of(c, T_TERMINAL, X_STRIDE, load32(tokens, 2 + i))
        set_bits(target, load64(known, X_LIST), load64(known, X_LISTED))
    set_bits(target, tokens + 4 * (2 + shared), load32(tokens, 0))
    return 0


@jit
def remember(c, d, row, target):
    """Memoise the tokens in the buffer, with a dense row (-1: none), as a state's mask, and write it to
    `target` (0: nowhere). Returns 0; ASKED where T_LIST has too little room; LARGE where the list would be as
    long as a row."""
    base, found = 6 * T_LIST, load64(c, C_BUFFER_COUNT)
    used = load64(c, base + COUNT)
    if found >= load64(c, C_MASK_WORDS):
        return LARGE
    if used + found + 2 > load64(c, base + CAPACITY):
        return ASKED
    lists, buffer = load64(c, base + ADDRESS) + 4 * used, load64(c, C_BUFFER)
    store32(lists, 0, found)
    store32(lists, 1, 0)
    for i in range(found):
        store32(lists, 2 + i, load32(buffer, i))
    store64(c, base + COUNT, used + 2 + found)
    store64(d, N_ROW, row)
    store64(d, N_LIST, used)
    return write_mask(c, d, target)


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
    forget(c)
    row = collect(c, d)
    if load64(c, C_BLURRED) == WHOLE_WALK:
        forget(c)
        row = ASKED if walk_all(c, d) else -1
    if load64(c, C_BLURRED) != 0:
        # a token that writes two extra keys of one object: only the walk that follows their text can tell
        store64(c, C_PRECISE, 1)
        store64(c, C_BUFFER_COUNT, 0)
        store64(c, C_SHARED, 0)
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
    count, shared, used = load64(c, C_BUFFER_COUNT), load64(c, C_SHARED), load64(c, base + COUNT)
    if row < 0 and count >= load64(c, C_MASK_WORDS):
        emit_shared(c)
        return LARGE
    if used + count + shared + 2 > load64(c, base + CAPACITY):
        need(c, Q_ROOM, T_LIST, count + shared + 2, 0)
        return ASKED
    lists, buffer = load64(c, base + ADDRESS) + 4 * used, load64(c, C_BUFFER)
    store32(lists, 0, count)
    store32(lists, 1, shared)
    for i in range(shared):
        store32(lists, 2 + i, load64(c, C_SHARED + 1 + i))
    for i in range(count):
        store32(lists, 2 + shared + i, load32(buffer, i))
    store64(c, base + COUNT, used + 2 + shared + count)
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
