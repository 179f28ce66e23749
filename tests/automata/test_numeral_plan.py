"""The table of a formula's outcomes, by cells and divisors, says of every value what the formula says."""

from __future__ import annotations

from contextlib import nullcontext
from decimal import Decimal
from fractions import Fraction

import numeral_twin as twin
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from structgen.automata.numbers import number_plan
from structgen.automata.numbers.digit_steps import RANKS
from structgen.automata.numbers.number_plan import Side, sides_of
from structgen.automata.numbers.written_forms import ANY
from structgen.errors import LimitError
from structgen.language import ir
from structgen.limits import Limits

ends = st.integers(-40, 40).map(lambda n: Decimal(n) / 4)
intervals = st.builds(ir.Interval, st.none() | ends, st.none() | ends, st.booleans(), st.booleans())
finite = st.frozensets(ends | st.integers(-9, 9), min_size=1, max_size=9).map(ir.Points)
unions = st.lists(intervals | finite, min_size=1, max_size=12).map(lambda parts: ir.Any_(tuple(parts)))


@given(one=unions, other=unions, multiple=st.booleans())
def test_the_table_says_of_each_value_what_the_formulas_say(
    one: ir.Any_, other: ir.Any_, multiple: bool
) -> None:
    more = (ir.Multiple(Decimal("0.5")),) if multiple else ()
    spec = ir.Spec((ir.All((one, ir.Not(other))), ir.Any_((*other.of, *more, ir.Not(one)))))
    names: dict[frozenset[int], int] = {}
    positive, negative = sides_of(spec, ANY, Limits(), lambda met: names.setdefault(met, len(names)))
    for eighth in range(-330, 331):
        value = Decimal(eighth) / 8
        if value:
            met = twin.met(spec, f"{value}.0" if value == int(value) else str(value))
            found = outcome(positive if value > 0 else negative, Fraction(abs(value)))
            assert found == (names[met] if met else -1), value


def outcome(side: Side, value: Fraction) -> int:
    """Return the outcome of a value that is written with a point."""
    bounds = []
    for code in side.bounds.tolist():
        word = side.words[code % RANKS >> 1]
        bounds.append(Fraction(Decimal(word).scaleb(code // RANKS + 1 - len(word))))
    cell = 2 * sum(bound < value for bound in bounds) + (value in bounds)
    bits = sum(
        1 << which
        for which, by in enumerate(side.divisors)
        if value % (Fraction(by.core) / Fraction(10) ** by.shift) == 0
    )
    return int(side.table[cell, (1 << len(side.divisors)) + bits])


@pytest.mark.parametrize(("bounds", "refused"), [(8, False), (9, True)])
def test_a_table_of_too_many_entries_is_refused_by_name(
    bounds: int, refused: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(number_plan, "MAX_ENTRIES", 64)
    points = ir.Points(frozenset(7 * n for n in range(bounds)))
    spec = ir.Spec((ir.Any_((points, ir.Multiple(Decimal(2)), ir.Multiple(Decimal(3)))),))
    with pytest.raises(LimitError) if refused else nullcontext() as raised:
        sides_of(spec, ANY, Limits(), lambda met: 0)
    assert not refused or raised.value.limit == "alternatives"


def test_outcomes_that_get_other_numbers_stay_apart() -> None:
    side, _ = sides_of(ir.Spec((ir.Interval(Decimal(3), None),)), ANY, Limits(), lambda met: 0)
    assert side.renumbered({0: 5, 1: 7}).outcomes() == {5}
    assert side.renumbered({1: 7}).outcomes() == set()


@given(st.sets(st.integers(-(2**59) + 1, 2**59 - 1) | st.integers(-30, 30).map(lambda n: n * 1000)))
@example({1, 10, 120, 10**17, -1, -3000, 0})
def test_the_bounds_of_a_set_of_integers_are_its_members(values: set[int]) -> None:
    sides = sides_of(ir.Spec((ir.Points(frozenset(values)),)), ANY, Limits(), lambda met: 0)
    for side, sign in zip(sides, (1, -1), strict=True):
        words = [(side.words[code % RANKS >> 1], code // RANKS) for code in side.bounds.tolist()]
        assert [Decimal(word).scaleb(e + 1 - len(word)) for word, e in words] == sorted(
            value * sign for value in values if value * sign > 0
        )
        assert all(word == word.strip("0") for word, _ in words)
