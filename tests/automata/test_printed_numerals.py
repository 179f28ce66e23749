"""Numerals as Python prints them: the form against `repr`, the product with values against brute force."""

from __future__ import annotations

import itertools
import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from structgen.automata.numbers.number_pool import COLUMNS
from structgen.automata.numbers.printed_numerals import PrintedPool, form_table
from structgen.language.ir import Interval, Multiple, Not, Points, Spec
from structgen.limits import Limits


def fits(text: str) -> bool:
    return any(fits_kind(text, kind) for kind in range(3))


def fits_kind(text: str, kind: int) -> bool:
    rows, ends = form_table(kind)
    state = 0
    for char in text.encode():
        state = rows[state][COLUMNS.index(char)]
        if state < 0:
            return False
    return ends[state]


@given(st.floats(allow_nan=False, allow_infinity=False) | st.integers())
@example(-0.0)
@example(5e-324)
@example(1.7976931348623157e308)
@example(1e16)
@example(9999999999999998.0)
@example(1e-4)
@example(9.999e-5)
def test_what_is_printed_fits(value: float) -> None:
    assert fits(json.dumps(value))


def printed(text: str) -> bool:
    """Return whether Python prints some number so."""
    try:
        value = json.loads(text)
    except ValueError:
        return False
    return not isinstance(value, bool) and json.dumps(value) == text


def test_short_texts_fit_if_and_only_if_they_are_printed() -> None:
    for length in range(1, 6):
        for chars in itertools.product("019-+.e", repeat=length):
            text = "".join(chars)
            assert fits(text) is printed(text), text


@given(
    st.from_regex(r"-?(0|[1-9][0-9]{0,17})(\.[0-9]{1,6})?(e[+-][0-9]{1,3})?", fullmatch=True)
    | st.from_regex(r"-?[1-9]\.[0-9]{0,14}e[+-](16|15|04|05|99|1[0-9]{2}|30[789]|29[0-9])", fullmatch=True)
)
def test_texts_of_few_digits_fit_if_and_only_if_they_are_printed(text: str) -> None:
    if len(Decimal(text).as_tuple().digits) <= 15 or "." not in text:
        assert fits(text) is printed(text)


def test_no_fitting_text_is_infinite() -> None:
    assert fits("1.7976931348623157e+308") and not fits("1.7976931348623158e+308")
    assert not fits("2e+308") and not fits("1e+309")
    assert fits("5e-324") and not fits("4e-324") and not fits("5e-325") and not fits("5.0e-324")


FORMULAS: dict[str, Any] = {
    "all": Interval(None, None),
    "bounds": Interval(Decimal("-2"), Decimal("1.5")),
    "halves": Multiple(Decimal("0.5")),
    "constants": Points(frozenset((Decimal("0.2"), 300))),
    "tiny": Interval(Decimal("0.00001"), Decimal("0.0003")),
    "huge": Interval(Decimal("1e16"), Decimal("1e17")),
    "odd": Not(Multiple(Decimal("0.1"))),
}


@pytest.mark.parametrize("name", FORMULAS)
def test_every_state_lives_and_accepts_what_fits_and_meets(name: str) -> None:
    from structgen.schema.meaning.formulas import number_meets

    formula = FORMULAS[name]
    pool = PrintedPool(Limits())
    start = pool.start(Spec((formula,)), lambda demands: 0)
    assert start >= 0

    def run(text: str, state: int = start) -> int:
        for char in text:
            if state < 0:
                break
            if int(pool.trans[state, COLUMNS.index(char.encode())]) == -2:
                pool.expand(state)
            state = int(pool.trans[state, COLUMNS.index(char.encode())])
        return state

    for length in range(1, 5):
        for chars in itertools.product("0135-+.e", repeat=length):
            text = "".join(chars)
            state = run(text)
            meets = fits(text) and number_meets(formula, Decimal(text))
            assert (state >= 0 and int(pool.outcome[state]) >= 0) is meets, text
            if state >= 0:
                rest = pool.finish(state)[0].decode()
                end = run(rest, state)
                assert int(pool.outcome[end]) == 0
                assert number_meets(formula, Decimal(text + rest)) and fits(text + rest)


def test_what_no_float_is_has_no_state() -> None:
    between = Interval(Decimal("1.00000000000000000001"), Decimal("1.00000000000000000002"))
    assert PrintedPool(Limits()).start(Spec((between,)), lambda demands: 0) == -1
