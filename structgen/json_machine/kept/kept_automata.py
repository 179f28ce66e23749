"""The known part of automata: what is written of a pool, and automata that know nothing else."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from structgen.language.ir import UNKNOWN
from structgen.native.jit import entry

Array = npt.NDArray[np.int32]

_MOST_STATES = 20_000
"""The most states of a grammar's numeral automata that are kept."""
_UNKNOWN = int(UNKNOWN)


class Automata(Protocol):
    """What compiled code reads of automata: the states after each column, and the outcome of each state."""

    @property
    def trans(self) -> Array: ...

    @property
    def outcome(self) -> Array: ...

    @property
    def count(self) -> int: ...


class KnownRows(NamedTuple):
    """The part of automata that is kept; no entry of a row is UNKNOWN."""

    outcome: Array
    """Of each state; its length is the number of states."""
    known: Array
    """The states whose rows are kept."""
    rows: Array


class StoredAutomata:
    """Automata that know no more than their kept rows: whoever needs more makes new ones."""

    __slots__ = ("count", "made", "outcome", "trans")

    def __init__(self, kept: KnownRows) -> None:
        self.count = self.made = len(kept.outcome)
        self.outcome: Array = kept.outcome
        self.trans: Array = np.full((max(self.count, 1), kept.rows.shape[1]), UNKNOWN, np.int32)
        self.trans[kept.known] = kept.rows


def known_rows(automata: Automata) -> KnownRows:
    """Return all that is known of automata; each state keeps its number. Cost: 20 ns a state and column."""
    trans = automata.trans[: automata.count]
    known = np.flatnonzero((trans != UNKNOWN).all(axis=1)).astype(np.int32)
    return KnownRows(automata.outcome[: automata.count].astype(np.int32), known, trans[known])


def reached_rows(automata: Automata, roots: Iterable[int]) -> tuple[KnownRows, dict[int, int]]:
    """Return what known rows reach from some states, and the new number of each state: numeral automata have
    the states of a whole process. Past _MOST_STATES no more rows are read. Cost: 10 us, 0.3 us a state."""
    trans = automata.trans  # other threads may grow the automata and replace it
    first = np.array([state for state in dict.fromkeys(roots) if state >= 0], np.int32)
    order, known = _reached(trans, first)
    numbers = {state: at for at, state in enumerate(order.tolist())}
    renumbered = np.full(len(trans), UNKNOWN, np.int32)
    renumbered[order] = np.arange(len(order), dtype=np.int32)
    rows = trans[known]
    rows = np.where(rows >= 0, renumbered[rows], rows).astype(np.int32)
    return KnownRows(automata.outcome[order].astype(np.int32), renumbered[known], rows), numbers


def _reached(trans: Array, roots: Array) -> tuple[Array, Array]:
    """Return the states that known rows reach from `roots` (first in the list), and those with known rows."""
    seen: npt.NDArray[Any] = np.zeros(len(trans), np.uint8)
    seen[roots] = 1
    order = np.empty(len(trans), np.int32)
    order[: len(roots)] = roots
    known = np.zeros(len(trans), np.uint8)
    count = _reach(trans, seen, order, known, len(roots), _MOST_STATES)
    order = order[:count].copy()
    return order, order[known[:count] != 0]


@entry("int64(int32[:,::1], uint8[::1], int32[::1], uint8[::1], int64, int64)")
def _reach(trans, seen, order, known, count, most):  # type: ignore[no-untyped-def]
    """Follow the rows of `order[:count]`, which are marked in `seen`; return how many states were found."""
    width = trans.shape[1]
    at = 0
    while at < count and count <= most:
        state = order[at]
        whole = True
        for column in range(width):
            if trans[state, column] == _UNKNOWN:
                whole = False
                break
        if whole:
            known[at] = 1
            for column in range(width):
                after = trans[state, column]
                if 0 <= after < len(seen) and seen[after] == 0:
                    seen[after] = 1
                    order[count] = after
                    count += 1
        at += 1
    return count
