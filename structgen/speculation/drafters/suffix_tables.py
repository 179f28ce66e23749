"""The compiled loops of the suffix automaton: its states and transitions as rows of arrays.

    head     the numbers of tokens, states and transitions; the state of the whole text
    states   a row for each state: LENGTH, LINK, COUNT, FIRST, LATEST, EARLIER, MOVES (the first transition)
    moves    a row for each transition: STATE, TOKEN, TARGET, NEXT (the next transition of the same state)
    table    a hash table of transitions by state and token: open addressing, -1 is empty; its size is a power
    of two

Transitions are never removed, only redirected, so the table needs no deletion.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from structgen.native.jit import entry, jit

TOKENS, STATES, MOVES_MADE, LAST = 0, 1, 2, 3
HEAD_WORDS: Final = 4
LENGTH, LINK, COUNT, FIRST, LATEST, EARLIER, MOVES = 0, 1, 2, 3, 4, 5, 6
STATE_WORDS: Final = 7
STATE, TOKEN, TARGET, NEXT = 0, 1, 2, 3
MOVE_WORDS: Final = 4
COUNTED: Final = 256
"""How many suffixes are counted at each token. There are more only in a text that repeats itself hundreds of
times; then the longest ones are counted."""


@jit
def slot_of(moves: Any, table: Any, state: Any, token: Any) -> Any:
    """Return the table's slot of a state's transition by a token, or the empty slot for it."""
    mask = np.int64(len(table) - 1)
    key = np.uint64(state) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(token) * np.uint64(0xD6E8FEB86659FD93)
    slot = np.int64((key ^ (key >> np.uint64(32))) & np.uint64(mask))
    while table[slot] >= 0:
        move = table[slot]
        if moves[move, STATE] == state and moves[move, TOKEN] == token:
            break
        slot = (slot + 1) & mask
    return slot


@jit
def target_of(moves: Any, table: Any, state: Any, token: Any) -> Any:
    """Return the target of a state's transition by a token, or -1."""
    move = np.int64(table[slot_of(moves, table, state, token)])
    if move < 0:
        return np.int64(-1)
    return np.int64(moves[move, TARGET])


@jit
def add_move(head: Any, states: Any, moves: Any, table: Any, state: Any, token: Any, target: Any) -> None:
    """Set the target of a state's transition by a token; add the transition if it is missing."""
    slot = slot_of(moves, table, state, token)
    move = np.int64(table[slot])
    if move < 0:
        move = head[MOVES_MADE]
        head[MOVES_MADE] = move + 1
        table[slot] = move
        moves[move, STATE] = state
        moves[move, TOKEN] = token
        moves[move, NEXT] = states[state, MOVES]
        states[state, MOVES] = move
    moves[move, TARGET] = target


@jit
def add_state(head: Any, states: Any, length: Any, first: Any) -> Any:
    """Return a new state without transitions."""
    state = head[STATES]
    head[STATES] = state + 1
    states[state, LENGTH] = length
    states[state, LINK] = 0
    states[state, COUNT] = 0
    states[state, FIRST] = first
    states[state, LATEST] = -1
    states[state, EARLIER] = -1
    states[state, MOVES] = -1
    return state


@jit
def split(head: Any, states: Any, moves: Any, table: Any, at: Any, token: Any) -> Any:
    """Return the state of the longest factor of `at` followed by a token; cloned if it shares a state with
    longer factors."""
    after = target_of(moves, table, at, token)
    if states[after, LENGTH] == states[at, LENGTH] + 1:
        return after
    twin = add_state(head, states, states[at, LENGTH] + 1, states[after, FIRST])
    move = np.int64(states[after, MOVES])
    while move >= 0:
        add_move(
            head, states, moves, table, twin, np.int64(moves[move, TOKEN]), np.int64(moves[move, TARGET])
        )
        move = np.int64(moves[move, NEXT])
    states[twin, LINK] = states[after, LINK]
    states[twin, COUNT] = states[after, COUNT]
    states[twin, LATEST] = states[after, LATEST]
    states[twin, EARLIER] = states[after, EARLIER]
    states[after, LINK] = twin
    while at >= 0:
        slot = slot_of(moves, table, at, token)
        move = np.int64(table[slot])
        if move < 0 or moves[move, TARGET] != after:
            break
        moves[move, TARGET] = twin
        at = np.int64(states[at, LINK])
    return twin


@entry("int64(int64[::1], int32[:, ::1], int32[:, ::1], int32[::1], int32[::1])")
def start(head: Any, states: Any, moves: Any, table: Any, text: Any) -> Any:
    """Make the initial state, that of the empty text."""
    head[TOKENS] = head[STATES] = head[MOVES_MADE] = head[LAST] = 0
    table[:] = -1
    root = add_state(head, states, np.int64(0), np.int64(-1))
    states[root, LINK] = -1
    return root


@entry("int64(int64[::1], int32[:, ::1], int32[:, ::1], int32[::1], int32[::1], int32[::1])")
def extend(head: Any, states: Any, moves: Any, table: Any, text: Any, tokens: Any) -> Any:
    """Add tokens at the end of the text; return the text's length. The arrays have capacity for two states
    and three transitions a token, and one more of each. Cost: 0.1 us a token on average."""
    for i in range(len(tokens)):
        token = np.int64(tokens[i])
        place = head[TOKENS]
        text[place] = token
        head[TOKENS] = place + 1
        last = head[LAST]
        whole = add_state(head, states, np.int64(states[last, LENGTH]) + 1, place)
        at = last
        while at >= 0 and target_of(moves, table, at, token) < 0:
            add_move(head, states, moves, table, at, token, whole)
            at = np.int64(states[at, LINK])
        if at < 0:
            states[whole, LINK] = 0
        else:
            states[whole, LINK] = split(head, states, moves, table, at, token)
        head[LAST] = whole
        at = whole
        for _ in range(COUNTED):
            if at <= 0:
                break
            states[at, COUNT] += 1
            states[at, EARLIER] = states[at, LATEST]
            states[at, LATEST] = place
            at = np.int64(states[at, LINK])
    return head[TOKENS]


@entry("int64(int32[:, ::1], int64, int64)")
def shortened(states: Any, state: Any, longest: Any) -> Any:
    """Return the state of a factor's suffix of at most `longest` tokens."""
    while state > 0 and states[states[state, LINK], LENGTH] >= longest:
        state = np.int64(states[state, LINK])
    return state


@entry("int64(int32[:, ::1], int32[:, ::1], int32[::1], int64, int64, int32[::1])")
def follow(states: Any, moves: Any, table: Any, state: Any, length: Any, tokens: Any) -> Any:
    """Return 2^32 times the length, plus the state, of the longest suffix of another text that occurs in this
    one, after more tokens of the other text."""
    for i in range(len(tokens)):
        token = np.int64(tokens[i])
        after = target_of(moves, table, state, token)
        while state > 0 and after < 0:
            state = np.int64(states[state, LINK])
            length = np.int64(states[state, LENGTH])
            after = target_of(moves, table, state, token)
        if after < 0:
            state, length = np.int64(0), np.int64(0)
        else:
            state, length = after, length + 1
    return (length << 32) + state


@jit
def seen(states: Any, state: Any) -> Any:
    """Return how often a state's factors occur, at least 1."""
    return max(np.int64(states[state, COUNT]), np.int64(1))


@entry(
    "int64(int32[:, ::1], int32[:, ::1], int64, int64, int64, int64, int32[::1], int32[::1], float32[::1])"
)
def grow(
    states: Any,
    moves: Any,
    root: Any,
    most: Any,
    branches: Any,
    deepest: Any,
    out_tokens: Any,
    out_parents: Any,
    out_chances: Any,
) -> Any:
    """Write the likeliest `most` continuations of a state's factors, at most `branches` after each node and
    at most `deepest` tokens long; return their number. A share is the frequency of a continuation among all.
    Separators are left out. Cost: 0.1 us a node and transition.
    """
    room = most * branches + branches
    worth = np.empty(room, np.float64)
    share = np.empty(room, np.float64)
    parent = np.empty(room, np.int64)
    token = np.empty(room, np.int64)
    target = np.empty(room, np.int64)
    depth = np.empty(room, np.int64)
    open_ = np.empty(room, np.uint8)
    best = np.empty(branches, np.int64)
    waiting = count = 0
    at, at_worth, at_node, at_depth = root, 1.0, np.int64(-1), np.int64(0)
    while True:
        if at_depth < deepest:
            total, found = 0, 0
            move = np.int64(states[at, MOVES])
            while move >= 0:
                after = np.int64(moves[move, TARGET])
                if moves[move, TOKEN] >= 0:
                    total += seen(states, after)
                    # insertion sort of the best so far: by count, of equal ones the latest first
                    place = found
                    while place > 0:
                        other = np.int64(moves[best[place - 1], TARGET])
                        if states[other, COUNT] > states[after, COUNT] or (
                            states[other, COUNT] == states[after, COUNT]
                            and states[other, LATEST] > states[after, LATEST]
                        ):
                            break
                        place -= 1
                    if place < branches:
                        found = min(found + 1, branches)
                        for i in range(found - 1, place, -1):
                            best[i] = best[i - 1]
                        best[place] = move
                move = np.int64(moves[move, NEXT])
            for i in range(found):
                after = np.int64(moves[best[i], TARGET])
                share[waiting] = seen(states, after) / total
                worth[waiting] = at_worth * share[waiting]
                parent[waiting] = at_node
                token[waiting] = moves[best[i], TOKEN]
                target[waiting] = after
                depth[waiting] = at_depth + 1
                open_[waiting] = 1
                waiting += 1
        if count >= most:
            break
        likeliest = -1
        for i in range(waiting):
            if open_[i] and (likeliest < 0 or worth[i] > worth[likeliest]):
                likeliest = i
        if likeliest < 0:
            break
        open_[likeliest] = 0
        out_tokens[count] = token[likeliest]
        out_parents[count] = parent[likeliest]
        out_chances[count] = share[likeliest]
        at, at_worth, at_node, at_depth = (
            target[likeliest],
            worth[likeliest],
            np.int64(count),
            depth[likeliest],
        )
        count += 1
    return count


@entry("int64(int32[:, ::1], int32[::1], int64)")
def rehash(moves: Any, table: Any, count: Any) -> Any:
    """Insert the first `count` transitions into an empty table."""
    for move in range(count):
        state, token = np.int64(moves[move, STATE]), np.int64(moves[move, TOKEN])
        table[slot_of(moves, table, state, token)] = move
    return count
