"""Terminals as a mask meets them: which one a state is in, and the tokens that close it and go on."""

from __future__ import annotations

import numba

from structgen.json_machine.masks.terminal_runs import emit
from structgen.json_machine.masks.trie_walk import defer, defer_tokens, emit_unmarked, unmark, walk
from structgen.json_machine.steps.byte_step import close_value
from structgen.json_machine.steps.white_space import brackets, deepest
from structgen.json_machine.tables.layout import *
from structgen.json_machine.tables.residues import extra_place
from structgen.json_machine.tables.table_rows import copy, intern, need, row_of, settle
from structgen.native.jit import jit
from structgen.native.raw_memory import load32, load64, store32, store64


@jit
def terminal_key(c, d, t):
    """Write a terminal's identity to `t`: the automaton state,
    and what its length bounds still ask of one token."""
    mode = load64(d, MODE)
    store64(t, X_MODE, mode)
    store64(t, X_LEX, load64(d, LEX))
    store64(t, X_LEAST, 0)
    store64(t, X_MOST, -1)
    store64(t, X_POLICY, 0)
    store64(t, X_SPARE, 0)
    if mode == M_STRING:
        spec = row_of(c, T_STRING, S_STRIDE, load64(d, RES))
        longest = load64(c, C_LONGEST)
        store64(t, X_LEAST, min(max(load64(spec, S_LEAST) - load64(d, AT), 0), longest + 1))
        reach = longest + load64(spec, S_FARTHEST)
        if load64(spec, S_MOST) >= 0 and load64(spec, S_MOST) - load64(d, AT) < reach:
            store64(t, X_MOST, load64(spec, S_MOST) - load64(d, AT))


@jit
def known_terminal(c, t):
    """Return the terminal whose identity stands at `t`, -1 when it, or room for it, must be asked."""
    terminal = intern(c, T_TERMINAL, 6, t)
    if terminal < 0:
        return -1
    if load64(row_of(c, T_TERMINAL, X_STRIDE, terminal), X_CROSS) < 0:
        need(c, Q_TERMINAL, terminal, 0, 0)
        return -1
    return terminal


@jit
def find_terminal(c, d):
    """Return the terminal of a state in a string, a key or a numeral; -1 when it must be asked."""
    t = load64(c, C_TEMPORARY) + 8 * 32
    terminal_key(c, d, t)
    for i in range(X_ROW, X_STRIDE):
        store64(t, i, -1)
    return known_terminal(c, t)


@jit
def find_space(c, d):
    """Return the terminal of the white space at a structural state, -1 when something must be asked first."""
    t = load64(c, C_TEMPORARY) + 8 * 32
    for i in range(X_STRIDE):
        store64(t, i, -1)
    store64(t, X_MODE, M_SPACE)
    level, most, written = numba.int64(1), numba.int64(1), numba.int64(0)
    if load64(c, C_SPACE) == SPACE_BOUNDED:
        level, most, written = brackets(c, d), deepest(c, d), load64(d, AT)
        if most < 0:
            return -1
        # deeper than the longest token's white space, depth makes no difference
        fold = load64(c, C_LONGEST) // 8 + 2
        if level > fold:
            most -= level - fold
            written = (max((written >> 6) - 8 * (level - fold), 0) << 6) | (written & 63)
            level = fold
    store64(t, X_LEX, level)
    store64(t, X_LEAST, most)
    store64(t, X_MOST, written)
    store64(t, X_POLICY, load64(c, C_SPACE))
    store64(t, X_SPARE, 0)
    return known_terminal(c, t)


@jit
def walk_group(c, group, unmarked):
    """Collect the tokens of a crossing that live on from scratch block 0,
    where their terminal has been left."""
    exact = load64(group, G_EXACT)
    if unmarked:
        emit_unmarked(c, exact, 0, load64(group, G_EXACTS))
    else:
        emit(c, exact, 0, load64(group, G_EXACTS))
    return walk(
        c,
        load64(group, G_TRIE),
        load64(group, G_COUNT),
        load64(group, G_STARTS),
        load64(group, G_IDS),
        unmarked,
    )


@jit
def emit_row(c, row):
    """Add the tokens of a dense row to the buffer."""
    words = load64(c, C_MASK_WORDS)
    source = load64(c, C_ROWS) + 4 * words * row
    buffer, count = load64(c, C_BUFFER), load64(c, C_BUFFER_COUNT)
    for i in range(words):
        word = load32(source, i) & 0xFFFFFFFF
        while word != 0:
            bit = numba.int64(0)
            while (word >> bit) & 1 == 0:
                bit += 1
            store32(buffer, count, 32 * i + bit)
            count += 1
            word &= word - 1
    store64(c, C_BUFFER_COUNT, count)


@jit
def enter(c, d, group, whole):
    """Put scratch block 0 to the state after a terminal was left with a crossing's outcome: YES, NO, ASK or
    VAGUE. `whole`: nothing of the tokens belongs to the terminal."""
    scratch, outcome = load64(c, C_SCRATCH), load64(group, G_OUTCOME)
    copy(d, scratch)
    if not whole:
        # what the tokens wrote of the terminal is different for each
        store64(scratch, TEXT, load64(d, TEXT) & CAPTURE)
    if load64(d, MODE) != M_KEY:
        return close_value(c, scratch, outcome)
    value = extra_place(c, load64(d, RES), outcome)
    if value < 0:
        return NO if value == -1 else ASK
    settle(scratch, M_COLON, load64(d, RES), load64(d, EXTRAS) | BLUR, load64(d, FRAME))
    store64(scratch, LEX, -2 - outcome)
    return YES


@jit
def resolve(c, d, terminal):
    """Collect the tokens that close the terminal and live on in what holds it; those that are left over
    whole, or marked, are left out, and the marks taken away. Returns whether something was asked."""
    unmarked = load64(c, C_MARKED) > 0
    row = row_of(c, T_TERMINAL, X_STRIDE, terminal)
    first = load64(row, X_CROSS)
    asked = False
    for i in range(first, first + load64(row, X_CROSSES)):
        group = row_of(c, T_CROSS, G_STRIDE, i)
        code = enter(c, d, group, False)
        if code == ASK:
            asked = True
        if code == VAGUE:
            defer_tokens(c, load64(group, G_EXACT), 0, load64(group, G_EXACTS))
            defer(
                c,
                load64(group, G_TRIE),
                0,
                load64(group, G_COUNT),
                load64(group, G_STARTS),
                load64(group, G_IDS),
            )
        if code == YES and walk_group(c, group, unmarked):
            asked = True
    if unmarked:
        unmark(c)
    return asked
