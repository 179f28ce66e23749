"""What a pass takes, learnt by its rows: laws of the curve, in made-up seconds."""

from __future__ import annotations

import random
from collections.abc import Callable

import numpy as np
import pytest

from structgen.errors import OptionError
from structgen.speculation.planning.pass_costs import KEPT, LASTS_AT_MOST, PassCosts, rising

OVERHEAD = 1e-4


def real(rows: int) -> float:
    """Return the seconds of a pass of a machine that takes rows in fours."""
    return 5e-4 * (1.0 + 0.25 * ((rows - 1) // 4))


def learnt(sizes: list[int], cost: Callable[[int], float] = real, times: int = 20) -> PassCosts:
    costs = PassCosts(OVERHEAD)
    for _ in range(times):
        for rows in sizes:
            costs.learn(rows, cost(rows))
    return costs


def test_the_curve_is_finite_above_zero_and_never_falls() -> None:
    chooser = random.Random(1)
    for _ in range(20):
        costs = PassCosts(OVERHEAD)
        for _ in range(300):
            costs.learn(chooser.randrange(1, 600), chooser.lognormvariate(-7, 2))
            curve = costs.curve
            assert np.isfinite(curve).all() and curve[0] > OVERHEAD
            assert (np.diff(curve) >= 0.0).all()


def test_measured_sizes_are_what_was_measured_and_the_others_lie_between() -> None:
    costs = learnt([1, 4, 12, 33])
    for rows in (1, 4, 12, 33):
        assert costs.curve[rows - 1] == pytest.approx(real(rows) + OVERHEAD, rel=0.02)
    assert costs.curve[3] <= costs.curve[7] <= costs.curve[11]


def test_before_anything_was_measured_rows_cost_a_little() -> None:
    curve = PassCosts(0.0).curve
    assert 1.2 < curve[7] / curve[0] < 2.0
    alone = learnt([1]).curve - OVERHEAD
    assert alone[0] == pytest.approx(real(1)) and 1.2 < alone[7] / alone[0] < 2.0


def test_a_few_passes_that_waited_for_another_process_change_nothing() -> None:
    costs = learnt([1, 8])
    before = costs.curve.copy()
    for _ in range(3):
        costs.learn(8, 1.0)
        for _ in range(5):
            costs.learn(8, real(8))
    assert costs.curve[7] == pytest.approx(before[7], rel=0.02)
    # the very first measurement of a size is doubted, too
    costs = learnt([1])
    expected = costs.curve[7]
    costs.learn(8, 1.0)
    assert costs.curve[7] <= 2.0 * expected


def test_what_has_become_dearer_is_noticed() -> None:
    costs = learnt([1, 8])
    for _ in range(KEPT + 16):
        costs.learn(8, 4.0 * real(8))
    assert costs.curve[7] == pytest.approx(4.0 * real(8) + OVERHEAD, rel=0.02)


def test_a_size_that_is_not_run_any_more_is_forgotten_and_the_later_the_better_it_is_known() -> None:
    waited = []
    for times in (1, 3, 100):
        costs = PassCosts(OVERHEAD)
        costs.learn(1, 5e-4)
        for _ in range(times):
            costs.learn(8, 4e-3)
        passes = 0
        while costs.curve[7] > 0.95e-3 + OVERHEAD:
            costs.learn(1, 5e-4)
            passes += 1
        waited.append(passes)
    assert waited[0] < waited[1] < waited[2] <= LASTS_AT_MOST + 32


@pytest.mark.parametrize(("rows", "seconds"), [(0, 1.0), (10**6, 1.0), (3, 0.0), (3, float("nan"))])
def test_what_is_no_measurement_is_left_out(rows: int, seconds: float) -> None:
    costs = learnt([1, 2])
    before = costs.curve.copy()
    costs.learn(rows, seconds)
    assert (costs.curve == before).all()


def test_the_memory_is_bounded() -> None:
    costs = PassCosts()
    for rows in range(1, 513):
        for _ in range(2 * KEPT):
            costs.learn(rows, 1e-3)
    assert len(costs._sizes) <= 60
    assert max(len(size.seconds) for size in costs._sizes.values()) == KEPT


def test_rising_is_the_nearest_sequence_that_does_not_fall() -> None:
    """The oracle is a search over all rising sequences of a grid."""
    chooser = random.Random(2)
    grid = [0.0, 0.25, 0.5, 0.75, 1.0]

    def best(values: list[float], weights: list[float]) -> float:
        table = dict.fromkeys(grid, 0.0)
        for value, weight in zip(values, weights, strict=True):
            least, new = float("inf"), {}
            for level in grid:
                least = min(least, table[level])
                new[level] = least + weight * (level - value) ** 2
            table = new
        return min(table.values())

    for _ in range(100):
        values = [chooser.choice(grid) for _ in range(6)]
        weights = [float(chooser.randrange(1, 4)) for _ in range(6)]
        found = rising(values, weights)
        assert found == sorted(found)
        distance = sum(w * (a - b) ** 2 for a, b, w in zip(found, values, weights, strict=True))
        assert distance <= best(values, weights) + 1e-9
        # and of what is nearest there is only one: no pool can be moved
        assert sum(w * a for w, a in zip(weights, found, strict=True)) == pytest.approx(
            sum(w * a for w, a in zip(weights, values, strict=True))
        )


def test_options_that_are_none_are_refused() -> None:
    with pytest.raises(OptionError, match="Give seconds"):
        PassCosts(overhead=-1.0)
