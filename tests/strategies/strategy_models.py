"""Table models and an exact twin of constrained decoding, for the laws of strategies."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from token_caches import TokenCache
from torch import Tensor

import structgen as sg
from structgen.engine import Engine, Request, Result, Sampling

LETTERS = sg.Tokenizer.from_bytes([b"a", b"b", b"c", b"ab", b"<end>"], eos_token_id=4)
"""Five tokens, the last one an end token; "ab" has two spellings."""
END = 4
RULE = sg.regex("a[abc]b?|b[ac]{1,2}|c")
"""Texts of at most three letters."""


class Table:
    """A model whose logits are a function of the last `reach` tokens; a cache is the tokens that were
    read."""

    def __init__(
        self, law: Callable[[tuple[int, ...]], Sequence[float]], size: int = 5, reach: int = 100
    ) -> None:
        self.vocab_size, self.context, self._law, self._reach = size, 100_000, law, reach
        self.passes = self.rows = 0
        self._known: dict[tuple[int, ...], Tensor] = {}

    def logits(self, tokens: Sequence[int]) -> Tensor:
        key = tuple(tokens[-self._reach :])
        if key not in self._known:
            self._known[key] = torch.tensor(list(self._law(key)), dtype=torch.float32)
        return self._known[key]

    def prefill(self, tokens: Sequence[int]) -> tuple[Tensor, TokenCache]:
        self.passes += 1
        return self.logits(tokens), TokenCache(list(tokens))

    def decode(self, tokens: Sequence[int], caches: Sequence[TokenCache]) -> Tensor:
        self.passes += 1
        self.rows += len(tokens)
        for token, cache in zip(tokens, caches, strict=True):
            cache.tokens.append(token)
        return torch.stack([self.logits(cache.tokens) for cache in caches])

    @property
    def embedding(self) -> Tensor:
        return torch.eye(self.vocab_size)

    def decode_embedded(self, inputs: Tensor, caches: Sequence[TokenCache]) -> Tensor:
        """Return the mean of the logits after each token, by the numbers of the input; the likeliest token
        is read."""
        self.passes += 1
        self.rows += len(caches)
        found = []
        for row, cache in zip(inputs, caches, strict=True):
            each = [self.logits([*cache.tokens, token]) for token in range(self.vocab_size)]
            found.append((row[:, None] * torch.stack(each)).sum(0))
            cache.tokens.append(int(row.argmax()))
        return torch.stack(found)


def scrambled(seed: int, reach: int = 3, size: int = 5, spread: float = 1.5) -> Table:
    """Return a model whose logits are a fixed random function of its last tokens."""

    def law(tokens: tuple[int, ...]) -> list[float]:
        key = seed
        for token in tokens[-reach:]:
            key = (key * 31 + token + 1) % (1 << 31)
        return (spread * torch.randn(size, generator=torch.Generator().manual_seed(key))).tolist()

    return Table(law, size, reach)


def texts_of(engine: Engine, request: Request) -> list[Result]:
    found = engine.generate(request)
    assert all(one.error is None for one in found), found[0].error
    return found


def enumerated(
    law: Callable[[tuple[int, ...], list[int]], dict[int, float]],
    grammar: sg.Grammar = RULE,
    most: int = 12,
) -> dict[tuple[int, ...], float]:
    """Return the probability of each text, by tokens, for a law of the next token: a function of the tokens
    before and of the allowed ones. The end token is allowed where a text is complete."""
    compiled = sg.compile(grammar, LETTERS)
    found: dict[tuple[int, ...], float] = {}

    def go(tokens: tuple[int, ...], mass: float) -> None:
        matcher = sg.Matcher(compiled)
        for token in tokens:
            matcher.advance(token)
        allowed = [one for one in range(5) if matcher.accepts([one])]
        assert len(tokens) < most
        for token, share in law(tokens, allowed).items():
            if share == 0:
                continue
            if token == END:
                found[tokens] = found.get(tokens, 0.0) + mass * share
            else:
                go((*tokens, token), mass * share)

    go((), 1.0)
    assert math.isclose(sum(found.values()), 1.0, abs_tol=1e-9)
    return found


def softmax(scores: dict[int, float]) -> dict[int, float]:
    top = max(scores.values())
    mass = {token: math.exp(score - top) for token, score in scores.items()}
    return {token: one / sum(mass.values()) for token, one in mass.items()}


def distance(results: Sequence[Result], exact: dict[tuple[int, ...], float]) -> float:
    """Return the total variation between draws and a law."""
    counts: dict[tuple[int, ...], int] = {}
    for one in results:
        counts[tuple(one.tokens)] = counts.get(tuple(one.tokens), 0) + 1
    every = set(counts) | set(exact)
    return 0.5 * sum(abs(counts.get(one, 0) / len(results) - exact.get(one, 0.0)) for one in every)


def drawn(model: Table, how: Sampling, count: int = 4_000, grammar: sg.Grammar = RULE) -> list[Result]:
    engine = Engine(model, LETTERS, max_rows=512)
    return texts_of(engine, Request([0], grammar, how, max_tokens=12, n=count))
