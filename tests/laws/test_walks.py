"""Random walks end in documents of the language, and none is stuck."""

from __future__ import annotations

import random
from typing import Any

import bundles
from cases import FLAT_OPTIONS, Case, any_cases
from effort import MODEST
from engine import compiled_system, system_of
from hypothesis import assume, given
from hypothesis import strategies as st
from language import Language
from laws import allowed_tokens_are_live, walk_ends_in_the_language
from policy_oracle import WIDEST, Options
from strategies import open_schemas, vocabulary

import structgen as sg


@MODEST
@given(any_cases())
def test_walks_of_a_finite_language_end_in_its_words(case: Case) -> None:
    bundles.walks(system_of(case), case)


@MODEST
@given(any_cases())
def test_every_allowed_token_leads_to_a_word(case: Case) -> None:
    bundles.live(system_of(case), case)


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
        document = walk_ends_in_the_language(system, language, chance)
        allowed_tokens_are_live(system, language, document[: chance.randint(0, len(document))], chance)
