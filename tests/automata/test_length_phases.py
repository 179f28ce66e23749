"""Lengths in phases: count and state say together what an automaton says in which lengths are states."""

from __future__ import annotations

import pytest
from formulas_drawn import TEXTS, formulas
from hypothesis import given, settings
from reading import Walker
from regex_twin import holds

from structgen.automata.strings import string_pool
from structgen.automata.strings.length_phases import at_length, length_cuts, phase_at
from structgen.automata.strings.string_pool import StringPool
from structgen.automata.unicode.decoded_text import columns_of, count_characters
from structgen.base.language.ir import DEAD, All, Any_, Formula, Length, Not, Pattern, Spec, atoms
from structgen.base.limits import Limits


def started(*demands: Formula) -> tuple[StringPool, int | None]:
    """Return a pool with the start of a spec whose lengths are counted, whatever they are."""
    pool = StringPool(Limits())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(string_pool, "_FEWEST_TO_COUNT", 0)
        return pool, pool.start_in_phases(Spec(demands), lambda met: 0)


@given(formulas(), formulas())
@settings(max_examples=40, deadline=None)
def test_states_and_counts_are_the_states_of_the_whole_automaton(one: Formula, other: Formula) -> None:
    demands = one, Any_((other, Length(2, 3)))
    pool, start = started(*demands)
    whole = Walker(*demands)
    assert start is not None
    if start == DEAD:
        assert whole.start == DEAD
        return
    phases, accept = pool.phases_of(start)
    assert sorted(pool.is_finite(start, 30) or ()) == sorted(whole.pool.is_finite(whole.start, 30) or ())
    for text in TEXTS[::9]:
        data, state = text.encode(), start
        for size, column in enumerate([-1, *columns_of(data)]):
            state = state if column < 0 or state == DEAD else int(pool.trans[state, column])
            count = count_characters(data[:size])
            phase = phase_at(phases, count)
            lives = state != DEAD and bool(phase.alive_states(count)[state - start])
            there = whole.run(data[:size])
            assert lives == (there != DEAD), (demands, data[:size])
            if lives:
                assert pool.shortest_rests(state, count) == whole.pool.shortest_rests(there)
        ends = state != DEAD and state - start < len(accept)
        met = phase_at(phases, len(text)).outcomes[accept[state - start]] if ends else frozenset()
        assert met == {at for at, demand in enumerate(demands) if holds(demand, text)}


@given(formulas())
@settings(max_examples=40, deadline=None)
def test_a_formula_at_a_length_is_the_formula_without_lengths(formula: Formula) -> None:
    for text in TEXTS[::29]:
        at = at_length(formula, len(text))
        assert holds(at, text) == holds(formula, text)
        assert not any(isinstance(atom, Length) for atom in atoms(at))


def test_phases_are_cut_where_lengths_say_another_thing() -> None:
    union = Any_((Length(3, 10**9), All((Pattern("^a{20,5000}$"), Not(Length(0, 64))))))
    assert length_cuts([union]) == [3, 20, 65, 5001, 10**9 + 1]


@pytest.mark.parametrize("most", [10**4, 10**7, 10**9])
@pytest.mark.parametrize(
    ("beside", "first", "taken"),
    [
        ("^b", "a", (True, True, False)),
        ("^a", "a", (True, True, True)),
        ("^(aa)*$", "a", (True, True, False)),
    ],
)
def test_a_text_of_any_length_is_told_by_its_phase(
    most: int, beside: str, first: str, taken: tuple[bool, ...]
) -> None:
    pool, start = started(Any_((Length(0, most), Pattern(beside))))
    assert start is not None
    phases, accept = pool.phases_of(start)
    assert pool.count < 60
    # behind two letters the states of a text of one letter alternate
    row = pool.trans[:, ord(first)]
    two = [int(row[start]), int(row[row[start]])]
    for size, is_taken in zip((most - 1, most, most + 1), taken, strict=True):
        state = two[(size + 1) % 2]
        assert bool(phase_at(phases, size).outcomes[accept[state - start]]) == is_taken, size
