"""Budgets in objects that owe members which no schema names: which names are free decides what fits."""

from __future__ import annotations

import random
from itertools import product
from typing import Any

import pytest
from compiled_texts import reached
from for_each import for_each

import structgen as sg

PIECES = r"""aaa bb bbbb a" "a "b "bb "bbbb "b" ": "," ,"a": \u \u00 61 \u0061 61": null null, null," {} é"""
WORDS = [
    *(bytes([byte]) for byte in range(256)),
    *PIECES.encode().split(),
    *(b'": ', b"\xa9a", b'":null,"b":null,"bb":null}', b'":null,"bb":null,"bbb":null}'),
]
"""The last two make it cheap to begin with `b` or `bbbb`, and dear to begin with another name."""
END = len(WORDS)
TOKENIZER = sg.Tokenizer.from_bytes([*WORDS, None], eos_token_id=END)
SCHEMAS: dict[str, Any] = {
    "any name": {"minProperties": 3, "additionalProperties": {"type": "null"}},
    "few names": {"propertyNames": {"enum": ["a", "b", "aa", "ab"]}, "minProperties": 3},
    "one letter": {"propertyNames": {"maxLength": 1}, "minProperties": 3},
    "of a pattern": {"propertyNames": {"pattern": "^a+$"}, "minProperties": 3},
    "of a letter": {
        "patternProperties": {"^b+$": {"type": "null"}},
        "additionalProperties": False,
        "minProperties": 3,
    },
    "of two patterns": {
        "patternProperties": {"^a": {"const": "long"}, "^b": {"type": "null"}},
        "additionalProperties": False,
        "minProperties": 3,
    },
    "beside a named one": {
        "properties": {"a": {"type": "null"}},
        "additionalProperties": {"enum": [None, "x"]},
        "minProperties": 3,
    },
}
BEGUN = (b"{", b'{"', b'{"a', b'{"a":null,', b'{"a":null,"', b'{"b":null,', b'{"b":null,"', b'{"":null,"a')


def needed(compiled: sg.CompiledGrammar, text: bytes, token: int) -> int:
    """Return the least budget before a token, in a grammar that was asked nothing else."""
    fresh = sg.compile(compiled.grammar, TOKENIZER, store=False)
    state = reached(fresh, text + WORDS[token])
    return 1 + fresh.tokens_to_finish(state)


def some_of(tokens: list[int], chance: random.Random) -> list[int]:
    """Return the tokens of several bytes, of a letter, and some others."""
    chosen = [token for token in tokens if token >= 256 or token in b"ab"]
    return chosen + chance.sample(tokens, min(4, len(tokens)))


def beginnings(compiled: sg.CompiledGrammar, schema: dict[str, Any], chance: random.Random) -> list[bytes]:
    """Return five beginnings of documents: written ones, and two random ones."""
    found = [text for text in BEGUN if compiled.step_bytes(compiled.start, text) is not None]
    found = chance.sample(found, min(3, len(found)))
    for _ in range(2):
        text = b""
        for _ in range(chance.randint(4, 9)):
            state = reached(compiled, text)
            likely = [t for t in compiled.allowed(state) if t >= 256 and t != END] or [
                t for t in compiled.allowed(state) if t in b'ab":,}'
            ]
            if not likely:
                break
            text += WORDS[chance.choice(likely)]
        found.append(text)
    return found


@for_each(("schema", "escapes"), zip(SCHEMAS.values(), ["canonical", "any"] * 4, strict=False))
def test_a_budget_allows_what_fits_whatever_names_are_held(schema: dict[str, Any], escapes: Any) -> None:
    hold_budgets(schema, escapes)


@pytest.mark.slow
def test_a_budget_allows_what_fits_whatever_names_are_held_whole() -> None:
    for schema, escapes in product(SCHEMAS.values(), ("canonical", "any")):
        hold_budgets(schema, escapes)


def hold_budgets(schema: dict[str, Any], escapes: Any) -> None:
    """Assert that budgets allow what fits, behind some beginnings of documents."""
    grammar = sg.json_schema({"type": "object", **schema}, whitespace="compact", escapes=escapes)
    compiled = sg.compile(grammar, TOKENIZER, store=False)
    chance, mask = random.Random(5), sg.allocate_mask(1, TOKENIZER.vocab_size)
    for text in beginnings(compiled, schema, chance):
        state = reached(compiled, text)
        least = compiled.tokens_to_finish(state)
        tokens = [token for token in compiled.allowed(state) if token != END]
        some = {token: needed(compiled, text, token) for token in some_of(tokens, chance)}
        for budget in (least, least + 1, least + 3):
            sg.Matcher(compiled, state).fill_mask(mask, budget=budget)
            allowed = set(mask.allowed().tolist())
            assert all((token in allowed) == (need <= budget) for token, need in some.items()), (text, some)


def test_a_key_that_is_open_makes_no_state_for_each_token() -> None:
    chance = random.Random(2)
    words = sorted({bytes(chance.choices(b"abcdefgh", k=chance.randint(2, 6))) for _ in range(3000)})
    pieces = [*(bytes([byte]) for byte in range(256)), *words, None]
    tokenizer = sg.Tokenizer.from_bytes(pieces, eos_token_id=len(pieces) - 1)
    schema = {"type": "object", "minProperties": 3, "propertyNames": {"pattern": "^[a-z]+$"}}
    compiled = sg.compile(sg.json_schema(schema, whitespace="compact"), tokenizer, store=False)
    mask, before = sg.allocate_mask(1, tokenizer.vocab_size), compiled.sizes["machine_states"]
    for text in (b'{"a', b'{"a":0,"', b'{"a":0,"b', b'{"a":0,"b":0,"ccc'):
        state = reached(compiled, text)
        sg.Matcher(compiled, state).fill_mask(mask, budget=compiled.tokens_to_finish(state) + 1)
    assert compiled.sizes["machine_states"] - before < len(words)
