"""Formulas over strings and numbers: folding keeps their meaning, quick answers are right, at any depth."""

from __future__ import annotations

import pickle
import random
from decimal import Decimal
from fractions import Fraction
from typing import Any

import jsonschema
import pytest
from formula_twin import holds as twin
from hypothesis import given
from hypothesis import strategies as st
from schema_documents import judged

import structgen as sg
from structgen.base.language.ir import (
    FALSE,
    TRUE,
    All,
    Any_,
    Formula,
    Length,
    Multiple,
    Not,
    Pattern,
    Words,
)
from structgen.base.language.number_ranges import interval, points
from structgen.errors import LimitError
from structgen.schema.meaning.formulas import (
    are_disjoint,
    conjunction,
    disjunction,
    is_multiple,
    negation,
    number_meets,
    quick_number,
)
from structgen.schema.meaning.formulas import evaluate_formula as meets
from structgen.tokens.tokenizer import byte_tokenizer

decimals = st.decimals(-50, 50, places=2)
NUMBERS = [Decimal(n) / 4 for n in range(-220, 221)]
WORDS = ["", "a", "b", "ab", "abc", "abcd"]


def holds(formula: Formula, value: str | Decimal) -> bool:
    return twin(formula, value, lambda atom: pytest.fail("no atom is left to others"))


@st.composite
def number_formulas(draw: st.DrawFn, depth: int = 2) -> Formula:
    """Return a random formula over numbers."""
    kind = draw(st.integers(0, 6 if depth else 1))
    if kind == 6:
        return points(draw(st.frozensets(decimals | st.integers(-50, 50), min_size=1, max_size=4)))
    if kind == 0:
        low, high = draw(st.none() | decimals), draw(st.none() | decimals)
        return interval(low, high, draw(st.booleans()), draw(st.booleans()))
    if kind == 1:
        return Multiple(
            draw(
                st.sampled_from(
                    [Decimal(text) for text in "1 2 3 0.5 0.75 1.5 10 7 0.2 25 1E+1 0.04".split()]
                )
            )
        )
    parts = tuple(draw(st.lists(number_formulas(depth - 1), max_size=3)))
    if kind == 2:
        return Not(draw(number_formulas(depth - 1)))
    return All(parts) if kind < 5 else Any_(parts)


@st.composite
def string_formulas(draw: st.DrawFn, depth: int = 2) -> Formula:
    """Return a random formula over strings, without patterns."""
    kind = draw(st.integers(0, 4 if depth else 1))
    if kind == 0:
        return Words(frozenset(draw(st.lists(st.sampled_from(WORDS), min_size=1))))
    if kind == 1:
        return Length(draw(st.integers(0, 3)), draw(st.none() | st.integers(0, 4)))
    if kind == 2:
        return Not(draw(string_formulas(depth - 1)))
    parts = tuple(draw(st.lists(string_formulas(depth - 1), max_size=3)))
    return All(parts) if kind == 3 else Any_(parts)


@given(st.lists(number_formulas(), max_size=4))
def test_folding_numbers_keeps_the_meaning(parts: list[Formula]) -> None:
    both, either = conjunction(parts), disjunction(parts)
    for value in NUMBERS[:: random.Random(len(parts)).randint(3, 7)]:
        truths = [holds(part, value) for part in parts]
        assert number_meets(both, value) == all(truths)
        assert number_meets(either, value) == any(truths)


@given(st.lists(string_formulas(), max_size=4))
def test_folding_strings_keeps_the_meaning(parts: list[Formula]) -> None:
    both, either = conjunction(parts), disjunction(parts)
    for word in WORDS:
        truths = [holds(part, word) for part in parts]
        assert holds(both, word) == all(truths)
        assert holds(either, word) == any(truths)
        assert all(holds(negation(part), word) != truth for part, truth in zip(parts, truths, strict=True))
        assert meets(either, lambda atom, word=word: holds(atom, word)) == any(truths)


@given(string_formulas(), string_formulas())
def test_formulas_called_apart_share_no_string(a: Formula, b: Formula) -> None:
    if are_disjoint(a, b):
        assert not any(holds(a, word) and holds(b, word) for word in WORDS)


@given(decimals, decimals, st.booleans(), st.booleans(), st.sampled_from(["1", "0.5", "3", "0.75", "7.25"]))
def test_quick_emptiness_of_an_interval_with_a_divisor(
    low: Decimal, high: Decimal, open_low: bool, open_high: bool, divisor: str
) -> None:
    formula = conjunction((interval(low, high, open_low, open_high), Multiple(Decimal(divisor))))
    inside = any(number_meets(formula, Decimal(divisor) * n) for n in range(-101, 102))
    assert (formula != FALSE and quick_number(formula)) == inside


@given(st.decimals(allow_nan=False, allow_infinity=False, places=3), st.decimals("0.001", "9", places=3))
def test_multiples_are_decided_exactly(value: Decimal, divisor: Decimal) -> None:
    assert is_multiple(value, divisor) == (Fraction(value) % Fraction(divisor) == 0)


def test_multiples_at_great_exponents_cost_nothing() -> None:
    assert is_multiple(Decimal("1e100000000"), Decimal("1e-300"))
    assert not is_multiple(Decimal("1e-100000000"), Decimal(1))


def test_contradictions_fold_to_false() -> None:
    assert conjunction((Words(frozenset({"a"})), Words(frozenset({"b"})))) == FALSE
    assert conjunction((interval(None, Decimal(1)), interval(Decimal(2), None))) == FALSE
    assert conjunction((Multiple(Decimal(2)), Not(Multiple(Decimal(2))))) == FALSE
    assert conjunction(()) == TRUE


def test_more_steps_than_can_be_kept_apart_are_refused_by_name() -> None:
    schema = {"type": "number", "anyOf": [{"multipleOf": n} for n in (*range(7, 19), 23)]}
    compiled = sg.compile(sg.json_schema(schema, numbers="any"), byte_tokenizer(), store=False)
    with pytest.raises(LimitError, match="more than 131,072 states") as caught:
        sg.Matcher(compiled).fill_mask(sg.allocate_mask(1, compiled.vocab_size))
    assert caught.value.limit == "automaton_states"


@pytest.mark.parametrize("policy", ["bounded", "plain", "any"])
def test_an_integer_that_is_a_multiple_of_a_fraction_is_so_under_every_policy(policy: str) -> None:
    values = range(-11, 12)
    taken = judged({"type": "integer", "multipleOf": 2.5}, values, numbers=policy)
    assert [value for value, good in zip(values, taken, strict=True) if good] == [-10, -5, 0, 5, 10]


@pytest.mark.parametrize("seeds", [range(40), pytest.param(range(40, 2_000), marks=pytest.mark.slow)])
def test_in_draft_4_the_spelling_of_an_integer_counts_beside_values(seeds: range) -> None:
    values = [0, 1, 2, 3, 0.0, 1.0, 2.0, 3.0, 0.5, 1.5]
    for seed in seeds:
        chance = random.Random(seed)

        def said(chance: random.Random = chance) -> dict[str, Any]:
            found: dict[str, Any] = {"type": chance.choice(["integer", "number"])}
            found |= chance.choice(
                [{"enum": chance.sample([0, 1, 2, 1.5], 2)}, {"minimum": 1}, {"maximum": 2}, {}]
            )
            return found if chance.random() < 0.5 else {"not": found}

        schema = {
            "allOf": [
                {"enum": chance.sample([0, 1, 2, 0.5], 2)},
                *(said() for _ in range(chance.randint(1, 3))),
            ]
        }
        valid = [jsonschema.Draft4Validator(schema).is_valid(value) for value in values]
        assert judged(schema, values, draft="4") == valid, schema


# --- at any depth -------------------------------------------------------------------------------------------

LEAVES = st.sampled_from([Pattern("a"), Pattern("b"), Pattern("c"), TRUE, FALSE])
TREES: st.SearchStrategy[Formula] = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        inner.map(Not),
        st.lists(inner, max_size=3).map(lambda parts: All(tuple(parts))),
        st.lists(inner, max_size=3).map(lambda parts: Any_(tuple(parts))),
    ),
)


@given(one=TREES, other=TREES)
def test_formulas_are_equal_where_their_parts_are(one: Formula, other: Formula) -> None:
    assert (one == other) == (repr(one) == repr(other))
    assert one != other or hash(one) == hash(other)
    assert pickle.loads(pickle.dumps(one)) == one


def test_formulas_of_any_depth_are_compared_hashed_and_judged() -> None:
    def deep() -> Formula:
        found: Formula = Pattern("a")
        for _ in range(5_000):
            found = All((Any_((Not(found), Pattern("b"))), Pattern("c")))
        return found

    one, other = deep(), deep()
    assert one == other and hash(one) == hash(other)
    assert one != Not(other)
    assert meets(one, lambda atom: atom != Pattern("b"))
