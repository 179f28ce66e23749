"""What the default allows, `json.loads` and jsonschema accept; no decimals that doubles tell apart are lost.

Two oracles: jsonschema on what `json.loads` reads, with `multipleOf` judged by the text as a decimal; and our
own grammar with numbers="decimal", which judges exact decimals.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from typing import Any

import jsonschema
import pytest
from for_each import for_each
from schema_documents import BYTES

import structgen as sg
from structgen.errors import UnsatisfiableSchema


class Read(float):
    """A float that keeps its text."""

    text: str


def read_float(text: str) -> Read:
    value = Read(text)
    value.text = text
    return value


def multiple_of(_validator: Any, step: Any, value: Any, _schema: Any) -> Iterator[jsonschema.ValidationError]:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return
    exact = Fraction(value.text) if isinstance(value, Read) else Fraction(value)
    if exact % Fraction(repr(step)):
        yield jsonschema.ValidationError("no multiple")


Validator: Any = jsonschema.validators.extend(jsonschema.Draft202012Validator, {"multipleOf": multiple_of})


def accepted(schema: Any, text: str) -> bool:
    """Return whether a reader of doubles accepts a text."""
    found: bool = Validator(schema).is_valid(json.loads(text, parse_float=read_float))
    return found


def compiled(schema: Any, **options: Any) -> sg.CompiledGrammar:
    return sg.compile(sg.json_schema(schema, **options), BYTES, store=False)


def taken(grammar: sg.CompiledGrammar, text: str) -> bool:
    state = grammar.step_bytes(grammar.start, text.encode())
    return state is not None and state.is_complete


VALUES: list[Any] = [0, 1, -1, 2, 3, 10, 0.1, 0.2, 0.3, 0.5, -0.7, 1.1, 2.5, 100, 99.99, 0.001, 1e-5]
VALUES += [2**53, 2**53 + 1, 2**63 - 1, -(2**60), 123456789.125, 0.1 + 0.2, 5e-17, 1e16, 4503599627370496]
FAR: list[Any] = [1e23, -1e23, 10**23, 1e30, 10**30, int(1e23), 1e15, -1e15, 1e16, 2**51, 2**52 + 1]
FAR += [36028797018963972.5, 36028797018963969.0, 12345678901234567.5, 1e22, 1e100, 2**63, 123456789012345.6]
TINY: list[Any] = [0, 5e-324, 1e-323, -5e-324, 2.5e-310, 1e-20, 3]
BOUNDS = ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"]


def scalar(chance: random.Random, depth: int = 2, values: list[Any] = VALUES) -> Any:
    """Return a schema of numbers."""
    kind, value = chance.randrange(11), chance.choice(values)
    if kind < 3 or not depth:
        return {
            "type": "number",
            **{chance.choice(BOUNDS): chance.choice(values) for _ in range(kind % 2 + 1)},
        }
    if kind == 3:
        return {
            "type": "number",
            "not": chance.choice([{"const": value}, {"enum": chance.sample(values, 3)}]),
        }
    if kind == 4:
        return {"enum": chance.sample(values, chance.randint(1, 4))}
    if kind == 5:
        return {"type": "integer", chance.choice(BOUNDS): value}
    if kind == 6:
        return {
            "type": "number",
            "multipleOf": chance.choice([0.01, 0.5, 2, 1, 0.1]),
            chance.choice(BOUNDS): value,
        }
    if kind == 7:
        return {"type": "number", "not": scalar(chance, depth - 1, values)}
    branches = [
        scalar(chance, depth - 1, values),
        chance.choice([scalar(chance, depth - 1, values), {"type": "number"}]),
    ]
    if kind == 8:
        return {"oneOf": [*branches, *([{"type": "integer"}] if chance.random() < 0.4 else [])]}
    if kind == 9:
        return {"anyOf": branches}
    test, then = branches
    return {"type": "number", "if": test, "then": then, "else": scalar(chance, depth - 1, values)}


def numerals(chance: random.Random, count: int, values: list[Any] = VALUES) -> Iterator[str]:
    """Yield numerals, most of them long and near to numbers of the schemas, and to integers."""
    others = [chance.randint(-12, 12), chance.randint(1, 10**17)] if values is VALUES else []
    for _ in range(count):
        value = Decimal(repr(chance.choice([*values, *others])))
        kind = chance.randrange(5)
        if kind == 0:
            yield f"{value:f}"
            continue
        if kind == 1:
            size, fine = chance.randint(1, 19), chance.randint(0, 20)
            whole = str(chance.randrange(10**size))
            yield f"{chance.choice(['', '-'])}{whole}" + (
                f".{chance.randrange(10**fine):0{fine}}" if fine else ""
            )
            continue
        near = value + Decimal(chance.choice([-3, -1, 1, 2, 5])).scaleb(-chance.randint(8, 20))
        if kind == 2:
            yield f"{near:f}"
            continue
        double, digits = float(near), chance.randint(15, 20)
        yield (
            f"{double:.{digits}f}"
            if kind == 3
            else repr(double)
            if "e" not in repr(double)
            else f"{double:.9f}"
        )


def is_short(text: str) -> bool:
    """Return whether a numeral has at most 15 digits, is no smaller than 1e-20, and if beyond 2^53, has
    no point, and is a double."""
    value = Decimal(text)
    few = len(value.normalize().as_tuple().digits) <= 15
    return (
        few
        and (not 0 < abs(value) < 1e-20)
        and (abs(value) < 2**53 or ("." not in text and value == Decimal(float(value))))
    )


def sound_and_whole(seed: int, count: int, values: list[Any] = VALUES) -> None:
    """Hold a schema of numbers to both oracles."""
    chance = random.Random(f"doubles {seed}")
    schema = scalar(chance, values=values)
    try:
        default, exact = compiled(schema), compiled(schema, numbers="decimal")
    except UnsatisfiableSchema:
        return
    for text in numerals(chance, count, values):
        if taken(default, text):
            assert accepted(schema, text), (schema, text)
        elif taken(exact, text) and accepted(schema, text):
            assert not is_short(text), (schema, text)
    if taken(default, "1e-5"):
        for text in ("1e-400", "-1e-400", "5e-324", "1e-323", "0.5e-322", "1e287", "0e-999", "9.9e-308"):
            assert accepted(schema, text) or not taken(default, text), (schema, text)
    walked(schema, default, chance, 3)


def walked(schema: Any, grammar: sg.CompiledGrammar, chance: random.Random, count: int) -> None:
    """Walk the masks, with a liking for nines and zeros; what comes out is accepted."""
    for _ in range(count):
        state, text = grammar.start, b""
        liked = chance.choice([b"9.", b"0.", b"90.1", b"0123456789.", b"9.,[0-"])
        for _ in range(chance.randint(1, 45)):
            some = [one for one in grammar.allowed(state) if one < 256]
            if not some:
                break
            byte = chance.choices(some, [20 if one in liked else 1 for one in some])[0]
            after = grammar.step(state, byte)
            assert after is not None
            state, text = after, text + bytes((byte,))
        done = (text + grammar.completion(state)).decode()
        assert accepted(schema, done), (schema, done)


def test_what_the_default_allows_readers_of_doubles_accept_and_short_numerals_stay() -> None:
    for seed in range(40):
        sound_and_whole(seed, 60)


@pytest.mark.slow
@pytest.mark.parametrize("first", range(40, 3040, 300))
def test_what_the_default_allows_readers_of_doubles_accept_and_short_numerals_stay_whole(first: int) -> None:
    for seed in range(first, first + 300):
        sound_and_whole(seed, 300)


@for_each("values", [FAR, TINY])
def test_numbers_of_the_schema_are_doubles_where_documents_are(values: list[Any]) -> None:
    for seed in range(40):
        sound_and_whole(seed, 40, values)


@pytest.mark.slow
@for_each("values", [FAR, TINY])
def test_numbers_of_the_schema_are_doubles_where_documents_are_whole(values: list[Any]) -> None:
    for seed in range(40, 1000):
        sound_and_whole(seed, 200, values)


def arrays(chance: random.Random) -> Any:
    """Return a schema of arrays or objects whose numbers are compared."""
    value, kind = chance.choice(VALUES), chance.randrange(7)
    items = chance.choice([{"type": "number"}, {"enum": chance.sample(VALUES, 5)}, scalar(chance, 1)])
    if kind < 2:
        return {
            "type": "array",
            "items": items,
            "uniqueItems": True,
            "minItems": chance.randint(0, 2),
            "maxItems": 3,
        }
    if kind == 2:
        test = chance.choice([{"const": value}, {"type": "integer"}, scalar(chance, 1)])
        count = {"maxContains": 1, "minContains": chance.randint(0, 1)} if chance.random() < 0.5 else {}
        return {"type": "array", "items": {"type": "number"}, "contains": test, "maxItems": 3, **count}
    if kind == 3:
        denied = {"enum": [[value], [value, chance.choice(VALUES)]]}
        return {"type": "array", "items": {"type": "number"}, "maxItems": 2, "not": denied}
    if kind == 4:
        inner = {"type": "array", "items": {"type": "number"}, "maxItems": 1}
        return {"type": "array", "items": inner, "uniqueItems": True, "maxItems": 3}
    number = {"type": "number"}
    if kind == 5:
        either = [{"properties": {"a": {"const": value}}}, {"properties": {"a": scalar(chance, 1)}}]
        one_of = {"oneOf": either, "required": ["a"]}
    else:
        one_of = {
            "if": {"properties": {"a": {"minimum": value}}},
            "then": {"required": ["b"]},
            "required": ["a"],
        }
    return {
        "type": "object",
        "properties": {"a": number, "b": number},
        "additionalProperties": False,
        **one_of,
    }


def compared(seed: int) -> None:
    """Hold a schema of compared numbers to jsonschema, by random documents."""
    chance = random.Random(f"compared {seed}")
    schema = arrays(chance)
    try:
        grammar = compiled(schema, whitespace="compact")
    except UnsatisfiableSchema:
        return
    named = [value for value in VALUES if re.search(rf"[ \[]{re.escape(repr(value))}[,\]}}]", repr(schema))]
    values = chance.sample(named or VALUES, 1) + chance.sample(VALUES, chance.randint(0, 1))
    near = [*numerals(chance, 9, values), *(f"{Decimal(repr(value)):f}" for value in values)]
    for _ in range(30):
        some = [chance.choice(near) for _ in range(chance.randint(0, 3))]
        if schema["type"] == "object":
            text = "{" + ",".join(f'"{key}":{one}' for key, one in zip("ab", some, strict=False)) + "}"
        elif schema["items"].get("type") == "array":
            text = "[" + ",".join(f"[{one}]" for one in some) + "]"
        else:
            text = f"[{','.join(some)}]"
        assert not taken(grammar, text) or accepted(schema, text), (schema, text)
    walked(schema, grammar, chance, 3)


def test_numbers_that_are_compared_are_doubles() -> None:
    for seed in range(40):
        compared(seed)


@pytest.mark.slow
@pytest.mark.parametrize("first", range(40, 2040, 200))
def test_numbers_that_are_compared_are_doubles_whole(first: int) -> None:
    for seed in range(first, first + 200):
        compared(seed)


ONE: list[tuple[Any, str, bool]] = [
    ({"type": "number", "exclusiveMaximum": 1}, "0.99999999999999999999", False),
    ({"type": "number", "exclusiveMaximum": 1}, "0.9999999999999999", True),
    ({"type": "number", "exclusiveMaximum": 1}, "0.99999999999999994448", True),
    ({"type": "number", "exclusiveMaximum": 1}, "0.99999999999999994449", False),
    ({"oneOf": [{"type": "integer"}, {"type": "number"}]}, "36273022314406767036.238", False),
    ({"oneOf": [{"type": "integer"}, {"type": "number"}]}, "12345.6789012345", True),
    ({"type": "number", "exclusiveMinimum": 0}, "1e-400", False),
    ({"type": "number", "exclusiveMinimum": 0}, "1e-307", True),
    ({"type": "number", "exclusiveMinimum": 0}, "0.00001e-302", True),
    ({"type": "number", "exclusiveMinimum": 0}, "0.5e-306", True),
    ({"type": "number", "exclusiveMinimum": 0}, "0.00001e-319", False),
    ({"type": "number", "exclusiveMinimum": 0}, "0.00000000000000000001e-304", False),
    ({"type": "number", "exclusiveMaximum": 0}, "-1e-400", False),
    ({"type": "number", "not": {"const": 0}}, "1E-324", False),
    ({"type": "number", "minimum": 0}, "1e-400", True),
    ({"type": "number", "not": {"const": 0.1}}, "0.10000000000000000001", False),
    ({"type": "number", "not": {"const": 0.1}}, "0.1000000000000001", True),
    ({"type": "number", "multipleOf": 0.01}, "19.99", True),
    ({"type": "integer", "maximum": 2**63 - 1}, str(2**63 - 1), True),
    ({"type": "number", "maximum": 2**63 - 1}, str(2**63 - 1), True),
    ({"type": "number", "maximum": 2**63 - 1}, f"{2**63 - 1}.0", False),
    ({"type": "number", "exclusiveMinimum": 2**53}, str(2**53 + 1), True),
    ({"type": "number", "exclusiveMinimum": 2**53}, f"{2**53 + 1}.0", False),
    ({"type": "array", "uniqueItems": True}, "[0.1,0.10000000000000000001]", False),
    ({"type": "array", "uniqueItems": True}, "[0.10000000000000000001,0.1]", False),
    ({"type": "array", "uniqueItems": True}, '[{"a":[0.1]},{"a":[0.10000000000000000001]}]', False),
    ({"type": "array", "uniqueItems": True}, f"[{2**53 + 1}.0,{2**53}]", False),
    ({"type": "array", "uniqueItems": True}, f"[{2**53 + 1},{2**53}]", True),
    ({"enum": [[0.1], [0.2]]}, "[0.10000000000000000001]", False),
    ({"const": 1e23}, str(int(1e23)), True),
    ({"const": 1e23}, str(10**23), False),
    ({"const": 10**23}, str(10**23), True),
    ({"type": "number", "minimum": 1e30}, str(10**30), False),
    ({"type": "number", "minimum": 36028797018963972.5}, "36028797018963975", False),
    ({"type": "number", "minimum": 1e15, "not": {"type": "integer"}}, "1000000000000000.5", True),
    ({"type": "number", "minimum": 1e15, "not": {"type": "integer"}}, "4503599627370496.5", False),
    ({"type": "number", "not": {"type": "integer"}}, "0.30000000000000004", True),
    ({"type": "number", "not": {"type": "integer"}}, "3.99999999999999999999", False),
    ({"type": "array", "items": {"enum": [[-1e23], [1]]}, "uniqueItems": True}, f"[[{-(10**23)}]]", False),
]


@for_each("case", range(len(ONE)))
def test_a_numeral_is_taken_where_its_double_is_what_its_decimal_is(case: int) -> None:
    schema, text, is_taken = ONE[case]
    assert taken(compiled(schema), text) is is_taken, (schema, text)
    assert not is_taken or accepted(schema, text), (schema, text)


@for_each("policy", ["decimal", "any"])
def test_an_option_keeps_exact_decimals(policy: str) -> None:
    for schema, text in [
        ({"type": "number", "exclusiveMaximum": 1}, "0.99999999999999999999"),
        ({"oneOf": [{"type": "integer"}, {"type": "number"}]}, "36273022314406767036.238"),
        ({"type": "number", "exclusiveMinimum": 0}, "1e-400"),
        ({"type": "array", "uniqueItems": True}, "[0.1,0.10000000000000000001]"),
    ]:
        assert taken(compiled(schema, numbers=policy), text), (schema, text)


def test_a_place_between_two_doubles_has_no_documents_under_the_default() -> None:
    schema = {"type": "number", "exclusiveMinimum": 1, "exclusiveMaximum": 1.0000000000000002}
    assert taken(compiled(schema, numbers="decimal"), "1.0000000000000001")
    with pytest.raises(UnsatisfiableSchema) as caught:
        compiled(schema)
    assert "numbers" in str(caught.value)
