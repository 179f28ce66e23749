"""Rows of bytes: the states of a string between two bytes of its UTF-8.

A state is a node, or a place inside a character. `_fill` writes the row of a state from the nodes after each
class of characters.
"""

from __future__ import annotations

from structgen.automata.formats.label_lengths import class_of_point, range_of_point
from structgen.automata.programs.determinizer_tables import (
    BY_COLUMN,
    FREE,
    FREE_STATE,
    MIDDLE,
    MIDDLE_STATE,
    MOST_TO_END,
    NODE_STATE,
    NONE,
    OVER_STATES,
    SAFE_COLUMN,
    SPLIT,
    SPLIT_STATE,
    STATES,
    UNSET,
    WIDTH,
    WORK,
    StringTables,
    intern,
    stop,
)
from structgen.automata.programs.instructions import IMPLICIT, MATCH
from structgen.automata.strings.node_searches import decide, next_letter
from structgen.automata.strings.nodes import alphabet, letterless_node, node_after, node_row
from structgen.automata.strings.subset_construction import lettered, steps
from structgen.automata.unicode.decoded_text import LONE_COLUMN
from structgen.language.ir import DEAD, UNKNOWN
from structgen.native.jit import jit


@jit
def _new_state(p: StringTables, kind: int, a: int, b: int, c: int, outcome: int) -> int:
    n = p.states.count
    if n >= p.most_states:
        stop(p, OVER_STATES, 0)
    if n >= p.states.capacity:
        stop(p, STATES, 0)
    p.states[n].kind = kind
    p.states[n].a = a
    p.states[n].b = b
    p.states[n].c = c
    p.states[n].done = 0
    p.states[n].seen = 0
    p.states[n].parent = -1
    p.outcome[n] = outcome
    for b in range(WIDTH):
        p.trans[n * WIDTH + b] = UNKNOWN
    p.states.count = n + 1
    return n


@jit
def _free(p: StringTables, outcome: int) -> int:
    """Return the first of the 8 states of the free string with an outcome: any text leads to it."""
    key = intern(p, FREE, outcome, 0, 0)
    if p.keys[key].value != UNSET:
        return p.keys[key].value
    base = p.states.count
    if base + 8 > p.states.capacity:
        stop(p, STATES, 0)
    for i in range(8):
        n = _new_state(p, FREE_STATE, outcome, base, i, outcome if i == 0 else NONE)
        p.states[n].done = 1
        for b in range(WIDTH):
            t = p.trans[i * WIDTH + b]
            p.trans[n * WIDTH + b] = base + t if t >= 0 else DEAD
    p.keys[key].value = base
    return base


@jit
def state_of(p: StringTables, q: int) -> int:
    """Return the state of a node, or DEAD if nothing completes it."""
    if p.nodes[q].live == 0:
        decide(p, q)
    if p.nodes[q].live < 0:
        return DEAD
    if p.nodes[q].state >= 0:
        return p.nodes[q].state
    set_ = p.nodes[q].set
    s = p.nodes[q].spec
    decided = p.nodes[q].length >= p.specs[s].cap
    off, size = p.sets[set_].at, p.sets[set_].size
    for i in range(off, off + size):
        t = p.heap[i]
        if p.code[p.keys[t].what].op != MATCH or p.keys[t].second != 0:
            decided = False
            break
    if decided:
        n = _free(p, p.nodes[q].outcome)
    else:
        n = _new_state(p, NODE_STATE, q, 0, 0, p.nodes[q].outcome)
    p.nodes[q].state = n
    return n


@jit
def _middle_to(p: StringTables, kind: int, target: int) -> int:
    """Return the state inside a UTF-8 sequence (place `kind` of the free string) that ends at `target`."""
    if p.states[target].kind == FREE_STATE:
        return p.states[target].b + kind
    key = intern(p, MIDDLE, kind, target, 0)
    if p.keys[key].value == UNSET:
        p.keys[key].value = _new_state(p, MIDDLE_STATE, kind, target, 0, NONE)
    return p.keys[key].value


@jit
def _middle(p: StringTables, s: int, q: int, low: int, left: int) -> int:
    """Return the state inside a UTF-8 sequence, `left` bytes from its end, that spells low to low + 64**left.

    With two bytes left and 0xD800 for `low` it is the one behind the first byte of a lone surrogate
    (`unicode.decoded_text`). p.work[class] holds the states after each class.
    """
    first, last = low, min(low + (1 << (6 * left)) - 1, 0x10FFFF)
    place = 1 if left == 1 else 2 if left == 2 else 6
    if left == 2 and low == 0:
        first, place = 0x800, 3
    elif left == 2 and low == 0xD000:
        last, place = 0xD7FF, 4
    elif left == 2 and low == 0xD800:
        last, place = 0xDFFF, 3
    elif left == 3 and low == 0:
        first, place = 0x10000, 5
    elif left == 3 and low == 0x100000:
        place = 7
    starts, kinds = p.specs[s].starts, p.specs[s].kinds
    at, count = range_of_point(p, s, first), p.specs[s].ranges
    target = p.work[p.heap[kinds + at]]
    at += 1
    while at < count and p.heap[starts + at] <= last:
        if p.work[p.heap[kinds + at]] != target:
            return _split(p, q, low, left)
        at += 1
    return _middle_to(p, place, target) if target >= 0 else target


@jit
def _split(p: StringTables, q: int, low: int, left: int) -> int:
    """Return the state inside a UTF-8 sequence after which several nodes may follow."""
    key = intern(p, SPLIT, q, low, left)
    if p.keys[key].value == UNSET:
        p.keys[key].value = _new_state(p, SPLIT_STATE, q, low, left, NONE)
    return p.keys[key].value


@jit
def _class_states(p: StringTables, q: int) -> int:
    """Write the state after each class to p.work[class]; return how many classes there are."""
    row = node_row(p, q)
    classes = p.specs[p.nodes[q].spec].classes
    if classes >= p.work.capacity:
        stop(p, WORK, 0)
    # Searches use `work`, so liveness comes first.
    for c in range(classes):
        t = p.heap[row + c]
        if t >= 0 and p.nodes[t].live == 0:
            decide(p, t)
    for c in range(classes):
        t = p.heap[row + c]
        if t >= 0:
            known = p.nodes[t].state
            t = known if known >= 0 else state_of(p, t)
        p.work[c] = t
    return classes


@jit
def _letter_blocks(p: StringTables, q: int) -> int:
    """Return as bits which of the 32 blocks of 64 code points below U+0800 hold a letter that keeps a node
    live."""
    blocks = 0
    for block in range(2, 32):
        last = 64 * block + 63
        point = next_letter(p, q, 64 * block, last)
        while point >= 0:
            after = node_after(p, q, point)
            if p.nodes[after].live == 0:
                decide(p, after)
            if p.nodes[after].live > 0:
                blocks |= 1 << block
                break
            point = next_letter(p, q, point + 1, last)
    return blocks


@jit
def _beside_stepper(p: StringTables, set_: int, atom: int) -> bool:
    """Return whether a set holds a thread of IMPLICIT of an atom."""
    off = p.sets[set_].at
    for i in range(off, off + p.sets[set_].size):
        pc = p.keys[p.heap[i]].what
        if p.code[pc].op == IMPLICIT and p.code[pc].e == atom:
            return True
    return False


@jit
def _safe(p: StringTables, q: int) -> int:
    """Return the SAFE_COLUMN of a node inside an implicit automaton: UNKNOWN - 1 - n, if any n characters of
    the alphabet may follow.

    n is 0 unless all threads of the node are of implicit automata, or follow one.
    """
    set_, s, length = p.nodes[q].set, p.nodes[q].spec, p.nodes[q].length
    off, size = p.sets[set_].at, p.sets[set_].size
    found = 0
    for i in range(off, off + size):
        t = p.heap[i]
        if not _beside_stepper(p, set_, p.code[p.keys[t].what].e):
            return UNKNOWN - 1
        if p.code[p.keys[t].what].op == IMPLICIT:
            safe = p.keys[t].second if p.keys[t].third > 0 else p.code[p.keys[t].what].d
            found = max(found, min(safe, p.specs[s].texts - length - MOST_TO_END))
    return UNKNOWN - 1 - found


@jit
def _fill(p: StringTables, n: int) -> None:
    """Fill the row of a state."""
    if p.states[n].done:
        return
    row = n * WIDTH
    kind = p.states[n].kind
    if kind == NODE_STATE:
        _fill_node(p, n, row)
        return
    for b in range(WIDTH):
        p.trans[row + b] = DEAD
    if kind == MIDDLE_STATE:
        middle, target = p.states[n].a * WIDTH, p.states[n].b
        last, after = DEAD, DEAD
        for b in range(0x80, 0xC0):
            place = p.trans[middle + b]
            if place != last:
                last = place
                after = target if place == 0 else _middle_to(p, place, target) if place > 0 else DEAD
            p.trans[row + b] = after
    else:
        _fill_split(p, n, row)
    if not p.states[n].done:
        p.states[n].done = 1


@jit
def _fill_split(p: StringTables, n: int, row: int) -> None:
    """Fill the row of a state inside a character, after which several nodes may follow."""
    q, low, left = p.states[n].a, p.states[n].b, p.states[n].c
    _class_states(p, q)
    s = p.nodes[q].spec
    lone = left == 2 and low == 0xD800
    base = 0xD000 if lone else low
    for b in range(64):
        first = base + (b << (6 * (left - 1)))
        last = first + (1 << (6 * (left - 1))) - 1
        if left == 1:
            p.trans[row + 0x80 + b] = p.work[class_of_point(p, s, first)]
        elif not (
            (left == 2 and (last < 0x800 or (first >= 0xD800 and last <= 0xDFFF) != lone))
            or (left == 3 and (last < 0x10000 or first > 0x10FFFF))
        ):
            p.trans[row + 0x80 + b] = _middle(p, s, q, first, left - 1)
    if left == 1 and low < 0x800 and lettered(p, p.nodes[q].set):
        for b in range(64):
            if next_letter(p, q, low + b, low + b) >= 0:
                p.trans[row + 0x80 + b] = UNKNOWN
        p.trans[row + SAFE_COLUMN] = UNKNOWN - 1
        p.states[n].done = BY_COLUMN


@jit
def _fill_node(p: StringTables, n: int, row: int) -> None:
    """Fill the row of a node."""
    own = p.states[n].a
    q = letterless_node(p, own)
    letters = _letter_blocks(p, own) if q != own else 0
    _class_states(p, q)
    s = p.nodes[q].spec
    for b in range(0x80):
        p.trans[row + b] = p.work[p.heap[p.specs[s].ascii + b]]
    for b in range(0x80, 0x100):
        p.trans[row + b] = DEAD
    for b in range(0xC2, 0xE0):
        low = (b & 31) << 6
        p.trans[row + b] = _split(p, own, low, 1) if letters >> (b & 31) & 1 else _middle(p, s, q, low, 1)
    for b in range(0xE0, 0xF0):
        p.trans[row + b] = _middle(p, s, q, (b & 15) << 12, 2)
    for b in range(0xF0, 0xF5):
        p.trans[row + b] = _middle(p, s, q, (b & 7) << 18, 3)
    p.trans[row + LONE_COLUMN] = _middle(p, s, q, 0xD800, 2)
    if steps(p, p.nodes[q].set):
        for b in range(0x80):
            if alphabet(b):
                p.trans[row + b] = UNKNOWN
        p.trans[row + SAFE_COLUMN] = _safe(p, q)
        p.states[n].done = BY_COLUMN
    else:
        p.states[n].done = 1


@jit
def fill_column(p: StringTables, n: int, char: int) -> None:
    """Fill one column of a row that is filled by columns: a character of the implicit automata's alphabet, or
    the last byte of a letter of LETTERS."""
    point = p.states[n].b + (char & 63) if p.states[n].kind == SPLIT_STATE else char
    after = node_after(p, p.states[n].a, point)
    p.trans[n * WIDTH + char] = DEAD if p.nodes[after].live < 0 else state_of(p, after)


@jit
def begin_expansion(p: StringTables, n: int) -> None:
    """Set up the list of `expand`, with the state two steps before state `n`.

    A walk over a vocabulary asks for neighbours of `n` too, and where it began is not known here.
    """
    for _ in range(2):
        if p.states[n].parent >= 0:
            n = p.states[n].parent
    p.expansion += 1
    p.next_listed = 0
    p.listed.count = 1
    p.filled = 0
    p.listed[0] = n
    p.states[n].seen = p.expansion


@jit
def _list_after(p: StringTables, at: int) -> None:
    """Append the states that a filled row leads to to the list of `expand`, and note their parent."""
    last = DEAD
    for b in range(WIDTH):
        t = p.trans[at * WIDTH + b]
        if t < 0 or t == last:
            continue
        last = t
        if p.states[t].parent < 0:
            p.states[t].parent = at
        if p.states[t].seen != p.expansion and p.listed.count < p.listed.capacity:
            p.states[t].seen = p.expansion
            p.listed[p.listed.count] = t
            p.listed.count += 1


@jit
def expand(p: StringTables, n: int, most: int) -> None:
    """Fill the row of state `n`, then up to `most` missing rows in the order of `begin_expansion`'s list.

    After an interrupt it continues.
    """
    _fill(p, n)
    # Filled rows are passed through; the list is short, so this ends.
    while p.next_listed < p.listed.count and p.filled < most:
        at = p.listed[p.next_listed]
        if not p.states[at].done:
            _fill(p, at)
            # States inside UTF-8 sequences are cheap and not counted.
            if p.states[at].kind != MIDDLE_STATE:
                p.filled += 1
        _list_after(p, at)
        p.next_listed += 1
    _list_after(p, n)
