"""The compiled search for certain boundaries (`saturation`): those from which every stack leads to the text's
end.

A *node* is a cell with the letters that may come next. It is certain if, whatever cell is below, some end of
its run leads to certain nodes, or to the text's end. The number of cells falls with each end, or else (no
more cells go) it stays, and such ends must not go round in a circle: so this is a greatest fixpoint around a
least one.
"""

from __future__ import annotations

import numba

from structgen.lark_grammars.liveness.saturated_runs import (
    ACCEPTS_AT,
    CHOICES_FULL,
    NODES_FULL,
    Runs,
    cell_after,
    clear,
    is_empty,
    put_runs,
    slots_of,
)
from structgen.native.jit import entry, jit
from structgen.native.typed_blocks import Int32s, Int64s, skip


@jit
def node_slot(r: Runs, cell: int, letters: Int64s) -> int:
    """Return the slot of a node: its own, or a free one."""
    words, mask = r.words, 2 * r.node_room - 1
    mixed = numba.uint64(cell + 1) * numba.uint64(0x9E3779B97F4A7C15)
    for w in range(words):
        mixed = (mixed ^ numba.uint64(letters[w])) * numba.uint64(0xFF51AFD7ED558CCD)
        mixed ^= mixed >> numba.uint64(29)
    at = int(numba.int64(mixed >> numba.uint64(20))) & mask
    while r.node_slots[at] != 0:
        node = r.node_slots[at] - 1
        same = r.node_cells[node] == cell
        if same:
            row = skip(r.node_rows, node * words)
            for w in range(words):
                same = same and row[w] == letters[w]
        if same:
            return at
        at = (at + 1) & mask
    return at


@jit
def node_of(r: Runs, cell: int, letters: Int64s) -> int:
    """Return the number of a node, added if it is new; below 0 where there is no room."""
    at, node = node_slot(r, cell, letters), r.nodes
    if r.node_slots[at] != 0:
        return r.node_slots[at] - 1
    if node == r.node_room:
        return -1 - NODES_FULL
    r.node_cells[node] = cell
    row = skip(r.node_rows, node * r.words)
    for w in range(r.words):
        row[w] = letters[w]
    r.nodes = node + 1
    r.node_slots[at] = node + 1
    return node


@entry("int64(int64)")
def hash_nodes(address: int) -> int:
    """Enter nodes into a hash table that has grown. Returns 0."""
    r = Runs(address)
    for node in range(r.nodes):
        row = skip(r.node_rows, node * r.words)
        r.node_slots[node_slot(r, r.node_cells[node], row)] = node + 1
    return 0


@entry("int64(int64, int64, int64)")
def boundary_node(address: int, cell: int, kind: int) -> int:
    """Return the node of a boundary; below 0 where there is no room."""
    r = Runs(address)
    context = 2 * r.contexts[r.cell_states[cell]] + (1 if r.cell_modes[cell] > 0 else 0)
    return node_of(r, cell, skip(r.available, (context * r.kinds + kind) * r.words))


@jit
def put_choice(r: Runs, value: int) -> int:
    count = r.choice_count
    if count == r.choice_room:
        return -1 - CHOICES_FULL
    r.choices[count] = value
    r.choice_count = count + 1
    return 0


@jit
def cells_below(r: Runs, cell: int, count: int) -> tuple[Int32s, int]:
    """Return the cells that may be so many cells below another, and their number."""
    here, other, size = r.frontier, r.next_frontier, 1
    here[0] = cell
    for _ in range(count):
        mark = r.mark + 1
        r.mark = mark
        found = 0
        for i in range(size):
            for j in range(r.below_begins[here[i]], r.below_begins[here[i] + 1]):
                one = r.belows[j]
                if r.marks[one] != mark:
                    r.marks[one] = mark
                    other[found] = one
                    found += 1
        here, other, size = other, here, found
    return here, size


@jit
def put_end(r: Runs, below: int, origin: int, more: int, letters: Int64s) -> int:
    """Append the nodes to which an end leads over a cell below: -1 if some stack refuses. Returns 0; below 0
    where there is no room."""
    at, targets = r.choice_count, 0
    code = put_choice(r, 0)
    here, size = cells_below(r, below, more)
    for i in range(size):
        state = r.gotos[r.cell_states[here[i]] * r.nonterminals + origin]
        after = cell_after(r, here[i], state) if state >= 0 else -1
        if state == r.end:
            if letters[0] & 1 == 0:
                targets = -1
                break
        elif after >= 0:
            node = node_of(r, after, letters)
            code = put_choice(r, 2 * node + (1 if more == 0 else 0)) if node >= 0 else node
            if code < 0:
                return code
            targets += 1
    if code == 0:
        r.choices[at] = targets
        if targets < 0:
            r.choice_count = at + 1
    return code


@jit
def expand(r: Runs, node: int) -> int:
    """List the choices of a node. Returns 0; below 0 where there is no room."""
    cell, words, rows = r.node_cells[node], r.words, r.target
    state = r.cell_states[cell]
    slots, first = slots_of(r, state), r.slot_begins[state]
    clear(rows, slots * words)
    put_runs(r, cell, skip(r.node_rows, node * words), -1, rows)
    if rows[0] != 0:
        r.choices_at[node] = ACCEPTS_AT
        return 0
    r.choices_at[node] = r.choice_count
    for i in range(r.below_begins[cell], r.below_begins[cell + 1]):
        at, ends = r.choice_count, 0
        code = put_choice(r, 0)
        for slot in range(1, slots):
            row = skip(rows, slot * words)
            if code == 0 and not is_empty(row, words):
                origin, more = r.slot_origins[first + slot - 1], r.slot_belows[first + slot - 1]
                code = put_end(r, r.belows[i], origin, more, row)
                ends += 1
        if code < 0:
            return code
        r.choices[at] = ends
    return 0


@jit
def is_chosen(r: Runs, node: int) -> bool:
    """Return whether over each cell below a node some end leads to nodes that are certain."""
    cell, at = r.node_cells[node], r.choices_at[node]
    if at == ACCEPTS_AT:
        return True
    count = r.below_begins[cell + 1] - r.below_begins[cell]
    for _ in range(count):
        ends, found = r.choices[at], False
        at += 1
        for _end in range(ends):
            targets = r.choices[at]
            at += 1
            all_hold = targets >= 0
            for i in range(max(targets, 0)):
                target = r.choices[at + i]
                held = r.is_shown if target & 1 else r.is_certain
                all_hold = all_hold and held[target >> 1] != 0
            at += max(targets, 0)
            found = found or all_hold
        if not found:
            return False
    return count > 0  # under the first cell there is nothing


@entry("int64(int64)")
def certify(address: int) -> int:
    """Find out which nodes are certain (IS_CERTAIN), and those to which they lead. Returns 0; below 0 where
    there is no room."""
    r = Runs(address)
    while r.expanded < r.nodes:
        held = r.choice_count
        code = expand(r, r.expanded)
        if code < 0:
            r.choice_count = held
            return code
        r.expanded = r.expanded + 1
    count, certain, shown = r.nodes, r.is_certain, r.is_shown
    for node in range(count):
        certain[node] = 1
    left, before = count, count + 1
    while left != before:
        before, left, changed = left, 0, True
        for node in range(count):
            shown[node] = 0
        while changed:
            changed = False
            # nodes were added after those that lead to them
            for i in range(count):
                node = count - 1 - i
                if shown[node] == 0 and certain[node] != 0 and is_chosen(r, node):
                    shown[node] = 1
                    changed = True
        for node in range(count):
            certain[node] = shown[node]
            left += shown[node]
    return 0
