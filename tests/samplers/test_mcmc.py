"""`method="mcmc"`: the law of its draws is that of the chain, by powers of the chain's matrix."""

from __future__ import annotations

import math
from collections import defaultdict

import numpy as np
import pytest
from enumeration import outcomes
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


@pytest.mark.parametrize("steps", [0, 1, 2])
def test_the_law_of_the_draws_is_that_of_the_chain(monkeypatch, steps):
    """Every random number is listed, so that the law is exact; and the estimate of Z is unbiased."""
    sources = []
    monkeypatch.setattr(mcmc, "STEPS", steps)
    monkeypatch.setattr(np.random, "Generator", lambda bits: sources[-1])

    def body(source):
        sources.append(source)
        found = draw(1)
        assert found.is_biased
        return found.token_ids[0], math.exp(found.log_z)

    law, z = defaultdict(float), 0.0
    for probability, (tokens, estimate) in outcomes(body):
        law[tokens] += probability
        z += probability * estimate
    assert law == pytest.approx(after(steps), rel=1e-9)
    assert z == pytest.approx(EXACT.z, rel=1e-9)


def test_draws_have_the_law_of_the_chain_with_numbers_of_their_own():
    """A number that a walk and its chain shared would shift it."""
    assert chi_square(draw(150).token_ids, after(mcmc.STEPS)) < 5


def test_a_draw_is_a_function_of_the_seed_and_its_number():
    assert draw(20).token_ids[:7] == draw(7).token_ids
