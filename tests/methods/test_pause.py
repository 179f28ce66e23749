"""Pause and rerank: a twin of its rule, and the learnt threshold."""

from __future__ import annotations

import math

import numpy as np
import pytest
from methods.pause_and_rerank import PauseAndRerank, learnt, learnt_tau
from strategy_models import (
    END,
    LETTERS,
    RULE,
    TEXTS,
    Table,
    allowed_after,
    scrambled,
    softmax,
)

import structgen as sg
from structgen.decoding.engine import Engine, Request

MOST = 14


def _twin(model: Table, tau: float, beams: int, depth: int) -> tuple[int, ...]:
    def law(tokens: tuple[int, ...]) -> dict[int, float]:
        row = model.logits([0, *tokens])
        return softmax({one: float(row[one]) for one in allowed_after(tokens, TEXTS, MOST)})

    def is_over(tokens: tuple[int, ...]) -> bool:
        return tokens[-1] == END or len(tokens) == MOST

    def score(tokens: tuple[int, ...], first: float) -> float:
        logs = [math.log(first)]
        for _ in range(depth):
            if is_over(tokens):
                break
            shares = law(tokens)
            best = max(shares, key=lambda one: shares[one])
            if len(shares) > 1:
                logs.append(math.log(shares[best]))
            tokens = (*tokens, best)
        return sum(logs) / len(logs)

    text: tuple[int, ...] = ()
    while not text or not is_over(text):
        shares = law(text)
        order = sorted(shares, key=lambda one: -shares[one])
        nats = -sum(share * math.log(share) for share in shares.values())
        token = order[0]
        if nats > tau:
            token = max(order[:beams], key=lambda one: score((*text, one), shares[one]))
        text = (*text, token)
    return tuple(token for token in text if token != END)


@pytest.mark.parametrize(("tau", "beams", "depth"), [(0.0, 3, 5), (0.6, 2, 2), (0.0, 5, 1), (0.9, 3, 20)])
def test_texts_are_those_of_a_twin(tau: float, beams: int, depth: int) -> None:
    differing = 0
    for seed in range(3):
        model = scrambled(100 + seed)
        strategy = PauseAndRerank(tau=tau, beams=beams, depth=depth)
        (one,) = Engine(model, LETTERS).generate(Request([0], TEXTS, max_tokens=MOST, strategy=strategy))
        assert tuple(one.tokens) == _twin(model, tau, beams, depth)
        differing += tuple(one.tokens) != _twin(model, math.inf, 1, 0)
    assert differing


@pytest.mark.parametrize("options", [{"beams": 1}, {"depth": 0}, {"tau": math.inf}])
def test_neutral_settings_read_no_rows(options: dict[str, float]) -> None:
    strategy = PauseAndRerank(**{"tau": 0.0, **options})  # type: ignore[arg-type]
    (one,) = Engine(scrambled(40), LETTERS).generate(Request([0], TEXTS, max_tokens=MOST, strategy=strategy))
    assert one.usage.strategy_rows == 0


def test_a_planted_threshold_is_found_again() -> None:
    numbers = np.random.default_rng(5)
    for planted in (0.3, 0.8, 1.4):
        entropies = numbers.uniform(0, 2, 4000)
        right = (entropies < planted) ^ (numbers.random(4000) < 0.1)
        tau = learnt_tau(entropies.tolist(), right.tolist())
        assert tau == pytest.approx(planted, abs=0.05)
        assert tau == learnt_tau(entropies.tolist(), right.tolist())


def test_answers_that_are_all_alike_teach_nothing() -> None:
    with pytest.raises(sg.errors.OptionError, match="Give more texts"):
        learnt_tau([0.1, 0.2], [True, True])


def test_a_model_learns_its_own_threshold() -> None:
    engine = Engine(scrambled(41), LETTERS)
    request = Request([0], RULE)
    examples = [(request, text) for text in ("abb", "acb", "bca", "c", "bc", "aa")]
    strategy = learnt(engine, examples)
    assert strategy == learnt(engine, examples)
    assert 0 <= strategy.tau < math.log(4)
    with pytest.raises(sg.errors.OptionError, match="no text of the grammar") as caught:
        learnt(engine, [(request, "cc")])
    assert caught.value.where == "examples[0]"
