"""Counts and budgets where characters are written as escapes: they depend on the state alone, some allowed
token lowers them, and what is decoded under them ends in time."""

from __future__ import annotations

import json
import random
import re
from typing import Any

import jsonschema
import pytest
from for_each import for_each
from reading import reached
from test_completion import END, PIECES, TOKENIZER, walk

import structgen as sg

CHARACTERS = 'éêü€😀\n"\\\x01ax'
"""Of each length in UTF-8; some that JSON escapes always, and some never."""
POLICIES: tuple[dict[str, Any], ...] = (
    {"escapes": "ascii"},
    {"escapes": "utf8"},
    {"escapes": "canonical"},
    {"escapes": "any"},
    {"escapes": "ascii", "property_order": "any", "whitespace": "any"},
    {"escapes": "any", "property_order": "any", "numbers": "any"},
    dict(sg.JSON_DUMPS),
)


def random_schema(chance: random.Random) -> dict[str, Any]:
    """Return a small schema that asks for strings or keys with characters beyond printable ASCII."""

    def some(most: int = 2) -> str:
        return "".join(chance.choices(CHARACTERS, k=chance.randint(1, most)))

    def pattern() -> str:
        found = re.escape(some())
        return chance.choice(["{}", "^{}", "{}$", "^({}|ax)$", "[{}]x", "^[^{}]*é"]).format(found)

    def string() -> dict[str, Any]:
        return chance.choice(
            [
                {"type": "string", "pattern": pattern()},
                {"enum": sorted({some(3) for _ in range(4)})},
                {"type": "string", "pattern": pattern(), "minLength": 3},
                {"anyOf": [{"enum": [some(3), some(3)]}, {"type": "string", "pattern": pattern()}]},
                {"type": "integer"},
            ]
        )

    if chance.random() < 0.3:
        return string()
    schema: dict[str, Any] = {"type": "object", "minProperties": chance.randint(1, 2)}
    for keyword in chance.sample(["propertyNames", "patternProperties", "properties", "required"], 2):
        if keyword == "propertyNames":
            schema[keyword] = chance.choice([{"pattern": pattern()}, {"enum": [some(), some(), some(3)]}])
        elif keyword == "patternProperties":
            schema[keyword] = {pattern(): string()}
            schema["additionalProperties"] = chance.choice([False, {"type": "integer"}])
        elif keyword == "properties":
            schema[keyword] = {some(3): string(), some(3): string()}
        else:
            schema[keyword] = [some()]
    return schema


def within(compiled: sg.CompiledGrammar, state: sg.core.State, budget: int) -> list[int]:
    """Return the tokens that a budget allows in a state."""
    mask = sg.allocate_mask(1, len(PIECES) + 1)
    sg.Matcher(compiled, state).fill_mask(mask, budget=budget)
    return [int(token) for token in mask.allowed(0)]


def accepted(schema: Any, text: bytes) -> bool:
    """Return whether jsonschema accepts a text; `re.ASCII` makes no difference to these patterns."""
    return bool(jsonschema.Draft202012Validator(schema).is_valid(json.loads(text)))


SEEDS = [*range(30), *(pytest.param(one, marks=pytest.mark.slow) for one in range(30, 60))]


@pytest.mark.parametrize("seed", SEEDS)
def test_under_its_count_each_state_ends_in_time(seed: int) -> None:
    chance = random.Random(seed)
    schema = random_schema(chance)
    try:
        grammar = sg.json_schema(schema, **chance.choice(POLICIES))
        compiled = sg.compile(grammar, TOKENIZER, store=False)
    except sg.errors.UnsatisfiableSchema:
        return
    paths = [walk(compiled, chance, chance.randint(2, 14)) for _ in range(6)]
    states = [state for path in paths for state in path]
    chance.shuffle(states)
    for state in states[:25]:
        need = compiled.tokens_to_finish(state)
        tokens = within(compiled, state, need)
        assert tokens, (schema, grammar, compiled.completion(state))
        for token in chance.sample(tokens, min(len(tokens), 5)):
            after = reached(compiled, token, state)
            assert token == END or compiled.tokens_to_finish(after) < need, (schema, grammar)
    for path in paths[:3]:
        state, left = path[-1], compiled.tokens_to_finish(path[-1])
        while not state.is_complete:
            token = chance.choice([one for one in within(compiled, state, left) if one != END])
            after = reached(compiled, token, state)
            state, left = after, left - 1
        assert left >= 0


@pytest.mark.parametrize("seed", SEEDS)
def test_what_is_decoded_under_a_budget_is_valid(seed: int) -> None:
    chance = random.Random(1000 + seed)
    schema = random_schema(chance)
    try:
        grammar = sg.json_schema(schema, **chance.choice(POLICIES))
        compiled = sg.compile(grammar, TOKENIZER, store=False)
    except sg.errors.UnsatisfiableSchema:
        return
    for _ in range(3):
        state, text = compiled.start, b""
        left = compiled.tokens_to_finish(state) + chance.randint(0, 6)
        while True:
            token = chance.choice(within(compiled, state, left))
            if token == END:
                break
            after = reached(compiled, token, state)
            state, text, left = after, text + PIECES[token], left - 1
        assert left >= 0
        if not re.search(rb"\\u[dD][89a-fA-F]", text):
            assert accepted(schema, text), (schema, text)


@for_each("seed", range(40))
def test_a_completion_inside_an_escape_does_not_depend_on_what_was_asked(seed: int) -> None:
    chance = random.Random(2000 + seed)
    schema, policy = random_schema(chance), chance.choice(POLICIES)
    try:
        grammar = sg.json_schema(schema, **policy)
        compiled = sg.compile(grammar, TOKENIZER, store=False)
    except sg.errors.UnsatisfiableSchema:
        return
    whole = compiled.completion(compiled.start)
    assert json.loads(whole) is not None
    places = list(range(len(whole)))
    chance.shuffle(places)
    other = sg.compile(grammar, TOKENIZER, store=False)
    for at in places:
        state = reached(other, whole[:at])
        assert len(other.completion(state)) == len(whole) - at, (schema, policy, whole[:at])


@for_each("policy", POLICIES)
@for_each("names", ["éü😀", '\n"\x01'])
def test_a_key_that_the_object_does_not_hold_is_found_by_its_escape(names: str, policy: Any) -> None:
    schema = {"type": "object", "propertyNames": {"enum": list(names)}, "minProperties": 2}
    compiled = sg.compile(sg.json_schema(schema, **policy), TOKENIZER, store=False)
    held = json.dumps(dict.fromkeys(names[:2], 0), ensure_ascii=policy["escapes"] == "ascii")
    text = held[:-1].encode() + b", "
    state = reached(compiled, text)
    assert set(json.loads(text + compiled.completion(state))) == set(names)


@pytest.mark.parametrize(
    "schema",
    [
        {"required": ["\ud83d"], "type": "object"},
        {"properties": {"\x1f": {"const": "\x1b"}}, "required": ["\x1f"], "type": "object"},
        {"enum": ["\udc0f", "\x1f\ud83d"]},
    ],
)
def test_the_completion_of_a_beginning_of_a_completion_is_its_rest(schema: dict[str, Any]) -> None:
    compiled = sg.compile(sg.json_schema(schema, **sg.WIDEST), TOKENIZER, store=False)
    whole = compiled.completion(compiled.start)
    for end in range(len(whole)):
        state = compiled.step_bytes(compiled.start, whole[:end])
        assert state is not None and compiled.completion(state) == whole[end:], whole[:end]
