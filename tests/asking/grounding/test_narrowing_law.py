"""The law of narrowing: a document is one of the narrowed schema if and only if it is one of the given
schema, and its groundable values stand in the text. Over random schemas and texts, on enumerated documents:
judged by `jsonschema`, `jsonschema_rs`, and the specification's rules for one keyword after another."""

from __future__ import annotations

import itertools
import json
import random
from typing import Any, NamedTuple

import pytest

pytest.importorskip("babel")
pytest.importorskip("text_to_num")

import structgen as sg
from structgen.asking.grounding.narrowing import narrow_grammar
from structgen.asking.grounding.stated_text import StatedText
from structgen.base.errors import NotStatedError, StructgenError
from structgen.machines.core.string_values import grammar_accepts, over_bytes

jsonschema = pytest.importorskip("jsonschema")
jsonschema_rs = pytest.importorskip("jsonschema_rs")

pytestmark = pytest.mark.filterwarnings("ignore::structgen.errors.SchemaWarning")
CODE = "^[A-Z]{2}-[0-9]{3}$"
DAY = "2026-10-09"
PIECES = ["5", "12", "61.5", DAY, "AB-123", "words"]
SCALARS: list[Any] = [5, 7, 12, 61.5, DAY, "2025-01-31", "AB-123", "ZZ-000", "x", True, None]
LEAVES: list[Any] = [
    {"type": "integer"},
    {"type": "integer"},
    {"type": "integer", "minimum": 6},
    {"type": "number"},
    {"type": ["integer", "null"]},
    {"type": ["integer", "object"]},
    {"minimum": 6},
    {"type": "integer", "minimum": 9, "maximum": 8},
    {"type": "integer", "x-inferred": True},
    {"type": "string", "format": "date"},
    {"type": "string", "pattern": CODE},
    {"type": ["number", "string"], "pattern": CODE},
    {"type": "string"},
    {"type": "boolean"},
    {"enum": [5, "x", None]},
    {"const": 7},
    {"type": "array"},
    {},
    True,
    False,
]
REST = {"null", "boolean"}
CONDITIONS = ("allOf", "anyOf", "oneOf", "then", "else")
OWN = ("type", "enum", "const", "minimum", "maximum", "pattern", "format", "required", "minItems")
NAMES = ["p", "q", DAY]


class Judgement(NamedTuple):
    """Whether a value meets a schema, and which of its members and items were evaluated."""

    is_valid: bool
    evaluated: frozenset[Any] = frozenset()


class Judge:
    """Judges documents by a schema, whose places are held to a text where `held` is said: the values that a
    place takes by its own keywords have to be pieces of the text."""

    def __init__(self, root: Any, pieces: list[str]) -> None:
        self.root, self.pieces = root, pieces
        self.formats = jsonschema.Draft202012Validator.FORMAT_CHECKER
        self.known: dict[Any, Judgement] = {}

    def states(self, value: Any) -> bool:
        return (value if isinstance(value, str) else str(value)) in self.pieces

    def judge(self, schema: Any, value: Any, held: bool) -> Judgement:
        """Return the judgement of a value, which lives as long as the judge does."""
        if isinstance(schema, bool):
            return Judgement(schema)
        key = id(schema), id(value), held
        if key not in self.known:
            self.known[key] = self._judged(schema, value, held)
        return self.known[key]

    def _judged(self, schema: Any, value: Any, held: bool) -> Judgement:
        held = held and schema.get("x-inferred") is not True
        below, seen, is_valid = held, set[Any](), True

        def meets(sub: Any, one: Any, *, held: bool, is_same: bool = False) -> bool:
            found = self.judge(sub, one, held)
            if found.is_valid and is_same:
                seen.update(found.evaluated)
            return found.is_valid

        own = {key: schema[key] for key in schema if key in OWN}
        is_valid = jsonschema.Draft202012Validator(own, format_checker=self.formats).is_valid(value)
        if held and "enum" not in schema and "const" not in schema:
            types = schema.get("type", ["null", "boolean", "object", "array", "string", "number"])
            types = {
                "number" if name == "integer" else name
                for name in ([types] if isinstance(types, str) else types)
            }
            kinds = set[str]()
            if "number" in types and ("type" in schema or {"minimum", "maximum"} & schema.keys()):
                kinds.add("number")
            if "string" in types and {"pattern", "format"} & schema.keys():
                kinds.add("string")
            if kinds and types - kinds <= REST:
                below = False  # the value has to meet these as they are
            kind = (
                "string"
                if isinstance(value, str)
                else "number"
                if isinstance(value, int | float) and not isinstance(value, bool)
                else ""
            )
            is_valid = is_valid and (kind not in kinds or self.states(value))
        if "$ref" in schema:
            name = schema["$ref"].removeprefix("#").removeprefix("/$defs/")
            target = self.root["$defs"][name] if name else self.root
            is_valid &= meets(target, value, held=held, is_same=True)
        if isinstance(value, dict):
            is_valid &= self._members(schema, value, held, seen, meets)
        if isinstance(value, list):
            is_valid &= self._items(schema, value, held, seen, meets)
        for part in schema.get("allOf", ()):
            is_valid &= meets(part, value, held=below, is_same=True)
        if "anyOf" in schema:
            is_valid &= True in ([meets(part, value, held=below, is_same=True) for part in schema["anyOf"]])
        if "oneOf" in schema:
            is_valid &= [meets(part, value, held=False, is_same=True) for part in schema["oneOf"]].count(
                True
            ) == 1
            is_valid &= True in ([meets(part, value, held=below) for part in schema["oneOf"]])
        if "not" in schema:
            is_valid &= not meets(schema["not"], value, held=False)
        if "if" in schema:
            branch = "then" if meets(schema["if"], value, held=False, is_same=True) else "else"
            is_valid &= meets(schema.get(branch, True), value, held=below, is_same=True)
        if isinstance(value, dict) and "unevaluatedProperties" in schema:
            rest = value.keys() - seen
            is_valid &= False not in (
                [meets(schema["unevaluatedProperties"], value[name], held=held) for name in rest]
            )
            seen |= rest
        if isinstance(value, list) and "unevaluatedItems" in schema:
            rest = {*range(len(value))} - seen
            is_valid &= False not in (
                [meets(schema["unevaluatedItems"], value[at], held=held) for at in rest]
            )
            seen |= rest
        return Judgement(is_valid, frozenset(seen))

    def _members(self, schema: Any, value: Any, held: bool, seen: set[Any], meets: Any) -> bool:
        is_valid, beside = True, {*value}
        for name, part in schema.get("properties", {}).items():
            if name in value:
                is_valid &= meets(part, value[name], held=held)
                seen.add(name)
                beside.discard(name)
        for _, part in schema.get("patternProperties", {}).items():  # of names with a hyphen
            for name in value:
                if "-" in name:
                    is_valid &= meets(part, value[name], held=held)
                    seen.add(name)
                    beside.discard(name)
        if "additionalProperties" in schema:
            is_valid &= False not in (
                [meets(schema["additionalProperties"], value[name], held=held) for name in beside]
            )
            seen |= beside
        if "propertyNames" in schema:
            is_held = held and "format" in schema["propertyNames"]
            is_valid &= False not in ([meets(schema["propertyNames"], name, held=is_held) for name in value])
        for name, part in schema.get("dependentSchemas", {}).items():
            if name in value:
                is_valid &= meets(part, value, held=held, is_same=True)
        return is_valid

    def _items(self, schema: Any, value: Any, held: bool, seen: set[Any], meets: Any) -> bool:
        is_valid, prefix = True, schema.get("prefixItems", [])
        for at, (part, one) in enumerate(zip(prefix, value, strict=False)):
            is_valid &= meets(part, one, held=held)
            seen.add(at)
        if "items" in schema:
            for at in range(len(prefix), len(value)):
                is_valid &= meets(schema["items"], value[at], held=held)
                seen.add(at)
        if "contains" in schema:
            those = {at for at, one in enumerate(value) if meets(schema["contains"], one, held=False)}
            is_valid &= len(those) >= schema.get("minContains", 1)
            seen |= those
        return is_valid


class Draw:
    """Random schemas. References lead to the leaf `d0`, from the root also to `d1`, and from members and
    items back to the root."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.targets = ["#/$defs/d0"]

    def root(self) -> dict[str, Any]:
        definitions = {"d0": self.leaf(), "d1": self.schema(1)}
        self.targets.append("#/$defs/d1")
        return {**self.schema(3, is_root=True), "$defs": definitions}

    def leaf(self) -> Any:
        leaf = self.random.choice(LEAVES)
        return dict(leaf) if isinstance(leaf, dict) else leaf

    def some(self, depth: int, *, is_below: bool = False) -> Any:
        draw = self.random.random()
        if draw < 0.05 and is_below:
            return {"$ref": "#"}
        if draw < 0.25:
            return {"$ref": self.random.choice(self.targets)}
        return self.leaf() if depth == 0 or draw < 0.6 else self.schema(depth - 1)

    def schema(self, depth: int, *, is_root: bool = False) -> dict[str, Any]:
        """Return a schema of one to three groups of keywords."""
        groups = [self.random.choice([self.members, self.members, self.items]), self.combined, self.tested]
        made: dict[str, Any] = {}
        for group in self.random.sample(groups, self.random.choice([1, 1, 2, 3])):
            made |= group(depth)
        if not is_root and self.random.random() < 0.2:
            leaf = self.leaf()
            made = {**leaf, **made} if isinstance(leaf, dict) else made
        return made

    def pick(self, chance: float, **made: Any) -> dict[str, Any]:
        return made if self.random.random() < chance else {}

    def members(self, depth: int) -> dict[str, Any]:
        names = self.random.sample(NAMES, self.random.randint(1, 2))
        return {
            **self.pick(0.7, type="object"),
            **self.pick(0.8, properties={name: self.some(depth, is_below=True) for name in names}),
            **self.pick(0.6, required=[name for name in names if self.random.random() < 0.6]),
            **self.pick(0.2, patternProperties={"-": self.some(0, is_below=True)}),
            **self.pick(0.4, additionalProperties=self.random.choice([False, self.some(0, is_below=True)])),
            **self.pick(0.15, propertyNames=self.random.choice([{"format": "date"}, {"pattern": "^[pq2]"}])),
            **self.pick(0.2, dependentSchemas={self.random.choice(NAMES): self.schema(0)}),
            **self.pick(0.25, unevaluatedProperties=self.random.choice([False, self.some(0, is_below=True)])),
        }

    def items(self, depth: int) -> dict[str, Any]:
        return {
            **self.pick(0.7, type="array"),
            **self.pick(0.5, items=self.some(depth, is_below=True)),
            **self.pick(
                0.4, prefixItems=[self.some(0, is_below=True) for _ in range(self.random.randint(1, 2))]
            ),
            **self.pick(0.4, contains=self.some(0, is_below=True)),
            **self.pick(0.3, unevaluatedItems=self.random.choice([False, self.some(0, is_below=True)])),
            **self.pick(0.4, minItems=self.random.randint(0, 2)),
        }

    def combined(self, depth: int) -> dict[str, Any]:
        keywords = self.random.sample(["anyOf", "oneOf", "allOf"], self.random.choice([1, 1, 2]))
        return {key: [self.some(depth) for _ in range(self.random.randint(1, 3))] for key in keywords}

    def tested(self, depth: int) -> dict[str, Any]:
        if self.random.random() < 0.3:
            return {"not": self.some(depth)}
        return {
            "if": self.some(depth),
            **self.pick(0.8, then=self.some(depth)),
            **self.pick(0.6, **{"else": self.some(depth)}),
        }


def documents(rng: random.Random) -> list[Any]:
    """Return all small documents, and some of two levels."""
    flat = [
        *SCALARS,
        [],
        *([one] for one in SCALARS),
        *([*two] for two in itertools.product(SCALARS[:9], repeat=2) if rng.random() < 0.5),
        {},
        *({name: one} for name in NAMES for one in SCALARS),
        *(
            {"p": one, name: two}
            for name in NAMES[1:]
            for one, two in itertools.product(SCALARS[:9], repeat=2)
            if rng.random() < 0.4
        ),
    ]
    inner = [rng.choice(flat) for _ in range(80)]
    deep = [rng.choice(([one], {"p": one}, {"p": one, "q": rng.choice(SCALARS)})) for one in inner]
    return [*flat, *deep]


def check(seed: int) -> str:
    """Hold one random schema to the law, and return what became of it."""
    rng = random.Random(seed)
    schema = Draw(seed).root()
    pieces = rng.sample(PIECES, rng.randint(0, len(PIECES)))
    try:
        grammar = sg.json_schema(schema, whitespace="compact", property_order="any")
        over_bytes(grammar)
    except StructgenError as error:
        return type(error).__name__
    judge = Judge(schema, pieces)
    tried = documents(rng)
    first = jsonschema.Draft202012Validator(schema, format_checker=judge.formats)
    second: Any = jsonschema_rs.Draft202012Validator(schema, validate_formats=True)
    wanted = []
    for one in tried:
        is_valid = first.is_valid(one)
        assert is_valid == second.is_valid(one) == judge.judge(schema, one, False).is_valid, (schema, one)
        wanted.append(is_valid and judge.judge(schema, one, True).is_valid)
    try:
        held = over_bytes(narrow_grammar(grammar, StatedText({"text": " | ".join(pieces)})).grammar)
    except NotStatedError:
        found, outcome = [False] * len(tried), "nothing"
    else:
        found = [grammar_accepts(held, json.dumps(one, separators=(",", ":"))) for one in tried]
        outcome = "some" if any(found) else "none of these"
    differ = [
        (one, is_wanted)
        for one, is_wanted, is_found in zip(tried, wanted, found, strict=True)
        if is_wanted != is_found
    ]
    assert not differ, (schema, pieces, differ[:4])
    return outcome


@pytest.mark.parametrize("start", range(0, 60, 20))
def test_a_document_is_narrowed_to_if_it_is_valid_and_stated(start: int) -> None:
    assert {check(seed) for seed in range(start, start + 20)} & {"some", "nothing"}


@pytest.mark.slow
@pytest.mark.parametrize("start", range(1_000, 5_000, 100))
def test_the_law_over_many_schemas(start: int) -> None:
    outcomes = [check(seed) for seed in range(start, start + 100)]
    assert outcomes.count("some") > 20
