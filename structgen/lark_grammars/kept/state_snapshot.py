"""Snapshots of a Lark grammar's states with masks, as plain arrays for its file.

Most places occur only inside proofs. A snapshot has only the states whose masks are known, and the places,
stacks and widths that they use, renumbered.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from structgen.lark_grammars.compiled import registers as K
from structgen.limits import Limits
from structgen.machine_core.growing_tables import EDGES, LISTS, NODES, GrowingTables

Array = npt.NDArray[Any]


class StateSnapshot(NamedTuple):
    """Rows of the tables; equal token lists are stored once."""

    start: int
    nodes: Array
    """N_ROW of a state is the number of a dense row, or -1."""
    pairs: Array
    places: Array
    edges: Array
    lists: Array

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays."""
        return sum(int(one.nbytes) for one in self[1:])

    def emptied(self) -> StateSnapshot:
        """Return a snapshot with only the first state, without its mask."""
        return _snapshot(self.start, *self[1:], np.zeros(len(self.nodes), np.bool_))


def take(tables: GrowingTables, start: int) -> StateSnapshot:
    """Return the snapshot of the states with masks, and the first state. The caller holds the grammar's lock.
    Cost: some milliseconds for 10,000 states."""
    held = [tables.rows(table)[: tables.count(table)] for table in (NODES, K.CELLS, K.PLACES, EDGES)]
    nodes, pairs, places, edges = held
    chosen = (nodes[:, K.LarkState.mode] == K.READING) & (nodes[:, K.LarkNode.token_list] >= 0)
    return _snapshot(start, nodes, pairs, places, edges, tables.rows(LISTS), chosen)


def _snapshot(
    start: int,
    nodes: Array,
    pairs: Array,
    places: Array,
    edges: Array,
    lists: Array,
    chosen: npt.NDArray[np.bool_],
) -> StateSnapshot:
    """Return the snapshot of the chosen states and the first one, from rows of tables."""
    masked = chosen.copy()
    # the liveness of some states is known
    told = (edges[:, 1] == K.LIVE_KEY) & ((edges[:, 3] == K.LIVE_YES) | (edges[:, 3] == K.LIVE_NO))
    told[told] = nodes[edges[told, 0], K.LarkState.mode] == K.READING
    chosen[edges[told, 0]] = True
    chosen[start] = True
    _close(chosen, nodes[:, K.LarkState.base])
    of_node, masked, nodes = _renumbered(chosen), masked[chosen], nodes[chosen].copy()
    of_place, pairs, places, read = _named(nodes[:, K.LarkState.place], pairs, places, edges)
    nodes[:, K.LarkState.place] = of_place[nodes[:, K.LarkState.place]]
    nodes[:, K.LarkState.base] = _moved(of_node, nodes[:, K.LarkState.base])
    nodes[~masked, K.LarkNode.dense_row] = nodes[~masked, K.LarkNode.token_list] = -1
    lists, nodes[masked, K.LarkNode.token_list] = _lists(lists, nodes[masked, K.LarkNode.token_list].tolist())
    edges = edges[told].copy()
    edges[:, 0] = of_node[edges[:, 0]]
    return StateSnapshot(int(of_node[start]), nodes, pairs, places, np.concatenate((read, edges)), lists)


def clear(tables: GrowingTables) -> None:
    """Remove places that no state uses, with their stacks and edges, and what Python has answered of places;
    states keep their numbers. The caller holds the grammar's lock, and no one holds the number of a place.
    Cost: 0.1 us a place."""
    held = [tables.rows(table)[: tables.count(table)] for table in (NODES, K.CELLS, K.PLACES, EDGES)]
    nodes, pairs, places, edges = held
    docs = nodes[:, K.LarkState.mode] == K.READING
    of_place, pairs, places, read = _named(nodes[docs, K.LarkState.place], pairs, places, edges)
    nodes[docs, K.LarkState.place] = of_place[nodes[docs, K.LarkState.place]]
    edges = np.concatenate((read, edges[(edges[:, 1] < 0) & (edges[:, 1] != K.OPEN_KEY)]))
    for table, rows in (NODES, nodes), (K.CELLS, pairs), (K.PLACES, places), (EDGES, edges):
        tables.load(table, rows)


def _named(named: Array, pairs: Array, places: Array, edges: Array) -> tuple[Array, Array, Array, Array]:
    """Return the new number of each place that is used, and the remaining rows: pairs, places, edges between
    them."""
    after = edges[:, 3].astype(np.int32)  # drops the inspected part, whose cell numbers change
    there = np.zeros(len(places), np.bool_)
    there[0] = True
    there[named] = True
    stacked = np.zeros(len(pairs), np.bool_)
    stacked[0] = True
    stacked[places[there, K.LarkPlace.stack]] = True
    stacked[places[there, K.LarkPlace.widths]] = True
    _close(stacked, pairs[:, 1])
    read = (edges[:, 1] >= 0) & (after >= 0)
    read[read] = there[edges[read, 0]] & there[after[read]]
    of_place, of_pair = _renumbered(there), _renumbered(stacked)
    pairs, places, edges = pairs[stacked].copy(), places[there].copy(), edges[read].copy()
    for column in (K.LarkPlace.stack, K.LarkPlace.widths):
        places[1:, column] = of_pair[places[1:, column]]
    pairs[1:, 1] = _moved(of_pair, pairs[1:, 1])
    edges[:, 0], edges[:, 3] = of_place[edges[:, 0]], of_place[after[read]]
    return of_place, pairs, places, edges


class Slots(NamedTuple):
    """The hash slots of a snapshot's rows (`GrowingTables.slots`)."""

    nodes: Array
    pairs: Array
    places: Array
    edges: Array


def slots_of(snapshot: StateSnapshot, limits: Limits) -> Slots:
    """Return the slots of a snapshot's rows. Cost: 10 ns a row."""
    tables = GrowingTables(limits, K.LARK_TABLES)
    put(snapshot, tables)
    return Slots(*(tables.slots(table) for table in (NODES, K.CELLS, K.PLACES, EDGES)))


def put(snapshot: StateSnapshot, tables: GrowingTables, slots: Slots | None = None) -> int:
    """Use a snapshot's arrays as the tables, which are still empty; nobody else may write to them. Returns
    the number of the first state. Cost: 10 us, and 10 ns a row without `slots`."""
    loads = (
        (NODES, snapshot.nodes),
        (K.CELLS, snapshot.pairs),
        (K.PLACES, snapshot.places),
        (EDGES, snapshot.edges),
    )
    for (table, rows), hashes in zip(loads, slots or (None,) * len(loads), strict=True):
        tables.load(table, rows, hashes)
    tables.load(LISTS, snapshot.lists)
    return snapshot.start


def _close(chosen: npt.NDArray[np.bool_], to: Array) -> None:
    """Extend the chosen rows by all that they lead to (transitive closure); -1 leads nowhere."""
    new = chosen.copy()
    while new.any():
        after = np.unique(to[new])
        new = np.zeros_like(chosen)
        new[after[after >= 0]] = True
        new &= ~chosen
        chosen |= new


def _renumbered(chosen: npt.NDArray[np.bool_]) -> Array:
    """Return the new number of each row among the chosen ones."""
    return np.cumsum(chosen) - 1


def _moved(numbers: Array, column: Array) -> Array:
    """Return a column of renumbered entries; entries below 0 are unchanged."""
    return np.where(column >= 0, numbers[column], column)


def _lists(held: Array, offsets: list[int]) -> tuple[Array, list[int]]:
    """Return the token lists at some offsets, equal ones once, as a table of their own, and their positions
    in it."""
    places: dict[bytes, int] = {}
    parts: list[bytes] = []
    where, used = [], 0
    for at in offsets:
        content = held[at : at + 2 + int(held[at])].tobytes()
        place = places.get(content)
        if place is None:
            place = places[content] = used
            parts.append(content)
            used += len(content) // 4
        where.append(place)
    return np.frombuffer(bytearray(b"".join(parts)), np.int32), where
