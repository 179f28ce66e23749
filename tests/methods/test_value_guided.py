"""Values of tokens follow their formula, by enumeration."""

from __future__ import annotations

import math

import numpy as np
import pytest
from in_this_process import InThisProcess
from methods.value_guided import ValueGuided
from searching import decided
from strategy_models import END, LETTERS, RULE, Table, scrambled, shares_after, softmax

from structgen.decoding.engine import Engine, Request, Sampling


@pytest.fixture(autouse=True)
def _rewards_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("structgen.decoding.engine.searches.rewards.WorkerProcess", InThisProcess)


def _worth(text: str) -> float:
    return text.count("b") + 0.5 * text.count("c")


def _expected(model: Table, tokens: tuple[int, ...]) -> float:
    """Return the mean reward of the texts that begin with tokens, by enumeration."""
    if tokens and tokens[-1] == END:
        return _worth(b"".join(LETTERS.token_bytes[one] or b"" for one in tokens[:-1]).decode())
    shares = shares_after(model, tokens)
    return sum(share * _expected(model, (*tokens, token)) for token, share in shares.items())


def _exact(model: Table, tokens: tuple[int, ...], alpha: float) -> dict[int, float]:
    shares = shares_after(model, tokens)
    return softmax(
        {one: math.log(share) + _expected(model, (*tokens, one)) / alpha for one, share in shares.items()}
    )


def _estimated(model: Table, tokens: tuple[int, ...], alpha: float, count: int, seed: int = 1) -> np.ndarray:
    strategy = ValueGuided(seconds=60, reward=_worth, alpha=alpha, continuations=count)
    scores = decided(strategy, model, RULE, Sampling(seed=seed), tokens).scores
    assert scores is not None
    return np.exp(scores - np.logaddexp.reduce(scores))


@pytest.mark.parametrize(("tokens", "alpha"), [((), 0.5), ((0,), 2.0), ((1,), 0.5)])
def test_the_law_is_that_of_exact_values(tokens: tuple[int, ...], alpha: float) -> None:
    model = scrambled(60)
    exact = _exact(model, tokens, alpha)
    found = _estimated(model, tokens, alpha, 400)
    assert 0.5 * sum(abs(found[one] - exact.get(one, 0.0)) for one in range(5)) < 0.03
    plain = shares_after(model, tokens)
    assert 0.5 * sum(abs(plain[one] - exact[one]) for one in exact) > 0.03


def test_more_continuations_come_nearer_to_the_exact_law() -> None:
    model = scrambled(61)
    exact = _exact(model, (), 0.3)

    def error(count: int) -> float:
        laws = [_estimated(model, (), 0.3, count, seed) for seed in range(5)]
        return sum(abs(law[one] - exact.get(one, 0.0)) for law in laws for one in range(5))

    assert error(64) < 0.5 * error(2)


def test_one_greedy_continuation_is_the_released_rule() -> None:
    """Greedy: the token with the greatest logit + weight reward of one greedy continuation."""
    for seed in range(4):
        model, text = scrambled(70 + seed), ()
        while not text or text[-1] != END:
            shares, scores = shares_after(model, text), {}
            for token, share in shares.items():
                whole = (*text, token)
                while whole[-1] != END:
                    behind = shares_after(model, whole)
                    whole = (*whole, max(behind, key=lambda one: behind[one]))
                scores[token] = math.log(share) + _expected(model, whole) / 0.7
            text = (*text, max(scores, key=lambda one: scores[one]))
        (one,) = Engine(model, LETTERS).generate(
            Request(
                [0],
                RULE,
                Sampling(temperature=0.0),
                max_tokens=12,
                strategy=ValueGuided(seconds=60, reward=_worth, alpha=0.7),
            )
        )
        assert tuple(one.tokens) == text[:-1]


def test_a_baseline_continues_in_place_of_the_model() -> None:
    model, baseline = scrambled(80), scrambled(81)
    results = []
    for given in (None, Engine(baseline, LETTERS)):
        strategy = ValueGuided(seconds=60, reward=_worth, alpha=0.2, continuations=3, baseline=given)
        before = baseline.passes
        found = Engine(model, LETTERS).generate(Request([0], RULE, max_tokens=12, n=20, strategy=strategy))
        results.append([one.tokens for one in found])
        assert (baseline.passes > before) == (given is not None)
        assert sum(one.usage.strategy_calls for one in found) > 0
    assert results[0] != results[1]
