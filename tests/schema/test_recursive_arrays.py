"""Arrays whose items are judged by the schema itself, beside `contains`, `uniqueItems`, `unevaluatedItems`
and branches: whether any value is possible is decided, and documents are those of `jsonschema_rs`."""

from __future__ import annotations

import itertools
import json
import random
from typing import Any

import pytest

import structgen as sg
from structgen.base.errors import LimitError, UnsatisfiableSchema
from structgen.machines.core.string_values import grammar_accepts, over_bytes

jsonschema_rs = pytest.importorskip("jsonschema_rs")

pytestmark = pytest.mark.filterwarnings("ignore::structgen.errors.SchemaWarning")
LEAVES: list[Any] = [
    *[{"$ref": "#"}] * 3,
    *[{"$ref": "#/$defs/A"}] * 3,
    {"type": "integer"},
    {"type": "string"},
    {"enum": [5, "x", None]},
    {"const": 7},
    {"uniqueItems": True},
    {"minItems": 1},
    {"type": "array"},
    True,
    False,
]
SCALARS: list[Any] = [5, 7, "x", "y", None]
ITEMS: list[Any] = [*SCALARS, [], [5], ["x"], [5, 5], [[]]]
DOCUMENTS = [
    *ITEMS,
    *([one] for one in ITEMS),
    *([*two] for two in itertools.product(ITEMS, repeat=2)),
    *([*three] for three in itertools.product([5, "x", []], repeat=3)),
    {},
]


class Draw:
    """Random schemas, mostly of arrays."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def root(self) -> dict[str, Any]:
        return {**self.schema(3), "$defs": {"A": self.schema(1)}}

    def some(self, depth: int) -> Any:
        if depth <= 0 or self.random.random() < 0.4:
            return self.random.choice(LEAVES)
        return self.schema(depth - 1)

    def schema(self, depth: int) -> dict[str, Any]:
        """Return a schema of one to three keywords."""
        made: dict[str, Any] = {}
        for _ in range(self.random.randint(1, 3)):
            keyword = self.random.choice(
                [
                    *("anyOf", "oneOf", "allOf", "if", "not", "items", "type", "minItems", "uniqueItems"),
                    *("prefixItems", "unevaluatedItems", "contains") * 2,
                ]
            )
            if keyword in ("anyOf", "oneOf", "allOf"):
                made[keyword] = [self.some(depth), self.some(depth)]
            elif keyword == "if":
                made |= {name: self.some(depth) for name in ("if", "then", "else")}
            elif keyword == "prefixItems":
                made[keyword] = [self.some(depth) for _ in range(self.random.randint(1, 2))]
            elif keyword == "contains":
                made |= {keyword: self.some(depth), "minContains": self.random.randint(0, 2)}
                if self.random.random() < 0.6:
                    made["maxContains"] = 2
            elif keyword == "type":
                made[keyword] = self.random.choice(["array", ["array", "integer"], ["array", "string"]])
            elif keyword == "minItems":
                made[keyword] = self.random.randint(1, 2)
            elif keyword == "uniqueItems":
                made[keyword] = True
            else:
                made[keyword] = self.some(depth)
        return made


def check(schema: Any) -> str:
    """Hold one schema to its judge, and return what became of it."""
    judge = jsonschema_rs.Draft202012Validator(schema)
    try:
        return judged(schema, judge)
    except LimitError:  # a tangle that is too large to be searched
        return "too large"


def judged(schema: Any, judge: Any) -> str:
    """Hold one schema to its judge. LimitError for what is too large."""
    try:
        held = over_bytes(sg.json_schema(schema))
    except UnsatisfiableSchema:
        assert not any(map(judge.is_valid, DOCUMENTS)), schema
        return "unsatisfiable"
    except sg.errors.SchemaError:  # a reference that leads to itself
        return "refused"
    for one in DOCUMENTS:
        assert grammar_accepts(held, json.dumps(one)) is judge.is_valid(one), (schema, one)
    return "decided"


@pytest.mark.parametrize("start", [0, 40])
def test_recursive_arrays_are_decided(start: int) -> None:
    outcomes = [check(Draw(seed).root()) for seed in range(start, start + 20)]
    assert "decided" in outcomes and "too large" not in outcomes


@pytest.mark.parametrize(
    "schema",
    [
        {
            "unevaluatedItems": {"$ref": "#"},
            "type": ["array", "integer"],
            "contains": {"prefixItems": [True], "uniqueItems": True},
            "maxContains": 2,
        },
        {
            "oneOf": [
                {"prefixItems": [{"anyOf": [{"contains": {}, "prefixItems": [{"$ref": "#"}]}]}]},
                {"uniqueItems": True, "unevaluatedItems": {"contains": {"type": "integer"}}},
            ]
        },
        {
            "oneOf": [
                {"uniqueItems": True, "contains": {"if": {"$ref": "#"}, "else": {"enum": [5, "x", None]}}},
                {"prefixItems": [{"type": "integer"}], "uniqueItems": True},
            ]
        },
    ],
)
def test_a_demand_on_itself_is_decided(schema: Any) -> None:
    assert check(schema) == "decided"


@pytest.mark.slow
@pytest.mark.parametrize("start", range(1_000, 21_000, 200))
def test_many_recursive_arrays_are_decided(start: int) -> None:
    outcomes = [check(Draw(seed).root()) for seed in range(start, start + 200)]
    assert "decided" in outcomes and outcomes.count("too large") < 25
