"""Nodes: the states of a string between two characters, and the nodes after each class of characters.

A node is a spec, a set of threads, and the length so far, which is not counted past the last bound that a
formula has.
"""

from __future__ import annotations

from structgen.automata.formats.label_lengths import class_of_point
from structgen.automata.programs.determinizer_tables import (
    HEAP,
    NEED_OUTCOMES,
    NODE,
    NODES,
    NONE,
    OVER_STATES,
    OVER_WORK,
    UNSET,
    StringTables,
    intern,
    stop,
)
from structgen.automata.strings.formula_truths import bracket_of, hope_key, needed_threads, outcome_key
from structgen.automata.strings.remaining_bytes import NEVER, estimate
from structgen.automata.strings.subset_construction import (
    lettered,
    letterless,
    open_atoms,
    set_row,
    stepped,
    steps,
)
from structgen.language.ir import DEAD
from structgen.native.jit import jit

_NEW, _ROW_WORK = 4, 250
"""Work is counted in units of some 5 us: a new row of a node costs one, a new row of a set _NEW, and one more
for each _ROW_WORK threads times classes."""


@jit
def spend(p: StringTables, units: int) -> None:
    """Count work of the current public call; stop past its limit."""
    p.spent += units
    if p.spent > p.most_work:
        stop(p, OVER_WORK, 0)


@jit
def _foretell(p: StringTables, s: int, row: int, length: int) -> None:
    """Stop once for all questions to Python about the nodes of a set's row: outcomes, then hopes."""
    bracket = bracket_of(p, s, length)
    for second in range(1 + p.specs[s].judged):
        missing, last = NONE, NONE
        for at in range(row, row + p.specs[s].classes):
            if p.heap[at] == last:
                continue
            last = p.heap[at]
            set_ = needed_threads(p, s, last, bracket)
            key = hope_key(p, s, set_, bracket) if second else outcome_key(p, s, set_, bracket)
            if p.keys[key].value == UNSET:
                missing = key
        if missing >= 0:
            stop(p, NEED_OUTCOMES, missing)


@jit
def _answer(p: StringTables, key: int) -> int:
    """Return the value of a key; stop if Python is to be asked about it."""
    if p.keys[key].value == UNSET:
        stop(p, NEED_OUTCOMES, key)
    return p.keys[key].value


@jit
def node_of(p: StringTables, s: int, set_: int, length: int) -> int:
    """Return the node of a set of threads at a length."""
    bracket = bracket_of(p, s, length)
    set_ = needed_threads(p, s, set_, bracket)
    key = intern(p, NODE, s, set_, length)
    if p.keys[key].value != UNSET:
        return p.keys[key].value
    outcome = _answer(p, outcome_key(p, s, set_, bracket))
    n = p.nodes.count
    if n >= p.most_states:
        stop(p, OVER_STATES, 0)
    if n >= p.nodes.capacity:
        stop(p, NODES, 0)
    some = p.sets[set_].size > 0
    live = 1 if outcome >= 0 or some else NONE
    if p.specs[s].judged:
        hope = _answer(p, hope_key(p, s, set_, bracket))
        live = NONE if hope == 0 else 2 if hope == 2 else 1 if outcome >= 0 else 0
    elif outcome < 0 and (not p.specs[s].trimmed if some else p.specs[s].break_count != bracket):
        bounds = p.keys[estimate(p, s, set_, length)]
        if bounds.size >= length:
            live = 2 if bounds.size == NEVER else 1
        else:
            live = 0 if bounds.value < NEVER else NONE
    node = p.nodes[n]
    node.spec = s
    node.set = set_
    node.length = length
    node.row = -1
    node.outcome = outcome
    node.live = live
    node.state = -1
    node.stamp = 0
    p.keys[key].value = n
    p.nodes.count = n + 1
    return n


@jit
def letterless_node(p: StringTables, q: int) -> int:
    """Return the node without its threads of LETTERS: every other successor is the same."""
    set_ = p.nodes[q].set
    if not lettered(p, set_):
        return q
    return node_of(p, p.nodes[q].spec, letterless(p, set_), p.nodes[q].length)


@jit
def node_row(p: StringTables, q: int) -> int:
    """Return where the heap lists the node's successor on each class (DEAD: certainly none).

    Threads of LETTERS are left out: their successors are found letter by letter (`fill_column`).
    """
    if p.nodes[q].row >= 0:
        return p.nodes[q].row
    own = q
    q = letterless_node(p, q)
    if p.nodes[q].row >= 0:
        p.nodes[own].row = p.nodes[q].row
        return p.nodes[q].row
    s = p.nodes[q].spec
    set_ = p.nodes[q].set
    # All specs share the empty set. It leads to itself and has no row, whose width would be that of one spec.
    empty = p.sets[set_].size == 0
    classes = p.specs[s].classes
    spend(p, 1)
    if p.sets[set_].row < 0:
        spend(p, _NEW + p.sets[set_].size * classes // _ROW_WORK)
    from_ = 0 if empty else set_row(p, s, set_)
    length = p.nodes[q].length
    if length < p.specs[s].cap:
        length += 1
    if not empty:
        _foretell(p, s, from_, length)
    row = p.heap.count
    if row + classes > p.heap.capacity:
        stop(p, HEAP, classes)
    p.heap.count = row + classes
    last_set, last = -1, -1
    for c in range(classes):
        if not empty:
            set_ = p.heap[from_ + c]
        if set_ != last_set:
            last_set, last = set_, node_of(p, s, set_, length)
        p.heap[row + c] = DEAD if p.nodes[last].live < 0 else last
    p.nodes[q].row = row
    p.nodes[own].row = row
    return row


@jit
def alphabet(b: int) -> bool:
    """Return whether a byte is in the implicit automata's alphabet: letters, digits and hyphens."""
    return 97 <= b <= 122 or 48 <= b <= 57 or 65 <= b <= 90 or b == 45


@jit
def node_after(p: StringTables, q: int, char: int) -> int:
    """Return the node after a node and a character of ASCII or of LETTERS, live or not."""
    s, set_, length = p.nodes[q].spec, p.nodes[q].set, p.nodes[q].length
    if length < p.specs[s].cap:
        length += 1
    if p.sets[set_].size == 0:
        after = set_
    elif lettered(p, set_) if char > 127 else steps(p, set_) and alphabet(char):
        after = stepped(p, s, set_, char)
    else:
        class_ = p.heap[p.specs[s].ascii + char] if char < 128 else class_of_point(p, s, char)
        after = p.heap[set_row(p, s, set_) + class_]
    return node_of(p, s, after, length)


@jit
def settled_atoms(p: StringTables, set_: int) -> int:
    """Return how many atoms have matched for good."""
    found, open_ = 0, open_atoms(p, set_)
    off = p.sets[open_].at
    for i in range(off, off + p.sets[open_].size):
        found += p.heap[i] & 1
    return found
