"""Every method against the exact law of small tasks: n-gram models times finite languages, by enumeration."""

from __future__ import annotations

import itertools
import math
import re
from collections import Counter

import numpy as np
import pytest
from exact import Automaton, Bigram, Exact, Ngram, law, tokenizer

import structgen as sg
from structgen.samplers.prefix_node import Node
from structgen.samplers.rows import FunctionRows
from structgen.samplers.sample import sample
from structgen.samplers.target import END, Target, TargetStep
from structgen.samplers.tree import PrefixTree
from structgen.samplers.walk import Finish, Walker

ALIVE = (b"a", b"b", b"c", b"ab", b"ba")
PATTERN = "[abc]{0,3}a?(b|c)?"
UNENDED = "(a|bb|ccc|ab){1,3}c"
"""A language most of whose prefixes are no texts."""


def texts_of(pattern):
    words = (map("".join, itertools.product("abc", repeat=length)) for length in range(8))
    return {text for text in itertools.chain(*words) if re.fullmatch(pattern, text)}


TEXTS = texts_of(PATTERN)
TOKENIZER = tokenizer()
COMPILED = sg.compile(sg.regex(PATTERN), TOKENIZER)
UNENDED_COMPILED = sg.compile(sg.regex(UNENDED), TOKENIZER)


class Ends:
    """Texts of an even number of bytes; prefixes tell nothing."""

    def viable(self, prefix):
        return True

    def final(self, text):
        return len(text) % 2 == 0


def exact(model, max_tokens, temperature=1.0, texts=TEXTS):
    beginnings = {text[:end] for text in texts for end in range(len(text) + 1)}
    return law(
        model,
        [97],
        lambda text: text.decode("latin-1") in texts,
        lambda text: text.decode("latin-1") in beginnings,
        max_tokens,
        temperature,
    )


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
@pytest.mark.parametrize(("max_tokens", "temperature"), [(4, 1.0), (3, 1.0), (4, 0.5)])
def test_exact_methods_draw_from_the_target(method, max_tokens, temperature):
    model = Bigram(3, ALIVE)
    found = drawn(model, 800, method, max_tokens=max_tokens, temperature=temperature)
    expected = exact(model, max_tokens, temperature)
    assert found.is_exact
    assert chi_square(found.token_ids, expected) < 5
    assert math.exp(found.log_z) == pytest.approx(sum(expected.values()), rel=0.1)


@pytest.mark.parametrize("method", ["rejection", "cars"])
@pytest.mark.parametrize("max_tokens", [3, 5])
def test_a_text_ends_only_where_the_grammar_lets_it(method, max_tokens):
    model = Bigram(4, ALIVE)
    options = {"method": method, "max_tokens": max_tokens, "tokenizer": TOKENIZER, "name": "bigram"}
    # All draws of rejection are listed elsewhere; here it pays for each of them with many rows.
    found = sample(model, [97], UNENDED_COMPILED, 60 if method == "rejection" else 300, **options)
    assert chi_square(found.token_ids, exact(model, max_tokens, texts=texts_of(UNENDED))) < 5


def test_masked_draws_have_the_law_of_masking_and_not_the_target():
    model, words = Ngram(3, (b"a", b"b", b"c"), sharp=2.0), ["ab", "ac", "ba", "cab", "cc"]
    task = Exact(model, Automaton.of_texts(words), 3)
    options = {"method": "masked", "tokenizer": TOKENIZER, "name": "ngram", "max_tokens": 3}
    found = sample(model, "", sg.choice(words), 1000, **options)
    assert found.is_biased
    assert chi_square(found.token_ids, task.masked()) < 5
    assert chi_square(found.token_ids, task.law()) > 20


@pytest.mark.parametrize("method", ["beams", "importance", "smc"])
@pytest.mark.parametrize(("n", "sharp"), [(8, 1.0), (24, 2.0)])
def test_weighted_sums_are_unbiased(method, n, sharp):
    """The sum of weight times f is unbiased for the sum of P(x) f(x), with f = 1 for Z."""
    model = Bigram(5, ALIVE, sharp=sharp)
    expected = exact(model, 4)
    ones, lengths = [], []
    for seed in range(100):
        found = drawn(model, n, method, seed=seed)
        weights = np.exp(found.log_weights)
        ones.append(weights.sum())
        lengths.append(sum(weight * len(ids) for weight, ids in zip(weights, found.token_ids, strict=True)))
    for sums, wanted in (
        (ones, sum(expected.values())),
        (lengths, sum(mass * len(tokens) for tokens, mass in expected.items())),
    ):
        assert abs(np.mean(sums) - wanted) < 4 * np.std(sums, ddof=1) / math.sqrt(len(sums)) + 1e-12


def test_particles_are_resampled_and_z_stays_unbiased():
    model = Bigram(4, ALIVE, sharp=2.0)
    z = sum(exact(model, 5, texts=texts_of(UNENDED)).values())
    compiled = UNENDED_COMPILED
    estimates = []
    for seed in range(60):
        options = {"method": "smc", "max_tokens": 5, "tokenizer": TOKENIZER, "name": "bigram", "seed": seed}
        estimates.append(math.exp(sample(model, [97], compiled, 32, **options).log_z))
    assert abs(np.mean(estimates) - z) < 4 * np.std(estimates, ddof=1) / math.sqrt(len(estimates))


@pytest.mark.parametrize("method", ["beams", "importance", "smc"])
def test_weighted_means_tend_to_those_of_the_target(method):
    model = Bigram(5, ALIVE)
    expected = exact(model, 4)
    z = sum(expected.values())
    found = drawn(model, 300, method)
    mean, error = found.expectation(len)
    wanted = sum(mass * len(target_text(tokens)) for tokens, mass in expected.items()) / z
    assert abs(mean - wanted) < 4 * error + 1e-12
    low, high = found.log_z_interval
    assert abs(found.log_z - math.log(z)) < high - low + 1e-12


def target_text(tokens):
    return b"".join(TOKENIZER.token_bytes[token] for token in tokens)


@pytest.mark.parametrize(
    ("tree", "width", "max_tokens"),
    [
        ({"kept": 1}, 12, 4),
        ({"kept": 0}, 12, 4),
        ({"most": 3000}, 12, 4),
        ({"most": 5000, "kept": 1}, 12, 4),
        ({"most": 5000, "kept": 1}, 1, 3),
    ],
)
def test_a_tree_that_keeps_little_changes_nothing_in_the_law(tree, width, max_tokens):
    model = Bigram(3, ALIVE)
    texts = {text for text in TEXTS if len(text) % 2 == 0}
    expected = exact(model, max_tokens, texts=texts)
    rows = FunctionRows(model, [97], COMPILED.vocab_size, "bigram")
    target = Target(rows, COMPILED, max_tokens=max_tokens, checkers=[Ends()])
    tokens, estimates = [], []
    for seed in range(30):
        walker = Walker(target, Finish.COIN, PrefixTree(**tree), seed=seed)
        for _ in range(36 // width):
            ended = walker.attempts(width)
            tokens += [one.tokens for one in ended if one.weight]
            estimates += [one.weight for one in ended]
    assert chi_square(tokens, expected) < 5
    error = np.std(estimates) / math.sqrt(len(estimates))
    assert abs(np.mean(estimates) - sum(expected.values())) < 4 * error


def test_a_node_that_the_tree_has_no_room_for_teaches_it_nothing():
    step = TargetStep(np.array([1, 2]), np.array([0.5, 0.3]), 0.2)
    root, other = Node(step, 2), Node(step, 2)
    tree = PrefixTree(most=root.nbytes + 1)
    tree.attach([], root)
    tree.attach([(root, 0)], other)
    tree.learn([(root, 0), (other, END)], 0.0, 0.0)
    assert tree.bracket == (0.0, 1.0)


@pytest.mark.parametrize("method", ["cars", "beams", "smc", "importance", "rejection", "asap"])
def test_a_checker_is_part_of_the_law(method):
    model = Bigram(13, ALIVE)
    texts = {text for text in TEXTS if len(text) % 2 == 0}
    if method in ("rejection", "cars"):
        found = drawn(model, 150 if method == "rejection" else 500, method, checkers=[Ends()])
        assert chi_square(found.token_ids, exact(model, 4, texts=texts)) < 5
    else:
        found = drawn(model, 50, method, checkers=[Ends()], budget=3000)
        assert {len(text) % 2 for text in found.texts} == {0}


def test_no_valid_text_is_an_error_with_the_certificate():
    class Never(Ends):
        def final(self, text):
            return False

    with pytest.raises(sg.StructgenError, match=r"Z = 0"):
        drawn(Bigram(1, ALIVE), 5, "cars", checkers=[Never()])


@pytest.mark.parametrize("method", ["rejection", "cars"])
def test_z_is_not_overestimated_by_stopping_at_the_last_wanted_text(method):
    """The mean over all attempts would be too large by half the distance from Z to 1, at two draws."""
    model = Bigram(4, ALIVE)
    z = sum(exact(model, 4, texts=texts_of(UNENDED)).values())
    compiled = sg.compile(sg.regex(UNENDED), TOKENIZER)
    options = {"method": method, "max_tokens": 4, "tokenizer": TOKENIZER, "name": "bigram"}
    found = []
    for seed in range(100):
        tree = PrefixTree(most=0) if method == "cars" else None  # a tree that learns nothing: attempts alike
        found.append(math.exp(sample(model, [97], compiled, 2, seed=seed, tree=tree, **options).log_z))
    assert abs(np.mean(found) - z) < 4 * np.std(found, ddof=1) / math.sqrt(len(found))
