"""A budget that suffices for a state and after any of its tokens: the mask is then the plain one."""

from __future__ import annotations

import random
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from compiled_texts import reached
from hypothesis import given
from hypothesis import strategies as st

import structgen as sg

sys.path.insert(0, str(Path(__file__).resolve().parent / "oracles"))

from effort import MODEST
from strategies import open_schemas
from test_completion import END, TOKENIZER, compiled_case, walk


def needed(compiled: sg.CompiledGrammar, state: sg.core.State) -> int:
    """Return the least budget that takes nothing from a state's mask, by asking about each token."""
    allowed = [token for token in compiled.allowed(state) if token not in compiled.end_tokens]
    after = [compiled.step(state, token) for token in allowed]
    return max(
        compiled.tokens_to_finish(state),
        *(1 + compiled.tokens_to_finish(one) for one in after if one is not None),
        0,
    )


def sufficient(compiled: sg.CompiledGrammar, state: sg.core.State) -> int | None:
    """Return the budget that is known to suffice."""
    compiled.compute(state.index)
    with compiled.lock:
        return compiled.completions.sufficient(state.index)


@MODEST
@given(open_schemas(), st.integers(0, 1 << 30))
def test_a_sufficient_budget_is_never_less_than_what_is_needed(schema: Any, seed: int) -> None:
    chance = random.Random(seed)
    compiled = compiled_case(schema, chance)
    if compiled is None:
        return
    for state in walk(compiled, chance, 5):
        bound = sufficient(compiled, state)
        assert bound is None or bound >= needed(compiled, state)


DIFFER = {"uniqueItems": True, "maxItems": 4}
KINDS: dict[str, Any] = {
    "required members": {"properties": {"a": {"const": "x" * 90}, "b": {}}, "required": ["a", "b"]},
    "an optional large one": {"properties": {"a": {"const": ["y" * 70, 1]}, "b": {"type": "null"}}},
    "a branch that asks for more": {
        "anyOf": [
            {"properties": {"kind": {"const": "a"}}, "required": ["kind"]},
            {
                "properties": {"kind": {"const": "b"}, "more": {"const": "z" * 60}},
                "required": ["kind", "more"],
            },
        ]
    },
    "objects in objects": {
        "properties": {
            "o": {"properties": {"p": {"const": "deep" * 20}}, "required": ["p"], "type": "object"}
        }
    },
    "items": {"properties": {"l": {"type": "array", "items": {"enum": ["aa", "b" * 40]}, "minItems": 3}}},
    "a pattern": {"properties": {"s": {"type": "string", "pattern": "^(a|b[xyz]{30})$"}}, "required": ["s"]},
    "a length": {"properties": {"s": {"type": "string", "minLength": 25}}},
    "a format": {"properties": {"s": {"type": "string", "format": "date-time"}}},
    "keys of a pattern": {"patternProperties": {"^k[0-9]{5}": {"const": 1}}, "additionalProperties": False},
    "few keys of a pattern": {"patternProperties": {"^[ab]{1,3}$": {}}, "additionalProperties": False},
    "numbers": {"properties": {"n": {"type": "integer", "minimum": 10**12, "multipleOf": 7}}},
    "a nullable object": {
        "properties": {
            "o": {"type": ["null", "object"], "required": ["p"], "properties": {"p": {"const": "q" * 50}}}
        }
    },
    "strings that differ": {"properties": {"l": {"type": "array", "items": {"type": "string"}, **DIFFER}}},
    "words that differ": {
        "properties": {"l": {"type": "array", "items": {"enum": ["a", "b" * 20, "c" * 40]}, **DIFFER}}
    },
    "objects that differ": {
        "properties": {
            "l": {
                "type": "array",
                "items": {"type": "object", "properties": {"n": {"enum": ["a", "ab"]}}, "required": ["n"]},
                **DIFFER,
            }
        }
    },
    "several items that differ": {
        "properties": {"l": {"type": "array", "items": {"type": "string"}, **DIFFER, "minItems": 3}},
        "required": ["l"],
    },
    "several keys more": {"minProperties": 3, "additionalProperties": {"enum": ["r" * 30]}},
    "one of two keys": {
        "properties": {"a": {"const": "s" * 40}, "b": {"type": "null"}},
        "minProperties": 1,
        "additionalProperties": False,
    },
}
POLICIES: dict[str, dict[str, Any]] = {
    "bounded": {},
    "one line, any escapes": {"whitespace": "oneline", "escapes": "any"},
    "any order, dumps": {**sg.JSON_DUMPS, "property_order": "any"},
}


def kinds_by_turns() -> list[Any]:
    """Return each kind under each policy; all but one of them are slow."""
    return [
        pytest.param(schema, policy, id=f"{kind}-{name}", marks=[pytest.mark.slow] if (a + b) % 3 else [])
        for a, (kind, schema) in enumerate(KINDS.items())
        for b, (name, policy) in enumerate(POLICIES.items())
    ]


@pytest.mark.parametrize(("schema", "policy"), kinds_by_turns())
def test_it_holds_for_each_kind_of_value(schema: Any, policy: dict[str, Any]) -> None:
    compiled = sg.compile(sg.json_schema({"type": "object", **schema}, **policy), TOKENIZER, store=False)
    chance, bounds = random.Random(1), 0
    for _ in range(2):
        for state in walk(compiled, chance, 12):
            bound = sufficient(compiled, state)
            if bound is not None:
                bounds += 1
                assert bound >= needed(compiled, state)
    assert bounds


PLACES: dict[str, tuple[Any, dict[str, Any], bytes]] = {
    "before a long branch of a pattern": ({"pattern": "^(a|b[xyz]{30})$"}, {}, b'"'),
    "in a long branch of a pattern": ({"pattern": "^(a|b[xyz]{30})$"}, {}, b'"b'),
    "before an escape in a key": (
        {"properties": {"a": {"const": 1}}, "required": ["a"], "additionalProperties": False},
        {"escapes": "any"},
        b'{"',
    ),
    "before blanks and a document": ({"type": "array", "maxItems": 0}, {}, b""),
    "before an optional large member": ({"properties": {"a": {"const": "x" * 50}}}, {}, b"{"),
    "before a large object that may be null": (
        {"type": ["null", "object"], "properties": {"p": {"const": "q" * 50}}, "required": ["p"]},
        {},
        b"  ",
    ),
    "where the object holds the shortest key": (
        {"properties": {}, "minProperties": 3, "additionalProperties": {"type": "null"}},
        {},
        b'{"":null,',
    ),
    "in a list of words": ({"enum": ["a", "b" * 40]}, {}, b'"'),
    "at the end of a word, before an optional long one": (
        {
            "type": "array",
            "prefixItems": [{"const": "x" * 20}, {"const": "y" * 300}],
            "items": False,
            "minItems": 1,
        },
        {},
        b'["' + b"x" * 20,
    ),
    "between items that are owed": ({"type": "array", "minItems": 9, "items": {"const": "ab"}}, {}, b'["ab"'),
}


@pytest.mark.parametrize(("schema", "options", "text"), PLACES.values(), ids=PLACES.keys())
def test_it_holds_where_one_token_makes_much_more_necessary(
    schema: Any, options: dict[str, Any], text: bytes
) -> None:
    kinds = (
        {"type": "object"} if "properties" in schema else {"type": "string"} if "pattern" in schema else {}
    )
    compiled = sg.compile(sg.json_schema({**kinds, **schema}, **options), TOKENIZER, store=False)
    state = reached(compiled, text)
    bound = sufficient(compiled, state)
    assert bound is not None and bound >= needed(compiled, state)


def test_a_character_of_a_pattern_counts_the_bytes_of_the_cheapest_that_may_stand_there() -> None:
    schema = {"type": "string", "pattern": "^[!-~]{30}$"}
    compiled = sg.compile(sg.json_schema(schema), TOKENIZER, store=False)
    state = reached(compiled, b'"')
    bound = sufficient(compiled, state)
    assert bound is not None and needed(compiled, state) <= bound <= 60


def test_far_from_the_end_no_token_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    schema = {
        "type": "object",
        "properties": {
            "large": {"const": "0123456789" * 300},
            "name": {"type": "string"},
            "tags": {"type": "array"},
            "marks": {"patternProperties": {"^[0-9a-z_]{1,40}$": {}}, "additionalProperties": False},
        },
        "required": ["large", "name"],
    }
    compiled = sg.compile(sg.json_schema(schema, whitespace="compact"), TOKENIZER, store=False)
    text = b'{"large":"' + b"0123456789" * 300 + b'","name":"a","tags":[{"b":[1.5,null]}],"marks":{"a1":1}}'
    assert compiled.step_bytes(compiled.start, text) is not None

    def fail(*_: Any) -> None:
        raise AssertionError("tokens were tried")

    monkeypatch.setattr(type(compiled.completions), "too_long", fail)
    monkeypatch.setattr(type(compiled.completions), "tokens", fail)
    matcher, plain = sg.Matcher(compiled), sg.Matcher(compiled)
    one, other = (sg.allocate_mask(1, TOKENIZER.vocab_size) for _ in range(2))
    for byte in text:
        matcher.fill_mask(one, budget=4 * len(text))
        plain.fill_mask(other)
        assert np.array_equal(one.array, other.array)
        matcher.advance(byte)
        plain.advance(byte)


@MODEST
@given(open_schemas(), st.integers(0, 1 << 30))
def test_a_document_under_four_times_the_least_budget_ends_in_time(schema: Any, seed: int) -> None:
    chance = random.Random(seed)
    constant = {"const": "".join(chance.choices("ab ", k=chance.choice([1, 60, 300])))}
    compiled = compiled_case(
        {**schema, "type": "object", "required": ["k"], "properties": {"k": constant}}, chance
    )
    if compiled is None:
        return
    matcher, mask = sg.Matcher(compiled), sg.allocate_mask(1, TOKENIZER.vocab_size)
    budget = 4 * matcher.tokens_to_finish()
    for taken in range(budget + 1):
        left = budget - taken
        # after forty tokens, as fast as possible
        matcher.fill_mask(mask, budget=left if taken < 40 else min(left, matcher.tokens_to_finish()))
        token = chance.choice(mask.allowed().tolist())
        if token == END:
            return
        matcher.advance(token)
    raise AssertionError(f"{budget} tokens were taken, and the document goes on")


def test_a_budget_between_what_is_needed_and_what_is_known_to_suffice_takes_nothing() -> None:
    schema = {"type": "object", "properties": {"a": {"const": "x" * 40}, "b": {}}, "required": ["b"]}
    compiled = sg.compile(sg.json_schema(schema), TOKENIZER, store=False)
    for state in walk(compiled, random.Random(3), 6):
        least, mask = needed(compiled, state), sg.allocate_mask(1, TOKENIZER.vocab_size)
        for budget in (least, least + 1):
            sg.Matcher(compiled, state).fill_mask(mask, budget=budget)
            assert mask.allowed().tolist() == compiled.allowed(state)
        if least > compiled.tokens_to_finish(state):
            sg.Matcher(compiled, state).fill_mask(mask, budget=least - 1)
            assert set(mask.allowed().tolist()) < set(compiled.allowed(state))


def test_it_holds_in_a_key_whose_tokens_are_a_row_of_the_store() -> None:
    chance = random.Random(4)
    words = sorted({bytes(chance.choices(b"abcdefgh", k=chance.randint(2, 6))) for _ in range(2000)})
    pieces = [*(bytes([byte]) for byte in range(256)), *words, b'":0,"a":0,"', b'":0},"']
    tokenizer = sg.Tokenizer.from_bytes([*pieces, None], eos_token_id=len(pieces))
    items = [{"type": "object", "additionalProperties": {"const": 0}}, {"const": "y" * 300}]
    schema = {"type": "array", "prefixItems": items, "items": False, "minItems": 1}
    compiled = sg.compile(sg.json_schema(schema), tokenizer, store=False)
    state = reached(compiled, b'[{"a')
    bound = sufficient(compiled, state)
    parts = compiled.mask_parts(state.index)
    assert parts is not None and parts[0] >= 0 and not len(parts[1]), "the case that is meant"
    after = compiled.step_bytes(state, b'":0},"')
    assert after is not None and bound is not None and bound > compiled.tokens_to_finish(after) > 99


LARGE = {"type": "object", "properties": {"q": {"const": "x" * 300}}, "additionalProperties": False}
SPANS: dict[str, tuple[Any, list[bytes], bytes]] = {
    "from a key into an object in an object": (LARGE, [b'":{"p":{"q', b'":{"p":{"'], b'{"o'),
    "from a colon": (LARGE, [b'{"p":{"q', b'{"p":{"'], b'{"o":'),
    "from before the document": (LARGE, [b'{"o":{"p":{"q'], b""),
    "out of a string and into an object": (LARGE, [b'"},"p":{"q', b'","p":{"q'], b'{"o":{"s":"a'),
    "out of a numeral and into an object": (LARGE, [b',"p":{"q', b'0,"p":{"q'], b'{"o":{"n":1'),
    "out of a literal": (LARGE, [b',"p":{"q', b'e,"p":{"q'], b'{"o":{"b":tru'),
    "from blanks into an object": (LARGE, [b' "p":{"q', b' {"p":{"q'], b'{"o":'),
    "into a string": ({"type": "string", "minLength": 200}, [b'":{"p":"', b'":{"p":"ab'], b'{"o'),
    "into an array": (
        {"type": "array", "items": {"const": "y" * 50}, "minItems": 4},
        [b'":{"p":[', b'":{"p":["y'],
        b'{"o',
    ),
    "into a numeral": ({"type": "integer", "minimum": 10**12}, [b'":{"p":1', b'":{"p":'], b'{"o'),
}


@pytest.mark.parametrize(("value", "pieces", "text"), SPANS.values(), ids=SPANS.keys())
def test_it_holds_for_a_token_that_spans_values(value: Any, pieces: list[bytes], text: bytes) -> None:
    tokens = [*(bytes((byte,)) for byte in range(256)), *pieces]
    tokenizer = sg.Tokenizer.from_bytes([*tokens, None], eos_token_id=len(tokens))
    others = {"s": {"type": "string"}, "n": {"type": "integer"}, "b": {"type": "boolean"}}
    held = {"type": "object", "properties": {**others, "p": value}}
    schema = {"type": "object", "properties": {"o": held}}
    compiled = sg.compile(sg.json_schema(schema), tokenizer, store=False)
    state = reached(compiled, text)
    assert any(256 <= token < len(tokens) for token in compiled.allowed(state)), "the case that is meant"
    bound = sufficient(compiled, state)
    assert bound is not None and bound >= needed(compiled, state) > 10


def test_what_no_rest_depends_on_is_not_compared() -> None:
    item = {"type": "object", "properties": {"n": {"type": "string"}}, "required": ["n"]}
    for items, text in (({"type": "string"}, b'["a","b'), (item, b'[{"n":"a"},{"n":"b')):
        schema = {"type": "array", "uniqueItems": True, "items": items}
        compiled = sg.compile(sg.json_schema(schema, whitespace="compact"), TOKENIZER, store=False)
        state = reached(compiled, text)
        least, mask = compiled.tokens_to_finish(state), sg.allocate_mask(1, TOKENIZER.vocab_size)
        sg.Matcher(compiled, state).fill_mask(mask)
        network = compiled.completions._machine.network
        before = len(network._residues)
        for budget in (least, least + 1, least + 2):
            sg.Matcher(compiled, state).fill_mask(mask, budget=budget)
        closing = sum(b'"' in (piece or b"") for piece in TOKENIZER.token_bytes)
        assert len(network._residues) < before + 3 * closing, "a residue for each token of an item"


@pytest.mark.parametrize("least", [0, 2])
@pytest.mark.parametrize(
    "items",
    [
        {"type": "string"},
        {"type": "string", "minLength": 2, "maxLength": 3},
        {"enum": ["", "a", "aa" * 9]},
        {"type": "object", "properties": {"n": {"type": "string"}}, "required": ["n"]},
        {"type": ["array", "null"], "items": {"type": "string"}, "maxItems": 1},
    ],
    ids=["strings", "short strings", "words", "objects", "arrays"],
)
def test_it_holds_behind_tokens_that_span_items(items: Any, least: int) -> None:
    pieces = [
        b'","',
        b'"]',
        b'"',
        b'a","',
        b'aa","aa',
        b'"},',
        b'"},{"n":"',
        b'],["',
        b'"],',
        b"null,",
        b"null,[",
    ]
    tokens = [*(bytes((byte,)) for byte in range(256)), *pieces]
    tokenizer = sg.Tokenizer.from_bytes([*tokens, None], eos_token_id=len(tokens))
    schema = {"type": "array", "uniqueItems": True, "items": items, "minItems": least}
    compiled = sg.compile(sg.json_schema(schema, whitespace="compact"), tokenizer, store=False)
    end, chance, bounds = len(tokens), random.Random(least), 0
    for _ in range(4):
        state = compiled.start
        for _ in range(9):
            bound = sufficient(compiled, state)
            allowed = [token for token in compiled.allowed(state) if token != end]
            if bound is not None:
                bounds += 1
                assert bound >= needed(compiled, state)
            likely = [token for token in allowed if token >= 256 or chr(token) in 'a"],{n:']
            if not likely:
                break
            state = reached(compiled, chance.choice(likely), state)
    assert bounds or least
