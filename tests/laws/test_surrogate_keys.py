"""Lone surrogates in every place of a schema that names a key: nothing is raised but StructgenError, and what
is written is what `jsonschema` says is valid."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

import jsonschema
import pytest
from compiled_texts import written
from for_each import for_each

import structgen as sg
from structgen.tokens.tokenizer import byte_tokenizer

Json = Any
KEYS = ["\ud83d", "\ude00", "a", "\ud83da", "a\ude00", "\ud83d\ud83d", "\U0001f600", "", "\ude00\ud83d"]
PATTERNS = ["^\\ud83d$", "\\ude00", "^[\\ud800-\\udbff]", "^a", "^[^\\ud83d]*$", "^.$", "\ud83d", "^\ude00?$"]
PIECES = [bytes((byte,)) for byte in range(256)] + [
    b'{"',
    b'":',
    b"\\ud83d",
    b"\\u",
    b'\\ude00"',
    b'", "',
    b"d83d",
]
VOCABULARIES = {
    "bytes": byte_tokenizer(),
    "pieces": sg.Tokenizer.from_bytes([*PIECES, None], eos_token_id=len(PIECES)),
}


class Drawn:
    """A random schema with such keys."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.defined: list[str] = []

    def key(self) -> str:
        return self.chance.choice(KEYS)

    def keys(self) -> list[str]:
        return list(dict.fromkeys(self.key() for _ in range(self.chance.randint(1, 3))))

    def value(self) -> Json:
        return self.chance.choice([1, "a", self.key(), {self.key(): 1}, {self.key(): {self.key(): "a"}}, []])

    def names(self) -> Json:
        chance = self.chance
        one = chance.choice(
            [
                {"const": self.key()},
                {"enum": self.keys()},
                {"pattern": chance.choice(PATTERNS)},
                {"maxLength": chance.randint(0, 2)},
                {"minLength": chance.randint(1, 2)},
            ]
        )
        return {"not": one} if chance.random() < 0.4 else one

    def schema(self, depth: int) -> Json:
        chance = self.chance
        if depth == 0 or chance.random() < 0.15:
            return chance.choice(
                [True, {"type": "integer"}, {"const": self.value()}, {"enum": [self.value(), 2]}]
            )

        def below() -> Json:
            return self.schema(depth - 1)

        places: list[Callable[[], Json]] = [
            lambda: {"properties": {key: below() for key in self.keys()}},
            lambda: {"required": self.keys()},
            lambda: {"patternProperties": {chance.choice(PATTERNS): below()}},
            lambda: {"dependentRequired": {self.key(): self.keys()}},
            lambda: {"dependentSchemas": {self.key(): below()}},
            lambda: {"dependencies": {self.key(): chance.choice([self.keys(), below()])}},
            lambda: {"propertyNames": self.names()},
            lambda: {"minProperties": chance.randint(1, 3)},
            lambda: {"maxProperties": chance.randint(0, 2)},
            lambda: {"additionalProperties": chance.choice([False, below()])},
            lambda: {"unevaluatedProperties": chance.choice([False, below()])},
            lambda: {"propertyDependencies": {self.key(): {self.key(): below()}}},
            lambda: {"if": below(), chance.choice(["then", "else"]): below()},
            lambda: {"allOf": [below(), below()]},
            lambda: {"anyOf": [below(), below()]},
            lambda: {"not": below()},
            self.reference,
        ]
        found: Json = {"type": "object"} if chance.random() < 0.7 else {}
        for place in chance.sample(places, chance.randint(1, 3)):
            found |= place()
        return found

    def reference(self) -> Json:
        name = self.key()
        self.defined.append(name)
        if name and self.chance.random() < 0.3:
            return {"$ref": "#" + name}
        return {"$ref": "#/$defs/" + name.replace("~", "~0")}

    def whole(self) -> Json:
        found = self.schema(2)
        if isinstance(found, dict) and self.defined:
            found["$defs"] = {name: {"type": "integer"} for name in self.defined}
            if self.chance.random() < 0.3:
                name = self.defined[0]
                found["$defs"][name]["$anchor"] = name
        return found


def with_dependencies_of_2020(schema: Json) -> Json:
    """Return a schema whose `dependencies`, which structgen reads in each draft and `jsonschema` in the old
    ones alone, are the keywords that took their place."""
    if isinstance(schema, list):
        return [with_dependencies_of_2020(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    written = {key: with_dependencies_of_2020(value) for key, value in schema.items()}
    if isinstance(schema.get("dependencies"), dict):
        both = written.pop("dependencies")
        lists = {key: value for key, value in both.items() if isinstance(value, list)}
        schemas = {key: value for key, value in both.items() if key not in lists}
        kept = [{"dependentRequired": lists, "dependentSchemas": schemas}]
        written["allOf"] = [*written.get("allOf", ()), *kept]
    return written


def checked(seed: int, policies: Any, tokenizer: sg.Tokenizer) -> bool:
    """Ask all of one random schema; return whether a document was written."""
    chance = random.Random(seed)
    schema = Drawn(chance).whole()
    limits = sg.Limits(oracle_steps=20_000, automaton_states=20_000)
    try:
        grammar = sg.json_schema(schema, limits=limits, **policies)
        sg.explain(grammar)
        compiled = sg.compile(grammar, tokenizer, store=False)
        matcher = sg.Matcher(compiled)
        matcher.expected()
        compiled.completion(compiled.start)
        least = matcher.tokens_to_finish()
        tokens = written(matcher, chance, least + chance.randrange(20))
    except sg.StructgenError as error:
        str(error).encode()  # a message can be printed
        return False
    text = b"".join(tokenizer.token_bytes[one] or b"" for one in tokens)
    document = json.loads(text)
    # Python's `$` stands before a line feed, too, and its `.` is a carriage return and other ends of lines
    has_lines = any(end in json.dumps(document) for end in (r"\n", r"\r", r"\u2028", r"\u2029"))
    # 1e999 is an integer to JSON Schema, and infinite to Python's json
    is_finite = "Infinity" not in json.dumps(document)
    if "propertyDependencies" not in json.dumps(schema) and not has_lines and is_finite:
        jsonschema.Draft202012Validator(with_dependencies_of_2020(schema)).validate(document)
    return True


@for_each("vocabulary", VOCABULARIES)
@for_each("policies", [{}, sg.WIDEST])
def test_nothing_is_raised_but_our_errors(policies: Any, vocabulary: str) -> None:
    assert sum(checked(seed, policies, VOCABULARIES[vocabulary]) for seed in range(12)) > 2


@pytest.mark.slow
@for_each("vocabulary", VOCABULARIES)
@for_each("policies", [{}, sg.WIDEST])
def test_nothing_is_raised_for_thousands(policies: Any, vocabulary: str) -> None:
    assert sum(checked(seed, policies, VOCABULARIES[vocabulary]) for seed in range(1000, 3000)) > 400


HALF = rb"\ud83d"
HALF_PAIRS: list[Json] = [
    {"minProperties": 3, "patternProperties": {r"^\ud83d.$": {"type": "integer"}}},
    {"required": ["\ud83da", "\ud83db", "\ud83d\u00e9"], "additionalProperties": False},
    {"uniqueItems": True, "minItems": 3, "items": {"pattern": "^\\ud83d?[a-c\u20ac]{1,2}$"}},
    {"enum": ["\ud83da", "\ud83d~long", "\U0001f600", "\ud83d\ud83d"]},
    {"propertyNames": {"pattern": r"^\ud83d[^ -z]"}, "minProperties": 1},
    {"additionalProperties": {"type": "integer"}, "minProperties": 2},
    {"pattern": "^\\ud83d[\u00e9\u20ac\U0001f600]$"},
    {"minLength": 3},
]


def check_half_pairs(schema: Json) -> int:
    """Hold the completions after half a pair to the least of those after each raw byte that may come next;
    return how many states were asked."""
    tokenizer = VOCABULARIES["bytes"]
    try:
        limits = sg.Limits(oracle_steps=20_000, automaton_states=20_000)
        compiled = sg.compile(sg.json_schema(schema, limits=limits, **sg.WIDEST), tokenizer, store=False)
    except sg.StructgenError:
        return 0
    asked = 0
    before = b'{"', b'{"%ba":1,"' % HALF, b'{"a":1,"', b'["', b'["%ba","' % HALF, b'["b","', b'"', b'"a'
    for text in before:
        state: Any = compiled.start
        for byte in text + HALF:
            state = state and compiled.step(state, byte)
        if state is None:
            continue
        completion, raw_bytes = compiled.completion(state), set(compiled.allowed(state)) - {ord("\\"), 256}
        following = [(byte, compiled.step(state, byte)) for byte in raw_bytes]
        rests = [bytes((byte,)) + compiled.completion(after) for byte, after in following if after]
        # another escape may be shorter than the raw bytes, and comes where no raw byte does
        if not completion.startswith(b"\\"):
            assert completion == min(rests, key=lambda rest: (len(rest), rest)), (schema, text)
        else:
            assert all(len(completion) < len(rest) for rest in rests), (schema, text)
        asked += 1
    return asked


def test_after_half_a_pair_the_least_completion_is_taken() -> None:
    drawn = [Drawn(random.Random(seed)).whole() for seed in range(60)]
    assert sum(check_half_pairs(schema) for schema in [*HALF_PAIRS, *drawn]) > 100


@pytest.mark.slow
def test_after_half_a_pair_the_least_completion_is_taken_in_thousands() -> None:
    assert sum(check_half_pairs(Drawn(random.Random(seed)).whole()) for seed in range(1000, 3000)) > 2000
