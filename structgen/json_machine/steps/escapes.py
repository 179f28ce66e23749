"""Escapes in strings and keys (RFC 8259, section 7): what may still come of one that is being written.

LEX: automaton state (28 bits), escape state (4), digits read (16), high surrogate (10). Escape states: 0
none, 1 after the backslash, 2..5 after \\u and 0..3 digits, 6 after a high surrogate, 7 after it and a
backslash, 8..11 after it and \\u and 0..3 digits.
"""

from __future__ import annotations

import numba

from structgen.json_machine.steps.decoded_text import character, feed, feed_point, feed_surrogate
from structgen.json_machine.tables.layout import *
from structgen.json_machine.tables.string_tables import FREE, string_step
from structgen.json_machine.tables.table_rows import copy
from structgen.native.jit import jit
from structgen.native.raw_memory import load64, store64


@jit
def with_escape(d, escape, digits, high):
    store64(d, LEX, (load64(d, LEX) & STATE_BITS) | (escape << ESCAPE_SHIFT) | (digits << 32) | (high << 48))


@jit
def escapes_of(c, d):
    return load64(c, C_ESCAPES if load64(d, MODE) == M_STRING else C_KEY_ESCAPES)


@jit
def block_alive(c, d, point, size):
    """Return YES, NO or ASK: may a code point of the aligned block of 64**size around `point` come next?"""
    t = load64(c, C_TEMPORARY) + 8 * 64
    copy(d, t)
    with_escape(t, 0, 0, 0)
    if point < 0x80:
        return feed(c, t, point)
    if point < 0x800:
        code = feed(c, t, 0xC0 | (point >> 6))
        if code != YES or size >= 1:
            return code
    elif point < 0x10000:
        code = feed(c, t, 0xE0 | (point >> 12))
        if code != YES or size >= 2:
            return code
        code = feed(c, t, 0x80 | ((point >> 6) & 63))
        if code != YES or size >= 1:
            return code
    else:
        code = feed(c, t, 0xF0 | (point >> 18))
        if code != YES or size >= 3:
            return code
        code = feed(c, t, 0x80 | ((point >> 12) & 63))
        if code != YES or size >= 2:
            return code
        code = feed(c, t, 0x80 | ((point >> 6) & 63))
        if code != YES or size >= 1:
            return code
    return feed(c, t, 0x80 | (point & 63))


@jit
def range_alive(c, d, low, high):
    """Return YES, NO or ASK: may a code point of low..high (surrogates apart) come next?"""
    answer = numba.int64(NO)
    point = low
    while point <= high:
        if point >= 0xD800 and point < 0xE000:
            point = 0xE000
            continue
        size = numba.int64(0 if point < 0x80 else (1 if point < 0x800 else (2 if point < 0x10000 else 3)))
        while True:
            span = numba.int64(1) << (6 * size)
            last = point | (span - 1)
            if point < 0x10000 and last > 0xFFFF:
                last = 0xFFFF
            whole = last <= high and (
                point & (span - 1) == 0
                or (size == 3 and point == 0x10000)
                or (size == 1 and point == 0x80)
                or (size == 2 and point == 0x800)
            )
            code = block_alive(c, d, point, size)
            if code == YES and not whole and size > 0:
                size -= 1
                continue
            if code == YES:
                return YES
            if code == ASK:
                answer = numba.int64(ASK)
            point = last + 1
            break
    return answer


@jit
def lone_alive(c, d, point):
    """Return YES, NO or ASK: may this lone surrogate come next? The registers after it stay
    in the second spare block."""
    t = load64(c, C_TEMPORARY) + 8 * 72
    copy(d, t)
    with_escape(t, 0, 0, 0)
    return feed_surrogate(c, t, point)


@jit
def lones_alive(c, d, first, last):
    """Return YES, NO or ASK: may one of these lone surrogates come next? The automata know all of one half
    alike; lists and sets hold single ones."""
    if load64(d, SEEN) <= 0 and (load64(d, MODE) == M_STRING or load64(d, AT) < 0):
        return lone_alive(c, d, first)
    answer = numba.int64(NO)
    for point in range(first, last + 1):
        code = lone_alive(c, d, point)
        if code == YES:
            return YES
        if code == ASK:
            answer = numba.int64(ASK)
    return answer


@jit
def units_alive(c, d, low, high):
    """Return YES, NO or ASK: may an escape for a 16-bit unit in low..high come next?"""
    asked = False
    code = range_alive(c, d, low, high)
    if code == YES:
        return YES
    asked = code == ASK
    lone = escapes_of(c, d) == ESCAPES_ANY
    first, last = max(low, 0xD800), min(high, 0xDBFF)
    if first <= last:
        code = range_alive(c, d, 0x10000 + ((first - 0xD800) << 10), 0x10000 + ((last - 0xD800) << 10) + 1023)
        if code == YES:
            return YES
        asked = asked or code == ASK
        if lone:
            code = lones_alive(c, d, first, last)
            if code == YES:
                return YES
            asked = asked or code == ASK
    first, last = max(low, 0xDC00), min(high, 0xDFFF)
    if lone and first <= last:
        code = lones_alive(c, d, first, last)
        if code == YES:
            return YES
        asked = asked or code == ASK
    return ASK if asked else NO


@jit
def short_escape(byte):
    """Return the code point of a two-character escape, or -1."""
    if byte == 34 or byte == 92 or byte == 47:
        return byte
    if byte == 98:
        return 8
    if byte == 102:
        return 12
    if byte == 110:
        return 10
    if byte == 114:
        return 13
    if byte == 116:
        return 9
    return -1


@jit
def short_escape_of(point):
    """Return whether a control character has a two-character escape."""
    return point == 8 or point == 9 or point == 10 or point == 12 or point == 13


@jit
def control_alive(c, d, digits, value):
    """Return YES, NO or ASK: may a control character come that json.dumps writes
    with these first hexadecimal digits?"""
    answer = numba.int64(NO)
    for point in range(32):
        if short_escape_of(point):
            continue
        if (point >> (4 * (4 - digits))) != value:
            continue
        code = block_alive(c, d, point, 0)
        if code == YES:
            return YES
        if code == ASK:
            answer = numba.int64(ASK)
    return answer


@jit
def dumped(policy):
    """Return whether strings are written as json.dumps does: one way for each."""
    return policy == ESCAPES_CANONICAL or policy == ESCAPES_ASCII


@jit
def ascii_alive(c, d, low, high):
    """Return YES, NO or ASK: may a character come of which json.dumps(ensure_ascii=True) writes a 16-bit unit
    in low..high by its number?"""
    answer = numba.int64(NO)
    for point in range(low, min(high, 31) + 1):
        if short_escape_of(point):
            continue
        code = block_alive(c, d, point, 0)
        if code == YES:
            return YES
        if code == ASK:
            answer = numba.int64(ASK)
    if high < 127:
        return answer
    code = units_alive(c, d, max(low, 127), high)
    return code if code != NO else answer


@jit
def escape_alive(c, d):
    """Return YES, NO or ASK: can the escape that is being written be completed?"""
    lex = load64(d, LEX)
    escape, value, high = (lex >> ESCAPE_SHIFT) & 15, (lex >> 32) & 0xFFFF, (lex >> 48) & 0x3FF
    policy = escapes_of(c, d)
    if dumped(policy) and escape < 6:
        ascii = policy == ESCAPES_ASCII
        left = 4 * (6 - max(escape, 2))
        first, last = value << left, ((value + 1) << left) - 1
        if escape > 1:
            return ascii_alive(c, d, first, last) if ascii else control_alive(c, d, escape - 2, value)
        answer = ascii_alive(c, d, 0, 0xFFFF) if ascii else control_alive(c, d, 0, 0)
        for byte in (34, 92, 98, 102, 110, 114, 116):
            if answer == YES:
                return YES
            code = block_alive(c, d, short_escape(byte), 0)
            if code != NO:
                answer = code
        return answer
    if escape == 1:
        return units_alive(c, d, 0, 0xFFFF)
    if escape <= 5:
        left = 4 * (6 - escape)
        return units_alive(c, d, value << left, ((value + 1) << left) - 1)
    first, last = numba.int64(0xDC00), numba.int64(0xDFFF)
    low, top = numba.int64(0), numba.int64(0xFFFF)
    if escape >= 8:
        left = 4 * (12 - escape)
        low, top = value << left, ((value + 1) << left) - 1
        first, last = max(first, low), min(last, top)
    asked = False
    if first <= last:
        base = 0x10000 + (high << 10) - 0xDC00
        code = range_alive(c, d, base + first, base + last)
        if code == YES:
            return YES
        asked = code == ASK
    if policy == ESCAPES_ANY:
        code = lone_alive(c, d, 0xD800 + high)
        if code == YES:
            if escape == 6:
                return YES
            spare = load64(c, C_TEMPORARY) + 8 * 80
            copy(load64(c, C_TEMPORARY) + 8 * 72, spare)
            code = character(c, spare)
            if code == YES:
                code = units_alive(c, spare, low, top)
            if code == YES:
                return YES
        asked = asked or code == ASK
    return ASK if asked else NO


@jit
def hexadecimal(byte, lower):
    """Return the value of a hexadecimal digit, or -1."""
    if byte >= 48 and byte <= 57:
        return byte - 48
    if byte >= 97 and byte <= 102:
        return byte - 87
    if byte >= 65 and byte <= 70 and not lower:
        return byte - 55
    return -1


@jit
def merged_digits(c, d, escape, value):
    """Return the digits that matter: in a free string only what tells surrogates apart,
    so that states are few."""
    free = load64(d, MODE) == M_STRING and load64(d, LEX) & STATE_BITS == FREE and load64(d, SEEN) <= 0
    if not free or dumped(escapes_of(c, d)):
        return value
    # the digits read: 1 to 3 in states 3 to 5, and in 9 to 11; two of them tell high from low
    read = escape - 2 if escape < 8 else escape - 8
    if read < 1:
        return value
    if read == 1:
        return value if value == 0xD else 0
    left = 4 * (read - 2)
    begun = value >> left
    if begun >= 0xD8 and begun <= 0xDB:
        return numba.int64(0xD8) << left
    if begun >= 0xDC and begun <= 0xDF:
        return numba.int64(0xDC) << left
    return numba.int64(0)


@jit
def settle_lone(c, d):
    """Decide that the high surrogate before stood alone."""
    high = (load64(d, LEX) >> 48) & 0x3FF
    with_escape(d, 0, 0, 0)
    return feed_surrogate(c, d, 0xD800 + high)


@jit
def unit(c, d, value):
    """Take a finished four-digit escape."""
    with_escape(d, 0, 0, 0)
    policy = escapes_of(c, d)
    if value >= 0xD800 and value < 0xDC00:
        high = value - 0xD800
        if load64(d, MODE) == M_STRING and load64(d, LEX) & STATE_BITS == FREE and load64(d, SEEN) <= 0:
            high = 0
        with_escape(d, 6, 0, high)
        return escape_alive(c, d)
    if value >= 0xDC00 and value < 0xE000:
        if policy != ESCAPES_ANY:
            return NO
        return feed_surrogate(c, d, value)
    return feed_point(c, d, value)


@jit
def escape_begun(c, d, byte):
    """Take the character after a backslash."""
    if byte == 117:
        with_escape(d, 2, 0, 0)
        return escape_alive(c, d)
    point = short_escape(byte)
    if point < 0 or (point == 47 and dumped(escapes_of(c, d))):
        return NO
    with_escape(d, 0, 0, 0)
    return feed_point(c, d, point)


@jit
def short_target(c, lex, byte):
    """Return the automaton's state after a byte that follows a string's backslash: -1 where none does, -2
    when asked, -3 where more is to come (\\u). Nothing but the automaton is looked at."""
    if byte == 117:
        return -3
    point = short_escape(byte)
    if point < 0 or (point == 47 and dumped(load64(c, C_ESCAPES))):
        return -1
    return string_step(c, lex & STATE_BITS, point)


@jit
def escape_step(c, d, byte):
    """Take one byte inside an escape (states 1 to 5, 7 to 11)."""
    lex = load64(d, LEX)
    escape, value, high = (lex >> ESCAPE_SHIFT) & 15, (lex >> 32) & 0xFFFF, (lex >> 48) & 0x3FF
    policy = escapes_of(c, d)
    if escape == 1:
        return escape_begun(c, d, byte)
    if escape == 7:
        if byte == 117:
            with_escape(d, 8, 0, high)
            return escape_alive(c, d)
        if policy != ESCAPES_ANY:
            return NO
        code = settle_lone(c, d)
        if code == YES:
            code = character(c, d)
        if code != YES:
            return code
        return escape_begun(c, d, byte)
    digit = hexadecimal(byte, dumped(policy))
    if digit < 0:
        return NO
    value = (value << 4) | digit
    if escape != 5 and escape != 11:
        escape += 1
        with_escape(d, escape, merged_digits(c, d, escape, value), high)
        return escape_alive(c, d)
    if escape == 5:
        if dumped(policy) and (short_escape_of(value) or (value >= 32 and value < 127)):
            return NO  # it has a shorter way
        if policy == ESCAPES_CANONICAL and value >= 127:
            return NO
        return unit(c, d, value)
    if value >= 0xDC00 and value < 0xE000:
        with_escape(d, 0, 0, 0)
        return feed_point(c, d, 0x10000 + (high << 10) + (value - 0xDC00))
    if policy != ESCAPES_ANY:
        return NO
    code = settle_lone(c, d)
    if code == YES:
        code = character(c, d)
    if code != YES:
        return code
    return unit(c, d, value)
