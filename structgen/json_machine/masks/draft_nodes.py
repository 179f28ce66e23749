"""Draft trees in compiled code: how a batch of them is laid out, and what is done for one of its nodes.

A draft is a tree of guessed tokens behind a state. Its places are the root (that state) and its nodes, in an
order in which parents come first. A batch is a block that says where the arrays of all drafts lie, and a job
for each draft. Each machine (`state_walk`, `text_grammars.machine.stepping`,
`lark_grammars.compiled.lark_masks`) has an entry point `walk_drafts`, which goes over the nodes of many jobs:
it finds the state of a node by its own step, and `settle_place` does the rest here.

Only what is known is done: no question is noted, and no mask is worked out. A place that needs either is left
(NOT_YET), with all that is below it.
"""

from __future__ import annotations

import numba

from structgen.json_machine.masks.mask_filling import write_mask
from structgen.json_machine.tables.layout import *
from structgen.json_machine.tables.table_rows import row_of
from structgen.native.jit import entry, jit
from structgen.native.raw_memory import load32, load64, store8, store32

B_TOKENS, B_PARENTS, B_STATES, B_STATUSES, B_ROWS, B_MASK, B_WORDS, B_VOCABULARY = range(8)
"""A batch (int64). Addresses: int32 tokens and parents of all nodes; int32 states and int8 statuses of all
places; the int32 mask rows of all places (0: they are 0, 1, ...); the mask (0: none is written). Then the
words of a mask row, and the tokens that the mask is for."""
BATCH_WORDS = 8
J_CONTEXT, J_STATE, J_NODE, J_PLACE, J_COUNT, J_FINISHED, J_SPECIALS = range(7)
"""A job (int64): the context of its grammar (0: the text is free); the state of the root; the first of its
nodes, and of its places, in the arrays; how many nodes there are; the state after an end token (-1: not made
yet); whether the grammar has special tokens."""
JOB_WORDS = 8

NOT_YET, LIMITED = -9, -2
"""Codes in place of a state, beside REFUSED: it must be asked for; a limit was reached."""
ROW_KNOWN, ROW_FREE, ROW_FINISHED, ROW_LIMIT, ROW_REFUSED = range(5)
"""The statuses (`batch.RowStatus`)."""
ROW_LEFT = -1
"""As the status of a place: its mask is not written yet."""


@jit
def state_above(batch, job, node):
    """Return the state of a node's parent, or a code."""
    parent = load32(load64(batch, B_PARENTS), load64(job, J_NODE) + node)
    return load32(load64(batch, B_STATES), load64(job, J_PLACE) + 1 + parent)


@jit
def token_of(batch, job, node):
    """Return a node's token, REFUSED where it is none of the vocabulary."""
    c = load64(job, J_CONTEXT)
    token = load32(load64(batch, B_TOKENS), load64(job, J_NODE) + node)
    size = load64(batch, B_VOCABULARY) if c == 0 else load64(c, C_VOCABULARY)
    return token if 0 <= token and token < size else numba.int64(REFUSED)


@jit
def is_end(c, token):
    """Return whether a token ends a text."""
    ends = load64(c, C_ENDS)
    for i in range(load64(c, C_END_COUNT)):
        if load32(ends, i) == token:
            return True
    return False


@jit
def state_or_left(code):
    """Return a state that a step has answered, or REFUSED; NOT_YET for any other answer."""
    return code if code >= REFUSED else numba.int64(NOT_YET)


@jit
def settle_place(batch, job, place, state):
    """Note the state of a place, or the code in its stead, and write its mask, if there is a mask and it is
    known. Returns 1 where something is left to do, else 0."""
    at, c = load64(job, J_PLACE) + place, load64(job, J_CONTEXT)
    store32(load64(batch, B_STATES), at, state)
    mask = load64(batch, B_MASK)
    if state == NOT_YET or mask == 0:
        return numba.int64(1 if state == NOT_YET else 0)
    words, rows = load64(batch, B_WORDS), load64(batch, B_ROWS)
    target = mask + 4 * words * (at if rows == 0 else load32(rows, at))
    status, written = numba.int64(ROW_REFUSED), numba.int64(0)
    if state >= 0:
        if c == 0:
            status, written = numba.int64(ROW_FREE), words
            allow_all(target, words, load64(batch, B_VOCABULARY))
        else:
            node = row_of(c, T_NODE, N_STRIDE, state)
            if load64(node, N_LIST) >= 0:
                write_mask(c, node, target)
                status, written = numba.int64(ROW_KNOWN), load64(c, C_MASK_WORDS)
            elif load64(node, MODE) == M_FINISHED:
                status = numba.int64(ROW_FINISHED)
            else:
                return numba.int64(1)
    for i in range(written, words):
        store32(target, i, 0)
    store8(load64(batch, B_STATUSES), at, status)
    return numba.int64(0)


@jit
def allow_all(target, words, vocabulary):
    """Allow every token in a row."""
    whole, rest = vocabulary >> 5, vocabulary & 31
    for i in range(words):
        store32(target, i, -1 if i < whole else 0)
    if rest != 0:
        store32(target, whole, (1 << rest) - 1)


@entry("int64(int64, int64, int64)")
def walk_free(batch, jobs, count):
    """Write the masks of drafts of free texts: every token may come behind every other. Returns 0."""
    for i in range(count):
        job = jobs + 8 * JOB_WORDS * i
        settle_place(batch, job, 0, 0)
        for node in range(load64(job, J_COUNT)):
            above, token = state_above(batch, job, node), token_of(batch, job, node)
            settle_place(batch, job, 1 + node, 0 if above >= 0 and token >= 0 else REFUSED)
    return 0


@entry("int64(int64, int64, int64)")
def misplaced(parents, counts, drafts):
    """Return the first node (over all drafts) whose parent does not come before it, or -1; `counts` (int32):
    the nodes of each draft."""
    first = numba.int64(0)
    for i in range(drafts):
        for node in range(load32(counts, i)):
            parent = load32(parents, first + node)
            if parent < -1 or parent >= node:
                return first + node
        first += load32(counts, i)
    return numba.int64(-1)
