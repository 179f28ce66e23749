"""A cache of parts of masks, keyed by the inspected part of a place: equal parts have equal fragments.

A parser inspects the topmost cells of its stack one by one. The tokens that are allowed at a place are cached
as a *fragment*. Its key is the inspected states, and the number of brackets and the widths of blocks if these
were inspected. Any other stack with the same states on top has the same fragment, whatever is deeper. A
lookup repeats the inspection cell by cell, no deeper than needed, so nothing is guessed. Tokens that needed a
proof (which inspects the whole stack) or Python are not cached (FRAGMENT_NEVER).

The table is a trie: a row's key is its parent row and the value inspected there (for a root: a key below 0
and another number). A row says what to inspect next, or holds the tokens.
"""

from __future__ import annotations

import numba
import numpy as np

from structgen.lark_grammars.compiled.lark_step import (
    below_of,
    inspect_also,
    inspect_cell,
    inspect_nothing,
    inspect_part,
    peek,
    step,
)
from structgen.lark_grammars.compiled.live_texts import live
from structgen.lark_grammars.compiled.registers import (
    FRAGMENT_BRACKETS,
    FRAGMENT_CELL,
    FRAGMENT_COUNT_AT,
    FRAGMENT_KINDS,
    FRAGMENT_LEAF,
    FRAGMENT_NEVER,
    FRAGMENT_POOL_AT,
    FRAGMENT_UNKNOWN,
    FRAGMENT_WIDTHS,
    INSPECTED_ALL,
    INSPECTED_BRACKETS,
    INSPECTED_WIDTHS,
    LIVENESS_TURN_AT,
    MOST_LEVELS,
    MOST_LIVENESS,
    Fragment,
    FragmentTable,
    LarkContext,
    LarkState,
)
from structgen.machine_core.layout import ASK, NO, VAGUE, YES
from structgen.native.jit import jit
from structgen.native.lazy_memory import room
from structgen.native.raw_memory import address_of
from structgen.native.typed_blocks import Bytes, Int32s, Int64s, skip, word_of, words_of
from structgen.tokens.trie_nodes import byte_of, depth_of, end_of, slot_of

_MOST, _MOST_POOLED, _SLOTS = 1 << 19, 1 << 21, 1 << 10
_ROW_BITS = 24
"""Bits of a slot that hold a row number, more than needed; the others hold a part of the key's hash."""
_NEAR = 8
"""Slots in a cache line."""
_DEEPEST = 256
"""The most cells, or widths, of a key."""


class MaskFragments:
    """A table of fragments; its block is at `address`. Memory is committed as it is used."""

    def __init__(self, pooled: bool) -> None:
        """`pooled`: fragments may be lists of tokens."""
        row_words = words_of(Fragment)
        most = _MOST_POOLED if pooled else 0
        held = room(8 * row_words * _MOST + 32 * _MOST + 4 * most)
        self._rows = held[: 8 * row_words * _MOST].view(np.int64).reshape(_MOST, row_words)
        self._slots = held[self._rows.nbytes :][: 32 * _MOST].view(np.int64)
        self._pool = held[self._rows.nbytes + self._slots.nbytes :].view(np.int32)
        self.words = np.zeros(words_of(FragmentTable), np.int64)
        self.address = address_of(self.words)
        for name, array in (("rows", self._rows), ("slots", self._slots), ("pool", self._pool)):
            self.words[word_of(FragmentTable, name)] = address_of(array)
        self.words[FragmentTable.most], self.words[FragmentTable.most_pooled] = _MOST, len(self._pool)
        # row 0 means: not cached
        self._rows[0] = 0, 0, FRAGMENT_NEVER
        self.words[FragmentTable.used], self.words[FragmentTable.mask] = 1, _SLOTS - 1

    @property
    def nbytes(self) -> int:
        """Bytes in use."""
        used, slots = int(self.words[FragmentTable.used]), int(self.words[FragmentTable.mask]) + 1
        return 8 * words_of(Fragment) * used + 8 * slots + 4 * int(self.words[FragmentTable.pooled])


@jit
def mixed(first: int, second: int) -> int:
    """Return a hash of a row's key."""
    mix = (numba.uint64(first) * numba.uint64(0x9E3779B97F4A7C15)) ^ numba.uint64(second)
    return numba.int64((mix * numba.uint64(0xFF51AFD7ED558CCD)) >> numba.uint64(8))  # type: ignore[no-any-return]


@jit
def clear_slots(fragments: FragmentTable, mask: int) -> None:
    """Allocate `mask` + 1 free slots."""
    slots = fragments.slots
    for i in range(mask + 1):
        slots[i] = 0
    fragments.mask = mask


@jit
def forget_fragments(fragments: FragmentTable) -> None:
    """Forget all fragments."""
    clear_slots(fragments, _SLOTS - 1)
    fragments.used = 1
    fragments.pooled = 0
    fragments.turn = fragments.turn + 1


@jit
def slot_word(mix: int, index: int) -> int:
    """Return the word of a slot: a row number, and hash bits that distinguish most keys."""
    return (mix & ~((1 << _ROW_BITS) - 1)) | index


@jit
def near(first: int, mask: int) -> int:
    """Return the first slot of the cache line in which the rows after a row are stored first.

    Rows that are looked up together were mostly added together, and so are adjacent.
    """
    return 2 * first & mask & ~(_NEAR - 1)


@jit
def put_slot(fragments: FragmentTable, first: int, second: int, index: int) -> None:
    """Insert a row by its key: near its parent row, or at its hash."""
    slots, mask, mix = fragments.slots, fragments.mask, mixed(first, second)
    at = mix & mask
    if first > 0:
        beside = near(first, mask)
        for i in range(_NEAR):
            if slots[beside + i] == 0:
                slots[beside + i] = slot_word(mix, index)
                return
    while slots[at] != 0:
        at = (at + 1) & mask
    slots[at] = slot_word(mix, index)


@jit
def spread_slots(fragments: FragmentTable) -> None:
    """Double the number of slots."""
    clear_slots(fragments, 2 * fragments.mask + 1)
    for index in range(1, fragments.used):
        row = fragments.rows[index]
        put_slot(fragments, row.parent, row.value, index)


@jit
def is_row(fragments: FragmentTable, slot: int, mix: int, first: int, second: int) -> bool:
    """Return whether a slot holds the row with a key."""
    found = slot & ((1 << _ROW_BITS) - 1)
    if slot != slot_word(mix, found):
        return False
    row = fragments.rows[found]
    return row.parent == first and row.value == second


@jit
def step_to(fragments: FragmentTable, first: int, second: int) -> int:
    """Return the row with a key, added if it is new; 0 where there is no room."""
    slots, mask, mix = fragments.slots, fragments.mask, mixed(first, second)
    rows, full = ((1 << _ROW_BITS) - 1), first < 0
    if first > 0:
        beside, i = near(first, mask), 0
        while i < _NEAR and slots[beside + i] != 0:
            slot = slots[beside + i]
            if is_row(fragments, slot, mix, first, second):
                return slot & rows
            i += 1
        full = i == _NEAR
    at = mix & mask
    while full:
        slot = slots[at]
        if slot == 0:
            break
        if is_row(fragments, slot, mix, first, second):
            return slot & rows
        at = (at + 1) & mask
    used = fragments.used
    if used == fragments.most:
        return 0
    row = fragments.rows[used]
    row.parent = first
    row.value = second
    row.then = FRAGMENT_UNKNOWN
    put_slot(fragments, first, second, used)
    fragments.used = used + 1
    if 2 * used > mask:
        spread_slots(fragments)
    return used


@jit
def further(c: LarkContext, fragments: FragmentTable, at: int, then: int, stack: int, place: int) -> int:
    """Return the next row after one, for a cell, the brackets, or the widths of a place; 0 if there is
    none."""
    row = c.places[place]
    if then == FRAGMENT_CELL:
        return step_to(fragments, at, peek(c, stack))
    if then == FRAGMENT_BRACKETS:
        return step_to(fragments, at, row.brackets)
    widths = row.widths
    for _ in range(_DEEPEST):
        if widths < 0 or at == 0:
            return at
        at = step_to(fragments, at, peek(c, widths))
        widths = below_of(c, widths)
    return 0


@jit
def find_fragment(c: LarkContext, fragments: FragmentTable, first: int, second: int, place: int) -> int:
    """Return the last known row on the way to a fragment with a key (`first` below 0) at a place. The parts
    inspected on the way are noted."""
    if 8 * fragments.used > 7 * fragments.most:
        forget_fragments(fragments)
    stack = c.places[place].stack
    at = step_to(fragments, first, second)
    while True:
        then = fragments.rows[at].then
        if then != FRAGMENT_CELL and then != FRAGMENT_BRACKETS and then != FRAGMENT_WIDTHS:
            return at
        at = further(c, fragments, at, then, stack, place)
        if then == FRAGMENT_CELL:
            inspect_cell(c, stack)
            stack = below_of(c, stack)
        elif then == FRAGMENT_BRACKETS:
            inspect_part(c, INSPECTED_BRACKETS)
        else:
            inspect_part(c, INSPECTED_WIDTHS)


@jit
def put_further(c: LarkContext, fragments: FragmentTable, at: int, then: int, stack: int, place: int) -> int:
    """Add to a row the part of a place to inspect next. Returns the row after it, or 0."""
    if at != 0:
        fragments.rows[at].then = then
        at = further(c, fragments, at, then, stack, place)
    return at


@jit
def put_fragment(
    c: LarkContext, fragments: FragmentTable, known: int, first: int, second: int, place: int, leaf: int
) -> None:
    """Store a leaf under the parts that were noted as inspected. `known`: the row that `find_fragment`
    returned."""
    k = c.tables
    lowest, inspected = k.lowest, k.inspected
    stack, at = c.places[place].stack, step_to(fragments, first, second)
    deep = 0
    while at != known:
        then = fragments.rows[at].then
        at = further(c, fragments, at, then, stack, place)
        if then == FRAGMENT_CELL:
            stack = below_of(c, stack)
            deep += 1
        elif then == FRAGMENT_BRACKETS:
            inspected &= ~INSPECTED_BRACKETS
        else:
            inspected &= ~INSPECTED_WIDTHS
    cell, more = stack, 0
    while cell >= lowest and deep + more < _DEEPEST:
        cell = below_of(c, cell)
        more += 1
    if inspected & INSPECTED_ALL != 0 or deep + more == _DEEPEST:
        fragments.rows[at].then = FRAGMENT_NEVER
        return
    for _ in range(more):
        at = put_further(c, fragments, at, FRAGMENT_CELL, stack, place)
        stack = below_of(c, stack)
    if inspected & INSPECTED_BRACKETS != 0:
        at = put_further(c, fragments, at, FRAGMENT_BRACKETS, stack, place)
    if inspected & INSPECTED_WIDTHS != 0:
        at = put_further(c, fragments, at, FRAGMENT_WIDTHS, stack, place)
    if at != 0:
        fragments.rows[at].then = leaf


@jit
def put_tokens(
    c: LarkContext, fragments: FragmentTable, known: int, first: int, second: int, place: int, begin: int
) -> None:
    """Store the tokens in the buffer from `begin` on as a fragment."""
    buffer, held = c.buffer, fragments.pooled
    count = c.buffer_count - begin
    if held + count > fragments.most_pooled:
        forget_fragments(fragments)
        return
    pool = skip(fragments.pool, held)
    for i in range(count):
        pool[i] = buffer[begin + i]
    fragments.pooled = held + count
    leaf = FRAGMENT_LEAF + (count << FRAGMENT_COUNT_AT) + (held << FRAGMENT_POOL_AT)
    put_fragment(c, fragments, known, first, second, place, leaf)


@jit
def pooled(fragments: FragmentTable, leaf: int) -> Int32s:
    """Return the tokens of a leaf."""
    return skip(fragments.pool, leaf >> FRAGMENT_POOL_AT)


@jit
def size_of(leaf: int) -> int:
    """Return how many tokens a leaf has."""
    return (leaf >> FRAGMENT_COUNT_AT) & ((1 << (FRAGMENT_POOL_AT - FRAGMENT_COUNT_AT)) - 1)


# --- the tokens of a trie, walked on the real stack --------------------------------------------------------


@jit
def put_wanted(
    c: LarkContext, ids: Int32s, first: int, last: int, wanted: Bytes, target: Int32s, count: int
) -> int:
    """Append the given token ids with a wanted first byte to the first `count` of a list. Returns the new
    count."""
    firsts = c.tables.first_bytes
    for i in range(first, last):
        token = ids[i]
        if wanted[firsts[token]] != 0:
            target[count] = token
            count += 1
    return count


@jit
def emit_wanted(c: LarkContext, ids: Int32s, first: int, last: int, wanted: Bytes) -> None:
    """Append the token ids with a wanted first byte to the buffer."""
    count = c.buffer_count
    c.buffer_count = put_wanted(c, ids, first, last, wanted, c.buffer, count)


@jit
def defer(
    c: LarkContext, trie: Int64s, starts: Int32s, ids: Int32s, node: int, last: int, wanted: Bytes
) -> None:
    """Leave the tokens of some trie nodes to Python."""
    deferred, count = c.deferred, c.deferred_count
    for at in range(node, last):
        slot = slot_of(trie[at])
        if slot != 0:
            first, end = starts[slot - 1], starts[slot]
            count = put_wanted(c, ids, first, end, wanted, deferred, count)
    c.deferred_count = count


@jit
def forget_liveness(c: LarkContext) -> None:
    """Invalidate cached liveness of places with lexemes: in the next walk places may have other numbers, or
    belong to another grammar that shares the tables."""
    cache = c.tables.liveness
    cache.turn = cache.turn + 1


@jit
def live_here(c: LarkContext, d: LarkState) -> int:
    """As `live`, cached by place and lexeme during one walk."""
    k, lexeme, place = c.tables, d.lexeme, d.place
    if d.base >= 0 or k.may_be_newline[lexeme >> 1] != 0:
        return live(c, d)
    entry = k.liveness.entries[(place * 13 + lexeme) & (MOST_LIVENESS - 1)]
    key = place + (k.liveness.turn << LIVENESS_TURN_AT)
    known = entry.answer
    if entry.key == key and known >> 1 == lexeme:
        inspect_also(c, entry.lowest, entry.inspected)
        return YES if known & 1 else NO
    lowest, inspected = k.lowest, k.inspected
    inspect_nothing(c)
    code = live(c, d)
    if code == YES or code == NO:
        entry.key = key
        entry.answer = 2 * lexeme + (1 if code == YES else 0)
        entry.lowest = k.lowest
        entry.inspected = k.inspected
    inspect_also(c, lowest, inspected)
    return code


@jit
def walk(
    c: LarkContext, trie: Int64s, starts: Int32s, ids: Int32s, node: int, last: int, wanted: Bytes
) -> bool:
    """Collect the tokens of a trie's nodes [node, last): depth first, with the state at each depth in
    `scratch`. Returns whether something was asked."""
    scratch = c.scratch
    asked = False
    while node < last:
        word = trie[node]
        depth = depth_of(word)
        d = scratch[depth]
        code = step(c, scratch[depth - 1], d, byte_of(word))
        if code != YES:
            behind = end_of(word)
            if code == ASK:
                asked = True
            elif code == VAGUE:
                defer(c, trie, starts, ids, node, behind, wanted)
            node = behind
            continue
        slot = slot_of(word)
        if slot != 0:
            code = live_here(c, d)
            if code == YES:
                emit_wanted(c, ids, starts[slot - 1], starts[slot], wanted)
            elif code == ASK:
                asked = True
        node += 1
    return asked


@jit
def walk_below(c: LarkContext, node: int, last: int, wanted: Bytes) -> bool:
    """As `walk`, of the vocabulary's trie."""
    return walk(c, c.vocabulary.trie, c.vocabulary.slot_start, c.vocabulary.slot_ids, node, last, wanted)


@jit
def keep_fragment(
    c: LarkContext,
    known: int,
    first: int,
    second: int,
    place: int,
    count: int,
    deferred: int,
    turn: int,
    wanted: Bytes,
    asked: int,
) -> None:
    """Store the tokens found since the buffer had `count` tokens and `deferred` deferred ones as a fragment,
    if all were found; leave only wanted ones in the buffer."""
    fragments = c.tables.fragments
    if not asked and c.deferred_count == deferred and fragments.turn == turn:
        put_tokens(c, fragments, known, first, second, place, count)
    last, buffer = c.buffer_count, c.buffer
    c.buffer_count = put_wanted(c, buffer, count, last, wanted, buffer, count)
    last, buffer = c.deferred_count, c.deferred
    c.deferred_count = put_wanted(c, buffer, deferred, last, wanted, buffer, deferred)


@jit
def walk_fragment(
    c: LarkContext,
    first: int,
    second: int,
    place: int,
    trie: Int64s,
    starts: Int32s,
    ids: Int32s,
    node: int,
    last: int,
    wanted: Bytes,
) -> bool:
    """As `walk`. All allowed tokens, wanted or not, are cached as a fragment with this key."""
    k = c.tables
    fragments = k.fragments
    known = find_fragment(c, fragments, first, second, place)
    then, turn = fragments.rows[known].then, fragments.turn
    if then & FRAGMENT_KINDS == FRAGMENT_LEAF:
        emit_wanted(c, pooled(fragments, then), 0, size_of(then), wanted)
        return False
    if then == FRAGMENT_NEVER:
        return walk(c, trie, starts, ids, node, last, wanted)
    count, deferred = c.buffer_count, c.deferred_count
    lowest, inspected = k.lowest, k.inspected
    inspect_nothing(c)
    asked = walk(c, trie, starts, ids, node, last, skip(k.wanted, 256 * MOST_LEVELS))
    keep_fragment(c, known, first, second, place, count, deferred, turn, wanted, asked)
    inspect_also(c, lowest, inspected)
    return asked
