"""Masks and commits under a Lark grammar: the entry points that Python calls, as in
`json_machine.masks.mask_filling`."""

from __future__ import annotations

import numba

from structgen.json_machine.tables.layout import *
from structgen.lark_grammars.compiled.continuation_proofs import live, may_end
from structgen.lark_grammars.compiled.lark_step import fresh, node_of, pair, place_of, put, step
from structgen.lark_grammars.compiled.lexeme_records import adopt, forget_looks, walk_below
from structgen.lark_grammars.compiled.registers import *
from structgen.machine_core.draft_nodes import (
    J_CONTEXT,
    J_COUNT,
    J_FINISHED,
    J_STATE,
    JOB_WORDS,
    is_end,
    settle_place,
    state_above,
    state_or_left,
    token_of,
)
from structgen.machine_core.masks import emit, remember
from structgen.machine_core.raw_rows import copy, find, intern, row_of
from structgen.native.jit import entry, jit
from structgen.native.raw_memory import load8, load32, load64, store8, store32, store64


@entry("int64(int64, int64)")
def first_node(c, state):
    """Return the state before the first byte, with the parser in `state`, or ASKED."""
    d = load64(c, C_SCRATCH)
    stack, widths = pair(c, state, -1), pair(c, -1, -1)
    place = ASKED if stack < 0 or widths < 0 else place_of(c, stack, widths, 0)
    if place < 0 or fresh(c, place, d) == ASK:
        return ASKED
    return node_of(c, d)


@entry("int64(int64, int64, int64, int64)")
def take_bytes(c, index, data, count):
    """Return the state after bytes, live or not; REFUSED; ASKED; or UNKNOWN_FREE where Python must follow."""
    s = load64(c, C_SCRATCH)
    copy(row_of(c, T_NODE, N_STRIDE, index), s)
    for i in range(count):
        d = load64(c, C_SCRATCH) + 64 * (1 - (i & 1))
        code = step(c, s, d, load8(data, i))
        if code != YES:
            return REFUSED if code == NO else (ASKED if code == ASK else UNKNOWN_FREE)
        s = d
    return node_of(c, s)


@jit
def after_token(c, index, token):
    """Return the state after a token, if it is live; REFUSED; ASKED; or UNKNOWN_FREE."""
    s = load64(c, C_SCRATCH)
    copy(row_of(c, T_NODE, N_STRIDE, index), s)
    if load32(load64(c, C_SLOT), token) < 0 or load64(s, MODE) == M_FINISHED:
        return numba.int64(REFUSED)
    if load64(s, MODE) != M_DOC:
        return numba.int64(UNKNOWN_FREE)
    offsets, data = load64(c, C_TOKEN_OFFSET), load64(c, C_TOKEN_DATA)
    start, end = load64(offsets, token), load64(offsets, token + 1)
    for i in range(end - start):
        d = load64(c, C_SCRATCH) + 64 * (1 - (i & 1))
        code = step(c, s, d, load8(data, start + i))
        if code != YES:
            return numba.int64(REFUSED if code == NO else (ASKED if code == ASK else UNKNOWN_FREE))
        s = d
    found = find(c, T_NODE, 8, s)
    if found >= 0:
        d = row_of(c, T_NODE, N_STRIDE, found)
        if load64(d, N_LIST) >= 0 or load64(d, N_ROW) == KEPT:
            return numba.int64(found)  # its mask is known, or lies in a file: it was live
    code = live(c, s)
    if code != YES:
        return numba.int64(REFUSED if code == NO else ASKED)
    found = node_of(c, s)
    if found >= 0:
        adopt(c, found)
    return numba.int64(found)


@entry("int64(int64, int64, int64)")
def take_token(c, index, token):
    """As `after_token`."""
    return after_token(c, index, token)


@jit
def draft_state(c, job, index, token):
    """Return the state after a token of a draft, REFUSED, or another code where it must be asked for."""
    d = row_of(c, T_NODE, N_STRIDE, index)
    if not is_end(c, token):
        return after_token(c, index, token)
    if load64(d, MODE) != M_DOC:
        return numba.int64(REFUSED if load64(d, MODE) == M_FINISHED else UNKNOWN_FREE)
    code = may_end(c, d)
    if code != YES:
        return numba.int64(REFUSED if code == NO else ASKED)
    finished = load64(job, J_FINISHED)
    return finished if finished >= 0 else numba.int64(ASKED)


@entry("int64(int64, int64, int64)")
def walk_drafts(batch, jobs, count):
    """Do what is known of the draft trees of many jobs (`machine_core.draft_nodes`). Returns how many
    places are left."""
    left = numba.int64(0)
    for i in range(count):
        job = jobs + 8 * JOB_WORDS * i
        c = load64(job, J_CONTEXT)
        needs = load64(c, C_NEEDS)
        noted = load64(needs, 0)
        store64(needs, 0, MOST_NOTED)  # there is no room for questions: none is noted
        left += settle_place(batch, job, 0, load64(job, J_STATE))
        for node in range(load64(job, J_COUNT)):
            state, token = state_above(batch, job, node), token_of(batch, job, node)
            if state >= 0:
                state = (
                    state_or_left(draft_state(c, job, state, token)) if token >= 0 else numba.int64(REFUSED)
                )
            left += settle_place(batch, job, 1 + node, state)
        store64(needs, 0, noted)
    return left


@entry("int64(int64, int64, int64, int64, int64)")
def put_masks(c, states, offsets, count, row):
    """Have the masks of some states known that are not: a dense row (-1: none), and where their lists begin.
    Returns 0."""
    for i in range(count):
        d = row_of(c, T_NODE, N_STRIDE, load64(states, i))
        if load64(d, N_LIST) < 0:
            store64(d, N_ROW, row)
            store64(d, N_LIST, load64(offsets, i))  # last: readers take no lock
    return 0


@entry("int64(int64, int64, int64, int64)")
def ends_below(c, index, wanted, target):
    """Write to `target` (int32) those nodes of the trie with a 2 in `wanted` (uint8 for each) whose bytes
    lead from a state to one in which the text may end, and as -1 - node those that Python must follow; below
    a 0 there are none. Returns how many, or ASKED."""
    nodes, count, blocks = load64(c, C_TRIE), load64(c, C_TRIE_COUNT), load64(c, C_SCRATCH)
    copy(row_of(c, T_NODE, N_STRIDE, index), blocks)
    found, node, asked = 0, 0, False
    while node < count:
        word, flag = load64(nodes, node), load8(wanted, node)
        code = numba.int64(NO)
        if flag != 0:
            d = blocks + 64 * ((word >> 8) & 0xFFF)
            code = step(c, d - 64, d, word & 0xFF)
            asked = asked or code == ASK
            if code == YES and flag == 2:
                ends = may_end(c, d)
                asked = asked or ends == ASK
                if ends == YES:
                    store32(target, found, node)
                    found += 1
            elif code != YES and code != NO and code != ASK:
                store32(target, found, -1 - node)
                found += 1
        node = node + 1 if code == YES else (word >> 40) & 0xFFFFFF
    return ASKED if asked else found


@entry("int64(int64, int64)")
def is_live(c, index):
    """Return 1 where some text goes on from a state, 0, or ASKED."""
    code = live(c, row_of(c, T_NODE, N_STRIDE, index))
    return ASKED if code == ASK else (1 if code == YES else 0)


@entry("int64(int64, int64)")
def ends(c, index):
    """Return 1 where the text may end in a state, 0, or ASKED."""
    code = may_end(c, row_of(c, T_NODE, N_STRIDE, index))
    return ASKED if code == ASK else (1 if code == YES else 0)


@entry("int64(int64, int64, int64, int64, int64)")
def note_told(c, first, key, second, value):
    """Note what was asked under a key below 0 of T_EDGE (LIVE_YES, ...); there is room. Returns 0."""
    t = load64(c, C_TEMPORARY) + 8 * 8
    store64(t, 0, first)
    store64(t, 1, key)
    store64(t, 2, second)
    store64(t, 3, value)
    found = intern(c, T_EDGE, 3, t)
    store64(row_of(c, T_EDGE, 4, found), 3, value)
    return 0


@entry("int64(int64, int64, int64)")
def put_pair(c, first, second):
    """Return the number of a pair (a state on a stack, -1 - a width on widths), or ASKED."""
    return pair(c, first, second)


@entry("int64(int64, int64, int64, int64)")
def put_place(c, stack, widths, brackets):
    """Return the number of a place, or ASKED."""
    return place_of(c, stack, widths, brackets)


@entry("int64(int64, int64, int64, int64, int64)")
def put_node(c, place, lexeme, column, base):
    """Return the number of the state with these registers, or ASKED."""
    d = load64(c, C_SCRATCH)
    put(d, place, lexeme, column, base)
    return node_of(c, d)


@entry("int64(int64, int64, int64)")
def collect_below(c, index, node):
    """Add to the buffer the tokens below a trie node that can be read on from a state, reached with the
    node's byte; those that Python must follow lie beside it. Returns 0, or ASKED."""
    forget_looks(c)
    word = load64(load64(c, C_TRIE), node)
    copy(row_of(c, T_NODE, N_STRIDE, index), load64(c, C_SCRATCH) + 64 * ((word >> 8) & 0xFFF))
    wanted = load64(load64(c, C_LARK), K_WANTED)
    for byte in range(256):
        store8(wanted, byte, 1)
    return ASKED if walk_below(c, node + 1, (word >> 40) & 0xFFFFFF, wanted) else 0


@entry("int64(int64, int64, int64, int64, int64, int64)")
def memoise(c, index, extra, extras, row, target):
    """Add tokens (int32) to the buffer, memoise it with a dense row (-1: none) as a state's mask, and write
    it to `target` (0: nowhere). Returns 0; ASKED where T_LIST has too little room; LARGE where the list would
    be as long as a row."""
    emit(c, extra, 0, extras)
    code = remember(c, row_of(c, T_NODE, N_STRIDE, index), row, target)
    if code == ASKED:
        store64(c, C_BUFFER_COUNT, load64(c, C_BUFFER_COUNT) - extras)
    return code
