"""How many digits a policy lets a numeral have, and which values it may be written for.

Under "bounded" numerals are so written that `json.loads` reads an int where only integers may stand, and a
finite float elsewhere. `number_pool` says what each policy allows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from decimal import Decimal
from itertools import chain
from typing import NamedTuple, TypeAlias, TypeVar, Union, cast

import numpy as np

from structgen.errors import LimitError
from structgen.language import ir
from structgen.limits import Limits

BOUNDED, PLAIN, ANY, PRINTED = 0, 1, 2, 3
POLICY = {"bounded": BOUNDED, "plain": PLAIN, "any": ANY, "python": PRINTED}
"""PRINTED: the numerals among which `printed_numerals` chooses."""
FARTHEST = 1 << 40
"""Powers of ten from here on are not counted with (`digit_steps.BIG`)."""
DIGITS = 20
"""Digits before the point, and after it, of which no number of the schema needs more."""
_MOST_EXPONENT = 307 - DIGITS
LARGEST_FLOAT = Decimal("1.7976931348623158E+308")
"""The last numeral of 17 digits that is read as a finite float (IEEE 754 binary64)."""
_FINITE = ir.Interval(-LARGEST_FLOAT, LARGEST_FLOAT)
_FAR_FROM_LARGEST = 300
"""A schema whose numbers are below 10**300 asks for finite floats."""

T = TypeVar("T")
Number: TypeAlias = Union[int, Decimal]
_ATOMS = (ir.Interval, ir.Points, ir.Multiple, ir.PlainInteger)
_Joined: TypeAlias = Callable[[ir.Formula, list[ir.NumberAtom], list[T]], T]


class Caps(NamedTuple):
    """How many digits may stand before the point, after it and in the exponent; the largest exponent; and how
    many digits a numeral of digits alone may have, if more."""

    integer: int
    fraction: int
    exponent: int
    most_exponent: int = FARTHEST
    alone: int = 0


# -- formulas --


def atoms_of(formulas: Iterable[ir.Formula]) -> list[ir.NumberAtom]:
    """Return the atoms of some formulas, as they are written, repeats included."""
    found: list[ir.NumberAtom] = []
    stack = [formulas]
    while stack:
        for part in stack.pop():
            if isinstance(part, _ATOMS):
                found.append(part)
            else:
                stack.append(_parts(part))
    return found


def _parts(formula: ir.Formula) -> tuple[ir.Formula, ...]:
    if isinstance(formula, (ir.All, ir.Any_)):
        return formula.of
    if isinstance(formula, ir.Not):
        return (formula.of,)
    raise ValueError(f"{type(formula).__name__} says nothing about numbers")


def steps_of(atoms: list[ir.NumberAtom]) -> list[Decimal]:
    """Return the values of which numbers are asked to be multiples, each once."""
    return list(dict.fromkeys([atom.of for atom in atoms if isinstance(atom, ir.Multiple)]))


def folded(root: ir.Formula, joined: _Joined[T]) -> T:
    """Return what `joined` makes of each connective, its atoms, and what its other parts came to."""
    done: list[T] = []
    stack = [(root if not isinstance(root, _ATOMS) else ir.All((root,)), False)]
    while stack:
        formula, ready = stack.pop()
        parts = _parts(formula)
        inner = [part for part in parts if not isinstance(part, _ATOMS)]
        if inner and not ready:
            stack.append((formula, True))
            stack.extend([(part, False) for part in reversed(inner)])
            continue
        start = len(done) - len(inner)
        atoms = cast(
            "list[ir.NumberAtom]", [part for part in parts if isinstance(part, _ATOMS)] if inner else parts
        )
        done[start:] = [joined(formula, atoms, done[start:])]
    return done[0]


def only_integers(root: ir.Formula) -> bool:
    """Return whether a formula's parts show that only integers meet it: one of a conjunction, all of a
    disjunction."""

    def joined(formula: ir.Formula, atoms: list[ir.NumberAtom], parts: list[bool]) -> bool:
        if isinstance(formula, ir.Not):
            return False
        return (any if isinstance(formula, ir.All) else all)(chain(parts, map(_is_integer, atoms)))

    return folded(root, joined)


def _is_integer(atom: ir.NumberAtom) -> bool:
    if isinstance(atom, ir.Interval):
        low = atom.low
        return low is not None and low == atom.high and low == low.to_integral_value()
    if isinstance(atom, ir.Points):
        return all(type(one) is int or one == Decimal(one).to_integral_value() for one in atom.of)
    return isinstance(atom, ir.PlainInteger) or atom.of == atom.of.to_integral_value()


def _named(atoms: list[ir.NumberAtom]) -> list[Decimal]:
    """Return the numbers that atoms name; of the ints of a finite set the outermost, because those between
    them ask for no more digits."""
    found = steps_of(atoms)
    for atom in atoms:
        if isinstance(atom, ir.Interval):
            found += [end for end in (atom.low, atom.high) if end is not None]
        elif isinstance(atom, ir.Points):
            listed = np.array(list(atom.of))  # of objects, unless all are ints
            outer = (int(listed.min()), int(listed.max())) if listed.dtype == np.int64 else atom.of
            found += map(Decimal, outer)
    return found


def _largest(values: list[Decimal]) -> int:
    """Return the power of ten of the first digit of the largest number, at least 0."""
    return max([value.adjusted() for value in values if value] + [0])


# -- what a policy asks --


def magnitude(value: Decimal) -> tuple[int, str]:
    """Return the power of ten of a number's first digit, and its digits without a zero at either end."""
    mantissa, _, power = f"{value.copy_abs():e}".partition("e")
    return int(power), mantissa.replace(".", "").rstrip("0")


def caps_of(values: list[Decimal], policy: int, limits: Limits) -> Caps:
    """Return the digit caps of a specification that names some values (the rule: `number_pool`).

    Raises LimitError (number_chars) for a number of too many digits, and under "plain" where a number of the
    specification cannot be written.
    """
    integer = fraction = DIGITS
    beyond = 1 if policy == PLAIN else 0  # without an exponent, other numbers near a bound take a digit more
    short = min(DIGITS, limits.number_chars) - beyond
    for value, text in zip(values, map(str, values), strict=True):
        if (len(text) > short or "E" in text) and value:
            e, digits = magnitude(value)
            if len(digits) > limits.number_chars:
                raise LimitError(
                    f"A number of the schema is written with {len(digits)} digits.", limit="number_chars"
                )
            integer, fraction = max(integer, e + 1 + beyond), max(fraction, len(digits) - 1 - e + beyond)
    exponent_digits = max(3, len(str(4 * (integer + fraction))))
    most_exponent = _MOST_EXPONENT if policy == BOUNDED and integer == DIGITS else FARTHEST
    longest = max(integer, fraction)
    if longest > limits.number_chars:
        if policy == PLAIN:
            raise LimitError(
                f'A number of the schema has {longest} digits when written out, as numbers="plain" asks.',
                limit="number_chars",
            )
        integer, fraction = min(integer, limits.number_chars), min(fraction, limits.number_chars)
    return Caps(integer, fraction, exponent_digits, most_exponent)


def as_written(spec: ir.Spec, policy: int, caps: Caps | None, limits: Limits) -> tuple[ir.Spec, Caps]:
    """Return what a policy asks of numerals, and their caps; `caps` are those to use instead of the policy's.

    Under "bounded" a formula asks for digits alone where only integers may stand, else for finite floats. One
    that names a number of 10**300 or more has floats that are not finite, and one that names a number of more
    digits than a numeral may have has integers with an exponent. `ir.PlainInteger`, with which drafts 3 and 4
    call 12 an integer but neither 12.0 nor 12e0, lets digits alone be longer than other numerals.
    Errors: see `caps_of`.
    """
    if policy == ANY:
        return spec, Caps(limits.number_chars, limits.number_chars, 17)
    atoms = [atoms_of((formula,)) for formula in spec.formulas]
    named = [_named(some) for some in atoms]
    caps = caps or caps_of(list(chain(*named)), policy, limits)
    if policy == PLAIN:
        caps = caps._replace(exponent=0)
    if policy != BOUNDED:
        return spec, caps
    alone = any(ir.PlainInteger() in some for some in atoms)
    largest, parts = list(map(_largest, named)), list(spec.formulas)
    for at, formula in enumerate(spec.formulas):
        if only_integers(formula):
            if largest[at] + 2 <= limits.number_chars:
                parts[at], alone = ir.All((formula, ir.PlainInteger())), True
        elif caps.most_exponent == FARTHEST and largest[at] < _FAR_FROM_LARGEST:
            parts[at] = ir.All((formula, _FINITE))
            largest[at] = LARGEST_FLOAT.adjusted()
    if alone and caps.integer >= DIGITS:
        # Beyond each number that is named there are others.
        caps = caps._replace(alone=min(max(largest) + 2, limits.number_chars))
    return ir.Spec(tuple(parts)), caps
