"""States are values and a matcher is a cursor over them: every way to the same tokens shows the same."""

from __future__ import annotations

import bundles
from cases import Case, any_cases
from effort import MODEST
from engine import system_of
from hypothesis import given


@MODEST
@given(any_cases())
def test_a_matcher_agrees_with_replay_after_any_moves(case: Case) -> None:
    bundles.cursors(system_of(case), case)


@MODEST
@given(any_cases())
def test_forced_bytes_are_what_every_word_goes_on_with(case: Case) -> None:
    bundles.forced(system_of(case), case)
