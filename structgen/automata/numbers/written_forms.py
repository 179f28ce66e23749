"""Numerals judged by how they are written: drafts 3 and 4 call 12 an integer, but not 12.0 or 12e0. Under
the policy "bounded" numerals are so written that `json.loads` reads an int where only integers may stand, and
a finite float elsewhere.

A formula with `ir.PlainInteger` says one thing of numerals of digits alone, and another of numerals with a
fraction or an exponent. Each of the two is a formula of the value, so there are two automata: one writes
digits alone, the other is the usual one. `number_states.FormPairs` runs them side by side.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from structgen.automata.numbers.number_plan import (
    ANY,
    BOUNDED,
    DIGITS,
    FARTHEST,
    LARGEST_FLOAT,
    PLAIN,
    Caps,
    Side,
    atoms_of,
    caps_of,
    sides_of,
)
from structgen.language import ir
from structgen.limits import Limits

_FINITE = ir.Interval(-LARGEST_FLOAT, LARGEST_FLOAT)
_FAR_FROM_LARGEST = 300
"""A schema whose numbers are below 10**300 asks for finite floats."""


def has_forms(spec: ir.Spec) -> bool:
    """Return whether some formula asks how a numeral is written."""
    stack: list[ir.Formula] = list(spec.formulas)
    while stack:
        formula = stack.pop()
        if isinstance(formula, ir.PlainInteger):
            return True
        if isinstance(formula, ir.Not):
            stack.append(formula.of)
        elif isinstance(formula, (ir.All, ir.Any_)):
            stack.extend(formula.of)
    return False


def _assumed(spec: ir.Spec, change: Callable[[ir.Formula], ir.Formula]) -> ir.Spec:
    """Return the formulas with their atoms changed."""

    def changed(root: ir.Formula) -> ir.Formula:
        done: list[ir.Formula] = []
        stack: list[tuple[ir.Formula, bool]] = [(root, False)]
        while stack:
            formula, ready = stack.pop()
            if isinstance(formula, ir.Not):
                if ready:
                    done[-1] = ir.Not(done[-1])
                else:
                    stack += [(formula, True), (formula.of, False)]
            elif isinstance(formula, (ir.All, ir.Any_)):
                if ready:
                    start = len(done) - len(formula.of)
                    parts = tuple(done[start:])
                    del done[start:]
                    done.append(type(formula)(parts))
                else:
                    stack.append((formula, True))
                    stack.extend((part, False) for part in reversed(formula.of))
            else:
                done.append(change(formula))
        return done[0]

    return ir.Spec(tuple([changed(formula) for formula in spec.formulas]))


def by_value(spec: ir.Spec) -> ir.Spec:
    """Return the specification under a policy that writes every integer as digits alone."""
    whole = ir.Multiple(Decimal(1))
    return _assumed(spec, lambda atom: whole if isinstance(atom, ir.PlainInteger) else atom)


def digits_alone(
    spec: ir.Spec, policy: int, limits: Limits, outcome: Callable[[frozenset[int]], int], caps: Caps | None
) -> tuple[Side, Side]:
    """Return what a specification asks of numerals without fraction and exponent, by sign; -0 is one.

    They have as many digits as the policy allows before the point. Errors as for `sides_of`.
    """
    if policy == ANY:
        caps = Caps(limits.number_chars, 0, 0)
    elif caps is None:
        caps = caps_of(atoms_of(spec.formulas), policy, limits)
    if policy == BOUNDED and caps.integer >= DIGITS:
        # Beyond each number that is named there are others.
        caps = caps._replace(
            integer=min(max(caps.integer, _largest(*spec.formulas) + 2), limits.number_chars)
        )
    told = _assumed(spec, _told_of_digits)
    positive, negative = sides_of(told, PLAIN, limits, outcome, Caps(caps.integer, 0, 0))
    negative = negative._replace(zero=positive.zero)
    if policy == ANY:
        negative = negative._replace(caps=Caps(limits.number_chars - 1, 0, 0))
    return positive, negative


def _told_of_digits(atom: ir.Formula) -> ir.Formula:
    integer = isinstance(atom, ir.PlainInteger) or (isinstance(atom, ir.Multiple) and atom.of == 1)
    return ir.TRUE if integer else atom


def otherwise(spec: ir.Spec) -> ir.Spec:
    """Return what a specification asks of numerals with a fraction or an exponent."""
    return _assumed(spec, lambda atom: ir.FALSE if isinstance(atom, ir.PlainInteger) else atom)


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
    done: list[bool] = []
    stack: list[tuple[ir.Formula, bool]] = [(root, False)]
    while stack:
        formula, ready = stack.pop()
        if isinstance(formula, (ir.All, ir.Any_)):
            if not ready:
                stack.append((formula, True))
                stack.extend((part, False) for part in formula.of)
                continue
            start = len(done) - len(formula.of)
            parts = done[start:]
            del done[start:]
            done.append(any(parts) if isinstance(formula, ir.All) else all(parts))
        elif isinstance(formula, ir.Multiple):
            done.append(formula.of == formula.of.to_integral_value())
        elif isinstance(formula, ir.Interval):
            low = formula.low
            done.append(low is not None and low == formula.high and low == low.to_integral_value())
        else:
            done.append(isinstance(formula, ir.PlainInteger))
    return done[0]
