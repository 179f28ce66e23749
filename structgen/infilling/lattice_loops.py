"""The compiled loops of infilling: sets of nodes taken over one slot."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy.typing as npt

from structgen.native.jit import entry

Array: TypeAlias = npt.NDArray[Any]

# `first`, `target`, `label`: an automaton's edges (`Edges`). `jump`: of each node behind this slot the node
# before the next masked one; -1 for none. Arrays of nodes have one more element, for the node -1. `usable`:
# how many labels, the first ones, edges of the slot have.

_EDGES = "int64[::1], int64[::1], int64[::1], int64[::1]"


@entry(f"void({_EDGES}, int64, boolean[::1], boolean[::1])")
def find_leads(
    first: Array, target: Array, label: Array, jump: Array, usable: int, after: Array, found: Array
) -> None:
    """Write for each node whether some way leads from it to the end. `after` says this of the next masked
    slot's nodes."""
    for node in range(len(first) - 1):
        found[node] = False
        for e in range(first[node], first[node + 1]):
            if label[e] < usable and after[jump[target[e]]]:
                found[node] = True
                break


@entry(f"void({_EDGES}, int64, boolean[::1], boolean[::1])")
def find_reached(
    first: Array, target: Array, label: Array, jump: Array, usable: int, here: Array, there: Array
) -> None:
    """Mark the next masked slot's nodes that are reached from the nodes `here`."""
    for node in range(len(first) - 1):
        if here[node]:
            for e in range(first[node], first[node + 1]):
                if label[e] < usable and jump[target[e]] >= 0:
                    there[jump[target[e]]] = True


@entry(f"void({_EDGES}, int64, boolean[::1], boolean[::1], boolean[::1])")
def find_live(
    first: Array,
    target: Array,
    label: Array,
    jump: Array,
    usable: int,
    here: Array,
    after: Array,
    live: Array,
) -> None:
    """Mark the labels of edges from the nodes `here` to those that have a way to the end (`after`)."""
    for node in range(len(first) - 1):
        if here[node]:
            for e in range(first[node], first[node + 1]):
                if label[e] < usable and after[jump[target[e]]]:
                    live[label[e]] = True
