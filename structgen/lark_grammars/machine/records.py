"""Records: what the tokens of a trie do in a state of the lexer, whatever the parser says.

A record has *groups*, tokens that stay inside the lexeme, by the class of endings of the state that they
lead to: one answer of liveness decides for all of a group. And it has *leftovers*, tokens that end the
lexeme: the terminal, the carry, and the trie of what they have behind it. Equal tries are one; large ones
are ranges of their parent's nodes, and no copies.
"""

from __future__ import annotations

import numba

from structgen.lark_grammars.lexer.lexer_tables import UNASKED, UNKNOWN
from structgen.lark_grammars.machine.lark_layout import (
    ASK_CARRY,
    ASK_CLASS,
    ASK_ROW,
    FULL,
    LARGE_TRIE,
    MERGED_KEY,
    RANGE_WORDS,
    RECORD_KEY,
    LarkContext,
    Trie,
)
from structgen.lark_grammars.machine.parser import shift_after
from structgen.machine_core.growing_tables import DEEPEST
from structgen.machine_core.interning import ask, ask_room, find, intern
from structgen.machine_core.layout import ASKED
from structgen.native.bit_rows import set_bits
from structgen.native.jit import entry, jit
from structgen.native.typed_blocks import Int32s, Int64s, skip
from structgen.tokens.trie_nodes import byte_of, depth_of, end_of, slot_of

_ALIKE = 16
"""Bytes behind which a state must go on as another one, to have a record like that one's."""
_DENSE = 800
"""Tokens from which on a group is a row: at some 4,000 words, copying it is then as fast as setting their
bits."""
MOST_DENSE = 64
"""Dense groups of one record; further ones are listed."""
CROSSING_WORDS, FOUND_WORDS, DEPTH_WORDS = 5, 4, 3
MERGING_LINKS, MERGING_PATHS = 4 * (LARGE_TRIE + 1), 16 * (LARGE_TRIE + 1)
MERGING_WORDS = MERGING_PATHS + 4 * (DEEPEST + 2)
MOST_LINKS = 6 * (LARGE_TRIE + 1)
"""Tokens of a trie that is copied; with more it is ranges."""


@jit
def nodes_of(c: LarkContext, trie: Trie) -> Int64s:
    """Return the nodes of a trie."""
    return c.vocabulary.trie if trie.nodes < 0 else skip(c.trie_nodes.numbers, trie.nodes)


@jit
def slots_of(c: LarkContext, trie: Trie) -> Int32s:
    """Return where the tokens of each slot begin."""
    return c.vocabulary.slot_start if trie.nodes < 0 else skip(c.trie_slots.numbers, trie.slots)


@jit
def tokens_of(c: LarkContext, trie: Trie) -> Int32s:
    """Return the tokens of the slots."""
    return c.vocabulary.slot_ids if trie.nodes < 0 else skip(c.tokens.numbers, trie.tokens)


@jit
def find_like(c: LarkContext, state: int) -> bool:
    """Note the state to which most bytes lead, if that goes on as this one behind many bytes: below these
    bytes the records agree. Behind most bytes a keyword, for example, goes on as a plain name. Return whether
    that is known; else rows are asked for."""
    width, best, most, marks = c.width, -1, 0, c.marks_of_states
    if c.like[state] != UNKNOWN:
        return True
    if c.moves[state * width] == UNKNOWN:
        ask(c, ASK_ROW, state, 0, 0)
        return False
    for kind in range(width):
        after = c.moves[state * width + kind]
        if after >= 0:
            marks[after] = marks[after] + 1
            if marks[after] > most:
                best, most = after, marks[after]
    for kind in range(width):
        after = c.moves[state * width + kind]
        if after >= 0:
            marks[after] = 0
    if best >= 0 and c.moves[best * width] == UNKNOWN:
        ask(c, ASK_ROW, best, 0, 0)
        return False
    alike, at = 0, best
    for byte in range(256 if best >= 0 else 0):
        after = c.moves[state * width + c.classes[byte]]
        alike += 1 if after >= 0 and after == c.moves[best * width + c.classes[byte]] else 0
    while at >= 0 and at != state:
        at = c.like[at]
    # else each would wait for the other
    c.like[state] = best if alike >= _ALIKE and at != state else -1
    return True


@jit
def has_byte(bits: Int64s, byte: int) -> bool:
    """Return whether a byte is one of 256 bits."""
    return (numba.uint64(bits[byte >> 6]) >> numba.uint64(byte & 63)) & numba.uint64(1) != 0  # type: ignore[no-any-return]


@jit
def ends_before(c: LarkContext, state: int, kind: int) -> bool:
    """Return whether a lexeme may end in a state before a byte, at most."""
    for i in range(c.lexeme_end_at[2 * state], c.lexeme_end_at[2 * state + 1]):
        terminal, carry = c.lexeme_ends[2 * i], c.lexeme_ends[2 * i + 1]
        if c.carry_moves[carry * c.width + kind] != 0 and c.begins[terminal * c.width + kind]:
            return True
    return False


@jit
def take_below(trie: Int64s, slots: Int32s, ids: Int32s, node: int, row: Int32s) -> None:
    """Add all tokens below a node to a row."""
    last, first = slot_of(trie[end_of(trie[node]) - 1]), node
    while slot_of(trie[first]) == 0:
        first += 1
    begin = slots[slot_of(trie[first]) - 1]
    set_bits(row, skip(ids, begin), slots[last] - begin)


@jit
def scan(c: LarkContext, number: int, state: int) -> int:
    """Find what the tokens of a trie do in a state: (slot, state behind it, shift) of those that stay
    inside, in `found`, and the nodes where others end the lexeme, in `crossings`. Returns how many stay
    inside; ASKED; FULL past the room. The number of crossings is `crossed_count`. Nodes below which another
    state goes on in the same way (`find_like`) are left out: their tokens are put into a row behind the
    last one of `wanted_rows`."""
    trie = c.tries[number]
    nodes, width, ranges = nodes_of(c, trie), c.width, skip(c.ranges.numbers, trie.ranges)
    slots, ids, table = slots_of(c, trie), tokens_of(c, trie), c.wanted_rows
    alike = skip(table.numbers, table.count)
    depths, found, crossings = c.depths, c.found, c.crossings
    tokens, crossed, is_asked, part, node, last, base = 0, 0, False, -1, 0, 0, 0
    depths[0], depths[1], depths[2] = state, 0, c.like[state]
    for i in range(c.vocabulary.mask_words if c.like[state] >= 0 else 0):
        alike[i] = 0
    while True:
        if node >= last:
            part += 1
            if part == trie.range_count:
                break
            node, last = ranges[RANGE_WORDS * part], ranges[RANGE_WORDS * part + 1]
            base = ranges[RANGE_WORDS * part + 2]
        word = nodes[node]
        byte, depth = byte_of(word), depth_of(word) - base
        above, here = skip(depths, DEPTH_WORDS * (depth - 1)), skip(depths, DEPTH_WORDS * depth)
        before, shift, other, kind = above[0], above[1], above[2], c.classes[byte]
        after, same = c.moves[before * width + kind], c.moves[other * width + kind] if other >= 0 else -1
        if after == UNKNOWN:
            ask(c, ASK_ROW, before, 0, 0)
            is_asked = True
        if same == UNKNOWN:
            ask(c, ASK_ROW, other, 0, 0)
            is_asked = True
        if depth > 1:
            if same >= 0 and (ends_before(c, before, kind) or ends_before(c, other, kind)):
                same = -1  # a leftover of one record alone would have tokens from below
            for i in range(c.lexeme_end_at[2 * before], c.lexeme_end_at[2 * before + 1]):
                terminal, carry = c.lexeme_ends[2 * i], c.lexeme_ends[2 * i + 1]
                move = c.carry_moves[carry * width + kind]
                if move == UNASKED:
                    ask(c, ASK_CARRY, carry, 0, 0)
                    is_asked = True
                elif move != 0 and c.begins[terminal * width + kind]:
                    if crossed == c.most_crossings:
                        return FULL
                    one = skip(crossings, CROSSING_WORDS * crossed)
                    one[0], one[1], one[2] = node, terminal, 0 if move == 1 else carry
                    one[3] = shift if terminal == c.newline else 0
                    crossed += 1
        if after < 0 or after == same:
            if after >= 0:
                take_below(nodes, slots, ids, node, alike)
            node = end_of(word)
            continue
        slot, after_shift = slot_of(word), shift_after(c, shift, byte) if c.may_break[after] else 0
        if slot:
            if tokens == c.most_crossings:
                return FULL
            inside = skip(found, FOUND_WORDS * tokens)
            inside[0], inside[1], inside[2] = slot - 1, after, after_shift if c.keeps_column else 0
            tokens += 1
        if same >= 0 and (c.may_break[after] or c.may_break[same]):
            same = -1  # what bytes do to a newline's column may differ
        here[0], here[1], here[2] = after, after_shift, same
        node += 1
    c.crossed_count = crossed
    return ASKED if is_asked else tokens


@jit
def put_groups(c: LarkContext, trie: Trie, tokens: int) -> int:
    """Append the groups of the tokens that `scan` found inside. Returns 0, or ASKED: for room, or for classes
    of endings. The rows of dense groups are in `dense`, their numbers in `dense_row`, as -2 - number."""
    found, slots, ids, marks, words = (
        c.found,
        slots_of(c, trie),
        tokens_of(c, trie),
        c.marks_of_classes,
        c.vocabulary.mask_words,
    )
    sizes, groups, total, is_asked = c.merging, 0, 0, False
    for i in range(tokens):
        state = found[FOUND_WORDS * i + 1]
        if c.end_class[state] < 0:
            ask(c, ASK_CLASS, state, 0, 0)
            is_asked = True
    if is_asked:
        return ASKED
    for i in range(tokens):
        one = skip(found, FOUND_WORDS * i)
        end_class, size = c.end_class[one[1]], slots[one[0] + 1] - slots[one[0]]
        one[3] = -1
        if end_class == 0:  # the lexeme never ends
            continue
        shift, at = one[2], marks[end_class] - 1
        while at >= 0 and (sizes[4 * at] != end_class or sizes[4 * at + 3] != shift):
            at -= 1
        if at < 0:
            at = groups
            groups += 1
            marks[end_class] = groups
            sizes[4 * at], sizes[4 * at + 1], sizes[4 * at + 3] = end_class, 0, shift
        sizes[4 * at + 1] = sizes[4 * at + 1] + size
        one[3] = at
        total += size
    for at in range(groups):
        marks[sizes[4 * at]] = 0
    table, listed = c.groups, c.tokens
    if table.count + groups > table.capacity:
        ask_room(c, table, groups)
        return ASKED
    if listed.count + total > listed.capacity:
        ask_room(c, listed, total)
        return ASKED
    for at in range(groups):
        group, size = table[table.count], sizes[4 * at + 1]
        table.count = table.count + 1
        group.end_class, group.shift, group.dense_row = sizes[4 * at], sizes[4 * at + 3], -1
        group.first = group.last = listed.count
        if size > _DENSE and c.dense_count < MOST_DENSE:
            group.dense_row = -2 - c.dense_count
            row = skip(c.dense, words * c.dense_count)
            for i in range(words):
                row[i] = 0
            sizes[4 * at + 2] = group.dense_row
            c.dense_count = c.dense_count + 1
        else:
            sizes[4 * at + 2] = listed.count
            listed.count = listed.count + size
            group.last = listed.count
    for i in range(tokens):
        slot, at = found[FOUND_WORDS * i], found[FOUND_WORDS * i + 3]
        if at < 0:
            continue
        to = sizes[4 * at + 2]
        for j in range(slots[slot], slots[slot + 1]):
            token = ids[j]
            if to < 0:
                row = skip(c.dense, words * (-2 - to))
                row[token >> 5] = row[token >> 5] | (1 << (token & 31))
            else:
                listed[to] = token
                to += 1
        sizes[4 * at + 2] = to
    return 0


@jit
def has_key(one: Int64s, terminal: int, carry: int, shift: int) -> bool:
    """Return whether a crossing is left, and has such a terminal, carry and shift."""
    return one[0] >= 0 and one[1] == terminal and one[2] == carry and one[3] == shift


@jit
def take_crossings(c: LarkContext, first: int, terminal: int, carry: int, shift: int) -> None:
    """Take the crossings with a key away."""
    for i in range(first, c.crossed_count):
        one = skip(c.crossings, CROSSING_WORDS * i)
        if has_key(one, terminal, carry, shift):
            one[0] = -1 - one[0]


@jit
def as_ranges(
    c: LarkContext, trie: Trie, made: Trie, first: int, terminal: int, carry: int, shift: int
) -> None:
    """Write a trie whose nodes are those of another one below some crossings."""
    nodes, ranges, parts = nodes_of(c, trie), skip(c.ranges.numbers, c.ranges.count), 0
    made.nodes, made.slots, made.tokens = trie.nodes, trie.slots, trie.tokens
    made.ranges = c.ranges.count
    for i in range(first, c.crossed_count):
        one = skip(c.crossings, CROSSING_WORDS * i)
        if has_key(one, terminal, carry, shift):
            node = one[0]
            word = nodes[node]
            base = depth_of(word) - 1
            if parts == 0 or ranges[3 * parts - 2] != node or ranges[3 * parts - 1] != base:
                ranges[3 * parts], ranges[3 * parts + 2] = node, base
                parts += 1
            ranges[3 * parts - 2] = end_of(word)
    made.range_count = parts
    c.ranges.count = c.ranges.count + RANGE_WORDS * parts


@jit
def merge_nodes(c: LarkContext, trie: Trie, first: int, terminal: int, carry: int, shift: int) -> int:
    """Merge the nodes below some crossings into one trie, in `merging`: of each node the byte, the first
    child, the next sibling, and the last of its tokens. Returns how many nodes; the links of tokens are at
    MERGING_LINKS."""
    nodes, slots, ids = nodes_of(c, trie), slots_of(c, trie), tokens_of(c, trie)
    held, links, paths = c.merging, skip(c.merging, MERGING_LINKS), skip(c.merging, MERGING_PATHS)
    made, linked = 1, 1
    held[0], held[1], held[2], held[3] = 0, -1, -1, 0
    deepest = DEEPEST + 2
    for i in range(first, c.crossed_count):
        one = skip(c.crossings, CROSSING_WORDS * i)
        if not has_key(one, terminal, carry, shift):
            continue
        node = one[0]
        word = nodes[node]
        base, last = depth_of(word) - 1, end_of(word)
        paths[0], paths[deepest] = 0, -1
        while node < last:
            word = nodes[node]
            byte, depth = byte_of(word), depth_of(word) - base
            parent = paths[depth - 1]
            # the child that was met last: children come in order, so the search goes on there
            before, at = -1, held[4 * parent + 1]
            hint = paths[deepest + depth - 1]
            if hint >= 0 and held[4 * hint] <= byte:
                before, at = -1, hint
            while at >= 0 and held[4 * at] < byte:
                before, at = at, held[4 * at + 2]
            if at < 0 or held[4 * at] != byte:
                held[4 * made], held[4 * made + 1] = byte, -1
                held[4 * made + 2], held[4 * made + 3] = at, 0
                if before < 0:
                    held[4 * parent + 1] = made
                else:
                    held[4 * before + 2] = made
                at = made
                made += 1
            paths[deepest + depth - 1] = at
            paths[depth], paths[deepest + depth] = at, -1
            slot = slot_of(word)
            if slot:
                for j in range(slots[slot - 1], slots[slot]):
                    links[2 * linked], links[2 * linked + 1] = ids[j], held[4 * at + 3]
                    held[4 * at + 3] = linked
                    linked += 1
            node += 1
    return made


@jit
def as_copy(c: LarkContext, made: Trie, nodes_made: int) -> None:
    """Write a trie from the nodes in `merging`, depth first; there is room."""
    held, links, path = c.merging, skip(c.merging, MERGING_LINKS), skip(c.merging, MERGING_PATHS)
    deepest = DEEPEST + 2
    nodes = skip(c.trie_nodes.numbers, c.trie_nodes.count)
    slots, ids = skip(c.trie_slots.numbers, c.trie_slots.count), skip(c.tokens.numbers, c.tokens.count)
    count, slot, used, depth = 0, 0, 0, 0
    slots[0] = 0
    path[0] = held[1]
    while depth >= 0:
        at = path[depth]
        if at < 0:
            depth -= 1
            if depth >= 0:
                opened = path[deepest + depth]
                nodes[opened] = nodes[opened] | (count << 40)
            continue
        path[depth] = held[4 * at + 2]
        here, one = 0, held[4 * at + 3]
        if one:
            while one:
                ids[used] = links[2 * one]
                used += 1
                one = links[2 * one + 1]
            slot += 1
            slots[slot] = used
            here = slot
        nodes[count] = held[4 * at] | ((depth + 1) << 8) | (here << 20)
        path[deepest + depth] = count
        count += 1
        depth += 1
        path[depth] = held[4 * at + 1]
    made.nodes, made.slots, made.tokens = c.trie_nodes.count, c.trie_slots.count, c.tokens.count
    made.count, made.ranges, made.range_count = count, c.ranges.count, 1
    ranges = skip(c.ranges.numbers, c.ranges.count)
    ranges[0], ranges[1], ranges[2] = 0, count, 0
    c.ranges.count = c.ranges.count + RANGE_WORDS
    c.trie_nodes.count = c.trie_nodes.count + count
    c.trie_slots.count = c.trie_slots.count + slot + 1
    c.tokens.count = c.tokens.count + used


@jit
def left_over(c: LarkContext, number: int, first: int, terminal: int, carry: int, shift: int) -> int:
    """Return the number of the trie of what tokens have behind the crossings with a key, which are taken
    away; or ASKED."""
    trie = c.tries[number]
    nodes, slots = nodes_of(c, trie), slots_of(c, trie)
    mixed, count, total, tokens = numba.uint64(0), 0, 0, 0
    for i in range(first, c.crossed_count):
        one = skip(c.crossings, CROSSING_WORDS * i)
        if has_key(one, terminal, carry, shift):
            mixed = (mixed ^ numba.uint64(one[0])) * numba.uint64(0xFF51AFD7ED558CCD)
            mixed ^= mixed >> numba.uint64(32)
            count += 1
            total += end_of(nodes[one[0]]) - one[0]
    row = c.work
    row.words[0], row.words[1], row.words[2], row.words[3] = (
        number,
        numba.int64(mixed >> numba.uint64(1)),
        count,
        -1,
    )
    known = find(c.merged, MERGED_KEY, row)
    if known >= 0 and c.merged[known].made >= 0:
        take_crossings(c, first, terminal, carry, shift)
        return c.merged[known].made
    if total < LARGE_TRIE:
        for i in range(first, c.crossed_count):
            one = skip(c.crossings, CROSSING_WORDS * i)
            if has_key(one, terminal, carry, shift):
                for node in range(one[0], end_of(nodes[one[0]])):
                    slot = slot_of(nodes[node])
                    tokens += slots[slot] - slots[slot - 1] if slot else 0
    is_copy = total < LARGE_TRIE and 2 * (tokens + 1) < MOST_LINKS
    entry_number = intern(c, c.merged, MERGED_KEY, row)
    missing = entry_number < 0
    if c.tries.count == c.tries.capacity:
        ask_room(c, c.tries, 1)
        missing = True
    wanted = RANGE_WORDS if is_copy else RANGE_WORDS * count
    if c.ranges.count + wanted > c.ranges.capacity:
        ask_room(c, c.ranges, wanted)
        missing = True
    if is_copy and c.trie_nodes.count + total > c.trie_nodes.capacity:
        ask_room(c, c.trie_nodes, total)
        missing = True
    if is_copy and c.trie_slots.count + total + 1 > c.trie_slots.capacity:
        ask_room(c, c.trie_slots, total + 1)
        missing = True
    if is_copy and c.tokens.count + tokens > c.tokens.capacity:
        ask_room(c, c.tokens, tokens)
        missing = True
    if missing:
        return ASKED
    found = c.tries.count
    c.tries.count = found + 1
    made = c.tries[found]
    made.count = total
    if is_copy:
        as_copy(c, made, merge_nodes(c, trie, first, terminal, carry, shift))
    else:
        as_ranges(c, trie, made, first, terminal, carry, shift)
    take_crossings(c, first, terminal, carry, shift)
    c.merged[entry_number].made = found
    return found


@entry("int64(int64, int64, int64)")
def scan_record(address: int, number: int, state: int) -> int:
    """As `scan`, for `make_record`; FULL where tokens end in too many ways."""
    c = LarkContext(address)
    if not find_like(c, state):
        return ASKED
    words = c.vocabulary.mask_words if c.like[state] >= 0 else 0
    if c.wanted_rows.count + words > c.wanted_rows.capacity:
        ask_room(c, c.wanted_rows, words)
        return ASKED
    return scan(c, number, state)


@entry("int64(int64, int64, int64, int64)")
def make_record(address: int, number: int, state: int, tokens: int) -> int:
    """Make the record of a trie in a state, of what `scan_record` found last. Returns its number, or ASKED.
    The rows of its dense groups are to be put into the store (`put_groups`)."""
    c = LarkContext(address)
    c.dense_count = 0
    for i in range(c.crossed_count):  # that were taken away by a call before
        one = skip(c.crossings, CROSSING_WORDS * i)
        one[0] = max(one[0], -1 - one[0])
    leftovers, code, done = c.leftovers.count, 0, 0
    while code == 0 and done < c.crossed_count:
        one = skip(c.crossings, CROSSING_WORDS * done)
        if one[0] < 0:
            done += 1
            continue
        terminal, carry, shift = one[1], one[2], one[3]
        if c.leftovers.count == c.leftovers.capacity:
            ask_room(c, c.leftovers, 1 + c.leftovers.count - leftovers)  # they are taken back
            code = ASKED
            break
        trie = left_over(c, number, done, terminal, carry, shift)
        if trie < 0:
            code = ASKED
            break
        left = c.leftovers[c.leftovers.count]
        c.leftovers.count = c.leftovers.count + 1
        left.terminal, left.carry, left.shift, left.trie = terminal, carry, shift, trie
    groups = c.groups.count
    if code == 0:
        code = put_groups(c, c.tries[number], tokens)
    row = c.work
    row.words[0], row.words[1], row.words[2], row.words[3] = number, state, groups, c.groups.count
    row.words[4], row.words[5], row.words[6], row.words[7] = leftovers, c.leftovers.count, c.like[state], -1
    if c.like[state] >= 0:
        row.words[7] = c.wanted_rows.count
    found = intern(c, c.records, RECORD_KEY, row) if code == 0 else -1
    if found < 0:
        c.groups.count, c.leftovers.count = groups, leftovers
        return ASKED
    if c.like[state] >= 0:
        c.wanted_rows.count = c.wanted_rows.count + c.vocabulary.mask_words
    return found
