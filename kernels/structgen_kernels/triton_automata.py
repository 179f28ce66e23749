"""The Triton kernel that steps automata; `automata` launches it, `reference` says what it does."""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def advance_kernel(
    states,
    tokens,
    transitions,
    token_class,
    automata,
    state_rows,
    after,
    indices,
    lines,
    length,
    state_count,
    class_count,
    automaton_count,
    width,
    line_stride,
    step_stride,
    ROWS: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """Step lines through `length` tokens each, and write their states, and ROWS rows of the mask store for
    each state (`state_rows`, None with ROWS = 0). There is one program for each BLOCK lines; a lane is a
    line, and a step of it is two loads, of which the second needs the first:

        lane               0        1        2    ...    BLOCK - 1
        token            7121       15      402
                           |  token_class[automaton, token]
        class              3        0       -1           (-1: allowed in no state)
                           |  transitions[state, class]
        state              8        8       -1           (-1: dead, and stays so)
                           |  state_rows[state]
        store rows       17 4     17 4     -1 -1

    `automata` may be None: then all lines follow automaton 0.
    """
    line = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    inside = line < lines
    state = tl.load(states + line, mask=inside, other=-1).to(tl.int64)
    which = tl.zeros((BLOCK,), tl.int64)
    if automata is not None:
        which = tl.load(automata + line, mask=inside, other=-1).to(tl.int64)
    is_known = inside & (which >= 0) & (which < automaton_count)
    token_at = tokens + line * line_stride
    place = line * length
    for _ in range(length):
        token = tl.load(token_at, mask=inside, other=-1).to(tl.int64)
        is_alive = is_known & (state >= 0) & (state < state_count) & (token >= 0) & (token < width)
        column = tl.load(token_class + which * width + token, mask=is_alive, other=-1).to(tl.int64)
        is_alive = is_alive & (column >= 0) & (column < class_count)
        state = tl.load(transitions + state * class_count + column, mask=is_alive, other=-1).to(tl.int64)
        tl.store(after + place, state.to(tl.int32), mask=inside)
        is_there = inside & (state >= 0) & (state < state_count)
        for k in tl.static_range(ROWS):
            row = tl.load(state_rows + state * ROWS + k, mask=is_there, other=-1).to(tl.int32)
            tl.store(indices + place * ROWS + k, row, mask=inside)
        token_at += step_stride
        place += 1
