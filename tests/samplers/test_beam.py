"""Beams: their sums are unbiased whatever the twist, they are exact where nothing is thinned out, and they
keep to their rows."""

from __future__ import annotations

import math

import numpy as np
import pytest
from exact import Bigram, tokenizer
from test_laws import ALIVE, COMPILED, TOKENIZER, Ends, exact, target_text

from structgen.samplers.beam import Beam
from structgen.samplers.lookahead import LookAhead
from structgen.samplers.rows import FunctionRows
from structgen.samplers.sample import sample
from structgen.samplers.target import Target
from structgen.samplers.tree import PrefixTree


def tokenizer_ids(text):
    return next(token for token, piece in enumerate(TOKENIZER.token_bytes) if piece == text)


class RandomTwist(LookAhead):
    """Guesses that have nothing to do with h."""

    def __init__(self, seed):
        super().__init__()
        self.random = np.random.default_rng(seed)

    def guess(self, state, tokens, otherwise):
        return self.random.uniform(0.001, 1.0, len(tokens)) ** 3

    def rest(self, state, otherwise):
        return float(self.random.uniform(0.001, 1.0)) ** 3


def target_of(model, checkers=()):
    rows = FunctionRows(model, [97], COMPILED.vocab_size, "bigram")
    return Target(rows, COMPILED, max_tokens=4, checkers=checkers)


def run(target, tree, width, seed, ahead):
    beam = Beam(target, tree, width, np.random.default_rng(seed), ahead)
    assert beam.run(lambda rows: True, lambda step: width)
    return beam


@pytest.mark.parametrize("kept", [0, 1, 64])
@pytest.mark.parametrize("width", [1, 2, 6])
def test_any_positive_twist_leaves_the_sums_unbiased(kept, width):
    model = Bigram(5, ALIVE, sharp=2.0)
    texts = exact(model, 4)
    wanted = sum(texts.values()), sum(mass * len(target_text(tokens)) for tokens, mass in texts.items())
    target, sums = target_of(model), []
    for seed in range(150):
        tree, twist = PrefixTree(kept=kept), RandomTwist(seed)
        run(target, tree, width, seed, twist)
        known = dict(tree.known())
        found = {tokens: math.exp(logprob) for tokens, logprob in known.items()}
        for one in run(target, tree, width, 1000 + seed, twist).found:
            found[one.tokens] = math.exp(one.log_weight)
        sums.append(
            (sum(found.values()), sum(mass * len(target_text(tokens)) for tokens, mass in found.items()))
        )
    means, errors = np.mean(sums, 0), np.std(sums, 0, ddof=1) / math.sqrt(len(sums))
    assert (np.abs(means - wanted) < 4 * errors + 1e-12).all()


def test_a_beam_that_thins_out_nothing_is_exact():
    model = Bigram(5, ALIVE)
    beam = run(target_of(model), PrefixTree(), 10**9, 1, LookAhead())
    assert {one.tokens: math.exp(one.log_weight) for one in beam.found} == pytest.approx(exact(model, 4))
    assert not beam.draws


def test_checkers_take_their_share_before_the_draw():
    """With room for every candidate, what a checker refuses leaves no gap in the sum."""
    model = Bigram(5, ALIVE)
    beam = run(target_of(model, [Ends()]), PrefixTree(), 10**9, 1, LookAhead())
    texts = {tokens: mass for tokens, mass in exact(model, 4).items() if len(target_text(tokens)) % 2 == 0}
    assert {one.tokens: math.exp(one.log_weight) for one in beam.found} == pytest.approx(texts)


def test_beams_that_share_a_tree_read_no_prefix_twice():
    asked = []

    class Counted(Bigram):
        def __call__(self, ids):
            asked.append(tuple(ids))
            return super().__call__(ids)

    target, tree, ahead = target_of(Counted(5, ALIVE)), PrefixTree(), LookAhead()
    for seed in range(6):
        run(target, tree, 4, seed, ahead)
    assert len(asked) == len(set(asked)) > 6


@pytest.mark.parametrize("kept", [0, 64])
@pytest.mark.parametrize("budget", [1, 2, 7, 40])
def test_auto_reads_no_row_beyond_its_budget(budget, kept):
    options = {"method": "beams", "max_tokens": 4, "tokenizer": TOKENIZER, "name": "bigram"}
    found = sample(
        Bigram(5, ALIVE), [97], COMPILED, 500, budget=budget, tree=PrefixTree(kept=kept), **options
    )
    assert found.statistics.model_rows <= budget


def test_a_beam_that_is_cut_short_is_no_estimate_and_leaves_true_bounds():
    model, tree = Bigram(5, ALIVE), PrefixTree()
    z = sum(exact(model, 4).values())
    beam = Beam(target_of(model), tree, 50, np.random.default_rng(1), LookAhead())
    left = iter([True, True, False])
    assert not beam.run(lambda rows: next(left), lambda step: 50)
    low, high = tree.bracket
    assert low <= z <= high
    assert tree.root is not None


def test_the_standard_error_of_auto_is_that_of_its_runs():
    """The stated error is of the size of the deviations over 200 runs; it errs on the side of caution."""
    model = Bigram(5, ALIVE, sharp=2.0)
    texts = exact(model, 4)
    z = sum(texts.values())
    wanted = sum(mass * len(target_text(tokens)) for tokens, mass in texts.items()) / z
    off, stated = [], []
    for seed in range(200):
        options = {"method": "beams", "max_tokens": 4, "tokenizer": TOKENIZER, "name": "bigram"}
        found = sample(model, [97], COMPILED, 8, seed=seed, **options)
        mean, _ = found.expectation(len)
        parts = found.contributions(np.array([len(text) - mean for text in found.texts]))
        off.append(mean - wanted)
        stated.append(math.sqrt(float(parts @ parts)))
    ratio = math.sqrt(np.mean(np.square(stated)) / np.mean(np.square(off)))
    assert 0.7 < ratio < 3


def test_texts_too_unlikely_for_a_float_are_still_drawn():
    """A text of 32 tokens or more, of 30 nats each, has a probability under e^-960, which no float holds."""
    import structgen as sg

    vocabulary = tokenizer()

    def model(ids):
        row = np.zeros(COMPILED.vocab_size)
        row[[97, tokenizer_ids(b"aa")]] = -30.0
        return row

    grammar = sg.compile(sg.regex("a{64}"), vocabulary)
    options = {"max_tokens": 64, "tokenizer": vocabulary, "name": "unwilling", "budget": 400}
    found = sample(model, [], grammar, 1, method="beams", **options)
    assert found.log_z < -750
    assert found.bracket[1] > 0


def test_auto_ends_once_log_z_is_known_as_well_as_was_asked():
    options = {"method": "beams", "max_tokens": 4, "tokenizer": TOKENIZER, "name": "bigram"}
    found = sample(Bigram(5, ALIVE), [97], COMPILED, 10**6, standard_error=0.2, **options)
    assert found.statistics.stopped == "standard_error"
    z = sum(exact(Bigram(5, ALIVE), 4).values())
    assert abs(found.log_z - math.log(z)) < 0.6
