"""The entry point of the string determiniser, compiled: Python asks one question at a time.

A *thread* is a place in one atom's nondeterministic automaton. A *set* is a sorted set of threads, which is
a state of the determinised product of a spec's atoms (`subset_construction`). A *node* is (spec, set, length
so far), a state between two code points (`nodes`, `node_searches`). A *state* is a node or a place inside a
UTF-8 sequence; it has a row of 257 columns, and it is what callers see (`byte_rows`).

Everything lies in the tables of `determinizer_tables`, which Python grows when a function raises
`Interrupt`. A function may be interrupted anywhere and is called again: interned keys stay valid, and the
missing entries of a row are UNKNOWN.
"""

from __future__ import annotations

from structgen.automata.programs.determinizer_tables import (
    WORK,
    StringTables,
    intern,
    intern_set,
    next_stamp,
    rehash,
    stop,
)
from structgen.automata.programs.instructions import WORDS
from structgen.automata.strings.byte_rows import begin_expansion, expand, fill_column, state_of
from structgen.automata.strings.formula_truths import OPEN, YES, bracket_of, demands_between
from structgen.automata.strings.node_searches import decide, search, seek
from structgen.automata.strings.nodes import node_after, node_of, node_row
from structgen.automata.strings.remaining_bytes import estimate
from structgen.automata.strings.subset_construction import closure, steps, tidy
from structgen.language.ir import DEAD
from structgen.native.jit import entry, jit

ASK_START, ASK_SEARCH, ASK_ROW, ASK_THREAD, ASK_NODE, ASK_EXPAND, ASK_REHASH, ASK_BEGIN = range(8)
ASK_COLUMN, ASK_AFTER, ASK_STEPPED, ASK_STEPS, ASK_SEEK, ASK_IS_SURE, ASK_DECIDE, ASK_POSSIBLE = range(8, 16)


@entry("int64(int64, int64, int64, int64)")
def ask(address: int, what: int, a: int, b: int) -> int:
    """Answer one question. There is one entry point, so that one compiled object is loaded.

    ASK_START: the node at which spec `a` begins. ASK_NODE: the state of node `a`. ASK_ROW: where the heap
    lists node `a`'s row, dead targets marked. ASK_AFTER: the node after `a` and the character `b`.
    ASK_DECIDE: mark node `a` live or dead. ASK_IS_SURE: do estimates tell that node `a` has a completion?
    ASK_POSSIBLE: the set of the demands that may still be met at node `a`. ASK_STEPS: is node `a` inside an
    implicit automaton? ASK_SEARCH, ASK_SEEK: `search`, `seek` from node `a`. ASK_EXPAND: fill `b` rows,
    once ASK_BEGIN has named state `a` as the first. ASK_COLUMN: fill column `b` of state `a`'s row.
    ASK_THREAD: the number of thread (a, b, 0, 0). ASK_STEPPED: the thread of state `b` (its `safe` in the
    upper half) of the implicit automaton of thread `a`. ASK_REHASH: fill an emptied hash table, that of the
    table `a`.
    """
    p = StringTables(address)
    if what == ASK_NODE:
        return state_of(p, a)
    if what == ASK_START:
        return _begin(p, a)
    if what == ASK_ROW:
        return _decided_row(p, a)
    if what == ASK_SEARCH:
        return search(p, a, b)
    if what == ASK_SEEK:
        return seek(p, a, b)
    if what == ASK_AFTER:
        return node_after(p, a, b)
    if what == ASK_THREAD:
        return intern(p, a, b, 0, 0)
    if what == ASK_STEPPED:
        return intern(p, p.keys[a].what, p.keys[a].first, b >> 32, b & 0xFFFFFFFF)
    if what == ASK_STEPS:
        return 1 if steps(p, p.nodes[a].set) else 0
    if what == ASK_IS_SURE:
        key = estimate(p, p.nodes[a].spec, p.nodes[a].set, p.nodes[a].length)
        return 1 if p.keys[key].size >= p.nodes[a].length else 0
    if what == ASK_POSSIBLE:
        bracket = bracket_of(p, p.nodes[a].spec, p.nodes[a].length)
        return demands_between(p, p.nodes[a].spec, p.nodes[a].set, bracket, OPEN, YES)
    if what == ASK_DECIDE:
        decide(p, a)
    elif what == ASK_COLUMN:
        fill_column(p, a, b)
    elif what == ASK_EXPAND:
        expand(p, a, b)
    elif what == ASK_BEGIN:
        begin_expansion(p, a)
    elif what == ASK_REHASH:
        rehash(p, a)
    return 0


@jit
def _begin(p: StringTables, s: int) -> int:
    """Return the node at which a spec begins."""
    next_stamp(p)
    length = 0
    for i in range(p.specs[s].atoms):
        pc, words = p.heap[p.specs[s].begins + 2 * i], p.heap[p.specs[s].begins + 2 * i + 1]
        if length + 1 >= p.work.capacity // 2:
            stop(p, WORK, 0)
        if p.code[pc].op != WORDS:
            length = closure(p, pc, 0, True, length)
        elif words > 0:
            p.work[length] = intern(p, pc, 0, words, 0)
            length += 1
    length = tidy(p, length)
    return node_of(p, s, intern_set(p, length), 0)


@jit
def _decided_row(p: StringTables, q: int) -> int:
    """Return where the heap lists a node's row, in which dead nodes are DEAD."""
    row = node_row(p, q)
    for at in range(row, row + p.specs[p.nodes[q].spec].classes):
        t = p.heap[at]
        if t >= 0 and p.nodes[t].live == 0:
            decide(p, t)
        if t >= 0 and p.nodes[t].live < 0:
            p.heap[at] = DEAD
    return row
