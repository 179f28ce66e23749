"""Whether a numeral counts for a keyword does not depend on where it stands, nor on how it is written.

Random schemas, and documents whose numbers are written in several ways. A policy says which numerals may
stand at a place at all; `jsonschema` judges the values. It shares no code with us.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable
from typing import Any

import jsonschema
import pytest
from compiled_texts import takes
from schema_documents import BYTES

import structgen as sg

WRITTEN = {
    1: ["1", "1.0", "1.00", "1.000"],
    2: ["2", "2.0", "2.00"],
    3: ["3", "3.00"],
    2.5: ["2.5", "2.50"],
    0.5: ["0.5", "0.500"],
}
NUMERAL = re.compile(r"-?[0-9][-+.0-9eE]*")
ALLOWED: dict[str, Callable[[str], bool]] = {
    "bounded": lambda numeral: True,
    "any": lambda numeral: True,
    "plain": lambda numeral: "e" not in numeral.lower() and not re.fullmatch(r".*\.0+", numeral),
    "python": lambda numeral: json.dumps(json.loads(numeral)) == numeral,
}
"""Which of these numerals a policy lets stand where numbers of every kind may stand."""
Chance = random.Random


def judge(chance: Chance, depth: int) -> Any:
    """Return a schema that some keyword counts, tests or denies values by."""
    kind = chance.random()
    if not depth or kind < 0.5:
        return chance.choice(
            [
                {"type": "integer"},
                {"const": chance.choice([1, 2, 2.5, [1], {"k": 2}])},
                {"enum": chance.choice([[1, 2], [1, 2.5], [1, "a"], [[1], [2.5]], [{"k": 1}, 3]])},
                {"multipleOf": chance.choice([1, 2, 0.5])},
                {"minimum": 2},
                {"type": "string"},
                {"not": {"type": "integer"}},
                {"not": {"not": {"const": 1}}},
                {"oneOf": [{"type": "integer"}, {"minimum": 2}]},
                {"anyOf": [{"const": 1}, {"type": "string"}]},
            ]
        )
    if kind < 0.7:
        return {"type": "object", "properties": {"k": judge(chance, depth - 1)}, "required": ["k"]}
    if kind < 0.8:
        return {"oneOf": [judge(chance, depth - 1), judge(chance, depth - 1)]}
    return {"type": "array", chance.choice(["items", "contains"]): judge(chance, depth - 1)}


def free(chance: Chance) -> Any:
    """Return a schema of a place where numbers of every kind may stand."""
    return chance.choice(
        [True, {"type": ["number", "string", "array", "object"]}, {"enum": [1, 2.5, 3, "a"]}]
    )


def array_keywords(chance: Chance) -> Any:
    some = judge(chance, 2)
    return chance.choice(
        [
            {"contains": some, "minContains": chance.choice([0, 1, 2])},
            {"contains": some, "maxContains": chance.choice([1, 2])},
            {"not": {"items": some}},
            {"not": {"contains": some}},
            {"uniqueItems": True},
            {"not": {"uniqueItems": True}},
            {"if": {"contains": some}, "then": {"minItems": 2}},
            {"contains": some, "unevaluatedItems": {"type": ["number", "string"]}},
        ]
    )


def object_keywords(chance: Chance) -> Any:
    some = {"properties": {"k": judge(chance, 1)}}
    return chance.choice(
        [
            {"if": {**some, "required": ["k"]}, "then": {"required": ["m"]}},
            {"if": some, "then": {"required": ["m"]}, "else": {"minProperties": 2}},
            {"not": some},
            {"not": {"additionalProperties": judge(chance, 1)}},
            {"not": {"patternProperties": {"^k": judge(chance, 1)}}},
        ]
    )


def schema(chance: Chance) -> dict[str, Any]:
    if chance.random() < 0.4:
        found: dict[str, Any] = {"type": "object"}
        found["allOf"] = [object_keywords(chance) for _ in range(chance.choice([1, 2, 4]))]
        return {**found, "properties": {"k": free(chance)}} if chance.random() < 0.5 else found
    found = {"type": "array", "maxItems": chance.choice([2, 3])}
    found["allOf"] = [array_keywords(chance) for _ in range(chance.choice([1, 1, 2]))]
    where = chance.random()
    if where < 0.4:
        found["items"] = free(chance)
    elif where < 0.6:
        found["prefixItems"] = [free(chance)]
    return found


def text(chance: Chance, depth: int) -> str:
    kind = chance.random()
    if not depth or kind < 0.6:
        return chance.choice(WRITTEN[chance.choice(list(WRITTEN))]) if chance.random() < 0.8 else '"a"'
    if kind < 0.8:
        return "[" + ",".join(text(chance, depth - 1) for _ in range(chance.randrange(3))) + "]"
    return f'{{"k":{text(chance, depth - 1)}}}'


def document(chance: Chance, kind: str) -> str:
    if kind == "array":
        return "[" + ",".join(text(chance, 2) for _ in range(chance.randrange(4))) + "]"
    keys = chance.sample(["k", "m", "z"], chance.randrange(4))
    return "{" + ",".join(f'"{key}":{text(chance, 1)}' for key in keys) + "}"


def wrong(policy: str, seed: int, count: int) -> list[tuple[Any, str]]:
    """Return the documents of random schemas that are judged wrongly."""
    chance = Chance(seed)
    found = []
    for _ in range(count):
        source = schema(chance)
        documents = [document(chance, source["type"]) for _ in range(12)]
        grammar = sg.json_schema(source, numbers=policy, property_order="any", strict=None)  # type: ignore[arg-type]
        try:
            compiled = sg.compile(grammar, BYTES, store=False)
        except sg.errors.UnsatisfiableSchema:
            continue
        valid = jsonschema.Draft202012Validator(source).is_valid
        for one in documents:
            expected = valid(json.loads(one)) and all(map(ALLOWED[policy], NUMERAL.findall(one)))
            if takes(compiled, one) != expected:
                found.append((source, one))
    return found


COUNTS = [("bounded", 120), ("any", 10), ("plain", 10), ("python", 10)]
MANY = [pytest.param(policy, 1500, marks=pytest.mark.slow) for policy in ALLOWED]


@pytest.mark.parametrize(("policy", "count"), [*COUNTS, *MANY])
def test_keywords_judge_the_values_of_numerals_wherever_they_stand(policy: str, count: int) -> None:
    assert wrong(policy, 9, count) == []


def test_items_of_integers_are_digits_alone_whatever_else_counts_them() -> None:
    chance = Chance(4)
    for _ in range(15):
        source = {
            "type": "array",
            "items": {"type": "integer"},
            "maxItems": 3,
            "allOf": [array_keywords(chance)],
        }
        try:
            compiled = sg.compile(sg.json_schema(source, strict=None), BYTES, store=False)
        except sg.errors.UnsatisfiableSchema:
            continue
        valid = jsonschema.Draft202012Validator(source).is_valid
        for _ in range(8):
            one = "[" + ",".join(text(chance, 0) for _ in range(chance.randrange(4))) + "]"
            digits = all(numeral.isdigit() for numeral in NUMERAL.findall(one))
            assert takes(compiled, one) == (digits and valid(json.loads(one))), (source, one)


@pytest.mark.parametrize("count", [70, pytest.param(1_000, marks=pytest.mark.slow)])
def test_the_completion_of_a_number_is_the_first_of_its_shortest_numerals(count: int) -> None:
    chance = random.Random(81)
    for _ in range(count):
        low = chance.choice([None, -120, -7, 0, 2, 9, 10, 18, 99, 100, 250, 1001, 2.5, 99.5])
        high = chance.choice([None, -1001, -250, -11, -2.5, -1, 0, 3, 19, 1001])
        schema: dict[str, Any] = {"type": chance.choice(["integer", "number"])}
        schema |= {} if low is None else {chance.choice(["minimum", "exclusiveMinimum"]): low}
        schema |= {} if high is None else {chance.choice(["maximum", "exclusiveMaximum"]): high}
        schema |= chance.choice([{}, {}, {}, {"multipleOf": 7}, {"enum": [12, -3, 2.5, 4000, 260]}])
        numbers = chance.choice(["bounded", "bounded", "plain", "any", "python"])
        try:
            compiled = sg.compile(sg.json_schema(schema, numbers=numbers), BYTES, store=False)
        except sg.errors.UnsatisfiableSchema:
            continue
        texts = {b"": compiled.start}
        while not (whole := [text for text, state in texts.items() if compiled.accepts_end(state)]):
            steps = [
                (text, bytes([byte]), state)
                for text, state in texts.items()
                for byte in sorted(b"-+.0123456789eE")
            ]
            after = {text + byte: compiled.step_bytes(state, byte) for text, byte, state in steps}
            texts = {text: state for text, state in after.items() if state is not None}
        assert compiled.completion(compiled.start) == min(whole), (schema, numbers)


def divisors(chance: Chance) -> Any:
    """Return a schema that takes some divisors or leaves them out, of up to a million remainders together."""
    some = [{"multipleOf": chance.choice([2, 3, 2.5, 6.5, 7, 11, 37, 53, 101, 103])} for _ in range(5)]
    return {"anyOf": some} if chance.random() < 0.5 else {"not": {"anyOf": some}}


@pytest.mark.parametrize("count", [12, pytest.param(100, marks=pytest.mark.slow, id="whole")])
def test_between_near_bounds_numbers_may_have_any_divisors(count: int) -> None:
    for seed in range(count):
        chance = Chance(100 + seed)
        low = chance.randint(-900, 800)
        schema = {"type": "number", "minimum": low, "exclusiveMaximum": low + chance.choice([3, 20, 100])}
        schema["allOf"] = [divisors(chance) for _ in range(chance.randint(1, 2))]
        judge = jsonschema.Draft202012Validator(schema)
        values = [low - 2 + step // 2 if step % 2 == 0 else low - 2 + step / 2 for step in range(210)]
        valid = {value for value in values if judge.is_valid(value)}
        try:
            compiled = sg.compile(sg.json_schema(schema), BYTES)
        except (
            sg.errors.UnsatisfiableSchema,
            sg.errors.LimitError,
        ):  # saying why no number is left may cost too much
            assert not valid, seed
            continue
        assert {value for value in values if takes(compiled, json.dumps(value).encode())} == valid, seed
