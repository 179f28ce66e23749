"""A batch is its rows one by one, and a draft tree its nodes one by one."""

from __future__ import annotations

import pytest
from cases import Case, any_cases
from effort import MODEST
from engine import system_of
from hypothesis import given
from laws import advance_all_agrees, batch_agrees, batch_budgets_agree, draft_agrees

import structgen as sg
from structgen.core import batch
from structgen.tokens.tokenizer import byte_tokenizer


@MODEST
@given(any_cases())
def test_a_batch_fills_what_single_calls_fill(case: Case) -> None:
    system = system_of(case)
    batch_agrees(system, sg.core.fill_masks, case.chance)


@MODEST
@given(any_cases())
def test_a_budget_that_is_too_small_fails_its_own_row_alone(case: Case) -> None:
    batch_budgets_agree(system_of(case), sg.core.fill_masks, case.chance)


@MODEST
@given(any_cases())
def test_a_batch_advances_what_single_calls_advance(case: Case) -> None:
    advance_all_agrees(system_of(case), sg.core.advance_all, case.chance)


@MODEST
@given(any_cases())
def test_a_draft_tree_is_filled_node_by_node(case: Case) -> None:
    system = system_of(case)
    for _ in range(3):
        draft_agrees(system, sg.core.fill_draft, case.chance)


def test_known_masks_are_filled_without_other_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a budget that is known to suffice, too: a thread costs thirty times as much as such a row."""
    compiled = sg.compile(sg.regex("[a-z]{9}"), byte_tokenizer(), store=False)
    matchers = [sg.Matcher(compiled) for _ in range(8)]
    mask = sg.allocate_mask(8, compiled.vocab_size)
    asked: list[list[int]] = []
    monkeypatch.setattr(batch, "_spread", lambda work, items: asked.append(items) or [*map(work, items)])
    for _ in range(2):
        sg.core.fill_masks(matchers, mask, budgets=[30] * 8)
    assert asked == [[*range(8)], []]
    matchers[3].advance(ord("a"))
    sg.core.fill_masks(matchers, mask, budgets=[30] * 8)
    assert asked[2:] == [[3]]
