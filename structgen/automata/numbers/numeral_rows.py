"""The table of numerals so far: each a number, with a row of the numbers that follow it. Compiled.

Numerals are interned by content. `slots` is the hash table of both numerals (their numbers) and step
functions (their offsets in the arena, negative). A row of `states` is a numeral.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba.np.unsafe.ndarray import to_fixed_tuple

from structgen.automata.numbers import digit_steps as s
from structgen.automata.numbers.digit_steps import (
    FIELDS,
    Ints,
    Numeral,
    function_hash,
    function_of,
    mix,
    outcome_of,
    step,
)
from structgen.automata.numbers.numeral_values import has_value
from structgen.language.ir import DEAD
from structgen.native.jit import entry, jit

Grid = npt.NDArray[np.int64]
Row = npt.NDArray[np.int32]
ROOM = 16
"""States and functions that one row may make."""
NEIGHBOURHOOD = 256
"""The most rows that one call of `expand` fills."""


@jit
def numeral_of(states: Grid, state: int) -> Numeral:
    """Return a state's numeral."""
    return Numeral(*to_fixed_tuple(states[state], FIELDS))


@jit
def find(states: Grid, slots: Ints, n: Numeral) -> int:
    """Return the number of a numeral, or -1 - slot where it is new and belongs into that slot."""
    hashed = 0
    for field in range(s.FIELDS):
        hashed = mix(hashed, n[field])
    mask = len(slots) - 1
    slot = hashed & mask
    while slots[slot] != -1:
        if slots[slot] >= 0 and numeral_of(states, slots[slot]) == n:
            return slots[slot]
        slot = (slot + 1) & mask
    return -1 - slot


@jit
def number_of(arena: Ints, states: Grid, slots: Ints, outcome: Row, n: Numeral) -> int:
    """Return the number of a numeral, added where it is new and live; or DEAD."""
    found = find(states, slots, n)
    if found >= 0:
        return found
    if not has_value(arena, n, s.BIG):
        return DEAD
    state = arena[s.COUNT]
    arena[s.COUNT] = state + 1
    slots[-1 - found] = state
    for field in range(s.FIELDS):
        states[state, field] = n[field]
    outcome[state] = outcome_of(arena, n)
    return state


@entry("int64(int64[::1], int64[:, ::1], int64[::1], int32[::1], int64)")
def enter(arena: Ints, states: Grid, slots: Ints, outcome: Row, at: int) -> int:
    """Return the number of the numeral that stands in the row `at` of `states`, added where it is new and
    live; or DEAD."""
    return number_of(arena, states, slots, outcome, numeral_of(states, at))


@entry("int64(int64[::1], int64[:, ::1], int64[::1], int32[:, ::1], int32[::1], int64)")
def expand(arena: Ints, states: Grid, slots: Ints, trans: Grid, outcome: Row, first: int) -> int:
    """Fill the row of `first`, and those of new states fewer than DEPTH characters after it; return 1, or 0
    where an array has no room for one more row (nothing is lost: call again with more)."""
    made = edge = arena[s.COUNT]  # new states are numbered as a breadth-first search meets them
    state, depth = first, arena[s.DEPTH]
    for _ in range(NEIGHBOURHOOD):
        if not has_room(arena, slots, len(outcome)):
            return 0
        fill(arena, states, slots, trans, outcome, state)
        if made == edge:
            depth, edge = depth - 1, arena[s.COUNT]
        if depth == 0 or made == arena[s.COUNT]:
            break
        state = made
        made += 1
    return 1


@jit
def has_room(arena: Ints, slots: Ints, states: int) -> bool:
    """Return whether every array has room for one more row; `states`: for how many there is room."""
    functions = arena[s.USED] + ROOM * arena[s.PIECE_ROOM] <= len(arena)
    entries = arena[s.COUNT] + arena[s.FUNCTIONS] + 2 * ROOM
    return functions and arena[s.COUNT] + ROOM < states and 2 * entries <= len(slots)


@jit
def fill(arena: Ints, states: Grid, slots: Ints, trans: Grid, outcome: Row, state: int) -> None:
    """Fill the row of a state."""
    n = numeral_of(states, state)
    before, number = n, state
    for column in range(14):
        after = step(arena, slots, n, column)
        if after.phase < 0:
            trans[state, column] = DEAD
            continue
        if after != before:
            before, number = after, number_of(arena, states, slots, outcome, after)
        trans[state, column] = number
    trans[state, 14] = trans[state, 13]
    trans[state, 15] = DEAD


@entry("boolean(int64[::1], int64[:, ::1], int64, int64)")
def reaches(arena: Ints, states: Grid, state: int, chars: int) -> bool:
    """Return whether a state has an outcome after at most `chars` more characters."""
    return has_value(arena, numeral_of(states, state), chars)


@entry("int64(int64[::1], int64[::1], int64)")
def enter_function(arena: Ints, slots: Ints, count: int) -> int:
    """Return the offset in the arena of a step function; its `count` pieces stand at USED + 1."""
    return function_of(arena, slots, count)


@entry("int64(int64[::1], int64[:, ::1], int64[::1], int64[::1])")
def rehash(arena: Ints, states: Grid, slots: Ints, old: Ints) -> int:
    """Fill a new, empty hash table with what the old one has; return 0."""
    mask = len(slots) - 1
    for place in range(len(old)):
        if old[place] >= 0:
            slots[-1 - find(states, slots, numeral_of(states, old[place]))] = old[place]
        elif old[place] < -1:
            slot = function_hash(arena, -old[place]) & mask
            while slots[slot] != -1:
                slot = (slot + 1) & mask
            slots[slot] = old[place]
    return 0
