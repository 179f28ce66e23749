"""The compiled moves of lexeme states: what `lexeme_items` has numbered, merged in order.

A state is a list of numbers: its `Behind`, its set of tracked threads, its `unless`, and its items, best
first. What an item comes to with a class of bytes stands in a cell of its row, a place in `lists` (how many
items, and which). Where a row is not there yet it is noted, and the state's moves are made when it is.
Routines may be interrupted anywhere (FULL: Python makes room) and called again: what they have numbered by
then stays true.
"""

from __future__ import annotations

import numba as nb

from structgen.native.jit import entry, jit
from structgen.native.raw_memory import load8, load32, load64, store32, store64

# --- words, at `r` ------------------------------------------------------------------------------------------

(
    R_WIDTH,
    R_HALF,
    R_BITS,
    R_CONTEXTS,
    R_TERMINALS,
    R_BEHINDS,
    R_NOTED,
    R_STAMP,
    R_WANTED,
    R_STATES,
    R_SCRATCH_ROOM,
    A_NOTES,
    A_ITEMS,
    A_NAMES,
    A_REACH,
    A_GUARD_BEGINS,
    A_GUARD_POOL,
    A_SLOTS,
    A_CELLS,
    A_LISTS,
    A_VARIANTS,
    A_BEHINDS,
    A_UNLESS_BEGINS,
    A_UNLESS,
    A_MAY_BE,
    A_AFTER,
    A_SOURCES,
    A_FIRST,
    A_STAMPS,
    A_MARKS,
    A_SCRATCH,
    A_KINDS,
) = range(32)
"""WIDTH: classes of bytes. HALF, BITS: words of a state's, and an item's, bits. CONTEXTS: different `unless`.
BEHINDS: columns of VARIANTS. NOTED: notes. STAMP: the last one. WANTED: of what was FULL, how much. STATES,
SCRATCH_ROOM: rows for states, numbers of SCRATCH. Then addresses:
NOTES: int64[MOST_NOTES, 3], a kind, and an item and what is before, or what is before. ITEMS: int32[items,
I_WORDS]. NAMES: uint8[items, CONTEXTS], may a string take the place of what an item comes to? REACH:
int64[items, BITS], bits of the matches that it may come to; of terminals, then of strings by themselves.
GUARD_BEGINS, GUARD_POOL: int32, the guards of each tuple of them. SLOTS: int32[guards, TERMINALS], the new
slot of a terminal. CELLS: int32[rows, WIDTH]. LISTS: int32. VARIANTS: int32[items that ask, BEHINDS], their
rows. BEHINDS: int32[behinds, WIDTH], what is known after a byte. UNLESS_BEGINS: int32[CONTEXTS + 1], UNLESS:
int32[:, 3], a terminal, the match of a string by itself, and the string. MAY_BE: int64[states, HALF], bits of
the terminals that a lexeme may still become. AFTER: int32[states, WIDTH], the state after a byte, DEAD or
DECIDED. SOURCES: the same, the list of where its slots come from. FIRST: the same, the first class that does
the same; -1: the row is not made. STAMPS: int64[items]. MARKS: int64[states], the queue in which a state
stands; one more, where it is done. SCRATCH: int32. KINDS: int64[WIDTH], then int32[2, WIDTH + KIND_ROOM]."""
L_STATES, L_TRACKED, L_SOURCES, R_WORDS = 32, 39, 46, 53
L_COUNT, L_BEGINS, L_POOL, L_INDEX, L_ROOM, L_POOL_ROOM, L_MASK, L_WORDS = range(8)
"""Lists of a kind: how many, int64 where each begins, int32 what is in them, an index by their hashes (int32,
as many as MASK and one); and the room of the first two."""
KIND_ROOM = 512
"""A power of two, twice the classes that there may be."""

THREAD, MATCH, SLOT, NEST = range(4)
"""Kinds of items. MATCH: a thread that has matched, which no state has."""
I_KIND, I_GUARDS, I_MATCH, I_SURE, I_ASKS, I_BARE, I_ROW, I_ENDS, I_WORDS = range(9)
"""Of an item: its kind; its guards; for a MATCH, which, for a SLOT, its terminal; whether any character
makes a match of it; its number among those that ask what was before, -1: it does not; the same thread
without guards; its row of cells; whether it may be a match where the text ends."""
S_BEHIND, S_TRACKED, S_UNLESS, S_ITEMS = range(4)
NONE, ASKED = -1, -2
"""In the place of a row: it is not there; and that is noted."""
MADE, FULL, NOTED = 0, -2, -3
DEAD, DECIDED = -1, -2
NOTE_ITEM, NOTE_BEHIND = range(2)
MISSING = -16
"""MISSING - state, as a state: its row cannot be made yet."""
MOST_NOTES = 4096
MOVES = ("after", "sources", "first")


# --- lists --------------------------------------------------------------------------------------------------


@jit
def hashed(words, count):
    """Return a hash of some numbers."""
    h = nb.uint64(14695981039346656037)
    for i in range(count):
        h = (h ^ nb.uint64(load32(words, i) + 7)) * nb.uint64(1099511628211)
        h ^= h >> nb.uint64(29)
    return h


@entry("void(int64)")
def index_anew(t):
    """Fill an empty index with the lists of a kind."""
    begins, pool, index, mask = load64(t, L_BEGINS), load64(t, L_POOL), load64(t, L_INDEX), load64(t, L_MASK)
    for number in range(load64(t, L_COUNT)):
        begin = load64(begins, number)
        at = nb.int64(hashed(pool + 4 * begin, load64(begins, number + 1) - begin) & nb.uint64(mask))
        while load32(index, at) >= 0:
            at = (at + 1) & mask
        store32(index, at, number)


@jit
def intern(r, t, words, count):
    """Return the number of a list of numbers among those of a kind, or FULL."""
    begins, pool, index, mask = load64(t, L_BEGINS), load64(t, L_POOL), load64(t, L_INDEX), load64(t, L_MASK)
    at = nb.int64(hashed(words, count) & nb.uint64(mask))
    while True:
        known = load32(index, at)
        if known < 0:
            break
        begin = load64(begins, known)
        if load64(begins, known + 1) - begin == count:
            same = True
            for i in range(count):
                if load32(pool, begin + i) != load32(words, i):
                    same = False
                    break
            if same:
                return known
        at = (at + 1) & mask
    number = load64(t, L_COUNT)
    begin = load64(begins, number)
    if number + 2 > load64(t, L_ROOM) or begin + count > load64(t, L_POOL_ROOM):
        store64(r, R_WANTED, count)
        return FULL
    for i in range(count):
        store32(pool, begin + i, load32(words, i))
    store64(begins, number + 1, begin + count)
    store32(index, at, number)
    store64(t, L_COUNT, number + 1)
    return number


# --- states -------------------------------------------------------------------------------------------------


@jit
def put_state(r, words, count):
    """Return the number of a state, or FULL; of a new one, what it may become is set down."""
    t = r + 8 * L_STATES
    known = load64(t, L_COUNT)
    if known >= load64(r, R_STATES):
        return FULL
    number = intern(r, t, words, count)
    if number == known:
        may_become(r, number, words, count)
    return number


@jit
def may_become(r, number, words, count):
    half, bits, reach = load64(r, R_HALF), load64(r, R_BITS), load64(r, A_REACH)
    mine = load64(r, A_MAY_BE) + 8 * half * number
    for w in range(half):
        store64(mine, w, 0)
    for i in range(S_ITEMS, count):
        its = reach + 8 * bits * load32(words, i)
        for w in range(half):
            store64(mine, w, load64(mine, w) | load64(its, w))
    tracked = load32(words, S_TRACKED)
    if tracked == 0:
        return
    t = r + 8 * L_TRACKED
    pool, begins = load64(t, L_POOL), load64(t, L_BEGINS)
    unless, at = load64(r, A_UNLESS), load64(r, A_UNLESS_BEGINS) + 4 * load32(words, S_UNLESS)
    for row in range(load32(at, 0), load32(at, 1)):
        terminal, exact, string = (
            load32(unless, 3 * row),
            load32(unless, 3 * row + 1),
            load32(unless, 3 * row + 2),
        )
        there = False
        for i in range(S_ITEMS, count):
            if load64(reach, bits * load32(words, i) + (terminal >> 6)) >> (terminal & 63) & 1:
                there = True
                break
        if not there:
            continue
        for i in range(load64(begins, tracked), load64(begins, tracked + 1)):
            if load64(reach, bits * load32(pool, i) + (exact >> 6)) >> (exact & 63) & 1:
                word = load64(mine, string >> 6)
                store64(mine, string >> 6, word | nb.int64(1) << (string & 63))
                break


@jit
def settled(r, words, count, behind, tracked, t, unless):
    """Return the state of some items, without what nothing in it can ask for; or FULL. `words`: S_ITEMS that
    are free, then the items."""
    items = load64(r, A_ITEMS)
    if behind > 0:
        asks = False
        for i in range(S_ITEMS, count):
            if load32(items, I_WORDS * load32(words, i) + I_ASKS) >= 0:
                asks = True
                break
        if not asks:
            behind = 0
    if t > 0:
        names, columns = load64(r, A_NAMES) + unless, load64(r, R_CONTEXTS)
        some = False
        for i in range(S_ITEMS, count):
            if load8(names, columns * load32(words, i)) != 0:
                some = True
                break
        if not some:
            t = 0
    number = 0
    if t > 0:
        number = intern(r, r + 8 * L_TRACKED, tracked, t)
        if number == FULL:
            return FULL
    else:
        unless = 0
    store32(words, S_BEHIND, behind)
    store32(words, S_TRACKED, number)
    store32(words, S_UNLESS, unless)
    return put_state(r, words, count)


@jit
def without_slot(r, state):
    """Return the state in which the last slot, an old one, is an error: the items before it are all there is,
    DEAD where there are none. Where the last item is no old slot, the state itself; or FULL."""
    t, items = r + 8 * L_STATES, load64(r, A_ITEMS)
    begin, end = load64(load64(t, L_BEGINS), state), load64(load64(t, L_BEGINS), state + 1)
    pool = load64(t, L_POOL)
    if end - begin == S_ITEMS:
        return state
    item = items + 4 * I_WORDS * load32(pool, end - 1)
    if load32(item, I_KIND) != SLOT or load32(item, I_MATCH) >= 0:
        return state
    if end - begin == S_ITEMS + 1:
        return DEAD
    words, count = load64(r, A_SCRATCH), end - 1 - begin
    if count > load64(r, R_SCRATCH_ROOM):
        store64(r, R_WANTED, count)
        return FULL
    for i in range(count):
        store32(words, i, load32(pool, begin + i))
    tracked, unless = load32(words, S_TRACKED), load32(words, S_UNLESS)
    held = r + 8 * L_TRACKED
    first = load64(load64(held, L_BEGINS), tracked)
    t_count = load64(load64(held, L_BEGINS), tracked + 1) - first
    return settled(
        r, words, count, load32(words, S_BEHIND), load64(held, L_POOL) + 4 * first, t_count, unless
    )


# --- rows ---------------------------------------------------------------------------------------------------


@jit
def note(r, kind, first, second):
    count = load64(r, R_NOTED)
    if count < MOST_NOTES:
        at = load64(r, A_NOTES) + 24 * count
        store64(at, 0, kind)
        store64(at, 1, first)
        store64(at, 2, second)
        store64(r, R_NOTED, count + 1)
        return ASKED
    return NONE


@jit
def is_idle(begins, pool, guards, ruling, count):
    """Return whether what needs some guards can never win: a better match needs no others."""
    for i in range(count):
        needed = load32(ruling, i)
        missing = False
        for a in range(load32(begins, needed), load32(begins, needed + 1)):
            there = False
            for b in range(load32(begins, guards), load32(begins, guards + 1)):
                if load32(pool, b) == load32(pool, a):
                    there = True
                    break
            if not there:
                missing = True
                break
        if not missing:
            return True
    return False


@jit
def named(r, match, tracked, count, unless):
    """Return the terminal that a match is of: a string that equals it goes before."""
    items, rows = load64(r, A_ITEMS), load64(r, A_UNLESS)
    at = load64(r, A_UNLESS_BEGINS) + 4 * unless
    for row in range(load32(at, 0), load32(at, 1)):
        if load32(rows, 3 * row) == match:
            exact = load32(rows, 3 * row + 1)
            for i in range(count):
                one = items + 4 * I_WORDS * load32(tracked, i)
                if load32(one, I_KIND) == MATCH and load32(one, I_MATCH) == exact:
                    return load32(rows, 3 * row + 2)
    return match


@jit
def find_rows(r, head, count, tracked, t_count, behind, found):
    """Write the row of each of a state's items, and tracked threads; note those that are not there. Returns
    whether all are."""
    items, variants, columns = load64(r, A_ITEMS), load64(r, A_VARIANTS), load64(r, R_BEHINDS)
    complete = True
    for i in range(count + t_count):
        number = load32(head, S_ITEMS + i) if i < count else load32(tracked, i - count)
        item = items + 4 * I_WORDS * number
        asks = load32(item, I_ASKS)
        row = load32(item, I_ROW) if asks < 0 else load32(variants, columns * asks + behind)
        if row < 0:
            complete = False
            if row == NONE:
                if asks < 0:
                    store32(item, I_ROW, note(r, NOTE_ITEM, number, 0))
                else:
                    store32(variants, columns * asks + behind, note(r, NOTE_ITEM, number, behind))
        store32(found, i, row)
    return complete


@jit
def make_row(r, state):
    """Make the moves of a state. Returns MADE, NOTED or FULL."""
    width, t = load64(r, R_WIDTH), r + 8 * L_STATES
    begin = load64(load64(t, L_BEGINS), state)
    count = load64(load64(t, L_BEGINS), state + 1) - begin - S_ITEMS
    head = load64(t, L_POOL) + 4 * begin
    behind, tracked = load32(head, S_BEHIND), load32(head, S_TRACKED)
    held = r + 8 * L_TRACKED
    t_begin = load64(load64(held, L_BEGINS), tracked)
    t_count = load64(load64(held, L_BEGINS), tracked + 1) - t_begin
    every, threads = count + t_count, load64(held, L_POOL) + 4 * t_begin
    room = load64(r, R_SCRATCH_ROOM)
    if 8 * (every + S_ITEMS) > room:
        store64(r, R_WANTED, 8 * (every + S_ITEMS))
        return FULL
    before = load64(r, A_BEHINDS) + 4 * width * behind
    if behind > 0 and load32(before, 0) < 0:
        if load32(before, 0) == NONE:
            store32(before, 0, note(r, NOTE_BEHIND, behind, 0))
        return NOTED
    hashes = load64(r, A_KINDS)
    firsts, index = hashes + 8 * width, hashes + 12 * width
    rows = load64(r, A_SCRATCH)
    cells = load64(r, A_CELLS)
    lists = rows + 4 * every
    if not find_rows(r, head, count, threads, t_count, behind, rows):
        return NOTED
    # --- a hash of what decides each class's move
    for kind in range(width):
        store64(hashes, kind, 3 + load32(before, kind) if behind > 0 else 3)
    for i in range(every):
        row = cells + 4 * width * load32(rows, i)
        for kind in range(width):
            h = (nb.uint64(load64(hashes, kind)) ^ nb.uint64(load32(row, kind))) * nb.uint64(1099511628211)
            store64(hashes, kind, nb.int64(h ^ (h >> nb.uint64(31))))
    # --- the moves, each once
    after = load64(r, A_AFTER) + 4 * width * state
    sources = load64(r, A_SOURCES) + 4 * width * state
    first = load64(r, A_FIRST) + 4 * width * state
    for i in range(KIND_ROOM):
        store32(index, i, -1)
    known = 0
    for kind in range(width):
        later = load32(before, kind) if behind > 0 else 0
        for i in range(every):
            store32(lists, i, load32(cells, width * load32(rows, i) + kind))
        at = load64(hashes, kind) & (KIND_ROOM - 1)
        same = -1
        while same < 0:
            other = load32(index, at)
            if other < 0:
                break
            if load64(hashes, other) == load64(hashes, kind) and (
                behind == 0 or load32(before, other) == later
            ):
                same = other
                for i in range(every):
                    if load32(cells, width * load32(rows, i) + other) != load32(lists, i):
                        same = -1
                        break
            at = (at + 1) & (KIND_ROOM - 1)
        if same >= 0:
            store32(after, kind, load32(after, same))
            store32(sources, kind, load32(sources, same))
            store32(first, kind, load32(first, same))
            continue
        if make_move(r, state, kind, head, count, t_count, lists, later) == FULL:
            store32(first, 0, -1)
            return FULL
        store32(index, at, kind)
        mine = kind
        for i in range(known):
            other = load32(firsts, i)
            if load32(after, other) == load32(after, kind) and load32(sources, other) == load32(
                sources, kind
            ):
                mine = other
                break
        if mine == kind:
            store32(firsts, known, kind)
            known += 1
        store32(first, kind, mine)
    return MADE


@jit
def make_move(r, state, kind, head, count, t_count, cells, later):
    """Work out what a class of bytes does to a state; `cells`: what its items and tracked threads come to.
    Returns MADE or FULL."""
    width = load64(r, R_WIDTH)
    after = load64(r, A_AFTER) + 4 * width * state
    sources_of = load64(r, A_SOURCES) + 4 * width * state
    lists, items, stamps, slots = (
        load64(r, A_LISTS),
        load64(r, A_ITEMS),
        load64(r, A_STAMPS),
        load64(r, A_SLOTS),
    )
    begins, pool, terminals = load64(r, A_GUARD_BEGINS), load64(r, A_GUARD_POOL), load64(r, R_TERMINALS)
    unless = load32(head, S_UNLESS)
    total = count + t_count + S_ITEMS
    for i in range(count + t_count):
        total += load32(lists, load32(cells, i))
    # rows and cells of `make_row` lie before
    taken = 2 * (count + t_count)
    if taken + 4 * total > load64(r, R_SCRATCH_ROOM):
        store64(r, R_WANTED, taken + 4 * total)
        return FULL
    words = load64(r, A_SCRATCH) + 4 * taken
    ruling, sources, tracked = words + 4 * total, words + 8 * total, words + 12 * total
    # --- the strings that may take a match's place
    t = 0
    if t_count > 0:
        now = load64(r, R_STAMP) + 1
        store64(r, R_STAMP, now)
        for i in range(count, count + t_count):
            at = load32(cells, i)
            for j in range(at + 1, at + 1 + load32(lists, at)):
                item = items + 4 * I_WORDS * load32(lists, j)
                if load32(item, I_KIND) == NEST:
                    continue
                one = load32(item, I_BARE)
                if load64(stamps, one) != now:
                    store64(stamps, one, now)
                    place = t
                    while place > 0 and load32(tracked, place - 1) > one:
                        store32(tracked, place, load32(tracked, place - 1))
                        place -= 1
                    store32(tracked, place, one)
                    t += 1
    # --- the items
    now = load64(r, R_STAMP) + 1
    store64(r, R_STAMP, now)
    n, rules, k, slot = S_ITEMS, 0, 0, 0
    going = True
    for i in range(count):
        at = load32(cells, i)
        many = load32(lists, at)
        if load32(items, I_WORDS * load32(head, S_ITEMS + i) + I_KIND) == SLOT:
            if many > 0:
                one = load32(lists, at + 1)
                guards = load32(items, I_WORDS * one + I_GUARDS)
                if not is_idle(begins, pool, guards, ruling, rules):
                    store32(words, n, one)
                    store32(ruling, rules, guards)
                    store32(sources, k, slot)
                    n, rules, k = n + 1, rules + 1, k + 1
                    going = guards > 0
            slot += 1
        else:
            for j in range(at + 1, at + 1 + many):
                one = load32(lists, j)
                item = items + 4 * I_WORDS * one
                guards = load32(item, I_GUARDS)
                if rules > 0 and is_idle(begins, pool, guards, ruling, rules):
                    continue
                if load32(item, I_KIND) == MATCH:
                    terminal = load32(item, I_MATCH)
                    if t > 0:
                        terminal = named(r, terminal, tracked, t, unless)
                    store32(words, n, load32(slots, terminals * guards + terminal))
                    store32(ruling, rules, guards)
                    store32(sources, k, -1 - terminal)
                    n, rules, k = n + 1, rules + 1, k + 1
                    if guards == 0:
                        going = False
                        break
                    continue
                if load64(stamps, one) != now:
                    store64(stamps, one, now)
                    store32(words, n, one)
                    n += 1
                if load32(item, I_SURE) > 0:
                    # no character leaves a worse match standing
                    store32(ruling, rules, guards)
                    rules += 1
        if not going:
            break
    if n == S_ITEMS:
        store32(after, kind, DEAD)
        store32(sources_of, kind, 0)
        return MADE
    best = items + 4 * I_WORDS * load32(words, S_ITEMS)
    number = DECIDED
    if load32(best, I_KIND) == SLOT and load32(best, I_GUARDS) == 0:
        k = 1
    else:
        number = settled(r, words, n, later, tracked, t, unless)
        if number == FULL:
            return FULL
    source = intern(r, r + 8 * L_SOURCES, sources, k)
    if source == FULL:
        return FULL
    store32(after, kind, number)
    store32(sources_of, kind, source)
    return MADE


# --- texts --------------------------------------------------------------------------------------------------


@jit
def move_of(r, classes, state, byte):
    """Return the state after a byte, DEAD, DECIDED, or MISSING - state; and where its slots come from."""
    cell = load64(r, R_WIDTH) * state
    if load32(load64(r, A_FIRST), cell) < 0 and make_row(r, state) != MADE:
        return MISSING - state, nb.int64(0)
    cell += load8(classes, byte)
    begins = load64(r, L_SOURCES + L_BEGINS)
    sources = load64(r, L_SOURCES + L_POOL) + 4 * load64(begins, load32(load64(r, A_SOURCES), cell))
    return load32(load64(r, A_AFTER), cell), sources


@jit
def terminal_of(r, state, slot):
    """Return the terminal of a state's slot, -1: it is an old one."""
    begins, pool = load64(r, L_STATES + L_BEGINS), load64(r, L_STATES + L_POOL)
    items = load64(r, A_ITEMS)
    for at in range(load64(begins, state) + S_ITEMS, load64(begins, state + 1)):
        item = items + 4 * I_WORDS * load32(pool, at)
        if load32(item, I_KIND) == SLOT:
            if slot == 0:
                return load32(item, I_MATCH)
            slot -= 1
    return -1


@jit
def slots_of(r, state, terminal):
    """Return whether a state has a slot of a terminal (1), and one that something may still undo (2)."""
    begins, pool = load64(r, L_STATES + L_BEGINS), load64(r, L_STATES + L_POOL)
    items, found = load64(r, A_ITEMS), 0
    for at in range(load64(begins, state) + S_ITEMS, load64(begins, state + 1)):
        item = items + 4 * I_WORDS * load32(pool, at)
        if load32(item, I_KIND) == SLOT and load32(item, I_MATCH) == terminal:
            found |= 3 if load32(item, I_GUARDS) > 0 else 1
    return found


@jit
def follow(r, classes, state, terminal, text, size):
    """Return the state after a text; DECIDED where the lexeme has ended as a terminal with the last byte,
    DEAD where it has otherwise; or MISSING - state."""
    for i in range(size):
        after, sources = move_of(r, classes, state, load8(text, i))
        if after == DECIDED:
            return DECIDED if i == size - 1 and load32(sources, 0) == -1 - terminal else DEAD
        if after < 0:
            return after
        state = after
    return state


@entry("int64(int64, int64, int64, int64, int64, int64)")
def find_end(r, classes, state, terminal, text, size):
    """As `follow`; a state is multiplied by 4, and has the bits of `slots_of`."""
    after = follow(r, classes, state, terminal, text, size)
    return after if after < 0 else 4 * after + slots_of(r, after, terminal)


@entry("int64(int64, int64, int64, int64, int64, int64, int64, int64)")
def find_every_end(r, classes, state, terminal, texts, begins, count, found):
    """Write of each of some texts what `find_end` returns (int32). Returns how many rows are missing."""
    missing = 0
    for i in range(count):
        begin = load32(begins, i)
        after = follow(r, classes, state, terminal, texts + begin, load32(begins, i + 1) - begin)
        missing += after <= MISSING
        store32(found, i, after if after < 0 else 4 * after + slots_of(r, after, terminal))
    return missing


@entry("int64(int64, int64, int64, int64, int64, int64, int64)")
def find_text(r, classes, state, terminal, texts, begins, count):
    """Return which of some texts is the first after which a lexeme may end as a terminal's, DEAD: none is; or
    MISSING - state. `begins`: int32[count + 1]."""
    for i in range(count):
        begin = load32(begins, i)
        after = follow(r, classes, state, terminal, texts + begin, load32(begins, i + 1) - begin)
        if after <= MISSING:
            return after
        if after == DECIDED or (after >= 0 and slots_of(r, after, terminal) != 0):
            return i
    return DEAD


@entry("int64(int64, int64, int64, int64, int64, int64, int64)")
def find_parted(r, classes, state, terminal, text, size, separator):
    """Return whether a lexeme that a text ends as a terminal's has surely ended so, if a separator follows;
    or MISSING - state."""
    after = follow(r, classes, state, terminal, text, size)
    if after < 0:
        return 1 if after == DECIDED else 0 if after == DEAD else after
    state = after
    after, sources = move_of(r, classes, state, separator)
    if after <= MISSING:
        return after
    source = load32(sources, 0) if after == DECIDED else -1
    return 1 if source >= 0 and terminal_of(r, state, source) == terminal else 0


# --- entries ------------------------------------------------------------------------------------------------


@entry("int64(int64, int64)")
def find_without_slot(r, state):
    """As `without_slot`."""
    return without_slot(r, state)


@entry("int64(int64, int64, int64, int64, int64, int64, int64)")
def find_settled(r, words, count, tracked, t, behind, unless):
    """As `settled`."""
    return settled(r, words, count, behind, tracked, t, unless)


@entry("void(int64)")
def put_kept(r):
    """Set down what states that were kept may become."""
    t = r + 8 * L_STATES
    begins, pool = load64(t, L_BEGINS), load64(t, L_POOL)
    for number in range(load64(t, L_COUNT)):
        begin = load64(begins, number)
        may_become(r, number, pool + 4 * begin, load64(begins, number + 1) - begin)


@entry("int64(int64, int64, int64)")
def make_rows(r, queue, ends):
    """Make the rows of the states in a queue (int32), and of those that they lead to. `ends`: how many stand
    in the queue, how many may, and a mark that no earlier queue has had, an even number. Returns MADE; NOTED,
    where some wait for what was noted; or FULL. Call it again with the same arguments then."""
    width, marks, head = load64(r, R_WIDTH), load64(r, A_MARKS), 0
    mark, complete = load64(ends, 2), True
    while head < load64(ends, 0):
        state = load32(queue, head)
        head += 1
        if load64(marks, state) == mark + 1:
            continue
        if load32(load64(r, A_FIRST), width * state) < 0:
            code = make_row(r, state)
            if code == FULL:
                return FULL
            if code == NOTED:
                complete = False
                continue
        store64(marks, state, mark + 1)
        row = load64(r, A_AFTER) + 4 * width * state
        for kind in range(width):
            after = load32(row, kind)
            count = load64(ends, 0)
            if after >= 0 and load64(marks, after) < mark and count < load64(ends, 1):
                store64(marks, after, mark)
                store32(queue, count, after)
                store64(ends, 0, count + 1)
    return MADE if complete else NOTED
