"""What a formula says of a string or a number, part by part: the slow twin of what compiles formulas."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction

from structgen.base.language.ir import (
    All,
    Any_,
    Formula,
    Length,
    Multiple,
    Not,
    Words,
)
from structgen.base.language.number_ranges import Ranges


def holds(formula: Formula, value: str | Decimal | Fraction, atom: Callable[[Formula], bool]) -> bool:
    """Return whether a value meets a formula; `atom` answers for patterns, formats, plain integers."""
    if isinstance(formula, Not):
        return not holds(formula.of, value, atom)
    if isinstance(formula, (All, Any_)):
        parts = (holds(part, value, atom) for part in formula.of)
        return all(parts) if isinstance(formula, All) else any(parts)
    if isinstance(value, str):
        if isinstance(formula, Length):
            return formula.minimum <= len(value) and (
                formula.maximum is None or len(value) <= formula.maximum
            )
        return value in formula.of if isinstance(formula, Words) else atom(formula)
    number = Fraction(value)
    if isinstance(formula, Multiple):
        return (number / Fraction(formula.of)).denominator == 1
    if not isinstance(formula, Ranges):
        return atom(formula)
    passed = sum(number > end or (number == end and not after) for end, after in formula.cuts)
    return formula.from_below == (passed % 2 == 0)
