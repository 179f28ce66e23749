"""What a formula says of a string or a number, part by part: the slow twin of what compiles formulas."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction

from structgen.language.ir import (
    All,
    Any_,
    Formula,
    Interval,
    Length,
    Multiple,
    Not,
    Points,
    Words,
)


def holds(formula: Formula, value: str | Decimal | Fraction, atom: Callable[[Formula], bool]) -> bool:
    """Return whether a value meets a formula; `atom` answers for patterns, formats, plain integers."""
    if isinstance(formula, Not):
        return not holds(formula.of, value, atom)
    if isinstance(formula, (All, Any_)):
        parts = (holds(part, value, atom) for part in formula.of)
        return all(parts) if isinstance(formula, All) else any(parts)
    if isinstance(value, str):
        if isinstance(formula, Length):
            return formula.least <= len(value) and (formula.most is None or len(value) <= formula.most)
        return value in formula.of if isinstance(formula, Words) else atom(formula)
    number = Fraction(value)
    if isinstance(formula, Points):
        return number in {Fraction(one) for one in formula.of}
    if isinstance(formula, Multiple):
        return (number / Fraction(formula.of)).denominator == 1
    if not isinstance(formula, Interval):
        return atom(formula)
    above = formula.low is None or number > formula.low or (number == formula.low and not formula.open_low)
    below = (
        formula.high is None or number < formula.high or (number == formula.high and not formula.open_high)
    )
    return above and below
