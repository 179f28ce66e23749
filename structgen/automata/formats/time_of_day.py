"""RFC 3339's time of day as an automaton that knows when a leap second is valid; compiled."""

from __future__ import annotations

import numpy as np

from structgen.automata.programs.determinizer_tables import NONE
from structgen.native.jit import jit

# The phases of an RFC 3339 time, each with a memory.
_H1, _H2, _HC, _M1, _M2, _MC, _S1, _S2, _LEAP = range(9)  # memory: what is known of the hour and minute
_POINT, _F1, _FRACTION = 9, 10, 11  # memory: 0, or in a leap second 1 + the minute of the day
_OH1, _OH2, _OC, _OM1, _OM2 = 12, 13, 14, 15, 16  # memory of _OH2: the first digit
_LH1, _LH2, _LC, _LM1, _LM2 = 17, 18, 19, 20, 21  # a leap second's offset; memory: what must be written
CLOCK_END = 22
MEMORY = 2048  # memories are below


@jit
def clock_step(phase, memory, char):  # type: ignore[no-untyped-def]
    """Return phase * MEMORY + memory after a character, or -1 (RFC 3339 sections 5.6 and 5.7)."""
    digit = char - 48
    if digit < 0 or digit > 9:
        if char == 58:
            if phase == _HC:
                return _M1 * MEMORY + memory
            if phase == _MC:
                return _S1 * MEMORY + memory
            if phase == _OC:
                return np.int64(_OM1 * MEMORY)
            if phase == _LC:
                return _LM1 * MEMORY + memory
            return NONE
        if phase != _POINT and phase != _FRACTION:
            return NONE
        if char == 46:
            return _F1 * MEMORY + memory if phase == _POINT else NONE
        minute = memory - 1
        if char == 90 or char == 122:
            return np.int64(CLOCK_END * MEMORY) if memory == 0 or minute == 1439 else NONE
        if char != 43 and char != 45:
            return NONE
        if memory == 0:
            return np.int64(_OH1 * MEMORY)
        # 23:59 in UTC: minute = 1439 + offset, modulo a day.
        return _LH1 * MEMORY + ((minute + 1) % 1440 if char == 43 else 1439 - minute)
    if phase == _H1:
        return _H2 * MEMORY + digit if digit <= 2 else NONE
    if phase == _H2:
        return _HC * MEMORY + memory * 10 + digit if memory * 10 + digit <= 23 else NONE
    if phase == _M1:
        return _M2 * MEMORY + memory * 6 + digit if digit <= 5 else NONE
    if phase == _M2:
        return _MC * MEMORY + memory * 10 + digit
    if phase == _S1:
        if digit == 6:
            return _LEAP * MEMORY + memory
        return np.int64(_S2 * MEMORY) if digit <= 5 else NONE
    if phase == _S2:
        return np.int64(_POINT * MEMORY)
    if phase == _LEAP:
        return _POINT * MEMORY + memory + 1 if digit == 0 else NONE
    if phase in (_F1, _FRACTION):
        return _FRACTION * MEMORY + memory
    if phase == _OH1:
        return _OH2 * MEMORY + digit if digit <= 2 else NONE
    if phase == _OH2:
        return np.int64(_OC * MEMORY) if memory * 10 + digit <= 23 else NONE
    if phase == _OM1:
        return np.int64(_OM2 * MEMORY) if digit <= 5 else NONE
    if phase == _OM2:
        return np.int64(CLOCK_END * MEMORY)
    if phase == _LH1:
        return _LH2 * MEMORY + memory if digit == memory // 600 else NONE
    if phase == _LH2:
        return _LC * MEMORY + memory % 60 if digit == memory // 60 % 10 else NONE
    if phase == _LM1:
        return _LM2 * MEMORY + memory % 10 if digit == memory // 10 else NONE
    if phase == _LM2:
        return np.int64(CLOCK_END * MEMORY) if digit == memory else NONE
    return NONE


@jit
def clock_cost(phase, memory):  # type: ignore[no-untyped-def]
    """Return the least characters that complete a time."""
    if phase < _LEAP:
        return 9 - phase
    if phase >= _LH1:
        return CLOCK_END - phase
    if phase >= _OH1:
        return _OM2 + 1 - phase
    # A leap second that is not at 23:59 needs its offset.
    at_point = np.int64(1)
    if phase == _LEAP:
        return np.int64(2) if memory == 1439 else np.int64(7)
    if memory > 0 and memory != 1440:
        at_point = np.int64(6)
    return at_point + 1 if phase == _F1 else at_point
