"""What the tokens of a trie do inside a lexeme state, noted by compiled code, and laid out as a record.

What is below a root of the trie follows from the state behind the root's byte: it is noted once, as a *piece*
that the records of all states share in which that byte leads there. Tokens of one piece that lie side by side
and have the same endings are one *run* of slots. The words that all of this reads and writes are those of
`registers.H_WORDS`.
"""

from __future__ import annotations

import numba

from structgen.json_machine.tables.layout import *
from structgen.lark_grammars.compiled.continuation_proofs import endings_of
from structgen.lark_grammars.compiled.lexeme_records import move_of
from structgen.lark_grammars.compiled.registers import *
from structgen.native.jit import entry, jit
from structgen.native.raw_memory import load8, load32, load64, store8, store32, store64

SLOT_BITS, SLOT_MASK = 20, (1 << 20) - 1
MOST_DEPTH = 4097
SMALL_SUBTREE = 4
"""Nodes of a subtree that is read node by node."""
MOST_AFTER = 64
"""States behind the first bytes of a character."""
MOST_WASTED = 4096
"""Nodes that are read though something was asked: what they ask is asked at once."""
NO_KEY = -(1 << 62)


@jit
def shifted(k, shift, byte):
    """Return what some bytes do to a column with one byte more: shift >= 0 is added to it, from -1 down it
    becomes -1 - shift."""
    if byte == 10:
        return -1
    width = load64(k, K_TAB) if byte == 9 else (1 if byte == 32 else 0)
    return shift + width if shift >= 0 else shift - width


@jit
def note_crossing(noted, count, node, state, move):
    """Note a crossing behind `count` words: three, the first below 0. Returns how many there are then."""
    store64(noted, count, -1 - node)
    store64(noted, count + 1, state)
    store64(noted, count + 2, move)
    return count + 3


@jit
def note_run(noted, count, run, endings, first, last):
    """Note a run of slots behind `count` words, or widen the one at `run`. Returns how many words there are
    then."""
    if run >= 0 and load64(noted, run) == endings and load64(noted, run + 1) & SLOT_MASK == first:
        store64(noted, run + 1, load64(noted, run + 1) + last - first)
        return count
    store64(noted, count, endings)
    store64(noted, count + 1, (first << SLOT_BITS) + last)
    return count + 2


@jit
def on(k, state, byte):
    """Return the state to which a byte leads inside the lexeme, with no question; -1: not for certain."""
    at = state * load64(k, K_WIDTH) + load8(load64(k, K_CLASSES), byte)
    move = load64(load64(k, K_MOVES), at)
    return (move >> TO_SHIFT) & TO_BITS if move & KIND_BITS == MV_ON else -1


@jit
def put_after(k, state, first, last, states, count):
    """Add the states to which the bytes first..last lead to `count` others. Returns how many there are then;
    -1 where a byte leads nowhere for certain, or they are many."""
    for byte in range(first, last + 1):
        after = on(k, state, byte)
        known = False
        for i in range(count):
            known = known or load64(states, i) == after
        if after < 0 or (not known and count == MOST_AFTER):
            return -1
        if not known:
            store64(states, count, after)
            count += 1
    return count


@jit
def all_return(k, home, states):
    """Return whether each well-formed character outside ASCII (Unicode 15, table 3-7) leads from a state back
    to it. `states`: room for twice MOST_AFTER."""
    others, count = states + 8 * MOST_AFTER, numba.int64(0)
    for lead in range(0xF0, 0xF5):
        state = on(k, home, lead)
        low, high = (0x90 if lead == 0xF0 else 0x80), (0x8F if lead == 0xF4 else 0xBF)
        count = -1 if state < 0 or count < 0 else put_after(k, state, low, high, others, count)
    more = -1 if count < 0 else put_after(k, home, 0xC2, 0xDF, states, 0)
    for i in range(count if more >= 0 else 0):
        more = -1 if more < 0 else put_after(k, load64(others, i), 0x80, 0xBF, states, more)
    for lead in range(0xE0, 0xF0):
        state = on(k, home, lead)
        low, high = (0xA0 if lead == 0xE0 else 0x80), (0x9F if lead == 0xED else 0xBF)
        more = -1 if state < 0 or more < 0 else put_after(k, state, low, high, states, more)
    if more < 0:
        return False
    for i in range(more):
        for byte in range(0x80, 0xC0):
            if on(k, load64(states, i), byte) != home:
                return False
    return True


@jit
def find_loops(k, h, home, states):
    """Note as which classes of bytes (masks.trie's signatures) lead from a state back to it."""
    low, high, others = numba.uint64(0), numba.uint64(0), True
    for byte in range(128):
        back = on(k, home, byte) == home
        if byte < 32 and byte != 9 and byte != 10 and byte != 13:
            others = others and back
        elif back and byte < 64:
            low |= numba.uint64(1) << numba.uint64(byte)
        elif back:
            high |= numba.uint64(1) << numba.uint64(byte - 64)
    if others:
        low |= numba.uint64(1)
    if all_return(k, home, states):
        low |= numba.uint64(0b1010)
    store64(h, H_HOME, home)
    store64(h, H_LOOPS, numba.int64(low))
    store64(h, H_LOOPS + 1, numba.int64(high))


@jit
def follow(c, h, first, last, home, noted, known):
    """Note what the tokens of the nodes [first, last) do, the first of which is read in the state that lies
    on the stack for its depth and leads to `home`, behind `known` words. A run is two words: endings; its
    first slot, above SLOT_BITS, and the slot behind it. Returns how many words there are then, or -1 where
    something was asked; then little more is read."""
    k, trie, stack = load64(c, C_LARK), load64(h, H_NODES), load64(c, C_SCRATCH)
    moves, classes, width = load64(k, K_MOVES), load64(k, K_CLASSES), load64(k, K_WIDTH)
    endings, low, high = load64(k, K_ENDINGS), numba.int64(0), numba.int64(0)
    signatures, before = load64(c, C_SIGNATURES), load64(c, C_SLOTS_BEFORE)
    looping = numba.int64(-1)
    if load64(h, H_NUMBER) == 0:
        if load64(h, H_HOME) != home:
            find_loops(k, h, home, stack + 16 * MOST_DEPTH)
        low, high = ~load64(h, H_LOOPS), ~load64(h, H_LOOPS + 1)
        looping = numba.int64(home)
    node, count, run, asked = numba.int64(first), numba.int64(known), numba.int64(-1), False
    end = numba.int64(last)
    while node < end:
        word = load64(trie, node)
        byte = word & 0xFF
        here = stack + 16 * ((word >> 8) & 0xFFF)
        state = load64(here, 0)
        skip = (word >> 40) & 0xFFFFFF
        if (
            state == looping
            and skip - node >= SMALL_SUBTREE
            and load64(signatures, 2 * node) & low == 0
            and load64(signatures, 2 * node + 1) & high == 0
        ):
            # all below leads back to where it is
            at = endings_of(c, state)
            if at >= 0:
                more = note_run(noted, count, run, at, load32(before, node), load32(before, skip))
                run, count = more - 2 if more > count else run, more
                node = skip
                continue
        move = load64(moves, state * width + load8(classes, byte))
        if move & KIND_BITS == MV_ON:
            after = (move >> TO_SHIFT) & TO_BITS
            store64(here, 2, after)
            store64(here, 3, shifted(k, load64(here, 1), byte))
            slot = (word >> 20) & 0xFFFFF
            if slot != 0:
                at = load32(endings, after)
                if at >= 0:
                    more = note_run(noted, count, run, at, slot - 1, slot)
                    run, count = more - 2 if more > count else run, more
                else:
                    endings_of(c, after)
                    end = end if asked else min(end, node + MOST_WASTED)
                    asked = True
            node += 1
            continue
        if move < 0:
            move_of(c, state, byte)
            end = end if asked else min(end, node + MOST_WASTED)
            asked = True
        elif move & KIND_BITS != MV_DEAD:
            count = note_crossing(noted, count, node, state + (load64(here, 1) << SHIFT_AT), move)
        node = skip
    return -1 if asked else count


@jit
def place_of(h, key):
    """Return where in the table of pieces one is, or would be."""
    table, pieces, mask = load64(h, H_TABLE), load64(h, H_PIECES), load64(h, H_MASK)
    mixed = numba.uint64(key) * numba.uint64(0x9E3779B97F4A7C15)
    at = numba.int64(mixed >> numba.uint64(24)) & mask
    while True:
        found = load32(table, at)
        if found == 0 or load64(pieces, found - 1) == key:
            return at
        at = (at + 1) & mask


@entry("int64(int64)")
def index(h):
    """Enter all pieces in a table that is empty. Returns how many there are."""
    at, count = 0, 0
    while at < load64(h, H_USED):
        store32(load64(h, H_TABLE), place_of(h, load64(load64(h, H_PIECES), at)), 1 + at)
        at += 2 + load64(load64(h, H_PIECES), at + 1)
        count += 1
    return count


@jit
def keep(h, key, noted, words):
    """Keep a piece if there is room. Returns whether there was."""
    at = load64(h, H_USED)
    if at + 2 + words > load64(h, H_ROOM):
        return False
    pieces = load64(h, H_PIECES)
    store64(pieces, at, key)
    store64(pieces, at + 1, words)
    for i in range(words):
        store64(pieces, at + 2 + i, load64(noted, i))
    store32(load64(h, H_TABLE), place_of(h, key), 1 + at)
    store64(h, H_USED, at + 2 + words)
    return True


@jit
def put_segment(h, address, words):
    """Have some words be part of what is noted."""
    count = load64(h, H_SEGMENT_COUNT)
    if words > 0:
        store64(load64(h, H_SEGMENTS), 2 * count, address)
        store64(load64(h, H_SEGMENTS), 2 * count + 1, words)
        store64(h, H_SEGMENT_COUNT, count + 1)
        store64(h, H_NOTED, load64(h, H_NOTED) + words)


@entry("int64(int64, int64, int64)")
def harvest(c, lexeme, h):
    """Note what the tokens of a trie do in a lexeme state, in segments: runs of those that stay inside, and
    crossings (node; state and what the bytes before do to a column, from SHIFT_AT on; move). Returns 0;
    ASKED; or FULL, where pieces need more room."""
    trie, last = load64(h, H_NODES), load64(h, H_COUNT)
    stack, noted = load64(c, C_SCRATCH), load64(c, C_CROSSED)
    store64(stack, 2, lexeme)
    store64(stack, 3, 0)
    store64(h, H_SEGMENT_COUNT, 0)
    store64(h, H_NOTED, 0)
    store64(h, H_HOME, -1)
    # words that were noted; those that are in segments
    used, closed = numba.int64(0), numba.int64(0)
    node, asked, wasted = numba.int64(0), False, numba.int64(0)
    while node < last and wasted < MOST_WASTED:
        word = load64(trie, node)
        root, node = node, (word >> 40) & 0xFFFFFF
        move = move_of(c, lexeme, word & 0xFF)
        kind, after = move & KIND_BITS, (move >> TO_SHIFT) & TO_BITS
        if move < 0:
            asked = True
        elif kind == MV_ON and node - root < LARGE_PIECE:
            count = follow(c, h, root, node, after, noted, used)
            asked = asked or count < 0
            wasted += node - root if count < 0 else 0
            used = max(used, count)
        elif kind == MV_ON:
            put_segment(h, noted + 8 * closed, used - closed)
            closed = used
            key = (load64(h, H_NUMBER) << 46) + (root << 22) + after
            found = load32(load64(h, H_TABLE), place_of(h, key))
            if found != 0:
                piece = load64(h, H_PIECES) + 8 * (found - 1)
                put_segment(h, piece + 16, load64(piece, 1))
                continue
            count = follow(c, h, root, node, after, noted, used)
            if count < 0:
                asked = True
                wasted += min(node - root, MOST_WASTED)
                continue
            if not keep(h, key, noted + 8 * used, count - used) and load64(h, H_MORE) != 0:
                return FULL
            put_segment(h, noted + 8 * used, count - used)
            used = closed = count
        elif kind != MV_DEAD and kind != MV_BEFORE and kind != MV_OLD:
            used = note_crossing(noted, used, root, lexeme, move)
    put_segment(h, noted + 8 * closed, used - closed)
    return ASKED if asked else 0


@jit
def seek(keys, count, key):
    """Return how many of some ascending keys are below one."""
    low, high = numba.int64(0), numba.int64(count)
    while low < high:
        middle = (low + high) >> 1
        if load64(keys, middle) < key:
            low = middle + 1
        else:
            high = middle
    return low


@jit
def tally(keys, sums, count, key, more):
    """Add to the sum of a key among ascending ones. Returns how many there are then."""
    at = seek(keys, count, key)
    if at < count and load64(keys, at) == key:
        store64(sums, at, load64(sums, at) + more)
        return count
    for i in range(count, at, -1):
        store64(keys, i, load64(keys, i - 1))
        store64(sums, i, load64(sums, i - 1))
    store64(keys, at, key)
    store64(sums, at, more)
    return count + 1


@jit
def left_key(h, state, move):
    """Return by what crossings are put together at which a terminal ends: the terminal, what bytes do to its
    column, and whether the node's byte belongs to it; NO_KEY where none ends there for certain."""
    kind, terminal = move & KIND_BITS, (move >> TERMINAL_SHIFT) & TERMINAL_BITS
    if kind != MV_BEFORE and (kind != MV_NOW or terminal == load64(h, H_NEWLINE)):
        return NO_KEY
    # of columns, the indenter's newline alone takes notice
    shift = state >> SHIFT_AT if terminal == load64(h, H_NEWLINE) else 0
    return (terminal << KEY_AT) + (shift << 1) + (1 if kind == MV_NOW else 0)


@entry("int64(int64)")
def measure(h):
    """Put together what was noted: how many tokens each group has, and the nodes behind which each terminal
    is left. Returns how many words (int32) the lists
    of a record take."""
    part = 8 * load64(h, H_PART)
    groups, sums = load64(h, H_SCRATCH), load64(h, H_SCRATCH) + part
    keys, ends, nodes = groups + 2 * part, groups + 3 * part, groups + 4 * part
    met, key_of = groups + 5 * part, groups + 6 * part
    starts, segments = load64(h, H_STARTS), load64(h, H_SEGMENTS)
    count, lefts, left, others = numba.int64(0), numba.int64(0), numba.int64(0), numba.int64(0)
    for i in range(load64(h, H_SEGMENT_COUNT)):
        at = load64(segments, 2 * i)
        last = at + 8 * load64(segments, 2 * i + 1)
        while at < last:
            first, second = load64(at, 0), load64(at, 1)
            if first >= 0:
                tokens = load32(starts, second & SLOT_MASK) - load32(starts, second >> SLOT_BITS)
                count = tally(groups, sums, count, first, tokens)
                at += 16
                continue
            key = left_key(h, second, load64(at, 2))
            at += 24
            if key == NO_KEY:
                others += 1
                continue
            lefts = tally(keys, ends, lefts, key, 1)
            store64(met, left, -1 - first)
            store64(key_of, left, key)
            left += 1
    # where the nodes of each key begin; behind all of them, where they end
    total = numba.int64(0)
    for i in range(lefts):
        total += load64(ends, i)
        store64(ends, i, total - load64(ends, i))
    for i in range(left):
        at = seek(keys, lefts, load64(key_of, i))
        store64(nodes, load64(ends, at), load64(met, i))
        store64(ends, at, load64(ends, at) + 1)
    whole, rows = load64(h, H_NUMBER) == 0, numba.int64(0)
    size = 4 * others
    for i in range(count):
        if load64(sums, i) >= load64(h, H_MANY):
            rows += 1
            size += 64
        else:
            size += load64(sums, i) + (257 if whole else 0)
    store64(h, H_GROUPS, count)
    store64(h, H_ROWS, rows)
    store64(h, H_LEFT, lefts)
    store64(h, H_OTHERS, others)
    return size


@jit
def put_others(h, target):
    """Write the crossings at which no terminal ends for certain."""
    segments, trie, whole = load64(h, H_SEGMENTS), load64(h, H_NODES), load64(h, H_NUMBER) == 0
    root = numba.int64(0)
    for i in range(load64(h, H_SEGMENT_COUNT)):
        at = load64(segments, 2 * i)
        last = at + 8 * load64(segments, 2 * i + 1)
        while at < last:
            if load64(at, 0) >= 0:
                at += 16
                continue
            node, state = -1 - load64(at, 0), load64(at, 1)
            if left_key(h, state, load64(at, 2)) == NO_KEY:
                skip = (load64(trie, root) >> 40) & 0xFFFFFF
                while skip <= node:
                    root = skip
                    skip = (load64(trie, root) >> 40) & 0xFFFFFF
                store32(target, 0, node)
                store32(target, 1, state & ((1 << SHIFT_AT) - 1))
                store32(target, 2, state >> SHIFT_AT)
                store32(target, 3, load64(trie, root) & 0xFF if whole else -1)
                target += 16
            at += 24
    return target


@jit
def put_runs(h, table):
    """Write the tokens of all groups, each where the sum of the group was, which is an address by now."""
    segments, starts, ids = load64(h, H_SEGMENTS), load64(h, H_STARTS), load64(h, H_IDS)
    groups, count, first_bytes = load64(h, H_SCRATCH), load64(h, H_GROUPS), load64(h, H_FIRST_BYTES)
    targets, whole = groups + 8 * load64(h, H_PART), load64(h, H_NUMBER) == 0
    for i in range(load64(h, H_SEGMENT_COUNT)):
        at = load64(segments, 2 * i)
        end = at + 8 * load64(segments, 2 * i + 1)
        while at < end:
            endings, slots = load64(at, 0), load64(at, 1)
            if endings < 0:
                at += 24
                continue
            at += 16
            group = seek(groups, count, endings)
            first, last = load32(starts, slots >> SLOT_BITS), load32(starts, slots & SLOT_MASK)
            target, firsts = load64(targets, group), load64(table + 32 * group, 2)
            if load64(table + 32 * group, 3) == AS_ROW:
                for j in range(first, last):
                    token = load32(ids, j)
                    store32(target, token >> 5, load32(target, token >> 5) | (1 << (token & 31)))
                # a run is below one root, hence of one first byte
                for j in range(first, first + 1 if whole else last):
                    store8(firsts, load8(first_bytes, load32(ids, j)), 1)
                continue
            for j in range(last - first):
                store32(target, j, load32(ids, first + j))
            store64(targets, group, target + 4 * (last - first))
            if firsts != 0:
                for j in range(first, last):
                    byte = load8(first_bytes, load32(ids, j))
                    store32(firsts, byte + 1, load32(firsts, byte + 1) + 1)


@entry("int64(int64)")
def fill(h):
    """Lay out what was measured: the record, its groups and room for its tries from H_RECORD on (int64), its
    lists from H_LISTS on (int32, zeros), the tokens of large groups as rows of bits from H_BITS on, before
    each the first bytes that they have.
    In H_MARKS (int32) is then which words of the record are addresses, and, at the end, which are numbers of
    rows; these are not written. Returns how many addresses there are."""
    record, lists, rows = load64(h, H_RECORD), load64(h, H_LISTS), load64(h, H_BITS)
    count, lefts, large = load64(h, H_GROUPS), load64(h, H_LEFT), load64(h, H_ROWS)
    whole, many, table = load64(h, H_NUMBER) == 0, load64(h, H_MANY), record + 8 * R_WORDS
    groups, sums = load64(h, H_SCRATCH), load64(h, H_SCRATCH) + 8 * load64(h, H_PART)
    marks = load64(h, H_MARKS)
    row_marks = marks + 4 * (3 + 2 * count + 2 * lefts)
    store64(record, R_GROUP_COUNT, count)
    store64(record, R_GROUPS, table if count != 0 else record)
    store64(record, R_TRIE_COUNT, lefts)
    store64(record, R_TRIES, table + 32 * count if lefts != 0 else record)
    store64(record, R_CROSSING_COUNT, load64(h, H_OTHERS))
    store64(record, R_CROSSINGS, lists if load64(h, H_OTHERS) != 0 else record)
    for i in range(3):
        store32(marks, i, 2 * i + 1)
    marked, met = numba.int64(3), numba.int64(0)
    for i in range(load64(h, H_WIDTH) * large):
        store32(rows, i, 0)
    lists = put_others(h, lists)
    for i in range(count):
        tokens, row, at = load64(sums, i), table + 32 * i, R_WORDS + 4 * i
        store64(row, 0, load64(groups, i))
        if tokens >= many:
            store64(sums, i, rows + 4 * load64(h, H_WIDTH) * met + 4 * FIRST_WORDS)
            store64(row, 2, lists)
            store64(row, 3, AS_ROW)
            store32(row_marks, met, at + 1)
            lists += 256
            met += 1
        else:
            store32(marks, marked, at + 1)
            marked += 1
            store64(row, 2, lists if whole else 0)
            lists += 4 * 257 if whole else 0
            store64(sums, i, lists)
            store64(row, 1, lists)
            store64(row, 3, tokens)
            lists += 4 * tokens
        if load64(row, 2) != 0:
            store32(marks, marked, at + 2)
            marked += 1
    put_runs(h, table)
    for i in range(count):
        firsts = load64(table + 32 * i, 2)
        if load64(table + 32 * i, 3) == AS_ROW:
            bits = load64(sums, i) - 4 * FIRST_WORDS
            for byte in range(256):
                store32(bits, byte >> 5, load32(bits, byte >> 5) | (load8(firsts, byte) << (byte & 31)))
        elif firsts != 0:
            for byte in range(256):
                store32(firsts, byte + 1, load32(firsts, byte + 1) + load32(firsts, byte))
    for i in range(lefts):
        store32(marks, marked, R_WORDS + 4 * count + TRIE_ROW * i + 2)
        store32(marks, marked + 1, R_WORDS + 4 * count + TRIE_ROW * i + 3)
        marked += 2
    return marked
