"""The string automata as compiled code reads them."""

from __future__ import annotations

import numba

from structgen.json_machine.tables.layout import *
from structgen.json_machine.tables.table_rows import need
from structgen.native.jit import jit
from structgen.native.raw_memory import load32, load64

FREE = 0
"""The free string's state at a code point boundary (automata.strings.StringPool.FREE)."""
WIDTH = 258
SAFE_COLUMN = 255
"""Where a row that is filled by columns says what is safe (automata.arena.SAFE_COLUMN)."""
MIDDLES = 8
"""States below are the free string's: FREE and the middles of its characters."""


@jit
def need_row(c, state, column):
    """Ask for the row of a state, or for the column where rows are filled by columns."""
    by_column = load32(load64(c, C_STRINGS), state * WIDTH + SAFE_COLUMN) < -2
    need(c, Q_STRING, state, column + 1 if by_column else 0, 0)


@jit
def string_step(c, state, column):
    """Return the string automaton's next state, -1 (none), or -2 when the row must be asked."""
    target = load32(load64(c, C_STRINGS), state * WIDTH + column)
    if target == -2:
        need_row(c, state, column)
    # below -2: a note in SAFE_COLUMN, in the place of the byte 255, which no UTF-8 has
    return target if target >= -2 else numba.int64(-1)
