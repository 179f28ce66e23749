"""The choice between drafts and none finds the faster of both, and its trials take next to no time."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from structgen.decoding.speculation.planning.speculator import Goodput

Pass = Callable[[int, bool], tuple[int, float]]
"""The tokens and seconds of a pass, by its number and whether it has drafts."""


def run(of: Pass, passes: int, goodput: Goodput | None = None) -> tuple[list[bool], float]:
    """Return for each pass whether it had drafts, and seconds a token of all."""
    goodput = goodput or Goodput()
    kinds, tokens, seconds = [], 0, 0.0
    for number in range(passes):
        kinds.append(goodput.is_drafting)
        some, spent = of(number, goodput.is_drafting)
        goodput.learn(goodput.is_drafting, some, spent)
        tokens, seconds = tokens + some, seconds + spent
    return kinds, seconds / tokens


@pytest.mark.parametrize("slower", [1.01, 1.5, 4.0])
def test_trials_take_a_hundredth_of_the_time_at_most(slower: float) -> None:
    _, rate = run(lambda _, drafting: (1, slower * 1e-3) if drafting else (1, 1e-3), 5000)
    assert rate < 1.012e-3


def test_what_loads_code_once_is_not_held_against_drafts() -> None:
    kinds, _ = run(lambda at, drafting: (3, 1.0 if at == 1 else 1.5e-3) if drafting else (1, 1e-3), 200)
    assert sum(kinds) > 150


def test_one_pass_that_waited_for_another_process_changes_little() -> None:
    kinds, _ = run(lambda at, drafting: (3, 0.2 if at == 90 else 1.5e-3) if drafting else (1, 1e-3), 200)
    assert sum(kinds[100:]) > 80


def test_a_pass_without_tokens_or_time_says_nothing() -> None:
    goodput = Goodput()
    for tokens, seconds in ((0, 1.0), (1, 0.0), (1, float("nan")), (1, float("inf"))):
        goodput.learn(False, tokens, seconds)
    assert not goodput.is_drafting


def rows_of(passes: list[tuple[int, float]], texts: int = 1) -> tuple[float, float]:
    """Return the seconds of a pass and of a row, after passes of 1 ms without drafts and some with."""
    goodput = Goodput(texts)
    while not goodput.is_drafting:
        goodput.learn(False, texts, 1e-3, 0, 1e-3)
    goodput.learn(True, texts, 1e-3, 5, 1.0)  # it loads code
    for rows, seconds in passes:
        goodput.learn(True, texts, 1e-3, rows, seconds)
    return goodput.of_rows()


@pytest.mark.parametrize("texts", [1, 4])
def test_before_anything_was_measured_rows_cost_a_little(texts: int) -> None:
    assert rows_of([], texts) == pytest.approx((1e-3, 8e-5 / texts))
    assert rows_of([(0, 1e-3)], texts) == pytest.approx((1e-3, 8e-5 / texts))


def test_the_cost_of_a_row_is_what_was_measured() -> None:
    assert rows_of([(4, 1.8e-3), (8, 2.6e-3), (2, 1.4e-3)]) == pytest.approx((1e-3, 2e-4))


def test_one_pass_that_waited_for_another_process_changes_no_cost() -> None:
    assert rows_of([(4, 1.8e-3), (8, 0.3), (2, 1.4e-3)]) == pytest.approx((1e-3, 2e-4))


def test_rows_that_are_free_cost_nothing_and_never_less() -> None:
    assert rows_of([(4, 0.9e-3)]) == pytest.approx((1e-3, 0.0))
