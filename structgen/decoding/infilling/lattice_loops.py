"""The compiled loops of infilling: each takes a set of nodes over one slot.

A *node* is a number, flag * states + state: a state of the automaton, and a flag that is 1 after the first
null (empty slot) of a hole. A set of nodes is an array of bool, with an element for each node and a last one
for the node -1 (none).
"""

from __future__ import annotations

import numpy as np

from structgen.base.native.array_types import Array
from structgen.base.native.jit import entry

# Parameters that the loops share:
# `first`, `target`: the automaton's `Successors`: `target[first[s]:first[s + 1]]` are the states after state
# s. `jump`: the node after the slot, for each node that a token or a null of the slot leads to
# (`Lattice.nodes_behind`). `is_nullable`: whether the slot may stay empty.

_STATES = "int64[::1], int64[::1], int64[::1], boolean"


@entry(f"void({_STATES}, boolean[::1], boolean[::1])")
def find_leads(
    first: Array, target: Array, jump: Array, is_nullable: bool, after: Array, ways: Array
) -> None:
    """Write into `ways`, for each node before the slot, whether a path leads from it to the end. `after` has
    the same for the nodes after the slot."""
    states = len(first) - 1
    for state in range(states):
        leads = is_nullable and after[jump[states + state]]
        ways[states + state] = leads
        for at in range(first[state], first[state + 1]):
            if leads:
                break
            leads = after[jump[target[at]]]
        ways[state] = leads


@entry(f"void({_STATES}, boolean[::1], boolean[::1])")
def find_reached(
    first: Array, target: Array, jump: Array, is_nullable: bool, here: Array, there: Array
) -> None:
    """Mark in `there` the nodes after the slot that are reached from the nodes of `here`, before the slot."""
    states = len(first) - 1
    for state in range(states):
        if is_nullable and (here[state] or here[states + state]):
            there[jump[states + state]] = True
        if here[state]:
            for at in range(first[state], first[state + 1]):
                there[jump[target[at]]] = True
    there[-1] = False


@entry("void(int32[:, ::1], int64[::1], boolean, boolean[::1], boolean[::1], boolean[::1], boolean[::1])")
def find_live(
    transitions: Array, jump: Array, is_nullable: bool, here: Array, after: Array, live: Array, null: Array
) -> None:
    """Mark in `live` the classes of tokens that fit the slot, and in `null` [1] whether a null fits it.

    A class fits if it leads from a node of `here` to a node of `after`, from which a path leads to the end.
    `transitions`: the automaton's table, [states, columns]; `live` covers its first columns, those of tokens.
    """
    remaining, count, states = np.arange(len(live)), len(live), len(transitions)
    for state in range(states):
        if is_nullable and (here[state] or here[states + state]) and after[jump[states + state]]:
            null[0] = True
        if here[state]:
            at = 0
            while at < count:
                target = transitions[state, remaining[at]]
                if target >= 0 and after[jump[target]]:
                    live[remaining[at]] = True
                    count -= 1
                    remaining[at] = remaining[count]
                else:
                    at += 1
