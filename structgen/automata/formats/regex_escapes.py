"""Escapes and character classes in the automaton of ECMA-262 patterns; compiled."""

from __future__ import annotations

import numpy as np

from structgen.automata.formats.regex_registers import (
    ATOM,
    BACK,
    BEGINS,
    C1,
    C2,
    CESC,
    CHI,
    COUNT_AT,
    CSTART,
    CTRL,
    CUT,
    CX,
    CX2,
    DIGITS_AT,
    ENDED_AT,
    ENDS,
    ESC,
    HEX,
    HEX2,
    IN_CLASS,
    KEEP,
    LAST_POINT,
    LEAD_AT,
    LOW_AT,
    MOST_AHEAD,
    NAME_AT,
    NO_DIGIT,
    OWED_AT,
    PHASE,
    PROP,
    PROPERTY,
    ROLE_AT,
    SYNTAX,
    TERM,
    TRAIL,
    U4,
    UB,
    UNICODE,
    VALUE,
)
from structgen.automata.programs.determinizer_tables import NONE
from structgen.native.jit import jit


@jit
def to(word, phase):  # type: ignore[no-untyped-def]
    return (word & KEEP) | phase


@jit
def referred(word, number):  # type: ignore[no-untyped-def]
    """Return the word once a back-reference to group `number` is read."""
    owed = max(word >> OWED_AT & 15, number - (word >> COUNT_AT & 15))
    return (word & ~(np.int64(15) << OWED_AT)) | owed << OWED_AT


@jit
def _plain_value(value):  # type: ignore[no-untyped-def]
    """Return a value of as many hex digits that can go on in the same ways to a code point."""
    rest, digits = value, np.int64(0)
    while rest > 0x1F:
        rest, digits = rest >> 4, digits + 4
    if rest == 0 or rest == 1 or rest == 16:
        return rest << digits
    return np.int64(2 if rest < 16 else 32) << digits


@jit
def _reaches(value, low):  # type: ignore[no-untyped-def]
    """Return how many hex digits more make `\\u{value` at least `low` (and a code point), or -1."""
    more, ones = np.int64(0), np.int64(0)
    while value <= LAST_POINT:
        if min(value + ones, LAST_POINT) >= low:
            return more
        if value == 0 and more > 6:
            break
        value, ones, more = value << 4, ones << 4 | 15, more + 1
    return NONE


@jit
def _pairs_with(lead, low):  # type: ignore[no-untyped-def]
    """Return whether a lead surrogate begins a pair that is at least `low`."""
    return 0x10000 + ((lead - 0xD800) << 10) + 0x3FF >= low


@jit
def _u4_lives(memory):  # type: ignore[no-untyped-def]
    """Return 0 where no end of `\\uHHHH` fits its role, 1 where one does, 2 where half a pair alone does."""
    role, low = memory >> ROLE_AT & 3, memory >> LOW_AT & VALUE
    left = 4 * (4 - (memory >> DIGITS_AT & 7))
    first = (memory & VALUE) << left
    last = first + (np.int64(1) << left) - 1
    if role < ENDS:
        return 1
    if role == ENDS:
        if last >= low:
            return 1
        lead = min(last, 0xDBFF)
        return 2 if lead >= max(first, 0xD800) and _pairs_with(lead, low) else 0
    lead = (memory >> LEAD_AT & 2047) - 1
    least = max(np.int64(0xDC00), 0xDC00 + low - 0x10000 - (lead << 10))
    return 1 if max(first, least) <= min(last, 0xDFFF) else 0


@jit
def _late(low):  # type: ignore[no-untyped-def]
    """Return what becomes of a range that ends before its low end: that may be less than `low` says, where it
    stands for some characters beyond ASCII."""
    return CUT if low > 127 else NONE


@jit
def valued(word, memory, value, escaped, top):  # type: ignore[no-untyped-def]
    """Return (word, memory) once a character is read: outside a class an atom, in one a range's end.

    `escaped`: it was written as \\uHHHH, so that halves of a surrogate pair join. `top`: the largest
    character that it may be, where it stands for some that the automaton does not tell apart.
    """
    role, low = memory >> ROLE_AT & 3, memory >> LOW_AT & VALUE
    lead = memory >> LEAD_AT & 2047
    if role == 0:
        return to(word, ATOM), 0
    if role == TRAIL:
        return to(word, IN_CLASS), 0
    if role == ENDS:
        if escaped and 0xD800 <= value <= 0xDBFF:
            return to(word, CHI), low << LOW_AT | (value - 0xD800 + 1) << LEAD_AT
        return (to(word, IN_CLASS) if value >= low else _late(low)), 0
    if escaped and lead and 0xDC00 <= value <= 0xDFFF:
        if memory >> ENDED_AT & 1:
            return to(word, IN_CLASS), 0
        return to(word, C1), (0x10000 + ((lead - 1) << 10) + value - 0xDC00) << LOW_AT
    memory = top << LOW_AT
    if escaped and 0xD800 <= value <= 0xDBFF:
        memory |= (value - 0xD800 + 1) << LEAD_AT
    return to(word, C1), memory


@jit
def escape(word, memory, char):  # type: ignore[no-untyped-def]
    """Return (word, memory) after a backslash and `char`; outside a class, or in one."""
    role, low = memory >> ROLE_AT & 3, memory >> LOW_AT & VALUE
    outside = role == 0
    if role == TRAIL:
        return (to(word, UNICODE) if char == 117 else CUT), memory
    if char == 117:  # u
        return to(word, UNICODE), memory
    if char == 120:  # x
        return (NONE if role == ENDS and low > 255 else to(word, HEX2)), memory
    if char == 99:  # c
        return (NONE if role == ENDS and low > 26 else to(word, CTRL)), memory
    if char == 98 or char == 66:  # b, B
        if outside:
            return to(word, TERM), 0
        if char == 66:
            return NONE, 0
        return valued(word, memory, np.int64(8), False, np.int64(8))
    if char in (100, 68, 119, 87, 115, 83):  # d, w, s
        return (NONE if role == ENDS else to(word, ATOM if outside else CX)), 0
    if char == 112 or char == 80:  # p, P
        return (NONE if role == ENDS else to(word, PROPERTY)), memory & (np.int64(3) << ROLE_AT)
    value = np.int64(-1)
    if char == 48:
        value = np.int64(0)
    elif char == 116:
        value = np.int64(9)
    elif char == 110:
        value = np.int64(10)
    elif char == 118:
        value = np.int64(11)
    elif char == 102:
        value = np.int64(12)
    elif char == 114:
        value = np.int64(13)
    elif char < 128 and (SYNTAX[char] or char == 47 or (char == 45 and not outside)):
        value = char
    elif outside and 49 <= char <= 57:
        if char - 48 - (word >> COUNT_AT & 15) > MOST_AHEAD:
            return CUT, 0
        return to(referred(word, char - 48), ATOM), NO_DIGIT
    elif outside and char == 107:
        return (to(word, BACK) if word >> NAME_AT else CUT), 0
    if value < 0:
        return NONE, 0
    word, memory = valued(word, memory, value, False, value)
    return word, (memory | NO_DIGIT if char == 48 else memory)


@jit
def in_class(word, memory, char, top):  # type: ignore[no-untyped-def]
    """Return (word, memory) after a character in a class, outside its escapes."""
    phase = word & PHASE
    low = memory >> LOW_AT & VALUE
    if phase == CHI:
        lead = (memory >> LEAD_AT & 2047) - 1
        if 0xD800 + lead < low:  # no range ends here but with the other half
            if char != 92:
                return CUT, 0
            return to(word, CESC), memory | np.int64(TRAIL) << ROLE_AT
        if char == 92:
            ended = (lead + 1) << LEAD_AT | np.int64(1) << ENDED_AT
            return to(word, CESC), ended | np.int64(BEGINS) << ROLE_AT
        phase, memory = IN_CLASS, 0
    if char == 93:
        return to(word, ATOM), 0
    if char == 94 and phase == CSTART:
        return to(word, IN_CLASS), 0
    if char == 92:
        if phase == CX2:
            return NONE, 0
        if phase == C2:
            return to(word, CESC), low << LOW_AT | np.int64(ENDS) << ROLE_AT
        lead_bits = memory & (np.int64(2047) << LEAD_AT)
        return to(word, CESC), lead_bits | np.int64(BEGINS) << ROLE_AT
    if char == 45 and phase == C1:
        return to(word, C2), low << LOW_AT
    if char == 45 and phase == CX:
        return to(word, CX2), 0
    if phase == CX2:
        return NONE, 0
    if phase == C2:
        return (to(word, IN_CLASS) if char >= low else _late(min(low, char))), 0
    return to(word, C1), top << LOW_AT


@jit
def hex_digit(word, memory, char):  # type: ignore[no-untyped-def]
    """Return (word, memory) after a digit of `\\xHH` or `\\uHHHH`."""
    phase = word & PHASE
    digit = HEX[char]
    if digit < 0:
        return NONE, 0
    role, low = memory >> ROLE_AT & 3, memory >> LOW_AT & VALUE
    if role == 0:
        digit = np.int64(0)
    memory = (memory & ~VALUE | (memory & VALUE) << 4 | digit) + (np.int64(1) << DIGITS_AT)
    value, digits = memory & VALUE, memory >> DIGITS_AT & 7
    if phase == HEX2:
        if role == ENDS and (value << 4 | 15 if digits == 1 else value) < low:
            return _late(low), 0
        return valued(word, memory, value, False, value) if digits == 2 else (word, memory)
    if _u4_lives(memory) == 0:
        return _late(low), 0
    return valued(word, memory, value, True, value) if digits == 4 else (to(word, U4), memory)


@jit
def braced_digit(word, memory, char):  # type: ignore[no-untyped-def]
    """Return (word, memory) after a character of `\\u{...}`."""
    role, low = memory >> ROLE_AT & 3, memory >> LOW_AT & VALUE
    value = memory & VALUE
    some = np.int64(1) << DIGITS_AT
    if char == 125:
        if not memory & some:
            return NONE, 0
        return valued(word, memory, value, False, value)
    digit = HEX[char]
    value = value << 4 | digit
    if digit < 0 or value > LAST_POINT:
        return NONE, 0
    if _reaches(value, low if role == ENDS else 0) < 0:
        return _late(low), 0
    if role == 0:
        value = _plain_value(value)
    return word, memory & ~VALUE | value | some


@jit
def in_property(p, tree, word, memory, char):  # type: ignore[no-untyped-def]
    """Return (word, memory) after a character of `\\p{...}`; memory: the place in the tree of names."""
    heap = p.heap
    node = tree + (memory & VALUE)
    if char == 125:
        after = ATOM if memory >> ROLE_AT & 3 == 0 else CX
        return (to(word, after) if heap[node + 1] == 0 else CUT), 0
    for i in range(heap[node]):
        if heap[node + 2 + 2 * i] == char:
            return word, memory & ~VALUE | heap[node + 3 + 2 * i]
    # names that a later version of Unicode may have
    return (CUT if char == 61 or char == 95 or HEX[char] >= 0 or 65 <= (char & ~32) <= 90 else NONE), 0


@jit
def escape_cost(p, tree, phase, memory):  # type: ignore[no-untyped-def]
    """Return the least characters that complete an escape, or half a pair."""
    role, low = memory >> ROLE_AT & 3, memory >> LOW_AT & VALUE
    value, digits = memory & VALUE, memory >> DIGITS_AT & 7
    if role != ENDS:
        low = np.int64(0)
    if phase in (ESC, CTRL):
        return np.int64(1)
    if phase == HEX2:
        return 2 - digits
    if phase == U4:
        left = 4 * (4 - digits)
        whole = role != ENDS or (value << left | ((np.int64(1) << left) - 1)) >= low
        return 4 - digits + (0 if whole else 6)
    if phase == UB:
        return max(_reaches(value, low), 1 - digits) + 1
    if phase == PROPERTY:
        return p.heap[tree + 1] + 2
    if phase == PROP:
        return p.heap[tree + value + 1] + 1
    if phase == CHI:
        half = memory >> LEAD_AT & 2047
        return np.int64(6 if 0xD7FF + half < (memory >> LOW_AT & VALUE) else 0)
    if phase != UNICODE and phase != CESC:
        return np.int64(0)
    if role == TRAIL:
        return np.int64(4 if phase == UNICODE else 5)
    braced = max(_reaches(0, low), 1) + 2
    written = min(braced, 4) if low <= 0xFFFF else braced
    if phase == UNICODE:
        return written
    return np.int64(1 if low <= 0x7D else 3 if low <= 0xFF else 1 + written)
