"""What a pass takes, learnt by its rows: laws of the curve, in made-up seconds."""

from __future__ import annotations

import random
from collections.abc import Callable

import numpy as np
import pytest

from structgen.speculation.planning.speculator import KEPT, LASTS, PassCosts

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


def test_a_size_that_is_not_run_any_more_is_forgotten() -> None:
    costs = PassCosts(OVERHEAD)
    costs.learn(1, 5e-4)
    for _ in range(20):
        costs.learn(8, 4e-3)
    passes = 0
    while costs.curve[7] > 0.95e-3 + OVERHEAD:
        costs.learn(1, 5e-4)
        passes += 1
    assert LASTS <= passes <= LASTS + 32


@pytest.mark.parametrize(("rows", "seconds"), [(0, 1.0), (10**6, 1.0), (3, 0.0), (3, float("nan"))])
def test_what_is_no_measurement_is_left_out(rows: int, seconds: float) -> None:
    costs = learnt([1, 2])
    before = costs.curve.copy()
    costs.learn(rows, seconds)
    assert (costs.curve == before).all()


def test_the_memory_is_bounded() -> None:
    costs = PassCosts(OVERHEAD)
    for rows in range(1, 513):
        for _ in range(2 * KEPT):
            costs.learn(rows, 1e-3)
    assert len(costs._sizes) <= 60
    assert max(map(len, costs._sizes.values())) == KEPT
