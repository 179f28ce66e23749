"""Intervals of 95 % hold on random laws of eight families, and the laws' own figures are right."""

from __future__ import annotations

import itertools
import math
import re
from functools import cache

import numpy as np
import pytest
from for_each import for_each
from judged_intervals import DRAWN, Figure, band, figures
from random_laws import FAMILIES, NAMED, VOCABULARY, Law, _deep, laws, probabilities

pytestmark = pytest.mark.filterwarnings("ignore::structgen.base.errors.DrawsWarning")
METHODS = ("importance", "raj", "cars", "auto")


@cache
def made(first: int) -> list[Law]:
    """Return a law of each family."""
    return laws(first, 1)


def judged(chosen: list[Law], method: str, n: int, runs: range) -> dict[str, list[Figure]]:
    """Return the figures of runs of laws that have an interval, by kind."""
    found: dict[str, list[Figure]] = {}
    before = None
    for run, law in itertools.product(runs, chosen):
        samples = law.sample(method, n, run)
        for one in figures(samples, law, before):
            if one.interval is not None:
                found.setdefault(one.kind, []).append(one)
        before = samples, law
    return found


def hold(chosen: list[Law], method: str, n: int, runs: range) -> None:
    """Of each kind as many intervals hold as in 999 of 1,000 trials of exact ones."""
    for kind, each in judged(chosen, method, n, runs).items():
        assert np.mean([one.holds for one in each]) >= band(len(each)), kind


@pytest.mark.parametrize(
    ("method", "n", "first"),
    [
        *((method, 20, 81_000) for method in METHODS),
        *(
            pytest.param(method, 100, 81_500, marks=[pytest.mark.slow] * (method != "auto"))
            for method in METHODS
        ),
    ],
)
def test_intervals_hold_on_a_law_of_each_family(method, n, first):
    hold(made(first), method, n, range(1))


@pytest.mark.slow
@pytest.mark.parametrize("drawn", ["until", "joined", "looks"])
@pytest.mark.parametrize("method", ["importance", "raj", "cars"])
def test_intervals_hold_wherever_a_run_ends(method, drawn):
    chosen = [law for law in laws(83_000, 12) if method != "cars" or 100 / law.z < 20_000]
    given: dict[str, list[bool]] = {}
    for run, law in itertools.product(range(3), chosen):
        for one in DRAWN[drawn](law, method, 100, run)[1]:
            if one.interval is not None:
                given.setdefault(one.kind, []).append(one.holds)
    for kind, each in given.items():
        assert np.mean(each) >= band(len(each)), kind


@pytest.mark.slow
@pytest.mark.parametrize("n", [20, 100, 300, 1000])
@pytest.mark.parametrize("method", METHODS)
def test_intervals_hold_on_many_laws(method, n):
    """Exact draws of deep laws are left out where a run would take more than 20,000 attempts."""
    for family in FAMILIES:
        chosen = [law for law in laws(82_000, 50, [family]) if method != "cars" or n / law.z < 20_000]
        hold(chosen, method, n, range(3))


@pytest.mark.parametrize("method", METHODS)
def test_intervals_of_the_named_law_hold(method):
    """On it a rule that looks at the drawn weights gave an interval that held in 1 of 57 runs."""
    hold(laws(0, 1, ["tiny"]), method, 60, range(8))


def test_the_named_law_is_the_known_one():
    (law,) = laws(0, 1, ["tiny"])
    assert law.z == pytest.approx(1.9063631e-4, rel=1e-7)
    assert len(probabilities(law.compiled, law.row, law.max_tokens) or ()) == 16


def test_a_law_of_a_pattern_has_the_mass_of_all_its_texts():
    """All token sequences are tried, and `re` tells which are of the language."""
    (law,) = laws(0, 1, ["tiny"])
    z = 0.0
    for length in range(law.max_tokens + 1):
        for tokens in itertools.product(range(len(VOCABULARY)), repeat=length):
            if re.fullmatch(NAMED, b"".join(VOCABULARY[token] for token in tokens).decode()):
                steps = [law.row(tokens[:at])[token] for at, token in enumerate(tokens)]
                z += math.exp(sum(steps) + law.row(tokens)[-1])
    assert z == pytest.approx(law.z, rel=1e-12)


@for_each("seed", range(6))
def test_a_deep_law_has_the_figures_of_its_enumeration(seed):
    law = _deep(seed, (4, 5))
    found = probabilities(law.compiled, law.row, law.max_tokens)
    assert found is not None
    masses: dict[str, float] = {}
    for tokens, mass in found.items():
        text = law.tokenizer.decode(tokens).decode()
        masses[text] = masses.get(text, 0.0) + mass
    z = sum(masses.values())
    assert z == pytest.approx(law.z, rel=1e-9)
    for one in law.questions.values():
        mean = sum(mass * one.function(text) for text, mass in masses.items()) / z
        assert mean == pytest.approx(one.mean, rel=1e-9, abs=1e-12)


@for_each("seed", range(5))
def test_a_list_of_texts_has_the_masses_of_its_grammar(seed):
    """They are worked out from the texts; here the compiled grammar is walked."""
    (law,) = laws(60 + 10 * seed, 1, ["choices"])
    found = probabilities(law.compiled, law.row, law.max_tokens)
    assert found is not None
    masses = {law.tokenizer.decode(tokens).decode(): mass / law.z for tokens, mass in found.items()}
    valid = {text for text in masses if law.checker is None or law.checker.final(text)}
    assert {text: masses[text] for text in valid} == pytest.approx(law.masses, rel=1e-9)


@for_each("family", [one for one in FAMILIES if one != "tiny"])
def test_a_law_is_that_of_its_seed(family):
    (one,), (same,), (other,) = (laws(first, 1, [family]) for first in (3, 3, 400))
    assert one.z == same.z and one.masses == same.masses and one.masses != other.masses


def test_the_band_is_that_of_the_binomial_law():
    binom = pytest.importorskip("scipy.stats").binom
    for runs in (1, 10, 300):
        assert round(band(runs) * runs) == int(binom.ppf(0.001, runs, 0.95))


@pytest.mark.parametrize("method", ["importance", "raj", "cars"])
def test_what_an_attempt_was_bounded_by_holds(method):
    """Before each attempt the mass of the known texts is at most Z, and the bound at least Z; its weight lies
    between 0 and their difference."""
    for law in made(81_000):
        found = law.sample(method, 30).attempts
        assert (found.bounds >= law.z * (1 - 1e-9)).all() and (found.known <= law.z * (1 + 1e-9)).all()
        room = found.bounds - found.known
        assert (found.weights >= 0).all() and (found.weights <= room * (1 + 1e-9) + 1e-12 * law.z).all()
