"""The state layout of the automaton of ECMA-262 patterns (`regex_format`): phases, and the fields of its
words."""

from __future__ import annotations

import numpy as np

DEPTH = 24
"""Groups within groups."""
MOST_REFERENCE = 9
"""The largest number of a back-reference."""
MOST_AHEAD = 1
"""How many groups further on than those begun a back-reference may point. Each is two characters more that a
string owes, and beside a pattern the shortest rest is searched through all strings that are shorter."""
MOST_DIGITS = 3
"""Digits of a count n in `{n,m}`."""

# Phases. Up to QUANT the pattern may end.
TERM, ATOM, QUANT = 0, 1, 2  # after an assertion, or at the start; after an atom; after a quantifier
OPEN, OPEN_Q, OPEN_LT, NAME = 3, 4, 5, 6
# In {n,m}: at its start; in n; in an n of many digits; after the comma; in m; in an m that is surely at least
# n.
QN, QN1, QMANY, QC, QM, QM1 = 7, 8, 9, 10, 11, 12
ESC, CTRL, HEX2, UNICODE, U4, UB, PROPERTY, PROP, BACK, KNAME = 13, 14, 15, 16, 17, 18, 19, 20, 21, 22
# In a class: at its start; no range begun; after what may begin one; after a class escape; the dash after
# either; after a high end that is half a surrogate pair; after a backslash.
CSTART, IN_CLASS, C1, CX, C2, CX2, CHI, CESC = 23, 24, 25, 26, 27, 28, 29, 30

# Of `word`: 7 bits of phase, 5 of depth, 24 of stack (1: a look-around, which takes no quantifier), 4 of
# groups counted, 4 of groups asked for, 6 of the last name of one letter.
PHASE, DEPTH_AT, STACK_AT, COUNT_AT, OWED_AT, NAME_AT = 127, 7, 12, 36, 40, 44
KEEP = ~np.int64(PHASE)

# Of `memory`, in escapes and classes: 21 bits of value, 3 of digits read, 21 of a range's low end, 2 of what
# an escape is (0: outside a class; BEGINS: it may begin a range; ENDS: it ends one; TRAIL: the rest of a pair
# that ends one), 11 of a lead surrogate just written as \u, 1: that lead ended a range, 1: a digit may not
# follow.
VALUE, DIGITS_AT, LOW_AT, ROLE_AT, LEAD_AT, ENDED_AT, NO_DIGIT = (
    (1 << 21) - 1,
    21,
    24,
    45,
    47,
    58,
    np.int64(1) << 59,
)
BEGINS, ENDS, TRAIL = 1, 2, 3
BIG = 1023  # an n of a quantifier that is not remembered
LETTERS = "$ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz"
LAST_POINT = 0x10FFFF
LETTER = np.full(128, -1, np.int64)
LETTER[[ord(char) for char in LETTERS]] = range(len(LETTERS))
MANY_LETTERS = len(LETTERS)
SYNTAX = np.zeros(128, np.bool_)
SYNTAX[[ord(char) for char in "^$\\.*+?()[]{}|"]] = True
CUT = np.int64(-2)
"""In place of a word: strings with this prefix may be patterns, but are left out."""
FLAGS = np.int64(-3)
"""In place of a word: flags of a group (`(?i-s:`, of ECMA-262 since 2025), cut where the colon comes."""
HEX = np.full(128, -1, np.int64)
HEX[48:58] = range(10)
HEX[65:71] = HEX[97:103] = range(10, 16)
