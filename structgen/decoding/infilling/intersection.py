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

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt

from structgen.base.errors import OptionError
from structgen.decoding.infilling.token_automaton import DEAD, Ints, TokenAutomaton, marked_automaton


@dataclass(frozen=True)
class Marks:
    """The automaton's columns for the edges of holes."""

    before: Mapping[str, int]
    """By the hole's name."""
    behind: int


NO_MARKS: Final = Marks({}, DEAD)
"""Of a canvas without such holes."""


@lru_cache(maxsize=16)
def intersection(
    whole: TokenAutomaton,
    outline: tuple[tuple[int, ...] | str, ...],
    types: tuple[tuple[str, TokenAutomaton], ...],
    most: int,
) -> tuple[TokenAutomaton, Marks]:
    """Return the automaton of a template under a grammar, if some of its holes have types, and its marks.

    `outline`: the template, fixed text as tokens and holes by name; `types`: the automata of typed holes.
    Cost: memory and time for each reachable pair of states, times the token classes that any of the automata
    distinguishes. Raises OptionError beyond `most` states.
    """
    token_class, columns = _common_classes(whole, [one for _, one in types])
    width, own = columns[0].shape[1], whole.states
    types_of = {name: (automaton, columns[1 + at]) for at, (name, automaton) in enumerate(types)}
    marks = Marks({name: width + at for at, (name, _) in enumerate(types)}, width + len(types))
    rows = [np.pad(columns[0], ((0, 0), (0, len(types) + 1)), constant_values=DEAD)]
    count = own
    reached = np.zeros(own, np.bool_)
    reached[whole.start] = True
    for piece in outline:
        if not isinstance(piece, str):
            reached = _behind_text(whole, reached, piece)
        elif piece not in types_of:
            reached = _behind_any(columns[0], reached)
        else:
            automaton, moves = types_of[piece]
            starts = np.flatnonzero(reached) * automaton.states + automaton.start
            codes, targets = _pairs(columns[0], moves, starts, most - count, piece, (own, automaton.states))
            numbers = count + np.arange(len(codes), dtype=np.int32)
            table = np.full((len(codes), width + len(types) + 1), DEAD, np.int32)
            known = targets >= 0
            table[:, :width][known] = numbers[np.searchsorted(codes, targets[known])]
            outer, inner = np.divmod(codes, automaton.states)
            accepts = automaton.accepting[inner]
            table[accepts, marks.behind] = outer[accepts]
            rows[0][starts // automaton.states, marks.before[piece]] = numbers[np.searchsorted(codes, starts)]
            rows.append(table)
            count += len(codes)
            reached = np.zeros(own, np.bool_)
            reached[outer[accepts]] = True
    accepting = np.zeros(count, np.bool_)
    accepting[:own] = whole.accepting
    found = marked_automaton(whole.start, np.concatenate(rows), accepting, token_class, len(types) + 1)
    moved = found.unmarked - width
    return found, Marks({name: at + moved for name, at in marks.before.items()}, marks.behind + moved)


def _common_classes(whole: TokenAutomaton, types: list[TokenAutomaton]) -> tuple[Ints, list[Ints]]:
    """Return the class of each token (tokens in the same class in all automata; -1: not in the grammar), and
    each automaton's table over these classes."""
    key = whole.token_class.astype(np.int64)
    for one in types:
        pairs = np.where(key < 0, DEAD, key * (one.classes + 1) + one.token_class + 1)
        _, numbers = np.unique(pairs, return_inverse=True)  # renumbered from 0
        key = numbers.reshape(-1).astype(np.int64) - int(whole.token_class.min() < 0)
    live = np.flatnonzero(key >= 0)
    _, first = np.unique(key[live], return_index=True)
    chosen = live[first]
    tables = []
    for one in (whole, *types):
        dead = np.full((one.states, 1), DEAD, np.int32)
        tables.append(np.concatenate((one.transitions, dead), axis=1)[:, one.token_class[chosen]])
    return key.astype(np.int32), tables


def _behind_text(
    whole: TokenAutomaton, reached: npt.NDArray[np.bool_], tokens: tuple[int, ...]
) -> npt.NDArray[np.bool_]:
    for token in tokens:
        column = int(whole.token_class[token])
        after: Ints = whole.transitions[reached, column] if column >= 0 else np.empty(0, np.int32)
        reached = np.zeros(len(reached), np.bool_)
        reached[after[after >= 0]] = True
    return reached


def _behind_any(table: Ints, reached: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Return the states after any tokens."""
    fresh = np.flatnonzero(reached)
    found = reached.copy()
    while len(fresh):
        after = np.unique(table[fresh])
        fresh = after[after >= 0].astype(np.int64)
        fresh = fresh[~found[fresh]]
        found[fresh] = True
    return found


def _pairs(
    outer: Ints, inner: Ints, starts: npt.NDArray[np.int64], most: int, name: str, sizes: tuple[int, int]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the reachable pairs of states, ascending, each as a number (outer state times the number of
    inner states, plus the inner one), and for each the pair after each class, -1 for none."""

    def after(codes: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        left, right = outer[codes // sizes[1]], inner[codes % sizes[1]]
        return np.where((left >= 0) & (right >= 0), left.astype(np.int64) * sizes[1] + right, DEAD)

    seen = fresh = np.unique(starts)
    while len(fresh):
        if len(seen) > most:
            raise OptionError(
                f"The grammar of the whole has {sizes[0]:,} states and the hole {name!r} a type of "
                f"{sizes[1]:,}: inside the hole both together need more than the {max(most, 0):,} states "
                "that are left.",
                where="max_states",
                cure="Bound the hole's type or the grammar, lower depth=, or raise max_states= (to 32,768 at "
                "most).",
            )
        found = np.unique(after(fresh))
        fresh = np.setdiff1d(found[found >= 0], seen, assume_unique=True)
        seen = np.union1d(seen, fresh)
    return seen, after(seen)
