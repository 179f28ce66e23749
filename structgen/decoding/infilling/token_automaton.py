"""The automaton of a lattice: deterministic and minimal, with transitions labelled by token classes.

Two tokens belong to the same *class* if every state leads to the same state by both. In JSON a hundred
classes are enough: one class, of letters, holds most of a vocabulary of 152,000 tokens.

A slot may also stay empty: it holds a null. So a node of a lattice is a state and a flag, 0 if the hole may
have more tokens, 1 after its first null. Its number is flag * states + state. A null keeps the state and sets
the flag, which is reset at the end of the hole.

A *mark* is a class that no token has: only slots that are fixed to it read it (`LatticeSlot.column`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final, NamedTuple

import numpy as np

from structgen.automata.strings.automata import first_of_blocks
from structgen.base.native.array_types import BoolArray, Int32Array, Int64Array
from structgen.machines.core.dfa import Dfa, equivalent_states

DEAD: Final = -1

Ints = Int32Array
Numbers = Int64Array
Bools = BoolArray


class Successors(NamedTuple):
    """The distinct states that some token leads to from each state, as two flat arrays for compiled loops.

    The states after state s are `target[first[s]:first[s + 1]]`.
    """

    first: Numbers
    """[states + 1]: the index in `target` at which the states after each state begin."""
    target: Numbers


@dataclass(frozen=True, eq=False)
class TokenAutomaton:
    """A minimal deterministic automaton over token classes."""

    start: int
    transitions: Ints
    """[states, classes]: the state after a token of a class, -1 where there is none."""
    accepting: Bools
    """bool [states]: whether a text may end in the state."""
    token_class: Ints
    """[V]: the class of a token, -1 where it is allowed in no state."""

    @cached_property
    def states(self) -> int:
        """How many states there are."""
        return len(self.transitions)

    @property
    def classes(self) -> int:
        """How many token classes there are."""
        return int(self.transitions.shape[1])

    @cached_property
    def token_class_count(self) -> int:
        """How many classes have tokens. The classes of marks come after these."""
        return int(self.token_class.max(initial=DEAD)) + 1

    @cached_property
    def successors(self) -> Successors:
        """The distinct states that some token leads to from each state."""
        source, column = np.nonzero(self.transitions[:, : self.token_class_count] >= 0)
        # Each pair of states becomes one number, so that `unique` sorts the pairs by their first state.
        pairs = np.unique(source * self.states + self.transitions[source, column])
        first = np.searchsorted(pairs, np.arange(self.states + 1) * self.states)
        return Successors(first, pairs % self.states)

    @cached_property
    def only_token(self) -> Numbers:
        """[classes]: the token of each class that has exactly one; -1 for a class with several or none."""
        live = np.flatnonzero(self.token_class >= 0)
        live_classes = self.token_class[live]
        # A class with several tokens gets its last one here, and -1 below.
        tokens = np.full(self.classes, DEAD, np.int64)
        tokens[live_classes] = live
        token_counts = np.bincount(live_classes, minlength=self.classes)
        tokens[token_counts > 1] = DEAD
        return tokens


def token_automaton(dfa: Dfa) -> TokenAutomaton:
    """Return the minimal automaton of an explicit one: equivalent states and equal classes are merged.

    Cost: a few passes over [states, classes] for each round of partition refinement. The rounds are at most
    the length of the longest shortest text that distinguishes two states.
    """
    return marked_automaton(dfa.start, dfa.transitions, dfa.accepting, dfa.token_class, 0)


def marked_automaton(
    start: int, table: Ints, accepting: Bools, token_class: Ints, marks: int
) -> TokenAutomaton:
    """Return the minimal automaton of a table with columns of marks.

    `start`: the number of the first state. `table`: int [states, columns], the state after each column.
    `accepting`: bool [states]. `token_class`: int [V], the column of each token. `marks`: how many columns,
    the last ones, are those of marks; 0 without typed holes. They are the last columns of the result, too,
    after its `token_class_count` others.
    """
    # Equivalent states form a block. One of them represents it, and gets the block's number. A transition to
    # -1 looks up the last element, which is -1.
    chosen, blocks = first_of_blocks(equivalent_states(table, accepting))
    block_of_state = np.append(blocks, DEAD).astype(np.int32)
    merged_table = block_of_state[table[chosen]]
    token_columns = merged_table.shape[1] - marks
    columns, column_numbers = _unique_columns(merged_table[:, :token_columns], token_class)
    classes = np.append(column_numbers, DEAD).astype(np.int32)[token_class]
    transitions = np.concatenate((columns, merged_table[:, token_columns:]), axis=1)
    # Compiled loops take contiguous arrays alone.
    return TokenAutomaton(int(blocks[start]), np.ascontiguousarray(transitions), accepting[chosen], classes)


def _unique_columns(table: Ints, token_class: Ints) -> tuple[Ints, Numbers]:
    """Return the distinct columns that have a token and a transition, and the new number of each old column;
    -1 if it was dropped. `table`: [states, columns]; `token_class`: [V], the column of each token."""
    has_token = np.isin(np.arange(table.shape[1]), token_class)
    has_transition = (table >= 0).any(axis=0)
    live = np.flatnonzero(has_token & has_transition)
    # `unique` compares rows, so the columns become rows.
    live_columns = np.ascontiguousarray(table[:, live].T)
    columns, inverse = np.unique(live_columns, axis=0, return_inverse=True)
    numbers = np.full(table.shape[1], DEAD, np.int64)
    numbers[live] = inverse.reshape(-1)
    return np.ascontiguousarray(columns.T), numbers
