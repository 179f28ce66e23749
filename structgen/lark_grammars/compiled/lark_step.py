"""One byte of a text under a Lark grammar: the registers before it -> the registers after it, compiled.

The same as `lark_grammars.parser.contextual_reader.ContextualReader.step`, whose words are used here; what
more than one slot that is not new would need is left to it (VAGUE).
"""

from __future__ import annotations

import numba

from structgen.json_machine.tables.layout import *
from structgen.lark_grammars.compiled.registers import *
from structgen.machine_core.raw_rows import find, intern, need, row_of
from structgen.native.jit import jit
from structgen.native.raw_memory import load8, load32, load64, store32, store64


@jit
def ask(c, kind, first, second):
    """Note a question, if there is room. Returns whether there was."""
    needs = load64(c, C_NEEDS)
    count = load64(needs, 0)
    if count >= MOST_NOTED:
        return False
    store64(needs, 1 + 4 * count, kind)
    store64(needs, 2 + 4 * count, first)
    store64(needs, 3 + 4 * count, second)
    store64(needs, 0, count + 1)
    return True


@jit
def pair(c, first, second):
    """Return the number of a pair (a state on a stack, a width on widths), or ASKED."""
    t = load64(c, C_TEMPORARY) + 8 * 16
    store64(t, 0, first)
    store64(t, 1, second)
    found = intern(c, T_TEXT, 2, t)
    return ASKED if found < 0 else found


@jit
def first_of(c, number):
    return load64(row_of(c, T_TEXT, 2, number), 0)


@jit
def look(c, stack):
    """Note that the state on top of a stack is looked at. What is put on a stack has a larger number than
    what is below it: the least number tells how deep it was looked into."""
    k = load64(c, C_LARK)
    if stack < load64(k, K_LOW):
        store64(k, K_LOW, stack)


@jit
def look_at(c, what):
    """Note that something beside the states on a stack is looked at: LOOKED_BRACKETS, LOOKED_WIDTHS, or all
    of a place, LOOKED_ALL."""
    k = load64(c, C_LARK)
    store64(k, K_LOOKED, load64(k, K_LOOKED) | what)


@jit
def look_anew(c):
    """Have nothing be noted as looked at."""
    k = load64(c, C_LARK)
    store64(k, K_LOW, NOTHING_LOOKED)
    store64(k, K_LOOKED, 0)


@jit
def look_too(c, low, looked):
    """Note what was looked at besides."""
    look(c, low)
    look_at(c, looked)


@jit
def top_of(c, stack):
    """Return the state on top of a stack, and note that it was looked at."""
    look(c, stack)
    return first_of(c, stack)


@jit
def second_of(c, number):
    return load64(row_of(c, T_TEXT, 2, number), 1)


@jit
def popped(c, stack, count):
    """Return a stack without its topmost states."""
    for _ in range(count):
        stack = second_of(c, stack)
    return stack


@jit
def chain_key(top, state, terminal):
    return 1 + top + (state << CHAIN_AT) + (terminal << 2 * CHAIN_AT)


@jit
def chain_at(k, key):
    """Return where it is kept what rules with one symbol lead to, if it is."""
    mixed = (numba.uint64(key) * numba.uint64(0x9E3779B97F4A7C15)) >> numba.uint64(64 - CHAIN_BITS)
    return load64(k, K_CHAINS) + 16 * numba.int64(mixed)


@jit
def reduced(k, top, state, terminal):
    """Return the top over a state after all rules with one symbol that are reduced before a terminal."""
    key = chain_key(top, state, terminal)
    chain = chain_at(k, key)
    if load64(chain, 0) == key:
        return load64(chain, 1)
    actions, terminals = load64(k, K_ACTIONS), load64(k, K_TERMINALS)
    while True:
        action = load32(actions, top * terminals + terminal)
        if action >= 0 or load32(load64(k, K_SIZES), -1 - action) != 1:
            break
        goto = state * load64(k, K_NONTERMINALS) + load32(load64(k, K_ORIGINS), -1 - action)
        top = load32(load64(k, K_GOTOS), goto)
        if terminal == 0 and top == load64(k, K_END_STATE):
            break
    store64(chain, 0, key)
    store64(chain, 1, top)
    return top


@jit
def feed(c, stack, terminal):
    """Return the stack after a terminal, REFUSED, or ASKED. While rules are reduced the top is held beside
    the stack: chains of rules with one symbol make no stacks."""
    k = load64(c, C_LARK)
    actions, terminals = load64(k, K_ACTIONS), load64(k, K_TERMINALS)
    top, below = top_of(c, stack), second_of(c, stack)
    while True:
        action = load32(actions, top * terminals + terminal)
        if action == 0:
            return REFUSED
        if action > 0:
            stack = pair(c, top, below)
            return pair(c, action - 1, stack) if stack >= 0 else stack
        rule = -1 - action
        size = load32(load64(k, K_SIZES), rule)
        if size == 1:
            top = reduced(k, top, top_of(c, below), terminal)
        else:
            if size == 0:
                below = pair(c, top, below)
                if below < 0:
                    return below
            else:
                below = popped(c, below, size - 1)
            goto = top_of(c, below) * load64(k, K_NONTERMINALS) + load32(load64(k, K_ORIGINS), rule)
            top = load32(load64(k, K_GOTOS), goto)
        if terminal == 0 and top == load64(k, K_END_STATE):
            return pair(c, top, below)


@jit
def top_after(c, stack, terminal):
    """Return the state on top of a stack after a terminal, or REFUSED; no stack is made."""
    k = load64(c, C_LARK)
    actions, terminals = load64(k, K_ACTIONS), load64(k, K_TERMINALS)
    pushed, count = load64(c, C_TEMPORARY) + 8 * PUSHED_AT, 0  # by rules without symbols, above `below`
    top, below = top_of(c, stack), second_of(c, stack)
    while True:
        action = load32(actions, top * terminals + terminal)
        if action == 0:
            return numba.int64(REFUSED)
        if action > 0:
            return numba.int64(action - 1)
        rule = -1 - action
        size = load32(load64(k, K_SIZES), rule)
        if size == 1 and count == 0:
            top = reduced(k, top, top_of(c, below), terminal)
        else:
            if size == 0:
                if count == MOST_PUSHED:
                    return numba.int64(ASKED)
                store64(pushed, count, top)
                count += 1
            else:
                over = min(size - 1, count)
                count -= over
                below = popped(c, below, size - 1 - over)
            under = load64(pushed, count - 1) if count > 0 else top_of(c, below)
            goto = under * load64(k, K_NONTERMINALS) + load32(load64(k, K_ORIGINS), rule)
            top = load32(load64(k, K_GOTOS), goto)
        if terminal == 0 and top == load64(k, K_END_STATE):
            return numba.int64(top)


@jit
def place_of(c, stack, widths, brackets):
    """Return the number of a place, or ASKED."""
    t = load64(c, C_TEMPORARY) + 8 * 24
    store64(t, P_STACK, stack)
    store64(t, P_WIDTHS, widths)
    store64(t, P_BRACKETS, brackets)
    store64(t, 3, 0)
    found = intern(c, T_SET, 4, t)
    if found < 0:
        return ASKED
    base = T_OFFSET
    if found >= load64(c, base + COUNT):
        if found >= load64(c, base + CAPACITY):
            need(c, Q_ROOM, T_OFFSET, found + 1 - load64(c, base + COUNT), 0)
            return ASKED
        store64(load64(c, base + ADDRESS), found, OPEN_UNKNOWN)
        store64(c, base + COUNT, found + 1)
    return found


@jit
def newline(c, place, column):
    """Return the place after the indenter's newline, REFUSED, or ASKED."""
    k = load64(c, C_LARK)
    row = row_of(c, T_SET, 4, place)
    look_at(c, LOOKED_BRACKETS)
    if load64(row, P_BRACKETS) > 0:
        return place
    widths = load64(row, P_WIDTHS)
    look_at(c, LOOKED_WIDTHS)
    stack = feed(c, load64(row, P_STACK), load64(k, K_NEWLINE))
    if stack < 0:
        return stack
    if column < 0:
        return REFUSED
    width = -1 - first_of(c, widths)
    if column > width:
        stack = feed(c, stack, load64(k, K_INDENT))
        if stack < 0:
            return stack
        widths = pair(c, -1 - column, widths)
        return ASKED if widths < 0 else place_of(c, stack, widths, 0)
    while column < width:
        stack = feed(c, stack, load64(k, K_DEDENT))
        if stack < 0:
            return stack
        widths = second_of(c, widths)
        width = -1 - first_of(c, widths)
    return place_of(c, stack, widths, 0) if column == width else REFUSED


@jit
def read_anew(c, place, terminal, column):
    k = load64(c, C_LARK)
    if terminal == load64(k, K_NEWLINE):
        return newline(c, place, column)
    row = row_of(c, T_SET, 4, place)
    widths, brackets = load64(row, P_WIDTHS), load64(row, P_BRACKETS)
    stack = feed(c, load64(row, P_STACK), terminal)
    if stack < 0:
        return stack
    bracket = load8(load64(k, K_BRACKETS), terminal)
    if bracket == 1:
        brackets += 1
    elif bracket == 2:
        look_at(c, LOOKED_BRACKETS)
        brackets -= 1
        if brackets < 0:
            return REFUSED
    return place_of(c, stack, widths, brackets)


@jit
def read(c, place, terminal, column):
    """Return the place after a lexeme, REFUSED, or ASKED."""
    k = load64(c, C_LARK)
    if load8(load64(k, K_IGNORED), terminal) != 0:
        return place
    t = load64(c, C_TEMPORARY) + 8 * 8
    store64(t, 0, place)
    store64(t, 1, terminal)
    store64(t, 2, column if terminal == load64(k, K_NEWLINE) else 0)
    found = find(c, T_EDGE, 3, t)
    if found >= 0:
        known = load64(row_of(c, T_EDGE, 4, found), 3)
        note = known >> LOOKED_AT
        if note != 0:
            look_too(c, (note >> LOW_AT) - 1, note & ((1 << LOW_AT) - 1))
            return numba.int64(numba.int32(known & 0xFFFFFFFF))
    low, looked = load64(k, K_LOW), load64(k, K_LOOKED)
    look_anew(c)
    after = read_anew(c, place, terminal, column)
    note = ((load64(k, K_LOW) + 1) << LOW_AT) | load64(k, K_LOOKED)
    look_too(c, low, looked)
    if after == ASKED:
        return ASKED
    known = (after & 0xFFFFFFFF) | (note << LOOKED_AT)
    if found >= 0:
        store64(row_of(c, T_EDGE, 4, found), 3, known)
        return after
    store64(t, 3, known)
    return ASKED if intern(c, T_EDGE, 3, t) < 0 else after


@jit
def fresh(c, place, d):
    """Put the registers between two lexemes. Returns YES or ASK."""
    k = load64(c, C_LARK)
    state = top_of(c, load64(row_of(c, T_SET, 4, place), P_STACK))
    context = load32(load64(k, K_CONTEXTS), state)
    lexeme = load32(load64(k, K_STARTS), context)
    if lexeme < 0:
        if lexeme == UNKNOWN and ask(c, Q_START, context, 0):
            store32(load64(k, K_STARTS), context, PENDING)
        return ASK
    put(d, place, 2 * lexeme, -1 if load8(load64(k, K_NEWLINES), lexeme) != 0 else 0, NO_BASE)
    return YES


@jit
def put(d, place, lexeme, column, base):
    store64(d, MODE, M_DOC)
    store64(d, PLACE, place)
    store64(d, LEXEME, lexeme)
    store64(d, COLUMN, column)
    store64(d, BASE, base)
    store64(d, AT, 0)
    store64(d, TEXT, 0)
    store64(d, FRAME, 0)


@jit
def node_of(c, d):
    """Return the number of the state with these registers, or ASKED."""
    t = load64(c, C_TEMPORARY) + 8 * 40
    for i in range(8):
        store64(t, i, load64(d, i))
    store64(t, N_ROW, -1)
    store64(t, N_LIST, -1)
    found = intern(c, T_NODE, 8, t)
    return ASKED if found < 0 else found


@jit
def column_after(k, column, byte):
    if load64(k, K_NEWLINE) < 0:
        return 0
    if byte == 10:
        return 0
    if column < 0:
        return column
    if byte == 9:
        return column + load64(k, K_TAB)
    return column + 1 if byte == 32 else column


@jit
def follow(c, s, d, byte):
    """Go on with a byte as far as one lexeme after the other is decided.

    Returns YES with the registers after it in `d`; NO; ASK; or the move (16 + its kind) that keeps a slot,
    with the registers that it starts from in `d`.
    """
    k = load64(c, C_LARK)
    place, lexeme = load64(s, PLACE), load64(s, LEXEME) >> 1
    column, base = load64(s, COLUMN), load64(s, BASE)
    while True:
        kind_of = load8(load64(k, K_CLASSES), byte)
        move = load64(load64(k, K_MOVES), lexeme * load64(k, K_WIDTH) + kind_of)
        if move < 0:
            if move == UNKNOWN and ask(c, Q_MOVE, lexeme, kind_of):
                store64(load64(k, K_MOVES), lexeme * load64(k, K_WIDTH) + kind_of, PENDING)
            return ASK
        kind = move & KIND_BITS
        if kind == MV_ON:
            after = (move >> TO_SHIFT) & TO_BITS
            wide = load8(load64(k, K_NEWLINES), after) != 0
            put(d, place, 2 * after + 1, column_after(k, column, byte) if wide else 0, NO_BASE)
            return YES
        if kind == MV_DEAD:
            return NO
        if kind == MV_NOW or kind == MV_BEFORE:
            terminal = (move >> TERMINAL_SHIFT) & TERMINAL_BITS
            if kind == MV_NOW:
                column = column_after(k, column, byte)
            place = read(c, place, terminal, column)
            if place < 0:
                return ASK if place == ASKED else NO
            if fresh(c, place, d) == ASK:
                return ASK
            if kind == MV_NOW:
                return YES
        elif kind == MV_OLD:
            if base < 0:
                return NO
            row = row_of(c, T_NODE, N_STRIDE, base)
            for i in range(8):
                store64(d, i, load64(row, i))
        else:
            put(d, place, 2 * lexeme, column, base)
            return 16 + kind
        place, lexeme = load64(d, PLACE), load64(d, LEXEME) >> 1
        column, base = load64(d, COLUMN), load64(d, BASE)


@jit
def step(c, s, d, byte):
    """Put the registers after a byte to `d`. Returns YES, NO, ASK, or VAGUE where Python must follow."""
    code = follow(c, s, d, byte)
    if code < 16:
        return code
    kind = code - 16
    if kind == MV_MANY:
        return VAGUE
    k = load64(c, C_LARK)
    place, lexeme = load64(d, PLACE), load64(d, LEXEME) >> 1
    column, base = load64(d, COLUMN), load64(d, BASE)
    move = load64(load64(k, K_MOVES), lexeme * load64(k, K_WIDTH) + load8(load64(k, K_CLASSES), byte))
    held, gone = load64(c, C_TEMPORARY) + 8 * 56, load64(c, C_TEMPORARY) + 8 * 64
    code = numba.int64(NO)
    if kind == MV_KEEP_NEW:
        before = read(c, place, (move >> TERMINAL_SHIFT) & TERMINAL_BITS, column)
        if before == ASKED or (before >= 0 and fresh(c, before, held) == ASK):
            return ASK
        if before >= 0:
            code = follow(c, held, gone, byte)
    elif base >= 0:
        code = follow(c, row_of(c, T_NODE, N_STRIDE, base), gone, byte)
    if code == ASK:
        return ASK
    if code >= 16:
        return VAGUE
    base, after = numba.int64(NO_BASE), move >> ELSE_SHIFT
    if code == YES:
        base, after = node_of(c, gone), (move >> TO_SHIFT) & TO_BITS
        if base < 0:
            return ASK
    elif after == ELSE_NONE:
        return NO
    wide = load8(load64(k, K_NEWLINES), after) != 0
    put(d, place, 2 * after + 1, column_after(k, column, byte) if wide else 0, base)
    return YES
