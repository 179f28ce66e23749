"""The compiled determinisation of lexeme states: subset construction over numbered, ordered items.

A lexeme state is a list of numbers: its look-behind state, its set of tracked threads, its `unless`, and its
items, best first (`lexemes` defines these). The closure of an item after a class of bytes is a list of items.
It does not depend on the state, so it is in a table (CELLS) with a row for each item. The row of a state (its
moves by all classes) merges the rows of its items in order, and drops items that a better match makes
impossible. A missing row of an item is requested from Python (`lexeme_items`), and the state's row is made
later.

Routines may stop anywhere with FULL (Python makes room) and are called again; numbers that they gave stay
valid.
"""

from __future__ import annotations

from typing import Any

import numba as nb

from structgen.native.jit import entry, jit
from structgen.native.typed_blocks import Block, BlockRows, Bytes, Int32s, Int64s, skip


class InternedLists(Block):
    """Interned lists of numbers."""

    count: int
    begins: Int64s
    pool: Int32s
    """The numbers of a list, from BEGINS on."""
    index: Int32s
    """A hash index of the lists, -1: free."""
    room: int
    pool_room: int
    mask: int
    """The size of INDEX less one; the size is a power of two."""


class Note(Block):
    """A row that Python must make."""

    kind: int
    """NOTE_ITEM or NOTE_LOOK_BEHIND."""
    number: int
    look_behind: int


class LexerTables(Block):
    """Input and output of determinisation. The Python side is `lexeme_items.LexemeItems`."""

    width: int
    """Classes of bytes."""
    terminal_words: int
    match_words: int
    """Int64s of a row of bits: of terminals; of matches (terminals, then the strings alone)."""
    unless_count: int
    """The number of different `unless` of contexts."""
    terminals: int
    look_behinds: int
    """Columns of VARIANTS."""
    note_count: int
    stamp: int
    """The last value that was set in STAMPS."""
    wanted: int
    """After FULL: the wanted capacity."""
    state_room: int
    scratch_room: int
    notes: BlockRows[Note]
    items: Int32s
    """[items, I_WORDS]"""
    names: Bytes
    """[items, UNLESS_COUNT]: whether a string may replace the match of the item."""
    reach: Int64s
    """[items, MATCH_WORDS]: bits of the matches that the item can reach."""
    guard_begins: Int32s
    guard_pool: Int32s
    """The guards of each tuple."""
    slots: Int32s
    """[guards, TERMINALS]: the item of a new slot."""
    cells: Int32s
    """[rows, WIDTH]: positions in LISTS."""
    lists: Int32s
    """Lists of items: a count, and the items."""
    variants: Int32s
    """[items that look behind, LOOK_BEHINDS]: their rows."""
    next_look_behinds: Int32s
    """[look-behind states, WIDTH]: the look-behind state after a byte."""
    unless_begins: Int32s
    unless: Int32s
    """[:, 3] of each `unless`: a terminal, the match of a string alone, and the string."""
    viable: Int64s
    """[states, TERMINAL_WORDS]: bits of the terminals of which the lexeme is a viable prefix."""
    after: Int32s
    """[states, WIDTH]: the state after a byte, DEAD or DECIDED."""
    sources: Int32s
    """[states, WIDTH]: the sources of the slots after a byte, as a list of SOURCE_LISTS."""
    first: Int32s
    """[states, WIDTH]: the first class of bytes with the same move; -1: the row is not made."""
    stamps: Int64s
    """[items]"""
    marks: Int64s
    """[states]: the number of the queue that contains a state; one more when it is done."""
    scratch: Int32s
    class_hashes: Int64s
    """[WIDTH]"""
    class_index: Int32s
    """[WIDTH + CLASS_ROOM]: first classes of different moves; a hash index."""
    states: InternedLists
    tracked: InternedLists
    source_lists: InternedLists


CLASS_ROOM = 512
"""A power of two, at least twice the number of classes."""

THREAD, MATCH, SLOT = range(3)
"""Kinds of items. MATCH: a thread that has matched; no state contains one."""
I_KIND, I_GUARDS, I_MATCH, I_ALWAYS, I_ASKS, I_BARE, I_ROW, I_ENDS, I_WORDS = range(9)
"""Fields of an item: its kind; its guards; for a MATCH its number, for a SLOT its terminal; whether any
character makes it a match; its number among those that look behind, or -1; the same thread without guards;
its row of cells; whether it may match at the end of the text."""
S_LOOK_BEHIND, S_TRACKED, S_UNLESS, S_ITEMS = range(4)
"""The numbers of a state; its items follow."""
NONE, ASKED = -1, -2
"""In place of a row: not made; requested."""
MADE, FULL, NOTED = 0, -2, -3
DEAD, DECIDED = -1, -2
NOTE_ITEM, NOTE_LOOK_BEHIND = range(2)
MISSING = -16
"""MISSING - state, in place of a state: its row cannot be made yet."""
MOST_NOTES = 4096
MOVES = ("after", "sources", "first")


# --- lists --------------------------------------------------------------------------------------------------


@jit
def hashed(words: Int32s, count: int) -> Any:
    """Return a hash of some numbers (FNV-1a, with a shift), a uint64."""
    h = nb.uint64(14695981039346656037)
    for i in range(count):
        h = (h ^ nb.uint64(words[i] + 7)) * nb.uint64(1099511628211)
        h ^= h >> nb.uint64(29)
    return h


@entry("void(int64)")
def index_anew(lists: int) -> None:
    """Fill an empty index with the interned lists."""
    t = InternedLists(lists)
    begins, pool, index, mask = t.begins, t.pool, t.index, t.mask
    for number in range(t.count):
        begin = begins[number]
        at = nb.int64(hashed(skip(pool, begin), begins[number + 1] - begin) & nb.uint64(mask))
        while index[at] >= 0:
            at = (at + 1) & mask
        index[at] = number


@jit
def is_same(words: Int32s, others: Int32s, count: int) -> bool:
    at = 0
    while at < count and words[at] == others[at]:
        at += 1
    return at == count


@jit
def intern(r: LexerTables, t: InternedLists, words: Int32s, count: int) -> int:
    """Return the number of a list, added if it is new; or FULL."""
    begins, pool, index, mask = t.begins, t.pool, t.index, t.mask
    at = nb.int64(hashed(words, count) & nb.uint64(mask))
    while True:
        known = index[at]
        if known < 0:
            break
        begin = begins[known]
        if begins[known + 1] - begin == count and is_same(skip(pool, begin), words, count):
            return known
        at = (at + 1) & mask
    number = t.count
    begin = begins[number]
    if number + 2 > t.room or begin + count > t.pool_room:
        r.wanted = count
        return FULL
    for i in range(count):
        pool[begin + i] = words[i]
    begins[number + 1] = begin + count
    index[at] = number
    t.count = number + 1
    return number


# --- states -------------------------------------------------------------------------------------------------


@jit
def put_state(r: LexerTables, words: Int32s, count: int) -> int:
    """Return the number of a state, or FULL. For a new one, also store its viable terminals."""
    t = r.states
    known = t.count
    if known >= r.state_room:
        return FULL
    number = intern(r, t, words, count)
    if number == known:
        find_viable(r, number, words, count)
    return number


@jit
def find_viable(r: LexerTables, number: int, words: Int32s, count: int) -> None:
    """Store the terminals of which a new state's lexeme is a viable prefix."""
    half, bits, reach = r.terminal_words, r.match_words, r.reach
    mine = skip(r.viable, half * number)
    for w in range(half):
        mine[w] = 0
    for i in range(S_ITEMS, count):
        its = skip(reach, bits * words[i])
        for w in range(half):
            mine[w] = mine[w] | its[w]
    tracked = words[S_TRACKED]
    if tracked == 0:
        return
    t = r.tracked
    pool, begins = t.pool, t.begins
    unless, at = r.unless, skip(r.unless_begins, words[S_UNLESS])
    for row in range(at[0], at[1]):
        terminal, exact, string = unless[3 * row], unless[3 * row + 1], unless[3 * row + 2]
        there = False
        for i in range(S_ITEMS, count):
            if reach[bits * words[i] + (terminal >> 6)] >> (terminal & 63) & 1:
                there = True
                break
        if not there:
            continue
        for i in range(begins[tracked], begins[tracked + 1]):
            if reach[bits * pool[i] + (exact >> 6)] >> (exact & 63) & 1:
                mine[string >> 6] = mine[string >> 6] | 1 << (string & 63)
                break


@jit
def settled(
    r: LexerTables, words: Int32s, count: int, look_behind: int, tracked: Int32s, t: int, unless: int
) -> int:
    """Return the state of some items, without the parts on which nothing in it depends; or FULL. `words`:
    S_ITEMS free entries, then the items."""
    items = r.items
    if look_behind > 0:
        asks = False
        for i in range(S_ITEMS, count):
            if items[I_WORDS * words[i] + I_ASKS] >= 0:
                asks = True
                break
        if not asks:
            look_behind = 0
    if t > 0:
        names, columns = skip(r.names, unless), r.unless_count
        some = False
        for i in range(S_ITEMS, count):
            if names[columns * words[i]] != 0:
                some = True
                break
        if not some:
            t = 0
    number = 0
    if t > 0:
        number = intern(r, r.tracked, tracked, t)
        if number == FULL:
            return FULL
    else:
        unless = 0
    words[S_LOOK_BEHIND] = look_behind
    words[S_TRACKED] = number
    words[S_UNLESS] = unless
    return put_state(r, words, count)


@jit
def without_slot(r: LexerTables, state: int) -> int:
    """Return the state without its last slot, an old one that turned out an error: only the items before it;
    DEAD if there are none. If the last item is no old slot, the state itself; or FULL."""
    t, items = r.states, r.items
    begin, end = t.begins[state], t.begins[state + 1]
    pool = t.pool
    if end - begin == S_ITEMS:
        return state
    item = skip(items, I_WORDS * pool[end - 1])
    if item[I_KIND] != SLOT or item[I_MATCH] >= 0:
        return state
    if end - begin == S_ITEMS + 1:
        return DEAD
    words, count = r.scratch, end - 1 - begin
    if count > r.scratch_room:
        r.wanted = count
        return FULL
    for i in range(count):
        words[i] = pool[begin + i]
    tracked, unless = words[S_TRACKED], words[S_UNLESS]
    held = r.tracked
    first = held.begins[tracked]
    t_count = held.begins[tracked + 1] - first
    return settled(r, words, count, words[S_LOOK_BEHIND], skip(held.pool, first), t_count, unless)


# --- rows ---------------------------------------------------------------------------------------------------


@jit
def note_row(r: LexerTables, kind: int, number: int, look_behind: int) -> int:
    """Request a row from Python; return the value in its place."""
    count = r.note_count
    if count < MOST_NOTES:
        note = r.notes[count]
        note.kind = kind
        note.number = number
        note.look_behind = look_behind
        r.note_count = count + 1
        return ASKED
    return NONE


@jit
def is_idle(begins: Int32s, pool: Int32s, guards: int, ruling: Int32s, count: int) -> bool:
    """Return whether an item with some guards can never win, because a better match needs a subset of
    them."""
    for i in range(count):
        needed = ruling[i]
        missing = False
        for a in range(begins[needed], begins[needed + 1]):
            there = False
            for b in range(begins[guards], begins[guards + 1]):
                if pool[b] == pool[a]:
                    there = True
                    break
            if not there:
                missing = True
                break
        if not missing:
            return True
    return False


@jit
def named(r: LexerTables, match: int, tracked: Int32s, count: int, unless: int) -> int:
    """Return the terminal of a match: that of a string that equals it, if there is one."""
    items, rows = r.items, r.unless
    at = skip(r.unless_begins, unless)
    for row in range(at[0], at[1]):
        if rows[3 * row] == match:
            exact = rows[3 * row + 1]
            for i in range(count):
                one = skip(items, I_WORDS * tracked[i])
                if one[I_KIND] == MATCH and one[I_MATCH] == exact:
                    return rows[3 * row + 2]
    return match


@jit
def find_rows(
    r: LexerTables,
    head: Int32s,
    count: int,
    tracked: Int32s,
    t_count: int,
    look_behind: int,
    found: Int32s,
) -> bool:
    """Write the rows of a state's items and tracked threads; request those that are missing. Returns whether
    all are there."""
    items, variants, columns = r.items, r.variants, r.look_behinds
    complete = True
    for i in range(count + t_count):
        number = head[S_ITEMS + i] if i < count else tracked[i - count]
        item = skip(items, I_WORDS * number)
        asks = item[I_ASKS]
        row = item[I_ROW] if asks < 0 else variants[columns * asks + look_behind]
        if row < 0:
            complete = False
            if row == NONE:
                if asks < 0:
                    item[I_ROW] = note_row(r, NOTE_ITEM, number, 0)
                else:
                    variants[columns * asks + look_behind] = note_row(r, NOTE_ITEM, number, look_behind)
        found[i] = row
    return complete


@jit
def make_row(r: LexerTables, state: int) -> int:
    """Make the moves of a state. Returns MADE, NOTED or FULL."""
    width, t = r.width, r.states
    begin = t.begins[state]
    count = t.begins[state + 1] - begin - S_ITEMS
    head = skip(t.pool, begin)
    look_behind, tracked = head[S_LOOK_BEHIND], head[S_TRACKED]
    held = r.tracked
    t_begin = held.begins[tracked]
    t_count = held.begins[tracked + 1] - t_begin
    every, threads = count + t_count, skip(held.pool, t_begin)
    room = r.scratch_room
    if 8 * (every + S_ITEMS) > room:
        r.wanted = 8 * (every + S_ITEMS)
        return FULL
    before = skip(r.next_look_behinds, width * look_behind)
    if look_behind > 0 and before[0] < 0:
        if before[0] == NONE:
            before[0] = note_row(r, NOTE_LOOK_BEHIND, look_behind, 0)
        return NOTED
    hashes = r.class_hashes
    firsts, index = r.class_index, skip(r.class_index, width)
    rows = r.scratch
    cells = r.cells
    lists = skip(rows, every)
    if not find_rows(r, head, count, threads, t_count, look_behind, rows):
        return NOTED
    # --- a hash of the inputs of each class's move
    for kind in range(width):
        hashes[kind] = 3 + before[kind] if look_behind > 0 else 3
    for i in range(every):
        row = skip(cells, width * rows[i])
        for kind in range(width):
            h = (nb.uint64(hashes[kind]) ^ nb.uint64(row[kind])) * nb.uint64(1099511628211)
            hashes[kind] = nb.int64(h ^ (h >> nb.uint64(31)))
    # --- the moves, each computed once
    after = skip(r.after, width * state)
    sources = skip(r.sources, width * state)
    first = skip(r.first, width * state)
    for i in range(CLASS_ROOM):
        index[i] = -1
    known = 0
    for kind in range(width):
        later = before[kind] if look_behind > 0 else 0
        for i in range(every):
            lists[i] = cells[width * rows[i] + kind]
        at = hashes[kind] & (CLASS_ROOM - 1)
        same = -1
        while same < 0:
            other = index[at]
            if other < 0:
                break
            if hashes[other] == hashes[kind] and (look_behind == 0 or before[other] == later):
                same = other
                for i in range(every):
                    if cells[width * rows[i] + other] != lists[i]:
                        same = -1
                        break
            at = (at + 1) & (CLASS_ROOM - 1)
        if same >= 0:
            after[kind] = after[same]
            sources[kind] = sources[same]
            first[kind] = first[same]
            continue
        if make_move(r, state, kind, head, count, t_count, lists, later) == FULL:
            first[0] = -1
            return FULL
        index[at] = kind
        mine = kind
        for i in range(known):
            other = firsts[i]
            if after[other] == after[kind] and sources[other] == sources[kind]:
                mine = other
                break
        if mine == kind:
            firsts[known] = kind
            known += 1
        first[kind] = mine
    return MADE


@jit
def make_move(
    r: LexerTables,
    state: int,
    kind: int,
    head: Int32s,
    count: int,
    t_count: int,
    cells: Int32s,
    later: int,
) -> int:
    """Compute the move of a state by a class of bytes. `cells`: the closures of its items and tracked
    threads; `later`: the look-behind state after it. Returns MADE or FULL."""
    width = r.width
    after = skip(r.after, width * state)
    sources_of = skip(r.sources, width * state)
    lists, items, stamps, slots = r.lists, r.items, r.stamps, r.slots
    begins, pool, terminals = r.guard_begins, r.guard_pool, r.terminals
    unless = head[S_UNLESS]
    total = count + t_count + S_ITEMS
    for i in range(count + t_count):
        total += lists[cells[i]]
    # the scratch before this holds the rows and cells of `make_row`
    taken = 2 * (count + t_count)
    if taken + 4 * total > r.scratch_room:
        r.wanted = taken + 4 * total
        return FULL
    words = skip(r.scratch, taken)
    ruling, sources, tracked = skip(words, total), skip(words, 2 * total), skip(words, 3 * total)
    # --- the strings that may replace a match
    t = 0
    if t_count > 0:
        now = r.stamp + 1
        r.stamp = now
        for i in range(count, count + t_count):
            at = cells[i]
            for j in range(at + 1, at + 1 + lists[at]):
                item = skip(items, I_WORDS * lists[j])
                one = item[I_BARE]
                if stamps[one] != now:
                    stamps[one] = now
                    place = t
                    while place > 0 and tracked[place - 1] > one:
                        tracked[place] = tracked[place - 1]
                        place -= 1
                    tracked[place] = one
                    t += 1
    # --- the items
    now = r.stamp + 1
    r.stamp = now
    n, rules, k, slot = S_ITEMS, 0, 0, 0
    going = True
    for i in range(count):
        at = cells[i]
        many = lists[at]
        if items[I_WORDS * head[S_ITEMS + i] + I_KIND] == SLOT:
            if many > 0:
                one = lists[at + 1]
                guards = items[I_WORDS * one + I_GUARDS]
                if not is_idle(begins, pool, guards, ruling, rules):
                    words[n] = one
                    ruling[rules] = guards
                    sources[k] = slot
                    n, rules, k = n + 1, rules + 1, k + 1
                    going = guards > 0
            slot += 1
        else:
            for j in range(at + 1, at + 1 + many):
                one = lists[j]
                item = skip(items, I_WORDS * one)
                guards = item[I_GUARDS]
                if rules > 0 and is_idle(begins, pool, guards, ruling, rules):
                    continue
                if item[I_KIND] == MATCH:
                    terminal = item[I_MATCH]
                    if t > 0:
                        terminal = named(r, terminal, tracked, t, unless)
                    words[n] = slots[terminals * guards + terminal]
                    ruling[rules] = guards
                    sources[k] = -1 - terminal
                    n, rules, k = n + 1, rules + 1, k + 1
                    if guards == 0:
                        going = False
                        break
                    continue
                if stamps[one] != now:
                    stamps[one] = now
                    words[n] = one
                    n += 1
                if item[I_ALWAYS] > 0:
                    # every character satisfies this match: worse items are dropped
                    ruling[rules] = guards
                    rules += 1
        if not going:
            break
    if n == S_ITEMS:
        after[kind] = DEAD
        sources_of[kind] = 0
        return MADE
    best = skip(items, I_WORDS * words[S_ITEMS])
    number = DECIDED
    if best[I_KIND] == SLOT and best[I_GUARDS] == 0:
        k = 1
    else:
        number = settled(r, words, n, later, tracked, t, unless)
        if number == FULL:
            return FULL
    source = intern(r, r.source_lists, sources, k)
    if source == FULL:
        return FULL
    after[kind] = number
    sources_of[kind] = source
    return MADE


# --- texts --------------------------------------------------------------------------------------------------


@jit
def move_of(r: LexerTables, classes: Bytes, state: int, byte: int) -> tuple[int, Int32s]:
    """Return the state after a byte, DEAD, DECIDED, or MISSING - state; and the sources of its slots."""
    cell = r.width * state
    if r.first[cell] < 0 and make_row(r, state) != MADE:
        return MISSING - state, r.source_lists.pool
    cell += classes[byte]
    begins = r.source_lists.begins
    sources = skip(r.source_lists.pool, begins[r.sources[cell]])
    return r.after[cell], sources


@jit
def terminal_of(r: LexerTables, state: int, slot: int) -> int:
    """Return the terminal of a state's slot; -1: it is an old one."""
    begins, pool = r.states.begins, r.states.pool
    items = r.items
    for at in range(begins[state] + S_ITEMS, begins[state + 1]):
        item = skip(items, I_WORDS * pool[at])
        if item[I_KIND] == SLOT:
            if slot == 0:
                return item[I_MATCH]
            slot -= 1
    return -1


@jit
def slots_of(r: LexerTables, state: int, terminal: int) -> int:
    """Return bits: 1, a state has a slot of a terminal; 2, it has one that can still be overruled."""
    begins, pool = r.states.begins, r.states.pool
    items, found = r.items, 0
    for at in range(begins[state] + S_ITEMS, begins[state + 1]):
        item = skip(items, I_WORDS * pool[at])
        if item[I_KIND] == SLOT and item[I_MATCH] == terminal:
            found |= 3 if item[I_GUARDS] > 0 else 1
    return found


@jit
def follow(r: LexerTables, classes: Bytes, state: int, terminal: int, text: Bytes, size: int) -> int:
    """Return the state after a text; DECIDED if the lexeme has ended as the terminal with the last byte, DEAD
    if it ended otherwise; or MISSING - state."""
    for i in range(size):
        after, sources = move_of(r, classes, state, text[i])
        if after == DECIDED:
            return DECIDED if i == size - 1 and sources[0] == -1 - terminal else DEAD
        if after < 0:
            return after
        state = after
    return state


@entry("int64(int64, int64, int64, int64, int64, int64)")
def find_end(tables: int, classes: int, state: int, terminal: int, text: int, size: int) -> int:
    """As `follow`; a state is multiplied by 4 and has the bits of `slots_of`."""
    r = LexerTables(tables)
    after = follow(r, Bytes(classes), state, terminal, Bytes(text), size)
    return after if after < 0 else 4 * after + slots_of(r, after, terminal)


@entry("int64(int64, int64, int64, int64, int64, int64, int64, int64)")
def find_every_end(
    tables: int,
    classes: int,
    state: int,
    terminal: int,
    texts: int,
    begins: int,
    count: int,
    found: int,
) -> int:
    """Write for each text the result of `find_end` (int32). Returns the number of missing rows."""
    r, ends, answers = LexerTables(tables), Int32s(begins), Int32s(found)
    missing = 0
    for i in range(count):
        text, size = Bytes(texts + ends[i]), ends[i + 1] - ends[i]
        after = follow(r, Bytes(classes), state, terminal, text, size)
        missing += after <= MISSING
        answers[i] = after if after < 0 else 4 * after + slots_of(r, after, terminal)
    return missing


@entry("int64(int64, int64, int64, int64, int64, int64, int64)")
def find_text(
    tables: int, classes: int, state: int, terminal: int, texts: int, begins: int, count: int
) -> int:
    """Return the number of the first text after which a lexeme may end as a terminal; DEAD if there is none;
    or MISSING - state. `begins`: int32[count + 1]."""
    r, ends = LexerTables(tables), Int32s(begins)
    for i in range(count):
        text, size = Bytes(texts + ends[i]), ends[i + 1] - ends[i]
        after = follow(r, Bytes(classes), state, terminal, text, size)
        if after <= MISSING:
            return after
        if after == DECIDED or (after >= 0 and slots_of(r, after, terminal) != 0):
            return i
    return DEAD


@entry("int64(int64, int64, int64, int64, int64, int64, int64)")
def find_separated(
    tables: int, classes: int, state: int, terminal: int, text: int, size: int, separator: int
) -> int:
    """Return whether a lexeme that a text ends as a terminal has certainly ended so, if a separator follows;
    or MISSING - state."""
    r = LexerTables(tables)
    after = follow(r, Bytes(classes), state, terminal, Bytes(text), size)
    if after < 0:
        return 1 if after == DECIDED else 0 if after == DEAD else after
    state = after
    after, sources = move_of(r, Bytes(classes), state, separator)
    if after <= MISSING:
        return after
    source = sources[0] if after == DECIDED else -1
    return 1 if source >= 0 and terminal_of(r, state, source) == terminal else 0


# --- entries ------------------------------------------------------------------------------------------------


@entry("int64(int64, int64)")
def find_without_slot(tables: int, state: int) -> int:
    """As `without_slot`."""
    return without_slot(LexerTables(tables), state)


@entry("int64(int64, int64, int64, int64, int64, int64, int64)")
def find_settled(
    tables: int, words: int, count: int, tracked: int, t: int, look_behind: int, unless: int
) -> int:
    """As `settled`."""
    return settled(LexerTables(tables), Int32s(words), count, look_behind, Int32s(tracked), t, unless)


@entry("void(int64)")
def find_all_viable(tables: int) -> None:
    """Store the viable terminals of all states that were read from a file."""
    r = LexerTables(tables)
    t = r.states
    begins, pool = t.begins, t.pool
    for number in range(t.count):
        begin = begins[number]
        find_viable(r, number, skip(pool, begin), begins[number + 1] - begin)


@entry("int64(int64, int64, int64)")
def make_rows(tables: int, queue: int, ends: int) -> int:
    """Make the rows of the states in a queue (int32), and of those that they lead to. `ends`: the number of
    states in the queue, its capacity, and an even mark that no earlier queue had. Returns MADE; NOTED if some
    wait for requested rows; or FULL. In the last two cases call it again with the same arguments."""
    r, waiting, bounds = LexerTables(tables), Int32s(queue), Int64s(ends)
    width, marks, head = r.width, r.marks, 0
    mark, complete = bounds[2], True
    while head < bounds[0]:
        state = waiting[head]
        head += 1
        if marks[state] == mark + 1:
            continue
        if r.first[width * state] < 0:
            code = make_row(r, state)
            if code == FULL:
                return FULL
            if code == NOTED:
                complete = False
                continue
        marks[state] = mark + 1
        row = skip(r.after, width * state)
        for kind in range(width):
            after = row[kind]
            count = bounds[0]
            if after >= 0 and marks[after] < mark and count < bounds[1]:
                marks[after] = mark
                waiting[count] = after
                bounds[0] = count + 1
    return MADE if complete else NOTED
