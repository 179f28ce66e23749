"""The store changes no mask: cold, warm, filled by other grammars, or not there at all."""

from __future__ import annotations

import contextlib
from dataclasses import replace

import bundles
from cases import Case, any_cases, case_of
from effort import BRIEF, MODEST
from engine import system_of
from hypothesis import assume, given
from hypothesis import strategies as st
from language import Unclear
from policy_oracle import COMPACT, Options
from strategies import Bounded, bounded_schemas

import structgen as sg


@MODEST
@given(any_cases())
def test_masks_from_a_cold_and_a_warm_store_are_exact(case: Case) -> None:
    store = sg.MaskStore()
    bundles.exact(system_of(case, store), case)
    store.let_go()  # so that another grammar finds the masks
    bundles.exact(system_of(case, store), case)


@BRIEF
@given(any_cases())
def test_masks_of_a_schema_that_comes_again_are_exact(case: Case) -> None:
    store = sg.MaskStore()
    bundles.exact(system_of(case, store), case)
    bundles.exact(system_of(case, store), case)


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
        bundles.exact(system_of(shared, store), shared)
