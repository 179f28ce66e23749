"""The compiled search for certified parser states (`certified_states`).

A state is certified if the completion of its item can be read whatever is below it on the stack, and leads
only to certified states. This is a greatest fixpoint: all states are assumed to be certified; states whose
completion fails, or leads to one that fails, are removed until nothing changes.

The *item* of a state is the kernel item that its shortest completion completes (`shortest_completions`). The
*balance* of a symbol is how many more brackets (or blocks) it opens than it closes.
"""

from __future__ import annotations

import numba as nb

from structgen.lark_grammars.compiled.registers import (
    CERTIFIED_BARE,
    CERTIFIED_LINE,
    CERTIFIED_SEPARATED,
    EXCLUDING,
    INSEPARABLE,
    SEPARABLE,
    SEPARABLE_BARE,
    SEPARABLE_PENDING,
    SEPARABLE_UNKNOWN,
)
from structgen.native.jit import entry, jit
from structgen.native.typed_blocks import Block, Bytes, Int32s, Int64s, skip


class Search(Block):
    """Input and output of the search. A row of bits has one bit for each state, or each terminal."""

    states: int
    terminals: int
    nonterminals: int
    rules: int
    start: int
    end: int
    newline: int
    """The indenter's terminals, -1: none."""
    indent: int
    dedent: int

    # the parser's tables
    actions: Int32s
    gotos: Int32s
    contexts: Int32s
    ignored: Bytes
    """[terminals]"""
    origins: Int32s
    """[rules]: the nonterminal of each."""
    rule_begins: Int32s
    symbols: Int32s
    """The right side of a rule, from RULE_BEGINS on."""
    roots: Bytes
    """[rules]: does the rule derive the whole text?"""
    kernel_begins: Int32s
    kernels: Int32s
    """The kernel of a state, from KERNEL_BEGINS on: a rule and a dot for each item."""

    # the completion of each state
    completed_rules: Int32s
    completed_dots: Int32s
    """[states]: its item."""
    completes_text: Bytes
    """[states]: is its rule a root?"""
    completion_begins: Int32s
    completions: Int32s
    """Its terminals, from COMPLETION_BEGINS on."""

    # questions to the lexer
    separations: Bytes
    """[contexts, terminals]: SEPARABLE and its like."""
    question_count: int
    questions: Int32s
    """[MOST_QUESTIONS, 2]: a context and a terminal."""

    # balances
    balances: Int32s
    """Of each terminal, then of each nonterminal."""
    unbalanced: Bytes
    """[rules]: flags, UNBALANCED_BRACKETS and NO_BALANCE."""
    varying: Bytes
    """[nonterminals]: whether its texts have different balances."""
    known: Bytes
    conflicting: Bytes
    added: Bytes
    parts: Bytes

    # states below others
    predecessor_begins: Int32s
    predecessors: Int32s
    """The states from which a symbol leads to a state, from PREDECESSOR_BEGINS on."""
    barred: Bytes
    to_bar: Bytes
    reached: Bytes
    mark: int
    """The last mark in MARKS or PAIR_MARKS."""
    marks: Int32s
    frontier: Int32s
    next_frontier: Int32s
    successors: Int64s
    """Rows of bits of states, by state."""
    next_terminals: Int64s
    """Rows of bits of terminals, by state."""
    followers: Int64s
    no_terminals: Int64s
    """Rows of bits of terminals; the second is empty."""
    pair_marks: Int32s
    """[states, nonterminals]"""
    pair_queue: Int32s
    inside_brackets: Int64s
    item_origins: Int64s
    """Rows of bits of states; the second is by state: where its items began."""

    # completions that fail
    modes_after: Int32s
    """[states, MOST_MODES]"""
    failing: Int64s
    """Rows of bits of states, by mode."""
    stack: Int32s
    copy: Int32s
    """[DEEPEST]"""
    found: Bytes
    """[states]: the certificates."""


UNBALANCED_BRACKETS, NO_BALANCE = 1, 2
"""Flags of rules without one balance of brackets; of brackets or blocks."""
PLAIN, LINE, DEEPER, LESS, ENDING, MOST_MODES = range(6)
"""The mode after a completion: a lexeme that is no newline; the indenter's newline; a newline with more, and
with less indentation; the end of a block without a newline before it, as at the text's end."""
MOST_QUESTIONS = 1 << 12
DEEPEST = 1 << 12
"""The capacity of a stack."""


@jit
def row_of_bits(bits: Int64s, width: int, row: int) -> Int64s:
    """Return one of several rows of bits, each of `width` words."""
    return skip(bits, width * row)


@jit
def has_bit(bits: Int64s, one: int) -> bool:
    return bits[one >> 6] >> (one & 63) & 1 != 0


@jit
def add_bit(bits: Int64s, one: int) -> None:
    bits[one >> 6] = bits[one >> 6] | 1 << (one & 63)


@jit
def bit_words(count: int) -> int:
    """Return how many words hold so many bits."""
    return (count + 63) >> 6


@jit
def goto_of(s: Search, state: int, nonterminal: int) -> int:
    return s.gotos[s.nonterminals * state + nonterminal]


@jit
def action_of(s: Search, state: int, terminal: int) -> int:
    return s.actions[s.terminals * state + terminal]


# --- brackets and blocks ------------------------------------------------------------------------------------


@jit
def balance_of(s: Search, balances: Int32s, rule: int) -> tuple[bool, int]:
    """Return whether the balance of a rule's right side is known, and the balance."""
    begins, symbols = s.rule_begins, s.symbols
    total = 0
    for i in range(begins[rule], begins[rule + 1]):
        symbol = symbols[i]
        at = symbol
        if symbol < 0:
            one = -1 - symbol
            if s.varying[one] != 0 or s.known[one] == 0:
                return False, 0
            at = s.terminals + one
        total += balances[at]
    return True, total


@jit
def has_conflicting_parts(s: Search, nonterminal: int) -> bool:
    """Return whether a nonterminal derives one with conflicting balances."""
    parts, begins = s.parts, s.rule_begins
    for one in range(s.nonterminals):
        parts[one] = 0
    parts[nonterminal] = 1
    changed = True
    while changed:
        changed = False
        for rule in range(s.rules):
            if parts[s.origins[rule]] == 0:
                continue
            for i in range(begins[rule], begins[rule + 1]):
                one = -1 - s.symbols[i]
                if one >= 0 and parts[one] == 0:
                    parts[one] = 1
                    changed = True
    for one in range(s.nonterminals):
        if one != nonterminal and parts[one] != 0 and s.conflicting[one] != 0:
            return True
    return False


@jit
def find_balances(s: Search, balances: Int32s) -> bool:
    """Compute the balances of nonterminals by fixpoint; return whether rules of one nonterminal conflict."""
    known, conflicting, varying = s.known, s.conflicting, s.varying
    count, terminals = s.nonterminals, s.terminals
    for one in range(count):
        known[one] = 0
        conflicting[one] = 0
        balances[terminals + one] = 0
    changed = True
    while changed:
        changed = False
        for rule in range(s.rules):
            certain, total = balance_of(s, balances, rule)
            if not certain:
                continue
            one = s.origins[rule]
            if known[one] == 0:
                known[one] = 1
                balances[terminals + one] = total
                changed = True
            elif balances[terminals + one] != total:
                conflicting[one] = 1
    found = False
    for one in range(count):
        if varying[one] != 0:
            conflicting[one] = 0
        found = found or conflicting[one] != 0
    return found


@entry("void(int64, int64, int64)")
def find_unbalanced_rules(search: int, balances: int, flag: int) -> None:
    """Find the balance of each nonterminal from those of the terminals; set a flag in UNBALANCED for
    the rules that have no single balance."""
    s, sums = Search(search), Int32s(balances)
    conflicting, varying, added, count = s.conflicting, s.varying, s.added, s.nonterminals
    for one in range(count):
        varying[one] = 0
    while find_balances(s, sums):
        # a nonterminal that derives a conflicting one may have a conflict only because of it
        own = False
        for one in range(count):
            added[one] = 1 if conflicting[one] != 0 and not has_conflicting_parts(s, one) else 0
            own = own or added[one] != 0
        for one in range(count):
            if (added if own else conflicting)[one] != 0:
                varying[one] = 1
    for rule in range(s.rules):
        certain, total = balance_of(s, sums, rule)
        bad = not certain or varying[s.origins[rule]] != 0
        if bad or (s.roots[rule] != 0 and total != 0):
            s.unbalanced[rule] = s.unbalanced[rule] | flag


@jit
def balance_of_symbols(s: Search, symbols: Int32s, first: int, last: int) -> int:
    """Return how many more brackets some symbols open than they close."""
    balances, total = s.balances, 0
    for i in range(first, last):
        symbol = symbols[i]
        total += balances[symbol if symbol >= 0 else s.terminals - 1 - symbol]
    return total


# --- states below others ------------------------------------------------------------------------------------


@entry("void(int64)")
def find_predecessors(search: int) -> None:
    """Find for each state the states from which a symbol leads to it."""
    s = Search(search)
    count, begins, predecessors = s.states, s.predecessor_begins, s.predecessors
    for filling in range(2):
        for state in range(count):
            for terminal in range(s.terminals):
                target = action_of(s, state, terminal) - 1
                if target >= 0:
                    place = begins[target + 1]
                    begins[target + 1] = place + 1
                    if filling == 1:
                        predecessors[place] = state
            for nonterminal in range(s.nonterminals):
                target = goto_of(s, state, nonterminal)
                if target >= 0:
                    place = begins[target + 1]
                    begins[target + 1] = place + 1
                    if filling == 1:
                        predecessors[place] = state
        if filling == 0:
            # cumulative counts: each target's list begins at the end of the one before
            total = 0
            for target in range(count):
                size = begins[target + 1]
                begins[target + 1] = total
                total += size


@jit
def find_reached(s: Search) -> None:
    """Find the states that can be reached from the start without passing a barred state."""
    reached, barred, queue = s.reached, s.barred, s.frontier
    for state in range(s.states):
        reached[state] = 0
    reached[s.start] = 1
    queue[0] = s.start
    at, size = 0, 1
    while at < size:
        state = queue[at]
        at += 1
        for i in range(s.terminals + s.nonterminals):
            count = s.terminals
            target = action_of(s, state, i) - 1 if i < count else goto_of(s, state, i - count)
            if target >= 0 and reached[target] == 0 and barred[target] == 0:
                reached[target] = 1
                queue[size] = target
                size += 1


@jit
def states_below(s: Search, state: int, dot: int) -> tuple[Int32s, int]:
    """Return the states that may be so many symbols below a state on a stack, and their number."""
    here, other, count = s.frontier, s.next_frontier, 1
    begins, predecessors, reached = s.predecessor_begins, s.predecessors, s.reached
    marks, barred = s.marks, s.barred
    here[0] = state
    for _ in range(dot):
        mark = s.mark + 1
        s.mark = mark
        found = 0
        for i in range(count):
            one = here[i]
            if barred[one] != 0:
                continue
            for j in range(begins[one], begins[one + 1]):
                source = predecessors[j]
                if reached[source] != 0 and marks[source] != mark:
                    marks[source] = mark
                    other[found] = source
                    found += 1
        here, other, count = other, here, found
    return here, count


@jit
def find_successors(s: Search) -> None:
    """Find the states to which the item of each completion may lead, whatever is below it."""
    width = bit_words(s.states)
    for state in range(s.states):
        bits = row_of_bits(s.successors, width, state)
        for w in range(width):
            bits[w] = 0
        if s.completes_text[state] != 0:
            continue
        origin = s.origins[s.completed_rules[state]]
        found, count = states_below(s, state, s.completed_dots[state])
        for i in range(count):
            target = goto_of(s, found[i], origin)
            if target >= 0:
                add_bit(bits, target)


@jit
def find_next_terminals(s: Search) -> None:
    """Find the terminals that completions may begin with in each state."""
    count, width = s.states, bit_words(s.terminals)
    states, begins = bit_words(count), s.completion_begins
    for state in range(count):
        bits = row_of_bits(s.next_terminals, width, state)
        for w in range(width):
            bits[w] = 0
        if begins[state] != begins[state + 1]:
            add_bit(bits, s.completions[begins[state]])
        elif s.completes_text[state] != 0:
            add_bit(bits, 0)
    changed = True
    while changed:
        changed = False
        for state in range(count):
            if begins[state] == begins[state + 1]:
                bits = row_of_bits(s.next_terminals, width, state)
                if join_next_terminals(s, state, bits, states, width):
                    changed = True


@jit
def join_next_terminals(s: Search, state: int, bits: Int64s, states: int, width: int) -> bool:
    """Add the terminals that may follow the item of a state's completion; return whether any were new."""
    after, changed = row_of_bits(s.successors, states, state), False
    for w in range(states):
        left, one = after[w], 64 * w
        while left != 0:
            if left & 1:
                others = row_of_bits(s.next_terminals, width, one)
                for v in range(width):
                    more = bits[v] | others[v]
                    if more != bits[v]:
                        bits[v] = more
                        changed = True
            left = nb.int64(nb.uint64(left) >> nb.uint64(1))
            one += 1
    return changed


@jit
def find_followers(s: Search, state: int, bits: Int64s) -> None:
    """Find the terminals that may follow the item of a state's completion, by a search over pairs of a state
    below and the nonterminal that is read there."""
    count, width = s.nonterminals, bit_words(s.terminals)
    marks, queue, begins = s.pair_marks, s.pair_queue, s.completion_begins
    mark = s.mark + 1
    s.mark = mark
    for w in range(width):
        bits[w] = 0
    here, dot, at, size = state, s.completed_dots[state], 0, 0
    while True:
        # the item of `here` ends; its rule began `dot` symbols below
        rule = s.completed_rules[here]
        origin = s.origins[rule]
        base = here if at == 0 else queue[at - 1] // count
        found, many = states_below(s, base, dot)
        for i in range(many):
            pair = found[i] * count + origin
            if marks[pair] != mark:
                marks[pair] = mark
                queue[size] = pair
                size += 1
        here = -1
        while at < size and here < 0:
            pair = queue[at]
            at += 1
            target = goto_of(s, pair // count, pair % count)
            if target < 0:
                continue
            if begins[target] != begins[target + 1]:
                add_bit(bits, s.completions[begins[target]])
            elif s.completes_text[target] != 0:
                add_bit(bits, 0)
            else:
                here, dot = target, s.completed_dots[target] - 1
        if here < 0:
            return


# --- completions --------------------------------------------------------------------------------------------


@jit
def reduced(s: Search, stack: Int32s, size: int, action: int) -> int:
    """Reduce on a stack; return its size, -1 if that would look below the bottom."""
    rule = -1 - action
    begins = s.rule_begins
    size -= begins[rule + 1] - begins[rule]
    if size <= 0 or size >= DEEPEST:
        return -1
    target = goto_of(s, stack[size - 1], s.origins[rule])
    stack[size] = target
    return size + 1 if target >= 0 else -1


@jit
def completed(s: Search, state: int, stack: Int32s) -> int:
    """Write the stack after a state and the terminals of its completion; return its size, -1 if the parser
    refuses a terminal or would look below the bottom."""
    begins = s.completion_begins
    stack[0] = state
    size = 1
    for i in range(begins[state], begins[state + 1]):
        size = shifted(s, stack, size, s.completions[i])
        if size < 0:
            break
    return size


@jit
def shifted(s: Search, stack: Int32s, size: int, terminal: int) -> int:
    """Feed a terminal; return the size of the stack, -1 if the parser refuses it or would look below the
    bottom."""
    while True:
        action = action_of(s, stack[size - 1], terminal)
        if action < 0:
            size = reduced(s, stack, size, action)
        if action == 0 or size < 0 or size >= DEEPEST:
            return -1
        if action > 0:
            stack[size] = action - 1
            return size + 1


@jit
def ends_before(s: Search, state: int, stack: Int32s, size: int, terminal: int) -> bool:
    """Return whether the item of a state's completion is reduced before a terminal, from a stack."""
    copy, begins = s.copy, s.rule_begins
    for i in range(size):
        copy[i] = stack[i]
    rule, last = s.completed_rules[state], s.completes_text[state] != 0
    left = begins[rule + 1] - begins[rule] - s.completed_dots[state]
    while not (last and copy[size - 1] == s.end):
        action = action_of(s, copy[size - 1], terminal)
        if action >= 0:
            return False
        if not last and -1 - action == rule and size - 1 == left:
            return True
        size = reduced(s, copy, size, action)
        if size < 0:
            return False
    return True


@jit
def ends_before_all(s: Search, state: int, stack: Int32s, size: int, bits: Int64s) -> bool:
    """Return whether the item is reduced before each of some terminals."""
    for terminal in range(s.terminals):
        if has_bit(bits, terminal) and not ends_before(s, state, stack, size, terminal):
            return False
    return True


@jit
def is_reduced(s: Search, state: int) -> bool:
    """Find the terminals that may follow the item of a state's completion (FOLLOWERS); return whether the
    parser reduces it before each of them."""
    bits, stack = s.followers, s.stack
    size = completed(s, state, stack)
    if size < 0 or s.unbalanced[s.completed_rules[state]] & NO_BALANCE:
        return False
    width = bit_words(s.terminals)
    for w in range(width):
        bits[w] = 0
    if s.completes_text[state] != 0:
        add_bit(bits, 0)
        return ends_before_all(s, state, stack, size, bits)
    join_next_terminals(s, state, bits, bit_words(s.states), width)
    if ends_before_all(s, state, stack, size, bits):
        return True
    # FOLLOWERS may have too many: successors merge different states below
    find_followers(s, state, bits)
    return ends_before_all(s, state, stack, size, bits)


@jit
def separation_of(s: Search, context: int, terminal: int) -> int:
    """Return the separability of a terminal in a context; if it is only being asked now, the best answer."""
    at = s.terminals * context + terminal
    found = s.separations[at]
    if found != SEPARABLE_UNKNOWN:
        return SEPARABLE_BARE if found == SEPARABLE_PENDING else found
    noted = s.question_count
    if noted < MOST_QUESTIONS:
        s.separations[at] = SEPARABLE_PENDING
        s.questions[2 * noted] = context
        s.questions[2 * noted + 1] = terminal
        s.question_count = noted + 1
    return SEPARABLE_BARE


@jit
def mode_after_terminal(s: Search, mode: int, terminal: int) -> int:
    """Return the mode after a terminal, -1 if the terminal is not allowed in the mode."""
    if s.newline < 0:
        return PLAIN
    if terminal == s.indent:
        return DEEPER if mode == LINE else -1
    if terminal == s.dedent:
        if mode in (PLAIN, ENDING):
            return ENDING
        return LESS if mode in (LINE, LESS) else -1
    if mode == ENDING:
        return -1
    return LINE if terminal == s.newline else PLAIN


@jit
def may_follow(s: Search, mode: int, context: int, terminal: int) -> bool:
    """Return whether the lexer recognises a terminal in a context, in a mode."""
    if s.ignored[terminal] != 0:
        return False
    dedent = terminal == s.dedent
    if mode == ENDING:
        return terminal == 0 or dedent
    if s.newline >= 0 and (dedent or terminal == s.indent):
        if mode == PLAIN:
            return dedent and separation_of(s, context, 0) != INSEPARABLE
        return mode_after_terminal(s, mode, terminal) >= 0
    found = separation_of(s, context, terminal)
    if terminal == 0:
        return found != INSEPARABLE
    return found == SEPARABLE_BARE or (found == SEPARABLE and mode == PLAIN)


@jit
def all_may_follow(s: Search, mode: int, context: int, bits: Int64s) -> bool:
    """Return whether each of some terminals may follow."""
    for terminal in range(s.terminals):
        if has_bit(bits, terminal) and not may_follow(s, mode, context, terminal):
            return False
    return True


@jit
def mode_after(s: Search, state: int, before: int, followers: Int64s, outside: bool) -> int:
    """Return the mode after the completion of a state, -1 if the lexer may read it otherwise. The caller has
    checked its first terminal. `outside`: its rule began outside brackets."""
    begins, stack = s.completion_begins, s.copy
    first, last = begins[state], begins[state + 1]
    if first == last:
        return before
    terminals, mode, context = s.completions, before, -1
    rule_begin = s.rule_begins[s.completed_rules[state]]
    dot = s.completed_dots[state]
    stack[0] = state
    size = 1
    for i in range(first, last):
        terminal = terminals[i]
        if i > first and not may_follow(s, mode, context, terminal):
            return -1
        if s.ignored[terminal] != 0:
            return -1
        mode_now = mode_after_terminal(s, mode, terminal)
        if mode_now < 0:
            return -1
        if terminal == s.newline:
            total = balance_of_symbols(s, s.symbols, rule_begin, rule_begin + dot)
            if not outside or total + balance_of_symbols(s, terminals, first, i) != 0:
                return -1
        mode = mode_now
        size = shifted(s, stack, size, terminal)
        if size < 0:
            return -1
        context = s.contexts[stack[size - 1]]
    return mode if all_may_follow(s, mode, context, followers) else -1


@jit
def fails(s: Search, state: int) -> bool:
    """Return whether a state's completion fails in every context of its rule."""
    if s.unbalanced[s.completed_rules[state]] & NO_BALANCE:
        return True
    if completed(s, state, s.stack) < 0:
        return True
    in_all = True
    for mode in range(MOST_MODES):
        in_all = in_all and mode_after(s, state, mode, s.no_terminals, True) < 0
    return in_all


@jit
def find_barred(s: Search) -> None:
    """Bar the states after the first terminals of rules whose completions always fail."""
    for state in range(s.states):
        dot = s.completed_dots[state]
        begin = s.rule_begins[s.completed_rules[state]]
        if dot and s.symbols[begin] >= 0 and fails(s, state):
            found, count = states_below(s, state, dot - 1)
            for i in range(count):
                s.to_bar[found[i]] = 1
    for state in range(s.states):
        s.barred[state] = s.to_bar[state]


@jit
def find_inside_brackets(s: Search) -> None:
    """Find the states that may be inside brackets: an item opened one, or began in such a state."""
    count, width = s.states, bit_words(s.states)
    inside, begins = s.inside_brackets, s.kernel_begins
    for w in range(width):
        inside[w] = 0
    if s.newline < 0:
        return
    for state in range(count):
        bits = row_of_bits(s.item_origins, width, state)
        for w in range(width):
            bits[w] = 0
        for i in range(begins[state], begins[state + 1], 2):
            rule, dot = s.kernels[i], s.kernels[i + 1]
            begin = s.rule_begins[rule]
            uneven = s.unbalanced[rule] & UNBALANCED_BRACKETS
            if uneven or balance_of_symbols(s, s.symbols, begin, begin + dot) != 0:
                add_bit(inside, state)
            elif dot:
                found, many = states_below(s, state, dot)
                for j in range(many):
                    add_bit(bits, found[j])
    changed = True
    while changed:
        changed = False
        for state in range(count):
            if not has_bit(inside, state) and meets(row_of_bits(s.item_origins, width, state), inside, width):
                add_bit(inside, state)
                changed = True


@jit
def meets(bits: Int64s, others: Int64s, width: int) -> bool:
    common = 0
    for w in range(width):
        common |= bits[w] & others[w]
    return common != 0


@jit
def find_circular(s: Search) -> None:
    """Mark as failing the states whose completions may lead to each other without ever reaching a lower
    stack."""
    count, marks, path = s.states, s.marks, s.frontier
    dots, last = s.completed_dots, s.completes_text
    for row in range(count):
        for nonterminal in range(s.nonterminals):
            here = goto_of(s, row, nonterminal)
            if here < 0 or dots[here] != 1:
                continue
            mark, size = s.mark + 1, 0
            s.mark = mark
            while here >= 0 and marks[here] != mark:
                marks[here] = mark
                path[size] = here
                size += 1
                if last[here] != 0 or dots[here] != 1:
                    here = -1
                else:
                    rule = s.completed_rules[here]
                    here = goto_of(s, row, s.origins[rule])
            if here >= 0:
                for i in range(size):
                    mark_failing(s, path[i])
    # a rule of which nothing was read begins and ends in the same state
    for state in range(count):
        if dots[state] == 0 and last[state] == 0:
            mark_failing(s, state)


@jit
def mark_failing(s: Search, state: int) -> None:
    width = bit_words(s.states)
    for mode in range(MOST_MODES):
        add_bit(row_of_bits(s.failing, width, mode), state)


@jit
def find_failing(s: Search) -> None:
    """Find, for each mode, the states whose completions may fail, or lead to one that may."""
    count, width = s.states, bit_words(s.states)
    bad, modes = s.failing, s.modes_after
    for w in range(MOST_MODES * width):
        bad[w] = 0
    find_circular(s)
    for state in range(count):
        known = is_reduced(s, state)
        outside = True
        found, many = states_below(s, state, s.completed_dots[state])
        for i in range(many):
            if has_bit(s.inside_brackets, found[i]):
                outside = False
        for mode in range(MOST_MODES):
            after = -1
            if known:
                after = mode_after(s, state, mode, s.followers, outside)
            modes[MOST_MODES * state + mode] = after
            if after < 0:
                add_bit(row_of_bits(bad, width, mode), state)
    changed = True
    while changed:
        changed = False
        for state in range(count):
            afters = row_of_bits(s.successors, width, state)
            for mode in range(MOST_MODES):
                own = row_of_bits(bad, width, mode)
                after = modes[MOST_MODES * state + mode]
                if not has_bit(own, state) and meets(afters, row_of_bits(bad, width, after), width):
                    add_bit(own, state)
                    changed = True


@jit
def has_predecessor(s: Search, state: int) -> bool:
    """Return whether a reached state has a transition to a state."""
    if s.barred[state] != 0:
        return False
    begins, found = s.predecessor_begins, False
    for i in range(begins[state], begins[state + 1]):
        found = found or s.reached[s.predecessors[i]] != 0
    return found


@jit
def flags_of(s: Search, state: int) -> int:
    """Return the certificates of a state."""
    width, nexts = bit_words(s.states), bit_words(s.terminals)
    context, bits = s.contexts[state], row_of_bits(s.next_terminals, nexts, state)
    flags = 0
    if not has_bit(row_of_bits(s.failing, width, PLAIN), state) and all_may_follow(s, PLAIN, context, bits):
        flags |= CERTIFIED_SEPARATED
    if not has_bit(row_of_bits(s.failing, width, LINE), state) and all_may_follow(s, LINE, context, bits):
        flags |= CERTIFIED_LINE
    if flags & CERTIFIED_SEPARATED:
        for terminal in range(s.terminals):
            # no bracket is open where a newline ends a line
            inside = has_bit(bits, terminal) and terminal != s.newline
            if inside and separation_of(s, context, terminal) != SEPARABLE_BARE:
                return flags
        flags |= CERTIFIED_BARE
    return flags


@entry("int64(int64)")
def find_certified(search: int) -> int:
    """Find the certificates of all states (FOUND). Returns the number of noted questions. If there are any,
    call it again after they are answered, because the result assumes the best answers."""
    s = Search(search)
    count = s.states
    for state in range(count):
        s.barred[state] = 0
        s.to_bar[state] = 0
    find_reached(s)
    find_barred(s)
    if s.question_count != 0:
        return s.question_count
    find_reached(s)
    find_successors(s)
    find_next_terminals(s)
    find_inside_brackets(s)
    find_failing(s)
    if s.question_count != 0:
        return s.question_count
    for state in range(count):
        flags = EXCLUDING if s.barred[state] != 0 else 0
        if state == s.start or has_predecessor(s, state):
            flags |= flags_of(s, state)
        s.found[state] = flags
    return s.question_count
