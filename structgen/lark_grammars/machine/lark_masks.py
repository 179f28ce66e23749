"""Masks in compiled code: the tokens after which some text goes on, collected from records and from walks
on the real stack.

`collect` works off readings (place, state of the lexer, column), each with a trie and the first bytes that
are wanted of its tokens. A token that ends the lexeme at once is one of the next lexeme, with fewer wanted
bytes. What tokens have behind the end of a lexeme is a trie, which is read at the place behind it: a small
one on the real stack, a larger one by its record.
"""

from __future__ import annotations

import numba

from structgen.lark_grammars.lexer.lexer_tables import UNASKED
from structgen.lark_grammars.machine.lark_layout import (
    ASK_CARRY,
    ASK_RECORD,
    EVERY_BYTE,
    FULL,
    MOST_PENDING,
    NOTHING_READ,
    PENDING_WORDS,
    RECORD_KEY,
    SMALL_TRIE,
    WALK_WORDS,
    WANTED_KEY,
    WHOLE_MASK,
    LarkContext,
    Trie,
)
from structgen.lark_grammars.machine.memo import class_lives, lives, recall, remember, same_mask, unit_of
from structgen.lark_grammars.machine.parser import begun, read, shifted
from structgen.lark_grammars.machine.records import has_byte, nodes_of, slots_of, tokens_of
from structgen.lark_grammars.machine.steps import node_ends, read_node
from structgen.machine_core.interning import ask, ask_room, find, intern
from structgen.machine_core.layout import ASKED, ENDED, FINISHED, LARGE
from structgen.machine_core.masks import memoise, write_mask
from structgen.native.bit_rows import set_bits, trailing_zeros
from structgen.native.jit import entry, jit
from structgen.native.typed_blocks import Int64s, skip
from structgen.tokens.trie_nodes import depth_of, end_of, slot_of

BOTH_PARTS = 2
"""Bytes behind which nothing is owed, and those behind which something is."""


# --- wanted first bytes -------------------------------------------------------------------------------------


@jit
def narrowed(c: LarkContext, wanted: int, one: Int64s, two: Int64s) -> int:
    """Return the number of the wanted bytes that are in two other sets as well; -1: none; ASKED."""
    have, row = c.wanted[wanted].bytes, c.work
    is_any = False
    for i in range(4):
        row.words[i] = have[i] & one[i] & two[i]
        is_any = is_any or row.words[i] != 0
    if not is_any:
        return -1
    row.words[4], row.words[5] = 0, -1
    found = intern(c, c.wanted, WANTED_KEY, row)
    return found if found >= 0 else ASKED


@jit
def wanted_row(c: LarkContext, wanted: int) -> int:
    """Return where the row of the tokens with wanted first bytes begins in `wanted_rows`, or ASKED."""
    one, words, table = c.wanted[wanted], c.vocabulary.mask_words, c.wanted_rows
    if one.row < 0:
        if table.count + words > table.capacity:
            ask_room(c, table, words)
            return ASKED
        other = c.wanted[one.bytes[1]].row if one.is_row else 0
        row = skip(table.numbers, table.count)
        for i in range(words):
            row[i] = table[one.bytes[0] + i] & table[other + i] if one.is_row else 0
        for byte in range(0 if one.is_row else 256):
            if has_byte(one.bytes, byte):
                first = c.by_first_at[byte]
                set_bits(row, skip(c.by_first, first), c.by_first_at[byte + 1] - first)
        one.row = table.count
        table.count = table.count + words
    return one.row


@jit
def of_row(c: LarkContext, wanted: int, at: int) -> int:
    """Return the number of the wanted tokens that are in a row of `wanted_rows` as well; or ASKED."""
    row = c.work
    if wanted != EVERY_BYTE and wanted_row(c, wanted) < 0:
        return ASKED
    row.words[0], row.words[1], row.words[2], row.words[3] = at, wanted, 0, 0
    row.words[4], row.words[5] = 1, at if wanted == EVERY_BYTE else -1
    found = intern(c, c.wanted, WANTED_KEY, row)
    return found if found >= 0 else ASKED


@jit
def add_row(c: LarkContext, row: int, wanted: int) -> int:
    """Add the wanted tokens of a row of the store to the mask. Returns 0, or ASKED."""
    words, mask = c.vocabulary.mask_words, c.mask
    dense = skip(c.dense_rows, words * row)
    if wanted == EVERY_BYTE:
        if c.base_row < 0:
            c.base_row = row
        for i in range(words):
            mask[i] = mask[i] | dense[i]
        return 0
    at = wanted_row(c, wanted)
    if at < 0:
        return ASKED
    only = skip(c.wanted_rows.numbers, at)
    for i in range(words):
        mask[i] = mask[i] | (dense[i] & only[i])
    return 0


@jit
def add_tokens(c: LarkContext, first: int, last: int, wanted: int) -> int:
    """Add the wanted ones of some tokens to the mask. Returns 0, or ASKED."""
    mask, one = c.mask, c.wanted[wanted]
    if wanted == EVERY_BYTE:
        set_bits(mask, skip(c.tokens.numbers, first), last - first)
        return 0
    at = wanted_row(c, wanted) if one.is_row else 0
    if at < 0:
        return ASKED
    only = skip(c.wanted_rows.numbers, at)
    for i in range(first, last):
        token = c.tokens[i]
        if (only[token >> 5] >> (token & 31)) & 1 if one.is_row else has_byte(one.bytes, c.first_byte[token]):
            mask[token >> 5] = mask[token >> 5] | (1 << (token & 31))
    return 0


# --- small tries are walked on the real stack ---------------------------------------------------------------


@jit
def walk(c: LarkContext, trie: Trie, place: int, state: int, column: int) -> int:
    """Append to `tokens` those of a trie that may come in a reading. Returns 0, ASKED, or FULL."""
    nodes, slots, ids, node = nodes_of(c, trie), slots_of(c, trie), tokens_of(c, trie), 0
    room, is_asked, listed = c.walks, False, c.tokens
    begin = listed.count
    room[0], room[1], room[2], room[3] = 1, place, state, column
    while node < trie.count:
        word = nodes[node]
        made = read_node(c, word)
        if made == FULL:
            return FULL
        is_asked = is_asked or made == ASKED
        if made <= 0:
            node = end_of(word)
            continue
        there, slot = skip(room, WALK_WORDS * depth_of(word)), slot_of(word)
        if slot:
            alive = 0
            for i in range(made):
                if alive != 1:
                    one = lives(c, there[1 + 3 * i], there[2 + 3 * i], there[3 + 3 * i])
                    alive = one if one != 0 else alive
            is_asked = is_asked or alive == ASKED
            if alive == 1:
                first, last = slots[slot - 1], slots[slot]
                if listed.count + last - first + 1 > listed.capacity:
                    ask_room(c, listed, listed.count + last - first + 1 - begin)  # they are taken back
                    return ASKED
                for i in range(first, last):
                    listed[listed.count] = ids[i]
                    listed.count = listed.count + 1
        node += 1
    return ASKED if is_asked else 0


@jit
def add_walked(c: LarkContext, number: int, place: int, state: int, column: int, wanted: int) -> int:
    """Add the wanted tokens of a small trie to the mask, walked once for all places that agree in what the
    walk reads. Returns 0, ASKED, or FULL."""
    unit = unit_of(c, number, state, column)
    if unit < 0:
        return ASKED
    known, listed = recall(c, unit, place), c.tokens
    if known < 0:
        low, parts, begin = c.low, c.parts, listed.count
        c.low, c.parts = NOTHING_READ, 0
        code = walk(c, c.tries[number], place, state, column)
        if code == 0 and listed.count == listed.capacity:
            ask_room(c, listed, 1 + listed.count - begin)
            code = ASKED
        if code == 0:
            listed[listed.count] = -1
            listed.count = listed.count + 1
            known = begin
            code = remember(c, unit, place, begin)
        c.low, c.parts = min(c.low, low), c.parts | parts
        if code != 0:
            listed.count = begin
            return code
    last = known
    while listed[last] >= 0:
        last += 1
    return add_tokens(c, known, last, wanted)


# --- a reading's mask ---------------------------------------------------------------------------------------


@jit
def put(pending: Int64s, count: int, place: int, state: int, column: int, trie: int, wanted: int) -> int:
    """Append work; return how much there is then."""
    one = skip(pending, PENDING_WORDS * count)
    one[0], one[1], one[2], one[3], one[4] = place, state, column, trie, wanted
    return count + 1


@jit
def fresh_column(c: LarkContext, state: int) -> int:
    """Return the column at the beginning of a lexeme."""
    return -1 if c.may_break[state] else 0


@jit
def put_next(c: LarkContext, count: int, place: int, state: int, column: int, wanted: int) -> int:
    """Append the lexemes that follow where this one ends before the first byte of a token; return how much
    work there is then; below 0: ASKED, or FULL."""
    is_asked = False
    for i in range(c.lexeme_end_at[2 * state], c.lexeme_end_at[2 * state + 1]):
        terminal, carry = c.lexeme_ends[2 * i], c.lexeme_ends[2 * i + 1]
        if c.carry_moves[carry * c.width] == UNASKED:
            ask(c, ASK_CARRY, carry, 0, 0)
            is_asked = True
            continue
        for part in range(BOTH_PARTS):
            less = narrowed(
                c, wanted, skip(c.carry_bytes, 8 * carry + 4 * part), skip(c.begin_bytes, 4 * terminal)
            )
            is_asked = is_asked or less == ASKED
            if less < 0:
                continue
            after = read(c, place, terminal, column)
            is_asked = is_asked or after == ASKED
            if after < 0:
                continue
            first = begun(c, after, carry if part else 0)
            is_asked = is_asked or first == ASKED
            if first >= 0:
                if count == MOST_PENDING:
                    return FULL
                count = put(c.pending, count, after, first, fresh_column(c, first), 0, less)
    return ASKED if is_asked else count


@jit
def collect(c: LarkContext, place: int, state: int, column: int) -> int:
    """Add the tokens of a reading to the mask. Returns 0, ASKED, or FULL."""
    pending, is_asked = c.pending, False
    count = put(pending, 0, place, state, column, 0, EVERY_BYTE)
    while count:
        count -= 1
        one = skip(pending, PENDING_WORDS * count)
        place, state, column, number, wanted = one[0], one[1], one[2], one[3], one[4]
        if number == 0 and wanted >= 0:
            more = put_next(c, count, place, state, column, wanted)
            if more == FULL:
                return FULL
            is_asked = is_asked or more < 0
            count = max(count, more)
        elif wanted < 0:  # the record of another state, which goes on as this one: its lexeme has not ended
            wanted = -1 - wanted
        if number > 0 and c.tries[number].count < SMALL_TRIE:
            code = add_walked(c, number, place, state, column, wanted)
            if code == FULL:
                return FULL
            is_asked = is_asked or code != 0
            continue
        row = c.work
        row.words[0], row.words[1] = number, state
        found = find(c.records, RECORD_KEY, row)
        if found < 0:
            ask(c, ASK_RECORD, number, state, 0)
            is_asked = True
            continue
        record = c.records[found]
        if record.like >= 0:
            less = of_row(c, wanted, record.like_row)
            is_asked = is_asked or less == ASKED
            if less >= 0:
                if count == MOST_PENDING:
                    return FULL
                count = put(pending, count, place, record.like, column, number, -1 - less)
        for i in range(record.groups, record.groups_end):
            group = c.groups[i]
            alive = class_lives(c, place, group.end_class, shifted(column, group.shift))
            is_asked = is_asked or alive == ASKED
            if alive == 1:
                if group.dense_row >= 0:
                    is_asked = add_row(c, group.dense_row, wanted) == ASKED or is_asked
                else:
                    is_asked = add_tokens(c, group.first, group.last, wanted) == ASKED or is_asked
        for i in range(record.leftovers, record.leftovers_end):
            left = c.leftovers[i]
            after = read(c, place, left.terminal, shifted(column, left.shift))
            is_asked = is_asked or after == ASKED
            if after < 0:
                continue
            first = begun(c, after, left.carry)
            is_asked = is_asked or first == ASKED
            if first >= 0:
                if count == MOST_PENDING:
                    return FULL
                count = put(pending, count, after, first, fresh_column(c, first), left.trie, wanted)
    return ASKED if is_asked else 0


# --- whole masks --------------------------------------------------------------------------------------------


@jit
def emit_mask(c: LarkContext) -> None:
    """Put the tokens of the mask that its base row does not have into the buffer."""
    mask, words, buffer, base, count = c.mask, c.vocabulary.mask_words, c.buffer, c.base_row, 0
    dense = skip(c.dense_rows, words * max(base, 0))
    for i in range(words):
        bits = numba.uint64(mask[i] & 0xFFFFFFFF)
        if base >= 0:
            bits &= ~numba.uint64(dense[i] & 0xFFFFFFFF)
        while bits:
            buffer[count] = 32 * i + numba.int64(trailing_zeros(bits))
            bits &= bits - numba.uint64(1)
            count += 1
    c.buffer_count = count


@entry("int64(int64, int64, int64)")
def compute(address: int, index: int, target: int) -> int:
    """Work out a state's mask, memoise it, and write it to `target` (0: nowhere). Returns 0; ASKED; FULL;
    ENDED after an end token; LARGE where the mask is too long for a list: it is then in `mask` alone."""
    c = LarkContext(address)
    node = c.nodes[index]
    if node.registers.mode == FINISHED:
        return ENDED
    c.low, c.parts, c.base_row, c.shared_count = NOTHING_READ, 0, -1, 0
    if same_mask(c, index):
        return write_mask(c, node, target)
    mask = c.mask
    for i in range(c.vocabulary.mask_words):
        mask[i] = 0
    c.low, c.parts = NOTHING_READ, 0
    at, is_asked = index, False
    while at >= 0:
        one = c.nodes[at].registers
        code = collect(c, one.place, one.lexeme, one.column)
        if code == FULL:
            return FULL
        is_asked = is_asked or code != 0
        at = one.others
    may_end = node_ends(c, node)
    if is_asked or may_end == ASKED:
        return ASKED
    if may_end:
        set_bits(mask, c.ends, c.end_count)
    emit_mask(c)
    code = LARGE
    if c.buffer_count < c.vocabulary.mask_words:
        code = memoise(c, node, c.base_row, target)
        if code == ASKED:
            ask_room(c, c.lists, c.buffer_count + 2)
    if (code == 0 or code == LARGE) and node.registers.others < 0:
        unit = unit_of(c, WHOLE_MASK, node.registers.lexeme, node.registers.column)
        if unit >= 0:
            remember(c, unit, node.registers.place, index)
    return code
