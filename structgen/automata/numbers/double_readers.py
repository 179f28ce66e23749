"""Numerals that readers of doubles take for another number, and how they are left out.

`json.loads` and its like read digits alone as an integer, and a numeral with a point or an exponent as the
double next to it (IEEE 754 binary64, ties to even). So 0.99999999999999999999 is no number below 1 to them.
What comes in: formulas over exact decimals. What goes out: formulas of the numerals of which each atom says
the same before and after rounding; but for divisors, which are of decimals.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from fractions import Fraction
from math import floor, inf, isinf, nextafter, ulp
from sys import float_info

from structgen.automata.numbers.written_forms import Writing, number_atoms
from structgen.base.language import ir
from structgen.base.language.number_ranges import (
    Cut,
    Ranges,
    intersect_ranges,
    interval,
    points,
    unite_ranges,
)

_FEW_DIGITS = ir.Pattern(r"^-?(?:\d+|[\d.]{1,16}0*|\d{1,15}0?\.0*|0\.0{0,19}[1-9]\d{0,14}0*)$")
"""Integers, and numbers of at most 15 digits between zeros, from 1e-20 on: no two of these are one double.
Integers with a point have at most 16 digits: doubles hold them exactly."""
_NEAR_INTEGERS = ir.Pattern(
    r"^-?(?:"
    + "".join([rf"\d{{{15 - n}}}\.(?:0{{{n}}}|9{{{n}}})|" for n in range(1, 15)])
    + r"\d{15}\.[09]|\d{16}\.(?:[0189]|2$|2[0-5]|7[5-9]))"
)
_WITH_EXPONENT = ir.Pattern("e")
_FAR_FROM_INTEGERS = ir.All(
    (
        ir.Not(_NEAR_INTEGERS),
        interval(-(2**52), 2**52),
    )
)
"""Numbers whose doubles are integers only where they are: their first 15 digits tell them from the integers
beside them, or of those with 16 before the point the next ones."""
# From the middle between the largest double and 2**1024 on, numbers are rounded to infinity.
_FINITE = interval(-(2**1024) + 2**970, 2**1024 - 2**970, True, True)
_VANISHING = ir.Pattern(
    r"^-?(?:[1-9].*[eE]-(?:32[4-9]|3[3-9]\d|[4-9]\d\d)|0\.0{0,4}[1-9].*[eE]-(?:319|3[2-9]\d|[4-9]\d\d)"
    r"|0\.0{5}.*[eE]-(?:30[4-9]|3[1-9]\d|[4-9]\d\d))$"
)
"""Numbers that may be zero as doubles, with at most 20 digits behind the point."""


def narrow_writing(formulas: ir.Formulas, writing: Writing) -> Writing:
    """Return how numerals of formulas are written: without those that rounding takes over an end of a range,
    onto a listed number, to an integer where that matters, to zero, or to infinity.

    Where integers are told apart, or many numbers named, others have at most 15 digits, no point, or are far
    from integers; but with long numbers among those named, as programs print them. Cost: some 10 us for each.
    """
    atoms = number_atoms(formulas)
    cuts = dict.fromkeys([cut for atom in atoms if isinstance(atom, Ranges) for cut in atom.cuts])
    long_numbers = [value for value, _ in cuts if _is_long(Decimal(value))]
    ranges_of_parts = [_ranges_of(part) for part in formulas]
    beside: ir.Formula = ir.TRUE
    names_zero_alone = not any(value for value, _ in cuts)
    are_listed = all(ranges.finite_numbers() is not None for ranges in ranges_of_parts)

    if writing.exponent and names_zero_alone:
        # Of 0 alone, rounding changes one thing: numbers that are too small become zero.
        if cuts and any(ranges != Ranges(((0, False),)) for ranges in ranges_of_parts):
            beside = ir.Not(_VANISHING)
    elif not writing.fraction or (writing.exponent and are_listed):
        return writing
    elif len(cuts) > (4096 if long_numbers else 32) or ir.Multiple(Decimal(1)) in atoms:
        # a cut takes some 20 states, 0.3 ms
        far = ir.All((_FAR_FROM_INTEGERS, _unmoved_numbers(cuts, writing.fraction)))
        long_fractions = points([value for value in long_numbers if value != floor(value)])
        beside = ir.Any_((_FEW_DIGITS, far, long_fractions))
    elif cuts:
        kept_numbers = _unmoved_numbers(cuts, writing.fraction)
        if writing.whole > float_info.max_10_exp:
            kept_numbers = intersect_ranges([kept_numbers, _FINITE])
        if any(intersect_ranges([ranges, kept_numbers]) != ranges for ranges in ranges_of_parts):
            kept_numbers = intersect_ranges([kept_numbers, unite_ranges(ranges_of_parts)])  # of fewer cuts
            # integers are read exactly, and large ones may be no doubles
            is_small = all(-(2**53) < value < 2**53 for value, _ in cuts)
            beside = kept_numbers if is_small else ir.Any_((kept_numbers, ir.PlainInteger()))
    if writing.exponent and not names_zero_alone:  # Python prints the doubles that have one in one way
        beside = ir.Any_((beside, _WITH_EXPONENT))
    return writing._replace(beside=beside)


def _is_long(value: Decimal) -> bool:
    """Return whether a number has more digits than each double keeps, or is next to zero."""
    digits = value.as_tuple().digits
    return len(digits) > float_info.dig or 0 < abs(value) < 1e-19


def _ranges_of(formula: ir.Formula) -> Ranges:
    """Return the numbers that the ranges of a conjunction allow together."""
    parts = [atom for atom in ir.conjuncts(formula) if isinstance(atom, Ranges)]
    return intersect_ranges(parts)


def _unmoved_numbers(cuts: Iterable[Cut], places: int) -> Ranges:
    """Return the numbers of so many digits behind the point that rounding takes over no cut."""
    # Between a cut and its place among the decimals stand the numbers that rounding moves over the cut.
    moved_ranges: list[Ranges] = []
    for cut in cuts:
        rounded_cut = _cut_of_decimals(cut, places)
        if cut != rounded_cut:
            first, last = sorted((cut, rounded_cut))
            moved_ranges.append(Ranges((first, last)))
    return unite_ranges(moved_ranges).complement()


def _cut_of_decimals(cut: Cut, places: int) -> Cut:
    """Return where those decimals of `places` digits behind the point begin that lie behind a cut once they
    are rounded to doubles. A cut's own number counts as its double, too, where it is no integer."""
    value, after = cut
    near = float(value)
    grid = 10**places
    if isinf(near):
        return cut
    exact = Fraction(value if value == floor(value) else near)
    # Does the double next to the cut count to the numbers before it? Then the border lies above the double.
    below = exact > near or (after and exact == near)
    # beyond the largest double numbers are rounded as if one more came, as far as the one before it
    neighbour = nextafter(near, inf if below else -inf)
    step = Fraction(min(abs(neighbour - near), ulp(near)))
    middle = Fraction(near) + (step if below else -step) / 2
    # The first decimal of the grid behind the middle; the middle itself is rounded to the even double.
    digits = floor(middle * grid)
    is_on_grid = digits == middle * grid
    is_even = near / ulp(near) % 2 == 0
    first = digits + (not is_on_grid or is_even == below)
    if first == Fraction(value) * grid + after:
        return cut
    sign = int(first < 0)
    decimal_digits = tuple(map(int, str(abs(first))))
    return Decimal((sign, decimal_digits, -places)), False
