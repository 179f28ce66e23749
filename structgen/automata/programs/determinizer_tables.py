"""The arrays of the string determiniser: their addresses, their columns, and how keys are interned.

Compiled code gets one array, the registers `A`, which hold the addresses of the others: passing all of them
would cost more than the work.
"""

from __future__ import annotations

from typing import Any

import numba as nb
import numpy as np
from numba.extending import intrinsic

from structgen.native.jit import jit

WIDTH = 257
MOST_TO_END = 5
"""The most characters from any state of an implicit automaton to an end (`formats.alabels`)."""
SAFE_COLUMN = 255
"""A byte that no UTF-8 text has. In the row of a state inside an implicit automaton its column holds
UNKNOWN - 1 - n: any n characters of the alphabet may follow."""
UNSET = -3  # the value of a new key

# Registers.
CAUSE = 0  # of an Interrupt: which array is full, or one of NEED_*
WHAT = 1  # its argument
N_KEY, N_SET, N_NODE, N_STATE, N_HEAP, N_PROG, N_SPEC = 2, 3, 4, 5, 6, 7, 8
STAMP = 9
SEARCH_STEPS, MOST_STEPS, MOST_NODES = 10, 11, 12
HEAD, TAIL = 13, 14
N_RANK = 16
# Of `expand`: its number, the two ends of its list of states, and how many rows it has filled.
TODO_STAMP, TODO_HEAD, TODO_TAIL, TODO_DONE = 17, 18, 19, 20
# The work of the current public call, and its limit; a unit is about 5 us.
WORK, MOST_WORK = 21, 22

# Causes of an Interrupt: a full array (its place in NAMES), or a question to Python.
# Arguments of compiled functions are np.int64: numba compiles another copy for each literal int.
FULL_KEYS, FULL_SETS, FULL_NODES, FULL_STATES, FULL_HEAP, FULL_WORK, FULL_QUEUE = map(np.int64, range(7))
NEED_ANSWERS, OVER_STEPS, OVER_NODES, NEED_STEP, NEED_END, OVER_WORK, NEED_COSTS, NEED_LIFE = map(
    np.int64, range(16, 24)
)
ZERO, ONE, TWO, THREE, NONE = map(np.int64, (0, 1, 2, 3, -1))

# Columns of keys: four key words, a value, and an offset and length in the heap.
VALUE, OFF, LEN = 4, 5, 6
# A first key word below 0 says what the key is; otherwise the key is a thread (instruction, context, a, b).
K_CONTEXT, K_OUTCOME, K_NODE, K_SPLIT, K_MIDDLE, K_FREE, K_HOPE, K_STEP = map(np.int64, range(-1, -9, -1))
K_ESTIMATE = np.int64(-9)
# Columns of sets.
S_OFF, S_LEN, S_ROW, S_ACCEPT, S_OPEN = 0, 1, 2, 3, 4
S_STEPS = 5  # bits: it has threads of IMPLICIT (1), of LETTERS (2)
# Columns of nodes. Q_LIVE: -1 dead, 0 not known, 1 live, 2 live with all that follow.
Q_SPEC, Q_SET, Q_LENGTH, Q_ROW, Q_OUTCOME, Q_LIVE, Q_STATE, Q_STAMP = 0, 1, 2, 3, 4, 5, 6, 7
Q_COST = 8  # in the search that `Q_STAMP` names: the bytes to this node
# Columns of states.
KIND, ARG_A, ARG_B, ARG_C, DONE = 0, 1, 2, 3, 4  # DONE: 1, or BY_COLUMN
BY_COLUMN = 2  # the columns of an implicit automaton's alphabet are filled one by one
SEEN, PARENT = 5, 6  # the last `expand` that visited it; the first state that led to it, or -1
FREE_STATE, NODE_STATE, SPLIT_STATE, MIDDLE_STATE = map(np.int64, range(4))
BANNED_STATE = 4  # a state of a whole automaton (`banned_texts`): the automaton's number, the state in it
# Columns of instructions after their own: see program.completion_costs.
I_COST, I_OUTER, I_BODY = 6, 7, 8
# Columns of specs.
P_CLASSES, P_STARTS, P_KINDS, P_RANGES, P_ASCII, P_CAP, P_BREAKS, P_NBREAKS = range(8)
P_TRIMMED, P_COST, P_ATOM, P_FIRST = 8, 9, 10, 12  # P_ATOM: two columns
P_JUDGED = 13
P_TEXTS = 14  # strings up to so many characters may use the implicit automaton's `safe`
P_FIRST_ATOM = 15  # the number of the spec's first atom
# One trimmed atom, each of whose texts can be lengthened by any number of characters, and lengths: the
# bounds.
P_GROWS, P_LEAST, P_MOST = 16, 17, 18
# Where the heap lists the formula in postfix order, and its atoms; the most operands that its evaluation
# holds; are the completion costs of the instructions loaded? Of an atom: 0 if only its negation is asked, 1,
# or 1 more than the bytes of a text that meets it anywhere.
P_FORMULA, P_ASKED, P_DEPTH, P_COSTED = 19, 20, 21, 22
SPEC_COLUMNS = 23
# A formula in postfix order, three words an entry: (F_ATOM, atom), (F_LENGTH, least, most or -1), their
# negations, and (F_ALL, parts) or (F_ANY, parts).
F_END, F_ATOM, F_NOT_ATOM, F_LENGTH, F_NOT_LENGTH, F_ALL, F_ANY = range(7)


class Interrupt(Exception):
    """An array is full, or Python must answer a question: see the registers CAUSE and WHAT."""


# Registers ADDRESS + i and ROOM + i hold the address of array i and its number of rows.
NAMES = (
    "keys",
    "sets",
    "nodes",
    "states",
    "heap",
    "work",
    "queue",
    "key_hash",
    "set_hash",
    "stamp",
    "prog",
    "spec",
    "trans",
    "outcome",
    "todo",
)
COLUMNS = {
    "keys": 7,
    "sets": 6,
    "nodes": 9,
    "states": 7,
    "queue": 6,
    "prog": 9,
    "spec": SPEC_COLUMNS,
    "trans": WIDTH,
}
"""The columns of each array with rows; the others have one dimension."""
ADDRESS = 32
ROOM = ADDRESS + len(NAMES)
REGISTERS = ROOM + len(NAMES)


@intrinsic(prefer_literal=False)
def _longs(typing_context, address):  # type: ignore[no-untyped-def]
    """Return the address as a pointer to int64."""
    return nb.types.CPointer(nb.int64)(nb.int64), _as_pointer


@intrinsic(prefer_literal=False)
def _ints(typing_context, address):  # type: ignore[no-untyped-def]
    """Return the address as a pointer to int32."""
    return nb.types.CPointer(nb.int32)(nb.int64), _as_pointer


def _as_pointer(context: Any, builder: Any, signature: Any, args: Any) -> Any:
    return builder.inttoptr(args[0], context.get_value_type(signature.return_type))


@jit
def keys_of(A):  # type: ignore[no-untyped-def]
    return nb.carray(_longs(A[ADDRESS + 0]), (A[ROOM + 0], 7))


@jit
def sets_of(A):  # type: ignore[no-untyped-def]
    return nb.carray(_longs(A[ADDRESS + 1]), (A[ROOM + 1], 6))


@jit
def nodes_of(A):  # type: ignore[no-untyped-def]
    return nb.carray(_longs(A[ADDRESS + 2]), (A[ROOM + 2], 9))


@jit
def states_of(A):  # type: ignore[no-untyped-def]
    return nb.carray(_longs(A[ADDRESS + 3]), (A[ROOM + 3], 7))


@jit
def heap_of(A):  # type: ignore[no-untyped-def]
    return nb.carray(_longs(A[ADDRESS + 4]), (A[ROOM + 4],))


@jit
def work_of(A):  # type: ignore[no-untyped-def]
    return nb.carray(_longs(A[ADDRESS + 5]), (A[ROOM + 5],))


@jit
def queue_of(A):  # type: ignore[no-untyped-def]
    return nb.carray(_longs(A[ADDRESS + 6]), (A[ROOM + 6], 6))


@jit
def key_slots_of(A):  # type: ignore[no-untyped-def]
    return nb.carray(_longs(A[ADDRESS + 7]), (A[ROOM + 7],))


@jit
def set_slots_of(A):  # type: ignore[no-untyped-def]
    return nb.carray(_longs(A[ADDRESS + 8]), (A[ROOM + 8],))


@jit
def stamp_of(A):  # type: ignore[no-untyped-def]
    return nb.carray(_longs(A[ADDRESS + 9]), (A[ROOM + 9],))


@jit
def prog_of(A):  # type: ignore[no-untyped-def]
    return nb.carray(_longs(A[ADDRESS + 10]), (A[ROOM + 10], 9))


@jit
def spec_of(A):  # type: ignore[no-untyped-def]
    return nb.carray(_longs(A[ADDRESS + 11]), (A[ROOM + 11], SPEC_COLUMNS))


@jit
def trans_of(A):  # type: ignore[no-untyped-def]
    return nb.carray(_ints(A[ADDRESS + 12]), (A[ROOM + 12], WIDTH))


@jit
def outcome_of(A):  # type: ignore[no-untyped-def]
    return nb.carray(_ints(A[ADDRESS + 13]), (A[ROOM + 13],))


@jit
def todo_of(A):  # type: ignore[no-untyped-def]
    return nb.carray(_longs(A[ADDRESS + 14]), (A[ROOM + 14],))


@jit
def stop(A, cause, what):  # type: ignore[no-untyped-def]
    A[CAUSE] = cause
    A[WHAT] = what
    raise Interrupt


@jit
def _hash(a, b, c, d):  # type: ignore[no-untyped-def]
    h = np.uint64(a & 0xFFFFFFFF) * np.uint64(0x9E3779B97F4A7C15)
    h = (h ^ (h >> np.uint64(29))) + np.uint64(b & 0xFFFFFFFF) * np.uint64(0xBF58476D1CE4E5B9)
    h = (h ^ (h >> np.uint64(32))) + np.uint64(c & 0xFFFFFFFF) * np.uint64(0x94D049BB133111EB)
    h = (h ^ (h >> np.uint64(31))) + np.uint64(d & 0xFFFFFFFF) * np.uint64(0xD6E8FEB86659FD93)
    return h ^ (h >> np.uint64(30))


@jit
def _hash_ints(values, start, length):  # type: ignore[no-untyped-def]
    h = np.uint64(length)
    for i in range(start, start + length):
        h = (h ^ np.uint64(values[i])) * np.uint64(0x9E3779B97F4A7C15)
        h ^= h >> np.uint64(29)
    return h


@jit
def intern(A, a, b, c, d):  # type: ignore[no-untyped-def]
    """Return the key's number; a new one has value UNSET and no offset."""
    h = _hash(np.int64(a), np.int64(b), np.int64(c), np.int64(d))
    mask = key_slots_of(A).shape[0] - 1
    at = np.int64(h & np.uint64(mask))
    keys = keys_of(A)
    while True:
        k = key_slots_of(A)[at]
        if k < 0:
            break
        if keys[k, 0] == a and keys[k, 1] == b and keys[k, 2] == c and keys[k, 3] == d:
            return k
        at = (at + 1) & mask
    n = A[N_KEY]
    if n >= keys.shape[0]:
        stop(A, FULL_KEYS, ZERO)
    keys[n, 0] = a
    keys[n, 1] = b
    keys[n, 2] = c
    keys[n, 3] = d
    keys[n, VALUE] = UNSET
    keys[n, OFF] = -1
    keys[n, LEN] = 0
    stamp_of(A)[n] = 0
    key_slots_of(A)[at] = n
    A[N_KEY] = n + 1
    return n


@jit
def intern_set(A, length):  # type: ignore[no-untyped-def]
    """Return the number of the set in work[:length], sorted."""
    work = work_of(A)
    h = _hash_ints(work, 0, length)
    mask = set_slots_of(A).shape[0] - 1
    at = np.int64(h & np.uint64(mask))
    sets = sets_of(A)
    while True:
        s = set_slots_of(A)[at]
        if s < 0:
            break
        if sets[s, S_LEN] == length:
            off = sets[s, S_OFF]
            same = True
            for i in range(length):
                if heap_of(A)[off + i] != work[i]:
                    same = False
                    break
            if same:
                return s
        at = (at + 1) & mask
    n = A[N_SET]
    if n >= sets.shape[0]:
        stop(A, FULL_SETS, ZERO)
    top = A[N_HEAP]
    if top + length > heap_of(A).shape[0]:
        stop(A, FULL_HEAP, length)
    for i in range(length):
        heap_of(A)[top + i] = work[i]
    A[N_HEAP] = top + length
    sets[n, S_OFF] = top
    sets[n, S_LEN] = length
    sets[n, S_ROW] = -1
    sets[n, S_ACCEPT] = -1
    sets[n, S_OPEN] = -1
    sets[n, S_STEPS] = -1
    set_slots_of(A)[at] = n
    A[N_SET] = n + 1
    return n


@jit
def next_stamp(A):  # type: ignore[no-untyped-def]
    gen = A[STAMP] + 1
    if gen >= 2000000000:
        for i in range(A[N_KEY]):
            stamp_of(A)[i] = 0
        for i in range(A[N_NODE]):
            nodes_of(A)[i, Q_STAMP] = 0
        gen = 1
    A[STAMP] = gen
    return gen


@jit
def sort(work, length):  # type: ignore[no-untyped-def]
    """Sort work[:length] (Ciura's gaps: sets are short, or nearly sorted)."""
    for gap in (701, 301, 132, 57, 23, 10, 4, 1):
        for i in range(gap, length):
            value = work[i]
            j = i
            while j >= gap and work[j - gap] > value:
                work[j] = work[j - gap]
                j -= gap
            work[j] = value


@jit
def rehash(A, which):  # type: ignore[no-untyped-def]
    """Fill an empty hash table anew: that of the keys (`which` FULL_KEYS) or of the sets."""
    if which == FULL_KEYS:
        mask = key_slots_of(A).shape[0] - 1
        for n in range(A[N_KEY]):
            h = _hash(
                keys_of(A)[n, 0],
                keys_of(A)[n, 1],
                keys_of(A)[n, 2],
                keys_of(A)[n, 3],
            )
            at = np.int64(h & np.uint64(mask))
            while key_slots_of(A)[at] >= 0:
                at = (at + 1) & mask
            key_slots_of(A)[at] = n
    else:
        mask = set_slots_of(A).shape[0] - 1
        for n in range(A[N_SET]):
            h = _hash_ints(heap_of(A), sets_of(A)[n, S_OFF], sets_of(A)[n, S_LEN])
            at = np.int64(h & np.uint64(mask))
            while set_slots_of(A)[at] >= 0:
                at = (at + 1) & mask
            set_slots_of(A)[at] = n
