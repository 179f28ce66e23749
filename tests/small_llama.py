"""A Llama of random weights that has opinions, and prompts of one length, for the tests of transformers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import transformers

import structgen as sg

TOKENIZER = sg.Tokenizer.from_huggingface(str(Path(__file__).parent / "data" / "bpe"))
END = TOKENIZER.eos_token_ids[0]
WIDTH = TOKENIZER.vocab_size + 7
"""Of the logits: wider than the vocabulary, as models have it."""
SMALL: dict[str, Any] = {
    "vocab_size": WIDTH,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "head_dim": 16,
    "max_position_embeddings": 256,
    "bos_token_id": END,
    "eos_token_id": END,
    "pad_token_id": END,
}


CONFIGS: dict[str, Any] = {
    "gpt2": lambda: transformers.GPT2Config(
        vocab_size=WIDTH, n_embd=32, n_layer=2, n_head=2, n_positions=256, eos_token_id=END
    ),
    "llama": lambda: transformers.LlamaConfig(**SMALL),
    "qwen2": lambda: transformers.Qwen2Config(**SMALL),
    "gemma": lambda: transformers.GemmaConfig(**SMALL),
}


def opinionated(config: Any = None) -> Any:
    """Return a model of a configuration, by default a Llama, whose logits lie far apart."""
    torch.manual_seed(3)
    config = config or CONFIGS["llama"]()
    model = transformers.AutoModelForCausalLM.from_config(config).eval()
    with torch.no_grad():
        model.get_output_embeddings().weight.mul_(20)
    model.generation_config.pad_token_id = END
    return model


def batch(*prompts: str) -> dict[str, Any]:
    """Return ids and mask of prompts, padded on the left."""
    ids = [TOKENIZER.encode(prompt.encode()) for prompt in prompts]
    longest = max(map(len, ids))
    return {
        "input_ids": torch.tensor([[END] * (longest - len(one)) + one for one in ids]),
        "attention_mask": torch.tensor([[0] * (longest - len(one)) + [1] * len(one) for one in ids]),
    }
