"""Subset construction over threads, compiled; counters are never unrolled.

`closure` is the epsilon closure, `set_row` the successors of a set of threads, `accepted` and `open_atoms`
the atoms that accept at a set, or still may.
"""

from __future__ import annotations

import numpy as np

from structgen.automata.formats.label_lengths import after_letter, class_of_point
from structgen.automata.formats.regex_format import regex_ends, regex_step
from structgen.automata.formats.regex_registers import CUT, FLAGS
from structgen.automata.formats.time_of_day import CLOCK_END, MEMORY, clock_step
from structgen.automata.programs.determinizer_tables import (
    FULL_HEAP,
    FULL_WORK,
    K_CONTEXT,
    K_STEP,
    LEN,
    N_HEAP,
    NEED_STEP,
    OFF,
    ONE,
    P_ASCII,
    P_CLASSES,
    P_FIRST,
    S_ACCEPT,
    S_LEN,
    S_OFF,
    S_OPEN,
    S_ROW,
    S_STEPS,
    STAMP,
    TWO,
    UNSET,
    VALUE,
    ZERO,
    heap_of,
    intern,
    intern_set,
    keys_of,
    next_stamp,
    prog_of,
    sets_of,
    sort,
    spec_of,
    stamp_of,
    stop,
    work_of,
)
from structgen.automata.programs.instructions import (
    BOL,
    CALL,
    CHAR,
    CLOCK,
    COUNT,
    EOL,
    IMPLICIT,
    LETTERS,
    MATCH,
    PUSH,
    REGEX,
    REPEAT,
    RETURN,
    SPLIT,
    WORDS,
)
from structgen.native.jit import jit


@jit
def _settled(A, context):  # type: ignore[no-untyped-def]
    """Return the context without marks of empty iterations: a code point is about to be consumed."""
    if keys_of(A)[context, 3] == 0:
        return context
    # The chain is short: one link for each counted repeat around the instruction.
    depth = 0
    link = context
    while keys_of(A)[link, 3] != 0:
        depth += 1
        link = keys_of(A)[link, 1]
    while depth > 0:
        old = context
        for _ in range(depth - 1):
            old = keys_of(A)[old, 1]
        link = intern(A, K_CONTEXT, link, keys_of(A)[old, 2], ZERO)
        depth -= 1
    return link


@jit
def closure(A, pc, context, at_start, out):  # type: ignore[no-untyped-def]
    """Append to work[out:] the threads reached from (pc, context) without consuming; return the new length.

    Threads stamped with the present generation are taken as present. The upper half of `work` is the stack.
    """
    gen = A[STAMP]
    work, keys, prog = work_of(A), keys_of(A), prog_of(A)
    bottom = work.shape[0] // 2
    top = bottom
    room = work.shape[0] - 8
    work[top] = pc
    work[top + 1] = context
    work[top + 2] = 0
    top += 3
    while top > bottom:
        top -= 3
        pc = work[top]
        context = work[top + 1]
        ended = work[top + 2]
        op = prog[pc, 0]
        if op == CHAR:
            if ended:
                continue
            context = _settled(A, context)
        key = intern(A, pc, context, ended, ZERO)
        if stamp_of(A)[key] == gen:
            continue
        stamp_of(A)[key] = gen
        if top >= room or out >= bottom - 1:
            stop(A, FULL_WORK, ZERO)
        if op in (CHAR, MATCH, CLOCK, REGEX, IMPLICIT, LETTERS):
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
            empty = TWO if keys[context, 3] else ZERO
            work[top] = prog[pc, 1]
            work[top + 1] = intern(A, K_CONTEXT, context, ZERO, empty)
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
                    inner = intern(A, K_CONTEXT, parent, count, ONE)
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
            work[top + 1] = intern(A, K_CONTEXT, parent, count, TWO if keys[parent, 3] else ZERO)
            work[top + 2] = ended
            top += 3
        elif op == CALL:
            work[top] = prog[pc, 1]
            work[top + 1] = intern(A, K_CONTEXT, context, pc - prog[pc, 3], ZERO)
            work[top + 2] = ended
            top += 3
        elif op == RETURN:
            work[top] = prog[keys[context, 2], 2] + prog[pc, 3]
            work[top + 1] = keys[context, 1]
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


@jit
def _follow(A, thread):  # type: ignore[no-untyped-def]
    """Return where the heap lists the threads after a CHAR thread; computed once."""
    keys = keys_of(A)
    if keys[thread, OFF] >= 0:
        return keys[thread, OFF]
    next_stamp(A)
    length = closure(A, prog_of(A)[keys[thread, 0], 2], keys[thread, 1], ZERO, ZERO)
    top = A[N_HEAP]
    if top + length > heap_of(A).shape[0]:
        stop(A, FULL_HEAP, length)
    for i in range(length):
        heap_of(A)[top + i] = work_of(A)[i]
    A[N_HEAP] = top + length
    keys[thread, LEN] = length
    keys[thread, OFF] = top
    return top


@jit
def tidy(A, length):  # type: ignore[no-untyped-def]
    """Sort work[:length] and drop the other threads of atoms that have matched for good; return the
    length."""
    work, keys, prog = work_of(A), keys_of(A), prog_of(A)
    sort(work, length)
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
                if (
                    prog[keys[other, 0], 0] == MATCH
                    and keys[other, 2] == 0
                    and prog[keys[other, 0], 5] == prog[pc, 5]
                ):
                    drop = True
                    break
        if not drop:
            work[kept] = t
            kept += 1
    return kept


@jit
def _word_bound(A, base, low, high, depth, kind, upper):  # type: ignore[no-untyped-def]
    """Return the first of words low..high whose class at `depth` is >= kind (> kind where `upper`)."""
    heap = heap_of(A)
    while low < high:
        mid = (low + high) // 2
        start = heap[base + mid]
        at = np.int64(-1)
        if heap[base + mid + 1] - start > depth:
            at = heap[base + start + depth]
        if at < kind or (upper and at == kind):
            low = mid + 1
        else:
            high = mid
    return low


@jit
def _after(A, s, t, c):  # type: ignore[no-untyped-def]
    """Return the thread after a thread (not of CHAR) and a character of class `c`, or -1."""
    heap, keys, prog = heap_of(A), keys_of(A), prog_of(A)
    pc = keys[t, 0]
    op = prog[pc, 0]
    u = np.int64(-1)
    if op == MATCH:
        if keys[t, 2] == 0:
            u = t
    elif op == WORDS:
        base = prog[pc, 1]
        depth = keys[t, 3]
        low = _word_bound(A, base, keys[t, 1], keys[t, 2], depth, c, ZERO)
        high = _word_bound(A, base, low, keys[t, 2], depth, c, ONE)
        if low < high:
            u = intern(A, pc, low, high, depth + 1)
    elif op == CLOCK:
        # Thread (instruction, 0, 0, 0) is the start; `closure` makes it with context 0.
        after = clock_step(keys[t, 3], keys[t, 2], heap[spec_of(A)[s, P_FIRST] + c])
        if after >= 0:
            u = intern(A, pc, ZERO, after % MEMORY, after // MEMORY)
    elif op == REGEX:
        first = heap[spec_of(A)[s, P_FIRST] + c]
        names, word, memory = regex_step(A, prog[pc, 1], keys[t, 1], keys[t, 2], keys[t, 3], first)
        if word >= 0:
            u = intern(A, pc, names, word, memory)
        elif word == CUT and prog[pc, 2] != pc:
            u = intern(A, prog[pc, 2], ZERO, ZERO, ZERO)
        elif word == FLAGS and prog[pc, 2] != pc:
            u = intern(A, pc, keys[t, 1], keys[t, 2], ONE)
    return u


@jit
def set_row(A, s, set_):  # type: ignore[no-untyped-def]
    """Return where the heap lists the set's successor on each class; computed once."""
    if sets_of(A)[set_, S_ROW] >= 0:
        return sets_of(A)[set_, S_ROW]
    heap, keys, prog, work = heap_of(A), keys_of(A), prog_of(A), work_of(A)
    off, size = sets_of(A)[set_, S_OFF], sets_of(A)[set_, S_LEN]
    for i in range(size):
        t = heap[off + i]
        if prog[keys[t, 0], 0] == CHAR:
            _follow(A, t)
    classes = spec_of(A)[s, P_CLASSES]
    row = A[N_HEAP]
    if row + classes > heap.shape[0]:
        stop(A, FULL_HEAP, classes)
    A[N_HEAP] = row + classes
    half = work.shape[0] // 2
    for c in range(classes):
        gen = next_stamp(A)
        length = np.int64(0)
        for i in range(size):
            t = heap[off + i]
            pc = keys[t, 0]
            op = prog[pc, 0]
            if op == CHAR:
                if heap[prog[pc, 1] + c]:
                    first = keys[t, OFF]
                    count = keys[t, LEN]
                    if length + count >= half:
                        stop(A, FULL_WORK, ZERO)
                    for j in range(first, first + count):
                        u = heap[j]
                        if stamp_of(A)[u] != gen:
                            stamp_of(A)[u] = gen
                            work[length] = u
                            length += 1
                continue
            u = _after(A, s, t, c)
            if u >= 0 and stamp_of(A)[u] != gen:
                if length + 1 >= half:
                    stop(A, FULL_WORK, ZERO)
                stamp_of(A)[u] = gen
                work[length] = u
                length += 1
        length = tidy(A, length)
        heap[row + c] = intern_set(A, length)
    sets_of(A)[set_, S_ROW] = row
    return row


@jit
def _reading(A, set_):  # type: ignore[no-untyped-def]
    """Return as bits whether a set holds threads of IMPLICIT (1) and of LETTERS (2); computed once."""
    if sets_of(A)[set_, S_STEPS] < 0:
        found = ZERO
        off = sets_of(A)[set_, S_OFF]
        for i in range(off, off + sets_of(A)[set_, S_LEN]):
            op = prog_of(A)[keys_of(A)[heap_of(A)[i], 0], 0]
            if op == IMPLICIT:
                found |= 1
            elif op == LETTERS:
                found |= 2
        sets_of(A)[set_, S_STEPS] = found
    return sets_of(A)[set_, S_STEPS]


@jit
def steps(A, set_):  # type: ignore[no-untyped-def]
    """Return whether a set holds a thread of IMPLICIT."""
    return _reading(A, set_) & 1 != 0


@jit
def lettered(A, set_):  # type: ignore[no-untyped-def]
    """Return whether a set holds a thread of LETTERS."""
    return _reading(A, set_) & 2 != 0


@jit
def letterless(A, set_):  # type: ignore[no-untyped-def]
    """Return a set without its threads of LETTERS. Uses `work`."""
    off, kept = sets_of(A)[set_, S_OFF], np.int64(0)
    for i in range(off, off + sets_of(A)[set_, S_LEN]):
        t = heap_of(A)[i]
        if prog_of(A)[keys_of(A)[t, 0], 0] != LETTERS:
            if kept + 1 >= work_of(A).shape[0]:
                stop(A, FULL_WORK, ZERO)
            work_of(A)[kept] = t
            kept += 1
    return intern_set(A, kept)


@jit
def stepped(A, s, set_, char):  # type: ignore[no-untyped-def]
    """Return the set after a character of the implicit automata's alphabet, or of LETTERS.

    A thread of IMPLICIT holds the number of its state, and as its value the distance to the nearest end; at
    an end, the threads that follow the instruction are in the set too. Each thread of LETTERS is an end.
    `set_row` has the successors on all other characters.
    """
    heap, keys, prog, work = heap_of(A), keys_of(A), prog_of(A), work_of(A)
    class_ = heap[spec_of(A)[s, P_ASCII] + char] if char < 128 else class_of_point(A, s, char)
    off, size = sets_of(A)[set_, S_OFF], sets_of(A)[set_, S_LEN]
    for i in range(off, off + size):
        t = heap[i]
        if prog[keys[t, 0], 0] == CHAR and heap[prog[keys[t, 0], 1] + class_]:
            _follow(A, t)
        elif prog[keys[t, 0], 0] == LETTERS:
            after = after_letter(A, t, char, class_)
            if after >= 0:
                _follow(A, after)
        elif prog[keys[t, 0], 0] == IMPLICIT and char < 128:
            answer = intern(A, K_STEP, t, char, ZERO)
            if keys[answer, VALUE] == UNSET:
                stop(A, NEED_STEP, answer)
            after = keys[answer, VALUE]
            if after >= 0 and keys[after, VALUE] == 0:
                _follow(A, after)
    gen = next_stamp(A)
    length = np.int64(0)
    for i in range(off, off + size):
        t = heap[i]
        pc = keys[t, 0]
        op = prog[pc, 0]
        from_ = np.int64(-1)
        u = np.int64(-1)
        if op == CHAR:
            if heap[prog[pc, 1] + class_]:
                from_ = t
        elif op == LETTERS:
            from_ = u = after_letter(A, t, char, class_)
        elif op == IMPLICIT:
            if char < 128:
                u = keys[intern(A, K_STEP, t, char, ZERO), VALUE]
                if u >= 0 and keys[u, VALUE] == 0:
                    from_ = u
        else:
            u = _after(A, s, t, class_)
        if length + 1 + (keys[from_, LEN] if from_ >= 0 else 0) >= work.shape[0] // 2:
            stop(A, FULL_WORK, ZERO)
        if u >= 0 and stamp_of(A)[u] != gen:
            stamp_of(A)[u] = gen
            work[length] = u
            length += 1
        if from_ >= 0:
            for j in range(keys[from_, OFF], keys[from_, OFF] + keys[from_, LEN]):
                v = heap[j]
                if stamp_of(A)[v] != gen:
                    stamp_of(A)[v] = gen
                    work[length] = v
                    length += 1
    return intern_set(A, tidy(A, length))


@jit
def accepted(A, set_):  # type: ignore[no-untyped-def]
    """Return the set of the atoms that accept at a set of threads; computed once."""
    if sets_of(A)[set_, S_ACCEPT] >= 0:
        return sets_of(A)[set_, S_ACCEPT]
    heap, keys, prog, work = heap_of(A), keys_of(A), prog_of(A), work_of(A)
    off, size = sets_of(A)[set_, S_OFF], sets_of(A)[set_, S_LEN]
    length = np.int64(0)
    for i in range(off, off + size):
        t = heap[i]
        pc = keys[t, 0]
        op = prog[pc, 0]
        holds = op == MATCH
        if op == WORDS:
            base = prog[pc, 1]
            holds = heap[base + keys[t, 1] + 1] - heap[base + keys[t, 1]] == keys[t, 3]
        elif op == CLOCK:
            holds = keys[t, 3] == CLOCK_END
        elif op == REGEX:
            holds = regex_ends(keys[t, 2])
        if holds:
            atom = prog[pc, 5]
            new = True
            for j in range(length):
                if work[j] == atom:
                    new = False
            if new:
                if length + 1 >= work.shape[0]:
                    stop(A, FULL_WORK, ZERO)
                work[length] = atom
                length += 1
    sort(work, length)
    accept = intern_set(A, length)
    sets_of(A)[set_, S_ACCEPT] = accept
    return accept


@jit
def open_atoms(A, set_):  # type: ignore[no-untyped-def]
    """Return a set that holds 2 * atom for each atom that may still match, 2 * atom + 1 if it has for good.

    Atoms without an entry cannot match any more. Computed once.
    """
    if sets_of(A)[set_, S_OPEN] >= 0:
        return sets_of(A)[set_, S_OPEN]
    heap, keys, prog, work = heap_of(A), keys_of(A), prog_of(A), work_of(A)
    off, size = sets_of(A)[set_, S_OFF], sets_of(A)[set_, S_LEN]
    length = np.int64(0)
    for i in range(off, off + size):
        t = heap[i]
        pc = keys[t, 0]
        value = 2 * prog[pc, 5]
        if prog[pc, 0] == MATCH and keys[t, 2] == 0:
            value += 1
        new = True
        for j in range(length):
            if work[j] == value:
                new = False
                break
        if new:
            if length + 1 >= work.shape[0]:
                stop(A, FULL_WORK, ZERO)
            work[length] = value
            length += 1
    sort(work, length)
    found = intern_set(A, length)
    sets_of(A)[set_, S_OPEN] = found
    return found
