"""The compiled endings of lexemes: as which terminals a lexeme may end so that a separator decides it.

For each terminal the first text that leads to it from the state's items is followed (`contextual_lexer`
provides the texts). If it leads elsewhere, or a separator after it does not decide the lexeme, the terminal
is left to `contextual_lexer`.
"""

from __future__ import annotations

import numba as nb

from structgen.lark_grammars.lexer.lexeme_rows import (
    DEAD,
    DECIDED,
    I_ENDS,
    I_GUARDS,
    I_KIND,
    I_MATCH,
    I_WORDS,
    MISSING,
    NOTED,
    S_ITEMS,
    S_TRACKED,
    SLOT,
    LexerTables,
    slots_of,
    terminal_of,
)
from structgen.native.jit import entry, jit
from structgen.native.typed_blocks import Block, BlockRows, Bytes, Int32s, Int64s, skip


class TextEntry(Block):
    """A row of the hash table of texts."""

    key: int
    """1 + a number of an item and a match; 0: the row is free."""
    text: int
    """The text's position in TEXTS, above SIZE_BITS, and its length; or NO_TEXT."""


class EndingSearch(Block):
    """Input and output of the search for endings."""

    classes: Bytes
    """[256]"""
    separator: int
    newline: int
    """The indenter's newline, -1: none."""
    table: BlockRows[TextEntry]
    mask: int
    """The number of rows of TABLE less one."""
    texts: Bytes
    is_string: Bytes
    """[terminals]: whether it is a string that may replace a match."""
    ignored: Bytes
    """[terminals]"""
    note_count: int
    notes: Int64s
    """[MOST_TEXTS]: keys of texts that Python must find."""
    missing_count: int
    missing: Int32s
    """[MOST_TEXTS]: states whose rows are missing."""
    bits: Int64s
    """A row of bits of terminals."""
    found: Int32s
    """[F_LISTS + 4 * terminals]: the result."""


SIZE_BITS = 20
NO_TEXT, ASKED_TEXT = -1, -2
MOST_TEXTS = 1024
F_SEPARATED, F_LEFT, F_ALL, F_FLAGS, F_LAST, F_LISTS = range(6)
"""Words of the result: how many terminals the separator decides, how many are left to `contextual_lexer`, and
how many the lexeme may become; FLAGS; the result at the text's end (a terminal or LAST_...). Then four lists,
each with room for all terminals: all terminals, the decided ones, the bytes that these need, and those
left."""
HAS_IGNORED, MAY_BE_IGNORED, MAY_BREAK, HAS_OLD = 1, 2, 4, 8
"""Flags of a lexeme: it has a slot of an ignored terminal; it may become one; it may become the indenter's
newline; it has an old slot."""
LAST_NOT, LAST_OLD, LAST_UNKNOWN = -1, -2, -3


@jit
def entry_of(e: EndingSearch, key: int) -> TextEntry:
    """Return the row of a key, or the free row for it."""
    h = nb.uint64(key) * nb.uint64(0x9E3779B97F4A7C15)
    at = nb.int64((h >> nb.uint64(32)) & nb.uint64(e.mask))
    while e.table[at].key != 0 and e.table[at].key != key + 1:
        at = (at + 1) & e.mask
    return e.table[at]


@entry("void(int64, int64, int64)")
def put_text(search: int, key: int, text: int) -> None:
    """Enter a text."""
    row = entry_of(EndingSearch(search), key)
    row.key = key + 1
    row.text = text


@jit
def first_text(r: LexerTables, e: EndingSearch, items: Int32s, count: int, number: int) -> int:
    """Return the shortest text that leads from some items to a match, of several the first; NO_TEXT; or
    ASKED_TEXT if texts were requested."""
    bits, reach, matches = r.match_words, r.reach, 2 * r.terminals
    best, asked = NO_TEXT, False
    size = (1 << SIZE_BITS) - 1
    for i in range(count):
        item = items[i]
        if reach[bits * item + (number >> 6)] >> (number & 63) & 1 == 0:
            continue
        key = matches * item + number
        row = entry_of(e, key)
        text = row.text
        if row.key == 0:
            asked = True
            noted = e.note_count
            if noted < MOST_TEXTS:
                e.notes[noted] = key
                e.note_count = noted + 1
        elif text >= 0 and (best < 0 or text & size < best & size):
            best = text
    return ASKED_TEXT if asked else best


@jit
def first_move(r: LexerTables, classes: Bytes, state: int, byte: int) -> tuple[int, int]:
    """Return the state after a byte, DEAD, DECIDED, or MISSING - state; and the source of its first slot."""
    cell = r.width * state
    if r.first[cell] < 0:
        return MISSING - state, 0
    cell += classes[byte]
    begins = r.source_lists.begins
    after = r.after[cell]
    return after, r.source_lists.pool[begins[r.sources[cell]]] if after == DECIDED else 0


@jit
def is_separated(r: LexerTables, e: EndingSearch, state: int, terminal: int, text: int) -> int:
    """Return whether a text, followed by the separator, decides a lexeme as a terminal; or MISSING -
    state."""
    classes, begin = e.classes, skip(e.texts, text >> SIZE_BITS)
    size = text & ((1 << SIZE_BITS) - 1)
    for i in range(size):
        after, source = first_move(r, classes, state, begin[i])
        if after == DECIDED:
            return 1 if i == size - 1 and source == -1 - terminal else 0
        if after < 0:
            return 0 if after == DEAD else after
        state = after
    if slots_of(r, state, terminal) == 0:
        return 0
    after, source = first_move(r, classes, state, e.separator)
    if after <= MISSING:
        return after
    decided = after == DECIDED and source >= 0 and terminal_of(r, state, source) == terminal
    return 1 if decided else 0


@jit
def at_end_of(r: LexerTables, items: Int32s, count: int) -> int:
    """Return the result of a state's items at the text's end."""
    for i in range(count):
        item = skip(r.items, I_WORDS * items[i])
        if item[I_KIND] == SLOT and item[I_GUARDS] == 0:
            return item[I_MATCH] if item[I_MATCH] >= 0 else LAST_OLD
        if item[I_ENDS] != 0:
            return LAST_UNKNOWN
    return LAST_NOT


@jit
def mark_possible(r: LexerTables, e: EndingSearch, state: int, items: Int32s, count: int) -> int:
    """Set the bits of the terminals that a lexeme may become, or is; return the flags of its slots."""
    half, bits, flags = r.terminal_words, e.bits, 0
    for w in range(half):
        bits[w] = r.viable[half * state + w]
    for i in range(count):
        item = skip(r.items, I_WORDS * items[i])
        terminal = item[I_MATCH]
        if item[I_KIND] != SLOT:
            continue
        if terminal < 0:
            flags |= HAS_OLD
            continue
        w = terminal >> 6
        bits[w] = bits[w] | 1 << (terminal & 63)
        if e.ignored[terminal] != 0:
            flags |= HAS_IGNORED
    return flags


@entry("int64(int64, int64, int64)")
def find_endings(tables: int, search: int, state: int) -> int:
    """Find as which terminals a lexeme may end (FOUND). Returns 0; or NOTED if texts or rows are missing:
    then call it again."""
    r, e = LexerTables(tables), EndingSearch(search)
    t, held = r.states, r.tracked
    begin = t.begins[state]
    count = t.begins[state + 1] - begin - S_ITEMS
    head = skip(t.pool, begin)
    items = skip(head, S_ITEMS)
    tracked = head[S_TRACKED]
    many = held.begins[tracked + 1] - held.begins[tracked]
    strings = skip(held.pool, held.begins[tracked])
    terminals, newline = r.terminals, e.newline
    found = e.found
    every = skip(found, F_LISTS)
    separated, sizes, left = skip(every, terminals), skip(every, 2 * terminals), skip(every, 3 * terminals)
    flags = mark_possible(r, e, state, items, count)
    bits, exact = e.bits, e.is_string
    count_of_all, decided, others, complete = 0, 0, 0, True
    for terminal in range(terminals):
        if bits[terminal >> 6] >> (terminal & 63) & 1 == 0:
            continue
        every[count_of_all] = terminal
        count_of_all += 1
        if e.ignored[terminal] != 0:
            flags |= MAY_BE_IGNORED
        if terminal == newline:
            flags |= MAY_BREAK
            continue
        text = 0
        if slots_of(r, state, terminal) == 0:
            text = NO_TEXT
            if exact[terminal] != 0:
                text = first_text(r, e, strings, many, terminals + terminal)
            if text == NO_TEXT:
                text = first_text(r, e, items, count, terminal)
        if text == ASKED_TEXT:
            complete = False
            continue
        code = is_separated(r, e, state, terminal, text) if text >= 0 else 0
        if code < 0:
            complete = False
            missing = e.missing_count
            if missing < MOST_TEXTS:
                e.missing[missing] = MISSING - code
                e.missing_count = missing + 1
            continue
        if code > 0:
            separated[decided] = terminal
            sizes[decided] = text & ((1 << SIZE_BITS) - 1)
            decided += 1
        else:
            left[others] = terminal
            others += 1
    found[F_SEPARATED] = decided
    found[F_LEFT] = others
    found[F_ALL] = count_of_all
    found[F_FLAGS] = flags
    found[F_LAST] = at_end_of(r, items, count)
    return 0 if complete else NOTED


@entry("void(int64, int64, int64, int64, int64)")
def find_may_become(tables: int, first: int, count: int, terminal: int, found: int) -> None:
    """Write (uint8) for consecutive states whether their lexeme may become a terminal, or is one."""
    r, answers = LexerTables(tables), Bytes(found)
    for i in range(count):
        may = r.viable[r.terminal_words * (first + i) + (terminal >> 6)] >> (terminal & 63) & 1
        answers[i] = 1 if may != 0 or slots_of(r, first + i, terminal) != 0 else 0
