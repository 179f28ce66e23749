"""From which stacks do texts lead to the text's end? Reachability of the parser as a pushdown system (A.
Bouajjani, J. Esparza, O. Maler, Reachability analysis of pushdown automata, 1997), compiled.

The parser reads *letters*: a letter is a terminal with the *boundary* after it, which says what is owed
there. A *run* above a frame reads letters until it is reduced so far that the frame itself goes, or the text
ends. How runs may end is one of the *exits* of the frame (as of a component of a recursive state machine: R.
Alur, K. Etessami, M. Yannakakis, 2001): a nonterminal and how many more frames go below (a kernel item of the
parser's state), with the letters that may be next then, as bits. Runs that begin at a boundary are unions of
runs that begin with a letter; the run of a shifted letter is what becomes of the runs of the boundary above.
This is a least fixpoint over two kinds of variables, (frame, letter) and (frame, boundary).

A boundary is *certain* in a frame if whatever frames are below, some text leads to the end (`find_certain`):
a greatest fixpoint around a least one, because ends that take no frame away must not go round in a circle.
"""

from __future__ import annotations

from typing import Final

from structgen.base.native.bit_rows import trailing_zeros
from structgen.base.native.jit import entry, jit
from structgen.base.native.raw_memory import int64, uint64
from structgen.base.native.typed_blocks import Block, Bytes, Int32s, Int64s, skip

TOO_MUCH: Final = -1
"""In place of an answer: more work than may be."""
NO_ROOM: Final = -2
"""In place of an answer: the notes of uses need more room (`Saturation`)."""


class Pushdown(Block):
    """The parser as a pushdown system, and how its runs end. StackFrames and letters have numbers; a row of
    letters is `words` words of bits."""

    actions: Int32s
    """[states, terminals]"""
    terminals: int
    gotos: Int32s
    """[states, nonterminals]"""
    nonterminals: int
    origins: Int32s
    sizes: Int32s
    """[rules]: the nonterminal that a rule makes, and how many symbols it has."""
    end_state: int
    """The state after the start symbol."""
    frame_state: Int32s
    frame_brackets: Int32s
    """[frames]: the state of a frame, and how many brackets are open there, at most `most_brackets`."""
    frame_at: Int32s
    """[states, open brackets]: the frame, -1: no stack has it."""
    most_brackets: int
    """How many open brackets are counted."""
    bracket_balance: Int32s
    """[states]: how many brackets the symbol before a state opens (`frames.StackFrames`)."""
    exit_at: Int32s
    exit_origin: Int32s
    exit_depth: Int32s
    """For each state, from EXIT_AT on, how runs above it may end: reduced to a nonterminal, and how many more
    frames go below."""
    letter_terminal: Int32s
    letter_boundary: Int32s
    """[letters]: the terminal of a letter, and the boundary after it."""
    letters: int
    words: int
    # how runs end: the values of the variables of the fixpoint
    letter_variable: Int32s
    """[frames, letters]: the variable, -1: none."""
    value_at: Int64s
    """[variables]: which of `values` is the first."""
    values: Int64s
    """A row of letters for each exit of each variable's frame: those that may be next."""
    accepts: Bytes
    """[variables]: whether the text may end."""
    run_exits: Int64s
    """Scratch: a row for each exit of a state (`run_from`)."""


@jit
def _action_of(c: Pushdown, frame: int, letter: int) -> int:
    """Return what the parser does in a frame where a letter comes."""
    return c.actions[c.frame_state[frame] * c.terminals + c.letter_terminal[letter]]


@jit
def _frame_above(c: Pushdown, frame: int, state: int) -> int:
    """Return the frame of a state above another frame, -1: none."""
    brackets = c.frame_brackets[frame]
    max_brackets = c.most_brackets
    if state < 0:
        return -1
    # Once the most that are counted are open, they stay open: a bracket that closes is not counted either.
    if brackets < max_brackets:
        brackets = min(max_brackets, brackets + c.bracket_balance[state])
    return c.frame_at[state * (max_brackets + 1) + brackets] if brackets >= 0 else -1


@jit
def _exit_number(c: Pushdown, state: int, origin: int, depth: int) -> int:
    """Return the number of an exit among the exits of a `state`, -1: there is none. The exit is reduced to
    the nonterminal `origin`, `depth` frames below: `_exit_number(c, state, origin, 0)` is one that leaves the
    frame below as it is. `c`: the block of the parser."""
    # States have few exits, so all are looked at.
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
    """Return whether the text ends after a nonterminal; letter 0, the text's end, is taken away."""
    if goto != c.end_state or not letters[0] & 1:
        return False
    letters[0] = letters[0] & ~1
    return True


@jit
def run_from(c: Pushdown, frame: int, letters: Int64s) -> bool:
    """Write to `run_exits` how runs may end that begin above a frame with some letters, by exit; return
    whether the text may end."""
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
                # The rule takes the frame's own symbol away, so the run ends before it reads the letter.
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
    """The memory of the fixpoint. Variables wait until they are looked at, in rounds; those that use another
    one wait again when it grows."""

    variables: Int32s
    """For each its frame, its letter (-1: it is a boundary's), and the boundary's row of `available`."""
    variable_count: int
    boundary_variable: Int32s
    """[frames, boundaries]: the variable, -1: none."""
    boundaries: int
    available: Int64s
    """Rows of the letters that may come at a boundary."""
    waits: Bytes
    """[variables]"""
    waiting: int
    """How many of them wait."""
    # who uses whom
    notes: Int32s
    """For each its user, and the next note of the same variable (-1: the last)."""
    first_note: Int32s
    """[variables]"""
    note_count: int
    most_notes: int
    note_table: Int64s
    """Slots for `source << 32 | user`, -1: free."""
    table_mask: int
    # to what runs were reduced directly above a frame
    letters_behind: Int64s
    """[nonterminals]: the letters after each."""
    done: Int64s
    """[nonterminals]: those of them that were looked at."""
    fresh: Int64s
    """A row: those that are looked at now."""
    listed_origins: Int32s
    """Nonterminals with letters that were not looked at."""
    listed_count: int
    is_listed: Bytes
    met: Int32s
    """Nonterminals with letters."""
    met_count: int
    work: int
    """The letters and exits that were looked at so far."""


@jit
def _enqueue_variable(c: Saturation, v: int) -> None:
    """Have a variable wait, once."""
    c.waiting = c.waiting + 1 - c.waits[v]
    c.waits[v] = 1


@jit
def _slot_of(c: Saturation, key: int) -> int:
    """Return the slot that holds a key, or the free one where it is to be."""
    # A multiplication by 2**64 / golden ratio spreads keys; the low bits of the product are the worst.
    hash_bits = uint64(key) * uint64(0x9E3779B97F4A7C15)
    at = int64(hash_bits >> uint64(20)) & c.table_mask
    # The table is never full: it has more slots than there are notes.
    while c.note_table[at] >= 0 and c.note_table[at] != key:
        at = (at + 1) & c.table_mask
    return at  # type: ignore[no-any-return]


@jit
def _note_use(c: Saturation, source: int, user: int) -> bool:
    """Note once that a variable uses another one, unless there is no room; return whether the text may end
    in that one's runs."""
    key = (source << 32) | user
    count = c.note_count
    slot = _slot_of(c, key)
    if c.note_table[slot] != key and count < c.most_notes:
        c.note_table[slot] = key
        # Notes of one source are a list: the new one is put before the first.
        c.notes[2 * count] = user
        c.notes[2 * count + 1] = c.first_note[source]
        c.first_note[source] = count
        c.note_count = count + 1
    return c.accepts[source] != 0


@jit
def _list_nonterminal(c: Saturation, origin: int) -> None:
    """List a nonterminal, once."""
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
    """Have `fresh` hold the letters after a nonterminal that were not looked at."""
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
    """Forget to what runs were reduced."""
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
    """Solve the fixpoint: `values` and `accepts`. Returns 0; TOO_MUCH where it takes more than `max_work`
    letters and exits; NO_ROOM where the notes are full: with more room, and an empty table, it goes on."""
    c = Saturation(address)
    # The table is empty at first, and after NO_ROOM: it is filled with the notes that there are.
    for source in range(c.variable_count):
        note = c.first_note[source]
        while note >= 0:
            key = (source << 32) | c.notes[2 * note]
            c.note_table[_slot_of(c, key)] = key
            note = c.notes[2 * note + 1]
    # In rounds over all variables: a variable waits for its turn, so uses that grew meanwhile count at once.
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
            _enqueue_variable(c, v)  # a use may have found no room
            return NO_ROOM
    return 0


# --- what is certain: a greatest fixpoint -------------------------------------------------------------------


class CertainSearch(Pushdown):
    """The memory of the search for certain boundaries.

    A node is a frame with letters that may come there. It goes on in ways: each takes away some frames (its
    depth), and has goals, which must all be met. A goal is nodes, of which one must do.
    """

    wanted_frame: Int32s
    wanted_letters: Int64s
    wanted_node: Int32s
    """The boundaries that are asked for, each a frame and a row of letters; the node of each is written."""
    wanted_count: int
    below: Int32s
    """Pairs of a frame and one that may be directly below it, sorted by the first."""
    below_at: Int32s
    """Where the pairs of each frame begin in `below`."""
    node_frame: Int32s
    node_letters: Int64s
    """Rows."""
    node_count: int
    most_nodes: int
    node_table: Int32s
    """Slots that find nodes by their hashes, -1: free."""
    table_mask: int
    ways: Int32s
    """For each way its node, its depth, how many goals; for each goal how many nodes, and these."""
    way_words: int
    most_way_words: int
    ends: Bytes
    """[nodes]: whether the text may end there."""
    lives: Bytes
    """[nodes]: whether it is certain that some text leads to the end."""
    inner: Bytes
    """Scratch: `lives` in the least fixpoint."""
    marks: Int32s
    """For each frame the last walk that met it."""
    walks: int
    here: Int32s
    then: Int32s
    """StackFrames so far below one, and those below them."""


@jit
def _node_number(c: CertainSearch, frame: int, letters: Int64s) -> int:
    """Return the number of a node, added where it is new; there is room."""
    # The constants are odd numbers with many mixed bits, as hashes of integers have them (MurmurHash3).
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
    """Write to `here` the frames that may be so many below a frame; return how many they are."""
    size = 1
    c.here[0] = frame
    for _ in range(depth):
        c.walks = c.walks + 1  # marks of other walks are old: they need not be cleared
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
            return 0  # nothing is left to show; the words that were written here are overwritten
        frame_above = _frame_above(c, below, goto)
        if frame_above >= 0:
            c.ways[used] = _node_number(c, frame_above, letters)
            used += 1
    c.ways[goal] = used - goal - 1
    c.way_words = used
    return 1


@jit
def _put_ways(c: CertainSearch, node: int) -> bool:
    """Add the ways of a node, one for each depth of the exits in which its runs end (`run_exits`); return
    whether there was room."""
    frame = c.node_frame[node]
    state = c.frame_state[frame]
    first = c.exit_at[state]
    last = c.exit_at[state + 1]
    for i in range(first, last):
        # Exits are sorted by depth, so the first of each depth stands for all of that depth.
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
        # Whatever frame is below must lead to the end, so each one is a goal.
        goals = 0
        for j in range(size):
            goals += _put_goal(c, state, depth, c.here[j])
        c.ways[way + 2] = goals
    return True


@jit
def _reach_end(c: CertainSearch) -> bool:
    """Have `lives` be those of the living nodes that lead to the text's end, or take frames away and lead to
    living nodes: a least fixpoint. Return whether they were others before."""
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
                    # A way that takes no frame away may go round in a circle: the least fixpoint counts then.
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
    """Find which of the wanted nodes are certain (`lives`). Past the most nodes or ways the others are taken
    for uncertain. Returns 0."""
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
    # All nodes that were looked at live at first; rounds take away those that are refuted.
    for node in range(next_node):
        c.lives[node] = 1
    while _reach_end(c):
        pass
    return 0


# --- one stack ----------------------------------------------------------------------------------------------


class Descent(Pushdown):
    """The memory of a walk down a stack."""

    stack: Int32s
    """StackFrames, the bottom first."""
    height: int
    waiting: Int64s
    """[deepest exit + 1, nonterminals]: what was reduced directly above a frame waits, as letters after
    nonterminals, until all that may be reduced higher up is known."""
    deep: int
    done: Int64s
    """[nonterminals]: the letters that were looked at."""
    fresh: Int64s
    """A row: those that are looked at now."""


@jit
def _fresh_behind(c: Descent, letters_behind: Int64s) -> int:
    """Have `fresh` hold the letters after the first nonterminal that has some which were not looked at;
    return the nonterminal, -1: there is none."""
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
    """Return 1 if the text's end is reached from a stack when one of the letters in `fresh` is read, else 0;
    TOO_MUCH past `max_runs` runs."""
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
            # What a run is reduced to waits at its frame. `waiting` is a ring: no exit is deeper than it.
            depth = c.exit_depth[i]
            if depth <= under:
                at = size * ((under - depth) % c.deep) + c.words * c.exit_origin[i]
                letters = skip(c.run_exits, c.words * (i - first))
                _add_letters(c.words, skip(c.waiting, at), letters)
        # Down the stack: a frame is left once all that was reduced directly above it was looked at.
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
