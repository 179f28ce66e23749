"""Terminals walked by themselves, for a record of the store: the tokens that stay inside, and what the others
leave over. Entry points as in `mask_filling`."""

from __future__ import annotations

import numba
import numpy as np

from structgen.json_machine.masks.terminal_runs import cross, emit, walk_space, walk_string
from structgen.json_machine.records.free_string_difference import is_wide, walk_removed
from structgen.json_machine.steps.byte_step import literal_byte, number_step
from structgen.json_machine.tables.layout import *
from structgen.json_machine.tables.string_tables import FREE
from structgen.json_machine.tables.table_rows import copy, row_of, settle
from structgen.native.jit import entry, jit
from structgen.native.raw_memory import load8, load32, load64, store32, store64


@jit
def walk_number(c, first):
    """Collect the tokens that stay inside a numeral from a state of its automaton on, and note, for each
    subtree in which it ends, (outcome, node, 0: the byte is no longer its own). Returns whether it asked."""
    scratch, trie, last = load64(c, C_SCRATCH), load64(c, C_TRIE), load64(c, C_TRIE_COUNT)
    starts, ids, may = load64(c, C_SLOT_START), load64(c, C_SLOT_IDS), load64(c, C_MAY)
    outcomes = load64(c, C_NUMBERS_OUT)
    store64(scratch, 0, first)
    asked, whole = False, False
    crossings = numba.int64(0)
    i = numba.int64(0)
    while i < last:
        node = load64(trie, i)
        depth, byte, here = (node >> 8) & 0xFFF, node & 255, i
        state = load64(scratch, depth - 1)
        target = number_step(c, state, byte)
        if target >= 0:
            store64(scratch, depth, target)
            slot = (node >> 20) & 0xFFFFF
            if slot > 0:
                emit(c, ids, load32(starts, slot - 1), load32(starts, slot))
            i += 1
            continue
        i = (node >> 40) & 0xFFFFFF
        outcome = load32(outcomes, state)
        if target == -2:
            asked = True
        elif outcome >= 0 and (
            load8(may, (M_ITEM << 8) | byte) != 0 or load8(may, (M_MEMBER << 8) | byte) != 0
        ):
            # anything that may hold a numeral goes on with white space, a comma or a bracket
            if depth > 1:
                crossings = cross(c, crossings, outcome, here, 0)
            elif not whole:
                # the whole token is left over: it is walked on the vocabulary's own trie
                crossings = cross(c, crossings, outcome, -1, 0)
                whole = True
    store64(c, C_CROSSED_COUNT, crossings)
    return asked


@entry("int64(int64, int64)")
def terminal_tokens(c, terminal_node):
    """Walk a terminal by itself from a state's registers. Returns 0; -3 with questions noted; or -7 where
    C_FREE must be told first. The tokens inside lie in the buffer (C_REMOVED says which), the crossings in
    C_CROSSED."""
    scratch = load64(c, C_SCRATCH)
    copy(row_of(c, T_NODE, N_STRIDE, terminal_node), scratch)
    store64(scratch, FRAME, SENTINEL)
    store64(scratch, SEEN, 0)
    store64(scratch, TEXT, 0)
    if load64(scratch, MODE) == M_KEY:
        store64(scratch, AT, -1)
    store64(c, C_PRECISE, 0)
    store64(c, C_BUFFER_COUNT, 0)
    store64(c, C_REMOVED, 0)
    wide = is_wide(c) if load64(scratch, LEX) != FREE else 0
    if wide < 0 or (wide == 1 and load64(c, C_FREE) == 0):
        store64(c, C_PRECISE, 1)
        return ASKED if wide < 0 else UNKNOWN_FREE
    store64(c, C_REMOVED, wide)
    if load64(scratch, MODE) == M_NUMBER:
        asked = walk_number(c, load64(scratch, LEX))
    elif wide == 1:
        asked = walk_removed(c)
    else:
        asked = walk_string(c, 0, load64(c, C_TRIE_COUNT), 0)
    store64(c, C_PRECISE, 1)
    return ASKED if asked else 0


@entry("int64(int64, int64)")
def quoted_tokens(c, terminal):
    """Walk a terminal with the quote that opens it. Returns 0, or -3 with questions noted;
    as `terminal_tokens`."""
    scratch, trie = load64(c, C_SCRATCH), load64(c, C_TRIE)
    row = row_of(c, T_TERMINAL, X_STRIDE, terminal)
    node = load32(load64(c, C_FIRST), 34)
    store64(scratch, TEXT, 0)
    settle(
        scratch,
        M_STRING if load64(row, X_MODE) == M_QUOTED_STRING else M_KEY,
        load64(c, C_QUOTED),
        0,
        SENTINEL,
    )
    store64(scratch, LEX, load64(row, X_LEX))
    if load64(row, X_MODE) == M_QUOTED_KEY:
        store64(scratch, AT, -1)
    store64(c, C_PRECISE, 0)
    store64(c, C_REMOVED, 0)
    store64(c, C_BUFFER_COUNT, 0)
    slot = (load64(trie, node) >> 20) & 0xFFFFF
    if slot > 0:
        starts = load64(c, C_SLOT_START)
        emit(c, load64(c, C_SLOT_IDS), load32(starts, slot - 1), load32(starts, slot))
    asked = walk_string(c, node + 1, (load64(trie, node) >> 40) & 0xFFFFFF, 1)
    store64(c, C_PRECISE, 1)
    return ASKED if asked else 0


@entry("int64(int64, int64)")
def space_tokens(c, terminal):
    """Walk a white space terminal. Returns 0; the tokens inside lie in the buffer,
    the crossings in C_CROSSED."""
    row = row_of(c, T_TERMINAL, X_STRIDE, terminal)
    store64(c, C_REMOVED, 0)
    store64(c, C_BUFFER_COUNT, 0)
    walk_space(c, load64(row, X_LEX), load64(row, X_LEAST), load64(row, X_MOST))
    return 0


@entry("int64(int64, int64)")
def clear_row(c, target):
    """Take the tokens in the buffer from a row of bits at `target`. Returns 0."""
    buffer = load64(c, C_BUFFER)
    for i in range(load64(c, C_BUFFER_COUNT)):
        token = load32(buffer, i)
        store32(target, token >> 5, load32(target, token >> 5) & ~(1 << (token & 31)))
    return 0


@entry("int64(int64, int64)")
def buffer_row(c, target):
    """Write the tokens in the buffer to a row of bits at `target`. Returns 0."""
    for i in range(load64(c, C_MASK_WORDS)):
        store32(target, i, 0)
    buffer = load64(c, C_BUFFER)
    for i in range(load64(c, C_BUFFER_COUNT)):
        token = load32(buffer, i)
        store32(target, token >> 5, load32(target, token >> 5) | (1 << (token & 31)))
    return 0


@jit
def plausible(data, start, end, mode):
    """Return whether what a token leaves over may follow a terminal of a mode at all,
    whatever the grammar."""
    byte = load8(data, start)
    if byte == 32 or byte == 9 or byte == 10 or byte == 13 or byte == 44 or byte == 93 or byte == 125:
        return True
    if byte == 58:
        return mode != M_STRING and mode != M_QUOTED_STRING and mode != M_NUMBER
    if mode != M_SPACE:
        return False
    which = 0 if byte == 116 else (1 if byte == 102 else (2 if byte == 110 else -1))
    if which >= 0:
        for i in range(min(end - start, 5 if which == 1 else 4)):
            if load8(data, start + i) != literal_byte(which, i):
                return False
    return True


@entry("Tuple((uint8[::1], int64[::1], int32[::1], int32[::1]))(int64, int64, int64)")
def leftovers(c, outcome, mode):
    """Return what the tokens leave over that closed the last terminal walked, of a mode, with this outcome:
    the remainders' bytes, their offsets, the token of each; and the tokens that leave nothing."""
    trie, crossed = load64(c, C_TRIE), load64(c, C_CROSSED)
    starts, ids = load64(c, C_SLOT_START), load64(c, C_SLOT_IDS)
    offsets_of, data_of = load64(c, C_TOKEN_OFFSET), load64(c, C_TOKEN_DATA)
    tokens = numba.int64(0)
    size = numba.int64(0)
    data = np.empty(0, np.uint8)
    offsets = np.empty(1, np.int64)
    owners = np.empty(0, np.int32)
    exact = np.empty(0, np.int32)
    for turn in range(2):
        tokens, size, whole = 0, 0, 0
        for i in range(load64(c, C_CROSSED_COUNT)):
            if load64(crossed, 3 * i) != outcome or load64(crossed, 3 * i + 1) < 0:
                continue
            node = load64(trie, load64(crossed, 3 * i + 1))
            taken = ((node >> 8) & 0xFFF) - 1 + load64(crossed, 3 * i + 2)
            for j in range(load64(crossed, 3 * i + 1), (node >> 40) & 0xFFFFFF):
                slot = (load64(trie, j) >> 20) & 0xFFFFF
                if slot == 0:
                    continue
                for k in range(load32(starts, slot - 1), load32(starts, slot)):
                    token = load32(ids, k)
                    start, end = load64(offsets_of, token) + taken, load64(offsets_of, token + 1)
                    if start == end:
                        if turn == 1:
                            exact[whole] = token
                        whole += 1
                        continue
                    if not plausible(data_of, start, end, mode):
                        continue
                    if turn == 1:
                        for at in range(start, end):
                            data[size + at - start] = load8(data_of, at)
                        owners[tokens] = token
                        offsets[tokens + 1] = size + end - start
                    tokens += 1
                    size += end - start
        if turn == 0:
            data = np.empty(size, np.uint8)
            offsets = np.zeros(tokens + 1, np.int64)
            owners = np.empty(tokens, np.int32)
            exact = np.empty(whole, np.int32)
    return data, offsets, owners, exact


@entry("int32[::1](int64, int32[::1])")
def count_characters(c, tokens):
    """Return, for tokens that begin inside a JSON string, the characters begun before they end or close it.

    An escape is one character, a pair of surrogate escapes too (RFC 8259, section 7).
    """
    offsets, data = load64(c, C_TOKEN_OFFSET), load64(c, C_TOKEN_DATA)
    counts = np.zeros(len(tokens), np.int32)
    for i in range(len(tokens)):
        at, end = load64(offsets, tokens[i]), load64(offsets, tokens[i] + 1)
        count, paired = 0, False
        while at < end:
            byte = load8(data, at)
            if byte == 34:
                break
            if byte != 92:
                if byte & 0xC0 != 0x80:
                    count += 1
                paired = False
                at += 1
                continue
            if not paired:
                count += 1
            paired = False
            if at + 3 < end and load8(data, at + 1) == 117:
                first, second = load8(data, at + 2) | 32, load8(data, at + 3) | 32
                # d8 to db open a pair; what follows can only be its second half
                paired = first == 100 and (second == 56 or second == 57 or second == 97 or second == 98)
                at += 6
            else:
                at += 6 if at + 1 < end and load8(data, at + 1) == 117 else 2
        counts[i] = count
    return counts
