"""The automaton of a lattice: deterministic and minimal, with transitions labelled by token classes.

Tokens that lead every state to the same state are one class. In JSON a hundred classes suffice; a class
of letters holds most of a vocabulary of 152,000 tokens. For sums over paths transitions are grouped further:
an *edge* is a pair of states with a token between them, and a *class set* labels an edge. Edges share class
sets, so that a lattice sums each class set once per slot, not once per edge.

A slot may also stay empty: it holds a null. So a node of a lattice is a state and a flag, 0 if the hole may
have more tokens, 1 after its first null. Its number is flag * states + state. Nulls are edges too: they keep
the state and set the flag, which is reset at the end of the hole.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from structgen.core.dfa import Dfa, equivalent_states, representatives

DEAD: Final = -1

Ints = npt.NDArray[np.int32]
Numbers = npt.NDArray[np.int64]


class Groups(NamedTuple):
    """Runs of equal values in an array, none of them empty."""

    first: Numbers
    """Where each run begins, for `ufunc.reduceat`."""
    of: Numbers
    """The run of each element."""


class Edges(NamedTuple):
    """The edges of an automaton, ordered by the nodes that they come from."""

    first: Numbers
    """[nodes + 1]: where the edges of each node begin."""
    target: Numbers
    label: Numbers


@dataclass(frozen=True, eq=False)
class TokenAutomaton:
    """A minimal deterministic automaton over token classes, and the edges between the nodes of a lattice."""

    start: int
    transitions: Ints
    """[states, classes]: the state after a token of a class, -1 where there is none."""
    accepting: npt.NDArray[np.bool_]
    """[states]"""
    token_class: Ints
    """[V]: the class of a token, -1 where it is allowed in no state."""
    class_start: Ints
    """[classes + 1]: where the tokens of a class begin in `class_tokens`."""
    class_tokens: Ints
    """Tokens ordered by class, then by id."""
    source: Numbers
    """[edges]: the node that an edge comes from, ascending. The null of each node comes before the edges with
    tokens, which are ordered by their targets."""
    target: Numbers
    """[edges]: the node that an edge leads to."""
    label: Numbers
    """[edges]: the class set of an edge; `sets` is that of a hole's first null, `sets` + 1 of a later one."""
    set_start: Ints
    """[class sets + 1]: where the classes of a class set begin in `set_classes`."""
    set_classes: Ints

    @cached_property
    def states(self) -> int:
        """How many states there are."""
        return len(self.transitions)

    @property
    def classes(self) -> int:
        """How many token classes there are."""
        return int(self.transitions.shape[1])

    @cached_property
    def sets(self) -> int:
        """How many class sets there are."""
        return len(self.set_start) - 1

    @cached_property
    def edges(self) -> Edges:
        """The edges, for compiled loops."""
        return Edges(np.append(groups(self.source).first, len(self.source)), self.target, self.label)

    @cached_property
    def classes_by_set(self) -> Groups:
        """The runs of each class set in `set_classes`."""
        return groups(np.repeat(np.arange(self.sets), np.diff(self.set_start)))

    @cached_property
    def sets_by_class(self) -> tuple[Numbers, Groups]:
        """The class sets that each class is in, and the runs of each class; only marks are in none."""
        order = np.argsort(self.set_classes, kind="stable")
        return self.classes_by_set.of[order], groups(self.set_classes[order])


def groups(values: npt.ArrayLike) -> Groups:
    """Return the runs of equal values of an array."""
    found = np.asarray(values, np.int64)
    first = np.flatnonzero(np.diff(found, prepend=found[:1] - 1))
    return Groups(first, np.repeat(np.arange(len(first)), np.diff(first, append=len(found))))


def token_automaton(dfa: Dfa) -> TokenAutomaton:
    """Return the automaton of an explicit one, with equivalent states and equal classes merged.

    Cost: a few passes over [states, classes] for each round of partition refinement. The rounds are at most
    the length of the longest shortest text that distinguishes two states.
    """
    return marked_automaton(dfa.start, dfa.transitions, dfa.accepting, dfa.token_class, 0)[0]


def marked_automaton(
    start: int, table: Ints, accepting: npt.NDArray[np.bool_], token_class: Ints, marks: int
) -> tuple[TokenAutomaton, list[int]]:
    """Return the minimal automaton of a table whose last `marks` columns are *marks*: no token has them, and
    only slots fixed to them use them (`Lattice(columns=...)`). Also returns the marks' columns in the result.
    """
    chosen, blocks = representatives(equivalent_states(table, accepting))
    merged = np.append(blocks, DEAD).astype(np.int32)[table[chosen]]
    tokens = merged.shape[1] - marks
    columns, of_column = _unique_columns(merged[:, :tokens], token_class)
    kept = columns.shape[1]
    classes = np.append(of_column, DEAD).astype(np.int32)[token_class]
    wide = np.ascontiguousarray(np.concatenate((columns, merged[:, tokens:]), axis=1))
    return _indexed(int(blocks[start]), wide, accepting[chosen], classes, kept), list(
        range(kept, kept + marks)
    )


def _unique_columns(table: Ints, token_class: Ints) -> tuple[Ints, Numbers]:
    """Return the distinct columns that have a token and a transition, and for each old column its number, -1
    for none."""
    has_token = np.isin(np.arange(table.shape[1]), token_class)
    live = np.flatnonzero(has_token & (table >= 0).any(axis=0))
    columns, inverse = np.unique(np.ascontiguousarray(table[:, live].T), axis=0, return_inverse=True)
    numbers = np.full(table.shape[1], DEAD, np.int64)
    numbers[live] = inverse.reshape(-1)
    return np.ascontiguousarray(columns.T), numbers


def _indexed(
    start: int, table: Ints, accepting: npt.NDArray[np.bool_], token_class: Ints, unmarked: int
) -> TokenAutomaton:
    """Return the automaton with its edges and class sets, which are of the first `unmarked` columns."""
    states = len(table)
    order = np.argsort(token_class, kind="stable").astype(np.int32)
    order = order[np.searchsorted(token_class[order], 0) :]
    class_start = np.searchsorted(token_class[order], np.arange(table.shape[1] + 1)).astype(np.int32)
    source, column = np.nonzero(table[:, :unmarked] >= 0)
    target = table[source, column]
    by_edge = np.lexsort((column, target, source))
    source, column, target = source[by_edge], column[by_edge].astype(np.int32), target[by_edge]
    first = groups(source * states + target).first
    known: dict[bytes, int] = {}
    label = [
        known.setdefault(column[begin:end].tobytes(), len(known))
        for begin, end in zip(first, [*first[1:], len(column)], strict=True)
    ]
    members = [np.frombuffer(one, np.int32) for one in known]
    nodes = np.arange(2 * states)
    sources = np.concatenate((nodes, source[first]))
    by_source = np.argsort(sources, kind="stable")
    targets = np.concatenate((states + nodes % states, target[first]))
    labels = np.concatenate((len(known) + nodes // states, np.array(label, np.int64)))
    return TokenAutomaton(
        start,
        table,
        accepting,
        token_class,
        class_start,
        order,
        sources[by_source],
        targets[by_source].astype(np.int64),
        labels[by_source],
        np.cumsum([0, *map(len, members)]).astype(np.int32),
        np.concatenate(members) if members else np.empty(0, np.int32),
    )
