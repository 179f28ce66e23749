"""Rules over bytes of EBNF, Lark, patterns and JSON Schemas: the texts of the grammar, and no others."""

from __future__ import annotations

import itertools
import json
import random
from typing import Any

import jsonschema
import numpy as np
import pytest
from for_each import for_each

pytest.importorskip("numba", reason="these methods are compiled")

from methods.byte_rules import Rules
from methods.context_free_fill import NULL, OPEN, ContextFreeFill
from methods.schema_rules import schema_rules
from methods.token_pushdown import token_pushdown
from methods.written_rules import written_rules

import structgen as sg
from structgen.errors import GrammarError

pytestmark = pytest.mark.usefixtures("chart_loops")
SUMS = 'root ::= root "+" t | t\nt ::= "(" root ")" | [0-1]+'
ROUND = 'start: a | b\na: b "x" | "y"\nb: a "z" | "w" start'
SPACED = 'start: "(" start? ")"\n%ignore " "'
TREES = {
    "$ref": "#/$defs/tree",
    "$defs": {
        "tree": {
            "type": "object",
            "properties": {
                "of": {"enum": ["a", "b"]},
                "in": {"type": "array", "items": {"$ref": "#/$defs/tree"}},
                "up": {"anyOf": [{"$ref": "#/$defs/tree"}, {"type": "null"}]},
            },
            "required": ["of", "in"],
            "additionalProperties": False,
        }
    },
}
PIECES = (b'{"of": ', b'"a"', b'"b"', b', "in": ', b"[", b"]", b'{"of": "a", "in": []', b"}", b", ", b"null")
PIECES += (b', "up": ', b"]}", b'{"', b"of", b'": "a"', b', "')
NESTED = {"anyOf": [{"type": "array", "items": {"$ref": "#"}}, {"type": "null"}]}


def holds(rules: Rules, text: bytes) -> bool:
    """Return whether rules derive a text: whether it uses the start up."""
    return b"" in rules.run(rules.start, text)[1]


@pytest.mark.parametrize(
    ("grammar", "letters"),
    [
        (sg.ebnf(SUMS), b"(+)1"),
        (sg.lark(ROUND, lexer="characters"), b"xyzw"),
        (sg.lark(SPACED, lexer="characters"), b"() "),
        (sg.regex("a*b|c"), b"abc"),
    ],
    ids=["left recursion", "left recursion of two rules", "ignored", "pattern"],
)
def test_rules_have_the_texts_of_the_compiled_grammar(grammar: Any, letters: bytes) -> None:
    tokens = [bytes([one]) for one in letters]
    compiled = sg.compile(grammar, sg.Tokenizer.from_bytes([*tokens, None], eos_token_id=len(tokens)))
    rules = written_rules(grammar)
    for length in range(1, 7):
        for word in itertools.product(range(len(letters)), repeat=length):
            matcher = sg.Matcher(compiled)
            wanted = matcher.accepts(word) == length
            if wanted:
                for token in word:
                    matcher.advance(token)
            wanted = wanted and matcher.is_complete
            assert holds(rules, bytes(letters[token] for token in word)) == wanted


def tree(chance: random.Random, depth: int) -> dict[str, Any]:
    """Return a random value of TREES, with its keys in the schema's order."""
    inner = [tree(chance, depth - 1) for _ in range(chance.randrange(3) if depth else 0)]
    members: dict[str, Any] = {"of": chance.choice("ab"), "in": inner}
    if chance.random() < 0.5:
        members["up"] = tree(chance, depth - 1) if depth and chance.random() < 0.5 else None
    return members


@for_each("seed", range(20))
def test_rules_of_a_recursive_schema_take_its_values_and_no_others(seed: int) -> None:
    chance, rules = random.Random(seed), schema_rules(TREES)
    value = tree(chance, 4)
    text = json.dumps(value)
    assert holds(rules, text.encode())
    at = chance.randrange(len(text))
    changed = text[:at] + chance.choice('{}[]",: abnu') + text[at + 1 :]
    try:
        read = json.loads(changed)
        wanted = json.dumps(read) == changed and jsonschema.Draft202012Validator(TREES).is_valid(read)
    except ValueError:
        wanted = False
    assert holds(rules, changed.encode()) == wanted


@for_each("seed", range(4))
def test_a_hole_under_a_recursive_schema_is_filled_with_valid_values(seed: int) -> None:
    chance = np.random.default_rng(seed)
    fill = ContextFreeFill(
        token_pushdown(schema_rules(TREES), PIECES), [OPEN] * 20, np.zeros((20, len(PIECES) + 1)), 1
    )
    for slot in chance.permutation(20).tolist():
        token = int(chance.choice(np.flatnonzero(fill.masks()[slot])))
        fill.tokens[slot] = NULL if token == len(PIECES) else token
    text = b"".join(PIECES[one] for one in fill.tokens if one >= 0).decode()
    jsonschema.Draft202012Validator(TREES).validate(json.loads(text))
    assert json.dumps(json.loads(text)) == text


def test_the_masks_of_a_recursive_schema_are_all_tokens_of_its_values() -> None:
    rules, tokens = schema_rules(NESTED), (b"[", b"]", b", ", b"null", b"[]", b"], [", b"null]")
    wanted = np.zeros((5, len(tokens)), np.bool_)
    for some in itertools.product(range(len(tokens)), repeat=5):
        text = b"".join(tokens[one] for one in some).decode()
        try:
            wanted[np.arange(5), some] |= json.dumps(json.loads(text)) == text
        except ValueError:
            continue
    fill = ContextFreeFill(token_pushdown(rules, tokens), [OPEN] * 5, np.zeros((5, len(tokens) + 1)))
    assert np.array_equal(fill.masks()[:, :-1], wanted) and wanted.any()


@pytest.mark.parametrize(
    ("schema", "told"),
    [
        ({"allOf": [{"$ref": "#/$defs/a"}], "$defs": {"a": {"type": "null"}}}, "allOf around or beside"),
        ({"type": "object"}, "no automaton"),
        ({"$ref": "#/$defs/b", "$defs": {"a": {"type": "null"}}}, "#/\\$defs/b names no schema"),
        ({"$ref": "#"}, "begins with itself"),
        ({"const": "\ue000"}, "U\\+E000"),
    ],
)
def test_a_schema_without_rules_is_refused(schema: dict[str, Any], told: str) -> None:
    with pytest.raises(GrammarError, match=told):
        schema_rules(schema)


@pytest.mark.parametrize(
    ("grammar", "told"),
    [(sg.regex("a*"), "empty text"), (sg.json_schema({"type": "null"}), "no rules over bytes")],
)
def test_a_grammar_without_rules_is_refused(grammar: Any, told: str) -> None:
    with pytest.raises(GrammarError, match=told):
        written_rules(grammar)
