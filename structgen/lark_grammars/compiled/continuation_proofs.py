"""Can a text be completed from here? Proofs that compiled code finds without Python.

A proof follows a plan: the terminals that the rules under way still need, the cheapest first, each as its
shortest lexeme between two separators (`SEPARABLE`). It ends at a place that was proved before, or at the
text's end. If compiled code finds no proof, it asks Python (`lark_grammars.liveness.oracle`).
"""

from __future__ import annotations

from structgen.lark_grammars.compiled.lark_step import (
    answered,
    ask,
    below_of,
    feed,
    inspect_part,
    peek,
    place_number,
    popped,
    push,
    read_terminal,
    state_number,
    top_after,
    top_of,
    unit_at,
    unit_key,
)
from structgen.lark_grammars.compiled.registers import (
    ANY_LINE,
    BARE_SHIFT,
    CERTIFIED_BARE,
    CERTIFIED_LINE,
    CERTIFIED_SEPARATED,
    ENDS_NOT,
    EXCLUDED_SHIFT,
    EXCLUDING,
    IGNORED,
    INSEPARABLE,
    INSPECTED_ALL,
    INSPECTED_BRACKETS,
    KIND_BITS,
    LAST_RULE,
    LINE_SHIFT,
    LIVE_KEY,
    MOST_PROVED,
    MOST_TRAIL,
    MOVE_ON,
    OLD_PARTED,
    OPEN,
    OPEN_BITS,
    OPEN_PENDING,
    OPEN_UNKNOWN,
    PENDING,
    PLAIN_AT,
    PLAIN_SHIFT,
    Q_ENDINGS,
    Q_LIVE,
    Q_OPEN,
    Q_PLAN,
    Q_SEPARABLE,
    Q_YIELDS,
    SEPARABLE,
    SEPARABLE_PENDING,
    SEPARABLE_UNKNOWN,
    SEPARATED,
    SHUT,
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
def flag_of(c: LarkContext, place: int, shift: int) -> int:
    """Return the flag of a place at `shift`: OPEN_UNKNOWN, OPEN, SHUT or OPEN_PENDING."""
    return (c.place_flags[place] >> shift) & OPEN_BITS


@jit
def put_flag(c: LarkContext, place: int, shift: int, value: int) -> None:
    """Set the flag of a place at `shift`."""
    flags = c.place_flags
    flags[place] = (flags[place] & ~(OPEN_BITS << shift)) | (value << shift)


@jit
def plain_of(c: LarkContext, place: int) -> int:
    """Return the *plain* place with the same stack and brackets, whose indentations are one column each; or
    ASKED."""
    found = c.place_flags[place] >> PLAIN_AT
    if found != 0:
        return found - 1
    row = c.places[place]
    stack, brackets, widths = row.stack, row.brackets, row.widths
    depth = 0
    while below_of(c, widths) >= 0:
        widths = below_of(c, widths)
        depth += 1
    plain = push(c, -1, -1)
    for column in range(1, depth + 1):
        if plain >= 0:
            plain = push(c, -1 - column, plain)
    found = place_number(c, stack, plain, brackets) if plain >= 0 else plain
    if found >= 0:
        flags = c.place_flags
        flags[place] = flags[place] | (found + 1) << PLAIN_AT
    return found


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
def separability_of(c: LarkContext, place: int, terminal: int) -> int:
    """Return the separability of a terminal's lexeme at a place, or SEPARABLE_PENDING with a question
    noted."""
    k = c.tables
    context = k.contexts[peek(c, stack_of(c, place))]
    at = context * k.terminal_count + terminal
    known = k.separability[at]
    if known == SEPARABLE_UNKNOWN:
        if ask(c, Q_SEPARABLE, context, terminal):
            k.separability[at] = SEPARABLE_PENDING
        return SEPARABLE_PENDING
    return known


@jit
def break_line(c: LarkContext, place: int, dedents: int, indent: int) -> int:
    """Return the place after the indenter's newline that closes `dedents` blocks, or opens one of `indent`
    columns."""
    widths = c.places[place].widths
    for _ in range(dedents):
        if below_of(c, widths) >= 0:
            widths = below_of(c, widths)
    column = -1 - peek(c, widths)
    return read_terminal(c, place, c.tables.newline, column + indent)


@jit
def plan_of(c: LarkContext, top: int) -> int:
    """Return the position of a parser state's plan in `plan_lists`, or ASKED."""
    k = c.tables
    plan = k.plans[top]
    if plan == UNKNOWN and ask(c, Q_PLAN, top, 0):
        k.plans[top] = PENDING
    return plan if plan >= 0 else ASKED


@jit
def plan_units(c: LarkContext, top: int, state: int) -> int:
    """Return the top over a state after all unit reductions that need no terminal, or ASKED."""
    k = c.tables
    key = unit_key(top, state, k.terminal_count)
    unit = unit_at(k, key)
    if unit.key == key:
        return unit.top
    for _ in range(MOST_PROVED):
        at = plan_of(c, top)
        if at == ASKED:
            return ASKED
        words = skip(k.plan_lists, at)
        rule = words[0]
        if words[1] != 1 or words[2] != 0 or rule >= LAST_RULE:
            break
        goto = state * k.nonterminal_count + k.rule_origins[rule]
        top = k.gotos[goto]
    unit.key = key
    unit.top = top
    return top


@jit
def prove(c: LarkContext, place: int, bare: int, plain: int) -> int:
    """Return YES if a completion from a place is found, beginning with the separator (or, with `bare`, with a
    lexeme right after the indenter's newline); NO if this search finds none; ASK. `plain`: PLAIN_SHIFT if the
    place is plain and only plans may prove it, else 0."""
    k = c.tables
    line_break, indenting, dedenting = k.newline, k.indent, k.dedent
    here, stack = place, stack_of(c, place)
    top, below = peek(c, stack), below_of(c, stack)  # of the stack that the plan has reached
    trail = c.work.trail
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
        at = plan_of(c, top)
        if at != ASKED and k.plan_lists[at + 1] == 1 and k.plan_lists[at + 2] == 0:
            top = plan_units(c, top, peek(c, below))
            at = plan_of(c, top) if top != ASKED else ASKED
        if at == ASKED:
            return ASK
        words = skip(k.plan_lists, at)
        for i in range(words[2]):
            terminal = words[3 + i]
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
            known = separability_of(c, here, terminal)
            if known == SEPARABLE_PENDING:
                return ASK
            if known == INSEPARABLE or (
                known == SEPARABLE and (behind_line or (bare != 0 and here == place))
            ):
                return NO
            if terminal == line_break:
                line = True
                continue
            here = read_terminal(c, here, terminal, 0)
            if here < 0:
                return ASK if here == ASKED else NO
            if flag_of(c, here, plain) == OPEN:
                done = True
                break
            if found < MOST_TRAIL:
                trail[found] = here
                found += 1
        if done:
            break
        rule, dot = words[0], words[1]
        if rule >= LAST_RULE:
            if line:
                here = break_line(c, here, dedents, indent)
                if here < 0:
                    return ASK if here == ASKED else NO
            known = separability_of(c, here, 0)
            if known == SEPARABLE_PENDING:
                return ASK
            code = accepts(c, here) if known != INSEPARABLE else NO
            if code != YES:
                return code
            break
        below = popped(c, below, dot - 1)
        goto = peek(c, below) * k.nonterminal_count + k.rule_origins[rule]
        top = k.gotos[goto]
    for i in range(found):
        put_flag(c, trail[i], plain, OPEN)
    return YES


@jit
def proved(c: LarkContext, place: int, shift: int) -> int:
    """Return YES if plans prove that a plain place can be completed, NO, or ASK."""
    flag = flag_of(c, place, PLAIN_SHIFT + shift)
    if flag != OPEN_UNKNOWN:
        return YES if flag == OPEN else NO
    code = prove(c, place, shift, PLAIN_SHIFT)
    if code != ASK:
        put_flag(c, place, PLAIN_SHIFT + shift, OPEN if code == YES else SHUT)
    return code


@jit
def is_open(c: LarkContext, place: int, shift: int) -> int:
    """Return YES if a place is proved to be completable, NO, or ASK. At `shift` 0, Python decides what is not
    proved."""
    inspect_part(c, INSPECTED_ALL)
    flag = flag_of(c, place, shift)
    if flag == OPEN:
        return YES
    if flag == SHUT:
        return NO
    if flag == OPEN_PENDING:
        return ASK
    code = NO
    if c.tables.newline >= 0:
        # plans depend on whether a line is deeper or less deep, never on the width itself
        plain = plain_of(c, place)
        code = proved(c, plain, shift) if plain >= 0 else ASK
    if code == NO:
        code = prove(c, place, shift, 0)
    if code == ASK:
        return ASK
    if code == YES:
        put_flag(c, place, shift, OPEN)
        return YES
    if shift != 0:
        put_flag(c, place, shift, SHUT)
        return NO
    if ask(c, Q_OPEN, place, 0):
        put_flag(c, place, 0, OPEN_PENDING)
    return ASK


@jit
def find_line(c: LarkContext, place: int, plain: int) -> int:
    """Return YES if a completion that begins with the indenter's newline is proved, NO, or ASK; `plain` as in
    `prove`."""
    row = c.places[place]
    widths = row.widths
    if row.brackets > 0:
        return proved(c, place, BARE_SHIFT) if plain != 0 else is_open(c, place, BARE_SHIFT)
    line_break = c.tables.newline
    column = -peek(c, widths)  # one more than the innermost width
    while True:
        after = read_terminal(c, place, line_break, column)
        if after == ASKED:
            return ASK
        if after >= 0:
            code = proved(c, after, BARE_SHIFT) if plain != 0 else is_open(c, after, BARE_SHIFT)
            if code != NO:
                return code
        if widths < 0:
            return NO
        column = -1 - peek(c, widths)
        widths = below_of(c, widths)


@jit
def line_open(c: LarkContext, place: int) -> int:
    """Return YES if a completion that begins with the indenter's newline is proved, NO, or ASK; memoised."""
    inspect_part(c, INSPECTED_ALL)
    flag = flag_of(c, place, LINE_SHIFT)
    if flag != OPEN_UNKNOWN:
        return YES if flag == OPEN else NO
    plain = plain_of(c, place)
    if plain < 0:
        return ASK
    flag = flag_of(c, plain, PLAIN_SHIFT + LINE_SHIFT)
    code = YES if flag == OPEN else NO
    if flag == OPEN_UNKNOWN:
        code = find_line(c, plain, PLAIN_SHIFT)
        if code == ASK:
            return ASK
        put_flag(c, plain, PLAIN_SHIFT + LINE_SHIFT, OPEN if code == YES else SHUT)
    if code == NO:
        code = find_line(c, place, 0)
    if code != ASK:
        put_flag(c, place, LINE_SHIFT, OPEN if code == YES else SHUT)
    return code


@jit
def is_excluded(c: LarkContext, place: int) -> bool:
    """Return whether the stack of a place has an EXCLUDING state."""
    k = c.tables
    if k.has_excluding == 0:
        return False
    excluded = flag_of(c, place, EXCLUDED_SHIFT)
    if excluded == OPEN_UNKNOWN:
        stack, excluded = stack_of(c, place), OPEN
        while stack >= 0:
            if k.certified[peek(c, stack)] & EXCLUDING != 0:
                excluded = SHUT
            stack = below_of(c, stack)
        put_flag(c, place, EXCLUDED_SHIFT, excluded)
    return excluded == SHUT


@jit
def is_certified(c: LarkContext, place: int, top: int, flag: int) -> bool:
    """Return whether every stack with this state on top can be completed, also that of the place."""
    certified = c.tables.certified
    return certified[top] & flag != 0 and not is_excluded(c, place)


@jit
def closes_none(c: LarkContext, place: int, terminal: int) -> bool:
    """Return whether a terminal is a closing bracket while none is open."""
    if c.tables.brackets[terminal] != 2:
        return False
    inspect_part(c, INSPECTED_BRACKETS)
    return c.places[place].brackets == 0


@jit
def certified_after(c: LarkContext, place: int, terminal: int) -> int:
    """Return YES if the state after a terminal (not the indenter's newline) is certified to continue with the
    separator; NO if the parser refuses the terminal; VAGUE if a proof is needed."""
    k = c.tables
    if k.ignored[terminal] != 0:
        top = top_of(c, stack_of(c, place))
    else:
        top = top_after(c, stack_of(c, place), terminal)
        if top == REFUSED or closes_none(c, place, terminal):
            return NO
    return YES if top >= 0 and is_certified(c, place, top, CERTIFIED_SEPARATED) else VAGUE


@jit
def certified_at(c: LarkContext, place: int) -> bool:
    """Return whether the state on top at a place is certified to continue with the separator."""
    return is_certified(c, place, top_of(c, stack_of(c, place)), CERTIFIED_SEPARATED)


@jit
def certified_line(c: LarkContext, place: int) -> int:
    """Return YES if the state after the indenter's newline is certified, NO if the parser refuses the
    newline, VAGUE if a proof is needed."""
    k = c.tables
    inspect_part(c, INSPECTED_BRACKETS)
    if c.places[place].brackets > 0:
        return YES if is_certified(c, place, top_of(c, stack_of(c, place)), CERTIFIED_BARE) else VAGUE
    top = top_after(c, stack_of(c, place), k.newline)
    if top == REFUSED:
        return NO
    return YES if top >= 0 and is_certified(c, place, top, CERTIFIED_LINE) else VAGUE


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
    none, ASK, or VAGUE if neither is proved. `begun`: 1 if the lexeme has a byte."""
    ends = c.tables.ending_lists
    place, column = d.place, d.column
    asked = False
    for i in range(ends[at]):
        terminal = ends[at + 1 + i]
        if terminal == ANY_LINE:
            code = certified_line(c, place)
            if code == VAGUE:
                code = line_open(c, place)
        elif terminal == OLD_PARTED:
            code = NO  # `live` handles the old slot
        elif terminal == IGNORED:
            code = YES if certified_at(c, place) else is_open(c, place, 0)
        elif terminal <= SEPARATED:
            code = NO
            if separated(c, place) == SEPARATED - terminal:
                code = YES if certified_at(c, place) else is_open(c, place, 0)
        else:
            code = VAGUE
            if terminal != c.tables.newline:
                code = certified_after(c, place, terminal)
            if code == VAGUE:
                after = read_terminal(c, place, terminal, column)
                code = ASK if after == ASKED else NO
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
                place = row.place
                code = YES if certified_at(c, place) else is_open(c, place, 0)
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
