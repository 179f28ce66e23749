"""Counts and budgets where characters are written as escapes: they depend on the state alone, some allowed
token lowers them, and what is decoded under them ends in time."""

from __future__ import annotations

import json
import random
import re
from typing import Any

import jsonschema
import pytest
from compiled_texts import reached
from for_each import for_each
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


def drawn(seed: int) -> tuple[Any, sg.CompiledGrammar] | None:
    """Return a random schema, compiled under a random policy; None where no text of it can be written."""
    chance = random.Random(seed)
    schema = random_schema(chance)
    try:
        grammar = sg.json_schema(schema, **chance.choice(POLICIES))
        return schema, sg.compile(grammar, TOKENIZER, store=False)
    except sg.errors.UnsatisfiableSchema:
        return None


def hold_counts(seed: int) -> None:
    """Assert that some allowed token lowers the count of a state, that each document which is decoded under a
    budget ends in time, and that jsonschema accepts it."""
    found, chance = drawn(seed), random.Random(seed)
    if found is None:
        return
    schema, compiled = found
    paths = [walk(compiled, chance, chance.randint(2, 14)) for _ in range(6)]
    states = [state for path in paths for state in path]
    for state in chance.sample(states, min(len(states), 25)):
        need = compiled.tokens_to_finish(state)
        tokens = within(compiled, state, need)
        assert tokens, (schema, compiled.completion(state))
        for token in chance.sample(tokens, min(len(tokens), 5)):
            after = reached(compiled, token, state)
            assert token == END or compiled.tokens_to_finish(after) < need, schema
    for begun, more in ((compiled.start, 0), (compiled.start, 6), *((path[-1], 0) for path in paths[:2])):
        state, text, left = begun, b"", compiled.tokens_to_finish(begun) + more
        while (token := chance.choice(within(compiled, state, left))) != END:
            state, text, left = reached(compiled, token, state), text + PIECES[token], left - 1
        assert left >= 0
        if begun is compiled.start and not re.search(rb"\\u[dD][89a-fA-F]", text):
            assert accepted(schema, text), (schema, text)


@for_each("seed", range(15))
def test_under_its_count_each_state_ends_in_time_in_a_valid_document(seed: int) -> None:
    hold_counts(seed)


@pytest.mark.slow
def test_under_its_count_each_state_ends_in_time_in_a_valid_document_whole() -> None:
    for seed in range(15, 120):
        hold_counts(seed)


@for_each("seed", range(2000, 2020))
def test_a_completion_inside_an_escape_does_not_depend_on_what_was_asked(seed: int) -> None:
    found, chance = drawn(seed), random.Random(seed)
    if found is None:
        return
    compiled, other = found[1], sg.compile(found[1].grammar, TOKENIZER, store=False)
    whole = compiled.completion(compiled.start)
    assert json.loads(whole) is not None
    for at in chance.sample(range(len(whole)), len(whole)):
        assert len(other.completion(reached(other, whole[:at]))) == len(whole) - at, (found[0], whole[:at])


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
