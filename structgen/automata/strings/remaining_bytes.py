"""How many bytes are left from a state of a string to an outcome: estimates that guide searches."""

from __future__ import annotations

from typing import Final

from structgen.automata.formats.regex_format import regex_cost
from structgen.automata.formats.time_of_day import clock_cost
from structgen.automata.programs.determinizer_tables import (
    ALL,
    ATOM,
    ESTIMATE,
    FORMULA_END,
    LENGTH,
    NEED_COSTS,
    NONE,
    NOT_ATOM,
    NOT_LENGTH,
    UNSET,
    WORK,
    StringTables,
    intern,
    stop,
)
from structgen.automata.programs.instructions import (
    CHAR,
    CLOCK,
    IMPLICIT,
    MATCH,
    REGEX,
    WORDS,
)
from structgen.automata.strings.formula_truths import bracket_of
from structgen.native.jit import jit

NEVER: Final = 1 << 28
"""More bytes than any completion has."""


@jit
def _thread_cost(p: StringTables, s: int, t: int) -> int:
    """Return the least bytes from a thread to a match of its atom; 0 if that is not known."""
    if p.specs[s].costed == 0:
        stop(p, NEED_COSTS, s)
    pc = p.keys[t].what
    op = p.code[pc].op
    cost = 0
    if op == CHAR:
        cost = p.code[pc].cost
        context = p.keys[t].first
        repeat = p.code[pc].outer
        while repeat >= 0:
            left = p.code[repeat].c - p.keys[context].second - 1
            if left > 0:
                cost += left * p.code[repeat].body
            cost += p.code[repeat].cost
            context = p.keys[context].first
            repeat = p.code[repeat].outer
    elif op == IMPLICIT:
        cost = p.code[pc].cost  # of the start state
        if p.keys[t].third > 0:
            cost += p.keys[t].value - p.code[pc].c
    elif op == CLOCK:
        cost = clock_cost(p.keys[t].third, p.keys[t].second)
    elif op == REGEX:
        cost = regex_cost(p, p.code[pc].a, p.keys[t].first, p.keys[t].second, p.keys[t].third)
    elif op == WORDS:
        if p.keys[t].value == UNSET:
            base, depth, widths = p.code[pc].a, p.keys[t].third, p.specs[s].costs
            least = 1 << 60
            for word in range(p.keys[t].first, p.keys[t].second):
                total = 0
                for at in range(p.heap[base + word] + depth, p.heap[base + word + 1]):
                    total += p.heap[widths + p.heap[base + at]]
                least = min(least, total)
            p.keys[t].value = least
        cost = p.keys[t].value
    return cost


@jit
def estimate(p: StringTables, s: int, set_: int, length: int) -> int:
    """Return a key with estimates of the bytes from a set to an outcome: a lower bound (`value`; NEVER if no
    text leads to one), what all conditions ask for together (`at`), and up to which length of the string
    there is an outcome for certain (`size`; NEVER: after every text, -1: not known).

    A spec's formula is evaluated over its atoms' distances to a match: of a conjunction the largest, or the
    sum; of a disjunction the least. Patterns that are found after any text are met one after another, if
    nothing else is asked but a length. Computed once for a set and how many length bounds are reached.
    """
    key = intern(p, ESTIMATE, s, set_, bracket_of(p, s, length))
    if p.keys[key].value != UNSET:
        return key
    first, count = p.specs[s].first_atom, p.specs[s].atoms
    at, asked, least = p.specs[s].formula, p.specs[s].asked, p.specs[s].least
    if count + 4 * p.specs[s].depth > p.work.capacity:
        stop(p, WORK, count + 4 * p.specs[s].depth)
    for atom in range(count):
        p.work[atom] = NEVER
    off = p.sets[set_].at
    for i in range(off, off + p.sets[set_].size):
        t = p.heap[i]
        atom = p.code[p.keys[t].what].e - first
        if p.code[p.keys[t].what].op == MATCH and p.keys[t].second == 0:
            p.work[atom] = NONE  # matched for good
        elif p.work[atom] > 0:
            cost = min(_thread_cost(p, s, t), NEVER - 1) if p.heap[asked + atom] else 0
            p.work[atom] = min(p.work[atom], cost)
    top = count
    while p.heap[at] != FORMULA_END:
        kind, a, b = p.heap[at], p.heap[at + 1], p.heap[at + 2]
        at += 3
        # the two estimates; the bytes of a text that is certain to do, and the most characters of the string
        low, total, sure, most = 0, 0, 0, NONE
        if kind == ATOM:
            low = total = max(p.work[a], 0)
            if p.work[a] < 0:
                most = NEVER
            elif p.work[a] < NEVER and p.heap[asked + a] > 1:
                sure, most = p.heap[asked + a] - 1, NEVER
        elif kind == NOT_ATOM:
            low = total = NEVER if p.work[a] < 0 else 0
            most = NEVER if p.work[a] == NEVER else NONE
        elif kind == LENGTH:
            low = total = NEVER if b >= 0 and length > b else 0
            most = NONE if a > least else b if b >= 0 else NEVER
        elif kind == NOT_LENGTH:
            low = total = NEVER if length >= a and b < 0 else 0
        else:
            top -= 4 * a
            if kind == ALL:
                most = NEVER
            else:
                low = total = NEVER
            for i in range(top, top + 4 * a, 4):
                if kind == ALL:
                    low, total = max(low, p.work[i]), min(total + p.work[i + 1], NEVER - 1)
                    sure, most = sure + p.work[i + 2], min(most, p.work[i + 3])
                else:
                    low, total = min(low, p.work[i]), min(total, p.work[i + 1])
                    if p.work[i + 3] - p.work[i + 2] > most - sure:
                        sure, most = p.work[i + 2], p.work[i + 3]
        p.work[top], p.work[top + 1], p.work[top + 2], p.work[top + 3] = low, total, sure, most
        top += 4
    low, sure, most = p.work[count], p.work[count + 2], p.work[count + 3]
    p.keys[key].value, p.keys[key].at = low, p.work[count + 1]
    p.keys[key].size = NONE if most < max(least, sure) else NEVER if most == NEVER else most - sure
    return key
