"""Can a text be completed from here?

A lexeme may end as some terminals, each of which leaves an obligation to the text behind it (its *endings*).
Of each state of the parser it is known behind which obligations every stack with this state on top leads to
the text's end (`lark_grammars.liveness.saturation`). So an answer is the state on top after a terminal, and
a bit. What no bit tells is asked of Python, place by place, or state by state.
"""

from __future__ import annotations

from structgen.lark_grammars.compiled.lark_step import (
    answered,
    ask,
    below_of,
    feed,
    inspect_part,
    read_terminal,
    state_number,
    top_after,
    top_of,
)
from structgen.lark_grammars.compiled.registers import (
    ANY_LINE,
    BEHIND_BREAK,
    BEHIND_LINE,
    BETWEEN,
    ENDING_BITS,
    ENDS_NOT,
    IGNORED,
    INSPECTED_ALL,
    INSPECTED_BRACKETS,
    KIND_BITS,
    LIVE_KEY,
    MOVE_ON,
    OLD_PARTED,
    OPEN_KEY,
    OWED_AT,
    PENDING,
    Q_ENDINGS,
    Q_LIVE,
    Q_OPEN,
    Q_YIELDS,
    SEPARATED,
    TO_BITS,
    TO_SHIFT,
    UNKNOWN,
    YIELDS_KEY,
    LarkContext,
    LarkState,
)
from structgen.machine_core.layout import ASK, ASKED, NO, REFUSED, VAGUE, YES
from structgen.native.jit import jit
from structgen.native.typed_blocks import Int32s, skip


@jit
def stack_of(c: LarkContext, place: int) -> int:
    """Return the parser's stack at a place."""
    return c.places[place].stack


@jit
def accepts(c: LarkContext, place: int) -> int:
    """Return YES if the text may end at a place, NO, or ASK."""
    k = c.tables
    inspect_part(c, INSPECTED_ALL)
    row = c.places[place]
    stack, widths = row.stack, row.widths
    while below_of(c, widths) >= 0:
        stack = feed(c, stack, k.dedent)
        if stack < 0:
            return ASK if stack == ASKED else NO
        widths = below_of(c, widths)
    stack = feed(c, stack, 0)
    return YES if stack >= 0 else (ASK if stack == ASKED else NO)


@jit
def closes_none(c: LarkContext, place: int, terminal: int) -> bool:
    """Return whether a terminal is a closing bracket while none is open."""
    if c.tables.brackets[terminal] != 2:
        return False
    inspect_part(c, INSPECTED_BRACKETS)
    return c.places[place].brackets == 0


@jit
def is_certain(c: LarkContext, place: int, top: int, opened: int, boundary: int) -> bool:
    """Return whether every stack with a state on top leads to the text's end from a boundary. `opened`: how
    many more brackets are open there than at the place."""
    k = c.tables
    outside, inside = k.certain[2 * top] >> boundary & 1, k.certain[2 * top + 1] >> boundary & 1
    if k.newline < 0 or outside == inside:
        return outside != 0
    inspect_part(c, INSPECTED_BRACKETS)
    return (inside if c.places[place].brackets + opened > 0 else outside) != 0


@jit
def is_certain_at(c: LarkContext, place: int, boundary: int) -> bool:
    """Return whether a boundary is certain in the state on top at a place."""
    return is_certain(c, place, top_of(c, stack_of(c, place)), 0, boundary)


@jit
def certain_after(c: LarkContext, place: int, terminal: int, boundary: int) -> int:
    """Return YES if a boundary is certain behind a terminal (not the indenter's newline); NO if the parser
    refuses the terminal; else VAGUE."""
    k = c.tables
    if k.ignored[terminal] != 0:
        return YES if is_certain_at(c, place, boundary) else VAGUE
    top = top_after(c, stack_of(c, place), terminal)
    if top == REFUSED or closes_none(c, place, terminal):
        return NO
    bracket = k.brackets[terminal]
    opened = bracket if bracket < 2 else -1
    return YES if top >= 0 and is_certain(c, place, top, opened, boundary) else VAGUE


@jit
def certain_line(c: LarkContext, place: int) -> int:
    """As `certain_after` for the indenter's newline, of any width."""
    k = c.tables
    inspect_part(c, INSPECTED_BRACKETS)
    if c.places[place].brackets > 0:
        return YES if is_certain_at(c, place, BEHIND_BREAK) else VAGUE
    top = top_after(c, stack_of(c, place), k.newline)
    if top == REFUSED:
        return NO
    return YES if top >= 0 and is_certain(c, place, top, 0, BEHIND_LINE) else VAGUE


@jit
def open_at(c: LarkContext, place: int, boundary: int) -> int:
    """Return YES if the text can be completed from a boundary at a place; NO or ASK where nothing is owed,
    else VAGUE."""
    if is_certain_at(c, place, boundary):
        return YES
    if boundary != BETWEEN:
        return VAGUE
    inspect_part(c, INSPECTED_ALL)
    return answered(c, place, OPEN_KEY, 0, Q_OPEN)


@jit
def open_after(c: LarkContext, place: int, terminal: int, column: int, boundary: int) -> int:
    """As `open_at`, behind a terminal."""
    code = certain_after(c, place, terminal, boundary)
    if code != VAGUE:
        return code
    after = read_terminal(c, place, terminal, column)
    if after < 0:
        return ASK if after == ASKED else NO
    return open_at(c, after, boundary)


@jit
def separated(c: LarkContext, place: int) -> int:
    """Return the lexeme state after the separator at a place; below 0 if it is unknown."""
    k = c.tables
    context = k.contexts[top_of(c, stack_of(c, place))]
    start = k.start_states[context]
    byte = k.separator
    if start < 0 or byte < 0:
        return -1
    move = k.moves[start * k.class_count + k.classes[byte]]
    return (move >> TO_SHIFT) & TO_BITS if move >= 0 and move & KIND_BITS == MOVE_ON else -1


@jit
def endings_of(c: LarkContext, lexeme: int) -> int:
    """Return the position of the endings of a lexeme state; below 0, with a question noted, if they are
    unknown."""
    k = c.tables
    at = k.endings[lexeme]
    if at == UNKNOWN and ask(c, Q_ENDINGS, lexeme, 0):
        k.endings[lexeme] = PENDING
    return at


@jit
def takes(c: LarkContext, place: int, terminal: int) -> int:
    """Return YES if the parser takes a terminal (the indenter's newline: with some width), NO, or ASK."""
    stack = stack_of(c, place)
    if closes_none(c, place, terminal):
        return NO
    after = top_after(c, stack, terminal)
    if after == ASKED:
        after = feed(c, stack, terminal)
    return NO if after == REFUSED else (ASK if after == ASKED else YES)


@jit
def refused(c: LarkContext, d: LarkState, terminals: Int32s) -> int:
    """Return YES if the parser refuses all terminals that a lexeme may become, NO, or ASK."""
    k = c.tables
    place = d.place
    for i in range(terminals[0]):
        terminal = terminals[1 + i]
        if k.ignored[terminal] != 0:
            return NO
        if terminal == k.newline:
            inspect_part(c, INSPECTED_BRACKETS)
            if c.places[place].brackets > 0:
                return NO
        code = takes(c, place, terminal)
        if code != NO:
            return ASK if code == ASK else NO
    return YES


@jit
def refuted(c: LarkContext, d: LarkState, terminals: Int32s) -> int:
    """Return YES if there is no completion, because the parser refuses all terminals that the lexeme may
    become, and those of the state read on from its old slot; NO, or ASK."""
    ends = c.tables.ending_lists
    code = refused(c, d, terminals)
    while code == YES and d.base >= 0:
        d = c.nodes[d.base].registers
        at = endings_of(c, d.lexeme >> 1)
        if at < 0:
            return ASK
        if d.lexeme & 1 == 0:
            code = accepts(c, d.place)
            if code != NO:
                return ASK if code == ASK else NO
        code = refused(c, d, skip(ends, at + 1 + ends[at]))
    return code


@jit
def ends_well(c: LarkContext, d: LarkState, begun: int, at: int) -> int:
    """Return YES if there is a completion from registers whose lexeme has the endings `at`, NO if there is
    none, ASK, or VAGUE if neither is known. `begun`: 1 if the lexeme has a byte."""
    ends = c.tables.ending_lists
    place, column = d.place, d.column
    asked = False
    for i in range(ends[at]):
        ending = ends[at + 1 + i]
        if ending == ANY_LINE:
            code = certain_line(c, place)
        elif ending == OLD_PARTED:
            code = NO  # `live` handles the old slot
        elif ending == IGNORED:
            code = open_at(c, place, BETWEEN)
        elif ending <= SEPARATED:
            code = open_at(c, place, BETWEEN) if separated(c, place) == SEPARATED - ending else NO
        else:
            terminal, boundary = ending & ENDING_BITS, ending >> OWED_AT
            code = open_after(c, place, terminal, column, boundary)
        if code == YES:
            return YES
        asked = asked or code == ASK
    if begun == 0:
        code = accepts(c, place)
        if code != NO:
            return code
    if asked:
        return ASK
    code = refuted(c, d, skip(ends, at + 1 + ends[at]))
    return ASK if code == ASK else (NO if code == YES else VAGUE)


@jit
def may_end(c: LarkContext, d: LarkState) -> int:
    """Return YES if the text may end with these registers, NO, or ASK."""
    ends = c.tables.ending_lists
    while d.lexeme & 1 != 0:
        at = endings_of(c, d.lexeme >> 1)
        if at < 0:
            return ASK
        at += 1 + ends[at]
        last = ends[at + 1 + ends[at]]
        if last >= 0:
            after = read_terminal(c, d.place, last, d.column)
            if after < 0:
                return ASK if after == ASKED else NO
            return accepts(c, after)
        if last == ENDS_NOT or d.base < 0:
            return NO
        d = c.nodes[d.base].registers
    return accepts(c, d.place)


@jit
def ends_before(c: LarkContext, d: LarkState, at: int) -> int:
    """Return YES if there is a completion from registers whose lexeme (endings `at`) has ended at its old
    slot. Return NO if there is none, because it never ends there and the parser refuses all that it may
    become; ASK, or VAGUE."""
    ends, row = c.tables.ending_lists, c.nodes[d.base].registers
    code = VAGUE
    if row.lexeme & 1 == 0:
        for i in range(ends[at]):
            if ends[at + 1 + i] == OLD_PARTED:
                code = open_at(c, row.place, BETWEEN)
        return VAGUE if code == NO else code
    if row.base < 0:
        code = refused(c, d, skip(ends, at + 1 + ends[at]))
        if code == YES:
            code = answered(c, d.lexeme >> 1, YIELDS_KEY, row.lexeme >> 1, Q_YIELDS)
            if code == YES:
                return NO
    return ASK if code == ASK else VAGUE


@jit
def live(c: LarkContext, d: LarkState) -> int:
    """Return YES if the text can be completed from registers, NO, or ASK."""
    at = endings_of(c, d.lexeme >> 1)
    if at < 0:
        return ASK
    code = ends_well(c, d, d.lexeme & 1, at)
    if code != VAGUE:
        return code
    if d.base >= 0:
        code = ends_before(c, d, at)
        if code != VAGUE:
            return code
    inspect_part(c, INSPECTED_ALL)
    node = state_number(c, d)
    return ASK if node < 0 else answered(c, node, LIVE_KEY, 0, Q_LIVE)
