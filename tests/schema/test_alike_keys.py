"""Objects whose keys have a finite pattern: a shortest rest begins with the first of the keys that are alike,
and is the one that is found when every key is tried."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from compiled_texts import takes
from schema_documents import beginnings, compiled

import structgen as sg
from structgen.schema.recogniser.schema_network import SchemaNetwork

KEYS = ["^[ab]{1,2}$", "^[a-c]{2}$", "^(a|b|ab|ba)$", "^[ab]c?$"]
VALUES: list[Any] = [{"type": "null"}, {"enum": [0, "long"]}, {"type": "boolean"}, {}]


def drawn(chance: random.Random) -> dict[str, Any]:
    """Return a schema of objects with keys of patterns, and other keywords that tell some of them apart."""
    some = chance.sample(KEYS, chance.randint(1, 2))
    schema: dict[str, Any] = {
        "type": "object",
        "patternProperties": {one: chance.choice(VALUES) for one in some},
        "additionalProperties": chance.choice([False, True, {"type": "null"}]),
        "minProperties": chance.randint(0, 3),
    }
    beside: list[dict[str, Any]] = [
        {"required": ["ba"]},
        {"maxProperties": 3},
        {"properties": {"ab": {"const": 7}, "bb": {}}},
        {"dependentRequired": {"a": ["bb"]}},
        {"not": {"required": ["aa"]}},
        {"not": {"patternProperties": {"^a": {"type": "null"}}}},
        {"not": {"propertyNames": {"pattern": "^b"}}},
        {"anyOf": [{"required": ["b"]}, {"minProperties": 2}]},
        {"not": {"const": {"aa": None}}},
    ]
    return {**schema, "allOf": [{}, *chance.sample(beside, chance.randint(0, 2))]}


def every(self: Any, residue: int, heads: Iterable[str]) -> Iterable[str]:
    return heads


def rests(seed: int, patch: Callable[[], object]) -> list[bytes]:
    """Return the completions along a random walk in a schema, of which each is a document."""
    chance = random.Random(f"alike keys {seed}")
    schema, policy = drawn(chance), chance.choice(["any", "declared"])
    patch()
    try:
        grammar = compiled(schema, whitespace="compact", property_order=policy)
    except sg.errors.UnsatisfiableSchema:
        return []
    found: list[bytes] = []
    for state, text in beginnings(grammar, chance, 12):
        rest = grammar.completion(state)
        assert takes(grammar, text + rest), (schema, text, rest)
        found.append(rest)
    return found


def are_those_of_every_key(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    quick = rests(seed, lambda: None)
    with monkeypatch.context() as patch:
        assert rests(seed, lambda: patch.setattr(SchemaNetwork, "first_of_alike", every)) == quick, seed


def test_completions_begin_with_the_key_that_trying_every_key_finds(monkeypatch: pytest.MonkeyPatch) -> None:
    for seed in range(30):
        are_those_of_every_key(seed, monkeypatch)


@pytest.mark.slow
@pytest.mark.parametrize("first", range(30, 1030, 100))
def test_completions_begin_with_the_key_that_trying_every_key_finds_whole(
    first: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for seed in range(first, first + 100):
        are_those_of_every_key(seed, monkeypatch)


@pytest.mark.parametrize("least", [1, 2, 3])
@pytest.mark.parametrize("pattern", ["^[a-z]{2}$", "^[a-z]{1,2}$", "^[a-e]{4}$"])
def test_an_object_of_many_keys_of_a_pattern_is_completed_within_the_limits(pattern: str, least: int) -> None:
    schema = {"type": "object", "patternProperties": {pattern: {"type": "null"}}, "minProperties": least}
    grammar = compiled(schema, whitespace="compact", limits=sg.Limits(oracle_steps=20_000))
    for state, text in beginnings(grammar, random.Random(pattern), 14):
        assert takes(grammar, text + grammar.completion(state))
