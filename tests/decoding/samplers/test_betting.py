"""The mathematics of betting: a fair game where the hypothesis is true, capital that falls within a cell, the
ends that trying all hypotheses gives, and coverage."""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from typing import Any

import numpy as np
import pytest
from enumeration import outcomes
from for_each import for_each
from tasks import SMALL, Task

from structgen.decoding.samplers.intervals import betting
from structgen.decoding.samplers.intervals.attempts import Attempts
from structgen.decoding.samplers.intervals.betting import (
    MOST_LOST,
    TAIL,
    Units,
    cells_of,
    ends_of,
)
from structgen.decoding.samplers.run_limits import record_attempts
from structgen.decoding.samplers.tree import PrefixTree
from structgen.decoding.samplers.walk import Finish, Walker

SIDES = (1, -1)


def scipy_stats() -> Any:
    """Return `scipy.stats`, which takes 0.6 s to import: not where tests are only collected."""
    return pytest.importorskip("scipy.stats")


def capitals(units: Units, stakes: np.ndarray, theta: float, side: int) -> list[float]:
    """Return the capital after each block, in plain Python from the definition: 1 at the start, and times
    1 + s x for each unit x. `stakes`: of one figure over the room of a unit, for each block."""
    found, capital = [], 1.0
    for block, stake in enumerate(stakes.tolist()):
        for at in range(int(units.blocks[block]), int(units.blocks[block + 1])):
            a, b, slope = (float(one[at, 0]) for one in (units.a, units.b, units.slope))
            limit = float((units.lower_limit if side > 0 else units.upper_limit)[at, 0])
            worst = side * (theta * slope - limit)  # the most that a unit can be against the bettor
            most = MOST_LOST / worst if worst > 0 else math.inf
            capital *= (1 + min(stake / float(units.room[at]), most) * side * (a - theta * b)) ** float(
                units.counts[at]
            )
        found.append(capital)
    return found


def stakes_of(units: Units, theta: float, side: int) -> np.ndarray:
    """Return the stakes of a hypothesis, for each block."""
    return betting._choose_stakes(units, np.array([theta]), side)[0][:, 0, 0]


# --- a fair game --------------------------------------------------------------------------------------------


def attempts_of(task: Task, finish: Finish, widths: tuple[int, ...], source: Any, monkeypatch: Any) -> Any:
    """Return the attempts of batches of some widths through a tree, and the tokens of each draw."""
    monkeypatch.setattr(np.random, "Generator", lambda bits: source)
    walker = Walker(task.target(), finish, PrefixTree(), seed=0)
    found = [one for width in widths for one in walker.make_attempts(width, left=4.0)]
    if finish is not Finish.REMAINDER:
        return record_attempts(found, are_coins=finish is Finish.COIN), [
            one for one in found if one.weight > 0
        ]
    draws = {one.tokens: one for one in found if one.weight > 0}
    return record_attempts(found, draws={tokens: at for at, tokens in enumerate(draws)}), [*draws.values()]


def units_of(attempts: Attempts, drawn: list[Any], which: str) -> Units:
    """Return the units of Z, or of the mean of a function of the number of tokens."""
    if which == "Z":
        return attempts.units_of_mass()
    values = np.array([[len(one.tokens) / 3] for one in drawn]).reshape(-1, 1)
    given = np.array([[float(which == "mean" or len(one.tokens) > 1)] for one in drawn]).reshape(-1, 1)
    return attempts.units_of_means(values, given, np.exp([one.logprob for one in drawn]))


def truth_of(task: Task, which: str) -> float:
    """Return the figure that the units of a name have."""
    some = {tokens: mass for tokens, mass in task.law.items() if which != "mean of some" or len(tokens) > 1}
    z = sum(some.values())
    return task.exact.z if which == "Z" else sum(mass * len(one) / 3 for one, mass in some.items()) / z


@pytest.mark.parametrize("finish", [Finish.WEIGHT, Finish.REMAINDER, Finish.COIN])
@pytest.mark.parametrize("task", [SMALL[0], SMALL[4]], ids=str)
def test_the_game_is_fair_at_the_truth(task, finish, monkeypatch):
    """All outcomes of three walks, two of which share a batch: the mean of the capital after each batch is
    what the bettor began with. Where stakes looked at the batch that they are on, it would be more."""
    truths = {which: truth_of(task, which) for which in ("Z", "mean", "mean of some")}
    after: dict[tuple[str, int, int], float] = defaultdict(float)
    for chance, (attempts, drawn) in outcomes(
        lambda source: attempts_of(task, finish, (1, 2), source, monkeypatch)
    ):
        for which, truth in truths.items():
            units = units_of(attempts, drawn, which)
            for side in SIDES:
                found = capitals(units, stakes_of(units, truth, side), truth, side) if len(units.a) else []
                # A unit that is not there leaves the capital as it is: coins count those accepted alone.
                found = [1.0, *found]
                for at in range(4):
                    after[which, side, at] += chance * found[min(at, len(found) - 1)]
    assert dict(after) == pytest.approx(dict.fromkeys(after, 1.0), rel=1e-9)


# --- cells --------------------------------------------------------------------------------------------------


def random_units(seed: int, count: int = 40) -> Units:
    """Return units as runs make them: with a known sum S of masses and V of values below it, a room r for the
    weight of a walk, and several walks in a block."""
    chance = np.random.default_rng(seed)
    known = np.sort(chance.random(count)) * 0.5 * (seed % 3 > 0)
    value = known * chance.random(count)
    room = (1 - known) * np.sort(chance.random(count) * 0.8 + 0.2)[::-1]
    weight = room * chance.random(count) ** 3 * (chance.random(count) < 0.7)
    goes = weight * chance.random(count).round(seed % 2)
    blocks = np.unique([0, *chance.integers(1, count, 12), count])
    columns = [one[:, None] for one in (value + goes, known + weight, value, value + room, known + room)]
    return Units(*columns, room, np.ones(count), blocks, np.maximum(count - blocks[:-1], 1).astype(float))


@for_each("seed", range(8))
def test_ends_are_those_of_trying_each_hypothesis(seed):
    units, cells = random_units(seed), cells_of(60)
    found = ends_of(units, cells)
    for side, end in zip(SIDES, found, strict=True):
        kept = []
        for low, high in itertools.pairwise(cells):
            stakes = stakes_of(units, high if side > 0 else low, side)
            for theta in np.linspace(low, high, 9):
                if max(capitals(units, stakes, theta, side)) * TAIL < 1:
                    kept.append(theta)
        wanted = min(kept) if side > 0 else max(kept)
        assert abs(float(end[0]) - wanted) <= max(np.diff(cells)) / 8 + 1e-9


# --- coverage -----------------------------------------------------------------------------------------------


def independent(draws: np.ndarray) -> Units:
    """Return the units of the means of independent draws from 0 to 1, float64 [T, F]."""
    many = len(draws)
    one, none = np.ones((many, 1)), np.zeros((many, 1))
    places = np.arange(many + 1)
    return Units(draws, one, none, one, one, one[:, 0], one[:, 0], places, many - places[:-1].astype(float))


@pytest.mark.parametrize("many", [20, pytest.param(100, marks=pytest.mark.slow)])
@pytest.mark.parametrize("law", [(0.5, 0.0), (0.05, 0.0), (2.0, 3.0), (0.1, 0.9)], ids=str)
def test_intervals_of_independent_draws_hold_and_exclude(law, many):
    """Of 400 runs, as many miss as in 999 of 1,000 trials with 5 %; and they are no wider than they must be:
    of draws that are 0 or 1 at most 1.5 times as wide as the exact interval."""
    first, second = law
    chance = np.random.default_rng([many, round(100 * first)])
    is_bool = not second
    draws = (chance.random((many, 400)) < first) * 1.0 if is_bool else chance.beta(first, second, (many, 400))
    truth = first if is_bool else first / (first + second)
    low, high = ends_of(independent(draws), cells_of(many))
    missed = int(((low > truth) | (high < truth)).sum())
    assert missed <= scipy_stats().binom.ppf(0.999, 400, 0.05)
    spread = 2 * 1.96 * np.sqrt(truth * (1 - truth) / many) if is_bool else 2 * 1.96 * draws.std() / many**0.5
    assert np.mean(high - low) < 1.6 * spread + 3.7 / many
