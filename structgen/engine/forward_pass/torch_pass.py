"""The forward pass of a Llama with torch operations, on any device and in any dtype.

A matrix product may round differently for another number of rows. So products are made only with numbers of
rows that a test, with this model's shapes on this machine, showed to be batch-invariant to the bit; rows are
padded to the next such number. Attention is computed for each text over its own columns, in few calls for all
(`slab_attention`, `key_value_slabs`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from structgen.engine.forward_pass.draft_trees import check_paths, depths_of
from structgen.engine.forward_pass.key_value_slabs import SlabCache, Slabs, room_for
from structgen.engine.forward_pass.slab_attention import (
    Attention,
    TreeAttention,
    fused_is_batch_invariant,
    rotated,
)
from structgen.engine.forward_pass.weights import Weights
from structgen.engine.model_protocol import DraftSupport

BLOCK = 8
"""The number of rows of a matrix product to which others are compared."""
_OTHERS = (4, 16, 32, 64, 256, 1024)
"""Other numbers of rows, used if their results equal those of a block."""


class TorchPass:
    """The forward pass of one model."""

    def __init__(self, weights: Weights) -> None:
        sizes = weights.sizes
        self._weights = weights
        self.slabs = Slabs(sizes.layers, sizes.groups, sizes.head, weights.embedding)
        self._seen: dict[int, _Seen] = {}
        """Which operations are batch-invariant, by the number of torch's threads."""

    @property
    def draft_support(self) -> DraftSupport:
        """Which drafts it verifies: trees."""
        return DraftSupport("tree")

    def prefill(self, prompts: Sequence[Sequence[int]]) -> tuple[Tensor, list[SlabCache]]:
        """Return the logits [prompts, V] after prompts, and their caches. All rows share the products; each
        prompt attends to itself."""
        self.slabs.sweep()
        caches = [SlabCache(self.slabs, room_for(len(one) + 1), len(one)) for one in prompts]
        return self._prefill(prompts, caches), caches

    def _prefill(self, prompts: Sequence[Sequence[int]], caches: Sequence[SlabCache]) -> Tensor:
        weights, sizes = self._weights, self._weights.sizes
        counts, device = [len(prompt) for prompt in prompts], weights.embedding.device
        places = torch.cat([torch.arange(count, device=device) for count in counts])
        block, spare = self._block(sum(counts))
        tokens = [token for prompt in prompts for token in prompt] + [0] * spare
        x = weights.embedding[torch.tensor(tokens, device=device)]
        cos, sin, rows = weights.cos[places, None], weights.sin[places, None], len(places)
        heads, groups = sizes.heads, sizes.groups
        for number, layer in enumerate(weights.layers):
            qkv = _product(self._norm(x, layer.before), layer.qkv, block)[:rows].view(rows, -1, sizes.head)
            qk, v = rotated(qkv[:, : heads + groups], cos, sin), qkv[:, heads + groups :]
            y = x.new_zeros(len(x), heads * sizes.head)
            start = 0
            for count, cache in zip(counts, caches, strict=True):
                own = slice(start, start + count)
                q, k, u = (one[own].transpose(0, 1)[None] for one in (qk[:, :heads], qk[:, heads:], v))
                held = self.slabs.by_columns[cache.columns].held[number, :, cache.row]
                held[0, :, :count], held[1, :, :count] = k[0], u[0]
                read = F.scaled_dot_product_attention(q, k, u, is_causal=True, enable_gqa=heads != groups)
                y[own] = read[0].transpose(0, 1).reshape(count, -1)
                start += count
            x = x + _product(y, layer.out, block)
            x = x + _product(
                _gated(_product(self._norm(x, layer.between), layer.gate_up, block)), layer.down, block
            )
        last = x[torch.tensor(counts, device=device).cumsum(0) - 1]
        block, spare = self._block(len(last))
        last = F.pad(self._norm(last, weights.norm), (0, 0, 0, spare))
        return _product(last, weights.head, block)[: len(counts)]

    def decode(self, tokens: Sequence[int], caches: Sequence[SlabCache]) -> Tensor:
        """Return the logits [rows, V] after one more token of each text, which its cache then holds."""
        self.slabs.sweep()
        for cache in caches:
            cache.forget_tree()
            self.slabs.make_room(cache)
        order = sorted(range(len(caches)), key=lambda i: (caches[i].columns, caches[i].row))
        logits = self._decode([tokens[i] for i in order], [caches[i] for i in order])
        for cache in caches:
            cache.length += 1
        if order == list(range(len(order))):
            return logits
        back = torch.empty(len(order), dtype=torch.int64, device=logits.device)
        back[torch.tensor(order, device=logits.device)] = torch.arange(len(order), device=logits.device)
        return logits[back]

    def decode_embedded(self, inputs: Tensor, caches: Sequence[SlabCache]) -> Tensor:
        """Return the logits [rows, V] after one more column of each text, whose input is a row of `inputs`
        [rows, width] in place of a token's embedding."""
        weights = self._weights
        self._weights = replace(weights, embedding=inputs.to(weights.embedding))
        try:
            return self.decode(range(len(caches)), caches)
        finally:
            self._weights = weights

    def _decode(self, tokens: list[int], caches: list[SlabCache]) -> Tensor:
        """Return the logits of texts that are sorted by capacity."""
        weights, (_, spare) = self._weights, self._block(len(tokens))
        attention = Attention(
            self.slabs,
            caches,
            weights.sizes.heads,
            len(tokens) + spare,
            weights.cos,
            weights.sin,
            self._batch_invariant().fused,
        )
        return self._run(tokens, attention)

    def decode_tree(
        self,
        tokens: Sequence[int],
        parents: Sequence[int],
        counts: Sequence[int],
        caches: Sequence[SlabCache],
    ) -> Tensor:
        """Return the logits [sum(counts), V] after each node of each text's tree (`VerifiesDrafts`).

        Each node is a row of the batch, and gets the bits that `decode` would give. Keys and values of the
        nodes are kept apart until `keep`, or until the next call for the text. Cost: a step of so many texts,
        and a copy of each text's columns for each of its nodes; memory: see `TreeAttention`. Raises
        OptionError for a list that is no tree; no cache is changed then.
        """
        depths_of(tokens, parents, counts, caches, self._weights.sizes.context)
        self.slabs.sweep()
        for cache in caches:
            cache.forget_tree()
            self.slabs.make_room(cache)
        weights, (_, spare) = self._weights, self._block(len(tokens))
        attention = TreeAttention(
            self.slabs,
            caches,
            parents,
            counts,
            weights.sizes.heads,
            len(tokens) + spare,
            weights.cos,
            weights.sin,
            self._batch_invariant().fused,
        )
        logits = self._run(list(tokens), attention)
        first = 0
        for cache, count in zip(caches, counts, strict=True):
            own = slice(first, first + count)
            cache.nodes, cache.parents = attention.held[:, :, own], list(parents[own])
            first += count
        return logits

    def keep(self, paths: Sequence[Sequence[int]], caches: Sequence[SlabCache]) -> None:
        """Have each cache hold the nodes of a path in its last tree (`VerifiesDrafts`); the others are
        dropped. Raises OptionError for a list that is no path; no cache is changed then."""
        check_paths(paths, caches)
        for path, cache in zip(paths, caches, strict=True):
            self.slabs.keep(cache, path)

    def _run(self, tokens: list[int], attention: Attention | TreeAttention) -> Tensor:
        """Return the logits after the rows of a batch; `attention` knows their texts."""
        weights, rows = self._weights, len(tokens)
        sizes, device = weights.sizes, weights.embedding.device
        block, spare = self._block(rows)
        x = weights.embedding[torch.tensor(tokens + [0] * spare, device=device)]
        for number, layer in enumerate(weights.layers):
            qkv = _product(self._norm(x, layer.before), layer.qkv, block)
            y = attention(number, qkv.view(rows + spare, -1, sizes.head))
            x = x + _product(y, layer.out, block)
            y = _gated(_product(self._norm(x, layer.between), layer.gate_up, block))
            x = x + _product(y, layer.down, block)
        return _product(self._norm(x, weights.norm), weights.head, block)[:rows]

    def _block(self, rows: int) -> tuple[int, int]:
        """Return the rows of each product, and the padding."""
        seen = self._batch_invariant().rows
        block = next((count for count in seen if count >= rows), seen[-1])
        return block, -rows % block

    def _norm(self, x: Tensor, weight: Tensor) -> Tensor:
        return F.rms_norm(x, weight.shape, weight, self._weights.sizes.epsilon)

    def _batch_invariant(self) -> _Seen:
        """Return which operations are batch-invariant; this depends on torch's threads. Cost: once about 100
        ms for a model of 2 million weights."""
        threads = torch.get_num_threads()
        found = self._seen.get(threads)
        if found is None:
            shapes = {part.shape: part for part in self._weights.products()}
            rows = tuple(
                count
                for count in sorted((BLOCK, *_OTHERS))
                if count == BLOCK or all(_agree(weight, count) for weight in shapes.values())
            )
            sizes, like = self._weights.sizes, self._weights.embedding
            fused = fused_is_batch_invariant(sizes.heads, sizes.groups, sizes.head, like)
            found = self._seen[threads] = _Seen(rows, fused)
        return found


@dataclass(frozen=True, slots=True)
class _Seen:
    """Batch-invariant operations: numbers of rows of products, ascending, and whether fused attention is
    one."""

    rows: tuple[int, ...]
    fused: bool


def _product(x: Tensor, weight: Tensor, block: int) -> Tensor:
    """Return x times a weight, computed in blocks of rows."""
    if len(x) == block:
        return F.linear(x, weight)
    return torch.cat([F.linear(part, weight) for part in x.split(block)])


def _agree(weight: Tensor, rows: int) -> bool:
    """Return whether products over so many rows give each row the bits of a block, at every place."""
    random = torch.Generator().manual_seed(0)
    x = torch.randn(2 * max(rows, BLOCK), weight.shape[1], generator=random).to(weight)
    expected = _product(x, weight, BLOCK)
    moved = _product(x.roll(1, 0), weight, rows)
    return bool(torch.equal(_product(x, weight, rows), expected) and torch.equal(moved, expected.roll(1, 0)))


def _gated(x: Tensor) -> Tensor:
    gate, up = x.chunk(2, -1)
    return F.silu(gate) * up
