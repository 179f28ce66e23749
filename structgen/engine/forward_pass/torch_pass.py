"""The forward pass of a Llama by operations of torch, on any device and in any kind of numbers.

A matrix product may round differently for another number of rows. So products are made over numbers of rows
of which it was seen, with this model's shapes on this machine, that each row comes out the same to the bit;
rows are filled up to the next such number. Attention is computed for each text over its own columns, in few
calls for all (`attention`, `key_value_slabs`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from structgen.engine.draft_trees import check_paths, depths_of
from structgen.engine.forward_pass.key_value_slabs import SlabCache, Slabs, room_for
from structgen.engine.forward_pass.slab_attention import Attention, TreeAttention, fused_keeps_apart, turned
from structgen.engine.forward_pass.weights import Weights
from structgen.engine.model_protocol import DraftSupport

BLOCK = 8
"""Rows of a matrix product whatever else is seen; other numbers are held to it."""
_OTHERS = (4, 16, 32, 64, 256, 1024)
"""Rows of a matrix product, where they come out as in a block."""


class TorchPass:
    """The forward pass of a model; see the module."""

    def __init__(self, weights: Weights) -> None:
        sizes = weights.sizes
        self._weights = weights
        self.slabs = Slabs(sizes.layers, sizes.groups, sizes.head, weights.embedding)
        self._seen: dict[int, _Seen] = {}
        """What was seen to keep rows apart, by the number of torch's threads."""

    @property
    def draft_support(self) -> DraftSupport:
        """Which drafts it verifies: trees."""
        return DraftSupport("tree")

    def prefill(self, prompts: Sequence[Sequence[int]]) -> tuple[Tensor, list[SlabCache]]:
        """Return the logits [prompts, V] after prompts, and their caches. All rows share their products;
        each prompt attends to itself."""
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
            qk, v = turned(qkv[:, : heads + groups], cos, sin), qkv[:, heads + groups :]
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

    def _decode(self, tokens: list[int], caches: list[SlabCache]) -> Tensor:
        """Return the logits of texts that are sorted by their places."""
        weights, (_, spare) = self._weights, self._block(len(tokens))
        attention = Attention(
            self.slabs,
            caches,
            weights.sizes.heads,
            len(tokens) + spare,
            weights.cos,
            weights.sin,
            self._kept_apart().fused,
        )
        return self._run(tokens, attention)

    def decode_tree(
        self,
        tokens: Sequence[int],
        parents: Sequence[int],
        counts: Sequence[int],
        caches: Sequence[SlabCache],
    ) -> Tensor:
        """Return the logits [sum(counts), V] after the nodes of a tree for each text (`VerifiesDrafts`).

        Each node is a row of the batch, which gets to the bit what `decode` would give it. Keys and values
        of the nodes stay aside until `keep`, or until the next call for the text. Cost: that of a step of so
        many texts, and a copy of each text's columns for each of its nodes; `TreeAttention` says the memory.
        Raises OptionError for what is no such tree, and changes no cache then.
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
            self._kept_apart().fused,
        )
        logits = self._run(list(tokens), attention)
        first = 0
        for cache, count in zip(caches, counts, strict=True):
            own = slice(first, first + count)
            cache.nodes, cache.parents = attention.held[:, :, own], list(parents[own])
            first += count
        return logits

    def keep(self, paths: Sequence[Sequence[int]], caches: Sequence[SlabCache]) -> None:
        """Have each cache hold the nodes of a path of its last tree (`VerifiesDrafts`); the other nodes go.
        Raises OptionError for what is no path of it, and changes no cache then."""
        check_paths(paths, caches)
        for path, cache in zip(paths, caches, strict=True):
            self.slabs.keep(cache, path)

    def _run(self, tokens: list[int], attention: Attention | TreeAttention) -> Tensor:
        """Return the logits after rows of the batch, of which `attention` knows the texts."""
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
        """Return the rows of each product, and how many are to be filled up."""
        seen = self._kept_apart().rows
        block = next((count for count in seen if count >= rows), seen[-1])
        return block, -rows % block

    def _norm(self, x: Tensor, weight: Tensor) -> Tensor:
        return F.rms_norm(x, weight.shape, weight, self._weights.sizes.epsilon)

    def _kept_apart(self) -> _Seen:
        """Return what keeps rows apart; it depends on how many threads torch has. Cost: once some 100 ms for
        a model of 2 million weights."""
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
            fused = fused_keeps_apart(sizes.heads, sizes.groups, sizes.head, like)
            found = self._seen[threads] = _Seen(rows, fused)
        return found


@dataclass(frozen=True, slots=True)
class _Seen:
    """What keeps rows apart: numbers of rows of products, ascending, and whether fused attention does."""

    rows: tuple[int, ...]
    fused: bool


def _product(x: Tensor, weight: Tensor, block: int) -> Tensor:
    """Return x times a weight, whole numbers of rows at a time."""
    if len(x) == block:
        return F.linear(x, weight)
    return torch.cat([F.linear(part, weight) for part in x.split(block)])


def _agree(weight: Tensor, rows: int) -> bool:
    """Tell whether products over so many rows give each row what a block gives it, wherever it stands."""
    random = torch.Generator().manual_seed(0)
    x = torch.randn(2 * max(rows, BLOCK), weight.shape[1], generator=random).to(weight)
    expected = _product(x, weight, BLOCK)
    moved = _product(x.roll(1, 0), weight, rows)
    return bool(torch.equal(_product(x, weight, rows), expected) and torch.equal(moved, expected.roll(1, 0)))


def _gated(x: Tensor) -> Tensor:
    gate, up = x.chunk(2, -1)
    return F.silu(gate) * up
