"""Hypothesis strategies: schemas whose keywords meet each other, universes that bound them, vocabularies,
values.
"""

from __future__ import annotations

import itertools
import random
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from hypothesis import strategies as st
from language import character_spellings
from policy_oracle import canonical

sys.path.append(str(Path(__file__).parents[1] / "schema"))

from schema_strategies import PLAIN, Words, subschema

Json = Any

KEYS = ("a", "b", "x0")
"""The keys of bounded objects; "x0" is met by the pattern as well."""
KEY_PATTERNS = ("^x", "[ab]", "^b$", "^x*[ab]$")
KEY_SCHEMAS: tuple[Json, ...] = (
    {"maxLength": 1},
    {"pattern": "^[ax]0?$"},
    {"enum": ["a", "x0"]},
    {"not": {"const": "b"}},
    {"pattern": "^x*[ab]$"},
    False,
)
LEAVES: tuple[Json, ...] = (
    None,
    True,
    False,
    0,
    1,
    2,
    -1,
    Decimal("1.5"),
    "",
    "a",
    "ab",
    "b",
    'q"',
    "é",
    "\n",
)
STRING_PATTERNS = ("^a", "b$", "^[ab]*$", "a|b", "^$", "^.b")


WORDS = Words(
    KEYS,
    LEAVES,
    (
        *(True, {}, {"$ref": "#/$defs/d"}, {"$ref": "#/$defs/d"}, {"type": ["null", "integer", "string"]}),
        *({"type": name} for name in ("null", "boolean", "integer", "number", "string", "array", "object")),
        *({"minLength": 1}, {"minLength": 2}, {"maxLength": 0}, {"maxLength": 1}),
        *({"pattern": pattern} for pattern in STRING_PATTERNS),
        *({"minimum": 0}, {"minimum": Decimal("0.5")}, {"exclusiveMaximum": 1}, {"exclusiveMaximum": 2}),
        *({"multipleOf": step} for step in (2, Decimal("0.5"), Decimal("0.75"))),
    ),
    KEY_SCHEMAS,
    KEY_PATTERNS,
    PLAIN.keywords,
)


def schemas() -> st.SearchStrategy[Json]:
    """Return small schemas over all keywords, which may refer to `#/$defs/d`: the caller gives it."""
    return st.integers(0, 2**32).map(lambda seed: subschema(random.Random(seed), 2, WORDS))


@dataclass(frozen=True)
class Bounded:
    """A schema that accepts values of a finite universe alone."""

    schema: Json
    universe: tuple[Json, ...]
    named_strings: bool
    """Whether every string comes from an enum (spelt canonically), or none does (spelt freely)."""


@st.composite
def bounded_schemas(draw: st.DrawFn, depth: int = 2) -> Bounded:
    """Return a random schema together with a frame that leaves it finitely many values, and these values.

    Strings come from enums of the frame, so that their spelling is beyond doubt.
    """
    leaves = draw(st.lists(st.sampled_from(LEAVES), min_size=2, max_size=4, unique_by=repr))
    frame, universe = _frame(leaves, depth, draw(st.booleans()))
    schema = draw(schemas())
    definition = _guarded(draw(schemas()))
    if isinstance(schema, bool):
        schema = {}
    if "allOf" not in schema and draw(st.booleans()):
        whole = {**schema, "allOf": [{"$ref": "#/$defs/frame"}]}
    else:
        whole = {"allOf": draw(st.permutations([schema, {"$ref": "#/$defs/frame"}]))}
    return Bounded({**whole, "$defs": {"d": definition, "frame": frame}}, tuple(universe), True)


def _frame(leaves: Sequence[Json], depth: int, object_only: bool) -> tuple[Json, list[Json]]:
    """Return a schema and all the values that it accepts."""
    leaf: Json = {"enum": list(leaves)}
    frame, values = leaf, list(leaves)
    for level in range(depth):
        most = 2 if level == 0 and len(leaves) < 4 else 1
        keys: dict[str, tuple[Json, Sequence[Json]]] = {"a": (frame, values), "b": (leaf, leaves)}
        an_object: Json = {
            "type": "object",
            "properties": {"a": frame, "b": leaf},
            "additionalProperties": False,
            "maxProperties": 2,
        }
        if level == 0:
            an_object["patternProperties"] = {"^x0$": leaf}
            keys["x0"] = (leaf, leaves)
        objects = list(_objects({key: choices for key, (_, choices) in keys.items()}, 2))
        if object_only and level == depth - 1:
            return an_object, objects
        arrays = [list(items) for n in range(most + 1) for items in itertools.product(values, repeat=n)]
        frame = {"anyOf": [leaf, {"type": "array", "items": frame, "maxItems": most}, an_object]}
        values = [*leaves, *arrays, *objects]
    return frame, values


def _objects(choices: dict[str, Sequence[Json]], most: int) -> Iterator[Json]:
    for size in range(most + 1):
        for keys in itertools.combinations(choices, size):
            for chosen in itertools.product(*(choices[key] for key in keys)):
                yield dict(zip(keys, chosen, strict=True))


@st.composite
def bounded_strings(draw: st.DrawFn) -> Bounded:
    """Return a schema of free strings that has finitely many values: pattern and lengths, no enum or
    const.
    """
    letters = draw(st.sampled_from(["ab", 'a"', "é/", "\U0001f600a", "\n"]))
    most = draw(st.integers(1, 2))
    words = ["".join(w) for n in range(most + 1) for w in itertools.product(letters, repeat=n)]
    frame: Json = {"type": "string", "pattern": f"^[{letters}]{{0,{most}}}$"}
    frame |= draw(
        st.one_of(
            st.just({}),
            st.integers(0, 2).map(lambda n: {"minLength": n}),
            st.sampled_from(STRING_PATTERNS).map(lambda p: {"not": {"pattern": p}}),
            st.sampled_from(STRING_PATTERNS).map(lambda p: {"allOf": [{"pattern": p}]}),
        )
    )
    if draw(st.booleans()):
        return Bounded(frame, tuple(words), False)
    pairs = [list(p) for n in range(3) for p in itertools.product(words, repeat=n)]
    return Bounded({"type": "array", "items": frame, "maxItems": 2}, tuple(pairs), False)


@st.composite
def open_schemas(draw: st.DrawFn) -> Json:
    """Return a random schema whose values nothing bounds; it may refer to itself."""
    schema = draw(schemas())
    if isinstance(schema, bool):
        schema = {}
    definition = draw(st.one_of(schemas(), st.sampled_from(RECURSIVE)))
    return {**schema, "$defs": {"d": _guarded(definition)}}


RECURSIVE: tuple[Json, ...] = (
    {
        "type": "object",
        "properties": {"a": {"$ref": "#/$defs/d"}, "b": {"type": "integer"}},
        "required": ["b"],
    },
    {"type": ["array", "integer"], "items": {"$ref": "#/$defs/d"}, "maxItems": 2},
    {"anyOf": [{"type": "null"}, {"type": "object", "additionalProperties": {"$ref": "#/$defs/d"}}]},
)


def _guarded(schema: Json) -> Json:
    """Return the schema where no reference is reached without a step into the value: such a loop says
    nothing.
    """
    if not isinstance(schema, dict):
        return schema
    found = {}
    for keyword, body in schema.items():
        if keyword == "$ref":
            continue
        if keyword in ("allOf", "anyOf", "oneOf"):
            found[keyword] = [_guarded(s) for s in body]
        elif keyword in ("not", "if", "then", "else"):
            found[keyword] = _guarded(body)
        elif keyword == "dependentSchemas":
            found[keyword] = {key: _guarded(s) for key, s in body.items()}
        else:
            found[keyword] = body
    return found


def values(depth: int = 2) -> st.SearchStrategy[Json]:
    """Return values over the keys and scalars that the schemas speak of."""
    leaf = st.sampled_from(
        [*LEAVES, "abb", "aé", 3, Decimal("0.5"), Decimal("1.50"), 10**25, Decimal("1E-7")]
    )
    return st.recursive(
        leaf,
        lambda inner: st.one_of(
            st.lists(inner, max_size=3),
            st.dictionaries(st.sampled_from([*KEYS, "b1", "", 'k"']), inner, max_size=4),
        ),
        max_leaves=6,
    )


class Writer:
    """Writes values as JSON text in random spellings; how wild is set by the two chances."""

    def __init__(
        self, chance: random.Random, blanks: float = 0.1, escapes: float = 0.1, shuffle: bool = True
    ) -> None:
        self._chance, self._blanks, self._escapes, self._shuffle = chance, blanks, escapes, shuffle

    def text(self, value: Json) -> bytes:
        """Return one text of the value."""
        out: list[str] = []
        self._value(value, out)
        return "".join([self._gap(), *(piece + self._gap() for piece in out)]).encode()

    def _gap(self) -> str:
        if self._chance.random() >= self._blanks:
            return ""
        return self._chance.choice([" ", "\n", "\t", "\r\n", "\n  ", "  ", " " * 8, " " * 9, "\n" + " " * 12])

    def _value(self, value: Json, out: list[str]) -> None:
        if isinstance(value, dict):
            keys = list(value)
            if self._shuffle:
                self._chance.shuffle(keys)
            out.append("{")
            for index, key in enumerate(keys):
                out.extend([","] if index else [])
                out += [self._string(key), ":"]
                self._value(value[key], out)
            out.append("}")
        elif isinstance(value, list):
            out.append("[")
            for index, item in enumerate(value):
                out.extend([","] if index else [])
                self._value(item, out)
            out.append("]")
        elif isinstance(value, str):
            out.append(self._string(value))
        elif isinstance(value, bool) or value is None:
            out.append({True: "true", False: "false", None: "null"}[value])
        else:
            out.append(self._number(Decimal(value)))

    def _string(self, value: str) -> str:
        if self._chance.random() >= self._escapes:
            return canonical(value)
        return '"' + "".join(self._chance.choice(list(character_spellings(c))) for c in value) + '"'

    def _number(self, value: Decimal) -> str:
        plain = f"{value:f}"
        if self._chance.random() >= self._escapes:
            return plain
        forms = [plain, plain + ("0" if "." in plain else ".0"), f"{value:E}", f"{value.scaleb(1):f}e-1"]
        return self._chance.choice(forms)


def schema_text(schema: Json) -> str:
    """Return the schema as JSON text: members in order, numbers exactly as they are."""
    return Writer(random.Random(0), 0.0, 0.0, shuffle=False).text(schema).decode()


def vocabulary(chance: random.Random, samples: Sequence[bytes], extra: int = 120) -> list[bytes | None]:
    """Return tokens: all single bytes, ones that cross the places of JSON, pieces of the samples, doubles,
    holes.
    """
    tokens: list[bytes | None] = [bytes([b]) for b in range(256)]
    chance.shuffle(tokens)
    tokens += CROSSING
    for _ in range(extra):
        sample = chance.choice(samples) if samples else b'{"a":1}'
        if sample:
            start = chance.randrange(len(sample))
            tokens.append(sample[start : start + chance.randint(2, 9)])
    tokens += [chance.choice(tokens[256:]) for _ in range(5)]
    tokens += [bytes(chance.randrange(256) for _ in range(chance.randint(2, 3))) for _ in range(10)]
    for _ in range(4):
        tokens.insert(chance.randrange(len(tokens)), None)
    return tokens


CROSSING: tuple[bytes, ...] = (
    *(
        word.encode()
        for word in r"""
        ": "," "},{" "} "] {" [" {"a": ":" "a" }} ]] }] }, ],[ [] {} [[ ":[ ":{" \u \u00 \u0061 \n \" \ud83d
        \ude00 00 10 -1 .5 1. e- e+0 0, 1} true tru null, false} é
        """.split()
    ),
    *(b'": ', b'", "', b"  ", b"\n  ", b" \n", b"\r\n", b"\xc3", b"\xa9", b"\xf0\x9f", b"\x98\x80"),
)
"""Tokens that cross the places of JSON: closers with openers, escapes and characters cut in two, numerals."""
