"""Subset construction over threads, compiled; counters are never unrolled.

A set of threads is the set of the partial derivatives of the atoms by the text so far (V. Antimirov, 1996).
`closure` is the epsilon closure, `set_row` the successors of a set of threads, `accepted` and `open_atoms`
the atoms that accept at a set, or still may.
"""

from __future__ import annotations

from structgen.automata.formats.label_lengths import after_letter, class_of_point
from structgen.automata.formats.regex_format import regex_ends, regex_step
from structgen.automata.formats.regex_registers import CUT, FLAGS
from structgen.automata.formats.time_of_day import CLOCK_END, MEMORY, clock_step
from structgen.automata.programs.determinizer_tables import (
    CONTEXT,
    HEAP,
    NEED_STEP,
    STEP,
    UNSET,
    WORK,
    StringTables,
    intern,
    intern_set,
    next_stamp,
    sort,
    stop,
)
from structgen.automata.programs.instructions import (
    BOL,
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
    SPLIT,
    WORDS,
)
from structgen.native.jit import jit


@jit
def _settled(p: StringTables, context: int) -> int:
    """Return the context without marks of empty iterations: a code point is about to be consumed."""
    if p.keys[context].third == 0:
        return context
    # The chain is short: one link for each counted repeat around the instruction.
    depth = 0
    link = context
    while p.keys[link].third != 0:
        depth += 1
        link = p.keys[link].first
    while depth > 0:
        old = context
        for _ in range(depth - 1):
            old = p.keys[old].first
        link = intern(p, CONTEXT, link, p.keys[old].second, 0)
        depth -= 1
    return link


@jit
def _put(p: StringTables, top: int, pc: int, context: int, ended: int) -> int:
    """Put a place on the stack of `closure`; return the new top."""
    p.work[top] = pc
    p.work[top + 1] = context
    p.work[top + 2] = ended
    return top + 3


@jit
def closure(p: StringTables, pc: int, context: int, at_start: bool, out: int) -> int:
    """Append to p.work[out:] the threads reached from (pc, context) without consuming; return the new length.

    Threads stamped with the present generation are taken as present. The upper half of `work` is the stack.
    """
    gen = p.stamp
    bottom = p.work.capacity // 2
    top = bottom
    room = p.work.capacity - 8
    top = _put(p, top, pc, context, 0)
    while top > bottom:
        top -= 3
        pc = p.work[top]
        context = p.work[top + 1]
        ended = p.work[top + 2]
        code = p.code[pc]
        op = code.op
        if op == CHAR:
            if ended:
                continue
            context = _settled(p, context)
        key = intern(p, pc, context, ended, 0)
        if p.keys[key].stamp == gen:
            continue
        p.keys[key].stamp = gen
        if top >= room or out >= bottom - 1:
            stop(p, WORK, 0)
        if op in (CHAR, MATCH, CLOCK, REGEX, IMPLICIT, LETTERS):
            p.work[out] = key
            out += 1
        elif op == SPLIT:
            top = _put(p, top, code.b, context, ended)
            top = _put(p, top, code.a, context, ended)
        elif op == PUSH:
            empty = 2 if p.keys[context].third else 0
            top = _put(p, top, code.a, intern(p, CONTEXT, context, 0, empty), ended)
        elif op == REPEAT:
            parent, count = p.keys[context].first, p.keys[context].second
            if count >= code.c:
                top = _put(p, top, code.b, parent, ended)
            if code.d < 0 or count < code.d:
                inner = context
                if code.e:
                    inner = intern(p, CONTEXT, parent, count, 1)
                top = _put(p, top, code.a, inner, ended)
        elif op == COUNT:
            repeat = code.a
            parent, count = p.keys[context].first, p.keys[context].second
            # ECMA-262 RepeatMatcher: an iteration that consumed nothing counts only towards the least.
            if (p.keys[context].third & 1) and count >= p.code[repeat].c:
                continue
            count += 1
            if p.code[repeat].d < 0 and count > p.code[repeat].c:
                count = p.code[repeat].c
            top = _put(
                p, top, repeat, intern(p, CONTEXT, parent, count, 2 if p.keys[parent].third else 0), ended
            )
        elif op == BOL:
            if at_start:
                top = _put(p, top, code.a, context, ended)
        elif op == EOL:
            top = _put(p, top, code.a, context, 1)
    return out


@jit
def _follow(p: StringTables, thread: int) -> int:
    """Return where the heap lists the threads after a CHAR thread; computed once."""
    if p.keys[thread].at >= 0:
        return p.keys[thread].at
    next_stamp(p)
    length = closure(p, p.code[p.keys[thread].what].b, p.keys[thread].first, False, 0)
    top = p.heap.count
    if top + length > p.heap.capacity:
        stop(p, HEAP, length)
    for i in range(length):
        p.heap[top + i] = p.work[i]
    p.heap.count = top + length
    p.keys[thread].size = length
    p.keys[thread].at = top
    return top


@jit
def tidy(p: StringTables, length: int) -> int:
    """Sort p.work[:length] and drop the other threads of atoms that have matched for good; return the
    length."""
    sort(p.work.numbers, length)
    sure = 0
    for i in range(length):
        t = p.work[i]
        if p.code[p.keys[t].what].op == MATCH and p.keys[t].second == 0:
            sure += 1
    if sure == 0 or length == 1:
        return length
    kept = 0
    for i in range(length):
        t = p.work[i]
        pc = p.keys[t].what
        drop = False
        if not (p.code[pc].op == MATCH and p.keys[t].second == 0):
            for j in range(length):
                # p.work[j] is intact for j >= kept; earlier places hold kept threads, sure ones among them.
                other = p.work[j]
                if (
                    p.code[p.keys[other].what].op == MATCH
                    and p.keys[other].second == 0
                    and p.code[p.keys[other].what].e == p.code[pc].e
                ):
                    drop = True
                    break
        if not drop:
            p.work[kept] = t
            kept += 1
    return kept


@jit
def _word_bound(p: StringTables, base: int, low: int, high: int, depth: int, kind: int, upper: bool) -> int:
    """Return the first of words low..high whose class at `depth` is >= kind (> kind where `upper`)."""
    while low < high:
        mid = (low + high) // 2
        start = p.heap[base + mid]
        at = -1
        if p.heap[base + mid + 1] - start > depth:
            at = p.heap[base + start + depth]
        if at < kind or (upper and at == kind):
            low = mid + 1
        else:
            high = mid
    return low


@jit
def _after(p: StringTables, s: int, t: int, c: int) -> int:
    """Return the thread after a thread (not of CHAR) and a character of class `c`, or -1."""
    pc = p.keys[t].what
    op = p.code[pc].op
    u = -1
    if op == MATCH:
        if p.keys[t].second == 0:
            u = t
    elif op == WORDS:
        base = p.code[pc].a
        depth = p.keys[t].third
        low = _word_bound(p, base, p.keys[t].first, p.keys[t].second, depth, c, False)
        high = _word_bound(p, base, low, p.keys[t].second, depth, c, True)
        if low < high:
            u = intern(p, pc, low, high, depth + 1)
    elif op == CLOCK:
        # Thread (instruction, 0, 0, 0) is the start; `closure` makes it with context 0.
        after = clock_step(p.keys[t].third, p.keys[t].second, p.heap[p.specs[s].firsts + c])
        if after >= 0:
            u = intern(p, pc, 0, after % MEMORY, after // MEMORY)
    elif op == REGEX:
        first = p.heap[p.specs[s].firsts + c]
        names, word, memory = regex_step(
            p, p.code[pc].a, p.keys[t].first, p.keys[t].second, p.keys[t].third, first
        )
        if word >= 0:
            u = intern(p, pc, names, word, memory)
        elif word == CUT and p.code[pc].b != pc:
            u = intern(p, p.code[pc].b, 0, 0, 0)
        elif word == FLAGS and p.code[pc].b != pc:
            u = intern(p, pc, p.keys[t].first, p.keys[t].second, 1)
    return u


@jit
def _add(p: StringTables, gen: int, length: int, thread: int) -> int:
    """Add a thread to the set in the making, `length` long, if it is not there; return the new length."""
    if p.keys[thread].stamp == gen:
        return length
    p.keys[thread].stamp = gen
    p.work[length] = thread
    return length + 1


@jit
def set_row(p: StringTables, s: int, set_: int) -> int:
    """Return where the heap lists the set's successor on each class; computed once."""
    if p.sets[set_].row >= 0:
        return p.sets[set_].row
    off, size = p.sets[set_].at, p.sets[set_].size
    for i in range(size):
        t = p.heap[off + i]
        if p.code[p.keys[t].what].op == CHAR:
            _follow(p, t)
    classes = p.specs[s].classes
    row = p.heap.count
    if row + classes > p.heap.capacity:
        stop(p, HEAP, classes)
    p.heap.count = row + classes
    half = p.work.capacity // 2
    for c in range(classes):
        gen = next_stamp(p)
        length = 0
        for i in range(size):
            t = p.heap[off + i]
            pc = p.keys[t].what
            op = p.code[pc].op
            if op == CHAR:
                if p.heap[p.code[pc].a + c]:
                    first = p.keys[t].at
                    count = p.keys[t].size
                    if length + count >= half:
                        stop(p, WORK, 0)
                    for j in range(first, first + count):
                        length = _add(p, gen, length, p.heap[j])
                continue
            u = _after(p, s, t, c)
            if u >= 0:
                if length + 1 >= half:
                    stop(p, WORK, 0)
                length = _add(p, gen, length, u)
        length = tidy(p, length)
        p.heap[row + c] = intern_set(p, length)
    p.sets[set_].row = row
    return row


@jit
def _reading(p: StringTables, set_: int) -> int:
    """Return as bits whether a set holds threads of IMPLICIT (1) and of LETTERS (2); computed once."""
    if p.sets[set_].reading < 0:
        found = 0
        off = p.sets[set_].at
        for i in range(off, off + p.sets[set_].size):
            op = p.code[p.keys[p.heap[i]].what].op
            if op == IMPLICIT:
                found |= 1
            elif op == LETTERS:
                found |= 2
        p.sets[set_].reading = found
    return p.sets[set_].reading


@jit
def steps(p: StringTables, set_: int) -> bool:
    """Return whether a set holds a thread of IMPLICIT."""
    return _reading(p, set_) & 1 != 0


@jit
def lettered(p: StringTables, set_: int) -> bool:
    """Return whether a set holds a thread of LETTERS."""
    return _reading(p, set_) & 2 != 0


@jit
def letterless(p: StringTables, set_: int) -> int:
    """Return a set without its threads of LETTERS. Uses `work`."""
    off, kept = p.sets[set_].at, 0
    for i in range(off, off + p.sets[set_].size):
        t = p.heap[i]
        if p.code[p.keys[t].what].op != LETTERS:
            if kept + 1 >= p.work.capacity:
                stop(p, WORK, 0)
            p.work[kept] = t
            kept += 1
    return intern_set(p, kept)


@jit
def stepped(p: StringTables, s: int, set_: int, char: int) -> int:
    """Return the set after a character of the implicit automata's alphabet, or of LETTERS.

    A thread of IMPLICIT holds the number of its state, and as its value the distance to the nearest end; at
    an end, the threads that follow the instruction are in the set too. Each thread of LETTERS is an end.
    `set_row` has the successors on all other characters.
    """
    class_ = p.heap[p.specs[s].ascii + char] if char < 128 else class_of_point(p, s, char)
    off, size = p.sets[set_].at, p.sets[set_].size
    for i in range(off, off + size):
        t = p.heap[i]
        if p.code[p.keys[t].what].op == CHAR and p.heap[p.code[p.keys[t].what].a + class_]:
            _follow(p, t)
        elif p.code[p.keys[t].what].op == LETTERS:
            after = after_letter(p, t, char, class_)
            if after >= 0:
                _follow(p, after)
        elif p.code[p.keys[t].what].op == IMPLICIT and char < 128:
            answer = intern(p, STEP, t, char, 0)
            if p.keys[answer].value == UNSET:
                stop(p, NEED_STEP, answer)
            after = p.keys[answer].value
            if after >= 0 and p.keys[after].value == 0:
                _follow(p, after)
    gen = next_stamp(p)
    length = 0
    for i in range(off, off + size):
        t = p.heap[i]
        pc = p.keys[t].what
        op = p.code[pc].op
        from_ = -1
        u = -1
        if op == CHAR:
            if p.heap[p.code[pc].a + class_]:
                from_ = t
        elif op == LETTERS:
            from_ = u = after_letter(p, t, char, class_)
        elif op == IMPLICIT:
            if char < 128:
                u = p.keys[intern(p, STEP, t, char, 0)].value
                if u >= 0 and p.keys[u].value == 0:
                    from_ = u
        else:
            u = _after(p, s, t, class_)
        if length + 1 + (p.keys[from_].size if from_ >= 0 else 0) >= p.work.capacity // 2:
            stop(p, WORK, 0)
        if u >= 0:
            length = _add(p, gen, length, u)
        if from_ >= 0:
            for j in range(p.keys[from_].at, p.keys[from_].at + p.keys[from_].size):
                length = _add(p, gen, length, p.heap[j])
    return intern_set(p, tidy(p, length))


@jit
def _join(p: StringTables, length: int, value: int) -> int:
    """Add a value to work[:length] if it is not there; return the new length."""
    for i in range(length):
        if p.work[i] == value:
            return length
    if length + 1 >= p.work.capacity:
        stop(p, WORK, 0)
    p.work[length] = value
    return length + 1


@jit
def accepted(p: StringTables, set_: int) -> int:
    """Return the set of the atoms that accept at a set of threads; computed once."""
    if p.sets[set_].accepting >= 0:
        return p.sets[set_].accepting
    off, size = p.sets[set_].at, p.sets[set_].size
    length = 0
    for i in range(off, off + size):
        t = p.heap[i]
        pc = p.keys[t].what
        op = p.code[pc].op
        holds = op == MATCH
        if op == WORDS:
            base = p.code[pc].a
            holds = p.heap[base + p.keys[t].first + 1] - p.heap[base + p.keys[t].first] == p.keys[t].third
        elif op == CLOCK:
            holds = p.keys[t].third == CLOCK_END
        elif op == REGEX:
            holds = regex_ends(p.keys[t].second)
        if holds:
            length = _join(p, length, p.code[pc].e)
    sort(p.work.numbers, length)
    found = intern_set(p, length)
    p.sets[set_].accepting = found
    return found


@jit
def open_atoms(p: StringTables, set_: int) -> int:
    """Return a set that holds 2 * atom for each atom that may still match, 2 * atom + 1 if it has for good.

    Atoms without an entry cannot match any more. Computed once.
    """
    if p.sets[set_].open >= 0:
        return p.sets[set_].open
    off, size = p.sets[set_].at, p.sets[set_].size
    length = 0
    for i in range(off, off + size):
        t = p.heap[i]
        pc = p.keys[t].what
        value = 2 * p.code[pc].e
        if p.code[pc].op == MATCH and p.keys[t].second == 0:
            value += 1
        length = _join(p, length, value)
    sort(p.work.numbers, length)
    found = intern_set(p, length)
    p.sets[set_].open = found
    return found
