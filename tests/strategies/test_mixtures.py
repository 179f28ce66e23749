"""Guidance, contrast, contrastive decoding and proxy tuning: the law of texts is the formula's."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from strategy_models import LETTERS, RULE, Table, distance, drawn, enumerated, scrambled, softmax

import structgen as sg
from structgen.engine import Engine, Request, Sampling
from structgen.engine.strategies.strategy import Mixture

LARGE, SMALL, TUNED = scrambled(31), scrambled(32), scrambled(33)
WITHOUT = [2, 1]


def _law(model: Table, prompt: Sequence[int], tokens: Sequence[int]) -> dict[int, float]:
    """Return log-probabilities over the vocabulary."""
    found = torch.log_softmax(model.logits([*prompt, *tokens]).double(), -1).tolist()
    return dict(enumerate(found))


def _guided(scale: float) -> Any:
    def law(tokens: tuple[int, ...], allowed: list[int]) -> dict[int, float]:
        own, other = _law(LARGE, [0], tokens), _law(LARGE, WITHOUT, tokens)
        return softmax({one: (1 - scale) * other[one] + scale * own[one] for one in allowed})

    return law


def _contrasted(weight: float, gate: float, floor: float) -> Any:
    def law(tokens: tuple[int, ...], allowed: list[int]) -> dict[int, float]:
        own, weak = _law(LARGE, [0], tokens), _law(LARGE, WITHOUT, tokens)
        shares = softmax({one: own[one] for one in allowed})
        if sum(share**2 for share in shares.values()) >= gate:
            return shares
        head = [one for one in allowed if shares[one] >= floor * max(shares.values())]
        return softmax({one: own[one] + weight * (own[one] - weak[one]) for one in head})

    return law


def _contrastive(weight: float, floor: float) -> Any:
    def law(tokens: tuple[int, ...], allowed: list[int]) -> dict[int, float]:
        own, small = _law(LARGE, [0], tokens), _law(SMALL, [0], tokens)
        edge = max(own[one] for one in allowed) + math.log(floor)
        return softmax({one: own[one] - weight * small[one] for one in allowed if own[one] >= edge})

    return law


def _proxied(weight: float) -> Any:
    def law(tokens: tuple[int, ...], allowed: list[int]) -> dict[int, float]:
        own, tuned, untuned = (_law(model, [0], tokens) for model in (LARGE, TUNED, SMALL))
        return softmax({one: own[one] + weight * (tuned[one] - untuned[one]) for one in allowed})

    return law


CASES: dict[str, tuple[Mixture, Callable[..., Any], Callable[..., Any]]] = {
    "guidance": (sg.strategies.Guidance(WITHOUT, scale=1.5), _guided(1.5), _guided(1.3)),
    "guidance_of_the_other": (sg.strategies.Guidance(WITHOUT, scale=0.0), _guided(0.0), _guided(0.2)),
    "contrast": (
        sg.strategies.Contrast(WITHOUT, gate=0.4),
        _contrasted(0.5, 0.4, 0.1),
        _contrasted(0.5, 1.1, 0.1),
    ),
    "contrast_always": (
        sg.strategies.Contrast(WITHOUT, weight=0.7, gate=1.0, floor=0.0),
        _contrasted(0.7, 2.0, 0.0),
        _contrasted(0.4, 2.0, 0.0),
    ),
    "contrastive": (
        sg.strategies.ContrastiveDecoding((SMALL, LETTERS), weight=0.4, floor=0.2),
        _contrastive(0.4, 0.2),
        _contrastive(0.4, 0.1),
    ),
    "proxy": (sg.strategies.ProxyTuning((TUNED, LETTERS), (SMALL, LETTERS)), _proxied(1.0), _proxied(0.8)),
}


@pytest.mark.parametrize(
    ("name", "count", "most"),
    [
        *((name, 800, 0.06) for name in ("contrast", "guidance", "contrastive", "proxy")),
        *(pytest.param(name, 12_000, 0.02, marks=pytest.mark.slow) for name in sorted(CASES)),
    ],
)
def test_the_law_of_texts_is_the_formulas(name: str, count: int, most: float) -> None:
    """The third entry of a case is a law with a fault, which these draws tell from the right one."""
    strategy, right, wrong = CASES[name]
    results = drawn(LARGE, Sampling(seed=7, strategy=strategy), count)
    assert distance(results, enumerated(right)) < most
    assert distance(results, enumerated(wrong)) > most


@pytest.mark.parametrize(
    "strategy",
    [sg.strategies.Contrast([0], weight=w, gate=1.0, floor=0.0) for w in (0.5, 20.0)]
    + [sg.strategies.Guidance([0], scale=2.0)],
    ids=["weight_0.5", "weight_20", "guidance"],
)
def test_an_identical_prompt_changes_nothing(strategy: Mixture) -> None:
    plain = drawn(scrambled(1), Sampling(seed=3), 200)
    same = drawn(scrambled(1), Sampling(seed=3, strategy=strategy), 200)
    assert [one.tokens for one in plain] == [one.tokens for one in same]


def test_vocabulary_that_cannot_come_leaves_the_gate_as_it_is() -> None:
    few = np.array([0.0, -1.0, -1.5])
    strategy = sg.strategies.Contrast([0], gate=0.5)
    for gate in (0.3, 0.5, 0.8):
        strategy = sg.strategies.Contrast([0], gate=gate)
        many = np.concatenate([few, np.full(10_000, -200.0)])
        small = strategy.mixed(few, [few * 0.3])
        large = strategy.mixed(many, [many * 0.3])
        assert (small is None) == (large is None)


@pytest.mark.parametrize(
    "strategy",
    [
        sg.strategies.Guidance([0], scale=2.0),
        sg.strategies.Contrast([0], gate=1.0),
        sg.strategies.ContrastiveDecoding((SMALL, LETTERS)),
        sg.strategies.ProxyTuning((TUNED, LETTERS), (SMALL, LETTERS)),
    ],
    ids=["guidance", "contrast", "contrastive", "proxy"],
)
def test_extreme_logits_stay_numbers(strategy: Mixture) -> None:
    own = np.array([1000.0, 999.0, -1000.0, -np.inf])
    for other in (own[::-1].copy(), np.array([-np.inf, 0.0, 0.0, -np.inf]), own):
        found = strategy.mixed(own, [other] * len(strategy.seconds))
        assert found is not None
        assert not np.isnan(found).any()
        assert np.isfinite(found.max())


def test_samples_of_a_prompt_have_further_rows_of_their_own() -> None:
    how = Sampling(seed=7, strategy=sg.strategies.Guidance(WITHOUT, scale=2.0))
    engine = Engine(scrambled(5), LETTERS)
    together = engine.generate(Request([0], RULE, how, max_tokens=9, n=8))
    for at, one in enumerate(together):
        alone = engine.generate(Request([0], RULE, how, max_tokens=9, n=at + 1))[at]
        assert alone.tokens == one.tokens


def test_a_further_row_that_fails_ends_its_own_texts_alone() -> None:
    class Broken(Table):
        def decode(self, tokens: Any, caches: Any) -> Any:
            raise RuntimeError("no more")

    broken = sg.strategies.ContrastiveDecoding((Broken(scrambled(4)._law), LETTERS))
    bad, good = Engine(scrambled(5), LETTERS).generate(
        [
            Request([0], RULE, Sampling(strategy=broken), max_tokens=9),
            Request([0], RULE, Sampling(), max_tokens=9),
        ]
    )
    assert bad.error is not None
    assert "no more" in str(bad.error)
    assert good.error is None


WORDS = sg.Tokenizer.from_bytes([b"a", b"b", b"d", b"ab", b"<end>"], eos_token_id=4)


@pytest.mark.parametrize(
    ("strategy", "where", "said"),
    [
        (sg.strategies.ContrastiveDecoding((scrambled(1), WORDS)), "small", "another tokenizer"),
        (
            sg.strategies.ProxyTuning((scrambled(1), LETTERS), (scrambled(1), WORDS)),
            "untuned",
            "another tokenizer",
        ),
        (sg.strategies.Guidance([0, 77]), "prompt[1]", "none of the model's"),
        (sg.strategies.Guidance([0] * 99_999), "without", "context"),
    ],
    ids=["small", "untuned", "ids", "context"],
)
def test_what_does_not_fit_the_model_is_refused_when_submitted(
    strategy: Mixture, where: str, said: str
) -> None:
    with pytest.raises(sg.errors.OptionError, match=said) as caught:
        Engine(scrambled(1), LETTERS).submit(Request([0], RULE, Sampling(strategy=strategy), max_tokens=9))
    assert caught.value.where == where


def test_two_kinds_agree_in_one_request() -> None:
    """A mixture before the mask, and a truncation behind it."""
    how = Sampling(
        seed=3, strategy=(sg.strategies.Guidance(WITHOUT, scale=2.0), sg.strategies.Mirostat(tau=1.0))
    )
    results = drawn(LARGE, how, 100)
    assert all(step.state for one in results for step in one.steps if step.allowed > 1)
    assert results[0].usage.strategy_calls > 0
