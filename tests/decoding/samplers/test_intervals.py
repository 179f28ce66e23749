"""Uncertainty that is true: intervals within proven bounds, and none where the error is unknown."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from exact import ALIVE, TOKENS
from for_each import for_each
from tasks import Even, Task

import structgen as sg
from structgen.decoding.samplers.beam import ChanceDraw
from structgen.decoding.samplers.estimates import (
    around,
    beta_quantile,
    clamped,
    effective_parts,
    half_width,
    interval_of_weights,
)
from structgen.decoding.samplers.methods import auto
from structgen.decoding.samplers.methods.beams import Spread

TASK = Task("intervals", "[abc]{0,4}(a|cc)", 5, (b"a", b"b", b"c", b"ab"), seed=21)


def scipy_stats() -> Any:
    """Return `scipy.stats`, which takes 0.6 s to import: not where tests are only collected."""
    return pytest.importorskip("scipy.stats")


@pytest.mark.parametrize(
    ("interval", "wanted"),
    [
        ((-3.0, -2.5), (-2.0, -2.0)),
        ((-0.5, -0.2), (-1.0, -1.0)),
        ((-3.0, -0.2), (-2.0, -1.0)),
        ((-1.7, -1.3), (-1.7, -1.3)),
    ],
)
def test_an_interval_is_cut_to_both_proven_bounds(interval, wanted):
    _, found = clamped(-1.5, interval, (math.exp(-2.0), math.exp(-1.0)))
    assert found == pytest.approx(wanted)


@pytest.mark.parametrize("method", ["cars", "beams", "importance"])
def test_no_interval_is_inverted_and_each_lies_within_the_bracket(method):
    for seed in range(6):
        found = TASK.sample(70 if method == "importance" else 12, method, seed=seed)
        low, high = found.log_z_bounds
        lower, upper = map(math.log, found.bracket)
        assert lower - 1e-9 <= low <= found.log_z <= high <= upper + 1e-9


def test_the_interval_of_equal_bounds_is_that_of_the_number_of_attempts():
    """Attempts until the 100th accepted one have a negative binomial law (Clopper and Pearson)."""
    found = TASK.sample(100, "rejection")
    refused = found.statistics.attempts - 100
    beta = scipy_stats().beta
    wanted = [beta.ppf(0.025, 100, refused + 1), beta.ppf(0.975, 100, refused)]
    assert np.exp(found.log_z_interval) == pytest.approx(wanted, rel=1e-4)


@for_each("first", [0.5, 1, 3.3, 20, 5000])
@for_each("second", [0.5, 1, 17.5, 300, 100_000])
def test_quantiles_of_the_beta_distribution(first, second):
    for share in (0.025, 0.975):
        wanted = scipy_stats().beta.ppf(share, first, second)
        assert beta_quantile(share, first, second) == pytest.approx(wanted, rel=1e-3)


def test_weights_that_few_attempts_carry_have_no_interval():
    rare = np.array([1.0] * 4 + [1e-3] * 60)
    assert interval_of_weights(rare, -1.0) is None
    assert interval_of_weights(np.append(rare, [1.0, 1.0]), -1.0) is not None


def test_particles_that_one_first_particle_leaves_are_one_part():
    """Each cloud of three ends in copies of one particle: sixteen clouds are sixteen parts at most."""
    tokenizer = sg.Tokenizer.from_bytes([b"a", b"b", None], eos_token_id=2)
    row = np.log([0.05, 0.9, 0.05])
    options = {"method": "smc", "max_tokens": 7, "tokenizer": tokenizer, "name": "rare"}
    found = sg.sample(lambda ids: row, [], sg.regex("a|bbbbbba"), 64, **options)
    parts = found.contributions(np.ones(len(found)))
    assert len(parts) == 64 and parts.sum() == pytest.approx(1)
    assert found.independent == pytest.approx(1 / (parts @ parts))


@pytest.mark.parametrize(("mass", "has_interval"), [(1e-4, True), (1e-8, False)])
def test_draws_of_awrs_have_an_interval_where_z_is_not_tiny(mass, has_interval):
    tokenizer = sg.Tokenizer.from_bytes([b"a", b"b", b"c", None], eos_token_id=3)

    class OnlyC:
        def viable(self, prefix):
            return set(prefix) <= {ord("c")}

    def model(ids):
        return np.log([0.7 - mass, 0.3, mass, 1e-300] if not ids else [1e-300, 1e-300, 1e-300, 1.0])

    found = sg.sample(
        *(model, [], sg.regex("[abc]"), 64), method="awrs", checkers=[OnlyC()], tokenizer=tokenizer, name="m"
    )
    assert (found.log_z_interval is not None) is has_interval
    assert found.why_no_error.startswith("Z is below 1e-06") is not has_interval


def test_a_mean_over_few_texts_of_beams_has_no_error():
    wide = Task("many texts", "[abcd]{6}", 6, (b"a", b"b", b"c", b"d"), seed=3)
    few, many = wide.sample(16, "beams"), wide.sample(64, "beams")
    assert len(few.texts) < 32 and few.expectation(lambda text: text.count("a"))[1] is None
    assert many.expectation(lambda text: text.count("a"))[1] is not None


def test_draws_that_agree_tell_an_error_of_a_share_alone():
    """Of 20 draws that agree, the share of others is at most 1 - 0.025^(1/20); which numbers there are is
    unknown."""
    found = TASK.sample(20, "rejection")
    assert found.expectation(lambda text: 1.0)[1] is None
    assert found.expectation(lambda text: True)[1] == pytest.approx((1 - 0.025 ** (1 / 20)) / 1.96, rel=1e-3)


def test_a_large_part_among_small_ones_counts_as_few():
    parts = np.array([1.0, *[0.01] * 99])
    assert effective_parts(parts) < 4.1
    assert effective_parts(np.ones(100)) == 100
    # Student's quantile with three degrees of freedom.
    assert half_width(parts) == pytest.approx(3.18 * math.sqrt(100 / 99 * parts @ parts), rel=0.02)
    assert half_width(np.ones(1)) is None and around(-1.0, None) is None


def test_importance_that_stops_at_n_draws_is_unbiased():
    """The mean over all attempts would be too large by a fifth: half of them are refused at their end."""
    task = Task("even", "[abc]{0,4}", 4, (b"a", b"b", b"c"), seed=13, sharp=0.5, checker=Even())
    trees = (sg.samplers.PrefixTree(most=0) for _ in range(120))  # a tree that learns nothing: attempts alike
    runs = [task.sample(2, "importance", seed=seed, tree=tree) for seed, tree in enumerate(trees)]
    estimates = np.exp([found.log_z for found in runs])
    error = np.std(estimates, ddof=1) / math.sqrt(len(estimates))
    naive = [
        math.exp(found.log_z) / found.statistics.attempts * 2 * (found.statistics.attempts - 1)
        for found in runs
    ]
    assert abs(estimates.mean() - task.exact.z) < 3.5 * error
    assert np.mean(naive) - task.exact.z > 5 * error


@pytest.mark.parametrize("method", ["cars", "rejection"])
def test_draws_that_a_budget_cut_are_not_called_exact(method):
    cut = TASK.sample(10_000, method, budget=60)
    assert (cut.statistics.stopped, cut.is_exact, cut.kind) == ("budget", False, "weighted")
    assert any(name == "caveat" and "favours short texts" in told for name, told in cut.facts())
    assert TASK.sample(20, method).is_exact


def test_auto_with_a_budget_for_few_texts_tempers_weights():
    task = Task("long", "[abc]{8,24}", 24, ALIVE, seed=3, sharp=2.0)
    found = task.sample(10_000, "auto", budget=300)
    assert found.is_biased and found.statistics.model_rows <= 300
    assert found.effective_size >= auto.SHARE * len(found) * (1 - 1e-6)
    assert np.logaddexp.reduce(found.log_weights) == pytest.approx(found.log_z)
    assert not task.sample(10_000, "auto", budget=3000).is_biased


def test_weights_are_raised_to_the_greatest_power_that_leaves_the_share_of_draws():
    for seed in range(20):
        found = np.random.default_rng(seed).standard_normal(40) * 3.0
        tempered = auto.tempered(found)
        power = float(tempered @ found / (found @ found))
        assert tempered == pytest.approx(power * found) and 0.0 < power < 1.0

        def share(power, logs=found):
            weights = np.exp(power * logs)
            return weights.sum() ** 2 / (weights @ weights) / len(weights)

        assert share(power) >= 0.95 > share(power + 1e-6)
    assert list(auto.tempered(np.zeros(7))) == [0.0] * 7


def test_the_known_texts_of_a_small_language_end_a_run_with_a_small_budget():
    found = Task("small", "ab|b", 40, (b"a", b"b", b"ab"), seed=3).sample(10**9, "auto", budget=100)
    assert found.statistics.stopped == "exhausted"
    assert found.bracket[0] == found.bracket[1]


EXHAUSTED = Task("pairs", "([ab]c){1,2}", 4, (b"a", b"b", b"c"), seed=9)
"""A language of six texts, all of which a tree knows after some tens of attempts."""


def spelt(tokens: tuple[int, ...]) -> str:
    return b"".join(TOKENS[token] or b"" for token in tokens).decode()


@pytest.mark.parametrize("method", ["importance", "cars"])
def test_draws_from_an_exhausted_tree_are_draws_still(method):
    """Their mean is no sum over all texts: it has an error, and the interval holds as often as it says."""
    tree = sg.samplers.PrefixTree()
    assert EXHAUSTED.sample(500, "beams", tree=tree).lists_all
    truth = sum(p * len(spelt(tokens)) for tokens, p in EXHAUSTED.law.items()) / sum(EXHAUSTED.law.values())
    inside = []
    for seed in range(30):
        found = EXHAUSTED.sample(60, method, seed=seed, tree=tree)
        mean, error = found.expectation(len)
        assert found.bracket[0] == found.bracket[1] and not found.lists_all and found.worth <= 70
        assert error
        inside.append(abs(mean - truth) <= 1.96 * error)
    assert sum(inside) >= 25  # of 95 %, fewer come in one of 300 trials


def test_all_valid_texts_listed_are_known_without_an_error():
    found = EXHAUSTED.sample(500, "beams")
    truth = sum(p * len(spelt(tokens)) for tokens, p in EXHAUSTED.law.items()) / sum(EXHAUSTED.law.values())
    assert found.lists_all and math.isinf(found.worth) and found.why_no_error == ""
    assert found.expectation(len) == (pytest.approx(truth, abs=1e-12), 0.0)


@pytest.mark.parametrize(
    ("method", "why"),
    [*((one, "another law") for one in ("masked", "asap")), ("beams", "fewer than 32 texts")],
)
def test_a_missing_error_has_its_reason_in_the_facts(method, why):
    found = TASK.sample(12, method)
    assert why in found.why_no_error and found.expectation(len)[1] is None
    assert method != "beams" or f"no interval: {found.why_no_error}" in dict(found.facts())["log Z"]


@pytest.mark.parametrize("method", ["cars", "rejection"])
def test_exact_draws_tell_errors_from_five_on(method):
    few, enough = TASK.sample(4, method), TASK.sample(5, method)
    assert few.expectation(len)[1] is None and "fewer than 5 independent" in few.why_no_error
    assert enough.log_z_interval is not None and enough.expectation(len)[1] and not enough.why_no_error


def test_a_draw_adds_what_else_could_have_been_kept():
    """Two draws that differ by 8, and behind one of them two draws with the chance 1/4 that differ by 8."""
    for chance, variance in (
        (0.5, (0.5 + 0.5 * 0.75) * 64),
        (1.0, 0.75 * 64),
        (0.25, (0.75 + 0.25 * 0.75) * 64),
    ):
        draws = [ChanceDraw(1, -1, chance), ChanceDraw(1, -1, chance)]
        draws += [ChanceDraw(2, 0, 0.25), ChanceDraw(2, 0, 0.25)]
        parts = np.concatenate(Spread(draws).parts(np.array([0.0, 0.0, 8.0, 0.0])))
        assert parts @ parts == pytest.approx(variance)


def test_the_error_of_beams_is_right_on_average():
    """The mean of the estimated variances of Z, against the mean square of the errors of Z."""
    task = Task("many texts", "[abc]{2,6}", 6, (b"a", b"b", b"c"), seed=3, sharp=1.0)
    errors, squares = [], []
    for seed in range(40):
        found = task.sample(16, "beams", seed=seed)
        ones = found.contributions(np.ones(len(found)))
        errors.append(math.exp(found.log_z) / task.exact.z - 1)
        squares.append(float(ones @ ones) * (math.exp(found.log_z) / task.exact.z) ** 2)
    ratio = np.mean(np.square(errors)) / np.mean(squares)
    assert 0.45 < ratio < 1.5  # 0.2 to 0.3 where each draw counts as if nothing else could be kept
