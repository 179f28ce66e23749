"""Write the form of numerals as a formula over patterns.

A *numeral* is the text of a number. A `Writing` says how numerals may be written: how many digits, with an
exponent or not, or as Python prints numbers. The result is the formula of all such texts, whatever their
values are. For example, at most 2 digits without a point is `^-?(?:0|[1-9]\\d{0,1})$`.

Python prints an int with all its digits. It prints a float as the shortest text that reads as this float,
with at most 17 significant digits. From 1e-04 up to 1e16, there is a point with a digit on both sides (`5.0`,
`0.0001`). Other floats have one digit before the point, no needless digit after it, and an exponent of a sign
and at least two digits (`1e+16`, `1.5e-07`). Source: CPython's `float.__repr__` (format code "r"),
Objects/floatobject.c and Python/pystrtod.c. The form does not check that a text is the shortest one of its
float, so other texts of 16 and 17 digits are accepted, too.
"""

from __future__ import annotations

import functools

from structgen.automata.numbers.written_forms import UNBOUNDED, Writing
from structgen.base.language import ir

SIGNIFICANT = 17
"""The number of significant digits of the longest text of a float."""


@functools.lru_cache(maxsize=64)
def numeral_form(writing: Writing) -> ir.Formula:
    """Return the formula of the numerals of a writing. Its automaton has a state for each digit that may come
    before the point and after it."""
    if writing.policy == "python":
        return ir.All((_printed_form(writing.whole, writing.exponent), writing.beside))
    whole = f"(?:0|[1-9]{_digits_pattern(0, writing.whole - 1)})"
    fraction_part = rf"\.{_digits_pattern(1, writing.fraction)}"
    exponent = ""
    if writing.exponent:
        exponent = "(?:[eE]" + (r"[+-]?\d+" if writing.whole == UNBOUNDED else _FINITE_EXPONENT) + ")?"
    if writing.policy == "plain":
        # No minus sign before zero; a fraction has a digit that is not 0.
        plain = ir.Pattern(
            rf"^(?:0|-?[1-9]{_digits_pattern(0, writing.whole - 1)}|-?{whole}(?!\.0*$){fraction_part})$"
        )
        return ir.All((plain, writing.beside))
    point = f"(?:{fraction_part})?" if writing.fraction else ""
    return ir.All((ir.Pattern(f"^-?{whole}{point}{exponent}$"), writing.beside))


def _digits_pattern(min_count: int, max_count: int) -> str:
    """Return a pattern of `min_count` to `max_count` digits; below 0, `max_count` is no bound."""
    return rf"\d{{{min_count},{max_count if max_count >= 0 else ''}}}"


_FINITE_EXPONENT = r"(?:-\d{1,3}|\+?(?:[01]\d{0,2}|2(?:[0-7]\d?|8[0-7]?|9)?|[3-9]\d?))"
"""An exponent of at most three digits, up to 287. With twenty digits before it, the number is still a finite
float (IEEE 754 binary64)."""


def _printed_form(whole: int, exponent: bool) -> ir.Formula:
    """Return the formula of numerals as Python prints them. `whole`: the most digits of an int. `exponent`:
    whether there may be an exponent."""
    small = rf"0\.(?:0|0{{0,3}}[1-9](?:\d{{0,{SIGNIFICANT - 2}}}[1-9])?)"
    # with a point and no exponent: the more digits before the point, the fewer after it
    fixed_forms = [
        rf"[1-9]\d{{{whole_digits - 1}}}\.(?:0|\d{{0,{SIGNIFICANT - 1 - whole_digits}}}[1-9])"
        for whole_digits in range(1, SIGNIFICANT)
    ]
    power = r"e(?:\+(?:1[6-9]|[2-9]\d|[12]\d\d|30[0-8])|-(?:0[5-9]|[1-9]\d|[12]\d\d|3[01]\d|32[0-3]))"
    scientific = rf"[1-9](?:\.\d{{0,{SIGNIFICANT - 2}}}[1-9])?{power}|5e-324"  # the last is the least of all
    # `larger`: a pattern of the digits after "1." of numbers above the largest float,
    # 1.7976931348623157e+308. It is built from the last digit backwards: a number is larger if its first
    # different digit is larger.
    larger = ""
    for digit in reversed("7976931348623157"):
        larger_digits = rf"[{int(digit) + 1}-9]\d*|" if digit < "9" else ""
        larger = f"{larger_digits}{digit}(?:{larger})" if larger else larger_digits[:-1]
    infinite = ir.Pattern(rf"^-?(?:[2-9][\d.]*|1\.(?:{larger}))e\+308$")
    forms: list[ir.Formula] = [
        ir.Pattern(rf"^(?:0|-?[1-9]\d{{0,{whole - 1}}})$"),
        ir.Pattern(rf"^-?(?:{'|'.join((small, *fixed_forms))})$"),
    ]
    if exponent:
        forms.append(ir.All((ir.Pattern(rf"^-?(?:{scientific})$"), ir.Not(infinite))))
    return ir.Any_(tuple(forms))
