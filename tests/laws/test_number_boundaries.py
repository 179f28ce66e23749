"""Numbers at the edges of doubles: each as a bound, a constant, a listed and a denied number, and a divisor.

The oracles: jsonschema on what `json.loads` reads where a policy agrees with doubles, fractions where it
judges exact decimals. Every mask on the way to a text is made.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from decimal import Decimal, localcontext
from fractions import Fraction
from math import inf, isinf, nextafter
from sys import float_info
from typing import Any

import pytest
from for_each import for_each
from test_numbers_as_doubles import accepted, compiled, taken, walked

from structgen.errors import LimitError, UnsatisfiableSchema

POLICIES = ("bounded", "plain", "python", "decimal", "any")
EDGES = [float_info.max, float_info.min, 5e-324, nextafter(float_info.min, 0), 0.0, 0.5, 1.0, 2.0**53]

Judge = Callable[[Fraction], bool]


def drawn_value(chance: random.Random) -> float:
    """Return a double at an edge: one of EDGES, or a power of two or ten, or a double beside one of these."""
    kind = chance.randrange(3)
    if kind == 0:
        value = chance.choice(EDGES)
    elif kind == 1:
        value = 2.0 ** chance.choice(
            (-1074, -1022, -53, -1, 0, 52, 53, 64, 1023, chance.randint(-1074, 1023))
        )
    else:
        value = float(
            f"1e{chance.choice((-323, -308, -20, -5, 0, 15, 16, 22, 308, chance.randint(-323, 308)))}"
        )
    beside = chance.choice((value, nextafter(value, inf), nextafter(value, -inf)))
    return chance.choice((1, -1)) * (value if isinf(beside) else beside)


def drawn_schema(chance: random.Random, value: float) -> tuple[dict[str, Any], Judge]:
    """Return a schema that names a number, and which exact numbers meet it."""
    exact, other = Fraction(repr(value)), Fraction("0.5")
    number = {"type": "number"}
    cases: list[tuple[dict[str, Any], Judge]] = [
        ({**number, "minimum": value}, lambda x: x >= exact),
        ({**number, "maximum": value}, lambda x: x <= exact),
        ({**number, "exclusiveMinimum": value}, lambda x: x > exact),
        ({**number, "exclusiveMaximum": value}, lambda x: x < exact),
        ({"const": value}, lambda x: x == exact),
        ({"enum": [0.5, value]}, lambda x: x in (exact, other)),
        ({**number, "not": {"const": value}}, lambda x: x != exact),
        ({**number, "not": {"enum": [0.5, value]}}, lambda x: x not in (exact, other)),
        ({**number, "not": {"minimum": value}}, lambda x: x < exact),
        ({"type": "integer", "minimum": value}, lambda x: x.denominator == 1 and x >= exact),
    ]
    if value:
        step = abs(value)
        cases.append(({**number, "multipleOf": step}, lambda x: (x / exact).denominator == 1))
    return chance.choice(cases)


def texts_near(value: float) -> Iterator[str]:
    """Yield numerals of a double, of its neighbours, of the numbers halfway between, and of zeros."""
    yield from ("0", "-0", "0.0", "-0.0", "0.5", "1", "1e400", "-1e400")
    with localcontext(prec=2_000):
        around = [value, nextafter(value, inf), nextafter(value, -inf)]
        finite = [Decimal(number) for number in around if not isinf(number)]
        halfway = [(finite[0] + number) / 2 for number in finite[1:]]
        if len(finite) == 2:  # where the largest double ends: numbers from here on are infinite
            halfway.append(finite[0] + (finite[0] - finite[1]) / 2)
        for number in around:
            if not isinf(number):
                yield from (repr(number), f"{Decimal(repr(number)):f}", f"{Decimal(number):f}")
        yield from (f"{number:f}" for number in halfway)


def check(seed: int) -> None:
    """Hold one schema, under one policy, to its oracle."""
    chance = random.Random(f"boundary {seed}")
    value, policy = drawn_value(chance), chance.choice(POLICIES)
    schema, judge = drawn_schema(chance, value)
    is_exact = policy in ("decimal", "any")
    try:
        grammar = compiled(schema, numbers=policy)
        assert any(grammar.allowed(grammar.start)), schema
    except (UnsatisfiableSchema, LimitError):
        return
    for text in texts_near(value):
        if taken(grammar, text):
            assert judge(Fraction(text)) if is_exact else accepted(schema, text), (schema, policy, text)
        elif policy == "any" and "e" not in text:
            assert not judge(Fraction(text)), (schema, policy, text)
        for end in {0, 1, 17, len(text) - 1}:
            state = grammar.step_bytes(grammar.start, text[:end].encode())
            if state is not None:
                assert grammar.allowed(state) or state.is_complete, (schema, policy, text[:end])
    if not is_exact:
        walked(schema, grammar, chance, 1)


@for_each("value", [float_info.max, -float_info.max, 5e-324, -5e-324, float_info.min])
@for_each("policy", POLICIES)
def test_numbers_at_the_ends_of_doubles_are_listed_and_denied(policy: str, value: float) -> None:
    for schema in ({"enum": [0.5, value]}, {"type": "number", "not": {"enum": [0.5, value]}}):
        grammar = compiled(schema, numbers=policy)
        assert taken(grammar, "0.5") == ("enum" in schema)
        assert taken(grammar, "0.25") == ("not" in schema)


@pytest.mark.parametrize(
    ("first", "count"),
    [(0, 70), *(pytest.param(at, 2_000, marks=pytest.mark.slow) for at in range(70, 20_070, 2_000))],
)
def test_masks_and_texts_at_the_boundaries_of_doubles(first: int, count: int) -> None:
    for seed in range(first, first + count):
        check(seed)
