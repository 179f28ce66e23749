"""States are values and a matcher is a cursor over them: every way to the same tokens shows the same."""

from __future__ import annotations

import os

import bundles
import pytest
from cases import Case, any_cases
from effort import BRIEF, MODEST
from engine import system_of
from hypothesis import given
from laws import events_tell_the_document


@MODEST
@given(any_cases())
def test_a_matcher_agrees_with_replay_after_any_moves(case: Case) -> None:
    bundles.cursors(system_of(case), case)


@MODEST
@given(any_cases())
def test_forced_bytes_are_what_every_word_goes_on_with(case: Case) -> None:
    bundles.forced(system_of(case), case)


@MODEST
@given(any_cases())
def test_events_tell_the_document_under_any_tokens_and_rollbacks(case: Case) -> None:
    system = system_of(case)
    for word in case.words(3):
        events_tell_the_document(system, word, case.chance)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork on this system")
@BRIEF
@given(any_cases())
def test_masks_are_exact_in_a_forked_process(case: Case) -> None:
    system = system_of(case)
    bundles.exact(system, case)  # so that locks, threads and tables are there before the fork
    child = os.fork()
    if child == 0:  # pragma: no cover - the child's lines are not seen
        try:
            bundles.exact(system, case)
        except BaseException:
            os._exit(1)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    bundles.exact(system, case)
