"""States and the steps between them: the entry points that Python calls, as in `mask_filling`."""

from __future__ import annotations

import numba

from structgen.json_machine.masks.draft_nodes import (
    J_CONTEXT,
    J_COUNT,
    J_STATE,
    JOB_WORDS,
    is_end,
    settle_place,
    state_above,
    state_or_left,
    token_of,
)
from structgen.json_machine.steps.byte_step import accepting, step
from structgen.json_machine.tables.layout import *
from structgen.json_machine.tables.table_rows import copy, hash_words, intern, row_of, settle
from structgen.native.jit import entry, jit
from structgen.native.raw_memory import load8, load32, load64, store8, store32, store64


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


@jit
def after_token(c, index, token):
    """Return the state after a token that is not an end token, -1 when it is refused,
    -3 with questions noted."""
    if load32(load64(c, C_SLOT), token) < 0:
        return numba.int64(REFUSED)
    store64(c, C_PRECISE, 1)
    offsets = load64(c, C_TOKEN_OFFSET)
    start, end = load64(offsets, token), load64(offsets, token + 1)
    code = run(c, index, load64(c, C_TOKEN_DATA) + start, end - start)
    if code == -1 and load64(load64(c, C_NEEDS), 0) > 0:
        return numba.int64(ASKED)
    return code


@jit
def finished(c, index):
    """Return the state after an end token, -1 where the document may not end,
    or -3 when room must be made."""
    if not accepting(c, row_of(c, T_NODE, N_STRIDE, index)):
        return numba.int64(REFUSED)
    d = load64(c, C_SCRATCH)
    store64(d, TEXT, 0)
    settle(d, M_FINISHED, 0, 0, NO_FRAME)
    code = intern_node(c, d)
    return numba.int64(ASKED) if code < 0 else code


@entry("int64(int64, int64, int64)")
def take_token(c, index, token):
    """As `after_token`."""
    return after_token(c, index, token)


@entry("int64(int64, int64, int64)")
def walk_drafts(batch, jobs, count):
    """Do what is known of the draft trees of many jobs (`draft_nodes`). Returns how many places are left."""
    left = numba.int64(0)
    for i in range(count):
        job = jobs + 8 * JOB_WORDS * i
        c = load64(job, J_CONTEXT)
        needs = load64(c, C_NEEDS)
        store64(needs, 0, 0)
        left += settle_place(batch, job, 0, load64(job, J_STATE))
        for node in range(load64(job, J_COUNT)):
            state, token = state_above(batch, job, node), token_of(batch, job, node)
            if state >= 0:
                if token < 0:
                    state = numba.int64(REFUSED)
                elif is_end(c, token):
                    state = state_or_left(finished(c, state))
                else:
                    state = state_or_left(after_token(c, state, token))
                store64(needs, 0, 0)  # who works out what is left asks again
            left += settle_place(batch, job, 1 + node, state)
    return left


@entry("int64(int64, int64, int64, int64)")
def ends_below(c, index, wanted, target):
    """Write to `target` (int32) those nodes of the trie with a 2 in `wanted` (uint8 for each) whose bytes
    lead from a state to one in which the document may end; below a 0 there are none. Returns how many, or -3
    with questions noted."""
    store64(c, C_PRECISE, 1)
    nodes, count, blocks = load64(c, C_TRIE), load64(c, C_TRIE_COUNT), load64(c, C_SCRATCH)
    copy(row_of(c, T_NODE, N_STRIDE, index), blocks)
    found, node = 0, 0
    while node < count:
        word, flag = load64(nodes, node), load8(wanted, node)
        code = numba.int64(NO)
        if flag != 0:
            d = blocks + 64 * ((word >> 8) & 0xFFF)
            code = step(c, d - 64, d, word & 0xFF)
            if code == YES and flag == 2 and accepting(c, d):
                store32(target, found, node)
                found += 1
        node = node + 1 if code == YES else (word >> 40) & 0xFFFFFF
    return ASKED if load64(load64(c, C_NEEDS), 0) > 0 else found


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
    """As `finished`."""
    return finished(c, index)


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


@entry("int64(int64, int64, int64, int64)")
def rehash(c, table, words, first):
    """Put the rows of an interning table, from `first` on, into its (emptied) hash slots."""
    base = 6 * table
    address, stride = load64(c, base + ADDRESS), load64(c, base + STRIDE)
    slots, mask = load64(c, base + HASH), load64(c, base + MASK)
    for i in range(first, load64(c, base + COUNT)):
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
