"""Matchers in another process, and copies of them."""

from __future__ import annotations

import copy
import multiprocessing
import pickle

import pytest

import structgen as sg

BYTES = sg.Tokenizer.from_bytes([bytes([value]) for value in range(256)] + [b"<end>"], eos_token_id=256)
GRAMMARS = {
    "schema": lambda: sg.json_schema({"properties": {"a": {"type": "integer"}}, "required": ["a"]}),
    "lark": lambda: sg.lark('start: "{" /[a-z" ]+/ "}"'),
    "regex": lambda: sg.regex('[{]"a.*[}]'),
}


def begun(kind: str) -> sg.Matcher:
    matcher = sg.Matcher(sg.compile(GRAMMARS[kind](), BYTES))
    for token in b'{"a':
        matcher.advance(token)
    return matcher


def completion(matcher: sg.Matcher) -> bytes:
    return matcher.compiled.completion(matcher.state)


@pytest.mark.parametrize("kind", GRAMMARS)
def test_a_pickled_matcher_goes_on_where_it_was(kind: str) -> None:
    matcher = begun(kind)
    again = pickle.loads(pickle.dumps(matcher))
    assert again.tokens == matcher.tokens
    assert again.compiled is not matcher.compiled
    assert completion(again) == completion(matcher)
    again.rollback(1)
    assert again.tokens == tuple(b'{"')


@pytest.mark.slow  # a process that imports structgen
def test_a_spawned_process_takes_a_matcher() -> None:
    matcher = begun("schema")
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.apply(completion, (matcher,)) == completion(matcher)


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy])
def test_a_copy_is_a_fork(copied: object) -> None:
    matcher = begun("schema")
    other = copied(matcher)  # type: ignore[operator]
    assert other.compiled is matcher.compiled
    other.advance(ord('"'))
    assert len(other.tokens) == len(matcher.tokens) + 1


def test_states_and_matchers_inside_a_document_say_why_they_cannot_be_pickled() -> None:
    matcher = begun("schema")
    assert copy.deepcopy(matcher.state) == matcher.state
    for one in (matcher.state, sg.Matcher(matcher.compiled, matcher.state)):
        with pytest.raises(sg.errors.OptionError, match="cannot be pickled") as caught:
            pickle.dumps(one)
        assert "Send the compiled grammar" in caught.value.cure
