"""Bytes that are safe from a string automaton's state: taken in any order,
they never lead to where no document follows.

A subtree of the vocabulary's trie whose signature (structgen.masks.trie) holds safe classes alone lives as a
whole, so that a walk of a string state visits only tokens with quotes, backslashes,
and what the pattern excludes.
"""

from __future__ import annotations

import numba

from structgen.jit import jit
from structgen.machine.layout import *
from structgen.machine.memory import load32, load64, store64
from structgen.machine.rows import need, row_of
from structgen.machine.strings import WIDTH

_MOST = 48
"""States to look at; a set that takes more is not worth finding."""
_MIDDLES = 512


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
def known_target(c, state, byte):
    """Return a string automaton's target, -1 (none), or -2 where the row must be asked."""
    target = load32(load64(c, C_STRINGS), state * WIDTH + byte)
    if target == -2:
        need(c, Q_STRING, state, 0, 0)
    return target


@jit
def ascii_alive(c, state, low, high):
    """Narrow a set of ASCII bytes (two words) to those that live from a state;
    -2 in the third place when asked."""
    asked = 0
    for byte in range(32, 128):
        word, bit = byte >> 6, numba.int64(1) << (byte & 63)
        if (high if word else low) & bit == 0:
            continue
        target = known_target(c, state, byte)
        if target < 0:
            if target == -2:
                asked = -2
            if word:
                high &= ~bit
            else:
                low &= ~bit
    return low, high, asked


@jit
def wide_alive(c, states, count, room):
    """Return (1, states) where every character outside ASCII lives from every listed state and its target is
    added to the list, (0, states) where some does not or there are too many, (-2, 0) when asked.
    `states` holds room for pairs."""
    at = numba.int64(0)
    queue = states + 8 * room
    while at < count:
        queued = numba.int64(0)
        state = load64(states, at)
        at += 1
        done = numba.int64(-1)
        while done < queued:
            here = state if done < 0 else load64(queue, 2 * done)
            kind = 0 if done < 0 else load64(queue, 2 * done + 1)
            done += 1
            if kind == 0:
                first, last = 0xC2, 0xF4
            else:
                span = middle_range(kind)
                first, last = span >> 8, span & 255
            for byte in range(first, last + 1):
                target = known_target(c, here, byte)
                if target == -2:
                    return -2, 0
                if target < 0:
                    return 0, count
                after = character_kind(byte) if kind == 0 else next_kind(kind)
                if after == 0:
                    new = True
                    for i in range(count):
                        if load64(states, i) == target:
                            new = False
                            break
                    if new:
                        if count >= room:
                            return 0, count
                        store64(states, count, target)
                        count += 1
                else:
                    new = True
                    for i in range(queued):
                        if load64(queue, 2 * i) == target and load64(queue, 2 * i + 1) == after:
                            new = False
                            break
                    if new:
                        if queued >= _MIDDLES:
                            return 0, count
                        store64(queue, 2 * queued, target)
                        store64(queue, 2 * queued + 1, after)
                        queued += 1
    return 1, count


@jit
def find_safe(c, state, scratch, row):
    """Write (1, safe ASCII low, high with bit 1 of low for characters outside ASCII) to `row`.
    Returns False when asked.

    `scratch` holds room for the lists of states.
    """
    low = ~((numba.int64(1) << 34) | ((numba.int64(1) << 32) - 1))  # no controls, no quote
    high = ~(numba.int64(1) << 28)  # no backslash
    wide = load64(c, C_ESCAPES) != ESCAPES_ASCII
    if not wide:
        high &= ~(numba.int64(1) << 63)  # no DEL
    stage = 0
    while True:
        # the states reached by the present set, and the set narrowed by each of them
        store64(scratch, 0, state)
        count = numba.int64(1)
        before_low, before_high = low, high
        at = numba.int64(0)
        lost = False
        while at < count and not lost:
            here = load64(scratch, at)
            at += 1
            low, high, asked = ascii_alive(c, here, low, high)
            if asked < 0:
                return False
            for byte in range(32, 128):
                if (high if byte >> 6 else low) & (numba.int64(1) << (byte & 63)) == 0:
                    continue
                target = known_target(c, here, byte)
                new = True
                for i in range(count):
                    if load64(scratch, i) == target:
                        new = False
                        break
                if new:
                    if count >= _MOST:
                        lost = True
                        break
                    store64(scratch, count, target)
                    count += 1
        if lost:
            # too many states: without the blank a pattern of words stays in one; else letters and digits
            # alone
            stage += 1
            if stage == 1:
                low &= ~(numba.int64(1) << 32)
            elif stage == 2:
                low &= numba.int64(0x3FF) << 48
                high &= 0x7FFFFFE07FFFFFE
                wide = False
            else:
                low, high, wide = 0, 0, False
                break
            continue
        if low != before_low or high != before_high:
            continue
        if wide:
            found, reached = wide_alive(c, scratch, count, _MOST)
            if found == -2:
                return False
            if found == 0:
                wide = False
                continue
            if reached > count:
                # characters outside ASCII lead to further states: the ASCII set must live there too
                for i in range(count, reached):
                    low, high, asked = ascii_alive(c, load64(scratch, i), low, high)
                    if asked < 0:
                        return False
                steady = True
                for i in range(reached):
                    here = load64(scratch, i)
                    for byte in range(32, 128):
                        if (high if byte >> 6 else low) & (numba.int64(1) << (byte & 63)) == 0:
                            continue
                        target = known_target(c, here, byte)
                        new = True
                        for j in range(reached):
                            if load64(scratch, j) == target:
                                new = False
                                break
                        if new:
                            steady = False
                            break
                    if not steady:
                        break
                if not steady or low != before_low or high != before_high:
                    wide = False
                    low, high = before_low, before_high
                    continue
        break
    if wide:
        low |= 2
    store64(row, 1, low)
    store64(row, 2, high)
    store64(row, 0, 1)
    return True


@jit
def safe_row(c, state, scratch):
    """Return the address of a state's row of T_SAFE, filled, or 0 when something must be asked first."""
    base = 6 * T_SAFE
    if state >= load64(c, base + COUNT):
        need(c, Q_ROOM, T_SAFE, load64(c, C_STRING_COUNT), 0)
        return 0
    row = row_of(c, T_SAFE, 3, state)
    if load64(row, 0) == 0 and load64(c, C_HASTE) != 0:
        store64(row, 0, 1)
        store64(row, 1, 0)
        store64(row, 2, 0)
        return row
    if load64(row, 0) == 0 and not find_safe(c, state, scratch, row):
        return 0
    return row
