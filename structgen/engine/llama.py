"""A Llama whose rows do not feel one another: the same text gives the same logits in any batch.

A matrix product may round differently for another number of rows. So products are made over numbers of rows
of which it was seen, with this model's shapes on this machine, that each row comes out the same to the bit;
rows are filled up to the next such number. Attention is computed over a text's own columns, rounded up, for
all texts of the same room at once (`slabs`): by torch's fused operation where that was seen to keep them
apart (with several threads it may not), else by products and sums of its own.
Weights are those of transformers' LlamaForCausalLM (Touvron et al. 2023), read from a folder in its layout.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from structgen.engine.slabs import COLUMNS, Slab, SlabCache, Slabs, room_for
from structgen.errors import StructgenError

BLOCK = 8
"""Rows of a matrix product whatever else is seen; other numbers are held to it."""
_OTHERS = (4, 16, 32, 64)
"""Rows of a matrix product, where they come out as in a block."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """The sizes of a Llama."""

    layers: int
    heads: int
    groups: int
    """Heads of keys and values."""
    head: int
    context: int
    theta: float
    epsilon: float

    @classmethod
    def of(cls, config: dict[str, Any], where: Path) -> Sizes:
        """Return the sizes that a config.json states. Raises StructgenError for another architecture."""
        if "LlamaForCausalLM" not in config.get("architectures", ()):
            raise StructgenError(
                f"{where} is a {config.get('architectures')}, no LlamaForCausalLM.",
                where=str(where),
                cure="Load it by its path, through transformers.",
            )
        heads = config["num_attention_heads"]
        rope = config.get("rope_parameters") or config
        return cls(
            config["num_hidden_layers"],
            heads,
            config.get("num_key_value_heads") or heads,
            config.get("head_dim") or config["hidden_size"] // heads,
            config["max_position_embeddings"],
            float(rope.get("rope_theta", 10_000.0)),
            config["rms_norm_eps"],
        )


class Llama:
    """A Llama read from a folder; see the module. Threads take turns."""

    def __init__(self, weights: dict[str, Tensor], sizes: Sizes) -> None:
        self._sizes = sizes
        self._embedding = weights["model.embed_tokens.weight"]
        self._head = weights.get("lm_head.weight", self._embedding)
        self._last_norm = weights["model.norm.weight"]
        self._layers = [_Layer.of(weights, layer) for layer in range(sizes.layers)]
        steps = torch.arange(0, sizes.head, 2, device=self._embedding.device, dtype=torch.float32)
        rates = sizes.theta ** (-steps / sizes.head)
        places = torch.arange(sizes.context, device=self._embedding.device, dtype=torch.float32)
        angles, kind = torch.outer(places, rates), self._embedding.dtype
        self._cos = angles.cos().repeat(1, 2).to(kind)
        self._sin = torch.cat((-angles.sin(), angles.sin()), -1).to(kind)
        self._slabs = Slabs(sizes.layers, sizes.groups, sizes.head, self._embedding)
        self._lock = threading.Lock()
        self._seen: dict[int, _Seen] = {}
        """What was seen to keep rows apart, by the number of torch's threads."""

    @classmethod
    def read(cls, folder: Path, device: torch.device, dtype: torch.dtype) -> Llama:
        """Return the model of a folder: config.json and model.safetensors. Raises StructgenError."""
        from safetensors.torch import load_file

        try:
            config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
            weights = load_file(folder / "model.safetensors")
        except (OSError, ValueError) as error:
            raise StructgenError(
                f"The model cannot be read: {error}", where=str(folder), cure="Make or install it anew."
            ) from error
        moved = {name: tensor.to(device, dtype) for name, tensor in weights.items()}
        return cls(moved, Sizes.of(config, folder))

    @property
    def vocab_size(self) -> int:
        """Width of the logits."""
        return int(self._head.shape[0])

    @property
    def context(self) -> int:
        """The most tokens of a text."""
        return self._sizes.context

    def prefill(self, tokens: Sequence[int]) -> tuple[Tensor, SlabCache]:
        """Return the logits [V] behind a prompt, and its cache; the prompt is read by itself."""
        with self._lock, torch.inference_mode():
            self._slabs.sweep()
            return self._prefill(tokens)

    def _prefill(self, tokens: Sequence[int]) -> tuple[Tensor, SlabCache]:
        count, device = len(tokens), self._embedding.device
        cache = SlabCache(self._slabs, room_for(count + 1), count)
        slab = self._slabs.by_columns[cache.columns]
        places = cache.row * cache.columns + torch.arange(count, device=device)
        x = self._embedding[torch.tensor(tokens, device=device)]
        cos, sin = self._cos[:count, None], self._sin[:count, None]
        for number, layer in enumerate(self._layers):
            q, k, v = self._heads(F.linear(self._norm(x, layer.before), layer.qkv), cos, sin)
            slab.write(number, places, k, v)
            q, k, v = (one.transpose(0, 1)[None] for one in (q, k, v))
            y = F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=q.shape[1] != k.shape[1])
            x = x + F.linear(y[0].transpose(0, 1).reshape(count, -1), layer.out)
            x = x + F.linear(_gated(F.linear(self._norm(x, layer.between), layer.gate_up)), layer.down)
        return F.linear(self._norm(x[-1:], self._last_norm), self._head)[0], cache

    def decode(self, tokens: Sequence[int], caches: Sequence[SlabCache]) -> Tensor:
        """Return the logits [rows, V] behind one more token of each text."""
        with self._lock, torch.inference_mode():
            self._slabs.sweep()
            for cache in caches:
                self._slabs.make_room(cache)
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
        rows, device = len(tokens), self._embedding.device
        seen = self._kept_apart()
        block = next((count for count in seen.rows if count >= rows), seen.rows[-1])
        spare = -rows % block
        x = self._embedding[torch.tensor(tokens + [0] * spare, device=device)]
        lengths = torch.tensor([cache.length for cache in caches] + [0] * spare, device=device)
        cos, sin = self._cos[lengths, None], self._sin[lengths, None]
        groups = self._groups(caches, lengths)
        for number, layer in enumerate(self._layers):
            q, k, v = self._heads(_product(self._norm(x, layer.before), layer.qkv, block), cos, sin)
            parts = [_attend_group(group, number, q, k, v, seen.attend) for group in groups]
            if spare:
                parts.append(x.new_zeros((spare, parts[0].shape[1])))
            y = parts[0] if len(parts) == 1 else torch.cat(parts)
            x = x + _product(y, layer.out, block)
            y = _gated(_product(self._norm(x, layer.between), layer.gate_up, block))
            x = x + _product(y, layer.down, block)
        return _product(self._norm(x, self._last_norm), self._head, block)[:rows]

    def _groups(self, caches: list[SlabCache], lengths: Tensor) -> list[_Group]:
        """Return the texts by their slabs."""
        found, start = [], 0
        while start < len(caches):
            columns = caches[start].columns
            end = start
            while end < len(caches) and caches[end].columns == columns:
                end += 1
            found.append(_Group.of(self._slabs.by_columns[columns], caches, start, end, lengths))
            start = end
        return found

    def _heads(self, qkv: Tensor, cos: Tensor, sin: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return queries, keys (both turned to their places) and values, [rows, heads, head] each."""
        sizes = self._sizes
        x = qkv.view(len(qkv), -1, sizes.head)
        turned = sizes.heads + sizes.groups
        x, v = x[:, :turned], x[:, turned:]
        x = torch.addcmul(x * cos, x.roll(sizes.head // 2, -1), sin)
        return x[:, : sizes.heads], x[:, sizes.heads :], v

    def _norm(self, x: Tensor, weight: Tensor) -> Tensor:
        return F.rms_norm(x, weight.shape, weight, self._sizes.epsilon)

    def _kept_apart(self) -> _Seen:
        """Return what keeps rows apart; it depends on how many threads torch has. Cost: once 30 ms for a
        model of 2 million weights."""
        threads = torch.get_num_threads()
        found = self._seen.get(threads)
        if found is None:
            shapes = {part.shape: part for layer in self._layers for part in layer.products()}
            shapes[self._head.shape] = self._head
            rows = tuple(
                count
                for count in sorted((BLOCK, *_OTHERS))
                if count == BLOCK or all(_agree(weight, count) for weight in shapes.values())
            )
            found = self._seen[threads] = _Seen(rows, _fused if self._fused_agrees() else _in_parts)
        return found

    def _fused_agrees(self) -> bool:
        """Tell whether the fused attention gives each text what it gives it alone."""
        sizes, like = self._sizes, self._embedding
        random = torch.Generator().manual_seed(0)
        for columns in (COLUMNS, 3 * COLUMNS):
            shapes = ((sizes.heads, 1), (sizes.groups, columns), (sizes.groups, columns))
            q, k, v = (torch.randn(40, *shape, sizes.head, generator=random).to(like) for shape in shapes)
            mask = like.new_zeros((40, 1, 1, columns))
            whole = _fused(q, k, v, mask)
            for part in (slice(0, 1), slice(7, 8), slice(3, 5), slice(11, 20)):
                if not torch.equal(_fused(q[part], k[part], v[part], mask[part]), whole[part]):
                    return False
        return True


_Attention = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]


@dataclass(frozen=True, slots=True)
class _Seen:
    """What was seen to keep rows apart: the numbers of rows of products, ascending, and the attention."""

    rows: tuple[int, ...]
    attend: _Attention


@dataclass(frozen=True, slots=True)
class _Layer:
    """The weights of one layer; what reads the same input is one matrix."""

    before: Tensor
    qkv: Tensor
    out: Tensor
    between: Tensor
    gate_up: Tensor
    down: Tensor

    @classmethod
    def of(cls, weights: dict[str, Tensor], layer: int) -> _Layer:
        def part(name: str) -> Tensor:
            return weights[f"model.layers.{layer}.{name}.weight"]

        return cls(
            part("input_layernorm"),
            torch.cat([part(f"self_attn.{name}_proj") for name in "qkv"]),
            part("self_attn.o_proj"),
            part("post_attention_layernorm"),
            torch.cat((part("mlp.gate_proj"), part("mlp.up_proj"))),
            part("mlp.down_proj"),
        )

    def products(self) -> tuple[Tensor, ...]:
        return self.qkv, self.out, self.gate_up, self.down


@dataclass(frozen=True, slots=True)
class _Group:
    """The texts of a batch that lie in one slab, which may hold others, too."""

    slab: Slab
    start: int
    end: int
    places: Tensor
    """Where the slab takes each text's new keys and values."""
    mask: Tensor
    """For each row of the slab 0 over its own columns, minus infinity beyond."""
    rows: Tensor | None
    """For each row of the slab the text of the group that asks there; None where they are the same."""
    used: Tensor | None
    """For each text of the group its row of the slab; None where they are the same."""

    @classmethod
    def of(cls, slab: Slab, caches: list[SlabCache], start: int, end: int, lengths: Tensor) -> _Group:
        taken = [cache.row for cache in caches[start:end]]
        held, device = slab.held, lengths.device
        own = lengths[start:end]
        rows = used = None
        if taken == list(range(len(slab.owners))):
            row_lengths = own
            places = torch.arange(len(taken), device=device) * held.shape[3] + own
        else:
            used = torch.tensor(taken, device=device)
            places = used * held.shape[3] + own
            rows = torch.zeros(len(slab.owners), dtype=torch.int64, device=device)
            rows[used] = torch.arange(len(taken), device=device)
            row_lengths = own[rows]
        beyond = torch.arange(held.shape[3], device=device) > row_lengths[:, None]
        mask = torch.zeros(beyond.shape, dtype=held.dtype, device=device).masked_fill_(beyond, -torch.inf)
        return cls(slab, start, end, places, mask[:, None, None], rows, used)


def _attend_group(group: _Group, layer: int, q: Tensor, k: Tensor, v: Tensor, attend: _Attention) -> Tensor:
    """Write the keys and values of a group's rows, and return what its rows attend to."""
    part = slice(group.start, group.end)
    group.slab.write(layer, group.places, k[part], v[part])
    asked = q[part] if group.rows is None else q[group.start + group.rows]
    keys, values = group.slab.keys_and_values(layer)
    found = attend(asked[:, :, None], keys, values, group.mask).flatten(1)
    return found if group.used is None else found[group.used]


def _fused(q: Tensor, k: Tensor, v: Tensor, mask: Tensor) -> Tensor:
    """Return what queries [rows, heads, 1, head] attend to among keys and values [rows, groups, columns,
    head]; `mask` is added to their products."""
    return F.scaled_dot_product_attention(q, k, v, attn_mask=mask, enable_gqa=q.shape[1] != k.shape[1])


def _in_parts(q: Tensor, k: Tensor, v: Tensor, mask: Tensor) -> Tensor:
    """Return the same by products and sums, each of which looks at one row alone whatever the threads."""
    rows, groups, _, head = k.shape
    q = q.view(rows, groups, -1, 1, head)
    scores = (q * k[:, :, None]).sum(-1) * head**-0.5 + mask
    shares = torch.softmax(scores, -1)
    return (shares[..., None] * v[:, :, None]).sum(-2).view(rows, -1, 1, head)


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
