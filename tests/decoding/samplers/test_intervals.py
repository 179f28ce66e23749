"""Figures of draws with their intervals: within what is proven, of every kind of function, and none, with its
reason, where nothing is proven."""

from __future__ import annotations

import dataclasses
import itertools
import math
import re
from typing import Any

import numpy as np
import pytest
from exact import ALIVE, TOKENS
from for_each import for_each
from tasks import Even, Task

import structgen as sg
from structgen.decoding.samplers.estimates import clamp_log_z
from structgen.decoding.samplers.intervals.figures import Interval
from structgen.decoding.samplers.methods import METHODS, auto

TASK = Task("intervals", "[abc]{0,4}(a|cc)", 5, (b"a", b"b", b"c", b"ab"), seed=21)
MANY = Task("many texts", "[abc]{4,7}", 7, (b"a", b"b", b"c"), seed=3, sharp=0.3)
LENGTHS = (0, 20)
WITH = ("raj", "cars", "importance", "rejection")


def scipy_stats() -> Any:
    """Return `scipy.stats`, which takes 0.6 s to import: not where tests are only collected."""
    return pytest.importorskip("scipy.stats")


def spelt(tokens: tuple[int, ...]) -> str:
    return b"".join(TOKENS[token] or b"" for token in tokens).decode()


def mean_of(task: Task, function: Any) -> float:
    """Return the mean of a function of a text, by enumeration."""
    return sum(mass * function(spelt(tokens)) for tokens, mass in task.law.items()) / task.exact.z


def with_a(text: str) -> bool:
    return text.startswith("a")


def test_an_estimate_is_cut_to_the_proven_bounds():
    bracket = (math.exp(-2.0), math.exp(-1.0))
    assert [clamp_log_z(one, bracket) for one in (-3.0, -1.5, -0.5)] == pytest.approx([-2.0, -1.5, -1.0])
    assert math.isnan(clamp_log_z(math.nan, bracket))


# --- within what is proven ----------------------------------------------------------------------------------


@for_each("method", (*WITH, "auto"))
@for_each("seed", range(3))
def test_no_interval_is_inverted_and_each_lies_within_what_is_proven(method, seed):
    found = (MANY if method == "auto" else TASK).sample(60, method, seed=seed)
    low, high = found.log_z_bounds
    lower, upper = (math.log(end) if end else -math.inf for end in found.bracket)
    assert lower - 1e-9 <= low <= found.log_z <= high <= upper + 1e-9
    for function, given in ((with_a, None), (len, LENGTHS)):
        mean, interval = found.expectation(function, given)
        proven = found.proven(function, given)
        assert proven.low - 1e-9 <= interval.low <= mean <= interval.high <= proven.high + 1e-9


def test_proven_bounds_are_those_of_the_known_texts():
    """The known texts have their mass, and what may still be valid has any number of the range."""
    found = MANY.sample(20, "importance")
    upper = found.bracket[1]
    known = dict(zip(found.token_ids, np.exp(found.logprobs), strict=True))
    assert 0 < sum(known.values()) < upper
    rest = upper - sum(known.values())
    least = sum(mass * len(spelt(tokens)) for tokens, mass in known.items()) / upper
    assert found.proven(len, LENGTHS) == pytest.approx((least, least + rest / upper * 20))
    assert found.proven(len) is None
    truth = mean_of(TASK, len)
    assert all(
        one.low <= truth <= one.high
        for one in (TASK.sample(n, "beams").proven(len, LENGTHS) for n in (1, 4, 16))
    )


@pytest.mark.parametrize("method", ["importance", "raj"])
def test_a_mean_lies_within_what_the_known_texts_prove(method):
    """Weights may say otherwise: a text that is known to have most of the mass was drawn with a small one."""
    found = TASK.sample(60, method)
    likeliest = found.texts[int(np.argmax(found.logprobs))]
    are_it = np.array([text == likeliest for text in found.texts])
    wrong = dataclasses.replace(found, log_weights=found.log_weights - 20.0 * are_it)
    proven = wrong.proven(likeliest.__eq__)
    assert wrong.weights @ are_it < proven.low
    assert wrong.expectation(likeliest.__eq__)[0] == pytest.approx(proven.low)


def test_an_interval_of_a_rare_property_is_not_symmetric():
    found = MANY.sample(200, "cars")
    rare = lambda text: text.endswith("aaa")  # noqa: E731
    mean, interval = found.expectation(rare)
    assert 0 < mean - interval.low < 0.8 * (interval.high - mean)
    assert interval.standard_error == pytest.approx((interval.high - interval.low) / 2)
    assert Interval(1.0, 4.0).standard_error == 1.5


# --- functions, ranges and paths ----------------------------------------------------------------------------


def test_a_function_of_numbers_has_an_interval_where_it_names_its_range():
    found = TASK.sample(100, "cars")
    assert found.expectation(with_a) == found.expectation(with_a, (0, 1))
    mean, none = found.expectation(len)
    assert none is None and found.expectation(len, LENGTHS)[0] == pytest.approx(mean)
    narrow, wide = (found.expectation(len, (0, most))[1] for most in (7, 50))
    assert wide.low <= narrow.low and narrow.high <= wide.high and narrow != wide


def test_scaling_a_function_scales_its_interval():
    found = TASK.sample(100, "raj")
    mean, interval = found.expectation(len, LENGTHS)
    other, scaled = found.expectation(lambda text: 3 - 2 * len(text), (-37, 3))
    assert other == pytest.approx(3 - 2 * mean)
    # one end is found by a bettor on large numbers, the other by one on small ones
    assert scaled == pytest.approx((3 - 2 * interval.high, 3 - 2 * interval.low), abs=1e-3)


@pytest.mark.parametrize("method", ["cars", "rejection"])
def test_the_share_of_planned_exact_draws_has_the_exact_interval(method):
    """That of Clopper and Pearson, where the known texts prove no more."""
    found = MANY.sample(30, method)
    has = sum(map(with_a, found.texts))
    assert 0 < has < 30
    beta = scipy_stats().beta
    exact = [beta.ppf(0.025, has, 31 - has), beta.ppf(0.975, has + 1, 30 - has)]
    assert found.expectation(with_a)[1] == pytest.approx(exact, rel=1e-3)


def test_draws_that_agree_tell_of_the_others():
    """Of 20 draws that agree, the share of others is at most 1 - 0.025^(1/20)."""
    found = MANY.sample(20, "rejection")
    assert found.expectation(lambda text: True)[1] == pytest.approx((0.025 ** (1 / 20), 1.0), rel=1e-3)
    assert found.expectation(lambda text: 7.0, (0, 14))[0] == pytest.approx(7.0)


FIELDS = {
    "type": "object",
    "properties": {"age": {"type": "integer", "minimum": 0, "maximum": 9}, "ok": {"type": "boolean"}},
    "required": ["age", "ok"],
    "additionalProperties": False,
}


@pytest.fixture(scope="module")
def documents() -> sg.Samples[Any]:
    letters = [bytes((byte,)) for byte in range(128)]
    tokenizer = sg.Tokenizer.from_bytes([*letters, None], eos_token_id=128)
    texts = [f'{{"age": {age}, "ok": {ok}}}' for age in range(10) for ok in ("true", "false")]

    def model(ids: list[int]) -> Any:
        """All characters that go on with a document are as likely, and so is a tilde at first."""
        text = bytes(ids).decode()
        rests = [one[len(text) :] for one in texts if one.startswith(text)]
        row = np.full(129, -50.0)
        row[[ord(rest[0]) if rest else 128 for rest in rests]] = 0.0
        row[126] = -50.0 if text else 0.0
        return row

    options = {"tokenizer": tokenizer, "name": "even", "max_tokens": 30, "method": "raj"}
    return sg.sample(model, [], sg.json_schema(FIELDS, **sg.JSON_DUMPS), 12, **options)


def test_a_path_is_a_function_whose_range_is_that_of_the_schema(documents):
    by_hand = documents.expectation(lambda value: value["age"], (0, 9))
    assert documents.expectation("age") == by_hand and by_hand[1] is not None
    assert documents.expectation("age", (0, 9)) == by_hand
    assert documents.expectation("ok") == documents.expectation(lambda value: value["ok"])
    assert documents.proven("age") == documents.proven(lambda value: value["age"], (0, 9))
    assert documents.quantile("age") == documents.quantile(lambda value: value["age"], range=(0, 9))


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("nothing", "absent.*the text '"),
        ("age[]", r"'age\[\]' returns a number for each item"),
        ("", "is not a number.*the text '"),
    ],
)
def test_a_path_without_a_number_is_refused_with_the_text(documents, path, said):
    with pytest.raises(sg.StructgenError, match=said) as caught:
        documents.expectation(path)
    assert caught.value.where == "expectation"


# --- what is no function, and no range ----------------------------------------------------------------------


def raising(text: str) -> float:
    raise KeyError(text)


@for_each(
    ("function", "given", "said"),
    [
        (len, (0, 2), r"is outside range=\(0, 2\): the text '"),
        (lambda text: math.nan, (0, 1), "nan is not a number: the text '"),
        (lambda text: math.inf, None, "inf is not a number"),
        (lambda text: "1", (0, 2), "'1' is not a number"),
        (lambda text: None, None, "None is not a number"),
        (raising, (0, 1), "The function raised KeyError: .*, for the text '"),
        (len, (3, 3), "range: The range .* is empty"),
        (len, (9, 0), "range: The range .* is empty"),
        (len, (0, math.nan), "range must be a finite number, got nan"),
        (len, 3, "range: 3 is not a range"),
        (len, (0, 1, 2), "range: .* is not a range"),
    ],
)
@for_each("figure", ["expectation", "proven", "quantile"])
def test_what_is_no_function_from_its_range_is_an_error(figure, function, given, said):
    found = TASK.sample(20, "cars")
    with pytest.raises(sg.StructgenError, match=said) as caught:
        getattr(found, figure)(function, range=given)
    assert caught.value.where in (figure, "range") and (caught.value.cure or "must be " in caught.value.what)


@pytest.mark.parametrize("share", [0, 1, -0.5, math.nan, "0.5"])
def test_a_share_that_is_none_is_refused(share):
    with pytest.raises(sg.errors.OptionError, match="share"):
        TASK.sample(20, "cars").quantile(len, share)


# --- quantiles and differences ------------------------------------------------------------------------------


@for_each("method", ["raj", "importance", "cars", "rejection"])
@for_each(("share", "given"), [(0.1, (0, 12)), (0.5, None), (0.9, None)])
def test_a_quantile_is_that_of_its_definition(method, share, given):
    """The least number that is not below the share; and of all numbers, the interval has those that no
    interval of a share refuses. Each share is asked by itself, as a figure of its own."""
    found = MANY.sample(80, method)
    value, interval = found.quantile(len, share, given)
    lengths = np.array([*map(len, found.texts)])
    assert value == min(one for one in set(lengths) if found.weights[lengths <= one].sum() >= share - 1e-12)
    kept = []
    upto = [found.expectation(lambda text, one=one: len(text) <= one)[1] for one in range(-1, 13)]
    for below, one in itertools.pairwise(upto):
        # the share of the texts up to it may be `share` or more, that of those below it `share` or less
        kept.append((one is None or one.high >= share) and (below is None or below.low <= share))
    assert interval is None or interval.low <= value <= interval.high
    numbers = np.flatnonzero(kept)
    assert interval is None or abs(interval.low - numbers[0]) <= 1 >= abs(interval.high - numbers[-1])
    assert interval is not None or given is None


def test_the_truth_is_in_the_interval_of_a_quantile():
    lengths = sorted((len(spelt(tokens)), mass) for tokens, mass in MANY.law.items())
    sums = np.cumsum([mass for _, mass in lengths]) / MANY.exact.z
    truth = lengths[int(np.searchsorted(sums, 0.5))][0]
    held = [MANY.sample(60, "raj", seed=seed).quantile(len, range=(0, 9))[1] for seed in range(12)]
    assert sum(one.low <= truth <= one.high for one in held) >= 10


def test_a_difference_is_wider_than_each_mean_and_holds_nothing_by_itself():
    one, other = TASK.sample(100, "cars"), TASK.sample(100, "raj", seed=1)
    warm = TASK.sample(100, "cars", temperature=2.0)
    difference, interval = one.difference(warm, with_a)
    (mine, first), (theirs, second) = one.expectation(with_a), warm.expectation(with_a)
    assert difference == pytest.approx(mine - theirs)
    width = interval.high - interval.low
    assert width > first.high - first.low + second.high - second.low
    assert interval.low <= difference <= interval.high
    same = one.difference(other, len, LENGTHS)[1]
    assert same.low <= 0.0 <= same.high
    assert one.difference(other, len)[1] is None
    assert one.difference(TASK.sample(32, "smc"), with_a)[1] is None


# --- none, with its reason ----------------------------------------------------------------------------------


class Heavy:
    """A checker that weighs texts."""

    fingerprint = "heavy"

    def weigh(self, text: str) -> float:
        return 0.5 * len(text)


REASONS = {
    "smc": (r"^the draws are from \d+ runs? of particles", {}),
    "awrs": (r"^the draws are from \d+ runs? of particles", {}),
    "beams": ("^beams are not independent draws", {}),
    "masked": ("^the draws are of another law", {}),
    "asap": ("^the draws are of another law", {}),
    "importance": ("^weights of checkers have no bound", {"checkers": [Heavy()]}),
}


@pytest.mark.parametrize("method", REASONS)
def test_a_missing_interval_has_its_reason(method):
    said, options = REASONS[method]
    found = MANY.sample(30, method, **options)
    assert not found.has_intervals
    assert found.log_z_interval is None and found.expectation(with_a)[1] is None
    assert found.quantile(len, range=(0, 9))[1] is None or method == "beams"
    assert re.search(said, found.why_no_interval)
    told = dict(found.facts())
    assert method in ("masked", "asap") or f"no interval: {found.why_no_interval}" in told["log Z"]
    assert found.worth is None or method == "importance"
    assert found.proven(with_a) is None if found.is_biased else found.proven(with_a) is not None


def test_particles_of_a_callers_proposal_have_no_interval():
    found = MANY.sample(64, "smc", proposal=lambda written, tokens, masses: masses)
    assert found.log_z_interval is None and "runs of particles" in found.why_no_interval


@pytest.mark.parametrize("method", ["cars", "rejection", "importance", "raj"])
def test_few_draws_have_no_interval_and_say_how_many_are_needed(method):
    few, enough = MANY.sample(3, method), MANY.sample(40, method)
    assert few.expectation(with_a)[1] is None and few.log_z_interval is None
    assert "the run is worth " in few.why_no_interval and "about 8 are needed: n = " in few.why_no_interval
    assert few.worth < 4 and enough.worth >= 8
    assert enough.expectation(with_a)[1] is not None and not enough.why_no_interval


def test_the_draws_that_are_needed_are_eight_times_those_of_an_exact_draw():
    """A run of n = 100 that is worth 2.1 exact draws needs n = 381, rounded up."""
    found = MANY.sample(100, "importance")
    tried = found.attempts
    small = dataclasses.replace(tried, weights=tried.weights * 2.1 / tried.worth)
    poor = dataclasses.replace(found, attempts=small)
    assert poor.worth == pytest.approx(2.1)
    assert "worth 2 exact draws; about 8 are needed: n = 400" in poor.why_no_interval


@for_each("method", METHODS)
def test_where_no_reason_is_given_there_is_an_interval(method):
    for n in (2, 40):
        found = TASK.sample(n, method)
        if not found.why_no_interval:
            assert found.log_z_interval is not None and found.expectation(len, LENGTHS)[1] is not None


# --- degenerate runs ----------------------------------------------------------------------------------------


@for_each("method", METHODS)
def test_one_draw_has_figures_and_no_error(method):
    found = MANY.sample(1, method)
    mean, interval = found.expectation(len, (0, 9))
    assert mean > 0 and (interval is None or interval.low <= mean <= interval.high)
    assert found.quantile(len)[0] >= 4 and found.marginals(len)[0].share > 0


@for_each("method", WITH)
def test_a_constant_has_its_number_and_an_interval_that_holds_it(method):
    found = TASK.sample(50, method)
    for constant in (0, 3, 20):
        mean, interval = found.expectation(lambda text, constant=constant: constant, LENGTHS)
        assert mean == pytest.approx(constant, abs=0.5) and interval.low <= constant <= interval.high


@pytest.mark.parametrize("method", WITH)
def test_a_checker_that_accepts_nothing_leaves_no_figure(method):
    class Never:
        fingerprint = "never"

        def final(self, text):
            return False

    found = MANY.sample(5, method, checkers=[Never()], budget=40)
    assert found.log_z_interval is None and found.why_no_interval == "there is no draw"
    assert found.worth == 0.0
    for figure in (found.expectation, found.quantile, found.proven):
        with pytest.raises(sg.StructgenError, match="at least one draw"):
            figure(len)


# --- bias, and runs that end early --------------------------------------------------------------------------


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
        tempered = auto.temper_weights(found)
        power = float(tempered @ found / (found @ found))
        assert tempered == pytest.approx(power * found) and 0.0 < power < 1.0

        def share(power, logs=found):
            weights = np.exp(power * logs)
            return weights.sum() ** 2 / (weights @ weights) / len(weights)

        assert share(power) >= 0.95 > share(power + 1e-6)
    assert list(auto.temper_weights(np.zeros(7))) == [0.0] * 7


def test_the_known_texts_of_a_small_language_end_a_run_with_a_small_budget():
    found = Task("small", "ab|b", 40, (b"a", b"b", b"ab"), seed=3).sample(10**9, "auto", budget=100)
    assert found.statistics.stopped == "exhausted"
    assert found.bracket[0] == found.bracket[1]


EXHAUSTED = Task("pairs", "([ab]c){1,2}", 4, (b"a", b"b", b"c"), seed=9)
"""A language of six texts, all of which a tree knows after some tens of attempts."""


@pytest.mark.parametrize("method", ["importance", "cars"])
def test_draws_from_an_exhausted_tree_are_draws_still(method):
    """Their mean is a mean of draws: the known texts prove the true one, and it is cut to that."""
    tree = sg.samplers.PrefixTree()
    assert EXHAUSTED.sample(500, "beams", tree=tree).lists_all
    found = EXHAUSTED.sample(60, method, tree=tree)
    mean, interval = found.expectation(len, (0, 4))
    assert found.bracket[0] == found.bracket[1] and not found.lists_all and found.worth <= 60.1
    truth = mean_of(EXHAUSTED, len)
    assert interval.low <= mean <= interval.high and interval.low <= truth <= interval.high
    assert interval.high - interval.low < 0.2  # the draws alone say it to 0.5


@pytest.mark.parametrize("method", ["auto", "raj", "beams"])
def test_all_valid_texts_listed_are_known_without_an_error(method):
    found = EXHAUSTED.sample(500, method)
    truth = mean_of(EXHAUSTED, len)
    assert found.lists_all and math.isinf(found.worth) and found.why_no_interval == ""
    mean, interval = found.expectation(len)
    assert (mean, *interval) == pytest.approx((truth, truth, truth), abs=1e-12)
    assert found.log_z_interval == pytest.approx((math.log(EXHAUSTED.exact.z),) * 2)
