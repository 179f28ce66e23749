"""Explicit automata, against the compiled grammar's own steps."""

from __future__ import annotations

import random
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import structgen as sg
from structgen.machines.core.dfa import Dfa

BPE = Path(__file__).parent / "data" / "bpe" / "tokenizer.json"
PLAIN = {"whitespace": "compact", "numbers": "plain", "property_order": "declared", "escapes": "canonical"}

RECORD = {
    "type": "object",
    "properties": {
        "id": {"type": "integer", "minimum": 0, "maximum": 120},
        "name": {"type": "string", "pattern": "^[a-z]{1,3}$"},
        "tags": {"type": "array", "items": {"enum": ["x", "xy", None]}, "maxItems": 2},
    },
    "required": ["id"],
    "additionalProperties": False,
}
NESTED = {"type": "array", "items": {"$ref": "#"}}
SCHEMAS: dict[str, Any] = {
    "boolean": {"type": "boolean"},
    "words": {"enum": ["a", "ab", 'q"\\', 1, {"k": [None]}]},
    "string": {"type": "string"},
    "record": RECORD,
}


@cache
def compiled(name: str, vocabulary: str) -> sg.CompiledGrammar:
    if vocabulary == "bpe":
        tokenizer = sg.Tokenizer.from_huggingface(BPE)
    else:
        # every byte, some pairs, one byte string twice, a special token, two ends
        texts: list[bytes | None] = [bytes((byte,)) for byte in range(256)]
        texts += [b'{"', b'":', b',"', b"true", b"tr", b"xy", b'"}', b"]}", b"12", b"12", None, b"</s>", None]
        tokenizer = sg.Tokenizer.from_bytes(texts, eos_token_id=[267, 268])
    return sg.compile(sg.json_schema(SCHEMAS[name], **PLAIN), tokenizer, store=False)


@cache
def automaton(name: str, vocabulary: str) -> Dfa:
    return compiled(name, vocabulary).to_dfa(20_000)


CASES = list(product(SCHEMAS, ("bytes", "bpe")))


@pytest.mark.parametrize(("name", "vocabulary"), CASES)
def test_every_token_leads_where_the_grammar_steps(name: str, vocabulary: str) -> None:
    grammar, dfa, chance = compiled(name, vocabulary), automaton(name, vocabulary), random.Random(1)
    where = {state: number for number, state in enumerate(dfa.states)}
    some = range(len(dfa)) if len(dfa) < 60 else chance.sample(range(len(dfa)), 60)
    for number in some:
        assert bool(dfa.accepting[number]) == dfa.states[number].is_complete
        for token in range(grammar.tokenizer.vocab_size):
            after = None if token in grammar.end_tokens else grammar.step(dfa.states[number], token)
            assert dfa.step(number, token) == (-1 if after is None else where[after])


@pytest.mark.parametrize(("name", "vocabulary"), CASES)
def test_two_classes_differ_somewhere_and_each_has_a_token(name: str, vocabulary: str) -> None:
    dfa = automaton(name, vocabulary)
    classes = dfa.transitions.shape[1]
    assert len(np.unique(dfa.transitions, axis=1).T) == classes
    assert set(dfa.token_class.tolist()) - {-1} == set(range(classes))


def test_tokens_of_equal_bytes_share_a_class() -> None:
    dfa = automaton("record", "bytes")
    assert dfa.token_class[264] == dfa.token_class[265] >= 0


def words(dfa: Dfa, length: int) -> set[bytes]:
    """Return the documents of an automaton over single bytes, up to a length."""
    found, front = set(), {(b"", dfa.start)}
    for _ in range(length + 1):
        found |= {text for text, state in front if dfa.accepting[state]}
        front = {
            (text + bytes((byte,)), after)
            for text, state in front
            for byte in range(256)
            if (after := dfa.step(state, byte)) >= 0
        }
    return found


def byte_compiled(schema: object) -> sg.CompiledGrammar:
    texts: list[bytes | None] = [bytes((byte,)) for byte in range(256)]
    tokenizer = sg.Tokenizer.from_bytes([*texts, b"[[", b"[[]]", None], eos_token_id=258)
    return sg.compile(sg.json_schema(schema, **PLAIN), tokenizer, store=False)


def test_depth_leaves_out_the_documents_with_more_open_brackets() -> None:
    dfa = byte_compiled(NESTED).to_dfa(1_000, depth=2)
    assert words(dfa, 8) == {b"[]", b"[[]]", b"[[],[]]"}


def test_a_token_that_is_too_deep_half_way_is_left_out() -> None:
    grammar = byte_compiled(NESTED)
    shallow, deep = grammar.to_dfa(1_000, depth=1), grammar.to_dfa(1_000, depth=2)
    assert shallow.token_class[257] == -1
    assert deep.step(deep.start, 257) >= 0


def test_states_that_can_only_go_too_deep_are_dropped() -> None:
    choice = {
        "type": "array",
        "items": {"anyOf": [{"const": 1}, {"const": [[2]]}]},
        "minItems": 1,
        "maxItems": 1,
    }
    dfa = byte_compiled(choice).to_dfa(1_000, depth=2)
    assert words(dfa, 8) == {b"[1]"}
    assert len(dfa) == 4


def test_no_document_within_the_depth_is_an_error() -> None:
    with pytest.raises(sg.errors.UnsatisfiableSchema, match="depth"):
        byte_compiled({"const": [[1]]}).to_dfa(1_000, depth=1)


@pytest.mark.parametrize("schema", [NESTED, {"type": "object"}])
def test_endless_states_reach_the_limit(schema: object) -> None:
    with pytest.raises(sg.errors.LimitError, match="max_states") as caught:
        byte_compiled(schema).to_dfa(500)
    assert caught.value.limit == "max_states"


def test_the_limit_is_the_number_of_states() -> None:
    grammar = byte_compiled({"type": "boolean"})
    count = len(grammar.to_dfa(100))
    assert len(grammar.to_dfa(count)) == count
    with pytest.raises(sg.errors.LimitError):
        grammar.to_dfa(count - 1)


@pytest.mark.parametrize("options", [{"max_states": 0}, {"max_states": True}, {"max_states": 9, "depth": -1}])
def test_limits_are_numbers(options: dict[str, int]) -> None:
    with pytest.raises(sg.errors.OptionError):
        byte_compiled(True).to_dfa(**options)


def test_the_arrays_cannot_be_written() -> None:
    dfa = automaton("boolean", "bytes")
    for array in (dfa.transitions, dfa.token_class, dfa.accepting):
        assert not array.flags.writeable
