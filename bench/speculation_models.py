"""The models of bench_speculation.py: Llamas of random weights, and a model that is told what to choose.

A model of random weights would write noise, and so would never agree with a draft. `Recorded` lets its passes
run, at their full price, and then makes the recorded token of each place the likeliest one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

import torch
from torch import Tensor

from structgen.engine.forward_pass.llama import Llama
from structgen.engine.forward_pass.weights import Layer, Sizes, Weights
from structgen.engine.model_protocol import DraftSupport, Model, ReadsMany, draft_support_of

_FAR: Final = 1e4
"""The logit of the recorded token, above all that a model gives."""
_LOST: Final = -1


def random_llama(
    width: int,
    layers: int,
    inner: int,
    vocab_size: int,
    *,
    context: int = 2048,
    heads: int = 0,
    groups: int = 0,
    device: str = "cpu",
    dtype: torch.dtype = torch.float32,
) -> Llama:
    """Return a Llama of random weights, rounded to bfloat16 as published ones are, its embedding tied.
    `heads` are 64 wide each by default, `groups` are heads of keys and values."""
    heads = heads or width // 64
    groups = groups or heads
    head = width // heads
    random = torch.Generator(device).manual_seed(0)

    def made(columns: int, depth: int) -> Tensor:
        drawn = torch.randn(columns, depth, generator=random, device=device, dtype=torch.float32)
        return (drawn * depth**-0.5).bfloat16().to(dtype)

    ones = torch.ones(width, device=device, dtype=dtype)
    listed = [
        Layer(
            ones,
            made((heads + 2 * groups) * head, width),
            made(width, heads * head),
            ones,
            made(2 * inner, width),
            made(width, inner),
        )
        for _ in range(layers)
    ]
    sizes = Sizes(layers, heads, groups, head, context, 10_000.0, 1e-5)
    steps = torch.arange(0, head, 2, dtype=torch.float32, device=device)
    places = torch.arange(context, dtype=torch.float32, device=device)
    angles = torch.outer(places, sizes.theta ** (-steps / head))
    embedding = made(vocab_size, width)
    cos, sin = angles.cos().repeat(1, 2), torch.cat((-angles.sin(), angles.sin()), -1)
    return Llama(Weights(sizes, embedding, listed, ones, embedding, cos.to(dtype), sin.to(dtype)))


def llama_100m() -> Llama:
    """Return 101 million weights: 12 layers, 768 wide, with the vocabulary of the embedded tokenizer."""
    return random_llama(768, 12, 2560, 2048)


def llama_1b(device: str, dtype: torch.dtype) -> Llama:
    """Return 1.24 billion weights: the shape of Llama 3.2 1B."""
    return random_llama(2048, 16, 8192, 128_256, heads=32, groups=8, device=device, dtype=dtype, context=4096)


def llama_small(vocab_size: int) -> Llama:
    """Return a Llama of two small layers with a vocabulary that may be large."""
    return random_llama(64, 2, 128, -(-vocab_size // 64) * 64, context=8192)


class _Place:
    """The cache of a `Recorded`: the model's own, the recorded answer, and how much of it was read."""

    __slots__ = ("answer", "at", "inner", "nodes")

    def __init__(self, inner: Any, answer: Sequence[int], at: int) -> None:
        self.inner, self.answer, self.at = inner, answer, at
        self.nodes: list[int] = []
        """For each node of the last tree, how much of the answer is read behind it."""

    @property
    def nbytes(self) -> int:
        """Bytes of the model's own cache."""
        return int(self.inner.nbytes)

    def copy(self) -> _Place:
        """Return another that goes on by itself."""
        return _Place(self.inner.copy(), self.answer, self.at)

    def after(self, at: int, token: int) -> int:
        """Return how much of the answer is read behind one more token; _LOST where it has another one."""
        return at + 1 if 0 <= at < len(self.answer) and self.answer[at] == token else _LOST

    def wanted(self, at: int) -> int:
        """Return the token that is to be chosen; _LOST where there is none."""
        return self.answer[at] if 0 <= at < len(self.answer) else _LOST


class Recorded:
    """A model whose texts are recorded: behind each of these prompts it chooses the tokens of one answer.

    `answers` are pairs of a prompt's tokens and those of its answer, the end token among them. Prompts must
    differ. The logits of other tokens, and of texts that have left their answer, are the model's own.
    """

    def __init__(self, model: Model, answers: Iterable[tuple[Sequence[int], Sequence[int]]]) -> None:
        self._model: Any = model
        self.vocab_size, self.context = model.vocab_size, model.context
        self._answers: dict[tuple[int, ...], Sequence[int]] = {}
        for prompt, answer in answers:
            if self._answers.setdefault(tuple(prompt), answer) is not answer:
                raise ValueError("two answers have the same prompt")

    @property
    def draft_support(self) -> DraftSupport:
        """What the model itself verifies."""
        return draft_support_of(self._model)

    def prefill(self, tokens: Sequence[int]) -> tuple[Tensor, _Place]:
        """Read a prompt of one of the answers."""
        (found,) = self.prefill_many([tokens])
        return found

    def prefill_many(self, prompts: Sequence[Sequence[int]]) -> list[tuple[Tensor, _Place]]:
        """Read several."""
        if isinstance(self._model, ReadsMany):
            read = list(self._model.prefill_many(prompts))
        else:
            read = [self._model.prefill(prompt) for prompt in prompts]
        found = []
        for prompt, (logits, inner) in zip(prompts, read, strict=True):
            place = _Place(inner, self._answers[tuple(prompt)], 0)
            found.append((self._told(logits[None], [place.wanted(0)])[0], place))
        return found

    def decode(self, tokens: Sequence[int], caches: Sequence[_Place]) -> Tensor:
        """Read one more token of each text."""
        logits = self._model.decode(tokens, [cache.inner for cache in caches])
        for token, cache in zip(tokens, caches, strict=True):
            cache.at = cache.after(cache.at, token)
        return self._told(logits, [cache.wanted(cache.at) for cache in caches])

    def decode_tree(
        self,
        tokens: Sequence[int],
        parents: Sequence[int],
        counts: Sequence[int],
        caches: Sequence[_Place],
    ) -> Tensor:
        """Read a tree of each text."""
        logits = self._model.decode_tree(tokens, parents, counts, [cache.inner for cache in caches])
        wanted: list[int] = []
        first = 0
        for count, cache in zip(counts, caches, strict=True):
            cache.nodes = nodes = []
            for token, parent in zip(
                tokens[first : first + count], parents[first : first + count], strict=True
            ):
                nodes.append(cache.after(cache.at if parent < 0 else nodes[parent], token))
            wanted += [cache.wanted(at) for at in nodes]
            first += count
        return self._told(logits, wanted)

    def keep(self, paths: Sequence[Sequence[int]], caches: Sequence[_Place]) -> None:
        """Keep a path of each tree."""
        self._model.keep(paths, [cache.inner for cache in caches])
        for path, cache in zip(paths, caches, strict=True):
            cache.at = cache.nodes[path[-1]]

    def _told(self, logits: Tensor, wanted: Sequence[int]) -> Tensor:
        """Return the logits with the wanted token of each row above all others."""
        rows = [row for row, token in enumerate(wanted) if token != _LOST]
        if rows:
            with torch.inference_mode():
                where = torch.tensor(
                    [rows, [wanted[row] for row in rows]], dtype=torch.long, device=logits.device
                )
                logits[where[0], where[1]] = _FAR
        return logits
