"""Completions of strings and keys whose characters are counted: valid, the shortest, and within each budget.

One character is 1, 2, 3 or 4 bytes, or an escape of 2, 6 or 12; a bound on the length counts it as one.
"""

from __future__ import annotations

import json
import random
from typing import Any

import bounded_strings as cases
import pytest

import structgen as sg

PIECES = [
    *(bytes((byte,)) for byte in range(256)),
    *(b"\\u", b"\\u00", b"\\u00e9", b"\\ud83d", b"\\ude00", b"00", b'e9"', b"\\n", b'\\"', b"\\\\", b'"\\u'),
    *(text.encode() for text in ("é", "éé", '€"', '"é', "ab", '"a', '0"', 'x"', 'a"', "!!", "-b")),
    *(b'":', b'": ', b'":1}', b'{"', b"1}", b'", "', b'": "\\', b'": "\\u00'),
]
END = len(PIECES)
TOKENIZER = sg.Tokenizer.from_bytes([*PIECES, None], END)


def whole(compiled: sg.CompiledGrammar, state: sg.core.State, text: bytes) -> bool:
    """Return whether a text completes the document from a state."""
    end = compiled.step_bytes(state, text)
    return end is not None and end.is_complete


def written(chance: random.Random, text: str, policy: str) -> bytes:
    """Return one of the ways to write a string under a policy, without quotes."""
    return "".join(chance.choice(cases.ways(char, policy)) for char in text).encode()


def look_at_strings(seed: int, most: int) -> None:
    """Compare completions at each byte of some strings with enumeration: of up to `most` characters."""
    chance = random.Random(seed)
    schema, policies = cases.random_string(chance), chance.choice(cases.POLICIES)
    policy = policies.get("escapes", "any")
    texts = cases.accepted(schema, most)
    try:
        compiled = sg.compile(sg.json_schema(schema, **policies), cases.BYTES, store=False)
    except sg.errors.UnsatisfiableSchema:
        assert not texts, (schema, texts[:3])
        return
    for text in chance.sample(texts, min(2, len(texts))):
        literal = written(chance, text, policy)
        for size in range(len(literal) + 1):
            prefix = literal[:size]
            state = compiled.step_bytes(compiled.start, b'"' + prefix)
            assert state is not None, (schema, policies, prefix)
            rest = compiled.completion(state)
            assert whole(compiled, state, rest), (schema, policies, prefix, rest)
            assert cases.holds(schema, json.loads(b'"' + prefix + rest)), (schema, policies, prefix, rest)
            assert len(rest) <= 1 + min(cases.rests(texts, prefix, policy)), (schema, policies, prefix, rest)
            assert compiled.tokens_to_finish(state) == len(rest)


def placed(chance: random.Random, schema: dict[str, Any]) -> dict[str, Any]:
    """Return a schema of strings, or one of documents that hold such strings, as keys or as values."""
    place = chance.randrange(6)
    if place == 0:
        names = {word: value for word, value in schema.items() if word != "type"}
        return {
            "propertyNames": names,
            "minProperties": 1,
            "type": "object",
            "additionalProperties": {"const": 1},
        }
    if place == 1:
        return {
            "type": "object",
            "required": ["k"],
            "properties": {"k": schema},
            "additionalProperties": False,
        }
    if place == 2:
        return {"type": "array", "items": schema, "minItems": 1, "maxItems": 2}
    if place == 3:
        patterns = {cases.random_pattern(chance): schema}
        return {
            "type": "object",
            "patternProperties": patterns,
            "additionalProperties": False,
            "minProperties": 1,
        }
    return schema


def look_at_budgets(seed: int, states: int) -> None:
    """Compare masks under budgets near the end with the counts of another grammar that was asked nothing
    else."""
    chance = random.Random(seed)
    schema, policies = placed(chance, cases.random_string(chance)), chance.choice(cases.POLICIES)
    grammar = sg.json_schema(schema, **policies)
    try:
        compiled, other = (sg.compile(grammar, TOKENIZER, store=False) for _ in range(2))
    except sg.errors.UnsatisfiableSchema:
        return
    for _ in range(states):
        matcher, twin = sg.Matcher(compiled), sg.Matcher(other)
        for _ in range(chance.randrange(9)):
            tokens = [token for token in compiled.allowed(matcher.state) if token != END]
            if not tokens:
                break
            lively = [
                token for token in tokens if len(PIECES[token]) > 1 or PIECES[token] in b'ab0-!"\\u\xc3\xa9'
            ]
            token = chance.choice(lively or tokens)
            matcher.advance(token)
            twin.advance(token)
        compare_budgets(matcher, twin, 4)


def compare_budgets(matcher: sg.Matcher, twin: sg.Matcher, more: int) -> None:
    """Compare masks under budgets up to the need and `more` with the counts of a twin."""
    compiled, other = matcher.compiled, twin.compiled
    mask = sg.allocate_mask(1, compiled.vocab_size)
    rest, need = compiled.completion(matcher.state), matcher.tokens_to_finish()
    about = compiled.grammar, matcher.tokens, rest
    assert whole(compiled, matcher.state, rest) and need <= len(rest), about
    allowed, costs = other.allowed(twin.state), {END: 0}
    for token in allowed:
        if token != END:
            after = other.step(twin.state, token)
            assert after is not None
            costs[token] = other.tokens_to_finish(after)
    assert min(costs[token] for token in allowed) < max(need, 1), about
    for budget in range(1, need):
        with pytest.raises(sg.errors.BudgetError):
            matcher.fill_mask(mask, budget=budget)
    for budget in range(max(need, 1), need + more):
        matcher.fill_mask(mask, budget=budget)
        assert mask.allowed(0).tolist() == [t for t in allowed if costs[t] < budget], (*about, budget)


@pytest.mark.parametrize("seeds", [range(24), pytest.param(range(1000, 1600), marks=pytest.mark.slow)])
def test_a_completion_is_a_valid_string_of_the_fewest_bytes(seeds: range) -> None:
    for seed in seeds:
        look_at_strings(seed, 3)


@pytest.mark.parametrize("seeds", [range(24), pytest.param(range(1000, 2500), marks=pytest.mark.slow)])
def test_a_budget_allows_exactly_the_tokens_that_end_in_time(seeds: range) -> None:
    for seed in seeds:
        look_at_budgets(seed, 2)


SHOWN: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    ({"pattern": "(?:éé|abcd)$", "maxLength": 2}, {}, '"éé"'),
    ({"pattern": "(?:éé|abcdefgh)$"}, dict(sg.JSON_DUMPS), '"abcdefgh"'),
    ({"pattern": "(?:éé|abcdefgh)$", "maxLength": 5}, dict(sg.JSON_DUMPS), '"\\u00e9\\u00e9"'),
    ({"pattern": "(?:-éaé|0é1a)$", "maxLength": 4}, {}, '"0é1a"'),
    ({"allOf": [{"pattern": "(€|EUR)$"}, {"pattern": "^x"}], "maxLength": 2}, {}, '"x€"'),
    ({"pattern": "(?:😀|abcde)$", "maxLength": 1}, {}, '"😀"'),
    ({"pattern": "(?:😀|abcde)$", "maxLength": 1}, dict(sg.JSON_DUMPS), '"\\ud83d\\ude00"'),
    ({"pattern": '(?:""|abc)$', "maxLength": 2}, {}, '"\\"\\""'),
]


@pytest.mark.parametrize(("schema", "policies", "text"), SHOWN)
def test_the_bound_counts_characters(schema: dict[str, Any], policies: dict[str, Any], text: str) -> None:
    compiled = sg.compile(sg.json_schema({"type": "string", **schema}, **policies), cases.BYTES, store=False)
    state = compiled.step_bytes(compiled.start, b'"')
    assert state is not None
    assert compiled.completion(compiled.start) == text.encode() == b'"' + compiled.completion(state)
    matchers = [sg.Matcher(sg.compile(compiled.grammar, TOKENIZER, store=False)) for _ in range(2)]
    for matcher in matchers:
        matcher.advance(PIECES.index(b'"'))
    compare_budgets(*matchers, 12)


@pytest.mark.parametrize("before", [b"", b'{"k'])
@pytest.mark.parametrize(
    "schema",
    [
        {"anyOf": [{"pattern": "[é-ü]", "minLength": 9}, {"format": "json-pointer"}], "maxLength": 25},
        {"anyOf": [{"pattern": "é{9}"}, {"pattern": "^a?$"}], "maxLength": 12},
        {"anyOf": [{"pattern": '^(?:é{9}|"aa)'}, {"pattern": "^a?$"}]},
    ],
)
def test_a_token_that_begins_an_escape_is_counted_from_where_it_leads(
    schema: dict[str, Any], before: bytes
) -> None:
    schema = {"type": "string", **schema}
    if before:
        schema = {
            "type": "object",
            "properties": {"k": schema},
            "required": ["k"],
            "additionalProperties": False,
        }
    grammar = sg.json_schema(schema, **sg.JSON_DUMPS)
    matchers = [sg.Matcher(sg.compile(grammar, TOKENIZER, store=False)) for _ in range(2)]
    for matcher in matchers:
        for byte in before:
            matcher.advance(byte)
    compare_budgets(*matchers, 70)
