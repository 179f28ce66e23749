"""A trie walked through the machine: the vocabulary's own, and the small ones of what tokens leave over; and
the keys beside the list of those that are named and the set of those that were written.
"""

from __future__ import annotations

from structgen.json_machine.masks.bound_noting import note
from structgen.json_machine.steps.byte_step import step
from structgen.json_machine.steps.string_step import dumped, escapes_of, hexadecimal, short_escape
from structgen.json_machine.tables.json_blocks import (
    CAPTURE,
    ESCAPE_SHIFT,
    ESCAPES_ASCII,
    M_KEY,
    M_STRING,
    M_WORDS,
    NO_STATE,
    STATE_BITS,
    WHOLE_WALK,
    JsonContext,
    JsonState,
)
from structgen.json_machine.tables.lookups import FREE, ended, next_held, next_listed
from structgen.machine_core.layout import ASK, NO, VAGUE, YES
from structgen.machine_core.lexeme_layout import RANGE_WORDS, Leftover, LexemeContext
from structgen.machine_core.lexeme_records import nodes_of, slots_of, tokens_of
from structgen.machine_core.masks import emit
from structgen.native.jit import jit
from structgen.native.typed_blocks import Int32s, Int64s, copy_block, skip
from structgen.tokens.trie import MANY_TOKENS
from structgen.tokens.trie_nodes import byte_of, depth_of, end_of, slot_of


@jit
def emit_unmarked(c: JsonContext, ids: Int32s, first: int, last: int) -> None:
    """Add the token ids that are not marked in the special bitmap."""
    buffer, count, marks = c.buffer, c.buffer_count, c.marks
    for i in range(first, last):
        token = ids[i]
        if (marks[token >> 5] >> (token & 31)) & 1 == 0:
            buffer[count] = token
            count += 1
    c.buffer_count = count


@jit
def mark_below(c: JsonContext, node: int) -> None:
    """Mark the tokens at a node and below it, until `unmark`."""
    marks, count = c.marks, c.marked_count
    marked = skip(marks, c.vocabulary.mask_words)
    starts, ids = c.vocabulary.slot_start, c.vocabulary.slot_ids
    before, end = c.vocabulary.slots_before, (c.vocabulary.trie[node] >> 40) & 0xFFFFFF
    for i in range(starts[before[node]], starts[before[end]]):
        token = ids[i]
        word = marks[token >> 5]
        if (word >> (token & 31)) & 1 == 0:
            marks[token >> 5] = word | (1 << (token & 31))
            marked[count] = token
            count += 1
    c.marked_count = count


@jit
def unmark(c: JsonContext) -> None:
    """Take all marks away: they are few, and the bitmap is not."""
    marks = c.marks
    marked = skip(marks, c.vocabulary.mask_words)
    for i in range(c.marked_count):
        marks[marked[i] >> 5] = 0
    c.marked_count = 0


@jit
def escape_next(c: JsonContext, s: JsonState, byte: int) -> int:
    """Return the smallest byte from `byte` on that may come inside the escape being written, or 256."""
    escape = (s.lexeme >> ESCAPE_SHIFT) & 15
    if escape == 6 or escape == 7:
        return byte
    while byte < 128 and (
        (short_escape(byte) < 0 and byte != 117) if escape == 1 else hexadecimal(byte, False) < 0
    ):
        byte += 1
    return byte if byte < 128 else 256


@jit
def escapable(c: JsonContext, s: JsonState, words: int, place: int) -> bool:
    """Return whether a listed word may go on with a character that is written as an escape."""
    policy = escapes_of(c, s)
    if not dumped(policy):
        return True
    if next_listed(c, words, place, 0) < 32 or next_listed(c, words, place, 34) == 34:
        return True
    if policy == ESCAPES_ASCII and next_listed(c, words, place, 127) < 256:
        return True
    return next_listed(c, words, place, 92) == 92


@jit
def with_quote(byte: int, expected: int, escapes: bool) -> int:
    """Return the first of a byte expected, a quote, and a backslash if one may come, from `byte` on."""
    after = expected
    if byte <= 92 and 92 < after and escapes:
        after = 92
    if byte <= 34 and 34 < after:
        after = 34
    return after


@jit
def defer_tokens(c: JsonContext, ids: Int32s, first: int, last: int) -> None:
    """Note tokens that are to be tried one by one."""
    deferred, count = c.deferred, c.deferred_count
    for i in range(first, last):
        deferred[count] = ids[i]
        count += 1
    c.deferred_count = count


@jit
def defer(c: JsonContext, trie: Int64s, first: int, last: int, starts: Int32s, ids: Int32s) -> None:
    """Note the tokens of some nodes of a trie as those that are to be tried one by one."""
    for i in range(first, last):
        slot = slot_of(trie[i])
        if slot > 0:
            defer_tokens(c, ids, starts[slot - 1], starts[slot])


@jit
def defer_below(c: JsonContext, node: int) -> None:
    """Note the tokens at a node of the vocabulary and below it as those that are to be tried one by one."""
    starts, before = c.vocabulary.slot_start, c.vocabulary.slots_before
    end = (c.vocabulary.trie[node] >> 40) & 0xFFFFFF
    first, last = starts[before[node]], starts[before[end]]
    defer_tokens(c, c.vocabulary.slot_ids, first, last)


@jit
def following(c: JsonContext, s: JsonState, byte: int) -> int:
    """Return -1 where a byte may come, as far as mode and word lists tell at a glance, else the next byte
    that may, or 256: most children of most nodes are told apart so, for two loads and a branch."""
    mode = s.mode
    if mode == M_STRING:
        return -1
    if mode == M_KEY or mode == M_WORDS:
        lex = s.lexeme
        if lex & STATE_BITS != (NO_STATE if mode == M_KEY else 0):
            return -1
        if lex >> ESCAPE_SHIFT != 0:
            after = escape_next(c, s, byte)
            return -1 if after == byte else after
        if byte == 34:
            return -1
        if mode == M_KEY:
            words = c.residues[s.residue].words
        else:
            words = c.string_specs[s.residue].start
        place = s.position
        escapes = byte <= 92 and escapable(c, s, words, place)
        after = with_quote(byte, next_listed(c, words, place, byte), escapes)
        return -1 if after == byte else after
    return c.next_byte[(mode << 8) | byte]


@jit
def unchanged(c: JsonContext, s: JsonState, byte: int) -> bool:
    """Return whether a byte surely leaves the registers as they are: a plain character of a string that may
    be any, or of a key that may be any and agrees with none of the list; most of what follows white space."""
    if byte < 32 or byte > 126 or byte == 34 or byte == 92 or s.lexeme != FREE:
        return False
    if s.text & CAPTURE != 0:
        return False
    mode = s.mode
    if mode == M_STRING:
        spec = c.string_specs[s.residue]
        return spec.most < 0 and s.position >= spec.least
    return mode == M_KEY and s.position < 0 and s.seen <= 0 and c.precise == 0


@jit
def walk(c: JsonContext, holder: LexemeContext, left: Leftover, vague: bool, unmarked: bool) -> bool:
    """Collect what tokens leave over behind a terminal and lives: from the registers in scratch block 0, or,
    where their first byte closes the terminal, in block 1. `vague`: all are to be tried one by one. Returns
    whether something had to be asked."""
    scratch, trie = c.scratch, holder.tries[left.trie]
    nodes, starts, ids = nodes_of(holder, trie), slots_of(holder, trie), tokens_of(holder, trie)
    asked = False
    for part in range(trie.range_count):
        one = skip(holder.ranges.numbers, trie.ranges + RANGE_WORDS * part)
        i, last, base = one[0], one[1], one[2]
        if vague:
            defer(c, nodes, i, last, starts, ids)
            continue
        while i < last:
            node = nodes[i]
            byte, depth, slot = byte_of(node), depth_of(node) - base, slot_of(node)
            s, code = scratch[depth - 1], YES
            if depth > left.shift:
                if unchanged(c, s, byte):
                    copy_block(s, skip(s, 1))
                elif following(c, s, byte) >= 0:
                    code = NO
                else:
                    code = step(c, s, skip(s, 1), byte)
            if code != YES:
                asked = asked or code == ASK
                if code == VAGUE:
                    defer(c, nodes, i, end_of(node), starts, ids)
                i = end_of(node)
                continue
            if slot > 0:
                if depth > left.shift:
                    note(c, skip(s, 1))
                if unmarked:
                    emit_unmarked(c, ids, starts[slot - 1], starts[slot])
                else:
                    emit(c, ids, starts[slot - 1], starts[slot])
            i += 1
    return asked


@jit
def emit_at(c: JsonContext, node: int) -> None:
    """Add the tokens that end at a node of the vocabulary."""
    slot = slot_of(c.vocabulary.trie[node])
    if slot > 0:
        emit(c, c.vocabulary.slot_ids, c.vocabulary.slot_start[slot - 1], c.vocabulary.slot_start[slot])


@jit
def child_from(c: JsonContext, first: int, last: int, byte: int) -> int:
    """Return the first of the children records first..last-1 with this byte or a later one, or `last`."""
    records = c.vocabulary.children
    while first < last:
        middle = (first + last) >> 1
        if records[2 * middle] & 255 < byte:
            first = middle + 1
        else:
            last = middle
    return first


@jit
def emit_token(c: JsonContext, s: JsonState, ids_of: Int32s, word: int, token: int) -> None:
    """Add the tokens that end at a node, given its word and its record's token; they lead to registers."""
    if token >= 0:
        note(c, s)
        count = c.buffer_count
        c.buffer[count] = token
        c.buffer_count = count + 1
    elif token == MANY_TOKENS:
        slot, starts = (word >> 20) & 0xFFFFF, c.vocabulary.slot_start
        note(c, s)
        emit(c, ids_of, starts[slot - 1], starts[slot])


@jit
def open_children(c: JsonContext, node: int, depth: int) -> None:
    """Put the walk's place at a depth before the first child of a node."""
    starts = c.vocabulary.child_start
    places(c)[depth] = (starts[node] << 32) | starts[node + 1]


@jit
def places(c: JsonContext) -> Int64s:
    """Return the address of the walk's places: for each depth, the next record and the one after the last."""
    return skip(c.room, 3 * 4096)


@jit
def walk_below(c: JsonContext, depth: int) -> bool:
    """Collect the tokens below the place that was opened at a depth (1: the root's children) that live from
    the registers in the scratch block of that depth less one. Returns whether something had to be asked.

    Children that cannot come are not hopped over one by one (each hop is a cache line):
    the next that may is looked up.
    """
    scratch, records, ids = c.scratch, c.vocabulary.children, c.vocabulary.slot_ids
    place = places(c)
    asked = False
    steps = c.steps
    top = depth
    while depth >= top:
        at, last = place[depth] >> 32, place[depth] & 0xFFFFFFFF
        s = scratch[depth - 1]
        deeper = False
        while at < last:
            word, more = records[2 * at], records[2 * at + 1]
            byte = word & 255
            after = following(c, s, byte)
            if after >= 0:
                at = child_from(c, at + 1, last, after)
                continue
            at += 1
            steps += 1
            code = step(c, s, skip(s, 1), byte)
            if code != YES:
                asked = asked or code == ASK
                if code == VAGUE:
                    defer_below(c, more & 0xFFFFFFFF)
                continue
            emit_token(c, skip(s, 1), ids, word, more >> 32)
            node = more & 0xFFFFFFFF
            if (word >> 40) & 0xFFFFFF > node + 1:
                place[depth] = (at << 32) | last
                depth += 1
                open_children(c, node, depth)
                deeper = True
                break
        if not deeper:
            depth -= 1
    c.steps = steps
    return asked


@jit
def walk_root(c: JsonContext, byte: int) -> bool:
    """Collect the tokens that begin with a byte and live from the registers in scratch block 0.
    Returns whether something had to be asked."""
    starts, count = c.vocabulary.child_start, c.vocabulary.trie_count
    at = child_from(c, starts[count], starts[count + 1], byte)
    places(c)[1] = (at << 32) | (at + 1)
    return walk_below(c, 1)


@jit
def listed_next(c: JsonContext, s: JsonState, byte: int) -> int:
    """Return the smallest byte from `byte` on with which a key may agree with one that is named or was
    written, or close, or begin an escape; or 256."""
    if s.lexeme >> ESCAPE_SHIFT != 0:
        return escape_next(c, s, byte)
    found, escapes = 256, False
    if s.mode == M_STRING:
        words = c.string_specs[s.residue].words
        found = next_listed(c, words, s.seen, byte)
        return with_quote(byte, found, byte <= 92 and escapable(c, s, words, s.seen))
    if s.position >= 0:
        words = c.residues[s.residue].words
        found = next_listed(c, words, s.position, byte)
        escapes = byte <= 92 and escapable(c, s, words, s.position)
    if s.seen > 0:
        found = min(found, next_held(c, s.seen, byte))
        escapes = True
    return with_quote(byte, found, escapes)


@jit
def is_listed(c: JsonContext, s: JsonState) -> bool:
    """Return whether a key, as far as it is written, is one that is named or was written."""
    place, seen = s.position, s.seen
    if s.mode == M_STRING:
        words = c.string_specs[s.residue].words
        return ended(c, words, seen) >= 0
    if seen > 0 and c.sets[seen].member == 1:
        return True
    words = c.residues[s.residue].words
    return place >= 0 and ended(c, words, place) >= 0


@jit
def excluded(c: JsonContext, s: JsonState, byte: int) -> bool:
    """Return whether a string's byte that was refused is refused for the sake of the list alone: then what
    the terminal says of the tokens inside is too much."""
    free, after = c.work.spare[6], c.work.spare[7]
    copy_block(s, free)
    free.seen = 0
    return step(c, free, after, byte) != NO


@jit
def walk_listed(c: JsonContext, d: JsonState, node: int, base: int) -> bool:
    """Collect the tokens of a key that depend on which keys are named or were written, and mark those that
    close one; of the tokens below a node (the root is the node after the last), which stands for their first
    `base` bytes, before the key's text.

    An extra key may come from here, so what stays inside the key, and closes it under a key that is in no
    list, is the business of the terminal; here only the paths that still agree with a listed key are walked.
    """
    scratch, records, ids = c.scratch, c.vocabulary.children, c.vocabulary.slot_ids
    place = places(c)
    copy_block(d, scratch[base])
    asked = False
    depth = base + 1
    open_children(c, node, depth)
    while depth > base:
        at, last = place[depth] >> 32, place[depth] & 0xFFFFFFFF
        s = scratch[depth - 1]
        escape = (s.lexeme >> ESCAPE_SHIFT) & 15
        deeper, expected = False, -1
        while at < last:
            word, more = records[2 * at], records[2 * at + 1]
            byte, child = word & 255, more & 0xFFFFFFFF
            if byte != expected:
                expected = listed_next(c, s, byte)
                if expected != byte:
                    at = child_from(c, at + 1, last, expected)
                    continue
            at += 1
            closes = byte == 34 and (escape == 0 or escape == 6)
            if closes and escape == 0 and not is_listed(c, s):
                continue
            code = step(c, s, skip(s, 1), byte)
            if code == ASK:
                asked = True
            if closes:
                mark_below(c, child)
            if code == VAGUE:
                defer_below(c, child)
            if code == NO and not closes and s.mode == M_STRING and excluded(c, s, byte):
                c.blurred = max(c.blurred, WHOLE_WALK)
            if code != YES:
                continue
            if closes or skip(s, 1).lexeme & STATE_BITS == NO_STATE:
                emit_token(c, skip(s, 1), ids, word, more >> 32)
                open_children(c, child, depth + 1)
                if walk_below(c, depth + 1):
                    asked = True
                continue
            if skip(s, 1).lexeme >> ESCAPE_SHIFT != 0:
                # it may be that a listed key alone completes the escape
                emit_token(c, skip(s, 1), ids, word, more >> 32)
            if skip(s, 1).seen <= 0 and (s.mode == M_STRING or skip(s, 1).position < 0):
                continue
            place[depth] = (at << 32) | last
            depth += 1
            open_children(c, child, depth)
            deeper = True
            break
        if not deeper:
            depth -= 1
    return asked
