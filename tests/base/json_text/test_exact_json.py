"""JSON text and Python values are read exactly, without recursion, and written in one canonical form."""

from __future__ import annotations

import enum
import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from structgen.base.json_text import exact_json
from structgen.errors import LimitError, SchemaError

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.decimals(allow_nan=False, allow_infinity=False).map(lambda number: number + 0)
    | st.text()
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4)
)


@given(VALUES)
def test_what_is_written_reads_back_equal(value: Any) -> None:
    assert exact_json.read_exact(exact_json.write_canonical(value)) == value


@given(VALUES)
def test_the_slow_reader_agrees_with_the_fast_one(value: Any) -> None:
    written = exact_json.write_canonical(value)
    spaced = json.dumps(json.loads(written, parse_float=str), indent="\t")
    for source in (written, spaced):
        assert exact_json.read_any_depth(source) == exact_json.read_exact(source)


@given(VALUES)
def test_equal_values_have_one_canonical_text(value: Any) -> None:
    written = exact_json.write_canonical(value)
    assert exact_json.write_canonical(exact_json.read_exact(written)) == written


@given(VALUES)
def test_a_copy_is_equal_and_shares_no_container(value: Any) -> None:
    copy = exact_json.exact_copy(value)
    assert copy == value
    if isinstance(value, (dict, list)):
        assert copy is not value


@given(st.text(alphabet='{}[]",:0123456789.eE+-tru fals\\n\n', max_size=12))
def test_both_readers_refuse_the_same_texts(source: str) -> None:
    try:
        expected: Any = json.loads(source, parse_float=Decimal)
    except ValueError:
        with pytest.raises(SchemaError, match=r"^line \d+, column \d+: This is not JSON"):
            exact_json.read_exact(source)
        with pytest.raises(SchemaError):
            exact_json.read_any_depth(source)
    else:
        assert exact_json.read_exact(source) == expected
        assert exact_json.read_any_depth(source) == expected


@pytest.mark.parametrize(
    ("source", "place"),
    [
        ("", "line 1, column 1"),
        ('{"a":1,}', "line 1, column 8"),
        ('{"a":\n  tru}', "line 2, column 6"),
        ("[1 2]", "line 1, column 4"),
        ("[NaN]", "line 1, column 2"),
        ("{} {}", "line 1, column 4"),
        ('{"a" 1}', "line 1, column 6"),
        ("[1e99999999999999999999]", "line 1, column 2"),
        ('\n\n["a\tb"]', "line 3, column 4"),
    ],
)
def test_an_error_names_line_and_column(source: str, place: str) -> None:
    with pytest.raises(SchemaError) as caught:
        exact_json.read_exact(source)
    assert caught.value.where == place


def test_numbers_are_exact() -> None:
    assert exact_json.read_exact("[0.1, 1e400, 12345678901234567890123]") == [
        Decimal("0.1"),
        Decimal("1e400"),
        12345678901234567890123,
    ]


def test_integers_longer_than_python_converts_are_exact() -> None:
    digits = "7" * 6_000
    assert exact_json.read_exact(f"[{digits}]") == [Decimal(digits)]
    assert exact_json.write_canonical(exact_json.exact_copy([10**6_000])) == "[1e6000]"


@pytest.mark.parametrize(("left", "right"), [("1.50", "1.5"), ("1.0", "1"), ("12e3", "12000"), ("-0.0", "0")])
def test_equal_numbers_are_written_alike(left: str, right: str) -> None:
    assert exact_json.write_canonical(exact_json.read_exact(left)) == exact_json.write_canonical(
        exact_json.read_exact(right)
    )


@pytest.mark.parametrize("pair", ["[]", "{}"])
def test_twenty_thousand_brackets_are_read_copied_and_written(pair: str) -> None:
    opening = '{"a":' if pair == "{}" else "["
    source = opening * 20_000 + ("1" if pair == "{}" else "") + pair[1] * 20_000
    assert exact_json.write_canonical(exact_json.exact_copy(exact_json.read_exact(source))) == source


def test_a_name_given_twice_has_its_last_value() -> None:
    assert exact_json.read_exact('{"a": 1, "a": 2}') == {"a": 2}
    assert exact_json.read_any_depth('{"a": 1, "a": 2}') == {"a": 2}


def test_names_given_twice_are_listed_with_their_places() -> None:
    source = '{"a":1,"a":[{"b":1,"b":2,"b":3}],"c":[0,{"x/y":1,"x/y":2}]}'
    assert exact_json.repeated_members(source) == ("#/a", "#/a/0/b", "#/c/1/x~1y")


def test_a_float_stands_for_its_shortest_repr() -> None:
    assert exact_json.exact_copy({"a": [0.1, 1e23]}) == {"a": [Decimal("0.1"), Decimal("1e23")]}


def test_members_keep_their_order_in_a_copy() -> None:
    assert list(exact_json.exact_copy({"b": [1], "a": 1, "c": {}})) == ["b", "a", "c"]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("value", "where"),
    [
        ({"a": {1: 2}}, "#/a"),
        ({"a/b": (1,)}, "#/a~1b"),
        ([float("nan")], "#/0"),
        ([1, float("inf")], "#/1"),
        ({"a": {3}}, "#/a"),
        (b"{}", "#"),
    ],
)
def test_what_json_has_not_is_refused_by_place(value: object, where: str) -> None:
    with pytest.raises(SchemaError) as caught:
        exact_json.exact_copy(value)
    assert caught.value.where == where


def test_string_enums_become_plain_strings() -> None:
    class Word(enum.StrEnum):
        HI = "hi"

    copy = exact_json.exact_copy({Word.HI: [Word.HI]})
    assert copy == {"hi": ["hi"]}
    assert type(next(iter(copy))) is str  # type: ignore[arg-type]
    assert type(copy["hi"][0]) is str  # type: ignore[index, call-overload]


def test_a_value_that_holds_itself_has_a_limit() -> None:
    value: dict[str, object] = {}
    value["a"] = value
    with pytest.raises(LimitError):
        exact_json.exact_copy(value, most=1_000)
