"""Computes from which stacks of the parser some text leads to the end of the text, in compiled code.

The parser is treated as a pushdown system (A. Bouajjani, J. Esparza, O. Maler, Reachability analysis of
pushdown automata, 1997). The words:

- *Frame*: a symbol of the stack, which is a state of the parser with the number of open brackets.
- *Letter*: a terminal with the *boundary* after it, which describes what the text after must meet.
- *Run*: the letters that are read above a frame, until a reduction removes the frame, or the text ends.
- *Exit*: a way in which a run ends: reduced to a nonterminal, which removes so many more frames below (its
  *depth*). An exit is a kernel item of the parser's state; its value is the set of letters that may be next,
  as bits. (Exits are those of components of recursive state machines: R. Alur, K. Etessami, M. Yannakakis,
  2001.) In `pair: a b`, above the frame after `a` the run `b` exits as `pair`, 0 more frames below.
- *Variable*: the exits of all runs above one frame that begin with one letter, or at one boundary.

The values of all variables are a least fixpoint. A run at a boundary begins with one of its letters. A run
that begins with a shifted letter continues with the runs of the boundary above.

A boundary is *certain* in a frame if some text leads to the end, whatever frames are below (`find_certain`).
This is a greatest fixpoint around a least one: ways that remove no frame must not go round in a circle.
"""

from __future__ import annotations

from typing import Final

from structgen.base.native.bit_rows import trailing_zeros
from structgen.base.native.jit import entry, jit
from structgen.base.native.raw_memory import int64, uint64
from structgen.base.native.typed_blocks import Block, Bytes, Int32s, Int64s, skip

TOO_MUCH: Final = -1
"""Stands for an answer: the work exceeds its limit."""
NO_ROOM: Final = -2
"""Stands for an answer: the table of notes is full, and must be enlarged (`Saturation`)."""


class Pushdown(Block):
    """The parser as a pushdown system, and how its runs end. Frames and letters are numbers. A row of letters
    is a bit set of `words` words. Docstrings give the shapes of arrays in brackets."""

    actions: Int32s
    """[states, terminals]"""
    terminals: int
    gotos: Int32s
    """[states, nonterminals]"""
    nonterminals: int
    origins: Int32s
    sizes: Int32s
    """[rules]: `origins` has the nonterminal that a rule makes, `sizes` the number of its symbols."""
    end_state: int
    """The state after the start symbol."""
    frame_state: Int32s
    frame_brackets: Int32s
    """[frames]: the state of a frame, and the number of open brackets there, at most `most_brackets`."""
    frame_at: Int32s
    """[states, open brackets]: the frame; -1: no stack contains it."""
    most_brackets: int
    """The largest number of open brackets that is counted."""
    bracket_balance: Int32s
    """[states]: how many brackets the symbol before a state opens (`frames.StackFrames`)."""
    exit_at: Int32s
    exit_origin: Int32s
    exit_depth: Int32s
    """The exits of all states: the nonterminal, and the depth. Those of state s are the entries from
    `exit_at[s]` to `exit_at[s + 1]`."""
    letter_terminal: Int32s
    letter_boundary: Int32s
    """[letters]: the terminal of a letter, and the boundary after it."""
    letters: int
    words: int
    # how runs end: the values of the variables of the fixpoint
    letter_variable: Int32s
    """[frames, letters]: the variable; -1: there is none."""
    value_at: Int64s
    """[variables]: the index of the variable's first row in `values`."""
    values: Int64s
    """A row for each exit of each variable's frame: the letters that may be next."""
    accepts: Bytes
    """[variables]: whether the text may end within a run."""
    run_exits: Int64s
    """Scratch memory: a row for each exit of a state (`run_from`)."""


@jit
def _action_of(c: Pushdown, frame: int, letter: int) -> int:
    """Return the parser's action in a frame for a letter: above 0 a shift, below 0 a reduction, 0 an
    error."""
    return c.actions[c.frame_state[frame] * c.terminals + c.letter_terminal[letter]]


@jit
def _frame_above(c: Pushdown, frame: int, state: int) -> int:
    """Return the frame of a state directly above another frame; -1: there is none."""
    brackets = c.frame_brackets[frame]
    max_brackets = c.most_brackets
    if state < 0:
        return -1
    # Above the largest number, brackets are no longer counted, neither those that open nor those that close.
    if brackets < max_brackets:
        brackets = min(max_brackets, brackets + c.bracket_balance[state])
    return c.frame_at[state * (max_brackets + 1) + brackets] if brackets >= 0 else -1


@jit
def _exit_number(c: Pushdown, state: int, origin: int, depth: int) -> int:
    """Return the index of an exit among the exits of a `state`; -1: there is none. The exit reduces to the
    nonterminal `origin`, `depth` frames below: `_exit_number(c, state, origin, 0)` is one that leaves the
    frame below as it is. `c`: the block of the parser."""
    # A state has few exits, so all of them are compared.
    for i in range(c.exit_at[state], c.exit_at[state + 1]):
        if c.exit_origin[i] == origin and c.exit_depth[i] == depth:
            return int(i - c.exit_at[state])
    return -1


@jit
def _add_letters(words: int, target: Int64s, row: Int64s) -> bool:
    """Add letters to a row; return whether any was new."""
    grown = False
    for w in range(words):
        new_bits = row[w] & ~target[w]
        if new_bits:
            target[w] = target[w] | new_bits
            grown = True
    return grown


@jit
def _set_letter(target: Int64s, letter: int) -> bool:
    """Add a letter to a row; return whether it is new."""
    bit = 1 << (letter & 63)
    word = letter >> 6
    if target[word] & bit:
        return False
    target[word] = target[word] | bit
    return True


@jit
def _is_empty(words: int, row: Int64s) -> bool:
    """Return whether a row has no letter."""
    for w in range(words):
        if row[w]:
            return False
    return True


@jit
def _lowest_letter(bits: int, word: int) -> int:
    """Return the letter of the lowest bit of a word of a row."""
    return 64 * word + int64(trailing_zeros(uint64(bits)))  # type: ignore[no-any-return]


@jit
def _ends_text(c: Pushdown, goto: int, letters: Int64s) -> bool:
    """Return whether the text may end after a nonterminal. `goto`: the state after it; `letters`: the letters
    after it, from which letter 0 (the end of the text) is removed."""
    if goto != c.end_state or not letters[0] & 1:
        return False
    letters[0] = letters[0] & ~1
    return True


@jit
def run_from(c: Pushdown, frame: int, letters: Int64s) -> bool:
    """Compute how the runs end that begin above a frame with one of some letters. For each exit the next
    letters are written to `run_exits`. Return whether the text may end within a run."""
    accept = False
    state = c.frame_state[frame]
    exit_count = c.exit_at[state + 1] - c.exit_at[state]
    for i in range(exit_count * c.words):
        c.run_exits[i] = 0
    for w in range(c.words):
        bits = letters[w]
        while bits:
            letter = _lowest_letter(bits, w)
            bits &= bits - 1  # clears the lowest bit
            action = _action_of(c, frame, letter)
            if action == 0:
                continue
            source = c.letter_variable[frame * c.letters + letter]
            if source < 0:
                # The rule removes the frame's own symbol, so the run ends before it reads the letter.
                rule = -1 - action
                number = _exit_number(c, state, c.origins[rule], c.sizes[rule] - 1)
                _set_letter(skip(c.run_exits, c.words * number), letter)
                continue
            accept = accept or c.accepts[source] != 0
            for i in range(exit_count):
                target = skip(c.run_exits, c.words * i)
                value = skip(c.values, c.words * (c.value_at[source] + i))
                _add_letters(c.words, target, value)
    return accept


# --- how runs end: a least fixpoint -------------------------------------------------------------------------


class Saturation(Pushdown):
    """The memory of the fixpoint. At first all variables are queued, then they are computed in rounds. A
    variable that uses another one is queued again when that one grows."""

    variables: Int32s
    """[variables, 3]: the frame, the letter (-1: it is a boundary's), the boundary's row of `available`."""
    variable_count: int
    boundary_variable: Int32s
    """[frames, boundaries]: the variable; -1: there is none."""
    boundaries: int
    available: Int64s
    """Rows: the letters that may come at a boundary."""
    waits: Bytes
    """[variables]: whether the variable is queued."""
    waiting: int
    """The number of queued variables."""
    # who uses whom
    notes: Int32s
    """[notes, 2]: the variable that uses another one, and the next note about the same used variable (-1:
    this is the last one)."""
    first_note: Int32s
    """[variables]: the first note of those that use the variable."""
    note_count: int
    most_notes: int
    note_table: Int64s
    """A hash table of the notes: a slot holds `source << 32 | user`; -1: the slot is free."""
    table_mask: int
    # to what runs were reduced directly above a frame
    letters_behind: Int64s
    """[nonterminals]: a row of the letters after each nonterminal."""
    done: Int64s
    """[nonterminals]: the letters of that row that were examined."""
    fresh: Int64s
    """A row: the letters that are examined now."""
    listed_origins: Int32s
    """The nonterminals with letters that were not examined yet."""
    listed_count: int
    is_listed: Bytes
    met: Int32s
    """The nonterminals that have letters."""
    met_count: int
    work: int
    """The number of letters and exits examined so far."""


@jit
def _enqueue_variable(c: Saturation, v: int) -> None:
    """Queue a variable, unless it is queued already."""
    c.waiting = c.waiting + 1 - c.waits[v]
    c.waits[v] = 1


@jit
def _slot_of(c: Saturation, key: int) -> int:
    """Return the slot that holds a key, or the free slot where it belongs."""
    # Multiplying by 2**64 / golden ratio spreads the keys. The high bits of the product are used, since they
    # are mixed best.
    hash_bits = uint64(key) * uint64(0x9E3779B97F4A7C15)
    at = int64(hash_bits >> uint64(20)) & c.table_mask
    # The table is never full: it has more slots than there are notes.
    while c.note_table[at] >= 0 and c.note_table[at] != key:
        at = (at + 1) & c.table_mask
    return at  # type: ignore[no-any-return]


@jit
def _note_use(c: Saturation, source: int, user: int) -> bool:
    """Note that the variable `user` uses the variable `source`, unless that is noted or there is no room.
    Return whether the text may end within a run of `source`."""
    key = (source << 32) | user
    count = c.note_count
    slot = _slot_of(c, key)
    if c.note_table[slot] != key and count < c.most_notes:
        c.note_table[slot] = key
        # The notes of one source are a linked list, and the new one becomes the first.
        c.notes[2 * count] = user
        c.notes[2 * count + 1] = c.first_note[source]
        c.first_note[source] = count
        c.note_count = count + 1
    return c.accepts[source] != 0


@jit
def _list_nonterminal(c: Saturation, origin: int) -> None:
    """List a nonterminal as not yet examined, unless it is listed already."""
    if not c.is_listed[origin]:
        c.listed_origins[c.listed_count] = origin
        c.is_listed[origin] = 1
        c.listed_count = c.listed_count + 1


@jit
def _put_letter(
    c: Saturation,
    v: int,
    state: int,
    rule: int,
    letter: int,
) -> bool:
    """Add a run that a `rule` reduces before a `letter`, where one symbol of the rule is above a `state`, the
    rest below; return whether an exit of the variable `v` has grown. For example, with `pair: a b` and the
    `state` after `a`, the run is `b`: reduced to `pair`, 0 more frames below. `c`: the block."""
    origin = c.origins[rule]
    size = c.sizes[rule]
    if size > 1:
        number = _exit_number(c, state, origin, size - 2)
        if number < 0:
            return False
        value = skip(c.values, c.words * (c.value_at[v] + number))
        return _set_letter(value, letter)
    # The whole rule is above the state: what it makes goes on there.
    if _set_letter(skip(c.letters_behind, c.words * origin), letter):
        _list_nonterminal(c, origin)
    return False


@jit
def _put_runs(
    c: Saturation,
    v: int,
    state: int,
    source: int,
    frame_above: int,
) -> bool:
    """Add what becomes of the runs of a variable, `source`, of a frame `frame_above` that is directly above a
    `state`; return whether an exit of the variable `v` has grown. An exit of depth 1 there is, for example,
    an exit of depth 0 of `v`. `c`: the block."""
    words = c.words
    grown = False
    state_above = c.frame_state[frame_above]
    first = c.exit_at[state_above]
    last = c.exit_at[state_above + 1]
    c.work = c.work + last - first
    for i in range(first, last):
        bits = skip(c.values, words * (c.value_at[source] + i - first))
        origin = c.exit_origin[i]
        if c.exit_depth[i] > 0:
            number = _exit_number(c, state, origin, c.exit_depth[i] - 1)
            if number >= 0:
                value = skip(c.values, words * (c.value_at[v] + number))
                grown = _add_letters(words, value, bits) or grown
        elif _add_letters(words, skip(c.letters_behind, words * origin), bits):
            _list_nonterminal(c, origin)
    return grown


@jit
def _take_fresh(c: Saturation, origin: int) -> None:
    """Copy to `fresh` the letters after a nonterminal that were not examined yet, and mark them as done."""
    words = c.words
    done = skip(c.done, words * origin)
    is_first = _is_empty(words, done)
    for w in range(words):
        c.fresh[w] = c.letters_behind[words * origin + w] & ~done[w]
        done[w] = done[w] | c.fresh[w]
    if is_first and not _is_empty(words, c.fresh):
        c.met[c.met_count] = origin
        c.met_count = c.met_count + 1


@jit
def _forget_met(c: Saturation) -> None:
    """Clear the nonterminals to which runs were reduced, and the letters after them."""
    for i in range(c.met_count):
        first = c.words * c.met[i]
        for at in range(first, first + c.words):
            c.letters_behind[at] = 0
            c.done[at] = 0
    c.met_count = 0


@jit
def _run_letter(c: Saturation, v: int, frame: int, letter: int) -> bool:
    """Add how runs end that begin above a `frame` with a `letter`: the variable `v` of the block `c`. Return
    whether it grew. Such a run shifts the letter, say `(`, reads on after it, and may be reduced to a
    nonterminal above the frame, after which it reads on again."""
    state = c.frame_state[frame]
    grown = False
    accept = False
    frame_above = -1
    source = -1
    action = _action_of(c, frame, letter)
    if action < 0:  # an empty rule
        origin = c.origins[-1 - action]
        _set_letter(skip(c.letters_behind, c.words * origin), letter)
        _list_nonterminal(c, origin)
    else:
        frame_above = _frame_above(c, frame, action - 1)
    if frame_above >= 0:
        source = c.boundary_variable[frame_above * c.boundaries + c.letter_boundary[letter]]
    if source >= 0:
        accept = _note_use(c, source, v)
        grown = _put_runs(c, v, state, source, frame_above)
    # To what nonterminals were runs reduced directly above the frame? More are listed on the way.
    while c.listed_count:
        c.listed_count = c.listed_count - 1
        origin = c.listed_origins[c.listed_count]
        c.is_listed[origin] = 0
        _take_fresh(c, origin)
        goto = c.gotos[state * c.nonterminals + origin]
        accept = _ends_text(c, goto, c.fresh) or accept
        frame_above = _frame_above(c, frame, goto)
        for w in range(c.words if frame_above >= 0 else 0):
            bits = c.fresh[w]
            while bits:
                following = _lowest_letter(bits, w)
                bits &= bits - 1
                c.work = c.work + 1
                action = _action_of(c, frame_above, following)
                source = c.letter_variable[frame_above * c.letters + following]
                if source >= 0:
                    accept = _note_use(c, source, v) or accept
                    grown = _put_runs(c, v, state, source, frame_above) or grown
                elif action != 0:
                    grown = _put_letter(c, v, state, -1 - action, following) or grown
    _forget_met(c)
    return _has_grown(c, v, grown, accept)


@jit
def _run_boundary(c: Saturation, v: int, frame: int, letters: Int64s) -> bool:
    """Add how runs end that begin above a `frame` at a boundary, with one of its `letters`: the variable `v`
    of the block `c`. Return whether it grew. The letters (`a` or `b`, say) each have a variable, which this
    one uses."""
    words = c.words
    grown = False
    state = c.frame_state[frame]
    accept = run_from(c, frame, letters)
    for i in range(c.exit_at[state + 1] - c.exit_at[state]):
        value = skip(c.values, words * (c.value_at[v] + i))
        grown = _add_letters(words, value, skip(c.run_exits, words * i)) or grown
    for w in range(words):
        bits = letters[w]
        while bits:
            source = c.letter_variable[frame * c.letters + _lowest_letter(bits, w)]
            bits &= bits - 1
            c.work = c.work + 1
            if source >= 0:
                _note_use(c, source, v)
    return _has_grown(c, v, grown, accept)


@jit
def _has_grown(c: Saturation, v: int, grown: bool, accept: bool) -> bool:
    """Note whether the text may end in the runs of the variable `v`; return whether that or an exit is new:
    `grown` says whether an exit is, `accept` whether the text may end. `c`: the block."""
    is_new = accept and not c.accepts[v]
    if is_new:
        c.accepts[v] = 1
    return grown or is_new


@entry("int64(int64, int64)")
def saturate_variables(address: int, max_work: int) -> int:
    """Compute the fixpoint: `values` and `accepts`. Return 0; TOO_MUCH beyond `max_work` letters and exits;
    or NO_ROOM where the notes are full. A call with more room and an empty `note_table` then continues."""
    c = Saturation(address)
    # The table is empty at first, and after NO_ROOM. The existing notes are entered into it.
    for source in range(c.variable_count):
        note = c.first_note[source]
        while note >= 0:
            key = (source << 32) | c.notes[2 * note]
            c.note_table[_slot_of(c, key)] = key
            note = c.notes[2 * note + 1]
    # Variables are computed in rounds, so that a variable sees all growth since its last turn at once.
    v = 0
    while c.waiting:
        v = v + 1 if v + 1 < c.variable_count else 0
        if not c.waits[v]:
            continue
        c.waits[v] = 0
        c.waiting = c.waiting - 1
        if c.work > max_work:
            return TOO_MUCH
        frame = c.variables[3 * v]
        letter = c.variables[3 * v + 1]
        if letter < 0:
            row = c.variables[3 * v + 2]
            grown = _run_boundary(c, v, frame, skip(c.available, c.words * row))
        else:
            grown = _run_letter(c, v, frame, letter)
        note = c.first_note[v] if grown else -1
        while note >= 0:
            _enqueue_variable(c, c.notes[2 * note])
            note = c.notes[2 * note + 1]
        if c.note_count == c.most_notes:
            _enqueue_variable(c, v)  # some use was not noted, so the variable is computed again
            return NO_ROOM
    return 0


# --- what is certain: a greatest fixpoint -------------------------------------------------------------------


class CertainSearch(Pushdown):
    """The memory of the search for certain boundaries.

    A *node* is a frame with a set of letters that may come there. It has *ways* to go on. A way removes some
    frames (its depth), and has *goals*, which must all be met. A goal is a list of nodes, one of which must
    live.
    """

    wanted_frame: Int32s
    wanted_letters: Int64s
    wanted_node: Int32s
    """The boundaries to decide: `wanted_frame` and `wanted_row` are the input, `wanted_node` is the node of
    each, which is written."""
    wanted_count: int
    below: Int32s
    """Pairs of a frame and a frame that may be directly below it, sorted by the first."""
    below_at: Int32s
    """[frames]: the index in `below` of the first pair of each frame."""
    node_frame: Int32s
    node_letters: Int64s
    """[nodes]: the row of letters of each node."""
    node_count: int
    most_nodes: int
    node_table: Int32s
    """A hash table of the nodes; -1: the slot is free."""
    table_mask: int
    ways: Int32s
    """The ways, one after another. A way is: its node, its depth, the number of goals, and the goals. A goal
    is: the number of its nodes, and the nodes."""
    way_words: int
    most_way_words: int
    ends: Bytes
    """[nodes]: whether the text may end there."""
    lives: Bytes
    """[nodes]: whether it is certain that some text leads to the end."""
    inner: Bytes
    """Scratch memory: `lives` in the inner, least fixpoint."""
    marks: Int32s
    """[frames]: the number of the last walk that met the frame."""
    walks: int
    here: Int32s
    then: Int32s
    """Two lists of a walk down: the frames at the present depth, and those one deeper."""


@jit
def _node_number(c: CertainSearch, frame: int, letters: Int64s) -> int:
    """Return the number of a node. A new node is added; the caller has made sure that there is room."""
    # The constants are odd numbers with well mixed bits, as in hashes of integers (MurmurHash3).
    hash_bits = uint64(frame + 1) * uint64(0x9E3779B97F4A7C15)
    for w in range(c.words):
        hash_bits = (hash_bits ^ uint64(letters[w])) * uint64(0xFF51AFD7ED558CCD)
        hash_bits ^= hash_bits >> uint64(29)
    at = int64(hash_bits >> uint64(20)) & c.table_mask
    count = c.node_count
    while c.node_table[at] >= 0:
        node = c.node_table[at]
        is_same = c.node_frame[node] == frame
        for w in range(c.words):
            is_same = is_same and c.node_letters[c.words * node + w] == letters[w]
        if is_same:
            return node
        at = (at + 1) & c.table_mask
    c.node_table[at] = count
    c.node_frame[count] = frame
    c.node_count = count + 1
    for w in range(c.words):
        c.node_letters[c.words * count + w] = letters[w]
    return count


@jit
def _find_below(c: CertainSearch, frame: int, depth: int) -> int:
    """Write to `here` the frames that may lie `depth` frames below a frame. Return their number."""
    size = 1
    c.here[0] = frame
    for _ in range(depth):
        c.walks = c.walks + 1  # a new number makes all marks of earlier walks void
        found_count = 0
        for i in range(size):
            upper = c.here[i]
            for j in range(c.below_at[upper], c.below_at[upper + 1]):
                under = c.below[2 * j + 1]
                if c.marks[under] != c.walks:
                    c.marks[under] = c.walks
                    c.then[found_count] = under
                    found_count += 1
        size = found_count
        for i in range(size):
            c.here[i] = c.then[i]
    return size


@jit
def _put_goal(c: CertainSearch, state: int, depth: int, below: int) -> int:
    """Add a goal to the last way: the nodes that runs lead to which end (`run_exits`) in the exits of a
    `state` with a `depth`, where the frame `below` is. Return how many goals were added: 0 where the text
    ends there. The goal is `[2, node, node]` where two exits have that depth, for example. `c`: the block."""
    goal = c.way_words
    used = goal + 1
    c.ways[goal] = 0
    first = c.exit_at[state]
    for i in range(first, c.exit_at[state + 1]):
        letters = skip(c.run_exits, c.words * (i - first))
        if c.exit_depth[i] != depth or _is_empty(c.words, letters):
            continue
        goto = c.gotos[c.frame_state[below] * c.nonterminals + c.exit_origin[i]]
        if goto == c.end_state and letters[0] & 1:
            return 0  # the goal is met already; the words that were written here are overwritten later
        frame_above = _frame_above(c, below, goto)
        if frame_above >= 0:
            c.ways[used] = _node_number(c, frame_above, letters)
            used += 1
    c.ways[goal] = used - goal - 1
    c.way_words = used
    return 1


@jit
def _put_ways(c: CertainSearch, node: int) -> bool:
    """Add the ways of a node: one for each depth among the exits of its runs (`run_exits`). Return whether
    there was room."""
    frame = c.node_frame[node]
    state = c.frame_state[frame]
    first = c.exit_at[state]
    last = c.exit_at[state + 1]
    for i in range(first, last):
        # Exits are sorted by depth, so the first exit of each depth begins a way.
        depth = c.exit_depth[i]
        is_used = False
        if i > first and c.exit_depth[i - 1] == depth:
            continue
        for j in range(i, last):
            letters = skip(c.run_exits, c.words * (j - first))
            is_used = is_used or (c.exit_depth[j] == depth and not _is_empty(c.words, letters))
        if not is_used:
            continue
        size = _find_below(c, frame, depth + 1)
        way = c.way_words
        most_new_nodes = size * (last - first)
        if way + 3 + size + most_new_nodes > c.most_way_words:
            return False
        if c.node_count + most_new_nodes > c.most_nodes:
            return False
        c.ways[way] = node
        c.ways[way + 1] = depth
        c.way_words = way + 3
        # Every frame that may be below must lead to the end, so each of them is a goal.
        goals = 0
        for j in range(size):
            goals += _put_goal(c, state, depth, c.here[j])
        c.ways[way + 2] = goals
    return True


@jit
def _reach_end(c: CertainSearch) -> bool:
    """Reduce `lives` to the nodes that lead to the text's end, or remove frames and lead to living nodes (a
    least fixpoint). Return whether `lives` has changed."""
    count = c.node_count
    has_changed = True
    were_others = False
    for node in range(count):
        c.inner[node] = c.ends[node]
    while has_changed:
        has_changed = False
        at = 0
        while at < c.way_words:
            node = c.ways[at]
            depth = c.ways[at + 1]
            goals = c.ways[at + 2]
            is_reached = True
            at += 3
            for _ in range(goals):
                first = at + 1
                at = first + c.ways[at]
                is_met = False
                for i in range(first, at):
                    target = c.ways[i]
                    # A way that removes no frame may go round in a circle: there the inner fixpoint counts.
                    is_met = is_met or (c.lives[target] if depth else c.inner[target]) != 0
                is_reached = is_reached and is_met
            if is_reached and c.lives[node] and not c.inner[node]:
                c.inner[node] = 1
                has_changed = True
    for node in range(count):
        were_others = were_others or c.lives[node] != c.inner[node]
        c.lives[node] = c.inner[node]
    return were_others


@entry("int64(int64)")
def find_certain(address: int) -> int:
    """Compute which of the wanted nodes are certain, and write it to `lives`. Where there is no room for more
    nodes or ways, the others count as uncertain. Returns 0."""
    c = CertainSearch(address)
    next_node = 0
    has_room = True
    for i in range(c.wanted_count):
        wanted_letters = skip(c.wanted_letters, c.words * i)
        c.wanted_node[i] = _node_number(c, c.wanted_frame[i], wanted_letters)
    while next_node < c.node_count and has_room:
        letters = skip(c.node_letters, c.words * next_node)
        if run_from(c, c.node_frame[next_node], letters):
            c.ends[next_node] = 1
        else:
            has_room = _put_ways(c, next_node)
        next_node += 1
    # At first all examined nodes live. Each round removes the nodes that are refuted.
    for node in range(next_node):
        c.lives[node] = 1
    while _reach_end(c):
        pass
    return 0


# --- one stack ----------------------------------------------------------------------------------------------


class Descent(Pushdown):
    """The memory of a walk down a stack."""

    stack: Int32s
    """The frames of the stack, the bottom first."""
    height: int
    waiting: Int64s
    """[deepest exit + 1, nonterminals]: for the next frames below, the letters after each nonterminal that
    was reduced directly above the frame. They wait until all reductions higher up are known."""
    deep: int
    done: Int64s
    """[nonterminals]: the letters that were examined."""
    fresh: Int64s
    """A row: the letters that are examined now."""


@jit
def _fresh_behind(c: Descent, letters_behind: Int64s) -> int:
    """Copy to `fresh` the letters after the first nonterminal that has letters not yet examined. Return the
    nonterminal; -1: there is none."""
    for origin in range(c.nonterminals):
        for w in range(c.words):
            at = c.words * origin + w
            c.fresh[w] = letters_behind[at] & ~c.done[at]
            c.done[at] = c.done[at] | c.fresh[w]
        if not _is_empty(c.words, c.fresh):
            return origin
    return -1


@entry("int64(int64, int64)")
def reaches_text_end(address: int, max_runs: int) -> int:
    """Return 1 if some text leads from the stack to the end, beginning with one of the letters in `fresh`;
    else 0. TOO_MUCH: it takes more than `max_runs` runs."""
    c = Descent(address)
    runs = 0
    size = c.nonterminals * c.words
    under = c.height - 2
    frame = c.stack[c.height - 1]
    while frame >= 0:
        runs += 1
        if runs > max_runs:
            return TOO_MUCH
        if run_from(c, frame, c.fresh):
            return 1
        first = c.exit_at[c.frame_state[frame]]
        last = c.exit_at[c.frame_state[frame] + 1]
        for i in range(first, last):
            # The nonterminal waits at its frame. `waiting` is a ring buffer, as long as the deepest exit.
            depth = c.exit_depth[i]
            if depth <= under:
                at = size * ((under - depth) % c.deep) + c.words * c.exit_origin[i]
                letters = skip(c.run_exits, c.words * (i - first))
                _add_letters(c.words, skip(c.waiting, at), letters)
        # Go down the stack. A frame is done when all that was reduced directly above it was examined.
        frame = -1
        while frame < 0 and under >= 0:
            letters_behind = skip(c.waiting, size * (under % c.deep))
            origin = _fresh_behind(c, letters_behind)
            if origin < 0:
                for i in range(size):
                    letters_behind[i] = 0
                    c.done[i] = 0
                under -= 1
                continue
            goto = c.gotos[c.frame_state[c.stack[under]] * c.nonterminals + origin]
            if _ends_text(c, goto, c.fresh):
                return 1
            frame = _frame_above(c, c.stack[under], goto)
    return 0
