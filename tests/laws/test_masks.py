"""Masks are exact: against the explicit automaton, against bytes, and against a judge of any text."""

from __future__ import annotations

import random
from typing import Any

import bundles
import pytest
from cases import FLAT_OPTIONS, Case, any_cases, cases
from effort import DEEP, MODEST
from engine import compiled_system, system_of
from hypothesis import assume, currently_in_test_context, event, given
from hypothesis import strategies as st
from language import Language
from laws import judged_text
from policy_oracle import WIDEST, Answer, Options
from strategies import Writer, open_schemas, values, vocabulary

import structgen as sg

OPEN_OPTIONS = (*FLAT_OPTIONS, WIDEST, Options())


@MODEST
@given(any_cases())
def test_a_mask_is_what_every_token_tried_on_the_explicit_automaton_gives(case: Case) -> None:
    bundles.exact(system_of(case), case)


@MODEST
@given(any_cases())
def test_a_mask_is_what_the_byte_recogniser_takes(case: Case) -> None:
    bundles.bytes_agree(system_of(case), case)


@MODEST
@given(any_cases())
def test_every_word_is_taken_under_random_tokens_and_may_end(case: Case) -> None:
    bundles.words(system_of(case), case)


@MODEST
@given(any_cases())
def test_what_is_no_word_is_refused_or_may_not_end(case: Case) -> None:
    bundles.foreign_texts(system_of(case), case)


@MODEST
@given(cases(empty=True))
def test_a_language_is_refused_as_unsatisfiable_exactly_when_it_is_empty(case: Case) -> None:
    if case.automaton.empty:
        with pytest.raises(sg.errors.UnsatisfiableSchema):
            system_of(case)
    else:
        system_of(case)


def hold_to_the_judge(schema: Any, options: Options, some: list[Any], seed: int) -> None:
    """Write the values in random spellings, break some, and hold the engine to the judge on every text."""
    chance = random.Random(seed)
    wild = chance.choice([0.0, 0.1, 0.3])
    texts = [Writer(chance, wild, wild, chance.random() < 0.5).text(value) for value in some]
    for text in list(texts):
        broken = bytearray(text)
        broken[chance.randrange(len(broken))] = chance.choice(b' "a01,:{}[]\\\n')
        texts.append(bytes(broken))
    tokens = vocabulary(chance, texts)
    try:
        system = compiled_system(schema, options, tokens, [tokens.index(None)])
    except sg.errors.UnsatisfiableSchema:
        language = Language(schema, options)
        assert all(language.holds(text) is not Answer.YES for text in texts), "refused, and it has words"
        assume(False)
    language = Language(schema, options)
    answers = [judged_text(system, language, text, chance) for text in texts]
    if currently_in_test_context():
        for answer in answers:
            event(f"judged {answer.value}")


@MODEST
@given(
    open_schemas(),
    st.sampled_from(OPEN_OPTIONS),
    st.lists(values(), min_size=5, max_size=25),
    st.integers(0, 2**32),
)
def test_any_text_is_taken_or_refused_as_the_judge_says(
    schema: Any, options: Options, some: list[Any], seed: int
) -> None:
    hold_to_the_judge(schema, options, some, seed)


PAIR = {"type": "object", "properties": {"a": True, "b": {"type": "integer"}}, "required": ["b"]}
BELOW_NOT: dict[str, Any] = {
    "an item that contains asks for": {
        "not": {
            "contains": {"properties": {"b": PAIR}, "not": PAIR},
            "maxContains": 0,
            "minContains": 0,
            "items": PAIR,
        }
    },
    "items that must not fail": {"not": {"contains": {"not": {"properties": {"b": True, "a": True}}}}},
    "a branch that must hold beside another": {
        "not": {"oneOf": [{"items": {"properties": {"b": True}}}, {"minItems": 1}]}
    },
}


@pytest.mark.parametrize("name", BELOW_NOT)
def test_keys_of_what_must_hold_below_a_not_may_have_an_order(name: str) -> None:
    some = [[{"a": None, "b": None}], [{"b": None, "a": None}], [{"a": 1, "b": 2}], [{"b": 2, "a": 1}]]
    hold_to_the_judge(BELOW_NOT[name], Options(whitespace="compact", numbers="plain"), some, 0)


@pytest.mark.slow
@DEEP
@given(any_cases())
def test_masks_are_exact_in_many_cases(case: Case) -> None:
    system = system_of(case)
    bundles.exact(system, case)
    bundles.words(system, case)


@pytest.mark.slow
@DEEP
@given(
    open_schemas(),
    st.sampled_from(OPEN_OPTIONS),
    st.lists(values(), min_size=5, max_size=25),
    st.integers(0, 2**32),
)
def test_many_texts_are_judged_alike(schema: Any, options: Options, some: list[Any], seed: int) -> None:
    hold_to_the_judge(schema, options, some, seed)
