"""Makes the record of a lexeme state: scans a trie, notes what its tokens do, and writes a `LexemeRecord`.

The notes below a root of the trie depend only on the state after the root's byte. They are cached, and shared
by the records of all states in which that byte leads to the same state. Adjacent tokens of one subtree with
the same endings are one *run* of slots. The continuations of tokens after a terminal are merged into one trie
(`merged`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numba
import numpy as np
import numpy.typing as npt

from structgen.lark_grammars.compiled.lark_step import move_of
from structgen.lark_grammars.compiled.live_texts import endings_of
from structgen.lark_grammars.compiled.registers import (
    AS_ROW,
    CROSSING_WORDS,
    FIRST_WORDS,
    FULL,
    GROUP_WORDS,
    KIND_BITS,
    LARGE_SUBTREE,
    LEFTOVER_KEY_AT,
    LEFTOVER_WORDS,
    MOVE_BEFORE,
    MOVE_DEAD,
    MOVE_NOW,
    MOVE_OLD,
    MOVE_ON,
    RECORD_WORDS,
    SHIFT_AT,
    TERMINAL_BITS,
    TERMINAL_SHIFT,
    TO_BITS,
    TO_SHIFT,
    LarkContext,
    LarkTables,
    LeftoverTrie,
    RecordScan,
    TokenGroup,
)
from structgen.machine_core.layout import ASKED
from structgen.native.jit import entry, jit
from structgen.native.raw_memory import address_of
from structgen.native.typed_blocks import (
    Block,
    BlockRows,
    Bytes,
    Int32s,
    Int64s,
    address_of_block,
    skip,
    word_of,
    words_of,
)
from structgen.tokens.trie_nodes import DEPTH_SHIFT, END_SHIFT, SLOT_SHIFT, byte_of, depth_of, end_of, slot_of

SLOT_BITS, SLOT_MASK = 20, (1 << 20) - 1
MOST_DEPTH = 4097
SMALL_SUBTREE = 4
"""Subtrees of up to so many nodes are read node by node."""
MOST_AFTER = 64
"""The most states after the first bytes of a character."""
MOST_WASTED = 4096
"""The most nodes that are read after a question was noted, to note further questions in the same scan."""
NO_KEY = -(1 << 62)


@jit
def shifted(k: LarkTables, shift: int, byte: int) -> int:
    """Return the effect on a column of some bytes and one more. An effect >= 0 is added to the column; -1 - n
    sets it to n."""
    if byte == 10:
        return -1
    width = k.tab_size if byte == 9 else (1 if byte == 32 else 0)
    return shift + width if shift >= 0 else shift - width


@jit
def note_crossing(noted: Int64s, count: int, node: int, state: int, move: int) -> int:
    """Append a crossing to `count` words: three words, the first below 0. Returns the new count."""
    noted[count] = -1 - node
    noted[count + 1] = state
    noted[count + 2] = move
    return count + 3


@jit
def note_run(noted: Int64s, count: int, run: int, endings: int, first: int, last: int) -> int:
    """Append a run of slots to `count` words, or extend the one at `run`. Returns the new count."""
    if run >= 0 and noted[run] == endings and noted[run + 1] & SLOT_MASK == first:
        noted[run + 1] = noted[run + 1] + last - first
        return count
    noted[count] = endings
    noted[count + 1] = (first << SLOT_BITS) + last
    return count + 2


@jit
def on(k: LarkTables, state: int, byte: int) -> int:
    """Return the state to which a byte leads inside the lexeme, if its move is known and unambiguous; else
    -1."""
    at = state * k.class_count + k.classes[byte]
    move = k.moves[at]
    return (move >> TO_SHIFT) & TO_BITS if move & KIND_BITS == MOVE_ON else -1


@jit
def put_after(k: LarkTables, state: int, first: int, last: int, states: Int64s, count: int) -> int:
    """Append the states after the bytes first..last to `states`. Returns the new count; -1 if a move is
    unknown or ambiguous, or there are too many."""
    for byte in range(first, last + 1):
        after = on(k, state, byte)
        known = False
        for i in range(count):
            known = known or states[i] == after
        if after < 0 or (not known and count == MOST_AFTER):
            return -1
        if not known:
            states[count] = after
            count += 1
    return count


@jit
def all_return(k: LarkTables, home: int, states: Int64s) -> bool:
    """Return whether each well-formed character outside ASCII (Unicode 15, table 3-7) leads from a state back
    to it. `states`: room for twice MOST_AFTER."""
    others, count = skip(states, MOST_AFTER), 0
    for lead in range(0xF0, 0xF5):
        state = on(k, home, lead)
        low, high = (0x90 if lead == 0xF0 else 0x80), (0x8F if lead == 0xF4 else 0xBF)
        count = -1 if state < 0 or count < 0 else put_after(k, state, low, high, others, count)
    more = -1 if count < 0 else put_after(k, home, 0xC2, 0xDF, states, 0)
    for i in range(count if more >= 0 else 0):
        more = -1 if more < 0 else put_after(k, others[i], 0x80, 0xBF, states, more)
    for lead in range(0xE0, 0xF0):
        state = on(k, home, lead)
        low, high = (0xA0 if lead == 0xE0 else 0x80), (0x9F if lead == 0xED else 0xBF)
        more = -1 if state < 0 or more < 0 else put_after(k, state, low, high, states, more)
    if more < 0:
        return False
    for i in range(more):
        for byte in range(0x80, 0xC0):
            if on(k, states[i], byte) != home:
                return False
    return True


@jit
def find_loops(k: LarkTables, h: RecordScan, home: int, states: Int64s) -> None:
    """Find which classes of bytes (signatures of masks.trie) lead from a state back to it."""
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
    h.home = home
    h.loops = numba.int64(low)
    h.more_loops = numba.int64(high)


@jit
def follow(c: LarkContext, h: RecordScan, first: int, last: int, home: int, noted: Int64s, known: int) -> int:
    """Note what the tokens of the nodes [first, last) do, after `known` words. The first node's byte is read
    in the state on the stack for its depth, and leads to `home`.

    A run is two words: endings; its first slot, above SLOT_BITS, and the slot after it. Returns the number of
    words, or -1 if a question was noted; then the scan stops soon.
    """
    k, trie, stack = c.tables, h.nodes, Int64s(address_of_block(c.scratch))
    moves, classes, width = k.moves, k.classes, k.class_count
    endings, low, high = k.endings, 0, 0
    signatures, before = c.vocabulary.signatures, c.vocabulary.slots_before
    looping = -1
    if h.number == 0:
        if h.home != home:
            find_loops(k, h, home, skip(stack, 2 * MOST_DEPTH))
        low, high = ~h.loops, ~h.more_loops
        looping = home
    node, count, run, asked = first, known, -1, False
    end = last
    while node < end:
        word = trie[node]
        byte = byte_of(word)
        here = skip(stack, 2 * depth_of(word))
        state = here[0]
        behind = end_of(word)
        if (
            state == looping
            and behind - node >= SMALL_SUBTREE
            and signatures[2 * node] & low == 0
            and signatures[2 * node + 1] & high == 0
        ):
            # every byte below leads back to this state
            at = endings_of(c, state)
            if at >= 0:
                more = note_run(noted, count, run, at, before[node], before[behind])
                run, count = more - 2 if more > count else run, more
                node = behind
                continue
        move = moves[state * width + classes[byte]]
        if move & KIND_BITS == MOVE_ON:
            after = (move >> TO_SHIFT) & TO_BITS
            here[2] = after
            here[3] = shifted(k, here[1], byte)
            slot = slot_of(word)
            if slot != 0:
                at = endings[after]
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
        elif move & KIND_BITS != MOVE_DEAD:
            count = note_crossing(noted, count, node, state + (here[1] << SHIFT_AT), move)
        node = behind
    return -1 if asked else count


@jit
def subtree_slot(h: RecordScan, key: int) -> int:
    """Return the hash slot of a subtree's notes."""
    table, subtrees, mask = h.table, h.subtrees, h.mask
    mixed = numba.uint64(key) * numba.uint64(0x9E3779B97F4A7C15)
    at: int = numba.int64(mixed >> numba.uint64(24)) & mask
    while True:
        found = table[at]
        if found == 0 or subtrees[found - 1] == key:
            return at
        at = (at + 1) & mask


@entry("int64(int64)")
def index(scan: int) -> int:
    """Fill an empty hash table with the notes of all subtrees. Returns their number."""
    h = RecordScan(scan)
    at, count = 0, 0
    while at < h.used:
        h.table[subtree_slot(h, h.subtrees[at])] = 1 + at
        at += 2 + h.subtrees[at + 1]
        count += 1
    return count


@jit
def keep_notes(h: RecordScan, key: int, noted: Int64s, words: int) -> bool:
    """Cache the notes of a subtree if there is room. Returns whether there was."""
    at = h.used
    if at + 2 + words > h.room:
        return False
    subtrees = h.subtrees
    subtrees[at] = key
    subtrees[at + 1] = words
    for i in range(words):
        subtrees[at + 2 + i] = noted[i]
    h.table[subtree_slot(h, key)] = 1 + at
    h.used = at + 2 + words
    return True


@jit
def put_segment(h: RecordScan, noted: Int64s, words: int) -> None:
    """Add a segment of words to the scan."""
    count = h.segment_count
    if words > 0:
        h.segments[count].address = address_of_block(noted)
        h.segments[count].count = words
        h.segment_count = count + 1
        h.noted = h.noted + words


@entry("int64(int64, int64, int64)")
def scan_record(context: int, lexeme: int, scan: int) -> int:
    """Scan a trie in a lexeme state, and note in segments: runs of tokens that stay inside, and crossings
    (node; state and, from SHIFT_AT on, the effect of the bytes before on a column; move). Returns 0; ASKED;
    or FULL if notes of subtrees need more room."""
    c = LarkContext(context)
    h = RecordScan(scan)
    trie, last = h.nodes, h.count
    stack, noted = Int64s(address_of_block(c.scratch)), c.crossed
    stack[2] = lexeme
    stack[3] = 0
    h.segment_count = 0
    h.noted = 0
    h.home = -1
    # words noted so far, and those already in segments
    used, closed = 0, 0
    node, asked, wasted = 0, False, 0
    while node < last and wasted < MOST_WASTED:
        word = trie[node]
        root, node = node, end_of(word)
        move = move_of(c, lexeme, byte_of(word))
        kind, after = move & KIND_BITS, (move >> TO_SHIFT) & TO_BITS
        if move < 0:
            asked = True
        elif kind == MOVE_ON and node - root < LARGE_SUBTREE:
            count = follow(c, h, root, node, after, noted, used)
            asked = asked or count < 0
            wasted += node - root if count < 0 else 0
            used = max(used, count)
        elif kind == MOVE_ON:
            put_segment(h, skip(noted, closed), used - closed)
            closed = used
            key = (h.number << 46) + (root << 22) + after
            found = h.table[subtree_slot(h, key)]
            if found != 0:
                put_segment(h, skip(h.subtrees, found + 1), h.subtrees[found])
                continue
            count = follow(c, h, root, node, after, noted, used)
            if count < 0:
                asked = True
                wasted += min(node - root, MOST_WASTED)
                continue
            if not keep_notes(h, key, skip(noted, used), count - used) and h.may_grow != 0:
                return FULL
            put_segment(h, skip(noted, used), count - used)
            used = closed = count
        elif kind != MOVE_DEAD and kind != MOVE_BEFORE and kind != MOVE_OLD:
            used = note_crossing(noted, used, root, lexeme, move)
    put_segment(h, skip(noted, closed), used - closed)
    return ASKED if asked else 0


@jit
def seek(keys: Int64s, count: int, key: int) -> int:
    """Return how many of some ascending keys are below a key (binary search)."""
    low, high = 0, count
    while low < high:
        middle = (low + high) >> 1
        if keys[middle] < key:
            low = middle + 1
        else:
            high = middle
    return low


@jit
def tally(keys: Int64s, sums: Int64s, count: int, key: int, more: int) -> int:
    """Add to the sum of a key among ascending ones, inserting it if it is new. Returns the number of keys."""
    at = seek(keys, count, key)
    if at < count and keys[at] == key:
        sums[at] = sums[at] + more
        return count
    for i in range(count, at, -1):
        keys[i] = keys[i - 1]
        sums[i] = sums[i - 1]
    keys[at] = key
    sums[at] = more
    return count + 1


@jit
def left_key(h: RecordScan, state: int, move: int) -> int:
    """Return the key of the leftover of a crossing: the terminal that ends there, the effect of the bytes on
    its column, and whether the node's byte belongs to the terminal; NO_KEY if no terminal certainly ends
    there."""
    kind, terminal = move & KIND_BITS, (move >> TERMINAL_SHIFT) & TERMINAL_BITS
    if kind != MOVE_BEFORE and (kind != MOVE_NOW or terminal == h.newline):
        return NO_KEY
    # only the indenter's newline has a column
    shift = state >> SHIFT_AT if terminal == h.newline else 0
    return (terminal << LEFTOVER_KEY_AT) + (shift << 1) + (1 if kind == MOVE_NOW else 0)


@entry("int64(int64)")
def measure(scan: int) -> int:
    """Sort the notes: the number of tokens of each group, and the nodes after which each terminal has
    continuations. Returns the number of words (int32) of the record's lists."""
    h = RecordScan(scan)
    part, groups = h.part, h.scratch
    sums, keys, ends = skip(groups, part), skip(groups, 2 * part), skip(groups, 3 * part)
    nodes, met, key_of = skip(groups, 4 * part), skip(groups, 5 * part), skip(groups, 6 * part)
    starts, segments = h.starts, h.segments
    count, lefts, left, others = 0, 0, 0, 0
    for i in range(h.segment_count):
        words, at = Int64s(segments[i].address), 0
        while at < segments[i].count:
            first, second = words[at], words[at + 1]
            if first >= 0:
                tokens = starts[second & SLOT_MASK] - starts[second >> SLOT_BITS]
                count = tally(groups, sums, count, first, tokens)
                at += 2
                continue
            key = left_key(h, second, words[at + 2])
            at += 3
            if key == NO_KEY:
                others += 1
                continue
            lefts = tally(keys, ends, lefts, key, 1)
            met[left] = -1 - first
            key_of[left] = key
            left += 1
    # the start of each key's nodes; after all of them, the ends
    total = 0
    for i in range(lefts):
        total += ends[i]
        ends[i] = total - ends[i]
    for i in range(left):
        at = seek(keys, lefts, key_of[i])
        nodes[ends[at]] = met[i]
        ends[at] = ends[at] + 1
    whole, rows = h.number == 0, 0
    size = 4 * others
    for i in range(count):
        if sums[i] >= h.many:
            rows += 1
            size += 64
        else:
            size += sums[i] + (257 if whole else 0)
    h.group_count = count
    h.row_count = rows
    h.leftover_count = lefts
    h.other_count = others
    return size


@jit
def put_others(h: RecordScan, target: Int32s) -> Int32s:
    """Write the crossings at which no terminal certainly ends. Returns the position of the next list."""
    segments, trie, whole = h.segments, h.nodes, h.number == 0
    root = 0
    for i in range(h.segment_count):
        words, at = Int64s(segments[i].address), 0
        while at < segments[i].count:
            if words[at] >= 0:
                at += 2
                continue
            node, state = -1 - words[at], words[at + 1]
            if left_key(h, state, words[at + 2]) == NO_KEY:
                behind = end_of(trie[root])
                while behind <= node:
                    root = behind
                    behind = end_of(trie[root])
                target[0] = node
                target[1] = state & ((1 << SHIFT_AT) - 1)
                target[2] = state >> SHIFT_AT
                target[3] = byte_of(trie[root]) if whole else -1
                target = skip(target, CROSSING_WORDS)
            at += 3
    return target


@jit
def put_runs(h: RecordScan, table: TokenGroup) -> None:
    """Write the tokens of all groups; the sum of each group has been replaced by its address."""
    starts, ids = h.starts, h.ids
    groups, count, first_bytes = h.scratch, h.group_count, h.first_bytes
    targets, whole = skip(groups, h.part), h.number == 0
    segments = h.segments
    for i in range(h.segment_count):
        words, at = Int64s(segments[i].address), 0
        while at < segments[i].count:
            endings, slots = words[at], words[at + 1]
            if endings < 0:
                at += 3
                continue
            at += 2
            number = seek(groups, count, endings)
            group = skip(table, number)
            first, last = starts[slots >> SLOT_BITS], starts[slots & SLOT_MASK]
            target, firsts = Int32s(targets[number]), group.starts
            if group.count == AS_ROW:
                there = Bytes(address_of_block(firsts))
                for j in range(first, last):
                    token = ids[j]
                    target[token >> 5] = target[token >> 5] | (1 << (token & 31))
                # a run is below one root, so its tokens share their first byte
                for j in range(first, first + 1 if whole else last):
                    there[first_bytes[ids[j]]] = 1
                continue
            for j in range(last - first):
                target[j] = ids[first + j]
            targets[number] = address_of_block(skip(target, last - first))
            if address_of_block(firsts) != 0:
                for j in range(first, last):
                    byte = first_bytes[ids[j]]
                    firsts[byte + 1] = firsts[byte + 1] + 1


@entry("int64(int64)")
def fill(scan: int) -> int:
    """Write the measured record.

    `record` gets the record, its groups and room for its leftovers (int64); `lists` gets its lists (int32,
    initially zeros); `bits` gets the tokens of large groups as rows of bits, each after its set of first
    bytes. `marks` gets the numbers of the record's words that are addresses, and from its end backwards of
    those that are row numbers, which are not written. Returns the number of addresses.
    """
    h = RecordScan(scan)
    record, rows = h.record, h.bits
    count, lefts, large = h.group_count, h.leftover_count, h.row_count
    whole, many, at_record = h.number == 0, h.many, address_of_block(h.record)
    at_groups = at_record + 8 * RECORD_WORDS
    table, groups, sums = TokenGroup(at_groups), h.scratch, skip(h.scratch, h.part)
    marks = h.marks
    row_marks = skip(marks, 3 + 2 * count + 2 * lefts)
    record[0] = count
    record[1] = at_groups if count != 0 else at_record
    record[2] = lefts
    record[3] = at_groups + 8 * GROUP_WORDS * count if lefts != 0 else at_record
    record[4] = h.other_count
    record[5] = h.lists if h.other_count != 0 else at_record
    for i in range(3):
        marks[i] = 2 * i + 1
    marked, met = 3, 0
    bits = Int32s(rows)
    for i in range(h.width * large):
        bits[i] = 0
    lists = address_of_block(put_others(h, Int32s(h.lists)))
    for i in range(count):
        at = RECORD_WORDS + GROUP_WORDS * i
        tokens, row = sums[i], skip(record, at)
        row[0] = groups[i]
        if tokens >= many:
            sums[i] = rows + 4 * h.width * met + 4 * FIRST_WORDS
            row[2] = lists
            row[3] = AS_ROW
            row_marks[met] = at + 1
            lists += 256
            met += 1
        else:
            marks[marked] = at + 1
            marked += 1
            row[2] = lists if whole else 0
            lists += 4 * 257 if whole else 0
            sums[i] = lists
            row[1] = lists
            row[3] = tokens
            lists += 4 * tokens
        if row[2] != 0:
            marks[marked] = at + 2
            marked += 1
    put_runs(h, table)
    for i in range(count):
        group = skip(table, i)
        firsts = group.starts
        if group.count == AS_ROW:
            bits, there = Int32s(sums[i] - 4 * FIRST_WORDS), Bytes(address_of_block(firsts))
            for byte in range(256):
                bits[byte >> 5] = bits[byte >> 5] | (there[byte] << (byte & 31))
        elif address_of_block(firsts) != 0:
            for byte in range(256):
                firsts[byte + 1] = firsts[byte + 1] + firsts[byte]
    leftovers = RECORD_WORDS + GROUP_WORDS * count
    for i in range(lefts):
        marks[marked] = leftovers + LEFTOVER_WORDS * i + 2
        marks[marked + 1] = leftovers + LEFTOVER_WORDS * i + 3
        marked += 2
    return marked


# --- tries of leftover texts -------------------------------------------------------------------------------


_BYTES, _DEEPEST = 256, 4098


class MergeJob(Block):
    """A trie to be made."""

    roots: Int64s
    root_count: int
    below: int
    """1 if the bytes of the roots are not part of it."""


class Merging(Block):
    """Input and output of the merge: a trie, and the tries made of its subtrees."""

    nodes: Int64s
    starts: Int32s
    ids: Int32s
    jobs: BlockRows[MergeJob]
    count: int
    words: BlockRows[LeftoverTrie]
    ended: Int64s
    made: Int64s
    numbers: Int32s
    """As in `Merged`."""
    scratch: Int32s
    node_room: int
    number_room: int
    """The most nodes and numbers of all tries."""


_NODES, _COUNT, _STARTS, _IDS, _SLOTS, _TOKENS = (
    word_of(LeftoverTrie, name) for name in ("nodes", "count", "starts", "ids", "slot_count", "token_count")
)


class Merged(NamedTuple):
    """Tries that were made together."""

    nodes: npt.NDArray[np.uint64]
    numbers: npt.NDArray[np.int32]
    """For all tries: starts of slots, token ids, and the tokens that end at their roots."""
    words: npt.NDArray[np.int64]
    """[tries, words of LeftoverTrie]: with addresses in the arrays above."""
    ended: npt.NDArray[np.int64]
    """[tries, 2]: the address and the number of the tokens that end at the roots; none if the roots' bytes
    are part of the trie."""


def merged(trie: tuple[int, int, int], wanted: Sequence[tuple[npt.NDArray[np.int64], int]]) -> Merged:
    """Return tries (see `trie.TrieArrays`), each the union of the subtrees at some nodes of another trie (or,
    with a 1 in the pair, below these nodes). That trie is given by the addresses of its nodes, of the slots'
    starts and of their ids. Ids of equal texts share a slot. No node of one list may be below another.

    Cost: 20 us, 2 ns for each node that is copied alone, and about 20 ns for a merged node.
    """
    jobs = np.array([(address_of(roots), len(roots), below) for roots, below in wanted], np.int64)
    words = np.zeros((len(wanted), words_of(LeftoverTrie)), np.int64)
    ended = np.zeros((len(wanted), 2), np.int64)
    held = np.zeros(words_of(Merging), np.int64)
    first = word_of(Merging, "made")
    held[:first] = *trie, address_of(jobs), len(jobs), address_of(words), address_of(ended)
    at = address_of(held)
    room = _measure(at)
    made = np.empty(held[Merging.node_room], np.uint64)
    numbers = np.empty(held[Merging.number_room], np.int32)
    scratch = np.empty(4 * room + _BYTES + _DEEPEST, np.int32)
    held[first : first + 3] = address_of(made), address_of(numbers), address_of(scratch)
    _merge(at)
    nodes, starts, ids = (word_of(LeftoverTrie, name) for name in ("nodes", "starts", "ids"))
    # merging leaves unused room
    made.resize(int(words[-1, nodes] >> 3) + int(words[-1, LeftoverTrie.count]), refcheck=False)
    numbers.resize(int(ended[-1, 0] >> 2) + int(ended[-1, 1]), refcheck=False)
    words[:, nodes] += address_of(made)
    words[:, [starts, ids]] += address_of(numbers)
    ended[:, 0] += address_of(numbers)
    return Merged(made, numbers, words, ended)


@jit
def _slots_of(nodes: Int64s, node: int, last: int) -> tuple[int, int]:
    """Return the first slot of a subtree, plus one, and its last slot plus one; each leaf has one."""
    while slot_of(nodes[node]) == 0:
        node += 1
    return slot_of(nodes[node]), slot_of(nodes[last - 1])


@entry("int64(int64)")
def _measure(w_at: int) -> int:
    """Compute upper bounds for the nodes and numbers of all tries. Returns that for the nodes of one."""
    w = Merging(w_at)
    nodes, starts = w.nodes, w.starts
    total, numbers, room = 0, 0, 0
    for number in range(w.count):
        job = w.jobs[number]
        before = total
        for i in range(job.root_count):
            root = job.roots[i]
            behind = end_of(nodes[root])
            first, last = _slots_of(nodes, root, behind)
            total += behind - root
            numbers += last - first + 1 + starts[last] - starts[first - 1]
        numbers += 1
        room = max(room, total - before)
    w.node_room = total
    w.number_room = numbers
    return room


@jit
def _list(
    nodes: Int64s, node: int, last: int, entry: Int32s, entries: int, heads: Int32s, span: int
) -> tuple[int, int]:
    """Append a node and its siblings to the lists of their bytes. `span` is the range of bytes with a list,
    the first byte in its low bits. Returns the number of entries, and the span."""
    low, high = span & 0xFF, span >> 8
    while node < last:
        byte = byte_of(nodes[node])
        entry[2 * entries] = node
        entry[2 * entries + 1] = heads[byte]
        heads[byte] = entries
        entries += 1
        low, high = min(low, byte), max(high, byte)
        node = end_of(nodes[node])
    return entries, low + (high << 8)


@jit
def _take(w: Merging, begins: Int32s, held: Int32s, target: int, first: int, last: int, filled: int) -> int:
    """Copy the ids of the slots first..last (the first plus one) after `filled` others, and write their ends
    from slot `target` on. Returns the number of ids."""
    starts, ids = w.starts, w.ids
    begin, end = starts[first - 1], starts[last]
    for i in range(end - begin):
        held[filled + i] = ids[begin + i]
    for i in range(last - first + 1):
        begins[target + i] = starts[first + i] - begin + filled
    return filled + end - begin


@jit
def _close(made: Int64s, open_at: Int32s, deepest: int, depth: int, written: int) -> int:
    """End all open subtries from a depth on here."""
    while deepest >= depth:
        node = open_at[deepest]
        made[node] = made[node] | written << END_SHIFT
        deepest -= 1
    return deepest


@jit
def _make(w: Merging, job: MergeJob, made: Int64s, begins: Int32s, held: Int32s) -> tuple[int, int, int]:
    """Make one trie. Returns how many nodes, slots and tokens it has."""
    nodes, below = w.nodes, job.below
    # per byte the list being made; entries (node, next entry); open nodes by depth; the work stack
    # (depth, list)
    heads = w.scratch
    open_at = skip(heads, _BYTES)
    entry = skip(open_at, _DEEPEST)
    entries, waiting, written, used, filled, deepest = 0, 0, 0, 0, 0, 0
    span = 255
    begins[0] = 0
    for byte in range(_BYTES):
        heads[byte] = -1
    total = 0
    for i in range(job.root_count):
        root = job.roots[i]
        total += end_of(nodes[root]) - root
        entries, span = _list(nodes, root + below, end_of(nodes[root]), entry, entries, heads, span)
    frames = skip(entry, 2 * total)
    depth = 0
    while True:
        # push the lists sorted by byte, the first byte on top
        for byte in range(span >> 8, (span & 0xFF) - 1, -1):
            if heads[byte] >= 0:
                frames[2 * waiting] = depth + 1
                frames[2 * waiting + 1] = heads[byte]
                heads[byte] = -1
                waiting += 1
        span = 255
        if waiting == 0:
            break
        waiting -= 1
        depth, at = frames[2 * waiting], frames[2 * waiting + 1]
        deepest = _close(made, open_at, deepest, depth, written)
        source = entry[2 * at]
        if entry[2 * at + 1] < 0:
            # no other list has this byte: copy the whole subtrie
            last = end_of(nodes[source])
            first, final = _slots_of(nodes, source, last)
            filled = _take(w, begins, held, used + 1, first, final, filled)
            # the offset of depths in all words, and of slots in those with one
            sunk = depth_of(nodes[source]) - depth
            moved = ((written - source) << END_SHIFT) - (sunk << DEPTH_SHIFT)
            slid = (used + 1 - first) << SLOT_SHIFT
            for i in range(last - source):
                word = nodes[source + i]
                there = slot_of(word) != 0
                made[written + i] = word + moved + (slid if there else 0)
            used += final - first + 1
            written += last - source
            continue
        byte = byte_of(nodes[source])
        before = filled
        while at >= 0:
            source = entry[2 * at]
            slot = slot_of(nodes[source])
            if slot != 0:
                filled = _take(w, begins, held, used + 1, slot, slot, filled)
            last = end_of(nodes[source])
            entries, span = _list(nodes, source + 1, last, entry, entries, heads, span)
            at = entry[2 * at + 1]
        slot = 0
        if filled > before:
            used += 1
            slot = used
        made[written] = byte | depth << DEPTH_SHIFT | slot << SLOT_SHIFT
        deepest = depth
        open_at[depth] = written
        written += 1
    _close(made, open_at, deepest, 1, written)
    return written, used, filled


@jit
def _take_ids(w: Merging, slot: int, target: Int32s, count: int) -> int:
    """Copy the ids of a slot (plus one) after `count` others. Returns the number of ids."""
    starts, ids = w.starts, w.ids
    for i in range(starts[slot - 1], starts[slot]):
        target[count] = ids[i]
        count += 1
    return count


@entry("int64(int64)")
def _merge(w_at: int) -> int:
    """Make all tries, one after the other. Addresses are byte offsets from the arrays' beginnings. Returns
    0."""
    w = Merging(w_at)
    nodes, made, numbers = w.nodes, 0, 0
    for number in range(w.count):
        job, trie = w.jobs[number], Int64s(address_of_block(w.words[number]))
        begins = skip(w.numbers, numbers)
        # at first the ids stand where they have room in any case
        most = 1
        for i in range(job.root_count):
            root = job.roots[i]
            first, last = _slots_of(nodes, root, end_of(nodes[root]))
            most += last - first + 1
        held = skip(begins, most)
        written, used, filled = _make(w, job, skip(w.made, made), begins, held)
        trie[_NODES] = 8 * made
        trie[_COUNT] = written
        trie[_STARTS] = 4 * numbers
        trie[_SLOTS] = used + 1
        trie[_TOKENS] = filled
        made += written
        numbers += used + 1
        trie[_IDS] = 4 * numbers
        if used + 1 < most:
            for i in range(filled):
                begins[used + 1 + i] = held[i]
        numbers += filled
        w.ended[2 * number] = 4 * numbers
        count = 0
        for i in range(job.root_count if job.below != 0 else 0):
            slot = slot_of(nodes[job.roots[i]])
            if slot != 0:
                count = _take_ids(w, slot, skip(w.numbers, numbers), count)
        w.ended[2 * number + 1] = count
        numbers += count
    return 0
