"""A Llama whose rows do not feel one another: the same text gives the same logits in any batch.

A matrix product may round differently for another number of rows, so products are made over blocks of a fixed
number, the last filled up; attention, which depends on how long each text is, is made for each by itself.
Weights are those of transformers' LlamaForCausalLM (Touvron et al. 2023), read from a folder in its layout.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from structgen.errors import StructgenError

BLOCK = 8
"""Rows of a matrix product. A block costs little more than a row: the weights are read once for either."""
_ROOM = 64
"""Columns by which a cache grows."""


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


class LlamaCache:
    """Keys and values of one text: [layers, 2, groups, columns, head], the first `length` columns in use."""

    __slots__ = ("held", "length")

    def __init__(self, held: Tensor, length: int) -> None:
        self.held, self.length = held, length

    @property
    def nbytes(self) -> int:
        """Bytes of memory."""
        return int(self.held.nbytes)

    def copy(self) -> LlamaCache:
        """Return another that goes on from here by itself."""
        return LlamaCache(self.held.clone(), self.length)

    def grow(self) -> None:
        """Make room for one more column."""
        if self.length == self.held.shape[3]:
            self.held = F.pad(self.held, (0, 0, 0, max(_ROOM, self.length // 2)))


class Llama:
    """A Llama read from a folder; see the module."""

    def __init__(self, weights: dict[str, Tensor], sizes: Sizes) -> None:
        self._weights, self._sizes = weights, sizes
        self._embedding = weights["model.embed_tokens.weight"]
        self._head = weights.get("lm_head.weight", self._embedding)
        steps = torch.arange(0, sizes.head, 2, device=self._embedding.device, dtype=torch.float32)
        rates = sizes.theta ** (-steps / sizes.head)
        places = torch.arange(sizes.context, device=self._embedding.device, dtype=torch.float32)
        angles = torch.outer(places, rates).repeat(1, 2)
        kind = self._embedding.dtype
        self._cos, self._sin = angles.cos().to(kind), angles.sin().to(kind)

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

    def prefill(self, tokens: Sequence[int]) -> tuple[Tensor, LlamaCache]:
        """Return the logits [V] behind a prompt, and its cache; the prompt is read by itself."""
        with torch.inference_mode():
            return self._prefill(tokens)

    def _prefill(self, tokens: Sequence[int]) -> tuple[Tensor, LlamaCache]:
        sizes, count = self._sizes, len(tokens)
        shape = (sizes.layers, 2, sizes.groups, count + _ROOM, sizes.head)
        cache = LlamaCache(
            torch.zeros(shape, dtype=self._embedding.dtype, device=self._embedding.device), count
        )
        x = self._embedding[torch.tensor(tokens, device=self._embedding.device)]
        cos, sin = self._cos[:count], self._sin[:count]
        for layer in range(sizes.layers):
            y = self._norm(x, layer, "input_layernorm")
            q, k, v = (
                self._heads(F.linear(y, self._part(layer, f"self_attn.{name}_proj"))) for name in "qkv"
            )
            q, k = _turned(q, cos, sin), _turned(k, cos, sin)
            cache.held[layer, 0, :, :count], cache.held[layer, 1, :, :count] = k, v
            y = self._attend(q, k, v, causal=True).transpose(0, 1).reshape(count, -1)
            x = x + F.linear(y, self._part(layer, "self_attn.o_proj"))
            x = x + self._mlp(self._norm(x, layer, "post_attention_layernorm"), layer)
        last = F.rms_norm(x[-1:], x.shape[-1:], self._weights["model.norm.weight"], sizes.epsilon)
        return F.linear(last, self._head)[0], cache

    def decode(self, tokens: Sequence[int], caches: Sequence[LlamaCache]) -> Tensor:
        """Return the logits [rows, V] behind one more token of each text."""
        with torch.inference_mode():
            found = [
                self._decode_block(tokens[at : at + BLOCK], caches[at : at + BLOCK])
                for at in range(0, len(tokens), BLOCK)
            ]
        return found[0] if len(found) == 1 else torch.cat(found)

    def _decode_block(self, tokens: Sequence[int], caches: Sequence[LlamaCache]) -> Tensor:
        sizes, rows, device = self._sizes, len(tokens), self._embedding.device
        padded = [*tokens, *[0] * (BLOCK - rows)]
        x = self._embedding[torch.tensor(padded, device=device)]
        places = torch.tensor([cache.length for cache in caches] + [0] * (BLOCK - rows), device=device)
        cos, sin = self._cos[places], self._sin[places]
        for cache in caches:
            cache.grow()
        for layer in range(sizes.layers):
            y = self._norm(x, layer, "input_layernorm")
            # [heads, BLOCK, head]
            q, k, v = (
                self._heads(F.linear(y, self._part(layer, f"self_attn.{name}_proj"))) for name in "qkv"
            )
            q, k = _turned(q, cos, sin), _turned(k, cos, sin)
            y = torch.zeros(BLOCK, sizes.heads * sizes.head, dtype=x.dtype, device=device)
            for row, cache in enumerate(caches):
                end = cache.length + 1
                cache.held[layer, 0, :, end - 1], cache.held[layer, 1, :, end - 1] = k[:, row], v[:, row]
                keys, values = cache.held[layer, 0, :, :end], cache.held[layer, 1, :, :end]
                y[row] = self._attend(q[:, row : row + 1], keys, values, causal=False).reshape(-1)
            x = x + F.linear(y, self._part(layer, "self_attn.o_proj"))
            x = x + self._mlp(self._norm(x, layer, "post_attention_layernorm"), layer)
        for cache in caches:
            cache.length += 1
        x = F.rms_norm(x, x.shape[-1:], self._weights["model.norm.weight"], sizes.epsilon)
        return F.linear(x, self._head)[:rows]

    def _part(self, layer: int, name: str) -> Tensor:
        return self._weights[f"model.layers.{layer}.{name}.weight"]

    def _norm(self, x: Tensor, layer: int, name: str) -> Tensor:
        return F.rms_norm(x, x.shape[-1:], self._part(layer, name), self._sizes.epsilon)

    def _mlp(self, x: Tensor, layer: int) -> Tensor:
        gate, up = (
            F.linear(x, self._part(layer, "mlp.gate_proj")),
            F.linear(x, self._part(layer, "mlp.up_proj")),
        )
        return F.linear(F.silu(gate) * up, self._part(layer, "mlp.down_proj"))

    def _heads(self, x: Tensor) -> Tensor:
        return x.view(x.shape[0], -1, self._sizes.head).transpose(0, 1)

    def _attend(self, q: Tensor, k: Tensor, v: Tensor, causal: bool) -> Tensor:
        grouped = self._sizes.groups != self._sizes.heads
        return F.scaled_dot_product_attention(
            q[None], k[None], v[None], is_causal=causal, enable_gqa=grouped
        )[0]


def _turned(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Return queries or keys [heads, rows, head] turned to their places (rotary, by halves)."""
    left, right = x.chunk(2, -1)
    return x * cos + torch.cat((-right, left), -1) * sin
