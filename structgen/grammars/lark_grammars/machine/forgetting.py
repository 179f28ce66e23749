"""Places that no state needs any more: tokens that were tried, and proofs. They go, so that a long text
keeps its memory."""

from __future__ import annotations

import numpy as np

from structgen.base.native.typed_blocks import word_of, words_of
from structgen.grammars.lark_grammars.machine import lark_layout as L
from structgen.machines.machine_core.growing_tables import NODES, GrowingTables
from structgen.machines.machine_core.layout import READING

_CELLS, _PLACES, _STEPS, _PROOFS, _UNITS, _RESULTS = (
    word_of(L.LarkContext, name) for name in ("cells", "places", "steps_known", "proofs", "units", "results")
)
_READ_OF_PLACES = ((_STEPS, L.LarkStep), (_PROOFS, L.Proof), (_UNITS, L.Unit), (_RESULTS, L.LarkResult))


def forget_places(grown: GrowingTables) -> int:
    """Drop the places and cells that no state needs, and all that was remembered of places; return how many
    places stay. States keep their numbers, and places and cells their order. Under the grammar's lock.
    Cost: some milliseconds."""
    cells = grown.rows(_CELLS)[: grown.count(_CELLS)]
    places = grown.rows(_PLACES)[: grown.count(_PLACES)]
    nodes = grown.rows(NODES)[: grown.count(NODES)].copy()
    reading = nodes[:, L.LarkState.mode] == READING
    used, new_places = np.unique(nodes[reading, L.LarkState.place], return_inverse=True)
    kept_places, is_kept = places[used], np.zeros(len(cells), np.bool_)
    pending = np.unique(kept_places[:, [L.LarkPlace.stack, L.LarkPlace.widths]])
    while len(pending):
        is_kept[pending] = True
        below = np.unique(cells[pending, L.Cell.below])
        pending = below[(below >= 0) & ~is_kept[below]]
    numbers = np.cumsum(is_kept) - 1
    stacks = cells[is_kept]
    stacks[:, L.Cell.below] = np.where(stacks[:, L.Cell.below] < 0, -1, numbers[stacks[:, L.Cell.below]])
    for word in (L.LarkPlace.stack, L.LarkPlace.widths):
        kept_places[:, word] = numbers[kept_places[:, word]]
    nodes[reading, L.LarkState.place] = new_places.reshape(-1)
    empty_tables = {table: np.empty((0, words_of(kind)), np.int64) for table, kind in _READ_OF_PLACES}
    grown.load_tables({_CELLS: stacks, _PLACES: kept_places, NODES: nodes, **empty_tables})
    # as much room as before: more places come
    grown.make_room(_CELLS, len(cells))
    grown.make_room(_PLACES, len(places))
    return len(kept_places)
