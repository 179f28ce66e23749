"""What a prefix tree proves of Z, what it answers for the model, and how wide stated intervals are."""

from __future__ import annotations

import math

import numpy as np
import pytest
from exact import TOKENS
from for_each import for_each
from tasks import PROMPT, SMALL, TOKENIZER, Even, Task, Without

import structgen as sg
from structgen.decoding.samplers.tree import PrefixTree

LARGER = (
    Task("tight", "[ab]{0,3}c?(ab|c)", 3, (b"a", b"b", b"c", b"ab", b"aa"), seed=11),
    Task("warm", "(a|bb|ab){1,3}c", 5, (b"a", b"b", b"c", b"ab", b"ba"), seed=12, temperature=1.7),
    Task("checker at the end", "[abc]{0,4}", 4, (b"a", b"b", b"c", b"abc"), seed=13, checker=Even()),
    Task("checker of prefixes", "[abc]{1,4}", 3, (b"a", b"b", b"c", b"cc"), seed=14, checker=Without(b"bc")),
)


@for_each("task", LARGER)
@for_each(
    ("method", "kept"),
    [("asap", 64), ("cars", 64), ("cars", 2), ("importance", 1), ("importance", 64), ("importance", 2)],
)
def test_every_bound_holds_and_only_ever_tightens(task, method, kept):
    tree, (lower, upper), z = PrefixTree(kept=kept), (0.0, 1.0), task.exact.z
    for seed, n in enumerate([1] * 8 + [2] * 4 + [7] * 3):
        task.sample(n, method, tree=tree, seed=seed)
        low, high = tree.bracket
        assert lower <= low <= z * (1 + 1e-12) and z <= high * (1 + 1e-12) and high <= upper
        lower, upper = low, high
    assert lower > 0.0 and upper < 1.0


@pytest.mark.parametrize("task", LARGER, ids=str)
def test_an_exhausted_language_is_given_exactly_and_costs_no_row_more(task):
    tree = PrefixTree()
    first = task.sample(100_000, "beams", tree=tree)
    assert first.statistics.stopped == "exhausted"
    model = task.model()
    again = task.sample(100_000, "beams", model, tree=tree, seed=1)
    assert model.asked == again.statistics.model_rows == 0
    for found in (first, again):
        shares = dict(zip(found.token_ids, found.weights, strict=True))
        assert shares == pytest.approx(
            {tokens: mass / task.exact.z for tokens, mass in task.law.items()}, rel=1e-12
        )
        assert math.exp(found.log_z) == pytest.approx(task.exact.z, rel=1e-12)
        assert found.bracket[0] == found.bracket[1] == pytest.approx(task.exact.z, rel=1e-12)


@pytest.mark.parametrize("method", ["cars", "importance", "asap", "beams"])
def test_a_tree_that_was_used_before_saves_rows(method):
    task, tree = LARGER[1], PrefixTree()
    task.sample(25 if method == "beams" else 6, method, tree=tree)
    again, fresh = task.sample(60, method, tree=tree, seed=5), task.sample(60, method, seed=5)
    assert again.statistics.model_rows < fresh.statistics.model_rows


def test_what_a_tree_holds_of_the_model_is_what_was_seen_first():
    """A model whose rows differ a little each time it is asked: the tree's texts have the probabilities of
    the first time, so masses still add up."""
    task = LARGER[1]
    chance = np.random.default_rng(1)

    class Wavering:
        def __init__(self):
            self.model, self.first = task.model(), {}

        def __call__(self, ids):
            row = self.model(ids) + chance.normal(0, 0.2, size=len(self.model([97])))
            self.first.setdefault(tuple(ids), row - np.logaddexp.reduce(row))
            return row

    for kept in (64, 1):
        model = Wavering()
        found = task.sample(100_000, "beams", model, tree=PrefixTree(kept=kept))
        assert found.statistics.stopped == "exhausted"
        assert sorted(found.token_ids) == sorted(task.law)
        if kept == 1:
            continue  # tokens that a node does not keep share what was left at first
        for tokens, logprob in zip(found.token_ids, found.logprobs, strict=True):
            wanted = 0.0
            for at in range(len(tokens) + 1):
                row = model.first[*PROMPT, *tokens[:at]] / task.temperature
                row = row - np.logaddexp.reduce(row)
                wanted += np.logaddexp(row[-1], row[-2]) if at == len(tokens) else row[tokens[at]]
            assert logprob == pytest.approx(wanted, rel=1e-9)


def test_runs_that_are_given_no_tree_share_none():
    """A tree that outlived its run by accident would answer the next one, of another task too."""
    rows = [LARGER[1].sample(20, "cars").statistics.model_rows for _ in range(2)]
    assert rows[0] == rows[1] > 0
    assert set(LARGER[3].sample(20, "cars").token_ids) <= set(LARGER[3].law)


@pytest.mark.parametrize("method", ["cars", "importance", "raj"])
def test_the_half_width_that_is_stated_bounds_the_errors_that_are_seen(method):
    """Over many runs: it is about as wide as the spread of the means says, and no three times wider."""
    runs = [LARGER[2].sample(48, method, seed=seed).expectation(len, (0, 4)) for seed in range(24)]
    seen = 1.96 * float(np.std([mean for mean, _ in runs], ddof=1))
    stated = float(np.mean([interval.standard_error for _, interval in runs]))
    assert 0.6 * seen < stated < 3 * seen


# --- beams --------------------------------------------------------------------------------------------------


def test_beams_that_share_a_tree_read_no_prefix_twice():
    task, tree, asked = LARGER[1], PrefixTree(), []
    model = task.model()

    def noting(ids):
        asked.append(tuple(ids))
        return model(ids)

    for seed in range(6):
        task.sample(4 * seed + 4, "beams", noting, tree=tree, seed=seed)
    assert len(asked) == len(set(asked)) > 6


def test_a_beam_that_is_cut_short_is_no_estimate_and_leaves_true_bounds():
    task, tree = LARGER[1], PrefixTree()
    found = task.sample(10_000, "beams", tree=tree, budget=3)
    low, high = tree.bracket
    assert low <= task.exact.z <= high and tree.root is not None
    assert math.isnan(found.log_z)


def test_texts_too_unlikely_for_a_float_are_still_drawn():
    """A text of 32 tokens or more, of 30 nats each, has a probability under e^-960, which no float holds."""

    def model(ids):
        row = np.zeros(TOKENIZER.vocab_size)
        row[[97, TOKENS.index(b"aa")]] = -30.0
        return row

    options = {"max_tokens": 64, "tokenizer": TOKENIZER, "name": "unwilling", "budget": 400}
    found = sg.sample(model, [], sg.regex("a{64}"), 1, method="beams", **options)
    assert found.log_z < -750
    assert found.bracket[1] > 0


@pytest.mark.parametrize("method", ["auto", "beams"])
def test_beams_end_where_a_full_tree_takes_in_no_text_more(method):
    """All rows are remembered, so the budget ends nothing."""
    tree = PrefixTree(most=2500, kept=2)
    found = SMALL[0].sample(30, method, tree=tree, budget=150)
    assert found.statistics.stopped in ("fruitless", "budget")
    assert set(found.token_ids) <= set(SMALL[0].law)
