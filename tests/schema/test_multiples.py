"""Many `multipleOf` at one place: merging and writing out keep the numbers that are meant."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from network_walker import Walker, network_of

from structgen.language.ir import All, Any_, Formula, Interval, Multiple, Not, Points
from structgen.schema.meaning.formulas import number_meets
from structgen.schema.meaning.multiples import common_multiple, simplified

STEPS = [
    Decimal(text) for text in ("1", "2", "3", "0.5", "0.75", "1.5", "10", "7", "0.2", "25", "1E+1", "0.04")
]
NUMBERS = [Decimal(n) / 4 for n in range(-420, 421)] + [Decimal(n) / 25 for n in range(-200, 200)]
multiples = st.sampled_from(STEPS).map(Multiple)
branches = st.lists(
    st.one_of(multiples, multiples, st.tuples(multiples, multiples.map(Not)).map(All)), min_size=1, max_size=5
)


def meets(formula: Formula, value: Decimal) -> bool:
    """Return whether a number meets a formula, by fractions."""
    match formula:
        case Multiple(of):
            return (Fraction(value) / Fraction(of)).denominator == 1
        case Interval(low, high, open_low, open_high):
            above = low is None or value > low or (value == low and not open_low)
            return above and (high is None or value < high or (value == high and not open_high))
        case Points(of):
            return any(value == one for one in of)
        case Not(inner):
            return not meets(inner, value)
        case All(parts):
            return all(meets(part, value) for part in parts)
        case Any_(parts):
            return any(meets(part, value) for part in parts)
    raise AssertionError(formula)


@given(
    st.lists(st.one_of(multiples, branches.map(tuple).map(Any_), multiples.map(Not)), min_size=1, max_size=5),
    st.sampled_from([None, Decimal(-100), Decimal("-7.5"), Decimal(0)]),
    st.sampled_from([None, Decimal(100), Decimal("6.2"), Decimal(0)]),
    st.booleans(),
)
def test_a_simplified_formula_holds_for_the_same_numbers(
    parts: list[Formula], low: Decimal | None, high: Decimal | None, strict: bool
) -> None:
    formula = All((*parts, Interval(low, high, open_low=strict)))
    found = simplified(formula)
    assert [v for v in NUMBERS if number_meets(found, v)] == [v for v in NUMBERS if meets(formula, v)]


@given(st.sampled_from(STEPS), st.sampled_from(STEPS))
def test_the_common_multiple_is_the_least(a: Decimal, b: Decimal) -> None:
    both = common_multiple(a, b)
    assert both is not None
    counts = (Fraction(both) / Fraction(a), Fraction(both) / Fraction(b))
    assert all(count.denominator == 1 for count in counts)
    smaller = (n * a for n in range(1, int(counts[0])))
    assert not any((Fraction(value) / Fraction(b)).denominator == 1 for value in smaller)


def test_a_conjunction_of_many_steps_is_one() -> None:
    primes = [2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41]
    walker = Walker(network_of({"allOf": [{"multipleOf": p} for p in primes]}, numbers="any"))
    product = 304250263527210
    assert [walker.accepts(value) for value in (product, 2 * product, 0, product // 41, 1)] == [
        *(True, True, True),
        *(False, False),
    ]


def test_what_no_policy_could_write_is_not_merged() -> None:
    assert common_multiple(Decimal(10**12 + 1), Decimal(10**12 + 3)) is None
    assert common_multiple(Decimal("1E-30"), Decimal("3E-29")) == Decimal("3E-29")


def test_more_steps_than_can_be_counted_are_listed_where_the_numbers_are_bounded() -> None:
    steps = [33, 12, 4, 16, 77, 25, 42, 51, 101, 102, 103, 107, 109, 113, 6, 7]
    schema = {
        "type": "number",
        "anyOf": [{"multipleOf": n} for n in steps],
        "not": {"multipleOf": 24},
        "exclusiveMinimum": -300,
        "maximum": 12,
    }
    walker = Walker(network_of(schema, numbers="any"))
    for value in range(-310, 20):
        expected = -300 < value <= 12 and value % 24 != 0 and any(value % n == 0 for n in steps)
        assert walker.accepts(value) == expected, value
    assert not walker.accepts(1.5)


@pytest.mark.parametrize("policy", ["bounded", "plain", "any"])
def test_an_integer_that_is_a_multiple_of_a_fraction_is_so_under_every_policy(policy: str) -> None:
    walker = Walker(network_of({"type": "integer", "multipleOf": 2.5}, numbers=policy))
    assert [value for value in range(-11, 12) if walker.accepts(value)] == [-10, -5, 0, 5, 10]
