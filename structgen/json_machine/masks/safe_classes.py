"""Safe classes of characters, of the states of string automata.

Bytes are *safe* from a string automaton's state if they, taken in any order, as many as a token may have,
never lead to where no document follows. Bytes are *dead* if none comes, whatever safe ones came before. A
subtree of the vocabulary's trie whose signature (structgen.tokens.trie) holds safe classes alone lives as a
whole; of one that holds dead classes too, those tokens live whose own signature holds none. So a scan
(`machine_core.lexeme_records`) visits only tokens with quotes, backslashes, and what is neither safe nor
dead.
"""

from __future__ import annotations

from structgen.json_machine.tables.json_blocks import ESCAPES_ASCII, LACKS_TAILS, JsonContext
from structgen.json_machine.tables.lookups import WIDTH, string_step
from structgen.machine_core.lexeme_layout import TOTAL, SafeRow
from structgen.native.jit import jit
from structgen.native.typed_blocks import Int64s, skip
from structgen.tokens.trie import space_prefix

_MOST_STATES = 64
"""States to look at; where safe bytes lead to more, they are safe as far as these tell."""
_LEAST_COUNTED = 3
"""Bytes from which on a set may be safe for so many bytes only, though all others follow one that is not."""
_LEAST_REACH = 6
"""Bytes that must be told at the least; else fewer bytes are tried."""
ANY_NUMBER = 1 << 20
WIDE = 10
"""The classes of characters outside ASCII, of which one is white space."""
_SLOTS = 256
_MIDDLES = 384


@jit
def middle_range(kind: int) -> int:
    """Return the continuation bytes (first << 8 | last) that may follow in a UTF-8 middle;
    kinds as in `character_kind`."""
    if kind == 4:
        return (0xA0 << 8) | 0xBF
    if kind == 5:
        return (0x80 << 8) | 0x9F
    if kind == 6:
        return (0x90 << 8) | 0xBF
    if kind == 7:
        return (0x80 << 8) | 0x8F
    return (0x80 << 8) | 0xBF


@jit
def character_kind(lead: int) -> int:
    """Return what follows a lead byte: 1 to 3 free continuation bytes, or 4 E0, 5 ED, 6 F0, 7 F4."""
    if lead < 0xE0:
        return 1
    if lead < 0xF0:
        return 4 if lead == 0xE0 else (5 if lead == 0xED else 2)
    return 6 if lead == 0xF0 else (7 if lead == 0xF4 else 3)


@jit
def next_kind(kind: int) -> int:
    """Return the kind after one continuation byte; 0: the character is complete."""
    if kind >= 6:
        return 2
    if kind >= 4:
        return 1
    return kind - 1


@jit
def bits(low: int, high: int) -> int:
    """Return how many bits two words hold."""
    count = 0
    for word in (low, high):
        rest = word
        while rest != 0:
            rest &= rest - 1
            count += 1
    return count


@jit
def alive_bytes(c: JsonContext, state: int, low: int, high: int) -> tuple[int, int]:
    """Return those of a set of ASCII bytes (two words) that live from a state whose row is known."""
    row = skip(c.strings, WIDTH * state)
    for byte in range(32, 128):
        if row[byte] < 0:
            if byte >> 6:
                high &= ~(1 << (byte & 63))
            else:
                low &= ~(1 << byte)
    return low, high


@jit
def add_state(states: Int64s, count: int, state: int) -> int:
    """Return the number of states after adding one that is not listed yet; they are listed in a hash too."""
    slots = skip(states, 4 * _MOST_STATES)
    at = (state * 0x9E3779B1) & (_SLOTS - 1)
    while slots[at] != 0:
        if slots[at] == state + 1:
            return count
        at = (at + 1) & (_SLOTS - 1)
    if count < _MOST_STATES:
        slots[at] = state + 1
        states[count] = state
    return count + 1


@jit
def first_of(levels: Int64s, at: int, level: int) -> int:
    """Return the first state listed for a level, at or before `at`."""
    while at > 0 and levels[at - 1] == level:
        at -= 1
    return at


@jit
def follow_safe(
    c: JsonContext, state: int, low: int, high: int, states: Int64s
) -> tuple[int, int, int, int, int]:
    """Follow a set of ASCII bytes from a state, breadth first. Returns (what, count, reach, low, high).

    what 1: all states reached take the set, `count` of them are listed, and it is safe for `reach` bytes;
    0: the set is not safe, and the narrower one returned may be.
    """
    for i in range(_SLOTS):
        skip(states, 4 * _MOST_STATES)[i] = 0
    via, levels = skip(states, _MOST_STATES), skip(states, 2 * _MOST_STATES)
    count = add_state(states, 0, state)
    via[0] = -1
    levels[0] = 0
    full = -1
    at = 0
    while at < count:
        here, level = states[at], levels[at]
        if full >= 0 and level > full:
            count = at
            break
        alive_low, alive_high = alive_bytes(c, here, low, high)
        if alive_low != low or alive_high != high:
            byte = via[at]
            if level >= _LEAST_COUNTED and 2 * bits(alive_low, alive_high) < bits(low, high):
                # a repetition with a count ends here: up to here it is safe
                return 1, first_of(levels, at, level), level, low, high
            if byte < 0 or 2 * bits(alive_low, alive_high) >= bits(low, high):
                return 0, count, 0, alive_low, alive_high
            # it leads to where few bytes live (what follows a percent sign, say): it alone is not safe
            if byte >> 6:
                high &= ~(1 << (byte & 63))
            else:
                low &= ~(1 << byte)
            return 0, count, 0, low, high
        at += 1
        if full >= 0:
            continue
        row = skip(c.strings, WIDTH * here)
        for byte in range(32, 128):
            if (high if byte >> 6 else low) & (1 << (byte & 63)) == 0:
                continue
            found = add_state(states, count, row[byte])
            if found > _MOST_STATES:
                full = level
                break
            if found > count:
                via[count] = byte
                levels[count] = level + 1
                count = found
    return 1, count, ANY_NUMBER if full < 0 else full + 1, low, high


@jit
def wide_alive(c: JsonContext, states: Int64s, count: int, spaces: bool) -> int:
    """Return how many states are listed once those are added that characters outside ASCII lead to, from any
    of them (white space only if `spaces`); 0 where one dies, or there are too many."""
    at = 0
    queue = skip(states, 4 * _MOST_STATES + _SLOTS)
    while at < count:
        queued = 0
        state = states[at]
        at += 1
        done = -1
        while done < queued:
            here = state if done < 0 else queue[3 * done]
            kind = 0 if done < 0 else queue[3 * done + 1]
            prefix = 0 if done < 0 else queue[3 * done + 2]
            done += 1
            if kind == 0:
                first, last = 0xC2, 0xF4
            else:
                span = middle_range(kind)
                first, last = span >> 8, span & 255
            for byte in range(first, last + 1):
                place = space_prefix(prefix, byte)
                if place == 11 and not spaces:
                    continue
                target = string_step(c, here, byte)
                if target < 0:
                    return 0
                after = character_kind(byte) if kind == 0 else next_kind(kind)
                if after == 0:
                    count = add_state(states, count, target)
                    if count > _MOST_STATES:
                        return 0
                    continue
                new = True
                for i in range(queued):
                    if queue[3 * i] == target and queue[3 * i + 1] == after and queue[3 * i + 2] == place:
                        new = False
                        break
                if new:
                    if queued >= _MIDDLES:
                        return 0
                    queue[3 * queued] = target
                    queue[3 * queued + 1] = after
                    queue[3 * queued + 2] = place
                    queued += 1
    return count


@jit
def closed(c: JsonContext, states: Int64s, first: int, count: int, low: int, high: int) -> bool:
    """Return whether the listed states from `first` on take all of a set of ASCII bytes and lead to listed
    states."""
    for i in range(first, count):
        here = states[i]
        alive_low, alive_high = alive_bytes(c, here, low, high)
        if alive_low != low or alive_high != high:
            return False
        row = skip(c.strings, WIDTH * here)
        for byte in range(32, 128):
            if (high if byte >> 6 else low) & (1 << (byte & 63)) != 0:
                if add_state(states, count, row[byte]) != count:
                    return False
    return True


@jit
def dies(c: JsonContext, states: Int64s, count: int, first: int, last: int) -> bool:
    """Return whether none of the listed states takes a byte of first..last."""
    for i in range(count):
        row = skip(c.strings, WIDTH * states[i])
        for byte in range(first, last + 1):
            if row[byte] != -1:
                return False
    return True


@jit
def find_dead(c: JsonContext, states: Int64s, count: int, low: int, high: int, row: SafeRow) -> None:
    """Write the classes that die from every listed state to `row`; the safe ones are given, quotes and
    backslashes are neither."""
    dead_low = (1 << 32) - 1 - 14  # controls are dead in any string
    dead_high = 0
    for byte in range(32, 128):
        bit = 1 << (byte & 63)
        if byte == 34 or byte == 92 or (high if byte >> 6 else low) & bit != 0:
            continue
        if dies(c, states, count, byte, byte):
            if byte >> 6:
                dead_high |= bit
            else:
                dead_low |= bit
    if low & WIDE == 0 and dies(c, states, count, 128, 255):
        dead_low |= 14
    row.dead_low = dead_low
    row.dead_high = dead_high


@jit
def all_classes(c: JsonContext) -> tuple[int, int]:
    """Return the classes of the characters that a string may hold without an escape, as two words of bits."""
    low = ~((1 << 34) | ((1 << 32) - 1))  # no controls, no quote
    high = ~(1 << 28)  # no backslash
    if c.escapes == ESCAPES_ASCII:
        return low, high & ((1 << 63) - 1)  # no DEL
    return (low if c.lacks & LACKS_TAILS else low | WIDE), high


@jit
def find_safe(c: JsonContext, state: int, scratch: Int64s, row: SafeRow) -> None:
    """Find the safe and the dead classes of a state, and write them to its row. `scratch` has room for lists
    of states."""
    low, high = all_classes(c)
    low &= ~WIDE
    bytewise = c.escapes == ESCAPES_ASCII or c.lacks & LACKS_TAILS != 0
    blank = 1 << 32
    stage, count, reach = 0, 0, 0
    whole_low, whole_high, whole_reach = low, high, reach
    while True:
        what, count, reach, low, high = follow_safe(c, state, low, high, scratch)
        if what == 0:
            continue
        if reach == ANY_NUMBER:
            break
        # too many states: without the blank a pattern of words stays in one
        if stage == 0 and low & blank != 0:
            stage = 1
            whole_low, whole_high, whole_reach = low, high, reach
            low &= ~blank
        elif stage == 1 and whole_reach >= _LEAST_REACH:
            stage = 3
            low, high = whole_low, whole_high
        elif stage < 2 and reach < _LEAST_REACH:
            # letters and digits alone
            stage = 2
            low &= 0x3FF << 48
            high &= 0x7FFFFFE07FFFFFE
        else:
            break
    wide = 0
    if reach >= _LEAST_REACH and low | high == 0:
        reach = ANY_NUMBER
    if reach == ANY_NUMBER and not bytewise:
        for spaces in (True, False):
            reached = wide_alive(c, scratch, count, spaces)
            if reached > 0 and closed(c, scratch, count, reached, low, high):
                wide = WIDE if spaces else 2
                count = reached
                break
            # the states that were added on the way are not of the set: list the others anew
            what, count, reach, low, high = follow_safe(c, state, low, high, scratch)
    low |= wide
    row.low = low
    row.high = high
    row.dead_low = 0
    row.dead_high = 0
    row.reach = reach
    if reach >= _LEAST_COUNTED:
        find_dead(c, scratch, count, low, high, row)
    row.known = 1


def total_row(ascii_only: bool, tails: bool) -> tuple[int, ...]:
    """Return the row of T_SAFE of a state from which every text goes on to some end: as `find_safe` has it
    for the free string. `tails`: some characters lack bytes."""
    low = ~((1 << 34) | ((1 << 32) - 1)) | (0 if ascii_only or tails else WIDE)
    high = ~(1 << 28) & ((1 << 63) - 1 if ascii_only else -1)  # as int64
    return TOTAL, low, high, (1 << 32) - 1 - 14, 0, ANY_NUMBER


@jit
def safe_row(c: JsonContext, state: int, scratch: Int64s) -> SafeRow:
    """Return a state's row of T_SAFE, filled."""
    row = c.safe_rows[state]
    if row.known == 0:
        find_safe(c, state, scratch, row)
    return row
