"""The parser in compiled code: an LALR(1) configuration reads a terminal, lark's indenter in between.

What is read of a place is noted in `low`, the lowest cell of its stack, so that what follows from it holds
for all places that agree there (`memo`).
"""

from __future__ import annotations

from structgen.base.native.jit import jit
from structgen.grammars.lark_grammars.machine.lark_layout import (
    CELL_KEY,
    NOTHING_READ,
    PLACE_KEY,
    STEP_KEY,
    LarkContext,
)
from structgen.machines.machine_core.interning import intern_row, note_question
from structgen.machines.machine_core.layout import ASKED, REFUSED
from structgen.machines.machine_core.lexeme_layout import ASK_START, UNKNOWN, WorkRow


@jit
def row_of(
    c: LarkContext,
    first: int,
    second: int,
    third: int,
    fourth: int,
) -> WorkRow:
    """Return a row with the words `first`, `second`, `third` and `fourth`, as the tables find it. It is
    scratch of the block `c`: the next row takes its place. `row_of(c, top, below, 0, 0)` is a cell's."""
    row = c.work
    row.words[0] = first
    row.words[1] = second
    row.words[2] = third
    row.words[3] = fourth
    return row


@jit
def put_cell(c: LarkContext, top: int, below: int) -> int:
    """Return the number of a stack, or ASKED."""
    number = intern_row(c, c.cells, CELL_KEY, row_of(c, top, below, 0, 0))
    return number if number >= 0 else ASKED


@jit
def put_place(c: LarkContext, stack: int, widths: int, brackets: int) -> int:
    """Return the number of a place, or ASKED. It is a `stack` of parser states, a stack of the `widths` of
    open blocks, and so many open `brackets`: `put_place(c, stack, widths, 0)` is outside of brackets. `c`:
    the block."""
    number = intern_row(c, c.places, PLACE_KEY, row_of(c, stack, widths, brackets, 0))
    return number if number >= 0 else ASKED


@jit
def reduce_stack(
    c: LarkContext,
    stack: int,
    terminal: int,
) -> tuple[int, int, int]:
    """Reduce a stack as far as a terminal wants it. Returns the state to which the terminal is shifted (the
    end state where it is the text's end), REFUSED, or ASKED; and the stack before that, its top and what is
    below. Of a stack whose top unit reductions change, the ones in between are not made.

    Reductions that never end are refused; lark hangs there: an empty rule below itself, or rules in a ring.
    They come back to a state that was on top, and in between nothing below it was read (R. P. Brent's search
    for cycles, 1980: the state that is looked for changes after 1, 2, 4, ... reductions).
    """
    cells = c.cells
    top = cells[stack].top
    below = cells[stack].below
    # The state that is looked for, and the height at which it was on top; heights count from the stack's.
    met = -1
    met_height = 0
    height = 0
    lowest_height = 0
    count = 0
    c.low = min(c.low, stack)
    while True:
        action = c.actions[top * c.terminal_count + terminal]
        if action >= 0:
            return action - 1, top, below  # REFUSED is 0 - 1
        lowest_height = min(lowest_height, height)
        # The same state again, and what lies below it was not read: so the same reductions follow for ever.
        if top == met and (lowest_height > met_height or lowest_height == height == met_height):
            return REFUSED, top, below
        if lowest_height < met_height or count & (count - 1) == 0:  # 0, 1, 2, 4, 8...
            met = top
            met_height = height
            lowest_height = NOTHING_READ
        count += 1
        rule = -1 - action
        size = c.sizes[rule]
        height += 1 - size
        if size == 0:
            below = put_cell(c, top, below)
            if below < 0:
                return below, top, below
        else:
            for _ in range(size - 1):
                below = cells[below].below
        c.low = min(c.low, below)
        top = c.gotos[cells[below].top * c.nonterminal_count + c.origins[rule]]
        # Below 0: no text has this symbol here. Terminal 0, the text's end, is never shifted.
        if top < 0 or (terminal == 0 and top == c.end_state):
            return top, top, below


@jit
def feed_terminal(c: LarkContext, stack: int, terminal: int) -> int:
    """Return the stack after a terminal, REFUSED, or ASKED."""
    state, top, below = reduce_stack(c, stack, terminal)
    if state < 0:
        return state
    under = put_cell(c, top, below)
    return under if under < 0 or terminal == 0 else put_cell(c, state, under)


@jit
def top_of(c: LarkContext, place: int) -> int:
    """Return the state of the parser at a place."""
    return c.cells[c.places[place].stack].top


@jit
def behind_newline(c: LarkContext, place: int, column: int) -> int:
    """Return the place after the indenter's newline, whose last line has a width; REFUSED, or ASKED."""
    here = c.places[place]
    stack = here.stack
    widths = here.widths
    if here.brackets > 0:  # lark's indenter drops newlines in brackets
        return place
    stack = feed_terminal(c, stack, c.newline)
    if stack < 0 or column < 0:
        return stack if stack < 0 else REFUSED
    cells = c.cells
    width = -1 - cells[widths].top
    if column > width:
        stack = feed_terminal(c, stack, c.indent)
        widths = put_cell(c, -1 - column, widths)
        if stack < 0 or widths < 0:
            return stack if stack < 0 else widths
        return put_place(c, stack, widths, 0)
    while column < width:
        stack = feed_terminal(c, stack, c.dedent)
        if stack < 0:
            return stack
        widths = cells[widths].below
        width = -1 - cells[widths].top
    return put_place(c, stack, widths, 0) if column == width else REFUSED


@jit
def behind_terminal(c: LarkContext, place: int, terminal: int) -> int:
    """Return the place after a terminal that is neither ignored nor the newline; REFUSED, or ASKED."""
    here = c.places[place]
    widths = here.widths
    brackets = here.brackets
    bracket = c.brackets[terminal]
    stack = feed_terminal(c, here.stack, terminal)
    if bracket == 1:
        brackets += 1
    elif bracket == 2:
        brackets -= 1
    if stack < 0:
        return stack
    # lark's indenter fails where a bracket closes that is not open.
    return REFUSED if brackets < 0 else put_place(c, stack, widths, brackets)


@jit
def behind_lexeme(c: LarkContext, place: int, terminal: int, column: int) -> int:
    """Return the place after a lexeme, REFUSED, or ASKED. The lexeme, read at a `place`, is a `terminal`;
    `column`: of a newline, else it does not count, as in `behind_lexeme(c, place, name, 0)`. `c`: the block.
    """
    if c.is_ignored[terminal]:
        return place
    # Steps are remembered: many tokens end the same lexeme at the same place.
    row = row_of(c, place, terminal, column if terminal == c.newline else 0, ASKED)
    row.words[4] = NOTHING_READ
    number = intern_row(c, c.steps_known, STEP_KEY, row)
    if number < 0:
        return ASKED
    step = c.steps_known[number]
    if step.after == ASKED:
        low = c.low
        c.low = NOTHING_READ
        if terminal == c.newline:
            step.after = behind_newline(c, place, column)
        else:
            step.after = behind_terminal(c, place, terminal)
        step.low = c.low
        c.low = low
    c.low = min(c.low, step.low)
    return step.after


@jit
def start_state_behind(c: LarkContext, place: int, carry: int, way: int) -> int:
    """Return the lexer's state before a lexeme (`way` 0), or a bound text (`Lexer.start`), at a `place`
    after a `carry`; below 0: none, or ASKED. `start_state_behind(c, place, 0, 0)`: nothing is owed. `c`: the
    block."""
    stack = c.places[place].stack
    c.low = min(c.low, stack)
    context = c.context_of[c.cells[stack].top] + way * c.contexts
    state = c.starts[carry * c.ways * c.contexts + context]
    if state == UNKNOWN:
        note_question(c, ASK_START, context, carry, 0)
        return ASKED
    return state


@jit
def ends_at(c: LarkContext, place: int) -> int:
    """Return 1 if the text may end at a place, 0, or ASKED."""
    here = c.places[place]
    stack = here.stack
    widths = here.widths
    if c.newline >= 0:
        # At the text's end lark's indenter closes all open blocks; the lowest width is that of none.
        while c.cells[widths].below >= 0:
            stack = feed_terminal(c, stack, c.dedent)
            if stack < 0:
                return ASKED if stack == ASKED else 0
            widths = c.cells[widths].below
    stack = feed_terminal(c, stack, 0)
    return ASKED if stack == ASKED else (0 if stack < 0 else 1)


# --- the columns of newlines --------------------------------------------------------------------------------


@jit
def column_after(c: LarkContext, column: int, byte: int) -> int:
    """Return the column after the last line break of a lexeme, after one more byte; below 0: no line break
    yet."""
    if byte == 10:
        return 0
    if column < 0:
        return column
    if byte == 9:
        return column + c.tab
    return column + 1 if byte == 32 else column
