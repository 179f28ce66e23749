"""Moves the readings of a text by one byte, in compiled code.

A *reading* is one way to read the text so far: a place (the parser between two lexemes), a state of the
lexer, and a column, three words in memory. The *column* counts in the last line of the indenter's newline;
below 0: no line break yet; 0 in other lexemes. After `ab` the text may be inside NAME, or inside a keyword:
these are two readings. A *state* of the machine is a set of readings, as the number of a row.

A *spot* is a piece of scratch memory for readings: their number, then three words for each. A reading is
*live* if some complete text goes on from it. A *carry* is what a lexeme that has ended demands of the next
bytes. Codes below 0 are REFUSED (no reading), ASKED (a table lacks an answer: the caller writes it and calls
again), and FULL (more than MOST_READINGS).
"""

from __future__ import annotations

from typing import Final

from structgen.base.native.jit import entry, jit
from structgen.base.native.typed_blocks import Int64s, skip
from structgen.grammars.lark_grammars.machine.lark_layout import (
    MOST_READINGS,
    NODE_KEY,
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
def put_reading(
    there: Int64s,
    count: int,
    place: int,
    state: int,
    column: int,
) -> int:
    """Append a reading, unless it is there already; return the number of readings after that, or FULL.

    `there`: memory with `count` readings; `place`, `state`, `column`: the new reading; `c`: the block.
    `put_reading(there, 0, place, state, 0)` writes the first one and returns 1."""
    for i in range(count):
        reading = skip(there, READING_WORDS * i)
        if reading[0] == place and reading[1] == state and reading[2] == column:
            return count
    if count == MOST_READINGS:
        return FULL
    reading = skip(there, READING_WORDS * count)
    reading[0] = place
    reading[1] = state
    reading[2] = column
    return count + 1


@jit
def move_readings(
    c: LarkContext,
    here: Int64s,
    count: int,
    there: Int64s,
    byte: int,
    byte_class: int,
) -> int:
    """Read a `byte` in the `count` readings at `here`, and write the readings after it to `there`.

    Returns the number of readings after the byte, ASKED, or FULL. `byte_class`: the byte's class in the
    lexer. A special token is a class of its own, and its byte is -1. `c`: the block.

    The lexeme of a reading may go on with the byte. It may also end before the byte, and another one begins
    with it. Both are readings: after `1`, `2` may go on with the number or begin another.
    """
    width = c.width
    reading_count = 0
    is_asked = False
    for n in range(count):
        reading = skip(here, READING_WORDS * n)
        place = reading[0]
        state = reading[1]
        column = reading[2]
        for i in range(c.lexeme_end_at[2 * state], c.lexeme_end_at[2 * state + 1]):
            terminal = c.lexeme_ends[2 * i]
            carry = c.lexeme_ends[2 * i + 1]
            # The byte breaks the carry of this end (0), fulfils it (1), or leaves some of it open (2).
            move = c.carry_moves[carry * width + byte_class]
            if move == UNASKED:
                note_question(c, ASK_CARRY, carry, 0, 0)
                is_asked = True
            if move == 0 or move == UNASKED:
                continue
            next_place = behind_lexeme(c, place, terminal, column)
            is_asked = is_asked or next_place == ASKED
            if next_place < 0:
                continue
            for way in range(c.ways):  # a lexeme, then the texts of each bound terminal
                first = start_state_behind(c, next_place, 0 if move == 1 else carry, way)
                is_asked = is_asked or first == ASKED
                if first < 0:
                    continue
                target = c.moves[first * width + byte_class]
                if target == UNKNOWN:
                    # All questions are noted before the call returns: they are answered together.
                    note_question(c, ASK_ROW, first, 0, 0)
                    is_asked = True
                elif target >= 0:
                    # -1: the new lexeme may be a newline, and has no line break yet.
                    start_column = -1 if c.may_break[first] else 0
                    next_column = column_after(c, start_column, byte) if c.may_break[target] else 0
                    reading_count = put_reading(there, reading_count, next_place, target, next_column)
                    if reading_count == FULL:
                        return FULL
        target = c.moves[state * width + byte_class]
        if target == UNKNOWN:
            note_question(c, ASK_ROW, state, 0, 0)
            is_asked = True
        elif target >= 0:
            next_column = column_after(c, column, byte) if c.may_break[target] else 0
            reading_count = put_reading(there, reading_count, place, target, next_column)
            if reading_count == FULL:
                return FULL
    return ASKED if is_asked else reading_count


@jit
def read_byte(c: LarkContext, spot: int, target_spot: int, byte: int) -> int:
    """Read a `byte` in the readings at a `spot`, and write those after it to `target_spot`. Return the number
    of readings after it; REFUSED where there is none; ASKED, or FULL. Spots are rows of `walks`. A walk over
    a trie keeps one spot for each depth: `read_byte(c, depth - 1, depth, byte)`. `c`: the block."""
    here = skip(c.walks, WALK_WORDS * spot)
    there = skip(c.walks, WALK_WORDS * target_spot)
    # The first word of a spot is the number of its readings.
    readings = skip(here, 1)
    next_readings = skip(there, 1)
    there[0] = move_readings(c, readings, here[0], next_readings, byte, c.classes[byte])
    return there[0] if there[0] != 0 else REFUSED


@jit
def put_state(c: LarkContext, readings: Int64s, count: int) -> int:
    """Return the number of the state that consists of `count` readings, or ASKED. The readings are sorted in
    place."""
    # The readings are sorted, so that equal sets are one state. Insertion sort is enough for few.
    for i in range(1, count):
        j = i
        while j > 0:
            first = skip(readings, READING_WORDS * (j - 1))
            second = skip(readings, READING_WORDS * j)
            if (first[0], first[1], first[2]) <= (second[0], second[1], second[2]):
                break
            for w in range(READING_WORDS):
                word = first[w]
                first[w] = second[w]
                second[w] = word
            j -= 1
    # A state is a linked list of rows, each with one reading: the words of `LarkState`, then two words of the
    # mask. -1 ends the list.
    state = -1
    for i in range(count):
        reading = skip(readings, READING_WORDS * i)
        row = row_of(c, READING, reading[0], reading[1], reading[2])
        row.words[4] = state
        for word in range(5, NODE_KEY):
            row.words[word] = 0
        row.words[NODE_KEY] = -1  # its mask is not known
        row.words[NODE_KEY + 1] = -1
        state = intern_row(c, c.nodes, NODE_KEY, row)
        if state < 0:
            return ASKED
    return state


@jit
def live_state(c: LarkContext, readings: Int64s, count: int) -> int:
    """Return the state of the live ones among `count` readings; REFUSED where none is live, or ASKED. The
    live readings move to the front of the memory."""
    live_count = 0
    is_asked = False
    for i in range(count):
        reading = skip(readings, READING_WORDS * i)
        is_live = lexeme_lives(c, reading[0], reading[1], reading[2])
        is_asked = is_asked or is_live == ASKED
        if is_live == 1:
            # Live ones move to the front of the same memory.
            target = skip(readings, READING_WORDS * live_count)
            for w in range(READING_WORDS):
                target[w] = reading[w]
            live_count += 1
    if is_asked:
        return ASKED
    return put_state(c, readings, live_count) if live_count else REFUSED


# --- the text's end -----------------------------------------------------------------------------------------


@jit
def may_end_here(c: LarkContext, place: int, state: int, column: int) -> int:
    """Return 1 if the text may end in a reading, 0 if it may not, or ASKED. The reading is a `place`, a
    `state` of the lexer and a `column`; `may_end_here(c, place, state, 0)` is one outside of newlines. `c`:
    the block."""
    if c.last_at[2 * state] == UNKNOWN:
        note_question(c, ASK_LASTS, state, 0, 0)
        return ASKED
    for i in range(c.last_at[2 * state], c.last_at[2 * state + 1]):
        terminal = c.lasts[i]
        # -1: no lexeme has begun, so the text may end at the place itself.
        last_place = place if terminal < 0 else behind_lexeme(c, place, terminal, column)
        if last_place == ASKED:
            return ASKED
        if last_place >= 0:
            code = ends_at(c, last_place)
            if code != 0:
                return code
    return 0


# --- how texts are read (`layout.ByteSteps`): the readings at a spot ----------------------------------------


@jit
def put_readings(c: LarkContext, index: int, spot: int) -> int:
    """Write the readings of the state `index` to a `spot`. Return their number; REFUSED for a state after an
    end token."""
    there = skip(c.walks, WALK_WORDS * spot)
    if c.nodes[index].registers.mode != READING:
        return REFUSED
    there[0] = 0
    while index >= 0:
        registers = c.nodes[index].registers
        reading = skip(there, 1 + READING_WORDS * there[0])
        reading[0] = registers.place
        reading[1] = registers.lexeme
        reading[2] = registers.column
        there[0] += 1
        index = registers.others
    return there[0]


@jit
def readings_end(c: LarkContext, spot: int) -> int:
    """Return 1 if the text may end in some reading at a `spot`, 0 if in none, or ASKED."""
    there = skip(c.walks, WALK_WORDS * spot)
    answer = 0
    for i in range(there[0]):
        reading = skip(there, 1 + READING_WORDS * i)
        code = may_end_here(c, reading[0], reading[1], reading[2])
        if code == 1:
            return 1
        answer = min(answer, code)  # ASKED is below 0, so it outlasts the zeros
    return answer


@entry("int64(int64, int64, int64)")
def load_readings(address: int, index: int, spot: int) -> int:
    """Write the readings of the state `index` to a `spot` (`put_readings`). Return their number, or REFUSED.
    `address`: the block's."""
    return put_readings(LarkContext(address), index, spot)


@entry("int64(int64, int64, int64, int64)")
def step_on(address: int, spot: int, target_spot: int, byte: int) -> int:
    """Read a `byte` in the readings at a `spot`, and write those after it to `target_spot` (`read_byte`).
    Return their number, REFUSED, ASKED, or FULL. `address`: the block's."""
    return read_byte(LarkContext(address), spot, target_spot, byte)


@entry("int64(int64, int64)")
def may_end_at(address: int, spot: int) -> int:
    """Return 1 if the text may end in some reading at a `spot`, 0 if in none, or ASKED. `address`: the
    block's."""
    return readings_end(LarkContext(address), spot)


@entry("int64(int64, int64)")
def state_at(address: int, spot: int) -> int:
    """Return the state of the live readings at a `spot`; REFUSED where none is live, or ASKED. If an equal
    mask is known from another place, the state gets it. `address`: the block's."""
    c = LarkContext(address)
    there = skip(c.walks, WALK_WORDS * spot)
    state = live_state(c, skip(there, 1), there[0])
    if state >= 0 and c.nodes[state].token_list < 0:
        copy_equal_mask(c, state)
    return state


BYTE_STEPS: Final = (load_readings, step_on, may_end_at, state_at)
"""The entry points by which texts are read, in the order of `layout.ByteSteps`."""


@entry("int64(int64, int64, int64)")
def after_special(address: int, index: int, byte_class: int) -> int:
    """Return the state after the state `index` reads the special token of the class `byte_class`; REFUSED,
    ASKED, or FULL. `address`: the block's."""
    c = LarkContext(address)
    if put_readings(c, index, 0) < 0:
        return REFUSED
    # The readings of spot 0 (its second word on) move to spot 1. There they begin at the first word: nobody
    # else reads their number.
    there = skip(c.walks, WALK_WORDS)
    count = move_readings(c, skip(c.walks, 1), c.walks[0], there, -1, byte_class)
    return count if count < 0 else live_state(c, there, count)


@entry("int64(int64, int64, int64)")
def live_state_of(address: int, readings: int, count: int) -> int:
    """Return the state of the live ones among `count` readings; REFUSED where none is live, ASKED, or FULL.
    `address`: the block's; `readings`: the address of the readings, which may be equal."""
    c = LarkContext(address)
    reading_count = 0
    for i in range(count):
        reading = skip(Int64s(readings), READING_WORDS * i)
        reading_count = put_reading(c.walks, reading_count, reading[0], reading[1], reading[2])
        if reading_count == FULL:
            return FULL
    return live_state(c, c.walks, reading_count)


@entry("int64(int64, int64, int64)")
def first_state(address: int, parser_state: int, lexeme: int) -> int:
    """Return the state before the first byte of a text, or ASKED. `address`: the block's; `parser_state`: the
    parser's start; `lexeme`: the lexer's state there."""
    c = LarkContext(address)
    stack = put_cell(c, parser_state, -1)
    widths = put_cell(c, -1, -1)  # the width 0, as -1 - 0
    place = ASKED if stack < 0 or widths < 0 else put_place(c, stack, widths, 0)
    if place < 0:
        return ASKED
    column = -1 if c.may_break[lexeme] else 0
    put_reading(c.walks, 0, place, lexeme, column)
    return put_state(c, c.walks, 1)
