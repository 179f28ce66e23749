"""Masks in compiled code: the tokens after which some text goes on, collected from records.

A *reading* is one way to read the text so far: a *place* (a state of the parser), a state of the lexer, and a
column where indentation counts. A *filter* is a set of tokens, mostly by their first bytes; the tokens in it
are *wanted*. A *record* lists what the tokens of a trie do in a state of the lexer (`lexeme_records`): its
groups stay inside the lexeme, its leftovers end it.

`collect_tokens` works off a queue of readings (`Pending`), each with a trie and a filter. A token that ends
the lexeme before its first byte belongs to the next lexeme, under a narrower filter. The bytes that tokens
have after the end of a lexeme are a trie, which is read at the place after the lexeme: by a record, or, where
the trie is small, by the grammar's own walk (`Hooks.walk`).
"""

from __future__ import annotations

from structgen.base.native.bit_rows import set_bits
from structgen.base.native.jit import jit
from structgen.base.native.raw_memory import call2, call3, call4
from structgen.base.native.typed_blocks import Int32s, Int64s, address_of_block, skip
from structgen.machines.machine_core.interning import (
    ask_room,
    find_row,
    hash_words,
    intern_row,
    note_question,
)
from structgen.machines.machine_core.layout import ASKED
from structgen.machines.machine_core.lexeme_layout import (
    ASK_CARRY,
    ASK_RECORD,
    BOTH_PARTS,
    EVERY_BYTE,
    FILTER_KEY,
    FULL,
    MOST_PENDING,
    PENDING_KEY,
    RECORD_KEY,
    SEEN_SHIFT,
    SEEN_SLOTS,
    SMALL_TRIE,
    UNASKED,
    LexemeContext,
)
from structgen.machines.machine_core.lexeme_records import has_byte, small_record, take_below
from structgen.machines.machine_core.masks import emit_bits

# --- wanted first bytes -------------------------------------------------------------------------------------


@jit
def intersect_filter(c: LexemeContext, byte_filter: int, first: Int64s, second: Int64s) -> int:
    """Return the number of the filter of the bytes that are in a filter and in two other sets.

    `first` and `second`: the other sets, each of 256 bits (`has_byte`). -1: no byte is in all of them. ASKED:
    room was asked for.
    """
    own_bytes = c.byte_filters[byte_filter].bytes
    row = c.work
    is_any = False
    for i in range(4):
        row.words[i] = own_bytes[i] & first[i] & second[i]
        is_any = is_any or row.words[i] != 0
    if not is_any:
        return -1
    # a `ByteFilter`: a set of bytes, whose row of tokens is not made
    row.words[4] = 0
    row.words[5] = -1
    number = intern_row(c, c.byte_filters, FILTER_KEY, row)
    return number if number >= 0 else ASKED


@jit
def filter_row(c: LexemeContext, byte_filter: int) -> int:
    """Return the place in `filter_rows` of a filter's tokens, as a row of bits; it is made at the first call.

    ASKED: room was asked for.
    """
    own_filter = c.byte_filters[byte_filter]
    v = c.vocabulary
    table = c.filter_rows
    words = v.mask_words
    if own_filter.row < 0:
        if table.count + words > table.capacity:
            ask_room(c, table, words)
            return ASKED
        # A filter that is a row is the intersection of two rows: of its own, and of that of another filter,
        # which `of_row` has made before. The row of a set of bytes has all tokens that begin with them.
        row_before = c.byte_filters[own_filter.bytes[1]].row if own_filter.is_row else 0
        row = skip(table.numbers, table.count)
        for i in range(words):
            row[i] = table[own_filter.bytes[0] + i] & table[row_before + i] if own_filter.is_row else 0
        for byte in range(0 if own_filter.is_row else 256):
            node = v.first[byte]
            if node >= 0 and has_byte(own_filter.bytes, byte):
                take_below(v.trie, v.slot_start, v.slot_ids, node, row)
        own_filter.row = table.count
        table.count = table.count + words
    return own_filter.row


@jit
def of_row(c: LexemeContext, byte_filter: int, at: int) -> int:
    """Return the number of the filter of the tokens that are in a filter and in a row; or ASKED.

    `at`: the place of the row in `filter_rows`.
    """
    row = c.work
    if byte_filter != EVERY_BYTE and filter_row(c, byte_filter) < 0:
        return ASKED
    # a `ByteFilter` that is a row; under every byte its row is there already
    row.words[0] = at
    row.words[1] = byte_filter
    row.words[2] = 0
    row.words[3] = 0
    row.words[4] = 1
    row.words[5] = at if byte_filter == EVERY_BYTE else -1
    number = intern_row(c, c.byte_filters, FILTER_KEY, row)
    return number if number >= 0 else ASKED


@jit
def add_row(c: LexemeContext, row: int, byte_filter: int) -> int:
    """Add the wanted tokens of a row of the mask store to the mask. Returns 0, or ASKED."""
    words, mask = c.vocabulary.mask_words, c.mask
    dense = skip(c.dense_rows, words * row)
    if byte_filter == EVERY_BYTE:
        if c.base_row < 0:
            c.base_row = row  # the mask refers to the first of them, and lists only the other tokens
        for i in range(words):
            mask[i] = mask[i] | dense[i]
        return 0
    at = filter_row(c, byte_filter)
    if at < 0:
        return ASKED
    filter_bits = skip(c.filter_rows.numbers, at)
    for i in range(words):
        mask[i] = mask[i] | (dense[i] & filter_bits[i])
    return 0


@jit
def add_tokens(c: LexemeContext, first: int, last: int, byte_filter: int) -> int:
    """Add the wanted tokens of `c.tokens[first:last]` to the mask; under `EVERY_BYTE` all are wanted.

    Returns 0, or ASKED.
    """
    mask = c.mask
    own_filter = c.byte_filters[byte_filter]
    v = c.vocabulary
    if byte_filter == EVERY_BYTE:
        set_bits(mask, skip(c.tokens.numbers, first), last - first)
        return 0
    at = filter_row(c, byte_filter) if own_filter.is_row else 0
    if at < 0:
        return ASKED
    filter_bits = skip(c.filter_rows.numbers, at)
    for i in range(first, last):
        token = c.tokens[i]
        if own_filter.is_row:
            is_wanted = (filter_bits[token >> 5] >> (token & 31)) & 1 != 0
        else:
            is_wanted = has_byte(own_filter.bytes, v.token_data[v.token_offset[token]])
        if is_wanted:
            mask[token >> 5] = mask[token >> 5] | (1 << (token & 31))
    return 0


# --- a reading's mask ---------------------------------------------------------------------------------------


@jit
def shift_column(column: int, shift: int) -> int:
    """Return the column after bytes with a shift (`lexeme_records.shift_after`). -1: there is no column."""
    if shift < 0:
        return -1 - shift  # The bytes have a newline, so the column before them does not matter.
    return column + shift if column >= 0 else column


@jit
def put_work(
    c: LexemeContext, count: int, place: int, state: int, column: int, trie: int, byte_filter: int
) -> int:
    """Append a reading to the queue, unless this mask has met it; return the new length, or FULL.

    `count`: the length of the queue. The other parameters are the fields of `Pending`. For example,
    `put_work(c, 0, place, state, -1, 0, EVERY_BYTE)` begins with all tokens of the vocabulary (trie 0).
    """
    if count == MOST_PENDING:
        return FULL
    new = c.pending[count]
    stamp = c.scan.masks
    new.place = place
    new.lexeme = state
    new.column = column
    new.trie = trie
    new.byte_filter = byte_filter
    at = hash_words(Int64s(address_of_block(new)), PENDING_KEY) & (SEEN_SLOTS - 1)
    # A slot with the number of another mask counts as empty, so that no mask has to clear the slots.
    while c.work_hashes[at] >> SEEN_SHIFT == stamp:
        same_hash = c.pending[c.work_hashes[at] & (MOST_PENDING - 1)]
        if (
            same_hash.place == place
            and same_hash.lexeme == state
            and same_hash.column == column
            and same_hash.trie == trie
            and same_hash.byte_filter == byte_filter
        ):
            return count
        at = (at + 1) & (SEEN_SLOTS - 1)
    c.work_hashes[at] = (stamp << SEEN_SHIFT) | count
    return count + 1


@jit
def put_behind(
    c: LexemeContext,
    count: int,
    place: int,
    terminal: int,
    carry: int,
    column: int,
    trie: int,
    byte_filter: int,
) -> int:
    """Append the reading after a lexeme that ends as a terminal; return the new length of the queue.

    Where the parser refuses the terminal nothing is appended. ASKED or FULL may be returned instead. `count`:
    the length of the queue. `place` and `column`: those before the lexeme that ends. `carry`: its condition
    on the next lexeme. `trie`, `byte_filter`: the tokens that the next lexeme reads, as in `Pending`.
    """
    address = address_of_block(c)
    after = call4(c.hooks.read_bytes, address, place, terminal, column)
    first = call3(c.hooks.begin_lexeme, address, after, carry) if after >= 0 else after
    if first < 0:
        return ASKED if first == ASKED else count
    # A lexeme that may be the indenter's newline has no column until its line break.
    new_column = -1 if c.newline >= 0 and c.may_break[first] else 0
    return put_work(c, count, after, first, new_column, trie, byte_filter)


@jit
def put_next(c: LexemeContext, count: int, place: int, state: int, column: int, byte_filter: int) -> int:
    """Append the readings after a lexeme that ends before the first byte of the tokens.

    Returns the new length of the queue; below 0: ASKED, or FULL. `count`: the length of the queue. The other
    parameters are the fields of the `Pending` whose lexeme ends.
    """
    is_asked = False
    for i in range(c.lexeme_end_at[2 * state], c.lexeme_end_at[2 * state + 1]):
        terminal, carry = c.lexeme_ends[2 * i], c.lexeme_ends[2 * i + 1]
        if c.carry_moves[carry * c.width] == UNASKED:
            note_question(c, ASK_CARRY, carry, 0, 0)
            is_asked = True
            continue
        # first the bytes after which nothing is owed, then those after which the carry is
        for part in range(BOTH_PARTS):
            carry_bytes = skip(c.carry_bytes, 8 * carry + 4 * part)
            begin_bytes = skip(c.begin_bytes, 4 * terminal)
            narrower = intersect_filter(c, byte_filter, carry_bytes, begin_bytes)
            is_asked = is_asked or narrower == ASKED
            if narrower < 0:
                continue
            new_count = put_behind(c, count, place, terminal, carry if part else 0, column, 0, narrower)
            if new_count == FULL:
                return FULL
            is_asked = is_asked or new_count == ASKED
            count = max(count, new_count)
    return ASKED if is_asked else count


@jit
def add_groups(c: LexemeContext, place: int, column: int, first: int, last: int, byte_filter: int) -> bool:
    """Add the wanted tokens of the groups `first` to before `last` after which some text goes on.

    Returns whether all is known; else questions were noted. `place`, `column`: those before the lexeme, as in
    `Pending`.
    """
    is_known = True
    for i in range(first, last):
        group = c.groups[i]
        alive = 1
        if c.hooks.lives:
            # One answer of the parser decides for all tokens of the group.
            at = shift_column(column, group.shift)
            alive = call4(c.hooks.lives, address_of_block(c), place, group.end_class, at)
        is_known = is_known and alive != ASKED
        # After a question the walk goes on: so all questions of a mask are noted at once.
        if alive == 1:
            if group.dense_row >= 0:
                is_known = add_row(c, group.dense_row, byte_filter) != ASKED and is_known
            else:
                is_known = add_tokens(c, group.first, group.last, byte_filter) != ASKED and is_known
    return is_known


@jit
def find_record(c: LexemeContext, number: int, state: int) -> int:
    """Return the number of the record of a trie, by its number, in a state; or ASKED, or FULL.

    The record of a small trie is made here. Any other record that is missing is asked for.
    """
    row = c.work
    row.words[0], row.words[1] = number, state  # the key of a `LexemeRecord`
    record_number = find_row(c.records, RECORD_KEY, row)
    if record_number >= 0:
        return record_number
    if number > 0 and c.tries[number].count < SMALL_TRIE:
        return small_record(c, number, state)
    note_question(c, ASK_RECORD, number, state, 0)
    return ASKED


@jit
def collect_tokens(c: LexemeContext, place: int, state: int, column: int) -> int:
    """Add all tokens to the mask after which some text goes on from a reading. Returns 0, ASKED, or FULL.

    For example, `collect_tokens(c, place, state, -1)` is called for a lexeme whose column does not matter.
    """
    is_asked = False
    has_ends = address_of_block(c.lexeme_end_at) != 0
    done = c.scan.pending
    count = put_work(c, done, place, state, column, 0, EVERY_BYTE)
    # The queue grows while it is worked off. After a question the work goes on: the call is made again, and
    # finds all answers.
    while done < count:
        work = c.pending[done]
        done += 1
        place = work.place
        state = work.lexeme
        column = work.column
        number = work.trie
        byte_filter = work.byte_filter
        if has_ends and number == 0 and byte_filter >= 0:
            new_count = put_next(c, count, place, state, column, byte_filter)
            if new_count == FULL:
                return FULL
            is_asked = is_asked or new_count < 0
            count = max(count, new_count)
        elif byte_filter < 0:
            # This reading is only used for the record of a state like another one: its lexeme has not ended.
            byte_filter = -1 - byte_filter
        if c.hooks.walk and number > 0 and c.tries[number].count < SMALL_TRIE:
            code = call2(c.hooks.walk, address_of_block(c), address_of_block(work))
            if code == FULL:
                return FULL
            is_asked = is_asked or code != 0
            continue
        record_number = find_record(c, number, state)
        if record_number == FULL:
            return FULL
        if record_number < 0:
            is_asked = True
            continue
        record = c.records[record_number]
        if record.like >= 0:
            # The other tokens are in the record of a state that treats them alike.
            narrower = of_row(c, byte_filter, record.like_row)
            is_asked = is_asked or narrower == ASKED
            if narrower >= 0:
                count = put_work(c, count, place, record.like, column, number, -1 - narrower)
        is_asked = not add_groups(c, place, column, record.groups, record.groups_end, byte_filter) or is_asked
        for i in range(record.leftovers, record.leftovers_end):
            leftover = c.leftovers[i]
            at = shift_column(column, leftover.shift)
            new_count = put_behind(
                c, count, place, leftover.terminal, leftover.carry, at, leftover.trie, byte_filter
            )
            is_asked = is_asked or new_count == ASKED
            if new_count == FULL or count == FULL:
                return FULL
            count = max(count, new_count)
        if count == FULL:
            return FULL
    c.scan.pending = done
    return ASKED if is_asked else 0


# --- whole masks --------------------------------------------------------------------------------------------


@jit
def begin_mask(c: LexemeContext) -> None:
    """Begin a mask: it has no tokens yet."""
    c.base_row = -1
    c.scan.pending = 0
    c.scan.masks = c.scan.masks + 1  # makes all slots of `work_hashes` empty
    for i in range(c.vocabulary.mask_words):
        c.mask[i] = 0


@jit
def emit_mask(c: LexemeContext) -> None:
    """Put the mask's tokens into the buffer, without those of the dense row to which the mask refers."""
    c.buffer_count = 0
    base = Int32s(0)
    if c.base_row >= 0:
        base = skip(c.dense_rows, c.vocabulary.mask_words * c.base_row)
    emit_bits(c, c.mask, base)
