"""Places that no state needs any more: tokens that were tried, and proofs. They go, so that a long text
keeps its memory."""

from __future__ import annotations

import numpy as np

from structgen.base.native.typed_blocks import word_of, words_of
from structgen.grammars.lark_grammars.machine import lark_layout as L
from structgen.machines.machine_core.growing_tables import NODES, GrowingTables
from structgen.machines.machine_core.layout import READING

_CELLS = word_of(L.LarkContext, "cells")
_PLACES = word_of(L.LarkContext, "places")
_READ_OF_PLACES = {
    "steps_known": L.LarkStep,
    "proofs": L.Proof,
    "units": L.Unit,
    "results": L.LarkResult,
}
"""The tables of what was read of places, each with its rows."""


def forget_places(growing_tables: GrowingTables) -> int:
    """Drop the places and cells that no state needs, and all that was remembered of places; return how many
    places stay. States keep their numbers, and places and cells their order. Under the grammar's lock.
    Cost: some milliseconds."""
    cells = growing_tables.rows(_CELLS)[: growing_tables.count(_CELLS)]
    places = growing_tables.rows(_PLACES)[: growing_tables.count(_PLACES)]
    nodes = growing_tables.rows(NODES)[: growing_tables.count(NODES)].copy()

    # Places: those of states stay, in their order.
    is_reading = nodes[:, L.LarkState.mode] == READING
    used_places = nodes[is_reading, L.LarkState.place]
    old_numbers, new_numbers = np.unique(used_places, return_inverse=True)
    nodes[is_reading, L.LarkState.place] = new_numbers.reshape(-1)
    kept_places = places[old_numbers]

    # Cells: those of these places, and all below them.
    is_kept = np.zeros(len(cells), np.bool_)
    tops = kept_places[:, [L.LarkPlace.stack, L.LarkPlace.widths]]
    pending = np.unique(tops)
    while len(pending):
        is_kept[pending] = True
        below = np.unique(cells[pending, L.Cell.below])
        pending = below[(below >= 0) & ~is_kept[below]]
    # In the same order, so that a stack still has a larger number than what lies below its top.
    cell_numbers = np.cumsum(is_kept) - 1
    kept_cells = cells[is_kept]
    below = kept_cells[:, L.Cell.below]
    kept_cells[:, L.Cell.below] = np.where(below < 0, -1, cell_numbers[below])
    for word in (L.LarkPlace.stack, L.LarkPlace.widths):
        kept_places[:, word] = cell_numbers[kept_places[:, word]]

    # What was read of places names them by their old numbers, so it goes.
    new_tables = {_CELLS: kept_cells, _PLACES: kept_places, NODES: nodes}
    for name, kind in _READ_OF_PLACES.items():
        table = word_of(L.LarkContext, name)
        new_tables[table] = np.empty((0, words_of(kind)), np.int64)
    growing_tables.load_tables(new_tables)
    # As much room as before: more places come.
    growing_tables.make_room(_CELLS, len(cells))
    growing_tables.make_room(_PLACES, len(places))
    return len(kept_places)
