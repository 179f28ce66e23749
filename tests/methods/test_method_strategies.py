"""Strategies of bench/methods keep the laws of those of the package, and their own formulas."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import strategy_laws
from in_this_process import InThisProcess
from methods.cautious import Cautious
from methods.contrast import Contrast
from methods.model_arithmetic import ContrastiveDecoding, ProxyTuning
from methods.momentum import Momentum
from methods.pause_and_rerank import PauseAndRerank
from methods.superposed import SuperposedDecoding, superposable
from methods.value_guided import ValueGuided
from strategy_laws import LAWS, MOST
from strategy_models import LETTERS, RULE, drawn, hold_law, law_of, scrambled, softmax

import structgen as sg
from structgen.decoding.engine import Engine, Request, Sampling

SMALL, OTHER = scrambled(21), scrambled(22)
ONE, TWO = Engine(SMALL, LETTERS), Engine(OTHER, LETTERS)


@pytest.fixture(autouse=True)
def _rewards_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("structgen.decoding.engine.searches.rewards.WorkerProcess", InThisProcess)


def _worth(text: str) -> float:
    """A reward that likes the letter b."""
    return text.count("b") / 8


EACH: dict[str, Any] = {
    "momentum": Momentum(alpha=0.5, k=2),
    "cautious": Cautious(trials=4, high=0.6),
    "contrast": Contrast([3, 2], weight=3.0),
    "contrastive": ContrastiveDecoding(ONE, weight=1.0),
    "proxy": ProxyTuning(ONE, TWO),
    "pause": PauseAndRerank(tau=0.3, depth=3),
    "valued": ValueGuided(seconds=60, reward=_worth, k=2, continuations=2),
    "superposed": SuperposedDecoding(temperature=0.5, texts=["abcabcabc", "cababc"]),
}
NEUTRAL: dict[str, Any] = {
    "momentum": Momentum(alpha=0.0),
    "cautious": Cautious(trials=1),
    "contrast": Contrast([3, 2], weight=0.0),
    "contrastive": ContrastiveDecoding(ONE, weight=0.0),
    "proxy": ProxyTuning(ONE, ONE),
    "pause": PauseAndRerank(tau=math.inf),
    "valued": ValueGuided(seconds=60, reward=_worth, alpha=math.inf),
    "superposed": SuperposedDecoding(k=1, texts=["abcabcabc"]),
}
OTHERS = {"contrastive": (SMALL,), "proxy": (SMALL, OTHER)}
MOST_ROWS = {
    "cautious": 4 * MOST * MOST,
    "contrastive": MOST + 1,
    "proxy": 2 * (MOST + 1),
    "pause": 3 * 3 * MOST,
    "valued": 2 * 2 * MOST * MOST,
    "superposed": MOST,
}
"""The stated bounds of searches for a text."""


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
@pytest.mark.parametrize("name", EACH)
def test_each_strategy_keeps_each_law(name: str, law: Callable[[Any], None]) -> None:
    law(EACH[name])


@pytest.mark.parametrize("name", EACH)
def test_a_neutral_setting_is_plain_token_for_token(name: str) -> None:
    strategy_laws.neutral_is_plain(EACH[name], NEUTRAL[name])


@pytest.mark.parametrize("name", EACH)
def test_calls_of_a_method_are_counted(name: str) -> None:
    strategy_laws.calls_are_counted(EACH[name], OTHERS.get(name, ()), MOST_ROWS.get(name, 0))


def test_searches_of_a_llama_over_shared_pages_do_not_depend_on_the_batch() -> None:
    for strategy, engine in (
        (Cautious(trials=3, low=0.0, high=0.01), Engine("structgen/extract")),
        (PauseAndRerank(tau=0.001), Engine("structgen/extract")),
        (SuperposedDecoding(temperature=1.0), superposable("structgen/extract")),
    ):
        strategy_laws.on_a_llama_texts_do_not_depend_on_the_batch(strategy, engine)


# --- the laws of mixtures, by enumeration -------------------------------------------------------------------

LARGE, FIRST, TUNED = scrambled(31), scrambled(32), scrambled(33)
SLIM, FITTED = Engine(FIRST, LETTERS), Engine(TUNED, LETTERS)
WITHOUT = [2, 1]


def _contrasted(weight: float, gate: float, floor: float) -> Any:
    def law(tokens: tuple[int, ...], allowed: list[int]) -> dict[int, float]:
        own, weak = law_of(LARGE, [0], tokens), law_of(LARGE, WITHOUT, tokens)
        shares = softmax({one: own[one] for one in allowed})
        if sum(share**2 for share in shares.values()) >= gate:
            return shares
        head = [one for one in allowed if shares[one] >= floor * max(shares.values())]
        return softmax({one: own[one] + weight * (own[one] - weak[one]) for one in head})

    return law


def _contrastive(weight: float, floor: float) -> Any:
    def law(tokens: tuple[int, ...], allowed: list[int]) -> dict[int, float]:
        own, small = law_of(LARGE, [0], tokens), law_of(FIRST, [0], tokens)
        edge = max(own[one] for one in allowed) + math.log(floor)
        return softmax({one: own[one] - weight * small[one] for one in allowed if own[one] >= edge})

    return law


def _proxied(weight: float) -> Any:
    def law(tokens: tuple[int, ...], allowed: list[int]) -> dict[int, float]:
        own, tuned, untuned = (law_of(model, [0], tokens) for model in (LARGE, TUNED, FIRST))
        return softmax({one: own[one] + weight * (tuned[one] - untuned[one]) for one in allowed})

    return law


CASES: dict[str, tuple[Any, Callable[..., Any], Callable[..., Any]]] = {
    "contrast": (Contrast(WITHOUT, gate=0.4), _contrasted(0.5, 0.4, 0.1), _contrasted(0.5, 1.1, 0.1)),
    "contrast_always": (
        Contrast(WITHOUT, weight=0.7, gate=1.0, floor=0.0),
        _contrasted(0.7, 2.0, 0.0),
        _contrasted(0.4, 2.0, 0.0),
    ),
    "contrastive": (
        ContrastiveDecoding(SLIM, weight=0.4, floor=0.2),
        _contrastive(0.4, 0.2),
        _contrastive(0.4, 0.1),
    ),
    "proxy": (ProxyTuning(FITTED, SLIM), _proxied(1.0), _proxied(0.8)),
}


@pytest.mark.parametrize(
    ("name", "count", "most"),
    [
        *((name, 800, 0.06) for name in ("contrast", "contrastive", "proxy")),
        *(pytest.param(name, 12_000, 0.02, marks=pytest.mark.slow) for name in sorted(CASES)),
    ],
)
def test_the_law_of_texts_is_that_of_its_paper(name: str, count: int, most: float) -> None:
    """The third entry of a case is a law with a fault, which these draws tell from the right one."""
    strategy, right, wrong = CASES[name]
    hold_law(drawn(LARGE, Sampling(seed=7, strategy=strategy), count), right, wrong, most)


@pytest.mark.parametrize("weight", [0.5, 20.0])
def test_contrast_with_an_identical_prompt_changes_nothing(weight: float) -> None:
    plain = drawn(scrambled(1), Sampling(seed=3), 200)
    strategy = Contrast([0], weight=weight, gate=1.0, floor=0.0)
    same = drawn(scrambled(1), Sampling(seed=3, strategy=strategy), 200)
    assert [one.tokens for one in plain] == [one.tokens for one in same]


def test_vocabulary_that_cannot_come_leaves_the_gate_as_it_is() -> None:
    few = np.array([0.0, -1.0, -1.5])
    for gate in (0.3, 0.5, 0.8):
        strategy = Contrast([0], gate=gate)
        many = np.concatenate([few, np.full(10_000, -200.0)])
        assert (strategy.mixed(few, few * 0.3) is None) == (strategy.mixed(many, many * 0.3) is None)


def test_extreme_logits_stay_numbers() -> None:
    own = np.array([1000.0, 999.0, -1000.0, -np.inf])
    for other in (own[::-1].copy(), np.array([-np.inf, 0.0, 0.0, -np.inf]), own):
        for found in (
            Contrast([0], gate=1.0).mixed(own, other),
            ContrastiveDecoding(SLIM).mixed(own, [other]),
            ProxyTuning(FITTED, SLIM).mixed(own, [other, other]),
        ):
            assert not np.isnan(found).any() and np.isfinite(found.max())


def test_a_small_model_with_another_tokenizer_is_refused_when_submitted() -> None:
    words = sg.Tokenizer.from_bytes([b"a", b"b", b"d", b"ab", b"<end>"], eos_token_id=4)
    other = Engine(scrambled(1), words)
    for strategy in (ContrastiveDecoding(other), ProxyTuning(SLIM, other), ValueGuided(len, baseline=other)):
        with pytest.raises(sg.errors.OptionError, match="another tokenizer"):
            Engine(LARGE, LETTERS).submit(Request([0], RULE, Sampling(strategy=strategy), max_tokens=9))
