"""numbers="bounded": `json.loads` reads an int where only integers may stand, and a finite float elsewhere.

The oracle has all numerals of a few characters, `json.loads` and `jsonschema`. It shares no code with us.
"""

from __future__ import annotations

import json
import math
import re
from functools import cache
from itertools import product
from typing import Any

import jsonschema
import pytest
from compiled_texts import takes
from for_each import for_each
from schema_documents import BYTES

import structgen as sg

NUMERAL = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?")
BROKEN = [sign * value for sign in (1, -1) for value in (0.1, 0.25, 0.5, 1.5, 2.5, 7.5, 12.5, 0.75)]
"""Numbers that are no integers: a place that takes none of them takes integers alone."""

SCHEMAS: list[Any] = [
    {"type": "integer"},
    {"type": ["integer", "string"]},
    {"type": "number"},
    {"type": ["integer", "number"]},
    {},
    {"type": "number", "multipleOf": 1},
    {"type": "number", "multipleOf": 5},
    {"type": "number", "multipleOf": 0.5},
    {"type": "integer", "multipleOf": 2.5},
    {"type": "integer", "minimum": -2, "exclusiveMaximum": 21},
    {"type": "integer", "exclusiveMinimum": 0.5},
    {"type": "integer", "not": {"const": 2}},
    {"enum": [1, 2, 10]},
    {"enum": [1, 2.5, "1"]},
    {"enum": [1, 2.5, 20], "type": "integer"},
    {"const": 10},
    {"const": 0},
    {"anyOf": [{"type": "integer"}, {"type": "number"}]},
    {"anyOf": [{"type": "integer"}, {"type": "number", "maximum": 0.5}]},
    {"anyOf": [{"type": "integer", "maximum": 5}, {"enum": [10, 20]}]},
    {"oneOf": [{"type": "integer"}, {"type": "number", "minimum": 2}]},
    {"type": "number", "not": {"type": "integer"}},
    {"not": {"not": {"type": "integer"}}},
    {"allOf": [{"multipleOf": 2}, {"type": "number", "minimum": 1}]},
    {"type": "number", "if": {"type": "integer"}, "then": {"minimum": 2}, "else": {"maximum": 0.5}},
]


BEAR_EXPONENTS = [
    {"type": "number"},
    {"type": ["integer", "number"]},
    {},
    {"anyOf": [{"type": "integer"}, {"type": "number"}]},
]
"""Places of which no bound, list or divisor judges the value."""


@cache
def numerals() -> list[str]:
    """Return all numerals of up to 5 characters of some, and long ones around the ends of floats."""
    short = ["".join(some) for size in range(1, 6) for some in product("-0125.e", repeat=size)]
    long = ["1e400", "-1e400", "9.9e287", "1e288", "1e+99", "1E5", "10e-1", "12345678901234567890", "1e-300"]
    return [text for text in (*short, *long) if NUMERAL.fullmatch(text)]


@for_each("schema", SCHEMAS)
def test_bounded_numerals_are_read_as_the_schema_means_them(schema: Any) -> None:
    compiled = sg.compile(sg.json_schema(schema), BYTES)
    valid = jsonschema.Draft202012Validator(schema).is_valid
    integers = not any(map(valid, BROKEN))
    for text in numerals():
        value = json.loads(text)
        exponent = int(text.lower().partition("e")[2] or 0)
        assert exponent > 287 or math.isfinite(value)
        expected = exponent <= 287 and valid(value) and ("e" not in text.lower() or schema in BEAR_EXPONENTS)
        if integers and not isinstance(value, int):
            expected = False
        assert takes(compiled, text) == expected, text


@pytest.mark.parametrize(
    ("schema", "good", "bad"),
    [
        ({"type": "number", "maximum": 1e30}, ("-" + "9" * 32, str(10**30)), ("-1e3", "9" * 32)),
        ({"type": "number", "minimum": 1e200}, (str(10**200), "9" * 201), ("1e201", str(10**199))),
        ({"type": "integer", "minimum": 10**30}, (str(10**30), "9" * 32), ("1e31", "1e400")),
        ({"const": 10**30}, (str(10**30),), ("1e30",)),
        ('{"type": "number", "minimum": 1e305}', (str(10**305), "9" * 306), (str(10**304), "1e306")),
    ],
    ids=lambda value: str(value)[:50],
)
def test_schemas_with_large_numbers(schema: Any, good: tuple[str, ...], bad: tuple[str, ...]) -> None:
    compiled = sg.compile(sg.json_schema(schema), BYTES)
    assert [takes(compiled, text) for text in good] == [True] * len(good)
    assert [takes(compiled, text) for text in bad] == [False] * len(bad)


def test_a_bound_of_too_many_digits_is_refused_by_name() -> None:
    with pytest.raises(sg.errors.LimitError) as caught:
        takes(sg.compile(sg.json_schema('{"type": "integer", "minimum": 1e5000}'), BYTES), "1")
    assert caught.value.limit == "number_chars"


@pytest.mark.parametrize("numbers", ["bounded", "plain"])
@pytest.mark.parametrize("least", [10**20 - 1, 10**20, 10**40])
def test_beyond_each_bound_there_are_integers(numbers: str, least: int) -> None:
    schema = {"type": "integer", "exclusiveMinimum": least, "multipleOf": 7}
    compiled = sg.compile(sg.json_schema(schema, numbers=numbers), BYTES)
    found = int(compiled.completion(compiled.start))
    assert found > least and found % 7 == 0


@for_each(
    "beside", ["", '"minimum": 0,', '"multipleOf": 3,', '"not": {"enum": [3, 7]},', '"type": "integer",']
)
@for_each("huge", ["1e9999999", "1e-9999999", "-1E9999999"])
def test_an_enum_with_a_number_of_any_exponent_takes_its_other_numbers(beside: str, huge: str) -> None:
    """Arithmetic on decimals overflows there, comparisons do not."""
    schema = f'{{{beside} "enum": [{huge}, 3, 12]}}'
    compiled = sg.compile(sg.json_schema(schema, numbers="any"), BYTES, store=False)
    ends = []
    for text in ("3", "12", "13"):
        after = compiled.step_bytes(compiled.start, text.encode())
        ends += [text] if after is not None and after.is_complete else []
    assert ends == (["12"] if "not" in beside else ["3", "12"])
