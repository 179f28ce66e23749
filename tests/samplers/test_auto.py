"""`auto`: n draws of the target, whatever it chooses, at the price of the cheapest unbiased method."""

from __future__ import annotations

import math
from collections import defaultdict

import numpy as np
import pytest
from enumeration import outcomes
from tasks import SMALL, Even, Task, Without

from structgen.samplers.methods import awrs, beams
from structgen.samplers.run_limits import Particles, SamplingRun, drawn
from structgen.samplers.tree import PrefixTree

UNBIASED = ("cars", "importance", "smc", "awrs")


SURE = [task for task in SMALL if task.checker is None and task.name != "dead ends"]
"""Tasks in which no particle dies: then `cars` would follow, whose outcomes are many."""


@pytest.mark.parametrize("task", SURE, ids=str)
@pytest.mark.parametrize("n", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_all_draws_have_the_law_of_the_target_given_what_was_chosen(task, n, monkeypatch):
    """Every random number is listed. Given that draws are exact they have the target's shares, and weighted
    ones its masses."""
    sources = []
    monkeypatch.setattr(np.random, "Generator", lambda bits: sources[-1])

    def body(source):
        sources.append(source)
        found = task.sample(n, "auto")
        assert len(found) == n and not found.is_biased and not found.caveats
        logs = np.log(found.weights) if found.is_exact else found.log_weights
        masses = defaultdict(float)
        for tokens, mass in zip(found.token_ids, np.exp(logs), strict=True):
            masses[tokens] += mass
        return found.is_exact, masses

    chances, means = defaultdict(float), defaultdict(lambda: defaultdict(float))
    for probability, (is_exact, masses) in outcomes(body):
        chances[is_exact] += probability
        for tokens, mass in masses.items():
            means[is_exact][tokens] += probability * mass
    for is_exact, chance in chances.items():
        whole = task.exact.z if is_exact else 1.0
        wanted = {tokens: chance * mass / whole for tokens, mass in task.law.items()}
        assert dict(means[is_exact]) == pytest.approx(wanted, rel=1e-9)


# Z falls from 0.9 to 0.0004; mass is lost at once, late, or by a checker at the end.
TARGETS = (
    Task("nearly all is valid", "[ab]{0,8}", 9, (b"a", b"b", b"ab"), seed=1),
    Task("a short list", "ab?|b|aab", 4, (b"a", b"b", b"ab"), seed=2),
    Task("lost at each token", "[ab]{3,6}", 6, (b"a", b"b", b"c", b"ab"), seed=3),
    Task("lost at the end", "[abc]{5}a", 6, (b"a", b"b", b"c"), seed=4),
    Task("even", "[abc]{0,6}", 6, (b"a", b"b", b"c"), seed=5, checker=Even()),
    Task("refused on the way", "[ab]{2,6}", 6, (b"a", b"b"), seed=6, checker=Without(b"ba")),
    Task("hardly ever", "(ab|ba)(ab|ba)(ab|ba)", 6, (b"a", b"b", b"c"), seed=7),
)


@pytest.mark.parametrize("task", TARGETS, ids=str)
@pytest.mark.parametrize("n", [20, *(pytest.param(n, marks=pytest.mark.slow) for n in (5, 70))])
def test_n_draws_cost_at_most_a_quarter_more_rows_than_by_the_cheapest_unbiased_method(task, n):
    rows = {}
    for method in (*UNBIASED, "auto"):
        runs = [task.sample(n, method, seed=seed) for seed in range(4)]
        if method == "auto":
            assert all(len(one) == n and not one.is_biased and one.method in UNBIASED for one in runs)
        if all(len(one) >= n for one in runs):
            rows[method] = np.mean([one.statistics.model_rows for one in runs])
    assert rows["auto"] <= 1.25 * min(rows[method] for method in UNBIASED if method in rows) + 1


def test_draws_are_exact_where_nearly_each_attempt_is_accepted_and_where_the_tree_knows_the_language():
    sure = Task("sure", "[ab]*", 30, (b"a", b"b"), seed=3)  # but for texts of more than 30 tokens
    assert sure.sample(20, "auto").is_exact
    tree = PrefixTree()
    TARGETS[1].sample(1000, "beams", tree=tree)
    known = TARGETS[1].sample(20, "auto", tree=tree)
    assert (known.is_exact, len(known), known.statistics.model_rows) == (True, 20, 0)


MANY = Task("many texts", "[abc]{5,9}", 9, (b"a", b"b", b"c"), seed=3, sharp=0.3)


@pytest.mark.parametrize(
    ("n", "budget", "method", "is_whole"),
    [
        (20, 3000, "beams", True),
        (20, 400, "smc", True),  # too little for beams
        (20, 40, "auto", False),  # too little for the draws: tempered walks
        (10_000, 3000, "beams", False),
    ],
)
def test_what_a_budget_is_spent_on(n, budget, method, is_whole):
    found = MANY.sample(n, "auto", budget=budget)
    assert (found.method, len(found) >= n) == (method, is_whole)
    assert found.statistics.model_rows <= budget
    assert found.is_biased == (method == "auto")
    assert bool(found.caveats) == (not is_whole)


def test_where_beams_find_too_few_texts_what_was_kept_back_pays_for_the_draws(monkeypatch):
    def few(run):
        run.stopped = "budget"
        return drawn([], run.n, weighted=True, estimated=True)

    monkeypatch.setattr(beams, "draw", few)
    found = MANY.sample(20, "auto", budget=3000)
    assert (found.method, len(found), found.statistics.stopped, found.caveats) == ("smc", 20, "n", [])


@pytest.mark.parametrize("task", [one for one in TARGETS if one.checker is not None], ids=str)
def test_particles_that_die_are_replaced_and_the_estimate_of_z_stays(task):
    """Over 150 runs of six particles: the mean of the estimates is Z, within four standard errors."""
    estimates = []
    for seed in range(150):
        run = SamplingRun(task.target(), PrefixTree(), 6, seed, 1, particles=Particles(6, replaced=True))
        found = awrs.draw(run)
        assert len(found.tokens) in (0, 6)
        estimates.append(math.exp(found.log_z))
    assert abs(np.mean(estimates) - task.exact.z) < 4 * np.std(estimates) / math.sqrt(len(estimates))
