"""Terminals of JSON as the states of a lexer, which `machine_core.lexeme_records` scans.

A state of it is a row of `terminals`: the inside of a string or a key by the state of its automaton, of its
escape, and what its length still asks; the inside of a numeral; a run of white space between two tokens. What
a byte does there is worked out once, and kept in its cell. Entry points take the address of a context and
integers.
"""

from __future__ import annotations

from typing import Final

from structgen.json_machine.masks.safe_classes import all_classes, bits, safe_row
from structgen.json_machine.steps.byte_step import bounded_space, number_step, step
from structgen.json_machine.tables.json_blocks import (
    ESCAPE_SHIFT,
    ESCAPES_ASCII,
    LACKS_TAILS,
    M_ARRAY,
    M_ITEM,
    M_KEY,
    M_MEMBER,
    M_NUMBER,
    M_SPACE,
    M_STRING,
    SENTINEL,
    SPACE_BOUNDED,
    JsonContext,
    JsonTerminal,
    TerminalKey,
)
from structgen.json_machine.tables.lookups import FREE, WIDTH, settle
from structgen.machine_core.interning import ask_room, intern
from structgen.machine_core.layout import ASK, ASKED, OUT, REFUSED, YES
from structgen.machine_core.lexeme_layout import CLOSES, UNKNOWN
from structgen.native.jit import entry, jit
from structgen.native.typed_blocks import Int64s, address_of_block, copy_block, skip, words_of

_TERMINAL_WORDS: Final = words_of(JsonTerminal)
CELLS: Final = 256
"""Cells of a state: one for each byte."""
_MOST_MISSING_CLASSES = 4
"""Classes that may be missing in a string that is told by what it takes less than any string does."""


@jit
def blank_terminal(c: JsonContext) -> JsonTerminal:
    """Return the row of a terminal that is about to be looked up, each word of it -1."""
    words = Int64s(address_of_block(c.work.terminal))
    for i in range(_TERMINAL_WORDS):
        words[i] = -1
    return c.work.terminal


@jit
def put_state(c: JsonContext, mode: int, lexeme: int, least: int, most: int, policy: int) -> int:
    """Return the number of a state, with room for its cells; UNKNOWN where room must be made."""
    t = blank_terminal(c)
    key = t.key
    key.mode, key.lexeme, key.least, key.most, key.policy, key.quoted = mode, lexeme, least, most, policy, 0
    found = intern(c, c.terminals, 6, t)
    wanted, cells = CELLS * c.terminals.count, c.cells
    if found >= 0 and wanted > cells.capacity:
        ask_room(c, cells, wanted - cells.count)
        found = -1
    if found < 0:
        return UNKNOWN
    for i in range(cells.count, wanted):
        cells[i] = UNKNOWN
    cells.count = wanted
    return found


@entry("int64(int64, int64)")
def state_of(context: int, terminal: int) -> int:
    """Return the state of the lexer that a terminal is, its quote apart; or ASKED."""
    c = JsonContext(context)
    key = c.terminals[terminal].key
    found = put_state(c, key.mode, key.lexeme, key.least, key.most, key.policy)
    return found if found >= 0 else ASKED


@entry("int64(int64, int64, int64)")
def whole_string(context: int, mode: int, lexeme: int) -> int:
    """Return the state of a string or key of any length; or ASKED."""
    found = put_state(JsonContext(context), mode, lexeme, 0, -1, 0)
    return found if found >= 0 else ASKED


@jit
def string_byte(c: JsonContext, state: int, byte: int) -> int:
    """Return the cell of a byte inside a string or key. Where it stands for itself, the cell is noted for all
    bytes that do the same."""
    key = c.terminals[state].key
    before, d = c.scratch[0], c.scratch[1]
    before.text = 0
    settle(before, key.mode, c.quoted, 0, SENTINEL)
    before.lexeme = key.lexeme
    least, most = 0, -1
    if key.mode == M_STRING:
        spec = c.string_specs[c.quoted]
        least, most = spec.least, spec.most
        before.position = most - key.most if key.most >= 0 else least - key.least
    else:
        before.position = -1
    c.precise = 0
    code = step(c, before, d, byte)
    c.precise = 1
    if code == OUT:
        return CLOSES + d.lexeme
    if code == ASK:
        return UNKNOWN
    found = REFUSED
    if code == YES and key.mode == M_KEY:
        found = put_state(c, M_KEY, d.lexeme, 0, -1, 0)
    elif code == YES:
        left = most - d.position if key.most >= 0 else -1
        found = put_state(c, M_STRING, d.lexeme, max(least - d.position, 0), left, 0)
    top = 127 if c.escapes == ESCAPES_ASCII or c.lacks & LACKS_TAILS else 256
    if found >= REFUSED and before.lexeme >> ESCAPE_SHIFT == 0 and byte >= 32 and byte < top:
        row, cells = skip(c.strings, before.lexeme * WIDTH), skip(c.cells.numbers, CELLS * state)
        first = 32 if byte < 128 else (128 if byte < 192 else 192)
        last = min(top, 128 if byte < 128 else (192 if byte < 192 else 256))
        for other in range(first, last if byte != 34 and byte != 92 and row[byte] >= 0 else first):
            if row[other] == row[byte] and other != 34 and other != 92:
                cells[other] = found
    return found


@jit
def is_space(byte: int) -> bool:
    """Return whether a byte is white space."""
    return byte == 32 or byte == 9 or byte == 10 or byte == 13


@jit
def space_byte(c: JsonContext, key: TerminalKey, byte: int) -> int:
    """Return the cell of a byte in white space: `lexeme` brackets are open, at most `least` after what
    follows, and `most` says what is written (`byte_step.bounded_space`)."""
    if not is_space(byte):
        return REFUSED
    written = key.most
    if key.policy == SPACE_BOUNDED:
        written = bounded_space(written, byte)
        if written < 0 or (written & 15 > 8 and written >> 6 > 8 * key.least):
            return REFUSED
    return put_state(c, M_SPACE, key.lexeme, key.least, written, key.policy)


@entry("int64(int64, int64, int64)")
def cell_of(context: int, state: int, byte: int) -> int:
    """Work out a cell (`Hooks.miss`)."""
    c = JsonContext(context)
    key = c.terminals[state].key
    if key.mode == M_SPACE:
        after = space_byte(c, key, byte)
    elif key.mode == M_NUMBER:
        target = number_step(c, key.lexeme, byte)
        after = REFUSED if target < 0 else put_state(c, M_NUMBER, target, 0, -1, 0)
    else:
        after = string_byte(c, state, byte)
    if after >= REFUSED:
        c.cells[CELLS * state + byte] = after
    return after


@entry("int64(int64, int64, int64)")
def ends_before(context: int, state: int, byte: int) -> int:
    """Return the outcome with which a numeral, or white space, ends before a byte that may follow whatever
    holds it; else -1 (`Hooks.ends`)."""
    c = JsonContext(context)
    key, later = c.terminals[state].key, c.next_byte
    if key.mode == M_NUMBER:
        # anything that may hold a numeral goes on with white space, a comma or a bracket
        follows = later[(M_ITEM << 8) | byte] < 0 or later[(M_MEMBER << 8) | byte] < 0
        return c.number_outcomes[key.lexeme] if follows else -1
    if is_space(byte) or (later[(M_ARRAY << 8) | byte] >= 0 and byte != 58 and byte != 44 and byte != 125):
        return -1
    after = key.lexeme
    if byte == 125 or byte == 93:
        after -= 1
    elif byte == 123 or byte == 91:
        after += 1
    is_allowed = key.policy != SPACE_BOUNDED or key.most & 15 <= 8 or key.most >> 6 <= 8 * after
    return 0 if is_allowed else -1


@entry("int64(int64, int64)")
def safe_in(context: int, state: int) -> int:
    """Return where what is safe stands in a state of a string or key (`Hooks.safe`)."""
    c = JsonContext(context)
    t = c.terminals[state]
    key, safe = t.key, t.safe
    if safe.known == -1:
        safe.known = 0
        if key.lexeme >> ESCAPE_SHIFT == 0:
            copy_block(safe_row(c, key.lexeme, c.room), safe)
            if key.most >= 0:
                safe.reach = min(safe.reach, key.most - c.string_specs[c.quoted].farthest)
    return address_of_block(safe) if safe.known else 0


@entry("int64(int64, int64)")
def is_wide(context: int, state: int) -> int:
    """Return 1 where a state of a string takes nearly all that stands for itself, for some bytes at least,
    and no length ends it; else 0."""
    c = JsonContext(context)
    key = c.terminals[state].key
    if key.mode != M_STRING or key.lexeme >> ESCAPE_SHIFT != 0 or key.least > 0 or key.most >= 0:
        return 0
    row = safe_row(c, key.lexeme, c.room)
    low, high = all_classes(c)
    missing = bits(low & ~row.low, high & ~row.high)
    return 1 if key.lexeme != FREE and missing <= _MOST_MISSING_CLASSES else 0
