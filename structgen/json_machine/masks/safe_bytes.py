"""Bytes that are safe from a string automaton's state: taken in any order, as many as a token may have, they
never lead to where no document follows. And bytes that are dead: none comes, whatever safe ones came before.

A subtree of the vocabulary's trie whose signature (structgen.tokens.trie) holds safe classes alone lives as a
whole; of one that holds dead classes too, those tokens live whose own signature holds none. So a walk of a
string state visits only tokens with quotes, backslashes, and what is neither safe nor dead.
"""

from __future__ import annotations

import numba

from structgen.json_machine.tables.layout import *
from structgen.json_machine.tables.string_tables import SAFE_COLUMN, WIDTH, string_step
from structgen.json_machine.tables.table_rows import need, row_of
from structgen.native.jit import jit
from structgen.native.raw_memory import load32, load64, store64
from structgen.tokens.trie import space_prefix

_MOST = 64
"""States to look at; where safe bytes lead to more, they are safe as far as these tell."""
TOTAL = 2
"""In word 0 of a row: not a character kills, nor any that follow; else 1 where the row is known."""
_FAR = 3
"""Bytes from which on a set may be safe for so many bytes only, though all others follow one that is not."""
_STEADY = 6
"""Bytes that must be told at the least; else fewer bytes are tried."""
ANY_NUMBER = 1 << 20
WIDE = 10
"""The classes of characters outside ASCII, of which one is white space."""
_SLOTS = 256
_MIDDLES = 384


@jit
def middle_range(kind):
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
def character_kind(lead):
    """Return what follows a lead byte: 1 to 3 free continuation bytes, or 4 E0, 5 ED, 6 F0, 7 F4."""
    if lead < 0xE0:
        return 1
    if lead < 0xF0:
        return 4 if lead == 0xE0 else (5 if lead == 0xED else 2)
    return 6 if lead == 0xF0 else (7 if lead == 0xF4 else 3)


@jit
def next_kind(kind):
    """Return the kind after one continuation byte; 0: the character is complete."""
    if kind >= 6:
        return 2
    if kind >= 4:
        return 1
    return kind - 1


@jit
def bits(low, high):
    """Return how many bits two words hold."""
    count = 0
    for word in (low, high):
        rest = word
        while rest != 0:
            rest &= rest - 1
            count += 1
    return count


@jit
def alive_bytes(c, state, low, high):
    """Return those of a set of ASCII bytes (two words) that live from a state whose row is known."""
    row = load64(c, C_STRINGS) + 4 * WIDTH * state
    for byte in range(32, 128):
        if load32(row, byte) < 0:
            if byte >> 6:
                high &= ~(numba.int64(1) << (byte & 63))
            else:
                low &= ~(numba.int64(1) << byte)
    return low, high


@jit
def add_state(states, count, state):
    """Return the number of states after adding one that is not listed yet; they are listed in a hash too."""
    slots = states + 8 * 4 * _MOST
    at = (state * 0x9E3779B1) & (_SLOTS - 1)
    while load64(slots, at) != 0:
        if load64(slots, at) == state + 1:
            return count
        at = (at + 1) & (_SLOTS - 1)
    if count < _MOST:
        store64(slots, at, state + 1)
        store64(states, count, state)
    return count + 1


@jit
def first_of(levels, at, level):
    """Return the first state listed for a level, at or before `at`."""
    while at > 0 and load64(levels, at - 1) == level:
        at -= 1
    return at


@jit
def follow_safe(c, state, low, high, states):
    """Follow a set of ASCII bytes from a state, breadth first. Returns (what, count, reach, low, high).

    what 1: all states reached take the set, `count` of them are listed, and it is safe for `reach` bytes;
    0: the set is not safe, and the narrower one returned may be; -2: something was asked.
    """
    for i in range(_SLOTS):
        store64(states + 8 * 4 * _MOST, i, 0)
    via, levels = states + 8 * _MOST, states + 8 * 2 * _MOST
    count = add_state(states, numba.int64(0), state)
    store64(via, 0, -1)
    store64(levels, 0, 0)
    full, asked = numba.int64(-1), False
    at = numba.int64(0)
    while at < count:
        here, level = load64(states, at), load64(levels, at)
        if full >= 0 and level > full:
            count = at
            break
        if string_step(c, here, 32) == -2:
            asked = True
            at += 1
            continue
        alive_low, alive_high = alive_bytes(c, here, low, high)
        if alive_low != low or alive_high != high:
            byte = load64(via, at)
            if level >= _FAR and not asked and 2 * bits(alive_low, alive_high) < bits(low, high):
                # a repetition with a count ends here: up to here it is safe
                return 1, first_of(levels, at, level), level, low, high
            if byte < 0 or 2 * bits(alive_low, alive_high) >= bits(low, high):
                return 0, count, numba.int64(0), alive_low, alive_high
            # it leads to where few bytes live (what follows a percent sign, say): it alone is not safe
            if byte >> 6:
                high &= ~(numba.int64(1) << (byte & 63))
            else:
                low &= ~(numba.int64(1) << byte)
            return 0, count, numba.int64(0), low, high
        at += 1
        if full >= 0:
            continue
        row = load64(c, C_STRINGS) + 4 * WIDTH * here
        for byte in range(32, 128):
            if (high if byte >> 6 else low) & (numba.int64(1) << (byte & 63)) == 0:
                continue
            found = add_state(states, count, load32(row, byte))
            if found > _MOST:
                full = level
                break
            if found > count:
                store64(via, count, byte)
                store64(levels, count, level + 1)
                count = found
    if asked:
        return -2, count, numba.int64(0), low, high
    return 1, count, numba.int64(ANY_NUMBER) if full < 0 else full + 1, low, high


@jit
def wide_alive(c, states, count, spaces):
    """Return how many states are listed once those are added that characters outside ASCII lead to, from any
    of them (white space only if `spaces`); 0 where one dies, or there are too many; -2 when asked."""
    at = numba.int64(0)
    queue = states + 8 * (4 * _MOST + _SLOTS)
    while at < count:
        queued = numba.int64(0)
        state = load64(states, at)
        at += 1
        done = numba.int64(-1)
        while done < queued:
            here = state if done < 0 else load64(queue, 3 * done)
            kind = 0 if done < 0 else load64(queue, 3 * done + 1)
            prefix = 0 if done < 0 else load64(queue, 3 * done + 2)
            done += 1
            if kind == 0:
                first, last = 0xC2, 0xF4
            else:
                span = middle_range(kind)
                first, last = span >> 8, span & 255
            for byte in range(first, last + 1):
                place = numba.int64(space_prefix(prefix, byte))
                if place == 11 and not spaces:
                    continue
                target = string_step(c, here, byte)
                if target == -2:
                    return -2
                if target < 0:
                    return 0
                after = character_kind(byte) if kind == 0 else next_kind(kind)
                if after == 0:
                    count = add_state(states, count, target)
                    if count > _MOST:
                        return 0
                    continue
                new = True
                for i in range(queued):
                    if (
                        load64(queue, 3 * i) == target
                        and load64(queue, 3 * i + 1) == after
                        and load64(queue, 3 * i + 2) == place
                    ):
                        new = False
                        break
                if new:
                    if queued >= _MIDDLES:
                        return 0
                    store64(queue, 3 * queued, target)
                    store64(queue, 3 * queued + 1, after)
                    store64(queue, 3 * queued + 2, place)
                    queued += 1
    return count


@jit
def closed(c, states, first, count, low, high):
    """Return 1 where the listed states from `first` on take all of a set of ASCII bytes and lead to listed
    states, 0 where not, -2 when asked."""
    for i in range(first, count):
        here = load64(states, i)
        if string_step(c, here, 32) == -2:
            return -2
        alive_low, alive_high = alive_bytes(c, here, low, high)
        if alive_low != low or alive_high != high:
            return 0
        row = load64(c, C_STRINGS) + 4 * WIDTH * here
        for byte in range(32, 128):
            if (high if byte >> 6 else low) & (numba.int64(1) << (byte & 63)) != 0:
                if add_state(states, count, load32(row, byte)) != count:
                    return 0
    return 1


@jit
def dies(c, states, count, first, last):
    """Return whether none of the listed states (their rows are known) takes a byte of first..last."""
    for i in range(count):
        row = load64(c, C_STRINGS) + 4 * WIDTH * load64(states, i)
        for byte in range(first, last + 1):
            if load32(row, byte) != -1:
                return False
    return True


@jit
def find_dead(c, states, count, low, high, row):
    """Write the classes that die from every listed state to `row`; the safe ones are given, quotes and
    backslashes are neither."""
    dead_low = (numba.int64(1) << 32) - 1 - 14  # controls are dead in any string
    dead_high = numba.int64(0)
    for byte in range(32, 128):
        bit = numba.int64(1) << (byte & 63)
        if byte == 34 or byte == 92 or (high if byte >> 6 else low) & bit != 0:
            continue
        if dies(c, states, count, byte, byte):
            if byte >> 6:
                dead_high |= bit
            else:
                dead_low |= bit
    if low & WIDE == 0 and dies(c, states, count, 128, 255):
        dead_low |= 14
    store64(row, 3, dead_low)
    store64(row, 4, dead_high)


@jit
def all_classes(c):
    """Return every class of characters that a string may hold as they are, in two words."""
    low = ~((numba.int64(1) << 34) | ((numba.int64(1) << 32) - 1))  # no controls, no quote
    high = ~(numba.int64(1) << 28)  # no backslash
    if load64(c, C_ESCAPES) == ESCAPES_ASCII:
        return low, high & ~(numba.int64(1) << 63)  # no DEL
    return low | WIDE, high


@jit
def takes_all(c, row):
    """Return whether a state of the string automata (by its row of T_SAFE) takes every character that stands
    for itself, and so does whatever these lead to."""
    low, high = all_classes(c)
    return load64(row, 1) == low and load64(row, 2) == high and load64(row, 5) == ANY_NUMBER


@jit
def find_total(c, states, count):
    """Return how many states the listed ones lead to by any characters at all, also such as only escapes can
    write, they included; 0 where one dies, or there are too many; -2 when asked."""
    last = 258 if load64(c, C_ESCAPES) == ESCAPES_ANY else 256
    at = numba.int64(0)
    while True:
        while at < count:
            here = load64(states, at)
            at += 1
            if string_step(c, here, 0) == -2:
                return -2
            row = load64(c, C_STRINGS) + 4 * WIDTH * here
            for byte in range(last):
                if byte >= 128 and byte < 256:
                    continue
                target = load32(row, byte)
                if target < 0:
                    return 0
                count = add_state(states, count, target)
                if count > _MOST:
                    return 0
        reached = wide_alive(c, states, count, True)
        if reached <= count:
            return reached
        count = numba.int64(reached)


@jit
def put_alphabet(reach, row):
    """Write what is safe and dead in a row that is filled by columns: letters, digits and hyphens are safe
    for `reach` bytes, and all else dies but dots, which leave the alphabet."""
    alphabet_low, alphabet_high = numba.int64(0x3FF) << 48 | 1 << 45, numba.int64(0x7FFFFFE07FFFFFE)
    other_low, other_high = numba.int64(1) << 34 | 1 << 46, numba.int64(1) << 28  # quote, dot; backslash
    store64(row, 1, alphabet_low if reach > 0 else 0)
    store64(row, 2, alphabet_high if reach > 0 else 0)
    store64(row, 3, ~(alphabet_low | other_low) if reach > 0 else 0)
    store64(row, 4, ~(alphabet_high | other_high) if reach > 0 else 0)
    store64(row, 5, reach)
    store64(row, 0, 1)


@jit
def find_safe(c, state, scratch, row):
    """Write (1 or TOTAL, safe low, safe high, dead low, dead high, bytes for which that holds) to `row`:
    classes as in the signatures of structgen.tokens.trie. Returns False when asked.

    `scratch` holds room for the lists of states.
    """
    if string_step(c, state, 32) == -2:
        return False
    by_column = load32(load64(c, C_STRINGS), state * WIDTH + SAFE_COLUMN)
    if by_column < -2:
        put_alphabet(-3 - by_column, row)
        return True
    low, high = all_classes(c)
    low &= ~WIDE
    ascii_only = load64(c, C_ESCAPES) == ESCAPES_ASCII
    blank = numba.int64(1) << 32
    stage, count, reach = 0, numba.int64(0), numba.int64(0)
    whole_low, whole_high, whole_reach = low, high, reach
    while True:
        what, count, reach, low, high = follow_safe(c, state, low, high, scratch)
        if what == -2:
            return False
        if what == 0:
            continue
        if reach == ANY_NUMBER:
            break
        # too many states: without the blank a pattern of words stays in one
        if stage == 0 and low & blank != 0:
            stage = 1
            whole_low, whole_high, whole_reach = low, high, reach
            low &= ~blank
        elif stage == 1 and whole_reach >= _STEADY:
            stage = 3
            low, high = whole_low, whole_high
        elif stage < 2 and reach < _STEADY:
            # letters and digits alone
            stage = 2
            low &= numba.int64(0x3FF) << 48
            high &= 0x7FFFFFE07FFFFFE
        else:
            break
    wide = numba.int64(0)
    if reach >= _STEADY and low | high == 0:
        reach = numba.int64(ANY_NUMBER)
    if reach == ANY_NUMBER and not ascii_only:
        for spaces in (True, False):
            reached = wide_alive(c, scratch, count, spaces)
            if reached == -2:
                return False
            if reached > 0:
                whole = closed(c, scratch, count, reached, low, high)
                if whole == -2:
                    return False
                if whole == 1:
                    wide = numba.int64(WIDE if spaces else 2)
                    count = reached
                    break
            # the states that were added on the way are not of the set: list the others anew
            what, count, reach, low, high = follow_safe(c, state, low, high, scratch)
    low |= wide
    store64(row, 1, low)
    store64(row, 2, high)
    store64(row, 3, 0)
    store64(row, 4, 0)
    store64(row, 5, reach)
    if reach >= _FAR:
        find_dead(c, scratch, count, low, high, row)
    store64(row, 0, 1)
    if takes_all(c, row):
        reached = find_total(c, scratch, count)
        if reached == -2:
            store64(row, 0, 0)
            return False
        for i in range(reached):
            # what is true of one is true of all
            if load64(scratch, i) < load64(c, 6 * T_SAFE + COUNT):
                other = row_of(c, T_SAFE, 6, load64(scratch, i))
                for word in range(1, 6):
                    store64(other, word, load64(row, word))
                store64(other, 0, TOTAL)
    return True


def roaming_row(ascii_only: bool) -> tuple[int, ...]:
    """Return the row of T_SAFE of a state from which every text goes on to some end: as `find_safe` has it
    for the free string."""
    low = ~((1 << 34) | ((1 << 32) - 1)) | (0 if ascii_only else WIDE)
    high = ~(1 << 28) & (~(1 << 63) if ascii_only else -1)
    return TOTAL, low, high, (1 << 32) - 1 - 14, 0, ANY_NUMBER


@jit
def safe_row(c, state, scratch):
    """Return the address of a state's row of T_SAFE, filled, or 0 when something must be asked first."""
    base = 6 * T_SAFE
    if state >= load64(c, base + COUNT):
        need(c, Q_ROOM, T_SAFE, load64(c, C_STRING_COUNT), 0)
        return 0
    row = row_of(c, T_SAFE, 6, state)
    if load64(row, 0) == 0 and load64(c, C_HASTE) != 0:
        store64(row, 0, 1)
        for i in range(1, 6):
            store64(row, i, 0)
        return row
    if load64(row, 0) == 0 and not find_safe(c, state, scratch, row):
        return 0
    return row
