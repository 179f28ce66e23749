"""Estimates of Z by simulation, where there are too many outcomes to list, down to Z = 1e-8.

Accepted is |z| < 4, z being the distance of the mean from the exact Z over its standard error; and the
standard error has to be under one hundredth of Z, as a wider one would let a biased estimate pass.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
from tasks import Task, cloud_of, texts_of

from structgen.samplers.tree import PrefixTree
from structgen.samplers.walk import Finish, Walker

TEXTS = [text for text in texts_of("a*(ba*ba*)*", 6) if len(text) == 6]
"""Six letters, a or b, with an even number of b: the last letter alone decides."""


def task_of(forbidden: float) -> Task:
    """Return a task whose model likes a token that no text has: the more, the smaller is Z."""
    favour = ((b"c", forbidden), (b"", -1.0))
    return Task("", "|".join(TEXTS), 6, (b"a", b"b", b"c"), seed=1, sharp=0.3, favour=favour)


TASKS = {
    "3e-1": Task("", "[ab]{0,5}", 5, (b"a", b"b", b"ab", b"c"), seed=1, sharp=0.3),
    "2e-2": task_of(-5.0),
    "1e-5": task_of(1.25),
    "1e-8": task_of(2.5),
}


def test_the_tasks_have_the_masses_that_they_are_named_for():
    for name, task in TASKS.items():
        assert 0.4 < task.exact.z / float(name) < 2.5


def hold(estimates, z):
    """Hold independent estimates to Z."""
    relative = np.asarray(estimates) / z
    error = float(relative.std(ddof=1)) / math.sqrt(len(relative))
    assert error < 1e-2
    assert abs(float(relative.mean()) - 1) < 4 * error


def walks(task, finish, seed, before, count, *, kept=64, known=True):
    """Return the mean estimate of some walks, after others have taught the tree."""
    walker = Walker(task.target(), finish, PrefixTree(kept=kept) if known else None, seed=seed)
    for _ in range(before):
        walker.attempts(1)
    # Walks that share a tree are not independent of each other, but each has the mean Z.
    return float(np.mean([one.weight for one in walker.attempts(count)]))


slow = pytest.mark.slow


@pytest.mark.parametrize(
    ("name", "runs", "before", "count", "options"),
    [
        ("1e-8", 260, 0, 40, {"known": False}),
        pytest.param("2e-2", 1200, 0, 4, {}, marks=slow),
        pytest.param("2e-2", 800, 10, 40, {"kept": 1}, marks=slow),
        pytest.param("1e-5", 400, 0, 40, {"known": False}, marks=slow),
    ],
)
def test_weighted_walks_estimate_z(name, runs, before, count, options):
    task = TASKS[name]
    hold(
        [walks(task, Finish.WEIGHT, seed, before, count, **options) for seed in range(runs)],
        task.exact.z,
    )


@pytest.mark.parametrize(
    ("name", "runs", "before", "count", "options"),
    [
        ("2e-2", 20, 100, 60, {}),
        ("1e-8", 20, 110, 40, {}),
        pytest.param("1e-5", 60, 100, 60, {"kept": 1}, marks=slow),
        pytest.param("3e-1", 200, 0, 100, {"known": False}, marks=slow),
    ],
)
def test_walks_that_flip_coins_estimate_z(name, runs, before, count, options):
    task = TASKS[name]
    hold(
        [walks(task, Finish.COIN, seed, before, count, **options) for seed in range(runs)],
        task.exact.z,
    )


@pytest.mark.parametrize(
    ("name", "runs", "count", "resampling"),
    [
        ("2e-2", 20, 100, "systematic"),
        ("1e-8", 110, 100, "systematic"),
        pytest.param("1e-8", 600, 50, "multinomial", marks=slow),
        pytest.param("1e-5", 400, 50, "systematic", marks=slow),
        pytest.param("1e-5", 400, 50, "multinomial", marks=slow),
    ],
)
def test_particles_estimate_z(name, runs, count, resampling):
    """Resampled after each of the first three tokens."""
    task = TASKS[name]
    target = task.target()
    clouds = (
        cloud_of(target, count, np.random.default_rng(seed), resampling, forced=3) for seed in range(runs)
    )
    hold([cloud.estimate for cloud in clouds], task.exact.z)
