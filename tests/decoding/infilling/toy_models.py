"""Models for tests: logits that are a function of the canvas, and nothing trained."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np

import structgen as sg

BPE = Path(__file__).parents[2] / "data" / "bpe" / "tokenizer.json"


@cache
def byte_tokenizer() -> sg.Tokenizer:
    """Return every byte, tokens that span terminals and parts of characters, then end, pad and mask."""
    tokens: list[bytes | None] = [bytes((byte,)) for byte in range(256)]
    tokens += [
        b'{"',
        b'":',
        b'", "',
        b'"}',
        b"ab",
        b"12",
        b"true",
        "\u00e9".encode()[:1] + b"",
        b": ",
        b', "',
    ]
    tokens += ["\u20ac".encode(), "\u20ac".encode()[1:], b'a"', b"1, ", None, None, None]
    return sg.Tokenizer.from_bytes(tokens, eos_token_id=[len(tokens) - 3])


class Toy:
    """Random logits by a hash of the whole canvas and the position: each commit changes all of them."""

    block_length: int | None = None
    context = 4096

    def __init__(self, tokenizer: sg.Tokenizer, *, shift: bool = False, spread: float = 3.0) -> None:
        self.vocab_size = tokenizer.vocab_size
        self.mask_id, self.null_id = self.vocab_size - 1, self.vocab_size - 2
        self.shift, self.spread, self.calls = shift, spread, 0

    def forward(self, ids: np.ndarray) -> np.ndarray:
        self.calls += 1
        chance = np.random.default_rng([int(one) for one in ids])
        return (self.spread * chance.standard_normal((len(ids), self.vocab_size))).astype(np.float32)


class Telling:
    """A model that is sure of one token at each position of the canvas behind the prompt: `told[i]`."""

    block_length: int | None = None
    context = 4096

    def __init__(self, tokenizer: sg.Tokenizer, prompt: int, told: list[int], *, shift: bool) -> None:
        self.vocab_size = tokenizer.vocab_size
        self.mask_id, self.null_id = self.vocab_size - 1, self.vocab_size - 2
        self.shift, self.prompt, self.told = shift, prompt, told

    def forward(self, ids: np.ndarray) -> np.ndarray:
        logits = np.zeros((len(ids), self.vocab_size), np.float32)
        for at, token in enumerate(self.told):
            row = self.prompt + at - int(self.shift)
            if 0 <= row < len(ids):
                logits[row, token] = 30.0
        return logits


def filled(template: object = None, model: object = None, **options: object) -> sg.Infilled:
    """Return what a model, by default one of random logits, fills in behind a prompt of one token."""
    model = model or Toy(byte_tokenizer())
    return sg.infill(model, template, **{"tokenizer": byte_tokenizer(), "prompt": "p", **options})
