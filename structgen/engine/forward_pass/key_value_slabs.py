"""Keys and values of many texts in few tensors, so that attention over all of them is one call.

A slab holds the texts of one capacity: their lengths rounded up to whole blocks of columns. The capacity
depends on the text alone, and so does the computation over its columns: rows do not influence each other.
Used rows are at the front; when one is freed, the last takes its place.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

COLUMNS = 64
"""The block by which a text's capacity grows, in columns."""
_FEW = 4
"""The initial rows of a slab."""


def room_for(length: int) -> int:
    """Return the capacity in columns for a text of so many tokens."""
    return -(-length // COLUMNS) * COLUMNS


class SlabCache:
    """The cache of one text: a row of a slab, with its first `length` columns in use."""

    __slots__ = ("__weakref__", "_slabs", "columns", "length", "nodes", "parents", "row")

    def __init__(self, slabs: Slabs, columns: int, length: int) -> None:
        self._slabs, self.columns, self.length = slabs, columns, length
        self.parents: list[int] = []
        """The parents of the last tree's nodes; empty once nodes were kept or tokens were read."""
        self.nodes: Tensor | None = None
        """Keys and values of these nodes, [layers, 2, nodes, groups, head]: a view into the whole batch's."""
        self.row = slabs.enter(self, columns)

    @property
    def nbytes(self) -> int:
        """Bytes of memory."""
        return self._slabs.nbytes_of(self.columns)

    def forget_tree(self) -> None:
        """Drop the nodes of the last tree."""
        self.nodes, self.parents = None, []

    def copy(self) -> SlabCache:
        """Return an independent copy."""
        return self._slabs.copied(self)

    def __del__(self) -> None:
        # an interrupt may have come before __init__ ended
        slabs = getattr(self, "_slabs", None)
        if slabs is not None:
            slabs.stale = True


class Slab:
    """Texts of one capacity: keys and values [layers, 2, rows, groups, columns, head]."""

    __slots__ = ("held", "owners")

    def __init__(self, held: Tensor) -> None:
        self.held = held
        self.owners: list[weakref.ref[SlabCache]] = []

    def keys_and_values(self, layer: int) -> tuple[Tensor, Tensor]:
        """Return keys and values of all used rows, each [rows, groups, columns, head]."""
        used = self.held[layer, :, : len(self.owners)]
        return used[0], used[1]

    def write(self, layer: int, rows: Tensor, columns: Tensor, keys: Tensor, values: Tensor) -> None:
        """Write keys and values [n, groups, head], each to its row and column."""
        for side, new in enumerate((keys, values)):
            self.held[layer, side][rows, :, columns] = new


class Slabs:
    """All slabs of a model, by their columns. Not thread-safe."""

    def __init__(self, layers: int, groups: int, head: int, like: Tensor) -> None:
        self._shape, self._like = (layers, 2, groups, head), like
        self.by_columns: dict[int, Slab] = {}
        self.stale = False
        """Whether a cache was deleted since the last `sweep`."""

    def __iter__(self) -> Iterator[Slab]:
        return iter(self.by_columns.values())

    def room_of_nodes(self, nodes: int) -> Tensor:
        """Return memory for the keys and values of nodes of draft trees, [layers, 2, nodes, groups, head]."""
        layers, sides, groups, head = self._shape
        return self._like.new_empty((layers, sides, nodes, groups, head))

    def nbytes_of(self, columns: int) -> int:
        """Return the bytes of a row of so many columns."""
        layers, sides, groups, head = self._shape
        return int(layers * sides * groups * head * columns * self._like.element_size())

    def enter(self, cache: SlabCache, columns: int) -> int:
        """Give a cache a row of zeros: NaN that an earlier text left would spread."""
        slab = self.by_columns.get(columns)
        if slab is None:
            slab = self.by_columns[columns] = Slab(self._made(_FEW, columns))
        row = len(slab.owners)
        if row == slab.held.shape[2]:
            self._resize(slab, 2 * row)
        else:
            slab.held[:, :, row].zero_()
        slab.owners.append(weakref.ref(cache))
        return row

    def make_room(self, cache: SlabCache, more: int = 1) -> None:
        """Make room for `more` columns; if the row is full, move the cache to a wider slab."""
        if cache.length + more <= cache.columns:
            return
        old, row, columns = self.by_columns[cache.columns], cache.row, room_for(cache.length + more)
        cache.row = self.enter(cache, columns)
        self.by_columns[columns].held[:, :, cache.row, :, : cache.columns] = old.held[:, :, row]
        self._leave(old, row)
        cache.columns = columns

    def keep(self, cache: SlabCache, path: Sequence[int]) -> None:
        """Append the nodes of a path in a cache's tree: their keys and values become its next columns."""
        assert cache.nodes is not None, "the path was not checked"
        self.make_room(cache, len(path))
        taken = cache.nodes[:, :, torch.tensor(path, device=cache.nodes.device)]
        place = self.by_columns[cache.columns].held[:, :, cache.row]
        place[:, :, :, cache.length : cache.length + len(path)] = taken.transpose(2, 3)
        cache.length += len(path)
        cache.forget_tree()

    def copied(self, cache: SlabCache) -> SlabCache:
        """Return a copy of a cache."""
        with torch.inference_mode():
            twin = SlabCache(self, cache.columns, cache.length)
            held = self.by_columns[cache.columns].held
            held[:, :, twin.row] = held[:, :, cache.row]
        return twin

    def sweep(self) -> None:
        """Free the rows of deleted caches, and memory of which little is used."""
        if not self.stale:
            return
        self.stale = False
        for columns, slab in list(self.by_columns.items()):
            for row in reversed(range(len(slab.owners))):
                if slab.owners[row]() is None:
                    self._leave(slab, row)
            if not slab.owners:
                del self.by_columns[columns]
            elif _FEW < 4 * len(slab.owners) < slab.held.shape[2]:
                self._resize(slab, 2 * len(slab.owners))

    def _leave(self, slab: Slab, row: int) -> None:
        last = slab.owners.pop()
        if row < len(slab.owners):
            slab.held[:, :, row] = slab.held[:, :, len(slab.owners)]
            slab.owners[row] = last
            owner = last()
            if owner is not None:
                owner.row = row

    def _resize(self, slab: Slab, rows: int) -> None:
        used = len(slab.owners)
        held = self._made(rows, slab.held.shape[4])
        held[:, :, :used] = slab.held[:, :, :used]
        slab.held = held

    def _made(self, rows: int, columns: int) -> Tensor:
        layers, sides, groups, head = self._shape
        return self._like.new_zeros((layers, sides, rows, groups, columns, head))
