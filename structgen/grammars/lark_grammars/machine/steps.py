"""The readings of a text, moved by a byte, in compiled code."""

from __future__ import annotations

from typing import Final

from structgen.base.native.jit import entry, jit
from structgen.base.native.typed_blocks import Int64s, skip
from structgen.grammars.lark_grammars.machine.lark_layout import (
    MOST_READINGS,
    READING_WORDS,
    WALK_WORDS,
    LarkContext,
)
from structgen.grammars.lark_grammars.machine.memo import copy_equal_mask, lexeme_lives
from structgen.grammars.lark_grammars.machine.parser import (
    behind_lexeme,
    column_after,
    ends_at,
    put_cell,
    put_place,
    row_of,
    start_state_behind,
)
from structgen.machines.machine_core.interning import intern_row, note_question
from structgen.machines.machine_core.layout import ASKED, READING, REFUSED
from structgen.machines.machine_core.lexeme_layout import (
    ASK_CARRY,
    ASK_LASTS,
    ASK_ROW,
    FULL,
    UNASKED,
    UNKNOWN,
)


@jit
def put_reading(c: LarkContext, there: Int64s, count: int, place: int, state: int, column: int) -> int:
    """Append a reading, once; return how many there are then, or FULL."""
    for i in range(count):
        reading = skip(there, READING_WORDS * i)
        if reading[0] == place and reading[1] == state and reading[2] == column:
            return count
    if count == MOST_READINGS:
        return FULL
    reading = skip(there, READING_WORDS * count)
    reading[0], reading[1], reading[2] = place, state, column
    return count + 1


@jit
def move_readings(c: LarkContext, here: Int64s, count: int, there: Int64s, byte: int, byte_class: int) -> int:
    """Read a byte of a class in some readings. Returns how many there are behind it, ASKED, or FULL."""
    width, reading_count, is_asked = c.width, 0, False
    for n in range(count):
        reading = skip(here, READING_WORDS * n)
        place, state, column = reading[0], reading[1], reading[2]
        for i in range(c.lexeme_end_at[2 * state], c.lexeme_end_at[2 * state + 1]):
            terminal, carry = c.lexeme_ends[2 * i], c.lexeme_ends[2 * i + 1]
            move = c.carry_moves[carry * width + byte_class]
            if move == UNASKED:
                note_question(c, ASK_CARRY, carry, 0, 0)
                is_asked = True
            if move == 0 or move == UNASKED:
                continue
            after = behind_lexeme(c, place, terminal, column)
            is_asked = is_asked or after == ASKED
            if after < 0:
                continue
            for way in range(c.ways):
                first = start_state_behind(c, after, 0 if move == 1 else carry, way)
                is_asked = is_asked or first == ASKED
                if first < 0:
                    continue
                to = c.moves[first * width + byte_class]
                if to == UNKNOWN:
                    note_question(c, ASK_ROW, first, 0, 0)
                    is_asked = True
                elif to >= 0:
                    column_before = -1 if c.may_break[first] else 0
                    reading_count = put_reading(
                        c,
                        there,
                        reading_count,
                        after,
                        to,
                        column_after(c, column_before, byte) if c.may_break[to] else 0,
                    )
                    if reading_count == FULL:
                        return FULL
        to = c.moves[state * width + byte_class]
        if to == UNKNOWN:
            note_question(c, ASK_ROW, state, 0, 0)
            is_asked = True
        elif to >= 0:
            reading_count = put_reading(
                c, there, reading_count, place, to, column_after(c, column, byte) if c.may_break[to] else 0
            )
            if reading_count == FULL:
                return FULL
    return ASKED if is_asked else reading_count


@jit
def read_byte(c: LarkContext, spot: int, target_spot: int, byte: int) -> int:
    """Read a byte in the readings at a spot (`walks` has a row for each); the readings behind it stand at
    another one. Returns how many there are; REFUSED where there is none; ASKED, or FULL."""
    here, there = skip(c.walks, WALK_WORDS * spot), skip(c.walks, WALK_WORDS * target_spot)
    there[0] = move_readings(c, skip(here, 1), here[0], skip(there, 1), byte, c.classes[byte])
    return there[0] if there[0] != 0 else REFUSED


@jit
def put_state(c: LarkContext, readings: Int64s, count: int) -> int:
    """Return the number of the state of some readings, or ASKED."""
    # in order, so that equal sets are one state: there are few
    for i in range(1, count):
        j = i
        while j > 0:
            first, second = skip(readings, READING_WORDS * (j - 1)), skip(readings, READING_WORDS * j)
            if (first[0], first[1], first[2]) <= (second[0], second[1], second[2]):
                break
            for w in range(READING_WORDS):
                word = first[w]
                first[w] = second[w]
                second[w] = word
            j -= 1
    state = -1
    for i in range(count):
        reading = skip(readings, READING_WORDS * i)
        row = row_of(c, READING, reading[0], reading[1], reading[2])
        row.words[4], row.words[5], row.words[6], row.words[7] = state, 0, 0, 0
        row.words[8], row.words[9] = -1, -1
        state = intern_row(c, c.nodes, 8, row)
        if state < 0:
            return ASKED
    return state


@jit
def live_state(c: LarkContext, readings: Int64s, count: int) -> int:
    """Return the state of those of some readings from which some text goes on; REFUSED where there is none,
    or ASKED."""
    live_count, is_asked = 0, False
    for i in range(count):
        reading = skip(readings, READING_WORDS * i)
        alive = lexeme_lives(c, reading[0], reading[1], reading[2])
        is_asked = is_asked or alive == ASKED
        if alive == 1:
            to = skip(readings, READING_WORDS * live_count)
            to[0], to[1], to[2] = reading[0], reading[1], reading[2]
            live_count += 1
    if is_asked:
        return ASKED
    return put_state(c, readings, live_count) if live_count else REFUSED


# --- the text's end -----------------------------------------------------------------------------------------


@jit
def may_end_here(c: LarkContext, place: int, state: int, column: int) -> int:
    """Return 1 if the text may end in a reading, 0, or ASKED."""
    if c.last_at[2 * state] == UNKNOWN:
        note_question(c, ASK_LASTS, state, 0, 0)
        return ASKED
    for i in range(c.last_at[2 * state], c.last_at[2 * state + 1]):
        terminal = c.lasts[i]
        after = place if terminal < 0 else behind_lexeme(c, place, terminal, column)
        if after == ASKED:
            return ASKED
        if after >= 0:
            code = ends_at(c, after)
            if code != 0:
                return code
    return 0


# --- how texts are read (`layout.ByteSteps`): the readings at a spot ----------------------------------------


@jit
def put_readings(c: LarkContext, index: int, spot: int) -> int:
    """Have a state's readings stand at a spot. Returns how many they are; REFUSED after an end token."""
    there = skip(c.walks, WALK_WORDS * spot)
    if c.nodes[index].registers.mode != READING:
        return REFUSED
    there[0] = 0
    while index >= 0:
        registers, to = c.nodes[index].registers, skip(there, 1 + READING_WORDS * there[0])
        to[0], to[1], to[2] = registers.place, registers.lexeme, registers.column
        there[0] += 1
        index = registers.others
    return there[0]


@jit
def readings_end(c: LarkContext, spot: int) -> int:
    """Return 1 if the text may end in a reading at a spot, 0, or ASKED."""
    there, worst = skip(c.walks, WALK_WORDS * spot), 0
    for i in range(there[0]):
        reading = skip(there, 1 + READING_WORDS * i)
        code = may_end_here(c, reading[0], reading[1], reading[2])
        if code == 1:
            return 1
        worst = min(worst, code)
    return worst


@entry("int64(int64, int64, int64)")
def load_readings(address: int, index: int, spot: int) -> int:
    """Have a state's readings stand at a spot. Returns how many; REFUSED after an end token."""
    return put_readings(LarkContext(address), index, spot)


@entry("int64(int64, int64, int64, int64)")
def step_on(address: int, spot: int, target_spot: int, byte: int) -> int:
    """Read a byte in the readings at a spot, to another one. Returns how many there are; REFUSED; ASKED;
    FULL."""
    return read_byte(LarkContext(address), spot, target_spot, byte)


@entry("int64(int64, int64)")
def may_end_at(address: int, spot: int) -> int:
    """Return 1 if the text may end at a spot, 0, or ASKED."""
    return readings_end(LarkContext(address), spot)


@entry("int64(int64, int64)")
def state_at(address: int, spot: int) -> int:
    """Return the live state of the readings at a spot, with its mask where another place has it; REFUSED, or
    ASKED."""
    c = LarkContext(address)
    there = skip(c.walks, WALK_WORDS * spot)
    state = live_state(c, skip(there, 1), there[0])
    if state >= 0 and c.nodes[state].token_list < 0:
        copy_equal_mask(c, state)
    return state


BYTE_STEPS: Final = (load_readings, step_on, may_end_at, state_at)


@entry("int64(int64, int64, int64)")
def after_special(address: int, index: int, byte_class: int) -> int:
    """Return the state after a special token of a class, REFUSED, or ASKED."""
    c = LarkContext(address)
    if put_readings(c, index, 0) < 0:
        return REFUSED
    there = skip(c.walks, WALK_WORDS)
    count = move_readings(c, skip(c.walks, 1), c.walks[0], there, -1, byte_class)
    return count if count < 0 else live_state(c, there, count)


@entry("int64(int64, int64, int64)")
def live_state_of(address: int, readings: int, count: int) -> int:
    """Return the live state of some readings, REFUSED where none lives, or ASKED."""
    c, reading_count = LarkContext(address), 0
    for i in range(count):
        reading = skip(Int64s(readings), READING_WORDS * i)
        reading_count = put_reading(c, c.walks, reading_count, reading[0], reading[1], reading[2])
        if reading_count == FULL:
            return FULL
    return live_state(c, c.walks, reading_count)


@entry("int64(int64, int64, int64)")
def first_state(address: int, parser_state: int, lexeme: int) -> int:
    """Return the state before the first byte, or ASKED."""
    c = LarkContext(address)
    stack, widths = put_cell(c, parser_state, -1), put_cell(c, -1, -1)
    place = ASKED if stack < 0 or widths < 0 else put_place(c, stack, widths, 0)
    if place < 0:
        return ASKED
    reading = c.walks
    reading[0], reading[1], reading[2] = place, lexeme, -1 if c.may_break[lexeme] else 0
    return put_state(c, reading, 1)
