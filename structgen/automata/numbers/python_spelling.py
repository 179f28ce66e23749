"""Numerals spelled as Python prints them: `str` of an int, `repr` of a float; what `json.dumps` writes.

An int is all its digits. A float is the shortest text that reads as it: at most 17 significant digits; from
1e-04 up to 1e16 with a point and a digit on both sides of it (`5.0`, `0.0001`), else one digit before the
point, none that is needless after it, and an exponent of a sign and at least two digits (`1e+16`,
`1.5e-07`). Source: CPython's `float.__repr__` (format code "r"), Objects/floatobject.c and
Python/pystrtod.c.

The form is regular, but for one thing: of the texts of 16 and 17 digits that agree with it, those that are
not the shortest text of their float are let in as well. Every text of at most 15 significant digits whose
value is at least 2.3e-308 is what `repr` writes for it (IEEE 754 binary64 keeps 15 digits).
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

SIGNIFICANT = 17
_LARGEST = "17976931348623157"
"""The significant digits of the largest float, 1.7976931348623157e+308."""
_SMALLEST_FIXED = 4
"""Places after the point at which the first digit of a float without an exponent stands at the latest."""

START, MINUS, ZERO, WHOLE, POINT, FRACTION, E, SIGN, EXPONENT = range(9)


class NumeralForm(NamedTuple):
    """How far a numeral has come in its form; equal forms have the same continuations."""

    phase: int = START
    whole: int = 0
    """Digits before the point (17: too many for a fraction); 0 for the digit 0."""
    digits: int = 0
    """Significant digits; after `0.` those from the first that is not 0."""
    places: int = 0
    """Digits after the point, as far as they matter: 0, 1, 2 (more); after `0.` the zeros that begin it."""
    zero: bool = False
    """The last digit is 0."""
    order: int = 0
    """Of a single digit before the point: how the digits compare to those of the largest float so far."""
    five: bool = False
    """The digits are a 5 alone, as in the smallest float."""
    minus: bool = False
    """Of an exponent, and of the digit 0 alone: the sign."""
    exponent: str = ""


START_FORM = NumeralForm()


def after(form: NumeralForm, char: str) -> NumeralForm | None:
    """Return the form after one more character, or None where no numeral of the form goes on so."""
    phase = form.phase
    if char.isdecimal():
        return _digit(form, char)
    if char == "-" and phase == START:
        return NumeralForm(MINUS)
    if char == ".":
        if phase == ZERO:
            return NumeralForm(POINT)
        if phase == WHOLE and form.whole < SIGNIFICANT:
            return form._replace(phase=POINT, five=False)
        return None
    if char == "e":
        one = form.whole == 1 and (phase == WHOLE or (phase == FRACTION and not form.zero))
        return NumeralForm(E, order=form.order, five=form.five) if one else None
    if char in "+-" and phase == E:
        signed = form._replace(phase=SIGN, minus=char == "-")
        return signed if _exponents(signed.minus, signed.order, signed.five) else None
    return None


def is_whole(form: NumeralForm) -> bool:
    """Return whether a numeral may end in this form."""
    match form.phase:
        case 2:  # ZERO
            return not form.minus
        case 3:  # WHOLE
            return True
        case 5:  # FRACTION
            return not form.zero or (form.places == 1 and (form.whole > 0 or form.digits == 0))
        case 8:  # EXPONENT
            return form.exponent in _exponents(form.minus, form.order, form.five)
    return False


def _digit(form: NumeralForm, char: str) -> NumeralForm | None:
    match form.phase:
        case 0 | 1:  # START, MINUS
            if char == "0":
                # There is no int -0; a float has its point.
                return NumeralForm(ZERO) if form.phase == START else NumeralForm(ZERO, minus=True)
            order = (char > _LARGEST[0]) - (char < _LARGEST[0])
            return NumeralForm(WHOLE, whole=1, digits=1, order=order, five=char == "5")
        case 3:  # WHOLE
            if form.whole == SIGNIFICANT:
                return form
            return NumeralForm(WHOLE, whole=form.whole + 1, digits=form.whole + 1)
        case 4 | 5:  # POINT, FRACTION
            return _fraction_digit(form, char == "0", char)
        case 7 | 8:  # SIGN, EXPONENT
            exponent = form.exponent + char
            may_be = _exponents(form.minus, form.order, form.five)
            if not any(one.startswith(exponent) for one in may_be):
                return None
            return form._replace(phase=EXPONENT, exponent=exponent)
    return None


def _fraction_digit(form: NumeralForm, zero: bool, char: str) -> NumeralForm | None:
    if form.whole == 0 and form.digits == 0:
        if not zero:
            return NumeralForm(FRACTION, digits=1, places=form.places)
        places = form.places + 1
        return None if places == _SMALLEST_FIXED else NumeralForm(FRACTION, places=places, zero=True)
    digits = form.digits + 1
    places = 1 if form.phase == POINT else 2
    if form.whole == 0:
        places = form.places
    if digits > SIGNIFICANT or (digits == SIGNIFICANT and zero and not (form.whole and places == 1)):
        return None
    order = form.order
    if form.whole == 1 and order == 0:
        largest = _LARGEST[digits - 1]
        order = (char > largest) - (char < largest)
    return NumeralForm(FRACTION, form.whole, digits, places, zero, order)


@lru_cache(maxsize=16)
def _exponents(minus: bool, order: int, five: bool) -> frozenset[str]:
    """Return the exponents that floats have, without their sign."""
    if minus:
        return frozenset(f"{number:02}" for number in range(5, 325 if five else 324))
    return frozenset(str(number) for number in range(16, 308 if order > 0 else 309))
