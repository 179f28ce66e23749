"""The memory of the string determiniser, as blocks with named fields, and how keys and sets are interned.

Compiled code gets one address, that of a `StringTables`. A table that is full stops it: Python makes room
(`string_memory`), and the call is made again.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from structgen.native.jit import jit
from structgen.native.typed_blocks import Block, Int32Table, Int64s, Table, WordTable

WIDTH: Final = 257
MOST_TO_END: Final = 5
"""The most characters from any state of an implicit automaton to an end (`formats.alabels`)."""
SAFE_COLUMN: Final = 255
"""A byte that no UTF-8 text has. In the row of a state inside an implicit automaton its column holds
UNKNOWN - 1 - n: any n characters of the alphabet may follow."""
UNSET: Final = -3
"""The value of a new key."""
NONE: Final = -1

KEYS, SETS, NODES, STATES, HEAP, WORK, QUEUE = range(7)
"""Why compiled code stops: a table is full."""
NEED_OUTCOMES, OVER_STEPS, OVER_STATES, NEED_STEP, NEED_END, OVER_WORK, NEED_COSTS, NEED_LIFE = range(16, 24)
"""Or: Python must answer a question, or a limit is reached."""

CONTEXT, OUTCOME, NODE, SPLIT, MIDDLE, FREE, HOPE, STEP, ESTIMATE, DEMANDS, JUDGED, NEEDED = range(
    -1, -13, -1
)
"""What a key is that is no thread: its first word. Python answers DEMANDS (spec, set of demands) with the
outcome, and JUDGED (spec, the demands that are met for certain, those that may be met) with the outlook of
the judge."""
FREE_STATE, NODE_STATE, SPLIT_STATE, MIDDLE_STATE, BANNED_STATE = range(5)
"""Kinds of states: of the free string; a node; inside a character, after which several nodes may follow, or
one; of a whole automaton of banned texts."""
BY_COLUMN: Final = 2
"""In `StringState.done`: the columns of an implicit automaton's alphabet are filled one by one."""
FORMULA_END, ATOM, NOT_ATOM, LENGTH, NOT_LENGTH, ALL, ANY = range(7)
"""Entries of a formula in postfix order, three words each: (ATOM, atom), (LENGTH, least, most or -1), their
negations, and (ALL, parts) or (ANY, parts)."""


class Interrupt(Exception):
    """A table is full, or Python must answer a question: `StringTables.cause` and `what` say which."""


class Key(Block):
    """Four words with a number. A thread is (instruction, context, two words of the instruction's)."""

    what: int
    """The instruction of a thread; below 0: CONTEXT and so on."""
    first: int
    second: int
    third: int
    value: int
    at: int
    """Where the heap lists the threads after a thread of CHAR, or -1; of an estimate: see `_estimate`."""
    size: int
    stamp: int
    """The last set in the making that holds the thread."""


class ThreadSet(Block):
    """A sorted set of threads, atoms or demands."""

    at: int
    """Where the heap lists it."""
    size: int
    row: int
    """Where the heap lists the sets after a character of each class, or -1."""
    accepting: int
    """The set of the atoms that accept, or -1."""
    open: int
    """`subset_construction.open_atoms`, or -1."""
    reading: int
    """Bits: it has threads of IMPLICIT (1), of LETTERS (2); or -1."""


class StringNode(Block):
    """A state between two characters: a spec, a set, and the length so far."""

    spec: int
    set: int
    length: int
    row: int
    """Where the heap lists the nodes after a character of each class, or -1."""
    outcome: int
    live: int
    """-1: no text completes it; 0: not known; 1: some text; 2: every text can be completed."""
    state: int
    stamp: int
    """The last search that visited it."""
    cost: int
    """In that search: the bytes to the node; in one that counts characters, the characters."""


class StringState(Block):
    """What has a row of bytes: a node, or a place inside a character."""

    kind: int
    a: int
    b: int
    c: int
    done: int
    """Is the row filled? 1, or BY_COLUMN."""
    seen: int
    """The last `expand` that visited it."""
    parent: int
    """The first state that led to it, or -1."""


class Coded(Block):
    """An instruction (`instructions`) with its completion costs (`instructions.completion_costs`)."""

    op: int
    a: int
    b: int
    c: int
    d: int
    e: int
    cost: int
    outer: int
    body: int


class LoadedSpec(Block):
    """A spec; the fields that are lists say where the heap has them."""

    classes: int
    """How many classes of characters."""
    starts: int
    """The first code point of each range, ascending."""
    kinds: int
    """The class of each range."""
    ranges: int
    """How many ranges."""
    ascii: int
    """The class of each ASCII character."""
    costs: int
    """Of each class the bytes of its cheapest character; 0: it cannot be written."""
    firsts: int
    """The first code point of each class."""
    breaks: int
    """The lengths at which a bound of the formulas comes true or false, ascending."""
    break_count: int
    cap: int
    """The last of them: beyond it, lengths are not told apart."""
    begins: int
    """(instruction, words) of each atom."""
    atoms: int
    first_atom: int
    """The number of its first atom; the others follow."""
    trimmed: int
    """One atom, of which each non-empty set of threads can be completed."""
    judged: int
    """Does a judge say which sets of demands are outcomes?"""
    demands: int
    """How many formulas."""
    entries: int
    """How many entries their postfix order has, without the disjunction of all."""
    choices: int
    """Do the formulas have disjunctions?"""
    texts: int
    """Strings of up to so many characters may use `ImplicitAutomaton.safe`."""
    exact: int
    """One demand whose estimate of the bytes to an outcome is exact: one trimmed atom, or `grows`."""
    grows: int
    """One trimmed atom, each of whose texts can be lengthened by any number of characters, and a length."""
    least: int
    most: int
    """The bounds of that length; `least` also of other conjunctions."""
    formula: int
    """The disjunction of the formulas in postfix order."""
    depth: int
    """The most operands that its evaluation holds."""
    asked: int
    """Of each atom: 0 if only its negation is asked, 1, or 1 more than the bytes of a text that meets it
    anywhere."""
    costed: int
    """Are the completion costs of the instructions loaded?"""


class QueueEntry(Block):
    """An entry of a search's queue."""

    node: int
    place: int
    """In breadth: bytes until the node is reached; else the heap of entries."""
    parent: int
    kind: int
    """The class of the last character."""
    cost: int
    rank: int


class StringTables(Block):
    """All memory of a string pool, and the words of the call that is under way."""

    cause: int
    what: int
    """Of an `Interrupt`: why, and its argument."""
    stamp: int
    """The number of the last set in the making, or of the last search."""
    search: int
    """The number of the search in breadth that may go on."""
    head: int
    """The next entry of its queue."""
    search_steps: int
    most_steps: int
    most_characters: int
    """Of a completion that `search` looks for; -1: any number."""
    most_states: int
    spent: int
    """The work of the current public call, in units of some 5 us."""
    most_work: int
    expansion: int
    """The number of the last walk of `expand`; its next state, and how many rows it has filled."""
    next_listed: int
    filled: int
    keys: Table[Key]
    sets: Table[ThreadSet]
    nodes: Table[StringNode]
    states: Table[StringState]
    heap: WordTable
    work: WordTable
    """Working memory; its `count` is not used."""
    queue: Table[QueueEntry]
    code: Table[Coded]
    specs: Table[LoadedSpec]
    trans: Int32Table
    """WIDTH columns for each state: the state after a byte."""
    outcome: Int32Table
    """The outcome of a string that ends in a state, or -1."""
    listed: WordTable
    """The states of a walk of `expand`."""


@jit
def stop(p: StringTables, cause: int, what: int) -> None:
    p.cause = cause
    p.what = what
    raise Interrupt


@jit
def _hash(a: int, b: int, c: int, d: int) -> int:
    h = np.uint64(a & 0xFFFFFFFF) * np.uint64(0x9E3779B97F4A7C15)
    h = (h ^ (h >> np.uint64(29))) + np.uint64(b & 0xFFFFFFFF) * np.uint64(0xBF58476D1CE4E5B9)
    h = (h ^ (h >> np.uint64(32))) + np.uint64(c & 0xFFFFFFFF) * np.uint64(0x94D049BB133111EB)
    h = (h ^ (h >> np.uint64(31))) + np.uint64(d & 0xFFFFFFFF) * np.uint64(0xD6E8FEB86659FD93)
    return np.int64((h ^ (h >> np.uint64(30))) & np.uint64(0x7FFFFFFF))  # type: ignore[return-value]


@jit
def _hash_of_list(values: Int64s, start: int, length: int) -> int:
    h = np.uint64(length)
    for i in range(start, start + length):
        h = (h ^ np.uint64(values[i])) * np.uint64(0x9E3779B97F4A7C15)
        h ^= h >> np.uint64(29)
    return np.int64(h & np.uint64(0x7FFFFFFF))  # type: ignore[return-value]


@jit
def intern(p: StringTables, what: int, first: int, second: int, third: int) -> int:
    """Return the key's number; a new one has value UNSET and no list in the heap."""
    slots, mask = p.keys.slots, p.keys.mask
    at = _hash(what, first, second, third) & mask
    while slots[at] >= 0:
        key = p.keys[slots[at]]
        if key.what == what and key.first == first and key.second == second and key.third == third:
            return slots[at]
        at = (at + 1) & mask
    n = p.keys.count
    if n >= p.keys.capacity:
        stop(p, KEYS, 0)
    key = p.keys[n]
    key.what = what
    key.first = first
    key.second = second
    key.third = third
    key.value = UNSET
    key.at = -1
    key.size = 0
    key.stamp = 0
    slots[at] = n
    p.keys.count = n + 1
    return n


@jit
def intern_set(p: StringTables, length: int) -> int:
    """Return the number of the set in work[:length], sorted."""
    work, slots, mask = p.work.numbers, p.sets.slots, p.sets.mask
    at = _hash_of_list(work, 0, length) & mask
    while slots[at] >= 0:
        known = p.sets[slots[at]]
        if known.size == length:
            same = True
            for i in range(length):
                if p.heap[known.at + i] != work[i]:
                    same = False
                    break
            if same:
                return slots[at]
        at = (at + 1) & mask
    n, top = p.sets.count, p.heap.count
    if n >= p.sets.capacity:
        stop(p, SETS, 0)
    if top + length > p.heap.capacity:
        stop(p, HEAP, length)
    for i in range(length):
        p.heap[top + i] = work[i]
    p.heap.count = top + length
    made = p.sets[n]
    made.at = top
    made.size = length
    made.row = made.accepting = made.open = made.reading = -1
    slots[at] = n
    p.sets.count = n + 1
    return n


@jit
def rehash(p: StringTables, which: int) -> None:
    """Fill an empty hash table anew: that of the keys (`which` KEYS) or of the sets."""
    if which == KEYS:
        for n in range(p.keys.count):
            key = p.keys[n]
            at = _hash(key.what, key.first, key.second, key.third) & p.keys.mask
            while p.keys.slots[at] >= 0:
                at = (at + 1) & p.keys.mask
            p.keys.slots[at] = n
    else:
        for n in range(p.sets.count):
            at = _hash_of_list(p.heap.numbers, p.sets[n].at, p.sets[n].size) & p.sets.mask
            while p.sets.slots[at] >= 0:
                at = (at + 1) & p.sets.mask
            p.sets.slots[at] = n


@jit
def next_stamp(p: StringTables) -> int:
    p.stamp += 1
    return p.stamp


@jit
def sort(work: Int64s, length: int) -> None:
    """Sort work[:length] (Ciura's gaps: sets are short, or nearly sorted)."""
    for gap in (701, 301, 132, 57, 23, 10, 4, 1):
        for i in range(gap, length):
            value = work[i]
            j = i
            while j >= gap and work[j - gap] > value:
                work[j] = work[j - gap]
                j -= gap
            work[j] = value
