"""Searches through nodes: is a node live, and what is the shortest text from it to an outcome?"""

from __future__ import annotations

from typing import Final

from structgen.automata.formats.label_lengths import after_letter, class_of_point
from structgen.automata.programs.determinizer_tables import (
    MOST_TO_END,
    NEED_END,
    NEED_LIFE,
    NONE,
    OVER_STEPS,
    QUEUE,
    StringTables,
    next_stamp,
    stop,
)
from structgen.automata.programs.instructions import LETTERS
from structgen.automata.strings.nodes import node_after, node_row, settled_atoms, spend
from structgen.automata.strings.remaining_bytes import NEVER, estimate
from structgen.automata.strings.subset_construction import lettered, steps
from structgen.native.jit import jit

SHORTEST, ANY_END, TO_LIVE = range(3)
"""Aims of `seek`."""
AGAIN, TO_NEXT, FEWEST = 1, 2, 3
"""Of `search`: go on after a find; to one more atom that has matched for good; the fewest characters."""
_WEIGHT: Final = 4
"""How much more than the bytes so far the bytes still to come count in a search for ANY_END (weighted A*:
I. Pohl, 1970): the more, the fewer nodes are visited aside, and the longer the text is."""


@jit
def _push(p: StringTables, node: int, left: int, parent: int, kind: int, cost: int) -> None:
    tail = p.queue.count
    if tail >= p.queue.capacity:
        stop(p, QUEUE, 0)
    p.queue[tail].node = node
    p.queue[tail].place = left
    p.queue[tail].parent = parent
    p.queue[tail].kind = kind
    p.queue[tail].cost = cost
    p.queue.count = tail + 1


@jit
def _count_step(p: StringTables) -> None:
    """Count a step of a search and its work; stop past either limit."""
    p.search_steps += 1
    if p.search_steps & 3 == 0:
        spend(p, 1)  # four steps over known rows are a unit
    if p.search_steps > p.most_steps:
        stop(p, OVER_STEPS, 0)


@jit
def _mark_path(p: StringTables, entry: int) -> None:
    """Mark the nodes on the way to a queue entry live."""
    while entry >= 0:
        p.nodes[p.queue[entry].node].live = max(p.nodes[p.queue[entry].node].live, 1)
        entry = p.queue[entry].parent


@jit
def _is_met(p: StringTables, node: int, characters: int) -> bool:
    """Return whether a search in breadth has met a node after no more characters."""
    return p.nodes[node].stamp == p.search and p.nodes[node].cost <= characters


@jit
def _meet(p: StringTables, node: int, characters: int) -> None:
    p.nodes[node].stamp, p.nodes[node].cost = p.search, characters


@jit
def search(p: StringTables, q: int, resume: int) -> int:
    """Return the queue entry of the first completion with an outcome, or -1; if `resume` is TO_NEXT, of the
    first text after which one more atom has matched for good, or which is a completion.

    Breadth first by the bytes of the shortest spelling of each class, in byte order: the first entry at a
    node has its shortest, then smallest text. Of at most `most_characters` characters: a node is visited
    again after more bytes and fewer characters. AGAIN for `resume` continues after the last find; FEWEST
    counts a byte for each character. Stops after `most_steps` steps.
    """
    most = p.most_characters
    begun = settled_atoms(p, p.nodes[q].set) if resume == TO_NEXT else 0
    if resume != AGAIN:
        p.head = 0
        p.queue.count = 0
        p.search_steps = 0
        p.search = next_stamp(p)
        _push(p, q, 0, NONE, 0, 0)
        _meet(p, q, 0)
    while p.head < p.queue.count:
        head = p.head
        q = p.queue[head].node
        left, characters = p.queue[head].place, p.queue[head].cost
        # A multi-byte spelling travels one level a byte; costs are at most 12.
        if left > 0:
            if left > 1 or not _is_met(p, q, characters):
                _push(p, q, left - 1, p.queue[head].parent, p.queue[head].kind, characters)
                if left == 1:
                    _meet(p, q, characters)
            p.head = head + 1
            continue
        _count_step(p)
        if not steps(p, p.nodes[q].set):
            row = node_row(p, q)
            s = p.nodes[q].spec
            classes = p.specs[s].classes
            cost = p.specs[s].costs
            if p.queue.count + classes > p.queue.capacity:
                stop(p, QUEUE, 0)
            if most >= 0:
                characters += 1
            for c in range(classes if characters <= most or most < 0 else 0):
                t = p.heap[row + c]
                bytes_ = p.heap[cost + c]
                if t < 0 or bytes_ == 0 or p.nodes[t].live < 0 or _is_met(p, t, characters):
                    continue
                if resume == FEWEST:
                    bytes_ = 1
                if bytes_ == 1:
                    _meet(p, t, characters)
                _push(p, t, bytes_ - 1, head, c, characters)
        p.head = head + 1
        further = resume == TO_NEXT and settled_atoms(p, p.nodes[q].set) > begun
        if further and p.nodes[q].live == 0:
            stop(p, NEED_LIFE, q)
        if p.nodes[q].outcome >= 0 or further:
            _mark_path(p, head)
            return head
    return -1


@jit
def _comes_first(p: StringTables, one: int, other: int) -> bool:
    """Return whether an entry is taken before another: by rank, the newest parent, the smallest character."""
    first, second = p.queue[one], p.queue[other]
    if first.rank != second.rank:
        return first.rank < second.rank
    return first.parent > second.parent or (first.parent == second.parent and one < other)


@jit
def _enqueue(p: StringTables, size: int, entry: int) -> None:
    """Add an entry to the binary heap that the second column holds; `size` without it."""
    at = size
    while at > 0 and _comes_first(p, entry, p.queue[(at - 1) // 2].place):
        p.queue[at].place = p.queue[(at - 1) // 2].place
        at = (at - 1) // 2
    p.queue[at].place = entry


@jit
def _dequeue(p: StringTables, size: int) -> int:
    """Take the first entry from the heap and return it; `size` with it."""
    first, moved = p.queue[0].place, p.queue[size - 1].place
    at, child = 0, 1
    while child < size - 1:
        if child + 1 < size - 1 and _comes_first(p, p.queue[child + 1].place, p.queue[child].place):
            child += 1
        if not _comes_first(p, p.queue[child].place, moved):
            break
        p.queue[at].place = p.queue[child].place
        at, child = child, 2 * child + 1
    p.queue[at].place = moved
    return first


@jit
def _rank(p: StringTables, s: int, q: int, cost: int, aim: int) -> int:
    """Return where a node stands in a search: by the bytes of its text and of the rest, then those of the
    rest."""
    if p.specs[s].judged:
        return cost
    key = estimate(p, s, p.nodes[q].set, p.nodes[q].length)
    missing = min(p.specs[s].least - p.nodes[q].length, NEVER - 1)
    total = max(p.keys[key].at, missing)
    if aim == SHORTEST:
        if p.specs[s].exact:
            total = 0  # the bound is the distance: what is newest and smallest is the smallest text
        return (cost + max(p.keys[key].value, missing)) << 30 | total
    return (cost + (total if aim == TO_LIVE else _WEIGHT * total)) << 30 | total


@jit
def seek(p: StringTables, q: int, aim: int) -> int:
    """Return the queue entry at which a search from node `q` ends, or -1: best first, by `estimate`.

    SHORTEST: a shortest completion (A*: P. Hart, N. Nilsson, B. Raphael, 1968); the smallest of them if the
    estimate is exact. ANY_END: some completion, found by what all conditions ask for together, so that one is
    met after another. TO_LIVE: the same as far as a live node; every visited node that leads there is marked
    live, and where there is none, all visited nodes are dead. Stops after `most_steps` steps.
    """
    s = p.nodes[q].spec
    classes, widths = p.specs[s].classes, p.specs[s].costs
    undecided = NONE  # a node inside an implicit automaton, which is asked when the search ends
    gen = next_stamp(p)
    p.queue.count, p.search_steps = 0, 0
    _push(p, q, 0, NONE, 0, 0)
    p.queue[0].rank = 0
    p.nodes[q].stamp, p.nodes[q].cost = gen, 0
    size = 1
    while size > 0:
        entry = _dequeue(p, size)
        size -= 1
        q, cost = p.queue[entry].node, p.queue[entry].cost
        if p.nodes[q].cost < cost:
            continue
        if p.nodes[q].outcome >= 0 or (aim == TO_LIVE and p.nodes[q].live > 0):
            _mark_path(p, entry)
            if aim == TO_LIVE:
                _mark_live(p)
            return entry
        _count_step(p)
        if steps(p, p.nodes[q].set):
            if p.nodes[q].live == 0:
                undecided = q
            continue
        row = node_row(p, q)
        last, last_width = NONE, 0
        for c in range(classes):
            t, width = p.heap[row + c], p.heap[widths + c]
            if t < 0 or width == 0 or (t == last and width >= last_width) or p.nodes[t].live < 0:
                continue
            last, last_width = t, width
            if p.nodes[t].stamp == gen and (aim != SHORTEST or p.nodes[t].cost <= cost + width):
                continue
            p.nodes[t].stamp, p.nodes[t].cost = gen, cost + width
            rank = _rank(p, s, t, cost + width, aim)
            _push(p, t, 0, entry, c, cost + width)
            p.queue[p.queue.count - 1].rank = rank
            _enqueue(p, size, p.queue.count - 1)
            size += 1
    if aim == TO_LIVE:
        if undecided >= 0:
            stop(p, NEED_END, undecided)
        for i in range(p.queue.count):
            p.nodes[p.queue[i].node].live = -1
    return NONE


@jit
def _mark_live(p: StringTables) -> None:
    """Mark the visited nodes live that lead to a live node, backwards from the last visited."""
    for i in range(p.queue.count - 1, -1, -1):
        q = p.queue[i].node
        row = p.nodes[q].row
        if p.nodes[q].live != 0 or row < 0:
            continue
        s = p.nodes[q].spec
        for c in range(p.specs[s].classes):
            t = p.heap[row + c]
            if t >= 0 and p.nodes[t].live > 0 and p.heap[p.specs[s].costs + c] > 0:
                p.nodes[q].live = 1
                break


@jit
def next_letter(p: StringTables, q: int, low: int, high: int) -> int:
    """Return the first code point from `low` to `high` that a thread of LETTERS in a node accepts, or -1."""
    s, set_ = p.nodes[q].spec, p.nodes[q].set
    off, found = p.sets[set_].at, NONE
    for i in range(off, off + p.sets[set_].size):
        t = p.heap[i]
        pc = p.keys[t].what
        if p.code[pc].op != LETTERS:
            continue
        for point in range(max(low, p.code[pc].c), min(high, p.code[pc].d) + 1):
            if after_letter(p, t, point, class_of_point(p, s, point)) >= 0:
                found, high = point, point - 1
                break
    return found


@jit
def _try_letters(p: StringTables, q: int) -> None:
    """Mark a node live if a letter of LETTERS leads to an outcome; searches try every other character.

    A text whose label continues with letters is an end unless it is an excluded word, so one letter decides.
    """
    point = next_letter(p, q, 128, 0x7FF)
    while point >= 0:
        if p.nodes[node_after(p, q, point)].outcome >= 0:
            p.nodes[q].live = 1
            return
        point = next_letter(p, q, point + 1, 0x7FF)


@jit
def decide(p: StringTables, q: int) -> None:
    """Mark a node live or dead.

    A node inside an implicit automaton is live if the automaton's shortest end leads to an outcome: no search
    can visit as many nodes as there are texts.
    """
    s, set_ = p.nodes[q].spec, p.nodes[q].set
    if p.specs[s].grows:
        # each of its texts can be lengthened, so the shortest completion decides
        left = p.keys[estimate(p, s, set_, p.nodes[q].length)].value
        lives = left < NEVER and (p.specs[s].most < 0 or p.nodes[q].length + left <= p.specs[s].most)
        p.nodes[q].live = 1 if lives else -1
        return
    if steps(p, set_):
        if p.specs[s].texts - p.nodes[q].length < MOST_TO_END:
            stop(p, NEED_END, q)
        p.nodes[q].live = 1  # there is room for an end
    else:
        seek(p, q, TO_LIVE)
    if p.nodes[q].live < 0 and lettered(p, set_):
        _try_letters(p, q)
