"""The compiled determiniser: threads, sets of threads, classes, byte rows, and the search for completions.

Everything lives in a few arrays, whose addresses stand in the registers `A`, the one array that is handed about
(a call with all of them costs more than the work). Python grows them when a routine raises `Interrupt`. Routines may be
interrupted anywhere and are called again: what they have interned by then stays true, and rows are published
only when they are whole.

Words: a *thread* is one place of one atom's automaton; a *set* is a sorted set of threads, a state of the
determinised product of a spec's atoms; a *node* is (spec, set, length so far), a state at a code point boundary;
a *state* is what the engine sees, a node or a place within a UTF-8 sequence, with a row of 258 columns.
"""

from __future__ import annotations

from typing import Any

import numba as nb
import numpy as np
from numba.extending import intrinsic

from structgen.automata.program import (
    BOL,
    CHAR,
    CLOCK,
    COUNT,
    EOL,
    MATCH,
    PUSH,
    REPEAT,
    SPLIT,
    TABLE,
    WORDS,
)
from structgen.ir import DEAD, UNKNOWN

WIDTH = 258
UNSET = -3

# Registers.
CAUSE = 0  # of an Interrupt: which array is full, or one of NEED_*
WHAT = 1  # its argument
N_KEY, N_SET, N_NODE, N_STATE, N_HEAP, N_PROG, N_SPEC = 2, 3, 4, 5, 6, 7, 8
STAMP = 9
SEARCH_STEPS, MOST_STEPS, MOST_NODES = 10, 11, 12
HEAD, TAIL, FOUND = 13, 14, 15
N_RANK = 16
FILLING = 17  # the state whose row is being written, or 0

# Causes: the arrays by their place in Arena, and what Python must answer.
# (What is passed to a compiled function is an np.int64: numba compiles one copy of it for each literal int.)
FULL_KEYS, FULL_SETS, FULL_NODES, FULL_STATES, FULL_HEAP, FULL_WORK, FULL_QUEUE = map(np.int64, range(7))
NEED_OUTCOME, NEED_TABLE, OVER_STEPS, OVER_NODES = map(np.int64, range(16, 20))
_0, _1, _2, _3, _NONE = map(np.int64, (0, 1, 2, 3, -1))

# Columns of keys: four key words, a value, and an offset and length in the heap.
VALUE, OFF, LEN = 4, 5, 6
# First key words below 0 say what a key is; otherwise it is a thread (instruction, context, a, b).
K_CONTEXT, K_OUTCOME, K_NODE, K_SPLIT, K_MIDDLE, K_FREE = map(np.int64, range(-1, -7, -1))
# Columns of sets.
S_OFF, S_LEN, S_ROW, S_ACCEPT = 0, 1, 2, 3
# Columns of nodes.
Q_SPEC, Q_SET, Q_LENGTH, Q_ROW, Q_OUTCOME, Q_LIVE, Q_STATE, Q_STAMP = 0, 1, 2, 3, 4, 5, 6, 7
# Columns of states.
KIND, ARG_A, ARG_B, ARG_C, DONE = 0, 1, 2, 3, 4
FREE_STATE, NODE_STATE, SPLIT_STATE, MIDDLE_STATE = map(np.int64, range(4))
# Columns of specs.
P_CLASSES, P_STARTS, P_KINDS, P_RANGES, P_ASCII, P_HIGH, P_LOW, P_CAP, P_BREAKS, P_NBREAKS = range(10)
P_TRIMMED, P_COST, P_ATOM, P_FIRST = 10, 11, 12, 14  # P_ATOM: two columns
SPEC_COLUMNS = 16


class Interrupt(Exception):
    """An array is full, or Python must answer something: see the registers CAUSE and WHAT."""


# The arrays: registers ADDRESS + i and ROOM + i hold where array i lies and how many rows it has.
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
)
COLUMNS = {"keys": 7, "sets": 4, "nodes": 8, "states": 5, "queue": 4, "prog": 6, "spec": SPEC_COLUMNS, "trans": WIDTH}
"""Of the arrays with rows; the others have one dimension."""
ADDRESS = 32
ROOM = ADDRESS + len(NAMES)
REGISTERS = ROOM + len(NAMES)


@intrinsic(prefer_literal=False)  # type: ignore[untyped-decorator]
def _longs(typing_context, address):  # type: ignore[no-untyped-def]
    """Return the address as a pointer to int64."""
    return nb.types.CPointer(nb.int64)(nb.int64), _as_pointer


@intrinsic(prefer_literal=False)  # type: ignore[untyped-decorator]
def _ints(typing_context, address):  # type: ignore[no-untyped-def]
    """Return the address as a pointer to int32."""
    return nb.types.CPointer(nb.int32)(nb.int64), _as_pointer


def _as_pointer(context: Any, builder: Any, signature: Any, args: Any) -> Any:
    return builder.inttoptr(args[0], context.get_value_type(signature.return_type))


@nb.njit(nogil=True)
def _keys(A):  # type: ignore[no-untyped-def]
    return nb.carray(_longs(A[ADDRESS + 0]), (A[ROOM + 0], 7))


@nb.njit(nogil=True)
def _sets(A):  # type: ignore[no-untyped-def]
    return nb.carray(_longs(A[ADDRESS + 1]), (A[ROOM + 1], 4))


@nb.njit(nogil=True)
def _nodes(A):  # type: ignore[no-untyped-def]
    return nb.carray(_longs(A[ADDRESS + 2]), (A[ROOM + 2], 8))


@nb.njit(nogil=True)
def _states(A):  # type: ignore[no-untyped-def]
    return nb.carray(_longs(A[ADDRESS + 3]), (A[ROOM + 3], 5))


@nb.njit(nogil=True)
def _heap(A):  # type: ignore[no-untyped-def]
    return nb.carray(_longs(A[ADDRESS + 4]), (A[ROOM + 4],))


@nb.njit(nogil=True)
def _work(A):  # type: ignore[no-untyped-def]
    return nb.carray(_longs(A[ADDRESS + 5]), (A[ROOM + 5],))


@nb.njit(nogil=True)
def _queue(A):  # type: ignore[no-untyped-def]
    return nb.carray(_longs(A[ADDRESS + 6]), (A[ROOM + 6], 4))


@nb.njit(nogil=True)
def _key_slots(A):  # type: ignore[no-untyped-def]
    return nb.carray(_longs(A[ADDRESS + 7]), (A[ROOM + 7],))


@nb.njit(nogil=True)
def _set_slots(A):  # type: ignore[no-untyped-def]
    return nb.carray(_longs(A[ADDRESS + 8]), (A[ROOM + 8],))


@nb.njit(nogil=True)
def _stamp(A):  # type: ignore[no-untyped-def]
    return nb.carray(_longs(A[ADDRESS + 9]), (A[ROOM + 9],))


@nb.njit(nogil=True)
def _prog(A):  # type: ignore[no-untyped-def]
    return nb.carray(_longs(A[ADDRESS + 10]), (A[ROOM + 10], 6))


@nb.njit(nogil=True)
def _spec(A):  # type: ignore[no-untyped-def]
    return nb.carray(_longs(A[ADDRESS + 11]), (A[ROOM + 11], SPEC_COLUMNS))


@nb.njit(nogil=True)
def _trans(A):  # type: ignore[no-untyped-def]
    return nb.carray(_ints(A[ADDRESS + 12]), (A[ROOM + 12], WIDTH))


@nb.njit(nogil=True)
def _outcome(A):  # type: ignore[no-untyped-def]
    return nb.carray(_ints(A[ADDRESS + 13]), (A[ROOM + 13],))


@nb.njit(nogil=True)
def _stop(A, cause, what):  # type: ignore[no-untyped-def]
    A[CAUSE] = cause
    A[WHAT] = what
    raise Interrupt


@nb.njit(nogil=True)
def _hash(a, b, c, d):  # type: ignore[no-untyped-def]
    h = np.uint64(a & 0xFFFFFFFF) * np.uint64(0x9E3779B97F4A7C15)
    h = (h ^ (h >> np.uint64(29))) + np.uint64(b & 0xFFFFFFFF) * np.uint64(0xBF58476D1CE4E5B9)
    h = (h ^ (h >> np.uint64(32))) + np.uint64(c & 0xFFFFFFFF) * np.uint64(0x94D049BB133111EB)
    h = (h ^ (h >> np.uint64(31))) + np.uint64(d & 0xFFFFFFFF) * np.uint64(0xD6E8FEB86659FD93)
    return h ^ (h >> np.uint64(30))


@nb.njit(nogil=True)
def _hash_ints(values, start, length):  # type: ignore[no-untyped-def]
    h = np.uint64(length)
    for i in range(start, start + length):
        h = (h ^ np.uint64(values[i])) * np.uint64(0x9E3779B97F4A7C15)
        h ^= h >> np.uint64(29)
    return h


@nb.njit(nogil=True)
def _intern(A, a, b, c, d):  # type: ignore[no-untyped-def]
    """Return the key's number; a new one has value UNSET and no offset."""
    h = _hash(np.int64(a), np.int64(b), np.int64(c), np.int64(d))
    mask = _key_slots(A).shape[0] - 1
    at = np.int64(h & np.uint64(mask))
    keys = _keys(A)
    while True:
        k = _key_slots(A)[at]
        if k < 0:
            break
        if keys[k, 0] == a and keys[k, 1] == b and keys[k, 2] == c and keys[k, 3] == d:
            return np.int64(k)
        at = (at + 1) & mask
    n = A[N_KEY]
    if n >= keys.shape[0]:
        _stop(A, FULL_KEYS, _0)
    keys[n, 0] = a
    keys[n, 1] = b
    keys[n, 2] = c
    keys[n, 3] = d
    keys[n, VALUE] = UNSET
    keys[n, OFF] = -1
    keys[n, LEN] = 0
    _stamp(A)[n] = 0
    _key_slots(A)[at] = n
    A[N_KEY] = n + 1
    return n


@nb.njit(nogil=True)
def _intern_set(A, length):  # type: ignore[no-untyped-def]
    """Return the number of the set in work[:length], sorted."""
    work = _work(A)
    h = _hash_ints(work, 0, length)
    mask = _set_slots(A).shape[0] - 1
    at = np.int64(h & np.uint64(mask))
    sets = _sets(A)
    while True:
        s = _set_slots(A)[at]
        if s < 0:
            break
        if sets[s, S_LEN] == length:
            off = sets[s, S_OFF]
            same = True
            for i in range(length):
                if _heap(A)[off + i] != work[i]:
                    same = False
                    break
            if same:
                return np.int64(s)
        at = (at + 1) & mask
    n = A[N_SET]
    if n >= sets.shape[0]:
        _stop(A, FULL_SETS, _0)
    top = A[N_HEAP]
    if top + length > _heap(A).shape[0]:
        _stop(A, FULL_HEAP, length)
    for i in range(length):
        _heap(A)[top + i] = work[i]
    A[N_HEAP] = top + length
    sets[n, S_OFF] = top
    sets[n, S_LEN] = length
    sets[n, S_ROW] = -1
    sets[n, S_ACCEPT] = -1
    _set_slots(A)[at] = n
    A[N_SET] = n + 1
    return n


@nb.njit(nogil=True)
def _next_stamp(A):  # type: ignore[no-untyped-def]
    gen = A[STAMP] + 1
    if gen >= 2000000000:
        for i in range(A[N_KEY]):
            _stamp(A)[i] = 0
        for i in range(A[N_NODE]):
            _nodes(A)[i, Q_STAMP] = 0
        gen = 1
    A[STAMP] = gen
    return gen


@nb.njit(nogil=True)
def _sort(work, length):  # type: ignore[no-untyped-def]
    """Sort work[:length] (Ciura's gaps: sets are short, or nearly sorted)."""
    for gap in (701, 301, 132, 57, 23, 10, 4, 1):
        for i in range(gap, length):
            value = work[i]
            j = i
            while j >= gap and work[j - gap] > value:
                work[j] = work[j - gap]
                j -= gap
            work[j] = value


@nb.njit(nogil=True)
def _settled(A, context):  # type: ignore[no-untyped-def]
    """Return the context with no iteration marked as empty so far (a code point is about to be consumed)."""
    if _keys(A)[context, 3] == 0:
        return context
    # The chain is short: one link for each counted repeat around the instruction.
    depth = 0
    link = context
    while _keys(A)[link, 3] != 0:
        depth += 1
        link = _keys(A)[link, 1]
    while depth > 0:
        old = context
        for _ in range(depth - 1):
            old = _keys(A)[old, 1]
        link = _intern(A, K_CONTEXT, link, _keys(A)[old, 2], _0)
        depth -= 1
    return link


@nb.njit(nogil=True)
def _closure(A, pc, context, at_start, out):  # type: ignore[no-untyped-def]
    """Append to work[out:] the threads reached from (pc, context) without consuming; return the new length.

    Threads stamped with the present generation are taken as present. The upper half of `work` is the stack.
    """
    gen = A[STAMP]
    work, keys, prog = _work(A), _keys(A), _prog(A)
    bottom = work.shape[0] // 2
    top = bottom
    room = work.shape[0] - 8
    work[top] = pc
    work[top + 1] = context
    work[top + 2] = 0
    top += 3
    while top > bottom:
        top -= 3
        pc = np.int64(work[top])
        context = np.int64(work[top + 1])
        ended = np.int64(work[top + 2])
        op = prog[pc, 0]
        if op == CHAR:
            if ended:
                continue
            context = _settled(A, context)
        key = _intern(A, pc, context, ended, _0)
        if _stamp(A)[key] == gen:
            continue
        _stamp(A)[key] = gen
        if top >= room or out >= bottom - 1:
            _stop(A, FULL_WORK, _0)
        if op == CHAR or op == MATCH or op == CLOCK:
            work[out] = key
            out += 1
        elif op == SPLIT:
            work[top] = prog[pc, 2]
            work[top + 1] = context
            work[top + 2] = ended
            work[top + 3] = prog[pc, 1]
            work[top + 4] = context
            work[top + 5] = ended
            top += 6
        elif op == PUSH:
            empty = _2 if keys[context, 3] else _0
            work[top] = prog[pc, 1]
            work[top + 1] = _intern(A, K_CONTEXT, context, _0, empty)
            work[top + 2] = ended
            top += 3
        elif op == REPEAT:
            parent, count = keys[context, 1], keys[context, 2]
            if count >= prog[pc, 3]:
                work[top] = prog[pc, 2]
                work[top + 1] = parent
                work[top + 2] = ended
                top += 3
            if prog[pc, 4] < 0 or count < prog[pc, 4]:
                inner = context
                if prog[pc, 5]:
                    inner = _intern(A, K_CONTEXT, parent, count, _1)
                work[top] = prog[pc, 1]
                work[top + 1] = inner
                work[top + 2] = ended
                top += 3
        elif op == COUNT:
            repeat = prog[pc, 1]
            parent, count = keys[context, 1], keys[context, 2]
            # ECMA-262 RepeatMatcher: an iteration that consumed nothing counts only towards the least.
            if (keys[context, 3] & 1) and count >= prog[repeat, 3]:
                continue
            count += 1
            if prog[repeat, 4] < 0 and count > prog[repeat, 3]:
                count = prog[repeat, 3]
            work[top] = repeat
            work[top + 1] = _intern(A, K_CONTEXT, parent, count, _2 if keys[parent, 3] else _0)
            work[top + 2] = ended
            top += 3
        elif op == BOL:
            if at_start:
                work[top] = prog[pc, 1]
                work[top + 1] = context
                work[top + 2] = ended
                top += 3
        elif op == EOL:
            work[top] = prog[pc, 1]
            work[top + 1] = context
            work[top + 2] = 1
            top += 3
    return out


@nb.njit(nogil=True)
def _follow(A, thread):  # type: ignore[no-untyped-def]
    """Return where in the heap the threads after a CHAR thread are listed; worked out once."""
    keys = _keys(A)
    if keys[thread, OFF] >= 0:
        return keys[thread, OFF]
    _next_stamp(A)
    length = _closure(A, np.int64(_prog(A)[keys[thread, 0], 2]), np.int64(keys[thread, 1]), _0, _0)
    top = A[N_HEAP]
    if top + length > _heap(A).shape[0]:
        _stop(A, FULL_HEAP, length)
    for i in range(length):
        _heap(A)[top + i] = _work(A)[i]
    A[N_HEAP] = top + length
    keys[thread, LEN] = length
    keys[thread, OFF] = top
    return top


@nb.njit(nogil=True)
def _tidy(A, length):  # type: ignore[no-untyped-def]
    """Sort work[:length], drop the other threads of atoms that have matched for good; return the new length."""
    work, keys, prog = _work(A), _keys(A), _prog(A)
    _sort(work, length)
    sure = 0
    for i in range(length):
        t = work[i]
        if prog[keys[t, 0], 0] == MATCH and keys[t, 2] == 0:
            sure += 1
    if sure == 0 or length == 1:
        return length
    kept = np.int64(0)
    for i in range(length):
        t = work[i]
        pc = keys[t, 0]
        drop = False
        if not (prog[pc, 0] == MATCH and keys[t, 2] == 0):
            for j in range(length):
                # work[j] is intact for j >= kept; earlier places hold kept threads, sure ones among them.
                other = work[j]
                if prog[keys[other, 0], 0] == MATCH and keys[other, 2] == 0 and prog[keys[other, 0], 5] == prog[pc, 5]:
                    drop = True
                    break
        if not drop:
            work[kept] = t
            kept += 1
    return kept


@nb.njit(nogil=True)
def _word_bound(A, base, low, high, depth, kind, upper):  # type: ignore[no-untyped-def]
    """Return the first of words low..high whose class at `depth` is >= kind (> kind where `upper`)."""
    heap = _heap(A)
    while low < high:
        mid = (low + high) // 2
        start = heap[base + mid]
        at = np.int64(-1)
        if heap[base + mid + 1] - start > depth:
            at = np.int64(heap[base + start + depth])
        if at < kind or (upper and at == kind):
            low = mid + 1
        else:
            high = mid
    return low


# Where an RFC 3339 time has come to: phases, each with a memory.
_H1, _H2, _HC, _M1, _M2, _MC, _S1, _S2, _LEAP = range(9)  # memory: what is known of the hour and minute
_POINT, _F1, _FRACTION = 9, 10, 11  # memory: 0, or in a leap second 1 + the minute of the day
_OH1, _OH2, _OC, _OM1, _OM2 = 12, 13, 14, 15, 16  # memory of _OH2: the first digit
_LH1, _LH2, _LC, _LM1, _LM2 = 17, 18, 19, 20, 21  # a leap second's offset; memory: what must be written
CLOCK_END = 22
_MEMORY = 2048  # memories are below


@nb.njit(nogil=True)
def _clock(phase, memory, char):  # type: ignore[no-untyped-def]
    """Return phase * _MEMORY + memory after a character, or -1: RFC 3339 section 5.6, leap seconds as in 5.7."""
    digit = char - 48
    if digit < 0 or digit > 9:
        if char == 58:
            if phase == _HC:
                return _M1 * _MEMORY + memory
            if phase == _MC:
                return _S1 * _MEMORY + memory
            if phase == _OC:
                return np.int64(_OM1 * _MEMORY)
            if phase == _LC:
                return _LM1 * _MEMORY + memory
            return _NONE
        if phase != _POINT and phase != _FRACTION:
            return _NONE
        if char == 46:
            return _F1 * _MEMORY + memory if phase == _POINT else _NONE
        minute = memory - 1
        if char == 90 or char == 122:
            return np.int64(CLOCK_END * _MEMORY) if memory == 0 or minute == 1439 else _NONE
        if char != 43 and char != 45:
            return _NONE
        if memory == 0:
            return np.int64(_OH1 * _MEMORY)
        # 23:59 in UTC: minute = 1439 + offset, modulo a day.
        return _LH1 * _MEMORY + ((minute + 1) % 1440 if char == 43 else 1439 - minute)
    if phase == _H1:
        return _H2 * _MEMORY + digit if digit <= 2 else _NONE
    if phase == _H2:
        return _HC * _MEMORY + memory * 10 + digit if memory * 10 + digit <= 23 else _NONE
    if phase == _M1:
        return _M2 * _MEMORY + memory * 6 + digit if digit <= 5 else _NONE
    if phase == _M2:
        return _MC * _MEMORY + memory * 10 + digit
    if phase == _S1:
        if digit == 6:
            return _LEAP * _MEMORY + memory
        return np.int64(_S2 * _MEMORY) if digit <= 5 else _NONE
    if phase == _S2:
        return np.int64(_POINT * _MEMORY)
    if phase == _LEAP:
        return _POINT * _MEMORY + memory + 1 if digit == 0 else _NONE
    if phase == _F1 or phase == _FRACTION:
        return _FRACTION * _MEMORY + memory
    if phase == _OH1:
        return _OH2 * _MEMORY + digit if digit <= 2 else _NONE
    if phase == _OH2:
        return np.int64(_OC * _MEMORY) if memory * 10 + digit <= 23 else _NONE
    if phase == _OM1:
        return np.int64(_OM2 * _MEMORY) if digit <= 5 else _NONE
    if phase == _OM2:
        return np.int64(CLOCK_END * _MEMORY)
    if phase == _LH1:
        return _LH2 * _MEMORY + memory if digit == memory // 600 else _NONE
    if phase == _LH2:
        return _LC * _MEMORY + memory % 60 if digit == memory // 60 % 10 else _NONE
    if phase == _LM1:
        return _LM2 * _MEMORY + memory % 10 if digit == memory // 10 else _NONE
    if phase == _LM2:
        return np.int64(CLOCK_END * _MEMORY) if digit == memory else _NONE
    return _NONE


@nb.njit(nogil=True)
def _set_row(A, s, set_):  # type: ignore[no-untyped-def]
    """Return where in the heap the set's successor on each class stands; worked out once."""
    if _sets(A)[set_, S_ROW] >= 0:
        return np.int64(_sets(A)[set_, S_ROW])
    heap, keys, prog, work = _heap(A), _keys(A), _prog(A), _work(A)
    off, size = np.int64(_sets(A)[set_, S_OFF]), np.int64(_sets(A)[set_, S_LEN])
    for i in range(size):
        t = heap[off + i]
        op = prog[keys[t, 0], 0]
        if op == CHAR:
            _follow(A, np.int64(t))
        elif op == TABLE and keys[t, OFF] < 0:
            _stop(A, NEED_TABLE, t)
    classes = _spec(A)[s, P_CLASSES]
    row = A[N_HEAP]
    if row + classes > heap.shape[0]:
        _stop(A, FULL_HEAP, classes)
    A[N_HEAP] = row + classes
    half = work.shape[0] // 2
    for c in range(classes):
        gen = _next_stamp(A)
        length = np.int64(0)
        for i in range(size):
            t = np.int64(heap[off + i])
            pc = keys[t, 0]
            op = prog[pc, 0]
            if op == CHAR:
                if heap[prog[pc, 1] + c]:
                    first = keys[t, OFF]
                    count = keys[t, LEN]
                    if length + count >= half:
                        _stop(A, FULL_WORK, _0)
                    for j in range(first, first + count):
                        u = heap[j]
                        if _stamp(A)[u] != gen:
                            _stamp(A)[u] = gen
                            work[length] = u
                            length += 1
                continue
            u = np.int64(-1)
            if op == MATCH:
                if keys[t, 2] == 0:
                    u = t
            elif op == WORDS:
                base = np.int64(prog[pc, 1])
                depth = np.int64(keys[t, 3])
                low = _word_bound(A, base, np.int64(keys[t, 1]), np.int64(keys[t, 2]), depth, c, _0)
                high = _word_bound(A, base, low, np.int64(keys[t, 2]), depth, c, _1)
                if low < high:
                    u = _intern(A, pc, low, high, depth + 1)
            elif op == TABLE:
                u = np.int64(heap[keys[t, OFF] + c])
            elif op == CLOCK:
                # Thread (instruction, 0, 0, 0) is the start; context 0 is what _closure makes.
                after = _clock(keys[t, 3], keys[t, 2], heap[_spec(A)[s, P_FIRST] + c])
                if after >= 0:
                    u = _intern(A, pc, _0, after % _MEMORY, after // _MEMORY)
            if u >= 0 and _stamp(A)[u] != gen:
                if length + 1 >= half:
                    _stop(A, FULL_WORK, _0)
                _stamp(A)[u] = gen
                work[length] = u
                length += 1
        length = _tidy(A, length)
        heap[row + c] = _intern_set(A, length)
    _sets(A)[set_, S_ROW] = row
    return row


@nb.njit(nogil=True)
def _accepted(A, set_):  # type: ignore[no-untyped-def]
    """Return the set (of atoms) that accept at this set of threads; worked out once."""
    if _sets(A)[set_, S_ACCEPT] >= 0:
        return np.int64(_sets(A)[set_, S_ACCEPT])
    heap, keys, prog, work = _heap(A), _keys(A), _prog(A), _work(A)
    off, size = _sets(A)[set_, S_OFF], _sets(A)[set_, S_LEN]
    length = np.int64(0)
    for i in range(off, off + size):
        t = heap[i]
        pc = keys[t, 0]
        op = prog[pc, 0]
        holds = op == MATCH
        if op == WORDS:
            base = prog[pc, 1]
            holds = heap[base + keys[t, 1] + 1] - heap[base + keys[t, 1]] == keys[t, 3]
        elif op == TABLE:
            holds = keys[t, VALUE] == 1
        elif op == CLOCK:
            holds = keys[t, 3] == CLOCK_END
        if holds:
            atom = prog[pc, 5]
            new = True
            for j in range(length):
                if work[j] == atom:
                    new = False
            if new:
                if length + 1 >= work.shape[0]:
                    _stop(A, FULL_WORK, _0)
                work[length] = atom
                length += 1
    _sort(work, length)
    accept = _intern_set(A, length)
    _sets(A)[set_, S_ACCEPT] = accept
    return accept


@nb.njit(nogil=True)
def _node(A, s, set_, length):  # type: ignore[no-untyped-def]
    """Return the node's number."""
    key = _intern(A, K_NODE, s, set_, length)
    if _keys(A)[key, VALUE] != UNSET:
        return np.int64(_keys(A)[key, VALUE])
    bracket = 0
    breaks = _spec(A)[s, P_BREAKS]
    while bracket < _spec(A)[s, P_NBREAKS] and _heap(A)[breaks + bracket] <= length:
        bracket += 1
    answer = _intern(A, K_OUTCOME, s, _accepted(A, set_), bracket)
    outcome = _keys(A)[answer, VALUE]
    if outcome == UNSET:
        _stop(A, NEED_OUTCOME, answer)
    n = A[N_NODE]
    if n >= A[MOST_NODES]:
        _stop(A, OVER_NODES, _0)
    nodes = _nodes(A)
    if n >= nodes.shape[0]:
        _stop(A, FULL_NODES, _0)
    live = _0
    if outcome >= 0 or (_spec(A)[s, P_TRIMMED] and _sets(A)[set_, S_LEN] > 0):
        live = _1
    elif _sets(A)[set_, S_LEN] == 0 and _spec(A)[s, P_NBREAKS] == bracket:
        live = _NONE
    nodes[n, Q_SPEC] = s
    nodes[n, Q_SET] = set_
    nodes[n, Q_LENGTH] = length
    nodes[n, Q_ROW] = -1
    nodes[n, Q_OUTCOME] = outcome
    nodes[n, Q_LIVE] = live
    nodes[n, Q_STATE] = -1
    nodes[n, Q_STAMP] = 0
    _keys(A)[key, VALUE] = n
    A[N_NODE] = n + 1
    return n


@nb.njit(nogil=True)
def _node_row(A, q):  # type: ignore[no-untyped-def]
    """Return where in the heap the node's successor on each class stands (DEAD where surely none)."""
    nodes = _nodes(A)
    if nodes[q, Q_ROW] >= 0:
        return np.int64(nodes[q, Q_ROW])
    s = np.int64(nodes[q, Q_SPEC])
    from_ = _set_row(A, s, np.int64(nodes[q, Q_SET]))
    classes = _spec(A)[s, P_CLASSES]
    length = np.int64(nodes[q, Q_LENGTH])
    if length < _spec(A)[s, P_CAP]:
        length += 1
    row = A[N_HEAP]
    if row + classes > _heap(A).shape[0]:
        _stop(A, FULL_HEAP, classes)
    A[N_HEAP] = row + classes
    last_set, last = np.int64(-1), np.int64(-1)
    for c in range(classes):
        set_ = np.int64(_heap(A)[from_ + c])
        if set_ != last_set:
            last_set, last = set_, _node(A, s, set_, length)
        _heap(A)[row + c] = DEAD if _nodes(A)[last, Q_LIVE] < 0 else last
    nodes[q, Q_ROW] = row
    return row


@nb.njit(nogil=True)
def _push(A, node, left, parent, kind):  # type: ignore[no-untyped-def]
    tail = A[TAIL]
    queue = _queue(A)
    if tail >= queue.shape[0]:
        _stop(A, FULL_QUEUE, _0)
    queue[tail, 0] = node
    queue[tail, 1] = left
    queue[tail, 2] = parent
    queue[tail, 3] = kind
    A[TAIL] = tail + 1


@nb.njit(nogil=True)
def _search(A, q, resume, any_live):  # type: ignore[no-untyped-def]
    """Return the queue entry of the first completion with an outcome (or, `any_live`, of a live node), or -1.

    Breadth first by bytes of the shortest spelling of each class, in byte order, so that the first entry to
    reach a node carries its shortest, then smallest text. `resume` goes on after the last find. On a find the
    path's nodes are marked live; after an exhausted search (that never found anything) all visited are dead.
    """
    nodes, reg, queue = _nodes(A), A, _queue(A)
    if not resume:
        reg[HEAD] = 0
        reg[TAIL] = 0
        reg[FOUND] = 0
        reg[SEARCH_STEPS] = 0
        reg[N_RANK] = _next_stamp(A)
        _push(A, q, _0, _NONE, _0)
        nodes[q, Q_STAMP] = reg[N_RANK]
    while reg[HEAD] < reg[TAIL]:
        head = reg[HEAD]
        q = np.int64(queue[head, 0])
        left = queue[head, 1]
        # A multi-byte spelling travels one level a byte; costs are at most 4.
        if left > 0:
            if left > 1 or nodes[q, Q_STAMP] != reg[N_RANK]:
                _push(A, q, left - 1, queue[head, 2], queue[head, 3])
                if left == 1:
                    nodes[q, Q_STAMP] = reg[N_RANK]
            reg[HEAD] = head + 1
            continue
        reg[SEARCH_STEPS] += 1
        if reg[SEARCH_STEPS] > reg[MOST_STEPS]:
            _stop(A, OVER_STEPS, _0)
        hit = nodes[q, Q_OUTCOME] >= 0 or (any_live and nodes[q, Q_LIVE] > 0)
        row = np.int64(-1)
        if not (hit and any_live):
            row = _node_row(A, q)
            s = nodes[q, Q_SPEC]
            classes = _spec(A)[s, P_CLASSES]
            cost = _spec(A)[s, P_COST]
            if reg[TAIL] + classes > queue.shape[0]:
                _stop(A, FULL_QUEUE, _0)
            for c in range(classes):
                t = np.int64(_heap(A)[row + c])
                bytes_ = _heap(A)[cost + c]
                if t < 0 or bytes_ == 0 or nodes[t, Q_LIVE] < 0 or nodes[t, Q_STAMP] == reg[N_RANK]:
                    continue
                if bytes_ == 1:
                    nodes[t, Q_STAMP] = reg[N_RANK]
                _push(A, t, bytes_ - 1, head, c)
        reg[HEAD] = head + 1
        if hit:
            reg[FOUND] = 1
            at = head
            while at >= 0:
                nodes[queue[at, 0], Q_LIVE] = 1
                at = np.int64(queue[at, 2])
            return head
    if not reg[FOUND]:
        for i in range(reg[TAIL]):
            nodes[queue[i, 0], Q_LIVE] = -1
    return np.int64(-1)


@nb.njit(nogil=True)
def _new_state(A, kind, a, b, c, outcome):  # type: ignore[no-untyped-def]
    n = A[N_STATE]
    if n >= _states(A).shape[0]:
        _stop(A, FULL_STATES, _0)
    _states(A)[n, KIND] = kind
    _states(A)[n, ARG_A] = a
    _states(A)[n, ARG_B] = b
    _states(A)[n, ARG_C] = c
    _states(A)[n, DONE] = 0
    _outcome(A)[n] = outcome
    for b in range(WIDTH):
        _trans(A)[n, b] = UNKNOWN
    A[N_STATE] = n + 1
    return n


@nb.njit(nogil=True)
def _free(A, outcome):  # type: ignore[no-untyped-def]
    """Return the first of the 8 states from which any text leads to `outcome`."""
    key = _intern(A, K_FREE, outcome, _0, _0)
    if _keys(A)[key, VALUE] != UNSET:
        return np.int64(_keys(A)[key, VALUE])
    base = A[N_STATE]
    if base + 8 > _states(A).shape[0]:
        _stop(A, FULL_STATES, _0)
    for i in range(8):
        n = _new_state(A, FREE_STATE, outcome, base, i, outcome if i == 0 else _NONE)
        _states(A)[n, DONE] = 1
        for b in range(WIDTH):
            t = _trans(A)[i, b]
            _trans(A)[n, b] = base + t if t >= 0 else DEAD
    _keys(A)[key, VALUE] = base
    return base


@nb.njit(nogil=True)
def _state_of(A, q):  # type: ignore[no-untyped-def]
    """Return the state of a node, or DEAD where nothing completes it."""
    nodes = _nodes(A)
    if nodes[q, Q_LIVE] == 0:
        _search(A, q, _0, _1)
    if nodes[q, Q_LIVE] < 0:
        return np.int64(DEAD)
    if nodes[q, Q_STATE] >= 0:
        return np.int64(nodes[q, Q_STATE])
    set_ = nodes[q, Q_SET]
    s = nodes[q, Q_SPEC]
    decided = nodes[q, Q_LENGTH] >= _spec(A)[s, P_CAP]
    off, size = _sets(A)[set_, S_OFF], _sets(A)[set_, S_LEN]
    for i in range(off, off + size):
        t = _heap(A)[i]
        if _prog(A)[_keys(A)[t, 0], 0] != MATCH or _keys(A)[t, 2] != 0:
            decided = False
            break
    if decided:
        n = _free(A, np.int64(nodes[q, Q_OUTCOME]))
    else:
        n = _new_state(A, NODE_STATE, q, _0, _0, nodes[q, Q_OUTCOME])
    nodes[q, Q_STATE] = n
    return n


@nb.njit(nogil=True)
def _middle_to(A, kind, target):  # type: ignore[no-untyped-def]
    """Return the state that is FREE's middle `kind` with `target` at the end of the sequence."""
    if _states(A)[target, KIND] == FREE_STATE:
        return _states(A)[target, ARG_B] + kind
    key = _intern(A, K_MIDDLE, kind, target, _0)
    if _keys(A)[key, VALUE] == UNSET:
        _keys(A)[key, VALUE] = _new_state(A, MIDDLE_STATE, kind, target, _0, _NONE)
    return np.int64(_keys(A)[key, VALUE])


@nb.njit(nogil=True)
def _middle(A, s, q, low, left):  # type: ignore[no-untyped-def]
    """Return the state within a UTF-8 sequence, `left` bytes before its end, that spells low .. low + 64**left.

    work[class] holds the states after each class.
    """
    heap, work = _heap(A), _work(A)
    high = low + (np.int64(1) << (6 * left)) - 1
    if left == 2 and low == 0:
        low_point = np.int64(0x800)
    elif left == 3 and low == 0:
        low_point = np.int64(0x10000)
    else:
        low_point = low
    if left == 2 and low == 0xD000:
        high = np.int64(0xD7FF)
    high = min(high, 0x10FFFF)
    starts, count = np.int64(_spec(A)[s, P_STARTS]), np.int64(_spec(A)[s, P_RANGES])
    kinds = np.int64(_spec(A)[s, P_KINDS])
    a, b = np.int64(0), count
    while b - a > 1:
        mid = (a + b) // 2
        if heap[starts + mid] <= low_point:
            a = mid
        else:
            b = mid
    target = np.int64(work[heap[kinds + a]])
    a += 1
    while a < count and heap[starts + a] <= high:
        if work[heap[kinds + a]] != target:
            key = _intern(A, K_SPLIT, q, low, left)
            if _keys(A)[key, VALUE] == UNSET:
                _keys(A)[key, VALUE] = _new_state(A, SPLIT_STATE, q, low, left, _NONE)
            return np.int64(_keys(A)[key, VALUE])
        a += 1
    if target < 0:
        return target
    if left == 1:
        kind = _1
    elif left == 2:
        kind = _3 if low == 0 else np.int64(4) if low == 0xD000 else _2
    else:
        kind = np.int64(5 if low == 0 else 7 if low == 0x100000 else 6)
    return _middle_to(A, kind, target)


@nb.njit(nogil=True)
def _class_states(A, q):  # type: ignore[no-untyped-def]
    """Write the state after each class to work[class]; return how many classes there are."""
    row = _node_row(A, q)
    classes = np.int64(_spec(A)[_nodes(A)[q, Q_SPEC], P_CLASSES])
    if classes >= _work(A).shape[0]:
        _stop(A, FULL_WORK, _0)
    # Searches use `work`, so liveness comes first.
    for c in range(classes):
        t = np.int64(_heap(A)[row + c])
        if t >= 0 and _nodes(A)[t, Q_LIVE] == 0:
            _search(A, t, _0, _1)
    for c in range(classes):
        t = np.int64(_heap(A)[row + c])
        if t >= 0:
            known = _nodes(A)[t, Q_STATE]
            t = known if known >= 0 else _state_of(A, t)
        _work(A)[c] = t
    return classes


@nb.njit(nogil=True)
def _fill(A, n):  # type: ignore[no-untyped-def]
    """Fill the row of a state."""
    states, trans, heap = _states(A), _trans(A), _heap(A)
    if states[n, DONE]:
        return
    kind = states[n, KIND]
    if kind == MIDDLE_STATE:
        middle, target = states[n, ARG_A], states[n, ARG_B]
        A[FILLING] = n
        for b in range(WIDTH):
            trans[n, b] = DEAD
        last, after = np.int64(DEAD), np.int64(DEAD)
        for b in range(128, 192):
            t = np.int64(trans[middle, b])
            if t != last:
                last = t
                after = target if t == 0 else _middle_to(A, t, target) if t > 0 else t
            trans[n, b] = after
    elif kind == SPLIT_STATE:
        q, low, left = np.int64(states[n, ARG_A]), np.int64(states[n, ARG_B]), np.int64(states[n, ARG_C])
        _class_states(A, q)
        A[FILLING] = n
        s = np.int64(_nodes(A)[q, Q_SPEC])
        for b in range(128):
            trans[n, b] = DEAD
        for b in range(192, WIDTH):
            trans[n, b] = DEAD
        starts, count, kinds = _spec(A)[s, P_STARTS], _spec(A)[s, P_RANGES], _spec(A)[s, P_KINDS]
        at = np.int64(0)
        for b in range(64):
            first = low + (np.int64(b) << (6 * (left - 1)))
            last = first + (np.int64(1) << (6 * (left - 1))) - 1
            if (
                (left == 2 and last < 0x800)
                or (left == 3 and (last < 0x10000 or first > 0x10FFFF))
                or (first >= 0xD800 and last <= 0xDFFF)
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
                trans[n, 128 + b] = _work(A)[heap[kinds + at]]
    else:
        q = np.int64(states[n, ARG_A])
        _class_states(A, q)
        A[FILLING] = n
        s = np.int64(_nodes(A)[q, Q_SPEC])
        ascii_ = _spec(A)[s, P_ASCII]
        for b in range(128):
            trans[n, b] = _work(A)[heap[ascii_ + b]]
        for b in range(128, 0xC2):
            trans[n, b] = DEAD
        starts, count, kinds = _spec(A)[s, P_STARTS], _spec(A)[s, P_RANGES], _spec(A)[s, P_KINDS]
        at = np.int64(0)
        last, last_kind, last_state = np.int64(DEAD), np.int64(0), np.int64(DEAD)
        for b in range(0xC2, 0xF5):
            if b < 0xE0:
                left, low = _1, np.int64(b & 31) << 6
                first, high, middle = low, low + 0x3F, _1
            elif b < 0xF0:
                left, low = _2, np.int64(b & 15) << 12
                first, high = max(low, np.int64(0x800)), low + 0xFFF
                middle = _3 if b == 0xE0 else _2
                if b == 0xED:
                    high, middle = np.int64(0xD7FF), np.int64(4)
            else:
                left, low = _3, np.int64(b & 7) << 18
                first, high = max(low, np.int64(0x10000)), min(low + 0x3FFFF, np.int64(0x10FFFF))
                middle = np.int64(5 if b == 0xF0 else 7 if b == 0xF4 else 6)
            while at + 1 < count and heap[starts + at + 1] <= first:
                at += 1
            if at + 1 < count and heap[starts + at + 1] <= high:
                trans[n, b] = _middle(A, s, q, low, left)
                continue
            target = _work(A)[heap[kinds + at]]
            if target != last or middle != last_kind:
                last, last_kind = target, middle
                last_state = _middle_to(A, middle, target) if target >= 0 else target
            trans[n, b] = last_state
        for b in range(0xF5, 256):
            trans[n, b] = DEAD
        trans[n, 256] = _work(A)[_spec(A)[s, P_HIGH]]
        trans[n, 257] = _work(A)[_spec(A)[s, P_LOW]]
    states[n, DONE] = 1
    A[FILLING] = 0


@nb.njit(nogil=True)
def _expand(A, n, most):  # type: ignore[no-untyped-def]
    """Fill the row of state `n`, then of states first reached from it, `most` rows in all."""
    first = A[N_STATE]
    if A[FILLING] > 0:  # an interrupt left half a row
        _fill(A, A[FILLING])
    _fill(A, n)
    at = A[N_STATE] - 1
    done = 1
    # The newest states are those that `n` has just led to; going on from there follows the same text. The
    # middles of UTF-8 sequences are cheap, and are not counted.
    while at >= first:
        if _states(A)[at, DONE]:
            at -= 1
            continue
        if _states(A)[at, KIND] != MIDDLE_STATE:
            if done >= most:
                at -= 1
                continue
            done += 1
        _fill(A, at)
        at = A[N_STATE] - 1


@nb.njit(nogil=True)
def _rehash(A, which):  # type: ignore[no-untyped-def]
    """Fill an empty hash table anew: that of the keys (`which` FULL_KEYS) or of the sets."""
    if which == FULL_KEYS:
        mask = _key_slots(A).shape[0] - 1
        for n in range(A[N_KEY]):
            h = _hash(
                np.int64(_keys(A)[n, 0]), np.int64(_keys(A)[n, 1]), np.int64(_keys(A)[n, 2]), np.int64(_keys(A)[n, 3])
            )
            at = np.int64(h & np.uint64(mask))
            while _key_slots(A)[at] >= 0:
                at = (at + 1) & mask
            _key_slots(A)[at] = n
    else:
        mask = _set_slots(A).shape[0] - 1
        for n in range(A[N_SET]):
            h = _hash_ints(_heap(A), np.int64(_sets(A)[n, S_OFF]), np.int64(_sets(A)[n, S_LEN]))
            at = np.int64(h & np.uint64(mask))
            while _set_slots(A)[at] >= 0:
                at = (at + 1) & mask
            _set_slots(A)[at] = n


ASK_START, ASK_SEARCH, ASK_ROW, ASK_THREAD, ASK_NODE, ASK_EXPAND, ASK_REHASH = range(7)


@nb.njit("int64(int64[::1], int64, int64, int64)", cache=True, nogil=True)
def ask(A, what, a, b):  # type: ignore[no-untyped-def]
    """Answer one question: the one entry point, so that one compiled object is loaded.

    ASK_START: the node at which spec `a` begins. ASK_SEARCH: `_search` from node `a` (`b`: go on).
    ASK_ROW: where in the heap node `a`'s row stands, dead targets marked. ASK_THREAD: the number of thread
    (a, b, 0, 0). ASK_NODE: the state of node `a`. ASK_EXPAND: fill `b` rows from state `a` on.
    ASK_REHASH: fill an emptied hash table, that of the array `a`.
    """
    if what == ASK_START:
        first, count = np.int64(_spec(A)[a, P_ATOM]), np.int64(_spec(A)[a, P_ATOM + 1])
        _next_stamp(A)
        length = np.int64(0)
        for i in range(count):
            pc = np.int64(_heap(A)[first + 2 * i])
            argument = np.int64(_heap(A)[first + 2 * i + 1])
            if length + 1 >= _work(A).shape[0] // 2:
                _stop(A, FULL_WORK, _0)
            if _prog(A)[pc, 0] == WORDS:
                if argument > 0:
                    _work(A)[length] = _intern(A, pc, _0, argument, _0)
                    length += 1
            elif _prog(A)[pc, 0] == TABLE:
                _work(A)[length] = argument
                length += 1
            else:
                length = _closure(A, pc, _0, _1, length)
        length = _tidy(A, length)
        return _node(A, a, _intern_set(A, length), _0)
    if what == ASK_SEARCH:
        return _search(A, a, b, _0)
    if what == ASK_ROW:
        row = _node_row(A, a)
        for c in range(_spec(A)[_nodes(A)[a, Q_SPEC], P_CLASSES]):
            t = np.int64(_heap(A)[row + c])
            if t >= 0 and _nodes(A)[t, Q_LIVE] == 0:
                _search(A, t, _0, _1)
            if t >= 0 and _nodes(A)[t, Q_LIVE] < 0:
                _heap(A)[row + c] = DEAD
        return row
    if what == ASK_THREAD:
        return _intern(A, a, b, _0, _0)
    if what == ASK_EXPAND:
        _expand(A, a, b)
        return np.int64(0)
    if what == ASK_REHASH:
        _rehash(A, a)
        return np.int64(0)
    return _state_of(A, a)


