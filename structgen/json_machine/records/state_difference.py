"""A string's state told by what it takes less than another state of the same automaton.

Where texts are banned from strings, each state is a place in some of the texts, and nearly all tokens lead
from it to where they lead from the beginning of a string: only those that go on with a text that is half
written do not. This walk follows both states side by side, and leaves a subtree of the vocabulary's trie
where they have become the same state. Entry points as in `mask_filling`.
"""

from __future__ import annotations

import numba

from structgen.json_machine.masks.terminal_runs import emit
from structgen.json_machine.steps.byte_step import step
from structgen.json_machine.tables.layout import *
from structgen.json_machine.tables.string_tables import WIDTH, need_row
from structgen.json_machine.tables.table_rows import copy, row_of
from structgen.native.jit import entry, jit
from structgen.native.raw_memory import load32, load64, store64

_MOST = 4096
"""Nodes of the trie after which two states are not near each other: a walk of its own is cheaper."""


@jit
def string_after(c, lex, byte):
    """Return LEX after a byte inside the string or key whose other registers lie in scratch block 0; -1
    where it may not come, -2 when asked, and -3 less the outcome where the byte closes the string."""
    scratch = load64(c, C_SCRATCH)
    if lex >> ESCAPE_SHIFT == 0:
        if byte == 34:
            outcome = load32(load64(c, C_STRINGS_OUT), lex)
            return -3 - outcome if outcome >= 0 else numba.int64(-1)
        if byte < 32:
            return numba.int64(-1)
        if byte != 92 and (byte < 127 or load64(c, C_ESCAPES) != ESCAPES_ASCII):
            after = numba.int64(load32(load64(c, C_STRINGS), lex * WIDTH + byte))
            if after == -2:
                need_row(c, lex, byte)
            return after if after >= -2 else numba.int64(-1)
    store64(scratch, LEX, lex)
    code = step(c, scratch, scratch + 64, byte)
    if code == YES:
        return load64(scratch + 64, LEX)
    if code == OUT:
        return -3 - load64(scratch + 64, LEX)
    return numba.int64(-2 if code == ASK else -1)


@entry("int64(int64, int64, int64)")
def near_tokens(c, terminal_node, reference):
    """Collect the tokens that a string or key takes from the LEX `reference` on and not from a state's own.

    They stay inside or close it; tokens may be among them that neither takes. Returns 0; -3 with questions
    noted; or -4 where the two are far apart, or the state takes what the reference does not.
    """
    scratch, trie, last = load64(c, C_SCRATCH), load64(c, C_TRIE), load64(c, C_TRIE_COUNT)
    slots_before, starts, ids = load64(c, C_SLOTS_BEFORE), load64(c, C_SLOT_START), load64(c, C_SLOT_IDS)
    lists = load64(c, C_CROSSED) + 8 * 3 * last
    path, other = lists + 8 * 4096, lists + 8 * 2 * 4096
    copy(row_of(c, T_NODE, N_STRIDE, terminal_node), scratch)
    store64(scratch, FRAME, SENTINEL)
    store64(scratch, SEEN, 0)
    store64(scratch, TEXT, 0)
    if load64(scratch, MODE) == M_KEY:
        store64(scratch, AT, -1)
    store64(c, C_PRECISE, 0)
    store64(c, C_BUFFER_COUNT, 0)
    store64(path, 0, load64(scratch, LEX))
    store64(other, 0, reference)
    asked, far, seen = False, False, 0
    i = numba.int64(0)
    while i < last and not far:
        node = load64(trie, i)
        depth, byte, end = (node >> 8) & 0xFFF, node & 255, (node >> 40) & 0xFFFFFF
        after = string_after(c, load64(path, depth - 1), byte)
        there = string_after(c, load64(other, depth - 1), byte)
        seen += 1
        if after == -2 or there == -2:
            asked = True
        elif after >= 0 and there >= 0 and after != there:
            store64(path, depth, after)
            store64(other, depth, there)
            far = seen > _MOST
            i += 1
            continue
        elif after == -1 and there != -1:
            emit(c, ids, load32(starts, load32(slots_before, i)), load32(starts, load32(slots_before, end)))
        elif after != there:
            far = True
        i = end
    store64(c, C_PRECISE, 1)
    if far:
        return MISS
    return ASKED if asked else 0
