"""The compiled saturation: how runs of the parser may end (`saturation`).

A *cell* is a state of the parser on its stack, with the mode of its brackets (`balances`). The *run* above a
cell is all that the parser does until it takes the cell away. It ends when a rule is reduced whose symbols
reach the cell or below: an *end* is a nonterminal, and how many more cells go. The ends of a cell's runs are
given by its kernel items, so each parser state has a short list of them (SLOTS), after one for the text's
end. A run is known by a *key*: its cell, and the letter that it begins with, or the kind of the boundary
before that letter. For each key and each end there is a row of bits: the letters that may come next.

`saturate` finds the rows of all keys that are asked for, by a least fixpoint.
"""

from __future__ import annotations

import numba

from structgen.native.bit_rows import trailing_zeros
from structgen.native.jit import entry, jit
from structgen.native.typed_blocks import Block, Bytes, Int32s, Int64s, skip


class Runs(Block):
    """Input and output of the fixpoints. A row of bits has WORDS words, a bit for each letter. An entry
    point that needs more room returns -1 - one of KEYS_FULL, ...; it is called again when there is room."""

    # the parser
    states: int
    terminals: int
    nonterminals: int
    end: int
    actions: Int32s
    gotos: Int32s
    origins: Int32s
    sizes: Int32s
    """[rules]: the nonterminal, and the number of symbols."""
    contexts: Int32s
    """[states]"""
    slot_begins: Int32s
    slot_origins: Int32s
    slot_belows: Int32s
    """The ends of a state's runs, from SLOT_BEGINS on."""

    # letters
    letters: int
    words: int
    letter_terminals: Int32s
    letter_kinds: Int32s
    """[letters]: the terminal, and the kind of the boundary behind it."""
    kinds: int
    available: Int64s
    """[contexts, 2, kinds], rows: the letters that may come; the second half where a bracket is open."""
    is_used: Bytes
    """[terminals + nonterminals]: whether a symbol is in a text."""

    # cells
    modes: int
    steps: Int32s
    """[states]: how many more brackets the symbol before a state opens than it closes."""
    cells: int
    pairs: int
    """The pairs of a cell and one below it."""
    cell_at: Int32s
    """[states, modes]: 1 + the cell; 0: no stack has it."""
    cell_states: Int32s
    cell_modes: Int32s
    below_begins: Int32s
    belows: Int32s
    """The cells that may be directly below a cell, from BELOW_BEGINS on."""

    # keys
    keys: int
    key_room: int
    key_at: Int32s
    """[cells, letters + kinds]: 1 + the key; 0: not asked for."""
    key_cells: Int32s
    key_reads: Int32s
    """The letter, or LETTERS + the kind of the boundary."""
    key_rows: Int64s
    """Where the rows of a key begin."""
    queue: Int32s
    first_queued: int
    queued: int
    """A ring: where it begins, and how many keys wait."""
    is_queued: Bytes
    users: Int32s
    """The last of the keys that use a key, an entry of USES; -1: none."""
    used: int
    row_room: int
    rows: Int64s
    uses: int
    use_room: int
    use_keys: Int32s
    use_nexts: Int32s
    use_slots: Int64s
    """A hash table of pairs of keys that are entered; its size is twice USE_ROOM."""

    # scratch
    above: Int64s
    target: Int64s
    """Rows of the slots of one state."""
    row: Int64s
    pending: Int64s
    done: Int64s
    """[nonterminals], rows."""
    pending_list: Int32s
    touched: Int32s
    marks: Int32s
    """[cells]"""
    mark: int
    frontier: Int32s
    next_frontier: Int32s
    """[cells]"""

    # what is certain: nodes are cells with the letters that may come next
    nodes: int
    node_room: int
    node_cells: Int32s
    node_rows: Int64s
    node_slots: Int32s
    """A hash table: 1 + the node; its size is twice NODE_ROOM."""
    choices_at: Int32s
    """Where the choices of a node begin; ACCEPTS_AT: its text may end."""
    choice_count: int
    choice_room: int
    choices: Int32s
    """For each cell below: the number of its ends; for each end: the number of nodes to which it leads, and
    twice each, plus 1 if no more cells go."""
    expanded: int
    is_certain: Bytes
    is_shown: Bytes
    """[nodes]"""


KEYS_FULL, ROWS_FULL, USES_FULL, NODES_FULL, CHOICES_FULL = range(5)
ACCEPTS_AT = -2


# --- rows of bits -------------------------------------------------------------------------------------------


@jit
def add_row(target: Int64s, row: Int64s, words: int) -> bool:
    """Add a row to another; return whether the other has grown."""
    grown = False
    for w in range(words):
        more = target[w] | row[w]
        if more != target[w]:
            target[w] = more
            grown = True
    return grown


@jit
def clear(rows: Int64s, words: int) -> None:
    for w in range(words):
        rows[w] = 0


@jit
def is_empty(row: Int64s, words: int) -> bool:
    for w in range(words):
        if row[w] != 0:
            return False
    return True


# --- cells --------------------------------------------------------------------------------------------------


@jit
def cell_after(r: Runs, cell: int, state: int) -> int:
    """Return the cell of a state over another cell; -1 if there is none."""
    mode, most = r.cell_modes[cell], r.modes - 1
    if mode < most:
        mode = min(most, mode + r.steps[state])
    return r.cell_at[r.modes * state + mode] - 1 if mode >= 0 else -1


@jit
def target_of(r: Runs, state: int, symbol: int) -> int:
    """Return the state after a symbol (a terminal, or TERMINALS + a nonterminal); -1 if there is none."""
    if r.is_used[symbol] == 0:
        return -1
    if symbol >= r.terminals:
        return r.gotos[state * r.nonterminals + symbol - r.terminals]
    return max(-1, r.actions[state * r.terminals + symbol] - 1)


@entry("int64(int64, int64)")
def find_cells(address: int, start: int) -> int:
    """Number the cells that stacks may have, beginning with that of a start state, and count those below
    each. Returns how many pairs of a cell and one below it there are."""
    r = Runs(address)
    states, modes, begins = r.cell_states, r.cell_modes, r.below_begins
    most, pairs, count = r.modes - 1, 0, 1
    states[0] = start
    modes[0] = 0
    r.cell_at[r.modes * start] = 1
    cell = 0
    while cell < count:
        for symbol in range(r.terminals + r.nonterminals):
            state = target_of(r, states[cell], symbol)
            mode = modes[cell]
            if state >= 0 and mode < most:
                mode = min(most, mode + r.steps[state])
            if state < 0 or mode < 0:
                continue
            at = r.modes * state + mode
            if r.cell_at[at] == 0:
                states[count] = state
                modes[count] = mode
                count += 1
                r.cell_at[at] = count
            after = r.cell_at[at]  # 1 + the cell
            begins[after] = begins[after] + 1
            pairs += 1
        cell += 1
    r.cells = count
    total = 0
    for cell in range(count):
        total += begins[cell]
        begins[cell] = total
    begins[count] = pairs
    r.pairs = pairs
    return pairs


@entry("int64(int64)")
def find_belows(address: int) -> int:
    """List the cells below each cell. Returns 0."""
    r = Runs(address)
    begins, count = r.below_begins, r.cells
    for cell in range(count):
        for symbol in range(r.terminals + r.nonterminals):
            state = target_of(r, r.cell_states[cell], symbol)
            after = cell_after(r, cell, state) if state >= 0 else -1
            if after >= 0:
                # the lists are filled from their ends, so that each entry of BELOW_BEGINS becomes a beginning
                at = begins[after + 1] - 1
                begins[after + 1] = at
                r.belows[at] = cell
    for cell in range(count):
        begins[cell] = begins[cell + 1]
    begins[count] = r.pairs
    return 0


# --- keys ---------------------------------------------------------------------------------------------------


@jit
def rows_of(r: Runs, key: int) -> Int64s:
    return skip(r.rows, r.key_rows[key])


@jit
def enqueue(r: Runs, key: int) -> None:
    if r.is_queued[key] == 0:
        r.is_queued[key] = 1
        r.queue[(r.first_queued + r.queued) % r.key_room] = key
        r.queued = r.queued + 1


@jit
def slots_of(r: Runs, state: int) -> int:
    """Return how many rows the runs above a state have: one more than ends."""
    return 1 + r.slot_begins[state + 1] - r.slot_begins[state]


@jit
def slot_of(r: Runs, state: int, origin: int, below: int) -> int:
    """Return the row of an end of a state's runs; -1 if there is none."""
    first = r.slot_begins[state]
    for slot in range(first, r.slot_begins[state + 1]):
        if r.slot_origins[slot] == origin and r.slot_belows[slot] == below:
            return 1 + slot - first
    return -1


@jit
def key_of(r: Runs, cell: int, read: int) -> int:
    """Return a key, asked for if it is new; below 0 where there is no room."""
    at = cell * (r.letters + r.kinds) + read
    known = r.key_at[at]
    if known != 0:
        return known - 1
    key, size = r.keys, slots_of(r, r.cell_states[cell]) * r.words
    if key == r.key_room:
        return -1 - KEYS_FULL
    if r.used + size > r.row_room:
        return -1 - ROWS_FULL
    r.key_cells[key] = cell
    r.key_reads[key] = read
    r.key_rows[key] = r.used
    r.users[key] = -1
    r.used = r.used + size
    r.keys = key + 1
    r.key_at[at] = key + 1
    enqueue(r, key)
    return key


@jit
def pair_slot(r: Runs, pair: int) -> int:
    """Return the slot of a pair of keys: its own, or a free one."""
    mask = 2 * r.use_room - 1
    mixed = numba.uint64(pair) * numba.uint64(0x9E3779B97F4A7C15)
    at = int(numba.int64(mixed >> numba.uint64(24))) & mask
    while r.use_slots[at] != 0 and r.use_slots[at] != pair:
        at = (at + 1) & mask
    return at


@jit
def use(r: Runs, cell: int, read: int, user: int) -> int:
    """Return a key that another uses; below 0 where there is no room."""
    key = key_of(r, cell, read)
    if key < 0:
        return key
    pair = (key << 32) + user + 1
    at, count = pair_slot(r, pair), r.uses
    if r.use_slots[at] != 0:
        return key
    if count == r.use_room:
        return -1 - USES_FULL
    r.use_slots[at] = pair
    r.use_keys[count] = user
    r.use_nexts[count] = r.users[key]
    r.users[key] = count
    r.uses = count + 1
    return key


# --- how runs may end ---------------------------------------------------------------------------------------


@jit
def put_runs(r: Runs, cell: int, letters: Int64s, user: int, target: Int64s) -> int:
    """Add to the rows of a cell's slots how its runs end that begin with some letters. `user`: the key that
    asks; -1: only the keys that exist are read. Returns 0; below 0 where there is no room."""
    state, words = r.cell_states[cell], r.words
    for w in range(words):
        left = letters[w]
        while left != 0:
            bit = numba.int64(trailing_zeros(numba.uint64(left)))
            letter, left = 64 * w + bit, left & (left - 1)
            action = r.actions[state * r.terminals + r.letter_terminals[letter]]
            if action < 0 and r.sizes[-1 - action] > 0:
                slot = slot_of(r, state, r.origins[-1 - action], r.sizes[-1 - action] - 1)
                target[slot * words + w] = target[slot * words + w] | 1 << bit
            elif action != 0:
                if user < 0:
                    key = r.key_at[cell * (r.letters + r.kinds) + letter] - 1
                else:
                    key = use(r, cell, letter, user)
                    if key < 0:
                        return key
                if key >= 0:
                    add_row(target, rows_of(r, key), slots_of(r, state) * words)
    return 0


@jit
def wait_for(r: Runs, origin: int, row: Int64s, waiting: int) -> int:
    """Note that a nonterminal is reduced over the present cell before some letters; return how many wait."""
    words = r.words
    pending, done = skip(r.pending, origin * words), skip(r.done, origin * words)
    was_empty, some = is_empty(pending, words), False
    for w in range(words):
        fresh = row[w] & ~done[w]
        pending[w] = pending[w] | fresh
        some = some or fresh != 0
    if some and was_empty:
        r.pending_list[waiting] = origin
        waiting += 1
    return waiting


@jit
def lower(r: Runs, cell: int, state: int, above: Int64s, target: Int64s, waiting: int) -> int:
    """Take up the ends of a run directly above a cell, which began over `state`: those that reach below the
    cell into `target`; the others wait. Returns how many wait."""
    words, first = r.words, r.slot_begins[state]
    target[0] = target[0] | above[0]
    for i in range(1, slots_of(r, state)):
        row = skip(above, i * words)
        if is_empty(row, words):
            continue
        origin, below = r.slot_origins[first + i - 1], r.slot_belows[first + i - 1]
        if below > 0:
            slot = slot_of(r, r.cell_states[cell], origin, below - 1)
            if slot >= 0:
                add_row(skip(target, slot * words), row, words)
        else:
            waiting = wait_for(r, origin, row, waiting)
    return waiting


@jit
def settle(r: Runs, cell: int, user: int, target: Int64s, waiting: int) -> int:
    """Follow the runs over a cell behind each nonterminal that waits. Returns 0; below 0 where there is no
    room."""
    words, above, row, touched, code = r.words, r.above, r.row, 0, 0
    while waiting > 0:
        waiting -= 1
        origin = r.pending_list[waiting]
        pending, done = skip(r.pending, origin * words), skip(r.done, origin * words)
        if is_empty(done, words):
            r.touched[touched] = origin
            touched += 1
        for w in range(words):
            row[w] = pending[w]
            done[w] = done[w] | pending[w]
            pending[w] = 0
        state = r.gotos[r.cell_states[cell] * r.nonterminals + origin]
        if state == r.end and row[0] & 1 != 0:
            target[0] = target[0] | 1
            row[0] = row[0] & ~1
        after = cell_after(r, cell, state) if state >= 0 else -1
        if after < 0 or is_empty(row, words) or code < 0:
            continue
        clear(above, slots_of(r, state) * words)
        code = put_runs(r, after, row, user, above)
        if code == 0:
            waiting = lower(r, cell, state, above, target, waiting)
    for i in range(touched):
        clear(skip(r.done, r.touched[i] * words), words)
    return code


@jit
def find_ends(r: Runs, key: int, target: Int64s) -> int:
    """Write how the runs of a key may end, as far as is known. Returns 0; below 0 where there is no room."""
    cell, read, words = r.key_cells[key], r.key_reads[key], r.words
    state = r.cell_states[cell]
    clear(target, slots_of(r, state) * words)
    if read >= r.letters:
        context = 2 * r.contexts[state] + (1 if r.cell_modes[cell] > 0 else 0)
        row = skip(r.available, (context * r.kinds + read - r.letters) * words)
        return put_runs(r, cell, row, key, target)
    action = r.actions[state * r.terminals + r.letter_terminals[read]]
    if action < 0:  # the empty rule
        row = r.row
        clear(row, words)
        row[read >> 6] = 1 << (read & 63)
        return settle(r, cell, key, target, wait_for(r, r.origins[-1 - action], row, 0))
    after = cell_after(r, cell, action - 1)
    if after < 0:
        return 0
    above = use(r, after, r.letters + r.letter_kinds[read], key)
    if above < 0:
        return above
    return settle(r, cell, key, target, lower(r, cell, action - 1, rows_of(r, above), target, 0))


@entry("int64(int64)")
def saturate(address: int) -> int:
    """Find the rows of all keys that are asked for, and of those that they use. Returns 0; below 0 where
    there is no room."""
    r = Runs(address)
    target = r.target
    while r.queued > 0:
        key = r.queue[r.first_queued]
        r.first_queued = (r.first_queued + 1) % r.key_room
        r.queued = r.queued - 1
        r.is_queued[key] = 0
        code = find_ends(r, key, target)
        if code < 0:
            enqueue(r, key)
            return code
        if add_row(rows_of(r, key), target, slots_of(r, r.cell_states[r.key_cells[key]]) * r.words):
            use_at = r.users[key]
            while use_at >= 0:
                enqueue(r, r.use_keys[use_at])
                use_at = r.use_nexts[use_at]
    return 0


@entry("int64(int64, int64, int64)")
def ask_for(address: int, cell: int, read: int) -> int:
    """Return a key, which `saturate` must answer if it is new; below 0 where there is no room."""
    r = Runs(address)
    return key_of(r, cell, read)


@entry("int64(int64)")
def hash_again(address: int) -> int:
    """Enter the queue and pairs of keys into arrays that have grown. Returns 0."""
    r = Runs(address)
    r.first_queued = 0
    r.queued = 0
    for key in range(r.keys):
        if r.is_queued[key] != 0:
            r.is_queued[key] = 0
            enqueue(r, key)
        use_at = r.users[key]
        while use_at >= 0:
            pair = (key << 32) + r.use_keys[use_at] + 1
            r.use_slots[pair_slot(r, pair)] = pair
            use_at = r.use_nexts[use_at]
    return 0
