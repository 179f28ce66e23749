"""Many `multipleOf` at one place: their numbers are exact, and too many are refused by name."""

from __future__ import annotations

from decimal import Decimal

import pytest
from formula_twin import holds
from hypothesis import given
from hypothesis import strategies as st
from schema_documents import judged

import structgen as sg
from structgen.errors import LimitError
from structgen.language.ir import All, Any_, Formula, Interval, Multiple, Not
from structgen.schema.meaning.formulas import conjunction, number_meets
from structgen.tokens.tokenizer import byte_tokenizer

STEPS = [
    Decimal(text) for text in ("1", "2", "3", "0.5", "0.75", "1.5", "10", "7", "0.2", "25", "1E+1", "0.04")
]
NUMBERS = [Decimal(n) / 4 for n in range(-420, 421)] + [Decimal(n) / 25 for n in range(-200, 200)]
multiples = st.sampled_from(STEPS).map(Multiple)
branches = st.lists(
    st.one_of(multiples, multiples, st.tuples(multiples, multiples.map(Not)).map(All)), min_size=1, max_size=5
)


def meets(formula: Formula, value: Decimal) -> bool:
    return holds(formula, value, lambda atom: pytest.fail("no atom is left to others"))


@given(
    st.lists(st.one_of(multiples, branches.map(tuple).map(Any_), multiples.map(Not)), min_size=1, max_size=5),
    st.sampled_from([None, Decimal(-100), Decimal("-7.5"), Decimal(0)]),
    st.sampled_from([None, Decimal(100), Decimal("6.2"), Decimal(0)]),
    st.booleans(),
)
def test_a_conjunction_holds_for_the_numbers_that_meet_each_part(
    parts: list[Formula], low: Decimal | None, high: Decimal | None, strict: bool
) -> None:
    formula = All((*parts, Interval(low, high, open_low=strict)))
    found = conjunction(formula.of)
    assert [v for v in NUMBERS if number_meets(found, v)] == [v for v in NUMBERS if meets(formula, v)]


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
