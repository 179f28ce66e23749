"""Automata of JSON Schemas with keys that the schema does not name, which may come twice in them."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import pytest
from toy_models import byte_tokenizer

import structgen as sg
from structgen.infilling.automata_of_grammars import HoleLanguage, language_of, written_as_dumps
from structgen.infilling.token_automaton import TokenAutomaton


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


def texts(automaton: TokenAutomaton, size: int) -> set[str]:
    """Return what an automaton over bytes takes, of some words and up to a size; no 1 comes after a 1."""
    found: set[str] = set()
    front = {(b"", automaton.start)}
    while front:
        found |= {text.decode() for text, state in front if automaton.accepting[state]}
        ahead = ((text + word, after(automaton, state, word)) for text, state in front for word in WORDS)
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
    accepted = {one: automaton.accepts(list(one.encode())) for one in EXAMPLES}
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
    with pytest.raises(sg.errors.OptionError, match=r"minProperties.*$"):
        language_of(
            {"type": "object", "minProperties": 2}, byte_tokenizer(), "grammar", depth=1, max_states=2_000
        )


def test_a_closed_schema_is_exact() -> None:
    schema = {"type": "object", "properties": {"a": {"const": 1}}, "additionalProperties": False}
    found = language(json.dumps(schema), 1)
    assert found.exactness == "depth<=1" and not found.automaton.accepts(list(b'{"a": 1, "a": 1}'))


def test_numerals_of_a_minimal_automaton_are_those_of_the_machine() -> None:
    compiled = sg.compile(written_as_dumps({"type": "number"}), byte_tokenizer(), store=False)
    whole, minimal = compiled.to_dfa(10_000), compiled.to_dfa(10_000, minimal=True)
    assert len(minimal) == 173 <= len(whole)
    pairs, pending = {(whole.start, minimal.start)}, [(whole.start, minimal.start)]
    while pending:
        one, other = pending.pop()
        assert whole.accepting[one] == minimal.accepting[other]
        for byte in b"0123456789.eE+- x":
            after = whole.step(one, byte), minimal.step(other, byte)
            assert (after[0] < 0) == (after[1] < 0)
            if after[0] >= 0 and after not in pairs:
                pairs.add(after)
                pending.append(after)
