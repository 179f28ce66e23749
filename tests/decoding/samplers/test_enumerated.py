"""Every method with all its random outcomes listed: what holds on average holds to 1e-12, with no luck in it.

For a task, `mean_masses` is the mean, over all outcomes, of the weight that a method gives to each token
sequence. Unbiased means that it is P(tokens, end), for each sequence by itself; so the mean of the estimate
of Z is Z, and that of any sum of P(x) f(x) is right, too.
"""

from __future__ import annotations

import math
from collections import defaultdict

import numpy as np
import pytest
from enumeration import outcomes
from for_each import for_each
from tasks import SMALL, Even, Task, Without, cloud_of

from structgen.decoding.samplers.beam import Beam, LookAhead
from structgen.decoding.samplers.methods import awrs, beams
from structgen.decoding.samplers.run_limits import Particles, SamplingRun, draws_of_attempts
from structgen.decoding.samplers.tree import PrefixTree
from structgen.decoding.samplers.walk import Finish, Walker


def walker_of(target, finish, tree, source):
    """Return a walker whose walks draw from one source."""
    walker = Walker(target, finish, tree, seed=0)
    walker._next_draws = lambda: source  # type: ignore[method-assign]
    return walker


def whole_tree():
    return PrefixTree()


def small_tree():
    """A tree whose nodes keep one token: the others are met by reading the row again."""
    return PrefixTree(kept=1)


def full_tree():
    """A tree that has room for its root alone."""
    return PrefixTree(most=800)


DEAD_ENDS = SMALL[2]
# name: how the walk uses the ratio of bounds, and the tree.
WALKS = {
    "rejection": (Finish.COIN, None),
    "importance without a tree": (Finish.WEIGHT, None),
    "cars": (Finish.COIN, whole_tree),
    "cars, small tree": (Finish.COIN, small_tree),
    "cars, full tree": (Finish.COIN, full_tree),
    "importance": (Finish.WEIGHT, whole_tree),
    "importance, small tree": (Finish.WEIGHT, small_tree),
}


def mean_masses(found):
    """Return the mean mass of each sequence from pairs (probability, {sequence: mass})."""
    means = defaultdict(float)
    for probability, masses in found:
        for tokens, mass in masses.items():
            means[tokens] += probability * mass
    return dict(means)


def agree(means, law):
    """Hold means to a law: the same sequences, the same masses to 1e-12 of Z."""
    z = math.fsum(law.values())
    assert math.fsum(means.values()) == pytest.approx(z, rel=1e-12)
    assert {one for one, mass in means.items() if mass > 0} == set(law)
    for tokens, mass in law.items():
        assert means[tokens] == pytest.approx(mass, rel=1e-11, abs=1e-13 * z)


def masses_of(attempt):
    """Return what one attempt estimates: its text with its weight."""
    return {attempt.tokens: attempt.weight} if attempt.weight > 0 else {}


def masses_of_cloud(cloud):
    """Return the mass that a cloud of particles gives to each sequence."""
    masses = defaultdict(float)
    for prefix, log_weight in zip(cloud.prefixes, cloud.log_weights, strict=True):
        masses[prefix.tokens] += math.exp(cloud.log_z + log_weight) / cloud.count
    return masses


WAYS = [(way, False) for way in WALKS] + [(way, True) for way, (_, tree) in WALKS.items() if tree]


@pytest.mark.parametrize(
    ("task", "way", "together"),
    [
        # Each way with each third task, each task with each third way; `-m slow` has all pairs.
        pytest.param(task, *way, marks=[pytest.mark.slow] * ((at + place) % 3 > 0))
        for at, way in enumerate(WAYS)
        for place, task in enumerate(SMALL)
    ],
    ids=str,
)
def test_all_draws_of_two_walks_have_the_masses_of_the_target(task, way, together):
    """The weights of the first walk, and of the second with what the first has taught it, are unbiased. What
    coins let through in the second is distributed as the target, however the first went; in one batch, where
    the two walk side by side: whatever the first has written, or if it was rejected."""
    finish, tree_of = WALKS[way]
    target = task.target()

    def body(source):
        tree = tree_of() if tree_of else None
        walker = walker_of(target, finish, tree, source)
        masses, ended = [], []
        for width in [2] if together else [1, 1]:
            ended += walker.make_attempts(width)
            masses += [masses_of(attempt) for attempt in ended[-width:]]
        return masses, ended

    runs = list(outcomes(body))
    for which in (0, 1):
        agree(mean_masses((probability, masses[which]) for probability, (masses, _) in runs), task.law)
    if finish is not Finish.COIN:
        return
    joint = defaultdict(lambda: defaultdict(float))
    for probability, (_, (first, second)) in runs:
        if second.weight > 0:
            given = (first.tokens if first.weight > 0 or not together else (), first.weight > 0)
            joint[given][second.tokens] += probability
    z = task.exact.z
    for seconds in joint.values():
        whole = math.fsum(seconds.values())
        shares = {tokens: mass / whole for tokens, mass in seconds.items()}
        assert shares == pytest.approx({tokens: mass / z for tokens, mass in task.law.items()}, rel=1e-11)


@pytest.mark.parametrize(
    ("task", "count", "forced"),
    [(task, 1, 0) for task in SMALL]
    # After two tokens some particles have ended, and are to be resampled like the others.
    + [(task, 2, 2) for task in SMALL[:2]]
    + [(task, 2, 1) for task in SMALL[2:]]
    + [(task, 3, 0) for task in SMALL[:1]]
    + [pytest.param(task, 2, 3, marks=pytest.mark.slow) for task in SMALL]
    + [pytest.param(task, 3, 0, marks=pytest.mark.slow) for task in SMALL[1:]],
    ids=str,
)
def test_all_draws_of_particles_have_the_masses_of_the_target(task, count, forced):
    target = task.target()
    resampled = 0

    def body(source):
        nonlocal resampled
        cloud = cloud_of(target, count, source, forced)
        resampled += cloud.log_z != 0
        masses = masses_of_cloud(cloud)
        assert math.fsum(masses.values()) == pytest.approx(cloud.estimate, rel=1e-12)
        return masses

    agree(mean_masses(outcomes(body)), task.law)
    if forced:
        assert resampled


def end_of_outcomes(monkeypatch):
    """Have refused edges left out of the sums at once: else one may be drawn again and again, and there is no
    end of outcomes."""
    refuse = awrs._RemainingEdges.refuse_edge

    def refuse_and_sum(left, edge):
        refuse(left, edge)
        left._sum_masses()

    monkeypatch.setattr(awrs._RemainingEdges, "refuse_edge", refuse_and_sum)


CHECKED = [task for task in SMALL if task.checker is not None]


@pytest.mark.parametrize("task", CHECKED, ids=str)
@pytest.mark.parametrize("count", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_all_draws_of_adaptive_rejection_have_the_masses_of_the_target(task, count, monkeypatch):
    target = task.target()
    end_of_outcomes(monkeypatch)
    found = outcomes(
        lambda source: masses_of_cloud(
            cloud_of(target, count, source, forced=count - 1, propose=awrs.propose_checked)
        )
    )
    agree(mean_masses(found), task.law)


class Ahead(LookAhead):
    """A look-ahead that says anything, as long as it is above 0: what it says may cost variance only."""

    def estimate_tokens(self, state, tokens, otherwise):
        return 0.05 + 0.95 * np.random.default_rng([state, len(tokens)]).random(len(tokens))

    def estimate_rest(self, state, otherwise):
        return 0.3


@pytest.mark.parametrize("task", SMALL, ids=str)
@pytest.mark.parametrize("widths", [(1, 1), (2, 1), pytest.param((3, 2), marks=pytest.mark.slow)], ids=str)
@pytest.mark.parametrize(
    ("tree_of", "look"),
    [(whole_tree, LookAhead), (small_tree, LookAhead), (full_tree, LookAhead), (small_tree, Ahead)],
    ids=lambda of: of.__name__,
)
def test_all_draws_of_beams_have_the_masses_of_the_target(task, widths, tree_of, look):
    """Of a first beam, and of a second one beside the texts that the first has found."""
    target = task.target()

    def body(source):
        tree, ahead, found = tree_of(), look(), []
        for width in widths:
            masses = {tokens: math.exp(logprob) for tokens, logprob in tree.known()}
            beam = Beam(target, tree, width, source, ahead)
            assert beam.follow_particles(lambda rows: True, lambda step, width=width: width)
            for one in beam.found_texts:
                masses[one.tokens] = masses.get(one.tokens, 0.0) + math.exp(one.log_weight)
            found.append(masses)
        return found

    runs = list(outcomes(body))
    for which in range(len(widths)):
        agree(mean_masses((probability, found[which]) for probability, found in runs), task.law)


def futures(task, read):
    """Return ASAp's approximation c of the expected future grammaticality, as the paper states it: 1 for a
    prefix that was not read, and the sum of P(a | u) c(ua) over what the grammar lets follow for one that
    was."""

    def c(tokens):
        if tokens not in read:
            return 1.0
        following, end = allowed(task, tokens)
        return end + sum(mass * c((*tokens, token)) for token, mass in following.items())

    return c


def allowed(task, tokens):
    """Return what may follow a prefix: what leaves a way on, and with one token left what completes the
    text."""
    following, end = task.exact.following(tokens)
    left = task.max_tokens - len(tokens)
    following = {
        token: mass
        for token, mass in following.items()
        if left > 1 or (left == 1 and task.exact.following((*tokens, token))[1] > 0)
    }
    return following, end


ASAP = [task for task in SMALL if task.checker is None]


@for_each("task", ASAP)
@for_each("before", [0, 1, 4])
@for_each("kept", [64, 1])
def test_the_law_of_asap_given_its_tree_is_that_of_the_paper(task, before, kept):
    """Draws of ASAp: P(a | u) c(ua) over its sum, at each token. Nothing is claimed of how far that is from
    the target: the divergence may rise before it falls."""
    target = task.target()

    def tree_after():
        tree = PrefixTree(kept=kept)
        walker = Walker(target, Finish.IGNORE, tree, seed=7)
        return tree, [one.tokens for _ in range(before) for one in walker.make_attempts(1)]

    _, ended = tree_after()
    c = futures(task, {tokens[:end] for tokens in ended for end in range(len(tokens) + 1)})
    expected = defaultdict(float)

    def walk(tokens, probability):
        following, end = allowed(task, tokens)
        masses = {token: mass * c((*tokens, token)) for token, mass in following.items()}
        whole = sum(masses.values()) + end
        if whole == 0:
            expected[tokens, False] += probability  # a dead end
            return
        if end:
            expected[tokens, True] += probability * end / whole
        for token, mass in masses.items():
            if mass:
                walk((*tokens, token), probability * mass / whole)

    walk((), 1.0)

    def body(source):
        tree, _ = tree_after()
        (attempt,) = walker_of(target, Finish.IGNORE, tree, source).make_attempts(1)
        return attempt.tokens, attempt.weight > 0

    found = defaultdict(float)
    for probability, outcome in outcomes(body):
        found[outcome] += probability
    assert found == pytest.approx(dict(expected), rel=1e-11)


SURE = [task for task in SMALL if task.checker is None and task is not DEAD_ENDS]
"""Tasks in which every walk under the mask comes to the end of a text."""


@for_each("task", SURE)
@for_each("method", ["smc", "importance"])
def test_a_draw_through_the_door_has_the_masses_of_the_target(task, method, monkeypatch):
    """`sg.sample` itself, with every random number generator replaced."""
    sources = []
    monkeypatch.setattr(np.random, "Generator", lambda bits: sources[-1])

    def body(source):
        sources.append(source)
        found = task.sample(1, method)
        masses = defaultdict(float)
        for tokens, weight in zip(found.token_ids, np.exp(found.log_weights), strict=True):
            masses[tokens] += weight
        return masses

    agree(mean_masses(outcomes(body)), task.law)


# --- auto ---------------------------------------------------------------------------------------------------


UNBIASED = ("cars", "importance", "smc", "awrs")


@pytest.mark.parametrize("task", SURE, ids=str)
@pytest.mark.parametrize("n", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_all_draws_have_the_law_of_the_target_given_what_was_chosen(task, n, monkeypatch):
    """Every random number is listed. Draws of walks have the target's shares as they come, and those of
    particles its masses by their weights."""
    sources = []
    monkeypatch.setattr(np.random, "Generator", lambda bits: sources[-1])

    def body(source):
        sources.append(source)
        found = task.sample(n, "auto")
        assert len(found) == n and not found.is_biased and not found.caveats
        are_walks, masses = found.method == "raj", defaultdict(float)
        weights = np.full(n, 1 / n) if are_walks else np.exp(found.log_weights)
        for tokens, mass in zip(found.token_ids, weights, strict=True):
            masses[tokens] += mass
        return are_walks, masses

    chances, means = defaultdict(float), defaultdict(lambda: defaultdict(float))
    for probability, (are_walks, masses) in outcomes(body):
        chances[are_walks] += probability
        for tokens, mass in masses.items():
            means[are_walks][tokens] += probability * mass
    for are_walks, chance in chances.items():
        whole = task.exact.z if are_walks else 1.0
        wanted = {tokens: chance * mass / whole for tokens, mass in task.law.items()}
        assert dict(means[are_walks]) == pytest.approx(wanted, rel=1e-9)


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
        runs = [task.sample(n, method, seed=seed) for seed in range(6)]
        if method == "auto":
            assert all(
                len(one) == n and not one.is_biased and one.method in (*UNBIASED, "raj") for one in runs
            )
        if all(len(one) >= n for one in runs):
            rows[method] = np.mean([one.statistics.model_rows for one in runs])
    assert rows["auto"] <= 1.25 * min(rows[method] for method in UNBIASED if method in rows) + 1


def test_draws_are_worth_their_number_where_nearly_all_is_valid_and_free_where_the_tree_knows_the_language():
    sure = Task("sure", "[ab]*", 30, (b"a", b"b"), seed=3)  # but for texts of more than 30 tokens
    assert sure.sample(20, "auto").worth == pytest.approx(20, rel=1e-3)
    tree = PrefixTree()
    TARGETS[1].sample(1000, "beams", tree=tree)
    known = TARGETS[1].sample(20, "auto", tree=tree)
    assert (known.lists_all, len(known) >= 20, known.statistics.model_rows) == (True, True, 0)


MANY = Task("many texts", "[abc]{5,9}", 9, (b"a", b"b", b"c"), seed=3, sharp=0.3)


@pytest.mark.parametrize(
    ("n", "budget", "method", "is_whole"),
    [
        (20, 3000, "beams", True),
        (20, 400, "raj", True),  # too little for beams
        (20, 40, "auto", False),  # too little for the draws: tempered walks
        (10_000, 1500, "beams", False),
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
        return draws_of_attempts([], run.n, has_weights=True, estimates_z=True)

    monkeypatch.setattr(beams, "draw", few)
    found = MANY.sample(20, "auto", budget=3000)
    assert (found.method, len(found) >= 20, found.statistics.stopped, found.caveats) == ("raj", True, "n", [])


@pytest.mark.parametrize("task", [one for one in TARGETS if one.checker is not None], ids=str)
def test_particles_that_die_are_replaced_and_the_estimate_of_z_stays(task):
    """Over 60 runs of six particles: the mean of the estimates is Z, within four standard errors."""
    estimates = []
    for seed in range(60):
        run = SamplingRun(task.target(), PrefixTree(), 6, seed, 1, particles=Particles(6, are_replaced=True))
        found = awrs.draw(run)
        assert len(found.tokens) in (0, 6)
        estimates.append(math.exp(found.log_z))
    assert abs(np.mean(estimates) - task.exact.z) < 4 * np.std(estimates) / math.sqrt(len(estimates))
