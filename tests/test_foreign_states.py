"""A state belongs to one compiled grammar: every method that takes a state refuses those of others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from for_each import for_each

import structgen as sg
from structgen.decoding.runs.resources import small_tokenizer

Ask = Callable[[sg.CompiledGrammar, Any], object]
LARK = 'start: "(" start ")" | /[a-z]+/'
GRAMMARS: dict[str, Callable[[], sg.Grammar]] = {
    "schema": lambda: sg.json_schema({"type": "object"}),
    "lark": lambda: sg.lark(LARK),
    "ebnf": lambda: sg.ebnf('root ::= "(" root ")" | [a-z]+'),
    "composed": lambda: sg.literal("<") + sg.json_schema({"type": "array"}) + sg.literal(">"),
}
QUESTIONS: dict[str, Ask] = {
    "step": lambda compiled, state: compiled.step(state, 1),
    "step_bytes": lambda compiled, state: compiled.step_bytes(state, b"a"),
    "accepts_end": lambda compiled, state: compiled.accepts_end(state),
    "is_finished": lambda compiled, state: compiled.is_finished(state),
    "fill": lambda compiled, state: compiled.fill(state, sg.allocate_mask(1, compiled.vocab_size)),
    "allowed": lambda compiled, state: compiled.allowed(state),
    "next_bytes": lambda compiled, state: compiled.next_bytes(state),
    "expected": lambda compiled, state: compiled.expected(state),
    "tokens_to_finish": lambda compiled, state: compiled.tokens_to_finish(state),
    "completion": lambda compiled, state: compiled.completion(state),
    "Matcher": sg.Matcher,
}
"""Every public way in for a state, but for those of `Matcher` itself, which has its own."""


@pytest.fixture(scope="module")
def tokenizer() -> sg.Tokenizer:
    return sg.Tokenizer.from_huggingface(small_tokenizer())


def compiled_of(name: str, tokenizer: sg.Tokenizer) -> sg.CompiledGrammar:
    return sg.compile(GRAMMARS[name](), tokenizer, store=False)


@for_each("question", QUESTIONS)
@for_each("name", GRAMMARS)
def test_a_state_of_another_compiled_grammar_is_refused(
    name: str, question: str, tokenizer: sg.Tokenizer
) -> None:
    compiled, other = compiled_of(name, tokenizer), compiled_of(name, tokenizer)
    with pytest.raises(sg.errors.OptionError, match=r"^state: .*matcher\.compiled\.$"):
        QUESTIONS[question](compiled, other.start)
    QUESTIONS[question](compiled, compiled.start)


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_state_of_an_earlier_generation_is_refused(question: str, tokenizer: sg.Tokenizer) -> None:
    compiled = compiled_of("schema", tokenizer)
    newer = compiled.generation.replace(compiled)
    state = compiled.step_bytes(compiled.start, b'{"a":[')
    assert newer is not compiled and compiled.fresh() is newer
    with pytest.raises(sg.errors.OptionError, match=r"^state: "):
        QUESTIONS[question](newer, state)
    QUESTIONS[question](compiled, state)


@pytest.mark.parametrize("question", QUESTIONS)
def test_what_is_no_state_is_refused(question: str, tokenizer: sg.Tokenizer) -> None:
    with pytest.raises(sg.errors.OptionError, match=r"^state must be a State, got int\."):
        QUESTIONS[question](compiled_of("ebnf", tokenizer), 3)
