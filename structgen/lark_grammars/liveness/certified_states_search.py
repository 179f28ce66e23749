"""The compiled search for sure states (`certified_states`): what plans come to, and what may lie below
them."""

from __future__ import annotations

import numba as nb

from structgen.lark_grammars.compiled.registers import (
    BARRED,
    CLEAN,
    CLEAN_BARE,
    CLEAN_PENDING,
    CLEAN_UNKNOWN,
    SOILED,
    SURE_APART,
    SURE_BARE,
    SURE_LINE,
)
from structgen.native.jit import entry, jit
from structgen.native.raw_memory import load8, load32, load64, store8, store32, store64

(
    S_STATES,
    S_TERMINALS,
    S_NONTERMINALS,
    S_RULES,
    S_START,
    S_END,
    S_NEWLINE,
    S_INDENT,
    S_DEDENT,
    S_ACTIONS,
    S_GOTOS,
    S_CONTEXTS,
    S_IGNORED,
    S_ORIGINS,
    S_RULE_BEGINS,
    S_SYMBOLS,
    S_ROOTS,
    S_KERNEL_BEGINS,
    S_KERNELS,
    S_PLAN_RULES,
    S_PLAN_DOTS,
    S_PLAN_LAST,
    S_PLAN_BEGINS,
    S_PLANS,
    S_CLEAN,
    S_NOTED,
    S_NOTES,
    S_SUMS,
    S_UNEVEN,
    S_LOOSE,
    S_KNOWN,
    S_TORN,
    S_NEW,
    S_PARTS,
    S_LEAD_BEGINS,
    S_LEADS,
    S_BARRED,
    S_BARRING,
    S_MET,
    S_MARK,
    S_MARKS,
    S_LIST,
    S_OTHER,
    S_AFTER,
    S_NEXT,
    S_FOLLOW,
    S_NOTHING,
    S_PAIRS,
    S_QUEUE,
    S_INSIDE,
    S_BELOWS,
    S_MODES,
    S_BAD,
    S_STACK,
    S_COPY,
    S_FOUND,
    S_WORDS,
) = range(57)
"""ACTIONS, GOTOS, CONTEXTS: of the tables (int32). IGNORED: uint8 of each terminal. ORIGINS: int32 of each
rule; its symbols from RULE_BEGINS on in SYMBOLS; ROOTS: uint8, is its origin the whole text's? KERNELS:
int32, a rule and a dot each, of a state from KERNEL_BEGINS on. PLAN_RULES, PLAN_DOTS: int32 of each state,
PLAN_LAST: uint8, is its rule the whole text's? Its terminals from PLAN_BEGINS on in PLANS. CLEAN:
uint8[contexts, terminals]. NOTED: how many are asked for, NOTES: int32[MOST_NOTES, 2]. SUMS: int32 of each
terminal, then of each nonterminal, how many more brackets it opens than it closes. UNEVEN: uint8 of each
rule: IS_UNEVEN, ... LOOSE, KNOWN, TORN, NEW, PARTS: uint8 of each nonterminal. LEADS: int32, of a state from
LEAD_BEGINS on, those from which a symbol leads to it. BARRED, BARRING, MET: uint8 of each state. MARK: the
last mark, MARKS: int32 of each state. LIST, OTHER: int32 of each state. AFTER: bits of states of each state;
NEXT: bits of terminals of each state; FOLLOW, NOTHING: bits of terminals. PAIRS: int32 of each state and
nonterminal, marks; QUEUE: as many, int32. INSIDE: bits of states; BELOWS: bits of states of each state.
MODES: int32[states, MOST_MODES]. BAD: bits of states, for each mode. STACK, COPY: int32[DEEPEST]. FOUND:
uint8 of each state."""
IS_UNEVEN, IS_UNEQUAL = 1, 2
"""Rules whose brackets, and whose blocks (or brackets), do not add up to one number."""
PLAIN, LINE, DEEPER, LESS, ENDING, MOST_MODES = range(6)
"""What a plan has come to: a lexeme that is no line's end; the indenter's newline; that with more, and with
less indentation; the end of a block, with no newline before it, as at the text's end."""
MOST_NOTES = 1 << 12
DEEPEST = 1 << 12


@jit
def has_bit(bits, one):
    return load64(bits, one >> 6) >> (one & 63) & 1 != 0


@jit
def add_bit(bits, one):
    store64(bits, one >> 6, load64(bits, one >> 6) | nb.int64(1) << (one & 63))


@jit
def words_of(count):
    """Return how many words have so many bits."""
    return (count + 63) >> 6


@jit
def goto_of(s, state, nonterminal):
    return load32(load64(s, S_GOTOS), load64(s, S_NONTERMINALS) * state + nonterminal)


@jit
def action_of(s, state, terminal):
    return load32(load64(s, S_ACTIONS), load64(s, S_TERMINALS) * state + terminal)


# --- brackets and blocks ------------------------------------------------------------------------------------


@jit
def sum_of(s, sums, rule):
    """Return whether what a rule's symbols add up to is known, and that."""
    begins, symbols = load64(s, S_RULE_BEGINS), load64(s, S_SYMBOLS)
    total = nb.int64(0)
    for i in range(load32(begins, rule), load32(begins, rule + 1)):
        symbol = load32(symbols, i)
        at = symbol
        if symbol < 0:
            one = -1 - symbol
            if load8(load64(s, S_LOOSE), one) != 0 or load8(load64(s, S_KNOWN), one) == 0:
                return False, nb.int64(0)
            at = load64(s, S_TERMINALS) + one
        total += load32(sums, at)
    return True, total


@jit
def has_torn_parts(s, nonterminal):
    """Return whether a nonterminal is made of others that are torn."""
    parts, begins = load64(s, S_PARTS), load64(s, S_RULE_BEGINS)
    for one in range(load64(s, S_NONTERMINALS)):
        store8(parts, one, 0)
    store8(parts, nonterminal, 1)
    changed = True
    while changed:
        changed = False
        for rule in range(load64(s, S_RULES)):
            if load8(parts, load32(load64(s, S_ORIGINS), rule)) == 0:
                continue
            for i in range(load32(begins, rule), load32(begins, rule + 1)):
                one = -1 - load32(load64(s, S_SYMBOLS), i)
                if one >= 0 and load8(parts, one) == 0:
                    store8(parts, one, 1)
                    changed = True
    for one in range(load64(s, S_NONTERMINALS)):
        if one != nonterminal and load8(parts, one) != 0 and load8(load64(s, S_TORN), one) != 0:
            return True
    return False


@jit
def add_up(s, sums):
    """Find what nonterminals add up to; return whether some that are not loose have rules that add up to
    different numbers."""
    known, torn, loose = load64(s, S_KNOWN), load64(s, S_TORN), load64(s, S_LOOSE)
    count, terminals = load64(s, S_NONTERMINALS), load64(s, S_TERMINALS)
    for one in range(count):
        store8(known, one, 0)
        store8(torn, one, 0)
        store32(sums, terminals + one, 0)
    changed = True
    while changed:
        changed = False
        for rule in range(load64(s, S_RULES)):
            certain, total = sum_of(s, sums, rule)
            if not certain:
                continue
            one = load32(load64(s, S_ORIGINS), rule)
            if load8(known, one) == 0:
                store8(known, one, 1)
                store32(sums, terminals + one, total)
                changed = True
            elif load32(sums, terminals + one) != total:
                store8(torn, one, 1)
    found = False
    for one in range(count):
        if load8(loose, one) != 0:
            store8(torn, one, 0)
        found = found or load8(torn, one) != 0
    return found


@entry("void(int64, int64, int64)")
def balance(s, sums, flag):
    """Find what each nonterminal adds up to by the sums of the terminals; put a flag to the rules in UNEVEN
    that have no such sum."""
    torn, loose, new, count = (
        load64(s, S_TORN),
        load64(s, S_LOOSE),
        load64(s, S_NEW),
        load64(s, S_NONTERMINALS),
    )
    for one in range(count):
        store8(loose, one, 0)
    while add_up(s, sums):
        # what is made of others that are torn may be so by them alone
        apart = False
        for one in range(count):
            store8(new, one, 1 if load8(torn, one) != 0 and not has_torn_parts(s, one) else 0)
            apart = apart or load8(new, one) != 0
        for one in range(count):
            if load8(new if apart else torn, one) != 0:
                store8(loose, one, 1)
    uneven = load64(s, S_UNEVEN)
    for rule in range(load64(s, S_RULES)):
        certain, total = sum_of(s, sums, rule)
        bad = not certain or load8(loose, load32(load64(s, S_ORIGINS), rule)) != 0
        if bad or (load8(load64(s, S_ROOTS), rule) != 0 and total != 0):
            store8(uneven, rule, load8(uneven, rule) | flag)


@jit
def total_of(s, symbols, first, last):
    """Return how many more brackets some symbols open than they close."""
    sums, total = load64(s, S_SUMS), nb.int64(0)
    for i in range(first, last):
        symbol = load32(symbols, i)
        total += load32(sums, symbol if symbol >= 0 else load64(s, S_TERMINALS) - 1 - symbol)
    return total


# --- what lies below ----------------------------------------------------------------------------------------


@entry("void(int64)")
def put_leads(s):
    """Find for all states those from which a symbol leads to them."""
    count, begins, leads = load64(s, S_STATES), load64(s, S_LEAD_BEGINS), load64(s, S_LEADS)
    for filling in range(2):
        for state in range(count):
            for terminal in range(load64(s, S_TERMINALS)):
                target = action_of(s, state, terminal) - 1
                if target >= 0:
                    place = load32(begins, target + 1)
                    store32(begins, target + 1, place + 1)
                    if filling == 1:
                        store32(leads, place, state)
            for nonterminal in range(load64(s, S_NONTERMINALS)):
                target = goto_of(s, state, nonterminal)
                if target >= 0:
                    place = load32(begins, target + 1)
                    store32(begins, target + 1, place + 1)
                    if filling == 1:
                        store32(leads, place, state)
        if filling == 0:
            # each target fills from where those before it end; its own end is there when it is full
            total = nb.int64(0)
            for target in range(count):
                size = load32(begins, target + 1)
                store32(begins, target + 1, total)
                total += size


@jit
def reach(s):
    """Find the states that the first one leads to, none through barred ones."""
    met, barred, queue = load64(s, S_MET), load64(s, S_BARRED), load64(s, S_LIST)
    for state in range(load64(s, S_STATES)):
        store8(met, state, 0)
    store8(met, load64(s, S_START), 1)
    store32(queue, 0, load64(s, S_START))
    at, size = nb.int64(0), nb.int64(1)
    while at < size:
        state = load32(queue, at)
        at += 1
        for i in range(load64(s, S_TERMINALS) + load64(s, S_NONTERMINALS)):
            if i < load64(s, S_TERMINALS):
                target = action_of(s, state, i) - 1
            else:
                target = goto_of(s, state, i - load64(s, S_TERMINALS))
            if target >= 0 and load8(met, target) == 0 and load8(barred, target) == 0:
                store8(met, target, 1)
                store32(queue, size, target)
                size += 1


@jit
def below(s, state, dot):
    """Return where the states are that may lie under so many symbols, and how many."""
    here, other, count = load64(s, S_LIST), load64(s, S_OTHER), nb.int64(1)
    begins, leads, met = load64(s, S_LEAD_BEGINS), load64(s, S_LEADS), load64(s, S_MET)
    marks, barred = load64(s, S_MARKS), load64(s, S_BARRED)
    store32(here, 0, state)
    for _ in range(dot):
        mark = load64(s, S_MARK) + 1
        store64(s, S_MARK, mark)
        found = nb.int64(0)
        for i in range(count):
            one = load32(here, i)
            if load8(barred, one) != 0:
                continue
            for j in range(load32(begins, one), load32(begins, one + 1)):
                source = load32(leads, j)
                if load8(met, source) != 0 and load32(marks, source) != mark:
                    store32(marks, source, mark)
                    store32(other, found, source)
                    found += 1
        here, other, count = other, here, found
    return here, count


@jit
def put_afters(s):
    """Find the states that the rules of plans may lead to, whatever lies below."""
    width = words_of(load64(s, S_STATES))
    for state in range(load64(s, S_STATES)):
        bits = load64(s, S_AFTER) + 8 * width * state
        for w in range(width):
            store64(bits, w, 0)
        if load8(load64(s, S_PLAN_LAST), state) != 0:
            continue
        origin = load32(load64(s, S_ORIGINS), load32(load64(s, S_PLAN_RULES), state))
        found, count = below(s, state, load32(load64(s, S_PLAN_DOTS), state))
        for i in range(count):
            target = goto_of(s, load32(found, i), origin)
            if target >= 0:
                add_bit(bits, target)


@jit
def put_nexts(s):
    """Find the terminals that plans may begin with in each state."""
    count, width = load64(s, S_STATES), words_of(load64(s, S_TERMINALS))
    states, begins = words_of(count), load64(s, S_PLAN_BEGINS)
    for state in range(count):
        bits = load64(s, S_NEXT) + 8 * width * state
        for w in range(width):
            store64(bits, w, 0)
        if load32(begins, state) != load32(begins, state + 1):
            add_bit(bits, load32(load64(s, S_PLANS), load32(begins, state)))
        elif load8(load64(s, S_PLAN_LAST), state) != 0:
            add_bit(bits, nb.int64(0))
    changed = True
    while changed:
        changed = False
        for state in range(count):
            if load32(begins, state) == load32(begins, state + 1):
                bits = load64(s, S_NEXT) + 8 * width * state
                if join_nexts(s, state, bits, states, width):
                    changed = True


@jit
def join_nexts(s, state, bits, states, width):
    """Add to some terminals those that come next behind the rule of a state's plan; return whether there were
    more."""
    after, changed = load64(s, S_AFTER) + 8 * states * state, False
    for w in range(states):
        left, one = load64(after, w), 64 * w
        while left != 0:
            if left & 1:
                others = load64(s, S_NEXT) + 8 * width * one
                for v in range(width):
                    more = load64(bits, v) | load64(others, v)
                    if more != load64(bits, v):
                        store64(bits, v, more)
                        changed = True
            left = nb.int64(nb.uint64(left) >> nb.uint64(1))
            one += 1
    return changed


@jit
def follow_exactly(s, state, bits):
    """Find the terminals that come next behind the rule of a state's plan, by the states below and what is
    read there."""
    count, width = load64(s, S_NONTERMINALS), words_of(load64(s, S_TERMINALS))
    marks, queue, begins = load64(s, S_PAIRS), load64(s, S_QUEUE), load64(s, S_PLAN_BEGINS)
    mark = load64(s, S_MARK) + 1
    store64(s, S_MARK, mark)
    for w in range(width):
        store64(bits, w, 0)
    here, dot, at, size = state, load32(load64(s, S_PLAN_DOTS), state), nb.int64(0), nb.int64(0)
    while True:
        # the rule of `here` ends: `dot` symbols under what lies there
        rule = load32(load64(s, S_PLAN_RULES), here)
        origin = load32(load64(s, S_ORIGINS), rule)
        base = here if at == 0 else load32(queue, at - 1) // count
        found, many = below(s, base, dot)
        for i in range(many):
            pair = load32(found, i) * count + origin
            if load32(marks, pair) != mark:
                store32(marks, pair, mark)
                store32(queue, size, pair)
                size += 1
        here = nb.int64(-1)
        while at < size and here < 0:
            pair = load32(queue, at)
            at += 1
            target = goto_of(s, pair // count, pair % count)
            if target < 0:
                continue
            if load32(begins, target) != load32(begins, target + 1):
                add_bit(bits, load32(load64(s, S_PLANS), load32(begins, target)))
            elif load8(load64(s, S_PLAN_LAST), target) != 0:
                add_bit(bits, nb.int64(0))
            else:
                here, dot = target, load32(load64(s, S_PLAN_DOTS), target) - 1
        if here < 0:
            return


# --- plans --------------------------------------------------------------------------------------------------


@jit
def reduced(s, stack, size, action):
    """Reduce on a stack; return its size, -1 where that looks below it."""
    rule = -1 - action
    begins = load64(s, S_RULE_BEGINS)
    size -= load32(begins, rule + 1) - load32(begins, rule)
    if size <= 0 or size >= DEEPEST:
        return nb.int64(-1)
    target = goto_of(s, load32(stack, size - 1), load32(load64(s, S_ORIGINS), rule))
    store32(stack, size, target)
    return size + 1 if target >= 0 else nb.int64(-1)


@jit
def fed(s, state, stack):
    """Write the stack from a state on behind its plan's terminals; return its size, -1 where the parser
    refuses one or looks below."""
    begins = load64(s, S_PLAN_BEGINS)
    store32(stack, 0, state)
    size = nb.int64(1)
    for i in range(load32(begins, state), load32(begins, state + 1)):
        size = shifted(s, stack, size, load32(load64(s, S_PLANS), i))
        if size < 0:
            break
    return size


@jit
def shifted(s, stack, size, terminal):
    """Feed a terminal; return the size of the stack, -1 where the parser refuses it or looks below."""
    while True:
        action = action_of(s, load32(stack, size - 1), terminal)
        if action < 0:
            size = reduced(s, stack, size, action)
        if action == 0 or size < 0 or size >= DEEPEST:
            return nb.int64(-1)
        if action > 0:
            store32(stack, size, action - 1)
            return size + 1


@jit
def ends(s, state, stack, size, terminal):
    """Return whether the rule of a state's plan, which has led to a stack, ends before a terminal."""
    copy, begins = load64(s, S_COPY), load64(s, S_RULE_BEGINS)
    for i in range(size):
        store32(copy, i, load32(stack, i))
    rule, last = load32(load64(s, S_PLAN_RULES), state), load8(load64(s, S_PLAN_LAST), state) != 0
    left = load32(begins, rule + 1) - load32(begins, rule) - load32(load64(s, S_PLAN_DOTS), state)
    while not (last and load32(copy, size - 1) == load64(s, S_END)):
        action = action_of(s, load32(copy, size - 1), terminal)
        if action >= 0:
            return False
        if not last and -1 - action == rule and size - 1 == left:
            return True
        size = reduced(s, copy, size, action)
        if size < 0:
            return False
    return True


@jit
def all_end(s, state, stack, size, bits):
    """Return whether the rule of a state's plan ends before each of some terminals."""
    for terminal in range(load64(s, S_TERMINALS)):
        if has_bit(bits, terminal) and not ends(s, state, stack, size, terminal):
            return False
    return True


@jit
def has_followers(s, state):
    """Find the terminals that come next behind the rule of a state's plan (FOLLOW); return whether the parser
    surely comes there."""
    bits, stack = load64(s, S_FOLLOW), load64(s, S_STACK)
    size = fed(s, state, stack)
    if size < 0 or load8(load64(s, S_UNEVEN), load32(load64(s, S_PLAN_RULES), state)) & IS_UNEQUAL:
        return False
    width = words_of(load64(s, S_TERMINALS))
    for w in range(width):
        store64(bits, w, 0)
    if load8(load64(s, S_PLAN_LAST), state) != 0:
        add_bit(bits, nb.int64(0))
        return all_end(s, state, stack, size, bits)
    join_nexts(s, state, bits, words_of(load64(s, S_STATES)), width)
    if all_end(s, state, stack, size, bits):
        return True
    # more than come next: states that are reached from other states, too, lead there
    follow_exactly(s, state, bits)
    return all_end(s, state, stack, size, bits)


@jit
def clean_of(s, context, terminal):
    """Return what is known of a terminal in a context; where it is asked for, the best."""
    at = load64(s, S_TERMINALS) * context + terminal
    clean = load8(load64(s, S_CLEAN), at)
    if clean != CLEAN_UNKNOWN:
        return nb.int64(CLEAN_BARE) if clean == CLEAN_PENDING else clean
    noted = load64(s, S_NOTED)
    if noted < MOST_NOTES:
        store8(load64(s, S_CLEAN), at, CLEAN_PENDING)
        store32(load64(s, S_NOTES), 2 * noted, context)
        store32(load64(s, S_NOTES), 2 * noted + 1, terminal)
        store64(s, S_NOTED, noted + 1)
    return nb.int64(CLEAN_BARE)


@jit
def turned(s, mode, terminal):
    """Return what a plan has come to with a terminal, -1 where it cannot stand there."""
    if load64(s, S_NEWLINE) < 0:
        return nb.int64(PLAIN)
    if terminal == load64(s, S_INDENT):
        return nb.int64(DEEPER if mode == LINE else -1)
    if terminal == load64(s, S_DEDENT):
        if mode == PLAIN or mode == ENDING:
            return nb.int64(ENDING)
        return nb.int64(LESS if mode == LINE or mode == LESS else -1)
    if mode == ENDING:
        return nb.int64(-1)
    return nb.int64(LINE if terminal == load64(s, S_NEWLINE) else PLAIN)


@jit
def may_come(s, mode, context, terminal):
    """Return whether the lexer tells a terminal in a context, behind what a plan has come to."""
    if load8(load64(s, S_IGNORED), terminal) != 0:
        return False
    dedent = terminal == load64(s, S_DEDENT)
    if mode == ENDING:
        return terminal == 0 or dedent
    if load64(s, S_NEWLINE) >= 0 and (dedent or terminal == load64(s, S_INDENT)):
        if mode == PLAIN:
            return dedent and clean_of(s, context, nb.int64(0)) != SOILED
        return turned(s, mode, terminal) >= 0
    clean = clean_of(s, context, terminal)
    if terminal == 0:
        return clean != SOILED
    return clean == CLEAN_BARE or (clean == CLEAN and mode == PLAIN)


@jit
def all_may_come(s, mode, context, bits):
    for terminal in range(load64(s, S_TERMINALS)):
        if has_bit(bits, terminal) and not may_come(s, mode, context, terminal):
            return False
    return True


@jit
def mode_after(s, state, before, follow, outside):
    """Return what the plan of a state comes to, -1 where the lexer may read it otherwise. What its first
    terminal begins with was seen to by whoever came here. `outside`: its rule began outside brackets."""
    begins, stack = load64(s, S_PLAN_BEGINS), load64(s, S_COPY)
    first, last = load32(begins, state), load32(begins, state + 1)
    if first == last:
        return before
    plans, mode, context = load64(s, S_PLANS), before, nb.int64(-1)
    rule_begin = load32(load64(s, S_RULE_BEGINS), load32(load64(s, S_PLAN_RULES), state))
    dot = load32(load64(s, S_PLAN_DOTS), state)
    store32(stack, 0, state)
    size = nb.int64(1)
    for i in range(first, last):
        terminal = load32(plans, i)
        if i > first and not may_come(s, mode, context, terminal):
            return nb.int64(-1)
        if load8(load64(s, S_IGNORED), terminal) != 0:
            return nb.int64(-1)
        mode_now = turned(s, mode, terminal)
        if mode_now < 0:
            return nb.int64(-1)
        if terminal == load64(s, S_NEWLINE):
            total = total_of(s, load64(s, S_SYMBOLS), rule_begin, rule_begin + dot)
            if not outside or total + total_of(s, plans, first, i) != 0:
                return nb.int64(-1)
        mode = mode_now
        size = shifted(s, stack, size, terminal)
        if size < 0:
            return nb.int64(-1)
        context = load32(load64(s, S_CONTEXTS), load32(stack, size - 1))
    return mode if all_may_come(s, mode, context, follow) else nb.int64(-1)


@jit
def fails(s, state):
    """Return whether a state's plan fails whatever is around its rule."""
    if load8(load64(s, S_UNEVEN), load32(load64(s, S_PLAN_RULES), state)) & IS_UNEQUAL:
        return True
    if fed(s, state, load64(s, S_STACK)) < 0:
        return True
    for mode in range(MOST_MODES):
        if mode_after(s, state, nb.int64(mode), load64(s, S_NOTHING), True) >= 0:
            return False
    return True


@jit
def bar(s):
    """Bar the states behind the first terminals of the rules whose plans fail whatever is around them. Only
    what is in the midst of such a rule has one below it."""
    for state in range(load64(s, S_STATES)):
        dot = load32(load64(s, S_PLAN_DOTS), state)
        begin = load32(load64(s, S_RULE_BEGINS), load32(load64(s, S_PLAN_RULES), state))
        if dot and load32(load64(s, S_SYMBOLS), begin) >= 0 and fails(s, state):
            found, count = below(s, state, dot - 1)
            for i in range(count):
                store8(load64(s, S_BARRING), load32(found, i), 1)
    for state in range(load64(s, S_STATES)):
        store8(load64(s, S_BARRED), state, load8(load64(s, S_BARRING), state))


@jit
def put_inside(s):
    """Find the states that may stand inside brackets: where their items began outside, as they do."""
    count, width = load64(s, S_STATES), words_of(load64(s, S_STATES))
    inside, begins = load64(s, S_INSIDE), load64(s, S_KERNEL_BEGINS)
    for w in range(width):
        store64(inside, w, 0)
    if load64(s, S_NEWLINE) < 0:
        return
    for state in range(count):
        bits = load64(s, S_BELOWS) + 8 * width * state
        for w in range(width):
            store64(bits, w, 0)
        for i in range(load32(begins, state), load32(begins, state + 1), 2):
            rule, dot = load32(load64(s, S_KERNELS), i), load32(load64(s, S_KERNELS), i + 1)
            begin = load32(load64(s, S_RULE_BEGINS), rule)
            uneven = load8(load64(s, S_UNEVEN), rule) & IS_UNEVEN
            if uneven or total_of(s, load64(s, S_SYMBOLS), begin, begin + dot) != 0:
                add_bit(inside, state)
            elif dot:
                found, many = below(s, state, dot)
                for j in range(many):
                    add_bit(bits, load32(found, j))
    changed = True
    while changed:
        changed = False
        for state in range(count):
            if not has_bit(inside, state) and meets(load64(s, S_BELOWS) + 8 * width * state, inside, width):
                add_bit(inside, state)
                changed = True


@jit
def meets(bits, others, width):
    for w in range(width):
        if load64(bits, w) & load64(others, w) != 0:
            return True
    return False


@jit
def put_circling(s):
    """Put the states among the bad ones whose plans may lead from one to the next and never lower."""
    count, marks, path = load64(s, S_STATES), load64(s, S_MARKS), load64(s, S_LIST)
    dots, last = load64(s, S_PLAN_DOTS), load64(s, S_PLAN_LAST)
    for row in range(count):
        for nonterminal in range(load64(s, S_NONTERMINALS)):
            here = goto_of(s, row, nonterminal)
            if here < 0 or load32(dots, here) != 1:
                continue
            mark, size = load64(s, S_MARK) + 1, nb.int64(0)
            store64(s, S_MARK, mark)
            while here >= 0 and load32(marks, here) != mark:
                store32(marks, here, mark)
                store32(path, size, here)
                size += 1
                if load8(last, here) != 0 or load32(dots, here) != 1:
                    here = nb.int64(-1)
                else:
                    rule = load32(load64(s, S_PLAN_RULES), here)
                    here = goto_of(s, row, load32(load64(s, S_ORIGINS), rule))
            if here >= 0:
                for i in range(size):
                    put_bad(s, load32(path, i))
    # a rule of which nothing was read begins where it ends
    for state in range(count):
        if load32(dots, state) == 0 and load8(last, state) == 0:
            put_bad(s, state)


@jit
def put_bad(s, state):
    width = words_of(load64(s, S_STATES))
    for mode in range(MOST_MODES):
        add_bit(load64(s, S_BAD) + 8 * width * mode, state)


@jit
def put_ill(s):
    """Find the states, for each mode before their plans, whose plans may fail, or meet such."""
    count, width = load64(s, S_STATES), words_of(load64(s, S_STATES))
    bad, modes = load64(s, S_BAD), load64(s, S_MODES)
    for w in range(MOST_MODES * width):
        store64(bad, w, 0)
    put_circling(s)
    for state in range(count):
        known = has_followers(s, state)
        outside = True
        found, many = below(s, state, load32(load64(s, S_PLAN_DOTS), state))
        for i in range(many):
            if has_bit(load64(s, S_INSIDE), load32(found, i)):
                outside = False
        for mode in range(MOST_MODES):
            after = nb.int64(-1)
            if known:
                after = mode_after(s, state, nb.int64(mode), load64(s, S_FOLLOW), outside)
            store32(modes, MOST_MODES * state + mode, after)
            if after < 0:
                add_bit(bad + 8 * width * mode, state)
    changed = True
    while changed:
        changed = False
        for state in range(count):
            afters = load64(s, S_AFTER) + 8 * width * state
            for mode in range(MOST_MODES):
                own = bad + 8 * width * mode
                after = load32(modes, MOST_MODES * state + mode)
                if not has_bit(own, state) and meets(afters, bad + 8 * width * after, width):
                    add_bit(own, state)
                    changed = True


@jit
def is_led_to(s, state):
    """Return whether a symbol leads to a state."""
    if load8(load64(s, S_BARRED), state) != 0:
        return False
    begins = load64(s, S_LEAD_BEGINS)
    for i in range(load32(begins, state), load32(begins, state + 1)):
        if load8(load64(s, S_MET), load32(load64(s, S_LEADS), i)) != 0:
            return True
    return False


@jit
def flags_of(s, state):
    """Return what holds of a state."""
    width, nexts = words_of(load64(s, S_STATES)), words_of(load64(s, S_TERMINALS))
    context, bits = load32(load64(s, S_CONTEXTS), state), load64(s, S_NEXT) + 8 * nexts * state
    flags = nb.int64(0)
    if not has_bit(load64(s, S_BAD) + 8 * width * PLAIN, state):
        if all_may_come(s, nb.int64(PLAIN), context, bits):
            flags |= SURE_APART
    if not has_bit(load64(s, S_BAD) + 8 * width * LINE, state):
        if all_may_come(s, nb.int64(LINE), context, bits):
            flags |= SURE_LINE
    if flags & SURE_APART:
        for terminal in range(load64(s, S_TERMINALS)):
            # where a newline ends a line, no bracket is open
            inside = has_bit(bits, terminal) and terminal != load64(s, S_NEWLINE)
            if inside and clean_of(s, context, terminal) != CLEAN_BARE:
                return flags
        flags |= SURE_BARE
    return flags


@entry("int64(int64)")
def find_sure(s):
    """Find what is sure of all states (FOUND). Returns how much is asked for: what was found then is more
    than is sure."""
    count = load64(s, S_STATES)
    for state in range(count):
        store8(load64(s, S_BARRED), state, 0)
        store8(load64(s, S_BARRING), state, 0)
    reach(s)
    bar(s)
    if load64(s, S_NOTED) != 0:
        return load64(s, S_NOTED)
    reach(s)
    put_afters(s)
    put_nexts(s)
    put_inside(s)
    put_ill(s)
    if load64(s, S_NOTED) != 0:
        return load64(s, S_NOTED)
    for state in range(count):
        flags = nb.int64(BARRED if load8(load64(s, S_BARRED), state) != 0 else 0)
        if state == load64(s, S_START) or is_led_to(s, state):
            flags |= flags_of(s, state)
        store8(load64(s, S_FOUND), state, flags)
    return load64(s, S_NOTED)
