"""Logits of a large vocabulary as scores of classes, best tokens and draws, against sums by numpy."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import numpy.typing as npt
import pytest

from structgen.core.dfa import Dfa
from structgen.infilling.lattice import OPEN, Lattice
from structgen.infilling.lattice_loops import class_scores, drawn_logit
from structgen.infilling.token_automaton import TokenAutomaton, token_automaton

SIZES = (15_000, 3_000, 40, 12, 5, 1)
"""Tokens of the classes; some 2,000 tokens more are in none."""
VOCABULARY = 20_123
KINDS = ("normal", "alike", "steep", "sparse")


@cache
def automaton() -> TokenAutomaton:
    """Return an automaton of texts of one token; each class leads to a state of its own that goes on in
    another way, so that none are merged."""
    classes = len(SIZES)
    table = np.full((2 * classes + 1, classes), -1, np.int32)
    table[0] = np.arange(1, classes + 1)
    for number in range(classes):
        table[1 + number, number] = classes + 1 + number
    token_class = np.repeat(np.arange(-1, classes), (VOCABULARY - sum(SIZES), *SIZES)).astype(np.int32)
    token_class = np.random.default_rng(3).permutation(token_class)
    accepting = np.ones(len(table), np.bool_)
    return token_automaton(Dfa(0, table, token_class, accepting, ()))


def logits(kind: str) -> npt.NDArray[np.float32]:
    chance = np.random.default_rng(4)
    row = (4.0 * chance.standard_normal(VOCABULARY)).astype(np.float32)
    if kind == "alike":
        row[:] = -3.25
    if kind == "steep":
        row *= np.float32(300.0)
    if kind == "sparse":
        row[chance.random(VOCABULARY) < 0.999] = -math.inf
    return row


def read(kind: str) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return the scores of a row at temperature 1 / 0.7 in which every class is allowed, and the row as
    numpy's."""
    found = class_scores(automaton(), logits(kind), 0.7, np.ones(len(SIZES), np.bool_))
    return found, logits(kind).astype(np.float64) * 0.7


def tokens_of(column: int) -> npt.NDArray[np.int64]:
    return np.flatnonzero(automaton().token_class == column)


@pytest.mark.parametrize("kind", KINDS)
def test_scores_and_means_of_classes_are_those_of_their_tokens(kind: str) -> None:
    (scores, means, tops), row = read(kind)
    for column in range(len(SIZES)):
        values = row[tokens_of(column)]
        top = values.max()
        assert tops[column] == pytest.approx(top)
        if top == -math.inf:
            assert scores[column] == -math.inf
            continue
        shares = np.exp(values - top)
        mean = (shares * np.where(shares > 0.0, values, 0.0)).sum() / shares.sum()
        assert scores[column] == pytest.approx(top + math.log(shares.sum()), abs=1e-10)
        assert means[column] == pytest.approx(mean, abs=1e-9)


def only(column: int, kind: str) -> Lattice:
    """Return a lattice whose first slot, which has read a row, may hold the tokens of one class alone."""
    lattice = Lattice(automaton(), [OPEN, int(tokens_of(column)[0])])
    lattice.set_logits(0, logits(kind))
    return lattice


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("k", [2, 7])
def test_the_best_tokens_of_each_class_come_by_value_then_by_id(kind: str, k: int) -> None:
    for column in range(len(SIZES)):
        tokens, row = tokens_of(column), logits(kind)
        ordered = tokens[np.argsort(-row[tokens], kind="stable")][:k]
        wanted = [int(one) for one in ordered if row[one] > -math.inf]
        if wanted:
            found = only(column, kind).best(k)
            assert [int(filling[0]) for _, filling in found] == wanted
            assert [value for value, _ in found] == pytest.approx(row[wanted].tolist())


@pytest.mark.parametrize("kind", KINDS)
def test_a_token_is_drawn_where_the_sum_of_shares_passes_the_number(kind: str) -> None:
    _, row = read(kind)
    for column in range(3):
        tokens = tokens_of(column)
        shares = np.exp(row[tokens] - row[tokens].max()) if row[tokens].max() > -math.inf else None
        if shares is None:
            continue
        ahead = np.cumsum(shares) / shares.sum()
        lattice = only(column, kind)
        for uniform in np.linspace(0.0, 1.0, 97, endpoint=False):
            drawn = int(lattice.sample(np.full((2, 3), uniform), 0.7)[0])
            at = int(np.searchsorted(tokens, drawn))
            assert tokens[at] == drawn and shares[at] > 0.0
            assert ahead[at] - shares[at] / shares.sum() - 1e-9 <= uniform <= ahead[at] + 1e-9


@pytest.mark.parametrize("value", [math.nan, math.inf])
@pytest.mark.parametrize("column", [-1, 0, 1, 5])
def test_a_logit_that_is_no_number_is_found_in_any_class(value: float, column: int) -> None:
    row = logits("normal")
    row[tokens_of(column)[-1]] = value
    with pytest.raises(Exception, match="as a logit"):
        Lattice(automaton(), [OPEN]).set_logits(0, row)


def test_classes_that_a_slot_cannot_hold_are_not_scored() -> None:
    allowed = np.arange(len(SIZES)) % 2 == 0
    scores, means, _ = class_scores(automaton(), logits("normal"), 1.0, allowed)
    assert ((scores > -math.inf) == allowed).all() and ((means > -math.inf) == allowed).all()


@pytest.mark.parametrize("seed", range(8))
def test_a_place_is_drawn_where_the_running_sum_of_the_softmax_passes_the_number(seed: int) -> None:
    draws = np.random.default_rng(seed)
    for _ in range(100):
        count = int(draws.integers(1, 5000))
        logits = (draws.standard_normal(count) * draws.choice([0.1, 1.0, 5.0, 50.0])).astype(np.float32)
        logits[1:][draws.random(count - 1) < draws.choice([0.0, 0.5, 0.999])] = -math.inf
        scale = float(draws.choice([0.5, 1.0, 2.0]))
        uniform = float(draws.choice([0.0, draws.random(), 1 - 2.0**-53]))
        weights = np.exp(scale * (logits.astype(np.float64) - logits.max()))
        ends = np.cumsum(weights) / weights.sum()
        at = drawn_logit(logits, scale, uniform)
        assert logits[at] > -math.inf
        assert ends[at] - weights[at] / weights.sum() - 1e-9 <= uniform <= ends[at] + 1e-9
