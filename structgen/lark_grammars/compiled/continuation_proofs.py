"""Does a text go on from here? Proofs that compiled code finds by itself.

A proof is a plan that is read: the terminals that the rules under way still need, the cheapest first, each by
its shortest lexeme between two separators (`CLEAN`), until a place is met that has been proved before, or the
end. What is not proved so, Python is asked about (`lark_grammars.liveness.oracle`).
"""

from __future__ import annotations

import numba

from structgen.json_machine.tables.layout import *
from structgen.lark_grammars.compiled.lark_step import (
    ask,
    chain_at,
    chain_key,
    feed,
    first_of,
    look_at,
    node_of,
    pair,
    place_of,
    popped,
    read,
    second_of,
    top_after,
    top_of,
)
from structgen.lark_grammars.compiled.registers import *
from structgen.machine_core.raw_rows import find, intern, row_of
from structgen.native.jit import jit
from structgen.native.raw_memory import load8, load32, load64, store8, store32, store64

_TRAIL = 40
"""Places of one proof that are marked; and where they lie in C_TEMPORARY."""
_TRAIL_AT = 80


@jit
def known(c, place, shift):
    """Return what is known of a place."""
    return (load64(load64(c, T_OFFSET + ADDRESS), place) >> shift) & OPEN_BITS


@jit
def mark(c, place, shift, value):
    """Note what is known of a place."""
    flags = load64(c, T_OFFSET + ADDRESS)
    store64(flags, place, (load64(flags, place) & ~(OPEN_BITS << shift)) | (value << shift))


@jit
def plain_of(c, place):
    """Return the place with the same stack and brackets whose indentations are one column each, or ASKED."""
    flags = load64(c, T_OFFSET + ADDRESS)
    found = load64(flags, place) >> PLAIN_AT
    if found != 0:
        return found - 1
    row = row_of(c, T_SET, 4, place)
    stack, brackets, widths = load64(row, P_STACK), load64(row, P_BRACKETS), load64(row, P_WIDTHS)
    depth = 0
    while second_of(c, widths) >= 0:
        widths = second_of(c, widths)
        depth += 1
    plain = pair(c, -1, -1)
    for column in range(1, depth + 1):
        if plain >= 0:
            plain = pair(c, -1 - column, plain)
    found = place_of(c, stack, plain, brackets) if plain >= 0 else plain
    if found >= 0:
        flags = load64(c, T_OFFSET + ADDRESS)
        store64(flags, place, load64(flags, place) | (found + 1) << PLAIN_AT)
    return found


@jit
def stack_of(c, place):
    return load64(row_of(c, T_SET, 4, place), P_STACK)


@jit
def accepts(c, place):
    """Return YES where the text may end at a place, NO, or ASK."""
    k = load64(c, C_LARK)
    look_at(c, LOOKED_ALL)
    row = row_of(c, T_SET, 4, place)
    stack, widths = load64(row, P_STACK), load64(row, P_WIDTHS)
    while second_of(c, widths) >= 0:
        stack = feed(c, stack, load64(k, K_DEDENT))
        if stack < 0:
            return ASK if stack == ASKED else NO
        widths = second_of(c, widths)
    stack = feed(c, stack, 0)
    return YES if stack >= 0 else (ASK if stack == ASKED else NO)


@jit
def cleanness(c, place, terminal):
    """Return what is known of a terminal's lexeme at a place, or CLEAN_PENDING with a question noted."""
    k = load64(c, C_LARK)
    context = load32(load64(k, K_CONTEXTS), first_of(c, stack_of(c, place)))
    at = context * load64(k, K_TERMINALS) + terminal
    clean = load8(load64(k, K_CLEAN), at)
    if clean == CLEAN_UNKNOWN:
        if ask(c, Q_CLEAN, context, terminal):
            store8(load64(k, K_CLEAN), at, CLEAN_PENDING)
        return CLEAN_PENDING
    return clean


@jit
def break_line(c, place, dedents, indent):
    """Return the place after the indenter's newline with that much less, or more, indentation."""
    widths = load64(row_of(c, T_SET, 4, place), P_WIDTHS)
    for _ in range(dedents):
        if second_of(c, widths) >= 0:
            widths = second_of(c, widths)
    column = -1 - first_of(c, widths)
    return read(c, place, load64(load64(c, C_LARK), K_NEWLINE), column + indent)


@jit
def plan_of(c, top):
    """Return where the plan of a state is listed, or ASKED."""
    k = load64(c, C_LARK)
    plan = load32(load64(k, K_PLANS), top)
    if plan == UNKNOWN and ask(c, Q_PLAN, top, 0):
        store32(load64(k, K_PLANS), top, PENDING)
    return load64(k, K_STEPS) + 4 * plan if plan >= 0 else numba.int64(ASKED)


@jit
def chained(c, top, state):
    """Return the top over a state after all rules with one symbol that need no terminal, or ASKED."""
    k = load64(c, C_LARK)
    key = chain_key(top, state, load64(k, K_TERMINALS))
    chain = chain_at(k, key)
    if load64(chain, 0) == key:
        return load64(chain, 1)
    for _ in range(MOST_PROVED):
        words = plan_of(c, top)
        if words == ASKED:
            return ASKED
        rule = load32(words, 0)
        if load32(words, 1) != 1 or load32(words, 2) != 0 or rule >= LAST_RULE:
            break
        goto = state * load64(k, K_NONTERMINALS) + load32(load64(k, K_ORIGINS), rule)
        top = load32(load64(k, K_GOTOS), goto)
    store64(chain, 0, key)
    store64(chain, 1, top)
    return top


@jit
def prove(c, place, bare, plain):
    """Return YES where a text is found that goes on from a place, with the separator (or, `bare`, with a
    lexeme right behind the indenter's newline); NO where this finds none; ASK. `plain`: PLAIN_SHIFT where the
    place is plain and plans alone are to prove it, else 0."""
    k = load64(c, C_LARK)
    line_break, indenting, dedenting = load64(k, K_NEWLINE), load64(k, K_INDENT), load64(k, K_DEDENT)
    here, stack = place, stack_of(c, place)
    top, below = first_of(c, stack), second_of(c, stack)  # of the stack that the plan is at
    trail = load64(c, C_TEMPORARY) + 8 * _TRAIL_AT
    found, line, dedents, indent = 0, False, 0, 0
    ending = False
    if bare != 0:
        code = accepts(c, place)
        if code != NO:
            return code
    steps = 0
    done = False
    while not done:
        steps += 1
        if steps > MOST_PROVED:
            return NO
        words = plan_of(c, top)
        if words != ASKED and load32(words, 1) == 1 and load32(words, 2) == 0:
            top = chained(c, top, first_of(c, below))
            words = plan_of(c, top) if top != ASKED else numba.int64(ASKED)
        if words == ASKED:
            return ASK
        for i in range(load32(words, 2)):
            terminal = load32(words, 3 + i)
            if line_break >= 0:
                if terminal == indenting:
                    if not line or dedents > 0:
                        return NO
                    indent = 1
                    continue
                if terminal == dedenting:
                    if line:
                        dedents += 1
                    ending = ending or not line
                    continue
            if ending:
                return NO
            behind_line = line
            if line:
                here = break_line(c, here, dedents, indent)
                if here < 0:
                    return ASK if here == ASKED else NO
                line, dedents, indent = False, 0, 0
            clean = cleanness(c, here, terminal)
            if clean == CLEAN_PENDING:
                return ASK
            if clean == SOILED or (clean == CLEAN and (behind_line or (bare != 0 and here == place))):
                return NO
            if terminal == line_break:
                line = True
                continue
            here = read(c, here, terminal, 0)
            if here < 0:
                return ASK if here == ASKED else NO
            if known(c, here, plain) == OPEN:
                done = True
                break
            if found < _TRAIL:
                store64(trail, found, here)
                found += 1
        if done:
            break
        rule, dot = load32(words, 0), load32(words, 1)
        if rule >= LAST_RULE:
            if line:
                here = break_line(c, here, dedents, indent)
                if here < 0:
                    return ASK if here == ASKED else NO
            clean = cleanness(c, here, 0)
            if clean == CLEAN_PENDING:
                return ASK
            code = accepts(c, here) if clean != SOILED else numba.int64(NO)
            if code != YES:
                return code
            break
        below = popped(c, below, dot - 1)
        goto = first_of(c, below) * load64(k, K_NONTERMINALS) + load32(load64(k, K_ORIGINS), rule)
        top = load32(load64(k, K_GOTOS), goto)
    for i in range(found):
        mark(c, load64(trail, i), plain, OPEN)
    return YES


@jit
def proved(c, place, shift):
    """Return YES where plans prove a plain place, NO, or ASK."""
    flag = known(c, place, PLAIN_SHIFT + shift)
    if flag != OPEN_UNKNOWN:
        return YES if flag == OPEN else NO
    code = prove(c, place, shift, PLAIN_SHIFT)
    if code != ASK:
        mark(c, place, PLAIN_SHIFT + shift, OPEN if code == YES else SHUT)
    return code


@jit
def is_open(c, place, shift):
    """Return YES where a place is proved, NO, or ASK; at `shift` 0, Python has the last word."""
    look_at(c, LOOKED_ALL)
    flag = known(c, place, shift)
    if flag == OPEN:
        return YES
    if flag == SHUT:
        return NO
    if flag == OPEN_PENDING:
        return ASK
    code = numba.int64(NO)
    if load64(load64(c, C_LARK), K_NEWLINE) >= 0:
        # a plan says how much deeper or less deep a line is, never how deep
        plain = plain_of(c, place)
        code = proved(c, plain, shift) if plain >= 0 else numba.int64(ASK)
    if code == NO:
        code = prove(c, place, shift, 0)
    if code == ASK:
        return ASK
    if code == YES:
        mark(c, place, shift, OPEN)
        return YES
    if shift != 0:
        mark(c, place, shift, SHUT)
        return NO
    if ask(c, Q_OPEN, place, 0):
        mark(c, place, 0, OPEN_PENDING)
    return ASK


@jit
def find_line(c, place, plain):
    """Return YES where a text is proved to go on from a place with the indenter's newline, NO, or ASK;
    `plain` as in `prove`."""
    row = row_of(c, T_SET, 4, place)
    widths = load64(row, P_WIDTHS)
    if load64(row, P_BRACKETS) > 0:
        return proved(c, place, BARE_SHIFT) if plain != 0 else is_open(c, place, BARE_SHIFT)
    line_break = load64(load64(c, C_LARK), K_NEWLINE)
    column = -first_of(c, widths)  # one more than the innermost width
    while True:
        after = read(c, place, line_break, column)
        if after == ASKED:
            return ASK
        if after >= 0:
            code = proved(c, after, BARE_SHIFT) if plain != 0 else is_open(c, after, BARE_SHIFT)
            if code != NO:
                return code
        if widths < 0:
            return NO
        column = -1 - first_of(c, widths)
        widths = second_of(c, widths)


@jit
def line_open(c, place):
    """Return YES where a text is proved to go on from a place with the indenter's newline, NO, or ASK."""
    look_at(c, LOOKED_ALL)
    flag = known(c, place, LINE_SHIFT)
    if flag != OPEN_UNKNOWN:
        return YES if flag == OPEN else NO
    plain = plain_of(c, place)
    if plain < 0:
        return ASK
    flag = known(c, plain, PLAIN_SHIFT + LINE_SHIFT)
    code = YES if flag == OPEN else NO
    if flag == OPEN_UNKNOWN:
        code = find_line(c, plain, PLAIN_SHIFT)
        if code == ASK:
            return ASK
        mark(c, plain, PLAIN_SHIFT + LINE_SHIFT, OPEN if code == YES else SHUT)
    if code == NO:
        code = find_line(c, place, 0)
    if code != ASK:
        mark(c, place, LINE_SHIFT, OPEN if code == YES else SHUT)
    return code


@jit
def is_barred(c, place):
    """Return whether there is a barred state on the stack of a place."""
    k = load64(c, C_LARK)
    if load64(k, K_BARRING) == 0:
        return False
    barred = known(c, place, BARRED_SHIFT)
    if barred == OPEN_UNKNOWN:
        stack, barred = stack_of(c, place), numba.int64(OPEN)
        while stack >= 0:
            if load8(load64(k, K_SURE), first_of(c, stack)) & BARRED != 0:
                barred = numba.int64(SHUT)
            stack = second_of(c, stack)
        mark(c, place, BARRED_SHIFT, barred)
    return barred == SHUT


@jit
def is_sure(c, place, top, flag):
    """Return whether a text goes on behind a state, by itself, that is put on the stack of a place."""
    sure = load64(load64(c, C_LARK), K_SURE)
    return load8(sure, top) & flag != 0 and not is_barred(c, place)


@jit
def closes_none(c, place, terminal):
    """Return whether a terminal is a closing bracket where none is open."""
    if load8(load64(load64(c, C_LARK), K_BRACKETS), terminal) != 2:
        return False
    look_at(c, LOOKED_BRACKETS)
    return load64(row_of(c, T_SET, 4, place), P_BRACKETS) == 0


@jit
def sure_behind(c, place, terminal):
    """Return YES where it is sure that a text goes on with the separator behind a terminal that is not the
    indenter's newline; NO where the parser refuses the terminal; VAGUE where that is to be proved."""
    k = load64(c, C_LARK)
    if load8(load64(k, K_IGNORED), terminal) != 0:
        top = top_of(c, stack_of(c, place))
    else:
        top = top_after(c, stack_of(c, place), terminal)
        if top == REFUSED or closes_none(c, place, terminal):
            return NO
    return YES if top >= 0 and is_sure(c, place, top, SURE_APART) else VAGUE


@jit
def sure_here(c, place):
    """Return whether a text goes on from a place with the separator, by its topmost state."""
    return is_sure(c, place, top_of(c, stack_of(c, place)), SURE_APART)


@jit
def sure_line(c, place):
    """Return YES where it is sure that a text goes on from a place with the indenter's newline, by the state
    behind it; NO where the parser refuses it; VAGUE where that is to be proved."""
    k = load64(c, C_LARK)
    look_at(c, LOOKED_BRACKETS)
    if load64(row_of(c, T_SET, 4, place), P_BRACKETS) > 0:
        return YES if is_sure(c, place, top_of(c, stack_of(c, place)), SURE_BARE) else VAGUE
    top = top_after(c, stack_of(c, place), load64(k, K_NEWLINE))
    if top == REFUSED:
        return NO
    return YES if top >= 0 and is_sure(c, place, top, SURE_LINE) else VAGUE


@jit
def separated(c, place):
    """Return the lexeme state that the separator makes at a place; below 0 where that is not known."""
    k = load64(c, C_LARK)
    context = load32(load64(k, K_CONTEXTS), top_of(c, stack_of(c, place)))
    start = load32(load64(k, K_STARTS), context)
    byte = load64(k, K_SEPARATOR)
    if start < 0 or byte < 0:
        return -1
    move = load64(load64(k, K_MOVES), start * load64(k, K_WIDTH) + load8(load64(k, K_CLASSES), byte))
    return (move >> TO_SHIFT) & TO_BITS if move >= 0 and move & KIND_BITS == MV_ON else -1


@jit
def endings_of(c, lexeme):
    """Return where the endings of a lexeme state are listed; below 0, with a question noted, if nowhere."""
    k = load64(c, C_LARK)
    at = load32(load64(k, K_ENDINGS), lexeme)
    if at == UNKNOWN and ask(c, Q_ENDINGS, lexeme, 0):
        store32(load64(k, K_ENDINGS), lexeme, PENDING)
    return at


@jit
def taken(c, place, terminal):
    """Return YES where the parser takes a terminal, the indenter's newline of some width, NO, or ASK."""
    stack = stack_of(c, place)
    if closes_none(c, place, terminal):
        return numba.int64(NO)
    after = top_after(c, stack, terminal)
    if after == ASKED:
        after = feed(c, stack, terminal)
    return numba.int64(NO if after == REFUSED else (ASK if after == ASKED else YES))


@jit
def refused(c, d, terminals):
    """Return YES where the parser takes none of the terminals that a lexeme may become, NO, or ASK."""
    k = load64(c, C_LARK)
    place = load64(d, PLACE)
    for i in range(load32(terminals, 0)):
        terminal = load32(terminals, 1 + i)
        if load8(load64(k, K_IGNORED), terminal) != 0:
            return NO
        if terminal == load64(k, K_NEWLINE):
            look_at(c, LOOKED_BRACKETS)
            if load64(row_of(c, T_SET, 4, place), P_BRACKETS) > 0:
                return NO
        code = taken(c, place, terminal)
        if code != NO:
            return ASK if code == ASK else NO
    return YES


@jit
def refuted(c, d, terminals):
    """Return YES where no text goes on, as the parser takes none of the terminals that a lexeme may become,
    nor of those of what is read on from its old slot; NO, or ASK."""
    ends = load64(load64(c, C_LARK), K_ENDS)
    code = refused(c, d, terminals)
    while code == YES and load64(d, BASE) >= 0:
        d = row_of(c, T_NODE, N_STRIDE, load64(d, BASE))
        at = endings_of(c, load64(d, LEXEME) >> 1)
        if at < 0:
            return ASK
        if load64(d, LEXEME) & 1 == 0:
            code = accepts(c, load64(d, PLACE))
            if code != NO:
                return ASK if code == ASK else NO
        code = refused(c, d, ends + 4 * (at + 1 + load32(ends, at)))
    return code


@jit
def tail_open(c, place, column, tail):
    """Return YES where a text goes on with a terminal and others right behind it, NO, or ASK."""
    k = load64(c, C_LARK)
    here = read(c, place, load32(tail, 1), column)
    for i in range(1, load32(tail, 0), 2):
        if here < 0:
            break
        context = load32(load64(k, K_CONTEXTS), top_of(c, stack_of(c, here)))
        if context != load32(tail, 1 + i):
            return numba.int64(NO)
        here = read(c, here, load32(tail, 2 + i), 0)
    if here < 0:
        return numba.int64(ASK if here == ASKED else NO)
    return numba.int64(YES) if sure_here(c, here) else is_open(c, here, 0)


@jit
def ends_well(c, d, begun, at):
    """Return YES where a text goes on from registers whose lexeme has the endings `at`, NO where none does,
    ASK, or VAGUE where neither is proved. `begun`: 1 where the lexeme has a byte."""
    ends = load64(load64(c, C_LARK), K_ENDS)
    place, column = load64(d, PLACE), load64(d, COLUMN)
    asked = False
    for i in range(load32(ends, at)):
        terminal = load32(ends, at + 1 + i)
        if terminal == ANY_LINE:
            code = sure_line(c, place)
            if code == VAGUE:
                code = line_open(c, place)
        elif terminal >= TAILED:
            code = tail_open(c, place, column, ends + 4 * (terminal - TAILED))
        elif terminal == OLD_PARTED:
            code = numba.int64(NO)  # `live` sees to it
        elif terminal == IGNORED:
            code = YES if sure_here(c, place) else is_open(c, place, 0)
        elif terminal <= SEPARATED:
            code = numba.int64(NO)
            if separated(c, place) == SEPARATED - terminal:
                code = YES if sure_here(c, place) else is_open(c, place, 0)
        else:
            code = numba.int64(VAGUE)
            if terminal != load64(load64(c, C_LARK), K_NEWLINE):
                code = sure_behind(c, place, terminal)
            if code == VAGUE:
                after = read(c, place, terminal, column)
                code = numba.int64(ASK if after == ASKED else NO)
                if after >= 0:
                    code = is_open(c, after, 0)
        if code == YES:
            return YES
        asked = asked or code == ASK
    if begun == 0:
        code = accepts(c, place)
        if code != NO:
            return code
    if asked:
        return ASK
    code = refuted(c, d, ends + 4 * (at + 1 + load32(ends, at)))
    return ASK if code == ASK else (NO if code == YES else VAGUE)


@jit
def may_end(c, d):
    """Return YES where the text may end with some registers, NO, or ASK."""
    ends = load64(load64(c, C_LARK), K_ENDS)
    while load64(d, LEXEME) & 1 != 0:
        at = endings_of(c, load64(d, LEXEME) >> 1)
        if at < 0:
            return ASK
        at += 1 + load32(ends, at)
        last = load32(ends, at + 1 + load32(ends, at))
        if last >= 0:
            after = read(c, load64(d, PLACE), last, load64(d, COLUMN))
            if after < 0:
                return ASK if after == ASKED else NO
            return accepts(c, after)
        if last == ENDS_NOT or load64(d, BASE) < 0:
            return NO
        d = row_of(c, T_NODE, N_STRIDE, load64(d, BASE))
    return accepts(c, load64(d, PLACE))


@jit
def told(c, first, key, second, question):
    """Return what Python has said to a question that is kept under a key below 0 of T_EDGE, YES or NO; or
    ASK."""
    t = load64(c, C_TEMPORARY) + 8 * 8
    store64(t, 0, first)
    store64(t, 1, key)
    store64(t, 2, second)
    found = find(c, T_EDGE, 3, t)
    if found >= 0:
        flag = load64(row_of(c, T_EDGE, 4, found), 3)
        if flag == LIVE_UNKNOWN and ask(c, question, first, second):
            store64(row_of(c, T_EDGE, 4, found), 3, LIVE_PENDING)
        return YES if flag == LIVE_YES else (NO if flag == LIVE_NO else ASK)
    store64(t, 3, LIVE_PENDING)
    if load64(load64(c, C_NEEDS), 0) < MOST_NOTED and intern(c, T_EDGE, 3, t) >= 0:
        ask(c, question, first, second)
    return ASK


@jit
def ends_before(c, d, at):
    """Return YES where a text goes on from registers whose lexeme, with the endings `at`, has ended at its
    old slot; NO where none does, as it never ends there and the parser takes nothing that it may become; ASK,
    or VAGUE."""
    ends, row = load64(load64(c, C_LARK), K_ENDS), row_of(c, T_NODE, N_STRIDE, load64(d, BASE))
    code = numba.int64(VAGUE)
    if load64(row, LEXEME) & 1 == 0:
        for i in range(load32(ends, at)):
            if load32(ends, at + 1 + i) == OLD_PARTED:
                place = load64(row, PLACE)
                code = numba.int64(YES) if sure_here(c, place) else is_open(c, place, 0)
        return VAGUE if code == NO else code
    if load64(row, BASE) < 0:
        code = refused(c, d, ends + 4 * (at + 1 + load32(ends, at)))
        if code == YES:
            code = told(c, load64(d, LEXEME) >> 1, YIELDS_KEY, load64(row, LEXEME) >> 1, Q_YIELDS)
            if code == YES:
                return numba.int64(NO)
    return ASK if code == ASK else VAGUE


@jit
def live(c, d):
    """Return YES where some text goes on from registers, NO, or ASK."""
    at = endings_of(c, load64(d, LEXEME) >> 1)
    if at < 0:
        return ASK
    code = ends_well(c, d, load64(d, LEXEME) & 1, at)
    if code != VAGUE:
        return code
    if load64(d, BASE) >= 0:
        code = ends_before(c, d, at)
        if code != VAGUE:
            return code
    look_at(c, LOOKED_ALL)
    node = node_of(c, d)
    return ASK if node < 0 else told(c, node, LIVE_KEY, 0, Q_LIVE)
