"""Holes with types of their own under a grammar of the whole text: the intersection of two automata.

The whole text is in the grammar, and a hole's text is in the hole's type. So inside such a hole a state is a
pair: a state of the grammar's automaton and one of the type's. Outside it is a state of the grammar's
automaton. Tokens do not show where a hole begins and ends, because slots may stay empty. So the lattice has
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
    """By the hole's name."""
    column_behind: int


NO_MARKS: Final = Marks({}, DEAD)
"""Of a canvas without such holes."""


@lru_cache(maxsize=16)
def intersect_types(
    whole: TokenAutomaton,
    outline: tuple[tuple[int, ...] | str, ...],
    types: tuple[tuple[str, TokenAutomaton], ...],
    state_limit: int,
) -> tuple[TokenAutomaton, Marks]:
    """Return the automaton of a template under a grammar, if some of its holes have types, and its marks.

    `outline`: the template, fixed text as tokens and holes by name; `types`: the automata of typed holes.
    Cost: memory and time for each reachable pair of states, times the token classes that any of the automata
    distinguishes. Raises OptionError beyond `state_limit` states.
    """
    token_class, (outer, *tables) = _common_classes(whole, [automaton for _, automaton in types])
    width = outer.shape[1]
    count = len(types)
    inner = {name: (automaton, table) for (name, automaton), table in zip(types, tables, strict=True)}
    # After the classes of tokens a column for the mark before each typed hole, and one for all marks after.
    marks = Marks({name: width + at for at, name in enumerate(inner)}, width + count)
    rows = [np.pad(outer, ((0, 0), (0, count + 1)), constant_values=DEAD)]
    states_before = np.array([whole.start])
    for piece in outline:
        if not isinstance(piece, str):
            for token in piece:
                # the last column, of a token that the grammar has not, leads nowhere from its states
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
    # The minimal automaton has fewer classes of tokens, so the columns of marks have moved.
    return product, _move_marks(marks, product.token_class_count - width)


def _move_marks(marks: Marks, shift: int) -> Marks:
    """Return the marks of an automaton whose columns of marks stand elsewhere by `shift`."""
    columns_before = {name: column + shift for name, column in marks.columns_before.items()}
    return Marks(columns_before, marks.column_behind + shift)


def _common_classes(whole: TokenAutomaton, types: list[TokenAutomaton]) -> tuple[Ints, list[Ints]]:
    """Return the class of each token (tokens in the same class in all automata; -1: not in the grammar), and
    each automaton's table over these classes."""
    key = whole.token_class.astype(np.int64)
    # `unique` numbers from 0, and the least number is that of -1 where a token has no class.
    has_dead = int(whole.token_class.min() < 0)
    for automaton in types:
        # A pair of classes as one number. That of the type is -1 to `classes` - 1, so 1 is added.
        pairs = np.where(key < 0, DEAD, key * (automaton.classes + 1) + automaton.token_class + 1)
        _, numbers = np.unique(pairs, return_inverse=True)
        key = numbers.reshape(-1).astype(np.int64) - has_dead
    live = np.flatnonzero(key >= 0)
    # One token stands for all of its class.
    _, first = np.unique(key[live], return_index=True)
    chosen = live[first]
    tables = []
    for automaton in (whole, *types):
        # A token without a class there, -1, looks up the last column.
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
    """Add the states inside a typed hole to the tables, and the edges of its marks; return the states after
    it. `rows`: the tables so far, the grammar's first; `states_before`: the grammar's states before the hole;
    `name`, `automaton`, `moves`: the hole, the automaton of its type, and the table of it over the common
    classes; `marks`: the columns of marks.

    A pair of states is the number of the grammar's state, times the states of the type, plus that of its
    state. For example, with a type of 10 states the pair `32` is the states 3 and 2. Raises OptionError
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
            f"{size:,}: inside the hole both together need more than the {remaining:,} states that are left.",
            where="max_states",
            cure="Bound the hole's type or the grammar, lower depth=, or raise max_states= (to 32,768 at "
            "most).",
        )
    # The pairs become states after all earlier ones. They are sorted: `searchsorted` finds their places.
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
    """Return the numbers that are reached from some, ascending; of more than `limit` not all.
    `successors_of`: those after each of an array, -1 for none."""
    visited = fresh = np.unique(starts)
    while len(fresh) and len(visited) <= limit:
        targets = np.unique(successors_of(fresh))
        fresh = np.setdiff1d(targets[targets >= 0], visited, assume_unique=True)
        visited = np.union1d(visited, fresh)
    return visited
