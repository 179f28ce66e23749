"""What readers of doubles make of decimals: numerals that they take for another number are left out.

`json.loads` and its like read digits alone as an integer, and a numeral with a point or an exponent as the
double next to it (IEEE 754 binary64, ties to even). So 0.99999999999999999999 is no number below 1 to them.
What comes in: formulas over exact decimals. What goes out: formulas of the numerals of which each atom says
the same before and after rounding; but for divisors, which are of decimals.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from fractions import Fraction
from math import floor, inf, isinf, nextafter
from sys import float_info

from structgen.automata.numbers.written_forms import Writing, atoms_of, only_integers
from structgen.language import ir
from structgen.language.number_ranges import Cut, Ranges, common, interval, united

_BEYOND = 2**1024 - 2**970
"""The least number that rounds to no finite double."""
_EXACT = 2**53
"""Integers that are no doubles are larger."""


def read_alike(formulas: tuple[ir.Formula, ...], writing: Writing) -> tuple[tuple[ir.Formula, ...], Writing]:
    """Return formulas, and how their numerals are written, without those that rounding takes over an end of a
    range, onto a listed number, to an integer where that matters, to zero, or to infinity. Of many ends and
    numbers those are kept apart that have no more digits than doubles tell apart. Cost: 10 us for each."""
    formulas = tuple([parts[0] if len(parts := ir.conjuncts(one)) == 1 else one for one in formulas])
    atoms = atoms_of(formulas)
    cuts = dict.fromkeys(cut for one in atoms if isinstance(one, Ranges) for cut in one.cuts)
    if not writing.fraction or _are_apart(formulas):
        return formulas, writing
    if ir.Multiple(Decimal(1)) in atoms and not all(only_integers(_undenied(one)) for one in formulas):
        writing = writing._replace(fractions_apart=True)
    if writing.exponent or not cuts:  # zero alone is named, or Python prints the others in one way
        is_named = bool(cuts) and formulas != (interval(0, None),)
        return formulas, writing._replace(vanishing=not is_named)
    is_few = all(len(Decimal(value).as_tuple().digits) <= float_info.dig for value, _ in cuts)
    if is_few and len(cuts) > 32:  # each would take some 20 states, a quarter of a millisecond
        return formulas, writing._replace(short=True)
    kept = _kept(cuts, writing.fraction)
    is_large = writing.whole > float_info.max_10_exp
    if is_large:
        kept = common([kept, interval(-_BEYOND, _BEYOND, True, True)])
    if is_large or not all(-_EXACT < value < _EXACT for value, _ in kept.cuts):
        large = interval(-_EXACT, _EXACT, True, True).complement()
        asked = ir.Any_((kept, ir.All((ir.PlainInteger(), large))))
        return tuple([ir.All((*ir.conjuncts(formula), asked)) for formula in formulas]), writing
    return tuple([_within(formula, kept) for formula in formulas]), writing


def _undenied(formula: ir.Formula) -> ir.Formula:
    """Return a formula without an even number of negations around it."""
    while isinstance(formula, ir.Not) and isinstance(formula.of, ir.Not):
        formula = formula.of.of
    return formula


def _are_apart(formulas: tuple[ir.Formula, ...]) -> bool:
    """Return whether all formulas are lists, of numbers that are different doubles and written as such."""
    lists = [one.listed() if isinstance(one, Ranges) else None for one in formulas]
    values = {value for some in lists for value in some or ()}
    if None in lists or len({float(value) for value in values}) < len(values):
        return False
    return all(-_EXACT < value < _EXACT or value == float(value) for value in values)


def _within(formula: ir.Formula, kept: Ranges) -> ir.Formula:
    """Return a formula of some numbers alone."""
    parts = ir.conjuncts(formula)
    met = common([*[one for one in parts if isinstance(one, Ranges)], kept])
    others = tuple([one for one in parts if not isinstance(one, Ranges)])
    return ir.All((*others, met)) if others else met


def _kept(cuts: Iterable[Cut], places: int) -> Ranges:
    """Return the numbers of so many digits behind the point that rounding takes over no cut."""
    moved = ((cut, _moved(cut, places)) for cut in dict.fromkeys(cuts))
    return united(
        [Ranges((min(one, other), max(one, other))) for one, other in moved if one != other]
    ).complement()


def _moved(cut: Cut, places: int) -> Cut:
    """Return the cut at which decimals of so many digits behind the point begin to be rounded behind another
    one; a number of the cut that is no integer is read as a double, too."""
    value, after = cut
    near, grid = float(value), 10**places
    if isinf(near) or (value and not near):
        return cut
    exact = Fraction(value if value == floor(value) else near)
    below = exact > near or (after and exact == near)
    low, high = (near, nextafter(near, inf)) if below else (nextafter(near, -inf), near)
    if isinf(low) or isinf(high):
        return cut
    middle = (Fraction(low) + Fraction(high)) / 2
    digits = floor(middle * grid)
    first = digits + (digits != middle * grid or float(middle) == low)
    if first == Fraction(value) * grid + after:
        return cut
    return Decimal((int(first < 0), tuple(map(int, str(abs(first)))), -places)), False
