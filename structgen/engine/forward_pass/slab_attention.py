"""Attention of a batch over slabs, with torch operations: each text over its own columns only.

It uses torch's fused operation if a test showed it to be batch-invariant, else products and sums.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from structgen.engine.forward_pass.key_value_slabs import COLUMNS, Slab, SlabCache, Slabs, room_for

_CHUNK_BYTES = 1 << 26
"""Bytes of columns that are copied at a time for nodes of draft trees."""


def rotated(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Return queries or keys [rows, heads, head] rotated to their positions (rotary embedding, by halves).
    `sin` has its first half negated."""
    return torch.addcmul(x * cos, x.roll(x.shape[-1] // 2, -1), sin)


def _runs(caches: Sequence[SlabCache], slabs: Slabs) -> Iterator[tuple[Slab, int, int]]:
    """Yield each slab of sorted caches, with the range of its caches."""
    start = 0
    while start < len(caches):
        end = start
        while end < len(caches) and caches[end].columns == caches[start].columns:
            end += 1
        yield slabs.by_columns[caches[start].columns], start, end
        start = end


@dataclass(frozen=True, slots=True)
class _Group:
    """The texts of a batch that are in one slab. The slab may hold others, too."""

    slab: Slab
    texts: slice
    taken: Tensor
    """For each text its row of the slab."""
    lengths: Tensor
    asking: Tensor
    """For each row of the slab its text in the batch; an arbitrary one if it has none."""
    mask: Tensor
    """For each row of the slab: 0 at its own columns, minus infinity beyond."""


class Attention:
    """The attention of a batch, layer by layer."""

    def __init__(
        self,
        slabs: Slabs,
        caches: Sequence[SlabCache],
        heads: int,
        rows: int,
        cos: Tensor,
        sin: Tensor,
        fused: bool,
    ) -> None:
        """`heads`: heads of the queries; `fused`: torch's fused operation is batch-invariant."""
        device, spare = cos.device, [0] * (rows - len(caches))
        places = torch.tensor([cache.length for cache in caches] + spare, device=device)
        self._cos, self._sin, self._heads, self._fused = cos[places, None], sin[places, None], heads, fused
        self._groups = [self._group(*run, caches, places) for run in _runs(caches, slabs)]

    @staticmethod
    def _group(slab: Slab, start: int, end: int, caches: Sequence[SlabCache], places: Tensor) -> _Group:
        taken = torch.tensor([cache.row for cache in caches[start:end]], device=places.device)
        asking = torch.full((len(slab.owners),), start, device=places.device)
        asking[taken] = torch.arange(start, end, device=places.device)
        columns = torch.arange(slab.held.shape[4], device=places.device)
        beyond = columns > places[asking][:, None]
        mask = torch.zeros(beyond.shape, dtype=slab.held.dtype, device=places.device)
        mask = mask.masked_fill_(beyond, -torch.inf)[:, None, None]
        return _Group(slab, slice(start, end), taken, places[start:end], asking, mask)

    def __call__(self, layer: int, qkv: Tensor) -> Tensor:
        """Append a column of keys and values for each text; return the attention's output [rows, heads *
        head]. `qkv` has queries, keys and values [rows, heads + 2 groups, head], not rotated. Rows beyond the
        texts are zeros."""
        groups = self._groups[0].slab.held.shape[3]
        x = rotated(qkv[:, : self._heads + groups], self._cos, self._sin)
        v = qkv[:, self._heads + groups :]
        found = qkv.new_zeros((len(qkv), self._heads * qkv.shape[2]))
        for group in self._groups:
            own = x[group.texts, self._heads :]
            group.slab.write(layer, group.taken, group.lengths, own, v[group.texts])
            keys, values = group.slab.keys_and_values(layer)
            attend = fused if self._fused else in_parts
            asked = x[group.asking, : self._heads, None]
            found[group.texts] = attend(asked, keys, values, group.mask).flatten(1)[group.taken]
        return found


@dataclass(frozen=True, slots=True)
class _Chunk:
    """Nodes of draft trees whose texts are in one slab, and that need the same capacity."""

    slab: Slab
    nodes: Tensor
    taken: Tensor
    """For each node the slab row of its text."""
    room: int
    """Columns that the node attends over: as many as in plain decoding."""
    copies: tuple[Tensor, Tensor, Tensor]
    """For each pair of a node and one of its ancestors (or itself): the node's index in the chunk, the
    column, and the ancestor's number in the batch."""
    mask: Tensor
    """For each node: 0 at the columns that it attends to, minus infinity elsewhere."""

    def columns(self, layer: int, of_nodes: Tensor, memory: Tensor) -> Tensor:
        """Return keys and values for each node, [2, nodes of the chunk, groups, room, head], written to
        `memory`. `of_nodes` are those of all nodes, [2, nodes, groups, head]."""
        held = self.slab.held[layer]
        sides, _, groups, columns, head = held.shape
        shape = (sides, len(self.taken), groups, self.room, head)
        found = memory[: math.prod(shape)].view(shape)
        if columns == self.room:
            torch.index_select(held, 1, self.taken, out=found)
        else:
            found[:, :, :, :columns] = held[:, self.taken]
            found[:, :, :, columns:] = 0
        which, column, source = self.copies
        for side, new in zip(found, of_nodes, strict=True):
            side[which, :, column] = new[source]
        return found


class TreeAttention:
    """The attention of draft trees, layer by layer: each node attends to its text and its ancestors.

    A node has the columns that its text would have in plain decoding: those of the text, then those of the
    node's ancestors in order, then its own. So the same numbers are added in the same order, and the result
    is the same to the bit. For this the text's columns are copied for each node, layer by layer.

    Memory: 2 * groups * room * head numbers a node while its layer is computed; nodes are processed in chunks
    of at most 64 MiB (one node, if that needs more). Keys and values of all nodes and layers stay in `held`,
    [layers, 2, nodes, groups, head].
    """

    def __init__(
        self,
        slabs: Slabs,
        caches: Sequence[SlabCache],
        parents: Sequence[int],
        counts: Sequence[int],
        heads: int,
        rows: int,
        cos: Tensor,
        sin: Tensor,
        fused: bool,
    ) -> None:
        """Text i has the next `counts[i]` entries of `parents`, numbered within the text. `heads` and
        `fused`: as for `Attention`; `rows`: the rows with padding."""
        self.held = slabs.room_of_nodes(len(parents))
        groups, head = self.held.shape[3:]
        device = cos.device
        lines: list[list[int]] = []
        """For each node the path from the root of its tree to itself."""
        texts: list[SlabCache] = []
        for cache, count in zip(caches, counts, strict=True):
            first = len(lines)
            for node in range(first, first + count):
                above = parents[node]
                lines.append([*lines[first + above], node] if above >= 0 else [node])
            texts += [cache] * count
        places = [cache.length + len(line) - 1 for cache, line in zip(texts, lines, strict=True)]
        at = torch.tensor(places + [0] * (rows - len(parents)), device=device)
        self._cos, self._sin, self._heads, self._fused = cos[at, None], sin[at, None], heads, fused
        # products and sums also need memory for all heads of queries
        column_bytes = 2 * (groups if fused else groups + heads) * head * self.held.element_size()
        by_capacity: dict[tuple[int, int], list[int]] = {}
        for node, cache in enumerate(texts):
            by_capacity.setdefault((cache.columns, room_for(places[node] + 1)), []).append(node)
        self._chunks = []
        for (columns, room), members in sorted(by_capacity.items()):
            most = max(1, _CHUNK_BYTES // (column_bytes * room))
            for start in range(0, len(members), most):
                part = members[start : start + most]
                pairs = [
                    (which, texts[node].length + depth, above)
                    for which, node in enumerate(part)
                    for depth, above in enumerate(lines[node])
                ]
                which, column, source = torch.tensor(pairs, device=device).T
                own = torch.tensor(part, device=device)
                beyond = torch.arange(room, device=device) > at[own][:, None]
                mask = self.held.new_zeros(beyond.shape).masked_fill_(beyond, -torch.inf)[:, None, None]
                taken = torch.tensor([texts[node].row for node in part], device=device)
                slab = slabs.by_columns[columns]
                self._chunks.append(_Chunk(slab, own, taken, room, (which, column, source), mask))
        # all chunks and layers share one buffer: new memory costs more than the copy
        most = max(len(chunk.nodes) * chunk.room for chunk in self._chunks)
        self._memory = self.held.new_empty(2 * groups * head * most)

    def __call__(self, layer: int, qkv: Tensor) -> Tensor:
        """Return the attention's output for nodes; the slabs are unchanged."""
        held = self.held[layer]
        nodes, groups = held.shape[1:3]
        x = rotated(qkv[:, : self._heads + groups], self._cos, self._sin)
        held[0], held[1] = x[:nodes, self._heads :], qkv[:nodes, self._heads + groups :]
        found = qkv.new_zeros((len(qkv), self._heads * qkv.shape[2]))
        attend = fused if self._fused else in_parts
        for chunk in self._chunks:
            keys, values = chunk.columns(layer, held, self._memory)
            asked = x[chunk.nodes, : self._heads, None]
            found[chunk.nodes] = attend(asked, keys, values, chunk.mask).flatten(1)
        return found


def fused(q: Tensor, k: Tensor, v: Tensor, mask: Tensor) -> Tensor:
    """Return the attention of queries [rows, heads, 1, head] over keys and values [rows, groups, columns,
    head]. `mask` is added to the scores."""
    return F.scaled_dot_product_attention(q, k, v, attn_mask=mask, enable_gqa=q.shape[1] != k.shape[1])


def in_parts(q: Tensor, k: Tensor, v: Tensor, mask: Tensor) -> Tensor:
    """Compute the same with products and sums, each of which sees one row only, whatever the threads."""
    rows, groups, _, head = k.shape
    q = q.view(rows, groups, -1, 1, head)
    scores = (q * k[:, :, None]).sum(-1) * head**-0.5 + mask
    shares = torch.softmax(scores, -1)
    return (shares[..., None] * v[:, :, None]).sum(-2).view(rows, -1, 1, head)


def fused_is_batch_invariant(heads: int, groups: int, head: int, like: Tensor) -> bool:
    """Return whether the fused operation gives each text the same bits as alone, by a test."""
    random = torch.Generator().manual_seed(0)
    for columns in (COLUMNS, 3 * COLUMNS):
        shapes = ((heads, 1), (groups, columns), (groups, columns))
        q, k, v = (torch.randn(40, *shape, head, generator=random).to(like) for shape in shapes)
        mask = like.new_zeros((40, 1, 1, columns))
        whole = fused(q, k, v, mask)
        for part in (slice(0, 1), slice(7, 8), slice(3, 5), slice(11, 20)):
            if not torch.equal(fused(q[part], k[part], v[part], mask[part]), whole[part]):
                return False
    return True
