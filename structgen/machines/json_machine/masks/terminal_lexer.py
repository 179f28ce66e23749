"""Terminals of JSON as the states of a lexer, which `machine_core.lexeme_records` scans.

A state of it is a row of `terminals`: the inside of a string or a key by the state of its automaton, of its
escape, and what its length still asks; the inside of a numeral; a run of white space between two tokens. What
a byte does there is worked out once, and kept in its cell. Entry points take the address of a context and
integers.
"""

from __future__ import annotations

from typing import Final

from structgen.automata.strings.live_strings import UNASKED
from structgen.automata.unicode.decoded_text import OTHERS_COLUMN, TOTAL_COLUMN, WIDTH
from structgen.base.native.jit import entry, jit
from structgen.base.native.typed_blocks import Int64s, address_of_block, skip, words_of
from structgen.machines.json_machine.steps.byte_step import (
    bounded_space,
    is_bounded,
    number_step,
    step,
    uncounted,
)
from structgen.machines.json_machine.tables.json_blocks import (
    COUNT_SHIFT,
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
from structgen.machines.json_machine.tables.json_tables import CELLS
from structgen.machines.json_machine.tables.lookups import (
    is_space,
    like_count,
    phase_at,
    settle,
    string_step,
)
from structgen.machines.machine_core.interning import ask_room, intern
from structgen.machines.machine_core.layout import ASK, ASKED, OUT, REFUSED, YES
from structgen.machines.machine_core.lexeme_layout import CLOSES, UNKNOWN, SafeRow
from structgen.tokens.trie import MAX_STRING

_TERMINAL_WORDS: Final = words_of(JsonTerminal)
_BEYOND_ASCII = 10
"""The classes of characters outside ASCII, of which one is white space."""


@jit
def put_terminal(
    c: JsonContext, mode: int, lexeme: int, least: int, most: int, policy: int, quoted: int
) -> JsonTerminal:
    """Return the row of a terminal that is about to be looked up: its key, and -1 in each other word."""
    t = c.work.terminal
    words, key = Int64s(address_of_block(t)), t.key
    for i in range(_TERMINAL_WORDS):
        words[i] = -1
    key.mode, key.lexeme, key.least, key.most, key.policy, key.quoted = (
        mode,
        lexeme,
        least,
        most,
        policy,
        quoted,
    )
    return t


@jit
def put_state(c: JsonContext, mode: int, lexeme: int, least: int, most: int, policy: int) -> int:
    """Return the number of a state, with room for its cells; UNKNOWN where room must be made."""
    terminal = intern(c, c.terminals, 6, put_terminal(c, mode, lexeme, least, most, policy, 0))
    wanted, cells = CELLS * c.terminals.count, c.cells
    if terminal >= 0 and wanted > cells.capacity:
        ask_room(c, cells, wanted - cells.count)
        terminal = -1
    if terminal < 0:
        return UNKNOWN
    for i in range(cells.count, wanted):
        cells[i] = UNKNOWN
    cells.count = wanted
    return terminal


@entry("int64(int64, int64, int64, int64, int64, int64)")
def state_of(context: int, mode: int, lexeme: int, least: int, most: int, policy: int) -> int:
    """Return the state of the lexer that a terminal is, its quote apart; or ASKED."""
    terminal = put_state(JsonContext(context), mode, lexeme, least, most, policy)
    return terminal if terminal >= 0 else ASKED


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
        if spec.phases >= 0:
            before.position = key.most
    else:
        before.position = -1
    c.precise = 0
    code = step(c, before, d, byte)
    c.precise = 1
    if code == OUT:
        return CLOSES + d.lexeme
    if code == ASK:
        return UNKNOWN
    after = REFUSED
    if code == YES and key.mode == M_KEY:
        after = put_state(c, M_KEY, d.lexeme, 0, -1, 0)
    elif code == YES:
        left, missing = most - d.position if key.most >= 0 else -1, max(least - d.position, 0)
        spec = c.string_specs[c.quoted]
        if spec.phases >= 0:
            missing, left = like_count(c, spec, d.position, key.least)
        after = put_state(c, M_STRING, d.lexeme, missing, left, 0)
    top = 127 if c.escapes == ESCAPES_ASCII or c.lacks & LACKS_TAILS else 256
    if after >= REFUSED and before.lexeme >> ESCAPE_SHIFT == 0 and byte >= 32 and byte < top:
        row, cells = skip(c.strings, before.lexeme * WIDTH), skip(c.cells.numbers, CELLS * state)
        first = 32 if byte < 128 else (128 if byte < 192 else 192)
        last = min(top, 128 if byte < 128 else (192 if byte < 192 else 256))
        for other in range(first, last if byte != 34 and byte != 92 and row[byte] >= 0 else first):
            if row[other] == row[byte] and other != 34 and other != 92:
                cells[other] = after
    return after


@jit
def space_byte(c: JsonContext, key: TerminalKey, byte: int) -> int:
    """Return the cell of a byte in white space: `lexeme` brackets are open, at most `least` after what
    follows, and `most` says what is written (`byte_step.bounded_space`) and, << COUNT_SHIFT, how much is
    left, -1 where that is not counted."""
    if not is_space(byte):
        return REFUSED
    left, written = key.most >> COUNT_SHIFT, uncounted(key.most)
    if left == 0:
        return REFUSED
    left = max(left - 1, -1)
    if key.policy == SPACE_BOUNDED:
        written = bounded_space(written, byte)
        if written < 0 or not is_bounded(written, key.least):
            return REFUSED
    return put_state(c, M_SPACE, key.lexeme, key.least, written | (left << COUNT_SHIFT), key.policy)


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
    is_allowed = key.policy != SPACE_BOUNDED or is_bounded(key.most, after)
    return 0 if is_allowed else -1


@jit
def all_classes(c: JsonContext) -> tuple[int, int]:
    """Return the classes of the characters that a string may hold without an escape, as two words of bits."""
    low = ~((1 << 34) | ((1 << 32) - 1))  # no controls, no quote
    high = ~(1 << 28)  # no backslash
    if c.escapes == ESCAPES_ASCII:
        return low, high & ((1 << 63) - 1)  # no DEL
    return (low if c.lacks & LACKS_TAILS else low | _BEYOND_ASCII), high


@jit
def commonest(c: JsonContext, state: int) -> int:
    """Return the state to which most small letters lead, or, where none may come, most characters of ASCII,
    if they are more than half of those that may come; -1: none may."""
    after, votes, first, last = -1, 0, 97, 122
    while after < 0 and last < 128:
        for byte in range(first, last + 1):
            target = string_step(c, state, byte)
            if target >= 0:
                after = target if votes == 0 else after
                votes += 1 if target == after else -1
        first, last = 32, last + 5
    return after


@jit
def leading_to(c: JsonContext, state: int, after: int, low: int, high: int) -> tuple[int, int]:
    """Return those of some classes of characters that lead to a state; none do where it is -1."""
    for kind in range(128):
        # the classes 1 and 3 are those of characters outside ASCII
        column, bit = kind if kind >= 32 else OTHERS_COLUMN + (kind >> 1), 1 << (kind & 63)
        is_left = (high if kind >> 6 else low) & bit != 0
        if is_left and (after < 0 or string_step(c, state, column) != after):
            low, high = (low, high & ~bit) if kind >> 6 else (low & ~bit, high)
    return low, high


@jit
def find_safe(c: JsonContext, state: int, safe: SafeRow) -> None:
    """Write which classes of characters are safe in a state of a string automaton: those that lead to one
    state, and from that to one, and so on; back to itself at the best."""
    low, high = all_classes(c)
    safe.known, safe.low, safe.high, safe.reach = 1, low, high, MAX_STRING
    if string_step(c, state, TOTAL_COLUMN) >= 0:
        return
    after = commonest(c, state)
    low, high = leading_to(c, state, after, low, high)
    safe.known, safe.low, safe.high, safe.reach = 1, low, high, 0
    while low | high != 0 and safe.reach < c.vocabulary.longest:
        safe.reach = safe.reach + 1
        before, after = after, commonest(c, after)
        if leading_to(c, before, after, low, high) != (low, high):
            return
        if before == after:
            break
    safe.reach = MAX_STRING


@jit
def safe_row(c: JsonContext, state: int) -> SafeRow:
    """Return what is safe in a state of a string or key."""
    t = c.terminals[state]
    key, safe = t.key, t.safe
    if safe.known == -1:
        safe.known = 0
        # of a live state nothing is known before it is asked
        if key.lexeme >> ESCAPE_SHIFT == 0 and string_step(c, key.lexeme, TOTAL_COLUMN) != UNASKED:
            find_safe(c, key.lexeme, safe)
            if key.most >= 0:
                spec = c.string_specs[c.quoted]
                left = key.most - spec.farthest
                if spec.phases >= 0:
                    left = phase_at(c, spec, key.most).safe - key.most
                safe.reach = min(safe.reach, left)
    return safe


@entry("int64(int64, int64)")
def safe_in(context: int, state: int) -> int:
    """Return where what is safe stands in a state of a string or key (`Hooks.safe`)."""
    safe = safe_row(JsonContext(context), state)
    return address_of_block(safe) if safe.known else 0


@entry("int64(int64, int64)")
def nothing_safe(context: int, state: int) -> int:
    """Return 0: nothing is known to be safe in a trie whose nodes are not those of the vocabulary."""
    return 0
