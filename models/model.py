"""The networks, in plain torch: a Llama (RMSNorm, rotary positions, SwiGLU), causal or filling masks.

Parameters have the names that transformers' `LlamaForCausalLM` gives them, so that a saved file is one of
its.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

HEAD = 64
"""Width of a head of attention."""


@dataclass(frozen=True)
class Shape:
    """The sizes of a network; every head is HEAD wide."""

    layers: int
    width: int
    inner: int
    vocabulary: int
    causal: bool = True
    context: int = 2048
    theta: float = 10_000.0
    epsilon: float = 1e-5


class Linear(nn.Linear):
    """A linear map without bias, computed in the type of its input."""

    def __init__(self, wide: int, out: int) -> None:
        super().__init__(wide, out, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight.to(x.dtype))


class Norm(nn.Module):
    """RMSNorm."""

    def __init__(self, width: int, epsilon: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.epsilon = epsilon

    def forward(self, x: Tensor) -> Tensor:
        return F.rms_norm(x, x.shape[-1:], self.weight.to(x.dtype), self.epsilon)


class Past:
    """Keys and values of the tokens read so far, of every layer; columns are only ever added."""

    def __init__(self) -> None:
        self.held: dict[nn.Module, tuple[Tensor, Tensor]] = {}

    def extended(self, layer: nn.Module, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """Return a layer's keys and values with the new ones behind them."""
        if layer in self.held:
            k, v = torch.cat((self.held[layer][0], k), 2), torch.cat((self.held[layer][1], v), 2)
        self.held[layer] = k, v
        return k, v

    def repeat(self, copies: int) -> None:
        """Put so many copies of each row in its place."""
        for layer, (k, v) in self.held.items():
            self.held[layer] = k.repeat_interleave(copies, 0), v.repeat_interleave(copies, 0)


class Attention(nn.Module):
    """Attention of several heads with rotary positions (halves turned against each other, as in Llama)."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.q_proj = Linear(shape.width, shape.width)
        self.k_proj = Linear(shape.width, shape.width)
        self.v_proj = Linear(shape.width, shape.width)
        self.o_proj = Linear(shape.width, shape.width)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, bias: Tensor, past: Past | None) -> Tensor:
        """Return what each place has read, [rows, length, width], not yet through `o_proj`."""
        rows, length, width = x.shape

        def heads(y: Tensor) -> Tensor:
            return y.view(rows, length, width // HEAD, HEAD).transpose(1, 2)

        def turned(y: Tensor) -> Tensor:
            left, right = y.chunk(2, -1)
            return y * cos + torch.cat((-right, left), -1) * sin

        matrices = torch.cat((self.q_proj.weight * HEAD**-0.5, self.k_proj.weight, self.v_proj.weight))
        q, k, v = F.linear(x, matrices.to(x.dtype)).chunk(3, -1)
        q, k, v = turned(heads(q)), turned(heads(k)), heads(v)
        if past is not None:
            k, v = past.extended(self, k, v)
        # Written out: at these sizes the fused kernel is slower on a CPU in bfloat16, backward above all.
        weights = torch.softmax(q @ k.transpose(-1, -2) + bias, -1)
        return (weights @ v).transpose(1, 2).reshape(rows, length, width)


class Mlp(nn.Module):
    """SwiGLU."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.gate_proj = Linear(shape.width, shape.inner)
        self.up_proj = Linear(shape.width, shape.inner)
        self.down_proj = Linear(shape.inner, shape.width)

    def forward(self, x: Tensor) -> Tensor:
        matrices = torch.cat((self.gate_proj.weight, self.up_proj.weight))
        gate, up = F.linear(x, matrices.to(x.dtype)).chunk(2, -1)
        return self.down_proj(F.silu(gate) * up)


class Layer(nn.Module):
    """One block."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.self_attn = Attention(shape)
        self.mlp = Mlp(shape)
        self.input_layernorm = Norm(shape.width, shape.epsilon)
        self.post_attention_layernorm = Norm(shape.width, shape.epsilon)

    def forward(
        self,
        x: Tensor,
        cos: Tensor,
        sin: Tensor,
        bias: Tensor,
        past: Past | None,
        places: Tensor | None = None,
    ) -> Tensor:
        """Return the next hidden states; with `places` of those places alone, [places, width]."""
        read = self.self_attn(self.input_layernorm(x), cos, sin, bias, past)
        if places is not None:
            x, read = x.flatten(0, 1)[places], read.flatten(0, 1)[places]
        x = x + self.self_attn.o_proj(read)
        return x + self.mlp(self.post_attention_layernorm(x))


class Body(nn.Module):
    """Embedding, blocks and last norm."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.embed_tokens = nn.Embedding(shape.vocabulary, shape.width)
        self.layers = nn.ModuleList(Layer(shape) for _ in range(shape.layers))
        self.norm = Norm(shape.width, shape.epsilon)


def first_masked(ids: Tensor, mask: int) -> Tensor:
    """Return the first place of each row [rows, length] that holds the mask token; the length without one."""
    masked = ids == mask
    return torch.where(masked.any(-1), masked.int().argmax(-1), ids.shape[1])


class Network(nn.Module):
    """The whole network; the embedding is the output matrix too."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.model = Body(shape)
        for parameter in self.parameters():
            if parameter.dim() == 2:
                nn.init.normal_(parameter, std=0.02)
        for layer in self.model.layers:
            for matrix in (layer.self_attn.o_proj, layer.mlp.down_proj):
                nn.init.normal_(matrix.weight, std=0.02 / (2 * shape.layers) ** 0.5)

    def hidden(
        self,
        ids: Tensor,
        *,
        first: Tensor | None = None,
        keep: Tensor | None = None,
        dtype: torch.dtype = torch.float32,
        places: Tensor | None = None,
    ) -> Tensor:
        """Return the last hidden states [rows, length, width]; `keep` False marks places nobody looks at.

        Attention is causal. In a network that fills masks, `first` [rows] is the first masked place of each
        row: from the place before it on, which predicts it, each place reads all others.
        With `places`, indices into rows x length, the result is of these places alone, [places, width]: the
        last layer then computes little else.
        """
        length = ids.shape[1]
        bias = torch.full((length, length), -1e9).triu(1)[None, None]
        if first is not None:
            bias = bias.masked_fill((torch.arange(length) >= first[:, None] - 1)[:, None, :, None], 0.0)
        if keep is not None:
            bias = bias.masked_fill(~keep[:, None, None, :], -1e9)
        return self.step(ids, torch.arange(length)[None], bias, dtype=dtype, places=places)

    def step(
        self,
        ids: Tensor,
        positions: Tensor,
        bias: Tensor,
        past: Past | None = None,
        dtype: torch.dtype = torch.float32,
        places: Tensor | None = None,
    ) -> Tensor:
        """Return the hidden states of tokens at given positions [rows, length]; they read and extend a past.

        `bias` [rows, 1, length, columns] is added to the scores of all columns, those of the past before the
        new ones: -1e9 where a token may not look.
        """
        rates = self.shape.theta ** (-torch.arange(0, HEAD, 2, dtype=torch.float32) / HEAD)
        angles = (positions[..., None].float() * rates).repeat(1, 1, 2)[:, None]
        cos, sin, bias = angles.cos().to(dtype), angles.sin().to(dtype), bias.to(dtype)
        x = self.model.embed_tokens(ids).to(dtype)
        last = self.shape.layers - 1
        for at, layer in enumerate(self.model.layers):
            x = layer(x, cos, sin, bias, past, places if at == last else None)
        return self.model.norm(x)

    def logits(self, hidden: Tensor) -> Tensor:
        """Return float32 logits of hidden states."""
        return F.linear(hidden, self.model.embed_tokens.weight.to(hidden.dtype)).float()

    def forward(self, ids: Tensor, keep: Tensor | None = None, first: Tensor | None = None) -> Tensor:
        """Return float32 logits [rows, length, vocabulary]."""
        return self.logits(self.hidden(ids, keep=keep, first=first))


def config_of(shape: Shape, special: dict[str, int]) -> dict[str, Any]:
    """Return config.json: that of transformers' Llama, and for a network that fills masks its conventions."""
    known = json.loads(Path(__file__).with_name("config.json").read_text(encoding="utf-8"))
    config: dict[str, Any] = known["llama"] | {
        "eos_token_id": special["<|end|>"],
        "pad_token_id": special["<|pad|>"],
        "head_dim": HEAD,
        "hidden_size": shape.width,
        "intermediate_size": shape.inner,
        "max_position_embeddings": shape.context,
        "num_attention_heads": shape.width // HEAD,
        "num_hidden_layers": shape.layers,
        "num_key_value_heads": shape.width // HEAD,
        "rms_norm_eps": shape.epsilon,
        "rope_parameters": {"rope_theta": shape.theta, "rope_type": "default"},
        "rope_theta": shape.theta,
        "vocab_size": shape.vocabulary,
    }
    if not shape.causal:
        config |= known["infill"] | {"mask_token_id": special["<|mask|>"]}
    return config


def save(network: Network, folder: Path, special: dict[str, int], training: dict[str, int]) -> None:
    """Write config.json, generation_config.json and model.safetensors (bfloat16); `training` says how long it
    lasted, for config.json."""
    folder.mkdir(parents=True, exist_ok=True)
    state = {
        name: value.detach().to(torch.bfloat16).contiguous() for name, value in network.state_dict().items()
    }
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    config = config_of(network.shape, special) | {"structgen_training": training}
    text = json.dumps(config, indent=2) + "\n"
    (folder / "config.json").write_text(text, encoding="utf-8")
    generation = {
        "do_sample": False,
        "eos_token_id": special["<|end|>"],
        "max_new_tokens": 256,
        "pad_token_id": special["<|pad|>"],
    }
    text = json.dumps(generation, indent=2) + "\n"
    (folder / "generation_config.json").write_text(text, encoding="utf-8")


def training_of(folder: Path) -> dict[str, int]:
    """Return the steps and the tokens that a saved network was trained with, in all its runs."""
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    found: dict[str, int] = config["structgen_training"]
    return found


def load(folder: Path) -> Network:
    """Return a saved network in float32."""
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    shape = Shape(
        layers=config["num_hidden_layers"],
        width=config["hidden_size"],
        inner=config["intermediate_size"],
        vocabulary=config["vocab_size"],
        causal=config.get("is_causal", True),
        context=config["max_position_embeddings"],
        theta=config["rope_theta"],
        epsilon=config["rms_norm_eps"],
    )
    network = Network(shape)
    network.load_state_dict(
        {name: value.float() for name, value in load_file(folder / "model.safetensors").items()}
    )
    return network.eval()
