"""The compiled inner loops of whole automata: subsets, products, minimal automata, distances.

An automaton is a table `trans` (int32 [states, classes]); -1 means that nothing follows. State 0 is its
start. A *class* is a set of characters that the automaton does not tell apart.

A *thread* is a state of a nondeterministic automaton (`threads`). A *closure* is a set of threads that are
reached together without reading a character. `subsets` makes a deterministic automaton, whose states are sets
of threads.

A *row* is a sequence of numbers, such as the threads of one state. Many rows are kept in one array `flat`:
row `i` is `flat[at[i]:at[i + 1]]`. A hash table, `table`, finds the number of a row.

To make an automaton minimal, `find_equivalent` refines a *partition*: it divides states into sets. The arrays
of a partition are:

- `where`: the elements, set by set. `places`: the index of each element in `where`. `sets`: the set of each
  element.
- `firsts`, `pasts`: where each set begins in `where`, and the index after its last element.
- `marked_counts`: the number of marked elements of each set. The marked ones come first in their set.
- `todo`: the sets that have marked elements, from index 1 on. `todo[0]` is the number of these sets.

For example, {0, 2} and {1} are `where` [0, 2, 1], `places` [0, 2, 1], `sets` [0, 1, 0], `firsts` [0, 2] and
`pasts` [2, 3].

`subsets` and `product` have bounds on their states and on their work, which is the count of the numbers that
they read. They stop early when another thread of the process sets `stop[0]`.
"""

from __future__ import annotations

from typing import Final, TypeAlias

import numpy as np

from structgen.base.native.array_types import ByteArray, Int32Array, Int64Array
from structgen.base.native.jit import entry, jit

Table: TypeAlias = Int32Array
Row: TypeAlias = Int32Array
StateTable: TypeAlias = tuple[Table, Row]
"""The state after each class of each state, [states, classes], and the outcome of each state."""
Flags: TypeAlias = ByteArray
Longs: TypeAlias = Int64Array
ThreadRanks: TypeAlias = Int32Array
"""[2, kinds of counts, threads]: the place of each thread (-1: none), and then its rank. `_keep_highest`
explains both."""

FAR: Final = 1 << 40
"""A number larger than any distance: it means "not reached"."""
TOO_MANY_STATES, TOO_MUCH_WORK, STOPPED = -1, -2, -3
"""What a kernel returns in place of the number of states where it gives up."""


@jit
def _hash_row(row: Row, size: int) -> int:
    """Return a hash of the first `size` numbers of a row. It is the same with and without compilation."""
    hash_value = size
    for i in range(size):
        # The mask keeps the product below 2**63: compiled numbers wrap there, and Python's do not.
        hash_value = ((hash_value & 0xFFFFFFFF) * 1000003) ^ (int(row[i]) + 1)
    # A hash table uses the low bits only, so the upper bits are mixed into them.
    return hash_value ^ (hash_value >> 17)


@jit
def _find_slot(
    row: Row,
    size: int,
    flat: Row,
    at: Longs,
    table: Row,
) -> int:
    """Find the first `size` numbers of `row` among the kept rows; return the number of the equal kept row.

    Where no kept row is equal, return -1 - slot, where `slot` is a free slot of the hash table.
    Kept row `i` is `flat[at[i]:at[i + 1]]`. `table`: slot -> number of a kept row, -1 for a free slot. The
    number of slots is a power of two.
    """
    mask = len(table) - 1
    slot = _hash_row(row, size) & mask
    while table[slot] >= 0:
        row_number = table[slot]
        begin = at[row_number]
        if at[row_number + 1] - begin == size:
            is_equal = True
            for i in range(size):
                if flat[begin + i] != row[i]:
                    is_equal = False
                    break
            if is_equal:
                return int(row_number)
        # Linear probing. The table is at most half full, so a free slot comes soon.
        slot = (slot + 1) & mask
    return -1 - slot


@jit
def _fill_row(size: int, number: int) -> Row:
    """Return a row of `size` times the same number."""
    filled_row = np.empty(size, np.int32)
    for i in range(size):
        filled_row[i] = number
    return filled_row


@jit
def _put_row(source: Row, size: int, target: Row, at: int) -> None:
    """Copy the first `size` numbers of `source` into `target`, from index `at` on.

    A loop, and not a slice: for an assignment to a slice, Numba compiles a dozen functions more, which is a
    tenth of the compile time of this module.
    """
    for i in range(size):
        target[at + i] = source[i]


@jit
def _copy_first(row: Row, size: int) -> Row:
    """Return a copy of the first `size` numbers of a row."""
    row_copy = np.empty(size, np.int32)
    _put_row(row, size, row_copy, 0)
    return row_copy


@jit
def _lengthen_row(row: Row, min_size: int) -> Row:
    """Return a row with at least `min_size` places and the same first numbers. A row that is long enough is
    returned itself."""
    if min_size <= len(row):
        return row
    longer_row = _fill_row(max(2 * len(row), min_size), -1)
    _put_row(row, len(row), longer_row, 0)
    return longer_row


@jit
def _larger_table(flat: Row, at: Longs, count: int, table: Row) -> Row:
    """Return a hash table of the first `count` kept rows, with four times the slots of `table`."""
    larger_table = _fill_row(4 * len(table), -1)
    for i in range(count):
        size = at[i + 1] - at[i]
        larger_table[-1 - _find_slot(flat[at[i] : at[i + 1]], size, flat, at, larger_table)] = i
    return larger_table


@jit
def _enter_row(
    row: Row,
    size: int,
    flat: Row,
    at: Longs,
    count: int,
    table: Row,
) -> tuple[int, Row, Row]:
    """Return the number of a row, keeping it if it is new: (number, `flat`, `table`).

    There are `count` kept rows; a new row gets the number `count`. `flat` and `table` may be replaced by
    larger arrays, so the caller goes on with those that are returned. Other parameters: `_find_slot`.
    """
    row_number = _find_slot(row, size, flat, at, table)
    if row_number >= 0:
        return row_number, flat, table
    # Here `row_number` is -1 - slot, with the free slot that `_find_slot` found.
    table[-1 - row_number] = count
    begin = at[count]
    flat = _lengthen_row(flat, begin + size)
    _put_row(row, size, flat, begin)
    at[count + 1] = begin + size
    # A table that is half full gets four times the slots, so that rows are seldom hashed again.
    if 2 * (count + 1) > len(table):
        table = _larger_table(flat, at, count + 1, table)
    return count, flat, table


@jit
def _sort_row(row: Row, size: int) -> None:
    """Sort the first `size` numbers of a row, in place (Shell sort: rows are short)."""
    gap = size // 2
    while gap > 0:
        for i in range(gap, size):
            value = row[i]
            j = i
            while j >= gap and row[j - gap] > value:
                row[j] = row[j - gap]
                j -= gap
            row[j] = value
        gap //= 2


@jit
def _keep_highest(
    row: Row,
    size: int,
    places: Table,
    ranks: Table,
    best: Row,
) -> int:
    """Remove the threads of a set that another one outranks, in place; return how many remain.

    A thread inside a counted repetition such as `(ab){0,9}` has a place and a rank. The *place* is its
    position in the body `ab`; the *rank* is the number of copies that may follow. Of the threads in one
    place, the one of the highest rank accepts all texts of the others, so it alone is kept.

    `row`: the threads, of which the first `size` count. `places`, `ranks`: [kinds of counts, threads]; the
    place is -1 where the thread has none. A *kind* is how deep the repetition stands in others. `best`: an
    array for the highest rank of each place; all entries are -1 before and after the call.
    """
    for kind in range(len(places)):
        for i in range(size):
            place = places[kind, row[i]]
            if place >= 0:
                best[place] = max(best[place], ranks[kind, row[i]])
        kept_count = 0
        for i in range(size):
            place = places[kind, row[i]]
            if place < 0 or best[place] == ranks[kind, row[i]]:
                # Kept threads move to the front: `kept_count` never passes `i`.
                row[kept_count] = row[i]
                kept_count += 1
        # Reset `best` to -1 for the next set. Each place has kept a thread, so every entry is reached.
        for i in range(kept_count):
            if places[kind, row[i]] >= 0:
                best[places[kind, row[i]]] = -1
        size = kept_count
    return size


@jit
def _follow_step(
    flat: Row,
    at: Longs,
    step: int,
    edge_at: Longs,
    edges: Table,
    closure_at: Longs,
    closures: Row,
    member: Flags,
    row: Row,
    met: Longs,
) -> tuple[int, int]:
    """Write the threads after one step into `row`; return (number of threads, work).

    A step is a state (a set of threads) and a class of characters: step = state * classes + class. The
    threads of the state are `flat[at[state]:at[state + 1]]`. `met`: for each thread, and after the threads
    for each closure, the last step that reached it. Other parameters: those of `subsets`.
    """
    state = step // member.shape[1]
    kind = step % member.shape[1]
    size = work = 0
    first = len(edge_at) - 1
    for i in range(at[state], at[state + 1]):
        thread = flat[i]
        work += edge_at[thread + 1] - edge_at[thread]
        for edge in range(edge_at[thread], edge_at[thread + 1]):
            closure = edges[edge, 1]
            # `met` stores the number of the step, so it need not be cleared between two steps.
            if member[edges[edge, 0], kind] and met[first + closure] != step:
                met[first + closure] = step
                work += closure_at[closure + 1] - closure_at[closure]
                for j in range(closure_at[closure], closure_at[closure + 1]):
                    to = closures[j]
                    if met[to] != step:
                        met[to] = step
                        row[size] = to
                        size += 1
    return size, work


@entry(
    "Tuple((int64, int64, int32[:, ::1], uint8[::1]))"
    "(int64[::1], int32[:, ::1], int64[::1], int32[::1], uint8[:, ::1], uint8[::1],"
    " int32[:, :, ::1], int64, int64, int64, uint8[::1])"
)
def subsets(
    edge_at: Longs,
    edges: Table,
    closure_at: Longs,
    closures: Row,
    member: Flags,
    ends: Flags,
    thread_ranks: ThreadRanks,
    final: int,
    most_states: int,
    most_work: int,
    stop: Flags,
) -> tuple[int, int, Table, Flags]:
    """Make a deterministic automaton, whose states are the reachable sets of threads (subset construction).

    Returns (number of states, work, table, which states accept). The number is TOO_MANY_STATES,
    TOO_MUCH_WORK or STOPPED where there is no answer.

    - `edge_at`, `edges`: thread `t` has the edges `edges[edge_at[t]:edge_at[t + 1]]`. An edge is a pair (set
      of classes, closure): with a class of the set, the thread leads to all threads of the closure.
    - `closure_at`, `closures`: closure `c` is `closures[closure_at[c]:closure_at[c + 1]]`. Closure 0 is the
      start.
    - `member`: [set, class] 1 where the class is in the set of classes.
    - `ends`: 1 for each thread that accepts.
    - `thread_ranks`: which threads outrank others (`_keep_highest`).
    - `final`: the thread that accepts every continuation, or -1. A state that has it needs no other thread.
    - `most_states`, `most_work`, `stop`: the bounds (see the module).
    """
    # `at` may take a megabyte; the system gives memory only for the pages that are written
    flat = np.empty(1024, np.int32)
    at = np.empty(most_states + 2, np.int64)
    at[0] = 0
    table = _fill_row(1024, -1)
    trans = np.empty(256 * member.shape[1], np.int32)
    row = np.empty(len(ends) + 1, np.int32)
    met = np.full(len(ends) + len(closure_at), -1, np.int64)
    best = _fill_row(len(ends) * len(thread_ranks[0]), -1)
    size = closure_at[1]
    _put_row(closures, size, row, 0)
    count = 0
    work = 0
    step = -1  # the first turn of the loop adds the start, whose threads are in `row` already
    while step < count * member.shape[1]:
        if step >= 0:
            size, step_work = _follow_step(
                flat,
                at,
                step,
                edge_at,
                edges,
                closure_at,
                closures,
                member,
                row,
                met,
            )
            work += step_work
        for i in range(size):
            if row[i] == final:
                # Every continuation is accepted, so the other threads make no difference.
                row[0] = final
                size = 1
                break
        work += size + 1
        size = _keep_highest(row, size, thread_ranks[0], thread_ranks[1], best)
        if work > most_work or stop[0]:
            count = STOPPED if stop[0] else TOO_MUCH_WORK
            break
        to = -1
        # The start is kept even where it has no thread, because state 0 is the start of every table.
        if size > 0 or step < 0:
            _sort_row(row, size)  # equal sets have equal rows
            to, flat, table = _enter_row(row, size, flat, at, count, table)
            if to == count:
                if count == most_states:
                    count = TOO_MANY_STATES
                    break
                count += 1
                trans = _lengthen_row(trans, count * member.shape[1])
        if step >= 0:
            trans[step] = to
        step += 1
    return count, work, _cut_table(trans, count, member.shape[1]), _accepting_sets(flat, at, count, ends)


@jit
def _cut_table(trans: Row, count: int, width: int) -> Table:
    """Return the first `count` rows of a table of `width` columns; no row where `count` is below 0."""
    cut_rows = np.empty((max(count, 0), width), np.int32)
    for state in range(count):
        for kind in range(width):
            cut_rows[state, kind] = trans[state * width + kind]
    return cut_rows


@jit
def _accepting_sets(flat: Row, at: Longs, count: int, ends: Flags) -> Flags:
    """Return a flag for each of `count` sets of threads: one of its threads accepts.

    Set `i` is `flat[at[i]:at[i + 1]]`. `ends`: which threads accept.
    """
    accept = np.zeros(max(count, 0), np.uint8)
    for state in range(count):
        for i in range(at[state], at[state + 1]):
            accept[state] |= ends[flat[i]]
    return accept


@entry(
    "Tuple((int64, int64, int32[:, ::1], int32[::1]))"
    "(int32[::1], int64[::1], int64[::1], int32[:, ::1], boolean, int64, int64, uint8[::1])"
)
def product(
    tables: Row,
    begins: Longs,
    widths: Longs,
    columns: Table,
    all_live: bool,
    most_states: int,
    most_work: int,
    stop: Flags,
) -> tuple[int, int, Table, Row]:
    """Make the product of several automata (the parts): they read one text side by side.

    Returns (number of states, work, table, states of the parts). The number is TOO_MANY_STATES,
    TOO_MUCH_WORK or STOPPED where there is no answer. The last array has a state of each part for each state
    of the product, row after row; -1 means that the text does not go on in this part (the part is dead).

    - `tables`, `begins`, `widths`: part `p` has its table in `tables` from `begins[p]` on, with `widths[p]`
      classes for each state.
    - `columns[p, c]`: the class of part `p` that contains class `c` of the product.
    - `all_live`: if true, a state is dead where any part is dead; if false, where all parts are.
    - `most_states`, `most_work`, `stop`: the bounds (see the module).
    """
    parts, width = columns.shape
    # `at` may take a megabyte; the system gives memory only for the pages that are written
    flat = np.empty(1024, np.int32)
    at = np.empty(most_states + 2, np.int64)
    at[0] = 0
    table = _fill_row(1024, -1)
    trans = np.empty(256 * width, np.int32)
    row = _fill_row(parts, 0)
    count = 0
    work = 0
    # Begin with the last class of an imaginary state -1: the first turn of the loop adds the start.
    state = -1
    kind = width - 1
    while True:
        dead = 0
        if state >= 0:
            for part in range(parts):
                now = flat[at[state] + part]
                if now >= 0:  # a part that died stays dead
                    now = tables[begins[part] + now * widths[part] + columns[part, kind]]
                row[part] = now
                dead += now < 0
        work += parts
        if work > most_work or stop[0]:
            count = STOPPED if stop[0] else TOO_MUCH_WORK
            break
        to = -1
        if dead == 0 or (not all_live and dead < parts):
            to, flat, table = _enter_row(row, parts, flat, at, count, table)
            if to == count:
                if count == most_states:
                    count = TOO_MANY_STATES
                    break
                count += 1
                trans = _lengthen_row(trans, count * width)
        if state >= 0:
            trans[state * width + kind] = to
        kind += 1
        if kind == width:
            kind = 0
            state += 1
            if state == count:
                break
    return count, work, _cut_table(trans, count, width), _copy_first(flat, max(count, 0) * parts)


@jit
def _mark_element(
    element: int,
    where: Row,
    places: Row,
    sets: Row,
    firsts: Row,
    marked_counts: Row,
    todo: Row,
) -> None:
    """Mark an element of a partition that is not marked yet: move it behind the marked ones of its set.

    The other parameters are the arrays of the partition (see the module); they change in place.
    """
    block = sets[element]
    at = places[element]
    # The element is swapped with the first one that is not marked.
    to = firsts[block] + marked_counts[block]
    where[at] = where[to]
    places[where[at]] = at
    where[to] = element
    places[element] = to
    if marked_counts[block] == 0:
        todo[0] += 1
        todo[todo[0]] = block
    marked_counts[block] += 1


@jit
def _split_sets(
    count: int,
    where: Row,
    sets: Row,
    firsts: Row,
    pasts: Row,
    marked_counts: Row,
    todo: Row,
) -> int:
    """Split each set of `todo` into its marked elements and the others; return the new number of sets.

    `count`: the number of sets before. The smaller part becomes the new set. The other parameters are the
    arrays of the partition (see the module); they change in place, and afterwards nothing is marked.
    """
    while todo[0] > 0:
        block = todo[todo[0]]
        todo[0] -= 1
        middle = firsts[block] + marked_counts[block]
        if middle < pasts[block]:
            # Each split renumbers the smaller part: O(n log n) in all (J. Hopcroft, 1971).
            if marked_counts[block] <= pasts[block] - middle:
                firsts[count] = firsts[block]
                pasts[count] = middle
                firsts[block] = middle
            else:
                firsts[count] = middle
                pasts[count] = pasts[block]
                pasts[block] = middle
            for at in range(firsts[count], pasts[count]):
                sets[where[at]] = count
            marked_counts[count] = 0
            count += 1
        marked_counts[block] = 0
    return count


@jit
def _sort_elements(numbers: Row, max_number: int) -> tuple[Row, Row]:
    """Sort elements by their numbers (counting sort); return (begins, order).

    `numbers[e]` is the number of element `e`, from 0 to `max_number`. The elements of number `n` are
    `order[begins[n]:begins[n + 1]]`. For example, [1, 0, 1] -> ([0, 1, 3], [1, 0, 2]).
    """
    begins = _fill_row(max_number + 2, 0)
    order = np.empty(len(numbers), np.int32)
    for element in range(len(numbers)):
        begins[numbers[element] + 1] += 1
    for number in range(max_number + 1):
        begins[number + 1] += begins[number]
    # the index in `order` at which the next element of each number goes
    fill = _copy_first(begins, len(begins))
    for element in range(len(numbers)):
        order[fill[numbers[element]]] = element
        fill[numbers[element]] += 1
    return begins, order


@jit
def _list_edges(trans: Table) -> tuple[Row, Row, Row]:
    """Return the edges of a table, sorted by class: (their source states, their target states, their
    classes)."""
    states, width = trans.shape
    count = 0
    for state in range(states):
        for kind in range(width):
            count += trans[state, kind] >= 0
    tail = np.empty(count, np.int32)
    head = np.empty(count, np.int32)
    kinds = np.empty(count, np.int32)
    edge = 0
    for kind in range(width):
        for state in range(states):
            if trans[state, kind] >= 0:
                tail[edge] = state
                head[edge] = trans[state, kind]
                kinds[edge] = kind
                edge += 1
    return tail, head, kinds


@jit
def _make_partition(where: Row, kinds: Row, room: int) -> tuple[Row, Row, Row, Row, Row, int]:
    """Return the partition of elements into sets of one kind: (`where`, `places`, `sets`, `firsts`, `pasts`,
    number of sets).

    `where`: the elements, sorted by kind; it is used as it is. `kinds[e]`: the kind of element `e`. `room`:
    the size of `firsts` and `pasts`, which get more sets later.
    """
    places = np.empty(len(where), np.int32)
    sets = np.empty(len(where), np.int32)
    firsts = np.empty(room, np.int32)
    pasts = np.empty(room, np.int32)
    count = 0
    for at in range(len(where)):
        element = where[at]
        if at == 0 or kinds[element] != kinds[where[at - 1]]:
            firsts[count] = at
            count += 1
        places[element] = at
        sets[element] = count - 1
        pasts[count - 1] = at + 1
    return where, places, sets, firsts, pasts, count


@entry("int32[::1](int32[:, ::1], int32[::1])")
def find_equivalent(trans: Table, accept: Row) -> Row:
    """Return the block of each state. States of one block have the same continuations with equal outcomes.

    `trans`: a table in which every state is reachable and leads to an outcome. `accept`: the outcome of each
    state, 0 for none. Cost: O(edges log states) (A. Valmari, Fast brief practical DFA minimization, 2012).
    """
    tail, head, kinds = _list_edges(trans)
    begins, into = _sort_elements(head, len(trans) - 1)
    # Mostly few sets are used; the system gives memory only for the pages that are written.
    marked_counts = np.empty(max(len(trans), len(tail)) + 2, np.int32)
    todo = np.empty(len(marked_counts), np.int32)
    most = 0
    for outcome in accept:
        most = max(most, int(outcome))
    where, places, sets, firsts, pasts, count = _make_partition(
        _sort_elements(accept, most)[1],
        accept,
        len(marked_counts),
    )
    edge_where, edge_places, edge_sets, edge_firsts, edge_pasts, groups = _make_partition(
        np.arange(len(tail)).astype(np.int32),
        kinds,
        len(marked_counts),
    )
    marked_counts[: max(count, groups)] = todo[0] = 0
    # Sets of edges (`group`) split sets of states (`block`), and the other way round, until nothing changes.
    # Set 0 of the states need not split others: the edges that lead to it are those that lead to no other
    # set.
    block = 1
    group = 0
    while group < groups:
        for at in range(edge_firsts[group], edge_pasts[group]):
            _mark_element(tail[edge_where[at]], where, places, sets, firsts, marked_counts, todo)
        count = _split_sets(count, where, sets, firsts, pasts, marked_counts, todo)
        group += 1
        while block < count:
            for at in range(firsts[block], pasts[block]):
                for edge in range(begins[where[at]], begins[where[at] + 1]):
                    _mark_element(
                        into[edge],
                        edge_where,
                        edge_places,
                        edge_sets,
                        edge_firsts,
                        marked_counts,
                        todo,
                    )
            groups = _split_sets(groups, edge_where, edge_sets, edge_firsts, edge_pasts, marked_counts, todo)
            block += 1
    return sets


@entry("int32[::1](int32[:, ::1])")
def order_breadth_first(trans: Table) -> Row:
    """Return the states that are reachable from state 0, in breadth-first order; classes ascend."""
    states, width = trans.shape
    order = np.empty(states, np.int32)
    met = np.zeros(states, np.uint8)
    count = 1
    at = 0
    order[0] = 0
    met[0] = 1
    while at < count:
        state = order[at]
        at += 1
        for kind in range(width):
            to = trans[state, kind]
            if to >= 0 and met[to] == 0:
                met[to] = 1
                order[count] = to
                count += 1
    return _copy_first(order, count)


@entry("int64[::1](int32[:, ::1], int64[::1], uint8[::1])")
def nearest_ends(trans: Table, costs: Longs, ends: Flags) -> Longs:
    """Return for each state the least cost of a path to an end; FAR where no path exists.

    `costs`: the cost of a character of each class; below 0 where no character of the class can be written.
    `ends`: which states are ends. The states are swept from the last to the first until nothing changes:
    states with high numbers are mostly near an end.
    """
    states, width = trans.shape
    far = np.empty(states, np.int64)
    for state in range(states):
        # FAR is 2**40, so a cost that is added to it stays below 2**63.
        far[state] = 0 if ends[state] else FAR
    has_changed = True
    while has_changed:
        has_changed = False
        for state in range(states - 1, -1, -1):
            least_cost = far[state]
            for kind in range(width):
                to = trans[state, kind]
                if to >= 0 and costs[kind] >= 0 and far[to] + costs[kind] < least_cost:
                    least_cost = far[to] + costs[kind]
            if least_cost < far[state]:
                far[state] = least_cost
                has_changed = True
    return far


@entry("int64[::1](int32[:, ::1])")
def longest_rests(trans: Table) -> Longs:
    """Return for each state the most characters that may follow; FAR where there is no bound (a cycle)."""
    states, width = trans.shape
    far = np.zeros(states, np.int64)
    # Depth-first search without recursion. Colour 0: new; 1: on the stack; 2: its result is known.
    colour = np.zeros(states, np.uint8)
    edge = np.zeros(states, np.int64)
    stack = np.empty(states, np.int64)
    for first in range(states):
        if colour[first]:
            continue
        depth = 1
        stack[0] = first
        colour[first] = 1
        while depth > 0:
            state = stack[depth - 1]
            if edge[state] == width:
                colour[state] = 2
                depth -= 1
                if depth > 0:
                    parent = stack[depth - 1]
                    # `min` keeps FAR: a state that leads to one without a bound has no bound either.
                    far[parent] = max(far[parent], min(far[state] + 1, FAR))
                continue
            to = trans[state, edge[state]]
            edge[state] += 1
            if to < 0:
                continue
            if colour[to] == 1:
                far[state] = FAR  # a cycle
            elif colour[to] == 2:
                far[state] = max(far[state], min(far[to] + 1, FAR))
            else:
                stack[depth] = to
                colour[to] = 1
                depth += 1
    return far
