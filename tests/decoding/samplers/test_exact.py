"""The oracle itself: dynamic programming against listing, and both against Python's `re`."""

from __future__ import annotations

import numpy as np
import pytest
from enumeration import outcomes
from exact import TOKENS, Automaton, Exact, Ngram, law_of_texts
from tasks import PROMPT, SMALL


@pytest.mark.parametrize("task", SMALL, ids=str)
def test_z_by_dynamic_programming_is_the_sum_over_all_sequences(task):
    listed = law_of_texts(task.model(), task.texts, task.max_tokens, PROMPT, task.temperature)
    assert task.exact.law() == pytest.approx(listed, rel=1e-12)
    assert task.exact.z == pytest.approx(sum(listed.values()), rel=1e-12)
    for prefix in {tokens[:end] for tokens in listed for end in range(len(tokens) + 1)}:
        below = sum(mass for tokens, mass in listed.items() if tokens[: len(prefix)] == prefix)
        above = 1.0
        for at, token in enumerate(prefix):
            above *= task.exact.row((*PROMPT, *prefix[:at]))[token]
        assert task.exact.h(prefix) == pytest.approx(below / above, rel=1e-12)


def test_a_language_with_too_many_texts_to_list_has_its_z():
    # a*b over the tokens a, aa, b: the number of sequences of 200 tokens has more than 40 digits.
    automaton = Automaton({(0, 97): 0, (0, 98): 1}, [1])
    model = Ngram(1, (b"a", b"aa", b"b"))
    few = Exact(model, automaton, 6)
    assert few.z == pytest.approx(sum(few.law().values()), rel=1e-12)
    assert few.z < Exact(model, automaton, 200).z < 1


def test_masking_and_the_target_differ_by_at_most_the_forbidden_mass():
    for exact in (SMALL[-1].exact, Exact(Ngram(1, (b"a", b"b", b"c")), Automaton.of_texts(["a", "ba"]), 2)):
        masked = exact.masked()
        assert sum(masked.values()) == pytest.approx(1, rel=1e-12)
        distance = sum(abs(masked[tokens] - mass / exact.z) for tokens, mass in exact.law().items()) / 2
        assert 0.01 < distance <= 1 - exact.z


def test_all_outcomes_of_choices_are_listed_with_their_probabilities():
    def body(source):
        uniform = source.random()
        if uniform < 0.25:
            return "low"
        at = int(np.searchsorted(np.array([1.0, 2.0, 4.0]), uniform * np.float64(4.0), side="right"))
        return at, int(source.choice(2, p=[0.25, 0.75]))

    found = {}
    for probability, outcome in outcomes(body):
        found[outcome] = found.get(outcome, 0.0) + probability
    assert found == pytest.approx(
        {"low": 0.25, (1, 0): 0.0625, (1, 1): 0.1875, (2, 0): 0.125, (2, 1): 0.375}, rel=1e-12
    )


def test_points_of_one_uniform_number_fall_together():
    shares = np.cumsum([0.3, 0.6, 0.1])

    def body(source):
        points = (source.random() + np.arange(2)) / 2
        return tuple(np.searchsorted(shares, points, side="right").tolist())

    assert {outcome: probability for probability, outcome in outcomes(body)} == pytest.approx(
        {(0, 1): 0.6, (1, 1): 0.2, (1, 2): 0.2}, rel=1e-12
    )


def test_the_tokens_of_the_model_are_those_that_the_oracle_reads():
    model = Ngram(3, (b"a", b"ab"))
    row = np.exp(model([97]))
    assert {TOKENS[token] for token in np.flatnonzero(row)} == {b"a", b"ab", None}
    assert row.sum() == pytest.approx(1)
