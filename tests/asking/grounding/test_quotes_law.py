"""The law of narrowing with `quotes`: it refuses no schema that compiles, its documents are documents of the
schema (judged by `jsonschema_rs`), and a document of the schema of which each value stands in the text is one
of them. Over random schemas in which `unevaluated*` asks which branches of its neighbours hold."""

from __future__ import annotations

import itertools
import json
import random
from typing import Any

import pytest

pytest.importorskip("babel")
pytest.importorskip("text_to_num")

import structgen as sg
from structgen.asking.grounding.narrowing import narrow_grammar
from structgen.asking.grounding.stated_text import StatedText
from structgen.base.errors import LimitError, NotStatedError, StructgenError
from structgen.machines.core.string_values import grammar_accepts, over_bytes

jsonschema_rs = pytest.importorskip("jsonschema_rs")

pytestmark = pytest.mark.filterwarnings("ignore::structgen.errors.SchemaWarning")
STRING = {"type": "string"}
LEAVES: list[Any] = [
    *[STRING] * 4,
    {"type": ["string", "null"]},
    {"type": "string", "maxLength": 4},
    {"type": "integer"},
    {"type": ["string", "array"]},
    {"type": "string", "x-quote": {}},
    {"minLength": 3},
    {"$ref": "#"},
    {"$ref": "#/$defs/A"},
    True,
    False,
]
SAYINGS: list[Any] = [
    {"required": ["p"]},
    {"type": "object"},
    {"type": "array"},
    {"type": "string"},
    {"minItems": 1},
    {"uniqueItems": True},
]
TEXTS = [
    {"": "The name is Ada, and the other 5 are called Grace Hopper"},
    {"first": "The name is Ada", "second": "other 5 Grace Hopper"},
    {"": "name Ada Grace Hopper 5"},
]
STATED: list[Any] = ["Ada", "name", "Grace Hopper", 5, None]
SCALARS = [*STATED, "Bob", "is no run", 7]


class Draw:
    """Random schemas."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def root(self) -> dict[str, Any]:
        return {**self.schema(3), "$defs": {"A": self.some(1)}}

    def some(self, depth: int) -> Any:
        if depth <= 0 or self.random.random() < 0.5:
            return self.random.choice(LEAVES)
        return self.schema(depth - 1)

    def schema(self, depth: int) -> dict[str, Any]:
        """Return a schema of one to three keywords."""
        made: dict[str, Any] = {}
        for _ in range(self.random.randint(1, 3)):
            keyword = self.random.choice(
                [
                    *("anyOf", "oneOf", "allOf", "prefixItems", "unevaluatedItems", "unevaluatedProperties"),
                    *("if", "properties", "dependentSchemas", "contains", "additionalProperties", "not", ""),
                ]
            )
            if keyword in ("anyOf", "oneOf", "allOf"):
                made[keyword] = [self.some(depth), self.some(depth)]
            elif keyword == "prefixItems":
                made[keyword] = [self.some(depth) for _ in range(self.random.randint(1, 2))]
            elif keyword == "if":
                made |= {name: self.some(depth) for name in ("if", "then", "else")}
            elif keyword in ("properties", "dependentSchemas"):
                names = self.random.sample("pqr", 2 if keyword == "properties" else 1)
                made[keyword] = {name: self.some(depth) for name in names}
            elif keyword == "not":
                made[keyword] = self.random.choice([{"type": "integer"}, {"required": ["q"]}, STRING])
            elif keyword:
                made[keyword] = self.some(depth)
            else:
                made |= self.random.choice(SAYINGS)
        return made


def documents(rng: random.Random) -> list[Any]:
    """Return small documents, and some of two levels."""
    flat = [
        *SCALARS,
        [],
        *([one] for one in SCALARS),
        *([*two] for two in itertools.product(SCALARS, repeat=2) if rng.random() < 0.4),
        {},
        *({name: one} for name in "pqr" for one in SCALARS),
        *({"p": one, name: two} for name in "qr" for one, two in itertools.product(SCALARS, repeat=2)),
    ]
    inner = [rng.choice(flat) for _ in range(60)]
    return [*flat, *(rng.choice(([one], {"p": one}, {"q": one, "r": rng.choice(SCALARS)})) for one in inner)]


def is_stated(document: Any) -> bool:
    if isinstance(document, (list, dict)):
        return all(map(is_stated, document.values() if isinstance(document, dict) else document))
    return document in STATED


def check(seed: int) -> str:
    """Hold one random schema to the law, and return what became of it."""
    rng = random.Random(seed)
    schema = Draw(seed).root()
    try:
        grammar = sg.json_schema(schema, whitespace="compact", property_order="any")
        over_bytes(grammar)
    except StructgenError as error:
        return type(error).__name__
    try:
        return judged(schema, grammar, rng)
    except LimitError:  # a tangle that is too large to be searched
        return "too large"


def judged(schema: Any, grammar: Any, rng: random.Random) -> str:
    """Hold a schema that compiles to the law."""
    try:
        held = over_bytes(narrow_grammar(grammar, StatedText(rng.choice(TEXTS)), quotes=True).grammar)
    except NotStatedError:
        held = None
    judge = jsonschema_rs.Draft202012Validator(schema)
    outcomes = set[str]()
    for one in documents(rng):
        is_found = held is not None and grammar_accepts(held, json.dumps(one, separators=(",", ":")))
        is_valid = judge.is_valid(one)
        assert is_valid or not is_found, (schema, one)
        assert is_found or not (is_valid and is_stated(one)), (schema, one)
        outcomes.add("some" if is_found else "none")
    return max(outcomes)


@pytest.mark.parametrize("start", range(0, 60, 20))
def test_quotes_refuse_no_schema_and_narrow_it(start: int) -> None:
    outcomes = {check(seed) for seed in range(start, start + 20)}
    assert "some" in outcomes and "too large" not in outcomes


@pytest.mark.parametrize(
    "schema",
    [
        {
            "oneOf": [{"properties": {"r": STRING}, "required": ["p"]}, {}],
            "unevaluatedProperties": {"additionalProperties": {}},
        },
        {
            "properties": {
                "q": {
                    "if": STRING,
                    "else": {
                        "dependentSchemas": {"p": {"properties": {"q": STRING}}},
                        "oneOf": [{"additionalProperties": {"$ref": "#"}}],
                    },
                }
            }
        },
        {"anyOf": [{}, {"unevaluatedItems": STRING}], "unevaluatedItems": {"maxLength": 9}},
        {
            "if": {"required": ["q"]},
            "else": {"anyOf": [{}, {"unevaluatedProperties": STRING}]},
            "unevaluatedProperties": {"minLength": 3},
        },
        {"allOf": [STRING, {"type": "string", "maxLength": 4}]},
    ],
)
@pytest.mark.parametrize("texts", TEXTS)
def test_quotes_are_no_values_that_somebody_denies(schema: Any, texts: dict[str, str]) -> None:
    over_bytes(narrow_grammar(sg.json_schema(schema), StatedText(texts), quotes=True).grammar)


@pytest.mark.slow
@pytest.mark.parametrize("start", range(1_000, 21_000, 200))
def test_the_law_of_quotes_over_many_schemas(start: int) -> None:
    outcomes = [check(seed) for seed in range(start, start + 200)]
    assert "some" in outcomes and outcomes.count("too large") < 4
