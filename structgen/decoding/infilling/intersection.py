"""Holes with types of their own under a grammar of the whole text: the intersection of two automata.

The whole text belongs to the grammar, and a hole's text belongs to the hole's type. So inside a typed hole a
state of the intersection is a *pair*: a state of the grammar's automaton and a state of the type's automaton.
Outside such a hole it is a state of the grammar's automaton.

Tokens do not show where a hole begins and ends, because slots may stay empty. So the lattice has
two more slots for each such hole, before and after it, which hold *marks*: columns of the automaton that no
token has. The mark before the hole pairs the state with the type's start. The mark after it drops the type's
state, and has no transition if that state does not accept. The result is deterministic, so masks are
exact.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import numpy as np

from structgen.base.errors import OptionError
from structgen.decoding.infilling.token_automaton import DEAD, Ints, Numbers, TokenAutomaton, marked_automaton


@dataclass(frozen=True)
class Marks:
    """The automaton's columns for the edges of holes."""

    columns_before: Mapping[str, int]
    """The column of the mark before each typed hole, by the hole's name."""
    column_behind: int


NO_MARKS: Final = Marks({}, DEAD)
"""The marks of a canvas without typed holes: there are none."""


@lru_cache(maxsize=16)
def intersect_types(
    whole: TokenAutomaton,
    outline: tuple[tuple[int, ...] | str, ...],
    types: tuple[tuple[str, TokenAutomaton], ...],
    state_limit: int,
) -> tuple[TokenAutomaton, Marks]:
    """Return the automaton of a template under a grammar, if some of its holes have types, and its marks.

    `outline`: the template: a tuple of tokens for fixed text, a name for a hole. For example ((5, 9), "age",
    (7,)). `types`: the name and the automaton of each typed hole. `state_limit`: the most states of the
    result. Raises OptionError beyond it. Cost: memory and time for each reachable pair of states, times the
    token classes that any of the automata distinguishes.
    """
    token_class, (outer, *tables) = _common_classes(whole, [automaton for _, automaton in types])
    width = outer.shape[1]
    count = len(types)
    inner = {name: (automaton, table) for (name, automaton), table in zip(types, tables, strict=True)}
    # The columns of marks come after those of token classes: one for the mark before each typed hole, and
    # one that all the marks after holes share.
    marks = Marks({name: width + at for at, name in enumerate(inner)}, width + count)
    rows = [np.pad(outer, ((0, 0), (0, count + 1)), constant_values=DEAD)]
    states_before = np.array([whole.start])
    for piece in outline:
        if not isinstance(piece, str):
            for token in piece:
                # A token that is not in the grammar has the class -1, so it looks up the last column. This
                # column has no transition from the grammar's states.
                after = rows[0][states_before, token_class[token]]
                states_before = np.unique(after[after >= 0])
        elif piece in inner:
            automaton, moves = inner[piece]
            states_before = _add_inside(rows, states_before, piece, automaton, moves, marks, state_limit)
        else:
            # A hole without a type may hold anything that the grammar allows.
            states_before = _find_reachable(states_before, outer.__getitem__)
    table = np.concatenate(rows)
    accepting = np.zeros(len(table), np.bool_)
    accepting[: whole.states] = whole.accepting
    product = marked_automaton(whole.start, table, accepting, token_class, count + 1)
    # The minimal automaton may have fewer token classes, so the columns of marks have moved.
    return product, _move_marks(marks, product.token_class_count - width)


def _move_marks(marks: Marks, shift: int) -> Marks:
    """Return the same marks with `shift` added to each column."""
    columns_before = {name: column + shift for name, column in marks.columns_before.items()}
    return Marks(columns_before, marks.column_behind + shift)


def _common_classes(whole: TokenAutomaton, types: list[TokenAutomaton]) -> tuple[Ints, list[Ints]]:
    """Return the common class of each token [V], and each automaton's table over the common classes.

    Two tokens have the same common class if they have the same class in every automaton. -1: the token is not
    in the grammar. The first table is that of `whole`, the others are those of `types`.
    """
    key = whole.token_class.astype(np.int64)
    # `unique` numbers classes from 0. If some token has no class (-1), then -1 is the smallest and gets 0. So
    # 1 is subtracted from all numbers.
    has_dead = int(whole.token_class.min() < 0)
    for automaton in types:
        # Each pair of classes becomes one number. The class in the type is from -1 to `classes` - 1, so 1 is
        # added to it.
        pairs = np.where(key < 0, DEAD, key * (automaton.classes + 1) + automaton.token_class + 1)
        _, numbers = np.unique(pairs, return_inverse=True)
        key = numbers.reshape(-1).astype(np.int64) - has_dead
    live = np.flatnonzero(key >= 0)
    # The first token of each common class represents it.
    _, first = np.unique(key[live], return_index=True)
    chosen = live[first]
    tables = []
    for automaton in (whole, *types):
        # A token without a class in this automaton has -1, so it looks up the last column, of dead states.
        dead = np.full((automaton.states, 1), DEAD, np.int32)
        wide_table = np.concatenate((automaton.transitions, dead), axis=1)
        tables.append(wide_table[:, automaton.token_class[chosen]])
    return key.astype(np.int32), tables


def _add_inside(
    rows: list[Ints],
    states_before: Numbers,
    name: str,
    automaton: TokenAutomaton,
    moves: Ints,
    marks: Marks,
    state_limit: int,
) -> Numbers:
    """Add the states inside a typed hole to the tables, with the transitions of its marks. Return the
    grammar's states after the hole.

    `rows`: the tables so far, the grammar's first. `states_before`: the grammar's states before the hole.
    `name`: the hole's name. `automaton`: the automaton of its type. `moves`: the table of that automaton over
    the common classes. `marks`: the columns of marks.

    A pair of states is one number: the grammar's state times the count of the type's states, plus the type's
    state. For example, with a type of 10 states, the pair 32 is the states 3 and 2. Raises OptionError
    beyond `state_limit` states in all.
    """
    # The grammar's table without the columns of marks.
    outer = rows[0][:, : moves.shape[1]]
    size = automaton.states
    count = sum(map(len, rows))
    remaining = max(state_limit - count, 0)

    def pairs_after(pairs: Numbers) -> Numbers:
        """Return the pair after each pair and each class of tokens, -1 for none."""
        outer_states = outer[pairs // size]
        type_states = moves[pairs % size]
        are_both_alive = (outer_states >= 0) & (type_states >= 0)
        return np.where(are_both_alive, outer_states.astype(np.int64) * size + type_states, DEAD)

    starts = states_before.astype(np.int64) * size + automaton.start
    pairs = _find_reachable(starts, pairs_after, remaining)
    if len(pairs) > remaining:
        raise OptionError(
            f"The grammar of the whole has {len(outer):,} states and the hole {name!r} a type of "
            f"{size:,}: together they need more than the {remaining:,} states that are left.",
            where="max_states",
            cure="Bound the hole's type or the grammar, reduce depth=, or increase max_states= (up "
            "to 32,768).",
        )
    # The pairs are numbered after all earlier states. They are sorted, so `searchsorted` finds their numbers.
    numbers = count + np.arange(len(pairs), dtype=np.int32)
    targets = pairs_after(pairs)
    table = np.full((len(pairs), rows[0].shape[1]), DEAD, np.int32)
    has_target = targets >= 0
    token_columns = table[:, : moves.shape[1]]  # a view
    token_columns[has_target] = numbers[np.searchsorted(pairs, targets[has_target])]
    states = pairs // size
    accepts = automaton.accepting[pairs % size]
    table[accepts, marks.column_behind] = states[accepts]
    rows[0][states_before, marks.columns_before[name]] = numbers[np.searchsorted(pairs, starts)]
    rows.append(table)
    return np.unique(states[accepts])


def _find_reachable(
    starts: Numbers, successors_of: Callable[[Numbers], Any], limit: float = math.inf
) -> Numbers:
    """Return the numbers that are reached from the `starts`, ascending. The search stops early when more than
    `limit` are found. `successors_of`: returns the numbers after each number of an array; -1 for none."""
    visited = fresh = np.unique(starts)
    while len(fresh) and len(visited) <= limit:
        targets = np.unique(successors_of(fresh))
        fresh = np.setdiff1d(targets[targets >= 0], visited, assume_unique=True)
        visited = np.union1d(visited, fresh)
    return visited
