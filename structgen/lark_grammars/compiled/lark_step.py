"""Compiled step of a Lark grammar: state and byte -> the state after it.

It computes what `lark_grammars.parser.contextual_reader.ContextualReader.step` computes, and uses its terms.
A lexeme with several old slots is left to that reader (VAGUE).
"""

from __future__ import annotations

import numba

from structgen.lark_grammars.compiled.registers import (
    COVERS_KEY,
    ELSE_NONE,
    ELSE_SHIFT,
    INSPECTED_AT,
    INSPECTED_BRACKETS,
    INSPECTED_WIDTHS,
    KIND_BITS,
    LIVE_NO,
    LIVE_PENDING,
    LIVE_UNKNOWN,
    LIVE_YES,
    LOW_AT,
    MOST_NOTED,
    MOST_PUSHED,
    MOVE_BEFORE,
    MOVE_DEAD,
    MOVE_KEEP_NEW,
    MOVE_MANY,
    MOVE_NOW,
    MOVE_OLD,
    MOVE_ON,
    NO_BASE,
    NOTHING_INSPECTED,
    PENDING,
    Q_COVERS,
    Q_MOVE,
    Q_START,
    READING,
    TERMINAL_BITS,
    TERMINAL_SHIFT,
    TO_BITS,
    TO_SHIFT,
    UNIT_BITS,
    UNIT_STATE_AT,
    UNKNOWN,
    LarkContext,
    LarkState,
    LarkTables,
    UnitReduction,
)
from structgen.machine_core.interning import find, intern
from structgen.machine_core.layout import ASK, ASKED, NO, REFUSED, VAGUE, YES
from structgen.native.jit import jit
from structgen.native.typed_blocks import copy_block


@jit
def ask(c: LarkContext, kind: int, first: int, second: int) -> bool:
    """Note a question, if there is room. Returns whether there was."""
    questions = c.questions
    count = questions.count
    if count >= MOST_NOTED:
        return False
    question = questions.asked[count]
    question.kind = kind
    question.first = first
    question.second = second
    questions.count = count + 1
    return True


@jit
def push(c: LarkContext, top: int, below: int) -> int:
    """Return the number of a stack with one more entry: a state, or -1 - a width. Or ASKED."""
    cell = c.work.cell
    cell.top = top
    cell.below = below
    found = intern(c, c.cells, 2, cell)
    return ASKED if found < 0 else found


@jit
def peek(c: LarkContext, stack: int) -> int:
    """Return the top entry of a stack."""
    return c.cells[stack].top


@jit
def inspect_cell(c: LarkContext, stack: int) -> None:
    """Note that the top of a stack is inspected. A cell has a larger number than the cells below it, so the
    least number is the depth of the inspection."""
    k = c.tables
    if stack < k.lowest:
        k.lowest = stack


@jit
def inspect_part(c: LarkContext, part: int) -> None:
    """Note that a further part of a place is inspected: INSPECTED_BRACKETS, INSPECTED_WIDTHS,
    INSPECTED_ALL."""
    k = c.tables
    k.inspected = k.inspected | part


@jit
def inspect_nothing(c: LarkContext) -> None:
    """Reset the inspected parts."""
    k = c.tables
    k.lowest = NOTHING_INSPECTED
    k.inspected = 0


@jit
def inspect_also(c: LarkContext, lowest: int, inspected: int) -> None:
    """Add the parts that were inspected before `inspect_nothing`, or by a cached answer."""
    inspect_cell(c, lowest)
    inspect_part(c, inspected)


@jit
def top_of(c: LarkContext, stack: int) -> int:
    """Return the state on top of a stack, and note that it is inspected."""
    inspect_cell(c, stack)
    return peek(c, stack)


@jit
def below_of(c: LarkContext, stack: int) -> int:
    """Return the stack below the top of one."""
    return c.cells[stack].below


@jit
def popped(c: LarkContext, stack: int, count: int) -> int:
    """Return a stack without its topmost states."""
    for _ in range(count):
        stack = below_of(c, stack)
    return stack


@jit
def unit_key(top: int, state: int, terminal: int) -> int:
    """Return the key of a `UnitReduction`."""
    return 1 + top + (state << UNIT_STATE_AT) + (terminal << 2 * UNIT_STATE_AT)


@jit
def unit_at(k: LarkTables, key: int) -> UnitReduction:
    """Return the slot of the direct-mapped cache for a key."""
    mixed = (numba.uint64(key) * numba.uint64(0x9E3779B97F4A7C15)) >> numba.uint64(64 - UNIT_BITS)
    return k.units[numba.int64(mixed)]


@jit
def reduce_units(k: LarkTables, top: int, state: int, terminal: int) -> int:
    """Return the top over a state after all unit reductions before a terminal."""
    key = unit_key(top, state, terminal)
    unit = unit_at(k, key)
    if unit.key == key:
        return unit.top
    actions, terminals = k.actions, k.terminal_count
    while True:
        action = actions[top * terminals + terminal]
        if action >= 0 or k.rule_sizes[-1 - action] != 1:
            break
        goto = state * k.nonterminal_count + k.rule_origins[-1 - action]
        top = k.gotos[goto]
        if terminal == 0 and top == k.end_state:
            break
    unit.key = key
    unit.top = top
    return top


@jit
def feed(c: LarkContext, stack: int, terminal: int) -> int:
    """Return the stack after a terminal, REFUSED, or ASKED.

    While rules are reduced the top is held apart from the stack, so that unit reductions allocate no cells.
    """
    k = c.tables
    actions, terminals = k.actions, k.terminal_count
    top, below = top_of(c, stack), below_of(c, stack)
    while True:
        action = actions[top * terminals + terminal]
        if action == 0:
            return REFUSED
        if action > 0:
            stack = push(c, top, below)
            return push(c, action - 1, stack) if stack >= 0 else stack
        rule = -1 - action
        size = k.rule_sizes[rule]
        if size == 1:
            top = reduce_units(k, top, top_of(c, below), terminal)
        else:
            if size == 0:
                below = push(c, top, below)
                if below < 0:
                    return below
            else:
                below = popped(c, below, size - 1)
            goto = top_of(c, below) * k.nonterminal_count + k.rule_origins[rule]
            top = k.gotos[goto]
        if terminal == 0 and top == k.end_state:
            return push(c, top, below)


@jit
def top_after(c: LarkContext, stack: int, terminal: int) -> int:
    """Return the state on top of a stack after a terminal, REFUSED, or ASKED, without allocating a cell."""
    k = c.tables
    actions, terminals = k.actions, k.terminal_count
    pushed, count = c.work.pushed, 0  # states pushed by empty rules, above `below`
    top, below = top_of(c, stack), below_of(c, stack)
    while True:
        action = actions[top * terminals + terminal]
        if action == 0:
            return REFUSED
        if action > 0:
            return action - 1
        rule = -1 - action
        size = k.rule_sizes[rule]
        if size == 1 and count == 0:
            top = reduce_units(k, top, top_of(c, below), terminal)
        else:
            if size == 0:
                if count == MOST_PUSHED:
                    return ASKED
                pushed[count] = top
                count += 1
            else:
                over = min(size - 1, count)
                count -= over
                below = popped(c, below, size - 1 - over)
            under = pushed[count - 1] if count > 0 else top_of(c, below)
            goto = under * k.nonterminal_count + k.rule_origins[rule]
            top = k.gotos[goto]
        if terminal == 0 and top == k.end_state:
            return top


@jit
def place_number(c: LarkContext, stack: int, widths: int, brackets: int) -> int:
    """Return the number of a place, or ASKED."""
    place = c.work.place
    place.stack = stack
    place.widths = widths
    place.brackets = brackets
    place.spare = 0
    found = intern(c, c.places, 4, place)
    return ASKED if found < 0 else found


@jit
def newline(c: LarkContext, place: int, column: int) -> int:
    """Return the place after the indenter's newline, REFUSED, or ASKED."""
    k = c.tables
    row = c.places[place]
    inspect_part(c, INSPECTED_BRACKETS)
    if row.brackets > 0:
        return place
    widths = row.widths
    inspect_part(c, INSPECTED_WIDTHS)
    stack = feed(c, row.stack, k.newline)
    if stack < 0:
        return stack
    if column < 0:
        return REFUSED
    width = -1 - peek(c, widths)
    if column > width:
        stack = feed(c, stack, k.indent)
        if stack < 0:
            return stack
        widths = push(c, -1 - column, widths)
        return ASKED if widths < 0 else place_number(c, stack, widths, 0)
    while column < width:
        stack = feed(c, stack, k.dedent)
        if stack < 0:
            return stack
        widths = below_of(c, widths)
        width = -1 - peek(c, widths)
    return place_number(c, stack, widths, 0) if column == width else REFUSED


@jit
def shift_terminal(c: LarkContext, place: int, terminal: int, column: int) -> int:
    """As `read_terminal` for a terminal that is not ignored, without the cache."""
    k = c.tables
    if terminal == k.newline:
        return newline(c, place, column)
    row = c.places[place]
    widths, brackets = row.widths, row.brackets
    stack = feed(c, row.stack, terminal)
    if stack < 0:
        return stack
    bracket = k.brackets[terminal]
    if bracket == 1:
        brackets += 1
    elif bracket == 2:
        inspect_part(c, INSPECTED_BRACKETS)
        brackets -= 1
        if brackets < 0:
            return REFUSED
    return place_number(c, stack, widths, brackets)


@jit
def place_in(target: int) -> int:
    """Return the place in the target of an edge, or REFUSED: its low 32 bits, signed."""
    return ((target & 0xFFFFFFFF) ^ 0x80000000) - 0x80000000


@jit
def read_terminal(c: LarkContext, place: int, terminal: int, column: int) -> int:
    """Return the place after a lexeme, REFUSED, or ASKED."""
    k = c.tables
    if k.ignored[terminal] != 0:
        return place
    edge = c.work.edge
    edge.first = place
    edge.second = terminal
    edge.third = column if terminal == k.newline else 0
    found = find(c.edges, 3, edge)
    if found >= 0:
        known = c.edges[found].target
        note = known >> INSPECTED_AT
        if note != 0:
            inspect_also(c, (note >> LOW_AT) - 1, note & ((1 << LOW_AT) - 1))
            return place_in(known)
    lowest, inspected = k.lowest, k.inspected
    inspect_nothing(c)
    after = shift_terminal(c, place, terminal, column)
    note = ((k.lowest + 1) << LOW_AT) | k.inspected
    inspect_also(c, lowest, inspected)
    if after == ASKED:
        return ASKED
    known = (after & 0xFFFFFFFF) | (note << INSPECTED_AT)
    if found >= 0:
        c.edges[found].target = known
        return after
    edge.target = known
    return ASKED if intern(c, c.edges, 3, edge) < 0 else after


@jit
def between_lexemes(c: LarkContext, place: int, d: LarkState) -> int:
    """Set `d` to the state between two lexemes at a place. Returns YES or ASK."""
    k = c.tables
    state = top_of(c, c.places[place].stack)
    context = k.contexts[state]
    lexeme = k.start_states[context]
    if lexeme < 0:
        if lexeme == UNKNOWN and ask(c, Q_START, context, 0):
            k.start_states[context] = PENDING
        return ASK
    put_state(d, place, 2 * lexeme, -1 if k.may_be_newline[lexeme] != 0 else 0, NO_BASE)
    return YES


@jit
def put_state(d: LarkState, place: int, lexeme: int, column: int, base: int) -> None:
    """Write the registers of a state."""
    d.mode = READING
    d.place = place
    d.lexeme = lexeme
    d.column = column
    d.base = base
    for i in range(3):
        d.spare[i] = 0


@jit
def state_number(c: LarkContext, d: LarkState) -> int:
    """Return the number of a state, or ASKED."""
    node = c.work.node
    copy_block(d, node.registers)
    node.dense_row = -1
    node.token_list = -1
    found = intern(c, c.nodes, 8, node)
    return ASKED if found < 0 else found


@jit
def column_after(k: LarkTables, column: int, byte: int) -> int:
    """Return the column of the indenter's newline after one more byte."""
    if k.newline < 0:
        return 0
    if byte == 10:
        return 0
    if column < 0:
        return column
    if byte == 9:
        return column + k.tab_size
    return column + 1 if byte == 32 else column


@jit
def follow(c: LarkContext, s: LarkState, d: LarkState, byte: int) -> int:
    """Apply a byte, lexeme by lexeme, as far as lexemes are decided.

    Returns YES with the state after it in `d`; NO; ASK; or 16 + the kind of a move that keeps a slot, with
    the state before that move in `d`.
    """
    k = c.tables
    place, lexeme = s.place, s.lexeme >> 1
    column, base = s.column, s.base
    while True:
        kind_of = k.classes[byte]
        move = k.moves[lexeme * k.class_count + kind_of]
        if move < 0:
            if move == UNKNOWN and ask(c, Q_MOVE, lexeme, kind_of):
                k.moves[lexeme * k.class_count + kind_of] = PENDING
            return ASK
        kind = move & KIND_BITS
        if kind == MOVE_ON:
            after = (move >> TO_SHIFT) & TO_BITS
            wide = k.may_be_newline[after] != 0
            put_state(d, place, 2 * after + 1, column_after(k, column, byte) if wide else 0, NO_BASE)
            return YES
        if kind == MOVE_DEAD:
            return NO
        if kind == MOVE_NOW or kind == MOVE_BEFORE:
            terminal = (move >> TERMINAL_SHIFT) & TERMINAL_BITS
            if kind == MOVE_NOW:
                column = column_after(k, column, byte)
            place = read_terminal(c, place, terminal, column)
            if place < 0:
                return ASK if place == ASKED else NO
            if between_lexemes(c, place, d) == ASK:
                return ASK
            if kind == MOVE_NOW:
                return YES
        elif kind == MOVE_OLD:
            if base < 0:
                return NO
            copy_block(c.nodes[base].registers, d)
        else:
            put_state(d, place, 2 * lexeme, column, base)
            return 16 + kind
        place, lexeme = d.place, d.lexeme >> 1
        column, base = d.column, d.base


@jit
def answered(c: LarkContext, first: int, key: int, second: int, question: int) -> int:
    """Return Python's answer to a question under a key below 0 of the edge table, YES or NO; or ASK."""
    edge = c.work.edge
    edge.first = first
    edge.second = key
    edge.third = second
    found = find(c.edges, 3, edge)
    if found >= 0:
        flag = c.edges[found].target
        if flag == LIVE_UNKNOWN and ask(c, question, first, second):
            c.edges[found].target = LIVE_PENDING
        return YES if flag == LIVE_YES else (NO if flag == LIVE_NO else ASK)
    edge.target = LIVE_PENDING
    if c.questions.count < MOST_NOTED and intern(c, c.edges, 3, edge) >= 0:
        ask(c, question, first, second)
    return ASK


@jit
def follow_slot(c: LarkContext, s: LarkState, d: LarkState, ahead: int, byte: int) -> int:
    """As `follow`, for the state read on from a slot of the lexeme state `ahead`. A lexeme that waits for no
    more than `ahead` does is wrong where it goes on: it has ended at its own slot."""
    k, before_slot = c.tables, c.work.before_slot
    code = follow(c, s, d, byte)
    while code >= 16 and code != 16 + MOVE_MANY:
        lexeme = d.lexeme >> 1
        known = answered(c, ahead, COVERS_KEY, lexeme, Q_COVERS)
        if known != YES:
            return ASK if known == ASK else code
        if code == 16 + MOVE_KEEP_NEW:
            move = k.moves[lexeme * k.class_count + k.classes[byte]]
            place = read_terminal(c, d.place, (move >> TERMINAL_SHIFT) & TERMINAL_BITS, d.column)
            if place < 0:
                return ASK if place == ASKED else NO
            if between_lexemes(c, place, before_slot) == ASK:
                return ASK
            code = follow(c, before_slot, d, byte)
        elif d.base < 0:
            return NO
        else:
            code = follow(c, c.nodes[d.base].registers, d, byte)
    return code


@jit
def step(c: LarkContext, s: LarkState, d: LarkState, byte: int) -> int:
    """Set `d` to the state after a byte. Returns YES, NO, ASK, or VAGUE if Python must follow."""
    code = follow(c, s, d, byte)
    if code < 16:
        return code
    kind = code - 16
    if kind == MOVE_MANY:
        return VAGUE
    k = c.tables
    place, lexeme = d.place, d.lexeme >> 1
    column, base = d.column, d.base
    move = k.moves[lexeme * k.class_count + k.classes[byte]]
    before_slot, after_slot = c.work.before_slot, c.work.after_slot
    code = NO
    if kind == MOVE_KEEP_NEW:
        before = read_terminal(c, place, (move >> TERMINAL_SHIFT) & TERMINAL_BITS, column)
        if before == ASKED or (before >= 0 and between_lexemes(c, before, before_slot) == ASK):
            return ASK
        if before >= 0:
            code = follow_slot(c, before_slot, after_slot, lexeme, byte)
    elif base >= 0:
        code = follow_slot(c, c.nodes[base].registers, after_slot, lexeme, byte)
    if code == ASK:
        return ASK
    if code >= 16:
        return VAGUE
    base, after = NO_BASE, move >> ELSE_SHIFT
    if code == YES:
        base, after = state_number(c, after_slot), (move >> TO_SHIFT) & TO_BITS
        if base < 0:
            return ASK
    elif after == ELSE_NONE:
        return NO
    wide = k.may_be_newline[after] != 0
    put_state(d, place, 2 * after + 1, column_after(k, column, byte) if wide else 0, base)
    return YES


@jit
def move_of(c: LarkContext, lexeme: int, byte: int) -> int:
    """Return the move of a lexeme state by a byte; below 0, with a question noted, if it is unknown."""
    k = c.tables
    kind_of = k.classes[byte]
    at = lexeme * k.class_count + kind_of
    move = k.moves[at]
    if move == UNKNOWN and ask(c, Q_MOVE, lexeme, kind_of):
        k.moves[at] = PENDING
    return move
