"""Finds the place after a terminal: the LALR(1) parser in compiled code, with the work of lark's indenter.

A *place* is the parser between two lexemes: a stack of parser states, a stack of the widths of open blocks,
and the number of open brackets. A *cell* is the top of a stack with the number of the stack *below* it, so
the number of a cell stands for a whole stack. In `s: "(" s ")" | "x"` the place after `(` has two states on
its stack: the start, and the one after `(`.

To *shift* is to push the state after a terminal. To *reduce* is to replace the symbols of a finished rule by
its nonterminal. Functions return numbers from 0 on, or a code below 0: REFUSED (the grammar does not allow
it), or ASKED (a table lacks room or an answer; the caller provides it and calls again).

The block's field `low` is the lowest cell of the stack that was read. A result then holds for all places
whose stacks agree from the top down to `low` (`memo`).
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
    """Return a row with the words `first`, `second`, `third` and `fourth`, in the form in which the tables
    look rows up. It lies in scratch memory of the block `c`: the next call overwrites it.
    `row_of(c, top, below, 0, 0)` is the row of a cell."""
    row = c.work
    row.words[0] = first
    row.words[1] = second
    row.words[2] = third
    row.words[3] = fourth
    return row


@jit
def put_cell(c: LarkContext, top: int, below: int) -> int:
    """Return the number of the stack with `top` on the stack `below` (-1: none), or ASKED. `c`: the block."""
    number = intern_row(c, c.cells, CELL_KEY, row_of(c, top, below, 0, 0))
    return number if number >= 0 else ASKED


@jit
def put_place(c: LarkContext, stack: int, widths: int, brackets: int) -> int:
    """Return the number of a place, or ASKED. The place has a `stack` of parser states, a stack of the
    `widths` of open blocks, and a number of open `brackets`: `put_place(c, stack, widths, 0)` is outside of
    brackets. `c`: the block."""
    number = intern_row(c, c.places, PLACE_KEY, row_of(c, stack, widths, brackets, 0))
    return number if number >= 0 else ASKED


@jit
def reduce_stack(
    c: LarkContext,
    stack: int,
    terminal: int,
) -> tuple[int, int, int]:
    """Make the reductions of a stack that come before a terminal is shifted.

    `c`: the block; `stack`: the number of the stack; `terminal`: the next one, 0 for the text's end. Returns
    three numbers: the state after the shift (for the text's end the end state), or REFUSED, or ASKED; the top
    of the reduced stack; the stack below this top. A stack gets a number only when a later step needs it.

    Reductions that never end are refused, where lark hangs: an empty rule below itself, or rules in a ring.
    Such reductions return to a state that was on top, and nothing below it was read in between. R. P. Brent's
    search for cycles (1980) finds that state: the one looked for changes after 1, 2, 4, ... reductions.
    """
    cells = c.cells
    top = cells[stack].top
    below = cells[stack].below
    # The state that is looked for (-1: none yet), and the height of the stack when it was on top. Heights
    # count from the given stack, whose height is 0.
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
        # The same state is on top again, and nothing below it was read: the same reductions follow for ever.
        if top == met and (lowest_height > met_height or lowest_height == height == met_height):
            return REFUSED, top, below
        if lowest_height < met_height or count & (count - 1) == 0:  # 0, 1, 2, 4, 8...
            met = top
            met_height = height
            lowest_height = NOTHING_READ
        count += 1
        rule = -1 - action  # actions below 0 are reductions
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
        # A state below 0: no text has this nonterminal here. Terminal 0, the text's end, is never shifted.
        if top < 0 or (terminal == 0 and top == c.end_state):
            return top, top, below


@jit
def feed_terminal(c: LarkContext, stack: int, terminal: int) -> int:
    """Return the stack after a `stack` reads a `terminal`, REFUSED, or ASKED. After the text's end (0) it is
    the reduced stack."""
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
    """Return the place after the indenter's newline, read at a `place`; REFUSED, or ASKED. `column`: the
    width of the new line's indent; below 0: the newline has no line break, and is refused. A larger width
    opens a block, a smaller one closes blocks."""
    here = c.places[place]
    stack = here.stack
    widths = here.widths
    if here.brackets > 0:  # lark's indenter drops newlines in brackets
        return place
    stack = feed_terminal(c, stack, c.newline)
    if stack < 0 or column < 0:
        return stack if stack < 0 else REFUSED
    cells = c.cells
    width = -1 - cells[widths].top  # a stack of widths has -1 - width at its top
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
    """Return the place after a `terminal`, read at a `place`; REFUSED, or ASKED. The terminal is neither
    ignored nor the indenter's newline."""
    here = c.places[place]
    widths = here.widths
    brackets = here.brackets
    bracket = c.brackets[terminal]
    stack = feed_terminal(c, here.stack, terminal)
    if bracket == 1:  # 1: the terminal opens a bracket; 2: it closes one
        brackets += 1
    elif bracket == 2:
        brackets -= 1
    if stack < 0:
        return stack
    # lark's indenter fails where a bracket closes that is not open.
    return REFUSED if brackets < 0 else put_place(c, stack, widths, brackets)


@jit
def behind_lexeme(c: LarkContext, place: int, terminal: int, column: int) -> int:
    """Return the place after a lexeme, REFUSED, or ASKED. The lexeme is read at a `place`, as a `terminal`.
    `column`: the column after the indenter's newline; for other terminals any number, as in
    `behind_lexeme(c, place, name, 0)`. `c`: the block."""
    if c.is_ignored[terminal]:
        return place
    # Steps are remembered: many tokens end the same lexeme at the same place.
    row = row_of(c, place, terminal, column if terminal == c.newline else 0, ASKED)
    row.words[4] = NOTHING_READ  # the fifth word is `low`
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
    """Return the lexer's state before the next lexeme at a `place`; below 0: none may begin, or ASKED.
    `carry`: what the lexeme before demands of the text after it; 0: nothing. `way`: 0 for a lexeme, n for a
    text of the n-th bound terminal. `start_state_behind(c, place, 0, 0)` is the plain case. `c`: the block.
    """
    stack = c.places[place].stack
    c.low = min(c.low, stack)
    context = c.context_of[c.cells[stack].top] + way * c.contexts
    # `starts` is [carries, ways, contexts], in one row after another.
    state = c.starts[carry * c.ways * c.contexts + context]
    if state == UNKNOWN:
        note_question(c, ASK_START, context, carry, 0)
        return ASKED
    return state


@jit
def ends_at(c: LarkContext, place: int) -> int:
    """Return 1 if the text may end at a `place`, 0 if it may not, or ASKED."""
    here = c.places[place]
    stack = here.stack
    widths = here.widths
    if c.newline >= 0:
        # At the text's end lark's indenter closes all open blocks. The lowest width is 0, of no block.
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
    """Return the column in a lexeme's last line, after one more `byte`; below 0: there is no line break yet.
    `column`: the one before the byte. A blank counts 1, a tab `c.tab`, any other byte 0."""
    if byte == 10:  # a line break
        return 0
    if column < 0:
        return column
    if byte == 9:  # a tab
        return column + c.tab
    return column + 1 if byte == 32 else column  # 32: a blank
