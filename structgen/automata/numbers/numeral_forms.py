"""Automata of the forms of numerals: RFC 8259's numbers of a bounded number of digits, and Python's numbers.

What comes in: a `Writing`. What goes out: the automaton of its numerals, whatever their values.

Python prints an int with all its digits, and a float as the shortest text that reads as it: at most 17
significant digits; from 1e-04 up to 1e16 with a point and a digit on both sides of it (`5.0`, `0.0001`), else
one digit before the point, none that is needless after it, and an exponent of a sign and at least two digits
(`1e+16`, `1.5e-07`). Source: CPython's `float.__repr__` (format code "r"), Objects/floatobject.c and
Python/pystrtod.c. No text is asked whether it is the shortest of its float: others of 16 and 17 digits come.
"""

from __future__ import annotations

import numpy as np

from structgen.automata.numbers.numeral_automata import COLUMNS, WIDTH, NumeralAutomaton
from structgen.automata.numbers.written_forms import UNBOUNDED, Writing
from structgen.automata.strings.formula_automata import FormulaReader
from structgen.language import ir
from structgen.system.public_calls import billed_cache

_ENDS = (False, True)
SIGNIFICANT = 17
"""Digits of the longest text of a float."""


@billed_cache(64)
def numeral_form(writing: Writing) -> NumeralAutomaton[bool]:
    """Return the automaton of the numerals of a writing; its labels say whether a text is a whole one.

    It has a state for each digit that may stand before the point and behind it. Cost: some milliseconds for
    the first time; 50 for Python's numerals.
    """
    if writing.policy == "python":
        return _printed(writing.whole, writing.exponent)
    whole = f"(?:0|[1-9]{_digits(0, writing.whole - 1)})"
    behind = rf"\.{_digits(1, writing.fraction)}"
    exponent = ""
    if writing.exponent:
        exponent = "(?:[eE]" + (r"[+-]?\d+" if writing.whole == UNBOUNDED else _FINITE_EXPONENT) + ")?"
    if writing.policy == "plain":
        # no minus sign before zero, and in a fraction a digit that is not 0
        return _of_texts(
            ir.Pattern(rf"^(?:0|-?[1-9]{_digits(0, writing.whole - 1)}|-?{whole}(?!\.0*$){behind})$")
        )
    point = f"(?:{behind})?" if writing.fraction else ""
    return _of_texts(ir.Pattern(f"^-?{whole}{point}{exponent}$"))


def _digits(least: int, most: int) -> str:
    """Return a pattern of so many digits; `most`: below 0 without a bound."""
    return rf"\d{{{least},{most if most >= 0 else ''}}}"


_FINITE_EXPONENT = r"(?:-\d{1,3}|\+?(?:[01]\d{0,2}|2(?:[0-7]\d?|8[0-7]?|9)?|[3-9]\d?))"
"""An exponent of at most three digits, up to 287: behind twenty digits it makes no infinite float (IEEE 754
binary64)."""


def _printed(whole: int, exponent: bool) -> NumeralAutomaton[bool]:
    """Return the automaton of numerals as Python prints them."""
    small = rf"0\.(?:0|0{{0,3}}[1-9](?:\d{{0,{SIGNIFICANT - 2}}}[1-9])?)"
    fixed = [
        rf"[1-9]\d{{{before - 1}}}\.(?:0|\d{{0,{SIGNIFICANT - 1 - before}}}[1-9])"
        for before in range(1, SIGNIFICANT)
    ]
    power = r"e(?:\+(?:1[6-9]|[2-9]\d|[12]\d\d|30[0-8])|-(?:0[5-9]|[1-9]\d|[12]\d\d|3[01]\d|32[0-3]))"
    scientific = rf"[1-9](?:\.\d{{0,{SIGNIFICANT - 2}}}[1-9])?{power}|5e-324"  # the last is the least of all
    larger = ""  # the digits behind the first of a number above the largest float, 1.7976931348623157e+308
    for digit in reversed("7976931348623157"):
        more = rf"[{int(digit) + 1}-9]\d*|" if digit < "9" else ""
        larger = f"{more}{digit}(?:{larger})" if larger else more[:-1]
    infinite = ir.Pattern(rf"^-?(?:[2-9][\d.]*|1\.(?:{larger}))e\+308$")
    forms: list[ir.Formula] = [
        ir.Pattern(rf"^(?:0|-?[1-9]\d{{0,{whole - 1}}})$"),
        ir.Pattern(rf"^-?(?:{'|'.join((small, *fixed))})$"),
    ]
    if exponent:
        forms.append(ir.All((ir.Pattern(rf"^-?(?:{scientific})$"), ir.Not(infinite))))
    return _of_texts(ir.Any_(tuple(forms)))


def _of_texts(formula: ir.Formula) -> NumeralAutomaton[bool]:
    """Return the automaton of the numerals that meet a formula of strings, whose texts are of COLUMNS."""
    made = FormulaReader().automaton(formula)
    rows = np.full((made.states, WIDTH), ir.DEAD, np.int32)
    rows[:, : len(COLUMNS)] = made.trans[:, made.alphabet.at(np.array(list(COLUMNS)))]
    return NumeralAutomaton(rows, made.accept, _ENDS)
