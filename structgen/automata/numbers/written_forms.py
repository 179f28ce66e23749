"""Under the policy "bounded" numerals are so written that `json.loads` reads an int where only integers may
stand, and a finite float elsewhere.
"""

from __future__ import annotations

from structgen.automata.numbers.number_plan import (
    ANY,
    BOUNDED,
    DIGITS,
    FARTHEST,
    LARGEST_FLOAT,
    Caps,
    atoms_of,
    caps_of,
    folded,
    leaves_of,
)
from structgen.language import ir
from structgen.limits import Limits

_FINITE = ir.Interval(-LARGEST_FLOAT, LARGEST_FLOAT)
_FAR_FROM_LARGEST = 300
"""A schema whose numbers are below 10**300 asks for finite floats."""


def as_written(spec: ir.Spec, policy: int, caps: Caps | None, limits: Limits) -> tuple[ir.Spec, Caps | None]:
    """Return what a policy asks of numerals, and their caps if these are not the usual ones.

    `ir.PlainInteger`, with which drafts 3 and 4 call 12 an integer but neither 12.0 nor 12e0, lets digits
    alone be longer than other numerals. Errors: see `caps_of`.
    """
    if policy == BOUNDED:
        caps = caps or caps_of(atoms_of(spec.formulas), BOUNDED, limits)
        spec = readable(spec, caps, limits)
    if policy == ANY:
        return spec, Caps(limits.number_chars, limits.number_chars, 17)
    if policy == BOUNDED and caps and caps.integer >= DIGITS:
        if any(isinstance(leaf, ir.PlainInteger) for leaf in leaves_of(spec.formulas)):
            # Beyond each number that is named there are others.
            caps = caps._replace(alone=min(_largest(*spec.formulas) + 2, limits.number_chars))
    return spec, caps


def readable(spec: ir.Spec, caps: Caps, limits: Limits) -> ir.Spec:
    """Return what "bounded" asks: digits alone where only integers may stand, else finite floats.

    A formula that names a number of 10**300 or more has floats that are not finite, and one that names a
    number of more digits than a numeral may have has integers with an exponent.
    """
    parts: list[ir.Formula] = []
    for formula in spec.formulas:
        size = _largest(formula)
        if only_integers(formula):
            parts.append(ir.All((formula, ir.PlainInteger())) if size + 2 <= limits.number_chars else formula)
        elif caps.most_exponent == FARTHEST and size < _FAR_FROM_LARGEST:
            parts.append(ir.All((formula, _FINITE)))
        else:
            parts.append(formula)
    return ir.Spec(tuple(parts))


def _largest(*formulas: ir.Formula) -> int:
    """Return the power of ten of the first digit of the largest number that is named, at least 0."""
    found = 0
    for atom in atoms_of(formulas):
        for value in (atom.of,) if isinstance(atom, ir.Multiple) else (atom.low, atom.high):
            if value:
                found = max(found, value.adjusted())
    return found


def only_integers(root: ir.Formula) -> bool:
    """Return whether a formula's parts show that only integers meet it: one of a conjunction, all of a
    disjunction."""

    def leaf(formula: ir.Formula) -> bool:
        if isinstance(formula, ir.Multiple):
            return formula.of == formula.of.to_integral_value()
        if isinstance(formula, ir.Interval):
            low = formula.low
            return low is not None and low == formula.high and low == low.to_integral_value()
        return isinstance(formula, ir.PlainInteger)

    def joined(formula: ir.Formula, parts: list[bool]) -> bool:
        return not isinstance(formula, ir.Not) and (any if isinstance(formula, ir.All) else all)(parts)

    return folded(root, leaf, joined)
