"""Numerals judged by how they are written: drafts 3 and 4 call 12 an integer, but not 12.0 or 12e0.

A formula with `ir.PlainInteger` says one thing of numerals of digits alone, and another of numerals with a
fraction or an exponent. Each of the two is a formula of the value, so there are two automata: one writes
digits alone, the other is the usual one. `number_states.FormPairs` runs them side by side.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from structgen.automata.numbers.number_plan import ANY, PLAIN, Caps, Side, atoms_of, caps_of, sides_of
from structgen.language import ir
from structgen.limits import Limits


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
