"""A length beside an automaton: the count and the state say together what the product of both says."""

from __future__ import annotations

import pytest
from formulas_drawn import TEXTS, patterns
from hypothesis import given, settings
from hypothesis import strategies as st
from reading import Walker
from regex_twin import holds

from structgen.automata.strings.length_phases import phase_at
from structgen.automata.strings.string_pool import StringPool
from structgen.automata.unicode.decoded_text import count_characters
from structgen.base.language.ir import DEAD, TRUE, All, Any_, Format, Length, Not, Pattern, Spec, Words
from structgen.base.limits import Limits
from structgen.errors import LimitError


@given(patterns(looks=False), st.integers(0, 2), st.integers(0, 4))
@settings(max_examples=25)
def test_a_text_lives_while_a_rest_stays_within_the_bound(source: str, least: int, most: int) -> None:
    formula = All((Pattern(source), Length(least, most)))
    pool = StringPool(Limits())
    start, whole = pool.start_in_phases(Spec((formula,)), lambda met: 0), Walker(formula)
    assert start is not None
    if start == DEAD:
        assert whole.start == DEAD
        return
    phases, accept = pool.phases_of(start)
    walker = Walker(TRUE, pool=pool)
    for text in TEXTS[::9]:
        data = text.encode()
        for size in range(len(data) + 1):
            state, begun = walker.run(data[:size], start), count_characters(data[:size])
            lives = state != DEAD and bool(phase_at(phases, begun).alive_states(begun)[state - start])
            assert lives == (whole.run(data[:size]) != DEAD), (formula, data[:size])
        ends = lives and state - start < len(accept)
        met = phase_at(phases, len(text)).outcomes[accept[state - start]] if ends else frozenset()
        assert bool(met) == holds(formula, text)


@pytest.mark.parametrize("source", ["^[a-c]{1,4}$", "^a[b-d]{0,300}e$", r"^.{1,60000}$"])
def test_a_counted_class_is_a_length(source: str) -> None:
    pool = StringPool(Limits())
    assert pool.start_in_phases(Spec((All((Pattern(source), Length(0, 70_000))),)), lambda met: 0) is not None
    assert pool.count < 100


def test_a_bound_beside_a_host_name_is_the_least_of_both() -> None:
    pool = StringPool(Limits())
    ends = []
    for most in (20, 253, 4096):
        start = pool.start_in_phases(Spec((All((Format("hostname"), Length(0, most))),)), lambda met: 0)
        assert start is not None
        ends.append([phase.end for phase in pool.phases_of(start)[0] if phase.farthest >= 0])
    assert ends == [[21], [254], [254]]
    assert pool.count < 600


def test_a_bound_that_no_text_passes_adds_no_states() -> None:
    bare = Walker(Pattern("^(?:ab|c){2,5}$"))
    assert Walker(All((Pattern("^(?:ab|c){2,5}$"), Length(2, 10)))).pool.count == bare.pool.count
    assert Walker(All((Pattern("^(?:ab|c){2,5}$"), Length(0, 90_000)))).pool.count == bare.pool.count


def test_a_spec_of_several_demands_keeps_its_bounds_inside() -> None:
    formulas = Length(0, 3), Length(2, 4), Not(Words(frozenset(("ab",))))
    assert StringPool(Limits()).start_in_phases(Spec(formulas), lambda met: 0) is None
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
        assert str(error.value).endswith("remove one of them.")
