"""Two models with different tokenizers, joined on bytes: probabilities of bytes are held to the enumeration
of all tokenisations."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
import torch
from methods.byte_frontier import ByteFrontier, TokenRanges
from methods.cautious import Cautious
from methods.fused_models import FusedModels
from strategy_models import LETTERS, TEXTS, Table, scrambled

import structgen as sg
from structgen.decoding.engine import Engine, Request, Sampling
from structgen.strategies import ModelRows

WIDE_TOKENS = [
    *(b"a", b"b", b"c", b"ab", b"bc", b"abc", b"ca"),
    *(b"\xc3", b"\xa9", b"\xc3\xa9", b"\xa9a", b"<end>"),
]
WIDE = sg.Tokenizer.from_bytes(WIDE_TOKENS, eos_token_id=11)
PROMPT = [0]


def _law(model: Table, tokens: tuple[int, ...]) -> np.ndarray:
    row = model.logits([*PROMPT, *tokens]).double().numpy()
    return row - np.logaddexp.reduce(row)


def _enumerated(model: Table, texts: list[bytes], data: bytes) -> float:
    """Return the probability that a text begins with some bytes: the sum over all token sequences whose last
    token is the first one to reach their end."""

    def go(tokens: tuple[int, ...], rest: bytes, share: float) -> float:
        if not rest:
            return share
        law, found = np.exp(_law(model, tokens)), 0.0
        for token, piece in enumerate(texts):
            if rest.startswith(piece):
                found += go((*tokens, token), rest[len(piece) :], share * law[token])
            elif piece.startswith(rest):
                found += share * law[token]
        return found

    return go((), data, 1.0)


def _frontier(model: Table, tokenizer: sg.Tokenizer, **options: Any) -> ByteFrontier:
    return ByteFrontier(ModelRows(model, PROMPT, ""), TokenRanges(tokenizer), **options)


@pytest.mark.parametrize("seed", range(4))
def test_probabilities_of_bytes_are_those_of_all_tokenisations(seed: int) -> None:
    model = scrambled(seed, size=12)
    texts = WIDE_TOKENS[:-1]
    pieces = [b"a", b"b", b"ca", b"\xc3", b"\xa9a"]
    for parts in itertools.product(pieces, repeat=3):
        data = b"".join(parts)[:6]
        frontier = _frontier(model, WIDE)
        for part in (data[:1], data[1:3], data[3:]):  # characters may be cut
            frontier = frontier.after(part)
        expected = _enumerated(model, texts, data)
        assert math.exp(frontier.logprob) == pytest.approx(expected, rel=1e-12, abs=1e-300)
        assert frontier.dropped == 0


def test_pruning_says_what_it_took() -> None:
    model, data = scrambled(3, size=12), b"abcabcab"
    exact, pruned = _frontier(model, WIDE).after(data), _frontier(model, WIDE, prune=0.05)
    for at in range(len(data)):
        pruned = pruned.after(data[at : at + 1])
    assert len(pruned.coverings) < len(exact.coverings)
    assert 0 < pruned.dropped < 1
    assert math.exp(pruned.logprob - exact.logprob) >= 1 - pruned.dropped - 1e-12


def test_the_end_of_a_text_is_that_of_all_tokenisations() -> None:
    model = scrambled(5, size=12)
    expected = 0.0
    for tokens in ((0, 1, 2), (3, 2), (0, 4), (5,)):  # a b c, ab c, a bc, abc
        share = 0.0
        for at in range(len(tokens)):
            share += _law(model, tokens[:at])[tokens[at]]
        expected += math.exp(share + _law(model, tokens)[11])
    assert math.exp(_frontier(model, WIDE).after(b"abc").end_logprob()) == pytest.approx(expected, rel=1e-12)


def _formula(first: Table, second: Table, tokens: tuple[int, ...], r: float) -> np.ndarray:
    """Return the fused law by enumeration. The first model writes LETTERS, the second WIDE."""
    texts = WIDE_TOKENS[:-1]
    data = b"".join(LETTERS.token_bytes[token] or b"" for token in tokens)
    whole = _enumerated(second, texts, data)
    other = [_enumerated(second, texts, data + (LETTERS.token_bytes[token] or b"")) for token in range(4)]
    other.append(math.exp(_frontier(second, WIDE).after(data).end_logprob()))
    row = first.logits([*PROMPT, *tokens]).double().numpy()
    own = row - np.logaddexp.reduce(row)
    found = (1 - r) * own + r * (np.log(other) - math.log(whole))
    return found - np.logaddexp.reduce(found)


@pytest.mark.parametrize("r", [0.2, 0.7, 1.0])
def test_the_law_is_the_formula(r: float) -> None:
    first, second = scrambled(6), scrambled(7, size=12)
    model = FusedModels(
        Engine(first, LETTERS), Engine(second, WIDE), r=r, unread_share=0.0, most_rows=100, prune=0.0
    )
    for tokens in ((), (0,), (3,), (2, 0), (0, 1, 2), (3, 2, 0)):
        logits, cache = model.prefill(PROMPT)
        for token in tokens:
            (logits,) = model.decode([token], [cache])
        found = torch.log_softmax(logits.double(), -1).numpy()
        assert cache.unread_share == 0
        assert found == pytest.approx(_formula(first, second, tokens, r), abs=1e-5)


def test_without_weight_it_is_the_first_model_token_for_token() -> None:
    first, second = scrambled(8), scrambled(9, size=12)
    model = FusedModels(Engine(first, LETTERS), Engine(second, WIDE), r=0.0)
    requests = [Request([0], TEXTS, Sampling(seed=at), max_tokens=16) for at in range(20)]
    plain = [one.tokens for one in Engine(first, LETTERS).generate(requests)]
    assert [one.tokens for one in Engine(model).generate(requests)] == plain
    other = FusedModels(Engine(first, LETTERS), Engine(second, WIDE), r=0.8)
    assert [one.tokens for one in Engine(other).generate(requests)] != plain


def test_what_is_not_read_is_told_and_small() -> None:
    first, second = scrambled(12, size=12), scrambled(13)
    shares = []
    for most in (0, 1, 1000):
        model = FusedModels(
            Engine(first, WIDE), Engine(second, LETTERS), unread_share=0.0, most_rows=most, prune=0.0
        )
        _, cache = model.prefill(PROMPT)
        shares.append(cache.unread_share)
    assert shares[0] > shares[1] > shares[2] == 0


def test_the_released_rule_reads_the_own_tokens_alone() -> None:
    first, second = scrambled(14), scrambled(15, size=12)
    exact, released = (
        FusedModels(
            Engine(first, LETTERS), Engine(second, WIDE), approximate=approximate, unread_share=0.0, prune=0.0
        )
        for approximate in (False, True)
    )
    caches = [model.prefill(PROMPT)[1] for model in (exact, released)]
    for token in (0, 1, 2, 0, 1, 2):
        for model, cache in zip((exact, released), caches, strict=True):
            model.decode([token], [cache])
    assert released.rows < exact.rows
    logprobs = [cache.frontier.logprob for cache in caches if cache.frontier is not None]
    assert logprobs[1] < logprobs[0]
    text = LETTERS.decode([0, 1, 2, 0, 1, 2])
    own = tuple(WIDE.encode(text))
    frontier = caches[1].frontier
    assert frontier is not None
    assert all(own[: len(one.tokens)] == one.tokens for one in frontier.coverings)


def test_searches_run_on_it() -> None:
    model = FusedModels(Engine(scrambled(18), LETTERS), Engine(scrambled(19, size=12), WIDE))
    (one,) = Engine(model).generate(
        Request([0], TEXTS, max_tokens=16, strategy=Cautious(trials=3, low=0.0, high=0.1))
    )
    assert one.error is None
    assert one.usage.strategy_rows > 0
