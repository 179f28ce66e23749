"""Exact laws of small tasks, by enumeration: the oracle of the samplers. Nothing of structgen.sampling is
used."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

import structgen as sg

TOKENS: list[bytes | None] = [
    *(bytes((byte,)) for byte in range(256)),
    b"ab",
    b"ba",
    b"aa",
    b"abc",
    b"cc",
    None,
    None,
]
END, OTHER_END = len(TOKENS) - 2, len(TOKENS) - 1


def tokenizer() -> sg.Tokenizer:
    return sg.Tokenizer.from_bytes(TOKENS, eos_token_id=[END, OTHER_END])


class Bigram:
    """A model whose next token depends on the last one: the others than `alive` never come."""

    def __init__(self, seed: int, alive: tuple[bytes, ...], *, sharp: float = 1.0) -> None:
        self.seed, self.sharp = seed, sharp
        ids = [TOKENS.index(text) for text in alive] + [END, OTHER_END]
        self.floor = np.full(len(TOKENS), -np.inf)
        self.ids = np.array(ids)
        self.asked = 0

    def __call__(self, ids: list[int]) -> np.ndarray:
        self.asked += 1
        last = ids[-1] if ids else 0
        row = self.floor.copy()
        row[self.ids] = self.sharp * np.random.default_rng([self.seed, last]).normal(size=len(self.ids))
        return row - np.logaddexp.reduce(row)


def law(
    model: Callable[[list[int]], np.ndarray],
    prompt: list[int],
    accepts: Callable[[bytes], bool],
    viable: Callable[[bytes], bool],
    max_tokens: int,
    temperature: float = 1.0,
) -> dict[tuple[int, ...], float]:
    """Return P(tokens, end) of every valid token sequence of at most `max_tokens`: sum is Z."""
    found: dict[tuple[int, ...], float] = {}

    def visit(tokens: tuple[int, ...], text: bytes, probability: float) -> None:
        row = model([*prompt, *tokens]) / temperature
        row = np.exp(row - np.logaddexp.reduce(row))
        if not probability:
            return
        if accepts(text):
            found[tokens] = probability * (row[END] + row[OTHER_END])
        if len(tokens) < max_tokens:
            for token, more in enumerate(TOKENS):
                if more is not None and viable(text + more):
                    visit((*tokens, token), text + more, probability * row[token])

    visit((), b"", 1.0)
    return found
