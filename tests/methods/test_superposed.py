"""Superposed decoding: the shared law on a linear model, a twin of the scores, and drafts that are valid."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
import torch
from for_each import for_each
from methods.superposed import SuperposedDecoding, _log_q, _ngrams, superposable
from strategy_models import END, LETTERS, TEXTS, Table, allowed_after, scrambled
from torch import Tensor

import structgen as sg
from structgen.decoding.engine import Engine, Request, Result, Sampling

MOST = 10


class Linear:
    """A model whose logits are W times its last input, so that superposition is exact."""

    def __init__(self, seed: int) -> None:
        numbers = torch.Generator().manual_seed(seed)
        self.vocab_size, self.context = 5, 1000
        self.embedding, self.head = torch.randn(6, 3, generator=numbers), torch.randn(5, 3, generator=numbers)
        self.inputs: list[Tensor] = []

    def logits(self, read: Tensor) -> Tensor:
        return read @ self.head.T

    def prefill(self, tokens: Sequence[int]) -> tuple[Tensor, Nothing]:
        return self.logits(self.embedding[tokens[-1]]), Nothing()

    def decode(self, tokens: Sequence[int], caches: Sequence[Nothing]) -> Tensor:
        self.inputs += [self.embedding[token].clone() for token in tokens if token == 5]
        return torch.stack([self.logits(self.embedding[token]) for token in tokens])


class Nothing:
    nbytes = 0

    def copy(self) -> Nothing:
        return self


def _twin(model: Linear, k: int, heat: float) -> list[tuple[int, ...]]:
    """Return the drafts, best first, with laws that are means of the drafts' own."""
    own = {token: model.logits(model.embedding[token]).double() for token in range(5)}
    logits, drafts, ended = own[0], [((), 0.0)], []
    while drafts and len(ended) < k:
        found = []
        for tokens, score in drafts:
            allowed = allowed_after(tokens, TEXTS, MOST)
            law = torch.log_softmax(logits[allowed] / heat, 0).tolist()
            found += [((*tokens, token), score + share) for token, share in zip(allowed, law, strict=True)]
        found = sorted(found, key=lambda one: -one[1])[: k - len(ended)]
        is_over = [tokens[-1] == END or len(tokens) == MOST for tokens, _ in found]
        ended += [one for one, over in zip(found, is_over, strict=True) if over]
        drafts = [one for one, over in zip(found, is_over, strict=True) if not over]
        if drafts:
            weights = torch.softmax(torch.tensor([score for _, score in drafts]).double(), 0)
            logits = sum(w * own[tokens[-1]] for w, (tokens, _) in zip(weights, drafts, strict=True))
    return [tokens for tokens, _ in sorted(ended, key=lambda one: -one[1])]


def _drafts(model: Linear | Table, strategy: SuperposedDecoding, most: int = MOST) -> list[Result]:
    engine = Engine(model, LETTERS)
    found = engine.generate(
        Request([0], TEXTS, Sampling(temperature=0.0), max_tokens=most, n=strategy.k, strategy=strategy)
    )
    assert all(one.error is None for one in found), found[0].error
    return found


@for_each("seed", range(4))
@for_each("k", [2, 3])
def test_drafts_of_a_linear_model_are_those_of_exact_means(seed: int, k: int) -> None:
    model = Linear(seed)
    found = [tuple(one.tokens) for one in _drafts(model, SuperposedDecoding(k=k, temperature=0.5))]
    expected = [tuple(token for token in tokens if token != END) for tokens in _twin(model, k, 0.5)]
    assert found == expected
    assert any(not torch.isclose(model.embedding[:5], one).all(1).any() for one in model.inputs)


def test_drafts_are_distinct_and_cost_a_row_for_each_token_of_the_longest() -> None:
    for seed in range(4):
        found = _drafts(scrambled(seed), SuperposedDecoding(temperature=0.5))
        assert len({tuple(one.tokens) for one in found}) == 3
        longest = max(len(one.steps) for one in found)
        assert all(one.usage.strategy_rows <= longest for one in found)
        assert [one.steps[0].state[0] for one in found] == sorted(
            (one.steps[0].state[0] for one in found), reverse=True
        )


def test_a_drafts_mask_takes_no_candidate_from_another() -> None:
    """One candidate of each draft: it is the likeliest one of its own mask."""
    for seed in range(4):
        (one,) = _drafts(scrambled(20 + seed), SuperposedDecoding(k=1))
        found = _drafts(scrambled(20 + seed), SuperposedDecoding(k=3, candidates=1, temperature=0.5))
        assert [draft.tokens for draft in found] == [one.tokens] * 3


def test_ngrams_are_the_stated_mixture() -> None:
    grams = _ngrams(("abc", "ab"), LETTERS)
    tokens = LETTERS.encode(b"abc")
    assert tokens == [3, 2]  # ab c
    assert _log_q(grams, (3,), 2) == pytest.approx(math.log(0.01 * 1.0))
    assert _log_q(grams, (1,), 2) == -200.0


def test_without_texts_their_weight_has_no_effect() -> None:
    model = scrambled(39)
    plain, weighted = (_drafts(model, SuperposedDecoding(temperature=0.5, a=a)) for a in (0.0, 0.9))
    assert [one.tokens for one in plain] == [one.tokens for one in weighted]
    states = [[step.state for one in drafts for step in one.steps] for drafts in (plain, weighted)]
    assert states[0] == states[1]


def test_texts_change_the_drafts() -> None:
    changed = 0
    for seed in range(4):
        plain = _drafts(scrambled(40 + seed), SuperposedDecoding(temperature=0.5))
        told = _drafts(scrambled(40 + seed), SuperposedDecoding(temperature=0.5, texts=["cbbcbb" * 3]))
        changed += [one.tokens for one in plain] != [one.tokens for one in told]
    assert changed


def test_a_llama_reads_one_draft_as_its_tokens() -> None:
    """The mean of one embedding is that embedding: the logits are those of the token, to the bit."""
    engine = superposable("structgen/extract")
    model, prompt = engine.model, engine.tokenizer.encode(b"Ada is 36.")
    _, cache = model.prefill(prompt)
    other = cache.copy()
    for token in engine.tokenizer.encode(b" years old"):
        plain = model.decode([token], [cache])
        model.embedding[-1] = model.embedding[token]  # type: ignore[attr-defined]
        embedded = model.decode([model.vocab_size], [other])
        assert torch.equal(plain, embedded)


def test_other_models_are_refused_with_the_reason() -> None:
    model = Table(lambda tokens: [0.0] * 5)
    model.embedding = model.embedding[:5]
    with pytest.raises(sg.errors.OptionError, match="does not read the mean") as caught:
        Engine(model, LETTERS).generate(Request([0], TEXTS, max_tokens=9, strategy=SuperposedDecoding()))
    assert caught.value.where == "strategy"
