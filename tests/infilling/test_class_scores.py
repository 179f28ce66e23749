"""Logits of a large vocabulary as scores of classes, best tokens and draws, against sums by numpy."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import numpy.typing as npt
import pytest

from structgen.core.dfa import Dfa
from structgen.infilling.lattice import OPEN, Lattice
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


def read(kind: str) -> tuple[Lattice, npt.NDArray[np.float64]]:
    """Return a lattice of one slot at temperature 1 / 0.7 that has read a row, and the row as numpy's."""
    lattice = Lattice(automaton(), [OPEN], scale=0.7)
    lattice.set_logits(0, logits(kind))
    return lattice, logits(kind).astype(np.float64) * 0.7


def tokens_of(column: int) -> npt.NDArray[np.int64]:
    return np.flatnonzero(automaton().token_class == column)


@pytest.mark.parametrize("kind", KINDS)
def test_scores_and_means_of_classes_are_those_of_their_tokens(kind: str) -> None:
    lattice, row = read(kind)
    assert automaton().wide_class >= 0
    for column in range(len(SIZES)):
        values = row[tokens_of(column)]
        top = values.max()
        if top == -math.inf:
            assert lattice._scores[0, column] == -math.inf
            continue
        shares = np.exp(values - top)
        mean = (shares * np.where(shares > 0.0, values, 0.0)).sum() / shares.sum()
        assert lattice._scores[0, column] == pytest.approx(top + math.log(shares.sum()), abs=1e-10)
        assert lattice._means[0, column] == pytest.approx(mean, abs=1e-9)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("k", [2, 7])
def test_the_best_tokens_of_each_class_come_by_value_then_by_id(kind: str, k: int) -> None:
    lattice, row = read(kind)
    lattice.best(k)
    for column in range(len(SIZES)):
        tokens = tokens_of(column)
        ordered = tokens[np.argsort(-row[tokens], kind="stable")][:k]
        wanted = [int(one) for one in ordered if row[one] > -math.inf]
        found = [one for one in lattice._top_tokens[0, column].tolist() if one >= 0]
        assert found == wanted
        assert lattice._tops[0, column, : len(wanted)] == pytest.approx(row[wanted])


@pytest.mark.parametrize("kind", KINDS)
def test_a_token_is_drawn_where_the_sum_of_shares_passes_the_number(kind: str) -> None:
    lattice, row = read(kind)
    for column in range(3):
        tokens = tokens_of(column)
        shares = np.exp(row[tokens] - row[tokens].max()) if row[tokens].max() > -math.inf else None
        if shares is None:
            continue
        ahead = np.cumsum(shares) / shares.sum()
        for uniform in np.linspace(0.0, 1.0, 97, endpoint=False):
            drawn = lattice._drawn_token(0, column, float(uniform))
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
    lattice = Lattice(automaton(), [OPEN, int(tokens_of(2)[0])])
    lattice.set_logits(0, logits("normal"))
    allowed = lattice.class_mask(0)
    assert allowed.sum() == 1
    assert ((lattice._scores[0] > -math.inf) == allowed).all()
    chances, _ = lattice.marginals()
    assert chances[0].sum() == pytest.approx(1.0)
    assert lattice.entropies(lattice.marginals())[0] >= 0.0
