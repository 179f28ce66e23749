"""Models for the tests of the engine: one that is a function of its text, and Llamas of random weights."""

from __future__ import annotations

import functools
import json
from collections.abc import Sequence
from pathlib import Path

import torch
from token_caches import TokenCache
from torch import Tensor

import structgen as sg
from structgen.decoding.engine.model_protocol import DraftSupport

TOKENIZER_FILE = Path(__file__).parent.parent.parent / "data" / "bpe" / "tokenizer.json"


@functools.cache
def tokenizer() -> sg.Tokenizer:
    return sg.Tokenizer.from_huggingface(str(TOKENIZER_FILE.parent))


@functools.lru_cache(4096)
def _random_logits(vocab_size: int, end: tuple[int, ...]) -> Tensor:
    return 3 * torch.randn(vocab_size, generator=torch.Generator().manual_seed(hash(end) & 0xFFFFFFFF))


class Function:
    """A model whose logits are a fixed random function of the last tokens; it notes what it is asked. The
    logits are remembered: whoever changes them copies them first."""

    def __init__(self, vocab_size: int, context: int = 4096) -> None:
        self.vocab_size, self.context = vocab_size, context
        self.prefills: list[list[int]] = []
        self.batches: list[int] = []

    def logits(self, tokens: Sequence[int]) -> Tensor:
        return _random_logits(self.vocab_size, tuple(tokens[-3:]))

    def prefill(self, tokens: Sequence[int]) -> tuple[Tensor, TokenCache]:
        self.prefills.append(list(tokens))
        return self.logits(tokens), TokenCache(list(tokens))

    def decode(self, tokens: Sequence[int], caches: Sequence[TokenCache]) -> Tensor:
        self.batches.append(len(tokens))
        for token, cache in zip(tokens, caches, strict=True):
            cache.tokens.append(token)
        return torch.stack([self.logits(cache.tokens) for cache in caches])


CHAT_TEMPLATE = (
    "{% for message in messages %}<{{ message.role }}>{{ message.content }}</{{ message.role }}>{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)


def write_chat_llama(folder: Path) -> Path:
    """Write a model as `write_llama`, whose folder has CHAT_TEMPLATE; return the folder."""
    made = write_llama(folder)
    (made / "chat_template.jinja").write_text(CHAT_TEMPLATE)
    return made


def write_llama(
    folder: Path,
    *,
    width: int = 128,
    layers: int = 2,
    groups: int = 1,
    seed: int = 0,
    inner: int = 0,
    half: bool = False,
) -> Path:
    """Write a Llama of random weights, with a tokenizer, in transformers' layout; returns the folder. `inner`
    is twice the width by default; `half` rounds the weights to bfloat16."""
    from safetensors.torch import save_file

    inner = inner or 2 * width

    size = -(-tokenizer().vocab_size // 64) * 64
    config = {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_size": width,
        "intermediate_size": inner,
        "num_hidden_layers": layers,
        "num_attention_heads": width // 64,
        "num_key_value_heads": groups,
        "head_dim": 64,
        "vocab_size": size,
        "max_position_embeddings": 512,
        "rms_norm_eps": 1e-5,
        "rope_theta": 10000.0,
        "tie_word_embeddings": False,
        "hidden_act": "silu",
        "torch_dtype": "float32",
    }
    random = torch.Generator().manual_seed(seed)

    def made(*shape: int) -> Tensor:
        drawn = torch.randn(*shape, generator=random) * (shape[-1] ** -0.5 if len(shape) > 1 else 1.0)
        return drawn.bfloat16().float() if half else drawn

    weights = {"model.embed_tokens.weight": made(size, width), "lm_head.weight": 4 * made(size, width)}
    weights["model.norm.weight"] = torch.ones(width)
    for layer in range(layers):
        at = f"model.layers.{layer}."
        for name, rows in (("q", width), ("k", 64 * groups), ("v", 64 * groups), ("o", width)):
            weights[f"{at}self_attn.{name}_proj.weight"] = made(rows, width)
        for name in ("gate", "up"):
            weights[f"{at}mlp.{name}_proj.weight"] = made(inner, width)
        weights[f"{at}mlp.down_proj.weight"] = made(width, inner)
        for name in ("input", "post_attention"):
            weights[f"{at}{name}_layernorm.weight"] = torch.ones(width)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config))
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (folder / name).write_text((TOKENIZER_FILE.parent / name).read_text())
    return folder


class TreeFunction(Function):
    """The same, which verifies drafts; it notes the nodes of each pass in `trees`."""

    def __init__(self, vocab_size: int, context: int = 4096) -> None:
        super().__init__(vocab_size, context)
        self.trees: list[list[int]] = []
        self._paths: dict[int, list[list[int]]] = {}

    @property
    def draft_support(self) -> DraftSupport:
        return DraftSupport("tree")

    def decode_tree(
        self,
        tokens: Sequence[int],
        parents: Sequence[int],
        counts: Sequence[int],
        caches: Sequence[TokenCache],
    ) -> Tensor:
        self.trees.append(list(counts))
        rows, first = [], 0
        for count, cache in zip(counts, caches, strict=True):
            paths: list[list[int]] = []
            for node in range(first, first + count):
                above = paths[parents[node]] if parents[node] >= 0 else []
                paths.append([*above, tokens[node]])
                rows.append(self.logits([*cache.tokens, *paths[-1]]))
            self._paths[id(cache)] = paths
            first += count
        return torch.stack(rows)

    def keep(self, paths: Sequence[Sequence[int]], caches: Sequence[TokenCache]) -> None:
        for path, cache in zip(paths, caches, strict=True):
            cache.tokens += self._paths[id(cache)][path[-1]]
