"""States read in bulk, and the fewest tokens over byte steps between them: what budgets are made of."""

from __future__ import annotations

import numba

from structgen.json_machine.masks.state_walk import intern_node, run
from structgen.json_machine.steps.byte_step import step
from structgen.json_machine.tables.layout import *
from structgen.json_machine.tables.table_rows import copy, row_of
from structgen.native.jit import entry
from structgen.native.raw_memory import load8, load32, load64, store32, store64

IMPOSSIBLE = 1 << 30


@entry("int64(int64, int64, int64, int64, int64)")
def trace(c, index, data, size, target):
    """Write the states after each of the bytes to target[0:size] (int64).

    Returns 0, -1 where one is refused, -3 with questions noted. Cost: the bytes.
    """
    store64(c, C_PRECISE, 1)
    for i in range(size):
        index = run(c, index, data + i, 1)
        if index < 0:
            return ASKED if index == ASKED or load64(load64(c, C_NEEDS), 0) > 0 else REFUSED
        store64(target, i, index)
    return 0


@entry("int64(int64, int64, int64, int64)")
def after_each(c, index, wanted, target):
    """Write to target[b] (int64[256]) the state after the byte b, or -1.

    It is -1 where the byte is refused, or wanted[b] (uint8) is 0. Returns 0, or -3 with questions noted.
    """
    store64(c, C_PRECISE, 1)
    asked = False
    for byte in range(256):
        store64(target, byte, -1)
        if load8(wanted, byte) == 0:
            continue
        d = load64(c, C_SCRATCH)
        code = step(c, row_of(c, T_NODE, N_STRIDE, index), d, byte)
        if code == YES:
            found = intern_node(c, d)
            asked = asked or found < 0
            store64(target, byte, found)
        elif code == ASK:
            asked = True
    return ASKED if asked else 0


@entry("int64(int64, int64, int64, int64, int64, int64)")
def after_all(c, index, forgets, merged, count, target):
    """Write to target[b] (int64[256]) the state after each byte b, or -1 where it is refused.

    `forgets`: 1 drops from these states which extra keys the innermost object holds, and what is written of
    one that is not complete, so that the same key may come again. (In an item whose value matters to later
    ones keys are kept.) `merged` (int32[count]): for states of the automata of numerals the one that stands
    for all that are equivalent to it, -1 where that is not known. Returns 0, or -3 with questions noted.
    Cost: 256 steps, most of which end at once.
    """
    store64(c, C_PRECISE, 1)
    asked = False
    for byte in range(256):
        store64(target, byte, -1)
        d = load64(c, C_SCRATCH)
        code = step(c, row_of(c, T_NODE, N_STRIDE, index), d, byte)
        if code == YES:
            mode = load64(d, MODE)
            if forgets and load64(d, TEXT) & CAPTURE == 0:
                if mode == M_KEY:
                    store64(d, SEEN, 0)
                    store64(d, TEXT, 0)
                if mode == M_KEY or (mode >= M_OBJECT and mode <= M_KEYS):
                    store64(d, EXTRAS, 0)
            if mode == M_NUMBER:
                state = load64(d, LEX)
                if state < count and load32(merged, state) >= 0:
                    store64(d, LEX, load32(merged, state))
            found = intern_node(c, d)
            asked = asked or found < 0
            store64(target, byte, found)
        elif code == ASK:
            asked = True
    return ASKED if asked else 0


@entry("int64(int64, int64, int64, int64, int64)")
def after_tokens(c, index, tokens, count, target):
    """Write to target[0:count] (int64) the states after each of some allowed tokens (int32).

    The text of an extra key that a token leaves open is followed only where other extra keys may be owed:
    else such states are few, and cost what the true ones do. Returns 0, or -3 with questions noted. Cost: the
    tokens' bytes.
    """
    offsets = load64(c, C_TOKEN_OFFSET)
    code = numba.int64(YES)
    for i in range(count):
        token = load32(tokens, i)
        data, size = (
            load64(c, C_TOKEN_DATA) + load64(offsets, token),
            load64(offsets, token + 1) - load64(offsets, token),
        )
        found = numba.int64(-1)
        for turn in range(2):
            store64(c, C_PRECISE, turn)
            s = load64(c, C_SCRATCH)
            copy(row_of(c, T_NODE, N_STRIDE, index), s)
            blurred = False
            for at in range(size):
                d = load64(c, C_SCRATCH) + 64 * (1 - (at & 1))
                code = step(c, s, d, load8(data, at))
                if code != YES:
                    break
                s = d
                if load64(s, EXTRAS) & BLUR != 0 or load64(s, TEXT) & CAPTURE != 0:
                    # a key was closed, or an item goes on: only the walk that follows its text knows which
                    blurred = True
                    if turn == 0:
                        break
            if code == YES and load64(s, MODE) == M_KEY and load64(s, LEX) & STATE_BITS != NO_STATE:
                blurred = blurred or load64(row_of(c, T_RES, R_STRIDE, load64(s, RES)), R_STATUS) & 2 != 0
            if code != YES or not blurred or turn == 1:
                break
        store64(c, C_PRECISE, 1)
        if code == YES:
            found = intern_node(c, s)
        if code == ASK or (code == YES and found < 0):
            return ASKED
        store64(target, i, found)
    return 0


@entry("int64(int64, int64)")
def text_kinds(c, target):
    """Write to target[t] (int64) what a token t does inside a free string, from between two characters.

    That is its characters, and from bit 16 on the bytes of one that it breaks off; -1 where it has a quote or
    a backslash, or cannot stand there. Returns 0. Cost: the bytes of the vocabulary.
    """
    offsets, data = load64(c, C_TOKEN_OFFSET), load64(c, C_TOKEN_DATA)
    for token in range(load64(c, C_VOCABULARY)):
        count, tail, missing = numba.int64(0), numba.int64(0), numba.int64(0)
        start, end = load64(offsets, token), load64(offsets, token + 1)
        for at in range(start, end):
            byte = load8(data, at)
            if byte == 34 or byte == 92 or byte < 32 or (byte & 0xC0 == 0x80) != (missing > 0):
                count = numba.int64(-1)
                break
            if missing > 0:
                missing -= 1
                tail = (tail << 8) | byte if missing > 0 else 0
                continue
            count += 1
            if byte >= 0xC0:
                missing = 1 if byte < 0xE0 else (2 if byte < 0xF0 else 3)
                tail = byte
        store64(target, token, -1 if count <= 0 else count | (tail << 16))
    return 0


@entry("int64(int64, int64, int64, int64, int64, int64, int64, int64, int64)")
def settle_costs(trie, first, begin, end, labels, targets, order, count, costs):
    """Set costs[s] to the fewest tokens from s to a state of cost 0, for each s of order[0:count] in turn.

    State s has the byte steps begin[s] to end[s] of labels and targets, by ascending label; what its steps
    lead to has its cost already, or comes before it. All arrays are int32. Returns 0, or 1 where a state
    reaches none. Cost: the trie's nodes over the texts from each state.
    """
    failed = numba.int64(0)
    path = [numba.int64(0)] * 4097
    ends = [numba.int64(0)] * 4097
    for at in range(count):
        start = load32(order, at)
        least = numba.int64(IMPOSSIBLE)
        for e in range(load32(begin, start), load32(end, start)):
            node = load32(first, load32(labels, e))
            if node < 0:
                continue
            word = load64(trie, node)
            last = (word >> 40) & 0xFFFFFF
            path[1], ends[1] = load32(targets, e), last
            if (word >> 20) & 0xFFFFF > 0:
                least = min(least, load32(costs, path[1]) + 1)
            i = node + 1
            while i < last:
                word = load64(trie, i)
                depth, byte, close = (word >> 8) & 0xFFF, word & 255, (word >> 40) & 0xFFFFFF
                above = path[depth - 1]
                low, high = load32(begin, above), load32(end, above)
                if low == high or load32(labels, high - 1) < byte:
                    # siblings ascend: none of them has a step
                    i = ends[depth - 1]
                    continue
                while low < high:
                    middle = (low + high) >> 1
                    if load32(labels, middle) < byte:
                        low = middle + 1
                    else:
                        high = middle
                if load32(labels, low) != byte:
                    i = close
                    continue
                path[depth], ends[depth] = load32(targets, low), close
                if (word >> 20) & 0xFFFFF > 0:
                    least = min(least, load32(costs, path[depth]) + 1)
                i += 1
        if least >= IMPOSSIBLE:
            failed = numba.int64(1)
        store32(costs, start, least)
    return failed
