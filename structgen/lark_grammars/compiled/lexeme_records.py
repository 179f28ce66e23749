"""What tokens do inside a lexeme, worked out once for a lexeme state, whatever the parser.

A *record* has the tokens that stay inside the lexeme, grouped by the endings of the state that they lead to
(one look at the place then tells of all of a group); what tokens leave over behind a lexeme that they end, as
a small trie for each terminal; and the other *crossings*, nodes of the vocabulary's trie from which tokens
are followed on the real stack. It is SynCode's M0 and M1 (S. Ugare et al., 2024), exact, for the states that
texts reach. A record speaks of the tokens whose first byte belongs to the lexeme; the others are those of
what follows it, and are looked up there.
"""

from __future__ import annotations

import numba

from structgen.json_machine.tables.layout import *
from structgen.lark_grammars.compiled.continuation_proofs import ends_well, is_barred, live, may_end
from structgen.lark_grammars.compiled.lark_step import (
    ask,
    fresh,
    look_anew,
    look_too,
    node_of,
    put,
    read,
    step,
)
from structgen.lark_grammars.compiled.mask_fragments import (
    find_piece,
    pooled,
    put_piece,
    put_tokens,
    row_at,
    size_of,
)
from structgen.lark_grammars.compiled.registers import *
from structgen.machine_core.masks import emit
from structgen.machine_core.raw_rows import copy, row_of
from structgen.native.jit import entry, jit
from structgen.native.raw_memory import load8, load32, load64, store8, store32, store64


@jit
def put_wanted(c, ids, first, last, wanted, target, count):
    """Write those token ids behind the first `count` of a list whose first byte is wanted. Returns how many
    it has then."""
    firsts = load64(load64(c, C_LARK), K_FIRST_BYTES)
    for i in range(first, last):
        token = load32(ids, i)
        if load8(wanted, load8(firsts, token)) != 0:
            store32(target, count, token)
            count += 1
    return count


@jit
def emit_wanted(c, ids, first, last, wanted):
    """Add token ids to the buffer, those alone whose first byte is wanted."""
    count = load64(c, C_BUFFER_COUNT)
    store64(c, C_BUFFER_COUNT, put_wanted(c, ids, first, last, wanted, load64(c, C_BUFFER), count))


@jit
def emit_dense(c, row, firsts, wanted):
    """Add the tokens of a dense row with wanted first bytes to the mask: by the row's number and these
    bytes."""
    dense = load64(load64(c, C_LARK), K_DENSE)
    count = load64(dense, 0)
    entry = dense + 8 * (1 + DENSE_WORDS * count)
    store64(entry, 0, row)
    some = False
    for word in range(4):
        there = numba.uint64(0)
        for bit in range(64):
            byte = 64 * word + bit
            if load8(firsts, byte) != 0 and load8(wanted, byte) != 0:
                there |= numba.uint64(1) << numba.uint64(bit)
        some = some or there != 0
        store64(entry, 1 + word, numba.int64(there))
    if some:
        store64(dense, 0, count + 1)


@jit
def defer(c, trie, starts, ids, node, last, wanted):
    """Leave the tokens of some trie nodes to Python."""
    deferred, count = load64(c, C_DEFERRED), load64(c, C_DEFERRED_COUNT)
    for at in range(node, last):
        slot = (load64(trie, at) >> 20) & 0xFFFFF
        if slot != 0:
            first, end = load32(starts, slot - 1), load32(starts, slot)
            count = put_wanted(c, ids, first, end, wanted, deferred, count)
    store64(c, C_DEFERRED_COUNT, count)


@jit
def forget_looks(c):
    """Have nothing be known of places with lexemes: by the next walk places may have other numbers, or be
    those of another grammar that shares the book."""
    looks = load64(load64(c, C_LARK), K_LOOKS)
    store64(looks, 0, load64(looks, 0) + 1)


@jit
def live_here(c, d):
    """As `live`; what was found for a place with a lexeme is looked up for the time of one walk."""
    k, lexeme, place = load64(c, C_LARK), load64(d, LEXEME), load64(d, PLACE)
    if load64(d, BASE) >= 0 or load8(load64(k, K_NEWLINES), lexeme >> 1) != 0:
        return live(c, d)
    looks = load64(k, K_LOOKS)
    here = looks + 8 + 8 * LOOK_WORDS * ((place * 13 + lexeme) & (MOST_LOOKS - 1))
    key = place + (load64(looks, 0) << LOOK_AT)
    known = load64(here, 1)
    if load64(here, 0) == key and known >> 1 == lexeme:
        look_too(c, load64(here, 2), load64(here, 3))
        return YES if known & 1 else NO
    low, looked = load64(k, K_LOW), load64(k, K_LOOKED)
    look_anew(c)
    code = live(c, d)
    if code == YES or code == NO:
        store64(here, 0, key)
        store64(here, 1, 2 * lexeme + (1 if code == YES else 0))
        store64(here, 2, load64(k, K_LOW))
        store64(here, 3, load64(k, K_LOOKED))
    look_too(c, low, looked)
    return code


@jit
def walk(c, trie, starts, ids, node, last, wanted):
    """Collect the tokens of a trie's nodes [node, last) whose bytes can be read from the registers in the
    block of the scratch above theirs. Returns whether something was asked."""
    scratch = load64(c, C_SCRATCH)
    asked = False
    while node < last:
        word = load64(trie, node)
        d = scratch + 64 * ((word >> 8) & 0xFFF)
        code = step(c, d - 64, d, word & 0xFF)
        if code != YES:
            skip = (word >> 40) & 0xFFFFFF
            if code == ASK:
                asked = True
            elif code == VAGUE:
                defer(c, trie, starts, ids, node, skip, wanted)
            node = skip
            continue
        slot = (word >> 20) & 0xFFFFF
        if slot != 0:
            code = live_here(c, d)
            if code == YES:
                emit_wanted(c, ids, load32(starts, slot - 1), load32(starts, slot), wanted)
            elif code == ASK:
                asked = True
        node += 1
    return asked


@jit
def walk_below(c, node, last, wanted):
    return walk(c, load64(c, C_TRIE), load64(c, C_SLOT_START), load64(c, C_SLOT_IDS), node, last, wanted)


@jit
def move_of(c, lexeme, byte):
    """Return what a byte does to a lexeme state; below 0, with a question noted, if that is not known."""
    k = load64(c, C_LARK)
    kind_of = load8(load64(k, K_CLASSES), byte)
    at = lexeme * load64(k, K_WIDTH) + kind_of
    move = load64(load64(k, K_MOVES), at)
    if move == UNKNOWN and ask(c, Q_MOVE, lexeme, kind_of):
        store64(load64(k, K_MOVES), at, PENDING)
    return move


@jit
def moved(column, shift):
    """Return a column after what bytes do to it."""
    if shift < 0:
        return -1 - shift
    return column + shift if column >= 0 else column


@jit
def read_singly(c, d, tokens, count, wanted):
    """Collect tokens of a list that can be read from some registers. Returns whether something was asked."""
    firsts, offsets = load64(load64(c, C_LARK), K_FIRST_BYTES), load64(c, C_TOKEN_OFFSET)
    data, scratch, asked = load64(c, C_TOKEN_DATA), load64(c, C_SCRATCH), False
    for i in range(count):
        token = load32(tokens, i)
        if load8(wanted, load8(firsts, token)) == 0:
            continue
        s, code = d, numba.int64(YES)
        for at in range(load64(offsets, token), load64(offsets, token + 1)):
            after = scratch if s != scratch else scratch + 64
            code = step(c, s, after, load8(data, at))
            if code != YES:
                break
            s = after
        if code == YES:
            code = live_here(c, s)
        if code == YES:
            emit(c, tokens, i, i + 1)
        elif code == VAGUE:
            deferred = load64(c, C_DEFERRED_COUNT)
            store32(load64(c, C_DEFERRED), deferred, token)
            store64(c, C_DEFERRED_COUNT, deferred + 1)
        asked = asked or code == ASK
    return asked


@jit
def has_wanted(c, group, wanted):
    """Return whether some token of a group has a wanted first byte."""
    tokens, starts, count = load64(group, 1), load64(group, 2), load64(group, 3)
    firsts = load64(load64(c, C_LARK), K_FIRST_BYTES)
    if starts == 0:
        for i in range(count):
            if load8(wanted, load8(firsts, load32(tokens, i))) != 0:
                return True
        return False
    for byte in range(256):
        if load8(wanted, byte) != 0:
            some = load8(starts, byte) if count == AS_ROW else load32(starts, byte + 1) - load32(starts, byte)
            if some != 0:
                return True
    return False


@jit
def use_groups(c, d, record, wanted, root):
    """Collect the tokens that stay inside the lexeme; those of a group for which nothing is proved are read
    one by one from `root`, the registers before their first bytes. Returns YES, ASK, or VAGUE where such a
    group is a dense row, or the mask has too many of them."""
    k, groups = load64(c, C_LARK), load64(record, R_GROUPS)
    result, vague = numba.int64(YES), False
    for _ in range(load64(record, R_GROUP_COUNT)):
        tokens, starts, count = load64(groups, 1), load64(groups, 2), load64(groups, 3)
        # where little is proved, nothing is asked for tokens that nobody wants
        if vague and not has_wanted(c, groups, wanted):
            groups += 32
            continue
        code = ends_well(c, d, 1, load64(groups, 0))
        vague = vague or code == VAGUE
        if code == VAGUE and count == AS_ROW:
            return VAGUE
        if code == VAGUE and read_singly(c, root, tokens, count, wanted):
            code = numba.int64(ASK)
        if code == ASK:
            result = numba.int64(ASK)
        elif code == YES and count == AS_ROW:
            if load64(load64(k, K_DENSE), 0) == MOST_DENSE:
                return VAGUE
            emit_dense(c, tokens, starts, wanted)
        elif code == YES and starts == 0:
            emit_wanted(c, tokens, 0, count, wanted)
        elif code == YES:
            for byte in range(256):
                if load8(wanted, byte) != 0:
                    emit(c, tokens, load32(starts, byte), load32(starts, byte + 1))
        groups += 32
    return result


@jit
def pieces_at(c, place):
    """Return whether pieces are kept of what is found at a place."""
    return load64(load64(c, C_LARK), K_PIECING) != 0 and not is_barred(c, place)


@jit
def finish(c, known, first, second, place, count, deferred, turn, wanted, asked):
    """Keep what was found of a piece since there were `count` tokens in the buffer and `deferred` beside it,
    if it was all found; leave there those that are wanted."""
    pieces = load64(load64(c, C_LARK), K_PIECES)
    if not asked and load64(c, C_DEFERRED_COUNT) == deferred and load64(pieces, PC_TURN) == turn:
        put_tokens(c, pieces, known, first, second, place, count)
    last, buffer = load64(c, C_BUFFER_COUNT), load64(c, C_BUFFER)
    store64(c, C_BUFFER_COUNT, put_wanted(c, buffer, count, last, wanted, buffer, count))
    last, buffer = load64(c, C_DEFERRED_COUNT), load64(c, C_DEFERRED)
    store64(c, C_DEFERRED_COUNT, put_wanted(c, buffer, deferred, last, wanted, buffer, deferred))


@jit
def use_branch(c, first, second, place, trie, starts, ids, node, last, wanted):
    """As `walk`; what is found, whatever is wanted, is a piece with this key, kept and looked up another
    time."""
    k = load64(c, C_LARK)
    pieces = load64(k, K_PIECES)
    known = find_piece(c, pieces, first, second, place)
    then, turn = load64(row_at(pieces, known), 2), load64(pieces, PC_TURN)
    if then & PIECE_KINDS == PIECE_LEAF:
        emit_wanted(c, pooled(pieces, then), 0, size_of(then), wanted)
        return False
    if then == PIECE_NEVER:
        return walk(c, trie, starts, ids, node, last, wanted)
    count, deferred = load64(c, C_BUFFER_COUNT), load64(c, C_DEFERRED_COUNT)
    low, looked = load64(k, K_LOW), load64(k, K_LOOKED)
    look_anew(c)
    asked = walk(c, trie, starts, ids, node, last, load64(k, K_WANTED) + 256 * MOST_LEVELS)
    finish(c, known, first, second, place, count, deferred, turn, wanted, asked)
    look_too(c, low, looked)
    return asked


@jit
def use_trie(c, place, column, row, wanted):
    """Collect the tokens of a trie (a row of a record) that are left over behind a lexeme; what is below each
    of its roots is a piece where pieces are kept. Returns whether something was asked."""
    scratch, asked = load64(c, C_SCRATCH), False
    after = read(c, place, load64(row, 0), moved(column, load64(row, 1)))
    words, count = load64(row, 2), load64(row, 4)
    if after < 0:
        return after == ASKED
    if fresh(c, after, scratch) == ASK:
        return True
    if count != 0:
        code = live(c, scratch)
        if code == YES:
            emit_wanted(c, load64(row, 3), 0, count, wanted)
        asked = code == ASK
    nodes, starts, ids = load64(words, D_NODES), load64(words, D_STARTS), load64(words, D_IDS)
    node, last, lexeme = numba.int64(0), load64(words, D_COUNT), load64(scratch, LEXEME)
    if not pieces_at(c, after):
        return walk(c, nodes, starts, ids, node, last, wanted) or asked
    while node < last:
        skip = (load64(nodes, node) >> 40) & 0xFFFFFF
        if skip - node < FEW_NODES:
            asked = walk(c, nodes, starts, ids, node, skip, wanted) or asked
        else:
            second = (node << 32) + lexeme
            asked = use_branch(c, -words, second, after, nodes, starts, ids, node, skip, wanted) or asked
        node = skip
    return asked


@jit
def use_piece(c, place, column, row, wanted):
    """As `use_trie`; what is found, whatever is wanted, is a piece. What is below one root looks less deep by
    itself."""
    k = load64(c, C_LARK)
    pieces = load64(k, K_PIECES)
    known = find_piece(c, pieces, -row, column, place)
    then, turn = load64(row_at(pieces, known), 2), load64(pieces, PC_TURN)
    if then & PIECE_KINDS == PIECE_LEAF:
        emit_wanted(c, pooled(pieces, then), 0, size_of(then), wanted)
        return False
    if then == PIECE_NEVER:
        return use_trie(c, place, column, row, wanted)
    count, deferred = load64(c, C_BUFFER_COUNT), load64(c, C_DEFERRED_COUNT)
    low, looked = load64(k, K_LOW), load64(k, K_LOOKED)
    look_anew(c)
    asked = use_trie(c, place, column, row, load64(k, K_WANTED) + 256 * MOST_LEVELS)
    finish(c, known, -row, column, place, count, deferred, turn, wanted, asked)
    look_too(c, low, looked)
    return asked


@jit
def learn_firsts(c, words):
    """Write which first bytes the tokens of a trie have."""
    firsts, ids = load64(load64(c, C_LARK), K_FIRST_BYTES), load64(words, D_IDS)
    for i in range(load64(words, D_TOKENS)):
        byte = load8(firsts, load32(ids, i))
        at = D_FIRSTS + (byte >> 6)
        store64(words, at, load64(words, at) | (numba.int64(1) << (byte & 63)))
    store64(words, D_KNOWN, 1)


@jit
def is_wanted(c, row, wanted):
    """Return whether some token of a trie, or that ends with its lexeme, has a wanted first byte."""
    firsts = load64(load64(c, C_LARK), K_FIRST_BYTES)
    words, ended, count = load64(row, 2), load64(row, 3), load64(row, 4)
    for i in range(count):
        if load8(wanted, load8(firsts, load32(ended, i))) != 0:
            return True
    if load64(words, D_KNOWN) == 0:
        learn_firsts(c, words)
    for part in range(4):
        bits, byte = numba.uint64(load64(words, D_FIRSTS + part)), wanted + 64 * part
        while bits != 0:
            if bits & numba.uint64(1) != 0 and load8(byte, 0) != 0:
                return True
            bits >>= numba.uint64(1)
            byte += 1
    return False


@jit
def use_tries(c, d, record, level, known_levels):
    """Put what tokens leave over behind a lexeme on further levels, or follow it where it is little. Returns
    how many levels there are then, or -1 where something was asked."""
    k = load64(c, C_LARK)
    place, column, scratch = load64(d, PLACE), load64(d, COLUMN), load64(c, C_SCRATCH)
    wanted, levels, asked = load64(k, K_WANTED) + 256 * level, numba.int64(known_levels), False
    tries, piecing = load64(record, R_TRIES), pieces_at(c, place)
    for _ in range(load64(record, R_TRIE_COUNT)):
        row = tries
        tries += 8 * TRIE_ROW
        words, count = load64(row, 2), load64(row, 4)
        if not is_wanted(c, row, wanted):
            continue
        if load64(words, D_COUNT) < LARGE_TRIE or levels == MOST_LEVELS:
            if piecing:
                more = use_piece(c, place, column, row, wanted)
            else:
                more = use_trie(c, place, column, row, wanted)
            asked = asked or more
            continue
        after = read(c, place, load64(row, 0), moved(column, load64(row, 1)))
        if after == ASKED or (after >= 0 and fresh(c, after, scratch) == ASK):
            asked = True
        elif after >= 0:
            if count != 0:
                code = live(c, scratch)
                if code == YES:
                    emit_wanted(c, load64(row, 3), 0, count, wanted)
                asked = asked or code == ASK
            s = load64(k, K_LEVELS) + 8 * LEVEL_WORDS * levels
            copy(scratch, s)
            store64(s, LEVEL_TRIE, words)
            store64(s, LEVEL_ROOT, load64(d, LEVEL_ROOT))
            for byte in range(256):
                store8(load64(k, K_WANTED) + 256 * levels, byte, load8(wanted, byte))
            levels += 1
    return -1 if asked else levels


@jit
def use_crossings(c, d, record, wanted, trie, starts, ids):
    """Follow tokens from the nodes of a trie at which a lexeme is decided. Returns whether something was
    asked."""
    k = load64(c, C_LARK)
    place, begun, column = load64(d, PLACE), load64(d, LEXEME) & 1, load64(d, COLUMN)
    asked, piecing = False, pieces_at(c, place)
    crossings = load64(record, R_CROSSINGS)
    for _ in range(load64(record, R_CROSSING_COUNT)):
        node, state, shift = load32(crossings, 0), load32(crossings, 1), load32(crossings, 2)
        first, key = load32(crossings, 3), -crossings
        crossings += 16
        if first < 0 or load8(wanted, first) != 0:
            word = load64(trie, node)
            depth, last = (word >> 8) & 0xFFF, (word >> 40) & 0xFFFFFF
            s = load64(c, C_SCRATCH) + 64 * (depth - 1)
            if depth == 1:
                put(s, place, 2 * state + begun, column, NO_BASE)
            elif load8(load64(k, K_NEWLINES), state) == 0:
                put(s, place, 2 * state + 1, 0, NO_BASE)
            else:
                put(s, place, 2 * state + 1, moved(column, shift), NO_BASE)
            if piecing and last - node >= FEW_NODES:
                second = 2 * load64(s, COLUMN) + begun
                more = use_branch(c, key, second, place, trie, starts, ids, node, last, wanted)
            else:
                more = walk(c, trie, starts, ids, node, last, wanted)
            asked = asked or more
    return asked


@jit
def pair_of(c, d):
    """Return the record of the lexeme of some registers and what its old slot has read on; 0 where it has
    none, -1 where it is asked for."""
    k = load64(c, C_LARK)
    row = row_of(c, T_NODE, N_STRIDE, load64(d, BASE))
    lexeme, slot = load64(d, LEXEME) >> 1, load64(row, LEXEME) >> 1
    if load64(row, BASE) >= 0:
        return numba.int64(0)
    pairs, key = load64(k, K_PAIRS), lexeme + (slot << PAIR_AT)
    count, found = load64(pairs, 0), numba.int64(-1)
    for i in range(count):
        if load64(pairs, 1 + 2 * i) == key:
            found = numba.int64(i)
    if found < 0:
        if count == MOST_PAIRS:
            return numba.int64(0)
        found = numba.int64(count)
        store64(pairs, 0, count + 1)
        store64(pairs, 1 + 2 * found, key)
        store64(pairs, 2 + 2 * found, 0)
    record = load64(pairs, 2 + 2 * found)
    if record == 0:
        if ask(c, Q_PAIR, lexeme, slot):
            store64(pairs, 2 + 2 * found, -1)
        return numba.int64(-1)
    return record


@jit
def use_pair(c, d, record, wanted):
    """Collect the tokens of a lexeme with an old slot. Returns as `use_groups`."""
    k, asked = load64(c, C_LARK), False
    code = use_groups(c, d, record, wanted, d)
    if code != YES:
        return code
    row = row_of(c, T_NODE, N_STRIDE, load64(d, BASE))
    place, column = load64(d, PLACE), load64(d, COLUMN)
    below, beside = load64(row, PLACE), load64(row, COLUMN)
    trie, crossings, scratch = load64(c, C_TRIE), load64(record, R_CROSSINGS), load64(c, C_SCRATCH)
    for _ in range(load64(record, R_CROSSING_COUNT)):
        node, state, shift = load32(crossings, 0), load32(crossings, 1), load32(crossings, 2)
        slot, first = load32(crossings, 3), load32(crossings, 4)
        crossings += 4 * PAIR_ROW
        if load8(wanted, first) != 0:
            word = load64(trie, node)
            depth = (word >> 8) & 0xFFF
            s = scratch + 64 * (depth - 1)
            if depth == 1:
                copy(d, s)
            else:
                base = numba.int64(NO_BASE)
                if slot >= 0:
                    wide = load8(load64(k, K_NEWLINES), slot) != 0
                    put(s, below, 2 * slot + 1, moved(beside, shift) if wide else 0, NO_BASE)
                    base = node_of(c, s)
                    if base < 0:
                        return numba.int64(ASK)
                wide = load8(load64(k, K_NEWLINES), state) != 0
                put(s, place, 2 * state + 1, moved(column, shift) if wide else 0, base)
            asked = walk_below(c, node, (word >> 40) & 0xFFFFFF, wanted) or asked
    return numba.int64(ASK if asked else YES)


@jit
def walk_wanted(c, wanted):
    """Collect the tokens with wanted first bytes one by one, from the registers in block 0 of the scratch."""
    asked = False
    for byte in range(256):
        node = load32(load64(c, C_FIRST), byte)
        if node >= 0 and load8(wanted, byte) != 0:
            last = (load64(load64(c, C_TRIE), node) >> 40) & 0xFFFFFF
            asked = walk_below(c, node, last, wanted) or asked
    return asked


@jit
def split(c, d, level, known_levels):
    """Put the wanted first bytes of a level that do not belong to its lexeme on further levels, where they
    belong, and want those no more that nothing takes. Returns how many levels there are then, or -1 where
    something was asked; TEXT of the registers is 1 where bytes are left."""
    k = load64(c, C_LARK)
    wanted = load64(k, K_WANTED) + 256 * level
    lexeme = load64(d, LEXEME) >> 1
    asked, levels = False, numba.int64(known_levels)
    own = numba.int64(0)
    for byte in range(256):
        if load8(wanted, byte) == 0:
            continue
        move = move_of(c, lexeme, byte)
        kind = move & KIND_BITS
        if move < 0:
            asked = True
        elif kind == MV_DEAD or (kind == MV_OLD and load64(d, BASE) < 0):
            store8(wanted, byte, 0)
        elif kind == MV_BEFORE or kind == MV_OLD:
            label = 1 + ((move >> TERMINAL_SHIFT) & TERMINAL_BITS) if kind == MV_BEFORE else 0
            target = numba.int64(-1)
            for i in range(known_levels, levels):
                if load64(load64(k, K_LEVELS) + 8 * LEVEL_WORDS * i, AT) == label:
                    target = i
            if target < 0 and levels == MOST_LEVELS:
                own = numba.int64(1)
                continue
            if target < 0:
                s = load64(k, K_LEVELS) + 8 * LEVEL_WORDS * levels
                if kind == MV_BEFORE:
                    place = read(c, load64(d, PLACE), label - 1, load64(d, COLUMN))
                    if place == ASKED or (place >= 0 and fresh(c, place, s) == ASK):
                        asked = True
                        continue
                    if place < 0:
                        store8(wanted, byte, 0)
                        continue
                else:
                    copy(row_of(c, T_NODE, N_STRIDE, load64(d, BASE)), s)
                store64(s, AT, label)
                store64(s, LEVEL_TRIE, 0)
                store64(s, LEVEL_ROOT, levels)
                for i in range(256):
                    store8(load64(k, K_WANTED) + 256 * levels, i, 0)
                target = numba.int64(levels)
                levels += 1
            store8(load64(k, K_WANTED) + 256 * target, byte, 1)
            store8(wanted, byte, 0)
        else:
            own = numba.int64(1)
    store64(d, TEXT, own)
    return -1 if asked else levels


@jit
def gather(c, level, known_levels):
    """Collect the tokens of a level: those of its own lexeme by its record; the others on further levels, put
    behind those that are known. Returns how many levels there are then, or -1 where something was asked."""
    k = load64(c, C_LARK)
    d = load64(k, K_LEVELS) + 8 * LEVEL_WORDS * level
    wanted, words = load64(k, K_WANTED) + 256 * level, load64(d, LEVEL_TRIE)
    levels = numba.int64(known_levels)
    trie, starts, ids = load64(c, C_TRIE), load64(c, C_SLOT_START), load64(c, C_SLOT_IDS)
    records, count = load64(k, K_RECORDS), load64(c, C_TRIE_COUNT)
    if words != 0:
        trie, starts, ids = load64(words, D_NODES), load64(words, D_STARTS), load64(words, D_IDS)
        records, count = load64(words, D_RECORDS), load64(words, D_COUNT)
        store64(d, TEXT, 1)
    else:
        levels = split(c, d, level, known_levels)
        if levels < 0:
            return -1
    left = load64(d, TEXT) != 0
    store64(d, TEXT, 0)
    store64(d, AT, 0)
    if not left:
        return levels
    lexeme = load64(d, LEXEME) >> 1
    code = numba.int64(VAGUE)
    held, deferred = load64(c, C_BUFFER_COUNT), load64(c, C_DEFERRED_COUNT)
    if load64(d, BASE) >= 0 and words == 0:
        record = pair_of(c, d)
        if record < 0:
            return -1
        if record > 0:
            code = use_pair(c, d, record, wanted)
            if code == YES:
                return levels
    elif load64(d, BASE) < 0 and (words != 0 or levels < MOST_LEVELS):
        record = load64(records, lexeme)
        if record <= 0:
            if record == 0 and ask(c, Q_RECORD, lexeme, words):
                store64(records, lexeme, -1)
            return -1
        root = load64(k, K_LEVELS) + 8 * LEVEL_WORDS * load64(d, LEVEL_ROOT)
        code = use_groups(c, d, record, wanted, root)
        if code == YES:
            if use_crossings(c, d, record, wanted, trie, starts, ids):
                return -1
            return use_tries(c, d, record, level, levels)
    if code == ASK:
        return -1
    # what is inside is not proved for all of a group: one by one, and none of them twice
    store64(c, C_BUFFER_COUNT, held)
    store64(c, C_DEFERRED_COUNT, deferred)
    copy(d, load64(c, C_SCRATCH))
    asked = walk(c, trie, starts, ids, 0, count, wanted) if words != 0 else walk_wanted(c, wanted)
    return -1 if asked else levels


@jit
def collect_all(c):
    """Collect the tokens of the state whose registers are those of level 0. Returns whether something was
    asked."""
    k = load64(c, C_LARK)
    for byte in range(256):
        there = load32(load64(c, C_FIRST), byte) >= 0
        store8(load64(k, K_WANTED), byte, 1 if there else 0)
    store64(load64(k, K_LEVELS), LEVEL_TRIE, 0)
    store64(load64(k, K_LEVELS), LEVEL_ROOT, 0)
    levels, level, asked = numba.int64(1), 0, False
    while level < levels:
        found = gather(c, level, levels)
        if found < 0:
            asked = True
        else:
            levels = found
        level += 1
    return asked


@jit
def mask_key(c, d, ending):
    """Return the key, besides its place, of the mask of a state that may end (YES), or may not (NO)."""
    return -1 - load64(d, LEXEME), 2 * load64(d, COLUMN) + ending


@jit
def has_key(c, d):
    """Return whether states that look alike may have the mask of one with some registers."""
    return load64(d, BASE) < 0 and pieces_at(c, load64(d, PLACE))


@jit
def alike(c, known):
    """Return the state whose mask is known that a row of `find_piece` leads to, or -1."""
    then = load64(row_at(load64(c, C_MASKS), known), 2)
    if then & PIECE_KINDS != PIECE_LEAF:
        return -1
    other = then >> PIECE_COUNT_AT
    return other if load64(row_of(c, T_NODE, N_STRIDE, other), N_LIST) >= 0 else -1


@jit
def adopt(c, index):
    """Have a state without a mask have that of one that looks alike, if there is one."""
    d = row_of(c, T_NODE, N_STRIDE, index)
    if load64(d, N_LIST) >= 0 or not has_key(c, d):
        return
    ending = may_end(c, d)
    if ending == ASK:
        return
    first, second = mask_key(c, d, ending)
    other = alike(c, find_piece(c, load64(c, C_MASKS), first, second, load64(d, PLACE)))
    if other >= 0:
        known = row_of(c, T_NODE, N_STRIDE, other)
        store64(d, N_ROW, load64(known, N_ROW))
        store64(d, N_LIST, load64(known, N_LIST))


@entry("int64(int64, int64)")
def collect(c, index):
    """Collect the tokens of a state's mask in the buffer and as dense rows, but the end tokens, and those
    that Python must follow beside it (C_DEFERRED). Returns 0, or ASKED."""
    k = load64(c, C_LARK)
    forget_looks(c)
    store64(load64(k, K_DENSE), 0, 0)
    store64(c, C_BUFFER_COUNT, 0)
    store64(c, C_DEFERRED_COUNT, 0)
    d, masks = load64(k, K_LEVELS), load64(c, C_MASKS)
    copy(row_of(c, T_NODE, N_STRIDE, index), d)
    if not has_key(c, d):
        return ASKED if collect_all(c) else 0
    ending, place = may_end(c, d), load64(d, PLACE)
    if ending == ASK:
        return ASKED
    first, second = mask_key(c, d, ending)
    known = find_piece(c, masks, first, second, place)
    then = load64(row_at(masks, known), 2)
    look_anew(c)
    if collect_all(c):
        return ASKED
    leaf = PIECE_LEAF + (index << PIECE_COUNT_AT)
    if then & PIECE_KINDS == PIECE_LEAF:
        store64(row_at(masks, known), 2, leaf)
    elif load64(c, C_DEFERRED_COUNT) == 0 and then != PIECE_NEVER:
        put_piece(c, masks, known, first, second, place, leaf)
    return 0
