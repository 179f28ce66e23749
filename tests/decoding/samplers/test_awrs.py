"""Adaptive weighted rejection sampling: its estimate of the valid mass, exactly and by simulation."""

from __future__ import annotations

import itertools
from types import SimpleNamespace

import numpy as np
import pytest
from exact import ALIVE, TOKENIZER, Bigram

import structgen as sg
from structgen.decoding.samplers.methods import awrs
from structgen.decoding.samplers.target import TargetStep

PATTERN = sg.compile(sg.regex("[abc]{1,5}"), TOKENIZER)


def test_the_mass_that_is_left_keeps_its_digits():
    """Where the likely edges are refused, what is left is the mass of the unlikely one, to all its digits."""
    likely, rare = (0.7, 0.3 - 1e-9), 1e-9
    step = TargetStep(np.arange(2), np.array(likely), rare)
    target = SimpleNamespace(extend_prefix=lambda prefix, token: None, accepts_text=lambda prefix: True)
    taken = awrs.propose_checked(target, "prefix", step, np.random.default_rng(3))
    assert taken.edge == 2
    second = (1 / (1 / 1.0 + 1 / (mass + rare) + 1 / rare) for mass in likely)
    assert any(taken.mass == pytest.approx(mean, rel=1e-14, abs=0) for mean in second)


def test_a_mass_too_small_for_its_inverse_is_a_dead_end():
    step = TargetStep(np.arange(1), np.array([1e-310]), 0.0)
    target = SimpleNamespace(extend_prefix=lambda prefix, token: prefix)
    assert awrs.propose_checked(target, "prefix", step, np.random.default_rng(1)) is None


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
