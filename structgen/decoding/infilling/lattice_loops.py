"""The compiled loops of infilling: sets of nodes taken over one slot."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from structgen.base.native.jit import entry

Array: TypeAlias = npt.NDArray[Any]

# `first`, `target`: an automaton's `Successors`. `jump`: of each node that the slot's token leads to the node
# after the slot (`Lattice.nodes_behind`). Arrays of nodes have one more element, for the node -1.
# `is_nullable`: whether the slot may stay empty.

_STATES = "int64[::1], int64[::1], int64[::1], boolean"


@entry(f"void({_STATES}, boolean[::1], boolean[::1])")
def find_leads(
    first: Array, target: Array, jump: Array, is_nullable: bool, after: Array, ways: Array
) -> None:
    """Write for each node whether some way leads from it to the end. `after` says this of the nodes
    after the slot."""
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
    """Mark the nodes after the slot that are reached from the nodes `here`."""
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
    """Mark the classes of tokens, the first ones, that lead from a node `here` to one that has a way to the
    end (`after`); and whether a null does: `null` [1]."""
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
