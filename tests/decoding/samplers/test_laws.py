"""Every method against the exact law of small tasks: n-gram models times finite languages, by enumeration."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest
from exact import ALIVE, TOKENIZER, Automaton, Bigram, Exact, Ngram, law_of_texts
from tasks import texts_of

import structgen as sg
from structgen.decoding.samplers.sample import sample
from structgen.decoding.samplers.tree import PrefixTree

PATTERN = "[abc]{0,3}a?(b|c)?"


TEXTS = frozenset(texts_of(PATTERN))
COMPILED = sg.compile(sg.regex(PATTERN), TOKENIZER)


def drawn(model, n, method, **options):
    options = {"max_tokens": 4, "tokenizer": TOKENIZER, "name": "bigram"} | options
    return sample(model, [97], COMPILED, n, method=method, **options)


def chi_square(tokens, expected):
    """Return how many standard deviations Pearson's statistic is above its mean; rare outcomes count
    together."""
    counts, n, total = Counter(tokens), len(tokens), sum(expected.values())
    assert set(counts) <= set(expected)
    cells, rare_seen, rare = [], 0, 0.0
    for outcome, mass in expected.items():
        wanted = n * mass / total
        if wanted >= 5:
            cells.append((counts[outcome], wanted))
        else:
            rare_seen, rare = rare_seen + counts[outcome], rare + wanted
    cells += [(rare_seen, rare)] if rare >= 5 else []
    freedom = len(cells) - 1
    statistic = sum((seen - wanted) ** 2 / wanted for seen, wanted in cells)
    return (statistic - freedom) / math.sqrt(2 * freedom)


@pytest.mark.parametrize("method", ["rejection", "cars"])
@pytest.mark.parametrize(("max_tokens", "temperature"), [(3, 1.0), (4, 0.5)])
def test_exact_methods_draw_from_the_target(method, max_tokens, temperature):
    model = Bigram(3, ALIVE)
    found = drawn(model, 500, method, max_tokens=max_tokens, temperature=temperature)
    expected = law_of_texts(model, TEXTS, max_tokens, temperature=temperature)
    assert found.is_exact
    assert chi_square(found.token_ids, expected) < 5
    assert math.exp(found.log_z) == pytest.approx(sum(expected.values()), rel=0.1)


def test_sums_of_beams_through_the_door_are_unbiased():
    """The sum of weight times f is unbiased for the sum of P(x) f(x), with f = 1 for Z."""
    model = Bigram(5, ALIVE, sharp=2.0)
    expected = law_of_texts(model, TEXTS, 4)
    sums = []
    for seed in range(60):
        found = drawn(model, 8, "beams", seed=seed)
        weights = np.exp(found.log_weights)
        sums.append((weights.sum(), weights @ [len(ids) for ids in found.token_ids]))
    wanted = sum(expected.values()), sum(mass * len(tokens) for tokens, mass in expected.items())
    errors = np.std(sums, axis=0, ddof=1) / math.sqrt(len(sums))
    assert (abs(np.mean(sums, axis=0) - wanted) < 4 * errors).all()


def test_masked_draws_have_the_law_of_masking_and_not_the_target():
    model, words = Ngram(3, (b"a", b"b", b"c"), sharp=2.0), ["ab", "ac", "ba", "cab", "cc"]
    task = Exact(model, Automaton.of_texts(words), 3)
    options = {"method": "masked", "tokenizer": TOKENIZER, "name": "ngram", "max_tokens": 3}
    found = sample(model, "", sg.choice(words), 1000, **options)
    assert found.is_biased
    assert chi_square(found.token_ids, task.masked()) < 5
    assert chi_square(found.token_ids, task.law()) > 20


@pytest.mark.parametrize("method", ["rejection", "cars"])
def test_z_is_not_overestimated_by_stopping_at_the_last_wanted_text(method):
    """The mean over all attempts would be too large by half the distance from Z to 1, at two draws."""
    model = Bigram(4, ALIVE)
    z = sum(law_of_texts(model, TEXTS, 4).values())
    found = []
    for seed in range(80):
        tree = PrefixTree(most=0) if method == "cars" else None  # a tree that learns nothing: attempts alike
        found.append(math.exp(drawn(model, 2, method, seed=seed, tree=tree).log_z))
    assert abs(np.mean(found) - z) < 4 * np.std(found, ddof=1) / math.sqrt(len(found))
