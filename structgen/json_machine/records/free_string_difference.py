"""What a string state takes less than the free string does.

A pattern that is sought anywhere, or a length that is far off, takes nearly all that any string takes: of the
Llama 3 vocabulary 123,000 tokens stay inside. Collecting them costs half a millisecond; here only those are
collected that a state does *not* take, against the row of the free string, and tokens that close it.
"""

from __future__ import annotations

import numba

from structgen.json_machine.masks.safe_bytes import TOTAL, all_classes, bits, safe_row
from structgen.json_machine.masks.terminal_runs import cross
from structgen.json_machine.steps.byte_step import step
from structgen.json_machine.steps.escapes import short_target
from structgen.json_machine.tables.layout import *
from structgen.json_machine.tables.string_tables import WIDTH, need_row
from structgen.json_machine.tables.table_rows import row_of
from structgen.native.jit import jit
from structgen.native.raw_memory import load32, load64, store32, store64

_CONTROLS = 0xFFFFFFFF & ~14
"""Classes that no string takes as they are."""

_FEW = 4
"""Classes that may be missing."""


@jit
def is_wide(c):
    """Return 1 where the string state in scratch block 0 takes nearly all that stands for itself, for some
    bytes at least, and no length is near; 0 where not; -1 when asked."""
    scratch = load64(c, C_SCRATCH)
    lists = load64(c, C_CROSSED) + 8 * 3 * load64(c, C_TRIE_COUNT)
    if load64(scratch, MODE) != M_STRING or load64(scratch, LEX) >> ESCAPE_SHIFT != 0:
        return 0
    spec = row_of(c, T_STRING, S_STRIDE, load64(scratch, RES))
    least, most, written = load64(spec, S_LEAST), load64(spec, S_MOST), load64(scratch, AT)
    if least > written or (most >= 0 and most - written < load64(c, C_LONGEST) + load64(spec, S_FARTHEST)):
        return 0
    row = safe_row(c, load64(scratch, LEX), lists)
    if row == 0:
        return -1
    low, high = all_classes(c)
    missing = bits(low & ~load64(row, 1), high & ~load64(row, 2))
    return 1 if missing <= _FEW else 0


@jit
def walk_removed(c):
    """Collect the tokens that stay inside a free string and not inside the string whose registers lie in
    scratch block 0 (`is_wide` of it), and note where it closes, as `terminal_runs.walk_string` does. Returns
    whether something had to be asked."""
    scratch, trie, last = load64(c, C_SCRATCH), load64(c, C_TRIE), load64(c, C_TRIE_COUNT)
    starts, ids = load64(c, C_SLOT_START), load64(c, C_SLOT_IDS)
    signatures, slots_before = load64(c, C_SIGNATURES), load64(c, C_SLOTS_BEFORE)
    own_signatures, chars = load64(c, C_SLOT_SIGNATURES), load64(c, C_SUBTREE_CHARS)
    table, outcomes = load64(c, C_STRINGS), load64(c, C_STRINGS_OUT)
    buffer, count = load64(c, C_BUFFER), load64(c, C_BUFFER_COUNT)
    lists = load64(c, C_CROSSED) + 8 * 3 * load64(c, C_TRIE_COUNT)
    path, before_low, before_high = lists + 8 * 4096, lists + 8 * 4 * 4096, lists + 8 * 5 * 4096
    store64(path, 0, load64(scratch, LEX))
    store64(before_low, 0, 0)
    store64(before_high, 0, 0)
    top = 127 if load64(c, C_ESCAPES) == ESCAPES_ASCII else 256
    crossings, asked, total = numba.int64(0), False, False
    known, low, high = numba.int64(-1), numba.int64(0), numba.int64(0)
    dead_low, dead_high, reach = numba.int64(0), numba.int64(0), numba.int64(0)
    steps = load64(c, C_STEPS)
    i = numba.int64(0)
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
                total = load64(row, 0) == TOTAL
            here_low, here_high = load64(signatures, 2 * i), load64(signatures, 2 * i + 1)
            if total and here_low & (numba.int64(1) << 34) == 0:
                # it neither closes nor dies: all as in a free string
                i = end
                continue
            if (
                here_low & ~(low | dead_low) == 0
                and here_high & ~(high | dead_high) == 0
                and load32(chars, i) <= reach
            ):
                here_low &= dead_low & ~_CONTROLS
                here_high &= dead_high
                if (here_low & load64(before_low, depth - 1)) | (
                    here_high & load64(before_high, depth - 1)
                ) == 0:
                    if here_low | here_high != 0:
                        for slot in range(load32(slots_before, i), load32(slots_before, end)):
                            if (load64(own_signatures, 2 * slot) & here_low) | (
                                load64(own_signatures, 2 * slot + 1) & here_high
                            ) != 0:
                                for j in range(load32(starts, slot), load32(starts, slot + 1)):
                                    store32(buffer, count, load32(ids, j))
                                    count += 1
                    i = end
                    continue
        steps += 1
        after, free = numba.int64(-1), True
        if plain and byte >= 32 and byte < top and byte != 92 and byte != 34:
            after = load32(table, lex * WIDTH + byte)
            if after == -2:
                need_row(c, lex, byte)
                asked = True
        elif plain and byte == 34:
            free = False
            if load32(outcomes, lex) >= 0:
                crossings = cross(c, crossings, load32(outcomes, lex), i, 1)
        elif plain and byte != 92:
            free = False
        elif lex >> ESCAPE_SHIFT == 1 and byte != 117:
            after = short_target(c, lex, byte)
            asked = asked or after == -2
        else:
            store64(scratch, LEX, lex)
            code = step(c, scratch, scratch + 64, byte)
            if code == YES:
                after = load64(scratch + 64, LEX)
            elif code == OUT:
                crossings = cross(c, crossings, load64(scratch + 64, LEX), i, 1)
            elif code == ASK:
                asked = True
        if after < 0:
            if free:
                for j in range(
                    load32(starts, load32(slots_before, i)), load32(starts, load32(slots_before, end))
                ):
                    store32(buffer, count, load32(ids, j))
                    count += 1
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
        i += 1
    store64(scratch, LEX, load64(path, 0))
    store64(c, C_BUFFER_COUNT, count)
    store64(c, C_CROSSED_COUNT, crossings)
    store64(c, C_STEPS, steps)
    return asked
