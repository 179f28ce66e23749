"""Adaptive weighted rejection sampling: its estimate of the valid mass, exactly and by simulation."""

from __future__ import annotations

import itertools
import math
from types import SimpleNamespace

import numpy as np
import pytest
from exact import ALIVE, TOKENIZER, Bigram

import structgen as sg
from structgen.decoding.samplers.methods import awrs
from structgen.decoding.samplers.target import TargetStep

PATTERN = sg.compile(sg.regex("[abc]{1,5}"), TOKENIZER)


class Undecided(Exception):
    """The script of draws has come to its end."""


class Scripted:
    """Random numbers that draw the edges of a script, of those that were not refused."""

    def __init__(self, masses, script):
        self.masses, self.script, self.refused = list(masses), iter(script), set()

    def random(self):
        edge = next(self.script, None)
        if edge is None:
            raise Undecided
        assert edge not in self.refused
        return (sum(self.masses[:edge]) + self.masses[edge] / 2) / sum(self.masses)

    def refuse(self, edge):
        self.refused.add(edge)
        left = [0.0 if one in self.refused else mass for one, mass in enumerate(self.masses)]
        # Refused edges are drawn in vain until the sums are made anew; the script leaves that out.
        if sum(left) < 0.5 * sum(self.masses):
            self.masses = left


@pytest.mark.parametrize("valid", [{0}, {2}, {0, 3}, {1, 2, 4}, {0, 1, 2, 3, 4}, {4}, set()])
def test_the_mean_over_all_draws_is_the_mass_of_each_valid_edge(valid):
    masses = np.array([0.3, 0.05, 0.2, 0.1, 0.15])  # the last one is the end
    step = TargetStep(np.arange(4), masses[:4], float(masses[4]))
    found, whole = np.zeros(5), 0.0
    scripts: list[tuple[tuple[int, ...], float]] = [((), 1.0)]
    while scripts:
        script, probability = scripts.pop()
        draws, asked = Scripted(masses, script), set()

        def answer(edge, after, draws=draws, asked=asked):
            assert edge not in asked
            asked.add(edge)
            if edge in valid:
                return after
            draws.refuse(edge)
            return None

        target = SimpleNamespace(
            extend=lambda prefix, token, answer=answer: answer(token, (prefix, token)),
            passes=lambda prefix, answer=answer: answer(4, prefix) is not None,
        )
        try:
            taken = awrs.propose(target, "prefix", step, draws)
        except Undecided:
            open_edges = [edge for edge in range(5) if edge not in draws.refused]
            left = sum(masses[edge] for edge in open_edges)
            scripts += [((*script, edge), probability * masses[edge] / left) for edge in open_edges]
            continue
        whole += probability
        if taken is not None:
            assert taken.after == ("prefix" if taken.edge == 4 else ("prefix", taken.edge))
            found[taken.edge] += probability * taken.mass
    assert whole == pytest.approx(1, abs=1e-12)
    wanted = [mass if edge in valid else 0.0 for edge, mass in enumerate(masses)]
    np.testing.assert_allclose(found, wanted, rtol=1e-12, atol=1e-15)


def test_edges_that_were_refused_are_not_drawn_again():
    """By simulation: the script of the test above draws no edge that was refused."""
    masses = np.array([0.4, 0.05, 0.05, 0.05, 0.3])
    step = TargetStep(np.arange(4), masses[:4], float(masses[4]))
    target = SimpleNamespace(
        extend=lambda prefix, token: prefix if token in (1, 3) else None, passes=lambda prefix: False
    )
    draws = np.random.default_rng(8)
    found = np.zeros((2000, 5))
    for row in found:
        taken = awrs.propose(target, "prefix", step, draws)
        row[taken.edge] = taken.mass
    errors = found.std(axis=0) / math.sqrt(len(found))
    assert (np.abs(found.mean(axis=0) - [0, 0.05, 0, 0.05, 0]) <= 4 * errors).all()


def test_the_mass_that_is_left_keeps_its_digits():
    """Where the likely edges are refused, what is left is the mass of the unlikely one, to all its digits."""
    likely, rare = (0.7, 0.3 - 1e-9), 1e-9
    step = TargetStep(np.arange(2), np.array(likely), rare)
    target = SimpleNamespace(extend=lambda prefix, token: None, passes=lambda prefix: True)
    taken = awrs.propose(target, "prefix", step, np.random.default_rng(3))
    assert taken.edge == 2
    second = (1 / (1 / 1.0 + 1 / (mass + rare) + 1 / rare) for mass in likely)
    assert any(taken.mass == pytest.approx(mean, rel=1e-14, abs=0) for mean in second)


def test_a_mass_too_small_for_its_inverse_is_a_dead_end():
    step = TargetStep(np.arange(1), np.array([1e-310]), 0.0)
    target = SimpleNamespace(extend=lambda prefix, token: prefix)
    assert awrs.propose(target, "prefix", step, np.random.default_rng(1)) is None


class NoTwins:
    """No letter stands beside itself."""

    def viable(self, prefix):
        return all(one != other for one, other in itertools.pairwise(prefix))


def drawn(n, model, checkers, **options):
    options = {"method": "awrs", "tokenizer": TOKENIZER, "name": "bigram", "max_tokens": 5} | options
    return sg.sample(model, [97], PATTERN, n, checkers=checkers, **options)


def test_particles_do_not_die_where_a_valid_token_is_left():
    model = Bigram(5, ALIVE, sharp=2.0)
    assert drawn(64, model, [NoTwins()]).statistics.accepted == 64
    assert drawn(64, model, [NoTwins()], method="smc").statistics.accepted < 64


def test_only_tokens_that_were_drawn_are_checked():
    asked = []

    class Noted(NoTwins):
        def viable(self, prefix):
            asked.append(prefix)
            return super().viable(prefix)

    found = drawn(2, Bigram(5, ALIVE), [Noted()])
    assert found.statistics.checks == len(asked)
    # Each of the 2 * 5 steps has 6 edges, and could have taken 60 questions.
    assert len(asked) < 30
