"""The laws over cases, of the engine: masks, counts, budgets, batches, cursors, stores and threads.

A case is a small language with its automaton and a random vocabulary; all laws of a process share some.
"""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import laws
import pytest
from cases import FLAT_OPTIONS, Case, any_cases, case_of, cases
from effort import BRIEF, DEEP, MODEST
from hypothesis import assume, currently_in_test_context, event, given
from hypothesis import strategies as st
from language import Language, Unclear
from laws import Law, compiled_system, system_of
from policy_oracle import COMPACT, WIDEST, Answer, Options
from shapes import Array, Number, Object, Shape, Text, automaton_of
from strategies import Bounded, Writer, bounded_schemas, open_schemas, values, vocabulary

import structgen as sg
from structgen.machines.core import batch
from structgen.tokens.tokenizer import byte_tokenizer

OPEN_OPTIONS = (*FLAT_OPTIONS, WIDEST, Options())


@pytest.fixture(autouse=True, scope="module")
def at_once() -> Iterator[None]:
    """Let threads take all unknown masks of a batch, however quickly the first is there."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(batch, "_SECONDS_ALONE", 0.0)
        patch.setattr(batch, "_FEW", 0)
        yield


def with_chance(law: Callable[..., None], *given: Any) -> Law:
    """Return a law over a case of one that asks for a system, other things, and a source of chance."""
    return lambda system, case: law(system, *given, case.chance)


LAWS: dict[str, Law] = {
    "a mask is what every token tried on the explicit automaton gives": laws.exact,
    "a mask is what the byte recogniser takes": laws.bytes_agree,
    "every word is taken under random tokens and may end": laws.words,
    "what is no word is refused or may not end": laws.foreign_texts,
    "walks of a finite language end in its words": laws.walks,
    "every allowed token leads to a word": laws.live,
    "the count falls and is no less than the least": laws.counts,
    "a budget allows what fits and completes in time": laws.budgets,
    "a batch fills what single calls fill": with_chance(laws.batch_agrees, sg.core.fill_masks),
    "a budget too small fails its own row alone": with_chance(laws.batch_budgets_agree, sg.core.fill_masks),
    "a batch advances what single calls advance": with_chance(laws.advance_all_agrees, sg.core.advance_all),
    "a matcher agrees with replay after any moves": laws.cursors,
    "forced bytes are what every word goes on with": laws.forced,
}


@pytest.mark.parametrize("law", LAWS.values(), ids=LAWS)
@MODEST
@given(case=any_cases())
def test_the_engine_keeps_the_law(law: Law, case: Case) -> None:
    law(system_of(case), case)


@pytest.mark.slow
@DEEP
@given(any_cases())
def test_masks_are_exact_in_many_cases(case: Case) -> None:
    system = system_of(case)
    laws.exact(system, case)
    laws.words(system, case)


@BRIEF
@given(any_cases())
def test_eight_threads_see_what_one_sees(case: Case) -> None:
    laws.threads_agree(system_of(case, sg.MaskStore()), system_of(case), case.chance)


@pytest.mark.parametrize("let_go", [True, False])
@BRIEF
@given(case=any_cases())
def test_masks_from_a_cold_and_a_warm_store_are_exact(let_go: bool, case: Case) -> None:
    store = sg.MaskStore()
    laws.exact(system_of(case, store), case)
    if let_go:
        store.let_go()  # so that another grammar finds the masks
    laws.exact(system_of(case, store), case)


@BRIEF
@given(
    st.lists(bounded_schemas(depth=1), min_size=2, max_size=4),
    st.sampled_from([COMPACT, Options(numbers="plain")]),
)
def test_masks_from_a_store_that_others_filled_are_exact(some: list[Bounded], options: Options) -> None:
    store, found = sg.MaskStore(), []
    for bounded in some:
        with contextlib.suppress(Unclear):
            found.append(case_of(bounded, options, 7))
    found = [case for case in found if not case.automaton.empty]
    assume(len(found) > 1)
    for case in found:
        # One vocabulary for all: rows are shared between the grammars of a vocabulary.
        shared = replace(case, tokens=found[0].tokens, eos=found[0].eos)
        laws.exact(system_of(shared, store), shared)


@MODEST
@given(cases(empty=True))
def test_a_language_is_refused_as_unsatisfiable_exactly_when_it_is_empty(case: Case) -> None:
    if case.automaton.empty:
        with pytest.raises(sg.errors.UnsatisfiableSchema):
            system_of(case)
    else:
        system_of(case)


def test_known_masks_are_filled_without_other_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a budget that is known to suffice, too: a thread costs thirty times as much as such a row."""
    compiled = sg.compile(sg.regex("[a-z]{9}"), byte_tokenizer(), store=False)
    matchers = [sg.Matcher(compiled) for _ in range(8)]
    mask = sg.allocate_mask(8, compiled.vocab_size)
    asked: list[list[int]] = []
    monkeypatch.setattr(batch, "_spread_work", lambda work, items: asked.append(items) or [*map(work, items)])
    for _ in range(2):
        sg.core.fill_masks(matchers, mask, budgets=[30] * 8)
    assert asked == [[*range(8)]]
    matchers[3].advance(ord("a"))
    sg.core.fill_masks(matchers, mask, budgets=[30] * 8)
    assert asked[1:] == [[3]]


NAME = Text(1, None)
POINT = Object((("x", Number(False), True), ("y", Number(False), True)))
ADDRESS = Object((("street", NAME, True), ("city", NAME, True)))
SHAPES = {
    "points": Array(POINT, 1, 3),
    "person": Object((("name", NAME, True), ("age", Number(True), True), ("email", NAME, False))),
    "tagged": Object((("id", Number(True), True), ("tags", Array(NAME, 1, None), True))),
    "nested": Object((("title", Text(0, 7), True), ("address", ADDRESS, True))),
}


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_the_count_is_within_a_tenth_of_the_least_on_samples(shape: Shape) -> None:
    tokenizer = sg.Tokenizer.from_huggingface(Path(__file__).parent.parent / "data/bpe/tokenizer.json")
    options = Options("compact", numbers="plain")
    automaton, chance = automaton_of(shape, options), random.Random(1)
    case = Case(shape.schema(), options, automaton, tokenizer.token_bytes, tokenizer.eos_token_ids, chance)
    for _ in range(2):
        laws.near_counts(system_of(case), case)


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
    language = Language(schema, options)
    try:
        system = compiled_system(schema, options, tokens, [tokens.index(None)])
    except sg.errors.UnsatisfiableSchema:
        assert all(language.holds(text) is not Answer.YES for text in texts), "refused, and it has words"
        assume(False)
    answers = [laws.judged_text(system, language, text, chance) for text in texts]
    if currently_in_test_context():
        for answer in answers:
            event(f"judged {answer.value}")


OPEN = (
    open_schemas(),
    st.sampled_from(OPEN_OPTIONS),
    st.lists(values(), min_size=5, max_size=25),
    st.integers(0, 2**32),
)


@MODEST
@given(*OPEN)
def test_any_text_is_taken_or_refused_as_the_judge_says(
    schema: Any, options: Options, some: list[Any], seed: int
) -> None:
    hold_to_the_judge(schema, options, some, seed)


@pytest.mark.slow
@DEEP
@given(*OPEN)
def test_many_texts_are_judged_alike(schema: Any, options: Options, some: list[Any], seed: int) -> None:
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


@MODEST
@given(open_schemas(), st.sampled_from((*FLAT_OPTIONS, WIDEST)), st.integers(0, 2**32))
def test_walks_of_an_open_schema_end_in_valid_documents(schema: Any, options: Options, seed: int) -> None:
    chance = random.Random(seed)
    tokens = vocabulary(chance, [b'{"a":1,"b":[true,"ab"]}', b'[null,-1.5,"x0"]'])
    try:
        system = compiled_system(schema, options, tokens, [tokens.index(None)])
    except sg.errors.UnsatisfiableSchema:
        assume(False)
    language = Language(schema, options)
    for _ in range(3):
        document = laws.walk_ends_in_the_language(system, language, chance)
        begun = document[: chance.randint(0, len(document))]
        laws.allowed_tokens_are_live(system, language, begun, chance)
