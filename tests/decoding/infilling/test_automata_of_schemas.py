"""Automata of JSON Schemas: keys that the schema does not name may come twice in them, or not at all; free
values are scalars, where no depth is given."""

from __future__ import annotations

import json
import random
from functools import cache
from typing import Any

import jsonschema
import pytest
from enumerated import accepts
from for_each import for_each
from toy_models import byte_tokenizer

import structgen as sg
from structgen.decoding.infilling.automata_of_grammars import (
    NAMED_KEYS,
    REPEATED_KEYS,
    SCALARS,
    HoleLanguage,
    language_of,
)
from structgen.decoding.infilling.token_automaton import TokenAutomaton


class Members(dict[str, Any]):
    """An object whose keys may come twice, as json.dumps writes it."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__({"": None} if pairs else {})  # json.dumps looks whether there is anything
        self._pairs = pairs

    def items(self) -> Any:
        return self._pairs


def documents(depth: int, size: int) -> set[str]:
    """Return what json.dumps writes of values of 1s, objects with the keys "" and "a", and arrays, with up to
    so many open brackets and characters."""
    found = ["1"]
    values: list[Any] = [1]
    for _ in range(depth):
        again = [one for one in values if len(json.dumps(one)) <= size]
        values = [1]
        arrays: list[list[Any]] = [[]]
        objects: list[list[tuple[str, Any]]] = [[]]
        for one in arrays:  # grows
            if len(json.dumps(one)) <= size:
                values.append(one)
                arrays += [[*one, item] for item in again]
        for pairs in objects:
            if len(json.dumps(Members(pairs))) <= size:
                values.append(Members(pairs))
                objects += [[*pairs, (key, item)] for key in ("", "a") for item in again]
        found += [json.dumps(one) for one in values]
    return {one for one in found if len(one) <= size}


WORDS = (b"[", b"]", b"{", b"}", b'"": ', b'"a": ', b", ", b"1")


def texts(automaton: TokenAutomaton, size: int, words: tuple[bytes, ...] = WORDS) -> set[str]:
    """Return what an automaton over bytes takes, of some words and up to a size; no 1 comes after a 1."""
    found: set[str] = set()
    front = {(b"", automaton.start)}
    while front:
        found |= {text.decode() for text, state in front if automaton.accepting[state]}
        ahead = ((text + word, after(automaton, state, word)) for text, state in front for word in words)
        front = {(text, state) for text, state in ahead if state >= 0 and len(text) <= size}
        front = {one for one in front if b"11" not in one[0]}
    return found


def after(automaton: TokenAutomaton, state: int, word: bytes) -> int:
    for byte in word:
        column = int(automaton.token_class[byte])
        state = -1 if column < 0 or state < 0 else int(automaton.transitions[state, column])
    return state


@cache
def language(schema: str, depth: int) -> HoleLanguage:
    return language_of(json.loads(schema), byte_tokenizer(), "grammar", depth=depth, max_states=4_000)


@pytest.mark.parametrize("depth", [1, 2])
def test_any_value_is_every_document_below_the_depth_with_keys_that_may_repeat(depth: int) -> None:
    found, wanted = language("true", depth), documents(depth, 14)
    assert found.exactness == f"depth<={depth}, keys may repeat"
    assert texts(found.automaton, 14) == wanted
    assert '{"": 1, "": 1}' in wanted and ("[[1, 1], 1]" in wanted) == (depth == 2)


def test_names_of_the_schema_come_once_and_the_others_are_typed() -> None:
    schema = {"properties": {"a": {"const": 1}}, "additionalProperties": {"const": 2}, "type": "object"}
    automaton = language(json.dumps(schema), 1).automaton
    accepted = {one: accepts(automaton, list(one.encode())) for one in EXAMPLES}
    assert accepted == EXAMPLES


EXAMPLES = {
    '{"a": 1, "b": 2, "b": 2}': True,
    '{"b": 2}': True,
    '{"a": 1, "a": 1}': False,
    '{"a": 1, "a": 2}': False,
    '{"b": 1}': False,
    '{"b": 2, "b": 1}': False,
    '{"a": 2}': False,
}


def test_a_schema_that_counts_members_keeps_its_keys_apart_or_is_refused() -> None:
    with pytest.raises(sg.errors.OptionError, match=r"additionalProperties: false .*their number is limited"):
        language_of(
            {"type": "object", "minProperties": 2}, byte_tokenizer(), "grammar", depth=1, max_states=2_000
        )


def test_a_closed_schema_is_exact() -> None:
    schema = {"type": "object", "properties": {"a": {"const": 1}}, "additionalProperties": False}
    found = language(json.dumps(schema), 1)
    assert found.exactness == "depth<=1" and not accepts(found.automaton, list(b'{"a": 1, "a": 1}'))


FLAT = ("{}", '{"a": 1}', '{"b": 1}', '{"a": 1, "b": 1}')


def open_schema(chance: random.Random) -> dict[str, Any]:
    """Return a schema of objects that may hold other keys than "a" and "b"."""

    def part() -> dict[str, Any]:
        values = ({"const": 1}, {}, {"type": "array"}, {"not": {"const": 1}}, {"$ref": "#"})
        found: dict[str, Any] = {"type": "object"}
        found["properties"] = {name: chance.choice(values) for name in "ab" if chance.random() < 0.7}
        if chance.random() < 0.5:
            found["required"] = [chance.choice("ab")]
        if chance.random() < 0.2:
            found["minProperties"] = chance.randrange(3)
        return found

    # the first names both keys, so that their order is known
    first = {"type": "object", "properties": {"a": {}, "b": {}}}
    several = chance.choice(("oneOf", "anyOf", "allOf"))
    more = {several: [part(), part()]} if chance.random() < 0.6 else part()
    return chance.choice(
        ({"allOf": [first, more]}, {**first, "not": part()}, {**part(), "properties": {}} | first)
    )


@for_each("seed", range(8))
def test_without_a_depth_the_texts_are_valid_and_flat_documents_of_named_keys_are_there(
    seed: int,
) -> None:
    schema = open_schema(random.Random(seed))
    judge = jsonschema.Draft202012Validator(schema)
    valid = {text for text in FLAT if judge.is_valid(json.loads(text))}
    try:
        found = language_of(schema, byte_tokenizer(), "grammar", max_states=4_000)
    except sg.errors.StructgenError:
        assert not valid  # it has no text, or needs keys without a name
        return
    written = texts(found.automaton, 18, (*WORDS[:4], b'"a": ', b'"b": ', b'"c": ', b", ", b"1"))
    assert valid <= written
    assert all(judge.is_valid(json.loads(text)) for text in written)
    assert NAMED_KEYS not in found.exactness or not any('"c"' in text for text in written)


@pytest.mark.parametrize(
    ("schema", "exactness", "taken", "left_out"),
    [
        ({"properties": {"a": {}}, "type": "object"}, f"{SCALARS}, {NAMED_KEYS}",
         ['{"a": "x"}', "{}"], ['{"b": 1}', '{"a": [1]}']),
        ({"type": "object", "additionalProperties": {"const": 1}}, f"{NAMED_KEYS}, {REPEATED_KEYS}",
         ['{"b": 1}', '{"b": 1, "c": 1}'], ['{"b": 2}']),
        ({"properties": {"a": {"$ref": "#"}}, "type": "object", "additionalProperties": False}, "depth<=4",
         ['{"a": {"a": {"a": {}}}}'], ['{"a": {"a": {"a": {"a": {}}}}}']),
        (True, SCALARS, ["1", '"x"'], ["[]", "{}"]),
        ({"properties": {"a": {"const": 1}}, "type": "object", "additionalProperties": False}, "exact-fsa",
         ['{"a": 1}', "{}"], ['{"b": 1}']),
        ({"type": "object", "properties": {"a": {"const": 1}}, "minProperties": 1, "required": ["b"],
          "additionalProperties": False, "patternProperties": {"^b$": {"const": 1}}}, "exact-fsa",
         ['{"b": 1}', '{"a": 1, "b": 1}'], ["{}", '{"a": 1}']),
    ],
)  # fmt: skip
def test_the_exactness_says_what_is_left_out(
    schema: Any, exactness: str, taken: list[str], left_out: list[str]
) -> None:
    found = language_of(schema, byte_tokenizer(), "grammar", max_states=8_000)
    assert found.exactness == exactness
    assert [one for one in taken if not accepts(found.automaton, list(one.encode()))] == []
    assert [one for one in left_out if accepts(found.automaton, list(one.encode()))] == []
