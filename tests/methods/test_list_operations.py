"""List operations: closed forms against enumeration of all draws, and what infilling draws against both."""

from __future__ import annotations

import itertools
import math
from collections import Counter

import pytest
from for_each import for_each
from methods.list_operations import OPERATIONS, closed_form, measured, results


def enumerated(wanted: list[str], rate: int, done: str = "") -> float:
    """Return the share of right results by listing all draws of a step, slot by slot independent."""
    agrees = [one for one in wanted if one.startswith(done)]
    if len(done) == len(wanted[0]):
        return float(done in wanted)
    if not agrees:
        return 0.0
    slots = range(len(done), min(len(done) + rate, len(wanted[0])))
    laws = [Counter(one[at] for one in agrees) for at in slots]
    total = 0.0
    for some in itertools.product(*laws):
        chance = math.prod(law[one] / len(agrees) for law, one in zip(laws, some, strict=True))
        total += chance * enumerated(wanted, rate, done + "".join(some))
    return total


@for_each("operation", OPERATIONS)
@for_each("items", [1, 2, 3, 4])
def test_the_closed_form_is_the_sum_over_all_draws(operation: str, items: int) -> None:
    wanted = results(operation, "dbca"[:items])
    for rate in range(1, items + 2):
        assert closed_form(operation, items, rate) == pytest.approx(enumerated(wanted, rate), abs=1e-12)


def test_one_slot_a_step_is_always_right_and_all_at_once_has_the_known_forms() -> None:
    for operation in OPERATIONS:
        assert closed_form(operation, 6, 1) == pytest.approx(1.0, abs=1e-12)
    assert closed_form("shuffle", 6, 6) == pytest.approx(math.factorial(6) / 6**6)
    assert closed_form("replace", 6, 6) == pytest.approx((5 / 6) ** 5)
    assert closed_form("insert", 6, 7) == pytest.approx(math.factorial(6) * 2**6 / 7**7)


@pytest.mark.parametrize(("operation", "rate"), [("insert", 2), ("replace", 5), ("shuffle", 2), ("sort", 5)])
def test_what_infilling_draws_is_right_as_often_as_the_closed_form_says(operation: str, rate: int) -> None:
    draws = 40
    wanted = closed_form(operation, 5, rate)
    found = measured(operation, "cadbe", rate, draws)
    assert abs(found - wanted) <= 4.0 * math.sqrt(wanted * (1.0 - wanted) / draws)


def test_under_the_grammar_of_the_results_all_are_right() -> None:
    assert measured("shuffle", "cadbe", 5, 40, with_grammar=True) == 1.0
