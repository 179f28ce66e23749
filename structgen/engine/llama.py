"""A Llama whose rows do not feel one another: the same text gives the same logits in any batch.

A matrix product may round differently for another number of rows. So products are made over numbers of rows
of which it was seen, with this model's shapes on this machine, that each row comes out the same to the bit;
rows are filled up to the next such number. Attention is computed for each text over its own columns, in few
calls for all (`attention`, `slabs`).
Weights are those of transformers' LlamaForCausalLM (Touvron et al. 2023), read from a folder in its layout.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from structgen.engine.attention import Anywhere, Attention, Here, fused_keeps_apart, turned
from structgen.engine.slabs import SlabCache, Slabs, room_for
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
                cure="Load it by its path, through transformers; the engine runs causal models alone.",
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
        x = self._embedding[torch.tensor(tokens, device=device)]
        cos, sin = self._cos[:count, None], self._sin[:count, None]
        heads, groups = self._sizes.heads, self._sizes.groups
        for number, layer in enumerate(self._layers):
            qkv = F.linear(self._norm(x, layer.before), layer.qkv).view(count, -1, self._sizes.head)
            qk, v = turned(qkv[:, : heads + groups], cos, sin), qkv[:, heads + groups :]
            q, k, v = (one.transpose(0, 1)[None] for one in (qk[:, :heads], qk[:, heads:], v))
            held = slab.held[number, :, cache.row]
            held[0, :, :count], held[1, :, :count] = k[0], v[0]
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
        attention = self._attention(caches, rows + spare, seen)
        for number, layer in enumerate(self._layers):
            qkv = _product(self._norm(x, layer.before), layer.qkv, block)
            y = attention(number, qkv.view(rows + spare, -1, self._sizes.head))
            x = x + _product(y, layer.out, block)
            y = _gated(_product(self._norm(x, layer.between), layer.gate_up, block))
            x = x + _product(y, layer.down, block)
        return _product(self._norm(x, self._last_norm), self._head, block)[:rows]

    def _attention(self, caches: list[SlabCache], rows: int, seen: _Seen) -> Attention:
        heads, tables = self._sizes.heads, (self._cos, self._sin)
        if seen.here:
            return Here(self._slabs, caches, heads * self._sizes.head, rows, *tables)
        return Anywhere(self._slabs, caches, heads, rows, *tables, seen.fused)

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
            sizes, like = self._sizes, self._embedding
            here = like.device.type == "cpu" and like.dtype == torch.float32
            fused = not here and fused_keeps_apart(sizes.heads, sizes.groups, sizes.head, like)
            found = self._seen[threads] = _Seen(rows, here, fused)
        return found


@dataclass(frozen=True, slots=True)
class _Seen:
    """What keeps rows apart: numbers of rows of products, ascending; and the way of attention."""

    rows: tuple[int, ...]
    here: bool
    fused: bool


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
