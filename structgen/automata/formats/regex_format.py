"""ECMA-262 patterns (21.2.1, Unicode mode) as an automaton that counts groups and brackets; compiled.

`format: "regex"` accepts strings that are patterns. Patterns nest, so no finite automaton accepts them all:
the open groups are a stack of at most DEPTH bits in the automaton's word. All early errors of the
specification are checked: the order of a class's ranges and of a quantifier's counts, back-references to
later groups, names that must differ. docs/json-schema.md lists the patterns that are left out to keep the
memory small.

A state is three integers: `names` (the first letters of the groups' names so far), `word` (phase, stack,
groups counted, groups that back-references still need), `memory` (the half-read part of a phase). All zero
is the start. Equivalent pasts share a state, so a vocabulary meets few states.
"""

from __future__ import annotations

import numpy as np

from structgen.automata.formats.regex_escapes import (
    braced_digit,
    escape,
    escape_cost,
    hex_digit,
    in_class,
    in_property,
    to,
    valued,
)
from structgen.automata.formats.regex_registers import (
    ATOM,
    BACK,
    BIG,
    CESC,
    COUNT_AT,
    CSTART,
    CTRL,
    CUT,
    DEPTH,
    DEPTH_AT,
    ESC,
    FLAGS,
    KNAME,
    LETTER,
    MANY_LETTERS,
    MOST_DIGITS,
    MOST_REFERENCE,
    NAME,
    NAME_AT,
    NO_DIGIT,
    OPEN,
    OPEN_LT,
    OPEN_Q,
    OWED_AT,
    PHASE,
    PROP,
    PROPERTY,
    QC,
    QM,
    QM1,
    QMANY,
    QN,
    QN1,
    QUANT,
    ROLE_AT,
    STACK_AT,
    TERM,
    TRAIL,
    U4,
    UB,
    UNICODE,
)
from structgen.automata.programs.determinizer_tables import NONE
from structgen.native.jit import jit


@jit
def _counted(word):  # type: ignore[no-untyped-def]
    """Return the word with one more capturing group."""
    if word >> COUNT_AT & 15 < MOST_REFERENCE:
        word += np.int64(1) << COUNT_AT
    if word >> OWED_AT & 15:
        word -= np.int64(1) << OWED_AT
    return word


@jit
def _in_term(word, char):  # type: ignore[no-untyped-def]
    """Return the word after a character where a term may begin or the last one be repeated."""
    phase = word & PHASE
    if char == 92:
        return to(word, ESC)
    if char == 91:
        return to(word, CSTART)
    if char == 40:
        depth = word >> DEPTH_AT & 31
        if depth >= DEPTH:
            return CUT
        word &= ~(np.int64(1) << (STACK_AT + depth))
        return to(word + (np.int64(1) << DEPTH_AT), OPEN)
    if char == 41:
        depth = word >> DEPTH_AT & 31
        if depth == 0:
            return NONE
        word -= np.int64(1) << DEPTH_AT
        bit = np.int64(1) << (STACK_AT + depth - 1)
        return to(word & ~bit, TERM if word & bit else ATOM)
    if char == 42 or char == 43:
        return to(word, QUANT) if phase == ATOM else NONE
    if char == 63:
        return to(word, QUANT) if phase == ATOM else to(word, TERM) if phase == QUANT else NONE
    if char == 123:
        return to(word, QN) if phase == ATOM else NONE
    if char == 94 or char == 36 or char == 124:
        return to(word, TERM)
    if char == 93 or char == 125:
        return NONE
    return to(word, ATOM)


@jit
def _in_group(names, word, memory, char):  # type: ignore[no-untyped-def]
    """Return (names, word, memory) after a character behind `(?`.

    Memory: 1 + the letter of a name of one letter; 1 behind flags.
    """
    phase = word & PHASE
    look = np.int64(1) << (STACK_AT + (word >> DEPTH_AT & 31) - 1)
    letter = LETTER[char] if char < 128 else NONE
    if phase == OPEN_Q:
        flag = char == 45 or char == 105 or char == 109 or char == 115
        if memory:
            return names, (CUT if char == 58 else FLAGS if flag else NONE), 0
        if char == 58:
            return names, to(word, TERM), 0
        if char == 60:
            return names, to(word, OPEN_LT), 0
        if char == 61 or char == 33:
            return names, to(word | look, TERM), 0
        return names, (FLAGS if flag else NONE), 0
    if phase == OPEN_LT:
        if char == 61 or char == 33:
            return names, to(word | look, TERM), 0
        # Names are told apart by their first letters; those beyond ASCII, and escapes, are cut.
        if letter < 0:
            return names, (CUT if char > 127 or char == 92 else NONE), 0
        if names >> letter & 1:
            return names, CUT, 0
        return names | np.int64(1) << letter, to(word, NAME), letter + 1
    if char == 62:
        word = to(_counted(word), TERM)
        if memory:
            word = word & ~(np.int64(63) << NAME_AT) | memory << NAME_AT
        return names, word, 0
    if letter >= 0 or 48 <= char <= 57:
        return names, word, 0
    return names, (CUT if char > 127 or char == 92 else NONE), 0


@jit
def _in_count(word, memory, char):  # type: ignore[no-untyped-def]
    """Return (word, memory) after a character of `{n,m}`. Leading zeros are left out.

    Memory: 10 bits of n (BIG: too many digits), 2 of how many those are, 2 of how many of m are read, and 2
    that say whether these are less (1) or greater (2) than n's.
    """
    phase = word & PHASE
    n, size, at = memory & 1023, memory >> 10 & 3, memory >> 12 & 3
    digit = char - 48
    if 0 <= digit <= 9:
        if phase in (QM1, QMANY):
            return word, memory
        if phase in (QN, QN1):
            if size and n == 0:
                return CUT, 0
            if size == MOST_DIGITS:
                return to(word, QMANY), 0
            return to(word, QN1), n * 10 + digit | (size + 1) << 10
        if n == BIG or (at == 0 and digit == 0 and n) or (at == size and n == 0):
            return CUT, 0
        if at == size or (n == 0 and digit):
            return to(word, QM1), 0
        beside = n
        for _ in range(size - 1 - at):
            beside //= 10
        beside %= 10
        if memory >> 14 == 0 and digit != beside:
            memory |= np.int64(1 if digit < beside else 2) << 14
        return to(word, QM), memory + (np.int64(1) << 12)
    if char == 125:
        whole = phase == QM and at == size and memory >> 14 != 1
        if phase in (QN1, QMANY, QC, QM1) or whole:
            return to(word, QUANT), 0
    elif char == 44 and phase == QMANY:
        return to(word, QC), np.int64(BIG)
    elif char == 44 and phase == QN1:
        return to(word, QC), memory
    return NONE, 0


@jit
def _count_cost(phase, memory):  # type: ignore[no-untyped-def]
    """Return the least characters that complete a quantifier in braces."""
    if phase == QN:
        return np.int64(2)
    if phase != QM:
        return np.int64(1)
    return 1 + (memory >> 10 & 3) - (memory >> 12 & 3) + (1 if memory >> 14 == 1 else 0)


@jit
def regex_step(p, table, names, word, memory, char):  # type: ignore[no-untyped-def]
    """Return (names, word, memory) after a character; word -1: no pattern has this prefix; CUT, FLAGS: such
    patterns are left out.

    `char` is the first character of the class of the one read; `table` is where the heap lists the ends of
    the classes beyond ASCII (how many, then each) and the tree of properties.
    """
    phase = word & PHASE
    if 0xD800 <= char <= 0xDFFF:
        return names, CUT, 0
    if (phase <= QUANT or phase >= CSTART) and memory & NO_DIGIT:
        if 48 <= char <= 57:
            return names, CUT, 0
        memory &= ~NO_DIGIT
    if phase == OPEN:
        if char == 63:
            return names, to(word, OPEN_Q), 0
        word, phase = to(_counted(word), TERM), np.int64(TERM)
    if phase <= QUANT:
        return names, _in_term(word, char), 0
    if phase <= NAME:
        return _in_group(names, word, memory, char)
    if phase <= QM1:
        word, memory = _in_count(word, memory, char)
    elif phase >= CSTART and phase != CESC:
        top, at = char, table + 1
        if char > 127:
            while p.heap[at] < char:
                at += 1
            top = p.heap[at]
        word, memory = in_class(word, memory, char, top)
    elif char > 127:
        word = CUT if phase == KNAME else NONE
    elif phase in (ESC, CESC):
        word, memory = escape(word, memory, char)
    elif phase == CTRL:
        if 65 <= char <= 90 or 97 <= char <= 122:
            word, memory = valued(word, memory, char & 31, False, char & 31)
        else:
            word = NONE
    elif phase == UNICODE and char == 123:
        word = to(word, UB) if memory >> ROLE_AT & 3 != TRAIL else NONE
    elif phase <= U4:
        word, memory = hex_digit(word, memory, char)
    elif phase == UB:
        word, memory = braced_digit(word, memory, char)
    elif phase == PROPERTY:
        word = to(word, PROP) if char == 123 else NONE
    elif phase == PROP:
        word, memory = in_property(p, table + 1 + p.heap[table], word, memory, char)
    elif phase == BACK:
        word = to(word, KNAME) if char == 60 else NONE
    elif memory:
        word, memory = (to(word, ATOM) if char == 62 else CUT), 0
    else:
        word, memory = (word if LETTER[char] + 1 == word >> NAME_AT else CUT), 1
    return names, word, memory


@jit
def regex_ends(word):  # type: ignore[no-untyped-def]
    """Return whether the pattern may end here."""
    return word & PHASE <= QUANT and word >> DEPTH_AT & 31 == 0 and word >> OWED_AT & 15 == 0


@jit
def regex_cost(p, table, names, word, memory):  # type: ignore[no-untyped-def]
    """Return the least characters that complete the pattern: as many bytes of JSON text, but for the
    backslash of a second half of a pair."""
    phase = word & PHASE
    if phase in (OPEN, NAME):
        word = _counted(word)
    owed = word >> OWED_AT & 15
    cost = (word >> DEPTH_AT & 31) + 2 * owed  # a bracket for each open group, () for each that is asked for
    if phase <= OPEN:
        return cost
    if phase <= NAME:
        named = phase == OPEN_LT and owed > 0 and names + 1 != np.int64(1) << MANY_LETTERS
        return cost + (0 if named else 1)
    if phase <= QM1:
        return cost + _count_cost(phase, memory)
    if phase in (BACK, KNAME):
        return cost + (3 if phase == BACK else 2 - memory)
    if phase >= CSTART or memory >> ROLE_AT & 3:
        cost += 1  # the class's bracket
    return cost + escape_cost(p, table + 1 + p.heap[table], phase, memory)
