"""The weights of a Llama, read from a folder in the layout of transformers' LlamaForCausalLM (Touvron et al.
2023)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from structgen.base.errors import StructgenError
from structgen.base.system.installation import require_extras


@dataclass(frozen=True, slots=True)
class Sizes:
    """The sizes of a Llama."""

    layers: int
    heads: int
    groups: int
    """Heads of keys and values."""
    head: int
    """Numbers of one head."""
    context: int
    """Positions that the model knows."""
    theta: float
    """The base of the rotary angles."""
    epsilon: float
    """The number that a norm adds to the mean of squares."""

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Sizes:
        """Return the sizes that a config.json states."""
        heads = config["num_attention_heads"]
        # transformers 5 has the options of positions in an object of their own
        rope = config.get("rope_parameters") or config
        return cls(
            layers=config["num_hidden_layers"],
            heads=heads,
            groups=config.get("num_key_value_heads") or heads,
            head=config.get("head_dim") or config["hidden_size"] // heads,
            context=config["max_position_embeddings"],
            theta=float(rope.get("rope_theta", 10_000.0)),
            epsilon=config["rms_norm_eps"],
        )


@dataclass(frozen=True, slots=True)
class Weights:
    """All weights of a Llama. `cos` and `sin` are the rotary tables [positions, head], the first half of
    `sin` negated."""

    sizes: Sizes
    embedding: Tensor
    layers: list[list[Tensor]]
    """Of each layer the norm before it, the matrices of queries, keys and values, and of the output, the norm
    between, and the matrices of gate and up, and of down. Those with the same input are joined into one."""
    norm: Tensor
    head: Tensor
    cos: Tensor
    sin: Tensor

    @classmethod
    def read_folder(cls, folder: Path) -> Weights:
        """Return the weights of a folder: config.json and model.safetensors. Raises StructgenError."""
        with require_extras("The model", "torch", "tokenizers", where=str(folder)):
            # optional: the embedded models need safetensors
            from safetensors.torch import load_file
        try:
            config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
            tensors = load_file(folder / "model.safetensors")
        except (OSError, ValueError) as error:
            raise StructgenError(
                f"The model cannot be read: {error}", where=str(folder), cure="Make or install it anew."
            ) from error
        return cls.from_tensors(Sizes.from_config(config), tensors)

    @classmethod
    def from_tensors(cls, sizes: Sizes, tensors: dict[str, Tensor]) -> Weights:
        """Return the weights of tensors by transformers' names, in float32."""
        weights = {name: tensor.float() for name, tensor in tensors.items()}
        embedding = weights["model.embed_tokens.weight"]
        # rotary positions: the two halves of a head turn by the same angles (Su et al., 2021)
        steps = torch.arange(0, sizes.head, 2, dtype=torch.float32)
        places = torch.arange(sizes.context, dtype=torch.float32)
        angles = torch.outer(places, sizes.theta ** (-steps / sizes.head))
        return cls(
            sizes,
            embedding,
            layers=[_layer_weights(weights, number) for number in range(sizes.layers)],
            norm=weights["model.norm.weight"],
            # without a head of its own a model uses its embedding
            head=weights.get("lm_head.weight", embedding),
            cos=angles.cos().repeat(1, 2),
            sin=torch.cat((-angles.sin(), angles.sin()), -1),
        )

    def product_matrices(self) -> list[Tensor]:
        """Return the matrices of all products: all weights but the norms, which are vectors."""
        matrices = [self.head]
        for layer in self.layers:
            matrices += [part for part in layer if part.dim() == 2]
        return matrices


def _layer_weights(weights: dict[str, Tensor], number: int) -> list[Tensor]:
    """Return the weights of a layer, by transformers' names."""

    def part_weights(name: str) -> Tensor:
        return weights[f"model.layers.{number}.{name}.weight"]

    return [
        part_weights("input_layernorm"),
        torch.cat([part_weights(f"self_attn.{name}_proj") for name in "qkv"]),
        part_weights("self_attn.o_proj"),
        part_weights("post_attention_layernorm"),
        torch.cat((part_weights("mlp.gate_proj"), part_weights("mlp.up_proj"))),
        part_weights("mlp.down_proj"),
    ]
