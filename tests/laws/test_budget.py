"""Budgets: the count of tokens to the end is a bound that falls, and a budget that fits is kept."""

from __future__ import annotations

import random
from pathlib import Path

import bundles
import pytest
from cases import Case, any_cases
from effort import MODEST
from engine import system_of
from hypothesis import given
from policy_oracle import Options
from shapes import Array, Number, Object, Shape, Text, automaton_of

import structgen as sg


@MODEST
@given(any_cases())
def test_the_count_falls_and_is_no_less_than_the_least(case: Case) -> None:
    bundles.counts(system_of(case), case)


@MODEST
@given(any_cases())
def test_a_budget_allows_what_fits_and_completes_in_time(case: Case) -> None:
    bundles.budgets(system_of(case), case)


NAME = Text(1, None)
POINT = Object((("x", Number(False), True), ("y", Number(False), True)))
PERSON = Object((("name", NAME, True), ("age", Number(True), True), ("email", NAME, False)))
TAGGED = Object((("id", Number(True), True), ("tags", Array(NAME, 1, None), True)))
ADDRESS = Object((("street", NAME, True), ("city", NAME, True)))
NESTED = Object((("title", Text(0, 7), True), ("address", ADDRESS, True)))


@pytest.mark.parametrize(
    "shape",
    [
        pytest.param(Array(POINT, 1, 3), id="points"),
        pytest.param(PERSON, id="person"),
        pytest.param(TAGGED, id="tagged"),
        pytest.param(NESTED, id="nested"),
    ],
)
def test_the_count_is_within_a_tenth_of_the_least_on_samples(shape: Shape) -> None:
    tokenizer = sg.Tokenizer.from_huggingface(Path(__file__).parent.parent / "data/bpe/tokenizer.json")
    options = Options("compact", numbers="plain")
    automaton, chance = automaton_of(shape, options), random.Random(1)
    case = Case(shape.schema(), options, automaton, tokenizer.token_bytes, tokenizer.eos_token_ids, chance)
    for _ in range(2):
        bundles.near_counts(system_of(case), case)
