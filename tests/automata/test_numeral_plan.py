"""A union of many intervals is marked at once, and means what its intervals mean one by one."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from structgen.automata.numbers import number_plan
from structgen.language import ir
from structgen.limits import Limits

ends = st.integers(-40, 40).map(lambda n: Decimal(n) / 4)
intervals = st.builds(ir.Interval, st.none() | ends, st.none() | ends, st.booleans(), st.booleans())
unions = st.lists(intervals, min_size=1, max_size=12).map(lambda parts: ir.Any_(tuple(parts)))


@given(one=unions, other=unions, multiple=st.booleans())
def test_many_intervals_are_marked_as_few_are(one: ir.Any_, other: ir.Any_, multiple: bool) -> None:
    more = (ir.Multiple(Decimal("0.5")),) if multiple else ()
    spec = ir.Spec((ir.All((one, ir.Not(other))), ir.Any_((*other.of, *more, ir.Not(one)))))
    found = []
    for crowd in (1, 1_000):
        numbers: dict[frozenset[int], int] = {}
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(number_plan, "_CROWD", crowd)
            sides = number_plan.sides_of(
                spec, number_plan.ANY, Limits(), lambda met, into=numbers: into.setdefault(met, len(into))
            )
        names = {number: met for met, number in numbers.items()}
        found.append([(s.bounds, s.divisors, [[names.get(o) for o in row] for row in s.rows]) for s in sides])
    assert found[0] == found[1]
