"""What tokens do inside a lexeme, worked out once for a lexeme state and a first byte, whatever the parser.

A *record* has the tokens that stay inside the lexeme, grouped by the endings of the state that they lead to
(one look at the place then tells of all of a group), and the *crossings*: the nodes of the trie at which a
lexeme is decided, with the state before them, from where tokens are followed on the real stack. It is
SynCode's M0 and M1 (S. Ugare et al., 2024), exact, for the states that texts reach.
"""

from __future__ import annotations

from structgen.jit import jit
from structgen.languages.lark_layout import *
from structgen.languages.lark_proofs import endings_of, ends_well, live
from structgen.languages.lark_steps import ask, fresh, put, read, step
from structgen.machine.layout import *
from structgen.machine.memory import load8, load32, load64, store32, store64
from structgen.machine.rows import copy, row_of
from structgen.machine.runs import emit


@jit
def walk(c, node, last):
    """Collect the tokens of trie nodes [node, last) whose bytes can be read from the registers in the block
    of the scratch above theirs. Returns whether something was asked."""
    nodes = load64(c, C_TRIE)
    starts, ids = load64(c, C_SLOT_START), load64(c, C_SLOT_IDS)
    scratch = load64(c, C_SCRATCH)
    asked = False
    while node < last:
        word = load64(nodes, node)
        depth = (word >> 8) & 0xFFF
        d = scratch + 64 * depth
        code = step(c, d - 64, d, word & 0xFF)
        if code != YES:
            skip = (word >> 40) & 0xFFFFFF
            if code == ASK:
                asked = True
            elif code == VAGUE:
                defer(c, node, skip)
            node = skip
            continue
        slot = (word >> 20) & 0xFFFFF
        if slot != 0:
            code = live(c, d)
            if code == YES:
                emit(c, ids, load32(starts, slot - 1), load32(starts, slot))
            elif code == ASK:
                asked = True
        node += 1
    return asked


@jit
def defer(c, node, last):
    """Leave the tokens of some trie nodes to Python."""
    nodes, starts, ids = load64(c, C_TRIE), load64(c, C_SLOT_START), load64(c, C_SLOT_IDS)
    deferred, count = load64(c, C_DEFERRED), load64(c, C_DEFERRED_COUNT)
    for at in range(node, last):
        slot = (load64(nodes, at) >> 20) & 0xFFFFF
        if slot != 0:
            for i in range(load32(starts, slot - 1), load32(starts, slot)):
                store32(deferred, count, load32(ids, i))
                count += 1
    store64(c, C_DEFERRED_COUNT, count)


@jit
def decided(c, d, byte):
    """Go on with the registers in `d` to the lexeme that a byte belongs to. Returns YES, NO, or ASK."""
    k = load64(c, C_LARK)
    while True:
        lexeme = load64(d, LEXEME) >> 1
        kind_of = load8(load64(k, K_CLASSES), byte)
        move = load64(load64(k, K_MOVES), lexeme * load64(k, K_WIDTH) + kind_of)
        if move < 0:
            if move == UNKNOWN and ask(c, Q_MOVE, lexeme, kind_of):
                store64(load64(k, K_MOVES), lexeme * load64(k, K_WIDTH) + kind_of, PENDING)
            return ASK
        kind = move & KIND_BITS
        if kind == MV_DEAD:
            return NO
        if kind == MV_BEFORE:
            terminal = (move >> TERMINAL_SHIFT) & TERMINAL_BITS
            place = read(c, load64(d, PLACE), terminal, load64(d, COLUMN))
            if place < 0:
                return ASK if place == ASKED else NO
            if fresh(c, place, d) == ASK:
                return ASK
        elif kind == MV_OLD:
            if load64(d, BASE) < 0:
                return NO
            copy(row_of(c, T_NODE, N_STRIDE, load64(d, BASE)), d)
        else:
            return YES


@jit
def shifted(k, shift, byte):
    """Return what some bytes do to a column with one byte more: shift >= 0 is added to it, from -1 down it
    becomes -1 - shift."""
    if byte == 10:
        return -1
    width = load64(k, K_TAB) if byte == 9 else (1 if byte == 32 else 0)
    return shift + width if shift >= 0 else shift - width


@jit
def make(c, lexeme, byte, first):
    """Make the record of a lexeme state and a first byte, whose node is `first`. Returns where it is, or -1
    with questions noted."""
    k = load64(c, C_LARK)
    nodes, starts, ids = load64(c, C_TRIE), load64(c, C_SLOT_START), load64(c, C_SLOT_IDS)
    moves, width, classes = load64(k, K_MOVES), load64(k, K_WIDTH), load64(k, K_CLASSES)
    stack, crossed = load64(c, C_SCRATCH), load64(c, C_CROSSED)
    count, crossings = 0, 0
    last = (load64(nodes, first) >> 40) & 0xFFFFFF
    # each node is a crossing, from the front, or inside, from the back, or neither
    pairs = crossed + 24 * (last - first - 1)
    store64(stack, 8 + LEXEME, lexeme)
    store64(stack, 8 + COLUMN, 0)
    node, asked = first, False
    while node < last:
        word = load64(nodes, node)
        depth, skip = (word >> 8) & 0xFFF, (word >> 40) & 0xFFFFFF
        state = load64(stack, 8 * depth + LEXEME)
        kind_of = load8(classes, word & 0xFF)
        move = load64(moves, state * width + kind_of)
        if move < 0:
            if move == UNKNOWN and ask(c, Q_MOVE, state, kind_of):
                store64(moves, state * width + kind_of, PENDING)
            asked = True
            node = skip
            continue
        kind = move & KIND_BITS
        if kind != MV_ON:
            if kind != MV_DEAD:
                store64(crossed, 3 * crossings, node)
                store64(crossed, 3 * crossings + 1, state)
                store64(crossed, 3 * crossings + 2, load64(stack, 8 * depth + COLUMN))
                crossings += 1
            node = skip
            continue
        after = (move >> TO_SHIFT) & TO_BITS
        store64(stack, 8 * (depth + 1) + LEXEME, after)
        store64(stack, 8 * (depth + 1) + COLUMN, shifted(k, load64(stack, 8 * depth + COLUMN), word & 0xFF))
        slot = (word >> 20) & 0xFFFFF
        if slot != 0:
            at = endings_of(c, after)
            if at < 0:
                asked = True
            else:
                store64(pairs, -3 * count, at)
                store64(pairs, 1 - 3 * count, slot - 1)
                count += 1
        node += 1
    if asked:
        return -1
    room = 2 + 3 * crossings + 4 * count
    for i in range(count):
        slot = load64(pairs, 1 - 3 * i)
        room += load32(starts, slot + 1) - load32(starts, slot)
    used = load64(k, K_ARENA_USED)
    if used + room > load64(k, K_ARENA_ROOM):
        ask(c, Q_ARENA, room, 0)
        return -1
    arena = load64(k, K_ARENA) + 4 * used
    store32(arena, 1, crossings)
    at, groups = 2, 0
    for i in range(crossings):
        for j in range(3):
            store32(arena, at + j, load64(crossed, 3 * i + j))
        at += 3
    for i in range(count):
        endings = load64(pairs, -3 * i)
        if endings < 0:
            continue
        head, size = at, 0
        at += 2
        for j in range(i, count):
            if load64(pairs, -3 * j) == endings:
                slot = load64(pairs, 1 - 3 * j)
                for one in range(load32(starts, slot), load32(starts, slot + 1)):
                    store32(arena, at, load32(ids, one))
                    at += 1
                    size += 1
                store64(pairs, -3 * j, -1)
        store32(arena, head, endings)
        store32(arena, head + 1, size)
        groups += 1
    store32(arena, 0, groups)
    store64(k, K_ARENA_USED, used + at)
    return used


@jit
def gather(c, byte, node):
    """Collect the tokens with a first byte (its node of the trie) from the registers in block 0 of the
    scratch. Returns whether something was asked."""
    d = load64(c, C_SCRATCH)
    code = decided(c, d, byte)
    if code != YES:
        return code == ASK
    k = load64(c, C_LARK)
    last = (load64(load64(c, C_TRIE), node) >> 40) & 0xFFFFFF
    lexeme = load64(d, LEXEME) >> 1
    if load64(d, BASE) >= 0:
        return walk(c, node, last)
    at = load32(load64(k, K_RECORDS), 256 * lexeme + byte)
    if at == -1:
        at = make(c, lexeme, byte, node)
        if at == -1:
            return True
        store32(load64(k, K_RECORDS), 256 * lexeme + byte, at)
    arena = load64(k, K_ARENA) + 4 * at
    groups, crossings = load32(arena, 0), load32(arena, 1)
    asked = False
    inside = arena + 4 * (2 + 3 * crossings)
    for _ in range(groups):
        code = ends_well(c, d, load32(inside, 0))
        if code == VAGUE:
            return walk(c, node, last)
        asked = asked or code == ASK
        inside += 4 * (2 + load32(inside, 1))
    if asked:
        return True
    inside = arena + 4 * (2 + 3 * crossings)
    for _ in range(groups):
        size = load32(inside, 1)
        if ends_well(c, d, load32(inside, 0)) == YES:
            emit(c, inside, 2, 2 + size)
        inside += 4 * (2 + size)
    place, begun = load64(d, PLACE), load64(d, LEXEME) & 1
    column = load64(d, COLUMN)
    for i in range(crossings):
        at = load32(arena, 2 + 3 * i)
        word = load64(load64(c, C_TRIE), at)
        depth = (word >> 8) & 0xFFF
        s = load64(c, C_SCRATCH) + 64 * (depth - 1)
        state, shift = load32(arena, 3 + 3 * i), load32(arena, 4 + 3 * i)
        if depth == 1:
            put(s, place, 2 * state + begun, column, NO_BASE)
        elif load8(load64(k, K_NEWLINES), state) == 0:
            put(s, place, 2 * state + 1, 0, NO_BASE)
        elif shift < 0:
            put(s, place, 2 * state + 1, -1 - shift, NO_BASE)
        else:
            put(s, place, 2 * state + 1, column + shift if column >= 0 else column, NO_BASE)
        asked = walk(c, at, (word >> 40) & 0xFFFFFF) or asked
    return asked
