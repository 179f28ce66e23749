"""Reads the weights of a Llama from a folder in the layout of transformers' LlamaForCausalLM (Touvron et al.
2023).

A *head* of attention has its own queries; a *group* is a head of keys and values, which several heads share.
The *output head* is the matrix that turns the last states into logits. A *norm* is a vector that scales
normalised rows. *Rotary tables* have the cosines and sines by which queries and keys are rotated at each
position. SmolLM2-135M, for example, has 30 layers, 9 heads and 3 groups.
"""

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
    """The number of heads of keys and values."""
    head: int
    """The numbers of one head."""
    context: int
    """The number of positions that the model knows."""
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
    """The six weights of each layer: the norm before attention; the matrix of queries, keys and values; the
    matrix of attention's output; the norm after attention; the matrix of gate and up; the matrix of down.
    Matrices with the same input are joined into one."""
    norm: Tensor
    """The norm after the last layer."""
    head: Tensor
    """The output head [V, width]."""
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
                f"The model cannot be read: {error}",
                where=str(folder),
                cure="Make it again, or install it again.",
            ) from error
        return cls.from_tensors(Sizes.from_config(config), tensors)

    @classmethod
    def from_tensors(cls, sizes: Sizes, tensors: dict[str, Tensor]) -> Weights:
        """Return the weights, in float32, from tensors by transformers' names."""
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
    """Return the six weights of layer `number` from tensors by transformers' names, as in
    `Weights.layers`."""

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
