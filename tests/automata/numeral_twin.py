"""The slow, obvious twin of the number automata: reads one numeral, judges its value as a fraction, and says
whether a policy lets it be written so.

Nothing here shares code with structgen.automata.
"""

from __future__ import annotations

import json
import re
from fractions import Fraction

import formula_twin

from structgen.base.language import ir
from structgen.base.language.number_ranges import Ranges

GRAMMAR = re.compile(r"(-?)(0|[1-9][0-9]*)(?:\.([0-9]+))?(?:[eE]([+-]?[0-9]+))?")


def value_of(text: str) -> Fraction | None:
    """Return a numeral's value, or None where the text is no RFC 8259 number."""
    match = GRAMMAR.fullmatch(text)
    if match is None:
        return None
    sign, whole, places, exponent = match.groups()
    value = Fraction(int(whole + (places or ""))) * Fraction(10) ** (int(exponent or 0) - len(places or ""))
    return -value if sign else value


def is_plain(text: str) -> bool:
    """Return whether a numeral has neither fraction nor exponent."""
    return text.lstrip("-").isdigit()


def holds(formula: ir.Formula, text: str) -> bool:
    """Return whether a formula is true of a numeral."""
    value = value_of(text)
    assert value is not None
    return formula_twin.holds(
        formula, value, lambda atom: isinstance(atom, ir.PlainInteger) and is_plain(text)
    )


def met(spec: ir.Spec, text: str) -> frozenset[int]:
    """Return the demands that a numeral meets."""
    return frozenset(at for at, formula in enumerate(spec.formulas) if holds(formula, text))


def wholly_integer(formula: ir.Formula) -> bool:
    """Return whether the parts of a formula show that it is of integers alone."""
    if isinstance(formula, ir.Not):
        return False
    if isinstance(formula, ir.All):
        return any(map(wholly_integer, formula.of))
    if isinstance(formula, ir.Any_):
        return all(map(wholly_integer, formula.of))
    if isinstance(formula, Ranges):
        return formula.finite_numbers() is not None and all(one % 1 == 0 for one, _ in formula.cuts)
    return isinstance(formula, ir.PlainInteger) or formula.of % 1 == 0


def constants(formula: ir.Formula, policy: str) -> list[Fraction | None]:
    """Return the numbers that a formula names, but for lists where each number is written in one way; None
    for a divisor, but for 1 under "any"."""
    if isinstance(formula, ir.Not):
        return constants(formula.of, policy)
    if isinstance(formula, (ir.All, ir.Any_)):
        return [one for part in formula.of for one in constants(part, policy)]
    if isinstance(formula, Ranges):
        ends = [Fraction(end) for end, _ in formula.cuts]
        return [end for end in ends if policy != "python" or ends.count(end) == 1]
    return [None] if isinstance(formula, ir.Multiple) and (policy != "any" or formula.of != 1) else []


def names_integers(formula: ir.Formula) -> bool:
    """Return whether a part of a formula asks for integers."""
    if isinstance(formula, ir.Not):
        return names_integers(formula.of)
    if isinstance(formula, (ir.All, ir.Any_)):
        return any(map(names_integers, formula.of))
    return isinstance(formula, ir.Multiple) and formula.of == 1


def allowed(
    spec: ir.Spec, text: str, policy: str, whole_cap: int = 20, place_cap: int = 20
) -> frozenset[int]:
    """Return the demands that a numeral meets if a policy lets it be written so; the caps are those of the
    specification, which the caller knows."""
    match = GRAMMAR.fullmatch(text)
    if match is None:
        return frozenset()
    sign, whole, places, exponent = match.groups()
    found = met(spec, text)
    free = not any(one != 0 for formula in spec.formulas for one in constants(formula, policy))
    if exponent is not None and (not free or policy == "plain"):
        return frozenset()
    if policy == "any":
        is_compared = exponent is not None and value_of(text) != 0 and any(map(names_integers, spec.formulas))
        is_far = is_compared and (len((places or "").rstrip("0")) > 20 or int(exponent) < -20)
        return frozenset() if is_far else found
    if policy == "python" and not printed(text):
        return frozenset()
    if len(whole) > whole_cap or len(places or "") > place_cap:
        return frozenset()
    if policy == "plain":
        value = value_of(text)
        assert value is not None
        is_integer = value.denominator == 1
        return frozenset() if (sign and value == 0) or (places and is_integer) else found
    if policy in ("bounded", "decimal"):
        if exponent is not None and (len(exponent.lstrip("+-")) > 3 or int(exponent) > 287):
            return frozenset()
        integers = list(map(wholly_integer, spec.formulas))
        found = frozenset(at for at in found if not integers[at] or is_plain(text))
    return found


def printed(text: str) -> bool:
    """Return whether Python prints some number so."""
    try:
        value = json.loads(text)
    except ValueError:
        return False
    return not isinstance(value, bool) and json.dumps(value) == text
