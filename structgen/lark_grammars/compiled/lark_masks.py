"""Masks and states of a compiled Lark grammar: the entry points that Python calls.

A mask is computed from records (`LexemeRecord`). A record has the effect of each token in a lexeme state,
independent of the parser:

- tokens that stay inside the lexeme, grouped by the endings of the state after them, so that one look at the
place
  decides a whole group;
- tokens that end the lexeme as some terminal and continue after it: a small trie of these continuations for
each
  terminal (`Leftover`);
- other *crossings*: nodes of the vocabulary's trie from which tokens are followed on the real stack.

These are M0 and M1 of SynCode (S. Ugare et al., 2024), made exact, for the states that texts reach. A record
covers the tokens whose first byte belongs to the lexeme. The other tokens belong to the next lexeme, and are
looked up there (`Level`).
"""

from __future__ import annotations

import numba

from structgen.lark_grammars.compiled.lark_step import (
    ask,
    between_lexemes,
    inspect_also,
    inspect_nothing,
    move_of,
    place_number,
    push,
    put_state,
    read_terminal,
    state_number,
    step,
)
from structgen.lark_grammars.compiled.live_texts import ends_well, live, may_end
from structgen.lark_grammars.compiled.mask_fragments import (
    emit_wanted,
    find_fragment,
    forget_liveness,
    keep_fragment,
    live_here,
    pooled,
    put_fragment,
    size_of,
    walk,
    walk_below,
    walk_fragment,
)
from structgen.lark_grammars.compiled.registers import (
    AS_ROW,
    CROSSING_WORDS,
    FEW_NODES,
    FRAGMENT_COUNT_AT,
    FRAGMENT_KINDS,
    FRAGMENT_LEAF,
    FRAGMENT_NEVER,
    KEPT,
    KIND_BITS,
    LARGE_TRIE,
    MOST_LEVELS,
    MOST_NOTED,
    MOST_PAIRS,
    MOST_ROWS,
    MOVE_BEFORE,
    MOVE_DEAD,
    MOVE_OLD,
    NO_BASE,
    PAIR_AT,
    PAIR_CROSSING_WORDS,
    Q_PAIR,
    Q_RECORD,
    READING,
    TERMINAL_BITS,
    TERMINAL_SHIFT,
    LarkContext,
    LarkState,
    Leftover,
    LeftoverTrie,
    LexemeRecord,
    TokenGroup,
)
from structgen.machine_core.draft_nodes import (
    Batch,
    is_end,
    job_at,
    settle_place,
    state_above,
    state_or_left,
    token_of,
)
from structgen.machine_core.interning import find, intern
from structgen.machine_core.layout import ASK, ASKED, FINISHED, NO, REFUSED, UNKNOWN_FREE, VAGUE, YES
from structgen.machine_core.masks import emit, remember
from structgen.native.jit import entry, jit
from structgen.native.typed_blocks import Bytes, Int32s, Int64s, address_of_block, copy_block, skip
from structgen.tokens.trie_nodes import byte_of, depth_of, end_of


@jit
def collect_row(c: LarkContext, row: int, firsts: Bytes, wanted: Bytes) -> None:
    """Add the tokens of a dense row with wanted first bytes to the mask. The row is stored as its number and
    these bytes."""
    collected = c.tables.collected
    count = collected.count
    entry = collected.rows[count]
    entry.row = row
    some = False
    for word in range(4):
        there = numba.uint64(0)
        for bit in range(64):
            byte = 64 * word + bit
            if firsts[byte] != 0 and wanted[byte] != 0:
                there |= numba.uint64(1) << numba.uint64(bit)
        some = some or there != 0
        entry.first_bytes[word] = numba.int64(there)
    if some:
        collected.count = count + 1


@jit
def moved(column: int, shift: int) -> int:
    """Return a column after bytes with the effect `shift`."""
    if shift < 0:
        return -1 - shift
    return column + shift if column >= 0 else column


@jit
def read_singly(c: LarkContext, d: LarkState, tokens: Int32s, count: int, wanted: Bytes) -> bool:
    """Collect the allowed tokens of a list in a state. Returns whether a question was noted."""
    firsts, offsets = c.tables.first_bytes, c.vocabulary.token_offset
    data, scratch, asked = c.vocabulary.token_data, c.scratch, False
    for i in range(count):
        token = tokens[i]
        if wanted[firsts[token]] == 0:
            continue
        s, code = d, YES
        begin = offsets[token]
        for at in range(begin, offsets[token + 1]):
            after = scratch[(at - begin) & 1]
            code = step(c, s, after, data[at])
            if code != YES:
                break
            s = after
        if code == YES:
            code = live_here(c, s)
        if code == YES:
            emit(c, tokens, i, i + 1)
        elif code == VAGUE:
            deferred = c.deferred_count
            c.deferred[deferred] = token
            c.deferred_count = deferred + 1
        asked = asked or code == ASK
    return asked


@jit
def has_wanted(c: LarkContext, group: TokenGroup, wanted: Bytes) -> bool:
    """Return whether some token of a group has a wanted first byte."""
    tokens, starts, count = group.tokens, group.starts, group.count
    firsts = c.tables.first_bytes
    if address_of_block(starts) == 0:
        for i in range(count):
            if wanted[firsts[tokens[i]]] != 0:
                return True
        return False
    for byte in range(256):
        if wanted[byte] != 0:
            if count == AS_ROW:
                some = Bytes(address_of_block(starts))[byte]
            else:
                some = starts[byte + 1] - starts[byte]
            if some != 0:
                return True
    return False


@jit
def use_groups(c: LarkContext, d: LarkState, record: LexemeRecord, wanted: Bytes, root: LarkState) -> int:
    """Collect the tokens that stay inside the lexeme.

    Tokens of a group without a proof are read one by one from `root`, the state before their first bytes.
    Returns YES, ASK, or VAGUE if such a group is a dense row, or the mask has too many dense rows.
    """
    result, vague = YES, False
    for i in range(record.group_count):
        group = record.groups[i]
        tokens, starts, count = group.tokens, group.starts, group.count
        # if a group is not proved, nothing is asked for tokens with unwanted first bytes
        if vague and not has_wanted(c, group, wanted):
            continue
        code = ends_well(c, d, 1, group.endings)
        vague = vague or code == VAGUE
        if code == VAGUE and count == AS_ROW:
            return VAGUE
        if code == VAGUE and read_singly(c, root, tokens, count, wanted):
            code = ASK
        if code == ASK:
            result = ASK
        elif code == YES and count == AS_ROW:
            if c.tables.collected.count == MOST_ROWS:
                return VAGUE
            collect_row(c, address_of_block(tokens), Bytes(address_of_block(starts)), wanted)
        elif code == YES and address_of_block(starts) == 0:
            emit_wanted(c, tokens, 0, count, wanted)
        elif code == YES:
            for byte in range(256):
                if wanted[byte] != 0:
                    emit(c, tokens, starts[byte], starts[byte + 1])
    return result


@jit
def use_leftover(c: LarkContext, place: int, column: int, row: Leftover, wanted: Bytes) -> bool:
    """Collect the tokens that continue after a lexeme, from the trie of their continuations. The tokens below
    each of its roots are a fragment. Returns whether a question was noted."""
    d, asked = c.scratch[0], False
    after = read_terminal(c, place, row.terminal, moved(column, row.shift))
    trie, count = row.trie, row.ended_count
    if after < 0:
        return after == ASKED
    if between_lexemes(c, after, d) == ASK:
        return True
    if count != 0:
        code = live(c, d)
        if code == YES:
            emit_wanted(c, row.ended, 0, count, wanted)
        asked = code == ASK
    nodes, starts, ids = trie.nodes, trie.starts, trie.ids
    node, last, lexeme, key = 0, trie.count, d.lexeme, -address_of_block(trie)
    while node < last:
        behind = end_of(nodes[node])
        if behind - node < FEW_NODES:
            asked = walk(c, nodes, starts, ids, node, behind, wanted) or asked
        else:
            second = (node << 32) + lexeme
            asked = walk_fragment(c, key, second, after, nodes, starts, ids, node, behind, wanted) or asked
        node = behind
    return asked


@jit
def use_leftover_fragment(c: LarkContext, place: int, column: int, row: Leftover, wanted: Bytes) -> bool:
    """As `use_leftover`, for a small trie. All allowed tokens, wanted or not, are cached as one fragment;
    that of a single root inspects less of the stack."""
    k = c.tables
    fragments = k.fragments
    key = -address_of_block(row)
    known = find_fragment(c, fragments, key, column, place)
    then, turn = fragments.rows[known].then, fragments.turn
    if then & FRAGMENT_KINDS == FRAGMENT_LEAF:
        emit_wanted(c, pooled(fragments, then), 0, size_of(then), wanted)
        return False
    if then == FRAGMENT_NEVER:
        return use_leftover(c, place, column, row, wanted)
    count, deferred = c.buffer_count, c.deferred_count
    lowest, inspected = k.lowest, k.inspected
    inspect_nothing(c)
    asked = use_leftover(c, place, column, row, skip(k.wanted, 256 * MOST_LEVELS))
    keep_fragment(c, known, key, column, place, count, deferred, turn, wanted, asked)
    inspect_also(c, lowest, inspected)
    return asked


@jit
def learn_firsts(c: LarkContext, words: LeftoverTrie) -> None:
    """Compute the set of first bytes of a trie's tokens."""
    firsts, ids = c.tables.first_bytes, words.ids
    for i in range(words.token_count):
        byte = firsts[ids[i]]
        words.first_bytes[byte >> 6] = words.first_bytes[byte >> 6] | (1 << (byte & 63))
    words.first_bytes_known = 1


@jit
def is_wanted(c: LarkContext, row: Leftover, wanted: Bytes) -> bool:
    """Return whether a trie, or the list of tokens that end with the lexeme, has a token with a wanted first
    byte."""
    firsts = c.tables.first_bytes
    words, ended = row.trie, row.ended
    for i in range(row.ended_count):
        if wanted[firsts[ended[i]]] != 0:
            return True
    if words.first_bytes_known == 0:
        learn_firsts(c, words)
    for part in range(4):
        bits, byte = numba.uint64(words.first_bytes[part]), 64 * part
        while bits != 0:
            if bits & numba.uint64(1) != 0 and wanted[byte] != 0:
                return True
            bits >>= numba.uint64(1)
            byte += 1
    return False


@jit
def use_leftovers(c: LarkContext, number: int, record: LexemeRecord, known_levels: int) -> int:
    """Add a level for each trie of continuations after a lexeme; a small trie is walked at once. Returns the
    number of levels, or -1 if a question was noted."""
    k = c.tables
    level, state = k.levels[number], c.scratch[0]
    place, column = level.state.place, level.state.column
    wanted, levels, asked = skip(k.wanted, 256 * number), known_levels, False
    for i in range(record.leftover_count):
        row = record.leftovers[i]
        trie, count = row.trie, row.ended_count
        if not is_wanted(c, row, wanted):
            continue
        if trie.count < LARGE_TRIE or levels == MOST_LEVELS:
            asked = use_leftover_fragment(c, place, column, row, wanted) or asked
            continue
        after = read_terminal(c, place, row.terminal, moved(column, row.shift))
        if after == ASKED or (after >= 0 and between_lexemes(c, after, state) == ASK):
            asked = True
        elif after >= 0:
            if count != 0:
                code = live(c, state)
                if code == YES:
                    emit_wanted(c, row.ended, 0, count, wanted)
                asked = asked or code == ASK
            added = k.levels[levels]
            copy_block(state, added.state)
            added.trie = address_of_block(trie)
            added.root = level.root
            for byte in range(256):
                k.wanted[256 * levels + byte] = wanted[byte]
            levels += 1
    return -1 if asked else levels


@jit
def use_crossings(
    c: LarkContext,
    d: LarkState,
    record: LexemeRecord,
    wanted: Bytes,
    trie: Int64s,
    starts: Int32s,
    ids: Int32s,
) -> bool:
    """Follow tokens from the crossings: trie nodes at which the lexeme is decided. Returns whether a question
    was noted."""
    k = c.tables
    place, begun, column = d.place, d.lexeme & 1, d.column
    asked = False
    for i in range(record.crossing_count):
        crossing = skip(record.crossings, CROSSING_WORDS * i)
        node, state, shift, first = crossing[0], crossing[1], crossing[2], crossing[3]
        if first < 0 or wanted[first] != 0:
            word = trie[node]
            depth, last = depth_of(word), end_of(word)
            s = c.scratch[depth - 1]
            if depth == 1:
                put_state(s, place, 2 * state + begun, column, NO_BASE)
            elif k.may_be_newline[state] == 0:
                put_state(s, place, 2 * state + 1, 0, NO_BASE)
            else:
                put_state(s, place, 2 * state + 1, moved(column, shift), NO_BASE)
            if last - node >= FEW_NODES:
                key, second = -address_of_block(crossing), 2 * s.column + begun
                more = walk_fragment(c, key, second, place, trie, starts, ids, node, last, wanted)
            else:
                more = walk(c, trie, starts, ids, node, last, wanted)
            asked = asked or more
    return asked


@jit
def pair_of(c: LarkContext, d: LarkState) -> int:
    """Return the address of the record of a state's lexeme paired with the state read on from its old slot; 0
    if there is none, -1 if a question was noted."""
    row = c.nodes[d.base].registers
    lexeme, slot = d.lexeme >> 1, row.lexeme >> 1
    if row.base >= 0:
        return 0
    held, key = c.tables.pairs, lexeme + (slot << PAIR_AT)
    count, found = held.count, -1
    for i in range(count):
        if held.pairs[i].key == key:
            found = i
    if found < 0:
        if count == MOST_PAIRS:
            return 0
        found = count
        held.count = count + 1
        held.pairs[found].key = key
        held.pairs[found].record = 0
    record = held.pairs[found].record
    if record == 0:
        if ask(c, Q_PAIR, lexeme, slot):
            held.pairs[found].record = -1
        return -1
    return record


@jit
def use_pair(c: LarkContext, d: LarkState, record: LexemeRecord, wanted: Bytes) -> int:
    """Collect the tokens of a lexeme with an old slot. Returns as `use_groups`."""
    k, asked = c.tables, False
    code = use_groups(c, d, record, wanted, d)
    if code != YES:
        return code
    old = c.nodes[d.base].registers
    place, column = d.place, d.column
    below, beside = old.place, old.column
    trie, scratch = c.vocabulary.trie, c.scratch
    for i in range(record.crossing_count):
        crossing = skip(record.crossings, PAIR_CROSSING_WORDS * i)
        node, state, shift = crossing[0], crossing[1], crossing[2]
        slot, first = crossing[3], crossing[4]
        if wanted[first] != 0:
            word = trie[node]
            depth = depth_of(word)
            s = scratch[depth - 1]
            if depth == 1:
                copy_block(d, s)
            else:
                base = NO_BASE
                if slot >= 0:
                    wide = k.may_be_newline[slot] != 0
                    put_state(s, below, 2 * slot + 1, moved(beside, shift) if wide else 0, NO_BASE)
                    base = state_number(c, s)
                    if base < 0:
                        return ASK
                wide = k.may_be_newline[state] != 0
                put_state(s, place, 2 * state + 1, moved(column, shift) if wide else 0, base)
            asked = walk_below(c, node, end_of(word), wanted) or asked
    return ASK if asked else YES


@jit
def walk_wanted(c: LarkContext, wanted: Bytes) -> bool:
    """Collect the tokens with wanted first bytes one by one, from the state in `scratch[0]`."""
    asked = False
    for byte in range(256):
        node = c.vocabulary.first[byte]
        if node >= 0 and wanted[byte] != 0:
            last = end_of(c.vocabulary.trie[node])
            asked = walk_below(c, node, last, wanted) or asked
    return asked


@jit
def split(c: LarkContext, number: int, known_levels: int) -> int:
    """Add levels for the wanted first bytes of a level that do not belong to its lexeme; drop bytes that no
    lexeme takes. Returns the number of levels, or -1 if a question was noted."""
    k = c.tables
    level = k.levels[number]
    d, wanted = level.state, skip(k.wanted, 256 * number)
    lexeme = d.lexeme >> 1
    asked, levels = False, known_levels
    own = 0
    for byte in range(256):
        if wanted[byte] == 0:
            continue
        move = move_of(c, lexeme, byte)
        kind = move & KIND_BITS
        if move < 0:
            asked = True
        elif kind == MOVE_DEAD or (kind == MOVE_OLD and d.base < 0):
            wanted[byte] = 0
        elif kind == MOVE_BEFORE or kind == MOVE_OLD:
            label = 1 + ((move >> TERMINAL_SHIFT) & TERMINAL_BITS) if kind == MOVE_BEFORE else 0
            target = -1
            for i in range(known_levels, levels):
                if k.levels[i].label == label:
                    target = i
            if target < 0 and levels == MOST_LEVELS:
                own = 1
                continue
            if target < 0:
                added = k.levels[levels]
                if kind == MOVE_BEFORE:
                    place = read_terminal(c, d.place, label - 1, d.column)
                    if place == ASKED or (place >= 0 and between_lexemes(c, place, added.state) == ASK):
                        asked = True
                        continue
                    if place < 0:
                        wanted[byte] = 0
                        continue
                else:
                    copy_block(c.nodes[d.base].registers, added.state)
                added.label = label
                added.trie = 0
                added.root = levels
                for i in range(256):
                    k.wanted[256 * levels + i] = 0
                target = levels
                levels += 1
            k.wanted[256 * target + byte] = 1
            wanted[byte] = 0
        else:
            own = 1
    level.has_own = own
    return -1 if asked else levels


@jit
def collect_level(c: LarkContext, number: int, known_levels: int) -> int:
    """Collect the tokens of a level: those of its own lexeme from its record; the others on levels after the
    known ones. Returns the number of levels, or -1 if a question was noted."""
    k = c.tables
    level = k.levels[number]
    d, wanted, leftover = level.state, skip(k.wanted, 256 * number), level.trie
    levels = known_levels
    trie, starts, ids = c.vocabulary.trie, c.vocabulary.slot_start, c.vocabulary.slot_ids
    records, count = k.records, c.vocabulary.trie_count
    if leftover != 0:
        words = LeftoverTrie(leftover)
        trie, starts, ids = words.nodes, words.starts, words.ids
        records, count = words.records, words.count
    else:
        levels = split(c, number, known_levels)
        if levels < 0:
            return -1
        if level.has_own == 0:
            return levels
    lexeme = d.lexeme >> 1
    code = VAGUE
    held, deferred = c.buffer_count, c.deferred_count
    if d.base >= 0 and leftover == 0:
        record = pair_of(c, d)
        if record < 0:
            return -1
        if record > 0:
            code = use_pair(c, d, LexemeRecord(record), wanted)
            if code == YES:
                return levels
    elif d.base < 0 and (leftover != 0 or levels < MOST_LEVELS):
        record = records[lexeme]
        if record <= 0:
            if record == 0 and ask(c, Q_RECORD, lexeme, leftover):
                records[lexeme] = -1
            return -1
        made = LexemeRecord(record)
        code = use_groups(c, d, made, wanted, k.levels[level.root].state)
        if code == YES:
            if use_crossings(c, d, made, wanted, trie, starts, ids):
                return -1
            return use_leftovers(c, number, made, levels)
    if code == ASK:
        return -1
    # not every group is proved: read its tokens one by one, and none of them twice
    c.buffer_count = held
    c.deferred_count = deferred
    copy_block(d, c.scratch[0])
    asked = walk(c, trie, starts, ids, 0, count, wanted) if leftover != 0 else walk_wanted(c, wanted)
    return -1 if asked else levels


@jit
def collect_all(c: LarkContext) -> bool:
    """Collect the tokens of the state of level 0. Returns whether a question was noted."""
    k = c.tables
    for byte in range(256):
        there = c.vocabulary.first[byte] >= 0
        k.wanted[byte] = 1 if there else 0
    k.levels[0].trie = 0
    k.levels[0].root = 0
    levels, level, asked = 1, 0, False
    while level < levels:
        found = collect_level(c, level, levels)
        if found < 0:
            asked = True
        else:
            levels = found
        level += 1
    return asked


@jit
def mask_key(c: LarkContext, d: LarkState, ending: int) -> tuple[int, int]:
    """Return the cache key, besides the place, of the mask of a state that may end (YES), or may not (NO)."""
    return -1 - d.lexeme, 2 * d.column + ending


@jit
def has_key(c: LarkContext, d: LarkState) -> bool:
    """Return whether other states may reuse the mask of a state."""
    return d.base < 0


@jit
def reusable_mask(c: LarkContext, known: int) -> int:
    """Return the state whose mask a row of `find_fragment` names, or -1."""
    then = c.reused_masks.rows[known].then
    if then & FRAGMENT_KINDS != FRAGMENT_LEAF:
        return -1
    other = then >> FRAGMENT_COUNT_AT
    return other if c.nodes[other].token_list >= 0 else -1


@jit
def reuse_mask(c: LarkContext, index: int) -> None:
    """Give a state without a mask the mask of another state that differs only in parts that no mask inspects,
    if there is one."""
    node = c.nodes[index]
    d = node.registers
    if node.token_list >= 0 or not has_key(c, d):
        return
    ending = may_end(c, d)
    if ending == ASK:
        return
    first, second = mask_key(c, d, ending)
    other = reusable_mask(c, find_fragment(c, c.reused_masks, first, second, d.place))
    if other >= 0:
        known = c.nodes[other]
        node.dense_row = known.dense_row
        node.token_list = known.token_list


@entry("int64(int64, int64)")
def collect(context: int, index: int) -> int:
    """Collect the tokens of a state's mask, without end tokens: in the buffer, as dense rows, and in
    `deferred` those that Python must follow. Returns 0, or ASKED."""
    c = LarkContext(context)
    forget_liveness(c)
    c.tables.collected.count = 0
    c.buffer_count = 0
    c.deferred_count = 0
    d, masks = c.tables.levels[0].state, c.reused_masks
    copy_block(c.nodes[index].registers, d)
    if not has_key(c, d):
        return ASKED if collect_all(c) else 0
    ending, place = may_end(c, d), d.place
    if ending == ASK:
        return ASKED
    first, second = mask_key(c, d, ending)
    known = find_fragment(c, masks, first, second, place)
    then = masks.rows[known].then
    inspect_nothing(c)
    if collect_all(c):
        return ASKED
    leaf = FRAGMENT_LEAF + (index << FRAGMENT_COUNT_AT)
    if then & FRAGMENT_KINDS == FRAGMENT_LEAF:
        masks.rows[known].then = leaf
    elif c.deferred_count == 0 and then != FRAGMENT_NEVER:
        put_fragment(c, masks, known, first, second, place, leaf)
    return 0


# --- entry points for states and texts ---------------------------------------------------------------------


@entry("int64(int64, int64)")
def first_node(context: int, state: int) -> int:
    """Return the state before the first byte, with the parser in `state`, or ASKED."""
    c = LarkContext(context)
    d = c.scratch[0]
    stack, widths = push(c, state, -1), push(c, -1, -1)
    place = ASKED if stack < 0 or widths < 0 else place_number(c, stack, widths, 0)
    if place < 0 or between_lexemes(c, place, d) == ASK:
        return ASKED
    return state_number(c, d)


@entry("int64(int64, int64, int64, int64)")
def take_bytes(context: int, index: int, data_at: int, count: int) -> int:
    """Return the state after bytes, live or not; REFUSED; ASKED; or UNKNOWN_FREE where Python must follow."""
    c = LarkContext(context)
    data = Bytes(data_at)
    s = c.scratch[0]
    copy_block(c.nodes[index].registers, s)
    for i in range(count):
        d = c.scratch[1 - (i & 1)]
        code = step(c, s, d, data[i])
        if code != YES:
            return REFUSED if code == NO else (ASKED if code == ASK else UNKNOWN_FREE)
        s = d
    return state_number(c, s)


@jit
def after_token(c: LarkContext, index: int, token: int) -> int:
    """Return the state after a token, if it is live; REFUSED; ASKED; or UNKNOWN_FREE."""
    s = c.scratch[0]
    copy_block(c.nodes[index].registers, s)
    if c.vocabulary.slot[token] < 0 or s.mode == FINISHED:
        return REFUSED
    if s.mode != READING:
        return UNKNOWN_FREE
    offsets, data = c.vocabulary.token_offset, c.vocabulary.token_data
    start, end = offsets[token], offsets[token + 1]
    for i in range(end - start):
        d = c.scratch[1 - (i & 1)]
        code = step(c, s, d, data[start + i])
        if code != YES:
            return REFUSED if code == NO else (ASKED if code == ASK else UNKNOWN_FREE)
        s = d
    found = find(c.nodes, 8, s)
    if found >= 0:
        node = c.nodes[found]
        if node.token_list >= 0 or node.dense_row == KEPT:
            return found  # its mask is known or kept in a file, so it is live
    code = live(c, s)
    if code != YES:
        return REFUSED if code == NO else ASKED
    found = state_number(c, s)
    if found >= 0:
        reuse_mask(c, found)
    return found


@entry("int64(int64, int64, int64)")
def take_token(address: int, index: int, token: int) -> int:
    """As `after_token`."""
    c = LarkContext(address)
    return after_token(c, index, token)


@jit
def draft_state(c: LarkContext, finished: int, index: int, token: int) -> int:
    """Return the state after a token of a draft, REFUSED, or another code where it must be asked for.

    `finished`: the state after an end token, -1: not made yet.
    """
    d = c.nodes[index].registers
    if not is_end(c, token):
        return after_token(c, index, token)
    if d.mode != READING:
        return REFUSED if d.mode == FINISHED else UNKNOWN_FREE
    code = may_end(c, d)
    if code != YES:
        return REFUSED if code == NO else ASKED
    return finished if finished >= 0 else ASKED


@entry("int64(int64, int64, int64)")
def walk_drafts(batch: int, jobs: int, count: int) -> int:
    """Process the known parts of the draft trees of many jobs (`machine_core.draft_nodes`). Returns how many
    positions are left."""
    drafts, left = Batch(batch), 0
    for i in range(count):
        job = job_at(jobs, i)
        c = LarkContext(job.context)
        noted = c.questions.count
        c.questions.count = MOST_NOTED  # full: no question is noted
        left += settle_place(drafts, job, 0, job.state)
        for node in range(job.count):
            state, token = state_above(drafts, job, node), token_of(drafts, job, node)
            if state >= 0:
                after = draft_state(c, job.finished, state, token) if token >= 0 else REFUSED
                state = state_or_left(after)
            left += settle_place(drafts, job, 1 + node, state)
        c.questions.count = noted
    return left


@entry("int64(int64, int64, int64, int64, int64)")
def put_masks(context: int, states_at: int, offsets_at: int, count: int, row: int) -> int:
    """Set the masks of the given states (int64) without one: a dense row (-1: none) and the positions of
    their lists (int64). Returns 0."""
    c = LarkContext(context)
    states = Int64s(states_at)
    offsets = Int64s(offsets_at)
    for i in range(count):
        node = c.nodes[states[i]]
        if node.token_list < 0:
            node.dense_row = row
            node.token_list = offsets[i]  # last: readers take no lock
    return 0


@entry("int64(int64, int64, int64, int64)")
def ends_below(context: int, index: int, wanted_at: int, target_at: int) -> int:
    """Write to `target` (int32) the trie nodes with a 2 in `wanted` (uint8 for each node) whose bytes lead
    from a state to one in which the text may end; nodes that Python must follow are written as -1 - node.
    Subtrees with a 0 are skipped. Returns their number, or ASKED."""
    c = LarkContext(context)
    wanted = Bytes(wanted_at)
    target = Int32s(target_at)
    nodes, count, scratch = c.vocabulary.trie, c.vocabulary.trie_count, c.scratch
    copy_block(c.nodes[index].registers, scratch[0])
    found, node, asked = 0, 0, False
    while node < count:
        word, flag = nodes[node], wanted[node]
        code = NO
        if flag != 0:
            depth = depth_of(word)
            d = scratch[depth]
            code = step(c, scratch[depth - 1], d, byte_of(word))
            asked = asked or code == ASK
            if code == YES and flag == 2:
                ends = may_end(c, d)
                asked = asked or ends == ASK
                if ends == YES:
                    target[found] = node
                    found += 1
            elif code != YES and code != NO and code != ASK:
                target[found] = -1 - node
                found += 1
        node = node + 1 if code == YES else end_of(word)
    return ASKED if asked else found


@entry("int64(int64, int64)")
def is_live(context: int, index: int) -> int:
    """Return 1 if the text can be completed from a state, 0, or ASKED."""
    c = LarkContext(context)
    code = live(c, c.nodes[index].registers)
    return ASKED if code == ASK else (1 if code == YES else 0)


@entry("int64(int64, int64)")
def ends(context: int, index: int) -> int:
    """Return 1 if the text may end in a state, 0, or ASKED."""
    c = LarkContext(context)
    code = may_end(c, c.nodes[index].registers)
    return ASKED if code == ASK else (1 if code == YES else 0)


@entry("int64(int64, int64, int64, int64, int64)")
def put_known(context: int, first: int, key: int, second: int, value: int) -> int:
    """Store an answer (LIVE_YES, ...) under a key below 0; there is room for it. Returns 0."""
    c = LarkContext(context)
    edge = c.work.edge
    edge.first = first
    edge.second = key
    edge.third = second
    edge.target = value
    found = intern(c, c.edges, 3, edge)
    c.edges[found].target = value
    return 0


@entry("int64(int64, int64, int64)")
def put_cell(context: int, top: int, below: int) -> int:
    """As `push`."""
    c = LarkContext(context)
    return push(c, top, below)


@entry("int64(int64, int64, int64, int64)")
def put_place(context: int, stack: int, widths: int, brackets: int) -> int:
    """Return the number of a place, or ASKED."""
    c = LarkContext(context)
    return place_number(c, stack, widths, brackets)


@entry("int64(int64, int64, int64, int64, int64)")
def put_node(context: int, place: int, lexeme: int, column: int, base: int) -> int:
    """Return the number of a state, or ASKED."""
    c = LarkContext(context)
    d = c.scratch[0]
    put_state(d, place, lexeme, column, base)
    return state_number(c, d)


@entry("int64(int64, int64, int64)")
def collect_below(context: int, index: int, node: int) -> int:
    """Add the allowed tokens below a trie node to the buffer, in the state after the node's byte; tokens that
    Python must follow go to `deferred`. Returns 0, or ASKED."""
    c = LarkContext(context)
    forget_liveness(c)
    word = c.vocabulary.trie[node]
    copy_block(c.nodes[index].registers, c.scratch[depth_of(word)])
    wanted = c.tables.wanted
    for byte in range(256):
        wanted[byte] = 1
    return ASKED if walk_below(c, node + 1, end_of(word), wanted) else 0


@entry("int64(int64, int64, int64, int64, int64, int64)")
def memoise(context: int, index: int, extra: int, extras: int, row: int, target: int) -> int:
    """Add tokens (int32) to the buffer, store it with a dense row (-1: none) as a state's mask, and write the
    mask to `target` (0: nowhere). Returns 0; ASKED if the lists have too little room; LARGE if the list would
    be as long as a row."""
    c = LarkContext(context)
    emit(c, Int32s(extra), 0, extras)
    code = remember(c, c.nodes[index], row, target)
    if code == ASKED:
        c.buffer_count = c.buffer_count - extras
    return code
