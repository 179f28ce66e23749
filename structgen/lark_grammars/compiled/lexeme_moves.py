"""The moves of lexeme states by bytes, each encoded as one word for compiled code."""

from __future__ import annotations

from structgen.lark_grammars.compiled.registers import (
    ELSE_NONE,
    ELSE_SHIFT,
    MOVE_BEFORE,
    MOVE_DEAD,
    MOVE_KEEP_NEW,
    MOVE_KEEP_OLD,
    MOVE_MANY,
    MOVE_NOW,
    MOVE_OLD,
    MOVE_ON,
    TERMINAL_SHIFT,
    TO_SHIFT,
)
from structgen.lark_grammars.lexer.lexeme_rows import (
    DEAD,
    DECIDED,
    FULL,
    LexerTables,
    terminal_of,
    without_slot,
)
from structgen.native.jit import entry, jit
from structgen.native.typed_blocks import Bytes, Int32s, Int64s

UNKNOWN_AFTER = 2
"""Whether a class of bytes is an error after a terminal: nobody has asked."""


@jit
def coded(r: LexerTables, state: int, kind: int, dead: Bytes) -> int:
    """Return the word of a move, in the format of `registers`; FULL; or FULL - 1 - t if the errors after
    terminal t must be known first."""
    width = r.width
    after = r.after[width * state + kind]
    if after == DEAD:
        return MOVE_DEAD
    listed = r.sources[width * state + kind]
    begins, pool = r.source_lists.begins, r.source_lists.pool
    begin, end = begins[listed], begins[listed + 1]
    if after == DECIDED:
        source = pool[begin]
        if source < 0:
            return MOVE_NOW | (-1 - source) << TERMINAL_SHIFT
        terminal = terminal_of(r, state, source)
        return MOVE_OLD if terminal < 0 else MOVE_BEFORE | terminal << TERMINAL_SHIFT
    kept, count = -1, 0
    for at in range(begin, end):
        source = pool[at]
        if source >= 0:
            if count == 0:
                kept = source
            count += 1
    if count == 0:
        return MOVE_ON | after << TO_SHIFT
    if count > 1:
        return MOVE_MANY
    terminal = terminal_of(r, state, kept)
    if terminal >= 0 and dead[width * terminal + kind] == UNKNOWN_AFTER:
        return FULL - 1 - terminal
    otherwise = without_slot(r, after)
    if otherwise == FULL:
        return FULL
    if otherwise == DEAD:
        otherwise = ELSE_NONE
    if terminal < 0:
        return MOVE_KEEP_OLD | after << TO_SHIFT | otherwise << ELSE_SHIFT
    if dead[width * terminal + kind] != 0:
        # every byte that begins the next lexeme so is an error: drop the slot at once
        if otherwise == ELSE_NONE:
            return MOVE_DEAD
        return MOVE_ON | otherwise << TO_SHIFT
    return MOVE_KEEP_NEW | after << TO_SHIFT | terminal << TERMINAL_SHIFT | otherwise << ELSE_SHIFT


@entry("int64(int64, int64, int64, int64, int64)")
def code_moves(tables: int, states: int, count: int, dead: int, moves: int) -> int:
    """Write the moves (int64[count, classes]) of states (int32) whose rows exist. `dead`: uint8[terminals,
    classes], whether a class of bytes is an error after a terminal. Returns 0, or the code of `coded` if it
    fails."""
    r, numbers, words = LexerTables(tables), Int32s(states), Int64s(moves)
    width = r.width
    for i in range(count):
        for kind in range(width):
            word = coded(r, numbers[i], kind, Bytes(dead))
            if word < 0:
                return word
            words[width * i + kind] = word
    return 0
