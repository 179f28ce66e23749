"""Guidance: the law of texts is the formula's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from strategy_models import LETTERS, RULE, Table, drawn, hold_law, law_of, scrambled, softmax

import structgen as sg
from structgen.decoding.engine import Engine, Request, Sampling
from structgen.decoding.engine.strategies.strategy import Mixture

LARGE = scrambled(31)
WITHOUT = [2, 1]


def _guided(scale: float) -> Any:
    def law(tokens: tuple[int, ...], allowed: list[int]) -> dict[int, float]:
        own, other = law_of(LARGE, [0], tokens), law_of(LARGE, WITHOUT, tokens)
        return softmax({one: (1 - scale) * other[one] + scale * own[one] for one in allowed})

    return law


CASES: dict[str, tuple[Mixture, Callable[..., Any], Callable[..., Any]]] = {
    "guidance": (sg.strategies.Guidance(WITHOUT, scale=1.5), _guided(1.5), _guided(1.3)),
    "guidance_of_the_other": (sg.strategies.Guidance(WITHOUT, scale=0.0), _guided(0.0), _guided(0.2)),
}


@pytest.mark.parametrize(
    ("name", "count", "most"),
    [
        ("guidance", 800, 0.06),
        *(pytest.param(name, 12_000, 0.02, marks=pytest.mark.slow) for name in sorted(CASES)),
    ],
)
def test_the_law_of_texts_is_the_formulas(name: str, count: int, most: float) -> None:
    """The third entry of a case is a law with a fault, which these draws tell from the right one."""
    strategy, right, wrong = CASES[name]
    hold_law(drawn(LARGE, Sampling(seed=7, strategy=strategy), count), right, wrong, most)


def test_an_identical_prompt_changes_nothing() -> None:
    plain = drawn(scrambled(1), Sampling(seed=3), 200)
    same = drawn(scrambled(1), Sampling(seed=3, strategy=sg.strategies.Guidance([0], scale=2.0)), 200)
    assert [one.tokens for one in plain] == [one.tokens for one in same]


def test_extreme_logits_stay_numbers() -> None:
    own = np.array([1000.0, 999.0, -1000.0, -np.inf])
    for other in (own[::-1].copy(), np.array([-np.inf, 0.0, 0.0, -np.inf]), own):
        found = sg.strategies.Guidance([0], scale=2.0).mixed(own, other)
        assert not np.isnan(found).any()
        assert np.isfinite(found.max())


def test_samples_of_a_prompt_have_further_rows_of_their_own() -> None:
    how = Sampling(seed=7, strategy=sg.strategies.Guidance(WITHOUT, scale=2.0))
    engine = Engine(scrambled(5), LETTERS)
    together = engine.generate(Request([0], RULE, how, max_tokens=9, n=8))
    for at, one in enumerate(together):
        alone = engine.generate(Request([0], RULE, how, max_tokens=9, n=at + 1))[at]
        assert alone.tokens == one.tokens


def test_a_second_row_that_fails_ends_its_own_texts_alone() -> None:
    class Broken(Table):
        def prefill(self, tokens: Any) -> Any:
            if list(tokens) == WITHOUT:
                raise RuntimeError("no more")
            return super().prefill(tokens)

    bad, good = Engine(Broken(scrambled(4)._law), LETTERS).generate(
        [
            Request([0], RULE, Sampling(strategy=sg.strategies.Guidance(WITHOUT)), max_tokens=9),
            Request([0], RULE, Sampling(), max_tokens=9),
        ]
    )
    assert bad.error is not None
    assert "no more" in str(bad.error)
    assert good.error is None


@pytest.mark.parametrize(
    ("strategy", "where", "said"),
    [
        (sg.strategies.Guidance([0, 77]), "prompt[1]", "not in the model's"),
        (sg.strategies.Guidance([0] * 99_999), "without", "context"),
    ],
    ids=["ids", "context"],
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
