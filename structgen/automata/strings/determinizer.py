"""The determiniser of strings, compiled: states with byte rows, liveness, and shortest completions.

A *thread* is a place in one atom's nondeterministic automaton. A *set* is a sorted set of threads, which is
a state of the determinised product of a spec's atoms. A *node* is (spec, set, length so far), a state
between two code points. A *state* is a node or a place inside a UTF-8 sequence; it has a row of 258 columns,
and it is what callers see.

Everything lies in the arrays of `determinizer_tables`, which Python grows when a function raises
`Interrupt`. A function may be interrupted anywhere and is called again: interned keys stay valid, and the
missing entries of a row are UNKNOWN.
"""

from __future__ import annotations

import numpy as np

from structgen.automata.formats.label_lengths import after_letter, class_of_point
from structgen.automata.formats.regex_format import regex_cost
from structgen.automata.formats.time_of_day import clock_cost
from structgen.automata.programs.determinizer_tables import (
    ARG_A,
    ARG_B,
    ARG_C,
    BY_COLUMN,
    DONE,
    F_ALL,
    F_ATOM,
    F_END,
    F_LENGTH,
    F_NOT_ATOM,
    F_NOT_LENGTH,
    FREE_STATE,
    FULL_HEAP,
    FULL_NODES,
    FULL_QUEUE,
    FULL_STATES,
    FULL_WORK,
    HEAD,
    I_BODY,
    I_COST,
    I_OUTER,
    K_ESTIMATE,
    K_FREE,
    K_HOPE,
    K_MIDDLE,
    K_NODE,
    K_OUTCOME,
    K_SPLIT,
    KIND,
    LEN,
    MIDDLE_STATE,
    MOST_NODES,
    MOST_STEPS,
    MOST_TO_END,
    MOST_WORK,
    N_HEAP,
    N_NODE,
    N_RANK,
    N_STATE,
    NEED_ANSWERS,
    NEED_COSTS,
    NEED_END,
    NEED_LIFE,
    NODE_STATE,
    NONE,
    OFF,
    ONE,
    OVER_NODES,
    OVER_STEPS,
    OVER_WORK,
    P_ASCII,
    P_ASKED,
    P_ATOM,
    P_BREAKS,
    P_CAP,
    P_CLASSES,
    P_COST,
    P_COSTED,
    P_DEPTH,
    P_FIRST_ATOM,
    P_FORMULA,
    P_GROWS,
    P_JUDGED,
    P_KINDS,
    P_LEAST,
    P_MOST,
    P_NBREAKS,
    P_RANGES,
    P_STARTS,
    P_TEXTS,
    P_TRIMMED,
    PARENT,
    Q_COST,
    Q_LENGTH,
    Q_LIVE,
    Q_OUTCOME,
    Q_ROW,
    Q_SET,
    Q_SPEC,
    Q_STAMP,
    Q_STATE,
    S_LEN,
    S_OFF,
    S_ROW,
    SAFE_COLUMN,
    SEARCH_STEPS,
    SEEN,
    SPLIT_STATE,
    TAIL,
    THREE,
    TODO_DONE,
    TODO_HEAD,
    TODO_STAMP,
    TODO_TAIL,
    TWO,
    UNSET,
    VALUE,
    WIDTH,
    WORK,
    ZERO,
    heap_of,
    intern,
    intern_set,
    keys_of,
    next_stamp,
    nodes_of,
    outcome_of,
    prog_of,
    queue_of,
    rehash,
    sets_of,
    spec_of,
    states_of,
    stop,
    todo_of,
    trans_of,
    work_of,
)
from structgen.automata.programs.instructions import (
    CALLED,
    CHAR,
    CLOCK,
    IMPLICIT,
    LETTERS,
    MATCH,
    REGEX,
    UNPADDED,
    WORDS,
)
from structgen.automata.strings.subset_construction import (
    accepted,
    closure,
    lettered,
    letterless,
    open_atoms,
    set_row,
    stepped,
    steps,
    tidy,
)
from structgen.automata.unicode.decoded_text import LONE_COLUMN
from structgen.language.ir import DEAD, UNKNOWN
from structgen.native.jit import entry, jit

_NEVER = np.int64(1) << 28  # more bytes than any completion has
SHORTEST, ANY_END, TO_LIVE = range(3)
"""Aims of `_seek`."""
AGAIN, TO_NEXT = 1, 2
"""Of `_search`: go on after a find; to one more atom that has matched for good."""
_WEIGHT = 4
"""How much more than the bytes so far the bytes still to come count in a search for ANY_END (weighted A*:
I. Pohl, 1970): the more, the fewer nodes are visited aside, and the longer the text is."""


# Work is counted in units of some 5 us. A new row of a set costs _NEW units, and one more for each _ROW_WORK
# threads times classes; a new row of a node costs one; _STEPS + 1 steps of a search over known rows cost one.
_NEW = np.int64(4)
_ROW_WORK = np.int64(250)
_STEPS = np.int64(3)


@jit
def _spend(A, units):  # type: ignore[no-untyped-def]
    """Count work of the current public call; stop past its limit."""
    A[WORK] += units
    if A[WORK] > A[MOST_WORK]:
        stop(A, OVER_WORK, ZERO)


@jit
def _bracket(A, s, length):  # type: ignore[no-untyped-def]
    """Return how many of a spec's length bounds a length has reached."""
    bracket = np.int64(0)
    breaks = spec_of(A)[s, P_BREAKS]
    while bracket < spec_of(A)[s, P_NBREAKS] and heap_of(A)[breaks + bracket] <= length:
        bracket += 1
    return bracket


@jit
def _estimate(A, s, set_, length):  # type: ignore[no-untyped-def]
    """Return a key with estimates of the bytes from a set to an outcome: a lower bound (VALUE; _NEVER if no
    text leads to one), what all conditions ask for together (OFF), and up to which length of the string
    there is an outcome for certain (LEN; _NEVER: after every text, -1: not known).

    A spec's formula is evaluated over its atoms' distances to a match: of a conjunction the largest, or the
    sum; of a disjunction the least. Patterns that are found after any text are met one after another, if
    nothing else is asked but a length. Computed once for a set and how many length bounds are reached.
    """
    key = intern(A, K_ESTIMATE, s, set_, _bracket(A, s, length))
    keys, heap, work, prog = keys_of(A), heap_of(A), work_of(A), prog_of(A)
    if keys[key, VALUE] != UNSET:
        return key
    first, count = spec_of(A)[s, P_FIRST_ATOM], spec_of(A)[s, P_ATOM + 1]
    at, asked, least = spec_of(A)[s, P_FORMULA], spec_of(A)[s, P_ASKED], spec_of(A)[s, P_LEAST]
    if count + 4 * spec_of(A)[s, P_DEPTH] > work.shape[0]:
        stop(A, FULL_WORK, count + 4 * spec_of(A)[s, P_DEPTH])
    for atom in range(count):
        work[atom] = _NEVER
    off = sets_of(A)[set_, S_OFF]
    for i in range(off, off + sets_of(A)[set_, S_LEN]):
        t = heap[i]
        atom = prog[keys[t, 0], 5] - first
        if prog[keys[t, 0], 0] == MATCH and keys[t, 2] == 0:
            work[atom] = NONE  # matched for good
        elif work[atom] > 0:
            cost = min(_thread_cost(A, s, t), _NEVER - 1) if heap[asked + atom] else ZERO
            work[atom] = min(work[atom], cost)
    top = count
    while heap[at] != F_END:
        kind, a, b = heap[at], heap[at + 1], heap[at + 2]
        at += 3
        # the two estimates; the bytes of a text that is certain to do, and the most characters of the string
        low, total, sure, most = ZERO, ZERO, ZERO, NONE
        if kind == F_ATOM:
            low = total = max(work[a], ZERO)
            if work[a] < 0:
                most = _NEVER
            elif work[a] < _NEVER and heap[asked + a] > 1:
                sure, most = heap[asked + a] - 1, _NEVER
        elif kind == F_NOT_ATOM:
            low = total = _NEVER if work[a] < 0 else ZERO
            most = _NEVER if work[a] == _NEVER else NONE
        elif kind == F_LENGTH:
            low = total = _NEVER if b >= 0 and length > b else ZERO
            most = NONE if a > least else b if b >= 0 else _NEVER
        elif kind == F_NOT_LENGTH:
            low = total = _NEVER if length >= a and b < 0 else ZERO
        else:
            top -= 4 * a
            if kind == F_ALL:
                most = _NEVER
            else:
                low = total = _NEVER
            for i in range(top, top + 4 * a, 4):
                if kind == F_ALL:
                    low, total = max(low, work[i]), min(total + work[i + 1], _NEVER - 1)
                    sure, most = sure + work[i + 2], min(most, work[i + 3])
                else:
                    low, total = min(low, work[i]), min(total, work[i + 1])
                    if work[i + 3] - work[i + 2] > most - sure:
                        sure, most = work[i + 2], work[i + 3]
        work[top], work[top + 1], work[top + 2], work[top + 3] = low, total, sure, most
        top += 4
    low, sure, most = work[count], work[count + 2], work[count + 3]
    keys[key, VALUE], keys[key, OFF] = low, work[count + 1]
    keys[key, LEN] = NONE if most < max(least, sure) else _NEVER if most == _NEVER else most - sure
    return key


@jit
def _asks(A, s, set_, bracket, outcome):  # type: ignore[no-untyped-def]
    """Return whether the liveness of a node depends on the demands' formulas."""
    if outcome >= 0 or (spec_of(A)[s, P_TRIMMED] and sets_of(A)[set_, S_LEN] > 0):
        return False
    return sets_of(A)[set_, S_LEN] > 0 or spec_of(A)[s, P_NBREAKS] != bracket


@jit
def _foretell(A, s, row, classes, length):  # type: ignore[no-untyped-def]
    """Stop once for all questions to Python about the nodes of a set's row: outcomes, then hopes."""
    bracket = _bracket(A, s, length)
    for second in range(2):
        missing, last = np.int64(-1), np.int64(-1)
        for c in range(classes):
            set_ = heap_of(A)[row + c]
            if set_ == last:
                continue
            last = set_
            answer = intern(A, K_OUTCOME, s, accepted(A, set_), bracket)
            if second and spec_of(A)[s, P_JUDGED]:
                answer = intern(A, K_HOPE, s, open_atoms(A, set_), bracket)
            if keys_of(A)[answer, VALUE] == UNSET:
                missing = answer
        if missing >= 0:
            stop(A, NEED_ANSWERS, missing)


@jit
def _node(A, s, set_, length):  # type: ignore[no-untyped-def]
    """Return the node's number."""
    key = intern(A, K_NODE, s, set_, length)
    if keys_of(A)[key, VALUE] != UNSET:
        return keys_of(A)[key, VALUE]
    bracket = _bracket(A, s, length)
    answer = intern(A, K_OUTCOME, s, accepted(A, set_), bracket)
    outcome = keys_of(A)[answer, VALUE]
    if outcome == UNSET:
        stop(A, NEED_ANSWERS, answer)
    n = A[N_NODE]
    if n >= A[MOST_NODES]:
        stop(A, OVER_NODES, ZERO)
    nodes = nodes_of(A)
    if n >= nodes.shape[0]:
        stop(A, FULL_NODES, ZERO)
    live = ONE if outcome >= 0 or sets_of(A)[set_, S_LEN] > 0 else NONE
    if spec_of(A)[s, P_JUDGED]:
        hope = intern(A, K_HOPE, s, open_atoms(A, set_), bracket)
        if keys_of(A)[hope, VALUE] == UNSET:
            stop(A, NEED_ANSWERS, hope)
        hope = keys_of(A)[hope, VALUE]
        live = NONE if hope == 0 else TWO if hope == 2 else ONE if outcome >= 0 else ZERO
    elif _asks(A, s, set_, bracket, outcome):
        key_of_bounds = _estimate(A, s, set_, length)
        if keys_of(A)[key_of_bounds, LEN] >= length:
            live = TWO if keys_of(A)[key_of_bounds, LEN] == _NEVER else ONE
        else:
            live = ZERO if keys_of(A)[key_of_bounds, VALUE] < _NEVER else NONE
    nodes[n, Q_SPEC] = s
    nodes[n, Q_SET] = set_
    nodes[n, Q_LENGTH] = length
    nodes[n, Q_ROW] = -1
    nodes[n, Q_OUTCOME] = outcome
    nodes[n, Q_LIVE] = live
    nodes[n, Q_STATE] = -1
    nodes[n, Q_STAMP] = 0
    keys_of(A)[key, VALUE] = n
    A[N_NODE] = n + 1
    return n


@jit
def _plain(A, q):  # type: ignore[no-untyped-def]
    """Return the node without its threads of LETTERS: every other successor is the same."""
    set_ = nodes_of(A)[q, Q_SET]
    if not lettered(A, set_):
        return q
    return _node(A, nodes_of(A)[q, Q_SPEC], letterless(A, set_), nodes_of(A)[q, Q_LENGTH])


@jit
def _node_row(A, q):  # type: ignore[no-untyped-def]
    """Return where the heap lists the node's successor on each class (DEAD: certainly none).

    Threads of LETTERS are left out: their successors are found letter by letter (`_fill_column`).
    """
    nodes = nodes_of(A)
    if nodes[q, Q_ROW] >= 0:
        return nodes[q, Q_ROW]
    own = q
    q = _plain(A, q)
    if nodes[q, Q_ROW] >= 0:
        nodes[own, Q_ROW] = nodes[q, Q_ROW]
        return nodes[q, Q_ROW]
    s = nodes[q, Q_SPEC]
    set_ = nodes[q, Q_SET]
    # All specs share the empty set. It leads to itself and has no row, whose width would be that of one spec.
    empty = sets_of(A)[set_, S_LEN] == 0
    classes = spec_of(A)[s, P_CLASSES]
    _spend(A, ONE)
    if sets_of(A)[set_, S_ROW] < 0:
        _spend(A, _NEW + sets_of(A)[set_, S_LEN] * classes // _ROW_WORK)
    from_ = ZERO if empty else set_row(A, s, set_)
    length = nodes[q, Q_LENGTH]
    if length < spec_of(A)[s, P_CAP]:
        length += 1
    if not empty:
        _foretell(A, s, from_, classes, length)
    row = A[N_HEAP]
    if row + classes > heap_of(A).shape[0]:
        stop(A, FULL_HEAP, classes)
    A[N_HEAP] = row + classes
    last_set, last = np.int64(-1), np.int64(-1)
    for c in range(classes):
        if not empty:
            set_ = heap_of(A)[from_ + c]
        if set_ != last_set:
            last_set, last = set_, _node(A, s, set_, length)
        heap_of(A)[row + c] = DEAD if nodes_of(A)[last, Q_LIVE] < 0 else last
    nodes[q, Q_ROW] = row
    nodes[own, Q_ROW] = row
    return row


@jit
def _push(A, node, left, parent, kind):  # type: ignore[no-untyped-def]
    tail = A[TAIL]
    queue = queue_of(A)
    if tail >= queue.shape[0]:
        stop(A, FULL_QUEUE, ZERO)
    queue[tail, 0] = node
    queue[tail, 1] = left
    queue[tail, 2] = parent
    queue[tail, 3] = kind
    A[TAIL] = tail + 1


@jit
def _search(A, q, resume):  # type: ignore[no-untyped-def]
    """Return the queue entry of the first completion with an outcome, or -1; if `resume` is TO_NEXT, of the
    first text after which one more atom has matched for good, or which is a completion.

    Breadth first by the bytes of the shortest spelling of each class, in byte order: the first entry at a
    node has its shortest, then smallest text. AGAIN for `resume` continues after the last find. Stops after
    MOST_STEPS steps.
    """
    nodes, reg, queue = nodes_of(A), A, queue_of(A)
    begun = _settled_atoms(A, nodes[q, Q_SET]) if resume == TO_NEXT else ZERO
    if resume != AGAIN:
        reg[HEAD] = 0
        reg[TAIL] = 0
        reg[SEARCH_STEPS] = 0
        reg[N_RANK] = next_stamp(A)
        _push(A, q, ZERO, NONE, ZERO)
        nodes[q, Q_STAMP] = reg[N_RANK]
    while reg[HEAD] < reg[TAIL]:
        head = reg[HEAD]
        q = queue[head, 0]
        left = queue[head, 1]
        # A multi-byte spelling travels one level a byte; costs are at most 4.
        if left > 0:
            if left > 1 or nodes[q, Q_STAMP] != reg[N_RANK]:
                _push(A, q, left - 1, queue[head, 2], queue[head, 3])
                if left == 1:
                    nodes[q, Q_STAMP] = reg[N_RANK]
            reg[HEAD] = head + 1
            continue
        _count_step(A)
        if not steps(A, nodes[q, Q_SET]):
            row = _node_row(A, q)
            s = nodes[q, Q_SPEC]
            classes = spec_of(A)[s, P_CLASSES]
            cost = spec_of(A)[s, P_COST]
            if reg[TAIL] + classes > queue.shape[0]:
                stop(A, FULL_QUEUE, ZERO)
            for c in range(classes):
                t = heap_of(A)[row + c]
                bytes_ = heap_of(A)[cost + c]
                if t < 0 or bytes_ == 0 or nodes[t, Q_LIVE] < 0 or nodes[t, Q_STAMP] == reg[N_RANK]:
                    continue
                if bytes_ == 1:
                    nodes[t, Q_STAMP] = reg[N_RANK]
                _push(A, t, bytes_ - 1, head, c)
        reg[HEAD] = head + 1
        further = resume == TO_NEXT and _settled_atoms(A, nodes[q, Q_SET]) > begun
        if further and nodes[q, Q_LIVE] == 0:
            stop(A, NEED_LIFE, q)
        if nodes[q, Q_OUTCOME] >= 0 or further:
            _mark_path(A, head)
            return head
    return np.int64(-1)


@jit
def _settled_atoms(A, set_):  # type: ignore[no-untyped-def]
    """Return how many atoms have matched for good."""
    found, open_ = ZERO, open_atoms(A, set_)
    off = sets_of(A)[open_, S_OFF]
    for i in range(off, off + sets_of(A)[open_, S_LEN]):
        found += heap_of(A)[i] & 1
    return found


@jit
def _count_step(A):  # type: ignore[no-untyped-def]
    """Count a step of a search and its work; stop past either limit."""
    A[SEARCH_STEPS] += 1
    if A[SEARCH_STEPS] & _STEPS == 0:
        _spend(A, ONE)
    if A[SEARCH_STEPS] > A[MOST_STEPS]:
        stop(A, OVER_STEPS, ZERO)


@jit
def _mark_path(A, entry):  # type: ignore[no-untyped-def]
    """Mark the nodes on the way to a queue entry live."""
    nodes, queue = nodes_of(A), queue_of(A)
    while entry >= 0:
        nodes[queue[entry, 0], Q_LIVE] = max(nodes[queue[entry, 0], Q_LIVE], 1)
        entry = queue[entry, 2]


@jit
def _comes_first(queue, one, other):  # type: ignore[no-untyped-def]
    """Return whether an entry is taken before another: by rank, the newest parent, the smallest character."""
    if queue[one, 5] != queue[other, 5]:
        return queue[one, 5] < queue[other, 5]
    return queue[one, 2] > queue[other, 2] or (queue[one, 2] == queue[other, 2] and one < other)


@jit
def _add(A, size, entry):  # type: ignore[no-untyped-def]
    """Add an entry to the binary heap that the second column holds; `size` without it."""
    queue = queue_of(A)
    at = size
    while at > 0 and _comes_first(queue, entry, queue[(at - 1) // 2, 1]):
        queue[at, 1] = queue[(at - 1) // 2, 1]
        at = (at - 1) // 2
    queue[at, 1] = entry


@jit
def _take(A, size):  # type: ignore[no-untyped-def]
    """Take the first entry from the heap and return it; `size` with it."""
    queue = queue_of(A)
    first, moved = queue[0, 1], queue[size - 1, 1]
    at, child = np.int64(0), np.int64(1)
    while child < size - 1:
        if child + 1 < size - 1 and _comes_first(queue, queue[child + 1, 1], queue[child, 1]):
            child += 1
        if not _comes_first(queue, queue[child, 1], moved):
            break
        queue[at, 1] = queue[child, 1]
        at, child = child, 2 * child + 1
    queue[at, 1] = moved
    return first


@jit
def _seek(A, q, aim):  # type: ignore[no-untyped-def]
    """Return the queue entry at which a search from node `q` ends, or -1: best first, by `_estimate`.

    SHORTEST: a shortest completion, not always the smallest of them (A*: P. Hart, N. Nilsson, B. Raphael,
    1968). ANY_END: some completion, found by what all conditions ask for together, so that one is met after
    another. TO_LIVE: the same as far as a live node; every visited node that leads there is marked live, and
    where there is none, all visited nodes are dead. Stops after MOST_STEPS steps.
    """
    s = nodes_of(A)[q, Q_SPEC]
    classes, widths = spec_of(A)[s, P_CLASSES], spec_of(A)[s, P_COST]
    undecided = NONE  # a node inside an implicit automaton, which is asked when the search ends
    gen = next_stamp(A)
    A[TAIL], A[SEARCH_STEPS] = 0, 0
    _push(A, q, ZERO, NONE, ZERO)
    queue_of(A)[0, 4], queue_of(A)[0, 5] = 0, 0
    nodes_of(A)[q, Q_STAMP], nodes_of(A)[q, Q_COST] = gen, 0
    size = ONE
    while size > 0:
        entry = _take(A, size)
        size -= 1
        nodes = nodes_of(A)
        q, cost = queue_of(A)[entry, 0], queue_of(A)[entry, 4]
        if nodes[q, Q_COST] < cost:
            continue
        if nodes[q, Q_OUTCOME] >= 0 or (aim == TO_LIVE and nodes[q, Q_LIVE] > 0):
            _mark_path(A, entry)
            if aim == TO_LIVE:
                _mark_live(A)
            return entry
        _count_step(A)
        if steps(A, nodes[q, Q_SET]):
            if nodes[q, Q_LIVE] == 0:
                undecided = q
            continue
        row = _node_row(A, q)
        last = NONE
        for c in range(classes):
            t, width = heap_of(A)[row + c], heap_of(A)[widths + c]
            if t < 0 or width == 0 or t == last or nodes[t, Q_LIVE] < 0:
                continue
            last = t
            if nodes[t, Q_STAMP] == gen and (aim != SHORTEST or nodes[t, Q_COST] <= cost + width):
                continue
            nodes[t, Q_STAMP], nodes[t, Q_COST] = gen, cost + width
            rank = _rank(A, s, t, cost + width, aim)
            _push(A, t, ZERO, entry, np.int64(c))
            queue_of(A)[A[TAIL] - 1, 4], queue_of(A)[A[TAIL] - 1, 5] = cost + width, rank
            _add(A, size, A[TAIL] - 1)
            size += 1
    if aim == TO_LIVE:
        if undecided >= 0:
            stop(A, NEED_END, undecided)
        for i in range(A[TAIL]):
            nodes_of(A)[queue_of(A)[i, 0], Q_LIVE] = -1
    return NONE


@jit
def _rank(A, s, q, cost, aim):  # type: ignore[no-untyped-def]
    """Return where a node stands in a search: by the bytes of its text and of the rest, then those of the
    rest."""
    if spec_of(A)[s, P_JUDGED]:
        return cost
    key = _estimate(A, s, nodes_of(A)[q, Q_SET], nodes_of(A)[q, Q_LENGTH])
    missing = min(spec_of(A)[s, P_LEAST] - nodes_of(A)[q, Q_LENGTH], _NEVER - 1)
    total = max(keys_of(A)[key, OFF], missing)
    if aim == SHORTEST:
        return (cost + max(keys_of(A)[key, VALUE], missing)) << 30 | total
    return (cost + (total if aim == TO_LIVE else _WEIGHT * total)) << 30 | total


@jit
def _mark_live(A):  # type: ignore[no-untyped-def]
    """Mark the visited nodes live that lead to a live node, backwards from the last visited."""
    nodes = nodes_of(A)
    for i in range(A[TAIL] - 1, -1, -1):
        q = queue_of(A)[i, 0]
        row = nodes[q, Q_ROW]
        if nodes[q, Q_LIVE] != 0 or row < 0:
            continue
        s = nodes[q, Q_SPEC]
        for c in range(spec_of(A)[s, P_CLASSES]):
            t = heap_of(A)[row + c]
            if t >= 0 and nodes[t, Q_LIVE] > 0 and heap_of(A)[spec_of(A)[s, P_COST] + c] > 0:
                nodes[q, Q_LIVE] = 1
                break


@jit
def _decide(A, q):  # type: ignore[no-untyped-def]
    """Mark a node live or dead.

    A node inside an implicit automaton is live if the automaton's shortest end leads to an outcome: no search
    can visit as many nodes as there are texts.
    """
    s, set_ = nodes_of(A)[q, Q_SPEC], nodes_of(A)[q, Q_SET]
    if spec_of(A)[s, P_GROWS]:
        # each of its texts can be lengthened, so the shortest completion decides
        lives = sets_of(A)[set_, S_LEN] > 0
        if lives and spec_of(A)[s, P_MOST] >= 0:
            lives = nodes_of(A)[q, Q_LENGTH] + _distance(A, s, set_) <= spec_of(A)[s, P_MOST]
        nodes_of(A)[q, Q_LIVE] = 1 if lives else -1
        return
    if steps(A, set_):
        if spec_of(A)[s, P_TEXTS] - nodes_of(A)[q, Q_LENGTH] < MOST_TO_END:
            stop(A, NEED_END, q)
        nodes_of(A)[q, Q_LIVE] = 1  # there is room for an end
    else:
        _seek(A, q, TO_LIVE)
    if nodes_of(A)[q, Q_LIVE] < 0 and lettered(A, set_):
        _try_letters(A, q)


@jit
def _try_letters(A, q):  # type: ignore[no-untyped-def]
    """Mark a node live if a letter of LETTERS leads to an outcome; searches try every other character.

    A text whose label continues with letters is an end unless it is an excluded word, so one letter decides.
    """
    point = _next_letter(A, q, np.int64(128), np.int64(0x7FF))
    while point >= 0:
        if nodes_of(A)[_node_after(A, q, point), Q_OUTCOME] >= 0:
            nodes_of(A)[q, Q_LIVE] = 1
            return
        point = _next_letter(A, q, point + 1, np.int64(0x7FF))


@jit
def _next_letter(A, q, low, high):  # type: ignore[no-untyped-def]
    """Return the first code point from `low` to `high` that a thread of LETTERS in a node accepts, or -1."""
    s, set_ = nodes_of(A)[q, Q_SPEC], nodes_of(A)[q, Q_SET]
    off, found = sets_of(A)[set_, S_OFF], NONE
    for i in range(off, off + sets_of(A)[set_, S_LEN]):
        t = heap_of(A)[i]
        pc = keys_of(A)[t, 0]
        if prog_of(A)[pc, 0] != LETTERS:
            continue
        for point in range(max(low, prog_of(A)[pc, 3]), min(high, prog_of(A)[pc, 4]) + 1):
            if after_letter(A, t, point, class_of_point(A, s, point)) >= 0:
                found, high = np.int64(point), point - 1
                break
    return found


@jit
def _letter_blocks(A, q):  # type: ignore[no-untyped-def]
    """Return as bits which of the 32 blocks of 64 code points below U+0800 hold a letter that keeps a node
    live."""
    blocks = ZERO
    for block in range(2, 32):
        last = np.int64(64 * block + 63)
        point = _next_letter(A, q, np.int64(64 * block), last)
        while point >= 0:
            after = _node_after(A, q, point)
            if nodes_of(A)[after, Q_LIVE] == 0:
                _decide(A, after)
            if nodes_of(A)[after, Q_LIVE] > 0:
                blocks |= np.int64(1) << block
                break
            point = _next_letter(A, q, point + 1, last)
    return blocks


@jit
def _new_state(A, kind, a, b, c, outcome):  # type: ignore[no-untyped-def]
    n = A[N_STATE]
    if n >= A[MOST_NODES]:
        stop(A, OVER_NODES, ZERO)
    if n >= states_of(A).shape[0]:
        stop(A, FULL_STATES, ZERO)
    states_of(A)[n, KIND] = kind
    states_of(A)[n, ARG_A] = a
    states_of(A)[n, ARG_B] = b
    states_of(A)[n, ARG_C] = c
    states_of(A)[n, DONE] = 0
    states_of(A)[n, SEEN] = 0
    states_of(A)[n, PARENT] = -1
    outcome_of(A)[n] = outcome
    for b in range(WIDTH):
        trans_of(A)[n, b] = UNKNOWN
    A[N_STATE] = n + 1
    return n


@jit
def _free(A, outcome):  # type: ignore[no-untyped-def]
    """Return the first of the 8 states of the free string with an outcome: any text leads to it."""
    key = intern(A, K_FREE, outcome, ZERO, ZERO)
    if keys_of(A)[key, VALUE] != UNSET:
        return keys_of(A)[key, VALUE]
    base = A[N_STATE]
    if base + 8 > states_of(A).shape[0]:
        stop(A, FULL_STATES, ZERO)
    for i in range(8):
        n = _new_state(A, FREE_STATE, outcome, base, i, outcome if i == 0 else NONE)
        states_of(A)[n, DONE] = 1
        for b in range(WIDTH):
            t = trans_of(A)[i, b]
            trans_of(A)[n, b] = base + t if t >= 0 else DEAD
    keys_of(A)[key, VALUE] = base
    return base


@jit
def _state_of(A, q):  # type: ignore[no-untyped-def]
    """Return the state of a node, or DEAD if nothing completes it."""
    nodes = nodes_of(A)
    if nodes[q, Q_LIVE] == 0:
        _decide(A, q)
    if nodes[q, Q_LIVE] < 0:
        return np.int64(DEAD)
    if nodes[q, Q_STATE] >= 0:
        return nodes[q, Q_STATE]
    set_ = nodes[q, Q_SET]
    s = nodes[q, Q_SPEC]
    decided = nodes[q, Q_LENGTH] >= spec_of(A)[s, P_CAP]
    off, size = sets_of(A)[set_, S_OFF], sets_of(A)[set_, S_LEN]
    for i in range(off, off + size):
        t = heap_of(A)[i]
        if prog_of(A)[keys_of(A)[t, 0], 0] != MATCH or keys_of(A)[t, 2] != 0:
            decided = False
            break
    if decided:
        n = _free(A, nodes[q, Q_OUTCOME])
    else:
        n = _new_state(A, NODE_STATE, q, ZERO, ZERO, nodes[q, Q_OUTCOME])
    nodes[q, Q_STATE] = n
    return n


@jit
def _middle_to(A, kind, target):  # type: ignore[no-untyped-def]
    """Return the state inside a UTF-8 sequence (place `kind` of the free string) that ends at `target`."""
    if states_of(A)[target, KIND] == FREE_STATE:
        return states_of(A)[target, ARG_B] + kind
    key = intern(A, K_MIDDLE, kind, target, ZERO)
    if keys_of(A)[key, VALUE] == UNSET:
        keys_of(A)[key, VALUE] = _new_state(A, MIDDLE_STATE, kind, target, ZERO, NONE)
    return keys_of(A)[key, VALUE]


@jit
def _middle(A, s, q, low, left):  # type: ignore[no-untyped-def]
    """Return the state inside a UTF-8 sequence, `left` bytes from its end, that spells low to low + 64**left.

    With two bytes left and 0xD800 for `low` it is the one behind the first byte of a lone surrogate
    (`unicode.decoded_text`). work[class] holds the states after each class.
    """
    heap, work = heap_of(A), work_of(A)
    high = low + (np.int64(1) << (6 * left)) - 1
    if left == 2 and low == 0:
        low_point = np.int64(0x800)
    elif left == 3 and low == 0:
        low_point = np.int64(0x10000)
    else:
        low_point = low
    if left == 2 and low == 0xD000:
        high = np.int64(0xD7FF)
    elif left == 2 and low == 0xD800:
        high = np.int64(0xDFFF)
    high = min(high, 0x10FFFF)
    starts, count = spec_of(A)[s, P_STARTS], spec_of(A)[s, P_RANGES]
    kinds = spec_of(A)[s, P_KINDS]
    a, b = np.int64(0), count
    while b - a > 1:
        mid = (a + b) // 2
        if heap[starts + mid] <= low_point:
            a = mid
        else:
            b = mid
    target = work[heap[kinds + a]]
    a += 1
    while a < count and heap[starts + a] <= high:
        if work[heap[kinds + a]] != target:
            key = intern(A, K_SPLIT, q, low, left)
            if keys_of(A)[key, VALUE] == UNSET:
                keys_of(A)[key, VALUE] = _new_state(A, SPLIT_STATE, q, low, left, NONE)
            return keys_of(A)[key, VALUE]
        a += 1
    if target < 0:
        return target
    if left == 1:
        kind = ONE
    elif left == 2:
        kind = THREE if low == 0 or low == 0xD800 else np.int64(4) if low == 0xD000 else TWO
    else:
        kind = np.int64(5 if low == 0 else 7 if low == 0x100000 else 6)
    return _middle_to(A, kind, target)


@jit
def _class_states(A, q):  # type: ignore[no-untyped-def]
    """Write the state after each class to work[class]; return how many classes there are."""
    row = _node_row(A, q)
    classes = spec_of(A)[nodes_of(A)[q, Q_SPEC], P_CLASSES]
    if classes >= work_of(A).shape[0]:
        stop(A, FULL_WORK, ZERO)
    # Searches use `work`, so liveness comes first.
    for c in range(classes):
        t = heap_of(A)[row + c]
        if t >= 0 and nodes_of(A)[t, Q_LIVE] == 0:
            _decide(A, t)
    for c in range(classes):
        t = heap_of(A)[row + c]
        if t >= 0:
            known = nodes_of(A)[t, Q_STATE]
            t = known if known >= 0 else _state_of(A, t)
        work_of(A)[c] = t
    return classes


@jit
def _fill(A, n):  # type: ignore[no-untyped-def]
    """Fill the row of a state."""
    states, trans, heap = states_of(A), trans_of(A), heap_of(A)
    if states[n, DONE]:
        return
    kind = states[n, KIND]
    if kind == MIDDLE_STATE:
        middle, target = states[n, ARG_A], states[n, ARG_B]
        for b in range(128):
            trans[n, b] = DEAD
        for b in range(192, WIDTH):
            trans[n, b] = DEAD
        last, after = np.int64(DEAD), np.int64(DEAD)
        for b in range(128, 192):
            t = np.int64(trans[middle, b])
            if t != last:
                last = t
                after = target if t == 0 else _middle_to(A, t, target) if t > 0 else t
            trans[n, b] = after
    elif kind == SPLIT_STATE:
        q, low, left = states[n, ARG_A], states[n, ARG_B], states[n, ARG_C]
        _class_states(A, q)
        s = nodes_of(A)[q, Q_SPEC]
        for b in range(128):
            trans[n, b] = DEAD
        for b in range(192, WIDTH):
            trans[n, b] = DEAD
        starts, count, kinds = spec_of(A)[s, P_STARTS], spec_of(A)[s, P_RANGES], spec_of(A)[s, P_KINDS]
        at = np.int64(0)
        lone = left == 2 and low == 0xD800
        base = np.int64(0xD000) if lone else low
        for b in range(64):
            first = base + (np.int64(b) << (6 * (left - 1)))
            last = first + (np.int64(1) << (6 * (left - 1))) - 1
            if (
                (left == 2 and last < 0x800)
                or (left == 3 and (last < 0x10000 or first > 0x10FFFF))
                or (left == 2 and (first >= 0xD800 and last <= 0xDFFF) != lone)
            ):
                trans[n, 128 + b] = DEAD
            elif left > 1:
                trans[n, 128 + b] = _middle(A, s, q, first, left - 1)
            else:
                if at == 0:
                    a, z = np.int64(0), np.int64(count)
                    while z - a > 1:
                        mid = (a + z) // 2
                        if heap[starts + mid] <= first:
                            a = mid
                        else:
                            z = mid
                    at = a
                while at + 1 < count and heap[starts + at + 1] <= first:
                    at += 1
                trans[n, 128 + b] = work_of(A)[heap[kinds + at]]
        if left == 1 and low < 0x800 and lettered(A, nodes_of(A)[q, Q_SET]):
            for b in range(64):
                if _next_letter(A, q, low + b, low + b) >= 0:
                    trans[n, 128 + b] = UNKNOWN
            trans[n, SAFE_COLUMN] = UNKNOWN - 1
            states[n, DONE] = BY_COLUMN
            return
    else:
        own = states[n, ARG_A]
        q = _plain(A, own)
        letters = _letter_blocks(A, own) if q != own else ZERO
        _class_states(A, q)
        s = nodes_of(A)[q, Q_SPEC]
        ascii_ = spec_of(A)[s, P_ASCII]
        for b in range(128):
            trans[n, b] = work_of(A)[heap[ascii_ + b]]
        for b in range(128, 0xC2):
            trans[n, b] = DEAD
        starts, count, kinds = spec_of(A)[s, P_STARTS], spec_of(A)[s, P_RANGES], spec_of(A)[s, P_KINDS]
        at = np.int64(0)
        last, last_kind, last_state = np.int64(DEAD), np.int64(0), np.int64(DEAD)
        for b in range(0xC2, 0xF5):
            if b < 0xE0:
                left, low = ONE, np.int64(b & 31) << 6
                first, high, middle = low, low + 0x3F, ONE
            elif b < 0xF0:
                left, low = TWO, np.int64(b & 15) << 12
                first, high = max(low, np.int64(0x800)), low + 0xFFF
                middle = THREE if b == 0xE0 else TWO
                if b == 0xED:
                    high, middle = np.int64(0xD7FF), np.int64(4)
            else:
                left, low = THREE, np.int64(b & 7) << 18
                first, high = max(low, np.int64(0x10000)), min(low + 0x3FFFF, np.int64(0x10FFFF))
                middle = np.int64(5 if b == 0xF0 else 7 if b == 0xF4 else 6)
            while at + 1 < count and heap[starts + at + 1] <= first:
                at += 1
            if b < 0xE0 and letters >> (b & 31) & 1:
                key = intern(A, K_SPLIT, own, low, left)
                if keys_of(A)[key, VALUE] == UNSET:
                    keys_of(A)[key, VALUE] = _new_state(A, SPLIT_STATE, own, low, left, NONE)
                trans[n, b] = keys_of(A)[key, VALUE]
                continue
            if at + 1 < count and heap[starts + at + 1] <= high:
                trans[n, b] = _middle(A, s, q, low, left)
                continue
            target = work_of(A)[heap[kinds + at]]
            if target != last or middle != last_kind:
                last, last_kind = target, middle
                last_state = _middle_to(A, middle, target) if target >= 0 else target
            trans[n, b] = last_state
        for b in range(0xF5, 256):
            trans[n, b] = DEAD
        trans[n, LONE_COLUMN] = _middle(A, s, q, np.int64(0xD800), TWO)
        if steps(A, nodes_of(A)[q, Q_SET]):
            for b in range(128):
                if alphabet(b):
                    trans[n, b] = UNKNOWN
            trans[n, SAFE_COLUMN] = _safe(A, q)
            states[n, DONE] = BY_COLUMN
            return
    states[n, DONE] = 1


@jit
def alphabet(b):  # type: ignore[no-untyped-def]
    """Return whether a byte is in the implicit automata's alphabet: letters, digits and hyphens."""
    return 97 <= b <= 122 or 48 <= b <= 57 or 65 <= b <= 90 or b == 45


@jit
def _safe(A, q):  # type: ignore[no-untyped-def]
    """Return the SAFE_COLUMN of a node inside an implicit automaton: UNKNOWN - 1 - n, if any n characters of
    the alphabet may follow.

    n is 0 unless all threads of the node are of implicit automata, or follow one.
    """
    set_, s, length = nodes_of(A)[q, Q_SET], nodes_of(A)[q, Q_SPEC], nodes_of(A)[q, Q_LENGTH]
    off, size = sets_of(A)[set_, S_OFF], sets_of(A)[set_, S_LEN]
    found = ZERO
    for i in range(off, off + size):
        t = heap_of(A)[i]
        if not _beside_stepper(A, set_, prog_of(A)[keys_of(A)[t, 0], 5]):
            return np.int64(UNKNOWN - 1)
        if prog_of(A)[keys_of(A)[t, 0], 0] == IMPLICIT:
            safe = keys_of(A)[t, 2] if keys_of(A)[t, 3] > 0 else prog_of(A)[keys_of(A)[t, 0], 4]
            found = max(found, min(safe, spec_of(A)[s, P_TEXTS] - length - MOST_TO_END))
    return np.int64(UNKNOWN - 1 - found)


@jit
def _beside_stepper(A, set_, atom):  # type: ignore[no-untyped-def]
    """Return whether a set holds a thread of IMPLICIT of an atom."""
    off = sets_of(A)[set_, S_OFF]
    for i in range(off, off + sets_of(A)[set_, S_LEN]):
        pc = keys_of(A)[heap_of(A)[i], 0]
        if prog_of(A)[pc, 0] == IMPLICIT and prog_of(A)[pc, 5] == atom:
            return True
    return False


@jit
def _node_after(A, q, char):  # type: ignore[no-untyped-def]
    """Return the node after a node and a character of ASCII or of LETTERS, live or not."""
    s, set_, length = nodes_of(A)[q, Q_SPEC], nodes_of(A)[q, Q_SET], nodes_of(A)[q, Q_LENGTH]
    if length < spec_of(A)[s, P_CAP]:
        length += 1
    if sets_of(A)[set_, S_LEN] == 0:
        after = set_
    elif lettered(A, set_) if char > 127 else steps(A, set_) and alphabet(char):
        after = stepped(A, s, set_, char)
    else:
        class_ = heap_of(A)[spec_of(A)[s, P_ASCII] + char] if char < 128 else class_of_point(A, s, char)
        after = heap_of(A)[set_row(A, s, set_) + class_]
    return _node(A, s, after, length)


@jit
def _fill_column(A, n, char):  # type: ignore[no-untyped-def]
    """Fill one column of a row that is filled by columns: a character of the implicit automata's alphabet, or
    the last byte of a letter of LETTERS."""
    point = states_of(A)[n, ARG_B] + (char & 63) if states_of(A)[n, KIND] == SPLIT_STATE else char
    after = _node_after(A, states_of(A)[n, ARG_A], point)
    trans_of(A)[n, char] = DEAD if nodes_of(A)[after, Q_LIVE] < 0 else _state_of(A, after)


@jit
def _begin(A, n):  # type: ignore[no-untyped-def]
    """Set up the list of `_expand`, with the state two steps before state `n`.

    A walk over a vocabulary asks for neighbours of `n` too, and where it began is not known here.
    """
    states = states_of(A)
    for _ in range(2):
        if states[n, PARENT] >= 0:
            n = states[n, PARENT]
    A[TODO_STAMP] += 1
    A[TODO_HEAD] = 0
    A[TODO_TAIL] = 1
    A[TODO_DONE] = 0
    todo_of(A)[0] = n
    states[n, SEEN] = A[TODO_STAMP]


@jit
def _list_after(A, at):  # type: ignore[no-untyped-def]
    """Append the states that a filled row leads to to the list of `_expand`, and note their parent."""
    states, trans, todo = states_of(A), trans_of(A), todo_of(A)
    last = np.int64(DEAD)
    for b in range(WIDTH):
        t = np.int64(trans[at, b])
        if t < 0 or t == last:
            continue
        last = t
        if states[t, PARENT] < 0:
            states[t, PARENT] = at
        if states[t, SEEN] != A[TODO_STAMP] and A[TODO_TAIL] < todo.shape[0]:
            states[t, SEEN] = A[TODO_STAMP]
            todo[A[TODO_TAIL]] = t
            A[TODO_TAIL] += 1


@jit
def _expand(A, n, most):  # type: ignore[no-untyped-def]
    """Fill the row of state `n`, then up to `most` missing rows in the order of `_begin`'s list.

    After an interrupt it continues.
    """
    todo = todo_of(A)
    _fill(A, n)
    # Filled rows are passed through; the list is short, so this ends.
    while A[TODO_HEAD] < A[TODO_TAIL] and A[TODO_DONE] < most:
        at = todo[A[TODO_HEAD]]
        if not states_of(A)[at, DONE]:
            _fill(A, at)
            # States inside UTF-8 sequences are cheap and not counted.
            if states_of(A)[at, KIND] != MIDDLE_STATE:
                A[TODO_DONE] += 1
        _list_after(A, at)
        A[TODO_HEAD] += 1
    _list_after(A, n)


@jit
def _calls_cost(A, context):  # type: ignore[no-untyped-def]
    """Return the least bytes from the ends of the called bodies of a context to a match; computed once a
    call."""
    keys, prog = keys_of(A), prog_of(A)
    total, at = ZERO, context
    while at != 0 and keys[at, VALUE] == UNSET:
        total += prog[prog[keys[at, 2], 2], I_COST]
        at = keys[at, 1]
    if at != 0:
        total += keys[at, VALUE]
    if context != 0:
        keys[context, VALUE] = total
    return total


@jit
def _digits(kind, place, left):  # type: ignore[no-untyped-def]
    """Return how many digits an encoded text of `left` more bytes needs.

    `place`: the digits before in their group, and above four bits the bytes that these complete.
    """
    bits = kind & 7
    total = (8 * ((place >> 4) + left) + bits - 1) // bits
    if kind & UNPADDED == 0:
        group = np.int64(4 if bits == 6 else 8 if bits == 5 else 2)
        total = (total + group - 1) // group * group
    return total - (place & 15)


@jit
def _thread_cost(A, s, t):  # type: ignore[no-untyped-def]
    """Return the least bytes from a thread to a match of its atom; 0 if that is not known."""
    if spec_of(A)[s, P_COSTED] == 0:
        stop(A, NEED_COSTS, np.int64(s))
    heap, keys, prog = heap_of(A), keys_of(A), prog_of(A)
    pc = keys[t, 0]
    op = prog[pc, 0]
    cost = np.int64(0)
    if op == CHAR:
        cost = prog[pc, I_COST]
        context = keys[t, 1]
        repeat = prog[pc, I_OUTER]
        if repeat == CALLED:
            cost += _calls_cost(A, context)
            if prog[pc, 3]:
                cost = _digits(prog[pc, 3], prog[pc, 4], cost)
        while repeat >= 0:
            left = prog[repeat, 3] - keys[context, 2] - 1
            if left > 0:
                cost += left * prog[repeat, I_BODY]
            cost += prog[repeat, I_COST]
            context = keys[context, 1]
            repeat = prog[repeat, I_OUTER]
    elif op == IMPLICIT:
        cost = prog[pc, I_COST]  # of the start state
        if keys[t, 3] > 0:
            cost += keys[t, VALUE] - prog[pc, 3]
    elif op == CLOCK:
        cost = clock_cost(keys[t, 3], keys[t, 2])
    elif op == REGEX:
        cost = regex_cost(A, prog[pc, 1], keys[t, 1], keys[t, 2], keys[t, 3])
    elif op == WORDS:
        if keys[t, VALUE] == UNSET:
            base, depth, widths = prog[pc, 1], keys[t, 3], spec_of(A)[s, P_COST]
            least = np.int64(1) << 60
            for word in range(keys[t, 1], keys[t, 2]):
                total = np.int64(0)
                for at in range(heap[base + word] + depth, heap[base + word + 1]):
                    total += heap[widths + heap[base + at]]
                least = min(least, total)
            keys[t, VALUE] = least
        cost = keys[t, VALUE]
    return cost


@jit
def _distance(A, s, set_):  # type: ignore[no-untyped-def]
    """Return the least bytes from a set of a trimmed spec to a match."""
    off = sets_of(A)[set_, S_OFF]
    best = np.int64(1) << 60
    for i in range(off, off + sets_of(A)[set_, S_LEN]):
        best = min(best, _thread_cost(A, s, heap_of(A)[i]))
    return best


@jit
def _descend(A, q):  # type: ignore[no-untyped-def]
    """Write the classes of the shortest, then smallest text from node `q` of a trimmed spec to the queue.

    Return how many there are.
    """
    s = nodes_of(A)[q, Q_SPEC]
    classes, widths = spec_of(A)[s, P_CLASSES], spec_of(A)[s, P_COST]
    left = _distance(A, s, nodes_of(A)[q, Q_SET])
    spare = ZERO
    if spec_of(A)[s, P_GROWS]:
        spare = max(spec_of(A)[s, P_LEAST] - nodes_of(A)[q, Q_LENGTH] - left, ZERO)
        left += spare
    length = np.int64(0)
    while left > 0:
        row = _node_row(A, q)
        found = False
        for c in range(classes):
            t = heap_of(A)[row + c]
            width = heap_of(A)[widths + c]
            if t < 0 or width == 0 or width > left:
                continue
            needed = _distance(A, s, nodes_of(A)[t, Q_SET])
            if needed == left - width if spare == 0 else width == 1 and needed < left:
                if length >= queue_of(A).shape[0]:
                    stop(A, FULL_QUEUE, ZERO)
                queue_of(A)[length, 3] = c
                length += 1
                left -= width
                spare = left - needed
                q = t
                found = True
                break
        if not found:
            return NONE
    return length


ASK_START, ASK_SEARCH, ASK_ROW, ASK_THREAD, ASK_NODE, ASK_EXPAND, ASK_REHASH, ASK_DESCEND, ASK_BEGIN = range(
    9
)
ASK_COLUMN, ASK_AFTER, ASK_STEPPED, ASK_STEPS, ASK_SEEK, ASK_IS_SURE, ASK_DECIDE = range(9, 16)


@entry("int64(int64[::1], int64, int64, int64)")
def ask(A, what, a, b):  # type: ignore[no-untyped-def]
    """Answer one question. There is one entry point, so that one compiled object is loaded.

    ASK_START: the node at which spec `a` begins. ASK_SEARCH: `_search` from node `a` (`b`: continue).
    ASK_ROW: where the heap lists node `a`'s row, dead targets marked. ASK_THREAD: the number of thread (a,
    b, 0, 0). ASK_NODE: the state of node `a`. ASK_EXPAND: fill `b` rows, once ASK_BEGIN has named state `a`
    as the first. ASK_REHASH: fill an emptied hash table, that of the array `a`. ASK_DESCEND: `_descend` from
    node `a`. ASK_COLUMN: fill column `b` of state `a`'s row. ASK_AFTER: the node after `a` and the character
    `b`. ASK_STEPPED: the thread of state `b` (its `safe` in the upper half) of the implicit automaton of
    thread `a`. ASK_STEPS: is node `a` inside an implicit automaton? ASK_SEEK: `_seek` from
    node `a` with the aim `b`. ASK_IS_SURE: do estimates tell that node `a` has a completion?
    ASK_DECIDE: mark node `a` live or dead.
    """
    if what == ASK_SEEK:
        return _seek(A, a, b)
    if what == ASK_DECIDE:
        _decide(A, a)
        return np.int64(0)
    if what == ASK_IS_SURE:
        s, length = nodes_of(A)[a, Q_SPEC], nodes_of(A)[a, Q_LENGTH]
        return np.int64(keys_of(A)[_estimate(A, s, nodes_of(A)[a, Q_SET], length), LEN] >= length)
    if what == ASK_COLUMN:
        _fill_column(A, a, b)
        return np.int64(0)
    if what == ASK_AFTER:
        return _node_after(A, a, b)
    if what == ASK_STEPPED:
        return intern(A, keys_of(A)[a, 0], keys_of(A)[a, 1], b >> 32, b & 0xFFFFFFFF)
    if what == ASK_STEPS:
        return np.int64(steps(A, nodes_of(A)[a, Q_SET]))
    if what == ASK_START:
        first, count = spec_of(A)[a, P_ATOM], spec_of(A)[a, P_ATOM + 1]
        next_stamp(A)
        length = np.int64(0)
        for i in range(count):
            pc = heap_of(A)[first + 2 * i]
            argument = heap_of(A)[first + 2 * i + 1]
            if length + 1 >= work_of(A).shape[0] // 2:
                stop(A, FULL_WORK, ZERO)
            if prog_of(A)[pc, 0] == WORDS:
                if argument > 0:
                    work_of(A)[length] = intern(A, pc, ZERO, argument, ZERO)
                    length += 1
            else:
                length = closure(A, pc, ZERO, ONE, length)
        length = tidy(A, length)
        return _node(A, a, intern_set(A, length), ZERO)
    if what == ASK_SEARCH:
        return _search(A, a, b)
    if what == ASK_ROW:
        row = _node_row(A, a)
        for c in range(spec_of(A)[nodes_of(A)[a, Q_SPEC], P_CLASSES]):
            t = heap_of(A)[row + c]
            if t >= 0 and nodes_of(A)[t, Q_LIVE] == 0:
                _decide(A, t)
            if t >= 0 and nodes_of(A)[t, Q_LIVE] < 0:
                heap_of(A)[row + c] = DEAD
        return row
    if what == ASK_THREAD:
        return intern(A, a, b, ZERO, ZERO)
    if what == ASK_EXPAND:
        _expand(A, a, b)
        return np.int64(0)
    if what == ASK_BEGIN:
        _begin(A, a)
        return np.int64(0)
    if what == ASK_DESCEND:
        return _descend(A, a)
    if what == ASK_REHASH:
        rehash(A, a)
        return np.int64(0)
    return _state_of(A, a)
