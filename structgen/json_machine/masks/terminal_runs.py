"""Walks of what stands alone: the inside of a string, and a run of white space between two tokens of JSON.

Both collect the tokens that stay inside, and note each subtree of the trie in which tokens leave
(layout.C_CROSSED), so that the result serves every state of every grammar that meets the same string state,
or the same depth.
"""

from __future__ import annotations

import numba

from structgen.json_machine.masks.safe_bytes import safe_row
from structgen.json_machine.steps.byte_step import step
from structgen.json_machine.steps.escapes import short_target
from structgen.json_machine.steps.white_space import bounded_space
from structgen.json_machine.tables.layout import *
from structgen.json_machine.tables.string_tables import MIDDLES, WIDTH, need_row
from structgen.json_machine.tables.table_rows import row_of
from structgen.native.jit import jit
from structgen.native.raw_memory import load8, load32, load64, store32, store64


@jit
def emit(c, ids, first, last):
    """Add token ids to the buffer (it holds a whole vocabulary twice)."""
    buffer, count = load64(c, C_BUFFER), load64(c, C_BUFFER_COUNT)
    for i in range(first, last):
        store32(buffer, count, load32(ids, i))
        count += 1
    store64(c, C_BUFFER_COUNT, count)


@jit
def cross(c, crossings, outcome, node, inside):
    """Note that tokens leave at a node; `inside`: its byte still belongs to what is left (1) or not (0)."""
    crossed = load64(c, C_CROSSED)
    store64(crossed, 3 * crossings, outcome)
    store64(crossed, 3 * crossings + 1, node)
    store64(crossed, 3 * crossings + 2, inside)
    return crossings + 1


@jit
def walk_string(c, first, last, base):
    """Collect the tokens of the nodes first..last-1 inside the string, or key, whose registers lie in scratch
    block 0 (its frame is the sentinel); they stand `base` bytes into the tokens. Returns whether something
    had to be asked.

    Only the automaton's state, and the count of characters where they are bounded, change from byte to byte,
    so that they alone are kept for each depth; escapes take the general step.
    Subtrees that are safe as a whole are taken at once.
    """
    scratch, trie = load64(c, C_SCRATCH), load64(c, C_TRIE)
    starts, ids = load64(c, C_SLOT_START), load64(c, C_SLOT_IDS)
    signatures, slots_before = load64(c, C_SIGNATURES), load64(c, C_SLOTS_BEFORE)
    table, outcomes = load64(c, C_STRINGS), load64(c, C_STRINGS_OUT)
    buffer, count = load64(c, C_BUFFER), load64(c, C_BUFFER_COUNT)
    lists = load64(c, C_CROSSED) + 8 * 3 * load64(c, C_TRIE_COUNT)
    # LEX by depth; the registers that the general step reads and writes are blocks 0 and 1
    path, counts = lists + 8 * 4096, lists + 8 * 2 * 4096
    # the classes of the bytes before, by depth: only ASCII ones can be told apart
    before_low, before_high = lists + 8 * 4 * 4096, lists + 8 * 5 * 4096
    store64(before_low, base, 0)
    store64(before_high, base, 0)
    own_signatures = load64(c, C_SLOT_SIGNATURES)
    store64(path, base, load64(scratch, LEX))
    store64(counts, base, load64(scratch, AT))
    distances, chars = load64(c, 6 * T_DISTANCE + ADDRESS), load64(c, C_SUBTREE_CHARS)
    least, most, farthest = numba.int64(0), numba.int64(-1), numba.int64(0)
    if load64(scratch, MODE) == M_STRING:
        spec = row_of(c, T_STRING, S_STRIDE, load64(scratch, RES))
        least, most, farthest = load64(spec, S_LEAST), load64(spec, S_MOST), load64(spec, S_FARTHEST)
        if most >= 0 and most - load64(scratch, AT) >= load64(c, C_LONGEST) + farthest:
            most = -1
    counted = most >= 0 or (load64(scratch, MODE) == M_STRING and least > load64(scratch, AT))
    simple = load64(scratch, MODE) == M_STRING and not counted and load64(scratch, SEEN) <= 0
    crossings, asked = numba.int64(0), False
    known, low, high = numba.int64(-1), numba.int64(0), numba.int64(0)
    dead_low, dead_high, reach = numba.int64(0), numba.int64(0), numba.int64(0)
    steps = load64(c, C_STEPS)
    top = 127 if load64(c, C_ESCAPES) == ESCAPES_ASCII else 256
    i = first
    while i < last:
        node = load64(trie, i)
        depth, byte, end = (node >> 8) & 0xFFF, node & 255, (node >> 40) & 0xFFFFFF
        lex = load64(path, depth - 1)
        plain = lex >> ESCAPE_SHIFT == 0
        if plain:
            if lex != known:
                row = safe_row(c, lex, lists)
                if row == 0:
                    return True
                known, low, high = lex, load64(row, 1), load64(row, 2)
                dead_low, dead_high, reach = load64(row, 3), load64(row, 4), load64(row, 5)
            here_low, here_high = load64(signatures, 2 * i), load64(signatures, 2 * i + 1)
            if here_low & ~(low | dead_low) == 0 and here_high & ~(high | dead_high) == 0:
                here_low &= dead_low
                here_high &= dead_high
                first_slot, last_slot = load32(slots_before, i), load32(slots_before, end)
                if load32(chars, i) > reach or (
                    most >= 0 and load64(counts, depth - 1) + load32(chars, i) + farthest > most
                ):
                    pass
                elif here_low | here_high == 0:
                    for j in range(load32(starts, first_slot), load32(starts, last_slot)):
                        store32(buffer, count, load32(ids, j))
                        count += 1
                    i = end
                    continue
                elif (here_low & load64(before_low, depth - 1)) | (
                    here_high & load64(before_high, depth - 1)
                ) == 0:
                    for slot in range(first_slot, last_slot):
                        if (load64(own_signatures, 2 * slot) & here_low) | (
                            load64(own_signatures, 2 * slot + 1) & here_high
                        ) == 0:
                            for j in range(load32(starts, slot), load32(starts, slot + 1)):
                                store32(buffer, count, load32(ids, j))
                                count += 1
                    i = end
                    continue
        steps += 1
        after = numba.int64(-1)
        if plain and byte >= 32 and byte < top and byte != 92 and byte != 34:
            after = load32(table, lex * WIDTH + byte)
            if after == -2:
                need_row(c, lex, byte)
                asked = True
            elif after >= 0 and counted:
                count_here = load64(counts, depth - 1)
                if byte & 0xC0 != 0x80 and (most >= 0 or count_here < least):
                    count_here += 1
                store64(counts, depth, count_here)
                if most >= 0 and count_here + (load32(distances, after) if after >= MIDDLES else 0) > most:
                    after = numba.int64(-1)
        elif plain and byte == 34:
            outcome = load32(outcomes, lex)
            if outcome >= 0 and (not counted or load64(counts, depth - 1) >= least):
                crossings = cross(c, crossings, outcome, i, 1)
        elif plain and byte != 92:
            after = numba.int64(-1)
        elif simple and lex >> ESCAPE_SHIFT == 1 and byte != 117:
            after = short_target(c, lex, byte)
            asked = asked or after == -2
        else:
            store64(scratch, LEX, lex)
            if counted:
                store64(scratch, AT, load64(counts, depth - 1))
            code = step(c, scratch, scratch + 64, byte)
            if code == YES:
                after = load64(scratch + 64, LEX)
                store64(counts, depth, load64(scratch + 64, AT))
            elif code == OUT:
                crossings = cross(c, crossings, load64(scratch + 64, LEX), i, 1)
            elif code == ASK:
                asked = True
        if after < 0:
            i = end
            continue
        store64(path, depth, after)
        if byte < 128:
            bit = numba.int64(1) << (byte & 63)
            store64(before_low, depth, load64(before_low, depth - 1) | (0 if byte >> 6 else bit))
            store64(before_high, depth, load64(before_high, depth - 1) | (bit if byte >> 6 else 0))
        else:
            store64(before_low, depth, -1)
            store64(before_high, depth, -1)
        slot = (node >> 20) & 0xFFFFF
        if slot > 0:
            for j in range(load32(starts, slot - 1), load32(starts, slot)):
                store32(buffer, count, load32(ids, j))
                count += 1
        i += 1
    store64(scratch, LEX, load64(path, base))
    store64(scratch, AT, load64(counts, base))
    store64(c, C_BUFFER_COUNT, count)
    store64(c, C_CROSSED_COUNT, crossings)
    store64(c, C_STEPS, steps)
    return asked


@jit
def walk_space(c, level, most, before):
    """Collect the tokens that are white space alone, where `level` brackets are open and at most `most` after
    what follows, and `before` is written of the run (as AT says it); and note the subtrees of tokens that go
    on with what may follow (bounded and any white space)."""
    scratch, trie, last = load64(c, C_SCRATCH), load64(c, C_TRIE), load64(c, C_TRIE_COUNT)
    starts, ids, may = load64(c, C_SLOT_START), load64(c, C_SLOT_IDS), load64(c, C_MAY)
    bounded = load64(c, C_SPACE) == SPACE_BOUNDED
    crossings = numba.int64(0)
    store64(scratch, 0, before)
    i = numba.int64(0)
    while i < last:
        node = load64(trie, i)
        depth, byte, end = (node >> 8) & 0xFFF, node & 255, (node >> 40) & 0xFFFFFF
        written = load64(scratch, depth - 1)
        if byte == 32 or byte == 9 or byte == 10 or byte == 13:
            if bounded:
                written = bounded_space(written, byte)
                if written < 0 or (written & 15 > 8 and (written >> 6) > 8 * most):
                    i = end
                    continue
            store64(scratch, depth, written)
            slot = (node >> 20) & 0xFFFFF
            if slot > 0:
                emit(c, ids, load32(starts, slot - 1), load32(starts, slot))
            i += 1
            continue
        if depth > 1 and (load8(may, (M_ARRAY << 8) | byte) != 0 or byte == 58 or byte == 44 or byte == 125):
            after = level
            if byte == 125 or byte == 93:
                after = level - 1
            elif byte == 123 or byte == 91:
                after = level + 1
            if not bounded or written & 15 <= 8 or (written >> 6) <= 8 * after:
                crossings = cross(c, crossings, 0, i, 0)
        i = end
    store64(c, C_CROSSED_COUNT, crossings)
