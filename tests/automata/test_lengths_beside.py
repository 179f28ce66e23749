"""A length beside an automaton: the count and the state say together what the product of both says."""

from __future__ import annotations

import pytest
from formulas_drawn import TEXTS, patterns
from hypothesis import given, settings
from hypothesis import strategies as st
from reading import Walker
from regex_twin import holds

from structgen.automata.strings.string_pool import StringPool
from structgen.base.language.ir import DEAD, TRUE, All, Any_, Format, Length, Not, Pattern, Spec, Words
from structgen.base.limits import Limits
from structgen.errors import LimitError


@given(patterns(looks=False), st.integers(0, 2), st.integers(0, 4))
@settings(max_examples=25)
def test_a_text_lives_while_the_count_and_the_rest_stay_within_the_bound(
    source: str, least: int, most: int
) -> None:
    formula = All((Pattern(source), Length(least, most)))
    pool = StringPool(Limits())
    counted = pool.counted(Spec((formula,)), lambda met: 0)
    whole = Walker(formula)
    if counted is None:
        assert whole.start == DEAD
        return
    assert counted.most == most
    rests = dict(zip(counted.states.tolist(), counted.rests.tolist(), strict=True))
    walker = Walker(TRUE, pool=pool)
    for text in TEXTS[::9]:
        data = text.encode()
        for size in range(len(data) + 1):
            state = walker.run(data[:size], counted.start)
            begun = sum(byte & 0xC0 != 0x80 for byte in data[:size])
            lives = state != DEAD and begun + rests[state] <= most
            assert lives == (whole.run(data[:size]) != DEAD), (formula, data[:size])
        state = walker.run(data, counted.start)
        accepted = state != DEAD and pool.outcome[state] == 0 and len(text) <= most
        assert accepted == holds(formula, text)


@pytest.mark.parametrize("source", ["^[a-c]{1,4}$", "^a[b-d]{0,300}e$", r"^.{1,60000}$"])
def test_a_counted_class_is_a_length(source: str) -> None:
    pool = StringPool(Limits())
    counted = pool.counted(Spec((All((Pattern(source), Length(0, 70_000))),)), lambda met: 0)
    assert counted is not None
    assert pool.count < 100


def test_a_bound_beside_a_host_name_is_the_least_of_both() -> None:
    pool = StringPool(Limits())
    found = [
        pool.counted(Spec((All((Format("hostname"), Length(0, most))),)), lambda met: 0)
        for most in (20, 253, 4096)
    ]
    assert [one.most for one in found if one is not None] == [20, 253, 253]
    assert pool.count < 600
    free = pool.counted(Spec((All((Pattern("(?:a)?"), Length(0, 4096))),)), lambda met: 0)
    assert free is not None
    assert (free.start, free.most) == (StringPool.FREE, 4096)


def test_a_bound_that_no_text_passes_adds_no_states() -> None:
    bare = Walker(Pattern("^(?:ab|c){2,5}$"))
    assert Walker(All((Pattern("^(?:ab|c){2,5}$"), Length(2, 10)))).pool.count == bare.pool.count
    assert Walker(All((Pattern("^(?:ab|c){2,5}$"), Length(0, 90_000)))).pool.count == bare.pool.count


def test_a_spec_of_several_demands_keeps_its_bounds_inside() -> None:
    formulas = Length(0, 3), Length(2, 4), Not(Words(frozenset(("ab",))))
    assert StringPool(Limits()).counted(Spec(formulas), lambda met: 0) is None
    walker = Walker(*formulas)
    for text in ("", "ab", "éé", "日日日", "abab", "ababa"):
        assert walker.demands(text) == {at for at, one in enumerate(formulas) if holds(one, text)}


def test_too_many_pairs_of_state_and_count_are_refused_by_name() -> None:
    for formulas in (
        (Length(0, 60_000), TRUE),
        (All((Pattern(r"^(?:\S+\s+){0,99}\S+$"), Length(0, 5_000))), Any_((TRUE,))),
    ):
        with pytest.raises(LimitError) as error:
            Walker(*formulas)
        assert error.value.limit == "automaton_states"
        assert str(error.value).endswith("leave one of them out.")
