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
    row_count,
    line_stride,
    step_stride,
    HAS_AUTOMATA: tl.constexpr,
    ROWS: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """Step BLOCK lines through `length` tokens each, and write the states and their rows of the mask store.
    A lane is a line; a step of it is two dependent loads:

        token --token_class[automaton, token]--> class --transitions[state, class]--> state --> store rows
    """
    line = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    inside = line < lines
    state = tl.load(states + line, mask=inside, other=-1).to(tl.int64)
    which = tl.zeros((BLOCK,), tl.int64)
    if HAS_AUTOMATA:
        which = tl.load(automata + line, mask=inside, other=-1).to(tl.int64)
    for step in range(length):
        token = tl.load(tokens + line * line_stride + step * step_stride, mask=inside, other=-1).to(tl.int64)
        is_alive = inside & (state >= 0) & (state < state_count) & (token >= 0) & (token < width)
        is_alive = is_alive & (which >= 0) & (which < automaton_count)
        column = tl.load(token_class + which * width + token, mask=is_alive, other=-1).to(tl.int64)
        is_alive = is_alive & (column >= 0) & (column < class_count)
        state = tl.load(transitions + state * class_count + column, mask=is_alive, other=-1).to(tl.int64)
        place = line * length + step
        tl.store(after + place, state.to(tl.int32), mask=inside)
        is_there = inside & (state >= 0) & (state < row_count)
        for k in tl.static_range(ROWS):
            row = tl.load(state_rows + state * ROWS + k, mask=is_there, other=-1).to(tl.int32)
            tl.store(indices + place * ROWS + k, row, mask=inside)
