"""`method="mcmc"`: the law of its draws is that of the chain, by powers of the chain's matrix."""

from __future__ import annotations

import math

import numpy as np
import pytest
from exact import Automaton, Exact, Ngram, tokenizer
from test_laws import chi_square

import structgen as sg
from structgen.samplers.methods import mcmc

MODEL = Ngram(3, (b"a", b"b", b"c"), sharp=2.0)
WORDS = ["ab", "ac", "ba", "cab", "cc"]
EXACT = Exact(MODEL, Automaton.of_texts(WORDS), 3)
TOKENS = list(EXACT.law())


def draw(n, seed=0):

    options = {"tokenizer": tokenizer(), "name": "ngram", "max_tokens": 3, "seed": seed}
    return sg.sample(MODEL, "", sg.choice(WORDS), n, method="mcmc", **options)


def after(steps):
    """Return the law of a chain's text after so many proposals, by matrices, given that there is a text."""
    masked, target = EXACT.masked(), EXACT.law()
    proposal = np.array([masked[one] for one in TOKENS])
    weight = np.array([target[one] for one in TOKENS]) / proposal
    matrix = proposal[None, :] * np.minimum(1, weight[None, :] / weight[:, None])
    np.fill_diagonal(matrix, 0)
    np.fill_diagonal(matrix, 1 - matrix.sum(axis=1))
    law = np.linalg.matrix_power(matrix.T, steps) @ proposal
    return dict(zip(TOKENS, law, strict=True))


@pytest.mark.parametrize("steps", [0, 4])
def test_the_law_of_the_draws_is_that_of_the_chain(monkeypatch, steps):
    monkeypatch.setattr(mcmc, "STEPS", steps)
    found = draw(3000)
    assert found.is_biased and chi_square(found.token_ids, after(steps)) < 5
    assert chi_square(found.token_ids, after(steps + 4)) > 10


def test_many_steps_reach_the_target(monkeypatch):
    monkeypatch.setattr(mcmc, "STEPS", 40)
    assert chi_square(draw(200).token_ids, EXACT.law()) < 5


def test_proposals_estimate_z():
    estimates = [math.exp(draw(4, seed).log_z) for seed in range(100)]
    error = np.std(estimates, ddof=1) / 10
    assert abs(np.mean(estimates) - EXACT.z) < 4 * error < EXACT.z


def test_a_draw_is_a_function_of_the_seed_and_its_number():
    assert draw(40).token_ids[:7] == draw(7).token_ids
