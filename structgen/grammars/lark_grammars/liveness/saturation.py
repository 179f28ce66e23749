"""From which stacks do texts lead to the text's end? Reachability of the parser as a pushdown system (A.
Bouajjani, J. Esparza, O. Maler, Reachability analysis of pushdown automata, 1997), compiled.

The parser reads *letters*: a letter is a terminal with the *boundary* behind it, which says what is owed
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
    """The state behind the start symbol."""
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
    """[letters]: the terminal of a letter, and the boundary behind it."""
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
    brackets, max_brackets = c.frame_brackets[frame], c.most_brackets
    if state < 0:
        return -1
    if brackets < max_brackets:
        brackets = min(max_brackets, brackets + c.bracket_balance[state])
    return c.frame_at[state * (max_brackets + 1) + brackets] if brackets >= 0 else -1


@jit
def _exit_number(c: Pushdown, state: int, origin: int, depth: int) -> int:
    """Return the number of an exit among those of a state, -1: there is none."""
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
    bit, word = 1 << (letter & 63), letter >> 6
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
    """Return whether the text ends behind a nonterminal; letter 0, the text's end, is taken away."""
    if goto != c.end_state or not letters[0] & 1:
        return False
    letters[0] = letters[0] & ~1
    return True


@jit
def run_from(c: Pushdown, frame: int, letters: Int64s) -> bool:
    """Write to `run_exits` how runs may end that begin above a frame with some letters, by exit; return
    whether the text may end."""
    state, accept = c.frame_state[frame], False
    exits = c.exit_at[state + 1] - c.exit_at[state]
    for i in range(exits * c.words):
        c.run_exits[i] = 0
    for w in range(c.words):
        bits = letters[w]
        while bits:
            letter = _lowest_letter(bits, w)
            bits &= bits - 1
            action = _action_of(c, frame, letter)
            if action == 0:
                continue
            source = c.letter_variable[frame * c.letters + letter]
            if source < 0:
                rule = -1 - action
                _set_letter(
                    skip(c.run_exits, c.words * _exit_number(c, state, c.origins[rule], c.sizes[rule] - 1)),
                    letter,
                )
                continue
            accept = accept or c.accepts[source] != 0
            for i in range(exits):
                _add_letters(
                    c.words,
                    skip(c.run_exits, c.words * i),
                    skip(c.values, c.words * (c.value_at[source] + i)),
                )
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
    """[nonterminals]: the letters behind each."""
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
    hash_bits = uint64(key) * uint64(0x9E3779B97F4A7C15)
    at = int64(hash_bits >> uint64(20)) & c.table_mask
    while c.note_table[at] >= 0 and c.note_table[at] != key:
        at = (at + 1) & c.table_mask
    return at  # type: ignore[no-any-return]


@jit
def _note_use(c: Saturation, source: int, user: int) -> bool:
    """Note once that a variable uses another one, unless there is no room; return whether the text may end
    in that one's runs."""
    key, count = (source << 32) | user, c.note_count
    slot = _slot_of(c, key)
    if c.note_table[slot] != key and count < c.most_notes:
        c.note_table[slot] = key
        c.notes[2 * count], c.notes[2 * count + 1] = user, c.first_note[source]
        c.first_note[source], c.note_count = count, count + 1
    return c.accepts[source] != 0


@jit
def _list_nonterminal(c: Saturation, origin: int) -> None:
    """List a nonterminal, once."""
    if not c.is_listed[origin]:
        c.listed_origins[c.listed_count], c.is_listed[origin] = origin, 1
        c.listed_count = c.listed_count + 1


@jit
def _put_letter(c: Saturation, v: int, state: int, rule: int, letter: int) -> bool:
    """Add a run that a rule reduces before a letter, where one symbol of the rule is above a state, the rest
    below; return whether an exit of the variable `v` has grown."""
    origin, size = c.origins[rule], c.sizes[rule]
    if size > 1:
        number = _exit_number(c, state, origin, size - 2)
        return number >= 0 and _set_letter(skip(c.values, c.words * (c.value_at[v] + number)), letter)
    if _set_letter(skip(c.letters_behind, c.words * origin), letter):
        _list_nonterminal(c, origin)
    return False


@jit
def _put_runs(c: Saturation, v: int, state: int, source: int, frame_above: int) -> bool:
    """Add what becomes of the runs of a variable of a frame that is directly above a state; return whether an
    exit of the variable `v` has grown."""
    words, over, grown = c.words, c.frame_state[frame_above], False
    first, last = c.exit_at[over], c.exit_at[over + 1]
    c.work = c.work + last - first
    for i in range(first, last):
        bits, origin = skip(c.values, words * (c.value_at[source] + i - first)), c.exit_origin[i]
        if c.exit_depth[i] > 0:
            number = _exit_number(c, state, origin, c.exit_depth[i] - 1)
            if number >= 0:
                grown = _add_letters(words, skip(c.values, words * (c.value_at[v] + number)), bits) or grown
        elif _add_letters(words, skip(c.letters_behind, words * origin), bits):
            _list_nonterminal(c, origin)
    return grown


@jit
def _take_fresh(c: Saturation, origin: int) -> None:
    """Have `fresh` hold the letters behind a nonterminal that were not looked at."""
    words, done = c.words, skip(c.done, c.words * origin)
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
        for at in range(c.words * c.met[i], c.words * (c.met[i] + 1)):
            c.letters_behind[at], c.done[at] = 0, 0
    c.met_count = 0


@jit
def _run_letter(c: Saturation, v: int, frame: int, letter: int) -> bool:
    """Add how runs end that begin above a frame with a letter: the variable `v`. Return whether it grew."""
    state, grown, accept, frame_above, source = c.frame_state[frame], False, False, -1, -1
    action = _action_of(c, frame, letter)
    if action < 0:  # an empty rule
        _set_letter(skip(c.letters_behind, c.words * c.origins[-1 - action]), letter)
        _list_nonterminal(c, c.origins[-1 - action])
    else:
        frame_above = _frame_above(c, frame, action - 1)
    if frame_above >= 0:
        source = c.boundary_variable[frame_above * c.boundaries + c.letter_boundary[letter]]
    if source >= 0:
        accept = _note_use(c, source, v)
        grown = _put_runs(c, v, state, source, frame_above)
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
    """Add how runs end that begin above a frame at a boundary, with one of its letters: the variable `v`.
    Return whether it grew."""
    words, state, accept, grown = c.words, c.frame_state[frame], run_from(c, frame, letters), False
    for i in range(c.exit_at[state + 1] - c.exit_at[state]):
        grown = (
            _add_letters(words, skip(c.values, words * (c.value_at[v] + i)), skip(c.run_exits, words * i))
            or grown
        )
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
    """Note whether the text may end in a variable's runs; return whether that or an exit is new."""
    is_new = accept and not c.accepts[v]
    if is_new:
        c.accepts[v] = 1
    return grown or is_new


@entry("int64(int64, int64)")
def saturate_variables(address: int, max_work: int) -> int:
    """Solve the fixpoint: `values` and `accepts`. Returns 0; TOO_MUCH where it takes more than `max_work`
    letters and exits; NO_ROOM where the notes are full: with more room, and an empty table, it goes on."""
    c = Saturation(address)
    for source in range(c.variable_count):
        note = c.first_note[source]
        while note >= 0:
            key = (source << 32) | c.notes[2 * note]
            c.note_table[_slot_of(c, key)], note = key, c.notes[2 * note + 1]
    v = 0
    while c.waiting:
        v = v + 1 if v + 1 < c.variable_count else 0
        if not c.waits[v]:
            continue
        c.waits[v], c.waiting = 0, c.waiting - 1
        if c.work > max_work:
            return TOO_MUCH
        frame, letter, row = c.variables[3 * v], c.variables[3 * v + 1], c.variables[3 * v + 2]
        if letter < 0:
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
    """Pairs of a frame and one that may be directly below it, sorted by the first..."""
    below_at: Int32s
    """... and where those of each frame begin."""
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
    """Scratch: the same, in the least fixpoint."""
    marks: Int32s
    """For each frame the last walk that met it."""
    walks: int
    here: Int32s
    then: Int32s
    """StackFrames so far below one, and those below them."""


@jit
def _node_number(c: CertainSearch, frame: int, letters: Int64s) -> int:
    """Return the number of a node, added where it is new; there is room."""
    hash_bits = uint64(frame + 1) * uint64(0x9E3779B97F4A7C15)
    for w in range(c.words):
        hash_bits = (hash_bits ^ uint64(letters[w])) * uint64(0xFF51AFD7ED558CCD)
        hash_bits ^= hash_bits >> uint64(29)
    at, count = int64(hash_bits >> uint64(20)) & c.table_mask, c.node_count
    while c.node_table[at] >= 0:
        node = c.node_table[at]
        is_same = c.node_frame[node] == frame
        for w in range(c.words):
            is_same = is_same and c.node_letters[c.words * node + w] == letters[w]
        if is_same:
            return node
        at = (at + 1) & c.table_mask
    c.node_table[at], c.node_frame[count], c.node_count = count, frame, count + 1
    for w in range(c.words):
        c.node_letters[c.words * count + w] = letters[w]
    return count


@jit
def _find_below(c: CertainSearch, frame: int, depth: int) -> int:
    """Write to `here` the frames that may be so many below a frame; return how many they are."""
    size, c.here[0] = 1, frame
    for _ in range(depth):
        c.walks = c.walks + 1
        found_count = 0
        for i in range(size):
            for j in range(c.below_at[c.here[i]], c.below_at[c.here[i] + 1]):
                under = c.below[2 * j + 1]
                if c.marks[under] != c.walks:
                    c.marks[under], c.then[found_count] = c.walks, under
                    found_count += 1
        size = found_count
        for i in range(size):
            c.here[i] = c.then[i]
    return size


@jit
def _put_goal(c: CertainSearch, state: int, depth: int, below: int) -> int:
    """Add a goal to the last way: the nodes that runs lead to which end (`run_exits`) in the exits of a state
    with a depth, where a frame is below. Returns how many goals were added: 0 where the text ends there."""
    goal, first = c.way_words, c.exit_at[state]
    c.ways[goal], used = 0, goal + 1
    for i in range(first, c.exit_at[state + 1]):
        letters = skip(c.run_exits, c.words * (i - first))
        if c.exit_depth[i] != depth or _is_empty(c.words, letters):
            continue
        goto = c.gotos[c.frame_state[below] * c.nonterminals + c.exit_origin[i]]
        if goto == c.end_state and letters[0] & 1:
            return 0
        frame_above = _frame_above(c, below, goto)
        if frame_above >= 0:
            c.ways[used] = _node_number(c, frame_above, letters)
            used += 1
    c.ways[goal], c.way_words = used - goal - 1, used
    return 1


@jit
def _put_ways(c: CertainSearch, node: int) -> bool:
    """Add the ways of a node, one for each depth of the exits in which its runs end (`run_exits`); return
    whether there was room."""
    frame = c.node_frame[node]
    state = c.frame_state[frame]
    first, last = c.exit_at[state], c.exit_at[state + 1]
    for i in range(first, last):
        depth, is_used = c.exit_depth[i], False
        if i > first and c.exit_depth[i - 1] == depth:
            continue
        for j in range(i, last):
            letters = skip(c.run_exits, c.words * (j - first))
            is_used = is_used or (c.exit_depth[j] == depth and not _is_empty(c.words, letters))
        if not is_used:
            continue
        size, way = _find_below(c, frame, depth + 1), c.way_words
        fresh = size * (last - first)
        if way + 3 + size + fresh > c.most_way_words or c.node_count + fresh > c.most_nodes:
            return False
        c.ways[way], c.ways[way + 1], c.way_words, goals = node, depth, way + 3, 0
        for j in range(size):
            goals += _put_goal(c, state, depth, c.here[j])
        c.ways[way + 2] = goals
    return True


@jit
def _reach_end(c: CertainSearch) -> bool:
    """Have `lives` be those of the living nodes that lead to the text's end, or take frames away and lead to
    living nodes: a least fixpoint. Return whether they were others before."""
    count, has_changed, were_others = c.node_count, True, False
    for node in range(count):
        c.inner[node] = c.ends[node]
    while has_changed:
        has_changed, at = False, 0
        while at < c.way_words:
            node, depth, goals, is_reached = c.ways[at], c.ways[at + 1], c.ways[at + 2], True
            at += 3
            for _ in range(goals):
                first, at, is_met = at + 1, at + 1 + c.ways[at], False
                for i in range(first, at):
                    to = c.ways[i]
                    is_met = is_met or (c.lives[to] if depth else c.inner[to]) != 0
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
    c, next_node, has_room = CertainSearch(address), 0, True
    for i in range(c.wanted_count):
        c.wanted_node[i] = _node_number(c, c.wanted_frame[i], skip(c.wanted_letters, c.words * i))
    while next_node < c.node_count and has_room:
        if run_from(c, c.node_frame[next_node], skip(c.node_letters, c.words * next_node)):
            c.ends[next_node] = 1
        else:
            has_room = _put_ways(c, next_node)
        next_node += 1
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
    """[deepest exit + 1, nonterminals]: what was reduced directly above a frame waits, as letters behind
    nonterminals, until all that may be reduced higher up is known."""
    deep: int
    done: Int64s
    """[nonterminals]: the letters that were looked at."""
    fresh: Int64s
    """A row: those that are looked at now."""


@jit
def _fresh_behind(c: Descent, letters_behind: Int64s) -> int:
    """Have `fresh` hold the letters behind the first nonterminal that has some which were not looked at;
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
    c, tries, size = Descent(address), 0, Descent(address).nonterminals * Descent(address).words
    under, frame = c.height - 2, c.stack[c.height - 1]
    while frame >= 0:
        tries += 1
        if tries > max_runs:
            return TOO_MUCH
        if run_from(c, frame, c.fresh):
            return 1
        first, last = c.exit_at[c.frame_state[frame]], c.exit_at[c.frame_state[frame] + 1]
        for i in range(first, last):
            if c.exit_depth[i] <= under:
                at = size * ((under - c.exit_depth[i]) % c.deep) + c.words * c.exit_origin[i]
                _add_letters(c.words, skip(c.waiting, at), skip(c.run_exits, c.words * (i - first)))
        frame = -1
        while frame < 0 and under >= 0:
            letters_behind = skip(c.waiting, size * (under % c.deep))
            origin = _fresh_behind(c, letters_behind)
            if origin < 0:
                for i in range(size):
                    letters_behind[i], c.done[i] = 0, 0
                under -= 1
                continue
            goto = c.gotos[c.frame_state[c.stack[under]] * c.nonterminals + origin]
            if _ends_text(c, goto, c.fresh):
                return 1
            frame = _frame_above(c, c.stack[under], goto)
    return 0
