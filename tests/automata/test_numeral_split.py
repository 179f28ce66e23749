"""Numbers of which some are excepted one by one: two that differ in a value share what begins otherwise."""

from __future__ import annotations

from decimal import Decimal

import pytest

from structgen.automata.numbers.number_plan import parts_of, sides_of
from structgen.automata.numbers.number_pool import COLUMNS, NumberPool
from structgen.automata.numbers.written_forms import ANY, BOUNDED, PLAIN
from structgen.language import ir
from structgen.limits import Limits

OWN = Limits(automaton_states=60_000)
"""Limits under which a pool shares no states with others."""
INTEGER = ir.Multiple(Decimal(1))
VALUES = [Decimal(value) for value in range(105, 999, 9)]


def but(base: ir.Formula, values: list[Decimal]) -> ir.Spec:
    return ir.Spec((ir.All((base, ir.Not(ir.Points(frozenset(values))))),))


def start(pool: NumberPool, spec: ir.Spec) -> int:
    return pool.start(spec, lambda demands: 0)


def after(pool: NumberPool, state: int, text: str) -> int:
    for char in text:
        column = COLUMNS.index(char.encode())
        if pool.trans[state, column] == ir.UNKNOWN:
            pool.expand(state)
        state = int(pool.trans[state, column])
    return state


@pytest.mark.parametrize("numbers", ["bounded", "plain", "any"])
@pytest.mark.parametrize("base", [INTEGER, ir.Interval(Decimal(1), Decimal(65535)), ir.All((INTEGER,))])
def test_another_exception_leaves_the_states_of_other_first_digits(numbers: str, base: ir.Formula) -> None:
    pool = NumberPool(numbers, OWN)
    one, other = start(pool, but(base, VALUES)), start(pool, but(base, [*VALUES, Decimal(3001)]))
    assert after(pool, one, "3") != after(pool, other, "3")
    for digit in "12456789":
        assert after(pool, one, digit) == after(pool, other, digit)


def test_a_first_digit_without_exceptions_has_the_states_of_any_number() -> None:
    pool = NumberPool("python", OWN)
    free, one = start(pool, ir.Spec((INTEGER,))), start(pool, but(INTEGER, [Decimal(41), Decimal("4e7")]))
    assert after(pool, free, "4") != after(pool, one, "4")
    assert after(pool, free, "5") == after(pool, one, "5")
    assert after(pool, free, "0.07") == after(pool, one, "0.07")


@pytest.mark.parametrize("policy", [BOUNDED, PLAIN, ANY])
def test_parts_keep_the_bounds_and_the_exceptions_of_their_digit(policy: int) -> None:
    between = ir.All((ir.Interval(Decimal(20), Decimal(500)), INTEGER))
    side, _ = sides_of(but(between, VALUES), policy, Limits(), lambda demands: 0)
    parts = parts_of(side)
    assert len(parts) == 10
    for digit in range(1, 10):
        excepted = [str(value).rstrip("0") for value in VALUES if str(value)[0] == str(digit) and value < 500]
        assert parts[digit].words == tuple(sorted(["2", "5", *excepted]))


def test_a_set_of_numbers_is_not_split() -> None:
    spec = ir.Spec((ir.Points(frozenset(VALUES)),))
    side, _ = sides_of(spec, BOUNDED, Limits(), lambda demands: 0)
    assert parts_of(side) == ()
