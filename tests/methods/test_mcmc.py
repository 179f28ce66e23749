"""Chains over texts that were drawn under the mask have the law of Metropolis and Hastings."""

from __future__ import annotations

import itertools
import sys
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

sys.path.append(str(Path(__file__).parents[1] / "decoding" / "samplers"))
from enumeration import outcomes
from exact import TOKENIZER, Automaton, Exact, Ngram
from methods.mcmc import chains

import structgen as sg

MODEL = Ngram(3, (b"a", b"b", b"c"), sharp=2.0)
WORDS = ["ab", "ac", "ba", "cab", "cc"]
EXACT = Exact(MODEL, Automaton.of_texts(WORDS), 3)
TOKENS = list(EXACT.law())


def after(steps):
    """Return the law of a chain's text after so many proposals, by matrices, given that there is a text."""
    masked, target = EXACT.masked(), EXACT.law()
    proposal = np.array([masked[one] for one in TOKENS])
    weight = np.array([target[one] for one in TOKENS]) / proposal
    matrix = proposal[None, :] * np.minimum(1, weight[None, :] / weight[:, None])
    np.fill_diagonal(matrix, 0)
    np.fill_diagonal(matrix, 1 - matrix.sum(axis=1))
    return dict(zip(TOKENS, np.linalg.matrix_power(matrix.T, steps) @ proposal, strict=True))


@pytest.mark.parametrize("steps", [0, 1, 2])
def test_the_law_of_the_draws_is_that_of_the_chain(steps):
    """Every row of proposals and every random number of a chain is listed, so that the law is exact."""
    how = {"tokenizer": TOKENIZER, "name": "ngram", "max_tokens": 3, "method": "masked"}
    drawn = sg.sample(MODEL, "", sg.choice(WORDS), steps + 1, **how)
    masked, target, law = EXACT.masked(), EXACT.law(), defaultdict(float)
    for row in itertools.product(TOKENS, repeat=steps + 1):
        few = replace(drawn, token_ids=list(row), masses=[(target[one] / masked[one],) for one in row])
        chance = float(np.prod([masked[one] for one in row]))
        for probability, ended in outcomes(lambda source, few=few: chains(few, source, steps).token_ids):
            assert len(ended) == 1
            law[ended[0]] += chance * probability
    assert law == pytest.approx(after(steps), rel=1e-9)
