"""Terminals walked by themselves, for a record of the store: the tokens that stay inside, and what the others
leave over. Entry points as in `mask_filling`.

Two walks collect only a difference. A string state that takes nearly all that any string takes is told by
what it takes less than the free string does: of the Llama 3 vocabulary 123,000 tokens stay inside, and to
collect them costs half a millisecond (`is_wide`). Where texts are banned from strings, each state is a
place in some of the texts, and nearly all tokens lead from it to where they lead from the beginning of a
string: the walk follows both states side by side, and leaves a subtree where they have become the same state
(`lost_tokens`).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from structgen.json_machine.masks.terminal_runs import (
    all_classes,
    bits,
    cross,
    safe_row,
    walk_space,
    walk_string,
)
from structgen.json_machine.steps.byte_step import literal_byte, number_step, step
from structgen.json_machine.tables.json_blocks import (
    ESCAPE_SHIFT,
    ESCAPES_ASCII,
    LACKS_TAILS,
    M_ITEM,
    M_KEY,
    M_MEMBER,
    M_NUMBER,
    M_QUOTED_KEY,
    M_QUOTED_STRING,
    M_SPACE,
    M_STRING,
    SENTINEL,
    JsonContext,
)
from structgen.json_machine.tables.lookups import FREE, WIDTH, settle
from structgen.machine_core.layout import ASK, ASKED, MISS, OUT, UNKNOWN_FREE, YES
from structgen.machine_core.masks import emit
from structgen.native.jit import entry, jit
from structgen.native.typed_blocks import Bytes, Int32s, Int64s, address_of_block, copy_block, skip

_MOST_NODES_APART = 4096
"""Nodes of the trie in which two states differ, after which a walk of its own is cheaper."""

Remainders = tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64], npt.NDArray[np.int32], npt.NDArray[np.int32]]
"""Texts that tokens leave over, end to end; where each begins; the token of each; the tokens that leave
none."""


@jit
def string_after(c: JsonContext, lex: int, byte: int) -> int:
    """Return the lexeme after a byte inside the string or key whose other registers lie in scratch block 0;
    -1 where it may not come, -2 when asked, and -3 less the outcome where the byte closes the string."""
    scratch, after_byte = c.scratch[0], c.scratch[1]
    if lex >> ESCAPE_SHIFT == 0:
        if byte == 34:
            outcome = c.string_outcomes[lex]
            return -3 - outcome if outcome >= 0 else -1
        if byte < 32:
            return -1
        if byte != 92 and (byte < 127 or (c.escapes != ESCAPES_ASCII and c.lacks & LACKS_TAILS == 0)):
            return c.strings[lex * WIDTH + byte]
    scratch.lexeme = lex
    code = step(c, scratch, after_byte, byte)
    if code == YES:
        return after_byte.lexeme
    if code == OUT:
        return -3 - after_byte.lexeme
    return -2 if code == ASK else -1


@entry("int64(int64, int64, int64)")
def lost_tokens(context: int, terminal_node: int, reference: int) -> int:
    """Collect the tokens that a string or key takes from the lexeme `reference` on, not from a state's own.

    They stay inside or close it; tokens may be among them that neither takes. Returns 0; -3 with questions
    noted; or -4 where the two are far apart, or the state takes what the reference does not.
    """
    c = JsonContext(context)
    scratch, trie, last = c.scratch[0], c.vocabulary.trie, c.vocabulary.trie_count
    slots_before, starts, ids = c.vocabulary.slots_before, c.vocabulary.slot_start, c.vocabulary.slot_ids
    lists = skip(c.crossed, 3 * last)
    path, other = skip(lists, 4096), skip(lists, 2 * 4096)
    copy_block(c.nodes[terminal_node].registers, scratch)
    scratch.frame = SENTINEL
    scratch.seen = 0
    scratch.text = 0
    if scratch.mode == M_KEY:
        scratch.position = -1
    c.precise = 0
    c.buffer_count = 0
    path[0] = scratch.lexeme
    other[0] = reference
    asked, far, seen = False, False, 0
    i = 0
    while i < last and not far:
        node = trie[i]
        depth, byte, end = (node >> 8) & 0xFFF, node & 255, (node >> 40) & 0xFFFFFF
        after = string_after(c, path[depth - 1], byte)
        there = string_after(c, other[depth - 1], byte)
        seen += 1
        if after == -2 or there == -2:
            asked = True
        elif after >= 0 and there >= 0 and after != there:
            path[depth] = after
            other[depth] = there
            far = seen > _MOST_NODES_APART
            i += 1
            continue
        elif after == -1 and there != -1:
            emit(c, ids, starts[slots_before[i]], starts[slots_before[end]])
        elif after != there:
            far = True
        i = end
    c.precise = 1
    if far:
        return MISS
    return ASKED if asked else 0


_MOST_MISSING_CLASSES = 4
"""Classes that may be missing."""


@jit
def is_wide(c: JsonContext) -> int:
    """Return 1 where the string state in scratch block 0 takes nearly all that stands for itself, for some
    bytes at least, and no length ends it; else 0."""
    scratch = c.scratch[0]
    lists = skip(c.crossed, 3 * c.vocabulary.trie_count)
    if scratch.mode != M_STRING or scratch.lexeme >> ESCAPE_SHIFT != 0:
        return 0
    spec = c.string_specs[scratch.residue]
    least, most, written = spec.least, spec.most, scratch.position
    if least > written or (most >= 0 and most - written < c.vocabulary.longest + spec.farthest):
        return 0
    row = safe_row(c, scratch.lexeme, lists)
    low, high = all_classes(c)
    missing = bits(low & ~row.low, high & ~row.high)
    return 1 if missing <= _MOST_MISSING_CLASSES else 0


@jit
def walk_number(c: JsonContext, first: int) -> None:
    """Collect the tokens that stay inside a numeral from a state of its automaton on, and note, for each
    subtree in which it ends, (outcome, node, 0: the byte is no longer its own)."""
    states, trie, last = Int64s(address_of_block(c.scratch)), c.vocabulary.trie, c.vocabulary.trie_count
    starts, ids, may = c.vocabulary.slot_start, c.vocabulary.slot_ids, c.may
    outcomes = c.number_outcomes
    states[0] = first
    whole = False
    crossings = 0
    i = 0
    while i < last:
        node = trie[i]
        depth, byte, here = (node >> 8) & 0xFFF, node & 255, i
        state = states[depth - 1]
        target = number_step(c, state, byte)
        if target >= 0:
            states[depth] = target
            slot = (node >> 20) & 0xFFFFF
            if slot > 0:
                emit(c, ids, starts[slot - 1], starts[slot])
            i += 1
            continue
        i = (node >> 40) & 0xFFFFFF
        outcome = outcomes[state]
        if outcome >= 0 and (may[(M_ITEM << 8) | byte] != 0 or may[(M_MEMBER << 8) | byte] != 0):
            # anything that may hold a numeral goes on with white space, a comma or a bracket
            if depth > 1:
                crossings = cross(c, crossings, outcome, here, 0)
            elif not whole:
                # the whole token is left over: it is walked on the vocabulary's own trie
                crossings = cross(c, crossings, outcome, -1, 0)
                whole = True
    c.crossed_count = crossings


@entry("int64(int64, int64)")
def terminal_tokens(context: int, terminal_node: int) -> int:
    """Walk a terminal by itself from a state's registers. Returns 0; -3 with questions noted; or -7 where
    `free` must be told first. The tokens inside lie in the buffer (`removed` says which), the crossings in
    `crossed`."""
    c = JsonContext(context)
    scratch = c.scratch[0]
    copy_block(c.nodes[terminal_node].registers, scratch)
    scratch.frame = SENTINEL
    scratch.seen = 0
    scratch.text = 0
    if scratch.mode == M_KEY:
        scratch.position = -1
    c.precise = 0
    c.buffer_count = 0
    c.removed = 0
    wide = is_wide(c) if scratch.lexeme != FREE else 0
    if wide == 1 and c.free == 0:
        c.precise = 1
        return UNKNOWN_FREE
    c.removed = wide
    asked = False
    if scratch.mode == M_NUMBER:
        walk_number(c, scratch.lexeme)
    else:
        asked = walk_string(c, 0, c.vocabulary.trie_count, 0)
    c.precise = 1
    return ASKED if asked else 0


@entry("int64(int64, int64)")
def quoted_tokens(context: int, terminal: int) -> int:
    """Walk a terminal with the quote that opens it. Returns 0, or -3 with questions noted;
    as `terminal_tokens`."""
    c = JsonContext(context)
    scratch, trie = c.scratch[0], c.vocabulary.trie
    row = c.terminals[terminal]
    node = c.vocabulary.first[34]
    scratch.text = 0
    settle(
        scratch,
        M_STRING if row.key.mode == M_QUOTED_STRING else M_KEY,
        c.quoted,
        0,
        SENTINEL,
    )
    scratch.lexeme = row.key.lexeme
    if row.key.mode == M_QUOTED_KEY:
        scratch.position = -1
    c.precise = 0
    c.removed = 0
    c.buffer_count = 0
    slot = (trie[node] >> 20) & 0xFFFFF
    if slot > 0:
        starts = c.vocabulary.slot_start
        emit(c, c.vocabulary.slot_ids, starts[slot - 1], starts[slot])
    asked = walk_string(c, node + 1, (trie[node] >> 40) & 0xFFFFFF, 1)
    c.precise = 1
    return ASKED if asked else 0


@entry("int64(int64, int64)")
def space_tokens(context: int, terminal: int) -> int:
    """Walk a white space terminal. Returns 0; the tokens inside lie in the buffer,
    the crossings in `crossed`."""
    c = JsonContext(context)
    row = c.terminals[terminal]
    c.removed = 0
    c.buffer_count = 0
    walk_space(c, row.key.lexeme, row.key.least, row.key.most)
    return 0


@entry("int64(int64, int64)")
def clear_row(context: int, target_address: int) -> int:
    """Take the tokens in the buffer from a row of bits at `target`. Returns 0."""
    c = JsonContext(context)
    target = Int32s(target_address)
    buffer = c.buffer
    for i in range(c.buffer_count):
        token = buffer[i]
        target[token >> 5] = target[token >> 5] & ~(1 << (token & 31))
    return 0


@entry("int64(int64, int64)")
def buffer_row(context: int, target_address: int) -> int:
    """Write the tokens in the buffer to a row of bits at `target`. Returns 0."""
    c = JsonContext(context)
    target = Int32s(target_address)
    for i in range(c.vocabulary.mask_words):
        target[i] = 0
    buffer = c.buffer
    for i in range(c.buffer_count):
        token = buffer[i]
        target[token >> 5] = target[token >> 5] | (1 << (token & 31))
    return 0


@jit
def plausible(data: Bytes, start: int, end: int, mode: int) -> bool:
    """Return whether what a token leaves over may follow a terminal of a mode at all,
    whatever the grammar."""
    byte = data[start]
    if byte == 32 or byte == 9 or byte == 10 or byte == 13 or byte == 44 or byte == 93 or byte == 125:
        return True
    if byte == 58:
        return mode != M_STRING and mode != M_QUOTED_STRING and mode != M_NUMBER
    if mode != M_SPACE:
        return False
    which = 0 if byte == 116 else (1 if byte == 102 else (2 if byte == 110 else -1))
    if which >= 0:
        for i in range(min(end - start, 5 if which == 1 else 4)):
            if data[start + i] != literal_byte(which, i):
                return False
    return True


@entry("Tuple((uint8[::1], int64[::1], int32[::1], int32[::1]))(int64, int64, int64)")
def leftovers(context: int, outcome: int, mode: int) -> Remainders:
    """Return what the tokens leave over that closed the last terminal walked, of a mode, with this outcome:
    the remainders' bytes, their offsets, the token of each; and the tokens that leave nothing."""
    c = JsonContext(context)
    trie, crossed = c.vocabulary.trie, c.crossed
    starts, ids = c.vocabulary.slot_start, c.vocabulary.slot_ids
    offsets_of, data_of = c.vocabulary.token_offset, c.vocabulary.token_data
    tokens = 0
    size = 0
    data = np.empty(0, np.uint8)
    offsets = np.empty(1, np.int64)
    owners = np.empty(0, np.int32)
    exact = np.empty(0, np.int32)
    for turn in range(2):
        tokens, size, whole = 0, 0, 0
        for i in range(c.crossed_count):
            if crossed[3 * i] != outcome or crossed[3 * i + 1] < 0:
                continue
            node = trie[crossed[3 * i + 1]]
            taken = ((node >> 8) & 0xFFF) - 1 + crossed[3 * i + 2]
            for j in range(crossed[3 * i + 1], (node >> 40) & 0xFFFFFF):
                slot = (trie[j] >> 20) & 0xFFFFF
                if slot == 0:
                    continue
                for k in range(starts[slot - 1], starts[slot]):
                    token = ids[k]
                    start, end = offsets_of[token] + taken, offsets_of[token + 1]
                    if start == end:
                        if turn == 1:
                            exact[whole] = token
                        whole += 1
                        continue
                    if not plausible(data_of, start, end, mode):
                        continue
                    if turn == 1:
                        for at in range(start, end):
                            data[size + at - start] = data_of[at]
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
