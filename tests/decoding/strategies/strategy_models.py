"""Table models and an exact twin of constrained decoding, for the laws of strategies."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from token_caches import TokenCache
from torch import Tensor

import structgen as sg
from structgen.decoding.engine import Engine, Request, Result, Sampling
from structgen.decoding.engine.model_protocol import DraftSupport

LETTERS = sg.Tokenizer.from_bytes([b"a", b"b", b"c", b"ab", b"<end>"], eos_token_id=4)
"""Five tokens, the last one an end token; "ab" has two spellings."""
END = 4
RULE = sg.regex("a[abc]b?|b[ac]{1,2}|c")
"""Texts of at most three letters."""
TEXTS = sg.regex("(ab?c|c[ab]{1,3}){1,9}")
"""Texts that may be long, and in which some letters are forced."""


class Table:
    """A model whose logits are a function of the last `reach` tokens; a cache is the tokens that were
    read."""

    def __init__(
        self, law: Callable[[tuple[int, ...]], Sequence[float]], size: int = 5, reach: int = 100
    ) -> None:
        self.vocab_size, self.context, self._law, self._reach = size, 100_000, law, reach
        self.passes = self.rows = 0
        self._known: dict[tuple[int, ...], Tensor] = {}
        self.embedding = torch.eye(size + 1, size)
        """One-hot; the last row is written."""

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
        return torch.stack([self._read(token, cache) for token, cache in zip(tokens, caches, strict=True)])

    def _read(self, token: int, cache: TokenCache) -> Tensor:
        """Return the logits after a token; after the last row of embeddings the mean of those after each
        token, by its numbers: then the likeliest token is read."""
        row = self.embedding[token]
        each = [self.logits([*cache.tokens, one]) for one in row.nonzero()[:, 0].tolist()]
        cache.tokens.append(int(row.argmax()))
        return (row[row > 0][:, None] * torch.stack(each)).sum(0)


class TreeTable(Table):
    """A table that verifies drafts."""

    draft_support = DraftSupport("tree")

    def __init__(
        self, law: Callable[[tuple[int, ...]], Sequence[float]], size: int = 5, reach: int = 100
    ) -> None:
        super().__init__(law, size, reach)
        self._paths: dict[int, list[list[int]]] = {}

    def decode_tree(self, tokens: Any, parents: Any, counts: Any, caches: Any) -> Tensor:
        rows, first = [], 0
        for count, cache in zip(counts, caches, strict=True):
            paths: list[list[int]] = []
            for node in range(first, first + count):
                paths.append([*(paths[parents[node]] if parents[node] >= 0 else []), tokens[node]])
                rows.append(self.logits([*cache.tokens, *paths[-1]]))
            self._paths[id(cache)] = paths
            first += count
        return torch.stack(rows)

    def keep(self, paths: Any, caches: Any) -> None:
        for path, cache in zip(paths, caches, strict=True):
            cache.tokens += self._paths[id(cache)][path[-1]]


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


def interrupted(engine: Engine, requests: Sequence[Request], at: int) -> list[Result]:
    """Return the results of requests whose model is interrupted in a pass (from 1), and which go on."""
    decode, passes = engine.model.decode, 0

    def cut(*inputs: Any) -> Any:
        nonlocal passes
        passes += 1
        if passes == at:
            raise KeyboardInterrupt
        return decode(*inputs)

    engine.model.decode = cut  # type: ignore[method-assign]
    handles = [handle for request in requests for handle in engine.submit(request)]
    try:
        engine.drive(handles)
    except KeyboardInterrupt:
        engine.drive(handles)
    return [handle.result for handle in handles if handle.result is not None]


@functools.cache
def compiled(grammar: sg.Grammar) -> sg.CompiledGrammar:
    return sg.compile(grammar, LETTERS)


def allowed_after(tokens: Sequence[int], grammar: sg.Grammar = RULE, budget: int | None = None) -> list[int]:
    """Return the tokens that may come after a text, and after which it can be completed within a budget."""
    matcher = sg.Matcher(compiled(grammar))
    for token in tokens:
        matcher.advance(token)
    found = []
    for token in range(5):
        if matcher.accepts([token]):
            matcher.advance(token)
            if budget is None or token == END or matcher.tokens_to_finish() <= budget - len(tokens) - 1:
                found.append(token)
            matcher.rollback(1)
    return found


def enumerated(
    law: Callable[[tuple[int, ...], list[int]], dict[int, float]],
    grammar: sg.Grammar = RULE,
    most: int = 12,
) -> dict[tuple[int, ...], float]:
    """Return the probability of each text, by tokens, for a law of the next token: a function of the tokens
    before and of the allowed ones. The end token is allowed where a text is complete."""
    found: dict[tuple[int, ...], float] = {}

    def go(tokens: tuple[int, ...], mass: float) -> None:
        assert len(tokens) < most
        for token, share in law(tokens, allowed_after(tokens, grammar)).items():
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


def hold_law(
    results: Sequence[Result], right: Callable[..., Any], wrong: Callable[..., Any], most: float
) -> None:
    """Hold draws to a law, and see that they tell it from one with a fault."""
    assert distance(results, enumerated(right)) < most
    assert distance(results, enumerated(wrong)) > most


def law_of(model: Table, prompt: Sequence[int], tokens: Sequence[int]) -> dict[int, float]:
    """Return a model's log-probabilities over the vocabulary."""
    return dict(enumerate(torch.log_softmax(model.logits([*prompt, *tokens]).double(), -1).tolist()))


def drawn(model: Table, how: Sampling, count: int = 4_000, grammar: sg.Grammar = RULE) -> list[Result]:
    engine = Engine(model, LETTERS, max_rows=512)
    return texts_of(engine, Request([0], grammar, how, max_tokens=12, n=count))


def shares_after(model: Table, tokens: tuple[int, ...], grammar: sg.Grammar = RULE) -> dict[int, float]:
    """Return the model's law of the next token under a grammar, behind the prompt [0]."""
    row = model.logits([0, *tokens])
    return softmax({one: float(row[one]) for one in allowed_after(tokens, grammar)})
