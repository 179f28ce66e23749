"""From which stacks do texts lead to the text's end? Reachability of the parser as a pushdown system (A.
Bouajjani, J. Esparza, O. Maler, Reachability analysis of pushdown automata, 1997), compiled.

The parser reads *letters*: a letter is a terminal with the *boundary* behind it, which says what is owed
there. A *run* above a cell reads letters until it is reduced so far that the cell itself goes, or the text
ends. How runs may end is one of the *slots* of the cell: a nonterminal and how many more cells go below (a
kernel item of the parser's state), with the letters that may be next then, as bits. Runs that begin at a
boundary are unions of runs that begin with a letter; the run of a shifted letter is what becomes of the
runs of the boundary above. This is a least fixpoint over two kinds of variables, (cell, letter) and (cell,
boundary).

A boundary is *certain* in a cell if whatever cells are below, some text leads to the end (`certain`): a
greatest fixpoint around a least one, because ends that take no cell away must not go round in a circle.
"""

from __future__ import annotations

from typing import Final, NamedTuple, TypeAlias

import numba
import numpy as np
import numpy.typing as npt

from structgen.base.native.bit_rows import trailing_zeros
from structgen.base.native.jit import entry, jit

Row: TypeAlias = npt.NDArray[np.int32]
Rows: TypeAlias = npt.NDArray[np.int32]
Bits: TypeAlias = npt.NDArray[np.uint64]
Flags: TypeAlias = npt.NDArray[np.uint8]

TOO_MUCH: Final = -1
"""In place of the work that was done: more than may be."""


_PARSER: Final = (
    "Tuple((int32[:, ::1], int32[:, ::1], int32[::1], int32[::1], int64, int32[::1], int32[::1],"
    " int32[:, ::1], int32[::1], int32[::1], int32[::1], int32[::1], int32[::1], int32[::1]))"
)
"""The types of the fields of a `Parser`: entry points take it as a plain tuple."""


class Parser(NamedTuple):
    """What the fixpoints read. Cells have numbers; below a cell lies one of `below`."""

    actions: Rows
    """[states, terminals]"""
    gotos: Rows
    """[states, nonterminals]"""
    origins: Row
    sizes: Row
    """[rules]"""
    end_state: int
    cell_state: Row
    cell_mode: Row
    """[cells]"""
    cell_at: Rows
    """[states, modes]: the cell, -1: no stack has it."""
    steps: Row
    """[states]: by how much the mode changes (`cells.Cells`)."""
    slot_at: Row
    slot_origin: Row
    slot_below: Row
    """For each state, from SLOT_AT on, how runs above it may end."""
    letter_terminal: Row
    letter_boundary: Row


@jit
def as_parser(t: Parser) -> Parser:
    """Return a plain tuple with the names of its fields."""
    return Parser(t[0], t[1], t[2], t[3], t[4], t[5], t[6], t[7], t[8], t[9], t[10], t[11], t[12], t[13])


@jit
def _cell_after(p: Parser, cell: int, state: int) -> int:
    """Return the cell of a state above another cell, -1: none."""
    mode, last = p.cell_mode[cell], p.cell_at.shape[1] - 1
    if mode < last:
        mode = min(last, mode + p.steps[state])
    return p.cell_at[state, mode] if mode >= 0 else -1


def make_cells(actions: Rows, gotos: Rows, start: int, steps: Row, modes: int) -> tuple[Row, Rows, Row]:
    """Return the cells that stacks have, as state * modes + mode; and for each the cells that may be
    directly below: (cell, cell below) pairs sorted by the first, and where those of each cell begin."""
    after = np.concatenate([actions - 1, gotos], axis=1)
    below, symbols = np.nonzero(after >= 0)
    above, every = after[below, symbols], np.arange(modes)
    # all brackets that the largest mode counts stay open
    then = np.where(every == modes - 1, every, np.minimum(modes - 1, every + steps[above, None]))
    pairs = np.stack([above[:, None] * modes + then, below[:, None] * modes + every], axis=2)[then >= 0]
    has_stack, met = np.zeros(len(steps) * modes, np.bool_), np.array([start * modes])
    while not has_stack[met].all():
        has_stack[met] = True
        met = pairs[has_stack[pairs[:, 1]], 0]
    number = (np.cumsum(has_stack) - 1).astype(np.int32)
    listed = number[pairs[has_stack[pairs[:, 1]]]]
    listed = listed[np.argsort(listed[:, 0], kind="stable")]
    cells = np.flatnonzero(has_stack)
    begins = np.searchsorted(listed[:, 0], np.arange(len(cells) + 1))
    return cells.astype(np.int32), listed, begins.astype(np.int32)


@jit
def _slot(p: Parser, state: int, origin: int, below: int) -> int:
    """Return the number of a slot among those of a state."""
    for i in range(p.slot_at[state], p.slot_at[state + 1]):
        if p.slot_origin[i] == origin and p.slot_below[i] == below:
            return int(i - p.slot_at[state])
    return -1


@jit
def _most_slots(p: Parser) -> int:
    """Return how many slots a state has at most, 1 at least."""
    found = 1
    for i in range(len(p.slot_at) - 1):
        found = max(found, p.slot_at[i + 1] - p.slot_at[i])
    return int(found)


@jit
def _add(target: Bits, row: Bits) -> bool:
    """Add bits; return whether any was new."""
    grown = False
    for w in range(len(row)):
        more = row[w] & ~target[w]
        if more:
            target[w] |= more
            grown = True
    return grown


@jit
def _set(target: Bits, bit: int) -> bool:
    one = numba.uint64(1) << numba.uint64(bit & 63)
    if target[bit >> 6] & one:
        return False
    target[bit >> 6] |= one
    return True


@jit
def run_from(
    p: Parser, cell: int, letters: Bits, letter_variable: Rows, value_at: npt.NDArray[np.int64],
    values: Bits, accepts: Flags, found: Bits,
) -> bool:  # fmt: skip
    """Write how runs may end that begin above a cell with some letters, by slot; return whether the text
    may end."""
    state, accept = p.cell_state[cell], False
    slots = p.slot_at[state + 1] - p.slot_at[state]
    found[:slots] = 0
    for w in range(len(letters)):
        bits = letters[w]
        while bits:
            one = 64 * w + numba.int64(trailing_zeros(bits))
            bits &= bits - numba.uint64(1)
            action = p.actions[state, p.letter_terminal[one]]
            if action == 0:
                continue
            source = letter_variable[cell, one]
            if source < 0:
                rule = -1 - action
                _set(found[_slot(p, state, p.origins[rule], p.sizes[rule] - 1)], one)
                continue
            accept = accept or accepts[source] != 0
            for i in range(slots):
                _add(found[i], values[value_at[source] + i])
    return accept


@jit
def _hashed(key: int) -> int:
    """Return a hash of a number, 0 or more."""
    mixed = numba.uint64(key) * numba.uint64(0x9E3779B97F4A7C15)
    return numba.int64(mixed >> numba.uint64(20))  # type: ignore[no-any-return]


@jit
def _use(edges: Rows, last: Row, table: npt.NDArray[np.int64], count: int, source: int, user: int) -> int:
    """Note once that a variable uses another one, unless there is no room. Returns the number of notes."""
    key = (source << 32) | user
    mask = len(table) - 1
    at = _hashed(key) & mask
    while table[at] >= 0:
        if table[at] == key:
            return count
        at = (at + 1) & mask
    if count == len(edges):
        return count
    table[at] = key
    edges[count, 0], edges[count, 1] = user, last[source]
    last[source] = count
    return count + 1


@jit
def _with_room(edges: Rows, last: Row, room: int) -> tuple[Rows, npt.NDArray[np.int64]]:
    """Return the notes of uses with room for more, and the table that finds them."""
    size = 1
    while size < 2 * room:
        size *= 2
    table, wider, mask = np.full(size, -1, np.int64), np.empty((room, 2), np.int32), size - 1
    wider[: len(edges)] = edges
    for source in range(len(last)):
        note = last[source]
        while note >= 0:
            key = (source << 32) | edges[note, 0]
            at = _hashed(key) & mask
            while table[at] >= 0:
                at = (at + 1) & mask
            table[at], note = key, edges[note, 1]
    return wider, table


@entry(
    f"int64({_PARSER}, int32[:, ::1], int32[:, ::1], int32[:, ::1], uint64[:, ::1], int64[::1],"
    " uint64[:, ::1], uint8[::1], int64)"
)
def saturate(
    parser: Parser,
    letter_variable: Rows,
    boundary_variable: Rows,
    variables: Rows,
    available: Bits,
    value_at: npt.NDArray[np.int64],
    values: Bits,
    accepts: Flags,
    most: int,
) -> int:
    """Solve the fixpoint: `values`, rows of bits for the slots of each variable's cell from `value_at` on,
    and `accepts`.

    `letter_variable`, `boundary_variable`: [cells, letters or boundaries], -1: none. `variables`: the cell
    of each, its letter (-1: it is a boundary's), and the boundary's row of `available`. Returns the work
    that was done, in letters and slots; TOO_MUCH past `most`.
    """
    p = as_parser(parser)
    count, words, nonterminals = len(variables), values.shape[1], p.gotos.shape[1]
    last, used, work = np.full(count, -1, np.int32), 0, 0
    edges, table = _with_room(np.empty((0, 2), np.int32), last, 32 * count + 1024)
    queue, queued = np.arange(count).astype(np.int32), np.ones(count, np.uint8)
    head, waiting = 0, count
    pending, done = np.zeros((nonterminals, words), np.uint64), np.zeros((nonterminals, words), np.uint64)
    stack, touched, is_listed = (
        np.empty(nonterminals, np.int32),
        np.empty(nonterminals, np.int32),
        np.zeros(nonterminals, np.uint8),
    )
    letters, found = np.zeros(words, np.uint64), np.zeros((_most_slots(p), words), np.uint64)
    while waiting:
        v = queue[head]
        head, waiting = (head + 1) % count, waiting - 1
        queued[v] = 0
        if work > most:
            return TOO_MUCH
        cell, letter, row = variables[v, 0], variables[v, 1], variables[v, 2]
        state, base, grown, accept = p.cell_state[cell], value_at[v], False, accepts[v] != 0
        if letter < 0:
            # a boundary: the union over its letters
            accept = run_from(p, cell, available[row], letter_variable, value_at, values, accepts, found)
            for i in range(p.slot_at[state + 1] - p.slot_at[state]):
                grown = _add(values[base + i], found[i]) or grown
            for w in range(words):
                bits = available[row, w]
                while bits:
                    source = letter_variable[cell, 64 * w + numba.int64(trailing_zeros(bits))]
                    bits &= bits - numba.uint64(1)
                    work += 1
                    used = used if source < 0 else _use(edges, last, table, used, source, v)
        else:
            listed, met = 0, 0
            action = p.actions[state, p.letter_terminal[letter]]
            source, above = -1, -1
            if action < 0:  # an empty rule
                origin = p.origins[-1 - action]
                _set(pending[origin], letter)
                stack[0], listed, is_listed[origin] = origin, 1, 1
            else:
                above = _cell_after(p, cell, action - 1)
                source = -1 if above < 0 else boundary_variable[above, p.letter_boundary[letter]]
            # what becomes of the ends of runs directly above this cell
            fresh = -1
            position = 0
            while True:
                if source >= 0:
                    used = _use(edges, last, table, used, source, v)
                    accept = accept or accepts[source] != 0
                    over = p.cell_state[above]
                    for i in range(p.slot_at[over], p.slot_at[over + 1]):
                        bits_of = values[value_at[source] + i - p.slot_at[over]]
                        work += 1
                        if p.slot_below[i] > 0:
                            slot = _slot(p, state, p.slot_origin[i], p.slot_below[i] - 1)
                            if slot >= 0:
                                grown = _add(values[base + slot], bits_of) or grown
                        else:
                            origin = p.slot_origin[i]
                            if _add(pending[origin], bits_of) and not is_listed[origin]:
                                stack[listed], is_listed[origin] = origin, 1
                                listed += 1
                    source = -1
                # the next letter behind the nonterminal that is looked at, or the next nonterminal
                if fresh < 0:
                    if listed == 0:
                        break
                    listed -= 1
                    fresh = stack[listed]
                    is_listed[fresh] = 0
                    any_new = False
                    first_time = True
                    for w in range(words):
                        if done[fresh, w]:
                            first_time = False
                        letters[w] = pending[fresh, w] & ~done[fresh, w]
                        done[fresh, w] |= letters[w]
                        any_new = any_new or letters[w] != 0
                    if first_time and any_new:
                        touched[met] = fresh
                        met += 1
                    over_state = p.gotos[state, fresh]
                    if over_state == p.end_state and letters[0] & numba.uint64(1):
                        accept = True
                        letters[0] &= ~numba.uint64(1)
                    above = -1 if over_state < 0 else _cell_after(p, cell, over_state)
                    if above < 0 or not any_new:
                        fresh = -1
                        continue
                    position = 0
                while position < words and letters[position] == 0:
                    position += 1
                if position == words:
                    fresh = -1
                    continue
                bits = letters[position]
                one = 64 * position + numba.int64(trailing_zeros(bits))
                letters[position] = bits & (bits - numba.uint64(1))
                work += 1
                action = p.actions[p.cell_state[above], p.letter_terminal[one]]
                if action == 0:
                    continue
                source = letter_variable[above, one]
                if source < 0:
                    rule = -1 - action
                    origin = p.origins[rule]
                    if p.sizes[rule] > 1:
                        slot = _slot(p, state, origin, p.sizes[rule] - 2)
                        if slot >= 0:
                            grown = _set(values[base + slot], one) or grown
                    elif _set(pending[origin], one) and not is_listed[origin]:
                        stack[listed], is_listed[origin] = origin, 1
                        listed += 1
            for i in range(met):
                pending[touched[i]] = 0
                done[touched[i]] = 0
        if used == len(edges):  # a use may have found no room: the variable is looked at again
            edges, table = _with_room(edges, last, 2 * used)
            if not queued[v]:
                queued[v] = 1
                queue[(head + waiting) % count] = v
                waiting += 1
        if grown or accept != (accepts[v] != 0):
            accepts[v] = 1 if accept else 0
            at = last[v]
            while at >= 0:
                user = edges[at, 0]
                if not queued[user]:
                    queued[user] = 1
                    queue[(head + waiting) % count] = user
                    waiting += 1
                at = edges[at, 1]
    return work


# --- what is certain ----------------------------------------------------------------------------------------


@jit
def _node(cells: Row, rows: Bits, table: Row, count: int, cell: int, letters: Bits) -> tuple[int, int]:
    """Return the number of a node, added where it is new, and how many there are; there is room."""
    mixed = numba.uint64(cell + 1) * numba.uint64(0x9E3779B97F4A7C15)
    for w in range(len(letters)):
        mixed = (mixed ^ letters[w]) * numba.uint64(0xFF51AFD7ED558CCD)
        mixed ^= mixed >> numba.uint64(29)
    mask = len(table) - 1
    at = numba.int64(mixed >> numba.uint64(20)) & mask
    while table[at] >= 0:
        node = table[at]
        same = cells[node] == cell
        for w in range(len(letters)):
            same = same and rows[node, w] == letters[w]
        if same:
            return int(node), count
        at = (at + 1) & mask
    table[at], cells[count], rows[count] = count, cell, letters
    return count, count + 1


@entry(
    f"uint8[::1]({_PARSER}, int32[:, ::1], int64[::1], uint64[:, ::1], uint8[::1], int32[:, ::1],"
    " int32[::1], int32[::1], uint64[:, ::1], int64)"
)
def certain(
    parser: Parser,
    letter_variable: Rows,
    value_at: npt.NDArray[np.int64],
    values: Bits,
    accepts: Flags,
    below: Rows,
    below_at: Row,
    wanted_cells: Row,
    wanted_rows: Bits,
    most: int,
) -> Flags:
    """Return for each of some boundaries, cells with the letters that may come there, whether it is
    certain.

    `below`, `below_at`: the cells that may be directly below a cell, as from `make_cells`. Past `most`
    nodes or choices the others are taken for uncertain.
    """
    p = as_parser(parser)
    words, wanted = values.shape[1], len(wanted_cells)
    room = wanted + most
    cells, rows = np.empty(room + 1, np.int32), np.empty((room + 1, words), np.uint64)
    size = 1
    while size < 2 * room:
        size *= 2
    table, count = np.full(size, -1, np.int32), 0
    numbers = np.empty(wanted, np.int32)
    for i in range(wanted):
        node, count = _node(cells, rows, table, count, wanted_cells[i], wanted_rows[i])
        numbers[i] = node
    found = np.zeros((_most_slots(p), words), np.uint64)
    # of each node, ways: (depth, goals...); a goal is nodes, of which one must do; all goals of a way must
    # do.
    # `said`: for each way its node, its depth, how many goals; for each goal how many nodes, and these nodes
    said = np.empty(16 * room + 1024, np.int32)
    used, expanded, full = 0, 0, False
    ends = np.zeros(room + 1, np.uint8)
    marks, here, other = (
        np.zeros(len(p.cell_state), np.int32),
        np.empty(len(p.cell_state), np.int32),
        np.empty(len(p.cell_state), np.int32),
    )
    mark = 0
    while expanded < count and not full:
        node = expanded
        cell = cells[node]
        state = p.cell_state[cell]
        expanded += 1
        if run_from(p, cell, rows[node], letter_variable, value_at, values, accepts, found):
            ends[node] = 1
            continue
        first, last = p.slot_at[state], p.slot_at[state + 1]
        for i in range(first, last):
            depth, first_of_depth = p.slot_below[i], True
            for j in range(first, i):
                first_of_depth = first_of_depth and p.slot_below[j] != depth
            is_empty = True
            for j in range(i, last):
                if p.slot_below[j] == depth:
                    for w in range(words):
                        is_empty = is_empty and found[j - first, w] == 0
            if not first_of_depth or is_empty:
                continue
            # the cells that may be `depth` + 1 below
            size, here[0] = 1, cell
            for _ in range(depth + 1):
                mark += 1
                next_size = 0
                for a in range(size):
                    for b in range(below_at[here[a]], below_at[here[a] + 1]):
                        under = below[b, 1]
                        if marks[under] != mark:
                            marks[under] = mark
                            other[next_size] = under
                            next_size += 1
                here, other, size = other, here, next_size
            if used + 3 + size * (1 + last - first) > len(said) or count + size * (last - first) > room:
                full = True
                break
            way = used
            said[way], said[way + 1], said[way + 2] = node, depth, 0
            used += 3
            for a in range(size):
                goal, is_met = used, False
                said[goal] = 0
                used += 1
                for j in range(first, last):
                    if p.slot_below[j] != depth:
                        continue
                    bits, is_empty = found[j - first], True
                    for w in range(words):
                        is_empty = is_empty and bits[w] == 0
                    if is_empty:
                        continue
                    after = p.gotos[p.cell_state[here[a]], p.slot_origin[j]]
                    if after == p.end_state and bits[0] & numba.uint64(1):
                        is_met = True
                        continue
                    above = -1 if after < 0 else _cell_after(p, here[a], after)
                    if above >= 0:
                        to, count = _node(cells, rows, table, count, above, bits)
                        said[used] = to
                        said[goal] += 1
                        used += 1
                if is_met:
                    used = goal  # the text ends here: this goal asks nothing
                else:
                    said[way + 2] += 1
    lives = np.ones(count, np.uint8)
    for node in range(expanded, count):
        lives[node] = 0
    while True:
        inner = ends[:count].copy()
        changed = True
        while changed:
            changed = False
            at = 0
            while at < used:
                node, depth, goals = said[at], said[at + 1], said[at + 2]
                at += 3
                reached = True
                for _ in range(goals):
                    size, any_one = said[at], False
                    at += 1
                    for i in range(size):
                        to = said[at + i]
                        any_one = any_one or (lives[to] if depth else inner[to]) != 0
                    at += size
                    reached = reached and any_one
                if reached and lives[node] and not inner[node]:
                    inner[node] = 1
                    changed = True
        same = True
        for node in range(count):
            same = same and inner[node] == lives[node]
        lives = inner
        if same:
            break
    answers = np.empty(wanted, np.uint8)
    for i in range(wanted):
        answers[i] = lives[numbers[i]]
    return answers


@entry(
    f"int64({_PARSER}, int32[:, ::1], int64[::1], uint64[:, ::1], uint8[::1], int32[::1], uint64[::1], int64)"
)
def reaches(
    parser: Parser,
    letter_variable: Rows,
    value_at: npt.NDArray[np.int64],
    values: Bits,
    accepts: Flags,
    stack: Row,
    letters: Bits,
    most: int,
) -> int:
    """Return 1 if the text's end is reached from a stack (its cells, the bottom first) when one of some
    letters is read, else 0; TOO_MUCH past `most` runs.

    Ends of runs go down the stack: what was reduced directly above a cell waits until all that may be reduced
    higher up is known.
    """
    p = as_parser(parser)
    words, nonterminals, deep = len(letters), p.gotos.shape[1], 1
    for i in range(len(p.slot_below)):
        deep = max(deep, 1 + p.slot_below[i])
    found, new = np.zeros((_most_slots(p), words), np.uint64), letters.copy()
    waiting = np.zeros((deep, nonterminals, words), np.uint64)
    done = np.zeros((nonterminals, words), np.uint64)
    under, cell, tries = len(stack) - 2, stack[-1], 0
    while cell >= 0:
        tries += 1
        if tries > most:
            return TOO_MUCH
        if run_from(p, cell, new, letter_variable, value_at, values, accepts, found):
            return 1
        first, last = p.slot_at[p.cell_state[cell]], p.slot_at[p.cell_state[cell] + 1]
        for i in range(first, last):
            if p.slot_below[i] <= under:
                _add(waiting[(under - p.slot_below[i]) % deep, p.slot_origin[i]], found[i - first])
        cell = -1
        while cell < 0 and under >= 0:
            origin, is_new, ended = -1, False, waiting[under % deep]
            while not is_new and origin + 1 < nonterminals:
                origin += 1
                for w in range(words):
                    new[w] = ended[origin, w] & ~done[origin, w]
                    done[origin, w] |= new[w]
                    is_new = is_new or new[w] != 0
            if not is_new:
                ended[:] = 0
                done[:] = 0
                under -= 1
                continue
            after = p.gotos[p.cell_state[stack[under]], origin]
            if after == p.end_state and new[0] & numba.uint64(1):
                return 1
            cell = -1 if after < 0 else _cell_after(p, stack[under], after)
    return 0
